"""Which command of ours deleted an entry that is gone: by its id, or with others by what they have in common."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from engine.commands.catalogue import Subject, known_row
from engine.commands.effects import is_chosen
from engine.journal.commands import COMMAND_COLUMNS, CommandRow, command_row
from engine.journal.history import EntryRow
from engine.state.members import meant_hosts
from engine.state.views import Reader

_DELETED = "(state IN ('writing', 'written', 'processed', 'confirmed') OR (state = 'lost_by_core' AND updated_at >= ?))"
_WAITING = "state IN ('accepted', 'held')"
# By meaning, not by id. The index `command_wide` has the same words.
_WIDE = (
    "name IN ('DEL_DOWNTIME_BY_HOST_NAME', 'DEL_DOWNTIME_BY_HOSTGROUP_NAME', 'DEL_DOWNTIME_BY_START_TIME_COMMENT',"
    " 'DEL_HOST_DOWNTIME_FULL', 'DEL_SVC_DOWNTIME_FULL')"
)


@dataclass(slots=True)
class Deletions:
    """Who asked us to delete an entry: by its id, or with others by what they have in common."""

    connection: sqlite3.Connection
    reader: Reader
    _wide: dict[float, list[CommandRow]] = field(default_factory=dict)

    def asked_by(self, entry: EntryRow) -> str | None:
        """The user of that command, None when nobody asked."""
        found = self.of(entry)
        return found.user if found is not None else None

    def of(self, entry: EntryRow, lost_since: float = float("inf")) -> CommandRow | None:
        """The newest command that deletes it. `lost_since`: also one that a crash of the core undid then or later."""
        object_ = (entry.poller, entry.host, entry.service)
        if entry.kind == "acknowledgement":
            # One whose time had come ends by itself, also where a removal of ours is what ends it.
            where = "poller = ? AND host = ? AND service = ? AND name LIKE 'REMOVE_%' AND cause = '' AND epoch >= ?"
            return self._newest(where, lost_since, *object_, int(entry.entry_time))
        found = self._newest("entry_id = ? AND name LIKE 'DEL_%'", lost_since, entry.id)
        if found is None and entry.kind == "comment":
            where = "poller = ? AND host = ? AND service = ? AND name LIKE 'DEL_ALL_%' AND epoch >= ?"
            found = self._newest(where, lost_since, *object_, int(entry.entry_time))
        return found if found is not None or entry.kind != "downtime" else self._by_meaning(entry, lost_since)

    def _newest(self, where: str, lost_since: float, *values: object) -> CommandRow | None:
        query = f"SELECT {COMMAND_COLUMNS} FROM command WHERE {where} AND {_DELETED} ORDER BY seq DESC LIMIT 1"
        found = self.connection.execute(query, (*values, lost_since)).fetchone()
        return command_row(found) if found else None

    def _by_meaning(self, entry: EntryRow, lost_since: float) -> CommandRow | None:
        """The newest such command that chooses this downtime; read once per generation."""
        if lost_since not in self._wide:
            query = f"SELECT {COMMAND_COLUMNS} FROM command WHERE poller = ? AND {_WIDE} AND {_DELETED} ORDER BY seq DESC LIMIT 100"
            self._wide[lost_since] = [command_row(row) for row in self.connection.execute(query, (entry.poller, lost_since))]
        return next((one for one in self._wide[lost_since] if self.chooses(one, entry)), None)

    def is_waiting(self, entry: EntryRow) -> bool:
        """Does a command wait to be written that deletes it, or, of an acknowledgement, takes its place?"""
        object_ = (entry.poller, entry.host, entry.service)
        if entry.kind == "acknowledgement":
            names, values = "(name LIKE 'ACKNOWLEDGE_%' OR name LIKE 'REMOVE_%')", object_
            return self._waits(f"poller = ? AND host = ? AND service = ? AND {names}", *values)
        if self._waits("entry_id = ? AND name LIKE 'DEL_%'", entry.id):
            return True
        if entry.kind == "comment":
            return self._waits("poller = ? AND host = ? AND service = ? AND name LIKE 'DEL_ALL_%'", *object_)
        query = f"SELECT {COMMAND_COLUMNS} FROM command WHERE poller = ? AND {_WIDE} AND {_WAITING}"
        return any(self._means(command_row(one), entry) for one in self.connection.execute(query, (entry.poller,)).fetchall())

    def _waits(self, where: str, *values: object) -> bool:
        return self.connection.execute(f"SELECT 1 FROM command WHERE {where} AND {_WAITING} LIMIT 1", values).fetchone() is not None

    def chooses(self, command: CommandRow, entry: EntryRow) -> bool:
        """Is the downtime one of those that a deletion by meaning was to delete?"""
        return (command.epoch or 0) >= entry.entry_time and self._means(command, entry)

    def _means(self, command: CommandRow, entry: EntryRow) -> bool:
        row, names = known_row(command.name), command.arguments
        if row.subject is Subject.HOSTGROUP and entry.host not in meant_hosts(self.reader, entry.poller, row.subject, names):
            return False
        values = {
            "host": entry.host, "service": entry.service or None, "start": entry.start_time, "end": entry.end_time,
            "fixed": entry.fixed, "duration": entry.duration, "author": entry.author, "comment": entry.comment,
        }  # fmt: skip
        return is_chosen(row, names, values)
