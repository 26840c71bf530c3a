"""Tactical totals: how many hosts and services are in which state, in all and per poller, hostgroup or servicegroup."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from api.native.forms import object_answer
from api.native.operation import Answer, Call, Operation, poller_number
from api.native.pollers import View, fresh_views
from api.native.requests import ViewPaging, doc
from engine.state.groups import groups
from engine.state.tactical import HostTotals, ServiceTotals, added, totals
from engine.state.views import Reader


class Part(msgspec.Struct, frozen=True):
    """The totals of one poller or group."""

    name: str
    hosts: HostTotals
    services: ServiceTotals


class Tactical(msgspec.Struct, frozen=True):
    """Totals over everything within your scope, and one page of parts by name; groups may overlap."""

    hosts: HostTotals
    services: ServiceTotals
    by: str
    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Part]


class TacticalQuery(ViewPaging, frozen=True, kw_only=True):
    """Which parts."""

    by: Annotated[Literal["poller", "hostgroup", "servicegroup"], doc("what the parts are")] = "poller"


async def show_tactical(call: Call, query: TacticalQuery) -> Answer:
    """The totals."""
    is_short = query.by == "poller" and call.caller.scope.hostgroups is None
    return await object_answer(call, lambda reader: read_tactical(reader, call, query), short=is_short)


def read_tactical(reader: Reader, call: Call, query: TacticalQuery) -> tuple[Tactical, dict[int, View]]:
    """The totals and the views they are of, all of one moment."""
    scope = call.caller.scope
    poller = poller_number(reader, call.caller, query.poller)
    fresh = fresh_views(reader, call, query, poller)
    by_poller = totals(reader, scope, "poller", poller)
    hosts, services = added([(HostTotals(), ServiceTotals()), *by_poller.values()])
    none = (HostTotals(), ServiceTotals())
    if query.by == "poller":
        parts = [Part(view.poller, *by_poller.get(str(number), none)) for number, view in fresh.items()]
        total = len(parts)
        parts = parts[query.offset : query.offset + query.limit]
    else:
        found, total = groups(reader, scope, query.by, poller=poller, limit=query.limit, offset=query.offset)
        counted = totals(reader, scope, query.by, poller, [group.name for group in found])
        parts = [Part(group.name, *counted.get(group.name, none)) for group in found]
    return Tactical(hosts, services, query.by, total, query.limit, query.offset, list(fresh.values()), parts), fresh


OPERATIONS = (
    Operation(
        "GET", "/v1/tactical", "Totals by state, handling and switched-off features", show_tactical, {200: Tactical},
        query=TacticalQuery, problems=(404,), kept=True,
    ),
)  # fmt: skip
