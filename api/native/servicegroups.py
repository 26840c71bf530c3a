"""Servicegroups: with totals of their services and those services' hosts, and their members."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from api.native.grouped import Group, Groups, groups_answer, read_whole_group
from api.native.lists import ListQuery
from api.native.operation import Answer, Call, Operation
from api.native.pollers import View
from api.native.requests import ViewPaging
from engine.state.fields import Table
from engine.state.sources import SERVICEGROUP_ROWS
from engine.state.views import Reader


class ServicegroupMember(msgspec.Struct, frozen=True):
    """A service of the group."""

    poller: str
    host: str
    service: str


class Servicegroup(msgspec.Struct, frozen=True):
    """One servicegroup and one page of its services, by poller, host and name; `total` counts those within your scope."""

    group: Group
    total: int
    limit: int
    offset: int
    views: list[View]
    members: list[ServicegroupMember]


class ServicegroupsQuery(ListQuery, frozen=True, kw_only=True):
    """Which servicegroups; what is asked of hosts or services holds of one that stands in the group."""

    tables: ClassVar[tuple[Table, ...]] = (SERVICEGROUP_ROWS.table,)


async def list_servicegroups(call: Call, query: ServicegroupsQuery) -> Answer:
    """One page of servicegroups, or all."""
    return await groups_answer(call, query, "servicegroup", Group.__struct_fields__)


async def show_servicegroup(call: Call, query: ViewPaging) -> Answer:
    """One servicegroup."""

    def work(reader: Reader) -> Servicegroup:
        group, page, views = read_whole_group(reader, call, "servicegroup", call.names["servicegroup"], query)
        members = [ServicegroupMember(member.poller_name, member.host, member.service or "") for member in page]
        return Servicegroup(group, group.member_count, query.limit, query.offset, views, members)

    return Answer(await call.desk.read(work))


OPERATIONS = (
    Operation(
        "GET", "/v1/servicegroups", "Servicegroups and their totals", list_servicegroups, {200: Groups},
        query=ServicegroupsQuery, problems=(404,), lines=True, tagged=True,
    ),
    Operation(
        "GET", "/v1/servicegroups/{servicegroup}", "One servicegroup and its services", show_servicegroup, {200: Servicegroup},
        query=ViewPaging, problems=(404,),
    ),
)  # fmt: skip
