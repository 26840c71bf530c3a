"""Generations and verdicts are stored in slices: a death of ours between two of them loses nothing and tells nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.commands.lifecycle import State
from engine.journal import slices
from engine.journal.history import entries_of
from engine.journal.slices import Slices
from engine.journal.store import Journal
from tests.engine.pollers.lane_scene import LaneScene, lane_scene

MANY = 12


class Died(BaseException):
    """The engine was killed."""


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LaneScene]:
    """Every unit is a transaction of its own."""
    monkeypatch.setattr(slices, "SLICE_S", -1.0)
    with lane_scene(tmp_path) as made:
        yield made


@contextmanager
def dying_in(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The transaction after the first `number` is never begun."""
    left = [number]
    transaction = Journal.transaction

    def counted(journal: Journal):  # type: ignore[no-untyped-def]
        if not left[0]:
            raise Died
        left[0] -= 1
        return transaction(journal)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "transaction", counted)
        yield


def downtimes(scene: LaneScene) -> list[str]:
    """MANY of them, accepted, on two hosts in turn."""
    return [scene.accept("SCHEDULE_HOST_DOWNTIME", ("web", "db")[number % 2]) for number in range(MANY)]


def restart(scene: LaneScene) -> None:
    """The core is killed, and started two seconds later."""
    scene.core.kill()
    scene.clock.at += 2
    scene.core.start()


def test_each_unit_is_whole_and_others_may_write_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE_S", -1.0)
    journal, other = Journal.open(tmp_path), Journal.open(tmp_path)
    with pytest.raises(Died), Slices(journal) as work:
        with work.unit() as connection:
            connection.execute("CREATE TABLE kept (n)")
            connection.execute("INSERT INTO kept VALUES (1)")
        with other.transaction() as connection:
            connection.execute("INSERT INTO kept VALUES (2)")
        with work.unit() as connection:
            connection.execute("INSERT INTO kept VALUES (3)")
            raise Died
    assert journal.connection.execute("SELECT n FROM kept").fetchall() == [(1,), (2,)]
    with journal.transaction():
        pass  # nothing was left open
    journal.close()
    other.close()


@pytest.mark.parametrize("number", (1, MANY // 2, MANY))
def test_a_generation_is_begun_anew_by_the_next_life(scene: LaneScene, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    made = downtimes(scene)
    scene.turn()
    assert {scene.state(one) for one in made} == {State.PROCESSED}
    scene.clock.at += 3
    with pytest.raises(Died), dying_in(number, monkeypatch):
        scene.generation()
        scene.step()
    scene.crash()
    scene.settle(2)
    assert {scene.state(one) for one in made} == {State.CONFIRMED}
    assert [scene.steps(one).count("confirmed") for one in made] == [1] * MANY
    assert len(scene.entries()) == MANY and {entry.proof for entry in scene.entries()} == {"confirmed"}


@pytest.mark.parametrize("number", (1, MANY - 1))
def test_what_a_crash_of_the_core_took_is_told_once_wherever_we_die(
    scene: LaneScene, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    made = downtimes(scene)
    scene.settle(2)
    assert {scene.state(one) for one in made} == {State.CONFIRMED}
    restart(scene)
    scene.lane.follow_log()
    scene.clock.at += 3
    with pytest.raises(Died), dying_in(number, monkeypatch):
        scene.generation()
        scene.lane.take_generation()
    scene.crash()
    scene.settle(2)
    assert [scene.steps(one).count("lost_by_core") for one in made] == [1] * MANY
    assert not any(entry.present for entry in scene.entries())


@pytest.mark.parametrize("again", (0, 3))
@pytest.mark.parametrize("number", (1, MANY + 1))
def test_what_was_seen_and_not_judged_before_a_power_cut_is_written_again(
    scene: LaneScene, monkeypatch: pytest.MonkeyPatch, number: int, again: int
) -> None:
    """Found in random stories: the entry was bound to what the core showed, both died, and the command was called confirmed by the
    first file of the new run, which does not show it."""
    scene.generation()
    scene.step()
    made = [scene.accept("SCHEDULE_HOST_SVC_DOWNTIME", "web", members=("disk", "http")) for _ in range(MANY)]
    scene.turn()
    assert {scene.state(one) for one in made} == {State.PROCESSED}
    scene.clock.at += 3
    with pytest.raises(Died), dying_in(number, monkeypatch):
        scene.generation()
        scene.step()
    restart(scene)
    scene.clock.at += 3
    scene.crash()
    with pytest.raises(Died), dying_in(again, monkeypatch):
        scene.generation()
        scene.step(2)
    scene.crash()
    scene.settle(6)
    assert {scene.state(one) for one in made} <= {State.CONFIRMED, State.LOST_BY_CORE}
    for one in made:
        confirmed = scene.state(one) is State.CONFIRMED
        assert [scene.core.standing(entry.comment) for entry in entries_of(scene.journal.connection, one)] == [2 * confirmed] * 2
        assert [entry.present for entry in entries_of(scene.journal.connection, one)] == [int(confirmed)] * 2


@pytest.mark.parametrize("number", (0, 1))
def test_verdicts_are_proven_again_by_the_next_life(scene: LaneScene, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    made = downtimes(scene)
    scene.step()
    scene.core.read()
    with pytest.raises(Died), dying_in(number, monkeypatch):
        scene.lane.follow_log()
    scene.crash()
    scene.core.read()
    scene.settle(2)
    assert [scene.steps(one).count("processed") for one in made] == [1] * MANY
    assert scene.core.standing("work 1") == 1 and len(scene.core.memory.downtimes) == MANY
