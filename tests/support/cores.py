"""Real cores for tests: what contrib/demo_cores.py starts, and everything that hurts a core.

The generator and start/stop have their one copy in contrib/demo_cores.py. Here: which versions must answer, kill -9, SIGSTOP,
reload, rotation of logs, a damaged FIFO, and waiting for what a core wrote.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from contrib.demo_cores import (
    HOW_TO_INSTALL,
    ICINGA2_VERSION,
    NAGIOS_VERSION,
    PATIENCE_S,
    Core,
    Host,
    Icinga2Core,
    NagiosCore,
    Service,
    has_reader,
    missing_programs,
    until,
)
from tests.support import oracle

__all__ = ["DIRT", "PATIENCE_S", "Core", "Host", "Icinga2Core", "NagiosCore", "Service", "has_reader", "until", "until_same"]

T = TypeVar("T")


def require_cores() -> None:
    """Where a core is missing, fail if CI is set, else skip and say how to install it. Versions are held to those of the notes."""
    missing = missing_programs()
    if missing:
        words = f"{', '.join(missing)} not installed: {HOW_TO_INSTALL}"
        if os.environ.get("CI"):
            pytest.fail(words, pytrace=False)
        pytest.skip(words)
    assert NagiosCore.version() == NAGIOS_VERSION
    assert Icinga2Core.version() == ICINGA2_VERSION


@contextmanager
def core_folder() -> Iterator[Path]:
    """A folder an ordinary user can reach; at the end nothing runs in it any more, and it is removed."""
    folder = Path(tempfile.mkdtemp(prefix="signalbox-test-"))
    folder.chmod(0o755)
    try:
        yield folder
        left = running_in(folder)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left, f"left running: {left}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def running_in(folder: Path) -> dict[int, str]:
    """Processes whose arguments name something below the folder, dead ones not counted."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) + b"/" in command:
                found[int(entry.name)] = command.replace(b"\0", b" ").decode("utf-8", "replace")
    return found


@contextmanager
def running(*cores: Core) -> Iterator[None]:
    """Prepare and start cores together, stop them at the end."""
    try:
        for core in cores:
            core.prepare()
            core.start()
        for core in cores:
            core.wait_ready()
        yield
    finally:
        for core in cores:
            core.stop()


# What other programs leave on a command file; a Nagios 4 stumbles over it (cores.md 2.5).
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


# --- what hurts -------------------------------------------------------------------------------------------------------------


def kill(core: Core) -> None:
    """kill -9 of the whole core, as the machine's power switch would; its files stay as they are."""
    assert core.process is not None
    for pid in core.pids():
        os.kill(pid, signal.SIGKILL)
    core.process.wait()
    core.process = None
    core.wait_gone()


def freeze(core: Core) -> None:
    """SIGSTOP: the FIFO is open, nobody at home. Workers first, so that nothing of it goes on."""
    for pid in reversed(core.pids()):
        suspend(pid)


def suspend(pid: int) -> None:
    """SIGSTOP, and back when every thread of it stands still.

    One thread takes the signal for all: while that one waits for its turn on a busy machine, the others run on (seen: 0.3 s).
    """
    os.kill(pid, signal.SIGSTOP)

    def stands() -> bool:
        try:
            stats = [stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
        except (FileNotFoundError, ProcessLookupError):  # a thread has just ended
            return False
        return all(text.rpartition(")")[2].split()[0] in "TZX" for text in stats)

    until(stands, f"process {pid} stands still")


def thaw(core: Core) -> None:
    """SIGCONT."""
    for pid in core.pids():
        os.kill(pid, signal.SIGCONT)


def restart(core: Core, within_s: float = PATIENCE_S) -> None:
    """Start again after `stop` or `kill`, and wait until it reads commands."""
    core.start()
    core.wait_ready(within_s)


def reload(core: Core, hosts: Sequence[Host] | None = None, within_s: float = PATIENCE_S) -> None:
    """HUP, with another set of hosts if given; back when a status file of the new run is there."""
    if hosts is not None:
        core.hosts = hosts
        core.write_config()
    before = oracle.program_start(core.status_file)
    # Program starts are whole seconds in Nagios: a reload within the second of the start could not be told from none.
    until(lambda: time.time() >= int(before) + 1.01, "the second after the core's start")
    core.signal(signal.SIGHUP)
    # Icinga 2's old process writes once more while the new one takes over: the hosts tell.
    names = {host.name for host in core.hosts}
    until(
        lambda: oracle.program_start(core.status_file) > before and oracle.hosts(core.status_file) == names,
        f"{core.folder.name} reloaded",
        within_s,
    )
    until(lambda: has_reader(core.command_file), "the reloaded core reads commands", within_s)


def rotate_log(core: Core, number: int) -> None:
    """Rotate as logrotate does without a signal the core would take: copy, then truncate (Nagios 4 keeps its descriptor)."""
    shutil.copyfile(core.log_file, core.folder / "archives" / f"{core.log_file.name}.{number}")
    os.truncate(core.log_file, 0)


def until_same(look: Callable[[], tuple[T, T]], what: str) -> T:
    """Look at both sides until they say the same, and return that: a core may write its files between the two looks of one pair.

    What is wrong never agrees, and is shown as (wanted, found) in the AssertionError that it ends with.
    """
    seen: list[tuple[T, T]] = []

    def agree() -> bool:
        seen[:] = [look()]
        return seen[0][0] == seen[0][1]

    try:
        until(agree, what)
    except TimeoutError:
        ((wanted, found),) = seen
        assert found == wanted, what
    return seen[0][0]


# --- waiting for what a core wrote --------------------------------------------------------------------------------------------


def wait_for_log(core: Core, condition: Callable[[list[bytes]], object], what: str) -> None:
    """Wait until the main log's lines satisfy a condition."""
    until(lambda: condition(core.main_log.read_bytes().splitlines()), what)


def wait_for_generation(*those: Core) -> None:
    """Wait for a status file of each created after this second, i.e. one that shows everything done until now."""
    # Nagios tells whole seconds, Icinga 2 fractions: one of this very second may be older than what was just done.
    second = int(time.time()) + 1
    names = ", ".join(core.folder.name for core in those)
    until(lambda: all(oracle.created(core.status_file) >= second for core in those), f"a newer status file of {names}")


def wait_for_state(core: Core, host: str, service: str, state: int) -> None:
    """Wait until the status file shows the object checked and in that state."""

    def is_so() -> bool:
        row = oracle.status_of(core.status_file, host, service)
        return row.get("has_been_checked") == "1" and row.get("current_state") == str(state)

    until(is_so, f"{host};{service} in state {state}")
