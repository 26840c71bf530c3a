"""Do our rows equal a plain reader's at full size, after much of everything? tests/system/test_differential.py, made larger.

    python -m contrib.bench.differential [--hosts 10000] [--services 10] [--rounds 4]

A real Nagios 4 of that size; between the looks a share of random results, acknowledgements, downtimes that come and go, comments,
switches, in the second round a reload and in the third a kill -9. After each, every object is compared with the core's own status
file, field by field. Ends with a traceback at the first difference.
"""

from __future__ import annotations

import argparse
import random
import time
from contextlib import closing

from contrib.large_core import Feeder, QuietCore, many_hosts
from tests.support import cores, oracle
from tests.support.box import Box
from tests.system.test_differential import compare, disturb

_WITHIN_S = 180.0  # a plain reader takes seconds for each look at such a file
_INTERVAL_S = 10


class PatientCore(QuietCore):
    """A core of this size does not read its commands while it writes its status file."""

    def write_raw(self, data: bytes) -> None:
        def sent() -> bool:
            try:
                super(PatientCore, self).write_raw(data)
            except BlockingIOError:
                return False
            return True

        cores.until(sent, "the core reads its command file", _WITHIN_S)


def _wait_until_calm(core: QuietCore) -> None:
    """Until a status file is younger than the log: holding the core still to look, as `compare` does, keeps so large a one busy."""
    until = time.monotonic() + _WITHIN_S
    while oracle.created(core.status_file) <= core.log_file.stat().st_mtime:
        if time.monotonic() > until:
            raise TimeoutError("the core's log does not come to rest")
        time.sleep(1)


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--hosts", type=int, default=10_000)
    words.add_argument("--services", type=int, default=10)
    words.add_argument("--rounds", type=int, default=4)
    options = words.parse_args()
    seed = random.SystemRandom().randrange(1 << 32)
    chance, compared, results, begun = random.Random(seed), 0, 0, time.monotonic()
    print(f"seed {seed}", flush=True)
    with cores.core_folder() as folder:
        core = PatientCore(folder / "large", many_hosts(options.hosts * options.services, options.services), interval_s=_INTERVAL_S)
        box = Box(folder / "box", [core])
        box.prepare()
        with cores.running(core), closing(box):
            box.start()
            box.wait_ready(_WITHIN_S)
            core.fill()
            feeder = Feeder(core, 0.03, seed)
            for number in range(options.rounds):
                results += len(feeder.feed())
                disturb(core, chance, number)
                if number == 1:
                    cores.reload(core, within_s=_WITHIN_S)
                if number == 2:
                    cores.kill(core)
                    cores.restart(core, _WITHIN_S)
                _wait_until_calm(core)
                compared += compare(core, box, _WITHIN_S)
                print(f"round {number + 1}: {compared} rows equal so far, after {time.monotonic() - begun:.0f} s", flush=True)
    print(f"{compared} rows equal a plain reader's, after {results} results, a reload and a kill -9")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
