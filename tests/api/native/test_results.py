"""Calls of several passive results: what is taken, what is refused and how it is named, who sees them, and what they look like."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

from engine.config import Settings
from engine.journal.calls import lines_of
from tests.api.support_desk import NOW, Front

GOOD: dict[str, Any] = {"host": "web01", "service": "HTTP", "return_code": 2, "plugin_output": "x"}


def _lines(front: Front) -> list[tuple[int, bytes]]:
    """Every stored line and its poller, in order."""
    with closing(sqlite3.connect(front.desk.config.data / "journal.db")) as connection:
        calls = connection.execute("SELECT id, poller FROM result_call ORDER BY seq").fetchall()
        return [(poller, line) for call, poller in calls for line in lines_of(connection, call)]


def test_several_are_one_row_per_poller_in_their_order(front: Front) -> None:
    results = [
        {"host": "web01", "return_code": 1, "plugin_output": "down"},
        {"host": "shared", "poller": "south", "service": "HTTP", "return_code": 0, "plugin_output": "up"},
        GOOD | {"service": "Disk /var", "return_code": 3, "plugin_output": "no\nidea", "perf_data": "a=1", "checked_at": "-30s"},
    ]
    reply = front.post("/v1/results?wait=0", {"results": results})
    assert reply.status == 202, reply.body
    made = reply.json
    assert (made["state"], made["final"], made["total"], made["counts"]["accepted"]) == ("accepted", False, 3, 3)
    assert [(part["poller"], part["total"]) for part in made["pollers"]] == [("north", 2), ("south", 1)]
    assert reply.headers["signalbox-command"] == ", ".join(part["id"] for part in made["pollers"])
    assert front.get(reply.headers["location"]).json == made
    assert front.get(f"/v1/results/{made['pollers'][1]['id']}").json["total"] == 1
    assert _lines(front) == [
        (1, b"[%d] PROCESS_HOST_CHECK_RESULT;web01;1;down\n" % NOW),
        (1, b"[%d] PROCESS_SERVICE_CHECK_RESULT;web01;Disk /var;3;no|a=1\\nidea\n" % (NOW - 30)),
        (2, b"[%d] PROCESS_SERVICE_CHECK_RESULT;shared;HTTP;0;up\n" % NOW),
    ]
    assert front.get("/v1/commands").json["total"] == 0


def test_what_cannot_be_taken_refuses_the_whole_call_and_all_of_it_is_named(front: Front) -> None:
    bad = [GOOD | {"host": "web0l"}, GOOD | {"service": "HTTPS"}, GOOD | {"host": "shared"}, GOOD | {"plugin_output": " "}]
    members = front.post("/v1/results?wait=0", {"results": [GOOD, *bad, GOOD]}).problem(422, "results_refused")
    assert members["count"] == 4
    assert [(one["index"], one["code"]) for one in members["refused"]] == [
        (1, "unknown_host"),
        (2, "unknown_service"),
        (3, "ambiguous"),
        (4, "invalid_field"),
    ]
    assert "web01" in members["refused"][0]["detail"]
    assert not _lines(front)


def test_thousands_of_unknown_names_are_all_counted_and_the_first_of_them_named(front: Front) -> None:
    results = [GOOD | {"host": f"nobody{n}"} for n in range(1500)]
    members = front.post("/v1/results?wait=0", {"results": results}).problem(422, "results_refused")
    assert (members["count"], len(members["refused"])) == (1500, 1000)
    assert all(one["host"] in one["detail"] for one in members["refused"])


def test_with_partial_the_rest_is_taken_and_the_failures_are_listed(front: Front) -> None:
    results = [GOOD | {"host": "nope"}, GOOD, GOOD | {"service": "nope"}]
    reply = front.post("/v1/results?wait=0", {"results": results, "partial": True})
    assert reply.status == 202, reply.body
    made = reply.json
    assert (made["total"], made["counts"]["accepted"], made["counts"]["refused"], made["failed"]) == (3, 1, 2, 2)
    assert [(one["index"], one["poller"], one["state"]) for one in made["failures"]] == [(0, None, "refused"), (2, None, "refused")]
    assert "nope" in made["failures"][0]["detail"]
    assert len(_lines(front)) == 1
    assert [one["index"] for one in front.get(f"/v1/results/{made['id']}?offset=1").json["failures"]] == [2]


def test_partial_with_nothing_left_is_a_problem(front: Front) -> None:
    reply = front.post("/v1/results?wait=0", {"results": [GOOD | {"host": "nope"}] * 2, "partial": True})
    assert reply.problem(422, "refused")["failed"] == 2


def test_more_than_a_call_may_hold_is_refused_by_name(front: Front) -> None:
    front.desk.config = _with(front, results_per_call=3)
    members = front.post("/v1/results?wait=0", {"results": [GOOD] * 4}).problem(422, "invalid_field")
    assert (members["field"], members["limit"]) == ("results", 3)
    assert front.post("/v1/results?wait=0", {"results": [GOOD] * 3}).status == 202


def test_more_than_may_be_under_way_is_told_to_come_again(front: Front) -> None:
    front.desk.config = _with(front, results_under_way=5)
    assert front.post("/v1/results?wait=0", {"results": [GOOD] * 3}).status == 202
    reply = front.post("/v1/results?wait=0", {"results": [GOOD] * 3})
    reply.problem(503, "too_many_results")
    assert int(reply.headers["retry-after"]) >= 1
    assert front.post("/v1/results?wait=0", {"results": [GOOD] * 2}).status == 202
    assert len(_lines(front)) == 5


def _with(front: Front, **settings: int) -> Any:
    return replace(front.desk.config, settings=replace(Settings(), **settings))  # type: ignore[arg-type]


def test_a_call_of_megabytes_is_taken_where_other_bodies_end_at_one(front: Front) -> None:
    results = [GOOD | {"plugin_output": "x" * 3000}] * 500
    assert front.post("/v1/results?wait=0", {"results": results}).status == 202
    assert (
        front.post("/v1/comments", {"host": "web01", "comment": "x" * (1 << 20)}).problem(413, "body_too_large")["limit"] == 1 << 20
    )


def test_calls_are_for_who_sent_them_and_for_whoever_sees_everything(front: Front) -> None:
    mine = front.by("olga").post("/v1/results?wait=0", {"results": [GOOD, GOOD]}).json["id"]
    assert front.by("olga").get(f"/v1/results/{mine}").status == 200
    assert front.by("anna").get(f"/v1/results/{mine}").status == 200
    front.by("wim").get(f"/v1/results/{mine}").problem(404, "unknown_object")
    front.by("rita").post("/v1/results", {"results": [GOOD, GOOD]}).problem(403, "forbidden")


def test_out_of_scope_is_unknown(front: Front) -> None:
    results = [GOOD, {"host": "db01", "return_code": 0, "plugin_output": "x"}]
    members = front.by("wim").post("/v1/results?wait=0", {"results": results}).problem(422, "results_refused")
    (refused,) = members["refused"]
    assert (refused["index"], refused["code"]) == (1, "unknown_host")


def test_a_call_nobody_knows(front: Front) -> None:
    front.get("/v1/results/01a2145c-33b3-7000-8ce8-d2b0ba0c8e33").problem(404, "unknown_object")


def test_a_call_that_was_not_written_is_withdrawn_by_its_sender(front: Front) -> None:
    """A sender could only watch thousands of wrong results wait for a core to come back."""
    body = {"results": [GOOD, GOOD, {"host": "shared", "poller": "south", "return_code": 0, "plugin_output": "up"}]}
    made = front.by("olga").post("/v1/results?wait=0", body).json
    path = f"/v1/results/{made['id']}"
    front.by("wim").delete(path).problem(404, "unknown_object")
    with closing(sqlite3.connect(front.desk.config.data / "journal.db")) as connection, connection:
        connection.execute("UPDATE result_call SET accepted = 0, written = total WHERE poller = 2")
    gone = front.by("olga").delete(path, idempotency_key="k")
    assert gone.status == 200, gone.body
    assert [(part["poller"], part["state"], part["final"]) for part in gone.json["pollers"]] == [
        ("north", "cancelled", True), ("south", "written", False),
    ]  # fmt: skip
    assert (gone.json["counts"]["cancelled"], gone.json["failed"]) == (2, 0)
    front.by("olga").delete(path).problem(409, "not_possible")
    assert front.by("olga").delete(path, idempotency_key="k").json == gone.json
    (commands,) = [one["commands"] for one in front.get("/v1/audit?user=olga").json["items"] if one["outcome"] == "accepted"][:1]
    assert [(one["state"], one["command"], one["poller"]) for one in commands] == [("cancelled", "results", "north")], (
        "what was sent already was not withdrawn, and the audit must not say so"
    )
