"""The dialect's whole way to real cores and back: what it shows is what they wrote, what it answers 204 to they did."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support import cores, oracle
from tests.support.box import Box, boxed, command_ids
from tests.support.cores import Core, Host, Icinga2Core, NagiosCore, Service, until, until_same

pytestmark = pytest.mark.core

HOSTS = [Host("web01", (Service("HTTP"), Service("Disk /var"))), Host("quiet")]
STAMP = "%Y-%m-%dT%H:%M:%S"


@dataclass
class Desk:
    """A core, the Signalbox before it, and a client logged in to the dialect."""

    core: Core
    box: Box
    client: httpx.Client
    host: int
    services: dict[str, int]

    @property
    def service(self) -> str:
        return f"/monitoring/hosts/{self.host}/services/{self.services['HTTP']}"

    def shown(self, path: str) -> dict[str, Any]:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def bring_to(self, state: int) -> None:
        self.core.set_state("web01", "HTTP", state, f"state {state}")
        cores.wait_for_state(self.core, "web01", "HTTP", state)
        until(lambda: self.shown(self.service)["state"] == state, f"shown in state {state}")


@pytest.fixture(scope="module", params=[NagiosCore, Icinga2Core], ids=["nagios", "icinga2"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    with cores.core_folder() as folder:
        core = request.param(folder / "core", HOSTS)
        with cores.running(core), boxed(folder, core) as box:
            box.add_user("olga", "operator")
            client = box.centreon()
            host = box.host_id("web01")
            rows = client.get(f"/monitoring/hosts/{host}/services").json()["result"]
            yield Desk(core, box, client, host, {row["description"]: row["id"] for row in rows})


def window(**more: Any) -> dict[str, Any]:
    """From now on for an hour, written with an offset of its own and without seconds of its end."""
    start = time.time()
    return {
        "start_time": time.strftime(STAMP, time.gmtime(start)) + "Z",
        "end_time": time.strftime("%Y-%m-%dT%H:%M", time.gmtime(start + 3600 + 7200)) + "+0200",
        "comment": "a reason",
    } | more


def test_documents_say_what_the_status_file_says(desk: Desk) -> None:
    desk.bring_to(2)
    cores.wait_for_generation(desk.core)
    for service in ("", "HTTP"):  # the view may be of the file before
        until_same(lambda service=service: _said_and_shown(desk, service), f"what the status file says of web01 {service}")
    assert desk.shown(desk.service)["status"] == {"code": 2, "name": "CRITICAL", "severity_code": 1}
    quiet = desk.shown(f"/monitoring/hosts/{desk.box.host_id('quiet')}")
    assert (quiet["state"], quiet["checked"]) == (4, False) if not quiet["checked"] else (0, True)


def _said_and_shown(desk: Desk, service: str) -> tuple[dict[str, object], dict[str, object]]:
    """By the core's status file, in the document."""
    document = desk.shown(desk.service if service else f"/monitoring/hosts/{desk.host}")
    block = oracle.status_of(desk.core.status_file, "web01", service)
    if block["last_check"] == "-1":  # Icinga 2 always writes that; when a result came, only the times of its states tell
        block["last_check"] = max((block[key] for key in block if key.startswith("last_time_")), key=float)
    names = {"state_type": "state_type", "max_check_attempts": "max_attempts", "check_command": "check_command",
             "scheduled_downtime_depth": "scheduled_downtime_depth", "check_attempt": "current_attempt"}  # fmt: skip
    if desk.core.kind == "nagios":  # Icinga 2 does not write it
        names["check_type"] = "check_type"
    said: dict[str, object] = {key: block[name] for key, name in names.items()}
    shown: dict[str, object] = {key: str(document[key]) for key in names}
    said["output"] = block.get("plugin_output", "")  # Icinga 2 writes none before the first check
    shown["output"] = document["output"].split("\n")[0]
    for key in ("last_check", "last_state_change", "last_hard_state_change"):
        epoch = max(int(float(block[key])), 0)  # Icinga 2 writes -1 for never
        said[key] = time.strftime(STAMP, time.gmtime(epoch)) + "Z" if epoch else None
        shown[key] = document[key]
    return said, shown


def test_a_downtime_with_services_and_back(desk: Desk) -> None:
    path = f"/monitoring/hosts/{desk.host}/downtimes"
    answer = desk.client.post(path, json=window(comment="with services", with_services=True))
    assert (answer.status_code, answer.content) == (204, b""), answer.text
    assert answer.headers["signalbox-command"]
    until(lambda: len(oracle.downtimes(desk.core.status_file, "with services")) >= 3, "the core shows them")
    cores.wait_for_generation(desk.core)
    blocks = oracle.downtimes(desk.core.status_file, "with services")
    assert sorted(block.get("service_description", "") for block in blocks) == ["", "Disk /var", "HTTP"]

    rows = [row for row in desk.shown(path + "?with_services=true")["result"] if row["comment"] == "with services"]
    assert sorted(row["service_id"] for row in rows) == [0, *sorted(desk.services.values())]
    of_rows = [f"/monitoring/downtimes/{row['id']}" for row in rows]
    until(lambda: all(desk.shown(one)["signalbox"]["proof"] == "confirmed" for one in of_rows), "confirmed")
    shown = {row["id"]: desk.shown(f"/monitoring/downtimes/{row['id']}") for row in rows}
    for row in shown.values():
        assert (row["is_fixed"], row["is_cancelled"], row["author_name"]) == (True, False, "admin")
        assert row["duration"] == 3600 - int(row["start_time"][-3:-1])
    assert {row["signalbox"]["core_id"] for row in shown.values()} == {int(block["downtime_id"]) for block in blocks}

    cancelled = [desk.client.delete(f"/monitoring/downtimes/{row['id']}") for row in rows]
    assert [each.status_code for each in cancelled] == [204] * 3
    until(lambda: not oracle.downtimes(desk.core.status_file, "with services"), "the core shows none of them")
    until(lambda: desk.shown(f"/monitoring/downtimes/{rows[0]['id']}")["is_cancelled"], "cancelled")
    desk.box.wait_final([command for each in cancelled for command in command_ids(each)])
    again = desk.client.delete(f"/monitoring/downtimes/{rows[0]['id']}")
    assert again.status_code == 204, again.text


def test_a_flexible_downtime_of_a_service_asked_twice(desk: Desk) -> None:
    body = window(comment="flexible", is_fixed=False, duration=900)
    answers = [desk.client.post(desk.service + "/downtimes", json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert answers[0].headers["signalbox-entry"] == answers[1].headers["signalbox-entry"]
    until(lambda: oracle.downtimes(desk.core.status_file, "flexible"), "the core shows it")
    cores.wait_for_generation(desk.core)
    (block,) = oracle.downtimes(desk.core.status_file, "flexible")
    assert (block["fixed"], block["duration"], block["service_description"]) == ("0", "900", "HTTP")


def test_on_whose_behalf(desk: Desk) -> None:
    contact = desk.box.centreon("olga").get("/monitoring/hosts").json()
    assert contact["meta"]["total"] == len(HOSTS)
    answers = [
        desk.client.post(desk.service + "/downtimes", json=window(comment="for olga", author_id=number)) for number in (2, 99)
    ]
    assert [answer.status_code for answer in answers] == [204, 400]
    until(lambda: oracle.downtimes(desk.core.status_file, "for olga"), "the core shows it")
    (block,) = oracle.downtimes(desk.core.status_file, "for olga")
    assert block["author"] == "olga"


@pytest.mark.parametrize(
    ("add", "cancel"),
    [
        ("/acknowledgments/services", "/acknowledgments/hosts/{host}/services/{service}"),
        ("/acknowledgements/services", "/acknowledgements/hosts/{host}/services/{service}"),
        ("/monitoring/hosts/{host}/services/{service}/acknowledgements",) * 2,
    ],
)
def test_acknowledged_and_taken_back(desk: Desk, add: str, cancel: str) -> None:
    desk.bring_to(2)
    numbers = {"host": desk.host, "service": desk.services["HTTP"]}
    body: dict[str, Any] = {"comment": "on it", "is_notify_contacts": False, "is_persistent_comment": True, "is_sticky": True}
    if "{host}" not in add:
        body |= {"host_id": desk.host, "service_id": desk.services["HTTP"]}
    answer = desk.client.post(add.format(**numbers), json=body)
    assert (answer.status_code, answer.content) == (204, b""), answer.text

    def is_acknowledged() -> str:
        return oracle.status_of(desk.core.status_file, "web01", "HTTP")["problem_has_been_acknowledged"]

    until(lambda: is_acknowledged() == "1", "the core shows it acknowledged")
    until(lambda: desk.shown(desk.service)["is_acknowledged"], "shown as acknowledged")
    shown = desk.shown(desk.service)["acknowledgement"]
    assert (shown["comment"], shown["author_name"], shown["is_sticky"], shown["state"]) == ("on it", "admin", True, 2)
    assert desk.shown("/acknowledgments/services")["result"][0]["id"] == shown["id"]

    cancelled = desk.client.delete(cancel.format(**numbers))
    assert cancelled.status_code == 204, cancelled.text
    until(lambda: is_acknowledged() == "0", "the core shows it no longer")
    until(lambda: not desk.shown(desk.service)["is_acknowledged"], "no longer shown as acknowledged")
    desk.box.wait_final([*command_ids(answer), *command_ids(cancelled)])  # until then a repetition joins what is under way
    again = desk.client.delete(cancel.format(**numbers))
    assert again.status_code == 409, again.text


def test_nothing_to_acknowledge(desk: Desk) -> None:
    desk.bring_to(0)
    body = {"comment": "what?", "is_notify_contacts": False, "is_persistent_comment": True, "is_sticky": True}
    answer = desk.client.post(desk.service + "/acknowledgements", json=body)
    assert answer.status_code == 409, answer.text
    cores.wait_for_generation(desk.core)
    assert oracle.comments(desk.core.status_file, "what?") == []


def test_past_and_empty_windows(desk: Desk) -> None:
    for more in (
        {"start_time": "2020-01-03T10:16:00Z", "end_time": "2020-01-03T11:16:00Z"},
        {"start_time": "2037-01-03T10:16:00Z", "end_time": "2037-01-03T10:16:00Z"},
        {"comment": ""},
        {"comment": "a\nb"},
    ):
        answer = desk.client.post(desk.service + "/downtimes", json=window() | more)
        assert answer.status_code == 400, (more, answer.text)
