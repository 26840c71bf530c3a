"""Problems: hosts that are not UP and services that are not OK, in one list."""

from __future__ import annotations

from dataclasses import dataclass

from api.native.hosts import Host, host_of
from api.native.operation import Answer, Call, Operation, poller_number
from api.native.pollers import View, views_of
from api.native.requests import Paging
from api.native.services import Service, service_of
from engine.state.views import Reader


@dataclass(frozen=True, slots=True)
class Problem:
    """One object in trouble: `service` null means the host itself. `handled`: acknowledged or in downtime, itself or its host."""

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
    view: View


@dataclass(frozen=True, slots=True)
class Problems:
    """One page of problems, hosts first, each by poller and name."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Problem]


async def list_problems(call: Call, query: Paging) -> Answer:
    """One page of problems."""
    return Answer(await call.desk.read(lambda reader: read_problems(reader, call, query)))


def read_problems(reader: Reader, call: Call, query: Paging) -> Problems:
    """The page over both kinds as if they were one list, in one snapshot of the mirror."""
    scope = call.caller.scope
    poller = poller_number(reader, call.caller, query.poller)
    hosts, host_count = reader.hosts(scope, poller=poller, problems=True, limit=query.limit, offset=query.offset)
    services, service_count = reader.services(
        scope, poller=poller, problems=True, limit=query.limit - len(hosts), offset=max(0, query.offset - host_count)
    )  # fmt: skip
    fresh = views_of(reader, call, poller)
    items = [_of_host(host_of(view, fresh[view.poller])) for view in hosts]
    items += [_of_service(service_of(view, fresh[view.poller])) for view in services]
    return Problems(host_count + service_count, query.limit, query.offset, list(fresh.values()), items)


def _of_host(host: Host) -> Problem:
    return Problem(
        host.name, None, host.poller, host.id, host.state, host.state_name, host.state_type, host.acknowledged,
        host.scheduled_downtime_depth, host.acknowledged or host.scheduled_downtime_depth > 0, host.plugin_output,
        host.last_check, host.last_state_change, host.view,
    )  # fmt: skip


def _of_service(service: Service) -> Problem:
    depth = service.scheduled_downtime_depth + service.host_scheduled_downtime_depth
    return Problem(
        service.host, service.description, service.poller, service.id, service.state, service.state_name, service.state_type,
        service.acknowledged, service.scheduled_downtime_depth,
        service.acknowledged or service.host_acknowledged or depth > 0, service.plugin_output,
        service.last_check, service.last_state_change, service.view,
    )  # fmt: skip


OPERATIONS = (
    Operation(
        "GET", "/v1/problems", "Hosts and services in trouble", list_problems, {200: Problems}, query=Paging, problems=(404,)
    ),
)  # fmt: skip
