"""Results: passive check results, one or thousands in one call.

One result is a command with a life of its own, like everything else. Two and more are a call: one answer with counts, the failures
listed, and progress under its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

import msgspec
import orjson
from msgspec.structs import asdict

from api.errors import problem_members
from api.native.operation import Answer, Call, Operation, Verb, poller_number
from api.native.outcome import FAILED, FAILURES, Outcome, again, outcome
from api.native.requests import Body, NoQuery, PollerWord, Query, Time, WaitQuery, doc
from api.native.times import parse_time
from api.render import rfc3339
from api.waiting import WAIT_CAP_S
from engine.commands.lifecycle import State
from engine.desk import CheckResult, Recorded, ResultCall, Target
from engine.errors import InvalidField


class NewResult(Body, frozen=True, kw_only=True):
    """What a check found."""

    host: Annotated[str, doc("name of the host", min_length=1)]
    return_code: Annotated[int, doc("0 OK or UP, 1 WARNING or DOWN, 2 CRITICAL or UNREACHABLE, 3 UNKNOWN", ge=0, le=3)]
    plugin_output: Annotated[str, doc("what the check says")]
    service: Annotated[str, doc("description of the service; absent: the host itself", min_length=1)] | None = None
    perf_data: Annotated[str, doc("performance data, without the bar")] = ""
    checked_at: Annotated[Time, doc("when it was checked; default: now")] | None = None
    poller: PollerWord | int | None = None


class NewResults(Body, frozen=True, kw_only=True):
    """Results to be submitted, in order."""

    results: Annotated[list[NewResult], doc("at least one, at most `results_per_call` (a setting, 50000)", min_length=1)]
    partial: Annotated[
        bool, doc("take what can be taken of several and list the rest as refused; else one unknown object refuses all of them")
    ] = False


class CallQuery(Query, frozen=True, kw_only=True):
    """How long to wait, and which of the failures."""

    wait: Annotated[float, doc("seconds to wait until the call is through, at most 60 (also `Prefer: wait=S`)", ge=0)] | None = None
    offset: Annotated[int, doc("failures left out before the first that is listed", ge=0, le=2**31)] = 0


class ResultCounts(msgspec.Struct, frozen=True):
    """How many results stand where; each is counted once, `overtaken` is part of `expired`."""

    accepted: int
    written: int
    processed: int
    confirmed: int
    refused: int
    no_effect: int
    expired: int
    overtaken: int
    unknown: int
    cancelled: int


class PollerResults(msgspec.Struct, frozen=True):
    """The results for one poller; those no poller has the object of have none. `id` stands where a command's does."""

    id: str
    poller: str | None
    state: str
    final: bool
    total: int
    counts: ResultCounts
    reason: str


class FailedResult(msgspec.Struct, frozen=True):
    """A result that failed, by its place in the list that was sent, with the core's words or ours."""

    index: int
    host: str | None
    service: str | None
    poller: str | None
    state: str
    detail: str


class Results(msgspec.Struct, frozen=True):
    """A call of several results. `failed` counts all that failed; at most 1000 are listed, `offset` shows more."""

    id: str
    state: str
    detail: str
    final: bool
    accepted_at: str
    total: int
    counts: ResultCounts
    failed: int
    pollers: list[PollerResults]
    failures: list[FailedResult]


SENTENCES: dict[State, str] = {
    State.ACCEPTED: "They are durable and will be written next.",
    State.HELD: "The core is not reading commands; they are kept and will be written when the core is back.",
    State.WRITING: "They are being written.",
    State.WRITTEN: "All went into the command file; that the core read them is not proved yet.",
    State.PROCESSED: "The core read and executed all of them and printed no error.",
    State.CONFIRMED: "Each was seen in the core's own files.",
    State.PARTIAL: "Some of them failed, or were withdrawn: see `failures` and `counts`.",
    State.REFUSED: "All of them were refused: see `failures`.",
    State.NO_EFFECT: "The core read them, but they have no effect: see `failures`.",
    State.CANCELLED: "They were withdrawn before anything was sent.",
    State.EXPIRED: "They were given up before anything was sent: see `failures`.",
    State.UNKNOWN: "They were written, and neither proof nor disproof can be had: see `failures`.",
}


async def create_results(call: Call, query: WaitQuery, body: NewResults) -> Answer:
    """Submit results and answer with what became of them."""
    pollers = await _pollers(call, body)
    now = call.clock.now()
    if len(body.results) == 1:
        return await outcome(call, query, await call.desk.submit_results(call.caller, _results(body, pollers, now)))
    results = await asyncio.to_thread(_results, body, pollers, now)
    made = await call.desk.submit_call(call.caller, results, leave_out=body.partial)
    return await _settled(call, query, made)


async def results_again(call: Call, query: WaitQuery, known: Recorded) -> Answer:
    """The answer to a repeat: the same call, as it stands now."""
    made = orjson.loads(known.answer)
    if not isinstance(made, str):
        return await again(call, query, known)
    return await _settled(call, query, await call.desk.call_of_results(call.caller, made))


async def _settled(call: Call, query: WaitQuery, made: ResultCall) -> Answer:
    asked = query.wait if query.wait is not None else call.prefer_wait_s
    until, timeout_s = ("processed", call.settings.wait_processed_s) if asked is None else ("final", min(asked, WAIT_CAP_S))
    headers = {"Signalbox-Command": ", ".join(part.id for part in made.parts), "Location": f"/v1/results/{made.id}"}
    if query.wait is None and call.prefer_wait_s is not None:
        headers["Preference-Applied"] = f"wait={timeout_s:g}"
    return answer_of(await call.desk.settle_call(call.caller, made.id, until=until, timeout_s=timeout_s), headers)


async def show_results(call: Call, query: CallQuery) -> Answer:
    """How far a call has come."""
    asked = query.wait if query.wait is not None else call.prefer_wait_s
    name = call.names["call"]
    if asked:
        await call.desk.settle_call(call.caller, name, until="final", timeout_s=min(asked, WAIT_CAP_S))
    return Answer(results_of(await call.desk.call_of_results(call.caller, name, offset=query.offset)))


async def withdraw_results(call: Call, query: NoQuery) -> Answer:
    """Withdraw a call of which nothing was written yet."""
    made = await call.desk.withdraw_call(call.caller, call.names["call"])
    return Answer(results_of(made), headers={"Signalbox-Command": ", ".join(part.id for part in made.parts)})


async def withdrawn_again(call: Call, query: NoQuery, known: Recorded) -> Answer:
    """The call that was withdrawn, as it stands now."""
    return Answer(results_of(await call.desk.call_of_results(call.caller, call.names["call"])))


def answer_of(made: ResultCall, headers: Mapping[str, str]) -> Answer:
    """200 when all is well and over, 202 while something is under way, else a problem document."""
    content = results_of(made)
    if not made.final:
        return Answer(content, 202, headers)
    if made.state not in FAILED:
        return Answer(content, 202 if made.state is State.UNKNOWN else 200, headers)
    status, title = FAILED[made.state]
    rest = msgspec.to_builtins(content)
    members = problem_members(str(made.state), title, status, str(rest.pop("detail")), rest)
    return Answer(members, status, headers, problem=True)


def results_of(made: ResultCall) -> Results:
    """A call as people see it."""
    return Results(
        id=made.id,
        state=str(made.state),
        detail=SENTENCES[made.state],
        final=made.final,
        accepted_at=rfc3339(made.accepted_at),
        total=made.total,
        counts=ResultCounts(**asdict(made.counts)),
        failed=made.failed,
        pollers=[
            PollerResults(
                part.id, part.poller, str(part.state), part.final, part.total, ResultCounts(**asdict(part.counts)), part.reason
            )
            for part in made.parts
        ],
        failures=[FailedResult(**asdict(failure)) for failure in made.failures],
    )


def _results(body: NewResults, pollers: Mapping[str | int | None, int | None], now: float) -> list[CheckResult]:
    return [
        CheckResult(
            target=Target(result.host, result.service, pollers[result.poller]),
            return_code=_return_code(result, f"results[{index}].return_code"),
            plugin_output=result.plugin_output,
            perf_data=result.perf_data,
            checked_at=_checked_at(result, f"results[{index}].checked_at", now),
        )
        for index, result in enumerate(body.results)
    ]


async def _pollers(call: Call, body: NewResults) -> dict[str | int | None, int | None]:
    """Every poller that is named, looked up once."""
    words = {result.poller for result in body.results}
    if words == {None}:
        return {None: None}
    return await call.desk.read(lambda reader: {word: poller_number(reader, call.caller, word) for word in words})


def _return_code(result: NewResult, field: str) -> int:
    if result.service is None and result.return_code > 2:
        raise InvalidField(f"{field} is {result.return_code}: a host's is 0 (UP), 1 (DOWN) or 2 (UNREACHABLE).", field=field)
    return result.return_code


def _checked_at(result: NewResult, field: str, now: float) -> float | None:
    return None if result.checked_at is None else parse_time(result.checked_at, field, now)


OPERATIONS = (
    Operation(
        "POST", "/v1/results", "Submit passive check results", create_results,
        {200: (Outcome, Results), 202: (Outcome, Results)}, verb=Verb.RESULT, query=WaitQuery, body=NewResults,
        problems=(404, 413, 503, *FAILURES), body_limit="results_body_bytes", again=results_again,
        description="One result is a command with a life of its own. Two and more are a call: counts, the failures, and progress"
        " under its id. One result that cannot be taken (an unknown object, say) refuses the call, and all such are named; with"
        " `partial` the others are taken. A result older than the newest of its object is overtaken and not sent.",
        example={"results": [{"host": "web01", "service": "Backup", "return_code": 0, "plugin_output": "done in 42 min"}]},
    ),
    Operation(
        "GET", "/v1/results/{call}", "How far a call of results has come", show_results, {200: Results}, query=CallQuery,
        problems=(404,), description="For who sent it, and for whoever may see every object.",
    ),
    Operation(
        "DELETE", "/v1/results/{call}", "Withdraw a call of results that was not yet written", withdraw_results, {200: Results},
        verb=Verb.RESULT, problems=(404, 409), again=withdrawn_again,
        description="Of a call for several pollers, those parts of which nothing was written: `pollers` shows which. 409 where"
        " something of each was. A single result is a command: DELETE /v1/commands/{command}.",
    ),
)  # fmt: skip
