"""The same questions asked of Icinga 2's livestatus and of ours, both with as many objects and the same outputs.

    python -m contrib.bench.livestatus all FOLDER [--hosts 10000] [--services 10] [--rounds 5]
    python -m contrib.bench.livestatus prepare FOLDER …    starts Icinga 2, fills it, leaves it running; minutes at full size
    python -m contrib.bench.livestatus ask FOLDER          asks both; alone on the machine its figures say most
    python -m contrib.bench.livestatus stop FOLDER         ends it

Icinga 2 is given passive hosts and services by its own configuration language and the results of contrib.bench.queries through its
command pipe; ours is that bench's mirror. Livestatus is asked over its Unix socket, one connection kept, JSON; ours inside the
process, to the bytes of the answer. Livestatus does not sort, so its page of problems is any 20 of them; its regular expressions
and ours are asked for the first 100 services they find; where ours counts, its totals are asked anew each time. Best of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from contrib.bench.queries import _values, best_ms, mirrored, questions, write_core
from contrib.demo_cores import ICINGA2, ordinary_user, until
from engine.state.tables import STATE_FILE
from engine.state.views import Reader

_COLUMNS = "host_name description state acknowledged scheduled_downtime_depth last_check last_state_change plugin_output"
_ENDING = "OutputFormat: json\nResponseHeader: fixed16\nKeepAlive: on\n\n"
_HEAD_BYTES = 16
_WRITE_BYTES = 4000
_STOP_WITHIN_S = 60.0
_MAIN = """\
include <itl>
const NodeName = "signalbox-bench"
object FileLogger "main-log" {{ severity = "warning"; path = "{folder}/icinga2.log" }}
object ExternalCommandListener "command" {{ command_path = "{folder}/core.cmd" }}
object LivestatusListener "livestatus" {{ socket_type = "unix"; socket_path = "{folder}/live" }}
object CheckCommand "nothing" {{ command = [ "/bin/true" ] }}
for (number in range({groups})) {{ object HostGroup "group" + (if (number < 10) {{ "0" }} else {{ "" }}) + number {{ }} }}
"""
_HOST = """\
object Host "{name}" {{
  check_command = "nothing"; enable_active_checks = false; enable_flapping = false; enable_notifications = false
  max_check_attempts = 1; address = "10.0.0.1"; display_name = "Machine"; groups = [ "{group}" ]
}}
"""
_SERVICE = """\
apply Service "{name}" {{
  check_command = "nothing"; enable_active_checks = false; enable_flapping = false; enable_notifications = false
  max_check_attempts = 1
  assign where true
}}
"""


# --- the core -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Livestatus:
    """An Icinga 2 in a folder, and questions to its socket."""

    folder: Path

    @property
    def socket_path(self) -> Path:
        return self.folder / "live"

    def write(self, hosts: int, services: int) -> None:
        """Its configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("data", "cache", "run", "spool"):
            (self.folder / name).mkdir(exist_ok=True)
        parts = [_MAIN.format(folder=self.folder, groups=100)]
        parts += [_HOST.format(name=f"host{at:05}", group=f"group{at % 100:02}") for at in range(hosts)]
        parts += [_SERVICE.format(name=f"service {number:02}") for number in range(services)]
        (self.folder / "icinga2.conf").write_text("".join(parts))
        if os.geteuid() == 0:
            user = ordinary_user()
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, user.pw_uid, user.pw_gid)

    def start(self) -> None:
        """It goes on when this program ends."""
        places = ("DataDir=data", "CacheDir=cache", "LogDir=run", "InitRunDir=run", "SpoolDir=spool", "ConfigDir=.")
        defines = [word for place in places for word in ("-D", place.replace("=", f"={self.folder}/"))]
        identity = {}
        if os.geteuid() == 0:
            user = ordinary_user()
            identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        with (self.folder / "console").open("ab") as console:
            process = subprocess.Popen(
                [ICINGA2, "daemon", "-c", str(self.folder / "icinga2.conf"), *defines],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                **identity,  # type: ignore[call-overload]
            )  # fmt: skip
        (self.folder / "pid").write_text(str(process.pid))

    def stop(self) -> None:
        """End it and what it started; it is a session of its own, and what does not end in good order is killed."""
        group = int((self.folder / "pid").read_text())
        os.kill(group, signal.SIGTERM)
        with suppress(TimeoutError):
            until(lambda: not _processes_of(group), "Icinga 2 ends", _STOP_WITHIN_S)
        if _processes_of(group):
            os.killpg(group, signal.SIGKILL)

    def memory_mb(self) -> float:
        """Resident, of its largest process."""
        return max(map(_resident_mb, _processes_of(int((self.folder / "pid").read_text()))))

    def fill(self, hosts: int, services: int, now: int) -> None:
        """Give every object its result, the one ours has."""
        pipe = os.open(self.folder / "core.cmd", os.O_WRONLY)
        try:
            batch = b""
            for line in _results(hosts, services, now):
                if len(batch) + len(line) > _WRITE_BYTES:
                    os.write(pipe, batch)
                    batch = b""
                batch += line
            os.write(pipe, batch)
        finally:
            os.close(pipe)


def _processes_of(group: int) -> list[int]:
    """Those of a process group that live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "stat").read_text().rpartition(") ")[2].split()  # state, parent, group
                if int(words[2]) == group and words[0] != "Z":
                    found.append(int(entry.name))
    return found


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def _results(hosts: int, services: int, now: int) -> Iterator[bytes]:
    for at in range(hosts):
        name = f"host{at:05}"
        values = _values(at, now, at % 50 == 7, 1, name)
        yield f"[{now}] PROCESS_HOST_CHECK_RESULT;{name};{values['state']};{values['output']}\n".encode()
        for number in range(services):
            each = at * services + number
            values = _values(each, now, each % 20 == 3, 1 + each % 3, name)
            text = f"{name};service {number:02};{values['state']};{values['output']}"
            yield f"[{now}] PROCESS_SERVICE_CHECK_RESULT;{text}|time=0.01s\n".encode()


# --- asking -------------------------------------------------------------------------------------------------------------------


class Connection:
    """One connection to livestatus, kept open."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))

    def ask(self, query: str) -> bytes:
        """The body of the answer; another status than 200 ends the program."""
        self._socket.sendall(f"{query}\n{_ENDING}".encode())
        head = self._take(_HEAD_BYTES)
        body = self._take(int(head[4:15]))
        if not head.startswith(b"200 "):
            raise SystemExit(f"livestatus said {head!r} {body!r} to {query!r}")
        return body

    def _take(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            piece = self._socket.recv(min(count - len(found), 1 << 20))
            if not piece:
                raise SystemExit("livestatus closed the connection")
            found += piece
        return bytes(found)

    def close(self) -> None:
        self._socket.close()


def _queries(middle: str) -> dict[str, str]:
    """Livestatus's form of the questions, by the names they have in contrib.bench.queries."""
    services = f"GET services\nColumns: {_COLUMNS}"
    by_output = f"{services}\nLimit: 100\nFilter: plugin_output "
    problems = (
        "Filter: state != 0\nFilter: acknowledged = 0\nFilter: scheduled_downtime_depth = 0\nFilter: host_state = 0\nLimit: 20"
    )
    return {
        "one service": f"{services}\nFilter: host_name = {middle}\nFilter: description = service 01",
        "page of 20 problems": f"{services}\n{problems}",
        "counts by state": "GET services\n" + "\n".join(f"Stats: state = {state}" for state in range(4)),
        "substring of all output": f"{by_output}~ needle 123",
        "regex with a selective literal": f"{by_output}~~ needle 1.*found",
        "any regex": f"{by_output}~~ (a|e)[0-9]+ .*[x-z]",
        "all services, 8 fields, JSON": services,
    }


def ask_both(folder: Path, rounds: int) -> None:
    """Ask, and print both figures side by side."""
    core = Livestatus(folder / "icinga2")
    connection = Connection(core.socket_path)
    reader = Reader.open(folder / "ours")
    columns = ("host", "description", "state", "plugin_output")
    found = reader.connection.execute("SELECT host_name, description, state, plugin_output FROM state.service ORDER BY 1, 2")
    rows = [dict(zip(columns, row, strict=True)) for row in found]
    middle = rows[len(rows) // 2]["host"]
    counted = json.loads(connection.ask(_queries(middle)["counts by state"]))[0]
    ours = [sum(row["state"] == state for row in rows) for state in range(4)]
    if counted != ours:
        raise SystemExit(f"not the same data: livestatus counts {counted}, ours {ours} by state")
    print(f"{len(rows)} services in both; Icinga 2 takes {core.memory_mb():.0f} MB")
    print(f"{'question':34} {'livestatus ms':>14} {'ours ms':>9}")
    queries = _queries(middle)
    try:
        with asyncio.Runner() as loop:
            for question in questions(reader, rows, loop):
                if question.name in queries:
                    theirs = best_ms(_asking(connection, queries[question.name]), rounds)
                    print(f"{question.name:34} {theirs:14.2f} {best_ms(question.ask, rounds):9.2f}", flush=True)
    finally:
        reader.close()
        connection.close()


def _asking(connection: Connection, query: str) -> Callable[[], object]:
    return lambda: connection.ask(query)


def prepare(folder: Path, hosts: int, services: int) -> None:
    """Both, filled; Icinga 2 is left running."""
    ours, core, now = folder / "ours", Livestatus(folder / "icinga2"), int(time.time())
    ours.mkdir(parents=True)
    write_core(ours, hosts, services, now)
    mirrored(ours)
    assert (ours / STATE_FILE).exists()
    folder.chmod(0o755)
    core.write(hosts, services)
    begun = time.perf_counter()
    core.start()
    until(core.socket_path.exists, "livestatus listens", 900)
    print(f"Icinga 2 listens after {time.perf_counter() - begun:.0f} s", flush=True)
    core.fill(hosts, services, now)

    def is_filled() -> bool:
        connection = Connection(core.socket_path)
        try:
            return bool(json.loads(connection.ask("GET services\nStats: has_been_checked = 1"))[0][0] == hosts * services)
        finally:
            connection.close()

    until(is_filled, "every service has its result", 900)
    print(f"and is filled after {time.perf_counter() - begun:.0f} s", flush=True)


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("what", choices=("all", "prepare", "ask", "stop"))
    words.add_argument("folder", type=Path)
    words.add_argument("--hosts", type=int, default=10_000)
    words.add_argument("--services", type=int, default=10)
    words.add_argument("--rounds", type=int, default=5)
    options = words.parse_args()
    folder = options.folder.absolute()
    core = Livestatus(folder / "icinga2")
    try:
        if options.what in ("all", "prepare"):
            prepare(folder, options.hosts, options.services)
        if options.what in ("all", "ask"):
            ask_both(folder, options.rounds)
    finally:
        if options.what in ("all", "stop") and (core.folder / "pid").exists():
            core.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
