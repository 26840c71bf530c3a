"""A worker is killed between the commit and the answer, and the request is repeated with its key: the core sees one of it.

The bodies say `force` where there is such a thing, or are of commands that never join a twin: what holds here is the key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from engine import faults
from tests.support import cores, oracle
from tests.support.box import Box, boxed, command_ids
from tests.support.cores import Host, NagiosCore, Service, until

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def core() -> Iterator[NagiosCore]:
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "core", [Host("web01", (Service("PING"),)), Host("db01")], 1)
        with cores.running(core):
            yield core


@pytest.fixture(scope="module")
def box(core: NagiosCore) -> Iterator[Box]:
    """Each of its workers dies right after its first commit. A repeat that is answered from what is stored needs none."""
    with boxed(core.folder.parent, core, SIGNALBOX_CRASH=f"{faults.AFTER_COMMIT}:1") as box:
        yield box


def dies_then_answers(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The first time nobody answers; then the next worker is asked the same."""
    with pytest.raises(httpx.TransportError):
        ask()
    answers: list[httpx.Response] = []

    def answered() -> bool:
        try:
            answers.append(ask())
        except httpx.TransportError:
            return False
        return True

    until(answered, "the next worker answers")
    (answer,) = answers
    assert answer.headers["Idempotent-Replayed"] == "true", answer.text
    return answer


def of_core(core: NagiosCore, comment: str) -> int:
    cores.wait_for_generation(core)
    return len(oracle.downtimes(core.status_file, comment))


def test_a_downtime_and_its_deletion(core: NagiosCore, box: Box) -> None:
    body = {"host": "web01", "start": "now", "duration": 3600, "comment": "once", "force": True}
    key = {"Idempotency-Key": "chg-1"}
    made = dies_then_answers(lambda: box.api.post("/v1/downtimes", json=body, headers=key))
    assert made.status_code in (200, 201, 202), made.text
    lives = box.wait_final(command_ids(made))
    assert [life["state"] for life in lives.values()] == ["confirmed"] and of_core(core, "once") == 1
    again = box.api.post("/v1/downtimes", json=body, headers=key)
    assert (again.status_code, again.json()["id"]) == (201, made.json()["id"])
    key = {"Idempotency-Key": "chg-1-undone"}
    gone = dies_then_answers(lambda: box.api.delete(f"/v1/downtimes/{made.json()['id']}", headers=key))
    box.wait_final(command_ids(gone))
    assert of_core(core, "once") == 0
    assert box.api.delete(f"/v1/downtimes/{made.json()['id']}", headers=key).status_code == 200


def test_what_never_joins_a_twin(core: NagiosCore, box: Box) -> None:
    """A result counts each time it is sent: the log must hold its line once."""
    one = {"host": "web01", "service": "PING", "return_code": 1, "plugin_output": "a result that came once"}
    key = {"Idempotency-Key": "result-1"}
    made = dies_then_answers(lambda: box.api.post("/v1/results", json={"results": [one]}, headers=key))
    box.wait_final(command_ids(made))
    assert command_ids(box.api.post("/v1/results", json={"results": [one]}, headers=key)) == command_ids(made)
    counted = oracle.command_lines(oracle.logs_of(core.folder))
    assert [count for line, count in counted.items() if b"a result that came once" in line] == [1]


def test_the_centreon_dialect(core: NagiosCore, box: Box) -> None:
    host = box.host_id("db01")
    body = {
        "comment": "from an old client", "is_fixed": True, "duration": 3600, "with_services": False,
        "start_time": "2026-01-01T00:00:00+00:00", "end_time": "2036-01-01T00:00:00+00:00",
    }  # fmt: skip
    client = box.client(**{"X-AUTH-TOKEN": box.token, "Idempotency-Key": '"from-1"'})
    client.base_url = httpx.URL(box.url + "/centreon/api/latest")
    made = dies_then_answers(lambda: client.post(f"/monitoring/hosts/{host}/downtimes", json=body))
    assert made.status_code == 204, made.text
    again = client.post(f"/monitoring/hosts/{host}/downtimes", json=body)
    assert (again.status_code, again.headers["Signalbox-Entry"]) == (204, made.headers["Signalbox-Entry"])
    assert of_core(core, "from an old client") == 1


def test_the_audit_has_each_of_them_once_with_the_bytes_the_core_read(core: NagiosCore, box: Box) -> None:
    rows = box.api.get("/v1/audit", params={"status": "accepted"}).json()["items"]
    assert sorted(row["idempotency_key"] for row in rows) == ["chg-1", "chg-1-undone", "from-1", "result-1"]
    logged = oracle.command_lines(oracle.logs_of(core.folder))
    for row in rows:
        for command in row["commands"]:
            told = command["line"].encode().strip().partition(b"] ")[2]
            assert any(told in line for line in logged), (told, list(logged))
            assert command["evidence"]
