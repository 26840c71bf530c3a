"""THE table of external commands: one row each, from which encoding, validation, proof and documentation are made.

A new command is a new row here; it needs no function. Field order is the order on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from engine.model import CoreKind

ALL = frozenset(CoreKind)


class FieldType(Enum):
    """How a value is checked and written."""

    HOST = "host"  # host_name
    SERVICE = "service"  # service_description
    TIME = "time"  # epoch seconds, written as an integer
    BOOL = "bool"  # 0 or 1
    STICKY = "sticky"  # true → 2, false → 1
    UINT = "uint"
    CODE = "code"  # a plugin's return code
    ENTRY = "entry"  # a public id, turned into the core's id when the line is written
    AUTHOR = "author"  # never holds `;`
    TEXT = "text"  # last field
    OUTPUT = "output"  # plugin output and performance data, last field


class Effect(Enum):
    """What shows in the core's files that the command worked; judged in proof.py."""

    ENTRY_CREATED = "entry_created"  # its downtimes or comments stand in the status file, one per entry
    ENTRY_GONE = "entry_gone"  # the downtime or comment is no longer there
    ACKNOWLEDGED = "acknowledged"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    CHECKED = "checked"  # scheduled as forced for that time, or checked since
    RESULT_SEEN = "result_seen"  # last_check is the result's time


class Recheck(Enum):
    """What must still be true when a command that waited more than 5 s is written; otherwise it is overtaken."""

    NONE = "none"
    SAME_PROBLEM = "same_problem"  # last_state_change is the one seen at acceptance
    NONE_NEWER = "none_newer"  # the object has no newer check result
    NOT_ENDED = "not_ended"  # the window's end lies ahead


@dataclass(frozen=True, slots=True)
class Field:
    """One argument. `name` is the key of the journalled meaning."""

    name: str
    type: FieldType


@dataclass(frozen=True, slots=True)
class Row:
    """One external command. `ttl` names the setting that bounds how long it is held (None: until the window's end)."""

    name: str
    fields: tuple[Field, ...]
    effect: Effect
    kinds: frozenset[CoreKind]
    entry_kind: str | None = None  # what it creates or deletes: downtime, acknowledgement, comment
    idempotent: bool = False
    resend_when_absent: bool = True  # after a core's crash: absence in its files is reason enough to send it again
    ttl: str | None = None
    recheck: Recheck = Recheck.NONE
    effect_deadline_s: float = 2.0  # of the core's time between execution and a generation that must show the effect
    members: bool = False  # acts on the host's services, not on the host itself
    bulk: bool = False  # people's commands for other objects may overtake it

    @property
    def is_service(self) -> bool:
        return any(field.type is FieldType.SERVICE for field in self.fields)


_H = (Field("host", FieldType.HOST),)
_S = (Field("host", FieldType.HOST), Field("service", FieldType.SERVICE))
_WINDOW = (
    Field("start", FieldType.TIME),
    Field("end", FieldType.TIME),
    Field("fixed", FieldType.BOOL),
    Field("trigger", FieldType.UINT),
    Field("duration", FieldType.UINT),
)
_SIGNED = (Field("author", FieldType.AUTHOR), Field("comment", FieldType.TEXT))
_ACK = (Field("sticky", FieldType.STICKY), Field("notify", FieldType.BOOL), Field("persistent", FieldType.BOOL))
_ENTRY = (Field("entry", FieldType.ENTRY),)
_AT = (Field("at", FieldType.TIME),)
_RESULT = (Field("return_code", FieldType.CODE), Field("output", FieldType.OUTPUT))
_PERSISTENT = (Field("persistent", FieldType.BOOL),)


def _downtime(name: str, subject: tuple[Field, ...], members: bool = False) -> Row:
    return Row(
        name,
        subject + _WINDOW + _SIGNED,
        Effect.ENTRY_CREATED,
        ALL,
        entry_kind="downtime",
        recheck=Recheck.NOT_ENDED,
        members=members,
    )


def _acknowledgement(name: str, subject: tuple[Field, ...]) -> Row:
    return Row(
        name,
        subject + _ACK + _SIGNED,
        Effect.ACKNOWLEDGED,
        ALL,
        entry_kind="acknowledgement",
        resend_when_absent=False,
        ttl="ttl_acknowledgement_s",
        recheck=Recheck.SAME_PROBLEM,
    )


def _removal(name: str, subject: tuple[Field, ...]) -> Row:
    return Row(
        name,
        subject,
        Effect.NOT_ACKNOWLEDGED,
        ALL,
        entry_kind="acknowledgement",
        idempotent=True,
        ttl="ttl_acknowledgement_s",
        recheck=Recheck.SAME_PROBLEM,
    )


def _comment(name: str, subject: tuple[Field, ...]) -> Row:
    return Row(name, subject + _PERSISTENT + _SIGNED, Effect.ENTRY_CREATED, ALL, entry_kind="comment", ttl="ttl_comment_s")


def _deletion(name: str, entry_kind: str) -> Row:
    return Row(name, _ENTRY, Effect.ENTRY_GONE, ALL, entry_kind=entry_kind, idempotent=True, ttl="ttl_comment_s")


def _forced_check(name: str, subject: tuple[Field, ...]) -> Row:
    return Row(name, subject + _AT, Effect.CHECKED, ALL, idempotent=True, ttl="ttl_forced_check_s", effect_deadline_s=90.0)


def _result(name: str, subject: tuple[Field, ...]) -> Row:
    return Row(
        name,
        subject + _RESULT,
        Effect.RESULT_SEEN,
        ALL,
        ttl="ttl_passive_result_s",
        recheck=Recheck.NONE_NEWER,
        effect_deadline_s=15.0,
        bulk=True,
    )


ROWS: tuple[Row, ...] = (
    _downtime("SCHEDULE_HOST_DOWNTIME", _H),
    _downtime("SCHEDULE_SVC_DOWNTIME", _S),
    _downtime("SCHEDULE_HOST_SVC_DOWNTIME", _H, members=True),
    _deletion("DEL_HOST_DOWNTIME", "downtime"),
    _deletion("DEL_SVC_DOWNTIME", "downtime"),
    _acknowledgement("ACKNOWLEDGE_HOST_PROBLEM", _H),
    _acknowledgement("ACKNOWLEDGE_SVC_PROBLEM", _S),
    _removal("REMOVE_HOST_ACKNOWLEDGEMENT", _H),
    _removal("REMOVE_SVC_ACKNOWLEDGEMENT", _S),
    _comment("ADD_HOST_COMMENT", _H),
    _comment("ADD_SVC_COMMENT", _S),
    _deletion("DEL_HOST_COMMENT", "comment"),
    _deletion("DEL_SVC_COMMENT", "comment"),
    _forced_check("SCHEDULE_FORCED_HOST_CHECK", _H),
    _forced_check("SCHEDULE_FORCED_SVC_CHECK", _S),
    _result("PROCESS_HOST_CHECK_RESULT", _H),
    _result("PROCESS_SERVICE_CHECK_RESULT", _S),
)

CATALOGUE: dict[str, Row] = {row.name: row for row in ROWS}
