"""Pages of any length: in a thread of their own, in turns, in little memory, and ended when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import sys
import threading
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from api.cgi.header import Header
from api.cgi.kept import IN_MEMORY, Kept
from api.cgi.pages import LongPages, pieces, threaded_page
from api.cgi.showlog import kind_of
from tests.api.support_desk import Front, make_world, open_front
from tests.support.cores import PATIENCE_S

MANY = 9  # more than there are threads that read
LINE = (1_800_000_000, b" Warning: something")


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with open_front(make_world(tmp_path)) as opened:
        yield opened


@dataclass
class Client:
    """Somebody who asks for a page; `leaves` when he goes away."""

    body: bytes = b""
    is_whole: bool = False
    leaves: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, front: Front, target: str) -> bytes:
        """The page, as much of it as came."""
        path, _, query = target.partition("?")
        headers = [(b"authorization", f"Bearer {front.secret}".encode())]
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
                 "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "headers": headers,
                 "client": ("192.0.2.7", 4711), "server": ("box", 80)}  # fmt: skip
        asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            for message in asked:
                return message
            await self.leaves.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            self.body += message.get("body", b"")
            self.is_whole = message["type"] == "http.response.body" and not message.get("more_body")
            if self.body:
                self.began.set()

        await front.app(scope, receive, send)
        return self.body


def tell(front: Front, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it; what hangs fails."""

    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await story()

    front.loop.run(limited())


LOG = "/nagios/cgi-bin/showlog.cgi?poller=north"


def test_while_whole_logs_are_rendered_ordinary_reads_answer(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """More logs than threads that read stand still half-way; everything else is answered before one of them goes on."""
    entered, released = threading.Event(), threading.Event()

    def lines(path: Path, *, newest_first: bool) -> Iterator[tuple[int, bytes]]:
        yield LINE
        entered.set()
        assert released.wait(PATIENCE_S)
        yield LINE

    monkeypatch.setattr(sys.modules[kind_of.__module__], "lines_of", lines)

    async def story() -> None:
        try:
            logs = [asyncio.ensure_future(Client().ask(front, LOG)) for _ in range(MANY)]
            await asyncio.to_thread(entered.wait, 30)
            for target in ("/nagios/cgi-bin/status.cgi?host=all", "/nagios/cgi-bin/tac.cgi", "/v1/hosts/web01"):
                assert b"web01" in await Client().ask(front, target) or "tac" in target
            assert not any(log.done() for log in logs)
        finally:
            released.set()
        for page in await asyncio.gather(*logs):
            assert page.count(b"Warning: something") == 2 and page.rstrip().endswith(b"</HTML>")

    tell(front, story)


def test_long_pages_take_turns(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short log is there while one without an end is still being sent; who leaves that one ends it."""
    ended = threading.Event()

    def lines(path: Path, *, newest_first: bool) -> Iterator[tuple[int, bytes]]:
        try:
            for number in count() if newest_first else range(3):
                yield LINE[0] + number, LINE[1]
        finally:
            if newest_first:
                ended.set()

    monkeypatch.setattr(sys.modules[kind_of.__module__], "lines_of", lines)

    async def story() -> None:
        endless = Client()
        sending = asyncio.ensure_future(endless.ask(front, LOG))
        await endless.began.wait()
        short = Client()
        assert (await short.ask(front, f"{LOG}&oldestfirst")).count(b"Warning: something") == 3 and short.is_whole
        assert not sending.done()
        endless.leaves.set()
        await sending
        assert ended.is_set(), "nobody waits for it, so nothing of it is rendered"
        assert not endless.is_whole, "half a page does not look like a whole one"

    tell(front, story)


def test_who_leaves_before_the_first_byte_is_not_waited_for(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, released = threading.Event(), threading.Event()
    read: list[str] = []

    def lines(path: Path, *, newest_first: bool) -> Iterator[tuple[int, bytes]]:
        read.append("newest" if newest_first else "oldest")
        entered.set()
        assert released.wait(PATIENCE_S)
        yield LINE

    monkeypatch.setattr(sys.modules[kind_of.__module__], "lines_of", lines)

    async def story() -> None:
        first, second = Client(), Client()
        one = asyncio.ensure_future(first.ask(front, LOG))
        await asyncio.to_thread(entered.wait, 30)
        other = asyncio.ensure_future(second.ask(front, f"{LOG}&oldestfirst"))
        await asyncio.sleep(0)
        second.leaves.set()
        await asyncio.sleep(0)
        released.set()
        assert b"Warning: something" in await one
        assert await other == b"" or not second.is_whole

    tell(front, story)


def test_rendering_leaves_the_loop_free() -> None:
    """What a template asks for is asked in a thread: it waits there for what the loop does meanwhile."""
    asked, answered = threading.Event(), threading.Event()

    class Slow:
        def __html__(self) -> str:
            asked.set()
            assert answered.wait(PATIENCE_S)
            return "slow"

    async def story() -> None:
        sent: list[Any] = []

        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))

        values: dict[str, Any] = {"title": Slow(), "message": "", "details": ()}
        long = LongPages()
        for page in (threaded_page("error.html", **values), long.page(receive, "error.html", IN_MEMORY + 1, **values)):
            rendering = asyncio.ensure_future(page)
            await asyncio.to_thread(asked.wait, 20)
            answered.set()
            await (await rendering)({"type": "http", "method": "GET"}, receive, send)
            assert b"slow" in b"".join(sent)
            sent.clear()
            asked.clear()
            answered.clear()

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


# --- rows that wait ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY + 7])
def test_kept_rows_are_the_rows(size: int) -> None:
    """However many, as often as one looks, and whatever a core made of its bytes."""
    rows = [(number, f"Größe \udcff {number}", None, 1.5) for number in range(size)]
    kept = Kept(iter(rows), lambda row: row)
    assert len(kept) == size
    assert list(kept) == list(kept) == rows
    assert list(zip(kept, kept, strict=True)) == list(zip(rows, rows, strict=True)), "two may read it at a time"


def test_many_rows_take_little_memory() -> None:
    """Twenty times as many rows as wait in memory take as good as none more."""

    def peak(size: int) -> int:
        tracemalloc.start()
        rows = ((number, "x" * 200 + str(number)) for number in range(size))
        assert sum(len(text) > 200 for text in Kept(rows, lambda row: f"{row[1]}.")) == size
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(20 * IN_MEMORY) < 3 * peak(IN_MEMORY)


def test_rows_are_worded_while_the_page_is_sent() -> None:
    """The first bytes of a long list go out before its tenth part has been made into words."""
    made = []

    def word(row: tuple[Any, ...]) -> dict[str, object]:
        made.append(row)
        return {"host": "h", "service": None, "host_link": "l", "cells": ("x",), "action": "a"}

    rows = Kept(((number,) for number in range(10 * IN_MEMORY)), word)
    head = Header("t", "now", (), "ann", ())
    page = pieces("entries.html", title="t", head=head, kind="comment", hosts=rows, services=(), heads=("x",))
    assert next(page).startswith(b"<html>")
    assert len(made) < IN_MEMORY
