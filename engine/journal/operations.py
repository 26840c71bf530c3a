"""Operations: one row per call that commands, whatever it made. What is stored in slices counts only with its last slice.

Rules. An operation is `incomplete` until its last slice is in; the lane sends none of its commands before. Who meets an incomplete
operation whose desk is gone withdraws it: first the state says so, in the same transaction as the first commands, so that a
desk that was only slow cannot store another slice. `complete` and `withdrawn` are ends. Nobody is told of a command before its
operation is complete: its call may still be refused. Functions take a connection: writes that
of `Journal.transaction()`, reads any that has the journal attached. Times are epoch seconds by our clock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from engine.commands.lifecycle import UNWRITTEN, State
from engine.errors import JournalError
from engine.journal.commands import COMMAND_COLUMNS, command_row, move
from engine.journal.rows import insert_rows


class Storing(StrEnum):
    """How far an operation is stored."""

    INCOMPLETE = "incomplete"
    COMPLETE = "complete"
    WITHDRAWING = "withdrawing"
    WITHDRAWN = "withdrawn"


class OperationRow(NamedTuple):
    """One row of `operation`. `commands`: how many it makes or joins; `desk`: the socket of who stores it."""

    id: str
    action: str
    user: str
    author: str
    address: str
    token: str
    reference: str
    at: float
    state: Storing = Storing.COMPLETE
    commands: int = 0
    desk: str = ""


# Seconds after which a call cannot be completed any more: who reads events waits a little longer for it, and no longer. The largest
# is stored in a few, on the slowest disk in minutes.
STORED_WITHIN_S = 540.0
OPERATION_COLUMNS = ", ".join(OperationRow._fields)
_INTO = f"INSERT INTO operation ({OPERATION_COLUMNS})"


def insert_operation(connection: sqlite3.Connection, row: OperationRow) -> None:
    """Store a new operation."""
    insert_operations(connection, [row])


def insert_operations(connection: sqlite3.Connection, rows: Sequence[OperationRow]) -> None:
    """Store new operations."""
    insert_rows(connection, _INTO, len(OperationRow._fields), rows)


def note_joined(connection: sqlite3.Connection, operation: str, command_ids: Iterable[str]) -> None:
    """Commands of other operations that this one joined."""
    connection.executemany("INSERT OR IGNORE INTO operation_joined VALUES (?, ?)", ((operation, one) for one in command_ids))


def go_on(connection: sqlite3.Connection, operation: str, state: Storing) -> None:
    """Before another slice: take the state that holds with it. Raises JournalError when somebody withdrew the operation."""
    changed = connection.execute("UPDATE operation SET state = ? WHERE id = ? AND state = 'incomplete'", (str(state), operation))
    if not changed.rowcount:
        raise JournalError("It took so long to store this that it was withdrawn meanwhile: nothing of it will be sent, ask again.")


# Operations that are not stored whole, of a database that has the journal attached.
UNSENT = "SELECT o.id FROM journal.operation o WHERE o.state IN ('incomplete', 'withdrawing')"


def unsent_operations(connection: sqlite3.Connection) -> dict[str, str]:
    """Operations whose commands may not be sent: id → desk."""
    query = "SELECT id, desk FROM operation WHERE state IN ('incomplete', 'withdrawing') ORDER BY id"
    return dict(connection.execute(query).fetchall())


def withdraw_some(connection: sqlite3.Connection, operation: str, reason: str, at: float, most: int) -> tuple[list[str], bool]:
    """Withdraw up to `most` commands of an operation that was not stored whole. Returns their ids, and whether that was all."""
    moved = connection.execute(
        "UPDATE operation SET state = 'withdrawing' WHERE id = ? AND state IN ('incomplete', 'withdrawing')", (operation,)
    )
    if not moved.rowcount:
        return [], True
    states = sorted(map(str, UNWRITTEN))
    query = f"SELECT {COMMAND_COLUMNS} FROM command WHERE operation = ? AND state IN ({','.join('?' * len(states))}) LIMIT ?"
    found = [command_row(row) for row in connection.execute(query, [operation, *states, most + 1]).fetchall()]
    ids = [command.id for command in found[:most]]
    for command in found[:most]:
        move(connection, command, State.CANCELLED, at, reason=reason)
    connection.executemany("UPDATE entry SET present = 0 WHERE command_id = ?", ((one,) for one in ids))
    if len(found) > most:
        return ids, False
    connection.execute("UPDATE operation SET state = 'withdrawn' WHERE id = ?", (operation,))
    return ids, True
