"""The HTTP application put together: every dialect's routes over one desk and one doorkeeper, and what belongs to no dialect.

`build_app` opens what one API worker needs and closes it in reverse; `application` is the same over parts already made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from api import metrics
from api.auth.contacts import ContactPolicy
from api.auth.doorkeeper import Doorkeeper
from api.centreon import routes as centreon_routes
from api.centreon.errors import refusal as centreon_refusal
from api.centreon.place import Nowhere, Place
from api.cgi import routes as cgi_routes
from api.errors import MalformedRequest, MethodNotAllowed, NoSuchPath, internal_problem, problem_of
from api.native import OPERATIONS
from api.native.routing import RouteTable, native_routes
from api.openapi import document
from api.paths import PathTable
from api.render import encode_json, json_response, problem_response
from api.timing import Timed, Timing
from engine.clock import Clock
from engine.config import Config, Settings
from engine.desk import Desk
from engine.errors import CallerError, SignalboxError
from engine.journal.store import Journal

HEALTH = ("synchronous", "engine_alive")  # what of the desk's health is anybody's business
Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(config: Config) -> tuple[Starlette, Desk]:
    """The application of one API worker, and its desk.

    The journal is opened here, before the loop runs; the desk when it starts.
    """
    journal = Journal(config.data)
    policy = ContactPolicy(config.settings.cgi_cfg) if config.settings.cgi_cfg is not None else None
    doorkeeper = Doorkeeper(journal, config.settings, policy=policy)
    desk = Desk(config) if policy is None else Desk(config, rights_of=policy.rights_of)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            await desk.open()
            try:
                yield
            finally:
                await desk.close()
        finally:
            await asyncio.to_thread(doorkeeper.close)
            await asyncio.to_thread(journal.close)

    return application(desk, doorkeeper, config.settings, lifespan=lifespan), desk


def application(
    desk: Desk,
    doorkeeper: Doorkeeper,
    settings: Settings,
    *,
    clock: Clock | None = None,
    lifespan: Callable[[Starlette], object] | None = None,
) -> Starlette:
    """Every route over these parts."""
    others = [
        Route("/healthz", _healthz(desk), methods=["GET"]),
        Route("/openapi.json", _openapi(), methods=["GET"]),
        *centreon_routes(desk, doorkeeper, settings),
        *cgi_routes(desk, doorkeeper, settings, clock),
    ]
    native = native_routes((*OPERATIONS, metrics.OPERATION), desk, doorkeeper, settings, clock)
    routes: list[BaseRoute] = [PathTable(others), *native]
    handlers = {SignalboxError: _signalbox_error, HTTPException: _http_error, Exception: _bug}
    app = Application(routes=routes, lifespan=lifespan, exception_handlers=handlers, middleware=[Middleware(Timing)])
    app.router.redirect_slashes = False  # a redirect would normalise a path whose names must stay as they came
    return app


class Application(Starlette):
    """Starlette, but for the native API: what has its path is answered at the door, without a way through every layer."""

    def __init__(self, *, routes: Sequence[BaseRoute], **rest: Any) -> None:
        super().__init__(routes=routes, **rest)
        self._native = RouteTable(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._native.match(scope) if scope["type"] == "http" else None
        if route is None:
            await super().__call__(scope, receive, send)
            return
        timed = Timed(scope, send)
        try:
            await route.handle(scope, receive, timed)
        except Exception:
            if not timed.is_begun:
                await problem_response(internal_problem())(scope, receive, timed)
            raise  # the server's log has it whole


def program_version() -> str:
    """The installed distribution's version."""
    try:
        return version("signalbox")
    except PackageNotFoundError:
        return "0"


def _healthz(desk: Desk) -> Endpoint:
    """Whether this process works: for load balancers, so without a token and without names (/v1/pollers has the whole truth)."""
    running = program_version()

    async def healthz(request: Request) -> Response:
        known = await desk.health()
        told = {name: known[name] for name in HEALTH if name in known}
        return json_response(200, {"status": "ok", "version": running, **told})

    return healthz


def _openapi() -> Endpoint:
    """The native API's document, encoded once, when it is asked for first: that takes a quarter of a second."""
    encoded = cache(lambda: encode_json(document(OPERATIONS, program_version())))

    async def openapi(request: Request) -> Response:
        return Response(await asyncio.to_thread(encoded), media_type="application/json")

    return openapi


async def _signalbox_error(request: Request, error: Exception) -> Response:
    return problem_response(problem_of(error)) if isinstance(error, SignalboxError) else await _bug(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    allow = (getattr(error, "headers", None) or {}).get("Allow", "")
    told: dict[int, CallerError] = {
        404: NoSuchPath("Nothing is served here: /openapi.json lists every path. Names in paths must be percent-encoded."),
        405: MethodNotAllowed(f"{request.method} is not possible here.", allow=sorted(allow.split(", ")) if allow else []),
    }
    if status >= 500:
        return await _bug(request, error)
    return problem_response(problem_of(told.get(status, MalformedRequest("The request is not acceptable HTTP."))))


async def _bug(request: Request, error: Exception) -> Response:
    """Starlette raises the error again behind this answer, so that the server's log has it whole."""
    problem = internal_problem()
    if isinstance(request.scope.get("endpoint"), Place | Nowhere):
        return centreon_refusal(problem.status, str(problem.members["detail"]))
    return problem_response(problem)
