"""Hosts: as their poller's status file and object cache show them, by name."""

from __future__ import annotations

from functools import partial
from typing import Annotated, ClassVar

import msgspec

from api.native.forms import object_answer
from api.native.lists import Chosen, ListQuery, Section, list_answer, listing_of
from api.native.members import Member, nested
from api.native.operation import Answer, Call, Operation, poller_number
from api.native.pollers import View, views_of
from api.native.requests import PollerQuery, doc
from api.native.state import HOST_STATES, checked_columns, checked_members, find_host, host_state_name, unknown_host
from engine.model import HostView
from engine.state.detail import parents_of, seen_parents
from engine.state.fields import HOSTS, Table, problem
from engine.state.lists import HOST_ROWS
from engine.state.scope import Scope
from engine.state.views import Reader


class Host(msgspec.Struct, frozen=True):
    """One host; names of members are Livestatus column names. null times: never. `state_name` PENDING: not checked yet."""

    id: int
    name: str
    poller: str
    alias: str
    display_name: str
    address: str
    state: int
    state_name: str
    state_type: str
    has_been_checked: bool
    acknowledged: bool
    scheduled_downtime_depth: int
    is_flapping: bool
    plugin_output: str
    long_plugin_output: str
    perf_data: str
    current_attempt: int
    max_check_attempts: int
    last_check: str | None
    next_check: str | None
    last_state_change: str | None
    last_hard_state_change: str | None
    last_notification: str | None
    execution_time: float
    latency: float
    check_command: str
    check_period: str
    check_interval: float
    retry_interval: float
    checks_enabled: bool
    accept_passive_checks: bool
    notifications_enabled: bool
    parents: list[str]
    groups: list[str] | None
    notes: str
    notes_url: str
    action_url: str
    custom_variables: dict[str, str]
    view: View


class Hosts(msgspec.Struct, frozen=True):
    """One page of hosts, by poller and name. `groups` of its hosts is null: ask for one host to see them."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Host]


class HostsQuery(ListQuery, frozen=True, kw_only=True):
    """Which hosts."""

    tables: ClassVar[tuple[Table, ...]] = (HOSTS,)

    host: Annotated[str, doc("exactly this host; 404 when there is none", min_length=1)] = ""
    problems: Annotated[bool, doc("only hosts that were checked and are not UP")] = False


class HostQuery(PollerQuery, frozen=True, kw_only=True):
    """A host by name, for names that are awkward in a path."""

    host: Annotated[str, doc("name of the host", min_length=1)]


_COLUMNS: dict[str, Member] = checked_columns("h", HOST_STATES) | {
    "name": Member("h.name"),
    "alias": Member("coalesce(c.alias, h.name)"),
    "address": Member("coalesce(c.address, '')"),
    "groups": Member("NULL"),
}


def _columns(scope: Scope) -> dict[str, Member]:
    return {**_COLUMNS, "parents": nested(seen_parents(scope))}


async def list_hosts(call: Call, query: HostsQuery) -> Answer:
    """One page of hosts, or all."""
    return await list_answer(call, query, partial(_choose, call, query), list(Host.__struct_fields__))


def _choose(call: Call, query: HostsQuery, reader: Reader, poller: int | None) -> Chosen:
    scope = call.caller.scope
    if query.host and not reader.host(scope, query.host, poller):
        raise unknown_host(reader, call, query.host)
    listing = listing_of(call, query, HOST_ROWS, None)
    if poller is not None:
        listing = listing.narrowed(("h.poller = ?", [poller]))
    if query.host:
        listing = listing.narrowed(("h.name = ?", [query.host]))
    if query.problems:
        listing = listing.narrowed((problem("h"), []))
    return Chosen([Section(listing, _columns(scope))], listing.count)


async def show_host(call: Call, query: PollerQuery) -> Answer:
    """One host, by its path."""
    return await object_answer(call, lambda reader: read_host(reader, call, call.names["host"], query.poller))


async def show_host_by_query(call: Call, query: HostQuery) -> Answer:
    """One host, by its query."""
    return await object_answer(call, lambda reader: read_host(reader, call, query.host, query.poller))


def read_host(reader: Reader, call: Call, name: str, poller: str) -> tuple[Host, dict[int, View]]:
    """The one host of that name, and its poller's view. Raises UnknownHost, Ambiguous, UnknownPoller."""
    view = find_host(reader, call, name, poller_number(reader, call.caller, poller))
    fresh = views_of(reader, call, view.poller)
    return host_of(reader, call, view, fresh[view.poller]), fresh


def host_of(reader: Reader, call: Call, view: HostView, fresh: View) -> Host:
    """The mirror's row as people see it."""
    status, config = view.status, view.config
    parents = config.parents
    if parents and call.caller.scope.is_limited:
        parents = parents_of(reader, call.caller.scope, view.poller, status.name)
    return Host(
        id=view.id,
        name=status.name,
        poller=view.poller_name,
        alias=config.alias,
        address=config.address,
        state_name=host_state_name(status.state, status.has_been_checked),
        parents=list(parents),
        groups=list(reader.host_groups_of(view.poller, status.name)),
        view=fresh,
        **checked_members(status, config),
    )


OPERATIONS = (
    Operation(
        "GET",
        "/v1/hosts",
        "Hosts, by poller and name",
        list_hosts,
        {200: Hosts},
        query=HostsQuery,
        problems=(404,),
        lines=True,
        tagged=True,
    ),
    Operation(
        "GET",
        "/v1/host",
        "One host, by query instead of path",
        show_host_by_query,
        {200: Host},
        query=HostQuery,
        problems=(404, 409),
        kept=True,
    ),
    Operation("GET", "/v1/hosts/{host}", "One host", show_host, {200: Host}, query=PollerQuery, problems=(404, 409), kept=True),
)
