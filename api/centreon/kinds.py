"""What the original sorts hosts and services into besides groups: categories, of which a plain core has none, and severities.

A severity is what Centreon's export writes as custom variables of an object; its name and icon stay behind in Centreon.
"""

from __future__ import annotations

from starlette.responses import Response

from api.centreon.answers import encoded_page, list_answer
from api.centreon.objects import LONGEST_READ_S
from api.centreon.place import Visit
from api.centreon.resource_shapes import severity_shape
from api.centreon.searching import parse_list
from engine.state.fields import Field, Table, Type
from engine.state.resources import SEVERITIES, SeverityRow, severities
from engine.state.search import Kind
from engine.state.views import Reader

CATEGORY_KEYS = Table({"id": Field("NULL", Type.INTEGER), "name": Field("NULL"), "alias": Field("NULL")}, ("1",))


async def categories(visit: Visit) -> Response:
    """The categories of hosts or services: there are none."""
    asked = parse_list(visit.request.query_params, CATEGORY_KEYS, visit.services.clock.now(), visit.caller.scope)
    return await list_answer(0, lambda: encoded_page([], asked.paging, 0, asked.echo))


async def severities_of_hosts(visit: Visit) -> Response:
    """The severities that hosts have, by their level."""
    return await _severities(visit, "host")


async def severities_of_services(visit: Visit) -> Response:
    """The severities that services have, by their level."""
    return await _severities(visit, "service")


async def _severities(visit: Visit, kind: Kind) -> Response:
    scope = visit.caller.scope
    asked = parse_list(visit.request.query_params, SEVERITIES, visit.services.clock.now(), scope)
    paging = asked.paging

    def read(reader: Reader) -> tuple[list[SeverityRow], int]:
        with reader.limited(LONGEST_READ_S):
            return severities(reader, scope, kind, asked.condition, asked.order, limit=paging.limit, offset=paging.offset)

    rows, total = await visit.desk.read(read)
    shapes = [severity_shape(row.level, row.id, kind) for row in rows]
    return await list_answer(len(rows), lambda: encoded_page(shapes, paging, total, asked.echo))
