"""A whole Signalbox for tests, started as a user would start it: `signalbox serve`, users and tokens made by the command line.

Also what hurts it: kill -9 of each kind of its processes, named crash points of the engine. Tests talk to it over HTTP only.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from contrib.demo_cores import signalbox_config
from tests.support.cores import PATIENCE_S, Core, suspend, until

PASSWORD = "correct horse battery staple"  # of Signalboxes that live for one test
ENGINE, WORKER, SCANNER = "engine.runtime", "api.worker", "engine.pollers.scanner_process"
CONNECTIONS = 16

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Box:
    """One Signalbox in front of cores. `settings` are TOML lines; `arguments` go to `serve` instead of a generated --config."""

    folder: Path
    cores: Sequence[Core]
    settings: str = ""
    workers: int = 1
    arguments: tuple[str, ...] = ()
    port: int = 0
    token: str = ""
    process: subprocess.Popen[bytes] | None = None
    _clients: list[httpx.Client] = field(default_factory=list)
    _place: socket.socket | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """What it printed so far."""
        return (self.folder / "output").read_text("utf-8", "replace")

    # --- the command line -------------------------------------------------------------------------------------------------
    def cli(self, *words: str, stdin: str = "", code: int = 0) -> str:
        """Run `signalbox …` on the data folder and return what it printed; its exit code must be `code`."""
        run = subprocess.run(
            [sys.executable, "-m", "api.cli", *words],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=self.folder,
            env=os.environ | {"SIGNALBOX_DATA": str(self.data)},
        )
        assert run.returncode == code, f"signalbox {' '.join(words)}: {run.returncode}\n{run.stdout}\n{run.stderr}"
        return run.stdout

    def add_user(self, name: str, role: str, *more: str) -> str:
        """Make a user and a token of theirs; return the token's secret."""
        self.cli("user", "add", name, "--role", role, "--password-stdin", *more, stdin=PASSWORD + "\n")
        return self.cli("token", "create", f"{name}-token", "--user", name).split()[-1]

    # --- running ----------------------------------------------------------------------------------------------------------
    def prepare(self) -> None:
        """Make the folder, the configuration and the first admin."""
        self.data.mkdir(parents=True, exist_ok=True)  # a test may have mounted something there
        self._place = reserved()
        self.port = int(self._place.getsockname()[1])
        # Who asks waits as long as a slow minute lasts, unless the wait is what a test is about.
        waits = [f"{name} = {PATIENCE_S}" for name in ("cgi_wait_s", "centreon_wait_s") if name not in self.settings]
        config = "\n".join([*waits, self.settings, signalbox_config(self.cores)])
        (self.folder / "signalbox.toml").write_text(config, encoding="utf-8")
        self.token = self.add_user("admin", "admin")

    def start(self, **environment: str) -> None:
        """Start `signalbox serve`; call from the main thread."""
        assert self.process is None
        words = self.arguments or ("--config", str(self.folder / "signalbox.toml"))
        rest = ("--listen", f"127.0.0.1:{self.port}", "--workers", str(self.workers), "--data", str(self.data))
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "api.cli", "serve", *words, *rest],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env=os.environ | environment,
            )

    def wait_ready(self, within_s: float = PATIENCE_S) -> None:
        """Come back once it has a view of each running core and sees its command file read."""
        running = {core.folder.name for core in self.cores if core.process is not None}

        def is_ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"signalbox serve ended:\n{self.output}"
            try:
                pollers = self.api.get("/v1/pollers").json()["items"]
            except (httpx.TransportError, KeyError, ValueError):
                return False
            ready = {poller["name"] for poller in pollers if poller["generation"] and poller["command_file"] == "reading"}
            return running <= ready

        try:
            until(is_ready, "Signalbox sees its cores", within_s)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.output[-4000:]}") from None

    def stop(self) -> None:
        """TERM; it must end by itself, and leave no process behind. Does nothing when it does not run."""
        if self.process is None:
            return
        process, self.process = self.process, None
        children = _descendants(process.pid)
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"signalbox serve did not end within {PATIENCE_S} s of TERM:\n{self.output[-4000:]}") from None
        finally:
            _wait_gone(children)

    def kill(self, *, whole: bool = False) -> None:
        """kill -9 of the supervisor: everything below it must end by itself. `whole`: of all of it, as a power cut does."""
        assert self.process is not None
        children = _descendants(self.process.pid)
        self.process.kill()
        for pid in children if whole else ():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        _wait_gone(children)

    def close(self) -> None:
        """Stop, and close every client."""
        try:
            self.stop()
        finally:
            for client in self._clients:
                client.close()
            if self._place is not None:
                self._place.close()

    # --- its processes ----------------------------------------------------------------------------------------------------
    def pids(self, role: str) -> list[int]:
        """Its living processes that run the module `role`."""
        assert self.process is not None
        return [pid for pid in _descendants(self.process.pid) if role in _words(pid)]

    def kill_part(self, role: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to every process of that role; back from SIGSTOP when all of it stands still."""
        for pid in self.pids(role):
            try:
                if number == signal.SIGSTOP:
                    suspend(pid)
                else:
                    os.kill(pid, number)
            except ProcessLookupError:
                continue

    # --- HTTP -------------------------------------------------------------------------------------------------------------
    @property
    def api(self) -> httpx.Client:
        """A client with the admin's token."""
        if not self._clients:
            self.client(self.token)
        return self._clients[0]

    def client(self, token: str = "", **headers: str) -> httpx.Client:
        """A client of its own; closed with the box."""
        headers = headers or {"Authorization": f"Bearer {token}"}
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        client = httpx.Client(base_url=self.url, headers=headers, timeout=70, limits=limits, trust_env=False)
        self._clients.append(client)
        return client

    def centreon(self, user: str = "admin") -> httpx.Client:
        """A client logged in to the Centreon dialect, as Centreon's own clients do it."""
        body = {"security": {"credentials": {"login": user, "password": PASSWORD}}}
        answer = self.api.post("/centreon/api/latest/login", json=body)
        assert answer.status_code == 200, answer.text
        client = self.client(**{"X-AUTH-TOKEN": answer.json()["security"]["token"]})
        client.base_url = httpx.URL(self.url + "/centreon/api/latest")
        return client

    def host_id(self, name: str, poller: str = "") -> int:
        """The public id of a host."""
        answer = self.api.get("/v1/hosts/" + quoted(name), params={"poller": poller} if poller else {})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["id"])

    def downtime(self, host: str, comment: str, **fields: Any) -> httpx.Response:
        """POST a downtime of an hour from now on."""
        body: dict[str, Any] = {"host": host, "start": "now", "duration": 3600, "comment": comment} | fields
        wait = body.pop("wait", None)
        return self.api.post("/v1/downtimes", json=body, params={} if wait is None else {"wait": wait})

    def life(self, command_id: str) -> dict[str, Any]:
        """One command with its whole life."""
        answer = self.api.get(f"/v1/commands/{command_id}")
        assert answer.status_code == 200, answer.text
        life: dict[str, Any] = answer.json()
        return life

    def wait_final(self, command_ids: Iterable[str], within_s: float = PATIENCE_S) -> dict[str, dict[str, Any]]:
        """Wait until each command has come to its last state; all lives by id."""
        lives: dict[str, dict[str, Any]] = {}
        waiting = set(command_ids)

        def all_final() -> bool:
            for command_id in sorted(waiting):
                lives[command_id] = self.life(command_id)
                if not lives[command_id]["final"]:
                    return False
                waiting.discard(command_id)
            return True

        try:
            until(all_final, "every command came to its last state", within_s)
        except TimeoutError as error:
            raise AssertionError(f"{error}: {[lives.get(name, name) for name in sorted(waiting)][:3]}") from None
        return lives


def command_ids(answer: httpx.Response) -> list[str]:
    """The ids the header of an answer carries."""
    return [word.strip() for word in answer.headers["Signalbox-Command"].split(",")]


def parallel(work: Any, items: Sequence[T], connections: int = CONNECTIONS) -> list[Any]:
    """Do the work on each item over that many connections; results in the order of the items."""
    with ThreadPoolExecutor(connections) as pool:
        return list(pool.map(work, items))


def quoted(name: str) -> str:
    """One segment of a path. A name of dots only cannot stay as it is: every client would resolve it."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in name.encode())


@contextmanager
def boxed(folder: Path, *cores: Core, settings: str = "", workers: int = 1, **environment: str) -> Iterator[Box]:
    """A Signalbox in front of running cores."""
    box = Box(folder / "box", cores, settings, workers)
    box.prepare()
    try:
        box.start(**environment)
        box.wait_ready()
        yield box
    finally:
        box.close()


def reserved() -> socket.socket:
    """A port for a server that is started, perhaps again and again: nobody else is given it while this one is open.

    The server may bind it all the same, as long as it says SO_REUSEADDR.
    """
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind(("127.0.0.1", 0))
    return place


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace").split("\0")
    except OSError:
        return []


def _descendants(root: int) -> list[int]:
    """Living processes below one, zombies not counted."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                children.setdefault(int(parent), []).append(int(entry.name))
    found, new = [], [root]
    while new:
        new = [child for pid in new for child in children.get(pid, [])]
        found += new
    return found


def _wait_gone(pids: Sequence[int]) -> None:
    """Processes whose parent is gone must end by themselves."""
    started = {pid: _words(pid) for pid in pids}
    try:
        until(lambda: not any(_words(pid) and _words(pid) == started[pid] for pid in pids), f"{started} ended")
    except TimeoutError as error:
        for pid in pids:
            if _words(pid) == started[pid]:
                os.kill(pid, signal.SIGKILL)
        raise AssertionError(str(error)) from None
