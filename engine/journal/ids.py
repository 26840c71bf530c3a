"""Command ids: UUIDv7, strictly increasing within a process, so that their order is the order of acceptance."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

_COUNTER_BITS = 12


@dataclass(slots=True)
class CommandIds:
    """Mints ids. `now` gives epoch seconds; a clock that steps back does not make ids go back."""

    now: Callable[[], float]
    _last: int = 0  # milliseconds and counter in one number
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> str:
        """A new id."""
        with self._lock:
            self._last = max(self._last + 1, int(self.now() * 1000) << _COUNTER_BITS)
            stamp = self._last
        millisecond, counter = stamp >> _COUNTER_BITS, stamp & (1 << _COUNTER_BITS) - 1
        value = millisecond << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | secrets.randbits(62)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
