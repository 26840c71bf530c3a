"""Idempotency keys: what a request with a key was answered with, stored in the transaction that stored what it made.

Rules. A key belongs to a user. The row and what the request made are durable together or not at all, so a repeat is answered from
what is stored and never carried out. A refused request leaves no row. Functions take a connection: writes that of
`Journal.transaction()`, reads any. Times are epoch seconds by our clock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import NamedTuple

import orjson

from engine.journal.rows import insert_rows

LONGEST_KEY = 255  # characters


class KeyRow(NamedTuple):
    """One row of `request_key`. `answer` is what the request was given, as its desk's method returned it, see desk/once.py.

    `conflicts`: packed JSON of what a call for many was told of its targets, empty for nothing.
    """

    user: str
    key: str
    fingerprint: bytes
    operation: str
    answer: bytes
    at: float
    conflicts: bytes = b""


_COLUMNS = ", ".join(KeyRow._fields)


def insert_key(connection: sqlite3.Connection, row: KeyRow) -> None:
    """Store a key with what its request made."""
    insert_keys(connection, [row])


def insert_keys(connection: sqlite3.Connection, rows: Sequence[KeyRow]) -> None:
    """Store keys with what their requests made."""
    insert_rows(connection, f"INSERT INTO request_key ({_COLUMNS})", len(KeyRow._fields), rows)


def known_keys(connection: sqlite3.Connection, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these (user, key) pairs that are stored."""
    if not keys:
        return set()
    query = (
        "SELECT k.user, k.key FROM json_each(?) asked CROSS JOIN request_key k"
        " ON k.user = asked.value ->> 0 AND k.key = asked.value ->> 1"
    )
    return set(connection.execute(query, (orjson.dumps(list(keys)).decode(),)))


def key_row(connection: sqlite3.Connection, user: str, key: str, schema: str = "main") -> KeyRow | None:
    """The row of a user's key, or None."""
    query = f"SELECT {_COLUMNS} FROM {schema}.request_key WHERE user = ? AND key = ?"
    found = connection.execute(query, (user, key)).fetchone()
    return KeyRow(*found) if found else None


def prune_keys(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Forget up to `limit` keys of requests made before that time. Returns how many went."""
    return connection.execute(
        "DELETE FROM request_key WHERE (user, key) IN (SELECT user, key FROM request_key WHERE at < ? ORDER BY at LIMIT ?)",
        (before, limit),
    ).rowcount
