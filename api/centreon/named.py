"""Objects as a body names them, by ids, and what is asked of each: one `Item` for the desk, or why there can be none.

All are looked up in one read, each within the caller's scope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from api.centreon.bodies import NamedResource
from api.centreon.objects import host_target, service_target
from api.centreon.place import Visit
from engine.desk import Item, Target
from engine.desk.items import Make
from engine.desk.plans import limit_of
from engine.desk.selection import check_limit
from engine.errors import CallerError, UnknownHost, UnknownObject, UnknownService
from engine.model import HostView, ServiceView
from engine.state.scope import Scope
from engine.state.views import Reader


class Named(msgspec.Struct, frozen=True):
    """A host (`service_id` None), a service of a host, or a service by its own id alone (`host_id` None)."""

    host_id: int | None
    service_id: int | None = None
    kind: str = ""  # a type of resource that is not there, else ""


View = HostView | ServiceView
Expand = Callable[[HostView, Sequence[ServiceView]], Sequence[View]]


class Wish(msgspec.Struct, frozen=True):
    """What is asked of one object; `expand` says which of a host and its services are meant, None = the object named."""

    named: Named
    make: Callable[[View], Make]
    with_services: bool = False
    expand: Expand | None = None
    author: str | None = None


def of_resource(resource: NamedResource) -> Named:
    """A resource by its type."""
    if resource.type == "host":
        return Named(resource.id)
    if resource.type == "service":
        return Named(resource.parent.id if resource.parent else None, resource.id)
    return Named(None, None, resource.type)


async def items_of(visit: Visit, wishes: Sequence[Wish]) -> list[Item]:
    """What the desk is to carry out, in order. Raises TooManyTargets before anything is looked up."""
    check_limit(len(wishes), limit_of(visit.services.settings, visit.caller.role))
    scope = visit.caller.scope
    return await visit.desk.read(lambda reader: [_item(reader, scope, wish) for wish in wishes])


def in_trouble(host: HostView, services: Sequence[ServiceView]) -> Sequence[View]:
    """What of a host and its services has a problem that nobody has acknowledged yet; the host itself when there is none."""
    views: list[View] = [host, *services]
    found = [view for view in views if view.status.has_been_checked and view.status.state and not view.status.acknowledged]
    return found or [host]


def acknowledged(host: HostView, services: Sequence[ServiceView]) -> Sequence[View]:
    """What of a host and its services is acknowledged; the host itself when nothing is."""
    views: list[View] = [host, *services]
    return [view for view in views if view.status.acknowledged] or [host]


def target_of(view: View) -> Target:
    """The object as the desk takes it."""
    return host_target(view) if isinstance(view, HostView) else service_target(view)


def _item(reader: Reader, scope: Scope, wish: Wish) -> Item:
    found = _found(reader, scope, wish.named)
    if isinstance(found, CallerError):
        return Item((), lambda who, what: [], error=found)
    views: Sequence[View] = [found]
    if wish.expand is not None and isinstance(found, HostView):
        views = wish.expand(found, reader.services_of_hosts(scope, [found.id])[found.id])
    targets = tuple(target_of(view) for view in views)
    return Item(targets, wish.make(found), wish.with_services and isinstance(found, HostView), wish.author)


def _found(reader: Reader, scope: Scope, named: Named) -> View | CallerError:
    if named.kind:
        return UnknownObject(f"Resource not found: no core has a {named.kind}.", type=named.kind)
    if named.service_id is None:
        host = reader.host_by_id(scope, named.host_id or 0)
        return host or UnknownHost("Host not found", host_id=named.host_id)
    service = reader.service_by_id(scope, named.service_id)
    if service is not None and named.host_id in (None, service.host_id):
        return service
    if named.host_id is not None and reader.host_by_id(scope, named.host_id) is None:
        return UnknownHost("Host not found", host_id=named.host_id)
    return UnknownService("Service not found", host_id=named.host_id, service_id=named.service_id)
