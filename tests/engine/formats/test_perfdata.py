"""Performance data: the guidelines' grammar, what plugins print instead, and any text at all."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.formats.perfdata import Metric, PerfData, Range, encode_perf_data, parse_perf_data, parse_range


def only(text: str) -> Metric:
    found = parse_perf_data(text)
    assert not found.rest
    (metric,) = found.metrics
    return metric


def test_the_guidelines_own_form() -> None:
    assert only("rta=0.5ms;3000;5000;0;9") == Metric(
        "rta", 0.5, "ms", Range("3000", 0.0, 3000.0, False), Range("5000", 0.0, 5000.0, False), 0.0, 9.0, "rta=0.5ms;3000;5000;0;9"
    )
    assert only("x=5") == Metric("x", 5.0, "", None, None, None, None, "x=5")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("'C:\\ used'=1", "C:\\ used"),
        ("'it''s'=1", "it's"),
        ("'a=b'=1", "a=b"),
        ("''''=1", "'"),
        ("/var=1", "/var"),
        ("a::b::c=1", "a::b::c"),
    ],
)
def test_labels(text: str, label: str) -> None:
    """A quoted label may hold blanks, equals signs and doubled quotes."""
    assert (only(text).label, only(text).value) == (label, 1.0)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("x=U", None, ""),
        ("x=0,25s", 0.25, "s"),
        ("x=.5", 0.5, ""),
        ("x=-3%", -3.0, "%"),
        ("x=1e-05s", 1e-05, "s"),
        ("x=7c", 7.0, "c"),
        ("x=5EB", 5.0, "EB"),
        ("x=1.2.3", None, ""),
        ("x=", None, ""),
        ("x=abc", None, ""),
        ("x=1e999", None, ""),
        ("x=3µs", 3.0, "µs"),
    ],
)
def test_values(text: str, value: float | None, unit: str) -> None:
    """What is no finite number has no value, and its text is kept."""
    metric = only(text)
    assert (metric.value, metric.unit, metric.raw) == (value, unit, text)


@pytest.mark.parametrize(
    ("text", "start", "end", "inside"),
    [
        ("10", 0.0, 10.0, False),
        ("10:", 10.0, None, False),
        ("~:10", None, 10.0, False),
        ("10:20", 10.0, 20.0, False),
        ("@10:20", 10.0, 20.0, True),
        ("@5", 0.0, 5.0, True),
        (":5", 0.0, 5.0, False),
        ("0,5:1,5", 0.5, 1.5, False),
        ("~:", None, None, False),
        ("-2:-1", -2.0, -1.0, False),
        ("@", None, None, None),
        ("x", None, None, None),
        ("1:2:3", None, None, None),
        ("5ms", None, None, None),
    ],
)
def test_ranges(text: str, start: float | None, end: float | None, inside: bool | None) -> None:
    """A range says where the alert is; what is none is kept as text."""
    assert parse_range(text) == Range(text, start, end, inside)


def test_what_is_no_metric_is_kept_beside_those_that_are() -> None:
    assert parse_perf_data("a=1 nonsense b=2;; 'open=3") == PerfData((only("a=1"), only("b=2;;")), ("nonsense", "'open=3"))
    assert parse_perf_data(" \t\n") == PerfData((), ())


@given(st.text())
def test_no_text_raises_and_nothing_is_lost(text: str) -> None:
    """Every character that is no blank stands in a metric's text or in the rest, in order."""
    found = parse_perf_data(text)
    pieces = [metric.raw for metric in found.metrics] + list(found.rest)
    assert sorted("".join(re.findall(r"\S", text))) == sorted("".join(re.findall(r"\S", "".join(pieces))))
    for metric in found.metrics:
        numbers = (metric.value, metric.min, metric.max)
        assert all(number is None or math.isfinite(number) for number in numbers)


numbers = st.floats(allow_nan=False, allow_infinity=False)
ranges = st.one_of(st.none(), st.from_regex(r"@?(~|\d{1,4})?:?\d{1,4}", fullmatch=True).map(parse_range))
metrics = st.builds(
    Metric,
    label=st.text(min_size=1),
    value=numbers,
    unit=st.sampled_from(["", "s", "ms", "us", "%", "B", "KB", "c"]),
    warn=ranges,
    crit=ranges,
    min=st.none() | numbers,
    max=st.none() | numbers,
    raw=st.just(""),
)


@given(st.lists(metrics))
def test_what_is_encoded_is_read_back(wanted: list[Metric]) -> None:
    """Any label, any finite number: written as a plugin would, it is the same metric again."""
    found = parse_perf_data(encode_perf_data(wanted))
    assert not found.rest
    assert [(m.label, m.value, m.unit, m.warn, m.crit, m.min, m.max) for m in found.metrics] == [
        (m.label, m.value, m.unit, m.warn, m.crit, m.min, m.max) for m in wanted
    ]
