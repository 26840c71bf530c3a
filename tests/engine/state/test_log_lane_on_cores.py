"""What the log lane makes of real cores' lines is what their next status file says."""

from __future__ import annotations

import time
from collections.abc import Iterator
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
from tests.support.cores import Core, Host, Icinga2Core, NagiosCore, Service, core_folder, running, until

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


@pytest.fixture(params=[NagiosCore, Icinga2Core], ids=["Nagios", "Icinga 2"])
def core(request: pytest.FixtureRequest) -> Iterator[Core]:
    with core_folder() as folder:
        started = request.param(folder / "core", [HOST])
        with running(started):
            yield started


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


def test_the_log_says_what_the_status_file_will(core: Core, tmp_path: Path) -> None:
    kind = CoreKind(core.kind)
    poller = Poller(1, "core", kind, core.command_file, core.status_file, core.log_file, core.object_cache_file)
    scanner = Scanner(poller)

    def scan() -> None:
        applied = mirror.apply(scanner.scan(ScanRequest(forget=mirror.dirty(1))))
        assert applied.health == "fresh", applied.detail

    mirror = Mirror.open(tmp_path / "state.db", CountingMint())
    mirror.configure([poller])
    reader = Reader.open(tmp_path)
    scan()
    for name, command, is_told in STEPS:
        offset = core.log_file.stat().st_size
        core.send(command.format(now=int(time.time()), end=int(time.time()) + 600))
        foreseen: dict[str, HostStatus | ServiceStatus] = {}
        if is_told:
            until(lambda: _events(core, offset), name)  # noqa: B023
            mirror.log_events(1, _events(core, offset))
            assert mirror.dirty(1), name
            foreseen = _marked(reader, mirror)
        # A file whose whole second is later than the line's, in which nothing is in doubt.
        second = int(time.time())
        until(lambda: int(oracle.created(core.status_file)) > second, "the next status file")  # noqa: B023
        scan()
        assert mirror.dirty(1) == (), name
        written = _rows(reader)
        for key, row in foreseen.items():
            assert _told(row) == _told(written[key]), (name, key)
            for field in NEAR:
                assert getattr(row, field) == pytest.approx(getattr(written[key], field), abs=2), (name, key, field)
    reader.close()
    mirror.close()
