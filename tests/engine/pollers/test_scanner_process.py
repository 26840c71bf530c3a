"""A scanner's process: killed, left half-way, closed, orphaned, it never mixes one scan with the next."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import astuple

from engine.config import Poller
from engine.pollers.scan import Scanner
from engine.pollers.scanner_process import ScannerProcess
from engine.state.frames import Begin, End, Failed, Frame, Objects, Rows, Unchanged
from tests.engine.pollers.scan_scene import ASK, GOLDEN, Mirror, failure, golden, install, poller_in, truth
from tests.support.cores import PATIENCE_S


@pytest.fixture
def poller(tmp_path: Path) -> Poller:
    return poller_in(tmp_path)


@pytest.fixture
def process(poller: Poller) -> Iterator[ScannerProcess]:
    made = ScannerProcess(poller)
    yield made
    made.close()


def pid_of(process: ScannerProcess) -> int:
    assert process._process is not None
    return process._process.pid


def many(raw: bytes) -> bytes:
    """Enough rows that they do not fit into a pipe."""
    (block,) = [part for part in raw.split(b"\n\t}\n") if b"service_description=Disk /var" in part]
    return raw + b"".join(block.replace(b"Disk /var", b"Disk %d" % number) + b"\n\t}\n" for number in range(5000))


def test_nothing_is_started_before_it_is_needed(process: ScannerProcess) -> None:
    assert process._process is None


@pytest.mark.parametrize("status", ["status-1.dat", "status-2.dat", "status-3.dat"])
def test_rows_arrive_as_they_were_sent_each_of_its_type(process: ScannerProcess, poller: Poller, status: str) -> None:
    install(poller, golden(status))

    def rows(frames: Iterable[Frame]) -> list[tuple[type, object]]:
        of = [frame.cache if isinstance(frame, Objects) else frame for frame in frames if isinstance(frame, Objects | Rows)]
        found = [row for one in of for members in astuple(one) for row in members]
        return [(type(row), row._replace(block_hash=0) if hasattr(row, "block_hash") else row) for row in found]

    arrived = rows(process.scan(ASK))
    assert arrived == rows(Scanner(poller).scan(ASK))
    assert len({kind for kind, _ in arrived}) >= 8


def test_a_scanner_killed_between_two_scans_is_started_again(process: ScannerProcess, poller: Poller) -> None:
    mirror = Mirror()
    install(poller, golden("status-1.dat"))
    mirror.apply(process.scan(ASK))
    os.kill(pid_of(process), signal.SIGKILL)
    install(poller, golden("status-2.dat"))
    frames = mirror.apply(process.scan(ASK))
    if isinstance(frames[-1], Failed):  # it was not seen to be dead before it was asked
        frames = mirror.apply(process.scan(ASK))
    assert isinstance(frames[0], Begin)
    assert frames[0].first
    assert mirror.rows == truth(golden("status-2.dat"))


def test_a_scanner_killed_in_a_scan(process: ScannerProcess, poller: Poller) -> None:
    install(poller, many(golden("status-1.dat")))
    frames = process.scan(ASK)
    assert isinstance(next(frames), Begin)
    os.kill(pid_of(process), signal.SIGKILL)
    found = failure(frames)
    assert found.health == "unknown"
    mirror = Mirror()
    again = mirror.apply(process.scan(ASK))
    assert isinstance(again[0], Begin)
    assert again[0].first
    assert len(mirror.rows) == len(truth(golden("status-1.dat"))) + 5000


def test_a_scan_left_half_way_is_not_mixed_with_the_next(process: ScannerProcess, poller: Poller) -> None:
    install(poller, many(golden("status-1.dat")))
    frames = process.scan(ASK)
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    again = list(process.scan(ASK))
    assert isinstance(again[0], Begin)
    assert again[0].first
    assert isinstance(again[-1], End)


def test_the_scanner_closed_has_everything_sent_again(process: ScannerProcess, poller: Poller) -> None:
    install(poller, golden("status-1.dat"))
    hashes = []
    for _ in range(2):
        frames = list(process.scan(ASK))
        assert isinstance(frames[0], Begin)
        assert frames[0].first
        hashes.append([row.block_hash for frame in frames if isinstance(frame, Rows) for row in frame.services])
        process.close()
        process.close()
    assert hashes[0] == hashes[1]  # so that a mirror need not write again what it holds


def test_the_scanner_ends_with_its_parent(poller: Poller, tmp_path: Path) -> None:
    install(poller, golden("status-1.dat"))
    handed = tmp_path / "poller"
    handed.write_bytes(pickle.dumps(poller))
    script = (
        "import pickle, sys\n"
        "from engine.pollers.scanner_process import ScannerProcess\n"
        "from engine.state.frames import ScanRequest\n"
        "process = ScannerProcess(pickle.load(open(sys.argv[1], 'rb')))\n"
        "list(process.scan(ScanRequest()))\n"
        "print(process._process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(handed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=GOLDEN.parents[1]
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.kill()
    deadline = time.monotonic() + PATIENCE_S
    while is_running(child):
        assert time.monotonic() < deadline, "the scanner outlived its parent"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_ctrl_c_is_not_for_the_scanner(process: ScannerProcess, poller: Poller) -> None:
    install(poller, golden("status-1.dat"))
    list(process.scan(ASK))
    pid = pid_of(process)
    os.kill(pid, signal.SIGINT)
    assert list(process.scan(ASK)) == [Unchanged(1)]
    assert pid_of(process) == pid
