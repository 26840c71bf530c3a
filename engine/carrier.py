"""A thread that carries out what many requests ask of it together: one hop there and back for all that arrived meanwhile.

Theory of operation. A hop costs more than a short piece of work: two wake-ups, and the interpreter's lock taken twice. So works
that come within one turn of the loop are handed over at once, the thread takes all that waits, and their results come back in
one turn. Only short works belong here: each waits for those before it. What a batch shares (a snapshot, say) is begun after the
last of its works was handed in, so nobody is told what was true before they asked.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Work = Callable[..., Any]
Outcome = tuple[Any, BaseException | None]  # a value, or what was raised
_MOST = 64  # works of one batch: the first of them waits for the last


class Carrier:
    """See the module. `batch` runs in the thread: works → their outcomes, in order. `run` belongs to one event loop."""

    def __init__(self, name: str, batch: Callable[[Sequence[Work]], Sequence[Outcome]]) -> None:
        self._batch = batch
        self._handed: SimpleQueue[list[tuple[Work, asyncio.Future[Any]]] | None] = SimpleQueue()
        self._gathered: list[tuple[Work, asyncio.Future[Any]]] = []
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)  # one that nobody closed ends with the process
        self._is_closed = False

    async def run(self, work: Callable[..., T]) -> T:
        """Return what `work` returns. Raises what it raises."""
        if self._is_closed:
            raise RuntimeError("nothing is carried out any more")
        loop = asyncio.get_running_loop()
        if not self._gathered:
            loop.call_soon(self._hand_over)
        future: asyncio.Future[T] = loop.create_future()
        self._gathered.append((work, future))
        return await future

    def close(self) -> None:
        """Finish what was handed over, then end the thread. Blocks; nobody may be asking meanwhile."""
        self._is_closed = True
        self._hand_over()
        self._handed.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def _hand_over(self) -> None:
        if self._gathered:
            if self._thread.ident is None:
                self._thread.start()
            self._handed.put(self._gathered)
            self._gathered = []

    def _run(self) -> None:
        is_over = False
        while not is_over:
            some, is_over = self._waiting()
            while some:
                now, some = some[:_MOST], some[_MOST:]
                outcomes = self._batch([work for work, _ in now])
                loop = now[0][1].get_loop()
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_deliver, [future for _, future in now], outcomes)

    def _waiting(self) -> tuple[list[tuple[Work, asyncio.Future[Any]]], bool]:
        """Everything that was handed over, at least one work; and whether that was all there will be."""
        handed = self._handed.get()
        some: list[tuple[Work, asyncio.Future[Any]]] = []
        try:
            while handed is not None:
                some += handed
                handed = self._handed.get_nowait()
        except Empty:
            return some, False
        return some, True


def attempt(work: Callable[..., Any], *arguments: object) -> Outcome:
    """The outcome of one work."""
    try:
        return work(*arguments), None
    except Exception as error:  # noqa: BLE001 - handed to the request that brought the work, as an executor does
        return None, error


def _deliver(futures: Sequence[asyncio.Future[Any]], outcomes: Sequence[Outcome]) -> None:
    for future, (value, error) in zip(futures, outcomes, strict=True):
        if future.done():
            continue
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)
