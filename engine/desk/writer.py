"""Accepts of many requests share one commit: the thread of an API worker that writes journal.db.

Theory of operation. A request hands in a job (a function of the writer connection), or a plan that makes one out of what a reader
of state.db shows. What is handed in waits until a turn of the loop has brought no more: a commit has its price, whatever it
carries. The thread then waits until it is next to write, takes what is waiting by then, up to 500 commands, makes the plans of
them in one snapshot while another process still writes, opens one `Journal.transaction` and stores in it: first, with a few
statements for all of them, the jobs that can be stored together; then each of the others inside a SAVEPOINT of its own, so that
one job's error undoes that job only. Nobody can tell the order: none of them has been answered. After the COMMIT it pokes the
engine and resolves the requests' futures: what a caller is told is durable. A bug met in planning or storing is told to those
whose jobs these were; should the thread end all the same, whoever waits and whoever comes is told that, and nobody waits for ever.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from engine.carrier import Outcome as Planned
from engine.errors import JournalError
from engine.faults import AFTER_COMMIT, crash_point
from engine.hints import poke_engine, tell_desks
from engine.journal.store import Journal
from engine.state.views import Reader

T = TypeVar("T")

log = logging.getLogger(__name__)

COMMANDS_PER_TRANSACTION = 500
_WAITING_JOBS = 2000  # more than that many requests wait for their turn before they get into the queue
_PLANS = 64  # made in one turn, in which nobody else begins to write
_GATHERED = 64  # jobs that are worth a commit by themselves
_ENDED = "The thread that writes the journal for this worker ended ({}): restart Signalbox, see its log."


class Written(msgspec.Struct, Generic[T], frozen=True):
    """What a job gives back, and whom to wake once it is durable."""

    value: T
    pollers: frozenset[int] = frozenset()  # new work for the engine
    moved: tuple[str, ...] = ()  # commands whose life went on, for other desks


Work = Callable[[sqlite3.Connection], Written[T]]
Plan = Callable[[Reader], Work[T]]
# Stores those works that need nothing but rows of their own; None for each that has to be run.
Together = Callable[[sqlite3.Connection, Sequence[Work[Any]]], Sequence[Written[Any] | None]]


@dataclass(slots=True)
class _Job:
    work: Work[Any] | None
    commands: int
    future: asyncio.Future[Any]
    plan: Plan[Any] | None = None
    durable: bool = True


class _Outcome(NamedTuple):
    written: Written[Any] | None = None
    error: BaseException | None = None


@dataclass(slots=True)
class GroupCommit:
    """The writer thread. `submit` belongs to one event loop; everything else is safe from any thread."""

    journal: Journal
    data: Path
    read: Callable[[Sequence[Plan[Any]]], Sequence[Planned]] = lambda plans: []  # makes plans, in this thread
    together: Together = lambda connection, works: [None] * len(works)  # see engine/desk/together.py
    _gathered: list[_Job] = field(default_factory=list)  # handed in, not handed over yet
    _jobs: deque[_Job] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _closing: bool = False
    _ended: str = ""  # by what the thread ended, though nobody closes
    _thread: threading.Thread | None = None
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_WAITING_JOBS))

    @property
    def has_ended(self) -> bool:
        """The thread ended though nobody closes: nothing will be stored any more."""
        return bool(self._ended)

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="desk-writer")
        self._thread.start()

    def close(self) -> None:
        """Finish what is waiting, then end the thread. Blocks; nothing may be submitted any more."""
        with self._changed:
            self._closing = True
            self._hand_over()
        if self._thread is not None:
            self._thread.join()

    async def submit(self, work: Work[T], commands: int = 1, *, durable: bool = True) -> T:
        """Run `work` in a shared transaction; return its value once that is durable.

        Raises what `work` raised (then nothing of it was stored), or JournalError. A request that goes away before its job's turn
        takes the job with it; after that the job stands. `durable=False`: what comes after it is told, with that it is durable.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        async with self._room:
            self._hand_in(_Job(work, commands, future, durable=durable))
            return await future

    async def submit_planned(self, plan: Plan[T], commands: int = 1) -> T:
        """The same of what `plan` makes out of a reader just before. Raises what it raises, too."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        async with self._room:
            self._hand_in(_Job(None, commands, future, plan))
            return await future

    def _hand_in(self, job: _Job) -> None:
        with self._changed:
            if self._closing:
                raise JournalError("This worker is shutting down: nothing was accepted, ask again.")
            if self._ended:
                raise JournalError(f"{_ENDED.format(self._ended)} Nothing was accepted.")
            if not self._gathered:
                job.future.get_loop().call_soon(self._gather, 0)
            self._gathered.append(job)

    def _gather(self, known: int) -> None:
        """Hand over what was gathered, unless the last turn of the loop brought more than the `known` ones."""
        with self._changed:
            if known < len(self._gathered) < _GATHERED:
                self._gathered[0].future.get_loop().call_soon(self._gather, len(self._gathered))
            else:
                self._hand_over()

    def _hand_over(self) -> None:
        """The lock is held."""
        self._jobs.extend(self._gathered)
        self._gathered.clear()
        self._changed.notify()

    def _run(self) -> None:
        jobs: list[_Job] = []
        try:
            while self._wait():
                jobs = []
                outcomes = self._stored(jobs)
                crash_point(AFTER_COMMIT)
                self._wake(outcomes)
                _hand_out(jobs, outcomes)
        except BaseException as error:  # the top of a thread: nobody may wait for what it will not do any more
            log.critical("the thread that writes the journal for this worker ended", exc_info=True)
            self._end(repr(error), jobs)

    def _end(self, why: str, jobs: Sequence[_Job]) -> None:
        """Tell everybody who waits."""
        with self._changed:
            self._ended = why
            waiting = [*self._jobs, *self._gathered]
            self._jobs.clear()
            self._gathered.clear()
        told = JournalError(f"{_ENDED.format(why)} Look into /v1/commands whether it was accepted before you ask again.")
        _hand_out(jobs, [_Outcome(error=told)] * len(jobs))
        told = JournalError(f"{_ENDED.format(why)} Nothing was accepted.")
        _hand_out(waiting, [_Outcome(error=told)] * len(waiting))

    def _wait(self) -> bool:
        """Until a job is there; False when closing and done."""
        with self._changed:
            while not self._jobs and not self._closing:
                self._changed.wait()
            return bool(self._jobs)

    def _stored(self, jobs: list[_Job]) -> list[_Outcome]:
        """Take what waits into `jobs` when it is our turn, make the plans, then store all that could be planned."""
        try:
            with self.journal.next_in_line():
                jobs += self._taken()
                outcomes = self._planned(jobs)
                ready = [place for place, outcome in enumerate(outcomes) if outcome is None]
                for place, outcome in zip(ready, self._commit([jobs[place] for place in ready]) if ready else (), strict=True):
                    outcomes[place] = outcome
        except JournalError as error:  # there was no turn to be had
            jobs += self._taken()
            outcomes = [_Outcome(error=error)] * len(jobs)
        return [outcome or _Outcome() for outcome in outcomes]

    def _planned(self, jobs: Sequence[_Job]) -> list[_Outcome | None]:
        """What went wrong with the plans; None for each job that has its work now."""
        outcomes: list[_Outcome | None] = [None] * len(jobs)
        some = [(place, job, job.plan) for place, job in enumerate(jobs) if job.plan is not None and not job.future.cancelled()]
        if some:
            for (place, job, _), (work, error) in zip(some, self._made([plan for _, _, plan in some]), strict=True):
                job.work = work
                outcomes[place] = None if error is None else _Outcome(error=error)
        return outcomes

    def _made(self, plans: Sequence[Plan[Any]]) -> Sequence[Planned]:
        try:
            return self.read(plans)
        except Exception as error:  # a bug, told to those whose plans these were: others' still come
            log.exception("%d plans could not be made", len(plans))
            return [(None, error)] * len(plans)

    def _taken(self) -> list[_Job]:
        """What shares the next transaction; at least one job, if any waits."""
        with self._changed:
            taken: list[_Job] = []
            commands = plans = 0
            while self._jobs and plans < _PLANS and (not taken or commands + self._jobs[0].commands <= COMMANDS_PER_TRANSACTION):
                taken.append(self._jobs.popleft())
                commands += taken[-1].commands
                plans += taken[-1].plan is not None
            return taken

    def _commit(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        try:
            with self.journal.transaction(durable=any(job.durable for job in jobs)) as connection:
                done = self._stored_together(connection, jobs)
                return [
                    _run_job(connection, job) if written is None else _Outcome(written)
                    for job, written in zip(jobs, done, strict=True)
                ]
        except JournalError as error:
            return [_Outcome(error=error) for _ in jobs]
        except Exception as error:  # a bug, told to those whose jobs these were: others' still come
            log.exception("%d jobs could not be stored", len(jobs))
            return [_Outcome(error=error) for _ in jobs]

    def _stored_together(self, connection: sqlite3.Connection, jobs: Sequence[_Job]) -> Sequence[Written[Any] | None]:
        """What could be stored with few statements for all. If anything is wrong with that, nothing: each is run, and shows it."""
        connection.execute("SAVEPOINT together")
        try:
            works = [_gone if job.work is None or job.future.cancelled() else job.work for job in jobs]
            written = self.together(connection, works)
        except Exception as error:  # it comes up again in the job whose it is
            if _is_of_database(error):
                raise
            connection.execute("ROLLBACK TO together")
            written = [None] * len(jobs)
        connection.execute("RELEASE together")
        return written

    def _wake(self, outcomes: Sequence[_Outcome]) -> None:
        written = [outcome.written for outcome in outcomes if outcome.written is not None]
        pollers = set().union(*(result.pollers for result in written))
        moved = [command_id for result in written for command_id in result.moved]
        try:
            if pollers:
                poke_engine(self.data, pollers)
            if moved:
                tell_desks(self.data, moved)
        except OSError as error:  # what was stored stands, and they look by themselves soon
            log.error("nobody could be told of what was stored: %s", error)


def _gone(connection: sqlite3.Connection) -> Written[None]:
    """The work of a request that went away."""
    return Written(None)


def _run_job(connection: sqlite3.Connection, job: _Job) -> _Outcome:
    """One job inside its own SAVEPOINT. What breaks the database breaks the transaction; anything else is the job's own."""
    if job.future.cancelled() or job.work is None:
        return _Outcome()
    connection.execute("SAVEPOINT job")
    try:
        written = job.work(connection)
    except Exception as error:  # handed to the request that brought the job, as an executor does
        if _is_of_database(error):
            raise
        connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")
        return _Outcome(error=error)
    connection.execute("RELEASE job")
    return _Outcome(written)


def _is_of_database(error: Exception) -> bool:
    """It says that the journal fails, a page of it is broken, say, and not that what a job wanted cannot be."""
    of_job = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, of_job)


def _hand_out(jobs: Sequence[_Job], outcomes: Sequence[_Outcome]) -> None:
    """Resolve the requests' futures, unless their loop has ended."""
    if jobs:
        with suppress(RuntimeError):
            jobs[0].future.get_loop().call_soon_threadsafe(_deliver, jobs, outcomes)


def _deliver(jobs: Sequence[_Job], outcomes: Sequence[_Outcome]) -> None:
    for job, outcome in zip(jobs, outcomes, strict=True):
        if job.future.done():
            continue
        if outcome.error is not None:
            job.future.set_exception(outcome.error)
        elif outcome.written is not None:
            job.future.set_result(outcome.written.value)
