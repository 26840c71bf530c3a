"""What is a line of ours executed again, and what may be another program's own of equal text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.commands.reruns import Reruns
from engine.formats.corelog import parse_line

TEXT = b"ADD_HOST_COMMENT;web;1;ann;words"
EPOCH = 1000


def heard(*lines: str, batch: str = "t1", texts: tuple[bytes, ...] = (TEXT,)) -> Reruns:
    """A log; `*` stands for our text, `B`, `E` for the marks of a batch, `!` for dirt; each behind its second."""
    reruns = Reruns()
    if batch:
        reruns.wrote(batch, texts)
    for line in lines:
        at, _, word = line.partition(" ")
        text = {
            "*": f"EXTERNAL COMMAND: {TEXT.decode()}",
            "B": "EXTERNAL COMMAND: _SIGNALBOX_Bt1;",
            "E": "EXTERNAL COMMAND: _SIGNALBOX_Et1;",
            "!": "External command x returned error Malformed command",
        }.get(word, word)
        reruns.feed(parse_line(f"[{at}] {text}".encode()))
    return reruns


def count(reruns: Reruns) -> int:
    return reruns.count(TEXT, "t1", EPOCH, EPOCH)


ONCE = ("1000 B", "1000 *", "1000 E")


@pytest.mark.parametrize(
    ("lines", "proven", "why"),
    [
        (ONCE, 0, "once as it should be"),
        (("1000 B", "1000 *", "1000 *", "1000 E"), 1, "nobody else writes between our marks"),
        ((*ONCE, "1001 *"), 0, "in its own second anybody may have said the same"),
        (("999 *", *ONCE), 0, "before ours was written it cannot be ours"),
        ((*ONCE, "1002 *"), 1, "too late for a line stamped in our second"),
        ((*ONCE, "1000 !", "1001 *"), 1, "dirt explains it"),
        ((*ONCE, "900 !", "1001 *"), 0, "dirt of long ago does not"),
        ((*ONCE, "1000 B", "1001 *"), 1, "behind a mark of ours that came again: once too often between our marks"),
        (("1000 *", "1000 E"), 0, "the begin mark was eaten: this is its own echo"),
        (("1000 *", "1000 E", "1003 *"), 1, "and this is another"),
        ((*ONCE, "1005 *", "1006 *"), 2, "each counts"),
    ],
)
def test_the_rule(lines: tuple[str, ...], proven: int, why: str) -> None:
    assert count(heard(*lines)) == proven, why


@pytest.mark.parametrize(
    ("lines", "proven", "why"),
    [
        (("1000 B", "1000 *", "1000 *", "1000 E"), 1, "nobody else writes between our marks"),
        ((*ONCE, "1100 *"), 0, "anybody may acknowledge again in the same words, and no stamp tells whose line that was"),
        ((*ONCE, "1100 !", "1100 *"), 1, "dirt explains it"),
    ],
)
def test_the_rule_for_what_carries_no_stamp(lines: tuple[str, ...], proven: int, why: str) -> None:
    text = b"ACKNOWLEDGE_HOST_PROBLEM;web;2;0;1;ann;words"
    reruns = heard(*(line.replace("*", f"EXTERNAL COMMAND: {text.decode()}") for line in lines), texts=(text,))
    assert reruns.count(text, "t1", EPOCH, EPOCH) == proven, why


def test_a_line_of_another_batch_of_ours_is_certainly_executed_again() -> None:
    reruns = heard(*ONCE)
    reruns.wrote("t2", [b"ADD_HOST_COMMENT;web;1;ann;other"])
    reruns.feed(parse_line(b"[1000] EXTERNAL COMMAND: _SIGNALBOX_Bt2;"))
    reruns.feed(parse_line(b"[1000] EXTERNAL COMMAND: " + TEXT))
    assert count(reruns) == 1


def test_equal_lines_of_one_batch_are_no_duplicates() -> None:
    assert count(heard("1000 B", "1000 *", "1000 *", "1000 E", texts=(TEXT, TEXT))) == 0


def test_a_batch_of_a_former_life_of_ours_holds_its_line_once() -> None:
    assert count(heard(*ONCE, batch="")) == 0
    assert count(heard("1000 B", "1000 *", "1000 *", "1000 E", batch="")) == 1


def test_the_rest_of_a_line_that_was_not_ended_is_dirt() -> None:
    reruns = heard(*ONCE)
    reruns.feed(parse_line(b"04f"))
    reruns.feed(parse_line(b"[1001] EXTERNAL COMMAND: " + TEXT))
    assert count(reruns) == 1


@given(st.lists(st.sampled_from(["B", "E", "*", "!"]), max_size=12))
def test_never_more_than_there_were_echoes(words: list[str]) -> None:
    reruns = heard(*(f"{EPOCH + index} {word}" for index, word in enumerate(words)))
    assert 0 <= count(reruns) <= words.count("*")
