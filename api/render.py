"""Values → what goes over the wire: JSON bytes, times as RFC 3339, answers as HTTP responses. Used by the dialects alike.

Times inside are epoch seconds; outside they are RFC 3339 in UTC, with milliseconds only where there are any. 0 = never = null.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
from starlette.responses import Response

from api.errors import MEDIA_TYPE, Problem

JSON = "application/json"


def encode_json(content: object) -> bytes:
    """Dataclasses, lists, dicts and plain values as UTF-8 JSON; text UTF-8 cannot hold is shown with replacement characters."""
    try:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        return orjson.dumps(_encodable(content), option=orjson.OPT_NON_STR_KEYS)


def rfc3339(seconds: float) -> str:
    """An instant in UTC, e.g. 2026-11-24T09:30:00Z."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{milliseconds:03d}Z" if milliseconds else f"{text}Z"


def rfc3339_or_none(seconds: float | None) -> str | None:
    """The same, or None for never and not known."""
    return rfc3339(seconds) if seconds else None


def json_response(status: int, content: object, headers: Mapping[str, str] | None = None, media_type: str = JSON) -> Response:
    """An answer with a JSON body; what is true now may not be so in a second, so nothing may store it."""
    return Response(encode_json(content), status, {"Cache-Control": "no-store", **(headers or {})}, media_type)


def problem_response(problem: Problem) -> Response:
    """A problem document."""
    return json_response(problem.status, problem.members, problem.headers, MEDIA_TYPE)


def _encodable(value: object) -> object:
    """Facts of errors may hold what a client sent, lone surrogates included, and values orjson does not know."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {str(_encodable(str(key))): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_encodable(item) for item in value]
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and -(2**63) <= value < 2**64):
        return value
    return str(value)
