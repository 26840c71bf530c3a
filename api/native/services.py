"""Services: as their poller's status file and object cache show them, by host and description."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from api.native.forms import object_answer
from api.native.lists import Chosen, ListQuery, Section, list_answer, listing_of
from api.native.members import Member, flag
from api.native.operation import Answer, Call, Operation, poller_number
from api.native.pollers import View, views_of
from api.native.requests import PollerQuery, doc, refuse_service_alone
from api.native.state import (
    HOST_STATES,
    SERVICE_STATES,
    checked_columns,
    checked_members,
    find_host,
    find_service,
    host_state_name,
    service_state_name,
    state_member,
    unknown_host,
)
from engine.model import ServiceView
from engine.state.fields import SERVICES, Table, problem
from engine.state.lists import SERVICE_ROWS
from engine.state.views import Reader


class Service(msgspec.Struct, frozen=True):
    """One service; names of members are Livestatus column names. null times: never. `state_name` PENDING: not checked yet."""

    id: int
    host: str
    description: str
    poller: str
    host_id: int
    host_state_name: str
    display_name: str
    state: int
    state_name: str
    state_type: str
    has_been_checked: bool
    acknowledged: bool
    scheduled_downtime_depth: int
    host_acknowledged: bool
    host_scheduled_downtime_depth: int
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
    notes: str
    notes_url: str
    action_url: str
    custom_variables: dict[str, str]
    view: View


class Services(msgspec.Struct, frozen=True):
    """One page of services, by poller, host and description."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Service]


class HostServicesQuery(ListQuery, frozen=True, kw_only=True):
    """Which services of a host."""

    tables: ClassVar[tuple[Table, ...]] = (SERVICES,)

    problems: Annotated[bool, doc("only services that were checked and are not OK")] = False


class ServicesQuery(HostServicesQuery, frozen=True, kw_only=True):
    """Which services."""

    host: Annotated[str, doc("services of exactly this host; 404 when there is none", min_length=1)] = ""
    service: Annotated[str, doc("exactly this service; needs `host`; 404 when there is none", min_length=1)] = ""


class ServiceQuery(PollerQuery, frozen=True, kw_only=True):
    """A service by name, for names that are awkward in a path."""

    host: Annotated[str, doc("name of the host", min_length=1)]
    service: Annotated[str, doc("description of the service", min_length=1)]


_COLUMNS: dict[str, Member] = checked_columns("s", SERVICE_STATES) | {
    "host": Member("s.host_name"),
    "description": Member("s.description"),
    "host_id": Member("coalesce(h.id, 0)"),
    # A service whose host the status file lacks: coalesce says what a host never checked would.
    "host_state_name": state_member("h", HOST_STATES),
    "host_acknowledged": flag("coalesce(h.acknowledged, 0)"),
    "host_scheduled_downtime_depth": Member("coalesce(h.scheduled_downtime_depth, 0)"),
}


async def list_services(call: Call, query: ServicesQuery) -> Answer:
    """One page of services, or all."""
    refuse_service_alone(query.host, query.service)
    return await _list(call, query, query.host, query.service)


async def list_services_of_host(call: Call, query: HostServicesQuery) -> Answer:
    """One page of one host's services, or all."""
    return await _list(call, query, call.names["host"], only_one=True)


async def _list(call: Call, query: HostServicesQuery, host: str, service: str = "", only_one: bool = False) -> Answer:
    def choose(reader: Reader, poller: int | None) -> Chosen:
        _find(reader, call, poller, host, service, only_one)
        return _chosen(call, query, poller, host, service)

    return await list_answer(call, query, choose, list(Service.__struct_fields__))


def _find(reader: Reader, call: Call, poller: int | None, host: str, service: str, only_one: bool) -> None:
    """Raises what says why there can be no answer."""
    scope = call.caller.scope
    if only_one:
        find_host(reader, call, host, poller)
    elif service and not reader.service(scope, host, service, poller):
        find_service(reader, call, host, service, poller)
    elif host and not reader.host(scope, host, poller):
        raise unknown_host(reader, call, host)


def _chosen(call: Call, query: HostServicesQuery, poller: int | None, host: str, service: str) -> Chosen:
    listing = listing_of(call, query, SERVICE_ROWS, None)
    if poller is not None:
        listing = listing.narrowed(("s.poller = ?", [poller]))
    elif host:
        listing = listing.narrowed(("s.poller IN (SELECT number FROM state.poller)", []))  # lets SQLite seek by (poller, host)
    if host:
        listing = listing.narrowed(("s.host_name = ?", [host]))
    if service:
        listing = listing.narrowed(("s.description = ?", [service]))
    if query.problems:
        listing = listing.narrowed((problem("s"), []))
    return Chosen([Section(listing, _COLUMNS)], listing.count)


async def show_service(call: Call, query: PollerQuery) -> Answer:
    """One service, by its path."""
    host, service = call.names["host"], call.names["service"]
    return await object_answer(call, lambda reader: read_service(reader, call, host, service, query.poller))


async def show_service_by_query(call: Call, query: ServiceQuery) -> Answer:
    """One service, by its query."""
    return await object_answer(call, lambda reader: read_service(reader, call, query.host, query.service, query.poller))


def read_service(reader: Reader, call: Call, host: str, service: str, poller: str) -> tuple[Service, dict[int, View]]:
    """The one service of that name, and its poller's view. Raises UnknownHost, UnknownService, Ambiguous, UnknownPoller."""
    view = find_service(reader, call, host, service, poller_number(reader, call.caller, poller))
    fresh = views_of(reader, call, view.poller)
    return service_of(view, fresh[view.poller]), fresh


def service_of(view: ServiceView, fresh: View) -> Service:
    """The mirror's row as people see it."""
    status, config = view.status, view.config
    return Service(
        id=view.id,
        host=status.host_name,
        description=status.description,
        poller=view.poller_name,
        host_id=view.host_id,
        host_state_name=host_state_name(view.host_state, view.host_has_been_checked),
        state_name=service_state_name(status.state, status.has_been_checked),
        host_acknowledged=bool(view.host_acknowledged),
        host_scheduled_downtime_depth=view.host_scheduled_downtime_depth,
        view=fresh,
        **checked_members(status, config),
    )


OPERATIONS = (
    Operation(
        "GET", "/v1/services", "Services, by poller, host and description", list_services, {200: Services},
        query=ServicesQuery, problems=(404,), lines=True, tagged=True,
    ),
    Operation(
        "GET", "/v1/service", "One service, by query instead of path", show_service_by_query, {200: Service},
        query=ServiceQuery, problems=(404, 409), kept=True,
    ),
    Operation(
        "GET", "/v1/hosts/{host}/services", "Services of one host", list_services_of_host, {200: Services},
        query=HostServicesQuery, problems=(404, 409), lines=True, tagged=True,
    ),
    Operation(
        "GET", "/v1/hosts/{host}/services/{service}", "One service", show_service, {200: Service},
        query=PollerQuery, problems=(404, 409), kept=True,
    ),
)  # fmt: skip
