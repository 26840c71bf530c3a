"""Results: passive check results, many in one call."""

from __future__ import annotations

from typing import Annotated

from api.native.operation import Answer, Call, Operation, Verb, poller_number
from api.native.outcome import FAILURES, Outcome, outcome
from api.native.requests import MOST_RESULTS, Body, PollerWord, Time, WaitQuery, doc
from api.native.times import parse_time
from engine.desk import CheckResult, Target
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

    results: Annotated[list[NewResult], doc("at least one", min_length=1, max_length=MOST_RESULTS)]


async def create_results(call: Call, query: WaitQuery, body: NewResults) -> Answer:
    """Submit results and answer with what became of them."""
    pollers = await _pollers(call, body)
    now = call.clock.now()
    results = [
        CheckResult(
            target=Target(result.host, result.service, pollers[result.poller]),
            return_code=_return_code(result, f"results[{index}].return_code"),
            plugin_output=result.plugin_output,
            perf_data=result.perf_data,
            checked_at=_checked_at(result, f"results[{index}].checked_at", now),
        )
        for index, result in enumerate(body.results)
    ]
    return await outcome(call, query, await call.desk.submit_results(call.caller, results))


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
        "POST", "/v1/results", "Submit passive check results", create_results, {200: Outcome, 202: Outcome},
        verb=Verb.RESULT, query=WaitQuery, body=NewResults, problems=(404, *FAILURES),
        example={"results": [{"host": "web01", "service": "Backup", "return_code": 0, "plugin_output": "done in 42 min"}]},
    ),
)  # fmt: skip
