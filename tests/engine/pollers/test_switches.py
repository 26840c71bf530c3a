"""Of each object, contact and feature the last word counts, after a crash, too; and only what is known to be lost is called so."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.commands.effects import When
from engine.commands.lifecycle import State
from engine.commands.profiles import PROFILES
from engine.commands.row import meant
from engine.journal.commands import CommandRow, insert_command
from engine.journal.slices import Slices
from engine.journal.store import Journal
from engine.model import CoreKind
from engine.pollers.effects_judged import EffectJudge
from engine.pollers.switches import LostSwitches

_STATE = """
ATTACH ':memory:' AS state;
CREATE TABLE state.group_member (poller, kind, name, host_name);
CREATE TABLE state.contact_status (poller, name, host_notifications_enabled);
CREATE TABLE state.host (poller, name, state, notifications_enabled);
"""
OFF = "DISABLE_HOSTGROUP_HOST_NOTIFICATIONS"
CONTACTS_OFF = "DISABLE_CONTACTGROUP_HOST_NOTIFICATIONS"
MANY = [f"h{number:04}" for number in range(1200)]


def command(name: str, state: State = State.CONFIRMED, **arguments: object) -> CommandRow:
    number = f"{name}{next(_numbers)}"
    host = str(arguments.get("host", ""))
    return CommandRow(
        0, number, "", name, 1, host, "", arguments, state, "", 100.0, 100.0, 200.0, None, None, None, None, None,
        "", "", "", "", None, None, None, 1, 100.0, None, (),
    )  # fmt: skip


_numbers = itertools.count()


@dataclass
class Scene:
    """A journal, and what the first status file after the crash shows."""

    journal: Journal
    lost: list[str] = field(default_factory=list)
    asked: list[tuple[str, object]] = field(default_factory=list)
    dies_after: int = 10**9

    def said(self, *commands: CommandRow) -> None:
        with self.journal.transaction() as connection:
            for one in commands:
                insert_command(connection, one)

    def shows(self, kind: str, group: str, **members: int) -> None:
        """A group with these members, and how each is switched."""
        table = "contact_status VALUES (1, ?, ?)" if kind == "contactgroup" else "host VALUES (1, ?, 0, ?)"
        self.journal.connection.executemany(f"INSERT INTO state.{table}", members.items())
        rows = [(1, kind, group, member) for member in members]
        self.journal.connection.executemany("INSERT INTO state.group_member VALUES (?, ?, ?, ?)", rows)

    def crashed(self) -> None:
        """The core has crashed: what was switched is verified."""
        with Slices(self.journal) as slices:
            losses: Any = SimpleNamespace(
                slices=slices, poller=1, at=300.0, verbs={"switch"}, lose=self._lose, ask_again=self._ask_again
            )
            reader: Any = SimpleNamespace(connection=self.journal.connection)
            judge = EffectJudge(1, CoreKind.NAGIOS, PROFILES[CoreKind.NAGIOS])
            LostSwitches(losses, reader, judge, When(250.0, 248.0, 0.0)).take()

    def _lose(self, one: CommandRow, why: str) -> None:
        self.lost.append(one.name)
        update = "UPDATE command SET state = 'lost_by_core' WHERE id = ?"
        self.journal.connection.execute(update, (one.id,))

    def _ask_again(self, one: CommandRow, row: object, entry: object) -> None:
        if len(self.asked) == self.dies_after:
            raise KeyboardInterrupt
        self.asked.append((one.name, one.arguments.get("host") or one.arguments.get("contact") or ""))
        insert_command(self.journal.connection, command(one.name, State.ACCEPTED, **one.arguments))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with closing(Journal.open(tmp_path)) as journal:
        journal.connection.executescript(_STATE)
        yield Scene(journal)


@pytest.mark.parametrize("members", [None, ["ann", "bob"]])
@pytest.mark.parametrize("later", [True, False])
def test_a_contact_set_back_later_is_no_loss_of_what_was_said_of_its_group(
    scene: Scene, later: bool, members: Sequence[str] | None
) -> None:
    scene.shows("contactgroup", "admins", ann=1, bob=0)
    scene.said(command(CONTACTS_OFF, contactgroup="admins", **({"members": members} if members else {})))
    if later:
        scene.said(command("ENABLE_CONTACT_HOST_NOTIFICATIONS", contact="ann"))
    scene.crashed()
    assert scene.lost == ([] if later else [CONTACTS_OFF])
    assert scene.asked == ([] if later else [(CONTACTS_OFF, "")])


def test_of_a_contactgroup_those_are_asked_for_alone_of_whom_no_later_word_was_said(scene: Scene) -> None:
    scene.shows("contactgroup", "admins", ann=1, bob=1)
    scene.said(command(CONTACTS_OFF, contactgroup="admins", members=["ann", "bob"]))
    scene.said(command("ENABLE_CONTACT_HOST_NOTIFICATIONS", contact="ann"))
    scene.crashed()
    assert scene.lost == [CONTACTS_OFF]
    assert scene.asked == [("DISABLE_CONTACT_HOST_NOTIFICATIONS", "bob")]


def test_a_contact_who_came_later_and_one_who_left_are_no_loss(scene: Scene) -> None:
    scene.shows("contactgroup", "admins", ann=1, bob=0)
    scene.said(command(CONTACTS_OFF, contactgroup="admins", members=["bob", "gone"]))
    scene.crashed()
    assert scene.lost == scene.asked == []


@pytest.mark.parametrize("is_on", [0, 1])
def test_what_more_were_switched_than_are_stored_is_known_again_by_a_digest(scene: Scene, is_on: int) -> None:
    scene.shows("hostgroup", "all", **dict.fromkeys(MANY, is_on))
    scene.said(command(OFF, hostgroup="all", members=meant(MANY)))
    scene.crashed()
    assert scene.lost == [OFF] * is_on
    assert scene.asked == [(OFF, "")] * is_on


def test_of_a_big_group_that_has_others_by_now_nothing_is_said_nor_of_what_was_said_before_it(scene: Scene) -> None:
    """A host that came later is no loss, and what an older command switched, this one may have switched back."""
    scene.shows("hostgroup", "all", **dict.fromkeys(MANY, 0) | {"h0000": 1})
    scene.shows("hostgroup", "few", left=1, late=1)
    scene.said(command("DISABLE_HOST_NOTIFICATIONS", host="left"))
    scene.said(command("ENABLE_HOSTGROUP_HOST_NOTIFICATIONS", hostgroup="all", members=meant([*MANY[1:], "left"])))
    scene.said(command(OFF, hostgroup="all", members=meant(MANY[1:])))
    scene.said(command("DISABLE_HOST_NOTIFICATIONS", host="late"))
    scene.crashed()
    assert scene.lost == ["DISABLE_HOST_NOTIFICATIONS"]
    assert scene.asked == [("DISABLE_HOST_NOTIFICATIONS", "late")], "later words are as sure as ever"


@pytest.mark.parametrize(
    ("shown", "members", "is_lost"),
    [
        ({"h1": 1, "h2": 1}, ["h1", "h2"], True),
        ({"h1": 0, "h2": 1}, ["h1", "h2"], False),
        ({"h1": 1}, ["h1", "gone"], False),
    ],
)
def test_what_showed_on_some_only_is_lost_where_it_shows_on_none(
    scene: Scene, shown: dict[str, int], members: list[str], is_lost: bool
) -> None:
    """On which it showed is not known: it is not asked again, and where it may still show nothing is said."""
    scene.shows("hostgroup", "some", **shown)
    scene.said(command(OFF, State.PARTIAL, hostgroup="some", members=members))
    scene.crashed()
    assert scene.lost == [OFF] * is_lost
    assert scene.asked == []


def test_what_showed_on_some_only_is_not_known_to_be_lost_where_a_later_word_is_about_some(scene: Scene) -> None:
    scene.shows("hostgroup", "some", h1=1, h2=1)
    scene.said(command(OFF, State.PARTIAL, hostgroup="some", members=["h1", "h2"]))
    scene.said(command("ENABLE_HOST_NOTIFICATIONS", host="h1"))
    scene.crashed()
    assert scene.lost == []


@pytest.mark.parametrize("dies_after", [150, 1198, 10**9])
def test_asked_again_one_by_one_each_is_asked_once_though_we_die_in_between(scene: Scene, dies_after: int) -> None:
    """In pieces, so that nobody waits for a thousand; what was stored stands, and the loss is told with the last of them."""
    scene.shows("hostgroup", "all", **dict.fromkeys(MANY, 1))
    scene.said(command(OFF, hostgroup="all", members=meant(MANY)))
    scene.said(command("ENABLE_HOST_NOTIFICATIONS", host="h0007"))
    scene.dies_after = dies_after
    try:
        scene.crashed()
    except KeyboardInterrupt:
        assert scene.lost in ([], [OFF])
        scene.lost, scene.dies_after = [], 10**9
        query = "SELECT name, host FROM command WHERE state = 'accepted' ORDER BY seq"
        scene.asked = list(scene.journal.connection.execute(query))
        assert len(scene.asked) % 100 == 0
        scene.crashed()
    assert scene.lost == [OFF]
    assert scene.asked == [("DISABLE_HOST_NOTIFICATIONS", host) for host in MANY if host != "h0007"]


def test_a_day_s_switches_of_big_groups_are_not_in_memory_at_once(scene: Scene) -> None:
    members = meant([f"{host}{'x' * 100}" for host in MANY[:1000]])
    scene.said(*(command(OFF, hostgroup="all", members=members) for _ in range(80)))
    tracemalloc.start()
    try:
        scene.crashed()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6e6, "eighty times 107 kB are 8.5 MB, as text alone"
