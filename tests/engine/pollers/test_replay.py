"""Downtimes that only the logs know come into the journal once, and correct what was noticed late; nothing else is touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.commands.passages import Period
from engine.config import Poller, Settings
from engine.formats.logentry import LogEntry, parse_entry
from engine.journal.history import EntryRow, entries, insert_entry, update_entry
from engine.journal.store import Journal
from engine.model import CoreKind, Generation
from engine.pollers.replay import Replay, _touched
from engine.state.frames import Begin, End, Rows
from engine.state.logindex import HISTORY_FILE, LogIndex
from engine.state.mirror import Mirror
from engine.state.tables import STATE_FILE
from engine.state.views import Reader
from tests.engine.state.rows import host_row

NOW = 1_700_000_000
POLLER = Poller(1, "north", CoreKind.NAGIOS, Path("/n/cmd"), Path("/n/status.dat"), Path("/n/log"))
START = NOW - 1000
SCHEDULED = f"[{START}] EXTERNAL COMMAND: SCHEDULE_HOST_DOWNTIME;web;{START};{START + 500};1;0;0;cron;backup"
BEGINS = f"[{START}] HOST DOWNTIME ALERT: web;STARTED; Host has entered a period of scheduled downtime"
CANCELLED = f"[{START + 100}] HOST DOWNTIME ALERT: web;CANCELLED; Scheduled downtime for host has been cancelled."
STOPPED = f"[{START + 500}] HOST DOWNTIME ALERT: web;STOPPED; Host has exited from a period of scheduled downtime"


class Clock:
    """Ticks a minute at each look, so that the lane has had its time."""

    def __init__(self) -> None:
        self.minutes = 0

    def now(self) -> float:
        return float(NOW)

    def monotonic(self) -> float:
        self.minutes += 1
        return 60.0 * self.minutes


@dataclass
class Scene:
    data: Path
    journal: Journal
    index: LogIndex
    place: int = 0

    def logged(self, *lines: str) -> None:
        """The log has these lines, and was read to its end."""
        parsed = [parse_entry(line.encode()) for line in lines]
        found: list[tuple[int, LogEntry]] = [(self.place + at, entry) for at, entry in enumerate(parsed) if entry is not None]
        assert len(found) == len(lines)
        file = (self.index.files(1) or [self.index.new_file(1, b"[1")])[0]
        self.place += len(lines)
        self.index.add(file, found, self.place)
        self.index.progress(1, self.place, self.place, NOW)

    def replay(self) -> Replay:
        """One that begins, as after a start of the engine."""
        return Replay(self.journal, lambda: Reader.open(self.data), [POLLER], Settings(), Clock())

    def replayed(self, times: int = 3) -> list[EntryRow]:
        one = self.replay()
        for _ in range(times):
            one.look()
        return self.rows()

    def rows(self) -> list[EntryRow]:
        return entries(self.journal.connection, "kind = 'downtime' ORDER BY id", ())

    def known(self, **more: object) -> None:
        base = EntryRow(7, "downtime", 1, "web", "", "cron", "backup", "seen", 0, START, START, START + 500, 1, 500, None, START)
        with self.journal.transaction() as connection:
            insert_entry(connection, base._replace(**{"core_id": 3, **more}))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    mirror = Mirror.open(tmp_path / STATE_FILE, lambda _poller, wanted: {key: n for n, key in enumerate(wanted, 10)})
    mirror.configure([POLLER])
    generation = Generation(NOW, NOW - 5000, "4.4.6", NOW)
    assert mirror.apply([Begin(1, generation, True), Rows((host_row("web"),), ()), End(1, 1, 0, 0.01)]).health == "fresh"
    mirror.close()
    journal, index = Journal.open(tmp_path), LogIndex.open(tmp_path / HISTORY_FILE)
    index.configure([(1, "/n/log")])
    yield Scene(tmp_path, journal, index)
    index.close()
    journal.close()


def test_one_that_nobody_saw_is_listed_with_who_asked(scene: Scene) -> None:
    scene.logged(SCHEDULED, BEGINS, CANCELLED)
    (row,) = scene.replayed()
    assert (row.author, row.comment, row.proof, row.present) == ("cron", "backup", "seen", 0)
    assert (row.entry_time, row.start_time, row.end_time, row.fixed, row.duration) == (START, START, START + 500, 1, 500)
    assert (row.actual_start, row.actual_end, row.cancelled, row.deleted_at) == (START, START + 100, 1, START + 100)


def test_it_is_taken_over_once_whatever_starts_again(scene: Scene) -> None:
    scene.logged(SCHEDULED, BEGINS, STOPPED)
    first = scene.replayed()
    assert [(row.cancelled, row.deleted_at, row.actual_end) for row in first] == [(0, None, START + 500)]
    assert scene.replayed() == first
    later = [line.replace(str(START), str(START + 700)).replace(str(START + 500), str(START + 800)) for line in (BEGINS, STOPPED)]
    scene.logged(*later)
    second = scene.replayed()[1]
    assert (second.author, second.comment, second.start_time, second.fixed) == ("", "", None, None), "nobody can be known"
    assert (second.actual_start, second.actual_end) == (START + 700, START + 800)


def test_one_that_is_read_on_begins_in_an_earlier_look(scene: Scene) -> None:
    scene.logged(SCHEDULED, BEGINS)
    one = scene.replay()
    for _ in range(3):
        one.look()
    assert scene.rows() == [], "it still stands"
    scene.logged(CANCELLED)
    for _ in range(3):
        one.look()
    assert [(row.author, row.actual_end) for row in scene.rows()] == [("cron", START + 100)]


def test_nothing_is_done_before_the_lane_has_seen_what_stands(scene: Scene) -> None:
    scene.logged(SCHEDULED, BEGINS, CANCELLED)
    assert scene.replayed(times=1) == []
    scene.index.progress(1, scene.place + 1, scene.place, NOW)
    assert scene.replayed() == [], "the log was not read to its end"


def test_an_end_that_was_noticed_late_is_the_logs(scene: Scene) -> None:
    """It was cancelled while nobody looked: neither did it come to its end, nor was it cancelled when somebody looked again."""
    scene.known(actual_end=START + 500.0)
    scene.logged(SCHEDULED, BEGINS, CANCELLED)
    (row,) = scene.replayed()
    assert (row.id, row.cancelled, row.deleted_at, row.actual_end) == (7, 1, START + 100, START + 100)


def test_an_end_by_itself_that_a_core_saw_late_stays(scene: Scene) -> None:
    scene.known(actual_end=START + 500.0)
    scene.logged(SCHEDULED, BEGINS, STOPPED.replace(str(START + 500), str(START + 560)))
    (row,) = scene.replayed()
    assert (row.cancelled, row.actual_end) == (0, START + 500)


def test_what_stands_is_left_alone(scene: Scene) -> None:
    scene.known(present=1)
    scene.logged(SCHEDULED, BEGINS, CANCELLED)
    assert [(row.id, row.present, row.cancelled) for row in scene.replayed()] == [(7, 1, 0)]


def test_of_two_at_once_neither_is_corrected(scene: Scene) -> None:
    """The log does not say which of them ended."""
    scene.known(actual_end=START + 500.0)
    scene.known(id=8, comment="another", actual_end=START + 480.0)
    scene.logged(SCHEDULED, BEGINS, CANCELLED)
    assert [(row.id, row.actual_end) for row in scene.replayed()] == [(7, START + 500), (8, START + 480)]


def test_one_that_was_refused_never_was(scene: Scene) -> None:
    """An entry of ours that never stood hides no downtime of somebody else."""
    scene.known(proof="refused", core_id=None)
    scene.logged(SCHEDULED, BEGINS, CANCELLED)
    assert len(scene.replayed()) == 2


def test_what_is_older_than_the_journal_keeps_stays_forgotten(scene: Scene) -> None:
    old = NOW - 100 * 86400
    lines = [line.replace(str(START + 100), str(old + 100)).replace(str(START), str(old)) for line in (BEGINS, CANCELLED)]
    scene.logged(*lines)
    assert scene.replayed() == []


OTHER = f"[{START + 95}] EXTERNAL COMMAND: SCHEDULE_HOST_DOWNTIME;web;{START + 95};{START + 5000};1;0;0;bob;other"


def test_another_ones_end_behind_its_own_is_not_its_end(scene: Scene) -> None:
    """Two that overlap are one period in the log, and the second was never seen."""
    scene.known(actual_end=START + 500.0)
    scene.logged(SCHEDULED, BEGINS, OTHER, CANCELLED.replace(str(START + 100), str(START + 900)))
    assert [(row.cancelled, row.actual_end) for row in scene.replayed()] == [(0, START + 500)]


def test_who_deleted_it_and_when_stays(scene: Scene) -> None:
    scene.known(actual_end=START + 100.0, cancelled=1, deleted_at=START + 100.0, deleted_by="alice")
    scene.logged(SCHEDULED, BEGINS, OTHER, CANCELLED.replace(str(START + 100), str(START + 450)))
    assert [(row.deleted_at, row.actual_end, row.deleted_by) for row in scene.replayed()] == [(START + 100, START + 100, "alice")]


def test_what_stands_again_meanwhile_is_left_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lane stores, between our look and our writing, that a crash brought it back."""
    scene.known(actual_end=START + 400.0, cancelled=1, deleted_at=START + 400.0)
    scene.logged(SCHEDULED, BEGINS, CANCELLED)
    looks = 0

    def touched(connection: sqlite3.Connection, poller: int, period: Period) -> list[EntryRow]:
        nonlocal looks
        looks += 1
        found = _touched(connection, poller, period)
        if looks == 1:
            with closing(Journal.open(scene.data)) as lane, lane.transaction() as other:
                update_entry(other, 7, present=1, cancelled=0, deleted_at=None, actual_end=None)
        return found

    monkeypatch.setattr("engine.pollers.replay._touched", touched)
    assert [(row.present, row.cancelled) for row in scene.replayed()] == [(1, 0)] and looks > 1
