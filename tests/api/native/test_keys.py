"""Idempotency-Key: whatever happens, a request with a key is carried out once, and every repeat is told what the first one made."""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from api.ledger import _key
from api.native import OPERATIONS
from engine.commands.lifecycle import State
from engine.desk import bulk
from engine.journal.accounts import Verb
from engine.journal.commands import command_by_id, move
from engine.journal.store import Journal
from tests.api.support_desk import AWKWARD, NOW, Fate, Front, Reply, open_front

DOWNTIME = {"host": "web01", "duration": 3600, "comment": "new disk"}
RESULT = {"results": [{"host": "web01", "service": "HTTP", "return_code": 2, "plugin_output": "down"}]}


def commands(front: Front) -> int:
    return int(front.by("anna").get("/v1/commands?limit=1").json["total"])


def made(reply: Reply) -> tuple[Any, list[str]]:
    return reply.json["ids"], [command["command_id"] for command in reply.json["commands"]]


def moved(front: Front, command_id: str, *states: State) -> None:
    """The engine carries a command on."""
    journal = Journal.open(front.desk.config.data)
    for state in states:
        with journal.transaction() as connection:
            command = command_by_id(connection, command_id)
            assert command is not None
            move(connection, command, state, NOW)
    journal.close()


CONFIRMED = (State.WRITING, State.WRITTEN, State.PROCESSED, State.CONFIRMED)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/v1/downtimes", DOWNTIME),
        ("/v1/acknowledgements", {"host": "db01", "comment": "c"}),
        ("/v1/comments", {"host": "db01", "comment": "c"}),
        ("/v1/checks", {"host": "web01"}),
        ("/v1/results", RESULT),
        ("/v1/commands", {"command": "DISABLE_HOST_NOTIFICATIONS", "arguments": {"host": "web01"}}),
    ],
)
def test_a_repeat_makes_nothing_and_is_told_the_same(front: Front, target: str, body: object) -> None:
    first = front.post(target, body, idempotency_key="k")
    again = front.post(target, body, idempotency_key="k")
    assert first.status == 202, first.body
    assert (again.status, made(again), again.headers["location"]) == (202, made(first), first.headers["location"])
    assert again.headers["idempotent-replayed"] == "true" and "idempotent-replayed" not in first.headers
    assert again.json["joined"] is False
    assert commands(front) == 1


def test_every_write_takes_a_key(front: Front) -> None:
    """One that ignored it would be carried out again."""
    examples = {"{host}": "web01", "{service}": "HTTP", "{hostgroup}": "web", "{servicegroup}": "sites", "{poller}": "north"}
    for operation in OPERATIONS:
        if operation.verb in (Verb.READ, Verb.AUDIT) or operation.method == "DELETE":
            continue
        path = operation.path
        for name, value in examples.items():
            path = path.replace(name, value)
        body = orjson.dumps(dict(operation.example or {})).replace(b"Backup", b"HTTP")
        first = front.ask(operation.method, path, body, idempotency_key=operation.path)
        before = commands(front)
        again = front.ask(operation.method, path, body, idempotency_key=operation.path)
        assert first.status < 300 and again.headers["idempotent-replayed"] == "true", (operation, first.body, again.body)
        assert made(first) == made(again) and commands(front) == before, operation


def test_a_repeat_shows_what_became_of_it_since(front: Front) -> None:
    first = front.post("/v1/downtimes", DOWNTIME, idempotency_key="k")
    moved(front, made(first)[1][0], *CONFIRMED)
    again = front.post("/v1/downtimes", DOWNTIME, idempotency_key="k")
    assert (again.status, again.headers["location"]) == (201, f"/v1/downtimes/{first.json['id']}")
    assert again.json["commands"][0]["state"] == "confirmed" and made(again) == made(first)


def test_what_the_core_refused_stays_refused(front: Front) -> None:
    first = front.post("/v1/downtimes", DOWNTIME, idempotency_key="k")
    moved(front, made(first)[1][0], State.WRITING, State.WRITTEN, State.REFUSED)
    assert front.post("/v1/downtimes", DOWNTIME, idempotency_key="k").problem(422, "refused")["commands"]
    assert commands(front) == 1


def test_a_repeat_a_day_later_with_relative_times_and_an_object_that_is_gone(front: Front) -> None:
    """The window is over and could not be set any more; a repeat is not judged again."""
    body = DOWNTIME | {"start": "now", "end": "+1h"}
    body.pop("duration")
    first = front.post("/v1/downtimes", body, idempotency_key="k")
    front.clock.at += 86400
    again = front.post("/v1/downtimes", body, idempotency_key="k")
    assert made(again) == made(first)
    fixed = {"host": "db01", "start": NOW, "end": NOW + 60, "comment": "c"}
    front.post("/v1/downtimes", fixed, idempotency_key="other").problem(422, "invalid_field")


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/v1/downtimes", DOWNTIME | {"comment": "another"}),
        ("POST", "/v1/downtimes?wait=1", DOWNTIME | {"duration": 3601}),
        ("POST", "/v1/comments", {"host": "web01", "comment": "new disk"}),
        ("DELETE", "/v1/downtimes/4294967297", None),
    ],
)
def test_another_request_with_the_same_key_is_refused(front: Front, method: str, target: str, body: object) -> None:
    front.post("/v1/downtimes", DOWNTIME, idempotency_key="k")
    reply = front.ask(method, target, b"" if body is None else orjson.dumps(body), idempotency_key="k")
    assert reply.problem(422, "key_reused")["key"] == "k"
    assert commands(front) == 1


def test_how_long_one_waits_is_not_part_of_the_request(front: Front) -> None:
    first = front.post("/v1/downtimes?wait=0", DOWNTIME, idempotency_key="k")
    assert made(front.post("/v1/downtimes?wait=2", DOWNTIME, idempotency_key="k")) == made(first)
    assert made(front.post("/v1/downtimes", DOWNTIME, idempotency_key="k")) == made(first)


def test_keys_are_each_users_own(front: Front) -> None:
    first = front.post("/v1/comments", {"host": "web01", "comment": "a"}, idempotency_key="k")
    second = front.by("olga").post("/v1/comments", {"host": "web01", "comment": "b"}, idempotency_key="k")
    assert second.status == 202 and made(first) != made(second)


def test_a_refused_request_leaves_its_key_free(front: Front) -> None:
    front.post("/v1/downtimes", DOWNTIME | {"host": "nope"}, idempotency_key="k").problem(404, "unknown_host")
    front.by("rita").post("/v1/downtimes", DOWNTIME, idempotency_key="k").problem(403, "forbidden")
    front.post("/v1/downtimes", b"{", idempotency_key="k").problem(400, "malformed_request")
    assert front.post("/v1/downtimes", DOWNTIME, idempotency_key="k").status == 202
    assert commands(front) == 1


def test_a_twin_that_was_joined_is_told_again(front: Front) -> None:
    front.post("/v1/downtimes", DOWNTIME)
    first = front.post("/v1/downtimes", DOWNTIME, idempotency_key="k")
    again = front.post("/v1/downtimes", DOWNTIME, idempotency_key="k")
    assert first.json["joined"] and again.json["joined"] and made(first) == made(again)


def test_a_withdrawal_is_told_again(front: Front) -> None:
    """Both kinds: deleting what was not sent yet, and cancelling its command. Without the key the second one is a 409."""
    entry = front.post("/v1/downtimes", DOWNTIME).json["id"]
    first = front.delete(f"/v1/downtimes/{entry}", idempotency_key="a")
    again = front.delete(f"/v1/downtimes/{entry}", idempotency_key="a")
    assert (first.status, again.status, again.json["state"]) == (200, 200, "confirmed"), again.body
    assert front.delete(f"/v1/downtimes/{entry}").status in (404, 409)
    command = made(front.post("/v1/comments", {"host": "web01", "comment": "c"}))[1][0]
    first = front.delete(f"/v1/commands/{command}", idempotency_key="b")
    again = front.delete(f"/v1/commands/{command}", idempotency_key="b")
    assert (first.status, first.json["state"]) == (again.status, again.json["state"]) == (200, "cancelled")
    front.delete(f"/v1/commands/{command}").problem(409, "not_possible")


def test_calls_for_many_are_carried_out_once_too(front: Front) -> None:
    """By group and by search, and deletion by what was said; without the key the second deletion finds nothing."""
    body = {"hostgroup": "web", "on": "hosts", "duration": 3600, "comment": "all of them", "reference": "CHG1", "force": True}
    first = front.post("/v1/downtimes", body, idempotency_key="a")
    again = front.post("/v1/downtimes", body, idempotency_key="a")
    assert first.status == again.status == 202, (first.body, again.body)
    assert made(first) == made(again) and again.json["total"] == first.json["total"] > 1
    assert again.json["operation"] == first.json["operation"] and commands(front) == first.json["total"]
    gone = front.delete("/v1/downtimes?reference=CHG1", idempotency_key="b")
    repeat = front.delete("/v1/downtimes?reference=CHG1", idempotency_key="b")
    assert gone.status == repeat.status == 200 and made(gone) == made(repeat), (gone.body, repeat.body)
    assert front.delete("/v1/downtimes?reference=CHG1").status >= 400
    front.delete("/v1/downtimes?reference=CHG2", idempotency_key="b").problem(422, "key_reused")


def test_what_was_left_out_is_told_again(front: Front) -> None:
    body = {"host": "web01", "services": ["HTTP", "nope"], "duration": 60, "comment": "c", "skip_conflicts": True}
    first = front.post("/v1/downtimes?wait=0", body, idempotency_key="a").json
    assert [(one["service"], one["reason"]) for one in first["conflicts"]] == [("nope", "unknown_service")]
    assert front.post("/v1/downtimes?wait=0", body, idempotency_key="a").json["conflicts"] == first["conflicts"]
    assert front.post("/v1/downtimes?wait=0", DOWNTIME, idempotency_key="b").json["conflicts"] == []
    assert front.post("/v1/downtimes?wait=0", DOWNTIME, idempotency_key="b").json["conflicts"] == []


def test_a_call_of_results_is_carried_out_once(front: Front) -> None:
    body = {"results": RESULT["results"] * 2}
    first = front.post("/v1/results?wait=0", body, idempotency_key="a")
    again = front.post("/v1/results?wait=0", body, idempotency_key="a")
    assert (first.status, again.status) == (202, 202) and first.json == again.json
    assert again.headers["idempotent-replayed"] == "true"
    front.post("/v1/results?wait=0", RESULT, idempotency_key="a").problem(422, "key_reused")
    with sqlite3.connect(front.desk.config.data / "journal.db") as connection:
        assert connection.execute("SELECT count(*), sum(total) FROM result_call").fetchone() == (1, 2)
    connection.close()


def test_a_repeat_is_not_shown_what_its_token_may_not_see(front: Front) -> None:
    front.by("wim").post("/v1/downtimes", DOWNTIME, idempotency_key="k")
    with closing(Journal.open(front.desk.config.data)) as journal, journal.transaction() as connection:
        connection.execute("UPDATE user SET scope = '{\"pollers\": [2], \"hostgroups\": null}' WHERE name = 'wim'")
    front.by("wim").post("/v1/downtimes", DOWNTIME, idempotency_key="k").problem(404, "unknown_object")


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256, '"', "a\x00b"])
def test_what_is_no_key(front: Front, key: str) -> None:
    fields = {"idempotency_key": key} if key else {}
    reply = front.post("/v1/downtimes", DOWNTIME, **fields)
    if not key:
        assert reply.status == 202
    else:
        assert reply.problem(400, "malformed_request")["header"] == "Idempotency-Key"
        assert commands(front) == 0


@given(key=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"'), min_size=1, max_size=255))
@settings(max_examples=25, deadline=None)
def test_quotes_around_a_key_are_not_part_of_it(key: str) -> None:
    def request(value: str) -> Request:
        return Request({"type": "http", "headers": [(b"idempotency-key", value.encode())]})

    assert _key(request(key)) == _key(request(f'"{key}"')) == key


@pytest.mark.parametrize("services", [("HTTP",), ("HTTP", *AWKWARD)])
def test_many_at_once_make_one(front: Front, services: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Over two workers, too: what decides is the transaction, not the process. Many commands are stored in several."""
    monkeypatch.setattr(bulk, "SLICE", 4)
    checks = len(services)
    body = orjson.dumps({"host": "web01", "services": services})
    journal = Journal.open(front.desk.config.data)
    with open_front(front.desk.config) as other:
        other = replace(other, loop=front.loop)
        other.loop.run(other.desk.close())
        other.loop.run(other.desk.open())

        async def all_at_once() -> list[Reply]:
            headers = [(b"authorization", b"Bearer secret-of-anna"), (b"idempotency-key", b"k")]
            asked = [each._ask("POST", b"/v1/checks", body, headers) for each in (front, other) * 4]
            return await asyncio.gather(*asked)

        replies = front.loop.run(all_at_once())
        repeat = front.post("/v1/checks", body, idempotency_key="k")
    done = [reply for reply in replies if reply.status == 202]
    assert done and {reply.status for reply in replies} <= ({202} if checks == 1 else {202, 409}), replies[0].body[:600]
    assert {str(made(reply)) for reply in (*done, repeat)} == {str(made(done[0]))}
    query = "SELECT count(*) FROM command WHERE state <> 'cancelled'"
    assert journal.connection.execute(query).fetchone() == (checks,), "only one of them counts"
    journal.close()


def test_a_key_and_what_it_made_are_stored_together_or_not_at_all(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("engine.desk.together")

    def breaks(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(module, "insert_keys", breaks)
    front.post("/v1/downtimes", DOWNTIME, idempotency_key="k").problem(503, "journal_error")
    assert commands(front) == 0
    monkeypatch.undo()
    assert front.post("/v1/downtimes", DOWNTIME, idempotency_key="k").status == 202
    front.desk.fates = (Fate("processed", effect_pending=True),)
    assert front.post("/v1/downtimes", DOWNTIME, idempotency_key="k").headers["idempotent-replayed"] == "true"
    assert commands(front) == 1
