"""The status table: 204 only for what a core carried out."""

from __future__ import annotations

from typing import Any

import pytest

from api.centreon.outcomes import judge
from engine.commands.lifecycle import State
from engine.desk import Step
from tests.api.centreon.canned import Front, entry, life

TABLE = {
    "processed": 204, "confirmed": 204, "refused": 422, "no_effect": 409, "partial": 409, "expired": 409, "cancelled": 409,
    "lost_by_core": 409,
    "accepted": 504, "held": 504, "writing": 504, "written": 504, "unknown": 504,
}  # fmt: skip


def delete(front: Front, *states: Any) -> Any:
    front.desk.states, front.desk.stored = states, [entry(1)]
    return front.delete("/monitoring/downtimes/1")


def test_the_table_has_every_state() -> None:
    assert set(TABLE) == {str(state) for state in State}


@pytest.mark.parametrize(("state", "status"), list(TABLE.items()))
def test_one_command(anna: Front, state: str, status: int) -> None:
    told = life("cmd-1", state, command="DEL_HOST_DOWNTIME", reason="the reason", advice="the advice")
    answer = delete(anna, told)
    assert answer.status_code == status
    assert answer.headers["signalbox-command"] == "cmd-1"
    assert answer.headers["signalbox-entry"] == "71"
    assert anna.desk.waits == [(["cmd-1"], "processed", 7.5)]
    if status == 204:
        assert answer.content == b""
    else:
        assert answer.json()["code"] == status
        assert "the reason" in answer.json()["message"]
        assert "the advice" in answer.json()["message"]


@pytest.mark.parametrize("state", ["accepted", "held", "writing", "written"])
def test_who_waits_is_told_that_the_command_lives_on(anna: Front, state: str) -> None:
    assert "repeating the request is safe" in delete(anna, state).json()["message"]


@pytest.mark.parametrize("state", ["unknown", "refused", "expired", "no_effect"])
def test_what_has_ended_is_not_said_to_live_on(anna: Front, state: str) -> None:
    assert "lives on" not in delete(anna, state).json()["message"]


def test_the_cores_own_words(anna: Front) -> None:
    words = "Error: External command failed -> DEL_HOST_DOWNTIME (5)"
    told = life("cmd-1", "refused", steps=(Step("written", 1.0), Step("refused", 2.0, evidence=words)))
    assert words in delete(anna, told).json()["message"]


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (("processed", "confirmed"), 204),
        (("confirmed", "written"), 504),
        (("written", "no_effect"), 409),
        (("no_effect", "unknown", "refused"), 422),
        (("processed", "refused"), 422),
    ],
)
def test_the_worst_decides(anna: Front, states: tuple[str, ...], status: int) -> None:
    answer = delete(anna, *states)
    assert answer.status_code == status
    assert answer.headers["signalbox-command"] == ", ".join(f"cmd-{number}" for number in range(1, len(states) + 1))


def test_deleting_what_was_never_sent_is_done() -> None:
    creation = life("c", "cancelled", command="SCHEDULE_HOST_DOWNTIME")
    deletion = life("c", "cancelled", command="DEL_HOST_DOWNTIME")
    assert judge([creation], deletes=True)[0] == 204
    assert judge([deletion], deletes=True)[0] == 409
    assert judge([creation])[0] == 409


def test_notes_survive_in_a_header(anna: Front) -> None:
    anna.desk.notes = ("`;` was replaced in “Größe”",)
    answer = delete(anna, "processed")
    assert answer.status_code == 204
    assert answer.headers["signalbox-note"].startswith("`;` was replaced")


def test_many_commands_do_not_make_a_header_clients_refuse(anna: Front) -> None:
    answer = delete(anna, *["processed"] * 300)
    assert answer.status_code == 204
    assert max(len(value) for value in answer.headers.values()) < 4000
    assert len(anna.desk.waits[0][0]) == 300
