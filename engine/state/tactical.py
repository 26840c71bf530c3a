"""Totals: how many hosts and services are in which state, handled or not, in downtime, with features switched off.

Per poller, hostgroup or servicegroup, each within the caller's scope. Pending is no state; a problem is a host not UP or a
service not OK that was checked; it is handled when acknowledged or in downtime, itself or (a service) its host. `hidden` counts
problems of services whose host is a problem itself: nobody has to look at those before the host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec.structs import astuple

from engine.state.scope import EVERYTHING, Condition, Scope, all_of
from engine.state.tables import ACKNOWLEDGED, CHECKED, COUNTED, FEATURES, FLAPPING, HANDLED, IN_DOWNTIME, PROBLEM, STATE
from engine.state.views import Reader

By = Literal["poller", "hostgroup", "servicegroup"]


class HostTotals(msgspec.Struct, frozen=True):
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


class ServiceTotals(msgspec.Struct, frozen=True):
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

# Of each poller or group: how many rows (a host and 0; a service and its host) have these two numbers, as tables.py has them.
Alikes = dict[str, Counter[tuple[int, int]]]


class _Source(msgspec.Struct, frozen=True):
    """Where rows come from: what they are grouped by, the tables, the row's number, and how many rows that is."""

    key: str
    tables: str
    row: str
    count: str = "count(*)"


def _hosts_of(kind: str) -> _Source:
    members = f"SELECT DISTINCT poller, name, host_name FROM state.group_member WHERE kind = '{kind}'"
    return _Source("k.name", f"({members}) k CROSS JOIN state.host s ON s.poller = k.poller AND s.name = k.host_name", "s.alike")


# From the members on: SQLite would try every name of a limited scope for each of them.
_IN_GROUP = "state.group_member k CROSS JOIN {0} s ON k.kind = '{1}' AND s.poller = k.poller AND s.host_name = k.host_name"
_OF_HOSTS: dict[By, _Source] = {
    "hostgroup": _hosts_of("hostgroup"),
    "servicegroup": _hosts_of("servicegroup"),
}
_OF_SERVICES: dict[By, _Source] = {
    "hostgroup": _Source("k.name", _IN_GROUP.format("state.tally_by_host", "hostgroup"), "s.alike", "sum(s.count)"),
    "servicegroup": _Source(
        "k.name", _IN_GROUP.format("state.service", "servicegroup") + " AND s.description = k.service_description", "s.alike"
    ),
}
# The tally by host knows nothing of who may see which of a host's services.
_SINGLE_SERVICES = _OF_SERVICES | {
    "hostgroup": _Source("k.name", _IN_GROUP.format("state.service", "hostgroup"), "s.alike"),
    "poller": _Source("s.poller", "state.service s", "s.alike"),
}
_SINGLE_HOSTS = _Source("s.poller", "state.host s", "s.alike")
_WITH_HOST = f" LEFT JOIN state.host h ON h.poller = s.poller AND h.name = s.host_name AND h.{COUNTED}"


def totals(
    reader: Reader, scope: Scope, by: By, poller: int | None = None, names: Sequence[str] | None = None
) -> dict[str, Totals]:
    """The totals of each poller (by its number, as text) or group that has objects within scope; `names`: of these groups only."""
    question = ("totals", scope, by, poller, None if names is None else tuple(names))
    return reader.remembered(question, lambda: _counted_totals(reader, scope, by, poller, names))


def alikes(reader: Reader, scope: Scope) -> tuple[Alikes, Alikes]:
    """How many hosts, and how many services, within scope are alike on each poller (by its number, as text).

    A service's second number is its host's, or 0 where the host is neither in trouble nor taken care of.
    """
    read = _of_whole_pollers if not scope.is_limited else _one_by_one if scope.rights is not None else _of_parts_of_pollers
    return reader.remembered(("alikes", scope), lambda: read(reader, scope, None))


def _counted_totals(reader: Reader, scope: Scope, by: By, poller: int | None, names: Sequence[str] | None) -> dict[str, Totals]:
    if by == "poller":
        read = _of_whole_pollers if not scope.is_limited else _one_by_one if scope.rights is not None else _of_parts_of_pollers
        hosts, services = read(reader, scope, poller)
    elif by == "servicegroup" and scope == EVERYTHING and poller is None:
        found = _of_servicegroups(reader)
        hosts, services = ({name: of[name] for name in of if names is None or name in names} for of in found)
    else:
        more = [("s.poller = ?", [poller])] if poller is not None else []
        hosts = _counted(reader, _OF_HOSTS[by], "0", [scope.sql("+k.poller", "+k.host_name"), _COUNTED_ROWS, *more], names)
        source = _OF_SERVICES[by] if scope.rights is None else _SINGLE_SERVICES[by]
        single = "+s.description" if scope.rights is not None else None
        seen = scope.sql("+k.poller", "+k.host_name", single)
        of_services = [seen, *([_COUNTED_ROWS] if source.count == "count(*)" else []), *more]
        services = _counted(reader, source, "coalesce(h.alike, 0)", of_services, names)
    none: Counter[tuple[int, int]] = Counter()
    return {key: (_host_totals(hosts.get(key, none)), _service_totals(services.get(key, none))) for key in {**hosts, **services}}


def count_problems(reader: Reader, scope: Scope, poller: int | None = None) -> int:
    """How many hosts and services within scope, which is not limited to hostgroups, are problems."""
    one: list[Condition] = [("s.poller = ?", [poller])] if poller is not None else []
    where, values = all_of([scope.sql("s.poller", "''"), *one])
    query = f"SELECT coalesce(sum(count), 0) FROM state.tally s WHERE s.alike & {CHECKED} AND s.alike & {STATE} AND {where}"
    return int(reader.connection.execute(query, values).fetchone()[0])


# --- how many are alike ----------------------------------------------------------------------------------------------------------

_COUNTED_ROWS: Condition = (f"s.{COUNTED}", [])
_IN_TROUBLE = f"h.rowid IN (SELECT rowid FROM state.host WHERE {PROBLEM} UNION SELECT rowid FROM state.host WHERE {HANDLED})"
# The tally knows nothing of services' hosts: those of hosts in trouble, or taken care of, are looked at.
_BY_HOST = (
    "SELECT s.poller, s.alike, h.alike, sum(s.count) FROM state.host h"
    " CROSS JOIN state.tally_by_host s ON s.poller = h.poller AND s.host_name = h.name"
    f" WHERE {_IN_TROUBLE} AND {{0}} GROUP BY 1, 2, 3"
)


def _of_whole_pollers(reader: Reader, scope: Scope, poller: int | None) -> tuple[Alikes, Alikes]:
    one: list[Condition] = [("s.poller = ?", [poller])] if poller is not None else []
    where, values = all_of([scope.sql("s.poller", "''"), *one])
    found: tuple[Alikes, Alikes] = {}, {}
    for is_service, number, row, count in reader.connection.execute(
        f"SELECT is_service, poller, alike, count FROM state.tally s WHERE {where}", values
    ):
        found[is_service].setdefault(str(number), Counter())[row, 0] += count
    for number, row, host, count in reader.connection.execute(_BY_HOST.format(where), values):
        services = found[1][str(number)]
        services[row, 0] -= count
        services[row, host] += count
    return found


def _one_by_one(reader: Reader, scope: Scope, poller: int | None) -> tuple[Alikes, Alikes]:
    """Contacts see single services: every row is looked at."""
    more = [_COUNTED_ROWS, *([("s.poller = ?", [poller])] if poller is not None else [])]
    hosts = _counted(reader, _SINGLE_HOSTS, "0", [scope.sql("s.poller", "s.name"), *more], None)
    of_services = [scope.sql("s.poller", "s.host_name", "s.description"), *more]
    return hosts, _counted(reader, _SINGLE_SERVICES["poller"], "coalesce(h.alike, 0)", of_services, None)


# The hosts of the scope's hostgroups, found once, lead to both kinds of rows.
_OF_PARTS = (
    "WITH k AS MATERIALIZED (SELECT DISTINCT poller, host_name FROM state.group_member gm WHERE kind = 'hostgroup' AND {0})"
    " SELECT 0, h.poller, h.alike, 0, count(*) FROM k CROSS JOIN state.host h ON h.poller = k.poller AND h.name = k.host_name"
    f" AND h.{COUNTED} GROUP BY 2, 3"
    " UNION ALL SELECT 1, s.poller, s.alike, coalesce(h.alike, 0), sum(s.count)"
    " FROM k CROSS JOIN state.tally_by_host s ON s.poller = k.poller AND s.host_name = k.host_name"
    f" LEFT JOIN state.host h ON h.poller = k.poller AND h.name = k.host_name AND h.{COUNTED} GROUP BY 2, 3, 4"
)


def _of_parts_of_pollers(reader: Reader, scope: Scope, poller: int | None) -> tuple[Alikes, Alikes]:
    groups = sorted(scope.hostgroups or ())
    one: list[Condition] = [("gm.poller = ?", [poller])] if poller is not None else []
    named = (f"gm.name IN ({','.join('?' * len(groups))})", groups)
    where, values = all_of([named, Scope(scope.pollers).sql("gm.poller", ""), *one])
    found: tuple[Alikes, Alikes] = {}, {}
    for is_service, number, row, host, count in reader.connection.execute(_OF_PARTS.format(where), values):
        found[is_service].setdefault(str(number), Counter())[row, host] = count
    return found


# Nearly all rows are alike: how many stand in each group is known while nothing comes or goes, and only the others are looked at.
# Of hosts, then of services; ?1 is the number that most of them have.
_MEMBER = "k.kind = 'servicegroup' AND k.poller = s.poller AND k.host_name = s.{0}"
_OF_SERVICE = f"{_MEMBER.format('host_name')} AND k.service_description = s.description"
_MEMBER_COUNTS = (
    "SELECT k.name, count(*) FROM (SELECT DISTINCT poller, name, host_name FROM state.group_member WHERE kind = 'servicegroup') k"
    f" CROSS JOIN state.host s ON s.poller = k.poller AND s.name = k.host_name AND s.{COUNTED} GROUP BY 1",
    f"SELECT k.name, count(*) FROM state.group_member k CROSS JOIN state.service s ON {_OF_SERVICE} AND s.{COUNTED} GROUP BY 1",
)
_UNUSUAL = (
    "SELECT name, alike, 0, count(*) FROM (SELECT DISTINCT k.name, k.poller, k.host_name, s.alike FROM state.host s"
    f" CROSS JOIN state.group_member k ON {_MEMBER.format('name')} WHERE s.{COUNTED} AND s.alike <> ?1) GROUP BY 1, 2",
    "SELECT k.name, s.alike, coalesce(h.alike, 0), count(*) FROM state.service s CROSS JOIN state.group_member k"
    f" ON {_OF_SERVICE}{_WITH_HOST} WHERE s.{COUNTED} AND s.alike <> ?1 GROUP BY 1, 2, 3"
    f" UNION ALL SELECT k.name, s.alike, h.alike, count(*) FROM state.host h CROSS JOIN state.service s"
    f" ON s.poller = h.poller AND s.host_name = h.name AND s.{COUNTED} AND s.alike = ?1"
    f" CROSS JOIN state.group_member k ON {_OF_SERVICE} WHERE {_IN_TROUBLE} GROUP BY 1, 2, 3",
)
_USUAL = "SELECT alike FROM state.tally WHERE is_service = ? GROUP BY 1 ORDER BY sum(count) DESC LIMIT 1"


def _of_servicegroups(reader: Reader) -> tuple[Alikes, Alikes]:
    found: tuple[Alikes, Alikes] = {}, {}
    for is_service, counts in enumerate(reader.kept("servicegroups", lambda: _member_counts(reader))):
        (usual,) = reader.connection.execute(_USUAL, (is_service,)).fetchone() or (-1,)
        of = found[is_service]
        for name, row, host, count in reader.connection.execute(_UNUSUAL[is_service], (usual,)):
            of.setdefault(name, Counter())[row, host] += count
        for name, count in counts.items():
            others = of.setdefault(name, Counter())
            others[usual, 0] = count - others.total()
    return found


def _member_counts(reader: Reader) -> list[dict[str, int]]:
    return [dict(reader.connection.execute(query).fetchall()) for query in _MEMBER_COUNTS]


def _counted(reader: Reader, source: _Source, host: str, conditions: Sequence[Condition], names: Sequence[str] | None) -> Alikes:
    named = [(f"{source.key} IN ({','.join('?' * len(names))})", list(names))] if names is not None else []
    where, values = all_of([*conditions, *named])
    tables = source.tables + (_WITH_HOST if host != "0" else "")
    query = f"SELECT {source.key}, {source.row}, {host}, {source.count} FROM {tables} WHERE {where} GROUP BY 1, 2, 3"
    found: Alikes = {}
    for key, row, of_host, count in reader.connection.execute(query, values):
        found.setdefault(str(key), Counter())[row, of_host] = count
    return found


# --- what that comes to ----------------------------------------------------------------------------------------------------------


def _is_problem(row: int) -> bool:
    return bool(row & CHECKED and row & STATE)


def _is_handled(row: int) -> bool:
    return bool(row & (ACKNOWLEDGED | IN_DOWNTIME))


def _host_totals(alikes: Counter[tuple[int, int]]) -> HostTotals:
    rows = Counter({row: count for (row, _), count in alikes.items()})
    counts = [alikes.total(), *_by_state(rows, 3), *_by_handling(alikes), *_flags(rows)]
    return HostTotals(*counts)


def _service_totals(alikes: Counter[tuple[int, int]]) -> ServiceTotals:
    rows: Counter[int] = Counter()
    for (row, _), count in alikes.items():
        rows[row] += count
    hidden = sum(count for (row, host), count in alikes.items() if _is_problem(row) and _is_problem(host))
    counts = [alikes.total(), *_by_state(rows, 4), *_by_handling(alikes), hidden, *_flags(rows)]
    return ServiceTotals(*counts)


def _by_state(rows: Counter[int], states: int) -> list[int]:
    """How many are in each state, and how many are pending."""
    counts = [sum(count for row, count in rows.items() if row & CHECKED and row & STATE == state) for state in range(states)]
    return [*counts, sum(count for row, count in rows.items() if not row & CHECKED)]


def _by_handling(alikes: Counter[tuple[int, int]]) -> tuple[int, int]:
    """Problems unhandled, and handled by what stands on themselves or on their host."""
    problems = {pair: count for pair, count in alikes.items() if _is_problem(pair[0])}
    handled = sum(count for (row, host), count in problems.items() if _is_handled(row | host))
    return sum(problems.values()) - handled, handled


def _flags(rows: Counter[int]) -> list[int]:
    """How many are acknowledged, in downtime, flapping, and how many have each feature switched off."""
    on = [sum(count for row, count in rows.items() if row & bit) for bit in (ACKNOWLEDGED, IN_DOWNTIME, FLAPPING)]
    return [*on, *(sum(count for row, count in rows.items() if not row & bit) for bit in FEATURES)]


def added(every: Sequence[Totals]) -> Totals:
    """The sum of totals that have no object in common."""
    hosts = [sum(column) for column in zip(*(astuple(one) for one, _ in every), strict=True)]
    services = [sum(column) for column in zip(*(astuple(one) for _, one in every), strict=True)]
    return HostTotals(*hosts), ServiceTotals(*services)
