"""Problems: hosts that are not UP and services that are not OK, in one list, those nobody takes care of first."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import msgspec

from api.native.lists import Chosen, ListQuery, Section, asked, list_answer, sort_keys
from api.native.members import Member, age, flag
from api.native.operation import Answer, Call, Operation
from api.native.pollers import View
from api.native.state import HOST_STATES, SERVICE_STATES, checked_columns, state_member
from engine.state.fields import HOSTS, PROBLEM_HOSTS, PROBLEM_SERVICES, SERVICES, Table, problem, seen_by
from engine.state.lists import HOST_ROWS, SERVICE_ROWS, Listing
from engine.state.search import Condition, order_key
from engine.state.tactical import count_problems
from engine.state.views import Reader


class Problem(msgspec.Struct, frozen=True):
    """One object in trouble: `service` null means the host itself. `handled`: acknowledged or in downtime, itself or its host.

    `age_s`: seconds since the state began, by the core's clock. `behind_host`: a service whose host is not UP.
    """

    host: str
    service: str | None
    poller: str
    id: int
    state: int
    state_name: str
    state_type: str
    acknowledged: bool
    scheduled_downtime_depth: int
    handled: bool
    plugin_output: str
    last_check: str | None
    last_state_change: str | None
    age_s: float | None
    host_state_name: str
    behind_host: bool
    view: View


class Problems(msgspec.Struct, frozen=True):
    """One page of problems: unhandled before handled, hosts before services, each by poller and name."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Problem]


class ProblemsQuery(ListQuery, frozen=True, kw_only=True):
    """Which problems. A host has no service's fields; `host.X` is about a problem's host, or the host that is one."""

    tables: ClassVar[tuple[Table, ...]] = (PROBLEM_HOSTS, PROBLEM_SERVICES)

    def is_counted(self, call: Call) -> bool:
        """From the totals the writer keeps."""
        return not (self.search or self.sort or self.plain) and call.caller.scope.hostgroups is None


_BEGAN = "nullif({0}.last_state_change, 0) - p.clock_offset_s"
_NOT_UP = "h.has_been_checked <> 0 AND h.state <> 0"
_MEMBERS = Problem.__struct_fields__
_HOST_COLUMNS = checked_columns("h", HOST_STATES) | {
    "host": Member("h.name"),
    "service": Member("NULL"),
    "handled": flag(HOSTS.fields["handled"].sql),
    "age_s": age(_BEGAN.format("h")),
    "host_state_name": state_member("h", HOST_STATES),
    "behind_host": flag("0"),
}
_SERVICE_COLUMNS = checked_columns("s", SERVICE_STATES) | {
    "host": Member("s.host_name"),
    "service": Member("s.description"),
    "handled": flag(SERVICES.fields["handled"].sql),
    "age_s": age(_BEGAN.format("s")),
    "host_state_name": state_member("h", HOST_STATES),
    "behind_host": flag(f"coalesce({_NOT_UP}, 0)"),
}


async def list_problems(call: Call, query: ProblemsQuery) -> Answer:
    """One page of problems, or all."""
    return await list_answer(call, query, partial(_choose, call, query), _MEMBERS)


def _choose(call: Call, query: ProblemsQuery, reader: Reader, poller: int | None) -> Chosen:
    """Both kinds: one after the other without an order asked for, else merged."""
    hosts = Listing.within(call.caller.scope, HOST_ROWS, [(problem("h"), []), *asked(call, query, PROBLEM_HOSTS)])
    services = Listing.within(call.caller.scope, SERVICE_ROWS, [(problem("s"), []), *asked(call, query, PROBLEM_SERVICES)])
    if poller is not None:
        hosts, services = hosts.narrowed(("h.poller = ?", [poller])), services.narrowed(("s.poller = ?", [poller]))
    both = Section(hosts, _HOST_COLUMNS), Section(services, _SERVICE_COLUMNS)

    def count(reader: Reader) -> int:
        if query.search or query.plain or call.caller.scope.is_limited:
            return hosts.count(reader) + services.count(reader)
        return count_problems(reader, call.caller.scope, poller)

    if query.sort:
        return Chosen(both, count, _merging(call, query))
    halves = [(condition, section) for conditions in _HALVES for condition, section in zip(conditions, both, strict=True)]
    return Chosen([Section(section.listing.narrowed(half), section.members) for half, section in halves], count)


_OWN = HOSTS.fields["handled"].sql, SERVICES.fields["handled"].sql
_HALVES: tuple[list[Condition], ...] = [(f"NOT {sql}", ()) for sql in _OWN], [(sql, ()) for sql in _OWN]


def _merging(call: Call, query: ProblemsQuery) -> tuple[list[list[str]], list[str]]:
    """What each kind is sorted by, and how; at the end what makes it total: hosts first, then by poller and name."""
    keys = sort_keys(query)
    hosts, services = (
        [order_key(table, *key) for key in keys]
        for table in (seen_by(call.caller.scope, PROBLEM_HOSTS), seen_by(call.caller.scope, PROBLEM_SERVICES))
    )
    ties = [["0", "h.poller", "h.name", "''"], ["1", "s.poller", "s.host_name", "s.description"]]
    both = [[value for value, _ in hosts] + ties[0], [value for value, _ in services] + ties[1]]
    return both, [how for _, how in services] + ["ASC"] * len(ties[0])


OPERATIONS = (
    Operation(
        "GET", "/v1/problems", "Hosts and services in trouble", list_problems, {200: Problems},
        query=ProblemsQuery, problems=(404,), lines=True, tagged=True, kept=True,
    ),
)  # fmt: skip
