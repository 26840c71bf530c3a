"""People who ask for downtimes all the time while something dies, and the proof that each was set exactly once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from tests.support import cores, oracle
from tests.support.box import Box, command_ids
from tests.support.cores import Core, Host, Service, until

MANY = 60
LASTS_S = 3600

Accepted = dict[tuple[str, str], str]
"""What was answered with an id: (host, comment) → command."""


def many_hosts(prefix: str) -> list[Host]:
    """Hosts of one core: `n` for the Nagios, `i` for the Icinga 2."""
    return [Host(f"{prefix}{n:02}", (Service("PING"),)) for n in range(MANY)]


@dataclass
class Callers:
    """People who POST downtimes all the time, repeat what got no answer, and remember what was accepted."""

    box: Box
    word: str
    accepted: Accepted = field(default_factory=dict)
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
            self._ask(client, host, comment)
            number += 1
            self._stop.wait(self._pace_s)

    def _ask(self, client: httpx.Client, host: str, comment: str) -> None:
        """Until an answer comes: without a key, exactly as any script would."""
        body = {"host": host, "start": "now", "duration": LASTS_S, "comment": comment}
        while True:
            try:
                answer = client.post("/v1/downtimes", json=body, params={"wait": 0})
            except httpx.TransportError:
                if self._stop.wait(0.02):
                    return
                continue
            assert answer.status_code in (200, 201, 202), answer.text
            self.accepted[host, comment] = command_ids(answer)[0]
            return


def exactly_once(running: Sequence[Core], box: Box, accepted: Accepted, word: str, tell: Callable[[str], None]) -> None:
    """Each accepted downtime ends `confirmed` and stands in its core once, as was asked; what got no answer, at most once."""
    lives = box.wait_final(accepted.values())
    states = Counter(life["state"] for life in lives.values())
    cores.wait_for_generation(*running)
    found = [block for core in running for block in oracle.downtimes(core.status_file) if block["comment"].startswith(word)]
    blocks = Counter((block["host_name"], block["comment"]) for block in found)
    missing = set(accepted) - set(blocks)
    double = {name: count for name, count in blocks.items() if count > 1}
    tell(
        f"{word}: {len(accepted)} accepted, {len(blocks)} in the core, {len(missing)} missing, {len(double)} double, {dict(states)}"
    )
    assert accepted
    assert not missing, [lives[accepted[name]] for name in sorted(missing)][:2]
    assert not double
    assert not [block for block in found if not _is_as_asked(block)]
    assert states == {"confirmed": len(lives)}, [life for life in lives.values() if life["state"] != "confirmed"][:2]


def _is_as_asked(block: oracle.Block) -> bool:
    lasts_s = float(block["end_time"]) - float(block["start_time"])
    return (block["service_description"], block["fixed"], lasts_s) == ("", "1", LASTS_S)


def read_once(running: Sequence[Core], accepted: Accepted, word: str) -> None:
    """The logs of cores that nobody killed show each accepted line once: none was sent again and taken away again."""

    def read() -> Counter[tuple[str, str]]:
        lines = oracle.command_lines(core.log_file for core in running)
        fields = [(line.decode().split(";"), count) for line, count in lines.items() if line.startswith(b"SCHEDULE_HOST_DOWNTIME;")]
        return Counter({(words[1], words[-1]): count for words, count in fields if words[-1].startswith(word)})

    until(lambda: not set(accepted) - set(read()), "each stands in a log")
    assert not {name: count for name, count in read().items() if count > 1}
