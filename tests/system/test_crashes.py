"""Nothing accepted is lost and nothing is done twice, wherever we or a core die."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from engine import faults
from tests.support import cores, oracle
from tests.support.box import Box, boxed, command_ids, parallel
from tests.support.callers import MANY, Accepted, Callers, exactly_once, many_hosts, read_once
from tests.support.cores import Core, Icinga2Core, NagiosCore, until

pytestmark = pytest.mark.core

POINTS = (faults.AFTER_ACCEPT, faults.AFTER_BATCH_ROW, faults.AFTER_WRITE, faults.AFTER_END_MARK)
HITS = 5
ROUNDS = 2


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
        until(lambda: all(site.deaths >= HITS for site in sites), f"each engine died {HITS} times at its point", 180)
        for site in sites:
            site.callers.stop()
            site.box.stop()
            site.box.start()
        for site in sites:
            site.box.wait_ready()
            word = site.callers.word
            tell(f"{word}: the engine died there {site.deaths} times")
            exactly_once(site.cores, site.box, site.callers.accepted, word, tell)
            read_once(site.cores, site.callers.accepted, word)


@contextmanager
def _crashing_at(point: str) -> Iterator[Crashing]:
    with cores.core_folder() as folder:
        both = (NagiosCore(folder / "nagios", many_hosts("n")), Icinga2Core(folder / "icinga2", many_hosts("i")))
        with cores.running(*both), boxed(folder, *both, SIGNALBOX_CRASH=f"{point}:2") as box:
            yield Crashing(both, box, Callers(box, point))


@pytest.mark.parametrize("frozen", [True, False])
def test_both_cores_are_killed_between_write_and_proof(frozen: bool, tell: Callable[[str], None]) -> None:
    """`frozen`: nothing of it was read; else it was read and executed, and no status file has shown it."""
    with cores.core_folder() as folder:
        # Nothing is to be proven when the cores are killed: status files are slow, but of frozen cores, which write none.
        interval_s = 1 if frozen else 4
        both: list[Core] = [
            NagiosCore(folder / "nagios", many_hosts("n"), interval_s), Icinga2Core(folder / "icinga2", many_hosts("i"), interval_s)
        ]  # fmt: skip
        with cores.running(*both), boxed(folder, *both) as box:
            for number in range(ROUNDS):
                word = f"cores killed, frozen={frozen}, {number}"
                accepted = _accept_and_kill(both, box, word, frozen)
                for core in both:
                    core.start()
                for core in both:
                    core.wait_ready()
                exactly_once(both, box, accepted, word, tell)


def _accept_and_kill(both: list[Core], box: Box, word: str, frozen: bool) -> Accepted:
    hosts = [f"{prefix}{number:02}" for number in range(MANY) for prefix in "ni"]
    if frozen:
        for core in both:
            cores.freeze(core)
    else:
        # Right behind a status file, the next one is four seconds away.
        for core in both:
            generation = oracle.created(core.status_file)
            until(lambda core=core, old=generation: oracle.created(core.status_file) > old, "a new status file")  # type: ignore[misc]
    answers = parallel(lambda host: box.downtime(host, f"{word}, {host}", wait=0), hosts)
    assert {answer.status_code for answer in answers} == {202}, {answer.text for answer in answers if answer.status_code != 202}
    accepted = {(host, f"{word}, {host}"): command_ids(answer)[0] for host, answer in zip(hosts, answers, strict=True)}
    wanted = ("written",) if frozen else ("processed", "confirmed")
    until(lambda: all(any(_in_state(box, poller, state) for state in wanted) for poller in (1, 2)), f"{wanted} on both")
    for core in both:
        cores.kill(core)
    # What a core had shown before it was killed and had not saved is its own loss: nothing of ours was in flight any more. Its last
    # file says it, not our lives: that file may not have been read yet.
    shown = {block["comment"] for core in both for block in oracle.downtimes(core.status_file)}
    accepted = {comment: command_id for comment, command_id in accepted.items() if comment not in shown}
    assert len(accepted) > len(hosts) / 2
    return accepted


def _in_state(box: Box, poller: int, state: str) -> int:
    return int(box.api.get("/v1/commands", params={"state": state, "poller": poller, "limit": 1}).json()["total"])
