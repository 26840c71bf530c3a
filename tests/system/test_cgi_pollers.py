"""The CGIs over two real cores that have every name in common, one of them far away, beside the originals of each.

What contrib/cgi-commands.md says of cmd.cgi is tried here on both sides; the core in the other zone is stopped in the end.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.support import cores, oracle, plain_http
from tests.support.box import Box
from tests.support.cgi_core import ADMIN, HOSTS, CgiCore
from tests.support.cgi_differences import FAILED, REFUSED, SUCCESS, Difference, differences
from tests.support.cgi_programs import Original, message_of, query_of
from tests.support.cores import PATIENCE_S, until, until_same

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[2]
ZONE = "Asia/Kolkata"
BASIC = (ADMIN, "pass")
CGI_CFG = f"use_authentication=1\nauthorized_for_system_commands={ADMIN}\n" + "".join(
    f"authorized_for_all_{right}={ADMIN},admin\n" for right in ("hosts", "services", "host_commands", "service_commands")
)
CGI_CFG += "authorized_contactgroup_for_read_only=operators\n"


class South(CgiCore):
    """Here bob is none of the operators."""

    def configuration(self) -> dict[Path, str]:
        found = super().configuration()
        found[self.folder / "objects.cfg"] = found[self.folder / "objects.cfg"].replace("members bob,carl", "members carl")
        return found


@dataclass
class Side:
    """One core and its own CGIs."""

    core: CgiCore
    original: Original

    def commands(self) -> list[str]:
        """What the core took, by its own log."""
        log = self.core.log_file.read_text("utf-8", "replace")
        return [line.rstrip(";") for line in re.findall(r"EXTERNAL COMMAND: (?!_SIGNALBOX_)(.*)\n", log)]


@dataclass
class World:
    north: Side
    south: Side
    box: Box

    def commit(self, asked: list[tuple[str, str]], user: str = ADMIN) -> httpx.Response:
        return plain_http.post(
            f"{self.box.url}/nagios/cgi-bin/cmd.cgi", content=query_of([("cmd_mod", "2"), *asked]), auth=(user, "pass"),
            timeout=PATIENCE_S,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )  # fmt: skip

    def get(self, cgi: str, query: str) -> str:
        return plain_http.get(f"{self.box.url}/nagios/cgi-bin/{cgi}?{query}", auth=BASIC, timeout=PATIENCE_S).text

    def counts(self) -> tuple[int, int]:
        return len(self.north.commands()), len(self.south.commands())

    def since(self, counts: tuple[int, int]) -> tuple[list[str], list[str]]:
        return self.north.commands()[counts[0] :], self.south.commands()[counts[1] :]


@pytest.fixture(scope="module")
def world(_cores_are_there: None) -> Iterator[World]:
    with cores.core_folder() as folder:
        north = CgiCore(folder / "north", HOSTS, 1)
        south = South(folder / "south", HOSTS, 1, extra=f"use_timezone=:{ZONE}\ndate_format=iso8601\n")
        users = folder / "htpasswd"
        users.write_text("".join(f"{name}:{{SHA}}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n" for name in (ADMIN, "bob", "carl")))
        sides = []
        for core, zone in ((north, ""), (south, ZONE)):
            (folder / f"original-{core.folder.name}").mkdir()
            sides.append(Side(core, Original(core, folder / f"original-{core.folder.name}", zone)))
        dangerous = '["RESTART_PROCESS", "SHUTDOWN_PROCESS"]'
        with cores.running(north, south):
            for side in sides:
                side.original.prepare(CGI_CFG)
            cgi_cfg = sides[0].original.folder / "cgi.cfg"
            settings = f'cgi_cfg = "{cgi_cfg}"\nhtpasswd = "{users}"\ndangerous_commands = {dangerous}\ncgi_wait_s = {PATIENCE_S}\n'
            box = Box(folder / "box", (north, south))
            box.prepare()
            # As most have it: what a core says of itself is read from its own configuration.
            pollers = "".join(
                f'[[poller]]\nname = "{core.folder.name}"\nmain_config = "{core.config_file}"\n' for core in (north, south)
            )
            (box.folder / "signalbox.toml").write_text(settings + pollers)
            with closing(sides[0].original), closing(sides[1].original), closing(box):
                box.start()
                box.wait_ready()
                yield World(sides[0], sides[1], box)


# --- names on both ------------------------------------------------------------------------------------------------------------


def test_a_name_on_two_cores_is_asked_about(world: World) -> None:
    before = world.counts()
    answer = world.commit([("cmd_typ", "24"), ("host", "web01")])
    assert message_of(answer.text) == FAILED
    assert "north" in answer.text and "south" in answer.text and "poller=" in answer.text
    assert world.since(before) == ([], [])
    assert message_of(world.commit([("cmd_typ", "24"), ("host", "web01"), ("poller", "west")]).text) == REFUSED
    assert SUCCESS in world.commit([("cmd_typ", "24"), ("host", "web01"), ("poller", "north")]).text
    assert world.since(before) == (["ENABLE_HOST_NOTIFICATIONS;web01"], [])
    assert SUCCESS in world.commit([("cmd_typ", "25"), ("host", "web01"), ("poller", "2")]).text
    assert world.since(before) == (["ENABLE_HOST_NOTIFICATIONS;web01"], ["DISABLE_HOST_NOTIFICATIONS;web01"])


def test_a_form_names_no_poller_out_of_sight(world: World) -> None:
    """Of a target that is not found the form shows some poller's times: one in sight."""
    token = world.box.add_user("kim", "operator", "--poller", "2")
    url = f"{world.box.url}/nagios/cgi-bin/cmd.cgi?cmd_mod=1&cmd_typ=55&host=nowhere"
    page = plain_http.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S).text
    assert f"Times are those of south, {ZONE}" in page and "north" not in page


def test_groups_are_on_every_core_and_the_whole_core_is_named(world: World) -> None:
    before = world.counts()
    assert SUCCESS in world.commit([("cmd_typ", "65"), ("hostgroup", "web")]).text
    assert world.since(before) == (["ENABLE_HOSTGROUP_HOST_NOTIFICATIONS;web"],) * 2
    assert message_of(world.commit([("cmd_typ", "12")]).text) == FAILED
    assert world.since(before) == (["ENABLE_HOSTGROUP_HOST_NOTIFICATIONS;web"],) * 2


def test_lists_name_what_two_cores_have(world: World) -> None:
    hosts = json.loads(world.get("statusjson.cgi", "query=hostlist"))["data"]["hostlist"]
    assert set(hosts) == {host.name for host in HOSTS} | {f"{host.name}@south" for host in HOSTS}
    alone = json.loads(world.get("statusjson.cgi", "query=hostlist&poller=south"))["data"]["hostlist"]
    assert set(alone) == {host.name for host in HOSTS}


@pytest.mark.parametrize("poller", ["north", "south"])
def test_one_cores_answers_are_its_originals(world: World, poller: str) -> None:
    """With `poller` the answers are those of a service in front of that core alone, in the zone that core is in."""
    side = world.north if poller == "north" else world.south
    shape = "dateformat=%25Y-%25m-%25d+%25H:%25M:%25S+%25z"
    for cgi, query in (
        ("statusjson.cgi", f"query=programstatus&{shape}"), ("objectjson.cgi", "query=servicelist&hostname=web01"),
        ("objectjson.cgi", "query=hostgroupcount"),
        ("objectjson.cgi", "query=servicecount&hostgroup=web"),
    ):  # fmt: skip

        def look(cgi: str = cgi, query: str = query) -> tuple[object, object]:
            theirs, ours = json.loads(side.original.run(cgi, query)), json.loads(world.get(cgi, f"{query}&poller={poller}"))
            ours["data"].get("selectors", {}).pop("poller", None)
            wanted, found = ((answer["data"], answer["result"]["type_code"]) for answer in (theirs, ours))
            return wanted, found

        until_same(look, query)


@pytest.mark.parametrize(("user", "may"), [("bob", {"north": False, "south": True}), ("carl", {"north": False, "south": False})])
def test_rights_are_each_cores_own(world: World, user: str, may: dict[str, bool]) -> None:
    """A contact group that may only read has other members on the other core; what one core refuses, the other takes."""
    host, service = ("web01", "") if user == "bob" else ("web02", "Load")
    asked = [("cmd_typ", "22" if service else "24"), ("host", host), ("service", service)]
    with httpx.Client(base_url=world.box.url, auth=(user, "pass"), timeout=PATIENCE_S + 10) as native:
        for side in (world.north, world.south):
            name = side.core.folder.name
            assert (side.original.commit(asked, user).message == SUCCESS) == may[name]
            before = world.counts()
            assert (SUCCESS in world.commit([*asked, ("poller", name)], user).text) == may[name]
            path = f"/v1/hosts/{host}/services/{service}" if service else f"/v1/hosts/{host}"
            # To its end: a line that comes later would be taken for one of what is asked next.
            answer = native.patch(path, params={"poller": name, "wait": PATIENCE_S}, json={"notifications_enabled": True})
            assert (answer.status_code < 300) == may[name], answer.text
            assert (world.since(before) == ([], [])) != may[name]


# --- zones --------------------------------------------------------------------------------------------------------------------


def test_forms_are_filled_in_and_read_by_the_clock_of_the_core(world: World) -> None:
    """What is on the form for the core far away is the time there, as its own CGIs write it, and is taken for that."""
    form = world.get("cmd.cgi", "cmd_typ=55&host=web01&poller=south")
    assert f"Times are those of south, {ZONE}." in form
    pattern = r"NAME='start_time' VALUE='([^']+)'"
    ours, theirs = (re.search(pattern, page) for page in (form, world.south.original.run("cmd.cgi", "cmd_typ=55&host=web01")))
    assert ours is not None and theirs is not None
    read = [datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S") for found in (ours, theirs)]
    assert abs(read[0] - read[1]) < timedelta(minutes=2)
    wall = datetime.now(ZoneInfo(ZONE)) + timedelta(hours=1)
    start, end = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (wall, wall + timedelta(hours=1)))
    asked = [
        ("cmd_typ", "55"),
        ("host", "web01"),
        ("com_data", "far away"),
        ("fixed", "1"),
        ("start_time", start),
        ("end_time", end),
    ]
    asked += [("hours", "1"), ("minutes", "0")]
    before = world.counts()
    assert SUCCESS in world.commit([*asked, ("poller", "south")]).text
    assert world.since(before) == ([], list(world.south.original.commit(asked).lines))
    assert f"{int(wall.timestamp())};{int(wall.timestamp()) + 3600}" in world.south.commands()[-1]


def test_pages_show_the_clock_of_the_core(world: World) -> None:
    cores.wait_for_generation(world.south.core)
    (downtime,) = oracle.downtimes(world.south.core.status_file, "far away")
    there = datetime.fromtimestamp(int(downtime["start_time"]), ZoneInfo(ZONE))

    def is_shown() -> bool:
        return f"{there:%Y-%m-%d %H:%M:%S}" in world.get("extinfo.cgi", "type=6&poller=south")

    until(is_shown, "the list of downtimes shows the time there")


# --- what cmd.cgi does otherwise ------------------------------------------------------------------------------------------------


def test_differences_are_as_documented(world: World) -> None:
    told = (ROOT / "contrib" / "cgi-commands.md").read_text("utf-8")
    assert SUCCESS in world.commit([("cmd_typ", "1"), ("host", "web01"), ("com_data", "twice"), ("poller", "north")]).text
    world.north.core.set_state("gateway", "", 0, "well")
    cores.wait_for_state(world.north.core, "gateway", "", 0)
    life = world.box.api.get("/v1/hosts/gateway", params={"poller": "north"})
    until(lambda: world.box.api.get("/v1/hosts/gateway", params={"poller": "north"}).json()["has_been_checked"], life.text)
    wrong = [found for one in differences(time.time()) if (found := _wrong(world, one))]
    assert not wrong, "\n".join(map(repr, wrong))
    missing = [one.row for one in differences(0) if f"\n| {one.row}" not in told]
    assert not missing


def _wrong(world: World, one: Difference) -> object:
    theirs, before = world.north.original.commit(one.asked), world.counts()
    ours = world.commit([*one.asked, ("poller", "north")])
    north, south = world.since(before)
    # The comment that was there before is joined: its line is not written again.
    expected = [] if one.row.startswith("The same downtime") or not one.ours else [one.ours]
    lines = (
        [bool(re.fullmatch(one.theirs, line)) for line in theirs.lines] == [True],
        [bool(re.fullmatch(line, found)) for line, found in zip(expected, north, strict=False)] == [True] * len(expected),
        len(north) == len(expected), south == [], message_of(ours.text) == one.said, theirs.message == SUCCESS,
    )  # fmt: skip
    return () if all(lines) else (one.row, lines, theirs, north, message_of(ours.text), ours.text[-300:])


# --- what ends things, last -----------------------------------------------------------------------------------------------------


def test_acknowledgements_are_taken_back(world: World) -> None:
    """51 and 52, executed: the core's own file shows the acknowledgement, and that it is gone."""
    core = world.south.core
    objects = (("", 1, "33", "51"), ("HTTP", 2, "34", "52"))
    for service, state, _, _ in objects:
        core.set_state("web02", service, state, "broken")
        if service:  # soft at first
            core.send(*[f"PROCESS_SERVICE_CHECK_RESULT;web02;{service};{state};broken"] * 3)
    for service, state, _, _ in objects:
        cores.wait_for_state(core, "web02", service, state)
    for path, state in (("", 1), ("/services/HTTP", 2)):
        asked_for = f"/v1/hosts/web02{path}?poller=south"
        until(lambda of=asked_for, state=state: world.box.api.get(of).json()["state"] == state, "it is seen")

    def is_acknowledged(service: str, word: str) -> bool:
        return oracle.status_of(core.status_file, "web02", service)["problem_has_been_acknowledged"] == word

    for service, _, add, remove in objects:
        for number, word in ((add, "1"), (remove, "0")):
            asked = [("cmd_typ", number), ("host", "web02"), ("service", service), ("com_data", "on it"), ("poller", "south")]
            answer = world.commit(asked)
            assert SUCCESS in answer.text, answer.text
            until(lambda service=service, word=word: is_acknowledged(service, word), f"{number} shows")


def test_an_acknowledgement_ends_when_icingas_form_says(world: World) -> None:
    """`use_ack_end_time`: this core knows no such thing, so Signalbox takes it back; the end is by the clock of the core."""
    core = world.south.core
    asked = [("cmd_typ", "34"), ("host", "web02"), ("service", "HTTP"), ("com_data", "for a moment"), ("poller", "south")]
    # Long enough that it is not over before it is asked for, however busy the machine.
    for lasts, is_taken in ((timedelta(hours=-1), False), (timedelta(seconds=8), True)):
        end = datetime.now(ZoneInfo(ZONE)) + lasts
        given = [*asked, ("use_ack_end_time", "on"), ("end_time", f"{end:%Y-%m-%d %H:%M:%S}")]
        assert (SUCCESS in (answer := world.commit(given)).text) == is_taken, answer.text
    assert (
        message_of(world.commit([*asked, ("use_ack_end_time", "on"), ("end_time", "soon")]).text) == "Start or end time not valid"
    )
    assert any(line.endswith(";for a moment") for line in world.south.commands())

    def is_taken_back() -> bool:
        return any(line == "REMOVE_SVC_ACKNOWLEDGEMENT;web02;HTTP" for line in world.south.commands()[-2:])

    until(is_taken_back, "it is taken back")
    row = oracle.status_of
    until(lambda: row(core.status_file, "web02", "HTTP")["problem_has_been_acknowledged"] == "0", "the core shows it")


def test_the_core_is_restarted_and_stopped(world: World) -> None:
    """13 and 14, executed."""
    core = world.south.core
    started = oracle.program_start(core.status_file)
    until(lambda: time.time() >= int(started) + 1.01, "another second than that of the start")
    assert SUCCESS in world.commit([("cmd_typ", "13"), ("poller", "south")]).text
    until(lambda: oracle.program_start(core.status_file) > started, "it runs anew")
    until(lambda: "RESTART_PROCESS" in world.south.commands(), "its log says so")
    cores.wait_for_generation(core)
    until(lambda: cores.has_reader(core.command_file), "it reads commands again")

    def is_known() -> bool:
        pollers = {one["name"]: one["command_file"] for one in world.box.api.get("/v1/pollers").json()["items"]}
        return bool(pollers["south"] == "reading")

    until(is_known, "that is seen")
    answer = world.commit([("cmd_typ", "14"), ("poller", "south")])
    assert core.process is not None
    assert core.process.wait(PATIENCE_S) == 0
    core.process = None
    assert "SHUTDOWN_PROCESS" in world.south.commands()
    assert SUCCESS in answer.text, answer.text
