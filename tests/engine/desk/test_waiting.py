"""Waiting at the desk: woken by hints, saved by re-reading when they are lost, and honest when the time is up."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.commands.lifecycle import State
from engine.desk import CheckResult, Desk, Receipt
from engine.errors import JournalError, UnknownObject
from engine.hints import tell_desks
from engine.model import ObjectKey
from tests.engine.desk.scene import OPERATOR, SOUTH_ONLY, Scene, at_desk, scene_in, target, window


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with scene_in(tmp_path) as made:
        yield made


async def comment(desk: Desk, text: str = "c") -> Receipt:
    return (await desk.add_comment(OPERATOR, [target("web01")], comment=text, persistent=True))[0]


async def settle_while(scene: Scene, desk: Desk, ids: list[str], until: str, *moves: State, hint: bool) -> tuple[Any, float]:
    """Wait for `until` while the lane takes steps; (lives, seconds from the last step to the answer)."""
    waiting = asyncio.create_task(desk.settle(OPERATOR, ids, until=until, timeout_s=20))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    for command_id in ids:
        await asyncio.to_thread(scene.move, command_id, *moves)
    moved = time.monotonic()
    if hint:
        await asyncio.to_thread(tell_desks, scene.data, ids)
    lives = await waiting
    return lives, time.monotonic() - moved


def test_a_hint_wakes_at_once_even_if_nothing_is_ever_read_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.desk.waiting._REREAD_S", 15.0)

    async def work(desk: Desk) -> float:
        made = await comment(desk)
        lives, took = await settle_while(
            scene, desk, [made.command_id], "processed", State.WRITING, State.WRITTEN, State.PROCESSED, hint=True
        )
        assert [life.state for life in lives] == ["processed"]
        assert lives[0].effect_pending
        return took

    assert at_desk(scene, work) < 10


def test_a_lost_hint_costs_a_re_read(scene: Scene) -> None:
    async def work(desk: Desk) -> float:
        made = await comment(desk)
        lives, took = await settle_while(
            scene, desk, [made.command_id], "processed", State.WRITING, State.WRITTEN, State.PROCESSED, hint=False
        )
        assert [life.state for life in lives] == ["processed"]
        return took

    assert at_desk(scene, work) < 10


@pytest.mark.parametrize("state", [State.REFUSED, State.UNKNOWN, State.CONFIRMED, State.PARTIAL])
def test_a_last_state_is_more_than_processed(scene: Scene, state: State) -> None:
    async def work(desk: Desk) -> None:
        made = await comment(desk)
        lives, _ = await settle_while(scene, desk, [made.command_id], "processed", State.WRITING, State.WRITTEN, state, hint=True)
        assert (lives[0].state, lives[0].final) == (str(state), True)

    at_desk(scene, work)


def test_final_waits_beyond_processed(scene: Scene) -> None:
    async def work(desk: Desk) -> None:
        made = await comment(desk)
        scene.processed(made.command_id)
        (life,) = await desk.settle(OPERATOR, [made.command_id], until="final", timeout_s=0.4)
        assert (life.state, life.final) == ("processed", False)
        lives, _ = await settle_while(scene, desk, [made.command_id], "final", State.CONFIRMED, hint=True)
        assert (lives[0].state, lives[0].final, lives[0].effect_pending) == ("confirmed", True, False)

    at_desk(scene, work)


def test_all_are_waited_for_and_answered_in_the_order_asked(scene: Scene) -> None:
    async def work(desk: Desk) -> None:
        made = [(await comment(desk, f"n {n}")).command_id for n in range(5)]
        asked = [*reversed(made), made[0]]
        waiting = asyncio.create_task(desk.settle(OPERATOR, asked, until="processed", timeout_s=10))
        for command_id in made:
            await asyncio.sleep(0.02)
            assert not waiting.done()
            scene.processed(command_id)
            tell_desks(scene.data, [command_id])
        assert [life.id for life in await waiting] == asked

    at_desk(scene, work)


def test_when_the_time_is_up_the_lives_say_how_far_each_came(scene: Scene) -> None:
    async def work(desk: Desk) -> None:
        first, second = await comment(desk, "a"), await comment(desk, "b")
        scene.processed(first.command_id)
        began = time.monotonic()
        lives = await desk.settle(OPERATOR, [first.command_id, second.command_id], until="processed", timeout_s=0.3)
        assert time.monotonic() - began > 0.25
        assert [life.state for life in lives] == ["processed", "accepted"]
        (now,) = await desk.settle(OPERATOR, [second.command_id], until="processed", timeout_s=0)
        assert now.state == "accepted"

    at_desk(scene, work)


def test_nobody_waits_for_what_is_out_of_scope(scene: Scene) -> None:
    async def work(desk: Desk) -> None:
        made = await comment(desk)
        for command_id in (made.command_id, "nosuch", "\ud800"):
            with pytest.raises(UnknownObject):
                await desk.settle(SOUTH_ONLY, [command_id], until="final", timeout_s=3600)

    at_desk(scene, work)


def test_two_desks_both_hear_of_it_and_leave_no_socket_behind(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.desk.waiting._REREAD_S", 3600.0)

    async def work(desk: Desk) -> None:
        other = Desk(scene.config)
        await other.open()
        assert len(list(scene.data.glob("desk-*.sock"))) == 2
        made = await comment(desk)
        waiting = asyncio.create_task(other.settle(OPERATOR, [made.command_id], until="final", timeout_s=3600))
        await asyncio.sleep(0.1)
        # Withdrawn at one desk: who waits at the other is told.
        await desk.cancel_command(OPERATOR, made.command_id)
        (life,) = await waiting
        assert life.state == "cancelled"
        await other.close()

    at_desk(scene, work)
    assert list(scene.data.glob("desk-*.sock")) == []


# --- restart and health -----------------------------------------------------------------------------------------------------


def test_another_desk_goes_on_where_one_ended(scene: Scene) -> None:
    first = at_desk(scene, comment)
    again = at_desk(scene, comment)
    other = at_desk(scene, lambda desk: comment(desk, "other"))
    assert (again.command_id, again.joined, other.joined) == (first.command_id, True, False)
    assert other.command_id > first.command_id
    assert first.entry_id is not None and other.entry_id == first.entry_id + 1
    life = at_desk(scene, lambda desk: desk.life(OPERATOR, first.command_id))
    assert (life.state, life.entry_id) == ("accepted", first.entry_id)


def test_a_closed_desk_says_so(scene: Scene) -> None:
    async def run() -> None:
        desk = Desk(scene.config)
        await desk.open()
        await desk.close()
        await desk.close()
        with pytest.raises(JournalError):
            await comment(desk)

    asyncio.run(run())


def test_health_reads_the_live_connection_and_asks_for_the_engine(scene: Scene) -> None:
    async def work(desk: Desk) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        scene.set_poller(1, created=time.time() - 40, clock_offset_s=0.0)
        nobody = await desk.health()
        lock = os.open(scene.data / "engine.lock", os.O_RDWR | os.O_CREAT, 0o660)
        free = await desk.health()
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = await desk.health()
        os.close(lock)
        return nobody, free, held

    nobody, free, held = at_desk(scene, work)
    assert [health["engine_alive"] for health in (nobody, free, held)] == [False, False, True]
    assert (held["synchronous"], held["journal_schema"]) == (2, "2")
    assert held["view_age_s"]["north"] == pytest.approx(40, abs=3)
    assert held["view_age_s"]["south"] < 10


def test_two_desks_that_look_at_once_do_not_take_each_other_for_the_engine(scene: Scene) -> None:
    lock = os.open(scene.data / "engine.lock", os.O_RDWR | os.O_CREAT, 0o660)
    fcntl.flock(lock, fcntl.LOCK_SH)
    assert at_desk(scene, lambda desk: desk.health())["engine_alive"] is False
    os.close(lock)


def test_looking_for_the_engine_does_not_keep_one_from_starting(scene: Scene) -> None:
    async def work(desk: Desk) -> None:
        lock = os.open(scene.data / "engine.lock", os.O_RDWR | os.O_CREAT, 0o660)
        await desk.health()
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(lock)

    at_desk(scene, work)


# --- what a life says ---------------------------------------------------------------------------------------------------------


PATHS: dict[State, tuple[State, ...]] = {
    State.ACCEPTED: (),
    State.HELD: (State.HELD,),
    State.WRITING: (State.WRITING,),
    State.WRITTEN: (State.WRITING, State.WRITTEN),
    State.PROCESSED: (State.WRITING, State.WRITTEN, State.PROCESSED),
    State.CONFIRMED: (State.WRITING, State.CONFIRMED),
    State.PARTIAL: (State.WRITING, State.PARTIAL),
    State.REFUSED: (State.WRITING, State.REFUSED),
    State.NO_EFFECT: (State.WRITING, State.PROCESSED, State.NO_EFFECT),
    State.EXPIRED: (State.HELD, State.EXPIRED),
    State.CANCELLED: (State.CANCELLED,),
    State.UNKNOWN: (State.WRITING, State.UNKNOWN),
    State.LOST_BY_CORE: (State.WRITING, State.CONFIRMED, State.LOST_BY_CORE),
}


@pytest.mark.parametrize("state", list(State))
def test_every_state_that_leaves_something_to_do_advises(scene: Scene, state: State) -> None:
    made = at_desk(scene, comment)
    for step in PATHS[state]:
        scene.move(made.command_id, step, evidence=f"[1] {step}")
    life = at_desk(scene, lambda desk: desk.life(OPERATOR, made.command_id))
    assert life.state == str(state)
    assert [step.state for step in life.steps] == ["accepted", *map(str, PATHS[state])]
    assert [step.evidence for step in life.steps[1:]] == [f"[1] {step}" for step in PATHS[state]]
    assert (life.advice == "") is (state in (State.CONFIRMED, State.CANCELLED))
    assert life.effect_pending is (state is State.PROCESSED)
    assert life.final is (state not in (State.ACCEPTED, State.HELD, State.WRITING, State.WRITTEN, State.PROCESSED))
    if state in (State.ACCEPTED, State.HELD, State.WRITING, State.WRITTEN):
        assert str(scene.config.pollers[0].command_file) in life.advice
        assert "safe" in life.advice
    if life.advice:
        assert life.advice.endswith(".")


def test_overtaken_is_another_story_than_given_up(scene: Scene) -> None:
    made = at_desk(scene, comment)
    scene.move(made.command_id, State.EXPIRED, reason="overtaken: the object changed state")
    life = at_desk(scene, lambda desk: desk.life(OPERATOR, made.command_id))
    assert life.reason.startswith("overtaken")
    assert "Start" not in life.advice
    assert "as it is now" in life.advice


def test_repeating_a_result_is_not_called_safe(scene: Scene) -> None:
    (made,) = at_desk(scene, lambda desk: desk.submit_results(OPERATOR, [CheckResult(target("web01"), 0, "ok")]))
    life = at_desk(scene, lambda desk: desk.life(OPERATOR, made.command_id))
    assert "safe" not in life.advice


def test_a_life_in_full(scene: Scene) -> None:
    (made,) = at_desk(scene, lambda desk: desk.schedule_downtime(OPERATOR, [target("web01", "HTTP")], comment="c", **window()))
    with scene.journal.transaction() as connection:
        connection.execute("UPDATE command SET line = ?, core_ids = '[7]' WHERE id = ?", (b"[1] SCHEDULE;\xff\n", made.command_id))
    life = at_desk(scene, lambda desk: desk.life(OPERATOR, made.command_id))
    (command,) = scene.commands()
    assert (life.command, life.poller, life.poller_name) == ("SCHEDULE_SVC_DOWNTIME", 1, "north")
    assert (life.host, life.service, life.entry_id) == ("web01", "HTTP", made.entry_id)
    assert (life.user, life.author, life.deadline_at) == ("olga", "olga", command.deadline_at)
    assert (life.line, life.created_core_ids) == ("[1] SCHEDULE;\ufffd", (7,))
    assert life.arguments == dict(command.arguments)
    assert (life.accepted_at, life.updated_at) == (command.accepted_at, command.updated_at)


def test_a_life_survives_its_host(scene: Scene) -> None:
    made = at_desk(scene, comment)
    scene.scan(1, gone=("web01",))

    async def work(desk: Desk) -> None:
        assert (await desk.life(OPERATOR, made.command_id)).host == "web01"
        entry = await desk.entry(OPERATOR, "comment", made.entry_id or 0)
        assert (entry.host, entry.host_id) == ("web01", None)
        assert await desk.read(lambda reader: reader.object_ids(1, [ObjectKey(1, "web01")])) == {}

    at_desk(scene, work)
