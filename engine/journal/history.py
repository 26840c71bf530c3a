"""Downtimes, acknowledgements and comments: ours and everybody's, present and past.

Entries of ours are inserted when their command is accepted and bound to a block of the status file when the core shows it;
blocks nobody knows become entries with proof `seen`; an entry whose block is gone in a newer generation has ended. Only the lane of
a poller calls `reconcile`, so binding has one author. Times in entries are by the core's clock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import msgspec
import orjson

from engine.commands.binding import Content, Known, bind, comment_content, downtime_content
from engine.journal.identities import next_ids
from engine.journal.rows import insert_rows
from engine.model import CommentStatus, DowntimeStatus

USER_COMMENT = 1
ACKNOWLEDGEMENT_COMMENT = 4
# Nagios fires an event up to 0.1 s before its time (events.c), and so ends a downtime in the second before. It is a generation's
# second that tells of it, where status files are written at whole seconds, too.
EARLY_S = 1.0


class EntryRow(NamedTuple):
    """One row of `entry`; `service` is "" for a host."""

    id: int
    kind: str
    poller: int
    host: str
    service: str
    author: str
    comment: str
    proof: str
    present: int
    entry_time: float
    start_time: float | None = None
    end_time: float | None = None
    fixed: int | None = None
    duration: float | None = None
    is_in_effect: int | None = None
    actual_start: float | None = None
    actual_end: float | None = None
    cancelled: int = 0
    deleted_at: float | None = None
    deleted_by: str | None = None
    sticky: int | None = None
    notify: int | None = None
    persistent: int | None = None
    object_state: int | None = None
    core_id: int | None = None
    core_start: float | None = None
    command_id: str | None = None
    reference: str = ""  # a change number, say


ENTRY_COLUMNS = ", ".join(EntryRow._fields)


class Written(msgspec.Struct, frozen=True):
    """What is known of the writing of an own entry that no generation has shown yet."""

    entry_time: float
    exact_time: bool
    comment: str  # as the core stores it


class Acknowledged(msgspec.Struct, frozen=True):
    """An acknowledged object as its row and comments show it."""

    host: str
    service: str
    sticky: bool
    state: int
    comment: CommentStatus | None  # its newest acknowledgement comment


_INTO = f"INSERT INTO entry ({ENTRY_COLUMNS})"
_INSERT = f"{_INTO} VALUES ({','.join('?' * len(EntryRow._fields))})"
_COMMAND = EntryRow._fields.index("command_id")
EntryValues = tuple[Any, ...]
"""The columns of a row of `entry`, the id first."""


def insert_entry(connection: sqlite3.Connection, row: EntryRow) -> None:
    """Store a new entry."""
    connection.execute(_INSERT, row)


def entry_values(draft: EntryRow, entry_id: int, command_id: str) -> EntryValues:
    """What is stored of a draft under that id, made by that command."""
    return (entry_id, *draft[1:_COMMAND], command_id, *draft[_COMMAND + 1 :])


def insert_entries(connection: sqlite3.Connection, rows: Sequence[EntryValues]) -> None:
    """Store new entries."""
    insert_rows(connection, _INTO, len(EntryRow._fields), rows)


def revive(connection: sqlite3.Connection, gone: EntryRow, block: EntryRow) -> None:
    """An entry that had ended stands again: it takes the place of the one that was made for its block."""
    connection.execute("DELETE FROM entry WHERE id = ?", (block.id,))
    update_entry(
        connection, gone.id, present=1, cancelled=0, deleted_at=None, deleted_by=None, actual_end=None, core_id=block.core_id,
        core_start=block.core_start, is_in_effect=block.is_in_effect,
    )  # fmt: skip


def is_same_again(connection: sqlite3.Connection, number: int) -> bool:
    """Does a block that nobody knew equal an entry that went without a word of anybody? It is that one, and stands again.

    For cores whose entries have a time of their own, to the microsecond: nothing else is equal in it.
    """
    block = entry_by_id(connection, number)
    gone = ended_like(connection, block) if block is not None else None
    if block is None or gone is None or gone.deleted_by is not None:
        return False
    revive(connection, gone, block)
    return True


def ended_like(connection: sqlite3.Connection, block: EntryRow) -> EntryRow | None:
    """The newest entry that ended and equals this one in object, author, words and times."""
    found = entries(
        connection,
        "poller = ? AND host = ? AND service = ? AND kind = ? AND present = 0 AND core_id IS NOT NULL AND author = ?"
        " AND comment = ? AND entry_time = ? AND start_time IS ? AND end_time IS ? ORDER BY id DESC LIMIT 1",
        (
            block.poller, block.host, block.service, block.kind, block.author, block.comment, block.entry_time, block.start_time,
            block.end_time,
        ),
    )  # fmt: skip
    return found[0] if found else None


def update_entry(connection: sqlite3.Connection, entry_id: int, **columns: object) -> None:
    """Set columns of one entry."""
    assignments = ", ".join(f"{name} = ?" for name in columns)
    connection.execute(f"UPDATE entry SET {assignments} WHERE id = ?", [*columns.values(), entry_id])


def entries(connection: sqlite3.Connection, where: str, values: Sequence[object]) -> list[EntryRow]:
    """Entries that satisfy an SQL condition, in the order of the condition."""
    return [EntryRow(*row) for row in connection.execute(f"SELECT {ENTRY_COLUMNS} FROM entry WHERE {where}", values)]


def entry_by_id(connection: sqlite3.Connection, entry_id: int) -> EntryRow | None:
    """The entry, or None."""
    found = entries(connection, "id = ?", (entry_id,))
    return found[0] if found else None


def entries_of(connection: sqlite3.Connection, command_id: str) -> list[EntryRow]:
    """What one command makes."""
    return entries(connection, "command_id = ? ORDER BY id", (command_id,))


def entries_by_command(connection: sqlite3.Connection, command_ids: Iterable[str]) -> dict[str, list[EntryRow]]:
    """What each of these commands makes, in the order of ids; commands that make nothing are left out."""
    made: dict[str, list[EntryRow]] = {}
    where = "command_id IN (SELECT value FROM json_each(?)) ORDER BY id"
    for entry in entries(connection, where, (orjson.dumps(list(command_ids)).decode(),)):
        made.setdefault(entry.command_id or "", []).append(entry)
    return made


# --- reconciliation with one generation --------------------------------------------------------------------------------------


class Moment(msgspec.Struct, frozen=True):
    """The generation reconciled with. `written` gives, per own entry not seen yet, what was written; absent = nothing was.

    Every change is stored in a `unit`, and told in it: `appeared` of an entry that nobody knew, `ended` of those of one command
    (or of one that is none of ours) that stood before and stand no more, as they were.
    """

    poller: int
    created: float
    program_start: float
    written: Mapping[int, Written]
    deleted_by: Callable[[EntryRow], str | None]  # who asked us to delete it, None when nobody did
    unit: Callable[[], AbstractContextManager[object]] = nullcontext
    appeared: Callable[[int], None] = lambda entry_id: None
    ended: Callable[[Sequence[EntryRow]], None] = lambda gone: None


class _Block(msgspec.Struct, frozen=True):
    """A downtime or user comment block: what tells it apart, and the columns of an entry that it gives."""

    content: Content
    core_id: int
    entry_time: float
    columns: Mapping[str, object]


def reconcile_downtimes(connection: sqlite3.Connection, moment: Moment, blocks: Sequence[DowntimeStatus]) -> None:
    """Bind downtime blocks to entries, add those nobody knew, end those that are gone."""
    found = [_Block(downtime_content(one), one.core_id, one.entry_time, _downtime_columns(one, moment)) for one in blocks]
    _reconcile(connection, moment, "downtime", found)


def reconcile_comments(connection: sqlite3.Connection, moment: Moment, blocks: Iterable[CommentStatus]) -> None:
    """The same for users' comments, and for those of acknowledgements that have an entry of their own: they are being deleted."""
    by_type: dict[int, list[CommentStatus]] = {USER_COMMENT: [], ACKNOWLEDGEMENT_COMMENT: []}
    for block in blocks:
        by_type.setdefault(block.entry_type, []).append(block)
    users, others = by_type[USER_COMMENT], by_type[ACKNOWLEDGEMENT_COMMENT]
    known = _being_deleted(connection, moment) if others else set()
    users += [
        one for one in others if (one.host_name, one.service_description or "", one.core_id, one.author, one.comment) in known
    ]
    found = [_Block(comment_content(one), one.core_id, one.entry_time, _comment_columns(one, moment)) for one in users]
    _reconcile(connection, moment, "comment", found)


def _being_deleted(connection: sqlite3.Connection, moment: Moment) -> set[tuple[object, ...]]:
    """Entries of comments that nobody made by a command of ours: see engine/pollers/duplicates.py."""
    where = "poller = ? AND kind = 'comment' AND present = 1 AND command_id IS NULL"
    return {(one.host, one.service, one.core_id, one.author, one.comment) for one in entries(connection, where, (moment.poller,))}


def _reconcile(connection: sqlite3.Connection, moment: Moment, kind: str, blocks: Sequence[_Block]) -> None:
    open_entries = _open_entries(connection, moment, kind)
    known = [_known(entry, moment) for entry in open_entries.values()]
    bound, strangers = bind(known, [(block.content, block.core_id, block.entry_time) for block in blocks])
    for entry_id, index in bound.items():
        _update_changed(connection, moment, open_entries[entry_id], blocks[index].columns)
    for index in strangers:
        with moment.unit():
            moment.appeared(_insert_foreign(connection, moment, kind, blocks[index]))
    _end_missing(connection, moment, [entry for entry in open_entries.values() if entry.id not in bound])


def _insert_foreign(connection: sqlite3.Connection, moment: Moment, kind: str, block: _Block) -> int:
    """A block that no command of ours made. Returns its entry's id."""
    (entry_id,) = next_ids(connection, moment.poller, "entry", 1)
    what = block.content
    base = EntryRow(entry_id, kind, moment.poller, what.host, what.service, what.author, what.comment, "seen", 1, block.entry_time)
    insert_entry(connection, base)
    _store_changed(connection, base, dict(block.columns) | {"proof": "seen"})
    return entry_id


def reconcile_acknowledgements(connection: sqlite3.Connection, moment: Moment, standing: Sequence[Acknowledged]) -> None:
    """An acknowledged object has one standing entry: ours if its comment is that of ours, else a new one by whoever set it."""
    now_standing = {(item.host, item.service): item for item in standing}
    present = entries(connection, "poller = ? AND kind = 'acknowledgement' AND present = 1 ORDER BY id DESC", (moment.poller,))
    served: set[tuple[str, str]] = set()
    ended: list[EntryRow] = []
    for entry in present:
        key = (entry.host, entry.service)
        item = now_standing.get(key)
        unseen = entry.proof != "confirmed" and entry.proof != "seen"
        if item is not None and key not in served and _is_acknowledgement(entry, item):
            served.add(key)
            if item.comment is not None:
                columns = {"core_id": item.comment.core_id, "core_start": moment.program_start}
                if not unseen:
                    _update_changed(connection, moment, entry, columns)
        elif not unseen:
            ended.append(entry)
    _end_all(connection, moment, ended)
    for key, item in now_standing.items():
        waiting = any(entry.proof == "processed" and (entry.host, entry.service) == key for entry in present)
        if key not in served and not waiting:
            with moment.unit():
                moment.appeared(_insert_foreign_acknowledgement(connection, moment, item))


def _is_acknowledgement(entry: EntryRow, item: Acknowledged) -> bool:
    if item.comment is None:
        return entry.proof in ("confirmed", "seen")  # without its comment, one of ours that was never seen cannot be told apart
    return (entry.author, entry.comment) == (item.comment.author, item.comment.comment) and (
        item.comment.entry_time >= entry.entry_time - 1
    )


def _insert_foreign_acknowledgement(connection: sqlite3.Connection, moment: Moment, item: Acknowledged) -> int:
    (entry_id,) = next_ids(connection, moment.poller, "entry", 1)
    comment = item.comment
    insert_entry(
        connection,
        EntryRow(
            entry_id,
            "acknowledgement",
            moment.poller,
            item.host,
            item.service,
            comment.author if comment else "",
            comment.comment if comment else "",
            "seen",
            1,
            comment.entry_time if comment else moment.created,
            end_time=comment.expire_time if comment and comment.expires and comment.expire_time else None,
            sticky=int(item.sticky),
            persistent=comment.persistent if comment else None,
            object_state=item.state,
            core_id=comment.core_id if comment else None,
            core_start=moment.program_start,
        ),
    )
    return entry_id


def _open_entries(connection: sqlite3.Connection, moment: Moment, kind: str) -> dict[int, EntryRow]:
    """Entries that may have a block: those present, and own ones whose line was written."""
    found = entries(connection, "poller = ? AND kind = ? AND present = 1", (moment.poller, kind))
    return {entry.id: entry for entry in found if entry.core_id is not None or entry.id in moment.written}


def _known(entry: EntryRow, moment: Moment) -> Known:
    written = moment.written.get(entry.id) if entry.core_id is None else None
    comment = written.comment if written else entry.comment
    content = Content(entry.host, entry.service, entry.author, comment)
    if entry.kind == "downtime":
        content = Content(
            entry.host,
            entry.service,
            entry.author,
            comment,
            int(entry.start_time or 0),
            int(entry.end_time or 0),
            entry.fixed,
            None if entry.fixed else int(entry.duration or 0),
        )
    if written:
        return Known(entry.id, content, None, written.entry_time, written.exact_time)
    return Known(entry.id, content, entry.core_id, entry.entry_time, True)


def _downtime_columns(block: DowntimeStatus, moment: Moment) -> dict[str, object]:
    in_effect = block.is_in_effect
    started = block.actual_start or (max(block.start_time, block.entry_time) if in_effect == 1 else None)
    return {
        "proof": "confirmed",
        "comment": block.comment,
        "entry_time": block.entry_time,
        "start_time": block.start_time,
        "end_time": block.end_time,
        "fixed": int(bool(block.fixed)),
        "duration": block.end_time - block.start_time if block.fixed else block.duration,
        "is_in_effect": None if in_effect < 0 else in_effect,
        "actual_start": started,
        "core_id": block.core_id,
        "core_start": moment.program_start,
    }


def _comment_columns(block: CommentStatus, moment: Moment) -> dict[str, object]:
    return {
        "proof": "confirmed",
        "comment": block.comment,
        "entry_time": block.entry_time,
        "persistent": block.persistent,
        "core_id": block.core_id,
        "core_start": moment.program_start,
    }


def _changed(entry: EntryRow, columns: Mapping[str, object]) -> dict[str, object]:
    changed = {name: value for name, value in columns.items() if getattr(entry, name) != value}
    if changed.get("proof") == "confirmed" and entry.proof == "seen":
        del changed["proof"]
    return changed


def _store_changed(connection: sqlite3.Connection, entry: EntryRow, columns: Mapping[str, object]) -> None:
    if changed := _changed(entry, columns):
        update_entry(connection, entry.id, **changed)


def _update_changed(connection: sqlite3.Connection, moment: Moment, entry: EntryRow, columns: Mapping[str, object]) -> None:
    if _changed(entry, columns):
        with moment.unit():
            _store_changed(connection, entry, columns)


def _end_missing(connection: sqlite3.Connection, moment: Moment, missing: Iterable[EntryRow]) -> None:
    """Entries that stood in the core and stand there no more. Own ones never seen are the lane's to judge, not ours."""
    _end_all(connection, moment, [entry for entry in missing if entry.core_id is not None])


def _end_all(connection: sqlite3.Connection, moment: Moment, ended: Iterable[EntryRow]) -> None:
    together: dict[object, list[EntryRow]] = {}
    for entry in ended:
        together.setdefault(entry.command_id or entry.id, []).append(entry)
    for gone in together.values():
        asked_by = [moment.deleted_by(entry) for entry in gone]
        with moment.unit():
            for entry, user in zip(gone, asked_by, strict=True):
                _end(connection, moment, entry, user)
            moment.ended(gone)


def forget_seen(connection: sqlite3.Connection, entry: EntryRow, proof: str) -> None:
    """An entry of ours was seen, and what was seen counts no more: it waits for being seen, as it was stored."""
    update_entry(
        connection, entry.id, proof=proof, present=1, core_id=None, core_start=None, is_in_effect=None, actual_start=None,
        actual_end=None, cancelled=0, deleted_at=None, deleted_by=None,
    )  # fmt: skip


def _end(connection: sqlite3.Connection, moment: Moment, entry: EntryRow, asked_by: str | None) -> None:
    ends = ends_by_itself(entry)
    cancelled = asked_by is not None or ends is None or ends > moment.created + EARLY_S
    ended_at = moment.created if cancelled or ends is None else min(ends, moment.created)
    update_entry(
        connection,
        entry.id,
        present=0,
        is_in_effect=0 if entry.is_in_effect is not None else None,
        cancelled=int(cancelled),
        deleted_at=moment.created if cancelled else None,
        deleted_by=asked_by,
        actual_end=ended_at if entry.actual_start is not None else None,
    )


def ends_by_itself(entry: EntryRow) -> float | None:
    """When it is over; a flexible downtime that has begun lasts its duration. None for what stands until somebody removes it."""
    if entry.kind == "acknowledgement":
        return entry.end_time
    if entry.kind != "downtime":
        return None
    if not entry.fixed and entry.actual_start is not None:
        return entry.actual_start + (entry.duration or 0)
    return entry.end_time
