"""Durability is real: the writer's own PRAGMA, and the fsync a request waits for."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config_file import load_config
from engine.desk import Desk
from engine.journal.store import Journal
from tests.support import cores
from tests.support.box import WORKER, Box, boxed
from tests.support.cores import PATIENCE_S, Host, NagiosCore, Service, until

pytestmark = pytest.mark.core

FULL = 2
REQUESTS = 5
_CALL = re.compile(r"^(?P<pid>\d+) +(?P<name>\w+)\(")


@pytest.fixture
def pair() -> Iterator[tuple[NagiosCore, Box]]:
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "core", [Host("web01", (Service("HTTP"),))])
        with cores.running(core), boxed(folder, core) as box:
            yield core, box


def test_the_live_writer_connection_is_synchronous_full(pair: tuple[NagiosCore, Box], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every journal a desk opens, as a worker does it, and of one opened as the engine's lanes do."""
    _, box = pair
    opened: list[Journal] = []
    make = Journal.__init__

    def remembered(self: Journal, data: Path) -> None:
        make(self, data)
        opened.append(self)

    monkeypatch.setattr(Journal, "__init__", remembered)
    config = load_config(box.folder / "signalbox.toml", [], data=box.data)

    async def live() -> list[int]:
        desk = Desk(config)
        await desk.open()
        try:
            return [journal.synchronous() for journal in opened]
        finally:
            await desk.close()

    found = asyncio.run(live())
    assert found
    assert set(found) == {FULL}
    lane = Journal.open(config.data)
    assert lane.synchronous() == FULL
    lane.close()


def test_no_2xx_without_an_fsync_before_it(pair: tuple[NagiosCore, Box]) -> None:
    if shutil.which("strace") is None:
        missing = "strace is not installed: apt-get install strace"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    _, box = pair
    trace = box.folder / "trace"
    (worker,) = box.pids(WORKER)
    calls = "fsync,fdatasync,read,recvfrom,recvmsg,write,writev,sendto,sendmsg"
    words = ["strace", "-f", "-q", "-s", "64", "-o", str(trace), "-e", f"trace={calls}", "-p", str(worker)]
    tracer = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        until(lambda: f"TracerPid:\t{tracer.pid}" in Path(f"/proc/{worker}/status").read_text(), "strace holds the worker")
        for number in range(REQUESTS):
            assert box.downtime("web01", f"durable {number}", wait=0).status_code == 202
    finally:
        tracer.terminate()
        tracer.wait(PATIENCE_S)
    found = [_story(line) for line in trace.read_text("utf-8", "replace").splitlines()]
    story = "".join(found)
    assert story.count("Q") == story.count("A") == REQUESTS, story
    assert re.fullmatch(r"F*(QF+AF*)+", story), story


def _story(line: str) -> str:
    """Q a request came in, A a 2xx went out, F an fsync was asked for."""
    call = _CALL.match(line)
    if call is None:
        return ""
    if call["name"] in ("fsync", "fdatasync"):
        return "F"
    if "POST /v1/downtimes" in line:
        return "Q"
    return "A" if "HTTP/1.1 2" in line else ""
