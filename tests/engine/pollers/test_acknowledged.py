"""Acknowledgements that only the logs know come into the journal once; what is known of others is completed, never overwritten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.journal.history import EntryRow
from engine.journal.store import Journal
from engine.model import CoreKind
from tests.engine.pollers.logged import NOW, Scene, opened

START = NOW - 1000
DOWN = f"[{START - 50}] HOST ALERT: web;DOWN;HARD;3;no answer"
ASKED = f"[{START}] EXTERNAL COMMAND: ACKNOWLEDGE_HOST_PROBLEM;web;2;1;1;rita;on it"
UP = f"[{START + 100}] HOST ALERT: web;UP;HARD;1;back"
REMOVED = f"[{START + 60}] EXTERNAL COMMAND: REMOVE_HOST_ACKNOWLEDGEMENT;web"
KNOWN = EntryRow(7, "acknowledgement", 1, "web", "", "rita", "on it", "seen", 1, START, sticky=1, object_state=1, core_id=3)
OURS = KNOWN._replace(command_id="c", notify=0)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with opened(tmp_path) as made:
        yield made


@pytest.mark.parametrize(("ends", "at"), [((UP,), START + 100), ((REMOVED, UP), START + 60), ((), NOW)], ids=["up", "removed", "?"])
def test_one_that_nobody_saw_is_listed_whole(scene: Scene, ends: tuple[str, ...], at: float) -> None:
    """Where the log tells of no end, it had ended when the status file came that no longer shows it."""
    scene.logged(DOWN, ASKED, *ends)
    (row,) = scene.replayed()
    assert (row.kind, row.host, row.service, row.author, row.comment) == ("acknowledgement", "web", "", "rita", "on it")
    assert (row.proof, row.present, row.entry_time, row.cancelled, row.deleted_at) == ("seen", 0, START, 1, at)
    assert (row.sticky, row.notify, row.persistent, row.object_state) == (1, 1, 1, 1)
    assert scene.replayed() == [row], "after a restart, too"


def test_those_of_a_long_log_are_stored_fifty_at_a_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one, each would wait for the disk, and for its turn at the journal; all at once, everybody would wait for them."""
    lines = []
    for number in range(120):
        at = START + 2 * number
        lines += [
            f"[{at}] HOST ALERT: web;DOWN;HARD;3;no answer",
            f"[{at}] EXTERNAL COMMAND: ACKNOWLEDGE_HOST_PROBLEM;web;2;1;1;rita;{number}",
        ]
        lines.append(f"[{at + 1}] HOST ALERT: web;UP;HARD;1;back")
    scene.logged(*lines)
    real, stored = Journal.transaction, list[int]()

    @contextmanager
    def counted(self: Journal, **how: bool) -> Iterator[sqlite3.Connection]:
        before = len(scene.rows())
        with real(self, **how) as connection:
            yield connection
        stored.append(len(scene.rows()) - before)

    monkeypatch.setattr(Journal, "transaction", counted)
    assert len(scene.replayed()) == 120
    assert [count for count in stored if count] == [50, 50, 20]


def test_one_that_expired_was_not_taken_back(scene: Scene) -> None:
    asked = f"[{START}] EXTERNAL COMMAND: ACKNOWLEDGE_HOST_PROBLEM_EXPIRE;web;1;0;0;{START + 30};rita;on it"
    scene.logged(DOWN, asked, UP)
    assert [(row.end_time, row.cancelled, row.deleted_at, row.notify) for row in scene.replayed()] == [(START + 30, 0, None, 0)]


@pytest.mark.parametrize("before", [(), (UP.replace(str(START + 100), str(START - 10)),)], ids=["unknown", "up"])
def test_where_no_problem_is_known_nothing_is_invented(scene: Scene, before: tuple[str, ...]) -> None:
    """A core takes no acknowledgement of what is well, and says nothing of that."""
    scene.logged(*before, ASKED, f"[{START + 10}] HOST ALERT: web;DOWN;HARD;3;no answer")
    assert scene.replayed() == []


def test_nothing_is_done_before_the_lane_has_seen_what_stands(scene: Scene) -> None:
    scene.logged(DOWN, ASKED, UP)
    assert scene.replayed(times=1) == []


def test_whether_contacts_are_told_is_added_at_once(scene: Scene) -> None:
    scene.known(KNOWN)
    scene.logged(DOWN, ASKED)
    assert [row.notify for row in scene.replayed(times=1)] == [1]
    scene.known(KNOWN._replace(id=8, comment="another", entry_time=START + 1))
    assert [(row.id, row.notify) for row in scene.replayed()] == [(7, 1), (8, None)], "of another nobody knows"


def test_an_end_that_was_noticed_late_is_the_logs(scene: Scene) -> None:
    scene.known(KNOWN._replace(present=0, cancelled=1, deleted_at=NOW - 10.0))
    scene.logged(DOWN, ASKED, UP)
    assert [(row.id, row.deleted_at, row.notify) for row in scene.replayed()] == [(7, START + 100, 1)]


@pytest.mark.parametrize(
    "row",
    [
        OURS._replace(present=0, cancelled=1, deleted_at=START + 400.0, deleted_by="alice"),
        OURS._replace(present=0, proof="no_effect", core_id=None),
        OURS._replace(present=0, cancelled=1, deleted_at=START + 98.0, entry_time=START - 1000.0),
        OURS,
    ],
    ids=["deleted by somebody", "ours without effect", "ours that waited", "stands"],
)
def test_what_is_known_stays(scene: Scene, row: EntryRow) -> None:
    scene.known(row)
    scene.logged(DOWN, ASKED, UP)
    assert scene.replayed() == [row]


@pytest.mark.parametrize(("kind", "stood"), [(CoreKind.NAGIOS, ["on it", "mine"]), (CoreKind.ICINGA2, ["on it"])])
def test_a_second_one_of_what_is_acknowledged(scene: Scene, kind: CoreKind, stood: list[str]) -> None:
    """Nagios puts it in the place of the first, Icinga 2 refuses it without a word in this log."""
    again = ASKED.replace(str(START), str(START + 20)).replace("rita;on it", "bob;mine")
    scene.logged(DOWN, ASKED, again, UP)
    rows = scene.replayed(kind=kind)
    assert [row.comment for row in rows] == stood
    assert rows[0].deleted_at == (START + 20 if len(rows) > 1 else START + 100)


def test_one_whose_comment_the_core_lost_may_be_the_one_that_stands(scene: Scene) -> None:
    scene.known(KNOWN._replace(author="", comment="", entry_time=NOW - 5.0))
    scene.logged(DOWN, ASKED)
    assert [row.id for row in scene.replayed()] == [7]
