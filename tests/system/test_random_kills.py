"""Fifty kills of whatever part of Signalbox, at random moments: nothing accepted is lost, nothing is done twice."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from engine.commands.lifecycle import UNFINISHED
from tests.support import cores
from tests.support.box import ENGINE, SCANNER, WORKER, Box, boxed
from tests.support.callers import Callers, exactly_once, many_hosts
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
        in_flight: list[int] = []
        try:
            for role in roles:
                until(lambda: all(box.pids(part) for part in (ENGINE, WORKER, SCANNER)), "all of it runs again")
                _at_least(IN_FLIGHT, box)
                time.sleep(chance.random() * 0.3)  # a random moment
                in_flight.append(_at_least(IN_FLIGHT, box))
                if role == POWER:
                    box.kill(whole=True)
                    box.start()
                else:
                    box.kill_part(role)
        finally:
            callers.stop()
        tell(f"{len(in_flight)} kills, {min(in_flight)} to {max(in_flight)} commands in flight at each")
        assert len(in_flight) == KILLS
        assert min(in_flight) >= IN_FLIGHT
        box.wait_ready()
        exactly_once(both, box, callers.accepted, "random", tell)


def _at_least(wanted: int, box: Box) -> int:
    """Wait for so many commands in flight, or more; as many as there were then, for a moment later there may be fewer."""
    seen: list[int] = []

    def are_there() -> bool:
        seen.append(_unfinished(box))
        return seen[-1] >= wanted

    until(are_there, f"{wanted} commands in flight")
    return seen[-1]


def _unfinished(box: Box) -> int:
    """Commands that have not come to their end, read from the journal itself: no worker need be alive for it."""
    with closing(sqlite3.connect(f"file:{box.data}/journal.db?mode=ro", uri=True, timeout=10)) as connection:
        states = ",".join(f"'{state}'" for state in sorted(UNFINISHED))
        (count,) = connection.execute(f"SELECT count(*) FROM command WHERE state IN ({states})").fetchone()
    return int(count)
