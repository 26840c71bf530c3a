"""One calm site for the tests that hurt nothing: two Nagios cores, one Icinga 2, Signalbox in front, for the whole session.

Tests that stop, kill, freeze or reload something bring their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import cores
from tests.support.box import Box, boxed
from tests.support.cores import Core, Host, Icinga2Core, NagiosCore, Service

ODD_NAMES = ("Disk /var", "/", "C:\\ 90%", "a+b", "Größe", "#1?", "..")
MANY = 100
INTERVAL_S = 1


@dataclass
class Site:
    """What a test of the calm site needs."""

    folder: Path
    north: NagiosCore
    south: NagiosCore
    east: Icinga2Core
    box: Box

    def core(self, name: str) -> Core:
        return {"north": self.north, "south": self.south, "east": self.east}[name]


def odd_hosts() -> list[Host]:
    """A host of each odd name, each with a service of each odd name."""
    return [Host(name, tuple(map(Service, ODD_NAMES))) for name in ODD_NAMES]


def _hosts(prefix: str) -> list[Host]:
    many = [Host(f"{prefix}{number:03}") for number in range(MANY)]
    workers = [
        Host(f"{prefix}-web{number}", (Service("HTTP", groups=("http",)), Service("Disk /var")), ("web",)) for number in range(1, 5)
    ]
    central = Host(
        f"{prefix}-central",
        (Service("Ping", groups=("pings",)), Service("Disk /opt")),
        ("central",),
        alias=f"Central office {prefix}",
        address="127.0.0.9",
    )
    below = [Host(f"{prefix}-gate"), Host(f"{prefix}-inner", groups=("inner",), parents=(f"{prefix}-gate", f"{prefix}-central"))]
    return [*many, *workers, central, *below, Host("shared", (Service("PING"),), ("shared",)), *odd_hosts()]


@pytest.fixture(scope="session")
def site(_cores_are_there: None) -> Iterator[Site]:
    with cores.core_folder() as folder:
        north = NagiosCore(folder / "north", _hosts("n"), INTERVAL_S)
        south = NagiosCore(folder / "south", _hosts("s"), INTERVAL_S)
        east = Icinga2Core(folder / "east", [host for host in _hosts("e") if host.name != "shared"], INTERVAL_S)
        with cores.running(north, south, east), boxed(folder, north, south, east) as box:
            yield Site(folder, north, south, east, box)


_SEEN = "seen to hold"


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say a count that a person should see even when all is well: printed at the end of the run."""
    return lambda line: request.node.user_properties.append((_SEEN, line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for found in terminalreporter.stats.values() for report in found if isinstance(report, pytest.TestReport)]
    told = [line for report in reports if report.when == "call" for name, line in report.user_properties if name == _SEEN]
    if told:
        terminalreporter.section(_SEEN)
        for line in told:
            terminalreporter.write_line(line)
