"""Search, filters and order of the dialect's lists: its own keys over the engine's search language.

Kept from the original: the grammar, `filter[key]=a|b`, what `meta` echoes. Where the original answers all rows to a search that is
no JSON, or compares with `=` for an operator it does not know, this one answers 400. As in the original, a key or a direction that
a list cannot be sorted by is dropped, since it changes no row: `meta` echoes the others, and names it under `signalbox`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace
from starlette.datastructures import QueryParams

from api.centreon.answers import FEW, Paging, parse_page
from engine.desk.entry_fields import ENTRIES
from engine.errors import InvalidSearch
from engine.state.fields import HOSTS, SERVICES, Field, Table, Type, names_others, seen_by
from engine.state.grouped import HOSTGROUPS, SERVICEGROUPS
from engine.state.scope import Scope
from engine.state.search import Condition, condition, normalised, order, parse

HOST_ALIASES = {
    "host.is_acknowledged": "host.acknowledged",
    "host.downtime": "host.scheduled_downtime_depth",
    "host.output": "host.plugin_output",
    "host_group.id": "hostgroup_id",
    "host_group.name": "hostgroup",
}
SERVICE_ALIASES = {
    "service.is_acknowledged": "service.acknowledged",
    "service.is_checked": "service.has_been_checked",
    "service.downtime": "service.scheduled_downtime_depth",
    "service.output": "service.plugin_output",
    "service.performance_data": "service.perf_data",
    "service_group.id": "servicegroup_id",
    "service_group.name": "servicegroup",
}


def to_the_second(fields: Mapping[str, Field]) -> dict[str, Field]:
    """Times are shown in whole seconds, so they are compared in whole seconds: what was read can be searched for.

    Names of other hosts are not among Centreon's fields, and the caller may not see these hosts.
    """
    return {
        name: replace(field, sql=f"CAST({field.sql} AS INTEGER)") if field.type is Type.TIME else field
        for name, field in fields.items()
        if not names_others(field)
    }


def _table(table: Table, by_name: tuple[str, ...]) -> Table:
    """The engine's fields, and what Centreon calls some of them. `by_name`: the order where nothing else is asked."""
    table = replace(table, fields=to_the_second(table.fields))
    keys = {key: table.fields[name] for key, name in (HOST_ALIASES | SERVICE_ALIASES).items() if name in table.fields}
    for kind in ("host", "service"):
        level = table.field(f"{kind}._CRITICALITY_LEVEL")
        if level is not None:
            keys[f"{kind}.criticality"] = Field(f"CAST({level.sql} AS INTEGER)", Type.INTEGER, links=level.links)
    return Table({**table.fields, **keys}, by_name, table.variables)


def _group_table(table: Table, own: str) -> Table:
    """The same of groups: of what stands in them, and their own id and name under both the names they have been given."""
    fields = to_the_second(table.fields)
    aliases = {key: fields[name] for key, name in (HOST_ALIASES | SERVICE_ALIASES).items() if name in fields}
    return replace(table, fields={**fields, **aliases} | {f"{own}.{name}": fields[name] for name in ("id", "name", "alias")})


# As the indexes host_order and service_order have them, then what makes them total.
HOST_KEYS = _table(HOSTS, ("h.name COLLATE NOCASE", "h.poller", "h.name"))
_BY_HOST = ("s.host_name COLLATE NOCASE", "s.description COLLATE NOCASE", "s.poller", "s.host_name", "s.description")
SERVICE_KEYS = _table(SERVICES, _BY_HOST)
HOSTGROUP_KEYS, SERVICEGROUP_KEYS = _group_table(HOSTGROUPS, "host_group"), _group_table(SERVICEGROUPS, "service_group")

_ENTRY_ALIASES = {
    "contact.id": "author_id",
    "contact.name": "author_name",
    "host_id": "host.id",
    "poller_id": "poller.id",
    "is_persistent_comment": "is_persistent",
}
_NEWEST_FIRST = ("e.id DESC",)
_DIRECTIONS = ("ASC", "DESC")


def _entry_table() -> Table:
    """The same of downtimes and acknowledgements. One of a host has the service id 0 and the type 0, as it is shown."""
    fields = to_the_second(ENTRIES.fields)
    aliases = _ENTRY_ALIASES | HOST_ALIASES | SERVICE_ALIASES
    keys = {key: fields[name] for key, name in aliases.items() if name in fields}
    keys["service_id"] = Field(f"iif(e.service = '', 0, {fields['service.id'].sort_value()})", Type.INTEGER)
    keys["is_notify_contacts"] = Field("coalesce(e.notify, 0) <> 0", Type.FLAG)  # not known is shown as false
    keys["type"] = Field("iif(e.service = '', 0, 1)", Type.INTEGER)
    return Table({**fields, **keys}, _NEWEST_FIRST)


DOWNTIME_KEYS = _entry_table()
_BY_OBJECT = tuple(DOWNTIME_KEYS.fields[key].sort_value() for key in ("host_id", "service_id"))
_ENDED = Field("CAST(coalesce(e.deleted_at, iif(e.present = 0, e.end_time, NULL)) AS INTEGER)", Type.TIME)  # as it is shown
ACKNOWLEDGEMENT_KEYS = replace(
    DOWNTIME_KEYS, fields={**DOWNTIME_KEYS.fields, "deletion_time": _ENDED}, tie=(*_BY_OBJECT, "e.entry_time DESC", *_NEWEST_FIRST)
)


class Asked(msgspec.Struct, frozen=True):
    """What a list is asked for, and how `meta` repeats it."""

    paging: Paging
    condition: Condition
    order: str
    keys: Sequence[tuple[str, bool]]  # what it is to be sorted by: (key, descending)
    echo: Mapping[str, object] = msgspec.field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """A few of all rows, in the order that an index has."""
        return self.condition[0] == "1" and not self.keys and self.paging.limit + self.paging.offset <= FEW


def parse_list(query: QueryParams, table: Table, now: float, scope: Scope) -> Asked:
    """The page, the search and the order asked for, by a caller of that scope. Raises InvalidField, InvalidSearch."""
    table = seen_by(scope, table)
    search = parse(query.get("search")) or _filters(query)
    keys, dropped = parse_order(query, (table,))
    echo = {"search": normalised(search), **echoed_order(keys, dropped)}
    return Asked(parse_page(query), _condition(table, search, now), order(table, keys), keys, echo)


def parse_order(query: QueryParams, tables: Sequence[Table]) -> tuple[list[tuple[str, bool]], list[str]]:
    """What to sort by, as (key of every table, descending), and what of `sort_by` says nothing. Raises InvalidSearch."""
    asked = _sort_keys(query.get("sort_by", ""))
    known = {name: direction in _DIRECTIONS and all(table.field(name) for table in tables) for name, direction in asked}
    keys = [(name, direction == "DESC") for name, direction in asked if known[name]]
    return keys, [name for name, is_known in known.items() if not is_known]


def echoed_order(keys: Sequence[tuple[str, bool]], dropped: Sequence[str]) -> dict[str, object]:
    """The part of `meta` that says what is sorted by, and what is not."""
    told: dict[str, object] = {"sort_by": {name: "DESC" if descending else "ASC" for name, descending in keys}}
    return told | {"signalbox": {"not_sorted_by": [name[:100] for name in dropped]}} if dropped else told


def _condition(table: Table, search: Mapping[str, object], now: float) -> Condition:
    try:
        return condition(table, json.dumps(search), (), now)
    except InvalidSearch as error:
        if "near" not in error.facts:
            raise
        name, near = str(error.facts["field"])[:100], error.facts["near"]
        perhaps = f"; perhaps {' or '.join(map(str, near))} is meant" if isinstance(near, list) and near else ""
        raise InvalidSearch(
            f"The parameter {name} is not allowed: this list has no such key to search by{perhaps}.", **error.facts
        ) from None


def _filters(query: QueryParams) -> dict[str, object]:
    """`filter[host.name]=a|b`: any of the values; several filters: all of them."""
    tests: list[dict[str, object]] = []
    for name, value in query.multi_items():
        if name.startswith("filter[") and name.endswith("]"):
            key, values = name.removeprefix("filter[").removesuffix("]"), value.split("|")
            tests.append({key: value} if len(values) == 1 else {"$or": [{key: one} for one in values]})
    return tests[0] if len(tests) == 1 else {"$and": tests} if tests else {}


def _sort_keys(text: str) -> list[tuple[str, str]]:
    """(key, direction) of `{"host.name": "DESC"}` or of a key alone, known or not. Raises InvalidSearch."""
    if not text.strip():
        return []
    if not text.lstrip().startswith("{"):
        return [(text.strip(), "ASC")]
    try:
        keys = parse(text)
    except InvalidSearch as error:
        facts = error.facts | {"field": "sort_by"}
        raise InvalidSearch(f"Bad format for the sort request parameter sort_by. {error}", **facts) from error
    return [(name, str(direction).upper()) for name, direction in keys.items()]
