"""Many rows into one table by few statements.

Rule: SQLite works outside of the interpreter's lock, but each row of `executemany` lets go of it and has to get it back from
whoever took it meanwhile; one statement for many rows does so once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

_AT_ONCE = (256, 32, 4, 1)  # rows of one statement: few different statements, so that each is prepared once
_MOST_VALUES = 32_000  # of one statement: SQLite's own limit is 32,766


def insert_rows(connection: sqlite3.Connection, into: str, columns: int, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows in their order. `into`: the statement up to VALUES; each row has that many `columns`."""
    start = 0
    for count in _AT_ONCE:
        while len(rows) - start >= count and count * columns <= _MOST_VALUES:
            values = list(chain.from_iterable(rows[start : start + count]))
            connection.execute(_statement(into, columns, count), values)
            start += count


@lru_cache(maxsize=256)
def _statement(into: str, columns: int, count: int) -> str:
    row = f"({','.join('?' * columns)})"
    return f"{into} VALUES {','.join([row] * count)}"
