"""Calls for many targets over HTTP: exactly one way of naming, plans, limits, and deletion by meaning."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.support_desk import Front

DOWNTIME = {"duration": 60, "comment": "c"}
NOUNS = ("/v1/downtimes", "/v1/acknowledgements", "/v1/comments")


@pytest.mark.parametrize("path", NOUNS)
@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({}, "host"),
        ({"service": "HTTP"}, "host"),
        ({"host": "web01", "hostgroup": "web"}, "hostgroup"),
        ({"hostgroup": "web", "servicegroup": "sites"}, "servicegroup"),
        ({"host": "web01", "filter": {"host.name": "web01"}}, "filter"),
        ({"hostgroup": "web", "match": {"state": "DOWN"}}, "match"),
        ({"hostgroup": "web", "service": "HTTP"}, "service"),
        ({"hostgroup": "web", "services": ["HTTP"]}, "services"),
        ({"host": "web01", "on": "hosts"}, "on"),
        ({"filter": {"host.name": "web01"}}, "on"),
        ({"match": {"state": "DOWN"}}, "on"),
        ({"filter": {}, "on": "hosts"}, "filter"),
        ({"filter": " ", "on": "hosts"}, "filter"),
        ({"match": {"state": 1}, "on": "hosts"}, "match"),
        ({"host": "web01", "service": "HTTP", "services": ["SQL"]}, "services"),
    ],
)
def test_there_is_exactly_one_way_of_naming(front: Front, path: str, named: dict[str, Any], field: str) -> None:
    body = named | (DOWNTIME if path == "/v1/downtimes" else {"comment": "c"})
    problem = front.post(path, body).problem(422, "invalid_field")
    assert str(problem["field"]).startswith(field), problem


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"hostgroup": "web", "with_services": True}, "with_services"),
        ({"hostgroup": "web", "with_children": "triggered"}, "with_children"),
        ({"host": "web01", "service": "HTTP", "with_children": "triggered"}, "with_children"),
        ({"host": "web01", "with_services": True, "with_children": "independent"}, "with_children"),
        ({"host": "web01", "with_children": True}, "with_children"),
    ],
)
def test_extent_goes_with_a_host_alone(front: Front, more: dict[str, Any], field: str) -> None:
    assert front.post("/v1/downtimes", DOWNTIME | more).problem(422, "invalid_field")["field"] == field


def test_a_hosts_downtime_goes_by_its_id_together_with_those_of_its_services(front: Front) -> None:
    made = front.post("/v1/downtimes?wait=0", DOWNTIME | {"host": "db01", "with_services": True}).json["ids"]
    (other,) = front.post("/v1/downtimes?wait=0", DOWNTIME | {"host": "db01", "service": "SQL", "comment": "another"}).json["ids"]
    target = f"/v1/downtimes/{made[0]}?wait=0"
    assert front.delete(target + "&with_services=true", idempotency_key="k").json["total"] == 2
    assert front.delete(target + "&with_services=true", idempotency_key="k").json["total"] == 2
    front.delete(target + "&with_services=true").problem(409, "not_possible")
    front.delete("/v1/downtimes/1?with_services=true").problem(404, "unknown_object")
    assert front.delete(f"/v1/downtimes/{other}?wait=0&with_services=true").json["ids"] == [other], "a service's goes alone"


@pytest.mark.parametrize("path", NOUNS)
def test_a_dry_run_gives_a_plan_that_is_applied_once_it_is_sent_back(front: Front, path: str) -> None:
    body = {"filter": {"host.name": "db01"}, "on": "hosts", "comment": "c"} | (DOWNTIME if path == "/v1/downtimes" else {})
    plan = front.post(path, body | {"dry_run": True})
    assert plan.status == 200 and plan.json["targets"] == 1
    assert plan.json["pollers"] == [{"poller": "north", "targets": 1}]
    assert front.get("/v1/commands").json["total"] == 0
    done = front.post(path, body | {"plan": plan.json["plan"]})
    assert done.status == 202 and done.json["total"] == 1
    operation = front.get(f"/v1/operations/{done.json['operation']}").json
    assert [item["host"] for item in operation["items"]] == ["db01"] and operation["progress"]["storing"] == "complete"
    changed = front.post(path, body | {"plan": plan.json["plan"], "comment": "d"})
    assert changed.problem(409, "plan_changed")["plan"] == plan.json["plan"]


def test_relative_times_do_not_change_a_plan(front: Front) -> None:
    body = {"hostgroup": "web", "comment": "c", "end": "+2h"}
    plan = front.post("/v1/downtimes", body | {"dry_run": True}).json
    front.clock.at += 30
    assert front.post("/v1/downtimes", body | {"plan": plan["plan"]}).status == 202


def test_a_group_fans_out_and_answers_for_each(front: Front) -> None:
    answer = front.post("/v1/downtimes", DOWNTIME | {"hostgroup": "web", "on": "both", "poller": "south"})
    assert answer.status == 202
    assert {(one["poller"], one["host"], one["service"]) for one in answer.json["commands"]} == {
        ("south", "shared", None), ("south", "shared", "HTTP"),
    }  # fmt: skip
    assert len(answer.json["ids"]) == answer.json["total"] == 2


def test_conflicts_refuse_or_are_skipped_and_told(front: Front) -> None:
    body = {"hostgroup": "web", "on": "both", "comment": "c", "match": None}
    problem = front.post("/v1/acknowledgements", body).problem(409, "conflicts")
    assert {one["reason"] for one in problem["conflicts"]} == {"not_possible"}
    done = front.post("/v1/acknowledgements", body | {"skip_conflicts": True})
    assert done.status == 202 and {one["state"] for one in done.json["commands"]} == {"accepted"}
    assert len(done.json["conflicts"]) == problem["total"]


def test_a_reference_is_shown_listed_and_deleted_by(front: Front) -> None:
    front.post("/v1/downtimes", DOWNTIME | {"host": "web01", "reference": "CHG1"})
    front.post("/v1/downtimes", DOWNTIME | {"host": "db01"})
    listed = front.get("/v1/downtimes?reference=CHG1").json
    assert [(one["host"], one["reference"]) for one in listed["items"]] == [("web01", "CHG1")]
    plan = front.delete("/v1/downtimes?reference=CHG1&dry_run=true").json
    assert [one["host"] for one in plan["items"]] == ["web01"]
    deleted = front.delete("/v1/downtimes?reference=CHG1")
    assert deleted.status == 200 and deleted.json["ids"] == [listed["items"][0]["id"]]
    assert front.get("/v1/downtimes").json["total"] == 1


@pytest.mark.parametrize("path", NOUNS)
def test_a_deletion_without_meaning_is_refused(front: Front, path: str) -> None:
    assert front.delete(path).problem(422, "invalid_field")["field"] == "host"
    assert front.delete(path + "?service=HTTP").problem(422, "invalid_field")["field"] == "host"
    assert front.delete(path + "?filter=%7B%7D").problem(422, "invalid_field")["field"] == "filter"
    front.delete(path + "?filter=%7B").problem(400, "invalid_search")
    front.delete(path + "?author=nobody").problem(404, "unknown_object")


def test_more_than_the_limit_says_how_to_go_on(front: Front) -> None:
    front.desk.config = front.desk.config.__class__(
        front.desk.config.data, front.desk.config.pollers, front.desk.config.settings.__class__(bulk_limit=1)
    )
    problem = front.post("/v1/comments", {"hostgroup": "web", "comment": "c"}).problem(422, "too_many_targets")
    assert (problem["targets"], problem["limit"]) == (3, 1)


def test_operations_are_listed_newest_first_and_unknown_ones_are(front: Front) -> None:
    for reference in ("A", "B"):
        front.post("/v1/comments", {"host": "web01", "comment": "c", "reference": reference})
    assert [one["reference"] for one in front.get("/v1/operations").json["items"]] == ["B", "A"]
    assert front.get("/v1/operations?reference=A").json["total"] == 1
    front.get("/v1/operations/none").problem(404, "unknown_object")
    operation = front.get("/v1/operations?reference=A").json["items"][0]["id"]
    front.get(f"/v1/operations/{operation}?state=nope").problem(422, "invalid_field")
