"""Acknowledgements that end at a time are taken back once, and nobody else's with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.commands.lifecycle import State
from tests.engine.pollers.lane_scene import LaneScene, lane_scene

LASTS_S = 30.0


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[LaneScene]:
    with lane_scene(tmp_path) as made:
        yield made


def acknowledged(scene: LaneScene, *, comment: str = "mine", expires: bool = True) -> str:
    """An acknowledgement of the host, confirmed; it ends after `LASTS_S`."""
    seen = scene.core.memory.objects[("web", None)].last_state_change
    made = scene.accept("ACKNOWLEDGE_HOST_PROBLEM", seen=seen, comment=comment)
    if expires:
        with scene.journal.transaction() as connection:
            connection.execute("UPDATE entry SET end_time = ? WHERE command_id = ?", (scene.clock.at + LASTS_S, made))
    scene.settle(2)
    assert scene.state(made) is State.CONFIRMED
    return made


def is_acknowledged(scene: LaneScene) -> bool:
    return bool(scene.core.memory.objects[("web", None)].acknowledged)


def removals(scene: LaneScene) -> list[State]:
    return [command.state for command in scene.commands() if command.name == "REMOVE_HOST_ACKNOWLEDGEMENT"]


def test_not_before_its_time_then_once_also_over_our_death(scene: LaneScene) -> None:
    acknowledged(scene)
    scene.settle(3)
    assert is_acknowledged(scene) and removals(scene) == []
    scene.clock.at += LASTS_S
    scene.generation()
    scene.lane.take_generation()
    scene.generation()
    scene.lane.take_generation()
    scene.crash()
    scene.settle(6)
    assert not is_acknowledged(scene) and removals(scene) == [State.CONFIRMED]


def test_another_programs_newer_one_stays_however_equal(scene: LaneScene) -> None:
    acknowledged(scene)
    scene.clock.at += 5
    scene.dirt(b"[%d] ACKNOWLEDGE_HOST_PROBLEM;web;2;0;0;ann;mine\n" % scene.clock.at)
    scene.clock.at += LASTS_S
    scene.settle(6)
    assert is_acknowledged(scene) and removals(scene) == []


def test_a_later_word_of_ours_that_is_not_settled_yet_is_waited_for(scene: LaneScene) -> None:
    acknowledged(scene)
    scene.clock.at += LASTS_S
    seen = scene.core.memory.objects[("web", None)].last_state_change
    later = scene.accept("ACKNOWLEDGE_HOST_PROBLEM", seen=seen, comment="longer")
    scene.generation()
    scene.lane.take_generation()
    assert removals(scene) == []
    scene.settle(6)
    assert is_acknowledged(scene) and removals(scene) == [] and scene.state(later) is State.CONFIRMED


def test_one_without_an_end_stays(scene: LaneScene) -> None:
    acknowledged(scene, expires=False)
    scene.clock.at += LASTS_S
    scene.settle(3)
    assert is_acknowledged(scene) and removals(scene) == []


def test_a_core_that_refuses_is_not_asked_again_and_again(scene: LaneScene, monkeypatch: pytest.MonkeyPatch) -> None:
    acknowledged(scene)
    execute = type(scene.core)._execute
    monkeypatch.setattr(type(scene.core), "_execute", lambda core, name, *more: name[0] != "R" and execute(core, name, *more))
    scene.clock.at += LASTS_S
    scene.settle(6)
    assert is_acknowledged(scene) and removals(scene) == [State.REFUSED]
