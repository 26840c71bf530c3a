"""How long do the questions of Centreon's clients take over HTTP, on 16 connections at once, with 100,000 services?

    python -m contrib.bench.centreon [--hosts 10000] [--services 10] [--seconds 8] [--slack 1] [--keep FOLDER]

The files of `contrib.bench.queries` through the real scanner and mirror, an API worker in front of them; nothing is refreshed
meanwhile. Each connection asks again as soon as it was answered; the large list is asked for on one connection. Beside it: a
hello-world of Starlette on the same server. Ends with 1 when a figure is above `--slack` times its budget.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from api.serve import FIGURES_VARIABLE, bind
from contrib.bench.over_http import asked, hello_world
from contrib.bench.queries import mirrored, write_core
from contrib.demo_cores import until
from engine.config import Config, Poller, Settings, encode_config
from engine.journal import accounts
from engine.journal.store import Journal
from engine.model import CoreKind
from engine.state.tables import STATE_FILE

HEADER = "X-AUTH-TOKEN:"
ROOT = "/centreon/api/latest/monitoring"
PROBLEMS = 'statuses=["WARNING","DOWN","CRITICAL","UNKNOWN"]'.replace('"', "%22")


@contextmanager
def worker(folder: Path) -> Iterator[int]:
    """The port of an API worker as `signalbox serve` starts it, over a folder that is there; no engine runs."""
    poller = Poller(1, "bench", CoreKind.NAGIOS, folder / "cmd", folder / "status.dat", folder / "log", folder / "objects.cache")
    config = Config(folder, (poller,), Settings(listen_port=0))
    listener, figures = bind(config.settings), folder / "figures"
    shutil.rmtree(figures, ignore_errors=True)
    figures.mkdir()
    descriptor = listener.fileno()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "api.worker", str(descriptor)],
        stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=(descriptor,), env=os.environ | {FIGURES_VARIABLE: str(figures)},
    )  # fmt: skip
    assert process.stdin is not None
    try:
        process.stdin.write(encode_config(config).encode() + b"\n")
        process.stdin.flush()
        port = int(listener.getsockname()[1])
        url = f"http://127.0.0.1:{port}/healthz"
        until(lambda: httpx.get(url, timeout=30).status_code == 200, "the worker answers", 30)
        yield port
    finally:
        process.terminate()
        process.wait()
        process.stdin.close()
        listener.close()


def token(folder: Path) -> str:
    """A new token of an admin."""
    journal = Journal.open(folder)
    try:
        with journal.transaction() as connection:
            if accounts.user_by_name(connection, "bench") is None:
                accounts.add_user(connection, "bench", accounts.Role.ADMIN, "", time.time())
            owner, secret = accounts.existing_user(connection, "bench"), accounts.new_secret()
            accounts.add_token(connection, f"bench-{time.time_ns()}", owner.id, secret, time.time())
            return secret
    finally:
        journal.close()


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--hosts", type=int, default=10_000)
    words.add_argument("--services", type=int, default=10)
    words.add_argument("--seconds", type=float, default=8.0, help="of each question")
    words.add_argument("--slack", type=float, default=1.0)
    words.add_argument("--keep", type=Path, help="a folder to make the files in, used again when they are there")
    options = words.parse_args()
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signalbox-bench-")))
        if not (folder / STATE_FILE).exists():
            folder.mkdir(exist_ok=True)
            write_core(folder, options.hosts, options.services, int(time.time()))
            mirrored(folder)
        secret = token(folder)
        port, hello_port = stack.enter_context(worker(folder)), stack.enter_context(hello_world(1))
        return int(_report(port, hello_port, secret, options.seconds, options.slack))


def _report(port: int, hello_port: int, secret: str, seconds: float, slack: float) -> bool:
    over = False
    print(f"{'question':36} {'connections':>11} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'budget':>8}")
    for name, at, path, connections, budget in (
        ("hello-world", hello_port, "/", 16, None),
        ("/monitoring/services?limit=10", port, f"{ROOT}/services?limit=10", 16, 25.0),
        ("/monitoring/resources?limit=10", port, f"{ROOT}/resources?limit=10", 16, None),
        ("/monitoring/resources?limit=9999 bad", port, f"{ROOT}/resources?limit=9999&{PROBLEMS}", 1, 500.0),
    ):
        took = [last * 1000 for _, last in asked(at, path, secret, seconds, connections, HEADER)]
        p50, p99 = took[len(took) // 2], took[min(int(len(took) * 0.99), len(took) - 1)]
        is_over = budget is not None and p99 > budget * slack
        over = over or is_over
        print(
            f"{name:36} {connections:11} {len(took) / seconds:10.1f} {p50:8.1f} {p99:8.1f} {budget or '–':>8}"
            f"{'  OVER' if is_over else ''}",
            flush=True,
        )
    return over


if __name__ == "__main__":
    raise SystemExit(main())
