"""Whether anything in state.db is another, for those who keep what they made of it.

Theory of operation. A number in a file of the data folder (`mapped.py`). Whoever writes state.db makes it odd before a COMMIT and
even behind it; one that dies in between leaves it odd, until the next one opens state.db. So while it is the same even number,
nothing was committed. A reader takes it before he reads: what he finds is at least as new as that number says. 0: nobody counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.mapped import MappedNumber

FILE = "state.version"
log = logging.getLogger(__name__)


class StateVersion:
    """See the module. Without room for the file nothing is counted, and nobody keeps anything."""

    def __init__(self, data: Path) -> None:
        self._mapped: MappedNumber | None = None
        try:
            self._mapped = MappedNumber(data / FILE)
        except OSError as error:
            log.warning("changes of the mirror are not counted, answers are not kept: %s", error)

    def close(self) -> None:
        """Let go of the file."""
        if self._mapped is not None:
            self._mapped.close()

    def number(self) -> int | None:
        """The same one as before: so is everything. None: it may be changing. Takes no time."""
        number = self._mapped.get() if self._mapped is not None else 0
        return None if number == 0 or number % 2 else number

    def renew(self) -> None:
        """For a writer that begins: what was kept so far may be of another file."""
        with self.changing():
            pass

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Around what makes changes seen."""
        if self._mapped is None:
            yield
            return
        number = self._mapped.get() | 1
        self._mapped.set(number)
        try:
            yield
        finally:
            self._mapped.set(number + 1)
