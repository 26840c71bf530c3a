"""Checks: forced active checks, now or at a time."""

from __future__ import annotations

from typing import Annotated

from api.native.operation import Answer, Call, Operation, Verb
from api.native.outcome import FAILURES, Outcome, outcome
from api.native.requests import TargetBody, Time, WaitQuery, doc
from api.native.targets import targets_of
from api.native.times import parse_time


class NewCheck(TargetBody, frozen=True, kw_only=True):
    """A check to be made."""

    at: Annotated[Time, doc("default: now")] | None = None


async def create_check(call: Call, query: WaitQuery, body: NewCheck) -> Answer:
    """Reschedule checks as forced ones and answer with what became of it."""
    at = None if body.at is None else parse_time(body.at, "at", call.clock.now())
    receipts = await call.desk.schedule_check(call.caller, await targets_of(call, body), at=at)
    return await outcome(call, query, receipts)


OPERATIONS = (
    Operation(
        "POST", "/v1/checks", "Force a check", create_check, {200: Outcome, 202: Outcome},
        verb=Verb.CHECK, query=WaitQuery, body=NewCheck, problems=(404, *FAILURES),
        example={"host": "web01", "service": "HTTP"},
    ),
)  # fmt: skip
