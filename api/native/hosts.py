"""Hosts: as their poller's status file and object cache show them, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import orjson

from api.native.operation import Answer, Call, Operation, poller_number
from api.native.pollers import View, views_of
from api.native.requests import Paging, PollerQuery, doc
from api.native.state import find_host, host_state_name, state_type_name, unknown_host
from api.render import rfc3339_or_none
from engine.model import HostView
from engine.state.views import Reader


@dataclass(frozen=True, slots=True)
class Host:
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


@dataclass(frozen=True, slots=True)
class Hosts:
    """One page of hosts, by poller and name. `groups` of its hosts is null: ask for one host to see them."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Host]


class HostsQuery(Paging, frozen=True, kw_only=True):
    """Which hosts."""

    host: Annotated[str, doc("exactly this host; 404 when there is none", min_length=1)] = ""
    hostgroup: Annotated[str, doc("members of this hostgroup", min_length=1)] = ""
    problems: Annotated[bool, doc("only hosts that were checked and are not UP")] = False


class HostQuery(PollerQuery, frozen=True, kw_only=True):
    """A host by name, for names that are awkward in a path."""

    host: Annotated[str, doc("name of the host", min_length=1)]


async def list_hosts(call: Call, query: HostsQuery) -> Answer:
    """One page of hosts."""
    return Answer(await call.find(lambda reader: read_hosts(reader, call, query)))


def read_hosts(reader: Reader, call: Call, query: HostsQuery) -> Hosts:
    """The page, in one snapshot of the mirror."""
    with reader.snapshot():
        poller = poller_number(reader, call.caller, query.poller)
        found, total = _chosen(reader, call, query, poller)
        fresh = views_of(reader, call, poller)
        items = [host_of(view, fresh[view.poller]) for view in found]
    return Hosts(total, query.limit, query.offset, list(fresh.values()), items)


def _chosen(reader: Reader, call: Call, query: HostsQuery, poller: int | None) -> tuple[tuple[HostView, ...], int]:
    if not query.host:
        return reader.hosts(
            call.caller.scope, poller=poller, problems=query.problems, hostgroup=query.hostgroup or None,
            limit=query.limit, offset=query.offset,
        )  # fmt: skip
    named = reader.host(call.caller.scope, query.host, poller)
    if not named:
        raise unknown_host(reader, call, query.host)
    kept = tuple(view for view in named if _is_kept(reader, view, query))
    return kept[query.offset : query.offset + query.limit], len(kept)


def _is_kept(reader: Reader, view: HostView, query: HostsQuery) -> bool:
    if query.problems and not (view.status.has_been_checked and view.status.state):
        return False
    return not query.hostgroup or query.hostgroup in reader.host_groups_of(view.poller, view.status.name)


async def show_host(call: Call, query: PollerQuery) -> Answer:
    """One host, by its path."""
    return Answer(await call.find(lambda reader: read_host(reader, call, call.names["host"], query.poller)))


async def show_host_by_query(call: Call, query: HostQuery) -> Answer:
    """One host, by its query."""
    return Answer(await call.find(lambda reader: read_host(reader, call, query.host, query.poller)))


def read_host(reader: Reader, call: Call, name: str, poller: str) -> Host:
    """The one host of that name. Raises UnknownHost, Ambiguous, UnknownPoller."""
    with reader.snapshot():
        view = find_host(reader, call, name, poller_number(reader, call.caller, poller))
        groups = list(reader.host_groups_of(view.poller, view.status.name))
        return host_of(view, views_of(reader, call, view.poller)[view.poller], groups)


def host_of(view: HostView, fresh: View, groups: list[str] | None = None) -> Host:
    """The mirror's row as people see it."""
    status, config = view.status, view.config
    return Host(
        id=view.id,
        name=status.name,
        poller=view.poller_name,
        alias=config.alias,
        display_name=config.display_name,
        address=config.address,
        state=status.state,
        state_name=host_state_name(status.state, status.has_been_checked),
        state_type=state_type_name(status.state_type),
        has_been_checked=bool(status.has_been_checked),
        acknowledged=bool(status.acknowledged),
        scheduled_downtime_depth=status.scheduled_downtime_depth,
        is_flapping=bool(status.is_flapping),
        plugin_output=status.plugin_output,
        long_plugin_output=status.long_plugin_output,
        perf_data=status.perf_data,
        current_attempt=status.current_attempt,
        max_check_attempts=status.max_check_attempts,
        last_check=rfc3339_or_none(status.last_check),
        next_check=rfc3339_or_none(status.next_check),
        last_state_change=rfc3339_or_none(status.last_state_change),
        last_hard_state_change=rfc3339_or_none(status.last_hard_state_change),
        last_notification=rfc3339_or_none(status.last_notification),
        execution_time=status.execution_time,
        latency=status.latency,
        check_command=status.check_command,
        check_period=status.check_period,
        check_interval=status.check_interval,
        retry_interval=status.retry_interval,
        checks_enabled=bool(status.checks_enabled),
        accept_passive_checks=bool(status.accept_passive_checks),
        notifications_enabled=bool(status.notifications_enabled),
        parents=list(config.parents),
        groups=groups,
        notes=config.notes,
        notes_url=config.notes_url,
        action_url=config.action_url,
        custom_variables=orjson.loads(config.custom_variables or "{}"),
        view=fresh,
    )


OPERATIONS = (
    Operation("GET", "/v1/hosts", "Hosts, by poller and name", list_hosts, {200: Hosts}, query=HostsQuery, problems=(404,)),
    Operation(
        "GET",
        "/v1/host",
        "One host, by query instead of path",
        show_host_by_query,
        {200: Host},
        query=HostQuery,
        problems=(404, 409),
    ),
    Operation("GET", "/v1/hosts/{host}", "One host", show_host, {200: Host}, query=PollerQuery, problems=(404, 409)),
)
