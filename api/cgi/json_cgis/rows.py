"""Rows of SQL as objects of an answer: a table of fields says each one's key, expression and kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from api.cgi.json_cgis.output import Convert, Output
from api.cgi.json_cgis.words import Words

# said: text, or the moment for which `noun`'s first check is planned.
Kind = Literal["text", "flag", "int", "real", "time", "word", "mask", "span", "said"]


NO_WORDS: Words = {}


class Field(NamedTuple):
    """One member of an object: its key, where it comes from, how it is written; `words` of an enumeration or a bit mask."""

    key: str
    sql: str
    kind: Kind = "text"
    words: Words = NO_WORDS
    noun: str = ""


class Shape(msgspec.Struct, frozen=True):
    """How rows of some fields become objects, for one way of writing. The last column is the poller, where it is needed."""

    keys: tuple[str, ...]
    columns: str
    converts: tuple[tuple[int, Convert], ...]
    of_poller: tuple[tuple[int, Callable[[Any, int], object]], ...]

    def made(self, row: Sequence[Any]) -> dict[str, object]:
        """One object."""
        values = list(row)
        for at, convert in self.converts:
            values[at] = convert(values[at])
        for at, told in self.of_poller:
            values[at] = told(values[at], row[-1])
        return dict(zip(self.keys, values, strict=False))


def shape(fields: Sequence[Field], output: Output, poller: str) -> Shape:
    """The shape of these fields; `poller`: SQL for the poller that owns a row. What SQL can write by itself is written there."""
    columns, converts = [], []
    of_poller: list[tuple[int, Callable[[Any, int], object]]] = []
    for at, field in enumerate(fields):
        convert = _convert(field, output)
        columns.append(f"max(0, CAST({field.sql} AS INTEGER)) * 1000" if _is_plain_time(field, output) else field.sql)
        if convert is not None:
            converts.append((at, convert))
        if field.kind == "time" and output.dateformat is not None:
            of_poller.append((at, output.time))
        elif field.kind == "said":
            of_poller.append((at, _said(field.noun, output)))
    if of_poller:
        columns.append(poller)
    return Shape(tuple(field.key for field in fields), ", ".join(columns), tuple(converts), tuple(of_poller))


def _said(noun: str, output: Output) -> Callable[[Any, int], object]:
    def said(value: Any, poller: int) -> object:
        if isinstance(value, str):
            return value
        return f"{noun} check scheduled for {output.wall(poller).text(value)}"

    return said


def _is_plain_time(field: Field, output: Output) -> bool:
    return field.kind == "time" and output.dateformat is None


def _convert(field: Field, output: Output) -> Callable[[Any], object] | None:
    match field.kind:
        case "flag":
            return bool
        case "real":
            return _real
        case "word" if output.enumerate:
            return output.word(field.words)
        case "mask" if output.bitmask:
            return output.mask(field.words)
        case "span":
            return output.span
    return None


def _real(number: float) -> float:
    return round(number, 2)
