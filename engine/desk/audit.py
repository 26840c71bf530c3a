"""The audit as an auditor sees it: who asked for what, the bytes that were written for it, and what became of them.

Rules. A caller without limits sees all of it. One who is limited to pollers or hostgroups sees the requests that touched an object
within these limits, and their own; of such a request only the commands within the limits, and its path and body only when that is
all of them. With a token that is limited to pollers, one's own are those asked with it: what else its user asked, and was refused,
may be about other pollers. Logins, accounts and refusals of others are for those without limits. Reads journal.db through a reader.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import structs
from msgspec.structs import replace

from engine.commands.lifecycle import State
from engine.config import Poller
from engine.desk.values import Caller
from engine.errors import InvalidField
from engine.journal.audit import AuditRow
from engine.journal.calls import AUDITED_CALL
from engine.state.scope import EVERYTHING, Scope

MOST_COMMANDS = 500  # per piece: what a call made beyond that comes in further pieces

_ROW = ", ".join(f"a.{name}" for name in AuditRow.__struct_fields__)
_EVIDENCE = (
    "coalesce((SELECT evidence FROM journal.step s WHERE s.command_id = c.id AND s.evidence <> '' ORDER BY s.seq DESC LIMIT 1), '')"
)
# What became of commands: of those whose lives are still kept, and what is left of those whose lives were pruned.
_LIVES = {
    "journal.command": _EVIDENCE,
    "journal.audit_command": "c.evidence",
    f"({AUDITED_CALL.format(schema='journal')})": "c.evidence",
}
_COMMAND = "c.id, c.name, c.poller, c.host, c.service, c.state, c.reason, {evidence}, c.line, c.accepted_at, c.updated_at"
_ITS = "(c.operation = ? OR c.id IN (SELECT l.command_id FROM journal.audit_link l WHERE l.audit = ?))"


class AuditFilter(msgspec.Struct, frozen=True):
    """Which rows; None = any. `before`: only rows older than the one of that id; `status`: see `_conditions`."""

    user: str | None = None
    token: str | None = None
    host: str | None = None
    service: str | None = None
    command: str | None = None
    operation: str | None = None
    since: float | None = None
    until: float | None = None
    status: str | None = None
    before: int | None = None
    limit: int = 100


class AuditedCommand(msgspec.Struct, frozen=True):
    """One command of a request: the exact bytes that were written, what became of it, and what the core wrote that shows it."""

    id: str
    name: str
    poller: str
    host: str
    service: str | None
    state: str
    reason: str
    evidence: str
    line: bytes | None
    accepted_at: float
    updated_at: float


class Audited(msgspec.Struct, frozen=True):
    """One row with (a piece of) its commands. `whole` False: the request touched objects beyond the caller's limits, too."""

    id: int
    row: AuditRow
    commands: tuple[AuditedCommand, ...]
    total: int  # commands within the caller's limits
    offset: int = 0  # how many of them came in pieces before this one
    whole: bool = True


def page_of_audit(
    connection: sqlite3.Connection, caller: Caller, which: AuditFilter, pollers: Mapping[int, Poller], most: int = MOST_COMMANDS
) -> tuple[Audited, ...]:
    """Rows the caller may see, newest first, each with its first `most` commands. Raises InvalidField."""
    conditions, values = _conditions(which)
    visible, more = _visible(connection, caller)
    where = " AND ".join([*conditions, visible])
    query = f"SELECT a.seq, {_ROW} FROM journal.audit a WHERE {where} ORDER BY a.seq DESC LIMIT ?"
    found = connection.execute(query, [*values, *more, max(0, which.limit)]).fetchall()
    return tuple(_audited(connection, caller, int(seq), AuditRow(*row), pollers, most) for seq, *row in found)


def more_of(
    connection: sqlite3.Connection, caller: Caller, piece: Audited, pollers: Mapping[int, Poller], most: int = MOST_COMMANDS
) -> Audited:
    """The piece that follows: the same row with its next commands."""
    offset = piece.offset + len(piece.commands)
    commands = _commands(connection, caller, piece.id, piece.row.operation, pollers, most, offset)
    return replace(piece, commands=commands, offset=offset)


def _conditions(which: AuditFilter) -> tuple[list[str], list[object]]:
    """SQL over `a`. `status`: accepted, refused, an HTTP status, or the state a command of it came to."""
    conditions, values = ["1"], list[object]()
    for text, value in (
        ("a.user = ?", which.user), ("a.token = ?", which.token), ("a.operation = ?", which.operation),
        ("a.at >= ?", which.since), ("a.at < ?", which.until), ("a.seq < ?", which.before),
    ):  # fmt: skip
        if value is not None:
            conditions.append(text)
            values.append(value)
    if which.command is not None:
        conditions.append(
            "(a.seq IN (SELECT l.audit FROM journal.audit_link l WHERE l.command_id = ?) OR (a.operation <> '' AND a.operation IN"
            " (SELECT c.operation FROM journal.command c WHERE c.id = ? UNION"
            " SELECT c.operation FROM journal.audit_command c WHERE c.id = ?)))"
        )
        values += [which.command] * 3
    for column in ("host", "service"):
        wanted = getattr(which, column)
        if wanted is not None:
            told, inner = _some_command(f"c.{column} = ?", [wanted])
            conditions.append(f"(a.{column} = ? OR {told})")
            values += [wanted, *inner]
    if which.status is not None:
        text, inner = _of_status(which.status)
        conditions.append(text)
        values += inner
    return conditions, values


def _of_status(status: str) -> tuple[str, list[object]]:
    if status == "accepted":
        return "a.status = 0 AND a.kind = 'request'", []
    if status == "refused":
        return "a.status >= 400", []
    if status.isascii() and status.isdigit() and len(status) == 3:
        return "a.status = ?", [int(status)]
    if status in set(State):
        return _some_command("c.state = ?", [status])
    raise InvalidField(
        f"There is no status {status!r}: give accepted, refused, an HTTP status, or one of {', '.join(State)}.", field="status"
    )


def _some_command(condition: str, values: Sequence[object]) -> tuple[str, list[object]]:
    """A command of row `a` is so."""
    parts, told = [], list[object]()
    for table in _LIVES:
        parts.append(f"EXISTS (SELECT 1 FROM {table} c WHERE a.operation <> '' AND c.operation = a.operation AND {condition})")
        linked = f"journal.audit_link l JOIN {table} c ON c.id = l.command_id"
        parts.append(f"EXISTS (SELECT 1 FROM {linked} WHERE l.audit = a.seq AND {condition})")
        told += [*values, *values]
    return f"({' OR '.join(parts)})", told


def _visible(connection: sqlite3.Connection, caller: Caller) -> tuple[str, list[object]]:
    if caller.scope == EVERYTHING:
        return "1", []
    scoped, values = caller.scope.sql("c.poller", "c.host", "c.service")
    touched, told = _some_command(f"({scoped})", values)
    if not _is_narrowed(connection, caller.token):
        return f"(a.user = ? OR {touched})", [caller.user, *told]
    return f"((a.user = ? AND a.token = ?) OR {touched})", [caller.user, caller.token, *told]


def _is_narrowed(connection: sqlite3.Connection, token: str) -> bool:
    """Is it limited to some of its user's pollers?"""
    query = "SELECT 1 FROM journal.token WHERE name = ? AND pollers IS NOT NULL"
    return connection.execute(query, (token,)).fetchone() is not None


def _audited(
    connection: sqlite3.Connection, caller: Caller, seq: int, row: AuditRow, pollers: Mapping[int, Poller], most: int
) -> Audited:
    visible, total = (_count(connection, scope, seq, row.operation) for scope in (caller.scope, EVERYTHING))
    # What somebody asked for himself he knows, but with a token of his that is limited to pollers he sees no others.
    own = row.user == caller.user and total == _count(connection, Scope(pollers=caller.scope.pollers), seq, row.operation)
    whole = own or visible == total
    if not whole:
        row = structs.replace(row, path="", body=b"", body_bytes=0, body_sha256="", detail="")
    commands = _commands(connection, caller, seq, row.operation, pollers, most, 0) if visible else ()
    return Audited(seq, row, commands, visible, whole=whole)


def _count(connection: sqlite3.Connection, scope: Scope, seq: int, operation: str) -> int:
    scoped, values = scope.sql("c.poller", "c.host", "c.service")
    given = [operation or None, seq, *values]
    queries = [f"SELECT count(*) FROM {table} c WHERE {_ITS} AND ({scoped})" for table in _LIVES]
    return sum(int(connection.execute(query, given).fetchone()[0]) for query in queries)


def _commands(
    connection: sqlite3.Connection,
    caller: Caller,
    seq: int,
    operation: str,
    pollers: Mapping[int, Poller],
    most: int,
    offset: int,
) -> tuple[AuditedCommand, ...]:
    scoped, values = caller.scope.sql("c.poller", "c.host", "c.service")
    parts = [
        f"SELECT {_COMMAND.format(evidence=evidence)} FROM {table} c WHERE {_ITS} AND ({scoped})"
        for table, evidence in _LIVES.items()
    ]
    given = [operation or None, seq, *values] * len(_LIVES)
    found = connection.execute(f"{' UNION ALL '.join(parts)} ORDER BY 1 LIMIT ? OFFSET ?", [*given, most, offset])
    return tuple(_told(found, pollers))


def _told(rows: sqlite3.Cursor, pollers: Mapping[int, Poller]) -> Iterator[AuditedCommand]:
    for command_id, name, poller, host, service, *rest in rows:
        known = pollers.get(poller)
        yield AuditedCommand(command_id, name, known.name if known else str(poller), host, service or None, *rest)
