"""Following a core's log through renames, re-creation and copytruncate, and picking it up again at a recorded position.

A position is (device, inode, first line, offset). Lines are given out whole, in the order the core wrote them. Where bytes are
known to be missing (an archive is gone or compressed, a truncated file left no copy), `hole` says so once: proof must then
not take the absence of a line for anything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import orjson

_CHUNK = 1 << 20
_FIRST_LINE_BYTES = 160  # enough to tell two logs apart: they begin with a time stamp


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a log. `first_line` guards against inode re-use; empty when the file was empty."""

    device: int
    inode: int
    first_line: str
    offset: int

    def dump(self) -> str:
        return orjson.dumps([self.device, self.inode, self.first_line, self.offset]).decode()

    @classmethod
    def load(cls, text: str) -> Position | None:
        """The position, or None when none was recorded."""
        return cls(*orjson.loads(text)) if text else None


@dataclass(slots=True)
class _OpenLog:
    descriptor: int
    device: int
    inode: int
    first_line: bytes
    offset: int

    def read(self) -> list[bytes]:
        """Whole lines from the offset on, at most one chunk."""
        data = os.pread(self.descriptor, _CHUNK, self.offset)
        end = data.rfind(b"\n") + 1
        if not end:
            # A single line longer than a chunk is no log line; step over it rather than stand still.
            self.offset += len(data) if len(data) == _CHUNK else 0
            return []
        self.offset += end
        return data[: end - 1].split(b"\n")

    def refresh_first_line(self) -> bool:
        """Remember the first line once there is one. False: it is another one now, so the file was truncated and refilled."""
        head = os.pread(self.descriptor, _FIRST_LINE_BYTES, 0).split(b"\n")[0]
        if len(self.first_line) < len(head) and head.startswith(self.first_line):
            self.first_line = head
        return head == self.first_line

    def position(self) -> Position:
        return Position(self.device, self.inode, self.first_line.decode("latin-1"), self.offset)


@dataclass(slots=True)
class LogTail:
    """One log being followed. Not thread-safe; every method does I/O."""

    path: Path
    archive_path: Path | None = None
    hole: bool = False  # set when bytes were lost; the reader clears it
    _chain: list[_OpenLog] = field(default_factory=list)  # oldest first; the last one is the newest known

    def open(self, position: Position | None) -> None:
        """Start at a recorded position (archives included), or at the present end when None."""
        self.close()
        if position is None:
            current = _open(self.path)
            if current is not None:
                current.offset = os.fstat(current.descriptor).st_size
                self._chain.append(current)
            return
        start = self._find(position)
        if start is None:
            self.hole = True
            current = _open(self.path)
            self._chain += [current] if current is not None else []
            return
        self._chain.append(start)
        self._follow()

    def close(self) -> None:
        """Close every descriptor."""
        for log in self._chain:
            os.close(log.descriptor)
        self._chain.clear()

    def position(self) -> Position | None:
        """Where the next line will be read, None before the log exists."""
        return self._chain[0].position() if self._chain else None

    def read(self) -> list[bytes]:
        """New whole lines without their newline, in order; [] when there are none now."""
        self._follow()
        while self._chain:
            oldest = self._chain[0]
            self._check_truncated(oldest)
            lines = oldest.read()
            if lines or len(self._chain) == 1:
                return lines
            # The core writes to one file only: a later one with lines in it means that this one has had its last.
            if os.fstat(self._chain[1].descriptor).st_size == 0:
                return []
            lines = oldest.read()
            if lines:
                return lines
            os.close(self._chain.pop(0).descriptor)
        return []

    def _follow(self) -> None:
        """Append files that came after the newest one we know."""
        try:
            found = self.path.stat()
        except OSError:
            return
        newest = self._chain[-1] if self._chain else None
        if newest is not None and (found.st_dev, found.st_ino) == (newest.device, newest.inode):
            return
        if newest is not None:
            self._chain += self._between(newest, found.st_ino)
        current = _open(self.path)
        if current is not None:
            self._chain.append(current)

    def _between(self, newest: _OpenLog, current_inode: int) -> list[_OpenLog]:
        """Logs rotated away since `newest` was the current one, oldest first."""
        since = os.fstat(newest.descriptor).st_mtime_ns
        known = {log.inode for log in self._chain} | {current_inode}
        later = []
        for path in self._siblings():
            found = path.stat()
            if found.st_ino not in known and found.st_mtime_ns >= since and found.st_size and not _is_copy(path, newest):
                later.append((found.st_mtime_ns, path))
        opened = [_open(path) for _, path in sorted(later)]
        return [log for log in opened if log is not None]

    def _check_truncated(self, log: _OpenLog) -> None:
        """copytruncate: read the rest from the copy, then start at the beginning."""
        size = os.fstat(log.descriptor).st_size
        if size >= log.offset and (size == 0 or log.refresh_first_line()):
            return
        copy = self._copy_of(log)
        if copy is None:
            self.hole = True
        else:
            copy.offset = log.offset
            self._chain.insert(0, copy)
        log.offset = 0
        log.first_line = b""
        if size:
            log.refresh_first_line()

    def _copy_of(self, log: _OpenLog) -> _OpenLog | None:
        for path in self._siblings():
            candidate = _open(path)
            if candidate is None:
                continue
            size = os.fstat(candidate.descriptor).st_size
            if candidate.inode != log.inode and log.first_line and candidate.first_line == log.first_line and size >= log.offset:
                return candidate
            os.close(candidate.descriptor)
        return None

    def _find(self, position: Position) -> _OpenLog | None:
        first_line = position.first_line.encode("latin-1")
        for path in [self.path, *self._siblings()]:
            log = _open(path)
            if log is None:
                continue
            same_file = (log.device, log.inode) == (position.device, position.inode) and log.first_line.startswith(first_line)
            # A copytruncate's copy has another inode but the same beginning.
            same_text = bool(first_line) and log.first_line == first_line
            if (same_file or same_text) and os.fstat(log.descriptor).st_size >= position.offset:
                log.offset = position.offset
                return log
            os.close(log.descriptor)
        return None

    def _siblings(self) -> list[Path]:
        """Regular files that may be rotated pieces of this log."""
        stem = self.path.name.split(".")[0]
        folders = {self.path.parent, self.archive_path or self.path.parent}
        found = []
        for folder in folders:
            try:
                names = [entry for entry in os.scandir(folder) if entry.name.startswith(stem) and not entry.name.endswith(".gz")]
            except OSError:
                continue
            found += [Path(entry.path) for entry in names if entry.is_file(follow_symlinks=False) and Path(entry.path) != self.path]
        return found


def _open(path: Path) -> _OpenLog | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    found = os.fstat(descriptor)
    head = os.pread(descriptor, _FIRST_LINE_BYTES, 0).split(b"\n")[0]
    return _OpenLog(descriptor, found.st_dev, found.st_ino, head, 0)


def _is_copy(path: Path, log: _OpenLog) -> bool:
    other = _open(path)
    if other is None:
        return True
    os.close(other.descriptor)
    return bool(log.first_line) and other.first_line == log.first_line
