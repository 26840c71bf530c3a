"""Custom notifications: telling the contacts of hosts and services something."""

from __future__ import annotations

from typing import Annotated

from api.native.operation import Answer, Call, Operation, Verb
from api.native.outcome import FAILURES, Outcome, outcome
from api.native.requests import Author, Comment, TargetBody, WaitQuery, doc
from api.native.targets import targets_of


class NewNotification(TargetBody, frozen=True, kw_only=True):
    """What the contacts are to be told."""

    comment: Comment
    broadcast: Annotated[bool, doc("tell those, too, to whom a problem would be escalated")] = False
    forced: Annotated[bool, doc("whatever time it is, and even where notifications are off")] = False
    increment: Annotated[bool, doc("count it as one of the problem's notifications")] = False
    author: Author | None = None


async def create_notification(call: Call, query: WaitQuery, body: NewNotification) -> Answer:
    """Tell the contacts and answer with what became of it."""
    receipts = await call.desk.notify(
        call.caller,
        await targets_of(call, body),
        comment=body.comment,
        broadcast=body.broadcast,
        forced=body.forced,
        increment=body.increment,
        author=body.author,
    )
    return await outcome(call, query, receipts)


OPERATIONS = (
    Operation(
        "POST", "/v1/notifications", "Tell the contacts of a host or service something", create_notification,
        {200: Outcome, 202: Outcome}, verb=Verb.NOTIFICATION, query=WaitQuery, body=NewNotification, problems=(404, *FAILURES),
        example={"host": "web01", "service": "HTTP", "comment": "The disk is being replaced until noon."},
        description="`confirmed`: the core's log shows that somebody was told. Nobody is told where all contacts are filtered out"
        " and it is not `forced`: the command then ends as `no_effect`.",
    ),
)  # fmt: skip
