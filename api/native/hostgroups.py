"""Hostgroups: with totals of their hosts and services, and their members."""

from __future__ import annotations

import msgspec

from api.native.grouped import Group, Groups, read_groups, read_whole_group
from api.native.operation import Answer, Call, Operation
from api.native.pollers import View
from api.native.requests import ViewPaging
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


async def list_hostgroups(call: Call, query: ViewPaging) -> Answer:
    """One page of hostgroups."""
    return Answer(await call.desk.read(lambda reader: read_groups(reader, call, "hostgroup", query)))


async def show_hostgroup(call: Call, query: ViewPaging) -> Answer:
    """One hostgroup."""

    def work(reader: Reader) -> Hostgroup:
        group, page, views = read_whole_group(reader, call, "hostgroup", call.names["hostgroup"], query)
        members = [HostgroupMember(member.poller_name, member.host) for member in page]
        return Hostgroup(group, group.member_count, query.limit, query.offset, views, members)

    return Answer(await call.desk.read(work))


OPERATIONS = (
    Operation(
        "GET", "/v1/hostgroups", "Hostgroups and their totals", list_hostgroups, {200: Groups}, query=ViewPaging, problems=(404,)
    ),
    Operation(
        "GET", "/v1/hostgroups/{hostgroup}", "One hostgroup and its hosts", show_hostgroup, {200: Hostgroup},
        query=ViewPaging, problems=(404,),
    ),
)  # fmt: skip
