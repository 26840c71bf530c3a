"""The status table: what each outcome of commands looks like over HTTP, and how long an answer waits for it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from api.native.outcome import FAILED, SENTENCES, WORST_FIRST, Outcome, answer_of
from engine.commands.lifecycle import State
from engine.desk import Caller, Receipt
from tests.api.support_desk import Fate, Front, Reply

DOWNTIME = {"host": "web01", "duration": 3600, "comment": "why"}
TWO = {**DOWNTIME, "services": ["HTTP", "Disk /var"]}
WORDS = "Error: External command failed -> SCHEDULE_HOST_DOWNTIME"


def _post(front: Front, *fates: Fate, body: dict[str, Any] | None = None, target: str = "/v1/downtimes", **headers: str) -> Reply:
    front.desk.fates = fates
    return front.post(target, DOWNTIME if body is None else body, **headers)


def test_every_state_has_its_place() -> None:
    assert set(WORST_FIRST) == set(State) == set(SENTENCES)
    assert set(FAILED) == {State.REFUSED, State.NO_EFFECT, State.PARTIAL, State.EXPIRED, State.CANCELLED, State.LOST_BY_CORE}


def test_confirmed_is_201_with_the_id_at_the_top(front: Front) -> None:
    reply = _post(front, Fate("confirmed", advice=""))
    assert reply.status == 201
    assert reply.body.startswith(b'{"id":')
    entry = reply.json["id"]
    assert reply.headers["location"] == f"/v1/downtimes/{entry}"
    assert front.get(reply.headers["location"]).json["id"] == entry
    assert (reply.json["ids"], reply.json["state"], reply.json["joined"]) == ([entry], "confirmed", False)
    assert reply.headers["signalbox-command"] == reply.json["commands"][0]["command_id"]
    assert front.get(reply.json["commands"][0]["href"]).json["entry_id"] == entry


@pytest.mark.parametrize(
    ("fate", "status"),
    [
        (Fate("processed", effect_pending=True), 202),
        (Fate("processed", effect_pending=False), 200),
        (Fate("accepted"), 202),
        (Fate("writing"), 202),
        (Fate("written"), 202),
        (Fate("held", reason="north's core is away"), 202),
        (Fate("unknown", reason="the log was rotated away"), 202),
    ],
    ids=lambda value: getattr(value, "state", value),
)
def test_what_is_not_proven_yet_says_where_to_look(front: Front, fate: Fate, status: int) -> None:
    reply = _post(front, fate)
    assert (reply.status, reply.json["state"]) == (status, fate.state)
    assert reply.json["advice"] == "look at it"
    assert reply.json["id"] == reply.json["commands"][0]["id"]
    if status == 202:
        assert front.get(reply.headers["location"]).json["id"] == reply.headers["signalbox-command"]
    if fate.state == "unknown":
        assert "the log was rotated away" in reply.json["detail"]


@pytest.mark.parametrize(
    ("state", "status"),
    [("refused", 422), ("no_effect", 409), ("partial", 409), ("expired", 409), ("cancelled", 409), ("lost_by_core", 409)],
)
def test_failure_is_a_problem_in_the_cores_own_words(front: Front, state: str, status: int) -> None:
    reply = _post(front, Fate(state, evidence=WORDS, reason="our reason"))
    members = reply.problem(status, state)
    assert WORDS in members["detail"] and "web01" in members["detail"] and "north" in members["detail"]
    assert (members["state"], members["advice"]) == (state, "look at it")
    assert reply.headers["signalbox-command"] == members["commands"][0]["command_id"]
    assert "location" not in reply.headers


def test_without_words_of_the_core_ours_are_given(front: Front) -> None:
    assert "overtaken" in _post(front, Fate("expired", reason="overtaken: the problem is another")).json["detail"]


@pytest.mark.parametrize("better", [state for state in WORST_FIRST if state is not State.REFUSED])
def test_the_worst_of_several_decides_and_all_are_listed(front: Front, better: State) -> None:
    for fates in ((Fate("refused", WORDS), Fate(better)), (Fate(better), Fate("refused", WORDS))):
        reply = _post(front, *fates, body={**TWO, "comment": f"{better} {fates[0].state}"})
        members = reply.problem(422, "refused")
        assert [command["state"] for command in members["commands"]] == [fate.state for fate in fates]
        assert len(reply.headers["signalbox-command"].split(", ")) == 2


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (("confirmed", "confirmed"), 201),
        (("confirmed", "held"), 202),
        (("unknown", "confirmed"), 202),
        (("no_effect", "unknown"), 409),
        (("no_effect", "refused"), 422),
        (("confirmed", "expired"), 409),
    ],
)
def test_mixtures(front: Front, states: tuple[str, str], status: int) -> None:
    reply = _post(front, *map(Fate, states), body=TWO)
    assert reply.status == status
    assert [command["service"] for command in reply.json["commands"]] == ["HTTP", "Disk /var"]
    assert len(set(reply.json["ids"])) == 2
    if status == 202:
        worst = next(command for command in reply.json["commands"] if command["state"] != "confirmed")
        assert reply.headers["location"] == worst["href"]


def test_a_joined_twin_is_said_and_is_not_created(front: Front) -> None:
    first = _post(front, Fate("confirmed"))
    again = _post(front, Fate("confirmed"))
    assert (first.status, again.status) == (201, 200)
    assert again.json["joined"] is True and again.json["commands"][0]["joined"] is True
    assert again.json["id"] == first.json["id"]
    assert again.headers["signalbox-command"] == first.headers["signalbox-command"]
    assert front.get("/v1/downtimes").json["total"] == 1
    pending = _post(front, Fate("processed", effect_pending=True))
    assert (pending.status, pending.json["joined"]) == (202, True)


def test_one_new_beside_one_twin_is_created(front: Front) -> None:
    _post(front, Fate("confirmed"), body={**DOWNTIME, "service": "HTTP"})
    reply = _post(front, Fate("confirmed"), Fate("confirmed"), body=TWO)
    assert (reply.status, reply.json["joined"]) == (201, False)
    assert [command["joined"] for command in reply.json["commands"]] == [True, False]
    assert reply.headers["location"] == f"/v1/downtimes/{reply.json['commands'][1]['id']}"


def test_what_was_changed_on_the_way_is_said(front: Front) -> None:
    reply = front.post("/v1/downtimes", {**DOWNTIME, "comment": "a; b"})
    (command,) = reply.json["commands"]
    assert command["notes"], reply.json
    assert front.get(f"/v1/downtimes/{reply.json['id']}").json["comment"] == "a, b"


# --- waiting ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "headers", "until", "timeout_s", "applied"),
    [
        ("", {}, "processed", 1.5, None),
        ("?wait=7", {}, "final", 7, None),
        ("?wait=2.5", {}, "final", 2.5, None),
        ("?wait=61", {}, "final", 60, None),
        ("?wait=inf", {}, "final", 60, None),
        ("", {"prefer": "wait=9"}, "final", 9, "wait=9"),
        ("", {"prefer": 'respond-async, wait="9"; x=1'}, "final", 9, "wait=9"),
        ("", {"prefer": "return=minimal,WAIT = 3"}, "final", 3, "wait=3"),
        ("", {"prefer": "wait=99999"}, "final", 60, "wait=60"),
        ("?wait=4", {"prefer": "wait=9"}, "final", 4, None),
        ("", {"prefer": "wait=soon"}, "processed", 1.5, None),
        ("", {"prefer": "await=9"}, "processed", 1.5, None),
        ("", {"prefer": "wait=-3"}, "processed", 1.5, None),
    ],
)
def test_how_long(front: Front, target: str, headers: dict[str, str], until: str, timeout_s: float, applied: str | None) -> None:
    reply = front.post("/v1/downtimes" + target, DOWNTIME, **headers)
    ((ids, asked, waited_s),) = front.desk.waits
    assert (asked, waited_s) == (until, timeout_s)
    assert list(ids) == [reply.headers["signalbox-command"]]
    assert reply.headers.get("preference-applied") == applied


def test_who_does_not_wait_is_told_what_was_stored(front: Front) -> None:
    told = front.post("/v1/downtimes?wait=0", DOWNTIME)
    assert front.desk.waits == [], "nothing is read again"
    shown = front.get(told.headers["location"]).json
    (command,) = told.json["commands"]
    assert (told.status, told.json["state"], told.json["total"]) == (202, "accepted", 1)
    same = ("command", "poller", "host", "service", "state", "detail", "advice")
    assert {name: command[name] for name in same if name in shown} == {name: shown[name] for name in same if name in shown}
    assert (command["command_id"], command["id"]) == (shown["id"], shown["entry_id"])
    assert front.post("/v1/downtimes", DOWNTIME, prefer="wait=0").json["joined"] is True, "a twin is looked at as it stands"
    assert front.post("/v1/comments", {"host": "web01", "comment": "x"}, prefer="wait=0").headers["preference-applied"] == "wait=0"


def test_one_command_can_be_waited_for(front: Front) -> None:
    made = front.post("/v1/comments", {"host": "web01", "comment": "x"})
    front.desk.waits.clear()
    front.desk.fates = (Fate("confirmed"),)
    assert front.get(made.headers["location"]).json["state"] == "accepted"
    assert front.desk.waits == []
    assert front.get(made.headers["location"] + "?wait=5").json["state"] == "confirmed"
    assert front.get(made.headers["location"], prefer="wait=100").json["state"] == "confirmed"
    assert [(until, timeout_s) for _, until, timeout_s in front.desk.waits] == [("final", 5), ("final", 60)]


def test_many_ids_fit_into_a_header(front: Front) -> None:
    command = front.post("/v1/comments", {"host": "web01", "comment": "one"}).json["commands"][0]["command_id"]
    life = front.loop.run(front.desk.life(Caller("anna", "anna", "admin"), command))
    ids = [f"{number:036}" for number in range(300)]
    pairs = [(Receipt(one, life.command, life.poller, life.host, None, None), replace(life, id=one)) for one in ids]
    answer = answer_of(pairs)
    listed = answer.headers["Signalbox-Command"]
    assert listed.split(", ") == ids[:100] and len(listed) < 4096
    assert isinstance(answer.content, Outcome)
    assert [one.command_id for one in answer.content.commands] == ids
