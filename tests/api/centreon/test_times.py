"""Times with their offset, and ages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.centreon.times import age_words, iso_time, parse_time
from engine.errors import InvalidField

NOON = 1_705_320_000.0  # 2024-01-15T12:00:00Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-01-15T12:00:00Z", NOON),
        ("2024-01-15T12:00:00+00:00", NOON),
        ("2024-01-15T14:00:00+02:00", NOON),
        ("2024-01-15T14:00:00+0200", NOON),
        ("2024-01-15T06:30:00-05:30", NOON),
        ("2024-01-15T12:00Z", NOON),
        ("2024-01-15T12:00:00.25Z", NOON + 0.25),
        ("2024-01-15T12:00:00.123456789Z", NOON + 0.123456),
        ("9999-12-31T23:59:59-14:00", 253_402_351_199.0),
    ],
)
def test_taken(text: str, seconds: float) -> None:
    assert parse_time(text, "start_time") == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-15T12:00:00", "2024-01-15", "2024-01-15 12:00:00Z", "1705320000", "now", "", "2024-02-30T12:00:00Z",
        "2024-01-15T25:00:00Z", "2024-01-15T12:00:60Z", "2024-01-15T12:00:00+25:00", "2024-W03-1T12:00:00Z",
        "２024-01-15T12:00:00Z",
        "2024-01-15T12:00:00Z\n", "2024-01-15T12:00:00 Z", "2024-01-15T12:00:00+02", "0000-01-15T12:00:00Z",
    ],
)  # fmt: skip
def test_refused_naming_the_field(text: str) -> None:
    with pytest.raises(InvalidField) as raised:
        parse_time(text, "end_time")
    assert raised.value.facts["field"] == "end_time"
    assert "[end_time]" in str(raised.value)


@given(st.text())
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        assert isinstance(parse_time(text, "start_time"), float)
    except InvalidField:
        pass


@pytest.mark.parametrize(
    ("epoch", "text"),
    [(0, None), (None, None), (0.0, None), (-1, None), (NOON, "2024-01-15T12:00:00Z"), (NOON + 0.9, "2024-01-15T12:00:00Z"),
     (1e18, "9999-12-31T23:59:59Z")],
)  # fmt: skip
def test_written(epoch: float | None, text: str | None) -> None:
    assert iso_time(epoch) == text


@given(st.integers(1, 253_402_300_799))
def test_what_is_written_can_be_taken_back(epoch: int) -> None:
    text = iso_time(epoch)
    assert text is not None
    assert parse_time(text, "x") == epoch


@pytest.mark.parametrize(
    ("age", "words"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (3661, "1h 1m"), (7500, "2h 5m"), (86_400, "1d"), (86_405, "1d 5s"), (700_000, "1w 1d"),
     (2_592_000, "1M"), (34_000_000, "1y 4w"), (-5, "0s")],
)  # fmt: skip
def test_ages(age: int, words: str) -> None:
    assert age_words(NOON, NOON + age) == words
    assert age_words(0, NOON) is None
