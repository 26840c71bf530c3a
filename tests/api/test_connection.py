"""What a stranger may send before a request is whole: little, and not for ever. Over real sockets, as the worker serves."""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import uvicorn

from api import connection
from api.connection import HEAD_LIMIT_BYTES, BoundedConnection, HeadHeld
from api.server import IDLE_S, build_server
from engine.config import Config, Settings
from tests.support.cores import PATIENCE_S, until

MEGABYTE = b"a" * (1 << 20)
HEAD_TIMEOUT_S = STALLED_S = 0.5


async def _application(scope: dict[str, object], receive: object, send: object) -> None:
    """Answers with the number of bytes of the body and the query as it was taken; to /endless until the client is gone."""
    assert callable(receive) and callable(send)
    query = scope["query_string"]
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"size", str(size).encode()), (b"query", query)]})
    if scope["path"] == "/endless":
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            await send({"type": "http.response.body", "body": MEGABYTE, "more_body": True})
            await asyncio.sleep(0)
        assert gone.result()["type"] == "http.disconnect"
        GONE.set()
    await send({"type": "http.response.body", "body": b""})


GONE = threading.Event()  # a client was let go that took nothing


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server whose connections are bounded; heads must be whole within half a second."""
    monkeypatch.setattr(connection, "HEAD_TIMEOUT_S", HEAD_TIMEOUT_S)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        _application, loop="uvloop", http=BoundedConnection, lifespan="off", log_config=None, timeout_keep_alive=IDLE_S
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    until(lambda: server.started, "the server is up")
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture
def patient_port(port: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """The same for heads that come in pieces: a busy machine may take longer than half a second between two of them."""
    monkeypatch.setattr(connection, "HEAD_TIMEOUT_S", PATIENCE_S)
    return port


def exchange(port: int, parts: Iterable[bytes]) -> tuple[int, bytes]:
    """(parts that were taken, what came back before the server ended the connection)."""
    taken, answer = 0, b""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) as client:
        try:
            for part in parts:
                client.sendall(part)
                taken += 1
            while piece := client.recv(65536):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
    return taken, answer


@pytest.mark.parametrize(
    "start",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
        b"GET / HTTP/1.1\r\nHost: x\r\nX",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
    ],
    ids=["path", "value", "name", "trailer", "chunk extension"],
)
def test_an_endless_head_is_cut_off(port: int, start: bytes) -> None:
    taken, _ = exchange(port, [start, *[MEGABYTE] * 64])
    assert taken < 32, f"{taken} MB of a head were taken"


def test_many_small_headers_are_cut_off_and_told_why(port: int) -> None:
    lines = (b"X-%d: y\r\n" % number for number in range(20_000))
    _, answer = exchange(port, [b"GET / HTTP/1.1\r\nHost: x\r\n", *lines])
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")  # a reset may overtake the answer


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half a head"])
def test_whoever_says_nothing_is_not_waited_for(port: int, start: bytes) -> None:
    assert exchange(port, [start]) == (1, b"")  # would time out


@pytest.mark.parametrize(
    "start", [b"Content-Length: 9\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n9\r\n"], ids=["long", "in chunks"]
)
def test_a_body_that_does_not_come_is_not_waited_for(port: int, start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers are let in by what stands in bodies, too: one who never ends his must not keep a connection for ever."""
    monkeypatch.setattr(connection, "BODY_TIMEOUT_S", 0.2)
    assert exchange(port, [b"POST / HTTP/1.1\r\nHost: x\r\n" + start + b"half"]) == (1, b"")  # would time out


def test_who_takes_nothing_of_an_answer_is_let_go(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for him is a file, and a place among those who are served."""
    monkeypatch.setattr(connection, "STALLED_S", STALLED_S)
    GONE.clear()
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert GONE.wait(PATIENCE_S)
        last = b""
        with suppress(ConnectionResetError):
            while piece := client.recv(1 << 20):
                last = piece
        assert not last.endswith(b"0\r\n\r\n"), "half an answer must not look like a whole one"


def test_a_second_head_is_not_waited_for_either(port: int) -> None:
    whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    _, answer = exchange(port, [whole + whole[:9]])
    assert answer.count(b"HTTP/1.1 200 ") == 1


def test_who_comes_when_few_descriptors_are_left_is_turned_away_and_those_who_are_there_are_served(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is served opens files: strangers who only connect must not keep it from that, nor for longer than they stay."""
    head, limit = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) as client:
        client.sendall(head)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        with monkeypatch.context() as patched:
            few = (4, limit[1])  # a quarter is spared: none is left but the first three
            patched.setattr(resource, "getrlimit", lambda which: few)
            _, answer = exchange(port, [])
            assert answer.startswith(b"HTTP/1.1 503 ") and answer.endswith(b"come back later.")
            client.sendall(head)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) as later:
            later.sendall(head)
            assert later.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_target_may_hold_names_as_they_are(patient_port: int) -> None:
    """In UTF-8, split anywhere between two pieces, in the second request of a connection, too."""
    line = 'GET /?search={"host.name":"Größe"} HTTP/1.1\r\n'.encode()
    cut = line.index(b"\xc3") + 1
    with closing(socket.create_connection(("127.0.0.1", patient_port), timeout=PATIENCE_S)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pieces in ((line,), (line[:cut], line[cut:])):
            for piece in (*pieces, b"Host: x\r\n\r\n"):
                client.sendall(piece)
            assert b'query: search={"host.name":"Gr%C3%B6%C3%9Fe"}\r\n' in client.recv(65536)


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ('/c?search={"host.name": {"$eq": "a b"}}&limit=1',
         "/c?search=%7B%22host.name%22:%20%7B%22$eq%22:%20%22a%20b%22%7D%7D&limit=1"),
        ("/c?a=%20 ß#1", "/c?a=%20%20%C3%9F%231"),
        ("/ HTTP/1.1", "/%20HTTP/1.1"),
    ],
)  # fmt: skip
def test_who_sends_a_blank_in_a_target_is_told_how_it_is_written(port: int, target: str, location: str) -> None:
    """As PHP does with a search that is not encoded. Nothing is guessed: what follows on that connection is not read."""
    hidden = b"GET /?hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    _, answer = exchange(port, [f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + hidden])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 301 ")
    assert f"\r\nlocation: {location}\r\n".encode() in head
    assert b"%20" in body
    assert b"HTTP/1.1 200" not in answer
    _, answer = exchange(port, [f"GET {location} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()])
    assert answer.startswith(b"HTTP/1.1 200 ")
    _, answer = exchange(port, [f"HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()])
    assert answer.startswith(b"HTTP/1.1 301 ")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /c?a= b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //evil.example/ b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://evil.example/ b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a\x0bb c HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a b HTTP/1.1 HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /a b\r\nHost: x\r\n\r\n",
        b"GET /?ok HTTP/1.1\r\nHost: x\r\n\r\nGET /a b HTTP/1.1\r\nHost: x\r\n\r\n",  # behind one that is not answered yet
    ],
)
def test_no_other_blank_is_led_anywhere(port: int, request_: bytes) -> None:
    """A change is not asked for twice, and nobody is sent to another site."""
    _, answer = exchange(port, [request_])
    assert b"HTTP/1.1 301" not in answer
    assert b"HTTP/1.1 400" in answer
    assert b"location" not in answer.lower()


@pytest.mark.parametrize("hidden", [b"", b"\n" + b"GET /?hidden HTTP/1.1\r\nHost: x\r\n\r\n" * 4])
def test_a_body_stays_as_it_is_where_its_head_came_with_another_request(patient_port: int, hidden: bytes) -> None:
    """A longer body than was told would be a request of its own; its head may end in the piece that ends the one before."""
    body = "é".encode() * 40 + hidden
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    last = b"GET /?last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for cut in (len(head), head.index(b"x\r\n"), head.index(b"HTTP/1.1")):
        with closing(socket.create_connection(("127.0.0.1", patient_port), timeout=PATIENCE_S)) as client:
            client.sendall(b"GET /?first HTTP/1.1\r\nHost: x\r\n\r\n" + head[:cut])
            answer = client.recv(65536)  # so the rest comes in a piece of its own
            client.sendall(head[cut:] + body + last)
            while piece := client.recv(65536):
                answer += piece
        assert answer.count(b"HTTP/1.1 ") == answer.count(b"HTTP/1.1 200 ") == 3, answer
        assert b"hidden" not in answer and b"query: last" in answer and b"\r\nsize: %d\r\n" % len(body) in answer.lower()


def test_bodies_are_neither_head_nor_in_a_hurry(port: int) -> None:
    """Larger than a head may be, slower than a head may come, and in the smallest of chunks."""

    def parts() -> Iterator[bytes]:
        yield b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        for _ in range(20_000):
            yield b"1\r\na\r\n"
        threading.Event().wait(2 * HEAD_TIMEOUT_S)
        yield b"100000\r\n" + MEGABYTE + b"\r\n0\r\n\r\n"

    _, answer = exchange(port, parts())
    assert b"\r\nsize: %d\r\n" % (20_000 + len(MEGABYTE)) in answer.lower()


def test_many_requests_over_one_connection_are_not_one_head(patient_port: int) -> None:
    line = b"X: " + b"y" * (HEAD_LIMIT_BYTES // 4) + b"\r\n"
    each = b"GET / HTTP/1.1\r\nHost: x\r\n" + line
    requests = [each + b"\r\n"] * 20 + [each + b"Connection: close\r\n\r\n"]
    _, answer = exchange(patient_port, requests)
    assert answer.count(b"HTTP/1.1 200 ") == 21


def test_a_connection_between_two_requests_is_in_no_hurry(port: int) -> None:
    """Clients keep theirs for longer than a head may take, and must not meet its end with their next request."""
    head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) as client:
        for pause_s in (2 * HEAD_TIMEOUT_S, 0):
            client.sendall(head)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
            threading.Event().wait(pause_s)


def test_workers_serve_so(tmp_path: Path) -> None:
    config = build_server(Config(pollers=(), settings=Settings(), data=tmp_path)).config
    assert config.http is BoundedConnection
    assert config.timeout_keep_alive > 60, "as long as some clients and proxies keep a connection between two requests"


def test_a_worker_that_cannot_accept_anything_any_more_ends(tmp_path: Path) -> None:
    """The supervisor starts another one."""
    server = build_server(Config(pollers=(), settings=Settings(), data=tmp_path))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    until(lambda: server.started, "the server is up")
    assert not server.should_exit and not server._desk.is_beyond_writing
    server._desk._parts.writer._end("a fault", ())
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


class Written(asyncio.Transport):
    """Notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.said.append(bytes(data))

    def close(self) -> None:
        self.said.append(b"closed")


HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"body", [HEAD + b"body"]), (MEGABYTE, [HEAD, MEGABYTE]), (HEAD, [HEAD + HEAD])],
    ids=["small", "too large to be copied", "looks like a head"],
)
def test_a_head_goes_out_with_its_body(body: bytes, said: list[bytes]) -> None:
    async def answer() -> list[bytes]:
        written = Written()
        held = HeadHeld(written, asyncio.get_running_loop())
        held.write(HEAD)
        held.write(body)
        await asyncio.sleep(0)
        return written.said

    assert asyncio.run(answer()) == said


def test_a_head_whose_body_takes_longer_does_not_wait_for_it() -> None:
    async def answer() -> list[list[bytes]]:
        written = Written()
        held = HeadHeld(written, asyncio.get_running_loop())
        held.write(HEAD)
        await asyncio.sleep(0)
        before = list(written.said)
        held.write(b"body")
        return [before, written.said]

    assert asyncio.run(answer()) == [[HEAD], [HEAD, b"body"]]


def test_a_head_is_sent_before_its_connection_is_closed() -> None:
    async def answer() -> list[bytes]:
        written = Written()
        held = HeadHeld(written, asyncio.get_running_loop())
        held.write(HEAD)
        held.close()
        await asyncio.sleep(0)
        return written.said

    assert asyncio.run(answer()) == [HEAD, b"closed"]
