"""How long do the frequent questions take over HTTP, on 16 connections at once, while a large core is refreshed all the time?

    python -m contrib.bench.over_http [--hosts 10000] [--services 10] [--seconds 20] [--every 10]
        [--workers 1] [--slack 1]

A real Nagios 4 of that size, 3 % of whose objects change every so many seconds so that each status file brings news, with
`signalbox serve` in front of it. The core writes its status file as often; `--every 3` is harsher than the budgets ask for. Each
connection asks again as soon as it was answered. Beside it: a hello-world of Starlette on the same server (uvicorn), asked in the
same way. Also the first byte, and the last, of all services with 8 fields.
Ends with 1 when a 99th percentile is above `--slack` times its budget (budgets are for a quiet machine).
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from contrib.bench.queries import FIELDS
from contrib.demo_cores import until
from contrib.large_core import Feeder, QuietCore, many_hosts
from tests.support.box import CONNECTIONS, Box, quoted
from tests.support.cores import running

BUDGET_P99_MS, BUDGET_FIRST_BYTE_MS, BUDGET_ALL_MS = 25.0, 30.0, 400.0
EVERY_S = 10
_LAST_CHUNK = b"\r\n0\r\n\r\n"  # no JSON holds that

hello = Starlette(routes=[Route("/", lambda request: PlainTextResponse("hello"))])


class _Connection:
    """One connection that asks again as soon as it was answered. It does as little as it can: its processor is the server's too."""

    def __init__(self, port: int, requests: Sequence[bytes], at: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.took: list[tuple[float, float]] = []  # seconds to the first byte of the body and to the last
        self._requests, self._at = requests, at

    def ask(self) -> None:
        """The next request."""
        self._at = (self._at + 1) % len(self._requests)
        self._first = self._missing = 0.0
        self._head = self._tail = b""
        self._is_chunked = False
        self._begun = time.perf_counter()
        self.socket.sendall(self._requests[self._at])

    def receive(self) -> bool:
        """Take what is there; whether the answer is whole. Raises RuntimeError unless it is a 200."""
        piece = self.socket.recv(1 << 20)
        now = time.perf_counter()
        if not piece:
            raise RuntimeError("the server has ended the connection")
        if not self._first:
            piece = self._body_of(piece)
            if not piece:
                return False
            self._first = now
        self._missing -= len(piece)
        self._tail = (self._tail + piece[-len(_LAST_CHUNK) :])[-len(_LAST_CHUNK) :]
        if self._missing > 0 or (self._is_chunked and self._tail != _LAST_CHUNK):
            return False
        self.took.append((self._first - self._begun, now - self._begun))
        return True

    def _body_of(self, piece: bytes) -> bytes:
        """What of the body is there with the end of the head, b"" for nothing yet."""
        self._head += piece
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return b""
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self._head.decode())
        words = head.lower()
        self._is_chunked = b"transfer-encoding: chunked" in words
        if not self._is_chunked:
            self._missing = int(words.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        self._head = head + end
        return body


def asked(
    port: int,
    path: str | Sequence[str],
    token: str,
    seconds: float,
    connections: int = CONNECTIONS,
    header: str = "Authorization: Bearer",
) -> list[tuple[float, float]]:
    """(first byte, last byte) of every request, in seconds, sorted by the last. Several paths are asked for in turn."""
    paths = [path] if isinstance(path, str) else path
    requests = [f"GET {one} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header} {token}\r\n\r\n".encode() for one in paths]
    every = [_Connection(port, requests, at * len(requests) // connections) for at in range(connections)]
    by_number = {one.socket.fileno(): one for one in every}
    poll, end = select.epoll(), time.monotonic() + seconds
    gc.disable()
    try:
        for number, one in by_number.items():
            poll.register(number, select.EPOLLIN)
            one.ask()
        asking = len(every)
        while asking:
            for number, _ in poll.poll(60):
                one = by_number[number]
                if one.receive():
                    if time.monotonic() < end:
                        one.ask()
                    else:
                        asking -= 1
    finally:
        gc.enable()
        poll.close()
        for one in every:
            one.socket.close()
    return sorted((one for connection in every for one in connection.took), key=lambda one: one[1])


@contextmanager
def hello_world(workers: int) -> Iterator[int]:
    """The port of a hello-world on uvicorn."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    words = ["-m", "uvicorn", f"{__spec__.name}:hello", "--port", str(port), "--workers", str(workers), "--no-access-log"]
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", port)) == 0

    try:
        until(answers, "the hello-world answers", 30)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def refreshing(core: QuietCore, every_s: float) -> Iterator[None]:
    """3 % of the objects change every so many seconds, by default between any two status files.

    By a process of its own: in a thread beside the client it would be the client's waiting for the interpreter that is measured.
    """
    process = multiprocessing.get_context("fork").Process(target=_feed, args=(core, every_s), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _feed(core: QuietCore, every_s: float) -> None:
    feeder = Feeder(core)
    while True:
        time.sleep(every_s)
        feeder.feed()


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--hosts", type=int, default=10_000)
    words.add_argument("--services", type=int, default=10)
    words.add_argument("--seconds", type=float, default=20.0, help="of each question")
    words.add_argument("--every", type=int, default=EVERY_S, help="seconds from change to change, and from file to file")
    words.add_argument("--workers", type=int, default=1)
    words.add_argument("--slack", type=float, default=1.0)
    options = words.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signalbox-bench-")))
        folder.chmod(0o755)
        core = QuietCore(folder / "core", many_hosts(options.hosts * options.services, options.services), interval_s=options.every)
        stack.enter_context(running(core))
        core.fill()
        box = Box(folder / "box", [core], workers=options.workers)
        box.prepare()
        stack.callback(box.close)
        box.start()
        box.wait_ready(300)
        port = stack.enter_context(hello_world(options.workers))
        stack.enter_context(refreshing(core, options.every))
        return int(_report(box, port, core, options.seconds, options.slack))


def _report(box: Box, hello_port: int, core: QuietCore, seconds: float, slack: float) -> bool:
    services = [f"/v1/hosts/{quoted(host.name)}/services/{quoted(host.services[0].description)}" for host in core.hosts[::50]]
    before, over = _generation(box), False
    print(f"{'question':32} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'budget':>8}")
    for name, port, path, budget in (
        ("hello-world", hello_port, "/", None),
        ("one service of 200, in turn", box.port, services, BUDGET_P99_MS),
        ("page of 20 problems", box.port, "/v1/problems?limit=20", BUDGET_P99_MS),
        ("counts by state", box.port, "/v1/tactical", BUDGET_P99_MS),
    ):
        took = [last * 1000 for _, last in asked(port, path, box.token, seconds)]
        p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
        is_over = budget is not None and p99 > budget * slack
        over = over or is_over
        print(
            f"{name:32} {len(took) / seconds:10.0f} {p50:8.2f} {p99:8.2f} {budget or '–':>8}{'  OVER' if is_over else ''}",
            flush=True,
        )
    every = asked(box.port, f"/v1/services?limit=0&fields={FIELDS}", box.token, min(seconds, 10.0), connections=1)
    first, last = every[len(every) // 2]
    print(f"all services, 8 fields, alone: first byte {first * 1000:.1f} ms (budget {BUDGET_FIRST_BYTE_MS:g}),"
          f" last {last * 1000:.0f} ms (budget {BUDGET_ALL_MS:g}), median of {len(every)}")  # fmt: skip
    print(f"meanwhile {_generation(box) - before} status files of {core.status_file.stat().st_size / 1e6:.0f} MB were taken in")
    return over


def _generation(box: Box) -> int:
    return int(box.api.get("/v1/pollers").json()["items"][0]["generation"])


if __name__ == "__main__":
    raise SystemExit(main())
