"""The same step of many commands' lives at once: what a batch goes through between acceptance and proof.

Rules. Every function reads the commands anew from the connection it is given, that of `Journal.transaction()`, and moves only
those that stand where the step begins; it returns which. Whatever else may happen to a command happens to it alone, by `move`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

from engine.commands.lifecycle import State, check_move
from engine.figures import commands_moved
from engine.journal.commands import COMMAND_COLUMNS, CommandRow, command_row
from engine.journal.rows import insert_rows

_AMONG = "id IN (SELECT value FROM json_each(?))"
_STEP = "INSERT INTO step (command_id, state, at, evidence)"
STEPS_GONE = "steps_gone"  # key in `meta`: the newest step that was forgotten
# Who reads events on from before these steps must be told that some are missing.
_NOTE_STEPS_GONE = f"""
INSERT INTO meta SELECT '{STEPS_GONE}', (SELECT max(seq) FROM step WHERE command_id = ?1)
  WHERE EXISTS (SELECT 1 FROM step WHERE command_id = ?1)
  ON CONFLICT (key) DO UPDATE SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))"""


class Writing(NamedTuple):
    """A line about to be written in a batch. `epoch` is its bracket time."""

    command_id: str
    line: bytes
    epoch: int
    batch: str


class Executed(NamedTuple):
    """A line the log has shown to be executed. `at` is the log's second, `watched`: an effect is still to be seen."""

    command_id: str
    at: float
    evidence: str
    watched: bool


class Confirmed(NamedTuple):
    """A command whose effect stands in the core's files; `core_ids`: of what it created."""

    command_id: str
    evidence: str
    core_ids: tuple[int, ...]


class _Where(NamedTuple):
    """Where a command stands."""

    id: str
    poller: int
    state: State
    accepted_at: float


def commands_by_id(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, CommandRow]:
    """These commands, by id; those unknown are left out."""
    found = connection.execute(f"SELECT {COMMAND_COLUMNS} FROM command WHERE {_AMONG}", (_json(ids),))
    return {command.id: command for command in map(command_row, found)}


def begin_writing(connection: sqlite3.Connection, lines: Sequence[Writing], at: float) -> set[str]:
    """Those of the commands that still wait are in a batch now. Returns their ids; the others were withdrawn meanwhile."""
    standing = _standing(connection, [line.command_id for line in lines], (State.ACCEPTED, State.HELD))
    some = [line for line in lines if line.command_id in standing]
    connection.executemany(
        "UPDATE command SET state = 'writing', reason = '', updated_at = ?, line = ?, epoch = ?, batch = ?,"
        " attempts = attempts + 1, executed_at = NULL, watch_from = NULL WHERE id = ?",
        ((at, line.line, line.epoch, line.batch, line.command_id) for line in some),
    )
    _step(connection, State.WRITING, [(standing[line.command_id], at, "") for line in some])
    return set(standing)


def note_written(connection: sqlite3.Connection, written: Mapping[str, float]) -> None:
    """Lines went out whole; `written`: when, by command."""
    standing = _standing(connection, written, (State.WRITING,))
    connection.executemany(
        "UPDATE command SET state = 'written', reason = '', updated_at = ? WHERE id = ?",
        ((written[one], one) for one in standing),
    )
    _step(connection, State.WRITTEN, [(where, written[one], "") for one, where in standing.items()])


def note_executed(
    connection: sqlite3.Connection, executed: Sequence[Executed], written: Mapping[str, float], at: float
) -> set[str]:
    """Lines in flight were executed without an error; `written` says when they went out, where that is not stored yet.

    Returns the ids of those that moved: others had gone on before.
    """
    standing = _standing(connection, [one.command_id for one in executed], (State.WRITING, State.WRITTEN))
    some = [one for one in executed if one.command_id in standing]
    late = [(where, written[one], "") for one, where in standing.items() if where.state is State.WRITING and one in written]
    _step(connection, State.WRITTEN, late)
    connection.executemany(
        "UPDATE command SET state = 'processed', reason = '', updated_at = ?, executed_at = ?, duplicates = 0, watch_from = ?"
        " WHERE id = ?",
        ((at, one.at, one.at if one.watched else None, one.command_id) for one in some),
    )
    _step(connection, State.PROCESSED, [(standing[one.command_id], at, one.evidence) for one in some])
    # One that was given up an hour ago is no longer listed: it stands after all.
    connection.execute(
        "UPDATE entry SET proof = 'processed', present = 1 WHERE command_id IN (SELECT value FROM json_each(?))"
        " AND proof = 'accepted' AND core_id IS NULL",
        (_json(standing),),
    )
    return set(standing)


def note_confirmed(connection: sqlite3.Connection, seen: Sequence[Confirmed], at: float) -> None:
    """Effects of executed commands were seen; what is said of them stays (their reason)."""
    standing = _standing(connection, [one.command_id for one in seen], (State.PROCESSED,))
    some = [one for one in seen if one.command_id in standing]
    connection.executemany(
        "UPDATE command SET state = 'confirmed', updated_at = ?, core_ids = ? WHERE id = ?",
        ((at, orjson.dumps(one.core_ids).decode(), one.command_id) for one in some),
    )
    _step(connection, State.CONFIRMED, [(standing[one.command_id], at, one.evidence) for one in some])


def _standing(connection: sqlite3.Connection, ids: Collection[str], states: Collection[State]) -> dict[str, _Where]:
    """Those of these commands that are in one of these states, in the order of their ids."""
    query = f"SELECT id, poller, state, accepted_at FROM command WHERE {_AMONG} AND state IN ({','.join('?' * len(states))})"
    found = connection.execute(query, (_json(ids), *map(str, states))).fetchall()
    return {one: _Where(one, poller, State(state), at) for one, poller, state, at in sorted(found)}


def _step(connection: sqlite3.Connection, state: State, steps: Sequence[tuple[_Where, float, str]]) -> None:
    for old in {where.state for where, _, _ in steps}:
        check_move(old, state)
    insert_rows(connection, _STEP, 4, [(where.id, str(state), at, evidence) for where, at, evidence in steps])
    by_poller: dict[int, list[float]] = {}
    for where, at, _ in steps:
        by_poller.setdefault(where.poller, []).append(at - where.accepted_at)
    for poller, seconds in by_poller.items():
        commands_moved(poller, str(state), seconds)


def _json(ids: Iterable[str]) -> str:
    return orjson.dumps(list(ids)).decode()


def forget_steps(connection: sqlite3.Connection, ids: Sequence[tuple[str]]) -> None:
    """The steps of these commands and calls of results go, and it is noted up to where some are missing."""
    connection.executemany(_NOTE_STEPS_GONE, ids)
    connection.executemany("DELETE FROM step WHERE command_id = ?", ids)
