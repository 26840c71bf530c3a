"""The stream of events, read: places in it, and pages of it as each audience gets them. All of it runs in reading threads.

What a contact of a core sees is looked up for each page, object by object, as it is *now*, and of an object that is no longer
configured as it was at the end; what a hostgroup shows is told by the groups an object was in when it happened.

A call's commands are told of once all of it is stored, as it may be refused until then: what came after the first of them waits for
that, for some seconds at most (whoever stores it may hang). Of a call that was withdrawn nothing is told.
"""

from __future__ import annotations

import heapq
import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import msgspec
import orjson
from msgspec.structs import replace

from engine.desk.audience import Audience, Sight, Wording
from engine.desk.values import Caller
from engine.errors import InvalidField
from engine.journal.accounts import grants_of
from engine.journal.moves import STEPS_GONE
from engine.journal.operations import STORED_WITHIN_S, Storing
from engine.state.events import Event, bounds, events_after
from engine.state.former import saw
from engine.state.rights import ContactRights
from engine.state.scope import Scope
from engine.state.views import Reader

PAGE = 500  # events of each kind; some 150 KB
WAITED_FOR_S = STORED_WITHIN_S + 60.0  # whatever the call's own clock says; a dead desk's is withdrawn by the next
_CURSOR = re.compile(r"([0-9a-f]{4,40})-([0-9a-f]{1,15})-([0-9a-f]{1,15})", re.ASCII)


class Cursor(msgspec.Struct, frozen=True):
    """A place in the stream: everything up to it was given out."""

    incarnation: str
    state: int
    journal: int

    def dump(self) -> str:
        return f"{self.incarnation}-{self.state:x}-{self.journal:x}"

    @classmethod
    def load(cls, text: str) -> Cursor:
        """Raises InvalidField for what was never given out as an event's id."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise InvalidField("last_event_id must be the id of an event, as it was given out.", field="last_event_id")
        return cls(found[1], int(found[2], 16), int(found[3], 16))


_LARGEST = 2**63 - 1
NOWHERE = Cursor("", 0, 0)


RightsOf = Callable[[str], "ContactRights | None"]


def lessened(reader: Reader, callers: Collection[Caller], rights_of: RightsOf, now: float) -> frozenset[Caller]:
    """Those of them to whom their tokens, or the core's own configuration, show something else now than when they came."""
    tokens = grants_of(reader.connection, {caller.token for caller in callers if caller.token}, now)
    rights = {user: rights_of(user) for user in {caller.user for caller in callers}}

    def is_as_it_was(caller: Caller) -> bool:
        if caller.until is not None and now >= caller.until:
            return False  # who came by a password shows it again now and then
        scope = caller.scope if caller.scope.rights is None else replace(caller.scope, rights=None)
        return (not caller.token or tokens.get(caller.token) == (caller.user, scope)) and rights[caller.user] == caller.rights

    return frozenset(caller for caller in callers if not is_as_it_was(caller))


@dataclass(slots=True)
class Page:
    """What came after a cursor, worded. `lost`: why it cannot be gone on from there, "" when it can.

    `lessened`: who of those it was read for gets nothing of it.
    """

    start: Cursor
    end: Cursor
    events: list[tuple[Event, str]]
    lessened: frozenset[Caller]
    pollers: Mapping[int, str] = field(default_factory=dict)
    lost: str = ""
    is_full: bool = False
    _said: dict[tuple[Wording, int], bytes] = field(default_factory=dict)
    _blobs: dict[Audience, bytes] = field(default_factory=dict)
    _sights: dict[Scope, Sight] = field(default_factory=dict)

    def word(self, reader: Reader, audiences: Iterable[Audience]) -> None:
        """Filter and word it for these audiences, once for each."""
        for audience in set(audiences) - self._blobs.keys():
            sight = self._sight_of(reader, audience.scope)
            chosen = [index for index, (event, _) in enumerate(self.events) if audience.sees(event, sight)]
            self._blobs[audience] = b"".join(self._worded(audience.wording, index) for index in chosen)

    def blob(self, audience: Audience) -> bytes:
        """The page as that audience gets it, for whom it was worded."""
        return self._blobs[audience]

    def is_for(self, caller: Caller) -> bool:
        """Whether he may have it."""
        return not self.lessened or caller not in self.lessened

    def _sight_of(self, reader: Reader, scope: Scope) -> Sight | None:
        if scope.rights is None:
            return None
        if scope not in self._sights:
            objects = {(event.poller, event.host, event.service or "") for event, _ in self.events if event.host}
            self._sights[scope] = _seen(reader.connection, scope.rights, list(objects))
        return self._sights[scope]

    def _worded(self, wording: Wording, index: int) -> bytes:
        said = self._said.get((wording, index))
        if said is None:
            event, at = self.events[index]
            said = self._said[wording, index] = wording.event(event, self.pollers, at)
        return said


def _seen(connection: sqlite3.Connection, rights: ContactRights, objects: Sequence[tuple[int, str, str]]) -> Sight:
    """Those of these objects that a contact sees now, as the lists show them, or saw to their end."""
    if not objects:
        return frozenset()
    where, values = replace(rights, of_few=True).sees("k.poller", "k.host", "k.service")
    rows = ",".join(["(?,?,?)"] * len(objects))
    either = f"({where}) OR {saw('k.poller', 'k.host', 'k.service')}"
    query = f"WITH k(poller, host, service) AS (VALUES {rows}) SELECT poller, host, service FROM k WHERE {either}"
    return frozenset(connection.execute(query, [*chain.from_iterable(objects), *values, rights.contact]).fetchall())


def head_of(reader: Reader, now: float) -> Cursor:
    """The newest place there is."""
    incarnation, _, newest = bounds(reader.connection)
    return Cursor(incarnation, newest, min(_steps(reader.connection)[1], _told_of(reader.connection, now)))


def _told_of(connection: sqlite3.Connection, now: float) -> int:
    """The number of the last step before those of calls that are being stored. The first condition is the index's."""
    first = "SELECT c.id FROM journal.command c WHERE c.operation = o.id ORDER BY c.seq LIMIT 1"
    (step,) = connection.execute(
        f"SELECT min((SELECT min(s.seq) FROM journal.step s WHERE s.command_id = ({first}))) FROM journal.operation o"
        f" WHERE o.state IN ('incomplete', 'withdrawing') AND o.state = '{Storing.INCOMPLETE}' AND o.at > ?",
        (now - WAITED_FOR_S,),
    ).fetchone()
    return int(step) - 1 if step is not None else _LARGEST


def read_page(
    reader: Reader, after: Cursor, upto: Cursor | None, audiences: Iterable[Audience], lessened: frozenset[Caller], now: float
) -> Page:
    """The next events after a cursor, worded for these audiences."""
    connection = reader.connection
    lost = lost_at(connection, after)
    if lost:
        return Page(after, head_of(reader, now), [], lessened, lost=lost)
    upto = upto or head_of(reader, now)
    states = events_after(connection, after.state, upto.state, PAGE)
    steps = _steps_after(connection, after.journal, upto.journal, PAGE)
    events: list[tuple[Event, str]] = []
    end = after
    for event, is_step in heapq.merge(
        ((one, False) for one in states), ((one, True) for one in steps), key=lambda pair: pair[0].at
    ):
        end = Cursor(end.incarnation, *((end.state, event.seq) if is_step else (event.seq, end.journal)))
        events.append((event, end.dump()))
    end = Cursor(
        end.incarnation,
        end.state if len(states) == PAGE else max(after.state, upto.state),
        end.journal if len(steps) == PAGE else max(after.journal, upto.journal),
    )
    pollers = dict(connection.execute("SELECT number, name FROM state.poller").fetchall())
    page = Page(after, end, events, lessened, pollers, is_full=PAGE in (len(states), len(steps)))
    page.word(reader, audiences)
    return page


def lost_at(connection: sqlite3.Connection, cursor: Cursor | None) -> str:
    """Why it cannot be gone on from there; "" when it can."""
    if cursor is None:
        return ""
    incarnation, oldest, newest = bounds(connection)
    first, last = _steps(connection)
    if incarnation != cursor.incarnation:
        return "the view of the cores was made anew"
    if cursor.state > newest or cursor.journal > last:
        return "the databases are older than the stream you have read"
    if cursor.state < oldest or cursor.journal < first:
        return "too much has happened since: the events in between are not kept any more"
    return ""


def _steps(connection: sqlite3.Connection) -> tuple[int, int]:
    """(the number after which every step is there, the newest step's number)."""
    newest = connection.execute("SELECT seq FROM journal.sqlite_sequence WHERE name = 'step'").fetchone()
    gone = connection.execute("SELECT value FROM journal.meta WHERE key = ?", (STEPS_GONE,)).fetchone()
    return (int(gone[0]) if gone else 0, int(newest[0]) if newest else 0)


def _steps_after(connection: sqlite3.Connection, after: int, upto: int, limit: int) -> list[Event]:
    """Steps of commands, and of calls of passive results, which are about no single object."""
    rows = connection.execute(
        "SELECT s.seq, s.state, s.at, s.evidence, s.late, c.id, c.name, c.poller, c.host, c.service, c.user, c.entry_id,"
        " r.id, r.operation, r.poller, r.user, r.total FROM journal.step s LEFT JOIN journal.command c ON c.id = s.command_id"
        " LEFT JOIN journal.result_call r ON c.id IS NULL AND r.id = s.command_id WHERE s.seq > ? AND s.seq <= ?"
        " AND (c.id IS NOT NULL OR r.id IS NOT NULL) AND NOT EXISTS (SELECT 1 FROM journal.operation o WHERE o.id = c.operation"
        f" AND o.state <> '{Storing.COMPLETE}') ORDER BY s.seq LIMIT ?",
        (after, upto, limit),
    ).fetchall()
    groups: dict[tuple[int, str], tuple[str, ...]] = {}
    events = []
    for seq, state, at, evidence, late, command_id, name, poller, host, service, user, entry_id, *of_call in rows:
        if command_id is None:
            events.append(_of_call(seq, state, at, evidence, *of_call))
            continue
        if host and (poller, host) not in groups:
            groups[poller, host] = _groups_of(connection, poller, host)
        said = {"id": command_id, "command": name, "evidence": evidence, "late": bool(late), "entry_id": entry_id, "user": user}
        hostgroups = groups.get((poller, host), ())
        events.append(Event(seq, "command", state, poller, host, service or None, hostgroups, None, at, said, user))
    return events


def _of_call(seq: int, state: str, at: float, counts: str, id: str, operation: str, poller: int, user: str, total: int) -> Event:
    said = {"id": id, "command": "results", "operation": operation, "total": total, "counts": orjson.loads(counts), "user": user}
    return Event(seq, "command", state, poller, "", None, (), None, at, said, user)


def _groups_of(connection: sqlite3.Connection, poller: int, host: str) -> tuple[str, ...]:
    query = "SELECT name FROM state.group_member WHERE poller = ? AND kind = 'hostgroup' AND host_name = ?"
    return tuple(name for (name,) in connection.execute(query, (poller, host)))
