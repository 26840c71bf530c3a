"""Host- and servicegroups: whole documents, their ids, what a search of them finds, and nothing out of scope."""

from __future__ import annotations

from typing import Any, cast

import orjson
import pytest

from api.centreon.groups import shapes
from engine.state.grouped import GroupedHost, GroupedService, GroupName
from tests.api.centreon.canned import Front
from tests.api.centreon.test_objects import DB01_MIN

WEB01 = {"id": 13, "alias": "web01", "display_name": "web01", "name": "web01", "state": 4}
BRANCH = WEB01 | {"id": 8_589_934_593}
DISK = {"id": 51, "description": "Disk /var", "display_name": "Disk of logs", "state": 2}
PING = {"id": 52, "description": "Ping", "display_name": "Ping", "state": 0}
HTTP = {"id": 53, "description": "HTTP", "display_name": "HTTP", "state": 3}


def _names(front: Front, path: str, **params: object) -> list[str]:
    body = front.get(
        path, **{name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in params.items()}
    ).json()
    assert body["meta"]["total"] == len(body["result"])
    return [row["name"] for row in body["result"]]


def test_groups_by_name_with_ids_that_stay(anna: Front) -> None:
    body = anna.get("/monitoring/hostgroups").json()
    assert [(set(row), row["name"]) for row in body["result"]] == [({"id", "name"}, "databases"), ({"id", "name"}, "every")]
    assert body["meta"]["total"] == 2, "a group of two pollers is one, a group without a host is none"
    assert body["result"][0]["id"] == 194_010_321_745_943, "the id follows from the name, on every machine and for ever"
    assert body["result"] == anna.under("beta").get("/monitoring/hostgroups").json()["result"]


def test_hosts_and_services_of_groups(anna: Front) -> None:
    hosts = [row["hosts"] for row in anna.get("/monitoring/hostgroups", show_host="true").json()["result"]]
    assert hosts == [[DB01_MIN], [DB01_MIN, WEB01, BRANCH]]
    both = [row["hosts"] for row in anna.get("/monitoring/hostgroups", show_service="true").json()["result"]]
    assert both[0] == [DB01_MIN | {"services": [DISK, PING]}]
    assert both[1][1:] == [WEB01 | {"services": [HTTP]}, BRANCH | {"services": []}]
    (disks,) = anna.get("/monitoring/servicegroups", show_service="true").json()["result"]
    assert disks["hosts"] == [DB01_MIN | {"services": [DISK]}], "only the services of that group"
    assert anna.get("/monitoring/hostgroups", show_service="1").json()["result"][0].keys() == {"id", "name"}


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ({"name": "DATABASES"}, ["databases"]),
        ({"host_group.name": {"$lk": "%a%"}}, ["databases"]),
        ({"host.name": "db01"}, ["databases", "every"]),
        ({"host.state": 4}, ["every"]),
        ({"poller.id": 2}, ["every"]),
        ({"service.display_name": "Disk of logs", "host.address": "192.0.2.1"}, ["databases", "every"]),
        ({"$or": [{"name": "databases"}, {"host.name": "web01"}]}, ["databases", "every"]),
        ({"host.name": "gone"}, []),
    ],
)
def test_searched_by_what_stands_in_them(anna: Front, search: object, names: list[str]) -> None:
    assert _names(anna, "/monitoring/hostgroups", search=search) == names


def test_the_id_is_searched_everywhere(anna: Front) -> None:
    ids = {
        row["name"]: row["id"]
        for path in ("hostgroups", "servicegroups")
        for row in anna.get(f"/monitoring/{path}").json()["result"]
    }
    assert _names(anna, "/monitoring/hostgroups", search={"host_group.id": ids["every"]}) == ["every"]
    assert _names(anna, "/monitoring/hosts", search={"host_group.id": ids["databases"]}) == ["db01"]
    found = {"host_group.id": ids["databases"], "service_group.id": ids["disks"]}
    assert [row["id"] for row in anna.get("/monitoring/services", search=orjson.dumps(found).decode()).json()["result"]] == [51]
    assert _names(anna, "/monitoring/hosts", search={"service_group.id": ids["disks"]}) == ["db01"]
    assert _names(anna, "/monitoring/hosts", search={"host_group.id": {"$nk": str(ids["databases"])}}) == ["web01", "web01"]


def test_order(anna: Front) -> None:
    assert _names(anna, "/monitoring/hostgroups", sort_by={"name": "DESC"}) == ["every", "databases"]
    assert _names(anna, "/monitoring/hostgroups", sort_by={"host.id": "DESC"}) == ["every", "databases"]
    assert _names(anna, "/monitoring/hostgroups", sort_by={"host.id": "ASC", "host.state": "ASC"}) == ["databases", "every"]


def test_groups_of_an_object(anna: Front) -> None:
    assert _names(anna, "/monitoring/hosts/12/hostgroups") == ["databases", "every"]
    assert _names(anna, "/monitoring/hosts/13/hostgroups", search={"name": "databases"}) == []
    assert _names(anna, "/monitoring/hosts/12/services/51/servicegroups") == ["disks"]
    assert _names(anna, "/monitoring/hosts/12/services/52/servicegroups") == []
    assert anna.get("/monitoring/hosts/12/services/53/servicegroups").status_code == 404


def test_nothing_out_of_scope_is_seen_or_found(front: Front) -> None:
    dora = front.login("dora")
    rows = dora.get("/monitoring/hostgroups", show_service="true").json()["result"]
    assert [[host["id"] for host in row["hosts"]] for row in rows] == [[12], [12]]
    assert _names(dora, "/monitoring/hostgroups", search={"host.name": "web01"}) == []
    assert _names(dora, "/monitoring/hostgroups", search={"service.display_name": "HTTP"}) == []


def test_a_service_whose_host_is_not_seen_stands_below_none() -> None:
    """A contact of a service alone asked for groups with their services, and got an error of ours."""
    host = GroupedHost("every", 1, "db01", 12, "db01", "db01", 0)
    services = [
        GroupedService("every", 1, "db01", 51, "Ping", "Ping", 0),
        GroupedService("every", 1, "web01", 53, "HTTP", "HTTP", 0),
    ]
    (group,) = shapes([GroupName(9, "every")], [host], services)
    assert [(one["name"], [two["id"] for two in one["services"]]) for one in cast("Any", group["hosts"])] == [("db01", [51])]
