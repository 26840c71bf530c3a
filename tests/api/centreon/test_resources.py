"""`/monitoring/resources`: whole items, every filter, search by its own keys, the order, and what of it is refused."""

from __future__ import annotations

import orjson
import pytest

from tests.api.centreon.canned import Front
from tests.api.centreon.test_objects import DB01_FULL

DB01, WEB01, BRANCH, DISK, PING, HTTP = 12, 13, 8_589_934_593, 51, 52, 53
WORST_FIRST = [DB01, DISK, HTTP, WEB01, BRANCH, PING]
LINKS_OF_DB01 = {
    "endpoints": {
        "details": "/centreon/api/v23.10/monitoring/resources/hosts/12",
        "timeline": "/centreon/api/v23.10/monitoring/hosts/12/timeline",
        "acknowledgement": "/centreon/api/v23.10/monitoring/hosts/12/acknowledgements?limit=1",
        "downtime": "/centreon/api/v23.10/monitoring/hosts/12/downtimes", "check": "/centreon/api/v23.10/monitoring/hosts/12/check",
        "forced_check": "/centreon/api/v23.10/monitoring/hosts/12/check", "performance_graph": None, "status_graph": None,
        "metrics": None,
    },
    "uris": {"configuration": None, "logs": None, "reporting": None},
    "externals": {"action_url": None, "notes": {"label": None, "url": None}},
}  # fmt: skip
ITEM_OF_DB01 = {
    "uuid": "h12", "id": 12, "type": "host", "short_type": "h", "name": "db01", "alias": "Database one", "fqdn": "192.0.2.1",
    "host_id": 12, "service_id": None, "icon": {"id": None, "name": "db.png", "url": None}, "monitoring_server_name": "central",
    "parent": None, "status": {"code": 1, "name": "DOWN", "severity_code": 1}, "is_in_downtime": True, "in_downtime": True,
    "is_acknowledged": True, "acknowledged": True, "has_active_checks_enabled": False, "active_checks": False,
    "has_passive_checks_enabled": True, "passive_checks": True, "last_status_change": "2023-11-14T22:13:23Z", "tries": "2/7 (H)",
    "information": "CRITICAL - down", "performance_data": None, "is_notification_enabled": True, "notification_enabled": True,
    "is_in_flapping": False, "flapping": False, "percent_state_change": 13.5,
    "severity": {"id": None, "name": None, "level": 4, "type": "host", "icon": None}, "severity_level": 4, "chart_url": None,
    "duration": "3y 2M", "last_check": "3y 2M", "links": LINKS_OF_DB01,
}  # fmt: skip


def _ids(front: Front, **params: object) -> list[int]:
    texts = {name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in params.items()}
    answer = front.get("/monitoring/resources", **texts)
    assert answer.status_code == 200, answer.text
    assert answer.json()["meta"]["total"] == len(answer.json()["result"])
    return [row["id"] for row in answer.json()["result"]]


def test_an_item_is_whole(anna: Front) -> None:
    body = anna.under("v23.10").get("/monitoring/resources").json()
    assert body["meta"] == {"page": 1, "limit": 10, "search": {}, "sort_by": {}, "total": 6}
    assert body["result"][0] == ITEM_OF_DB01
    disk = body["result"][1]
    assert (disk["uuid"], disk["type"], disk["short_type"], disk["service_id"], disk["host_id"]) == (
        "h12-s51",
        "service",
        "s",
        51,
        12,
    )
    assert disk["parent"] == {
        "uuid": "h12", "id": 12, "name": "db01", "type": "host", "short_type": "h", "alias": "Database one", "fqdn": "192.0.2.1",
        "status": {"code": 1, "name": "DOWN", "severity_code": 1}, "monitoring_server_name": "central",
    }  # fmt: skip
    assert disk["links"]["endpoints"]["metrics"] == "/centreon/api/v23.10/monitoring/hosts/12/services/51/metrics"
    assert (disk["name"], disk["alias"], disk["fqdn"], disk["severity"]["level"]) == ("Disk /var", "Disk of logs", None, 2)
    assert set(disk) == set(ITEM_OF_DB01)


def test_the_worst_comes_first_then_names(anna: Front) -> None:
    assert _ids(anna) == WORST_FIRST
    pages = [anna.get("/monitoring/resources", limit="2", page=page).json()["result"] for page in ("1", "2", "3", "4")]
    assert [row["id"] for page in pages for row in page] == WORST_FIRST
    assert anna.get("/monitoring/resources", limit="0").json() == {
        "result": [], "meta": {"page": 1, "limit": 0, "search": {}, "sort_by": {}, "total": 6}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({"types": ["host"]}, [DB01, WEB01, BRANCH]),
        ({"types": ["metaservice", "service"]}, [DISK, HTTP, PING]),
        ({"types": ["metaservice"]}, []),
        ({"types": []}, WORST_FIRST),
        ({"statuses": ["WARNING", "DOWN", "CRITICAL", "UNKNOWN"]}, [DB01, DISK, HTTP]),
        ({"types": ["host"], "statuses": ["WARNING", "DOWN", "CRITICAL", "UNKNOWN"]}, [DB01]),
        ({"statuses": ["PENDING"]}, [WEB01, BRANCH]),
        ({"statuses": ["OK", "UP"]}, [PING]),
        ({"states": ["resources_problems"]}, [DB01, DISK, HTTP]),
        ({"states": ["unhandled_problems"]}, []),
        ({"states": ["acknowledged", "in_flapping"]}, [DB01, DISK, HTTP, PING]),
        ({"states": ["in_downtime", "all"]}, WORST_FIRST),
        ({"status_types": ["soft"]}, []),
        ({"status_types": ["hard", "soft"]}, WORST_FIRST),
        ({"hostgroup_names": ["databases"]}, [DB01, DISK, PING]),
        ({"servicegroup_names": ["disks", "none"]}, [DISK]),
        ({"monitoring_server_names": ["branch"]}, [BRANCH]),
        ({"host_category_names": ["x"]}, []),
        ({"service_severity_levels": [2]}, [DISK]),
        ({"host_severity_levels": [4, 5]}, [DB01]),
        ({"only_with_performance_data": "true", "types": ["host"]}, [DB01, WEB01, BRANCH]),
        ({"only_with_opened_tickets": "true", "ticket_provider_id": "3"}, []),
    ],
)
def test_filters(anna: Front, params: dict[str, object], ids: list[int]) -> None:
    assert _ids(anna, **params) == ids


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ({"h.name": {"$eq": "DB01"}}, [DB01, DISK, PING]),
        ({"$and": [{"h.name": {"$eq": "db01"}}, {"s.description": {"$eq": "Ping"}}]}, [PING]),
        ({"s.description": {"$rg": "^(disk|http)"}}, [DISK, HTTP]),
        ({"h.alias": {"$rg": "base"}, "h.address": "192.0.2.1"}, [DB01, DISK, PING]),
        ({"name": {"$lk": "d%"}}, [DB01, DISK]),
        ({"alias": "disk of logs"}, [DISK]),
        ({"fqdn": "192.0.2.1"}, [DB01]),
        ({"id": 51}, [DISK]),
        ({"type": "host"}, [DB01, WEB01, BRANCH]),
        ({"status_code": {"$in": [1, 3]}}, [DB01, HTTP]),
        ({"status_severity_code": {"$le": 3}}, [DB01, DISK, HTTP]),
        ({"parent_name": "web01", "parent_status": 4, "parent_id": 13}, [HTTP]),
        ({"severity_level": {"$gt": 1}}, [DB01, DISK]),
        ({"in_downtime": True, "acknowledged": True}, [DB01]),
        ({"tries": "3/4 (H)"}, [DISK, HTTP, PING]),
        ({"last_status_change": {"$gt": 1_700_000_003}}, [DISK, HTTP, PING]),
        ({"monitoring_server_name": {"$ni": ["central"]}}, [BRANCH]),
        ({"information": {"$lk": "%down"}}, [DB01, WEB01, BRANCH]),
        ({"$or": [{"s.description": "Ping"}, {"poller.id": 2}]}, [BRANCH, PING]),
        ({"s.name": "Ping"}, [PING]),
    ],
)
def test_search(anna: Front, search: object, ids: list[int]) -> None:
    assert _ids(anna, search=search) == ids


@pytest.mark.parametrize(
    ("sort_by", "ids"),
    [
        ({"name": "ASC", "monitoring_server_name": "DESC"}, [DB01, DISK, HTTP, PING, WEB01, BRANCH]),
        ({"status_ordered": "ASC", "id": "DESC"}, [PING, BRANCH, WEB01, HTTP, DISK, DB01]),
        ({"h.name": "DESC", "type": "ASC", "poller.id": "ASC"}, [WEB01, BRANCH, HTTP, DB01, DISK, PING]),
        ({"severity_level": "ASC", "id": "ASC"}, [DISK, DB01, WEB01, PING, HTTP, BRANCH]),
        ({"never.heard.of": "ASC", "id": "ASC"}, [DB01, WEB01, DISK, PING, HTTP, BRANCH]),
    ],
)
def test_order(anna: Front, sort_by: object, ids: list[int]) -> None:
    assert _ids(anna, sort_by=sort_by) == ids


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"foo": "1"}, "foo"), ({"types": "host"}, "types"), ({"types": '["hosts"]'}, "hosts"), ({"types": "{}"}, "types"),
        ({"statuses": '["DEAD"]'}, "DEAD"), ({"states": "[1]"}, "states"), ({"hostgroup_names": "[1]"}, "hostgroup_names"),
        ({"host_severity_levels": '["1"]'}, "host_severity_levels"), ({"status_types": "[null]"}, "status_types"),
        ({"search": "{"}, "position"), ({"search": '{"x.y":1}'}, "x.y"), ({"sort_by": "{"}, "sort_by"),
        ({"limit": "-1"}, "between 0"), ({"limit": "1.5"}, "an integer"),
        ({"only_with_performance_data": "yes"}, "only_with_performance_data"),
    ],
)  # fmt: skip
def test_what_it_cannot_mean_is_named(anna: Front, params: dict[str, str], named: str) -> None:
    answer = anna.get("/monitoring/resources", **params)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert named in answer.json()["message"]


def test_nothing_out_of_scope_is_seen_or_found(front: Front) -> None:
    dora = front.login("dora")
    assert _ids(dora) == [DB01, DISK, PING]
    assert _ids(dora, search={"$or": [{"id": HTTP}, {"h.name": {"$rg": ""}}]}) == [DB01, DISK, PING]
    assert dora.get("/monitoring/resources/hosts/13").status_code == 404
    assert dora.get("/monitoring/hosts/status").json()["total"] == 1
    assert dora.get("/monitoring/servers").json()["meta"]["total"] == 1


def test_alone_it_is_whole(anna: Front) -> None:
    host = anna.get("/monitoring/resources/hosts/12").json()
    assert set(host) >= set(ITEM_OF_DB01)
    assert [group["name"] for group in host["groups"]] == ["databases", "every"]
    for key in (
        "latency",
        "execution_time",
        "next_check",
        "last_check",
        "last_notification",
        "notification_number",
        "timezone",
        "criticality",
    ):
        assert host[key] == DB01_FULL[key], key
    assert host["last_time_with_no_issue"] == DB01_FULL["last_time_up"]
    assert (host["command_line"], host["calculation_type"], host["categories"], host["downtimes"]) == (None, None, [], [])
    service = anna.get("/monitoring/resources/hosts/12/services/51").json()
    assert set(service) == set(host)
    assert [group["name"] for group in service["groups"]] == ["disks"]
    assert (service["performance_data"], service["information"]) == ("/var=97%;80;90", "DISK CRITICAL\n")
    missing = anna.get("/monitoring/resources/hosts/12/services/53")
    assert (missing.status_code, missing.json()["code"], missing.json()["message"]) == (404, 404, "Service not found")


def test_states_are_counted(anna: Front) -> None:
    assert anna.get("/monitoring/hosts/status").json() == {
        "up": {"total": 0}, "down": {"total": 1}, "unreachable": {"total": 0}, "pending": {"total": 2}, "total": 3
    }  # fmt: skip
    assert anna.get("/monitoring/services/status", search='{"host.name":"db01"}').json() == {
        "ok": {"total": 1}, "warning": {"total": 0}, "critical": {"total": 1}, "unknown": {"total": 0}, "pending": {"total": 0},
        "total": 2,
    }  # fmt: skip
    assert anna.get("/monitoring/hosts/status", search="{").status_code == 400


def test_servers(anna: Front) -> None:
    body = anna.get("/monitoring/servers").json()
    assert body["result"][0] == {
        "id": 1, "name": "central", "address": None, "is_running": True, "last_alive": 1_799_999_995, "version": "4.4.6",
        "description": None,
    }  # fmt: skip
    assert [row["name"] for row in anna.get("/monitoring/servers", search='{"name":{"$lk":"br%"}}').json()["result"]] == ["branch"]
    assert [row["id"] for row in anna.get("/monitoring/servers", sort_by='{"name":"ASC"}', limit="1").json()["result"]] == [2]
    configured = anna.get("/configuration/monitoring-servers").json()["result"][1]
    assert (configured["id"], configured["name"], configured["is_activate"], configured["ssh_port"]) == (2, "branch", True, None)


def test_what_is_asked_before_logging_in(front: Front) -> None:
    answer = front.get("/platform/versions")
    assert answer.status_code == 200
    assert answer.json()["web"] == {"version": "22.10.0", "major": "22", "minor": "10", "fix": "0"}
    assert (answer.json()["modules"], answer.json()["widgets"]) == ({}, {})
    assert front.get("/platform/installation/status").json() == {"is_installed": True, "has_upgrade_available": False}
    assert front.get("/monitoring/resources", limit="1").status_code == 401


def test_metrics(anna: Front) -> None:
    (metric,) = anna.get("/monitoring/hosts/12/services/51/metrics").json()
    assert metric == {
        "id": metric["id"], "name": "/var", "unit": "%", "current_value": 97.0, "warning_high_threshold": 80.0,
        "warning_low_threshold": 0.0, "critical_high_threshold": 90.0, "critical_low_threshold": 0.0,
    }  # fmt: skip
    assert isinstance(metric["id"], int)
