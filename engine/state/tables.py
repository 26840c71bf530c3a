"""The tables of state.db, made from the model's rows: one column per field, in the model's order.

Rules: the writer is mirror.py, the reader views.py, and both take names and order of columns from here. Times are REAL, lists JSON
arrays. Raise SCHEMA_VERSION whenever a column, or the meaning of what a scanner puts into one, changes: the file is then
rebuilt from the cores (rows whose block hash is unchanged would otherwise keep what an older program made of them).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, get_type_hints

from engine.model import (
    CommandConfig,
    CommentStatus,
    ContactConfig,
    ContactStatus,
    DowntimeStatus,
    HostConfig,
    HostStatus,
    ObjectKey,
    ServiceConfig,
    ServiceStatus,
    TimeperiodConfig,
)

SCHEMA_VERSION = 6
STATE_FILE = "state.db"

# A core may write `nan`; SQLite stores it as NULL, and no field of the model is NULL by accident.
_TYPES: dict[object, str] = {
    int: "INTEGER NOT NULL ON CONFLICT REPLACE DEFAULT 0",
    float: "REAL NOT NULL ON CONFLICT REPLACE DEFAULT 0",
    str: "TEXT NOT NULL",
    str | None: "TEXT",
    tuple[str, ...]: "TEXT NOT NULL",
    tuple[tuple[str, str], ...]: "TEXT NOT NULL",
}

# What totals count: an index that holds it is read instead of the wide rows, by queries that say COUNTED (always true) and by
# no others: SQLite would prefer it to the small indexes of problems.
COUNTED = "checks_enabled > -1"
TALLIED = (
    "state, has_been_checked, acknowledged, scheduled_downtime_depth, is_flapping, checks_enabled, accept_passive_checks,"
    " notifications_enabled, event_handler_enabled, flap_detection_enabled"
)

PROBLEM = "state <> 0 AND has_been_checked <> 0"
HANDLED = "acknowledged <> 0 OR scheduled_downtime_depth > 0"


def columns(row: type[NamedTuple], alias: str = "") -> str:
    """The columns of a model row for a SELECT or an INSERT, in the row's order."""
    return ", ".join(f"{alias}.{name}" if alias else name for name in row._fields)


def marks(row: type[NamedTuple]) -> str:
    """One question mark per field of a model row."""
    return ", ".join("?" * len(row._fields))


def _typed(row: type[NamedTuple]) -> str:
    types = get_type_hints(row)
    return ", ".join(f"{name} {_TYPES[types[name]]}" for name in row._fields)


@dataclass(frozen=True)
class ObjectTable:
    """Statements for one of the two tables of objects, each made once."""

    name: str
    row: type[HostStatus] | type[ServiceStatus]
    config: str
    keys: tuple[str, ...]
    id_variable: str

    def key(self, poller: int, row: HostStatus | ServiceStatus) -> ObjectKey:
        return ObjectKey(poller, *row[: len(self.keys)])  # type: ignore[arg-type]

    @cached_property
    def select_standing(self) -> str:
        """The columns `Standing` is made of."""
        names = "state, state_type, has_been_checked, current_attempt, acknowledged, acknowledgement_type, is_flapping"
        return f"SELECT {names}, scheduled_downtime_depth FROM {self.name} WHERE {self.where}"

    @cached_property
    def select(self) -> str:
        return f"SELECT {columns(self.row)} FROM {self.name} WHERE {self.where}"

    @cached_property
    def insert(self) -> str:
        return f"INSERT OR REPLACE INTO {self.name} (poller, id, {columns(self.row)}) VALUES (?, ?, {marks(self.row)})"

    @cached_property
    def update(self) -> str:
        sets = ", ".join(f"{name} = ?" for name in self.row._fields[len(self.keys) :])
        return f"UPDATE {self.name} SET {sets} WHERE {self.where}"

    def update_values(self, key: ObjectKey, row: HostStatus | ServiceStatus) -> tuple[object, ...]:
        return (*row[len(self.keys) :], *key_values(key))

    @cached_property
    def mark_checked(self) -> str:
        """Notes that a check ran, for (time, *key)."""
        return f"UPDATE {self.name} SET last_check = max(last_check, ?), block_hash = -1 WHERE {self.where}"

    @cached_property
    def mark_dirty(self) -> str:
        """Marks an object that exists as dirty, for (core's second, *key)."""
        names = ", ".join(self.keys) if len(self.keys) == 2 else f"{self.keys[0]}, ''"
        mark = "ON CONFLICT DO UPDATE SET at = max(at, excluded.at)"
        return f"INSERT INTO dirty SELECT poller, {names}, ? FROM {self.name} WHERE {self.where} {mark}"

    @cached_property
    def where(self) -> str:
        return " AND ".join(f"{name} = ?" for name in ("poller", *self.keys))


HOST = ObjectTable("host", HostStatus, "host_config", ("name",), "HOST_ID")
SERVICE = ObjectTable("service", ServiceStatus, "service_config", ("host_name", "description"), "SERVICE_ID")


def key_values(key: ObjectKey) -> tuple[object, ...]:
    """A key's values for `ObjectTable.where`."""
    return (key.poller, key.host) if key.service is None else tuple(key)


def dirty_values(key: ObjectKey) -> tuple[object, ...]:
    """A key as the dirty table has it."""
    return (key.poller, key.host, key.service or "")


# How many hosts and services of a poller are alike in all that totals count: kept by triggers, so that it is true in every
# transaction. No statement of theirs may meet a conflict: it would be settled in the manner of the statement that fired them.
_ALIKE = {
    name: f"{{0}}.{name}" if name != "scheduled_downtime_depth" else "({0}.scheduled_downtime_depth > 0)"
    for name in TALLIED.split(", ")
}


def _counting(is_service: int, row: str, change: str) -> str:
    values = [f"{row}.poller", str(is_service), *(value.format(row) for value in _ALIKE.values())]
    same = " AND ".join(f"{name} = {value}" for name, value in zip(("poller", "is_service", *_ALIKE), values, strict=True))
    return (
        f"INSERT INTO tally SELECT {', '.join(values)}, 0 WHERE NOT EXISTS (SELECT 1 FROM tally WHERE {same});"
        f" UPDATE tally SET count = count {change} WHERE {same};"
    )


def _triggers(table: str, is_service: int) -> str:
    more, less = (_counting(is_service, row, change) for row, change in (("new", "+ 1"), ("old", "- 1")))
    differs = " OR ".join(f"old.{name} <> new.{name}" for name in _ALIKE)
    return (
        f"CREATE TRIGGER {table}_more AFTER INSERT ON {table} BEGIN {more} END;\n"
        f"CREATE TRIGGER {table}_less AFTER DELETE ON {table} BEGIN {less} END;\n"
        f"CREATE TRIGGER {table}_other AFTER UPDATE OF {', '.join(_ALIKE)} ON {table} WHEN {differs} BEGIN {less} {more} END;\n"
    )


SCHEMA = f"""
-- The incarnation is another whenever the file is made anew.
CREATE TABLE meta (schema_version INTEGER NOT NULL, incarnation TEXT NOT NULL);
INSERT INTO meta VALUES ({SCHEMA_VERSION}, lower(hex(randomblob(6))));

CREATE TABLE poller (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, status_file TEXT NOT NULL,
  status_update_interval_s REAL NOT NULL, version TEXT NOT NULL DEFAULT '', program_start REAL NOT NULL DEFAULT 0,
  created REAL NOT NULL DEFAULT 0, generation INTEGER NOT NULL DEFAULT 0, read_at REAL NOT NULL DEFAULT 0,
  clock_offset_s REAL NOT NULL DEFAULT 0, command_file_health TEXT NOT NULL DEFAULT 'unknown',
  command_file_detail TEXT NOT NULL DEFAULT '', status_file_health TEXT NOT NULL DEFAULT 'unknown',
  status_file_detail TEXT NOT NULL DEFAULT '', program TEXT NOT NULL DEFAULT '{{}}');

-- One row per thing that happened. `state` is the object's then, NULL where the event is about none. hostgroups: JSON array.
CREATE TABLE event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, action TEXT NOT NULL, poller INTEGER NOT NULL, host TEXT NOT NULL,
  service TEXT NOT NULL, hostgroups TEXT NOT NULL, state INTEGER, at REAL NOT NULL, said TEXT NOT NULL);
-- How far the log of each poller has been read into events and rows.
CREATE TABLE log_position (poller INTEGER PRIMARY KEY, position TEXT NOT NULL);

-- A host exists when its hoststatus block does. `id` is its public id. Keyed by an index of its own, so that counting and
-- paging read small pages, not plugin output.
CREATE TABLE host (poller INTEGER NOT NULL, id INTEGER NOT NULL, {_typed(HostStatus)});
CREATE UNIQUE INDEX host_name ON host (poller, name);
CREATE INDEX host_tally ON host (poller, name, {TALLIED}) WHERE {COUNTED};
CREATE INDEX host_id ON host (id);
CREATE INDEX host_problem ON host (poller, name) WHERE {PROBLEM};
CREATE INDEX host_handled ON host (poller, name) WHERE {HANDLED};
CREATE INDEX host_acknowledged ON host (poller) WHERE acknowledged <> 0;

CREATE TABLE service (poller INTEGER NOT NULL, id INTEGER NOT NULL, {_typed(ServiceStatus)});
CREATE UNIQUE INDEX service_name ON service (poller, host_name, description);
CREATE INDEX service_tally ON service (poller, host_name, description, {TALLIED}) WHERE {COUNTED};
CREATE INDEX service_id ON service (id);
CREATE INDEX service_problem ON service (poller, host_name, description) WHERE {PROBLEM};
CREATE INDEX service_acknowledged ON service (poller) WHERE acknowledged <> 0;

CREATE TABLE tally (
  poller INTEGER NOT NULL, is_service INTEGER NOT NULL, {" INTEGER NOT NULL, ".join(_ALIKE)} INTEGER NOT NULL,
  count INTEGER NOT NULL, PRIMARY KEY (poller, is_service, {", ".join(_ALIKE)})) WITHOUT ROWID;
{_triggers("host", 0)}{_triggers("service", 1)}
CREATE TABLE downtime (
  poller INTEGER NOT NULL, is_service INTEGER NOT NULL, {_typed(DowntimeStatus)},
  PRIMARY KEY (poller, is_service, core_id)) WITHOUT ROWID;
CREATE TABLE comment (
  poller INTEGER NOT NULL, is_service INTEGER NOT NULL, {_typed(CommentStatus)},
  PRIMARY KEY (poller, is_service, core_id)) WITHOUT ROWID;
CREATE INDEX comment_object ON comment (poller, host_name, service_description);

CREATE TABLE contact_status (poller INTEGER NOT NULL, {_typed(ContactStatus)}, PRIMARY KEY (poller, name)) WITHOUT ROWID;

-- Rows the log is ahead of: `at` is the log line's second (core's clock). A service's description is '' for a host.
CREATE TABLE dirty (
  poller INTEGER NOT NULL, host_name TEXT NOT NULL, description TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (poller, host_name, description)) WITHOUT ROWID;

-- The object cache. `wanted_id` is the public id a _HOST_ID or _SERVICE_ID custom variable asks for.
CREATE TABLE host_config (
  poller INTEGER NOT NULL, wanted_id INTEGER, {_typed(HostConfig)}, PRIMARY KEY (poller, name)) WITHOUT ROWID;
CREATE TABLE service_config (
  poller INTEGER NOT NULL, wanted_id INTEGER, {_typed(ServiceConfig)}, PRIMARY KEY (poller, host_name, description)) WITHOUT ROWID;
CREATE TABLE object_group (
  poller INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, alias TEXT NOT NULL,
  notes TEXT NOT NULL, notes_url TEXT NOT NULL, action_url TEXT NOT NULL,
  PRIMARY KEY (poller, kind, name)) WITHOUT ROWID;
-- Members: host_name holds a contact's name in a contactgroup; service_description is '' but in servicegroups.
CREATE TABLE group_member (
  poller INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, host_name TEXT NOT NULL, service_description TEXT NOT NULL,
  PRIMARY KEY (poller, kind, host_name, name, service_description)) WITHOUT ROWID;
CREATE INDEX group_member_group ON group_member (kind, name, poller, host_name);
CREATE TABLE contact (poller INTEGER NOT NULL, {_typed(ContactConfig)}, PRIMARY KEY (poller, name)) WITHOUT ROWID;
CREATE TABLE timeperiod (poller INTEGER NOT NULL, {_typed(TimeperiodConfig)}, PRIMARY KEY (poller, name)) WITHOUT ROWID;
CREATE TABLE check_command (poller INTEGER NOT NULL, {_typed(CommandConfig)}, PRIMARY KEY (poller, name)) WITHOUT ROWID;

-- Counts the commits of this file, from a number of its own on: the same number, the same content.
CREATE TABLE change (number INTEGER NOT NULL);
INSERT INTO change VALUES (abs(random() % 1000000000000));
"""

STATUS_TABLES = ("host", "service", "downtime", "comment", "contact_status", "dirty", "log_position")
CONFIG_TABLES = ("host_config", "service_config", "object_group", "group_member", "contact", "timeperiod", "check_command")
