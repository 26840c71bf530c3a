"""What the log lane makes of real cores' lines is what their next status file says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.config import Poller
from engine.formats.corelog import StateEvent, parse_line, state_event
from engine.model import CoreKind, HostStatus, ServiceStatus
from engine.pollers.scan import Scanner
from engine.state.frames import ScanRequest
from engine.state.mirror import Mirror
from engine.state.scope import EVERYTHING
from engine.state.views import Reader
from tests.engine.state.rows import CountingMint
from tests.support import oracle
from tests.support.cores import Core, Host, Icinga2Core, NagiosCore, Service, core_folder, running, until, wait_for_generation

pytestmark = pytest.mark.core

HOST = Host("web01", (Service("HTTP"), Service("Disk /var")))
EQUAL = (
    "state", "state_type", "has_been_checked", "current_attempt", "plugin_output", "last_hard_state", "acknowledged",
    "scheduled_downtime_depth", "is_flapping",
)  # fmt: skip
NEAR = ("last_state_change", "last_hard_state_change")  # a check's own time, or that of its processing

CRITICAL, WARNING, OK = (f"PROCESS_SERVICE_CHECK_RESULT;web01;HTTP;{code};" for code in (2, 1, 0))
# What is sent, and whether the log must tell of it.
STEPS: list[tuple[str, str, bool]] = [
    ("a problem", f"{CRITICAL}bad", True),
    ("a normal acknowledgement", "ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP;1;0;0;ann;seen", False),
    ("another problem ends it", f"{WARNING}slow", True),
    ("a sticky acknowledgement", "ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP;2;0;0;ann;seen", False),
    ("another problem leaves it", f"{CRITICAL}bad", True),
    ("recovery ends it", f"{OK}good", True),
    ("the host goes", "PROCESS_HOST_CHECK_RESULT;web01;1;gone", True),
    ("the host comes back", "PROCESS_HOST_CHECK_RESULT;web01;0;here", True),
    ("a downtime begins", "SCHEDULE_HOST_DOWNTIME;web01;{now};{end};1;0;100;ann;work", True),
    ("a downtime is cancelled", "DEL_DOWNTIME_BY_HOST_NAME;web01", True),
]


@dataclass
class Followed:
    """A core, and what is made of its status file and its log."""

    core: Core
    scanner: Scanner
    mirror: Mirror
    reader: Reader

    def scan(self) -> None:
        applied = self.mirror.apply(self.scanner.scan(ScanRequest(forget=self.mirror.dirty(1))))
        assert applied.health == "fresh", applied.detail


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Followed]]:
    """A Nagios and an Icinga 2, side by side: each step waits for a later second."""
    with core_folder() as folder, ExitStack() as stack:
        started: list[Core] = [NagiosCore(folder / "nagios", [HOST]), Icinga2Core(folder / "icinga2", [HOST])]
        stack.enter_context(running(*started))
        yield [_followed(core, tmp_path_factory.mktemp(core.kind), stack) for core in started]


def _followed(core: Core, data: Path, stack: ExitStack) -> Followed:
    poller = Poller(1, "core", CoreKind(core.kind), core.command_file, core.status_file, core.log_file, core.object_cache_file)
    mirror = Mirror.open(data / "state.db", CountingMint())
    stack.callback(mirror.close)
    mirror.configure([poller])
    reader = stack.enter_context(closing(Reader.open(data)))
    made = Followed(core, Scanner(poller), mirror, reader)
    made.scan()
    return made


def _events(core: Core, offset: int) -> list[StateEvent]:
    """What the log says of objects behind an offset."""
    lines = map(parse_line, core.log_file.read_bytes()[offset:].splitlines())
    return [event for event in (state_event(line) for line in lines if line is not None) if event is not None]


def _told(row: HostStatus | ServiceStatus) -> dict[str, object]:
    return {field: getattr(row, field) for field in EQUAL}


def _marked(reader: Reader, mirror: Mirror) -> dict[str, HostStatus | ServiceStatus]:
    rows = _rows(reader)
    return {name: rows[name] for name in (key.service or key.host for key in mirror.dirty(1))}


def _rows(reader: Reader) -> dict[str, HostStatus | ServiceStatus]:
    hosts, services = reader.hosts(EVERYTHING)[0], reader.services(EVERYTHING)[0]
    return {view.status.name: view.status for view in hosts} | {view.status.description: view.status for view in services}


def test_the_log_says_what_the_status_file_will(both: list[Followed]) -> None:
    for name, command, is_told in STEPS:
        offsets = [one.core.log_file.stat().st_size for one in both]
        for one in both:
            one.core.send(command.format(now=int(time.time()), end=int(time.time()) + 600))
        foreseen = [_foreseen(one, offset, name) if is_told else {} for one, offset in zip(both, offsets, strict=True)]
        # A file whose whole second is later than the line's, in which nothing is in doubt.
        wait_for_generation(*(one.core for one in both))
        for one, rows in zip(both, foreseen, strict=True):
            one.scan()
            assert one.mirror.dirty(1) == (), (one.core.kind, name)
            _compare(rows, _rows(one.reader), f"{one.core.kind}: {name}")


def test_of_two_downtimes_that_no_file_has_shown_one_is_cancelled(both: list[Followed]) -> None:
    """Icinga 2 logs the start and end of each: the object was shown out of downtime until the next status file."""
    wait_for_generation(*(one.core for one in both))
    for one in both:
        one.scan()
    since = max(oracle.created(one.core.status_file) for one in both)
    until(lambda: time.time() >= int(since) + 1, "another second than the file's")
    now, offsets = int(time.time()), [one.core.log_file.stat().st_size for one in both]
    for one in both:
        for words in ("stays", "goes"):
            one.core.send(f"SCHEDULE_HOST_DOWNTIME;web01;{now};{now + 600};1;0;600;ann;{words}")
    for one, offset in zip(both, offsets, strict=True):
        _cancel(one, "goes")
        if one.core.kind == "icinga2":
            until(lambda core=one.core, offset=offset: _cancelled(core, offset) == 1, "its log tells")
        one.mirror.log_events(1, _events(one.core, offset))
        assert _rows(one.reader)["web01"].scheduled_downtime_depth == 1, one.core.kind
        assert oracle.status_of(one.core.status_file, "web01")["scheduled_downtime_depth"] == "1"
    for one, offset in zip(both, offsets, strict=True):
        heard = len(_events(one.core, offset))
        _cancel(one, "stays")
        until(lambda one=one, offset=offset, heard=heard: len(_events(one.core, offset)) > heard, "its log tells")
        one.mirror.log_events(1, _events(one.core, offset)[heard:])
        assert _rows(one.reader)["web01"].scheduled_downtime_depth == 0, one.core.kind


def _cancel(one: Followed, words: str) -> None:
    file = one.core.status_file
    until(lambda: oracle.downtimes(file, words), "it stands")
    one.core.send(f"DEL_HOST_DOWNTIME;{oracle.downtimes(file, words)[0]['downtime_id']}")
    until(lambda: not oracle.downtimes(file, words), "it is gone")


def _cancelled(core: Core, offset: int) -> int:
    return sum(event.word == "CANCELLED" for event in _events(core, offset))


def _foreseen(one: Followed, offset: int, name: str) -> dict[str, HostStatus | ServiceStatus]:
    """What the log says, once it does, makes of the rows it marks."""
    until(lambda: _events(one.core, offset), name)
    one.mirror.log_events(1, _events(one.core, offset))
    assert one.mirror.dirty(1), (one.core.kind, name)
    return _marked(one.reader, one.mirror)


def _compare(foreseen: dict[str, HostStatus | ServiceStatus], written: dict[str, HostStatus | ServiceStatus], where: str) -> None:
    for key, row in foreseen.items():
        assert _told(row) == _told(written[key]), (where, key)
        for field in NEAR:
            assert getattr(row, field) == pytest.approx(getattr(written[key], field), abs=2), (where, key, field)
