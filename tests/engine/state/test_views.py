"""Reads of state.db: within scope and nothing else, page by page, by index."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.centreon.searching import HOST_KEYS, SERVICE_KEYS
from engine.errors import PollerError, SearchTooSlow
from engine.journal.store import Journal
from engine.model import CoreKind, GroupConfig, HostView, ObjectCache, ObjectKey, ServiceView
from engine.state.fields import SERVICES as SERVICES_OF
from engine.state.listed import as_listed, listed_services, listed_services_of_hosts
from engine.state.lists import OBJECT_ROWS, Listing
from engine.state.mirror import Mirror
from engine.state.resources import found_resources
from engine.state.scope import EVERYTHING, Scope, written_out
from engine.state.tables import PROBLEM
from engine.state.views import Reader, of_hosts
from tests.engine.state.rows import CountingMint, StatusFile, host_row, poller, scan, service_row

PROBLEMS = (PROBLEM, [])

# --- scope: the oracle filters in Python ----------------------------------------------------------------------------------------

HOSTS = ["web01", "web02", "web1", "WEB01", "db", "db-%", "_"]
SERVICES = ["HTTP", "HTTPS", "Disk /var", "/", "a+b", "100%"]
GROUPS = ["g1", "g2", "g 3"]


@dataclass(frozen=True)
class World:
    """Hosts per poller with their groups and services' states. None: not checked yet."""

    hosts: dict[tuple[int, str], tuple[int | None, frozenset[str]]]
    services: dict[tuple[int, str, str], int | None]

    def visible(self, scope: Scope, number: int, host: str) -> bool:
        groups = self.hosts[number, host][1]
        return (scope.pollers is None or number in scope.pollers) and (scope.hostgroups is None or bool(groups & scope.hostgroups))

    def hosts_in(self, scope: Scope) -> list[tuple[int, str]]:
        return sorted(key for key in self.hosts if self.visible(scope, *key))

    def services_in(self, scope: Scope) -> list[tuple[int, str, str]]:
        return sorted(key for key in self.services if self.visible(scope, *key[:2]))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    hosts, services = {}, {}
    state = st.sampled_from([0, 0, 1, 2, None])
    for number in (1, 2):
        for name in draw(st.lists(st.sampled_from(HOSTS), unique=True, max_size=5)):
            hosts[number, name] = (draw(state), draw(st.frozensets(st.sampled_from(GROUPS))))
            for description in draw(st.lists(st.sampled_from(SERVICES), unique=True, max_size=4)):
                services[number, name, description] = draw(state)
    return World(hosts, services)


SCOPES = st.builds(
    Scope,
    st.none() | st.frozensets(st.sampled_from([1, 2, 3])),
    st.none() | st.frozensets(st.sampled_from([*GROUPS, "unknown"])),
)


def _checked(state: int | None) -> dict[str, object]:
    return {"state": state or 0, "has_been_checked": int(state is not None)}


def load(mirror: Mirror, world: World) -> None:
    for number in (1, 2):
        hosts = {name: value for (of, name), value in world.hosts.items() if of == number}
        members = {group: tuple((name, None) for name in hosts if group in hosts[name][1]) for group in GROUPS}
        file = StatusFile(
            hosts=tuple(host_row(name, **_checked(state)) for name, (state, _) in hosts.items()),
            services=tuple(
                service_row(host, description, **_checked(state))
                for (of, host, description), state in world.services.items()
                if of == number
            ),
        )
        groups = tuple(GroupConfig("hostgroup", name, "", found) for name, found in members.items())
        # A contact group whose member is called like a host must not open that host to anybody.
        groups += (GroupConfig("contactgroup", "g1", "", tuple((name, None) for name in hosts)),)
        mirror.apply(scan(file, poller=number, cache=ObjectCache(groups=groups)))


def host_key(view: HostView) -> tuple[int, str]:
    return view.poller, view.status.name


def service_key(view: ServiceView) -> tuple[int, str, str]:
    return view.poller, view.status.host_name, view.status.description


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Mirror, Reader]]:
    with tempfile.TemporaryDirectory() as folder:
        mirror = Mirror.open(Path(folder) / "state.db", CountingMint())
        mirror.configure([poller(1), poller(2)])
        reader = Reader.open(Path(folder))
        yield mirror, reader
        reader.close()
        mirror.close()


@settings(max_examples=150, deadline=None)
@given(world=worlds(), scope=SCOPES)
def test_a_scope_bounds_every_read(shared: tuple[Mirror, Reader], world: World, scope: Scope) -> None:
    mirror, reader = shared
    load(mirror, world)
    hosts, services = world.hosts_in(scope), world.services_in(scope)
    problem_hosts = [key for key in hosts if world.hosts[key][0]]
    problem_services = [key for key in services if world.services[key]]

    found, total = reader.hosts(scope)
    assert ([host_key(view) for view in found], total) == (hosts, len(hosts))
    found, total = reader.hosts(scope, search=PROBLEMS)
    assert ([host_key(view) for view in found], total) == (problem_hosts, len(problem_hosts))
    listed, total = reader.services(scope)
    assert ([service_key(view) for view in listed], total) == (services, len(services))
    listed, total = reader.services(scope, search=PROBLEMS)
    assert ([service_key(view) for view in listed], total) == (problem_services, len(problem_services))
    whole, _ = reader.services(scope)
    for which, wanted in (([], whole), ([PROBLEMS], listed)):
        shown, total = listed_services(reader, scope, which, TIE, limit=100)
        assert (shown, total) == (list(map(as_listed, wanted)), len(wanted))

    ids = {}
    for number, name in world.hosts:
        key = ObjectKey(number, name)
        ids[number, name] = id = reader.object_ids(number, [key])[key]
        of_host = [wanted for wanted in services if wanted[:2] == (number, name)]
        assert [host_key(view) for view in reader.host(scope, name)] == [wanted for wanted in hosts if wanted[1] == name]
        assert [host_key(view) for view in reader.host(scope, name, number)] == [key for key in hosts if key == (number, name)]
        assert (reader.host_by_id(scope, id) is not None) == ((number, name) in hosts)
        listed, total = reader.services(scope, host_id=id)
        assert ([service_key(view) for view in listed], total) == (of_host, len(of_host))
    for number, host, description in world.services:
        service = ObjectKey(number, host, description)
        id = reader.object_ids(number, [service])[service]
        by_name = [service_key(view) for view in reader.service(scope, host, description)]
        assert by_name == [wanted for wanted in services if wanted[1:] == (host, description)]
        by_id = reader.service_by_id(scope, id)
        assert (by_id is not None) == ((number, host, description) in services)
        assert by_id is None or by_id.host_id == ids[number, host]
    by_host = reader.services_of_hosts(scope, list(ids.values()))
    assert by_host.keys() == set(ids.values())
    assert sorted(service_key(view) for views in by_host.values() for view in views) == services
    assert listed_services_of_hosts(reader, scope, list(ids.values())) == {
        id: list(map(as_listed, views)) for id, views in by_host.items()
    }

    near = {name for wanted in ("web01", "db", "x") for name in reader.near_hosts(scope, wanted, limit=99)}
    assert near <= {name for _, name in hosts}
    for host in HOSTS:
        near = set(reader.near_services(scope, host, "HTTP", limit=99))
        assert near <= {description for _, of_host, description in services if of_host == host}
    pollers = {view.number for view in reader.pollers(scope)}
    assert pollers >= {number for number, _ in hosts}
    assert pollers <= {1, 2} & (scope.pollers if scope.pollers is not None else {1, 2})
    if scope.hostgroups is not None:
        assert pollers == {number for number, _ in hosts}
    for number in (1, 2):
        assert (reader.poller(scope, number) is not None) == (number in pollers)
        assert (reader.poller(scope, f"core{number}") is not None) == (number in pollers)


# --- pages ------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(world=worlds(), size=st.integers(1, 7), problems=st.booleans(), by_id=st.booleans(), scope=SCOPES)
def test_pages_put_together_are_the_whole(
    shared: tuple[Mirror, Reader], world: World, size: int, problems: bool, by_id: bool, scope: Scope
) -> None:
    mirror, reader = shared
    load(mirror, world)
    asked: dict[str, Any] = {"search": PROBLEMS} if problems else {}
    for alias, read in (("h", reader.hosts), ("s", reader.services)):
        asked |= {"order": f"{alias}.id"} if by_id else {}
        whole, total = read(scope, limit=-1, **asked)  # type: ignore[operator]
        assert len(whole) == total
        pages = [read(scope, limit=size, offset=at, **asked) for at in range(0, total + size, size)]  # type: ignore[operator]
        assert all(count == total for _, count in pages)
        assert [view for page, _ in pages for view in page] == list(whole)
        if by_id:
            assert [view.id for view in whole] == sorted(view.id for view in whole)


@settings(max_examples=60, deadline=None)
@given(world=worlds(), size=st.integers(1, 7))
def test_everything_worst_first_is_as_it_would_be_sorted(shared: tuple[Mirror, Reader], world: World, size: int) -> None:
    """The page comes out of two indexes in their order: a row of the wrong severity, or out of its place, would be shown."""
    mirror, reader = shared
    load(mirror, world)
    host_severities, service_severities = {0: 5, 1: 1, 2: 3, None: 4}, {0: 5, 1: 2, 2: 1, 3: 3, None: 4}
    hosts = [(host_severities[state], host.lower(), 0, of, host, "") for (of, host), (state, _) in world.hosts.items()]
    services = [(service_severities[state], name.lower(), 1, *key, name) for (*key, name), state in world.services.items()]
    wanted = [(kind, *key) for _, _, kind, *key in sorted(hosts + services)]
    found = []
    for at in range(0, len(wanted) + size, size):
        rows, total = found_resources(reader, EVERYTHING, {"host": [], "service": []}, limit=size, offset=at)
        assert total == len(wanted)
        found += [(int(row.description is not None), row.poller, row.host_name, row.description or "") for row in rows]
    assert found == wanted


# --- single reads ------------------------------------------------------------------------------------------------


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9), min_size=1, max_size=4))
def test_a_condition_written_out_means_the_same(names: list[str]) -> None:
    """Names of groups and contacts go into SQL without parameters there, so no byte of them may be read as SQL."""
    sql = f"? IN ({','.join('?' * (len(names) - 1)) or 'NULL'}) OR ? = 7"
    values = [*names, 7]
    query = sqlite3.connect(":memory:").execute
    assert query(f"SELECT {written_out((sql, values))}").fetchone() == query(f"SELECT {sql}", values).fetchone()
    assert query(f"SELECT {written_out(('?', names[:1]))}").fetchone() == (names[0],)


def test_names_are_matched_byte_by_byte(mirror: Mirror, reader: Reader) -> None:
    names = ["Disk /var", "/", "C:\\ 90%", "a+b", "Größe", "GRÖSSE", "#1?", "..", "%", "_", "", " ", "a'b", 'a"b', "a\0b", "a"]
    file = StatusFile(
        hosts=tuple(host_row(f"h{name}") for name in names), services=tuple(service_row(f"h{name}", name) for name in names)
    )
    mirror.apply(scan(file))
    for name in names:
        assert [view.status.name for view in reader.host(EVERYTHING, f"h{name}")] == [f"h{name}"]
        (view,) = reader.service(EVERYTHING, f"h{name}", name)
        assert (view.status.host_name, view.status.description) == (f"h{name}", name)
        assert reader.service_names(1, f"h{name}") == (name,)
    assert reader.host(EVERYTHING, "H/") == reader.service(EVERYTHING, "h/", "..") == ()


def test_a_service_comes_with_its_hosts_state(mirror: Mirror, reader: Reader) -> None:
    host = host_row("a", state=1, acknowledged=1, scheduled_downtime_depth=2)
    mirror.apply(scan(StatusFile(hosts=(host,), services=(service_row("a", "x"),))))
    (view,) = reader.service(EVERYTHING, "a", "x")
    told = (view.host_state, view.host_has_been_checked, view.host_acknowledged, view.host_scheduled_downtime_depth)
    assert told == (1, 1, 1, 2)


@pytest.mark.parametrize(("kind", "shown"), [(CoreKind.NAGIOS, 1060.0), (CoreKind.NAEMON, 900.0)])
def test_a_row_the_file_did_not_change_is_as_new_as_the_file(mirror: Mirror, reader: Reader, kind: CoreKind, shown: float) -> None:
    """Only Naemon's last_update is the row's own; the others write the file's time, and the scanner drops it."""
    mirror.configure([poller(1, kind=kind)])
    first = StatusFile(1000.0, hosts=(host_row("a", last_update=900.0),), services=(service_row("a", "x", last_update=900.0),))
    mirror.apply(scan(first))
    mirror.apply(scan(StatusFile(1060.0, 500.0, first.hosts, first.services), first))
    assert reader.hosts(EVERYTHING)[0][0].status.last_update == shown
    assert reader.services(EVERYTHING)[0][0].status.last_update == shown


def test_acknowledged_objects(mirror: Mirror, reader: Reader) -> None:
    hosts = (host_row("a", acknowledged=1), host_row("b"))
    services = (service_row("b", "x", acknowledged=1), service_row("b", "y"))
    mirror.apply(scan(StatusFile(hosts=hosts, services=services)))
    assert reader.acknowledged(1) == (hosts[0], services[0])
    assert reader.acknowledged(2) == ()


def test_ids_only_of_what_exists(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(StatusFile(hosts=(host_row("a"),))))
    wanted = [ObjectKey(1, "a"), ObjectKey(1, "a", "x"), ObjectKey(1, "b")]
    assert reader.object_ids(1, wanted).keys() == {wanted[0]}
    assert reader.object_ids(2, wanted) == {}


def test_a_poller_is_found_by_its_name_before_its_number(mirror: Mirror, reader: Reader) -> None:
    mirror.configure([poller(1, "2"), poller(2, "1")])
    found = {word: reader.poller(EVERYTHING, word) for word in (1, "1", "2", 3, "3", "")}
    assert {word: view and view.number for word, view in found.items()} == {1: 1, "1": 2, "2": 1, 3: None, "3": None, "": None}


@pytest.mark.parametrize(
    ("wanted", "best"),
    [
        ("web0l", "web01"),
        ("WEB02", "web02"),
        ("db-prod", "db-prod-1"),
        ("wbe01", "web01"),
        ("grösse", "Größe"),
        ("zzz", None),
        ("", None),
    ],
)
def test_near_hosts(mirror: Mirror, reader: Reader, wanted: str, best: str | None) -> None:
    names = ("web01", "web02", "db-prod-1", "Größe", "mail", *(f"switch{number:03}" for number in range(200)))
    mirror.apply(scan(StatusFile(hosts=tuple(host_row(name) for name in names))))
    near = reader.near_hosts(EVERYTHING, wanted)
    assert (near[0] if near else None) == best
    assert len(near) <= 5


def test_a_name_of_any_length_costs_little(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(StatusFile(hosts=tuple(host_row(f"w{number}") for number in range(50)))))
    begin = time.process_time()
    assert reader.near_hosts(EVERYTHING, "w" * 1_000_000 + "7") == ("w7",)
    assert time.process_time() - begin < 2


def test_near_services_are_those_of_that_host(mirror: Mirror, reader: Reader) -> None:
    services = (service_row("a", "HTTP"), service_row("a", "Disk /var"), service_row("b", "HTTPS"))
    mirror.apply(scan(StatusFile(hosts=(host_row("a"), host_row("b")), services=services)))
    assert reader.near_services(EVERYTHING, "a", "http") == ("HTTP",)
    assert reader.near_services(EVERYTHING, "a", "Disk var") == ("Disk /var",)
    assert reader.near_services(EVERYTHING, "c", "HTTP") == ()


# --- by index ------------------------------------------------------------------------------------------------

GROUP = Scope(pollers=frozenset({1, 2}), hostgroups=frozenset({"g1", "g2"}))
TIE = ", ".join(SERVICES_OF.tie)
READS: dict[str, Callable[[Reader], object]] = {
    "host": lambda reader: reader.host(GROUP, "a"),
    "host of a poller": lambda reader: reader.host(EVERYTHING, "a", 1),
    "host by id": lambda reader: reader.host_by_id(EVERYTHING, 5),
    "service": lambda reader: reader.service(GROUP, "a", "x"),
    "service anywhere": lambda reader: reader.service(EVERYTHING, "a", "x"),
    "service by id": lambda reader: reader.service_by_id(EVERYTHING, 5),
    "problems": lambda reader: reader.services(EVERYTHING, search=PROBLEMS),
    "problems in scope": lambda reader: reader.services(GROUP, search=PROBLEMS),
    "services in scope": lambda reader: reader.services(GROUP),
    "services of a host id": lambda reader: reader.services(EVERYTHING, host_id=5),
    "listed services of a host": lambda reader: listed_services(reader, EVERYTHING, [of_hosts([5])], TIE, limit=10),
    "listed services of hosts": lambda reader: listed_services_of_hosts(reader, GROUP, [5, 6]),
    "services of hosts": lambda reader: reader.services_of_hosts(GROUP, [5, 6]),
    "near services": lambda reader: reader.near_services(EVERYTHING, "a", "x"),
    "a row": lambda reader: reader.object_row(1, "a", "x"),
    "names": lambda reader: reader.service_names(1, "a"),
    "groups": lambda reader: reader.host_groups_of(1, "a"),
    "comments": lambda reader: reader.comments_of(1, "a", "x"),
    "acknowledged": lambda reader: reader.acknowledged(1),
    "ids": lambda reader: reader.object_ids(1, [ObjectKey(1, "a"), ObjectKey(1, "a", "x")]),
}


@pytest.mark.parametrize(("limit", "offset"), [(3, 0), (3, 2), (0, 0), (9, 99)])
def test_a_page_joined_by_sqlite_is_the_same_page(shared: tuple[Mirror, Reader], limit: int, offset: int) -> None:
    """In the order asked for, of which an aggregate promises nothing by itself."""
    mirror, reader = shared
    states = {(1, "web01", name): number % 3 for number, name in enumerate(SERVICES)}
    load(mirror, World({(1, "web01"): (0, frozenset())}, dict(states)))
    listing = Listing.within(EVERYTHING, OBJECT_ROWS["service"], [], "s.state DESC, s.description DESC")
    item = ("s.description || ?", ["!"])
    in_order = sorted(((state, name) for (_, _, name), state in states.items()), reverse=True)
    names = [f"{name}!" for _, name in in_order][offset:][:limit]
    assert list(listing.rows(reader, item, limit, offset)) == names
    assert listing.joined(reader, item, ", ", limit, offset) == (", ".join(names), len(names))
    found = listing.found(reader)[offset:][:limit]
    assert listing.at(reader, item, ", ", found) == (", ".join(names), len(names))


@pytest.mark.parametrize("sizes", [[1, 2, 2, 2, 2], [6, 6], [12, 1], [5, 9], [3, 5, 5, 5], [99]])
def test_pieces_of_everything_are_everything_once(shared: tuple[Mirror, Reader], sizes: list[int]) -> None:
    """No row is left out or told twice where one piece ends and the next begins, be it within a host, between hosts or pollers."""
    mirror, reader = shared
    hosts = {(number, f"web{at:02}"): 1 + at * at % 5 for number in (1, 2) for at in range(6)} | {(1, "web02"): len(SERVICES)}
    keys = [(*host, name) for host, services in hosts.items() for name in SERVICES[:services]]
    load(mirror, World(dict.fromkeys(hosts, (0, frozenset())), dict.fromkeys(keys, 0)))
    for kind, rows, sql in (
        ("service", sorted(keys), "s.poller || s.host_name || s.description || ?"),
        ("host", sorted(hosts), "h.poller || h.name || ?"),
    ):
        listing = Listing.within(EVERYTHING, OBJECT_ROWS[kind], [])  # type: ignore[index]
        pieces = list(listing.pieces(reader, (sql, ["!"]), "\n", [*sizes, *[4] * len(keys)]))
        assert listing.is_everything
        assert "\n".join(text for text, _ in pieces).split("\n") == ["".join(map(str, row)) + "!" for row in rows]
        counts = [count for _, count in pieces]
        assert sum(counts) == len(rows)
        assert all(0 < count <= most for count, most in zip(counts, [*sizes, *[4] * len(keys)], strict=False))


def test_pieces_of_everything_are_whole_hosts_but_for_large_ones(shared: tuple[Mirror, Reader]) -> None:
    """Of whole hosts SQLite compares no row with the end; a host of more services than a piece holds is cut within."""
    mirror, reader = shared
    hosts = {(1, f"web{at}"): 2 for at in range(6)} | {(1, "web3"): 6}
    keys = [(*host, name) for host, services in hosts.items() for name in SERVICES[:services]]
    load(mirror, World(dict.fromkeys(hosts, (0, frozenset())), dict.fromkeys(keys, 0)))
    found = [values for _, values in Listing.within(EVERYTHING, OBJECT_ROWS["service"], []).ranges(reader, [1, 3, 5, 4, 4, 4, 4])]
    first, large = sorted(SERVICES[:2]), sorted(SERVICES[:6])
    assert found == [
        (1, "web0", first[0], 1, "web0", first[1]),
        (1, "web0", first[1], 1, "web2", ""),
        (1, "web2", "web3"),
        (1, "web3", "", 1, "web3", large[4]),
        (1, "web3", large[4], 1, "web5", ""),
        (1, "web5", ""),
    ]


_LONG = "WITH RECURSIVE n (at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < 500000) SELECT count(*) FROM n"


def test_a_long_read_seldom_waits_for_the_interpreter(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock does, for a millisecond where others are at work: a third of the time of a list of everything."""
    looks = itertools.count()
    monkeypatch.setattr("engine.state.views.time", SimpleNamespace(monotonic=lambda: next(looks) * 0.0))
    with reader.limited(10.0):
        assert reader.connection.execute(_LONG).fetchone() == (500_000,)
    assert 1 < next(looks) < 20


def test_a_read_beyond_its_limit_is_ended_all_the_same(reader: Reader) -> None:
    with pytest.raises(SearchTooSlow), reader.limited(0.01):
        reader.connection.execute(_LONG.replace("500000", "1000000000")).fetchone()
    assert reader.connection.execute("SELECT 1").fetchone() == (1,), "what follows is not ended"


def _plans(reader: Reader, read: Callable[[Reader], object]) -> list[str]:
    """How SQLite goes about the statements of a read."""
    statements: list[str] = []
    reader.connection.set_trace_callback(statements.append)
    read(reader)
    reader.connection.set_trace_callback(None)
    selects = [statement for statement in statements if statement.startswith("SELECT")]
    assert selects
    return [row[3] for select in selects for row in reader.connection.execute(f"EXPLAIN QUERY PLAN {select}")]


@pytest.mark.parametrize("name", READS)
def test_no_read_of_a_part_walks_the_whole(reader: Reader, name: str) -> None:
    walks = [step for step in _plans(reader, READS[name]) if step.startswith("SCAN ")]
    assert [step for step in walks if "_problem" not in step and step not in ("SCAN k", "SCAN p", "SCAN (subquery-1)")] == []


def test_the_check_of_plans_sees_a_walk(reader: Reader) -> None:
    assert any(step.startswith("SCAN h") for step in _plans(reader, lambda reader: reader.near_hosts(EVERYTHING, "a")))


def test_problems_are_counted_from_their_own_index(reader: Reader) -> None:
    steps = _plans(reader, READS["problems"])
    assert sum("service_problem" in step for step in steps) == 2


@pytest.mark.parametrize(
    ("read", "index"),
    [
        (lambda reader: found_resources(reader, EVERYTHING, {"host": [], "service": []}, limit=10), "service_worst"),
        (lambda reader: found_resources(reader, EVERYTHING, {"host": [], "service": []}, limit=10), "host_worst"),
        (lambda reader: listed_services(reader, EVERYTHING, [], ", ".join(SERVICE_KEYS.tie), limit=10), "service_order"),
        (lambda reader: reader.hosts(EVERYTHING, limit=10, order=", ".join(HOST_KEYS.tie)), "host_order"),
    ],
)
def test_the_first_rows_of_all_are_read_from_an_index_in_their_order(
    reader: Reader, read: Callable[[Reader], object], index: str
) -> None:
    assert any(step.startswith("SCAN") and f" INDEX {index}" in step for step in _plans(reader, read))


# --- opening ------------------------------------------------------------------------------------------------


def test_before_the_engine_is_up(tmp_path: Path) -> None:
    with pytest.raises(PollerError, match="signalbox serve"):
        Reader.open(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "state.db").touch()
    with pytest.raises(PollerError, match="signalbox serve"):
        Reader.open(tmp_path)


def test_another_programs_schema_is_not_read(tmp_path: Path, mirror: Mirror) -> None:
    mirror._connection.execute("UPDATE meta SET schema_version = 0")
    with pytest.raises(PollerError, match="schema"):
        Reader.open(tmp_path)


def test_a_reader_cannot_write(reader: Reader) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.connection.execute("DELETE FROM state.poller")


@pytest.mark.parametrize("folder", ["plain", "with space", "50%", "a?b#c", "it's", "Größe"])
def test_the_journal_stands_beside_it_in_any_folder(tmp_path: Path, folder: str) -> None:
    data = tmp_path / folder
    data.mkdir()
    mirror = Mirror.open(data / "state.db", CountingMint())
    reader = Reader.open(data)
    with pytest.raises(sqlite3.OperationalError):
        reader.connection.execute("SELECT count(*) FROM journal.command")
    reader.close()
    journal = Journal.open(data)
    reader = Reader.open(data)
    assert reader.connection.execute("SELECT count(*) FROM journal.command").fetchone() == (0,)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.connection.execute("DELETE FROM journal.command")
    reader.close()
    journal.close()
    mirror.close()
