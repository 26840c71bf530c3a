"""How long does it take to index a core's logs, and to ask for what they say?

    python -m contrib.bench.history [--lines 1000000] [--hosts 10000] [--services 10] [--slack 1]

A log as Nagios writes it, alerts and notifications of that many objects in random order, split into a current file and archives of
a day each, goes through the real index (history.db, in a folder of its own). Beside it: the same lines only read and split. Then
the questions the native API asks of it. Ends with 1 when a figure is above `--slack` times its budget.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.config import Poller
from engine.model import CoreKind
from engine.pollers.indexing import PollerLogs
from engine.state.logindex import HISTORY_FILE, LogIndex

DAY_S = 86400
DAYS = 7
BUDGET_US_A_LINE, BUDGET_QUESTION_MS = 40.0, 50.0
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def lines_of(day: int, count: int, hosts: int, services: int, chance: random.Random) -> Iterator[str]:
    """One day of a busy core."""
    for number in range(count):
        at = day * DAY_S + number * DAY_S // count
        host, service = f"server{chance.randrange(hosts):05}.example.net", f"Service {chance.randrange(services):02} of some length"
        state = chance.choice(STATES)
        if number % 3:
            yield f"[{at}] SERVICE ALERT: {host};{service};{state};HARD;3;{state} - the value {number} is not what it was\n"
        else:
            yield f"[{at}] SERVICE NOTIFICATION: somebody;{host};{service};{state};notify-by-mail;{state} - the value {number}\n"


def write_logs(folder: Path, lines: int, hosts: int, services: int, today: int) -> None:
    """The current log and an archive for each day before."""
    chance, archives = random.Random(11), folder / "archives"
    archives.mkdir()
    for back in range(DAYS):
        path = archives / f"nagios-{DAYS - back:02}.log" if back else folder / "nagios.log"
        with path.open("w") as out:
            out.writelines(lines_of(today - back, lines // DAYS, hosts, services, chance))


def asked_ms(ask: Callable[[], object]) -> float:
    """The best of five."""
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        ask()
        times.append(time.perf_counter() - begun)
    return min(times) * 1000


def questions(index: LogIndex) -> Iterator[tuple[str, Callable[[], object]]]:
    """What the API reads, in the form it reads it."""
    connection = index._connection
    newest = "SELECT seq, at, text FROM entry {} ORDER BY at DESC, seq DESC LIMIT 100"
    (object_id,) = connection.execute("SELECT id FROM object ORDER BY id LIMIT 1 OFFSET 500").fetchone()
    yield "newest 100 entries", lambda: connection.execute(newest.format("")).fetchall()
    yield "newest 100 of one service", lambda: connection.execute(newest.format("WHERE object = ?"), (object_id,)).fetchall()
    yield "newest 100 notifications", lambda: connection.execute(newest.format("WHERE type = 2")).fetchall()


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--lines", type=int, default=1_000_000)
    words.add_argument("--hosts", type=int, default=10_000)
    words.add_argument("--services", type=int, default=10)
    words.add_argument("--slack", type=float, default=1.0)
    options = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as temporary:
        folder = Path(temporary)
        write_logs(folder, options.lines, options.hosts, options.services, int(time.time()) // DAY_S)
        begun = time.perf_counter()
        read = sum(len(line.split(b";")) > 1 for path in folder.rglob("*.log") for line in path.open("rb"))
        beside_us = (time.perf_counter() - begun) / read * 1e6
        index = LogIndex.open(folder / HISTORY_FILE)
        poller = Poller(
            1, "bench", CoreKind.NAGIOS, folder / "cmd", folder / "status.dat", folder / "nagios.log",
            log_archive_path=folder / "archives",
        )  # fmt: skip
        index.configure([(1, str(poller.log_file))])
        logs = PollerLogs(index, poller, 3650)
        begun, used = time.perf_counter(), time.process_time()
        logs.look()
        while logs.has_unread:
            logs.step()
        took, used = time.perf_counter() - begun, time.process_time() - used
        (stored,) = index._connection.execute("SELECT count(*) FROM entry").fetchone()
        if stored != read:
            raise SystemExit(f"{stored} entries of {read} lines")
        over = took / read * 1e6 > options.slack * BUDGET_US_A_LINE
        size = sum(path.stat().st_size for path in folder.glob(f"{HISTORY_FILE}*")) / 1e6
        print(f"{read} lines indexed in {took:.1f} s ({used:.1f} s of processor), {took / read * 1e6:.1f} µs a line"
              f" (budget {BUDGET_US_A_LINE:g}){' OVER' if over else ''}; only split {beside_us:.2f}; {size:.0f} MB")  # fmt: skip
        for name, ask in questions(index):
            took_ms = asked_ms(ask)
            is_over = took_ms > options.slack * BUDGET_QUESTION_MS
            over = over or is_over
            print(f"{name:30} {took_ms:8.2f} ms (budget {BUDGET_QUESTION_MS:g}){' OVER' if is_over else ''}")
        logs.close()
        index.close()
    return int(over)


if __name__ == "__main__":
    raise SystemExit(main())
