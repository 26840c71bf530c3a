"""Requests without the dialect's token: whom a trusted web server names, or by password, and from where they change what."""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import Settings
from tests.api.centreon.canned import PASSWORD, Front, open_front

PROXY, STRANGER = "127.0.0.1", "192.0.2.7"
ADD = "/monitoring/hosts/12/acknowledgements"
ACK = {"comment": "c", "is_notify_contacts": False, "is_persistent_comment": True, "is_sticky": True}
ME = "/configuration/users/current/parameters"
NAMED = {"X-Remote-User": "anna"}
SHAPE = {"code", "message", "errors"}


def basic(user: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def house(prepared: Path, folder: Path, lists: str, peer: str = PROXY) -> Iterator[Front]:
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    (folder / "cgi.cfg").write_text(lists)
    with open_front(folder, Settings(cgi_cfg=folder / "cgi.cfg", remote_user_from=(PROXY,)), peer) as front:
        yield front


@pytest.fixture
def behind(prepared: Path, tmp_path: Path) -> Iterator[Front]:
    """A front that a trusted web server asks. `seer` has no account here."""
    yield from house(prepared, tmp_path, "authorized_for_all_hosts=seer,anna\nauthorized_for_all_services=seer,anna\n")


@pytest.fixture
def elsewhere(prepared: Path, tmp_path: Path) -> Iterator[Front]:
    """A front that somebody else asks."""
    yield from house(prepared, tmp_path, "", STRANGER)


@pytest.mark.parametrize(("user", "id"), [("anna", 1), ("seer", None)])
def test_whom_the_web_server_names_is_let_in(behind: Front, user: str, id: int | None) -> None:
    answer = behind.send("GET", ME, headers_too={"X-Remote-User": user})
    assert (answer.status_code, answer.json()["name"], answer.json()["id"]) == (200, user, id)
    assert answer.headers["Api-Version"]
    listed = behind.send("GET", "/monitoring/hosts", headers_too={"X-Remote-User": user}).json()["result"]
    assert {row["name"] for row in listed} >= {"db01", "web01"}


def test_whom_the_web_server_names_has_the_contacts_rights(behind: Front) -> None:
    """Who stands in no list and is nobody's contact sees nothing."""
    answer = behind.send("GET", "/monitoring/hosts", headers_too={"X-Remote-User": "nobody"})
    assert (answer.status_code, answer.json()["result"]) == (200, [])
    refused = behind.send("POST", ADD, json=ACK, headers_too={"X-Remote-User": "nobody"})
    assert refused.status_code == 404, refused.text
    assert not behind.desk.calls


def test_nobody_else_may_say_who_asks(elsewhere: Front) -> None:
    answer = elsewhere.send("GET", ME, headers_too=NAMED)
    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (401, 401, "Authentication Required")
    assert answer.json()["errors"][0]["type"] == "not_authenticated"


@pytest.mark.parametrize("header", [["anna", "rita"], [""], []])
def test_who_is_named_twice_or_not_at_all_is_nobody(behind: Front, header: list[str]) -> None:
    headers = [("X-Remote-User", name) for name in header]
    answer = behind.loop.run(behind.http.get("/centreon/api/latest/monitoring/hosts", headers=headers))
    assert (answer.status_code, answer.json()["message"]) == (401, "Authentication Required")


def test_a_password_lets_in(front: Front) -> None:
    assert front.send("GET", ME, headers_too=basic("rita")).json()["name"] == "rita"
    for headers in (basic("rita", "wrong"), basic("nobody"), {"Authorization": "Basic !"}):
        answer = front.send("GET", ME, headers_too=headers)
        assert (answer.status_code, answer.json()["message"], set(answer.json())) == (401, "Invalid credentials", SHAPE)
        assert "www-authenticate" not in answer.headers, "a browser would ask its user for it"
    assert front.send("POST", ADD, json=ACK, headers_too=basic("rita")).status_code == 403, "she may only read"


def test_guesses_are_throttled(front: Front) -> None:
    tried = [front.send("GET", ME, headers_too=basic("anna", f"wrong {number}")).status_code for number in range(6)]
    assert tried == [401] * 5 + [429]


@pytest.mark.parametrize("by", ["name", "password"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 204),  # a program
        ({"Sec-Fetch-Site": "same-origin"}, 204),
        ({"Origin": "http://box", "User-Agent": "Mozilla/5.0"}, 204),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://evil"}, 403),
        ({"Origin": "null"}, 403),
        ({"Referer": "http://evil/page"}, 403),
        ({"User-Agent": "Mozilla/5.0"}, 403),
    ],
)
def test_no_other_site_makes_a_browser_change_something(behind: Front, by: str, headers: dict[str, str], status: int) -> None:
    """The web server's login and the browser's password go with whatever a page of any site makes it send."""
    who = NAMED if by == "name" else basic("anna")
    answer = behind.send("POST", ADD, json=ACK, headers_too=who | headers)
    assert answer.status_code == status, answer.text
    assert (len(behind.desk.calls) == 1) == (status == 204)
    if status == 403:
        assert set(answer.json()) == SHAPE and answer.json()["errors"][0]["right"] == "origin"
    assert behind.send("GET", "/monitoring/hosts", headers_too=who | headers).status_code == 200


def test_the_dialects_own_token_comes_first(behind: Front) -> None:
    rita = behind.login("rita")
    assert rita.send("GET", ME, headers_too=NAMED).json()["name"] == "rita"
    rita.token = "sbx_made_up"
    assert rita.send("GET", ME, headers_too=NAMED).status_code == 401
    assert behind.send("GET", ME, headers_too=NAMED | {"Cookie": "PHPSESSID=made_up"}).status_code == 401


def test_there_is_no_login_to_end(behind: Front) -> None:
    answer = behind.send("GET", "/logout", headers_too=NAMED)
    assert (answer.status_code, set(answer.json())) == (409, SHAPE)
