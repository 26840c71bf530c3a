"""The FIFO's edge: the only code that opens a command file.

Never created, never opened blocking, never followed through a symlink, checked by `fstat` after opening, reopened for every
batch (a descriptor kept over a re-creation writes into nowhere), and never given more than one atomic write of whole lines.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import sys
import termios
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine.commands.wire import WRITE_LIMIT
from engine.errors import CommandFileMissing, CommandFileNotWritable, NoReader, NotAFifo, PipeFull, PollerError


class Room(NamedTuple):
    """What a command file takes, in bytes."""

    free: int  # at once; 0 unless a whole page, 4096 bytes, is free: only then Linux wakes writers of a FIFO
    whole: int  # when nothing stands in it: 64 KB, or a page or two where the core's user has many pipes (pipe(7), limits on pipes)


@dataclass(slots=True)
class CommandFile:
    """An open command file. `identity` is device:inode."""

    path: Path
    descriptor: int
    identity: str

    @classmethod
    def open(cls, path: Path) -> CommandFile:
        """Open for writing without blocking.

        Raises: CommandFileMissing, NotAFifo, NoReader, CommandFileNotWritable.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise _translated(path, error) from error
        found = os.fstat(descriptor)
        if not stat.S_ISFIFO(found.st_mode):
            os.close(descriptor)
            raise _not_a_fifo(path)
        return cls(path, descriptor, f"{found.st_dev}:{found.st_ino}")

    def write(self, lines: bytes) -> None:
        """Write whole lines at once or not at all. Raises PipeFull, NoReader: nothing was written then."""
        starts = lines.startswith(b"[") + lines.count(b"\n[")
        if not lines.endswith(b"\n") or starts != lines.count(b"\n") or len(lines) > WRITE_LIMIT:
            raise ValueError("a write is whole lines that begin with `[`, at most 4096 bytes")
        try:
            written = os.write(self.descriptor, lines)
        except OSError as error:
            raise _translated(self.path, error) from error
        if written != len(lines):
            raise OSError(errno.EIO, f"a write of {len(lines)} bytes to a FIFO was cut at {written}, which POSIX forbids")

    def room(self) -> Room:
        """What it takes now. Where others write between us, it may be less: what does not fit behind a write begins a page."""
        whole = fcntl.fcntl(self.descriptor, fcntl.F_GETPIPE_SZ)
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        if not any(event & (select.POLLOUT | select.POLLERR) for _, event in poll.poll(0)):
            return Room(0, whole)
        unread = int.from_bytes(fcntl.ioctl(self.descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)
        return Room(whole - unread, whole)

    def close(self) -> None:
        """Close the descriptor; the FIFO stays."""
        os.close(self.descriptor)


def probe(path: Path) -> tuple[str, str]:
    """(health word, detail) of a command file, without writing anything."""
    try:
        CommandFile.open(path).close()
    except CommandFileMissing as error:
        return "missing", str(error)
    except NotAFifo as error:
        return "not_a_fifo", str(error)
    except NoReader as error:
        return "no_reader", str(error)
    except PollerError as error:
        return "not_writable", str(error)
    return "reading", ""


def room(path: Path) -> Room:
    """What a command file that can be opened takes; a write's worth when it cannot: opening it tells more."""
    try:
        command_file = CommandFile.open(path)
    except PollerError:
        return Room(WRITE_LIMIT, WRITE_LIMIT)
    try:
        return command_file.room()
    finally:
        command_file.close()


def _not_a_fifo(path: Path) -> NotAFifo:
    return NotAFifo(
        f"{path} is not a FIFO: something created it while the core was stopped. Stop the core, remove it, start the core.",
        path=str(path),
    )


def _translated(path: Path, error: OSError) -> PollerError:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return CommandFileMissing(
                f"{path} does not exist: the core is stopped, or check_external_commands=0. Start the core.", path=str(path)
            )
        case errno.ENXIO | errno.EPIPE:
            return NoReader(
                f"Nobody reads {path}: the core (or its command file worker) is stopped. Start the core.", path=str(path)
            )
        case errno.EAGAIN:
            return PipeFull(f"{path} is full: the core is not reading. See whether it hangs.", path=str(path))
        case errno.ELOOP | errno.EISDIR:
            return _not_a_fifo(path)
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return CommandFileNotWritable(
                f"{path} may not be written by this user: add it to the core's command group.", path=str(path)
            )
    return PollerError(f"{path}: {error.strerror}", path=str(path))
