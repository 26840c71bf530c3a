"""One host or service with all that stands around it: why it is in downtime, who acknowledged it, what it measures, whom it tells.

The object itself is what /v1/hosts/{host} and /v1/hosts/{host}/services/{service} show.
"""

from __future__ import annotations

from typing import Any

import msgspec

from api.native import acknowledgements, comments, downtimes
from api.native.acknowledgements import Acknowledgement
from api.native.comments import Comment
from api.native.downtimes import Downtime
from api.native.entries import EntryNoun
from api.native.history import HistoryEntry, entry_of
from api.native.hosts import Host, HostQuery, host_of
from api.native.operation import Answer, Call, Operation, poller_number
from api.native.pollers import View, views_of
from api.native.requests import PollerQuery
from api.native.services import Service, ServiceQuery, service_of
from api.native.state import find_host, find_service, host_state_name
from engine.desk import EntryFilter
from engine.formats.perfdata import Metric, parse_perf_data
from engine.model import HostConfig, HostView, ServiceConfig, ServiceView
from engine.state.detail import Relative, relatives, told
from engine.state.groups import groups_of
from engine.state.history import HistoryFilter, history
from engine.state.views import Reader

RECENT = 20  # entries of the history
MOST_ENTRIES = 500  # downtimes and comments of one object; /v1/downtimes?host= pages through more


class PerformanceData(msgspec.Struct, frozen=True):
    """The object's `perf_data`, parsed: `metrics`, and in `rest` what is none, as it stands. null: unknown, or no number.

    `warn` and `crit` alert outside `start` to `end` (null: without end), or within them if `inside`; `inside` null: no range.
    """

    metrics: list[Metric]
    rest: list[str]


class HostName(msgspec.Struct, frozen=True):
    """A host right above or right below, if within your scope."""

    name: str
    state_name: str


class HostDetail(msgspec.Struct, frozen=True):
    """One host. `told`: every contact its problems are told to, those of its contactgroups included. `history` is the newest."""

    host: Host
    acknowledgement: Acknowledgement | None
    downtimes: list[Downtime]
    comments: list[Comment]
    performance_data: PerformanceData
    contacts: list[str]
    contact_groups: list[str]
    told: list[str]
    parents: list[HostName]
    children: list[HostName]
    history: list[HistoryEntry]


class ServiceDetail(msgspec.Struct, frozen=True):
    """One service; see HostDetail."""

    service: Service
    acknowledgement: Acknowledgement | None
    downtimes: list[Downtime]
    comments: list[Comment]
    performance_data: PerformanceData
    contacts: list[str]
    contact_groups: list[str]
    told: list[str]
    servicegroups: list[str]
    history: list[HistoryEntry]


async def detail_host(call: Call, query: PollerQuery) -> Answer:
    """One host, by its path."""
    return await _host(call, call.names["host"], query.poller)


async def detail_host_by_query(call: Call, query: HostQuery) -> Answer:
    """One host, by its query."""
    return await _host(call, query.host, query.poller)


async def detail_service(call: Call, query: PollerQuery) -> Answer:
    """One service, by its path."""
    return await _service(call, call.names["host"], call.names["service"], query.poller)


async def detail_service_by_query(call: Call, query: ServiceQuery) -> Answer:
    """One service, by its query."""
    return await _service(call, query.host, query.service, query.poller)


async def _host(call: Call, name: str, poller: str) -> Answer:
    def work(reader: Reader) -> tuple[HostView, View, dict[str, Any]]:
        view = find_host(reader, call, name, poller_number(reader, call.caller, poller))
        fresh = views_of(reader, call, view.poller)[view.poller]
        scope = call.caller.scope
        around = {
            "host": host_of(reader, call, view, fresh),
            "parents": list(map(_relative, relatives(reader, scope, view.poller, name, "parents"))),
            "children": list(map(_relative, relatives(reader, scope, view.poller, name, "children"))),
        }
        return view, fresh, around | _common(reader, call, view, name, "")

    view, fresh, around = await call.desk.find(call.caller, work)
    return Answer(HostDetail(**around, **await _entries(call, fresh, view.poller, name, "")))


async def _service(call: Call, host: str, service: str, poller: str) -> Answer:
    def work(reader: Reader) -> tuple[ServiceView, View, dict[str, Any]]:
        view = find_service(reader, call, host, service, poller_number(reader, call.caller, poller))
        fresh = views_of(reader, call, view.poller)[view.poller]
        around = {
            "service": service_of(view, fresh),
            "servicegroups": list(groups_of(reader, call.caller.scope, "servicegroup", view.poller, host, service)),
        }
        return view, fresh, around | _common(reader, call, view, host, service)

    view, fresh, around = await call.desk.find(call.caller, work)
    return Answer(ServiceDetail(**around, **await _entries(call, fresh, view.poller, host, service)))


def _common(reader: Reader, call: Call, view: HostView | ServiceView, host: str, service: str) -> dict[str, Any]:
    """What hosts and services alike have around them."""
    config: HostConfig | ServiceConfig = view.config
    parsed = parse_perf_data(view.status.perf_data)
    found, _ = history(reader, call.caller.scope, HistoryFilter(view.poller, host, service), RECENT)
    return {
        "performance_data": PerformanceData(list(parsed.metrics), list(parsed.rest)),
        "contacts": list(config.contacts),
        "contact_groups": list(config.contact_groups),
        "told": list(told(reader, view.poller, config.contacts, config.contact_groups)),
        "history": list(map(entry_of, found)),
    }


async def _entries(call: Call, fresh: View, poller: int, host: str, service: str) -> dict[str, Any]:
    """What stands on the object now; of acknowledgements the newest."""

    async def present(noun: EntryNoun, limit: int = MOST_ENTRIES) -> list[Any]:
        which = EntryFilter(noun.kind, poller, host, service, present=True, limit=limit)
        found = await call.desk.entries(call.caller, which)
        return [noun.shown(row, fresh) for row in found.rows]

    acknowledged = await present(acknowledgements.NOUN, 1)
    return {
        "acknowledgement": acknowledged[0] if acknowledged else None,
        "downtimes": await present(downtimes.NOUN),
        "comments": await present(comments.NOUN),
    }


def _relative(host: Relative) -> HostName:
    return HostName(host.name, host_state_name(host.state, host.has_been_checked))


OPERATIONS = (
    Operation(
        "GET", "/v1/hosts/{host}/detail", "One host and all that stands around it", detail_host, {200: HostDetail},
        query=PollerQuery, problems=(404, 409),
    ),
    Operation(
        "GET", "/v1/host/detail", "The same, by query instead of path", detail_host_by_query, {200: HostDetail},
        query=HostQuery, problems=(404, 409),
    ),
    Operation(
        "GET", "/v1/hosts/{host}/services/{service}/detail", "One service and all that stands around it", detail_service,
        {200: ServiceDetail}, query=PollerQuery, problems=(404, 409),
    ),
    Operation(
        "GET", "/v1/service/detail", "The same of a service, by query instead of path", detail_service_by_query,
        {200: ServiceDetail}, query=ServiceQuery, problems=(404, 409),
    ),
)  # fmt: skip
