"""What hostgroups, servicegroups and contactgroups have in common: a page of groups, and one group with a page of members.

A group of one name is one group, on however many pollers its members stand; `poller=` looks at one poller's part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from api.native.lists import Chosen, ListQuery, Section, list_answer, listing_of
from api.native.members import Member, looked_up, nested, shown
from api.native.operation import Answer, Call, poller_number
from api.native.pollers import View, fresh_views, views_of
from api.native.requests import ViewPaging
from engine.errors import StatusFileStale, UnknownObject
from engine.state.fields import Table, seen_by
from engine.state.groups import GroupView, Kind, MemberView, groups, members
from engine.state.sources import GROUP_ROWS
from engine.state.tactical import HostTotals, ServiceTotals, Totals, totals
from engine.state.views import Reader


class Group(msgspec.Struct, frozen=True):
    """One group. `hosts` and `services` count what stands in it, within your scope."""

    name: str
    alias: str
    notes: str
    notes_url: str
    action_url: str
    pollers: list[str]
    member_count: int
    hosts: HostTotals
    services: ServiceTotals


class Groups(msgspec.Struct, frozen=True):
    """One page of groups, by name."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Group]


async def groups_answer(call: Call, query: ListQuery, kind: Kind, names: Sequence[str]) -> Answer:
    """A list of groups; those of hosts and services with the totals of what stands in them, counted for so many groups at once."""
    source = GROUP_ROWS[kind]

    def choose(reader: Reader, poller: int | None) -> Chosen:
        listing = listing_of(call, query, source, poller)
        table = seen_by(call.caller.scope.on(poller), source.table)
        if kind == "contactgroup":
            return Chosen([Section(listing, _columns(table, names))], listing.count)
        beside = partial(_totals_beside, call, kind, poller)
        return Chosen([Section(listing, _columns(table, names), _LATE, beside)], listing.count)

    return await list_answer(call, query, choose, names, is_dear=not (query.search or query.plain or query.sort))


_LATE = frozenset({"hosts", "services"})


def _columns(table: Table, names: Sequence[str]) -> dict[str, Member]:
    fields = {name: field for name in names if (field := table.field(name)) is not None}
    pollers = nested(fields["pollers"].array("pw.number"))
    return {name: shown(field) for name, field in fields.items() if not field.links} | {"pollers": pollers}


def _totals_beside(call: Call, kind: Kind, poller: int | None, reader: Reader, rowids: Sequence[int]) -> dict[str, Member]:
    query = "SELECT g.rowid, g.name FROM json_each(?) k CROSS JOIN state.object_group g ON g.rowid = k.value"
    found = dict(reader.connection.execute(query, (str(list(rowids)),)))
    counted = _totals(reader, call, kind, poller, list(found.values()))
    none = HostTotals(), ServiceTotals()
    both = zip(*(counted.get(name, none) for name in found.values()), strict=True)
    return {
        name: looked_up("g.rowid", dict(zip(found, of, strict=True))) for name, of in zip(("hosts", "services"), both, strict=False)
    }


def read_group(
    reader: Reader, call: Call, kind: Kind, name: str, query: ViewPaging
) -> tuple[GroupView, list[MemberView], list[View]]:
    """One group and a page of its members. Raises UnknownObject, UnknownPoller."""
    poller = poller_number(reader, call.caller, query.poller)
    found, _ = groups(reader, call.caller.scope, kind, poller=poller, name=name)
    if not found:
        raise unknown(reader, call, kind, name)
    page = members(reader, call.caller.scope, kind, found[0], limit=query.limit, offset=query.offset)
    return found[0], list(page), list(fresh_views(reader, call, query, poller).values())


def read_whole_group(
    reader: Reader, call: Call, kind: Kind, name: str, query: ViewPaging
) -> tuple[Group, list[MemberView], list[View]]:
    """The same with its totals."""
    group, page, views = read_group(reader, call, kind, name, query)
    poller = poller_number(reader, call.caller, query.poller)
    counted = _totals(reader, call, kind, poller, (group.name,))
    return _group(group, views_of(reader, call), counted.get(name)), page, views


def poller_names(group: GroupView, fresh: dict[int, View]) -> list[str]:
    """The names of the pollers a group stands on."""
    return [fresh[number].poller for number in group.pollers if number in fresh]


def unknown(reader: Reader, call: Call, kind: str, name: str) -> UnknownObject | StatusFileStale:
    """There is none of that name; while a poller's files were never read, nobody can say so."""
    unseen = [poller.name for poller in reader.pollers(call.caller.scope) if not poller.generation]
    if unseen:
        message = f"No files of {', '.join(unseen)} have been read yet, so {name!r} may stand there: ask again in a moment."
        return StatusFileStale(message, name=name, pollers=unseen)
    return UnknownObject(f"There is no {kind} {name!r} within your scope; /v1/{kind}s lists them.", kind=kind, name=name)


def _totals(reader: Reader, call: Call, kind: Kind, poller: int | None, names: Sequence[str]) -> dict[str, Totals]:
    return {} if kind == "contactgroup" else totals(reader, call.caller.scope, kind, poller, names)


def _group(group: GroupView, fresh: dict[int, View], counted: Totals | None) -> Group:
    hosts, services = counted or (HostTotals(), ServiceTotals())
    return Group(
        group.name, group.alias, group.notes, group.notes_url, group.action_url, poller_names(group, fresh), group.member_count,
        hosts, services,
    )  # fmt: skip
