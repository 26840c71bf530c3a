"""Calls for many on real cores: groups, children and searches, each target proven; exactly as many as asked, whoever dies."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from contrib.large_core import QuietCore, many_hosts
from engine import faults
from engine.desk.bulk import SLICE
from tests.support import cores, oracle
from tests.support.box import ENGINE, WORKER, Box, boxed
from tests.support.cores import PATIENCE_S, Core, Host, NagiosCore, Service, until
from tests.system.conftest import Site

pytestmark = pytest.mark.core

EACH = 2500
PER_HOST = 500
SETTINGS = "bulk_limit = 20000\n"


@dataclass
class Pair:
    """Two cores with thousands of services, whose hosts have different names."""

    folder: Path
    left: QuietCore
    right: QuietCore

    @property
    def cores(self) -> Sequence[Core]:
        return self.left, self.right


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with cores.core_folder() as folder:
        hosts = many_hosts(2 * EACH, PER_HOST)
        half = len(hosts) // 2
        made = Pair(folder, QuietCore(folder / "left", hosts[:half]), QuietCore(folder / "right", hosts[half:]))
        with cores.running(*made.cores):
            yield made


def progress(box: Box, operation: str) -> dict[str, Any]:
    answer = box.api.get(f"/v1/operations/{operation}", params={"limit": 1})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["progress"]
    return found


def wait_all_final(box: Box, operation: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
    until(lambda: progress(box, operation)["percent_final"] == 100, "every command of the operation is final", within_s)
    return progress(box, operation)


def downtime_on(comment: str, **more: Any) -> dict[str, Any]:
    return {"comment": comment, "duration": "2h"} | more


def objects(found: Sequence[dict[str, str]]) -> Counter[tuple[str, str]]:
    return Counter((block["host_name"], block["service_description"]) for block in found)


# --- what is selected, proven by each core ----------------------------------------------------------------------------------


def test_a_hostgroup_on_every_poller_then_deleted_by_its_reference(site: Site) -> None:
    comment = "the whole group"
    body = downtime_on(comment, hostgroup="web", on="both", reference="CHG0042")
    answer = site.box.api.post("/v1/downtimes", json=body, params={"wait": 20})
    assert answer.status_code == 201, answer.text
    wanted = {
        name: Counter((f"{prefix}-web{number}", service) for number in range(1, 5) for service in ("", "HTTP", "Disk /var"))
        for name, prefix in (("north", "n"), ("south", "s"), ("east", "e"))
    }
    for name, expected in wanted.items():
        assert objects(oracle.downtimes(site.core(name).status_file, comment)) == expected
    assert {one["state"] for one in answer.json()["commands"]} == {"confirmed"}
    assert site.box.api.get("/v1/downtimes", params={"reference": "CHG0042"}).json()["total"] == 36

    gone = site.box.api.delete("/v1/downtimes", params={"reference": "CHG0042", "wait": 20})
    assert gone.status_code == 200 and len(gone.json()["ids"]) == 36, gone.text
    assert not any(oracle.downtimes(site.core(name).status_file, comment) for name in wanted)


def test_a_search_with_a_plan_does_what_the_plan_says(site: Site) -> None:
    comment = "what the plan says"
    search = {"$and": [{"host.name": {"$rg": "^[nse]-web[12]$"}}, {"service.description": "Disk /var"}]}
    body = {"comment": comment, "filter": search, "on": "services"}
    plan = site.box.api.post("/v1/comments", json=body | {"dry_run": True}).json()
    assert Counter(one["poller"] for one in plan["items"]) == {"north": 2, "south": 2, "east": 2}
    answer = site.box.api.post("/v1/comments", json=body | {"plan": plan["plan"]}, params={"wait": 20})
    assert answer.status_code == 201, answer.text
    planned = {(one["poller"], one["host"], one["service"]) for one in plan["items"]}
    assert {(one["poller"], one["host"], one["service"]) for one in answer.json()["commands"]} == planned
    for name in ("north", "south", "east"):
        core = site.core(name)
        expected = Counter((host, service) for poller, host, service in planned if poller == name)
        assert objects(oracle.comments(core.status_file, comment)) == expected
    lines = {one["line"].partition("] ")[2].encode() for one in plan["items"] if one["poller"] == "north"}
    assert lines <= set(oracle.command_lines([site.north.log_file]))
    site.box.api.delete("/v1/comments", params={"comment": comment, "wait": 20})
    assert not any(oracle.comments(site.core(name).status_file, comment) for name in ("north", "south", "east"))


def test_a_host_with_its_children_and_a_host_with_its_services() -> None:
    hosts = [
        Host("router", (Service("PING"), Service("LOAD"))),
        Host("switch", parents=("router",)),
        Host("leaf", parents=("switch",)),
        Host("other"),
    ]
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "tree", hosts)
        with cores.running(core), boxed(folder, core) as box:
            for how in ("triggered", "independent"):
                _check_children(core, box, how)
            _check_services(core, box)


def _check_children(core: NagiosCore, box: Box, how: str) -> None:
    body = downtime_on(how, host="router", with_children=how)
    plan = box.api.post("/v1/downtimes", json=body | {"dry_run": True}).json()
    assert {one["host"] for one in plan["items"]} == {"router", "switch", "leaf"}
    answer = box.api.post("/v1/downtimes", json=body, params={"wait": 20})
    assert answer.status_code == 201 and answer.json()["total"] == 1, answer.text
    found = oracle.downtimes(core.status_file, how)
    assert objects(found) == {("router", ""): 1, ("switch", ""): 1, ("leaf", ""): 1}
    own = next(block["downtime_id"] for block in found if block["host_name"] == "router")
    triggers = {block["triggered_by"] for block in found if block["host_name"] != "router"}
    assert triggers == ({own} if how == "triggered" else {"0"})


def _check_services(core: NagiosCore, box: Box) -> None:
    for comment, more in (("all of it", {"with_services": True}), ("alone", {"service": "PING"})):
        set_ = box.api.post("/v1/downtimes", json=downtime_on(comment, host="router", **more), params={"wait": 20})
        assert set_.status_code == 201, set_.text
    query = {"host": "router", "comment": "all of it", "with_services": True, "wait": 20}
    gone = box.api.delete("/v1/downtimes", params=query)
    assert gone.status_code == 200 and len(gone.json()["ids"]) == 3, gone.text
    assert not oracle.downtimes(core.status_file, "all of it")
    assert len(oracle.downtimes(core.status_file, "alone")) == 1


# --- exactly as many ----------------------------------------------------------------------------------------------------------


def test_nothing_of_a_call_is_sent_when_its_worker_dies_between_slices(pair: Pair) -> None:
    comment = "never sent"
    body = downtime_on(comment, filter={"host.name": {"$lk": "server%"}}, on="services")
    crash = f"{faults.BETWEEN_SLICES}:4"
    with boxed(pair.folder / "dying", *pair.cores, settings=SETTINGS, SIGNALBOX_CRASH=crash) as box:
        (worker,) = box.pids(WORKER)
        with pytest.raises(httpx.TransportError):
            box.api.post("/v1/downtimes", json=body)
        until(lambda: box.pids(WORKER) not in ([], [worker]), "another worker runs")

        def withdrawn() -> bool:
            found = box.api.get("/v1/operations").json()["items"]
            return [one["storing"] for one in found] == ["withdrawn"]

        until(withdrawn, "the operation was withdrawn")
        (operation,) = box.api.get("/v1/operations").json()["items"]
        assert operation["counts"].keys() == {"cancelled"} and 4 <= operation["counts"]["cancelled"] <= 4 * SLICE
        assert box.api.get("/v1/downtimes", params={"present": "any"}).json()["total"] == 0
        last = box.api.post("/v1/comments", json={"host": pair.left.hosts[0].name, "comment": "after it"}, params={"wait": 20})
        assert last.status_code == 201, last.text
    for core in pair.cores:
        assert not any(comment.encode() in line for line in oracle.command_lines([core.log_file]))
        assert not oracle.downtimes(core.status_file, comment)


def test_5000_downtimes_by_filter_over_two_pollers_with_the_engine_killed(pair: Pair, tell: Callable[[str], None]) -> None:
    comment = "five thousand"
    body = downtime_on(comment, filter={"host.name": {"$lk": "server%"}}, on="services", reference="CHG5000")
    with boxed(pair.folder / "killed", *pair.cores, settings=SETTINGS) as box:
        for core in pair.cores:
            cores.freeze(core)  # what is not proven keeps the rest from being written: the engine cannot be through too soon
        began = time.monotonic()
        answer = box.api.post("/v1/downtimes", json=body)
        tell(f"5,000 downtimes by filter accepted in {time.monotonic() - began:.1f} s")
        assert answer.status_code == 202 and answer.json()["total"] == 2 * EACH, answer.text
        operation = answer.json()["operation"]

        until(lambda: progress(box, operation)["counts"].get("written", 0), "a part of it was written")
        assert progress(box, operation)["counts"]["accepted"] > EACH
        for core in pair.cores:
            cores.thaw(core)
        box.kill_part(ENGINE)
        found = wait_all_final(box, operation)
        assert "engine was ended by SIGKILL" in box.output
        tell(f"all of them final {time.monotonic() - began:.1f} s after the call, the engine killed in between: {found['counts']}")
        assert found["counts"] == {"confirmed": 2 * EACH}
        shown = box.api.get("/v1/downtimes", params={"reference": "CHG5000", "limit": 1}).json()
        assert shown["total"] == 2 * EACH
    for core in pair.cores:
        expected = Counter((host.name, service.description) for host in core.hosts for service in host.services)
        assert len(expected) == EACH
        assert objects(oracle.downtimes(core.status_file, comment)) == expected
