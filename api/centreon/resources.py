"""`/monitoring/resources`, which today's clients live on: hosts and services in one list, worst first; and each alone.

The list has no largest limit. Alone, a resource has the older names of its keys, as the original has it.
"""

from __future__ import annotations

from starlette.responses import Response

from api.centreon.answers import encoded_page, list_body
from api.centreon.keeping import kept_list
from api.centreon.objects import LONGEST_READ_S, host_of, host_target, service_of, service_target, standing
from api.centreon.place import Visit
from api.centreon.resource_filters import TABLES, parse_resources
from api.centreon.resource_shapes import Frame, Shape, resource_shape
from api.centreon.shapes import criticality, output, timezone
from api.centreon.times import iso_time
from api.render import json_response
from engine.errors import UnknownHost
from engine.model import HostView, ServiceView
from engine.state.grouped import Kind as GroupKind
from engine.state.grouped import found_groups
from engine.state.resources import ResourceRow, found_resources
from engine.state.scope import EVERYTHING, Condition
from engine.state.views import Reader


async def resources(visit: Visit) -> Response:
    """One page of hosts and services."""
    return await kept_list(visit, lambda now: _list_body(visit, now))


async def _list_body(visit: Visit, now: float) -> bytes:
    asked_for = parse_resources(visit.request.query_params, now, visit.caller.scope)
    asked, scope, frame = asked_for.asked, visit.caller.scope, _frame(visit, now)

    def read(reader: Reader) -> tuple[list[ResourceRow], int]:
        with reader.limited(LONGEST_READ_S):
            return found_resources(
                reader, scope, asked_for.chosen, TABLES, asked.keys, limit=asked.paging.limit, offset=asked.paging.offset
            )  # fmt: skip

    is_all = all(sql == "1" for conditions in asked_for.chosen.values() for sql, _ in conditions)
    rows, total = await visit.desk.read(read, short=asked.is_plain and is_all and scope == EVERYTHING)
    return await list_body(
        len(rows), lambda: encoded_page([resource_shape(row, frame) for row in rows], asked.paging, total, asked.echo)
    )


async def host_resource(visit: Visit) -> Response:
    """A host with everything known of it."""
    found = await host_of(visit)
    own: Condition = ("h.id = ?", [found.id])
    shape = await _alone(visit, found, "host", own, "hostgroup")
    return json_response(200, shape | await standing(visit, host_target(found)))


async def service_resource(visit: Visit) -> Response:
    """A service with everything known of it."""
    found = await service_of(visit)
    own: Condition = ("s.id = ?", [found.id])
    shape = await _alone(visit, found, "service", own, "servicegroup")
    return json_response(200, shape | await standing(visit, service_target(found)))


async def _alone(visit: Visit, view: HostView | ServiceView, kind: str, own: Condition, groups: GroupKind) -> Shape:
    scope = visit.caller.scope

    def read(reader: Reader) -> tuple[list[ResourceRow], list[Shape]]:
        with reader.snapshot():
            rows, _ = found_resources(reader, scope, {"host" if kind == "host" else "service": [own]}, limit=1)
            found, _ = found_groups(reader, scope, groups, [own], "g.name", limit=-1, offset=0)
        return rows, [{"id": group.id, "name": group.name} for group in found]

    rows, member_of = await visit.desk.read(read)
    if not rows:  # it went between two reads
        raise UnknownHost("Host not found")
    shape = resource_shape(rows[0], _frame(visit, visit.services.clock.now()))
    return shape | _details(view) | {"groups": member_of, "categories": []}


def _details(view: HostView | ServiceView) -> Shape:
    """What only a resource alone shows. Times by the core's clock; `last_check` is a date here."""
    status = view.status
    well = view.status.last_time_up if isinstance(view, HostView) else view.status.last_time_ok
    return {
        "command_line": None,  # the expanded line is in no file of the core
        "performance_data": status.perf_data,
        "execution_time": float(status.execution_time),
        "latency": float(status.latency),
        "next_check": iso_time(status.next_check),
        "last_check": iso_time(status.last_check),
        "last_time_with_no_issue": iso_time(well),
        "last_notification": iso_time(status.last_notification),
        "notification_number": status.current_notification_number,
        "timezone": timezone(view),
        "criticality": criticality(view),
        "information": output(status),
        "calculation_type": None,
    }


def _frame(visit: Visit, now: float) -> Frame:
    path = visit.request.url.path
    return Frame(now, path[: path.index("/monitoring")])
