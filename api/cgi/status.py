"""status.cgi: lists of hosts and services, overviews, summaries and grids of groups, in tables that programs read line by line."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup
from msgspec.structs import replace
from starlette.responses import Response

from api.cgi.chosen import Chosen, chosen, links, title
from api.cgi.filterbox import filterbox
from api.cgi.header import WHY, Header, header, pollers_asked
from api.cgi.kept import Kept
from api.cgi.objects import Shown, asked, filters, found
from api.cgi.overviews import Group, exists, groups
from api.cgi.totals import Totals, sees_nothing, totals
from api.cgi.visit import Visit
from engine.state.views import Reader

TITLE = "Current Network Status"
LONGEST_READ_S = 10.0
_LIMITS = (50, 100, 250, 1000, 0)
_HOST, _CHECK, _DURATION = ("Host", "host name", 1), ("Last Check", "last check time", 4), ("Duration", "state duration", 6)
_SERVICE, _ATTEMPT = ("Service", "service name", 2), ("Attempt", "current attempt", 5)
_SORTS = {
    "host": (_HOST, ("Status", "host status", 8), _CHECK, _DURATION),
    "service": (_HOST, _SERVICE, ("Status", "service status", 3), _CHECK, _DURATION, _ATTEMPT),
}
_NOT_SEEN = "It appears as though you do not have permission to view information for any of the {}s you requested..."


class Found(msgspec.Struct, frozen=True):
    """What a page shows: rows of a list, or groups."""

    which: Chosen
    header: Header
    totals: tuple[Totals, Totals]
    rows: Sequence[Shown] | Kept[Shown] = ()
    total: int = 0
    groups: tuple[Group, ...] = ()
    error: str = ""


async def status(visit: Visit) -> Response:
    """The page of status.cgi."""

    def work(reader: Reader) -> Found:
        with reader.limited(LONGEST_READ_S):
            return _found(reader, visit)

    found = await visit.desk.read(work)
    which = found.which
    above: dict[str, object] = {
        "has_header": not visit.has("noheader"),
        "head": found.header,
        "totals": found.totals,
        "links": [(Markup(f"status.cgi?{query}"), words) for query, words in links(which)],
        "heading": title(which),
        "filter": visit.value("servicefilter"),
        "filters": filterbox(visit) if not visit.has("noheader") else [],
    }
    if which.style in ("detail", "hostdetail"):
        template, named, length = "status.html", _list(visit, found), len(found.rows)
    else:
        template, named, length = "groups.html", _groups(found), sum(one.length for one in found.groups)
    again = {"Refresh": str(visit.config.refresh_rate)}
    return await visit.long_pages.page(visit.request.receive, template, length, again, title=TITLE, **named, **above)


def _found(reader: Reader, visit: Visit) -> Found:
    which, views, now = chosen(visit), pollers_asked(reader, visit), visit.services.clock.now()
    boxes = totals(reader, visit, which, views)
    hosts, services = (box.sums[-1].count for box in boxes)
    if which.by == "host" and hosts and not services and not visit.has("noheader"):
        which = replace(which, style="hostdetail")  # hosts without services would show nothing
    head = header(visit, TITLE, views)
    if which.style in ("detail", "hostdetail"):
        kind = "host" if which.style == "hostdetail" else "service"
        rows, total = found(reader, visit, asked(visit, which, kind), now)
        error = _NOT_SEEN.format(kind) if not total and sees_nothing(reader, visit, kind) else ""
        return Found(which, head, boxes, rows, total, error=error)
    several = groups(reader, visit, which, filters(visit), views)
    error = ""
    if not several:
        error = _NOT_SEEN.format("host")
        if not which.is_all and (visit.caller.scope.is_limited or not exists(reader, which, views)):
            kind = which.by.replace("group", " group") if which.style == "overview" else which.by
            error = f"Sorry, but {kind} '{which.name}' doesn't seem to exist..."
    return Found(which, head, boxes, groups=tuple(several), error=error)


def _list(visit: Visit, found: Found) -> dict[str, object]:
    kind = "host" if found.which.style == "hostdetail" else "service"
    start = asked(visit, found.which, kind).start
    last = start + len(found.rows)
    kept = [(name, value) for name, value in visit.parameters if name not in ("sorttype", "sortoption", "start")]
    pages = {"first": start + 1, "last": last, "total": found.total, "next": last + 1 if last < found.total else 0}
    named: dict[str, object] = {"kind": kind, "rows": found.rows, "sorts": _SORTS[kind], "query": Markup(urlencode(kept)), **pages}
    return named | {"error": found.error, "why": WHY, "limits": _LIMITS}


def _groups(found: Found) -> dict[str, object]:
    is_of_hosts = found.which.by == "hostgroup"
    return {
        "which": found.which,
        "groups": found.groups,
        "described": Markup("extinfo.cgi?type=5&hostgroup=" if is_of_hosts else "extinfo.cgi?type=8&servicegroup="),
        "error": found.error,
        "why": WHY,
    }
