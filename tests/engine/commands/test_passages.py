"""What a log alone tells of downtimes: periods, and who asked only where it cannot have been another."""

from __future__ import annotations

from engine.commands.passages import Asked, OfGroup, Passages, Period
from engine.formats.logentry import parse_entry


def periods(*lines: str) -> list[Period]:
    passages, found = Passages(), []
    for line in lines:
        entry = parse_entry(line.encode())
        assert entry is not None, line
        found += passages.read(entry)
    return found


FIXED = "[100] EXTERNAL COMMAND: SCHEDULE_HOST_DOWNTIME;web;100;200;1;0;0;anna;patch; and reboot"
BEGINS = "[100] HOST DOWNTIME ALERT: web;STARTED; Host has entered a period of scheduled downtime"
ENDS = "[200] HOST DOWNTIME ALERT: web;STOPPED; Host has exited from a period of scheduled downtime"
CANCELLED = "[150] HOST DOWNTIME ALERT: web;CANCELLED; Scheduled downtime for host has been cancelled."
ANNAS = Asked(100, 100, 200, True, 0, "anna", "patch; and reboot")


def test_a_period_with_the_one_command_that_fits() -> None:
    assert periods(FIXED, BEGINS, ENDS) == [Period("web", "", 100, 200, False, ANNAS)]
    assert periods(FIXED, BEGINS, CANCELLED) == [Period("web", "", 100, 150, True, ANNAS)]


def test_nobody_is_named_where_two_fit_or_none() -> None:
    assert periods(FIXED, FIXED.replace("anna", "olga"), BEGINS, ENDS)[0].asked is None
    assert periods(BEGINS, ENDS)[0].asked is None
    assert periods(FIXED.replace("web", "other"), BEGINS, ENDS)[0].asked is None
    assert periods(FIXED.replace(";100;200", ";50;105"), BEGINS, ENDS)[0].asked is None, "it would have ended before"
    assert periods(FIXED.replace(";100;200", ";130;300"), BEGINS, ENDS)[0].asked is None, "it would have begun later"
    assert periods(FIXED.replace("HOST_DOWNTIME;web", "HOSTGROUP_HOST_DOWNTIME;web"), BEGINS, ENDS)[0].asked is None
    assert periods(FIXED.replace(";1;0;0;", ";1;0;x;"), BEGINS, ENDS)[0].asked is None


def test_commands_for_groups_are_told_where_none_names_the_object() -> None:
    """Whether it is in the group, no log says. Host and services have commands of their own."""
    for name, kind, for_services in (
        ("HOSTGROUP_HOST", "hostgroup", False), ("SERVICEGROUP_HOST", "servicegroup", False),
        ("HOSTGROUP_SVC", "hostgroup", True), ("SERVICEGROUP_SVC", "servicegroup", True),
    ):  # fmt: skip
        asked = FIXED.replace("HOST_DOWNTIME;web", f"{name}_DOWNTIME;linux")
        of_service = [line.replace("HOST DOWNTIME ALERT: web;", "SERVICE DOWNTIME ALERT: web;x;") for line in (BEGINS, ENDS)]
        lines = of_service if for_services else [BEGINS, ENDS]
        assert periods(asked, *lines)[0].perhaps == (OfGroup(kind, "linux", ANNAS),), name
        assert periods(asked, *([BEGINS, ENDS] if for_services else of_service))[0].perhaps == (), name
        assert periods(asked.replace(";100;200", ";130;300"), *lines)[0].perhaps == (), "it would have begun later"
    named = periods(FIXED.replace("HOST_DOWNTIME;web", "HOSTGROUP_HOST_DOWNTIME;linux"), FIXED, BEGINS, ENDS)
    assert (named[0].asked, named[0].perhaps) == (ANNAS, ())


def test_the_same_command_twice_has_one_meaning() -> None:
    assert periods(FIXED, FIXED.replace("[100]", "[101]"), BEGINS, ENDS)[0].asked is not None


def test_a_flexible_one_begins_within_its_window_and_lasts_its_duration() -> None:
    flexible = FIXED.replace(";100;200;1;0;0;", ";90;500;0;0;60;")
    assert periods(flexible, BEGINS, ENDS.replace("[200]", "[160]"))[0].asked is not None
    (late,) = periods(flexible, BEGINS, ENDS)
    assert (late.end, late.ended) == (200, 160), "the core saw it late: it was over after its duration"
    assert periods(flexible, BEGINS, ENDS.replace("[200]", "[290]"))[0].asked is None, "it would have lasted longer than it may"


def test_of_a_host_and_its_services_each_has_its_own() -> None:
    """A command for a host's services is one for each of them, not for the host."""
    services = FIXED.replace("HOST_DOWNTIME", "HOST_SVC_DOWNTIME")
    of_service = [line.replace("HOST DOWNTIME ALERT: web;", "SERVICE DOWNTIME ALERT: web;Disk /var;") for line in (BEGINS, ENDS)]
    assert periods(services, *of_service) == [Period("web", "Disk /var", 100, 200, False, ANNAS)]
    assert periods(services, BEGINS, ENDS)[0].asked is None
    assert periods(FIXED, *of_service)[0].asked is None


def test_a_core_that_starts_again_goes_on_with_what_had_begun() -> None:
    assert periods(FIXED, BEGINS, BEGINS.replace("[100]", "[120]"), ENDS) == [Period("web", "", 100, 200, False, ANNAS)]


def test_one_that_ended_while_its_core_was_down_is_not_taken_for_the_next() -> None:
    """The core says nothing of its end: that it lasted until the next one ended would be invented."""
    next_one = [line.replace("100", "900").replace("200", "950") for line in (FIXED, BEGINS, ENDS)]
    assert [period[2:4] for period in periods(FIXED, BEGINS, *next_one)] == [(900, 950)]
    assert [period[2:4] for period in periods(BEGINS, *next_one)] == [(900, 950)]


def test_an_end_without_a_beginning_is_no_period() -> None:
    """The log before it is gone: when it began would be invented. So does a flapping that starts and stops."""
    assert periods(ENDS, CANCELLED) == []
    assert periods(BEGINS, *[line.replace("DOWNTIME", "FLAPPING") for line in (BEGINS, ENDS)]) == []
