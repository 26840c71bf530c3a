"""The history over REST: filters, pages that add up while lines arrive, and each caller's scope."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.formats.cgicfg import parse_cgi_config
from engine.formats.logentry import parse_entry
from engine.state.history import HistoryFilter, history
from engine.state.logindex import HISTORY_FILE, LogIndex
from engine.state.rights import rights_of
from engine.state.scope import EVERYTHING
from engine.state.views import Reader
from tests.api.support_desk import NOW, Front

T = int(NOW) - 1000
LINES = (
    "Nagios 4.4.6 starting... (PID=1)",
    "HOST ALERT: web01;DOWN;SOFT;1;gone",
    "HOST ALERT: web01;DOWN;HARD;3;gone",
    "HOST NOTIFICATION: ann;web01;DOWN;mail;gone",
    "SERVICE ALERT: web01;HTTP;CRITICAL;HARD;3;refused",
    "SERVICE ALERT: db01;SQL;WARNING;HARD;3;slow; very",
    "SERVICE DOWNTIME ALERT: db01;SQL;STARTED; Service has entered a period of scheduled downtime",
    "EXTERNAL COMMAND: SHUTDOWN_PROCESS",
    "CURRENT SERVICE STATE: web01;HTTP;OK;HARD;1;fine",
    "SERVICE ALERT: long-gone;HTTP;UNKNOWN;HARD;3;?",
)


def store(front: Front, lines: Iterable[str], poller: int = 1) -> None:
    index = LogIndex.open(front.desk.config.data / HISTORY_FILE)
    index.configure([(1, "/1"), (2, "/2")])
    files = index.files(poller)
    file = files[0] if files else index.new_file(poller, b"head")
    start = file.read_bytes
    entries = [
        (start + at, entry) for at, line in enumerate(lines) if (entry := parse_entry(f"[{T + start + at}] {line}".encode()))
    ]
    index.add(file, entries, start + len(entries))
    index.progress(poller, 10, 10, NOW)
    index.close()


def brief(items: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(item["type"], item["host"], item["service"], item["state_name"] or item["word"]) for item in items]


def of_lines(*numbers: int) -> list[tuple[Any, ...]]:
    """The entries of these lines, said by hand."""
    told = (
        ("program", None, None, "START"), ("alert", "web01", None, "DOWN"), ("alert", "web01", None, "DOWN"),
        ("notification", "web01", None, "DOWN"), ("alert", "web01", "HTTP", "CRITICAL"), ("alert", "db01", "SQL", "WARNING"),
        ("downtime", "db01", "SQL", "STARTED"), ("external_command", None, None, None), ("current_state", "web01", "HTTP", "OK"),
        ("alert", "long-gone", "HTTP", "UNKNOWN"),
    )  # fmt: skip
    return [told[number] for number in numbers]


ALL = tuple(reversed(range(10)))


def test_before_anything_was_indexed_there_is_nothing(front: Front) -> None:
    assert front.get("/v1/history").json == {"limit": 100, "next": None, "indexes": [], "items": []}


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", ALL),
        ("?host=web01", (8, 4, 3, 2, 1)),
        ("?host=web01&service=HTTP", (8, 4)),
        ("?type=alert", (9, 5, 4, 2, 1)),
        ("?type=downtime,notification", (6, 3)),
        ("?state=WARNING,DOWN", (5, 3, 2, 1)),
        ("?state=WARNING" + ",DOWN" * 1200, (5, 3, 2, 1)),  # more alternatives than one statement may hold
        ("?type=alert&state=DOWN&state_type=SOFT", (1,)),
        ("?contact=ann", (3,)),
        (f"?since={T + 2}&until={T + 5}", (4, 3, 2)),
        ("?host=long-gone", (9,)),
        ("?hostgroup=web", (8, 4, 3, 2, 1)),
        ("?poller=north&type=program", (0,)),
        ("?poller=south", ()),
        ("?host=nope", ()),
    ],
)
def test_filters(front: Front, query: str, numbers: tuple[int, ...]) -> None:
    store(front, LINES)
    assert brief(front.get("/v1/history" + query).json["items"]) == of_lines(*numbers)


def test_a_limited_caller_sees_present_members_and_the_program(front: Front) -> None:
    """Hosts beyond the scope, hosts that are gone, and commands for the whole core are unknown, filters or not."""
    store(front, LINES)
    wim = front.by("wim")
    assert brief(wim.get("/v1/history").json["items"]) == of_lines(8, 4, 3, 2, 1, 0)
    assert brief(wim.get("/v1/history?host=db01").json["items"]) == []
    assert brief(wim.get("/v1/history?type=external_command").json["items"]) == []
    assert brief(wim.get("/v1/history?hostgroup=data").json["items"]) == []


def test_lines_about_no_object_are_for_who_has_the_right_to_system_information(front: Front) -> None:
    """Seeing all hosts and services is another right."""
    store(front, LINES)
    sees_all = "authorized_for_all_hosts=eve\nauthorized_for_all_services=eve\n"
    for text, numbers in ((sees_all, ALL[:2] + ALL[3:9]), (sees_all + "authorized_for_system_information=eve\n", ALL)):
        rights = rights_of(parse_cgi_config(text, Path("cgi.cfg")), "eve")
        with closing(Reader.open(front.desk.config.data)) as reader:
            found, _ = history(reader, EVERYTHING, HistoryFilter(), 100, None, rights)
        assert [entry.seq for entry in found] == sorted((entry.seq for entry in found), reverse=True)
        assert [entry.host or None for entry in found] == [told[1] for told in of_lines(*numbers)]


def test_every_value_is_in_its_place(front: Front) -> None:
    store(front, LINES)
    shown = front.get("/v1/history?host=db01&type=alert").json
    assert shown["items"] == [
        {
            "at": "2027-01-15T07:43:25Z", "type": "alert", "poller": "north", "host": "db01", "service": "SQL", "state": 1,
            "state_name": "WARNING", "state_type": "HARD", "attempt": 3, "word": None, "contact": None, "command": None,
            "text": "slow; very",
        }
    ]  # fmt: skip
    north = shown["indexes"][0]
    assert (north["poller"], north["whole"], north["oldest"], north["newest"]) == (
        "north", True, "2027-01-15T07:43:20Z", "2027-01-15T07:43:29Z",
    )  # fmt: skip


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_may_end_within_a_second(front: Front, limit: int) -> None:
    """A core logs hundreds of lines in one second: none of them may stand between two pages."""
    index = LogIndex.open(front.desk.config.data / HISTORY_FILE)
    index.configure([(1, "/1"), (2, "/2")])
    lines = [parse_entry(b"[%d] HOST ALERT: web01;DOWN;HARD;%d;gone" % (T, number)) for number in range(5)]
    index.add(index.new_file(1, b"head"), [(place, entry) for place, entry in enumerate(lines) if entry is not None], 5)
    index.close()
    attempts, before = [], ""
    while True:
        page = front.get(f"/v1/history?host=web01&limit={limit}" + before).json
        attempts += [item["attempt"] for item in page["items"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert attempts == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("limit", [1, 3, 10])
def test_pages_add_up_while_lines_arrive(front: Front, limit: int) -> None:
    store(front, LINES)
    seen: list[tuple[Any, ...]] = []
    before = ""
    while True:
        page = front.get(f"/v1/history?limit={limit}{before}").json
        seen += brief(page["items"])
        store(front, ["HOST ALERT: web01;UP;HARD;1;back"])
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert seen == of_lines(*ALL)


@pytest.mark.parametrize(
    ("query", "field"),
    [("type=alarm", "type"), ("state=BAD", "state"), ("before=x", "before"), ("since=yesterday", "since"), ("service=s", "host")],
)
def test_what_makes_no_sense_is_refused_by_name(front: Front, query: str, field: str) -> None:
    assert front.get(f"/v1/history?{query}").problem(422, "invalid_field")["field"] == field


def test_an_index_made_again_is_read_at_once(front: Front) -> None:
    """The reader's connection must not go on with the file that is gone."""
    store(front, LINES)
    assert len(front.get("/v1/history").json["items"]) == 10
    for suffix in ("", "-wal", "-shm"):
        (front.desk.config.data / f"{HISTORY_FILE}{suffix}").unlink(missing_ok=True)
    store(front, LINES[:2])
    assert len(front.get("/v1/history").json["items"]) == 2
