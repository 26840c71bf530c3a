"""How long a downtime takes from POST to `processed`, beside what the core itself needs from pipe to log.

    python -m contrib.bench.post [--posts 200] [--busy-services N]

Both run against one idle Nagios 4, interleaved, so that they see the same machine. The floor writes one command into the FIFO and
waits for its line in the log, as the fastest possible program would. `--busy-services` adds a second real core with that many
services, which writes its status file every few seconds; the posts go on until Signalbox has scanned several of these. Prints
medians and the ratio; ends with 1 when the median of Signalbox is above its budget.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from contrib.demo_cores import Core, Host, NagiosCore, Service
from contrib.large_core import QuietCore, many_hosts
from tests.support.box import Box
from tests.support.cores import running

BUDGET_S = 0.015
HOSTS = 40
BUSY_INTERVAL_S = 3
BUSY_SCANS = 5


def pipe_to_log(core: Core, number: int) -> float:
    """Seconds from one write to the line that shows it."""
    word = f"bench {number} {time.time_ns()}".encode()
    with core.log_file.open("rb") as log:
        log.seek(0, os.SEEK_END)
        started = time.perf_counter()
        core.send(b"ADD_HOST_COMMENT;host-0;0;bench;" + word)
        seen = b""
        while word not in seen:
            seen += log.read()
            if time.perf_counter() - started > 10:
                raise TimeoutError("the core did not log the command within 10 s")
    return time.perf_counter() - started


def post_to_processed(box: Box, number: int) -> float:
    """Seconds from POST to an answer that says `processed` or more."""
    started = time.perf_counter()
    answer = box.downtime(f"host-{number % HOSTS}", f"bench {number} {time.time_ns()}")
    took = time.perf_counter() - started
    state = answer.json()["state"]
    if state not in ("processed", "confirmed"):
        raise RuntimeError(f"POST {number} ended as {state}: {answer.text}")
    return took


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--posts", type=int, default=200)
    words.add_argument("--busy-services", type=int, default=0, help="services of a second core, scanned all the while")
    words.add_argument("--budget-ms", type=float, default=BUDGET_S * 1000)
    options = words.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        core = NagiosCore(folder / "idle", [Host(f"host-{number}", (Service("PING"),)) for number in range(HOSTS)], interval_s=10)
        cores: list[Core] = [core]
        if options.busy_services:
            cores.append(QuietCore(folder / "busy", many_hosts(options.busy_services), interval_s=BUSY_INTERVAL_S))
        stack.enter_context(running(*cores))
        box = Box(folder / "box", cores)
        box.prepare()
        stack.callback(box.close)
        stack.callback(box.stop)
        box.start()
        box.wait_ready(180)
        first = scanned(box)
        floor: list[float] = []
        ours: list[float] = []
        while len(ours) < options.posts or (options.busy_services and scanned(box) < first + BUSY_SCANS):
            floor.append(pipe_to_log(core, len(floor)))
            ours.append(post_to_processed(box, len(ours)))
        report(floor, ours)
        if options.busy_services:
            size = cores[1].status_file.stat().st_size / 1e6
            print(f"meanwhile {scanned(box) - first} status files of {options.busy_services} services ({size:.0f} MB) were scanned")
        return int(statistics.median(ours) * 1000 > options.budget_ms)


def scanned(box: Box) -> int:
    """How many generations of the busy core Signalbox has taken in, 0 when there is none."""
    pollers = box.api.get("/v1/pollers").json()["items"]
    return sum(poller["generation"] for poller in pollers if poller["name"] == "busy")


def report(floor: list[float], ours: list[float]) -> None:
    """Print medians, 95th percentiles and the ratio."""
    for name, times in (("pipe to log, nothing between", floor), ("POST to processed", ours)):
        ninety_five = sorted(times)[int(len(times) * 0.95)]
        print(f"{name:30} median {statistics.median(times) * 1000:6.2f} ms   95 % {ninety_five * 1000:6.2f} ms   of {len(times)}")
    print(f"ratio of medians {statistics.median(ours) / statistics.median(floor):.2f}")


if __name__ == "__main__":
    sys.exit(main())
