"""Downtimes that only the logs know come into the journal once, and correct what was noticed late; nothing else is touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.commands.passages import Period
from engine.journal.history import EntryRow, update_entry
from engine.journal.store import Journal
from engine.pollers.replay import _touched
from tests.engine.pollers.logged import NOW, Scene, opened

START = NOW - 1000
SCHEDULED = f"[{START}] EXTERNAL COMMAND: SCHEDULE_HOST_DOWNTIME;web;{START};{START + 500};1;0;0;cron;backup"
BEGINS = f"[{START}] HOST DOWNTIME ALERT: web;STARTED; Host has entered a period of scheduled downtime"
CANCELLED = f"[{START + 100}] HOST DOWNTIME ALERT: web;CANCELLED; Scheduled downtime for host has been cancelled."
STOPPED = f"[{START + 500}] HOST DOWNTIME ALERT: web;STOPPED; Host has exited from a period of scheduled downtime"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with opened(tmp_path) as made:
        yield made


def known(scene: Scene, **more: object) -> None:
    base = EntryRow(7, "downtime", 1, "web", "", "cron", "backup", "seen", 0, START, START, START + 500, 1, 500, None, START)
    scene.known(base._replace(**{"core_id": 3, **more}))


def test_one_that_nobody_saw_is_listed_with_who_asked(scene: Scene) -> None:
    scene.logged(SCHEDULED, BEGINS, CANCELLED)
    (row,) = scene.replayed()
    assert (row.author, row.comment, row.proof, row.present) == ("cron", "backup", "seen", 0)
    assert (row.entry_time, row.start_time, row.end_time, row.fixed, row.duration) == (START, START, START + 500, 1, 500)
    assert (row.actual_start, row.actual_end, row.cancelled, row.deleted_at) == (START, START + 100, 1, START + 100)


OF_GROUP = SCHEDULED.replace("HOST_DOWNTIME;web", "HOSTGROUP_HOST_DOWNTIME;linux")


@pytest.mark.parametrize(
    ("members", "lines", "author"),
    [
        (["linux"], [OF_GROUP], "cron"),
        (["other"], [OF_GROUP], ""),
        (["linux", "other"], [OF_GROUP, OF_GROUP.replace("linux", "other").replace("cron", "bob")], ""),
        (["linux"], [OF_GROUP, OF_GROUP.replace("linux", "other").replace("cron", "bob")], "cron"),
        (["linux"], [OF_GROUP.replace(f"[{START}]", f"[{NOW - 6000}]")], ""),
    ],
    ids=["its group", "another group", "two groups of its", "one of two is its", "before the core was configured so"],
)
def test_who_asked_for_a_group_asked_for_its_members(scene: Scene, members: list[str], lines: list[str], author: str) -> None:
    for group in members:
        scene.member("hostgroup", group, "web")
    scene.logged(*lines, BEGINS, CANCELLED)
    (row,) = scene.replayed()
    assert (row.author, row.start_time, row.fixed) == (author, *((START, 1) if author else (None, None)))


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
    known(scene, actual_end=START + 500.0)
    scene.logged(SCHEDULED, BEGINS, CANCELLED)
    (row,) = scene.replayed()
    assert (row.id, row.cancelled, row.deleted_at, row.actual_end) == (7, 1, START + 100, START + 100)


def test_an_end_by_itself_that_a_core_saw_late_stays(scene: Scene) -> None:
    known(scene, actual_end=START + 500.0)
    scene.logged(SCHEDULED, BEGINS, STOPPED.replace(str(START + 500), str(START + 560)))
    (row,) = scene.replayed()
    assert (row.cancelled, row.actual_end) == (0, START + 500)


def test_what_stands_is_left_alone(scene: Scene) -> None:
    known(scene, present=1)
    scene.logged(SCHEDULED, BEGINS, CANCELLED)
    assert [(row.id, row.present, row.cancelled) for row in scene.replayed()] == [(7, 1, 0)]


def test_of_two_at_once_neither_is_corrected(scene: Scene) -> None:
    """The log does not say which of them ended."""
    known(scene, actual_end=START + 500.0)
    known(scene, id=8, comment="another", actual_end=START + 480.0)
    scene.logged(SCHEDULED, BEGINS, CANCELLED)
    assert [(row.id, row.actual_end) for row in scene.replayed()] == [(7, START + 500), (8, START + 480)]


def test_one_that_was_refused_never_was(scene: Scene) -> None:
    """An entry of ours that never stood hides no downtime of somebody else."""
    known(scene, proof="refused", core_id=None)
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
    known(scene, actual_end=START + 500.0)
    scene.logged(SCHEDULED, BEGINS, OTHER, CANCELLED.replace(str(START + 100), str(START + 900)))
    assert [(row.cancelled, row.actual_end) for row in scene.replayed()] == [(0, START + 500)]


def test_who_deleted_it_and_when_stays(scene: Scene) -> None:
    known(scene, actual_end=START + 100.0, cancelled=1, deleted_at=START + 100.0, deleted_by="alice")
    scene.logged(SCHEDULED, BEGINS, OTHER, CANCELLED.replace(str(START + 100), str(START + 450)))
    assert [(row.deleted_at, row.actual_end, row.deleted_by) for row in scene.replayed()] == [(START + 100, START + 100, "alice")]


def test_what_stands_again_meanwhile_is_left_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lane stores, between our look and our writing, that a crash brought it back."""
    known(scene, actual_end=START + 400.0, cancelled=1, deleted_at=START + 400.0)
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
