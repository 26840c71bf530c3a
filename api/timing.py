"""How long requests take until the head of their answer is sent, by method, route template and status: for /metrics."""

from __future__ import annotations

import time
from functools import lru_cache

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.figures import REQUEST_SECONDS

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NOWHERE = "none"


class Timing:
    """Wraps the application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, Timed(scope, send) if scope["type"] == "http" else send)


class Timed:
    """The way out of one request."""

    __slots__ = ("_began", "_scope", "_send", "is_begun")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._began = time.perf_counter()
        self.is_begun = False  # the head of the answer is on its way

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_begun = True
            method = self._scope["method"] if self._scope["method"] in _METHODS else "other"
            _series(method, template(self._scope), message["status"]).observe(time.perf_counter() - self._began)
        await self._send(message)


@lru_cache(maxsize=4096)  # methods, paths of ours, statuses
def _series(method: str, route: str, status: int) -> Histogram:
    return REQUEST_SECONDS.labels(method, route, status)


def template(scope: Scope) -> str:
    """The path with names of its variables in place of what came; a path that nothing serves is NOWHERE, whatever it was."""
    if "template" in scope:
        return str(scope["template"])
    if "endpoint" not in scope:
        return NOWHERE
    given = {str(value): name for name, value in scope.get("path_params", {}).items()}
    if "rest" in given.values():
        return NOWHERE
    return "/".join(f"{{{given[part]}}}" if part in given else part for part in scope["path"].split("/"))
