"""One path of the dialect: what a visit carries, who may pass, which of its methods is meant, and how errors are told.

Handlers are plain functions from a `Visit` to an answer; they contain no `try`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec
from msgspec.structs import replace
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.auth.doorkeeper import check_may
from api.auth.presented import check_meant, presented_caller
from api.centreon.bodies import BULK_LIMIT_BYTES, Body, parse_array, parse_body, raw_body
from api.centreon.cookies import Credential, check_same_origin, credential_of
from api.centreon.errors import NoRoute, error_answer, refusal, status_of, told_error, wrong_credentials
from api.centreon.times import in_zone
from api.centreon.versions import NEWEST, Version, parse_version
from api.centreon.waits import Wait, parse_wait
from api.errors import MethodNotAllowed
from api.ledger import REPLAYED, as_asked, kept, without_body
from api.services import Services
from engine.desk import Caller, Desk, Recorded
from engine.errors import CallerError, NotAuthenticated, SignalboxError
from engine.journal.accounts import Verb

B = TypeVar("B", bound=Body)
LARGEST_ID = 2**63 - 1
NO_CREDENTIALS = "Authentication Required"
NOT_FOUND_BY_IT = "No token could be found."
EXPIRED = "Credentials have expired."
_LOG_IN = "Log in, and send the token of that as X-AUTH-TOKEN."


class Visit(msgspec.Struct, frozen=True):
    """One request: who asks, in which version, for what. Without a credential it is whom a web server names, or by password."""

    services: Services
    request: Request
    version: Version
    caller: Caller
    credential: Credential | None

    @property
    def desk(self) -> Desk:
        return self.services.desk

    @property
    def wait(self) -> Wait:
        """How long a write waits, and whether its answer has a body. Raises InvalidField."""
        return parse_wait(self.request, self.services.settings.centreon_wait_s)

    def body(self, kind: type[B]) -> B:
        """The body of a write as values. Raises InvalidField."""
        return parse_body(self._raw, kind)

    def items(self, kind: type[B]) -> list[B]:
        """The same of one that is an array."""
        return parse_array(self._raw, kind)

    @property
    def _raw(self) -> bytes:
        return self.caller.request.body if self.caller.request else b""

    def id(self, name: str, unknown: type[CallerError], noun: str) -> int:
        """The id in a path's segment. Raises NoRoute unless it is digits, `unknown` when no id is that large."""
        text = self.request.path_params[name]
        if not (text.isascii() and text.isdigit()):
            raise NoRoute(self.request.method, self.request.url.path)
        if len(text) > 19 or int(text) > LARGEST_ID:
            raise unknown(f"{noun} not found")
        return int(text)


Handler = Callable[[Visit], Awaitable[Response]]
Again = Callable[[Visit, Recorded], Awaitable[Response]]  # the answer to a repeat with the same key
Served = tuple[Handler, Verb]  # what answers, and what role and token must allow
OpenHandler = Callable[[Services, Request, Version], Awaitable[Response]]


def address_of(request: Request) -> str:
    """Where the request comes from, for throttling and the record."""
    return request.client.host if request.client else ""


class Place:
    """An ASGI endpoint: the handlers of one path by method. `open_to_all` ones need no token, all others their verb."""

    def __init__(
        self,
        services: Services,
        handlers: Mapping[str, Served],
        again: Again,
        open_to_all: Mapping[str, OpenHandler] | None = None,
    ) -> None:
        self._services = services
        self._again = again
        self._handlers = handlers
        self._open = open_to_all or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except SignalboxError as error:
            answer = error_answer(error)
        except ClientDisconnect:
            return
        answer.headers["Api-Version"] = NEWEST
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        version = parse_version(request.path_params.get("version", ""))
        if version is None:
            raise NoRoute(request.method, request.url.path)
        method = "GET" if request.method == "HEAD" else request.method
        if method in self._open:
            return await self._open[method](self._services, request, version)
        credential = credential_of(request)
        try:
            caller = await self._caller(request, credential)
        except NotAuthenticated as error:
            if credential is None:
                return wrong_credentials()
            return _not_let_in(version.bad_token_status, EXPIRED if error.facts.get("expired") else NOT_FOUND_BY_IT)
        if caller is None:
            await self._services.doorkeeper.note_stranger(address_of(request))
            return _not_let_in(401, NO_CREDENTIALS)
        with in_zone(caller.zone):
            return await self._handled(Visit(self._services, request, version, caller, credential), method)

    async def _caller(self, request: Request, credential: Credential | None) -> Caller | None:
        """Who asks: by a token of the dialect's, else as in every other. Raises NotAuthenticated, TooManyLogins."""
        doorkeeper = self._services.doorkeeper
        if credential is None:
            return await presented_caller(doorkeeper, request, self._services.settings.remote_user_from)
        return await doorkeeper.caller_of(credential.secret, address_of(request))

    async def _handled(self, visit: Visit, method: str) -> Response:
        found = self._handlers.get(method)
        if found is None:
            return self._wrong_method(visit.request)
        handler, verb = found
        if verb is not Verb.READ:
            _check_meant(visit)
        if verb is Verb.READ:
            check_may(visit.caller, verb)
            return await handler(visit)
        before = without_body(visit.caller, visit.request, verb)
        asked = await kept(visit.desk, before, status_of, lambda: _as_asked(visit, verb))
        return await kept(visit.desk, asked.caller, status_of, lambda: self._written(asked, handler, verb))

    async def _written(self, visit: Visit, handler: Handler, verb: Verb) -> Response:
        """What the first request with the same key was answered, or the first answer."""
        check_may(visit.caller, verb)
        parse_wait(visit.request, 0.0)  # what is wrong with it is said before anything is done
        known = await visit.desk.recorded(visit.caller)
        if known is None:
            return await handler(visit)
        answer = await self._again(visit, known)
        answer.headers.update(REPLAYED)
        return answer

    def _wrong_method(self, request: Request) -> Response:
        allowed = ", ".join(sorted({*self._handlers, *self._open}))
        message = f"{NoRoute(request.method, request.url.path)}: Method Not Allowed (Allow: {allowed})"
        answer = refusal(405, message, [told_error(MethodNotAllowed.code, message)])
        answer.headers["Allow"] = allowed
        return answer


def _not_let_in(status: int, message: str) -> Response:
    """The original's very words; what to do stands beside them."""
    return refusal(status, message, [told_error(NotAuthenticated.code, f"{message.removesuffix('.')}. {_LOG_IN}")])


def _check_meant(visit: Visit) -> None:
    """Raise Forbidden for a change that a browser may have been made to ask for: nothing in it is out of other sites' reach."""
    if visit.credential is not None and visit.credential.is_cookie:
        check_same_origin(visit.request)
    elif not visit.caller.token:
        check_meant(visit.request.headers)


async def _as_asked(visit: Visit, verb: Verb) -> Visit:
    return replace(visit, caller=as_asked(visit.caller, visit.request, verb, await raw_body(visit.request, BULK_LIMIT_BYTES)))


class Nowhere:
    """What stands at every other path below the dialect's prefix."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = error_answer(NoRoute(request.method, request.url.path))
        await answer(scope, receive, send)
