"""How long a downtime takes from POST to `processed`, beside what the core itself needs from pipe to log.

    python -m contrib.bench.post [--posts 200] [--busy STATUS_FILE]

Both run against one idle Nagios 4, interleaved, so that they see the same machine. The floor writes one command into the FIFO and
waits for its line in the log, as the fastest possible program would. `--busy` adds a second poller whose status file is that file,
rewritten with new times without a pause, so that Signalbox scans all the while. Prints medians and the ratio; ends with 1 when the
median of Signalbox is above its budget.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from contrib.demo_cores import Core, Host, NagiosCore, Service, ordinary_user
from tests.support.box import Box
from tests.support.cores import running

BUDGET_S = 0.015
HOSTS = 40


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


class Rewriter(threading.Thread):
    """Rewrites a status file as a core does, with new times and nothing else."""

    def __init__(self, source: Path, target: Path) -> None:
        super().__init__(daemon=True)
        self.text = source.read_bytes()
        self.target = target
        self.ended = threading.Event()
        self.times = 0

    def run(self) -> None:
        while not self.ended.wait(1.0):
            now = str(int(time.time())).encode()
            text = re.sub(rb"\n\t(last_update|created)=\d+", rb"\n\t\1=" + now, self.text)
            new = self.target.with_suffix(".new")
            new.write_bytes(text)
            new.replace(self.target)
            self.times += 1


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--posts", type=int, default=200)
    words.add_argument("--busy", type=Path, help="a large status file of a real core")
    words.add_argument("--budget-ms", type=float, default=BUDGET_S * 1000)
    options = words.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        core = NagiosCore(folder / "idle", [Host(f"host-{number}", (Service("PING"),)) for number in range(HOSTS)], interval_s=10)
        cores: list[Core] = [core]
        if options.busy:
            cores.append(NagiosCore(folder / "busy", [Host("unused", (Service("PING"),))]))
            cores[1].prepare()
        stack.enter_context(running(core))
        box = Box(folder / "box", cores)
        box.prepare()
        stack.callback(box.stop)
        box.start()
        box.wait_ready()
        rewriter = Rewriter(options.busy, cores[1].status_file) if options.busy else None
        if rewriter:
            rewriter.start()
            stack.callback(rewriter.ended.set)
            wait_scanned(box, "busy")
        floor, ours = [], []
        for number in range(options.posts):
            floor.append(pipe_to_log(core, number))
            ours.append(post_to_processed(box, number))
        report(floor, ours, rewriter)
        return int(statistics.median(ours) * 1000 > options.budget_ms)


def wait_scanned(box: Box, poller: str) -> None:
    """Wait until the first, full scan of the large file is done."""
    end = time.monotonic() + 120
    while not any(row["name"] == poller and row["generation"] for row in box.api.get("/v1/pollers").json()["items"]):
        if time.monotonic() > end:
            raise TimeoutError("the large status file was not scanned within 120 s")
        time.sleep(0.1)


def report(floor: list[float], ours: list[float], rewriter: Rewriter | None) -> None:
    """Print medians, 95th percentiles and the ratio."""
    for name, times in (("pipe to log, nothing between", floor), ("POST to processed", ours)):
        ninety_five = sorted(times)[int(len(times) * 0.95)]
        print(f"{name:30} median {statistics.median(times) * 1000:6.2f} ms   95 % {ninety_five * 1000:6.2f} ms   of {len(times)}")
    print(f"ratio of medians {statistics.median(ours) / statistics.median(floor):.2f}; user {ordinary_user().pw_name}")
    if rewriter:
        print(f"meanwhile a status file of {len(rewriter.text) / 1e6:.0f} MB was rewritten {rewriter.times} times and scanned")


if __name__ == "__main__":
    sys.exit(main())
