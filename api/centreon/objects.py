"""Hosts and services, and how a path's ids become one of them.

Rows are read, put into shape and encoded in the reader's thread: a list has no largest limit here. Lists are in the order of ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from starlette.responses import Response

from api.centreon.answers import Paging, encoded_answer, encoded_page, is_true, parse_paging
from api.centreon.entry_shapes import acknowledgement_shape, downtime_shape
from api.centreon.listing import author_ids
from api.centreon.place import Visit
from api.centreon.shapes import Level, Manner, host_of_service_shape, host_shape, service_shape
from api.render import json_response
from engine.desk import EntryFilter, Target
from engine.errors import UnknownHost, UnknownService
from engine.model import HostView, ServiceView
from engine.state.views import Reader

MOST_STANDING = 1000  # downtimes shown inside one host or service


async def hosts(visit: Visit) -> Response:
    """Every host; with `show_service=true` each with its services."""
    query = visit.request.query_params
    work = _hosts_page(visit, parse_paging(query), is_true(query, "show_service"))
    return encoded_answer(await visit.desk.read(work))


async def host(visit: Visit) -> Response:
    """One host with everything known of it."""
    found = await host_of(visit)
    scope, manner = visit.caller.scope, _manner(visit)
    services = await visit.desk.read(lambda reader: reader.services_of_hosts(scope, [found.id])[found.id])
    shape = host_shape(found, Level.FULL)
    shape["services"] = [service_shape(service, Level.MIN, manner) for service in services]
    return json_response(200, shape | await _standing(visit, host_target(found)))


async def services(visit: Visit) -> Response:
    """Every service, each with its host."""
    return encoded_answer(await visit.desk.read(_services_page(visit, parse_paging(visit.request.query_params), None)))


async def services_of_host(visit: Visit) -> Response:
    """The services of one host."""
    found = await host_of(visit)
    return encoded_answer(await visit.desk.read(_services_page(visit, parse_paging(visit.request.query_params), found.id)))


async def service(visit: Visit) -> Response:
    """One service with everything known of it."""
    found = await service_of(visit)
    shape = service_shape(found, Level.FULL, _manner(visit))
    return json_response(200, shape | await _standing(visit, service_target(found)))


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
    found = await visit.desk.read(lambda reader: reader.host_by_id(scope, host_id))
    if found is None:
        raise UnknownHost("Host not found", host_id=host_id)
    return found


async def service_by_id(visit: Visit, host_id: int, service_id: int) -> ServiceView:
    """The service of that id, which must be one of that host's. Raises UnknownHost, UnknownService."""
    await host_by_id(visit, host_id)
    scope = visit.caller.scope
    found = await visit.desk.read(lambda reader: reader.service_by_id(scope, service_id))
    if found is None or found.host_id != host_id:
        raise UnknownService("Service not found", host_id=host_id, service_id=service_id)
    return found


def host_target(view: HostView) -> Target:
    """The host as the desk takes it."""
    return Target(view.status.name, None, view.poller)


def service_target(view: ServiceView) -> Target:
    """The service as the desk takes it."""
    return Target(view.status.host_name, view.status.description, view.poller)


# --- rows to bytes ------------------------------------------------------------------------------------------------------------


def _manner(visit: Visit) -> Manner:
    return Manner(visit.services.clock.now(), visit.version.attempt_is_text)


def _hosts_page(visit: Visit, paging: Paging, with_services: bool) -> Callable[[Reader], bytes]:
    scope, manner = visit.caller.scope, _manner(visit)

    def work(reader: Reader) -> bytes:
        views, total = reader.hosts(scope, limit=paging.limit, offset=paging.offset, order="id")
        rows = [host_shape(view, Level.MAIN) for view in views]
        if with_services:
            services = reader.services_of_hosts(scope, [view.id for view in views])
            for view, row in zip(views, rows, strict=True):
                row["services"] = [service_shape(service, Level.MIN, manner) for service in services[view.id]]
        return encoded_page(rows, paging, total)

    return work


def _services_page(visit: Visit, paging: Paging, host_id: int | None) -> Callable[[Reader], bytes]:
    scope, manner = visit.caller.scope, _manner(visit)

    def work(reader: Reader) -> bytes:
        views, total = reader.services(scope, host_id=host_id, limit=paging.limit, offset=paging.offset, order="id")
        rows = [service_shape(view, Level.MAIN, manner) for view in views]
        if host_id is None:
            for view, row in zip(views, rows, strict=True):
                row["host"] = host_of_service_shape(view)
        return encoded_page(rows, paging, total)

    return work


async def _standing(visit: Visit, target: Target) -> dict[str, object]:
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
