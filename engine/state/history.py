"""Reads of history.db: what happened to hosts and services, newest first, page by page.

Rules: an entry is seen by whoever may see its object *now*: groups are those of the present configuration, and what became of a
host before it joined yours is yours to read. Entries about no object (the program's starts and stops, commands for a whole core)
are seen with the poller; such commands only by callers who are not limited to hostgroups. To whom a CGI configuration gives rights,
these are shown only with its right to system information, as by the original's showlog.cgi. A page ends at a place, not at a
count: new lines do not move what comes after it.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from engine.formats.logentry import EntryType
from engine.state.rights import ContactRights, Right
from engine.state.scope import Condition, Scope, all_of
from engine.state.views import Reader

_FEW_OBJECTS = 300  # so many are looked up one by one; with more, the entries are walked by time

Place = tuple[int, int]  # time and number of an entry


class HistoryFilter(msgspec.Struct, frozen=True):
    """Which entries. `since` belongs to what is asked for, `until` does not; seconds. `service` "" is the host itself."""

    poller: int | None = None
    host: str | None = None
    service: str | None = None
    hostgroup: str | None = None
    types: tuple[EntryType, ...] = ()
    states: tuple[tuple[bool, int], ...] = ()  # (of a service, number)
    hard: bool | None = None
    contact: str | None = None
    since: float | None = None
    until: float | None = None


class HistoryView(NamedTuple):
    """One entry as people see it; see LogEntry. `service` "" for a host, `host` "" for a whole core."""

    seq: int
    at: int
    type: EntryType
    poller: int
    poller_name: str
    host: str
    service: str
    state: int | None
    state_type: int | None
    attempt: int | None
    word: str
    contact: str
    command: str
    text: str


class IndexView(NamedTuple):
    """How far one poller's logs were read; bytes as they lie on the disk. `oldest` and `newest` entry None: there is none."""

    poller: int
    poller_name: str
    known_bytes: int
    read_bytes: int
    looked_at: float
    oldest: int | None
    newest: int | None


_COLUMNS = (
    "e.seq, e.at, e.type, o.poller, p.name, o.host, o.service, e.state, e.state_type, e.attempt, e.word, e.contact, e.command,"
    " e.text"
)


def history(
    reader: Reader,
    scope: Scope,
    which: HistoryFilter,
    limit: int,
    before: Place | None = None,
    rights: ContactRights | None = None,
) -> tuple[tuple[HistoryView, ...], Place | None]:
    """One page, newest first, and where the next begins: None after the last."""
    if not reader.attach_history():
        return (), None
    conditions = [*_object_conditions(reader, scope, which), *_entry_conditions(which, before)]
    if rights is not None:
        given, names = rights.has(Right.SYSTEM_INFORMATION, "o.poller")
        conditions.append((f"(o.host <> '' OR ({given}))", names))
    where, values = all_of(conditions)
    found = reader.connection.execute(
        f"SELECT {_COLUMNS} FROM history.entry e JOIN history.object o ON o.id = e.object"
        f" JOIN state.poller p ON p.number = o.poller WHERE {where} ORDER BY e.at DESC, e.seq DESC LIMIT ?",
        [*values, limit + 1],
    )
    rows = [HistoryView._make((*row[:2], EntryType(row[2]), *row[3:])) for row in found]
    page = rows[:limit]
    return tuple(page), (page[-1].at, page[-1].seq) if len(rows) > limit else None


def _object_conditions(reader: Reader, scope: Scope, which: HistoryFilter) -> list[Condition]:
    """Which objects' entries. Few objects are listed, so that SQLite walks each one's entries; many are only looked up."""
    pollers = [poller.number for poller in reader.pollers(scope) if which.poller in (None, poller.number)]
    own: list[Condition] = [(f"o.poller IN ({','.join('?' * len(pollers))})", pollers)]
    if which.host is not None:
        own.append(("o.host = ?", [which.host]))
    if which.service is not None:
        own.append(("o.service = ?", [which.service]))
    if which.hostgroup is not None:
        own.append(Scope(hostgroups=frozenset({which.hostgroup})).sql("o.poller", "o.host"))
    if scope.is_limited:
        where, values = scope.sql("o.poller", "o.host", "o.service")
        own.append((f"(o.host = '' OR ({where}))", values))
    where, values = all_of(own)
    if which.host is None and which.hostgroup is None and not scope.is_limited:
        conditions: list[Condition] = [(where, values)]
    else:
        query = f"SELECT o.id FROM history.object o WHERE {where}"
        few = reader.connection.execute(f"{query} LIMIT ?", [*values, _FEW_OBJECTS + 1]).fetchall()
        conditions = [
            (f"e.object IN ({','.join('?' * len(few))})", [id for (id,) in few])
            if len(few) <= _FEW_OBJECTS
            else (f"+e.object IN ({query})", values)
        ]
    if scope.is_limited:
        conditions.append(("(o.host <> '' OR e.type <> ?)", [int(EntryType.EXTERNAL_COMMAND)]))
    return conditions


def _entry_conditions(which: HistoryFilter, before: Place | None) -> list[Condition]:
    conditions: list[Condition] = []
    if len(which.types) == 1:
        conditions.append(("e.type = ?", [int(which.types[0])]))
    elif which.types:
        conditions.append((f"+e.type IN ({','.join('?' * len(which.types))})", list(map(int, which.types))))
    if which.states:
        either = " OR ".join(["((o.service <> '') = ? AND e.state = ?)"] * len(which.states))
        conditions.append((f"({either})", [value for pair in which.states for value in map(int, pair)]))
    if which.hard is not None:
        conditions.append(("e.state_type = ?", [int(which.hard)]))
    if which.contact is not None:
        conditions.append(("e.contact = ?", [which.contact]))
    if which.since is not None:
        conditions.append(("e.at >= ?", [which.since]))
    if which.until is not None:
        conditions.append(("e.at < ?", [which.until]))
    if before is not None:
        conditions.append(("e.at <= ? AND (e.at, e.seq) < (?, ?)", [before[0], *before]))
    return conditions


def indexes(reader: Reader, scope: Scope, poller: int | None = None) -> tuple[IndexView, ...]:
    """How far the logs of each poller within scope were read."""
    if not reader.attach_history():
        return ()
    query = "SELECT known_bytes, read_bytes, looked_at, oldest, newest FROM history.source WHERE poller = ?"
    found = []
    for view in reader.pollers(scope):
        row = reader.connection.execute(query, (view.number,)).fetchone()
        if row is not None and poller in (None, view.number):
            found.append(IndexView(view.number, view.name, *row))
    return tuple(found)
