"""Any command by its name: what is dangerous is kept away, what is not the caller's stays unknown, nouns and names join twins."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.commands.catalogue import CATALOGUE, ROWS
from engine.config import Config
from tests.api.support_desk import Front, Reply, open_front

ALLOWED = ("SHUTDOWN_PROCESS", "_MODULE", "DEL_DOWNTIME_BY_START_TIME_COMMENT", "STOP_EXECUTING_HOST_CHECKS")
DANGEROUS = sorted(row.name for row in ROWS if row.danger)

GROUP = b'{"hosts": {"notifications_enabled": false}, "services": {"checks_enabled": true}}'
PROGRAM_DANGERS = (
    "enable_notifications", "execute_service_checks", "execute_host_checks", "accept_passive_service_checks",
    "accept_passive_host_checks", "obsess_over_services", "obsess_over_hosts",
)  # fmt: skip


@pytest.fixture
def daring(_world: Config, tmp_path: Path) -> Iterator[Front]:
    """A front whose configuration names some dangerous commands."""
    data = tmp_path / "daring"
    shutil.copytree(_world.data, data)
    settings = replace(_world.settings, dangerous_commands=ALLOWED)
    with open_front(replace(_world, data=data, settings=settings)) as opened:
        yield opened


def send(front: Front, command: str, poller: str | None = None, **arguments: object) -> Reply:
    return front.post("/v1/commands", {"command": command, "arguments": arguments} | ({"poller": poller} if poller else {}))


def arguments_of(reply: Reply) -> tuple[str, str | None]:
    (command,) = reply.json["commands"]
    return command["host"], command["service"]


def test_an_object_s_command_goes_to_its_poller(front: Front) -> None:
    reply = send(front, "DISABLE_SVC_NOTIFICATIONS", host="web01", service="HTTP")
    assert reply.status == 202
    (command,) = reply.json["commands"]
    assert (command["command"], command["poller"], command["host"], command["service"]) == (
        "DISABLE_SVC_NOTIFICATIONS", "north", "web01", "HTTP",
    )  # fmt: skip


def test_a_group_a_contact_s_and_a_core_s_command_have_no_object(front: Front) -> None:
    reply = send(front, "DISABLE_HOSTGROUP_SVC_CHECKS", "north", hostgroup="web")
    assert reply.status == 202
    assert arguments_of(reply) == ("", None)
    life = front.get(reply.json["commands"][0]["href"]).json
    assert life["arguments"] == {"hostgroup": "web"}
    assert send(front, "ENABLE_EVENT_HANDLERS", "south").json["commands"][0]["poller"] == "south"
    send(front, "DISABLE_CONTACT_HOST_NOTIFICATIONS", contact="nobody").problem(404, "unknown_object")


def test_what_stands_on_several_pollers_must_be_told_apart(front: Front) -> None:
    send(front, "ENABLE_EVENT_HANDLERS").problem(409, "ambiguous")
    send(front, "DISABLE_HOST_CHECK", host="shared").problem(409, "ambiguous")
    send(front, "DISABLE_HOSTGROUP_SVC_CHECKS", hostgroup="nothing").problem(404, "unknown_object")


@pytest.mark.parametrize("name", [*DANGEROUS, "_MODULE"])
def test_every_dangerous_command_is_refused_unless_the_configuration_names_it(front: Front, name: str) -> None:
    problem = send(front, name).problem(403, "forbidden")
    assert problem["right"] == "dangerous_commands"


def test_a_named_dangerous_command_is_for_admins_only(daring: Front) -> None:
    for name in ALLOWED:
        arguments = {"comment": "work"} if name.startswith("DEL_") else {}
        assert send(daring.by("olga"), name, "north", **arguments).problem(403, "forbidden")["right"] == "admin"
        assert send(daring, name, "north", **arguments).status == 202, name
    send(daring, "RESTART_PROCESS", "north").problem(403, "forbidden")
    send(daring, "DEL_DOWNTIME_BY_START_TIME_COMMENT", "north").problem(422, "invalid_field")


def test_our_marks_and_unknown_names_are_no_commands(daring: Front) -> None:
    for name in ("_SIGNALBOX_B1", "SIGNALBOX_E0123456789abcdef", "_signalbox_E1"):
        assert send(daring, name, "north").problem(403, "forbidden")["right"] == "mark"
    for name in ("NO_SUCH_COMMAND", "disable_notifications", "ENABLE_HOST_CHECK\nX"):
        send(daring, name, "north").problem(422, "unknown_command")
    problem = send(daring, "DISABLE_HOST_NOTIFICATION", host="web01").problem(422, "unknown_command")
    assert "DISABLE_HOST_NOTIFICATIONS" in problem["near"]


def test_a_core_without_the_command_is_not_asked(front: Front) -> None:
    send(front, "CHANGE_HOST_EVENT_HANDLER_TIMEPERIOD", host="web01", timeperiod="always").problem(422, "unsupported_command")
    send(front, "LOG", "north", text="x").problem(403, "forbidden")
    send(front, "ACKNOWLEDGE_HOST_PROBLEM_EXPIRE", host="db01", expire="+1h", comment="c").problem(422, "unsupported_command")


@pytest.mark.parametrize(
    ("command", "arguments", "field"),
    [
        ("DISABLE_HOST_CHECK", {}, "host"),
        ("DISABLE_HOST_CHECK", {"host": 7}, "host"),
        ("DISABLE_HOST_CHECK", {"host": "web01", "service": "HTTP"}, "service"),
        ("CHANGE_MAX_HOST_CHECK_ATTEMPTS", {"host": "web01", "attempts": 0}, "attempts"),
        ("CHANGE_MAX_HOST_CHECK_ATTEMPTS", {"host": "web01", "attempts": "3"}, "attempts"),
        ("CHANGE_NORMAL_HOST_CHECK_INTERVAL", {"host": "web01", "interval": 1.5}, "interval"),
        ("CHANGE_HOST_CHECK_TIMEPERIOD", {"host": "web01", "timeperiod": "a;b"}, "timeperiod"),
        ("SEND_CUSTOM_HOST_NOTIFICATION", {"host": "web01", "comment": "c", "options": 8}, "options"),
        ("DELAY_HOST_NOTIFICATION", {"host": "web01", "at": "tomorrow"}, "at"),
        ("SCHEDULE_HOST_DOWNTIME", {"host": "web01", "end": "+1h", "comment": "c", "trigger": 99}, "trigger"),
        ("DEL_HOST_COMMENT", {"entry": "x"}, "entry"),
    ],
)
def test_an_argument_that_is_not_acceptable_is_named(front: Front, command: str, arguments: dict[str, object], field: str) -> None:
    assert send(front, command, **arguments).problem(422, "invalid_field")["field"] == field


def test_a_noun_and_a_name_mean_the_same_command(front: Front) -> None:
    noun = front.post("/v1/downtimes", {"host": "web01", "start": "now", "duration": 3600, "comment": "work"}).json
    name = send(front, "SCHEDULE_HOST_DOWNTIME", host="web01", end="+1h", comment="work").json
    assert name["joined"] and name["id"] == noun["id"]
    group = send(front, "SCHEDULE_HOSTGROUP_HOST_DOWNTIME", "north", hostgroup="web", end="+1h", comment="work").json
    again = send(front, "SCHEDULE_HOSTGROUP_HOST_DOWNTIME", "north", hostgroup="web", end="+1h", comment="work").json
    assert not group["joined"] and again["joined"]
    made = front.get("/v1/downtimes?poller=north").json["items"]
    assert sorted(row["host"] for row in made) == ["shared", "web01", "web01"]


def test_readers_command_nothing_and_limits_hold(front: Front) -> None:
    send(front.by("rita"), "DISABLE_HOST_CHECK", host="web01").problem(403, "forbidden")
    wim = front.by("wim")
    assert send(wim, "DISABLE_HOST_CHECK", host="web01").status == 202
    assert send(wim, "DISABLE_HOSTGROUP_HOST_CHECKS", "north", hostgroup="web").status == 202
    send(wim, "DISABLE_HOST_CHECK", host="db01").problem(404, "unknown_host")
    for name, arguments in (("ENABLE_EVENT_HANDLERS", {}), ("DISABLE_CONTACT_HOST_NOTIFICATIONS", {"contact": "ann"})):
        assert send(wim, name, "north", **arguments).problem(403, "forbidden")["right"] == "whole core"


def test_features_are_switched_by_patch(front: Front) -> None:
    reply = front.ask("PATCH", "/v1/hosts/web01", b'{"notifications_enabled": false, "checks_enabled": true}')
    assert reply.status == 202
    assert {one["command"] for one in reply.json["commands"]} == {"DISABLE_HOST_NOTIFICATIONS", "ENABLE_HOST_CHECK"}
    reply = front.ask("PATCH", "/v1/hosts/web01/services/HTTP", b'{"flap_detection_enabled": false}')
    assert [one["command"] for one in reply.json["commands"]] == ["DISABLE_SVC_FLAP_DETECTION"]
    front.ask("PATCH", "/v1/hosts/web01", b"{}").problem(422, "invalid_field")
    front.ask("PATCH", "/v1/hosts/web01", b'{"name": "x"}').problem(422, "invalid_field")
    front.ask("PATCH", "/v1/hosts/nobody", b'{"checks_enabled": false}').problem(404, "unknown_host")
    front.by("rita").ask("PATCH", "/v1/hosts/web01", b'{"checks_enabled": false}').problem(403, "forbidden")


def test_a_group_s_command_goes_to_every_poller_that_has_it(front: Front) -> None:
    """A group that stands on several pollers would be switched on one of them, or on none."""
    reply = send(front, "DISABLE_HOSTGROUP_SVC_CHECKS", hostgroup="web")
    assert {one["poller"] for one in reply.json["commands"]} == {"north", "south"}
    reply = front.ask("PATCH", "/v1/hostgroups/web?poller=north", GROUP)
    assert [(one["command"], one["poller"]) for one in reply.json["commands"]] == [
        ("DISABLE_HOSTGROUP_HOST_NOTIFICATIONS", "north"), ("ENABLE_HOSTGROUP_SVC_CHECKS", "north"),
    ]  # fmt: skip
    front.ask("PATCH", "/v1/hostgroups/nothing", GROUP).problem(404, "unknown_object")
    front.ask("PATCH", "/v1/servicegroups/nothing", GROUP).problem(404, "unknown_object")
    front.ask("PATCH", "/v1/hostgroups/web", b'{"hosts": {}}').problem(422, "invalid_field")
    front.ask("PATCH", "/v1/hostgroups/web", b'{"hosts": {"obsess": true}}').problem(422, "invalid_field")


def test_a_core_s_features_are_switched_by_patch_and_dangerous_ones_are_gated(front: Front, daring: Front) -> None:
    """The way around the name of a dangerous command would be open."""
    reply = front.ask("PATCH", "/v1/pollers/north", b'{"enable_event_handlers": false, "process_performance_data": true}')
    assert {one["command"] for one in reply.json["commands"]} == {"DISABLE_EVENT_HANDLERS", "ENABLE_PERFORMANCE_DATA"}
    for name in PROGRAM_DANGERS:
        body = b'{"%s": false}' % name.encode()
        assert front.ask("PATCH", "/v1/pollers/north", body).problem(403, "forbidden")["right"] == "dangerous_commands"
        assert front.ask("PATCH", "/v1/pollers/north", body.replace(b"false", b"true")).status == 202
    stop = b'{"execute_host_checks": false}'
    assert daring.ask("PATCH", "/v1/pollers/north", stop).status == 202
    assert daring.by("olga").ask("PATCH", "/v1/pollers/north", stop).problem(403, "forbidden")["right"] == "admin"
    front.ask("PATCH", "/v1/pollers/nowhere", stop).problem(404, "unknown_poller")
    wim = front.by("wim")
    assert (
        wim.ask("PATCH", "/v1/pollers/north", b'{"enable_event_handlers": false}').problem(403, "forbidden")["right"]
        == "whole core"
    )


def test_notifications_and_checks_by_their_nouns_are_the_catalogue_s_commands(front: Front) -> None:
    """A noun would send another command than it says, or one with other options."""
    reply = front.post("/v1/notifications", {"host": "web01", "comment": "a;b", "broadcast": True, "increment": True})
    (command,) = reply.json["commands"]
    assert command["command"] == "SEND_CUSTOM_HOST_NOTIFICATION" and command["notes"]
    assert front.get(command["href"]).json["arguments"] == {"host": "web01", "options": 5, "author": "anna", "comment": "a,b"}
    reply = front.post("/v1/notifications", {"host": "web01", "service": "HTTP", "comment": "c", "forced": True})
    (command,) = reply.json["commands"]
    assert front.get(command["href"]).json["arguments"]["options"] == 2
    front.by("olga").post("/v1/notifications", {"host": "web01", "comment": "c", "author": "x"}).problem(403, "forbidden")
    reply = front.post("/v1/checks", {"host": "web01", "with_services": True})
    assert [one["command"] for one in reply.json["commands"]] == ["SCHEDULE_FORCED_HOST_CHECK", "SCHEDULE_FORCED_HOST_SVC_CHECKS"]
    for body in ({"host": "web01", "service": "HTTP", "with_services": True}, {"hostgroup": "web", "with_services": True}):
        assert front.post("/v1/checks", body).problem(422, "invalid_field")["field"] == "with_services"
    reply = front.post("/v1/checks", {"hostgroup": "web", "poller": "north", "forced": False})
    assert {one["command"] for one in reply.json["commands"]} <= {"SCHEDULE_HOST_CHECK"}
    assert front.post("/v1/checks", {"hostgroup": "web", "on": "both", "dry_run": True}).json["targets"]


def test_the_catalogue_says_what_the_caller_may_send(daring: Front) -> None:
    for user, allowed in (
        ("anna", len(ROWS) - len(DANGEROUS) + len(ALLOWED) - 1),
        ("olga", len(ROWS) - len(DANGEROUS)),
        ("rita", 0),
    ):
        shown = daring.by(user).get("/v1/commands/catalogue").json
        assert shown["total"] == len(CATALOGUE) == len(shown["items"])
        assert sum(row["allowed"] for row in shown["items"]) == allowed
