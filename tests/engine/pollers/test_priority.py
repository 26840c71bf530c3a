"""Who waits where the processor is short: scans do, but not until a view is old."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.config import Config, Poller
from engine.model import CoreKind
from engine.pollers.priority import HALF_AS_NICE, NICE, SteppedBack, step_back
from engine.pollers.scanner_process import ScannerProcess
from engine.runtime import Runtime, ScanLoop, build
from engine.state.frames import ScanRequest

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def test_only_the_thread_that_stepped_back_is_nicer() -> None:
    before, back = niceness(), SteppedBack()
    assert back.do(niceness) == max(before, NICE)
    assert back.do(threading.current_thread) is back.do(threading.current_thread) is not threading.current_thread()
    assert niceness() == before


def test_what_is_handed_over_raises_where_it_came_from() -> None:
    back = SteppedBack()
    with pytest.raises(ZeroDivisionError):
        back.do(lambda: 1 // 0)
    assert back.do(lambda: 1) == 1


def test_nobody_steps_back_twice() -> None:
    def twice() -> int:
        step_back()
        step_back(HALF_AS_NICE)
        return niceness()

    assert SteppedBack().do(twice) == NICE


@pytest.fixture
def poller(tmp_path: Path) -> Poller:
    found = Poller(1, "one", CoreKind.NAGIOS, tmp_path / "cmd", tmp_path / "status.dat", tmp_path / "log", None)
    found.status_file.write_bytes((GOLDEN / "nagios-4.4.6" / "status-1.dat").read_bytes())
    return found


def ran_ns(pid: int) -> dict[int, int]:
    """Nanoseconds on a processor of the threads of a process, by niceness."""
    ran: dict[int, int] = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        nice = os.getpriority(os.PRIO_PROCESS, int(thread.name))
        ran[nice] = ran.get(nice, 0) + int((thread / "schedstat").read_text().split()[0])
    return ran


def test_a_scanner_steps_back_for_the_scans_that_ask_it_to(poller: Poller) -> None:
    process = ScannerProcess(poller)
    try:
        assert not process.has_scanned
        list(process.scan(ScanRequest()))
        assert process.has_scanned
        assert process._process is not None
        before = ran_ns(process._process.pid)
        list(process.scan(ScanRequest(reread_objects=True)))
        between = ran_ns(process._process.pid)
        list(process.scan(ScanRequest(reread_objects=True, steps_back=True)))
        after = ran_ns(process._process.pid)
    finally:
        process.close()
    assert not process.has_scanned
    assert between[NICE] == before[NICE]
    assert after[NICE] > between[NICE]


@dataclass
class SlowClock:
    """Each look at it takes `step_s`."""

    step_s: float = 0.0
    seconds: float = 1000.0

    def now(self) -> float:
        return 1_800_000_000.0 + self.seconds

    def monotonic(self) -> float:
        self.seconds += self.step_s
        return self.seconds


@dataclass
class Scene:
    clock: SlowClock
    loop: ScanLoop


@pytest.fixture
def scene(poller: Poller, tmp_path: Path) -> Iterator[Scene]:
    data = tmp_path / "data"
    data.mkdir()
    poller.log_file.touch()
    clock = SlowClock()
    runtime: Runtime = build(Config(data, (poller,)), clock)
    loop = runtime.scans[1]
    yield Scene(clock, loop)
    loop.scanner.close()
    runtime.mirror.close()
    runtime.journal.close()
    runtime.lanes[1].lane.journal.close()


def test_the_first_scan_of_a_scanner_is_not_kept_waiting(scene: Scene) -> None:
    """Until it is through nothing is known, or what is known is of our life before."""
    loop = scene.loop
    assert not loop.can_step_back()
    loop.scan()
    assert loop.can_step_back()
    loop.scanner.close()
    assert not loop.can_step_back()


def test_scans_step_back_no_more_while_that_makes_them_late(scene: Scene) -> None:
    loop, clock = scene.loop, scene.clock
    loop.scan()
    interval_s = loop.poller.status_update_interval_s
    clock.step_s = interval_s - 1
    loop.scan(steps_back=True)
    assert loop.can_step_back(), "the view is as young as the core's files"
    clock.step_s = interval_s + 1
    loop.scan()
    assert loop.can_step_back(), "it did not take long because it stepped back"
    loop.scan(steps_back=True)
    clock.step_s = 0.0
    assert not loop.can_step_back()
    clock.seconds += 40
    assert not loop.can_step_back()
    clock.seconds += 30
    assert loop.can_step_back(), "it is tried again"
