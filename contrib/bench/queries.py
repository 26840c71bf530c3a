"""How long does a question take, inside the process, at any size? Each figure beside its budget and beside a loop over Python rows.

    python -m contrib.bench.queries [--hosts 10000] [--services 10] [--rounds 5] [--slack 1]

A status file of that many objects, block for block as Nagios 4 writes them, goes through the real scanner and the real mirror
into a state.db of its own; the questions are those the native API asks. 5 % of the services and 2 % of the hosts are problems,
every output's text differs. Best of the rounds. Ends with 1 when a figure is above `--slack` times its budget (budgets are for a
quiet machine).
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson

from api.native.hosts import HostsQuery, list_hosts
from api.native.operation import Call
from api.native.problems import ProblemsQuery, list_problems
from api.native.services import ServicesQuery, list_services, read_service
from api.render import encode_json
from engine.clock import SystemClock
from engine.config import Poller, Settings
from engine.desk import Caller
from engine.model import CoreKind, ObjectKey
from engine.pollers.scanner_process import ScannerProcess
from engine.state.frames import ScanRequest
from engine.state.mirror import Mirror
from engine.state.scope import EVERYTHING, Scope
from engine.state.tables import STATE_FILE
from engine.state.tactical import totals
from engine.state.views import Reader

T = TypeVar("T")
GOLDEN = Path(__file__).resolve().parents[2] / "tests/golden/nagios-4.4.6"
_SHORTEST_TRY_S = 0.3
FIELDS = "host,description,state,state_name,acknowledged,scheduled_downtime_depth,last_check,plugin_output"
_TEXTS = (
    "OK - load average: 0.%d, 0.41, 0.40 on a machine of 8 processors",
    "DISK OK - free space: /var %d MB (63%% inode=91%%): nothing to do here",
    "HTTP OK: HTTP/1.1 200 OK - %d bytes in 0.012 second response time",
    "PING OK - Packet loss = 0%%, RTA = %d ms and falling slowly",
)


# --- a status file of any size ------------------------------------------------------------------------------------------------


def _block(kind: str) -> str:
    text = (GOLDEN / "status-1.dat").read_text("utf-8", "replace")
    found = re.search(rf"^{kind} {{\n.*?^\t}}\n", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def _filled(block: str, values: Mapping[str, object]) -> str:
    """The block with these values, as a template of the rest."""
    for name, value in values.items():
        block = re.sub(rf"^\t{name}=.*$", f"\t{name}={value}".replace("\\", "\\\\"), block, flags=re.MULTILINE)
    return block


def write_core(folder: Path, hosts: int, services: int, now: int) -> None:
    """The status file and the object cache of a core with that many objects."""
    checked = {
        "has_been_checked": 1,
        "last_check": "%(last_check)s",
        "last_state_change": "%(changed)s",
        "current_state": "%(state)s",
    }
    checked |= {
        "plugin_output": "%(output)s",
        "problem_has_been_acknowledged": "%(acknowledged)s",
        "performance_data": "time=0.01s",
    }
    host = _filled(_block("hoststatus").replace("%", "%%"), {"host_name": "%(host)s"} | checked)
    service = {"host_name": "%(host)s", "service_description": "%(service)s"} | checked
    service_block = _filled(_block("servicestatus").replace("%", "%%"), service)
    with (folder / "status.dat").open("w", encoding="utf-8") as out:
        out.write(
            _filled(_block("info"), {"created": now})
            + "\n"
            + _filled(_block("programstatus"), {"program_start": now - 9000})
            + "\n"
        )
        for at in range(hosts):
            out.write(host % _values(at, now, at % 50 == 7, 1, f"host{at:05}") + "\n")
            for number in range(services):
                each = at * services + number
                values = _values(each, now, each % 20 == 3, 1 + each % 3, f"host{at:05}")
                out.write(service_block % (values | {"service": f"service {number:02}"}) + "\n")
    with (folder / "objects.cache").open("w", encoding="utf-8") as out:
        for group in range(100):
            members = ",".join(f"host{at:05}" for at in range(group, hosts, 100))
            out.write(f"define hostgroup {{\n\thostgroup_name\tgroup{group:02}\n\talias\tGroup\n\tmembers\t{members}\n\t}}\n")
        for at in range(hosts):
            name = f"host{at:05}"
            out.write(f"define host {{\n\thost_name\t{name}\n\talias\tMachine {at}\n\taddress\t10.0.0.1\n\tcontacts\tann\n\t}}\n")
            for number in range(services):
                out.write(
                    f"define service {{\n\thost_name\t{name}\n\tservice_description\tservice {number:02}\n\tcontacts\tann\n\t}}\n"
                )


def _values(at: int, now: int, is_problem: bool, state: int, host: str) -> dict[str, object]:
    output = f"CRITICAL - needle {at} not found" if is_problem else _TEXTS[at % len(_TEXTS)] % at
    acknowledged = int(is_problem and at % 5 == 0)
    return {
        "host": host, "last_check": now - at % 300, "changed": now - at % 86400, "state": state if is_problem else 0,
        "output": output, "acknowledged": acknowledged,
    }  # fmt: skip


def mirrored(folder: Path) -> None:
    """The files through the real scanner and the real mirror."""
    numbers = iter(range(1, 2**31))

    def mint(poller: int, wanted: Mapping[ObjectKey, int | None]) -> dict[ObjectKey, int]:
        return {key: next(numbers) for key in wanted}

    poller = Poller(1, "bench", CoreKind.NAGIOS, folder / "cmd", folder / "status.dat", folder / "log", folder / "objects.cache")
    mirror, scanner = Mirror.open(folder / STATE_FILE, mint), ScannerProcess(poller)
    try:
        mirror.configure([poller])
        begun = time.perf_counter()
        applied = mirror.apply(scanner.scan(ScanRequest()))
        if applied.health != "fresh":
            raise SystemExit(f"the scan failed: {applied.detail}")
        size = (folder / "status.dat").stat().st_size / 1e6
        print(f"status file of {size:.0f} MB, read and mirrored in {time.perf_counter() - begun:.1f} s")
    finally:
        scanner.close()
        mirror.close()


# --- questions ------------------------------------------------------------------------------------------------------------------


class _Desk:
    """Reads at once, in this thread: what is measured is the question, not the way to another thread."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    async def find(self, caller: Caller, work: Callable[[Reader], T], *, short: bool = False) -> T:
        with self.reader.snapshot():
            return work(self.reader)


@dataclass(frozen=True, slots=True)
class Question:
    """One question: what is asked, what it may take, and the same as a loop over rows (None: there is no such loop)."""

    name: str
    budget_ms: float | None
    ask: Callable[[], object]
    loop: Callable[[], object] | None = None


def questions(reader: Reader, rows: list[dict[str, Any]], loop: asyncio.Runner) -> Iterator[Question]:
    """All of them. `rows` are the services as Python has them after an API's answer."""
    narrow = Scope(hostgroups=frozenset({"group03"}))
    wide = Scope(hostgroups=frozenset(f"group{number:02}" for number in range(50)))
    call, restricted = _call(reader, EVERYTHING), _call(reader, wide)
    middle = rows[len(rows) // 2]["host"]

    def one() -> bytes:
        with reader.snapshot():
            return encode_json(read_service(reader, call, middle, "service 01", "")[0])

    def asked(list_: Callable[[Call, Any], Awaitable[Any]], query: object, by: Call = call) -> Callable[[], object]:
        return lambda: loop.get_loop().run_until_complete(_body(list_(by, query)))

    def by_output(test: Callable[[str], object]) -> Callable[[], object]:
        return lambda: [row for row in rows if test(row["plugin_output"])][:100]

    def services(search: object, **more: Any) -> Callable[[], object]:
        return asked(list_services, ServicesQuery(search=orjson.dumps(search).decode(), **more))

    def counts(scope: Scope) -> Callable[[], object]:
        def ask() -> object:
            reader.forget()  # what is measured is counting, not remembering
            return totals(reader, scope, "poller")

        return ask

    selective, any_ = re.compile("needle 1.*found", re.IGNORECASE), re.compile(r"(a|e)\d+ .*[x-z]", re.IGNORECASE)
    yield Question("one service", 0.3, one, lambda: next(row for row in rows if row["host"] == middle))
    yield Question(
        "page of 20 problems", 0.6, asked(list_problems, ProblemsQuery(limit=20)), lambda: [r for r in rows if r["state"]][:20]
    )
    yield Question("counts by state", 2, counts(EVERYTHING), lambda: sum(r["state"] == 2 for r in rows))
    yield Question("counts by state, 1 group of 100", 25, counts(narrow))
    yield Question("counts by state, 50 groups of 100", 25, counts(wide))
    yield Question(
        "substring of all output", 90, services({"plugin_output": {"$lk": "%needle 123%"}}), by_output(lambda o: "needle 123" in o)
    )
    yield Question(
        "regex with a selective literal", 90, services({"plugin_output": {"$rg": "needle 1.*found"}}), by_output(selective.search)
    )
    yield Question("any regex", 300, services({"plugin_output": {"$rg": r"(a|e)\d+ .*[x-z]"}}), by_output(any_.search))
    yield Question("host's name and group", None, services({"host.name": middle, "hostgroup": {"$lk": "group%"}}))
    yield Question("unhandled of a hostgroup", None, services({"unhandled": True, "hostgroup": "group03"}))
    yield Question("sorted by last check, page of 100", None, asked(list_services, ServicesQuery(sort="-last_check")))
    yield Question(
        "problems sorted by state and age, 20", None, asked(list_problems, ProblemsQuery(sort="-state,last_state_change", limit=20))
    )
    yield Question("page of 100 hosts, half the groups", None, asked(list_hosts, HostsQuery(), restricted))
    yield Question("all services, 8 fields, JSON", 400, asked(list_services, ServicesQuery(limit=0, fields=FIELDS)))
    yield Question("all services, all members, JSON", None, asked(list_services, ServicesQuery(limit=0)))


def _call(reader: Reader, scope: Scope) -> Call:
    caller = Caller("bench", "bench", "admin", scope)
    return Call(_Desk(reader), caller, Settings(), SystemClock(), {}, headers={})  # type: ignore[arg-type]


async def _body(answer: Awaitable[Any]) -> int:
    """Bytes of an answer, its spool read to the end."""
    response = (await answer).response
    sizes = [0]

    async def send(message: Mapping[str, Any]) -> None:
        sizes.append(len(message.get("body", b"")))

    async def stays() -> Any:
        await asyncio.Event().wait()

    await response({"type": "http", "method": "GET"}, stays, send)
    return sum(sizes)


def best_ms(ask: Callable[[], object], rounds: int) -> float:
    """The best of the rounds, more of them where they are short: what the question costs, not what else the machine did."""
    times: list[float] = []
    until = time.perf_counter() + _SHORTEST_TRY_S
    while len(times) < rounds or time.perf_counter() < until:
        begun = time.perf_counter()
        ask()
        times.append((time.perf_counter() - begun) * 1000)
    return min(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--services", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slack", type=float, default=1.0)
    parser.add_argument("--keep", type=Path, help="a folder to make the files in, used again when they are there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as temporary:
        folder = arguments.keep or Path(temporary)
        if not (folder / STATE_FILE).exists():
            folder.mkdir(exist_ok=True)
            write_core(folder, arguments.hosts, arguments.services, int(time.time()))
            mirrored(folder)
        reader = Reader.open(folder)
        try:
            with asyncio.Runner() as loop:
                return _report(reader, loop, arguments.rounds, arguments.slack)
        finally:
            reader.close()


def _report(reader: Reader, loop: asyncio.Runner, rounds: int, slack: float) -> int:
    columns = ("host", "description", "state", "plugin_output")
    found = reader.connection.execute("SELECT host_name, description, state, plugin_output FROM state.service ORDER BY 1, 2")
    rows = [dict(zip(columns, row, strict=True)) for row in found]
    print(f"{len(rows)} services\n{'question':40} {'ms':>9} {'budget':>8} {'loop':>9}")
    over = False
    for question in questions(reader, rows, loop):
        took = best_ms(question.ask, rounds)
        beside = f"{best_ms(question.loop, rounds):9.2f}" if question.loop else f"{'–':>9}"
        is_over = question.budget_ms is not None and took > slack * question.budget_ms
        over = over or is_over
        print(f"{question.name:40} {took:9.2f} {question.budget_ms or '–':>8} {beside}{'  OVER' if is_over else ''}", flush=True)
    return int(over)


if __name__ == "__main__":
    raise SystemExit(main())
