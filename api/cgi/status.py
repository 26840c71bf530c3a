"""status.cgi: hosts (`style=hostdetail`) and services, in the tables that programs read line by line.

The overviews, summaries and grids of groups are lists of their services here.
"""

from __future__ import annotations

from urllib.parse import urlencode

from markupsafe import Markup
from starlette.responses import Response

from api.cgi.objects import Shown, asked, found
from api.cgi.pages import page
from api.cgi.visit import Visit
from engine.state.views import Reader

TITLE = "Current Network Status"
LONGEST_READ_S = 10.0
_HOST, _CHECK, _DURATION = ("Host", "host name", 1), ("Last Check", "last check time", 4), ("Duration", "state duration", 6)
_SERVICE, _ATTEMPT = ("Service", "service name", 2), ("Attempt", "number of attempts", 5)
_SORTS = {
    "host": (_HOST, ("Status", "host status", 8), _CHECK, _DURATION),
    "service": (_HOST, _SERVICE, ("Status", "service status", 3), _CHECK, _DURATION, _ATTEMPT),
}


async def status(visit: Visit) -> Response:
    """The page of status.cgi."""
    kind = "host" if visit.value("style") == "hostdetail" else "service"
    which, now = asked(visit, kind), visit.services.clock.now()

    def work(reader: Reader) -> tuple[list[Shown], int]:
        with reader.limited(LONGEST_READ_S):
            return found(reader, visit, which, now)

    rows, total = await visit.desk.read(work)
    last = which.start + len(rows)
    kept = [(name, value) for name, value in visit.parameters if name not in ("sorttype", "sortoption", "start")]
    pages = {"first": which.start + 1, "last": last, "total": total, "next": last + 1 if last < total else 0}
    named: dict[str, object] = {"rows": rows, "sorts": _SORTS[kind], "query": Markup(urlencode(kept)), "user": visit.caller.user}
    return page("status.html", 200, title=TITLE, kind=kind, **named, **pages)
