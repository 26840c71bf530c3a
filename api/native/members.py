"""Members of an item of a list: columns of SQL, and what JSON makes of their values. Pure.

Rules: an item of a list and the object asked for alone have the same members with the same values (a test compares them). Rows
become items column by column, so that Python is asked once per column and not once per value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from api.native.pollers import View
from api.render import rfc3339_or_none

Fresh = Mapping[int, View]
Items = list[dict[str, object]]
Convert = Callable[[Fresh, float], Callable[[Any], object]]


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an item: its column, and what is made of the value (None: nothing) given each poller's view and the time."""

    sql: str
    convert: Convert | None = None


class _Times(dict[float, str | None]):
    """Epoch seconds → RFC 3339. Many rows share their times."""

    def __missing__(self, seconds: float) -> str | None:
        self[seconds] = text = rfc3339_or_none(seconds)
        return text


def flag(sql: str) -> Member:
    """A boolean."""
    return Member(sql, lambda fresh, now: bool)


def time(sql: str) -> Member:
    """A time, null for never."""
    return Member(sql, lambda fresh, now: _Times().__getitem__)


def age(sql: str) -> Member:
    """Seconds since a time by our clock, null for never."""
    return Member(sql, lambda fresh, now: lambda began: None if began is None else max(0.0, round(now - began, 3)))


def words(sql: str, names: Sequence[str]) -> Member:
    """A number that stands for a word."""
    return Member(sql, lambda fresh, now: names.__getitem__)


def nested(sql: str) -> Member:
    """What is JSON already."""
    return Member(sql, lambda fresh, now: orjson.Fragment)


def poller_name(sql: str) -> Member:
    """The name of the poller of that number."""
    return Member(sql, lambda fresh, now: {number: view.poller for number, view in fresh.items()}.__getitem__)


def view_member(sql: str) -> Member:
    """How fresh the objects of the poller of that number are."""
    return Member(
        sql, lambda fresh, now: {number: orjson.Fragment(orjson.dumps(view)) for number, view in fresh.items()}.__getitem__
    )


class Shape:
    """Rows of one SELECT as items: the members wanted, by name and in that order. `now`: epoch seconds."""

    def __init__(self, members: Mapping[str, Member], wanted: Sequence[str], fresh: Fresh, now: float) -> None:
        self.columns = [members[name].sql for name in wanted]
        self._wanted = wanted
        named = ((at, members[name].convert) for at, name in enumerate(wanted))
        self._converts = [(at, convert(fresh, now)) for at, convert in named if convert is not None]

    def items(self, rows: Sequence[tuple[object, ...]]) -> Items:
        """Each row as an item."""
        columns: list[Any] = list(zip(*rows, strict=True))
        for at, convert in self._converts:
            columns[at] = map(convert, columns[at])
        return [dict(zip(self._wanted, row, strict=True)) for row in zip(*columns, strict=True)]
