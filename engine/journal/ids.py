"""Command ids: UUIDv7, strictly increasing within a process, so that their order is the order of acceptance."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

_COUNTER_BITS = 12
_AT_ONCE = 512  # ids whose random parts are made at once: each question lets go of the interpreter, who is slow to come back
_VARIANT = 0b10 << 62


@dataclass(slots=True)
class CommandIds:
    """Mints ids. `now` gives epoch seconds; a clock that steps back does not make ids go back."""

    now: Callable[[], float]
    _last: int = 0  # milliseconds and counter in one number
    _random: list[str] = field(default_factory=list)  # the last two parts of ids
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> str:
        """A new id."""
        return self.some(1)[0]

    def some(self, count: int) -> list[str]:
        """New ids, each greater than the one before it."""
        with self._lock:
            first = max(self._last + 1, int(self.now() * 1000) << _COUNTER_BITS)
            self._last = first + count - 1
            while len(self._random) < count:
                self._random += _random_parts()
            left = len(self._random) - count
            random = self._random[left:]
            del self._random[left:]
        return [_id(stamp, part) for stamp, part in zip(range(first, first + count), random, strict=True)]


def _id(stamp: int, random: str) -> str:
    millisecond = stamp >> _COUNTER_BITS
    return f"{millisecond >> 16:08x}-{millisecond & 0xFFFF:04x}-7{stamp & 0xFFF:03x}-{random}"


def _random_parts() -> list[str]:
    random = memoryview(os.urandom(8 * _AT_ONCE)).cast("Q")
    texts = [f"{number >> 2 | _VARIANT:016x}" for number in random]
    return [f"{text[:4]}-{text[4:]}" for text in texts]
