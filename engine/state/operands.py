"""One value of a search and the field it is compared with → a test in SQL. Pure.

Rules: a value of the wrong type is refused with the field's name and what it takes; numbers may come as digits, as MySQL takes
them, but `"abc"` is no number. Every value becomes a parameter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from engine.errors import InvalidSearch
from engine.state import patterns
from engine.state.fields import Field, Type

_COMPARISONS = {"$lt": "<", "$le": "<=", "$gt": ">", "$ge": ">="}
_LARGEST = 2**63 - 1


class Operand(msgspec.Struct, frozen=True):
    """One value and the field it is compared with."""

    name: str
    operator: str
    field: Field
    now: float

    def test(self, operator: str, value: object) -> tuple[str, list[object]]:
        """The test of one of the operators that are no negation."""
        match operator:
            case "$eq":
                return self._any_of([value])
            case "$in":
                return self._any_of(value if isinstance(value, list) else [value])
            case "$lk":
                return self._like(self._pattern(value))
            case "$rg":
                return self._expression(self._pattern(value))
            case _:
                return self._compared(_COMPARISONS[operator], value)

    @property
    def _sql(self) -> str:
        """The value that is compared."""
        if self.field.type is Type.AGE:
            return f"max(0.0, round({self.now!r} - ({self.field.sql}), 3))"  # as it is shown
        return self.field.sql

    def _any_of(self, given: Sequence[object]) -> tuple[str, list[object]]:
        values = [self._value(one) for one in given]
        if not values:
            return "0", []
        sql = self._sql
        if self.field.type is Type.FLAG:
            return " OR ".join(sorted({f"({sql})" if value else f"NOT ({sql})" for value in values})), []
        if self.field.type is Type.TEXT:
            return self._any_text([str(value).rstrip(" ") for value in values])
        test = f"{sql} IN ({','.join('?' * len(values))})" if len(values) > 1 else f"{sql} = ?"
        if self.field.guard and not {0, 4} & set(values):
            test = f"{self.field.guard} AND {test}"
        return test, values

    def _any_text(self, texts: list[str]) -> tuple[str, list[object]]:
        if not all(text.isascii() for text in texts):
            return self._matching(patterns.exactly(texts))
        sql = f"rtrim({self.field.sql}, ' ') COLLATE NOCASE"
        return (f"{sql} IN ({','.join('?' * len(texts))})" if len(texts) > 1 else f"{sql} = ?"), list(texts)

    def _compared(self, comparison: str, given: object) -> tuple[str, list[object]]:
        if self.field.type is Type.FLAG:
            raise self._wrong_operator()
        collation = " COLLATE NOCASE" if self.field.type is Type.TEXT else ""
        return f"{self._sql}{collation} {comparison} ?", [self._value(given)]

    def _like(self, pattern: str) -> tuple[str, list[object]]:
        pattern = patterns.whole_escapes(pattern)
        if patterns.is_simple_like(pattern):
            return f"{self.field.sql} LIKE ? ESCAPE '\\'", [pattern]
        return self._matching(patterns.checked(patterns.like_as_expression(pattern), self.name))

    def _expression(self, pattern: str) -> tuple[str, list[object]]:
        sql, values = self._matching(patterns.checked(pattern, self.name))
        needed = patterns.needed_like(pattern)
        if needed is None:
            return sql, values
        return f"{self.field.sql} LIKE ? ESCAPE '\\' AND {sql}", [needed, *values]

    def _matching(self, expression: str) -> tuple[str, list[object]]:
        return f"{patterns.FUNCTION}(?, CAST({self.field.sql} AS BLOB))", [expression]

    # --- values -----------------------------------------------------------------------------------------------------------

    def _pattern(self, value: object) -> str:
        """What `$lk` and `$rg` take: text, also over whole numbers."""
        if self.field.type not in (Type.TEXT, Type.INTEGER, Type.WORD):
            raise self._wrong_operator()
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self._wrong_value(value, "a text")
        return self._storable(str(value))

    def _value(self, value: object) -> object:
        return _READERS[self.field.type](self, value)

    def text(self, value: object) -> object:
        """A text, or a number as one writes it."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._wrong_value(value)
        return self._storable(str(value))

    def integer(self, value: object) -> object:
        """A whole number, also in digits or as true or false."""
        number = _number(value) if not isinstance(value, bool) else int(value)
        if number is None or number != int(number) or abs(number) > _LARGEST:
            raise self._wrong_value(value)
        return int(number)

    def real(self, value: object) -> object:
        """A number."""
        number = _number(value)
        if number is None:
            raise self._wrong_value(value)
        return float(number)

    def flag(self, value: object) -> object:
        """True or false, 1 or 0."""
        word = str(value).lower() if isinstance(value, bool | int | str) else ""
        if word not in ("true", "false", "1", "0"):
            raise self._wrong_value(value)
        return word in ("true", "1")

    def word(self, value: object) -> object:
        """The number of a word, or a number itself."""
        words = self.field.words or {}
        if isinstance(value, str) and value.upper() in words:
            return words[value.upper()]
        if isinstance(value, bool) or _number(value) is None:
            raise self._wrong_value(value, f"one of {', '.join(words)}, or its number")
        return self.integer(value)

    def time(self, value: object) -> object:
        """Epoch seconds."""
        moment = _moment(value, self.now) if isinstance(value, str) else None
        moment = _number(value) if moment is None else moment
        if moment is None:
            raise self._wrong_value(value)
        return float(moment)

    def _storable(self, text: str) -> str:
        if "\0" in text or not _is_utf8(text):
            raise self._wrong_value(text, "a text without NUL and half characters")
        return text

    def _wrong_value(self, value: object, wanted: str = "") -> InvalidSearch:
        shown = value if isinstance(value, str | int | float | bool) or value is None else type(value).__name__
        hint = "; several values: $in" if isinstance(value, list) else ""
        return InvalidSearch(
            f"{self.name}: {str(shown)[:100]!r} is not {wanted or self.field.type.value}{hint}.",
            field=self.name,
            operator=self.operator,
            value=shown,
        )

    def _wrong_operator(self) -> InvalidSearch:
        return InvalidSearch(
            f"{self.name} is {self.field.type.value}: {self.operator} cannot be used on it.",
            field=self.name,
            operator=self.operator,
        )


_READERS: dict[Type, Callable[[Operand, object], object]] = {
    Type.TEXT: Operand.text,
    Type.INTEGER: Operand.integer,
    Type.REAL: Operand.real,
    Type.AGE: Operand.real,
    Type.TIME: Operand.time,
    Type.FLAG: Operand.flag,
    Type.WORD: Operand.word,
}

_DIGITS = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?", re.ASCII)


def _number(value: object) -> int | float | None:
    """A finite number that SQLite can hold, also out of digits; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return float(value) if "." in value else int(value)
    return None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- times ------------------------------------------------------------------------------------------------------------------

_UNITS_S = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_RELATIVE = re.compile(r"([+-])((?:\d{1,9}[dhms])+|\d{1,9})", re.ASCII)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*", re.ASCII)


def _moment(text: str, now: float) -> float | None:
    """`now`, a moment relative to it, or RFC 3339 with its offset; None for anything else."""
    if text == "now":
        return now
    relative = _RELATIVE.fullmatch(text)
    if relative:
        spans = re.findall(r"(\d+)([dhms]?)", relative[2])
        return now + int(f"{relative[1]}1") * sum(int(count) * _UNITS_S[unit or "s"] for count, unit in spans)
    if not _RFC3339.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
