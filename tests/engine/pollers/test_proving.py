"""What becomes of commands and entries once the log and the status files have spoken: no word more than was proved."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.commands.lifecycle import State
from engine.errors import JournalError
from engine.journal.commands import command_by_id, commands_watched, move
from engine.journal.store import Journal
from engine.model import CommentStatus
from tests.engine.pollers.lane_scene import POLLER, LaneScene, lane_scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[LaneScene]:
    with lane_scene(tmp_path) as made:
        yield made


def shown(scene: LaneScene, seconds: float = 3.0) -> None:
    """Time passes, and the core shows what it has."""
    scene.clock.at += seconds
    scene.generation()
    scene.step()


def processed(scene: LaneScene, command_id: str) -> None:
    scene.turn(0.1)
    assert scene.state(command_id) is State.PROCESSED


def test_a_service_that_vanished_leaves_the_rest_partial_and_is_not_doubled(scene: LaneScene) -> None:
    made = scene.accept("SCHEDULE_HOST_SVC_DOWNTIME", members=("disk", "http"))
    processed(scene, made)
    scene.clock.at += 2
    del scene.core.memory.objects[("web", "http")]
    scene.core.memory.downtimes = {n: one for n, one in scene.core.memory.downtimes.items() if one.service_description != "http"}
    scene.core.reload()
    shown(scene)
    assert scene.state(made) is State.PARTIAL
    assert [(one.service, one.present, one.proof) for one in scene.entries()] == [
        ("disk", 1, "confirmed"),
        ("http", 0, "processed"),
    ]
    scene.settle(3)
    assert scene.core.standing("work 1") == 1
    assert scene.command(made).core_ids and "web/http" in scene.command(made).reason


def test_what_a_killed_core_lost_is_written_again_and_its_entry_says_so(scene: LaneScene) -> None:
    made = scene.accept("SCHEDULE_HOST_DOWNTIME")
    processed(scene, made)
    assert scene.entry(made).proof == "processed"
    scene.core.kill()
    scene.step()
    scene.clock.at += 2
    scene.core.start()
    scene.clock.at += 3
    scene.generation()
    scene.lane.follow_log()
    scene.lane.take_generation()
    assert (scene.state(made), scene.entry(made).proof, scene.entry(made).present) == (State.ACCEPTED, "accepted", 1)
    scene.settle(3)
    assert scene.state(made) is State.CONFIRMED and scene.core.standing("work 1") == 1


def test_a_crash_is_noticed_though_the_log_tells_of_it_long_after_the_status_file(scene: LaneScene) -> None:
    """A core that flushes its log now and then, on a busy machine: its start is read seconds after its first status file."""
    made = scene.accept("DISABLE_HOST_NOTIFICATIONS")
    scene.settle(3)
    scene.lane.profile = replace(scene.lane.profile, logs_late=True)
    assert scene.state(made) is State.CONFIRMED
    scene.core.kill()
    log = scene.poller.log_file.read_bytes()
    scene.clock.at += 2
    scene.core.start()
    late = scene.poller.log_file.read_bytes()[len(log) :]
    os.truncate(scene.poller.log_file, len(log))
    shown(scene, 5.0)
    scene.step()
    assert scene.state(made) is State.CONFIRMED
    with scene.poller.log_file.open("ab") as file:
        file.write(late)
    scene.turn(1.0)
    assert scene.state(made) is State.LOST_BY_CORE


def test_a_status_file_of_a_core_that_is_just_starting_hides_no_crash(scene: LaneScene) -> None:
    """Icinga 2's first one may tell 0 for its start: taken for a run of its own, the next would not be the first after a crash."""
    made = scene.accept("DISABLE_HOST_NOTIFICATIONS")
    scene.settle(3)
    scene.core.kill()
    scene.clock.at += 2
    scene.core.start()
    began, scene.core.program_start = scene.core.program_start, 0.0
    shown(scene, 1.0)
    assert scene.state(made) is State.CONFIRMED
    scene.core.program_start = began
    shown(scene, 1.0)
    scene.turn(1.0)
    assert scene.state(made) is State.LOST_BY_CORE


def test_a_switch_is_not_written_again_over_a_later_one(scene: LaneScene) -> None:
    """A reload in the second of their execution: the first looks lost, and written again it would undo the second."""
    off, on = scene.accept("DISABLE_HOST_NOTIFICATIONS"), scene.accept("ENABLE_HOST_NOTIFICATIONS")
    other = scene.accept("DISABLE_HOST_NOTIFICATIONS", "db")
    processed(scene, other)
    scene.core.memory.objects["db", None].notifications_enabled = 1
    scene.core.reload()
    shown(scene)
    scene.settle(3)
    assert (scene.state(off), scene.state(on), scene.state(other)) == (State.UNKNOWN, State.CONFIRMED, State.CONFIRMED)
    assert "ENABLE_HOST_NOTIFICATIONS changed it since" in scene.command(off).reason
    enabled = [scene.core.memory.objects[host, None].notifications_enabled for host in ("web", "db")]
    assert enabled == [1, 0], "what a core really lost is written again"


def test_a_lost_removal_is_not_written_again_over_a_later_acknowledgement(scene: LaneScene) -> None:
    scene.accept("ACKNOWLEDGE_HOST_PROBLEM")
    scene.settle(3)
    removed, again = scene.accept("REMOVE_HOST_ACKNOWLEDGEMENT"), scene.accept("ACKNOWLEDGE_HOST_PROBLEM", author="bob")
    processed(scene, again)
    scene.core.reload()
    shown(scene)
    scene.settle(3)
    assert (scene.state(removed), scene.state(again)) == (State.UNKNOWN, State.CONFIRMED)
    assert scene.core.memory.objects["web", None].acknowledged == 1


@pytest.mark.parametrize("how", ["lost", "never executed", "started again unread"])
def test_a_deletion_of_all_comments_that_a_core_lost_spares_what_came_later(scene: LaneScene, how: str) -> None:
    """Sent again whole, it would take what others wrote since: those it was for are deleted by their ids, and nothing else."""
    for comment in ("old 1", "old 2"):
        scene.core.others_comment("web", comment)
    scene.core.save()
    shown(scene, 5)
    made = scene.accept("DEL_ALL_HOST_COMMENTS")
    _lose(scene, how)
    scene.clock.at += 3
    scene.core.others_comment("web", "came later")
    scene.settle(5)
    assert [one.comment for one in scene.core.memory.comments.values()] == ["came later"]
    assert scene.core.removed == ["old 1", "old 2"]
    sent = [text for _, text in scene.core.executed if text.startswith("DEL_ALL_")]
    assert len(sent) == (1 if how == "lost" else 0)
    assert scene.state(made) is State.CONFIRMED, scene.command(made).reason


def _lose(scene: LaneScene, how: str) -> None:
    """The core does not do what is just being sent, or forgets that it did."""
    if how == "lost":
        scene.turn(0.1)
        scene.core.kill()
        scene.clock.at += 1
        scene.core.start()
    else:
        scene.step()
        os.read(scene.core.reader, 1 << 16)  # its bytes are gone
        if how == "started again unread":
            scene.core.kill()
            scene.core.start()


def test_a_deletion_of_all_comments_that_cannot_be_done_one_by_one_says_so(scene: LaneScene) -> None:
    """The comment of an acknowledgement has no id of ours: nothing is promised of it, and the command does not wait for ever."""
    scene.accept("ACKNOWLEDGE_HOST_PROBLEM", persistent=True)
    scene.settle(2)
    scene.core.save()
    made = scene.accept("DEL_ALL_HOST_COMMENTS")
    _lose(scene, "lost")
    scene.settle(5)
    assert scene.state(made) is State.NO_EFFECT and "not sent again" in scene.command(made).reason
    assert len([text for _, text in scene.core.executed if text.startswith("DEL_ALL_")]) == 1


def test_what_could_not_be_stored_of_a_generation_is_looked_at_again_in_the_next(
    scene: LaneScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full while a downtime is bound: the next file shows the same and would be no news."""
    made = scene.accept("SCHEDULE_HOST_DOWNTIME")
    processed(scene, made)
    scene.clock.at += 3
    scene.generation()
    real = Journal.transaction

    @contextmanager
    def full(self: Journal, **how: bool) -> Iterator[sqlite3.Connection]:
        with real(self, **how) as connection:
            yield connection
            raise JournalError("database or disk is full")

    with monkeypatch.context() as patched, pytest.raises(JournalError):
        patched.setattr(Journal, "transaction", full)
        scene.lane.take_generation()
    assert scene.entry(made).core_id is None
    scene.lane.take_generation()
    assert scene.entry(made).core_id == 1


def test_of_an_error_that_says_nothing_it_is_not_said_that_there_was_none(scene: LaneScene) -> None:
    """`processed` alone would say that no error was printed; the log and the evidence show one."""
    made = scene.accept("DEL_DOWNTIME_BY_HOST_NAME")
    processed(scene, made)
    assert "printed an error" in scene.command(made).reason
    shown(scene)
    assert scene.state(made) is State.CONFIRMED


def test_a_window_that_ended_before_a_status_file_is_unknown_and_gone(scene: LaneScene) -> None:
    made = scene.accept("SCHEDULE_HOST_DOWNTIME", end=int(scene.clock.at) + 5)
    processed(scene, made)
    shown(scene, 8)
    assert scene.state(made) is State.UNKNOWN and "window ended" in scene.command(made).reason
    assert scene.entry(made).present == 0


def test_an_entry_that_may_stand_after_all_is_looked_for_an_hour(scene: LaneScene) -> None:
    made = scene.accept("ADD_HOST_COMMENT")
    processed(scene, made)
    with scene.journal.transaction() as connection:
        command = command_by_id(connection, made)
        assert command is not None
        move(connection, command, State.UNKNOWN, scene.clock.at, reason="test")
    shown(scene)
    assert scene.state(made) is State.CONFIRMED and scene.entry(made).present
    assert scene.journal.connection.execute("SELECT late FROM step ORDER BY seq DESC LIMIT 1").fetchone() == (1,)


def test_a_refusal_ends_the_entry_with_the_cores_words(scene: LaneScene) -> None:
    made = scene.accept("SCHEDULE_HOST_DOWNTIME", "nowhere")
    scene.turn()
    assert (scene.state(made), scene.entry(made).present) == (State.REFUSED, 0)
    assert "External command failed" in scene.command(made).reason


def test_a_deletion_without_effect_is_not_confirmed_by_the_end_of_the_window(scene: LaneScene) -> None:
    made = scene.accept("SCHEDULE_HOST_DOWNTIME", end=int(scene.clock.at) + 60)
    processed(scene, made)
    shown(scene)
    (block,) = scene.core.memory.downtimes.values()
    deletion = scene.accept("DEL_HOST_DOWNTIME", entry_id=scene.entry(made).id)
    scene.turn()
    scene.core.memory.downtimes[block.core_id] = block  # a core that said yes and did not do it
    shown(scene)
    assert scene.state(deletion) is State.NO_EFFECT and scene.entry(made).present
    shown(scene, 120)
    assert scene.state(deletion) is State.NO_EFFECT and not scene.entry(made).present


def test_an_acknowledgement_is_not_proved_by_the_next_of_equal_text(scene: LaneScene) -> None:
    first = scene.accept("ACKNOWLEDGE_HOST_PROBLEM", comment="same")
    processed(scene, first)
    web = scene.core.memory.objects[("web", None)]
    web.acknowledged, scene.core.memory.comments = 0, {}
    shown(scene)
    assert scene.state(first) is State.NO_EFFECT and not scene.entry(first).present
    scene.clock.at += 5
    second = scene.accept("ACKNOWLEDGE_HOST_PROBLEM", comment="same")
    processed(scene, second)
    shown(scene)
    assert (scene.state(first), scene.state(second)) == (State.NO_EFFECT, State.CONFIRMED)
    assert (scene.entry(first).present, scene.entry(second).present) == (0, 1)


def test_an_acknowledgement_removed_before_anybody_saw_it(scene: LaneScene) -> None:
    made = scene.accept("ACKNOWLEDGE_HOST_PROBLEM")
    removed = scene.accept("REMOVE_HOST_ACKNOWLEDGEMENT", author="bob")
    processed(scene, removed)
    shown(scene)
    assert (scene.state(made), scene.state(removed)) == (State.UNKNOWN, State.CONFIRMED)
    assert scene.command(made).reason.startswith("bob removed it") and not scene.entry(made).present


def test_a_removal_followed_by_an_acknowledgement_is_not_called_without_effect(scene: LaneScene) -> None:
    scene.accept("ACKNOWLEDGE_HOST_PROBLEM")
    scene.turn()
    shown(scene)
    removed = scene.accept("REMOVE_HOST_ACKNOWLEDGEMENT")
    again = scene.accept("ACKNOWLEDGE_HOST_PROBLEM", author="bob")
    processed(scene, again)
    shown(scene)
    assert (scene.state(removed), scene.state(again)) == (State.UNKNOWN, State.CONFIRMED)
    assert scene.command(removed).reason.startswith("bob acknowledged again")


def test_a_result_in_flight_is_not_proved_by_another_of_the_same_second(scene: LaneScene) -> None:
    at = scene.clock.at
    first = scene.accept("PROCESS_HOST_CHECK_RESULT", return_code=1, output="one", checked_at=at)
    processed(scene, first)
    scene.clock.at = at
    second = scene.accept("PROCESS_HOST_CHECK_RESULT", return_code=1, output="two", checked_at=at)
    scene.step()
    shown(scene, 4)
    assert (scene.state(first), scene.state(second)) == (State.CONFIRMED, State.WRITTEN)
    scene.core.read()
    scene.step()
    assert scene.state(second) is State.PROCESSED


def test_a_result_overlaid_by_a_newer_one_is_looked_for_no_longer(scene: LaneScene) -> None:
    made = scene.accept("PROCESS_HOST_CHECK_RESULT", return_code=1, output="one", checked_at=scene.clock.at)
    processed(scene, made)
    scene.core.memory.objects[("web", None)].last_check = scene.clock.at + 1
    shown(scene)
    assert scene.state(made) is State.PROCESSED and "newer check result" in scene.command(made).reason
    assert commands_watched(scene.journal.connection, POLLER, 0.0) == []


def test_any_number_of_old_lives_leaves_the_newest_command_in_sight(scene: LaneScene) -> None:
    old = scene.accept("PROCESS_HOST_CHECK_RESULT", return_code=1, output="one", checked_at=scene.clock.at)
    processed(scene, old)
    with scene.journal.transaction() as connection:
        connection.execute("UPDATE command SET watch_from = NULL")
        names = [row[1] for row in connection.execute("PRAGMA table_info(command)") if row[1] not in ("seq", "id")]
        columns = ", ".join(names)
        query = f"INSERT INTO command (id, {columns}) SELECT ?, {columns} FROM command WHERE id = ?"
        connection.executemany(query, [(f"old{number}", old) for number in range(10_100)])
        connection.execute("UPDATE command SET state = 'unknown', updated_at = updated_at - 7200 WHERE seq % 2")
    made = scene.accept("SCHEDULE_HOST_DOWNTIME")
    scene.turn()
    shown(scene)
    assert scene.state(made) is State.CONFIRMED


def test_a_generation_before_the_echo_proves_by_presence(scene: LaneScene) -> None:
    made = scene.accept("SCHEDULE_HOST_DOWNTIME")
    scene.step()
    log = scene.poller.log_file.read_bytes()
    scene.core.read()
    late = scene.poller.log_file.read_bytes()[len(log) :]
    scene.poller.log_file.write_bytes(log)  # Icinga 2 flushes its log up to a second later
    scene.generation()
    scene.step()
    assert scene.state(made) is State.CONFIRMED
    with scene.poller.log_file.open("ab") as file:
        file.write(late)
    scene.step()
    assert [step for step in scene.steps(made) if step != "written"] == ["accepted", "writing", "confirmed"]
    scene.settle(3)
    assert scene.core.standing("work 1") == 1 and scene.entry(made).present


def test_a_foreign_downtime_of_equal_content_is_not_taken_for_ours(scene: LaneScene) -> None:
    made = scene.accept("SCHEDULE_HOST_DOWNTIME")
    processed(scene, made)
    (block,) = scene.core.memory.downtimes.values()
    scene.core.memory.downtimes[9] = block._replace(core_id=9, entry_time=block.entry_time - 40)
    shown(scene)
    assert scene.entry(made).core_id == block.core_id
    assert [(one.core_id, one.proof) for one in scene.entries()] == [(block.core_id, "confirmed"), (9, "seen")]


def test_what_an_ending_core_left_out_of_its_last_status_file_is_the_same_when_it_stands_again(scene: LaneScene) -> None:
    """An Icinga 2 may write while it lets go of its objects: a downtime would come back under another id, as nobody's."""
    profile = replace(scene.lane.profile, bracket_is_entry_time=False)
    made, gone = scene.accept("SCHEDULE_HOST_DOWNTIME"), scene.accept("SCHEDULE_HOST_DOWNTIME", "db")
    scene.settle(3)
    scene.lane.prover = replace(scene.lane.prover, profile=profile)
    deletion = scene.accept("DEL_HOST_DOWNTIME", "db", entry_id=scene.entry(gone).id)
    scene.settle(3)
    assert scene.state(deletion) is State.CONFIRMED
    standing, scene.core.memory.downtimes = scene.core.memory.downtimes, {}
    shown(scene)
    assert (scene.entry(made).present, scene.entry(made).cancelled) == (0, 1)
    scene.core.memory.downtimes = {number + 7: one._replace(core_id=number + 7) for number, one in standing.items()}
    scene.core.reload()
    shown(scene)
    entry = scene.entry(made)
    assert (entry.present, entry.cancelled, entry.deleted_at, entry.core_id) == (1, 0, None, 8)
    assert len(scene.entries()) == 2 and not scene.entry(gone).present, "nobody else's, and what was deleted stays so"
    assert scene.state(made) is State.CONFIRMED


def test_an_acknowledgement_set_again_by_another_program_is_no_copy_of_ours(scene: LaneScene) -> None:
    """Its comment shows no stamp of a line: nothing tells whose it is, and nothing of it is deleted."""
    made = scene.accept("ACKNOWLEDGE_HOST_PROBLEM", comment="on it")
    scene.settle(6)
    assert scene.state(made) is State.CONFIRMED
    scene.core.memory.objects["web", None].acknowledged = 0
    scene.clock.at += 2
    scene.generation()
    scene.step()
    scene.core.memory.objects["web", None].acknowledged = 1
    scene.clock.at += 2
    scene.generation()
    scene.step(2)
    assert [command.name for command in scene.commands()] == ["ACKNOWLEDGE_HOST_PROBLEM"]


@pytest.mark.parametrize("back_s", [0.0, 3600.0])
def test_what_was_read_of_the_log_after_a_batch_was_written_is_read_again_by_our_next_life(scene: LaneScene, back_s: float) -> None:
    """Told by the clock, which did not move or was set back, the echo was passed over and the line written a second time."""
    scene.generation()
    scene.dirt(b"fragment")  # eats the begin mark; the end mark is withheld
    made = scene.accept("SCHEDULE_HOST_DOWNTIME")
    scene.turn(0.0)
    scene.clock.at -= back_s
    scene.core.stop()
    scene.step(2)
    scene.clock.at += back_s
    scene.core.start()
    scene.crash()
    scene.turn()
    scene.settle(3)
    assert scene.core.standing("work 1") == 1 and scene.state(made) is State.CONFIRMED


@pytest.mark.parametrize(("how", "back_s"), [("copytruncate", 0), ("copytruncate", -12), ("rename", 0), ("rename", 3600), ("", 0)])
def test_a_killed_life_wrote_before_the_log_was_rotated(scene: LaneScene, how: str, back_s: float) -> None:
    """Nothing is written again whose echo stands in the text before, whatever the clock says and whatever keeps its inode."""
    scene.generation()
    scene.dirt(b"fragment")  # eats the begin mark; the end mark is withheld
    scene.accept("SCHEDULE_HOST_DOWNTIME")
    scene.turn(0.0)
    log = scene.poller.log_file
    if how == "copytruncate":
        shutil.copy2(log, log.with_name("nagios-1.log"))
        os.truncate(log, 0)
    elif how == "rename":
        log.rename(log.with_name("nagios-1.log"))
        log.touch()
    scene.clock.at -= back_s
    scene.core.stop()
    scene.step(2)
    scene.clock.at += back_s
    scene.core.start()
    scene.crash()
    scene.turn()
    scene.settle(3)
    assert sum(text.startswith("SCHEDULE_HOST") for _, text in scene.core.executed) == 1


def test_a_later_comment_in_the_same_words_is_somebodys_own(scene: LaneScene) -> None:
    """Our acknowledgement was executed twice, and both comments went before a status file showed them: the debt is over."""
    made = scene.accept("ACKNOWLEDGE_HOST_PROBLEM", comment="on it")
    scene.settle(6)
    line = scene.command(made).line or b""
    scene.core.log("External command junk returned error Malformed command")
    scene.core._line(line.rstrip(b"\n"))
    scene.core._line(f"[{int(scene.clock.at)}] REMOVE_HOST_ACKNOWLEDGEMENT;web".encode())
    scene.core.memory.comments = {}
    host = scene.core.memory.objects["web", None]
    host.acknowledged = 0
    scene.step()
    scene.clock.at += 3
    scene.generation()
    scene.step(2)
    scene.clock.at += 86400
    host.last_state_change, host.acknowledged, host.acknowledgement_type = scene.clock.at - 100, 1, 1
    for number, after_s in ((501, 0), (502, 40)):
        entered = float(int(scene.clock.at + after_s))
        scene.core.memory.comments[number] = CommentStatus("web", None, number, 4, 1, 1, entered, 0, 0.0, "ann", "on it", number)
    scene.core.memory.next_comment = 600
    scene.clock.at += 60
    for _ in range(5):
        scene.turn(3.0)
        scene.generation()
        scene.step()
    assert set(scene.core.memory.comments) == {501, 502}


def test_another_programs_equal_line_of_the_same_second_is_left_alone_also_where_both_are_seen_at_once(scene: LaneScene) -> None:
    made = scene.accept("SCHEDULE_HOST_DOWNTIME")
    processed(scene, made)
    line = scene.command(made).line
    assert line is not None
    scene.dirt(line)
    scene.core.read()
    scene.step()
    scene.settle(4)
    assert scene.core.standing("work 1") == 2 and scene.core.removed == []
    assert scene.state(made) is State.CONFIRMED and len(scene.commands()) == 1


def test_a_copy_that_comes_with_its_own_is_taken_away_where_the_log_shows_the_dirt_that_made_it(scene: LaneScene) -> None:
    """No status file showed one of them alone: only the log proves that the line was executed again."""
    made = scene.accept("SCHEDULE_HOST_DOWNTIME")
    processed(scene, made)
    line = scene.command(made).line
    assert line is not None
    scene.core.log("External command junk returned error Malformed command")
    scene.dirt(line)
    scene.core.read()
    scene.step()
    assert scene.core.standing("work 1") == 2
    scene.settle(6)
    assert scene.core.standing("work 1") == 1 and len(scene.core.removed) == 1
    assert scene.state(made) is State.CONFIRMED and scene.command(made).duplicates == 1
    assert [command.name for command in scene.commands()] == ["SCHEDULE_HOST_DOWNTIME", "DEL_HOST_DOWNTIME"]
