"""A narrowed token does what its verbs and pollers allow, whichever dialect is asked, and never more than its user."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.centreon import PATHS
from api.native import OPERATIONS
from api.native.operation import Operation
from engine.config import Config
from engine.journal import accounts
from engine.journal.accounts import ROLES, VERBS, Role, Verb
from engine.journal.store import Journal
from engine.state.scope import Scope
from tests.api.support_desk import NOW, Front, make_world, open_front

_numbers = itertools.count()
_ON_BOTH = (("web01", "north"), ("branch01", "south"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def front(world: Config, tmp_path: Path) -> Iterator[Front]:
    shutil.copytree(world.data, tmp_path / "data")
    with open_front(replace(world, data=tmp_path / "data")) as opened:
        yield opened


def narrowed(front: Front, user: str, verbs: Collection[Verb] | None = None, pollers: Collection[int] | None = None) -> Front:
    """The front with a fresh token of that user."""
    secret = f"narrowed-{next(_numbers)}"
    journal = Journal.open(front.desk.config.data)
    with journal.transaction() as connection:
        owner = accounts.existing_user(connection, user)
        accounts.add_token(connection, secret, owner.id, secret, NOW, verbs=verbs, pollers=pollers)
    journal.close()
    return replace(front, secret=secret)


def asked(operation: Operation, front: Front) -> Any:
    path = operation.path.replace("{host}", "web01").replace("{service}", "HTTP").replace("{poller}", "north").replace("{id}", "1")
    return front.ask(operation.method, path.replace("{command}", "nope"), orjson.dumps(dict(operation.example or {})))


def test_each_operation_needs_just_its_own_verb(front: Front) -> None:
    lacking = {verb: narrowed(front, "anna", frozenset(Verb) - {verb}) for verb in Verb}
    having = {verb: narrowed(front, "anna", {verb}) for verb in Verb}
    for operation in OPERATIONS:
        assert asked(operation, lacking[operation.verb]).problem(403, "forbidden")["right"] == operation.verb
        assert asked(operation, having[operation.verb]).status not in (401, 403), operation


def test_the_centreon_dialect_asks_for_the_same(front: Front) -> None:
    for path in [path for path in PATHS if "{" not in path.replace("{acks}", "")]:
        for method, (_, verb) in PATHS[path].items():
            others = narrowed(front, "anna", frozenset(Verb) - {verb})
            target = "/centreon/api/latest" + path.replace("{acks}", "acknowledgements")
            reply = others.ask(method, target, b"", x_auth_token=others.secret, authorization="")
            assert reply.status == 403 and str(verb) in reply.json["message"], (method, target, reply.body)


def test_every_place_of_the_centreon_dialect_declares_its_verb() -> None:
    for path, handlers in PATHS.items():
        for method, (handler, verb) in handlers.items():
            reads = method == "GET" or path == "/authentication/logout"
            assert reads == (verb is Verb.READ), (path, method)
            assert reads or ("ack" in handler.__name__ + handler.__module__) == (verb is Verb.ACKNOWLEDGEMENT), (path, method)


def test_a_token_gives_its_user_no_verb(front: Front) -> None:
    """A reader's token that names every verb still only reads."""
    mine = narrowed(front, "rita", frozenset(Verb))
    for operation in OPERATIONS:
        assert (asked(operation, mine).status == 403) == (operation.verb is not Verb.READ), operation


def test_a_token_gives_its_user_no_poller(front: Front) -> None:
    mine = narrowed(front, "anna", pollers={1})
    assert [poller["name"] for poller in mine.get("/v1/pollers").json["items"]] == ["north"]
    mine.get("/v1/hosts/branch01").problem(404, "unknown_host")
    body = {"host": "branch01", "duration": 60, "comment": "c"}
    mine.post("/v1/downtimes", body).problem(404, "unknown_host")
    assert mine.post("/v1/downtimes", body | {"host": "shared"}).status == 202, "on two pollers, on one of ours"
    web_only = narrowed(front, "wim", pollers={1})
    web_only.get("/v1/hosts/db01").problem(404, "unknown_host")
    web_only.get("/v1/hosts/branch01").problem(404, "unknown_host")
    assert web_only.get("/v1/hosts/web01").status == 200


def test_the_audit_shows_a_narrowed_token_of_its_user_what_was_asked_with_it(front: Front) -> None:
    """What its user was refused names hosts of other pollers, and so do accepted requests and logins."""
    body = {"duration": 3600, "comment": "c"}
    mine = narrowed(front, "anna", pollers={1})
    front.post("/v1/downtimes", body | {"host": "branch01", "comment": ""}).problem(422, "invalid_field")
    front.post("/v1/downtimes", body | {"host": "branch01"})
    front.post("/v1/downtimes", body | {"host": "web01"})
    mine.post("/v1/downtimes", body | {"host": "branch01"}).problem(404, "unknown_host")
    mine.post("/v1/downtimes", body | {"host": "web01", "comment": "with it"})
    found = mine.get("/v1/audit").json["items"]
    shown = [(row["outcome"], row["host"], [one["host"] for one in row["commands"]]) for row in found]
    assert shown == [("accepted", "", ["web01"]), ("refused", "branch01", []), ("accepted", "", ["web01"])], shown
    assert len(front.get("/v1/audit").json["items"]) == 5


def test_what_its_user_asked_of_other_pollers_does_not_exist_for_it(front: Front) -> None:
    """Commands on whole cores and calls of results have no object of their own: they are their sender's, poller by poller."""
    mine = narrowed(front, "anna", pollers={1})
    switched = front.ask("PATCH", "/v1/pollers/south?wait=0", orjson.dumps({"obsess_over_hosts": True})).json
    command = f"/v1/commands/{switched['commands'][0]['command_id']}"
    mine.get(command).problem(404, "unknown_object")
    mine.delete(command).problem(404, "unknown_object")
    assert front.get(command).json["state"] == "accepted"
    assert mine.get("/v1/commands").json["total"] == 0
    mine.get(f"/v1/operations/{switched['operation']}").problem(404, "unknown_object")
    assert not [row for row in mine.get("/v1/audit").json["items"] if row["method"] == "PATCH"]

    results = [{"host": host, "poller": poller, "return_code": 1, "plugin_output": "x"} for host, poller in _ON_BOTH]
    call = front.post("/v1/results?wait=0", {"results": results}).json
    assert [part["poller"] for part in call["pollers"]] == ["north", "south"]
    shown = mine.get(f"/v1/results/{call['id']}").json
    assert (shown["total"], [part["poller"] for part in shown["pollers"]]) == (1, ["north"])
    mine.get(f"/v1/results/{call['pollers'][1]['id']}").problem(404, "unknown_object")
    assert mine.get(f"/v1/operations/{call['id']}").json["progress"]["commands"] == 1


def test_scopes_are_joined_by_and() -> None:
    def through(user: Scope, token: frozenset[int] | None) -> Scope:
        owner = accounts.User(1, "u", Role.ADMIN, "", "u", user, 0.0)
        return accounts.narrowed_scope(owner, accounts.Token(1, "t", "bearer", 1, 0.0, None, None, 0.0, None, token))

    assert through(Scope(), None) == Scope()
    assert through(Scope(), frozenset({1})) == Scope(pollers=frozenset({1}))
    assert through(Scope(pollers=frozenset({1, 2})), frozenset({2, 3})) == Scope(pollers=frozenset({2}))
    assert through(Scope(pollers=frozenset({1})), frozenset({2})) == Scope(pollers=frozenset())
    assert through(Scope(hostgroups=frozenset({"web"})), frozenset({2})) == Scope(frozenset({2}), frozenset({"web"}))


def test_every_verb_is_described_and_somebodys() -> None:
    assert set(VERBS) == set(Verb) == ROLES[Role.ADMIN]
    assert ROLES[Role.READER] < ROLES[Role.OPERATOR] < ROLES[Role.ADMIN]
