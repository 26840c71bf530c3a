"""How long does a rescan take when nothing but times changed? A ratio against `md5sum` of the same file.

    python contrib/bench/scan.py [--services 100000] [--rounds 5] [--limit 3.0] [--interval 2]

A real Nagios 4 (as an ordinary user, in a temporary folder) is given that many services, and writes its status file again and
again with no check running, so that nothing differs but the times it writes. A scanner process scans each such file whole, from
the request to the last frame. Best of the rounds on both sides. Exit 1 when the ratio is above the limit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from contrib.demo_cores import NagiosCore, until
from contrib.large_core import QuietCore, many_hosts
from engine.config import Poller
from engine.model import CoreKind
from engine.pollers.scanner_process import ScannerProcess
from engine.state.frames import Begin, End, Failed, Frame, Rows, ScanRequest


def md5sum_s(path: Path) -> float:
    """Seconds `md5sum` takes on a file that is in memory already."""
    begun = time.perf_counter()
    subprocess.run(["/usr/bin/md5sum", str(path)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def wait_for_another(core: NagiosCore, before: int) -> int:
    """Come back just after the core has written its status file again, with that file's mtime."""
    until(lambda: core.status_file.exists() and core.status_file.stat().st_mtime_ns != before, "another status file", 120)
    return core.status_file.stat().st_mtime_ns


def whole_scan(scanner: ScannerProcess) -> tuple[float, list[Frame]]:
    """Seconds from the request to the last frame, and the frames."""
    begun = time.perf_counter()
    frames = list(scanner.scan(ScanRequest()))
    took_s = time.perf_counter() - begun
    if isinstance(frames[-1], Failed):
        raise SystemExit(f"scan failed: {frames[-1].detail}")
    return took_s, frames


def measure(core: QuietCore, rounds: int) -> float:
    """The ratio, printed with what it is made of."""
    scanner = ScannerProcess(
        Poller(1, "bench", CoreKind.NAGIOS, core.command_file, core.status_file, core.log_file, core.object_cache_file)
    )
    try:
        first_s, frames = whole_scan(scanner)
        end = frames[-1]
        assert isinstance(end, End)
        size = core.status_file.stat().st_size
        print(f"{end.hosts} hosts, {end.services} services, status file of {size / 1e6:.1f} MB")
        print(f"first scan, everything parsed and sent: {first_s:.3f} s")
        scans, sums = [], []
        written = core.status_file.stat().st_mtime_ns
        for _ in range(rounds):
            written = wait_for_another(core, written)
            sums.append(md5sum_s(core.status_file))
            took_s, frames = whole_scan(scanner)
            changed = sum(len(frame.hosts) + len(frame.services) for frame in frames if isinstance(frame, Rows))
            if not isinstance(frames[0], Begin) or changed:
                raise SystemExit(f"{changed} rows changed: not the quiet file this is about")
            scans.append(took_s)
    finally:
        scanner.close()
    ratio = min(scans) / min(sums)
    print(f"rescan of a file with new times only: {min(scans):.3f} s; md5sum: {min(sums):.3f} s; ratio {ratio:.2f}")
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=3.0)
    parser.add_argument("--interval", type=int, default=2, help="seconds from one status file of the core to the next")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as folder:
        Path(folder).chmod(0o755)
        hosts = many_hosts(arguments.services)
        core = QuietCore(Path(folder) / "core", hosts, interval_s=arguments.interval, extra="log_passive_checks=0\n")
        core.prepare()
        core.start()
        try:
            core.wait_ready(300)
            core.fill()
            time_of_last = time.time()
            # Files written while results were still coming in are not quiet.
            until(lambda: core.status_file.stat().st_mtime > time_of_last + 6, "a status file of a quiet core", 120)
            ratio = measure(core, arguments.rounds)
        finally:
            core.stop()
    return 0 if ratio <= arguments.limit else 1


if __name__ == "__main__":
    raise SystemExit(main())
