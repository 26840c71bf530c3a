"""Calls for many targets: what is selected, within whose scope, what refuses the call, and plans that hold or say what changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from engine.config import Settings
from engine.desk import Caller, Desk
from engine.desk.checks import Window
from engine.desk.plans import (
    PROPAGATED,
    AcknowledgementAsked,
    Ask,
    CommentAsked,
    DeletionAsked,
    Done,
    DowntimeAsked,
    How,
    Planned,
)
from engine.desk.selection import EntrySelection, On, Selection, check_limit
from engine.errors import (
    CallerError,
    Conflicting,
    Forbidden,
    InvalidField,
    InvalidSearch,
    NotPossible,
    PlanChanged,
    TooManyTargets,
    UnknownObject,
)
from engine.model import GroupConfig, ObjectCache
from engine.state.frames import Begin, End, Objects
from tests.api.support_desk import host_config
from tests.engine.desk.scene import (
    ADMIN,
    ICE,
    LINUX_ONLY,
    NORTH,
    OPERATOR,
    READER,
    SOUTH,
    SOUTH_ONLY,
    Scene,
    at_desk,
    host,
    scene_in,
    service,
    target,
    window,
)

Found = set[tuple[int, str, str | None]]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with scene_in(tmp_path, Settings(bulk_limit=6, bulk_limit_by_role=(("admin", 9),))) as made:
        yield made


def comments(**selected: Any) -> CommentAsked:
    return CommentAsked(Selection(**selected), "c", True)


def acks(**selected: Any) -> AcknowledgementAsked:
    return AcknowledgementAsked(Selection(**selected), "on it", True, False, True)


def downtimes(**selected: Any) -> DowntimeAsked:
    now = int(time.time())
    return DowntimeAsked(Selection(**selected), Window(now, now + 3600, True, 3600), "c")


def deletion(kind: str = "downtime", *, author: str = "", comment: str = "", reference: str = "", **selected: Any) -> DeletionAsked:
    with_services = selected.pop("with_services", False)
    return DeletionAsked(EntrySelection(kind, Selection(**selected), author, comment, reference, with_services))


def carry(scene: Scene, ask: Ask, caller: Caller = OPERATOR, **how: Any) -> Done:
    done = at_desk(scene, lambda desk: desk.carry_out(caller, ask, How(**how)))
    assert isinstance(done, Done)
    return done


def planned(scene: Scene, ask: Ask, caller: Caller = OPERATOR, **how: Any) -> Planned:
    made = at_desk(scene, lambda desk: desk.carry_out(caller, ask, How(dry_run=True, **how)))
    assert isinstance(made, Planned)
    return made


def refused(scene: Scene, error: type[CallerError], ask: Ask, caller: Caller = OPERATOR, **how: Any) -> Any:
    before = len(scene.commands())
    with pytest.raises(error) as caught:
        at_desk(scene, lambda desk: desk.carry_out(caller, ask, How(**how)))
    assert len(scene.commands()) == before
    return caught.value


def objects(done: Done) -> Found:
    return {(receipt.poller, receipt.host, receipt.service) for receipt in done.receipts}


# --- what is selected --------------------------------------------------------------------------------------------------------


def test_a_group_is_its_members_each_with_a_command_of_its_own(scene: Scene) -> None:
    assert objects(carry(scene, comments(hostgroup="linux", on=On.HOSTS))) == {(NORTH, "web01", None), (NORTH, "db01", None)}
    of_services = carry(scene, comments(hostgroup="linux", on=On.SERVICES))
    assert {(r.host, r.service) for r in of_services.receipts} == {
        ("web01", "HTTP"), ("web01", "Disk /var"), ("web01", "Fresh"), ("db01", "SQL"),
    }  # fmt: skip
    assert len(objects(carry(scene, comments(hostgroup="linux", on=On.BOTH)))) == 6


def test_a_search_finds_on_every_poller_and_plain_fields_narrow_it(scene: Scene) -> None:
    down = orjson.dumps({"host.state": "DOWN"}).decode()
    everywhere = {(NORTH, "db01", None), (NORTH, "both", None), (SOUTH, "mail01", None), (SOUTH, "both", None)}
    ice = {(ICE, "ice01", None), (ICE, "taken", None)}
    assert objects(carry(scene, comments(filter=down, on=On.HOSTS))) == everywhere | ice
    assert objects(carry(scene, comments(filter=down, on=On.HOSTS, poller=SOUTH))) == {one for one in everywhere if one[0] == SOUTH}
    narrowed = comments(filter=down, plain=(("hostgroup", "linux"),), on=On.HOSTS)
    assert objects(carry(scene, narrowed)) == {(NORTH, "db01", None)}
    critical = comments(plain=(("state", "CRITICAL"), ("poller", "south")), on=On.SERVICES)
    assert objects(carry(scene, critical)) == {(SOUTH, "mail01", "SMTP"), (SOUTH, "both", "Only here")}


def test_nobody_selects_what_they_may_not_see(scene: Scene) -> None:
    everything = comments(filter='{"host.name": {"$lk": "%"}}', on=On.HOSTS)
    assert objects(carry(scene, everything, LINUX_ONLY)) == {(NORTH, "web01", None), (NORTH, "db01", None)}
    assert {one[0] for one in objects(carry(scene, everything, SOUTH_ONLY))} == {SOUTH}
    refused(scene, UnknownObject, comments(hostgroup="mailers", on=On.HOSTS), LINUX_ONLY)
    refused(scene, Forbidden, comments(hostgroup="linux"), READER)


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (comments(hostgroup="no such"), UnknownObject),
        (comments(servicegroup="no such"), UnknownObject),
        (comments(filter='{"host.name": "nowhere"}', on=On.HOSTS), UnknownObject),
        (comments(filter='{"no.field": 1}', on=On.HOSTS), InvalidSearch),
        (comments(filter="{", on=On.HOSTS), InvalidSearch),
    ],
)
def test_what_selects_nothing_is_refused(scene: Scene, ask: Ask, error: type[CallerError]) -> None:
    refused(scene, error, ask)


def test_more_targets_than_the_role_may_are_refused_with_the_way_on(scene: Scene) -> None:
    everything = comments(filter='{"host.name": {"$lk": "%"}}', on=On.HOSTS)
    error = refused(scene, TooManyTargets, everything)
    assert (error.facts["targets"], error.facts["limit"]) == (9, 6) and "bulk_limit" in str(error)
    refused(scene, TooManyTargets, everything, dry_run=True)
    assert len(carry(scene, everything, ADMIN).receipts) == 9
    refused(scene, TooManyTargets, comments(filter='{"host.name": {"$lk": "%"}}', on=On.BOTH), ADMIN)
    refused(scene, TooManyTargets, deletion("comment", comment="c"))
    check_limit(6, 6)
    with pytest.raises(TooManyTargets):
        check_limit(7, 6)


def test_a_downtime_with_children_needs_them_all_in_scope(scene: Scene) -> None:
    parents = {"bare": ("web01",), "both": ("bare",)}
    _family(scene, parents)
    ask = downtimes(targets=(target("web01"),), children=PROPAGATED["triggered"])
    done = carry(scene, ask)
    (command,) = scene.commands()
    assert command.name == "SCHEDULE_AND_PROPAGATE_TRIGGERED_HOST_DOWNTIME" and len(done.receipts) == 1
    assert {entry.host for entry in scene.entries()} == {"web01", "bare", "both"}
    refused(scene, Forbidden, replace(ask, comment="other"), LINUX_ONLY)


def _family(scene: Scene, parents: dict[str, tuple[str, ...]]) -> None:
    hosts = tuple(host_config(name)._replace(parents=parents.get(name, ())) for name in ("web01", "db01", "both", "Größe", "bare"))
    groups = (GroupConfig("hostgroup", "linux", "linux", (("web01", None), ("db01", None))),)
    scene.scan(NORTH)
    generation = scene.generation()
    scene.mirror.apply([Begin(NORTH, generation, False), Objects(ObjectCache(hosts=hosts, groups=groups)), End(NORTH, 5, 4, 0.0)])


# --- conflicts -----------------------------------------------------------------------------------------------------------------


def test_one_target_that_cannot_be_commanded_refuses_all_unless_it_is_skipped(scene: Scene) -> None:
    ask = acks(hostgroup="linux", on=On.HOSTS)
    error = refused(scene, Conflicting, ask)
    assert [(one["host"], one["reason"]) for one in error.facts["conflicts"]] == [("web01", "not_possible")]
    done = carry(scene, ask, skip_conflicts=True)
    assert objects(done) == {(NORTH, "db01", None)}
    assert [(one.host, one.refuses) for one in done.conflicts] == [("web01", True)]


def test_nothing_left_after_skipping_is_refused(scene: Scene) -> None:
    refused(scene, NotPossible, acks(targets=(target("web01"),)), skip_conflicts=True)


def test_unknown_and_ambiguous_names_are_told_each(scene: Scene) -> None:
    names = (target("web01"), target("nowhere"), target("both"), target("web01", "HTPP"))
    error = refused(scene, Conflicting, comments(targets=names))
    told = {(one["host"], one["service"]): one["reason"] for one in error.facts["conflicts"]}
    assert told == {("nowhere", None): "unknown_host", ("both", None): "ambiguous", ("web01", "HTPP"): "unknown_service"}
    assert objects(carry(scene, comments(targets=names), skip_conflicts=True)) == {(NORTH, "web01", None)}


def test_what_is_only_worth_knowing_is_told_and_refuses_nothing(scene: Scene) -> None:
    scene.scan(NORTH, host("web01", scheduled_downtime_depth=1), host("db01", 1, acknowledged=1, acknowledgement_type=1))
    done = carry(scene, downtimes(hostgroup="linux", on=On.HOSTS))
    assert len(done.receipts) == 2
    assert [(one.host, one.reason, one.refuses) for one in done.conflicts] == [("web01", "in_downtime", False)]
    done = carry(scene, acks(targets=(target("db01"),)))
    assert [(one.host, one.reason, one.refuses) for one in done.conflicts] == [("db01", "acknowledged", False)]


def test_what_concerns_the_whole_call_is_not_told_per_target(scene: Scene) -> None:
    error = refused(scene, InvalidField, replace(comments(hostgroup="linux"), comment="a\nb"))
    assert error.facts["field"] == "comment"


def test_a_name_no_command_can_address_is_a_conflict(scene: Scene) -> None:
    scene.scan(NORTH, service("db01", "a;b"))
    error = refused(scene, Conflicting, comments(hostgroup="linux", on=On.SERVICES))
    assert [(one["service"], one["reason"]) for one in error.facts["conflicts"]] == [("a;b", "invalid_field")]


# --- plans ---------------------------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_targets_and_lines_and_stores_no_command(scene: Scene) -> None:
    plan = planned(scene, downtimes(hostgroup="linux", on=On.HOSTS))
    assert scene.commands() == [] and scene.entries() == []
    assert [(one.poller, one.host) for one in plan.targets()] == [(NORTH, "db01"), (NORTH, "web01")]
    lines = [one.line for one in plan.targets()]
    assert all(line.startswith("[<time of writing>] SCHEDULE_HOST_DOWNTIME;") and line.endswith(";c") for line in lines)
    applied = carry(scene, downtimes(hostgroup="linux", on=On.HOSTS), plan=plan.hash)
    assert len(applied.receipts) == 2


def test_a_plan_whose_targets_changed_is_refused_with_what_changed(scene: Scene) -> None:
    ask = comments(plain=(("state", "DOWN"), ("poller", "north")), on=On.HOSTS)
    plan = planned(scene, ask)
    scene.scan(NORTH, host("web01", 1), host("db01", 0))
    error = refused(scene, PlanChanged, ask, plan=plan.hash)
    assert [one["host"] for one in error.facts["added"]] == ["web01"]
    assert [one["host"] for one in error.facts["removed"]] == ["db01"]
    again = planned(scene, ask)
    assert len(carry(scene, ask, plan=again.hash).receipts) == 2


def test_a_plan_is_for_one_request_of_one_user(scene: Scene) -> None:
    ask = comments(hostgroup="linux", on=On.HOSTS)
    plan = planned(scene, ask, words={"comment": "c"})
    assert "another request" in str(refused(scene, PlanChanged, ask, words={"comment": "d"}, plan=plan.hash))
    assert "no such plan" in str(refused(scene, PlanChanged, ask, ADMIN, words={"comment": "c"}, plan=plan.hash))
    assert "no such plan" in str(refused(scene, PlanChanged, ask, words={"comment": "c"}, plan="0" * 64))
    carry(scene, ask, words={"comment": "c"}, plan=plan.hash)


def test_a_new_conflict_changes_the_plan(scene: Scene) -> None:
    ask = acks(plain=(("hostgroup", "linux"), ("name", "db01")), on=On.HOSTS)
    plan = planned(scene, ask)
    scene.scan(NORTH, host("db01", 0))
    error = refused(scene, PlanChanged, ask, plan=plan.hash)
    assert [one.get("conflict") for one in error.facts["added"]] == ["not_possible"]


def test_what_is_only_worth_knowing_changes_the_plan_too(scene: Scene) -> None:
    """Whoever was shown that none is in downtime has not agreed to a second one."""
    ask = downtimes(hostgroup="linux", on=On.HOSTS)
    plan = planned(scene, ask)
    scene.scan(NORTH, host("web01", scheduled_downtime_depth=1))
    error = refused(scene, PlanChanged, ask, plan=plan.hash)
    assert [(one["host"], one.get("conflict")) for one in error.facts["added"]] == [("web01", "in_downtime")]


# --- deleting by meaning -------------------------------------------------------------------------------------------------------


def _standing(scene: Scene) -> None:
    async def work(desk: Desk) -> None:
        for names, more in (
            ([target("web01")], {"comment": "kernel", "reference": "CHG1"}),
            ([target("web01", "HTTP"), target("db01", "SQL")], {"comment": "kernel", "reference": "CHG2"}),
            ([target("mail01")], {"comment": "mail"}),
        ):
            for receipt in await desk.schedule_downtime(OPERATOR, names, **window() | more):
                scene.confirmed(receipt.command_id)

    at_desk(scene, work)


@pytest.mark.parametrize(
    ("ask", "meant"),
    [
        (deletion(targets=(target("web01"),)), {("web01", None)}),
        (deletion(targets=(target("web01", "HTTP"),)), {("web01", "HTTP")}),
        (deletion(comment="kernel"), {("web01", None), ("web01", "HTTP"), ("db01", "SQL")}),
        (deletion(comment="kernel", on=On.HOSTS), {("web01", None)}),
        (deletion(reference="CHG2"), {("web01", "HTTP"), ("db01", "SQL")}),
        (deletion(reference="CHG2", targets=(target("web01", "HTTP"),)), {("web01", "HTTP")}),
        (deletion(hostgroup="mailers"), {("mail01", None)}),
        (deletion(author="olga", poller=SOUTH), {("mail01", None)}),
        (deletion(filter='{"host.name": "db01"}'), {("db01", "SQL")}),
        (deletion(filter='{"host.name": {"$lk": "%01"}}', comment="mail"), {("mail01", None)}),
    ],
)
def test_entries_are_deleted_by_what_they_are_about(scene: Scene, ask: Ask, meant: set[tuple[str, str | None]]) -> None:
    _standing(scene)
    done = carry(scene, ask)
    assert {(receipt.host, receipt.service) for receipt in done.receipts} == meant
    deleted = {entry.id for entry in scene.entries() if (entry.host, entry.service or None) in meant}
    assert {receipt.entry_id for receipt in done.receipts} == deleted
    assert all(receipt.command.startswith("DEL_") for receipt in done.receipts)
    assert all(receipt.joined for receipt in carry(scene, ask).receipts)


@pytest.mark.parametrize(
    ("ask", "error"),
    [(deletion(), InvalidField), (deletion(comment="nothing"), UnknownObject), (deletion(hostgroup="no such"), UnknownObject)],
)
def test_a_deletion_of_all_or_of_nothing_is_refused(scene: Scene, ask: Ask, error: type[CallerError]) -> None:
    _standing(scene)
    refused(scene, error, ask)


def test_nobody_deletes_what_they_may_not_see(scene: Scene) -> None:
    _standing(scene)
    assert {receipt.host for receipt in carry(scene, deletion(author="olga"), SOUTH_ONLY).receipts} == {"mail01"}


def test_a_hosts_downtime_goes_with_those_of_its_services_set_together_with_it(scene: Scene) -> None:
    async def work(desk: Desk) -> None:
        together = await desk.schedule_downtime(OPERATOR, [target("web01")], with_services=True, **window() | {"comment": "all"})
        alone = await desk.schedule_downtime(OPERATOR, [target("web01", "HTTP")], **window() | {"comment": "alone"})
        for receipt in (*together, *alone):
            scene.confirmed(receipt.command_id)

    at_desk(scene, work)
    plan = planned(scene, deletion(targets=(target("web01"),), with_services=True))
    assert {one.service for one in plan.targets()} == {None, "HTTP", "Disk /var", "Fresh"}
    assert {one.line.partition("] ")[2] for one in plan.targets()} == {
        "DEL_HOST_DOWNTIME;<core's id>",
        "DEL_SVC_DOWNTIME;<core's id>",
    }
    done = carry(scene, deletion(targets=(target("web01"),), with_services=True), plan=plan.hash)
    assert len(done.receipts) == 4
    assert not any(receipt.entry_id in {e.id for e in scene.entries() if e.comment == "alone"} for receipt in done.receipts)


def test_unsent_entries_are_withdrawn_instead(scene: Scene) -> None:
    carry(scene, comments(hostgroup="linux", on=On.HOSTS), reference="CHG9")
    done = carry(scene, deletion("comment", reference="CHG9"))
    assert len(done.receipts) == 2 and all(receipt.notes for receipt in done.receipts)
    assert {str(command.state) for command in scene.commands()} == {"cancelled"}
