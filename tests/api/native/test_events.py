"""GET /v1/events as a client sees it: what is refused, and how things are said."""

from __future__ import annotations

import orjson
import pytest

from api.native.events import WORDING
from engine.state.changes import Kind
from engine.state.events import Event
from tests.api.support_desk import Front, Reply


def events(reply: Reply) -> list[tuple[str, dict[str, object]]]:
    """(name, data) of each whole event."""
    found = []
    for block in reply.body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((fields["event"], orjson.loads(fields["data"])))
    return found


def snapshot(front: Front, query: str) -> list[tuple[str, dict[str, object]]]:
    return events(front.get(f"/v1/events?snapshot=1&{query}", x_until="event: snapshot_ends"))


def test_it_is_a_stream_of_server_sent_events(front: Front) -> None:
    reply = front.get("/v1/events")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert reply.headers["cache-control"] == "no-store"
    assert "content-length" not in reply.headers
    assert reply.body.startswith(b"retry: ")
    assert [name for name, _ in events(reply)] == ["begins"]


def test_head_is_answered_and_ends(front: Front) -> None:
    reply = front.ask("HEAD", "/v1/events")
    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("type=stat", "type"),
        ("type=state,,comment", "type"),
        ("state=bad", "state"),
        ("state=2", "state"),
        ("snapshot=2", "snapshot"),
        ("snapshot=yes", "snapshot"),
        ("last_event_id=17", "last_event_id"),
        ("service=HTTP", "host"),
        ("hosts=web01", "hosts"),
        ("host=", "host"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(front: Front, query: str, field: str) -> None:
    assert front.get(f"/v1/events?{query}").problem(422, "invalid_field")["field"] == field


def test_an_unknown_poller_and_a_missing_token(front: Front) -> None:
    front.get("/v1/events?poller=nowhere").problem(404, "unknown_poller")
    front.ask("GET", "/v1/events", authorization="").problem(401, "not_authenticated")


def test_the_header_counts_more_than_the_parameter(front: Front) -> None:
    """A browser keeps the address with its old id, and sends the newest in the header."""
    front.get("/v1/events?last_event_id=abcdef-1-1", last_event_id="nonsense").problem(422, "invalid_field")
    (reset,) = events(front.get("/v1/events?last_event_id=nonsense", last_event_id="abcdef-1-1"))
    assert reset[0] == "reset"
    assert "snapshot" in str(reset[1]["what_to_do"])


def test_a_snapshot_is_what_the_views_say_within_scope(front: Front) -> None:
    first, *rows, last = snapshot(front.by("wim"), "type=state")
    assert (first[0], last[0]) == ("snapshot_begins", "snapshot_ends")
    listed = [
        *front.by("wim").get("/v1/hosts?limit=1000").json["items"],
        *front.by("wim").get("/v1/services?limit=1000").json["items"],
    ]
    by_id = {row["id"]: row for row in listed}
    assert {row["id"] for _, row in rows} == set(by_id)
    for _, row in rows:
        shown = by_id[row["id"]]
        assert (row["state"], row["state_name"], row["output"]) == (shown["state"], shown["state_name"], shown["plugin_output"])
        assert row["last_state_change"] == shown["last_state_change"]


def test_filters_hold_for_the_snapshot_too(front: Front) -> None:
    rows = snapshot(front, "state=critical,down")[1:-1]
    assert {(row["host"], row["service"]) for _, row in rows} == {("db01", None), ("web01", "HTTP")}
    rows = snapshot(front, "hostgroup=web&poller=south&type=state")[1:-1]
    assert {(row["poller"], row["host"]) for _, row in rows} == {("south", "shared")}
    assert {name for name, _ in snapshot(front, "type=poller")} == {
        "snapshot_begins", "poller", "snapshot_ends",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["line\nbreak\n\nevent: forged\ndata: {}", "\r\n\r\n", "\u2028", "日本", '"}\n'])
def test_no_text_of_a_core_becomes_another_event(text: str) -> None:
    event = Event(5, Kind.STATE, "changed", 1, text, text, (), 2, 7.0, {"output": text, "checked": True, "state_type": 1})
    said = WORDING.event(event, {1: "north"}, "abcdef-5-0")
    assert said.count(b"\n") == 4
    assert b"\r" not in said
    lines = said.decode().split("\n")
    assert lines[0] == "id: abcdef-5-0"
    assert lines[1] == "event: state"
    data = orjson.loads(lines[2].removeprefix("data: "))
    assert (data["host"], data["output"], data["state_name"], data["state_type"]) == (text, text, "CRITICAL", "HARD")
