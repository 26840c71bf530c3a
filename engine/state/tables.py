"""The tables of state.db, made from the model's rows: one column per field, in the model's order.

Rules: the writer is mirror.py, the reader views.py, and both take names and order of columns from here. Times are REAL, lists JSON
arrays. Raise SCHEMA_VERSION whenever a column, or the meaning of what a scanner puts into one, changes: the file is then
rebuilt from the cores (rows whose block hash is unchanged would otherwise keep what an older program made of them).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_type_hints

from engine.model import (
    CommandConfig,
    CommentStatus,
    ContactConfig,
    ContactStatus,
    DependencyConfig,
    DowntimeStatus,
    EscalationConfig,
    HostConfig,
    HostStatus,
    ObjectKey,
    ServiceConfig,
    ServiceParentConfig,
    ServiceStatus,
    TimeperiodConfig,
)

SCHEMA_VERSION = 15
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

# An index of what totals count is read instead of the wide rows, by queries that say COUNTED (always true) and by no others:
# SQLite would prefer it to the small indexes of problems.
COUNTED = "alike > -1"

PROBLEM = "state <> 0 AND has_been_checked <> 0"
HANDLED = "acknowledged <> 0 OR scheduled_downtime_depth > 0"

# How bad a row is, from 1, the worst, to 5, as resources.py has it; states by their numbers.
_HOST_SEVERITIES, _SERVICE_SEVERITIES = "WHEN 0 THEN 5 WHEN 1 THEN 1", "WHEN 0 THEN 5 WHEN 1 THEN 2 WHEN 2 THEN 1"


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
        alike = _alike_of(self.row._fields, 3)
        return (
            f"INSERT OR REPLACE INTO {self.name} (poller, id, {columns(self.row)}, alike) VALUES (?, ?, {marks(self.row)}, {alike})"
        )

    @cached_property
    def update(self) -> str:
        names = self.row._fields[len(self.keys) :]
        sets = ", ".join(f"{name} = ?" for name in names)
        return f"UPDATE {self.name} SET {sets}, alike = {_alike_of(names, 1)} WHERE {self.where}"

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


# --- totals kept by the writer ------------------------------------------------------------------------------------------------
# How many objects are alike in all that totals count: hosts and services by poller, services also by host. Kept by triggers, so
# that it is true in every transaction. No statement of theirs may meet a conflict: it would be settled in the manner of the
# statement that fired them.

_OTHER_STATE = 4  # a number that is no state of a core
_ALIKE_BITS = (
    "has_been_checked <> 0", "acknowledged <> 0", "scheduled_downtime_depth > 0", "is_flapping <> 0", "checks_enabled <> 0",
    "accept_passive_checks <> 0", "notifications_enabled <> 0", "event_handler_enabled <> 0", "flap_detection_enabled <> 0",
)  # fmt: skip
STATE = 7  # the bits of the state
CHECKED, ACKNOWLEDGED, IN_DOWNTIME, FLAPPING, *FEATURES = (8 << bit for bit in range(len(_ALIKE_BITS)))


_ALIKE = " + ".join(
    [f"iif(state BETWEEN 0 AND 3, state, {_OTHER_STATE})", *(f"({bit}) * {8 << at}" for at, bit in enumerate(_ALIKE_BITS))]
)


def _alike_of(names: Sequence[str], first: int) -> str:
    """What totals count of the parameters of a statement, in which those of these columns follow one another from `first` on.

    A generated column would do the same, but SQLite reads the whole row for one, even where an index has it.
    """
    parameters = {name: f"?{at}" for at, name in enumerate(names, first)}
    return re.sub(r"[a-z_]+", lambda found: parameters.get(found[0], found[0]), _ALIKE)


def _severity(alike: str, severities: str) -> str:
    return f"iif({alike} & {CHECKED}, CASE {alike} & {STATE} {severities} ELSE 3 END, 4)"


def host_severity(alike: str = "alike") -> str:
    """The severity of a host that is alike so, 4 while it is pending."""
    return _severity(alike, _HOST_SEVERITIES)


def service_severity(alike: str = "alike") -> str:
    """The same of a service."""
    return _severity(alike, _SERVICE_SEVERITIES)


def _counting(table: str, key: dict[str, str], change: Literal["+", "-"]) -> str:
    same = " AND ".join(f"{name} = {value}" for name, value in key.items())
    changed = f"UPDATE {table} SET count = count {change} 1 WHERE {same};"
    if change == "-":
        return f"{changed} DELETE FROM {table} WHERE {same} AND count = 0;"
    return f"{changed} INSERT INTO {table} SELECT {', '.join(key.values())}, 1 WHERE changes() = 0;"


def _triggers(table: str, is_service: int) -> tuple[str, ...]:
    def counted(row: str, change: Literal["+", "-"]) -> str:
        key = {"poller": f"{row}.poller", "is_service": str(is_service), "alike": f"{row}.alike"}
        by_host = {"poller": f"{row}.poller", "host_name": f"{row}.host_name", "alike": f"{row}.alike"}
        return _counting("tally", key, change) + (_counting("tally_by_host", by_host, change) if is_service else "")

    more, less = counted("new", "+"), counted("old", "-")
    return (
        f"CREATE TRIGGER {table}_more AFTER INSERT ON {table} BEGIN {more} END",
        f"CREATE TRIGGER {table}_less AFTER DELETE ON {table} BEGIN {less} END",
        f"CREATE TRIGGER {table}_other AFTER UPDATE ON {table} WHEN old.alike <> new.alike BEGIN {less} {more} END",
    )


# --- what is kept beside the rows ---------------------------------------------------------------------------------------------
# Indexes and totals of the two tables of objects. The first rows of all go in faster without them.

_INDEXES = (
    "CREATE UNIQUE INDEX host_name ON host (poller, name)",
    f"CREATE INDEX host_tally ON host (poller, name, alike) WHERE {COUNTED}",
    "CREATE INDEX host_id ON host (id)",
    f"CREATE INDEX host_problem ON host (poller, name) WHERE {PROBLEM}",
    f"CREATE INDEX host_handled ON host (poller, name) WHERE {HANDLED}",
    "CREATE INDEX host_acknowledged ON host (poller) WHERE acknowledged <> 0",
    "CREATE INDEX host_order ON host (name COLLATE NOCASE, poller)",
    "CREATE INDEX host_worst ON host (severity, name COLLATE NOCASE, poller)",
    "CREATE UNIQUE INDEX service_name ON service (poller, host_name, description)",
    f"CREATE INDEX service_tally ON service (poller, host_name, description, alike) WHERE {COUNTED}",
    "CREATE INDEX service_id ON service (id)",
    f"CREATE INDEX service_problem ON service (poller, host_name, description) WHERE {PROBLEM}",
    "CREATE INDEX service_acknowledged ON service (poller) WHERE acknowledged <> 0",
    "CREATE INDEX service_order ON service (host_name COLLATE NOCASE, description COLLATE NOCASE, poller)",
    "CREATE INDEX service_worst ON service (severity, description COLLATE NOCASE, poller, host_name)",
)
_TOTALS = (
    f"INSERT INTO tally SELECT poller, 0, alike, count(*) FROM host WHERE {COUNTED} GROUP BY 1, 3",
    f"INSERT INTO tally SELECT poller, 1, alike, count(*) FROM service WHERE {COUNTED} GROUP BY 1, 3",
    f"INSERT INTO tally_by_host SELECT poller, host_name, alike, count(*) FROM service WHERE {COUNTED} GROUP BY 1, 2, 3",
)
BEGIN_KEEPING = (*_INDEXES, *_TOTALS, *_triggers("host", 0), *_triggers("service", 1))
STOP_KEEPING = tuple(
    f"DROP {kind} {name}"
    for kind, name in (
        re.findall(r"^CREATE (?:UNIQUE )?(INDEX|TRIGGER) (\w+)", one)[0] for one in BEGIN_KEEPING if one.startswith("CREATE")
    )
)
"""Statements, for tables without any object."""


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
  status_file_detail TEXT NOT NULL DEFAULT '', program TEXT NOT NULL DEFAULT '{{}}',
  configured INTEGER NOT NULL DEFAULT 0); -- counts the generations with objects that came or went, or another configuration

-- One row per thing that happened. `state` is the object's then, NULL where the event is about none. hostgroups: JSON array.
CREATE TABLE event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, action TEXT NOT NULL, poller INTEGER NOT NULL, host TEXT NOT NULL,
  service TEXT NOT NULL, hostgroups TEXT NOT NULL, state INTEGER, at REAL NOT NULL, said TEXT NOT NULL);
-- How far the log of each poller has been read into events and rows.
CREATE TABLE log_position (poller INTEGER PRIMARY KEY, position TEXT NOT NULL);

-- A host exists when its hoststatus block does. `id` is its public id. Keyed by an index of its own, so that counting and
-- paging read small pages, not plugin output. `alike` is what totals count of a row, as one number: STATE, then CHECKED and so on.
CREATE TABLE host (
  poller INTEGER NOT NULL, id INTEGER NOT NULL, {_typed(HostStatus)}, alike INTEGER NOT NULL,
  severity INTEGER NOT NULL AS ({host_severity()}) VIRTUAL);
CREATE TABLE service (
  poller INTEGER NOT NULL, id INTEGER NOT NULL, {_typed(ServiceStatus)}, alike INTEGER NOT NULL,
  severity INTEGER NOT NULL AS ({service_severity()}) VIRTUAL);

CREATE TABLE tally (
  poller INTEGER NOT NULL, is_service INTEGER NOT NULL, alike INTEGER NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (poller, is_service, alike)) WITHOUT ROWID;
CREATE TABLE tally_by_host (
  poller INTEGER NOT NULL, host_name TEXT NOT NULL, alike INTEGER NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (poller, host_name, alike)) WITHOUT ROWID;
{";".join(BEGIN_KEEPING)};

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

-- The object cache; rows of lists have numbers. `wanted_id` is the public id a _HOST_ID or _SERVICE_ID custom variable asks for.
CREATE TABLE host_config (
  poller INTEGER NOT NULL, wanted_id INTEGER, {_typed(HostConfig)}, PRIMARY KEY (poller, name)) WITHOUT ROWID;
CREATE TABLE service_config (
  poller INTEGER NOT NULL, wanted_id INTEGER, {_typed(ServiceConfig)}, PRIMARY KEY (poller, host_name, description)) WITHOUT ROWID;
CREATE INDEX host_wanted ON host_config (poller) WHERE wanted_id IS NOT NULL;
CREATE INDEX service_wanted ON service_config (poller) WHERE wanted_id IS NOT NULL;
CREATE TABLE object_group (
  poller INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, alias TEXT NOT NULL,
  notes TEXT NOT NULL, notes_url TEXT NOT NULL, action_url TEXT NOT NULL, id INTEGER NOT NULL,
  PRIMARY KEY (poller, kind, name));
-- Members: host_name holds a contact's name in a contactgroup; service_description is '' but in servicegroups.
CREATE TABLE group_member (
  poller INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, host_name TEXT NOT NULL, service_description TEXT NOT NULL,
  PRIMARY KEY (poller, kind, host_name, name, service_description)) WITHOUT ROWID;
CREATE INDEX group_member_group ON group_member (kind, name, poller, host_name);
CREATE TABLE contact (poller INTEGER NOT NULL, {_typed(ContactConfig)}, PRIMARY KEY (poller, name));
-- Whose object it is: a contact or contactgroup of it or of one of its escalations. A host's description is ''.
CREATE TABLE contact_of (
  kind TEXT NOT NULL, name TEXT NOT NULL, poller INTEGER NOT NULL, host_name TEXT NOT NULL, description TEXT NOT NULL,
  PRIMARY KEY (kind, name, poller, host_name, description)) WITHOUT ROWID;
-- Whose objects those were that are not configured any more, and the newest event when they went. See former.py.
CREATE TABLE former_contact (
  poller INTEGER NOT NULL, host_name TEXT NOT NULL, description TEXT NOT NULL, contact TEXT NOT NULL, seq INTEGER,
  PRIMARY KEY (poller, host_name, description, contact)) WITHOUT ROWID;
CREATE TABLE timeperiod (poller INTEGER NOT NULL, {_typed(TimeperiodConfig)}, PRIMARY KEY (poller, name));
CREATE TABLE check_command (poller INTEGER NOT NULL, {_typed(CommandConfig)}, PRIMARY KEY (poller, name));
CREATE TABLE escalation (poller INTEGER NOT NULL, {_typed(EscalationConfig)});
CREATE INDEX escalation_object ON escalation (poller, host_name, service_description);
CREATE TABLE dependency (poller INTEGER NOT NULL, {_typed(DependencyConfig)});
CREATE TABLE service_parent (poller INTEGER NOT NULL, {_typed(ServiceParentConfig)});
CREATE INDEX service_parent_child ON service_parent (poller, host_name, service_description);
CREATE INDEX service_parent_parent ON service_parent (poller, parent_host_name, parent_service_description);

-- Counts the commits of this file, from a number of its own on: the same number, the same content.
CREATE TABLE change (number INTEGER NOT NULL);
INSERT INTO change VALUES (abs(random() % 1000000000000));
"""

STATUS_TABLES = ("host", "service", "downtime", "comment", "contact_status", "dirty", "log_position", "former_contact")
CONFIG_TABLES = (
    "host_config", "service_config", "object_group", "group_member", "contact", "timeperiod", "check_command", "escalation",
    "dependency", "service_parent", "contact_of",
)  # fmt: skip
