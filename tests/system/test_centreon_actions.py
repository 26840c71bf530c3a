"""What Centreon's clients do to several objects at once, and what the cores' own files say of it: each object has its own fate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support import cores, oracle
from tests.support.box import Box, command_ids
from tests.support.cores import Core, until
from tests.system.centreon_scene import bring, iso, moment, window
from tests.system.conftest import Site

pytestmark = pytest.mark.core

GENERATIONS = ("beta", "v21.10", "latest")
SERVICES = ("HTTP", "Disk /var")
UNKNOWN = 999_999_999_999
FLAGS = {"is_notify_contacts": False, "is_persistent_comment": True, "is_sticky": True}


@dataclass
class Acting:
    """A host in trouble with two services in trouble, another one that is well, and a client."""

    box: Box
    core: Core
    client: httpx.Client
    host: str
    well: str
    ids: dict[str, int]  # of `host`, of its services by description, of `well`

    def call(self, method: str, path: str, version: str = "latest", **more: Any) -> httpx.Response:
        return self.client.request(method, f"/centreon/api/{version}{path}", **more)

    def host_resource(self) -> dict[str, Any]:
        return {"type": "host", "id": self.ids[self.host], "parent": {"id": None}}

    def service_resource(self, service: str) -> dict[str, Any]:
        return {"type": "service", "id": self.ids[service], "parent": {"id": self.ids[self.host]}}

    def acknowledged(self) -> list[str]:
        """Of the host and its services, as the status file says."""
        return [self.block(service)["problem_has_been_acknowledged"] for service in ("", *SERVICES)]

    def block(self, service: str = "") -> dict[str, str]:
        return oracle.status_of(self.core.status_file, self.host, service)

    def shown(self, path: str, **query: str) -> list[dict[str, Any]]:
        answer = self.call("GET", path, params={"limit": "1000", **query})
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["result"]
        return rows

    def settled(self, answer: httpx.Response, status: int = 204) -> list[str]:
        """The commands of an answer that says they were carried out, once the core wrote its status file after that."""
        assert answer.status_code == status, answer.text
        cores.wait_for_generation(self.core)
        return command_ids(answer)


@pytest.fixture(scope="module", params=[("north", "n"), ("east", "e")], ids=["nagios", "icinga2"])
def acting(request: pytest.FixtureRequest, site: Site) -> Iterator[Acting]:
    name, prefix = request.param
    client = site.box.centreon()
    client.base_url = httpx.URL(site.box.url)
    host, well = f"{prefix}-web3", f"{prefix}-web4"
    made = Acting(site.box, site.core(name), client, host, well, {one: site.box.host_id(one) for one in (host, well)})
    made.ids |= {row["description"]: row["id"] for row in made.shown(f"/monitoring/hosts/{made.ids[host]}/services")}
    bring(made.core, host, "", 1, "down")
    bring(made.core, well, "", 0, "up")
    for service in SERVICES:
        bring(made.core, host, service, 2, "bad")
        cores.wait_for_state(made.core, host, service, 2)
    cores.wait_for_state(made.core, host, "", 1)
    until(lambda: made.call("GET", f"/monitoring/hosts/{made.ids[host]}").json()["state"] == 1, 10, "the view shows it down")
    until(lambda: made.call("GET", f"/monitoring/hosts/{made.ids[well]}").json()["checked"], 10, "the view shows it up")
    yield made
    for service in SERVICES:
        bring(made.core, host, service, 0, "well")
    bring(made.core, host, "", 0, "well")


@pytest.mark.parametrize("version", GENERATIONS)
def test_resources_are_acknowledged_and_that_is_taken_back(acting: Acting, version: str) -> None:
    """As Nagstamon and Centreon's own pages ask: host and service in one call; then with services; author and flags are kept."""
    both = [acting.host_resource(), acting.service_resource("HTTP")]
    body = {"acknowledgement": {"comment": f"seen {version}", "with_services": False, **FLAGS}, "resources": both}
    acting.settled(acting.call("POST", "/monitoring/resources/acknowledge", version, json=body))
    assert acting.acknowledged() == ["1", "1", "0"]
    assert acting.block("HTTP")["acknowledgement_type"] == "2", "sticky"
    comments = oracle.comments(acting.core.status_file, f"seen {version}")
    assert sorted((one["service_description"], one["author"]) for one in comments) == [("", "admin"), ("HTTP", "admin")]

    until(lambda: len(_standing(acting)) == 2, 10, "the view knows both, so that only the rest is asked for")
    rest = body | {"resources": [acting.host_resource() | {"parent": {"id": acting.ids[acting.host]}}]}
    rest["acknowledgement"] = {"comment": "the rest", "is_notify_contacts": False, "with_services": True}
    acting.settled(acting.call("POST", "/monitoring/resources/acknowledge", version, json=rest))
    assert acting.acknowledged() == ["1", "1", "1"]

    until(lambda: len(_standing(acting)) == 3, 10, "all three are shown as acknowledged")
    back: dict[str, Any] = {"disacknowledgement": {"with_services": True}, "resources": [acting.host_resource()]}
    how = {"beta": ("POST", "disacknowledge")}.get(version, ("DELETE", "acknowledgements"))
    acting.settled(acting.call(how[0], f"/monitoring/resources/{how[1]}", version, json=back))
    assert acting.acknowledged() == ["0", "0", "0"]
    until(lambda: not _standing(acting), 10, "none is shown as acknowledged")
    history = acting.shown("/monitoring/services/acknowledgements", search=f'{{"host.id":{acting.ids[acting.host]}}}')
    past = [row for row in history if row["comment"] == f"seen {version}"]
    assert len(past) == 1
    assert moment(past[0]["deletion_time"]) >= moment(past[0]["entry_time"]) > 0
    latest = [row["comment"] for row in acting.shown("/acknowledgments/services") if row["host_id"] == acting.ids[acting.host]]
    assert len(latest) == 2, "the latest of each service and no other"


def _standing(acting: Acting) -> list[dict[str, Any]]:
    path = f"/monitoring/hosts/{acting.ids[acting.host]}"
    services = acting.shown(path + "/services")
    return [row for row in services if row["is_acknowledged"]] + [
        row for row in [acting.call("GET", path).json()] if row["acknowledged"]
    ]


def test_a_downtime_with_services_is_cancelled_row_by_row_or_whole(acting: Acting) -> None:
    """Cancelling a host's leaves its services'; with_services takes them, even when the host's is gone; once more is no error."""
    comments = {version: f"work {version}" for version in GENERATIONS}
    for version, comment in comments.items():
        body = {"downtime": window(comment=comment, with_services=True), "resources": [acting.host_resource()]}
        answer = acting.call("POST", "/monitoring/resources/downtime", version, json=body)
        assert (answer.status_code, answer.content) == (204, b""), answer.text
    cores.wait_for_generation(acting.core)
    assert all(_in_downtime(acting, comment) == ["", *sorted(SERVICES)] for comment in comments.values())
    path = f"/monitoring/hosts/{acting.ids[acting.host]}/downtimes"
    rows = {row["comment"]: f"/monitoring/downtimes/{row['id']}" for row in acting.shown(path)}

    def cancel(**query: str) -> None:
        answers = [acting.call("DELETE", rows[comment], version, params=query) for version, comment in comments.items()]
        assert [answer.status_code for answer in answers] == [204] * 3, [answer.text for answer in answers]
        cores.wait_for_generation(acting.core)

    until(lambda: all(row["is_started"] for row in acting.shown(path) if row["comment"] in rows), 10, "they are shown in effect")
    cancel()
    assert all(_in_downtime(acting, comment) == sorted(SERVICES) for comment in comments.values())
    until(lambda: acting.call("GET", rows[comments["latest"]]).json()["is_cancelled"], 10, "it is listed as cancelled")
    cancel()
    assert all(_in_downtime(acting, comment) == sorted(SERVICES) for comment in comments.values()), "cancelled already"
    cancel(with_services="true")
    assert not any(_in_downtime(acting, comment) for comment in comments.values())

    def ended() -> list[dict[str, Any]]:
        listed = [row for row in acting.shown(path, with_services="true") if row["comment"] in comments.values()]
        return [row for row in listed if row["is_cancelled"]]

    until(lambda: len(ended()) == 9, 10, "all are listed as cancelled")
    for each in ended():
        assert each["author_name"] == "admin"
        assert moment(each["start_time"]) <= moment(each["actual_start_time"]) <= moment(each["actual_end_time"]), each
        assert moment(each["actual_end_time"]) == moment(each["deletion_time"]) <= time.time() + 1


def _in_downtime(acting: Acting, comment: str) -> list[str]:
    return sorted(block["service_description"] for block in oracle.downtimes(acting.core.status_file, comment))


def test_an_array_of_which_one_is_unknown(acting: Acting) -> None:
    """207 and the status of each in the order asked; a repeat with its key is told the same and sets nothing again."""
    items = [window(comment="array", resource_id=number) for number in (acting.ids[acting.host], UNKNOWN, acting.ids[acting.well])]
    asked = {"json": items, "headers": {"Idempotency-Key": f"array-{acting.core.kind}"}}
    first, again = (acting.call("POST", "/monitoring/hosts/downtimes", **asked) for _ in range(2))
    assert (first.status_code, again.status_code) == (207, 207), first.text
    assert again.headers["idempotent-replayed"] == "true"
    for answer in (first, again):
        assert [result["code"] for result in answer.json()["results"]] == [204, 404, 204]
        assert answer.json()["results"][1]["message"] == "Host not found"
        assert [error["type"] for error in answer.json()["errors"]] == ["unknown_host"]
    acting.settled(first, 207)
    assert sorted(block["host_name"] for block in oracle.downtimes(acting.core.status_file, "array")) == [acting.host, acting.well]
    for number in first.headers["signalbox-entry"].split(", "):
        acting.settled(acting.call("DELETE", f"/monitoring/downtimes/{number}"))


@pytest.mark.parametrize(
    ("path", "item"),
    [
        ("/monitoring/hosts/downtimes", window(resource_id=UNKNOWN)),
        ("/monitoring/services/downtimes", window(resource_id=UNKNOWN, parent_resource_id=UNKNOWN)),
        ("/monitoring/hosts/acknowledgements", {"resource_id": UNKNOWN, "comment": "c", **FLAGS}),
        ("/monitoring/services/acknowledgements", {"resource_id": UNKNOWN, "parent_resource_id": 1, "comment": "c", **FLAGS}),
        ("/monitoring/hosts/check", {"resource_id": UNKNOWN}),
        ("/monitoring/services/check", {"resource_id": UNKNOWN, "parent_resource_id": 1}),
    ],
)
def test_an_array_of_unknown_ones_is_404_and_an_empty_one_nothing(acting: Acting, path: str, item: dict[str, Any]) -> None:
    answer = acting.call("POST", path, json=[item, item])
    assert (answer.status_code, answer.json()["code"]) == (404, 404), answer.text
    assert [result["code"] for result in answer.json()["results"]] == [404, 404]
    assert acting.call("POST", path, json=[]).status_code == 204


def test_services_by_array(acting: Acting) -> None:
    named = {"resource_id": acting.ids["HTTP"], "parent_resource_id": acting.ids[acting.host]}
    acting.settled(acting.call("POST", "/monitoring/services/downtimes", json=[window(comment="one of many") | named]))
    (block,) = oracle.downtimes(acting.core.status_file, "one of many")
    assert (block["host_name"], block["service_description"]) == (acting.host, "HTTP")
    path = f"/monitoring/hosts/{acting.ids[acting.host]}/services/{acting.ids['HTTP']}/downtimes"
    (row,) = [row for row in acting.shown(path) if row["comment"] == "one of many"]
    acting.settled(acting.call("DELETE", f"/monitoring/downtimes/{row['id']}"))
    acknowledgement = {"comment": "by array", **FLAGS} | named
    acting.settled(acting.call("POST", "/monitoring/services/acknowledgements", json=[acknowledgement]))
    assert acting.acknowledged() == ["0", "1", "0"]
    acting.settled(acting.call("DELETE", path.replace("downtimes", "acknowledgements")))
    assert acting.acknowledged() == ["0", "0", "0"]


def test_what_has_no_problem_is_not_acknowledged(acting: Acting) -> None:
    """Alone it is the answer's own 409, among others one of 207; nothing of it reaches the core."""
    well = {"type": "host", "id": acting.ids[acting.well], "parent": None}
    body = {"acknowledgement": {"comment": "nothing wrong", **FLAGS}, "resources": [well]}
    alone = acting.call("POST", "/monitoring/resources/acknowledge", json=body)
    assert (alone.status_code, alone.json()["code"]) == (409, 409), alone.text
    assert "UP" in alone.json()["message"]
    body["resources"] = [well, acting.service_resource("HTTP"), {"type": "metaservice", "id": 1, "parent": None}]
    mixed = acting.call("POST", "/monitoring/resources/acknowledge", json=body)
    assert [result["code"] for result in mixed.json()["results"]] == [409, 204, 404]
    acting.settled(mixed, 207)
    assert [one["host_name"] for one in oracle.comments(acting.core.status_file, "nothing wrong")] == [acting.host]
    back = {"disacknowledgement": {}, "resources": [acting.service_resource("HTTP")]}
    acting.settled(acting.call("DELETE", "/monitoring/resources/acknowledgements", json=back))


@pytest.mark.parametrize("version", GENERATIONS)
@pytest.mark.parametrize("how", ["resources", "array", "object"])
def test_checks_are_made(acting: Acting, version: str, how: str) -> None:
    host, service = acting.ids[acting.host], acting.ids["HTTP"]
    path, body = {
        "resources": (
            "/monitoring/resources/check",
            {"resources": [acting.host_resource(), acting.service_resource("HTTP")]}
            | ({"check": {"is_forced": True}} if version == "latest" else {}),
        ),
        "array": ("/monitoring/services/check", [{"resource_id": service, "parent_resource_id": host}]),
        "object": (f"/monitoring/hosts/{host}/services/{service}/check", {"is_forced": True}),
    }[how]
    answer = acting.call("POST", path, version, params={"wait": "20"}, json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()["commands"]
    assert {command["command"] for command in told} <= {"SCHEDULE_FORCED_HOST_CHECK", "SCHEDULE_FORCED_SVC_CHECK"}
    assert {command["state"] for command in told} == {"confirmed"}, told
    assert len(told) == (2 if how == "resources" else 1)


def test_results_are_submitted(acting: Acting) -> None:
    resource = acting.service_resource("Disk /var") | {"status": 1, "output": "from outside", "performance_data": "a=1;2;3"}
    acting.settled(acting.call("POST", "/monitoring/resources/submit", json={"resources": [resource]}))
    until(lambda: acting.block("Disk /var")["plugin_output"] == "from outside", 10, "the core shows the result")
    assert (acting.block("Disk /var")["current_state"], acting.block("Disk /var")["performance_data"]) == ("1", "a=1;2;3")
    path = f"/monitoring/hosts/{acting.ids[acting.host]}/services/{acting.ids['Disk /var']}/submit"
    acting.settled(acting.call("POST", path, json={"status": 2, "output": "bad again"}))
    until(lambda: acting.block("Disk /var")["plugin_output"] == "bad again", 10, "the core shows the second result")
    refused = acting.call("POST", path, json={"status": 2})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "output"), refused.text
    assert acting.call("POST", path, json={"status": 4, "output": "x"}).status_code == 400
    host = f"/monitoring/hosts/{acting.ids[acting.host]}/submit"
    acting.settled(acting.call("POST", host, json={"status": 1, "output": "still down"}))
    until(lambda: acting.block()["plugin_output"] == "still down", 10, "the core shows the host's result")


def test_comments_are_made(acting: Acting) -> None:
    resources = [
        acting.host_resource() | {"comment": "of all", "date": None},
        acting.service_resource("HTTP") | {"comment": "of one", "date": iso(time.time())},
    ]
    answer = acting.call("POST", "/monitoring/resources/comments", json={"resources": resources})
    acting.settled(answer)
    for text, service in (("of all", ""), ("of one", "HTTP")):
        (block,) = oracle.comments(acting.core.status_file, text)
        assert (block["host_name"], block["service_description"], block["author"]) == (acting.host, service, "admin")
    path = f"/monitoring/hosts/{acting.ids[acting.host]}/comments"
    made = [*answer.headers["signalbox-entry"].split(", ")]
    made.append(acting.call("POST", path, json={"comment": "of the path"}).headers["signalbox-entry"])
    old = acting.call("POST", path, json={"comment": "of old", "date": "2020-01-01T00:00:00Z"})
    assert (old.status_code, old.json()["errors"][0]["field"]) == (400, "date"), old.text
    for number in made:
        assert acting.box.api.delete(f"/v1/comments/{number}").status_code < 300
    assert oracle.comments(acting.core.status_file, "of old") == []


def test_who_waits_gets_the_proof(acting: Acting) -> None:
    path = f"/monitoring/hosts/{acting.ids[acting.host]}/downtimes"
    answer = acting.call("POST", path, json=window(comment="proven"), headers={"Prefer": "wait=15"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=15"), answer.text
    (told,) = answer.json()["commands"]
    assert (told["command"], told["state"], told["final"]) == ("SCHEDULE_HOST_DOWNTIME", "confirmed", True)
    assert told["evidence"]
    (block,) = oracle.downtimes(acting.core.status_file, "proven")
    assert block["host_name"] == acting.host
    bad = acting.call("POST", path, params={"wait": "soon"}, json=window(comment="never"))
    assert bad.status_code == 400
    acting.settled(acting.call("DELETE", f"/monitoring/downtimes/{told['entry_id']}"))
    assert oracle.downtimes(acting.core.status_file, "never") == []


def test_a_missing_right_is_named(acting: Acting) -> None:
    """403 with the role it takes; never 401, which clients answer with another login; and the page is told beforehand."""
    name = f"rita-{acting.core.kind}"
    acting.box.add_user(name, "reader")
    reader = acting.box.centreon(name)
    allowed = reader.get("/users/acl/actions").json()
    assert not any(any(actions.values()) for actions in allowed.values())
    assert all(acting.call("GET", "/users/acl/actions").json()["host"].values())
    body = {"acknowledgement": {"comment": "no", **FLAGS}, "resources": [acting.host_resource()]}
    for path, sent in (
        ("/monitoring/resources/acknowledge", body),
        ("/monitoring/resources/downtime", {"downtime": window(), "resources": []}),
        ("/monitoring/resources/check", {"resources": []}),
        ("/monitoring/resources/submit", {"resources": []}),
        ("/monitoring/resources/comments", {"resources": []}),
        ("/monitoring/hosts/check", []),
    ):
        answer = reader.post(path, json=sent)
        assert (answer.status_code, answer.json()["code"]) == (403, 403), (path, answer.text)
        assert answer.json()["errors"][0]["right"] == "operator"
    me = reader.get("/configuration/users/current/parameters").json()
    assert (me["name"], me["alias"], me["is_admin"], me["timezone"]) == (name, name, False, "UTC")
