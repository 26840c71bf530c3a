"""The originals beside ours over one core that was told to have one of everything the pages of the CGIs tell apart."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support import cores
from tests.support.box import Box, boxed
from tests.support.cgi_core import ADMIN, HOSTS, CgiCore
from tests.support.cgi_programs import Original
from tests.support.cores import Host, Service, until

USERS = (ADMIN, "ann", "bob", "carl", "nobody", "eve")  # eve sees every object and nothing of the system
PASSWORD = "pass"
SHA = "{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ="
CGI_CFG = f"""use_authentication=1
escape_html_tags=1
url_html_path=/nagios
authorized_for_all_hosts=admin,{ADMIN},eve
authorized_for_all_services=admin,{ADMIN},eve
authorized_for_system_information=admin,{ADMIN}
"""
ACTIVE = "still gone"  # what the two checks say that are switched on
CELLS = re.compile(r"^<td class='(status\w+)' valign='center'>(.*?)(?:&nbsp;)?</td>$", re.MULTILINE)
Facts = list[tuple[str, ...]]
LONG = "größte-Anlage-日本-" + "lang-" * 40
LONG_SERVICE = "Füllstand é " + "und so weiter " * 15 + "Ende"
_MORE = f"""
define host {{
  use base
  host_name {LONG}
  alias Größte Anlage ☃
  address 192.0.2.77
  max_check_attempts 3
  flap_detection_enabled 1
  icon_image ö.png
  icon_image_alt größer
  notes näher
  notes_url http://example.org/ü?größer=1
}}
define service {{
  use base-service
  host_name {LONG}
  service_description {LONG_SERVICE}
  max_check_attempts 4
  action_url http://example.org/ü?größer=1
}}
define service {{
  use base-service
  host_name {LONG}
  service_description flaps
  flap_detection_enabled 1
}}
define hostgroup {{
  hostgroup_name Größe
  alias Größe ☃
  members {LONG}
}}
"""


class PairCore(CgiCore):
    """The core with names that are long and not in ASCII, on what flaps and on what is in a soft state."""

    def configuration(self) -> dict[Path, str]:
        found = super().configuration()
        found[self.folder / "objects.cfg"] += _MORE
        return found


@dataclass
class Pair:
    """The originals and ours over one core, and what the core was told before."""

    core: CgiCore
    original: Original
    box: Box
    client: httpx.Client

    def theirs(self, program: str, query: str = "", user: str = ADMIN) -> str:
        """Its page; pictures lie beside the pages in both."""
        return self.original.run(program, query, user).replace("/nagios/images/", "../images/")

    def ours(self, program: str, query: str = "", user: str = ADMIN) -> str:
        answer = self.client.get(f"/nagios/cgi-bin/{program}?{query}", auth=(user, PASSWORD))
        assert answer.status_code == 200, answer.text
        return answer.text


def told(now: int) -> list[str]:
    """Commands that give the core one of everything the pages tell apart."""
    window = f"{now};{now + 3600};1;0;3600"
    return [
        "PROCESS_HOST_CHECK_RESULT;gateway;0;up",
        "PROCESS_HOST_CHECK_RESULT;web01;1;down <b>",
        "PROCESS_HOST_CHECK_RESULT;web02;0;up",
        "PROCESS_HOST_CHECK_RESULT;lonely;1;down",
        *(f"PROCESS_SERVICE_CHECK_RESULT;web01;HTTP;2;critical {number}" for number in range(3)),
        *(f"PROCESS_SERVICE_CHECK_RESULT;web02;HTTP;1;warning {number}" for number in range(3)),
        "PROCESS_SERVICE_CHECK_RESULT;web02;Disk /var;2;<i>full</i> & more|a=1",
        r"PROCESS_SERVICE_CHECK_RESULT;web02;Load;0;fine\\nso \\\\ far\\t<b>",
        "PROCESS_SERVICE_CHECK_RESULT;db01;Disk /var;3;what?",
        "PROCESS_SERVICE_CHECK_RESULT;db01;PostgreSQL;2;gone",
        "ENABLE_SVC_CHECK;db01;PostgreSQL",
        "ENABLE_HOST_CHECK;lonely",
        "ACKNOWLEDGE_SVC_PROBLEM;web02;Disk /var;1;0;1;ann;seen",
        "ACKNOWLEDGE_SVC_PROBLEM;web02;HTTP;1;0;1;ann;seen",
        "ACKNOWLEDGE_HOST_PROBLEM;lonely;1;0;1;ann;seen",
        f"SCHEDULE_HOST_DOWNTIME;web01;{window};ann;work",
        f"SCHEDULE_SVC_DOWNTIME;db01;Disk /var;{window};ann;work",
        "ADD_HOST_COMMENT;gateway;1;ann;look",
        "ENABLE_FLAP_DETECTION",
        f"PROCESS_HOST_CHECK_RESULT;{LONG};1;größer ☃",
        f"PROCESS_SERVICE_CHECK_RESULT;{LONG};{LONG_SERVICE};1;größer ☃|é=1",
        *(f"PROCESS_SERVICE_CHECK_RESULT;{LONG};flaps;{2 * (number % 2)};flaps" for number in range(24)),
        f"ADD_SVC_COMMENT;{LONG};{LONG_SERVICE};1;änn;näher ☃",
        "DISABLE_HOST_NOTIFICATIONS;gateway",
        "DISABLE_PASSIVE_SVC_CHECKS;gateway;Uplink",
        "DISABLE_PASSIVE_HOST_CHECKS;a&b %7",
        "DISABLE_HOST_EVENT_HANDLER;web02",
        "PROCESS_HOST_CHECK_RESULT;web03;0;up",
        "PROCESS_SERVICE_CHECK_RESULT;web03;HTTP;1;not for long",
        "ENABLE_EVENT_HANDLERS",
    ]


LOGGED = (
    "Nagios 4.4.6 starting... (PID=1)", "Caught SIGTERM, shutting down...", "Bailing out due to one or more errors",
    "Caught SIGHUP, restarting...", "HOST ALERT: h;DOWN;HARD;1;x", "HOST ALERT: h;UNREACHABLE;HARD;1;x",
    "HOST ALERT: h;UP;HARD;1;<b>&\"' größer", "HOST NOTIFICATION: c;h;DOWN;tell;x", "SERVICE ALERT: h;s;CRITICAL;HARD;1;x",
    "SERVICE ALERT: h;s;WARNING;HARD;1;x", "SERVICE ALERT: h;s;UNKNOWN;HARD;1;x", "SERVICE ALERT: h;s;OK;HARD;1;x",
    "SERVICE NOTIFICATION: c;h;s;OK;tell;x", "SERVICE EVENT HANDLER: h;s;OK;HARD;1;e", "HOST EVENT HANDLER: h;UP;HARD;1;e",
    "GLOBAL HOST EVENT HANDLER: h;UP;HARD;1;e", "EXTERNAL COMMAND: ADD_HOST_COMMENT;h;1;a;b", "PASSIVE SERVICE CHECK: h;s;0;x",
    "PASSIVE HOST CHECK: h;0;x", "LOG ROTATION: DAILY", "Entering active mode...", "Entering standby mode...",
    *(f"SERVICE FLAPPING ALERT: h;s;{word}; x" for word in ("STARTED", "STOPPED", "DISABLED")),
    *(f"HOST FLAPPING ALERT: h;{word}; x" for word in ("STARTED", "STOPPED", "DISABLED")),
    *(f"SERVICE DOWNTIME ALERT: h;s;{word}; x" for word in ("STARTED", "STOPPED", "CANCELLED")),
    *(f"HOST DOWNTIME ALERT: h;{word}; x" for word in ("STARTED", "STOPPED", "CANCELLED")),
    "CURRENT HOST STATE: h;UP;HARD;1;x", "TIMEPERIOD TRANSITION: a;0;1", "Warning: something",
)  # fmt: skip


def archived(core: CgiCore) -> None:
    """Two archives: one with a line of every kind, one of the day before."""
    core.archive(0, [(9000 - 200 * number, text) for number, text in enumerate(LOGGED)])
    core.archive(1, [(60, "Entering standby mode...")])


@contextmanager
def beside(core: CgiCore, cgi_cfg: str, users: Sequence[str], more: str = "") -> Iterator[tuple[Original, Box]]:
    """The core runs, the original's programs look at it, and ours stands in front of it: both know the same users."""
    folder = core.folder.parent / "original"
    folder.mkdir()
    (folder / "htpasswd").write_text("".join(f"{user}:{SHA}\n" for user in users))
    settings = f'cgi_cfg = "{folder / "cgi.cfg"}"\nhtpasswd = "{folder / "htpasswd"}"\n'
    original = Original(core, folder)
    with cores.running(core):
        original.prepare(cgi_cfg)
        with closing(original), boxed(core.folder.parent, core, settings=settings + more) as box:
            yield original, box


@contextmanager
def paired() -> Iterator[Pair]:
    """Both, told everything; `_cores_are_there` of conftest says whether they can run at all."""
    with cores.core_folder() as folder:
        core = PairCore(folder / "core", (*HOSTS, Host(LONG, (Service(LONG_SERVICE), Service("flaps")))), 1)
        with beside(core, CGI_CFG, USERS) as (original, box):
            archived(core)
            (core.folder / "answers" / "none").write_text(f"2\n{ACTIVE}\n")
            now = int(time.time())
            with core.command_file.open("w") as pipe:
                pipe.write("".join(f"[{now}] {line}\n" for line in told(now)))
            found = Pair(core, original, box, box.client(Accept="*/*"))
            settle(found)
            yield found


def settle(pair: Pair) -> None:
    """Wait until the core has carried out what it was told, and until ours has read what came of it."""

    def is_read() -> bool:
        """Rows that the log touched are taken from a status file of a later second."""
        queries = ("host=all", "hostgroup=all&style=hostdetail")
        return all(
            CELLS.findall(pair.theirs("status.cgi", query)) == CELLS.findall(pair.ours("status.cgi", query)) for query in queries
        )

    until(lambda: "featureEnabledHandlers" in pair.theirs("tac.cgi"), "the core carried out the last command")
    until(is_read, "ours read what came of it")


def read(pattern: re.Pattern[str], page: str) -> Facts:
    """What an expression finds, as text."""
    return [
        tuple(html.unescape(re.sub(r"<[^>]+>", "", part or "")).strip() for part in one.groups()) for one in pattern.finditer(page)
    ]
