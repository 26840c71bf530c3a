"""Two cores, 200 downtimes over 16 connections."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.support import oracle
from tests.support.box import CONNECTIONS, command_ids, parallel
from tests.system.conftest import MANY, Site

pytestmark = pytest.mark.core


def test_every_one_confirmed_on_its_own_core(site: Site, tell: Callable[[str], None]) -> None:
    hosts = [f"{prefix}{number:03}" for number in range(MANY) for prefix in "ns"]
    assert len(hosts) == 200
    began = time.monotonic()
    answers = parallel(lambda host: site.box.downtime(host, f"one of many on {host}"), hosts, CONNECTIONS)
    tell(f"{len(hosts)} downtimes answered in {time.monotonic() - began:.1f} s")
    assert {answer.status_code for answer in answers} <= {201, 202}, {answer.text for answer in answers}
    assert {answer.json()["state"] for answer in answers} <= {"processed", "confirmed"}
    assert len({answer.json()["id"] for answer in answers}) == 200
    lives = site.box.wait_final([name for answer in answers for name in command_ids(answer)])
    tell(f"all of them final in {time.monotonic() - began:.1f} s")
    assert {life["state"] for life in lives.values()} == {"confirmed"}

    for core, prefix in ((site.north, "n"), (site.south, "s")):
        found = [block for block in oracle.downtimes(core.status_file) if block["comment"].startswith("one of many on ")]
        assert Counter((block["host_name"], block["comment"]) for block in found) == {
            (f"{prefix}{number:03}", f"one of many on {prefix}{number:03}"): 1 for number in range(MANY)
        }
