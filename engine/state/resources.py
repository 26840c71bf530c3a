"""Hosts and services in one list, worst first: what is chosen, and the columns a screen of both shows.

Rules: severities are Centreon's: 1 is the worst (DOWN, CRITICAL), 2 WARNING, 3 UNREACHABLE and UNKNOWN, 4 pending, 5 UP, OK. A page
is chosen from both kinds at once, then the wide rows of each kind are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from engine.state.fields import PROBLEM_HOSTS, PROBLEM_SERVICES, Field, Table, Type, seen_by
from engine.state.lists import OBJECT_ROWS, Listing, merged
from engine.state.scope import Condition, Scope
from engine.state.search import Kind, order_key
from engine.state.tables import COUNTED, host_severity, service_severity
from engine.state.views import Reader

# By the number totals are counted by, which stands in an index of its own.
HOST_SEVERITY, SERVICE_SEVERITY = host_severity("h.alike"), service_severity("s.alike")

_ORDER = ("ASC", "COLLATE NOCASE ASC")
_WORST_FIRST = ((HOST_SEVERITY, "h.name"), (SERVICE_SEVERITY, "s.description"))
# The same by the column that stands in the index of that order: only where nothing limits the rows. A search is to begin at what
# it is for, not to walk that index until it has found enough.
_WORST_OF_ALL = (("h.severity", "h.name"), ("s.severity", "s.description"))
_TIES = (("0", "h.poller", "h.name", "''"), ("1", "s.poller", "s.host_name", "s.description"))
_ALIASES: dict[Kind, str] = {"host": "h", "service": "s"}


class ResourceRow(NamedTuple):
    """A host, or a service with its host. Of a host everything that is only a service's is None. Times by the core's clock."""

    id: int
    poller: int
    poller_name: str
    host_id: int
    host_name: str
    host_alias: str
    host_address: str
    host_state: int
    host_has_been_checked: int
    description: str | None
    display_name: str
    state: int
    has_been_checked: int
    state_type: int
    current_attempt: int
    max_check_attempts: int
    last_check: float
    last_state_change: float
    plugin_output: str
    acknowledged: int
    scheduled_downtime_depth: int
    checks_enabled: int
    accept_passive_checks: int
    notifications_enabled: int
    is_flapping: int
    percent_state_change: float
    icon_image: str
    action_url: str
    notes_url: str
    notes: str
    custom_variables: str
    configured_variables: str


_STATUS = ResourceRow._fields[11:26]
_CONFIG = ("icon_image", "action_url", "notes_url", "notes")


def _columns(alias: str, of_host: str, names: Sequence[str]) -> str:
    status = [f"{alias}.{name}" for name in _STATUS]
    config = [f"coalesce(c.{name}, '')" for name in _CONFIG]
    variables = [f"{alias}.custom_variables", "coalesce(c.custom_variables, '{}')"]
    return ", ".join([f"{alias}.id", f"{alias}.poller", "p.name", of_host, *names, *status, *config, *variables])


_HOST_ROWS = (
    "SELECT {} FROM json_each(?) k CROSS JOIN state.host h ON h.rowid = k.value CROSS JOIN state.poller p ON p.number = h.poller"
    " LEFT JOIN state.host_config c ON c.poller = h.poller AND c.name = h.name"
).format(
    _columns(
        "h",
        "h.id, h.name, coalesce(c.alias, h.name), coalesce(c.address, ''), h.state, h.has_been_checked",
        ("NULL", "coalesce(c.display_name, h.name)"),
    )
)
_SERVICE_ROWS = (
    "SELECT {} FROM json_each(?) k CROSS JOIN state.service s ON s.rowid = k.value"
    " CROSS JOIN state.poller p ON p.number = s.poller LEFT JOIN state.host h ON h.poller = s.poller AND h.name = s.host_name"
    " LEFT JOIN state.host_config hc ON hc.poller = s.poller AND hc.name = s.host_name"
    " LEFT JOIN state.service_config c ON c.poller = s.poller AND c.host_name = s.host_name AND c.description = s.description"
).format(
    _columns(
        "s",
        "coalesce(h.id, 0), s.host_name, coalesce(hc.alias, s.host_name), coalesce(hc.address, ''), coalesce(h.state, 0),"
        " coalesce(h.has_been_checked, 0)",
        ("s.description", "coalesce(c.display_name, s.description)"),
    )
)


def found_resources(
    reader: Reader,
    scope: Scope,
    chosen: dict[Kind, Sequence[Condition]],
    tables: tuple[Table, Table] = (PROBLEM_HOSTS, PROBLEM_SERVICES),
    keys: Sequence[tuple[str, bool]] = (),
    *,
    limit: int,
    offset: int = 0,
) -> tuple[list[ResourceRow], int]:
    """One page of what passes the conditions of its kind, and how many there are. A kind that is not `chosen` is left out.

    `keys`: (field of `tables`, descending) to sort by; without any the worst comes first, then by name.
    """
    listings = {kind: _listing(scope, kind, conditions, is_sorted=bool(keys)) for kind, conditions in chosen.items()}
    with reader.snapshot():
        total = sum(_count(reader, kind, listing) for kind, listing in listings.items())
        if not limit or not listings:
            return [], total
        kinds = [kind for kind in _ALIASES if kind in listings]
        ordered = [listings[kind] for kind in kinds]
        worst = _WORST_OF_ALL if all(map(_is_everything, ordered)) else _WORST_FIRST
        sorting = [
            _sorting(worst[at], seen_by(scope, tables[at]), keys, _TIES[at]) for at, kind in enumerate(_ALIASES) if kind in listings
        ]
        orders = [how for _, how in _of_keys(tables[0], keys)] if keys else list(_ORDER)
        page = list(merged(reader, ordered, sorting, [*orders, *["ASC"] * len(_TIES[0])], limit, offset))
        return _rows(reader, [(kinds[at], rowid) for at, rowid in page]), total


def _listing(scope: Scope, kind: Kind, conditions: Sequence[Condition], *, is_sorted: bool) -> Listing:
    asked = [condition for condition in conditions if condition[0] != "1"]
    # Where nothing limits them all rows are walked to be sorted by something: through the small index then.
    walked = [(f"{_ALIASES[kind]}.{COUNTED}", ())] if is_sorted or scope.sql("", "")[0] != "1" else []
    return Listing.within(scope, OBJECT_ROWS[kind], asked or walked)


def _is_everything(listing: Listing) -> bool:
    return all(sql == "1" for sql, _ in listing.conditions)


def _count(reader: Reader, kind: Kind, listing: Listing) -> int:
    if all(sql in ("1", f"{_ALIASES[kind]}.{COUNTED}") for sql, _ in listing.conditions):
        return reader.count_all(is_service=kind == "service")
    return listing.count(reader)


def _sorting(worst: Sequence[str], table: Table, keys: Sequence[tuple[str, bool]], ties: Sequence[str]) -> list[str]:
    asked = [value for value, _ in _of_keys(table, keys)]
    return [*(asked or worst), *ties]


def _of_keys(table: Table, keys: Sequence[tuple[str, bool]]) -> list[tuple[str, str]]:
    return [order_key(table, *key) for key in keys]


def _rows(reader: Reader, page: Sequence[tuple[Kind, int]]) -> list[ResourceRow]:
    read: dict[Kind, Iterator[Any]] = {}
    for kind, query in (("host", _HOST_ROWS), ("service", _SERVICE_ROWS)):
        wanted = orjson.dumps([rowid for own, rowid in page if own == kind]).decode()
        read[kind] = reader.connection.execute(query, [wanted])  # type: ignore[index]
    return [ResourceRow._make(next(read[kind])) for kind, _ in page]


class SeverityRow(NamedTuple):
    """A severity that hosts or services have. `level` and `id` as their custom variables name them, None: they do not."""

    level: int | None
    id: int | None


SEVERITIES = Table(
    {name: Field(f"v.{name}", Type.INTEGER) for name in ("id", "level")} | {"name": Field("NULL")}, ("v.level", "v.id")
)


def severities(
    reader: Reader, scope: Scope, kind: Kind, which: Condition, order: str, *, limit: int, offset: int
) -> tuple[list[SeverityRow], int]:
    """One page of those that objects of the kind within scope have, and how many: Centreon writes them as custom variables.

    `which` and `order` are over SEVERITIES.
    """
    alias, table = _ALIASES[kind], (PROBLEM_HOSTS, PROBLEM_SERVICES)[kind == "service"]
    seen, values = scope.sql(*(f"{alias}.{column}" for column in _KEYS[kind]))
    columns = ", ".join(f"{_number(table, f'{kind}._CRITICALITY_{name}')} AS {name}" for name in ("LEVEL", "ID"))
    distinct = f"SELECT DISTINCT {columns} FROM state.{kind} {alias} WHERE {seen}"
    source = f"({distinct}) v WHERE (v.level IS NOT NULL OR v.id IS NOT NULL) AND {which[0]}"
    values = [*values, *which[1]]
    (total,) = reader.connection.execute(f"SELECT count(*) FROM {source}", values).fetchone()
    query = f"SELECT v.level, v.id FROM {source} ORDER BY {order} LIMIT ? OFFSET ?"
    return [SeverityRow._make(row) for row in reader.connection.execute(query, [*values, limit, offset])], int(total)


_KEYS: dict[Kind, Sequence[str]] = {"host": ("poller", "name"), "service": ("poller", "host_name", "description")}


def _number(table: Table, name: str) -> str:
    """A custom variable as a number, NULL where it is none."""
    field = table.field(name)
    assert field is not None
    return f"iif({field.sql} GLOB '[0-9]*', CAST({field.sql} AS INTEGER), NULL)"
