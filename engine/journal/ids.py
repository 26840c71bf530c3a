"""Command ids: UUIDv7, strictly increasing within a process, so that their order is the order of acceptance."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

_COUNTER_BITS = 12
_RANDOM_BYTES = 8  # of one id
_AT_ONCE = 512  # ids whose random bytes are asked for at once: each question lets go of the interpreter, who is slow to come back


@dataclass(slots=True)
class CommandIds:
    """Mints ids. `now` gives epoch seconds; a clock that steps back does not make ids go back."""

    now: Callable[[], float]
    _last: int = 0  # milliseconds and counter in one number
    _random: memoryview = memoryview(b"")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> str:
        """A new id."""
        with self._lock:
            self._last = max(self._last + 1, int(self.now() * 1000) << _COUNTER_BITS)
            stamp = self._last
            if not self._random:
                self._random = memoryview(os.urandom(_RANDOM_BYTES * _AT_ONCE))
            random, self._random = int.from_bytes(self._random[:_RANDOM_BYTES]) >> 2, self._random[_RANDOM_BYTES:]
        millisecond, counter = stamp >> _COUNTER_BITS, stamp & (1 << _COUNTER_BITS) - 1
        value = millisecond << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | random
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
