"""Many rows into one table by few statements.

Rule: SQLite works outside of the interpreter's lock, but each row of `executemany` lets go of it and has to get it back from
whoever took it meanwhile; one statement for many rows does so once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

_AT_ONCE = 256  # rows of one statement
_FEW = 40  # up to that many, each number has a statement of its own; connections keep as many prepared
_MOST_VALUES = 32_000  # of one statement: SQLite's own limit is 32,766


def insert_rows(connection: sqlite3.Connection, into: str, columns: int, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows in their order. `into`: the statement up to VALUES; each row has that many `columns`."""
    start, most = 0, min(_AT_ONCE, _MOST_VALUES // columns)
    while left := len(rows) - start:
        count = most if left >= most else min(left, _FEW)
        values = list(chain.from_iterable(rows[start : start + count]))
        connection.execute(_statement(into, columns, count), values)
        start += count


@lru_cache(maxsize=1024)
def _statement(into: str, columns: int, count: int) -> str:
    row = f"({','.join('?' * columns)})"
    return f"{into} VALUES {','.join([row] * count)}"
