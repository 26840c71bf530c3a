"""Group commit: many requests share a transaction, one job's error is its own, and nothing is said before it is durable."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from engine.carrier import Outcome, attempt
from engine.desk import Desk
from engine.desk.bulk import SLICE
from engine.desk.writer import COMMANDS_PER_TRANSACTION, GroupCommit, Written
from engine.errors import InvalidField, JournalError
from engine.hints import ENGINE_SOCKET, listen, received
from engine.journal.store import LOCK_FILE, TURN_FILE, Journal
from engine.state.views import Reader
from tests.engine.desk.scene import NORTH, OPERATOR, SOUTH, Scene, at_desk, host, scene_in, service, target, window
from tests.support.cores import PATIENCE_S

T = TypeVar("T")


class CountingJournal(Journal):
    """A journal that notes how its transactions end."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.commits = 0
        self.connection.set_trace_callback(self._count)

    def _count(self, statement: str) -> None:
        self.commits += statement == "COMMIT"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[CountingJournal]:
    made = CountingJournal(tmp_path)
    yield made
    made.close()


@contextmanager
def journal_locked(data: Path, name: str = LOCK_FILE) -> Iterator[None]:
    """Somebody else writes (or, with TURN_FILE, is next): our writer thread waits, so that jobs pile up behind it."""
    descriptor = os.open(data / name, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


async def behind(writer: GroupCommit, count: int) -> None:
    """Wait until so many jobs wait behind those that the writer thread has."""
    await asyncio.sleep(0)  # what was just created hands its job in
    while writer._gathered or len(writer._jobs) != count:
        await asyncio.sleep(0.001)


def no_plans(plans: Sequence[Callable[[Any], Any]]) -> list[Outcome]:
    raise AssertionError("nothing here is planned")


def with_writer(
    journal: Journal,
    work: Callable[[GroupCommit], Awaitable[T]],
    read: Callable[[Sequence[Callable[[Any], Any]]], Sequence[Outcome]] = no_plans,
) -> T:
    async def run() -> T:
        writer = GroupCommit(journal, journal.path.parent, read)
        writer.start()
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await work(writer)
        finally:
            await asyncio.to_thread(writer.close)

    return asyncio.run(run())


def note(name: str) -> Callable[[sqlite3.Connection], Written[str]]:
    def job(connection: sqlite3.Connection) -> Written[str]:
        connection.execute("INSERT INTO meta VALUES (?, '')", (name,))
        return Written(name)

    return job


def notes(journal: Journal) -> set[str]:
    """What another process would read."""
    with sqlite3.connect(journal.path) as connection:
        found = {name for (name,) in connection.execute("SELECT key FROM meta WHERE value = ''")}
    connection.close()
    return found


def test_jobs_that_wait_share_one_commit(journal: CountingJournal) -> None:
    async def work(writer: GroupCommit) -> list[str]:
        with journal_locked(journal.path.parent):
            first = asyncio.create_task(writer.submit(note("first")))
            await behind(writer, 0)
            rest = [asyncio.create_task(writer.submit(note(f"job {n}"))) for n in range(100)]
            await behind(writer, 100)
            assert not any(task.done() for task in [first, *rest])
            assert notes(journal) == set()
        return await asyncio.gather(first, *rest)

    assert with_writer(journal, work) == ["first", *(f"job {n}" for n in range(100))]
    assert journal.commits == 2
    assert len(notes(journal)) == 101


def test_what_comes_while_turns_of_the_loop_bring_more_shares_one_commit(journal: CountingJournal) -> None:
    """Nobody holds the journal: the first of them would be stored alone, and each of the others after it."""

    async def late(writer: GroupCommit, turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await writer.submit(note(f"job {turns}"))

    async def work(writer: GroupCommit) -> list[str]:
        return await asyncio.gather(*(late(writer, turns) for turns in range(20)))

    assert with_writer(journal, work) == [f"job {turns}" for turns in range(20)]
    assert journal.commits == 1


def test_what_comes_before_it_is_our_turn_shares_one_commit(journal: CountingJournal) -> None:
    """Taken when it came, the first would be stored alone: with several writers most of a commit's price is paid for few."""

    async def work(writer: GroupCommit) -> list[str]:
        with journal_locked(journal.path.parent, TURN_FILE):
            tasks = []
            for number in range(20):
                tasks.append(asyncio.create_task(writer.submit(note(f"job {number}"))))
                await behind(writer, number + 1)
        return await asyncio.gather(*tasks)

    assert with_writer(journal, work) == [f"job {number}" for number in range(20)]
    assert journal.commits == 1


def with_plans(journal: Journal, work: Callable[[GroupCommit], Awaitable[T]], batches: list[int]) -> T:
    """The same with a writer that makes plans, which need no reader; how many at a time is noted."""

    def read(plans: Sequence[Callable[[Any], Any]]) -> list[Outcome]:
        batches.append(len(plans))
        return [attempt(plan, None) for plan in plans]

    return with_writer(journal, work, read)


def planned(name: str) -> Callable[[Reader], Callable[[sqlite3.Connection], Written[str]]]:
    return lambda reader: note(name)


def test_plans_are_made_when_it_is_our_turn_and_some_at_a_time(journal: CountingJournal) -> None:
    """Nobody else begins to write meanwhile: a flood of requests must not keep the engine waiting for all of them."""
    batches: list[int] = []

    async def work(writer: GroupCommit) -> list[str]:
        with journal_locked(journal.path.parent, TURN_FILE):
            tasks = [asyncio.create_task(writer.submit_planned(planned(f"job {number}"))) for number in range(100)]
            await behind(writer, 100)
            assert batches == []
        return await asyncio.gather(*tasks)

    assert with_plans(journal, work, batches) == [f"job {number}" for number in range(100)]
    assert (batches, journal.commits) == ([64, 36], 2)
    assert len(notes(journal)) == 100


def test_what_cannot_be_planned_is_told_while_another_writes(journal: CountingJournal) -> None:
    def wrong(reader: Reader) -> Callable[[sqlite3.Connection], Written[None]]:
        raise InvalidField("no such host")

    async def work(writer: GroupCommit) -> None:
        with journal_locked(journal.path.parent):
            for _ in range(2):
                with pytest.raises(InvalidField):
                    await writer.submit_planned(wrong)

    with_plans(journal, work, [])
    assert journal.commits == 0


def test_when_no_turn_can_be_had_those_who_wait_are_told_and_the_next_is_stored(
    journal: CountingJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    async def work(writer: GroupCommit) -> str:
        with monkeypatch.context() as patched:
            patched.setattr("engine.journal.store.fcntl.flock", no_locks)
            tasks = [writer.submit(note("a")), writer.submit_planned(planned("b"))]
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [JournalError] * 2
        return await writer.submit_planned(planned("c"))

    assert with_plans(journal, work, []) == "c"
    assert notes(journal) == {"c"}


def is_free(data: Path, name: str) -> bool:
    """Nobody holds that lock of the journal."""
    descriptor = os.open(data / name, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def no_transaction(journal: Journal) -> Iterator[None]:
    """BEGIN fails, as it does where the disk is full."""
    with sqlite3.connect(journal.path, isolation_level=None) as other:
        journal.connection.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    other.close()


@contextmanager
def no_lock(journal: Journal) -> Iterator[None]:
    """The turn can be had, the lock behind it cannot."""
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if descriptor == journal._lock and operation == fcntl.LOCK_EX:
            raise OSError(errno.ENOLCK, "no locks available")
        real(descriptor, operation)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("engine.journal.store.fcntl.flock", flock)
        yield


@pytest.mark.parametrize("failing", [no_transaction, no_lock])
def test_a_refusal_stays_one_where_nothing_can_be_written_and_nobody_is_kept_waiting(
    journal: CountingJournal, failing: Callable[[Journal], AbstractContextManager[None]]
) -> None:
    """Told 503 instead, a caller asks for the same again and again."""

    def wrong(reader: Reader) -> Callable[[sqlite3.Connection], Written[str]]:
        raise InvalidField("no such host")

    async def work(writer: GroupCommit) -> str:
        with failing(journal):
            tasks = [writer.submit_planned(wrong), writer.submit(note("a")), writer.submit_planned(planned("b"))]
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [InvalidField, JournalError, JournalError]
        assert is_free(journal.path.parent, TURN_FILE) and is_free(journal.path.parent, LOCK_FILE)
        return await writer.submit_planned(planned("c"))

    batches: list[int] = []
    assert with_plans(journal, work, batches) == "c"
    assert batches == [2, 1] and notes(journal) == {"c"}


def test_a_bug_in_making_plans_is_told_to_those_it_met_and_the_others_are_stored(journal: CountingJournal) -> None:
    """Nobody's request may end the thread that accepts for everybody."""
    batches: list[int] = []

    def read(plans: Sequence[Callable[[Any], Any]]) -> list[Outcome]:
        batches.append(len(plans))
        if len(batches) == 1:
            raise ZeroDivisionError
        return [attempt(plan, None) for plan in plans]

    async def work(writer: GroupCommit) -> str:
        tasks = [writer.submit_planned(planned("a")), writer.submit(note("b")), writer.submit_planned(planned("c"))]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError, str, ZeroDivisionError]
        return await writer.submit_planned(planned("d"))

    assert with_writer(journal, work, read) == "d"
    assert batches == [2, 1] and notes(journal) == {"b", "d"}


def test_a_thread_that_ends_in_a_plan_keeps_nobody_else_from_writing(journal: CountingJournal) -> None:
    def ending(reader: Reader) -> Callable[[sqlite3.Connection], Written[str]]:
        raise SystemExit("gone")

    async def work(writer: GroupCommit) -> list[object]:
        tasks = [writer.submit_planned(ending), writer.submit_planned(planned("a"))]
        outcomes: list[object] = await asyncio.gather(*tasks, return_exceptions=True)
        assert is_free(journal.path.parent, TURN_FILE) and writer.has_ended
        return outcomes

    outcomes = with_plans(journal, work, [])
    assert [type(outcome) for outcome in outcomes] == [JournalError] * 2 and notes(journal) == set()


def test_what_was_handed_in_just_before_the_writer_closes_is_stored(journal: CountingJournal) -> None:
    async def run() -> str:
        writer = GroupCommit(journal, journal.path.parent)
        writer.start()
        task = asyncio.create_task(writer.submit(note("last")))
        await asyncio.sleep(0)
        writer.close()  # in the same turn: nothing was handed over yet
        async with asyncio.timeout(PATIENCE_S):
            return await task

    assert asyncio.run(run()) == "last"
    assert notes(journal) == {"last"}


def test_a_transaction_takes_at_most_500_commands(journal: CountingJournal) -> None:
    async def work(writer: GroupCommit) -> None:
        with journal_locked(journal.path.parent):
            first = asyncio.create_task(writer.submit(note("first")))
            await behind(writer, 0)
            sizes = [300, 200, 1, COMMANDS_PER_TRANSACTION, COMMANDS_PER_TRANSACTION + 1, 1]
            rest = [asyncio.create_task(writer.submit(note(f"job {n}"), size)) for n, size in enumerate(sizes)]
            await behind(writer, 6)
        await asyncio.gather(first, *rest)

    with_writer(journal, work)
    assert journal.commits == 1 + 5  # [300 200] [1] [500] [501] [1]


def test_one_jobs_error_undoes_that_job_only(journal: CountingJournal) -> None:
    def half(connection: sqlite3.Connection) -> Written[None]:
        connection.execute("INSERT INTO meta VALUES ('half', '')")
        raise InvalidField("the second half is wrong")

    def bug(connection: sqlite3.Connection) -> Written[None]:
        connection.execute("INSERT INTO meta VALUES ('bug', '')")
        raise ZeroDivisionError

    def twice(connection: sqlite3.Connection) -> Written[None]:
        connection.execute("INSERT INTO meta VALUES ('before', '')")
        raise sqlite3.IntegrityError("taken")

    async def work(writer: GroupCommit) -> list[object]:
        with journal_locked(journal.path.parent):
            blocker = asyncio.create_task(writer.submit(note("blocker")))
            await behind(writer, 0)
            jobs = [
                asyncio.create_task(writer.submit(job)) for job in (note("a"), half, note("b"), bug, note("c"), twice, note("d"))
            ]
            await behind(writer, 7)
        await blocker
        return await asyncio.gather(*jobs, return_exceptions=True)

    outcomes = with_writer(journal, work)
    assert [type(outcome) for outcome in outcomes] == [
        str,
        InvalidField,
        str,
        ZeroDivisionError,
        str,
        sqlite3.IntegrityError,
        str,
    ]
    assert notes(journal) == {"blocker", "a", "b", "c", "d"}
    assert journal.commits == 2


def test_when_storage_fails_nobody_in_that_transaction_is_told_that_it_worked(journal: CountingJournal) -> None:
    def disk_full(connection: sqlite3.Connection) -> Written[None]:
        connection.execute("INSERT INTO meta VALUES ('last words', '')")
        raise sqlite3.OperationalError("database or disk is full")

    async def work(writer: GroupCommit) -> list[object]:
        with journal_locked(journal.path.parent):
            blocker = asyncio.create_task(writer.submit(note("blocker")))
            await behind(writer, 0)
            jobs = [asyncio.create_task(writer.submit(job)) for job in (note("a"), disk_full, note("b"))]
            await behind(writer, 3)
        await blocker
        outcomes: list[object] = await asyncio.gather(*jobs, return_exceptions=True)
        return [*outcomes, await writer.submit(note("afterwards"))]

    outcomes = with_writer(journal, work)
    assert [type(outcome) for outcome in outcomes[:3]] == [JournalError] * 3
    assert notes(journal) == {"blocker", "afterwards"}


def test_a_broken_page_of_the_journal_is_not_taken_for_one_jobs_error(journal: CountingJournal) -> None:
    """SQLite says so with an error of no kind of its own: the others in that transaction would be told that they are stored."""

    def broken(connection: sqlite3.Connection) -> Written[None]:
        raise sqlite3.DatabaseError("database disk image is malformed")

    async def work(writer: GroupCommit) -> list[object]:
        jobs = [asyncio.create_task(writer.submit(job)) for job in (note("a"), broken, note("b"))]
        return await asyncio.gather(*jobs, return_exceptions=True)

    assert [type(outcome) for outcome in with_writer(journal, work)] == [JournalError] * 3
    assert notes(journal) == set()


def test_a_bug_in_storing_is_told_to_those_it_met_and_the_next_is_stored(
    journal: CountingJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(writer: GroupCommit) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(GroupCommit, "_stored_together", lambda self, connection, jobs: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                await writer.submit(note("a"))
        assert await writer.submit(note("b")) == "b"

    with_writer(journal, work)
    assert notes(journal) == {"b"}


def test_what_nobody_can_be_told_of_is_stored_all_the_same(journal: CountingJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor is left, say: the engine looks by itself. Its error must neither be the caller's nor end the thread."""

    def none_left(data: Path, pollers: set[int]) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr("engine.desk.writer.poke_engine", none_left)

    async def work(writer: GroupCommit) -> str:
        await writer.submit(lambda connection: Written(None, frozenset({NORTH})))
        return await writer.submit(note("b"))

    assert with_writer(journal, work) == "b"


def test_nobody_waits_for_a_writer_that_has_ended(journal: CountingJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was being stored is not told that nothing was; who waits and who comes later is told at once why nothing is."""

    def ending(point: str) -> None:
        raise SystemExit("gone")

    async def work(writer: GroupCommit) -> list[object]:
        with journal_locked(journal.path.parent):
            first = asyncio.create_task(writer.submit(note("first")))
            await behind(writer, 0)
            waiting = asyncio.create_task(writer.submit(note("waiting")))
            await behind(writer, 1)
            monkeypatch.setattr("engine.desk.writer.crash_point", ending)
        outcomes: list[object] = await asyncio.gather(first, waiting, return_exceptions=True)
        return [*outcomes, *await asyncio.gather(writer.submit(note("later")), return_exceptions=True)]

    outcomes = with_writer(journal, work)
    assert [type(outcome) for outcome in outcomes] == [JournalError] * 3
    assert all("ended (SystemExit('gone'))" in str(outcome) for outcome in outcomes)
    assert ["Nothing was accepted" in str(outcome) for outcome in outcomes] == [False, True, True]
    assert notes(journal) == {"first"}


def test_a_request_that_goes_away_before_its_turn_takes_its_job_with_it(journal: CountingJournal) -> None:
    async def work(writer: GroupCommit) -> None:
        with journal_locked(journal.path.parent):
            blocker = asyncio.create_task(writer.submit(note("blocker")))
            await behind(writer, 0)
            leaving = asyncio.create_task(writer.submit(note("leaving")))
            staying = asyncio.create_task(writer.submit(note("staying")))
            await behind(writer, 2)
            leaving.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(blocker, staying)

    with_writer(journal, work)
    assert notes(journal) == {"blocker", "staying"}


def test_no_plan_is_made_for_a_request_that_went_away(journal: CountingJournal) -> None:
    """Nobody else begins to write meanwhile: where requests are given up by the hundred, that time is everybody's."""
    batches: list[int] = []

    async def work(writer: GroupCommit) -> str:
        with journal_locked(journal.path.parent, TURN_FILE):
            tasks = [asyncio.create_task(writer.submit_planned(planned(f"job {number}"))) for number in range(10)]
            await behind(writer, 10)
            for task in tasks[1:]:
                task.cancel()
            await asyncio.sleep(0)
        return await tasks[0]

    assert with_plans(journal, work, batches) == "job 0"
    assert batches == [1] and notes(journal) == {"job 0"}


def test_closing_finishes_what_is_waiting_and_takes_no_more(journal: CountingJournal) -> None:
    async def run() -> None:
        writer = GroupCommit(journal, journal.path.parent)
        writer.start()
        jobs = [asyncio.create_task(writer.submit(note(f"job {n}"))) for n in range(50)]
        await asyncio.sleep(0)
        await asyncio.to_thread(writer.close)
        await asyncio.gather(*jobs)
        with pytest.raises(JournalError):
            await writer.submit(note("late"))

    asyncio.run(run())
    assert len(notes(journal)) == 50
    assert not [thread for thread in threading.enumerate() if thread.name == "desk-writer"]


# --- at the desk --------------------------------------------------------------------------------------------------------


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with scene_in(tmp_path) as made:
        yield made


def test_the_engine_is_poked_after_the_commit_with_the_pollers_that_have_work(scene: Scene) -> None:
    engine = listen(scene.data, ENGINE_SOCKET)
    try:

        async def work(desk: Desk) -> None:
            loop = asyncio.get_running_loop()
            poked = asyncio.Event()
            seen: list[int] = []

            def read() -> None:
                # What the engine would see in the journal at the moment it is woken.
                assert received(engine) == [str(NORTH), str(SOUTH)]
                seen.append(len(scene.commands()))
                poked.set()

            loop.add_reader(engine.fileno(), read)
            here = [target("web01"), target("mail01")]
            asking = asyncio.create_task(desk.schedule_downtime(OPERATOR, here, comment="c", **window()))
            async with asyncio.timeout(PATIENCE_S):
                await poked.wait()
            await asking
            loop.remove_reader(engine.fileno())
            assert seen == [2]
            # A joined twin is no new work.
            await desk.schedule_downtime(OPERATOR, here, comment="c", **window())
            assert received(engine) == []

        at_desk(scene, work)
    finally:
        engine.close()


def test_what_a_caller_was_told_is_on_disk_for_another_process(scene: Scene) -> None:
    async def work(desk: Desk) -> list[str]:
        made = await asyncio.gather(
            *(desk.add_comment(OPERATOR, [target("web01")], comment=f"n {n}", persistent=True) for n in range(60))
        )
        with sqlite3.connect(scene.data / "journal.db") as other:
            stored = {command_id for (command_id,) in other.execute("SELECT id FROM command")}
        other.close()
        assert stored == {receipt.command_id for (receipt,) in made}
        return sorted(stored)

    ids = at_desk(scene, work)
    assert [command.id for command in scene.commands()] == ids  # ids are in the order of acceptance
    assert [entry.id for entry in scene.entries()] == [NORTH << 32 | n for n in range(1, 61)]


def test_a_bulk_that_cannot_be_stored_whole_is_withdrawn(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.scan(NORTH, host("many"), *(service("many", f"s{n}") for n in range(5 * SLICE)))
    targets = [target("many", f"s{n}") for n in range(5 * SLICE)]
    real = Journal.transaction
    calls = 0

    @contextmanager
    def failing(self: Journal, **how: bool) -> Iterator[sqlite3.Connection]:
        nonlocal calls
        calls += 1
        if calls == 5:  # the operation, three slices, then the disk is full
            raise JournalError("database or disk is full")
        with real(self, **how) as connection:
            yield connection

    monkeypatch.setattr(Journal, "transaction", failing)
    with pytest.raises(JournalError):
        at_desk(scene, lambda desk: desk.add_comment(OPERATOR, targets, comment="c", persistent=True))
    assert {str(command.state) for command in scene.commands()} == {"cancelled"}
    assert 3 <= len(scene.commands()) <= 3 * SLICE, "three slices, smaller ones where the machine was slow"
    assert not any(entry.present for entry in scene.entries())
