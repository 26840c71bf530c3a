"""The main job: a downtime set over REST is proven on a real core, and only there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import cores, oracle
from tests.support.box import Box, boxed, command_ids
from tests.support.cores import PATIENCE_S, Core, Host, Icinga2Core, Service, until
from tests.system.conftest import INTERVAL_S, Site

pytestmark = pytest.mark.core

PROOF_S = 5.0  # over what the core's files take; much less than what is waited for


def _listed(box: Box, comment: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = box.api.get("/v1/downtimes", params={"limit": 1000}).json()["items"]
    return [item for item in items if item["comment"] == comment]


def _gone(core: Core, comment: str) -> None:
    cores.wait_for_generation(core)
    assert oracle.downtimes(core.status_file, comment) == []


@pytest.mark.parametrize("host", ["s-web1", "shared"])
def test_on_its_own_poller_confirmed_listed_and_deletable(site: Site, host: str) -> None:
    comment = f"proven on south only, {host}"
    fields = {"poller": "south"} if host == "shared" else {}
    asked = time.monotonic()
    created = site.box.downtime(host, comment, wait=PATIENCE_S, **fields)
    took_s = time.monotonic() - asked
    assert created.status_code == 201, created.text
    assert created.json()["state"] == "confirmed"
    assert took_s <= INTERVAL_S + PROOF_S

    (block,) = oracle.downtimes(site.south.status_file, comment)
    assert (block["host_name"], block["service_description"], block["author"]) == (host, "", "admin")
    assert oracle.downtimes(site.north.status_file, comment) == []
    assert comment.encode() not in site.north.log_file.read_bytes()

    entry = created.json()["id"]
    (listed,) = _listed(site.box, comment)
    assert (listed["id"], listed["proof"], listed["poller"], listed["host"]) == (entry, "confirmed", "south", host)

    asked = time.monotonic()
    deleted = site.box.api.delete(f"/v1/downtimes/{entry}", params={"wait": PATIENCE_S})
    assert deleted.status_code == 200, deleted.text
    assert deleted.json()["state"] == "confirmed"
    assert time.monotonic() - asked <= 2 * INTERVAL_S + PROOF_S  # absence counts only in a generation of a later second
    _gone(site.south, comment)
    shown = site.box.api.get(f"/v1/downtimes/{entry}")
    assert shown.status_code == 404 or shown.json()["present"] is False


def test_listed_and_deletable_at_once(site: Site) -> None:
    """Under its id before any status file shows it: where the file was quicker than the look, another is made."""
    comments: list[str] = []
    made: list[httpx.Response] = []

    def is_listed_before_it_is_shown() -> bool:
        comments.append(f"listed before it is shown {len(comments)}")
        made.append(site.box.downtime("s-web2", comments[-1], wait=0))
        assert made[-1].status_code == 202, made[-1].text
        (listed,) = _listed(site.box, comments[-1])
        assert listed["id"] == made[-1].json()["id"]
        if oracle.downtimes(site.south.status_file, comments[-1]):
            return False
        assert listed["proof"] in ("accepted", "processed")
        return True

    until(is_listed_before_it_is_shown, "one is listed before a status file shows it")
    deleted = site.box.api.delete(f"/v1/downtimes/{made[-1].json()['id']}", params={"wait": PATIENCE_S})
    assert deleted.status_code == 200, deleted.text
    site.box.wait_final(command_ids(made[-1]))
    _gone(site.south, comments[-1])


def test_a_name_on_two_pollers_is_ambiguous_and_nothing_is_sent(site: Site) -> None:
    comment = "on which of them?"
    answer = site.box.downtime("shared", comment)
    assert answer.status_code == 409, answer.text
    assert {"north", "south"} <= set(answer.text.replace('"', " ").replace(",", " ").split())
    cores.wait_for_generation(site.north)
    for core in (site.north, site.south):
        assert comment.encode() not in core.log_file.read_bytes()


def test_with_services_on_nagios(site: Site) -> None:
    comment = "the host and both services"
    created = site.box.downtime("n-web1", comment, with_services=True, wait=PATIENCE_S)
    assert created.status_code == 201, created.text
    found = [block["service_description"] for block in oracle.downtimes(site.north.status_file, comment)]
    assert sorted(found) == ["", "Disk /var", "HTTP"]


def test_flexible(site: Site) -> None:
    created = site.box.downtime("n-web2", "flexible", end="+2h", duration=600, fixed=False, wait=PATIENCE_S)
    assert created.status_code == 201, created.text
    (block,) = oracle.downtimes(site.north.status_file, "flexible")
    assert (block["fixed"], block["duration"]) == ("0", "600")
    assert int(block["end_time"]) - int(block["start_time"]) == 7200


# --- Icinga 2 -----------------------------------------------------------------------------------------------------------------


def test_icinga2_with_services_acknowledgement_and_forced_check(site: Site) -> None:
    box, east = site.box, site.east
    created = box.downtime("e-web1", "all of it", with_services=True, wait=PATIENCE_S)
    assert created.status_code == 201, created.text
    found = [block["service_description"] for block in oracle.downtimes(east.status_file, "all of it")]
    assert sorted(found) == ["", "Disk /var", "HTTP"]

    east.set_state("e-web1", "HTTP", 2, "down")
    cores.wait_for_state(east, "e-web1", "HTTP", 2)

    def is_shown() -> bool:
        """By its output: others leave states behind."""
        service = box.api.get("/v1/hosts/e-web1/services/HTTP").json()
        return (service["state"], service["plugin_output"]) == (2, "down")

    until(is_shown, "the view shows CRITICAL")
    body = {"host": "e-web1", "service": "HTTP", "comment": "seen", "sticky": True, "notify": False, "persistent": False}
    acknowledged = box.api.post("/v1/acknowledgements", json=body, params={"wait": PATIENCE_S})
    assert acknowledged.status_code == 201, acknowledged.text
    row = oracle.status_of(east.status_file, "e-web1", "HTTP")
    assert (row["problem_has_been_acknowledged"], row["acknowledgement_type"]) == ("1", "2")

    east.answer("e-web1", "Disk /var", 1, "asked and answered")
    checked = box.api.post("/v1/checks", json={"host": "e-web1", "service": "Disk /var"}, params={"wait": PATIENCE_S})
    assert checked.status_code == 200, checked.text
    assert checked.json()["state"] == "confirmed"
    cores.wait_for_state(east, "e-web1", "Disk /var", 1)


@pytest.fixture
def icinga2() -> Iterator[tuple[Icinga2Core, Box]]:
    with cores.core_folder() as folder:
        core = Icinga2Core(folder / "east", [Host("mail01", (Service("SMTP"),)), Host("mail02")])
        with cores.running(core), boxed(Path(folder), core) as box:
            yield core, box


def test_icinga2_renumbers_at_a_reload_and_the_right_one_is_deleted(icinga2: tuple[Icinga2Core, Box]) -> None:
    core, box = icinga2
    first = box.downtime("mail01", "first", wait=PATIENCE_S)
    assert first.status_code == 201, first.text
    cores.reload(core)
    second = box.downtime("mail01", "second", wait=PATIENCE_S)
    assert second.status_code == 201, second.text
    other = box.downtime("mail02", "first", wait=PATIENCE_S)
    assert other.status_code == 201, other.text

    deleted = box.api.delete(f"/v1/downtimes/{first.json()['id']}", params={"wait": PATIENCE_S})
    assert deleted.status_code == 200, deleted.text
    cores.wait_for_generation(core)
    left = [(block["host_name"], block["comment"]) for block in oracle.downtimes(core.status_file)]
    assert sorted(left) == [("mail01", "second"), ("mail02", "first")]
