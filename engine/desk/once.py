"""A request is carried out once, and leaves its row in the audit: what wraps every job that stores what a request makes.

Theory of operation. The desk's writer runs one job at a time inside the journal's only write transaction, of whichever process.
Before the job the request's key is looked up there: if it is there, the job is not run and what the first one got is given back.
After the job the key and the audit row are inserted in the same SAVEPOINT. So two requests with one key become one, whoever comes
first, and after a crash either all of it is stored or nothing.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from typing import TypeVar

import msgspec

from engine.desk.accept import Accept
from engine.desk.values import Caller, Receipt, Recorded
from engine.desk.writer import Written
from engine.errors import KeyInUse, KeyReused
from engine.journal.audit import REQUEST, AuditRow, add_audit, add_links, kept_of_body
from engine.journal.requests import KeyRow, insert_key, key_row

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], Written[T]]
Receipts = tuple[Receipt, ...]
Links = list[tuple[int, str]]
"""Rows of the audit and commands of other requests."""

LINKS_AT_ONCE = 1000  # rows of one transaction
_LONG_ANSWER_BYTES = 1 << 16
_COMPRESSED = b"\x78"  # how zlib begins; JSON never does


def once(caller: Caller, operation: str, now: float, kind: type[T], job: Job[T]) -> Job[T]:
    """The job, run once for the request the caller brings. `kind` is what it returns."""
    if caller.request is None:
        return job

    def run(connection: sqlite3.Connection) -> Written[T]:
        known = recorded(connection, caller)
        if known is not None:
            return Written(msgspec.json.decode(known.answer, type=kind))
        written = job(connection)
        _record(connection, caller, operation, now, written)
        return written

    return run


def finished(accept: Accept, receipts: Receipts, answer: bytes, job: Job[None]) -> Job[Links]:
    """The end of a call that was stored in slices: `receipts` is what they gave, `answer` the same as `packed_answer` makes it.

    The job raises KeyInUse when another request with this key was stored meanwhile: the slices have to be withdrawn. It returns
    which links from the audit are still to be stored, by `linked`: of thousands, only some are stored at a time.
    """
    caller, operation, now = accept.who.caller, accept.operation.id, accept.who.now

    def run(connection: sqlite3.Connection) -> Written[Links]:
        if recorded(connection, caller) is not None:
            raise KeyInUse(
                "Another request with this Idempotency-Key was stored at the same time: repeat this one to get its answer."
            )
        done = job(connection)
        key, row = key_and_audit(caller, operation, now, answer)
        if key is not None:
            insert_key(connection, key)
        audit = add_audit(connection, row) if row is not None else 0
        links = [(audit, command_id) for command_id in _others(receipts)] if row is not None else []
        return Written(linked(links, connection).value, done.pollers)

    return run


def linked(links: Links, connection: sqlite3.Connection) -> Written[Links]:
    """Store some of these links from the audit; those that are left."""
    add_links(connection, links[:LINKS_AT_ONCE])
    return Written(links[LINKS_AT_ONCE:])


def packed_answer(caller: Caller, value: object) -> bytes:
    """What a repeat with the caller's key is given; nothing without a key. A long one is compressed."""
    if caller.request is None or not caller.request.key:
        return b""
    answer = msgspec.json.encode(value)
    return zlib.compress(answer, 1) if len(answer) > _LONG_ANSWER_BYTES else answer


def _unpacked(answer: bytes) -> bytes:
    return zlib.decompress(answer) if answer[:1] == _COMPRESSED else answer


def recorded(connection: sqlite3.Connection, caller: Caller, schema: str = "main") -> Recorded | None:
    """What the first request with the caller's key got; None without a key, or when this is the first. Raises KeyReused."""
    request = caller.request
    if request is None or not request.key:
        return None
    row = key_row(connection, caller.user, request.key, schema)
    if row is None:
        return None
    if row.fingerprint != request.fingerprint:
        raise KeyReused(
            "This Idempotency-Key was used for another request (method, path, query or body differ): take a new key for a new one.",
            key=request.key,
        )
    return Recorded(row.operation, _unpacked(row.answer), row.conflicts)


def refusal_row(caller: Caller, now: float, status: int, code: str, detail: str, host: str, service: str) -> AuditRow:
    """The audit's row of a request that was refused."""
    return _row(caller, now, status=status, code=code, detail=detail, host=host, service=service)


def plan_row(caller: Caller, now: float, plan: str, targets: int) -> AuditRow | None:
    """The audit's row of a dry run: who planned what. None for what is no request."""
    if caller.request is None:
        return None
    return _row(caller, now, status=200, code="planned", detail=f"a dry run of {targets} targets, nothing sent: plan {plan}")


def refusal(row: AuditRow, connection: sqlite3.Connection) -> Written[None]:
    """The job that stores such a row."""
    add_audit(connection, row)
    return Written(None)


def _record(connection: sqlite3.Connection, caller: Caller, operation: str, now: float, written: Written[T]) -> None:
    """The row leads to the commands of other requests that this one joined, and to those it withdrew: no others."""
    key, row = key_and_audit(caller, operation, now, packed_answer(caller, written.value))
    if key is not None:
        insert_key(connection, key)
    if row is not None:
        add_audit(connection, row, dict.fromkeys([*written.moved, *_others(written.value)]))


def key_and_audit(caller: Caller, operation: str, now: float, answer: bytes) -> tuple[KeyRow | None, AuditRow | None]:
    """What is stored with what a request made; `answer` is what `packed_answer` made of what it is given."""
    request = caller.request
    if request is None:
        return None, None
    row = _row(caller, now, operation=operation)
    if not request.key:
        return None, row
    return KeyRow(caller.user, request.key, request.fingerprint, operation, answer, now, request.conflicts), row


def _others(value: object) -> list[str]:
    """Commands of other requests among the receipts."""
    receipts = value if isinstance(value, tuple) else ()
    return [one.command_id for one in receipts if isinstance(one, Receipt) and (one.joined or one.withdrawn)]


def _row(
    caller: Caller,
    now: float,
    *,
    operation: str = "",
    status: int = 0,
    code: str = "",
    detail: str = "",
    host: str = "",
    service: str = "",
) -> AuditRow:
    request = caller.request
    if request is None:
        raise ValueError("only a request has a row in the audit")
    body, size, digest = kept_of_body(request.body, request.verb)
    return AuditRow(
        at=now,
        kind=REQUEST,
        user=caller.user,
        token=caller.token,
        address=caller.address,
        verb=request.verb,
        method=request.method,
        path=request.path,
        body=body,
        body_bytes=size,
        body_sha256=digest,
        key=request.key,
        host=host,
        service=service,
        status=status,
        code=code,
        detail=detail,
        operation=operation,
    )
