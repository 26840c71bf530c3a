"""THE table of external commands: one row each, from which encoding, validation, proof and documentation are made.

A new command is a new row in one of the modules put together here; it needs no function.

Source: cores.md 1.3 to 1.7 and 8.4 (Nagios base/commands.c, Naemon commands.c, Icinga 1 base/commands.c, Icinga 2
lib/icinga/externalcommandprocessor.cpp, Centreon Engine commands/processing.cc).
"""

from __future__ import annotations

import re
from itertools import chain

from msgspec.structs import replace

from engine.commands.attribute_rows import attributes, notifications
from engine.commands.entry_rows import acknowledgements, checks, comments, downtimes
from engine.commands.parts import NOT_ICINGA2, SUBJECTS
from engine.commands.process_rows import process
from engine.commands.row import Effect, Field, FieldType, FromField, Members, Recheck, Row, Sign, Subject
from engine.commands.switch_rows import group_switches, object_switches, program_switches

__all__ = [
    "CATALOGUE", "ROWS", "SWITCHES", "Effect", "Field", "FieldType", "FromField", "Members", "Recheck", "Row", "Sign", "Subject",
    "is_ours", "known_row", "row_of",
]  # fmt: skip

ROWS: tuple[Row, ...] = tuple(
    chain(
        comments(), acknowledgements(), downtimes(), checks(), object_switches(), group_switches(), notifications(),
        attributes(), program_switches(), process(),
    )
)  # fmt: skip

CATALOGUE: dict[str, Row] = {row.name: row for row in ROWS}


# Columns of the core as a whole, named as Livestatus does, where its status file has other words.
_PROGRAM_COLUMNS = {
    "active_service_checks_enabled": "execute_service_checks", "active_host_checks_enabled": "execute_host_checks",
    "passive_service_checks_enabled": "accept_passive_service_checks", "passive_host_checks_enabled": "accept_passive_host_checks",
}  # fmt: skip


def _switches() -> dict[Subject, dict[str, dict[bool, Row]]]:
    found: dict[Subject, dict[str, dict[bool, Row]]] = {}
    for row in ROWS:
        feature = _feature_of(row)
        if feature:
            found.setdefault(row.subject, {}).setdefault(feature, {})[bool(row.signs[0].value)] = row
    return found


def _feature_of(row: Row) -> str:
    """What a command switches on or off, "" for one that does something else."""
    if not re.match(r"(ENABLE|DISABLE|START|STOP)_", row.name) or len(row.signs) != 1 or row.fields != SUBJECTS[row.subject]:
        return ""
    key = row.signs[0].key
    if row.subject in (Subject.HOST, Subject.SERVICE):
        return key if row.on is Members.ITSELF else ""
    if row.subject is Subject.GLOBAL:
        return _PROGRAM_COLUMNS.get(key, key)
    return f"{row.on.value}.{key}" if row.on in (Members.HOSTS, Members.SERVICES) else ""


# What can be switched on and off: {subject: {feature: {on or off: its command}}}. A feature is a column; of a group, that of its
# hosts ("hosts.notifications_enabled") or of its services.
SWITCHES = _switches()

# A name with an underscore in front means nothing to a core: it is logged and handed to event-broker modules.
_CUSTOM = Row(
    "_",
    (Field("text", FieldType.TEXT, "whatever the module expects", optional=True),),
    Effect.UNSEEN,
    NOT_ICINGA2,
    Subject.GLOBAL,
    Members.NOBODY,
    danger="nobody but an event-broker module knows what it does",
    resend_when_absent=False,
    doc="A command of an event-broker module.",
)
_CUSTOM_NAME = re.compile(r"_[A-Z0-9_]{1,80}")
_OURS = re.compile(r"_*SIGNALBOX_", re.IGNORECASE)  # Nagios 4.4 reads names in any case


def is_ours(name: str) -> bool:
    """Is it the name of one of our marks, which prove what was executed? Nobody may send it."""
    return _OURS.match(name) is not None


def known_row(name: str) -> Row:
    """The row of a name that is in the journal. Raises KeyError."""
    row = row_of(name)
    if row is None:
        raise KeyError(name)
    return row


def row_of(name: str) -> Row | None:
    """The row of that name; custom commands (`_…`) all have one of the same form. None for names no core has, and for our marks."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    if _CUSTOM_NAME.fullmatch(name) and not is_ours(name):
        return replace(_CUSTOM, name=name)
    return None
