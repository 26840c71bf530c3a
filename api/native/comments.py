"""Comments: written, listed with their proof, shown, and deleted by their public id."""

from __future__ import annotations

from typing import Annotated

import msgspec

from api.native.entries import DeletionQuery, EntriesQuery, EntryNoun
from api.native.operation import Answer, Call, Operation, Verb
from api.native.outcome import FAILURES, Outcome, outcome
from api.native.pollers import View
from api.native.requests import Author, Force, NoQuery, Reference, WaitQuery, doc
from api.native.requests import Comment as CommentText
from api.native.targets import ManyBody, Plan, carried_out, check_ways, how_of, selection_of, targets_of
from engine.desk.plans import CommentAsked


class Comment(msgspec.Struct, frozen=True):
    """One comment, ours or anybody's. Times are by the core's clock.

    `proof`: accepted, processed, confirmed (seen in the core's own files), or seen (made by somebody else).
    """

    id: int
    poller: str
    host: str
    service: str | None
    author: str
    comment: str
    proof: str
    present: bool
    persistent: bool | None
    entry_time: str | None
    deleted_at: str | None
    deleted_by: str | None
    core_id: int | None
    command_id: str | None
    reference: str
    view: View | None


class Comments(msgspec.Struct, frozen=True):
    """One page of comments, newest id first."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Comment]


NOUN = EntryNoun("comment", Comment)


class NewComment(ManyBody, frozen=True, kw_only=True):
    """A comment to be written."""

    comment: CommentText
    persistent: Annotated[bool, doc("true: it stays when the core is restarted")] = True
    author: Author | None = None
    reference: Reference | None = None
    force: Force = False


async def create_comment(call: Call, query: WaitQuery, body: NewComment) -> Answer:
    """Write comments and answer with what became of it."""
    check_ways(body)
    if not body.is_named():
        ask = CommentAsked(await selection_of(call, body), body.comment, body.persistent)
        how = how_of(body, reference=body.reference, force=body.force)
        return await carried_out(call, query, ask, how, author=body.author, creates="comments")
    receipts = await call.desk.add_comment(
        call.caller,
        await targets_of(call, body),
        comment=body.comment,
        persistent=body.persistent,
        author=body.author,
        reference=body.reference or "",
        force=body.force,
    )
    return await outcome(call, query, receipts, creates="comments")


async def list_comments(call: Call, query: EntriesQuery) -> Answer:
    """One page of comments."""
    return await NOUN.listed(call, query)


async def show_comment(call: Call, query: NoQuery) -> Answer:
    """One comment."""
    return await NOUN.one(call)


async def delete_comments(call: Call, query: DeletionQuery) -> Answer:
    """Delete comments by what they are about."""
    return await NOUN.deleted_by_meaning(call, query)


async def delete_comment(call: Call, query: WaitQuery) -> Answer:
    """Delete a comment."""
    return await NOUN.deleted(call, query)


EXAMPLE = {"host": "web01", "comment": "new power supply since Monday"}

OPERATIONS = (
    Operation(
        "GET", "/v1/comments", "Comments, newest first", list_comments, {200: Comments},
        query=EntriesQuery, problems=(404,), lines=True, tagged=True,
    ),
    Operation(
        "POST", "/v1/comments", "Write a comment", create_comment, {200: (Outcome, Plan), 201: Outcome, 202: Outcome},
        verb=Verb.COMMENT, query=WaitQuery, body=NewComment, problems=(404, *FAILURES), example=EXAMPLE,
    ),
    Operation(
        "DELETE", "/v1/comments", "Delete comments by what they are about", delete_comments, {200: (Outcome, Plan), 202: Outcome},
        verb=Verb.COMMENT, query=DeletionQuery, problems=(404, *FAILURES),
    ),
    Operation("GET", "/v1/comments/{id}", "One comment", show_comment, {200: Comment}, problems=(404,)),
    Operation(
        "DELETE", "/v1/comments/{id}", "Delete a comment", delete_comment, {200: Outcome, 202: Outcome},
        verb=Verb.COMMENT, query=WaitQuery, problems=(404, *FAILURES),
    ),
)  # fmt: skip
