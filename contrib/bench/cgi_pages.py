"""How long does a page of the CGIs take at size, and how much memory, beside the original over the same files?

    python -m contrib.bench.cgi_pages [--hosts 10000] [--services 10] [--lines 200000] [--patience 100]

The files are those of contrib.bench.json_cgis with hostgroups of a hundred hosts each and a log. Ours is the whole application in
this process, from the request to the last byte of the page, its memory what this process grew by at most meanwhile; the original
is run as a web server would, once. There are no budgets: what is asked for is that pages do not hold anybody up.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from api.app import application
from api.auth.doorkeeper import Doorkeeper
from contrib.bench.json_cgis import PROGRAMS, write_files
from contrib.bench.queries import mirrored
from engine.clock import SystemClock
from engine.config import Config, Poller, Settings
from engine.desk import Desk
from engine.journal import accounts
from engine.journal.store import Journal
from engine.model import CoreKind
from engine.state.scope import Scope

PAGES = (
    ("tac.cgi", "tac.cgi", ""),
    ("status.cgi, 100 of all problems", "status.cgi", "host=all&servicestatustypes=28&limit=100"),
    ("status.cgi, all problems", "status.cgi", "host=all&servicestatustypes=28&limit=0"),
    ("status.cgi, every service", "status.cgi", "host=all&limit=0"),
    ("status.cgi, overview of all hostgroups", "status.cgi", "hostgroup=all&style=overview"),
    ("status.cgi, grid of all hostgroups", "status.cgi", "hostgroup=all&style=grid"),
    ("status.cgi, summary of all hostgroups", "status.cgi", "hostgroup=all&style=summary"),
    ("extinfo.cgi, one service", "extinfo.cgi", "type=2&host=host{middle:05}&service=service+01"),
    ("extinfo.cgi, the process", "extinfo.cgi", "type=0"),
    ("showlog.cgi, newest first", "showlog.cgi", ""),
)  # fmt: skip
_SECRET = "a secret of nobody's"


def write_more(folder: Path, hosts: int, lines: int) -> None:
    """Hostgroups, a log, and who may see the system."""
    with (folder / "objects.cache").open("a", encoding="utf-8") as out:
        for group in range(100):
            members = ",".join(f"host{at:05}" for at in range(group, hosts, 100))
            out.write(f"define hostgroup {{\n\thostgroup_name\tgroup{group:02}\n\talias\tGroup\n\tmembers\t{members}\n\t}}\n\n")
    now = int(time.time())
    with (folder / "nagios.log").open("w", encoding="utf-8") as out:
        for at in range(lines):
            out.write(f"[{now - lines + at}] SERVICE ALERT: host{at % hosts:05};service 01;CRITICAL;HARD;3;line {at} of the log\n")
    with (folder / "cgi.cfg").open("a", encoding="utf-8") as out:
        out.write("authorized_for_system_information=bench\nresult_limit=100\n")


def config_of(folder: Path) -> Config:
    """One poller over these files, and a user who may see everything."""
    paths = (folder / "cmd", folder / "status.dat", folder / "nagios.log", folder / "objects.cache")
    journal = Journal.open(folder)
    with journal.transaction() as connection:
        user = accounts.add_user(connection, "bench", accounts.Role.ADMIN, "no password", time.time(), scope=Scope())
        accounts.add_token(connection, "bench", user, _SECRET, time.time())
    journal.close()
    return Config(folder, (Poller(1, "bench", CoreKind.NAGIOS, *paths),), Settings())


async def asked(app: Starlette, program: str, query: str) -> int:
    """One page; its bytes, none of which are kept."""
    path, size = f"/nagios/cgi-bin/{program}", 0
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "client": ("127.0.0.1", 1),
        "server": ("bench", 80), "headers": [(b"authorization", f"Bearer {_SECRET}".encode())],
    }  # fmt: skip
    first = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        message = next(first, None)
        if message is None:
            await asyncio.Event().wait()
        return message

    async def send(message: Any) -> None:
        nonlocal size
        size += len(message.get("body", b""))

    await app(scope, receive, send)
    return size


def original(folder: Path, program: str, query: str, patience: float) -> str:
    """How long the original takes, and for how many bytes."""
    environment = {"REQUEST_METHOD": "GET", "QUERY_STRING": query, "REMOTE_USER": "bench", "PATH": os.environ["PATH"],
                   "NAGIOS_CGI_CONFIG": str(folder / "cgi.cfg")}  # fmt: skip
    begun = time.perf_counter()
    try:
        run = subprocess.run([PROGRAMS / program], capture_output=True, check=False, env=environment, timeout=patience)
    except subprocess.TimeoutExpired:
        return f"more than {patience:g} s"
    return f"{(time.perf_counter() - begun) * 1000:7.0f} ms {len(run.stdout) / 1e6:7.2f} MB"


def _peak_mb() -> float:
    """The most memory since the last `_forget`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _forget() -> float:
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_mb()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--services", type=int, default=10)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--patience", type=float, default=100.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as temporary:
        folder = Path(temporary)
        write_files(folder, arguments.hosts, arguments.services)
        write_more(folder, arguments.hosts, arguments.lines)
        mirrored(folder)
        asyncio.run(_report(folder, arguments))
    return 0


async def _report(folder: Path, arguments: argparse.Namespace) -> None:
    config = config_of(folder)
    journal = Journal.open(folder)
    doorkeeper, desk = Doorkeeper(journal, config.settings, SystemClock()), Desk(config)
    app = application(desk, doorkeeper, config.settings)
    await desk.open()
    try:
        await asked(app, "tac.cgi", "")  # what is loaded once
        print(f"{'page':42} {'ms':>8} {'MB of it':>9} {'memory':>8}  the original")
        for name, program, query in PAGES:
            query = query.format(middle=arguments.hosts // 2)
            before, begun = _forget(), time.perf_counter()
            size = await asked(app, program, query)
            took, grown = (time.perf_counter() - begun) * 1000, _peak_mb() - before
            beside = original(folder, program, query, arguments.patience)
            print(f"{name:42} {took:8.0f} {size / 1e6:9.2f} {grown:5.0f} MB  {beside}", flush=True)
    finally:
        await desk.close()
        doorkeeper.close()
        journal.close()


if __name__ == "__main__":
    raise SystemExit(main())
