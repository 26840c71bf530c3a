"""The kernel fails system calls of one thread: an error of the disk as SQLite meets it, without a disk that has one.

A seccomp filter, which is never taken off again: it ends with the thread.

**Source**: linux/seccomp.h, linux/filter.h and the tables of system calls of Linux.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

NUMBERS = {
    "x86_64": {"fsync": 74, "fdatasync": 75, "pwrite64": 18},
    "aarch64": {"fsync": 82, "fdatasync": 83, "pwrite64": 68},
}[platform.machine()]
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def fail(error: int, *calls: str) -> None:
    """From now on these calls of the present thread fail with that errno."""
    instructions = [(_LOAD_WORD, 0, 0, 0)]
    for call in calls:
        instructions += [(_JUMP_IF_EQUAL, 0, 1, NUMBERS[call]), (_RETURN, 0, 0, _ERRNO | error)]
    instructions.append((_RETURN, 0, 0, _ALLOW))
    program = _Program(len(instructions), b"".join(struct.pack("HBBI", *one) for one in instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), f"prctl{arguments}")


def in_thread(work: Callable[[], T]) -> T:
    """What it returns or raises when it is run in a thread of its own."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result()
