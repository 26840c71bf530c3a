"""What stands above every page: which pollers it is about, what is wrong with them, when it was made, who asks."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from markupsafe import Markup
from starlette.responses import Response

from api.cgi.dates import long_text
from api.cgi.pages import error_page, page
from api.cgi.visit import Visit
from engine.config import Poller
from engine.errors import UnknownPoller
from engine.model import CoreKind, PollerView
from engine.state.rights import Right
from engine.state.views import Reader

NOT_RUNNING = "Warning: Monitoring process may not be running!"
NOT_ALLOWED = "It appears as though you do not have permission to view {}..."
WHY = Markup(
    "If you believe this is an error, check the HTTP server authentication requirements for accessing this CGI<br>"
    "and check the authorization options in your CGI configuration file."
)
_INTERVALS_TO_BE_STALE = 3
_LEAST_STALE_S = 30.0
_NAMES = {
    CoreKind.NAGIOS: Markup("Nagios&reg; Core&trade;"),
    CoreKind.NAEMON: "Naemon Core", CoreKind.ICINGA1: "Icinga", CoreKind.ICINGA2: "Icinga 2",
    CoreKind.CENTREON: "Centreon Engine",
}  # fmt: skip


class Header(msgspec.Struct, frozen=True):
    """The box at the top. `warnings` are sentences about the pollers; `refresh_s` 0: the page stays as it is."""

    title: str
    updated: str
    cores: tuple[str, ...]
    user: str
    warnings: tuple[str, ...]
    refresh_s: int = 0


def pollers_asked(reader: Reader, visit: Visit) -> tuple[PollerView, ...]:
    """The pollers in sight, or the one that `poller=` names. Raises UnknownPoller."""
    configured = {one.number for one in visit.desk.config.pollers}
    views = tuple(view for view in reader.pollers(visit.caller.scope) if view.number in configured)
    wanted = visit.value("poller")
    if wanted:
        views = tuple(view for view in views if wanted in (str(view.number), view.name))
        if not views:
            raise UnknownPoller(f"There is no poller {wanted!r}.", poller=wanted)
    return views


def pollers_with(reader: Reader, visit: Visit, views: Sequence[PollerView], right: Right) -> tuple[PollerView, ...]:
    """Those on which the caller has a right that is about the whole core; one who is limited to hostgroups has none."""
    scope = visit.caller.scope
    if scope.hostgroups is not None:
        return ()
    rights = visit.caller.rights  # those of the scope are left out where everything is seen
    if rights is None:
        return tuple(views)
    where, values = rights.has(right, "p.number")
    given = {number for (number,) in reader.connection.execute(f"SELECT p.number FROM state.poller p WHERE {where}", values)}
    return tuple(view for view in views if view.number in given)


def configured_poller(visit: Visit, view: PollerView) -> Poller:
    """That poller as the configuration describes it."""
    return next(one for one in visit.desk.config.pollers if one.number == view.number)


def header(visit: Visit, title: str, views: Sequence[PollerView], *, refreshes: bool = True) -> Header:
    """The box for a page about those pollers."""
    now = visit.services.clock.now()
    first = configured_poller(visit, views[0]) if views else None
    offset = views[0].clock_offset_s if views else 0.0
    return Header(
        title=title,
        updated=long_text(now + offset, first.timezone if first is not None else None),
        cores=tuple(dict.fromkeys(_NAMES[CoreKind(view.kind)] + f" {view.version}" for view in views)),
        user=visit.caller.user,
        warnings=tuple(_silent(view, len(views) > 1) for view in views if is_silent(view, now)),
        refresh_s=visit.config.refresh_rate if refreshes else 0,
    )


def refused(visit: Visit, what: str, title: str, head: Header | None = None, *, code: int = 403) -> Response:
    """The page for somebody who may not see that, below its box where it has one; `code` where the settings want codes."""
    status = code if visit.services.settings.cgi_status_codes else 200
    if head is not None:
        return page("refused.html", status, title=title, head=head, message=NOT_ALLOWED.format(what), why=WHY)
    return error_page(NOT_ALLOWED.format(what), (WHY,), title=title, status=status)


def is_silent(view: PollerView, now: float) -> bool:
    """Nothing new was read from the core for several of its intervals: what the pages show of it is old."""
    return now - view.read_at > max(_LEAST_STALE_S, _INTERVALS_TO_BE_STALE * view.status_update_interval_s)


def _silent(view: PollerView, several: bool) -> str:
    return f"{NOT_RUNNING} ({view.name})" if several else NOT_RUNNING
