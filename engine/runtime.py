"""The engine process, put together: builds, starts, stops; straight functions.

Threads: one lane per poller (commands and proof), one scan thread per poller (carries what its scanner process found into
the mirror), one log thread per poller (carries what its log says of states into the mirror), one that keeps the journal's
write-ahead log short and one that forgets what is old, one thread that carries the lanes' reports into the mirror (a lane never
waits for it) and drops old events, the folder watcher's own, and the main thread, which receives the desks' pokes. Any thread that
fails ends the process: the supervisor starts it again and recovery takes up what was open.
"""

from __future__ import annotations

import fcntl
import logging
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine import garbage, hints, uncounted
from engine.clock import Clock, SystemClock
from engine.config import Config, Poller, decode_config
from engine.errors import ConfigError, JournalError, SignalboxError
from engine.figures import COMMIT_SECONDS, SCAN_SECONDS, SCANS_FAILED
from engine.journal.checkpoints import Checkpoints
from engine.journal.identities import Identities
from engine.journal.retention import Retention
from engine.journal.store import Journal
from engine.pollers.follow import LogFollower
from engine.pollers.indexing import Indexer
from engine.pollers.keeping import LaneKeeper
from engine.pollers.local import Lane, Reports
from engine.pollers.priority import SteppedBack
from engine.pollers.replay import Replay
from engine.pollers.scanner_process import ScannerProcess
from engine.pollers.watch import FolderWatch
from engine.state.frames import End, Frame, ScanRequest
from engine.state.mirror import Mirror
from engine.state.tables import STATE_FILE
from engine.state.views import Reader

log = logging.getLogger(__name__)

LOCK_FILE = "engine.lock"
_QUEUE_LENGTH = 1000
_SCAN_GAP_S = 0.2  # a file that is rewritten all the time is scanned at most this often
_FAILED_GAP_S = 1.0
_LATE_S = 2.0  # longer than this, and than the core's interval: a scan that stepped back did not get its turn
_HURRY_S = 60.0  # for how long scans step back no more then
_VIEW_WITHIN_S = 60.0  # how long the index of the logs waits for the first status files to be read
_PRUNE_EVERY_S = 1.0
_LOCK_WITHIN_S = 1.0  # desks hold the data folder's lock for moments, to see whether an engine runs

Job = Callable[[Mirror], None]


@dataclass(slots=True)
class Runtime:
    """One running engine. `fail` may be called from any thread: the process ends."""

    config: Config
    clock: Clock
    journal: Journal
    mirror: Mirror
    jobs: queue.Queue[Job | None] = field(default_factory=lambda: queue.Queue(_QUEUE_LENGTH))
    lanes: dict[int, LaneKeeper] = field(default_factory=dict)
    scans: dict[int, ScanLoop] = field(default_factory=dict)
    followers: dict[int, LogFollower] = field(default_factory=dict)
    indexer: Indexer | None = None

    def fail(self) -> None:
        """Called by a thread that met a bug: nothing is trusted any more."""
        log.critical("the engine ends because a thread failed; what was accepted is in the journal", exc_info=True)
        logging.shutdown()
        os._exit(70)


@dataclass(slots=True)
class ScanLoop:
    """Scans one poller's files whenever they change, and at least every `scan_poll_s`.

    Scans step back for commands and answers, but for the first of a scanner, and while stepping back makes the view late: where the
    processor is taken up by others for good, it would get minutes old.
    """

    runtime: Runtime
    poller: Poller
    scanner: ScannerProcess
    due: threading.Event = field(default_factory=threading.Event)
    stopping: bool = False
    _generation: int = -1
    _renewed_at: float = 0.0  # monotonic
    _is_stale: bool = False
    looked: threading.Event = field(default_factory=threading.Event)  # the first scan came to its end, good or bad
    _hurries_until: float = 0.0  # monotonic

    def run(self) -> None:
        pause = 0.0
        back = SteppedBack()
        while not self.stopping:
            self.due.wait(self.runtime.config.settings.scan_poll_s)
            self.due.clear()
            pause = back.do(partial(self.scan, steps_back=True)) if self.can_step_back() else self.scan()
            self.looked.set()
            threading.Event().wait(pause)
        self.scanner.close()

    def can_step_back(self) -> bool:
        """Whether the next scan may wait for others."""
        return self.scanner.has_scanned and self.runtime.clock.monotonic() >= self._hurries_until

    def scan(self, *, steps_back: bool = False) -> float:
        """Scan once into the mirror. Returns how long to rest. `steps_back`: the calling thread did, and the scanner is to."""
        number = self.poller.number
        mirror = self.runtime.mirror
        if mirror.is_lost():
            raise JournalError(f"{STATE_FILE} was removed or replaced under a running engine; the next one makes it anew.")
        began = self.runtime.clock.monotonic()
        follower = self.runtime.followers[number]
        follower.catch_up()  # what it says of rows is asked for of the scanner
        timing = _ScanTiming()
        request = ScanRequest(forget=mirror.dirty(number), steps_back=steps_back)
        applied = mirror.apply(timing.passed(follower.ahead_of(self.scanner.scan(request))))
        timing.tell(number, applied.health)
        ended = self.runtime.clock.monotonic()
        if steps_back and ended - began > max(_LATE_S, self.poller.status_update_interval_s):
            self._hurries_until = ended + _HURRY_S
        if applied.resync:
            self.scanner.close()
        if applied.health == "fresh":
            self.runtime.lanes[number].generation_applied(applied.generation)
        self._judge_age(applied.generation)
        return _SCAN_GAP_S if applied.health == "fresh" else _FAILED_GAP_S

    def _judge_age(self, generation: int) -> None:
        """A core that lives and writes no status file is told of; nothing else shows it but the age of what stands there."""
        now = self.runtime.clock.monotonic()
        if generation != self._generation:
            self._generation, self._renewed_at = generation, now
        limit = self.runtime.config.settings.stale_after_intervals * self.poller.status_update_interval_s
        is_stale = now - self._renewed_at > limit
        if is_stale is self._is_stale:
            return
        number, word = self.poller.number, "stale" if is_stale else "fresh"
        detail = f"Its core has written no status file for {limit:.0f} s: see whether it hangs." if is_stale else ""
        try:
            self.runtime.jobs.put_nowait(lambda mirror: mirror.tell_age(number, word, detail))
            self._is_stale = is_stale
        except queue.Full:
            return  # the next look tells it


@dataclass(slots=True)
class _ScanTiming:
    """How long a scan and its commit took, for the figures. A file that had not changed tells nothing."""

    took_s: float | None = None
    ended: float = 0.0

    def passed(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames as they come."""
        for frame in frames:
            if isinstance(frame, End):
                self.took_s, self.ended = frame.took_s, time.monotonic()
            yield frame

    def tell(self, poller: int, health: str) -> None:
        """The scan is through."""
        if health != "fresh":
            SCANS_FAILED.labels(poller).inc()
        elif self.took_s is not None:
            SCAN_SECONDS.labels(poller).observe(self.took_s)
            COMMIT_SECONDS.labels(poller).observe(time.monotonic() - self.ended)


def main() -> int:
    """Entry of `python -m engine.runtime`: the configuration is the first line of standard input; its end means stop."""
    uncounted.stop_counting()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s engine %(levelname)s %(message)s", stream=sys.stderr)
    config = decode_config(sys.stdin.readline())
    sys.setswitchinterval(0.0005)  # the lane must not wait 5 ms for the mirror to give up the GIL
    try:
        return _run(config)
    except SignalboxError as error:
        log.critical("%s", error)
        return 69


def _run(config: Config) -> int:
    (config.data / LOCK_FILE).touch(0o660)
    folders = {poller.command_file.parent for poller in config.pollers}
    locks = [_locked(path) for path in [config.data / LOCK_FILE, *sorted(folders)] if path.exists()]
    runtime = build(config, SystemClock())
    garbage.spare_collection()
    try:
        serve(runtime)
    finally:
        for lock in locks:
            os.close(lock)
    return 0


def build(config: Config, clock: Clock) -> Runtime:
    """Open the databases and put the parts together; nothing runs yet."""
    journal = Journal.open(config.data)
    identities = Identities(journal)
    mirror = Mirror.open(config.data / STATE_FILE, identities.mint, identities.settle)
    mirror.configure(config.pollers)
    mirror.told = lambda: hints.tell_desks(config.data, [hints.NEW_EVENTS])
    runtime = Runtime(config, clock, journal, mirror, indexer=Indexer(config) if config.settings.history_days else None)
    for poller in config.pollers:
        runtime.lanes[poller.number] = LaneKeeper(poller.name, partial(_lane, runtime, poller))
        runtime.followers[poller.number] = LogFollower(poller, mirror)
        runtime.scans[poller.number] = ScanLoop(runtime, poller, ScannerProcess(poller))
    return runtime


def _lane(runtime: Runtime, poller: Poller) -> Lane:
    data = runtime.config.data
    return Lane(poller, runtime.config.settings, Journal.open(data), lambda: Reader.open(data), runtime.clock, _reports(runtime))


def _reports(runtime: Runtime) -> Reports:
    def moved(command_ids: list[str]) -> None:
        if command_ids:
            hints.tell_desks(runtime.config.data, command_ids)

    def health(poller: int, word: str, detail: str) -> bool:
        try:
            runtime.jobs.put_nowait(lambda mirror: mirror.command_file_health(poller, word, detail))
        except queue.Full:
            return False
        return True

    return Reports(moved, health)


def serve(runtime: Runtime) -> None:
    """Run until standard input ends or a signal asks to stop; stop in reverse order."""
    receiver = hints.listen(runtime.config.data, hints.ENGINE_SOCKET)
    watch = FolderWatch()
    for loop in runtime.scans.values():
        watch.watch(loop.poller.status_file, loop.due.set)
    threads = [_thread(runtime, "reports", lambda: _carry_reports(runtime))]
    for number, follower in runtime.followers.items():
        follower.open()
        threads.append(_thread(runtime, f"log-{number}", follower.run))
    for number, loop in runtime.scans.items():
        threads.append(_thread(runtime, f"scan-{number}", loop.run))
        loop.due.set()
    retention = Retention(Journal.open(runtime.config.data), runtime.config.settings, runtime.clock)
    threads.append(_thread(runtime, "retention", retention.run))
    checkpoints = Checkpoints(Journal.open(runtime.config.data))
    threads.append(_thread(runtime, "checkpoints", checkpoints.run))
    lane_threads = [_thread(runtime, f"lane-{number}", lane.run) for number, lane in runtime.lanes.items()]
    if runtime.indexer is not None:
        _thread(runtime, "history", lambda: _index_history(runtime))
        _thread(runtime, "replay", _replay(runtime).run)
    watch.start()
    log.info("engine up: %d pollers", len(runtime.lanes))
    try:
        _receive(runtime, receiver)
    finally:
        retention.stop()
        checkpoints.stop()
        _stop(runtime, watch, lane_threads)
        receiver.close()


def _replay(runtime: Runtime) -> Replay:
    data, settings = runtime.config.data, runtime.config.settings
    return Replay(Journal.open(data), lambda: Reader.open(data), runtime.config.pollers, settings, runtime.clock)


def _receive(runtime: Runtime, receiver: socket.socket) -> None:
    """Pass pokes on until standard input ends or a signal comes."""
    wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(wake_write, b"x"))
    poll = select.poll()
    for source in (receiver.fileno(), wake_read, sys.stdin.fileno()):
        poll.register(source, select.POLLIN | select.POLLHUP)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if wake_read in ready or (sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 4096)):
            return
        for word in hints.received(receiver):
            lane = runtime.lanes.get(int(word)) if word.isdigit() else None
            if lane is not None:
                lane.poke()


def _stop(runtime: Runtime, watch: FolderWatch, lane_threads: Sequence[threading.Thread]) -> None:
    watch.close()
    if runtime.indexer is not None:
        runtime.indexer.close()
    for lane in runtime.lanes.values():
        lane.stop()
    for thread in lane_threads:
        thread.join(5)
    for follower in runtime.followers.values():
        follower.stop()
    for loop in runtime.scans.values():
        loop.stopping = True
        loop.scanner.close()
    log.info("engine stopped")


def _index_history(runtime: Runtime) -> None:
    """Once the view stands: reading old logs would only keep it waiting."""
    deadline = time.monotonic() + _VIEW_WITHIN_S
    for loop in runtime.scans.values():
        loop.looked.wait(max(0.0, deadline - time.monotonic()))
    if runtime.indexer is not None:
        runtime.indexer.run()


def _carry_reports(runtime: Runtime) -> None:
    """What cannot be stored is dropped: it is looked at again. In between the events beyond their number are dropped, in steps."""
    keep = runtime.config.settings.event_journal_rows
    while True:
        try:
            job = _next_job(runtime)
            if job is None:
                return
            job(runtime.mirror)
        except queue.Empty:
            _prune(runtime, keep)
        except JournalError as error:
            log.error("%s", error)


def _next_job(runtime: Runtime) -> Job | None:
    return runtime.jobs.get(timeout=_PRUNE_EVERY_S)


def _prune(runtime: Runtime, keep: int) -> None:
    try:
        while runtime.mirror.prune_events(keep):
            pass
    except JournalError as error:
        log.error("%s", error)


def _thread(runtime: Runtime, name: str, body: Callable[[], None]) -> threading.Thread:
    def guarded() -> None:
        try:
            body()
        except BaseException:  # noqa: BLE001 - the top of a thread: any bug ends the process
            runtime.fail()

    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread


def _locked(path: Path) -> int:
    """One engine per data folder and per folder of a command file: `flock` on the lock file, and on the folder itself."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    end = time.monotonic() + _LOCK_WITHIN_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(descriptor)
                break
            time.sleep(0.01)
    words = f"{path}: another Signalbox engine holds it. Stop that one, or give this one other pollers and another data folder."
    raise ConfigError([words])


if __name__ == "__main__":
    sys.exit(main())
