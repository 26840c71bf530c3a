"""Acknowledgements, and what the core itself refuses."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from engine import hints
from engine.commands.lifecycle import State
from engine.journal.commands import CommandRow, insert_command
from engine.journal.store import Journal
from tests.support import cores, oracle
from tests.support.box import Box, boxed
from tests.support.cores import Host, NagiosCore, Service, until
from tests.system.conftest import Site

pytestmark = pytest.mark.core


def _acknowledge(box: Box, host: str, service: str, comment: str, **more: Any) -> httpx.Response:
    body = {"host": host, "service": service, "comment": comment, "sticky": True, "notify": False, "persistent": False}
    wait = more.pop("wait", None)
    return box.api.post("/v1/acknowledgements", json=body | more, params={} if wait is None else {"wait": wait})


def _shown(box: Box, host: str, service: str) -> dict[str, Any]:
    row: dict[str, Any] = box.api.get(f"/v1/hosts/{host}/services/{service}").json()
    return row


def test_acknowledged_sticky_and_taken_back(site: Site) -> None:
    box, core = site.box, site.north
    core.set_state("n-web1", "HTTP", 2, "down")
    until(lambda: _shown(box, "n-web1", "HTTP")["state"] == 2, "the view shows CRITICAL")
    answer = _acknowledge(box, "n-web1", "HTTP", "on it", wait=10)
    assert answer.status_code == 201, answer.text
    row = oracle.status_of(core.status_file, "n-web1", "HTTP")
    assert (row["problem_has_been_acknowledged"], row["acknowledgement_type"]) == ("1", "2")
    (comment,) = oracle.comments(core.status_file, "on it")
    assert (comment["entry_type"], comment["author"]) == ("4", "admin")

    removed = box.api.delete(f"/v1/acknowledgements/{answer.json()['id']}", params={"wait": 10})
    assert removed.status_code == 200, removed.text
    cores.wait_for_generation(core)
    assert oracle.status_of(core.status_file, "n-web1", "HTTP")["problem_has_been_acknowledged"] == "0"


def test_not_sticky_is_not_sticky(site: Site) -> None:
    site.north.set_state("n-web3", "HTTP", 2, "down")
    until(lambda: _shown(site.box, "n-web3", "HTTP")["state"] == 2, "the view shows CRITICAL")
    answer = _acknowledge(site.box, "n-web3", "HTTP", "until it changes", sticky=False, wait=10)
    assert answer.status_code == 201, answer.text
    assert oracle.status_of(site.north.status_file, "n-web3", "HTTP")["acknowledgement_type"] == "1"


def test_what_is_ok_cannot_be_acknowledged_and_the_pipe_stays_untouched(site: Site) -> None:
    core = site.north
    core.set_state("n-web2", "HTTP", 0, "fine")
    cores.wait_for_state(core, "n-web2", "HTTP", 0)
    until(lambda: _shown(site.box, "n-web2", "HTTP")["plugin_output"] == "fine", "the view shows this check")
    answer = _acknowledge(site.box, "n-web2", "HTTP", "nothing to see")
    assert answer.status_code == 409, answer.text
    cores.wait_for_generation(core)
    assert b"nothing to see" not in core.log_file.read_bytes()


@pytest.fixture
def slow() -> Iterator[tuple[NagiosCore, Box]]:
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "slow", [Host("web01", (Service("HTTP"),))], interval_s=300)
        with cores.running(core), boxed(folder, core) as box:
            yield core, box


def test_the_log_is_newer_than_the_status_file(slow: tuple[NagiosCore, Box]) -> None:
    core, box = slow
    core.set_state("web01", "HTTP", 2, "just now")
    until(lambda: _shown(box, "web01", "HTTP")["state"] == 2, "the log was read")
    generation = oracle.created(core.status_file)
    answer = _acknowledge(box, "web01", "HTTP", "seen in the log")
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "processed"
    assert oracle.created(core.status_file) == generation, "the status file must not have been written in between"
    # Did it work? The status file will not say for minutes, the retention file does when asked.
    core.send("SAVE_STATE_INFORMATION")
    retention = core.folder / "retention.dat"
    until(lambda: retention.exists() and b"problem_has_been_acknowledged=1" in retention.read_bytes(), "acknowledged")


# --- the core's own no ----------------------------------------------------------------------------------------------------------


def _unknown_host_command(poller: int) -> CommandRow:
    now = time.time()
    arguments = {
        "host": "no-such-host",
        "start": int(now),
        "end": int(now) + 600,
        "fixed": True,
        "trigger": 0,
        "duration": 0,
        "author": "rig",
        "comment": "sent past every check",
    }
    return CommandRow(
        seq=0,
        id=str(uuid.uuid4()),
        operation="downtime",
        name="SCHEDULE_HOST_DOWNTIME",
        poller=poller,
        host="no-such-host",
        service="",
        arguments=arguments,
        state=State.ACCEPTED,
        reason="",
        accepted_at=now,
        updated_at=now,
        deadline_at=now + 600,
        entry_id=None,
        twin_key=None,
        twin_start=None,
        twin_end=None,
        seen_state_change=None,
        author="rig",
        user="admin",
        address="",
        token="",
        epoch=None,
        line=None,
        batch=None,
        attempts=0,
        executed_at=None,
        watch_from=None,
        core_ids=(),
    )


@pytest.mark.parametrize(("poller", "words"), [(1, "External command failed"), (3, "External command failed")])
def test_an_unknown_host_is_refused_in_the_cores_own_words(site: Site, poller: int, words: str) -> None:
    command = _unknown_host_command(poller)
    journal = Journal.open(site.box.data)
    try:
        with journal.transaction() as connection:
            insert_command(connection, command)
    finally:
        journal.close()
    hints.poke_engine(site.box.data, {poller})
    life = site.box.wait_final([command.id])[command.id]
    assert life["state"] == "refused", life
    core = (site.north, site.south, site.east)[poller - 1]
    evidence = life["steps"][-1]["evidence"]
    assert words in evidence
    assert evidence.split("] ", 1)[1].encode() in core.main_log.read_bytes()
