"""A site on which every external command can show what it does, and the arguments for each. Data of test_every_command.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.cores import Host, Icinga2Core, NagiosCore, Service

HOST, SERVICE, CHILD, CHILD_SERVICE = "web01", "HTTP", "leaf01", "LOAD"
HOSTGROUP, SERVICEGROUP, CONTACT, CONTACTGROUP = "web", "http", "ann", "people"
PARAMETERS: dict[str, Any] = {"host": HOST, "service": SERVICE, "hostgroup": HOSTGROUP, "servicegroup": SERVICEGROUP,
    "contact": CONTACT, "contactgroup": CONTACTGROUP}  # fmt: skip

HOSTS = [
    Host(HOST, (Service(SERVICE, (CONTACT,), (("OWNER", "nobody"),)), Service("SSH", (CONTACT,))), (HOSTGROUP,), (CONTACT,),
         custom=(("OWNER", "nobody"),)),
    Host("web02", (Service(SERVICE, (CONTACT,)),), (HOSTGROUP,), (CONTACT,)),
    Host(CHILD, (Service(CHILD_SERVICE),), parents=(HOST,)),
]  # fmt: skip

_NAGIOS = f"""
define servicegroup {{
  servicegroup_name {SERVICEGROUP}
  alias http
  members web01,HTTP,web02,HTTP
}}
define contactgroup {{
  contactgroup_name {CONTACTGROUP}
  alias people
  members {CONTACT},nobody-in-particular
}}
define timeperiod {{
  timeperiod_name workhours
  alias workhours
  monday 09:00-17:00
}}
"""
_ICINGA2 = f"""
object ServiceGroup "{SERVICEGROUP}" {{ assign where service.name == "HTTP" }}
object TimePeriod "workhours" {{ ranges = {{ "monday" = "09:00-17:00" }} }}
object EventCommand "handler" {{ command = [ "/bin/true" ] }}
object NotificationCommand "tell" {{ command = [ "/bin/true" ] }}
object NotificationComponent "notification" {{ }}
object Dependency "below" {{
  parent_host_name = "{HOST}"
  child_host_name = "{CHILD}"
}}
apply Notification "tell" to Host {{ command = "tell"; users = [ "{CONTACT}" ]; assign where host.name == "{HOST}" }}
apply Notification "tell" to Service {{ command = "tell"; users = [ "{CONTACT}" ]; assign where host.name == "{HOST}" }}
"""


class EveryNagios(NagiosCore):
    """Nagios with every kind of group, and a contact with a custom variable."""

    def configuration(self) -> dict[Path, str]:
        # Else a check that is not forced is dropped where another has run within the last 15 s.
        self.extra = "cached_host_check_horizon=0\ncached_service_check_horizon=0\n"
        made = super().configuration()
        path = self.folder / "objects.cfg"
        contact = f"  contact_name {CONTACT}\n"
        text = made[path].replace(contact, contact + "  _OWNER nobody\n") + _NAGIOS
        return made | {path: text}


class EveryIcinga2(Icinga2Core):
    """Icinga 2 with the same, and somebody to notify."""

    def configuration(self) -> dict[Path, str]:
        self.extra = _ICINGA2
        return {path: text.replace("enable_notifications = false", "") for path, text in super().configuration().items()}


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
    **{
        ("icinga2", f"CHANGE_{what}_CHECK_TIMEPERIOD"): "Icinga 2 writes no timeperiods into its status file"
        for what in ("HOST", "SVC")
    },
    **{
        ("icinga2", f"CHANGE_{what}_CHECK_COMMAND"): "Icinga 2 decorates the command it writes"
        for what in ("HOST", "SVC")
    },
    **{
        ("icinga2", f"CHANGE_{what}_EVENT_HANDLER"): "Icinga 2 writes no name of an event handler"
        for what in ("HOST", "SVC")
    },
    **{
        ("icinga2", f"DELAY_{what}_NOTIFICATION"): "Icinga 2 delays its notification objects, which the status file leaves out"
        for what in ("HOST", "SVC")
    },
}  # fmt: skip

# What differs from the values a type of argument gets.
SPECIAL: dict[str, dict[str, Any]] = {
    "SEND_CUSTOM_HOST_NOTIFICATION": {"options": 2},
    "SEND_CUSTOM_SVC_NOTIFICATION": {"options": 2},
    "CHANGE_CUSTOM_CHECKCOMMAND_VAR": {"command": "answer"},
    "CHANGE_CUSTOM_EVENTCOMMAND_VAR": {"command": "handler"},
    "CHANGE_CUSTOM_NOTIFICATIONCOMMAND_VAR": {"command": "tell"},
    "CHANGE_HOST_CHECK_COMMAND": {"command": "answer"},
    "CHANGE_SVC_CHECK_COMMAND": {"command": "answer"},
    "CHANGE_HOST_EVENT_HANDLER": {"command": "handler"},
    "CHANGE_SVC_EVENT_HANDLER": {"command": "handler"},
    "CHANGE_NORMAL_HOST_CHECK_INTERVAL": {"interval": 7},
    "CHANGE_GLOBAL_HOST_EVENT_HANDLER": {"command": "handler"},
    "CHANGE_GLOBAL_SVC_EVENT_HANDLER": {"command": "handler"},
    "CHANGE_NORMAL_SVC_CHECK_INTERVAL": {"interval": 8},
    "PROCESS_HOST_CHECK_RESULT": {"return_code": 1},
}  # fmt: skip
