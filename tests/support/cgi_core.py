"""A real Nagios 4 whose configuration has one of everything the JSON CGIs can show, and the original CGIs run over its files.

The CGIs need no web server: the request stands in the environment, the answer comes on standard output. They are given a main
configuration of their own in which logs rotate daily, so that they read the archives written here for days that are past.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from contrib.demo_cores import ordinary_user
from tests.support.cores import Host, NagiosCore, Service

PROGRAMS = Path("/usr/lib/cgi-bin/nagios4")
ADMIN = "nagiosadmin"

HOSTS = (
    Host("gateway", (Service("PING"), Service("Uplink"))),
    Host("web01", (Service("HTTP"), Service("Disk /var"), Service("Load"))),
    Host("web02", (Service("HTTP"), Service("Disk /var"), Service("Load"))),
    Host("web03", (Service("HTTP"),)),
    Host("db01", (Service("PostgreSQL"), Service("Disk /var"))),
    Host("lonely", (Service("Nobody looks"),)),
    Host("a&b %7", (Service('50% \\ "quoted"'), Service("Load"))),
)

_OBJECTS = r"""
define timeperiod {
  timeperiod_name always
  alias Always
  sunday 00:00-24:00
  monday 00:00-24:00
  tuesday 00:00-24:00
  wednesday 00:00-24:00
  thursday 00:00-24:00
  friday 00:00-24:00
  saturday 00:00-24:00
}
define timeperiod {
  timeperiod_name workhours
  alias Working hours
  monday 08:00-12:00,13:00-17:30
  tuesday 08:00-17:00
  friday 08:00-14:00
  2028-01-01 00:00-24:00
  2028-02-01 - 2028-02-10 06:00-07:00
  2028-03-01 - 2028-04-01 / 3 06:00-07:00
  2028-05-01 / 7 05:00-05:30
  december 25 00:00-24:00
  june 1 - july 15 / 2 01:00-02:00
  april 10 - 15 04:00-05:00
  day 2 04:00-05:00
  day 1 - 15 / 5 10:00-11:00
  day -1 11:00-12:00
  monday 3 july 12:00-13:00
  thursday -1 november 15:00-16:00
  tuesday 1 april - friday 2 may / 6 16:00-17:00
  wednesday 2 17:00-18:00
  monday 1 - friday -1 / 2 18:00-19:00
  exclude nights
}
define timeperiod {
  timeperiod_name nights
  alias nights
  sunday 22:00-24:00,00:00-06:00
}
define command {
  command_name answer
  command_line @FOLDER@/check.sh @FOLDER@/answers/$ARG1$
}
define command {
  command_name tell
  command_line /bin/true "$NOTIFICATIONTYPE$" | cat
}
define command {
  command_name tell-louder
  command_line /bin/true
}
define command {
  command_name mend
  command_line /bin/true
}
define contact {
  contact_name ann
  alias Ann A.
  email ann@example.org
  pager 123
  address1 one
  address3 three
  host_notification_period always
  service_notification_period workhours
  host_notification_options d,u,r,f,s
  service_notification_options w,u,c,r,f,s
  host_notification_commands tell,tell-louder
  service_notification_commands tell
  can_submit_commands 0
  minimum_importance 3
  retain_status_information 0
  _DESK 4\;711
}
define contact {
  contact_name bob
  host_notification_period always
  service_notification_period always
  host_notification_options d,r
  service_notification_options c,r
  host_notification_commands tell
  service_notification_commands tell
}
define contact {
  contact_name carl
  host_notification_period workhours
  service_notification_period always
  host_notification_options n
  service_notification_options n
  host_notification_commands tell
  service_notification_commands tell
  host_notifications_enabled 0
}
define contactgroup {
  contactgroup_name admins
  alias Administrators
  members ann
}
define contactgroup {
  contactgroup_name operators
  alias Operators
  members bob,carl
}
define contactgroup {
  contactgroup_name nobodies
  alias empty
}
define host {
  name base
  register 0
  check_period always
  notification_period always
  check_interval 5
  retry_interval 1.5
  max_check_attempts 1
  active_checks_enabled 0
  check_command answer!none
  notification_interval 60
}
define service {
  name base-service
  register 0
  check_period always
  notification_period always
  check_interval 5
  retry_interval 1
  max_check_attempts 1
  active_checks_enabled 0
  check_command answer!none
  notification_interval 0
}
define host {
  use base
  host_name gateway
  alias The gateway
  display_name Gateway
  address 192.0.2.1
  contact_groups admins
  notes the only way out
  notes_url http://example.org/?host=$HOSTNAME$&x=1
  action_url http://example.org/act
  icon_image gw.png
  icon_image_alt a gateway
  vrml_image gw.wrl
  statusmap_image gw.gd2
  2d_coords 100,250
  3d_coords 10.5,20.25,30
  event_handler mend!now
  low_flap_threshold 5
  high_flap_threshold 20
  flap_detection_options d,u
  stalking_options o,d
  check_freshness 0
  freshness_threshold 600
  first_notification_delay 3
  initial_state d
  hourly_value 7
  process_perf_data 0
  retain_status_information 0
  obsess_over_host 0
  _RACK 12\;b
  _OWNER net team
}
define host {
  use base
  host_name web01
  parents gateway
  contacts bob
  contact_groups operators
  notification_options d,u,r
  check_period workhours
  event_handler_enabled 0
  flap_detection_enabled 0
  passive_checks_enabled 1
}
define host {
  use base
  host_name web02
  parents gateway
  contacts bob
  notification_period workhours
}
define host {
  use base
  host_name web03
  parents web01,web02
  contacts ann
  event_handler mend
}
define host {
  use base
  host_name db01
  parents web01
  contacts ann
  max_check_attempts 3
}
define host {
  use base
  host_name lonely
  contacts carl
  notifications_enabled 0
}
define host {
  use base
  host_name a&b %7
  alias odd & end
  contacts ann
}
define service {
  use base-service
  host_name gateway
  service_description PING
  contact_groups admins
  display_name ping
  is_volatile 1
  event_handler mend!again
  _LIMIT 100\;200
  flap_detection_options w,c
  stalking_options o,w,u,c
  hourly_value 2
  freshness_threshold 99
  first_notification_delay 1
  initial_state w
  notes note
  notes_url http://example.org/n
  action_url http://example.org/a
  icon_image p.png
  icon_image_alt ping
  parallelize_check 0
  obsess_over_service 0
}
define service {
  use base-service
  host_name gateway
  service_description Uplink
  contacts bob
  parents gateway,PING
  check_period workhours
  notification_options c,r
}
define service {
  use base-service
  host_name web01,web02,web03
  service_description HTTP
  contacts bob
  contact_groups admins
  notification_period workhours
  max_check_attempts 3
}
define service {
  use base-service
  host_name web01,web02,db01
  service_description Disk /var
  contact_groups operators
}
define service {
  use base-service
  host_name web01,web02,a&b %7
  service_description Load
  contacts carl
  parents web01,HTTP
  flap_detection_enabled 0
}
define service {
  use base-service
  host_name db01
  service_description PostgreSQL
  contacts ann
  parents gateway,PING,web01,HTTP
  notifications_enabled 0
}
define service {
  use base-service
  host_name lonely
  service_description Nobody looks
  contacts carl
}
define service {
  use base-service
  host_name a&b %7
  service_description 50% \ "quoted"
  contacts ann
}
define hostgroup {
  hostgroup_name web
  alias Web servers
  members web01,web02,web03
  notes web notes
  notes_url http://example.org/web
  action_url http://example.org/web/act
}
define hostgroup {
  hostgroup_name all
  alias All
  members *
}
define hostgroup {
  hostgroup_name nothing
  alias empty
}
define servicegroup {
  servicegroup_name disks
  alias Disks
  members web01,Disk /var,web02,Disk /var,db01,Disk /var
  notes disk notes
}
define servicegroup {
  servicegroup_name front
  alias What people see
  members web01,HTTP,web02,HTTP,gateway,PING
}
define hostescalation {
  host_name web01,db01
  first_notification 2
  last_notification 5
  notification_interval 30
  contact_groups admins
  contacts carl
  escalation_period workhours
  escalation_options d,r
}
define hostescalation {
  host_name gateway
  first_notification 1
  last_notification 0
  notification_interval 15.5
  contacts bob
}
define serviceescalation {
  host_name web01
  service_description HTTP,Disk /var
  first_notification 3
  last_notification 4
  notification_interval 20
  contact_groups operators,admins
  escalation_options w,u,c,r
}
define serviceescalation {
  host_name db01
  service_description PostgreSQL
  first_notification 1
  last_notification 0
  notification_interval 5
  contacts carl,bob
  escalation_period nights
}
define hostdependency {
  host_name gateway
  dependent_host_name web01,db01
  inherits_parent 1
  notification_failure_criteria d,u
  execution_failure_criteria d
  dependency_period workhours
}
define servicedependency {
  host_name gateway
  service_description PING
  dependent_host_name web01
  dependent_service_description HTTP
  execution_failure_criteria w,c
  notification_failure_criteria w,u,c,p
}
define servicedependency {
  host_name web01
  service_description HTTP
  dependent_host_name web01
  dependent_service_description Load
  notification_failure_criteria o
  inherits_parent 1
}
"""


class CgiCore(NagiosCore):
    """The core."""

    def configuration(self) -> dict[Path, str]:
        found = super().configuration()
        main = self.config_file
        found[self.folder / "objects.cfg"] = _OBJECTS.replace("@FOLDER@", str(self.folder))
        found[self.folder / "cgi-main.cfg"] = found[main].replace("log_rotation_method=n", "log_rotation_method=d")
        found[self.folder / "cgi.cfg"] = (
            f"main_config_file={self.folder / 'cgi-main.cfg'}\nphysical_html_path=/usr/share/nagios4/htdocs\n"
            "url_html_path=/nagios\nuse_authentication=1\nresult_limit=0\nescape_html_tags=1\n"
            + "".join(f"authorized_for_{right}={ADMIN},admin\n" for right in _RIGHTS)
        )
        return found

    def original(self, program: str, query: str, user: str = ADMIN) -> bytes:
        """What the original CGI prints for a query, without its headers."""
        environment = {
            "REQUEST_METHOD": "GET",
            "QUERY_STRING": query,
            "REMOTE_USER": user,
            "NAGIOS_CGI_CONFIG": str(self.folder / "cgi.cfg"),
            "TZ": os.environ.get("TZ", ""),
            "PATH": "/usr/bin:/bin",
        }
        if not environment["TZ"]:
            del environment["TZ"]
        run = subprocess.run([PROGRAMS / program], capture_output=True, check=False, timeout=60, env=environment)
        return run.stdout.partition(b"\r\n\r\n")[2]

    def archive(self, days_ago: int, lines: Iterable[tuple[int, str]]) -> None:
        """Write the log that was rotated at midnight that many days ago; lines as (seconds before that midnight, text)."""
        midnight = midnight_of(days_ago)
        path = self.folder / "archives" / f"nagios-{midnight:%m-%d-%Y}-00.log"
        end = int(midnight.timestamp())
        path.write_text("".join(f"[{end - before}] {text}\n" for before, text in lines), encoding="utf-8")
        if os.geteuid() == 0:
            user = ordinary_user()
            os.chown(path, user.pw_uid, user.pw_gid)
        os.utime(path, (end, end))


_RIGHTS = ("system_information", "configuration_information", "system_commands", "all_services", "all_hosts",
           "all_service_commands", "all_host_commands")  # fmt: skip


def midnight_of(days_ago: int) -> datetime:
    """Local midnight at the beginning of the day so many days ago."""
    today = datetime.fromtimestamp(time.time()).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)
