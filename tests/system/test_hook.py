"""The hook of the Checkmk thread: hosts come and go, and their downtimes are set while they do."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support import cores, oracle
from tests.support.box import Box, boxed
from tests.support.cores import PATIENCE_S, Core, Host, Icinga2Core, NagiosCore, Service, until

pytestmark = pytest.mark.core

HOSTS = [Host("permanent", (Service("PING"),))]
INSTANCE = Host("instance-7", (Service("CPU utilization"), Service("Memory"), Service("Disk")))
SOON_S = 9.0  # mostly the status interval; less than what is waited for


@pytest.fixture(params=[NagiosCore, Icinga2Core])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Core, Box]]:
    with cores.core_folder() as folder:
        core = request.param(folder / "core", HOSTS)
        with cores.running(core), boxed(folder, core) as box:
            yield core, box


def test_a_host_appears_gets_its_downtimes_and_goes(pair: tuple[Core, Box]) -> None:
    core, box = pair
    assert box.downtime("instance-7", "too early").status_code == 404

    cores.reload(core, [*HOSTS, INSTANCE])
    reloaded = time.monotonic()
    created = box.downtime("instance-7", "instance stops", wait=PATIENCE_S)
    asked_after_s = time.monotonic() - reloaded
    assert created.status_code == 201, created.text
    assert asked_after_s <= SOON_S
    assert len(oracle.downtimes(core.status_file, "instance stops")) == 1

    # Without duration: in the original that was the mistake nobody was told of.
    body = {
        "host": "instance-7",
        "services": ["CPU utilization", "Memory"],
        "start": "now",
        "end": "+2h",
        "comment": "Security updates",
    }
    services = box.api.post("/v1/downtimes", json=body, params={"wait": PATIENCE_S})
    assert services.status_code == 201, services.text
    found = [block["service_description"] for block in oracle.downtimes(core.status_file, "Security updates")]
    assert sorted(found) == ["CPU utilization", "Memory"]
    assert len(services.json()["ids"]) == 2

    old = {box.host_id("instance-7"), *_service_ids(box, "instance-7")}
    cores.reload(core, HOSTS)
    until(lambda: box.api.get("/v1/hosts/instance-7").status_code == 404, "the host is unknown", SOON_S)
    gone = box.downtime("instance-7", "too late")
    assert gone.status_code == 404, gone.text

    cores.reload(core, [*HOSTS, Host("instance-8", INSTANCE.services)])
    until(lambda: len(_service_ids(box, "instance-8")) == 3, "the next one is seen")
    new = {box.host_id("instance-8"), *_service_ids(box, "instance-8")}
    assert len(new) == 4
    assert not new & old


def _service_ids(box: Box, host: str) -> list[int]:
    """None while the host is not known."""
    return [item["id"] for item in box.api.get("/v1/services", params={"host": host}).json().get("items", ())]


def test_the_same_in_the_centreon_dialect(pair: tuple[Core, Box]) -> None:
    core, box = pair
    cores.reload(core, [*HOSTS, INSTANCE])
    until(lambda: box.api.get("/v1/hosts/instance-7").status_code == 200, "the host is seen")
    client, host_id = box.centreon(), box.host_id("instance-7")
    now = time.time()
    stamp = "%Y-%m-%dT%H:%M:%S+00:00"
    body = {
        "comment": "without duration",
        "start_time": time.strftime(stamp, time.gmtime(now)),
        "end_time": time.strftime(stamp, time.gmtime(now + 3600)),
    }
    answer = client.post(f"/monitoring/hosts/{host_id}/downtimes", json=body)
    assert answer.status_code == 204, answer.text
    until(lambda: oracle.downtimes(core.status_file, "without duration"), "the core shows it")
    cores.wait_for_generation(core)
    assert len(oracle.downtimes(core.status_file, "without duration")) == 1
    flexible = client.post(f"/monitoring/hosts/{host_id}/downtimes", json=body | {"is_fixed": False})
    assert flexible.status_code == 400, flexible.text
    assert "duration" in flexible.text
