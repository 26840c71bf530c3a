"""The supervisor: one engine process and N API workers, each started again when it dies.

Theory of operation. The listening socket is bound here and lives as long as the supervisor, so that a caller who connects
while a worker is being replaced waits instead of being refused. Every child gets the configuration as the first line on its
standard input, which then stays open: its end tells a child that the supervisor was killed. Children stand in process groups
of their own, so that Ctrl-C reaches the supervisor alone and the order of stopping is ours: workers first (they finish their
answers), the engine last (it proves what they accepted). A child that dies is started again at once; one that keeps dying
waits 0.1, 0.2, 0.4 … up to PAUSE_MAX_S seconds in between.

A worker's loop gives signs of life through a pipe, from when it serves until it has ended. One that gives none at as many looks
as `worker_silent_s` says, LOOK_S apart, is killed, and so started again. Looks are counted, not time: where the whole machine
was suspended, or has no turn for us either, nobody was silent.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import shutil
import signal
import socket
import ssl
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass, field
from pathlib import Path

from engine.config import Config, Settings, encode_config
from engine.errors import ConfigError

# As engine/figures.py has it, whose imports the children wait for, and need not wait for here.
FIGURES_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PAUSE_MIN_S = 0.1
PAUSE_MAX_S = 5.0
STEADY_S = 10.0  # a child that lived this long is started again without a pause
LOOK_S = 1.0  # apart; a worker's signs come closer together
STOP_WORKER_S = 15.0  # a little more than a worker's own grace
FIGURES_FOLDER = "metrics"
MEMORY = Path("/dev/shm")
STOP_ENGINE_S = 10.0

log = logging.getLogger(__name__)


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Raises ConfigError when the address cannot be had."""
    where = f"{settings.listen_host}:{settings.listen_port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.listen_host, settings.listen_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        raise ConfigError([f"Cannot listen on {where}: {error.strerror}. Choose another address with --listen."]) from error
    return listener


def url_of(listener: socket.socket, settings: Settings) -> str:
    """The address people use, with the port really bound."""
    host, port = listener.getsockname()[:2]
    scheme = "https" if settings.tls_cert else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def check_tls(settings: Settings) -> None:
    """Raise ConfigError unless certificate and key can be read and belong together."""
    if settings.tls_cert is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            [f"{settings.tls_cert} and {settings.tls_key} cannot be used: {error}. Give PEM files this user can read."]
        ) from error


def run(config: Config, listener: socket.socket) -> None:
    """Keep engine and workers running until SIGTERM or SIGINT. Raises ConfigError when this user cannot start them."""
    if not os.access(sys.executable, os.X_OK):
        where = "Install Signalbox where that user can read it, below /opt for example."
        raise ConfigError([f"{sys.executable} cannot be run by user {os.getuid()}, who owns the data folder. {where}"])
    asyncio.run(_supervise(config, listener))


async def _supervise(config: Config, listener: socket.socket) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    line = encode_config(config).encode() + b"\n"
    descriptor = listener.fileno()
    figures = _figures_folder(config.data)
    engine = Child("engine", ("engine.runtime",), line, figures)
    workers = [_worker(n, descriptor, line, figures, config.settings) for n in range(1, config.settings.workers + 1)]
    async with asyncio.TaskGroup() as group:
        for child in (*workers, engine):  # what answers begins first
            group.create_task(child.keep(), name=child.name)
        await told.wait()
        log.info("stopping")
        listener.close()
        await asyncio.gather(*(worker.stop(STOP_WORKER_S) for worker in workers))
        await engine.stop(STOP_ENGINE_S)
    shutil.rmtree(figures, ignore_errors=True)
    log.info("stopped")


def _worker(number: int, listener: int, line: bytes, figures: Path, settings: Settings) -> Child:
    signs, given = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    arguments = ("api.worker", str(listener), str(given))
    return Child(f"worker {number}", arguments, line, figures, (listener, given), Silence(signs, settings.worker_silent_s))


@dataclass(slots=True)
class Silence:
    """For how many looks in a row no sign of life lay in a pipe. Before a first one it is no silence: a process is starting."""

    signs: int
    most: int  # 0: no silence is too long
    looks: int = 0
    has_begun: bool = False

    def begin(self) -> None:
        """Of a new process: what was left of the one before is no sign of it."""
        self._were_given()
        self.looks, self.has_begun = 0, False

    def is_too_long(self) -> bool:
        """Look once more. Whether that was the last look that may be in vain."""
        if self._were_given():
            self.looks, self.has_begun = 0, True
        else:
            self.looks += self.has_begun
        return 0 < self.most <= self.looks

    def _were_given(self) -> bool:
        try:
            return bool(os.read(self.signs, 1 << 16))
        except BlockingIOError:
            return False


@dataclass(slots=True)
class Child:
    """A process that is to run: `python -m` of `arguments`, with `line` first on its standard input, figures kept in a folder."""

    name: str
    arguments: tuple[str, ...]
    line: bytes
    figures: Path
    descriptors: tuple[int, ...] = ()
    silence: Silence | None = None  # of one that gives signs of life
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    process: Process | None = None

    async def keep(self) -> None:
        """Run it, and run it again whenever it dies, until `stop`."""
        pause = 0.0
        while not self.stopping.is_set():
            began = asyncio.get_running_loop().time()
            code = await self._run()
            if self.stopping.is_set():
                return
            lived = asyncio.get_running_loop().time() - began
            pause = PAUSE_MIN_S if lived >= STEADY_S else max(PAUSE_MIN_S, min(pause * 2, PAUSE_MAX_S))
            log.warning("%s %s after %.1f s, starting it again in %.1f s", self.name, _ended(code), lived, pause)
            await self._rest(pause)

    async def stop(self, timeout_s: float) -> None:
        """Ask it to end, and kill it when it has not after `timeout_s`."""
        self.stopping.set()
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(timeout_s):
                await process.wait()
        except TimeoutError:
            log.warning("%s did not stop within %.0f s and is killed", self.name, timeout_s)
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def _run(self) -> int:
        if self.silence is not None:
            self.silence.begin()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", *self.arguments, stdin=PIPE, pass_fds=self.descriptors, process_group=0,
            env=os.environ | {FIGURES_VARIABLE: str(self.figures)},
        )  # fmt: skip
        log.info("%s runs as process %d", self.name, self.process.pid)
        if self.stopping.is_set():  # `stop` came while it was being started, and did not see it
            self.process.terminate()
        if self.process.stdin is not None:
            # Its standard input stays open: the end of it tells the child that we are gone.
            with contextlib.suppress(ConnectionError):
                self.process.stdin.write(self.line)
                await self.process.stdin.drain()
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch(self.process), name=f"watch {self.name}")
            code = await self.process.wait()
            watch.cancel()
        for path in self.figures.glob(f"gauge_live*_{self.process.pid}.db"):  # what it had open is open no more
            path.unlink()
        return code

    async def _watch(self, process: Process) -> None:
        """Kill it when it is silent for too long; one that is to stop has its own time for that."""
        while self.silence is not None and not self.stopping.is_set():
            if self.silence.is_too_long():
                log.warning("%s has given no sign of life for %d s and is killed", self.name, self.silence.most * LOOK_S)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                return
            await self._rest(LOOK_S)

    async def _rest(self, seconds: float) -> None:
        """Until then, or until it is to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()


def _figures_folder(data: Path) -> Path:
    """Where the children put their figures for /metrics: made anew, so that they begin with this start.

    In memory where that is possible: the files are mapped, and a write to a mapped file on a full disk kills the process.
    """
    own = hashlib.sha256(str(data.absolute()).encode()).hexdigest()[:16]
    for folder in (MEMORY / f"signalbox-{os.getuid()}-{own}", data / FIGURES_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700)
        except OSError:  # there is no such memory, or somebody else has taken the name
            continue
        return folder
    raise ConfigError([f"{data / FIGURES_FOLDER} cannot be made anew: remove it, and see whether there is room."])


def _ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
