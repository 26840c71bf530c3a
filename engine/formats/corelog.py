"""Lines of a core's log as values: what was commanded, what was refused, what changed, and when the core started.

What belongs here: the classic log (`[epoch] text`) of Nagios, Naemon, Icinga 1, Centreon Engine and Icinga 2's compat log, and
Icinga 2's own main log (`[2026-01-31 12:00:00 +0000] severity/Facility: text`). Pure; one line in, one value out.
Rules: only a known beginning makes a line mean something. The end of a line is whatever somebody submitted, so nothing is ever
searched for *inside* a text, and an `EXTERNAL COMMAND:` line is never a state, whatever it quotes.

Source for every form of line: docs of the cores' behaviour, tests/golden/*/*.log (recorded).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from enum import Enum

import msgspec

from engine.formats.text import text_of


class LogKind(Enum):
    """What a line of the log is about."""

    EXTERNAL_COMMAND = "external_command"
    COMMAND_ERROR = "command_error"
    START = "start"
    STOP = "stop"  # the core has saved what it keeps and ends, or starts anew at once
    HOST_ALERT = "host_alert"
    SERVICE_ALERT = "service_alert"
    HOST_DOWNTIME = "host_downtime"
    SERVICE_DOWNTIME = "service_downtime"
    HOST_FLAPPING = "host_flapping"
    SERVICE_FLAPPING = "service_flapping"
    HOST_NOTIFICATION = "host_notification"
    SERVICE_NOTIFICATION = "service_notification"
    HOST_PASSIVE = "host_passive"
    SERVICE_PASSIVE = "service_passive"
    OTHER = "other"


class LogLine(msgspec.Struct, frozen=True):
    """One line. `at` is the epoch second it shows (not monotone: rotation stamps its first lines with the rotation's time).

    `text` is what stands behind the time (Icinga 2 main log: behind `severity/Facility: `); of an EXTERNAL_COMMAND what stands
    behind `EXTERNAL COMMAND: `, in Icinga 2's main log the raw line as it was written to the command file.
    """

    at: int
    kind: LogKind
    text: bytes


class StateEvent(msgspec.Struct, frozen=True):
    """What an alert, downtime, flapping, notification or passive line says of one object.

    Alerts carry `state`, `state_type` (0 soft, 1 hard) and `attempt`; downtime and flapping lines carry `word`: STARTED,
    STOPPED, CANCELLED or DISABLED. `output` is the plugin's first line, or the core's sentence. Notifications carry `contact`,
    as `word` their reason (`CRITICAL`, `ACKNOWLEDGEMENT (DOWN)`), as `output` whatever stands behind the command's name.
    Passive lines carry nothing but that a result came in: Nagios 4.4.6 prints the state and output *before* it (cores.md 3.3).
    """

    at: int
    kind: LogKind
    host: str
    service: str | None
    state: int | None
    state_type: int | None
    attempt: int | None
    output: str
    word: str
    contact: str = ""


# --- the classic log ----------------------------------------------------------------------------------------------------------

_CLASSIC = re.compile(rb"\[(\d{1,12})\] (?:\[\d{1,9}\] )?(.*)", re.DOTALL)
_COMMAND = b"EXTERNAL COMMAND: "
_PREFIXES = (
    (b"HOST ALERT: ", LogKind.HOST_ALERT),
    (b"SERVICE ALERT: ", LogKind.SERVICE_ALERT),
    (b"HOST DOWNTIME ALERT: ", LogKind.HOST_DOWNTIME),
    (b"SERVICE DOWNTIME ALERT: ", LogKind.SERVICE_DOWNTIME),
    (b"HOST FLAPPING ALERT: ", LogKind.HOST_FLAPPING),
    (b"SERVICE FLAPPING ALERT: ", LogKind.SERVICE_FLAPPING),
    (b"HOST NOTIFICATION: ", LogKind.HOST_NOTIFICATION),
    (b"SERVICE NOTIFICATION: ", LogKind.SERVICE_NOTIFICATION),
    (b"PASSIVE HOST CHECK: ", LogKind.HOST_PASSIVE),
    (b"PASSIVE SERVICE CHECK: ", LogKind.SERVICE_PASSIVE),
    (b"Warning: Unrecognized external command -> ", LogKind.COMMAND_ERROR),
    (b"Error: External command failed", LogKind.COMMAND_ERROR),
    (b"Error: Failed to ", LogKind.COMMAND_ERROR),
    (b"External command error: ", LogKind.COMMAND_ERROR),
    (b"Warning: External command parse error", LogKind.COMMAND_ERROR),
    (b"Info: External command blocked by broker module", LogKind.COMMAND_ERROR),
    (b"unknown host: ", LogKind.COMMAND_ERROR),
    (b"unknown service: ", LogKind.COMMAND_ERROR),
    (b"unknown host group: ", LogKind.COMMAND_ERROR),
    (b"unknown service group: ", LogKind.COMMAND_ERROR),
)
_PREFIX = re.compile(b"|".join(re.escape(prefix) for prefix, _ in _PREFIXES))
_KINDS = dict(_PREFIXES)
# (beginning, end): between them stands what somebody submitted.
# `Warning:  Passive check result was received for service 'S' on host 'H', but the service could not be found!`
# `External command [epoch] NAME;args returned error Command failed` (Nagios ≥ 4.4.4)
# `Error: Could not find host 'h' provided in external command!` (Icinga 1)
_FRAMES = (
    (b"Warning:  Passive ", (b"could not be found!",)),
    (
        b"External command ",
        (b"returned error Command failed", b"returned error Malformed command", b"returned error Unknown or unsupported command"),
    ),
    (b"Error: Could not find ", (b" provided in external command!",)),
)
# `Nagios 4.4.6 starting... (PID=7)`, `Icinga 2 r2.13.6-1 starting...`, `Caught SIGHUP, restarting...`
_START = re.compile(
    rb"(?:(?:Nagios|Naemon|Icinga|Centreon)[^;]{0,80} starting\.\.\.(?: \(PID=\d+\))?"
    rb"|Caught SIGHUP, restarting\.\.\."
    rb"|PROGRAM_RESTART event encountered, restarting\.\.\.)\s*\Z"
)
# `Successfully shutdown... (PID=7)` comes when the retention file is written; a reload and a restart by command write it, too.
_STOP = re.compile(
    rb"(?:Successfully shutdown\.\.\.(?: \(PID=\d+\))?|Caught SIGHUP, restarting\.\.\."
    rb"|PROGRAM_RESTART event encountered, restarting\.\.\.)\s*\Z"
)


# How lines of some meaning begin: two bytes tell most others apart, passive results' own above all.
_KNOWN_STARTS = frozenset(
    word[:2]
    for word in (
        *(prefix for prefix, _ in _PREFIXES),
        *(beginning for beginning, _ in _FRAMES),
        *(b"Nagios", b"Naemon", b"Icinga", b"Centreon", b"Caught", b"PROGRAM", b"Successfully"),
    )
)


def is_announced(line: LogLine) -> bool:
    """Does this line say that the core ends or starts anew in good order, with all it keeps saved?"""
    return line.kind is LogKind.STOP or (line.kind is LogKind.START and _STOP.match(line.text) is not None)


def without_passive(raws: Iterable[bytes]) -> list[bytes]:
    """All but the lines that a core logs of passive results when it takes them from its queue: they prove nothing."""
    return [raw for raw in raws if raw[11:21] != b"] PASSIVE "]


def parse_line(raw: bytes) -> LogLine | None:
    """One line of the classic log, given without its newline; None when it is not one."""
    found = _CLASSIC.match(raw)
    if found is None:
        return None
    at, text = int(found[1]), found[2]
    if text.startswith(_COMMAND):
        return LogLine(at, LogKind.EXTERNAL_COMMAND, text[len(_COMMAND) :])
    return LogLine(at, _kind(text), text)


def _kind(text: bytes) -> LogKind:
    if text[:2] not in _KNOWN_STARTS:
        return LogKind.OTHER
    known = _PREFIX.match(text)
    if known is not None:
        return _KINDS[known[0]]
    for beginning, ends in _FRAMES:
        if text.startswith(beginning) and text.rstrip().endswith(ends):
            return LogKind.COMMAND_ERROR
    if _START.match(text):
        return LogKind.START
    return LogKind.STOP if _STOP.match(text) else LogKind.OTHER


# --- Icinga 2's main log --------------------------------------------------------------------------------------------------------

_ICINGA2 = re.compile(rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})\] ([a-z]+)/([A-Za-z0-9_.:-]+): (.*)", re.DOTALL)
_ICINGA2_COMMAND = b"Executing external command: "
_LISTENER = b"ExternalCommandListener"
_STARTERS = (b"FileLogger", _LISTENER)
_ICINGA2_STOPS = (b"Shutting down...", b"Got reload command: Starting new instance.", b"Got reload command: Started new instance.")


def parse_icinga2_line(raw: bytes) -> LogLine | None:
    """One line of Icinga 2's main log, given without its newline; None for continuation lines and anything else."""
    found = _ICINGA2.match(raw)
    if found is None:
        return None
    at = _epoch(found[1])
    if at is None:
        return None
    severity, facility, text = found[2], found[3], found[4]
    if facility == _LISTENER and text.startswith(_ICINGA2_COMMAND):
        return LogLine(at, LogKind.EXTERNAL_COMMAND, text[len(_ICINGA2_COMMAND) :])
    return LogLine(at, _icinga2_kind(severity, facility, text), text)


def _icinga2_kind(severity: bytes, facility: bytes, text: bytes) -> LogKind:
    """Every start of Icinga 2's worker (start, reload, RESTART_PROCESS) begins with its loggers and the command listener.

    Source: Icinga 2.13.6; at severity `warning` only the listener's DEPRECATED line tells (it is no refusal, though it looks
    like one). tests/golden/icinga2-2.13.6/icinga2.log.
    """
    if facility == _LISTENER and severity == b"warning" and text.startswith(b"External command failed: "):
        return LogKind.COMMAND_ERROR
    if facility in _STARTERS and text.startswith(b"'") and text.endswith(b"' started."):
        return LogKind.START
    if facility == _LISTENER and text.startswith(b"This feature is DEPRECATED"):
        return LogKind.START
    if facility == b"Application" and text in _ICINGA2_STOPS:
        return LogKind.STOP
    return LogKind.OTHER


def _epoch(words: bytes) -> int | None:
    try:
        return int(datetime.strptime(words.decode("ascii"), "%Y-%m-%d %H:%M:%S %z").timestamp())
    except (ValueError, OverflowError):
        return None


# --- what a line says of an object ----------------------------------------------------------------------------------------------

_STATES = {
    LogKind.HOST_ALERT: {b"UP": 0, b"DOWN": 1, b"UNREACHABLE": 2},
    LogKind.SERVICE_ALERT: {b"OK": 0, b"WARNING": 1, b"CRITICAL": 2, b"UNKNOWN": 3},
}
_TYPES = {b"SOFT": 0, b"HARD": 1}
_WORDS = (b"STARTED", b"STOPPED", b"CANCELLED", b"DISABLED")
_OF_HOSTS = (LogKind.HOST_ALERT, LogKind.HOST_DOWNTIME, LogKind.HOST_FLAPPING, LogKind.HOST_PASSIVE)
_OF_SERVICES = (LogKind.SERVICE_ALERT, LogKind.SERVICE_DOWNTIME, LogKind.SERVICE_FLAPPING, LogKind.SERVICE_PASSIVE)
_PASSIVE = (LogKind.HOST_PASSIVE, LogKind.SERVICE_PASSIVE)


def state_event(line: LogLine) -> StateEvent | None:
    """What a line says of an object; None for lines that say nothing of one, or nothing intelligible."""
    if line.kind in (LogKind.HOST_NOTIFICATION, LogKind.SERVICE_NOTIFICATION):
        return _notification(line)
    if line.kind in _OF_HOSTS:
        names = 1
    elif line.kind in _OF_SERVICES:
        names = 2
    else:
        return None
    fields = line.text.split(b": ", 1)[1].split(b";")
    if len(fields) <= names:
        return None
    host, service = text_of(fields[0]), text_of(fields[1]) if names == 2 else None
    rest = fields[names:]
    if line.kind in _PASSIVE:
        return StateEvent(line.at, line.kind, host, service, None, None, None, "", "")
    return _alert(line, host, service, rest) if line.kind in _STATES else _passage(line, host, service, rest)


def _notification(line: LogLine) -> StateEvent | None:
    """`contact;host[;service];CRITICAL;command;output`, where the output may hold more semicolons."""
    names = 2 if line.kind is LogKind.HOST_NOTIFICATION else 3
    fields = line.text.split(b": ", 1)[1].split(b";")
    if len(fields) < names + 2 or not fields[names]:
        return None
    host, service = text_of(fields[1]), text_of(fields[2]) if names == 3 else None
    word, output = text_of(fields[names]), text_of(b";".join(fields[names + 2 :]))
    return StateEvent(line.at, line.kind, host, service, None, None, None, output, word, text_of(fields[0]))


def _alert(line: LogLine, host: str, service: str | None, fields: list[bytes]) -> StateEvent | None:
    """`DOWN;HARD;3;output`, where the output may hold more semicolons."""
    if len(fields) < 3 or not fields[2].isdigit() or len(fields[2]) > 9:
        return None
    state, state_type = _STATES[line.kind].get(fields[0]), _TYPES.get(fields[1])
    if state is None or state_type is None:
        return None
    output = text_of(b";".join(fields[3:]))
    return StateEvent(line.at, line.kind, host, service, state, state_type, int(fields[2]), output, "")


def _passage(line: LogLine, host: str, service: str | None, fields: list[bytes]) -> StateEvent | None:
    """`STARTED; Host has entered a period of scheduled downtime`."""
    if fields[0] not in _WORDS:
        return None
    sentence = text_of(b";".join(fields[1:])).strip()
    return StateEvent(line.at, line.kind, host, service, None, None, None, sentence, fields[0].decode("ascii"))
