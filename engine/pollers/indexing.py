"""The process that reads the cores' logs, archives and all, into history.db; and the engine's side of it.

Theory of operation. One process for all pollers, nicer than everything else: it shares no interpreter with a command lane and
costs memory for a chunk of a log at a time, however large that is. It looks at the folders when a log changed, and slowly in any
case: every file is stamped (device, inode, size, time), a file whose stamp is new is recognised by how it begins and read on
from where that log was read to. The current log goes first, then the archives, newest first. Compressed ones are read, too.
"""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
import os
import re
import select
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from engine.commands.catalogue import Subject, row_of
from engine.config import Config, Poller, decode_config, encode_config
from engine.errors import JournalError
from engine.formats.logentry import EntryType, LogEntry, parse_entry
from engine.pollers.tail import pieces_of
from engine.pollers.watch import FolderWatch
from engine.state.logindex import HEAD_BYTES, HISTORY_FILE, LogFile, LogIndex, remove_history

log = logging.getLogger(__name__)

CHUNK = 1 << 20
Stamp = tuple[int, int, int, int]  # device, inode, size, modified_ns

_COMPRESSED: dict[str, Callable[[str], object]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_UNREADABLE = (".zst", ".Z")
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)
_FIRST_TIME = re.compile(rb"\[(\d{1,12})\]")
_LOOK_AGAIN_S = 1.0  # while archives are read, the current log waits no longer than this
_REST_S = 0.3  # changes that follow one another closely are read together
_RETENTION_EVERY_S = 3600.0
_DAY_S = 86400.0


@dataclass(slots=True)
class _Unread:
    """A file with something new in it. `begun` is the beginning of a line, read at `begun_at` and not stored."""

    path: str
    stamp: Stamp
    file: LogFile
    opened: IO[bytes] | None = None
    begun: bytes = b""
    begun_at: int = 0

    def close(self) -> None:
        if self.opened is not None:
            self.opened.close()
        self.opened, self.begun = None, b""


class _Moved(Exception):
    """Another file stands under that name, or its beginning is another: the next look sees what is where."""


@dataclass(slots=True)
class PollerLogs:
    """One poller's logs on their way into the index. `look` finds what is new, each `step` reads one chunk of it."""

    index: LogIndex
    poller: Poller
    days: int
    now: Callable[[], float] = time.time
    _known: list[LogFile] = field(default_factory=list)
    _unread: list[_Unread] = field(default_factory=list)
    _seen: dict[str, Stamp] = field(default_factory=dict)  # files as they were when nothing more was in them

    def __post_init__(self) -> None:
        self._known = self.index.files(self.poller.number)

    def look(self) -> None:
        """See which files are new or have changed."""
        oldest_ns = (self.now() - self.days * _DAY_S) * 1e9
        stamps = {path: stamp for path in self._paths() if (stamp := _stamp(path)) is not None and stamp[2]}
        self._seen = {path: stamp for path, stamp in self._seen.items() if path in stamps}
        under_way = {unread.path: unread.stamp for unread in self._unread}
        changed = {
            path: stamp
            for path, stamp in stamps.items()
            if stamp[3] >= oldest_ns and stamp not in (self._seen.get(path), under_way.get(path))
        }
        for unread in [unread for unread in self._unread if unread.path in changed or unread.path not in stamps]:
            unread.close()
            self._unread.remove(unread)
        if changed:
            self._recognise(changed)
        self._tell(stamps)

    @property
    def has_unread(self) -> bool:
        """Is there something that `step` would read?"""
        return bool(self._unread)

    def step(self) -> None:
        """Read one chunk."""
        if not self._unread:
            return
        unread = self._unread[0]
        if unread.begun_at != unread.file.read_bytes:  # the same log was read on under another name
            unread.begun = b""
        try:
            data = unread.begun + self._read(unread)
        except _Moved:
            unread.close()
            self._unread.remove(unread)
            return
        except _BROKEN as error:
            log.warning("%s cannot be read to its end and is left as it is: %s", unread.path, error)
            data = b""
        end = data.rfind(b"\n") + 1
        if end:
            self._store(unread, data[:end])
            unread.begun, unread.begun_at = data[end:], unread.file.read_bytes
        elif len(data) >= CHUNK:  # a line longer than a chunk is no log line
            self.index.add(unread.file, [], unread.file.read_bytes + len(data))
            unread.begun = b""
        else:
            self._finish(unread)

    def close(self) -> None:
        """Close what is open."""
        for unread in self._unread:
            unread.close()
        self._unread.clear()

    # --- which file is which log ------------------------------------------------------------------------------------------------

    def _paths(self) -> list[str]:
        pieces = pieces_of(self.poller.log_file, self.poller.log_archive_path)
        return [str(self.poller.log_file), *(path for path in pieces if not path.endswith(_UNREADABLE))]

    def _recognise(self, stamps: dict[str, Stamp]) -> None:
        done = {file.stamp for file in self._known}
        heads: dict[str, bytes] = {}
        for path, stamp in stamps.items():
            if stamp in done:
                self._seen[path] = stamp
            elif head := _head(path):
                heads[path] = head
        current = str(self.poller.log_file)
        # Numbers of new logs tell their order, so the oldest gets its number first.
        for path in sorted(heads, key=lambda path: (_first_time(heads[path]), stamps[path][3])):
            file = _same_log(self._known, heads[path], stamps[path])
            if file is None:
                file = self.index.new_file(self.poller.number, heads[path])
                self._known.append(file)
            elif len(heads[path]) > len(file.head):
                file.head = heads[path]
            self._unread.append(_Unread(path, stamps[path], file))
        self._unread.sort(key=lambda unread: (unread.path != current, unread.opened is None, -unread.file.id))

    def _tell(self, stamps: dict[str, Stamp]) -> None:
        unread = {one.path: one for one in self._unread}
        left = sum(max(0, stamp[2] - (one.file.read_bytes if _is_plain(path) else 0))
                   for path, stamp in stamps.items() if (one := unread.get(path)) is not None)  # fmt: skip
        known = sum(stamp[2] for stamp in stamps.values())
        self.index.progress(self.poller.number, known, known - left, self.now())

    # --- reading ----------------------------------------------------------------------------------------------------------------

    def _read(self, unread: _Unread) -> bytes:
        """What follows, at most a chunk. Of a compressed file everything before is passed over once. Raises _Moved."""
        place = unread.file.read_bytes + len(unread.begun)
        if unread.opened is None:
            unread.opened = _open(unread.path)
        if unread.opened.tell() != place:
            unread.opened.seek(place)
        data = b""
        while len(data) < CHUNK and (more := unread.opened.read(CHUNK - len(data))):
            data += more
        if _is_plain(unread.path):
            found = os.fstat(unread.opened.fileno())
            head = os.pread(unread.opened.fileno(), len(unread.file.head), 0)
            if (found.st_dev, found.st_ino) != unread.stamp[:2] or not unread.file.begins_like(head):
                raise _Moved
        return data

    def _store(self, unread: _Unread, lines: bytes) -> None:
        place = unread.file.read_bytes
        oldest = self.now() - self.days * _DAY_S
        entries = []
        for line in lines.split(b"\n")[:-1]:
            entry = parse_entry(line)
            if entry is not None and entry.at >= oldest:
                entries.append((place, _with_object(entry)))
            place += len(line) + 1
        self.index.add(unread.file, entries, place)

    def _finish(self, unread: _Unread) -> None:
        unread.close()
        self._unread.remove(unread)
        self._seen[unread.path] = unread.stamp
        if unread.path != str(self.poller.log_file):
            self.index.read_to_end(unread.file, unread.stamp)


def _with_object(entry: LogEntry) -> LogEntry:
    """An external command with the host or service it names, as the catalogue of commands says where that stands."""
    row = row_of(entry.command) if entry.type is EntryType.EXTERNAL_COMMAND else None
    if row is None or row.subject not in (Subject.HOST, Subject.SERVICE):
        return entry
    host, _, rest = entry.text.partition(";")
    return entry._replace(host=host, service=rest.partition(";")[0] if row.subject is Subject.SERVICE else "")


def _same_log(known: Sequence[LogFile], head: bytes, stamp: Stamp) -> LogFile | None:
    """The log that begins like this; of several (beginnings of a line or two) the one that was this very file, then the newest."""
    alike = [file for file in known if file.begins_like(head)]
    return max(alike, key=lambda file: (file.stamp[:2] == stamp[:2], len(file.head), file.id), default=None)


def _is_plain(path: str) -> bool:
    return Path(path).suffix not in _COMPRESSED


def _open(path: str) -> IO[bytes]:
    if _is_plain(path):
        return Path(path).open("rb", buffering=0)
    return cast("IO[bytes]", _COMPRESSED[Path(path).suffix](path))


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - thousands of archives at each look
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _head(path: str) -> bytes:
    """Whole lines from the beginning; b"" while there is none, or for what cannot be read."""
    try:
        with _open(path) as opened:
            head = opened.read(HEAD_BYTES)
    except _BROKEN as error:
        log.debug("%s cannot be read: %s", path, error)
        return b""
    return head if len(head) == HEAD_BYTES else head[: head.rfind(b"\n") + 1]


def _first_time(head: bytes) -> int:
    found = _FIRST_TIME.match(head)
    return int(found[1]) if found else 0


# --- the process ----------------------------------------------------------------------------------------------------------------


def main() -> int:
    """Entry of `python -m engine.pollers.indexing`: the configuration is the first line of standard input; its end means stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s history %(levelname)s %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end ends us
    config = decode_config(sys.stdin.readline())
    os.nice(10)
    try:
        _serve(config)
    except JournalError as error:
        log.error("%s", error)
        return 69
    except sqlite3.DatabaseError as error:
        log.error("the history is damaged (%s): it is made again from the logs", error)
        remove_history(config.data / HISTORY_FILE)
        return 70
    return 0


def _serve(config: Config) -> None:
    index = LogIndex.open(config.data / HISTORY_FILE)
    index.configure((poller.number, str(poller.log_file)) for poller in config.pollers)
    logs = [PollerLogs(index, poller, config.settings.history_days) for poller in config.pollers]
    changed, poke = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    watch = FolderWatch()
    for poller in config.pollers:
        watch.watch(poller.log_file, lambda: _poke(poke))
    watch.start()
    try:
        _follow(config, index, logs, changed)
    finally:
        watch.close()
        for one in logs:
            one.close()
        index.close()


def _follow(config: Config, index: LogIndex, logs: Sequence[PollerLogs], changed: int) -> None:
    forget_at = 0.0
    while True:
        for one in logs:
            one.look()
        looked = time.monotonic()
        while any(one.has_unread for one in logs) and time.monotonic() < looked + _LOOK_AGAIN_S:
            for one in logs:
                one.step()
            if _is_over(0):
                return
        if any(one.has_unread for one in logs):
            continue
        if time.monotonic() >= forget_at:
            for _ in index.forget_before(time.time() - config.settings.history_days * _DAY_S):
                if _is_over(0):
                    return
            forget_at = time.monotonic() + _RETENTION_EVERY_S
        for one in logs:
            one.look()  # says that all is read; finds what was written meanwhile
        if any(one.has_unread for one in logs):
            continue
        if _is_over(config.settings.scan_poll_s, changed) or _is_over(_REST_S):
            return


def _is_over(timeout_s: float, changed: int | None = None) -> bool:
    """Wait until a log has changed, the time is up, or (True) the engine is gone."""
    sources = [0] if changed is None else [0, changed]
    ready, _, _ = select.select(sources, [], [], timeout_s)
    if changed in ready and changed is not None:
        os.read(changed, 1 << 16)
    return 0 in ready and not os.read(0, 4096)


def _poke(pipe: int) -> None:
    try:
        os.write(pipe, b"x")
    except BlockingIOError:
        pass  # full of pokes: it will look


# --- the engine's side ------------------------------------------------------------------------------------------------------------

_PAUSE_MIN_S, _PAUSE_MAX_S = 1.0, 60.0


@dataclass(slots=True)
class Indexer:
    """Keeps the process running. `run` belongs in a thread of its own; `close` may come from another."""

    config: Config
    _process: subprocess.Popen[bytes] | None = None
    _closed: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Start it, and again whenever it ends, with longer and longer pauses while it keeps ending."""
        pause = _PAUSE_MIN_S
        while not self._closed.is_set():
            began = time.monotonic()
            with subprocess.Popen([sys.executable, "-P", "-m", "engine.pollers.indexing"], stdin=subprocess.PIPE) as process:
                self._process = process
                if process.stdin is not None:
                    _write(process.stdin, encode_config(self.config).encode() + b"\n")
                code = process.wait()
            if self._closed.is_set():
                return
            pause = _PAUSE_MIN_S if time.monotonic() > began + _PAUSE_MAX_S else min(2 * pause, _PAUSE_MAX_S)
            log.warning("the history's process ended with code %d; it is started again in %.0f s", code, pause)
            self._closed.wait(pause)

    def close(self) -> None:
        """End it at once: what it has not committed it reads again."""
        self._closed.set()
        if self._process is not None:
            self._process.kill()


def _write(pipe: object, line: bytes) -> None:
    try:
        pipe.write(line)  # type: ignore[attr-defined]
        pipe.flush()  # type: ignore[attr-defined]
    except BrokenPipeError:
        pass  # it ended at once, and `wait` says how


if __name__ == "__main__":
    sys.exit(main())
