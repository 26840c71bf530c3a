"""Hostgroups: with totals of their hosts and services, and their members."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from api.native.grouped import Group, Groups, groups_answer, read_whole_group
from api.native.lists import ListQuery
from api.native.operation import Answer, Call, Operation
from api.native.pollers import View
from api.native.requests import ViewPaging
from engine.state.fields import Table
from engine.state.sources import HOSTGROUP_ROWS
from engine.state.views import Reader


class HostgroupMember(msgspec.Struct, frozen=True):
    """A host of the group."""

    poller: str
    host: str


class Hostgroup(msgspec.Struct, frozen=True):
    """One hostgroup and one page of its hosts, by poller and name; `total` counts the hosts within your scope."""

    group: Group
    total: int
    limit: int
    offset: int
    views: list[View]
    members: list[HostgroupMember]


class HostgroupsQuery(ListQuery, frozen=True, kw_only=True):
    """Which hostgroups; what is asked of hosts or services holds of one that stands in the group."""

    tables: ClassVar[tuple[Table, ...]] = (HOSTGROUP_ROWS.table,)


async def list_hostgroups(call: Call, query: HostgroupsQuery) -> Answer:
    """One page of hostgroups, or all."""
    return await groups_answer(call, query, "hostgroup", Group.__struct_fields__)


async def show_hostgroup(call: Call, query: ViewPaging) -> Answer:
    """One hostgroup."""

    def work(reader: Reader) -> Hostgroup:
        group, page, views = read_whole_group(reader, call, "hostgroup", call.names["hostgroup"], query)
        members = [HostgroupMember(member.poller_name, member.host) for member in page]
        return Hostgroup(group, group.member_count, query.limit, query.offset, views, members)

    return Answer(await call.desk.read(work))


OPERATIONS = (
    Operation(
        "GET", "/v1/hostgroups", "Hostgroups and their totals", list_hostgroups, {200: Groups},
        query=HostgroupsQuery, problems=(404,), lines=True, tagged=True,
    ),
    Operation(
        "GET", "/v1/hostgroups/{hostgroup}", "One hostgroup and its hosts", show_hostgroup, {200: Hostgroup},
        query=ViewPaging, problems=(404,),
    ),
)  # fmt: skip
