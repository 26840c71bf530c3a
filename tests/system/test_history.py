"""The history of real cores is what stands in their logs: each line once, over a rotation and restarts of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import cores, oracle
from tests.support.box import Box, boxed
from tests.support.cores import PATIENCE_S, Core, Host, Icinga2Core, NagiosCore, Service, until

pytestmark = pytest.mark.core

HOSTS = [Host("web01", (Service("HTTP"), Service("Disk /var"))), Host("Größe", (Service("#1?"),))]


@pytest.fixture
def north_and_east(_cores_are_there: None) -> Iterator[tuple[Box, NagiosCore, Icinga2Core]]:
    with cores.core_folder() as folder:
        north, east = NagiosCore(folder / "north", HOSTS, 1), Icinga2Core(folder / "east", HOSTS, 1)
        with cores.running(north, east), boxed(folder, north, east) as box:
            yield box, north, east


def _told(box: Box, poller: str) -> Counter[tuple[int, str, str, str, str]]:
    """Everything /v1/history has of objects, page by page, as the plain reader says it."""
    told: Counter[tuple[int, str, str, str, str]] = Counter()
    query: dict[str, Any] = {"poller": poller, "limit": 7, "type": "alert,downtime,flapping,current_state,initial_state"}
    while True:
        page = box.api.get("/v1/history", params=query).json()
        for item in page["items"]:
            told[
                oracle.epoch(item["at"]), item["type"], item["host"], item["service"] or "", item["word"] or item["state_name"]
            ] += 1
        if page["next"] is None:
            return told
        query["before"] = page["next"]


def _logs(core: Core) -> list[Path]:
    return [*sorted((core.folder / "archives").glob("*")), core.log_file]


def _written(core: Core) -> Counter[tuple[int, str, str, str, str]]:
    return Counter(oracle.events(line for log in _logs(core) if log.exists() for line in log.read_bytes().split(b"\n")))


def _agree(box: Box, *all_cores: Core) -> None:
    for core in all_cores:
        name = core.folder.name
        try:
            until(lambda core=core, name=name: _told(box, name) == _written(core), f"the history of {name} is its log")
        except TimeoutError:
            assert _told(box, name) == _written(core)


def test_every_line_once_over_rotation_and_restarts(north_and_east: tuple[Box, NagiosCore, Icinga2Core]) -> None:
    box, north, east = north_and_east
    for core in (north, east):
        core.set_state("web01", "HTTP", 2, "down")
        core.set_state("Größe", "#1?", 1, "odd; output")
        core.set_state("web01", "", 1, "gone")
    assert box.downtime("web01", "work", poller="north", wait=PATIENCE_S).status_code == 201
    until(lambda: oracle.events(north.log_file.read_bytes().split(b"\n")), "the core tells")
    _agree(box, north, east)

    cores.rotate_log(north, 1)
    box.kill_part("engine.runtime")
    for core in (north, east):
        core.set_state("web01", "HTTP", 0, "up again")
    _agree(box, north, east)

    box.stop()
    north.set_state("web01", "", 0, "back")
    box.start()
    box.wait_ready()
    north.set_state("web01", "Disk /var", 2, "full")
    until(lambda: b"Disk /var;CRITICAL" in north.log_file.read_bytes(), "the core tells")
    _agree(box, north, east)
    starts = box.api.get("/v1/history", params={"type": "program", "poller": "north"}).json()
    assert [item["word"] for item in starts["items"]] == ["START"]
    # That nothing is left to read is said by the look that follows the last reading.
    until(lambda: all(index["whole"] for index in box.api.get("/v1/history").json()["indexes"]), "the logs are read to their end")
    sent = box.api.get("/v1/history", params={"type": "external_command", "poller": "north"}).json()["items"]
    assert [(item["command"], item["host"]) for item in sent] == [("SCHEDULE_HOST_DOWNTIME", "web01")]
