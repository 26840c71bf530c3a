"""How long requests take until the head of their answer is sent, by method, route template and status: for /metrics."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.figures import REQUEST_SECONDS

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NOWHERE = "none"


class Timing:
    """Wraps the application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in _METHODS else "other"
                REQUEST_SECONDS.labels(method, template(scope), message["status"]).observe(time.perf_counter() - began)
            await send(message)

        await self.app(scope, receive, sent)


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
