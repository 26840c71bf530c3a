"""Storing one call's orders: in one transaction, or in slices that count only with the last of them.

Theory of operation. A slice is small enough that the journal's lock is held for milliseconds, and smaller when it was not. Before
the first the operation's row is stored, `incomplete`, and the public ids of all that is to be made are minted; behind the last
it becomes `complete`, in the transaction that stores what the request gets, and only then are its commands sent. A deletion of
what was not sent yet is stored like any other, and ends what it is to delete only when all of the call stands. The rows of a
slice are made before its turn at the journal: making them meanwhile won nothing, the two threads wait for one interpreter. None
waits for the disk but the end, with which all are durable. When a slice cannot be stored, what was stored is withdrawn, as
soon as the journal can be written again; when this process dies in between, the next desk that opens (the dead worker's
successor) finds an incomplete operation whose desk nobody listens for any more, and withdraws it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from msgspec import structs

from engine.commands.catalogue import Effect
from engine.desk.accept import Accept, Rows, minted
from engine.desk.once import LINKS_AT_ONCE, Links, Receipts, finished, linked, once, packed_answer
from engine.desk.orders import Order
from engine.desk.together import Call, is_plain, twins_among
from engine.desk.values import Receipt
from engine.desk.writer import GroupCommit, Written
from engine.errors import JournalError
from engine.faults import BETWEEN_SLICES, crash_point
from engine.hints import is_listening
from engine.journal.commands import insert_new
from engine.journal.history import insert_entries
from engine.journal.operations import STORED_WITHIN_S, Storing, go_on, insert_operation, withdraw_some
from engine.model import ObjectKey
from engine.state.views import Reader

log = logging.getLogger(__name__)

SLICE = 256  # commands per transaction of a large call, as many as one statement stores: some 10 ms of the journal's lock
_LONG_S = 0.015  # a slice that held the lock for longer is followed by a smaller one
_SMALLEST = 25
_AGAIN_S = 5.0  # a disk that is full stays so for a while; until then the operation refuses twins

Work = Callable[[sqlite3.Connection, Sequence[Order]], Written[Receipts]]
Job = Callable[[sqlite3.Connection], Written[Receipts]]
Ids = Mapping[int, Iterator[int]]


@dataclass(slots=True)
class Bulk:
    """Stores for one desk. `desk` is the name of its socket; `now` gives epoch seconds. Belongs to one event loop."""

    writer: GroupCommit
    read: Callable[[Callable[[Reader], set[ObjectKey]]], Awaitable[set[ObjectKey]]]
    data: Path
    desk: str
    now: Callable[[], float]
    _running: set[str] = field(default_factory=set)
    _tasks: set[asyncio.Task[object]] = field(default_factory=set)
    _finishing: asyncio.Event = field(default_factory=asyncio.Event)

    async def store(self, accept: Accept, orders: Sequence[Order], work: Work) -> Receipts:
        """All orders or none. Raises what an order is refused for, JournalError."""
        if len(orders) <= SLICE:
            return await self.writer.submit(whole(accept, orders, work), len(orders))
        task = asyncio.create_task(self._store_slices(accept, orders, work), name="bulk")
        self._keep(task)
        return await asyncio.shield(task)  # a client that goes away does not leave half of it

    async def finish(self) -> None:
        """Wait for what is under way; what could not be withdrawn yet is left to the next desk."""
        self._finishing.set()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def withdraw_orphans(self, unsent: Mapping[str, str]) -> None:
        """Withdraw, in the background, those of these operations (id → desk) that nobody stores any more."""
        for operation, desk in unsent.items():
            orphaned = operation not in self._running if desk == self.desk else not is_listening(self.data, desk)
            if orphaned:
                log.warning("operation %s was not stored whole: it is withdrawn", operation)
                self._keep(asyncio.create_task(self._withdraw_at_last(operation), name="withdraw"))

    def _keep(self, task: asyncio.Task[object]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _store_slices(self, accept: Accept, orders: Sequence[Order], work: Work) -> Receipts:
        operation = accept.operation.id
        links: Links | None = None
        self._running.add(operation)
        try:
            ids = await self.writer.submit(partial(_begin, accept, orders, self.desk))
            receipts = await self._slices(accept, orders, work, ids)
            answer = await asyncio.to_thread(packed_answer, accept.who.caller, receipts)
            end = finished(accept, receipts, answer, partial(_end, accept, orders, self.now))
            links = await self.writer.submit(end)
        finally:  # whatever went wrong, be it an error that is none of ours: half of it must not wait for this process to end
            if links is None and not await self._withdraw(operation):
                self._keep(asyncio.create_task(self._withdraw_at_last(operation), name="withdraw"))
            self._running.discard(operation)
        try:
            while links:
                links = await self.writer.submit(partial(linked, links), LINKS_AT_ONCE)
        except Exception:  # all of it stands and goes out: whoever was told otherwise would ask for it again
            log.exception("operation %s is stored and goes out; what joined it is missing in the audit", operation)
        await self._spare(accept, orders, receipts)
        return receipts

    async def _spare(self, accept: Accept, orders: Sequence[Order], receipts: Receipts) -> None:
        """Of a complete call's deletions: withdraw what was not sent yet, instead of sending it and deleting it.

        Where an object is acknowledged by now, the core has to be told, whose acknowledgement it may be.
        """
        effects = (Effect.ENTRY_GONE, Effect.NOT_ACKNOWLEDGED)
        asked = [(order, receipt) for order, receipt in zip(orders, receipts, strict=True) if order.row.effect in effects]
        try:
            for begin in range(0, len(asked), SLICE):
                part = asked[begin : begin + SLICE]
                keys = [order.found.key for order, _ in part if order.row.effect is Effect.NOT_ACKNOWLEDGED]
                acknowledged = await self.read(partial(_acknowledged, keys)) if keys else set()
                spared = [receipt for order, receipt in part if order.found.key not in acknowledged]
                await self.writer.submit(partial(accept.spare, receipts=spared), len(part))
        except Exception:  # as above
            log.exception("operation %s: what it deletes is sent first where it was not yet", accept.operation.id)

    async def _slices(self, accept: Accept, orders: Sequence[Order], work: Work, ids: Ids) -> Receipts:
        """Store one slice after the other."""
        receipts: list[Receipt] = []
        begin, size = 0, SLICE
        while begin < len(orders):
            part = orders[begin : begin + size]
            job = await asyncio.to_thread(_slice, accept, part, work, ids)
            stored: Receipts = await self.writer.submit(job, len(part), durable=False)
            receipts += stored
            crash_point(BETWEEN_SLICES)
            begin += len(part)
            was_long = self.writer.journal.held_s > _LONG_S
            size = min(SLICE, max(_SMALLEST, size // 2) if was_long else size * 2)
        return tuple(receipts)

    async def _withdraw_at_last(self, operation: str) -> None:
        """Withdraw it as soon as the journal can be written again."""
        is_again = False
        while not await self._withdraw(operation, is_again=is_again) and not self._finishing.is_set():
            is_again = True
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S):
                    await self._finishing.wait()

    async def _withdraw(self, operation: str, *, is_again: bool = False) -> bool:
        """Whether it is withdrawn now."""
        reason = "not all of its operation could be stored: nothing of it was sent"
        done = False
        try:
            while not done:
                done = await self.writer.submit(lambda connection: _withdrawn(connection, operation, reason, self.now()), SLICE)
        except JournalError as error:
            level = logging.DEBUG if is_again else logging.ERROR
            log.log(level, "operation %s could not be withdrawn yet, and none of it will be sent: %s", operation, error)
        return done


def _acknowledged(keys: Sequence[ObjectKey], reader: Reader) -> set[ObjectKey]:
    """Those of these objects that are acknowledged, as the newest view says."""
    rows = {key: reader.object_row(key.poller, key.host, key.service) for key in keys}
    return {key for key, row in rows.items() if row is not None and row.acknowledged}


def whole(accept: Accept, orders: Sequence[Order], work: Work) -> Job:
    """The job that stores a call in one transaction."""
    if work == accept.orders:
        return Call(accept, orders)

    def store(connection: sqlite3.Connection) -> Written[Receipts]:
        insert_operation(connection, accept.operation)
        return work(connection, orders)

    return once(accept.who.caller, accept.operation.id, accept.who.now, Receipts, store)


def _begin(accept: Accept, orders: Sequence[Order], desk: str, connection: sqlite3.Connection) -> Written[Ids]:
    """Store the operation, and mint the ids of all that it makes: what is not used is not used by anybody."""
    insert_operation(connection, accept.operation._replace(state=Storing.INCOMPLETE, desk=desk))
    return Written(minted(connection, orders))


def _slice(accept: Accept, orders: Sequence[Order], work: Work, ids: Ids) -> Job:
    """The job that stores some of an operation's orders. Its rows are made here, where it can be."""
    rows = Rows()
    is_ready = work == accept.orders and all(is_plain(accept, order) for order in orders)
    receipts = accept.rows(orders, ids, rows) if is_ready else ()
    keys = [] if accept.who.force else [order.twin.key for order in orders if order.twin is not None]

    def store(connection: sqlite3.Connection) -> Written[Receipts]:
        go_on(connection, accept.operation.id, Storing.INCOMPLETE)
        if not is_ready or twins_among(connection, keys):
            return structs.replace(work(connection, orders), pollers=frozenset())
        insert_entries(connection, rows.entries)
        insert_new(connection, rows.commands)
        return Written(receipts)

    return store


def _end(accept: Accept, orders: Sequence[Order], now: Callable[[], float], connection: sqlite3.Connection) -> Written[None]:
    """The operation is complete: its commands may be sent. Raises JournalError when nobody would be told of them any more."""
    took_s = now() - accept.operation.at
    if took_s > STORED_WITHIN_S:
        raise JournalError(
            f"Storing this took {took_s:.0f} s, more than {STORED_WITHIN_S:.0f}: nothing of it will be sent, ask again."
        )
    go_on(connection, accept.operation.id, Storing.COMPLETE)
    return Written(None, frozenset(order.found.key.poller for order in orders))


def _withdrawn(connection: sqlite3.Connection, operation: str, reason: str, at: float) -> Written[bool]:
    moved, done = withdraw_some(connection, operation, reason, at, SLICE)
    return Written(done, moved=tuple(moved))
