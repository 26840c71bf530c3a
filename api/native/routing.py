"""The edge of the native API: a raw path is matched, the caller authenticated, query and body decoded, the answer sent.

Paths are split while they are still percent-encoded, and each segment is decoded once: `Disk /var` is `Disk%20%2Fvar`, a service
called `..` is `..` or `%2E%2E`. Nothing is normalised, collapsed or redirected.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import structs
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from api.auth.doorkeeper import Doorkeeper, check_may, may
from api.auth.presented import address_of, check_meant, presented_caller
from api.errors import MEDIA_TYPE, BodyTooLarge, MalformedRequest, MethodNotAllowed, problem_of
from api.headers import by_name
from api.kept import KeptAnswers
from api.ledger import REPLAYED, as_asked, note_refusal, without_body
from api.native.operation import Answer, Call, Operation, Stream, Verb
from api.native.outcome import again
from api.native.requests import BODY_LIMIT_BYTES, LARGE_BODY_BYTES, decode_body, decode_query, decode_text
from api.native.streaming import EventStream
from api.render import json_response, problem_response
from api.waiting import preferred_wait
from engine.clock import Clock, SystemClock
from engine.config import Settings
from engine.desk import Caller, Desk
from engine.errors import NotAuthenticated, SignalboxError

Kept = KeptAnswers[Answer | Stream]
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE | re.ASCII)
_SEGMENTS = "signalbox.segments"  # of the scope: every route asks for them


def native_routes(
    operations: Sequence[Operation], desk: Desk, doorkeeper: Doorkeeper, settings: Settings, clock: Clock | None = None
) -> list[BaseRoute]:
    """One route per path, in the order the paths first appear."""
    paths: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = operation
    clock = clock or SystemClock()
    kept: Kept = KeptAnswers(desk.state_version, clock)
    return [NativeRoute(path, methods, desk, doorkeeper, settings, clock, kept) for path, methods in paths.items()]


class RouteTable:
    """The native routes by the number of a path's segments and its second one: few are left to be compared with a path."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._near: dict[tuple[int, bytes], list[NativeRoute]] = {}
        for route in routes:
            if isinstance(route, NativeRoute):
                self._near.setdefault(route.place, []).append(route)

    def match(self, scope: Scope) -> NativeRoute | None:
        """The route of an HTTP request, the scope being told what its path names; None when no native one has that path."""
        segments = raw_segments(scope)
        for route in self._near.get((len(segments), segments[1] if len(segments) > 1 else b""), ()):
            encoded = route.names_in(segments)
            if encoded is not None:
                scope["encoded_names"], scope["template"] = encoded, route.path
                return route
        return None


def raw_segments(scope: Scope) -> list[bytes]:
    """The segments of the path as they came, still encoded, without the prefix a server put in front."""
    known: list[bytes] | None = scope.get(_SEGMENTS)
    if known is None:
        raw = bytes(scope.get("raw_path") or scope["path"].encode()).split(b"?", 1)[0]
        known = scope[_SEGMENTS] = raw.removeprefix(scope.get("root_path", "").encode()).split(b"/")[1:]
    return known


class NativeRoute(BaseRoute):
    """One path and the operations behind its methods."""

    def __init__(
        self,
        path: str,
        methods: Mapping[str, Operation],
        desk: Desk,
        doorkeeper: Doorkeeper,
        settings: Settings,
        clock: Clock,
        kept: Kept,
    ) -> None:
        self.path = path
        self.methods = dict(methods)
        self._template = [(part.encode(), part[1:-1] if part.startswith("{") else "") for part in path.split("/")[1:]]
        self._desk, self._doorkeeper, self._settings, self._clock = desk, doorkeeper, settings, clock
        self._kept = kept

    @property
    def place(self) -> tuple[int, bytes]:
        """Where the table looks for it: no path of ours has a variable in its first two segments."""
        return len(self._template), self._template[1][0] if len(self._template) > 1 else b""

    @property
    def allow(self) -> list[str]:
        """Methods that have an answer here."""
        return sorted({*self.methods, "OPTIONS", *(["HEAD"] if "GET" in self.methods else [])})

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """A match needs the same number of segments; a variable one takes any that is not empty."""
        if scope["type"] != "http":
            return Match.NONE, {}
        encoded = self.names_in(raw_segments(scope))
        return (Match.NONE, {}) if encoded is None else (Match.FULL, {"encoded_names": encoded, "template": self.path})

    def names_in(self, segments: Sequence[bytes]) -> dict[str, bytes] | None:
        """What stands in a path for each variable, still encoded; None for another path."""
        if len(segments) != len(self._template):
            return None
        encoded: dict[str, bytes] = {}
        for (expected, name), segment in zip(self._template, segments, strict=True):
            if name and segment:
                encoded[name] = segment
            elif expected != segment:
                return None
        return encoded

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a client that went away needs no answer."""
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except SignalboxError as error:
            response = problem_response(problem_of(error))
        except ClientDisconnect:
            return
        if scope["method"] == "HEAD":
            if isinstance(response, StreamingResponse):
                response = Response(status_code=response.status_code, headers=dict(response.headers))
            response.body = b""  # its Content-Length stays that of the GET
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        method = request.scope["method"]
        if method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(self.allow)})
        operation = self.methods.get("GET" if method == "HEAD" else method)
        if operation is None:
            raise MethodNotAllowed(f"{method} is not possible here: {', '.join(self.allow)} are.", allow=self.allow)
        caller = await self._caller(request)
        if operation.verb is Verb.READ:
            check_may(caller, operation.verb)
            answer = await self._read(operation, request, caller, await _read_body(request, BODY_LIMIT_BYTES))
            if isinstance(answer, Stream):
                return EventStream(answer)
        else:
            asked = None
            try:
                asked = await self._asked(operation, request, caller)
                answer = await self._write(operation, request, asked)
            except SignalboxError as error:
                # Refused at once: nothing of the body is known then.
                told = asked or without_body(caller, request, operation.verb)
                await note_refusal(self._desk, told, problem_of(error).status, error)
                raise
        if answer.response is not None:
            return answer.response
        if answer.lines is not None:
            return StreamingResponse(answer.lines, answer.status, {"Cache-Control": "no-store", **answer.headers})
        media_type = {"media_type": MEDIA_TYPE} if answer.problem else {}
        return json_response(answer.status, answer.content, answer.headers, **media_type)

    async def _caller(self, request: Request) -> Caller:
        token = _BEARER.fullmatch(_first(request.scope, b"authorization"))
        address = address_of(request)
        if token is not None:
            return await self._doorkeeper.caller_of(token[1], address)
        caller = await presented_caller(self._doorkeeper, request, self._settings.remote_user_from)
        if caller is None:
            await self._doorkeeper.note_stranger(address)
            raise NotAuthenticated("Send `Authorization: Bearer TOKEN`; `signalbox token create` makes one.")
        return caller

    async def _asked(self, operation: Operation, request: Request, caller: Caller) -> Caller:
        if not caller.token:
            check_meant(request.headers)
        # Of who may not do it no more is read than goes into the audit.
        is_long = operation.body_limit and may(caller, operation.verb)
        limit = int(getattr(self._settings, operation.body_limit)) if is_long else BODY_LIMIT_BYTES
        return as_asked(caller, request, operation.verb, await _read_body(request, limit))

    async def _write(self, operation: Operation, request: Request, caller: Caller) -> Answer:
        """What the first request with the same key was answered, or the first answer."""
        check_may(caller, operation.verb)
        known = await self._desk.recorded(caller)
        if known is None:
            answer = await self._act(operation, request, caller, caller.request.body if caller.request else b"")
            assert isinstance(answer, Answer), "only what is read can be a stream"
            return answer
        call, query = self._call(operation, request, caller)
        answer = await (operation.again or again)(call, query, known)
        return structs.replace(answer, headers={**answer.headers, **REPLAYED})

    async def _read(self, operation: Operation, request: Request, caller: Caller, raw: bytes) -> Answer | Stream:
        """What was kept of the same question, asked by somebody with the same scope, or what is read now."""
        scope = request.scope
        if not operation.kept or raw or caller.scope.rights is not None:  # rights come from files that change by themselves
            return await self._act(operation, request, caller, raw)
        names, form = tuple(scope["encoded_names"].values()), _first(scope, b"accept") if operation.lines else ""
        question = operation.path, names, scope["query_string"], form, caller.scope
        answer = await self._kept.answer(question, lambda: self._act(operation, request, caller, raw, is_kept=True), _size)
        if not isinstance(answer, Answer) or answer.form is None:
            return answer
        response = answer.form.response(self._clock.now(), self._settings, _first(scope, b"if-none-match"))
        if response is None:
            self._kept.forget()
            return await self._act(operation, request, caller, raw)
        return Answer(None, response=response)

    def _call(self, operation: Operation, request: Request, caller: Caller, *, is_kept: bool = False) -> tuple[Call, Any]:
        encoded = request.scope["encoded_names"]
        names = {name: decode_text(raw, f"the path's {name}") for name, raw in encoded.items()} if encoded else {}
        query = decode_query(request.scope["query_string"], operation.query)
        call = Call(
            self._desk,
            caller,
            self._settings,
            self._clock,
            names,
            preferred_wait(request),
            request.headers,
            is_kept and getattr(query, "max_age", None) is None,  # how old it may be is asked each time
        )
        return call, query

    async def _act(
        self, operation: Operation, request: Request, caller: Caller, raw: bytes, *, is_kept: bool = False
    ) -> Answer | Stream:
        call, query = self._call(operation, request, caller, is_kept=is_kept)
        if operation.body is None:
            if raw.strip() not in (b"", b"{}"):
                raise MalformedRequest(f"{request.method} takes no body here: what it holds would be dropped; leave it out.")
            return await operation.act(call, query)
        if len(raw) < LARGE_BODY_BYTES:
            return await operation.act(call, query, decode_body(raw, operation.body))
        body = await asyncio.to_thread(decode_body, raw, operation.body)
        return await operation.act(call, query, body)


def _size(answer: Answer | Stream) -> int | None:
    """What keeping it takes."""
    return answer.form.size if isinstance(answer, Answer) and answer.form is not None else None


def _first(scope: Scope, wanted: bytes) -> str:
    """The first header of that name, "" without one."""
    return by_name(scope).get(wanted, b"").decode("latin-1")


async def _read_body(request: Request, limit: int) -> bytes:
    """The body, as long as it is not too large; the rest of one that is too large is never read."""
    chunks: list[bytes] = []
    size = 0
    announced = _first(request.scope, b"content-length")
    if announced.isdigit() and int(announced[:20]) > limit:
        raise _too_large(limit)
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit} bytes: send it in parts.", limit=limit)
