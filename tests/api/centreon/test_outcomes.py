"""The status table: 204 only for what a core carried out."""

from __future__ import annotations

from typing import Any

import pytest

from api.centreon.outcomes import judge
from engine.commands.lifecycle import State
from engine.desk import ItemDone, Receipt, Step
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


# --- several things in one call -----------------------------------------------------------------------------------------------

CHECK = {"resources": [{"type": "host", "id": 12, "parent": None}, {"type": "service", "id": 51, "parent": {"id": 12}}]}


def receipt(number: int, **more: Any) -> Receipt:
    return Receipt(f"cmd-{number}", "SCHEDULE_FORCED_HOST_CHECK", 1, "db01", None, None, **more)


def items(front: Front, done: list[ItemDone], *states: Any, query: str = "") -> Any:
    front.desk.done, front.desk.states = done, states
    return front.post(f"/monitoring/resources/check{query}", CHECK)


NOBODY = ItemDone((), "unknown_host", "Host not found")
LATE = ItemDone((), "not_possible", "It is over.", "end")


@pytest.mark.parametrize(
    ("done", "states", "status", "codes"),
    [
        ([ItemDone((receipt(1),)), ItemDone((receipt(2),))], ("processed", "confirmed"), 204, None),
        ([ItemDone((receipt(1),)), NOBODY], ("processed",), 207, [204, 404]),
        ([ItemDone((receipt(1),)), ItemDone((receipt(2),))], ("processed", "refused"), 207, [204, 422]),
        ([ItemDone((receipt(1),)), ItemDone((receipt(2),))], ("written", "written"), 207, [504, 504]),
        ([ItemDone((receipt(1),)), ItemDone((receipt(2),))], ("refused", "refused"), 207, [422, 422]),
        ([ItemDone((receipt(1), receipt(2))), NOBODY], ("processed", "no_effect"), 207, [409, 404]),
        ([NOBODY, NOBODY], (), 404, [404, 404]),
        ([NOBODY, LATE], (), 207, [404, 409]),
        ([ItemDone((), "poller_away", "It is away.")] * 2, (), 503, [503, 503]),
    ],
)
def test_each_thing_has_a_status_of_its_own(
    anna: Front, done: list[ItemDone], states: tuple[str, ...], status: int, codes: list[int] | None
) -> None:
    answer = items(anna, done, *states)
    assert answer.status_code == status
    if codes is None:
        assert answer.content == b""
        return
    body = answer.json()
    assert (body["code"], [result["code"] for result in body["results"]]) == (status, codes)
    assert all((result["message"] is None) == (result["code"] == 204) for result in body["results"])
    assert len(body["errors"]) == len([code for code in codes if code != 204])
    assert (status == 503) == ("retry-after" in answer.headers)
    if status == 207:
        assert ("are known to be carried out" in body["message"]) == (504 in codes), "what is not known yet may be done"


@pytest.mark.parametrize(
    ("path", "body", "noted"),
    [
        ("/monitoring/hosts/12/submit", {"status": 0}, True),
        ("/monitoring/hosts/12/services/51/submit", {"status": 0, "output": ""}, True),
        ("/monitoring/hosts/12/submit", {"status": 0, "output": "fine"}, False),
        ("/monitoring/resources/submit", {"resources": [CHECK["resources"][0] | {"status": 0, "output": None}]}, True),
    ],
)
def test_a_result_without_output_is_handed_in_as_cores_tell_one(anna: Front, path: str, body: dict[str, Any], noted: bool) -> None:
    """The original does not demand any; a core refuses an empty one."""
    answer = anna.post(path, body)
    assert answer.status_code == 204, answer.text
    assert ("(No output returned from plugin)" in answer.headers.get("Signalbox-Note", "")) == noted


def test_what_was_wholly_refused_is_in_the_audit(anna: Front) -> None:
    items(anna, [NOBODY, LATE])
    assert anna.desk.refusals == [("anna", 207, "unknown_host")]


def test_who_waits_is_told_each_command_and_each_thing(anna: Front) -> None:
    answer = items(anna, [ItemDone((receipt(1),)), ItemDone((receipt(2),))], "confirmed", "confirmed", query="?wait=3")
    assert answer.status_code == 200
    assert [command["id"] for command in answer.json()["commands"]] == ["cmd-1", "cmd-2"]
    assert answer.json()["results"] == [{"code": 204, "message": None}] * 2
    assert anna.desk.waits == [(["cmd-1", "cmd-2"], "final", 3.0)]


@pytest.mark.parametrize("wait", ["x", "-1", "nan", "inf", ""])
def test_a_wait_that_is_none_is_said_before_anything_is_done(anna: Front, wait: str) -> None:
    assert items(anna, [], query=f"?wait={wait}").status_code == 400
    assert anna.desk.calls == []


def test_nobody_waits_longer_than_a_minute(anna: Front) -> None:
    anna.desk.stored = [entry(1)]
    assert anna.delete("/monitoring/downtimes/1?wait=9999").status_code == 200
    assert anna.desk.waits == [(["cmd-1"], "final", 60.0)]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/monitoring/resources/check", {"resources": None}, "resources"),
        ("/monitoring/resources/check", {"resources": [{"type": "bee", "id": 1, "parent": None}]}, "resources.0.type"),
        ("/monitoring/resources/check", {"resources": [], "check": {"is_forced": 1}}, "check.is_forced"),
        ("/monitoring/resources/submit", {"resources": [CHECK["resources"][0]]}, "resources.0.status"),
        (
            "/monitoring/resources/acknowledge",
            {"acknowledgement": {"comment": "x"}, "resources": []},
            "acknowledgement.is_notify_contacts",
        ),
        ("/monitoring/hosts/check", [{"resource_id": 1}, {"resource_id": 0}], "1.resource_id"),
        ("/monitoring/hosts/check", [{"resource_id": 1, "forced": True}], "0.forced"),
        ("/monitoring/services/check", [{"resource_id": 1, "with_services": True}], "0.with_services"),
        ("/monitoring/hosts/check", {"resource_id": 1}, ""),
    ],
)
def test_a_body_that_cannot_be_meant_names_its_field(anna: Front, path: str, body: object, field: str) -> None:
    answer = anna.post(path, body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0].get("field", "") == field
    assert anna.desk.calls == []
