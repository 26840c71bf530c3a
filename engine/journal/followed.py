"""How far each core's log was followed, as rows of journal.db: over our own restarts nothing it says is missed or told twice."""

from __future__ import annotations

import sqlite3

import msgspec


class Followed(msgspec.Struct, frozen=True):
    """How far a core's log was followed and what it said of the core's life; see the table."""

    position: str
    at: float
    program_start: float
    stopped: bool = False
    crashed_at: float = 0.0


def followed(connection: sqlite3.Connection, poller: int) -> Followed | None:
    """How far a poller's log was followed, None when it never was."""
    query = "SELECT position, at, program_start, stopped, crashed_at FROM followed WHERE poller = ?"
    found = connection.execute(query, (poller,)).fetchone()
    return None if found is None else Followed(found[0], found[1], found[2], bool(found[3]), found[4])


def save_followed(connection: sqlite3.Connection, poller: int, state: Followed) -> None:
    """Remember how far a poller's log was followed."""
    values = (poller, state.position, state.at, state.program_start, state.stopped, state.crashed_at)
    connection.execute("INSERT OR REPLACE INTO followed VALUES (?, ?, ?, ?, ?, ?)", values)
