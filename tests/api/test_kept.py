"""Answers that are kept: only for the same question, only while nothing changed, never for long and never very many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.kept import KEPT_S, LARGEST_BYTES, MOST_ANSWERS, MOST_BYTES, KeptAnswers
from tests.api.support_desk import SetClock


class Kept:
    """Answers over a number and a clock that the test sets; what is made is counted."""

    def __init__(self) -> None:
        self.number: int | None = 2
        self.clock, self.made = SetClock(), 0
        self.answers: KeptAnswers[str] = KeptAnswers(lambda: self.number, self.clock)

    async def ask(self, question: str, size: int | None = 10, before: Callable[[], Awaitable[Any]] | None = None) -> str:
        async def make() -> str:
            self.made += 1
            answer = f"{question} {self.made}"
            if before is not None:
                await before()
            return answer

        return await self.answers.answer(question, make, lambda answer: size)


@pytest.fixture
def kept() -> Kept:
    return Kept()


async def _asked(kept: Kept, *questions: str) -> list[str]:
    return [await kept.ask(question) for question in questions]


def test_the_same_question_is_answered_once(kept: Kept) -> None:
    """Another question never gets the answer to the first."""
    assert asyncio.run(_asked(kept, "a", "a", "b", "a", "b")) == ["a 1", "a 1", "b 2", "a 1", "b 2"]


def test_another_number_is_another_world(kept: Kept) -> None:
    """Nothing kept survives a change, not even when the number comes back."""

    async def run() -> list[str]:
        answers = [await kept.ask("a")]
        for number in (4, 2):
            kept.number = number
            answers.append(await kept.ask("a"))
        return answers

    assert asyncio.run(run()) == ["a 1", "a 2", "a 3"]


def test_nothing_is_kept_or_found_while_something_changes(kept: Kept) -> None:
    """Between two numbers nobody knows what is true: each asks anew, also those who ask together."""

    async def run() -> list[str]:
        first = await kept.ask("a")
        kept.number = None
        during = [await kept.ask("a"), *await asyncio.gather(kept.ask("a"), kept.ask("a"))]
        kept.number = 4
        return [first, *during, await kept.ask("a")]

    assert asyncio.run(run()) == ["a 1", "a 2", "a 3", "a 4", "a 5"]


def test_what_was_read_across_a_change_is_not_kept(kept: Kept) -> None:
    """It belongs to neither number: its rows may be of before."""

    async def run() -> list[str]:
        async def change() -> None:
            kept.number = 4
            await kept.ask("other")  # somebody has noticed meanwhile

        return [await kept.ask("a", before=change), await kept.ask("a")]

    assert asyncio.run(run()) == ["a 1", "a 3"]


def test_those_who_ask_together_share_one_reading(kept: Kept) -> None:
    """But not with those who ask after a change: that reading may have begun before."""

    async def run() -> list[str]:
        gate = asyncio.Event()
        first = asyncio.create_task(kept.ask("a", before=gate.wait))
        second = asyncio.create_task(kept.ask("a"))
        await asyncio.sleep(0)
        kept.number = 4
        third = asyncio.create_task(kept.ask("a"))
        await asyncio.sleep(0)
        gate.set()
        return [await first, await second, await third, await kept.ask("a")]

    assert asyncio.run(run()) == ["a 1", "a 1", "a 2", "a 2"]


def test_who_waited_for_a_reading_that_failed_reads_himself(kept: Kept) -> None:
    """An error, or a client that went away, is one request's own."""

    async def run() -> list[object]:
        gate = asyncio.Event()

        async def fail() -> None:
            await gate.wait()
            raise ValueError

        first = asyncio.create_task(kept.ask("a", before=fail))
        await asyncio.sleep(0)
        second = asyncio.create_task(kept.ask("a", before=gate.wait))
        await asyncio.sleep(0)
        gate.set()
        ended = await asyncio.gather(first, second, return_exceptions=True)
        gate.clear()
        third = asyncio.create_task(kept.ask("b", before=gate.wait))
        await asyncio.sleep(0)
        fourth = asyncio.create_task(kept.ask("b"))
        await asyncio.sleep(0)
        third.cancel()
        return [type(ended[0]), ended[1], await fourth]

    assert asyncio.run(run()) == [ValueError, "a 2", "b 4"]


def test_who_gives_up_waiting_takes_nothing_from_the_others(kept: Kept) -> None:
    """The one who reads is not disturbed by one who waits with him and goes."""

    async def run() -> list[str]:
        gate = asyncio.Event()
        first = asyncio.create_task(kept.ask("a", before=gate.wait))
        await asyncio.sleep(0)
        second = asyncio.create_task(kept.ask("a"))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        gate.set()
        return [await first, await kept.ask("a")]

    assert asyncio.run(run()) == ["a 1", "a 1"]


@pytest.mark.parametrize("moved", [KEPT_S, -1.0])
def test_nothing_is_kept_for_long(kept: Kept, moved: float) -> None:
    """Whatever became of the number's file; nor when the clock went back."""

    async def run() -> list[str]:
        first = await kept.ask("a")
        kept.clock.at += moved
        return [first, await kept.ask("a")]

    assert asyncio.run(run()) == ["a 1", "a 2"]


def test_it_is_for_how_long_it_was_asked_for(kept: Kept) -> None:
    """A reading that took long is as old as the question, not as its answer."""

    async def run() -> list[str]:
        async def slowly() -> None:
            kept.clock.at += KEPT_S

        return [await kept.ask("a", before=slowly), await kept.ask("a")]

    assert asyncio.run(run()) == ["a 1", "a 2"]


@pytest.mark.parametrize("size", [None, LARGEST_BYTES + 1])
def test_what_is_too_large_or_not_to_be_kept_is_not(kept: Kept, size: int | None) -> None:
    """Memory is bounded answer by answer."""

    async def run() -> list[str]:
        return [await kept.ask("a", size), await kept.ask("a", size)]

    assert asyncio.run(run()) == ["a 1", "a 2"]


def test_many_answers_are_not_kept_for_ever(kept: Kept) -> None:
    """Neither by their number nor by their bytes."""

    async def run() -> None:
        for number in range(3 * MOST_ANSWERS):
            await kept.ask(str(number), 10)
            assert len(kept.answers._kept) <= MOST_ANSWERS
        for number in range(3 * MOST_BYTES // LARGEST_BYTES):
            await kept.ask(f"large {number}", LARGEST_BYTES)
            assert len(kept.answers._kept) * LARGEST_BYTES <= MOST_BYTES + MOST_ANSWERS * 10
        assert kept.answers._kept and not kept.answers._pending

    asyncio.run(run())


def test_what_is_forgotten_is_asked_anew(kept: Kept) -> None:
    """For what the number knows nothing of."""

    async def run() -> list[str]:
        first = await kept.ask("a")
        kept.answers.forget()
        return [first, await kept.ask("a")]

    assert asyncio.run(run()) == ["a 1", "a 2"]
