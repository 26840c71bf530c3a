"""Services: as their poller's status file and object cache show them, by host and description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from api.native.operation import Answer, Call, Operation, poller_number
from api.native.pollers import View, views_of
from api.native.requests import Paging, PollerQuery, doc, refuse_service_alone
from api.native.state import checked_members, find_host, find_service, host_state_name, is_problem, service_state_name, unknown_host
from engine.model import ServiceView
from engine.state.views import Reader


@dataclass(frozen=True, slots=True)
class Service:
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


@dataclass(frozen=True, slots=True)
class Services:
    """One page of services, by poller, host and description."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Service]


class HostServicesQuery(Paging, frozen=True, kw_only=True):
    """Which services of a host."""

    problems: Annotated[bool, doc("only services that were checked and are not OK")] = False


class ServicesQuery(HostServicesQuery, frozen=True, kw_only=True):
    """Which services."""

    host: Annotated[str, doc("services of exactly this host; 404 when there is none", min_length=1)] = ""
    service: Annotated[str, doc("exactly this service; needs `host`; 404 when there is none", min_length=1)] = ""


class ServiceQuery(PollerQuery, frozen=True, kw_only=True):
    """A service by name, for names that are awkward in a path."""

    host: Annotated[str, doc("name of the host", min_length=1)]
    service: Annotated[str, doc("description of the service", min_length=1)]


async def list_services(call: Call, query: ServicesQuery) -> Answer:
    """One page of services."""
    refuse_service_alone(query.host, query.service)
    return Answer(await call.desk.find(call.caller, lambda reader: read_services(reader, call, query, query.host, query.service)))


async def list_services_of_host(call: Call, query: HostServicesQuery) -> Answer:
    """One page of one host's services."""

    def work(reader: Reader) -> Services:
        find_host(reader, call, call.names["host"], poller_number(reader, call.caller, query.poller))
        return read_services(reader, call, query, call.names["host"])

    return Answer(await call.desk.find(call.caller, work))


def read_services(reader: Reader, call: Call, query: HostServicesQuery, host: str = "", service: str = "") -> Services:
    """The page."""
    poller = poller_number(reader, call.caller, query.poller)
    found, total = _chosen(reader, call, query, poller, host, service)
    fresh = views_of(reader, call, poller)
    items = [service_of(view, fresh[view.poller]) for view in found]
    return Services(total, query.limit, query.offset, list(fresh.values()), items)


def _chosen(
    reader: Reader, call: Call, query: HostServicesQuery, poller: int | None, host: str, service: str
) -> tuple[tuple[ServiceView, ...], int]:
    scope = call.caller.scope
    if service:
        named = reader.service(scope, host, service, poller)
        if not named:
            find_service(reader, call, host, service, poller)  # raises, saying what is unknown
        kept = tuple(view for view in named if not query.problems or is_problem(view.status))
        return kept[query.offset : query.offset + query.limit], len(kept)
    if host and not reader.host(scope, host, poller):
        raise unknown_host(reader, call, host)
    return reader.services(
        scope, poller=poller, host=host or None, problems=query.problems, limit=query.limit, offset=query.offset
    )  # fmt: skip


async def show_service(call: Call, query: PollerQuery) -> Answer:
    """One service, by its path."""
    host, service = call.names["host"], call.names["service"]
    return Answer(await call.desk.find(call.caller, lambda reader: read_service(reader, call, host, service, query.poller)))


async def show_service_by_query(call: Call, query: ServiceQuery) -> Answer:
    """One service, by its query."""
    return Answer(
        await call.desk.find(call.caller, lambda reader: read_service(reader, call, query.host, query.service, query.poller))
    )


def read_service(reader: Reader, call: Call, host: str, service: str, poller: str) -> Service:
    """The one service of that name. Raises UnknownHost, UnknownService, Ambiguous, UnknownPoller."""
    view = find_service(reader, call, host, service, poller_number(reader, call.caller, poller))
    return service_of(view, views_of(reader, call, view.poller)[view.poller])


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
        query=ServicesQuery, problems=(404,),
    ),
    Operation(
        "GET", "/v1/service", "One service, by query instead of path", show_service_by_query, {200: Service},
        query=ServiceQuery, problems=(404, 409),
    ),
    Operation(
        "GET", "/v1/hosts/{host}/services", "Services of one host", list_services_of_host, {200: Services},
        query=HostServicesQuery, problems=(404, 409),
    ),
    Operation(
        "GET", "/v1/hosts/{host}/services/{service}", "One service", show_service, {200: Service},
        query=PollerQuery, problems=(404, 409),
    ),
)  # fmt: skip
