"""Names in a body → the targets of one call."""

from __future__ import annotations

from api.native.operation import Call
from api.native.requests import TargetBody
from engine.desk import Target
from engine.errors import InvalidField


async def targets_of(call: Call, body: TargetBody) -> tuple[Target, ...]:
    """The host itself, its one service, or its several. Raises InvalidField, UnknownPoller."""
    if body.service is not None and body.services is not None:
        raise InvalidField("service and services are both given: say one of them.", field="services")
    poller = await call.poller(body.poller)
    if body.services is None:
        return (Target(body.host, body.service, poller),)
    twice = next((name for name in body.services if body.services.count(name) > 1), None)
    if twice is not None:
        raise InvalidField(f"services names {twice!r} twice: say it once.", field="services")
    return tuple(Target(body.host, service, poller) for service in body.services)
