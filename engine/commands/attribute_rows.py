"""Rows of the catalogue: notifications, and attributes that are changed to a value, dangerous ones too."""

from __future__ import annotations

from typing import Any

from engine.commands.parts import (
    BITS,
    CENTREON,
    COMMAND,
    ICINGA2,
    MACROS,
    MASK,
    NAGIOS,
    NO_VARIABLES,
    NOT_ICINGA2,
    PERIOD,
    PROGRAMS,
    REFUSED,
    SIGNED,
    VALUE,
    Rows,
    both,
    program_row,
    row,
)
from engine.commands.row import Effect, Field, FieldType, FromField, Members, Sign, Subject


def notifications() -> Rows:
    """Contacts are told, or told later."""
    options = Field("options", FieldType.UINT, "1 to all contacts, 2 forced, 4 counts as a notification; sums of these", 0, high=7)
    told: dict[str, Any] = {
        "idempotent": False, "resend_when_absent": False, "effect_deadline_s": 5.0, "ttl": "ttl_notification_s",
        "doc": "Tell the contacts something.", "cut_at_semicolon": True,
    }  # fmt: skip
    yield row(
        "SEND_CUSTOM_HOST_NOTIFICATION", Subject.HOST, Effect.LOGGED, options, *SIGNED,
        log=("HOST NOTIFICATION: *;{host};CUSTOM*;{author};{comment}",), **told,
    )  # fmt: skip
    yield row(
        "SEND_CUSTOM_SVC_NOTIFICATION", Subject.SERVICE, Effect.LOGGED, options, *SIGNED,
        log=("SERVICE NOTIFICATION: *;{host};{service};CUSTOM*;{author};{comment}",), **told,
    )  # fmt: skip
    yield from both(
        "DELAY_HOST_NOTIFICATION", "DELAY_SVC_NOTIFICATION", Effect.SHOWN, Field("at", FieldType.TIME, "not before then"),
        signs=(Sign("next_notification", FromField("at")),), doc="Put the next notification off.",
    )  # fmt: skip
    yield from both(
        "SET_HOST_NOTIFICATION_NUMBER", "SET_SVC_NOTIFICATION_NUMBER", Effect.SHOWN,
        Field("number", FieldType.UINT, "how many were sent", high=2**31 - 1), kinds=NOT_ICINGA2,
        signs=(Sign("current_notification_number", FromField("number")),), doc="Set how many notifications were sent.",
    )  # fmt: skip


def attributes() -> Rows:
    """Attributes that are changed to a value."""
    minutes = Field("interval", FieldType.NUMBER, "in units of the core's interval_length (minutes, as a rule)", high=10**7)
    for speed, column in (("NORMAL", "check_interval"), ("RETRY", "retry_interval")):
        yield from both(
            f"CHANGE_{speed}_HOST_CHECK_INTERVAL", f"CHANGE_{speed}_SVC_CHECK_INTERVAL", Effect.SHOWN, minutes,
            signs=(Sign(column, FromField("interval")),), doc=f"Change the {column.replace('_', ' ')}.",
        )  # fmt: skip
    attempts = Field("attempts", FieldType.UINT, "checks until a state is hard", low=1, high=2**31 - 1)
    yield from both(
        "CHANGE_MAX_HOST_CHECK_ATTEMPTS", "CHANGE_MAX_SVC_CHECK_ATTEMPTS", Effect.SHOWN, attempts,
        signs=(Sign("max_check_attempts", FromField("attempts")),), doc="Change how many checks make a state hard.",
    )  # fmt: skip
    for what, column, more in (
        ("CHECK", "check_period", {}),
        ("NOTIFICATION", "notification_period", {"kinds": NOT_ICINGA2}),
        ("EVENT_HANDLER", "event_handler_period", {"kinds": frozenset({NAGIOS}), "since": {NAGIOS: (4, 5)}}),
    ):
        yield from both(
            f"CHANGE_HOST_{what}_TIMEPERIOD", f"CHANGE_SVC_{what}_TIMEPERIOD", Effect.SHOWN, *PERIOD,
            signs=(Sign(column, FromField("timeperiod")),), doc=f"Change the {column.replace('_', ' ')}.", **more,
        )  # fmt: skip
    for end, column in (("HOST", "host_notification_period"), ("SVC", "service_notification_period")):
        yield row(
            f"CHANGE_CONTACT_{end}_NOTIFICATION_TIMEPERIOD", Subject.CONTACT, Effect.SHOWN, *PERIOD,
            signs=(Sign(column, FromField("timeperiod")),), kinds=NOT_ICINGA2, doc=f"Change the {column.replace('_', ' ')}.",
        )  # fmt: skip
    yield from _dangerous_attributes()


def _dangerous_attributes() -> Rows:
    bits: dict[str, Any] = {"danger": BITS, "kinds": NOT_ICINGA2, "doc": "Set what counts as modified."}
    mask = FromField("mask")
    yield from both(
        "CHANGE_HOST_MODATTR", "CHANGE_SVC_MODATTR", Effect.SHOWN, *MASK, signs=(Sign("modified_attributes", mask),), **bits
    )
    for name, column in (
        ("CHANGE_CONTACT_MODATTR", "modified_attributes"),
        ("CHANGE_CONTACT_MODHATTR", "modified_host_attributes"),
        ("CHANGE_CONTACT_MODSATTR", "modified_service_attributes"),
    ):
        yield row(name, Subject.CONTACT, Effect.SHOWN, *MASK, signs=(Sign(column, mask),), **bits)
    variable: dict[str, Any] = {"signs": (Sign("custom_variables", FromField("value"), "variable"),), "danger": MACROS}
    doc = "Change a custom variable."
    yield from both(
        "CHANGE_CUSTOM_HOST_VAR", "CHANGE_CUSTOM_SVC_VAR", Effect.SHOWN, *VALUE, unseen_in=NO_VARIABLES, doc=doc, **variable
    )
    yield row("CHANGE_CUSTOM_CONTACT_VAR", Subject.CONTACT, Effect.SHOWN, *VALUE, kinds=NOT_ICINGA2, doc=doc, **variable)
    only: dict[str, Any] = {"kinds": frozenset({ICINGA2}), "danger": MACROS, "doc": doc}
    yield row("CHANGE_CUSTOM_USER_VAR", Subject.CONTACT, Effect.UNSEEN, *VALUE, **only)
    for what in ("CHECK", "EVENT", "NOTIFICATION"):
        yield row(f"CHANGE_CUSTOM_{what}COMMAND_VAR", Subject.GLOBAL, Effect.UNSEEN, *COMMAND, *VALUE, on=Members.NOBODY, **only)
    program: dict[str, Any] = {"danger": PROGRAMS, "useless_in": REFUSED}
    command = FromField("command")
    yield from both(
        "CHANGE_HOST_CHECK_COMMAND", "CHANGE_SVC_CHECK_COMMAND", Effect.SHOWN, *COMMAND,
        signs=(Sign("check_command", command, shown_as={ICINGA2: "check_{}!*"}),), doc="Change what checks the object.", **program,
    )  # fmt: skip
    yield from both(
        "CHANGE_HOST_EVENT_HANDLER", "CHANGE_SVC_EVENT_HANDLER", Effect.SHOWN, *COMMAND,
        signs=(Sign("event_handler", command, shown_as={ICINGA2: "event_{}"}),),
        doc="Change what is run when the object's state changes.", **program,
    )  # fmt: skip
    for what in ("host", "service"):
        name = "CHANGE_GLOBAL_HOST_EVENT_HANDLER" if what == "host" else "CHANGE_GLOBAL_SVC_EVENT_HANDLER"
        yield program_row(
            name, f"global_{what}_event_handler", command, *COMMAND, kinds=NOT_ICINGA2,
            doc=f"Change what is run when any {what}'s state changes.", **program,
        )  # fmt: skip
    yield row(
        "CHANGE_ANOMALYDETECTION_SENSITIVITY", Subject.SERVICE, Effect.UNSEEN, Field("sensitivity", FieldType.NUMBER, "0 or more"),
        kinds=frozenset({CENTREON}), doc="Change how sensitive an anomaly detection is.",
    )  # fmt: skip
    yield row(
        "NEW_THRESHOLDS_FILE", Subject.GLOBAL, Effect.UNSEEN, Field("path", FieldType.PATH, "of the file"), on=Members.NOBODY,
        kinds=frozenset({CENTREON}), danger="it reads any file", doc="Read thresholds of anomaly detections.",
    )  # fmt: skip
