"""What hosts and services have in common as people see them: the checked half of an answer, and finding exactly one object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import orjson

from api.native.members import Member, flag, nested, time, view_member, words
from api.native.operation import Call
from api.render import rfc3339_or_none
from engine.errors import Ambiguous, StatusFileStale, UnknownHost, UnknownService
from engine.model import HostConfig, HostState, HostStatus, HostView, ServiceConfig, ServiceState, ServiceStatus, ServiceView
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


def is_problem(status: HostStatus | ServiceStatus) -> bool:
    """Checked, and not UP or OK."""
    return bool(status.has_been_checked and status.state)


def checked_members(status: HostStatus | ServiceStatus, config: HostConfig | ServiceConfig) -> dict[str, Any]:
    """The members that `Host` and `Service` share, by name."""
    return {
        "display_name": config.display_name,
        "state": status.state,
        "state_type": state_type_name(status.state_type),
        "has_been_checked": bool(status.has_been_checked),
        "acknowledged": bool(status.acknowledged),
        "scheduled_downtime_depth": status.scheduled_downtime_depth,
        "is_flapping": bool(status.is_flapping),
        "plugin_output": status.plugin_output,
        "long_plugin_output": status.long_plugin_output,
        "perf_data": status.perf_data,
        "current_attempt": status.current_attempt,
        "max_check_attempts": status.max_check_attempts,
        "last_check": rfc3339_or_none(status.last_check),
        "next_check": rfc3339_or_none(status.next_check),
        "last_state_change": rfc3339_or_none(status.last_state_change),
        "last_hard_state_change": rfc3339_or_none(status.last_hard_state_change),
        "last_notification": rfc3339_or_none(status.last_notification),
        "execution_time": status.execution_time,
        "latency": status.latency,
        "check_command": status.check_command,
        "check_period": status.check_period,
        "check_interval": status.check_interval,
        "retry_interval": status.retry_interval,
        "checks_enabled": bool(status.checks_enabled),
        "accept_passive_checks": bool(status.accept_passive_checks),
        "notifications_enabled": bool(status.notifications_enabled),
        "notes": config.notes,
        "notes_url": config.notes_url,
        "action_url": config.action_url,
        "custom_variables": orjson.loads(config.custom_variables or "{}") | orjson.loads(status.custom_variables or "{}"),
    }


def checked_columns(alias: str, states: Sequence[str]) -> dict[str, Member]:
    """The same members as columns of lists; `alias` is the row's, `c` its configuration's."""
    texts = "plugin_output", "long_plugin_output", "perf_data", "check_command", "check_period"
    counts = "scheduled_downtime_depth", "current_attempt", "max_check_attempts"
    numbers = *counts, "execution_time", "latency", "check_interval", "retry_interval"
    flags = "has_been_checked", "acknowledged", "is_flapping", "checks_enabled", "accept_passive_checks", "notifications_enabled"
    times = "last_check", "next_check", "last_state_change", "last_hard_state_change", "last_notification"
    members = {name: Member(f"{alias}.{name}") for name in (*texts, *numbers)}
    members |= {name: flag(f"{alias}.{name}") for name in flags} | {name: time(f"{alias}.{name}") for name in times}
    members |= {name: Member(f"coalesce(c.{name}, '')") for name in ("notes", "notes_url", "action_url")}
    own_name = f"{alias}.{'name' if alias == 'h' else 'description'}"
    return members | {
        "id": Member(f"{alias}.id"),
        "poller": Member("p.name"),
        "view": view_member(f"{alias}.poller"),
        "state": Member(f"{alias}.state"),
        "state_name": state_member(alias, states),
        "state_type": words(f"{alias}.state_type", ("SOFT", "HARD")),
        "display_name": Member(f"coalesce(c.display_name, {own_name})"),
        "custom_variables": nested(as_it_is_now("c.custom_variables", f"{alias}.custom_variables")),
    }


def as_it_is_now(configured: str, current: str) -> str:
    """Custom variables, the core's own word over the configuration's; most objects have none that a patch would be worth."""
    configured = f"coalesce(nullif({configured}, ''), '{{}}')"
    return f"iif({current} IN ('', '{{}}', {configured}), {configured}, json_patch({configured}, {current}))"


def state_member(alias: str, states: Sequence[str]) -> Member:
    """A state's word."""
    return words(f"iif({alias}.has_been_checked, {alias}.state, {len(states)})", (*states, PENDING))


HOST_STATES = tuple(state.name for state in HostState)
SERVICE_STATES = tuple(state.name for state in ServiceState)


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
