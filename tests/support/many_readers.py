"""Hundreds of readers of /v1/events in one thread: plain sockets, and no more done with each byte than must be."""

from __future__ import annotations

import re
import selectors
import socket
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.support.box import Box

_CHUNK = 1 << 18
_MARK = b'"output":"number '
_NUMBER = re.compile(rb'"output":"number (\d+)"')
_ID = re.compile(rb"^id: ([0-9a-f-]+)$", re.MULTILINE)


@dataclass
class SocketReader:
    """One reader. `numbers` counts the numbered events that came, `digest` is that of all their bytes.

    One that `checks` looks whether they came in order and once: `wrong` keeps what came instead. Whose digest is equal to such a
    one's needs no look of its own.
    """

    box: Box
    query: str
    expected: Sequence[bytes]
    checks: bool = False
    last_id: bytes = b""
    numbers: int = 0
    digest: int = 0
    wrong: list[bytes] = field(default_factory=list)
    rest: bytes = b""
    was_reset: bool = False
    is_open: bool = False
    sock: socket.socket | None = None

    def connect(self, receive_buffer: int = 0) -> None:
        """Ask, without waiting for the answer."""
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.connect(("127.0.0.1", self.box.port))
        resume = f"Last-Event-ID: {self.last_id.decode()}\r\n" if self.last_id else ""
        head = f"GET /v1/events?{self.query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.box.token}\r\n"
        self.sock.sendall(f"{head}{resume}\r\n".encode())
        self.sock.setblocking(False)
        self.rest, self.is_open = b"", True

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
        self.sock, self.is_open = None, False

    def read(self) -> None:
        """Take what is there. Only whole events count: of one that was cut off, the next connection brings all."""
        assert self.sock is not None
        try:
            data = self.sock.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.is_open = False
            return
        data = self.rest + data
        end = data.rfind(b"\n\n") + 2
        whole, self.rest = (data[:end], data[end:]) if end > 1 else (b"", data)
        # Between the pieces of a chunked answer stands their length.
        for piece in whole.split(b"\r\n"):
            if piece.startswith(b"id: "):
                self._take(piece)
        ids = _ID.findall(whole, max(0, len(whole) - 5000))
        self.last_id = ids[-1] if ids else self.last_id
        self.was_reset = self.was_reset or b"event: reset\n" in whole

    def _take(self, piece: bytes) -> None:
        self.digest = zlib.crc32(piece, self.digest)
        if not self.checks:
            self.numbers += piece.count(_MARK)
            return
        found = _NUMBER.findall(piece)
        if found != self.expected[self.numbers : self.numbers + len(found)]:
            self.wrong += found[:10]
        self.numbers += len(found)


def read_all(readers: Sequence[SocketReader], is_done: Callable[[], object], deadline_s: float) -> float:
    """Read from all of them until a condition holds; seconds it took. Readers may be closed and connected again meanwhile."""
    started = time.monotonic()
    with selectors.DefaultSelector() as selector:
        registered: dict[int, socket.socket] = {}
        while not is_done():
            if time.monotonic() - started > deadline_s:
                slow = [(reader.numbers, reader.is_open, reader.wrong[:3]) for reader in readers]
                raise AssertionError(f"not within {deadline_s} s; the slowest came to {sorted(slow)[:5]}")
            for reader in readers:
                known = registered.get(id(reader))
                if known is not reader.sock or not reader.is_open:
                    if known is not None:
                        selector.unregister(known)
                        del registered[id(reader)]
                    if reader.is_open and reader.sock is not None:
                        selector.register(reader.sock, selectors.EVENT_READ, reader)
                        registered[id(reader)] = reader.sock
            for key, _ in selector.select(0.1):
                key.data.read()
    return time.monotonic() - started
