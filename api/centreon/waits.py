"""How long a write waits for its outcome, and whether it is answered with a body: `?wait=S`, `Prefer: wait=S`, or neither."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
from starlette.requests import Request

from api.waiting import WAIT_CAP_S, preferred_wait
from engine.errors import InvalidField


class Wait(msgspec.Struct, frozen=True):
    """How long, until which state, and whether the answer has a body; `headers` go with it."""

    until: str
    timeout_s: float
    wants_body: bool
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


def parse_wait(request: Request, default_s: float) -> Wait:
    """What a request says of waiting. Raises InvalidField."""
    text = request.query_params.get("wait")
    if text is not None:
        return Wait("final", min(_seconds(text), WAIT_CAP_S), True)
    preferred = preferred_wait(request)
    if preferred is None:
        return Wait("processed", default_s, False)
    seconds = min(preferred, WAIT_CAP_S)
    return Wait("final", seconds, True, {"Preference-Applied": f"wait={seconds:g}"})


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InvalidField(
            f'The parameter "wait" must be a number of seconds; {WAIT_CAP_S:g} is the most that counts', field="wait"
        )
    return seconds
