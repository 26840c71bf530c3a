"""Five hundred readers of one stream of 20,000 numbered events over the real server, some of them not as they should be."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import cores
from tests.support.box import WORKER, Box, boxed
from tests.support.cores import Host, NagiosCore, Service
from tests.support.many_readers import SocketReader, read_all

pytestmark = pytest.mark.core

READERS = 500
EVENTS = 20_000
BATCH = 500
EXPECTED = [b"%d" % number for number in range(EVENTS)]
QUERY = "type=state&host=web01&service=HTTP&state=warning,critical"
SERVER_MEMORY_KB = 400_000


def _write(core: NagiosCore, numbers: range) -> None:
    """What the core would log."""
    at = int(time.time())
    with core.log_file.open("ab") as log:
        lines = [
            b"[%d] SERVICE ALERT: web01;HTTP;%b;HARD;1;number %d\n" % (at, (b"WARNING", b"CRITICAL")[n % 2], n) for n in numbers
        ]
        log.write(b"".join(lines))


def _peak_kb(pid: int) -> int:
    words = Path(f"/proc/{pid}/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1])


def _connected(box: Box) -> list[SocketReader]:
    readers = [SocketReader(box, QUERY, EXPECTED, checks=not 10 <= number < READERS - 2) for number in range(READERS)]
    for reader in readers[:-2]:
        reader.connect()
    for reader in readers[-2:]:
        reader.connect(receive_buffer=4096)
    read_all(readers, lambda: all(reader.last_id for reader in readers), 30)
    return readers


def test_each_of_500_readers_gets_every_event_once(tell: Callable[[str], None]) -> None:
    with cores.core_folder() as folder:
        core = NagiosCore(folder / "core", [Host("web01", (Service("HTTP"),))], 5)
        with cores.running(core), boxed(folder, core, workers=2) as box:
            cores.freeze(core)  # it knows nothing of these states: its status file would contradict them
            *awake, sleeper, never_wakes = _connected(box)
            leaving = awake[:2]
            started = time.monotonic()
            for start in range(0, EVENTS, BATCH):
                _write(core, range(start, start + BATCH))
                read_all(awake, lambda: min(one.numbers for one in awake[2:]) >= start - 4 * BATCH, 60)  # noqa: B023
                for position, reader in enumerate(leaving):
                    if start in (BATCH * (8 + position), BATCH * (24 + position)):
                        reader.close()
                    elif start in (BATCH * (10 + position), BATCH * (30 + position)):
                        reader.connect()
            read_all(awake, lambda: all(one.numbers >= EVENTS for one in awake), 60)
            took = time.monotonic() - started
            assert [one.wrong for one in awake if one.wrong] == []
            assert {one.numbers for one in awake} == {EVENTS}
            assert {one.digest for one in awake[2:]} == {awake[2].digest}, "some did not get what those got who were looked at"
            assert not any(one.was_reset for one in awake)
            read_all([sleeper], lambda: sleeper.was_reset, 30)
            assert sleeper.wrong == []
            assert sleeper.numbers < EVENTS, "it did not sleep"
            peaks = [_peak_kb(pid) for pid in box.pids(WORKER)]
            assert max(peaks) < SERVER_MEMORY_KB
            memory = f"peak memory of the workers {[peak // 1000 for peak in peaks]} MB"
            tell(f"{READERS} readers, {EVENTS} events in {took:.1f} s; {memory}")
            for reader in (*awake, sleeper):
                reader.close()
            box.stop()
            never_wakes.close()
            assert "graceful shutdown exceeded" not in box.output, "one who sleeps kept the server from stopping"
