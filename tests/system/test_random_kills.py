"""Fifty kills of whatever part of Signalbox, at random moments: nothing accepted is lost, nothing is done twice."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

import pytest

from engine.commands.lifecycle import UNFINISHED
from tests.support import cores
from tests.support.box import ENGINE, SCANNER, WORKER, Box, boxed
from tests.support.callers import Callers, exactly_once, many_hosts, read_once
from tests.support.cores import Icinga2Core, NagiosCore, until

pytestmark = pytest.mark.core

POWER = "everything at once"
KILLED = {ENGINE: 16, WORKER: 12, SCANNER: 8, POWER: 14}
KILLS = 50
IN_FLIGHT = 10


@pytest.fixture
def both() -> Iterator[tuple[NagiosCore, Icinga2Core]]:
    with cores.core_folder() as folder:
        nagios = NagiosCore(folder / "nagios", many_hosts("n"))
        icinga2 = Icinga2Core(folder / "icinga2", many_hosts("i"))
        with cores.running(nagios, icinga2):
            yield nagios, icinga2


def test_fifty_random_kills_with_commands_in_flight(both: tuple[NagiosCore, Icinga2Core], tell: Callable[[str], None]) -> None:
    seed = random.SystemRandom().randrange(2**32)
    tell(f"random kills: seed {seed}")
    chance = random.Random(seed)
    others = [role for role, count in KILLED.items() if role != POWER for _ in range(count)]
    chance.shuffle(others)
    # A power cut now and then, which also ends the growing pauses of a supervisor whose children keep dying.
    cuts = KILLED[POWER]
    roles = [role for number in range(cuts) for role in (*others[number::cuts], POWER)]
    with boxed(both[0].folder.parent, *both, workers=2) as box:
        callers = Callers(box, "random")
        callers.start(8, 0.25)
        kills: list[float] = []
        try:
            for role in roles:
                until(lambda: all(box.pids(part) for part in (ENGINE, WORKER, SCANNER)), "all of it runs again")
                until(lambda: _unfinished(box) >= IN_FLIGHT, "commands in flight")
                time.sleep(chance.random() * 0.3)  # a random moment
                until(lambda: _unfinished(box) >= IN_FLIGHT, "commands in flight")
                kills.append(time.time())
                if role == POWER:
                    box.kill(whole=True)
                    box.start()
                else:
                    box.kill_part(role)
        finally:
            callers.stop()
        box.wait_ready()
        exactly_once(both, box, callers.accepted, "random", tell)
        read_once(both, callers.accepted, "random")
        lives = [box.life(command) for command in callers.accepted.values()]
        hit = [_in_flight(lives, at) for at in kills]
        tell(f"{len(kills)} kills, {min(hit)} to {max(hit)} accepted commands in flight at each")
        assert len(kills) == KILLS
        assert sum(count > 0 for count in hit) > KILLS * 0.8, "else nothing of what is proven above was at stake"


def _in_flight(lives: Sequence[dict[str, Any]], at: float) -> int:
    """How many were accepted before that moment and seen in their core's files after it."""
    return sum(_epoch(life["steps"][0]) <= at < _epoch(life["steps"][-1]) for life in lives)


def _epoch(step: dict[str, Any]) -> float:
    return datetime.fromisoformat(step["at"]).timestamp()


def _unfinished(box: Box) -> int:
    """Commands that have not come to their end, read from the journal itself: no worker need be alive for it."""
    with closing(sqlite3.connect(f"file:{box.data}/journal.db?mode=ro", uri=True, timeout=10)) as connection:
        states = ",".join(f"'{state}'" for state in sorted(UNFINISHED))
        (count,) = connection.execute(f"SELECT count(*) FROM command WHERE state IN ({states})").fetchone()
    return int(count)
