"""Nothing accepted is lost and nothing is done twice, wherever we or a core die (issue 2, seen to hold 8)."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from engine import faults
from engine.commands.lifecycle import UNFINISHED
from tests.support import cores, oracle
from tests.support.box import ENGINE, SCANNER, WORKER, Box, boxed, command_ids, parallel
from tests.support.cores import Core, Host, Icinga2Core, NagiosCore, Service, until

pytestmark = pytest.mark.core

POINTS = (faults.AFTER_ACCEPT, faults.AFTER_BATCH_ROW, faults.AFTER_WRITE, faults.AFTER_END_MARK)
HITS = 5
POWER = "everything at once"
KILLED = {ENGINE: 16, WORKER: 12, SCANNER: 8, POWER: 14}
KILLS = 50
IN_FLIGHT = 10
MANY = 60
ROUNDS = 2


def _hosts(prefix: str) -> list[Host]:
    return [Host(f"{prefix}{n:02}", (Service("PING"),)) for n in range(MANY)]


@pytest.fixture
def both() -> Iterator[tuple[NagiosCore, Icinga2Core]]:
    with cores.core_folder() as folder:
        nagios = NagiosCore(folder / "nagios", _hosts("n"))
        icinga2 = Icinga2Core(folder / "icinga2", _hosts("i"))
        with cores.running(nagios, icinga2):
            yield nagios, icinga2


@dataclass
class Callers:
    """People who POST downtimes all the time, repeat what got no answer, and remember what was accepted."""

    box: Box
    word: str
    accepted: dict[str, str] = field(default_factory=dict)  # comment → command
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _pace_s: float = 0.0

    def start(self, callers: int, pace_s: float) -> None:
        self._pace_s = pace_s
        for caller in range(callers):
            thread = threading.Thread(target=self._call, args=(caller, self.box.client(self.box.token)))
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self, caller: int, client: httpx.Client) -> None:
        number = 0
        while not self._stop.is_set():
            host = f"{'ni'[(caller + number) % 2]}{(caller * 7 + number) % MANY:02}"
            comment = f"{self.word} {caller}-{number}"
            self._ask(client, {"host": host, "start": "now", "duration": 3600, "comment": comment})
            number += 1
            self._stop.wait(self._pace_s)

    def _ask(self, client: httpx.Client, body: dict[str, object]) -> None:
        """Until an answer comes: without a key, exactly as any script would."""
        while True:
            try:
                answer = client.post("/v1/downtimes", json=body, params={"wait": 0})
            except httpx.TransportError:
                if self._stop.wait(0.02):
                    return
                continue
            assert answer.status_code in (200, 201, 202), answer.text
            self.accepted[str(body["comment"])] = command_ids(answer)[0]
            return


def _exactly_once(running: Iterable[Core], box: Box, accepted: dict[str, str], word: str, tell: Callable[[str], None]) -> None:
    lives = box.wait_final(accepted.values(), 60)
    states = Counter(life["state"] for life in lives.values())
    blocks: Counter[str] = Counter()
    for core in running:
        cores.wait_for_generation(core)
        blocks.update(block["comment"] for block in oracle.downtimes(core.status_file) if block["comment"].startswith(word))
    missing = set(accepted) - set(blocks)
    double = {comment: count for comment, count in blocks.items() if count > 1}
    tell(
        f"{word}: {len(accepted)} accepted, {len(blocks)} in the core, {len(missing)} missing, {len(double)} double, {dict(states)}"
    )
    assert accepted
    assert not missing, [lives[accepted[comment]] for comment in sorted(missing)][:2]
    assert not double
    assert states == {"confirmed": len(lives)}, [life for life in lives.values() if life["state"] != "confirmed"][:2]


@dataclass
class Crashing:
    """A Signalbox whose engine dies each time it passes a crash point for the second time, and what was asked of it."""

    cores: tuple[Core, ...]
    box: Box
    callers: Callers

    @property
    def deaths(self) -> int:
        """How often its supervisor has seen the engine end by SIGKILL, the way of a crash point."""
        return self.box.output.count("engine was ended by SIGKILL")


def test_named_crash_points(tell: Callable[[str], None]) -> None:
    with ExitStack() as stack:
        sites = [stack.enter_context(_crashing_at(point)) for point in POINTS]
        for site in sites:
            site.callers.start(4, 0.2)
            stack.callback(site.callers.stop)
        until(lambda: all(site.deaths >= HITS for site in sites), 90, f"each engine died {HITS} times at its point")
        for site in sites:
            site.callers.stop()
            site.box.stop()
            site.box.start()
        for site in sites:
            site.box.wait_ready()
            word = site.callers.word
            tell(f"{word}: the engine died there {site.deaths} times")
            _exactly_once(site.cores, site.box, site.callers.accepted, word, tell)


@contextmanager
def _crashing_at(point: str) -> Iterator[Crashing]:
    with cores.core_folder() as folder:
        both = (NagiosCore(folder / "nagios", _hosts("n")), Icinga2Core(folder / "icinga2", _hosts("i")))
        with cores.running(*both), boxed(folder, *both, SIGNALBOX_CRASH=f"{point}:2") as box:
            yield Crashing(both, box, Callers(box, point))


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
                until(lambda: all(box.pids(part) for part in (ENGINE, WORKER, SCANNER)), 20, "all of it runs again")
                until(lambda: _unfinished(box) >= IN_FLIGHT, 20, f"{IN_FLIGHT} commands in flight")
                pause = time.monotonic() + chance.random() * 0.3
                until(lambda pause=pause: time.monotonic() > pause and _unfinished(box) >= IN_FLIGHT, 20, "a random moment")  # type: ignore[misc]
                in_flight.append(_unfinished(box))
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
        _exactly_once(both, box, callers.accepted, "random", tell)


def _unfinished(box: Box) -> int:
    """Commands that have not come to their end, read from the journal itself: no worker need be alive for it."""
    with closing(sqlite3.connect(f"file:{box.data}/journal.db?mode=ro", uri=True, timeout=10)) as connection:
        states = ",".join(f"'{state}'" for state in sorted(UNFINISHED))
        (count,) = connection.execute(f"SELECT count(*) FROM command WHERE state IN ({states})").fetchone()
    return int(count)


@pytest.mark.parametrize("frozen", [True, False])
def test_both_cores_are_killed_between_write_and_proof(frozen: bool, tell: Callable[[str], None]) -> None:
    """`frozen`: nothing of it was read; else it was read and executed, and no status file has shown it."""
    with cores.core_folder() as folder:
        # Status files so slow that nothing is proven when the cores are killed.
        both: list[Core] = [NagiosCore(folder / "nagios", _hosts("n"), 2), Icinga2Core(folder / "icinga2", _hosts("i"), 2)]
        with cores.running(*both), boxed(folder, *both) as box:
            for number in range(ROUNDS):
                word = f"cores killed, frozen={frozen}, {number}"
                accepted = _accept_and_kill(both, box, word, frozen)
                for core in both:
                    core.start()
                for core in both:
                    core.wait_ready()
                _exactly_once(both, box, accepted, word, tell)


def _accept_and_kill(both: list[Core], box: Box, word: str, frozen: bool) -> dict[str, str]:
    hosts = [f"{prefix}{number:02}" for number in range(MANY) for prefix in "ni"]
    if frozen:
        for core in both:
            cores.freeze(core)
    else:
        # Right behind a status file, the next one is two seconds away.
        for core in both:
            generation = oracle.created(core.status_file)
            until(lambda core=core, old=generation: oracle.created(core.status_file) > old, 10, "a new status file")  # type: ignore[misc]
    answers = parallel(lambda host: box.downtime(host, f"{word}, {host}", wait=0), hosts)
    assert {answer.status_code for answer in answers} == {202}, {answer.text for answer in answers if answer.status_code != 202}
    accepted = {f"{word}, {host}": command_ids(answer)[0] for host, answer in zip(hosts, answers, strict=True)}
    wanted = ("written",) if frozen else ("processed", "confirmed")
    until(lambda: all(any(_in_state(box, poller, state) for state in wanted) for poller in (1, 2)), 10, f"{wanted} on both")
    for core in both:
        cores.kill(core)
    for comment, command_id in list(accepted.items()):
        # What a core had shown before it was killed and had not saved is its own loss: nothing of ours was in flight any more.
        if box.life(command_id)["state"] == "confirmed":
            del accepted[comment]
    assert len(accepted) > len(hosts) / 2
    return accepted


def _in_state(box: Box, poller: int, state: str) -> int:
    return int(box.api.get("/v1/commands", params={"state": state, "poller": poller, "limit": 1}).json()["total"])
