"""Contacts, timeperiods and the core's own commands, as the object cache has them.

Rules: each stands by poller and name. To a caller limited to hostgroups exists what an object within scope uses: its contacts
(also those of its contactgroups), its check and notification periods, its check command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import orjson

from engine.model import CommandConfig, ContactConfig, ContactStatus, TimeperiodConfig
from engine.state.groups import named_by_objects
from engine.state.scope import Condition, Scope, all_of
from engine.state.tables import columns
from engine.state.views import Reader

C = TypeVar("C", bound=ContactConfig | TimeperiodConfig | CommandConfig)


class Configured(NamedTuple, Generic[C]):
    """One of them on one poller."""

    poller: int
    poller_name: str
    config: C


class Table(NamedTuple, Generic[C]):
    """Where they stand; `used` says which of them a limited caller may see."""

    name: str
    row: type[C]
    lists: tuple[str, ...]
    used: Callable[[Scope], Condition]


def _used_contacts(scope: Scope) -> Condition:
    direct, values = named_by_objects(scope, "contacts", "x.poller", "x.name")
    groups, more = named_by_objects(scope, "contact_groups", "m.poller", "m.name")
    through = f"SELECT m.poller, m.host_name FROM state.group_member m WHERE m.kind = 'contactgroup' AND {groups}"
    return f"({direct} OR (x.poller, x.name) IN ({through}))", [*values, *more]


def _used_by_status(scope: Scope, *expressions: str) -> Condition:
    """(poller, name) is what one of these expressions over the rows of hosts and services within scope says."""
    parts: list[str] = []
    values: list[object] = []
    for table, *names in (("host", "o.name"), ("service", "o.host_name", "o.description")):
        where, more = scope.sql("o.poller", *names)
        for expression in expressions:
            parts.append(f"SELECT o.poller, {expression} FROM state.{table} o WHERE {where}")
            values += more
    return f"(x.poller, x.name) IN ({' UNION '.join(parts)})", values


_COMMAND_NAME = "substr(o.{0}, 1, instr(o.{0} || '!', '!') - 1)"

CONTACTS: Table[ContactConfig] = Table(
    "contact", ContactConfig, ("host_notification_commands", "service_notification_commands"), _used_contacts
)
TIMEPERIODS: Table[TimeperiodConfig] = Table(
    "timeperiod",
    TimeperiodConfig,
    ("ranges", "exclude"),
    lambda scope: _used_by_status(scope, "o.check_period", "o.notification_period"),
)
CHECK_COMMANDS: Table[CommandConfig] = Table(
    "check_command", CommandConfig, (), lambda scope: _used_by_status(scope, _COMMAND_NAME.format("check_command"))
)


def used_handlers(scope: Scope) -> Condition:
    """Commands that handle the events of something within scope."""
    return _used_by_status(scope, _COMMAND_NAME.format("event_handler"))


def configured(reader: Reader, scope: Scope, table: Table[C], name: str, poller: int | None = None) -> tuple[Configured[C], ...]:
    """Those of that name, by poller."""
    where, bound = all_of([("x.name = ?", [name]), seen(scope.on(poller), table)])
    found = reader.connection.execute(
        f"SELECT x.poller, p.name, {columns(table.row, 'x')} FROM state.{table.name} x"
        f" JOIN state.poller p ON p.number = x.poller WHERE {where} ORDER BY x.poller",
        bound,
    )
    return tuple(Configured(row[0], row[1], _config(table, row[2:])) for row in found)


def seen(scope: Scope, table: Table[Any]) -> Condition:
    """Which of them exist to a caller."""
    return all_of([Scope(pollers=scope.pollers).sql("x.poller", ""), *([table.used(scope)] if scope.is_limited else [])])


def _config(table: Table[C], values: Sequence[Any]) -> C:
    config = table.row._make(values)
    return config._replace(**{name: _tuples(orjson.loads(getattr(config, name))) for name in table.lists})  # type: ignore[return-value]


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def contact_status(reader: Reader, poller: int, name: str) -> ContactStatus | None:
    """What the status file says of a contact; None for a core that writes no such block."""
    query = f"SELECT {columns(ContactStatus)} FROM state.contact_status WHERE poller = ? AND name = ?"
    found = reader.connection.execute(query, (poller, name)).fetchone()
    return None if found is None else ContactStatus._make(found)
