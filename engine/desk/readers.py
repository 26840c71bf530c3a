"""Reads happen in threads, each with a connection of its own, inside one read transaction; short ones share both.

A reader is dropped and opened anew when state.db is another file than the one it opened, or when reading fails: the mirror can
be rebuilt at any time.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from engine.carrier import Carrier, Outcome, attempt
from engine.desk.resolve import look_ahead
from engine.errors import PollerError, SignalboxError
from engine.state.views import NotBrief, Reader
from engine.turns import Turns

T = TypeVar("T")

_THREADS = 4  # SQLite reads run outside the GIL; more than the cores of a small machine gain nothing
_START_GRACE_S = 2.0  # the engine process starts beside us and makes state.db in its first second
_RETRY_S = 0.05


class _NotYet(Exception):
    """state.db is not there, or not whole. `error` is what a caller is told when it stays so."""

    def __init__(self, error: SignalboxError) -> None:
        self.error = error


@dataclass(slots=True)
class Readers:
    """A few threads that read, in turns of who asks (see `engine.turns`)."""

    data: Path
    threads: int = _THREADS
    _turns: Turns = field(init=False)
    _short: Carrier = field(init=False)
    _mine: threading.local = field(default_factory=threading.local)
    _open: list[Reader] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._turns = Turns("desk-reader", self.threads, spare=1 if self.threads >= _THREADS else 0)
        self._short = Carrier("desk-short-reads", self.read_all)

    async def run(self, work: Callable[[Reader], T], *, short: bool = False) -> T:
        """Return what `work` returns. Raises PollerError when the engine has not made its view yet, or what `work` raises.

        `short`: a few look-ups by key; many such share one thread and one transaction. It may be run again when reading fails,
        and when it comes to something longer, such as the names that look like one that is unknown: then by itself.
        """
        if short:
            try:
                return await self.until_readable(lambda: self._short.run(work))
            except NotBrief:
                pass
        return await self.until_readable(lambda: self._turns.run(lambda: self._read(work)))

    async def until_readable(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` gives, which reads by `run` or `read_all`; asked again while the engine has just been started."""
        while True:
            try:
                return await ask()
            except _NotYet as not_yet:
                if time.monotonic() >= self._started + _START_GRACE_S:
                    raise not_yet.error from not_yet
            await asyncio.sleep(_RETRY_S)

    async def call(self, work: Callable[[], T]) -> T:
        """Run something that blocks, but reads no state, in the same threads."""
        return await self._turns.run(work)

    def close(self) -> None:
        """End the threads and close their connections. Blocks until running reads are done."""
        self._short.close()
        self._turns.close()
        with self._lock:
            for reader in self._open:
                reader.close()
            self._open.clear()

    def _read(self, work: Callable[[Reader], T]) -> T:
        reader = self._reader()
        try:
            with reader.snapshot():
                return work(reader)
        except sqlite3.DatabaseError as error:
            self._drop()
            reason = PollerError(f"The view of the cores cannot be read: {error}. See whether the engine process runs.")
            raise _NotYet(reason) from error

    def read_all(self, works: Sequence[Callable[[Reader], object]]) -> list[Outcome]:
        """All in one transaction; each on its own when that cannot be. For any one thread, which gets a connection of its own."""
        try:
            reader = self._reader()
            with reader.snapshot(), reader.brief():
                look_ahead(reader, works)
                outcomes = [attempt(work, reader) for work in works]
        except (sqlite3.DatabaseError, _NotYet):
            outcomes = []
        is_whole = outcomes and not any(isinstance(error, sqlite3.DatabaseError) for _, error in outcomes)
        return outcomes if is_whole else [attempt(self._read, work) for work in works]

    def _reader(self) -> Reader:
        mine: Reader | None = getattr(self._mine, "reader", None)
        if mine is not None and not mine.is_replaced():
            return mine
        self._drop()
        try:
            mine = Reader.open(self.data)
        except SignalboxError as error:
            raise _NotYet(error) from error
        self._mine.reader = mine
        with self._lock:
            self._open.append(mine)
        return mine

    def _drop(self) -> None:
        mine: Reader | None = getattr(self._mine, "reader", None)
        if mine is None:
            return
        self._mine.reader = None
        with self._lock:
            self._open.remove(mine)
        mine.close()
