"""Following a core's log through renames, re-creation and copytruncate, and picking it up again at a recorded position.

Theory of operation. The log is a chain of files, oldest first: pieces rotated away that are not read to their end yet, then the one
under the log's name. A file is known by device, inode and its first bytes (inodes are used again at once). Whatever piece was there
when we began, or was read, is remembered; when the file under the name is another one, or has shrunk, or was empty, pieces nobody
remembers are put into the chain in the order of their last writing.

Lines are given out whole, once, in the order the core wrote them. Where bytes are or may be missing, `hole` is set by the very
`read` whose lines come from behind the gap: an archive is gone or compressed, a file was truncated without a copy, and every
copytruncate, too, for what the core writes between the copy and the truncation is lost and nothing shows it. Proof must then not
take the absence of a line for anything.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import orjson

_CHUNK = 1 << 20
_HEAD_BYTES = 160  # enough to tell two logs apart: time stamps and, in ours, random marks
_NEVER = (1 << 63, 0)
_UNKNOWN = -1  # when a file was emptied
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst", ".Z")


class Position(msgspec.Struct, frozen=True):
    """A place in a log. `first_line`, the log's first bytes, guards against inode re-use; empty when the file was empty.

    `emptied_ns`: when an empty file was written (or emptied) last. What was written later, in whatever file, stands behind it.
    """

    device: int
    inode: int
    first_line: str
    offset: int
    emptied_ns: int = 0

    def dump(self) -> str:
        return orjson.dumps([self.device, self.inode, self.first_line, self.offset, self.emptied_ns]).decode()

    @classmethod
    def load(cls, text: str) -> Position | None:
        """The position, or None when none was recorded."""
        return cls(*orjson.loads(text)) if text else None


@dataclass(slots=True, eq=False)
class _OpenLog:
    descriptor: int
    key: tuple[int, int]  # device, inode
    head: bytes
    emptied_ns: int  # when it was written last, as long as it is empty
    offset: int = 0
    after_gap: bool = False  # something is or may be missing between the piece before and this one
    copy_of: tuple[int, int] | None = None  # the file that was truncated; positions name it, so that the gap is not forgotten

    def read(self) -> list[bytes] | None:
        """Whole lines from the offset on, at most one chunk; None when the file has begun anew since it was looked at."""
        data = os.pread(self.descriptor, _CHUNK, self.offset)
        # Truncated and filled again in between, there may be other lines at the same place.
        if data and (not self.head or os.pread(self.descriptor, len(self.head), 0) != self.head):
            return None
        end = data.rfind(b"\n") + 1
        if not end:
            # A single line longer than a chunk is no log line; step over it rather than stand still.
            self.offset += len(data) if len(data) == _CHUNK else 0
            return []
        self.offset += end
        return data[: end - 1].split(b"\n")

    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def written_at(self) -> tuple[int, int]:
        """When it was written last, then when it was renamed last."""
        found = os.fstat(self.descriptor)
        return found.st_mtime_ns, found.st_ctime_ns

    def is_truncated(self) -> bool:
        """Has it become shorter than what was read, or begun anew? If not, remember how it begins."""
        found = os.fstat(self.descriptor)
        head = os.pread(self.descriptor, _HEAD_BYTES, 0)
        if found.st_size < self.offset or not head.startswith(self.head):
            return True
        self.head, self.emptied_ns = head, 0 if head else found.st_mtime_ns
        return False

    def seek_end(self) -> None:
        """Go behind the last whole line."""
        size = self.size()
        start = max(0, size - _CHUNK)
        tail = os.pread(self.descriptor, size - start, start)
        self.offset = start + tail.rfind(b"\n") + 1

    def position(self) -> Position:
        return Position(*(self.copy_of or self.key), self.head.decode("latin-1"), self.offset, self.emptied_ns)

    def close(self) -> None:
        os.close(self.descriptor)


class _Found(msgspec.Struct, frozen=True):
    """Pieces in the order of writing, the file under the log's name if it is new, the last write to a compressed piece."""

    pieces: list[_OpenLog]
    current: _OpenLog | None
    compressed_at: int


@dataclass(slots=True)
class LogTail:
    """One log being followed. Not thread-safe; every method does I/O."""

    path: Path
    archive_path: Path | None = None
    hole: bool = False  # set by the read whose lines come from behind missing ones; the reader clears it
    _chain: list[_OpenLog] = field(default_factory=list)  # oldest first; the last one is the newest known
    _remembered: dict[tuple[int, int], bytes] = field(default_factory=dict)  # pieces that are none of our business (any more)

    def open(self, position: Position | None) -> None:
        """Start at a recorded position (archives included), or at the present end when None."""
        self.close()
        start = self._find(position) if position is not None else None
        if position is None or start is None:
            self.hole = position is not None
            current = self._look(_NEVER).current
            if current is not None:
                self._chain = [current]
                if position is None:
                    current.seek_end()
            return
        start.offset = position.offset
        self._chain = [start]
        if not position.first_line:
            self._begin_behind(start, position.emptied_ns)
        elif _key_of(self.path) == start.key:
            self._look(_NEVER)
        else:
            self._go_on_from(start)

    def _begin_behind(self, start: _OpenLog, emptied_ns: int) -> None:
        """An empty file has no beginning to be known by: take all that was written since, and say that something may be missing.

        It may have been filled and truncated meanwhile, behind copies; another file may have taken its inode.
        """
        found = self._look((emptied_ns + 1, 0) if emptied_ns > 0 else _NEVER)
        pieces = self._without_copies(found.pieces, start)
        before = [piece for piece in pieces if piece.written_at() <= start.written_at()]
        self.hole = bool(before) or start.size() > 0 or start.written_at()[0] != emptied_ns
        self._put_copies_before(start, before)
        start.after_gap = bool(before)
        self._chain += [*pieces[len(before) :], *([found.current] if found.current is not None else [])]

    def _go_on_from(self, start: _OpenLog) -> None:
        """The file of the position was rotated away: what was written behind it follows."""
        found = self._look(start.written_at())
        for log in (pieces := self._without_copies(found.pieces, start)):
            log.copy_of = start.copy_of
        self._chain += [*pieces, found.current] if found.current is not None else pieces
        for log in self._chain[1:]:
            log.after_gap = start.copy_of is not None

    def close(self) -> None:
        """Close every descriptor."""
        for log in self._chain:
            log.close()
        self._chain.clear()
        self._remembered.clear()

    def position(self) -> Position | None:
        """Where the next line will be read, None before the log exists."""
        return self._chain[0].position() if self._chain else None

    def read(self) -> list[bytes]:
        """New whole lines without their newline, in order; [] when there are none now."""
        self._follow()
        while self._chain:
            oldest = self._chain[0]
            if self._has_begun_anew(oldest):
                continue
            lines = oldest.read()
            if lines == [] and len(self._chain) > 1:
                # The core writes to one file only: a later one with lines in it means that this one has had its last.
                if not any(log.size() for log in self._chain[1:]):
                    # It may have had lines since we looked, and have been emptied again.
                    if self._has_begun_anew(self._chain[-1]):
                        continue
                    return []
                lines = oldest.read()
                if lines == []:
                    self._chain[1].after_gap |= oldest.after_gap
                    self._forget(self._chain.pop(0))
                    continue
            if lines is None:
                continue
            if lines and oldest.after_gap:
                self.hole, oldest.after_gap = True, False
            return lines
        return []

    def unread(self) -> int:
        """Bytes there are behind the place where the next line will be read."""
        self._follow()
        return sum(max(0, log.size() - log.offset) for log in self._chain)

    # --- what happened to the files -------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Is another file under the log's name? Put it, and what was rotated away in between, at the end of the chain."""
        newest = self._chain[-1] if self._chain else None
        try:
            found = self.path.stat()
        except OSError:
            return
        if newest is not None and (found.st_dev, found.st_ino) == newest.key:
            return
        if newest is not None:
            self._has_begun_anew(newest)
        look = self._look()
        # A copy of the newest is left for the moment when that is seen to be truncated.
        later = self._without_copies(look.pieces, newest) if newest is not None else look.pieces
        later += [look.current] if look.current is not None else []
        if newest is not None and later and look.compressed_at > newest.written_at()[0]:
            later[0].after_gap = True
        self._chain += later

    def _has_begun_anew(self, log: _OpenLog) -> bool:
        """Was it truncated since we looked last? What it held before then stands before it in the chain."""
        was_empty, emptied_ns = not log.head, log.emptied_ns
        if log.is_truncated():
            self._truncated(log)
            return True
        return was_empty and log.emptied_ns != emptied_ns and self._filled(log)

    def _truncated(self, log: _OpenLog) -> None:
        """copytruncate: read the rest from the copy, then what followed, then start at the beginning."""
        found = self._look()
        copies = [one for one in found.pieces if _same_beginning(one, log)]
        copy = next((one for one in copies if one.size() >= log.offset), None)
        # A file is shorter some moments before its time of writing says so: until then its copy is younger than it.
        pieces = self._behind(found, max(one.written_at()[0] for one in [log, *copies]))
        later = pieces[pieces.index(copy) + 1 :] if copy is not None else []
        for piece in pieces:
            if piece is not copy and piece not in later:
                self._forget(piece)
        if copy is not None:
            copy.offset, copy.after_gap = log.offset, log.after_gap
            self._put_copies_before(log, [copy, *later])
        log.after_gap = True
        log.offset, log.head, log.emptied_ns = 0, b"", _UNKNOWN

    def _filled(self, log: _OpenLog) -> bool:
        """A file that was empty has lines now, or had some. True: it had others in between, which are in the chain now."""
        earlier = self._without_copies(self._behind(self._look(), log.written_at()[0]), log)
        if earlier:
            earlier[0].after_gap = log.after_gap
            self._put_copies_before(log, earlier)
            log.after_gap = True
        return bool(earlier)

    def _put_copies_before(self, log: _OpenLog, copies: list[_OpenLog]) -> None:
        for copy in copies:
            copy.copy_of = log.key
        for copy in copies[1:]:
            copy.after_gap = True
        place = self._chain.index(log)
        self._chain[place:place] = copies

    # --- the folder -----------------------------------------------------------------------------------------------------------

    def _find(self, position: Position) -> _OpenLog | None:
        """The file of a recorded position: the very file, else a copy of it."""
        head = position.first_line.encode("latin-1")
        copy: _OpenLog | None = None
        for path in [str(self.path), *self._names()]:
            log = _open(path)
            if log is None:
                continue
            fits = log.head.startswith(head) and log.size() >= position.offset
            if fits and log.key == (position.device, position.inode):
                if copy is not None:
                    copy.close()
                return log
            if fits and head and copy is None:
                copy = log
            else:
                log.close()
        if copy is not None:
            copy.copy_of = (position.device, position.inode)
        return copy

    def _look(self, since: tuple[int, int] = (0, 0)) -> _Found:
        """What is in the folder and neither in the chain nor remembered. Pieces written last before `since` are remembered.

        Files are renamed while we look: look until nothing moves.
        """
        while True:
            before = self._names()
            current = _open(self.path)
            pieces: dict[tuple[int, int], _OpenLog] = {}
            for log in map(_open, before):
                if log is not None and self._is_unread(log, current, since) and log.key not in pieces:
                    pieces[log.key] = log
                elif log is not None:
                    log.close()
            if before == self._names() and _key_of(self.path) == (current.key if current else None):
                break
            for log in [*pieces.values(), *([current] if current else [])]:
                log.close()
        compressed = [Path(path).stat().st_mtime_ns for path in self._paths() if path.endswith(_COMPRESSED)]
        if current is not None and self._is_in_chain(current):
            current.close()
            current = None
        return _Found(sorted(pieces.values(), key=_OpenLog.written_at), current, max(compressed, default=0))

    def _is_unread(self, log: _OpenLog, current: _OpenLog | None, since: tuple[int, int]) -> bool:
        remembered = self._remembered.get(log.key)
        if not log.head or self._is_in_chain(log) or (current is not None and log.key == current.key):
            return False
        if remembered is not None and log.head.startswith(remembered):
            return False
        if log.written_at() < since:
            self._remembered[log.key] = log.head
            return False
        return True

    def _behind(self, found: _Found, last: int) -> list[_OpenLog]:
        """Only what was written until then; what came after it is for `_follow`."""
        behind = [piece for piece in found.pieces if piece.written_at()[0] <= last]
        for other in (*found.pieces[len(behind) :], found.current):
            if other is not None:
                other.close()
        return behind

    def _is_in_chain(self, log: _OpenLog) -> bool:
        return any(log.key == other.key for other in self._chain)

    def _without_copies(self, logs: list[_OpenLog], of: _OpenLog) -> list[_OpenLog]:
        kept = [log for log in logs if not _same_beginning(log, of)]
        for log in logs:
            if log not in kept:
                log.close()
        return kept

    def _forget(self, log: _OpenLog) -> None:
        """Remember a piece as read, or as none of our business."""
        if log.head:
            self._remembered[log.key] = log.head
        log.close()

    def _names(self) -> dict[str, tuple[int, int] | None]:
        """Path and file of every possible piece that can be read."""
        return {path: _key_of(path) for path in self._paths() if not path.endswith(_COMPRESSED)}

    def _paths(self) -> Iterable[str]:
        return pieces_of(self.path, self.archive_path)


def pieces_of(log: Path, archive_path: Path | None) -> Iterable[str]:
    """Files that may be rotated pieces of a log: `nagios.log.1`, `nagios.log-20261123`, `archives/nagios-11-23-2026-00.log`."""
    starts = (f"{log.name}.", f"{log.name}-", f"{log.stem}-")
    for folder in {log.parent, archive_path or log.parent}:
        try:
            entries = [entry for entry in os.scandir(folder) if entry.name.startswith(starts)]
        except OSError:
            continue
        yield from (entry.path for entry in entries if entry.is_file(follow_symlinks=False))


def _open(path: Path | str) -> _OpenLog | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return None
    head = os.pread(descriptor, _HEAD_BYTES, 0)
    return _OpenLog(descriptor, (found.st_dev, found.st_ino), head, 0 if head else found.st_mtime_ns)


def _key_of(path: Path | str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _same_beginning(one: _OpenLog, other: _OpenLog) -> bool:
    """Is one the copy of the other? A short file may have grown since it was copied, or since we looked."""
    short, long = sorted((one.head, other.head), key=len)
    return bool(short) and long.startswith(short)
