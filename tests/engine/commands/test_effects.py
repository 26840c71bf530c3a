"""Effects as data: what is as asked proves only after the execution, members count one by one, the log proves behind the echo."""

from __future__ import annotations

import pytest

from engine.commands.catalogue import CATALOGUE
from engine.commands.effects import (
    Listener,
    MemberSeen,
    When,
    is_chosen,
    judge_checks,
    judge_comments_gone,
    judge_downtimes_gone,
    judge_logged,
    judge_signs,
)
from engine.commands.expected import Expected
from engine.commands.proof import Effected
from engine.formats.corelog import LogLine, parse_line
from engine.model import CommentStatus, CoreKind
from tests.engine.state.rows import downtime, host_row

EARLY, YOUNG, LATE = When(100, 100, 2), When(101, 100, 2), When(103, 100, 2)
OFF = CATALOGUE["DISABLE_HOSTGROUP_HOST_NOTIFICATIONS"]


def members(**shown: object) -> list[MemberSeen]:
    return [MemberSeen(name, None if value is None else {"notifications_enabled": value}) for name, value in shown.items()]


@pytest.mark.parametrize(
    ("seen", "when", "effected", "some"),
    [
        (members(a=0, b=0), YOUNG, Effected.YES, False),
        (members(a=0, b=0), EARLY, Effected.NOT_YET, False),  # it may have been so before
        (members(a=0, b=1), YOUNG, Effected.NOT_YET, False),
        (members(a=0, b=1), LATE, Effected.NO, True),
        (members(a=0, b=None), LATE, Effected.NO, True),
        (members(a=1, b=1), LATE, Effected.NO, False),
        (members(a=None), LATE, Effected.CLEARED, False),
        (members(a="x"), LATE, Effected.NO, False),
        ([], YOUNG, Effected.NOT_YET, False),
        ([], LATE, Effected.CLEARED, False),  # on nobody nothing is seen
    ],
)
def test_signs(seen: list[MemberSeen], when: When, effected: Effected, some: bool) -> None:
    judgement = judge_signs(OFF, {"hostgroup": "web"}, seen, when, CoreKind.NAGIOS)
    assert (judgement.effected, judgement.some) == (effected, some)
    if some:
        assert "a" in judgement.evidence and "b" in judgement.reason


def test_a_sign_takes_its_value_from_the_arguments() -> None:
    row = CATALOGUE["CHANGE_NORMAL_SVC_CHECK_INTERVAL"]
    for shown, effected in ((7.5, Effected.YES), (7.0, Effected.NO)):
        seen = [MemberSeen("h/s", {"check_interval": shown})]
        assert judge_signs(row, {"interval": 7.5}, seen, LATE, CoreKind.ICINGA2).effected is effected
    row = CATALOGUE["CHANGE_CUSTOM_HOST_VAR"]
    for shown, effected in (('{"OWNER":"ann"}', Effected.YES), ('{"OWNER":"bob"}', Effected.NO), ("{}", Effected.NO)):
        seen = [MemberSeen("h", {"custom_variables": shown})]
        assert judge_signs(row, {"variable": "owner", "value": "ann"}, seen, LATE, CoreKind.NAGIOS).effected is effected
    program = CATALOGUE["DISABLE_NOTIFICATIONS"]
    assert (
        judge_signs(program, {}, [MemberSeen("the core", {"enable_notifications": "0"})], LATE, CoreKind.NAGIOS).effected
        is Effected.YES
    )


def test_checks_that_are_not_forced_need_active_checks() -> None:
    on = host_row("h", checks_enabled=1, next_check=100, last_check=50)
    off = host_row("h", checks_enabled=0, next_check=100, last_check=50)
    assert judge_checks([("h", on)], 100, False, LATE).effected is Effected.YES
    judgement = judge_checks([("h", off)], 100, False, LATE)
    assert judgement.effected is Effected.NO and "active checks are off" in judgement.reason
    assert judge_checks([("h", on)], 100, True, LATE).effected is Effected.NO
    assert judge_checks([("h", on._replace(check_options=1))], 100, True, LATE).effected is Effected.YES
    assert judge_checks([("h", off._replace(last_check=100))], 100, True, LATE).effected is Effected.YES
    assert judge_checks([("h", on)], 500, True, LATE).effected is Effected.NOT_YET


def test_what_is_to_be_gone() -> None:
    old = CommentStatus("h", None, 7, 1, 1, 1, 90.0, 0, 0.0, "ann", "x", 1)
    assert judge_comments_gone([old], 95, LATE).effected is Effected.NO
    assert judge_comments_gone([old._replace(entry_time=96.0)], 95, LATE).effected is Effected.YES
    assert judge_comments_gone([], 95, EARLY).effected is Effected.NOT_YET
    row, blocks = CATALOGUE["DEL_DOWNTIME_BY_HOST_NAME"], [downtime("h", "s", 1), downtime("other", None, 2)]
    for arguments, effected in (
        ({"host": "h"}, Effected.NO),
        ({"host": "h", "service": "t"}, Effected.YES),
        ({"host": "h", "start": 100}, Effected.NO),
        ({"host": "h", "start": 99}, Effected.YES),
        ({"host": "h", "comment": "rest"}, Effected.YES),
    ):
        assert judge_downtimes_gone(row, arguments, None, blocks, 200, When(203, 200, 2)).effected is effected
    group = CATALOGUE["DEL_DOWNTIME_BY_HOSTGROUP_NAME"]
    assert judge_downtimes_gone(group, {"hostgroup": "g"}, ["x"], blocks, 200, When(203, 200, 2)).effected is Effected.YES


def test_the_log_proves_what_only_it_can() -> None:
    row = CATALOGUE["SEND_CUSTOM_HOST_NOTIFICATION"]
    arguments = {"host": "h", "author": "ann", "comment": "a.b"}
    listener = Listener()
    listener.add(row, arguments, Expected("1", b"SEND_CUSTOM_HOST_NOTIFICATION;h;0;ann;a.b"))
    for raw in (b"HOST NOTIFICATION: c;h;CUSTOM (UP);cmd;out;ann;aXb", b"HOST NOTIFICATION: c;g;CUSTOM (UP);cmd;out;ann;a.b"):
        assert listener.feed(line(raw)) == []
    found = b"HOST NOTIFICATION: c;h;CUSTOM (UP);cmd;out;ann;a.b"
    assert listener.feed(line(found)) == [("1", f"[5] {found.decode()}")]
    assert listener.feed(line(found)) == []
    assert judge_logged(row, YOUNG).effected is Effected.NOT_YET
    assert judge_logged(row, LATE).effected is Effected.NO


def test_anybody_s_restart_before_the_echo_proves_nothing() -> None:
    listener, restart = Listener(), b"PROGRAM_RESTART event encountered, restarting..."
    listener.add(CATALOGUE["RESTART_PROCESS"], {}, Expected("1", b"RESTART_PROCESS"))
    assert listener.feed(line(restart)) == []
    assert listener.feed(line(b"EXTERNAL COMMAND: RESTART_PROCESS;")) == []
    assert [command for command, _ in listener.feed(line(restart))] == ["1"]


def line(text: bytes) -> LogLine:
    found = parse_line(b"[5] " + text)
    assert found is not None
    return found


def test_icinga_2_shows_commands_by_names_of_its_own() -> None:
    """A changed event handler or check command would never be seen there."""
    handler, check = CATALOGUE["CHANGE_HOST_EVENT_HANDLER"], CATALOGUE["CHANGE_SVC_CHECK_COMMAND"]
    for row, column, shown, wanted, effected in (
        (handler, "event_handler", "event_mend", "mend", Effected.YES),
        (handler, "event_handler", "event_other", "mend", Effected.NO),
        (check, "check_command", "check_http!a!b", "http", Effected.YES),
        (check, "check_command", "check_http2!a", "http", Effected.NO),
    ):
        seen = [MemberSeen("h", {column: shown})]
        assert judge_signs(row, {"command": wanted}, seen, LATE, CoreKind.ICINGA2).effected is effected


def test_a_downtime_is_chosen_by_everything_that_was_given() -> None:
    """Somebody would be told to have deleted what went by itself."""
    row = CATALOGUE["DEL_DOWNTIME_BY_HOST_NAME"]
    values = {"host": "a", "service": "s", "start": 100.0, "comment": "c"}
    for arguments, chosen in (
        ({"host": "a"}, True),
        ({"host": "b"}, False),
        ({"host": "a", "service": "s", "start": 100, "comment": "c"}, True),
        ({"host": "a", "start": 101}, False),
        ({"host": "a", "comment": "other"}, False),
    ):
        assert is_chosen(row, arguments, values) is chosen, arguments
    assert not is_chosen(row, {"host": "a", "start": 5}, values | {"start": None})
