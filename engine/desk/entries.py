"""Downtimes, acknowledgements and comments as people see them. Reads journal.db and the public ids of state.db through a reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.config import Poller
from engine.desk import entry_fields
from engine.desk.entry_fields import AUTHOR_ID
from engine.desk.values import Entry, EntryFilter, Page
from engine.errors import UnknownObject
from engine.journal.history import EntryRow
from engine.journal.operations import UNSENT
from engine.model import ObjectKey
from engine.state.lists import Source
from engine.state.scope import Scope, all_of
from engine.state.views import Reader

LONGEST_SEARCH_S = 10.0
_COLUMNS = ", ".join(f"e.{name}" for name in EntryRow._fields)

# An entry of ours that was refused, expired or without effect never stood in a core: it is no longer listed.
# One whose operation is not stored whole yet may still be withdrawn: it is not listed before.
STORED_WHOLE = f"coalesce(e.command_id, '') NOT IN (SELECT u.id FROM journal.command u WHERE u.operation IN ({UNSENT}))"
LISTED = f"(e.present = 1 OR e.cancelled = 1 OR e.core_id IS NOT NULL OR e.proof IN ('confirmed', 'seen')) AND {STORED_WHOLE}"

# What was withdrawn before it was written is listed to who asked for it; no core ever had it.
_STOOD = "NOT (e.present = 0 AND e.cancelled = 1 AND e.core_id IS NULL AND e.proof = 'accepted')"


ENTRY_ROWS = Source(
    "journal.entry e",
    entry_fields.LISTED,
    lambda scope: all_of([(LISTED, []), scope.sql("e.poller", "e.host", "e.service")]),
    written=f"json_array({_COLUMNS})",
)


def page_of_entries(reader: Reader, scope: Scope, which: EntryFilter, pollers: Mapping[int, Poller]) -> Page[Entry]:
    """Entries within scope, newest id first unless another order is asked for. Raises SearchTooSlow."""
    if which.condition is None:
        return _page(reader, scope, which, pollers)
    with reader.limited(LONGEST_SEARCH_S):
        return _page(reader, scope, which, pollers)


def _page(reader: Reader, scope: Scope, which: EntryFilter, pollers: Mapping[int, Poller]) -> Page[Entry]:
    where, values = _conditions(scope, which)
    (total,) = reader.connection.execute(f"SELECT count(*) FROM journal.entry e WHERE {where}", values).fetchone()
    query = f"SELECT {_COLUMNS} FROM journal.entry e WHERE {where} ORDER BY {which.order or 'e.id DESC'} LIMIT ? OFFSET ?"
    found = reader.connection.execute(query, [*values, max(0, which.limit), max(0, which.offset)])
    return Page(tuple(_entries(reader, [EntryRow(*row) for row in found], pollers)), int(total))


def one_entry(
    reader: Reader, scope: Scope, kind: str, entry_id: int, pollers: Mapping[int, Poller]
) -> tuple[Entry, EntryRow] | None:
    """One entry and its row, or None when it is unknown or out of scope."""
    scoped, values = scope.sql("e.poller", "e.host", "e.service")
    query = f"SELECT {_COLUMNS} FROM journal.entry e WHERE e.id = ? AND e.kind = ? AND {LISTED} AND ({scoped})"
    found = reader.connection.execute(query, [entry_id, kind, *values]).fetchone()
    if found is None:
        return None
    row = EntryRow(*found)
    return _entries(reader, [row], pollers)[0], row


def author_ids(reader: Reader, authors: Iterable[str]) -> dict[str, int | None]:
    """The id of the user of ours behind each author's name, None for nobody's: an author is text to a core."""
    query = f"SELECT {AUTHOR_ID.format('?1')}"
    return {author: reader.connection.execute(query, (author,)).fetchone()[0] for author in authors}


def _conditions(scope: Scope, which: EntryFilter) -> tuple[str, list[object]]:
    scoped, values = scope.sql("e.poller", "e.host", "e.service")
    conditions = [LISTED, f"({scoped})"]
    for column in ("kind", "poller", "host", "service", "reference"):
        wanted = getattr(which, column)
        if wanted is not None:
            conditions.append(f"e.{column} = ?")
            values.append(wanted)
    if which.services is not None:
        conditions.append("e.service <> ''" if which.services else "e.service = ''")
    if which.present is not None:
        conditions.append("e.present = ?")
        values.append(int(which.present))
    if which.latest_per_object:
        conditions += [_STOOD, _is_latest()]
    if which.condition is not None:
        conditions.append(which.condition[0])
        values += which.condition[1]
    return " AND ".join(conditions), values


def _is_latest() -> str:
    newer = (
        "SELECT 1 FROM journal.entry n WHERE n.poller = e.poller AND n.host = e.host AND n.service = e.service"
        f" AND n.kind = e.kind AND n.id > e.id AND {f'{LISTED} AND {_STOOD}'.replace('e.', 'n.')}"
    )
    return f"NOT EXISTS ({newer})"


def _entries(reader: Reader, rows: Sequence[EntryRow], pollers: Mapping[int, Poller]) -> list[Entry]:
    ids: dict[ObjectKey, int] = {}
    for poller in {row.poller for row in rows}:
        keys = {key for row in rows if row.poller == poller for key in (_host_key(row), _key(row))}
        ids |= reader.object_ids(poller, keys)
    return [_entry(row, ids, pollers) for row in rows]


def _entry(row: EntryRow, ids: Mapping[ObjectKey, int], pollers: Mapping[int, Poller]) -> Entry:
    poller = pollers.get(row.poller)
    return Entry(
        id=row.id,
        kind=row.kind,
        poller=row.poller,
        poller_name=poller.name if poller else str(row.poller),
        host=row.host,
        service=row.service or None,
        host_id=ids.get(_host_key(row)),
        service_id=ids.get(_key(row)) if row.service else None,
        author=row.author,
        comment=row.comment,
        proof=row.proof,
        present=bool(row.present),
        entry_time=row.entry_time,
        start_time=row.start_time,
        end_time=row.end_time,
        fixed=_flag(row.fixed),
        duration=row.duration,
        is_in_effect=_flag(row.is_in_effect),
        actual_start=row.actual_start,
        actual_end=row.actual_end,
        cancelled=bool(row.cancelled),
        deleted_at=row.deleted_at,
        deleted_by=row.deleted_by,
        sticky=_flag(row.sticky),
        notify=_flag(row.notify),
        persistent=_flag(row.persistent),
        state=row.object_state,
        core_id=row.core_id,
        command_id=row.command_id,
        reference=row.reference,
    )


def _host_key(row: EntryRow) -> ObjectKey:
    return ObjectKey(row.poller, row.host)


def _key(row: EntryRow) -> ObjectKey:
    return ObjectKey(row.poller, row.host, row.service or None)


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def unknown_entry(kind: str, entry_id: int) -> UnknownObject:
    """What is raised where there is none."""
    return UnknownObject(f"There is no {kind} {entry_id}.", kind=kind, id=entry_id)
