"""Downtimes: what the desk is asked, what is refused before it is asked, and how they are shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.desk import Target
from engine.errors import InvalidField, PollerAway
from tests.api.centreon.canned import Front, entry
from tests.api.support_desk import NOW

BODY = {"start_time": "2024-01-15T12:00:00Z", "end_time": "2024-01-15T15:30:00+02:00", "comment": "Kernel; reboot"}
NOON, HALF_PAST_ONE = 1_705_320_000.0, 1_705_325_400.0
HOST, SERVICE = "/monitoring/hosts/12/downtimes", "/monitoring/hosts/12/services/51/downtimes"
DB01, DISK = Target("db01", None, 1), Target("db01", "Disk /var", 1)
ASKED = {
    "start": NOON, "end": HALF_PAST_ONE, "fixed": True, "duration": None, "comment": "Kernel; reboot", "with_services": False,
    "author": None, "hold": False, "user": "anna",
}  # fmt: skip


def asked(front: Front) -> dict[str, Any]:
    ((name, arguments),) = front.desk.calls
    assert name == "schedule_downtime"
    return arguments


@pytest.mark.parametrize(("path", "target"), [(HOST, DB01), (SERVICE, DISK)])
def test_a_fixed_downtime_needs_no_duration(anna: Front, path: str, target: Target) -> None:
    answer = anna.post(path, BODY)
    assert (answer.status_code, answer.content) == (204, b"")
    assert asked(anna) == ASKED | {"targets": [target]}


def test_the_same_host_on_another_poller(anna: Front) -> None:
    assert anna.post("/monitoring/hosts/8589934593/downtimes", BODY).status_code == 204
    assert asked(anna)["targets"] == [Target("web01", None, 2)]


@pytest.mark.parametrize("duration", [0, 60, 5400])
def test_the_duration_of_a_fixed_one_does_not_count(anna: Front, duration: int) -> None:
    assert anna.post(HOST, BODY | {"is_fixed": True, "duration": duration}).status_code == 204
    assert asked(anna) == ASKED | {"targets": [DB01]}


def test_a_flexible_downtime_lasts_its_duration(anna: Front) -> None:
    assert anna.post(SERVICE, BODY | {"is_fixed": False, "duration": 900}).status_code == 204
    assert asked(anna) == ASKED | {"targets": [DISK], "fixed": False, "duration": 900.0}


@pytest.mark.parametrize("more", [{}, {"duration": None}, {"duration": 0}])
def test_a_flexible_downtime_without_duration(anna: Front, more: dict[str, Any]) -> None:
    answer = anna.post(HOST, BODY | {"is_fixed": False} | more)
    assert answer.status_code == 400
    assert "duration" in answer.json()["message"]
    assert anna.desk.calls == []


def test_with_services(anna: Front) -> None:
    assert anna.post(HOST, BODY | {"with_services": True}).status_code == 204
    assert asked(anna) == ASKED | {"targets": [DB01], "with_services": True}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"with_service": True}, "with_service"),
        ({"trigger_id": 0}, "trigger_id"),
        ({"start_time": "2024-01-15T12:00:00"}, "start_time"),
        ({"end_time": "tomorrow"}, "end_time"),
        ({"end_time": 1705320000}, "end_time"),
        ({"comment": None}, "comment"),
        ({"is_fixed": 1}, "is_fixed"),
        ({"is_fixed": "true"}, "is_fixed"),
        ({"duration": "3600"}, "duration"),
        ({"duration": -1}, "duration"),
        ({"duration": 1.5}, "duration"),
        ({"duration": 10**30}, "duration"),
        ({"with_services": "yes"}, "with_services"),
        ({"author_id": "3"}, "author_id"),
        ({"author_id": 0}, "author_id"),
        ({"author_id": 2**63}, "author_id"),
    ],
)
def test_a_field_that_would_have_no_effect_is_named(anna: Front, more: dict[str, Any], field: str) -> None:
    answer = anna.post(HOST, BODY | more)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert f"[{field}]" in answer.json()["message"]
    assert anna.desk.calls == []


@pytest.mark.parametrize("field", ["start_time", "end_time", "comment"])
@pytest.mark.parametrize("path", [HOST, SERVICE])
def test_what_must_be_there(anna: Front, path: str, field: str) -> None:
    answer = anna.post(path, {key: value for key, value in BODY.items() if key != field})
    assert (answer.status_code, answer.json()["message"]) == (400, f"[{field}] The property {field} is required")


def test_with_services_belongs_to_hosts(anna: Front) -> None:
    answer = anna.post(SERVICE, BODY | {"with_services": False})
    assert answer.status_code == 400
    assert "[with_services]" in answer.json()["message"]


def test_a_field_said_twice(anna: Front) -> None:
    text = b'{"start_time":"2024-01-15T12:00:00Z","end_time":"2024-01-15T13:00:00Z","comment":"a","comment":"b"}'
    answer = anna.send("POST", HOST, content=text)
    assert answer.status_code == 400
    assert "[comment]" in answer.json()["message"]
    assert anna.desk.calls == []


# --- on whose behalf ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("author_id", "author"), [(1, None), (2, "Olga Ops"), (3, "rita")])
def test_an_admin_names_the_author(anna: Front, author_id: int, author: str | None) -> None:
    assert anna.post(HOST, BODY | {"author_id": author_id}).status_code == 204
    assert asked(anna)["author"] == author


def test_an_author_nobody_knows(anna: Front) -> None:
    answer = anna.post(HOST, BODY | {"author_id": 99})
    assert answer.status_code == 400
    assert "[author_id]" in answer.json()["message"]
    assert anna.desk.calls == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (HOST, BODY), ("/monitoring/hosts/downtimes", [BODY | {"resource_id": 12}]),
        ("/monitoring/resources/downtime", {"downtime": BODY, "resources": [{"type": "host", "id": 12, "parent": None}]}),
    ],
)  # fmt: skip
def test_whatever_others_say_they_are_the_author(front: Front, path: str, body: Any) -> None:
    """Accepted as in the original, and never written; a header says so."""
    olga = front.login("olga")
    for author_id in (2, 1, 99):
        olga.desk.calls.clear()
        said = json.loads(json.dumps(body))
        one = said[0] if isinstance(said, list) else said.get("downtime", said)
        one["author_id"] = author_id
        answer = olga.post(path, said)
        assert answer.status_code == 204, answer.text
        assert ("the author is Olga Ops" in answer.headers.get("Signalbox-Note", "")) == (author_id != 2)
        ((_, call),) = olga.desk.calls
        assert call.get("author") is None
        assert [item.author for item in olga.desk.items] == ([] if path == HOST else [None])


# --- refusals -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/monitoring/hosts/99/downtimes", "/monitoring/hosts/12/services/53/downtimes"])
def test_an_unknown_object(anna: Front, path: str) -> None:
    assert anna.post(path, BODY).status_code == 404
    assert anna.desk.calls == []


def test_an_object_out_of_scope(front: Front) -> None:
    dora = front.login("dora")
    assert dora.post("/monitoring/hosts/13/downtimes", BODY).status_code == 404
    assert dora.post("/monitoring/hosts/12/downtimes", BODY).status_code == 204
    assert asked(dora)["targets"] == [DB01]


def test_a_core_that_is_away(anna: Front) -> None:
    anna.desk.refuses = PollerAway("central is not reading: nothing will be sent.")
    answer = anna.post(HOST, BODY)
    assert (answer.status_code, answer.json()["code"]) == (503, 503)
    assert int(answer.headers["retry-after"]) >= 1
    assert anna.desk.waits == []


def test_a_refusal_of_the_desk_is_the_callers_400(anna: Front) -> None:
    anna.desk.refuses = InvalidField("The window ends in the past.", field="end")
    assert anna.post(HOST, BODY).status_code == 400


# --- cancelling ---------------------------------------------------------------------------------------------------------------


def test_cancel(anna: Front) -> None:
    anna.desk.stored = [entry(329)]
    answer = anna.delete("/monitoring/downtimes/329")
    assert (answer.status_code, answer.content) == (204, b"")
    assert anna.desk.calls == [("delete_entry", {"kind": "downtime", "entry_id": 329, "hold": False, "user": "anna"})]


def test_cancel_takes_no_body(anna: Front) -> None:
    answer = anna.send("DELETE", "/monitoring/downtimes/329", content=b'{"with_services":true}')
    assert answer.status_code == 400
    assert "[with_services]" in answer.json()["message"]
    assert anna.desk.calls == []
    anna.desk.stored = [entry(329)]
    for nothing in (b"{}", b"[]", b" [] "):  # PHP's empty object
        assert anna.send("DELETE", "/monitoring/downtimes/329", content=nothing).status_code == 204
    assert anna.send("DELETE", "/monitoring/downtimes/329", content=b"[1]").status_code == 400


# --- lists --------------------------------------------------------------------------------------------------------------------


def downtime(id: int, **more: Any) -> Any:
    return entry(id, **({"start_time": NOW - 3600, "end_time": NOW + 3600, "fixed": True, "duration": 7200.0} | more))


def test_one_downtime_is_whole(anna: Front) -> None:
    anna.desk.stored = [
        downtime(
            329, service="Disk /var", author="rita", comment="Downtime set by rita", is_in_effect=True, actual_start=NOW - 3590,
            core_id=4, command_id="cmd-9",
        )
    ]  # fmt: skip
    assert anna.get("/monitoring/downtimes/329").json() == {
        "start_time": "2027-01-15T07:00:00Z", "end_time": "2027-01-15T09:00:00Z", "actual_start_time": "2027-01-15T07:00:10Z",
        "actual_end_time": None, "id": 329, "entry_time": "2027-01-15T07:59:00Z", "author_id": 3, "author_name": "rita",
        "host_id": 12, "service_id": 51, "is_cancelled": False, "comment": "Downtime set by rita", "deletion_time": None,
        "duration": 7200,
        "is_fixed": True, "poller_id": 1, "is_started": True,
        "signalbox": {"proof": "confirmed", "stands": True, "core_id": 4, "command": "cmd-9", "deleted_by": None},
    }  # fmt: skip


def test_a_cancelled_flexible_one_of_a_host(anna: Front) -> None:
    anna.desk.stored = [
        downtime(
            5, author="someone in the CGI", fixed=False, duration=900.0, is_in_effect=False, present=False, cancelled=True,
            deleted_at=NOW - 10, proof="seen", deleted_by="rita",
        )
    ]  # fmt: skip
    shown = anna.get("/monitoring/downtimes/5").json()
    expected = {
        "author_id": None, "author_name": "someone in the CGI", "service_id": 0, "is_cancelled": True, "duration": 900,
        "is_fixed": False, "is_started": False, "deletion_time": "2027-01-15T07:59:50Z", "actual_start_time": None,
    }  # fmt: skip
    assert {key: shown[key] for key in expected} == expected
    assert shown["signalbox"]["deleted_by"] == "rita"


@pytest.mark.parametrize(
    ("more", "started"),
    [
        ({"is_in_effect": True}, True),
        ({"is_in_effect": False}, False),
        ({"is_in_effect": None}, True),
        ({"is_in_effect": None, "start_time": NOW + 1}, False),
        ({"is_in_effect": None, "fixed": False}, False),
        ({"is_in_effect": None, "proof": "accepted"}, False),
        ({"is_in_effect": False, "actual_start": NOW - 5, "present": False}, True),
    ],
)
def test_has_it_started(anna: Front, more: dict[str, Any], started: bool) -> None:
    anna.desk.stored = [downtime(1, **more)]
    assert anna.get("/monitoring/downtimes/1").json()["is_started"] is started


def test_an_unknown_downtime(anna: Front) -> None:
    answer = anna.get("/monitoring/downtimes/404")
    assert (answer.status_code, answer.json()["code"]) == (404, 404)
    assert anna.get("/monitoring/downtimes/abc").json()["message"].startswith("No route found")


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/monitoring/downtimes", [6, 5, 4, 3, 2, 1]),
        ("/monitoring/downtimes?limit=2&page=2", [4, 3]),
        ("/monitoring/hosts/downtimes", [5, 3, 1]),
        ("/monitoring/services/downtimes", [6, 4, 2]),
        ("/monitoring/hosts/12/downtimes", [3, 1]),
        ("/monitoring/hosts/12/downtimes?with_services=true", [4, 3, 2, 1]),
        ("/monitoring/hosts/12/downtimes?show_service=true", [4, 3, 2, 1]),
        ("/monitoring/hosts/12/downtimes?with_services=1", [3, 1]),
        ("/monitoring/hosts/12/services/51/downtimes", [2]),
        ("/monitoring/hosts/12/services/52/downtimes", [4]),
        ("/monitoring/hosts/13/services/53/downtimes", [6]),
    ],
)
def test_lists(anna: Front, path: str, ids: list[int]) -> None:
    anna.desk.stored = [
        downtime(1),
        downtime(2, service="Disk /var"),
        downtime(3, present=False),
        downtime(4, service="Ping"),
        downtime(5, host="web01"),
        downtime(6, host="web01", service="HTTP"),
        entry(7, "acknowledgement"),
        entry(8, "comment"),
    ]
    body = anna.get(path).json()
    assert [row["id"] for row in body["result"]] == ids
    assert body["meta"]["total"] == (6 if "page" in path else len(ids))
    assert set(body["meta"]) == {"page", "limit", "search", "sort_by", "total"}


@pytest.mark.parametrize("path", ["/monitoring/hosts/99/downtimes", "/monitoring/hosts/12/services/53/downtimes"])
def test_lists_of_unknown_objects(anna: Front, path: str) -> None:
    assert anna.get(path).status_code == 404
