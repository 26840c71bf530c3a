"""What hosts and services have in common as people see them: the checked half of an answer, and finding exactly one object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from api.native.operation import Call
from engine.errors import Ambiguous, StatusFileStale, UnknownHost, UnknownService
from engine.model import HostState, HostView, ServiceState, ServiceView
from engine.state.views import Reader

V = TypeVar("V", HostView, ServiceView)

PENDING = "PENDING"


def host_state_name(state: int, has_been_checked: int) -> str:
    """UP, DOWN, UNREACHABLE or PENDING."""
    return HostState(state).name if has_been_checked else PENDING


def service_state_name(state: int, has_been_checked: int) -> str:
    """OK, WARNING, CRITICAL, UNKNOWN or PENDING."""
    return ServiceState(state).name if has_been_checked else PENDING


def state_type_name(state_type: int) -> str:
    """HARD or SOFT."""
    return "HARD" if state_type else "SOFT"


def find_host(reader: Reader, call: Call, host: str, poller: int | None) -> HostView:
    """The one host of that name. Raises UnknownHost, Ambiguous."""
    found = reader.host(call.caller.scope, host, poller)
    if not found:
        raise unknown_host(reader, call, host)
    return _only(found, host)


def find_service(reader: Reader, call: Call, host: str, service: str, poller: int | None) -> ServiceView:
    """The one service of that name. Raises UnknownHost, UnknownService, Ambiguous."""
    found = reader.service(call.caller.scope, host, service, poller)
    if found:
        return _only(found, host)
    if not reader.host(call.caller.scope, host, poller):
        raise unknown_host(reader, call, host)
    near = list(reader.near_services(call.caller.scope, host, service))
    message = f"{host} has no service {service!r}{_perhaps(near)}; /v1/services?host= lists its services."
    raise UnknownService(message, host=host, service=service, near=near)


def unknown_host(reader: Reader, call: Call, host: str) -> UnknownHost | StatusFileStale:
    """The error that names what it may have been meant to be; while a poller was never read, nobody can say it is not there."""
    unseen = [poller.name for poller in reader.pollers(call.caller.scope) if not poller.generation]
    if unseen:
        names = ", ".join(unseen)
        message = f"No status file of {names} has been read yet, so {host!r} may stand there: ask again in a moment."
        return StatusFileStale(message, host=host, pollers=unseen)
    near = list(reader.near_hosts(call.caller.scope, host))
    return UnknownHost(f"There is no host {host!r}{_perhaps(near)}; /v1/hosts lists them.", host=host, near=near)


def _only(found: Sequence[V], host: str) -> V:
    if len(found) == 1:
        return found[0]
    names = [view.poller_name for view in found]
    raise Ambiguous(f"{host} stands on {', '.join(names)}: add poller= with one of these.", host=host, pollers=names)


def _perhaps(near: Sequence[str]) -> str:
    return f", perhaps {' or '.join(near)}" if near else ""
