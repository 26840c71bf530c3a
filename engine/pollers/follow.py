"""What a core's log says of states, carried into the mirror: one thread per poller, apart from the lane of commands.

Theory of operation. The log itself is the queue: what the mirror has no time for is read later, so nothing is dropped and nothing
piles up, and a flood of lines keeps no command waiting. Lines go over in slices, each one transaction with the place in the log
behind it: a restart goes on exactly there, through rotations. The log is looked at every LOOK_EVERY_S; being woken for each line
would cost more than reading it when a core writes a hundred thousand. Of a scan's frames `ahead_of` lets none pass before what was
logged before its file has been read, so that lines come before the file that shows what they say: later they would say nothing new.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from engine.config import Poller
from engine.errors import JournalError
from engine.formats.corelog import StateEvent, parse_line, state_event
from engine.pollers.priority import HALF_AS_NICE, step_back
from engine.pollers.tail import LogTail, Position
from engine.state.frames import Begin, Frame
from engine.state.mirror import Mirror

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.015
LINES_PER_SLICE = 200  # some milliseconds of the mirror's time
CAUGHT_UP_WITHIN_S = 30.0  # a scan that waited longer would say less than one that shows what it can
_TRY_AGAIN_S = 1.0


@dataclass(slots=True)
class LogFollower:
    """See the module. `run` is the thread's body; `catch_up` and `stop` may be called from others."""

    poller: Poller
    mirror: Mirror
    tail: LogTail = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.tail = LogTail(self.poller.log_file, self.poller.log_archive_path)

    def open(self) -> None:
        """Go on where the mirror stopped; of a log it does not know, take what comes from now on."""
        known = self.mirror.log_position(self.poller.number)
        self.tail.open(Position.load(known) if known is not None else None)
        place = self.tail.position()
        if known is None and place is not None:
            self.mirror.log_events(self.poller.number, (), place.dump())

    def run(self) -> None:
        """Follow until stopped, a piece of the log at a time: whoever wants to catch up gets a turn in between."""
        step_back(HALF_AS_NICE)  # a flood of lines keeps no answer waiting either
        while not self._stopping.wait(LOOK_EVERY_S):
            with self._lock:
                self._take(*self._read())
        with self._lock:
            self.tail.close()

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping.set()

    def catch_up(self, within_s: float = CAUGHT_UP_WITHIN_S) -> None:
        """Read what is there now, or as far as one gets in that time. What comes meanwhile does not prolong it."""
        deadline = time.monotonic() + within_s
        if not self._lock.acquire(timeout=within_s):
            return
        try:
            lines, place = self._read()  # it is this that sees a rotation
            unread = self.tail.unread()
            while lines and not self._stopping.is_set():
                self._take(lines, place)
                if unread <= 0 or time.monotonic() > deadline:
                    return
                lines, place = self._read()
                unread -= sum(map(len, lines)) + len(lines)
        finally:
            self._lock.release()

    def ahead_of(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames of a scan, once all is read that the core logged before it wrote the file.

        Read before the scan began it is not enough: until a scanner has started and opened a file, that may be another one.
        """
        for frame in frames:
            if isinstance(frame, Begin):
                self.catch_up()
            yield frame

    def _read(self) -> tuple[list[bytes], Position | None]:
        """Lines, and the place behind them in their own file, asked for before anything else may find that file emptied."""
        return self.tail.read(), self.tail.position()

    def _take(self, lines: Sequence[bytes], place: Position | None) -> None:
        if self.tail.hole:
            self.tail.hole = False
            log.warning("poller %s: lines of its log may be missing; its next status file makes up for them", self.poller.name)
        behind = sum(map(len, lines)) + len(lines)  # bytes from the slice's end to the place
        told: list[StateEvent] = []
        for raw in lines:
            behind -= len(raw) + 1
            line = parse_line(raw)
            event = state_event(line) if line is not None else None
            if event is None:
                continue
            told.append(event)
            if len(told) == LINES_PER_SLICE:
                self._store(told, place, behind)
                told = []
        if told:
            self._store(told, place, 0)

    def _store(self, told: Sequence[StateEvent], place: Position | None, behind: int) -> None:
        position = None if place is None else replace(place, offset=place.offset - behind).dump()
        failed = False
        while not self._stopping.is_set():
            try:
                self.mirror.log_events(self.poller.number, told, position)
                return
            except JournalError as error:
                if not failed:
                    log.error("poller %s: its log waits: %s", self.poller.name, error)
                failed = True
            self._stopping.wait(_TRY_AGAIN_S)
