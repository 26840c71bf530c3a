"""The edge: who is asked in, which methods, bodies and parameters are taken, and how everything else is refused."""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
import time
from typing import Any

import orjson
import pytest

from api.native import OPERATIONS
from api.native.downtimes import NewDowntime
from api.native.requests import BODY_LIMIT_BYTES, decode_body
from engine.errors import InvalidField, TooManyLogins
from engine.journal.accounts import Verb
from tests.api.support_desk import Front

DOWNTIME = {"host": "web01", "duration": 60, "comment": "why"}
GET_PATHS = sorted({operation.path for operation in OPERATIONS if operation.method == "GET"})


def _target(path: str) -> str:
    return path.replace("{host}", "web01").replace("{service}", "HTTP").replace("{poller}", "1").replace("{command}", "c").replace(
        "{id}", "1"
    )  # fmt: skip


# --- who --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer nonsense", "Basic YW5uYTp4", "secret-of-anna", "Bearer a b"])
def test_nothing_without_a_token(front: Front, operation: Any, sent: str) -> None:
    reply = front.ask(operation.method, _target(operation.path), authorization=sent)
    reply.problem(401, "not_authenticated")
    assert reply.headers["www-authenticate"].startswith("Bearer")


def test_a_token_works_however_its_scheme_is_spelt(front: Front) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert front.get("/v1/pollers", authorization=f"{scheme} secret-of-rita").status == 200


def test_a_reader_reads_and_commands_nothing(front: Front) -> None:
    reader = front.by("rita")
    for operation in OPERATIONS:
        reply = reader.ask(operation.method, _target(operation.path), orjson.dumps(DOWNTIME))
        if operation.verb is not Verb.READ:
            reply.problem(403, "forbidden")
        else:
            assert reply.status != 403, operation
    assert front.get("/v1/commands").json["total"] == 0


def test_healthz_needs_no_token_and_names_nothing(front: Front) -> None:
    reply = front.get("/healthz", authorization="")
    assert (reply.status, reply.json["status"], reply.json["synchronous"]) == (200, "ok", 2)
    assert b"north" not in reply.body
    assert front.get("/openapi.json", authorization="").json["openapi"].startswith("3.1")


def test_who_asked_and_from_where_is_journalled(front: Front) -> None:
    front.by("olga").post("/v1/downtimes", DOWNTIME)
    with sqlite3.connect(front.desk.config.data / "journal.db") as connection:
        (row,) = connection.execute("SELECT user, author, address, token FROM command").fetchall()
    connection.close()
    assert row == ("olga", "olga", "192.0.2.7", "olga-token")


# --- methods ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS}))
def test_options_and_wrong_methods_tell_what_is_possible(front: Front, path: str) -> None:
    served = {operation.method for operation in OPERATIONS if operation.path == path}
    allowed = served | {"OPTIONS"} | ({"HEAD"} if "GET" in served else set())
    options = front.ask("OPTIONS", _target(path), authorization="")
    assert (options.status, set(options.headers["allow"].split(", "))) == (204, allowed)
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - allowed:
        reply = front.ask(method, _target(path))
        assert reply.status == 405
        assert set(reply.headers["allow"].split(", ")) == allowed
        if method != "HEAD":
            reply.problem(405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/v1/hosts", "/v1/hosts/web01", "/v1/hosts/nope", "/v1/commands/c", "/healthz"])
def test_head_is_get_without_its_body(front: Front, path: str) -> None:
    get, head = front.get(path), front.ask("HEAD", path)
    assert head.status == get.status
    assert head.headers["content-type"] == get.headers["content-type"]
    if path.startswith("/v1"):
        assert head.body == b""
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.body))


# --- parameters -----------------------------------------------------------------------------------------------------------------


# Where any field of the objects is a parameter.
SEARCHED = (
    "/v1/hosts", "/v1/services", "/v1/problems", "/v1/hosts/{host}/services", "/v1/hostgroups", "/v1/servicegroups",
    "/v1/contactgroups", "/v1/contacts", "/v1/timeperiods", "/v1/check-commands", "/v1/downtimes", "/v1/acknowledgements",
    "/v1/comments", "/v1/pollers",
)  # fmt: skip


@pytest.mark.parametrize("path", GET_PATHS)
def test_unknown_parameters_are_named(front: Front, path: str) -> None:
    refusal = (400, "invalid_search") if path in SEARCHED else (422, "invalid_field")
    members = front.get(_target(path) + "?hots=web01").problem(*refusal)
    assert members["field"] == "hots" and "hots" in members["detail"]


def test_a_near_parameter_is_proposed(front: Front) -> None:
    assert "did you mean host?" in front.get("/v1/hosts?hots=web01").json["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=-1", "limit"), ("limit=1001", "limit"), ("limit=ten", "limit"), ("limit=", "limit"), ("offset=-1", "offset"),
        ("offset=1.5", "offset"), ("limit=1&limit=2", "limit"), ("host=", "host"), ("host", "host"), ("poller=", "poller"),
        ("problems=maybe", "problems"), ("offset=99999999999999999999", "offset"), ("limit=null", "limit"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(front: Front, query: str, field: str) -> None:
    assert front.get(f"/v1/hosts?{query}").problem(422, "invalid_field")["field"] == field


@pytest.mark.parametrize("target", ["/v1/services", "/v1/downtimes", "/v1/acknowledgements", "/v1/comments", "/v1/commands"])
def test_a_service_needs_its_host(front: Front, target: str) -> None:
    assert front.get(f"{target}?service=HTTP").problem(422, "invalid_field")["field"] == "host"


@pytest.mark.parametrize("query", ["wait=-1", "wait=soon", "wait=nan", "wait=", "wait=1&wait=2"])
def test_a_wait_that_is_none(front: Front, query: str) -> None:
    assert front.post(f"/v1/downtimes?{query}", DOWNTIME).problem(422, "invalid_field")["field"] == "wait"
    assert front.get("/v1/commands").json["total"] == 0


# --- bodies ---------------------------------------------------------------------------------------------------------------------


def _deep(levels: int) -> bytes:
    return b'{"host":' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"  ",
            b"{",
            b"[]",
            b'"host"',
            b"null",
            b"1",
            b"{'host': 1}",
            b'{"host": NaN}',
            b'{"host": Infinity}',
            b"\xff\xfe{}",
        ),
        *(b'{"host": "\xff"}', b'{"host": "web01",}', b'{"host": 1} x', b"host=web01&comment=x", _deep(100_000), b'{"a": "\n"}'),
        b'{"host": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json_object_is_malformed(front: Front, body: bytes) -> None:
    front.post("/v1/downtimes", body).problem(400, "malformed_request")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**DOWNTIME, "recur": "day"}, "recur"),
        ({**DOWNTIME, "host": 5}, "host"),
        ({**DOWNTIME, "host": ""}, "host"),
        ({**DOWNTIME, "host": None}, "host"),
        ({"duration": 60, "comment": "x"}, "host"),
        ({"host": "web01", "duration": 60}, "comment"),
        ({**DOWNTIME, "fixed": "yes"}, "fixed"),
        ({**DOWNTIME, "fixed": 1}, "fixed"),
        ({**DOWNTIME, "start": True}, "start"),
        ({**DOWNTIME, "start": [1]}, "start"),
        ({**DOWNTIME, "services": []}, "services"),
        ({**DOWNTIME, "services": "HTTP"}, "services"),
        ({**DOWNTIME, "services": ["HTTP", 5]}, "services[1]"),
        ({**DOWNTIME, "services": ["HTTP", ""]}, "services[1]"),
        ({**DOWNTIME, "services": ["HTTP", "HTTP"]}, "services"),
        ({**DOWNTIME, "services": ["HTTP"], "service": "HTTP"}, "services"),
        ({**DOWNTIME, "service": "HTTP", "with_services": True}, "with_services"),
        ({**DOWNTIME, "poller": 1.5}, "poller"),
        ({**DOWNTIME, "comment": ["x"]}, "comment"),
    ],
)
def test_a_field_that_is_not_acted_on_is_named(front: Front, body: dict[str, Any], field: str) -> None:
    members = front.post("/v1/downtimes", body).problem(422, "invalid_field")
    assert members["field"] == field and field.split("[")[0] in members["detail"]
    assert front.get("/v1/commands").json["total"] == 0


def test_all_unknown_fields_are_named_at_once(front: Front) -> None:
    members = front.post("/v1/downtimes", {**DOWNTIME, "recur": 1, "servise": "HTTP"}).problem(422, "invalid_field")
    assert members["fields"] == ["recur", "servise"]
    assert "recur, servise" in members["detail"] and "host" in members["known"]


def test_a_field_said_twice_is_named(front: Front) -> None:
    body = b'{"host": "web01", "comment": "x", "duration": 60, "host": "db01"}'
    assert front.post("/v1/downtimes", body).problem(422, "invalid_field")["field"] == "host"
    body = b'{"results": [{"host": "web01", "return_code": 0, "return_code": 2, "plugin_output": "x"}]}'
    assert front.post("/v1/results", body).problem(422, "invalid_field")["field"] == "return_code"


@pytest.mark.parametrize("escape", [b"\\ud800", b"\\uDFFF", b"\\udc80\\ud800"])
@pytest.mark.parametrize("field", ["host", "comment", "author", "service"])
def test_half_a_pair_is_refused_wherever_it_stands(front: Front, field: str, escape: bytes) -> None:
    body = orjson.dumps(DOWNTIME | {field: "here"}).replace(b'"here"', b'"a' + escape + b'"')
    assert front.post("/v1/downtimes", body).problem(422, "invalid_field")["field"] == field
    named = orjson.dumps(DOWNTIME | {"here": 1}).replace(b'"here"', b'"' + escape + b'"')
    front.post("/v1/downtimes", named).problem(422, "invalid_field")


def test_a_whole_pair_is_a_character(front: Front) -> None:
    body = orjson.dumps(DOWNTIME | {"comment": "here"}).replace(b"here", b"\\ud83d\\ude00")
    made = front.post("/v1/downtimes", body)
    assert made.status == 202, made.body
    assert front.get(f"/v1/downtimes/{made.json['id']}").json["comment"] == "😀"


@pytest.mark.parametrize("poison", ["\n", "\r", "\0", "\x85", "\x1b", "a\nb"])
def test_control_bytes_are_refused_by_name(front: Front, poison: str) -> None:
    for field in ("comment", "author"):
        members = front.post("/v1/downtimes", {**DOWNTIME, field: f"x{poison}y"}).problem(422, "invalid_field")
        assert members["field"] == field
    for field in ("host", "service"):
        assert front.post("/v1/downtimes", {**DOWNTIME, field: f"x{poison}y"}).status in (404, 422)
    assert front.get("/v1/commands").json["total"] == 0


def test_null_is_the_same_as_absent(front: Front) -> None:
    made = front.post("/v1/downtimes", {**DOWNTIME, "service": None, "end": None, "poller": None, "author": None})
    assert (made.status, made.json["commands"][0]["service"]) == (202, None)


def test_too_large_a_body_is_refused_before_it_is_read(front: Front) -> None:
    largest = orjson.dumps(DOWNTIME)
    largest = largest[:-1] + b" " * (BODY_LIMIT_BYTES - len(largest)) + b"}"
    assert front.post("/v1/downtimes", largest).status == 202
    assert front.post("/v1/downtimes", largest + b" ").problem(413, "body_too_large")["limit"] == BODY_LIMIT_BYTES
    front.post("/v1/downtimes", b"{}", content_length=str(BODY_LIMIT_BYTES + 1)).problem(413, "body_too_large")
    # The tens of megabytes of passive results are for those who may submit some.
    assert front.by("rita").post("/v1/results", largest + b" ").problem(413, "body_too_large")["limit"] == BODY_LIMIT_BYTES


def test_a_body_where_none_is_taken_is_not_dropped(front: Front) -> None:
    made = front.post("/v1/downtimes", DOWNTIME).json["id"]
    front.ask("DELETE", f"/v1/downtimes/{made}", b'{"comment": "done early"}').problem(400, "malformed_request")
    assert front.get(f"/v1/downtimes/{made}").json["present"] is True
    assert front.ask("DELETE", f"/v1/downtimes/{made}", b"{}").status == 200


# --- when something is wrong with us ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "method", "code"),
    [("/v1/commands/c", "life", "internal_error"), ("/centreon/api/latest/monitoring/downtimes", "entries", 500)],
)
def test_a_bug_tells_a_client_nothing(front: Front, monkeypatch: pytest.MonkeyPatch, path: str, method: str, code: object) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret-of-anna /etc/nagios")

    monkeypatch.setattr(front.desk, method, broken)
    sent: list[Any] = []
    original = front.app.__call__

    async def remembering(scope: Any, receive: Any, send: Any) -> None:
        async def remember(message: Any) -> None:
            sent.append(message)

        await original(scope, receive, remember)

    monkeypatch.setattr(front, "app", remembering)
    with pytest.raises(ZeroDivisionError):  # the server's log has it whole
        front.get(path, x_auth_token=front.secret)
    body = b"".join(message.get("body", b"") for message in sent)
    assert sent[0]["status"] == 500 and b"secret" not in body and b"Zero" not in body
    assert orjson.loads(body)["code"] == code


def test_throttled_callers_are_told_when(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    async def throttled(*_: object) -> None:
        raise TooManyLogins("Too many.", retry_after_s=6.2)

    monkeypatch.setattr("api.auth.doorkeeper.Doorkeeper.caller_of", throttled)
    reply = front.get("/v1/hosts")
    reply.problem(429, "too_many_logins")
    assert reply.headers["retry-after"] == "7"


def test_before_the_engine_is_up(front: Front) -> None:
    (front.desk.config.data / "state.db").rename(front.desk.config.data / "gone.db")
    reply = front.get("/v1/hosts")
    reply.problem(503, "poller_error")
    assert int(reply.headers["retry-after"]) >= 1
    assert front.get("/healthz").status == 200


def test_answers_may_not_be_stored_unless_they_have_a_tag_to_ask_again_with(front: Front) -> None:
    for target in ("/v1/hosts/web01", "/v1/hosts/nope", "/v1/commands"):
        assert front.get(target).headers["cache-control"] == "no-store"
    assert front.get("/v1/hosts").headers["cache-control"] == "private, no-cache"


def test_operations_are_coroutines() -> None:
    assert all(asyncio.iscoroutinefunction(operation.act) or inspect.iscoroutinefunction(operation.act) for operation in OPERATIONS)


# --- what costs too much ------------------------------------------------------------------------------------------------------


def test_one_name_said_twice_among_very_many_is_found_at_once() -> None:
    names = b",".join(b'"%x":0' % number for number in range(60_000))
    begin = time.process_time()
    with pytest.raises(InvalidField) as refused:
        decode_body(b"{" + names + b',"ea5f":1}', NewDowntime)
    assert refused.value.facts["field"] == "ea5f"
    assert time.process_time() - begin < 5  # comparing each with each takes minutes


@pytest.mark.parametrize("field", ["host", "service"])
def test_a_name_longer_than_any_is_refused_before_it_is_looked_for(front: Front, field: str) -> None:
    reply = front.ask("POST", "/v1/downtimes", orjson.dumps(DOWNTIME | {field: "w" * 900_000}))
    assert reply.problem(422, "invalid_field")["field"] == field
