"""Downtimes: set, listed with their proof, shown, and cancelled by their public id."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from api.native.entries import DeletionQuery, EntriesQuery, EntryNoun
from api.native.operation import Answer, Call, Operation, Verb
from api.native.outcome import FAILURES, Outcome, outcome
from api.native.pollers import View
from api.native.requests import Author, Comment, Force, NoQuery, Reference, Span, Time, WaitQuery, doc
from api.native.targets import ManyBody, Plan, carried_out, check_ways, how_of, selection_of, targets_of
from api.native.times import parse_duration, parse_time
from engine.desk.checks import window
from engine.desk.plans import PROPAGATED, DowntimeAsked
from engine.errors import InvalidField

AGREEMENT_S = 1.0  # cores count whole seconds


class Downtime(msgspec.Struct, frozen=True):
    """One downtime, ours or anybody's. Times are by the core's clock.

    `proof`: accepted, processed, confirmed (seen in the core's own files), or seen (made by somebody else). `duration` counts for
    flexible ones: how many seconds it lasts once it is triggered.
    """

    id: int
    poller: str
    host: str
    service: str | None
    author: str
    comment: str
    proof: str
    present: bool
    start: str | None
    end: str | None
    fixed: bool | None
    duration: float | None
    is_in_effect: bool | None
    cancelled: bool
    entry_time: str | None
    actual_start: str | None
    actual_end: str | None
    deleted_at: str | None
    deleted_by: str | None
    core_id: int | None
    command_id: str | None
    reference: str
    view: View | None


class Downtimes(msgspec.Struct, frozen=True):
    """One page of downtimes, newest id first."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Downtime]


NOUN = EntryNoun("downtime", Downtime)


class NewDowntime(ManyBody, frozen=True, kw_only=True):
    """A downtime to be set: `end` or `duration`, either is enough."""

    comment: Comment
    start: Annotated[Time, doc("default: now")] | None = None
    end: Annotated[Time, doc("default: start + duration")] | None = None
    duration: Annotated[Span, doc("length of the window; of a flexible one: how long it lasts once triggered")] | None = None
    fixed: Annotated[bool, doc("false: flexible, starts with the first problem between start and end")] = True
    with_services: Annotated[bool, doc("the host and each of its services")] = False
    with_children: Annotated[
        Literal[False, "triggered", "independent"],
        doc("the host and every host below it, down to the last; triggered: theirs begin with the host's own"),
    ] = False
    author: Author | None = None
    reference: Reference | None = None
    force: Force = False


class Window(NamedTuple):
    """When a downtime is to be. `duration` in seconds for a flexible one, None when fixed."""

    start: float
    end: float
    duration: float | None


def window_of(body: NewDowntime, now: float) -> Window:
    """The window a body asks for; whether a core would schedule it is the desk's to say. Raises InvalidField.

    Relative times are relative to now, never to each other.
    """
    start = now if body.start is None else parse_time(body.start, "start", now)
    end = None if body.end is None else parse_time(body.end, "end", now)
    duration = None if body.duration is None else parse_duration(body.duration, "duration")
    if not body.fixed and duration is None:
        raise InvalidField(
            "duration is missing: a flexible downtime needs to know how long it lasts once triggered.", field="duration"
        )
    if end is None:
        if duration is None:
            raise InvalidField("end is missing: say end or duration.", field="end")
        end = parse_time(start + duration, "end", now)
    elif body.fixed and duration is not None and abs(end - start - duration) > AGREEMENT_S:
        raise InvalidField(
            f"duration and end disagree: end - start is {end - start:g} s, duration {duration:g} s; say one of them.",
            field="duration",
        )
    return Window(start, end, None if body.fixed else duration)


WithServices = Annotated[
    bool, doc("with a host's downtime those of its services that were set together with it: same author, comment and window")
]


class DowntimesDeletion(DeletionQuery, frozen=True, kw_only=True):
    """Which downtimes."""

    with_services: WithServices = False


class DowntimeDeletion(WaitQuery, frozen=True, kw_only=True):
    """What goes with it, and how long to wait."""

    with_services: WithServices = False


async def create_downtime(call: Call, query: WaitQuery, body: NewDowntime) -> Answer:
    """Set downtimes and answer with what became of them."""
    check_ways(body)
    _check_extent(body)
    asked = window_of(body, call.clock.now())
    if body.is_named() and not body.with_children:
        receipts = await call.desk.schedule_downtime(
            call.caller,
            await targets_of(call, body),
            start=asked.start,
            end=asked.end,
            fixed=body.fixed,
            duration=asked.duration,
            comment=body.comment,
            with_services=body.with_services,
            author=body.author,
            reference=body.reference or "",
            force=body.force,
        )
        return await outcome(call, query, receipts, creates="downtimes")
    children = PROPAGATED[body.with_children] if body.with_children else None
    selection = replace(await selection_of(call, body), with_services=body.with_services, children=children)
    ask = DowntimeAsked(selection, window(asked.start, asked.end, body.fixed, asked.duration), body.comment)
    how = how_of(body, reference=body.reference, force=body.force)
    return await carried_out(call, query, ask, how, author=body.author, creates="downtimes")


def _check_extent(body: NewDowntime) -> None:
    """What goes with a host goes with a host alone. Raises InvalidField."""
    for name in ("with_services", "with_children"):
        if not getattr(body, name):
            continue
        if body.host is None:
            raise InvalidField(f"{name} goes with a host: of a group or a search, `on` says what is meant.", field=name)
        if body.service is not None or body.services is not None:
            raise InvalidField(f"{name} goes with a host alone: leave service and services out.", field=name)
    if body.with_services and body.with_children:
        raise InvalidField("with_services and with_children are two calls: say one of them.", field="with_children")


async def list_downtimes(call: Call, query: EntriesQuery) -> Answer:
    """One page of downtimes."""
    return await NOUN.listed(call, query)


async def show_downtime(call: Call, query: NoQuery) -> Answer:
    """One downtime."""
    return await NOUN.one(call)


async def delete_downtimes(call: Call, query: DowntimesDeletion) -> Answer:
    """Cancel downtimes by what they are about."""
    return await NOUN.deleted_by_meaning(call, query, with_services=query.with_services)


async def delete_downtime(call: Call, query: DowntimeDeletion) -> Answer:
    """Cancel a downtime, alone or with those of the host's services."""
    if query.with_services:
        return await NOUN.deleted_with_services(call, query)
    return await NOUN.deleted(call, query)


EXAMPLE = {"host": "web01", "service": "HTTP", "end": "+2h", "comment": "kernel update"}

OPERATIONS = (
    Operation(
        "GET", "/v1/downtimes", "Downtimes, newest first", list_downtimes, {200: Downtimes},
        query=EntriesQuery, problems=(404,), lines=True, tagged=True,
    ),
    Operation(
        "POST", "/v1/downtimes", "Set a downtime", create_downtime, {200: (Outcome, Plan), 201: Outcome, 202: Outcome},
        verb=Verb.DOWNTIME, query=WaitQuery, body=NewDowntime, problems=(404, *FAILURES), example=EXAMPLE,
    ),
    Operation(
        "DELETE", "/v1/downtimes", "Cancel downtimes by what they are about", delete_downtimes,
        {200: (Outcome, Plan), 202: Outcome},
        verb=Verb.DOWNTIME, query=DowntimesDeletion, problems=(404, *FAILURES),
    ),
    Operation("GET", "/v1/downtimes/{id}", "One downtime", show_downtime, {200: Downtime}, problems=(404,)),
    Operation(
        "DELETE", "/v1/downtimes/{id}", "Cancel a downtime", delete_downtime, {200: Outcome, 202: Outcome},
        verb=Verb.DOWNTIME, query=DowntimeDeletion, problems=(404, *FAILURES),
    ),
)  # fmt: skip
