"""Did it work? What the core's status file proves or disproves about a command's effect. Pure: rows in, judgements out.

Presence proves in any generation. Absence counts only in generations whose `created` lies after the second in which the command
was executed. Whether it was executed at all is for executed.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import msgspec

from engine.model import CommentStatus, HostStatus, ServiceStatus


class Effected(Enum):
    YES = "yes"
    NOT_YET = "not_yet"
    NO = "no"
    CLEARED = "cleared"  # something since explains why it is not to be seen


class Judgement(msgspec.Struct, frozen=True):
    """`evidence` names the block and generation that show it; `reason` says why it cannot be told."""

    effected: Effected
    evidence: str = ""
    reason: str = ""
    core_ids: tuple[int, ...] = ()
    some: bool = False  # of NO: it shows on some members


class Seen(msgspec.Struct, frozen=True):
    """What the files say at one moment: the newest generation, and the object's row in it (log lane included)."""

    created: float
    program_start: float
    row: HostStatus | ServiceStatus | None
    comments: Sequence[CommentStatus] = ()


def is_decisive(seen: Seen, executed_at: float, deadline_s: float) -> bool:
    """May absence in this generation be believed? Only if the core wrote it after the second of execution."""
    return seen.created > executed_at + 1 and seen.created >= executed_at + deadline_s


def judge_acknowledged(
    seen: Seen,
    author: str,
    comment: str,
    sticky: bool,
    executed_at: float,
    since: float,
    deadline_s: float,
    expire: float | None = None,
) -> Judgement:
    """Flag (and end, if it has one) set as asked, and a comment of that author and text no older than its writing (`since`).

    Nor younger than the execution: somebody who asks the same again makes one of his own.
    """
    row = seen.row
    matching = [
        block
        for block in seen.comments
        if block.entry_type == 4
        and (block.author, block.comment) == (author, comment)
        and since - 1 <= block.entry_time <= executed_at + 1
    ]
    # Icinga 2.13 writes 0 for the acknowledgement's end and the true one into its comment.
    shown = {int(block.expire_time) for block in matching} | ({int(row.acknowledgement_end_time)} if row is not None else set())
    ends = expire is None or int(expire) in shown
    if row is not None and row.acknowledged and matching and row.acknowledgement_type == (2 if sticky else 1) and ends:
        newest = max(matching, key=lambda block: (block.entry_time, block.core_id))
        words = f"problem_has_been_acknowledged=1, acknowledgement_type={row.acknowledgement_type}, comment_id={newest.core_id}"
        return Judgement(Effected.YES, f"{words} in the status file of {seen.created:.0f}", core_ids=(newest.core_id,))
    if not is_decisive(seen, executed_at, deadline_s):
        return Judgement(Effected.NOT_YET)
    if row is None:
        return Judgement(Effected.CLEARED, reason="the object is no longer in the status file")
    if row.last_state_change >= since - 1:
        return Judgement(
            Effected.CLEARED, reason=f"the object changed state at {row.last_state_change:.0f}, which may have cleared it"
        )
    return Judgement(Effected.NO, reason=f"no acknowledgement in the status file of {seen.created:.0f}")


def judge_not_acknowledged(seen: Seen, executed_at: float, deadline_s: float) -> Judgement:
    """The flag is off in a generation written after the execution."""
    if not is_decisive(seen, executed_at, 0):
        return Judgement(Effected.NOT_YET)
    if seen.row is None:
        return Judgement(Effected.CLEARED, reason="the object is no longer in the status file")
    if not seen.row.acknowledged:
        return Judgement(Effected.YES, f"problem_has_been_acknowledged=0 in the status file of {seen.created:.0f}")
    if not is_decisive(seen, executed_at, deadline_s):
        return Judgement(Effected.NOT_YET)
    return Judgement(Effected.NO, reason=f"still acknowledged in the status file of {seen.created:.0f} (or again)")


def judge_checked(seen: Seen, at: float, executed_at: float, deadline_s: float) -> Judgement:
    """Scheduled as a forced check for that time, or actively checked since then. `at` is not before the line was written."""
    row = seen.row
    if row is not None:
        if row.last_check >= at and row.check_type == 0 and row.has_been_checked and seen.created >= executed_at:
            return Judgement(
                Effected.YES, f"last_check={row.last_check:.0f}, check_type=0 in the status file of {seen.created:.0f}"
            )
        if row.check_options & 1 and row.next_check <= at + 1 and seen.created >= executed_at:
            return Judgement(Effected.YES, f"next_check={row.next_check:.0f}, forced, in the status file of {seen.created:.0f}")
    # A check planned for later needs until then to show.
    if not is_decisive(seen, max(executed_at, at), deadline_s):
        return Judgement(Effected.NOT_YET)
    if row is None:
        return Judgement(Effected.CLEARED, reason="the object is no longer in the status file")
    return Judgement(Effected.NO, reason=f"last_check={row.last_check:.0f} in the status file of {seen.created:.0f}")


def judge_result(seen: Seen, checked_at: float, executed_at: float, deadline_s: float, exact: bool = True) -> Judgement:
    """The object's last check is the passive one with the time that was sent; an earlier one may have had the same second."""
    check = LastCheck(seen.row.last_check, seen.row.check_type) if seen.row is not None else None
    return judge_last_check(check, seen.created, checked_at, executed_at, deadline_s, exact)


class LastCheck(NamedTuple):
    """What a status file says of an object's last check: when, and 0 active or 1 passive."""

    at: float
    check_type: int


def judge_last_check(
    check: LastCheck | None, created: float, checked_at: float, executed_at: float, deadline_s: float, exact: bool = True
) -> Judgement:
    """The same by the last check alone; None: the object is not in the file.

    Not `exact`: the core also writes when it received the result, so that any second until the execution is that of ours.
    """
    latest = int(checked_at) if exact else executed_at + 1
    if check is not None and created > executed_at and int(checked_at) <= int(check.at) <= latest and check.check_type == 1:
        return Judgement(Effected.YES, f"last_check={check.at:.0f}, check_type=1 in the status file of {created:.0f}")
    if check is not None and check.at > checked_at and created > executed_at:
        return Judgement(Effected.CLEARED, reason=f"a newer check result of {check.at:.0f} stands in its place")
    if not (created > executed_at + 1 and created >= executed_at + deadline_s):
        return Judgement(Effected.NOT_YET)
    if check is None:
        return Judgement(Effected.CLEARED, reason="the object is no longer in the status file")
    return Judgement(Effected.NO, reason=f"last_check={check.at:.0f} in the status file of {created:.0f}")
