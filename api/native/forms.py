"""Answers written once, with gaps for what moves with time: ages, and how fresh each poller's objects are.

A gap is written as a text that nobody can know beforehand, into JSON that orjson or SQLite writes, and cut out of it again. So an
answer that is kept says the same, to the byte, as one that is read anew (a test compares them).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import orjson
from msgspec.structs import asdict
from starlette.responses import Response

from api.native.operation import Answer, Call
from api.native.pollers import View, view_of
from api.render import JSON, encode_json, encoded_response
from engine.config import Settings
from engine.model import PollerView
from engine.state.views import Reader

Gap = int | float
"""The number of a poller whose view stands there, or the second from which an age counts, by our clock."""

_SECRET = secrets.token_hex(8)
VIEW, AGE = f"{_SECRET}v", f"{_SECRET}a"  # before the poller's number; before the second
_GAP = re.compile(rf'"{_SECRET}(?:v(\d+)|a([^"]+))"'.encode())


def with_gaps(content: object, views: Mapping[int, View]) -> bytes:
    """Content as JSON, a gap in place of each of the views. Raises orjson.JSONEncodeError for what JSON cannot hold."""
    numbers = {view.poller: number for number, view in views.items()}

    def plain(value: Any) -> object:
        if isinstance(value, View):
            return f"{VIEW}{numbers[value.poller]}"
        return asdict(value)

    return orjson.dumps(content, default=plain, option=orjson.OPT_NON_STR_KEYS)


class Form(msgspec.Struct, frozen=True):
    """An answer with gaps between its pieces. It holds as long as each view is as stale and as healthy as when it was made."""

    pieces: Sequence[bytes]
    gaps: Sequence[Gap]
    pollers: Mapping[int, PollerView]
    standing: Sequence[tuple[bool, str]]
    headers: Mapping[str, str]

    @classmethod
    def of(cls, written: bytes, views: Mapping[int, View], pollers: Sequence[PollerView], headers: Mapping[str, str]) -> Form:
        """What was written with gaps. `views`: what stood in them, by the number of its poller; `pollers`: at least those."""
        parts = _GAP.split(written)
        gaps = [int(number) if number is not None else float(since) for number, since in zip(parts[1::3], parts[2::3], strict=True)]
        shown = {gap for gap in gaps if isinstance(gap, int)}
        by_number = {poller.number: poller for poller in pollers if poller.number in shown}
        return cls(parts[::3], gaps, by_number, [_standing(views[number]) for number in by_number], headers)

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(map(len, self.pieces)) + 100 * len(self.gaps)

    def response(self, now: float, settings: Settings, if_none_match: str = "") -> Response | None:
        """The answer as it is now, 304 to who has it; None when a view is not as stale or healthy any more as it was."""
        views = [view_of(poller, now, settings) for poller in self.pollers.values()]
        if list(map(_standing, views)) != self.standing:
            return None
        if if_none_match and is_known(self.headers.get("ETag", ""), if_none_match):
            return Response(status_code=304, headers=dict(self.headers))
        shown = dict(zip(self.pollers, map(encode_json, views), strict=True))
        body = [self.pieces[0]]
        for gap, piece in zip(self.gaps, self.pieces[1:], strict=True):
            body.append(shown[gap] if isinstance(gap, int) else b"%r" % max(0.0, round(now - gap, 3)))
            body.append(piece)
        return encoded_response(200, b"".join(body), self.headers, JSON)


async def object_answer(call: Call, read: Callable[[Reader], tuple[object, Mapping[int, View]]], *, short: bool = True) -> Answer:
    """One object, or totals, with the views that stand in it: as a form where it is to be kept."""

    def work(reader: Reader) -> object:
        content, views = read(reader)
        if not call.is_kept:
            return content
        try:
            written = with_gaps(content, views)
        except orjson.JSONEncodeError:
            return content
        return Form.of(written, views, reader.pollers(call.caller.scope), {"Cache-Control": "no-store"})

    found = await call.desk.find(call.caller, work, short=short)
    return Answer(None, form=found) if isinstance(found, Form) else Answer(found)


def _standing(view: View) -> tuple[bool, str]:
    return view.stale, view.health


def is_known(tag: str, if_none_match: str) -> bool:
    """RFC 9110's weak comparison; nothing without a tag is known."""
    if not tag:
        return False
    known = {word.strip().removeprefix("W/") for word in if_none_match.split(",")}
    return "*" in known or tag.removeprefix("W/") in known
