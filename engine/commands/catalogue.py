"""THE table of external commands: one row each, from which encoding, validation, proof and documentation are made.

A new command is a new row here; it needs no function. Field order is the order on the wire.

Source: cores.md 1.3 to 1.7 and 8.4 (Nagios base/commands.c, Naemon commands.c, Icinga 1 base/commands.c, Icinga 2
lib/icinga/externalcommandprocessor.cpp, Centreon Engine commands/processing.cc).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Any

from engine.commands.row import (
    ALL,
    Effect,
    Field,
    FieldType,
    FromField,
    Members,
    Recheck,
    Row,
    Sign,
    Subject,
)
from engine.model import CoreKind

__all__ = [
    "CATALOGUE", "ROWS", "SWITCHES", "Effect", "Field", "FieldType", "FromField", "Members", "Recheck", "Row", "Sign", "Subject",
    "is_ours", "known_row", "row_of",
]  # fmt: skip

NAGIOS, NAEMON, ICINGA1, ICINGA2, CENTREON = CoreKind
NOT_ICINGA2 = ALL - {ICINGA2}

# --- fields -----------------------------------------------------------------------------------------------------------------

_HOST = Field("host", FieldType.HOST, "name of the host")
_H = (_HOST,)
_S = (_HOST, Field("service", FieldType.SERVICE, "description of the service"))
_SUBJECTS: dict[Subject, tuple[Field, ...]] = {
    Subject.HOST: _H,
    Subject.SERVICE: _S,
    Subject.HOSTGROUP: (Field("hostgroup", FieldType.HOSTGROUP, "name of the hostgroup"),),
    Subject.SERVICEGROUP: (Field("servicegroup", FieldType.SERVICEGROUP, "name of the servicegroup"),),
    Subject.CONTACT: (Field("contact", FieldType.CONTACT, "name of the contact"),),
    Subject.CONTACTGROUP: (Field("contactgroup", FieldType.CONTACTGROUP, "name of the contactgroup"),),
    Subject.GLOBAL: (),
}
_START = Field("start", FieldType.TIME, "when it begins", "now")
_WINDOW = (
    _START,
    Field("end", FieldType.TIME, "when it ends"),
    Field("fixed", FieldType.BOOL, "true: from start to end; false: begins with the first problem in the window", True),
    Field("trigger", FieldType.TRIGGER, "public id of the downtime that starts this one, 0 for none", 0),
    Field("duration", FieldType.SPAN, "of a flexible one, once it has begun", 0),
)
_AUTHOR = Field("author", FieldType.AUTHOR, "on whose behalf; admins only, otherwise your account's")
_SIGNED = (_AUTHOR, Field("comment", FieldType.TEXT, "why"))
_ACK = (
    Field("sticky", FieldType.STICKY, "true: until recovery; false: until the next change of state", True),
    Field("notify", FieldType.BOOL, "tell the contacts", True),
    Field("persistent", FieldType.BOOL, "the comment outlives the acknowledgement", False),
)
_EXPIRE = (Field("expire", FieldType.TIME, "when the acknowledgement ends"),)
_ENTRY = (Field("entry", FieldType.ENTRY, "public id of what is to be deleted"),)
_AT = (Field("at", FieldType.TIME, "when", "now"),)
_RESULT = (
    Field("return_code", FieldType.CODE, "0 to 2 of a host (0 or 1 on Icinga 2), 0 to 3 of a service"),
    Field("output", FieldType.OUTPUT, "plugin output; performance data behind `|`"),
)
_PERSISTENT = (Field("persistent", FieldType.BOOL, "it stays when the core is restarted", True),)
_VALUE = (
    Field("variable", FieldType.VARIABLE, "name of a custom variable the object has, without the underscore"),
    Field("value", FieldType.WORD, "its new value"),
)
_PERIOD = (Field("timeperiod", FieldType.TIMEPERIOD, "name of a timeperiod"),)
_MASK = (Field("mask", FieldType.UINT, "sum of the bits of what counts as modified"),)
_COMMAND = (Field("command", FieldType.WORD, "name of a command, arguments behind `!`"),)
_WHEN = (Field("at", FieldType.TIME, "when; absent: at once", optional=True, kinds=ALL - {NAEMON, ICINGA2}),)
_FILTER = (
    Field("start", FieldType.TIME, "only what begins at exactly that second", optional=True),
    Field("comment", FieldType.TEXT, "only what has exactly this comment", optional=True),
)

# --- reasons ----------------------------------------------------------------------------------------------------------------

_REFUSED = dict.fromkeys(
    (NAGIOS, NAEMON, CENTREON), "the core was built to refuse it: it would let a writer of the command file run programs"
)
_NO_VARIABLES = {ICINGA2: "Icinga 2 writes no custom variables into its status file"}

_MACROS = "custom variables reach command lines through macros"
_PROGRAMS = "it says which program the core runs"
_BLIND = "it stops part of the monitoring on the whole core"
_WIDE = "it can delete many downtimes at once"
_BITS = "it changes what the core saves, not what it does"
_PROCESS = "it ends or restarts the core"
_STATE = "it puts saved state over the live one"

Rows = Iterable[Row]


def _row(name: str, subject: Subject, effect: Effect, *more: Field, **rest: Any) -> Row:
    """Idempotent and known to every kind of core unless it says otherwise."""
    known: dict[str, Any] = {"kinds": ALL, "idempotent": True} | rest
    return Row(name, _SUBJECTS[subject] + more, effect, subject=subject, **known)


def _both(host: str, service: str, effect: Effect, *more: Field, **rest: Any) -> Rows:
    """The same for a host and for a service."""
    yield _row(host, Subject.HOST, effect, *more, **rest)
    yield _row(service, Subject.SERVICE, effect, *more, **rest)


# --- comments, acknowledgements, downtimes ----------------------------------------------------------------------------------


def _comments() -> Rows:
    yield from _both(
        "ADD_HOST_COMMENT", "ADD_SVC_COMMENT", Effect.ENTRY_CREATED, *_PERSISTENT, *_SIGNED,
        entry_kind="comment", idempotent=False, ttl="ttl_comment_s", doc="Write a comment.",
    )  # fmt: skip
    for name, subject in (("DEL_HOST_COMMENT", Subject.HOST), ("DEL_SVC_COMMENT", Subject.SERVICE)):
        yield _deletion(name, subject, "comment")
    yield from _both(
        "DEL_ALL_HOST_COMMENTS", "DEL_ALL_SVC_COMMENTS", Effect.COMMENTS_GONE, ttl="ttl_comment_s",
        doc="Delete every comment of the object, those of acknowledgements and downtimes too.",
    )  # fmt: skip


def _deletion(name: str, subject: Subject, entry_kind: str) -> Row:
    return Row(
        name, _ENTRY, Effect.ENTRY_GONE, ALL, subject,
        entry_kind=entry_kind, idempotent=True, ttl="ttl_comment_s", doc=f"Delete a {entry_kind} by its public id.",
    )  # fmt: skip


def _acknowledgements() -> Rows:
    made: dict[str, Any] = {
        "entry_kind": "acknowledgement", "idempotent": False, "resend_when_absent": False, "ttl": "ttl_acknowledgement_s",
        "recheck": Recheck.SAME_PROBLEM,
    }  # fmt: skip
    yield from _both(
        "ACKNOWLEDGE_HOST_PROBLEM", "ACKNOWLEDGE_SVC_PROBLEM", Effect.ACKNOWLEDGED, *_ACK, *_SIGNED,
        doc="Acknowledge a problem.", **made,
    )  # fmt: skip
    yield from _both(
        "ACKNOWLEDGE_HOST_PROBLEM_EXPIRE", "ACKNOWLEDGE_SVC_PROBLEM_EXPIRE", Effect.ACKNOWLEDGED, *_ACK, *_EXPIRE, *_SIGNED,
        kinds=frozenset({NAEMON, ICINGA1, ICINGA2}), doc="Acknowledge a problem until a time.", **made,
    )  # fmt: skip
    yield _row(
        "ACKNOWLEDGE_HOST_SVC_PROBLEM", Subject.HOST, Effect.SHOWN, *_ACK, *_EXPIRE, *_SIGNED,
        kinds=frozenset({ICINGA1}), on=Members.HOST_AND_SERVICES, signs=(Sign("acknowledged", 1),), idempotent=False,
        resend_when_absent=False, ttl="ttl_acknowledgement_s", doc="Acknowledge every service, then the host.",
    )  # fmt: skip
    yield from _both(
        "REMOVE_HOST_ACKNOWLEDGEMENT", "REMOVE_SVC_ACKNOWLEDGEMENT", Effect.NOT_ACKNOWLEDGED, entry_kind="acknowledgement",
        ttl="ttl_acknowledgement_s", recheck=Recheck.SAME_PROBLEM, doc="Take an acknowledgement back.",
    )  # fmt: skip


def _downtimes() -> Rows:
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
        yield _row(
            name, subject, Effect.ENTRY_CREATED, *_WINDOW, *_SIGNED,
            entry_kind="downtime", idempotent=False, ttl=None, recheck=Recheck.NOT_ENDED, on=on, doc=f"Schedule downtimes {where}.",
        )  # fmt: skip
    yield _deletion("DEL_HOST_DOWNTIME", Subject.HOST, "downtime")
    yield _deletion("DEL_SVC_DOWNTIME", Subject.SERVICE, "downtime")
    yield from _downtimes_by_meaning()


def _downtimes_by_meaning() -> Rows:
    gone: dict[str, Any] = {
        "on": Members.NOBODY, "entry_kind": "downtime", "danger": _WIDE, "ttl": "ttl_comment_s", "since": {NAGIOS: (3, 5)},
    }  # fmt: skip
    service = Field("service", FieldType.SERVICE, "only those of this service", optional=True)
    # **Source**: cores.md 1.3 and 3.1: Nagios prints an error where nothing was to be deleted, and for a hostgroup also otherwise.
    yield _row(
        "DEL_DOWNTIME_BY_HOST_NAME", Subject.HOST, Effect.DOWNTIMES_GONE, service, *_FILTER, error_may_lie=True,
        doc="Delete the downtimes of a host and of its services.", **gone,
    )  # fmt: skip
    host = Field("host", FieldType.HOST, "only those of this host and its services", optional=True)
    yield _row(
        "DEL_DOWNTIME_BY_HOSTGROUP_NAME", Subject.HOSTGROUP, Effect.DOWNTIMES_GONE, host, service, *_FILTER,
        kinds=NOT_ICINGA2, error_may_lie=True, doc="Delete the downtimes of a hostgroup's hosts and of their services.", **gone,
    )  # fmt: skip
    yield _row(
        "DEL_DOWNTIME_BY_START_TIME_COMMENT", Subject.GLOBAL, Effect.DOWNTIMES_GONE, *_FILTER,
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
    yield from _both(
        "DEL_HOST_DOWNTIME_FULL", "DEL_SVC_DOWNTIME_FULL", Effect.DOWNTIMES_GONE, *exactly,
        kinds=frozenset({CENTREON}), doc="Delete the object's downtimes that agree in everything given.", **gone,
    )  # fmt: skip


# --- checks ---------------------------------------------------------------------------------------------------------------------


def _checks() -> Rows:
    forced: dict[str, Any] = {"ttl": "ttl_forced_check_s", "effect_deadline_s": 90.0}
    planned: dict[str, Any] = {"ttl": "ttl_forced_check_s", "effect_deadline_s": 5.0, "forced": False}
    yield from _both(
        "SCHEDULE_FORCED_HOST_CHECK", "SCHEDULE_FORCED_SVC_CHECK", Effect.CHECKED, *_AT,
        doc="Check the object, whatever its settings say.", **forced,
    )  # fmt: skip
    yield from _both(
        "SCHEDULE_HOST_CHECK", "SCHEDULE_SVC_CHECK", Effect.CHECKED, *_AT,
        doc="Check the object, if its settings allow it and no earlier check is due.", **planned,
    )  # fmt: skip
    services: dict[str, Any] = {"on": Members.SERVICES}
    yield _row(
        "SCHEDULE_FORCED_HOST_SVC_CHECKS", Subject.HOST, Effect.CHECKED, *_AT,
        doc="Check every service of the host, whatever their settings say.", **forced, **services,
    )  # fmt: skip
    yield _row(
        "SCHEDULE_HOST_SVC_CHECKS", Subject.HOST, Effect.CHECKED, *_AT,
        doc="Check every service of the host whose settings allow it.", **planned, **services,
    )  # fmt: skip
    yield from _both(
        "PROCESS_HOST_CHECK_RESULT", "PROCESS_SERVICE_CHECK_RESULT", Effect.RESULT_SEEN, *_RESULT,
        idempotent=False, ttl="ttl_passive_result_s", recheck=Recheck.NONE_NEWER, effect_deadline_s=15.0, bulk=True,
        doc="Hand in the result of a check made elsewhere.",
    )  # fmt: skip


# --- switches -------------------------------------------------------------------------------------------------------------------

# (what is switched in the names of commands for hosts, for services, the mirror's column, what it is)
_FEATURES = (
    ("{}_HOST_CHECK", "{}_SVC_CHECK", "checks_enabled", "active checks"),
    ("{}_PASSIVE_HOST_CHECKS", "{}_PASSIVE_SVC_CHECKS", "accept_passive_checks", "passive checks"),
    ("{}_HOST_NOTIFICATIONS", "{}_SVC_NOTIFICATIONS", "notifications_enabled", "notifications"),
    ("{}_HOST_EVENT_HANDLER", "{}_SVC_EVENT_HANDLER", "event_handler_enabled", "the event handler"),
    ("{}_HOST_FLAP_DETECTION", "{}_SVC_FLAP_DETECTION", "flap_detection_enabled", "flap detection"),
)
# Features that can be switched for a whole group: (end of the name for hosts, for services, column, what it is).
_GROUP_FEATURES = (
    ("HOST_CHECKS", "SVC_CHECKS", "checks_enabled", "active checks"),
    ("PASSIVE_HOST_CHECKS", "PASSIVE_SVC_CHECKS", "accept_passive_checks", "passive checks"),
    ("HOST_NOTIFICATIONS", "SVC_NOTIFICATIONS", "notifications_enabled", "notifications"),
)
_ON_OFF = (("ENABLE", 1, "on"), ("DISABLE", 0, "off"))
_START_STOP = (("START", 1, "on"), ("STOP", 0, "off"))


def _switch(name: str, subject: Subject, column: str, value: int, doc: str, on: Members = Members.ITSELF, **rest: Any) -> Row:
    return _row(name, subject, Effect.SHOWN, signs=(Sign(column, value),), on=on, doc=doc, **rest)


def _object_switches() -> Rows:
    for host, service, column, what in _FEATURES:
        for verb, value, word in _ON_OFF:
            yield _switch(host.format(verb), Subject.HOST, column, value, f"Switch {what} of the host {word}.")
            yield _switch(service.format(verb), Subject.SERVICE, column, value, f"Switch {what} of the service {word}.")
    for verb, value, word in _START_STOP:
        doc = f"Switch obsession (the core's command after each check) {word}."
        yield _switch(f"{verb}_OBSESSING_OVER_HOST", Subject.HOST, "obsess", value, doc, kinds=NOT_ICINGA2)
        yield _switch(f"{verb}_OBSESSING_OVER_SVC", Subject.SERVICE, "obsess", value, doc, kinds=NOT_ICINGA2)
    for verb, value, word in _ON_OFF:
        for feature, column, what in (
            ("CHECKS", "checks_enabled", "active checks"),
            ("NOTIFICATIONS", "notifications_enabled", "notifications"),
        ):
            doc = f"Switch {what} of the host's services {word}."
            yield _switch(f"{verb}_HOST_SVC_{feature}", Subject.HOST, column, value, doc, Members.SERVICES)
        doc = f"Switch notifications of everything below the host, services included, {word}."
        yield _switch(
            f"{verb}_ALL_NOTIFICATIONS_BEYOND_HOST", Subject.HOST, "notifications_enabled", value, doc,
            Members.CHILDREN_AND_SERVICES, kinds=NOT_ICINGA2,
        )  # fmt: skip
        doc = f"Switch notifications of the host and of the hosts below it {word}."
        yield _switch(
            f"{verb}_HOST_AND_CHILD_NOTIFICATIONS", Subject.HOST, "notifications_enabled", value, doc,
            Members.HOST_AND_CHILDREN, kinds=NOT_ICINGA2,
        )  # fmt: skip
    yield from _both(
        "CLEAR_HOST_FLAPPING_STATE", "CLEAR_SVC_FLAPPING_STATE", Effect.SHOWN,
        signs=(Sign("is_flapping", 0),), kinds=frozenset({NAGIOS}), since={NAGIOS: (4, 4)},
        doc="Forget that the object is flapping.",
    )  # fmt: skip


def _group_switches() -> Rows:
    for subject in (Subject.HOSTGROUP, Subject.SERVICEGROUP):
        # **Source**: Centreon Engine walks an empty range of hosts for every switch of a hostgroup.
        expanded = frozenset({CENTREON}) if subject is Subject.HOSTGROUP else frozenset()
        for host, service, column, what in _GROUP_FEATURES:
            for verb, value, word in _ON_OFF:
                for end, on, whose in ((host, Members.HOSTS, "hosts"), (service, Members.SERVICES, "services")):
                    name = f"{verb}_{subject.name}_{end}"
                    doc = f"Switch {what} of the {subject.value}'s {whose} {word}."
                    yield _switch(name, subject, column, value, doc, on, expanded_in=expanded)
    for subject, on in ((Subject.CONTACT, Members.ITSELF), (Subject.CONTACTGROUP, Members.CONTACTS)):
        for verb, value, word in _ON_OFF:
            for end, column, whose in (
                ("HOST", "host_notifications_enabled", "hosts"),
                ("SVC", "service_notifications_enabled", "services"),
            ):
                doc = f"Switch notifications about {whose} to the {subject.value} {word}."
                yield _switch(f"{verb}_{subject.name}_{end}_NOTIFICATIONS", subject, column, value, doc, on, kinds=NOT_ICINGA2)


# (start of the name when switched on, when switched off, the rest, key in programstatus, kinds, what it is)
_PROGRAM_FEATURES = (
    ("ENABLE", "DISABLE", "NOTIFICATIONS", "enable_notifications", ALL, "notifications"),
    ("ENABLE", "DISABLE", "EVENT_HANDLERS", "enable_event_handlers", ALL, "event handlers"),
    ("ENABLE", "DISABLE", "FLAP_DETECTION", "enable_flap_detection", ALL, "flap detection"),
    ("ENABLE", "DISABLE", "PERFORMANCE_DATA", "process_performance_data", ALL, "performance data"),
    ("ENABLE", "DISABLE", "SERVICE_FRESHNESS_CHECKS", "check_service_freshness", NOT_ICINGA2, "freshness checks of services"),
    ("ENABLE", "DISABLE", "HOST_FRESHNESS_CHECKS", "check_host_freshness", NOT_ICINGA2, "freshness checks of hosts"),
    ("START", "STOP", "EXECUTING_SVC_CHECKS", "active_service_checks_enabled", ALL, "active checks of services"),
    ("START", "STOP", "EXECUTING_HOST_CHECKS", "active_host_checks_enabled", ALL, "active checks of hosts"),
    ("START", "STOP", "ACCEPTING_PASSIVE_SVC_CHECKS", "passive_service_checks_enabled", NOT_ICINGA2, "passive checks of services"),
    ("START", "STOP", "ACCEPTING_PASSIVE_HOST_CHECKS", "passive_host_checks_enabled", NOT_ICINGA2, "passive checks of hosts"),
    ("START", "STOP", "OBSESSING_OVER_SVC_CHECKS", "obsess_over_services", NOT_ICINGA2, "obsession over services"),
    ("START", "STOP", "OBSESSING_OVER_HOST_CHECKS", "obsess_over_hosts", NOT_ICINGA2, "obsession over hosts"),
)  # fmt: skip


def _program(name: str, key: str, value: object, *more: Field, **rest: Any) -> Row:
    return _row(name, Subject.GLOBAL, Effect.PROGRAM, *more, signs=(Sign(key, value),), on=Members.NOBODY, **rest)


def _program_switches() -> Rows:
    for start, stop, rest, key, kinds, what in _PROGRAM_FEATURES:
        yield _program(f"{start}_{rest}", key, 1, kinds=kinds, doc=f"Switch {what} on, on the whole core.")
        danger = _BLIND if stop == "STOP" or rest == "NOTIFICATIONS" else ""
        yield _program(f"{stop}_{rest}", key, 0, kinds=kinds, danger=danger, doc=f"Switch {what} off, on the whole core.")
    modes = frozenset({NAGIOS, ICINGA1, CENTREON})
    yield _program(
        "ENTER_STANDBY_MODE", "enable_notifications", 0, kinds=modes, danger=_BLIND, doc="Another name of DISABLE_NOTIFICATIONS."
    )
    yield _program("ENTER_ACTIVE_MODE", "enable_notifications", 1, kinds=modes, doc="Another name of ENABLE_NOTIFICATIONS.")
    yield _program(
        "DISABLE_NOTIFICATIONS_EXPIRE_TIME", "enable_notifications", 0,
        Field("schedule_time", FieldType.TIME, "not used by the core", "now"),
        Field("expire", FieldType.TIME, "when they are switched on again"),
        kinds=frozenset({ICINGA1}), danger=_BLIND, doc="Switch notifications off until a time.",
    )  # fmt: skip
    for verb, value, word in _ON_OFF:
        yield _program(
            f"{verb}_FAILURE_PREDICTION", "enable_failure_prediction", value,
            kinds=frozenset({NAGIOS, ICINGA1, CENTREON}), until={NAGIOS: (4,)},
            unseen_in={CENTREON: "Centreon Engine takes it and does nothing"}, doc=f"Switch failure prediction {word}.",
        )  # fmt: skip


# --- notifications and attributes -------------------------------------------------------------------------------------------------


def _notifications() -> Rows:
    options = Field("options", FieldType.UINT, "1 to all contacts, 2 forced, 4 counts as a notification; sums of these", 0, high=7)
    told: dict[str, Any] = {
        "idempotent": False, "resend_when_absent": False, "effect_deadline_s": 5.0, "ttl": "ttl_notification_s",
        "doc": "Tell the contacts something.", "cut_at_semicolon": True,
    }  # fmt: skip
    yield _row(
        "SEND_CUSTOM_HOST_NOTIFICATION", Subject.HOST, Effect.LOGGED, options, *_SIGNED,
        log=("HOST NOTIFICATION: *;{host};CUSTOM*;{author};{comment}",), **told,
    )  # fmt: skip
    yield _row(
        "SEND_CUSTOM_SVC_NOTIFICATION", Subject.SERVICE, Effect.LOGGED, options, *_SIGNED,
        log=("SERVICE NOTIFICATION: *;{host};{service};CUSTOM*;{author};{comment}",), **told,
    )  # fmt: skip
    yield from _both(
        "DELAY_HOST_NOTIFICATION", "DELAY_SVC_NOTIFICATION", Effect.SHOWN, Field("at", FieldType.TIME, "not before then"),
        signs=(Sign("next_notification", FromField("at")),), doc="Put the next notification off.",
    )  # fmt: skip
    yield from _both(
        "SET_HOST_NOTIFICATION_NUMBER", "SET_SVC_NOTIFICATION_NUMBER", Effect.SHOWN,
        Field("number", FieldType.UINT, "how many were sent", high=2**31 - 1), kinds=NOT_ICINGA2,
        signs=(Sign("current_notification_number", FromField("number")),), doc="Set how many notifications were sent.",
    )  # fmt: skip


def _attributes() -> Rows:
    minutes = Field("interval", FieldType.NUMBER, "in units of the core's interval_length (minutes, as a rule)", high=10**7)
    for speed, column in (("NORMAL", "check_interval"), ("RETRY", "retry_interval")):
        yield from _both(
            f"CHANGE_{speed}_HOST_CHECK_INTERVAL", f"CHANGE_{speed}_SVC_CHECK_INTERVAL", Effect.SHOWN, minutes,
            signs=(Sign(column, FromField("interval")),), doc=f"Change the {column.replace('_', ' ')}.",
        )  # fmt: skip
    attempts = Field("attempts", FieldType.UINT, "checks until a state is hard", low=1, high=2**31 - 1)
    yield from _both(
        "CHANGE_MAX_HOST_CHECK_ATTEMPTS", "CHANGE_MAX_SVC_CHECK_ATTEMPTS", Effect.SHOWN, attempts,
        signs=(Sign("max_check_attempts", FromField("attempts")),), doc="Change how many checks make a state hard.",
    )  # fmt: skip
    for what, column, more in (
        ("CHECK", "check_period", {}),
        ("NOTIFICATION", "notification_period", {"kinds": NOT_ICINGA2}),
        ("EVENT_HANDLER", "event_handler_period", {"kinds": frozenset({NAGIOS}), "since": {NAGIOS: (4, 5)}}),
    ):
        yield from _both(
            f"CHANGE_HOST_{what}_TIMEPERIOD", f"CHANGE_SVC_{what}_TIMEPERIOD", Effect.SHOWN, *_PERIOD,
            signs=(Sign(column, FromField("timeperiod")),), doc=f"Change the {column.replace('_', ' ')}.", **more,
        )  # fmt: skip
    for end, column in (("HOST", "host_notification_period"), ("SVC", "service_notification_period")):
        yield _row(
            f"CHANGE_CONTACT_{end}_NOTIFICATION_TIMEPERIOD", Subject.CONTACT, Effect.SHOWN, *_PERIOD,
            signs=(Sign(column, FromField("timeperiod")),), kinds=NOT_ICINGA2, doc=f"Change the {column.replace('_', ' ')}.",
        )  # fmt: skip
    yield from _dangerous_attributes()


def _dangerous_attributes() -> Rows:
    bits: dict[str, Any] = {"danger": _BITS, "kinds": NOT_ICINGA2, "doc": "Set what counts as modified."}
    mask = FromField("mask")
    yield from _both(
        "CHANGE_HOST_MODATTR", "CHANGE_SVC_MODATTR", Effect.SHOWN, *_MASK, signs=(Sign("modified_attributes", mask),), **bits
    )
    for name, column in (
        ("CHANGE_CONTACT_MODATTR", "modified_attributes"),
        ("CHANGE_CONTACT_MODHATTR", "modified_host_attributes"),
        ("CHANGE_CONTACT_MODSATTR", "modified_service_attributes"),
    ):
        yield _row(name, Subject.CONTACT, Effect.SHOWN, *_MASK, signs=(Sign(column, mask),), **bits)
    variable: dict[str, Any] = {"signs": (Sign("custom_variables", FromField("value"), "variable"),), "danger": _MACROS}
    doc = "Change a custom variable."
    yield from _both(
        "CHANGE_CUSTOM_HOST_VAR", "CHANGE_CUSTOM_SVC_VAR", Effect.SHOWN, *_VALUE, unseen_in=_NO_VARIABLES, doc=doc, **variable
    )
    yield _row("CHANGE_CUSTOM_CONTACT_VAR", Subject.CONTACT, Effect.SHOWN, *_VALUE, kinds=NOT_ICINGA2, doc=doc, **variable)
    only: dict[str, Any] = {"kinds": frozenset({ICINGA2}), "danger": _MACROS, "doc": doc}
    yield _row("CHANGE_CUSTOM_USER_VAR", Subject.CONTACT, Effect.UNSEEN, *_VALUE, **only)
    for what in ("CHECK", "EVENT", "NOTIFICATION"):
        yield _row(f"CHANGE_CUSTOM_{what}COMMAND_VAR", Subject.GLOBAL, Effect.UNSEEN, *_COMMAND, *_VALUE, on=Members.NOBODY, **only)
    program: dict[str, Any] = {"danger": _PROGRAMS, "useless_in": _REFUSED}
    command = FromField("command")
    yield from _both(
        "CHANGE_HOST_CHECK_COMMAND", "CHANGE_SVC_CHECK_COMMAND", Effect.SHOWN, *_COMMAND,
        signs=(Sign("check_command", command, shown_as={ICINGA2: "check_{}!*"}),), doc="Change what checks the object.", **program,
    )  # fmt: skip
    yield from _both(
        "CHANGE_HOST_EVENT_HANDLER", "CHANGE_SVC_EVENT_HANDLER", Effect.SHOWN, *_COMMAND,
        signs=(Sign("event_handler", command, shown_as={ICINGA2: "event_{}"}),),
        doc="Change what is run when the object's state changes.", **program,
    )  # fmt: skip
    for what in ("host", "service"):
        name = "CHANGE_GLOBAL_HOST_EVENT_HANDLER" if what == "host" else "CHANGE_GLOBAL_SVC_EVENT_HANDLER"
        yield _program(
            name, f"global_{what}_event_handler", command, *_COMMAND, kinds=NOT_ICINGA2,
            doc=f"Change what is run when any {what}'s state changes.", **program,
        )  # fmt: skip
    yield _row(
        "CHANGE_ANOMALYDETECTION_SENSITIVITY", Subject.SERVICE, Effect.UNSEEN, Field("sensitivity", FieldType.NUMBER, "0 or more"),
        kinds=frozenset({CENTREON}), doc="Change how sensitive an anomaly detection is.",
    )  # fmt: skip
    yield _row(
        "NEW_THRESHOLDS_FILE", Subject.GLOBAL, Effect.UNSEEN, Field("path", FieldType.PATH, "of the file"), on=Members.NOBODY,
        kinds=frozenset({CENTREON}), danger="it reads any file", doc="Read thresholds of anomaly detections.",
    )  # fmt: skip


# --- the process ------------------------------------------------------------------------------------------------------------------


def _process() -> Rows:
    once: dict[str, Any] = {"idempotent": False, "resend_when_absent": False, "on": Members.NOBODY, "ttl": "ttl_process_s"}
    ends: dict[str, Any] = {
        "log": ("PROGRAM_SHUTDOWN event encountered, shutting down...*", "Received request to shut down.", "Shutting down*")
    }
    starts: dict[str, Any] = {
        "log": ("PROGRAM_RESTART event encountered, restarting...*", "Caught SIGHUP, restarting...", "'*' started.")
    }
    for name in ("SHUTDOWN_PROCESS", "SHUTDOWN_PROGRAM"):
        kinds = ALL if name.endswith("PROCESS") else NOT_ICINGA2
        yield _row(
            name, Subject.GLOBAL, Effect.LOGGED, *_WHEN, kinds=kinds, danger=_PROCESS, effect_deadline_s=30.0, doc="End the core.",
            **once, **ends,
        )  # fmt: skip
    for name in ("RESTART_PROCESS", "RESTART_PROGRAM"):
        kinds = ALL if name.endswith("PROCESS") else NOT_ICINGA2
        yield _row(
            name, Subject.GLOBAL, Effect.LOGGED, *_WHEN, kinds=kinds, danger=_PROCESS, effect_deadline_s=30.0,
            doc="Restart the core.", **once, **starts,
        )  # fmt: skip
    yield _row(
        "SAVE_STATE_INFORMATION", Subject.GLOBAL, Effect.UNSEEN, *_WHEN, kinds=NOT_ICINGA2, on=Members.NOBODY,
        doc="Write the retention file now.",
    )  # fmt: skip
    yield _row(
        "READ_STATE_INFORMATION", Subject.GLOBAL, Effect.UNSEEN, *_WHEN, kinds=NOT_ICINGA2, danger=_STATE,
        doc="Read the retention file over the live state.", **once,
    )  # fmt: skip
    yield _row(
        "SYNC_STATE_INFORMATION", Subject.GLOBAL, Effect.UNSEEN, kinds=frozenset({ICINGA1}), danger=_STATE,
        doc="Merge the retention file for synchronisation into the live state.", **once,
    )  # fmt: skip
    yield _row(
        "FLUSH_PENDING_COMMANDS", Subject.GLOBAL, Effect.UNSEEN, kinds=frozenset({NAGIOS, ICINGA1}), until={NAGIOS: (4,)},
        danger="it drops commands of everybody", doc="Drop the commands the core has not executed yet.", **once,
    )  # fmt: skip
    yield _row(
        "PROCESS_FILE", Subject.GLOBAL, Effect.UNSEEN, Field("path", FieldType.PATH, "of a file of external commands"),
        Field("delete", FieldType.BOOL, "remove it afterwards", False),
        danger="it runs commands from any file and may delete it", doc="Execute the external commands in a file.", **once,
    )  # fmt: skip
    yield _row(
        "LOG", Subject.GLOBAL, Effect.LOGGED, Field("text", FieldType.TEXT, "the line"), kinds=frozenset({NAEMON}), log=("{text}",),
        danger="it can forge any line of the log", doc="Write a line into the core's log.", **once,
    )  # fmt: skip


ROWS: tuple[Row, ...] = tuple(
    chain(
        _comments(), _acknowledgements(), _downtimes(), _checks(), _object_switches(), _group_switches(), _notifications(),
        _attributes(), _program_switches(), _process(),
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
    if not re.match(r"(ENABLE|DISABLE|START|STOP)_", row.name) or len(row.signs) != 1 or row.fields != _SUBJECTS[row.subject]:
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
