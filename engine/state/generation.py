"""One scan on its way into the tables of state.db: which rows are new, changed or gone, and which the log is ahead of.

Theory of operation. `admit` takes a frame outside any transaction and drops what is already as it should be; `write` puts what
is left into the tables inside the mirror's transaction; `finish` removes what a first scan did not name, checks that the mirror
now has as many objects as the file, and advances the generation. What changed of rows that were there before becomes events as they
are written; what needs the whole generation to be told (by whose comment an object is acknowledged, whether a downtime was
cancelled) is told in `finish`. A poller's very first generation is a beginning, not a change. Nothing here commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

from engine.model import (
    CommentStatus,
    ContactStatus,
    DowntimeStatus,
    HostStatus,
    ObjectCache,
    ObjectKey,
    ServiceStatus,
)
from engine.state import former
from engine.state.changes import Block, Change, Kind, Row, Standing, diff, diff_blocks, standing_of, with_log_ahead
from engine.state.events import Draft, EventLog, known_state, of_block, of_object
from engine.state.frames import Begin, End, Gone, Objects, Rows
from engine.state.object_cache import wanted_id, write_objects
from engine.state.tables import (
    BEGIN_KEEPING,
    HOST,
    SERVICE,
    STOP_KEEPING,
    ObjectTable,
    columns,
    dirty_values,
    key_values,
    marks,
)

Mint = Callable[[int, Mapping[ObjectKey, int | None]], dict[ObjectKey, int]]
"""Gives each object of a poller its public id. The value is the id its configuration asks for."""

Settle = Callable[[int], None]
"""Makes what was minted for a poller durable: called before anybody sees it."""

# What lies between a core writing its file and our reading it: a whole second cut off, the slow poll, the scan's start.
_CLOCK_TOLERANCE_S = 3.0


_BLOCKS: dict[type[DowntimeStatus] | type[CommentStatus], str] = {DowntimeStatus: "downtime", CommentStatus: "comment"}
_LATER = frozenset({(Kind.ACKNOWLEDGEMENT, "set"), (Kind.DOWNTIME, "ended")})  # told when all of a generation is in


class _Waiting(NamedTuple):
    """A change whose telling waits for the end of the generation."""

    change: Change
    key: ObjectKey
    row: Row
    before: Standing


class Diverged(Exception):
    """The scanner's and the mirror's ideas of the file differ; only a scan by a fresh scanner mends that."""


class GenerationWriter:
    """Puts one scan of one poller into state.db. `changed`: a reader will see other rows than before."""

    def __init__(self, connection: sqlite3.Connection, mint: Mint, settle: Settle, begin: Begin) -> None:
        self._connection = connection
        self._mint = mint
        self._settle = settle
        self._has_minted = False
        self.begin = begin
        self.poller = begin.poller
        self.changed = False
        self.objects_reread = False
        self._is_reordered = False  # objects came or went, or are configured otherwise
        self._dirty: dict[ObjectKey, int] = {}
        self._is_filling = False
        found = connection.execute("SELECT generation FROM poller WHERE number = ?", (self.poller,)).fetchone()
        self.has_generation = found is not None and found[0] > 0
        self._hashes = self._read_hashes() if begin.first else None
        self._unnamed = set(self._hashes or ())
        self.events = EventLog(connection, self.poller)
        self._waiting: list[_Waiting] = []
        self._blocks_before: list[Block] = []
        self._blocks_now: list[Block] = []

    def _read_hashes(self) -> dict[ObjectKey, int]:
        """The block hash of every object the mirror has of this poller."""
        hashes = {}
        for table in (HOST, SERVICE):
            query = f"SELECT poller, {', '.join(table.keys)}, block_hash FROM {table.name} WHERE poller = ?"
            for *key, block_hash in self._connection.execute(query, (self.poller,)):
                hashes[ObjectKey(*key)] = block_hash
        return hashes

    # --- outside the transaction --------------------------------------------------------------------------------------------

    def admit(self, frame: Objects | Rows | Gone) -> Objects | Rows | Gone:
        """The frame without rows the mirror already has (after a scanner's restart nearly all of them)."""
        if not self._hashes or not isinstance(frame, Rows):
            return frame
        hosts = tuple(row for row in frame.hosts if self._is_news(HOST.key(self.poller, row), row.block_hash))
        services = tuple(row for row in frame.services if self._is_news(SERVICE.key(self.poller, row), row.block_hash))
        return Rows(hosts, services, frame.downtimes, frame.comments, frame.contacts)

    def _is_news(self, key: ObjectKey, block_hash: int) -> bool:
        assert self._hashes is not None
        self._unnamed.discard(key)
        return block_hash == -1 or self._hashes.get(key) != block_hash

    # --- inside the transaction ---------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start writing: see how far the log is ahead, and of a first scan take nothing over but hosts and services."""
        self._previous_created, self._previous_start, self._generation, self._health = self._connection.execute(
            "SELECT created, program_start, generation, status_file_health FROM poller WHERE number = ?", (self.poller,)
        ).fetchone()
        marked = self._connection.execute("SELECT poller, host_name, description, at FROM dirty WHERE poller = ?", (self.poller,))
        self._dirty = {ObjectKey(poller, host, service or None): at for poller, host, service, at in marked}
        if self.begin.first:
            for kind, table in _BLOCKS.items():
                found = self._connection.execute(f"SELECT {columns(kind)} FROM {table} WHERE poller = ?", (self.poller,))
                self._blocks_before += map(kind._make, found)
            for table in ("downtime", "comment", "contact_status"):
                self._delete(f"DELETE FROM {table} WHERE poller = ?", [(self.poller,)])
            (is_there,) = self._connection.execute(f"SELECT EXISTS (SELECT 1 FROM {HOST.name})").fetchone()
            self._is_filling = not is_there
            self._execute(STOP_KEEPING if self._is_filling else ())

    def write(self, frame: Objects | Rows | Gone) -> None:
        """Put one admitted frame into the tables."""
        match frame:
            case Objects():
                self._write_objects(frame.cache)
            case Rows():
                self._write_status(HOST, frame.hosts)
                self._write_status(SERVICE, frame.services)
                self._write_blocks("downtime", DowntimeStatus, frame.downtimes)
                self._write_blocks("comment", CommentStatus, frame.comments)
                self._write_contacts(frame.contacts)
            case Gone():
                self._write_gone(frame)

    def finish(self, end: End) -> None:
        """Close the generation. Raises Diverged."""
        self._execute(BEGIN_KEEPING if self._is_filling else ())
        self._remove(self._unnamed)
        self._tell_what_waited()
        if self.objects_reread:
            for table in (HOST, SERVICE):
                self._honour_wanted_ids(table)
        if not self.begin.first:
            self._check_counts(end)
        if self._has_minted:
            self._settle(self.poller)
        self._advance()

    def _execute(self, statements: Iterable[str]) -> None:
        for statement in statements:
            self._connection.execute(statement)

    def _write_status(self, table: ObjectTable, rows: Sequence[HostStatus] | Sequence[ServiceStatus]) -> None:
        rows_by_key: dict[ObjectKey, HostStatus | ServiceStatus] = {table.key(self.poller, row): row for row in rows}
        if self._is_filling and rows and not self._dirty:
            self._insert(table, rows_by_key)
            self.changed = True
            self._tell({}, rows_by_key)
            return
        held = {key for key in rows_by_key if self._log_is_ahead(key)}
        current = {key: row for key, row in rows_by_key.items() if key not in held}
        # What the log never tells, such as whether notifications are on, is news all the same.
        current |= self._behind_log(table, {key: rows_by_key[key] for key in held})
        if not current:
            return
        before = self._standings(table, current)
        existing = {key: row for key, row in current.items() if key in before}
        self._connection.executemany(table.update, (table.update_values(key, row) for key, row in existing.items()))
        if len(existing) < len(current):
            self._insert(table, {key: row for key, row in current.items() if key not in before})
        clean = [dirty_values(key) for key in current if key in self._dirty and key not in held]
        self._connection.executemany("DELETE FROM dirty WHERE poller = ? AND host_name = ? AND description = ?", clean)
        self.changed = True
        self._tell(before, current)

    def _behind_log(
        self, table: ObjectTable, rows: Mapping[ObjectKey, HostStatus | ServiceStatus]
    ) -> dict[ObjectKey, HostStatus | ServiceStatus]:
        found = {key: self._connection.execute(table.select, key_values(key)).fetchone() for key in rows}
        return {key: with_log_ahead(rows[key], table.row._make(row)) for key, row in found.items() if row is not None}

    def _log_is_ahead(self, key: ObjectKey) -> bool:
        """A file of the log line's own second may be from before the line. A core's clock set back must not hold rows for ever."""
        created = self.begin.generation.created
        return key in self._dirty and self._dirty[key] >= int(created) and created >= self._previous_created

    def _standings(self, table: ObjectTable, keys: Iterable[ObjectKey]) -> dict[ObjectKey, Standing]:
        """What stands of those of these objects that exist."""
        if self._hashes is not None:
            keys = [key for key in keys if key in self._hashes]
        found = ((key, self._connection.execute(table.select_standing, key_values(key)).fetchone()) for key in keys)
        return {key: stored_standing(row) for key, row in found if row is not None}

    # --- events ---------------------------------------------------------------------------------------------------------------

    def _tell(self, before: Mapping[ObjectKey, Standing], rows: Mapping[ObjectKey, HostStatus | ServiceStatus]) -> None:
        if not self._generation:
            return
        at = self.begin.generation.created
        drafts = []
        for key, row in rows.items():
            old = before.get(key)
            if old is None:
                drafts.append(Draft(Kind.OBJECT, "added", key.host, key.service, known_state(row), at, {"source": "status_file"}))
                continue
            for change in diff(old, standing_of(row)):
                if (change.kind, change.action) in _LATER:
                    self._waiting.append(_Waiting(change, key, row, old))
                else:
                    drafts.append(of_object(change, key, row, old, _at(change, row, at), "status_file"))
        self.events.append(drafts)

    def _tell_what_waited(self) -> None:
        """What is told with the downtimes and comments of the whole generation in view."""
        if not self._generation:
            return
        at = self.begin.generation.created
        gone = [block for block in self._blocks_before if isinstance(block, DowntimeStatus)]
        over = {(block.host_name, block.service_description): self._state_and_depth(block) for block in gone}
        is_over = {key: depth == 0 for key, (_, depth) in over.items()}
        went = diff_blocks(gone, self._downtimes_now(), at, {})
        cancelled = {(item.block.host_name, item.block.service_description) for item in went if item.action == "cancelled"}
        drafts = []
        for change, key, row, old in self._waiting:
            if change.kind is Kind.ACKNOWLEDGEMENT:
                drafts.append(of_object(change, key, row, old, at, "status_file", **self._acknowledged_by(key)))
            else:
                told = change._replace(action="cancelled") if key[1:] in cancelled else change
                drafts.append(of_object(told, key, row, old, at, "status_file"))
        for item in diff_blocks(self._blocks_before, self._blocks_now, at, is_over):
            drafts.append(of_block(item, self._state_and_depth(item.block)[0], at))
        self.events.append(drafts)

    def _downtimes_now(self) -> list[Block]:
        return [block for block in self._blocks_now if isinstance(block, DowntimeStatus)]

    def _state_and_depth(self, block: Block) -> tuple[int | None, int]:
        key = ObjectKey(self.poller, block.host_name, block.service_description)
        found = self._connection.execute((HOST if key.service is None else SERVICE).select_standing, key_values(key)).fetchone()
        return (None, 0) if found is None else (known_state(Standing.of(*found)), found[-1])

    def _acknowledged_by(self, key: ObjectKey) -> dict[str, object]:
        """Author and text of the newest acknowledgement comment."""
        found = self._connection.execute(
            "SELECT author, comment FROM comment WHERE poller = ? AND host_name = ? AND service_description IS ? AND entry_type = 4"
            " ORDER BY entry_time DESC, core_id DESC LIMIT 1",
            tuple(key),
        ).fetchone()
        return {} if found is None else {"author": found[0], "comment": found[1]}

    def _tell_of_poller(self) -> None:
        generation = self.begin.generation
        said: dict[str, object] = {"program_start": generation.program_start, "version": generation.version}
        actions: list[tuple[str, dict[str, object]]] = []
        if self._health != "fresh":
            actions.append(("health", {"file": "status_file", "health": "fresh", "detail": ""}))
        if not self._generation:
            actions.append(("first_seen", said))
        elif generation.program_start != self._previous_start:
            actions.append(("restarted", said))
        self.events.append(Draft(Kind.POLLER, action, "", None, None, generation.created, told) for action, told in actions)

    # --- rows -----------------------------------------------------------------------------------------------------------------

    def _insert(self, table: ObjectTable, rows: Mapping[ObjectKey, HostStatus | ServiceStatus]) -> None:
        configured = self._configured_ids(table, rows)
        preferred = {key: configured.get(key) or wanted_id(row.custom_variables, table.id_variable) for key, row in rows.items()}
        ids = self._mint(self.poller, preferred)
        self._has_minted = self._is_reordered = True
        self._connection.executemany(table.insert, ((self.poller, ids[key], *row) for key, row in rows.items()))

    def _configured_ids(self, table: ObjectTable, keys: Iterable[ObjectKey]) -> dict[ObjectKey, int | None]:
        """The ids the object cache asks for; most ask for none."""
        wanted = f"SELECT 1 FROM {table.config} INDEXED BY {table.name}_wanted WHERE poller = ? AND wanted_id IS NOT NULL LIMIT 1"
        if self._connection.execute(wanted, (self.poller,)).fetchone() is None:
            return {}
        query = f"SELECT wanted_id FROM {table.config} WHERE {table.where}"
        found = ((key, self._connection.execute(query, key_values(key)).fetchone()) for key in keys)
        return {key: row[0] for key, row in found if row is not None}

    def _write_blocks(
        self, table: str, kind: type[DowntimeStatus] | type[CommentStatus], rows: Sequence[DowntimeStatus] | Sequence[CommentStatus]
    ) -> None:
        if not rows:
            return
        self._remember_blocks(table, [(row.service_description is not None, row.core_id) for row in rows])
        self._blocks_now += rows
        insert = f"INSERT OR REPLACE INTO {table} (poller, is_service, {columns(kind)}) VALUES (?, ?, {marks(kind)})"
        self._connection.executemany(insert, ((self.poller, row.service_description is not None, *row) for row in rows))
        self.changed = True

    def _remember_blocks(self, table: str, ids: Iterable[tuple[bool, int]]) -> None:
        """Keep what stands under these ids; of a first scan all of it was kept before."""
        if self.begin.first:
            return
        kind = next(kind for kind, name in _BLOCKS.items() if name == table)
        query = f"SELECT {columns(kind)} FROM {table} WHERE poller = ? AND is_service = ? AND core_id = ?"
        for is_service, core_id in ids:
            found = self._connection.execute(query, (self.poller, is_service, core_id)).fetchone()
            if found is not None:
                self._blocks_before.append(kind._make(found))

    def _write_contacts(self, rows: Sequence[ContactStatus]) -> None:
        if rows:
            insert = f"INSERT OR REPLACE INTO contact_status (poller, {columns(ContactStatus)}) VALUES (?, {marks(ContactStatus)})"
            self._connection.executemany(insert, ((self.poller, *row) for row in rows))
            self.changed = True

    def _write_gone(self, gone: Gone) -> None:
        self._remove(gone.objects)
        for table, ids in (("downtime", gone.downtimes), ("comment", gone.comments)):
            self._remember_blocks(table, ids)
            where = "poller = ? AND is_service = ? AND core_id = ?"
            self._delete(f"DELETE FROM {table} WHERE {where}", [(self.poller, *id) for id in ids])
        contacts = [(self.poller, name) for name in gone.contacts]
        self._delete("DELETE FROM contact_status WHERE poller = ? AND name = ?", contacts)

    def _remove(self, keys: Iterable[ObjectKey]) -> None:
        """Hosts and services that are no longer in the file."""
        for table, is_service in ((HOST, False), (SERVICE, True)):
            there = [key for key in keys if (key.service is not None) is is_service]
            self._tell_gone(table, there)
            values = [key_values(key) for key in there]
            self._is_reordered |= bool(there)
            self._delete(f"DELETE FROM {table.name} WHERE {table.where}", values)
        dirty = [dirty_values(key) for key in keys if key in self._dirty]
        self._connection.executemany("DELETE FROM dirty WHERE poller = ? AND host_name = ? AND description = ?", dirty)

    def _tell_gone(self, table: ObjectTable, keys: Iterable[ObjectKey]) -> None:
        at = self.begin.generation.created
        stood = self._standings(table, keys) if self._generation else {}
        said = {"source": "status_file"}
        self.events.append(
            Draft(Kind.OBJECT, "removed", key.host, key.service, known_state(old), at, said) for key, old in stood.items()
        )

    def _delete(self, query: str, values: Sequence[Sequence[object]]) -> None:
        if values and self._connection.executemany(query, values).rowcount > 0:
            self.changed = True

    # --- the object cache ---------------------------------------------------------------------------------------------------

    def _write_objects(self, cache: ObjectCache) -> None:
        self.objects_reread = self.changed = self._is_reordered = True
        self.events.keep_former_groups()
        former.keep(self._connection, self.poller, cache)
        write_objects(self._connection, self.poller, cache)

    def _honour_wanted_ids(self, table: ObjectTable) -> None:
        """Give objects whose configuration began to ask for an id that id (if it is free)."""
        keys = ", ".join(f"o.{name}" for name in table.keys)
        same = " AND ".join(f"c.{name} = o.{name}" for name in ("poller", *table.keys))
        found = self._connection.execute(
            f"SELECT c.wanted_id, o.poller, {keys} FROM {table.config} c JOIN {table.name} o ON {same}"
            " WHERE c.poller = ? AND c.wanted_id <> o.id",
            (self.poller,),
        )
        preferred: dict[ObjectKey, int | None] = {ObjectKey(*key): wanted for wanted, *key in found}
        if preferred:
            ids = self._mint(self.poller, preferred)
            self._has_minted = True
            update = f"UPDATE {table.name} SET id = ? WHERE {table.where}"
            self._connection.executemany(update, ((id, *key_values(key)) for key, id in ids.items()))

    # --- the end --------------------------------------------------------------------------------------------------------------

    def _check_counts(self, end: End) -> None:
        counts = [
            self._connection.execute(f"SELECT count(*) FROM {table} WHERE poller = ?", (self.poller,)).fetchone()[0]
            for table in ("host", "service")
        ]
        if counts != [end.hosts, end.services]:
            raise Diverged(
                f"The status file has {end.hosts} hosts and {end.services} services, the mirror {counts[0]} and {counts[1]}: "
                "the file is read whole again."
            )

    def _advance(self) -> None:
        generation = self.begin.generation
        self._tell_of_poller()
        self._connection.execute(
            "UPDATE poller SET version = ?, program_start = ?, created = ?, generation = generation + 1, read_at = ?,"
            " status_file_health = 'fresh', status_file_detail = '', program = ?, configured = configured + ? WHERE number = ?",
            (
                generation.version,
                generation.program_start,
                generation.created,
                generation.read_at,
                orjson.dumps(generation.program).decode(),
                self._is_reordered,
                self.poller,
            ),
        )
        # Only a file that was replaced while we watched was read when it was written; the first may be of any age.
        if not self.begin.first and generation.created != self._previous_created:
            offset = generation.created - generation.read_at
            offset = round(offset, 1) if abs(offset) > _CLOCK_TOLERANCE_S else 0.0
            self._connection.execute("UPDATE poller SET clock_offset_s = ? WHERE number = ?", (offset, self.poller))


def stored_standing(found: Sequence[int]) -> Standing:
    """The columns of `ObjectTable.select_standing` as a Standing."""
    state, state_type, checked, attempt, acknowledged, kind, flapping, depth = found
    return Standing.of(state, state_type, checked, attempt, acknowledged, kind, flapping, depth)


def _at(change: Change, row: Row, created: float) -> float:
    """When it happened, by what the row says; else when the file was written."""
    if change.kind is not Kind.STATE:
        return created
    latest = max(row.last_state_change, row.last_hard_state_change if row.state_type else 0.0, row.last_check)
    return min(latest, created) or created
