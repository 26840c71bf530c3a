"""Commands whose effect is not there: ended with the reason, or written again where the core lost it or never read it.

Everything is stored in the transaction the caller has open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from engine.commands.catalogue import Effect, Members, Row, Sign, known_row
from engine.commands.lifecycle import IN_FLIGHT, State
from engine.commands.proof import Effected, Judgement
from engine.commands.row import OBJECTS
from engine.journal.commands import CommandRow, move


def end_absent(
    connection: sqlite3.Connection,
    command: CommandRow,
    row: Row,
    judgement: Judgement,
    program_start: float,
    at: float,
    *,
    persists_at_once: bool,
) -> bool:
    """The files show that the effect is not there: say why, or write it again if the core lost it."""
    unclear, lost = command.state in IN_FLIGHT, is_lost(command, program_start)
    again = row.idempotent or row.resend_when_absent or (unclear and persists_at_once)
    if judgement.effected is Effected.NO and (other := _changed_by(connection, command, row)):
        if lost:  # written again, it would take away what the later one did
            reason = f"the core was started again, and {other} changed it since: ask again if it is still wanted"
            refused(connection, command, State.UNKNOWN, at, reason=reason)
            return True
        judgement = Judgement(Effected.CLEARED, reason=f"{other} changed it again before a status file could show it")
    overlaid = row.effect is Effect.RESULT_SEEN or bool(row.signs)
    if judgement.effected is Effected.CLEARED and overlaid and not unclear:
        # Executed without an error, then overlaid by something newer: no status file will ever show more.
        connection.execute("UPDATE command SET watch_from = NULL, reason = ? WHERE id = ?", (judgement.reason, command.id))
        return True
    if judgement.effected is Effected.CLEARED:
        refused(connection, command, State.UNKNOWN, at, reason=judgement.reason)
    elif judgement.core_ids or (judgement.some and not (lost and row.idempotent)):
        # A core executes a command whole: what is missing of it was not lost, a resend would double the rest.
        ids = orjson.dumps(list(judgement.core_ids)).decode()
        move(connection, command, State.PARTIAL, at, evidence=judgement.evidence, reason=judgement.reason, core_ids=ids)
        connection.execute("UPDATE entry SET present = 0 WHERE command_id = ? AND core_id IS NULL", (command.id,))
    elif undone := _undone_by(connection, command, row):
        refused(connection, command, State.UNKNOWN, at, reason=f"{undone} before a status file could show it")
    elif lost and again:
        why = "before it executed it" if unclear else "and lost it"
        write_again(connection, command, at, f"the core was started again {why}, as its files show: it will be written again")
    elif lost:
        refused(connection, command, State.UNKNOWN, at, reason=f"the core was started again, and {judgement.reason}")
    else:
        refused(connection, command, State.NO_EFFECT, at, reason=judgement.reason)
    return True


def is_lost(command: CommandRow, program_start: float) -> bool:
    """Was a command whose effect is absent never executed, or by a core that was started again since?

    Both are whole seconds: a core started in the second of the execution may have been started after it. Taken for lost wrongly,
    what is absent is written once more, with an execution after the start.
    """
    return command.state in IN_FLIGHT or program_start >= (command.executed_at or 0)


def write_again(connection: sqlite3.Connection, command: CommandRow, at: float, reason: str) -> None:
    """What was lost, or never executed, goes out once more."""
    move(connection, command, State.ACCEPTED, at, reason=reason, batch=None, executed_at=None, watch_from=None)
    connection.execute(
        "UPDATE entry SET proof = 'accepted' WHERE command_id = ? AND proof = 'processed' AND core_id IS NULL", (command.id,)
    )


def refused(
    connection: sqlite3.Connection, command: CommandRow, state: State, at: float, *, evidence: str = "", reason: str = ""
) -> None:
    """End a command, and with it the entries it was to make; one that may stand after all is still looked for."""
    move(connection, command, state, at, evidence=evidence, reason=reason)
    may_stand = state is State.UNKNOWN and known_row(command.name).effect is Effect.ENTRY_CREATED
    connection.execute(
        "UPDATE entry SET present = 0 WHERE command_id = ? AND core_id IS NULL AND (NOT ? OR end_time <= ?)",
        (command.id, may_stand, at),
    )


def _changed_by(connection: sqlite3.Connection, command: CommandRow, row: Row) -> str | None:
    """Which later command of ours changed what this one's signs are read from, on an object that may be a member of both."""
    if not row.signs:
        return None
    later = connection.execute(
        "SELECT name, host, service FROM command WHERE poller = ? AND seq > ? AND state IN ('written', 'processed', 'confirmed')"
        " ORDER BY seq",
        (command.poller, command.seq),
    )
    mine = _keys(row.signs)
    for name, host, service in later:
        other = known_row(name)
        if mine & _keys(other.signs) and (_is_wide(row) or _is_wide(other) or (host, service) == (command.host, command.service)):
            return str(name)
    return None


def _is_wide(row: Row) -> bool:
    """It acts on others than the one object it names."""
    return row.on is not Members.ITSELF or row.subject not in OBJECTS


def _keys(signs: Sequence[Sign]) -> set[str]:
    return {sign.key for sign in signs}


def _undone_by(connection: sqlite3.Connection, command: CommandRow, row: Row) -> str | None:
    """Which later command of ours took an acknowledgement back, or set one again, after `command` did the opposite."""
    names, words = {
        Effect.ACKNOWLEDGED: ("REMOVE_%", "removed it"),
        Effect.NOT_ACKNOWLEDGED: ("ACKNOWLEDGE_%", "acknowledged again"),
    }.get(row.effect, ("", ""))
    found = connection.execute(
        "SELECT user FROM command WHERE poller = ? AND host = ? AND service = ? AND name LIKE ? AND seq > ?"
        " AND state IN ('writing', 'written', 'processed', 'confirmed') ORDER BY seq LIMIT 1",
        (command.poller, command.host, command.service, names, command.seq),
    ).fetchone()
    return f"{found[0]} {words}" if found else None
