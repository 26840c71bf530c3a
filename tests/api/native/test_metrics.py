"""/metrics: the figures are those of the made-up world, for callers who may see everything, with few labels."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.serve import FIGURES_VARIABLE
from api.timing import template
from engine import figures
from engine.figures import FOLDER_VARIABLE
from engine.state.logindex import HISTORY_FILE, LogIndex
from tests.api.support_desk import AWKWARD, HOSTS, NOW, Fate, Front

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(front: Front) -> Samples:
    reply = front.get("/metrics")
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/plain; version="), reply.body
    return samples_of(reply.body.decode())


def samples_of(text: str) -> Samples:
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, f"{family.name} says nothing of itself"
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_it_needs_a_token_of_somebody_without_limits(front: Front) -> None:
    front.ask("GET", "/metrics", authorization="").problem(401, "not_authenticated")
    front.by("wim").get("/metrics").problem(403, "forbidden")
    assert front.by("rita").get("/metrics").status == 200


def test_counts_are_those_the_totals_give(front: Front) -> None:
    samples = scraped(front)
    for part in front.get("/v1/tactical").json["items"]:
        for kind, states in (("hosts", "up down unreachable pending"), ("services", "ok warning critical unknown pending")):
            for state in states.split():
                assert value(samples, f"signalbox_{kind}", poller=part["name"], state=state) == part[kind][state]
            for flag in ("unhandled", "handled", "acknowledged", "in_downtime", "flapping"):
                assert value(samples, f"signalbox_{kind}_flagged", poller=part["name"], flag=flag) == part[kind][flag]
    views = {view["poller"]: view for view in front.get("/v1/tactical").json["views"]}
    for poller in front.get("/v1/pollers").json["items"]:
        assert value(samples, "signalbox_poller_health", poller=poller["name"], health=poller["health"]) == 1
    assert value(samples, "signalbox_view_age_seconds", poller="north") == pytest.approx(views["north"]["age_s"], abs=1.01)


def test_a_view_that_is_too_old_is_stale_and_the_history_says_how_far_it_is(front: Front) -> None:
    index = LogIndex.open(front.desk.config.data / HISTORY_FILE)
    index.configure([(1, "/1"), (2, "/2")])
    index.progress(1, 10, 7, NOW)
    index.close()
    samples = scraped(front)
    assert [value(samples, "signalbox_view_stale", poller=name) for name in ("north", "south")] == [0, 0]
    assert value(samples, "signalbox_history_known_bytes", poller="north") == 10
    assert value(samples, "signalbox_history_read_bytes", poller="north") == 7
    front.clock.at += 100
    samples = scraped(front)
    assert [value(samples, "signalbox_view_stale", poller=name) for name in ("north", "south")] == [1, 1]


def test_commands_are_open_until_they_are_proved(front: Front) -> None:
    front.post("/v1/comments", {"host": "web01", "comment": "one"})
    for state in ("held", "writing", "written", "processed"):
        with closing(sqlite3.connect(front.desk.config.data / "journal.db", isolation_level=None)) as connection:
            connection.execute("UPDATE command SET state = ?", (state,))
        samples = scraped(front)
        for name in ("accepted", "held", "writing", "written"):
            assert value(samples, "signalbox_commands_open", poller="north", state=name) == (name == state), state


def test_results_are_counted_once_for_each_state_they_reach() -> None:
    labels = ("77",)  # a poller no other test has

    def counted() -> dict[str, float]:
        samples = [sample for metric in figures.registry().collect() for sample in metric.samples]
        return {s.labels["state"]: s.value for s in samples if s.name == "signalbox_results_total" and s.labels["poller"] in labels}

    nothing = dict.fromkeys(("accepted", "written", "processed", "confirmed", "refused", "no_effect", "expired", "unknown"), 0)
    moves = [nothing | {"accepted": 9}, nothing | {"written": 9}, nothing | {"processed": 8, "refused": 1}]
    moves += [nothing | {"processed": 3, "confirmed": 4, "no_effect": 1, "refused": 1}]
    before = nothing
    for counts in moves:
        figures.results_moved(77, counts, before)
        before = counts
    assert counted() == {"accepted": 9, "processed": 8, "refused": 1, "confirmed": 4, "no_effect": 1}


def test_open_commands_and_steps_are_counted(front: Front) -> None:
    before = scraped(front)
    front.post("/v1/comments", {"host": "web01", "comment": "one"})
    created = front.post("/v1/downtimes", {"host": "db01", "duration": 60, "comment": "two"}).json
    after = scraped(front)
    labels = {"poller": "north", "state": "accepted"}
    assert value(after, "signalbox_commands_open", **labels) == value(before, "signalbox_commands_open", **labels) + 2
    front.delete(f"/v1/downtimes/{created['id']}")
    moved = {"poller": "north", "state": "cancelled"}
    cancelled = value(scraped(front), "signalbox_command_steps_total", **moved)
    assert cancelled == before.get(("signalbox_command_steps_total", frozenset(moved.items())), 0) + 1


def test_requests_are_timed_by_route_and_status(front: Front) -> None:
    def count(route: str, status: str, method: str = "GET") -> float:
        key = ("signalbox_http_request_seconds_count", frozenset({"method": method, "route": route, "status": status}.items()))
        return scraped(front).get(key, 0)

    known = count("/v1/hosts/{host}", "200")
    front.get("/v1/hosts/web01")
    front.get("/v1/hosts/db01")
    assert count("/v1/hosts/{host}", "200") == known + 2
    missing = count("/v1/hosts/{host}", "404")
    front.get("/v1/hosts/none-such")
    assert count("/v1/hosts/{host}", "404") == missing + 1
    nowhere = count("none", "404", "other")
    for word in ("a", "b"):
        front.ask("X" + word.upper(), f"/no/such/{word}")
    assert count("none", "404", "other") == nowhere + 2


def test_no_name_of_an_object_or_a_caller_becomes_a_label(front: Front) -> None:
    front.desk.fates = (Fate("confirmed"),)
    for host in HOSTS[1]:
        front.post("/v1/comments", {"host": host, "comment": "c"})
    words = {word for _, labels in scraped(front) for _, word in labels}
    assert not words & {*HOSTS[1], *AWKWARD, "anna", "HTTP"} - {"null"}


def test_names_follow_the_conventions(front: Front) -> None:
    names = {name for name, _ in scraped(front)}
    assert all(name.startswith("signalbox_") for name in names)
    assert not [name for name in names if name.endswith(("_s", "_ms", "_time"))]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"template": "/v1/hosts/{host}", "path": "x"}, "/v1/hosts/{host}"),
        ({"path": "/no/such"}, "none"),
        (
            {"endpoint": 1, "path": "/centreon/api/v24/monitoring/hosts/12", "path_params": {"version": "v24", "host": "12"}},
            "/centreon/api/{version}/monitoring/hosts/{host}",
        ),
        ({"endpoint": 1, "path": "/centreon/api/anything", "path_params": {"rest": "anything"}}, "none"),
        ({"endpoint": 1, "path": "/healthz", "path_params": {}}, "/healthz"),
    ],
)
def test_route_templates(scope: dict[str, object], expected: str) -> None:
    """Nothing a client sends becomes a label's value."""
    assert template(scope) == expected


WORK = (
    "from engine import figures; figures.COMMAND_STEPS.labels(1, 'accepted').inc({0}); figures.command_moved(1, 'confirmed', 0.3)"
)
SHOW = (
    "from prometheus_client import generate_latest; from engine import figures; print(generate_latest(figures.registry()).decode())"
)


def _run(folder: Path, programs: Iterable[str]) -> list[str]:
    environment = os.environ | {FOLDER_VARIABLE: str(folder)}
    words = [[sys.executable, "-c", program] for program in programs]
    return [subprocess.run(word, env=environment, check=True, capture_output=True, text=True).stdout for word in words]


def test_the_supervisor_names_the_folder_as_the_figures_look_for_it() -> None:
    """Otherwise each process would keep its figures to itself."""
    assert FIGURES_VARIABLE == FOLDER_VARIABLE


def test_processes_are_added_up_also_those_that_ended(tmp_path: Path) -> None:
    """A worker that was restarted, and the engine's own figures, stand in what any worker answers."""
    *_, text = _run(tmp_path, [WORK.format(2), WORK.format(3), SHOW])
    samples = samples_of(text)
    assert value(samples, "signalbox_command_steps_total", poller="1", state="accepted") == 5
    assert value(samples, "signalbox_command_seconds_count", poller="1", state="confirmed") == 2
    assert value(samples, "signalbox_command_seconds_bucket", poller="1", state="confirmed", le="0.25") == 0
    assert value(samples, "signalbox_command_seconds_bucket", poller="1", state="confirmed", le="0.5") == 2
