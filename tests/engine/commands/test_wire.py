"""No byte of a client becomes a second line or another field: an independent reader gets what was meant, or it was refused."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.commands.catalogue import CATALOGUE, ROWS, Field, FieldType, Row
from engine.commands.profiles import PROFILES, Profile
from engine.commands.wire import (
    LINE_LIMIT,
    WRITE_LIMIT,
    check_author,
    check_comment,
    check_name,
    echo_text,
    encode,
    encode_mark,
    stored_comment,
)
from engine.errors import InvalidField
from engine.model import CoreKind

NAGIOS, NAEMON, ICINGA2 = (PROFILES[kind] for kind in (CoreKind.NAGIOS, CoreKind.NAEMON, CoreKind.ICINGA2))
BLANKS = b" \t\r\n\v\f"


def core_reads(data: bytes, row: Row, profile: Profile) -> list[list[str]]:
    """What a core makes of bytes on its command file: lines, cut at NUL, trimmed, split at `;` into as many fields as it takes.

    Independent of wire.py: written from cores.md 2.3, 2.6.
    """
    commands = []
    for raw in data.split(b"\n"):
        line = raw.split(b"\x00")[0].strip(BLANKS)
        if not line:
            continue
        found = re.fullmatch(rb"\[(\d+)\] ([A-Z_]+)(?:;(.*))?", line, re.DOTALL)
        assert found is not None, line
        cut = row.entry_kind == "downtime" and profile.cuts_downtime_comment
        parts = found[3].decode("utf-8").split(";") if found[3] is not None else []
        count = len(row.fields)
        fits = cut or len(parts) <= count
        values = parts[:count] if fits else [*parts[: count - 1], ";".join(parts[count - 1 :])]
        commands.append([found[2].decode(), *values])
    return commands


def unescaped(output: str) -> str:
    """As Nagios reads passive output."""
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], output, flags=re.DOTALL)


NASTY = [
    "",
    " ",
    ";",
    "\\n",
    "a\nb",
    "a\r",
    "\x00x",
    "\x85",
    "\u2028",
    "\ud800",
    "é" * 30,
    "x;y;z",
    "[1] X;y",
    "\t",
    "\x1b[0m",
    "\xa0",
]
anything = st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(NASTY)
times = st.integers(0, 2**32 - 1)


def values_for(row: Row) -> st.SearchStrategy[dict[str, object]]:
    made = {field.name: _values(field) for field in row.fields if not field.optional}
    left_out = {field.name: st.none() | _values(field) for field in row.fields if field.optional}
    return st.fixed_dictionaries(made | left_out)


def _values(field: Field) -> st.SearchStrategy[object]:
    kinds: dict[FieldType, st.SearchStrategy[object]] = {
        FieldType.TIME: times,
        FieldType.SPAN: times,
        FieldType.UINT: st.integers(int(field.low), int(field.high)),
        FieldType.NUMBER: st.integers(0, 10**6) | st.integers(0, 10**6).map(lambda number: number / 64),
        FieldType.CODE: st.integers(0, 2),
        FieldType.BOOL: st.booleans(),
        FieldType.STICKY: st.booleans(),
        FieldType.ENTRY: st.none(),
        FieldType.TRIGGER: st.sampled_from([0, 7]),
        FieldType.VARIABLE: st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True) | anything,
        FieldType.PATH: anything.map(lambda text: "/" + text) | anything,
    }
    return kinds.get(field.type, anything)


def good_values(row: Row, **others: object) -> dict[str, object]:
    made: dict[str, object] = {}
    for field in row.fields:
        match field.type:
            case FieldType.BOOL | FieldType.STICKY:
                made[field.name] = True
            case FieldType.TIME | FieldType.UINT | FieldType.SPAN | FieldType.NUMBER:
                made[field.name] = min(1795476292, int(field.high))
            case FieldType.TRIGGER:
                made[field.name] = 0
            case FieldType.VARIABLE:
                made[field.name] = "OWNER"
            case FieldType.PATH:
                made[field.name] = "/tmp/path é"
            case FieldType.CODE:
                made[field.name] = 2
            case _:
                made[field.name] = f"{field.name} é"
    return made | others


def meant(row: Row, values: dict[str, object], profile: Profile, core_id: int) -> list[str]:
    """The fields as the core should get them."""
    fields = []
    for field in row.fields:
        value = values[field.name]
        match field.type:
            case _ if value is None and field.optional:
                fields.append("")
            case FieldType.ENTRY:
                fields.append(str(core_id))
            case FieldType.TRIGGER:
                fields.append(str(core_id) if value else "0")
            case FieldType.NUMBER:
                fields.append(str(Decimal(str(value)).normalize().__format__("f")))
            case FieldType.BOOL:
                fields.append("1" if value else "0")
            case FieldType.STICKY:
                fields.append("2" if value else "1")
            case FieldType.TEXT if (row.entry_kind == "downtime" or row.cut_at_semicolon) and profile.cuts_downtime_comment:
                fields.append(str(value).replace(";", ","))
            case _:
                fields.append(str(value))
    return fields


def _is_plain(row: Row, values: dict[str, object], profile: Profile) -> bool:
    """Values nobody could have anything against, as far as one can tell without knowing how they are checked."""
    for field in row.fields:
        value = values[field.name]
        letters = r"[A-Za-z0-9]+" if field.type is FieldType.VARIABLE else r"[A-Za-z0-9é]+"
        if isinstance(value, str) and not re.fullmatch(letters, value):
            return False
        if isinstance(value, float) and (profile.whole_numbers_only or field.type is not FieldType.NUMBER):
            return False
        if value == "" or (field.type is FieldType.PATH and value is not None):
            return False
    return True


@settings(max_examples=1500, deadline=None)
@given(st.data(), st.sampled_from(ROWS), st.sampled_from(list(PROFILES.values())), st.integers(0, 2**33))
def test_a_core_reads_exactly_what_was_meant_or_nothing_was_written(
    data: st.DataObject, row: Row, profile: Profile, epoch: int
) -> None:
    values = data.draw(values_for(row))
    try:
        line = encode(row, values, epoch, 42, profile)
    except InvalidField as refused:
        assert refused.facts["field"] in values
        assert not _is_plain(row, values, profile), refused
        return
    assert line.startswith(b"[%d] " % epoch)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert len(line) <= LINE_LIMIT
    assert not any(byte < 32 and byte != 9 for byte in line[:-1])
    (read,) = core_reads(line, row, profile)
    read += [""] * (1 + len(row.fields) - len(read))  # optional ones at the end may be left out
    expected = meant(row, values, profile, 42)
    if row.fields and row.fields[-1].type is FieldType.OUTPUT and profile.unescapes_output:
        assert unescaped(read[-1]).rstrip(" \t\r\v\f") == expected[-1].rstrip(" \t\r\v\f")
        read, expected = read[:-1], expected[:-1]
    else:
        expected[-1:] = [text.rstrip(" \t\r\n\v\f") for text in expected[-1:]]
    assert read == [row.name, *expected]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(lambda text: text.strip() and ";" not in text))
@example("C:\\ 90%")
@example("Größe")
@example("a\u2028b")
def test_ordinary_text_is_not_refused(text: str) -> None:
    assert check_comment(text) == text
    assert check_author(text) == text
    if text == text.strip(" "):
        assert check_name(text, "host") == text


@pytest.mark.parametrize("bad", ["\n", "\r", "\x00", "\x85", "\x1b", "\x7f", "\t", "\ud800", "\udfff", "\v"])
@pytest.mark.parametrize("field", ["host", "service", "author", "comment"])
def test_control_characters_and_surrogates_are_refused_by_name(field: str, bad: str) -> None:
    row = CATALOGUE["ADD_SVC_COMMENT"]
    for text in (bad, f"a{bad}b", f"{bad}b", f"a{bad}"):
        with pytest.raises(InvalidField) as refused:
            encode(row, good_values(row, **{field: text}), 1, None, NAGIOS)
        assert refused.value.facts["field"] == field


@pytest.mark.parametrize("name", ["", ";", "a;b", " a", "a "])
def test_names_no_command_can_address(name: str) -> None:
    """A trailing blank in a last field would be cut: another object."""
    row = CATALOGUE["REMOVE_SVC_ACKNOWLEDGEMENT"]
    for field in ("host", "service"):
        with pytest.raises(InvalidField):
            encode(row, good_values(row, **{field: name}), 1, None, NAGIOS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("author", "a;b"),
        ("author", " "),
        ("comment", ""),
        ("comment", "\xa0 "),
        ("start", -1),
        ("start", 2**32),
        ("start", float("nan")),
        ("start", float("inf")),
        ("start", True),
        ("start", "12"),
        ("start", None),
        ("fixed", None),
        ("fixed", "0"),
        ("fixed", 2),
        ("host", None),
        ("host", b"h"),
    ],
)
def test_values_that_cannot_be_written_are_refused_not_repaired(field: str, value: object) -> None:
    row = CATALOGUE["SCHEDULE_HOST_DOWNTIME"]
    with pytest.raises(InvalidField) as refused:
        encode(row, good_values(row, **{field: value}), 1, None, NAGIOS)
    assert refused.value.facts["field"] == field


@pytest.mark.parametrize(("name", "most"), [("PROCESS_HOST_CHECK_RESULT", 2), ("PROCESS_SERVICE_CHECK_RESULT", 3)])
def test_return_codes_a_core_would_change_are_refused(name: str, most: int) -> None:
    row = CATALOGUE[name]
    assert b";%d;" % most in encode(row, good_values(row, return_code=most), 1, None, NAGIOS)
    with pytest.raises(InvalidField):
        encode(row, good_values(row, return_code=most + 1), 1, None, NAGIOS)


def test_an_entry_whose_core_id_is_unknown_is_not_written() -> None:
    row = CATALOGUE["DEL_HOST_DOWNTIME"]
    assert encode(row, {"entry": 2**33}, 7, 5, NAGIOS) == b"[7] DEL_HOST_DOWNTIME;5\n"
    with pytest.raises(InvalidField):
        encode(row, {"entry": 2**33}, 7, None, NAGIOS)


@pytest.mark.parametrize("end", ["x", "é", "€", "😀", " ", "€ "])
@pytest.mark.parametrize("size", [3999, 4000, 4001])
def test_lines_around_the_limit(end: str, size: int) -> None:
    """The limit counts bytes as written: trailing blanks are not, and no character is ever cut in two."""
    row = CATALOGUE["ADD_HOST_COMMENT"]
    frame = len(encode(row, good_values(row, comment="x"), 1795476292, None, NAGIOS)) - 1
    body = end.rstrip(" ").encode()
    comment = "x" * (size - frame - len(body)) + end
    values = good_values(row, comment=comment)
    if size > LINE_LIMIT:
        with pytest.raises(InvalidField) as refused:
            encode(row, values, 1795476292, None, NAGIOS)
        assert refused.value.facts["field"] == "comment"
        assert refused.value.facts["bytes"] == size
    else:
        line = encode(row, values, 1795476292, None, NAGIOS)
        assert len(line) == size
        assert core_reads(line, row, NAGIOS)[0][-1] == comment.rstrip(" ")


def test_the_longest_line_fits_one_write_with_its_marks() -> None:
    marks = encode_mark("B", "0" * 16, 2**32) + encode_mark("E", "0" * 16, 2**32)
    assert LINE_LIMIT + len(marks) <= WRITE_LIMIT
    assert len(marks) <= 96


def test_semicolons_in_comments() -> None:
    downtime, comment = CATALOGUE["SCHEDULE_HOST_DOWNTIME"], CATALOGUE["ADD_HOST_COMMENT"]
    assert stored_comment("a;b; ", downtime, NAGIOS) == "a,b,"
    assert stored_comment("a;b; ", downtime, NAEMON) == "a;b;"
    assert stored_comment("a;b", comment, NAGIOS) == "a;b"
    assert encode(downtime, good_values(downtime, comment="a;b"), 1, None, NAGIOS).endswith(b";a,b\n")
    assert encode(downtime, good_values(downtime, comment="a;b"), 1, None, ICINGA2).endswith(b";a;b\n")


def test_plugin_output_is_escaped_only_where_the_core_turns_it_back() -> None:
    row = CATALOGUE["PROCESS_SERVICE_CHECK_RESULT"]
    values = good_values(row, output="C:\\new|a=1;2\nsecond")
    assert encode(row, values, 1, None, NAGIOS).endswith(b";2;C:\\\\new|a=1;2\\nsecond\n")
    with pytest.raises(InvalidField):
        encode(row, values, 1, None, ICINGA2)
    assert encode(row, values | {"output": "C:\\new"}, 1, None, ICINGA2).endswith(b";2;C:\\new\n")


def test_the_echo_is_what_the_core_logs() -> None:
    """EXTERNAL COMMAND lines as Nagios 4.4.6 and Icinga 2.13.6 wrote them."""
    line = b"[1795476292] ADD_HOST_COMMENT;h1;1;a;[x] c1\n"
    assert echo_text(line, NAGIOS) == b"ADD_HOST_COMMENT;h1;1;a;[x] c1"
    assert echo_text(line, ICINGA2) == b"[1795476292] ADD_HOST_COMMENT;h1;1;a;[x] c1"


def test_marks() -> None:
    assert encode_mark("B", "abc", 5) == b"[5] _SIGNALBOX_Babc\n"
    assert encode_mark("E", "abc", 5, echoed=False) == b"[5] SIGNALBOX_Eabc\n"
