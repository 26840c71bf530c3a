"""Lists: searched, sorted, paged, projected, streamed; tagged with what they show; refused when too old or not understood."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest

from engine.formats.corelog import LogKind, StateEvent
from engine.model import Generation
from engine.state.frames import Begin, End, Failed, Rows
from engine.state.mirror import Mirror
from tests.api.native.test_state import H, S
from tests.api.support_desk import AGE_S, NOW, Front

LINES = "application/x-ndjson"


def _mirror(front: Front) -> Mirror:
    numbers = iter(range((2 << 32) + 900, (2 << 32) + 999))
    return Mirror.open(front.desk.config.data / "state.db", lambda poller, wanted: {key: next(numbers) for key in wanted})


def _names(front: Front, target: str) -> list[str]:
    return [
        ":".join(filter(None, (item.get("name") or item["host"], item.get("description"))))
        for item in front.get(target).json["items"]
    ]


def _searched(path: str, search: object, more: str = "") -> str:
    return f"{path}?search={quote(orjson.dumps(search))}{more}"


# --- an item of a list is the object itself ---------------------------------------------------------------------------------------


def test_an_item_is_what_the_object_is_when_asked_for_alone(front: Front) -> None:
    """Lists are made of columns, single objects of rows: every member must come out the same."""
    mirror = _mirror(front)
    mirror.apply([
        Begin(2, Generation(NOW - 2, NOW - 900, "4.4.6", NOW - 1), True),
        Rows((H, H._replace(name="new", has_been_checked=0, state=0, last_check=0.0)), (S, S._replace(host_name="new", state=3))),
        End(2, 2, 2, 0.01),
    ])  # fmt: skip
    mirror.close()
    for host in front.get("/v1/hosts?limit=0").json["items"]:
        alone = front.get(f"/v1/host?host={quote(host['name'], safe='')}&poller={host['poller']}").json
        assert host == alone | {"groups": None}
    for service in front.get("/v1/services?limit=0").json["items"]:
        where = (
            f"host={quote(service['host'], safe='')}&service={quote(service['description'], safe='')}&poller={service['poller']}"
        )
        assert service == front.get(f"/v1/service?{where}").json


# --- search, plain fields, order --------------------------------------------------------------------------------------------------


def test_search_and_plain_fields(front: Front) -> None:
    assert _names(front, _searched("/v1/hosts", {"name": {"$lk": "%b01"}})) == ["db01", "web01"]
    assert _names(front, _searched("/v1/hosts", {"name": {"$lk": "%b01"}}, "&state=DOWN")) == ["db01"]
    assert _names(front, "/v1/hosts?name=DB01") == ["db01"]
    assert _names(front, "/v1/hosts?name=DB01&name=web01") == ["db01", "web01"]
    assert _names(front, "/v1/hosts?_SITE=k%C3%B6ln&name=web01&hostgroup=web") == ["web01"]
    assert _names(front, "/v1/services?state=CRITICAL&state=UNKNOWN") == ["web01:HTTP", "shared:HTTP"]
    assert _names(front, "/v1/services?host.state=DOWN") == ["db01:SQL"]
    assert _names(front, "/v1/hosts/web01/services?unhandled=true") == ["web01:HTTP"]
    assert _names(front, "/v1/problems?state=DOWN") == ["db01"]
    assert _names(front, "/v1/problems?description=HTTP&host.name=web01") == ["web01"]
    assert front.get("/v1/hosts?last_state_change_older_than=11m").json["total"] == 0
    assert front.get("/v1/hosts?last_state_change_older_than=9m").json["total"] == front.get("/v1/hosts").json["total"]


def test_order_and_pages(front: Front) -> None:
    everything = _names(front, "/v1/services?limit=0&sort=-state,description,-host")
    assert everything[:4] == ["shared:HTTP", "web01:HTTP", "db01:SQL", "web01:#1?"]
    paged = [
        name for page in range(1, 40) for name in _names(front, f"/v1/services?limit=1&page={page}&sort=-state,description,-host")
    ]
    assert paged == everything
    assert _names(front, "/v1/hosts?sort=-poller.id,-name&limit=2") == ["shared", "branch01"]
    problems = front.get("/v1/problems?sort=-state,host").json["items"]
    assert [(item["host"], item["service"]) for item in problems] == [
        ("shared", "HTTP"), ("web01", "HTTP"), ("db01", None), ("db01", "SQL"),
    ]  # fmt: skip
    assert [
        item["id"] for page in (1, 2) for item in front.get(f"/v1/problems?sort=-state,host&limit=2&page={page}").json["items"]
    ] == [item["id"] for item in problems]
    assert front.get("/v1/hosts?page=2&offset=5").problem(422, "invalid_field")["field"] == "page"


def test_unhandled_problems_come_first_and_pages_of_them_add_up(front: Front) -> None:
    mirror = _mirror(front)
    mirror.apply([
        Begin(2, Generation(NOW - 2, NOW - 900, "4.4.6", NOW - 1), True),
        Rows((H, H._replace(name="p2", acknowledged=0, scheduled_downtime_depth=0)),
             (S, S._replace(host_name="p2"), S._replace(host_name="p2", description="x", acknowledged=1))),
        End(2, 2, 3, 0.01),
    ])  # fmt: skip
    mirror.close()
    items = front.get("/v1/problems").json["items"]
    found = [(item["host"], item["service"], item["handled"], item["behind_host"]) for item in items]
    assert found == [
        ("db01", None, False, False), ("p2", None, False, False),
        ("db01", "SQL", False, True), ("web01", "HTTP", False, False), ("p2", "odd service", False, True),
        ("odd01", None, True, False), ("odd01", "odd service", True, True), ("p2", "x", True, True),
    ]  # fmt: skip
    for limit in (1, 2, 3):
        pages = [front.get(f"/v1/problems?limit={limit}&offset={offset}").json for offset in range(0, 9, limit)]
        assert [item for page in pages for item in page["items"]] == items
        assert {page["total"] for page in pages} == {8}
    assert [item["host_state_name"] for item in items[:3]] == ["DOWN", "DOWN", "DOWN"]
    assert [item["age_s"] for item in items[-3:]] == [17.0, 37.0, 37.0]


@pytest.mark.parametrize(
    ("target", "facts"),
    [
        ("/v1/hosts?search={", {"position": 1}),
        (_searched("/v1/hosts", {"nane": "x"}), {"field": "nane"}),
        (_searched("/v1/hosts", {"name": {"$foo": "x"}}), {"field": "name", "operator": "$foo"}),
        ("/v1/hosts?state=BROKEN", {"field": "state", "value": "BROKEN"}),
        ("/v1/services?sort=-nothing", {"field": "nothing"}),
        ("/v1/services?fields=host,nothing", {"field": "nothing"}),
        (_searched("/v1/problems", {"alias": "x"}), {"field": "alias"}),
        ("/v1/hosts?sort=" + ",".join(["name"] * 11), {"field": "sort"}),
    ],
)
def test_what_is_not_understood_is_named(front: Front, target: str, facts: dict[str, object]) -> None:
    members = front.get(target).problem(400, "invalid_search")
    assert facts.items() <= members.items()


def test_a_parameter_that_is_no_field_is_named(front: Front) -> None:
    for target in ("/v1/hosts?plain=x", "/v1/problems?alias=x", "/v1/services?statee=2"):
        name = target.partition("?")[2].partition("=")[0]
        refused = front.get(target).problem(400, "invalid_search")
        assert refused["field"] == name and name in refused["detail"], target
    assert "did you mean state?" in front.get("/v1/services?statee=2").json["detail"]
    assert front.get("/v1/hosts?search={}&search={}").status == 422


# --- form -------------------------------------------------------------------------------------------------------------------------


def test_fields_are_those_asked_for_in_that_order(front: Front) -> None:
    items = front.get("/v1/services?host=web01&fields=state_name,description,last_check&limit=1").json["items"]
    assert [list(item) for item in items] == [["state_name", "description", "last_check"]]


def test_everything_is_streamed_as_one_document_or_line_by_line(front: Front) -> None:
    page = front.get("/v1/services?limit=1000").json
    whole = front.get("/v1/services?limit=0").json
    assert whole == page | {"limit": 0}
    lines = front.get("/v1/services?limit=0", accept=LINES)
    assert lines.headers["content-type"] == LINES
    assert [orjson.loads(line) for line in lines.body.splitlines()] == page["items"]
    assert int(lines.headers["signalbox-total"]) == page["total"]
    assert orjson.loads(lines.headers["signalbox-views"]) == page["views"]
    assert len(front.get("/v1/services?limit=3", accept=LINES).body.splitlines()) == 3
    assert front.get("/v1/services?limit=0&host=nope").problem(404, "unknown_host"), (
        "an error before the first byte is a whole answer"
    )
    assert front.ask("HEAD", "/v1/services?limit=0").body == b""


# --- tags -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["", "wim"])
@pytest.mark.parametrize("asked", ["", "&sort=-description,host", "&state=0&state=2", "&state=0&sort=-host"])
def test_long_lists_are_the_same_however_they_are_cut(front: Front, monkeypatch: pytest.MonkeyPatch, user: str, asked: str) -> None:
    """Of everything, of what a search or an order or a limited caller leaves: no row is lost, told twice or out of its place."""
    asker = front.by(user) if user else front
    whole = asker.get(f"/v1/services?limit=0{asked}").json
    assert len(whole["items"]) == whole["total"]
    monkeypatch.setattr("api.native.lists.ROWS_OF_FIRST_PIECE", 1)
    monkeypatch.setattr("api.native.lists.ROWS_PER_PIECE", 2)
    cut = asker.get(f"/v1/services?limit=0{asked}").json
    assert [item["id"] for item in cut["items"]] == [item["id"] for item in whole["items"]]
    lines = asker.get(f"/v1/services?limit=0{asked}", accept=LINES).body.splitlines()
    assert [orjson.loads(line)["id"] for line in lines] == [item["id"] for item in whole["items"]]


@pytest.mark.parametrize("target", ["/v1/hosts", "/v1/services?limit=0", "/v1/problems?state=DOWN"])
def test_an_answer_that_did_not_change_is_not_sent_again(front: Front, target: str) -> None:
    first = front.get(target)
    again = front.get(target, if_none_match=first.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert front.get(target, if_none_match='"other", ' + first.headers["etag"]).status == 304
    assert front.get(target, if_none_match='"other"').status == 200


def test_a_tag_is_another_when_anything_shown_is(front: Front) -> None:
    seen = [front.get("/v1/hosts").headers["etag"]]

    def differs(front: Front = front, target: str = "/v1/hosts", **headers: str) -> None:
        tag = front.get(target, **headers).headers["etag"]
        assert tag not in seen
        seen.append(tag)

    differs(target="/v1/hosts?limit=7")
    differs(target="/v1/hosts?state=UP")
    differs(target="/v1/hosts", accept=LINES)
    differs(front.by("wim"))
    mirror = _mirror(front)
    mirror.log_events(1, [StateEvent(int(NOW), LogKind.HOST_ALERT, "web01", None, 1, 0, 1, "x", "")])
    differs()
    mirror.apply([Failed(2, "missing", "gone")])
    differs()
    mirror.command_file_health(1, "no_reader", "")
    differs()
    mirror.close()
    front.clock.at += 1000
    differs()


def test_an_answer_that_changes_with_time_alone_has_no_tag(front: Front) -> None:
    assert "etag" not in front.get("/v1/hosts?last_check_older_than=1h").headers
    assert "etag" in front.get(f"/v1/hosts?last_check={int(NOW)}").headers


NOT_SORTED_BY = {"view", "custom_variables"}


@pytest.mark.parametrize("path", ["/v1/hosts", "/v1/services", "/v1/problems"])
def test_every_member_of_an_item_can_be_sorted_by_and_searched(front: Front, path: str) -> None:
    item = front.get(f"{path}?limit=1").json["items"][0]
    for name in item.keys() - NOT_SORTED_BY:
        assert front.get(f"{path}?sort=-{name}").status == 200, name
        assert front.get(_searched(path, {name: {"$neq": None}})).status == 200, name


def test_services_behind_a_host_in_trouble_are_found_by_what_the_list_calls_them(front: Front) -> None:
    problems = front.get("/v1/problems").json["items"]
    behind = [(item["host"], item["service"]) for item in problems if item["behind_host"]]
    assert behind
    found = front.get("/v1/problems?behind_host=true").json["items"]
    assert [(item["host"], item["service"]) for item in found] == behind
    down = front.get("/v1/problems?host_state_name=DOWN").json["items"]
    assert [item["id"] for item in down] == [item["id"] for item in problems if item["host_state_name"] == "DOWN"]
    assert {item["service"] is None for item in down} == {True, False}


# --- freshness --------------------------------------------------------------------------------------------------------------------


EVERY_LIST = (
    "/v1/services", "/v1/problems", "/v1/tactical", "/v1/hostgroups", "/v1/servicegroups", "/v1/contactgroups", "/v1/contacts",
    "/v1/timeperiods", "/v1/check-commands", "/v1/downtimes", "/v1/acknowledgements", "/v1/comments",
)  # fmt: skip


def test_older_views_are_refused_or_marked(front: Front) -> None:
    assert front.get(f"/v1/hosts?max_age={AGE_S + 1}").status == 200
    refused = front.get(f"/v1/hosts?max_age={AGE_S - 1}").problem(503, "status_file_stale")
    assert refused["pollers"] == ["north", "south"]
    marked = front.get(f"/v1/hosts?max_age={AGE_S - 1}&older=mark").json
    assert all(view["stale"] for view in marked["views"]) and all(item["view"]["stale"] for item in marked["items"])
    for path in EVERY_LIST:
        assert front.get(f"{path}?max_age={AGE_S + 1}").status == 200
        front.get(f"{path}?max_age={AGE_S - 1}").problem(503, "status_file_stale")
        answer = front.get(f"{path}?max_age={AGE_S - 1}&older=mark").json
        assert [(view["poller"], view["stale"]) for view in answer["views"]] == [("north", True), ("south", True)], path
    mirror = _mirror(front)
    mirror.configure([*front.desk.config.pollers, replace(front.desk.config.pollers[0], number=3, name="west")])
    mirror.close()
    never_read = front.get(f"/v1/hosts?max_age={AGE_S + 1}").problem(503, "status_file_stale")
    assert never_read["pollers"] == ["west"], "of what was never read nobody knows the age"
    front.clock.at += 3
    assert front.get("/v1/hosts?max_age=1&poller=north").problem(503, "status_file_stale")["pollers"] == ["north"]


# --- limits -----------------------------------------------------------------------------------------------------------------------


def test_a_search_that_takes_too_long_ends_and_says_so(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.native.lists.LONGEST_PAGE_S", -1.0)
    monkeypatch.setattr("engine.state.views._STEPS_BETWEEN_LOOKS", 1)
    refused = front.get("/v1/services?limit=5").problem(422, "search_too_slow")
    assert refused["limit_s"] == -1.0
    monkeypatch.undo()
    assert front.get("/v1/services?limit=5").status == 200, "the reader is as good as before"


def test_scope_bounds_a_search(front: Front) -> None:
    """Whatever is searched for, nothing out of scope is found, counted or told apart from nothing."""
    everything = {item["id"] for item in front.by("wim").get("/v1/hosts?limit=0").json["items"]}
    for search in ({}, {"$or": [{"name": "db01"}, {"id": {"$gt": 0}}]}, {"name": {"$rg": ""}}, {"name": {"$ni": []}}):
        answer = front.by("wim").get(_searched("/v1/hosts", search)).json
        assert {item["id"] for item in answer["items"]} <= everything
        assert answer["total"] <= len(everything)


def test_the_change_number_is_of_each_file(tmp_path: Path) -> None:
    """A state.db made anew must not repeat the numbers of the one before."""
    numbers = set()
    for name in ("a", "b", "c"):
        Mirror.open(tmp_path / name, lambda poller, wanted: {}).close()
        numbers.add(sqlite3.connect(tmp_path / name).execute("SELECT number FROM change").fetchone())
    assert len(numbers) == 3


def test_the_searches_of_the_readme_are_understood(front: Front) -> None:
    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text("utf-8")
    target = re.search(r"8080(/v1/problems\?[^']+)'", readme)
    search = re.search(r"--data-urlencode 'search=([^']+)'", readme)
    fields = re.search(r"-d (fields=\S+)", readme)
    assert target and search and fields
    assert front.get(target[1]).json["total"] == 0
    found = front.get(f"/v1/services?limit=0&{fields[1]}&search={quote(search[1])}", accept=LINES)
    assert [orjson.loads(line)["description"] for line in found.body.splitlines()] == ["SQL"]
