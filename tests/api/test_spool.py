"""A spool between a reader and its client: neither waits for the other, and half an answer never looks like a whole one."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.responses import Response

from api.render import Spool, spooled_response
from engine.errors import InvalidSearch, PollerError, SearchTooSlow
from tests.support.cores import PATIENCE_S

PIECE = b"x" * 1000


async def _asgi(response: Response, send: Callable[[Any], Any], method: str = "GET") -> None:
    await response({"type": "http", "method": method}, _stays, send)


async def _stays() -> Any:
    """A client that does not go away."""
    await asyncio.Event().wait()


async def _response(pieces: Callable[[], Iterator[bytes]]) -> tuple[Response, Spool, list[str]]:
    spool, ended = Spool(), []

    def fill() -> None:
        try:
            spool.fill(pieces(), {"Content-Type": "text/x"})
        finally:
            ended.append("ended")

    return await spooled_response(spool, asyncio.to_thread(fill)), spool, ended  # type: ignore[arg-type]


def test_a_client_that_does_not_read_holds_no_reader() -> None:
    async def story() -> None:
        response, _, ended = await _response(lambda: iter([PIECE] * 5000))
        received = []

        async def send(message: Mapping[str, Any]) -> None:
            while not ended:  # a client that reads nothing until all was read from the database
                await asyncio.sleep(0.005)
            received.append(message.get("body", b""))

        await _asgi(response, send)
        assert b"".join(received) == PIECE * 5000

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


@pytest.mark.parametrize("seed", range(8))
def test_pieces_stay_in_order_however_fast_the_client_takes_them(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits in memory, what went into the file and what follows it: now the one side is faster, now the other."""
    monkeypatch.setattr("api.render._HELD_BYTES", 2500)
    dice = random.Random(seed)
    sent = [b"%d," % number * dice.randrange(1, 200) for number in range(2000)]
    waits = [dice.random() < 0.02 for _ in sent]

    async def story() -> tuple[bytes, int]:
        def pieces() -> Iterator[bytes]:
            for piece, is_slow in zip(sent, waits, strict=True):
                if is_slow:
                    time.sleep(0.001)  # the client has taken all there is
                yield piece

        response, spool, _ = await _response(pieces)
        received = []

        async def send(message: Mapping[str, Any]) -> None:
            received.append(message.get("body", b""))
            await asyncio.sleep(0.001 if dice.random() < 0.02 else 0)

        await _asgi(response, send)
        return b"".join(received), spool.file_bytes

    whole, in_file = asyncio.run(asyncio.wait_for(story(), PATIENCE_S))
    assert whole == b"".join(sent)
    assert 0 < in_file < len(whole), "both ways were taken"


def test_what_a_client_takes_at_once_is_not_written_to_the_disk() -> None:
    async def story() -> int:
        taken, loop = asyncio.Queue[None](), asyncio.get_running_loop()

        def pieces() -> Iterator[bytes]:
            for _ in range(50):
                yield PIECE * 1000
                asyncio.run_coroutine_threadsafe(taken.get(), loop).result(PATIENCE_S)

        response, spool, _ = await _response(pieces)

        async def send(message: Mapping[str, Any]) -> None:
            if message.get("body"):
                taken.put_nowait(None)

        await _asgi(response, send)
        return spool.file_bytes

    assert asyncio.run(asyncio.wait_for(story(), PATIENCE_S)) == 0


def test_the_first_piece_is_sent_before_the_last_is_there() -> None:
    async def story() -> None:
        arrived = asyncio.Event()
        loop = asyncio.get_running_loop()

        def pieces() -> Iterator[bytes]:
            yield b"first"
            asyncio.run_coroutine_threadsafe(arrived.wait(), loop).result(PATIENCE_S)
            yield b"last"

        response, _, _ = await _response(pieces)
        received = []

        async def send(message: Mapping[str, Any]) -> None:
            received.append(message.get("body", b""))
            if message.get("body"):
                arrived.set()

        await _asgi(response, send)
        assert b"".join(received) == b"firstlast"

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


def test_an_error_after_the_first_byte_breaks_the_answer_off() -> None:
    async def story() -> None:
        arrived, loop = asyncio.Event(), asyncio.get_running_loop()

        def pieces() -> Iterator[bytes]:
            yield PIECE
            asyncio.run_coroutine_threadsafe(arrived.wait(), loop).result(PATIENCE_S)
            raise SearchTooSlow("too slow")

        response, _, _ = await _response(pieces)
        messages: list[Mapping[str, Any]] = []

        async def send(message: Mapping[str, Any]) -> None:
            messages.append(message)
            arrived.set()

        with pytest.raises(SearchTooSlow):
            await _asgi(response, send)
        assert all(message.get("more_body", True) for message in messages), "the last word that makes an answer whole was not said"

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


def test_an_error_before_the_first_byte_is_raised_and_another_answer_is_given() -> None:
    async def story() -> None:
        async def refused() -> None:
            raise InvalidSearch("no")

        async def instead() -> Response:
            return Response(status_code=304)

        with pytest.raises(InvalidSearch):
            await spooled_response(Spool(), refused())  # type: ignore[arg-type]
        assert (await spooled_response(Spool(), instead())).status_code == 304

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


def test_a_client_that_goes_away_ends_the_reading() -> None:
    async def story() -> None:
        def endless() -> Iterator[bytes]:
            while True:
                yield PIECE

        response, _, ended = await _response(endless)

        async def send(message: Mapping[str, Any]) -> None:
            if message.get("body"):
                raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await _asgi(response, send)
        assert ended == ["ended"]

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


def test_a_spool_is_bounded_and_filled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        spool = Spool()
        monkeypatch.setattr("api.render.SPOOL_LIMIT_BYTES", 2500)
        with pytest.raises(PollerError):
            spool.fill(iter([PIECE] * 3), {"A": "b"})
        with pytest.raises(PollerError):
            spool.fill(iter([PIECE]), {"A": "b"})
        spool.close()

    asyncio.run(story())


def test_an_empty_spool_is_an_empty_answer() -> None:
    async def story() -> None:
        response, _, _ = await _response(lambda: iter(()))
        received = []

        async def send(message: Mapping[str, Any]) -> None:
            received.append(message.get("body"))

        await _asgi(response, send)
        assert received == [None, b""]

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


def test_no_answer_takes_the_last_room_of_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many long answers that nobody reads lie on the disk: commands could not be stored there any more."""
    free = 3 << 30

    def statvfs(descriptor: int) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=(free - os.fstat(descriptor).st_size) // 4096, f_frsize=4096, f_blocks=1 << 30)

    async def story(pieces: int) -> int:
        spool = Spool()
        written = 0
        try:
            for _ in spool.writing(iter([PIECE * 1000] * pieces), {"Content-Type": "text/x"}):
                written += 1
        finally:
            spool.close()
        return written

    monkeypatch.setattr(os, "fstatvfs", statvfs)
    assert asyncio.run(story(30)) == 30
    free = (1 << 30) + (20 << 20)
    with pytest.raises(PollerError, match="no room"):
        asyncio.run(story(30))
