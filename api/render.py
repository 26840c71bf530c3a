"""Values → what goes over the wire: JSON bytes, times as RFC 3339, answers as HTTP responses. Used by the dialects alike.

Times inside are epoch seconds; outside they are RFC 3339 in UTC, with milliseconds only where there are any. 0 = never = null.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime

import orjson
from msgspec import Struct
from msgspec.structs import asdict
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.errors import MEDIA_TYPE, Problem
from engine.errors import PollerError, SignalboxError

JSON = "application/json"
NDJSON = "application/x-ndjson"
SPOOL_LIMIT_BYTES = 1 << 30  # a million services with all members
_SENT_AT_ONCE_BYTES = 1 << 20
_HELD_BYTES = 1 << 21  # of a spool: what its client takes as fast as that never goes through the file
_LOOK_EVERY_BYTES = 1 << 23  # of a spool, before each of which it is looked whether there is room
_SPARED_BYTES = 1 << 30  # of a disk, or a tenth of a small one, that no spool takes: commands have to be stored there, too


def encode_json(content: object) -> bytes:
    """Structs, lists, dicts and plain values as UTF-8 JSON; text UTF-8 cannot hold is shown with replacement characters."""
    try:
        return orjson.dumps(content, default=asdict, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        return orjson.dumps(_encodable(content), option=orjson.OPT_NON_STR_KEYS)


_FIRST_S, LAST_S = -62_135_596_800, 253_402_300_799  # the years 1 to 9999


def rfc3339(seconds: float) -> str:
    """An instant in UTC, e.g. 2026-11-24T09:30:00Z. Cores take any number for a time: beyond the year 9999, its last second."""
    whole, milliseconds = divmod(round(min(LAST_S, max(_FIRST_S, seconds)) * 1000), 1000)
    text = datetime.fromtimestamp(whole, UTC).isoformat()[:19]  # a fifth of strftime's time
    return f"{text}.{milliseconds:03d}Z" if milliseconds else f"{text}Z"


def rfc3339_or_none(seconds: float | None) -> str | None:
    """The same, or None for never and not known."""
    return rfc3339(seconds) if seconds else None


def json_response(status: int, content: object, headers: Mapping[str, str] | None = None, media_type: str = JSON) -> Response:
    """An answer with a JSON body; what is true now may not be so in a second, so nothing may store it."""
    return encoded_response(status, encode_json(content), {"Cache-Control": "no-store", **(headers or {})}, media_type)


def encoded_response(status: int, body: bytes, headers: Mapping[str, str], media_type: str = JSON) -> Response:
    """An answer whose body is bytes already."""
    return _Encoded(status, body, headers, media_type)


class _Encoded(Response):
    """A body that is bytes already; a third of the time that Starlette's own takes for its head."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str], media_type: str) -> None:
        self.status_code, self.body, self.media_type, self.background = status, body, media_type, None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", media_type.encode("latin-1"))]
        for name, value in headers.items():
            self.raw_headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))


def problem_response(problem: Problem) -> Response:
    """A problem document."""
    return json_response(problem.status, problem.members, problem.headers, MEDIA_TYPE)


class Spool:
    """A file without a name that a reader's thread fills at full speed and a response empties at its client's.

    Made on the loop. The writing ends beyond SPOOL_LIMIT_BYTES, where the disk is nearly full, and after the client went away.
    As long as the client keeps up, pieces are handed over in memory: into the file go those that come while _HELD_BYTES wait, or
    others in the file; so what waits in memory is always the older.
    """

    def __init__(self) -> None:
        self.headers: Mapping[str, str] = {}
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed by whoever sends it
        self._size = 0  # of all that was given
        self._held: deque[bytes] = deque()
        self._held_bytes = self._taken_bytes = 0  # each counted by one thread only: the writer's, the loop's
        self._in_file = self._read = 0  # the same
        self._is_closed = False
        self._loop = asyncio.get_running_loop()
        self._grown = asyncio.Event()

    def fill(self, pieces: Iterable[bytes], headers: Mapping[str, str]) -> None:
        """Write it all; in a thread. Raises PollerError when this was begun before: what was sent cannot be taken back."""
        for _ in self.writing(pieces, headers):
            pass

    def writing(self, pieces: Iterable[bytes], headers: Mapping[str, str]) -> Iterator[bool]:
        """The same piece by piece: True after each."""
        if self.headers:
            raise PollerError("The view of the cores was replaced while it was read: ask again.")
        self.headers = headers
        for piece in pieces:
            if self._is_closed or self._size + len(piece) > SPOOL_LIMIT_BYTES:
                raise PollerError("The answer is too large, or nobody waits for it any more: ask for less at a time.")
            self._size += len(piece)
            if self._read == self._in_file and self._held_bytes - self._taken_bytes + len(piece) <= _HELD_BYTES:
                self._held_bytes += len(piece)
                self._held.append(piece)
            else:
                self._put(piece)
            self._poke()
            yield True

    def _put(self, piece: bytes) -> None:
        """At the file's end. Raises PollerError where there is no room."""
        looked = self._in_file // _LOOK_EVERY_BYTES
        try:
            is_whole = os.pwrite(self._file.fileno(), piece, self._in_file) == len(piece)
        except OSError as error:
            raise _no_room() from error
        if not is_whole:
            raise _no_room()
        self._in_file += len(piece)
        if self._in_file // _LOOK_EVERY_BYTES > looked and not _has_room(self._file.fileno()):
            raise _no_room()

    def _poke(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._grown.set)

    async def first(self) -> None:
        """Wait for the first byte."""
        await self._grown.wait()

    async def pieces(self, filling: asyncio.Future[Response | None]) -> AsyncIterator[bytes]:
        """Everything, as it comes, or as much as there was when it was abandoned. Raises what ended the filling too early."""
        filling.add_done_callback(lambda done: self._grown.set())
        while not self._is_closed:
            self._grown.clear()
            is_done, in_file = filling.done(), self._in_file  # seen before it is looked what is held: that is older than these
            if self._held:
                piece = self._held.popleft()
                self._taken_bytes += len(piece)
                yield piece
            elif self._read < in_file:
                most = min(_SENT_AT_ONCE_BYTES, in_file - self._read)
                piece = await asyncio.to_thread(os.pread, self._file.fileno(), most, self._read)
                self._read += len(piece)
                yield piece
            elif not is_done:
                await self._grown.wait()
            else:
                filling.result()
                return

    @property
    def file_bytes(self) -> int:
        """What went through the file so far."""
        return self._in_file

    def abandon(self) -> None:
        """End the writing at its next piece. On the loop."""
        self._is_closed = True
        self._grown.set()

    @property
    def is_abandoned(self) -> bool:
        """Nobody waits for it any more."""
        return self._is_closed

    def close(self) -> None:
        """The file is gone. Nobody may be writing."""
        self._file.close()


def _has_room(descriptor: int) -> bool:
    """On the disk of that file is room for more."""
    disk = os.fstatvfs(descriptor)
    return disk.f_bavail * disk.f_frsize > min(_SPARED_BYTES, disk.f_blocks * disk.f_frsize // 10)


def _no_room() -> PollerError:
    return PollerError("There is no room for so long an answer on its way: ask for less at a time, or later.")


class _Spooled(Response):
    """Sends a spool. An error after the first byte ends the connection: half an answer must not look like a whole one.

    Servers do not say that a client went away to who sends, only to who listens.
    """

    def __init__(self, spool: Spool, filling: asyncio.Future[Response | None], leaving: asyncio.Future[None] | None) -> None:
        super().__init__(None, 200)
        self._spool, self._filling, self._leaving = spool, filling, leaving
        del self.headers["content-length"]
        self.headers.update(spool.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = self._leaving or asyncio.ensure_future(_left(receive))
        leaving.add_done_callback(lambda done: self._spool.abandon())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                async for piece in self._spool.pieces(self._filling):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            if not self._spool.is_abandoned:
                await send({"type": "http.response.body", "body": b""})
        finally:
            await _finish(self._spool, self._filling, leaving)


async def spooled_response(spool: Spool, filling: Awaitable[Response | None], receive: Receive | None = None) -> Response:
    """The response, once its first byte is there; or the one that was answered instead. Raises what came before that byte.

    `receive`: of a request whose body was read; then ClientDisconnect is raised when the client goes away before that byte.
    """
    task = asyncio.ensure_future(filling)
    first = asyncio.ensure_future(spool.first())
    leaving = asyncio.ensure_future(_left(receive)) if receive is not None else None
    try:
        await asyncio.wait([one for one in (task, first, leaving) if one is not None], return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        await _finish(spool, task, leaving)
        raise
    finally:
        first.cancel()
    if task.done() and (task.exception() is not None or task.result() is not None):
        await _finish(spool, task, leaving)
        instead = task.result()
        assert instead is not None
        return instead
    if leaving is not None and leaving.done():
        await _finish(spool, task, leaving)
        raise ClientDisconnect
    return _Spooled(spool, task, leaving)


async def _left(receive: Receive) -> None:
    """Come back when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _finish(spool: Spool, filling: asyncio.Future[Response | None], leaving: asyncio.Future[None] | None) -> None:
    """Let go of all. The thread notices at its next piece, before the file's number can be another file's."""
    if leaving is not None:
        leaving.cancel()
    spool.abandon()
    with suppress(SignalboxError):
        await asyncio.shield(filling)
    spool.close()


def _encodable(value: object) -> object:
    """Facts of errors may hold what a client sent, lone surrogates included, and values orjson does not know."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {str(_encodable(str(key))): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_encodable(item) for item in value]
    if isinstance(value, Struct):
        return _encodable(asdict(value))
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and -(2**63) <= value < 2**64):
        return value
    return str(value)
