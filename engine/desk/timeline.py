"""What happened to one host or service, of every kind in one list: what its core's log says of its states and notifications, and
the downtimes, acknowledgements and comments that the journal keeps.

Rules: a host's timeline is its own, not its services'. A downtime stands in it once it has begun. An event's number is of its kind
only: two of different kinds may have the same.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.desk.entries import LISTED
from engine.formats.logentry import EntryType
from engine.state.fields import Field, Table, Type
from engine.state.scope import Condition
from engine.state.views import Reader


class Event(NamedTuple):
    """One event. `kind`: event, notification, downtime, acknowledgement, comment. `state` None: it is about none.

    Times are the core's seconds; `start` and `end` are a downtime's own. `contact`: who was notified, or who set the entry.
    """

    kind: str
    id: int
    at: float
    start: float | None
    end: float | None
    content: str
    contact: str
    state: int | None
    attempt: int | None


TIMELINE = Table(
    {
        "id": Field("t.id", Type.INTEGER),
        "type": Field("t.kind"),
        "content": Field("t.content"),
        "date": Field("t.at", Type.TIME),
        "start_date": Field("t.start", Type.TIME),
        "end_date": Field("t.end_", Type.TIME),
        "contact.name": Field("nullif(t.contact, '')"),
    },
    ("t.at DESC", "t.id DESC", "t.kind"),
)

# Naemon logs a notification that it did not send, too, with the word SUPPRESSED.
_LOGGED = (
    f"SELECT iif(e.type = {int(EntryType.ALERT)}, 'event', 'notification') AS kind, e.seq AS id, e.at AS at, NULL AS start,"
    " NULL AS end_, e.text AS content, e.contact AS contact, e.state AS state, e.attempt AS attempt"
    " FROM history.entry e JOIN history.object o ON o.id = e.object WHERE o.poller = ?1 AND o.host = ?2 AND o.service = ?3"
    f" AND e.type IN ({int(EntryType.ALERT)}, {int(EntryType.NOTIFICATION)}) AND e.word <> 'SUPPRESSED'"
)
_KEPT = (
    "SELECT e.kind AS kind, e.id AS id, iif(e.kind = 'downtime', e.actual_start, e.entry_time) AS at,"
    " iif(e.kind = 'downtime', e.actual_start, NULL) AS start, e.actual_end AS end_, e.comment AS content, e.author AS contact,"
    " NULL AS state, NULL AS attempt FROM journal.entry e WHERE e.poller = ?1 AND e.host = ?2 AND e.service = ?3"
    f" AND (e.kind <> 'downtime' OR e.actual_start IS NOT NULL) AND {LISTED}"
)


def timeline(
    reader: Reader, place: tuple[int, str, str], which: Condition, order: str, *, limit: int, offset: int
) -> tuple[list[Event], int]:
    """One page of what happened to the object at (poller, host, service or ""), and how much it is in all.

    The caller has made sure that the object may be seen. `which` and `order` are over TIMELINE.
    """
    parts = [_LOGGED, _KEPT] if reader.attach_history() else [_KEPT]
    source = f"({' UNION ALL '.join(parts)}) t WHERE {which[0]}"
    values = [*place, *which[1]]
    (total,) = reader.connection.execute(f"SELECT count(*) FROM {source}", values).fetchone()
    query = f"SELECT * FROM {source} ORDER BY {order} LIMIT ? OFFSET ?"
    return [Event._make(row) for row in reader.connection.execute(query, [*values, limit, offset])], int(total)
