"""What the contract tests of Centreon's API look at: one host in trouble on a real core, everything around it, and its truth.

The truth is read from the core's own files.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.support import cores, oracle
from tests.support.box import Box
from tests.support.cores import PATIENCE_S, Core, until

SERVICE = "Ping"
GROUP, SERVICEGROUP = "central", "pings"
OUTPUT = "slow answers"


@dataclass
class Scene:
    """A core's host `…-central` DOWN, its service CRITICAL; both acknowledged and in downtime."""

    box: Box
    core: Core
    host: str
    client: httpx.Client
    version: str = "beta"
    ids: dict[str, int] = field(default_factory=dict)

    @property
    def poller(self) -> int:
        """The number the configuration gives the core."""
        return [core.folder for core in self.box.cores].index(self.core.folder) + 1

    def call(self, method: str, path: str, version: str = "", **more: Any) -> httpx.Response:
        """A request under a version's path; its variables are filled in."""
        return self.client.request(method, f"/centreon/api/{version or self.version}{path.format(**self.ids)}", **more)

    def rows(self, path: str, version: str = "", **query: str) -> list[dict[str, Any]]:
        """All rows of a list."""
        answer = self.call("GET", path, version, params={"limit": "100000", **query})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["result"]
        return found

    def block(self, service: str = "") -> dict[str, str]:
        """The status file's block of the host or its service."""
        return oracle.status_of(self.core.status_file, self.host, service)

    def definition(self, service: str = "") -> dict[str, str]:
        """The object cache's definition of it."""
        kind = "service" if service else "host"
        for found, keys in oracle.definitions(self.core.object_cache_file):
            if found == kind and keys["host_name"] == self.host and keys.get("service_description", "") == service:
                return keys
        raise AssertionError(f"no {kind} {self.host} {service}")


def prepare(box: Box, core: Core, prefix: str) -> Scene:
    """Bring the host into trouble and wait until everything of it is seen."""
    client = box.centreon()
    client.base_url = httpx.URL(box.url)
    scene = Scene(box, core, f"{prefix}-central", client)
    core.set_state(scene.host, "", 1, "unreachable|rta=1ms")
    core.set_state(scene.host, SERVICE, 2, f"{OUTPUT}|time=2.5s;1;2")
    cores.wait_for_state(core, scene.host, SERVICE, 2)
    cores.wait_for_state(core, scene.host, "", 1)
    scene.ids["host_id"] = box.host_id(scene.host)
    (service,) = scene.rows("/monitoring/hosts/{host_id}/services", search=f'{{"service.description":"{SERVICE}"}}')
    scene.ids["service_id"] = service["id"]
    until(lambda: _is_down(scene), "the view shows both in trouble")
    for service_name in ("", SERVICE):
        body = {"host": scene.host, "start": "now", "duration": 3600, "comment": "contract"}
        acknowledged = {"host": scene.host, "comment": "contract", "sticky": True, "notify": False, "persistent": True}
        more = {"service": service_name} if service_name else {}
        for path, asked in (("/v1/downtimes", body), ("/v1/acknowledgements", acknowledged)):
            answer = box.api.post(path, json=asked | more, params={"wait": PATIENCE_S})
            assert answer.status_code in (200, 201), answer.text
    cores.wait_for_generation(core)
    until(lambda: len(_entries(scene)) == 4, "entries are confirmed")
    scene.ids |= {kind: row["id"] for kind, row in _entries(scene).items()}
    scene.ids |= {"downtime_id": scene.ids["host_downtime"], "acknowledgement_id": scene.ids["host_acknowledgement"]}
    return scene


def bring(core: Core, host: str, service: str, code: int, output: str) -> None:
    """Bring an object into a state that its next active check finds, too: of a host's check, 1 would mean up."""
    core.answer(host, service, code if service else 2 * code, output)
    core.set_state(host, service, code, output)


def _is_down(scene: Scene) -> bool:
    host = scene.call("GET", "/monitoring/hosts/{host_id}").json()
    service = scene.call("GET", "/monitoring/hosts/{host_id}/services/{service_id}").json()
    return (host["state"], service["state"]) == (1, 2)


def _entries(scene: Scene) -> dict[str, dict[str, Any]]:
    paths = {
        "host_downtime": "/monitoring/hosts/{host_id}/downtimes",
        "service_downtime": "/monitoring/hosts/{host_id}/services/{service_id}/downtimes",
        "host_acknowledgement": "/monitoring/hosts/{host_id}/acknowledgements",
        "service_acknowledgement": "/monitoring/hosts/{host_id}/services/{service_id}/acknowledgements",
    }
    found = {kind: scene.rows(path) for kind, path in paths.items()}
    standing = {
        kind: [row for row in rows if row["signalbox"]["stands"] and row["signalbox"]["proof"] == "confirmed"]
        for kind, rows in found.items()
    }
    return {kind: rows[0] for kind, rows in standing.items() if rows}


def moment(text: str | None) -> float:
    """The second a date of an answer names, 0 for null."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def iso(epoch: float) -> str:
    """A date as clients send it."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def window(**more: Any) -> dict[str, Any]:
    """A downtime of an hour from now on, as the reference has it."""
    now = time.time()
    return {
        "start_time": iso(now), "end_time": iso(now + 3600), "is_fixed": True, "duration": 3600, "comment": "asked by contract",
    } | more  # fmt: skip
