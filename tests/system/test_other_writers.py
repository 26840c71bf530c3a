"""Others write to the same FIFO, and badly (issue 2, seen to hold 6): no command of ours is lost or called processed wrongly."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.support import cores, oracle
from tests.support.box import Box, boxed, command_ids, parallel
from tests.support.cores import Core, Host, Icinga2Core, NagiosCore, Service, until

pytestmark = pytest.mark.core

DIRT = {
    "a fragment without newline": b"[1234567890] ADD_HOST_COMMENT;h00;1;som",
    "half a bracket": b"[",
    "a blank line": b"\n",
    "two blank lines": b"\n\n",
    "blanks": b"   \n",
    "garbage": b"garbage that begins with no bracket\n",
    "garbage without newline": b"garbage",
    "a bracket without a time": b"[now] ADD_HOST_COMMENT;h00;1;x;y\n",
    "a NUL": b"[1234567890] ADD_HOST_COMMENT;h00;1;x\0;y\n",
    "a leading blank": b" [1234567890] DISABLE_NOTIFICATIONS\n",
}
BURST = 12


@pytest.fixture(params=[NagiosCore, Icinga2Core], scope="module")
def pair(request: pytest.FixtureRequest, _cores_are_there: None) -> Iterator[tuple[Core, Box]]:
    with cores.core_folder() as folder:
        core = request.param(folder / "core", [Host(f"h{n:02}", (Service("PING"),)) for n in range(BURST)])
        with cores.running(core), boxed(folder, core) as box:
            yield core, box


def _burst(box: Box, word: str) -> list[httpx.Response]:
    answers: list[httpx.Response] = parallel(lambda n: box.downtime(f"h{n:02}", f"{word} {n}", wait=0), list(range(BURST)))
    assert all(answer.status_code in (201, 202) for answer in answers), [answer.text for answer in answers][:1]
    return answers


def _prove(core: Core, box: Box, word: str, answers: list[httpx.Response]) -> None:
    """Every one of ours ends `confirmed`, and the core shows it. Nagios itself may run a line twice when it stumbles over dirt."""
    lives = box.wait_final([name for answer in answers for name in command_ids(answer)], 30)
    states = Counter(life["state"] for life in lives.values())
    assert states == {"confirmed": len(lives)}, [life for life in lives.values() if life["state"] != "confirmed"][:2]
    wanted = {f"{word} {n}" for n in range(BURST)}
    found = Counter(block["comment"] for block in oracle.downtimes(core.status_file) if block["comment"] in wanted)
    assert set(found) == wanted
    if core.kind == "icinga2":
        assert set(found.values()) == {1}
    read = Counter(line.rsplit(b";", 1)[-1].decode("utf-8", "replace") for line in oracle.command_lines([core.main_log]).elements())
    for text in wanted:
        assert found[text] <= read[text], "a block more than the core logged commands for"


@pytest.mark.parametrize("kind", DIRT)
def test_dirt_before_our_batch(pair: tuple[Core, Box], kind: str) -> None:
    core, box = pair
    core.write_raw(DIRT[kind])
    answers = _burst(box, f"after {kind}")
    _prove(core, box, f"after {kind}", answers)


def test_dirt_between_and_after_our_batches(pair: tuple[Core, Box]) -> None:
    core, box = pair
    stop = threading.Event()

    def soil() -> None:
        while not stop.is_set():
            for dirt in DIRT.values():
                core.write_raw(dirt)
                stop.wait(0.003)

    writer = threading.Thread(target=soil)
    writer.start()
    try:
        rounds = [(f"amid dirt {number}", _burst(box, f"amid dirt {number}")) for number in range(5)]
    finally:
        stop.set()
        writer.join()
    for word, answers in rounds:
        _prove(core, box, word, answers)


def test_an_honest_writer_beside_us(pair: tuple[Core, Box]) -> None:
    core, box = pair
    for number in range(20):
        core.send(f"ADD_HOST_COMMENT;h00;1;other;honest {number}")
        if number == 10:
            answers = _burst(box, "beside an honest writer")
    until(
        lambda: len([b for b in oracle.comments(core.status_file) if b["comment_data"].startswith("honest ")]) == 20,
        10,
        "the other writer's comments",
    )
    _prove(core, box, "beside an honest writer", answers)
