"""One random story: what people ask, what other programs write, what happens to cores, their files and us. The seed tells it all.

What is random is chosen here and printed before it is done, so that the last line of a story that broke off names the culprit.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from contrib.fuzz.judge import Claims, disagreements
from tests.support import cores, oracle
from tests.support.box import ENGINE, SCANNER, WORKER, Box, boxed, command_ids
from tests.support.cores import DIRT, Core, Host, Icinga2Core, NagiosCore, Service, until

HOSTS = 8
_COMMAND = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
AGAIN = 'reapply_lost = ["downtime", "acknowledgement", "comment", "deletion", "switch"]'


@dataclass
class Story:
    """A site and what was asked of it. `accepted`: command → what it was."""

    seed: int
    tell: Callable[[str], None]
    box: Box
    all: list[Core]
    chance: random.Random = field(init=False)
    accepted: dict[str, str] = field(default_factory=dict)
    count: int = 0
    done: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def run(self, seconds: float) -> None:
        """Act until the time is over, then let everything come to rest."""
        people = [self.downtime, self.downtime, self.comment, self.delete, self.acknowledge, self.switch, self.result, self.again]
        others = [self.honest, self.dirt, self.dirt]
        hurting = [
            self.restart_core, self.kill_core, self.kill_core, self.reload_core, self.freeze_core, self.rotate, self.rotate_by_copy,
            self.pipe_removed, self.pipe_replaced, self.pipe_full, self.kill_engine, self.kill_engine, self.kill_worker,
            self.kill_scanner, self.power_cut,
        ]  # fmt: skip
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(self.chance.randint(3, 10)):
                self.act(self.chance.choice(people))
            for _ in range(self.chance.randint(0, 3)):
                self.act(self.chance.choice(others))
            self.act(self.chance.choice(hurting))
        self.rest()

    def act(self, action: Callable[[], str]) -> None:
        """Do one thing and say what it was."""
        began = time.monotonic()
        words = action()
        self.done += 1
        self.tell(f"{time.strftime('%H:%M:%S')} {action.__name__.replace('_', ' ')}: {words} ({time.monotonic() - began:.1f} s)")

    def rest(self) -> None:
        """Everything runs again, and every life comes to its end."""
        for core in self.all:
            cores.thaw(core)
        with suppress(TimeoutError):  # the judge says of which command
            until(self._is_at_rest, "every command came to its last state")
        cores.wait_for_generation(*self.all)

    def _is_at_rest(self) -> bool:
        with suppress(httpx.TransportError, KeyError, ValueError):
            states = ("accepted", "held", "writing", "written")
            return all(
                self.box.api.get("/v1/commands", params={"state": state, "limit": 1}).json()["total"] == 0 for state in states
            )
        return False

    def judge(self) -> list[str]:
        """What does not agree in the end."""
        found = []
        journal = self.box.data / "journal.db"
        for number, core in enumerate(self.all, 1):
            mine = {command: words for command, words in self.accepted.items() if words.startswith(f"{core.folder.name}:")}
            found += [f"{core.folder.name}: {words}" for words in disagreements(journal, number, core, mine, cores.PATIENCE_S)]
            self.tell(f"{core.folder.name}: {Claims.read(journal, number).counts()}")
        return found

    # --- people -----------------------------------------------------------------------------------------------------------

    def _host(self) -> tuple[Core, str]:
        core = self.chance.choice(self.all)
        return core, self.chance.choice(core.hosts).name

    def _text(self) -> str:
        self.count += 1
        return f"fuzz {self.count}"

    def _ask(self, core: Core, method: str, path: str, body: dict[str, Any] | None = None) -> str:
        """Until an answer comes, as any script would."""
        end = time.monotonic() + 30
        while True:
            try:
                answer = self.box.api.request(method, path, json=body, params={"wait": 0}, timeout=10)
                break
            except httpx.TransportError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        if "Signalbox-Command" in answer.headers:
            for command in command_ids(answer):
                self.accepted[command] = f"{core.folder.name}: {method} {path} {body}"
        assert answer.status_code < 500 or answer.status_code == 503, f"{method} {path} {body}: {answer.status_code} {answer.text}"
        return f"{core.folder.name} {method} {path} {body or ''} → {answer.status_code}"

    def downtime(self) -> str:
        core, host = self._host()
        body: dict[str, Any] = {
            "host": host,
            "start": "now",
            "duration": self.chance.choice([8, 3600, 7200]),
            "comment": self._text(),
        }
        kind = self.chance.choice(["host", "service", "both"])
        body |= {"service": "PING"} if kind == "service" else {"with_services": True} if kind == "both" else {}
        return self._ask(core, "POST", "/v1/downtimes", body)

    def comment(self) -> str:
        core, host = self._host()
        body = {"host": host, "comment": self._text(), "persistent": self.chance.choice([True, True, False])}
        return self._ask(core, "POST", "/v1/comments", body)

    def again(self) -> str:
        """The same asked twice at once is one."""
        core, host = self._host()
        body = {"host": host, "start": "now", "duration": 3600, "comment": self._text()}
        self._ask(core, "POST", "/v1/downtimes", body)
        return self._ask(core, "POST", "/v1/downtimes", body)

    def delete(self) -> str:
        noun = self.chance.choice(["downtimes", "comments"])
        try:
            items = self.box.api.get(f"/v1/{noun}", params={"limit": 200}).json().get("items", [])
        except httpx.TransportError:
            return "nobody answers"
        items = [item for item in items if item["comment"].startswith("fuzz ")]
        if not items:
            return f"no {noun}"
        item = self.chance.choice(items)
        core = next(core for core in self.all if core.folder.name == item["poller"])
        return self._ask(core, "DELETE", f"/v1/{noun}/{item['id']}")

    def acknowledge(self) -> str:
        core, host = self._host()
        body = {
            "host": host,
            "service": "PING",
            "comment": self._text(),
            "sticky": self.chance.choice([True, False]),
            "notify": False,
        }
        return self._ask(core, "POST", "/v1/acknowledgements", body)

    def switch(self) -> str:
        core, host = self._host()
        return self._ask(core, "PATCH", f"/v1/hosts/{host}", {"notifications_enabled": self.chance.choice([True, False])})

    def result(self) -> str:
        core, host = self._host()
        code = self.chance.choice([0, 2, 2])
        one = {"host": host, "service": "PING", "return_code": code, "plugin_output": self._text()}
        results = [one, {"host": host, "return_code": 0, "plugin_output": self._text()}][: self.chance.randint(1, 2)]
        return self._ask(core, "POST", "/v1/results", {"results": results})

    # --- other programs ---------------------------------------------------------------------------------------------------

    def honest(self) -> str:
        core, host = self._host()
        with suppress(OSError):
            core.send(f"ADD_HOST_COMMENT;{host};1;other;{self._text()} of another")
        return core.folder.name

    def dirt(self) -> str:
        core, kind = self.chance.choice(self.all), self.chance.choice(list(DIRT))
        with suppress(OSError):
            core.write_raw(DIRT[kind])
        return f"{core.folder.name} {kind}"

    # --- cores and their files --------------------------------------------------------------------------------------------

    def _core(self) -> Core:
        return self.chance.choice(self.all)

    def _nagios(self) -> NagiosCore:
        """One that runs: in a power cut one of them lies dead."""
        return self.chance.choice([core for core in self.all if isinstance(core, NagiosCore) and core.process is not None])

    def _pause(self, longest: float) -> float:
        seconds = self.chance.uniform(0, longest)
        time.sleep(seconds)
        return seconds

    def _start(self, core: Core) -> None:
        # Program starts are whole seconds: two starts in one second could not be told apart by anybody.
        before = int(oracle.program_start(core.status_file))
        until(lambda: time.time() >= before + 2, "another second")
        cores.restart(core)

    def restart_core(self) -> str:
        core = self._core()
        core.stop()
        seconds = self._pause(2)
        self._start(core)
        return f"{core.folder.name}, away for {seconds:.1f} s"

    def kill_core(self) -> str:
        core = self._core()
        cores.kill(core)
        seconds = self._pause(2)
        self._start(core)
        return f"{core.folder.name}, away for {seconds:.1f} s"

    def reload_core(self) -> str:
        core = self._nagios()
        cores.reload(core)
        return core.folder.name

    def freeze_core(self) -> str:
        core = self._core()
        cores.freeze(core)
        for _ in range(self.chance.randint(0, 4)):
            self.act(self.downtime)
        seconds = self._pause(self.chance.choice([2, 8]))
        cores.thaw(core)
        return f"{core.folder.name} for {seconds:.1f} s"

    def rotate(self) -> str:
        core = self._nagios()
        core.log_file.rename(core.folder / "archives" / f"nagios-{time.time_ns()}.log")
        self._pause(0.5)
        cores.reload(core)
        return core.folder.name

    def rotate_by_copy(self) -> str:
        core = self._nagios()
        cores.rotate_log(core, time.time_ns())
        return core.folder.name

    def pipe_removed(self) -> str:
        core = self._nagios()
        core.command_file.unlink()
        seconds = self._pause(2)
        core.stop()
        self._start(core)
        return f"{core.folder.name} for {seconds:.1f} s"

    def pipe_replaced(self) -> str:
        core = self._nagios()
        core.stop()
        core.command_file.unlink(missing_ok=True)
        core.command_file.touch(0o666)
        self.act(self.downtime)
        self._pause(2)
        size = core.command_file.stat().st_size
        assert size == 0, f"{size} bytes were written into a regular file in place of the command file"
        core.command_file.unlink()
        self._start(core)
        return core.folder.name

    def pipe_full(self) -> str:
        core = self._nagios()
        cores.freeze(core)
        with suppress(BlockingIOError):
            while True:
                core.write_raw(b"[%d] _NOTHING;%s\n" % (time.time(), b"x" * 1000))
        for _ in range(self.chance.randint(1, 5)):
            self.act(self.comment)
        seconds = self._pause(3)
        cores.thaw(core)
        return f"{core.folder.name} for {seconds:.1f} s"

    # --- us ---------------------------------------------------------------------------------------------------------------

    def kill_engine(self) -> str:
        self.box.kill_part(ENGINE)
        return "killed"

    def kill_worker(self) -> str:
        self.box.kill_part(WORKER)
        return "killed"

    def kill_scanner(self) -> str:
        self.box.kill_part(SCANNER)
        return "killed"

    def power_cut(self) -> str:
        """Everything at once; what was asked of the cores meanwhile, others asked."""
        with_core = self.chance.choice([None, *self.all])
        self.box.kill(whole=True)
        if with_core is not None:
            cores.kill(with_core)
        if self.chance.random() < 0.5:
            self.act(self.rotate)
        seconds = self._pause(2)
        if with_core is not None:
            self._start(with_core)
        self.box.start()
        self.box.wait_ready()
        return f"{with_core.folder.name if with_core else 'no core'} too, for {seconds:.1f} s"


@contextmanager
def site(seed: int, tell: Callable[[str], None], *, icinga2: bool = True) -> Iterator[Story]:
    """Two Nagios cores, an Icinga 2, Signalbox in front; gone at the end."""
    chance = random.Random(-seed)
    with cores.core_folder() as folder:
        all_cores: list[Core] = [NagiosCore(folder / "north", _hosts("n")), NagiosCore(folder / "south", _hosts("s"))]
        all_cores += [Icinga2Core(folder / "east", _hosts("e"))] if icinga2 else []
        settings = chance.choice(["", AGAIN]) + chance.choice(["", "\nsilent_log_s = 5"])
        tell(f"seed {seed}: {len(all_cores)} cores, {settings or 'nothing is asked again'}")
        with cores.running(*all_cores), boxed(folder, *all_cores, settings=settings, workers=2) as box:
            yield Story(seed, tell, box, all_cores)


def _hosts(prefix: str) -> list[Host]:
    return [Host(f"{prefix}{number}", (Service("PING"),)) for number in range(HOSTS)]


def evidence(folder: Path, wrong: Sequence[str]) -> str:
    """What a Signalbox said of the commands that came out wrong, and its last words."""
    said = (folder / "output").read_text("utf-8", "replace")
    ids = set(_COMMAND.findall("\n".join(wrong)))
    about = [line for line in said.splitlines() if ids & set(_COMMAND.findall(line))]
    return "\n".join([*about[-100:], "…", said[-6000:]])
