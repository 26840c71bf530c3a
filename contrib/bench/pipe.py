"""How fast the lane writes bulk to a core, beside a bare loop that pushes batches of 4096 bytes into the same core.

    python -m contrib.bench.pipe [--results 20000] [--hosts 1000] [--rounds 3]

Both sides carry the same lines into one real Nagios 4, in turns, until the core has logged the last of them. The bare loop is all
a program could save: it proves nothing and forgets everything. Ours goes from a call in the journal through batch rows, marks and
proof until each result is `processed`. Both rates are of results that the core has executed, as its log shows: a loop that fills
the pipe faster than the core empties it is no faster. Each call begins with a status file the lane has not seen, so that every
object is looked up, and while it is under way the lane judges what the call before it did.

Prints the rates of the rounds, the ratio of the best, and the CPU that the core and the lane take per result: on a machine that has
other work to do, the core and the lane take turns, and the rates tell more of that than of the lane. Ends with 1 when the ratio is
below 50 %.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from contrib.demo_cores import Host, Service, until
from contrib.large_core import QuietCore
from engine import garbage
from engine.clock import SystemClock
from engine.commands.wire import WRITE_LIMIT
from engine.config import Config, Poller
from engine.journal.calls import CallRow, Counts, Payload, insert_call
from engine.model import CoreKind
from engine.runtime import Runtime, build
from tests.support.cores import running

ENOUGH_RATIO = 0.5


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--results", type=int, default=20_000)
    words.add_argument("--hosts", type=int, default=1000)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--no-budget", action="store_true", help="print only")
    options = words.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        hosts = [Host(f"host-{number}", (Service("PING"),) if not number else ()) for number in range(options.hosts)]
        core = QuietCore(folder / "core", hosts, interval_s=10)
        stack.enter_context(running(core))
        runtime = engine_of(core, folder / "data")
        stack.callback(runtime.scans[1].scanner.close)
        garbage.spare_collection()
        floor: list[float] = []
        ours: list[float] = []
        for number in range(options.rounds):
            of_core = cpu_s(core)
            floor.append(options.results / bare(core, lines(f"bare {number}", options)))
            of_core = cpu_s(core) - of_core
            runtime.scans[1].scan()
            runtime.lanes[1].lane.follow_log()  # what the bare loop made the core say is not the lane's work
            what = lines(f"ours {number}", options)
            store(runtime, number, what)
            of_lane = time.thread_time()
            ours.append(options.results / through_the_lane(runtime, number, len(what)))
            of_lane = time.thread_time() - of_lane
            cpu = [f"{seconds / options.results * 1e6:.0f} us" for seconds in (of_core, of_lane)]
            print(f"round {number + 1}: bare loop {floor[-1]:.0f} results/s, the lane {ours[-1]:.0f} results/s", end="")
            print(f"; CPU per result: the core {cpu[0]}, the lane {cpu[1]}")
    ratio = max(ours) / max(floor)
    print(f"best of the lane / best of the bare loop: {ratio:.2f}")
    return int(ratio < ENOUGH_RATIO and not options.no_budget)


def cpu_s(core: QuietCore) -> float:
    """CPU seconds that the core's processes have taken so far."""
    ticks = 0
    for pid in core.pids():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def lines(word: str, options: argparse.Namespace) -> list[bytes]:
    """Results as people send them, none equal to another."""
    now = int(time.time())
    text = "[%d] PROCESS_HOST_CHECK_RESULT;host-%d;0;PING OK - %s %d, RTA = 0.80 ms|rta=0.8ms;3000;5000;0\n"
    return [(text % (now, number % options.hosts, word, number)).encode() for number in range(options.results)]


def bare(core: QuietCore, what: list[bytes]) -> float:
    """Seconds until the core has logged the last line."""
    began = time.perf_counter()
    descriptor = os.open(core.command_file, os.O_WRONLY)
    try:
        batch = b""
        for line in what:
            if len(batch) + len(line) > WRITE_LIMIT:
                os.write(descriptor, batch)
                batch = b""
            batch += line
        os.write(descriptor, batch)
    finally:
        os.close(descriptor)
    wait_for_log(core, what[-1])
    return time.perf_counter() - began


def wait_for_log(core: QuietCore, line: bytes) -> None:
    """Come back when the end of the log shows it."""
    text = line.split(b"] ", 1)[1].rstrip()
    with core.log_file.open("rb") as log:

        def is_there() -> bool:
            log.seek(max(0, core.log_file.stat().st_size - 20_000))
            return text in log.read()

        until(is_there, "the core logged the last result")


def engine_of(core: QuietCore, data: Path) -> Runtime:
    """An engine whose lane is stepped by hand, its mirror as of the core's first status file."""
    data.mkdir()
    poller = Poller(
        1, "core", CoreKind.NAGIOS, core.command_file, core.status_file, core.log_file, core.folder / "objects.cache"
    )  # fmt: skip
    runtime = build(Config(data, (poller,)), SystemClock())
    runtime.scans[1].scan()
    runtime.lanes[1].lane.recover()
    return runtime


def store(runtime: Runtime, number: int, what: list[bytes]) -> None:
    """Put a call into the journal, as a worker does that accepts it."""
    now = time.time()
    row = CallRow(
        0, f"call {number}", f"operation {number}", 1, "bench", "", "", now, now, now + 300, 0, len(what),
        counts=Counts(accepted=len(what)),
    )  # fmt: skip
    with runtime.lanes[1].lane.journal.transaction() as connection:
        insert_call(connection, row, Payload.of(what, range(len(what))))


def through_the_lane(runtime: Runtime, number: int, count: int) -> float:
    """Seconds from a call in the journal until each of its results is processed and that is stored."""
    lane = runtime.lanes[1].lane
    began = time.perf_counter()
    lane.poke()
    while not is_processed(runtime, f"call {number}", count):
        lane.step()
        lane.rest()
    return time.perf_counter() - began


def is_processed(runtime: Runtime, call: str, count: int) -> bool:
    """By the journal."""
    query = "SELECT processed + confirmed FROM result_call WHERE id = ?"
    found: object = runtime.journal.connection.execute(query, (call,)).fetchone()
    return found == (count,)


if __name__ == "__main__":
    sys.exit(main())
