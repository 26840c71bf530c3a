"""Calls of passive results, driven step by step against a scripted core: each result once, in its object's order, counted truly."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from engine import faults
from engine.commands.lifecycle import State
from engine.errors import PipeFull
from engine.journal.calls import CallRow, Counts, Failure, Payload, calls_of, failures_of, insert_call, prune_calls, withdraw_call
from engine.pollers import local
from engine.pollers.bulk import ResultCalls
from engine.pollers.command_file import CommandFile, room
from engine.pollers.lane_sending import RESULTS_AHEAD, UNPROVEN_LIMIT
from engine.pollers.lane_writing import UNPROVEN_RESULTS
from tests.engine.pollers.lane_scene import POLLER, LaneScene, at_crash_points, lane_scene

OBJECTS = [(host, service) for host in ("web", "db") for service in ("", "http", "disk")]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[LaneScene]:
    with lane_scene(tmp_path) as made:
        yield made


def result(number: int, at: float, host: str = "web", service: str = "http") -> bytes:
    """One line; its output tells it from all others."""
    name, where = ("PROCESS_SERVICE_CHECK_RESULT", f"{host};{service}") if service else ("PROCESS_HOST_CHECK_RESULT", host)
    return f"[{int(at)}] {name};{where};0;result {number}\n".encode()


def call(scene: LaneScene, lines: Sequence[bytes], name: str = "call", ttl_s: float = 300.0) -> str:
    """Store a call as a desk would."""
    now = scene.clock.at
    row = CallRow(
        0, name, f"operation of {name}", POLLER, "ann", "", "", now, now, now + ttl_s, 0, len(lines),
        counts=Counts(accepted=len(lines)),
    )  # fmt: skip
    with scene.journal.transaction() as connection:
        insert_call(connection, row, Payload.of(lines, range(len(lines))))
    return name


def stands(scene: LaneScene, name: str = "call") -> CallRow:
    (found,) = calls_of(scene.journal.connection, name)
    counts = [getattr(found.counts, one.name) for one in fields(Counts) if one.name != "overtaken"]
    assert sum(counts) == found.total, "a result was counted twice, or not at all"
    return found


def failures(scene: LaneScene, name: str = "call") -> list[Failure]:
    return failures_of(scene.journal.connection, name)


def executed(scene: LaneScene) -> list[str]:
    return [text.rpartition(";")[2] for _, text in scene.core.executed if text.startswith("PROCESS_")]


def many(scene: LaneScene, count: int) -> list[bytes]:
    return [result(n, scene.clock.at, *OBJECTS[n % 6]) for n in range(count)]


def test_hundreds_go_out_in_their_order_and_are_proven(scene: LaneScene) -> None:
    call(scene, many(scene, 500))
    for _ in range(3):
        scene.turn()
    assert executed(scene) == [f"result {n}" for n in range(500)]
    assert stands(scene).counts.processed == 500 and stands(scene).open
    scene.settle(2)
    assert stands(scene).counts.confirmed == 500 and not stands(scene).open
    assert not failures(scene)
    assert scene.journal.connection.execute("SELECT count(*) FROM batch").fetchone() == (0,), "closed batches are kept for nothing"
    assert scene.journal.connection.execute("SELECT count(*) FROM command").fetchone() == (0,)


def test_a_call_tells_its_counts_and_not_each_result(scene: LaneScene) -> None:
    call(scene, many(scene, 500))
    scene.turn()
    refused = scene.journal.connection.execute("SELECT count(*) FROM step").fetchone()
    scene.settle(2)
    told = scene.journal.connection.execute("SELECT command_id, state, evidence FROM step ORDER BY seq").fetchall()
    assert {call for call, _, _ in told} == {"call"} and refused < (20,)
    assert (told[0][1], told[-1][1]) == ("accepted", "confirmed")
    counts = [orjson.loads(evidence) for _, _, evidence in told]
    assert counts == [one for n, one in enumerate(counts) if not n or one != counts[n - 1]], "told without a change"
    assert all(sum(one.values()) == 500 for one in counts) and counts[-1]["confirmed"] == 500


def test_the_steps_of_a_forgotten_call_are_gone_and_missed(scene: LaneScene) -> None:
    """Left behind, they would fill the journal; unsaid, who reads events on from before them would not know."""
    call(scene, many(scene, 5))
    scene.turn()
    scene.settle(2)
    (newest,) = scene.journal.connection.execute("SELECT max(seq) FROM step").fetchone()
    with scene.journal.transaction() as connection:
        assert prune_calls(connection, scene.clock.at + 1, 10) == 1
    assert scene.journal.connection.execute("SELECT count(*) FROM step").fetchone() == (0,)
    assert scene.journal.connection.execute("SELECT value FROM meta WHERE key = 'steps_gone'").fetchone() == (str(newest),)


def test_no_write_is_longer_than_a_pipe_takes_at_once(scene: LaneScene, monkeypatch: pytest.MonkeyPatch) -> None:
    call(scene, [result(n, scene.clock.at) + b"" for n in range(3)] + [result(9, scene.clock.at)[:-1] + b"x" * 3900 + b"\n"] * 2)
    writes: list[int] = []
    write = CommandFile.write
    monkeypatch.setattr(CommandFile, "write", lambda file, data: (writes.append(len(data)), write(file, data))[1])
    scene.step()
    assert len(writes) == 3 and max(writes) <= 4096


def test_people_overtake_thousands(scene: LaneScene) -> None:
    call(scene, many(scene, 5000))
    scene.step()
    made = scene.accept("SCHEDULE_HOST_DOWNTIME", "db", ttl_s=60)
    call(scene, [], "empty one behind it")
    scene.core.read()
    scene.step()
    scene.core.read()
    scene.step()
    assert scene.state(made) is State.ACCEPTED, "a result for its host waits, and was accepted before it"
    other = scene.accept("ADD_HOST_COMMENT", "other")
    scene.step()
    scene.core.read()
    scene.step()
    assert scene.state(other) is State.REFUSED
    assert stands(scene).counts.accepted > 500


def test_results_leave_people_room_in_the_command_file_of_a_core_that_hangs(scene: LaneScene) -> None:
    call(scene, many(scene, 5000))
    for number in range(100):
        scene.accept("ADD_HOST_COMMENT", "other", comment=f"written in the same round {number}")
    for _ in range(20):
        scene.step()
    left = room(scene.poller.command_file).free
    assert left >= 4 * 4096, "all of people's, whatever else they ask at once"
    made = scene.accept("ADD_HOST_COMMENT", "other")
    scene.step()
    assert scene.state(made) in (State.WRITING, State.WRITTEN) and room(scene.poller.command_file).free < left


@pytest.mark.parametrize("pages", [1, 2, 4, 64])
def test_a_command_file_of_another_size_takes_results_and_commands(scene: LaneScene, pages: int) -> None:
    """Linux gives a user who has many pipes new ones of a page or two: results must get through there, and leave people room."""
    fcntl.fcntl(scene.core.reader, fcntl.F_SETPIPE_SZ, pages * 4096)
    call(scene, many(scene, 1000))
    for _ in range(5):
        scene.step()
    left = room(scene.poller.command_file)
    assert left.whole > left.free >= min(pages // 2, 4) * 4096
    made = scene.accept("ADD_HOST_COMMENT", "other")
    scene.step()
    assert (scene.state(made) is State.ACCEPTED) is (pages == 1)
    for _ in range(20):
        scene.turn()
    assert executed(scene) == [f"result {n}" for n in range(1000)] and stands(scene).counts.processed == 1000
    assert scene.state(made) is State.REFUSED, "in the core's words: it knows no such host"


def test_where_others_write_between_us_people_get_the_pages_that_come_free(scene: LaneScene) -> None:
    """A short line behind one of our writes takes a page of its own: there is less room than bytes, at times none."""
    call(scene, many(scene, 3000))
    theirs = CommandFile.open(scene.poller.command_file)
    most_free: list[int] = []
    for _ in range(20):
        for _ in range(2):
            with suppress(PipeFull):
                theirs.write(b"[1795476000] ADD_HOST_COMMENT;web;0;other;theirs\n" * 3)
            scene.step()
            most_free.append(room(scene.poller.command_file).free)
            scene.core.read(4096)
        made = scene.accept("ADD_HOST_COMMENT", "other")
        scene.step()
        scene.core.read(4096)
        scene.step()
        assert scene.state(made) is not State.ACCEPTED
    theirs.close()
    assert 0 in most_free
    for _ in range(20):
        scene.turn()
    assert executed(scene) == [f"result {n}" for n in range(3000)]


def taken(scene: LaneScene) -> bytes:
    """What the core reads and does nothing with."""
    read = b""
    with suppress(BlockingIOError):
        while some := os.read(scene.core.reader, 65536):
            read += some
    return read


def test_of_what_a_core_reads_and_does_not_log_there_is_no_more_than_so_much(scene: LaneScene) -> None:
    call(scene, many(scene, 9000))
    read = b""
    most_ready = 0
    for _ in range(40):
        scene.step()
        read += taken(scene)
        most_ready = max(most_ready, len(scene.lane.results.ready))
    assert UNPROVEN_RESULTS - 4096 <= len(read) <= UNPROVEN_RESULTS
    assert most_ready * 4096 <= 1.5 * RESULTS_AHEAD, "what is made durable ahead is kept in memory, and no longer overtaken"
    made = [scene.accept("ADD_HOST_COMMENT", "other", comment=f"{number} " * 100) for number in range(400)]
    read = b""
    for _ in range(40):
        scene.step()
        read += taken(scene)
    assert scene.state(made[0]) in (State.WRITING, State.WRITTEN) and scene.state(made[-1]) is State.ACCEPTED
    assert UNPROVEN_LIMIT - 2 * 4096 <= len(read) <= UNPROVEN_LIMIT, "nor of commands, which results do not take this from"


def test_a_command_for_an_object_comes_behind_the_results_that_were_there_before(scene: LaneScene) -> None:
    call(scene, [*many(scene, 2000), result(2000, scene.clock.at, "web", "disk")])
    made = scene.accept("ACKNOWLEDGE_SVC_PROBLEM", "web", "disk")
    call(scene, [result(3000, scene.clock.at, "web", "disk")], "later")
    for _ in range(20):
        scene.turn(0.01)
    texts = [text for _, text in scene.core.executed]
    acknowledged = next(n for n, text in enumerate(texts) if text.startswith("ACKNOWLEDGE_"))
    assert acknowledged > max(n for n, text in enumerate(texts) if text.endswith("result 2000"))
    assert scene.state(made) in (State.PROCESSED, State.CONFIRMED)
    assert executed(scene)[-1] == "result 3000" or "result 3000" in executed(scene)


def test_what_is_older_than_the_newest_of_its_object_is_not_sent(scene: LaneScene) -> None:
    now = scene.clock.at
    call(scene, [result(0, now), result(1, now - 50), result(2, now, "db"), result(3, now)])
    scene.turn()
    scene.turn()
    assert executed(scene) == ["result 0", "result 2", "result 3"]
    scene.settle(2)
    (failure,) = failures(scene)
    assert (failure.first, failure.last, failure.state) == (1, 1, State.EXPIRED) and failure.words.startswith("overtaken")
    assert (stands(scene).counts.overtaken, stands(scene).counts.confirmed) == (1, 3)
    assert scene.core.memory.objects["web", "http"].last_check == int(now)


def test_what_is_older_than_the_status_files_check_is_not_sent(scene: LaneScene) -> None:
    scene.core.memory.objects["web", "http"].last_check = scene.clock.at - 5
    scene.clock.at += 1
    scene.generation()
    call(scene, [result(0, scene.clock.at - 60), result(1, scene.clock.at)])
    scene.turn()
    assert executed(scene) == ["result 1"]


def test_a_single_result_does_not_go_behind_a_calls(scene: LaneScene) -> None:
    now = scene.clock.at
    call(scene, [result(0, now)] * 2)
    scene.turn()
    made = scene.accept("PROCESS_SERVICE_CHECK_RESULT", "web", "http", return_code=0, output="late", checked_at=int(now - 100))
    scene.turn()
    assert scene.state(made) is State.PROCESSED
    assert scene.core.memory.objects["web", "http"].last_check >= int(now)


def test_unknown_objects_are_refused_in_the_cores_words(scene: LaneScene) -> None:
    lines = [result(0, scene.clock.at), result(1, scene.clock.at, "web", "gone"), result(2, scene.clock.at, "db")]
    scene.clock.at -= 10  # the mirror's file is not newer than the call: nothing tells that the service is gone
    call(scene, lines)
    scene.clock.at += 10
    scene.mirror.apply(scene.core.frames())
    with scene.journal.transaction() as connection:
        connection.execute("UPDATE result_call SET accepted_at = ?", (scene.clock.at + 1,))
    scene.turn()
    scene.turn()
    (failure,) = failures(scene)
    assert (failure.first, failure.state) == (1, State.REFUSED)
    assert "PROCESS_SERVICE_CHECK_RESULT;web;gone" in failure.words
    assert stands(scene).counts.processed == 2


def test_without_a_line_of_their_own_the_marks_prove_them(tmp_path: Path) -> None:
    with lane_scene(tmp_path, log_passive_checks=False) as scene:
        call(scene, many(scene, 100))
        scene.turn()
        scene.turn()
        assert stands(scene).counts.processed == 100


def test_held_while_nobody_reads_then_sent(scene: LaneScene) -> None:
    scene.core.stop()
    scene.clock.at += 2
    call(scene, many(scene, 10))
    scene.step()
    assert stands(scene).held and stands(scene).reason
    scene.core.start()
    scene.clock.at += 2
    scene.generation()
    for _ in range(3):
        scene.turn()
    assert len(executed(scene)) == 10 and not stands(scene).held


def test_what_waited_too_long_is_given_up_as_one_range(scene: LaneScene) -> None:
    scene.core.stop()
    scene.clock.at += 2
    call(scene, many(scene, 1000), ttl_s=20)
    scene.step()
    scene.clock.at += 30
    scene.step()
    (failure,) = failures(scene)
    assert (failure.first, failure.last, failure.state) == (0, 999, State.EXPIRED)
    assert stands(scene).counts.expired == 1000 and not stands(scene).open
    scene.core.start()
    scene.settle(2)
    assert not executed(scene)


@pytest.mark.parametrize("dies", [False, True])
def test_what_is_ready_when_its_time_runs_out_is_given_up_with_the_rest(
    scene: LaneScene, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """Its batch row is durable, but nothing of it went to the core, which hangs: results of an hour ago must not follow."""

    def die(calls: ResultCalls, now: float) -> None:
        raise Died

    call(scene, many(scene, 5000), ttl_s=60)
    call(scene, [result(n, scene.clock.at, "db", "disk") for n in range(5000, 5010)], "later", ttl_s=900)
    for _ in range(60):
        scene.step()
        scene.clock.at += 1
    assert scene.lane.results.ready
    if dies:  # when it was taken back, before it is given up
        with monkeypatch.context() as patched, pytest.raises(Died):
            patched.setattr(ResultCalls, "expire", die)
            scene.step()
        scene.crash()
    for _ in range(3):
        scene.step()
        scene.clock.at += 1
    scene.crash()
    written = stands(scene).counts.written
    assert 0 < written < 1000 and stands(scene).counts.expired == 5000 - written
    scene.settle(5)
    assert executed(scene) == [f"result {n}" for n in [*range(written), *range(5000, 5010)]]


def test_a_core_killed_before_a_status_file_showed_them_gets_them_again(scene: LaneScene) -> None:
    call(scene, many(scene, 6))
    scene.turn()
    scene.turn()
    assert stands(scene).counts.processed == 6
    scene.core.kill()
    scene.clock.at += 2
    scene.core.start()
    scene.settle(12)
    assert stands(scene).counts.confirmed == 6
    assert Counter(executed(scene)) == {f"result {n}": 2 for n in range(6)}


class Died(BaseException):
    """The engine was killed."""


@pytest.mark.parametrize("point", [faults.AFTER_ACCEPT, faults.AFTER_BATCH_ROW, faults.AFTER_WRITE, faults.AFTER_END_MARK])
def test_each_result_is_executed_once_wherever_we_die(scene: LaneScene, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    passed: Counter[str] = Counter()

    def crash(name: str) -> None:
        passed[name] += 1
        if name == point and passed[name] in (1, 3):
            raise Died

    at_crash_points(monkeypatch, crash)
    call(scene, many(scene, 6500))
    deaths = 0
    for _ in range(60):
        try:
            scene.turn(0.4)
        except Died:
            deaths += 1
            scene.crash()
        scene.core.read()
    assert deaths == 2
    assert Counter(executed(scene)) == {f"result {n}": 1 for n in range(6500)}
    scene.settle(3)
    assert stands(scene).counts.confirmed == 6500


def test_none_is_executed_twice_when_a_command_overtook_what_was_ready_and_we_die(scene: LaneScene) -> None:
    """Results are journalled ahead of their turn: the journal's order is not that of the command file."""
    call(scene, [result(n, scene.clock.at, "web", "http") for n in range(2500)])
    scene.step()
    made = scene.accept("ADD_HOST_COMMENT", "db")
    scene.core.read()
    scene.step()  # the command, then what of the results is ready
    assert scene.lane.results.ready, "some are journalled and not written yet"
    scene.crash()
    for _ in range(20):
        scene.turn(0.4)
    assert scene.state(made) in (State.PROCESSED, State.CONFIRMED)
    assert Counter(executed(scene)) == {f"result {n}": 1 for n in range(2500)}


def test_what_was_ready_is_sent_once_by_whoever_comes_after_an_outage(scene: LaneScene) -> None:
    """A core that stops reading takes back what was ready; the row that held it must not claim it after a crash of ours."""
    call(scene, many(scene, 2500))
    scene.step()
    assert scene.lane.results.ready
    scene.core.read()
    scene.core.stop()
    scene.clock.at += 2
    scene.step()
    assert not scene.lane.results.ready and stands(scene).held
    scene.crash()
    scene.clock.at += 2
    scene.core.start()
    scene.generation()
    for _ in range(20):
        scene.turn(0.4)
    scene.crash()
    for _ in range(5):
        scene.turn(0.4)
    assert Counter(executed(scene)) == {f"result {n}": 1 for n in range(2500)}
    assert scene.journal.connection.execute("SELECT count(*) FROM batch").fetchone() == (0,)


def test_a_burst_is_stored_when_its_last_line_is_proven(scene: LaneScene) -> None:
    """Whoever waits for it is told at once, not at the lane's next look."""
    call(scene, many(scene, 20))
    scene.turn(0.0)
    assert stands(scene).counts.processed == 20


def test_a_log_that_stays_silent_ends_what_was_written_as_unknown(scene: LaneScene) -> None:
    call(scene, many(scene, 10))
    scene.step()
    scene.clock.at += scene.lane.settings.silent_log_s + 1
    scene.step()
    assert stands(scene).counts.unknown == 10
    assert str(scene.poller.log_file) in failures(scene)[0].words


def test_a_full_pipe_takes_nothing_away(scene: LaneScene) -> None:
    call(scene, many(scene, 400))
    scene.dirt(b"[1] _SOMEBODY_ELSE;" + b"x" * 3900 + b"\n" * 1)
    for _ in range(15):
        scene.dirt(b"[1] _SOMEBODY_ELSE;" + b"x" * 3900 + b"\n")
    scene.step()
    assert not executed(scene)
    for _ in range(8):
        scene.turn()
    assert Counter(executed(scene)) == {f"result {n}": 1 for n in range(400)}


def test_old_calls_are_forgotten(scene: LaneScene) -> None:
    call(scene, many(scene, 3))
    scene.settle(2)
    with scene.journal.transaction() as connection:
        assert prune_calls(connection, scene.clock.at - 1000, 10) == 0
        assert prune_calls(connection, scene.clock.at + 1, 10) == 1
        assert not calls_of(connection, "call")
        assert connection.execute("SELECT count(*) FROM result_lines").fetchone() == (0,)


STORY = st.lists(
    st.sampled_from(["call", "people", "turn", "turn", "read", "crash", "reload", "kill core", "dirt", "generation", "wait"]),
    min_size=5,
    max_size=30,
)


@given(STORY, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_stories(story: list[str], chance: object) -> None:
    """Whatever happens: executed once (again only after a core that was killed), in order per object, every result counted once."""
    with tempfile.TemporaryDirectory() as folder, lane_scene(Path(folder)) as scene:
        names: list[str] = []
        killed = 0
        for word in story:
            match word:
                case "call":
                    first = len(names) * 1000
                    count = 3 + 70 * (len(names) % 3)
                    lines = [result(first + n, scene.clock.at, *OBJECTS[n * 5 % 6]) for n in range(count)]
                    names.append(call(scene, lines, f"call {len(names)}"))
                case "people":
                    scene.accept("ADD_HOST_COMMENT")
                case "turn":
                    scene.turn()
                case "read" if scene.core.is_running:
                    scene.core.read()
                case "crash":
                    scene.crash()
                case "reload":
                    scene.core.reload()
                case "kill core":
                    scene.core.kill()
                    killed += 1
                    scene.clock.at += 1
                    scene.core.start()
                case "dirt":
                    scene.dirt(b"[1] SOMETHING_UNKNOWN\n")
                case "generation":
                    scene.clock.at += 1
                    scene.generation()
                case "wait":
                    scene.clock.at += 5
        scene.settle(20)
        counted = Counter(executed(scene))
        assert all(count <= 1 + killed for count in counted.values())
        for name in names:
            row = stands(scene, name)
            assert not row.open, row
            assert row.counts.refused == row.counts.no_effect == 0
            if not killed:
                assert row.counts.unknown == 0
                assert row.counts.expired + sum(counted[f"result {n}"] for n in _numbers(name, row.total)) == row.total
        for host, service in OBJECTS:
            its = f"PROCESS_SERVICE_CHECK_RESULT;{host};{service};" if service else f"PROCESS_HOST_CHECK_RESULT;{host};"
            times = [at for at, text in scene.core.executed if text.startswith(its)]
            if not killed:
                assert times == sorted(times), "a result took its object's last check backwards"


def _numbers(name: str, total: int) -> range:
    first = int(name.split()[1]) * 1000
    return range(first, first + total)


# --- withdrawn ----------------------------------------------------------------------------------------------------------------


def withdraw(scene: LaneScene, name: str = "call") -> bool:
    """As a desk does."""
    with scene.journal.transaction() as connection:
        return withdraw_call(connection, stands(scene, name), "ann", scene.clock.at)


def test_what_was_withdrawn_while_the_core_was_away_is_never_written(scene: LaneScene) -> None:
    scene.core.stop()
    scene.step()
    call(scene, many(scene, 20))
    scene.step(2)
    assert stands(scene).held and withdraw(scene)
    assert not withdraw(scene), "it has ended"
    scene.clock.at += 2
    scene.core.start()
    later = {"return_code": 0, "output": "behind it", "checked_at": scene.clock.at}
    made = scene.accept("PROCESS_SERVICE_CHECK_RESULT", service="http", **later)
    scene.settle(3)
    assert executed(scene) == ["behind it"] and scene.state(made) is not State.ACCEPTED
    ended = stands(scene)
    assert (ended.counts.cancelled, ended.open, ended.reason) == (20, False, "withdrawn by ann")


@pytest.mark.parametrize("moment", ["before its first batch is stored", "when that stands in the journal"])
def test_withdrawing_and_writing_at_once_never_both_happen(scene: LaneScene, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """A desk withdraws while the lane, which has planned to write the call already, stores that it does."""
    call(scene, many(scene, 20))
    real, done = local.Lane._journal_results, list[bool]()

    def racing(self: local.Lane, *arguments: Any) -> None:
        if moment.startswith("before"):
            done.append(withdraw(scene))
        real(self, *arguments)
        if moment.startswith("when"):
            done.append(withdraw(scene))

    with monkeypatch.context() as patched:
        patched.setattr(local.Lane, "_journal_results", racing)
        scene.turn()
    scene.settle(2)
    counts = stands(scene).counts
    if moment.startswith("before"):
        assert done == [True] and counts.cancelled == 20 and not executed(scene)
    else:
        assert done == [False] and counts.confirmed == 20 and len(executed(scene)) == 20
    assert not stands(scene).open
