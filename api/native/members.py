"""Members of an item of a list, as SQLite writes them into its JSON. Pure.

Rules: an item of a list and the object asked for alone have the same members with the same values (a test compares them). A row
leaves SQLite as the text of its item: no value of it is touched by Python, which a hundred thousand rows would have to wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from api.native import forms
from api.native.pollers import View
from api.render import LAST_S, encode_json
from engine.state.fields import Field, Type
from engine.state.scope import Condition

Fresh = Mapping[int, View]
Expression = Condition
"""A complete SQL expression and its parameters."""

_HOUR_S, _DAY_S = 3600, 86_400
_DAYS_BEFORE, _DAYS_KNOWN = 31, 33  # of the table of hours: 11 KB, bound with each statement
_NO_CASE = "WHEN NULL THEN NULL"
_MINUTES = b"".join(b"%02d:%02dZ" % divmod(second, 60) for second in range(_HOUR_S))


class Member(msgspec.Struct, frozen=True):
    """One member of an item: the SQL of its value, or what makes it of each poller's view and the time (epoch seconds).

    `gap`: what moves with time is left out of it, as `forms.py` says, where it is to be kept.
    """

    sql: str
    of: Callable[[Fresh, float], Expression] | None = None
    gap: Callable[[Fresh], Expression] | None = None

    def expression(self, fresh: Fresh, now: float, *, with_gaps: bool = False) -> Expression:
        """The value, as json_object() takes it."""
        if with_gaps and self.gap is not None:
            return self.gap(fresh)
        return (self.sql, ()) if self.of is None else self.of(fresh, now)


def flag(sql: str) -> Member:
    """A boolean."""
    return Member(f"iif({sql}, json('true'), json('false'))")


def shown(field: Field) -> Member:
    """A field of one value as it is: what is shown is what is found."""
    if field.type is Type.TIME:
        return time(field.sql)
    if field.type is Type.FLAG:
        return Member(f"CASE {field.sql} WHEN 0 THEN json('false') WHEN 1 THEN json('true') END")
    return Member(field.sql)


def time(sql: str) -> Member:
    """A time as `rfc3339_or_none` writes it, null for never.

    Whole seconds of the last weeks are put together from two tables: half of what strftime would take, a tenth of a long list.
    """
    known = f"min({sql}, {LAST_S})"
    whole, parts = (f"strftime('%Y-%m-%dT%H:%M:%{seconds}Z', {known}, 'unixepoch')" for seconds in "Sf")
    any_ = f"WHEN {sql} = 0 THEN NULL WHEN CAST({known} * 1000 + 0.5 AS INTEGER) % 1000 = 0 THEN {whole} ELSE {parts}"
    second = f"CAST({sql} AS INTEGER)"
    minute = f"substr(?, {sql} % {_HOUR_S} * 6 + 1, 6)"

    def of(fresh: Fresh, now: float) -> Expression:
        first = (int(now) // _DAY_S - _DAYS_BEFORE) * _DAY_S
        last = first + _DAYS_KNOWN * _DAY_S - 1
        is_near = f"{sql} BETWEEN {first}.0 AND {last}.0 AND {sql} = {second}"  # as reals: integers are compared more slowly
        near = f"substr(?, ({sql} - {first} | 0) / {_HOUR_S} * 14 + 1, 14) || {minute}"
        return f"CASE WHEN {is_near} THEN {near} {any_} END", (_hours(first), _MINUTES)

    return Member(sql, of)


@lru_cache(maxsize=2)
def _hours(first: int) -> bytes:
    """The hours from that second on, 14 bytes each: `2026-11-24T09:`."""
    seconds = range(first, first + _DAYS_KNOWN * _DAY_S, _HOUR_S)
    return b"".join(datetime.fromtimestamp(second, UTC).isoformat()[:14].encode() for second in seconds)


def age(sql: str) -> Member:
    """Seconds since a time by our clock, null for never."""
    return Member(
        sql,
        lambda fresh, now: (f"max(0.0, round(? - ({sql}), 3))", (now,)),
        lambda fresh: (f"'{forms.AGE}' || ({sql})", ()),
    )


def words(sql: str, names: Sequence[str]) -> Member:
    """A number that stands for a word."""
    cases = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(names))
    return Member(f"CASE {sql} {cases} END")


def nested(sql: str) -> Member:
    """What is JSON already."""
    return Member(f"json({sql})")


def looked_up(key: str, values: Mapping[int, object]) -> Member:
    """What stands under a row's number."""
    written = encode_json({str(number): value for number, value in values.items()}).decode()
    return Member(key, lambda fresh, now: (f"json_extract(?, '$.' || json_quote(CAST({key} AS TEXT)))", (written,)))


def view_member(sql: str) -> Member:
    """How fresh the objects of the poller of that number are."""

    def of(fresh: Fresh, now: float) -> Expression:
        cases = " ".join(f"WHEN {number:d} THEN json(?)" for number in fresh)
        return f"CASE {sql} {cases or _NO_CASE} END", [encode_json(view).decode() for view in fresh.values()]

    def gap(fresh: Fresh) -> Expression:
        cases = " ".join(f"WHEN {number:d} THEN '{forms.VIEW}{number:d}'" for number in fresh)
        return f"CASE {sql} {cases or _NO_CASE} END", ()

    return Member(sql, of, gap)


def item_of(
    members: Mapping[str, Member], wanted: Sequence[str], fresh: Fresh, now: float, *, with_gaps: bool = False
) -> Expression:
    """A row as the text of its item: the members wanted, in that order. `now`: epoch seconds."""
    named = [(name, *members[name].expression(fresh, now, with_gaps=with_gaps)) for name in wanted]
    pairs = ", ".join(f"'{name}', {sql}" for name, sql, _ in named)
    return f"json_object({pairs})", [value for _, _, values in named for value in values]
