"""What changed between two moments of one object or core. Pure: rows and lines of the log in, rows and changes out.

Rules: of a log line only what the line itself proves is taken (the core's own bookkeeping, such as notification numbers, waits
for the status file), and a row so changed has the block hash -1, which no block of a status file has. Changes are found by
comparing what stood before with what stands now, whoever told it: a log line and the status file that shows the same are one
change, and a line that was lost is made up for by the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from engine.formats.corelog import LogKind, StateEvent
from engine.model import CommentStatus, CoreKind, DowntimeStatus, HostStatus, ServiceStatus

Row = HostStatus | ServiceStatus
Block = DowntimeStatus | CommentStatus

_ALERTS = (LogKind.HOST_ALERT, LogKind.SERVICE_ALERT)
_DOWNTIMES = (LogKind.HOST_DOWNTIME, LogKind.SERVICE_DOWNTIME)
_FLAPPINGS = (LogKind.HOST_FLAPPING, LogKind.SERVICE_FLAPPING)
PASSIVE = (LogKind.HOST_PASSIVE, LogKind.SERVICE_PASSIVE)
NOTIFICATIONS = (LogKind.HOST_NOTIFICATION, LogKind.SERVICE_NOTIFICATION)
_STARTED = "STARTED"
_SOFT = 0
_HARD = 1
_NORMAL = 1  # acknowledgement_type
_USER_COMMENT = 1  # entry_type; the core's own about downtimes, flapping and acknowledgements come and go with these

_HOST_TIMES = ("last_time_up", "last_time_down", "last_time_unreachable")
_SERVICE_TIMES = ("last_time_ok", "last_time_warning", "last_time_critical", "last_time_unknown")

_TOLD_BY_LOG = frozenset({
    "state", "state_type", "has_been_checked", "current_attempt", "plugin_output", "last_check", "last_state_change",
    "last_hard_state", "last_hard_state_change", "scheduled_downtime_depth", "is_flapping", "last_notification",
    *_HOST_TIMES, *_SERVICE_TIMES,
})  # fmt: skip


# --- a line of the log ----------------------------------------------------------------------------------------------------------


def after(row: Row, event: StateEvent, *, of_one_downtime: bool = False) -> Row | None:
    """The row as it is after what the log says; None when the line says nothing about it, or only that a check ran.

    `of_one_downtime`: see `is_of_one_downtime`.
    """
    if event.kind in _ALERTS:
        return _after_alert(row, event)
    if event.kind in _DOWNTIMES:
        depth = row.scheduled_downtime_depth
        if of_one_downtime:
            depth = depth + 1 if event.word == _STARTED else max(depth - 1, 0)
        else:
            depth = max(depth, 1) if event.word == _STARTED else 0
        return row._replace(scheduled_downtime_depth=depth, block_hash=-1)
    if event.kind in _FLAPPINGS:
        return row._replace(is_flapping=int(event.word == _STARTED), block_hash=-1)
    if event.kind in NOTIFICATIONS and "(" not in event.word:  # acknowledgements, custom ones … leave the object's own time alone
        return row._replace(last_notification=max(row.last_notification, float(event.at)), block_hash=-1)
    return None


def is_of_one_downtime(kind: CoreKind, event: StateEvent) -> bool:
    """Whether the line is about one of the object's downtimes, not about its way into the first or out of the last one.

    **Source**: Icinga 2.13.6 lib/compat/compatlogger.cpp logs the start and end of each, the end also of one that had not begun;
    the others log when the object's depth leaves 0 or comes back to it.
    """
    return kind is CoreKind.ICINGA2 and event.kind in _DOWNTIMES


def held_until(event: StateEvent) -> int:
    """The core's second up to which status files are older than what the line says of the row.

    Within a line's own second nobody knows which came first. A state may not be taken back by a file that was there before, so it
    is held for that second, too; that a check ran or somebody was notified is not worth withholding a file's news.
    """
    return event.at - 1 if event.kind in PASSIVE or event.kind in NOTIFICATIONS else event.at


def with_log_ahead(shown: Row, known: Row) -> Row:
    """The row as a status file shows it, but for what the log is ahead in: that stays as it is known.

    The log may have ended an acknowledgement, and never sets one.
    """
    ahead = {name: getattr(known, name) for name in known._fields if name in _TOLD_BY_LOG}
    return shown._replace(**ahead, acknowledged=min(shown.acknowledged, known.acknowledged), block_hash=-1)


def _after_alert(row: Row, event: StateEvent) -> Row | None:
    times = _HOST_TIMES if isinstance(row, HostStatus) else _SERVICE_TIMES
    state, state_type = event.state, event.state_type
    if state is None or state_type is None or event.attempt is None or not 0 <= state < len(times):
        return None
    at = float(event.at)
    changes: dict[str, object] = {
        "state": state,
        "state_type": state_type,
        "has_been_checked": 1,
        "current_attempt": event.attempt,
        "plugin_output": event.output,
        "last_check": max(row.last_check, at),
        times[state]: at,
        "block_hash": -1,
    }
    if state != row.state:
        changes["last_state_change"] = at
    # Icinga 2 gives a pending object a last hard state of its own invention.
    if state_type == _HARD and (state != row.last_hard_state or not row.has_been_checked):
        changes |= {"last_hard_state": state, "last_hard_state_change": at}
    if _ends_acknowledgement(row, state):
        changes["acknowledged"] = 0
    return row._replace(**changes)  # type: ignore[arg-type]


def _ends_acknowledgement(row: Row, state: int) -> bool:
    """A normal acknowledgement ends with any change of state, a sticky one with recovery.

    Source: Nagios 4, Naemon, Icinga 1 (cores.md 4.7).
    """
    return state == 0 or (state != row.state and row.acknowledgement_type == _NORMAL)


# --- what stands, and what changed of it ------------------------------------------------------------------------------------------


class Kind(StrEnum):
    """What an event is about; the word people filter by."""

    STATE = "state"
    ACKNOWLEDGEMENT = "acknowledgement"
    DOWNTIME = "downtime"
    COMMENT = "comment"
    FLAPPING = "flapping"
    NOTIFICATION = "notification"
    OBJECT = "object"
    POLLER = "poller"
    COMMAND = "command"


class Standing(NamedTuple):
    """What of a host or service is worth an event when it changes. `attempt` counts in soft states only, else it is 0."""

    state: int
    state_type: int
    has_been_checked: int
    attempt: int
    acknowledgement: int  # acknowledgement_type, 0 when it is not acknowledged
    is_flapping: int
    in_downtime: int

    @classmethod
    def of(
        cls, state: int, state_type: int, checked: int, attempt: int, acknowledged: int, kind: int, flapping: int, depth: int
    ) -> Standing:
        """From the columns of a row."""
        return cls(
            state,
            state_type,
            int(bool(checked)),
            attempt if state_type == _SOFT else 0,
            (kind or _NORMAL) if acknowledged else 0,
            int(bool(flapping)),
            int(depth > 0),
        )


class Change(NamedTuple):
    """One change: `values` are the fields of a Standing that it sets."""

    kind: Kind
    action: str
    values: Mapping[str, int]


_STATE_FIELDS = ("state", "state_type", "has_been_checked", "attempt")


def standing_of(row: Row) -> Standing:
    """What stands of an object."""
    return Standing.of(
        row.state,
        row.state_type,
        row.has_been_checked,
        row.current_attempt,
        row.acknowledged,
        row.acknowledgement_type,
        row.is_flapping,
        row.scheduled_downtime_depth,
    )


def diff(old: Standing, new: Standing) -> tuple[Change, ...]:
    """What has to happen to `old` for it to become `new`, at most one change of each kind."""
    if old == new:
        return ()
    changes = []
    if old[:4] != new[:4]:
        action = "changed" if old.has_been_checked == new.has_been_checked else "checked" if new.has_been_checked else "pending"
        changes.append(Change(Kind.STATE, action, {name: getattr(new, name) for name in _STATE_FIELDS}))
    if old.acknowledgement != new.acknowledgement:
        action = "set" if new.acknowledgement else "removed"
        changes.append(Change(Kind.ACKNOWLEDGEMENT, action, {"acknowledgement": new.acknowledgement}))
    if old.in_downtime != new.in_downtime:
        action = "started" if new.in_downtime else "ended"
        changes.append(Change(Kind.DOWNTIME, action, {"in_downtime": new.in_downtime}))
    if old.is_flapping != new.is_flapping:
        action = "started" if new.is_flapping else "stopped"
        changes.append(Change(Kind.FLAPPING, action, {"is_flapping": new.is_flapping}))
    return tuple(changes)


def apply(changes: Iterable[Change], old: Standing) -> Standing:
    """`old` after these changes."""
    values: dict[str, int] = {}
    for change in changes:
        values |= change.values
    return old._replace(**values)


# --- downtimes and comments, which come and go as blocks ------------------------------------------------------------------------


class BlockChange(NamedTuple):
    """One downtime or comment that came or went."""

    kind: Kind
    action: str
    block: Block


def content_of(block: Block) -> tuple[object, ...]:
    """What makes it the same one under another id: cores renumber theirs at a restart."""
    if isinstance(block, DowntimeStatus):
        return (*block[:2], block.entry_time, block.start_time, block.end_time, block.fixed, block.author, block.comment)
    return (*block[:2], block.entry_type, block.entry_time, block.author, block.comment)


def diff_blocks(
    old: Iterable[Block], new: Iterable[Block], created: float, is_over: Mapping[tuple[str, str | None], bool]
) -> list[BlockChange]:
    """Which of them came and which went, compared by content.

    `is_over` says of an object that nothing of its downtimes is in effect any more: that was or is said of the object itself, so
    the end of a downtime that was in effect is not said again.
    """
    before = [block for block in old if _counts(block)]
    now = [block for block in new if _counts(block)]
    came = _without(now, before)
    went = _without(before, now)
    return [
        *(BlockChange(*_arrival(block), block) for block in came),
        *(change for block in went if (change := _departure(block, created, is_over)) is not None),
    ]


def _counts(block: Block) -> bool:
    return isinstance(block, DowntimeStatus) or block.entry_type == _USER_COMMENT


def _without(blocks: list[Block], others: list[Block]) -> list[Block]:
    """Those of `blocks` that have no equal among the others, each of which is the equal of one."""
    left = Counter(map(content_of, others))
    found = []
    for block in blocks:
        content = content_of(block)
        if left[content]:
            left[content] -= 1
        else:
            found.append(block)
    return found


def _arrival(block: Block) -> tuple[Kind, str]:
    return (Kind.DOWNTIME, "scheduled") if isinstance(block, DowntimeStatus) else (Kind.COMMENT, "added")


def _departure(block: Block, created: float, is_over: Mapping[tuple[str, str | None], bool]) -> BlockChange | None:
    if isinstance(block, CommentStatus):
        return BlockChange(Kind.COMMENT, "removed", block)
    if _was_in_effect(block, created) and is_over.get((block.host_name, block.service_description), False):
        return None
    return BlockChange(Kind.DOWNTIME, "cancelled" if block.end_time > created else "ended", block)


def _was_in_effect(block: DowntimeStatus, created: float) -> bool:
    """As the core said; of a core that does not say, by its window."""
    return block.is_in_effect == 1 or (block.is_in_effect < 0 and bool(block.fixed) and block.start_time <= created)
