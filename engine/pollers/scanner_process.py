"""Scanner processes: each scans one poller's files where nobody waits for it, and tells the engine what changed.

What belongs here: the process (`python -m engine.pollers.scanner_process`), the caller's side of it, and how frames go from one
to the other. What a scan is stands in `scan.py`.

It is a process of its own because a scan computes for as long as it lasts: in a thread beside the engine each wake-up of a
command lane would wait for the interpreter lock. Frames are pickled between two processes of the same program, rows marshalled
within, which takes half the time; requests come on stdin, frames leave on stdout. Its stdin's end, which is its parent's end, ends
it.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import IO, get_args

import msgspec
from msgspec.structs import astuple, fields

from engine import garbage
from engine.config import Poller
from engine.model import ObjectCache
from engine.pollers.priority import SteppedBack
from engine.pollers.scan import Scanner
from engine.state.frames import ROWS_PER_FRAME, End, Failed, Frame, Objects, Rows, ScanRequest, Unchanged

_PIPE_BYTES = 1 << 20  # what Linux lets everybody have; a frame takes up to a quarter of it
_CACHE_KINDS = tuple(kind.name for kind in fields(ObjectCache))
_ROW_TYPES = {kind: tuple(get_args(one.type)[0] for one in fields(kind)) for kind in (Rows, ObjectCache)}


class _Packed(msgspec.Struct, frozen=True):
    """Rows on their way, or a part of an object cache: nobody should hold the interpreter lock for all of it at once."""

    kind: type[Rows | ObjectCache]
    members: bytes

    @classmethod
    def of(cls, value: Rows | ObjectCache) -> _Packed:
        """The fields of both are tuples of named tuples, of plain values."""
        return cls(type(value), marshal.dumps([list(map(tuple, rows)) for rows in astuple(value)]))

    def value(self) -> Rows | ObjectCache:
        """The same again."""
        pairs = zip(_ROW_TYPES[self.kind], marshal.loads(self.members), strict=True)
        return self.kind(*(tuple(map(row._make, rows)) for row, rows in pairs))


class _LastSlice(msgspec.Struct, frozen=True):
    """The object cache is complete."""


def _send(frame: Frame, out: IO[bytes]) -> None:
    if isinstance(frame, Objects):
        kinds = {kind: getattr(frame.cache, kind) for kind in _CACHE_KINDS}
        for start in range(0, max(map(len, kinds.values())), ROWS_PER_FRAME):
            _dump(_Packed.of(ObjectCache(**{kind: rows[start : start + ROWS_PER_FRAME] for kind, rows in kinds.items()})), out)
        _dump(_LastSlice(), out)
    else:
        _dump(_Packed.of(frame) if isinstance(frame, Rows) else frame, out)


def _dump(value: object, out: IO[bytes]) -> None:
    pickle.dump(value, out, pickle.HIGHEST_PROTOCOL)
    out.flush()


def _received(source: IO[bytes]) -> Iterator[Frame]:
    """Frames as they come, an object cache put together again."""
    slices: list[ObjectCache] = []
    while True:
        value = pickle.load(source)
        match value:
            case _Packed():
                unpacked = value.value()
                if isinstance(unpacked, Rows):
                    yield unpacked
                else:
                    slices.append(unpacked)
            case _LastSlice():
                yield Objects(_joined(slices))
            case _:
                yield value


def _joined(slices: list[ObjectCache]) -> ObjectCache:
    return ObjectCache(**{kind: tuple(row for part in slices for row in getattr(part, kind)) for kind in _CACHE_KINDS})


class ScannerProcess:
    """The caller's side: one poller's scanner, started when it is needed first. For one thread; `close` may come from another."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._process: subprocess.Popen[bytes] | None = None
        self._has_scanned = False

    @property
    def has_scanned(self) -> bool:
        """Whether it knows the status file of before: the next scan is short."""
        return self._has_scanned and self._process is not None and self._process.poll() is None

    def scan(self, request: ScanRequest) -> Iterator[Frame]:
        """The frames of one scan; blocks between them. Left before its last frame, it costs the process: the next is `first`."""
        finished = False
        try:
            for frame in self._frames(request):
                finished = isinstance(frame, End | Unchanged | Failed)
                self._has_scanned = self._has_scanned or isinstance(frame, End)
                yield frame
                if finished:
                    return
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            yield Failed(
                self._poller.number,
                "unknown",
                "the scanner process ended while it scanned: it is started again with the next scan.",
            )
        finally:
            if not finished:
                self.close()

    def _frames(self, request: ScanRequest) -> Iterator[Frame]:
        process = self._process
        if process is None or process.poll() is not None:
            self.close()
            process = self._process = self._started()
        if process.stdin is None or process.stdout is None:
            raise EOFError
        _dump(request, process.stdin)
        return _received(process.stdout)

    def _started(self) -> subprocess.Popen[bytes]:
        # A fixed seed keeps hashes equal from one scanner to the next, so that rows already mirrored need not be written again.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.pollers.scanner_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        if process.stdout is not None:
            _widen(process.stdout.fileno())
        if process.stdin is not None:
            _dump(self._poller, process.stdin)
        return process

    def close(self) -> None:
        """End the process. The next scan starts another one, which knows nothing: also the way to have everything sent again."""
        process, self._process = self._process, None
        self._has_scanned = False
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what could not be flushed to a process that is gone
                    pass


def _widen(pipe: int) -> None:
    """Let a few frames wait in a pipe, so that reading a file and writing what was read go on side by side."""
    with suppress(OSError):  # of a user who has too many pipes
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _answer(scanner: Scanner, request: ScanRequest, out: IO[bytes]) -> None:
    for frame in scanner.scan(request):
        _send(frame, out)


def main() -> None:
    """Scan whenever stdin asks, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end ends us
    garbage.spare_collection()
    requests, out = sys.stdin.buffer, sys.stdout.buffer
    back = SteppedBack()
    try:
        scanner = Scanner(pickle.load(requests))
        while True:
            request = pickle.load(requests)
            work = partial(_answer, scanner, request, out)
            back.do(work) if request.steps_back else work()
    except (EOFError, BrokenPipeError):
        # Without this the interpreter's end would complain that it cannot flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    # Under its own name: a pickled frame that is of `__main__` is nothing to the parent.
    from engine.pollers.scanner_process import main as scan_for_parent

    scan_for_parent()
