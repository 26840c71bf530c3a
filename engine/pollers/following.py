"""How far a core's log was followed, and what it said of the core's life; kept over our own restarts.

Theory of operation. A life of ours begins to read where the former one stopped, or where the oldest open batch was written, if that
is earlier: rotated pieces in between are read first (tail.py). So nothing that the core logged meanwhile is missed: echoes, effects
that only the log shows, and whether the core ended in good order. A start that no orderly end precedes is a crash: what
the core had not saved is lost then, and the first status file of the new run is compared with what the journal holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from engine.clock import Clock
from engine.config import Poller
from engine.formats.corelog import LogKind, LogLine, is_announced
from engine.journal.batches import BatchRow
from engine.journal.followed import Followed, followed, save_followed
from engine.journal.store import Journal
from engine.model import CoreKind
from engine.pollers.tail import LogTail, Position

_SAVE_EVERY_S = 10.0
_SAME_START_S = 2  # Icinga 2 says in several lines that it starts


@dataclass(slots=True)
class Following:
    """See the module. Not thread-safe."""

    poller: Poller
    journal: Journal
    clock: Clock
    tail: LogTail
    state: Followed = Followed("", 0.0, 0.0)
    _saved: Followed = Followed("", 0.0, 0.0)
    _started_at: int = 0

    def open(self, unsettled: Sequence[BatchRow]) -> None:
        """Begin to read. `tail.hole` says afterwards whether lines about the open batches are missing."""
        known = followed(self.journal.connection, self.poller.number)
        if known is not None:
            self.state = self._saved = known
        if unsettled and (known is None or _is_before(unsettled[0], known)):
            self.tail.open(Position.load(unsettled[0].position))
            # Where there was no log yet when it was written, any line may be missing.
            self.tail.hole = self.tail.hole or not unsettled[0].position
            return
        self.tail.open(Position.load(known.position) if known is not None else None)
        if self.tail.hole and not unsettled:
            self.tail.open(None)  # nothing waits for what is missing

    def lived(self, line: LogLine) -> None:
        """Take a line that says that the core starts, or ends in good order."""
        # What both lives of ours read must not count twice.
        same = self.poller.kind is CoreKind.ICINGA2 and abs(line.at - self._started_at) <= _SAME_START_S
        if is_announced(line):
            self.state = replace(self.state, stopped=True)
        elif self.state.stopped:
            self.state = replace(self.state, stopped=False)
        elif not same and line.at > self.state.program_start + 1:
            self.state = replace(self.state, crashed_at=float(line.at))
        if line.kind is LogKind.START:
            self._started_at = line.at

    def knows_start(self, program_start: float) -> bool:
        """Has the log, as far as it was read, told of the start of the run that began then? Of a first one nothing is asked."""
        return not self.state.program_start or self.state.crashed_at > 0 or self._started_at >= program_start - _SAME_START_S

    def is_crash(self, program_start: float) -> bool:
        """Is the first status file of the run that began then the first one after a crash?"""
        return 0 < self.state.program_start < program_start and self.state.crashed_at > 0

    def saw(self, program_start: float) -> None:
        """Take note of the run whose status file was judged."""
        if program_start != self.state.program_start:
            self.state = replace(self.state, program_start=program_start, crashed_at=0.0)
            self.save()

    def save(self, after_s: float = _SAVE_EVERY_S) -> None:
        """Store how far the log was read, at most every `after_s`; at once what it said of the core's life."""
        place = self.tail.position()
        now, known = self.clock.now(), self._saved
        self.state = replace(self.state, position=place.dump() if place is not None else "")
        said = replace(self.state, position=known.position, at=known.at) != known
        if said or (self.state.position != known.position and now - known.at >= after_s):
            self.state = replace(self.state, at=now)
            with self.journal.transaction() as connection:
                save_followed(connection, self.poller.number, self.state)
            self._saved = self.state


def _is_before(batch: BatchRow, known: Followed) -> bool:
    """May the batch have been written before the log was read as far as is known? Told by the places: a clock may be set back.

    Two places can be compared only in one text: a log that was truncated in place keeps its inode and begins with another line.
    """
    written, read = Position.load(batch.position), Position.load(known.position)
    if written is None or read is None or (written.device, written.inode) != (read.device, read.inode):
        return True
    is_one_text = bool(written.first_line) and read.first_line.startswith(written.first_line)
    return not is_one_text or written.offset < read.offset
