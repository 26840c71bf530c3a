"""The first block of the README, as it stands, on a core of the machine: what a newcomer types is what runs.

A mount namespace puts a running private core's configuration where the README says it is; a terminal answers the password prompt.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import cores
from tests.support.box import Box, boxed
from tests.support.cores import Host, NagiosCore, Service

ROOT = Path(__file__).resolve().parents[2]
FIRST_BLOCK = re.compile(r"^## On your own core\n+```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
PASSWORD = "a newcomer's own"
DEADLINE_S = 120.0


def first_block() -> str:
    found = FIRST_BLOCK.search((ROOT / "README.md").read_text("utf-8"))
    assert found, "the README's first screen is gone"
    return found[1]


def test_the_first_screen_is_six_lines_at_most() -> None:
    lines = first_block().strip().splitlines()
    assert 1 <= len(lines) <= 6
    assert [word for word in ("signalbox check", "signalbox user add", "signalbox serve", "curl") if word in first_block()] == [
        "signalbox check",
        "signalbox user add",
        "signalbox serve",
        "curl",
    ]


@pytest.mark.core
def test_the_first_screen_runs_as_it_stands(tmp_path: Path, _cores_are_there: None) -> None:
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", 8080))  # the default the README relies on; it must be free here
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "own", [Host("web01", (Service("HTTP"),))])
        with cores.running(core):
            core.set_state("web01", "HTTP", 2, "connection refused")
            cores.wait_for_state(core, "web01", "HTTP", 2)
            said = typed(tmp_path, core.config_file)
    answer = json.loads(said[said.rindex('{"total"') :].splitlines()[0])
    assert [(item["host"], item["service"]) for item in answer["items"]] == [("web01", "HTTP")], said
    assert "Traceback" not in said
    assert "user admin (admin) added" in said


def asking() -> list[str]:
    """Every command of the README's section on asking, one string each."""
    section = (ROOT / "README.md").read_text("utf-8").split("## Asking", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return [command for block in blocks for command in re.split(r"^(?=curl )", block, flags=re.MULTILINE) if command.strip()]


@pytest.mark.core
def test_each_question_of_the_readme_is_answered(tmp_path: Path, _cores_are_there: None) -> None:
    """As they stand, but for the address; the events never end by themselves."""
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "own", [Host("web01", (Service("HTTP"),), groups=("linux",))])
        with cores.running(core), boxed(folder, core) as box:
            core.set_state("web01", "HTTP", 2, "connect: time out")
            cores.wait_for_state(core, "web01", "HTTP", 2)
            assert len(asking()) > 7
            for command in asking():
                shown = run_question(command, box)
                assert shown.strip(), f"{command}: nothing"
                if "snapshot" not in command:
                    assert all(isinstance(json.loads(line), dict) for line in shown.splitlines()), command


def run_question(command: str, box: Box) -> str:
    """What curl prints; a refusal is a failure of the test."""
    fails = command.replace("curl ", "curl -sS --fail-with-body --max-time 40 ", 1)
    if "/v1/events" in command:
        fails = f"timeout 3 {fails.strip()} || [ $? = 124 ]"
    done = subprocess.run(
        ["/bin/bash", "-c", fails.replace("http://127.0.0.1:8080", box.url)],
        env=os.environ | {"TOKEN": box.token},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def typed(home: Path, main_config: Path) -> str:
    """What the terminal shows when the block is typed. The last line after it takes the service down again."""
    script = home / "typed.sh"
    around = f"cd {ROOT} && mount --bind {main_config} /etc/nagios4/nagios.cfg || exit 1\n"
    script.write_text(around + first_block() + "echo; kill %1; wait\n", "utf-8")
    namespace = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-r", "-m"]
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb", "LANG": "C.UTF-8"}
        os.execvpe(namespace[0], [*namespace, "bash", "-m", str(script)], environment)
    try:
        return _conversation(terminal)
    finally:
        os.close(terminal)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(pid, 0)


def _conversation(terminal: int) -> str:
    """Answer password prompts until the terminal closes."""
    said = b""
    answered = 0
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            new = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            return said.decode("utf-8", "replace")
        if not new:
            return said.decode("utf-8", "replace")
        said += new
        prompts = len(re.findall(rb"assword[^\n]*: ?|onfirm[^\n]*: ?", said))
        if prompts > answered:
            os.write(terminal, PASSWORD.encode() + b"\n")
            answered = prompts
    raise AssertionError(f"not done within {DEADLINE_S:g} s:\n{said.decode('utf-8', 'replace')}")
