"""One HTTP connection, as uvicorn serves it, with bounds on what is held of a request before anybody knows whose it is.

httptools takes heads of any length and for any time, and joins a long header's pieces anew with each that arrives: one stranger's
endless header stops the loop for everybody. Bodies are bounded where they are read, and in time here: some are strangers'.
An answer that its client does not take holds a descriptor, a file, a place among the readers of events: not for ever.

Nor may strangers take the last descriptors by connecting: what is being served opens files, too. Who comes when few are left is
told so and let go; those who are connected are served on.

Nor is a blank in a target guessed away: whoever reads a request before us may take its target to end there. Who sends `GET` with
one is told the target with the blank encoded, as RFC 9112 (section 3) has it, and comes back with that.

The head of an answer goes out with the first piece of its body, where that comes within the same turn of the loop: each write is a
call of the system for us, and a wake-up for the client.
"""

from __future__ import annotations

import asyncio
import re
import resource
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT_BYTES = 1 << 16
HEAD_TIMEOUT_S = 30.0
BODY_TIMEOUT_S = 300.0  # 32 MiB of results at a megabit a second
STALLED_S = 120.0  # within which a client must have taken what was written: 64 KiB, or a piece of up to 1 MiB
STUCK_S = 2.0  # how long an endless answer that its client does not take may keep the server from stopping
PEER = "signalbox.peer"  # in the scope: the address of whoever made the connection, a proxy's too
ENDLESS = "signalbox.endless"  # set in the scope of a request whose answer has no end
SPARED_DESCRIPTORS = 64  # more than threads of a worker open at once; at most a quarter of what the process may have
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_WITH_BLANK = re.compile(rb"(?:GET|HEAD) (/(?!/)[^\x00-\x1f\x7f]* [^\x00-\x1f\x7f]*) HTTP/1\.[01]\r?\n")
_NOT_OF_A_TARGET = re.compile(rb"[^!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]")
_JOINED_BYTES = 1 << 16  # longer pieces are not copied to stand behind a head

_TOO_LARGE = b"The head of the request is too large."
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_TOO_LARGE), _TOO_LARGE)
)
_SAY_SO = b"A blank in the target of a request is written %20: see Location."
_ELSEWHERE = (
    b"HTTP/1.1 301 Moved Permanently\r\ncontent-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\nlocation: %b\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b"
)
_FULL = b"Too many connections: come back later."
_TURNED_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 1\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_FULL), _FULL)
)


class HeadHeld:
    """A transport that keeps the head of an answer until the next write, or until the turn of the loop ends."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head = b""
        self.is_closing, self.abort = transport.is_closing, transport.abort

    def write(self, data: bytes) -> None:
        """Send, soon."""
        head = self._head
        if head:
            self._head = b""
            if len(data) <= _JOINED_BYTES:
                data = head + data
            else:
                self._transport.write(head)
        elif data.startswith(b"HTTP/"):
            self._head = data
            self._loop.call_soon(self._send_head)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Close once everything is sent."""
        self._send_head()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send_head(self) -> None:
        head, self._head = self._head, b""
        if head:
            self._transport.write(head)


class BoundedConnection(HttpToolsProtocol):
    """Ends when more than HEAD_LIMIT_BYTES arrived that are no body, or when a head is not whole after HEAD_TIMEOUT_S, a body after
    BODY_TIMEOUT_S; or when its client takes nothing for STALLED_S."""

    _is_in_line = True  # the next bytes to arrive are of the line with a request's target
    _has_ended = False  # a request ended within the piece that is being read
    _without_body = 0  # bytes since the last piece of a body or the end of a head; trailers and chunk sizes count, too
    _is_in_head = False
    _head_timer: asyncio.TimerHandle | None = None
    _is_in_body = False
    _body_timer: asyncio.TimerHandle | None = None
    _stalled_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(HeadHeld(transport, self.loop))  # type: ignore[arg-type]
        if _is_among_last(transport):
            transport.write(_TURNED_AWAY)
            self.transport.close()
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._body_came()
        self._taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._without_body > HEAD_LIMIT_BYTES:
            self.transport.write(_REFUSAL)
            self.transport.close()
            return
        self._without_body += len(data)
        if self._is_in_line:
            if elsewhere := self._elsewhere(data):
                self.transport.write(elsewhere)
                self.transport.close()
                return
            data = self._quoted_line(data)
        self._has_ended = False
        super().data_received(data)
        if self._is_in_head and self._head_timer is None:
            self._await_head()
        if self._is_in_body and self._body_timer is None:
            self._body_timer = self.loop.call_later(BODY_TIMEOUT_S, self.transport.close)

    def pause_writing(self) -> None:
        """The client takes less than is written."""
        super().pause_writing()
        self._taken()
        self._stalled_timer = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken that."""
        self._taken()
        super().resume_writing()

    def _quoted_line(self, data: bytes) -> bytes:
        """The beginning of a request, its target percent-encoded: clients send names as they are, and web servers take it.

        Nothing but a target may be changed, or lengths no longer fit: of a request that came in one piece with the one before,
        nothing is, and the parser refuses such a target.
        """
        end = data.find(b"\n")
        self._is_in_line = end < 0
        line = data if end < 0 else data[:end]
        return data if line.isascii() else _BEYOND_ASCII.sub(lambda found: b"%%%02X" % found[0][0], line) + data[len(line) :]

    def _elsewhere(self, data: bytes) -> bytes:
        """The answer to a request that begins here and has a blank in its target; b"" for any other."""
        is_next = not self._is_in_head and (self.cycle is None or self.cycle.response_complete)
        found = _WITH_BLANK.match(data) if is_next and data.count(b" ", 0, data.find(b"\n")) > 2 else None
        if found is None:
            return b""
        target = _NOT_OF_A_TARGET.sub(lambda byte: b"%%%02X" % byte[0][0], found[1])
        return _ELSEWHERE % (target, len(_SAY_SO), b"" if data.startswith(b"HEAD") else _SAY_SO)

    def shutdown(self) -> None:
        """The server stops."""
        super().shutdown()
        if self.cycle is not None and self.cycle.scope.get(ENDLESS):
            self.loop.call_later(STUCK_S, self._drop_if_stuck)

    def _drop_if_stuck(self) -> None:
        if self.flow.write_paused and not self.transport.is_closing():
            self.transport.abort()

    # --- the parser's callbacks -------------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[PEER] = self.client[0] if self.client else ""  # type: ignore[literal-required]
        if self._has_ended:  # it came in one piece with the end of another: what follows may be anything of it
            self._is_in_line = False
        self._is_in_head = True  # its time runs from the end of what arrived with it: most heads are whole by then

    def on_headers_complete(self) -> None:
        self._head_came()
        self._is_in_body = True  # until on_message_complete; most are whole at once
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._without_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._without_body = 0
        self._is_in_line = self._has_ended = True
        self._body_came()
        super().on_message_complete()

    # --- time ---------------------------------------------------------------------------------------------------------------
    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _head_came(self) -> None:
        self._without_body = 0
        self._is_in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _body_came(self) -> None:
        self._is_in_body = False
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _taken(self) -> None:
        if self._stalled_timer is not None:
            self._stalled_timer.cancel()
            self._stalled_timer = None


def _is_among_last(transport: asyncio.Transport) -> bool:
    """A new descriptor is the lowest that is free: few are left when it is a high one."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return False
    number: int = transport.get_extra_info("socket").fileno()
    return number >= most - min(SPARED_DESCRIPTORS, most // 4)
