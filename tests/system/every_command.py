"""A site on which every external command can show what it does at once, and the arguments for each. Data of test_every_command.py.

Each pair of counterparts (ENABLE_X, DISABLE_X) has a unit of its own: hosts, services, groups and a contact that nothing else
touches, so that all pairs are proven side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cores import Host, Icinga2Core, NagiosCore, Service

SERVICE, OTHER_SERVICE, CHILD_SERVICE = "HTTP", "SSH", "LOAD"
SWITCHED_ON = ("ENABLE_", "START_", "ENTER_ACTIVE_")
SWITCHED_OFF = ("DISABLE_", "STOP_", "ENTER_STANDBY_")


def is_off(name: str) -> bool:
    """Does the command switch something off?"""
    return name.startswith(SWITCHED_OFF)


def is_on(name: str) -> bool:
    """Does it switch something on?"""
    return name.startswith(SWITCHED_ON)


@dataclass(frozen=True)
class Unit:
    """What one pair of commands acts on: two hosts of a group, the first one's child, and a contact."""

    number: int

    @property
    def host(self) -> str:
        return f"a{self.number}"

    @property
    def sibling(self) -> str:
        return f"b{self.number}"

    @property
    def child(self) -> str:
        return f"c{self.number}"

    @property
    def hostgroup(self) -> str:
        return f"hg{self.number}"

    @property
    def servicegroup(self) -> str:
        return f"sg{self.number}"

    @property
    def contact(self) -> str:
        return f"p{self.number}"

    @property
    def contactgroup(self) -> str:
        return f"cg{self.number}"

    def named(self, argument: str) -> str | None:
        """The name an argument of that name gets."""
        names = {
            "host": self.host, "service": SERVICE, "hostgroup": self.hostgroup, "servicegroup": self.servicegroup,
            "contact": self.contact, "contactgroup": self.contactgroup,
        }  # fmt: skip
        return names.get(argument)

    def hosts(self) -> list[Host]:
        """The configuration of its hosts."""
        told, own = (self.contact,), (("OWNER", "nobody"), ("TOLD", self.contact))
        first = (Service(SERVICE, told, own), Service(OTHER_SERVICE, told, own[1:]))
        return [
            Host(self.host, first, (self.hostgroup,), told, custom=own),
            Host(self.sibling, (Service(SERVICE, told),), (self.hostgroup,), told),
            Host(self.child, (Service(CHILD_SERVICE),), parents=(self.host,)),
        ]


def units_of(names: Iterable[str]) -> dict[str, Unit]:
    """The unit of each command; counterparts share one."""
    numbers: dict[str, int] = {}
    pairs = {name: re.sub(r"^(ENABLE|DISABLE|START|STOP)_", "", name) for name in sorted(names)}
    return {name: Unit(numbers.setdefault(pair, len(numbers))) for name, pair in pairs.items()}


def expected_switch(name: str, unit: Unit) -> tuple[str, list[tuple[str, str]]] | None:
    """What the notes say an object's or group's switch is read from: (key of the status file, each object it acts on).

    Written from the names alone, so that a wrong member or key of the catalogue cannot repeat itself here.
    """
    keys = {
        r"PASSIVE_(HOST|SVC)_CHECKS$": "passive_checks_enabled", r"NOTIFICATIONS": "notifications_enabled",
        r"_EVENT_HANDLER$": "event_handler_enabled", r"_FLAP_DETECTION$": "flap_detection_enabled",
        r"OBSESSING_OVER_(HOST|SVC)$": "obsess", r"(HOST|SVC)_CHECKS?$": "active_checks_enabled",
    }  # fmt: skip
    group = re.search(r"_(HOSTGROUP|SERVICEGROUP)_", name)
    mine = [(unit.host, SERVICE), (unit.host, OTHER_SERVICE)]
    if not (is_on(name) or is_off(name)) or "CONTACT" in name or re.search(r"EXECUTING|ACCEPTING|FRESHNESS|OVER_\w+_CHECKS", name):
        return None
    key = next((key for pattern, key in keys.items() if re.search(pattern, name)), None)
    if key is None or not re.search(r"HOST|SVC", name):
        return None
    if group is not None and "SVC" in name:
        return key, [*(mine if group[1] == "HOSTGROUP" else mine[:1]), (unit.sibling, SERVICE)]
    if group is not None:
        return key, [(unit.host, ""), (unit.sibling, "")]
    if "HOST_SVC" in name:
        return key, mine
    if "BEYOND" in name:
        return key, [(unit.child, ""), (unit.child, CHILD_SERVICE)]
    if "AND_CHILD" in name:
        return key, [(unit.host, ""), (unit.child, "")]
    return key, [(unit.host, SERVICE if "SVC" in name else "")]


class EveryNagios(NagiosCore):
    """Nagios with every kind of group, and contacts with a custom variable."""

    units: tuple[Unit, ...] = ()

    def configuration(self) -> dict[Path, str]:
        # Else a check that is not forced is dropped where another has run within the last 15 s.
        self.extra = "cached_host_check_horizon=0\ncached_service_check_horizon=0\nenable_flap_detection=1\n"
        made = super().configuration()
        path = self.folder / "objects.cfg"
        text = re.sub(r"(  contact_name p\d+\n)", r"\1  _OWNER nobody\n", made[path])
        return made | {path: text + _NAGIOS + "".join(map(_nagios_groups, self.units))}


def _nagios_groups(unit: Unit) -> str:
    return f"""
define servicegroup {{
  servicegroup_name {unit.servicegroup}
  alias http
  members {unit.host},{SERVICE},{unit.sibling},{SERVICE}
}}
define contactgroup {{
  contactgroup_name {unit.contactgroup}
  alias people
  members {unit.contact},nobody-in-particular
}}
"""


class EveryIcinga2(Icinga2Core):
    """Icinga 2 with the same, and somebody to notify."""

    units: tuple[Unit, ...] = ()

    def configuration(self) -> dict[Path, str]:
        self.extra = _ICINGA2 + "".join(map(_icinga2_groups, self.units))
        told = {path: text.replace("enable_notifications = false", "") for path, text in super().configuration().items()}
        return {path: text.replace("enable_flapping = false", "enable_flapping = true") for path, text in told.items()}


def _icinga2_groups(unit: Unit) -> str:
    return f"""
object ServiceGroup "{unit.servicegroup}" {{
  assign where (host.name == "{unit.host}" || host.name == "{unit.sibling}") && service.name == "{SERVICE}"
}}
object Dependency "below{unit.number}" {{
  parent_host_name = "{unit.host}"
  child_host_name = "{unit.child}"
}}
"""


_NAGIOS = """
define timeperiod {
  timeperiod_name workhours
  alias workhours
  monday 09:00-17:00
}
"""
_ICINGA2 = """
object TimePeriod "workhours" { ranges = { "monday" = "09:00-17:00" } }
object CheckCommand "other" { command = [ "/bin/true" ] }
object EventCommand "handler" { command = [ "/bin/true" ] }
object NotificationCommand "tell" { command = [ "/bin/true" ] }
object NotificationComponent "notification" { }
apply Notification "tell" to Host { command = "tell"; users = [ host.vars.TOLD ]; assign where host.vars.TOLD }
apply Notification "tell" to Service { command = "tell"; users = [ service.vars.TOLD ]; assign where service.vars.TOLD }
"""


NO_TRACE = "the core writes nothing that would show it"
RETENTION = "only the retention file shows it, which the notes give no status or log proof for"

# (kind of core, command): why `processed` is enough. Nothing else may end there.
PROCESSED_IS_ENOUGH: dict[tuple[str, str], str] = {
    ("nagios", "SAVE_STATE_INFORMATION"): RETENTION,
    ("nagios", "READ_STATE_INFORMATION"): NO_TRACE,
    ("nagios", "PROCESS_FILE"): "its proofs are those of the commands in the file",
    ("icinga2", "PROCESS_FILE"): "its proofs are those of the commands in the file",
    **{
        ("icinga2", f"CHANGE_CUSTOM_{what}_VAR"): "Icinga 2 writes no custom variables into its status file"
        for what in ("HOST", "SVC", "USER", "CHECKCOMMAND", "EVENTCOMMAND", "NOTIFICATIONCOMMAND")
    },
}  # fmt: skip

# What differs from the values a type of argument gets.
SPECIAL: dict[str, dict[str, Any]] = {
    "SEND_CUSTOM_HOST_NOTIFICATION": {"options": 2},
    "SEND_CUSTOM_SVC_NOTIFICATION": {"options": 2},
    "CHANGE_CUSTOM_CHECKCOMMAND_VAR": {"command": "answer"},
    "CHANGE_CUSTOM_EVENTCOMMAND_VAR": {"command": "handler"},
    "CHANGE_CUSTOM_NOTIFICATIONCOMMAND_VAR": {"command": "tell"},
    "CHANGE_HOST_CHECK_COMMAND": {"command": "other"},
    "CHANGE_SVC_CHECK_COMMAND": {"command": "other"},
    "CHANGE_HOST_EVENT_HANDLER": {"command": "handler"},
    "CHANGE_SVC_EVENT_HANDLER": {"command": "handler"},
    "CHANGE_NORMAL_HOST_CHECK_INTERVAL": {"interval": 7},
    "CHANGE_GLOBAL_HOST_EVENT_HANDLER": {"command": "handler"},
    "CHANGE_GLOBAL_SVC_EVENT_HANDLER": {"command": "handler"},
    "CHANGE_NORMAL_SVC_CHECK_INTERVAL": {"interval": 8},
    "PROCESS_HOST_CHECK_RESULT": {"return_code": 1},
}  # fmt: skip
