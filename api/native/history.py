"""History: what happened, out of the cores' logs, current and archived, newest first."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from api.native.lists import LONGEST_PAGE_S
from api.native.operation import Answer, Call, Operation, poller_number
from api.native.requests import MOST_ROWS, PollerQuery, Time, doc, refuse_service_alone
from api.native.state import host_state_name, service_state_name, state_type_name
from api.native.times import parse_time
from api.render import rfc3339, rfc3339_or_none
from engine.errors import InvalidField
from engine.formats.logentry import EntryType
from engine.model import HostState, ServiceState
from engine.state.history import HistoryFilter, HistoryView, IndexView, Place, history, indexes
from engine.state.views import Reader

_BEFORE = re.compile(r"(\d{1,12})\.(\d{1,19})", re.ASCII)
_STATES = {state.name: (False, int(state)) for state in HostState} | {state.name: (True, int(state)) for state in ServiceState}
TYPES = {type.name.lower(): type for type in EntryType}


class HistoryEntry(msgspec.Struct, frozen=True):
    """One line of a core's log. null: the line does not say, or is about no object.

    `word`: of downtimes and flapping STARTED, STOPPED, CANCELLED, DISABLED; of notifications PROBLEM, RECOVERY, ACKNOWLEDGEMENT,
    CUSTOM, SUPPRESSED …; of `program` START, RESTART, STOP. `text` is the plugin's output or the core's sentence; of a
    notification it may end with `;author;comment`; of an external command it holds the arguments. `current_state` and
    `initial_state` are snapshots a core writes when it rotates its log or starts: nothing happened then.
    """

    at: str
    type: str
    poller: str
    host: str | None
    service: str | None
    state: int | None
    state_name: str | None
    state_type: str | None
    attempt: int | None
    word: str | None
    contact: str | None
    command: str | None
    text: str


class LogIndex(msgspec.Struct, frozen=True):
    """How far one poller's logs were read: `whole` when nothing is left. Nothing older than `oldest` can be found here."""

    poller: str
    whole: bool
    known_bytes: int
    read_bytes: int
    oldest: str | None
    newest: str | None
    looked_at: str | None


class History(msgspec.Struct, frozen=True):
    """One page. `next`, if not null, is the `before` of the page behind it."""

    limit: int
    next: str | None
    indexes: list[LogIndex]
    items: list[HistoryEntry]


class HistoryQuery(PollerQuery, frozen=True, kw_only=True):
    """Which entries."""

    host: Annotated[str, doc("of this host and its services; it need not exist any more", min_length=1)] = ""
    service: Annotated[str, doc("of this service; needs `host`", min_length=1)] = ""
    hostgroup: Annotated[str, doc("of the hosts that are in this hostgroup now, and their services", min_length=1)] = ""
    type: Annotated[str, doc(f"one or several, joined by commas: {', '.join(TYPES)}", min_length=1)] = ""
    state: Annotated[str, doc(f"one or several, joined by commas: {', '.join(_STATES)}", min_length=1)] = ""
    state_type: Annotated[str, doc("SOFT or HARD", pattern="^(SOFT|HARD)$")] = ""
    contact: Annotated[str, doc("notifications to this contact", min_length=1)] = ""
    since: Time | None = None
    until: Time | None = None
    before: Annotated[str, doc("`next` of the page in front", min_length=1)] = ""
    limit: Annotated[int, doc("entries per answer", ge=1, le=MOST_ROWS)] = 100


async def list_history(call: Call, query: HistoryQuery) -> Answer:
    """One page of the history."""
    refuse_service_alone(query.host, query.service)

    def work(reader: Reader) -> History:
        with reader.limited(LONGEST_PAGE_S):
            return read_history(reader, call, query)

    return Answer(await call.desk.read(work))


def read_history(reader: Reader, call: Call, query: HistoryQuery) -> History:
    """The page. Raises InvalidField, UnknownPoller."""
    poller = poller_number(reader, call.caller, query.poller)
    now = call.clock.now()
    which = HistoryFilter(
        poller=poller,
        host=query.host or None,
        service=query.service or None,
        hostgroup=query.hostgroup or None,
        types=tuple(TYPES[word] for word in _words(query.type, "type", TYPES)),
        states=tuple(_STATES[word] for word in _words(query.state, "state", _STATES)),
        hard=query.state_type == "HARD" if query.state_type else None,
        contact=query.contact or None,
        since=None if query.since is None else parse_time(query.since, "since", now),
        until=None if query.until is None else parse_time(query.until, "until", now),
    )
    found, following = history(reader, call.caller.scope, which, query.limit, _place(query.before), call.caller.rights)
    progress = [_index(index) for index in indexes(reader, call.caller.scope, poller)]
    return History(query.limit, None if following is None else "{}.{}".format(*following), progress, list(map(entry_of, found)))


def _words(text: str, field: str, known: dict[str, object] | dict[str, EntryType] | dict[str, tuple[bool, int]]) -> list[str]:
    words = list(dict.fromkeys(text.split(","))) if text else []
    for word in words:
        if word not in known:
            raise InvalidField(f"{field}: there is no {word!r}: there are {', '.join(known)}.", field=field, known=list(known))
    return words


def _place(before: str) -> Place | None:
    if not before:
        return None
    found = _BEFORE.fullmatch(before)
    if found is None or int(found[2]) >= 2**63:
        raise InvalidField("before is no place: take `next` of the page in front, unchanged.", field="before")
    return int(found[1]), int(found[2])


def entry_of(view: HistoryView) -> HistoryEntry:
    """The entry as people see it."""
    name = None
    if view.state is not None:
        name = service_state_name(view.state, 1) if view.service else host_state_name(view.state, 1)
    return HistoryEntry(
        at=rfc3339(view.at),
        type=view.type.name.lower(),
        poller=view.poller_name,
        host=view.host or None,
        service=view.service or None,
        state=view.state,
        state_name=name,
        state_type=None if view.state_type is None else state_type_name(view.state_type),
        attempt=view.attempt,
        word=view.word or None,
        contact=view.contact or None,
        command=view.command or None,
        text=view.text,
    )


def _index(view: IndexView) -> LogIndex:
    return LogIndex(
        view.poller_name, view.looked_at > 0 and view.read_bytes >= view.known_bytes, view.known_bytes, view.read_bytes,
        rfc3339_or_none(view.oldest), rfc3339_or_none(view.newest), rfc3339_or_none(view.looked_at),
    )  # fmt: skip


OPERATIONS = (
    Operation(
        "GET", "/v1/history", "What happened, out of the cores' logs, newest first", list_history, {200: History},
        query=HistoryQuery, problems=(404,),
    ),
)  # fmt: skip
