"""What may be written next to one poller's command file: decided here, written by lane_writing.py.

Rules. Order is kept per object; people's commands overtake bulk results of other objects. A command that waited is checked again
before it is written; one that must wait for the core's files (its deletion has no id yet, no status file is newer than the core's
return) is left where it is. A deletion waits alone; any other waiting command holds back later ones of its object.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from engine.commands.catalogue import CATALOGUE, Effect, FieldType, Recheck, Row, known_row
from engine.commands.lifecycle import IN_FLIGHT, SUCCEEDED, State
from engine.commands.profiles import Profile
from engine.commands.wire import WRITE_LIMIT, encode
from engine.errors import InvalidField
from engine.journal.commands import CommandRow, has_waiting_before, newest_seq, waiting_named, waiting_names
from engine.journal.history import entry_by_id
from engine.state.members import hosts_of_group, meant_hosts
from engine.state.views import Reader

RECHECK_AFTER_S = 5.0
MARKS_BYTES = 96  # room for the two marks of a batch
_MOST_SHIFTED_S = 30
_SAME_SECOND_S = 1.5  # log and status file may give one change two neighbouring seconds
OVERTAKEN = "overtaken"
_BULK = tuple(name for name, row in CATALOGUE.items() if row.bulk)
# Commands of one object that undo or replace each other, by the recheck they share.
_RIVALS = {
    recheck: tuple(name for name, row in CATALOGUE.items() if row.recheck is recheck)
    for recheck in (Recheck.SAME_PROBLEM, Recheck.NONE_NEWER)
}


class Line(msgspec.Struct, frozen=True):
    """One command ready to be written. `epoch` is the bracket time in the line."""

    command: CommandRow
    epoch: int
    text: bytes


@dataclass(slots=True)
class Plan:
    """What to do with the waiting commands, in order. The rest waits; `blocked` are the objects of what was looked at of it."""

    lines: list[Line] = field(default_factory=list)
    expired: list[tuple[CommandRow, str]] = field(default_factory=list)
    blocked: set[tuple[str, str]] = field(default_factory=set, compare=False)


class Situation(msgspec.Struct, frozen=True):
    """What the lane knows of its core when it decides. Times are epoch seconds, the core's clock being ours on one machine.

    A status file counts as *current* when its `created` lies after `back_at`, the moment the core began to read again.
    `newest_result`: the newest check time that calls of results have written for a host and service, 0 when none.
    """

    poller: int
    now: float
    profile: Profile
    created: float
    program_start: float
    back_at: float
    newest_result: Callable[[str, str], int] = lambda host, service: 0


def plan(waiting: Iterable[CommandRow], situation: Situation, journal: sqlite3.Connection, reader: Reader, room: int) -> Plan:
    """Decide about waiting commands in the order they come, until their lines take `room` bytes."""
    result = Plan()
    blocked = result.blocked
    epochs = _Epochs(journal, int(situation.now))
    for command in waiting:
        row = known_row(command.name)
        key = (command.host, command.service)
        if command.deadline_at <= situation.now:
            result.expired.append((command, ran_out(command, True)))
            continue
        if key in blocked:
            continue
        verdict = _check(command, row, situation, journal, reader, epochs)
        if isinstance(verdict, Line):
            result.lines.append(verdict)
            room -= len(verdict.text)
            if room <= 0:
                break
        elif verdict:
            result.expired.append((command, verdict))
        elif row.effect is not Effect.ENTRY_GONE:
            blocked.add(key)
    return result


def in_sending_order(journal: sqlite3.Connection, poller: int) -> Iterator[CommandRow]:
    """Every waiting command: bulk results behind everything else, but never is one object's order changed.

    Read as far as somebody looks: what thousands of results wait behind is not their number but the core.
    """
    deferred: list[CommandRow] = []
    newest = newest_seq(journal)
    names = waiting_names(journal, poller)
    people, bulk = [name for name in names if name not in _BULK], [name for name in names if name in _BULK]
    for command in _by_age(waiting_named(journal, poller, name) for name in people):
        if not bulk and command.seq > newest:
            break  # a result may have come before it: the next look tells
        if bulk and has_waiting_before(journal, command, _BULK):
            deferred.append(command)
        else:
            yield command
    yield from _by_age([deferred, *(waiting_named(journal, poller, name) for name in bulk)])


def _by_age(streams: Iterable[Iterable[CommandRow]]) -> Iterator[CommandRow]:
    return heapq.merge(*streams, key=lambda command: command.seq)


def batches(lines: Iterable[Line], room: int) -> list[list[Line]]:
    """Cut lines into writes of at most 4096 bytes with their marks, as many as `room` bytes allow."""
    cut: list[list[Line]] = []
    size = 0
    for line in lines:
        if not cut or size + len(line.text) > WRITE_LIMIT:
            if room < WRITE_LIMIT:
                break
            room -= WRITE_LIMIT
            cut.append([])
            size = MARKS_BYTES
        cut[-1].append(line)
        size += len(line.text)
    return cut


def ran_out(command: CommandRow, reading: bool) -> str:
    """Why a command is given up at its deadline."""
    if known_row(command.name).recheck is Recheck.NOT_ENDED:
        return "its window ended before it could be written"
    return "its time to live ran out" + ("" if reading else " while the core was not reading")


def _check(
    command: CommandRow,
    row: Row,
    situation: Situation,
    journal: sqlite3.Connection,
    reader: Reader,
    epochs: _Epochs,
) -> Line | str | None:
    """The line to write; or why the command is given up; or None: not now."""
    if command.attempts:
        verdict = _recheck_order(command, row, journal)
        if verdict is not True:
            return verdict
    if situation.now - command.accepted_at > RECHECK_AFTER_S:
        verdict = _recheck(command, row, situation, reader)
        if verdict is not True:
            return verdict
    core_id = None
    entry_id = _entry_named(command, row)
    if entry_id is not None:
        found = _core_id(entry_id, situation, journal)
        if not isinstance(found, int):
            return found
        core_id = found
    epoch = _epoch(command, row, situation, epochs)
    if epoch is None:
        return None
    try:
        return Line(command, epoch, encode(row, command.arguments, epoch, core_id, situation.profile))
    except InvalidField as error:
        return f"it cannot be written: {error}"


def _recheck(command: CommandRow, row: Row, situation: Situation, reader: Reader) -> str | Literal[True] | None:
    """True: still worth sending; a reason: overtaken; None: no status file is new enough to tell."""
    if row.recheck in (Recheck.NONE, Recheck.NOT_ENDED):
        return True
    if situation.created <= max(situation.back_at, command.accepted_at):
        return None
    if row.recheck is Recheck.SAME_MEMBERS:
        asked = (reader, command.poller, row.subject, command.arguments)
        is_same = set(meant_hosts(*asked)) == set(hosts_of_group(*asked))
        return is_same or f"{OVERTAKEN}: the group has other members than when the command was accepted"
    found = reader.object_row(command.poller, command.host, command.service or None)
    if found is None:
        return f"{OVERTAKEN}: the object is no longer in the core's configuration"
    if row.recheck is Recheck.SAME_PROBLEM and command.seen_state_change is not None:
        if abs(found.last_state_change - command.seen_state_change) > _SAME_SECOND_S:
            return f"{OVERTAKEN}: the object changed state at {found.last_state_change:.0f}, after the command was accepted"
        return True
    if row.recheck is Recheck.NONE_NEWER and found.last_check > _checked_at(command):
        return f"{OVERTAKEN}: the object has a newer check result, of {found.last_check:.0f}"
    return True


def _recheck_order(command: CommandRow, row: Row, journal: sqlite3.Connection) -> str | Literal[True] | None:
    """A line that was lost must not undo what a later one of its object did meanwhile. None: that one's fate is not known yet."""
    rivals = _RIVALS.get(row.recheck, ())
    found = journal.execute(
        "SELECT DISTINCT state FROM command WHERE poller = ? AND host = ? AND service = ? AND seq > ?"
        f" AND name IN ({','.join('?' * len(rivals))})",
        (command.poller, command.host, command.service, command.seq, *rivals),
    )
    states = {State(state) for (state,) in found} if rivals else set()
    if states & (SUCCEEDED | {State.UNKNOWN}):
        return f"{OVERTAKEN}: a later command for the object was executed first"
    return None if states & IN_FLIGHT else True


def _entry_named(command: CommandRow, row: Row) -> int | None:
    """The entry whose core id stands in the line: the one to delete, or the downtime that starts this one."""
    for part in row.fields:
        if part.type is FieldType.ENTRY:
            return command.entry_id or 0
        trigger = command.arguments.get(part.name)
        if part.type is FieldType.TRIGGER and isinstance(trigger, int) and trigger:
            return trigger
    return None


def _core_id(entry_id: int, situation: Situation, journal: sqlite3.Connection) -> int | str | None:
    """The core's present id of an entry: ids are re-used after crashes and renumbered by Icinga 2."""
    entry = entry_by_id(journal, entry_id)
    if entry is None or not entry.present:
        return f"{OVERTAKEN}: it is no longer in the core"
    known = entry.core_id is not None and entry.core_start == situation.program_start
    return entry.core_id if known and situation.created > situation.back_at else None


_EPOCHS = "FROM command INDEXED BY command_epoch WHERE poller = ? AND host = ? AND service = ? AND name = ? AND epoch IS NOT NULL"


@dataclass(slots=True)
class _Epochs:
    """Bracket times given out: `issued` in this round, by what must differ in them; those before it stand in the journal.

    Of one name and object, what stands there is read once for all that wait: they may be thousands.
    """

    journal: sqlite3.Connection
    now: int
    issued: dict[tuple[object, ...], int] = field(default_factory=dict)
    _stored: dict[tuple[object, ...], dict[tuple[object, object], list[tuple[int, str]]]] = field(default_factory=dict)

    def newest(self, command: CommandRow) -> int:
        """The newest of that name for that object, 0 when there is none."""
        (newest,) = self.journal.execute(f"SELECT max(epoch) {_EPOCHS}", _place(command)).fetchone()
        return newest or 0

    def newest_equal(self, command: CommandRow, comment: object) -> int:
        """The newest from now on of another line that differs in nothing else, 0 when there is none."""
        place = _place(command)
        stored = self._stored.get(place)
        if stored is None:
            stored = self._stored[place] = {}
            query = f"SELECT author, arguments ->> 'comment', epoch, id {_EPOCHS} AND epoch >= ?"
            for author, text, epoch, command_id in self.journal.execute(query, (*place, self.now)):
                stored.setdefault((author, text), []).append((epoch, command_id))
        found = stored.get((command.author, comment), ())
        return max((epoch for epoch, command_id in found if command_id != command.id), default=0)


def _place(command: CommandRow) -> tuple[object, ...]:
    return command.poller, command.host, command.service, command.name


def _epoch(command: CommandRow, row: Row, situation: Situation, epochs: _Epochs) -> int | None:
    """The true second; a result's is the check's, kept in order per object; a line equal to a live one is told apart by it."""
    now = epochs.now
    if row.effect is Effect.RESULT_SEEN:
        key: tuple[object, ...] = (command.name, command.host, command.service)
        last = max(epochs.issued.get(key, 0), epochs.newest(command), situation.newest_result(command.host, command.service))
        epoch = max(min(int(_checked_at(command)), now), min(last, now))
    elif row.effect is Effect.ENTRY_CREATED and situation.profile.bracket_is_entry_time:
        comment = command.arguments.get("comment")
        key = (command.name, command.host, command.service, command.author, comment)
        epoch = max(now, epochs.issued.get(key, 0) + 1, epochs.newest_equal(command, comment) + 1)
    else:
        return now
    if epoch - now > _MOST_SHIFTED_S:
        return None
    epochs.issued[key] = epoch
    return epoch


def _checked_at(command: CommandRow) -> float:
    at = command.arguments.get("checked_at")
    return float(at) if isinstance(at, int | float) else command.accepted_at
