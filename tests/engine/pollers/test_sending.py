"""What may be written next: order, epochs, rechecks and the cut into batches, decided over a real journal and mirror."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.commands.lifecycle import State
from engine.commands.profiles import PROFILES
from engine.journal.commands import command_by_id, move
from engine.journal.history import update_entry
from engine.model import CoreKind
from engine.pollers.sending import Plan, Situation, batches, in_sending_order, plan
from tests.engine.pollers.lane_scene import POLLER, LaneScene, lane_scene

ROOM = 64 * 1024


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[LaneScene]:
    with lane_scene(tmp_path) as made:
        yield made


def planned(scene: LaneScene, room: int = ROOM, back_at: float = 0.0) -> Plan:
    reader = scene.reader()
    try:
        _, created, program_start = reader.poller_generation(POLLER)
        situation = Situation(POLLER, scene.clock.at, PROFILES[CoreKind.NAGIOS], created, program_start, back_at)
        return plan(in_sending_order(scene.journal.connection, POLLER), situation, scene.journal.connection, reader, room)
    finally:
        reader.close()


def ids(found: Plan) -> list[str]:
    return [line.command.id for line in found.lines]


def live(scene: LaneScene, command_id: str, epoch: int, *states: State) -> None:
    """It was written once with this epoch, and went on to these states."""
    for state in (State.WRITING, State.WRITTEN, *states):
        with scene.journal.transaction() as connection:
            command = command_by_id(connection, command_id)
            assert command is not None
            move(connection, command, state, scene.clock.at, epoch=epoch, line=b"x", attempts=1)


def result(scene: LaneScene, at: float, author: str = "ann", host: str = "web") -> str:
    return scene.accept("PROCESS_HOST_CHECK_RESULT", host, author=author, return_code=1, output="down", checked_at=at)


# --- order ------------------------------------------------------------------------------------------------------------------


def test_people_overtake_results_of_other_objects_only(scene: LaneScene) -> None:
    now = scene.clock.at
    first = result(scene, now)
    same = scene.accept("ADD_HOST_COMMENT", "web")
    after_same = scene.accept("SCHEDULE_HOST_DOWNTIME", "web")
    other = scene.accept("ADD_HOST_COMMENT", "db")
    last = result(scene, now)
    assert ids(planned(scene)) == [other, first, same, after_same, last]


def test_twenty_thousand_waiting_results_cost_a_write_no_more_than_a_hundred(scene: LaneScene) -> None:
    def best() -> float:
        took = []
        for _ in range(7):
            start = time.perf_counter()
            assert len(planned(scene, room=4096).lines) > 30
            took.append(time.perf_counter() - start)
        return min(took)

    one = result(scene, scene.clock.at)
    columns = [
        row[1] for row in scene.journal.connection.execute("PRAGMA table_info(command)") if row[1] not in ("seq", "id", "host")
    ]
    copied = ", ".join(columns)
    with scene.journal.transaction() as connection:
        many = f"INSERT INTO command (id, host, {copied}) SELECT ?, ?, {copied} FROM command WHERE id = ?"
        connection.executemany(many, [(f"r{number}", f"h{number % 3000}", one) for number in range(100)])
    few = best()
    with scene.journal.transaction() as connection:
        connection.executemany(many, [(f"s{number}", f"h{number % 3000}", one) for number in range(20_000)])
        connection.executemany(
            f"INSERT INTO command (id, host, {copied}) SELECT ?, ?, {copied.replace('state', repr('confirmed'), 1)}"
            " FROM command WHERE id = ?",
            [(f"t{number}", "db", one) for number in range(20_000)],
        )
    person = scene.accept("SCHEDULE_HOST_DOWNTIME", "db")
    assert ids(planned(scene))[0] == person
    assert best() < 3 * few + 0.003


def test_one_object_is_held_back_by_what_waits_and_not_by_a_deletion(scene: LaneScene) -> None:
    entry = scene.entry(scene.accept("ADD_HOST_COMMENT", "db"))
    scene.cancel(str(entry.command_id))
    with scene.journal.transaction() as connection:
        update_entry(connection, entry.id, present=1)
    deletion = scene.accept("DEL_HOST_COMMENT", "db", entry_id=entry.id)
    free = scene.accept("ADD_HOST_COMMENT", "db")
    waits = scene.accept("ACKNOWLEDGE_HOST_PROBLEM", "web", seen=scene.core.memory.objects[("web", None)].last_state_change)
    scene.clock.at += 6
    behind = scene.accept("ADD_HOST_COMMENT", "web")
    found = planned(scene)
    assert ids(found) == [free] and not found.expired
    scene.generation()
    scene.clock.at += 2
    scene.generation()
    assert ids(planned(scene)) == [free, waits, behind]
    assert scene.state(deletion) is State.ACCEPTED


# --- epochs -----------------------------------------------------------------------------------------------------------------


def test_results_of_one_object_keep_their_order_whoever_sends_them(scene: LaneScene) -> None:
    now = int(scene.clock.at)
    for author, at in (("ann", now - 10), ("bob", now - 40), ("ann", now + 500), ("bob", now - 3)):
        result(scene, at, author)
    assert [line.epoch for line in planned(scene).lines] == [now - 10, now - 10, now, now]


def test_a_result_is_not_older_than_the_newest_ever_written(scene: LaneScene) -> None:
    now = int(scene.clock.at)
    live(scene, result(scene, now), now - 5, State.PROCESSED)
    for number in range(70):
        live(scene, result(scene, now), now - 100 - number, State.PROCESSED)
    result(scene, now - 60)
    assert [line.epoch for line in planned(scene).lines] == [now - 5]


def test_equal_lines_are_told_apart_by_at_most_thirty_seconds(scene: LaneScene) -> None:
    now = int(scene.clock.at)
    for _ in range(35):
        scene.accept("ADD_HOST_COMMENT", comment="same")
    other = scene.accept("ADD_HOST_COMMENT", "db", comment="same")
    found = planned(scene).lines
    assert [line.epoch for line in found if line.command.host == "web"] == list(range(now, now + 31))
    assert [line.epoch for line in found if line.command.id == other] == [now]


def test_an_equal_line_in_the_journal_shifts_the_next(scene: LaneScene) -> None:
    now = int(scene.clock.at)
    live(scene, scene.accept("ADD_HOST_COMMENT", comment="same"), now + 3, State.CONFIRMED)
    live(scene, scene.accept("ADD_HOST_COMMENT", comment="other"), now + 9, State.CONFIRMED)
    scene.accept("ADD_HOST_COMMENT", comment="same")
    assert [line.epoch for line in planned(scene).lines] == [now + 4]


# --- what waited ------------------------------------------------------------------------------------------------------------


def test_an_acknowledgement_that_waited_is_overtaken_by_a_change_of_state(scene: LaneScene) -> None:
    problem = scene.core.memory.objects[("web", None)]
    made = scene.accept("ACKNOWLEDGE_HOST_PROBLEM", seen=problem.last_state_change)
    scene.clock.at += 10
    scene.generation()
    assert ids(planned(scene)) == [made]
    assert planned(scene, back_at=scene.clock.at) == Plan()
    problem.last_state_change += 100
    scene.clock.at += 1
    scene.generation()
    ((command, reason),) = planned(scene).expired
    assert command.id == made and reason.startswith("overtaken")


def test_a_deletion_for_a_group_that_has_other_members_by_now_is_overtaken(scene: LaneScene) -> None:
    """The core would delete the downtimes of hosts for which nobody asked, and whose caller may not even see them."""
    made = scene.accept("DEL_DOWNTIME_BY_HOSTGROUP_NAME", "", hostgroup="some", comment="work")
    with scene.journal.transaction() as connection:
        meaning = """{"hostgroup": "some", "comment": "work", "members": ["web"]}"""
        connection.execute("UPDATE command SET arguments = ?", (meaning,))
    scene.clock.at += 10
    scene.generation()
    with closing(sqlite3.connect(scene.data / "state.db", isolation_level=None)) as state:
        state.execute("INSERT INTO group_member VALUES (?, 'hostgroup', 'some', 'web', '')", (POLLER,))
        assert ids(planned(scene)) == [made]
        state.execute("INSERT INTO group_member VALUES (?, 'hostgroup', 'some', 'db', '')", (POLLER,))
    ((command, reason),) = planned(scene).expired
    assert command.id == made and reason.startswith("overtaken: the group has other members")


def test_what_ran_out_of_time_is_not_written(scene: LaneScene) -> None:
    made = scene.accept("ADD_HOST_COMMENT", ttl_s=4)
    ending = scene.accept("SCHEDULE_HOST_DOWNTIME", end=int(scene.clock.at) + 4)
    scene.clock.at += 4
    found = planned(scene)
    assert {command.id for command, _ in found.expired} == {made, ending} and not found.lines


@pytest.mark.parametrize("fate", [State.PROCESSED, State.CONFIRMED, State.UNKNOWN, State.REFUSED, None])
def test_a_lost_line_does_not_undo_what_a_later_one_did(scene: LaneScene, fate: State | None) -> None:
    acknowledged = scene.accept("ACKNOWLEDGE_HOST_PROBLEM")
    older = result(scene, scene.clock.at - 9, host="db")
    live(scene, acknowledged, 1, State.ACCEPTED)
    live(scene, older, 1, State.ACCEPTED)
    taken_back = scene.accept("REMOVE_HOST_ACKNOWLEDGEMENT")
    newer = result(scene, scene.clock.at, host="db")
    for one in (taken_back, newer):
        live(scene, one, 2, *([fate] if fate else []))
    found = planned(scene)
    expired = {command.id for command, reason in found.expired if reason.startswith("overtaken")}
    if fate is State.REFUSED:
        assert ids(found) == [acknowledged, older]
    elif fate is None:
        assert found == Plan()
    else:
        assert expired == {acknowledged, older} and not found.lines


def test_a_deletion_takes_the_id_of_the_present_life_only(scene: LaneScene) -> None:
    made = scene.accept("SCHEDULE_HOST_DOWNTIME")
    scene.settle(2)
    deletion = scene.accept("DEL_HOST_DOWNTIME", entry_id=scene.entry(made).id)
    (line,) = planned(scene).lines
    assert line.text.endswith(b"DEL_HOST_DOWNTIME;1\n")
    assert planned(scene, back_at=scene.clock.at) == Plan()
    scene.core.kill()
    scene.core.start()
    scene.clock.at += 3
    scene.mirror.apply(scene.core.frames())
    assert planned(scene) == Plan()
    with scene.journal.transaction() as connection:
        update_entry(connection, scene.entry(made).id, present=0)
    assert [command.id for command, _ in planned(scene).expired] == [deletion]


# --- batches ----------------------------------------------------------------------------------------------------------------


def test_batches_fit_one_write_and_the_room(scene: LaneScene) -> None:
    for number in range(60):
        scene.accept("ADD_HOST_COMMENT", comment="x" * (number * 60 + 1))
    lines = planned(scene, room=10**6).lines
    assert len(lines) == 60
    cut = batches(lines, 10**6)
    assert [line for part in cut for line in part] == lines
    assert max(sum(len(line.text) for line in part) for part in cut) <= 4096 - 84
    assert len(batches(lines, 3 * 4096 + 4095)) == 3
    assert batches(lines, 4095) == []
    longest = replace(lines[0], text=b"[1] " + b"x" * 3995 + b"\n")
    assert len(batches([longest, longest], 8192)) == 2
