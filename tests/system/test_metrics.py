"""What a Prometheus would scrape in front of real cores is what the API says; the engine's figures are in it."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.box import Box
from tests.support.cores import until
from tests.support.events import reading
from tests.system.conftest import Site

pytestmark = pytest.mark.core


def _scraped(box: Box, name: str) -> dict[tuple[str, ...], float]:
    """Samples of that name by their labels' values, in the labels' order."""
    answer = box.api.get("/metrics")
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in samples}


def _under_way(box: Box, poller: str) -> bool:
    states = ("accepted", "held", "writing", "written", "processed")
    pages = [box.api.get("/v1/commands", params={"poller": poller, "state": state, "limit": 1000}).json() for state in states]
    return not all(item["final"] for page in pages for item in page["items"])


def test_figures_of_engine_and_workers(site: Site) -> None:
    box = site.box
    key = ("south", "confirmed")
    until(lambda: not _under_way(box, "south"), "what other tests asked for has come to its end")
    before = _scraped(box, "signalbox_command_steps_total").get(key, 0.0)
    timed = _scraped(box, "signalbox_command_seconds_count").get(key, 0.0)
    answer = box.api.post("/v1/comments", json={"host": "s007", "comment": "counted"}, params={"wait": 10})
    assert answer.status_code == 201, answer.text
    assert _scraped(box, "signalbox_command_steps_total")[key] == before + 1
    assert _scraped(box, "signalbox_command_seconds_count")[key] == timed + 1

    totals = {part["name"]: part for part in box.api.get("/v1/tactical").json()["items"]}
    hosts = _scraped(box, "signalbox_hosts")
    for poller, part in totals.items():
        assert sum(count for (name, _), count in hosts.items() if name == poller) == part["hosts"]["total"] > 0
    assert set(_scraped(box, "signalbox_scan_seconds_count")) == set(_scraped(box, "signalbox_commit_seconds_count"))
    assert all(count > 0 for count in _scraped(box, "signalbox_scan_seconds_count").values())
    assert _scraped(box, "signalbox_engine_up") == {(): 1.0}
    assert _scraped(box, "signalbox_http_request_seconds_count")["POST", "/v1/comments", "201"] >= 1
    assert {poller for (poller,) in _scraped(box, "signalbox_view_age_seconds")} == {"north", "south", "east"}


def test_a_call_of_results_is_counted_and_told(site: Site) -> None:
    """Thousands of results without a figure or an event would be work that nobody sees."""
    box = site.box
    before = {state: _scraped(box, "signalbox_results_total").get(("north", state), 0.0) for state in ("accepted", "confirmed")}
    results = [{"host": f"n{number:03}", "return_code": 0, "plugin_output": "counted"} for number in range(20, 30)]
    with reading(box, type="command") as reader:
        answer = box.api.post("/v1/results", json={"results": results}, params={"wait": 10})
        assert answer.status_code in (200, 201, 202), answer.text
        last = reader.wait_for(command="results", action="confirmed", operation=answer.json()["id"]).data
        assert (last["total"], last["counts"]["confirmed"], last["poller"], last["user"]) == (10, 10, "north", "admin")
        told = [event.data["action"] for event in reader.named("command") if event.data["id"] == last["id"]]
        assert told[0] == "accepted" and len(told) < 10
    after = {state: _scraped(box, "signalbox_results_total")["north", state] for state in before}
    assert all(after[state] >= count + 10 for state, count in before.items())  # others' results may be under way, too


def test_an_event_reader_is_counted_while_it_reads(site: Site) -> None:
    box = site.box
    until(lambda: not _scraped(box, "signalbox_event_readers").get((), 0.0), "the readers of other tests are gone")
    with box.client(box.token).stream("GET", "/v1/events") as stream:
        lines = stream.iter_lines()
        next(lines)
        assert _scraped(box, "signalbox_event_readers")[()] == 1
    until(lambda: not _scraped(box, "signalbox_event_readers")[()], "the reader is gone")
