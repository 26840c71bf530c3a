"""extinfo.cgi: which page each of its types is; without one it is about the cores' processes, as in the original."""

from __future__ import annotations

from starlette.responses import Response

from api.cgi.entries import entries_page
from api.cgi.group import group
from api.cgi.object import object_page
from api.cgi.process import performance_page, process, queue
from api.cgi.visit import Visit


async def extinfo(visit: Visit) -> Response:
    """The page of extinfo.cgi."""
    match visit.number("type"):
        case 1:
            return await object_page(visit, is_service=False)
        case 2:
            return await object_page(visit, is_service=True)
        case 3:
            return await entries_page(visit, "comment")
        case 4:
            return await performance_page(visit)
        case 5:
            return await group(visit, "hostgroup")
        case 6:
            return await entries_page(visit, "downtime")
        case 7:
            return await queue(visit)
        case 8:
            return await group(visit, "servicegroup")
    return await process(visit)
