"""The small pictures the pages refer to, under the originals' names; drawn here, as SVG, whatever their names end in.

And the pages' style, which is no part of them: programs that look for the names of classes line by line would find it there.

Anybody may have them: a browser asks for them without a password from some pages, and they say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_PLAIN, _GOOD, _BAD, _MIND, _ODD, _CALM = "#667", "#2a2", "#c33", "#d90", "#e60", "#38c"
_SHAPES: Mapping[str, str] = {
    "tick": "M5 10l4 4 7-8",
    "cross": "M6 6l8 8M14 6l-8 8",
    "slash": "M5 15L15 5",
    "bang": "M10 4v8M10 15v1",
    "ask": "M7 7q0-3 3-3t3 3-3 4v1M10 15v1",
    "letter": "M10 5v1M10 9v7",
    "bubble": "M4 5h12v8H9l-3 3v-3H4z",
    "bell": "M6 14V9q0-4 4-4t4 4v5zM9 16h2",
    "clock": "M10 4a6 6 0 1 0 .1 0M10 7v3l2 2",
    "wave": "M3 10q2-8 4.500 0t4.500 0 4.500 0",
    "up": "M5 12l5-6 5 6z",
    "down": "M5 8l5 6 5-6z",
    "left": "M13 4l-7 6 7 6z",
    "right": "M7 4l7 6-7 6z",
    "square": "M6 6h8v8H6z",
    "turn": "M14 7a5 5 0 1 0 1 4M15 4v4h-4",
    "lines": "M5 6h10M5 10h10M5 14h7",
    "bolt": "M11 3l-5 8h4l-1 6 5-8h-4z",
    "prompt": "M5 6l4 4-4 4M11 14h5",
    "moon": "M13 4a6 6 0 1 0 3 9 5 5 0 0 1-3-9z",
}
_PICTURES: Mapping[str, tuple[str, str]] = {
    "ack.gif": (_CALM, "tick"), "noack.gif": (_PLAIN, "slash"), "comment.gif": (_CALM, "bubble"), "delete.gif": (_BAD, "cross"),
    "enabled.gif": (_GOOD, "tick"), "disabled.gif": (_BAD, "cross"), "passiveonly.gif": (_MIND, "left"),
    "ndisabled.gif": (_BAD, "bell"), "notify.gif": (_CALM, "bell"), "delay.gif": (_CALM, "clock"), "downtime.gif": (_MIND, "moon"),
    "flapping.gif": (_ODD, "wave"), "detail.gif": (_CALM, "lines"), "status2.gif": (_GOOD, "lines"), "up.gif": (_PLAIN, "up"),
    "down.gif": (_PLAIN, "down"), "left.gif": (_PLAIN, "left"), "right.gif": (_PLAIN, "right"), "stop.gif": (_BAD, "square"),
    "start.gif": (_GOOD, "right"), "restart.gif": (_MIND, "turn"), "active.gif": (_GOOD, "bolt"), "standby.gif": (_PLAIN, "moon"),
    "action.gif": (_ODD, "bolt"), "notes.gif": (_CALM, "letter"), "serviceevent.gif": (_PLAIN, "bolt"),
    "hostevent.gif": (_PLAIN, "bolt"), "critical.png": (_BAD, "bang"), "warning.png": (_MIND, "bang"), "unknown.png": (_ODD, "ask"),
    "recovery.png": (_GOOD, "tick"), "info.png": (_CALM, "letter"), "command.png": (_PLAIN, "prompt"),
    "logrotate.png": (_PLAIN, "turn"), "tacenabled.png": (_GOOD, "tick"), "tacdisabled.png": (_BAD, "cross"),
}  # fmt: skip
_BARS: Mapping[str, str] = {"thermok.png": _GOOD, "thermwarn.png": _MIND, "thermcrit.png": _BAD}
_HEADERS = {"Cache-Control": "max-age=86400", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


def drawn(name: str) -> str | None:
    """The picture of that name as SVG, None where there is none."""
    if name in _BARS:
        bar = f"<rect width='100' height='20' fill='{_BARS[name]}'/>"
        return f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 20' preserveAspectRatio='none'>{bar}</svg>"
    if name not in _PICTURES:
        return None
    colour, shape = _PICTURES[name]
    line = f"<path d='{_SHAPES[shape]}' fill='none' stroke='#fff' stroke-width='2' stroke-linecap='round' stroke-linejoin='round'/>"
    ground = f"<rect width='20' height='20' rx='4' fill='{colour}'/>"
    return f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20' width='20' height='20'>{ground}{line}</svg>"


_OF_AN_OBJECT = "detail.gif"  # instead of its own picture, which lies beside the web server's pages


async def image(request: Request) -> Response:
    """One picture."""
    name = request.path_params["name"]
    found = drawn(_OF_AN_OBJECT if "/logos/" in request.url.path else name)
    if found is None:
        return PlainTextResponse("There is no such picture.", 404)
    return Response(found, headers=_HEADERS, media_type="image/svg+xml")


@cache
def _style() -> bytes:
    return files("api.cgi").joinpath("templates/style.css").read_bytes()


async def stylesheet(request: Request) -> Response:
    """How the pages look."""
    return Response(_style(), headers=_HEADERS, media_type="text/css")
