"""What rows of the catalogue are made of: fields, reasons and the kinds of core, each said once. Pure.

Field order is the order on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.commands.row import ALL, Effect, Field, FieldType, Members, Row, Sign, Subject
from engine.model import CoreKind

NAGIOS, NAEMON, ICINGA1, ICINGA2, CENTREON = CoreKind
NOT_ICINGA2 = ALL - {ICINGA2}

# --- fields -----------------------------------------------------------------------------------------------------------------

HOST = Field("host", FieldType.HOST, "name of the host")
H = (HOST,)
S = (HOST, Field("service", FieldType.SERVICE, "description of the service"))
SUBJECTS: dict[Subject, tuple[Field, ...]] = {
    Subject.HOST: H,
    Subject.SERVICE: S,
    Subject.HOSTGROUP: (Field("hostgroup", FieldType.HOSTGROUP, "name of the hostgroup"),),
    Subject.SERVICEGROUP: (Field("servicegroup", FieldType.SERVICEGROUP, "name of the servicegroup"),),
    Subject.CONTACT: (Field("contact", FieldType.CONTACT, "name of the contact"),),
    Subject.CONTACTGROUP: (Field("contactgroup", FieldType.CONTACTGROUP, "name of the contactgroup"),),
    Subject.GLOBAL: (),
}
START = Field("start", FieldType.TIME, "when it begins", "now")
WINDOW = (
    START,
    Field("end", FieldType.TIME, "when it ends"),
    Field("fixed", FieldType.BOOL, "true: from start to end; false: begins with the first problem in the window", True),
    Field("trigger", FieldType.TRIGGER, "public id of the downtime that starts this one, 0 for none", 0),
    Field("duration", FieldType.SPAN, "of a flexible one, once it has begun", 0),
)
AUTHOR = Field("author", FieldType.AUTHOR, "on whose behalf; admins only, otherwise your account's")
SIGNED = (AUTHOR, Field("comment", FieldType.TEXT, "why"))
ACK = (
    Field("sticky", FieldType.STICKY, "true: until recovery; false: until the next change of state", True),
    Field("notify", FieldType.BOOL, "tell the contacts", True),
    Field("persistent", FieldType.BOOL, "the comment outlives the acknowledgement", False),
)
EXPIRE = (Field("expire", FieldType.TIME, "when the acknowledgement ends"),)
ENTRY = (Field("entry", FieldType.ENTRY, "public id of what is to be deleted"),)
AT = (Field("at", FieldType.TIME, "when", "now"),)
RESULT = (
    Field("return_code", FieldType.CODE, "0 to 2 of a host (0 or 1 on Icinga 2), 0 to 3 of a service"),
    Field("output", FieldType.OUTPUT, "plugin output; performance data behind `|`"),
)
PERSISTENT = (Field("persistent", FieldType.BOOL, "it stays when the core is restarted", True),)
VALUE = (
    Field("variable", FieldType.VARIABLE, "name of a custom variable the object has, without the underscore"),
    Field("value", FieldType.WORD, "its new value"),
)
PERIOD = (Field("timeperiod", FieldType.TIMEPERIOD, "name of a timeperiod"),)
MASK = (Field("mask", FieldType.UINT, "sum of the bits of what counts as modified"),)
COMMAND = (Field("command", FieldType.WORD, "name of a command, arguments behind `!`"),)
WHEN = (Field("at", FieldType.TIME, "when; absent: at once", optional=True, kinds=ALL - {NAEMON, ICINGA2}),)
FILTER = (
    Field("start", FieldType.TIME, "only what begins at exactly that second", optional=True),
    Field("comment", FieldType.TEXT, "only what has exactly this comment", optional=True),
)

# --- reasons ----------------------------------------------------------------------------------------------------------------

REFUSED = dict.fromkeys(
    (NAGIOS, NAEMON, CENTREON), "the core was built to refuse it: it would let a writer of the command file run programs"
)
NO_VARIABLES = {ICINGA2: "Icinga 2 writes no custom variables into its status file"}

MACROS = "custom variables reach command lines through macros"
PROGRAMS = "it says which program the core runs"
BLIND = "it stops part of the monitoring on the whole core"
WIDE = "it can delete many downtimes at once"
BITS = "it changes what the core saves, not what it does"
PROCESS = "it ends or restarts the core"
STATE = "it puts saved state over the live one"

Rows = Iterable[Row]


def row(name: str, subject: Subject, effect: Effect, *more: Field, **rest: Any) -> Row:
    """Idempotent and known to every kind of core unless it says otherwise."""
    known: dict[str, Any] = {"kinds": ALL, "idempotent": True} | rest
    return Row(name, SUBJECTS[subject] + more, effect, subject=subject, **known)


def both(host: str, service: str, effect: Effect, *more: Field, **rest: Any) -> Rows:
    """The same for a host and for a service."""
    yield row(host, Subject.HOST, effect, *more, **rest)
    yield row(service, Subject.SERVICE, effect, *more, **rest)


def program_row(name: str, key: str, value: object, *more: Field, **rest: Any) -> Row:
    """A feature or attribute of a whole core."""
    return row(name, Subject.GLOBAL, Effect.PROGRAM, *more, signs=(Sign(key, value),), on=Members.NOBODY, **rest)
