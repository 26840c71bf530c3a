"""Accepting at the desk: names become objects, meanings become rows, and what is known to fail never reaches the journal."""

from __future__ import annotations

import asyncio
import math
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.commands.catalogue import CATALOGUE
from engine.commands.lifecycle import State
from engine.commands.profiles import PROFILES
from engine.commands.wire import LINE_LIMIT, encode
from engine.config import Settings
from engine.desk import CheckResult, Desk, Receipt, Target
from engine.errors import (
    Ambiguous,
    CallerError,
    Forbidden,
    InvalidField,
    NotPossible,
    PollerAway,
    StatusFileStale,
    UnknownHost,
    UnknownPoller,
    UnknownService,
)
from engine.journal.ids import CommandIds
from engine.pollers.command_file import room
from tests.engine.desk.scene import (
    ADMIN,
    ICE,
    INTERVAL_S,
    LINUX_ONLY,
    NORTH,
    NOTHING,
    OPERATOR,
    READER,
    SOUTH,
    SOUTH_ONLY,
    Scene,
    SetClock,
    at_desk,
    host,
    scene_in,
    service,
    target,
    window,
)

ACK: dict[str, Any] = {"comment": "on it", "sticky": True, "notify": False, "persistent": True}
Work = Callable[[Desk], Awaitable[tuple[Receipt, ...]]]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with scene_in(tmp_path) as made:
        yield made


def refused(scene: Scene, error: type[CallerError] | type[Exception], work: Work) -> Any:
    """The error `work` ends in; nothing at all was journalled."""
    with pytest.raises(error) as caught:
        at_desk(scene, work)
    assert scene.commands() == []
    assert scene.entries() == []
    return caught.value


# --- which object on which poller -------------------------------------------------------------------------------------


def test_a_host_is_routed_to_the_poller_that_has_it(scene: Scene) -> None:
    (receipt,) = at_desk(scene, lambda desk: desk.schedule_downtime(OPERATOR, [target("mail01")], comment="c", **window()))
    (command,) = scene.commands()
    assert (receipt.poller, command.poller, command.host, command.service) == (SOUTH, SOUTH, "mail01", "")
    assert command.id == receipt.command_id


def test_a_host_on_two_pollers_is_ambiguous_and_poller_decides(scene: Scene) -> None:
    error = refused(scene, Ambiguous, lambda desk: desk.acknowledge(OPERATOR, [target("both")], **ACK))
    assert error.facts["pollers"] == [{"number": NORTH, "name": "north"}, {"number": SOUTH, "name": "south"}]
    at_desk(scene, lambda desk: desk.acknowledge(OPERATOR, [target("both", poller=SOUTH)], **ACK))
    assert [command.poller for command in scene.commands()] == [SOUTH]


def test_a_host_on_two_pollers_is_not_ambiguous_to_who_sees_one(scene: Scene) -> None:
    (receipt,) = at_desk(scene, lambda desk: desk.acknowledge(SOUTH_ONLY, [target("both")], **ACK))
    assert receipt.poller == SOUTH


@pytest.mark.parametrize(
    ("caller", "wanted", "error"),
    [
        (OPERATOR, target("web1"), UnknownHost),
        (OPERATOR, target("web01", "HTPP"), UnknownService),
        (OPERATOR, target("nosuch", "HTTP"), UnknownHost),
        (OPERATOR, target("web01", poller=9), UnknownPoller),
        (OPERATOR, target("web01", poller=SOUTH), UnknownHost),
        (SOUTH_ONLY, target("web01"), UnknownHost),
        (SOUTH_ONLY, target("web01", poller=NORTH), UnknownPoller),
        (LINUX_ONLY, target("mail01"), UnknownHost),
        (LINUX_ONLY, target("both"), UnknownHost),
        (LINUX_ONLY, target("mail01", "SMTP"), UnknownHost),
        (LINUX_ONLY, target("mail01", poller=SOUTH), UnknownPoller),
        (NOTHING, target("web01"), UnknownHost),
    ],
)
def test_out_of_scope_equals_unknown(scene: Scene, caller: Any, wanted: Target, error: type[CallerError]) -> None:
    refused(scene, error, lambda desk: desk.schedule_check(caller, [wanted]))


def test_unknown_in_scope_and_out_of_scope_are_told_in_the_same_words(scene: Scene) -> None:
    there = refused(scene, UnknownHost, lambda desk: desk.schedule_check(LINUX_ONLY, [target("mail01")]))
    nowhere = refused(scene, UnknownHost, lambda desk: desk.schedule_check(LINUX_ONLY, [target("mail77")]))
    assert str(there).replace("mail01", "X") == str(nowhere).replace("mail77", "X")
    assert set(there.facts) == set(nowhere.facts)


def test_near_matches_stay_within_scope(scene: Scene) -> None:
    assert "mail01" in refused(scene, UnknownHost, lambda desk: desk.schedule_check(OPERATOR, [target("mail02")])).facts["near"]
    error = refused(scene, UnknownHost, lambda desk: desk.schedule_check(LINUX_ONLY, [target("mail02")]))
    assert error.facts["near"] == []
    assert "mail01" not in str(error)
    error = refused(scene, UnknownService, lambda desk: desk.schedule_check(OPERATOR, [target("web01", "HTPP")]))
    assert error.facts["near"] == ["HTTP"]
    known = refused(scene, UnknownPoller, lambda desk: desk.schedule_check(SOUTH_ONLY, [target("web01", poller=NORTH)]))
    assert known.facts["pollers"] == [{"number": SOUTH, "name": "south"}]


def test_a_name_is_not_called_unknown_before_every_status_file_was_read(tmp_path: Path) -> None:
    with scene_in(tmp_path) as scene:
        scene.set_poller(SOUTH, generation=0)
        error = refused(scene, StatusFileStale, lambda desk: desk.schedule_check(OPERATOR, [target("nosuch")]))
        assert error.facts["pollers"] == ["south"]
        at_desk(scene, lambda desk: desk.schedule_check(OPERATOR, [target("web01")]))
        refused_north = at_desk(scene, lambda desk: _error(desk.schedule_check(OPERATOR, [target("nosuch", poller=NORTH)])))
        assert isinstance(refused_north, UnknownHost)


def test_before_the_first_status_file_nobody_knows_who_is_in_a_hostgroup(tmp_path: Path) -> None:
    with scene_in(tmp_path) as scene:
        scene.lose_state()
        scene.make_mirror()
        error = refused(scene, StatusFileStale, lambda desk: desk.schedule_check(LINUX_ONLY, [target("web01")]))
        assert error.facts["pollers"] == []  # whether they have hosts of that group is not known either


async def _error(work: Awaitable[object]) -> BaseException | None:
    try:
        await work
    except CallerError as error:
        return error
    return None


def test_a_host_that_was_just_configured_is_found_as_soon_as_the_mirror_has_read_it(scene: Scene) -> None:
    """The hook of the Checkmk thread: a host is added, its core reloaded, its downtime asked for at once."""
    scene.poller(NORTH).status_file.write_text("written by the core, not read by the mirror yet")

    async def work(desk: Desk) -> tuple[Receipt, ...]:
        asking = asyncio.create_task(desk.schedule_downtime(OPERATOR, [target("new01")], comment="c", **window()))
        await asyncio.sleep(0.2)
        assert not asking.done()
        scene.scan(NORTH, host("new01"))
        return await asking

    (receipt,) = at_desk(scene, work)
    assert receipt.host == "new01"


def test_an_unknown_name_is_refused_at_once_when_the_mirror_is_up_to_date(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.desk.opened._CATCH_UP_S", math.inf)
    refused(scene, UnknownHost, lambda desk: desk.schedule_check(OPERATOR, [target("nosuch")]))


def test_state_db_may_come_after_the_desk(tmp_path: Path) -> None:
    with scene_in(tmp_path, state=False) as scene:
        scene.poller(NORTH).status_file.write_text("there before us")

        async def work(desk: Desk) -> tuple[Receipt, ...]:
            asking = asyncio.create_task(desk.schedule_check(OPERATOR, [target("web01")]))
            await asyncio.sleep(0.3)
            assert not asking.done()
            await asyncio.to_thread(scene.make_state)
            return await asking

        (receipt,) = at_desk(scene, work)
        assert receipt.host == "web01"


def test_a_rebuilt_state_db_is_read_without_a_restart(scene: Scene) -> None:
    async def work(desk: Desk) -> tuple[int, int]:
        before = await desk.read(lambda reader: reader.hosts(OPERATOR.scope)[1])
        scene.lose_state()
        scene.make_state()
        scene.scan(NORTH, host("another"))
        return before, await desk.read(lambda reader: reader.hosts(OPERATOR.scope)[1])

    before, after = at_desk(scene, work)
    assert after == before + 1


# --- rights -----------------------------------------------------------------------------------------------------------


CALLS: list[tuple[str, Callable[[Desk, Any], Awaitable[object]]]] = [
    ("downtime", lambda desk, who: desk.schedule_downtime(who, [target("web01")], comment="c", **window())),
    ("acknowledge", lambda desk, who: desk.acknowledge(who, [target("db01")], **ACK)),
    ("remove", lambda desk, who: desk.remove_acknowledgement(who, [target("db01")])),
    ("comment", lambda desk, who: desk.add_comment(who, [target("web01")], comment="c", persistent=True)),
    ("check", lambda desk, who: desk.schedule_check(who, [target("web01")])),
    ("result", lambda desk, who: desk.submit_results(who, [CheckResult(target("web01"), 0, "ok")])),
    ("delete", lambda desk, who: desk.delete_entry(who, "downtime", NORTH << 32 | 1)),
    ("cancel", lambda desk, who: desk.cancel_command(who, "x")),
]


@pytest.mark.parametrize(("name", "call"), CALLS, ids=[name for name, _ in CALLS])
def test_a_reader_commands_nothing(scene: Scene, name: str, call: Callable[[Desk, Any], Any]) -> None:
    assert refused(scene, Forbidden, lambda desk: call(desk, READER)).facts["right"] == "command"


def test_only_admins_speak_for_others(scene: Scene) -> None:
    def ask(caller: Any, author: str | None) -> Work:
        return lambda desk: desk.schedule_downtime(caller, [target("web01")], comment="c", author=author, **window())

    assert refused(scene, Forbidden, ask(OPERATOR, "boss")).facts["right"] == "author"
    at_desk(scene, ask(OPERATOR, "olga"))
    at_desk(scene, ask(ADMIN, "boss"))
    at_desk(scene, ask(ADMIN, None))
    assert [(command.user, command.author) for command in scene.commands()] == [
        ("olga", "olga"),
        ("ada", "boss"),
        ("ada", "ada"),
    ]
    assert [entry.author for entry in scene.entries()] == ["olga", "boss", "ada"]


# --- refused before a core could see it -------------------------------------------------------------------------------


def _downtime(**changed: Any) -> Work:
    arguments = {"comment": "c"} | window() | changed
    return lambda desk: desk.schedule_downtime(ADMIN, [target("web01")], **arguments)


NOW = time.time()


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("end", {"start": NOW - 7200, "end": NOW - 3600}),
        ("end", {"start": NOW + 7200, "end": NOW + 3600}),
        ("end", {"start": NOW + 100, "end": NOW + 100}),
        ("end", {"start": math.floor(NOW) + 100.1, "end": math.floor(NOW) + 100.9}),
        ("duration", {"fixed": False, "duration": None}),
        ("duration", {"fixed": False, "duration": 0}),
        ("duration", {"fixed": False, "duration": -5}),
        ("duration", {"fixed": False, "duration": 1e12}),
        ("duration", {"fixed": False, "duration": math.nan}),
        ("start", {"start": math.nan}),
        ("end", {"end": math.inf}),
        ("end", {"end": 1e15}),
        ("start", {"start": -1.0}),
        ("start", {"start": 0.0}),
        ("comment", {"comment": ""}),
        ("comment", {"comment": " \t "}),
        ("comment", {"comment": "a\nb"}),
        ("comment", {"comment": "a\rb"}),
        ("comment", {"comment": "a\0b"}),
        ("comment", {"comment": "a\x85b"}),
        ("comment", {"comment": "a\udc80b"}),
        ("comment", {"comment": "x" * LINE_LIMIT}),
        ("comment", {"comment": "ü" * (LINE_LIMIT // 2)}),
        ("author", {"author": "a;b"}),
        ("author", {"author": " "}),
        ("author", {"author": "a\nb"}),
    ],
)
def test_a_downtime_no_core_would_take(scene: Scene, field: str, changed: dict[str, Any]) -> None:
    assert refused(scene, InvalidField, _downtime(**changed)).facts["field"] == field


def test_the_longest_line_that_is_possible_is_accepted(scene: Scene) -> None:
    at_desk(scene, _downtime(comment="x"))
    (short,) = scene.commands()
    room = LINE_LIMIT - len(encode(CATALOGUE[short.name], short.arguments, int(NOW), None, PROFILES[scene.poller(NORTH).kind]))
    at_desk(scene, _downtime(comment="x" * (room + 1)))
    with pytest.raises(InvalidField) as caught:
        at_desk(scene, _downtime(comment="x" * (room + 2)))
    assert caught.value.facts["bytes"] == LINE_LIMIT + 1
    with pytest.raises(InvalidField):
        at_desk(scene, _downtime(comment="x" * room + "é"))


@pytest.mark.parametrize("name", ["a;b", "a\nb", "", "a\0", "\ud800"])
def test_names_that_no_command_can_hold(scene: Scene, name: str) -> None:
    assert refused(scene, InvalidField, lambda desk: desk.schedule_check(OPERATOR, [target(name)])).facts["field"] == "host"
    error = refused(scene, InvalidField, lambda desk: desk.schedule_check(OPERATOR, [target("web01", name)]))
    assert error.facts["field"] == "service"


def test_a_call_without_targets_is_a_mistake(scene: Scene) -> None:
    assert refused(scene, InvalidField, lambda desk: desk.schedule_check(OPERATOR, [])).facts["field"] == "targets"
    assert refused(scene, InvalidField, lambda desk: desk.submit_results(OPERATOR, [])).facts["field"] == "results"


def test_with_services_is_for_hosts(scene: Scene) -> None:
    def ask(desk: Desk) -> Awaitable[tuple[Receipt, ...]]:
        return desk.schedule_downtime(OPERATOR, [target("web01", "HTTP")], comment="c", with_services=True, **window())

    assert refused(scene, InvalidField, ask).facts["field"] == "with_services"


def test_a_semicolon_is_replaced_only_where_the_core_would_cut(scene: Scene) -> None:
    (nagios,) = at_desk(scene, _downtime(comment="a;b; "))
    (icinga2,) = at_desk(scene, lambda desk: desk.schedule_downtime(OPERATOR, [target("ice01")], comment="a;b", **window()))
    (comment,) = at_desk(scene, lambda desk: desk.add_comment(OPERATOR, [target("web01")], comment="a;b", persistent=True))
    assert [entry.comment for entry in scene.entries()] == ["a,b,", "a;b", "a;b"]
    assert [command.arguments["comment"] for command in scene.commands()] == ["a,b,", "a;b", "a;b"]
    assert "replaced" in nagios.notes[0]
    assert icinga2.notes == comment.notes == ()


def test_the_end_of_a_window_is_judged_by_the_cores_clock(scene: Scene) -> None:
    scene.set_poller(NORTH, clock_offset_s=3600.0)
    refused(scene, InvalidField, _downtime(start=time.time(), end=time.time() + 3000))
    scene.set_poller(NORTH, clock_offset_s=-3600.0)
    at_desk(scene, _downtime(start=time.time() - 4000, end=time.time() - 3000))
    (command,) = scene.commands()
    assert command.deadline_at == pytest.approx(time.time() + 600, abs=5)


# --- acknowledgements: what the object's state forbids ----------------------------------------------------------------


@pytest.mark.parametrize("which", [target("web01"), target("web01", "Disk /var"), target("web01", "Fresh")])
def test_nothing_to_acknowledge(scene: Scene, which: Target) -> None:
    scene.scan(NORTH, age_s=7.0)
    error = refused(scene, NotPossible, lambda desk: desk.acknowledge(OPERATOR, [which], **ACK))
    assert error.facts["age_s"] == pytest.approx(7.0, abs=1.5)
    assert re.search(r"by a view [6-8] s old", str(error))


def test_an_old_view_refuses_nothing(scene: Scene) -> None:
    limit = Settings().stale_after_intervals * INTERVAL_S
    scene.scan(NORTH, age_s=limit - 3)
    refused(scene, NotPossible, lambda desk: desk.acknowledge(OPERATOR, [target("web01")], **ACK))
    scene.scan(NORTH, age_s=limit + 3)
    at_desk(scene, lambda desk: desk.acknowledge(OPERATOR, [target("web01")], **ACK))
    at_desk(scene, lambda desk: desk.remove_acknowledgement(OPERATOR, [target("db01")]))
    assert [command.name for command in scene.commands()] == ["ACKNOWLEDGE_HOST_PROBLEM", "REMOVE_HOST_ACKNOWLEDGEMENT"]


def test_age_is_judged_by_the_cores_clock(scene: Scene) -> None:
    scene.set_poller(NORTH, created=time.time() - 3600, clock_offset_s=-3600.0)
    refused(scene, NotPossible, lambda desk: desk.acknowledge(OPERATOR, [target("web01")], **ACK))
    scene.set_poller(NORTH, created=time.time(), clock_offset_s=3600.0)
    at_desk(scene, lambda desk: desk.acknowledge(OPERATOR, [target("web01")], **ACK))


def test_an_own_result_under_way_may_make_the_problem(scene: Scene) -> None:
    async def work(desk: Desk) -> tuple[Receipt, ...]:
        await desk.submit_results(OPERATOR, [CheckResult(target("web01", "Disk /var"), 2, "full")])
        return await desk.acknowledge(OPERATOR, [target("web01", "Disk /var")], **ACK)

    assert at_desk(scene, work)[0].command == "ACKNOWLEDGE_SVC_PROBLEM"
    error = at_desk(scene, lambda desk: _error(desk.acknowledge(OPERATOR, [target("web01", "Fresh")], **ACK)))
    assert isinstance(error, NotPossible)


def test_icinga2_takes_one_acknowledgement_only(scene: Scene) -> None:
    refused(scene, NotPossible, lambda desk: desk.acknowledge(OPERATOR, [target("taken")], **ACK))
    scene.scan(NORTH, host("db01", 1, acknowledged=1, acknowledgement_type=1))
    at_desk(scene, lambda desk: desk.acknowledge(OPERATOR, [target("db01")], **ACK))

    async def first_removed(desk: Desk) -> tuple[Receipt, ...]:
        await desk.remove_acknowledgement(OPERATOR, [target("taken")])
        return await desk.acknowledge(OPERATOR, [target("taken")], **ACK)

    at_desk(scene, first_removed)
    assert [command.poller for command in scene.commands()] == [NORTH, ICE, ICE]


def test_removing_what_is_not_there(scene: Scene) -> None:
    refused(scene, NotPossible, lambda desk: desk.remove_acknowledgement(OPERATOR, [target("db01")]))

    async def own_one_under_way(desk: Desk) -> tuple[Receipt, ...]:
        (made,) = await desk.acknowledge(OPERATOR, [target("db01")], **ACK)
        scene.processed(made.command_id)
        return await desk.remove_acknowledgement(OPERATOR, [target("db01")])

    (removal,) = at_desk(scene, own_one_under_way)
    ack, remove = scene.commands()
    assert remove.name == "REMOVE_HOST_ACKNOWLEDGEMENT"
    assert remove.entry_id == ack.entry_id == removal.entry_id


def test_removing_an_acknowledgement_that_was_not_sent_yet_withdraws_it(scene: Scene) -> None:
    async def work(desk: Desk) -> tuple[Receipt, ...]:
        await desk.acknowledge(OPERATOR, [target("db01")], **ACK)
        return await desk.remove_acknowledgement(OPERATOR, [target("db01")])

    (receipt,) = at_desk(scene, work)
    (command,) = scene.commands()
    assert (command.id, command.state) == (receipt.command_id, State.CANCELLED)


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_a_downtime_as_it_is_journalled(scene: Scene) -> None:
    start = math.floor(time.time()) + 100.7
    (receipt,) = at_desk(scene, _downtime(start=start, end=start + 3600.9, comment="because"))
    (command,), (entry,) = scene.commands(), scene.entries()
    begin, end = int(start), int(start + 3600.9)
    assert command.arguments == {
        "host": "web01",
        "start": begin,
        "end": end,
        "fixed": True,
        "trigger": 0,
        "duration": end - begin,
        "author": "ada",
        "comment": "because",
    }
    assert (command.state, command.deadline_at, command.twin_start, command.twin_end) == (State.ACCEPTED, end, begin, end)
    assert command.twin_key == "SCHEDULE_HOST_DOWNTIME\x1f1\x1fweb01\x1fada\x1fbecause"
    assert (command.entry_id, receipt.entry_id, entry.id) == (NORTH << 32 | 1,) * 3
    assert (entry.kind, entry.proof, entry.present, entry.command_id) == ("downtime", "accepted", 1, command.id)
    assert (entry.start_time, entry.end_time, entry.fixed, entry.duration) == (begin, end, 1, end - begin)
    assert (entry.core_id, entry.cancelled) == (None, 0)
    assert UUID(command.id).version == 7


def test_times_of_entries_are_by_the_cores_clock(scene: Scene) -> None:
    scene.set_poller(NORTH, clock_offset_s=500.0)
    at_desk(scene, _downtime(end=time.time() + 7200))
    (entry,) = scene.entries()
    assert entry.entry_time == pytest.approx(time.time() + 500, abs=3)
    assert entry.entry_time == int(entry.entry_time)


def test_a_flexible_downtime_keeps_its_duration(scene: Scene) -> None:
    at_desk(scene, _downtime(fixed=False, duration=900.0))
    (command,), (entry,) = scene.commands(), scene.entries()
    assert (command.arguments["fixed"], command.arguments["duration"]) == (False, 900)
    assert (entry.fixed, entry.duration) == (0, 900)


def test_a_duration_that_does_not_count_is_said(scene: Scene) -> None:
    (receipt,) = at_desk(scene, _downtime(duration=60.0))
    assert "duration" in receipt.notes[0]
    (command,) = scene.commands()
    assert command.arguments["duration"] == 7200
    (quiet,) = at_desk(scene, _downtime(comment="other", duration=7200.0))
    assert quiet.notes == ()


def test_with_services_on_nagios_is_a_command_for_the_host_and_one_for_its_services(scene: Scene) -> None:
    first, second = at_desk(scene, _downtime(with_services=True))
    host_command, services_command = scene.commands()
    assert (host_command.name, services_command.name) == ("SCHEDULE_HOST_DOWNTIME", "SCHEDULE_HOST_SVC_DOWNTIME")
    assert host_command.operation == services_command.operation
    made = [(entry.command_id, entry.host, entry.service) for entry in scene.entries()]
    assert made[0] == (host_command.id, "web01", "")
    assert sorted(made[1:]) == [(services_command.id, "web01", name) for name in ("Disk /var", "Fresh", "HTTP")]
    assert first.entry_id == scene.entries()[0].id
    assert second.entry_id == services_command.entry_id == scene.entries()[1].id


def test_with_services_of_a_host_without_services(scene: Scene) -> None:
    at_desk(scene, lambda desk: desk.schedule_downtime(ADMIN, [target("bare")], comment="c", with_services=True, **window()))
    assert [command.name for command in scene.commands()] == ["SCHEDULE_HOST_DOWNTIME"]


@pytest.mark.parametrize(
    "name", ["DISABLE_HOST_SVC_CHECKS", "SCHEDULE_FORCED_HOST_SVC_CHECKS", "ENABLE_ALL_NOTIFICATIONS_BEYOND_HOST"]
)
def test_a_command_for_a_hosts_services_is_refused_where_there_are_none(scene: Scene, name: str) -> None:
    """Else its effect would be `confirmed` on nobody."""
    with pytest.raises(NotPossible, match="there is nothing to command"):
        at_desk(scene, lambda desk: desk.command(ADMIN, name, {"host": "bare"}))


def test_icinga2_sets_a_hosts_downtime_with_those_of_no_services(scene: Scene) -> None:
    now = int(time.time())
    arguments = {"host": "taken", "start": now, "end": now + 60, "fixed": True, "duration": 60, "comment": "c"}
    at_desk(scene, lambda desk: desk.command(ADMIN, "SCHEDULE_HOST_SVC_DOWNTIME", arguments))
    with pytest.raises(NotPossible):
        at_desk(scene, lambda desk: desk.command(ADMIN, "SCHEDULE_HOST_SVC_DOWNTIME", arguments | {"host": "bare"}))


def test_with_services_on_icinga2_is_one_command_that_yields_one_downtime_per_object(scene: Scene) -> None:
    at_desk(scene, lambda desk: desk.schedule_downtime(ADMIN, [target("ice01")], comment="c", with_services=True, **window()))
    (command,) = scene.commands()
    assert command.name == "SCHEDULE_HOST_SVC_DOWNTIME"
    assert [entry.service for entry in scene.entries()] == ["", "load", "ping"]
    assert {entry.command_id for entry in scene.entries()} == {command.id}
    assert command.entry_id == scene.entries()[0].id


def test_an_acknowledgement_as_it_is_journalled(scene: Scene) -> None:
    at_desk(scene, lambda desk: desk.acknowledge(OPERATOR, [target("web01", "HTTP")], **ACK))
    (command,), (entry,) = scene.commands(), scene.entries()
    assert command.arguments == {
        "host": "web01",
        "service": "HTTP",
        "sticky": True,
        "notify": False,
        "persistent": True,
        "author": "olga",
        "comment": "on it",
    }
    assert command.seen_state_change == 1_700_000_000.0
    assert command.deadline_at - command.accepted_at == Settings().ttl_acknowledgement_s
    assert (command.address, command.token, command.user) == ("127.0.0.1", "olga-laptop", "olga")
    assert (entry.kind, entry.object_state, entry.sticky, entry.notify, entry.persistent) == ("acknowledgement", 2, 1, 0, 1)


def test_a_forced_check_as_it_is_journalled(scene: Scene) -> None:
    ahead = math.floor(time.time()) + 600

    async def work(desk: Desk) -> None:
        await desk.schedule_check(OPERATOR, [target("db01")])
        await desk.schedule_check(OPERATOR, [target("web01", "HTTP")], at=ahead)
        (late,) = await desk.schedule_check(OPERATOR, [target("bare")], at=time.time() - 5)
        assert "now" in late.notes[0]
        with pytest.raises(InvalidField):
            await desk.schedule_check(OPERATOR, [target("bare")], at=time.time() - 500)

    at_desk(scene, work)
    now, later, late = scene.commands()
    assert now.arguments["at"] == pytest.approx(time.time(), abs=3)
    assert (later.name, later.arguments["at"]) == ("SCHEDULE_FORCED_SVC_CHECK", ahead)
    assert late.arguments["at"] == pytest.approx(time.time(), abs=3)
    assert scene.entries() == []
    assert (now.entry_id, now.twin_key) == (None, None)


def test_a_check_that_has_just_run_is_not_taken_for_the_one_asked_for(scene: Scene) -> None:
    now = float(math.floor(time.time()))
    scene.scan(NORTH, host("web01", last_check=now), host("db01", 1, last_check=now - 1))
    at_desk(scene, lambda desk: desk.schedule_check(OPERATOR, [target("web01"), target("db01")]), SetClock(now + 0.9))
    assert [command.arguments["at"] for command in scene.commands()] == [now + 1, now]


@pytest.mark.parametrize(
    ("which", "highest"), [(target("web01"), 2), (target("ice01"), 1), (target("web01", "HTTP"), 3), (target("ice01", "ping"), 3)]
)
def test_return_codes_are_those_the_core_takes(scene: Scene, which: Target, highest: int) -> None:
    for code in (-1, highest + 1):
        error = refused(
            scene, InvalidField, lambda desk, code=code: desk.submit_results(OPERATOR, [CheckResult(which, code, "out")])
        )
        assert error.facts["field"] == "return_code"
    at_desk(scene, lambda desk: desk.submit_results(OPERATOR, [CheckResult(which, code, "out") for code in range(highest + 1)]))
    assert [command.arguments["return_code"] for command in scene.commands()] == list(range(highest + 1))


@pytest.mark.parametrize(
    ("output", "perf", "stored"),
    [
        ("OK", "", "OK"),
        ("OK", "a=1;2", "OK|a=1;2"),
        ("OK | x=1", "", "OK | x=1"),
        ("OK\nlong\ntext", "a=1", "OK|a=1\nlong\ntext"),
    ],
)
def test_a_result_as_it_is_journalled(scene: Scene, output: str, perf: str, stored: str) -> None:
    checked_at = math.floor(time.time()) - 30
    result = CheckResult(target("web01", "HTTP"), 1, output, perf, checked_at + 0.5)
    at_desk(scene, lambda desk: desk.submit_results(OPERATOR, [result]))
    (command,) = scene.commands()
    assert command.arguments == {
        "host": "web01",
        "service": "HTTP",
        "return_code": 1,
        "output": stored,
        "checked_at": checked_at,
    }
    assert command.twin_key is None


@pytest.mark.parametrize(
    ("field", "which", "output", "perf", "ahead"),
    [
        ("plugin_output", target("web01"), "", "", 0),
        ("plugin_output", target("web01"), "a\rb", "", 0),
        ("plugin_output", target("ice01"), "a\nb", "", 0),
        ("plugin_output", target("web01"), "a|b=1", "c=2", 0),
        ("plugin_output", target("web01"), "x" * LINE_LIMIT, "", 0),
        ("perf_data", target("web01"), "a", "b=1\nc=2", 0),
        ("checked_at", target("web01"), "a", "", 60),
    ],
)
def test_results_no_core_would_take(scene: Scene, field: str, which: Target, output: str, perf: str, ahead: float) -> None:
    result = CheckResult(which, 0, output, perf, time.time() + ahead)
    assert refused(scene, InvalidField, lambda desk: desk.submit_results(OPERATOR, [result])).facts["field"] == field


# --- hold=False -------------------------------------------------------------------------------------------------------


def test_without_holding_a_stopped_core_is_refused_before_anything_is_journalled(scene: Scene) -> None:
    scene.stop_core(SOUTH)
    scene.set_poller(SOUTH, command_file_health="reading")
    targets = [target("web01"), target("mail01")]
    error = refused(scene, PollerAway, lambda desk: desk.schedule_downtime(OPERATOR, targets, comment="c", hold=False, **window()))
    assert (error.facts["poller"], error.facts["health"]) == ("south", "no_reader")
    assert error.facts["retry_after_s"] >= 1
    at_desk(scene, lambda desk: desk.schedule_downtime(OPERATOR, targets[:1], comment="c", hold=False, **window()))
    at_desk(scene, lambda desk: desk.schedule_downtime(OPERATOR, targets[1:], comment="c", **window()))
    assert [command.host for command in scene.commands()] == ["web01", "mail01"]


@pytest.mark.parametrize("word", ["no_reader", "stalled", "missing"])
def test_our_own_look_at_the_command_file_is_newer_than_the_mirrors_word(scene: Scene, word: str) -> None:
    scene.set_poller(NORTH, command_file_health=word)
    at_desk(scene, lambda desk: desk.add_comment(OPERATOR, [target("web01")], comment="c", persistent=True, hold=False))
    assert len(scene.commands()) == 1


def test_a_core_that_hangs_is_away_once_its_command_file_takes_no_more(scene: Scene) -> None:
    """A pipe is full for moments while its core is busy: only both together mean that nothing will go in."""
    path = scene.poller(NORTH).command_file
    writing = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        while room(path).free:
            os.write(writing, b"x" * 4096)
        comment = {"comment": "c", "persistent": True, "hold": False}
        scene.set_poller(NORTH, command_file_health="stalled")
        error = refused(scene, PollerAway, lambda desk: desk.add_comment(OPERATOR, [target("web01")], **comment))
        assert error.facts["health"] == "stalled" and "full" in str(error)
        scene.set_poller(NORTH, command_file_health="reading")
        at_desk(scene, lambda desk: desk.add_comment(OPERATOR, [target("web01")], **comment))
    finally:
        os.close(writing)
    assert len(scene.commands()) == 1


def test_a_command_file_that_is_gone_or_is_none(scene: Scene) -> None:
    path = scene.poller(NORTH).command_file
    path.unlink()
    error = refused(scene, PollerAway, lambda desk: desk.schedule_check(OPERATOR, [target("web01")], hold=False))
    assert error.facts["health"] == "missing"
    assert not path.exists()
    path.write_text("")
    error = refused(scene, PollerAway, lambda desk: desk.schedule_check(OPERATOR, [target("web01")], hold=False))
    assert error.facts["health"] == "not_a_fifo"
    assert path.read_text() == ""


# --- several targets --------------------------------------------------------------------------------------------------


def test_all_targets_or_none(scene: Scene) -> None:
    mixed = [target("web01"), target("mail01"), target("nosuch")]
    refused(scene, UnknownHost, lambda desk: desk.schedule_downtime(OPERATOR, mixed, comment="c", **window()))
    acks = [target("db01"), target("web01", "HTTP"), target("web01", "Disk /var")]
    refused(scene, NotPossible, lambda desk: desk.acknowledge(OPERATOR, acks, **ACK))
    receipts = at_desk(scene, lambda desk: desk.acknowledge(OPERATOR, acks[:2], **ACK))
    assert [(receipt.host, receipt.service) for receipt in receipts] == [("db01", None), ("web01", "HTTP")]
    assert len({command.operation for command in scene.commands()}) == 1


def test_more_targets_than_one_transaction_holds(scene: Scene) -> None:
    results = [CheckResult(target("web01", "HTTP"), 0, f"number {n}") for n in range(1203)]
    receipts = at_desk(scene, lambda desk: desk.submit_results(OPERATOR, results))
    commands = scene.commands()
    assert [command.arguments["output"] for command in commands] == [f"number {n}" for n in range(1203)]
    assert [receipt.command_id for receipt in receipts] == [command.id for command in commands]
    assert len({command.operation for command in commands}) == 1


def test_a_refusal_in_a_later_slice_accepts_nothing(scene: Scene) -> None:
    services = [service("bulk", f"s{n}", 2) for n in range(700)]
    scene.scan(NORTH, host("bulk"), *services, service("bulk", "fine"))
    targets = [target("bulk", f"s{n}") for n in range(700)] + [target("bulk", "fine")]
    refused(scene, NotPossible, lambda desk: desk.acknowledge(OPERATOR, targets, **ACK))
    at_desk(scene, lambda desk: desk.acknowledge(OPERATOR, targets[:-1], **ACK))
    assert len(scene.commands()) == len(scene.entries()) == 700


# --- ids and whole meanings -------------------------------------------------------------------------------------------


def test_command_ids_increase_even_when_the_clock_does_not() -> None:
    times = iter([1000.0] * 5000 + [999.0] * 5000 + [1001.0] * 10)
    ids = CommandIds(lambda: next(times))
    made = [ids.next() for _ in range(10_010)]
    assert all(one < other for one, other in pairwise(made))
    assert all(UUID(one).version == 7 and UUID(one).variant == "specified in RFC 4122" for one in made)
    assert UUID(made[0]).int >> 80 == 1_000_000
    assert UUID(made[-1]).int >> 80 == 1_001_000


ANY_TEXT = st.text(
    alphabet=st.characters(codec=None) | st.sampled_from(list(";\n\r\0\x85\u2028\ud800|\\ \t[]ü")), max_size=40
) | st.sampled_from(["x", "a;b", "plain words", " lead", "trail "])


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.tuples(ANY_TEXT, ANY_TEXT), min_size=1, max_size=8))
def test_whatever_the_text_it_is_refused_or_one_line_can_hold_it(scene: Scene, texts: list[tuple[str, str]]) -> None:
    before = len(scene.commands())

    async def work(desk: Desk) -> int:
        accepted = 0
        for comment, author in texts:
            for name in ("web01", "ice01"):
                try:
                    (receipt,) = await desk.schedule_downtime(
                        ADMIN, [target(name)], comment=comment, author=author, **window(start=math.floor(time.time()))
                    )
                except InvalidField:
                    continue
                accepted += not receipt.joined
        return accepted

    accepted = at_desk(scene, work)
    commands = scene.commands()[before:]
    assert len(commands) == accepted
    for command in commands:
        line = encode(CATALOGUE[command.name], command.arguments, int(NOW), None, PROFILES[scene.poller(command.poller).kind])
        assert line.count(b"\n") == 1
        assert line.endswith(b"\n")
        assert len(line) <= LINE_LIMIT
