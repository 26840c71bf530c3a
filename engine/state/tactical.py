"""Totals: how many hosts and services are in which state, handled or not, in downtime, with features switched off.

Per poller, hostgroup or servicegroup, each within the caller's scope. Pending is no state; a problem is a host not UP or a
service not OK that was checked; it is handled when acknowledged or in downtime, itself or (a service) its host. `hidden` counts
problems of services whose host is a problem itself: nobody has to look at those before the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Literal

from engine.state.scope import Condition, Scope, all_of
from engine.state.tables import COUNTED
from engine.state.views import Reader

By = Literal["poller", "hostgroup", "servicegroup"]


@dataclass(frozen=True, slots=True)
class HostTotals:
    """Counts of hosts; `unhandled` and `handled` are problems, together `down` and `unreachable`."""

    total: int = 0
    up: int = 0
    down: int = 0
    unreachable: int = 0
    pending: int = 0
    unhandled: int = 0
    handled: int = 0
    acknowledged: int = 0
    in_downtime: int = 0
    flapping: int = 0
    checks_disabled: int = 0
    passive_checks_disabled: int = 0
    notifications_disabled: int = 0
    event_handler_disabled: int = 0
    flap_detection_disabled: int = 0


@dataclass(frozen=True, slots=True)
class ServiceTotals:
    """Counts of services; `unhandled` and `handled` are problems, `hidden` those of either kind behind a host in trouble."""

    total: int = 0
    ok: int = 0
    warning: int = 0
    critical: int = 0
    unknown: int = 0
    pending: int = 0
    unhandled: int = 0
    handled: int = 0
    hidden: int = 0
    acknowledged: int = 0
    in_downtime: int = 0
    flapping: int = 0
    checks_disabled: int = 0
    passive_checks_disabled: int = 0
    notifications_disabled: int = 0
    event_handler_disabled: int = 0
    flap_detection_disabled: int = 0


Totals = tuple[HostTotals, ServiceTotals]

_FEATURES = ("checks_enabled", "accept_passive_checks", "notifications_enabled", "event_handler_enabled", "flap_detection_enabled")


def _states(alias: str, count: int) -> list[str]:
    return [f"{alias}.has_been_checked <> 0 AND {alias}.state = {state}" for state in range(count)]


def _flags(alias: str) -> list[str]:
    return [
        f"{alias}.acknowledged <> 0",
        f"{alias}.scheduled_downtime_depth > 0",
        f"{alias}.is_flapping <> 0",
        *(f"{alias}.{feature} = 0" for feature in _FEATURES),
    ]


def _is_problem(alias: str) -> str:
    return f"{alias}.has_been_checked <> 0 AND {alias}.state <> 0"


def _is_handled(*aliases: str) -> str:
    return " OR ".join(f"coalesce({a}.acknowledged <> 0 OR {a}.scheduled_downtime_depth > 0, 0)" for a in aliases)


def _sums(conditions: Sequence[str]) -> str:
    return ", ".join(["count(*)", *(f"sum({condition})" for condition in conditions)])


_HOST_SUMS = _sums(
    [
        *_states("h", 3),
        "h.has_been_checked = 0",
        f"{_is_problem('h')} AND NOT ({_is_handled('h')})",
        f"{_is_problem('h')} AND ({_is_handled('h')})",
        *_flags("h"),
    ]
)
_SERVICE_SUMS = _sums(
    [
        *_states("s", 4),
        "s.has_been_checked = 0",
        f"{_is_problem('s')} AND NOT ({_is_handled('s', 'h')})",
        f"{_is_problem('s')} AND ({_is_handled('s', 'h')})",
        f"{_is_problem('s')} AND coalesce({_is_problem('h')}, 0)",
        *_flags("s"),
    ]
)

# Where the rows of each kind of total come from; `k` is what they are grouped by.
_MEMBERS = "(SELECT DISTINCT poller, name, host_name FROM state.group_member WHERE kind = '{0}') k"
_OF_HOSTS: dict[By, tuple[str, str]] = {
    "poller": ("h.poller", "state.host h"),
    "hostgroup": ("k.name", f"{_MEMBERS.format('hostgroup')} JOIN state.host h ON h.poller = k.poller AND h.name = k.host_name"),
    "servicegroup": (
        "k.name",
        f"{_MEMBERS.format('servicegroup')} JOIN state.host h ON h.poller = k.poller AND h.name = k.host_name",
    ),
}
_HOST_OF_SERVICE = f" LEFT JOIN state.host h ON h.poller = s.poller AND h.name = s.host_name AND h.{COUNTED}"
_OF_SERVICES: dict[By, tuple[str, str]] = {
    "poller": ("s.poller", f"state.service s{_HOST_OF_SERVICE}"),
    "hostgroup": (
        "k.name",
        "state.group_member k JOIN state.service s ON k.kind = 'hostgroup' AND s.poller = k.poller AND s.host_name = k.host_name"
        + _HOST_OF_SERVICE,
    ),
    "servicegroup": (
        "k.name",
        "state.group_member k JOIN state.service s ON k.kind = 'servicegroup' AND s.poller = k.poller"
        " AND s.host_name = k.host_name AND s.description = k.service_description" + _HOST_OF_SERVICE,
    ),
}


def totals(
    reader: Reader, scope: Scope, by: By, poller: int | None = None, names: Sequence[str] | None = None
) -> dict[str, Totals]:
    """The totals of each poller (by its number, as text) or group that has objects within scope; `names`: of these groups only."""
    if by == "poller" and scope.hostgroups is None:
        return _tallied(reader, scope, poller)
    hosts = _counted(reader, scope, *_OF_HOSTS[by], "h.poller", "h.name", _HOST_SUMS, poller, names)
    services = _counted(reader, scope, *_OF_SERVICES[by], "s.poller", "s.host_name", _SERVICE_SUMS, poller, names)
    found: dict[str, Totals] = {}
    for key in {**hosts, **services}:
        found[key] = (HostTotals(*hosts.get(key, ())), ServiceTotals(*services.get(key, ())))
    return found


# --- whole pollers: from the tally -----------------------------------------------------------------------------------------------

_HANDLED = "(t.acknowledged <> 0 OR t.scheduled_downtime_depth <> 0)"
_TALLIED = {
    is_service: [
        *_states("t", 3 + is_service),
        "t.has_been_checked = 0",
        f"{_is_problem('t')} AND NOT {_HANDLED}",
        f"{_is_problem('t')} AND {_HANDLED}",
        *_flags("t"),
    ]
    for is_service in (0, 1)
}
# What services' hosts add to the tally: only hosts in trouble, or taken care of, are looked at.
_BY_HOST = (
    "SELECT s.poller, count(*) FROM state.host h CROSS JOIN state.service s ON s.poller = h.poller AND s.host_name = h.name"
    f" WHERE {{0}} AND {_is_problem('s')} GROUP BY 1"
)
_HIDDEN = _BY_HOST.format(_is_problem("h"))
_HANDLED_BY_HOST = _BY_HOST.format(
    "(h.acknowledged <> 0 OR h.scheduled_downtime_depth > 0) AND s.acknowledged = 0 AND s.scheduled_downtime_depth <= 0"
)


def _tallied(reader: Reader, scope: Scope, poller: int | None) -> dict[str, Totals]:
    one: list[Condition] = [("t.poller = ?", [poller])] if poller is not None else []
    where, bound = all_of([scope.sql("t.poller", "''"), *one])
    rows: dict[int, dict[int, list[int]]] = {}
    for kind, conditions in _TALLIED.items():
        sums = ", ".join(["sum(t.count)", *(f"sum(t.count * ({condition}))" for condition in conditions)])
        query = f"SELECT t.poller, {sums} FROM state.tally t WHERE t.is_service = {kind} AND {where} GROUP BY 1"
        rows[kind] = {number: counts for number, *counts in reader.connection.execute(query, bound)}
    hidden, by_host = (dict(reader.connection.execute(query).fetchall()) for query in (_HIDDEN, _HANDLED_BY_HOST))
    found: dict[str, Totals] = {}
    for number in sorted({*rows[0], *rows[1]}):
        services = ServiceTotals()
        if counts := rows[1].get(number):
            values = [*counts[:8], hidden.get(number, 0), *counts[8:]]
            services = ServiceTotals(*values)
            moved = by_host.get(number, 0)
            services = replace(services, unhandled=services.unhandled - moved, handled=services.handled + moved)
        hosts = HostTotals(*rows[0].get(number, ()))
        if hosts.total or services.total:
            found[str(number)] = (hosts, services)
    return found


# --- parts of pollers: row by row ------------------------------------------------------------------------------------------------


def _counted(
    reader: Reader,
    scope: Scope,
    key: str,
    source: str,
    of_poller: str,
    of_host: str,
    sums: str,
    poller: int | None,
    names: Sequence[str] | None,
) -> dict[str, tuple[int, ...]]:
    conditions: list[Condition] = [scope.sql(of_poller, of_host), (f"{of_poller.partition('.')[0]}.{COUNTED}", [])]
    if poller is not None:
        conditions.append((f"{of_poller} = ?", [poller]))
    if names is not None:
        conditions.append((f"{key} IN ({','.join('?' * len(names))})", list(names)))
    where, values = all_of(conditions)
    found = reader.connection.execute(f"SELECT {key}, {sums} FROM {source} WHERE {where} GROUP BY 1", values)
    return {str(row[0]): tuple(row[1:]) for row in found}


def added(every: Sequence[Totals]) -> Totals:
    """The sum of totals that have no object in common."""
    hosts = [sum(column) for column in zip(*(astuple(one) for one, _ in every), strict=True)]
    services = [sum(column) for column in zip(*(astuple(one) for _, one in every), strict=True)]
    return HostTotals(*hosts), ServiceTotals(*services)
