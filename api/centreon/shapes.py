"""The mirror's rows in Centreon's shapes: one table per kind of object, a line per field, in the original's order. Pure.

Each field belongs to a level: MIN where an object stands inside another, MAIN in lists, FULL when it is asked for alone. Every key
is always present; what plain cores do not know is null. Sources: the reference (19.10) and the serialisers of 20.04 to 22.10,
whose keys are given together, since additional keys break no client. Times are by the core's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec
import orjson

from api.centreon.times import age_words, iso_time
from engine.model import HostStatus, HostView, ServiceStatus, ServiceView
from engine.state.listed import ListedService, as_listed

PENDING = 4


class Level(IntEnum):
    """How much of an object is shown."""

    MIN = 0
    MAIN = 1
    FULL = 2


class Manner(msgspec.Struct, frozen=True):
    """What a rendering depends on beside the row. `now` is for ages."""

    now: float
    attempt_is_text: bool = True


class HostField(NamedTuple):
    key: str
    level: Level
    value: Callable[[HostView], object]


class ServiceField(NamedTuple):
    """One of those that stand in lists, too."""

    key: str
    level: Level
    value: Callable[[ListedService, Manner], object]


class ServiceDetail(NamedTuple):
    """One that is shown only of a service alone."""

    key: str
    value: Callable[[ServiceView], object]
    level: Level = Level.FULL


MIN, MAIN, FULL = Level.MIN, Level.MAIN, Level.FULL

HOST_FIELDS: tuple[HostField, ...] = (
    HostField("id", MIN, lambda v: v.id),
    HostField("poller_id", MAIN, lambda v: v.poller),
    HostField("poller_name", FULL, lambda v: v.poller_name),
    HostField("name", MIN, lambda v: v.status.name),
    HostField("acknowledged", MAIN, lambda v: bool(v.status.acknowledged)),
    HostField("active_checks", FULL, lambda v: bool(v.status.checks_enabled)),
    HostField("address_ip", MAIN, lambda v: v.config.address),
    HostField("alias", MIN, lambda v: v.config.alias),
    HostField("check_attempt", MAIN, lambda v: v.status.current_attempt),
    HostField("check_command", FULL, lambda v: v.status.check_command or v.config.check_command),
    HostField("check_interval", FULL, lambda v: float(v.status.check_interval)),
    HostField("check_period", FULL, lambda v: v.status.check_period),
    HostField("check_type", FULL, lambda v: v.status.check_type),
    HostField("checked", MAIN, lambda v: bool(v.status.has_been_checked)),
    HostField("display_name", MIN, lambda v: v.config.display_name),
    HostField("execution_time", MAIN, lambda v: float(v.status.execution_time)),
    HostField("flapping", FULL, lambda v: bool(v.status.is_flapping)),
    HostField("icon_image", MAIN, lambda v: v.config.icon_image),
    HostField("icon_image_alt", MAIN, lambda v: v.config.icon_image_alt),
    HostField("last_check", MAIN, lambda v: iso_time(v.status.last_check)),
    HostField("last_hard_state", FULL, lambda v: v.status.last_hard_state),
    HostField("last_hard_state_change", MAIN, lambda v: iso_time(v.status.last_hard_state_change)),
    HostField("last_notification", FULL, lambda v: iso_time(v.status.last_notification)),
    HostField("last_state_change", MAIN, lambda v: iso_time(v.status.last_state_change)),
    HostField("last_time_down", MAIN, lambda v: iso_time(v.status.last_time_down)),
    HostField("last_time_unreachable", MAIN, lambda v: iso_time(v.status.last_time_unreachable)),
    HostField("last_time_up", MAIN, lambda v: iso_time(v.status.last_time_up)),
    HostField("last_update", MAIN, lambda v: iso_time(v.status.last_update)),
    HostField("latency", FULL, lambda v: float(v.status.latency)),
    HostField("max_check_attempts", MAIN, lambda v: v.status.max_check_attempts),
    HostField("next_check", FULL, lambda v: iso_time(v.status.next_check)),
    HostField("next_host_notification", FULL, lambda v: int(v.status.next_notification)),
    HostField("notification_interval", FULL, lambda v: float(v.config.notification_interval)),
    HostField("notification_number", FULL, lambda v: v.status.current_notification_number),
    HostField("notification_period", FULL, lambda v: v.status.notification_period),
    HostField("notify", FULL, lambda v: bool(v.status.notifications_enabled)),
    HostField("notify_on_down", FULL, lambda v: _notifies(v.config.notification_options, "d")),
    HostField("notify_on_downtime", FULL, lambda v: _notifies(v.config.notification_options, "s")),
    HostField("notify_on_flapping", FULL, lambda v: _notifies(v.config.notification_options, "f")),
    HostField("notify_on_recovery", FULL, lambda v: _notifies(v.config.notification_options, "r")),
    HostField("notify_on_unreachable", FULL, lambda v: _notifies(v.config.notification_options, "u")),
    HostField("output", MAIN, lambda v: output(v.status)),
    HostField("passive_checks", MAIN, lambda v: bool(v.status.accept_passive_checks)),
    HostField("percent_state_change", FULL, lambda v: float(v.status.percent_state_change)),
    HostField("scheduled_downtime_depth", MAIN, lambda v: v.status.scheduled_downtime_depth),
    HostField("criticality", MAIN, lambda v: criticality(v)),
    HostField("state", MIN, lambda v: _state(v.status)),
    HostField("state_type", MAIN, lambda v: v.status.state_type),
    HostField("timezone", MAIN, lambda v: timezone(v)),
)

SERVICE_FIELDS: tuple[ServiceField | ServiceDetail, ...] = (
    ServiceField("id", MIN, lambda v, _: v.id),
    ServiceField("duration", MAIN, lambda v, manner: age_words(v.last_state_change, manner.now)),
    ServiceField("check_attempt", MAIN, lambda v, manner: _attempt(v.current_attempt, manner)),
    ServiceDetail("check_command", lambda v: v.status.check_command or v.config.check_command),
    ServiceDetail("check_interval", lambda v: float(v.status.check_interval)),
    ServiceDetail("check_period", lambda v: v.status.check_period),
    ServiceDetail("check_type", lambda v: v.status.check_type),
    ServiceDetail("command_line", lambda v: None),  # the expanded line is in no file of the core
    ServiceField("criticality", MAIN, lambda v, _: criticality(v)),
    ServiceField("description", MIN, lambda v, _: v.description),
    ServiceField("display_name", MIN, lambda v, _: v.display_name),
    ServiceDetail("execution_time", lambda v: float(v.status.execution_time)),
    ServiceDetail("flapping", lambda v: bool(v.status.is_flapping)),
    ServiceField("icon_image", MAIN, lambda v, _: v.icon_image),
    ServiceField("icon_image_alt", MAIN, lambda v, _: v.icon_image_alt),
    ServiceField("is_acknowledged", MAIN, lambda v, _: bool(v.acknowledged)),
    ServiceDetail("is_active_check", lambda v: bool(v.status.checks_enabled)),
    ServiceDetail("is_checked", lambda v: bool(v.status.has_been_checked)),
    ServiceField("last_check", MAIN, lambda v, _: iso_time(v.last_check)),
    ServiceDetail("last_hard_state_change", lambda v: iso_time(v.status.last_hard_state_change)),
    ServiceDetail("last_notification", lambda v: iso_time(v.status.last_notification)),
    ServiceField("last_state_change", MAIN, lambda v, _: iso_time(v.last_state_change)),
    ServiceDetail("last_time_critical", lambda v: iso_time(v.status.last_time_critical)),
    ServiceDetail("last_time_ok", lambda v: iso_time(v.status.last_time_ok)),
    ServiceDetail("last_time_unknown", lambda v: iso_time(v.status.last_time_unknown)),
    ServiceDetail("last_time_warning", lambda v: iso_time(v.status.last_time_warning)),
    ServiceDetail("last_update", lambda v: iso_time(v.status.last_update)),
    ServiceDetail("latency", lambda v: float(v.status.latency)),
    ServiceField("max_check_attempts", MAIN, lambda v, _: v.max_check_attempts),
    ServiceDetail("next_check", lambda v: iso_time(v.status.next_check)),
    ServiceField("output", MAIN, lambda v, _: output(v)),
    ServiceDetail("percent_state_change", lambda v: float(v.status.percent_state_change)),
    ServiceDetail("performance_data", lambda v: v.status.perf_data),
    ServiceField("scheduled_downtime_depth", MAIN, lambda v, _: v.scheduled_downtime_depth),
    ServiceField("state", MIN, lambda v, _: _state(v)),
    ServiceField("state_type", MAIN, lambda v, _: v.state_type),
    ServiceField("status", MAIN, lambda v, _: status_shape(_state(v), is_host=False)),
)

_SERVICE_WORDS = {0: ("OK", 5), 1: ("WARNING", 2), 2: ("CRITICAL", 1), 3: ("UNKNOWN", 3), PENDING: ("PENDING", 4)}
_HOST_WORDS = {0: ("UP", 5), 1: ("DOWN", 1), 2: ("UNREACHABLE", 3), PENDING: ("PENDING", 4)}


_HOST_VALUES = {level: [(field.key, field.value) for field in HOST_FIELDS if field.level <= level] for level in Level}
_LISTED = [field for field in SERVICE_FIELDS if isinstance(field, ServiceField)]
_SERVICE_VALUES = {level: [(field.key, field.value) for field in _LISTED if field.level <= level] for level in (MIN, MAIN)}


def host_shape(view: HostView, level: Level) -> dict[str, object]:
    """A host at that level."""
    return {key: value(view) for key, value in _HOST_VALUES[level]}


def service_shape(row: ListedService, level: Level, manner: Manner) -> dict[str, object]:
    """A service at the level MIN or MAIN."""
    return {key: value(row, manner) for key, value in _SERVICE_VALUES[level]}


def whole_service_shape(view: ServiceView, manner: Manner) -> dict[str, object]:
    """A service at the level FULL."""
    row = as_listed(view)
    return {
        field.key: field.value(row, manner) if isinstance(field, ServiceField) else field.value(view) for field in SERVICE_FIELDS
    }


def status_shape(state: int, *, is_host: bool) -> dict[str, object]:
    """A state as a status; a number that is none of a core's is unknown."""
    name, severity = (_HOST_WORDS if is_host else _SERVICE_WORDS).get(state, ("UNREACHABLE" if is_host else "UNKNOWN", 3))
    return {"code": state, "name": name, "severity_code": severity}


def host_of_service_shape(row: ListedService) -> dict[str, object]:
    """The host of a service, at the level MIN."""
    state = row.host_state if row.host_has_been_checked else PENDING
    return {
        "id": row.host_id,
        "alias": row.host_alias,
        "display_name": row.host_display_name,
        "name": row.host_name,
        "state": state,
    }


def _state(status: HostStatus | ListedService) -> int:
    return status.state if status.has_been_checked else PENDING


def output(status: HostStatus | ServiceStatus | ListedService) -> str:
    """The plugin's first line, a line break, and what else it said; nothing where nothing was checked yet."""
    return f"{status.plugin_output}\n{status.long_plugin_output}" if status.has_been_checked or status.plugin_output else ""


def _attempt(attempt: int, manner: Manner) -> int | str:
    return str(attempt) if manner.attempt_is_text else attempt


def _notifies(options: str, letter: str) -> bool:
    letters = {word.strip() for word in options.split(",")}
    return letter in letters or "a" in letters


def criticality(view: HostView | ServiceView | ListedService) -> int | None:
    """Centreon's severity level, which it writes into its engines' configuration as a custom variable."""
    text = _custom(view, "CRITICALITY_LEVEL") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def timezone(view: HostView | ServiceView) -> str | None:
    """The zone a custom variable names; no directive of a plain core does."""
    return (_custom(view, "TIMEZONE") or "").lstrip(":") or None


def _custom(view: HostView | ServiceView | ListedService, name: str) -> str | None:
    """A custom variable by its name without the underscore: as it is now, else as configured."""
    if isinstance(view, ListedService):
        texts = view.custom_variables, view.configured_variables
    else:
        texts = view.status.custom_variables, view.config.custom_variables
    for text in texts:
        if name in text:
            variables: dict[str, Any] = orjson.loads(text)
            if name in variables:
                return str(variables[name])
    return None
