"""What a log alone tells of acknowledgements: who asked, whether it took effect, and what ended it. Pure.

A core logs the command, not what it did. But it acknowledges what is in trouble and nothing else, and drops that by rules: so where
the log says in which state the object was, it says the rest, too. Where it does not, nothing is taken for granted.

**Source**: Nagios 4.4.6 base/commands.c (`acknowledge_host_problem` takes nothing that is UP, `acknowledge_service_problem` nothing
that is OK) and base/checks.c (one that is not sticky ends with any change of the state, a sticky one with UP or OK); Icinga 2.13.6
lib/icinga/externalcommandprocessor.cpp and checkable-check.cpp; tests/golden/*/core.log.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from engine.formats.logentry import EntryType, LogEntry

# Their arguments: host;[service;]sticky;notify;persistent;[expire;]author;comment.
COMMANDS = {
    "ACKNOWLEDGE_HOST_PROBLEM": (False, False),
    "ACKNOWLEDGE_SVC_PROBLEM": (True, False),
    "ACKNOWLEDGE_HOST_PROBLEM_EXPIRE": (False, True),
    "ACKNOWLEDGE_SVC_PROBLEM_EXPIRE": (True, True),
}
REMOVALS = ("REMOVE_HOST_ACKNOWLEDGEMENT", "REMOVE_SVC_ACKNOWLEDGEMENT")
STATES = (EntryType.ALERT, EntryType.CURRENT_STATE, EntryType.INITIAL_STATE)
_STICKY = 2  # any other number is not


class Asked(NamedTuple):
    """An acknowledgement as a command asked for it, at the second the core logged it. `expires`: 0 for never."""

    at: int
    host: str
    service: str
    sticky: bool
    notify: bool
    persistent: bool
    expires: int
    author: str
    comment: str


class Stood(NamedTuple):
    """It took effect on an object in that state. `end`: when something ended it, None where the log tells of nothing."""

    state: int
    end: int | None


def asked_in(entry: LogEntry) -> Asked | None:
    """The acknowledgement that this line asks for, None when it asks for none."""
    form = COMMANDS.get(entry.command) if entry.type is EntryType.EXTERNAL_COMMAND else None
    if form is None:
        return None
    is_service, expires = form
    names = 2 if is_service else 1
    fields = entry.text.split(";", names + 4 + expires)
    numbers = fields[names : names + 3 + expires]
    if len(fields) != names + 5 + expires or not all(text.isascii() and text.isdigit() and len(text) < 12 for text in numbers):
        return None
    sticky, notify, persistent, *until = map(int, numbers)
    flags = sticky == _STICKY, notify > 0, persistent > 0
    return Asked(entry.at, fields[0], fields[1] if is_service else "", *flags, until[0] if until else 0, fields[-2], fields[-1])


def stood(asked: Asked, before: int | None, later: Iterable[LogEntry], *, replaces: bool = True) -> Stood | None:
    """What became of it; None when it had no effect, or when that cannot be known.

    `before`: the state that the log last told before the command, `later`: what it says of the object behind it, in order.
    `replaces`: whether the core takes another one of what is acknowledged; Icinga 2 does not.
    """
    state = before
    for entry in later:
        if state is None and _is_its_notification(asked, entry):
            state = entry.state
        if not state:
            break
        if asked.expires and entry.at >= asked.expires:
            return Stood(state, asked.expires)
        if _ends(asked, entry, state, replaces):
            return Stood(state, entry.at)
    return Stood(state, None) if state else None


def _is_its_notification(asked: Asked, entry: LogEntry) -> bool:
    return entry.type is EntryType.NOTIFICATION and entry.word == "ACKNOWLEDGEMENT" and entry.at - asked.at <= 1


def _ends(asked: Asked, entry: LogEntry, state: int, replaces: bool) -> bool:
    if entry.type in STATES:
        return entry.state == 0 or (entry.state != state and not asked.sticky)
    return entry.command in REMOVALS or (replaces and asked_in(entry) is not None)
