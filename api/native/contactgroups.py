"""Contactgroups and their contacts."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from api.native.grouped import groups_answer, read_group
from api.native.lists import ListQuery
from api.native.operation import Answer, Call, Operation
from api.native.pollers import View
from api.native.requests import ViewPaging
from engine.state.fields import Table
from engine.state.sources import CONTACTGROUP_ROWS
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


class ContactgroupsQuery(ListQuery, frozen=True, kw_only=True):
    """Which contactgroups."""

    tables: ClassVar[tuple[Table, ...]] = (CONTACTGROUP_ROWS.table,)


async def list_contactgroups(call: Call, query: ContactgroupsQuery) -> Answer:
    """One page of contactgroups, or all."""
    return await groups_answer(call, query, "contactgroup", ContactgroupRow.__struct_fields__)


async def show_contactgroup(call: Call, query: ViewPaging) -> Answer:
    """One contactgroup."""

    def work(reader: Reader) -> Contactgroup:
        group, page, views = read_group(reader, call, "contactgroup", call.names["contactgroup"], query)
        members = [ContactgroupMember(member.poller_name, member.host) for member in page]
        return Contactgroup(group.name, group.alias, group.member_count, query.limit, query.offset, views, members)

    return Answer(await call.desk.read(work))


OPERATIONS = (
    Operation(
        "GET", "/v1/contactgroups", "Contactgroups", list_contactgroups, {200: Contactgroups},
        query=ContactgroupsQuery, problems=(404,), lines=True, tagged=True,
    ),
    Operation(
        "GET", "/v1/contactgroups/{contactgroup}", "One contactgroup and its contacts", show_contactgroup, {200: Contactgroup},
        query=ViewPaging, problems=(404,),
    ),
)  # fmt: skip
