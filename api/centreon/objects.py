"""Hosts and services, and how a path's ids become one of them.

A list has no largest limit here: rows are read in one short transaction, then put into shape and encoded in a thread. Lists are in
the order of hosts' names, then of services'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from starlette.responses import Response

from api.centreon.answers import encoded_page, is_true, list_answer, list_body
from api.centreon.entry_shapes import acknowledgement_shape, downtime_shape
from api.centreon.keeping import kept_list
from api.centreon.listing import author_ids
from api.centreon.place import Visit
from api.centreon.searching import HOST_KEYS, SERVICE_KEYS, parse_list
from api.centreon.shapes import Level, Manner, host_of_service_shape, host_shape, service_shape, whole_service_shape
from api.render import json_response
from engine.desk import EntryFilter, Target
from engine.errors import UnknownHost, UnknownService
from engine.model import HostView, ServiceView
from engine.state.listed import ListedService, listed_services, listed_services_of_hosts
from engine.state.scope import EVERYTHING, Scope
from engine.state.views import Reader, of_hosts

MOST_STANDING = 1000  # downtimes shown inside one host or service
LONGEST_READ_S = 10.0  # a search, or everything of the largest networks; the write-ahead log grows as long as anybody reads
IDS_PER_READ = 500  # SQLite takes a bounded number of values in one statement


async def hosts(visit: Visit) -> Response:
    """Every host; with `show_service=true` each with its services."""
    query = visit.request.query_params
    manner, scope = _manner(visit), visit.caller.scope
    asked = parse_list(query, HOST_KEYS, visit.services.clock.now(), scope)
    paging, with_services = asked.paging, is_true(query, "show_service")

    def read(reader: Reader) -> tuple[Sequence[HostView], int, Mapping[int, Sequence[ListedService]] | None]:
        with reader.limited(LONGEST_READ_S):
            views, total = reader.hosts(
                scope, limit=paging.limit, offset=paging.offset, order=asked.order, search=asked.condition
            )  # fmt: skip
        return views, total, _services_by_host(reader, scope, [view.id for view in views]) if with_services else None

    is_short = asked.is_plain and scope == EVERYTHING and not with_services
    views, total, services = await visit.desk.read(read, short=is_short)
    return await list_answer(
        len(views) + sum(map(len, (services or {}).values())),
        lambda: encoded_page(_host_rows(views, services, manner), paging, total, asked.echo),
    )


async def host(visit: Visit) -> Response:
    """One host with everything known of it."""
    found = await host_of(visit)
    scope, manner = visit.caller.scope, _manner(visit)
    services = await visit.desk.read(lambda reader: listed_services_of_hosts(reader, scope, [found.id])[found.id])
    shape = host_shape(found, Level.FULL)
    shape["services"] = [service_shape(service, Level.MIN, manner) for service in services]
    return json_response(200, shape | await standing(visit, host_target(found)))


async def services(visit: Visit) -> Response:
    """Every service, each with its host."""
    return await _services_page(visit, None)


async def services_of_host(visit: Visit) -> Response:
    """The services of one host."""
    found = await host_of(visit)
    return await _services_page(visit, found.id)


async def service(visit: Visit) -> Response:
    """One service with everything known of it."""
    found = await service_of(visit)
    shape = whole_service_shape(found, _manner(visit))
    return json_response(200, shape | await standing(visit, service_target(found)))


# --- from ids to objects ------------------------------------------------------------------------------------------------------


async def host_of(visit: Visit) -> HostView:
    """The host the path names. Raises UnknownHost."""
    return await host_by_id(visit, visit.id("host_id", UnknownHost, "Host"))


async def service_of(visit: Visit) -> ServiceView:
    """The service the path names. Raises UnknownHost, UnknownService."""
    host_id = visit.id("host_id", UnknownHost, "Host")
    return await service_by_id(visit, host_id, visit.id("service_id", UnknownService, "Service"))


async def host_by_id(visit: Visit, host_id: int) -> HostView:
    """The host of that id within the caller's scope. Raises UnknownHost."""
    scope = visit.caller.scope
    found = await visit.desk.read(lambda reader: reader.host_by_id(scope, host_id), short=True)
    if found is None:
        raise UnknownHost("Host not found", host_id=host_id)
    return found


async def service_by_id(visit: Visit, host_id: int, service_id: int) -> ServiceView:
    """The service of that id, which must be one of that host's. Raises UnknownHost, UnknownService."""
    scope = visit.caller.scope
    found = await visit.desk.read(lambda reader: reader.service_by_id(scope, service_id), short=True)
    if found is not None and found.host_id == host_id:
        return found  # also to a contact of the service who does not see its host
    await host_by_id(visit, host_id)
    raise UnknownService("Service not found", host_id=host_id, service_id=service_id)


def host_target(view: HostView) -> Target:
    """The host as the desk takes it."""
    return Target(view.status.name, None, view.poller)


def service_target(view: ServiceView) -> Target:
    """The service as the desk takes it."""
    return Target(view.status.host_name, view.status.description, view.poller)


# --- rows to bytes ------------------------------------------------------------------------------------------------------------


def _manner(visit: Visit, now: float | None = None) -> Manner:
    return Manner(visit.services.clock.now() if now is None else now, visit.version.attempt_is_text)


def _services_by_host(reader: Reader, scope: Scope, ids: Sequence[int]) -> Mapping[int, Sequence[ListedService]]:
    found: dict[int, Sequence[ListedService]] = {}
    for first in range(0, len(ids), IDS_PER_READ):
        found |= listed_services_of_hosts(reader, scope, ids[first : first + IDS_PER_READ])
    return found


def _host_rows(
    views: Sequence[HostView], services: Mapping[int, Sequence[ListedService]] | None, manner: Manner
) -> list[dict[str, object]]:
    rows = [host_shape(view, Level.MAIN) for view in views]
    if services is not None:
        for view, row in zip(views, rows, strict=True):
            row["services"] = [service_shape(service, Level.MIN, manner) for service in services[view.id]]
    return rows


def _service_rows(views: Sequence[ListedService], manner: Manner, *, with_host: bool) -> list[dict[str, object]]:
    rows = [service_shape(view, Level.MAIN, manner) for view in views]
    if with_host:
        for view, row in zip(views, rows, strict=True):
            row["host"] = host_of_service_shape(view)
    return rows


async def _services_page(visit: Visit, host_id: int | None) -> Response:
    """A page of services: of one host, or of all with the host of each."""
    return await kept_list(visit, lambda now: _services_body(visit, host_id, now))


async def _services_body(visit: Visit, host_id: int | None, now: float) -> bytes:
    query, manner, scope = visit.request.query_params, _manner(visit, now), visit.caller.scope
    asked = parse_list(query, SERVICE_KEYS, now, visit.caller.scope)
    paging = asked.paging

    conditions = [asked.condition] if host_id is None else [asked.condition, of_hosts([host_id])]

    def read(reader: Reader) -> tuple[Sequence[ListedService], int]:
        with reader.limited(LONGEST_READ_S):
            return listed_services(reader, scope, conditions, asked.order, limit=paging.limit, offset=paging.offset)

    is_short = asked.is_plain and scope == EVERYTHING and host_id is None
    views, total = await visit.desk.read(read, short=is_short)
    return await list_body(
        len(views), lambda: encoded_page(_service_rows(views, manner, with_host=host_id is None), paging, total, asked.echo)
    )


async def standing(visit: Visit, target: Target) -> dict[str, object]:
    """The downtimes on an object and its acknowledgement, as they stand now."""
    here = EntryFilter(
        poller=target.poller, host=target.host, service=target.service, services=target.service is not None, present=True
    )
    downtimes = await visit.desk.entries(visit.caller, replace(here, kind="downtime", limit=MOST_STANDING))
    acknowledgements = await visit.desk.entries(visit.caller, replace(here, kind="acknowledgement", limit=1))
    ids = await author_ids(visit, [*downtimes.rows, *acknowledgements.rows])
    now = visit.services.clock.now()
    return {
        "downtimes": [downtime_shape(entry, ids, now) for entry in downtimes.rows],
        "acknowledgement": next((acknowledgement_shape(entry, ids) for entry in acknowledgements.rows), None),
    }
