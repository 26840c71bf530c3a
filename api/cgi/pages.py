"""Pages: templates rendered as HTML. Everything a template is given is escaped unless it is markup made here.

Nothing with rows is rendered on the event loop. What may be long has a thread of its own, one for all: it is sent as it is
rendered, so that it takes no memory, and however many ask for such pages, the readers' threads and the loop stay free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response
from starlette.types import Receive

from api.cgi.kept import IN_MEMORY
from api.render import Spool, spooled_response

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
_BUFFERED = 2000  # bits of a template that go out together


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # not with the module: a start need not wait for it

    loader = PackageLoader("api.cgi", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    """One template as an answer."""
    return HTMLResponse(_environment().get_template(template).render(values), status, HEADERS)


async def threaded_page(template: str, **values: object) -> HTMLResponse:
    """The same with some rows: rendered in a thread, so that other requests go on meanwhile."""
    return await asyncio.to_thread(page, template, 200, **values)


class LongPages:
    """Where pages of any length are rendered: in one thread, in turns of a piece each, into spools. One for all of a worker.

    Who goes away ends the rendering of his page.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "long-pages")

    async def page(
        self, receive: Receive, template: str, length: int, headers: Mapping[str, str] | None = None, **values: object
    ) -> Response:
        """A page of so many rows: what people page through is not kept waiting behind what is long. Raises ClientDisconnect."""
        if length > IN_MEMORY:
            return await self.answer(receive, template, lambda: values, headers)
        answer = await threaded_page(template, **values)
        answer.headers.update(headers or {})
        return answer

    async def answer(
        self, receive: Receive, template: str, values: Callable[[], Mapping[str, object]], headers: Mapping[str, str] | None = None
    ) -> Response:
        """The page, once it has begun; `values` is asked in the thread too. Raises ClientDisconnect."""
        spool = Spool()
        return await spooled_response(spool, self._filled(spool, template, values, headers or {}), receive)

    async def _filled(
        self, spool: Spool, template: str, values: Callable[[], Mapping[str, object]], headers: Mapping[str, str]
    ) -> None:
        loop = asyncio.get_running_loop()
        head = {**HEADERS, "Content-Type": "text/html; charset=utf-8", **headers}
        writing: Iterator[bool] = iter(())
        open_files = ExitStack()

        def begin() -> None:
            nonlocal writing
            if not spool.is_abandoned:
                named = values()
                for value in named.values():
                    if isinstance(value, Generator):
                        open_files.callback(value.close)
                writing = spool.writing(pieces(template, **named), head)

        try:
            await loop.run_in_executor(self._pool, begin)
            while await loop.run_in_executor(self._pool, next, writing, False):
                pass
        finally:
            await loop.run_in_executor(self._pool, open_files.close)


def pieces(template: str, **values: object) -> Iterator[bytes]:
    """One template rendered bit by bit, as what it is given comes."""
    stream = _environment().get_template(template).stream(values)
    stream.enable_buffering(_BUFFERED)
    return (piece.encode("utf-8", "replace") for piece in stream)


def error_page(message: str, details: Sequence[str], *, title: str = "Nagios", status: int = 200) -> HTMLResponse:
    """A refusal in the originals' elements: the sentence programs look for, then what else there is to say."""
    return page("error.html", status, title=title, message=message, details=details)
