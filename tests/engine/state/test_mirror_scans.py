"""Whatever becomes of a scan, state.db shows one status file exactly: the new one, or the one before it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine.state.mirror as mirror_module
from engine.errors import JournalError
from engine.formats.corelog import LogKind, StateEvent
from engine.journal.identities import Identities
from engine.journal.store import Journal
from engine.model import ObjectKey
from engine.state.frames import Begin, End, Failed, Frame, Rows, Unchanged
from engine.state.mirror import Mirror
from engine.state.scope import EVERYTHING, Scope
from engine.state.views import Reader
from tests.engine.state.rows import CountingMint, StatusFile, comment, downtime, host_row, poller, scan, service_row
from tests.support.cores import PATIENCE_S

# --- the property ------------------------------------------------------------------------------------------------

NAMES = ["web01", "db", "Größe", "#1?", "C:\\ 90%", "a'b", "..", "\N{PILE OF POO}"]
TEXTS = st.sampled_from(["", "OK", 'it\'s "50%" gone', "zwölf\n", "a;b|c"])


@st.composite
def status_files(draw: st.DrawFn) -> StatusFile:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5))
    hosts = [
        host_row(name, state=draw(st.integers(0, 2)), plugin_output=draw(TEXTS), last_check=float(draw(st.integers(0, 3))))
        for name in names
    ]
    services = [
        service_row(name, description, state=draw(st.integers(0, 3)), latency=draw(st.floats(0, 9)), perf_data=draw(TEXTS))
        for name in names
        for description in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))
    ]
    targets = [(row.name, None) for row in hosts] + [(row.host_name, row.description) for row in services]
    downtimes, comments = {}, {}
    for number in draw(st.lists(st.integers(1, 5), unique=True, max_size=4)) if targets else []:
        downtimes[number] = downtime(*draw(st.sampled_from(targets)), number, draw(TEXTS))
        comments[number] = comment(*draw(st.sampled_from(targets)), number, draw(TEXTS))
    return StatusFile(
        hosts=tuple(hosts), services=tuple(services), downtimes=tuple(downtimes.values()), comments=tuple(comments.values())
    )


def shown(reader: Reader, number: int = 1) -> tuple[object, ...]:
    """All the mirror has of a poller, in a form that can be compared."""
    of_poller = Scope(pollers=frozenset({number}))
    hosts = {reader.object_row(number, view.status.name, None) for view in reader.hosts(of_poller, limit=-1)[0]}
    services = {
        reader.object_row(number, view.status.host_name, view.status.description)
        for view in reader.services(of_poller, limit=-1)[0]
    }
    return hosts, services, set(reader.downtime_blocks(number)), set(reader.comment_blocks(number))


def expected(file: StatusFile) -> tuple[object, ...]:
    return set(file.hosts), set(file.services), set(file.downtimes), set(file.comments)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            status_files(),
            st.sampled_from(["whole", "whole", "whole", "restarted", "broken off", "failed"]),
            st.integers(0, 8),
        ),
        max_size=7,
    ),
    streaming=st.booleans(),
)
def test_the_mirror_shows_one_file_exactly(steps: list[tuple[StatusFile, str, int]], streaming: bool) -> None:
    mint = CountingMint()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if streaming:
            patch.setattr(mirror_module, "_GATHERED_ROWS", 0)
        mirror = Mirror.open(Path(folder) / "state.db", mint)
        mirror.configure([poller(1), poller(2)])
        reader = Reader.open(Path(folder))
        mirror.apply(scan(OTHER, poller=2))
        shows, known, generation, ids = StatusFile(), None, 0, dict[ObjectKey, int]()
        for number, (file, ending, cut) in enumerate(steps):
            new = StatusFile(1000.0 + number, 500.0, file.hosts, file.services, file.downtimes, file.comments)
            frames = list(scan(new, None if ending == "restarted" else known))
            if ending in ("whole", "restarted"):
                applied = mirror.apply(frames)
                assert applied.health == "fresh", applied.detail
                shows = known = new
                generation += 1
                assert (applied.created, applied.generation) == (new.created, generation)
            else:
                tail: list[Frame] = [Failed(1, "broken", "half a file")] if ending == "failed" else []
                applied = mirror.apply([*frames[: 1 + cut % (len(frames) - 1)], *tail])
                assert applied.health == ("broken" if ending == "failed" else "unknown")
                assert not applied.changed or number == 0 or applied.generation == generation
                known = None  # a scanner that broke off starts anew
            assert shown(reader) == expected(shows)
            assert shown(reader, 2) == expected(OTHER)
            assert reader.poller_generation(1)[0] == generation
            now = reader.object_ids(1, shows.objects(1))
            assert now.keys() == shows.objects(1).keys()
            assert all(ids.setdefault(key, id) == id for key, id in now.items())
            assert len(set(ids.values())) == len(ids)
        reader.close()
        mirror.close()


OTHER = StatusFile(
    hosts=(host_row("web01"),),
    services=(service_row("web01", "db", state=2),),
    downtimes=(downtime("web01", None, 1),),
    comments=(comment("web01", "db", 1),),
)


# --- whole or not at all ------------------------------------------------------------------------------------------------

BEFORE = StatusFile(1000.0, hosts=(host_row("a"), host_row("b")), services=(service_row("a", "x"), service_row("b", "x")))
AFTER = StatusFile(1010.0, hosts=(host_row("a", state=1), host_row("c")), services=(service_row("a", "x", state=2),))


@pytest.mark.parametrize("gathered_rows", [0, 20_000])
@pytest.mark.parametrize("first", [True, False])
def test_nobody_sees_half_a_generation(
    mirror: Mirror, reader: Reader, gathered_rows: int, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_module, "_GATHERED_ROWS", gathered_rows)
    mirror.apply(scan(BEFORE))
    looks = 0

    def watched() -> Iterator[Frame]:
        nonlocal looks
        for frame in scan(AFTER, None if first else BEFORE, per_frame=1):
            assert shown(reader) == expected(BEFORE)
            looks += 1
            yield frame

    mirror.apply(watched())
    assert looks >= 4
    assert shown(reader) == expected(AFTER)


def test_a_snapshot_stays_on_its_generation(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(BEFORE))
    with reader.snapshot():
        assert shown(reader) == expected(BEFORE)
        mirror.apply(scan(AFTER, BEFORE))
        assert shown(reader) == expected(BEFORE)
    assert shown(reader) == expected(AFTER)


_KILLED = """
import os, signal, sys
from pathlib import Path
import engine.state.mirror as mirror_module
from engine.state.mirror import Mirror
from tests.engine.state.rows import CountingMint, scan
from tests.engine.state.test_mirror_scans import AFTER, BEFORE

mirror_module._GATHERED_ROWS = 0
mint = CountingMint(count=100)
mirror = Mirror.open(Path(sys.argv[1]), mint)
frames = list(scan(AFTER, None if sys.argv[3] == "first" else BEFORE, per_frame=1))

def until_killed():
    for number, frame in enumerate(frames):
        if number == int(sys.argv[2]) % len(frames):
            os.kill(os.getpid(), signal.SIGKILL)
        yield frame

mirror.apply(until_killed())
"""


@pytest.mark.parametrize("first", ["first", "next"])
@pytest.mark.parametrize("frame", [1, 2, -2, -1])
def test_kill_9_in_mid_scan_leaves_the_generation_before(tmp_path: Path, mint: CountingMint, frame: int, first: str) -> None:
    path = tmp_path / "state.db"
    mirror = Mirror.open(path, mint)
    mirror.configure([poller(1)])
    mirror.apply(scan(BEFORE))
    mirror.close()
    command = [sys.executable, "-c", _KILLED, str(path), str(frame), first]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    run = subprocess.run(command, capture_output=True, timeout=60, check=False, env=environment)
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()

    again = Mirror.open(path, mint)
    reader = Reader.open(tmp_path)
    assert shown(reader) == expected(BEFORE)
    assert again.apply(scan(AFTER)).health == "fresh"
    assert shown(reader) == expected(AFTER)
    reader.close()
    again.close()


def test_a_scanners_bug_takes_nothing_over(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(BEFORE))

    def dies() -> Iterator[Frame]:
        yield from islice(scan(AFTER, BEFORE), 2)
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError):
        mirror.apply(dies())
    assert shown(reader) == expected(BEFORE)
    assert mirror.apply(scan(AFTER)).health == "fresh"


@pytest.mark.parametrize("frames", [[], [Rows()], [End(1, 0, 0, 0.0)]])
def test_frames_that_are_no_scan_are_a_bug(mirror: Mirror, frames: list[Frame]) -> None:
    with pytest.raises(ValueError, match="does not start"):
        mirror.apply(frames)


def test_frames_of_two_scans_are_a_bug(mirror: Mirror, reader: Reader) -> None:
    begin = next(iter(scan(BEFORE)))
    with pytest.raises(ValueError, match="within a scan"):
        mirror.apply([begin, begin])
    assert reader.poller_generation(1) == (0, 0.0, 0.0)


def test_a_scan_is_read_to_its_end(mirror: Mirror) -> None:
    """A scanner that is left at its last frame would never know that it was heard."""
    finished = []

    def frames(*sent: Frame) -> Iterator[Frame]:
        yield from sent
        finished.append(type(sent[-1]).__name__)

    for sent in (
        list(scan(BEFORE)),
        [Unchanged(1)],
        [Failed(1, "missing", "")],
        [*list(scan(AFTER))[:-1], Failed(1, "broken", "")],
    ):
        mirror.apply(frames(*sent))
    assert finished == ["End", "Unchanged", "Failed", "Failed"]


def test_mirror_and_scanner_that_lost_each_other_start_anew(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(BEFORE))
    lost = [frame for frame in scan(AFTER, BEFORE) if not isinstance(frame, Rows)]
    applied = mirror.apply(lost)
    assert (applied.health, applied.resync, applied.generation) == ("unknown", True, 1)
    assert "2 hosts and 1 services" in applied.detail
    assert shown(reader) == expected(BEFORE)
    applied = mirror.apply(scan(AFTER))
    assert (applied.health, applied.resync, applied.first) == ("fresh", False, True)
    assert shown(reader) == expected(AFTER)


def test_a_block_twice_in_the_file_is_one_row(mirror: Mirror, reader: Reader) -> None:
    begin, *_, end = scan(BEFORE)
    twice = [begin, Rows((host_row("a"), host_row("a", state=1))), Rows((host_row("a", state=2),)), end]
    assert mirror.apply(twice).health == "fresh"
    (view,) = reader.hosts(EVERYTHING)[0]
    assert view.status.state == 2


def test_a_full_disk_keeps_the_generation_before(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(BEFORE))
    connection = mirror._connection
    pages, spare, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    connection.execute(f"PRAGMA max_page_count = {pages}")
    wide = "x" * page_bytes  # so that a row takes a page at least, and all of them more than are spare
    many = StatusFile(1010.0, hosts=tuple(host_row(f"h{number}", plugin_output=wide) for number in range(spare + 50)))
    applied = mirror.apply(scan(many, BEFORE))
    assert (applied.health, applied.resync, applied.generation) == ("unknown", True, 1)
    assert "full" in applied.detail
    assert shown(reader) == expected(BEFORE)
    connection.execute("PRAGMA max_page_count = 1073741823")
    assert mirror.apply(scan(many)).health == "fresh"
    assert shown(reader) == expected(many)


def test_a_write_lock_held_by_another_is_said_in_our_words(mirror: Mirror, tmp_path: Path) -> None:
    import sqlite3

    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    mirror._connection.execute("PRAGMA busy_timeout = 1")
    with pytest.raises(JournalError, match="space and rights"):
        mirror.command_file_health(1, "reading", "")
    other.execute("ROLLBACK")
    other.close()
    mirror.command_file_health(1, "reading", "")


def test_a_slow_scanner_holds_nobody_up(mirror: Mirror) -> None:
    """Log lines are taken over while a scan of few changes is still being read."""
    mirror.apply(scan(BEFORE))
    alert = StateEvent(1020, LogKind.HOST_ALERT, "b", None, 1, 1, 3, "gone", "")

    def slow() -> Iterator[Frame]:
        *frames, end = scan(AFTER, BEFORE)
        yield from frames
        lane = threading.Thread(target=mirror.log_events, args=(1, [alert]), daemon=True)
        lane.start()
        lane.join(PATIENCE_S)
        assert not lane.is_alive()
        yield end

    mirror.apply(slow())


# --- what stays as it is, costs nothing ---------------------------------------------------------------------------------------


def _written_rows(mirror: Mirror, frames: Iterator[Frame]) -> tuple[int, int]:
    """How many rows a scan wrote, and how many of the tally beside them, which triggers write."""
    connection = mirror._connection
    connection.execute("CREATE TEMP TABLE tallied (at)")
    for what in ("INSERT", "UPDATE", "DELETE"):
        connection.execute(
            f"CREATE TEMP TRIGGER tallied_{what} AFTER {what} ON main.tally BEGIN INSERT INTO tallied VALUES (1); END"
        )
    before = connection.total_changes
    mirror.apply(frames)
    written = connection.total_changes - before
    (tallied,) = connection.execute("SELECT count(*) FROM tallied").fetchone()
    return written - 2 * tallied, tallied  # each is counted as itself and as the note of it


def test_a_restarted_scanner_rewrites_only_what_changed(mirror: Mirror, reader: Reader, mint: CountingMint) -> None:
    hosts = tuple(host_row(f"h{number}") for number in range(300))
    mirror.apply(scan(StatusFile(1000.0, hosts=hosts)))
    asked = len(mint.asked)
    same = StatusFile(1010.0, hosts=(host_row("h0", state=1), *hosts[1:]))
    rows, tallied = _written_rows(mirror, scan(same))
    assert rows <= 5  # the row, its event, the poller, the change
    assert 1 <= tallied <= 3  # one count less, another more, which may be new
    assert len(mint.asked) == asked == 300
    assert shown(reader) == expected(same)


def test_a_scan_with_little_news_writes_little(mirror: Mirror) -> None:
    hosts = tuple(host_row(f"h{number}") for number in range(300))
    first = StatusFile(1000.0, hosts=hosts)
    mirror.apply(scan(first))
    second = StatusFile(1010.0, hosts=(host_row("h0", state=1), *hosts[1:]))
    rows, tallied = _written_rows(mirror, scan(second, first))
    assert rows <= 5  # as above
    assert 1 <= tallied <= 3


def test_changed_says_whether_rows_are_others(mirror: Mirror) -> None:
    assert mirror.apply(scan(BEFORE)).changed
    assert not mirror.apply(scan(StatusFile(1005.0, hosts=BEFORE.hosts, services=BEFORE.services), BEFORE)).changed
    assert mirror.apply(scan(AFTER, BEFORE)).changed
    assert not mirror.apply([Unchanged(1)]).changed
    gone = StatusFile(1020.0, hosts=AFTER.hosts)
    assert mirror.apply(scan(gone, AFTER)).changed


def test_public_ids_come_from_the_journal_and_outlive_the_mirror(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    ids: list[dict[ObjectKey, int]] = []
    for _ in range(2):
        mirror = Mirror.open(tmp_path / "state.db", Identities(journal).mint)
        mirror.configure([poller(1)])
        mirror.apply(scan(BEFORE))
        mirror.apply(scan(AFTER, BEFORE))
        mirror.apply(scan(BEFORE, AFTER))
        reader = Reader.open(tmp_path)
        ids.append(reader.object_ids(1, BEFORE.objects(1)))
        reader.close()
        mirror.close()
        for file in tmp_path.glob("state.db*"):
            file.unlink()
    journal.close()
    assert ids[0] == ids[1]
    assert len(set(ids[0].values())) == 4
    assert all(id >= 2**32 for id in ids[0].values())


def test_a_first_scan_begins_with_what_the_mirror_has(mirror: Mirror, reader: Reader) -> None:
    """The first frame alone changes nothing, neither rows nor health."""
    mirror.apply(scan(BEFORE))
    begin = next(iter(scan(AFTER)))
    assert isinstance(begin, Begin)
    assert begin.first
    mirror.apply([begin])
    assert shown(reader) == expected(BEFORE)


def objects_of_schema(mirror: Mirror) -> list[tuple[str, str]]:
    found = mirror._connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY name")
    return [(name, sql) for name, sql in found if name != "room"]


TALLIES = (
    "SELECT poller, is_service, alike, count FROM tally ORDER BY 1, 2, 3",
    "SELECT poller, 0, alike, count(*) FROM host GROUP BY 1, 3 UNION ALL"
    " SELECT poller, 1, alike, count(*) FROM service GROUP BY 1, 3 ORDER BY 1, 2, 3",
)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "broken off"])
def test_a_first_fill_leaves_every_index_and_total_behind(
    mirror: Mirror, reader: Reader, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first rows of all go in without them: lost, a search would walk all rows and totals would stand still."""
    monkeypatch.setattr(mirror_module, "_STREAMED_ROWS", 0)  # written as they come, so that there is something to undo
    before = objects_of_schema(mirror)
    frames = list(scan(BEFORE))
    applied = mirror.apply(frames if whole else frames[:-1])
    assert (applied.health == "fresh") is whole
    assert objects_of_schema(mirror) == before
    if not whole:
        assert shown(reader) == expected(StatusFile())
        assert mirror.apply(scan(BEFORE)).health == "fresh"
    mirror.apply(scan(AFTER, BEFORE))  # a poller that is there, and further on one that is not
    mirror.apply(scan(BEFORE, poller=2))
    assert objects_of_schema(mirror) == before
    kept, counted = (mirror._connection.execute(query).fetchall() for query in TALLIES)
    assert kept == counted != []


def test_nobody_sees_an_id_that_is_not_durable(tmp_path: Path) -> None:
    """Ids are minted without waiting for the disk; a machine that stops may forget those, and give them to others."""
    settled: list[tuple[int, int]] = []
    mirror = Mirror.open(tmp_path / "state.db", CountingMint(), lambda number: settled.append((number, seen())))
    mirror.configure([poller(1)])
    reader = Reader.open(tmp_path)

    def seen() -> int:
        return reader.hosts(EVERYTHING)[1]

    mirror.apply(scan(BEFORE))
    assert settled == [(1, 0)]
    assert seen() > 0
    mirror.apply(scan(BEFORE, BEFORE))
    assert settled == [(1, 0)]
    reader.close()
    mirror.close()
