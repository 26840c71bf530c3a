"""What the fields of a host and a service of Centreon's API must say, read from the core's own files.

A field's truth is a function of the block of the status file and the definition in the object cache.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.centreon_reference import schema
from tests.system.centreon_scene import Scene, moment


def _notifies(definition: dict[str, str], letter: str) -> bool:
    """Whether it is among the options; `a` is all of them."""
    return bool({letter, "a"} & set(definition.get("notification_options", "").split(",")))


HOST_TRUTH: dict[str, Callable[[dict[str, str], dict[str, str]], object]] = {
    "name": lambda s, _: s["host_name"],
    "alias": lambda s, o: o.get("alias", s["host_name"]),
    "display_name": lambda s, o: o.get("display_name", s["host_name"]),
    "address_ip": lambda _, o: o["address"],
    "acknowledged": lambda s, _: s["problem_has_been_acknowledged"] == "1",
    "active_checks": lambda s, _: s["active_checks_enabled"] == "1",
    "passive_checks": lambda s, _: s["passive_checks_enabled"] == "1",
    "check_attempt": lambda s, _: int(s["current_attempt"]),
    "max_check_attempts": lambda s, _: int(s["max_attempts"]),
    "check_command": lambda s, _: s["check_command"],
    "check_interval": lambda s, _: float(s["check_interval"]),
    "checked": lambda s, _: s["has_been_checked"] == "1",
    "execution_time": lambda s, _: pytest.approx(float(s["check_execution_time"]), abs=1e-6),
    "latency": lambda s, _: pytest.approx(float(s["check_latency"]), abs=1e-6),
    "state": lambda s, _: int(s["current_state"]),
    "last_hard_state": lambda s, _: int(s["last_hard_state"]),
    "next_host_notification": lambda s, _: int(float(s["next_notification"])),
    "notification_number": lambda s, _: int(s["current_notification_number"]),
    "notification_interval": lambda _, o: float(o.get("notification_interval", 0)),
    "notify": lambda s, _: s["notifications_enabled"] == "1",
    "notify_on_down": lambda _, o: _notifies(o, "d"),
    "notify_on_unreachable": lambda _, o: _notifies(o, "u"),
    "notify_on_recovery": lambda _, o: _notifies(o, "r"),
    "notify_on_flapping": lambda _, o: _notifies(o, "f"),
    "notify_on_downtime": lambda _, o: _notifies(o, "s"),
    "scheduled_downtime_depth": lambda s, _: int(s["scheduled_downtime_depth"]),
}
SERVICE_TRUTH: dict[str, Callable[[dict[str, str], dict[str, str]], object]] = {
    **{name: HOST_TRUTH[name] for name in (
        "max_check_attempts", "check_attempt", "check_command", "check_interval", "execution_time", "latency", "state",
        "scheduled_downtime_depth",
    )},
    "description": lambda s, _: s["service_description"],
    "display_name": lambda s, o: o.get("display_name", s["service_description"]),
    "is_acknowledged": HOST_TRUTH["acknowledged"],
    "is_active_check": HOST_TRUTH["active_checks"],
    "is_checked": HOST_TRUTH["checked"],
    "performance_data": lambda s, _: s["performance_data"],
}  # fmt: skip


def differing(scene: Scene, service: str) -> dict[str, object]:
    """The fields of the host or its service that are not what the core's files say, each as (shown, said)."""
    path, truth, name = (
        ("/monitoring/hosts/{host_id}/services/{service_id}", SERVICE_TRUTH, "ServiceFull")
        if service
        else ("/monitoring/hosts/{host_id}", HOST_TRUTH, "HostFull")
    )
    block, defined = scene.block(service), scene.definition(service)
    shown = scene.call("GET", path).json()
    different: dict[str, object] = {
        key: (shown[key], value(block, defined)) for key, value in truth.items() if shown[key] != value(block, defined)
    }
    for key, type in schema(name).items():
        if type.startswith("date-time") and key in block and not _is_moving(key, scene):
            said = max(int(float(block[key])), 0)
            if moment(shown[key]) != said:
                different[key] = (shown[key], said)
    return different


def _is_moving(key: str, scene: Scene) -> bool:
    """What a later status file has another value of, and Icinga 2's `last_check`, which it always writes as -1."""
    return key in ("last_update", "next_check") or (scene.core.kind == "icinga2" and key == "last_check")
