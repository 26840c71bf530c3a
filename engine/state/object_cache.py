"""What the cores are configured to be, on its way from an object cache into the tables of state.db.

What belongs here: the tables of configuration, which are written anew with each object cache. Nothing here commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, get_origin, get_type_hints

import orjson

from engine.model import (
    CommandConfig,
    ContactConfig,
    DependencyConfig,
    EscalationConfig,
    HostConfig,
    ObjectCache,
    ServiceConfig,
    ServiceParentConfig,
    TimeperiodConfig,
    group_id,
)
from engine.state.tables import CONFIG_TABLES, HOST, SERVICE, ObjectTable, columns, marks

# Ids from 2^32 on are minted from the poller's number; one asked for there could meet one still to be minted.
_WANTED_BELOW = 2**32


def write_objects(connection: sqlite3.Connection, poller: int, cache: ObjectCache) -> None:
    """Put a poller's configuration in the place of the one before."""
    for table in CONFIG_TABLES:
        connection.execute(f"DELETE FROM {table} WHERE poller = ?", (poller,))
    _write_config(connection, poller, HOST, HostConfig, cache.hosts)
    _write_config(connection, poller, SERVICE, ServiceConfig, cache.services)
    groups = ((poller, *group[:3], *group[4:], group_id(group.kind, group.name)) for group in cache.groups)
    connection.executemany("INSERT OR REPLACE INTO object_group VALUES (?, ?, ?, ?, ?, ?, ?, ?)", groups)
    connection.executemany("INSERT OR IGNORE INTO group_member VALUES (?, ?, ?, ?, ?)", _members(poller, cache))
    _write_plain(connection, poller, "contact", ContactConfig, cache.contacts)
    _write_plain(connection, poller, "timeperiod", TimeperiodConfig, cache.timeperiods)
    _write_plain(connection, poller, "check_command", CommandConfig, cache.commands)
    connection.executemany("INSERT OR IGNORE INTO contact_of VALUES (?, ?, ?, ?, ?)", _contact_of(poller, cache))
    _write_plain(connection, poller, "escalation", EscalationConfig, cache.escalations)
    _write_plain(connection, poller, "dependency", DependencyConfig, cache.dependencies)
    _write_plain(connection, poller, "service_parent", ServiceParentConfig, cache.service_parents)


def _write_plain(
    connection: sqlite3.Connection, poller: int, table: str, kind: type[NamedTuple], configs: Sequence[tuple[object, ...]]
) -> None:
    insert = f"INSERT OR REPLACE INTO {table} (poller, {columns(kind)}) VALUES (?, {marks(kind)})"
    lists = _places_of_lists(kind)
    connection.executemany(insert, ((poller, *_stored(config, lists)) for config in configs))


def _write_config(
    connection: sqlite3.Connection,
    poller: int,
    table: ObjectTable,
    kind: type[HostConfig] | type[ServiceConfig],
    configs: Sequence[HostConfig] | Sequence[ServiceConfig],
) -> None:
    insert = f"INSERT OR REPLACE INTO {table.config} (poller, wanted_id, {columns(kind)}) VALUES (?, ?, {marks(kind)})"
    variable, lists = table.id_variable, _places_of_lists(kind)
    rows = ((poller, wanted_id(config.custom_variables, variable), *_stored(config, lists)) for config in configs)
    connection.executemany(insert, rows)


def _members(poller: int, cache: ObjectCache) -> Iterator[tuple[object, ...]]:
    for group in cache.groups:
        for host, service in group.members:
            yield poller, group.kind, group.name, host, service or ""


def _contact_of(poller: int, cache: ObjectCache) -> Iterator[tuple[object, ...]]:
    for host in cache.hosts:
        yield from _told(poller, host.name, "", host)
    for service in cache.services:
        yield from _told(poller, service.host_name, service.description, service)
    for one in cache.escalations:
        yield from _told(poller, one.host_name, one.service_description, one)


def _told(
    poller: int, host: str, description: str, config: HostConfig | ServiceConfig | EscalationConfig
) -> Iterator[tuple[object, ...]]:
    for contact in config.contacts:
        yield "contact", contact, poller, host, description
    for group in config.contact_groups:
        yield "contactgroup", group, poller, host, description


def wanted_id(custom_variables: str, name: str) -> int | None:
    """The public id a custom variable asks for; None without one, or for what cannot be one."""
    if custom_variables == "{}" or name not in custom_variables.upper():
        return None
    variables = {key.upper(): value for key, value in orjson.loads(custom_variables).items()}
    value = str(variables.get(name, "")).strip()
    if not (value.isascii() and value.isdigit() and len(value) <= 10):
        return None
    return int(value) if 0 < int(value) < _WANTED_BELOW else None


def _places_of_lists(kind: type[NamedTuple]) -> list[int]:
    return [at for at, type_ in enumerate(get_type_hints(kind).values()) if get_origin(type_) is tuple]


def _stored(config: Sequence[object], lists: Iterable[int]) -> Sequence[object]:
    """A configuration's values, its lists as JSON."""
    values = list(config)
    for at in lists:
        values[at] = _stored_list(values[at])
    return values


@lru_cache(maxsize=1 << 12)
def _stored_list(value: object) -> str:
    return orjson.dumps(value).decode()
