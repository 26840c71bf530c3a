"""Lists at the desk: filters, exact totals, the latest per object, and nothing that is out of scope."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.commands.lifecycle import State
from engine.desk import Caller, Desk, Entry, EntryFilter, Receipt
from engine.errors import InvalidField, UnknownObject
from engine.journal.history import EntryRow, insert_entry
from engine.journal.identities import next_ids
from engine.model import ObjectKey
from engine.state.scope import Scope
from tests.engine.desk.scene import (
    ICE,
    LINUX_ONLY,
    NORTH,
    NOTHING,
    OPERATOR,
    SOUTH,
    SOUTH_ONLY,
    Scene,
    at_desk,
    host,
    scene_in,
    target,
    window,
)

ANY = EntryFilter()
ACK: dict[str, Any] = {"comment": "on it", "sticky": True, "notify": False, "persistent": True}
EVERYWHERE = [
    target("web01"),
    target("web01", "HTTP"),
    target("db01", "SQL"),
    target("both", poller=NORTH),
    target("both", poller=SOUTH),
    target("mail01", "SMTP"),
    target("ice01"),
]
BOTH_LIMITS = Caller("tim", "tim", "operator", Scope(frozenset({NORTH, SOUTH}), frozenset({"linux", "mailers"})))
NO_GROUPS = Caller("nog", "nog", "operator", Scope(hostgroups=frozenset()))

VISIBLE: list[tuple[Caller, set[tuple[int, str, str | None]]]] = [
    (OPERATOR, {(1, "web01", None), (1, "web01", "HTTP"), (1, "db01", "SQL"), (1, "both", None), (2, "both", None)}
     | {(2, "mail01", "SMTP"), (3, "ice01", None)}),
    (LINUX_ONLY, {(1, "web01", None), (1, "web01", "HTTP"), (1, "db01", "SQL")}),
    (SOUTH_ONLY, {(2, "both", None), (2, "mail01", "SMTP")}),
    (BOTH_LIMITS, {(1, "web01", None), (1, "web01", "HTTP"), (1, "db01", "SQL"), (2, "mail01", "SMTP")}),
    (NOTHING, set()),
    (NO_GROUPS, set()),
]  # fmt: skip


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with scene_in(tmp_path) as made:
        yield made


def listed(scene: Scene, which: EntryFilter = ANY, caller: Caller = OPERATOR) -> list[Entry]:
    page = at_desk(scene, lambda desk: desk.entries(caller, which))
    assert page.total >= len(page.rows)
    if which.limit == ANY.limit and not which.offset:
        assert page.total == len(page.rows)
    return list(page.rows)


def comments(scene: Scene, *targets: Any) -> tuple[Receipt, ...]:
    return at_desk(scene, lambda desk: desk.add_comment(OPERATOR, list(targets), comment="c", persistent=True))


# --- scope ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("caller", "visible"), VISIBLE, ids=[caller.user for caller, _ in VISIBLE])
def test_scope_bounds_entries_and_commands_alike(scene: Scene, caller: Caller, visible: set[Any]) -> None:
    made = comments(scene, *EVERYWHERE)

    async def work(desk: Desk) -> None:
        entries = await desk.entries(caller, ANY)
        commands = await desk.commands(caller, ANY)
        assert {(row.poller, row.host, row.service) for row in entries.rows} == visible
        assert {(row.poller, row.host, row.service) for row in commands.rows} == visible
        assert entries.total == commands.total == len(visible)
        # Totals of pages and of filters leak nothing either.
        page = await desk.entries(caller, EntryFilter(limit=1, offset=1))
        assert page.total == len(visible)
        for poller in (NORTH, SOUTH, ICE):
            count = len([key for key in visible if key[0] == poller])
            assert (await desk.entries(caller, EntryFilter(poller=poller, limit=0))).total == count
            assert (await desk.commands(caller, EntryFilter(poller=poller, limit=0))).total == count
        for receipt in made:
            inside = (receipt.poller, receipt.host, receipt.service) in visible
            for ask in (
                lambda receipt=receipt: desk.entry(caller, "comment", receipt.entry_id),
                lambda receipt=receipt: desk.life(caller, receipt.command_id),
                lambda receipt=receipt: desk.settle(caller, [receipt.command_id], until="final", timeout_s=0),
            ):
                if inside:
                    await ask()
                else:
                    with pytest.raises(UnknownObject) as caught:
                        await ask()
                    assert receipt.host not in str(caught.value)

    at_desk(scene, work)


def test_membership_counts_as_it_is_now(scene: Scene) -> None:
    comments(scene, target("web01"), target("mail01"))
    assert [entry.host for entry in listed(scene, caller=LINUX_ONLY)] == ["web01"]
    scene.lose_state()
    scene.make_state()
    scene.set_poller(NORTH, generation=1)
    assert [entry.host for entry in listed(scene, caller=LINUX_ONLY)] == ["web01"]


def test_unknown_in_words_that_do_not_differ(scene: Scene) -> None:
    (made,) = comments(scene, target("mail01"))
    assert made.entry_id is not None

    async def words(desk: Desk, entry_id: int) -> str:
        with pytest.raises(UnknownObject) as caught:
            await desk.entry(LINUX_ONLY, "comment", entry_id)
        return str(caught.value).replace(str(entry_id), "N")

    entry_id = made.entry_id
    assert at_desk(scene, lambda desk: words(desk, entry_id)) == at_desk(scene, lambda desk: words(desk, entry_id + 1))


# --- filters and pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (EntryFilter(host="web01"), {"web01", "web01/HTTP"}),
        (EntryFilter(host="web01", services=False), {"web01"}),
        (EntryFilter(services=True), {"web01/HTTP", "db01/SQL", "mail01/SMTP"}),
        (EntryFilter(services=False), {"web01", "both", "ice01"}),
        (EntryFilter(host="web01", service="HTTP"), {"web01/HTTP"}),
        (EntryFilter(poller=SOUTH), {"both", "mail01/SMTP"}),
        (EntryFilter(kind="downtime"), set()),
        (EntryFilter(kind="nonsense"), set()),
        (EntryFilter(host="\ud800"), set()),
        (EntryFilter(poller=2**70), set()),
        (EntryFilter(present=False), set()),
        (EntryFilter(host="web01' OR 1=1 --"), set()),
    ],
)
def test_filters_of_entries_and_commands(scene: Scene, which: EntryFilter, expected: set[str]) -> None:
    comments(scene, *EVERYWHERE)
    assert {_label(entry.host, entry.service) for entry in listed(scene, which)} == expected
    if which.present is None:
        page = at_desk(scene, lambda desk: desk.commands(OPERATOR, which))
        assert {_label(life.host, life.service) for life in page.rows} == expected


def _label(name: str, service_name: str | None) -> str:
    return f"{name}/{service_name}" if service_name else name


def test_pages_are_newest_first_and_add_up(scene: Scene) -> None:
    for n in range(7):
        at_desk(scene, lambda desk, n=n: desk.add_comment(OPERATOR, [target("web01")], comment=f"n {n}", persistent=True))

    async def work(desk: Desk) -> None:
        whole = await desk.entries(OPERATOR, ANY)
        assert [entry.comment for entry in whole.rows] == [f"n {n}" for n in range(6, -1, -1)]
        assert [life.arguments["comment"] for life in (await desk.commands(OPERATOR, ANY)).rows] == [
            f"n {n}" for n in range(6, -1, -1)
        ]
        pieces = [await desk.entries(OPERATOR, EntryFilter(limit=3, offset=offset)) for offset in (0, 3, 6, 9)]
        assert [page.total for page in pieces] == [7] * 4
        assert [entry.id for page in pieces for entry in page.rows] == [entry.id for entry in whole.rows]
        assert (await desk.entries(OPERATOR, EntryFilter(limit=-5))).rows == ()
        assert (await desk.entries(OPERATOR, EntryFilter(offset=2**80))).rows == ()

    at_desk(scene, work)


def test_commands_by_state(scene: Scene) -> None:
    first, second = comments(scene, target("web01"), target("db01"))
    scene.move(first.command_id, State.HELD)
    page = at_desk(scene, lambda desk: desk.commands(OPERATOR, EntryFilter(state="held")))
    assert [life.id for life in page.rows] == [first.command_id]
    page = at_desk(scene, lambda desk: desk.commands(OPERATOR, EntryFilter(state="accepted")))
    assert [life.id for life in page.rows] == [second.command_id]
    with pytest.raises(InvalidField):
        at_desk(scene, lambda desk: desk.commands(OPERATOR, EntryFilter(state="done")))


def test_steps_of_a_page_belong_to_their_own_commands(scene: Scene) -> None:
    first, second = comments(scene, target("web01"), target("db01"))
    scene.move(first.command_id, State.HELD, evidence="one")
    scene.processed(second.command_id)
    lives = {life.id: life for life in at_desk(scene, lambda desk: desk.commands(OPERATOR, ANY)).rows}
    assert [step.state for step in lives[first.command_id].steps] == ["accepted", "held"]
    assert [step.state for step in lives[second.command_id].steps] == ["accepted", "writing", "written", "processed"]


# --- what an entry says -----------------------------------------------------------------------------------------------------


def test_read_your_writes(scene: Scene) -> None:
    """Listed at once with id and proof; gone again when refused; present after it was seen; past after it ended."""
    arguments: dict[str, Any] = {"comment": "c"} | window()
    (made,) = at_desk(scene, lambda desk: desk.schedule_downtime(OPERATOR, [target("web01", "HTTP")], **arguments))
    (entry,) = listed(scene)
    assert (entry.id, entry.proof, entry.present, entry.command_id) == (made.entry_id, "accepted", True, made.command_id)
    assert (entry.fixed, entry.is_in_effect, entry.duration) == (True, None, 7200)
    assert entry.host_id == _id(scene, "web01")
    assert entry.service_id == _id(scene, "web01", "HTTP") != entry.host_id
    scene.confirmed(made.command_id)
    assert listed(scene)[0].proof == "confirmed"
    scene.set_entry(entry.id, present=0, actual_end=1.0)
    assert listed(scene, EntryFilter(present=True)) == []
    assert [row.id for row in listed(scene, EntryFilter(present=False))] == [entry.id]

    (refused,) = at_desk(scene, lambda desk: desk.schedule_downtime(OPERATOR, [target("web01")], **arguments))
    assert refused.entry_id is not None
    scene.move(refused.command_id, State.WRITING, State.REFUSED)
    scene.set_entry(refused.entry_id, present=0)
    assert [row.id for row in listed(scene)] == [entry.id]
    with pytest.raises(UnknownObject):
        at_desk(scene, lambda desk: desk.entry(OPERATOR, "downtime", refused.entry_id or 0))


def _id(scene: Scene, name: str, service_name: str | None = None) -> int:
    key = ObjectKey(NORTH, name, service_name)
    return at_desk(scene, lambda desk: desk.read(lambda reader: reader.object_ids(NORTH, [key])))[key]


def test_a_withdrawn_entry_is_past_and_cancelled(scene: Scene) -> None:
    (made,) = comments(scene, target("web01"))
    at_desk(scene, lambda desk: desk.delete_entry(OPERATOR, "comment", made.entry_id or 0))
    (entry,) = listed(scene)
    assert (entry.present, entry.cancelled, entry.deleted_by) == (False, True, "olga")
    assert at_desk(scene, lambda desk: desk.entry(OPERATOR, "comment", entry.id)) == entry


def test_the_kind_is_part_of_the_name(scene: Scene) -> None:
    (made,) = comments(scene, target("web01"))
    with pytest.raises(UnknownObject):
        at_desk(scene, lambda desk: desk.entry(OPERATOR, "downtime", made.entry_id or 0))
    for entry_id in (0, -1, 2**63, 2**90):
        with pytest.raises(UnknownObject):
            at_desk(scene, lambda desk, entry_id=entry_id: desk.entry(OPERATOR, "comment", entry_id))


def test_entries_of_others_and_of_hosts_that_are_gone(scene: Scene) -> None:
    with scene.journal.transaction() as connection:
        (entry_id,) = next_ids(connection, SOUTH, "entry", 1)
        row = EntryRow(entry_id, "downtime", SOUTH, "gone", "svc", "cron", "night", "seen", 1, time.time(), fixed=0, duration=60.0)
        insert_entry(connection, row._replace(core_id=4, is_in_effect=1))
    (entry,) = listed(scene)
    assert (entry.host_id, entry.service_id, entry.poller_name, entry.proof) == (None, None, "south", "seen")
    assert (entry.fixed, entry.is_in_effect, entry.core_id, entry.command_id) == (False, True, 4, None)


def test_the_latest_acknowledgement_per_object(scene: Scene) -> None:
    scene.scan(NORTH, host("web01", 1))

    async def work(desk: Desk) -> dict[str, int]:
        made = {}
        for text in ("one", "two", "three"):
            for label, here in (("db01", target("db01")), ("HTTP", target("web01", "HTTP"))):
                (receipt,) = await desk.acknowledge(OPERATOR, [here], **ACK | {"comment": text})
                assert receipt.entry_id is not None
                made[f"{label} {text}"] = receipt.entry_id
        await desk.add_comment(OPERATOR, [target("db01")], comment="later, of another kind", persistent=True)
        return made

    made = at_desk(scene, work)
    latest = EntryFilter(kind="acknowledgement", latest_per_object=True)
    assert {entry.id for entry in listed(scene, latest)} == {made["db01 three"], made["HTTP three"]}
    # One that was refused never was; one that ended is still the latest.
    scene.set_entry(made["db01 three"], present=0)
    scene.set_entry(made["HTTP three"], present=0, core_id=9, proof="confirmed")
    assert {entry.id for entry in listed(scene, latest)} == {made["db01 two"], made["HTTP three"]}
    assert {entry.id for entry in listed(scene, replace(latest, present=True))} == {made["db01 two"]}
    assert {entry.id for entry in listed(scene, replace(latest, services=True))} == {made["HTTP three"]}
    assert listed(scene, latest, SOUTH_ONLY) == []
    # One that was withdrawn before any core read it never was, either; one withdrawn after that was.
    scene.set_entry(made["HTTP three"], present=0, core_id=None, proof="accepted", cancelled=1)
    assert {entry.id for entry in listed(scene, latest)} == {made["db01 two"], made["HTTP two"]}
    scene.set_entry(made["HTTP three"], present=0, core_id=None, proof="processed", cancelled=1)
    assert {entry.id for entry in listed(scene, latest)} == {made["db01 two"], made["HTTP three"]}
