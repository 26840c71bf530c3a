"""A browser's login: the cookie, what may be done by it and from where, its end; and the zone and rights of who is logged in."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import InvalidField
from engine.journal import accounts
from engine.journal.store import Journal
from tests.api.centreon.canned import PASSWORD, Front, entry

LOGIN = "/authentication/providers/configurations/local"
HERE, ELSEWHERE = "http://box", "http://evil"
ADD = "/monitoring/hosts/12/acknowledgements"
ACK = {"comment": "c", "is_notify_contacts": False, "is_persistent_comment": True, "is_sticky": True}


def browse(front: Front, user: str = "anna") -> Any:
    """Log in as a page of this site does."""
    answer = front.send("POST", LOGIN, json={"login": user, "password": PASSWORD}, headers_too={"Origin": HERE})
    assert answer.status_code == 200, answer.text
    return answer


def cookies_of(answer: Any) -> str:
    (cookie,) = answer.headers.get_list("set-cookie")
    return str(cookie)


@pytest.mark.parametrize("form", [False, True])
def test_a_browser_gets_a_cookie_no_script_reads_and_no_other_site_sends(front: Front, form: bool) -> None:
    fields = {"login": "anna", "password": PASSWORD}
    answer = front.send(
        "POST", LOGIN, headers_too={"Sec-Fetch-Site": "same-origin"}, **({"data": fields} if form else {"json": fields})
    )
    assert answer.status_code == 200, answer.text
    words = [word.strip().lower() for word in cookies_of(answer).split(";")]
    assert words[0].startswith("phpsessid=")
    assert {"httponly", "samesite=lax", "path=/centreon"} <= set(words)
    assert "token" not in answer.text
    assert answer.json()["contact"]["name"] == "anna"
    assert front.get("/monitoring/hosts").status_code == 200


def test_over_tls_the_cookie_is_for_tls_only(front: Front) -> None:
    fields = {"login": "anna", "password": PASSWORD}
    answer = front.loop.run(front.http.post(f"https://box/centreon/api/latest{LOGIN}", json=fields))
    assert "secure" in cookies_of(answer).lower()


@pytest.mark.parametrize(
    "content",
    [
        b"login=anna",
        b"login=anna&password=x&password=y",
        b"login=anna&password=x&realm=z",
        b"\xff=\xff",
        b"login=anna&password=wrong",
    ],
)
def test_a_form_that_is_no_login(front: Front, content: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = front.send("POST", LOGIN, content=content, headers_too=headers)
    assert answer.status_code in (400, 401)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers", [{"Origin": ELSEWHERE}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}]
)
def test_another_site_logs_nobody_in(front: Front, headers: dict[str, str]) -> None:
    """Else a stranger's page could have somebody work, unknowing, under the stranger's name."""
    answer = front.send("POST", LOGIN, json={"login": "anna", "password": PASSWORD}, headers_too=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 204),
        ({"Origin": HERE}, 204),
        ({"Origin": "https://box"}, 204),  # behind a proxy that ends TLS
        ({"Sec-Fetch-Site": "same-origin", "Origin": HERE}, 204),
        ({}, 403),
        ({"Origin": ELSEWHERE}, 403),
        ({"Origin": "http://box.evil"}, 403),
        ({"Origin": "http://box:8080"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Referer": HERE}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": HERE}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
    ],
)
def test_by_cookie_only_this_sites_pages_change_something(front: Front, headers: dict[str, str], status: int) -> None:
    browse(front)
    answer = front.send("POST", ADD, json=ACK, headers_too=headers)
    assert answer.status_code == status, answer.text
    assert (len(front.desk.calls) == 1) == (status == 204)
    if status == 403:
        assert "Sec-Fetch-Site" in answer.json()["message"]
        assert answer.json()["errors"][0]["right"] == "same-origin"


def test_by_token_no_origin_is_asked_for(front: Front) -> None:
    browse(front)
    anna = front.login("anna")
    assert anna.send("POST", ADD, json=ACK, headers_too={"Origin": ELSEWHERE}).status_code == 204


def test_a_token_in_the_header_comes_before_the_cookie(front: Front) -> None:
    browse(front, "anna")
    assert front.login("rita").get("/configuration/users/current/parameters").json()["name"] == "rita"
    front.token = "sbx_made_up"
    assert front.get("/monitoring/hosts").status_code == 401


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/logout"), ("GET", "/authentication/logout"), ("POST", "/authentication/logout")]
)
def test_logging_out_ends_the_cookie(front: Front, method: str, path: str) -> None:
    browse(front)
    secret = front.http.cookies["PHPSESSID"]
    assert front.send(method, path).status_code == 403, "another site's picture must not log anybody out"
    answer = front.send(method, path, headers_too={"Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, answer.json()) == (200, {"message": "Successful logout"})
    assert "max-age=0" in cookies_of(answer).lower()
    front.http.cookies.set("PHPSESSID", secret)
    assert front.get("/monitoring/hosts").status_code == 401


@pytest.mark.parametrize(("version", "status"), [("beta", 403), ("v21.10", 403), ("latest", 401)])
def test_a_cookie_ends_one_hour_after_its_last_use(front: Front, version: str, status: int) -> None:
    browse(front)
    front.clock.at += 3500
    assert front.get("/monitoring/hosts").status_code == 200
    front.clock.at += 3500
    assert front.get("/monitoring/hosts").status_code == 200
    front.clock.at += 3601
    assert front.under(version).get("/monitoring/hosts").status_code == status


def test_times_are_in_the_callers_zone(front: Front) -> None:
    front.desk.stored = [entry(1, start_time=1_800_000_000.0, end_time=1_785_000_000.0)]
    utc = front.login("rita").get("/monitoring/downtimes/1").json()
    assert (utc["start_time"], utc["end_time"]) == ("2027-01-15T08:00:00Z", "2026-07-25T17:20:00Z")
    journal = Journal.open(front.desk.data)
    with journal.transaction() as connection:
        accounts.set_person(connection, "anna", zone="Europe/Paris", email="anna@example.org")
        for bad in ({"zone": "Europe/Nowhere"}, {"zone": "../etc/passwd"}, {"email": "no address"}, {"email": "a@b\nc"}):
            with pytest.raises(InvalidField):
                accounts.set_person(connection, "anna", **bad)
    journal.close()
    anna = front.login("anna")
    local = anna.get("/monitoring/downtimes/1").json()
    assert (local["start_time"], local["end_time"]) == ("2027-01-15T09:00:00+01:00", "2026-07-25T19:20:00+02:00")
    me = anna.get("/configuration/users/current/parameters").json()
    assert (me["id"], me["timezone"], me["email"], me["is_admin"]) == (1, "Europe/Paris", "anna@example.org", True)
    assert front.login("rita").get("/monitoring/downtimes/1").json() == utc
