"""Carries journal.db's write-ahead log back into the file, outside of everybody's turn.

Theory of operation. SQLite would do that within the commit that makes the log long: tens of milliseconds for which that writer
keeps all others waiting. So writers leave it alone (but for a log so long that nobody can be doing this), and a thread of the
engine looks every EVERY_S how long it is. A passive checkpoint waits for nobody, and nobody for it; when all of the log is in the
file, the next writer begins it anew. Under a flood it never is, as commits come meanwhile: once it is MOST_PAGES long, what is left
after a passive checkpoint, which is little, is carried back within a turn.

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
from dataclasses import dataclass, field
from pathlib import Path

from engine.journal.store import Journal

EVERY_S = 0.1
SOME_PAGES = 1000  # of 4 KB: SQLite's own measure
MOST_PAGES = 8000
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
            carried = self._carried if salt == self._salt else 0
            is_long = frames >= self.most_pages
            if frames - carried >= SOME_PAGES or (is_long and frames > carried):
                self._salt, self._carried = salt, self._carry()
                if is_long:
                    with self.journal.turn():
                        self._carried = self._carry()
            self._is_failing = False
        except (sqlite3.Error, OSError) as error:
            if not self._is_failing:
                log.error("the journal's log cannot be carried into its file for now, and grows: %s", error)
            self._is_failing = True

    def _carry(self) -> int:
        """How many pages of the log are in the file now."""
        _, _, carried = self.journal.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
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
