"""Answers that are kept for the next who asks the same, for as long as nothing in state.db is another.

Theory of operation. All that is kept belongs to one number of the engine's (`StateVersion`), taken before the read began; with
another number all of it goes. While something is being committed nothing is kept or found. Whoever asks what is just being read,
at the same number, waits for that reading: it shows what was true when he asked, or something newer. The question must hold all
that an answer depends on but state.db: the caller's scope first of all, and what form was asked for. What moves with time is
put in by whoever answers (`native/forms.py`), or stands in the question (Centreon's ages, by the second).
Nothing is kept for longer than KEPT_S all the same: somebody may take the files away from under a running program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from engine.clock import Clock

T = TypeVar("T")

KEPT_S = 1.0
MOST_ANSWERS = 1000
LARGEST_BYTES = 1 << 16  # of one answer; all of them together then take some tens of megabytes at the very most
MOST_BYTES = 1 << 23


class KeptAnswers(Generic[T]):
    """See the module. Belongs to one event loop. When it is full it begins anew."""

    def __init__(self, version: Callable[[], int | None], clock: Clock) -> None:
        self._version, self._clock = version, clock
        self._number: int | None = None  # to which all of the following belongs
        self._kept: dict[Hashable, tuple[T, float]] = {}  # with the moment at which it was asked for
        self._bytes = 0
        self._pending: dict[Hashable, asyncio.Future[T | None]] = {}

    async def answer(self, question: Hashable, make: Callable[[], Awaitable[T]], size: Callable[[T], int | None]) -> T:
        """What was kept, or what `make` makes now. `size`: its bytes, None for what must not be kept. Raises what `make` raises."""
        number = self._version()
        if number != self._number:
            self._begin(number)
        if number is None:
            return await make()
        kept, pending = self._kept.get(question), self._pending.get(question)
        if kept is not None and 0 <= self._clock.monotonic() - kept[1] < KEPT_S:
            return kept[0]
        if pending is not None:
            made = await asyncio.shield(pending)
            return made if made is not None else await make()
        return await self._made(number, question, make, size)

    def forget(self) -> None:
        """Something else than the number says that answers are not what they were."""
        self._kept, self._bytes = {}, 0

    async def _made(self, number: int, question: Hashable, make: Callable[[], Awaitable[T]], size: Callable[[T], int | None]) -> T:
        asked_at = self._clock.monotonic()
        pending = self._pending[question] = asyncio.get_running_loop().create_future()
        made: T | None = None
        try:
            answer = await make()
            taken = size(answer)
            if taken is not None:
                made = answer
                if number == self._number and taken <= LARGEST_BYTES:
                    self._keep(question, answer, asked_at, taken)
            return answer
        finally:
            if self._pending.get(question) is pending:
                del self._pending[question]
            pending.set_result(made)

    def _keep(self, question: Hashable, answer: T, asked_at: float, size: int) -> None:
        if len(self._kept) >= MOST_ANSWERS or self._bytes + size > MOST_BYTES:
            self._kept, self._bytes = {}, 0
        self._kept[question] = answer, asked_at
        self._bytes += size

    def _begin(self, number: int | None) -> None:
        self._number, self._kept, self._bytes, self._pending = number, {}, 0, {}
