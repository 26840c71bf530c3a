"""Acknowledgements: list, show, add, cancel, under the paths of all three generations of the original.

The first two name the object in the body and list only the latest acknowledgement of each object; since 20.04 the path names the
object and lists are the whole history.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from api.centreon.bodies import (
    AcknowledgementBody,
    HostAcknowledgementBody,
    ListedHostAcknowledgementBody,
    ListedServiceAcknowledgementBody,
    NoFields,
)
from api.centreon.entry_shapes import acknowledgement_shape
from api.centreon.listing import author_ids, entries_page
from api.centreon.named import in_trouble, target_of
from api.centreon.objects import host_by_id, host_of, host_target, service_by_id, service_of, service_target
from api.centreon.outcomes import outcome
from api.centreon.place import Visit
from api.render import json_response
from engine.desk import EntryFilter, Target
from engine.errors import UnknownObject

# --- lists --------------------------------------------------------------------------------------------------------------------


async def latest_of_hosts(visit: Visit) -> Response:
    """The latest acknowledgement of each host (reference and 19.10)."""
    return await _page(visit, EntryFilter(kind="acknowledgement", services=False, latest_per_object=True))


async def latest_of_services(visit: Visit) -> Response:
    """The latest acknowledgement of each service (reference and 19.10)."""
    return await _page(visit, EntryFilter(kind="acknowledgement", services=True, latest_per_object=True))


async def acknowledgements(visit: Visit) -> Response:
    """Every acknowledgement known."""
    return await _page(visit, EntryFilter(kind="acknowledgement"))


async def of_hosts(visit: Visit) -> Response:
    """Every acknowledgement of hosts."""
    return await _page(visit, EntryFilter(kind="acknowledgement", services=False))


async def of_services(visit: Visit) -> Response:
    """Every acknowledgement of services."""
    return await _page(visit, EntryFilter(kind="acknowledgement", services=True))


async def of_host(visit: Visit) -> Response:
    """Every acknowledgement of one host."""
    found = await host_of(visit)
    return await _page(visit, EntryFilter(kind="acknowledgement", poller=found.poller, host=found.status.name, services=False))


async def of_service(visit: Visit) -> Response:
    """Every acknowledgement of one service."""
    status, poller = (found := await service_of(visit)).status, found.poller
    which = EntryFilter(kind="acknowledgement", poller=poller, host=status.host_name, service=status.description, services=True)
    return await _page(visit, which)


async def acknowledgement(visit: Visit) -> Response:
    """One acknowledgement."""
    entry_id = visit.id("acknowledgement_id", UnknownObject, "Acknowledgement")
    entry = await visit.desk.entry(visit.caller, "acknowledgement", entry_id)
    return json_response(200, acknowledgement_shape(entry, await author_ids(visit, [entry])))


async def _page(visit: Visit, which: EntryFilter) -> Response:
    return await entries_page(visit, which, acknowledgement_shape)


# --- add ----------------------------------------------------------------------------------------------------------------------


async def add_by_host_id(visit: Visit) -> Response:
    """Acknowledge the host the body names."""
    body = visit.body(ListedHostAcknowledgementBody)
    return await _add(visit, [host_target(await host_by_id(visit, body.host_id))], body)


async def add_by_service_id(visit: Visit) -> Response:
    """Acknowledge the service the body names."""
    body = visit.body(ListedServiceAcknowledgementBody)
    return await _add(visit, [service_target(await service_by_id(visit, body.host_id, body.service_id))], body)


async def add_on_host(visit: Visit) -> Response:
    """Acknowledge the host the path names and, if asked, those of its services that have a problem."""
    found = await host_of(visit)
    body = visit.body(HostAcknowledgementBody)
    if not body.with_services:
        return await _add(visit, [host_target(found)], body)
    scope = visit.caller.scope
    services = await visit.desk.read(lambda reader: reader.services_of_hosts(scope, [found.id])[found.id])
    return await _add(visit, [target_of(view) for view in in_trouble(found, services)], body)


async def add_on_service(visit: Visit) -> Response:
    """Acknowledge the service the path names."""
    found = await service_of(visit)
    return await _add(visit, [service_target(found)], visit.body(AcknowledgementBody))


async def _add(visit: Visit, targets: Sequence[Target], body: AcknowledgementBody) -> Response:
    receipts = await visit.desk.acknowledge(
        visit.caller,
        targets,
        comment=body.comment,
        sticky=body.is_sticky,
        notify=body.is_notify_contacts,
        persistent=body.is_persistent_comment,
        hold=False,
    )
    return await outcome(visit, receipts)


# --- cancel -------------------------------------------------------------------------------------------------------------------


async def cancel_on_host(visit: Visit) -> Response:
    """Take the acknowledgement of a host back."""
    return await _cancel(visit, host_target(await host_of(visit)))


async def cancel_on_service(visit: Visit) -> Response:
    """Take the acknowledgement of a service back."""
    return await _cancel(visit, service_target(await service_of(visit)))


async def _cancel(visit: Visit, target: Target) -> Response:
    visit.body(NoFields)
    receipts = await visit.desk.remove_acknowledgement(visit.caller, [target], hold=False)
    return await outcome(visit, receipts, deletes=True)
