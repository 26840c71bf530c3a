"""Operations: each call that commanded, with its progress and what became of each of its targets."""

from __future__ import annotations

from typing import Annotated

import msgspec

from api.native.operation import Answer, Call, Operation
from api.native.outcome import CommandOutcome, command_outcome
from api.native.requests import Paging, Query, doc
from api.render import rfc3339
from engine.desk import EntryFilter, OperationView
from engine.journal.operations import Storing

MOST_ROWS = 1000


class Progress(msgspec.Struct, frozen=True):
    """One call that commanded: who, when, what, and how far its commands came.

    `storing`: complete; incomplete (it is still being stored, nothing of it is sent); withdrawing or withdrawn (it could not be
    stored whole, nothing of it is ever sent). `commands` counts those it made or joined, `final` those that came to their end;
    before it is complete, what it makes is neither counted nor listed.
    """

    id: str
    action: str
    user: str
    author: str
    reference: str
    at: str
    storing: str
    commands: int
    joined: int
    final: int
    percent_final: float
    counts: dict[str, int]
    href: str


class Operations(msgspec.Struct, frozen=True):
    """One page of operations, newest first."""

    total: int
    limit: int
    offset: int
    items: list[Progress]


class OperationDetail(msgspec.Struct, frozen=True):
    """One operation, and one page of its commands, newest first."""

    progress: Progress
    total: int
    limit: int
    offset: int
    items: list[CommandOutcome]


class OperationsQuery(Query, frozen=True, kw_only=True):
    """Which operations."""

    reference: Annotated[str, doc("of calls with this reference", min_length=1)] = ""
    limit: Annotated[int, doc("rows per answer", ge=1, le=MOST_ROWS)] = 100
    offset: Annotated[int, doc("rows left out before the first", ge=0, le=2**31)] = 0


class TargetsQuery(Paging, frozen=True, kw_only=True):
    """Which of its commands."""

    host: Annotated[str, doc("of this host and its services", min_length=1)] = ""
    state: Annotated[str, doc("only those that stand there", min_length=1)] = ""


async def list_operations(call: Call, query: OperationsQuery) -> Answer:
    """One page of operations."""
    which = EntryFilter(reference=query.reference or None, limit=query.limit, offset=query.offset)
    page = await call.desk.operations(call.caller, which)
    return Answer(Operations(page.total, query.limit, query.offset, [progress_of(row) for row in page.rows]))


async def show_operation(call: Call, query: TargetsQuery) -> Answer:
    """One operation with a page of its commands."""
    which = EntryFilter(
        operation=call.names["operation"], poller=await call.poller(query.poller), host=query.host or None,
        state=query.state or None, limit=query.limit, offset=query.offset,
    )  # fmt: skip
    view, page = await call.desk.operation_page(call.caller, which)
    items = [command_outcome(life, joined=life.operation != view.id) for life in page.rows]
    return Answer(OperationDetail(progress_of(view), page.total, query.limit, query.offset, items))


def progress_of(view: OperationView) -> Progress:
    """The operation as people see it."""
    return Progress(
        id=view.id,
        action=view.action,
        user=view.user,
        author=view.author,
        reference=view.reference,
        at=rfc3339(view.at),
        storing=view.storing,
        commands=view.commands,
        joined=view.joined,
        final=view.final,
        percent_final=_percent_final(view),
        counts=view.counts,
        href=f"/v1/operations/{view.id}",
    )


def _percent_final(view: OperationView) -> float:
    if view.storing not in (Storing.COMPLETE, Storing.WITHDRAWN):
        return 0.0
    return round(100 * view.final / view.commands, 1) if view.commands else 100.0


OPERATIONS = (
    Operation(
        "GET", "/v1/operations", "Calls that commanded, newest first", list_operations, {200: Operations}, query=OperationsQuery,
    ),
    Operation(
        "GET", "/v1/operations/{operation}", "One call: its progress and its commands", show_operation, {200: OperationDetail},
        query=TargetsQuery, problems=(404,),
    ),
)  # fmt: skip
