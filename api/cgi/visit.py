"""One request to a CGI: its parameters as the originals read them, who asks, and how refusals are told.

Handlers are plain functions from a `Visit` to an answer; they contain no `try`. Who asks is, in this order: whom a web server we
trust names in X-Remote-User, who brings a name and password or a bearer token, whom the CGI configuration names for nobody.
Unlike the originals' web server, nothing here is shown to somebody without a name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from api.auth.doorkeeper import REALM, check_may
from api.auth.presented import address_of, is_trusted, presented_caller
from api.cgi.pages import LongPages, error_page
from api.connection import PEER
from api.errors import problem_of
from api.services import Services
from engine.desk import Caller, Desk
from engine.errors import JournalError, NotAuthenticated, SignalboxError, TooManyLogins
from engine.formats.cgicfg import CgiConfig
from engine.formats.text import text_of
from engine.journal.accounts import Verb
from engine.state.rights import ContactRights

LONGEST_BODY = 1 << 20  # bytes: forms are short
METHODS = frozenset({"GET", "HEAD", "POST"})
_ALWAYS_TRUE = (TooManyLogins, JournalError)
_CHALLENGE = {"WWW-Authenticate": f'Basic realm="{REALM}", charset="UTF-8"'}


class Visit(msgspec.Struct, frozen=True):
    """One request: who asks (`on_request`: by what came with the request itself, as programs do), and for what.

    `parameters` are the pairs in order, as the originals read them; `config` is the CGIs' own configuration.
    """

    services: Services
    request: Request
    caller: Caller
    on_request: bool
    parameters: Sequence[tuple[str, str]]
    body: bytes
    config: CgiConfig
    long_pages: LongPages

    @property
    def desk(self) -> Desk:
        return self.services.desk

    @property
    def rights(self) -> ContactRights | None:
        """What the caller may do as a contact; None where no CGI configuration is given, so that role and scope alone count."""
        return self.caller.rights

    def has(self, name: str) -> bool:
        """A checkbox counts by its presence, whatever its value."""
        return any(key == name for key, _ in self.parameters)

    def value(self, name: str, absent: str = "") -> str:
        """The last value of that name, as in the originals."""
        return next((value for key, value in reversed(self.parameters) if key == name), absent)

    def values(self, name: str) -> list[str]:
        """Every value of that name."""
        return [value for key, value in self.parameters if key == name]

    def number(self, name: str) -> int:
        """The value as atoi reads it: 0 where there is none."""
        return atoi(self.value(name))


Handler = Callable[[Visit], Awaitable[Response]]


class Page:
    """An ASGI endpoint: one CGI, by GET and POST."""

    def __init__(self, services: Services, handler: Handler, long_pages: LongPages) -> None:
        self._services = services
        self._handler = handler
        self._long_pages = long_pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except NotAuthenticated as error:
            answer = error_page(str(error), (), status=401)
            answer.headers.update(_CHALLENGE)
        except SignalboxError as error:
            answer = self._told(error)
        except ClientDisconnect:
            return
        answer.headers.setdefault("Cache-Control", "no-store")
        await answer(scope, receive, send)

    def _told(self, error: SignalboxError) -> Response:
        """In the originals' form. What no original ever had to say has its true status whatever is set."""
        problem = problem_of(error)
        is_true = self._services.settings.cgi_status_codes or isinstance(error, _ALWAYS_TRUE)
        answer = error_page(str(error), (), status=problem.status if is_true else 200)
        answer.headers.update(problem.headers if is_true else {})
        return answer

    async def _answer(self, request: Request) -> Response:
        if request.method not in METHODS:
            return PlainTextResponse("GET and POST are possible here.", 405, {"Allow": "GET, HEAD, POST"})
        caller, on_request = await self._caller(request)
        check_may(caller, Verb.READ)
        body = await _body(request)
        if body is None:
            return PlainTextResponse("The form is too long.", 413)
        query = request.scope["query_string"]
        policy = self._services.doorkeeper.policy
        config = policy.config if policy is not None else CgiConfig()
        visit = Visit(self._services, request, caller, on_request, parse_parameters(body or query), body, config, self._long_pages)
        return await self._handler(visit)

    async def _caller(self, request: Request) -> tuple[Caller, bool]:
        """Who asks, and whether the request itself says so. Raises NotAuthenticated."""
        doorkeeper, address = self._services.doorkeeper, address_of(request)
        brought = "Authorization" in request.headers
        trusted = self._services.settings.remote_user_from
        caller = await presented_caller(doorkeeper, request, trusted)
        if caller is not None:
            return caller, brought
        policy = doorkeeper.policy
        default = policy.config.default_user_name if policy is not None else ""
        # A web server that logs users in and names nobody, was kept from it: that is not nobody's visit.
        if default and not brought and not is_trusted(request.scope.get(PEER, ""), trusted):
            return await doorkeeper.vouched(default, address, is_default=True), False
        await doorkeeper.note_stranger(address)
        raise NotAuthenticated("Log in with a name and a password.")


def parse_parameters(raw: bytes) -> list[tuple[str, str]]:
    """Pairs of a query or a form, in order; one without `=` has the value "".

    Source: Nagios 4.4.6 cgi/getcgi.c (getcgivars): `+` is a blank, pairs end at `&` alone.
    """
    pairs = (pair.partition(b"=") for pair in raw.split(b"&") if pair)
    return [(_decoded(name), _decoded(value)) for name, _, value in pairs]


def _decoded(raw: bytes) -> str:
    return text_of(unquote_to_bytes(raw.replace(b"+", b" ")))


def atoi(text: str) -> int:
    """A whole number as C reads it: what stands at the beginning, else 0."""
    stripped = text.lstrip()
    sign, digits = (stripped[0], stripped[1:]) if stripped[:1] in ("+", "-") else ("", stripped)
    length = next((at for at, char in enumerate(digits) if not (char.isascii() and char.isdigit())), len(digits))
    return int(sign + digits[: min(length, 18)]) if length else 0


async def _body(request: Request) -> bytes | None:
    """The body of a POST, None when it is too long."""
    if request.method != "POST":
        return b""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > LONGEST_BODY:
            return None
        pieces.append(piece)
    return b"".join(pieces)
