"""Events as they happen, for any number of readers: states from state.db, lives of commands from the journal's own steps.

Theory of operation. One feed per API worker reads both databases from a cursor on, woken by the engine's hint and by a slow look
below it. A page is filtered and worded once per audience (same scope, same filter, same wording) in the reading thread; readers
of an audience share its bytes. A reader who comes with a cursor reads pages of its own until it stands where the feed stands and
joins in that very moment, so that there is neither gap nor repetition. Every reader's queue is bounded: one who does not take
what waits for him is told `reset` and let go; the feed gives slow ones a moment, but waits for nobody. With each page the feed
reads what every reader's token may see now: who may see less than when he came gets nothing of that page, and the stream ends.

A cursor is the incarnation of state.db and two sequence numbers. Where it cannot be gone on from (the mirror was made anew, the
events were dropped, the journal is another), the answer is `reset`, never silence.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine.desk.audience import Audience, Which, Wording, audience_of
from engine.desk.pages import NOWHERE, Cursor, Page, RightsOf, head_of, lessened, lost_at, read_page
from engine.desk.readers import Readers
from engine.desk.snapshot import write_snapshot
from engine.desk.values import Caller
from engine.errors import PollerError, TooManyReaders
from engine.figures import EVENT_READERS
from engine.state.views import Reader

log = logging.getLogger(__name__)

WAITING_BYTES = 1 << 20  # of one reader; the bytes themselves are shared
LOOK_EVERY_S = 0.25  # hints may be lost
BEAT_EVERY_S = 15.0
_PACE_S = 0.25  # how long a full page waits for readers to take the one before
_PIECE_BYTES = 1 << 18
_TOO_SLOW = "you read more slowly than things happen: what waited for you was dropped"
_NOT_GRANTED = "your token has ended, or what it or your rights show is something else than when you came"
_FAILED = "an error of ours: come back with the last id"
_STOPPING = "this server stops: come back with the last id"

# --- giving out: on the loop ----------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Queue:
    """What waits for one reader. Bounded by WAITING_BYTES: who lets more wait is told `reset`, and nothing waits any more."""

    audience: Audience
    caller: Caller
    waiting: deque[bytes] = field(default_factory=deque)
    size: int = 0
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    end: tuple[str, str] | None = None  # the sign to leave with, and why

    def put(self, blob: bytes) -> None:
        if self.waiting and self.size + len(blob) > WAITING_BYTES:
            self.leave("reset", _TOO_SLOW)
            return
        self.waiting.append(blob)
        self.size += len(blob)
        self.filled.set()

    def take(self) -> bytes:
        """The next of what waits, b"" when nothing does."""
        blob = self.waiting.popleft() if self.waiting else b""
        self.size -= len(blob)
        if not self.waiting and self.end is None:
            self.filled.clear()
        return blob

    def leave(self, sign: str, why: str) -> None:
        self.waiting.clear()
        self.size = 0
        self.end = (sign, why)
        self.filled.set()


class Feed:
    """Every reader of one API worker. Belongs to one event loop; `now` is our clock, `most` the readers it takes.

    `rights_of`: what a core's own configuration gives a user now, called in reading threads.
    """

    def __init__(self, data: Path, now: Callable[[], float], most: int, rights_of: RightsOf = lambda user: None) -> None:
        self._live = Readers(data, 1)
        self._past = Readers(data, 2)
        self._now = now
        self._most = most
        self._rights_of = rights_of
        self._readers = 0
        self._queues: set[_Queue] = set()
        self._cursor = NOWHERE
        self._task: asyncio.Task[None] | None = None
        self._hinted = asyncio.Event()
        self._room = asyncio.Event()
        self._turn = asyncio.Lock()
        self._closing = False

    def hint(self) -> None:
        """Something may have happened."""
        self._hinted.set()

    def end_all(self) -> None:
        """Let every reader go: this worker stops."""
        self._closing = True
        for queue in list(self._queues):
            queue.leave("end", _STOPPING)

    async def close(self) -> None:
        """End the feed and its threads."""
        self.end_all()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await asyncio.to_thread(self._live.close)
        await asyncio.to_thread(self._past.close)

    async def stream(
        self, caller: Caller, which: Which, wording: Wording, *, after: str | None = None, snapshot: bool = False
    ) -> AsyncGenerator[bytes]:
        """Bytes for one reader until he is let go. Close the iterator when he is gone.

        With its first step it raises InvalidField for an `after` that is no place in a stream, TooManyReaders, and PollerError
        while there is no state.db.
        """
        cursor = Cursor.load(after) if after is not None else None
        if self._readers >= self._most:
            raise TooManyReaders(f"{self._most} streams are read from this worker already: come back later.")
        queue = _Queue(audience_of(caller, which, wording), caller)
        self._readers += 1
        EVENT_READERS.inc()
        try:
            await self._start()
            async with aclosing(self._read(queue, cursor, snapshot)) as blobs:
                async for blob in blobs:
                    yield blob
        finally:
            self._readers -= 1
            EVENT_READERS.dec()
            self._queues.discard(queue)
            self._room.set()

    async def _read(self, queue: _Queue, cursor: Cursor | None, snapshot: bool) -> AsyncGenerator[bytes]:
        audience, wording = queue.audience, queue.audience.wording
        lost, head = await self._past.run(lambda reader: (lost_at(reader.connection, cursor), self._head(reader)))
        if lost:
            yield wording.sign("reset", lost, "" if snapshot else head.dump())
            if not snapshot:
                return
        if snapshot and (cursor is None or lost):
            start, spool = await self._past.run(lambda reader: (self._head(reader), write_snapshot(reader, audience)))
            with spool:
                yield wording.sign("snapshot_begins", "", "")
                while piece := await self._past.call(lambda: spool.read(_PIECE_BYTES)):
                    yield piece
            yield wording.sign("snapshot_ends", "", start.dump())
        elif cursor is None:
            start = self._cursor
            yield wording.sign("begins", "", start.dump())
        else:
            start = cursor
            yield wording.beat(start.dump())  # he knows at once that he is heard, though nothing may happen for long
        for part in (self._past_of(queue, start), self._present_of(queue)):
            async with aclosing(part):
                async for blob in part:
                    yield blob

    async def _past_of(self, queue: _Queue, cursor: Cursor) -> AsyncGenerator[bytes]:
        """What came between the cursor and where the feed stands; at the end the reader has joined, or has a reason to leave."""
        while not self._closing:
            if cursor == self._cursor:
                self._queues.add(queue)  # in the very moment in which he stands where the feed stands
                return
            if self._is_ahead(cursor):
                await self._advance()
                continue
            start, head = cursor, self._cursor
            page = await self._past.run(self._reading(start, head, [queue]))
            if page.lost:
                queue.leave("reset", page.lost)
                return
            if not page.is_for(queue.caller):
                queue.leave("end", _NOT_GRANTED)
                return
            cursor = page.end
            if blob := page.blob(queue.audience):
                yield blob
        queue.leave("end", _STOPPING)

    def _is_ahead(self, cursor: Cursor) -> bool:
        """Another worker's feed was quicker, or saw that state.db was made anew: ours has to look before they can meet."""
        head = self._cursor
        return cursor.incarnation != head.incarnation or (cursor.state >= head.state and cursor.journal >= head.journal)

    async def _present_of(self, queue: _Queue) -> AsyncGenerator[bytes]:
        """What comes, from the moment of joining until he has to leave."""
        wording = queue.audience.wording
        while queue.end is None:
            if blob := queue.take():
                self._room.set()
                yield blob
                continue
            try:
                async with asyncio.timeout(BEAT_EVERY_S):
                    await queue.filled.wait()
            except TimeoutError:
                yield wording.beat(self._cursor.dump())
        sign, why = queue.end
        yield wording.sign(sign, why, (await self._past.run(self._head)).dump() if sign == "reset" else "")

    # --- the feed -------------------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        async with self._turn:
            if self._task is None or self._task.done():
                self._cursor = await self._live.run(self._head)
                self._task = asyncio.create_task(self._run(), name="events")
                self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A feed that failed must not leave readers waiting for what will not come."""
        if task.cancelled() or task.exception() is None:
            return
        log.error("the feed of events failed", exc_info=task.exception())
        for queue in list(self._queues):
            queue.leave("end", _FAILED)

    async def _run(self) -> None:
        """As long as anybody reads."""
        while self._readers:
            self._hinted.clear()
            try:
                is_full = await self._advance()
            except PollerError as error:
                log.warning("events wait: %s", error)
                is_full = False
            if is_full:
                await self._pace()
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._hinted.wait()

    async def _advance(self) -> bool:
        """Read one page and give it out. Returns whether there is more."""
        async with self._turn:
            asked = set(self._queues)
            page = await self._live.run(self._reading(self._cursor, None, asked))
            while joined := self._queues - asked:  # while it was being read
                await self._live.run(partial(page.word, audiences=[queue.audience for queue in joined]))
                asked |= joined
            self._cursor = page.end
            for queue in list(self._queues):
                if page.lost:
                    queue.leave("reset", page.lost)
                elif not page.is_for(queue.caller):
                    queue.leave("end", _NOT_GRANTED)
                elif blob := page.blob(queue.audience):
                    queue.put(blob)
                if queue.end is not None:
                    self._queues.discard(queue)
            return page.is_full

    def _reading(self, after: Cursor, upto: Cursor | None, queues: Collection[_Queue]) -> Callable[[Reader], Page]:
        audiences, callers = [queue.audience for queue in queues], [queue.caller for queue in queues]

        def read(reader: Reader) -> Page:
            now = self._now()
            return read_page(reader, after, upto, audiences, lessened(reader, callers, self._rights_of, now), now)

        return read

    def _head(self, reader: Reader) -> Cursor:
        return head_of(reader, self._now())

    async def _pace(self) -> None:
        """More is to come at once: let readers take what waits for them, but wait for none of them long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PACE_S):
                while any(queue.size > WAITING_BYTES // 2 for queue in self._queues):
                    self._room.clear()
                    await self._room.wait()
