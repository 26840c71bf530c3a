"""Downtimes that only the logs know: set and ended while Signalbox was down, before it came, or between two status files.

Theory of operation. When the index of a poller's logs is whole, its downtimes and the commands that ask for some are read in order,
once from the beginning and then on from the last one. A period of downtime that no entry of the journal touches becomes an entry
that has ended (proof `seen`); whoever cannot be known has no name. Where exactly one entry touches it, the log's word on its end
is better than the generation that no longer showed it: that may have come hours later. An entry that still stands is looked at
again once the lane has seen it go. Only entries that have ended are written here, so binding keeps its one author.

A period is taken up when the lane has had the time to reconcile with a generation that the core wrote after the period's end:
what it knows of it is in the journal then. Nothing has to be remembered over a restart: a period that is there is recognised.
Acknowledgements go the same way: acknowledged.py.
"""

from __future__ import annotations

import heapq
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from engine.clock import Clock
from engine.commands.passages import COMMANDS, SLACK_S, OfGroup, Passages, Period, only_one
from engine.config import Poller, Settings
from engine.errors import JournalError
from engine.formats.logentry import EntryType, LogEntry
from engine.journal.history import EntryRow, ends_by_itself, entries, insert_entry, update_entry
from engine.journal.identities import next_ids
from engine.journal.store import Journal
from engine.pollers.acknowledged import AcknowledgementLog, take_over
from engine.state.views import Reader

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 2.0
_LANE_S = 5.0  # a lane that is busy reconciles this late with a generation
_PERIODS_AT_ONCE = 50  # of the journal, in one transaction
_EXACT_S = 3.0  # the generation's own time is as good as this

_COLUMNS = "e.at, e.seq, e.type, o.host, o.service, e.state, e.state_type, e.attempt, e.word, e.contact, e.command, e.text"
_LINES = (
    f"SELECT {_COLUMNS} FROM history.entry e INDEXED BY entry_type CROSS JOIN history.object o ON o.id = e.object"
    " WHERE e.type = ? AND e.at >= ? AND (e.at, e.seq) > (?, ?) AND o.poller = ?{} ORDER BY e.at, e.seq"
)
_KINDS = (
    (EntryType.DOWNTIME, _LINES.format("")),
    (EntryType.EXTERNAL_COMMAND, _LINES.format(f" AND e.command IN ({','.join(map(repr, COMMANDS))})")),
)
_MEMBER = (
    "SELECT 1 FROM state.group_member WHERE poller = ? AND kind = ? AND name = ? AND host_name = ?"
    " AND (? IS NULL OR service_description = ?) AND (SELECT program_start FROM state.poller WHERE number = ?) <= ?"
)
_STOOD = "(present = 1 OR cancelled = 1 OR core_id IS NOT NULL OR proof IN ('confirmed', 'seen', 'processed'))"


@dataclass(slots=True)
class _Log:
    """How far one poller's log was read, and the periods that wait: for the lane, or for an entry to end."""

    passages: Passages = field(default_factory=Passages)
    place: tuple[int, int] = (-1, -1)
    waiting: list[Period] = field(default_factory=list)
    shown: float = 0.0  # the newest generation seen, and since when (monotonic)
    shown_at: float = 0.0
    acknowledgements: AcknowledgementLog = field(default_factory=AcknowledgementLog)
    reconciled: float = 0.0  # up to this second of the core the lane has surely seen what stands


@dataclass(slots=True)
class Replay:
    """See the module. `run` is a thread's body."""

    journal: Journal
    reader: Callable[[], Reader]
    pollers: Sequence[Poller]
    settings: Settings
    clock: Clock
    _logs: dict[int, _Log] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Read on until stopped."""
        while not self._stopping.wait(_LOOK_EVERY_S):
            try:
                self.look()
            except (JournalError, sqlite3.OperationalError) as error:
                log.error("downtimes and acknowledgements of the logs are not taken over for now: %s", error)

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping.set()

    def look(self) -> None:
        """Take over what is new in every log that was read to its end. Raises JournalError."""
        reader = self.reader()
        try:
            if reader.attach_history():
                for poller in self.pollers:
                    self._look(reader, poller)
        finally:
            reader.close()

    def _look(self, reader: Reader, of: Poller) -> None:
        poller = of.number
        state = self._logs.setdefault(poller, _Log())
        whole = "SELECT 1 FROM history.source WHERE poller = ? AND read_bytes >= known_bytes AND newest IS NOT NULL"
        if reader.connection.execute(whole, (poller,)).fetchone() is None:
            return
        self._note_generation(reader, poller, state)
        for entry in self._entries(reader, poller, state):
            state.waiting += state.passages.read(entry)
        ready = [period for period in state.waiting if period.end + 1 < state.reconciled]
        due = [period for period in ready if not _stands(_touched(self.journal.connection, poller, period))]
        done: set[Period] = set()
        for first in range(0, len(due), _PERIODS_AT_ONCE):
            some = due[first : first + _PERIODS_AT_ONCE]
            with self.journal.transaction() as connection:  # what the lane stored meanwhile counts
                found = [(period, _touched(connection, poller, period)) for period in some]
                over = [(period, touched) for period, touched in found if not _stands(touched)]
                for period, touched in over:
                    _take_over(connection, poller, _named(reader, poller, period), touched)
            done.update(period for period, _ in over)
        state.waiting = [period for period in state.waiting if period not in done]
        take_over(self.journal, reader, of, state.acknowledgements, self._oldest, state.reconciled)

    def _note_generation(self, reader: Reader, poller: int, state: _Log) -> None:
        (created,) = reader.connection.execute("SELECT created FROM state.poller WHERE number = ?", (poller,)).fetchone() or (0,)
        now = self.clock.monotonic()
        if now - state.shown_at >= _LANE_S:
            state.reconciled = state.shown
            state.shown, state.shown_at = created or 0.0, now

    @property
    def _oldest(self) -> float:
        return self.clock.now() - self.settings.keep_lives_s

    def _entries(self, reader: Reader, poller: int, state: _Log) -> Iterator[LogEntry]:
        rows = [reader.connection.execute(lines, (int(kind), self._oldest, *state.place, poller)) for kind, lines in _KINDS]
        for at, seq, kind, *more in heapq.merge(*rows):
            state.place = at, seq
            yield LogEntry(at, EntryType(kind), *more)


def _named(reader: Reader, poller: int, period: Period) -> Period:
    """The period with who asked, if that was for a group it is in, as its core has been configured since then."""
    mine = [one.asked for one in period.perhaps if _is_in(reader, poller, period, one)]
    return period._replace(asked=only_one(mine)) if mine else period


def _is_in(reader: Reader, poller: int, period: Period, one: OfGroup) -> bool:
    service = period.service if one.kind == "servicegroup" and period.service else None
    values = (poller, one.kind, one.group, period.host, service, service, poller, one.asked.at)
    return reader.connection.execute(_MEMBER, values).fetchone() is not None


def _stands(touched: Sequence[EntryRow]) -> bool:
    """Is it the one downtime that it can be, and is that still there?"""
    return len(touched) == 1 and bool(touched[0].present)


def _take_over(connection: sqlite3.Connection, poller: int, period: Period, touched: Sequence[EntryRow]) -> None:
    if not touched:
        _insert(connection, poller, period)
    elif len(touched) == 1:  # of several it cannot be told whose end that was
        _correct(connection, touched[0], period)


def _touched(connection: sqlite3.Connection, poller: int, period: Period) -> list[EntryRow]:
    """Downtimes of the object that were in effect, or may have been, at some time of the period."""
    begins = "coalesce(actual_start, max(coalesce(start_time, entry_time), entry_time))"
    ends = "coalesce(actual_end, deleted_at, iif(fixed = 0, end_time + coalesce(duration, 0), end_time))"
    where = (
        "poller = ? AND host = ? AND service = ? AND kind = 'downtime' AND entry_time <= ? AND"
        f" {begins} <= ? AND (present = 1 OR {ends} IS NULL OR {ends} >= ?) AND {_STOOD}"
    )
    latest = period.end + SLACK_S
    return entries(connection, where, (poller, period.host, period.service, latest, latest, period.start - SLACK_S))


def _insert(connection: sqlite3.Connection, poller: int, period: Period) -> None:
    asked = period.asked
    (entry_id,) = next_ids(connection, poller, "entry", 1)
    insert_entry(
        connection,
        EntryRow(
            entry_id,
            "downtime",
            poller,
            period.host,
            period.service,
            asked.author if asked else "",
            asked.comment if asked else "",
            "seen",
            0,
            asked.at if asked else period.start,
            start_time=asked.start if asked else None,
            end_time=asked.end if asked else None,
            fixed=int(asked.fixed) if asked else None,
            duration=(asked.end - asked.start if asked.fixed else asked.duration) if asked else None,
            actual_start=period.start,
            actual_end=period.ended,
            cancelled=int(period.cancelled),
            deleted_at=period.end if period.cancelled else None,
        ),
    )


def _correct(connection: sqlite3.Connection, entry: EntryRow, period: Period) -> None:
    """The log's word on the end of the one entry that was in effect then."""
    if entry.actual_start is not None and abs(entry.actual_start - period.start) > SLACK_S:
        return
    if entry.deleted_by is not None:
        return  # who deleted it, and when, is known; of downtimes that overlap the log tells the last end only
    natural, ended = ends_by_itself(entry), float(period.end)
    if period.cancelled and natural is not None and ended > natural + SLACK_S:
        return  # it had come to its end by then: another one's
    if not period.cancelled and natural is not None:
        if ended < natural - SLACK_S:
            return  # it says it came to its end, long before that: another one's
        ended = min(ended, natural)
    known_end = entry.actual_end if entry.actual_end is not None else entry.deleted_at
    if bool(entry.cancelled) == period.cancelled and known_end is not None and abs(known_end - ended) <= _EXACT_S:
        return
    update_entry(
        connection, entry.id, actual_start=entry.actual_start if entry.actual_start is not None else period.start,
        actual_end=ended, cancelled=int(period.cancelled), deleted_at=ended if period.cancelled else None,
    )  # fmt: skip
