"""What Centreon's clients do to several objects at once, and what the cores' own files say of it: each object has its own fate.

What does not depend on each other is asked for together and proven together: a core writes its status file once a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support import cores, oracle
from tests.support.box import Box, parallel
from tests.support.cores import PATIENCE_S, Core, until
from tests.system.centreon_scene import bring, iso, moment, window
from tests.system.conftest import Site

pytestmark = pytest.mark.core

GENERATIONS = ("beta", "v21.10", "latest")
Asked = tuple[str, str, str, dict[str, Any]]  # method, path, version, and what else a request has
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
    others: tuple[Acting, ...] = ()  # other hosts of the core in the same trouble

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

    def proven(self, answer: httpx.Response, shown: Callable[[], object], status: int = 204) -> None:
        """The answer says that it was carried out, and the core's status file shows it."""
        assert answer.status_code == status, answer.text
        until(shown, f"{self.core.folder.name} shows what was answered {status}")

    def together(self, asked: Sequence[Asked], status: int = 204) -> None:
        """Requests side by side, each of them carried out."""
        answers = parallel(lambda one: self.call(one[0], one[1], one[2], **one[3]), asked, 9)
        assert [answer.status_code for answer in answers] == [status] * len(asked), [answer.text for answer in answers]


@pytest.fixture(scope="module", params=[("north", "n"), ("east", "e")], ids=["nagios", "icinga2"])
def acting(request: pytest.FixtureRequest, site: Site) -> Iterator[Acting]:
    name, prefix = request.param
    client = site.box.centreon()
    client.base_url = httpx.URL(site.box.url)
    core, well = site.core(name), f"{prefix}-web4"
    others = tuple(_brought_down(Acting(site.box, core, client, f"{prefix}-web{number}", well, {})) for number in (1, 2))
    made = _brought_down(Acting(site.box, core, client, f"{prefix}-web3", well, {well: site.box.host_id(well)}, others))
    bring(core, well, "", 0, "up")
    for each in (made, *others):
        for service in SERVICES:
            cores.wait_for_state(core, each.host, service, 2)
        cores.wait_for_state(core, each.host, "", 1)
    until(lambda: all(_is_down(each) for each in (made, *others)), "the view shows them down and their services critical")

    def is_well() -> bool:
        host = made.call("GET", f"/monitoring/hosts/{made.ids[well]}").json()
        return bool(host["checked"]) and host["state"] == 0

    until(is_well, "the view shows it up")
    yield made
    for each in (made, *others):
        for service in SERVICES:
            bring(core, each.host, service, 0, "well")
        bring(core, each.host, "", 0, "well")


def _is_down(acting: Acting) -> bool:
    """As the view has it, by what was said of them here: other tests leave states behind."""
    path = f"/monitoring/hosts/{acting.ids[acting.host]}"
    host = acting.call("GET", path).json()
    services = {row["description"]: row for row in acting.shown(f"{path}/services")}
    found = [(host["state"], host["output"].strip())]
    found += [(services[one]["state"], services[one]["output"].strip()) for one in SERVICES]
    return found == [(1, "down"), (2, "bad"), (2, "bad")]


def _brought_down(acting: Acting) -> Acting:
    """The host and its services, on their way into trouble, and their ids."""
    acting.ids[acting.host] = acting.box.host_id(acting.host)
    services = acting.shown(f"/monitoring/hosts/{acting.ids[acting.host]}/services")
    acting.ids |= {row["description"]: row["id"] for row in services}
    bring(acting.core, acting.host, "", 1, "down")
    for service in SERVICES:
        bring(acting.core, acting.host, service, 2, "bad")
    return acting


def test_resources_are_acknowledged_and_that_is_taken_back(acting: Acting) -> None:
    """As Nagstamon and Centreon's own pages ask, a host per generation: host and service in one call; then with services."""
    hosts = dict(zip(GENERATIONS, (acting, *acting.others), strict=True))

    def each(method: str, path: str, bodies: dict[str, dict[str, Any]], shown: list[str]) -> None:
        acting.together([(method, path, version, {"json": bodies[version]}) for version in bodies])
        asked, count = [hosts[version] for version in bodies], shown.count("1")
        until(lambda: all(one.acknowledged() == shown for one in asked), f"acknowledged as {shown}")
        until(lambda: all(len(_standing(one)) == count for one in asked), f"{count} of each are shown as acknowledged")

    def commented(text: str) -> list[tuple[str, str]]:
        comments = oracle.comments(acting.core.status_file, text)
        return sorted((found["service_description"], found["author"]) for found in comments)

    some = {"with_services": False, **FLAGS}
    path = "/monitoring/resources/acknowledge"
    each("POST", path, {
        version: {"acknowledgement": {"comment": f"seen {version}"} | some,
                  "resources": [one.host_resource(), one.service_resource("HTTP")]}
        for version, one in hosts.items()
    }, ["1", "1", "0"])  # fmt: skip
    for version, one in hosts.items():
        assert one.block("HTTP")["acknowledgement_type"] == "2", "sticky"
        until(lambda of=f"seen {version}": commented(of) == [("", "admin"), ("HTTP", "admin")], "their comments")

    rest = {"comment": "the rest", "is_notify_contacts": False, "with_services": True}
    each("POST", path, {
        version: {"acknowledgement": rest, "resources": [one.host_resource() | {"parent": {"id": one.ids[one.host]}}]}
        for version, one in hosts.items()
    }, ["1", "1", "1"])  # fmt: skip
    back = {
        version: {"disacknowledgement": {"with_services": True}, "resources": [one.host_resource()]}
        for version, one in hosts.items()
    }
    each("POST", "/monitoring/resources/disacknowledge", {"beta": back.pop("beta")}, ["0", "0", "0"])
    each("DELETE", "/monitoring/resources/acknowledgements", back, ["0", "0", "0"])

    def past(version: str) -> dict[str, Any]:
        search = f'{{"host.id":{hosts[version].ids[hosts[version].host]}}}'
        history = acting.shown("/monitoring/services/acknowledgements", search=search)
        (row,) = [row for row in history if row["comment"] == f"seen {version}"]
        return row

    for version, one in hosts.items():
        until(lambda version=version: past(version)["deletion_time"], "it is listed as taken back")
        assert moment(past(version)["deletion_time"]) >= moment(past(version)["entry_time"]) > 0
        latest = [row["comment"] for row in acting.shown("/acknowledgments/services") if row["host_id"] == one.ids[one.host]]
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
    bodies = {
        version: {"downtime": window(comment=comment, with_services=True), "resources": [acting.host_resource()]}
        for version, comment in comments.items()
    }
    acting.together([("POST", "/monitoring/resources/downtime", version, {"json": body}) for version, body in bodies.items()])

    def stand(services: list[str]) -> None:
        until(lambda: all(_in_downtime(acting, comment) == services for comment in comments.values()), f"{services} stand")

    stand(["", *sorted(SERVICES)])
    path = f"/monitoring/hosts/{acting.ids[acting.host]}/downtimes"
    until(lambda: len([row for row in acting.shown(path) if row["is_started"] and row["comment"] in comments.values()]) == 3,
          "they are shown in effect")  # fmt: skip
    rows = {row["comment"]: f"/monitoring/downtimes/{row['id']}" for row in acting.shown(path)}

    def cancel(**query: str) -> None:
        acting.together([("DELETE", rows[comment], version, {"params": query}) for version, comment in comments.items()])

    cancel()
    stand(sorted(SERVICES))
    until(lambda: all(acting.call("GET", rows[one]).json()["is_cancelled"] for one in comments.values()), "listed as cancelled")
    cancel()
    cores.wait_for_generation(acting.core)
    assert all(_in_downtime(acting, comment) == sorted(SERVICES) for comment in comments.values()), "cancelled already"
    cancel(with_services="true")
    stand([])

    def ended() -> list[dict[str, Any]]:
        listed = [row for row in acting.shown(path, with_services="true") if row["comment"] in comments.values()]
        return [row for row in listed if row["is_cancelled"]]

    until(lambda: len(ended()) == 9, "all are listed as cancelled")
    until(
        lambda: all(row["actual_end_time"] == row["deletion_time"] for row in ended()),
        "when they ended is when they were cancelled",
    )
    for each in ended():
        assert (each["author_name"], each["signalbox"]["deleted_by"]) == ("admin", "admin")
        assert moment(each["start_time"]) <= moment(each["actual_start_time"]) <= moment(each["actual_end_time"]), each
        assert moment(each["actual_end_time"]) == moment(each["deletion_time"]) <= time.time() + 1


def _in_downtime(acting: Acting, comment: str) -> list[str]:
    return sorted(block["service_description"] for block in oracle.downtimes(acting.core.status_file, comment))


def test_an_array_of_which_one_is_unknown(acting: Acting) -> None:
    """207 and the status of each in the order asked; a repeat with its key is told the same and sets nothing again."""
    items = [window(comment="array", resource_id=number) for number in (acting.ids[acting.host], UNKNOWN, acting.ids[acting.well])]
    asked: dict[str, Any] = {"json": items, "headers": {"Idempotency-Key": f"array-{acting.core.kind}"}}
    first, again = (acting.call("POST", "/monitoring/hosts/downtimes", **asked) for _ in range(2))
    assert (first.status_code, again.status_code) == (207, 207), first.text
    assert again.headers["idempotent-replayed"] == "true"
    for answer in (first, again):
        assert [result["code"] for result in answer.json()["results"]] == [204, 404, 204]
        assert answer.json()["results"][1]["message"] == "Host not found"
        assert [error["type"] for error in answer.json()["errors"]] == ["unknown_host"]

    def hosts() -> list[str]:
        return sorted(block["host_name"] for block in oracle.downtimes(acting.core.status_file, "array"))

    acting.proven(first, lambda: hosts() == [acting.host, acting.well], 207)
    acting.together([("DELETE", f"/monitoring/downtimes/{n}", "latest", {}) for n in first.headers["signalbox-entry"].split(", ")])
    until(lambda: hosts() == [], "the core shows none of them")


@pytest.mark.parametrize(
    ("path", "item"),
    [
        ("/monitoring/hosts/downtimes", {"resource_id": UNKNOWN}),
        ("/monitoring/services/downtimes", {"resource_id": UNKNOWN, "parent_resource_id": UNKNOWN}),
        ("/monitoring/hosts/acknowledgements", {"resource_id": UNKNOWN, "comment": "c", **FLAGS}),
        ("/monitoring/services/acknowledgements", {"resource_id": UNKNOWN, "parent_resource_id": 1, "comment": "c", **FLAGS}),
        ("/monitoring/hosts/check", {"resource_id": UNKNOWN}),
        ("/monitoring/services/check", {"resource_id": UNKNOWN, "parent_resource_id": 1}),
    ],
)
def test_an_array_of_unknown_ones_is_404_and_an_empty_one_nothing(acting: Acting, path: str, item: dict[str, Any]) -> None:
    if path.endswith("/downtimes"):
        item = window() | item  # of now: what is said above was said when the tests were collected
    answer = acting.call("POST", path, json=[item, item])
    assert (answer.status_code, answer.json()["code"]) == (404, 404), answer.text
    assert [result["code"] for result in answer.json()["results"]] == [404, 404]
    assert acting.call("POST", path, json=[]).status_code == 204


def test_services_by_array(acting: Acting) -> None:
    named = {"resource_id": acting.ids["HTTP"], "parent_resource_id": acting.ids[acting.host]}
    path = f"/monitoring/hosts/{acting.ids[acting.host]}/services/{acting.ids['HTTP']}"

    def shown() -> tuple[list[tuple[str, str]], list[str]]:
        blocks = oracle.downtimes(acting.core.status_file, "one of many")
        return [(block["host_name"], block["service_description"]) for block in blocks], acting.acknowledged()

    acting.together([
        ("POST", "/monitoring/services/downtimes", "latest", {"json": [window(comment="one of many") | named]}),
        ("POST", "/monitoring/services/acknowledgements", "latest", {"json": [{"comment": "by array", **FLAGS} | named]}),
    ])  # fmt: skip
    until(lambda: shown() == ([(acting.host, "HTTP")], ["0", "1", "0"]), "the core shows both, of this service alone")
    (row,) = [row for row in acting.shown(f"{path}/downtimes") if row["comment"] == "one of many"]
    until(lambda: len(_standing(acting)) == 1, "it is shown as acknowledged")
    acting.together([
        ("DELETE", f"/monitoring/downtimes/{row['id']}", "latest", {}), ("DELETE", f"{path}/acknowledgements", "latest", {}),
    ])  # fmt: skip
    until(lambda: shown() == ([], ["0", "0", "0"]), "the core shows neither")


def test_whether_contacts_were_told_of_others_acknowledgements_is_read_from_the_log(acting: Acting) -> None:
    """Set past us, through the core's own command file: no other file of the core keeps that flag."""
    told = {"HTTP": 1, "Disk /var": 0}
    for service, flag in told.items():
        acting.core.send(f"ACKNOWLEDGE_SVC_PROBLEM;{acting.host};{service};2;{flag};1;rita;by hand, {flag}")
    expected = {acting.ids[service]: bool(flag) for service, flag in told.items()}

    def shown() -> dict[int, bool]:
        rows = [row for row in acting.shown("/monitoring/services/acknowledgements") if row["author_name"] == "rita"]
        return {row["service_id"]: row["is_notify_contacts"] for row in rows if row["host_id"] == acting.ids[acting.host]}

    until(lambda: shown() == expected, f"{expected} are told")
    # The log is quicker than the status file.
    until(lambda: acting.acknowledged() == ["0", "1", "1"] and len(_standing(acting)) == 2, "both are shown as acknowledged")
    one = acting.call("GET", f"/monitoring/hosts/{acting.ids[acting.host]}/services/{acting.ids['HTTP']}").json()
    assert one["acknowledgement"]["is_notify_contacts"] is True
    for service in told:
        acting.core.send(f"REMOVE_SVC_ACKNOWLEDGEMENT;{acting.host};{service}")
    until(lambda: acting.acknowledged() == ["0", "0", "0"] and not _standing(acting), "the core took both back")


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

    def commented() -> list[str]:
        return [one["host_name"] for one in oracle.comments(acting.core.status_file, "nothing wrong")]

    acting.proven(mixed, commented, 207)
    assert commented() == [acting.host]
    back = {"disacknowledgement": {}, "resources": [acting.service_resource("HTTP")]}
    answer = acting.call("DELETE", "/monitoring/resources/acknowledgements", json=back)
    acting.proven(answer, lambda: acting.acknowledged() == ["0", "0", "0"])


def test_checks_are_made(acting: Acting) -> None:
    """By resources, as an array and of one object, in each generation; nine services are checked side by side."""
    poller = acting.call("GET", f"/monitoring/hosts/{acting.ids[acting.host]}").json()["poller_id"]
    found = acting.shown("/monitoring/services", search=f'{{"poller.id":{poller}}}')[:9]
    hows = [(how, version) for how in ("resources", "array", "object") for version in GENERATIONS]

    def checked(one: tuple[tuple[str, str], dict[str, Any]]) -> httpx.Response:
        (how, version), row = one
        host, service = row["host"]["id"], row["id"]
        asked: dict[str, tuple[str, Any]] = {
            "resources": (
                "/monitoring/resources/check",
                {"resources": [acting.host_resource(), {"type": "service", "id": service, "parent": {"id": host}}]}
                | ({"check": {"is_forced": True}} if version == "latest" else {}),
            ),
            "array": ("/monitoring/services/check", [{"resource_id": service, "parent_resource_id": host}]),
            "object": (f"/monitoring/hosts/{host}/services/{service}/check", {"is_forced": True}),
        }
        path, body = asked[how]
        return acting.call("POST", path, version, params={"wait": str(PATIENCE_S)}, json=body)

    for (how, version), answer in zip(hows, parallel(checked, list(zip(hows, found, strict=True)), 9), strict=True):
        assert answer.status_code == 200, (how, version, answer.text)
        told = answer.json()["commands"]
        assert {command["command"] for command in told} <= {"SCHEDULE_FORCED_HOST_CHECK", "SCHEDULE_FORCED_SVC_CHECK"}
        assert {command["state"] for command in told} == {"confirmed"}, told
        assert len(told) == (2 if how == "resources" else 1)


def test_results_are_submitted(acting: Acting) -> None:
    """By resources and by the paths of a service and of a host, each on another object, side by side; output may be left out."""
    resource = acting.service_resource("Disk /var") | {"status": 1, "output": "from outside", "performance_data": "a=1;2;3"}
    path = f"/monitoring/hosts/{acting.ids[acting.host]}/services/{acting.ids['HTTP']}/submit"
    host = f"/monitoring/hosts/{acting.ids[acting.host]}/submit"
    outputs = {"Disk /var": "from outside", "HTTP": "(No output returned from plugin)", "": "still down"}
    # A check asked for a moment ago may have been asked for twice: its second run would hide what is submitted now.
    until(lambda: all(time.time() - float(acting.block(one)["last_check"]) > 3 for one in outputs), "checks asked for are over")
    acting.together([
        ("POST", "/monitoring/resources/submit", "latest", {"json": {"resources": [resource]}}),
        ("POST", path, "latest", {"json": {"status": 2}}),
        ("POST", host, "latest", {"json": {"status": 1, "output": "still down"}}),
    ])  # fmt: skip
    shown: dict[str, dict[str, str]] = {}  # each as soon as it is seen: the core's own next check may follow at any time

    def all_shown() -> bool:
        for one, output in outputs.items():
            if (block := acting.block(one))["plugin_output"] == output:
                shown[one] = block
        return shown.keys() == outputs.keys()

    until(all_shown, "the core shows all")
    assert (shown["Disk /var"]["current_state"], shown["Disk /var"]["performance_data"]) == ("1", "a=1;2;3")
    assert (shown["HTTP"]["current_state"], shown[""]["current_state"]) == ("2", "1")
    assert acting.call("POST", path, json={"status": 4, "output": "x"}).status_code == 400


def test_comments_are_made(acting: Acting) -> None:
    resources = [
        acting.host_resource() | {"comment": "of all", "date": None},
        acting.service_resource("HTTP") | {"comment": "of one", "date": iso(time.time())},
    ]
    answer = acting.call("POST", "/monitoring/resources/comments", json={"resources": resources})
    path = f"/monitoring/hosts/{acting.ids[acting.host]}/comments"
    made = [*answer.headers["signalbox-entry"].split(", ")]
    made.append(acting.call("POST", path, json={"comment": "of the path"}).headers["signalbox-entry"])
    acting.proven(answer, lambda: oracle.comments(acting.core.status_file, "of the path"))
    for text, service in (("of all", ""), ("of one", "HTTP"), ("of the path", "")):
        (block,) = oracle.comments(acting.core.status_file, text)
        assert (block["host_name"], block["service_description"], block["author"]) == (acting.host, service, "admin")
    old = acting.call("POST", path, json={"comment": "of old", "date": "2020-01-01T00:00:00Z"})
    assert (old.status_code, old.json()["errors"][0]["field"]) == (400, "date"), old.text
    deleted = parallel(lambda number: acting.box.api.delete(f"/v1/comments/{number}").status_code, made, 3)
    assert all(status < 300 for status in deleted), deleted
    assert oracle.comments(acting.core.status_file, "of old") == []


def test_who_waits_gets_the_proof(acting: Acting) -> None:
    path = f"/monitoring/hosts/{acting.ids[acting.host]}/downtimes"
    answer = acting.call("POST", path, json=window(comment="proven"), headers={"Prefer": "wait=60"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=60"), answer.text
    (told,) = answer.json()["commands"]
    assert (told["command"], told["state"], told["final"]) == ("SCHEDULE_HOST_DOWNTIME", "confirmed", True)
    assert told["evidence"]
    (block,) = oracle.downtimes(acting.core.status_file, "proven")
    assert block["host_name"] == acting.host
    bad = acting.call("POST", path, params={"wait": "soon"}, json=window(comment="never"))
    assert bad.status_code == 400
    gone = acting.call("DELETE", f"/monitoring/downtimes/{told['entry_id']}")
    acting.proven(gone, lambda: not oracle.downtimes(acting.core.status_file, "proven"))
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
