"""Commands that Signalbox itself asks for: they say why (`cause`), and are written, proven, listed and audited like anybody's.

Everything happens inside a transaction of the caller.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping

from engine.commands.lifecycle import State
from engine.journal.audit import REQUEST, AuditRow, add_audit
from engine.journal.commands import CommandRow, insert_command
from engine.journal.history import EntryRow
from engine.journal.ids import CommandIds
from engine.journal.operations import OperationRow, insert_operation

SYSTEM_USER = "Signalbox itself"  # nobody can be called so: names of users hold no blank
_IDS = CommandIds(time.time)


def insert_deletion(connection: sqlite3.Connection, entry: EntryRow, at: float, ttl_s: float, cause: str) -> str:
    """Delete a downtime or comment that stands in the core. Returns the command's id."""
    kind = "SVC" if entry.service else "HOST"
    arguments = {"host": entry.host, "service": entry.service or None, "entry": entry.id}
    name = f"DEL_{kind}_{entry.kind.upper()}"
    return insert_own(connection, name, entry, arguments, at, at + ttl_s, cause, entry.id)


def insert_own(
    connection: sqlite3.Connection,
    name: str,
    on: EntryRow | CommandRow,
    arguments: Mapping[str, object],
    at: float,
    deadline_at: float,
    cause: str,
    entry_id: int | None,
    author: str = SYSTEM_USER,
    twin: CommandRow | None = None,
    user: str = SYSTEM_USER,
    seen_state_change: float | None = None,
) -> str:
    """Store a command on the object of `on`. `twin`: the command whose repeats this one joins from now on."""
    operation, command_id = _IDS.next(), _IDS.next()
    insert_operation(connection, OperationRow(operation, name.lower(), user, author, "", "", "", at, commands=1))
    add_audit(connection, AuditRow(at, REQUEST, SYSTEM_USER, detail=cause, operation=operation))
    command = CommandRow(
        seq=0, id=command_id, operation=operation, name=name, poller=on.poller, host=on.host, service=on.service,
        arguments=arguments, state=State.ACCEPTED, reason="", accepted_at=at, updated_at=at, deadline_at=deadline_at,
        entry_id=entry_id, twin_key=twin.twin_key if twin else None, twin_start=twin.twin_start if twin else None,
        twin_end=twin.twin_end if twin else None, author=author,
        seen_state_change=twin.seen_state_change if twin else seen_state_change,
        user=user, address="", token="", epoch=None, line=None, batch=None, attempts=0, executed_at=None, watch_from=None,
        core_ids=(), cause=cause,
    )  # fmt: skip
    insert_command(connection, command)
    return command_id
