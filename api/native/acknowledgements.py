"""Acknowledgements: given, listed with their proof, shown, and removed by public id or by the object's name."""

from __future__ import annotations

from typing import Annotated

import msgspec

from api.native.entries import DeletionQuery, EntriesQuery, EntryNoun
from api.native.operation import Answer, Call, Operation, Verb
from api.native.outcome import FAILURES, Outcome, outcome
from api.native.pollers import View
from api.native.requests import Author, Comment, Force, NoQuery, Reference, Time, WaitQuery, doc, refuse_service_alone
from api.native.targets import ManyBody, Plan, carried_out, check_ways, how_of, selection_of, targets_of
from api.native.times import parse_end
from engine.desk import Target
from engine.desk.plans import AcknowledgementAsked


class Acknowledgement(msgspec.Struct, frozen=True):
    """One acknowledgement, ours or anybody's; `state` is the object's when it was acknowledged; it ends at `expire`.

    Times are by the core's clock.

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
    sticky: bool | None
    notify: bool | None
    persistent: bool | None
    state: int | None
    entry_time: str | None
    expire: str | None
    deleted_at: str | None
    deleted_by: str | None
    core_id: int | None
    command_id: str | None
    reference: str
    view: View | None


class Acknowledgements(msgspec.Struct, frozen=True):
    """One page of acknowledgements, newest id first."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Acknowledgement]


NOUN = EntryNoun("acknowledgement", Acknowledgement)


class NewAcknowledgement(ManyBody, frozen=True, kw_only=True):
    """A problem to be acknowledged. The defaults are those of the cores' own web interface."""

    comment: Comment
    sticky: Annotated[bool, doc("true: until the object is OK or UP again; false: until its state changes")] = True
    notify: Annotated[bool, doc("tell the contacts")] = True
    persistent: Annotated[bool, doc("keep the comment after the acknowledgement ended")] = False
    expire: (
        Annotated[Time, doc("when it ends by itself: a time, or how long it stands, like `2h`; absent: when somebody removes it")]
        | None
    ) = None
    author: Author | None = None
    reference: Reference | None = None
    force: Force = False


async def create_acknowledgement(call: Call, query: WaitQuery, body: NewAcknowledgement) -> Answer:
    """Acknowledge problems and answer with what became of it."""
    check_ways(body)
    expire = None if body.expire is None else parse_end(body.expire, "expire", call.clock.now())
    if not body.is_named():
        ask = AcknowledgementAsked(await selection_of(call, body), body.comment, body.sticky, body.notify, body.persistent, expire)
        how = how_of(body, reference=body.reference, force=body.force)
        return await carried_out(call, query, ask, how, author=body.author, creates="acknowledgements")
    receipts = await call.desk.acknowledge(
        call.caller,
        await targets_of(call, body),
        comment=body.comment,
        sticky=body.sticky,
        notify=body.notify,
        persistent=body.persistent,
        expire=expire,
        author=body.author,
        reference=body.reference or "",
        force=body.force,
    )
    return await outcome(call, query, receipts, creates="acknowledgements")


async def remove_acknowledgement(call: Call, query: DeletionQuery) -> Answer:
    """Take back the acknowledgement of an object, or those of several by what they are about."""
    refuse_service_alone(query.host, query.service)
    if query != DeletionQuery(host=query.host, service=query.service, poller=query.poller, wait=query.wait) or not query.host:
        return await NOUN.deleted_by_meaning(call, query)
    target = Target(query.host, query.service or None, await call.poller(query.poller))
    return await outcome(call, query, await call.desk.remove_acknowledgement(call.caller, [target]), deletes=True)


async def list_acknowledgements(call: Call, query: EntriesQuery) -> Answer:
    """One page of acknowledgements."""
    return await NOUN.listed(call, query)


async def show_acknowledgement(call: Call, query: NoQuery) -> Answer:
    """One acknowledgement."""
    return await NOUN.one(call)


async def delete_acknowledgement(call: Call, query: WaitQuery) -> Answer:
    """Take back an acknowledgement by its public id."""
    return await NOUN.deleted(call, query)


EXAMPLE = {"host": "web01", "service": "HTTP", "comment": "I am on it"}
PATH = "/v1/acknowledgements"

OPERATIONS = (
    Operation(
        "GET", PATH, "Acknowledgements, newest first", list_acknowledgements, {200: Acknowledgements},
        query=EntriesQuery, problems=(404,), lines=True, tagged=True,
    ),
    Operation(
        "POST", PATH, "Acknowledge a problem", create_acknowledgement, {200: (Outcome, Plan), 201: Outcome, 202: Outcome},
        verb=Verb.ACKNOWLEDGEMENT, query=WaitQuery, body=NewAcknowledgement, problems=(404, *FAILURES), example=EXAMPLE,
    ),
    Operation(
        "DELETE", PATH, "Take back acknowledgements by what they are about", remove_acknowledgement,
        {200: (Outcome, Plan), 202: Outcome},
        verb=Verb.ACKNOWLEDGEMENT, query=DeletionQuery, problems=(404, *FAILURES),
    ),
    Operation("GET", PATH + "/{id}", "One acknowledgement", show_acknowledgement, {200: Acknowledgement}, problems=(404,)),
    Operation(
        "DELETE", PATH + "/{id}", "Take back an acknowledgement", delete_acknowledgement, {200: Outcome, 202: Outcome},
        verb=Verb.ACKNOWLEDGEMENT, query=WaitQuery, problems=(404, *FAILURES),
    ),
)  # fmt: skip
