"""A disk that is full: nothing is accepted and everybody is told so; afterwards all goes on, nothing was lost, nothing sent twice.

The full one is a tmpfs of 20 MB, which only root can mount.
"""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import cores, oracle
from tests.support.box import ENGINE, WORKER, Box, boxed, command_ids
from tests.support.cores import Host, NagiosCore, Service, until

pytestmark = pytest.mark.core

SIZE = "20m"
HOSTS = tuple(f"h{number:02}" for number in range(30))


@dataclass
class Full:
    """A Signalbox on a small disk, and what it answered."""

    core: NagiosCore
    box: Box
    accepted: dict[str, str] = field(default_factory=dict)  # comment → command
    refused: set[str] = field(default_factory=set)  # comments

    @property
    def ballast(self) -> Path:
        return self.box.data / "ballast"

    def fill(self) -> None:
        """Take every byte that is left."""
        with self.ballast.open("ab", buffering=0) as out:
            for size in (1 << 20, 4096, 1):
                while True:
                    try:
                        if out.write(b"\0" * size) < size:
                            break
                    except OSError:
                        break

    def limit(self, size: int) -> None:
        """Let no process of it write into a file beyond that size."""
        for pid in self.box.pids(ENGINE) + self.box.pids(WORKER):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]))

    def ask(self, comment: str) -> httpx.Response:
        """POST a downtime, and remember what was said."""
        host = HOSTS[len(self.accepted | dict.fromkeys(self.refused)) % len(HOSTS)]
        answer = self.box.downtime(host, comment, wait=0)
        if answer.status_code == 202:
            self.accepted[comment] = command_ids(answer)[0]
        else:
            self.refused.add(comment)
        return answer

    def ask_until_refused(self, word: str) -> None:
        """What already belongs to the journal's file may still be used up; every answer is as good as any."""
        for number in range(3000):
            if self.ask(f"{word} {number}").status_code == 503:
                return
            self.fill()
        raise AssertionError("a full disk takes whatever it is given")

    def writes(self) -> list[Callable[[], httpx.Response]]:
        api, known = self.box.api, next(iter(self.accepted.values()))
        return [
            lambda: api.post("/v1/comments", json={"host": "h01", "comment": "full"}),
            lambda: api.post("/v1/checks", json={"host": "h01", "service": "PING"}),
            lambda: api.post("/v1/results", json={"results": [{"host": "h01", "return_code": 0, "plugin_output": "full"}] * 2}),
            lambda: api.patch("/v1/hosts/h01", json={"notifications_enabled": False}),
            lambda: api.post("/v1/commands", json={"command": "DISABLE_HOST_CHECK", "arguments": {"host": "h01"}}),
            lambda: api.post("/v1/comments", json={"host": "h01", "comment": "full"}, headers={"Idempotency-Key": "full"}),
            lambda: api.delete(f"/v1/downtimes/{self.box.life(known)['entry_id']}"),
        ]

    def exactly_what_was_accepted(self, tell: Callable[[str], None]) -> None:
        """By the core's own file: each accepted one once, none of the refused."""
        lives = self.box.wait_final(self.accepted.values())
        assert {life["state"] for life in lives.values()} == {"confirmed"}, [
            life for life in lives.values() if life["state"] != "confirmed"
        ][:2]
        cores.wait_for_generation(self.core)
        stand = sorted(block["comment"] for block in oracle.downtimes(self.core.status_file))
        assert stand == sorted(self.accepted), "once each, and nothing of what was refused"
        lines = oracle.command_lines(oracle.logs_of(self.core.folder))
        assert not [line for line in lines if b"full" in line], "what was refused was never written"
        tell(f"full disk: {len(self.accepted)} accepted, {len(self.refused)} refused, {len(stand)} in the core")


@pytest.fixture
def full() -> Iterator[Full]:
    if os.getuid() != 0:
        missing = "this test mounts a tmpfs: run it as root"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "core", [Host(name, (Service("PING"),)) for name in HOSTS], 1)
        box = Box(folder / "box", [core])
        box.data.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(box.data)], check=True)
        try:
            with cores.running(core):
                box.prepare()
                try:
                    box.start()
                    box.wait_ready()
                    yield Full(core, box)
                finally:
                    box.close()
        finally:
            subprocess.run(["umount", "-l", str(box.data)], check=True)


@pytest.fixture
def failing() -> Iterator[Full]:
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "core", [Host(name, (Service("PING"),)) for name in HOSTS], 1)
        with cores.running(core), boxed(folder, core) as box:
            yield Full(core, box)


def _journal_is_named(answer: httpx.Response) -> None:
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "journal_error"), answer.text
    assert "journal" in problem["detail"] and answer.headers["retry-after"]


def test_a_full_disk_accepts_nothing_loses_nothing_and_needs_no_repair(full: Full, tell: Callable[[str], None]) -> None:
    box = full.box
    processes = box.pids(ENGINE) + box.pids(WORKER)
    assert full.ask("before").status_code == 202
    box.wait_final(full.accepted.values())
    cores.freeze(full.core)
    for number in range(10):
        assert full.ask(f"in flight {number}").status_code == 202
    until(lambda: {box.life(one)["state"] for one in full.accepted.values()} <= {"written", "confirmed"}, "they are written")
    full.fill()
    full.ask_until_refused("while full")
    cores.thaw(full.core)
    cores.wait_for_log(full.core, lambda lines: any(b"in flight 9" in line for line in lines), "the core executes them")
    for write in full.writes():
        _journal_is_named(write())
    for path in ("/v1/hosts", "/v1/downtimes", "/v1/commands", "/v1/audit", "/v1/pollers", "/healthz"):
        assert box.api.get(path).status_code == 200, path
    full.core.send("PROCESS_SERVICE_CHECK_RESULT;h05;PING;2;seen on a disk without room")
    until(lambda: "without room" in box.api.get("/v1/hosts/h05/services/PING").json()["plugin_output"], "the view goes on")
    wanted = "nothing is sent, and proof waits in the core's log"
    until(lambda: wanted in box.output, "the lane could not store what the log proves")
    full.ballast.unlink()
    until(lambda: full.ask(f"after {len(full.refused)}").status_code == 202, "there is room again")
    full.exactly_what_was_accepted(tell)
    assert box.pids(ENGINE) + box.pids(WORKER) == processes, "nothing had to be started again"
    assert box.api.post("/v1/comments", json={"host": "h01", "comment": "again"}).status_code in (200, 201, 202)


def test_a_disk_that_fails_every_write(failing: Full, tell: Callable[[str], None]) -> None:
    """As a file system does that the kernel has made read-only after an error; here by a limit on the size of files."""
    box = failing.box
    assert failing.ask("before").status_code == 202
    box.wait_final(failing.accepted.values())
    failing.limit(0)
    for number in range(3):
        _journal_is_named(failing.ask(f"failing {number}"))
    for write in failing.writes():
        _journal_is_named(write())
    assert box.api.get("/v1/hosts").json()["total"] == len(HOSTS)
    assert box.api.get("/v1/audit").status_code == 200
    failing.limit(resource.RLIM_INFINITY)
    until(lambda: failing.ask(f"after {len(failing.refused)}").status_code == 202, "it can be written again")
    failing.exactly_what_was_accepted(tell)
