"""The CGI dialect: the paths, parameters and pages of the Nagios CGIs, in front of the same desk as every dialect.

Programs written for `/nagios/cgi-bin/*.cgi` find here what they look for, over all pollers at once. Answers are HTTP 200 as the
originals' (a setting gives real status codes); what a page says is true. Reading order: this table, `visit` (one request),
`commands` (the table of cmd.cgi), `cmd`, `asked` (its parameters), `places`, `csrf`, `form`;
`pages`, `objects` (what lists show; many are `kept` in a file until they are rendered; beside names `links` and `icons`),
`header` (what stands above a page), `status` (with `chosen`, `totals`, `filterbox`, `overviews`),
`extinfo` (with `object`, `entries`, `process`, `group`), `tac` (with `columns`), `showlog`, `images`.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.routing import BaseRoute, Route

from api.auth.doorkeeper import Doorkeeper
from api.cgi.cmd import cmd
from api.cgi.extinfo import extinfo
from api.cgi.images import image, stylesheet
from api.cgi.json_cgis.page import JSON_PAGES
from api.cgi.pages import LongPages
from api.cgi.showlog import showlog
from api.cgi.status import status
from api.cgi.tac import tac
from api.cgi.visit import Handler, Page
from api.kept import KeptAnswers
from api.services import Services
from engine.clock import Clock, SystemClock
from engine.config import Settings
from engine.desk import Desk

# What answers each CGI. A handler takes a Visit and gives an answer; it contains no `try`.
PAGES: Mapping[str, Handler] = {
    "cmd.cgi": cmd,
    "status.cgi": status,
    "extinfo.cgi": extinfo,
    "tac.cgi": tac,
    "showlog.cgi": showlog,
    **JSON_PAGES,
}


def routes(desk: Desk, doorkeeper: Doorkeeper, settings: Settings, clock: Clock | None = None) -> list[BaseRoute]:
    """Every CGI below every prefix, and the pictures beside it."""
    clock = clock or SystemClock()
    services = Services(desk, doorkeeper, settings, clock, KeptAnswers(desk.state_version, clock))
    long_pages = LongPages()
    pages = {name: Page(services, handler, long_pages) for name, handler in PAGES.items()}
    beside = dict.fromkeys(prefix.rpartition("/")[0] for prefix in settings.cgi_prefixes)
    return [
        *(Route(f"{prefix}/{name}", page) for prefix in settings.cgi_prefixes for name, page in pages.items()),
        *(Route(f"{prefix}/images/{folder}{{name}}", image) for prefix in beside for folder in ("", "logos/")),
        *(Route(f"{prefix}/stylesheets/common.css", stylesheet) for prefix in beside),
    ]
