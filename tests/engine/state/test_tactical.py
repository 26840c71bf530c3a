"""Totals kept by the writer are those that counting row by row gives, whatever became of the rows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.formats.corelog import LogKind, StateEvent
from engine.model import GroupConfig, ObjectCache
from engine.state.mirror import Mirror
from engine.state.scope import EVERYTHING, Scope
from engine.state.tactical import totals
from engine.state.views import Reader
from tests.engine.state.rows import CountingMint, StatusFile, host_row, poller, scan, service_row

ALL = Scope(hostgroups=frozenset({"all"}))
FLAGS = ("acknowledged", "is_flapping", "checks_enabled", "accept_passive_checks", "notifications_enabled",
         "event_handler_enabled", "flap_detection_enabled")  # fmt: skip


def _some(chance: random.Random, states: int) -> dict[str, object]:
    flags: dict[str, object] = {name: chance.randrange(2) for name in FLAGS}
    depth = chance.choice((0, 0, 0, 1, 2))
    return flags | {
        "state": chance.randrange(states),
        "has_been_checked": chance.randrange(5) > 0,
        "scheduled_downtime_depth": depth,
    }


def _file(chance: random.Random, created: float) -> StatusFile:
    names = [f"h{n}" for n in range(12) if chance.random() < 0.8]
    hosts = tuple(host_row(name, **_some(chance, 3)) for name in names)
    services = tuple(service_row(name, f"s{n}", **_some(chance, 4)) for name in names for n in range(chance.randrange(4)))
    return StatusFile(created, 500.0, hosts, services)


@pytest.mark.parametrize("seed", range(6))
def test_kept_totals_are_the_counted_ones(tmp_path: Path, seed: int) -> None:
    """Over scans with rows that come, change and go, lines of the log, a scanner's restart, and a poller that is dropped."""
    chance = random.Random(seed)
    mirror = Mirror.open(tmp_path / "state.db", CountingMint())
    mirror.configure([poller(1), poller(2)])
    groups = (GroupConfig("hostgroup", "all", "all", tuple((f"h{n}", None) for n in range(12))),)
    old: dict[int, StatusFile | None] = {1: None, 2: None}
    reader = Reader.open(tmp_path)
    for step in range(12):
        number = chance.choice((1, 2))
        new = _file(chance, 1000.0 + step)
        before = None if chance.random() < 0.2 else old[number]
        cache = ObjectCache(groups=groups) if old[number] is None else None
        assert mirror.apply(scan(new, before, poller=number, cache=cache)).health == "fresh"
        old[number] = new
        event = StateEvent(2000, LogKind.HOST_ALERT, f"h{step}", None, chance.randrange(3), 1, 1, "x", "")
        mirror.log_events(number, [event])
        assert totals(reader, EVERYTHING, "poller") == totals(reader, ALL, "poller") != {}
        assert totals(reader, EVERYTHING, "poller", 1) == totals(reader, ALL, "poller", 1)
        mirror.log_events(number, [])
    mirror.configure([poller(2)])
    assert set(totals(reader, EVERYTHING, "poller")) <= {"2"}
    reader.close()
    mirror.close()
