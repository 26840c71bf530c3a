"""Of each contact and feature the last word counts, after a crash, too."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.commands.effects import When
from engine.commands.lifecycle import State
from engine.commands.profiles import PROFILES
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
INSERT INTO state.group_member VALUES (1, 'contactgroup', 'admins', 'ann'), (1, 'contactgroup', 'admins', 'bob');
INSERT INTO state.contact_status VALUES (1, 'ann', 1), (1, 'bob', 0);
"""


def command(name: str, **arguments: str) -> CommandRow:
    return CommandRow(
        0, name, "", name, 1, "", "", arguments, State.CONFIRMED, "", 100.0, 100.0, 200.0, None, None, None, None, None,
        "", "", "", "", None, None, None, 1, 100.0, None, (),
    )  # fmt: skip


@pytest.mark.parametrize("later", [True, False])
def test_a_contact_set_back_later_is_no_loss_of_what_was_said_of_its_group(tmp_path: Path, later: bool) -> None:
    lost: list[str] = []
    again: list[str] = []
    with closing(Journal.open(tmp_path)) as journal:
        with journal.transaction() as connection:
            insert_command(connection, command("DISABLE_CONTACTGROUP_HOST_NOTIFICATIONS", contactgroup="admins"))
            if later:
                insert_command(connection, command("ENABLE_CONTACT_HOST_NOTIFICATIONS", contact="ann"))
        journal.connection.executescript(_STATE)
        with Slices(journal) as slices:
            losses: Any = SimpleNamespace(
                slices=slices, poller=1, at=300.0, verbs={"switch"},
                lose=lambda one, why: lost.append(one.name), ask_again=lambda one, row, entry: again.append(one.name),
            )  # fmt: skip
            reader: Any = SimpleNamespace(connection=journal.connection)
            judge = EffectJudge(1, CoreKind.NAGIOS, PROFILES[CoreKind.NAGIOS])
            LostSwitches(losses, reader, judge, When(250.0, 248.0, 0.0)).take()
    assert lost == again == ([] if later else ["DISABLE_CONTACTGROUP_HOST_NOTIFICATIONS"])
