"""Query strings of the JSON CGIs as values, values as they are written, and the arithmetic of availability; all without a core."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cgi.json_cgis.availability import Entry, Of, Report, Spent, spent
from api.cgi.json_cgis.options import Asked, Code, Mistake, lacks, parse_options
from api.cgi.json_cgis.output import Output
from api.cgi.json_cgis.surface import surfaces
from api.cgi.json_cgis.timeranges import days, exceptions, week
from api.cgi.json_cgis.words import DOWNTIME_TYPE, HOST_STATUS

NOW = 1_000_000
CGIS = sorted(surfaces())


def asked(query: str, cgi: str = "statusjson.cgi") -> Asked:
    return parse_options(surfaces()[cgi], query.encode(), NOW)


# --- options ------------------------------------------------------------------------------------------------------------------


@given(st.sampled_from(CGIS), st.binary(max_size=200))
def test_any_bytes_are_a_question_or_a_mistake(cgi: str, raw: bytes) -> None:
    try:
        found = parse_options(surfaces()[cgi], raw, NOW)
    except Mistake as mistake:
        assert mistake.message
    else:
        assert found.query in surfaces()[cgi].queries
        lacks(found)


_WORDS = st.sampled_from([option for surface in surfaces().values() for option in surface.options])


@given(st.sampled_from(CGIS), st.lists(st.tuples(_WORDS, st.text(max_size=8)), max_size=4))
def test_options_of_any_value(cgi: str, pairs: list[tuple[str, str]]) -> None:
    query = next(iter(surfaces()[cgi].queries))
    try:
        parse_options(surfaces()[cgi], urlencode([("query", query), *pairs]).encode(), NOW)
    except Mistake as mistake:
        assert mistake.code in (Code.INVALID, Code.VALUE_INVALID)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("-60", NOW - 60), ("%2B60", NOW + 60), ("+60", NOW + 60), ("+0", NOW), ("-0", NOW), ("5", 5), ("", 0), ("x", 0), ("5x", 5)],
)
def test_times(text: str, seconds: int) -> None:
    assert asked(f"query=hostlist&endtime={text}").number("endtime") == seconds


@pytest.mark.parametrize(("text", "number"), [("3", 3), (" 3x", 3), ("-1", -1), ("x", 0), ("", 0), ("9" * 30, 0)])
def test_numbers(text: str, number: int) -> None:
    assert asked(f"query=hostlist&start={text}").number("start") == number


def test_lists_come_with_blanks_however_they_are_written() -> None:
    for blank in ("+", "%20", " "):
        assert asked(f"query=servicelist&servicestatus=warning{blank}critical").mask("servicestatus") == 20


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("query=hostlist&hoststatus=up+bad", 6, "The hoststatus option value 'bad' is invalid."),
        ("nonsense=1", 3, "Invalid option: 'nonsense'."),
        ("query=hostlist&details=yes", 6, "Value for details option must be 'true' or 'false'."),
        ("query=hostlist&count=0", 6, "The count option value is invalid. It must be an integer greater than zero"),
        ("query=nonsense", 6, "The query option value 'nonsense' is invalid."),
    ],
)
def test_mistakes_in_the_originals_words(query: str, code: int, message: str) -> None:
    with pytest.raises(Mistake) as caught:
        asked(query)
    assert (caught.value.code, caught.value.message) == (code, message)


# --- values -------------------------------------------------------------------------------------------------------------------


def test_values_are_written_as_asked() -> None:
    plain, fancy = Output(), Output(enumerate=True, bitmask=True, duration=True, dateformat="%s")
    assert (plain.time(12.7), plain.time(0), fancy.time(12.7)) == (12000, 0, "12")
    assert (plain.span(90061), fancy.span(90061)) == (90061, "1d 1h 1m 1s")
    assert (plain.word(HOST_STATUS)(4), fancy.word(HOST_STATUS)(4), fancy.word(DOWNTIME_TYPE)(9)) == (4, "down", "Unknown value 9")
    assert (plain.mask(HOST_STATUS)(6), fancy.mask(HOST_STATUS)(6)) == (6, ["up", "down"])


@pytest.mark.parametrize("dateformat", ["%99999999d", "%_-09Y", "%d" * 51])
def test_a_date_format_that_would_keep_the_process_is_not_tried(dateformat: str) -> None:
    assert Output(dateformat=dateformat).time(1_800_000_000) == ""


@given(st.text(max_size=30), st.floats(0, 2e9))
def test_any_date_format_gives_text(dateformat: str, at: float) -> None:
    """A client's format goes to the system's strftime: nothing in it may be an error of ours."""
    assert isinstance(Output(dateformat=dateformat).time(at), str)


def test_timeperiods() -> None:
    ranges = [
        ("monday", "08:00-12:00,13:00-17:30"),
        ("day 1 - 15 / 5", "10:00-11:00"),
        ("2028-05-01 / 7", "05:00-05:30"),
        ("x", "y"),
    ]
    assert days(ranges) == {
        "Monday": [{"range_start": "08:00:00", "range_end": "12:00:00"}, {"range_start": "13:00:00", "range_end": "17:30:00"}]
    }
    assert [found["type"] for found in exceptions(ranges)] == ["DATERANGE_CALENDAR_DATE", "DATERANGE_MONTH_DAY"]
    assert exceptions(ranges)[1] | {"times": 0} == {
        "type": "DATERANGE_MONTH_DAY", "startday": 1, "endday": 15, "skip_interval": 5, "times": 0,
    }  # fmt: skip
    assert week(ranges) == {1: ((28800, 43200), (46800, 63000))}


# --- availability -------------------------------------------------------------------------------------------------------------

_ENTRIES = st.lists(
    st.builds(Entry, st.integers(0, 400), st.sampled_from(list(Of)), st.integers(0, 1)), max_size=12
).map(lambda found: sorted(found, key=lambda entry: entry.at))  # fmt: skip


@given(_ENTRIES, st.integers(1, 200), st.integers(0, 200), st.integers(0, 500), st.booleans(), st.sampled_from([None, 0, 1]))
def test_the_times_of_a_report_add_up(
    entries: list[Entry], start: int, length: int, now: int, through_stops: bool, present: int | None
) -> None:
    """Every second of the window that is past is counted, and once."""
    report = Report(start, start + length, now, None, through_stops)
    before = [entry for entry in entries if entry.at <= now]
    assert spent(before, report, present).total() == max(0, min(now, start + length) - start)


def test_a_downtime_and_a_stop() -> None:
    entries = [
        Entry(0, Of.PROGRAM, 1), Entry(10, Of.STATE, 0), Entry(110, Of.STATE, 1), Entry(120, Of.DOWNTIME, 1),
        Entry(140, Of.STATE, 0),
        Entry(150, Of.DOWNTIME, 0), Entry(160, Of.PROGRAM, 0), Entry(180, Of.PROGRAM, 1),
    ]  # fmt: skip
    told = Counter({Spent(0): 10 + 10 + 20, Spent(1): 10, Spent(1, True): 20, Spent(0, True): 10, Spent(None, running=False): 20})
    assert spent(entries, Report(100, 200, 1000, through_stops=False), 0) == told
    assert spent(entries, Report(100, 200, 1000), 0)[Spent(0)] == 60


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "UTC"])
@pytest.mark.parametrize("day", [datetime(2026, 6, 10), datetime(2026, 12, 4)], ids=["summer", "winter"])
def test_days_of_a_report_are_those_where_the_core_is(zone: str, day: datetime) -> None:
    """Counted hour by hour on the wall there."""
    there = ZoneInfo(zone)
    start, end = (int(day.replace(tzinfo=ZoneInfo("UTC")).timestamp()) + days * 86400 for days in (0, 9))
    wanted = week([("monday", "08:00-12:00,13:00-17:00"), ("friday", "22:00-24:00")])
    counted = spent([Entry(start - 1, Of.STATE, 0)], Report(start, end, end, week=wanted, zone=there), 0)
    halves = [datetime.fromtimestamp(at, there) for at in range(start, end, 1800)]
    hours = {(0, hour) for hour in (8, 9, 10, 11, 13, 14, 15, 16)} | {(4, 22), (4, 23)}
    assert counted.total() == 1800 * sum((at.weekday(), at.hour) in hours for at in halves)
