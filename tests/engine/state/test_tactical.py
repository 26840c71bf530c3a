"""Totals kept by the writer are those that counting row by row gives, whatever became of the rows."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from engine.formats.corelog import LogKind, StateEvent
from engine.model import GroupConfig, HostStatus, ObjectCache, ServiceStatus
from engine.state.mirror import Mirror
from engine.state.scope import EVERYTHING, Scope
from engine.state.tactical import HostTotals, ServiceTotals, Totals, added, totals
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
    without_host = ["h11"]  # half a file, or a core's odd one
    services = tuple(
        service_row(name, f"s{n}", **_some(chance, 4))
        for name in sorted({*names, *without_host})
        for n in range(chance.randrange(4))
    )
    return StatusFile(created, 500.0, hosts, services)


def _naive(reader: Reader) -> dict[str, Totals]:
    """Row by row, in the words of the two classes."""
    found: dict[str, tuple[Counter[str], Counter[str]]] = {}
    hosts = {(view.poller, view.status.name): view.status for view in reader.hosts(EVERYTHING, limit=-1)[0]}
    for (number, _), host in hosts.items():
        _count(found.setdefault(str(number), (Counter(), Counter()))[0], host, ("up", "down", "unreachable"))
    for view in reader.services(EVERYTHING, limit=-1)[0]:
        of = found.setdefault(str(view.poller), (Counter(), Counter()))[1]
        _count(of, view.status, ("ok", "warning", "critical", "unknown"), hosts.get((view.poller, view.status.host_name)))
    return {number: (HostTotals(**of_hosts), ServiceTotals(**of_services)) for number, (of_hosts, of_services) in found.items()}


def _servicegroups(chance: random.Random) -> list[GroupConfig]:
    """Three groups with some of the services, also with such as are not there."""
    every = [(f"h{n}", f"s{m}") for n in range(12) for m in range(4)]
    return [GroupConfig("servicegroup", f"g{n}", "", tuple(chance.sample(every, chance.randrange(30)))) for n in range(3)]


def _naive_groups(reader: Reader, of_poller: dict[int, tuple[GroupConfig, ...]]) -> dict[str, Totals]:
    hosts = {(view.poller, view.status.name): view.status for view in reader.hosts(EVERYTHING, limit=-1)[0]}
    services = {
        (view.poller, view.status.host_name, view.status.description): view.status
        for view in reader.services(EVERYTHING, limit=-1)[0]
    }
    found: dict[str, Totals] = {}
    for name in ("g0", "g1", "g2"):
        members = {(number, *member) for number, groups in of_poller.items() for group in groups if group.name == name
                   for member in group.members}  # fmt: skip
        of_hosts, of_services = Counter[str](), Counter[str]()
        for key in {member[:2] for member in members} & hosts.keys():
            _count(of_hosts, hosts[key], ("up", "down", "unreachable"))
        for member in members & services.keys():  # type: ignore[operator]
            _count(of_services, services[member], ("ok", "warning", "critical", "unknown"), hosts.get(member[:2]))  # type: ignore[index]
        if of_hosts["total"] or of_services["total"]:
            found[name] = HostTotals(**of_hosts), ServiceTotals(**of_services)
    return found


def _count(of: Counter[str], row: HostStatus | ServiceStatus, names: tuple[str, ...], host: HostStatus | None = None) -> None:
    of["total"] += 1
    of[names[row.state] if row.has_been_checked else "pending"] += 1
    if row.has_been_checked and row.state:
        both = [row] if host is None else [row, host]
        of["handled" if any(one.acknowledged or one.scheduled_downtime_depth for one in both) else "unhandled"] += 1
        if host is not None and host.has_been_checked and host.state:
            of["hidden"] += 1
    counted = {
        "acknowledged": row.acknowledged, "in_downtime": row.scheduled_downtime_depth, "flapping": row.is_flapping,
        "checks_disabled": not row.checks_enabled, "passive_checks_disabled": not row.accept_passive_checks,
        "notifications_disabled": not row.notifications_enabled, "event_handler_disabled": not row.event_handler_enabled,
        "flap_detection_disabled": not row.flap_detection_enabled,
    }  # fmt: skip
    of.update(name for name, is_so in counted.items() if is_so)


@pytest.mark.parametrize("seed", range(6))
def test_kept_totals_are_the_counted_ones(tmp_path: Path, seed: int) -> None:
    """Over scans with rows that come, change and go, lines of the log, a scanner's restart, and a poller that is dropped."""
    chance = random.Random(seed)
    mirror = Mirror.open(tmp_path / "state.db", CountingMint())
    mirror.configure([poller(1), poller(2)])
    groups = (GroupConfig("hostgroup", "all", "all", tuple((f"h{n}", None) for n in range(12))), *_servicegroups(chance))
    old: dict[int, StatusFile | None] = {1: None, 2: None}
    of_poller: dict[int, tuple[GroupConfig, ...]] = {1: (), 2: ()}
    reader = Reader.open(tmp_path)
    for step in range(12):
        number = chance.choice((1, 2))
        new = _file(chance, 1000.0 + step)
        before = None if chance.random() < 0.2 else old[number]
        if chance.random() < 0.3:
            groups = (groups[0], *_servicegroups(chance))
        cache = ObjectCache(groups=groups) if old[number] is None or chance.random() < 0.4 else None
        of_poller[number] = groups if cache is not None else of_poller[number]
        assert mirror.apply(scan(new, before, poller=number, cache=cache)).health == "fresh"
        old[number] = new
        event = StateEvent(2000, LogKind.HOST_ALERT, f"h{step}", None, chance.randrange(3), 1, 1, "x", "")
        mirror.log_events(number, [event])
        naive = _naive(reader)
        assert naive
        for scope in (EVERYTHING, ALL):
            assert totals(reader, scope, "poller") == naive
            assert totals(reader, scope, "poller", 1) == {number: of for number, of in naive.items() if number == "1"}
            assert totals(reader, scope, "hostgroup") == {"all": added(list(naive.values()))}
        in_groups = _naive_groups(reader, of_poller)
        assert totals(reader, EVERYTHING, "servicegroup") == in_groups
        seen = {name: of for name, of in totals(reader, ALL, "servicegroup").items() if name in in_groups}
        assert seen == {name: in_groups[name] for name in seen}
        assert all(of == (HostTotals(), ServiceTotals()) for name, of in in_groups.items() if name not in seen)
        assert totals(reader, EVERYTHING, "servicegroup", names=["g1"]) == {k: v for k, v in in_groups.items() if k == "g1"}
        one = Scope(frozenset({2}), ALL.hostgroups)
        assert totals(reader, one, "poller") == {number: of for number, of in naive.items() if number == "2"}
        assert totals(reader, Scope(hostgroups=frozenset()), "poller") == {}
        mirror.log_events(number, [])
    mirror.configure([poller(2)])
    assert set(totals(reader, EVERYTHING, "poller")) <= {"2"}
    reader.close()
    mirror.close()
