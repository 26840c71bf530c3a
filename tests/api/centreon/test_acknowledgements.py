"""Acknowledgements under the paths of all generations and both spellings."""

from __future__ import annotations

from typing import Any

import pytest

from engine.desk import Target
from engine.errors import NotPossible
from tests.api.centreon.canned import Front, entry, said
from tests.api.support_desk import NOW

SPELLINGS = ["acknowledgements", "acknowledgments"]
FLAGS = {"comment": "on it", "is_notify_contacts": False, "is_persistent_comment": True, "is_sticky": True}
ASKED = {"comment": "on it", "notify": False, "persistent": True, "sticky": True, "author": None, "hold": False, "user": "anna"}
DB01, DISK = Target("db01", None, 1), Target("db01", "Disk /var", 1)
HOST, SERVICE = "/monitoring/hosts/12", "/monitoring/hosts/12/services/51"
ADDS = [
    ("/{acks}/hosts", {"host_id": 12}, DB01),
    ("/{acks}/services", {"host_id": 12, "service_id": 51}, DISK),
    (HOST + "/{acks}", {}, DB01),
    (SERVICE + "/{acks}", {}, DISK),
]
CANCELS = [
    ("/{acks}/hosts/12", DB01),
    ("/{acks}/hosts/12/services/51", DISK),
    (HOST + "/{acks}", DB01),
    (SERVICE + "/{acks}", DISK),
]
both_spellings = pytest.mark.parametrize("spelling", SPELLINGS)


@both_spellings
@pytest.mark.parametrize(("path", "ids", "target"), ADDS)
def test_add(anna: Front, path: str, ids: dict[str, int], target: Target, spelling: str) -> None:
    answer = anna.post(path.format(acks=spelling), FLAGS | ids)
    assert (answer.status_code, answer.content) == (204, b"")
    assert anna.desk.calls == [("acknowledge", ASKED | {"targets": [target]})]
    assert answer.headers["signalbox-command"] == "cmd-1"


@pytest.mark.parametrize("flag", ["is_notify_contacts", "is_persistent_comment", "is_sticky"])
@pytest.mark.parametrize("value", [True, False])
def test_each_flag_reaches_the_desk(anna: Front, flag: str, value: bool) -> None:
    names = {"is_notify_contacts": "notify", "is_persistent_comment": "persistent", "is_sticky": "sticky"}
    flags = {"is_notify_contacts": not value, "is_persistent_comment": not value, "is_sticky": not value, flag: value}
    assert anna.post(f"{HOST}/acknowledgements", {"comment": "c"} | flags).status_code == 204
    assert {key: anna.desk.calls[0][1][names[key]] for key in flags} == flags


@pytest.mark.parametrize(("path", "ids", "target"), ADDS)
@pytest.mark.parametrize("field", list(FLAGS))
def test_nothing_is_guessed(anna: Front, path: str, ids: dict[str, int], target: Target, field: str) -> None:
    body = {key: value for key, value in (FLAGS | ids).items() if key != field}
    answer = anna.post(path.format(acks="acknowledgements"), body)
    assert (answer.status_code, answer.json()["message"]) == (400, f"[{field}] The property {field} is required")
    assert anna.desk.calls == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/acknowledgments/hosts", FLAGS, "host_id"),
        ("/acknowledgments/services", FLAGS | {"host_id": 12}, "service_id"),
        ("/acknowledgments/hosts", FLAGS | {"host_id": "12"}, "host_id"),
        ("/acknowledgments/hosts", FLAGS | {"host_id": 12, "service_id": 51}, "service_id"),
        ("/acknowledgments/hosts", FLAGS | {"host_id": 12, "with_services": True}, "with_services"),
        (f"{HOST}/acknowledgements", FLAGS | {"host_id": 13}, "host_id"),
        (f"{HOST}/acknowledgements", FLAGS | {"is_sticky": 1}, "is_sticky"),
        (f"{HOST}/acknowledgements", FLAGS | {"expire_time": "2024-01-15T12:00:00Z"}, "expire_time"),
        (f"{SERVICE}/acknowledgements", FLAGS | {"with_services": True}, "with_services"),
    ],
)
def test_a_field_that_would_have_no_effect_is_named(anna: Front, path: str, body: dict[str, Any], field: str) -> None:
    answer = anna.post(path, body)
    assert answer.status_code == 400
    assert f"[{field}]" in answer.json()["message"]
    assert anna.desk.calls == []


def test_with_services_takes_those_in_trouble(anna: Front) -> None:
    assert anna.post(f"{HOST}/acknowledgements", FLAGS | {"with_services": True}).status_code == 204
    assert anna.desk.calls == [("acknowledge", ASKED | {"targets": [DISK]})], "db01 is acknowledged, Ping is OK"


@pytest.mark.parametrize(
    ("path", "ids", "message"),
    [
        ("/acknowledgments/hosts", {"host_id": 99}, "Host not found"),
        ("/acknowledgments/services", {"host_id": 99, "service_id": 51}, "Host not found"),
        ("/acknowledgments/services", {"host_id": 12, "service_id": 53}, "Service not found"),
        ("/monitoring/hosts/99/acknowledgements", {}, "Host not found"),
        ("/monitoring/hosts/12/services/53/acknowledgements", {}, "Service not found"),
    ],
)
def test_unknown_objects(anna: Front, path: str, ids: dict[str, int], message: str) -> None:
    answer = anna.post(path, FLAGS | ids)
    assert said(answer) == (404, {"code": 404, "message": message})
    assert anna.desk.calls == []


def test_an_object_without_a_problem(anna: Front) -> None:
    anna.desk.refuses = NotPossible("db01 / Ping is OK (status file, 3 s old).")
    answer = anna.post("/monitoring/hosts/12/services/52/acknowledgements", FLAGS)
    assert said(answer) == (409, {"code": 409, "message": "db01 / Ping is OK (status file, 3 s old)."})


@both_spellings
@pytest.mark.parametrize(("path", "target"), CANCELS)
def test_cancel(anna: Front, path: str, target: Target, spelling: str) -> None:
    answer = anna.delete(path.format(acks=spelling))
    assert (answer.status_code, answer.content) == (204, b"")
    assert anna.desk.calls == [("remove_acknowledgement", {"targets": [target], "hold": False, "user": "anna"})]


@pytest.mark.parametrize("path", ["/acknowledgments/hosts/99", "/monitoring/hosts/12/services/53/acknowledgements"])
def test_cancel_of_unknown_objects(anna: Front, path: str) -> None:
    assert anna.delete(path).status_code == 404
    assert anna.desk.calls == []


def acknowledgement(id: int, **more: Any) -> Any:
    return entry(id, "acknowledgement", **({"sticky": True, "notify": False, "persistent": True, "state": 1} | more))


@both_spellings
@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/{acks}/hosts", [5, 3]),
        ("/{acks}/services", [6, 2]),
        ("/monitoring/{acks}", [6, 5, 4, 3, 2, 1]),
        ("/monitoring/{acks}?limit=2&page=2", [4, 3]),
        ("/monitoring/hosts/{acks}", [5, 3, 1]),
        ("/monitoring/services/{acks}", [6, 4, 2]),
        ("/monitoring/hosts/12/{acks}", [3, 1]),
        ("/monitoring/hosts/12/services/51/{acks}", [2]),
        ("/monitoring/hosts/13/services/53/{acks}", [6, 4]),
    ],
)
def test_lists(anna: Front, path: str, ids: list[int], spelling: str) -> None:
    anna.desk.stored = [
        acknowledgement(1, present=False),
        acknowledgement(2, service="Disk /var"),
        acknowledgement(3),
        acknowledgement(4, host="web01", service="HTTP"),
        acknowledgement(5, host="web01"),
        acknowledgement(6, host="web01", service="HTTP"),
        entry(7, start_time=NOW, end_time=NOW + 1, fixed=True),
    ]
    body = anna.get(path.format(acks=spelling)).json()
    assert [row["id"] for row in body["result"]] == ids
    assert body["meta"]["total"] == (6 if "page" in path else len(ids))


@both_spellings
def test_one_is_whole(anna: Front, spelling: str) -> None:
    anna.desk.stored = [
        acknowledgement(8, service="Disk /var", author="rita", state=2, notify=True, sticky=False, core_id=3, command_id="cmd-2"),
        acknowledgement(9, notify=None, persistent=None, present=False, cancelled=True, deleted_at=NOW - 1),
    ]
    assert anna.get(f"/monitoring/{spelling}/8").json() == {
        "id": 8, "author_id": 3, "author_name": "rita", "comment": "why", "deletion_time": None,
        "entry_time": "2027-01-15T07:59:00Z", "host_id": 12, "service_id": 51, "poller_id": 1, "is_notify_contacts": True,
        "is_persistent_comment": True,
        "is_sticky": False, "state": 2, "type": 1,
        "signalbox": {"proof": "confirmed", "stands": True, "core_id": 3, "command": "cmd-2", "deleted_by": None},
    }  # fmt: skip
    gone = anna.get(f"/monitoring/{spelling}/9").json()
    expected = {"service_id": 0, "type": 0, "is_notify_contacts": False, "is_persistent_comment": None, "is_sticky": True}
    assert {key: gone[key] for key in expected} == expected
    assert gone["deletion_time"] == "2027-01-15T07:59:59Z"
    assert anna.get(f"/monitoring/{spelling}/404").status_code == 404


def test_one_that_came_to_its_end_was_deleted_then(anna: Front) -> None:
    """Null would say that it stands."""
    anna.desk.stored = [
        acknowledgement(8, present=False, end_time=NOW - 5),
        acknowledgement(9, end_time=NOW + 5),
        acknowledgement(10, present=False, cancelled=True, end_time=NOW + 5, deleted_at=NOW - 1),
    ]
    ends = {row["id"]: row["deletion_time"] for row in anna.get("/monitoring/acknowledgements").json()["result"]}
    assert ends == {8: "2027-01-15T07:59:55Z", 9: None, 10: "2027-01-15T07:59:59Z"}
