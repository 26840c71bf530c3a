"""How long one call for very many targets takes until it is accepted, and for how long it keeps others out of the journal.

    python -m contrib.bench.many [--targets 20000] [--rounds 3]

A state.db with that many services is made by the real mirror; the application is asked for a downtime on all of them by one
search, `POST /v1/downtimes?wait=0` with an Idempotency-Key, by ASGI, as the server does. Measured are the seconds from the body to
the whole answer (202: all of it is durable), the longest time the journal's lock was held meanwhile, and beside it a bare loop that
inserts the same rows with the same transactions. Ends with 1 when any round exceeds a budget.

Nearly all of it is CPU: a quarter plans (Python, one order per target), an eighth makes rows, half is SQLite's. The log is carried
back into the file meanwhile by a thread, as the engine does: within a commit that held the lock for 100 ms now and then.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson
from starlette.applications import Starlette

from api.app import application
from api.auth.doorkeeper import Doorkeeper
from engine import garbage
from engine.clock import SystemClock
from engine.config import Config, Poller, Settings
from engine.desk import Desk
from engine.desk.bulk import SLICE
from engine.journal import accounts
from engine.journal.checkpoints import Checkpoints
from engine.journal.commands import COMMAND_COLUMNS
from engine.journal.identities import Identities
from engine.journal.store import Journal
from engine.model import CoreKind, Generation, HostStatus, ServiceStatus
from engine.state.frames import Begin, End, Frame, Rows
from engine.state.mirror import Mirror
from engine.state.tables import STATE_FILE

BUDGET_S = 1.5
BUDGET_HELD_S = 0.030
PER_HOST = 20
BODY = b'{"filter": {"host.name": {"$lk": "server%"}}, "on": "services", "duration": "2h", "comment": "kernel update"}'
SECRET = "bench's own"
HEADERS = {"authorization": f"Bearer {SECRET}", "idempotency-key": "change-4711", "content-type": "application/json"}


class TimedJournal(Journal):
    """A journal that notes for how long its lock was held."""

    def __init__(self, data: Path) -> None:
        self.held: list[float] = []
        super().__init__(data)

    @contextmanager
    def _flock(self) -> Iterator[None]:
        with super()._flock():
            began = time.perf_counter()
            try:
                yield
            finally:
                self.held.append(time.perf_counter() - began)


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--targets", type=int, default=20_000)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--budget-s", type=float, default=BUDGET_S)
    words.add_argument("--budget-held-ms", type=float, default=BUDGET_HELD_S * 1000)
    options = words.parse_args()
    accepted, held = [], []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            took_s, longest_s = asyncio.run(one_call(Path(folder), options.targets))
            accepted.append(took_s)
            held.append(longest_s)
    with tempfile.TemporaryDirectory() as folder:
        floor_s = bare_inserts(Path(folder), options.targets)
    rounds = ", ".join(f"{one:.2f}" for one in accepted)
    longest = ", ".join(f"{one * 1000:.1f}" for one in held)
    print(f"{options.targets} targets in one call: accepted in {rounds} s")
    print(f"longest time the journal's lock was held: {longest} ms, in slices of {SLICE}")
    print(f"the same rows inserted by a bare loop: {floor_s:.2f} s; ratio {min(accepted) / floor_s:.2f}")
    return int(max(accepted) > options.budget_s or max(held) * 1000 > options.budget_held_ms)


async def one_call(data: Path, targets: int) -> tuple[float, float]:
    """(seconds until accepted, longest seconds the lock was held)."""
    poller = Poller(1, "bench", CoreKind.NAGIOS, data / "nagios.cmd", data / "status.dat", data / "nagios.log")
    config = Config(data, (poller,), Settings(bulk_limit=100_000))
    journal = Journal.open(data)
    mirror = Mirror.open(data / STATE_FILE, Identities(journal).mint)
    mirror.configure(config.pollers)
    fill(mirror, targets)
    timed = TimedJournal(data)
    checkpoints = Checkpoints(Journal.open(data))  # the engine's
    checkpointing = threading.Thread(target=checkpoints.run)
    checkpointing.start()
    desk = Desk(config, journal=lambda _: timed)
    doorkeeper = Doorkeeper(journal, config.settings, SystemClock())
    app = application(desk, doorkeeper, config.settings)
    with journal.transaction() as connection:
        user = accounts.add_user(connection, "bench", accounts.Role.ADMIN, "no password", time.time())
        accounts.add_token(connection, "bench", user, SECRET, time.time())
    await desk.open()
    try:
        timed.held.clear()
        garbage.spare_collection()
        began, before = time.perf_counter(), os.times()
        status, answer = await posted(app)
        took_s, after = time.perf_counter() - began, os.times()
        print(f"  {took_s:.2f} s, of CPU {sum(after[:2]) - sum(before[:2]):.2f} s")
        if status != 202 or answer["total"] != targets:
            raise SystemExit(f"{targets} were asked for: {status} {answer}")
        return took_s, max(timed.held)
    finally:
        checkpoints.stop()
        checkpointing.join()
        checkpoints.journal.close()
        await desk.close()
        doorkeeper.close()
        mirror.close()
        journal.close()


async def posted(app: Starlette) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer."""
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http", "root_path": "",
        "path": "/v1/downtimes", "raw_path": b"/v1/downtimes", "query_string": b"wait=0",
        "headers": [(name.encode(), value.encode()) for name, value in HEADERS.items()],
        "client": ("127.0.0.1", 4711), "server": ("box", 80),
    }  # fmt: skip
    messages: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    await app(scope, receive, send)
    return messages[0]["status"], orjson.loads(b"".join(one.get("body", b"") for one in messages[1:]))


def fill(mirror: Mirror, targets: int) -> None:
    """Services of hosts, in state.db as a scan puts them there."""
    hosts = tuple(_row(HostStatus, name=f"server{number:05}") for number in range(-(-targets // PER_HOST)))
    services = tuple(
        _row(
            ServiceStatus,
            host_name=f"server{number // PER_HOST:05}",
            description=f"Service {number % PER_HOST:02} of some length",
            plugin_output="DISK OK - free space: / 3326 MB (56%), inodes 84%",
        )
        for number in range(targets)
    )
    created = time.time()
    frames: list[Frame] = [
        Begin(1, Generation(created, created - 100, "4.4.6", created), True), Rows(hosts, services),
        End(1, len(hosts), len(services), 0.0),
    ]  # fmt: skip
    if mirror.apply(frames).health != "fresh":
        raise SystemExit("the mirror did not take the rows")


Status = TypeVar("Status", HostStatus, ServiceStatus)


def _row(kind: type[Status], **values: object) -> Status:
    plain = {name: "" if word == "str" else 0.0 if word == "float" else 0 for name, word in kind.__annotations__.items()}
    return kind(**plain | {"has_been_checked": 1, "custom_variables": "{}"} | values)  # type: ignore[arg-type]


def bare_inserts(data: Path, targets: int) -> float:
    """Seconds for as many rows of `command` in as many transactions, with nothing decided about them."""
    journal = Journal.open(data)
    columns = [name for name in COMMAND_COLUMNS.split(", ") if name != "seq"]
    texts = {"id", "operation", "name", "host", "service", "arguments", "state", "reason", "author", "user", "address", "token"}
    query = f"INSERT INTO command ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    rows = [[f"{name} {number}" if name in texts else number for name in columns] for number in range(targets)]
    began = time.perf_counter()
    for start in range(0, targets, SLICE):
        with journal.transaction() as connection:
            connection.executemany(query, rows[start : start + SLICE])
    took_s = time.perf_counter() - began
    journal.close()
    return took_s


if __name__ == "__main__":
    sys.exit(main())
