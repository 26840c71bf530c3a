"""Which downtime or comment block of a status file is which entry of the journal. Pure.

Content and time tell them apart, in any core: ids alone do not, for they are used again and renumbered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from engine.model import CommentStatus, DowntimeStatus


class Content(msgspec.Struct, frozen=True):
    """What tells a downtime or comment apart in any core: ids alone do not (they are re-used and renumbered)."""

    host: str
    service: str
    author: str
    comment: str
    start: int | None = None
    end: int | None = None
    fixed: int | None = None
    duration: int | None = None  # flexible downtimes only


def downtime_content(block: DowntimeStatus) -> Content:
    """The content of a block. A fixed downtime's duration is the core's own arithmetic (0 in Icinga 2) and does not count."""
    return Content(
        block.host_name,
        block.service_description or "",
        block.author,
        block.comment,
        int(block.start_time),
        int(block.end_time),
        int(bool(block.fixed)),
        None if block.fixed else int(block.duration),
    )


def comment_content(block: CommentStatus) -> Content:
    """The content of a comment block."""
    return Content(block.host_name, block.service_description or "", block.author, block.comment)


class Known(msgspec.Struct, frozen=True):
    """An entry the journal holds, as far as binding needs it.

    `entry_time` is exact when `exact_time`, else the earliest possible (cores that stamp with their own clock).
    """

    entry_id: int
    content: Content
    core_id: int | None
    entry_time: float
    exact_time: bool


def bind(known: Iterable[Known], blocks: Sequence[tuple[Content, int, float]]) -> tuple[dict[int, int], list[int]]:
    """Say which block is which entry: ({entry_id: index of its block}, indexes of blocks nobody knows).

    A block is (content, core id, entry_time). First those whose core id and content both agree, then by content and time: exact
    times before lower bounds, the nearest first, so that no entry takes another's block, whatever order they come in.
    """
    by_id = {(content, core_id): index for index, (content, core_id, _) in enumerate(blocks)}
    by_content: dict[Content, list[int]] = {}
    for index, (content, _, _) in enumerate(blocks):
        by_content.setdefault(content, []).append(index)
    bound: dict[int, int] = {}
    taken: set[int] = set()
    pairs: list[tuple[bool, float, float, int, int, int]] = []
    for entry in sorted(known, key=lambda one: one.entry_id):
        same_id = by_id.get((entry.content, entry.core_id)) if entry.core_id is not None else None
        if same_id is not None and same_id not in taken and _time_fits(entry, blocks[same_id][2]):
            bound[entry.entry_id] = same_id
            taken.add(same_id)
            continue
        for index in by_content.get(entry.content, ()):
            _, core_id, entry_time = blocks[index]
            if _time_fits(entry, entry_time):
                distance = abs(entry_time - entry.entry_time)
                pairs.append((not entry.exact_time, distance, entry.entry_time, entry.entry_id, core_id, index))
    for *_, entry_id, _, index in sorted(pairs):
        if entry_id not in bound and index not in taken:
            bound[entry_id] = index
            taken.add(index)
    return bound, [index for index in range(len(blocks)) if index not in taken]


def _time_fits(entry: Known, entry_time: float) -> bool:
    if entry.exact_time:
        return int(entry_time) == int(entry.entry_time)
    return entry_time >= entry.entry_time - 1
