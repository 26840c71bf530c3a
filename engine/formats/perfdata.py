"""Performance data, as plugins print it behind the bar, as values and back. Pure.

The grammar (monitoring-plugins.org, development guidelines): `'label'=value[unit];[warn];[crit];[min];[max]`, separated by
blanks. Quotes are needed around a label with blanks, a quote within is doubled; `U` says that the value is not known; thresholds
are ranges, `[@][start:]end`, with `~` for minus infinity. Plugins under other locales write `0,5`; others print an exponent.

Rules: no text raises, and nothing is lost: a metric keeps its text in `raw`, what is no metric at all stands in `rest`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import msgspec

_NUMBER = r"[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d{1,4})?"
_VALUE = re.compile(rf"({_NUMBER})([^\d;]*)", re.ASCII)
_BARE = re.compile(_NUMBER, re.ASCII)
_RANGE = re.compile(rf"(@?)(?:(~|{_NUMBER})?(:))?({_NUMBER})?", re.ASCII)
_QUOTED = re.compile(r"'((?:[^']|'')+)'=(\S*)")
_PLAIN = re.compile(r"([^\s='][^\s=]*)=(\S*)")
_NEEDS_NO_QUOTES = re.compile(r"[^\s=']+")
_PIECE = re.compile(r"\S+")
_UNKNOWN = "U"
_MOST_PARTS = 5


class Range(msgspec.Struct, frozen=True):
    """A threshold as written and as meant: alert outside `start` to `end`, or with `inside` within them.

    `start` None is minus infinity, `end` None is infinity; `inside` None: the text is no range.
    """

    text: str
    start: float | None
    end: float | None
    inside: bool | None


class Metric(msgspec.Struct, frozen=True):
    """One metric. `value` None: the plugin says that it does not know it (`U`), or what stands there is no number."""

    label: str
    value: float | None
    unit: str
    warn: Range | None
    crit: Range | None
    min: float | None
    max: float | None
    raw: str


class PerfData(msgspec.Struct, frozen=True):
    """What one check printed. `rest`: pieces that are no metric, as they stood."""

    metrics: tuple[Metric, ...]
    rest: tuple[str, ...]


def parse_perf_data(text: str) -> PerfData:
    """Any text; what cannot be understood is kept as it is."""
    metrics: list[Metric] = []
    rest: list[str] = []
    at = 0
    while (piece := _PIECE.search(text, at)) is not None:
        found = _QUOTED.match(text, piece.start()) or _PLAIN.match(text, piece.start())
        if found is None:
            rest.append(piece[0])
            at = piece.end()
            continue
        label = found[1].replace("''", "'") if found[0].startswith("'") else found[1]
        metrics.append(_metric(label, found[2], found[0]))
        at = found.end()
    return PerfData(tuple(metrics), tuple(rest))


def _metric(label: str, written: str, raw: str) -> Metric:
    value, warn, crit, low, high = (*written.split(";")[:_MOST_PARTS], "", "", "", "", "")[:_MOST_PARTS]
    found = _VALUE.fullmatch(value)
    number = _float(found[1]) if found else None
    unit = found[2] if found and number is not None else ""
    return Metric(label, number, unit, parse_range(warn), parse_range(crit), _number(low), _number(high), raw)


def parse_range(text: str) -> Range | None:
    """A threshold; None where none is given."""
    if not text:
        return None
    found = _RANGE.fullmatch(text)
    if found is None or text == "@":
        return Range(text, None, None, None)
    at, start, colon, end = found.groups()
    low = 0.0 if not start else None if start == "~" else _float(start)
    high = _float(end) if end else None
    if (start not in (None, "", "~") and low is None) or (end and high is None) or not (colon or end):
        return Range(text, None, None, None)
    return Range(text, low, high, at == "@")


def _number(text: str) -> float | None:
    return _float(text) if _BARE.fullmatch(text) else None


def _float(text: str) -> float | None:
    """A finite number with a point or a comma; None for one no double holds."""
    number = float(text.replace(",", "."))
    return number if math.isfinite(number) else None


# --- back -----------------------------------------------------------------------------------------------------------------------


def encode_perf_data(metrics: Iterable[Metric]) -> str:
    """The metrics as a plugin would print them; `raw` is not looked at. Labels are quoted where they must be."""
    return " ".join(map(_encoded, metrics))


def _encoded(metric: Metric) -> str:
    value = _UNKNOWN if metric.value is None else f"{metric.value!r}{metric.unit}"
    warn, crit = (limit.text if limit is not None else "" for limit in (metric.warn, metric.crit))
    low, high = ("" if bound is None else repr(bound) for bound in (metric.min, metric.max))
    return f"{_label(metric.label)}=" + ";".join((value, warn, crit, low, high)).rstrip(";")


def _label(label: str) -> str:
    return label if _NEEDS_NO_QUOTES.fullmatch(label) else "'" + label.replace("'", "''") + "'"
