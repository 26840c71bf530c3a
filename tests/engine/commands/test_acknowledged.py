"""What a log tells of acknowledgements, and where it tells nothing, nothing is taken for granted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.commands.acknowledged import Asked, Stood, asked_in, stood
from engine.formats.logentry import EntryType, LogEntry, parse_entry

AT = 1_700_000_000
STICKY = Asked(AT, "web", "Ping", True, False, True, 0, "rita", "on it")
NORMAL = STICKY._replace(sticky=False)
UNTIL = STICKY._replace(service="", expires=AT + 500)


def command(name: str, text: str) -> LogEntry:
    return LogEntry(AT, EntryType.EXTERNAL_COMMAND, command=name, text=text)


def line(after: int, text: str) -> LogEntry:
    entry = parse_entry(f"[{AT + after}] {text}".encode())
    assert entry is not None
    return entry


def alert(after: int, state: str) -> LogEntry:
    return line(after, f"SERVICE ALERT: web;Ping;{state};HARD;3;words")


@pytest.mark.parametrize(
    ("name", "text", "asked"),
    [
        ("ACKNOWLEDGE_SVC_PROBLEM", "web;Ping;2;0;1;rita;on it", STICKY),
        ("ACKNOWLEDGE_SVC_PROBLEM", "web;Ping;1;1;0;rita;a;b", NORMAL._replace(notify=True, persistent=False, comment="a;b")),
        ("ACKNOWLEDGE_HOST_PROBLEM", "web;0;0;1;rita;on it", NORMAL._replace(service="")),
        ("ACKNOWLEDGE_HOST_PROBLEM_EXPIRE", "web;2;0;1;1700000500;rita;on it", UNTIL),
        ("ACKNOWLEDGE_SVC_PROBLEM", "web;Ping;2;0;1;rita", None),
        ("ACKNOWLEDGE_SVC_PROBLEM", "web;Ping;x;0;1;rita;on it", None),
        ("ACKNOWLEDGE_SVC_PROBLEM", "", None),
        ("REMOVE_SVC_ACKNOWLEDGEMENT", "web;Ping;2;0;1;rita;on it", None),
    ],
)  # fmt: skip
def test_a_command_is_read_as_its_core_reads_it(name: str, text: str, asked: Asked | None) -> None:
    assert asked_in(command(name, text)) == asked


@given(st.text(), st.sampled_from(["ACKNOWLEDGE_SVC_PROBLEM", "ACKNOWLEDGE_HOST_PROBLEM_EXPIRE"]))
def test_any_text_is_a_command_or_none(text: str, name: str) -> None:
    asked = asked_in(command(name, text))
    assert asked is None or text.startswith(asked.host)


REMOVED = command("REMOVE_SVC_ACKNOWLEDGEMENT", "web;Ping")._replace(at=AT + 9)
AGAIN = command("ACKNOWLEDGE_SVC_PROBLEM", "web;Ping;2;0;1;bob;mine")._replace(at=AT + 8)


@pytest.mark.parametrize(
    ("asked", "before", "later", "expected"),
    [
        (STICKY, 2, [], Stood(2, None)),
        (STICKY, 2, [alert(5, "OK")], Stood(2, AT + 5)),
        (STICKY, 2, [alert(5, "WARNING"), alert(7, "OK")], Stood(2, AT + 7)),
        (NORMAL, 2, [alert(3, "CRITICAL"), alert(5, "WARNING"), alert(7, "OK")], Stood(2, AT + 5)),
        (STICKY, 2, [REMOVED, alert(20, "OK")], Stood(2, AT + 9)),
        (STICKY, 2, [AGAIN, REMOVED], Stood(2, AT + 8)),
        (STICKY, 2, [line(6, "CURRENT SERVICE STATE: web;Ping;OK;HARD;1;fine")], Stood(2, AT + 6)),
        (STICKY._replace(expires=AT + 4), 2, [alert(9, "OK")], Stood(2, AT + 4)),
        (STICKY._replace(expires=AT + 40), 2, [alert(9, "OK")], Stood(2, AT + 9)),
        (STICKY, 0, [alert(5, "CRITICAL"), alert(7, "OK")], None),
        (STICKY, None, [alert(5, "CRITICAL"), alert(7, "OK")], None),
        (STICKY, None, [], None),
    ],
)
def test_what_ends_one(asked: Asked, before: int | None, later: list[LogEntry], expected: Stood | None) -> None:
    """Recovery, a removal, another one; of one that is not sticky any other state; nothing where no problem is known."""
    assert stood(asked, before, later) == expected


def test_a_core_that_takes_no_second_one_keeps_the_first() -> None:
    assert stood(STICKY, 2, [AGAIN, REMOVED], replaces=False) == Stood(2, AT + 9)


def test_that_contacts_were_told_shows_that_it_took_effect() -> None:
    """No line tells the state before; the notification does, if it is this one's."""
    told = "SERVICE NOTIFICATION: joe;web;Ping;ACKNOWLEDGEMENT (CRITICAL);notify;words;rita;on it"
    assert stood(STICKY, None, [line(0, told), alert(7, "OK")]) == Stood(2, AT + 7)
    assert stood(STICKY, None, [line(60, told), alert(70, "OK")]) is None
