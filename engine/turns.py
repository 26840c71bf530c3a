"""Threads that do what many ask, in turns of who asks: whoever asks for much at once waits for himself, not others for him.

Theory of operation. What an asker handed in waits in a queue of his own; a thread that is free takes the first work of the asker
whose turn it is, and his next turn comes after everybody else's. With `spare` threads no single asker has all of them at a time, so
that nobody waits for another's longest work. Who asks is said once for all a request does, by ASKER; "" is ourselves.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

ASKER: ContextVar[str] = ContextVar("asker", default="")


class Turns:
    """See the module. `run` may be awaited on any event loop; the threads start when they are needed."""

    def __init__(self, name: str, threads: int, spare: int = 0) -> None:
        self._name, self._most_threads, self._most_of_one = name, threads, threads - spare
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = {}  # who is first has the next turn
        self._running: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []
        self._queued = self._idle = 0  # works that nobody has taken, threads that wait for one
        self._is_closed = False

    async def run(self, work: Callable[[], T], asker: str | None = None) -> T:
        """Return what `work` returns. Raises what it raises. Who stops waiting before its turn has it left out."""
        future: Future[T] = Future()
        with self._changed:
            if self._is_closed:
                raise RuntimeError("nothing is carried out any more")
            self._waiting.setdefault(ASKER.get() if asker is None else asker, deque()).append((future, work))
            self._queued += 1
            self._changed.notify()
            if self._queued > self._idle and len(self._threads) < self._most_threads:
                self._threads.append(threading.Thread(target=self._run, name=self._name, daemon=True))
                self._threads[-1].start()
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish what runs, leave out what waits, end the threads. Blocks."""
        with self._changed:
            self._is_closed = True
            left = [future for queue in self._waiting.values() for future, _ in queue]
            self._waiting.clear()
            self._changed.notify_all()
        for future in left:
            future.cancel()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        asker: str | None = None
        while True:
            with self._changed:
                if asker is not None:
                    self._running[asker] -= 1
                    if not self._running[asker]:
                        del self._running[asker]  # anybody may come with any name
                taken = self._next()
                while taken is None:
                    if self._is_closed:
                        return
                    self._idle += 1
                    self._changed.wait()
                    self._idle -= 1
                    taken = self._next()
            asker, future, work = taken
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # noqa: BLE001 - handed to who asked, as an executor does
                    future.set_exception(error)

    def _next(self) -> tuple[str, Future[Any], Callable[[], Any]] | None:
        """The work whose turn it is; None where nothing waits but of those who have all the threads they may."""
        for asker, queue in self._waiting.items():
            if self._running[asker] < self._most_of_one:
                future, work = queue.popleft()
                del self._waiting[asker]
                if queue:
                    self._waiting[asker] = queue  # behind all others
                self._running[asker] += 1
                self._queued -= 1
                return asker, future, work
        return None
