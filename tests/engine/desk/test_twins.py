"""Repeating is safe, and deleting ends what it names: twins, deletions, withdrawals, also when two desks are asked at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.commands.lifecycle import State
from engine.config import Settings
from engine.desk import Caller, Desk, Receipt
from engine.errors import CallerError, NotPossible, PollerAway, UnknownObject
from tests.engine.desk.scene import (
    ADMIN,
    ICE,
    LINUX_ONLY,
    NORTH,
    OPERATOR,
    SOUTH,
    SOUTH_ONLY,
    Scene,
    at_desk,
    host,
    scene_in,
    target,
    window,
)

ACK: dict[str, Any] = {"comment": "on it", "sticky": True, "notify": False, "persistent": True}
START = math.floor(time.time()) + 60.0


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with scene_in(tmp_path) as made:
        yield made


def downtime(scene: Scene, name: str = "web01", caller: Caller = OPERATOR, **changed: Any) -> Receipt:
    arguments = {"comment": "c"} | window(start=START) | changed
    return at_desk(scene, lambda desk: desk.schedule_downtime(caller, [target(name)], **arguments))[0]


def acknowledge(scene: Scene, **changed: Any) -> Receipt:
    return at_desk(scene, lambda desk: desk.acknowledge(OPERATOR, [target("db01")], **ACK | changed))[0]


def delete(scene: Scene, entry_id: int | None, kind: str = "downtime", caller: Caller = OPERATOR, hold: bool = True) -> Receipt:
    assert entry_id is not None
    return at_desk(scene, lambda desk: desk.delete_entry(caller, kind, entry_id, hold=hold))[0]


# --- what is the same -------------------------------------------------------------------------------------------------


def test_a_repeat_joins_its_unfinished_twin(scene: Scene) -> None:
    first = downtime(scene)
    for states in ([State.WRITING], [State.WRITTEN], [State.PROCESSED]):
        repeat = downtime(scene)
        assert (repeat.command_id, repeat.entry_id, repeat.joined) == (first.command_id, first.entry_id, True)
        scene.move(first.command_id, *states)
    assert downtime(scene).joined
    assert len(scene.commands()) == len(scene.entries()) == 1


@pytest.mark.parametrize(
    ("changed", "joins"),
    [
        ({"start": START + 60}, True),
        ({"start": START - 60}, True),
        ({"start": START + 61}, False),
        ({"end": START + 7200 + 60}, True),
        ({"end": START + 7200 + 61}, False),
        ({"comment": "d"}, False),
        ({"comment": "c "}, True),
        ({"name": "db01"}, False),
        ({"caller": ADMIN, "author": "olga"}, True),
        ({"caller": ADMIN}, False),
        ({"fixed": False, "duration": 600.0}, False),
    ],
)
def test_twins_are_equal_in_object_author_text_and_window(scene: Scene, changed: dict[str, Any], joins: bool) -> None:
    downtime(scene)
    assert downtime(scene, **changed).joined is joins
    assert len(scene.commands()) == (1 if joins else 2)


def test_the_same_host_on_another_poller_is_another_object(scene: Scene) -> None:
    async def work(desk: Desk) -> list[bool]:
        made = []
        for poller in (NORTH, SOUTH, NORTH):
            here = [target("both", poller=poller)]
            made += await desk.schedule_downtime(OPERATOR, here, comment="c", **window(start=START))
        return [receipt.joined for receipt in made]

    assert at_desk(scene, work) == [False, False, True]


def test_flexible_twins_have_the_same_duration(scene: Scene) -> None:
    downtime(scene, fixed=False, duration=600.0)
    assert downtime(scene, fixed=False, duration=660.0).joined
    assert not downtime(scene, fixed=False, duration=900.0).joined


def test_a_twin_that_succeeded_is_joined_for_ten_minutes_while_what_it_made_stands(scene: Scene) -> None:
    window_s = Settings().twin_window_s
    young = downtime(scene)
    scene.confirmed(young.command_id, at=time.time() - window_s + 20)
    assert downtime(scene).joined
    old = downtime(scene, comment="old")
    scene.confirmed(old.command_id, at=time.time() - window_s - 20)
    assert not downtime(scene, comment="old").joined


def test_a_twin_whose_entry_ended_is_not_joined(scene: Scene) -> None:
    first = downtime(scene)
    scene.confirmed(first.command_id)
    assert first.entry_id is not None
    scene.set_entry(first.entry_id, present=0, cancelled=1)
    assert not downtime(scene).joined


@pytest.mark.parametrize("state", [State.REFUSED, State.UNKNOWN])
def test_a_twin_that_failed_is_not_joined(scene: Scene, state: State) -> None:
    first = downtime(scene)
    scene.move(first.command_id, State.WRITING, State.WRITTEN, state)
    assert not downtime(scene).joined


def test_a_twin_that_is_being_deleted_is_not_joined(scene: Scene) -> None:
    first = downtime(scene)
    scene.confirmed(first.command_id)
    removal = delete(scene, first.entry_id)
    again = downtime(scene)
    assert not again.joined
    scene.processed(removal.command_id)
    assert downtime(scene).command_id == again.command_id


def test_with_services_is_joined_whole(scene: Scene) -> None:
    async def work(desk: Desk) -> tuple[tuple[Receipt, ...], tuple[Receipt, ...]]:
        arguments: dict[str, Any] = {"comment": "c", "with_services": True} | window(start=START)
        first = await desk.schedule_downtime(OPERATOR, [target("web01")], **arguments)
        return first, await desk.schedule_downtime(OPERATOR, [target("web01")], **arguments)

    first, repeat = at_desk(scene, work)
    assert [(one.command_id, one.entry_id) for one in first] == [(one.command_id, one.entry_id) for one in repeat]
    assert [one.joined for one in repeat] == [True, True]
    # One of the services' downtimes was deleted meanwhile: what was asked for no longer stands.
    for receipt in first:
        scene.confirmed(receipt.command_id)
    last = scene.entries()[-1]
    scene.set_entry(last.id, present=0, cancelled=1)
    assert [one.joined for one in at_desk(scene, work)[0]] == [True, False]


def test_the_same_target_twice_in_one_call_is_one_command(scene: Scene) -> None:
    here = [target("web01"), target("web01")]
    first, second = at_desk(scene, lambda desk: desk.add_comment(OPERATOR, here, comment="c", persistent=True))
    assert (first.joined, second.joined, second.command_id) == (False, True, first.command_id)


def test_comments_and_acknowledgements_have_twins_checks_and_results_have_not(scene: Scene) -> None:
    async def work(desk: Desk) -> None:
        for persistent in (True, True, False):
            await desk.add_comment(OPERATOR, [target("web01")], comment="c", persistent=persistent)
        for sticky in (True, True, False):
            await desk.acknowledge(OPERATOR, [target("db01")], **ACK | {"sticky": sticky})
        for _ in range(2):
            await desk.schedule_check(OPERATOR, [target("web01")])

    at_desk(scene, work)
    counts = Counter(command.name for command in scene.commands())
    assert counts == {"ADD_HOST_COMMENT": 2, "ACKNOWLEDGE_HOST_PROBLEM": 2, "SCHEDULE_FORCED_HOST_CHECK": 2}


def test_an_acknowledgement_of_the_last_problem_is_no_twin_of_one_for_this_problem(scene: Scene) -> None:
    """Held while the core was away, the host recovered and failed again: the old one will expire, the new one must be sent."""
    first = acknowledge(scene)
    scene.move(first.command_id, State.HELD)
    assert acknowledge(scene).joined
    scene.scan(NORTH, host("db01", 1, last_state_change=1_700_000_900.0))
    second = acknowledge(scene)
    assert not second.joined
    assert scene.commands()[1].seen_state_change == 1_700_000_900.0


def test_a_sticky_acknowledgement_that_still_stands_is_joined_across_a_change_of_state(scene: Scene) -> None:
    scene.confirmed(acknowledge(scene).command_id)
    changed = {"last_state_change": 1_700_000_900.0, "acknowledged": 1}
    scene.scan(NORTH, host("db01", 2, **changed))
    assert acknowledge(scene).joined
    scene.scan(NORTH, host("db01", 2, **changed | {"acknowledged": 0}))
    assert not acknowledge(scene).joined


def test_a_repeated_acknowledgement_on_icinga2_joins_its_twin_instead_of_being_refused(scene: Scene) -> None:
    async def ask(desk: Desk, comment: str = "on it") -> Receipt:
        return (await desk.acknowledge(OPERATOR, [target("ice01")], **ACK | {"comment": comment}))[0]

    first = at_desk(scene, ask)
    scene.confirmed(first.command_id)
    scene.scan(ICE, host("ice01", 1, acknowledged=1, acknowledgement_type=2))
    assert at_desk(scene, ask).command_id == first.command_id
    with pytest.raises(NotPossible):
        at_desk(scene, lambda desk: ask(desk, "somebody else's words"))


def test_a_twin_is_joined_also_when_the_core_went_away_and_nothing_may_be_held(scene: Scene) -> None:
    """What is under way may still be sent: saying that nothing will be would be untrue."""
    first = downtime(scene)
    scene.stop_core(NORTH)
    assert downtime(scene, hold=False).command_id == first.command_id
    with pytest.raises(PollerAway):
        downtime(scene, comment="new", hold=False)
    assert len(scene.commands()) == 1


# --- at the same moment -----------------------------------------------------------------------------------------------


def test_two_desks_asked_the_same_at_once_make_one_command(scene: Scene) -> None:
    async def race() -> list[Receipt]:
        desks = [Desk(scene.config), Desk(scene.config)]
        for desk in desks:
            await desk.open()
        try:
            asked = [
                desk.schedule_downtime(OPERATOR, [target("web01")], comment=f"round {n}", **window(start=START))
                for n in range(25)
                for desk in desks * 2
            ]
            return [receipt for receipts in await asyncio.gather(*asked) for receipt in receipts]
        finally:
            for desk in desks:
                await desk.close()

    receipts = asyncio.run(race())
    assert len(scene.commands()) == len(scene.entries()) == 25
    assert sum(not receipt.joined for receipt in receipts) == 25
    for n in range(25):
        assert len({(one.command_id, one.entry_id) for one in receipts[4 * n : 4 * n + 4]}) == 1


def test_deleting_at_once_from_two_desks_sends_one_deletion(scene: Scene) -> None:
    first = downtime(scene)
    scene.confirmed(first.command_id)
    entry_id = first.entry_id
    assert entry_id is not None

    async def race() -> list[tuple[Receipt, ...]]:
        desks = [Desk(scene.config), Desk(scene.config)]
        for desk in desks:
            await desk.open()
        try:
            return await asyncio.gather(*(desk.delete_entry(OPERATOR, "downtime", entry_id) for desk in desks * 5))
        finally:
            for desk in desks:
                await desk.close()

    receipts = [receipt for (receipt,) in asyncio.run(race())]
    assert len({receipt.command_id for receipt in receipts}) == 1
    assert sum(not receipt.joined for receipt in receipts) == 1
    assert [command.name for command in scene.commands()] == ["SCHEDULE_HOST_DOWNTIME", "DEL_HOST_DOWNTIME"]


# --- deleting ---------------------------------------------------------------------------------------------------------


def test_deleting_what_was_not_sent_yet_withdraws_it(scene: Scene) -> None:
    first = downtime(scene)
    scene.move(first.command_id, State.HELD)
    scene.stop_core(NORTH)
    receipt = delete(scene, first.entry_id, hold=False)
    (command,), (entry,) = scene.commands(), scene.entries()
    assert (receipt.command_id, receipt.entry_id, receipt.joined) == (command.id, entry.id, False)
    assert command.state is State.CANCELLED
    assert (entry.present, entry.cancelled, entry.deleted_by) == (0, 1, "olga")
    assert entry.deleted_at == pytest.approx(time.time(), abs=5)
    with pytest.raises(NotPossible):
        delete(scene, first.entry_id)


@pytest.mark.parametrize("states", [[State.WRITING], [State.WRITING, State.WRITTEN]])
def test_deleting_what_may_have_been_sent_sends_a_deletion(scene: Scene, states: list[State]) -> None:
    first = downtime(scene)
    scene.move(first.command_id, *states)
    receipt = delete(scene, first.entry_id)
    created, deletion = scene.commands()
    assert created.state is states[-1]
    assert (deletion.name, deletion.entry_id, receipt.entry_id) == ("DEL_HOST_DOWNTIME", first.entry_id, first.entry_id)
    assert scene.entries()[0].present == 1


@pytest.mark.parametrize(
    ("kind", "service_name", "name"),
    [
        ("downtime", None, "DEL_HOST_DOWNTIME"),
        ("downtime", "HTTP", "DEL_SVC_DOWNTIME"),
        ("comment", None, "DEL_HOST_COMMENT"),
        ("comment", "HTTP", "DEL_SVC_COMMENT"),
        ("acknowledgement", None, "REMOVE_HOST_ACKNOWLEDGEMENT"),
        ("acknowledgement", "HTTP", "REMOVE_SVC_ACKNOWLEDGEMENT"),
    ],
)
def test_each_kind_of_entry_has_its_deletion(scene: Scene, kind: str, service_name: str | None, name: str) -> None:
    scene.scan(NORTH, host("web01", 1))
    here = [target("web01", service_name)]

    async def make(desk: Desk) -> tuple[Receipt, ...]:
        if kind == "downtime":
            return await desk.schedule_downtime(OPERATOR, here, comment="c", **window())
        if kind == "comment":
            return await desk.add_comment(OPERATOR, here, comment="c", persistent=True)
        return await desk.acknowledge(OPERATOR, here, **ACK)

    (made,) = at_desk(scene, make)
    scene.confirmed(made.command_id)
    first, joined = delete(scene, made.entry_id, kind), delete(scene, made.entry_id, kind)
    assert (first.joined, joined.joined, joined.command_id) == (False, True, first.command_id)
    command = scene.commands()[-1]
    assert (command.name, command.host, command.service or None) == (name, "web01", service_name)
    assert command.entry_id == made.entry_id
    assert len(scene.entries()) == 1
    if kind != "acknowledgement":
        assert command.arguments == {"entry": made.entry_id, "host": "web01", "service": service_name}
        assert command.deadline_at - command.accepted_at == Settings().ttl_comment_s
    else:
        assert command.seen_state_change == 1_700_000_000.0


def test_one_of_several_entries_of_an_unwritten_command_is_deleted_by_a_command(scene: Scene) -> None:
    arguments: dict[str, Any] = {"comment": "c", "with_services": True} | window()
    _, services = at_desk(scene, lambda desk: desk.schedule_downtime(OPERATOR, [target("web01")], **arguments))
    delete(scene, services.entry_id)
    assert [command.state for command in scene.commands()] == [State.ACCEPTED] * 3
    assert scene.commands()[-1].name == "DEL_SVC_DOWNTIME"


def test_what_is_out_of_scope_or_of_another_kind_cannot_be_deleted(scene: Scene) -> None:
    made = downtime(scene, "mail01")
    scene.confirmed(made.command_id)
    for kind, caller, entry_id in [
        ("downtime", LINUX_ONLY, made.entry_id),
        ("comment", OPERATOR, made.entry_id),
        ("downtime", OPERATOR, 4711),
        ("downtime", OPERATOR, 2**80),
        ("downtime", OPERATOR, -1),
    ]:
        with pytest.raises(UnknownObject):
            delete(scene, entry_id, kind, caller)
    assert len(scene.commands()) == 1
    assert not delete(scene, made.entry_id, caller=SOUTH_ONLY).joined


def test_what_ended_cannot_be_deleted(scene: Scene) -> None:
    made = downtime(scene)
    scene.confirmed(made.command_id)
    assert made.entry_id is not None
    scene.set_entry(made.entry_id, present=0)
    with pytest.raises(NotPossible, match="ended"):
        delete(scene, made.entry_id)
    scene.set_entry(made.entry_id, cancelled=1)
    with pytest.raises(NotPossible, match="cancelled"):
        delete(scene, made.entry_id)


def test_a_deletion_that_must_be_sent_is_not_held_when_it_may_not_be(scene: Scene) -> None:
    made = downtime(scene)
    scene.confirmed(made.command_id)
    scene.stop_core(NORTH)
    with pytest.raises(PollerAway):
        delete(scene, made.entry_id, hold=False)
    assert len(scene.commands()) == 1


# --- withdrawing by the command's id ----------------------------------------------------------------------------------


def test_only_unwritten_commands_can_be_withdrawn(scene: Scene) -> None:
    made = downtime(scene)

    async def cancel(desk: Desk, caller: Caller = OPERATOR, command_id: str = made.command_id) -> str:
        return (await desk.cancel_command(caller, command_id)).state

    for caller, command_id in ((SOUTH_ONLY, made.command_id), (OPERATOR, "nosuch"), (OPERATOR, "\ud800")):
        with pytest.raises(UnknownObject):
            at_desk(scene, lambda desk, caller=caller, command_id=command_id: cancel(desk, caller, command_id))
    assert at_desk(scene, cancel) == "cancelled"
    assert (scene.entries()[0].present, scene.entries()[0].cancelled) == (0, 1)
    assert not downtime(scene).joined
    written = scene.commands()[-1]
    scene.move(written.id, State.WRITING)
    with pytest.raises(NotPossible) as caught:
        at_desk(scene, lambda desk: cancel(desk, command_id=written.id))
    assert caught.value.facts["state"] == "writing"
    assert scene.entries()[-1].present == 1


def test_withdrawing_a_deletion_leaves_the_entry(scene: Scene) -> None:
    made = downtime(scene)
    scene.confirmed(made.command_id)
    removal = delete(scene, made.entry_id)
    at_desk(scene, lambda desk: desk.cancel_command(OPERATOR, removal.command_id))
    assert [entry.present for entry in scene.entries()] == [1]
    assert not delete(scene, made.entry_id).joined


def test_writing_and_withdrawing_at_once_never_both_happen(scene: Scene) -> None:
    """The lane takes commands while a desk cancels them: each ends on one side, and nothing raises but NotPossible."""

    async def work(desk: Desk) -> Counter[str]:
        here = [target("web01")]
        made = [await desk.add_comment(OPERATOR, here, comment=f"n {n}", persistent=True) for n in range(40)]
        ids = [receipt.command_id for (receipt,) in made]

        def lane() -> None:
            for command_id in ids:
                try:
                    scene.move(command_id, State.WRITING)
                except ValueError:
                    continue

        async def cancel(command_id: str) -> str:
            try:
                return (await desk.cancel_command(OPERATOR, command_id)).state
            except CallerError as error:
                return error.code

        writing = asyncio.create_task(asyncio.to_thread(lane))
        outcomes = Counter(await asyncio.gather(*map(cancel, reversed(ids))))
        await writing
        return outcomes

    outcomes = at_desk(scene, work)
    states = Counter(str(command.state) for command in scene.commands())
    assert set(outcomes) <= {"cancelled", "not_possible"}
    assert states == Counter(cancelled=outcomes["cancelled"], writing=outcomes["not_possible"])
    assert sum(outcomes.values()) == 40
