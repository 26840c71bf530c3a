"""THE table of cmd.cgi: which number submits which external command, about what, with which parameters.

Numbers that are not here cannot be submitted through the original either: it answers that one is not authorised.

Source: Nagios 4.4.6 cgi/cmd.c (commit_command); the original runs beside this table in tests/system/test_cgi_commands.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from engine.commands.row import Subject
from engine.journal.accounts import Verb


class Form(StrEnum):
    """Which parameters a command takes besides its target."""

    PLAIN = "plain"
    COMMENT = "comment"
    ACKNOWLEDGE = "acknowledge"
    DELAY = "delay"
    CHECK = "check"
    CHECKS = "checks"  # of a host's services: at sched_dly minutes from now
    RESULT = "result"
    DOWNTIME = "downtime"
    NOTIFICATION = "notification"
    PROCESS = "process"
    DELETE_COMMENT = "delete_comment"
    DELETE_DOWNTIME = "delete_downtime"


VERBS: Mapping[Form, Verb] = {
    Form.PLAIN: Verb.SWITCH,
    Form.COMMENT: Verb.COMMENT,
    Form.ACKNOWLEDGE: Verb.ACKNOWLEDGEMENT,
    Form.DELAY: Verb.SWITCH,
    Form.CHECK: Verb.CHECK,
    Form.CHECKS: Verb.CHECK,
    Form.RESULT: Verb.RESULT,
    Form.DOWNTIME: Verb.DOWNTIME,
    Form.NOTIFICATION: Verb.NOTIFICATION,
    Form.PROCESS: Verb.COMMAND,
    Form.DELETE_COMMENT: Verb.COMMENT,
    Form.DELETE_DOWNTIME: Verb.DOWNTIME,
}


class CgiCommand(msgspec.Struct, frozen=True):
    """One number. `also` is written besides with `ahas`; `instead` when that parameter is there (or, of a number, has it)."""

    number: int
    name: str
    subject: Subject
    words: str  # "You are requesting to …"
    form: Form = Form.PLAIN
    also: str = ""
    instead: Mapping[str, str] = msgspec.field(default_factory=dict)
    verb: Verb | None = None

    @property
    def needs(self) -> Verb:
        """What role and token must allow."""
        return self.verb or VERBS[self.form]

    @property
    def has_author(self) -> bool:
        return self.form in (Form.COMMENT, Form.ACKNOWLEDGE, Form.DOWNTIME, Form.NOTIFICATION)


_H, _S, _HG, _SG, _CORE = Subject.HOST, Subject.SERVICE, Subject.HOSTGROUP, Subject.SERVICEGROUP, Subject.GLOBAL


def _switch(on: int, off: int, name: str, subject: Subject, words: str, also: str = "", instead: str = "") -> list[CgiCommand]:
    """A pair that begins with ENABLE and DISABLE; `instead`: of ptc."""
    return [
        CgiCommand(
            number, f"{word}_{name}", subject, f"{word.lower()} {words}", also=f"{word}_{also}" if also else "",
            instead={"ptc": f"{word}_{instead}"} if instead else {},
        )
        for number, word in ((on, "ENABLE"), (off, "DISABLE"))
    ]  # fmt: skip


def _start(on: int, off: int, name: str, subject: Subject, words: str) -> list[CgiCommand]:
    verb = Verb.COMMAND if subject is _CORE else None
    return [
        CgiCommand(number, f"{word}_{name}", subject, f"{word.lower()} {words}", verb=verb)
        for number, word in ((on, "START"), (off, "STOP"))
    ]


def _global(on: int, off: int, name: str, words: str) -> list[CgiCommand]:
    return [
        CgiCommand(number, f"{word}_{name}", _CORE, f"{word.lower()} {words}", verb=Verb.COMMAND)
        for number, word in ((on, "ENABLE"), (off, "DISABLE"))
    ]


_CHILDREN = {
    "childoptions=1": "SCHEDULE_AND_PROPAGATE_TRIGGERED_HOST_DOWNTIME",
    "childoptions=2": "SCHEDULE_AND_PROPAGATE_HOST_DOWNTIME",
}
_ROWS: list[CgiCommand] = [
    CgiCommand(1, "ADD_HOST_COMMENT", _H, "add a host comment", Form.COMMENT),
    CgiCommand(3, "ADD_SVC_COMMENT", _S, "add a service comment", Form.COMMENT),
    CgiCommand(2, "DEL_HOST_COMMENT", _H, "delete a host comment", Form.DELETE_COMMENT),
    CgiCommand(4, "DEL_SVC_COMMENT", _S, "delete a service comment", Form.DELETE_COMMENT),
    CgiCommand(20, "DEL_ALL_HOST_COMMENTS", _H, "delete all comments for a host", verb=Verb.COMMENT),
    CgiCommand(21, "DEL_ALL_SVC_COMMENTS", _S, "delete all comments for a service", verb=Verb.COMMENT),
    CgiCommand(10, "DELAY_HOST_NOTIFICATION", _H, "delay a host notification", Form.DELAY),
    CgiCommand(9, "DELAY_SVC_NOTIFICATION", _S, "delay a service notification", Form.DELAY),
    CgiCommand(
        96, "SCHEDULE_HOST_CHECK", _H, "schedule a host check", Form.CHECK, instead={"force_check": "SCHEDULE_FORCED_HOST_CHECK"}
    ),
    CgiCommand(
        7, "SCHEDULE_SVC_CHECK", _S, "schedule a service check", Form.CHECK, instead={"force_check": "SCHEDULE_FORCED_SVC_CHECK"}
    ),
    CgiCommand(
        17, "SCHEDULE_HOST_SVC_CHECKS", _H, "schedule a check of all services for a host", Form.CHECKS,
        instead={"force_check": "SCHEDULE_FORCED_HOST_SVC_CHECKS"},
    ),
    CgiCommand(33, "ACKNOWLEDGE_HOST_PROBLEM", _H, "acknowledge a host problem", Form.ACKNOWLEDGE),
    CgiCommand(34, "ACKNOWLEDGE_SVC_PROBLEM", _S, "acknowledge a service problem", Form.ACKNOWLEDGE),
    CgiCommand(51, "REMOVE_HOST_ACKNOWLEDGEMENT", _H, "remove a host acknowledgement", verb=Verb.ACKNOWLEDGEMENT),
    CgiCommand(52, "REMOVE_SVC_ACKNOWLEDGEMENT", _S, "remove a service acknowledgement", verb=Verb.ACKNOWLEDGEMENT),
    CgiCommand(87, "PROCESS_HOST_CHECK_RESULT", _H, "submit a passive check result for a particular host", Form.RESULT),
    CgiCommand(30, "PROCESS_SERVICE_CHECK_RESULT", _S, "submit a passive check result for a particular service", Form.RESULT),
    CgiCommand(
        55, "SCHEDULE_HOST_DOWNTIME", _H, "schedule downtime for a particular host", Form.DOWNTIME, instead=_CHILDREN
    ),
    CgiCommand(56, "SCHEDULE_SVC_DOWNTIME", _S, "schedule downtime for a particular service", Form.DOWNTIME),
    CgiCommand(
        86, "SCHEDULE_HOST_SVC_DOWNTIME", _H, "schedule downtime for all services for a particular host", Form.DOWNTIME
    ),
    CgiCommand(
        84, "SCHEDULE_HOSTGROUP_HOST_DOWNTIME", _HG, "schedule downtime for all hosts in a particular hostgroup", Form.DOWNTIME
    ),
    CgiCommand(
        85, "SCHEDULE_HOSTGROUP_SVC_DOWNTIME", _HG, "schedule downtime for all services in a particular hostgroup", Form.DOWNTIME,
        also="SCHEDULE_HOSTGROUP_HOST_DOWNTIME",
    ),
    CgiCommand(
        121, "SCHEDULE_SERVICEGROUP_HOST_DOWNTIME", _SG, "schedule downtime for all hosts in a particular servicegroup",
        Form.DOWNTIME,
    ),
    CgiCommand(
        122, "SCHEDULE_SERVICEGROUP_SVC_DOWNTIME", _SG, "schedule downtime for all services in a particular servicegroup",
        Form.DOWNTIME, also="SCHEDULE_SERVICEGROUP_HOST_DOWNTIME",
    ),
    CgiCommand(78, "DEL_HOST_DOWNTIME", _H, "cancel scheduled downtime for a particular host", Form.DELETE_DOWNTIME),
    CgiCommand(79, "DEL_SVC_DOWNTIME", _S, "cancel scheduled downtime for a particular service", Form.DELETE_DOWNTIME),
    CgiCommand(159, "SEND_CUSTOM_HOST_NOTIFICATION", _H, "send a custom host notification", Form.NOTIFICATION),
    CgiCommand(160, "SEND_CUSTOM_SVC_NOTIFICATION", _S, "send a custom service notification", Form.NOTIFICATION),
    CgiCommand(173, "CLEAR_HOST_FLAPPING_STATE", _H, "clear flapping state for a host"),
    CgiCommand(174, "CLEAR_SVC_FLAPPING_STATE", _S, "clear flapping state for a service"),
    CgiCommand(12, "ENABLE_NOTIFICATIONS", _CORE, "enable notifications", Form.PROCESS),
    CgiCommand(11, "DISABLE_NOTIFICATIONS", _CORE, "disable notifications", Form.PROCESS),
    CgiCommand(14, "SHUTDOWN_PROCESS", _CORE, "shutdown the Nagios process", Form.PROCESS),
    CgiCommand(13, "RESTART_PROCESS", _CORE, "restart the Nagios process", Form.PROCESS),
    *_switch(47, 48, "HOST_CHECK", _H, "active checks of a particular host"),
    *_switch(5, 6, "SVC_CHECK", _S, "active checks of a particular service"),
    *_switch(15, 16, "HOST_SVC_CHECKS", _H, "active checks of all services on a host", also="HOST_CHECK"),
    *_switch(24, 25, "HOST_NOTIFICATIONS", _H, "notifications for a host", instead="HOST_AND_CHILD_NOTIFICATIONS"),
    *_switch(22, 23, "SVC_NOTIFICATIONS", _S, "notifications for a service"),
    *_switch(28, 29, "HOST_SVC_NOTIFICATIONS", _H, "notifications for all services on a host", also="HOST_NOTIFICATIONS"),
    *_switch(26, 27, "ALL_NOTIFICATIONS_BEYOND_HOST", _H, "notifications for all hosts and services beyond a host"),
    CgiCommand(92, "ENABLE_PASSIVE_HOST_CHECKS", _H, "start accepting passive checks for a particular host"),
    CgiCommand(93, "DISABLE_PASSIVE_HOST_CHECKS", _H, "stop accepting passive checks for a particular host"),
    CgiCommand(39, "ENABLE_PASSIVE_SVC_CHECKS", _S, "start accepting passive service checks for a particular service"),
    CgiCommand(40, "DISABLE_PASSIVE_SVC_CHECKS", _S, "stop accepting passive service checks for a particular service"),
    *_switch(43, 44, "HOST_EVENT_HANDLER", _H, "the event handler for a particular host"),
    *_switch(45, 46, "SVC_EVENT_HANDLER", _S, "the event handler for a particular service"),
    *_switch(57, 58, "HOST_FLAP_DETECTION", _H, "flap detection for a particular host"),
    *_switch(59, 60, "SVC_FLAP_DETECTION", _S, "flap detection for a particular service"),
    *_start(101, 102, "OBSESSING_OVER_HOST", _H, "obsessing over a particular host"),
    *_start(99, 100, "OBSESSING_OVER_SVC", _S, "obsessing over a particular service"),
    *_switch(
        63, 64, "HOSTGROUP_SVC_NOTIFICATIONS", _HG, "notifications for all services in a particular hostgroup",
        also="HOSTGROUP_HOST_NOTIFICATIONS",
    ),
    *_switch(65, 66, "HOSTGROUP_HOST_NOTIFICATIONS", _HG, "notifications for all hosts in a particular hostgroup"),
    *_switch(
        67, 68, "HOSTGROUP_SVC_CHECKS", _HG, "active checks of all services in a particular hostgroup", also="HOSTGROUP_HOST_CHECKS"
    ),
    *_switch(
        109, 110, "SERVICEGROUP_SVC_NOTIFICATIONS", _SG, "notifications for all services in a particular servicegroup",
        also="SERVICEGROUP_HOST_NOTIFICATIONS",
    ),
    *_switch(111, 112, "SERVICEGROUP_HOST_NOTIFICATIONS", _SG, "notifications for all hosts in a particular servicegroup"),
    *_switch(
        113, 114, "SERVICEGROUP_SVC_CHECKS", _SG, "active checks of all services in a particular servicegroup",
        also="SERVICEGROUP_HOST_CHECKS",
    ),
    *_start(35, 36, "EXECUTING_SVC_CHECKS", _CORE, "executing active service checks"),
    *_start(88, 89, "EXECUTING_HOST_CHECKS", _CORE, "executing host checks"),
    *_start(37, 38, "ACCEPTING_PASSIVE_SVC_CHECKS", _CORE, "accepting passive service checks"),
    *_start(90, 91, "ACCEPTING_PASSIVE_HOST_CHECKS", _CORE, "accepting passive host checks"),
    *_start(49, 50, "OBSESSING_OVER_SVC_CHECKS", _CORE, "obsessing over service checks"),
    *_start(94, 95, "OBSESSING_OVER_HOST_CHECKS", _CORE, "obsessing over host checks"),
    *_global(41, 42, "EVENT_HANDLERS", "event handlers"),
    *_global(61, 62, "FLAP_DETECTION", "flap detection for hosts and services"),
    *_global(82, 83, "PERFORMANCE_DATA", "performance data processing for hosts and services"),
]  # fmt: skip
TABLE: Mapping[int, CgiCommand] = {row.number: row for row in _ROWS}
