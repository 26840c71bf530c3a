"""The audit: nothing that changed something, or tried to, is missing from it, and nobody can change what stands there."""

from __future__ import annotations

import hashlib
import importlib
import sqlite3
from contextlib import closing
from typing import Any

import orjson
import pytest

from engine.commands.lifecycle import State
from engine.journal.commands import command_by_id, move
from engine.journal.store import Journal
from tests.api.support_desk import NOW, Front

DOWNTIME = {"host": "web01", "duration": 3600, "comment": "new disk"}
NDJSON = "application/x-ndjson"


def rows(front: Front, query: str = "") -> list[dict[str, Any]]:
    reply = front.by("anna").get("/v1/audit" + query)
    assert reply.status == 200, reply.body
    found: list[dict[str, Any]] = reply.json["items"]
    return found


def journal(front: Front) -> Journal:
    return Journal.open(front.desk.config.data)


def written(front: Front, command_id: str, line: bytes, evidence: str) -> None:
    """The engine writes a command, and the core echoes and shows it."""
    with closing(journal(front)) as opened:
        for state, more in (
            (State.WRITING, {"line": line}), (State.WRITTEN, {}), (State.PROCESSED, {"evidence": evidence}), (State.CONFIRMED, {}),
        ):  # fmt: skip
            with opened.transaction() as connection:
                command = command_by_id(connection, command_id)
                assert command is not None
                move(connection, command, state, NOW, **more)  # type: ignore[arg-type]


def test_who_what_from_where_the_bytes_the_outcome_and_the_evidence(front: Front) -> None:
    sent = orjson.dumps(DOWNTIME)
    reply = front.by("olga").post("/v1/downtimes?wait=0", sent, idempotency_key="chg-1")
    line = b"[1800000000] SCHEDULE_HOST_DOWNTIME;web01;1800000000;1800003600;1;0;3600;olga;new disk\n"
    written(front, reply.json["commands"][0]["command_id"], line, "[1800000000] EXTERNAL COMMAND: …")
    (row,) = rows(front)
    told = ("user", "token", "address", "verb", "method", "path", "body", "idempotency_key", "outcome", "status", "commands_total")
    assert [row[name] for name in told] == [
        "olga", "olga-token", "192.0.2.7", "downtime", "POST", "/v1/downtimes?wait=0", sent.decode(), "chg-1", "accepted", None, 1,
    ]  # fmt: skip
    (command,) = row["commands"]
    assert command["line"].encode() == line
    assert (command["state"], command["evidence"]) == ("confirmed", "[1800000000] EXTERNAL COMMAND: …")
    assert row["at"] == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize(
    ("user", "method", "target", "body", "status", "code"),
    [
        ("rita", "POST", "/v1/downtimes", DOWNTIME, 403, "forbidden"),
        ("anna", "POST", "/v1/downtimes", DOWNTIME | {"host": "nope"}, 404, "unknown_host"),
        ("wim", "POST", "/v1/downtimes", DOWNTIME | {"host": "db01"}, 404, "unknown_host"),
        ("anna", "POST", "/v1/downtimes", DOWNTIME | {"host": "shared"}, 409, "ambiguous"),
        ("anna", "POST", "/v1/downtimes", DOWNTIME | {"end": "2000-01-01T00:00:00Z"}, 422, "invalid_field"),
        ("anna", "POST", "/v1/comments", DOWNTIME, 422, "invalid_field"),
        ("anna", "DELETE", "/v1/downtimes/77", None, 404, "unknown_object"),
        ("anna", "POST", "/v1/commands", {"command": "SHUTDOWN_PROCESS", "arguments": {}}, 403, "forbidden"),
    ],
)
def test_what_was_refused_stands_there_too(
    front: Front, user: str, method: str, target: str, body: dict[str, Any] | None, status: int, code: str
) -> None:
    sent = b"" if body is None else orjson.dumps(body)
    front.by(user).ask(method, target, sent).problem(status, code)
    (row,) = rows(front)
    assert (row["user"], row["outcome"], row["status"], row["code"]) == (user, "refused", status, code)
    assert (row["method"], row["path"], row["body"], row["commands"]) == (method, target, sent.decode(), [])
    assert row["detail"] and row["host"] == ((body or {}).get("host") or "")


def test_reading_leaves_no_rows_but_trying_to_read_the_audit_does(front: Front) -> None:
    front.by("rita").get("/v1/hosts")
    front.by("rita").get("/v1/hosts/nope")
    front.by("olga").get("/v1/audit").problem(403, "forbidden")
    assert [(row["user"], row["verb"], row["status"]) for row in rows(front)] == [("olga", "audit", 403)]
    assert len(rows(front)) == 1, "an admin's look is not a change"


def test_a_dry_run_stands_there_as_what_it_was(front: Front) -> None:
    """Who planned what would be known to nobody; told as accepted, it would look like something that was done."""
    body = {"hostgroup": "web", "duration": 3600, "comment": "new disk", "on": "hosts", "dry_run": True}
    plan = front.by("olga").post("/v1/downtimes", body).json["plan"]
    gone = front.by("olga").delete("/v1/downtimes?hostgroup=web&dry_run=true")
    assert gone.status == 200, gone.body
    deleting, planning = rows(front)
    assert (planning["user"], planning["verb"], planning["body"]) == ("olga", "downtime", orjson.dumps(body).decode())
    assert (planning["outcome"], planning["status"], planning["code"]) == ("planned", 200, "planned")
    assert plan in planning["detail"] and planning["commands"] == []
    assert (deleting["method"], deleting["outcome"]) == ("DELETE", "planned")
    assert rows(front, "?status=accepted") == [] and len(rows(front, "?status=200")) == 2


def test_a_repeat_with_its_key_is_the_same_request(front: Front) -> None:
    front.post("/v1/downtimes", DOWNTIME, idempotency_key="k")
    front.post("/v1/downtimes", DOWNTIME, idempotency_key="k")
    front.post("/v1/downtimes", DOWNTIME | {"comment": "x"}, idempotency_key="k")
    assert [(row["outcome"], row["code"]) for row in rows(front)] == [("refused", "key_reused"), ("accepted", "")]


def test_joined_and_withdrawn_commands_lead_to_each_request_that_touched_them(front: Front) -> None:
    first = front.post("/v1/downtimes", DOWNTIME).json
    front.post("/v1/downtimes", DOWNTIME, idempotency_key="another")
    front.by("olga").delete(f"/v1/downtimes/{first['id']}")
    command = first["commands"][0]["command_id"]
    found = rows(front, f"?command={command}")
    assert [(row["user"], row["method"], row["commands"][0]["id"]) for row in found] == [
        ("olga", "DELETE", command), ("anna", "POST", command), ("anna", "POST", command),
    ]  # fmt: skip
    comment = front.post("/v1/comments", {"host": "web01", "comment": "c"}).json["commands"][0]["command_id"]
    front.by("olga").delete(f"/v1/commands/{comment}")
    assert [row["user"] for row in rows(front, f"?command={comment}")] == ["olga", "anna"]


def test_filters(front: Front) -> None:
    one = front.by("olga").post("/v1/downtimes", DOWNTIME).json
    front.clock.at += 60
    front.post("/v1/comments", {"host": "db01", "service": "SQL", "comment": "c"})
    front.clock.at += 60
    front.post("/v1/downtimes", DOWNTIME | {"host": "nope"})
    operation = rows(front, "?user=olga")[0]["operation"]

    def paths(query: str) -> list[str]:
        return [f"{row['user']} {row['path']}" for row in rows(front, query)]

    assert paths("?user=olga") == paths("?token=olga-token") == paths(f"?operation={operation}") == ["olga /v1/downtimes"]
    assert paths(f"?command={one['commands'][0]['command_id']}") == paths("?host=web01") == ["olga /v1/downtimes"]
    assert paths("?host=db01") == paths("?host=db01&service=SQL") == paths("?service=SQL") == ["anna /v1/comments"]
    assert paths("?host=nope") == paths("?status=refused") == paths("?status=404") == ["anna /v1/downtimes"]
    assert paths("?status=accepted") == ["anna /v1/comments", "olga /v1/downtimes"]
    assert paths(f"?since={NOW + 30}&until={NOW + 90}") == ["anna /v1/comments"]
    assert paths("?since=-90s") == ["anna /v1/downtimes", "anna /v1/comments"]
    assert paths("?status=confirmed") == paths("?host=nobody") == []
    assert front.get("/v1/audit?status=gone").problem(422, "invalid_field")["field"] == "status"


def test_pages_lead_to_all_of_it_once(front: Front) -> None:
    for number in range(7):
        front.post("/v1/comments", {"host": "web01", "comment": str(number)})
    seen, page = [], front.get("/v1/audit?limit=3").json
    while True:
        seen += [row["id"] for row in page["items"]]
        if page["next"] is None:
            break
        page = front.get(page["next"]).json
    assert len(seen) == 7 and seen == sorted(seen, reverse=True) and len(set(seen)) == 7


def test_the_export_has_every_row_and_every_command(front: Front) -> None:
    results = [{"host": "web01", "service": "HTTP", "return_code": 0, "plugin_output": str(n)} for n in range(3)]
    for number in range(250):
        front.post("/v1/comments", {"host": "web01", "comment": str(number)})
    front.post("/v1/results", {"results": results})
    reply = front.get("/v1/audit", accept=NDJSON)
    lines = [orjson.loads(line) for line in reply.body.splitlines()]
    assert reply.headers["content-type"] == NDJSON and len(lines) == 251
    assert lines[0]["path"] == "/v1/results" and lines[1] == rows(front, f"?before={lines[0]['id']}&limit=1")[0]
    assert len(front.get("/v1/audit?limit=2&user=anna", accept=NDJSON).body.splitlines()) == 251, "limit is of a page"
    assert front.ask("HEAD", "/v1/audit", accept=NDJSON).body == b""
    refused = front.get("/v1/audit?status=gone", accept=NDJSON).problem(422, "invalid_field")
    assert refused["field"] == "status", "refused before the export begins, not in the middle of it"


def test_who_is_limited_sees_what_touched_these_limits(front: Front) -> None:
    with closing(journal(front)) as opened, opened.transaction() as connection:
        connection.execute("UPDATE user SET role = 'admin' WHERE name = 'wim'")
    front.post("/v1/downtimes", DOWNTIME)
    front.post("/v1/downtimes", DOWNTIME | {"host": "db01"})
    front.post("/v1/downtimes", DOWNTIME | {"host": "nope"})
    both = [{"host": "web01", "comment": "x"}, {"host": "db01", "comment": "x"}]
    for body in both:
        front.post("/v1/comments", body)
    front.by("wim").post("/v1/comments", {"host": "db01", "comment": "not mine"})
    found = front.by("wim").get("/v1/audit").json["items"]
    assert [(row["user"], row["path"], row["status"], len(row["commands"])) for row in found] == [
        ("wim", "/v1/comments", 404, 0), ("anna", "/v1/comments", None, 1), ("anna", "/v1/downtimes", None, 1),
    ]  # fmt: skip
    assert {command["host"] for row in found for command in row["commands"]} == {"web01"}


def test_of_a_request_beyond_the_limits_only_a_part_is_shown(front: Front) -> None:
    with closing(journal(front)) as opened, opened.transaction() as connection:
        connection.execute("UPDATE user SET role = 'admin' WHERE name = 'wim'")
    one = front.post("/v1/downtimes", DOWNTIME).json
    two = front.post("/v1/downtimes", DOWNTIME | {"host": "db01"}).json
    with closing(journal(front)) as opened, opened.transaction() as connection:
        ids = [reply["commands"][0]["command_id"] for reply in (one, two)]
        connection.execute("UPDATE command SET operation = (SELECT operation FROM command WHERE id = ?) WHERE id = ?", ids)
    (found,) = front.by("wim").get("/v1/audit").json["items"]
    assert (found["partial"], found["body"], found["path"], found["commands_total"]) == (True, "", "", 1)
    assert b"db01" not in front.by("wim").get("/v1/audit").body
    whole = rows(front)[1]
    assert (whole["partial"], whole["commands_total"]) == (False, 2)


def test_long_bodies_are_cut_with_their_size_and_hash(front: Front) -> None:
    body = orjson.dumps(DOWNTIME | {"comment": "x" * 20_000})
    front.post("/v1/downtimes", body)
    (row,) = rows(front)
    assert len(row["body"]) == 16384 and row["body_bytes"] == len(body)
    assert row["body_sha256"] == hashlib.sha256(body).hexdigest()
    one = {"host": "web01", "service": "HTTP", "return_code": 0, "plugin_output": "x" * 400}
    many = orjson.dumps({"results": [one, one]})
    front.post("/v1/results", many)
    row = rows(front)[0]
    assert (row["body"], row["body_bytes"], row["body_sha256"]) == ("", len(many), hashlib.sha256(many).hexdigest())


def test_nobody_changes_it_and_nobody_deletes_it_before_its_time(front: Front) -> None:
    front.post("/v1/downtimes", DOWNTIME)
    with closing(sqlite3.connect(front.desk.config.data / "journal.db", isolation_level=None)) as connection:
        for statement in ("UPDATE audit SET user = 'nobody'", "DELETE FROM audit", "UPDATE audit SET at = 0"):
            with pytest.raises(sqlite3.IntegrityError, match="audit"):
                connection.execute(statement)
    assert rows(front)[0]["user"] == "anna"


def test_what_is_stored_with_a_command_is_stored_or_lost_with_it(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(importlib.import_module("engine.desk.together"), "insert_audit", breaks)
        front.post("/v1/downtimes", DOWNTIME).problem(503, "journal_error")
    assert rows(front) == [] and front.get("/v1/commands").json["total"] == 0


def test_requests_without_a_valid_token_are_counted_by_address(front: Front) -> None:
    for _ in range(3):
        front.get("/v1/hosts", authorization="Bearer wrong").problem(401, "not_authenticated")
    front.get("/v1/hosts", authorization="").problem(401, "not_authenticated")
    assert rows(front) == []
    front.clock.at += 61
    front.get("/v1/hosts", authorization="Bearer wrong").problem(401, "not_authenticated")
    (row,) = rows(front)
    assert (row["kind"], row["address"], row["count"], row["status"]) == ("unauthenticated", "192.0.2.7", 5, 401)
    assert "wrong" not in str(row)
