"""Threads shared by all who ask: whoever asks for much keeps nobody else waiting for more than one work of his."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from engine.turns import ASKER, Turns

LONG_S = 20  # a wait that fails is a test that fails


@pytest.fixture
def opened() -> Iterator[threading.Event]:
    """What blocked works wait for; set at the end, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()


def test_one_who_asks_for_much_leaves_a_thread_to_others(opened: threading.Event) -> None:
    async def main() -> None:
        turns = Turns("test", 4, spare=1)
        many = [asyncio.ensure_future(turns.run(lambda: opened.wait(LONG_S), "many")) for _ in range(50)]
        async with asyncio.timeout(LONG_S):
            assert [await turns.run(lambda: "done", asker) for asker in ("one", "another")] == ["done", "done"]
        assert not any(one.done() for one in many)
        opened.set()
        assert await asyncio.gather(*many) == [True] * 50
        turns.close()

    asyncio.run(main())


async def _begun(turns: Turns, opened: threading.Event) -> tuple[asyncio.Future[bool], bool]:
    """A work of somebody's that keeps a thread, and that it has begun."""
    begun = threading.Event()
    first = asyncio.ensure_future(turns.run(lambda: begun.set() or opened.wait(LONG_S), "somebody"))
    return first, await asyncio.to_thread(begun.wait, LONG_S)


def test_turns_go_round(opened: threading.Event) -> None:
    done: list[str] = []

    async def main() -> None:
        turns = Turns("test", 1)
        first, begun = await _begun(turns, opened)
        assert begun
        works = [turns.run(lambda who=who: done.append(who), who) for who in ("many", "many", "many", "one", "one", "two")]
        waiting = [asyncio.ensure_future(work) for work in works]
        await asyncio.sleep(0)
        opened.set()
        await asyncio.gather(first, *waiting)
        turns.close()

    asyncio.run(main())
    assert done == ["many", "one", "two", "many", "one", "many"]


def test_who_asks_is_whom_the_request_is_of(opened: threading.Event) -> None:
    async def ask(turns: Turns, who: str, result: str) -> str:
        ASKER.set(who)
        return await turns.run(lambda: result if who == "one" or opened.wait(LONG_S) else "never")

    async def main() -> None:
        turns = Turns("test", 2, spare=1)
        many = [asyncio.create_task(ask(turns, "many", "late")) for _ in range(9)]
        async with asyncio.timeout(LONG_S):
            assert await asyncio.create_task(ask(turns, "one", "soon")) == "soon"
        opened.set()
        assert await asyncio.gather(*many) == ["late"] * 9
        turns.close()

    asyncio.run(main())


def test_what_nobody_waits_for_any_more_is_left_out_and_errors_are_raised(opened: threading.Event) -> None:
    done: list[str] = []

    async def main() -> None:
        turns = Turns("test", 1)
        first, _ = await _begun(turns, opened)
        given_up = asyncio.ensure_future(turns.run(lambda: done.append("given up"), "b"))
        wrong = asyncio.ensure_future(turns.run(lambda: 1 // 0, "b"))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.sleep(0)
        opened.set()
        with pytest.raises(ZeroDivisionError):
            await wrong
        assert await first and not done
        turns.close()
        with pytest.raises(RuntimeError):
            await turns.run(lambda: None)

    asyncio.run(main())
