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

from api import centreon as centreon_dialect
from api import cli
from api.cgi.commands import TABLE, Form
from api.native import OPERATIONS
from engine.commands.catalogue import CATALOGUE
from tests.support import cores, oracle, plain_http
from tests.support.box import ENGINE, PASSWORD, WORKER, Box, boxed, command_ids
from tests.support.cores import Host, NagiosCore, Service, until
from tests.support.events import EventReader, reading
from tests.system import every_write
from tests.system.every_write import Asked

pytestmark = pytest.mark.core

SIZE = "20m"
HOSTS = tuple(f"h{number:02}" for number in range(30))
DANGEROUS = [row.name for row in TABLE.values() if CATALOGUE[row.name].danger]


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
def failing() -> Iterator[tuple[Full, Asked]]:
    """With everything there that can be written about; a second core has stopped, so that what it is asked for waits."""
    with cores.core_folder() as folder:
        service = Service("PING", groups=("pings",))
        below = {HOSTS[-1]: (every_write.CALM,)}
        core = NagiosCore(folder / "core", [Host(name, (service,), ("all",), parents=below.get(name, ())) for name in HOSTS], 1)
        away = NagiosCore(folder / "away", [Host("a00", (Service("PING"),))], 1)
        dangerous = f"dangerous_commands = {DANGEROUS}".replace("'", '"')
        with cores.running(core, away), boxed(folder, core, away, settings=dangerous) as box:
            box.add_user(every_write.SECOND, "reader")
            away.stop()
            asked = Asked(box, core, away)
            asked.prepare()
            yield Full(core, box), asked


def _journal_is_named(answer: httpx.Response) -> None:
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "journal_error"), answer.text
    assert "journal" in problem["detail"] and "Nothing was accepted" in problem["detail"] and answer.headers["retry-after"]


def test_a_full_disk_accepts_nothing_loses_nothing_and_needs_no_repair(full: Full, tell: Callable[[str], None]) -> None:
    box = full.box
    processes = box.pids(ENGINE) + box.pids(WORKER)
    assert full.ask("before").status_code == 202
    box.wait_final(full.accepted.values())
    cores.freeze(full.core)
    for number in range(10):
        assert full.ask(f"in flight {number}").status_code == 202
    until(lambda: {box.life(one)["state"] for one in full.accepted.values()} <= {"written", "confirmed"}, "they are written")
    with reading(box, host="h05", type="state") as reader:
        _while_it_is_full(full, reader)
    wanted = "nothing is sent, and proof waits in the core's log"
    until(lambda: wanted in box.output, "the lane could not store what the log proves")
    full.ballast.unlink()
    until(lambda: full.ask(f"after {len(full.refused)}").status_code == 202, "there is room again")
    full.exactly_what_was_accepted(tell)
    assert box.pids(ENGINE) + box.pids(WORKER) == processes, "nothing had to be started again"
    assert box.api.post("/v1/comments", json={"host": "h01", "comment": "again"}).status_code in (200, 201, 202)


def _while_it_is_full(full: Full, reader: EventReader) -> None:
    """Nothing is accepted; reading goes on, and so do the events."""
    box = full.box
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
    assert "without room" in str(reader.wait_for(host="h05", service="PING").data)


def test_a_disk_that_fails_every_write(failing: tuple[Full, Asked], tell: Callable[[str], None]) -> None:
    """As a file system does that the kernel has made read-only after an error; here by a limit on the size of files.

    Every write of every dialect and of the command line says so and does nothing, then and afterwards; reading goes on.
    """
    full, asked = failing
    box = full.box
    assert full.ask("before").status_code == 202
    box.wait_final(full.accepted.values())
    before = every_write.standing(asked)
    full.limit(0)
    for number in range(3):
        _journal_is_named(full.ask(f"failing {number}"))
    count = _every_write_is_refused(asked)
    _everything_is_read(asked)
    full.limit(resource.RLIM_INFINITY)
    assert every_write.standing(asked) == before, "nothing of what was refused was stored, and nothing of it was done"
    until(lambda: full.ask(f"after {len(full.refused)}").status_code == 202, "it can be written again")
    box.wait_final(full.accepted.values())
    told = set(every_write.standing(asked)["told"]) - set(before["told"])
    assert len(told) == 1 and b"after" in told.pop(), "what came behind them in the pipe came alone"
    assert every_write.logout_of_browser(asked).status_code == 200, "what could not be ended then can be now"
    tell(f"every write: {count} requests refused by an unwritable journal")


def _every_write_is_refused(asked: Asked) -> int:
    answers = [*_native_answers(asked), *_centreon_answers(asked), *_cgi_answers(asked)]
    wrong = [(name, answer.status_code, answer.text[-500:]) for name, answer in answers if not _is_refusal(answer)]
    wrong += _command_lines_that_went_wrong(asked)
    assert not wrong, "\n".join(map(str, wrong))
    return len(answers) + sum(how is not None for how in every_write.CLI.values())


def _is_refusal(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and "retry-after" in answer.headers and every_write.names_the_journal(answer)


def _native_answers(asked: Asked) -> Iterator[tuple[object, httpx.Response]]:
    writes = {(one.method, one.path) for one in OPERATIONS if one.method not in ("GET", "HEAD")}
    assert writes == set(every_write.NATIVE), "each write of the native API is tried"
    for key in sorted(writes):
        yield key, every_write.native(asked, key)
        yield (*key, "with a key"), every_write.native(asked, key, **{"Idempotency-Key": "-".join(key)})


def _centreon_answers(asked: Asked) -> Iterator[tuple[object, httpx.Response]]:
    paths = {**centreon_dialect.PATHS, **centreon_dialect.OPEN_PATHS}
    writes = {(method, path) for path in paths for method in paths[path] if method != "GET" or "logout" in path}
    assert writes == set(every_write.CENTREON), "each write of Centreon's dialect is tried"
    for key in sorted(writes):
        yield key, every_write.centreon(asked, key)
    yield "logout of a browser", every_write.logout_of_browser(asked)


def _cgi_answers(asked: Asked) -> Iterator[tuple[object, httpx.Response]]:
    for row in TABLE.values():
        yield row, every_write.cgi(asked, row.number, form=row.form, needs_trouble=row.form is Form.ACKNOWLEDGE)


def _command_lines_that_went_wrong(asked: Asked) -> list[object]:
    assert set(every_write.CLI) == set(every_write.leaves(cli.main)), "each command of the command line is tried"
    wrong: list[object] = []
    for path, how in every_write.CLI.items():
        if how is not None:
            ran = every_write.command_line(asked, [*path.split(), *how[0](asked)], how[1])
            wrong += [] if (ran.returncode, ran.stdout) == (1, "") and "journal" in ran.stderr else [(path, ran)]
    return wrong


def _everything_is_read(asked: Asked) -> None:
    box = asked.box
    assert box.api.get("/v1/hosts").json()["total"] == len(HOSTS) + 1
    for path in ("/v1/audit", "/v1/operations", "/v1/commands", "/metrics", "/healthz"):
        assert box.api.get(path).status_code == 200, path
    assert asked.centreon("GET", "/monitoring/resources", None).status_code == 200
    by_password = plain_http.get(f"{box.url}/nagios/cgi-bin/status.cgi", auth=(every_write.SECOND, PASSWORD))
    assert by_password.status_code == 200 and "h01" in by_password.text, "he came by his password for the first time"
    for words in (["user", "list"], ["commands", "show", asked.held], ["audit"]):
        ran = every_write.command_line(asked, words)
        assert ran.returncode == 0 and ran.stdout, (words, ran)
