"""The three JSON CGIs beside the originals: generated questions over one real core, answered by both, must be answered alike.

Where they differ on purpose, `api/cgi/json_cgis/differences.json` says so; each difference that shows in these questions has its
correction in tests/support/json_differences.py, under the same name, and none may be without.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
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
from api.cgi.json_cgis.surface import surfaces
from engine.desk import Caller
from engine.state.scope import EVERYTHING, Scope
from engine.state.views import Reader
from tests.support import cores, plain_http
from tests.support.box import PASSWORD, Box, boxed
from tests.support.cgi_core import ADMIN, HOSTS, CgiCore, midnight_of
from tests.support.cores import freeze, thaw
from tests.support.json_differences import CORRECTIONS, LEFT_OUT, Answer, Correction, each, first_difference
from tests.support.json_past import PAST, make_history, wait_until_read, write_past
from tests.support.json_questions import questions_of

pytestmark = pytest.mark.core

PROGRAMS = 4  # originals at a time
USERS = ("bob", "carl", "eve")  # a contact by name and by group, one by escalations, nobody


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
            write_past(core)
            make_history(core)
            users = folder / "users"
            users.write_text("".join(f"{name}:{{SHA}}{_hashed(PASSWORD)}\n" for name in (ADMIN, *USERS)))
            settings = f'cgi_cfg = "{core.folder / "cgi.cfg"}"\nhtpasswd = "{users}"\n'
            with boxed(folder, core, settings=settings) as box:
                freeze(core)
                try:
                    wait_until_read(core, box)
                    with closing(Reader.open(box.data)) as reader:
                        yield Rig(core, box, reader)
                finally:
                    thaw(core)


def _hashed(password: str) -> str:
    return b64encode(hashlib.sha1(password.encode(), usedforsecurity=False).digest()).decode()


# --- beside the original ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cgi", ["statusjson.cgi", "objectjson.cgi", "archivejson.cgi"])
def test_answers_are_those_of_the_original(rig: Rig, cgi: str, tell: Callable[[str], None]) -> None:
    questions = list(dict.fromkeys(questions_of(cgi)))
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
    return "" if ours == theirs else f"{cgi}?{query}\n  {first_difference(ours, theirs)}"


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
        wrong += [f"{cgi}?{query}\n  {first_difference(ours, theirs)}"] if ours != theirs else []
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
    lines = [text.partition(": ")[2].split(";")[0] for past in PAST for _, text in past if "NOTIFICATION: " in text]
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
        asked = [query for query in dict.fromkeys(questions_of(cgi)) if _query_of(query) in _OTHERS_ASK]
        with ThreadPoolExecutor(PROGRAMS) as pool:
            originals = list(pool.map(partial(rig.core.original, cgi, user=user), asked))
        for query, original in zip(asked, originals, strict=True):
            if not _names_the_unseen(query, seen):
                count += 1
                found.append(_judged(rig, cgi, query, original, user, partial(_names_around, seen)))
    wrong = list(filter(None, found))
    tell(f"{user}: {count} questions, {len(wrong)} answered otherwise than by the original")
    assert count > 300
    assert not wrong, "\n".join([f"{len(wrong)} of {count}", *wrong[:40]])


def _query_of(query: str) -> str:
    found = re.search(r"(?:^|&)query=(\w+)", query)
    return found[1] if found else ""


def _seen_by(rig: Rig, user: str) -> dict[str, set[str]]:
    """Names of hosts and groups that the original lists for a user; of what it lists for everybody, those that ours does."""
    names = {}
    for kind in ("host", "hostgroup", "servicegroup"):
        answer = json.loads(rig.core.original("objectjson.cgi", f"query={kind}list&details=true", user))
        names[kind] = set(answer["data"][f"{kind}list"])
    for kind in ("contact", "contactgroup", "timeperiod", "command"):
        names[kind] = set(rig.ours("objectjson.cgi", f"query={kind}list", int(time.time()), user)["data"][f"{kind}list"])
    names["handler"] = {"mend"} if names["host"] & {"gateway", "web03"} else set()
    return names


def _names_around(seen: dict[str, set[str]], cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    """Hosts out of sight are not named by those in sight, nor groups; a service's contact is told of it on whichever host."""
    hosts = seen["host"]
    for kind in ("hostgroup", "servicegroup"):
        if isinstance(theirs["data"].get(f"{kind}s"), list):
            theirs["data"][f"{kind}s"] = [group for group in theirs["data"][f"{kind}s"] if group["name"] in seen[kind]]
    for answer, keys in ((theirs, ("child_hosts", "parent_hosts")), (theirs, _SERVICES), (ours, _SERVICES)):
        for found in each(answer):
            for key in keys:
                if isinstance(found.get(key), list) and (answer is theirs or not all(isinstance(one, str) for one in found[key])):
                    found[key] = [one for one in found[key] if (one["host_name"] if isinstance(one, dict) else one) in hosts]


_SERVICES = ("members", "parents", "children")


_NAMING = {
    "host": r"(?:hostname|parenthost|childhost|hostgroupmember|servicegroupmemberhost)",
    "hostgroup": r"hostgroup",
    "servicegroup": r"servicegroup",
    "contact": r"(?:contactname|contactgroupmember)",
    "contactgroup": r"contactgroup",
    "timeperiod": r"(?:timeperiod|checktimeperiod|hostnotificationtimeperiod|servicenotificationtimeperiod)",
    "command": r"checkcommand",
    "handler": r"eventhandler",
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
    for kind in ("hostgroups", "servicegroups"):
        query = f"query=availability&availabilityobjecttype={kind}&starttime=-86400&endtime=%2B0"
        assert rig.ours("archivejson.cgi", query, now, "eve")["data"][kind] == []
        assert rig.ours("archivejson.cgi", query, now, ADMIN)["data"][kind]


@pytest.mark.parametrize(
    ("cgi", "query", "name"),
    [
        ("statusjson.cgi", "query=hostcount&contactname=", "ann"),
        ("statusjson.cgi", "query=servicecount&contactgroup=", "admins"),
        ("statusjson.cgi", "query=hostcount&checktimeperiod=", "workhours"),
        ("statusjson.cgi", "query=servicecount&checkcommand=", "answer"),
        ("statusjson.cgi", "query=hostcount&eventhandler=", "mend"),
        ("objectjson.cgi", "query=contactgroupcount&contactgroupmember=", "ann"),
        ("objectjson.cgi", "query=hostescalationcount&contactname=", "carl"),
        ("archivejson.cgi", "query=alertcount&objecttypes=host&starttime=-86400&endtime=%2B0&contactname=", "ann"),
        ("archivejson.cgi", "query=availability&availabilityobjecttype=hosts&starttime=-9&endtime=%2B0&timeperiod=", "workhours"),
    ],
)
def test_no_selector_tells_what_is_out_of_sight(rig: Rig, cgi: str, query: str, name: str) -> None:
    """By a name that somebody guesses he learns no contact, command or timeperiod of others."""
    now = int(time.time())
    told = [json.dumps(rig.ours(cgi, query + word, now, "eve")).replace(word, "NAME") for word in (name, "no-such-name")]
    assert told[0] == told[1]
    assert rig.ours(cgi, query + name, now, ADMIN)["result"]["type_code"] == 0
