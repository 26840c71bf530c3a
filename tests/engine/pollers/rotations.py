"""Rotations of logs as they happen: never two within one tick of the file system's clock."""

from __future__ import annotations

import time
from pathlib import Path


def tick(folder: Path) -> None:
    """Wait until the file system's clock has moved on: real rotations are never so close together."""
    probe = folder / "clock"
    probe.touch()
    start = probe.stat().st_mtime_ns
    deadline = time.monotonic() + 5
    while probe.stat().st_mtime_ns == start and time.monotonic() < deadline:
        probe.write_bytes(b"x")
