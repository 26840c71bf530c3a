"""A line of the classic log as an entry of the history: what happened to which object, when, and what the core said. Pure.

Every core's classic log (Icinga 2: its compat log). What only drowns the rest has no entry: results of passive checks, the
commands that brought them, our own marks. Fields end at semicolons; the last one is whatever a plugin or a person wrote.

Source for every form of line: tests/golden/*/core.log, cores.md 6.1; Icinga 2.13.6 lib/compat/compatlogger.cpp.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Any, NamedTuple

from engine.formats.text import text_of


class EntryType(IntEnum):
    """What an entry is about. The numbers are stored: never give one another meaning."""

    ALERT = 1
    NOTIFICATION = 2
    DOWNTIME = 3
    FLAPPING = 4
    EVENT_HANDLER = 5
    CURRENT_STATE = 6  # a snapshot at the log's rotation: nothing happened
    INITIAL_STATE = 7  # a snapshot at the core's start
    PROGRAM = 8
    EXTERNAL_COMMAND = 9


class LogEntry(NamedTuple):
    """One line. `host` and `service` are "" where it is about none; None: the line does not say.

    `word`: of downtime and flapping STARTED, STOPPED, CANCELLED, DISABLED; of notifications PROBLEM, RECOVERY, ACKNOWLEDGEMENT,
    CUSTOM, DOWNTIMESTART, FLAPPINGSTOP … or SUPPRESSED (Naemon); of the program START, RESTART, STOP. `command` is a notification's
    or event handler's command, or the external command's name, whose arguments are `text`. `text` of a notification
    may end with `;author;comment`, as the core wrote it.
    """

    at: int
    type: EntryType
    host: str = ""
    service: str = ""
    state: int | None = None
    state_type: int | None = None
    attempt: int | None = None
    word: str = ""
    contact: str = ""
    command: str = ""
    text: str = ""


_LINE = re.compile(rb"\[(\d{1,12})\] (?:\[\d{1,9}\] )?(.*)", re.DOTALL)
_LONGEST_HEAD = 32  # bytes before the first `: ` of a line with an entry

_STATES = (
    {b"UP": 0, b"DOWN": 1, b"UNREACHABLE": 2},
    {b"OK": 0, b"WARNING": 1, b"CRITICAL": 2, b"UNKNOWN": 3},
)
_TYPES = {b"SOFT": 0, b"HARD": 1}
_NOTIFIED = re.compile(rb"([A-Z]+)(?: \(([A-Z]+)\))?")
_BULK = (b"PROCESS_SERVICE_CHECK_RESULT;", b"PROCESS_HOST_CHECK_RESULT;")
_COMMAND = re.compile(rb"([A-Z][A-Z0-9_]*)(?:;(.*))?", re.DOTALL)
_PROGRAM = re.compile(
    rb"(?P<START>(?:Nagios|Naemon|Icinga|Centreon)[^;]{0,80} starting\.\.\.(?: \(PID=\d+\))?)\s*\Z"
    rb"|(?P<RESTART>Caught SIGHUP, restarting\.\.\.|PROGRAM_RESTART event encountered, restarting\.\.\.)\s*\Z"
    rb"|(?P<STOP>Successfully shutdown\.\.\. ?(?:\(PID=\d+\))?|(?:Icinga 2|Centreon)[^;]{0,80} shutting down\.\.\.)\s*\Z"
)


def parse_entry(raw: bytes) -> LogEntry | None:
    """One line, given without its newline; None for one that makes no entry."""
    found = _LINE.match(raw)
    if found is None:
        return None
    at, text = int(found[1]), found[2]
    head, _, _ = text[: _LONGEST_HEAD + 2].partition(b": ")
    rest = text[len(head) + 2 :]
    if head == b"EXTERNAL COMMAND":
        return _external_command(at, rest)
    form = _FORMS.get(head)
    if form is None:
        return _program(at, text)
    kind, is_service, read = form
    count = 2 if is_service else 1
    if read is _read_notification:
        contact, _, rest = rest.partition(b";")
    else:
        contact = b""
    fields = rest.split(b";", count)
    if len(fields) <= count:
        return None
    host, service = text_of(fields[0]), text_of(fields[1]) if is_service else ""
    more = read(fields[count], _STATES[is_service])
    return None if more is None else LogEntry(at, kind, host, service, contact=text_of(contact), **more)


def _program(at: int, text: bytes) -> LogEntry | None:
    found = _PROGRAM.match(text)
    return None if found is None else LogEntry(at, EntryType.PROGRAM, word=found.lastgroup or "", text=text_of(text).rstrip())


def _external_command(at: int, text: bytes) -> LogEntry | None:
    if text.startswith(_BULK):
        return None
    found = _COMMAND.fullmatch(text)
    if found is None:
        return None
    return LogEntry(at, EntryType.EXTERNAL_COMMAND, command=found[1].decode("ascii"), text=text_of(found[2] or b""))


# --- what follows the names -----------------------------------------------------------------------------------------------------


def _read_checked(text: bytes, states: dict[bytes, int]) -> dict[str, Any] | None:
    """`DOWN;HARD;3;output`."""
    fields = text.split(b";", 3)
    if len(fields) < 3 or fields[0] not in states or fields[1] not in _TYPES or not fields[2].isdigit() or len(fields[2]) > 9:
        return None
    shown = text_of(fields[3]) if len(fields) == 4 else ""
    return {"state": states[fields[0]], "state_type": _TYPES[fields[1]], "attempt": int(fields[2]), "text": shown}


def _read_event_handler(text: bytes, states: dict[bytes, int]) -> dict[str, Any] | None:
    """`DOWN;HARD;3;command`."""
    checked = _read_checked(text, states)
    return None if checked is None else checked | {"command": checked["text"], "text": ""}


def _read_notification(text: bytes, states: dict[bytes, int]) -> dict[str, Any] | None:
    """`DOWN;command;output` or `ACKNOWLEDGEMENT (DOWN);command;output;author;comment`, the contact and the names taken off."""
    fields = text.split(b";", 2)
    found = _NOTIFIED.fullmatch(fields[0])
    if len(fields) < 2 or found is None:
        return None
    state = states.get(found[2] if found[2] is not None else found[1])
    word = found[1].decode("ascii") if found[1] not in states else "PROBLEM" if state else "RECOVERY"
    return {"state": state, "word": word, "command": text_of(fields[1]), "text": text_of(fields[2]) if len(fields) == 3 else ""}


def _read_suppressed(text: bytes, states: dict[bytes, int]) -> dict[str, Any] | None:
    """Naemon: why nobody was told."""
    return {"word": "SUPPRESSED", "text": text_of(text)}


def _read_passage(text: bytes, states: dict[bytes, int]) -> dict[str, Any] | None:
    """`STARTED; Host has entered a period of scheduled downtime`."""
    word, _, sentence = text.partition(b";")
    if word not in (b"STARTED", b"STOPPED", b"CANCELLED", b"DISABLED"):
        return None
    return {"word": word.decode("ascii"), "text": text_of(sentence).strip()}


_READ = {
    b"{} ALERT": (EntryType.ALERT, _read_checked),
    b"{} NOTIFICATION": (EntryType.NOTIFICATION, _read_notification),
    b"{} NOTIFICATION SUPPRESSED": (EntryType.NOTIFICATION, _read_suppressed),
    b"{} DOWNTIME ALERT": (EntryType.DOWNTIME, _read_passage),
    b"{} FLAPPING ALERT": (EntryType.FLAPPING, _read_passage),
    b"{} EVENT HANDLER": (EntryType.EVENT_HANDLER, _read_event_handler),
    b"GLOBAL {} EVENT HANDLER": (EntryType.EVENT_HANDLER, _read_event_handler),
    b"CURRENT {} STATE": (EntryType.CURRENT_STATE, _read_checked),
    b"INITIAL {} STATE": (EntryType.INITIAL_STATE, _read_checked),
}
_FORMS = {
    head.replace(b"{}", (b"HOST", b"SERVICE")[is_service]): (kind, is_service, read)
    for head, (kind, read) in _READ.items()
    for is_service in (False, True)
}
