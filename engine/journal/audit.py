"""The audit: who asked for what, when, from where, and what was said to it. Only ever added to.

Rules. A request that changes something has its row in the transaction that accepts it; `operation` leads to its commands, whose
rows hold the exact bytes and the outcome, `audit_link` to commands of other requests that it joined or withdrew. Refusals, logins
and changes of accounts have rows of their own. Triggers refuse every change, and deletion before its time. When a command's
life is pruned, what an auditor needs of it stays in `audit_command`. No secret is ever part of a row: logins have no body.
"""

from __future__ import annotations

import getpass
import hashlib
import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from engine.journal.accounts import Verb
from engine.journal.rows import insert_rows

BODY_BYTES = 16 * 1024  # a longer body is cut; its size and SHA-256 are kept
RESULT_BODY_BYTES = 512  # bodies of passive results come by the thousand: longer ones are not kept at all
REQUEST, LOGIN, LOGOUT, ACCOUNT, UNAUTHENTICATED = "request", "login", "logout", "account", "unauthenticated"


class AuditRow(msgspec.Struct, frozen=True):
    """One row of `audit`. `status` 0: accepted, its commands tell the outcome; else the HTTP status it was refused with.

    `host` and `service` are those a refused request named; `count` is above 1 only for requests without a valid token.
    """

    at: float
    kind: str
    user: str
    token: str = ""
    address: str = ""
    verb: str = ""
    method: str = ""
    path: str = ""
    body: bytes = b""
    body_bytes: int = 0
    body_sha256: str = ""
    key: str = ""
    host: str = ""
    service: str = ""
    status: int = 0
    code: str = ""
    detail: str = ""
    operation: str = ""
    count: int = 1


_FIELDS = AuditRow.__struct_fields__
AUDIT_COLUMNS = ", ".join(_FIELDS)
_INTO = f"INSERT INTO audit ({AUDIT_COLUMNS})"
_INSERT = f"{_INTO} VALUES ({','.join('?' * len(_FIELDS))})"
_values = msgspec.structs.astuple


def add_audit(connection: sqlite3.Connection, row: AuditRow, command_ids: Iterable[str] = ()) -> int:
    """Add a row and return its number. `command_ids`: commands of other operations that the request joined or withdrew."""
    cursor = connection.execute(_INSERT, _values(row))
    number = int(cursor.lastrowid or 0)
    add_links(connection, [(number, command_id) for command_id in command_ids])
    return number


def add_links(connection: sqlite3.Connection, links: Sequence[tuple[int, str]]) -> None:
    """Link rows to commands."""
    insert_rows(connection, "INSERT OR IGNORE INTO audit_link", 2, links)


def link_operation(connection: sqlite3.Connection, operation: str, command_id: str) -> None:
    """Link the row of the request that made this operation, if it has one, to a command it withdrew."""
    into = "INSERT OR IGNORE INTO audit_link SELECT seq, ? FROM audit WHERE operation = ? AND operation <> ''"
    connection.execute(into, (command_id, operation))


def insert_audit(connection: sqlite3.Connection, rows: Sequence[AuditRow]) -> None:
    """Add rows that are linked to nothing else."""
    insert_rows(connection, _INTO, len(_FIELDS), [_values(row) for row in rows])


def kept_of_body(body: bytes, verb: str) -> tuple[bytes, int, str]:
    """What is kept of a body: its first bytes, its size, and, where that is not all of it, its SHA-256."""
    most = BODY_BYTES if verb != Verb.RESULT or len(body) <= RESULT_BODY_BYTES else 0
    digest = hashlib.sha256(body).hexdigest() if len(body) > most else ""
    return body[:most], len(body), digest


def account_row(at: float, words: str, detail: str = "") -> AuditRow:
    """The row of a change made by the command line. `words` are its arguments without any secret."""
    return AuditRow(at, ACCOUNT, f"{getpass.getuser()}@console", method="CLI", path=words, detail=detail)
