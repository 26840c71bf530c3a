"""What contrib/cgi-commands.md says of both, as requests: for each row that one request can show, what either does with it."""

from __future__ import annotations

import time
from typing import NamedTuple

Parameters = list[tuple[str, str]]
SUCCESS = "Your command request was successfully submitted to Nagios for processing."
REFUSED = "Sorry, but you are not authorized to commit the specified command."
FAILED = "An error occurred while attempting to commit your command for processing."


class Difference(NamedTuple):
    """`row` begins a row of the page. Lines are regular expressions, "" for nothing written."""

    row: str
    asked: Parameters
    theirs: str
    ours: str
    said: str = SUCCESS  # by ours


def clock(at: float) -> str:
    return time.strftime("%m-%d-%Y %H:%M:%S", time.localtime(at))


def differences(now: float) -> list[Difference]:
    """The table. `now` is the time of the core's wall."""
    soon, later, before = clock(now + 5000), clock(now + 9000), clock(now - 86400)
    host = ("host", "web03")
    downtime = [("cmd_typ", "55"), host, ("com_data", "differs")]
    window = [("start_time", soon), ("end_time", later)]
    fixed = r"SCHEDULE_HOST_DOWNTIME;web03;(\d+);(\d+);1;0;{0};nagiosadmin;differs"
    flexible = r"SCHEDULE_HOST_DOWNTIME;web03;\d+;\d+;0;0;0;nagiosadmin;differs"
    past = int(now) - 86400
    return [
        Difference("`duration` of a fixed downtime", [*downtime, ("fixed", "1"), ("hours", "2"), ("minutes", "0"), *window],
                   fixed.format(7200), fixed.format(4000)),
        Difference("A flexible downtime without hours", [*downtime, *window], flexible, "", FAILED),
        Difference("A flexible downtime without hours", [*downtime, ("fixed", "1"), ("start_time", soon), ("end_time", soon)],
                   fixed.format(0), "", FAILED),
        Difference("A downtime that is over", [*downtime, ("fixed", "1"), ("start_time", before), ("end_time", clock(now - 80000))],
                   fixed.format(0), "", FAILED),
        Difference("A check time in the past", [("cmd_typ", "96"), host, ("start_time", before), ("force_check", "on")],
                   rf"SCHEDULE_FORCED_HOST_CHECK;web03;{past}", rf"SCHEDULE_FORCED_HOST_CHECK;web03;(?!{past})\d+"),
        Difference("11, 12", [("cmd_typ", "12"), ("sched_dly", "3")], r"ENABLE_NOTIFICATIONS;\d+", "ENABLE_NOTIFICATIONS"),
        Difference("A comment where the command takes none", [("cmd_typ", "24"), host, ("com_data", "differs")],
                   "ENABLE_HOST_NOTIFICATIONS;web03;nagiosadmin;differs", "ENABLE_HOST_NOTIFICATIONS;web03"),
        Difference("The same downtime, acknowledgement", [("cmd_typ", "1"), ("host", "web01"), ("com_data", "twice")],
                   "ADD_HOST_COMMENT;web01;0;nagiosadmin;twice", "ADD_HOST_COMMENT;web01;0;nagiosadmin;twice"),
        Difference("A comment of blanks", [("cmd_typ", "1"), host, ("com_data", " ")],
                   "ADD_HOST_COMMENT;web03;0;nagiosadmin; ", "", FAILED),
        Difference("A comment of blanks", [("cmd_typ", "87"), host, ("plugin_state", "3"), ("plugin_output", "x")],
                   r"PROCESS_HOST_CHECK_RESULT;web03;3;x\|", "", FAILED),
        Difference("Tabs in comments", [("cmd_typ", "1"), host, ("com_data", "a\tb")],
                   "ADD_HOST_COMMENT;web03;0;nagiosadmin;a\tb", "ADD_HOST_COMMENT;web03;0;nagiosadmin;a b"),
        Difference("Angle brackets in names", [("cmd_typ", "24"), ("host", "web<03>")],
                   "ENABLE_HOST_NOTIFICATIONS;web03", "", REFUSED),
        Difference("A group without members", [("cmd_typ", "65"), ("hostgroup", "nothing")],
                   "ENABLE_HOSTGROUP_HOST_NOTIFICATIONS;nothing", "", FAILED),
        Difference("An unforced check where", [("cmd_typ", "96"), host, ("start_time", soon)],
                   r"SCHEDULE_HOST_CHECK;web03;\d+", "", FAILED),
        Difference("Acknowledging what is well", [("cmd_typ", "33"), ("host", "gateway"), ("com_data", "differs")],
                   "ACKNOWLEDGE_HOST_PROBLEM;gateway;1;0;0;nagiosadmin;differs", "", FAILED),
    ]  # fmt: skip
