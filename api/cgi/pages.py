"""Pages: templates rendered as HTML. Everything a template is given is escaped unless it is markup made here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from jinja2 import Environment

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline' 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'self';"
        " base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_BUFFERED = 200  # bits of a template that go out together


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # not with the module: a start need not wait for it

    loader = PackageLoader("api.cgi", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    """One template as an answer."""
    return HTMLResponse(_environment().get_template(template).render(values), status, HEADERS)


async def long_page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    """The same for any number of rows: rendered in a thread, so that other requests go on meanwhile."""
    return await asyncio.to_thread(page, template, status, **values)


def pieces(template: str, **values: object) -> Iterator[bytes]:
    """One template rendered bit by bit, as what it is given comes."""
    stream = _environment().get_template(template).stream(values)
    stream.enable_buffering(_BUFFERED)
    return (piece.encode("utf-8", "replace") for piece in stream)


def error_page(message: str, details: Sequence[str], *, title: str = "Nagios", status: int = 200) -> HTMLResponse:
    """A refusal in the originals' elements: the sentence programs look for, then what else there is to say."""
    return page("error.html", status, title=title, message=message, details=details)
