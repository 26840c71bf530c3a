"""What a row of the catalogue is: its fields, on whom it acts, which cores know it, why it is dangerous, what proves it.

Everything is data: a row never holds a function. The table itself stands in catalogue.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import Enum

import msgspec

from engine.model import CoreKind

ALL = frozenset(CoreKind)
LARGEST = 2**32 - 1
Version = tuple[int, ...]


class FieldType(Enum):
    """How a value is checked and written."""

    HOST = "host"  # host_name
    SERVICE = "service"  # service_description
    HOSTGROUP = "hostgroup"
    SERVICEGROUP = "servicegroup"
    CONTACT = "contact"
    CONTACTGROUP = "contactgroup"
    TIMEPERIOD = "timeperiod"
    TIME = "time"  # epoch seconds, written as an integer
    SPAN = "span"  # seconds
    BOOL = "bool"  # 0 or 1
    STICKY = "sticky"  # true → 2, false → 1
    UINT = "uint"
    NUMBER = "number"  # a decimal number
    CODE = "code"  # a plugin's return code
    ENTRY = "entry"  # a public id, turned into the core's id when the line is written
    TRIGGER = "trigger"  # the same of the downtime that starts this one; 0 = none
    VARIABLE = "variable"  # a custom variable's name, without the underscore
    WORD = "word"  # text that never holds `;`
    PATH = "path"  # of a file on the core's machine
    AUTHOR = "author"  # never holds `;`
    TEXT = "text"  # last field
    OUTPUT = "output"  # plugin output and performance data, last field


class Subject(Enum):
    """What a command names."""

    HOST = "host"
    SERVICE = "service"
    HOSTGROUP = "hostgroup"
    SERVICEGROUP = "servicegroup"
    CONTACT = "contact"
    CONTACTGROUP = "contactgroup"
    GLOBAL = "global"


OBJECTS = frozenset({Subject.HOST, Subject.SERVICE})
GROUPS = frozenset({Subject.HOSTGROUP, Subject.SERVICEGROUP})


class Members(Enum):
    """On whom a command acts, seen from its subject."""

    ITSELF = "itself"
    SERVICES = "services"  # the host's, those of the hostgroup's hosts, or the servicegroup's
    HOSTS = "hosts"  # the hostgroup's, or those of the servicegroup's services
    HOST_AND_SERVICES = "host_and_services"
    HOST_AND_CHILDREN = "host_and_children"  # and their children, down to the last
    CHILDREN_AND_SERVICES = "children_and_services"  # children of children too; not the host itself
    CONTACTS = "contacts"  # the contactgroup's
    NOBODY = "nobody"  # the core as a whole, or what the command's own words choose


class Effect(Enum):
    """What shows in the core's files that the command worked; judged in proof.py and effects.py."""

    ENTRY_CREATED = "entry_created"  # its downtimes or comments stand in the status file, one per entry
    ENTRY_GONE = "entry_gone"  # the downtime or comment is no longer there
    ACKNOWLEDGED = "acknowledged"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    CHECKED = "checked"  # every member scheduled for that time, or checked since
    RESULT_SEEN = "result_seen"  # last_check is the result's time
    SHOWN = "shown"  # the row's signs are to be read on every member
    PROGRAM = "program"  # the row's signs are to be read in the programstatus block
    COMMENTS_GONE = "comments_gone"  # no older comment of the object stands there
    DOWNTIMES_GONE = "downtimes_gone"  # no older downtime that the arguments choose stands there
    LOGGED = "logged"  # a line of the log says so
    UNSEEN = "unseen"  # nothing of it is ever written: `processed` is all there is to know


# Beside the arguments of a command for many: for whom alone it is meant, hosts and "host;service". Of a deletion of a hostgroup's
# downtimes its hosts, of a switch the objects that are switched, of a contactgroup's the contacts. See `meant`.
MEMBERS = "members"
_MOST_MEMBERS = 1000


def meant(names: Sequence[str]) -> list[str] | str:
    """What MEMBERS says of a switch: the names or, where these are too many, a digest by which the same ones are known again."""
    if len(names) <= _MOST_MEMBERS:
        return list(names)
    return hashlib.sha256("\n".join(sorted(names)).encode("utf-8", "surrogateescape")).hexdigest()


class Recheck(Enum):
    """What must still be true when a command that waited more than 5 s is written; otherwise it is overtaken."""

    NONE = "none"
    SAME_PROBLEM = "same_problem"  # last_state_change is the one seen at acceptance
    NONE_NEWER = "none_newer"  # the object has no newer check result
    NOT_ENDED = "not_ended"  # the window's end lies ahead
    SAME_MEMBERS = "same_members"  # the hostgroup has the hosts it had at acceptance, see MEMBERS


class Field(msgspec.Struct, frozen=True):
    """One argument. `name` is the key of the journalled meaning.

    `default` is taken when the caller leaves it out ("now" for times: the moment of the call); an optional field is left out of
    the line. Only cores of `kinds` take it.
    """

    name: str
    type: FieldType
    doc: str = ""
    default: object = None
    optional: bool = False
    low: float = 0
    high: float = LARGEST
    kinds: frozenset[CoreKind] = ALL

    @property
    def is_required(self) -> bool:
        """Must the caller give it? The author is the caller's unless another is named."""
        return self.default is None and not self.optional and self.type is not FieldType.AUTHOR


class FromField(msgspec.Struct, frozen=True):
    """The value (or, in a sign's name, the variable's name) that the caller gave for this field."""

    name: str


class Sign(msgspec.Struct, frozen=True):
    """One thing to be read: `key` is a column of the mirror's row (SHOWN) or a key of the programstatus block (PROGRAM).

    With `variable`, `key` is a column of custom variables, and the field of that name says which one. `shown_as`: how a kind of
    core writes the value, `{}` for the value itself, `!*` at the end for any arguments.
    """

    key: str
    value: object
    variable: str = ""
    shown_as: Mapping[CoreKind, str] = msgspec.field(default_factory=dict)


class Row(msgspec.Struct, frozen=True):
    """One external command.

    `ttl` names the setting that bounds how long it is held (None: until the window's end). `since` and `until` bound the
    versions of a kind that know it (`until` is the first that does not). `useless_in`: kinds that take it and refuse it or do
    nothing, with the reason. `expanded_in`: kinds that take a group's command and do nothing, so that each member gets one of its
    own. `unseen_in`: kinds whose files do not show its effect. `log` are patterns of log lines, `*` for any
    text and {field} for what the caller gave.
    """

    name: str
    fields: tuple[Field, ...]
    effect: Effect
    kinds: frozenset[CoreKind]
    subject: Subject = Subject.HOST
    on: Members = Members.ITSELF
    doc: str = ""
    entry_kind: str | None = None  # what it creates or deletes: downtime, acknowledgement, comment
    signs: tuple[Sign, ...] = ()
    log: tuple[str, ...] = ()
    since: Mapping[CoreKind, Version] = msgspec.field(default_factory=dict)
    until: Mapping[CoreKind, Version] = msgspec.field(default_factory=dict)
    useless_in: Mapping[CoreKind, str] = msgspec.field(default_factory=dict)
    expanded_in: frozenset[CoreKind] = frozenset()
    unseen_in: Mapping[CoreKind, str] = msgspec.field(default_factory=dict)
    danger: str = ""  # why only an admin may send it, and only where the configuration names it
    idempotent: bool = False
    forced: bool = True  # of checks: they are run whatever else is set
    resend_when_absent: bool = True  # after a core's crash: absence in its files is reason enough to send it again
    error_may_lie: bool = False  # some cores print an error though it worked, or nothing was to be done: the files decide
    ttl: str | None = "ttl_command_s"
    recheck: Recheck = Recheck.NONE
    effect_deadline_s: float = 2.0  # of the core's time between execution and a generation that must show the effect
    cut_at_semicolon: bool = False  # some cores end its text there
    bulk: bool = False  # people's commands for other objects may overtake it

    @property
    def is_service(self) -> bool:
        return any(field.type is FieldType.SERVICE for field in self.fields)

    def effect_in(self, kind: CoreKind) -> Effect:
        """What that kind of core shows of it."""
        return Effect.UNSEEN if kind in self.unseen_in else self.effect

    def is_known_to(self, kind: CoreKind, version: str) -> bool:
        """Does a core of that kind and version have it? A version that is not known is taken for a recent one."""
        if kind not in self.kinds:
            return False
        numbers = version_of(version)
        if not numbers:
            return kind not in self.until
        return self.since.get(kind, ()) <= numbers and not (kind in self.until and numbers >= self.until[kind])


def version_of(text: str) -> Version:
    """The numbers a version begins with: `4.4.6` and `r2.13.6-1` alike; () when it has none."""
    numbers: list[int] = []
    for part in text.removeprefix("r").removeprefix("v").split("-")[0].split("."):
        if not (part.isascii() and part.isdigit()):
            break
        numbers.append(int(part))
    return tuple(numbers)
