"""Downtimes and acknowledgements in Centreon's shapes. Pure.

Ids are ours: stable over restarts, never re-used. What else is known and has no key in the original stands under `signalbox`.
A downtime or acknowledgement of a host has the service id 0, as in the original's mixed lists.
"""

from __future__ import annotations

from collections.abc import Mapping

from api.centreon.times import iso_time
from engine.desk import Entry


def downtime_shape(entry: Entry, author_ids: Mapping[str, int | None], now: float) -> dict[str, object]:
    """A downtime, past or present. `now` decides whether a fixed one has started where the core does not say.

    Of one that only a log tells of, and not with which command it was asked for, author, comment and window are null.
    """
    return {
        "start_time": iso_time(entry.start_time),
        "end_time": iso_time(entry.end_time),
        "actual_start_time": iso_time(entry.actual_start),
        "actual_end_time": iso_time(entry.actual_end),
        "id": entry.id,
        "entry_time": iso_time(entry.entry_time),
        "author_id": author_ids.get(entry.author),
        "author_name": entry.author or None,
        "host_id": entry.host_id,
        "service_id": _service_id(entry),
        "is_cancelled": entry.cancelled,
        "comment": entry.comment if entry.author else None,
        "deletion_time": iso_time(entry.deleted_at),
        "duration": _duration(entry),
        "is_fixed": entry.fixed,
        "poller_id": entry.poller,
        "is_started": _is_started(entry, now),
        "signalbox": _own(entry),
    }


def acknowledgement_shape(entry: Entry, author_ids: Mapping[str, int | None]) -> dict[str, object]:
    """An acknowledgement, past or present. Null where neither the core's files nor the journal tell; nobody told: false.

    One that came to the end it was given was deleted then, as in the original.
    """
    return {
        "id": entry.id,
        "author_id": author_ids.get(entry.author),
        "author_name": entry.author,
        "comment": entry.comment,
        "deletion_time": iso_time(entry.end_time if entry.deleted_at is None and not entry.present else entry.deleted_at),
        "entry_time": iso_time(entry.entry_time),
        "host_id": entry.host_id,
        "service_id": _service_id(entry),
        "poller_id": entry.poller,
        "is_notify_contacts": bool(entry.notify),
        "is_persistent_comment": entry.persistent,
        "is_sticky": entry.sticky,
        "state": entry.state,
        "type": 0 if entry.service is None else 1,
        "signalbox": _own(entry),
    }


def _service_id(entry: Entry) -> int | None:
    return 0 if entry.service is None else entry.service_id


def _duration(entry: Entry) -> int | None:
    if entry.fixed and entry.start_time is not None and entry.end_time is not None:
        return int(entry.end_time - entry.start_time)
    return None if entry.duration is None else int(entry.duration)


def _is_started(entry: Entry, now: float) -> bool:
    if entry.is_in_effect or entry.actual_start is not None:
        return True
    stands_unsaid = entry.is_in_effect is None and entry.present and entry.proof in ("confirmed", "seen")
    return bool(stands_unsaid and entry.fixed and entry.start_time is not None and entry.start_time <= now)


def _own(entry: Entry) -> dict[str, object]:
    """`deleted_by`: the user of ours who asked for the end; null where it ended by itself, or by a hand we do not know."""
    return {
        "proof": entry.proof,
        "stands": entry.present,
        "core_id": entry.core_id,
        "command": entry.command_id,
        "deleted_by": entry.deleted_by,
    }
