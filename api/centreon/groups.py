"""Host- and servicegroups, with what stands in them, and those an object is in.

A group's id follows from its name: a group of one name is one group, whatever pollers its members are on. A group without a member
the caller may see is not listed, as in the original. In a servicegroup a host has the services of that group only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.responses import Response

from api.centreon.answers import encoded_page, is_true, list_answer
from api.centreon.objects import LONGEST_READ_S, host_of, service_of
from api.centreon.place import Visit
from api.centreon.searching import HOSTGROUP_KEYS, SERVICEGROUP_KEYS, parse_list
from engine.state.fields import Table, seen_by
from engine.state.grouped import (
    GroupedHost,
    GroupedService,
    GroupName,
    Kind,
    found_groups,
    group_order,
    hosts_in,
    services_in,
)
from engine.state.scope import Condition
from engine.state.views import Reader

KEYS: Mapping[Kind, Table] = {"hostgroup": HOSTGROUP_KEYS, "servicegroup": SERVICEGROUP_KEYS}
Shape = dict[str, object]


async def hostgroups(visit: Visit) -> Response:
    """Every hostgroup; with `show_host=true` its hosts, with `show_service=true` these with their services."""
    return await _page(visit, "hostgroup")


async def servicegroups(visit: Visit) -> Response:
    """The same of servicegroups."""
    return await _page(visit, "servicegroup")


async def hostgroups_of_host(visit: Visit) -> Response:
    """The hostgroups a host is in."""
    found = await host_of(visit)
    return await _page(visit, "hostgroup", ("h.id = ?", [found.id]))


async def servicegroups_of_service(visit: Visit) -> Response:
    """The servicegroups a service is in."""
    found = await service_of(visit)
    return await _page(visit, "servicegroup", ("s.id = ?", [found.id]))


async def _page(visit: Visit, kind: Kind, *more: Condition) -> Response:
    query, scope = visit.request.query_params, visit.caller.scope
    asked = parse_list(query, KEYS[kind], visit.services.clock.now(), scope)
    with_services = is_true(query, "show_service")
    with_hosts = with_services or is_true(query, "show_host")
    order, conditions = group_order(seen_by(scope, KEYS[kind]), asked.keys), [*more, asked.condition]

    def read(reader: Reader) -> tuple[list[Shape], int]:
        with reader.limited(LONGEST_READ_S), reader.snapshot():
            found, total = found_groups(
                reader, scope, kind, conditions, order, limit=asked.paging.limit, offset=asked.paging.offset
            )  # fmt: skip
            names = [group.name for group in found]
            hosts = hosts_in(reader, scope, kind, names) if with_hosts and names else ()
            services = services_in(reader, scope, kind, names) if with_services and names else ()
        return shapes(found, hosts if with_hosts else None, services if with_services else None), total

    rows, total = await visit.desk.read(read)
    return await list_answer(len(rows), lambda: encoded_page(rows, asked.paging, total, asked.echo))


def shapes(
    groups: Sequence[GroupName], hosts: Sequence[GroupedHost] | None, services: Sequence[GroupedService] | None
) -> list[Shape]:
    """Groups with their hosts, and these with their services, where asked for."""
    rows: dict[str, Shape] = {group.name: {"id": group.id, "name": group.name} for group in groups}
    if hosts is None:
        return list(rows.values())
    inside: dict[str, list[Shape]] = {name: [] for name in rows}
    below: dict[tuple[str, int, str], list[Shape]] = {}
    for host in hosts:
        shape: Shape = {
            "id": host.id,
            "alias": host.alias,
            "display_name": host.display_name,
            "name": host.name,
            "state": host.state,
        }
        inside[host.group].append(shape)
        if services is not None:
            shape["services"] = below[host.group, host.poller, host.name] = []
    for service in services or ():
        shape = {"id": service.id, "description": service.description, "display_name": service.display_name, "state": service.state}
        # A contact of a service need not see its host, and then there is nothing here that it could stand below.
        below.get((service.group, service.poller, service.host), []).append(shape)
    return [row | {"hosts": inside[name]} for name, row in rows.items()]
