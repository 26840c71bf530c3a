"""extinfo.cgi about one hostgroup (type 5) or servicegroup (8): its words, its lists, its commands.

A group is there for whoever sees one of its members; the same group on several pollers is one, and the first one's words count.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote_plus

from markupsafe import Markup
from starlette.responses import Response

from api.cgi.header import Header, header, pollers_asked, refused
from api.cgi.objects import OF_THIS
from api.cgi.pages import threaded_page
from api.cgi.visit import Visit
from engine.state.scope import all_of
from engine.state.views import Reader

TITLE = "Extended Information"
_WORDS = (
    ("downtime.gif", "Schedule downtime for all hosts in this {}", 84, 121),
    ("downtime.gif", "Schedule downtime for all services in this {}", 85, 122),
    ("notify.gif", "Enable notifications for all hosts in this {}", 65, 111),
    ("ndisabled.gif", "Disable notifications for all hosts in this {}", 66, 112),
    ("notify.gif", "Enable notifications for all services in this {}", 63, 109),
    ("ndisabled.gif", "Disable notifications for all services in this {}", 64, 110),
    ("enabled.gif", "Enable active checks of all services in this {}", 67, 113),
    ("disabled.gif", "Disable active checks of all services in this {}", 68, 114),
)
_STYLES = (("detail", "View Status Detail For This {}"), ("overview", "View Status Overview For This {}"),
           ("grid", "View Status Grid For This {}"))  # fmt: skip


class Group(NamedTuple):
    """A group as it is configured."""

    name: str
    alias: str
    notes: str
    notes_url: str
    action_url: str


async def group(visit: Visit, kind: str) -> Response:
    """The page of one group; `kind`: hostgroup or servicegroup."""
    name = visit.value(kind)

    def work(reader: Reader) -> tuple[Header, Group | None]:
        views = pollers_asked(reader, visit)
        return header(visit, f"{kind.title()} Information", views), _found(
            reader, visit, kind, name, [view.number for view in views]
        )

    head, found = await visit.desk.read(work)
    if found is None:
        return refused(visit, OF_THIS.format(kind), TITLE, head, code=404)
    target = f"{kind}={quote_plus(name)}"
    links = [(Markup(f"status.cgi?{target}&style={style}"), words.format(kind.title())) for style, words in _STYLES]
    at = 2 if kind == "hostgroup" else 3
    actions = [(row[0], row[1].format(kind), Markup(f"cmd.cgi?cmd_typ={row[at]}&{target}")) for row in _WORDS]
    return await threaded_page("group.html", title=TITLE, head=head, kind=kind, one=found, links=links, actions=actions)


def _found(reader: Reader, visit: Visit, kind: str, name: str, pollers: list[int]) -> Group | None:
    service = "m.service_description" if kind == "servicegroup" else None
    seen = visit.caller.scope.sql("m.poller", "m.host_name", service)
    on = (f"m.poller IN ({','.join('?' * len(pollers))})", list[object](pollers))
    where, values = all_of([("m.kind = ? AND m.name = ?", [kind, name]), on, seen])
    query = (
        "SELECT g.name, g.alias, g.notes, g.notes_url, g.action_url FROM state.object_group g WHERE g.kind = ? AND g.name = ? AND"
        f" g.poller IN (SELECT m.poller FROM state.group_member m WHERE {where}) ORDER BY g.poller LIMIT 1"
    )
    row = reader.connection.execute(query, [kind, name, *values]).fetchone()
    return Group._make(row) if row is not None else None
