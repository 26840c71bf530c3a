"""Acknowledgements that end at a time: Signalbox takes them back, over restarts and once only.

Icinga 2 is told the time, and forgets the comment; the object stays acknowledged until its next check result, here never.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import cores, oracle
from tests.support.box import Box, boxed, parallel
from tests.support.cores import Host, Icinga2Core, NagiosCore, Service

pytestmark = pytest.mark.core

SERVICES = ("ends", "replaced", "twin", "stays")
LASTS_S = 14  # longer than the restarts below take


@pytest.fixture(scope="module")
def site(_cores_are_there: None) -> Iterator[tuple[NagiosCore, Icinga2Core, Box]]:
    with cores.core_folder() as folder:
        nagios = NagiosCore(folder / "nagios", [Host("n1", tuple(map(Service, SERVICES)))])
        icinga2 = Icinga2Core(folder / "icinga2", [Host("i1", (Service("ends"),))])
        with cores.running(nagios, icinga2), boxed(folder, nagios, icinga2) as box:
            yield nagios, icinga2, box


def test_an_acknowledgement_ends_when_it_was_to_end(site: tuple[NagiosCore, Icinga2Core, Box]) -> None:
    nagios, icinga2, box = site
    for core in (nagios, icinga2):
        for service in core.hosts[0].services:
            core.set_state(core.hosts[0].name, service.description, 2, "trouble")
    for core in (nagios, icinga2):
        for service in core.hosts[0].services:
            cores.wait_for_state(core, core.hosts[0].name, service.description, 2)
    cores.until(lambda: box.api.get("/v1/problems").json()["total"] == len(SERVICES) + 1, "Signalbox sees the problems")
    expire = int(time.time()) + LASTS_S

    def acknowledge(host: str, service: str, **more: Any) -> dict[str, Any]:
        body = {"host": host, "service": service, "comment": "mine", **more}
        answer = box.api.post("/v1/acknowledgements", json=body, params={"wait": 20})
        assert answer.status_code in (200, 201), answer.text
        assert answer.json()["state"] == "confirmed", answer.text
        told: dict[str, Any] = answer.json()
        return told

    asked = [("n1", "ends"), ("n1", "replaced"), ("n1", "twin"), ("i1", "ends")]
    made = parallel(lambda one: acknowledge(*one, expire=expire), asked)
    stays = acknowledge("n1", "stays")
    assert acknowledge("n1", "twin", expire=expire + 20)["joined"], "within a minute it is the same"
    (comment,) = oracle.comments(icinga2.status_file, "mine")
    assert float(comment["expire_time"]) == expire, "Icinga 2 is told"
    (shown,) = box.api.get("/v1/acknowledgements", params={"host": "n1", "service": "ends"}).json()["items"]
    assert shown["expire"] is not None and made[0]["id"] == shown["id"]
    # Somebody else's newer one, with the same author and text.
    line = f"ACKNOWLEDGE_SVC_PROBLEM;n1;replaced;2;1;0;{shown['author']};mine"
    now = int(time.time())
    cores.until(lambda: time.time() > now + 2, "a later second than the first one's")
    nagios.send(line)

    box.kill(whole=True)
    nagios.stop()
    cores.restart(nagios)
    box.start()  # in time, or where the machine is slow, behind it: then all is made up for at once
    box.wait_ready()

    def is_acknowledged(core: NagiosCore | Icinga2Core, service: str) -> bool:
        status = oracle.status_of(core.status_file, core.hosts[0].name, service)
        return status.get("problem_has_been_acknowledged") == "1"

    ended = (made[0], made[2], made[3])
    cores.until(
        lambda: not any(is_acknowledged(nagios, one) for one in ("ends", "twin")) and not is_acknowledged(icinga2, "ends"),
        "all have ended",
        LASTS_S + cores.PATIENCE_S,
    )
    assert time.time() >= expire, "none before its time"
    cores.wait_for_generation(nagios)
    assert is_acknowledged(nagios, "replaced") and is_acknowledged(nagios, "stays")

    def entry(told: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = box.api.get(f"/v1/acknowledgements/{told['id']}").json()
        return found

    cores.until(lambda: not any(entry(one)["present"] for one in ended), "and Signalbox has seen it")
    assert all(entry(one)["deleted_by"] is None for one in ended)
    assert entry(stays)["present"]
    removals = [one for one in box.api.get("/v1/commands", params={"limit": 100}).json()["items"] if "REMOVE" in one["command"]]
    assert sorted((one["host"], one["service"]) for one in removals) == [("i1", "ends"), ("n1", "ends"), ("n1", "twin")]
    for life in box.wait_final(one["id"] for one in removals).values():
        assert (life["user"], life["state"]) == ("admin", "confirmed")
        assert (
            str({"n1/ends": made[0], "n1/twin": made[2], "i1/ends": made[3]}[f"{life['host']}/{life['service']}"]["id"])
            in life["cause"]
        )
    lines = oracle.command_lines([nagios.log_file])
    assert lines[b"REMOVE_SVC_ACKNOWLEDGEMENT;n1;ends"] == lines[b"REMOVE_SVC_ACKNOWLEDGEMENT;n1;twin"] == 1
    assert not lines[b"REMOVE_SVC_ACKNOWLEDGEMENT;n1;replaced"]
