"""Acknowledgements as the logs tell of them: set and ended while Signalbox was down, before it came, or between two status files;
and of those that others set, whether contacts are told, which no other file of a core says.

Theory of operation. As of downtimes (replay.py): each command in a poller's log is looked at once the lane has had the time to
reconcile with a generation that the core wrote behind it. One that no entry of the journal is about becomes an entry that has ended
(proof `seen`), if the log shows that it took effect. Of an entry that ended unseen, the log's word on when is better than the
generation that no longer showed it. What stands is the lane's: only `notify` is added to it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.commands.acknowledged import COMMANDS, STATES, Asked, Stood, asked_in, stood
from engine.config import Poller
from engine.formats.logentry import EntryType, LogEntry
from engine.journal.history import EntryRow, entries, insert_entry, update_entry
from engine.journal.identities import next_ids
from engine.journal.store import Journal
from engine.model import CoreKind
from engine.state.views import Reader

_NEAR_S = 3.0  # a core dates the comment with the second it logs the command in, or the next one
_WAITED_S = 3600.0  # ours are dated when they were asked for, and may have waited for their core
_AT_ONCE = 50  # in a transaction: some 10 ms
_EXACT_S = 3.0  # the generation's own time is as good as this

_COLUMNS = "e.seq, e.at, e.type, o.host, o.service, e.state, e.state_type, e.attempt, e.word, e.contact, e.command, e.text"
_COMMAND_LINES = (
    f"SELECT {_COLUMNS} FROM history.entry e INDEXED BY entry_type CROSS JOIN history.object o ON o.id = e.object"
    f" WHERE e.type = {int(EntryType.EXTERNAL_COMMAND)} AND e.at >= ? AND (e.at, e.seq) > (?, ?) AND o.poller = ?"
    f" AND e.command IN ({','.join(map(repr, COMMANDS))}) ORDER BY e.at, e.seq"
)
_OF_OBJECT = "e.object = (SELECT id FROM history.object WHERE poller = ? AND host = ? AND service = ?)"
_STATE_BEFORE = (
    f"SELECT e.state FROM history.entry e WHERE {_OF_OBJECT} AND e.type IN ({','.join(str(int(one)) for one in STATES)})"
    " AND e.at <= ? AND (e.at, e.seq) < (?, ?) ORDER BY e.at DESC, e.seq DESC LIMIT 1"
)
_LATER = (
    f"SELECT {_COLUMNS} FROM history.entry e JOIN history.object o ON o.id = e.object"
    f" WHERE {_OF_OBJECT} AND e.at >= ? AND (e.at, e.seq) > (?, ?) ORDER BY e.at, e.seq"
)


class _Line(NamedTuple):
    """A command of the log and its number there."""

    seq: int
    asked: Asked


class _New(NamedTuple):
    """What only the log knows."""

    asked: Asked
    stood: Stood


class _More(NamedTuple):
    """What the log adds to an entry."""

    entry_id: int
    columns: Mapping[str, object]


@dataclass(slots=True)
class AcknowledgementLog:
    """How far one poller's log was read, and the commands in it that wait for the lane."""

    place: tuple[int, int] = (-1, -1)
    waiting: list[_Line] = field(default_factory=list)


def take_over(journal: Journal, reader: Reader, poller: Poller, log: AcknowledgementLog, oldest: float, reconciled: float) -> None:
    """Take over what is new. `oldest`: what is before that second is forgotten. `reconciled`: up to this second of the core the
    lane has surely seen what stands. Raises JournalError."""
    for seq, at, kind, *more in reader.connection.execute(_COMMAND_LINES, (oldest, *log.place, poller.number)).fetchall():
        log.place = at, seq
        asked = asked_in(LogEntry(at, EntryType(kind), *more))
        if asked is not None:
            log.waiting.append(_Line(seq, asked))
    changing = [line for line in log.waiting if _change(journal.connection, reader, poller, line, reconciled) is not None]
    for first in range(0, len(changing), _AT_ONCE):
        with journal.transaction() as connection:
            for line in changing[first : first + _AT_ONCE]:
                change = _change(connection, reader, poller, line, reconciled)  # what was stored meanwhile counts
                if isinstance(change, _More):
                    update_entry(connection, change.entry_id, **change.columns)
                elif change is not None:
                    _insert(connection, poller.number, change, reconciled)
    log.waiting = [line for line in log.waiting if not _is_due(line, reconciled)]


def _is_due(line: _Line, reconciled: float) -> bool:
    return line.asked.at + 1 < reconciled


def _change(connection: sqlite3.Connection, reader: Reader, poller: Poller, line: _Line, reconciled: float) -> _New | _More | None:
    asked, known = line.asked, _known(connection, poller.number, line.asked)
    if known is None:
        found = _stood(reader, poller, line) if _is_due(line, reconciled) else None
        if found is None or _stands_another(connection, poller, asked, found):
            return None
        return _New(asked, found)
    columns: dict[str, object] = {} if known.notify is not None else {"notify": int(asked.notify)}
    if not known.present and known.deleted_at is not None and known.deleted_by is None and _is_due(line, reconciled):
        found = _stood(reader, poller, line)
        if found is not None and found.end is not None and found.end < known.deleted_at - _EXACT_S:
            columns["deleted_at"] = float(found.end)
    return _More(known.id, columns) if columns else None


def _known(connection: sqlite3.Connection, poller: int, asked: Asked) -> EntryRow | None:
    """The entry that this command made, whatever became of it. Of several the nearest in time."""
    where = (
        "poller = ? AND host = ? AND service = ? AND kind = 'acknowledgement' AND author = ? AND comment = ? AND entry_time <= ?"
        " AND (entry_time >= ? OR (command_id IS NOT NULL AND entry_time >= ?)) ORDER BY abs(entry_time - ?) LIMIT 1"
    )
    times = (asked.at + _NEAR_S, asked.at - _NEAR_S, asked.at - _WAITED_S, asked.at)
    found = entries(connection, where, (poller, asked.host, asked.service, asked.author, asked.comment, *times))
    return found[0] if found else None


def _stands_another(connection: sqlite3.Connection, poller: Poller, asked: Asked, found: Stood) -> bool:
    """The object is acknowledged, and by which command its core no longer shows: it may be this one. Or it was acknowledged
    already, and the core is one that takes no second one."""
    where = "poller = ? AND host = ? AND service = ? AND kind = 'acknowledgement' AND "
    place = (poller.number, asked.host, asked.service)
    if found.end is None and entries(connection, f"{where} present = 1", place):
        return True
    stood_then = (
        f"{where} proof IN ('confirmed', 'seen') AND entry_time < ? AND (present = 1 OR coalesce(deleted_at, end_time) > ?)"
    )
    return not _replaces(poller) and bool(entries(connection, stood_then, (*place, asked.at, asked.at)))


def _replaces(poller: Poller) -> bool:
    return poller.kind is not CoreKind.ICINGA2


def _stood(reader: Reader, poller: Poller, line: _Line) -> Stood | None:
    asked = line.asked
    place, behind = (poller.number, asked.host, asked.service), (asked.at, asked.at, line.seq)
    before = reader.connection.execute(_STATE_BEFORE, (*place, *behind)).fetchone()
    return stood(asked, before[0] if before else None, _later(reader, (*place, *behind)), replaces=_replaces(poller))


def _later(reader: Reader, values: tuple[object, ...]) -> Iterator[LogEntry]:
    for _, at, kind, *more in reader.connection.execute(_LATER, values):
        yield LogEntry(at, EntryType(kind), *more)


def _insert(connection: sqlite3.Connection, poller: int, new: _New, reconciled: float) -> None:
    """One whose end the log does not tell had ended when the generation came that no longer shows it."""
    asked, end = new.asked, new.stood.end
    expired = 0 < asked.expires <= (end if end is not None else reconciled)
    (entry_id,) = next_ids(connection, poller, "entry", 1)
    insert_entry(
        connection,
        EntryRow(
            entry_id, "acknowledgement", poller, asked.host, asked.service, asked.author, asked.comment, "seen", 0, asked.at,
            end_time=asked.expires or None, cancelled=int(not expired),
            deleted_at=None if expired else float(end) if end is not None else reconciled,
            sticky=int(asked.sticky), notify=int(asked.notify), persistent=int(asked.persistent), object_state=new.stood.state,
        ),
    )  # fmt: skip
