"""What a log says of states gets into the mirror once, whatever happens to the log, to us, or to the disk."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.clock import SystemClock
from engine.config import Settings
from engine.errors import JournalError
from engine.formats.corelog import StateEvent
from engine.pollers import follow
from engine.pollers.follow import LogFollower
from engine.pollers.tail import LogTail, Position
from engine.runtime import Runtime, ScanLoop
from engine.state.events import events_after
from engine.state.frames import Frame
from engine.state.mirror import Mirror
from engine.state.views import Reader
from tests.engine.pollers.rotations import tick
from tests.engine.state.rows import CountingMint, StatusFile, poller, scan, service_row
from tests.support.cores import PATIENCE_S

AT = 2000
FILE = StatusFile(1000.0, services=(service_row("web01", "HTTP"), service_row("web01", "SSH")))


class Log:
    """A core's log, a mirror beside it, and followers that come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "nagios.log"
        self.mirror = Mirror.open(folder / "state.db", CountingMint())
        self.poller = replace(poller(1), log_file=self.path, log_archive_path=folder)
        self.mirror.configure([self.poller])
        self.mirror.apply(scan(FILE))
        self.reader = Reader.open(folder)
        self.path.write_bytes(b"[1000] Nagios 4.4.6 starting... (PID=1)\n")
        self.count = 0
        self.written: list[str] = []
        self.follower = self.started()

    def started(self) -> LogFollower:
        """The engine starts."""
        follower = LogFollower(self.poller, self.mirror)
        follower.open()
        return follower

    def killed(self) -> None:
        """kill -9 of ours, and a new start: nothing is remembered but what the mirror has."""
        self.follower.tail.close()
        self.follower = self.started()

    def write(self, lines: int = 1, path: Path | None = None) -> None:
        """The core logs that many changes, and some lines that mean nothing here."""
        with (path or self.path).open("ab") as file:
            for _ in range(lines):
                self.count += 1
                self.written.append(f"out {self.count}")
                state = (b"OK", b"CRITICAL")[self.count % 2]
                file.write(b"[%d] SERVICE ALERT: web01;HTTP;%b;HARD;1;out %d\n" % (AT, state, self.count))
                file.write(b"[%d] EXTERNAL COMMAND: PROCESS_SERVICE_CHECK_RESULT;web01;HTTP;2;SERVICE ALERT: x\n" % AT)

    def told(self) -> list[str]:
        found = events_after(self.reader.connection, 0, 2**62, 10**6)
        return [str(event.said["output"]) for event in found if event.kind == "state"]

    def close(self) -> None:
        self.follower.tail.close()
        self.reader.close()
        self.mirror.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path)
    yield made
    made.close()


def test_what_was_there_before_us_is_not_told(tmp_path: Path, log: Log) -> None:
    """A status file has shown it already, or will."""
    log.write(3)
    (tmp_path / "other").mkdir()
    other = Mirror.open(tmp_path / "other" / "state.db", CountingMint())
    other.configure([log.poller])
    other.apply(scan(FILE))
    follower = LogFollower(log.poller, other)
    follower.open()
    follower.catch_up()
    assert other.dirty(1) == ()
    follower.tail.close()
    other.close()


def test_every_line_once_in_order(log: Log) -> None:
    for _ in range(5):
        log.write(3)
        log.follower.catch_up()
    assert log.told() == log.written


@pytest.mark.parametrize("lines", [1, follow.LINES_PER_SLICE, 3 * follow.LINES_PER_SLICE + 7])
def test_killed_anywhere_nothing_is_told_twice_and_nothing_lost(log: Log, lines: int) -> None:
    log.write(lines)
    taken: list[int] = []
    store = log.mirror.log_events

    def dies_after_two(number: int, events: list[StateEvent], position: str | None = None) -> None:
        if len(taken) == 2:
            raise KeyboardInterrupt
        store(number, events, position)
        taken.append(len(events))

    log.mirror.log_events = dies_after_two  # type: ignore[assignment, method-assign]
    try:
        log.follower.catch_up()
    except KeyboardInterrupt:
        pass
    log.mirror.log_events = store  # type: ignore[method-assign]
    log.killed()
    log.write(1)
    log.follower.catch_up()
    assert log.told() == log.written


def test_what_was_logged_while_we_were_away_is_told_through_a_rotation(log: Log) -> None:
    log.write(2)
    log.follower.catch_up()
    log.write(2)
    log.path.rename(log.folder / "nagios-11-25-2026-00.log")
    log.write(2)
    log.killed()
    log.follower.catch_up()
    assert log.told() == log.written


def test_copytruncate_under_us(log: Log) -> None:
    for number in range(3):
        log.write(2)
        log.follower.catch_up()
        log.write(1)
        shutil.copyfile(log.path, log.folder / f"nagios.log.{number}")
        log.path.write_bytes(b"")
        log.write(1)
        log.follower.catch_up()
    assert log.told() == log.written


@pytest.mark.parametrize("dies_behind", [1, 2, 3])
def test_a_log_emptied_and_renamed_while_its_lines_are_in_hand_leaves_no_place_that_never_was(log: Log, dies_behind: int) -> None:
    """A place before a file's beginning cannot be read from: the engine would not start any more."""
    log.write(3 * follow.LINES_PER_SLICE)
    unread, store, stored = log.follower.tail.unread, log.mirror.log_events, [0]

    def emptied_first() -> int:
        os.truncate(log.path, 0)
        log.path.rename(log.folder / "nagios.log.1")
        log.write(2)
        return unread()

    def dies(number: int, events: list[StateEvent], position: str | None = None) -> None:
        if stored[0] == dies_behind:
            raise KeyboardInterrupt
        store(number, events, position)
        stored[0] += 1

    with pytest.MonkeyPatch.context() as moment:
        moment.setattr(LogTail, "unread", lambda tail: emptied_first())
        moment.setattr(log.mirror, "log_events", dies)
        try:
            log.follower.catch_up()
        except KeyboardInterrupt:
            pass
    log.killed()
    assert log.follower.tail.hole, "what was in hand is lost with us, and said to be"
    log.follower.catch_up()
    assert log.told() == log.written[: dies_behind * follow.LINES_PER_SLICE] + log.written[-2:]


def test_from_every_place_that_was_stored_one_goes_on_with_the_next_line(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to the log while its lines are in hand, no line comes twice, and none is missing unless it is said."""
    chance = random.Random(20261126)
    monkeypatch.setattr(follow, "LINES_PER_SLICE", 2)
    unread, store, ends = log.follower.tail.unread, log.mirror.log_events, list[int]()

    def rotated() -> int:
        kind = chance.choice(("nothing", "nothing", "rename", "copy", "empty", "empty and rename"))
        tick(log.folder)
        name = log.folder / f"nagios.log.{chance.random()}"
        if kind == "copy":
            shutil.copyfile(log.path, name)
        if kind in ("copy", "empty", "empty and rename"):
            os.truncate(log.path, 0)
        if "rename" in kind:
            log.path.rename(name)
        tick(log.folder)
        log.write(chance.randrange(4))
        return unread()

    def killed(number: int, events: list[StateEvent], position: str | None = None) -> None:
        store(number, events, position)
        last = int(events[-1].output.split()[1])
        given, hole = lines_behind(log, position)
        first = (given or [log.count + 1])[0] if hole else last + 1
        assert first > last and given == list(range(first, log.count + 1)), (position, last)
        ends.append(last)

    monkeypatch.setattr(LogTail, "unread", lambda tail: rotated())
    monkeypatch.setattr(log.mirror, "log_events", killed)
    for _ in range(60):
        log.write(chance.randrange(1, 9))
        log.follower.catch_up()
    assert len(ends) > 100


def lines_behind(log: Log, place: str | None) -> tuple[list[int], bool]:
    """The numbers of the lines that a restart from there is given, and whether it says that some may be missing."""
    tail, lines = LogTail(log.path, log.folder), list[bytes]()
    tail.open(Position.load(place or ""))
    while found := tail.read():
        lines += found
    hole = tail.hole
    tail.close()
    return [int(line.rpartition(b" ")[2]) for line in lines if b" SERVICE ALERT: web01" in line], hole


def test_a_log_that_is_gone_for_a_moment(log: Log) -> None:
    log.write(1)
    log.follower.catch_up()
    log.path.rename(log.folder / "nagios.log.1")
    log.follower.catch_up()
    log.write(2)
    log.follower.catch_up()
    assert log.told() == log.written


def scanned(log: Log, frames: Callable[[], Iterator[Frame]]) -> None:
    """One scan as the engine carries it into the mirror."""
    config = SimpleNamespace(settings=Settings())
    lane = SimpleNamespace(generation_applied=lambda generation: None)
    scanner = SimpleNamespace(scan=lambda request: frames(), close=lambda: None)
    runtime = Runtime(cast(Any, config), SystemClock(), cast(Any, None), log.mirror)
    runtime.lanes[1], runtime.followers[1] = cast(Any, lane), log.follower
    ScanLoop(runtime, log.poller, cast(Any, scanner)).scan()


def test_what_was_logged_until_the_scanner_opened_the_file_is_told_before_it(log: Log) -> None:
    """A scanner that has to be started first opens a younger file: the lines before that would all be older than what is shown."""
    log.write(1)
    log.follower.catch_up()

    def slow_scanner() -> Iterator[Frame]:
        log.write(4)
        shown = service_row("web01", "HTTP", state=2, plugin_output=log.written[-1])
        yield from scan(replace(FILE, created=AT + 1.0, services=(shown, FILE.services[1])), FILE)

    scanned(log, slow_scanner)
    log.follower.catch_up()
    assert log.told() == log.written


def test_a_mirror_that_cannot_be_written_makes_the_log_wait(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_TRY_AGAIN_S", 0.01)
    store, refused = log.mirror.log_events, [1, 2, 3]

    def is_full(number: int, events: list[StateEvent], position: str | None = None) -> None:
        if refused:
            refused.pop()
            raise JournalError("disk full")
        store(number, events, position)

    log.mirror.log_events = is_full  # type: ignore[assignment, method-assign]
    log.write(3)
    log.follower.catch_up()
    assert log.told() == log.written


def test_the_thread_follows_and_stops(log: Log) -> None:
    told = threading.Event()
    log.mirror.told = told.set
    thread = threading.Thread(target=log.follower.run)
    thread.start()
    log.write(1)
    assert told.wait(PATIENCE_S)
    log.follower.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert log.told() == log.written
