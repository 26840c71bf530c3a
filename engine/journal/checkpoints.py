"""Carries journal.db's write-ahead log back into the file, outside of everybody's turn.

Theory of operation. SQLite would do that within the commit that makes the log long: tens of milliseconds for which that writer
keeps all others waiting. So writers leave it alone (but for a log so long that nobody can be doing this), and a thread of the
engine looks every EVERY_S how long it is. A passive checkpoint waits for nobody, and nobody for it; when all of the log is in the
file, the next writer begins it anew. Under a flood it never is, as commits come meanwhile: once it is MOST_PAGES long, what is left
after a passive checkpoint, which is little, is carried back within a turn.

Nor is it begun anew while anybody reads in it, and readers who overlap without end may be short each: there is always one. So where
a log is much too long, that checkpoint waits within its turn for those who read: whoever comes meanwhile reads in the file, as all
of the log is there. It waits for a few milliseconds at first, for longer when the log grew several times as long in spite of it, as
a full disk stops everybody; and where that was in vain (one long reader: waiting cannot help), not again before it is half as long
again.

How long it is, is read in the log itself: one of the other two files must never be opened here, as closing it again would take
SQLite's locks on it away from this whole process.

**Source**: https://sqlite.org/fileformat2.html, 4.1: frames that a log holds from before it was begun anew have another salt.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.journal.store import Journal

EVERY_S = 0.1
SOME_PAGES = 1000  # of 4 KB: SQLite's own measure
MOST_PAGES = 8000
# (times MOST_PAGES that a log is long, for how many milliseconds a turn waits for readers): with the shortest of them,
# and with what is to be carried back, a turn stays below the 30 ms that anybody may hold the journal.
PATIENCE_MS = ((8, 150), (2, 15))
GIVEN_BACK = 8  # times MOST_PAGES: that much room the file system gets back, which takes its time
_HEAD_BYTES, _FRAME_HEAD_BYTES = 32, 24
_PAGE_SIZE_AT, _SALT_AT, _SALT_IN_FRAME_AT, _SALT_BYTES = 8, 16, 8, 8

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Checkpoints:
    """See the module. `run` is a thread's body."""

    journal: Journal
    most_pages: int = MOST_PAGES
    _stopping: threading.Event = field(default_factory=threading.Event)
    _salt: bytes = b""
    _carried: int = 0  # pages of the log with that salt
    _waited_at: int = 0  # how many it had when readers were waited for last
    _is_failing: bool = False

    def run(self) -> None:
        """Look until stopped."""
        while not self._stopping.wait(EVERY_S):
            self.look()

    def stop(self) -> None:
        """Let `run` end after the present look."""
        self._stopping.set()

    def look(self) -> None:
        """Carry back what has gathered, if that is worth it. What cannot be done now (a full disk) is tried again."""
        try:
            salt, frames = frames_of(self.journal.path.with_name(f"{self.journal.path.name}-wal"))
            if salt != self._salt:
                self._salt, self._carried, self._waited_at = salt, 0, 0
            is_long = frames >= self.most_pages
            if frames - self._carried >= SOME_PAGES or (is_long and frames > self._carried):
                self._carried = self._carry()
                if is_long:
                    self._carry_in_turn(frames)
            self._is_failing = False
        except (sqlite3.Error, OSError) as error:
            if not self._is_failing:
                log.error("the journal's log cannot be carried into its file for now, and grows: %s", error)
            self._is_failing = True

    def _carry_in_turn(self, frames: int) -> None:
        patience_ms = next((ms for times, ms in PATIENCE_MS if frames >= times * self.most_pages), 0)
        is_waiting = patience_ms > 0 and frames - self._waited_at >= max(SOME_PAGES, self._waited_at // 2)
        with self.journal.turn():
            if is_waiting:
                self._waited_at = frames
                how = "TRUNCATE" if frames >= GIVEN_BACK * self.most_pages else "RESTART"
                with self._patient(patience_ms):
                    self._carried = self._carry(how)
            else:
                self._carried = self._carry()

    @contextmanager
    def _patient(self, milliseconds: int) -> Iterator[None]:
        connection = self.journal.connection
        (before,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
        try:
            yield
        finally:
            connection.execute(f"PRAGMA busy_timeout = {before}")

    def _carry(self, how: str = "PASSIVE") -> int:
        """How many pages of the log are in the file now."""
        _, _, carried = self.journal.connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
        return int(carried)


def frames_of(path: Path) -> tuple[bytes, int]:
    """(by what a write-ahead log is told from what it was before it was begun anew, how many pages it holds). Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b"", 0
    try:
        head = os.pread(descriptor, _HEAD_BYTES, 0)
        if len(head) < _HEAD_BYTES:
            return b"", 0
        salt = head[_SALT_AT : _SALT_AT + _SALT_BYTES]
        frame_bytes = _FRAME_HEAD_BYTES + int.from_bytes(head[_PAGE_SIZE_AT : _PAGE_SIZE_AT + 4])
        most = (os.fstat(descriptor).st_size - _HEAD_BYTES) // frame_bytes

        def is_of_before(frame: int) -> bool:
            at = _HEAD_BYTES + frame * frame_bytes + _SALT_IN_FRAME_AT
            return os.pread(descriptor, _SALT_BYTES, at) != salt

        return salt, bisect_left(range(most), True, key=is_of_before)
    finally:
        os.close(descriptor)
