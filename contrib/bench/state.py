"""How fresh, how soon and how large: the state engine in front of a real core of any size.

    python -m contrib.bench.state [--hosts 10000] [--services 10] [--rounds 3] [--cgi]

A real Nagios 4 with that many passive objects, `signalbox serve` in front of it, one run, side by side:

- a status file rewritten with new times only: a scanner's pass over it beside `md5sum` of the same file and a naive full parse;
- 3 % of the objects changed: from the moment the file is in place to rows that are seen over HTTP;
- cold start (no mirror yet) and restart (from the mirror) to the first answer that has rows;
- resident memory of engine and scanner beside that of the naive parse.

`--cgi` adds one request to the core's own statusjson.cgi, which may take minutes. Prints each figure beside its budget; ends with 1
when one is over it.
"""

from __future__ import annotations

import argparse
import os
import pwd
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from contrib.bench.scan import md5sum_s, whole_scan
from contrib.demo_cores import until
from contrib.large_core import Feeder, QuietCore, many_hosts
from engine.config import Poller
from engine.model import CoreKind
from engine.pollers.scanner_process import ScannerProcess
from engine.state.frames import Rows
from engine.state.tables import STATE_FILE
from tests.support.box import Box, quoted
from tests.support.cores import running

CGI = Path("/usr/lib/cgi-bin/nagios4/statusjson.cgi")
INTERVAL_S = 10
# What scripts do: the whole file read, every line split, a dictionary per object.
NAIVE = """
import resource, sys, time
begun = time.perf_counter()
objects, block = {}, None
for line in open(sys.argv[1], encoding="utf-8", errors="surrogateescape"):
    line = line.strip()
    if line.endswith(" {"):
        block = {"type": line[:-2]}
    elif line == "}":
        if block is not None:
            objects[block["type"], block.get("host_name"), block.get("service_description")] = block
        block = None
    elif block is not None:
        key, _, value = line.partition("=")
        block[key] = value
print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@dataclass(frozen=True)
class Figure:
    """One line of the table; `budget` None: only something to compare with."""

    work: str
    value: float
    unit: str
    budget: float | None = None

    @property
    def is_over(self) -> bool:
        return self.budget is not None and self.value > self.budget

    def __str__(self) -> str:
        budget = "–" if self.budget is None else f"≤ {self.budget:g} {self.unit}" + (" OVER" if self.is_over else "")
        return f"| {self.work} | {self.value:.2f} {self.unit} | {budget} |"


def next_file(core: QuietCore) -> float:
    """Wait for another status file; its mtime."""
    before = core.status_file.stat().st_mtime_ns
    until(lambda: core.status_file.exists() and core.status_file.stat().st_mtime_ns != before, "another status file", 180)
    return core.status_file.stat().st_mtime


def rewritten(core: QuietCore, rounds: int) -> Iterator[Figure]:
    """A file with new times only."""
    scanner = ScannerProcess(
        Poller(1, "bench", CoreKind.NAGIOS, core.command_file, core.status_file, core.log_file, core.object_cache_file)
    )
    scans, sums = [], []
    try:
        whole_scan(scanner)
        for _ in range(rounds):
            next_file(core)
            sums.append(md5sum_s(core.status_file))
            took_s, frames = whole_scan(scanner)
            if any(isinstance(frame, Rows) for frame in frames):
                raise SystemExit("rows changed: not the quiet file this is about")
            scans.append(took_s)
    finally:
        scanner.close()
    naive_s, naive_mb = naive(core.status_file)
    yield Figure("status file", core.status_file.stat().st_size / 1e6, "MB")
    yield Figure("refresh, new times only", min(scans), "s")
    yield Figure("md5sum of the same file", min(sums), "s")
    yield Figure("refresh, new times only, against md5sum", min(scans) / min(sums), "×", 2.5)
    yield Figure("naive full parse", naive_s, "s")
    yield Figure("naive full parse, resident", naive_mb, "MB")


def naive(status_file: Path) -> tuple[float, float]:
    """(seconds, MB) of a parse as scripts do it."""
    done = subprocess.run([sys.executable, "-c", NAIVE, str(status_file)], check=True, capture_output=True, text=True)
    seconds, kilobytes = done.stdout.split()
    return float(seconds), float(kilobytes) / 1024


def created(core: QuietCore) -> float:
    """The time the core wrote into its status file."""
    with core.status_file.open("rb") as file:
        return float(re.findall(rb"\n\tcreated=(\d+)", file.read(2000))[0])


def is_shown(box: Box, at: float) -> bool:
    """Does Signalbox show the file the core wrote at that second?"""
    text = box.api.get("/v1/pollers").json()["items"][0]["created_at"]
    return text is not None and datetime.fromisoformat(text).timestamp() == at


def visible_s(box: Box, core: QuietCore, feeder: Feeder) -> float:
    """Seconds from a file with 3 % changed rows being in place to the generation that shows it."""
    next_file(core)  # so that the next one shows the whole round
    last = feeder.feed()[-1]
    renamed = next_file(core)
    at = created(core)
    until(lambda: is_shown(box, at), "the generation is shown")
    took_s = time.time() - renamed
    path = f"/v1/hosts/{last.host}" + (f"/services/{quoted(last.service)}" if last.service else "")
    row = box.api.get(path).json()
    if row["plugin_output"] != last.output.split("|")[0]:
        raise SystemExit(f"{last} is not shown: {row['plugin_output']}")
    return took_s


def first_answer_s(box: Box, pause_s: float) -> float:
    """Seconds from `signalbox serve` to an answer that has services, asked for again and again with a pause in between."""
    begun = time.perf_counter()
    box.start()

    def answers() -> bool:
        try:
            return bool(box.api.get("/v1/services", params={"limit": 1}).json().get("items"))
        except (httpx.TransportError, ValueError):
            return False
        finally:
            time.sleep(pause_s)

    until(answers, "the first answer", 180)
    return time.perf_counter() - begun


def resident_mb(box: Box) -> float:
    """Proportional resident memory of the engine and its scanners."""
    total = 0
    for role in ("engine.runtime", "engine.pollers.scanner_process"):
        for pid in box.pids(role):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def cgi_s(core: QuietCore) -> float:
    """Seconds of one request to the core's own program for every service."""
    config = core.folder / "cgi.cfg"
    config.write_text(f"main_config_file={core.config_file}\nuse_authentication=0\n")
    environment = {"REQUEST_METHOD": "GET", "QUERY_STRING": "query=servicelist&details=true", "NAGIOS_CGI_CONFIG": str(config)}
    begun = time.perf_counter()
    subprocess.run([str(CGI)], env=environment, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - begun


@contextmanager
def a_site(folder: Path, hosts: int, services: int) -> Iterator[tuple[QuietCore, Box]]:
    """A filled core and a Signalbox that was not started yet."""
    core = QuietCore(folder / "core", many_hosts(hosts * services, services), interval_s=INTERVAL_S, extra="log_passive_checks=0\n")
    with running(core):
        core.fill()
        filled = time.time()
        until(lambda: core.status_file.stat().st_mtime > filled + INTERVAL_S, "a status file of a quiet core", 180)
        box = Box(folder / "box", [core])
        box.prepare()
        try:
            yield core, box
        finally:
            box.close()


def figures(core: QuietCore, box: Box, options: argparse.Namespace) -> Iterator[Figure]:
    """Every figure, as it is measured."""
    yield from rewritten(core, options.rounds)
    if options.cgi:
        yield Figure("statusjson.cgi, every service", cgi_s(core), "s")
    yield Figure("cold start to the first answer", first_answer_s(box, 0.1), "s", 12)
    box.wait_ready(180)
    feeder = Feeder(core)
    yield Figure(
        "refresh, 3 % changed, to visible rows", min(visible_s(box, core, feeder) for _ in range(options.rounds)), "s", 1.5
    )
    yield Figure("engine and scanner, resident", resident_mb(box), "MB", 400)
    yield Figure("state.db with its log", sum(path.stat().st_size for path in box.data.glob(f"{STATE_FILE}*")) / 1e6, "MB")
    box.stop()
    yield Figure("restart to the first answer", first_answer_s(box, 0.0), "s", 1)


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--hosts", type=int, default=10_000)
    words.add_argument("--services", type=int, default=10, help="services per host")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--cgi", action="store_true")
    options = words.parse_args()
    over = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signalbox-bench-")))
        folder.chmod(0o755)
        core, box = stack.enter_context(a_site(folder, options.hosts, options.services))
        print(f"{options.hosts} hosts, {options.hosts * options.services} services, {pwd.getpwuid(os.geteuid()).pw_name}, "
              f"{os.cpu_count()} cores\n\n| work | figure | budget |\n| --- | --- | --- |", flush=True)  # fmt: skip
        for figure in figures(core, box, options):
            print(figure, flush=True)
            over += figure.is_over
    return int(bool(over))


if __name__ == "__main__":
    raise SystemExit(main())
