"""A core's log as it lies on the disk, line by line, from either end: the present file and the archives it was rotated into.

Reads bytes in pieces, so that a log of gigabytes costs no memory; a file that grows meanwhile is read to where it ended at first.
A compressed one is unpacked into a file without a name to be read from its end.
"""

from __future__ import annotations

import gzip
import os
import re
import tempfile
import time
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.config import Poller
from engine.pollers.tail import pieces_of

Line = tuple[int, bytes]
"""A line's second and what stands behind `[second]`."""

_PIECE_BYTES = 1 << 16
_UNPACKED_BYTES = 1 << 18  # at once
_LONGEST_LINE_BYTES = 1 << 20  # what is longer is cut: no core writes such
_NAME = re.compile(r"-(\d\d)-(\d\d)-(\d{4})-(\d\d)\.log(?:\.gz)?$")
_BROKEN = (OSError, EOFError, zlib.error)


def archives_of(poller: Poller) -> dict[int, Path]:
    """The rotated pieces of the log by the second at which each ended: by the core's name for it, else by its last change."""
    found = {}
    for path in pieces_of(poller.log_file, poller.log_archive_path):
        named = _NAME.search(path)
        try:
            at = _ended(named, poller.timezone) if named is not None else int(Path(path).stat().st_mtime)
        except (OSError, ValueError):
            continue
        found[at] = Path(path)
    return found


def _ended(named: re.Match[str], zone: str | None) -> int:
    month, day, year, hour = map(int, named.groups())
    if zone:
        try:
            return int(datetime(year, month, day, hour, tzinfo=ZoneInfo(zone)).timestamp())
        except (ZoneInfoNotFoundError, OSError):
            pass
    return int(time.mktime((year, month, day, hour, 0, 0, 0, 0, -1)))


def lines_of(path: Path, *, newest_first: bool) -> Iterator[Line]:
    """Its lines; nothing for a file that cannot be read. A line without a time has that of the one before it."""
    at = 0
    for raw in _backwards(path) if newest_first else _forwards(path):
        head, bracket, text = raw.partition(b"]")
        if bracket and head[:1] == b"[" and head[1:].isdigit() and len(head) < 20:
            at = int(head[1:])
            yield at, text
        elif raw:
            yield at, b" " + raw


def _forwards(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as opened:
            while line := opened.readline(_LONGEST_LINE_BYTES):
                yield line.rstrip(b"\r\n")
    except _BROKEN:
        return


def _backwards(path: Path) -> Iterator[bytes]:
    try:
        if path.suffix == ".gz":
            with tempfile.TemporaryFile() as unpacked:
                if _unpack(path, unpacked):
                    yield from _from_the_end(unpacked.fileno())
                else:
                    yield from reversed(list(_forwards(path)))
        else:
            with path.open("rb", buffering=0) as opened:
                yield from _from_the_end(opened.fileno())
    except OSError:
        return


def _unpack(path: Path, into: IO[bytes]) -> bool:
    """As much of it as is whole; False where there is no room for it."""
    with gzip.open(path) as packed:
        while piece := _whole_piece(packed):
            try:
                into.write(piece)
                into.flush()
            except OSError:
                return False
    return True


def _whole_piece(packed: gzip.GzipFile) -> bytes:
    try:
        return packed.read(_UNPACKED_BYTES)
    except _BROKEN:
        return b""


def _from_the_end(descriptor: int) -> Iterator[bytes]:
    at, rest = os.fstat(descriptor).st_size, b""
    while at > 0:
        size = min(_PIECE_BYTES, at)
        at -= size
        first, *lines = (os.pread(descriptor, size, at) + rest).split(b"\n")
        rest = first[-_LONGEST_LINE_BYTES:]
        yield from (line.rstrip(b"\r") for line in reversed(lines))
    yield rest
