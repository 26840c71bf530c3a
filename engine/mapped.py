"""A number that every process of a data folder sees: eight bytes of a file, which each of them maps into its memory.

Looking at it costs no call of the system. One process at a time sets it.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

_BYTES = 8


class MappedNumber:
    """See the module. 0 in a new file."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        try:
            if os.fstat(descriptor).st_size < _BYTES:
                os.posix_fallocate(descriptor, 0, _BYTES)  # a full disk is found out here, not when the number is set
            self._mapped = mmap.mmap(descriptor, _BYTES)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Let go of the file."""
        self._mapped.close()

    def get(self) -> int:
        """The number."""
        return int.from_bytes(self._mapped[:_BYTES])

    def set(self, number: int) -> None:
        """Another number, of which the lowest 64 bits count."""
        self._mapped[:_BYTES] = (number % 2 ** (8 * _BYTES)).to_bytes(_BYTES)
