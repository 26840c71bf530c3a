"""Times and durations as people write them."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.native.members import time
from api.native.times import LAST_SECOND, parse_duration, parse_time
from api.render import rfc3339, rfc3339_or_none
from engine.errors import InvalidField

NOW = 1_800_000_000.0
ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1970, 1, 3), datetime(2106, 2, 5), timezones=ZONES)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("now", NOW),
        ("+2h", NOW + 7200),
        ("-5m", NOW - 300),
        ("+1d12h", NOW + 129_600),
        ("+1w2d3h4m5s", NOW + 604_800 + 172_800 + 10_800 + 240 + 5),
        (1_800_000_060, 1_800_000_060.0),
        (1_800_000_060.25, 1_800_000_060.25),
        ("1800000060", 1_800_000_060.0),
        ("1800000060.5", 1_800_000_060.5),
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15t08:00:00z", NOW),
        ("2027-01-15 08:00:00Z", NOW),
        ("2027-01-15T08:00Z", NOW),
        ("2027-01-15T09:00:00+01:00", NOW),
        ("2027-01-15T02:30:00-0530", NOW),
        ("2027-01-15T08:00:00-00:00", NOW),
        ("2027-01-15T08:00:00.250Z", NOW + 0.25),
        ("2027-01-15T08:00:00.123456789012Z", NOW + 0.123456789012),
        ("2026-12-31T23:59:60Z", 1_798_761_600.0),
    ],
)
def test_each_form(written: str | int | float, seconds: float) -> None:
    assert parse_time(written, "start", NOW) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("written", ["2027-01-15T08:00:00", "2027-01-15 08:00", "2027-01-15T08:00:00.5"])
def test_without_offset_is_refused_with_the_remedy(written: str) -> None:
    with pytest.raises(InvalidField) as refused:
        parse_time(written, "end", NOW)
    assert refused.value.facts["field"] == "end"
    assert f"{written}Z" in str(refused.value) and f"{written}+01:00" in str(refused.value)


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "today", "2h", "+", "+2", "+h", "2027-01-15", "08:00Z", "2027-02-30T00:00:00Z", "2027-13-01T00:00:00Z"),
        *(
            "2027-01-15T24:00:00Z",
            "2027-01-15T08:60:00Z",
            "2027-01-15T08:00:61Z",
            "2027-01-15T08:00:00+24:00",
            "0001-01-01T00:00:00Z",
        ),
        *(
            "2027-01-15T08:00:00+01:60",
            "1800000060Z",
            "١٨٠٠٠٠٠٠٦٠",
            "+२h",
            "now+2h",
            "2027-01-15T08:00:00Z\n2",
            "1e9",
            "0x10",
            "nan",
        ),
        *("+99999999999w", "-99999w", "9" * 400),
        *(0, -1, LAST_SECOND + 1, float("nan"), float("inf"), 10**400),
    ],
)
def test_what_is_no_time_is_refused_by_name(written: str | int | float) -> None:
    with pytest.raises(InvalidField) as refused:
        parse_time(written, "start", NOW)
    assert refused.value.facts["field"] == "start"


@given(INSTANTS)
def test_any_instant_with_an_offset_is_that_instant(instant: datetime) -> None:
    assert parse_time(instant.isoformat(), "start", NOW) == pytest.approx(instant.timestamp(), abs=1e-5)


@given(st.integers(1, LAST_SECOND * 1000).map(lambda milliseconds: milliseconds / 1000))
def test_what_we_write_we_read(seconds: float) -> None:
    assert parse_time(rfc3339(seconds), "start", NOW) == pytest.approx(seconds, abs=1e-3)
    assert datetime.fromisoformat(rfc3339(seconds)).tzinfo == UTC


@given(st.floats() | st.integers(-(2**63), 2**63))
@example(99_999_999_999_999)  # the end of a downtime that a Nagios takes, and writes into its status file
def test_whatever_a_core_takes_for_a_time_can_be_shown(seconds: float) -> None:
    """A list, and a stream of events, would fail with every row of it."""
    assert datetime.fromisoformat(rfc3339(seconds)).tzinfo == UTC


@given(st.text(max_size=80) | st.integers() | st.floats())
def test_anything_gives_a_time_or_a_refusal(written: str | int | float) -> None:
    for parse in (lambda: parse_time(written, "x", NOW), lambda: parse_duration(written, "x")):
        try:
            assert 0 < parse() <= LAST_SECOND
        except InvalidField as refused:
            assert refused.facts["field"] == "x"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(600, 600), (0.5, 0.5), ("600", 600), ("90m", 5400), ("2h", 7200), ("1d12h", 129_600), (" 1w ", 604_800)],
)
def test_durations(written: str | int | float, seconds: float) -> None:
    assert parse_duration(written, "duration") == seconds


@pytest.mark.parametrize("written", ["", "2", "h", "+2h", "-2h", "2 h", "2H", "PT2H", "0s", "2h!", "1m" * 33, "0" * 64 + "60"])
def test_what_is_no_duration(written: str) -> None:
    if written == "2":
        assert parse_duration(written, "duration") == 2
        return
    with pytest.raises(InvalidField):
        parse_duration(written, "duration")


@pytest.mark.parametrize("seconds", [0, -1, -0.5, float("nan"), float("inf"), 2**33, 10**400])
def test_durations_out_of_range(seconds: float) -> None:
    with pytest.raises(InvalidField):
        parse_duration(seconds, "duration")


@given(st.one_of(st.integers(-40 * 86_400_000, 5 * 86_400_000).map(lambda ms: NOW + ms / 1000), st.integers(0, LAST_SECOND)))
@example(0.0)
@example(NOW)
@example(NOW + 0.9996)
@example(NOW // 86_400 * 86_400 - 31 * 86_400)
@example(NOW // 86_400 * 86_400 - 31 * 86_400 - 1)
@example(NOW // 86_400 * 86_400 + 2 * 86_400 - 1)
@example(NOW // 86_400 * 86_400 + 2 * 86_400)
def test_a_list_writes_a_time_as_an_object_alone_does(seconds: float) -> None:
    """Whether it is one of the last weeks, which are put together from tables, or any other."""
    sql, values = time("at").expression({}, NOW)
    connection = sqlite3.connect(":memory:")
    (text,) = connection.execute(f"SELECT {sql} FROM (SELECT CAST({float(seconds)!r} AS REAL) AS at)", values).fetchone()
    connection.close()
    assert text == rfc3339_or_none(float(seconds))
