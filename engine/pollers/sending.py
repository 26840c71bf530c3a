"""What may be written next to one poller's command file: decided here, written in local.py.

Rules. Order is kept per object; people's commands overtake bulk results of other objects. A command that waited is checked again
before it is written; one that must wait for the core's files (its deletion has no id yet, no status file is newer than the core's
return) is left where it is. A deletion waits alone; any other waiting command holds back later ones of its object.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.commands.catalogue import Effect, FieldType, Recheck, Row, known_row
from engine.commands.profiles import Profile
from engine.commands.wire import WRITE_LIMIT, encode
from engine.errors import InvalidField
from engine.journal.history import entry_by_id
from engine.journal.store import CommandRow
from engine.state.views import Reader

RECHECK_AFTER_S = 5.0
MARKS_BYTES = 96  # room for the two marks of a batch
_MOST_SHIFTED_S = 30
_SAME_SECOND_S = 1.5  # log and status file may give one change two neighbouring seconds
OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True)
class Line:
    """One command ready to be written. `epoch` is the bracket time in the line."""

    command: CommandRow
    epoch: int
    text: bytes


@dataclass(slots=True)
class Plan:
    """What to do with the waiting commands, in order. The rest waits."""

    lines: list[Line] = field(default_factory=list)
    expired: list[tuple[CommandRow, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Situation:
    """What the lane knows of its core when it decides. Times are epoch seconds, the core's clock being ours on one machine.

    A status file counts as *current* when its `created` lies after `back_at`, the moment the core began to read again.
    """

    poller: int
    now: float
    profile: Profile
    created: float
    program_start: float
    back_at: float
    reading: bool


def plan(waiting: Sequence[CommandRow], situation: Situation, journal: sqlite3.Connection, reader: Reader, room: int) -> Plan:
    """Decide about waiting commands (oldest first), until their lines take `room` bytes."""
    result = Plan()
    blocked: set[tuple[str, str]] = set()
    issued: dict[tuple[object, ...], int] = {}
    for command in in_sending_order(waiting):
        if room <= 0:
            break
        row = known_row(command.name)
        key = (command.host, command.service)
        if command.deadline_at <= situation.now:
            result.expired.append((command, _ran_out(row, situation)))
            continue
        if not situation.reading or key in blocked:
            continue
        verdict = _check(command, row, situation, journal, reader, issued)
        if isinstance(verdict, Line):
            result.lines.append(verdict)
            room -= len(verdict.text)
        elif verdict:
            result.expired.append((command, verdict))
        elif row.effect is not Effect.ENTRY_GONE:
            blocked.add(key)
    return result


def in_sending_order(waiting: Iterable[CommandRow]) -> list[CommandRow]:
    """Bulk results go behind everything else, but never is one object's order changed."""
    first: list[CommandRow] = []
    bulk: list[CommandRow] = []
    with_bulk: set[tuple[str, str]] = set()
    for command in waiting:
        key = (command.host, command.service)
        if known_row(command.name).bulk or key in with_bulk:
            with_bulk.add(key)
            bulk.append(command)
        else:
            first.append(command)
    return first + bulk


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


def _ran_out(row: Row, situation: Situation) -> str:
    if row.recheck is Recheck.NOT_ENDED:
        return "its window ended before it could be written"
    return "its time to live ran out" + ("" if situation.reading else " while the core was not reading")


def _check(
    command: CommandRow,
    row: Row,
    situation: Situation,
    journal: sqlite3.Connection,
    reader: Reader,
    issued: dict[tuple[object, ...], int],
) -> Line | str | None:
    """The line to write; or why the command is given up; or None: not now."""
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
    epoch = _epoch(command, row, situation, journal, issued)
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


def _epoch(
    command: CommandRow, row: Row, situation: Situation, journal: sqlite3.Connection, issued: dict[tuple[object, ...], int]
) -> int | None:
    """The true second; a result's is the check's, kept in order per object; a line equal to a live one is told apart by it.

    `issued` holds what was decided in this round and is not in the journal yet.
    """
    now = int(situation.now)
    text = command.arguments.get("comment") if row.effect is Effect.ENTRY_CREATED else None
    key = (command.name, command.host, command.service, command.author, text)
    if row.effect is Effect.RESULT_SEEN:
        last = issued.get(key) or _newest_epoch(command, journal, None)
        epoch = max(min(int(_checked_at(command)), now), min(last, now))
    elif row.effect is Effect.ENTRY_CREATED and situation.profile.bracket_is_entry_time:
        epoch = max(now, (issued.get(key) or _newest_epoch(command, journal, text)) + 1)
    else:
        return now
    if epoch - now > _MOST_SHIFTED_S:
        return None
    issued[key] = epoch
    return epoch


def _newest_epoch(command: CommandRow, journal: sqlite3.Connection, text: object) -> int:
    """The newest bracket time among the last lines of that name for that object (and of that author and text), or 0."""
    rows = journal.execute(
        "SELECT epoch, author, arguments ->> 'comment' FROM command WHERE poller = ? AND host = ? AND service = ? AND name = ?"
        " AND id <> ? AND epoch IS NOT NULL ORDER BY seq DESC LIMIT 64",
        (command.poller, command.host, command.service, command.name, command.id),
    )
    return max((epoch for epoch, author, comment in rows if text is None or (author, comment) == (command.author, text)), default=0)


def _checked_at(command: CommandRow) -> float:
    at = command.arguments.get("checked_at")
    return float(at) if isinstance(at, int | float) else command.accepted_at
