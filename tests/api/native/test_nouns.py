"""Downtimes, acknowledgements, comments, checks, results and commands: what is asked is what is journalled, and can be undone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.support_desk import NOW, Fate, Front


def _command(front: Front, target: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST, and give back the one command that was journalled."""
    reply = front.post(target, body)
    assert reply.status == 202, reply.body
    assert len(reply.json["commands"]) == 1
    shown: dict[str, Any] = front.get(reply.headers["location"]).json
    return shown


# --- downtimes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "start", "end", "fixed", "duration"),
    [
        ({"duration": 3600}, 0, 3600, True, 3600),
        ({"duration": "90m"}, 0, 5400, True, 5400),
        ({"end": "+2h"}, 0, 7200, True, 7200),
        ({"start": "now", "end": "+2h"}, 0, 7200, True, 7200),
        ({"start": "+1h", "end": "+2h"}, 3600, 7200, True, 3600),
        ({"start": "+1h", "duration": "2h"}, 3600, 10_800, True, 7200),
        ({"start": "-10m", "duration": "2h"}, -600, 6600, True, 7200),
        ({"start": NOW, "end": NOW + 60, "duration": 60}, 0, 60, True, 60),
        ({"start": NOW, "end": NOW + 60.5, "duration": 60}, 0, 60, True, 60),
        ({"start": "2027-01-15T09:00:00+01:00", "end": "2027-01-15T08:01:00.5Z"}, 0, 60, True, 60),
        ({"end": "+2h", "duration": 600, "fixed": False}, 0, 7200, False, 600),
        ({"duration": 600, "fixed": False}, 0, 600, False, 600),
        ({"end": "+10m", "duration": "1h", "fixed": False}, 0, 600, False, 3600),
    ],
)
def test_the_window(front: Front, asked: dict[str, Any], start: int, end: int, fixed: bool, duration: int) -> None:
    command = _command(front, "/v1/downtimes", {"host": "web01", "comment": "c", **asked})
    arguments = command["arguments"]
    assert command["command"] == "SCHEDULE_HOST_DOWNTIME"
    assert (arguments["start"] - NOW, arguments["end"] - NOW) == (start, end)
    assert (arguments["fixed"], arguments["duration"]) == (fixed, duration)
    shown = front.get(f"/v1/downtimes/{command['entry_id']}").json
    assert shown["fixed"] is fixed and shown["proof"] == "accepted" and shown["present"] is True
    assert front.get(f"/v1/downtimes/{command['entry_id']}").json == front.get("/v1/downtimes").json["items"][0]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "end"),
        ({"start": "+1h"}, "end"),
        ({"end": "+2h", "fixed": False}, "duration"),
        ({"end": "+2h", "duration": "1h"}, "duration"),
        ({"start": NOW, "end": NOW + 60, "duration": 62}, "duration"),
        ({"end": "2027-01-15T10:00:00"}, "end"),
        ({"start": "2027-01-15T10:00:00", "end": "+9h"}, "start"),
        ({"end": "-1h", "start": "-2h"}, "end"),
        ({"start": "+2h", "end": "+1h"}, "end"),
        ({"start": "+2h", "end": "+2h"}, "end"),
        ({"end": "now"}, "end"),
        ({"duration": 0}, "duration"),
        ({"duration": "-1h"}, "duration"),
        ({"duration": "1h", "comment": " "}, "comment"),
        ({"duration": "1h", "comment": ""}, "comment"),
        ({"duration": "1h", "comment": "x" * 5000}, "comment"),
        ({"duration": "1h", "author": "a;b"}, "author"),
        ({"duration": "1h", "author": ""}, "author"),
    ],
)
def test_what_no_core_would_schedule(front: Front, asked: dict[str, Any], field: str) -> None:
    members = front.post("/v1/downtimes", {"host": "web01", "comment": "c", **asked}).problem(422, "invalid_field")
    assert members["field"] == field and field in members["detail"]
    assert front.get("/v1/commands").json["total"] == 0


def test_the_hook_of_the_thread_works_for_two_named_services(front: Front) -> None:
    body = {"host": "web01", "services": ["HTTP", "Disk /var"], "start": "2027-01-15T08:00:00Z", "end": "2027-01-15T09:00:00Z"}
    reply = front.post("/v1/downtimes", {**body, "comment": "Security updates"})
    assert [(item["command"], item["service"]) for item in reply.json["commands"]] == [
        ("SCHEDULE_SVC_DOWNTIME", "HTTP"),
        ("SCHEDULE_SVC_DOWNTIME", "Disk /var"),
    ]
    assert reply.json["id"] == reply.json["ids"][0] == reply.json["commands"][0]["id"]
    assert {item["id"] for item in front.get("/v1/downtimes").json["items"]} == set(reply.json["ids"])


def test_one_unknown_service_of_several_and_nothing_is_set(front: Front) -> None:
    body = {"host": "web01", "services": ["HTTP", "nope"], "duration": 60, "comment": "c"}
    front.post("/v1/downtimes", body).problem(404, "unknown_service")
    assert front.get("/v1/commands").json["total"] == 0


def test_with_services(front: Front) -> None:
    reply = front.post("/v1/downtimes", {"host": "db01", "with_services": True, "duration": 60, "comment": "c"})
    assert [item["command"] for item in reply.json["commands"]] == ["SCHEDULE_HOST_DOWNTIME", "SCHEDULE_HOST_SVC_DOWNTIME"]
    assert {item["service"] for item in front.get("/v1/downtimes").json["items"]} == {None, "SQL"}
    assert front.get(f"/v1/downtimes/{reply.json['id']}").json["service"] is None


def test_only_an_admin_signs_as_somebody_else(front: Front) -> None:
    for target in ("/v1/downtimes", "/v1/comments", "/v1/acknowledgements"):
        body = {"host": "db01", "comment": target, "author": "night shift"} | ({"duration": 60} if "down" in target else {})
        front.by("olga").post(target, body).problem(403, "forbidden")
        assert _command(front, target, body)["author"] == "night shift"
    assert _command(front.by("olga"), "/v1/comments", {"host": "db01", "comment": "c", "author": "olga"})["author"] == "olga"


# --- acknowledgements -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "flags"),
    [
        ({}, (True, True, False)),
        ({"sticky": False}, (False, True, False)),
        ({"notify": False}, (True, False, False)),
        ({"persistent": True}, (True, True, True)),
    ],
)
def test_acknowledging(front: Front, asked: dict[str, Any], flags: tuple[bool, bool, bool]) -> None:
    command = _command(front, "/v1/acknowledgements", {"host": "web01", "service": "HTTP", "comment": "on it", **asked})
    assert command["command"] == "ACKNOWLEDGE_SVC_PROBLEM"
    names = ("sticky", "notify", "persistent")
    assert tuple(command["arguments"][name] for name in names) == flags
    shown = front.get(f"/v1/acknowledgements/{command['entry_id']}").json
    assert tuple(shown[name] for name in names) == flags
    assert (shown["state"], shown["comment"], shown["service"]) == (2, "on it", "HTTP")
    assert front.get("/v1/acknowledgements?host=web01").json["items"] == [shown]


def test_what_is_ok_is_not_acknowledged(front: Front) -> None:
    front.post("/v1/acknowledgements", {"host": "web01", "comment": "c"}).problem(409, "not_possible")
    front.delete("/v1/acknowledgements?host=db01").problem(409, "not_possible")
    front.delete("/v1/acknowledgements?service=HTTP").problem(422, "invalid_field")
    assert front.get("/v1/commands").json["total"] == 0


def test_an_acknowledgement_is_taken_back_by_id_or_by_name(front: Front) -> None:
    for target in ("/v1/acknowledgements/{id}", "/v1/acknowledgements?host=web01&service=HTTP&poller=north"):
        made = front.post("/v1/acknowledgements", {"host": "web01", "service": "HTTP", "comment": "c"}).json["id"]
        reply = front.delete(target.replace("{id}", str(made)))
        assert (reply.status, reply.json["state"], reply.json["id"]) == (200, "confirmed", made)
        assert front.get(f"/v1/acknowledgements/{made}").json["present"] is False


# --- comments -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "persistent"), [({}, True), ({"persistent": False}, False)])
def test_commenting(front: Front, asked: dict[str, Any], persistent: bool) -> None:
    command = _command(front, "/v1/comments", {"host": "web01", "comment": "c; with both; semicolons", **asked})
    assert (command["command"], command["arguments"]["persistent"]) == ("ADD_HOST_COMMENT", persistent)
    shown = front.get(f"/v1/comments/{command['entry_id']}").json
    assert (shown["comment"], shown["persistent"], shown["author"]) == ("c; with both; semicolons", persistent, "anna")


# --- all three ------------------------------------------------------------------------------------------------------------------

BODIES = {
    "downtimes": {"host": "db01", "duration": 60, "comment": "c"},
    "acknowledgements": {"host": "db01", "comment": "c"},
    "comments": {"host": "db01", "comment": "c"},
}


@pytest.mark.parametrize("noun", BODIES)
def test_what_was_not_sent_is_withdrawn_and_says_so(front: Front, noun: str) -> None:
    made = front.post(f"/v1/{noun}", BODIES[noun])
    entry = made.json["id"]
    deleted = front.delete(f"/v1/{noun}/{entry}")
    assert (deleted.status, deleted.json["state"], deleted.json["id"]) == (200, "confirmed", entry)
    assert "withdrawn" in deleted.json["detail"]
    assert deleted.json["commands"][0]["state"] == "cancelled"
    front.delete(f"/v1/{noun}/{entry}").problem(409, "not_possible")
    for present, ids in (("true", []), ("false", [entry]), ("any", [entry])):
        assert [item["id"] for item in front.get(f"/v1/{noun}?present={present}").json["items"]] == ids
    assert front.get(f"/v1/{noun}").json["total"] == 0
    front.get(f"/v1/{noun}?present=perhaps").problem(422, "invalid_field")


@pytest.mark.parametrize("noun", BODIES)
@pytest.mark.parametrize("entry", ["0", "-1", "1", "x", "1.0", "9" * 30, "9223372036854775808", "%D9%A1", "1%20"])
def test_no_such_entry(front: Front, noun: str, entry: str) -> None:
    front.get(f"/v1/{noun}/{entry}").problem(404, "unknown_object")
    front.delete(f"/v1/{noun}/{entry}").problem(404, "unknown_object")


def test_an_id_belongs_to_its_noun(front: Front) -> None:
    for noun, body in BODIES.items():
        made = front.post(f"/v1/{noun}", body).json["id"]
        for other in BODIES:
            assert (front.get(f"/v1/{other}/{made}").status == 200) == (other == noun)


@pytest.mark.parametrize("noun", BODIES)
def test_entries_are_filtered_and_paged(front: Front, noun: str) -> None:
    made = []
    for number in range(3):
        for poller in ("north", "south"):
            body = BODIES[noun] | {"host": "shared", "service": "HTTP", "poller": poller, "comment": f"c{number}"}
            reply = front.post(f"/v1/{noun}", body)
            if reply.status == 202:
                made.append(reply.json["id"])
    items = front.get(f"/v1/{noun}").json["items"]
    assert [item["id"] for item in items] == sorted(made, reverse=True)
    assert {item["poller"] for item in front.get(f"/v1/{noun}?poller=south").json["items"]} == {"south"}
    assert front.get(f"/v1/{noun}?host=web01").json["total"] == 0
    assert front.get(f"/v1/{noun}?host=shared&service=HTTP").json["total"] == len(made)
    page = front.get(f"/v1/{noun}?limit=1&offset=1").json
    assert (page["total"], [item["id"] for item in page["items"]]) == (len(made), sorted(made, reverse=True)[1:2])


# --- checks and results ---------------------------------------------------------------------------------------------------------


def test_forcing_checks(front: Front) -> None:
    now = _command(front, "/v1/checks", {"host": "web01"})
    assert (now["command"], now["arguments"]["at"], now["entry_id"]) == ("SCHEDULE_FORCED_HOST_CHECK", NOW, None)
    later = _command(front, "/v1/checks", {"host": "web01", "service": "Disk /var", "at": "+5m"})
    assert (later["command"], later["service"], later["arguments"]["at"]) == ("SCHEDULE_FORCED_SVC_CHECK", "Disk /var", NOW + 300)
    both = front.post("/v1/checks", {"host": "web01", "services": ["HTTP", "Disk /var"]})
    assert (len(both.json["commands"]), both.json["id"], both.json["ids"]) == (2, None, [])
    front.post("/v1/checks", {"host": "web01", "comment": "c"}).problem(422, "invalid_field")
    front.desk.fates = (Fate("confirmed"),)
    assert front.post("/v1/checks", {"host": "web01"}).status == 200


def test_submitting_results(front: Front) -> None:
    results: list[dict[str, Any]] = [
        {"host": "web01", "return_code": 1, "plugin_output": "down"},
        {
            "host": "web01",
            "service": "Disk /var",
            "return_code": 3,
            "plugin_output": "no idea",
            "perf_data": "a=1",
            "checked_at": "-30s",
        },
        {"host": "shared", "poller": "south", "service": "HTTP", "return_code": 0, "plugin_output": "up"},
    ]
    lives = [_command(front, "/v1/results", {"results": [result]}) for result in results]
    assert [life["command"] for life in lives] == [
        "PROCESS_HOST_CHECK_RESULT",
        "PROCESS_SERVICE_CHECK_RESULT",
        "PROCESS_SERVICE_CHECK_RESULT",
    ]
    assert [life["poller"] for life in lives] == ["north", "north", "south"]
    assert [life["arguments"]["return_code"] for life in lives] == [1, 3, 0]
    assert [life["arguments"]["output"] for life in lives] == ["down", "no idea|a=1", "up"]
    assert [life["arguments"]["checked_at"] for life in lives] == [NOW, NOW - 30, NOW]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"return_code": 4}, "results[1].return_code"),
        ({"return_code": -1}, "results[1].return_code"),
        ({"return_code": "2"}, "results[1].return_code"),
        ({"return_code": True}, "results[1].return_code"),
        ({"service": None, "return_code": 3}, "results[1].return_code"),
        ({"output": "x"}, "results[1].output"),
        ({"checked_at": "yesterday"}, "results[1].checked_at"),
        ({"checked_at": "2027-01-15T08:00:00"}, "results[1].checked_at"),
        ({"host": ""}, "results[1].host"),
        ({"services": ["HTTP"]}, "results[1].services"),
    ],
)
def test_a_bad_result_is_named_and_none_is_submitted(front: Front, change: dict[str, Any], field: str) -> None:
    good = {"host": "web01", "service": "HTTP", "return_code": 2, "plugin_output": "x"}
    members = front.post("/v1/results", {"results": [good, good | change]}).problem(422, "invalid_field")
    assert members["field"] == field
    assert front.get("/v1/commands").json["total"] == 0


def test_results_are_at_least_one(front: Front) -> None:
    for body in ({"results": []}, {}):
        assert front.post("/v1/results", body).problem(422, "invalid_field")["field"] == "results"


# --- commands -------------------------------------------------------------------------------------------------------------------


def test_commands_are_listed_and_filtered(front: Front) -> None:
    first = front.post("/v1/comments", {"host": "web01", "comment": "one"}).json["commands"][0]["command_id"]
    second = front.post("/v1/comments", {"host": "branch01", "comment": "two"}).json["commands"][0]["command_id"]
    front.delete(f"/v1/commands/{first}")

    def ids(query: str) -> list[str]:
        return [item["id"] for item in front.get(f"/v1/commands?{query}").json["items"]]

    assert ids("") == [second, first]
    assert ids("state=accepted") == [second] and ids("state=cancelled") == [first] and ids("state=confirmed") == []
    assert ids("poller=south") == [second] and ids("poller=1") == [first]
    assert ids("host=web01") == [first] and ids("host=nope") == []
    assert ids("limit=1") == [second] and ids("limit=1&offset=1") == [first]
    assert front.get("/v1/commands?state=done").problem(422, "invalid_field")["field"] == "state"


def test_a_command_is_withdrawn_before_it_is_written_only(front: Front) -> None:
    made = front.post("/v1/comments", {"host": "web01", "comment": "one"})
    target = made.headers["location"]
    reply = front.delete(target)
    assert (reply.status, reply.json["state"], reply.json["final"]) == (200, "cancelled", True)
    assert reply.headers["signalbox-command"] == reply.json["id"]
    assert [step["state"] for step in reply.json["steps"]] == ["accepted", "cancelled"]
    assert front.get(f"/v1/comments/{made.json['id']}").json["present"] is False
    front.delete(target).problem(409, "not_possible")
    front.delete("/v1/commands/nope").problem(404, "unknown_object")
    front.get("/v1/commands/nope").problem(404, "unknown_object")
    front.get("/v1/commands/nope?wait=1").problem(404, "unknown_object")


def test_the_ids_of_a_hosts_downtime_with_services_are_all_that_were_made(front: Front) -> None:
    """One command makes those of all services: whoever keeps the ids to delete by them would leave all but one standing."""
    body = {"host": "web01", "duration": 3600, "comment": "all of it", "with_services": True}
    made, joined = (front.post("/v1/downtimes?wait=0", body).json for _ in range(2))
    standing = {item["id"] for item in front.get("/v1/downtimes?limit=200").json["items"]}
    assert len(standing) > len(made["commands"]) and set(made["ids"]) == standing
    assert joined["joined"] and joined["ids"] == made["ids"]
