"""Scans: a poller's status file and object cache are read, and frames say what changed since the scan before.

What belongs here: one scan, and what is remembered from one to the next. Where it runs is `scanner_process.py`.

Theory of operation. A scan reads the status file in chunks cut at block ends, drops the time of writing that many cores put
into every block, and hashes each block. Hashes seen before need no more work; only blocks with a new hash are parsed and sent.
The scanner remembers hash → name of the last scan that came to its End; a scan that fails changes nothing of that. One that is
left half-way costs the scanner: the next one begins with `first`, and sends everything.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.config import Poller
from engine.errors import FormatError
from engine.formats.layout import RowReader
from engine.formats.objects import is_whole, parse_object_cache
from engine.formats.status import Head, ObjectIds, StatusRow, blocks_of, cut, is_closed, is_named_by_ids, parse_head
from engine.model import (
    CommentStatus,
    ContactStatus,
    CoreKind,
    DowntimeStatus,
    Generation,
    HostStatus,
    ObjectKey,
    ServiceStatus,
)
from engine.state.frames import ROWS_PER_FRAME, Begin, End, Failed, Frame, Gone, Objects, Rows, ScanRequest, Unchanged

log = logging.getLogger(__name__)

# Small enough to stay in the processor's cache while it is cut, hashed and looked up; large enough that the head fits in one.
_CHUNK_BYTES = 1 << 20
# A file that is being written in place is whole again within moments; a core's restart takes longer, the next poke comes then.
_TRIES = 5
_TRY_AGAIN_S = 0.05
_BELIEVED_AT = 3  # files in a row that lack objects, although the core was not started again
_GONE_TRIES = 20  # a file that was there: Naemon takes it away at each reload until it has read its configuration

_FileIdentity = tuple[int, int, int, int]
# What a block is about: a host or service, (word, is of a service, the core's id), or ("contact", its name).
_Key = ObjectKey | tuple[str, bool, int] | tuple[str, str]


def _identity(found: os.stat_result) -> _FileIdentity:
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


# --- what a scanner remembers -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Known:
    """Hashes and names of the blocks of one status file, one hash for each name."""

    key_of: dict[int, _Key] = field(default_factory=dict)
    hash_of: dict[_Key, int] = field(default_factory=dict)
    rowless: set[int] = field(default_factory=set)  # blocks that make no row: the head
    ids: ObjectIds = field(default_factory=ObjectIds)
    reader: RowReader = field(default_factory=RowReader)

    def forget(self, keys: Iterable[ObjectKey]) -> None:
        """Make these blocks new again, without calling them gone."""
        for key in keys:
            block_hash = self.hash_of.get(key)
            if block_hash is not None:
                self.key_of.pop(block_hash, None)

    def forget_all(self) -> None:
        """Make every block new again, and the numbers that may mean other objects now."""
        self.key_of.clear()
        self.ids = ObjectIds()

    def count(self) -> tuple[int, int]:
        """How many (hosts, services)."""
        objects = [key for key in self.hash_of if isinstance(key, ObjectKey)]
        services = sum(1 for key in objects if key.service is not None)
        return len(objects) - services, services


@dataclass(slots=True)
class Differences:
    """What one pass over the file finds, against what was known; `settle` makes it known."""

    poller: int
    known: Known
    by_ids: bool = False  # that kind of core names the objects of its comments by numbers
    seen: set[int] = field(default_factory=set)
    new: dict[_Key, int] = field(default_factory=dict)
    rowless: set[int] = field(default_factory=set)

    def rows(self, blocks: list[bytes], created: float) -> Iterator[StatusRow]:
        """Rows of the blocks that were not known. Of two blocks of one name, which no core writes, the first counts."""
        hashes = list(map(hash, blocks))
        fresh = set(hashes).difference(self.known.key_of, self.known.rowless, self.seen)
        self.seen.update(hashes)
        if not fresh:
            return
        for block, block_hash in zip(blocks, hashes, strict=True):
            if block_hash not in fresh:
                continue
            row = self.known.reader.row(block, block_hash, created, self.known.ids)
            if row is None:
                if is_named_by_ids(block):
                    self.seen.discard(block_hash)  # looked at again in the next file
                else:
                    self.rowless.add(block_hash)
                continue
            if self.by_ids:
                self.known.ids.learn(row)
            key = _key(self.poller, row)
            before = self.known.hash_of.get(key)
            if key not in self.new and (before == block_hash or before not in self.seen):
                self.new[key] = block_hash
                yield row

    def gone(self) -> list[_Key]:
        """Names whose blocks are no longer there."""
        lost = [key for key, block_hash in self.known.hash_of.items() if block_hash not in self.seen]
        return [key for key in lost if key not in self.new]

    def settle(self, gone: Iterable[_Key]) -> None:
        """The pass came to its end: what it saw is what is known now."""
        known = self.known
        for key in gone:
            known.key_of.pop(known.hash_of.pop(key), None)
        for key, block_hash in self.new.items():
            before = known.hash_of.get(key)
            if before is not None and before != block_hash:
                known.key_of.pop(before, None)
            known.hash_of[key] = block_hash
            known.key_of[block_hash] = key
        known.rowless = (known.rowless & self.seen) | self.rowless


def _key(poller: int, row: StatusRow) -> _Key:
    match row:
        case HostStatus():
            return ObjectKey(poller, row.name)
        case ServiceStatus():
            return ObjectKey(poller, row.host_name, row.description)
        case DowntimeStatus():
            return "downtime", row.service_description is not None, row.core_id
        case CommentStatus():
            return "comment", row.service_description is not None, row.core_id
        case ContactStatus():
            return "contact", row.name


# --- one scan -------------------------------------------------------------------------------------------------------------------


class _NotNow(Exception):
    """No generation can be had: the word of `Failed` and what to do about it."""

    def __init__(self, health: str, detail: str) -> None:
        super().__init__(detail)
        self.health = health
        self.detail = detail


class _Part(_NotNow):
    """A whole file by its form that has less than the one before."""


@dataclass(slots=True)
class Scanner:
    """Scans one poller's files, over and over. Lives in a process of its own."""

    poller: Poller
    known: Known = field(default_factory=Known)
    _scanned: bool = False
    _status: _FileIdentity | None = None
    _objects: _FileIdentity | None = None
    _program_start: float = 0.0
    _is_missing: bool = False  # and was said to be: it is not waited for again
    _part: float | None = None  # when the last file that lacked objects was made, which, and how many lacked just these in a row
    _lacking: frozenset[ObjectKey] = frozenset()
    _parts: int = 0

    def scan(self, request: ScanRequest) -> Iterator[Frame]:
        """The frames of one scan."""
        try:
            if self._status is not None and not self._is_missing:
                _wait_for(self.poller.status_file)
            descriptor = _open_status_file(self.poller, self._status)
            self._is_missing = False
            try:
                yield from self._scan(descriptor, request)
            finally:
                os.close(descriptor)
        except _NotNow as error:
            self._is_missing = error.health == "missing"
            if not isinstance(error, _Part):  # where files are torn, one that ends with a block may be torn, too
                self._parts = 0
            yield Failed(self.poller.number, error.health, error.detail)

    def _scan(self, descriptor: int, request: ScanRequest) -> Iterator[Frame]:
        begun = time.monotonic()
        identity = _identity(os.fstat(descriptor))
        if identity == self._status and not request.reread_objects and self._objects_identity() == self._objects:
            yield Unchanged(self.poller.number)
            return
        chunks = _chunks(descriptor)
        head, rest = self._head(chunks)
        yield Begin(
            self.poller.number,
            Generation(head.created, head.program_start, head.version, time.time(), head.program),
            not self._scanned,
        )
        reread = request.reread_objects or not self._scanned or head.program_start != self._program_start
        objects = self._objects_identity()
        if reread or objects != self._objects:
            yield from self._object_cache()
        self.known.forget(request.forget)
        by_ids = self.poller.kind is CoreKind.CENTREON
        if by_ids and head.program_start != self._program_start:
            self.known.forget_all()
        differences = Differences(self.poller.number, self.known, by_ids)
        yield from _row_frames(self._rows(head, rest, chunks, differences))
        if _identity(os.fstat(descriptor)) != identity:
            raise _NotNow("broken", f"{self.poller.status_file} was written while it was read: it will be read again.")
        gone = differences.gone()
        if self._is_part(head, gone):
            raise _Part(
                "broken", f"{self.poller.status_file} lacks objects it had, and the core was not started again: a part of it."
            )
        yield from _gone_frames(gone)
        differences.settle(gone)
        self._scanned, self._status, self._program_start = True, identity, head.program_start
        self._objects = objects
        yield End(self.poller.number, *self.known.count(), time.monotonic() - begun)

    def _is_part(self, head: Head, gone: Iterable[_Key]) -> bool:
        """Has the file fewer objects than before, although only a core's start can take any away?

        It is believed when the core's next ones say the same: Centreon Engine may keep its start's time through a reload.
        """
        if self.poller.kind is CoreKind.ICINGA2:  # its API takes objects away at any time
            return False
        lacking = frozenset(key for key in gone if isinstance(key, ObjectKey))
        if not lacking or head.program_start != self._program_start:
            self._part, self._lacking, self._parts = None, frozenset(), 0
            return False
        self._parts = self._parts + (head.created != self._part) if lacking == self._lacking else 1
        self._part, self._lacking = head.created, lacking
        return self._parts < _BELIEVED_AT

    def _head(self, chunks: Iterator[bytes]) -> tuple[Head, bytes]:
        """The file's head, and the first chunk, of which it is a part."""
        first = next(chunks, b"")
        try:
            return parse_head(first), first
        except FormatError as error:
            raise _NotNow("broken", f"{self.poller.status_file}: {error}") from None

    def _rows(self, head: Head, first: bytes, chunks: Iterator[bytes], differences: Differences) -> Iterator[StatusRow]:
        pending = b""
        chunk: bytes | None = first
        while chunk is not None:
            whole, pending = cut(pending + chunk)
            try:
                yield from differences.rows(blocks_of(whole, head.created_text), head.created)
            except FormatError as error:
                raise _NotNow("broken", f"{self.poller.status_file}: {error}") from None
            chunk = next(chunks, None)
        if pending.strip():
            raise _NotNow("broken", f"{self.poller.status_file} ends within a block: it is being written, or the disk is full.")

    # --- the object cache ---------------------------------------------------------------------------------------------------------

    def _objects_identity(self) -> _FileIdentity | None:
        """Which file stands there now, None when there is none."""
        path = self.poller.object_cache_file
        try:
            return None if path is None else _identity(path.stat())
        except OSError:
            return None

    def _object_cache(self) -> Iterator[Objects]:
        """The object cache, if it can be had; otherwise what was read before stays true until the file changes."""
        path = self.poller.object_cache_file
        if path is None:
            return
        content = _whole_file(path)
        if content is None:
            log.warning("object cache %s is missing, unreadable or not whole: the one before stays in use", path)
            return
        try:
            yield Objects(parse_object_cache(content))
        except FormatError as error:
            log.warning("object cache %s: %s: the one before stays in use", path, error)


def _wait_for(path: Path) -> None:
    """Come back when it is there, or has been gone for longer than a moment."""
    for _ in range(_GONE_TRIES):
        if path.exists():
            return
        time.sleep(_TRY_AGAIN_S)


def _open_status_file(poller: Poller, before: _FileIdentity | None) -> int:
    """A descriptor of the status file, once it ends behind a whole block. Raises _NotNow."""
    why = ""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_TRY_AGAIN_S)
        descriptor = _open(poller.status_file)
        if _is_settled(descriptor, before):
            return descriptor
        empty = os.fstat(descriptor).st_size == 0
        os.close(descriptor)
        why = "is empty" if empty else "ends within a block"
    raise _NotNow("broken", f"{poller.status_file} {why}: it is being written, the disk is full, or it is no status file.")


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise _NotNow("missing", f"{path} is not there: the core is stopped, or status_file names another one.") from None
    except OSError as error:
        remedy = "let the user of this service read it (and enter its folder)"
        raise _NotNow("unreadable", f"{path}: {error.strerror}: {remedy}.") from None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise _NotNow("unreadable", f"{path} is not a regular file: set status_file in the core's configuration to one.")


def _is_settled(descriptor: int, last: _FileIdentity | None) -> bool:
    """Does the file end behind a whole block, and, when it is the file of before with other content, does it stay for a moment?

    Centreon Engine rewrites its file in place, and so does a core whose temp_file is on another filesystem: it copies. A part of
    such a file may well end behind a block. (cores.md 4.2)
    """
    now = os.fstat(descriptor)
    if not is_closed(os.pread(descriptor, 64, max(0, now.st_size - 64))):
        return False
    is_rewritten = last is None or (last[:2] == (now.st_dev, now.st_ino) and last != _identity(now))
    if is_rewritten:
        time.sleep(_TRY_AGAIN_S)
        return _identity(os.fstat(descriptor)) == _identity(now)
    return True


def _chunks(descriptor: int) -> Iterator[bytes]:
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        yield chunk


def _whole_file(path: Path) -> bytes | None:
    """A file that ends behind a closed block. Nagios writes its object cache in place, so that may take a moment."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_TRY_AGAIN_S)
        try:
            with path.open("rb") as opened:
                before = os.fstat(opened.fileno())
                content = opened.read()
                is_same = _identity(os.fstat(opened.fileno())) == _identity(before)
        except OSError:
            continue
        if is_same and is_whole(content):
            return content
    return None


def _row_frames(rows: Iterator[StatusRow]) -> Iterator[Rows]:
    batch: list[StatusRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_PER_FRAME:
            yield _rows(batch)
            batch = []
    if batch:
        yield _rows(batch)


def _rows(batch: list[StatusRow]) -> Rows:
    return Rows(
        hosts=tuple(row for row in batch if isinstance(row, HostStatus)),
        services=tuple(row for row in batch if isinstance(row, ServiceStatus)),
        downtimes=tuple(row for row in batch if isinstance(row, DowntimeStatus)),
        comments=tuple(row for row in batch if isinstance(row, CommentStatus)),
        contacts=tuple(row for row in batch if isinstance(row, ContactStatus)),
    )


def _gone_frames(gone: list[_Key]) -> Iterator[Gone]:
    for start in range(0, len(gone), ROWS_PER_FRAME):
        part = gone[start : start + ROWS_PER_FRAME]
        entries = [key for key in part if not isinstance(key, ObjectKey) and len(key) == 3]
        yield Gone(
            objects=tuple(key for key in part if isinstance(key, ObjectKey)),
            downtimes=tuple((of_service, core_id) for word, of_service, core_id in entries if word == "downtime"),
            comments=tuple((of_service, core_id) for word, of_service, core_id in entries if word == "comment"),
            contacts=tuple(key[1] for key in part if not isinstance(key, ObjectKey) and len(key) == 2),
        )
