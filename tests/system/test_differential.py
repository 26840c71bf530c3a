"""After much of everything, what Signalbox shows equals what a plain reader finds in the very same status file, field by field.

One core of 1,000 hosts with 10 services each. Between the looks: rounds of random
results, acknowledgements, downtimes that come and go, comments, switches, a reload and a kill -9.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from contrib.large_core import Feeder, QuietCore, many_hosts
from tests.support import cores, oracle
from tests.support.box import Box, boxed
from tests.support.cores import until

pytestmark = pytest.mark.core

HOSTS, SERVICES = 1000, 10
ROUNDS = 4
# Ours → the core's name; times are RFC 3339 or null for never.
TEXTS = {
    "plugin_output": "plugin_output",
    "perf_data": "performance_data",
    "check_command": "check_command",
    "check_period": "check_period",
}
NUMBERS = {
    "state": "current_state",
    "scheduled_downtime_depth": "scheduled_downtime_depth",
    "current_attempt": "current_attempt",
    "max_check_attempts": "max_attempts",
    "execution_time": "check_execution_time",
    "latency": "check_latency",
    "check_interval": "check_interval",
    "retry_interval": "retry_interval",
}
FLAGS = {
    "has_been_checked": "has_been_checked",
    "acknowledged": "problem_has_been_acknowledged",
    "is_flapping": "is_flapping",
    "checks_enabled": "active_checks_enabled",
    "accept_passive_checks": "passive_checks_enabled",
    "notifications_enabled": "notifications_enabled",
}
TIMES = ("last_check", "next_check", "last_state_change", "last_hard_state_change", "last_notification")


@pytest.fixture(scope="module")
def large() -> Iterator[tuple[QuietCore, Box]]:
    with cores.core_folder() as folder:
        core = QuietCore(folder / "large", many_hosts(HOSTS * SERVICES, SERVICES), interval_s=1)
        with cores.running(core), boxed(folder, core) as box:
            core.fill()
            yield core, box


def shown(box: Box, noun: str) -> list[dict[str, Any]]:
    """Every object of a noun, page after page."""
    items: list[dict[str, Any]] = []
    while True:
        page = box.api.get(f"/v1/{noun}", params={"limit": 1000, "offset": len(items)}).json()
        items += page["items"]
        if len(items) >= page["total"]:
            return items


def differences(ours: dict[str, Any], block: oracle.Block) -> list[str]:
    """Fields in which they differ."""
    found = [name for name, key in TEXTS.items() if ours[name] != block[key]]
    found += [name for name, key in NUMBERS.items() if not math.isclose(ours[name], float(block[key]), abs_tol=1e-6)]
    found += [name for name, key in FLAGS.items() if ours[name] is not (block[key] != "0")]
    found += ["state_type"] if ours["state_type"] != ("HARD" if block["state_type"] == "1" else "SOFT") else []
    return found + [name for name in TIMES if epoch(ours[name]) != float(block[name])]


def epoch(text: str | None) -> float:
    return 0.0 if text is None else datetime.fromisoformat(text).timestamp()


def freeze_in_a_calm_moment(core: QuietCore, within_s: float) -> None:
    """Hold the core still when its status file is younger than everything in its log: until then the log is rightly ahead."""

    def is_calm() -> bool:
        cores.freeze(core)
        last = core.log_file.read_bytes().splitlines()[-1]
        if int(last[1 : last.index(b"]")]) < oracle.created(core.status_file):
            return True
        cores.thaw(core)
        time.sleep(0.2)
        return False

    until(is_calm, "a status file younger than the log's last line", within_s)


def compare(core: QuietCore, box: Box, within_s: float = cores.PATIENCE_S) -> int:
    """Hold the core still, wait until its last file is shown, compare everything; how many rows were compared."""
    freeze_in_a_calm_moment(core, within_s)
    try:
        created = oracle.created(core.status_file)

        def is_shown() -> bool:
            (poller,) = box.api.get("/v1/pollers").json()["items"]
            return poller["created_at"] is not None and epoch(poller["created_at"]) == created

        until(is_shown, "the last status file is shown", within_s)
        hosts, services = shown(box, "hosts"), shown(box, "services")
        blocks = [keys for kind, keys in oracle.blocks(core.status_file) if kind in ("hoststatus", "servicestatus")]
        truth = {(keys["host_name"], keys.get("service_description", "")): keys for keys in blocks}
        ours = {(row["name"], ""): row for row in hosts} | {(row["host"], row["description"]): row for row in services}
        assert ours.keys() == truth.keys()
        wrong = {key: found for key, row in ours.items() if (found := differences(row, truth[key]))}
        assert not wrong, f"{len(wrong)} rows differ, among them {list(wrong.items())[:5]}"
        listed = entries(box)
        standing = {
            (keys["host_name"], keys["service_description"], keys["comment"], float(keys["end_time"]))
            for keys in oracle.downtimes(core.status_file)
        }
        assert listed == standing
        return len(ours)
    finally:
        cores.thaw(core)


def entries(box: Box) -> set[tuple[str, str, str, float]]:
    items = box.api.get("/v1/downtimes", params={"limit": 1000}).json()["items"]
    return {
        (item["host"], item["service"] or "", item["comment"], epoch(item["end"])) for item in items if item["proof"] != "accepted"
    }


def disturb(core: QuietCore, chance: random.Random, number: int) -> None:
    """What people and other programs do meanwhile, written past Signalbox."""
    now = int(time.time())
    names = [host.name for host in core.hosts]
    some = chance.sample(names, 12)
    service = core.hosts[0].services[chance.randrange(SERVICES)].description
    core.send(
        *(f"ACKNOWLEDGE_SVC_PROBLEM;{name};{service};2;0;0;ann;known {number}" for name in some[:3]),
        *(f"ACKNOWLEDGE_HOST_PROBLEM;{name};1;0;0;ann;known {number}" for name in some[3:5]),
        f"SCHEDULE_HOST_DOWNTIME;{some[5]};{now - 5};{now + 3600};1;0;0;ann;round {number}",
        f"SCHEDULE_SVC_DOWNTIME;{some[6]};{service};{now};{now + 3};1;0;0;ann;short {number}",
        f"SCHEDULE_HOST_SVC_DOWNTIME;{some[7]};{now + 600};{now + 1200};1;0;0;ann;later {number}",
        f"DEL_DOWNTIME_BY_START_TIME_COMMENT;;round {number - 2}",
        f"ADD_HOST_COMMENT;{some[8]};1;ann;hoststatus {{",
        f"DISABLE_SVC_CHECK;{some[9]};{service}",
        f"DISABLE_HOST_NOTIFICATIONS;{some[10]}",
        f"CHANGE_MAX_SVC_CHECK_ATTEMPTS;{some[11]};{service};7",
    )


def test_what_is_shown_is_what_a_plain_reader_finds(large: tuple[QuietCore, Box], tell: Any) -> None:
    core, box = large
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    feeder = Feeder(core, 0.03, seed)
    compared = results = 0
    for number in range(ROUNDS):
        results += len(feeder.feed())
        disturb(core, chance, number)
        if number == 1:
            cores.reload(core)
        if number == 2:
            cores.kill(core)
            cores.restart(core)
        compared += compare(core, box)
    tell(f"differential: {compared} rows equal the plain reader's, after {results} results, a reload and a kill -9 (seed {seed})")
    assert compared == ROUNDS * HOSTS * (SERVICES + 1)


def test_the_feeder_changes_what_it_says(large: tuple[QuietCore, Box]) -> None:
    core, _ = large
    feeder = Feeder(core, 0.01, 7)
    results = feeder.feed()
    assert len(results) == HOSTS * (SERVICES + 1) // 100
    cores.wait_for_generation(core)
    truth = {
        (keys["host_name"], keys.get("service_description", "")): (keys["current_state"], keys["plugin_output"])
        for kind, keys in oracle.blocks(core.status_file)
        if kind in ("hoststatus", "servicestatus")
    }
    for result in results:
        assert truth[result.host, result.service] == (str(result.code), result.output.split("|")[0])


def test_the_generator_is_a_program(tmp_path: Path) -> None:
    core = QuietCore(tmp_path / "one", many_hosts(20, 10), interval_s=1)
    assert [len(host.services) for host in core.hosts] == [10, 10]
    assert len({host.name for host in core.hosts}) == 2
