"""Row and values → the one line that goes into the command file. Pure; the only place that makes such bytes.

Rules: a line starts with `[epoch] `, ends with one newline, is at most LINE_LIMIT bytes with it, and no value can hold a byte
that ends a line or starts another field. A value that cannot be written exactly is refused with InvalidField, never repaired
in silence; the one repair (`;` in a comment a core would cut) is `stored_comment`, and its caller says so in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from engine.commands.catalogue import Field, FieldType, Row
from engine.commands.profiles import Profile
from engine.errors import InvalidField

# A batch is one write of at most PIPE_BUF (4096) bytes, so that writers cannot interleave; two marks take less than 96 of them.
WRITE_LIMIT = 4096
LINE_LIMIT = 4000
MARK_PREFIX = "_SIGNALBOX_"
_VARIABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]{0,120}")
_DECIMALS = {FieldType.UINT: 0, FieldType.CODE: 0, FieldType.NUMBER: 6}  # a time is cut to its second
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")  # what Unicode calls Cc and Cs
_BLANKS = " \t\r\n\v\f"  # what cores strip at the end of a line
_BLANKS_BYTES = _BLANKS.encode()


def encode(row: Row, values: Mapping[str, object], epoch: int, core_id: int | None, profile: Profile) -> bytes:
    """Return the whole line, newline included.

    Args:
        row: the catalogue row.
        values: the journalled meaning, one value per field name.
        epoch: bracket timestamp, seconds.
        core_id: the core's own id for the row's ENTRY field.
        profile: of the core that will read it.

    Raises:
        InvalidField: a value cannot be written; `facts["field"]` names it.
    """
    shape = _SHAPES.get((id(row), id(profile))) or _shaped(row, profile)
    parts = [write(values.get(name), core_id) for name, write in shape.parts]
    while len(parts) > shape.least and not parts[-1]:
        parts.pop()
    text = ";".join([row.name, *parts]).rstrip(_BLANKS)
    line = f"[{epoch}] {text}\n".encode()
    if len(line) > LINE_LIMIT:
        field = row.fields[-1].name
        raise InvalidField(
            f"The command line would be {len(line)} bytes, {LINE_LIMIT} are possible: shorten {field}.",
            field=field,
            bytes=len(line),
            limit=LINE_LIMIT,
        )
    return line


def encode_mark(role: str, token: str, epoch: int, echoed: bool = True) -> bytes:
    """A line that does nothing but leave a trace. `role`: B before a batch, E after it, L lone.

    Where the core does not echo commands (log_external_commands=0), a name without the `_` of custom commands draws a warning
    that no setting silences.
    """
    prefix = MARK_PREFIX if echoed else MARK_PREFIX[1:]
    return f"[{epoch}] {prefix}{role}{token}\n".encode()


def echo_text(line: bytes, profile: Profile) -> bytes:
    """The text by which the core's log shows that it read `line`."""
    body = line.rstrip(_BLANKS_BYTES)
    if profile.echo_has_bracket:
        return body
    return body[body.index(b"] ") + 2 :]


def stored_comment(text: str, row: Row, profile: Profile) -> str:
    """The comment as that core will store it: right-trimmed, and with `;` replaced where the core would cut there."""
    if (row.entry_kind == "downtime" or row.cut_at_semicolon) and profile.cuts_downtime_comment:
        text = text.replace(";", ",")
    return text.rstrip(_BLANKS)


@lru_cache(maxsize=4096)  # the same names over and over
def check_name(value: str, field: str) -> str:
    """Raise InvalidField if an object's name cannot be addressed by any command."""
    if not value:
        raise InvalidField(f"{field} is empty: give its name.", field=field)
    if len(value) > LINE_LIMIT:
        raise InvalidField(f"{field} is longer than a whole command line may be: {LINE_LIMIT} bytes.", field=field)
    if ";" in value:
        raise InvalidField(f"{field} holds a semicolon: no external command can address such an object.", field=field)
    if value != value.strip(_BLANKS):
        raise InvalidField(f"{field} begins or ends with a blank, which cores do not keep: leave it out.", field=field)
    return _check_text(value, field)


@lru_cache(maxsize=256)
def check_author(value: str) -> str:
    """Raise InvalidField unless the author can be written as one field."""
    if not value.strip():
        raise InvalidField("author is empty: cores refuse that.", field="author")
    if ";" in value:
        raise InvalidField("author holds a semicolon, which would shift the fields behind it: leave it out.", field="author")
    return _check_text(value, "author")


def check_comment(value: str, field: str = "comment") -> str:
    """Raise InvalidField unless the text can be written as a last field."""
    if not value.strip():
        raise InvalidField(f"{field} is empty: say why.", field=field)
    return _check_text(value, field)


def _check_text(value: str, field: str, allowed: str = "") -> str:
    if value.isascii() and value.isprintable():
        return value
    for found in _CONTROL.finditer(value):
        character = found[0]
        if character not in allowed:
            raise InvalidField(
                f"{field} holds the control character U+{ord(character):04X}: remove it.", field=field, character=ord(character)
            )
    return value


def check_value(row: Row, field: Field, value: object) -> None:
    """Raise InvalidField unless the value can be written; what is made of it only later (an entry's core id) is not looked at."""
    if field.type in (FieldType.ENTRY, FieldType.TRIGGER):
        _number(field, value, 0, 2**63 - 1)
    elif field.type is FieldType.OUTPUT:
        _output(_text(field, value), field.name, True)
    else:
        _encode_field(row, field, value, None)


Write = Callable[[object, int | None], str]


class _Shape(NamedTuple):
    """How a row is written for a profile: by its fields' names, and how many of them at the least."""

    row: Row
    profile: Profile
    parts: tuple[tuple[str, Write], ...]
    least: int


_SHAPES: dict[tuple[int, int], _Shape] = {}  # by the identities of what they hold


def _shaped(row: Row, profile: Profile) -> _Shape:
    parts = tuple((field.name, _writer(row, field, profile)) for field in row.fields)
    shape = _Shape(row, profile, parts, len(parts) - _optional_tail(row))
    _SHAPES[id(row), id(profile)] = shape
    return shape


def _writer(row: Row, field: Field, profile: Profile) -> Write:
    """The same as `_encode_part`, with a short way for the values that nearly all are."""
    low, high, name = field.low, field.high, field.name

    def any_value(value: object, core_id: int | None) -> str:
        return _encode_part(row, field, value, core_id, profile)

    def number(value: object, core_id: int | None) -> str:
        return str(value) if type(value) is int and low <= value <= high else any_value(value, core_id)

    def flag(value: object, core_id: int | None) -> str:
        return "1" if value is True else "0" if value is False else any_value(value, core_id)

    def author(value: object, core_id: int | None) -> str:
        return check_author(value) if type(value) is str else any_value(value, core_id)

    def object_name(value: object, core_id: int | None) -> str:
        return check_name(value, name) if type(value) is str else any_value(value, core_id)

    def comment(value: object, core_id: int | None) -> str:
        if type(value) is str and value.isascii() and value.isprintable() and value.strip():
            return stored_comment(value, row, profile)
        return any_value(value, core_id)

    def trigger(value: object, core_id: int | None) -> str:
        return "0" if type(value) is int and value == 0 else any_value(value, core_id)

    match field.type:
        case FieldType.TIME | FieldType.SPAN | FieldType.UINT:
            return number
        case FieldType.TEXT:
            return comment
        case FieldType.TRIGGER:
            return trigger
        case FieldType.BOOL:
            return flag
        case FieldType.AUTHOR:
            return author
        case FieldType.HOST | FieldType.SERVICE:
            return object_name
        case _:
            return any_value


def _optional_tail(row: Row) -> int:
    """How many of the last fields may be left out of the line."""
    count = 0
    for field in reversed(row.fields):
        if not field.optional:
            break
        count += 1
    return count


def _encode_part(row: Row, field: Field, value: object, core_id: int | None, profile: Profile) -> str:
    if value is None and field.optional:
        return ""
    match field.type:
        case FieldType.TEXT:
            return stored_comment(check_comment(_text(field, value), field.name), row, profile)
        case FieldType.OUTPUT:
            return _output(_text(field, value), field.name, profile.unescapes_output)
        case FieldType.NUMBER if profile.whole_numbers_only and isinstance(value, float) and not value.is_integer():
            raise InvalidField(f"{field.name} must be a whole number for that kind of core.", field=field.name)
        case _:
            return _encode_field(row, field, value, core_id)


def _encode_field(row: Row, field: Field, value: object, core_id: int | None) -> str:
    """What is written the same for every core."""
    match field.type:
        case FieldType.AUTHOR:
            return check_author(_text(field, value))
        case FieldType.TEXT | FieldType.OUTPUT:
            return check_comment(_text(field, value), field.name)
        case FieldType.WORD | FieldType.PATH | FieldType.VARIABLE:
            return _word(field, _text(field, value))
        case FieldType.ENTRY | FieldType.TRIGGER:
            if field.type is FieldType.TRIGGER and value == 0:
                return "0"
            if core_id is None:
                raise InvalidField("the core's id of that entry is not known", field=field.name)
            return str(core_id)
        case FieldType.BOOL:
            return "1" if _flag(field, value) else "0"
        case FieldType.STICKY:
            return "2" if _flag(field, value) else "1"
        case FieldType.CODE:
            return str(int(_number(field, value, 0, 3 if row.is_service else 2)))
        case FieldType.TIME | FieldType.SPAN | FieldType.UINT:
            return str(int(_number(field, value, field.low, field.high)))
        case FieldType.NUMBER:
            return format(_number(field, value, field.low, field.high), ".6f").rstrip("0").rstrip(".")
        case _:
            return check_name(_text(field, value), field.name)


def _word(field: Field, value: str) -> str:
    """One field of the line, kept as it is."""
    if field.type is FieldType.VARIABLE and not _VARIABLE.fullmatch(value):
        raise InvalidField(f"{field.name} must be letters, digits and underscores, none in front.", field=field.name)
    if field.type is FieldType.PATH and not value.startswith("/"):
        raise InvalidField(f"{field.name} must be an absolute path on the core's machine.", field=field.name)
    return check_name(value, field.name)


def _output(value: str, field: str, unescapes: bool) -> str:
    if not value.strip():
        raise InvalidField(f"{field} is empty: cores refuse that.", field=field)
    if not unescapes:
        return _check_text(value, field, allowed="\t")
    checked = _check_text(value, field, allowed="\t\n")
    return checked.replace("\\", "\\\\").replace("\n", "\\n")


def _text(field: Field, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidField(f"{field.name} must be text.", field=field.name)
    return value


def _flag(field: Field, value: object) -> bool:
    if not isinstance(value, bool | int) or value not in (0, 1):
        raise InvalidField(f"{field.name} must be true or false.", field=field.name)
    return bool(value)


def _number(field: Field, value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidField(f"{field.name} must be a number from {least:.16g} to {most:.16g}.", field=field.name)
    if value != round(value, _DECIMALS.get(field.type, 9)):
        raise InvalidField(f"{field.name} has more decimals than can be written: leave them out.", field=field.name)
    return value
