"""Who gets in: login, logout, tokens, versions, and paths that are not there."""

from __future__ import annotations

from typing import Any

import pytest

from engine.config import Settings
from engine.errors import NotPossible
from engine.journal import accounts
from engine.journal.store import Journal
from tests.api.centreon.canned import PASSWORD, Front, said
from tests.api.support_desk import NOW

PRODUCT_VERSIONS = [f"v{year}.{month}" for year in range(20, 26) for month in ("04", "10")]
VERSIONS = ["latest", "beta", "v2", "v2.0", "v2.1", *PRODUCT_VERSIONS]


def credentials(login: object, password: object) -> dict[str, Any]:
    return {"security": {"credentials": {"login": login, "password": password}}}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_logs_in_and_serves(front: Front, version: str) -> None:
    answer = front.under(version).post("/login", credentials("anna", PASSWORD))
    assert answer.status_code == 200
    assert answer.json() == {
        "contact": {"id": 1, "name": "anna", "alias": "anna", "email": "", "is_admin": True},
        "security": {"token": answer.json()["security"]["token"]},
    }
    front.token = answer.json()["security"]["token"]
    assert front.under(version).get("/monitoring/hosts").status_code == 200
    assert answer.headers["api-version"] == "25.10"


@pytest.mark.parametrize(
    "version",
    ["v1", "v3", "v2.2", "2.0", "v19.10", "v26.04", "v22.4", "v22.05", "v99.10", "Latest", "v", "v٢٢.10", "v22.10x"],
)
def test_other_versions_are_no_route(anna: Front, version: str) -> None:
    for answer in (anna.under(version).get("/monitoring/hosts"), anna.under(version).post("/login", credentials("anna", PASSWORD))):
        assert answer.status_code == 404
        assert answer.json()["code"] == 404
        assert answer.json()["message"].startswith("No route found for")


def test_alias_is_what_the_core_is_told(front: Front) -> None:
    contact = front.post("/login", credentials("olga", PASSWORD)).json()["contact"]
    assert contact == {"id": 2, "name": "olga", "alias": "Olga Ops", "email": "", "is_admin": False}


@pytest.mark.parametrize(
    "body",
    [
        credentials("anna", "wrong"),
        credentials("nobody", PASSWORD),
        credentials("", ""),
        {},
        {"security": {}},
        {"security": {"credentials": {"login": "anna"}}},
    ],
)
def test_wrong_or_missing_credentials(front: Front, body: object) -> None:
    answer = front.post("/login", body)
    assert said(answer) == (401, {"code": 401, "message": "Invalid credentials"})


def test_failed_logins_are_slowed_down(front: Front) -> None:
    statuses = [front.post("/login", credentials("anna", "wrong")).status_code for _ in range(8)]
    assert 429 in statuses
    answer = front.post("/login", credentials("anna", PASSWORD))
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["code"] == 429


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b'{"security": {"credentials": {"login": 5, "password": "x"}}}', "security.credentials.login"),
        (b'{"security": null}', "security"),
        (b"[1]", "object"),
        (b"{", "decoding"),
        (b'{"security": {"credentials": {"login": "\\ud800"}}}', "decoding"),
    ],
)
def test_bad_login_bodies(front: Front, content: bytes, named: str) -> None:
    answer = front.send("POST", "/login", content=content)
    assert answer.status_code == 400
    assert named in answer.json()["message"]


def test_what_else_a_login_says_is_not_looked_at(front: Front) -> None:
    said_too = credentials("anna", PASSWORD) | {"locale": "fr_FR"}
    said_too["security"]["credentials"]["realm"] = "y"
    assert front.post("/login", said_too).status_code == 200


def test_other_prefixes_lead_to_the_same(front: Front) -> None:
    """Without `/centreon` in front, too; links stay below the prefix that was asked under."""
    answer = front.loop.run(front.http.post("/api/latest/login", json=credentials("anna", PASSWORD)))
    assert answer.status_code == 200, answer.text
    headers = {"X-AUTH-TOKEN": answer.json()["security"]["token"]}
    found = front.loop.run(front.http.get("/api/latest/monitoring/resources?limit=1", headers=headers)).json()["result"]
    assert found[0]["links"]["endpoints"]["details"].startswith("/api/latest/monitoring/resources/")
    gone = front.loop.run(front.http.get("/api/latest/monitoring/nothing", headers=headers))
    assert (gone.status_code, gone.json()["message"]) == (404, 'No route found for "GET /api/latest/monitoring/nothing"')
    described = front.loop.run(front.http.get("/api/openapi.json"))
    assert described.status_code == 200


def test_the_body_needs_no_content_type(front: Front) -> None:
    text = b'{"security": {"credentials": {"login": "anna", "password": "correct horse"}}}'
    assert front.send("POST", "/login", content=text).status_code == 200


def test_a_very_long_body_is_refused(front: Front) -> None:
    assert front.post("/login", credentials("anna", "x" * 70_000)).status_code == 413


PATHS = ["/monitoring/hosts", "/monitoring/downtimes/1", "/logout", "/acknowledgements/hosts"]


@pytest.mark.parametrize("path", PATHS)
def test_without_a_token(front: Front, path: str) -> None:
    answer = front.get(path)
    assert (answer.status_code, answer.json()["message"]) == (401, "Authentication Required")
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("version", "status"), [("beta", 403), ("v2.0", 403), ("v20.04", 403), ("v21.10", 403), ("v22.04", 401), ("latest", 401)]
)
@pytest.mark.parametrize("path", PATHS)
def test_with_a_token_nobody_gave_out(front: Front, path: str, version: str, status: int) -> None:
    front.token = "sbx_made_up"
    answer = front.under(version).get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, status)
    assert answer.json()["message"] == "No token could be found."
    (error,) = answer.json()["errors"]
    assert (error["type"], "Log in" in error["message"]) == ("not_authenticated", True)


def test_a_session_cookie_is_no_token(front: Front) -> None:
    front.http.cookies.set("PHPSESSID", "abc")
    assert front.get("/monitoring/hosts").status_code == 401


def test_a_token_ends_one_hour_after_its_last_use(front: Front) -> None:
    assert Settings().token_idle_s == 3600
    anna = front.login("anna")
    for _ in range(3):
        front.clock.at += 3500
        assert anna.get("/monitoring/hosts").status_code == 200
    front.clock.at += 3601
    for version, status in (("latest", 401), ("v21.10", 403), ("beta", 403)):
        answer = anna.under(version).get("/monitoring/hosts")
        assert (answer.status_code, answer.json()["message"]) == (status, "Credentials have expired.")


def test_logging_out_ends_this_token_only(front: Front) -> None:
    one, other = front.login("anna"), front.login("anna")
    answer = one.get("/logout")
    assert (answer.status_code, answer.json()) == (200, {"message": "Successful logout"})
    assert one.get("/monitoring/hosts").status_code == 401
    assert one.get("/logout").status_code == 401
    assert other.get("/monitoring/hosts").status_code == 200


def test_a_bearer_token_works_and_is_not_ended_by_logging_out(front: Front) -> None:
    journal = Journal.open(front.desk.data)
    with journal.transaction() as connection:
        accounts.add_token(connection, "backup-job", 1, "sbx_backup", NOW)
    journal.close()
    front.token = "sbx_backup"
    assert front.get("/monitoring/hosts").status_code == 200
    answer = front.get("/logout")
    assert answer.status_code == 409
    assert "signalbox token revoke backup-job" in answer.json()["message"]
    assert front.get("/monitoring/hosts").status_code == 200


def test_a_reader_reads_and_does_not_command(front: Front) -> None:
    rita = front.login("rita")
    assert rita.get("/monitoring/hosts/12").status_code == 200
    answers = [
        rita.delete("/monitoring/downtimes/1"),
        rita.post("/monitoring/hosts/12/downtimes", {}),
        rita.post("/acknowledgments/hosts", {}),
        rita.delete("/monitoring/hosts/12/acknowledgements"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert all(answer.json()["code"] == 403 and "operator" in answer.json()["message"] for answer in answers)
    assert front.desk.calls == []


NOWHERE = ["/", "", "/monitoring", "/monitoring/hosts/", "/monitoring/bees", "/monitoring/metaservices/1/downtimes"]


@pytest.mark.parametrize("path", NOWHERE)
def test_no_route(anna: Front, path: str) -> None:
    answer = anna.get(path)
    assert said(answer) == (404, {"code": 404, "message": f'No route found for "GET /centreon/api/latest{path}"'})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/monitoring/hosts", "GET"),
        ("POST", "/logout", "GET"),
        ("GET", "/login", "POST"),
        ("PATCH", "/monitoring/downtimes/1", "DELETE, GET"),
    ],
)
def test_a_method_that_is_not_served(anna: Front, method: str, path: str, allowed: str) -> None:
    answer = anna.send(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["code"] == 405
    assert answer.json()["message"].startswith("No route found for")


def test_head_is_get_without_a_body(anna: Front) -> None:
    assert anna.send("HEAD", "/monitoring/hosts").status_code == 200


def test_an_error_of_the_desk_keeps_its_words(anna: Front) -> None:
    anna.desk.refuses = NotPossible("It ended already.")
    answer = anna.delete("/monitoring/hosts/12/acknowledgements")
    assert said(answer) == (409, {"code": 409, "message": "It ended already."})
