"""Rows of SQL as objects of an answer: a table of fields says each one's key, expression and kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from api.cgi.json_cgis.output import Convert, Output
from api.cgi.json_cgis.words import Words

Kind = Literal["text", "flag", "int", "real", "time", "word", "mask", "span"]


NO_WORDS: Words = {}


class Field(NamedTuple):
    """One member of an object: its key, where it comes from, how it is written; `words` of an enumeration or a bit mask."""

    key: str
    sql: str
    kind: Kind = "text"
    words: Words = NO_WORDS


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows of some fields become objects, for one way of writing."""

    keys: tuple[str, ...]
    columns: str
    converts: tuple[tuple[int, Convert], ...]

    def made(self, row: Sequence[Any]) -> dict[str, object]:
        """One object."""
        values = list(row)
        for at, convert in self.converts:
            values[at] = convert(values[at])
        return dict(zip(self.keys, values, strict=False))


def shape(fields: Sequence[Field], output: Output) -> Shape:
    """The shape of these fields. What SQL can write by itself is written there."""
    columns, converts = [], []
    for at, field in enumerate(fields):
        convert = _convert(field, output)
        columns.append(f"max(0, CAST({field.sql} AS INTEGER)) * 1000" if _is_plain_time(field, output) else field.sql)
        if convert is not None:
            converts.append((at, convert))
    return Shape(tuple(field.key for field in fields), ", ".join(columns), tuple(converts))


def _is_plain_time(field: Field, output: Output) -> bool:
    return field.kind == "time" and output.dateformat is None


def _convert(field: Field, output: Output) -> Callable[[Any], object] | None:
    match field.kind:
        case "flag":
            return bool
        case "real":
            return _real
        case "time" if output.dateformat is not None:
            return output.time
        case "word" if output.enumerate:
            return output.word(field.words)
        case "mask" if output.bitmask:
            return output.mask(field.words)
        case "span":
            return output.span
    return None


def _real(number: float) -> float:
    return round(number, 2)
