"""The demo as people run it: three real cores, Signalbox in front, every line it prints worth trying, and nothing left of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import cores
from tests.support.cores import PATIENCE_S, until

pytestmark = pytest.mark.core

DEMO = Path(__file__).parents[2] / "contrib" / "demo.sh"
READY_S = 60.0
LAST_WORDS = "Ctrl-C takes everything down."


@contextmanager
def _demo(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The demo in a session of its own, its temporary folder within `folder`, its words in `folder`/output."""
    environment = os.environ | {"TMPDIR": str(folder), "SIGNALBOX_PYTHON": sys.executable}
    with (folder / "output").open("wb") as output:
        demo = subprocess.Popen(
            ["sh", str(DEMO), "--yes"],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    try:
        yield demo
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGTERM)
        demo.wait(PATIENCE_S)


def _words(folder: Path) -> str:
    return (folder / "output").read_text("utf-8")


def _try(line: str, token: str) -> Any:
    run = subprocess.run(["sh", "-c", f"TOKEN={token}; {line}"], capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    return json.loads(run.stdout)


def test_the_demo_and_each_line_it_prints() -> None:
    if shutil.which("curl") is None:
        missing = "curl is not installed: apt-get install curl"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with cores.core_folder() as folder:
        with _demo(folder) as demo:
            began = time.monotonic()
            until(lambda: LAST_WORDS in _words(folder) or demo.poll() is not None, "the demo is up", READY_S)
            took_s = time.monotonic() - began
            words = _words(folder)
            assert demo.poll() is None, words
            assert took_s < READY_S
            (token,) = [line.removeprefix("TOKEN=") for line in words.splitlines() if line.startswith("TOKEN=")]
            lines = [line for line in words.splitlines() if line.startswith("curl ")]
            assert len(lines) == 5
            problems, downtime, ambiguous, acknowledged, commands = (_try(line, token) for line in lines)
            # The list of problems covers all three cores, each with an object in trouble.
            assert {"north", "south", "east"} <= set(json.dumps(problems).replace('"', " ").split())
            assert downtime["state"] == "confirmed"
            assert ambiguous["status"] == 409
            assert acknowledged["state"] == "confirmed"
            assert {command["state"] for command in commands["items"]} == {"confirmed"}

            os.killpg(demo.pid, signal.SIGINT)
            assert demo.wait(PATIENCE_S) == 0, _words(folder)
        assert [entry.name for entry in folder.iterdir()] == ["output"]


def test_it_stays_away_from_the_machines_own_core() -> None:
    with cores.core_folder() as folder:
        stranger = shutil.copy("/bin/sleep", folder / "nagios4")
        core = subprocess.Popen(["nagios4", "60"], executable=stranger)
        try:
            with _demo(folder) as demo:
                assert demo.wait(PATIENCE_S) == 1
        finally:
            core.kill()
            core.wait()
        assert f"process {core.pid}: nagios4 60" in _words(folder)
        assert sorted(entry.name for entry in folder.iterdir()) == ["nagios4", "output"]
