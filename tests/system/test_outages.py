"""Cores that are stopped, frozen, damaged or rotate their logs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.support import cores, oracle
from tests.support.box import Box, boxed, command_ids, parallel
from tests.support.cores import Core, Host, Icinga2Core, NagiosCore, Service, until

pytestmark = pytest.mark.core

HOSTS = [Host("web01", (Service("HTTP"),)), *(Host(f"h{n:03}") for n in range(40))]


@pytest.fixture(params=[NagiosCore, Icinga2Core])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Core, Box]]:
    with cores.core_folder() as folder:
        core = request.param(folder / "core", HOSTS)
        with cores.running(core), boxed(folder, core, settings="centreon_wait_s = 1.0") as box:
            yield core, box


@pytest.fixture
def nagios() -> Iterator[tuple[NagiosCore, Box]]:
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "core", HOSTS)
        with cores.running(core), boxed(folder, core, settings="centreon_wait_s = 1.0") as box:
            yield core, box


def _health(box: Box) -> str:
    (poller,) = box.api.get("/v1/pollers").json()["items"]
    return str(poller["command_file"])


def _wait_health(box: Box, word: str) -> None:
    until(lambda: _health(box) == word, f"health says {word}")


def _commands(box: Box) -> int:
    return int(box.api.get("/v1/commands", params={"limit": 1}).json()["total"])


def _centreon_downtime(client: httpx.Client, host_id: int, comment: str, now: float = 0.0) -> httpx.Response:
    """Of an hour from `now` on, 0: from this moment."""
    now = now or time.time()
    body: dict[str, Any] = {
        "comment": comment,
        "start_time": datetime.fromtimestamp(now, UTC).isoformat(),
        "end_time": datetime.fromtimestamp(now + 3600, UTC).isoformat(),
        "is_fixed": True,
        "duration": 3600,
        "with_services": False,
    }
    return client.post(f"/monitoring/hosts/{host_id}/downtimes", json=body)


def _is_held(box: Box, answer: httpx.Response) -> None:
    """Accepted, and before long held: who must write it may be slower than who answers."""
    assert answer.status_code == 202, answer.text
    (command,) = command_ids(answer)
    until(lambda: box.life(command)["state"] == "held", "it is held")


def _delivered_once(core: Core, box: Box, answer: httpx.Response, comment: str) -> None:
    (life,) = box.wait_final(command_ids(answer)).values()
    assert life["state"] == "confirmed", life
    assert len(oracle.downtimes(core.status_file, comment)) == 1
    lines = oracle.command_lines([core.main_log])
    assert sum(count for line, count in lines.items() if line.endswith(comment.encode())) == 1


def test_stopped_then_held_started_then_delivered_once(pair: tuple[Core, Box]) -> None:
    core, box = pair
    client, host_id = box.centreon(), box.host_id("web01")
    core.stop()
    _wait_health(box, "no_reader")
    held = box.downtime("web01", "for later", wait=0)
    _is_held(box, held)
    again = box.downtime("web01", "for later", wait=0)
    assert (again.status_code, command_ids(again)) == (202, command_ids(held)), again.text
    assert again.json()["state"] == "held"
    assert again.json()["advice"]

    before = _commands(box)
    refused = _centreon_downtime(client, host_id, "cannot wait")
    assert refused.status_code == 503, refused.text
    assert refused.headers["Retry-After"]
    assert _commands(box) == before, "decided before anything is journalled"

    cores.restart(core)
    _delivered_once(core, box, held, "for later")
    assert oracle.downtimes(core.status_file, "cannot wait") == []


def test_a_held_acknowledgement_is_overtaken_by_another_problem(nagios: tuple[NagiosCore, Box]) -> None:
    core, box = nagios
    core.set_state("web01", "HTTP", 2, "the first problem")
    until(lambda: box.api.get("/v1/hosts/web01/services/HTTP").json()["state"] == 2, "the view shows CRITICAL")
    core.stop()
    _wait_health(box, "no_reader")
    body = {"host": "web01", "service": "HTTP", "comment": "about the first", "sticky": True, "notify": False}
    held = box.api.post("/v1/acknowledgements", json=body, params={"wait": 0})
    _is_held(box, held)
    rechecked_from = time.monotonic() + 5.5

    # The core lives on behind another pipe: it recovers and fails again, then comes back to ours.
    core.extra = f"command_file={core.folder}/other.cmd\n"
    core.write_config()
    core.start()
    other = core.folder / "other.cmd"
    until(lambda: cores.has_reader(other), "the core reads the other pipe")
    # Changes of neighbouring seconds may be one, told by the log and by the status file.
    until(lambda: time.monotonic() > rechecked_from - 2.5, "the second problem is of a later second than the first")
    for code, output in ((0, "well again"), (2, "the second problem")):
        now = int(time.time())
        other.write_bytes(b"[%d] PROCESS_SERVICE_CHECK_RESULT;web01;HTTP;%d;%s\n" % (now, code, output.encode()))
        cores.wait_for_state(core, "web01", "HTTP", code)
    # What Signalbox has not seen it cannot judge by.
    shown = "/v1/hosts/web01/services/HTTP"
    until(lambda: box.api.get(shown).json()["plugin_output"] == "the second problem", "the view shows the second problem")
    until(lambda: time.monotonic() > rechecked_from, "it waited more than 5 s")
    core.stop()
    core.extra = ""
    core.write_config()
    cores.restart(core)

    (life,) = box.wait_final(command_ids(held)).values()
    assert life["state"] == "expired", life
    assert "overtaken" in life["reason"]
    assert b"ACKNOWLEDGE_SVC_PROBLEM" not in core.log_file.read_bytes()
    assert oracle.status_of(core.status_file, "web01", "HTTP")["problem_has_been_acknowledged"] == "0"


def test_a_fifo_that_is_gone_or_no_fifo_is_never_made_nor_written(nagios: tuple[NagiosCore, Box]) -> None:
    core, box = nagios
    core.stop()
    core.command_file.unlink()
    _wait_health(box, "missing")
    held = box.downtime("web01", "without a pipe", wait=0)
    _is_held(box, held)
    assert not core.command_file.exists()

    core.command_file.touch(0o666)
    before = core.command_file.stat()
    _wait_health(box, "not_a_fifo")
    another = box.downtime("web01", "into a regular file", wait=0)
    _is_held(box, another)
    after = core.command_file.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (0, before.st_mtime_ns, before.st_ino)

    core.command_file.unlink()
    elsewhere = core.folder / "elsewhere"
    os.mkfifo(elsewhere)
    core.command_file.symlink_to(elsewhere)
    _wait_health(box, "not_a_fifo")
    core.command_file.unlink()

    cores.restart(core)
    _delivered_once(core, box, held, "without a pipe")
    _delivered_once(core, box, another, "into a regular file")


def test_three_times_the_same_while_the_core_is_frozen_is_one(pair: tuple[Core, Box]) -> None:
    core, box = pair
    client, host_id = box.centreon(), box.host_id("web01")
    cores.freeze(core)
    now = time.time()  # what begins a minute later is another one, and a busy machine takes its time
    answers = [_centreon_downtime(client, host_id, "asked three times", now + number) for number in range(3)]
    assert [answer.status_code for answer in answers] == [504, 504, 504], answers[0].text
    assert len({answer.headers["Signalbox-Command"] for answer in answers}) == 1
    cores.thaw(core)
    _delivered_once(core, box, answers[0], "asked three times")
    fourth = _centreon_downtime(client, host_id, "asked three times", now + 3)
    assert fourth.status_code == 204, fourth.text
    cores.wait_for_generation(core)
    assert len(oracle.downtimes(core.status_file, "asked three times")) == 1


def test_five_rotations_during_200_downtimes(nagios: tuple[NagiosCore, Box]) -> None:
    core, box = nagios
    answers: list[httpx.Response] = []
    for rotation in range(5):
        rounds = [(host, rotation) for host in range(40)]
        answers += parallel(lambda pair: box.downtime(f"h{pair[0]:03}", f"rotated {pair}", wait=0), rounds[:20])
        if rotation in (1, 3):
            # Renamed, and the core told: it opens a new one at its reload.
            core.log_file.rename(core.folder / "archives" / f"nagios.log.{rotation}")
            cores.reload(core)
        else:
            cores.rotate_log(core, rotation)
        answers += parallel(lambda pair: box.downtime(f"h{pair[0]:03}", f"rotated {pair}", wait=0), rounds[20:])
    assert {answer.status_code for answer in answers} <= {200, 201, 202}
    lives = box.wait_final([name for answer in answers for name in command_ids(answer)])
    assert len(lives) == 200
    assert {life["state"] for life in lives.values()} == {"confirmed"}
    found = [block["comment"] for block in oracle.downtimes(core.status_file) if block["comment"].startswith("rotated ")]
    assert len(found) == len(set(found)) == 200


def test_the_log_is_rotated_again_and_again_while_we_are_down(nagios: tuple[NagiosCore, Box]) -> None:
    """What was written and not yet read when we died is found in the archives, and neither lost nor sent twice."""
    core, box = nagios
    cores.freeze(core)
    answers = [box.downtime(f"h{number:03}", f"before {number}", wait=0) for number in range(10)]
    until(lambda: _in_state(box, "written") == 10, "all of it is in the pipe")
    box.kill(whole=True)
    cores.thaw(core)
    cores.wait_for_log(core, lambda lines: sum(b";before " in line for line in lines) == 10, "the core executed it")
    core.log_file.rename(core.folder / "archives" / "nagios-11-25-2026-00.log")
    cores.reload(core)
    cores.rotate_log(core, 1)
    core.send("ADD_HOST_COMMENT;h000;1;other;between")
    cores.wait_for_log(core, lambda lines: any(b"between" in line for line in lines), "a foreign command between rotations")
    core.log_file.rename(core.folder / "archives" / "nagios-11-25-2026-01.log")
    cores.reload(core)
    box.start()
    box.wait_ready()
    lives = box.wait_final([name for answer in answers for name in command_ids(answer)])
    assert {life["state"] for life in lives.values()} == {"confirmed"}
    assert [step["state"] for step in lives[command_ids(answers[0])[0]]["steps"]].count("writing") == 1, "nothing was sent again"
    cores.wait_for_generation(core)
    shown = [block["comment"] for block in oracle.downtimes(core.status_file) if block["comment"].startswith("before ")]
    assert len(shown) == len(set(shown)) == 10


def _in_state(box: Box, state: str) -> int:
    return int(box.api.get("/v1/commands", params={"state": state, "limit": 1}).json()["total"])


@pytest.mark.parametrize("how", ["frozen", "full"])
def test_one_stalled_core_delays_nobody_else(how: str, tell: Callable[[str], None]) -> None:
    with cores.core_folder() as folder:
        sick, well = NagiosCore(folder / "sick", _prefixed("s")), NagiosCore(folder / "well", _prefixed("w"))
        with cores.running(sick, well), boxed(folder, sick, well, settings="silent_log_s = 6") as box:
            normal = _seconds_to_confirm(box, "w00", "normal")
            cores.freeze(sick)
            if how == "full":
                _fill(sick)
            stuck = parallel(lambda number: box.downtime(f"s{number % 20:02}", f"stuck {number}", wait=0), list(range(300)))
            assert {answer.status_code for answer in stuck} == {202}
            until(lambda: _health_of(box, "sick") == "stalled", "the stalled core is called so")
            waited = [_seconds_to_confirm(box, f"w{number:02}", f"meanwhile {number}") for number in range(1, 6)]
            tell(f"one core {how}: another confirms in {max(waited):.2f} s at most, {normal:.2f} s before")
            well.set_state("w09", "PING", 2, "a new problem")
            until(lambda: box.api.get("/v1/hosts/w09/services/PING").json()["state"] == 2, "state of the other core goes on")
            first = command_ids(stuck[0])[0]
            if how == "full":
                until(lambda: box.life(first)["state"] == "held", "what the command file does not take is held")
                assert "full" in box.life(first)["reason"]
                asked = _commands(box)
                refused = _centreon_downtime(box.centreon(), box.host_id("s00"), "cannot wait")
                assert (refused.status_code, _commands(box)) == (503, asked), refused.text
            else:
                until(lambda: box.life(first)["state"] == "unknown", "what a silent core was told ends as unknown")
                assert "disk full" in box.life(first)["reason"]
            # Much less than the stalled core's silence lasts; proof is never quicker than the core's own files.
            assert max(waited) < normal + 5
            cores.thaw(sick)
            ids = [name for answer in stuck for name in command_ids(answer)]
            until(lambda: _standing(sick, "stuck ") == 300, "every line was executed once the core went on")
            lives = box.wait_final(ids)
            until(lambda: all(box.life(name)["state"] == "confirmed" for name in ids[:20]), "late proof is taken, too")
            assert {life["state"] for life in lives.values()} <= {"confirmed", "unknown"}


def _prefixed(prefix: str) -> list[Host]:
    return [Host(f"{prefix}{number:02}", (Service("PING"),)) for number in range(20)]


def _standing(core: Core, word: str) -> int:
    shown = [block["comment"] for block in oracle.downtimes(core.status_file) if block["comment"].startswith(word)]
    assert len(shown) == len(set(shown)), "twice"
    return len(shown)


def _health_of(box: Box, name: str) -> str:
    return next(str(one["command_file"]) for one in box.api.get("/v1/pollers").json()["items"] if one["name"] == name)


def _seconds_to_confirm(box: Box, host: str, comment: str) -> float:
    started = time.monotonic()
    box.wait_final(command_ids(box.downtime(host, comment, wait=0)))
    return time.monotonic() - started


def _fill(core: Core) -> None:
    """As much as the pipe takes, by another program, in lines that do nothing."""
    try:
        while True:
            core.write_raw(b"[%d] _NOTHING;%s\n" % (time.time(), b"x" * 1000))
    except BlockingIOError:
        pass
