"""Others write to the same FIFO, and badly: no command of ours is lost or called processed wrongly, and what a core makes twice of
one line of ours is taken away again.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import httpx
import pytest

from tests.support import cores, oracle
from tests.support.box import Box, boxed, command_ids, parallel
from tests.support.cores import DIRT, Core, Host, Icinga2Core, NagiosCore, Service, until

pytestmark = pytest.mark.core

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
    lives = box.wait_final([name for answer in answers for name in command_ids(answer)])
    states = Counter(life["state"] for life in lives.values())
    assert states == {"confirmed": len(lives)}, [life for life in lives.values() if life["state"] != "confirmed"][:2]
    wanted = {f"{word} {n}" for n in range(BURST)}
    found = Counter(block["comment"] for block in oracle.downtimes(core.status_file) if block["comment"] in wanted)
    assert set(found) == wanted
    if core.kind == "icinga2":
        assert set(found.values()) == {1}
    # Icinga 2 writes its log late: the status file may be ahead of it for a second.
    until(lambda: not found - _read(core), "the core logged a command for each block")
    try:
        until(lambda: set(_standing(core, wanted).values()) == {1}, "every copy is taken away")
    except TimeoutError:
        pytest.fail(f"{[one for one in _standing(core, wanted).items() if one[1] != 1]} {box.output[-1500:]}")


def _read(core: Core) -> Counter[str]:
    """How often each text was read as the end of a command."""
    lines = oracle.command_lines([core.main_log]).elements()
    return Counter(line.rsplit(b";", 1)[-1].decode("utf-8", "replace") for line in lines)


def _standing(core: Core, wanted: Collection[str]) -> Counter[str]:
    return Counter(block["comment"] for block in oracle.downtimes(core.status_file) if block["comment"] in wanted)


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
        "the other writer's comments",
    )
    _prove(core, box, "beside an honest writer", answers)


@pytest.fixture(scope="module")
def nagios_alone(_cores_are_there: None) -> Iterator[tuple[Core, Box]]:
    """Only a Nagios keeps a line's stamp, and executes lines twice."""
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "core", [Host(f"h{n:02}", (Service("PING"),)) for n in range(BURST)])
        with cores.running(core), boxed(folder, core) as box:
            yield core, box


def _confirmed(box: Box, host: str, comment: str) -> dict[str, Any]:
    (life,) = box.wait_final(command_ids(box.downtime(host, comment, wait=0))).values()
    assert life["state"] == "confirmed"
    return life


def _deletions(box: Box, life: dict[str, Any]) -> list[tuple[str, str]]:
    """What Signalbox asked for by itself because of that command: its name and its state."""
    items = box.api.get("/v1/commands").json()["items"]
    return [(one["command"], one["state"]) for one in items if life["id"] in one["cause"]]


def test_what_is_executed_again_later_is_told_and_taken_away(nagios_alone: tuple[Core, Box]) -> None:
    """The very bytes of our line once more: what a Nagios 4 does with dirt on its command file, without the chance in it."""
    core, box = nagios_alone
    life = _confirmed(box, "h03", "executed twice")
    comment = box.api.post("/v1/comments", json={"host": "h03", "comment": "said twice"}, params={"wait": 5})
    (said,) = box.wait_final(command_ids(comment)).values()
    until(lambda: time.time() > int(life["line"][1:11]) + 4, "long after its stamp")
    core.write_raw(life["line"].encode() + b"\n")
    core.write_raw(said["line"].encode() + b"\n")
    cores.wait_for_log(core, lambda lines: sum(b"executed twice" in line for line in lines) == 2, "it was executed again")
    until(lambda: box.life(life["id"])["duplicates"] == box.life(said["id"])["duplicates"] == 1, "the copies are told of")
    until(lambda: _deletions(box, life) == [("DEL_HOST_DOWNTIME", "confirmed")], "the downtime's copy is taken away")
    until(lambda: _deletions(box, said) == [("DEL_HOST_COMMENT", "confirmed")], "the comment's copy is taken away")
    assert len(oracle.downtimes(core.status_file, "executed twice")) == len(oracle.comments(core.status_file, "said twice")) == 1
    told = box.life(life["id"])
    assert "executed more than once" in told["steps"][-1]["evidence"] and told["state"] == "confirmed"
    (deletion,) = [one for one in box.api.get("/v1/commands").json()["items"] if life["id"] in one["cause"]]
    assert deletion["user"] == "Signalbox itself"
    assert "executed more than once" in box.output or "duplicate downtime" in box.output


def test_the_second_comment_of_an_acknowledgement_executed_twice_is_taken_away(nagios_alone: tuple[Core, Box]) -> None:
    """It would stay where it outlives the acknowledgement. What somebody else says in the same words is left alone."""
    core, box = nagios_alone
    for host in ("h05", "h06"):
        core.set_state(host, "PING", 2, "bad")
        cores.wait_for_state(core, host, "PING", 2)

    def acknowledged(host: str, comment: str) -> dict[str, Any]:
        body = {"host": host, "service": "PING", "comment": comment, "persistent": True, "notify": False}
        answer = box.api.post("/v1/acknowledgements", json=body, params={"wait": 20})
        (life,) = box.wait_final(command_ids(answer)).values()
        assert life["state"] == "confirmed", answer.text
        return life

    twice, again = acknowledged("h05", "seen twice"), acknowledged("h06", "said again")
    core.send(again["line"].split("] ", 1)[1])
    until(lambda: len(oracle.comments(core.status_file, "said again")) == 2, "another program's stands beside ours")
    said_at = time.time()
    until(lambda: time.time() > said_at + 3, "no dirt near it")
    core.write_raw(twice["line"].encode() + b"\n")
    core.write_raw(b"[%d] NO_SUCH_COMMAND;behind it\n" % time.time())  # what the log shows of dirt
    until(lambda: box.life(twice["id"])["duplicates"] == 1, "the copy is told of")
    until(lambda: _deletions(box, twice) == [("DEL_SVC_COMMENT", "confirmed")], "it is taken away")
    for _ in range(2):
        cores.wait_for_generation(core)
    assert len(oracle.comments(core.status_file, "seen twice")) == 1 and len(oracle.comments(core.status_file, "said again")) == 2
    (mine,) = box.api.get("/v1/acknowledgements", params={"host": "h05"}).json()["items"]
    assert mine["comment"] == "seen twice" and mine["present"]
    assert len(_deletions(box, twice)) == 1
    assert box.life(again["id"])["duplicates"] == 0


def test_results_withdrawn_while_the_core_was_away_never_reach_it(nagios_alone: tuple[Core, Box]) -> None:
    core, box = nagios_alone
    core.stop()
    results = [{"host": f"h{n:02}", "return_code": 0, "plugin_output": f"withdrawn {n}"} for n in range(BURST)]
    made = box.api.post("/v1/results", json={"results": results}, params={"wait": 0}).json()
    path = f"/v1/results/{made['id']}"
    until(lambda: box.api.get(path).json()["state"] == "held", "the core is seen to be away")
    gone = box.api.delete(path)
    assert (gone.status_code, gone.json()["state"], gone.json()["counts"]["cancelled"]) == (200, "cancelled", BURST), gone.text
    cores.restart(core)
    last = {"results": [{"host": "h00", "return_code": 0, "plugin_output": "behind them"}]}
    box.wait_final(command_ids(box.api.post("/v1/results", json=last, params={"wait": 20})))
    assert oracle.status_of(core.status_file, "h00")["plugin_output"] == "behind them"
    assert not any(b"withdrawn" in line for line in oracle.command_lines([core.main_log]))


@pytest.mark.parametrize("stamp", ["their own", "ours"])
def test_another_programs_own_command_is_left_alone_however_equal(nagios_alone: tuple[Core, Box], stamp: str) -> None:
    core, box = nagios_alone
    comment = f"two of us, stamp {stamp}"
    answer = box.downtime("h04", comment)
    line = box.life(command_ids(answer)[0])["line"]
    if stamp == "ours":
        core.write_raw(line.encode() + b"\n")  # in the same second, by a program that stamps its lines truly
    else:
        until(lambda: time.time() > int(line[1:11]) + 3, "another second")
        core.send(line.split("] ", 1)[1])
    until(lambda: len(oracle.downtimes(core.status_file, comment)) == 2, "both stand")
    for _ in range(3):
        cores.wait_for_generation(core)
    (life,) = box.wait_final(command_ids(answer)).values()
    assert life["state"] == "confirmed" and life["duplicates"] == 0
    assert len(oracle.downtimes(core.status_file, comment)) == 2
    told = any("may be another program's own" in step["evidence"] for step in life["steps"])
    assert told == (stamp == "ours")
