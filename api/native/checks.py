"""Checks: active checks now or at a time, forced or as far as settings allow, of hosts, services, or a host with its services."""

from __future__ import annotations

from typing import Annotated

from api.native.operation import Answer, Call, Operation, Verb
from api.native.outcome import FAILURES, Outcome, outcome
from api.native.requests import Time, WaitQuery, doc
from api.native.targets import ManyBody, Plan, carried_out, check_ways, how_of, selection_of, targets_of
from api.native.times import parse_time
from engine.desk.plans import CheckAsked
from engine.errors import InvalidField


class NewCheck(ManyBody, frozen=True, kw_only=True):
    """Checks to be made."""

    at: Annotated[Time, doc("default: now")] | None = None
    forced: Annotated[
        bool, doc("true: whatever the object's settings say; false: only if they allow it and no earlier check is due")
    ] = True
    with_services: Annotated[bool, doc("the host and each of its services")] = False


async def create_check(call: Call, query: WaitQuery, body: NewCheck) -> Answer:
    """Schedule checks and answer with what became of it."""
    check_ways(body)
    if body.with_services and (body.host is None or body.service is not None or body.services is not None):
        raise InvalidField("with_services is for one host by its name: leave it out here.", field="with_services")
    at = None if body.at is None else parse_time(body.at, "at", call.clock.now())
    if body.is_named():
        targets = await targets_of(call, body)
        receipts = await call.desk.schedule_check(call.caller, targets, at=at, forced=body.forced, with_services=body.with_services)
        return await outcome(call, query, receipts)
    if body.with_services:
        raise InvalidField("with_services has no plan: leave dry_run, plan and skip_conflicts out.", field="with_services")
    return await carried_out(call, query, CheckAsked(await selection_of(call, body), at, body.forced), how_of(body))


OPERATIONS = (
    Operation(
        "POST", "/v1/checks", "Check hosts and services", create_check, {200: (Outcome, Plan), 202: Outcome},
        verb=Verb.CHECK, query=WaitQuery, body=NewCheck, problems=(404, *FAILURES),
        example={"host": "web01", "service": "HTTP"},
    ),
)  # fmt: skip
