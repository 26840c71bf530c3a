"""How many hosts or services a search finds in each state."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from api.centreon.objects import LONGEST_READ_S
from api.centreon.place import Visit
from api.centreon.searching import HOST_KEYS, SERVICE_KEYS, parse_list
from api.render import json_response
from engine.state.fields import HOST_STATES, SERVICE_STATES, Table
from engine.state.lists import OBJECT_ROWS, Listing
from engine.state.search import Kind
from engine.state.views import Reader


async def hosts_status(visit: Visit) -> Response:
    """Hosts by state."""
    return await _counted(visit, "host", HOST_KEYS, HOST_STATES)


async def services_status(visit: Visit) -> Response:
    """Services by state."""
    return await _counted(visit, "service", SERVICE_KEYS, SERVICE_STATES)


async def _counted(visit: Visit, kind: Kind, table: Table, states: Mapping[str, int]) -> Response:
    asked = parse_list(visit.request.query_params, table, visit.services.clock.now(), visit.caller.scope)
    listing = Listing.within(visit.caller.scope, OBJECT_ROWS[kind], [asked.condition])

    def read(reader: Reader) -> dict[int, int]:
        with reader.limited(LONGEST_READ_S):
            return listing.counted_by(reader, table.fields["state"].sql)

    counts = await visit.desk.read(read)
    by_word = {word.lower(): {"total": counts.get(state, 0)} for word, state in states.items()}
    return json_response(200, {**by_word, "total": sum(counts.values())})
