"""Centreon's search and sort_by on hosts and services: its keys, its echo, its shorthand; what it cannot mean is 400."""

from __future__ import annotations

import orjson
import pytest

from tests.api.centreon.conftest import Front

DB01, WEB01, BRANCH = 12, 13, 8_589_934_593
DISK, PING, HTTP = 51, 52, 53


def _ids(front: Front, path: str, **params: object) -> list[int]:
    texts = {name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in params.items()}
    body = front.get(path, **texts).json()
    ids = [row["id"] for row in body["result"]]
    assert body["meta"]["total"] == len(ids)
    return ids


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ({"host.name": "DB01"}, [DB01]),
        ({"host.name": {"$lk": "web%"}}, [WEB01, BRANCH]),
        ({"$and": [{"poller.id": 2}, {"host.state": {"$in": [1, 2, 4]}}]}, [BRANCH]),
        ({"$or": [{"host.id": {"$eq": 12}}, {"poller.id": 2}]}, [DB01, BRANCH]),
        ({"host.alias": "database one", "host.address": "192.0.2.1"}, [DB01]),
        ({"host.is_acknowledged": True}, [DB01]),
        ({"host.downtime": {"$gt": 2}, "host.criticality": 4}, [DB01]),
        ({"host.criticality": None}, [WEB01, BRANCH]),
        ({"service.display_name": "Disk of logs"}, [DB01]),
        ({"host_group.name": "databases"}, [DB01]),
        ({"host.last_state_change": {"$ge": 1_700_000_003}}, [DB01, WEB01, BRANCH]),
        ({"host.last_state_change": {"$lt": "2023-11-14T22:13:23Z"}}, []),
    ],
)
def test_hosts(anna: Front, search: dict[str, object], ids: list[int]) -> None:
    assert _ids(anna, "/monitoring/hosts", search=search) == ids


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ({"$and": [{"service.state": {"$in": [1, 2, 3]}}, {"service.is_acknowledged": False}]}, [DISK, HTTP]),
        ({"service.description": {"$rg": "^(disk|http)"}, "host.name": "db01"}, [DISK]),
        ({"service.output": {"$lk": "DISK%"}, "service.criticality": 2}, [DISK]),
        ({"service.display_name": "ping", "service.downtime": 2, "host.state": 1}, [PING]),
        ({"host.is_acknowledged": False}, [HTTP]),
    ],
)
def test_services(anna: Front, search: dict[str, object], ids: list[int]) -> None:
    assert _ids(anna, "/monitoring/services", search=search) == ids


def test_services_of_a_host(anna: Front) -> None:
    assert _ids(anna, "/monitoring/hosts/12/services", search={"service.state": 2}) == [DISK]
    assert _ids(anna, "/monitoring/hosts/13/services", search={"service.state": 2}) == []


def test_order(anna: Front) -> None:
    assert _ids(anna, "/monitoring/hosts", sort_by={"host.name": "desc", "host.id": "DESC"}) == [BRANCH, WEB01, DB01]
    assert _ids(anna, "/monitoring/services", sort_by="service.description") == [DISK, HTTP, PING]
    assert _ids(anna, "/monitoring/services", sort_by={"host.name": "DESC", "service.state": "ASC"}) == [HTTP, PING, DISK]


@pytest.mark.parametrize(
    ("sort_by", "dropped", "ids"),
    [
        ('{"host.name":"up"}', ["host.name"], [DB01, WEB01, BRANCH]), ("x.y", ["x.y"], [DB01, WEB01, BRANCH]),
        ('{"x.y":"ASC","host.id":"DESC","host name":"ASC"}', ["x.y", "host name"], [BRANCH, WEB01, DB01]),
        ("[]", ["[]"], [DB01, WEB01, BRANCH]), ('{"host.name":null,"host.id":"asc"}', ["host.name"], [DB01, WEB01, BRANCH]),
    ],
)  # fmt: skip
def test_what_a_list_cannot_be_sorted_by_is_dropped_and_named(
    anna: Front, sort_by: str, dropped: list[str], ids: list[int]
) -> None:
    """As the original does, whose clients have keys of their own versions; `meta` does not say that it was sorted by them."""
    assert _ids(anna, "/monitoring/hosts", sort_by=sort_by) == ids
    for path in ("/monitoring/hosts", "/monitoring/resources", "/monitoring/hostgroups", "/monitoring/downtimes"):
        meta = anna.get(path, sort_by="never.heard.of").json()["meta"]
        assert (meta["sort_by"], meta["signalbox"]) == ({}, {"not_sorted_by": ["never.heard.of"]}), path
    meta = anna.get("/monitoring/hosts", sort_by=sort_by).json()["meta"]
    assert meta["signalbox"] == {"not_sorted_by": dropped}
    assert set(meta["sort_by"]).isdisjoint(dropped)


def test_a_key_nobody_knows_is_named_in_the_originals_words(anna: Front) -> None:
    """With what may be meant, not with every name there is."""
    message = anna.get("/monitoring/hosts", search='{"host.naem":"a"}').json()["message"]
    assert message.startswith("The parameter host.naem is not allowed")
    assert "host.name" in message
    assert len(anna.get("/monitoring/hosts", search='{"zzzzzz":"a"}').json()["message"]) < 200


def test_the_shorthand(anna: Front) -> None:
    assert _ids(anna, "/monitoring/hosts", **{"filter[host.name]": "web01|db01"}) == [DB01, WEB01, BRANCH]
    assert _ids(anna, "/monitoring/hosts", **{"filter[host.name]": "web01", "filter[poller.id]": "2"}) == [BRANCH]


def test_what_was_asked_is_echoed_under_one_aggregator(anna: Front) -> None:
    def meta(**params: str) -> dict[str, object]:
        found: dict[str, object] = anna.get("/monitoring/hosts", **params).json()["meta"]
        return found

    asked = meta(search='{"host.name":"db01"}', sort_by='{"host.name":"asc"}')
    assert (asked["search"], asked["sort_by"]) == ({"$and": {"host.name": "db01"}}, {"host.name": "ASC"})
    assert meta(search='{"$or":[{"host.id":1}]}')["search"] == {"$or": [{"host.id": 1}]}
    assert meta(**{"filter[host.name]": "a|b"})["search"] == {"$or": [{"host.name": "a"}, {"host.name": "b"}]}


def test_nothing_out_of_scope_is_found(front: Front) -> None:
    dora = front.login("dora")
    assert _ids(dora, "/monitoring/hosts", search={"$or": [{"host.name": {"$rg": ""}}, {"host.id": 13}]}) == [DB01]
    assert _ids(dora, "/monitoring/services", search={"host.name": "web01"}) == []


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"search": "{"}, "position 1"), ({"search": "[]"}, "object"),
        ({"search": '{"x.y":1}'}, "x.y"),
        ({"search": '{"host.id":{"$like":1}}'}, "$like"), ({"search": '{"host.id":"abc"}'}, "abc"),
        ({"search": '{"host.name":{"$rg":"("}}'}, "regular expression"),
        ({"sort_by": "{"}, "Bad format for the sort request parameter"),
        ({"sort_by": '{"host.name":"ASC","host.name":"DESC"}'}, "twice"), ({"filter[x.y]": "1"}, "x.y"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/monitoring/hosts", "/monitoring/services", "/monitoring/hosts/12/services"])
def test_what_it_cannot_mean_is_named(anna: Front, path: str, params: dict[str, str], named: str) -> None:
    answer = anna.get(path, **params)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert named in answer.json()["message"]
