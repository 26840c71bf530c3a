"""Times are read and shown as the core's own CGIs do, in its zone: another hour would be another downtime."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cgi.dates import long_text, parse_time, time_text

FORMATS = ("us", "euro", "iso8601", "strict-iso8601")


@given(st.integers(946684800, 4102444800 - 1), st.sampled_from(FORMATS), st.sampled_from(["UTC", "Asia/Tokyo", "America/Bogota"]))
def test_what_is_shown_is_read_as_the_same_moment(at: int, date_format: str, zone: str) -> None:
    assert parse_time(time_text(at, date_format, zone), date_format, zone) == at


@pytest.mark.parametrize(
    ("text", "date_format", "zone", "at"),
    [
        ("11-26-2026 00:30:00", "us", "Europe/Berlin", 1795649400.0),
        ("26-11-2026 00:30:00", "euro", "Europe/Berlin", 1795649400.0),
        ("2026-11-26 00:30:00", "iso8601", "Europe/Berlin", 1795649400.0),
        ("2026-11-26T00:30:00", "strict-iso8601", "Europe/Berlin", 1795649400.0),
        ("11-25-2026 24:30:00", "us", "Europe/Berlin", 1795649400.0),  # mktime carries over
        ("11-26-2026", "us", "UTC", None),
        ("2026-11-26 00:30:00", "us", "UTC", None),
        ("soon", "iso8601", "UTC", None),
        ("99-99-9999 99:99:99", "us", "UTC", None),
    ],
)
def test_each_format(text: str, date_format: str, zone: str, at: float | None) -> None:
    assert parse_time(text, date_format, zone) == at


@given(st.text(), st.sampled_from(FORMATS))
def test_any_text_is_a_time_or_none(text: str, date_format: str) -> None:
    parse_time(text, date_format, "UTC")


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo", "America/Bogota"])
@pytest.mark.parametrize(("at", "year"), [(2**63, 9999), (253_402_300_800, 9999), (-(2**63), 1)])
def test_a_time_no_calendar_holds_is_shown_all_the_same(at: int, year: int, zone: str | None) -> None:
    assert int(long_text(at, zone).rpartition(" ")[2]) == year
    assert time_text(at, "us", zone)
