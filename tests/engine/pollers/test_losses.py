"""What a core lost in a crash is asked again where the configuration says so, and never against what was said since."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.commands.lifecycle import State
from engine.config import REAPPLY_VERBS
from tests.engine.pollers.lane_scene import LaneScene, lane_scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[LaneScene]:
    with lane_scene(tmp_path, reapply_lost=tuple(REAPPLY_VERBS)) as made:
        yield made


def confirmed(scene: LaneScene, made: str) -> str:
    scene.settle(3)
    assert scene.state(made) is State.CONFIRMED
    return made


def back_from_a_crash(scene: LaneScene) -> None:
    """The core, killed before, starts again with what it had saved."""
    scene.step()
    scene.clock.at += 2
    scene.core.start()
    scene.clock.at += 3
    scene.generation()
    scene.settle(6)


def asked_again(scene: LaneScene, made: str) -> list[str]:
    return [command.name for command in scene.commands() if made in command.cause]


def test_what_was_lost_is_asked_again(scene: LaneScene) -> None:
    made = confirmed(scene, scene.accept("SCHEDULE_HOST_DOWNTIME"))
    scene.core.kill()
    back_from_a_crash(scene)
    assert scene.state(made) is State.LOST_BY_CORE and asked_again(scene, made) == ["SCHEDULE_HOST_DOWNTIME"]
    assert scene.core.standing("work 1") == 1


def test_what_explains_itself_is_no_loss(scene: LaneScene) -> None:
    """A window that ended while the core was away; what was executed as its deletion right before the crash."""
    ended = confirmed(scene, scene.accept("SCHEDULE_HOST_DOWNTIME", "db", end=int(scene.clock.at) + 60))
    made = confirmed(scene, scene.accept("SCHEDULE_HOST_DOWNTIME"))
    deleted = scene.accept("DEL_HOST_DOWNTIME", entry_id=scene.entry(made).id)
    scene.turn(0.1)
    assert scene.state(deleted) is State.PROCESSED
    scene.core.kill()
    scene.clock.at += 120
    back_from_a_crash(scene)
    assert [scene.state(one) for one in (ended, made, deleted)] == [State.CONFIRMED] * 3
    assert not any(command.cause for command in scene.commands()) and not scene.core.memory.downtimes


@pytest.mark.parametrize("how", ["by its id", "by meaning"])
def test_a_downtime_that_somebody_deletes_while_its_core_is_away_is_not_made_again(scene: LaneScene, how: str) -> None:
    made = confirmed(scene, scene.accept("SCHEDULE_HOST_DOWNTIME"))
    scene.core.kill()
    if how == "by its id":
        scene.accept("DEL_HOST_DOWNTIME", entry_id=scene.entry(made).id)
    else:
        scene.accept("DEL_DOWNTIME_BY_HOST_NAME", ttl_s=86_400)
    back_from_a_crash(scene)
    assert scene.state(made) is State.LOST_BY_CORE and asked_again(scene, made) == []
    assert scene.core.standing("work 1") == 0


@pytest.mark.parametrize("name", ["DEL_HOST_COMMENT", "DEL_ALL_HOST_COMMENTS"])
def test_a_comment_that_somebody_deletes_while_its_core_is_away_is_not_made_again(scene: LaneScene, name: str) -> None:
    made = confirmed(scene, scene.accept("ADD_HOST_COMMENT", persistent=True))
    scene.core.kill()
    scene.accept(name, entry_id=scene.entry(made).id if name == "DEL_HOST_COMMENT" else None)
    back_from_a_crash(scene)
    assert scene.state(made) is State.LOST_BY_CORE and asked_again(scene, made) == []
    assert not scene.core.memory.comments


@pytest.mark.parametrize("later", ["", "REMOVE_HOST_ACKNOWLEDGEMENT", "ACKNOWLEDGE_HOST_PROBLEM"])
def test_an_acknowledgement_is_given_again_unless_it_was_taken_back_or_replaced_meanwhile(scene: LaneScene, later: str) -> None:
    seen = scene.core.memory.objects[("web", None)].last_state_change
    made = confirmed(scene, scene.accept("ACKNOWLEDGE_HOST_PROBLEM", seen=seen))
    scene.core.kill()
    if later:
        scene.accept(later, seen=seen)
    back_from_a_crash(scene)
    assert scene.state(made) is State.LOST_BY_CORE
    assert asked_again(scene, made) == ([] if later else ["ACKNOWLEDGE_HOST_PROBLEM"])
    assert scene.core.memory.objects[("web", None)].acknowledged == (later != "REMOVE_HOST_ACKNOWLEDGEMENT")
    newest = max(scene.core.memory.comments, default=0)
    if later == "ACKNOWLEDGE_HOST_PROBLEM":
        assert scene.core.memory.comments[newest].comment == "work 2"


@pytest.mark.parametrize("later", [False, True])
def test_an_acknowledgement_that_is_back_is_taken_away_again_unless_another_was_given_meanwhile(
    scene: LaneScene, later: bool
) -> None:
    seen = scene.core.memory.objects[("web", None)].last_state_change
    confirmed(scene, scene.accept("ACKNOWLEDGE_HOST_PROBLEM", seen=seen))
    scene.core.save()
    removed = confirmed(scene, scene.accept("REMOVE_HOST_ACKNOWLEDGEMENT", seen=seen))
    scene.core.kill()
    if later:
        scene.accept("ACKNOWLEDGE_HOST_PROBLEM", seen=seen)
    back_from_a_crash(scene)
    assert scene.state(removed) is State.LOST_BY_CORE
    assert asked_again(scene, removed) == ([] if later else ["REMOVE_HOST_ACKNOWLEDGEMENT"])
    assert scene.core.memory.objects[("web", None)].acknowledged == later


@pytest.mark.parametrize("later", [False, True])
def test_a_switch_is_set_again_unless_it_was_set_back_meanwhile(scene: LaneScene, later: bool) -> None:
    made = confirmed(scene, scene.accept("DISABLE_HOST_NOTIFICATIONS"))
    scene.core.kill()
    if later:
        scene.accept("ENABLE_HOST_NOTIFICATIONS")
    back_from_a_crash(scene)
    assert asked_again(scene, made) == ([] if later else ["DISABLE_HOST_NOTIFICATIONS"])
    assert scene.core.memory.objects[("web", None)].notifications_enabled == later


def test_of_several_downtimes_those_nobody_deleted_are_made_again_each_by_itself(scene: LaneScene) -> None:
    made = confirmed(scene, scene.accept("SCHEDULE_HOST_SVC_DOWNTIME", members=("disk", "http")))
    one = next(entry for entry in scene.entries() if entry.service == "disk")
    confirmed(scene, scene.accept("DEL_SVC_DOWNTIME", service="disk", entry_id=one.id))
    scene.core.kill()
    back_from_a_crash(scene)
    assert scene.state(made) is State.LOST_BY_CORE and asked_again(scene, made) == ["SCHEDULE_SVC_DOWNTIME"]
    assert [block.service_description for block in scene.core.memory.downtimes.values()] == ["http"]
