"""The desk between `open` and `close`: its databases, its threads, and reads of one moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from engine.clock import Clock, SystemClock
from engine.config import Config
from engine.desk.bulk import Bulk
from engine.desk.checks import Asked, asked
from engine.desk.pages import RightsOf
from engine.desk.readers import Readers
from engine.desk.resolve import is_behind
from engine.desk.storable import storable
from engine.desk.subscribe import Feed
from engine.desk.together import store_together
from engine.desk.values import Caller
from engine.desk.waiting import Waiting
from engine.desk.writer import GroupCommit
from engine.errors import JournalError, ResultsRefused, SignalboxError, StatusFileStale, UnknownHost, UnknownService
from engine.journal.ids import CommandIds
from engine.journal.operations import unsent_operations
from engine.journal.store import Journal
from engine.state.version import StateVersion
from engine.state.views import Reader

T = TypeVar("T")

_CATCH_UP_S = 2.0  # a scan of the largest status files takes less
_CATCH_UP_STEP_S = 0.05


class _Behind(Exception):
    """A name is unknown, but not all that the cores wrote has been read."""

    def __init__(self, unknown: SignalboxError) -> None:
        super().__init__(str(unknown))
        self.unknown = unknown


class OpenParts(msgspec.Struct, frozen=True):
    """What is there between `open` and `close`."""

    journal: Journal
    writer: GroupCommit
    readers: Readers
    waiting: Waiting
    bulk: Bulk
    feed: Feed
    version: StateVersion


class Opened:
    """What everything else of a desk stands on, see `engine.desk.Desk`."""

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        journal: Callable[[Path], Journal] = Journal.open,
        rights_of: RightsOf = lambda user: None,
    ) -> None:
        self.config = config
        self._rights_of = rights_of
        self._open_journal = journal
        self._clock: Clock = clock or SystemClock()
        self._pollers = self.pollers = {poller.number: poller for poller in config.pollers}
        self._ids = CommandIds(self._clock.now)
        self._opened: OpenParts | None = None

    async def open(self) -> None:
        """Open the databases and start listening for the engine's hints."""
        data = self.config.data
        journal = await asyncio.to_thread(self._open_journal, data)
        unsent = unsent_operations(journal.connection)
        feed = Feed(data, self._clock.now, self.config.settings.event_readers, self._rights_of)
        readers, waiting = Readers(data), Waiting(data, feed.hint)
        writer = GroupCommit(journal, data, readers.read_all, store_together)
        version = await asyncio.to_thread(StateVersion, data)
        bulk = Bulk(writer, readers.run, data, waiting.name, self._clock.now)
        opened = OpenParts(journal, writer, readers, waiting, bulk, feed, version)
        opened.writer.start()
        opened.waiting.open()
        self._opened = opened
        opened.bulk.withdraw_orphans(unsent)

    @property
    def is_beyond_writing(self) -> bool:
        """Its writer ended by a fault of ours: only a new process will accept anything."""
        return self._opened is not None and self._opened.writer.has_ended

    async def close(self) -> None:
        """Close everything `open` opened; what was handed in is stored first."""
        if self._opened is None:
            return
        opened, self._opened = self._opened, None
        await opened.bulk.finish()
        opened.waiting.close()
        await opened.feed.close()
        await asyncio.to_thread(opened.writer.close)
        await asyncio.to_thread(opened.readers.close)
        await asyncio.to_thread(opened.journal.close)
        opened.version.close()

    def state_version(self) -> int | None:
        """The same as before: nothing in state.db is another. None: something may be. Takes no time."""
        return self._parts.version.number()

    async def read(self, work: Callable[[Reader], T], *, short: bool = False) -> T:
        """Run `work` on a reader of state.db in a thread and return what it returns. All it reads is of one moment.

        Raises PollerError while the engine has not made state.db, InvalidField for a value no database can hold.
        """
        return await self._read(work, short=short)

    async def _read(self, work: Callable[[Reader], T], *, short: bool) -> T:
        """The same. `short`: it looks up a few rows by their keys, see `Readers.run`."""
        with storable():
            return await self._parts.readers.run(work, short=short)

    async def find(self, caller: Caller, work: Callable[[Reader], T], *, short: bool = False) -> T:
        """Read by `work` that looks names up; a name unknown so far gets a moment. `short`: see `Readers.run`.

        A core may just have written files that the mirror has not read yet. What is shown and what can be commanded are the same,
        so both are found here.
        """
        deadline = self._clock.monotonic() + _CATCH_UP_S

        def look(reader: Reader) -> T:
            try:
                return work(reader)
            except (UnknownHost, UnknownService, StatusFileStale, ResultsRefused) as unknown:
                # In the same snapshot: a moment later the mirror may have caught up, which says nothing of this look.
                if is_behind(reader, caller.scope, self._pollers):
                    raise _Behind(unknown) from unknown
                raise

        while True:
            try:
                return await self._read(look, short=short)
            except _Behind as behind:
                if self._clock.monotonic() >= deadline:
                    raise behind.unknown from None
            await asyncio.sleep(_CATCH_UP_STEP_S)

    @property
    def _parts(self) -> OpenParts:
        if self._opened is None:
            raise JournalError("This worker is not open: nothing can be read or accepted.")
        return self._opened

    def _asked(self, caller: Caller, author: str | None = None, reference: str = "", force: bool = False) -> Asked:
        return asked(caller, author, self._clock.now(), self.config.settings, reference, force)
