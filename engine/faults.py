"""Named crash points: where tests kill a process on purpose, to show that nothing accepted is lost there.

Off unless the environment says `SIGNALBOX_CRASH=name:n`: the process then dies by SIGKILL when it passes `name` the n-th time.
"""

from __future__ import annotations

import os
import signal

AFTER_ACCEPT = "after_accept"  # a command was read from the journal, nothing about it is stored yet
AFTER_BATCH_ROW = "after_batch_row"  # the batch row is durable, its bytes are not written
AFTER_WRITE = "after_write"  # the bytes are in the command file, the step that says so is not stored
BETWEEN_SLICES = "between_slices"  # an API worker: a slice of a large call is durable, others are to come (or it was the last)
AFTER_COMMIT = "after_commit"  # of an API worker: what it accepted is durable, nobody was told
AFTER_END_MARK = "after_end_mark"  # the end mark was read in the log, its verdicts are not stored

_name, _, _count = os.environ.get("SIGNALBOX_CRASH", "").partition(":")
_left = [int(_count or 1)]


def crash_point(name: str) -> None:
    """Die here if a test asked for it."""
    if name != _name:
        return
    _left[0] -= 1
    if _left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
