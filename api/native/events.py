"""Events as they happen, as server-sent events: GET /v1/events.

An event's `id` is the place in the stream behind it, good for `Last-Event-ID` on any worker. Beside the events there are signs
about the stream itself: `begins`, `snapshot_begins`, `snapshot_ends`, `reset` (something is or may be missing: read the state
again) and `end`; their data are `why` and `what_to_do`. Heartbeats are comments; the id beside them keeps the place of a reader
whose filter lets little through.

Who is limited to what a contact of the core sees hears what the lists show him at that moment, object by object: of one that is
gone from the configuration, nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from api.native.operation import Call, Operation, Stream
from api.native.requests import PollerQuery, doc, refuse_service_alone
from api.native.state import host_state_name, service_state_name, state_type_name
from api.native.streaming import MEDIA_TYPE
from api.render import encode_json, rfc3339_or_none
from engine.desk import Which
from engine.errors import InvalidField
from engine.state.changes import Kind
from engine.state.events import Event

_RETRY_MS = 2000
_STATES: Mapping[str, tuple[bool, int]] = {
    "up": (False, 0), "down": (False, 1), "unreachable": (False, 2),
    "ok": (True, 0), "warning": (True, 1), "critical": (True, 2), "unknown": (True, 3),
}  # fmt: skip
_TIMES = ("start", "end", "program_start", "last_check", "last_state_change")
_WHAT_TO_DO = {
    "reset": "Read the state again (or come back with snapshot=1 and without the id): events in between are missing.",
    "end": "Come back with the last id; if you are refused, ask for a new token.",
}


class EventsQuery(PollerQuery, frozen=True, kw_only=True):
    """Which events, and from where on."""

    type: Annotated[str, doc(f"only these, with commas between: {', '.join(Kind)}", min_length=1)] = ""
    hostgroup: Annotated[str, doc("of hosts that were in this hostgroup then, and their services", min_length=1)] = ""
    host: Annotated[str, doc("of this host and its services", min_length=1)] = ""
    service: Annotated[str, doc("of this service; needs `host`", min_length=1)] = ""
    state: Annotated[
        str, doc(f"of objects in one of these states then, with commas between: {', '.join(_STATES)}", min_length=1)
    ] = ""
    last_event_id: Annotated[str, doc("go on behind this event; the header `Last-Event-ID` says the same and counts more")] = ""
    snapshot: Annotated[Literal[0, 1], doc("1: what stands now comes first, unless it can be gone on from `last_event_id`")] = 0


class EventData(msgspec.Struct, frozen=True):
    """What stands in the `data` line of an event, as JSON; `event` is the same word as `type`. More members by type.

    `state`: `action` changed, checked (first result), pending; `state_type`, `attempt`, `max_attempts`, `output`, and
    `previous_state`, `previous_state_name`, `previous_state_type`. `acknowledgement`: set (`author`, `comment`, `sticky`), removed.
    `downtime`: scheduled, cancelled, ended are about one downtime and carry `author`, `comment`, `start`, `end`, `fixed`; without
    these, and started, they say that the object went into downtime or came out of it. `comment`: added, removed. `flapping`:
    started, stopped, disabled. `notification`: sent (`contact`, `reason`, `output`). `object`: added, removed. `poller`: health
    (`file`, `health`, `detail`), restarted, first_seen. `command`: one step of a command's life, `action` is the state reached
    (`id`, `command`, `evidence`, `user`); of a call of several passive results `command` is `results`, and `total` and `counts` say
    how many of them stand where: one event for each time these change (`poller` null: no poller has the objects). In a snapshot
    `action` is `is`: a state, downtime, comment, acknowledgement that stands, an object that is flapping, a poller. `source` tells
    whether the core's log or its status file said so; `state` is that of the host or service then, before its first check null, in
    events of type `state` what the core has there, named PENDING; `at` is the core's time, of a command ours.
    """

    type: str
    action: str
    at: str | None
    poller: str | None
    host: str | None
    service: str | None
    state: int | None
    state_name: str | None


class ServerSentEvents(msgspec.Struct, frozen=True):
    """Words as server-sent events: `id`, `event`, and as JSON in `data` what `event` describes."""

    def event(self, event: Event, pollers: Mapping[int, str], at: str) -> bytes:
        """One event."""
        said: dict[str, Any] = {
            "type": event.kind,
            "action": event.action,
            "at": rfc3339_or_none(event.at),
            "poller": pollers.get(event.poller, str(event.poller) if event.poller else None),
            "host": event.host or None,
            "service": event.service,
            "state": None,
            "state_name": None,
        }
        said |= _readable(event)
        return _framed(event.kind, said, at)

    def beat(self, at: str) -> bytes:
        """A comment; a lone id is remembered by clients and shown to nobody."""
        return b": \nid: %b\n\n" % at.encode()

    def sign(self, name: str, why: str, at: str) -> bytes:
        """A sign about the stream."""
        head = b"retry: %d\n" % _RETRY_MS if name in ("begins", "snapshot_begins") else b""
        return head + _framed(name, {"why": why, "what_to_do": _WHAT_TO_DO.get(name, "")}, at)


WORDING = ServerSentEvents()


def _framed(name: str, data: Mapping[str, object], at: str) -> bytes:
    """JSON holds no line break, so one line of data is enough."""
    return b"%bevent: %b\ndata: %b\n\n" % (b"id: %b\n" % at.encode() if at else b"", name.encode(), encode_json(data))


def _readable(event: Event) -> dict[str, Any]:
    """What is said of the event in the words of the API."""
    said: dict[str, Any] = dict(event.said)
    named = service_state_name if event.service is not None else host_state_name
    checked = int(bool(said.pop("checked", True)))
    if event.state is not None:
        said |= {"state": event.state, "state_name": named(event.state, checked)}
    if "state_type" in said:
        said["state_type"] = state_type_name(said["state_type"])
    if "previous_state" in said:
        said["previous_state_name"] = named(said["previous_state"], int(said.pop("previously_checked")))
        said["previous_state_type"] = state_type_name(said["previous_state_type"])
    for name in _TIMES:
        if name in said:
            said[name] = rfc3339_or_none(said[name])
    return said


async def stream_events(call: Call, query: EventsQuery) -> Stream:
    """Events until the client goes."""
    refuse_service_alone(query.host, query.service)
    which = Which(
        kinds=_words("type", query.type, {str(kind): str(kind) for kind in Kind}),
        poller=await call.poller(query.poller),
        hostgroup=query.hostgroup or None,
        host=query.host or None,
        service=query.service or None,
        states=_words("state", query.state, _STATES),
    )
    after = call.last_event_id or query.last_event_id or None
    rest = call.desk.subscribe(call.caller, which, WORDING, after=after, snapshot=bool(query.snapshot))
    return Stream(await anext(rest), rest, lambda why: WORDING.sign("end", why, ""))


def _words(field: str, text: str, known: Mapping[str, Any]) -> frozenset[Any] | None:
    """Words with commas between as values. Raises InvalidField for one there is not."""
    if not text:
        return None
    words = [word.strip() for word in text.split(",")]
    unknown = [word for word in words if word not in known]
    if unknown:
        raise InvalidField(f"{field} has no word {unknown[0]!r}: {', '.join(known)}.", field=field)
    return frozenset(known[word] for word in words)


OPERATIONS = (
    Operation(
        "GET", "/v1/events", "Events as they happen, as server-sent events", stream_events, {200: EventData}, query=EventsQuery,
        problems=(404,), media_type=MEDIA_TYPE,
    ),
)  # fmt: skip
