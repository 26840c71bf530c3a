"""A real Nagios 4 of any size, and a feeder that keeps changing it: what everything about size is tried on.

    python -m contrib.large_core FOLDER [--hosts 10000] [--services 10] [--share 0.03] [--every 10]

makes the core's files in FOLDER, starts it, gives every object plugin output, prints what `signalbox serve` needs, and then lets
that share of the objects change every so many seconds, until Ctrl-C. Checks are passive: nothing changes but what is fed. Each
round's outputs carry its number, so that a reader can tell which rounds it has seen.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from contrib.demo_cores import Host, NagiosCore, Service, until

SERVICES_PER_HOST = 20
OUTPUT = "DISK OK - free space: / 3326 MB (56%), inodes 84%|/=2643MB;5948;5958;0;5968 inodes=16%;80;90;0;100"
_BATCH_BYTES = 4000  # one write is whole up to 4096


class Result(NamedTuple):
    """One passive check result; `service` is "" for a host."""

    host: str
    service: str
    code: int
    output: str


def many_hosts(services: int, per_host: int = SERVICES_PER_HOST) -> list[Host]:
    """Hosts with that many services in all, named like somebody's."""
    each = tuple(Service(f"Service {number:02} of some length") for number in range(per_host))
    return [Host(f"server{number:05}.example.net", each, ("all",)) for number in range(services // per_host)]


class QuietCore(NagiosCore):
    """A Nagios with a great many objects: no file per object, no check ever."""

    def write_config(self) -> None:
        self._answers = {(host.name, name): self.folder / "answers" / "all" for host in self.hosts for name in names_of(host)}
        self._answers[self.hosts[0].name, ""].write_text(f"0\n{OUTPUT}\n")
        for path, text in self.configuration().items():
            path.write_text(text, encoding="utf-8")

    def fill(self) -> None:
        """Give every object plugin output, as objects have."""
        self.submit([Result(host.name, name, 0, OUTPUT) for host in self.hosts for name in names_of(host)])

    def submit(self, results: Sequence[Result]) -> None:
        """Hand results to the core, as fast as it reads them."""
        batch = b""
        for result in results:
            name = f"PROCESS_SERVICE_CHECK_RESULT;{result.host};{result.service}"
            if not result.service:
                name = f"PROCESS_HOST_CHECK_RESULT;{result.host}"
            line = f"[{int(time.time())}] {name};{result.code};{result.output}\n".encode()
            if len(batch) + len(line) > _BATCH_BYTES:
                self._write_when_there_is_room(batch)
                batch = b""
            batch += line
        self._write_when_there_is_room(batch)

    def _write_when_there_is_room(self, batch: bytes) -> None:
        def sent() -> bool:
            try:
                self.write_raw(batch)
            except BlockingIOError:
                return False
            return True

        until(sent, "the core reads its command file")


def names_of(host: Host) -> list[str]:
    """ "" for the host itself, then its services."""
    return ["", *(service.description for service in host.services)]


@dataclass
class Feeder:
    """Changes a share of a core's objects, round after round; the same seed gives the same rounds."""

    core: QuietCore
    share: float = 0.03
    seed: int = 1
    rounds: int = 0
    _random: random.Random = field(init=False)
    _objects: list[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._objects = [(host.name, name) for host in self.core.hosts for name in names_of(host)]

    def feed(self) -> list[Result]:
        """One round: its results, handed to the core."""
        self.rounds += 1
        chosen = self._random.sample(self._objects, max(1, int(len(self._objects) * self.share)))
        results = [self._result(host, service) for host, service in chosen]
        self.core.submit(results)
        return results

    def _result(self, host: str, service: str) -> Result:
        code = self._random.choice((0, 0, 1, 2, 3) if service else (0, 0, 1))
        value = self._random.randrange(1000)
        return Result(host, service, code, f"round {self.rounds} value {value}|value={value};500;900;0;1000")


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("folder", type=Path)
    words.add_argument("--hosts", type=int, default=10_000)
    words.add_argument("--services", type=int, default=10, help="services per host")
    words.add_argument("--share", type=float, default=0.03, help="share of the objects that change in a round")
    words.add_argument("--every", type=float, default=10.0, help="seconds from round to round")
    options = words.parse_args()
    core = QuietCore(options.folder.absolute(), many_hosts(options.hosts * options.services, options.services), interval_s=10)
    core.prepare()
    core.start()
    try:
        core.wait_ready(300)
        print(f"{options.hosts} hosts with {options.services} services each; in front of it: "
              f"signalbox serve --core {core.config_file}", flush=True)  # fmt: skip
        core.fill()
        feeder = Feeder(core, options.share)
        while True:
            time.sleep(options.every)
            print(f"round {feeder.rounds + 1}: {len(feeder.feed())} results", flush=True)
    except KeyboardInterrupt:
        return 0
    finally:
        core.stop()


if __name__ == "__main__":
    os.umask(0o022)
    raise SystemExit(main())
