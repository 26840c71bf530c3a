"""Rows that are read in one transaction and worded later: a few in memory, many in a file without a name.

A list of everything would take hundreds of megabytes at once if each of its rows waited as an object to be rendered; and a
transaction must not last as long as the rendering.
"""

from __future__ import annotations

import marshal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import IO, Any, Generic, TypeVar
from weakref import finalize

T = TypeVar("T")

IN_MEMORY = 1000  # rows: what people page through
_AT_ONCE = 200  # rows that are in memory at a time beyond that


class Kept(Generic[T]):
    """Rows as the database gives them, each made into what a page shows when its turn comes; their number is known."""

    def __init__(self, rows: Iterable[tuple[Any, ...]], make: Callable[[tuple[Any, ...]], T]) -> None:
        self._make = make
        following = iter(rows)
        self._first = list(islice(following, IN_MEMORY))
        self._size = len(self._first)
        self._file: IO[bytes] | None = None
        while chunk := list(islice(following, _AT_ONCE)):
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed with the last word about it
                finalize(self, self._file.close)
            marshal.dump(chunk, self._file)
            self._size += len(chunk)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        return map(self._make, chain(self._first, self._filed()))

    def _filed(self) -> Iterator[tuple[Any, ...]]:
        if self._file is None:
            return
        at = 0
        while at < self._end():
            self._file.seek(at)
            chunk = marshal.load(self._file)  # our own, of this process
            at = self._file.tell()
            yield from chunk

    def _end(self) -> int:
        assert self._file is not None
        return self._file.seek(0, 2)
