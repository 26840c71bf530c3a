"""Thousands of passive results in one call, on a core of 10,000 hosts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from contrib.bench.scan import QuietCore
from tests.support import cores, oracle
from tests.support.box import ENGINE, Box, boxed
from tests.support.cores import Host, Icinga2Core, NagiosCore, Service, until

pytestmark = pytest.mark.core

HOSTS = 10_000
RESULTS = 20_000
TRUE_WITHIN_S = 30


@dataclass
class Large:
    """A Nagios 4 of 10,000 hosts, a small one beside it, an Icinga 2, and Signalbox in front."""

    big: NagiosCore
    small: NagiosCore
    east: Icinga2Core
    box: Box

    def send(self, results: list[dict[str, Any]]) -> dict[str, Any]:
        """One call, answered as soon as it is durable."""
        answer = self.box.api.post("/v1/results", json={"results": results}, params={"wait": 0})
        assert answer.status_code == 202, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def call(self, call_id: str) -> dict[str, Any]:
        answer = self.box.api.get(f"/v1/results/{call_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait(self, call_id: str, condition: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        seen: list[dict[str, Any]] = []

        def holds() -> bool:
            seen[:] = [self.call(call_id)]
            return condition(seen[0])

        try:
            until(holds, what)
        except TimeoutError as error:
            raise AssertionError(f"{error}: {seen}") from None
        return seen[0]


@pytest.fixture(scope="module")
def large() -> Iterator[Large]:
    cores.require_cores()
    with cores.core_folder() as folder:
        hosts = [Host("quiet", (Service("PING"),)), *[Host(f"h{number}") for number in range(HOSTS - 1)]]
        big = QuietCore(folder / "big", hosts, interval_s=1)
        small = NagiosCore(folder / "small", [Host("other", (Service("PING"),))], 1)
        east = Icinga2Core(folder / "east", [Host(f"e{number}", (Service("PING"),)) for number in range(20)], 1)
        with cores.running(big, small, east), boxed(folder, big, small, east) as box:
            yield Large(big, small, east, box)


def _results(word: str, count: int) -> list[dict[str, Any]]:
    return [
        {"host": f"h{number % (HOSTS - 1)}", "return_code": 0, "plugin_output": f"{word} {number}", "perf_data": "time=0.1s;1;2"}
        for number in range(count)
    ]


def _read(core: NagiosCore, word: str) -> Counter[bytes]:
    """How often the core read each result of that word."""
    lines = oracle.command_lines(oracle.logs_of(core.folder))
    return Counter({line: count for line, count in lines.items() if f";{word} ".encode() in line})


def test_twenty_thousand_in_one_call_and_people_in_between(large: Large, tell: Callable[[str], None]) -> None:
    began, sent_at = time.monotonic(), time.time()
    made = large.send(_results("bulk", RESULTS))
    accepted_s = time.monotonic() - began
    assert (made["total"], len(made["pollers"])) == (RESULTS, 1)

    asked = time.monotonic()
    same = large.box.downtime("quiet", "on the same poller", wait=None)
    same_s, meanwhile = time.monotonic() - asked, large.call(made["id"])
    assert same.json()["state"] in ("processed", "confirmed"), same.text
    assert meanwhile["counts"]["accepted"] > 0, "it did not overtake: every result had been written before it"
    asked = time.monotonic()
    other = large.box.downtime("other", "on another poller")
    other_s = time.monotonic() - asked
    assert other.json()["state"] in ("processed", "confirmed"), other.text

    processed = large.wait(made["id"], lambda call: not call["counts"]["accepted"] + call["counts"]["written"], "all processed")
    processed_s = time.monotonic() - began
    through = large.wait(made["id"], lambda call: bool(call["final"]), "the call is through")
    tell(
        f"{RESULTS} results on {HOSTS} hosts: accepted in {accepted_s:.2f} s, processed after {processed_s:.2f} s, through after"
        f" {time.monotonic() - began:.2f} s; a downtime meanwhile: {same_s * 1000:.0f} ms on the same poller,"
        f" {other_s * 1000:.0f} ms on another; {through['counts']}"
    )
    assert processed["failed"] == through["failed"] == 0, [one["detail"] for one in through["failures"][:3]]
    assert through["counts"]["confirmed"] == RESULTS
    assert _read(large.big, "bulk") == {
        oracle.result_line(one["host"], "", 0, one["plugin_output"], one["perf_data"]): 1 for one in _results("bulk", RESULTS)
    }
    cores.wait_for_generation(large.big)
    checked = [float(keys["last_check"]) for kind, keys in oracle.blocks(large.big.status_file) if kind == "hoststatus"]
    assert len(checked) == HOSTS
    far = [at for at in checked if at and abs(at - sent_at) > TRUE_WITHIN_S]
    assert checked.count(0.0) == 1 and not far, far[:5]
    (entry,) = oracle.downtimes(large.big.status_file, "on the same poller")
    assert abs(float(entry["entry_time"]) - sent_at) < TRUE_WITHIN_S


def test_the_engine_killed_in_the_middle_sends_each_result_once(large: Large, tell: Callable[[str], None]) -> None:
    made = large.send(_results("crash", RESULTS))
    kills = 0
    for part in (1, 2, 3):
        done = RESULTS * part // 5
        large.wait(made["id"], lambda call, done=done: call["counts"]["processed"] > done, f"{done} processed")  # type: ignore[misc]
        if not large.call(made["id"])["final"]:
            large.box.kill_part(ENGINE)
            kills += 1
    through = large.wait(made["id"], lambda call: bool(call["final"]), "the call is through")
    counts = Counter(_read(large.big, "crash").values())
    tell(f"the engine killed {kills} times during {RESULTS} results: read {dict(counts)} (times: results), {through['counts']}")
    assert kills
    assert counts == {1: RESULTS}
    assert through["counts"]["confirmed"] == RESULTS, through["failures"][:3]


def test_a_core_of_another_kind_in_the_same_call(large: Large) -> None:
    """Icinga 2 echoes differently, flushes late and knows two states of a host."""
    results = [{"host": f"e{n}", "service": "PING", "return_code": n % 4, "plugin_output": f"mixed {n}"} for n in range(20)]
    results += [{"host": f"e{n}", "return_code": n % 2, "plugin_output": f"mixed {n}"} for n in range(20)]
    results += _results("mixed", 50)
    made = large.send(results)
    assert sorted(part["poller"] for part in made["pollers"]) == ["big", "east"]
    through = large.wait(made["id"], lambda call: bool(call["final"]), "the call is through")
    assert through["failed"] == 0, through["failures"]
    assert through["counts"]["confirmed"] == len(results)
    cores.wait_for_generation(large.east)
    assert oracle.status_of(large.east.status_file, "e3", "PING")["current_state"] == "3"
    answer = large.box.api.post(
        "/v1/results", json={"results": [{"host": "e1", "return_code": 2, "plugin_output": "x"}] * 2}, params={"wait": 0}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "results_refused")
