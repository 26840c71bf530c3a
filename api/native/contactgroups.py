"""Contactgroups and their contacts."""

from __future__ import annotations

import msgspec

from api.native.grouped import poller_names, read_group
from api.native.operation import Answer, Call, Operation, poller_number
from api.native.pollers import View, fresh_views
from api.native.requests import ViewPaging
from engine.state.groups import groups
from engine.state.views import Reader


class ContactgroupRow(msgspec.Struct, frozen=True):
    """One contactgroup in a list."""

    name: str
    alias: str
    pollers: list[str]
    member_count: int


class Contactgroups(msgspec.Struct, frozen=True):
    """One page of contactgroups, by name."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[ContactgroupRow]


class ContactgroupMember(msgspec.Struct, frozen=True):
    """A contact of the group."""

    poller: str
    contact: str


class Contactgroup(msgspec.Struct, frozen=True):
    """One contactgroup and one page of its contacts, by poller and name."""

    name: str
    alias: str
    total: int
    limit: int
    offset: int
    views: list[View]
    members: list[ContactgroupMember]


async def list_contactgroups(call: Call, query: ViewPaging) -> Answer:
    """One page of contactgroups."""
    return Answer(await call.desk.read(lambda reader: read_contactgroups(reader, call, query)))


def read_contactgroups(reader: Reader, call: Call, query: ViewPaging) -> Contactgroups:
    """The page."""
    poller = poller_number(reader, call.caller, query.poller)
    found, total = groups(reader, call.caller.scope, "contactgroup", poller=poller, limit=query.limit, offset=query.offset)
    fresh = fresh_views(reader, call, query, poller)
    items = [ContactgroupRow(group.name, group.alias, poller_names(group, fresh), group.member_count) for group in found]
    return Contactgroups(total, query.limit, query.offset, list(fresh.values()), items)


async def show_contactgroup(call: Call, query: ViewPaging) -> Answer:
    """One contactgroup."""

    def work(reader: Reader) -> Contactgroup:
        group, page, views = read_group(reader, call, "contactgroup", call.names["contactgroup"], query)
        members = [ContactgroupMember(member.poller_name, member.host) for member in page]
        return Contactgroup(group.name, group.alias, group.member_count, query.limit, query.offset, views, members)

    return Answer(await call.desk.read(work))


OPERATIONS = (
    Operation(
        "GET", "/v1/contactgroups", "Contactgroups", list_contactgroups, {200: Contactgroups}, query=ViewPaging, problems=(404,)
    ),
    Operation(
        "GET", "/v1/contactgroups/{contactgroup}", "One contactgroup and its contacts", show_contactgroup, {200: Contactgroup},
        query=ViewPaging, problems=(404,),
    ),
)  # fmt: skip
