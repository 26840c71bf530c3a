"""Rows of the catalogue: comments, acknowledgements, downtimes and checks, what is asked for every day."""

from __future__ import annotations

from typing import Any

from engine.commands.parts import (
    ACK,
    AT,
    CENTREON,
    ENTRY,
    EXPIRE,
    FILTER,
    ICINGA1,
    ICINGA2,
    NAEMON,
    NAGIOS,
    NOT_ICINGA2,
    PERSISTENT,
    RESULT,
    SIGNED,
    WIDE,
    WINDOW,
    Rows,
    both,
    row,
)
from engine.commands.row import ALL, Effect, Field, FieldType, Members, Recheck, Row, Sign, Subject


def comments() -> Rows:
    """Comments, made and deleted."""
    yield from both(
        "ADD_HOST_COMMENT", "ADD_SVC_COMMENT", Effect.ENTRY_CREATED, *PERSISTENT, *SIGNED,
        entry_kind="comment", idempotent=False, ttl="ttl_comment_s", doc="Write a comment.",
    )  # fmt: skip
    for name, subject in (("DEL_HOST_COMMENT", Subject.HOST), ("DEL_SVC_COMMENT", Subject.SERVICE)):
        yield _deletion(name, subject, "comment")
    yield from both(
        "DEL_ALL_HOST_COMMENTS", "DEL_ALL_SVC_COMMENTS", Effect.COMMENTS_GONE, ttl="ttl_comment_s",
        doc="Delete every comment of the object, those of acknowledgements and downtimes too.",
    )  # fmt: skip


def _deletion(name: str, subject: Subject, entry_kind: str) -> Row:
    return Row(
        name, ENTRY, Effect.ENTRY_GONE, ALL, subject,
        entry_kind=entry_kind, idempotent=True, ttl="ttl_comment_s", doc=f"Delete a {entry_kind} by its public id.",
    )  # fmt: skip


def acknowledgements() -> Rows:
    """Acknowledgements, given and taken back."""
    made: dict[str, Any] = {
        "entry_kind": "acknowledgement", "idempotent": False, "resend_when_absent": False, "ttl": "ttl_acknowledgement_s",
        "recheck": Recheck.SAME_PROBLEM,
    }  # fmt: skip
    yield from both(
        "ACKNOWLEDGE_HOST_PROBLEM", "ACKNOWLEDGE_SVC_PROBLEM", Effect.ACKNOWLEDGED, *ACK, *SIGNED,
        doc="Acknowledge a problem.", **made,
    )  # fmt: skip
    yield from both(
        "ACKNOWLEDGE_HOST_PROBLEM_EXPIRE", "ACKNOWLEDGE_SVC_PROBLEM_EXPIRE", Effect.ACKNOWLEDGED, *ACK, *EXPIRE, *SIGNED,
        kinds=frozenset({NAEMON, ICINGA1, ICINGA2}), doc="Acknowledge a problem until a time.", **made,
    )  # fmt: skip
    yield row(
        "ACKNOWLEDGE_HOST_SVC_PROBLEM", Subject.HOST, Effect.SHOWN, *ACK, *EXPIRE, *SIGNED,
        kinds=frozenset({ICINGA1}), on=Members.HOST_AND_SERVICES, signs=(Sign("acknowledged", 1),), idempotent=False,
        resend_when_absent=False, ttl="ttl_acknowledgement_s", doc="Acknowledge every service, then the host.",
    )  # fmt: skip
    yield from both(
        "REMOVE_HOST_ACKNOWLEDGEMENT", "REMOVE_SVC_ACKNOWLEDGEMENT", Effect.NOT_ACKNOWLEDGED, entry_kind="acknowledgement",
        ttl="ttl_acknowledgement_s", recheck=Recheck.SAME_PROBLEM, doc="Take an acknowledgement back.",
    )  # fmt: skip


def downtimes() -> Rows:
    """Downtimes, set and deleted."""
    acting = (
        ("SCHEDULE_HOST_DOWNTIME", Subject.HOST, Members.ITSELF, "on the host"),
        ("SCHEDULE_SVC_DOWNTIME", Subject.SERVICE, Members.ITSELF, "on the service"),
        ("SCHEDULE_HOST_SVC_DOWNTIME", Subject.HOST, Members.SERVICES, "on the host's services (Icinga 2: and on the host)"),
        ("SCHEDULE_AND_PROPAGATE_HOST_DOWNTIME", Subject.HOST, Members.HOST_AND_CHILDREN, "on the host and everything below it"),
        (
            "SCHEDULE_AND_PROPAGATE_TRIGGERED_HOST_DOWNTIME", Subject.HOST, Members.HOST_AND_CHILDREN,
            "on the host and everything below it, which begin with the host's",
        ),
        ("SCHEDULE_HOSTGROUP_HOST_DOWNTIME", Subject.HOSTGROUP, Members.HOSTS, "on the group's hosts"),
        ("SCHEDULE_HOSTGROUP_SVC_DOWNTIME", Subject.HOSTGROUP, Members.SERVICES, "on the services of the group's hosts"),
        ("SCHEDULE_SERVICEGROUP_HOST_DOWNTIME", Subject.SERVICEGROUP, Members.HOSTS, "on the hosts of the group's services"),
        ("SCHEDULE_SERVICEGROUP_SVC_DOWNTIME", Subject.SERVICEGROUP, Members.SERVICES, "on the group's services"),
    )  # fmt: skip
    for name, subject, on, where in acting:
        yield row(
            name, subject, Effect.ENTRY_CREATED, *WINDOW, *SIGNED,
            entry_kind="downtime", idempotent=False, ttl=None, recheck=Recheck.NOT_ENDED, on=on, doc=f"Schedule downtimes {where}.",
        )  # fmt: skip
    yield _deletion("DEL_HOST_DOWNTIME", Subject.HOST, "downtime")
    yield _deletion("DEL_SVC_DOWNTIME", Subject.SERVICE, "downtime")
    yield from _downtimes_by_meaning()


def _downtimes_by_meaning() -> Rows:
    gone: dict[str, Any] = {
        "on": Members.NOBODY, "entry_kind": "downtime", "danger": WIDE, "ttl": "ttl_comment_s", "since": {NAGIOS: (3, 5)},
    }  # fmt: skip
    service = Field("service", FieldType.SERVICE, "only those of this service", optional=True)
    # **Source**: cores.md 1.3 and 3.1: Nagios prints an error where nothing was to be deleted, and for a hostgroup also otherwise.
    yield row(
        "DEL_DOWNTIME_BY_HOST_NAME", Subject.HOST, Effect.DOWNTIMES_GONE, service, *FILTER, error_may_lie=True,
        doc="Delete the downtimes of a host and of its services.", **gone,
    )  # fmt: skip
    host = Field("host", FieldType.HOST, "only those of this host and its services", optional=True)
    yield row(
        "DEL_DOWNTIME_BY_HOSTGROUP_NAME", Subject.HOSTGROUP, Effect.DOWNTIMES_GONE, host, service, *FILTER,
        kinds=NOT_ICINGA2, error_may_lie=True, recheck=Recheck.SAME_MEMBERS,
        doc="Delete the downtimes of a hostgroup's hosts and of their services.", **gone,
    )  # fmt: skip
    yield row(
        "DEL_DOWNTIME_BY_START_TIME_COMMENT", Subject.GLOBAL, Effect.DOWNTIMES_GONE, *FILTER,
        kinds=NOT_ICINGA2, error_may_lie=True, doc="Delete the downtimes of that start or comment, wherever they are.", **gone,
    )  # fmt: skip
    exactly = (
        Field("start", FieldType.TIME, "begins then", optional=True),
        Field("end", FieldType.TIME, "ends then", optional=True),
        Field("fixed", FieldType.BOOL, "fixed or flexible", optional=True),
        Field("trigger", FieldType.TRIGGER, "begins with that downtime", optional=True),
        Field("duration", FieldType.SPAN, "lasts so long", optional=True),
        Field("author", FieldType.AUTHOR, "of that author", optional=True),
        Field("comment", FieldType.TEXT, "with this comment", optional=True),
    )
    yield from both(
        "DEL_HOST_DOWNTIME_FULL", "DEL_SVC_DOWNTIME_FULL", Effect.DOWNTIMES_GONE, *exactly,
        kinds=frozenset({CENTREON}), doc="Delete the object's downtimes that agree in everything given.", **gone,
    )  # fmt: skip


# --- checks ---------------------------------------------------------------------------------------------------------------------


def checks() -> Rows:
    """Checks asked for, and results handed in."""
    forced: dict[str, Any] = {"ttl": "ttl_forced_check_s", "effect_deadline_s": 90.0}
    planned: dict[str, Any] = {"ttl": "ttl_forced_check_s", "effect_deadline_s": 5.0, "forced": False}
    yield from both(
        "SCHEDULE_FORCED_HOST_CHECK", "SCHEDULE_FORCED_SVC_CHECK", Effect.CHECKED, *AT,
        doc="Check the object, whatever its settings say.", **forced,
    )  # fmt: skip
    yield from both(
        "SCHEDULE_HOST_CHECK", "SCHEDULE_SVC_CHECK", Effect.CHECKED, *AT,
        doc="Check the object, if its settings allow it and no earlier check is due.", **planned,
    )  # fmt: skip
    services: dict[str, Any] = {"on": Members.SERVICES}
    yield row(
        "SCHEDULE_FORCED_HOST_SVC_CHECKS", Subject.HOST, Effect.CHECKED, *AT,
        doc="Check every service of the host, whatever their settings say.", **forced, **services,
    )  # fmt: skip
    yield row(
        "SCHEDULE_HOST_SVC_CHECKS", Subject.HOST, Effect.CHECKED, *AT,
        doc="Check every service of the host whose settings allow it.", **planned, **services,
    )  # fmt: skip
    yield from both(
        "PROCESS_HOST_CHECK_RESULT", "PROCESS_SERVICE_CHECK_RESULT", Effect.RESULT_SEEN, *RESULT,
        idempotent=False, ttl="ttl_passive_result_s", recheck=Recheck.NONE_NEWER, effect_deadline_s=15.0, bulk=True,
        doc="Hand in the result of a check made elsewhere.",
    )  # fmt: skip
