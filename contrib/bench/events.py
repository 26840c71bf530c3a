"""How long from a line of a core's log to the event at a subscriber, and how fast five hundred subscribers are served.

    python -m contrib.bench.events [--events 300] [--readers 500] [--busy-services N [--fed]]

The first beside an idle Nagios 4: a result that changes a service's state is sent, the moment its line stands in the log is taken
by reading the log without a pause, and the moment the event is there by a plain HTTP client. `--busy-services` adds a second real
core with that many services, which writes its status file every few seconds and is scanned all the while; with `--fed` 3 % of its
objects change every 10 s, too. The second: lines of that
many changes are put behind the log, and all subscribers read everything. Prints both; ends with 1 when the median or the 99th
percentile of the latency is above its budget.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path

from contrib.bench.over_http import refreshing
from contrib.demo_cores import Core, Host, NagiosCore, Service
from contrib.large_core import QuietCore, many_hosts
from tests.support.box import Box
from tests.support.cores import freeze, running, thaw
from tests.support.events import EventReader, reading
from tests.support.many_readers import SocketReader, read_all

BUDGET_P50_S, BUDGET_P99_S = 0.030, 0.150
BUSY_INTERVAL_S, FED_EVERY_S = 3, 10
EVENTS_FOR_ALL = 20_000
AT_ONCE = 500


def measure(core: Core, reader: EventReader, number: int) -> tuple[float, float]:
    """Seconds from the pipe to the line in the log, and from that to the event."""
    word = f"bench {number} {time.time_ns()}"
    arrived: list[float] = []

    def wait() -> None:
        reader.wait_for(output=word)
        arrived.append(time.perf_counter())

    waiting = threading.Thread(target=wait)
    waiting.start()
    with core.log_file.open("rb") as log:
        log.seek(0, os.SEEK_END)
        sent = time.perf_counter()
        core.send(f"PROCESS_SERVICE_CHECK_RESULT;host-0;PING;{number % 2 + 1};{word}")
        seen = b""
        while f"SERVICE ALERT: host-0;PING;{('WARNING', 'CRITICAL')[number % 2]};HARD;1;{word}".encode() not in seen:
            seen += log.read()
            if time.perf_counter() - sent > 20:
                raise TimeoutError("the core did not log the change within 20 s")
    logged = time.perf_counter()
    waiting.join()
    reader.seen.clear()
    return logged - sent, arrived[0] - logged


def serve_all(core: Core, box: Box, readers: int) -> float:
    """Seconds until every one of these subscribers has every event."""
    expected = [b"%d" % number for number in range(EVENTS_FOR_ALL)]
    query = "type=state&host=host-0&service=PING&state=warning,critical"
    everybody = [SocketReader(box, query, expected, checks=number < 2) for number in range(readers)]
    for one in everybody:
        one.connect()
    read_all(everybody, lambda: all(one.last_id for one in everybody), 60)
    freeze(core)
    started = time.monotonic()
    for start in range(0, EVENTS_FOR_ALL, AT_ONCE):
        lines = b"".join(
            b"[%d] SERVICE ALERT: host-0;PING;%b;HARD;1;number %d\n" % (time.time(), (b"WARNING", b"CRITICAL")[number % 2], number)
            for number in range(start, start + AT_ONCE)
        )
        with core.log_file.open("ab") as log:
            log.write(lines)
        read_all(everybody, lambda: min(one.numbers for one in everybody) >= start - 4 * AT_ONCE, 120)  # noqa: B023
    read_all(everybody, lambda: all(one.numbers >= EVENTS_FOR_ALL for one in everybody), 120)
    took = time.monotonic() - started
    thaw(core)
    if len({one.digest for one in everybody}) != 1 or everybody[0].wrong:
        raise RuntimeError("the subscribers did not all get the same")
    for one in everybody:
        one.close()
    return took


def report(name: str, times: list[float]) -> tuple[float, float]:
    """Print and return median and 99th percentile."""
    median, ninety_nine = statistics.median(times), sorted(times)[int(len(times) * 0.99)]
    print(f"{name:30} median {median * 1000:6.2f} ms   99 % {ninety_nine * 1000:6.2f} ms   of {len(times)}")
    return median, ninety_nine


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--events", type=int, default=300)
    words.add_argument("--readers", type=int, default=500, help="0 leaves the second part out")
    words.add_argument("--busy-services", type=int, default=0, help="services of a second core, scanned all the while")
    words.add_argument("--fed", action="store_true", help="3 %% of that core's objects change every 10 s")
    options = words.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        core = NagiosCore(folder / "idle", [Host("host-0", (Service("PING"),))], interval_s=10)
        cores: list[Core] = [core]
        if options.busy_services:
            busy = QuietCore(folder / "busy", many_hosts(options.busy_services), interval_s=BUSY_INTERVAL_S)
            cores.append(busy)
        stack.enter_context(running(*cores))
        box = Box(folder / "box", cores)
        box.prepare()
        stack.callback(box.close)
        box.start()
        box.wait_ready(180)
        with refreshing(busy, FED_EVERY_S) if options.fed else nullcontext(), reading(box, host="host-0", poller="idle") as reader:
            times = [measure(core, reader, number) for number in range(options.events)]
        report("pipe to log, nothing between", [first for first, _ in times])
        median, ninety_nine = report("log line to event", [second for _, second in times])
        if options.readers:
            took = serve_all(core, box, options.readers)
            per_second = EVENTS_FOR_ALL * options.readers / took
            print(f"{options.readers} subscribers, {EVENTS_FOR_ALL} events each: {took:.1f} s, {per_second:,.0f} events/s in all")
        return int(median > BUDGET_P50_S or ninety_nine > BUDGET_P99_S)


if __name__ == "__main__":
    sys.exit(main())
