"""Storing one call's orders: in one transaction, or in slices that count only with the last of them.

Theory of operation. A slice is small enough that the journal's lock is held for milliseconds. The first slice brings the
operation's row, `incomplete`; the last makes it `complete` in the same transaction, and only then are its commands sent. When a
slice cannot be stored, what was stored is withdrawn; when this process dies in between, the next desk that opens (the dead
worker's successor) finds an incomplete operation whose desk nobody listens for any more, and withdraws it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.desk.accept import Accept
from engine.desk.once import Receipts, once, with_last_slice
from engine.desk.orders import Order
from engine.desk.together import Call
from engine.desk.values import Receipt
from engine.desk.writer import GroupCommit, Written
from engine.errors import JournalError, SignalboxError
from engine.faults import BETWEEN_SLICES, crash_point
from engine.hints import is_listening
from engine.journal.operations import Storing, go_on, insert_operation, withdraw_some

log = logging.getLogger(__name__)

SLICE = 100  # commands per transaction of a large call: some 5 ms of the journal's lock on a quiet machine

Work = Callable[[sqlite3.Connection, Sequence[Order]], Written[Receipts]]


@dataclass(slots=True)
class Bulk:
    """Stores for one desk. `desk` is the name of its socket; `now` gives epoch seconds. Belongs to one event loop."""

    writer: GroupCommit
    data: Path
    desk: str
    now: Callable[[], float]
    _running: set[str] = field(default_factory=set)
    _tasks: set[asyncio.Task[object]] = field(default_factory=set)

    async def store(self, accept: Accept, orders: Sequence[Order], work: Work) -> Receipts:
        """All orders or none. Raises what an order is refused for, JournalError."""
        if len(orders) <= SLICE:
            return await self.writer.submit(whole(accept, orders, work), len(orders))
        task = asyncio.create_task(self._store_slices(accept, orders, work), name="bulk")
        self._keep(task)
        return await asyncio.shield(task)  # a client that goes away does not leave half of it

    async def finish(self) -> None:
        """Wait for what is under way."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def withdraw_orphans(self, unsent: Mapping[str, str]) -> None:
        """Withdraw, in the background, those of these operations (id → desk) that nobody stores any more."""
        for operation, desk in unsent.items():
            orphaned = operation not in self._running if desk == self.desk else not is_listening(self.data, desk)
            if orphaned:
                log.warning("operation %s was not stored whole: it is withdrawn", operation)
                self._keep(asyncio.create_task(self._withdraw(operation), name="withdraw"))

    def _keep(self, task: asyncio.Task[object]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _store_slices(self, accept: Accept, orders: Sequence[Order], work: Work) -> Receipts:
        operation = accept.operation.id
        parts = [orders[start : start + SLICE] for start in range(0, len(orders), SLICE)]
        row = accept.operation._replace(state=Storing.INCOMPLETE, desk=self.desk)
        pollers: set[int] = set()

        def slice_of(number: int) -> Callable[[sqlite3.Connection], Written[Receipts]]:
            last = number == len(parts) - 1

            def store(connection: sqlite3.Connection) -> Written[Receipts]:
                if number == 0:
                    insert_operation(connection, row)
                else:
                    go_on(connection, operation, Storing.COMPLETE if last else Storing.INCOMPLETE)
                written = work(connection, parts[number])
                pollers.update(written.pollers)
                return replace(written, pollers=frozenset(pollers if last else ()))

            return store

        self._running.add(operation)
        receipts: list[Receipt] = []
        try:
            for number, part in enumerate(parts):
                job = slice_of(number)
                if number == len(parts) - 1:
                    job = with_last_slice(accept.who.caller, operation, accept.who.now, receipts, job)
                stored = await self.writer.submit(job, len(part))
                receipts += stored
                crash_point(BETWEEN_SLICES)
        except SignalboxError:
            await self._withdraw(operation)
            raise
        finally:
            self._running.discard(operation)
        return tuple(receipts)

    async def _withdraw(self, operation: str) -> None:
        reason = "not all of its operation could be stored: nothing of it was sent"
        done = False
        try:
            while not done:
                done = await self.writer.submit(lambda connection: _withdrawn(connection, operation, reason, self.now()), SLICE)
        except JournalError as error:
            log.error("operation %s could not be withdrawn yet, and none of it will be sent: %s", operation, error)


def whole(accept: Accept, orders: Sequence[Order], work: Work) -> Callable[[sqlite3.Connection], Written[Receipts]]:
    """The job that stores a call in one transaction."""
    if work == accept.orders:
        return Call(accept, orders)

    def store(connection: sqlite3.Connection) -> Written[Receipts]:
        insert_operation(connection, accept.operation)
        return work(connection, orders)

    return once(accept.who.caller, accept.operation.id, accept.who.now, Receipts, store)


def _withdrawn(connection: sqlite3.Connection, operation: str, reason: str, at: float) -> Written[bool]:
    moved, done = withdraw_some(connection, operation, reason, at, SLICE)
    return Written(done, moved=tuple(moved))
