"""Which objects a call is for: by name, a group's members, or what a search finds; for deletions also by what an entry says.

Rules. Whatever is not named exactly is expanded here to single objects within the caller's scope, on every poller that has some,
so that each target has a command, a proof and a result of its own; the cores' group commands are for `POST /v1/commands`. Only
a host with its children stays one command, because cores tie the children's downtimes to the host's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from engine.commands.row import Members, Row, Subject
from engine.commands.wire import check_name
from engine.desk.entries import STORED_WHOLE
from engine.desk.resolve import Found, Glance, Resolver
from engine.desk.values import Target
from engine.errors import (
    Ambiguous,
    CallerError,
    Forbidden,
    InvalidField,
    StatusFileStale,
    TooManyTargets,
    UnknownHost,
    UnknownObject,
    UnknownPoller,
    UnknownService,
)
from engine.journal.history import EntryRow
from engine.model import ObjectKey
from engine.state.fields import seen_by
from engine.state.members import objects_of
from engine.state.search import TABLES, Condition, Kind
from engine.state.search import condition as searched

_NAMED = (UnknownHost, UnknownService, Ambiguous)
_ENTRY = ", ".join(f"e.{name}" for name in EntryRow._fields)


class On(StrEnum):
    """Of a group or a search: its hosts, its services, or both."""

    HOSTS = "hosts"
    SERVICES = "services"
    BOTH = "both"


class Selection(msgspec.Struct, frozen=True):
    """One way of naming objects. `filter` is a search (JSON), `plain` its field=value pairs; they go together.

    `poller` limits every way. `children`: a row of the catalogue that takes a host with everything below it.
    """

    targets: tuple[Target, ...] = ()
    hostgroup: str = ""
    servicegroup: str = ""
    filter: str = ""
    plain: tuple[tuple[str, str], ...] = ()
    on: On = On.BOTH
    poller: int | None = None
    with_services: bool = False
    children: Row | None = None

    @property
    def is_search(self) -> bool:
        """Finds what it finds, nothing included."""
        return bool(self.filter or self.plain)


class EntrySelection(msgspec.Struct, frozen=True):
    """Standing entries by all that is given here together. `objects` limits to what it finds, targets in it are exact.

    `with_services`: with each host's downtime those of its services that were set together with it.
    """

    kind: str
    objects: Selection = msgspec.field(default_factory=Selection)
    author: str = ""
    comment: str = ""
    reference: str = ""
    with_services: bool = False
    id: int | None = None


class Unfound(msgspec.Struct, frozen=True):
    """A name that leads to no single object, and why."""

    target: Target
    error: CallerError


@dataclass(slots=True)
class Selected:
    """What was found, in order."""

    found: list[Found] = field(default_factory=list)
    unfound: list[Unfound] = field(default_factory=list)


# --- objects ------------------------------------------------------------------------------------------------------------------


def select(resolver: Resolver, selection: Selection, now: float, limit: int) -> Selected:
    """The objects. Raises UnknownObject for a group that is not there, InvalidSearch, TooManyTargets, Forbidden, InvalidField."""
    if selection.targets:
        return _named(resolver, selection, limit)
    selected = Selected()
    wanted: list[tuple[Kind, Condition]] = []
    if selection.on is not On.SERVICES:
        wanted.append(("host", _condition(resolver, selection, "host", now)))
    if selection.on is not On.HOSTS:
        wanted.append(("service", _condition(resolver, selection, "service", now)))
    check_limit(sum(_count(resolver, kind, condition) for kind, condition in wanted), limit)
    for kind, condition in wanted:
        selected.found += _found(resolver, kind, condition)
    if not selected.found and not selection.is_search:
        raise _no_such_group(resolver, selection)
    return selected


def _named(resolver: Resolver, selection: Selection, limit: int) -> Selected:
    selected = Selected()
    for target in selection.targets:
        try:
            found = resolver.one(target, with_services=selection.with_services)
        except _NAMED as error:
            selected.unfound.append(Unfound(target, error))
            continue
        selected.found.append(_with_children(resolver, found, selection.children) if selection.children else found)
    check_limit(sum(max(1, len(found.members), 1 + len(found.services)) for found in selected.found), limit)
    return selected


def _with_children(resolver: Resolver, found: Found, row: Row) -> Found:
    assert row.on is Members.HOST_AND_CHILDREN
    members = objects_of(resolver.reader, found.key.poller, row, {"host": found.key.host})
    poller, hosts = found.key.poller, {key.host for key in members}
    if resolver.scope.is_limited and hosts - resolver.hosts_in_scope(poller, as_contact=True):  # plans and dry runs name them
        raise Forbidden(
            f"Below {found.key.host} stand hosts beyond your scope: name those you may command one by one.", right="scope"
        )
    return found._replace(members=members)


def check_limit(count: int, limit: int) -> None:
    """Raises TooManyTargets."""
    if count > limit:
        raise TooManyTargets(
            f"That is {count} targets, and {limit} is the most for you in one call: narrow it, do it in parts, or ask who runs this"
            " service to raise bulk_limit (or bulk_limit_by_role).",
            targets=count,
            limit=limit,
        )


def _condition(resolver: Resolver, selection: Selection, kind: Kind, now: float) -> Condition:
    """What of that kind is meant, within the caller's scope."""
    poller, host = ("h.poller", "h.name") if kind == "host" else ("s.poller", "s.host_name")
    parts: list[Condition] = [resolver.scope.sql(poller, host, None if kind == "host" else "s.description")]
    numbers = sorted(resolver.visible()) if selection.poller is None else [selection.poller]
    parts.append((f"{poller} IN ({','.join('?' * len(numbers))})", numbers))
    if selection.hostgroup:
        parts.append(_members(f"{poller}, {host}", "hostgroup", selection.hostgroup, "gm.poller, gm.host_name"))
    if selection.servicegroup:
        own = f"{poller}, {host}" if kind == "host" else "s.poller, s.host_name, s.description"
        other = "gm.poller, gm.host_name" + ("" if kind == "host" else ", gm.service_description")
        parts.append(_members(own, "servicegroup", selection.servicegroup, other))
    if selection.is_search:
        parts.append(searched(seen_by(resolver.scope, TABLES[kind]), selection.filter or None, selection.plain, now))
    return " AND ".join(f"({sql})" for sql, _ in parts), [value for _, values in parts for value in values]


def _members(own: str, kind: str, name: str, other: str) -> Condition:
    return f"({own}) IN (SELECT {other} FROM state.group_member gm WHERE gm.kind = ? AND gm.name = ?)", [kind, name]


def _count(resolver: Resolver, kind: Kind, condition: Condition) -> int:
    sql, values = condition
    query = f"SELECT count(*) FROM state.{kind} {kind[0]} WHERE {sql}"
    return int(resolver.reader.connection.execute(query, list(values)).fetchone()[0])


def _found(resolver: Resolver, kind: Kind, condition: Condition) -> list[Found]:
    sql, values = condition
    names = "h.name, NULL" if kind == "host" else "s.host_name, s.description"
    glance = ", ".join(f"{kind[0]}.{column}" for column in Glance._fields)
    query = f"SELECT {kind[0]}.poller, {names}, {glance} FROM state.{kind} {kind[0]} WHERE {sql} ORDER BY 2, 3, 1"
    pollers = {number: (poller, resolver.core(number)) for number, poller in resolver.pollers.items()}
    return [
        Found(ObjectKey(number, host, service), *pollers[number], Glance._make(seen))
        for number, host, service, *seen in resolver.reader.connection.execute(query, list(values))
    ]


def _no_such_group(resolver: Resolver, selection: Selection) -> UnknownObject | StatusFileStale:
    subject, name = (
        (Subject.HOSTGROUP, selection.hostgroup) if selection.hostgroup else (Subject.SERVICEGROUP, selection.servicegroup)
    )
    unseen = [view.name for view in resolver.visible().values() if not view.generation]
    if unseen:
        return StatusFileStale(
            f"Not every core's files have been read yet: ask again in a moment, {name} may stand there.", pollers=unseen
        )
    message = f"There is no {subject.value} {name!r} with such members within your scope; /v1/{subject.value}s lists them."
    return UnknownObject(message, kind=subject.value, name=name)


# --- entries --------------------------------------------------------------------------------------------------------------------


def select_entries(resolver: Resolver, selection: EntrySelection, now: float, limit: int) -> list[EntryRow]:
    """Standing entries by what they say, newest first. Raises InvalidField if nothing narrows them, TooManyTargets …

    What was set together with the one of `id` is found when that one itself stands no more, too.
    """
    standing = f"e.kind = ? AND (e.present = 1 OR e.id = ?) AND {STORED_WHOLE}"
    conditions: list[Condition] = [
        (standing, [selection.kind, selection.id]),
        resolver.scope.sql("e.poller", "e.host", "e.service"),
    ]
    meaning = _meaning(resolver, selection, now)
    if not meaning:
        raise InvalidField(
            "Say which: host, hostgroup, servicegroup, author, comment, reference, filter or poller; without any it would be all.",
            field="host",
        )
    rows = _entry_rows(resolver, [*conditions, *meaning])
    if selection.with_services:
        known = {row.id for row in rows}
        for row in [row for row in rows if not row.service]:
            together = [one for one in _set_together(resolver, row) if one.id not in known]
            known |= {one.id for one in together}
            rows += together
    rows = [row for row in rows if row.present]
    check_limit(len(rows), limit)
    return rows


def _meaning(resolver: Resolver, selection: EntrySelection, now: float) -> list[Condition]:
    objects = selection.objects
    found: list[Condition] = [] if selection.id is None else [("e.id = ?", [selection.id])]
    for column, value in (("author", selection.author), ("comment", selection.comment), ("reference", selection.reference)):
        if value:
            found.append((f"e.{column} = ?", [value]))
    for target in objects.targets:
        check_name(target.host, "host")
        found.append(("e.host = ? AND e.service = ?", [target.host, target.service or ""]))
    if objects.hostgroup or objects.servicegroup or objects.is_search:
        kinds: list[Condition] = []
        if objects.on is not On.SERVICES:
            sql, values = _condition(resolver, objects, "host", now)
            kinds.append(
                (f"e.service = '' AND (e.poller, e.host) IN (SELECT h.poller, h.name FROM state.host h WHERE {sql})", values)
            )
        if objects.on is not On.HOSTS:
            sql, values = _condition(resolver, objects, "service", now)
            of_service = "SELECT s.poller, s.host_name, s.description FROM state.service s"
            kinds.append((f"(e.poller, e.host, e.service) IN ({of_service} WHERE {sql})", values))
        found.append((" OR ".join(f"({sql})" for sql, _ in kinds), [value for _, values in kinds for value in values]))
    elif objects.on is not On.BOTH and found:
        found.append(("e.service = ''" if objects.on is On.HOSTS else "e.service <> ''", []))
    if objects.poller is not None:
        if resolver.core(objects.poller) is None:
            raise UnknownPoller(f"There is no poller {objects.poller}.", poller=objects.poller)
        found.append(("e.poller = ?", [objects.poller]))
    return found


def _entry_rows(resolver: Resolver, conditions: Sequence[Condition]) -> list[EntryRow]:
    sql = " AND ".join(f"({sql})" for sql, _ in conditions)
    values = [value for _, values in conditions for value in values]
    query = f"SELECT {_ENTRY} FROM journal.entry e WHERE {sql} ORDER BY e.id DESC"
    return [EntryRow(*row) for row in resolver.reader.connection.execute(query, values)]


def _set_together(resolver: Resolver, host: EntryRow) -> list[EntryRow]:
    """The downtimes of a host's services that equal its own in author, comment and window."""
    same = "e.author = ? AND e.comment = ? AND e.start_time = ? AND e.end_time = ? AND e.fixed = ?"
    own = "e.kind = 'downtime' AND e.present = 1 AND e.poller = ? AND e.host = ? AND e.service <> ''"
    values = [host.poller, host.host, host.author, host.comment, host.start_time, host.end_time, host.fixed]
    return _entry_rows(resolver, [(f"{own} AND {same}", values)])
