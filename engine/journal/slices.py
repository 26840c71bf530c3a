"""Long work on the journal as many short transactions, so that others wait for it for moments only.

Rules. What is to be stored together is one `unit`; units share a transaction until it has lasted for `SLICE_S`. A crash may come
between any two units: the work must be such that it can be begun anew, with what was stored standing. Whoever computes for long
between units calls `breathe` meanwhile.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TypeVar

from engine.journal.store import Journal

SLICE_S = 0.010  # with its commit still well below the 30 ms that anybody may hold the journal
_AT_ONCE = 100

T = TypeVar("T")


class Slices:
    """A context manager around the whole work. Raises JournalError where a transaction does."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._open: AbstractContextManager[sqlite3.Connection] | None = None
        self._began = 0.0

    @property
    def connection(self) -> sqlite3.Connection:
        """For reads at any time, and for what is written in a unit."""
        return self._journal.connection

    def __enter__(self) -> Slices:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        open_, self._open = self._open, None
        if open_ is not None:
            open_.__exit__(kind, error, trace)

    @contextmanager
    def unit(self) -> Iterator[sqlite3.Connection]:
        """For what is to be stored together. Units do not nest."""
        if self._open is None:
            opened = self._journal.transaction()
            opened.__enter__()
            self._open, self._began = opened, time.monotonic()
        yield self.connection
        self.breathe()

    def settle(self) -> None:
        """Store what was done so far: when this comes back, it stands."""
        self.__exit__(None, None, None)

    def breathe(self) -> None:
        """Let others write, if this transaction has lasted for long enough."""
        if self._open is not None and time.monotonic() - self._began > SLICE_S:
            self.__exit__(None, None, None)


def parts_of(many: Sequence[T], at_once: int = _AT_ONCE) -> Iterator[Sequence[T]]:
    """As many at once as a unit may store by few statements."""
    for start in range(0, len(many), at_once):
        yield many[start : start + at_once]
