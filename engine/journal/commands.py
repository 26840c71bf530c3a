"""Commands and every step of their life, as rows of journal.db: stored, moved on, found again.

What belongs here: functions of a connection, for whoever holds a transaction of the journal, or only reads. A command moves as
`lifecycle.py` allows, and not without a step that says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from engine.commands.lifecycle import LATE, State, check_move
from engine.journal.rows import insert_rows


class CommandRow(NamedTuple):
    """One row of `command`. `service` is "" for a host; `arguments` is the meaning, by field name."""

    seq: int
    id: str
    operation: str
    name: str
    poller: int
    host: str
    service: str
    arguments: Mapping[str, object]
    state: State
    reason: str
    accepted_at: float
    updated_at: float
    deadline_at: float
    entry_id: int | None
    twin_key: str | None
    twin_start: float | None
    twin_end: float | None
    seen_state_change: float | None
    author: str
    user: str
    address: str
    token: str
    epoch: int | None
    line: bytes | None
    batch: str | None
    attempts: int
    executed_at: float | None  # log second of the mark that proved execution, core's clock
    watch_from: float | None  # absence counts only in generations created later than this, core's clock
    core_ids: tuple[int, ...]
    cause: str = ""  # why Signalbox asked for it by itself; names the command it follows from
    duplicates: int = 0  # how often its line was executed beyond the first time


class NewCommand(NamedTuple):
    """A command just accepted: the columns in which it differs from others. `arguments` is JSON. See CommandRow."""

    id: str
    operation: str
    name: str
    poller: int
    host: str
    service: str
    arguments: str
    accepted_at: float
    updated_at: float
    deadline_at: float
    entry_id: int | None
    twin_key: str | None
    twin_start: float | None
    twin_end: float | None
    seen_state_change: float | None
    author: str
    user: str
    address: str
    token: str
    state: str = str(State.ACCEPTED)


COMMAND_COLUMNS = ", ".join(CommandRow._fields)
_ARGUMENTS, _STATE, _CORE_IDS = (CommandRow._fields.index(name) for name in ("arguments", "state", "core_ids"))
_STATES = {str(state): state for state in State}


def command_row(values: Sequence[object]) -> CommandRow:
    """One SELECT of COMMAND_COLUMNS as a value."""
    row: list[Any] = list(values)
    row[_ARGUMENTS] = orjson.loads(row[_ARGUMENTS])
    row[_STATE] = _STATES[row[_STATE]]
    row[_CORE_IDS] = tuple(orjson.loads(row[_CORE_IDS])) if row[_CORE_IDS] != "[]" else ()
    return CommandRow._make(row)


_INSERT = f"INSERT INTO command ({COMMAND_COLUMNS}) VALUES (NULL{',?' * (len(CommandRow._fields) - 1)})"
_INTO_NEW = f"INSERT INTO command ({', '.join(NewCommand._fields)})"


def insert_command(connection: sqlite3.Connection, row: CommandRow) -> None:
    """Store a new command and its first step. `row.seq` is ignored: the database counts."""
    connection.execute(_INSERT, _insert_values(row))
    connection.execute("INSERT INTO step (command_id, state, at) VALUES (?, ?, ?)", (row.id, str(row.state), row.accepted_at))


def insert_new(connection: sqlite3.Connection, commands: Sequence[NewCommand]) -> None:
    """Store commands just accepted, in their order, each with its first step."""
    insert_rows(connection, _INTO_NEW, len(NewCommand._fields), commands)
    steps = [(command.id, command.state, command.accepted_at) for command in commands]
    insert_rows(connection, "INSERT INTO step (command_id, state, at)", 3, steps)


def _insert_values(row: CommandRow) -> list[object]:
    values: list[object] = list(row)
    values[_ARGUMENTS] = orjson.dumps(dict(row.arguments)).decode()
    values[_STATE] = str(row.state)
    values[_CORE_IDS] = orjson.dumps(list(row.core_ids)).decode()
    return values[1:]


def move(
    connection: sqlite3.Connection,
    command: CommandRow,
    state: State,
    at: float,
    *,
    evidence: str = "",
    reason: str = "",
    **columns: object,
) -> None:
    """Take one step of a command's life. `columns` are other columns of `command` to set with it.

    Raises ValueError when the lifecycle table does not allow it.
    """
    check_move(command.state, state)
    late = command.state in LATE
    sets = {"state": str(state), "reason": reason, "updated_at": at, **columns}
    assignments = ", ".join(f"{name} = ?" for name in sets)
    connection.execute(f"UPDATE command SET {assignments} WHERE id = ?", [*sets.values(), command.id])
    connection.execute(
        "INSERT INTO step (command_id, state, at, evidence, late) VALUES (?, ?, ?, ?, ?)",
        (command.id, str(state), at, evidence, late),
    )
    from engine.figures import command_moved  # not with the module: the command line opens journals, and counts nothing

    command_moved(command.poller, str(state), at - command.accepted_at)


def note(connection: sqlite3.Connection, command: CommandRow, at: float, evidence: str) -> None:
    """A step in which the command stays where it is: something new is known about it."""
    values = (command.id, str(command.state), at, evidence, command.state in LATE)
    connection.execute("INSERT INTO step (command_id, state, at, evidence, late) VALUES (?, ?, ?, ?, ?)", values)


def command_by_id(connection: sqlite3.Connection, command_id: str, schema: str = "main") -> CommandRow | None:
    """The command, or None."""
    found = connection.execute(f"SELECT {COMMAND_COLUMNS} FROM {schema}.command WHERE id = ?", (command_id,)).fetchone()
    return command_row(found) if found else None


def commands_in(connection: sqlite3.Connection, poller: int, states: frozenset[State], limit: int = 10000) -> list[CommandRow]:
    """A poller's commands in any of these states, oldest first."""
    marks = ",".join("?" * len(states))
    query = f"SELECT {COMMAND_COLUMNS} FROM command WHERE poller = ? AND state IN ({marks}) ORDER BY seq LIMIT ?"
    return [command_row(row) for row in connection.execute(query, [poller, *map(str, states), limit])]


_WAITING = "state IN ('accepted', 'held')"
# What is stored in slices is sent only when its last slice is in.
_SENDABLE = f"{_WAITING} AND operation NOT IN (SELECT o.id FROM operation o WHERE o.state IN ('incomplete', 'withdrawing'))"
_PAGE = 64  # rows: about what one write of 4096 bytes takes


def waiting_named(connection: sqlite3.Connection, poller: int, name: str) -> Iterator[CommandRow]:
    """A poller's commands of one name that may be written, oldest first, read page by page: no cursor stays open in between."""
    query = (
        f"SELECT {COMMAND_COLUMNS} FROM command INDEXED BY command_waiting"
        f" WHERE poller = ? AND name = ? AND seq > ? AND {_SENDABLE} ORDER BY seq LIMIT {_PAGE}"
    )
    after = 0
    while page := [command_row(row) for row in connection.execute(query, (poller, name, after)).fetchall()]:
        yield from page
        after = page[-1].seq
        if len(page) < _PAGE:
            return


def waiting_names(connection: sqlite3.Connection, poller: int) -> list[str]:
    """The names of a poller's commands that may be written, each found by one step into the index, however many wait."""
    smallest = f"SELECT min(name) FROM command INDEXED BY command_waiting WHERE poller = ?1 AND {_SENDABLE}"
    query = (
        f"WITH RECURSIVE found(name) AS ({smallest} UNION ALL"
        f" SELECT ({smallest} AND name > found.name) FROM found WHERE found.name IS NOT NULL)"
        " SELECT name FROM found WHERE name IS NOT NULL"
    )
    return [name for (name,) in connection.execute(query, (poller,))]


def newest_seq(connection: sqlite3.Connection) -> int:
    """The place of the command that was accepted last, 0 when there is none."""
    (newest,) = connection.execute("SELECT max(seq) FROM command").fetchone()
    return newest or 0


def is_waiting(connection: sqlite3.Connection, poller: int) -> bool:
    """Has the poller any command that may be written?"""
    query = f"SELECT 1 FROM command INDEXED BY command_waiting WHERE poller = ? AND {_SENDABLE} LIMIT 1"
    return connection.execute(query, (poller,)).fetchone() is not None


def has_waiting_before(connection: sqlite3.Connection, command: CommandRow, names: Collection[str]) -> bool:
    """Does an older unwritten command of one of these names wait for the same object?"""
    query = (
        "SELECT 1 FROM command INDEXED BY command_waiting_object WHERE poller = ? AND host = ? AND service = ? AND seq < ?"
        f" AND {_SENDABLE} AND name IN ({','.join('?' * len(names))}) LIMIT 1"
    )
    values = (command.poller, command.host, command.service, command.seq, *names)
    return connection.execute(query, values).fetchone() is not None


def overdue(connection: sqlite3.Connection, poller: int, now: float, limit: int) -> list[CommandRow]:
    """Unwritten commands whose time to live ran out."""
    query = (
        f"SELECT {COMMAND_COLUMNS} FROM command INDEXED BY command_waiting"
        f" WHERE poller = ? AND deadline_at <= ? AND {_WAITING} LIMIT ?"
    )
    return [command_row(row) for row in connection.execute(query, (poller, now, limit)).fetchall()]


def commands_watched(connection: sqlite3.Connection, poller: int, late_since: float) -> list[CommandRow]:
    """Written commands whose effect is not settled, oldest first: in flight, executed, or given up no earlier than `late_since`."""
    start = f"SELECT {COMMAND_COLUMNS} FROM command"
    queries: list[tuple[str, tuple[object, ...]]] = [
        (f"{start} INDEXED BY command_open WHERE poller = ? AND state IN ('writing', 'written')", (poller,)),
        (f"{start} INDEXED BY command_watched WHERE poller = ? AND state = 'processed' AND watch_from IS NOT NULL", (poller,)),
        (
            f"{start} INDEXED BY command_late WHERE poller = ? AND state IN ('unknown', 'no_effect') AND updated_at > ?",
            (poller, late_since),
        ),
    ]
    found = [command_row(row) for query, values in queries for row in connection.execute(query, values).fetchall()]
    return sorted(found, key=lambda command: command.seq)
