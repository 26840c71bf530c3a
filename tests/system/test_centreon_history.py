"""Downtimes and acknowledgements that were set or ended while Signalbox was down are listed as the cores' logs tell it, and only so
far."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import cores, oracle
from tests.support.box import Box, boxed
from tests.support.cores import Core, Host, Icinga2Core, NagiosCore, Service, until
from tests.system.centreon_scene import moment

pytestmark = pytest.mark.core

HOSTS = [Host("web01", (Service("HTTP"),), ("web",)), Host("quiet", (), ("calm",)), Host("sick", (Service("HTTP"),))]
OBJECTS = (("web01", ""), ("web01", "HTTP"), ("quiet", ""))
SEEN, SEEN_ENDS = "ACKNOWLEDGE_HOST_PROBLEM;sick;2;0;1;day;seen", "REMOVE_HOST_ACKNOWLEDGEMENT;sick"
UNSEEN = "ACKNOWLEDGE_SVC_PROBLEM;sick;HTTP;2;1;0;night;while nobody looked; really"
OF_NOTHING = "ACKNOWLEDGE_HOST_PROBLEM;quiet;2;1;1;night;of what is well"
LATE_S = 3  # what a status file of every second tells is as exact


@dataclass
class Past:
    """Two cores, and a Signalbox that was down while things happened to them."""

    box: Box
    cores: list[Core]

    def rows(self, core: Core) -> dict[str, dict[str, Any]]:
        """The downtimes listed of a core's, by host and service."""
        client = self.box.centreon()
        number = self.cores.index(core) + 1
        query = {"limit": "100", "search": f'{{"poller.id":{number}}}'}
        found = {}
        for kind in ("hosts", "services"):
            names = {row["id"]: row["name"] for row in client.get("/monitoring/hosts", params=query).json()["result"]}
            for row in client.get(f"/monitoring/{kind}/downtimes", params=query).json()["result"]:
                name = names[row["host_id"]] + (";HTTP" if kind == "services" else "")
                assert name not in found, f"two of {name}, where one was"
                found[name] = row
        return found

    def acknowledgements(self, core: Core) -> dict[str, dict[str, Any]]:
        """Those listed of a core's, by their comment."""
        query = {"limit": "100", "search": f'{{"poller.id":{self.cores.index(core) + 1}}}'}
        rows = self.box.centreon().get("/monitoring/acknowledgements", params=query).json()["result"]
        assert len({row["comment"] for row in rows}) == len(rows), "one of them twice"
        return {row["comment"]: row for row in rows}


def commanded(core: Core, line: str) -> int:
    """The second in which the core's log says that it executed that command, 0 for never."""
    found = [raw for raw in core.log_file.read_bytes().splitlines() if raw.endswith(f"EXTERNAL COMMAND: {line}".encode())]
    return int(found[0][1:].split(b"]")[0]) if found else 0


def logged(core: Core, host: str, service: str, word: str) -> int:
    """The second in which the core's log says that of the object, 0 for never."""
    events = oracle.events(core.log_file.read_bytes().splitlines())
    return next((at for at, type, *place, said in events if (type, place, said) == ("downtime", [host, service], word)), 0)


def _cancel(core: Core, host: str, service: str = "") -> None:
    """As a script does, by the number that the status file tells."""
    found: list[str] = []

    def is_shown() -> bool:
        blocks = oracle.downtimes(core.status_file)
        found[:] = [one["downtime_id"] for one in blocks if (one["host_name"], one["service_description"]) == (host, service)]
        return bool(found)

    until(is_shown, f"a downtime of {host} {service}")
    core.send(f"DEL_{'SVC' if service else 'HOST'}_DOWNTIME;{found[0]}")


def _is_told(past: Past, core: Core) -> bool:
    """Each of the three, to its end."""
    rows = past.rows(core)
    return len(rows) == 3 and all(row["deletion_time"] for row in rows.values())


@pytest.fixture(scope="module")
def past() -> Iterator[Past]:
    with cores.core_folder() as folder:
        both: list[Core] = [NagiosCore(folder / "north", HOSTS), Icinga2Core(folder / "east", HOSTS)]
        with cores.running(*both), boxed(folder, *both) as box:
            made = Past(box, both)
            window = f"{int(time.time())};{int(time.time()) + 3600};1;0;3600"
            for core in both:
                core.send(f"SCHEDULE_HOST_DOWNTIME;web01;{window};cron;seen")
                core.set_state("sick", "", 1, "down")
                core.set_state("sick", "HTTP", 2, "bad")
                core.set_state("quiet", "", 0, "well")  # to Icinga 2, what was never checked is in trouble
                core.send(SEEN)
            until(lambda: all(made.rows(core).get("web01", {}).get("is_started") for core in both), "both are seen in effect")
            until(lambda: all(made.acknowledgements(core) for core in both), "the acknowledgements are seen")
            box.stop()
            for core in both:
                _cancel(core, "web01")
                core.send(f"SCHEDULE_SVC_DOWNTIME;web01;HTTP;{window};night;by a name")
                core.send(f"SCHEDULE_HOSTGROUP_HOST_DOWNTIME;calm;{window};night;by a group")
                core.send(SEEN_ENDS)
                core.send(UNSEEN)
            for core in both:
                _cancel(core, "web01", "HTTP")
                _cancel(core, "quiet")
                until(lambda core=core: commanded(core, UNSEEN), "the acknowledgement is executed")  # type: ignore[misc]
                core.send(OF_NOTHING)
                core.set_state("sick", "HTTP", 0, "well")
            for core in both:
                for place in OBJECTS:
                    until(lambda core=core, place=place: logged(core, *place, "CANCELLED"), f"cancelled: {place}")  # type: ignore[misc]
            time.sleep(max(0.0, max(logged(core, "web01", "", "CANCELLED") for core in both) + 2 * LATE_S - time.time()))
            box.start()
            box.wait_ready()
            until(lambda: all(_is_told(made, core) for core in both), "what the logs tell is listed")
            yield made


@pytest.mark.parametrize("number", [0, 1], ids=["nagios", "icinga2"])
def test_one_that_was_seen_was_cancelled_when_the_log_says(past: Past, number: int) -> None:
    """Not when Signalbox came back and saw that it was gone."""
    core = past.cores[number]
    cancelled = logged(core, "web01", "", "CANCELLED")

    def is_right() -> bool:
        return abs(moment(past.rows(core)["web01"]["deletion_time"]) - cancelled) < LATE_S

    until(is_right, "the log's second")
    row = past.rows(core)["web01"]
    assert (row["author_name"], row["comment"], row["is_cancelled"], row["is_started"]) == ("cron", "seen", True, True)
    assert abs(moment(row["actual_end_time"]) - cancelled) < LATE_S


@pytest.mark.parametrize("number", [0, 1], ids=["nagios", "icinga2"])
def test_one_that_nobody_saw_is_listed_with_who_asked(past: Past, number: int) -> None:
    core = past.cores[number]
    row = past.rows(core)["web01;HTTP"]
    assert (row["author_name"], row["author_id"], row["comment"]) == ("night", None, "by a name")
    assert (row["is_fixed"], row["duration"], row["is_cancelled"], row["is_started"]) == (True, 3600, True, True)
    assert moment(row["actual_start_time"]) == logged(core, "web01", "HTTP", "STARTED")
    assert moment(row["actual_end_time"]) == moment(row["deletion_time"]) == logged(core, "web01", "HTTP", "CANCELLED")
    assert moment(row["end_time"]) - moment(row["start_time"]) == 3600


@pytest.mark.parametrize("number", [0, 1], ids=["nagios", "icinga2"])
def test_one_that_was_asked_for_a_group_is_its_members(past: Past, number: int) -> None:
    """The log names the group alone; that the host is in it, its core's configuration says."""
    core = past.cores[number]
    row = past.rows(core)["quiet"]
    assert (row["author_name"], row["author_id"], row["comment"]) == ("night", None, "by a group")
    assert (row["is_fixed"], row["duration"]) == (True, 3600)
    assert moment(row["end_time"]) - moment(row["start_time"]) == 3600
    assert moment(row["actual_start_time"]) == logged(core, "quiet", "", "STARTED")
    assert (moment(row["deletion_time"]), row["is_cancelled"]) == (logged(core, "quiet", "", "CANCELLED"), True)


@pytest.mark.parametrize("number", [0, 1], ids=["nagios", "icinga2"])
def test_acknowledgements_that_nobody_saw_are_listed_whole(past: Past, number: int) -> None:
    """Set, and ended by a recovery: who, when, how, and until when. What the core took no notice of is none."""
    core = past.cores[number]
    until(lambda: len(past.acknowledgements(core)) == 2, "what the log tells")
    until(lambda: past.acknowledgements(core)["while nobody looked; really"]["deletion_time"], "to its end")
    row = past.acknowledgements(core)["while nobody looked; really"]
    assert (row["author_name"], row["author_id"], row["type"], row["state"]) == ("night", None, 1, 2)
    assert (row["is_sticky"], row["is_notify_contacts"], row["is_persistent_comment"]) == (True, True, False)
    assert moment(row["entry_time"]) == commanded(core, UNSEEN)
    recovered = [at for at, type, *place, _ in oracle.events(core.log_file.read_bytes().splitlines())
                 if (type, place) == ("alert", ["sick", "HTTP"])][-1]  # fmt: skip
    assert moment(row["deletion_time"]) == recovered
    told = past.box.centreon().get("/monitoring/acknowledgements", params={"search": '{"is_notify_contacts":true}'}).json()
    assert {one["comment"] for one in told["result"]} == {"while nobody looked; really"}, "what is shown is what is found"


@pytest.mark.parametrize("number", [0, 1], ids=["nagios", "icinga2"])
def test_an_acknowledgement_that_was_seen_ended_when_the_log_says(past: Past, number: int) -> None:
    core = past.cores[number]
    removed = commanded(core, SEEN_ENDS)
    until(lambda: abs(moment(past.acknowledgements(core)["seen"]["deletion_time"]) - removed) < LATE_S, "the log's second")
    row = past.acknowledgements(core)["seen"]
    assert (row["author_name"], row["is_notify_contacts"], row["is_sticky"], row["type"], row["state"]) == (
        "day",
        False,
        True,
        0,
        1,
    )


def test_a_restart_lists_nothing_twice(past: Past) -> None:
    """Everything in the logs is gone through again: a period that was set in between shows that it was."""
    before = [past.rows(core) for core in past.cores]
    past.box.stop()
    for core in past.cores:
        core.send(f"SCHEDULE_SVC_DOWNTIME;web01;HTTP;{int(time.time())};{int(time.time()) + 3600};1;0;3600;night;the last")
    for core in past.cores:
        _cancel(core, "web01", "HTTP")
    past.box.start()
    past.box.wait_ready()

    def listed() -> list[int]:
        """How many of all, how many of the last."""
        client = past.box.centreon()
        queries = ("limit=0", 'limit=0&search={"comment":"the last"}')
        return [client.get(f"/monitoring/downtimes?{query}").json()["meta"]["total"] for query in queries]

    until(lambda: listed()[1] == 2, "both of the last are taken over")
    assert listed() == [6 + 2, 2]
    for core, rows in zip(past.cores, before, strict=True):
        (path,) = {f"/monitoring/downtimes/{row['id']}" for name, row in rows.items() if name == "quiet"}
        assert past.box.centreon().get(path).json() == rows["quiet"], core.kind
