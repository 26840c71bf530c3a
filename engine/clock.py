"""Time comes in through here, so that tests can own it. Epoch seconds unless a name says otherwise."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the engine needs of time."""

    def now(self) -> float:
        """Wall clock, epoch seconds."""

    def monotonic(self) -> float:
        """Seconds that never step."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
