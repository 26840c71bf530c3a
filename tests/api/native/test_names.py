"""Names in paths and queries: exactly that object, whatever characters it is made of."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.api.support_desk import AWKWARD, Front

# How clients encode the same name: everything, only what must be, or nothing at all where nothing must.
ENCODINGS = {
    "all": lambda name: "".join(f"%{byte:02X}" for byte in name.encode()),
    "lower": lambda name: "".join(f"%{byte:02x}" for byte in name.encode()),
    "usual": lambda name: quote(name, safe=""),
    "least": lambda name: quote(name, safe="+&=:@!$'()*,;"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", AWKWARD)
def test_a_path_finds_exactly_that_object(front: Front, name: str, encoding: str) -> None:
    encoded = ENCODINGS[encoding](name)
    host = front.get(f"/v1/hosts/{encoded}")
    assert (host.status, host.json["name"]) == (200, name)
    service = front.get(f"/v1/hosts/web01/services/{encoded}")
    assert (service.status, service.json["host"], service.json["description"]) == (200, "web01", name)
    own = front.get(f"/v1/hosts/{encoded}/services/{encoded}")
    assert (own.status, own.json["host"], own.json["description"]) == (200, name, name)
    listed = front.get(f"/v1/hosts/{encoded}/services")
    assert [(item["host"], item["description"]) for item in listed.json["items"]] == [(name, name)]


@pytest.mark.parametrize("name", AWKWARD)
def test_a_query_finds_exactly_that_object(front: Front, name: str) -> None:
    encoded = quote(name, safe="")
    assert front.get(f"/v1/host?host={encoded}").json["name"] == name
    service = front.get(f"/v1/service?host=web01&service={encoded}").json
    assert (service["host"], service["description"]) == ("web01", name)
    assert [item["name"] for item in front.get(f"/v1/hosts?host={encoded}").json["items"]] == [name]
    (item,) = front.get(f"/v1/services?host=web01&service={encoded}").json["items"]
    assert item["description"] == name


@pytest.mark.parametrize("name", AWKWARD)
def test_a_body_commands_exactly_that_object(front: Front, name: str) -> None:
    made = front.post("/v1/downtimes", {"host": name, "services": [name], "duration": 60, "comment": "this one"})
    assert made.status == 202, made.body
    (command,) = made.json["commands"]
    assert (command["host"], command["service"]) == (name, name)
    listed = front.get(f"/v1/downtimes?host={quote(name, safe='')}&service={quote(name, safe='')}").json
    assert [(item["id"], item["host"], item["service"]) for item in listed["items"]] == [(made.json["id"], name, name)]


def test_dots_stay_as_they_come(front: Front) -> None:
    for dots in ("..", "%2E%2E", "%2e.", ".%2E"):
        assert front.get(f"/v1/hosts/{dots}").json["name"] == ".."
        assert front.get(f"/v1/hosts/{dots}/services/{dots}").json["description"] == ".."
    assert front.get("/v1/hosts/.").json["name"] == "."


def test_a_plus_is_a_plus_in_a_path_and_a_blank_in_a_query(front: Front) -> None:
    assert front.get("/v1/hosts/a+b").json["name"] == "a+b"
    assert front.get("/v1/host?host=a+b").json["name"] == "a b"
    assert front.get("/v1/host?host=a%2Bb").json["name"] == "a+b"


def test_decoded_once(front: Front) -> None:
    assert front.get("/v1/hosts/%252F").json["name"] == "%2F"
    assert front.get("/v1/hosts/%2F").json["name"] == "/"
    assert front.get("/v1/hosts/%2541").json["name"] == "%41"


@pytest.mark.parametrize("raw", ["%FF", "%C3", "%ED%A0%80", "a%80b"])
def test_what_is_not_utf_8_is_said_to_be(front: Front, raw: str) -> None:
    front.get(f"/v1/hosts/{raw}").problem(400, "malformed_request")
    front.get(f"/v1/hosts/web01/services/{raw}").problem(400, "malformed_request")
    front.get(f"/v1/host?host={raw}").problem(400, "malformed_request")
    front.get(f"/v1/host?{raw}=web01").problem(400, "malformed_request")


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/v1/hosts/", "/v1//hosts", "/v1/hosts//services", "/v1/hosts/web01/", "/v1/hosts/Disk%20/var", "/v2/hosts"],
)
def test_nothing_is_collapsed_or_redirected(front: Front, path: str) -> None:
    front.get(path).problem(404, "no_such_path")


def test_unknown_names_come_with_near_ones_within_scope_only(front: Front) -> None:
    host = front.get("/v1/hosts/web02").problem(404, "unknown_host")
    assert (host["host"], host["near"]) == ("web02", ["web01"])
    service = front.get("/v1/hosts/web01/services/HTTPS").problem(404, "unknown_service")
    assert (service["service"], service["near"][0]) == ("HTTPS", "HTTP")
    front.get("/v1/hosts/web02/services/HTTP").problem(404, "unknown_host")
    front.get("/v1/service?host=web01&service=nope").problem(404, "unknown_service")
    front.get("/v1/services?host=web01&service=nope").problem(404, "unknown_service")
    front.get("/v1/services?host=nope").problem(404, "unknown_host")
    front.get("/v1/hosts?host=nope").problem(404, "unknown_host")
    front.get("/v1/hosts/nope/services").problem(404, "unknown_host")
    assert front.by("wim").get("/v1/hosts/db02").problem(404, "unknown_host")["near"] == []
    assert "db01" in front.get("/v1/hosts/db02").problem(404, "unknown_host")["near"]


def test_out_of_scope_is_unknown(front: Front) -> None:
    wim = front.by("wim")
    assert wim.get("/v1/hosts/web01").status == 200
    wim.get("/v1/hosts/db01").problem(404, "unknown_host")
    wim.get("/v1/hosts/db01/services/SQL").problem(404, "unknown_host")
    body = {"host": "db01", "duration": 60, "comment": "not mine"}
    wim.post("/v1/downtimes", body).problem(404, "unknown_host")
    made = front.post("/v1/downtimes", body)
    for target in (f"/v1/downtimes/{made.json['id']}", made.headers["location"]):
        wim.get(target).problem(404, "unknown_object")
        wim.delete(target).problem(404, "unknown_object")
    assert wim.get("/v1/downtimes").json["total"] == 0 == wim.get("/v1/commands").json["total"]
    assert {item["host"] for item in wim.get("/v1/problems").json["items"]} == {"web01", "shared"}


def test_on_several_pollers_the_caller_says_which(front: Front) -> None:
    for target in ("/v1/hosts/shared", "/v1/hosts/shared/services/HTTP", "/v1/host?host=shared", "/v1/hosts/shared/services"):
        assert front.get(target).problem(409, "ambiguous")["pollers"] == ["north", "south"], target
    front.post("/v1/downtimes", {"host": "shared", "duration": 60, "comment": "which"}).problem(409, "ambiguous")
    for word, name in (("north", "north"), ("south", "south"), ("2", "south")):
        assert front.get(f"/v1/hosts/shared?poller={word}").json["poller"] == name
        assert front.get(f"/v1/hosts/shared/services/HTTP?poller={word}").json["poller"] == name
        made = front.post("/v1/downtimes", {"host": "shared", "poller": word, "duration": 60, "comment": word})
        assert [command["poller"] for command in made.json["commands"]] == [name]
    assert (
        front.post("/v1/comments", {"host": "shared", "poller": 2, "comment": "by number"}).json["commands"][0]["poller"] == "south"
    )
    assert [item["poller"] for item in front.get("/v1/hosts?host=shared").json["items"]] == ["north", "south"]


def test_a_poller_nobody_knows(front: Front) -> None:
    for target in ("/v1/hosts?poller=west", "/v1/hosts/web01?poller=3", "/v1/problems?poller=west", "/v1/downtimes?poller=west"):
        assert front.get(target).problem(404, "unknown_poller")["known"] == ["north", "south"]
    front.get("/v1/pollers/west").problem(404, "unknown_poller")
    front.post("/v1/checks", {"host": "web01", "poller": "west"}).problem(404, "unknown_poller")
    front.post("/v1/checks", {"host": "web01", "poller": 99}).problem(404, "unknown_poller")
