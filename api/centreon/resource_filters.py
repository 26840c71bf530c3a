"""What `/monitoring/resources` may be asked: its own search keys over both kinds of object, and its filters as conditions.

Each filter is a JSON array in the query. A status of the other kind matches none of this kind and is no mistake: Nagstamon asks for
hosts that are WARNING. Categories, tickets, metaservices and business activities do not exist here: who asks for those only gets an
empty list. What the original does not know it refuses; so does this (it drops unknown search keys, which would show more than was
asked for: here they are refused, too).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace
from starlette.datastructures import QueryParams

from api.centreon.searching import HOST_ALIASES, SERVICE_ALIASES, Asked, echoed_order, parse_list, parse_order, to_the_second
from engine.errors import InvalidField
from engine.state.fields import HOST_STATES, PROBLEM_HOSTS, PROBLEM_SERVICES, SERVICE_STATES, Field, Table, Type, problem
from engine.state.resources import HOST_SEVERITY, SERVICE_SEVERITY
from engine.state.scope import Scope
from engine.state.search import Condition, Kind, condition

KINDS: tuple[Kind, ...] = ("host", "service")
_NONE = Field("NULL")
_NO_NUMBER = Field("NULL", Type.INTEGER)


def _tries(alias: str) -> str:
    return f"{alias}.current_attempt || '/' || {alias}.max_check_attempts || iif({alias}.state_type, ' (H)', ' (S)')"


def _common(fields: Mapping[str, Field], alias: str, severity: str) -> dict[str, Field]:
    level = f"{'host' if alias == 'h' else 'service'}.criticality"
    return {
        "id": fields["id"],
        "h.id": fields["host.id"],
        "h.name": fields["host.name"],
        "h.alias": fields["host.alias"],
        "h.address": fields["host.address"],
        "status": fields["state"],
        "status_code": fields["state"],
        "status_severity_code": Field(severity, Type.INTEGER),
        "status_ordered": Field(f"-({severity})", Type.INTEGER),
        "severity_level": fields[level],
        "in_downtime": fields["in_downtime"],
        "is_in_downtime": fields["in_downtime"],
        "is_acknowledged": fields["acknowledged"],
        "last_status_change": fields["last_state_change"],
        "tries": Field(_tries(alias)),
        "monitoring_server_name": fields["poller.name"],
        "information": fields["plugin_output"],
        "host_group.name": fields["hostgroup"],
        "hg.name": fields["hostgroup"],
    }


def _table(table: Table, kind: Kind, severity: str) -> Table:
    names = {key: name for key, name in (HOST_ALIASES | SERVICE_ALIASES).items() if name in table.fields}
    fields = {**to_the_second(table.fields), **{key: table.fields[name] for key, name in names.items()}}
    for level_of in KINDS:
        level = table.field(f"{level_of}._CRITICALITY_LEVEL")
        sql = "NULL" if level is None else f"CAST({level.sql} AS INTEGER)"
        fields[f"{level_of}.criticality"] = Field(sql, Type.INTEGER, links=level.links if level else ())
    alias = "h" if kind == "host" else "s"
    own = {name: fields[f"host.{name}"] for name in ("name", "alias")} | {"fqdn": fields["host.address"]}
    of_parent = {
        "s.description": _NONE,
        "s.name": _NONE,
        "s.id": _NO_NUMBER,
        "parent_id": _NO_NUMBER,
        "parent_name": _NONE,
        "parent_alias": _NONE,
    }
    of_parent |= {"parent_status": _NO_NUMBER, "sg.name": _NONE, "service_group.name": _NONE}
    if kind == "service":
        own = {"name": fields["description"], "alias": fields["display_name"], "fqdn": _NONE}
        of_parent = {
            "s.description": fields["description"],
            "s.name": fields["description"],
            "s.id": fields["id"],
            "parent_id": fields["host.id"],
        }
        of_parent |= {"parent_name": fields["host.name"], "parent_alias": fields["host.alias"]}
        of_parent |= {"parent_status": fields["host.state"], "sg.name": fields["servicegroup"]}
        of_parent["service_group.name"] = fields["servicegroup"]
    fields |= _common(fields, alias, severity) | own | of_parent | {"type": Field(f"'{kind}'")}
    return Table(fields, (f"{alias}.id",), table.variables)


TABLES = (_table(PROBLEM_HOSTS, "host", HOST_SEVERITY), _table(PROBLEM_SERVICES, "service", SERVICE_SEVERITY))

# --- the filters --------------------------------------------------------------------------------------------------------------

_TYPES = ("host", "service", "metaservice", "anomaly-detection", "business-activity")
_STATES: Mapping[str, str] = {
    "resources_problems": "{problem}",
    "unhandled_problems": "{problem} AND {0}.acknowledged = 0 AND {0}.scheduled_downtime_depth = 0 AND {0}.state_type = 1",
    "in_downtime": "{0}.scheduled_downtime_depth > 0",
    "acknowledged": "{0}.acknowledged <> 0",
    "in_flapping": "{0}.is_flapping <> 0",
    "all": "1",
}
_STATUSES: Mapping[Kind, Mapping[str, int]] = {"host": HOST_STATES, "service": SERVICE_STATES}
_KNOWN_STATUSES = tuple(dict.fromkeys([*SERVICE_STATES, *HOST_STATES]))
_STATUS_TYPES = {"hard": 1, "soft": 0}
_NOTHING: Condition = ("0", ())

Maker = Callable[[Kind, Sequence[object]], Condition]


def _alias(kind: Kind) -> str:
    return "h" if kind == "host" else "s"


def _states(kind: Kind, values: Sequence[object]) -> Condition:
    if "all" in values:
        return "1", ()
    alias = _alias(kind)
    return "(" + " OR ".join(_STATES[str(value)].format(alias, problem=f"({problem(alias)})") for value in values) + ")", ()


def _any_of(key: str) -> Maker:
    """One of the values of a search key."""

    def made(kind: Kind, values: Sequence[object]) -> Condition:
        return condition(TABLES[KINDS.index(kind)], json.dumps({key: {"$in": list(values)}}), (), 0)

    return made


def _statuses(kind: Kind, values: Sequence[object]) -> Condition:
    own = [value for value in values if value in _STATUSES[kind]]
    return _any_of("status")(kind, own) if own else _NOTHING


def _status_types(kind: Kind, values: Sequence[object]) -> Condition:
    wanted = {_STATUS_TYPES[str(value)] for value in values}
    return f"{_alias(kind)}.state_type IN ({','.join(map(str, sorted(wanted)))})", ()


def _levels_of(only: Kind) -> Maker:
    def made(kind: Kind, values: Sequence[object]) -> Condition:
        return _any_of("severity_level")(kind, values) if kind == only else _NOTHING

    return made


def _never(_: Kind, __: Sequence[object]) -> Condition:
    return _NOTHING


def _always(_: Kind, __: Sequence[object]) -> Condition:
    return "1", ()


class Filter(msgspec.Struct, frozen=True):
    """One array of the query: what it may hold (None: any text; int: whole numbers), and what it comes to."""

    condition: Maker
    known: Sequence[str] | type[int] | None = None


FILTERS: Mapping[str, Filter] = {
    "types": Filter(_always, _TYPES),
    "states": Filter(_states, tuple(_STATES)),
    "statuses": Filter(_statuses, _KNOWN_STATUSES),
    "status_types": Filter(_status_types, tuple(_STATUS_TYPES)),
    "hostgroup_names": Filter(_any_of("hg.name")),
    "servicegroup_names": Filter(_any_of("sg.name")),
    "monitoring_server_names": Filter(_any_of("monitoring_server_name")),
    "hostgroup_ids": Filter(_any_of("host_group.id"), int),
    "servicegroup_ids": Filter(_any_of("service_group.id"), int),
    "host_category_names": Filter(_never),
    "service_category_names": Filter(_never),
    "host_severity_names": Filter(_never),
    "service_severity_names": Filter(_never),
    "host_severity_levels": Filter(_levels_of("host"), int),
    "service_severity_levels": Filter(_levels_of("service"), int),
}
_SWITCHES = ("only_with_performance_data", "only_with_opened_tickets")
_NUMBERS = ("ticket_provider_id",)
_PAGING = ("search", "sort_by", "limit", "page")


class Resources(msgspec.Struct, frozen=True):
    """What is asked for: the conditions of each kind that is, the page, the order and what `meta` repeats."""

    asked: Asked
    chosen: dict[Kind, Sequence[Condition]]


def parse_resources(query: QueryParams, now: float, scope: Scope) -> Resources:
    """What a query asks for. Raises InvalidField, InvalidSearch."""
    for name in query:
        if name not in (*FILTERS, *_SWITCHES, *_NUMBERS, *_PAGING) and not name.startswith("filter["):
            known = ", ".join((*FILTERS, *_SWITCHES, *_NUMBERS, *_PAGING))
            raise InvalidField(f"[{name}] Request parameter provided not handled; known are {known}", field=name)
    asked = [parse_list(query, table, now, scope) for table in TABLES]
    keys, dropped = parse_order(query, TABLES)
    arrays = {name: _array(query, name) for name in FILTERS if name in query}
    types = arrays.get("types") or list(KINDS)
    chosen: dict[Kind, Sequence[Condition]] = {}
    for kind, own in zip(KINDS, asked, strict=True):
        if kind in types:
            limits = [FILTERS[name].condition(kind, values) for name, values in arrays.items() if values]
            chosen[kind] = [own.condition, *limits, *_switched(query, kind)]
    echo = {**asked[0].echo, **echoed_order(keys, dropped)}
    return Resources(replace(asked[0], order="", keys=keys, echo=echo), chosen)


def _switched(query: QueryParams, kind: Kind) -> list[Condition]:
    conditions: list[Condition] = []
    if _is_on(query, "only_with_performance_data"):
        conditions.append((f"{_alias(kind)}.perf_data <> ''", ()))
    if _is_on(query, "only_with_opened_tickets"):
        conditions.append(_NOTHING)
    return conditions


def _is_on(query: QueryParams, name: str) -> bool:
    word = query.get(name, "false").lower()
    if word not in ("true", "false", "1", "0"):
        raise InvalidField(f"[{name}] must be true or false, not {word[:50]!r}", field=name)
    return word in ("true", "1")


def _array(query: QueryParams, name: str) -> list[object]:
    """A filter's values. Raises InvalidField."""
    try:
        values = json.loads(query[name])
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or len(values) > _MOST_VALUES:
        raise InvalidField(f'[{name}] must be a JSON array, such as ["…"], of at most {_MOST_VALUES} values', field=name)
    known = FILTERS[name].known
    for value in values:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        is_right = is_number if known is int else isinstance(value, str)
        if not is_right or (isinstance(known, tuple) and value not in known):
            expected = ", ".join(known) if isinstance(known, tuple) else "a whole number" if known is int else "a text"
            raise InvalidField(f"[{name}] {str(value)[:50]!r} is not one of: {expected}", field=name)
    return values


_MOST_VALUES = 1000
