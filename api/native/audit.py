"""The audit: who asked for what, from where, the exact bytes that went out for it, and what became of it. For admins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec.structs import replace

from api.native.operation import Answer, Call, Operation, Verb
from api.native.requests import MOST_ROWS, Query, Time, doc
from api.native.times import parse_time
from api.render import encode_json, rfc3339
from engine.desk import Audited, AuditedCommand, AuditFilter

NDJSON = "application/x-ndjson"
PER_READ = 100  # rows per read of an export: it is sent between two reads, never during one


class WrittenCommand(msgspec.Struct, frozen=True):
    """One command of a request. `line` are the exact bytes written, "" before; `evidence` is what the core wrote of it last."""

    id: str
    command: str
    poller: str
    host: str
    service: str | None
    state: str
    reason: str
    evidence: str
    line: str
    accepted_at: str
    updated_at: str


class AuditItem(msgspec.Struct, frozen=True):
    """One request, login or change of an account.

    `outcome`: accepted (its commands tell the rest), planned (a dry run), done, or refused with `status`, `code` and `detail`.
    `body` as received; of a long one the beginning, with size and SHA-256 of all of it. `count` is above 1 for requests without a
    valid token, which are only counted. `partial`: it touched objects beyond your limits, too, and these are left out with path
    and body.
    """

    id: int
    at: str
    kind: str
    user: str
    token: str
    address: str
    verb: str
    method: str
    path: str
    body: str
    body_bytes: int
    body_sha256: str
    idempotency_key: str
    host: str
    service: str
    outcome: str
    status: int | None
    code: str
    detail: str
    operation: str
    count: int
    partial: bool
    commands_total: int
    commands_offset: int
    commands: list[WrittenCommand]


class Audit(msgspec.Struct, frozen=True):
    """One page, newest first. `next` is the path of the page that follows, null for none."""

    limit: int
    next: str | None
    items: list[AuditItem]


class AuditQuery(Query, frozen=True, kw_only=True):
    """Which rows."""

    user: Annotated[str, doc("by this user", min_length=1)] | None = None
    token: Annotated[str, doc("through the token of this name", min_length=1)] | None = None
    host: Annotated[str, doc("that touched, or named, this host or its services", min_length=1)] | None = None
    service: Annotated[str, doc("that touched, or named, a service of this description", min_length=1)] | None = None
    command: Annotated[str, doc("that made, joined or withdrew the command of this id", min_length=1)] | None = None
    operation: Annotated[str, doc("of this operation", min_length=1)] | None = None
    since: Annotated[Time, doc("not before")] | None = None
    until: Annotated[Time, doc("before")] | None = None
    status: (
        Annotated[str, doc("`accepted`, `refused`, an HTTP status, or the state a command of it came to", min_length=1)] | None
    ) = None
    before: Annotated[int, doc("older than the row of this id", ge=1, le=2**62)] | None = None
    limit: Annotated[int, doc("rows per page; an export has all", ge=1, le=MOST_ROWS)] = 100


async def list_audit(call: Call, query: AuditQuery) -> Answer:
    """One page, or with `Accept: application/x-ndjson` all of it, one row per line."""
    which = _filter(call, query)
    if NDJSON in call.accept:
        which = replace(which, limit=PER_READ)
        first = await call.desk.audit(call.caller, which)  # before the answer begins, which a refusal could not take back
        return Answer(None, lines=_export(call, which, first), headers={"Content-Type": NDJSON})
    rows = await call.desk.audit(call.caller, replace(which, limit=query.limit + 1))
    items = [_item(row) for row in rows[: query.limit]]
    return Answer(Audit(query.limit, _next(query, items[-1].id) if len(rows) > query.limit else None, items))


async def _export(call: Call, which: AuditFilter, rows: Sequence[Audited]) -> AsyncIterator[bytes]:
    while rows:
        for row in rows:
            piece = row
            yield encode_json(_item(piece)) + b"\n"
            while piece.offset + len(piece.commands) < piece.total and piece.commands:
                piece = await call.desk.more_of_audit(call.caller, piece)
                yield encode_json(_item(piece)) + b"\n"
        which = replace(which, before=rows[-1].id)
        rows = await call.desk.audit(call.caller, which)


def _filter(call: Call, query: AuditQuery) -> AuditFilter:
    now = call.clock.now()
    since = None if query.since is None else parse_time(query.since, "since", now)
    until = None if query.until is None else parse_time(query.until, "until", now)
    same = {name: getattr(query, name) for name in ("user", "token", "host", "service", "command", "operation", "status", "before")}
    return AuditFilter(**same, since=since, until=until, limit=query.limit)


def _next(query: AuditQuery, before: int) -> str:
    given = {name: value for name, value in msgspec.structs.asdict(query).items() if value is not None}
    return "/v1/audit?" + urlencode(given | {"before": before})


def _item(audited: Audited) -> AuditItem:
    row = audited.row
    told = {name: value for name, value in msgspec.structs.asdict(row).items() if name not in ("at", "body", "key", "status")}
    return AuditItem(
        id=audited.id,
        at=rfc3339(row.at),
        body=row.body.decode("utf-8", "backslashreplace"),
        idempotency_key=row.key,
        outcome="refused" if row.status >= 400 else "planned" if row.status else "accepted" if row.kind == "request" else "done",
        status=row.status or None,
        partial=not audited.whole,
        commands_total=audited.total,
        commands_offset=audited.offset,
        commands=[_command(command) for command in audited.commands],
        **told,
    )


def _command(command: AuditedCommand) -> WrittenCommand:
    return WrittenCommand(
        id=command.id,
        command=command.name,
        poller=command.poller,
        host=command.host,
        service=command.service,
        state=command.state,
        reason=command.reason,
        evidence=command.evidence,
        line=(command.line or b"").decode("utf-8", "backslashreplace"),
        accepted_at=rfc3339(command.accepted_at),
        updated_at=rfc3339(command.updated_at),
    )


OPERATIONS = (
    Operation(
        "GET", "/v1/audit", "Who asked for what, and what became of it", list_audit, {200: Audit},
        verb=Verb.AUDIT, query=AuditQuery, lines=True,
        description="With `Accept: application/x-ndjson` everything that matches, newest first, one row per line; a row of very"
        " many commands comes in several lines of the same `id`.",
    ),
)  # fmt: skip
