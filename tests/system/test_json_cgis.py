"""The three JSON CGIs beside the originals: generated questions over one real core, answered by both, must be answered alike.

Where they differ on purpose, `api/cgi/json_cgis/differences.json` says so; each difference that shows in these questions has its
correction here, under the same name, and none may be without.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.resources import files
from typing import Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

import httpx
import pytest

from api.auth.contacts import ContactPolicy
from api.cgi.dates import Wall
from api.cgi.json_cgis.ask import ask
from api.cgi.json_cgis.surface import Option, surfaces
from engine.desk import Caller
from engine.state.history import indexes
from engine.state.scope import EVERYTHING, Scope
from engine.state.views import Reader
from tests.support import cores, oracle, plain_http
from tests.support.box import PASSWORD, Box, boxed
from tests.support.cgi_core import ADMIN, HOSTS, CgiCore, midnight_of
from tests.support.cores import freeze, thaw, until, wait_for_generation

pytestmark = pytest.mark.core

PROGRAMS = 4  # originals at a time
USERS = ("bob", "carl", "eve")  # a contact by name and by group, one by escalations, nobody
_DAY = 86400


# --- the core and its past ----------------------------------------------------------------------------------------------------


@dataclass
class Rig:
    """A core that stands still, Signalbox in front of it, and everything it wrote read."""

    core: CgiCore
    box: Box
    reader: Reader

    def ours(self, cgi: str, query: str, now: int, user: str = ADMIN, zone: str | None = None) -> Any:
        """Our answer, as of that second, of a core that is in that zone."""
        scope = EVERYTHING if user == ADMIN else self.scope(user)
        return json.loads(b"".join(ask(self.reader, scope, cgi, query.encode(), user, now, {1: Wall(zone)})))

    def scope(self, user: str) -> Scope:
        """What the core's own configuration lets that user see."""
        policy = ContactPolicy(self.core.folder / "cgi.cfg")
        return policy.limited(Caller(user, user, "operator", EVERYTHING, "")).scope

    def get(self, path: str, user: str = ADMIN, **form: str) -> httpx.Response:
        """Over HTTP, as any program asks."""
        url, auth = f"{self.box.url}{path}", (user, PASSWORD)
        return plain_http.post(url, data=form, auth=auth) if form else plain_http.get(url, auth=auth)


@pytest.fixture(scope="module")
def rig(_cores_are_there: None) -> Iterator[Rig]:
    with cores.core_folder() as folder:
        core = CgiCore(folder / "one", HOSTS, 1, extra="log_initial_states=1\nprocess_performance_data=1\n")
        with cores.running(core):
            _write_past(core)
            _make_history(core)
            users = folder / "users"
            users.write_text("".join(f"{name}:{{SHA}}{_hashed(PASSWORD)}\n" for name in (ADMIN, *USERS)))
            settings = f'cgi_cfg = "{core.folder / "cgi.cfg"}"\nhtpasswd = "{users}"\n'
            with boxed(folder, core, settings=settings) as box:
                freeze(core)
                try:
                    _wait_until_read(core, box)
                    with closing(Reader.open(box.data)) as reader:
                        yield Rig(core, box, reader)
                finally:
                    thaw(core)


def _hashed(password: str) -> str:
    return b64encode(hashlib.sha1(password.encode(), usedforsecurity=False).digest()).decode()


def _write_past(core: CgiCore) -> None:
    """Two days of logs, one of them with a stop of the core in it."""
    objects = [(host.name, service.description) for host in core.hosts for service in host.services]
    current = [f"CURRENT HOST STATE: {host.name};UP;HARD;1;fine" for host in core.hosts]
    current += [f"CURRENT SERVICE STATE: {host};{service};OK;HARD;1;fine" for host, service in objects]
    begin = [(_DAY - 1, line) for line in current]
    core.archive(1, [(_DAY, "Nagios 4.4.6 starting... (PID=7)"), *begin, *_PAST[0], (3600, "Caught SIGTERM, shutting down..."),
                     (3600, "Successfully shutdown... (PID=7)")])  # fmt: skip
    core.archive(0, [(_DAY - 600, "Nagios 4.4.6 starting... (PID=8)"), *begin, *_PAST[1]])


_PAST: tuple[list[tuple[int, str]], ...] = (
    [
        (80000, "HOST ALERT: web01;DOWN;SOFT;1;no answer"),
        (79000, "HOST ALERT: web01;DOWN;HARD;3;no answer; really"),
        (78990, "HOST NOTIFICATION: bob;web01;DOWN;tell;no answer"),
        (78900, "SERVICE ALERT: web01;HTTP;CRITICAL;HARD;3;refused"),
        (78800, "SERVICE NOTIFICATION: bob;web01;HTTP;CRITICAL;tell;refused"),
        (78000, "HOST ALERT: web03;UNREACHABLE;HARD;1;behind web01"),
        (77000, "HOST DOWNTIME ALERT: web01;STARTED; Host has entered a period of scheduled downtime"),
        (70000, "HOST DOWNTIME ALERT: web01;STOPPED; Host has exited from a period of scheduled downtime"),
        (69000, "HOST ALERT: web01;UP;HARD;1;back"),
        (69000, "HOST NOTIFICATION: bob;web01;UP;tell-louder;back"),
        (68000, "SERVICE ALERT: web01;HTTP;OK;HARD;3;answers"),
        (67000, "SERVICE ALERT: web02;Disk /var;WARNING;SOFT;1;8% free"),
        (66000, "SERVICE ALERT: web02;Disk /var;UNKNOWN;HARD;3;who knows"),
        (65000, "SERVICE NOTIFICATION: ann;web02;Disk /var;CUSTOM (UNKNOWN);tell;who knows;ann;look at it"),
        (64000, "SERVICE NOTIFICATION: ann;web02;Disk /var;ACKNOWLEDGEMENT (UNKNOWN);tell;who knows;ann;on it"),
        (63000, "SERVICE NOTIFICATION: carl;web02;Load;FLAPPINGSTART (OK);tell;flaps"),
        (62000, "HOST NOTIFICATION: carl;db01;ACKNOWLEDGEMENT (DOWN);tell;gone;carl;seen"),
        (61000, "HOST NOTIFICATION: carl;db01;FLAPPINGSTOP (UP);tell;calm"),
        (60000, "SERVICE DOWNTIME ALERT: db01;Disk /var;STARTED; Service has entered a period of scheduled downtime"),
    ],
    [
        (50000, "SERVICE ALERT: db01;PostgreSQL;CRITICAL;HARD;1;too many connections"),
        (49000, "SERVICE NOTIFICATION: ann;db01;PostgreSQL;WARNING;tell;slow"),
        (48000, "SERVICE NOTIFICATION: ann;db01;PostgreSQL;UNKNOWN;tell;lost"),
        (47000, "SERVICE NOTIFICATION: ann;db01;PostgreSQL;OK;tell;well"),
        (46000, "SERVICE DOWNTIME ALERT: db01;Disk /var;CANCELLED; Scheduled downtime for service has been cancelled."),
        (40000, "HOST ALERT: a&b %7;DOWN;HARD;1;100% gone"),
        (30000, "HOST ALERT: a&b %7;UP;HARD;1;100% back"),
        (20000, "SERVICE ALERT: a&b %7;Load;WARNING;HARD;1;high"),
    ],
)


def _make_history(core: CgiCore) -> None:
    """Bring objects into states, and comments and downtimes of every kind onto them."""
    now = int(time.time())
    for host, service, code, output in _STATES:
        core.set_state(host, service, code, output)
    until(lambda: _has(core, "web01", "Disk /var", 2), 10, "the states are there")
    core.send(
        "ACKNOWLEDGE_HOST_PROBLEM;web02;2;1;1;ann;on it",
        "ACKNOWLEDGE_SVC_PROBLEM;web01;Disk /var;1;0;0;bob;disk was ordered",
        "ADD_HOST_COMMENT;gateway;1;ann;persistent one",
        "ADD_SVC_COMMENT;web01;HTTP;0;bob;one that goes",
        f"SCHEDULE_HOST_DOWNTIME;db01;{now - 10};{now + 7200};1;0;7200;ann;fixed and running",
        f"SCHEDULE_HOST_DOWNTIME;web03;{now + 3600};{now + 7200};0;0;600;bob;flexible one",
        f"SCHEDULE_SVC_DOWNTIME;web01;Load;{now + 3600};{now + 9000};1;1;5400;carl;triggered by the first",
        "DISABLE_SVC_NOTIFICATIONS;web02;HTTP",
        "DISABLE_PASSIVE_SVC_CHECKS;web02;Load",
        "SEND_CUSTOM_HOST_NOTIFICATION;web01;2;ann;hello all",
    )
    until(lambda: b"triggered by the first" in core.status_file.read_bytes(), 10, "the downtimes are there")
    wait_for_generation(core)


_STATES = (
    ("gateway", "", 0, "PING OK|rta=1ms"),
    ("web01", "", 0, "fine"),
    ("web02", "", 1, 'down & "out" <b>'),
    ("web03", "", 1, "nobody knows"),
    ("gateway", "PING", 0, "OK"),
    ("gateway", "Uplink", 1, "slow|speed=3;5;9"),
    ("web01", "HTTP", 0, "200"),
    ("web01", "Disk /var", 2, "full\\nvery full\\nC:\\\\temp|used=99%"),
    ("web02", "HTTP", 3, "no idea"),
    ("db01", "PostgreSQL", 2, "down"),
    ("a&b %7", "Load", 1, "100%s of %d"),
)


def _has(core: CgiCore, host: str, service: str, state: int) -> bool:
    try:
        row = oracle.status_of(core.status_file, host, service)
    except (OSError, KeyError):
        return False
    return row.get("has_been_checked") == "1" and row.get("current_state") == str(state)


def _wait_until_read(core: CgiCore, box: Box) -> None:
    created = oracle.created(core.status_file)
    paths = [core.log_file, *(core.folder / "archives").iterdir()]

    sizes = sum(path.stat().st_size for path in paths)
    seen: list[object] = []

    def is_read() -> bool:
        # A reader of each look's own: the index's file is made anew when it is not whole.
        with closing(Reader.open(box.data)) as reader:
            view = reader.pollers(EVERYTHING)[0]
            known = indexes(reader, EVERYTHING)
        seen[:] = [view.created, created, known, sizes]
        return view.created == created and bool(known) and known[0].read_bytes == known[0].known_bytes == sizes

    try:
        until(is_read, 20, "everything the core wrote is read")
    except TimeoutError as error:
        raise AssertionError(f"{error}: {seen}") from None


# --- the questions ------------------------------------------------------------------------------------------------------------


def _values(cgi: str, query: str, option: Option, rig_now: int) -> Sequence[str]:
    """What is tried for an option."""
    start, end = int(midnight_of(2).timestamp()), int(midnight_of(0).timestamp())
    match option.name:
        case "hostname" | "servicegroupmemberhost" | "hostgroupmember" | "masterhostname" | "dependenthostname":
            return ("gateway", "web01", "a&b %7", "nowhere")
        case "parenthost" | "childhost":
            return ("gateway", "web01", "web03", "none", "nowhere")
        case "hostgroup" | "masterhostgroupname" | "dependenthostgroupname":
            return ("web", "all", "nothing", "nowhere")
        case "servicegroup" | "masterservicegroupname" | "dependentservicegroupname":
            return ("disks", "front", "nowhere")
        case "contactgroup":
            return ("admins", "operators", "nobodies", "nowhere")
        case "contactname" | "contactgroupmember":
            return ("ann", "bob", "carl", "nobody")
        case "servicedescription" | "servicegroupmemberservice" | "masterservicedescription" | "dependentservicedescription":
            return ("HTTP", "Disk /var", "no such")
        case "parentservice" | "childservice":
            return ("PING", "HTTP", "none", "no such")
        case "checktimeperiod" | "hostnotificationtimeperiod" | "servicenotificationtimeperiod":
            return ("always", "workhours", "never")
        case "timeperiod" if cgi == "archivejson.cgi":
            return ("always", "workhours")
        case "timeperiod":
            return ("always", "workhours", "nights", "never")
        case "command":
            return ("answer", "tell", "nothing")
        case "checkcommand":
            return ("answer", "tell", "nothing")
        case "eventhandler":
            return ("mend", "tell", "nothing")
        case "notificationmethod":
            return ("tell", "tell-louder", "shout")
        case "start":
            return ("1", "3", "-1", "x")
        case "count":
            return ("2", "1", "-1", "0")
        case "commentid" | "downtimeid" | "triggeredby":
            return ("1", "2", "3", "999", "x")
        case "starttime" | "endtime":
            return (str(start), str(end), "-86400", "-0")
        case "dateformat":
            return ("%Y-%m-%d", "%s")
        case "backtrackedarchives":
            return ("3",)
    if option.type == "boolean":
        return ("true", "false", "yes")
    words = list(option.values)
    if option.type == "enumeration":
        return (*words, "nonsense")
    return (*words, " ".join(words[:2]), " ".join(words), f"{words[0]} nonsense", "")


_NEEDED = {
    "host": "hostname=web01", "service": "hostname=web01&servicedescription=HTTP", "comment": "commentid=1",
    "downtime": "downtimeid=1",
    "hostgroup": "hostgroup=web", "servicegroup": "servicegroup=disks", "contact": "contactname=ann",
    "contactgroup": "contactgroup=admins", "timeperiod": "timeperiod=workhours", "command": "command=tell",
}  # fmt: skip


def _base(cgi: str, query: str) -> str:
    """A query that is complete."""
    if cgi != "archivejson.cgi":
        return "&".join(filter(None, [f"query={query}", _NEEDED.get(query, "")]))
    if query == "help":
        return "query=help"
    start, end = int(midnight_of(2).timestamp()), int(midnight_of(0).timestamp())
    more = {
        "statechangelist": "&objecttype=host&hostname=web01",
        "availability": "&availabilityobjecttype=hosts",
    }.get(query, "")
    return f"query={query}&starttime={start}&endtime={end}{more}"


def _questions(cgi: str) -> Iterator[str]:
    """Every query alone, with each of its options in turn, and some together."""
    surface = surfaces()[cgi]
    for query in surface.queries:
        base = _base(cgi, query)
        yield base
        yield f"{base}&formatoptions=enumerate+bitmask+duration"
        for option in surface.options.values():
            if option.name in ("query", "poller") or not {query, "all"} & {*option.required, *option.optional}:
                continue
            for value in _values(cgi, query, option, 0):
                pair = f"{option.name}={quote(value)}"
                kept = [part for part in base.split("&") if not part.startswith(f"{option.name}=")]
                yield "&".join([*kept, pair])
                if option.name in ("hoststatus", "servicestatus", "contactname", "hostgroup") and query.endswith("list"):
                    yield "&".join([*kept, pair, "details=true", "formatoptions=enumerate"])
        if "details" in surface.options and query.endswith("list"):
            yield f"{base}&details=true&formatoptions=bitmask+enumerate"
            yield f"{base}&details=true&start=1&count=2"
    yield from _MORE.get(cgi, ())
    yield from ("", "query=nonsense", "nonsense=1&query=help", "query=")


def _archive_more() -> Sequence[str]:
    start, end = int(midnight_of(2).timestamp()), int(midnight_of(0).timestamp())
    window = f"starttime={start}&endtime={end}"
    middle = f"starttime={start + 20000}&endtime={end - 30000}"
    some = [f"query=statechangelist&objecttype=service&{window}&hostname=web01&servicedescription=HTTP",
            f"query=statechangelist&objecttype=service&{middle}&hostname=web02&servicedescription=Disk%20/var",
            f"query=statechangelist&objecttype=host&{middle}&hostname=web01&assumedinitialhoststate=up",
            "query=alertlist", f"query=alertlist&starttime={end}&endtime={start}", f"query=availability&{window}",
            f"query=statechangelist&{window}", f"query=statechangelist&objecttype=service&{window}&hostname=web01"]  # fmt: skip
    for kind in ("hosts", "services", "hostgroups", "servicegroups"):
        asked = f"query=availability&availabilityobjecttype={kind}"
        for period in (window, middle, f"starttime={start + 5}&endtime={start + 6000}", f"starttime={end - 4000}&endtime={end}"):
            some += [f"{asked}&{period}", f"{asked}&{period}&assumestatesduringnagiosdowntime=false",
                     f"{asked}&{period}&timeperiod=workhours&formatoptions=duration", f"{asked}&{period}&statetypes=hard",
                     f"{asked}&{period}&assumeinitialstate=false"]  # fmt: skip
        some += [f"{asked}&{middle}&hostname=web01", f"{asked}&{middle}&hostname=web01&servicedescription=HTTP",
                 f"{asked}&{middle}&servicedescription=HTTP", f"{asked}&{middle}&hostgroup=web",
                 f"{asked}&{middle}&servicegroup=disks", f"{asked}&{middle}&hostname=nowhere"]  # fmt: skip
    return some


_MORE: dict[str, Sequence[str]] = {
    "statusjson.cgi": (
        "query=hostlist&hosttimefield=lastcheck&starttime=-600&endtime=-0",
        "query=hostlist&hosttimefield=lastcheck&starttime=-600&endtime=%2B60&details=true",
        "query=servicelist&servicetimefield=laststatechange&endtime=%2B60",
        "query=servicelist&servicetimefield=lasttimeok&starttime=1",
        "query=commentlist&commenttimefield=entrytime&starttime=-600&details=true",
        "query=downtimelist&downtimetimefield=endtime&starttime=%2B8000&details=true",
        "query=servicelist&hostname=web01&servicedescription=HTTP&details=true&dateformat=%25Y",
        "query=hostlist&starttime=5",
        "query=service&hostname=web01",
        "query=service&hostname=nowhere",
        "query=service&hostname=web01&servicedescription=nothing",
        "query=service&hostname=web01&servicedescription=Disk%20/var&formatoptions=whitespace+enumerate",
        "query=commentlist&hostname=web01&servicedescription=HTTP&details=true",
        "query=downtimelist&triggeredby=1&details=true",
    ),
    "objectjson.cgi": (
        "query=service&hostname=gateway&servicedescription=PING",
        "query=service&hostname=db01&servicedescription=PostgreSQL&formatoptions=enumerate+bitmask",
        "query=host&hostname=gateway&formatoptions=enumerate+bitmask",
        "query=servicegrouplist&servicegroupmemberhost=web01",
        "query=servicegrouplist&servicegroupmemberhost=web01&servicegroupmemberservice=HTTP",
        "query=servicegroupcount&servicegroupmemberhost=web01&servicegroupmemberservice=no",
        "query=contact&contactname=ann&formatoptions=bitmask",
    ),
    "archivejson.cgi": _archive_more(),
}


# --- the differences ----------------------------------------------------------------------------------------------------------

Answer = dict[str, Any]
Correction = Callable[[str, str, Answer, Answer], None]
_UNORDERED = {
    "parent_hosts", "child_hosts", "services", "contacts", "contact_groups", "members", "parents", "children",
    "host_notification_commands", "service_notification_commands", "servicedependencylist", "serviceescalationlist",
    "hostdependencylist", "hostescalationlist",
}  # fmt: skip


def _each(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a value."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _each(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _each(inner)


def _percent(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for answer in (ours, theirs):
        for found in _each(answer):
            for key, value in found.items():
                if isinstance(value, list):
                    found[key] = [item for item in value if not (isinstance(item, str) and "%" in item)]
        hosts = answer["data"].get("servicelist")
        if isinstance(hosts, dict):
            answer["data"]["servicelist"] = {host: services for host, services in hosts.items() if services}


def _order(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for answer in (ours, theirs):
        for found in _each(answer):
            for key, value in found.items():
                if key in _UNORDERED and isinstance(value, list):
                    found[key] = sorted(value, key=json.dumps)


def _semicolons(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for found in _each(ours):
        variables = found.get("custom_variables")
        if isinstance(variables, dict):
            found["custom_variables"] = {name: value.partition(";")[0] for name, value in variables.items()}


def _help(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for answer in (ours, theirs):
        options = answer["data"].get("options")
        if options:
            options.pop("poller", None)
            for option in options.values():
                del option["description"]
                if "valid_values" in option:
                    option["valid_values"] = list(option["valid_values"])


def _head(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for answer in (ours, theirs):
        for name in ("query_time", "last_data_update"):
            answer["result"].pop(name, None)
        if answer["result"]["type_code"]:
            answer["result"].pop("program_start", None)


def _no_query(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    if "query" not in ours["result"] and ours["result"]["type_code"] == 4:
        for answer in (ours, theirs):
            answer["result"]["message"] = ""


def _empty_hosts(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    found = theirs["data"].get("servicelist")
    if isinstance(found, dict):
        theirs["data"]["servicelist"] = {host: services for host, services in found.items() if services}


def _passive_average(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for answer in (ours, theirs):
        if "performancedata" in query and "programstatus" in answer["data"]:
            for kind in ("service_checks", "host_checks"):
                del answer["data"]["programstatus"][kind]["passive"]["metrics"]["percent_state_change"]["average"]


def _servicegroup_services(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for group in ours["data"].get("servicegroups", []):
        assert group.pop("services") == group["hosts"]


def _final_state(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    if query.startswith("query=statechangelist"):
        for answer in (ours, theirs):
            found = answer["data"].get("statechangelist", [])
            answer["data"]["statechangelist"] = [entry for entry in found if not entry["plugin_output"].startswith("Final")]


def _nothing_known(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    """The original gives no time at all to what it knows nothing of; ours is then all without data."""
    for mine, other in zip(_reports(ours["data"]), _reports(theirs["data"]), strict=False):
        known = [name for name in mine if "time_" in name and "indeterminate" not in name]
        if not any(_spent(other[name]) for name in other if "time_" in name) and not any(_spent(mine[name]) for name in known):
            mine.update({name: other[name] for name in mine if "indeterminate" in name})


def _reports(data: Any) -> list[dict[str, Any]]:
    return [found for found in _each(data) if "time_indeterminate_nodata" in found]


def _spent(value: object) -> bool:
    return value not in (0, "0d 0h 0m 0s")


def _contact(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for answer in (ours, theirs):
        for entry in answer["data"].get("notificationlist", []):
            del entry["contact"]


CORRECTIONS: dict[str, Correction] = {
    "percent": _percent,
    "order": _order,
    "semicolons": _semicolons,
    "help": _help,
    "head": _head,
    "no-query": _no_query,
    "empty-hosts": _empty_hosts,
    "passive-average": _passive_average,
    "servicegroup-services": _servicegroup_services,
    "final-state": _final_state,
    "nothing-known": _nothing_known,
    "notification-contact": _contact,
}

# Questions whose answers cannot be compared as they are, by the difference that says why.
LEFT_OUT: dict[str, Callable[[str, str], object]] = {
    "hoststatus-of-services": lambda cgi, query: re.search(r"query=service(list|count).*hoststatus=(?!.*nonsense)", query),
    "notification-contact": lambda cgi, query: re.search(r"query=notification\w+.*contactname=", query),
    "links-start": lambda cgi, query: re.search(r"query=\w+(dependency|escalation)list&.*(start|count)=[1-9]", query),
    "no-end": lambda cgi, query: (
        cgi == "archivejson.cgi" and "starttime=" not in query.partition("endtime=")[0] + query.partition("endtime=")[2]
    ),
    "current-state": lambda cgi, query: re.search(r"assumedinitial\w+state=current", query),
}


def _first_difference(ours: Any, theirs: Any, path: str = "") -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in {**theirs, **ours}:
            if key not in ours or key not in theirs:
                where, found = ("ours", ours) if key in ours else ("the original", theirs)
                return f"{path}.{key}: only in {where}: {json.dumps(found[key])[:200]}"
            if ours[key] != theirs[key]:
                return _first_difference(ours[key], theirs[key], f"{path}.{key}")
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for at, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            if mine != other:
                return _first_difference(mine, other, f"{path}[{at}]")
    return f"{path}: ours {json.dumps(ours)[:300]}, the original {json.dumps(theirs)[:300]}"


@pytest.mark.parametrize("cgi", ["statusjson.cgi", "objectjson.cgi", "archivejson.cgi"])
def test_answers_are_those_of_the_original(rig: Rig, cgi: str, tell: Callable[[str], None]) -> None:
    questions = list(dict.fromkeys(_questions(cgi)))
    with ThreadPoolExecutor(PROGRAMS) as pool:
        originals = dict(zip(questions, pool.map(partial(rig.core.original, cgi), questions), strict=True))
    found = [difference for query in questions if (difference := _judged(rig, cgi, query, originals[query]))]
    tell(f"{cgi}: {len(questions)} questions, {len(found)} answered otherwise than by the original")
    assert not found, "\n".join([f"{len(found)} of {len(questions)}", *found[:60]])


def _seconds(written: object, query: str) -> int:
    """The second at which the original answered; our now where it wrote that otherwise."""
    return written // 1000 if isinstance(written, int) else int(time.time())


def _judged(rig: Rig, cgi: str, query: str, original: bytes, user: str = ADMIN, *more: Correction) -> str:
    if any(rule(cgi, query) for rule in LEFT_OUT.values()):
        return ""
    try:
        theirs = json.loads(original.decode("utf-8", "replace"))
    except ValueError as error:
        return f"{cgi}?{query}\n  the original: {error}: {original[:200]!r}"
    ours = rig.ours(cgi, query, _seconds(theirs["result"]["query_time"], query), user)
    for correct in (*CORRECTIONS.values(), *more):
        correct(cgi, query, ours, theirs)
    return "" if ours == theirs else f"{cgi}?{query}\n  {_first_difference(ours, theirs)}"


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
def test_times_are_told_in_the_cores_zone(rig: Rig, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The original takes the zone of its web server; ours that of the poller, wherever Signalbox itself runs."""
    start, end = int(midnight_of(2).timestamp()), int(midnight_of(0).timestamp())
    window = f"starttime={start}&endtime={end}"
    shape = "dateformat=" + quote("%Y-%m-%d %H:%M:%S %Z %z %a")
    asked = [
        ("statusjson.cgi", f"query=hostlist&details=true&{shape}"), ("statusjson.cgi", "query=servicelist&details=true"),
        ("statusjson.cgi", f"query=service&hostname=web01&servicedescription=HTTP&{shape}"),
        ("statusjson.cgi", f"query=commentlist&details=true&{shape}"),
        ("statusjson.cgi", f"query=downtimelist&details=true&{shape}"),
        ("statusjson.cgi", f"query=programstatus&{shape}"),
    ]  # fmt: skip
    here = {query: rig.ours(cgi, query, end) for cgi, query in asked}
    monkeypatch.setenv("TZ", zone)
    wrong: list[str] = []
    for cgi, query in asked:
        theirs, ours = json.loads(rig.core.original(cgi, query)), rig.ours(cgi, query, int(time.time()), zone=zone)
        for correct in CORRECTIONS.values():
            correct(cgi, query, ours, theirs)
        wrong += [f"{cgi}?{query}\n  {_first_difference(ours, theirs)}"] if ours != theirs else []
        if "dateformat" in query:
            assert rig.ours(cgi, query, end, zone=zone)["data"] != here[query]["data"], f"{query} shows no zone"
    assert not wrong, "\n".join(wrong)
    # Which archives the original reads depends on its zone, too: here the moments themselves are the judge.
    for query in ("alertlist", "notificationlist", "statechangelist&objecttype=host&hostname=web01"):
        key = query.partition("&")[0]
        plain, told = (rig.ours("archivejson.cgi", f"query={query}&{window}{more}", end, zone=zone) for more in ("", f"&{shape}"))
        moments = [datetime.fromtimestamp(entry["timestamp"] // 1000, ZoneInfo(zone)) for entry in plain["data"][key]]
        assert moments
        assert [f"{at:%Y-%m-%d %H:%M:%S %Z %z %a}" for at in moments] == [entry["timestamp"] for entry in told["data"][key]]


def test_every_correction_is_documented() -> None:
    """A difference that only the test knows of would be a mistake that nobody is told of."""
    documented = {entry["name"] for entry in json.loads(files("api.cgi.json_cgis").joinpath("differences.json").read_text("utf-8"))}
    assert documented >= {"names-around", *CORRECTIONS, *LEFT_OUT}


# --- what the original cannot be asked ------------------------------------------------------------------------------------------


def test_contacts_are_those_of_the_log(rig: Rig) -> None:
    """The original mixes contacts up; the log's own lines say whom each notification went to."""
    start, end = int(midnight_of(2).timestamp()), int(midnight_of(0).timestamp())
    window = f"query=notificationlist&starttime={start}&endtime={end}"
    lines = [text.partition(": ")[2].split(";")[0] for past in _PAST for _, text in past if "NOTIFICATION: " in text]
    told = rig.ours("archivejson.cgi", window, end)["data"]["notificationlist"]
    assert [entry["contact"] for entry in told] == lines
    for contact in ("ann", "bob", "carl", "nobody"):
        count = rig.ours("archivejson.cgi", f"query=notificationcount&starttime={start}&endtime={end}&contactname={contact}", end)
        assert count["data"]["count"] == lines.count(contact)


def test_services_by_the_state_of_their_host(rig: Rig) -> None:
    """`hoststatus` of services, which the original ignores: the services of exactly those hosts."""
    now = int(time.time())
    for status in ("up", "down", "pending", "up down"):
        asked = f"hoststatus={quote(status)}"
        hosts = rig.ours("statusjson.cgi", f"query=hostlist&{asked}", now)["data"]["hostlist"]
        every = rig.ours("statusjson.cgi", "query=servicelist", now)["data"]["servicelist"]
        found = rig.ours("statusjson.cgi", f"query=servicelist&{asked}", now)["data"]
        assert found["servicelist"] == {host: services for host, services in every.items() if host in hosts}
        assert found["selectors"]["host_status"]


def test_a_plus_in_the_query_means_from_now_on(rig: Rig) -> None:
    """`endtime=+0` reaches us as a blank and a nought; the year 1970 was not meant."""
    now = int(time.time())
    told = rig.ours("archivejson.cgi", "query=alertcount&starttime=-864000&endtime=+0", now)
    assert told["data"]["selectors"]["endtime"] == now * 1000
    assert told["data"]["count"] > 8
    assert rig.ours("archivejson.cgi", "query=alertcount&starttime=-864000", now)["data"]["count"] == told["data"]["count"]


# --- over HTTP, and by others ---------------------------------------------------------------------------------------------------


def test_over_http(rig: Rig) -> None:
    """Programs ask by GET and by POST, below any of the usual paths, with HTTP Basic, and get the same answer as ask() gives."""
    for path in ("/nagios/cgi-bin", "/nagios4/cgi-bin", "/cgi-bin/nagios4"):
        answer = rig.get(f"{path}/statusjson.cgi?query=servicelist&details=true")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        found, asked = answer.json(), rig.ours("statusjson.cgi", "query=servicelist&details=true", int(time.time()))
        assert found["data"] == asked["data"]
        assert found["result"]["user"] == ADMIN
    by_form = rig.get("/nagios/cgi-bin/objectjson.cgi", query="host", hostname="a&b %7")
    assert by_form.json()["data"]["host"]["alias"] == "odd & end"
    counted = rig.get("/nagios/cgi-bin/archivejson.cgi?query=alertcount&starttime=-864000&endtime=%2B0")
    assert counted.json()["data"]["count"] > 8
    wrong = rig.get("/nagios/cgi-bin/statusjson.cgi?query=host&hostname=nowhere")
    assert (wrong.status_code, wrong.json()["result"]["type_code"]) == (200, 6)
    refused = plain_http.get(f"{rig.box.url}/nagios/cgi-bin/statusjson.cgi?query=hostlist")
    assert refused.status_code == 401
    assert "Nagios Access" in refused.headers["WWW-Authenticate"]
    theirs = rig.get("/nagios/cgi-bin/statusjson.cgi?query=hostlist", "bob")
    assert 0 < len(theirs.json()["data"]["hostlist"]) < len(HOSTS)


_OTHERS_ASK = ("hostcount", "hostlist", "servicecount", "servicelist", "hostgroupcount", "hostgrouplist", "servicegroupcount",
               "servicegrouplist", "performancedata", "alertcount", "alertlist", "notificationcount", "notificationlist",
               "availability")  # fmt: skip


@pytest.mark.parametrize("user", USERS)
def test_others_see_what_the_original_shows_them(rig: Rig, user: str, tell: Callable[[str], None]) -> None:
    """The same questions by users of different rights. What names something out of their sight is unknown to us."""
    seen = _seen_by(rig, user)
    count, found = 0, []
    for cgi in surfaces():
        asked = [query for query in dict.fromkeys(_questions(cgi)) if _query_of(query) in _OTHERS_ASK]
        with ThreadPoolExecutor(PROGRAMS) as pool:
            originals = list(pool.map(partial(rig.core.original, cgi, user=user), asked))
        for query, original in zip(asked, originals, strict=True):
            if not _names_the_unseen(query, seen):
                count += 1
                found.append(_judged(rig, cgi, query, original, user, partial(_names_around, seen["host"])))
    wrong = list(filter(None, found))
    tell(f"{user}: {count} questions, {len(wrong)} answered otherwise than by the original")
    assert count > 300
    assert not wrong, "\n".join([f"{len(wrong)} of {count}", *wrong[:40]])


def _query_of(query: str) -> str:
    found = re.search(r"(?:^|&)query=(\w+)", query)
    return found[1] if found else ""


def _seen_by(rig: Rig, user: str) -> dict[str, set[str]]:
    """Names of hosts and groups that the original lists for a user."""
    names = {}
    for kind in ("host", "hostgroup", "servicegroup"):
        answer = json.loads(rig.core.original("objectjson.cgi", f"query={kind}list&details=true", user))
        names[kind] = set(answer["data"][f"{kind}list"])
    return names


def _names_around(hosts: set[str], cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    """Hosts out of sight are not named by those in sight; a service's contact is told of it on whichever host."""
    for answer, keys in ((theirs, ("child_hosts", "parent_hosts")), (theirs, _SERVICES), (ours, _SERVICES)):
        for found in _each(answer):
            for key in keys:
                if isinstance(found.get(key), list) and (answer is theirs or not all(isinstance(one, str) for one in found[key])):
                    found[key] = [one for one in found[key] if (one["host_name"] if isinstance(one, dict) else one) in hosts]


_SERVICES = ("members", "parents", "children")


_NAMING = {
    "host": r"(?:hostname|parenthost|childhost|hostgroupmember|servicegroupmemberhost)",
    "hostgroup": r"hostgroup",
    "servicegroup": r"servicegroup",
}


def _names_the_unseen(query: str, seen: dict[str, set[str]]) -> bool:
    for kind, options in _NAMING.items():
        for name in re.findall(rf"(?:^|&){options}=([^&]*)", query):
            if unquote(name) not in {*seen[kind], "none"}:
                return True
    return False


def test_what_is_out_of_sight_is_unknown(rig: Rig) -> None:
    """The original answers single objects, comments and downtimes to everybody; ours to those who may see them."""
    now = int(time.time())
    service = "query=service&hostname=gateway&servicedescription=PING"
    for query in ("query=host&hostname=gateway", service, "query=downtime&downtimeid=1", "query=comment&commentid=1"):
        assert rig.ours("statusjson.cgi", query, now, ADMIN)["result"]["type_code"] == 0
        assert rig.ours("statusjson.cgi", query, now, "eve")["result"]["type_code"] == 6
    for kind in ("comment", "downtime"):
        assert rig.ours("statusjson.cgi", f"query={kind}count", now, "eve")["data"]["count"] == 0
        assert rig.ours("statusjson.cgi", f"query={kind}list", now, "eve")["data"][f"{kind}list"] == []
    for kind in ("contact", "command", "timeperiod", "hostdependency", "serviceescalation"):
        assert rig.ours("objectjson.cgi", f"query={kind}count", now, "eve")["data"]["count"] == 0
        assert rig.ours("objectjson.cgi", f"query={kind}count", now, ADMIN)["data"]["count"] > 0
