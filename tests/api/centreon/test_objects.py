"""Hosts and services: whole documents, field by field, and the paging of lists."""

from __future__ import annotations

from typing import Any

import pytest

from api.centreon.shapes import output
from tests.api.centreon.canned import DB01, Front, entry, said
from tests.api.support_desk import NOW

DB01_MIN = {"id": 12, "alias": "Database one", "display_name": "DB 1", "name": "db01", "state": 1}
DB01_MAIN = DB01_MIN | {
    "poller_id": 1, "acknowledged": True, "address_ip": "192.0.2.1", "check_attempt": 2, "checked": True, "execution_time": 0.25,
    "icon_image": "db.png", "icon_image_alt": "a database", "last_check": "2023-11-14T22:13:21Z",
    "last_hard_state_change": "2023-11-14T22:13:24Z", "last_state_change": "2023-11-14T22:13:23Z",
    "last_time_down": "2023-11-14T22:13:26Z", "last_time_unreachable": None, "last_time_up": "2023-11-14T22:13:25Z",
    "last_update": "2027-01-15T07:59:55Z", "max_check_attempts": 7, "output": "CRITICAL - down\nline two\nline three",
    "passive_checks": True, "state_type": 1, "timezone": "Europe/Paris", "scheduled_downtime_depth": 3, "criticality": 4,
}  # fmt: skip
DB01_FULL = DB01_MAIN | {
    "active_checks": False, "check_command": "check-host-alive!5", "check_interval": 5.0, "check_period": "always", "check_type": 0,
    "last_hard_state": 2, "last_notification": "2023-11-14T22:13:28Z", "latency": 0.0, "next_check": "2023-11-14T22:13:22Z",
    "next_host_notification": 1_700_000_009, "notification_interval": 30.0, "notification_number": 11,
    "notification_period": "workhours", "notify": True, "notify_on_down": True, "notify_on_downtime": True,
    "notify_on_flapping": False, "notify_on_recovery": True, "notify_on_unreachable": False, "flapping": False,
    "percent_state_change": 13.5, "poller_name": "central", "downtimes": [], "acknowledgement": None,
    "services": [
        {"id": 51, "description": "Disk /var", "display_name": "Disk of logs", "state": 2},
        {"id": 52, "description": "Ping", "display_name": "Ping", "state": 0},
    ],
}  # fmt: skip
DISK_MAIN = {
    "id": 51, "description": "Disk /var", "display_name": "Disk of logs", "state": 2, "check_attempt": "3", "duration": "2h 5m",
    "criticality": 2, "icon_image": "disk.png", "icon_image_alt": "a disk", "is_acknowledged": False,
    "last_check": "2023-11-14T22:13:41Z", "last_state_change": "2027-01-15T05:55:00Z", "max_check_attempts": 4,
    "output": "DISK CRITICAL\n", "scheduled_downtime_depth": 2, "state_type": 1,
    "status": {"code": 2, "name": "CRITICAL", "severity_code": 1},
}  # fmt: skip
DISK_FULL = DISK_MAIN | {
    "check_command": "check_disk!/var", "check_interval": 10.0, "check_period": "24x7", "check_type": 1, "command_line": None,
    "execution_time": 0.75, "flapping": True, "is_active_check": True, "is_checked": True,
    "last_hard_state_change": "2023-11-14T22:13:44Z", "last_notification": "2023-11-14T22:13:49Z",
    "last_time_critical": "2023-11-14T22:13:47Z", "last_time_ok": "2023-11-14T22:13:45Z", "last_time_unknown": None,
    "last_time_warning": "2023-11-14T22:13:46Z", "last_update": "2027-01-15T07:59:55Z", "latency": 0.125,
    "next_check": "2023-11-14T22:13:42Z", "percent_state_change": 6.25, "performance_data": "/var=97%;80;90", "downtimes": [],
    "acknowledgement": None,
}  # fmt: skip


def test_a_host_alone_is_whole(anna: Front) -> None:
    answer = anna.get("/monitoring/hosts/12")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == DB01_FULL
    assert '"latency":0.0' in answer.text, "a float stays a float"


def test_a_service_alone_is_whole(anna: Front) -> None:
    assert anna.get("/monitoring/hosts/12/services/51").json() == DISK_FULL


def test_a_list_of_hosts_shows_the_middle_level(anna: Front) -> None:
    body = anna.get("/monitoring/hosts").json()
    assert body["meta"] == {"page": 1, "limit": 10, "search": {}, "sort_by": {}, "total": 3}
    assert [row["id"] for row in body["result"]] == [12, 13, 8_589_934_593]
    assert body["result"][0] == DB01_MAIN
    pending = body["result"][1]
    assert (pending["state"], pending["checked"], pending["criticality"], pending["timezone"]) == (4, False, None, None)
    assert pending["alias"] == "web01", "without an object cache the name stands in"


def test_before_the_first_check_nothing_was_said() -> None:
    """Not a line break: that is what a plugin's empty first line is shown as."""
    pending = DB01._replace(has_been_checked=0, plugin_output="", long_plugin_output="")
    assert (output(pending), output(pending._replace(has_been_checked=1))) == ("", "\n")


def test_show_service_gives_each_host_its_services(anna: Front) -> None:
    rows = anna.get("/monitoring/hosts", show_service="true").json()["result"]
    assert rows[0] == DB01_MAIN | {"services": DB01_FULL["services"]}
    assert [service["id"] for service in rows[1]["services"]] == [53]
    assert rows[2]["services"] == []


def test_services_are_read_in_portions(anna: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = anna.get("/monitoring/hosts", show_service="true").content
    monkeypatch.setattr("api.centreon.objects.IDS_PER_READ", 1)
    assert anna.get("/monitoring/hosts", show_service="true").content == whole


@pytest.mark.parametrize("word", ["1", "True", "yes", ""])
def test_show_service_says_true_or_nothing(anna: Front, word: str) -> None:
    assert "services" not in anna.get("/monitoring/hosts", show_service=word).json()["result"][0]


def test_a_list_of_services_names_the_host_of_each(anna: Front) -> None:
    body = anna.get("/monitoring/services").json()
    assert body["meta"]["total"] == 3
    assert body["result"][0] == DISK_MAIN | {"host": DB01_MIN}
    assert body["result"][2]["host"] == {"id": 13, "alias": "web01", "display_name": "web01", "name": "web01", "state": 4}


def test_the_services_of_one_host(anna: Front) -> None:
    body = anna.get("/monitoring/hosts/12/services").json()
    assert (body["meta"]["total"], body["result"][0], body["result"][1]["id"]) == (2, DISK_MAIN, 52)


@pytest.mark.parametrize(("version", "attempt"), [("beta", 3), ("v2", 3), ("v2.1", 3), ("v21.10", "3"), ("v25.10", "3")])
def test_the_attempt_of_a_service_is_text_since_the_product_versions(anna: Front, version: str, attempt: object) -> None:
    front = anna.under(version)
    assert front.get("/monitoring/hosts/12/services/51").json()["check_attempt"] == attempt
    assert front.get("/monitoring/services").json()["result"][0]["check_attempt"] == attempt
    assert front.get("/monitoring/hosts/12").json()["check_attempt"] == 2


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({"limit": "2"}, [12, 13]),
        ({"limit": "2", "page": "2"}, [8_589_934_593]),
        ({"limit": "2", "page": "3"}, []),
        ({"limit": "0"}, []),
        ({"limit": "9999"}, [12, 13, 8_589_934_593]),
        ({"search": "{}", "sort_by": ""}, [12, 13, 8_589_934_593]),
    ],
)
def test_paging(anna: Front, params: dict[str, str], ids: list[int]) -> None:
    body = anna.get("/monitoring/hosts", **params).json()
    assert [row["id"] for row in body["result"]] == ids
    assert body["meta"]["total"] == 3
    assert (body["meta"]["limit"], body["meta"]["page"]) == (int(params.get("limit", "10")), int(params.get("page", "1")))


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"limit": "-1"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "1.5"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"limit": "９"}, "limit"),
        ({"limit": "99999999999999999999999"}, "limit"),
        ({"page": "0"}, "page"),
        ({"page": "2147483648"}, "page"),
        ({"search": '{"host.nane":"db01"}'}, "search"),
        ({"search": "not json"}, "search"),
        ({"sort_by": '{"host.name"'}, "sort_by"),
        ({"filter[host.nane]": "db01"}, "host.nane"),
    ],
)
@pytest.mark.parametrize("path", ["/monitoring/hosts", "/monitoring/services", "/monitoring/downtimes", "/acknowledgments/hosts"])
def test_what_a_list_cannot_honour_is_refused_by_name(anna: Front, path: str, params: dict[str, str], named: str) -> None:
    answer = anna.get(path, **params)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert named in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/monitoring/hosts/99", "Host not found"),
        ("/monitoring/hosts/99999999999999999999", "Host not found"),
        ("/monitoring/hosts/" + "9" * 5000, "Host not found"),
        ("/monitoring/hosts/99/services", "Host not found"),
        ("/monitoring/hosts/99/services/51", "Host not found"),
        ("/monitoring/hosts/12/services/99", "Service not found"),
        ("/monitoring/hosts/13/services/51", "Service not found"),
    ],
)
def test_unknown_ids(anna: Front, path: str, message: str) -> None:
    answer = anna.get(path)
    assert said(answer) == (404, {"code": 404, "message": message})


@pytest.mark.parametrize("segment", ["db01", "-1", "1.0", "1e3", "１２", "12%20", "0x0c", "%2e%2e"])
def test_an_id_is_digits(anna: Front, segment: str) -> None:
    answer = anna.get(f"/monitoring/hosts/{segment}/services")
    assert answer.status_code == 404
    assert answer.json()["message"].startswith("No route found for")


def test_out_of_scope_is_unknown(front: Front) -> None:
    dora = front.login("dora")
    assert [row["name"] for row in dora.get("/monitoring/hosts").json()["result"]] == ["db01"]
    assert dora.get("/monitoring/services").json()["meta"]["total"] == 2
    for path in ("/monitoring/hosts/13", "/monitoring/hosts/13/services", "/monitoring/hosts/13/services/53"):
        assert said(dora.get(path)) == (404, {"code": 404, "message": "Host not found"}), path


def test_what_stands_on_an_object_is_shown_in_it(anna: Front) -> None:
    def times(id: int, **more: Any) -> Any:
        return entry(id, start_time=NOW, end_time=NOW + 60, fixed=True, **more)

    anna.desk.stored = [
        times(1),
        times(2, service="Disk /var"),
        times(3, present=False),
        times(4, host="web01"),
        entry(5, "acknowledgement", sticky=True),
        entry(6, "acknowledgement", service="Disk /var", sticky=False),
        entry(7, "acknowledgement", service="Ping"),
        entry(8, "acknowledgement", present=False),
    ]
    host = anna.get("/monitoring/hosts/12").json()
    service = anna.get("/monitoring/hosts/12/services/51").json()
    assert ([row["id"] for row in host["downtimes"]], host["acknowledgement"]["id"]) == ([1], 5)
    assert ([row["id"] for row in service["downtimes"]], service["acknowledgement"]["id"]) == ([2], 6)
