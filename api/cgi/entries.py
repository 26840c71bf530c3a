"""extinfo.cgi: all comments (type 3), all downtimes (type 6), and the comments of one object, in the originals' tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_plus

import msgspec
from markupsafe import Markup
from starlette.responses import Response

from api.cgi.dates import time_text
from api.cgi.header import Header, header, pollers_asked
from api.cgi.kept import Kept
from api.cgi.links import host_link, service_link, twins
from api.cgi.visit import Visit
from engine.config import Poller
from engine.state.scope import Condition, all_of
from engine.state.views import Reader

TITLE = "Extended Information"
LONGEST_READ_S = 10.0
_TYPES = {1: "User", 2: "Scheduled Downtime", 3: "Flap Detection", 4: "Acknowledgement"}
_BOXES = {"comment": "All Host and Service Comments", "downtime": "All Host and Service Scheduled Downtime"}


class Entry(msgspec.Struct, frozen=True):
    """A comment or downtime as a row of cells; `service` None: a host's; `action` deletes it."""

    host: str
    service: str | None
    host_link: Markup
    service_link: Markup
    cells: tuple[str, ...]
    action: str


async def entries_page(visit: Visit, kind: str) -> Response:
    """Type 3 (`kind` comment) or 6 (downtime): hosts' above services', in the order of their ids."""

    def work(reader: Reader) -> tuple[Header, Kept[Entry], Kept[Entry]]:
        with reader.limited(LONGEST_READ_S):
            views = pollers_asked(reader, visit)
            on = f"o.poller IN ({','.join(str(view.number) for view in views)})"
            hosts, services = (
                entries(reader, visit, kind, (f"{on} AND o.service_description IS {null}", ())) for null in ("NULL", "NOT NULL")
            )
            return header(visit, _BOXES[kind], views), hosts, services

    head, hosts, services = await visit.desk.read(work)
    named: dict[str, Any] = {"head": head, "kind": kind, "hosts": hosts, "services": services, "heads": HEADS[kind]}
    again = {"Refresh": str(visit.config.refresh_rate)}
    length = len(hosts) + len(services)
    return await visit.long_pages.page(visit.request.receive, "entries.html", length, again, title=TITLE, **named)


HEADS = {
    "comment": ("Entry Time", "Author", "Comment", "Comment ID", "Persistent", "Type", "Expires"),
    "downtime": (
        "Entry Time", "Author", "Comment", "Start Time", "End Time", "Type", "Duration", "Downtime ID", "Trigger ID",
    ),
}  # fmt: skip
_COLUMNS = {
    "comment": "o.entry_time, o.author, o.comment, o.core_id, o.persistent, o.entry_type, o.expires, o.expire_time",
    "downtime": (
        "o.entry_time, o.author, o.comment, o.core_id, o.start_time, o.end_time, o.fixed, o.duration, o.triggered_by"
    ),
}  # fmt: skip


def entries(reader: Reader, visit: Visit, kind: str, which: Condition) -> Kept[Entry]:
    """Standing comments or downtimes within scope, those that `which` is true of, in the order of their ids."""
    pollers = {one.number: one for one in visit.desk.config.pollers}
    seen = visit.caller.scope.sql("o.poller", "o.host_name", "o.service_description")
    where, values = all_of([seen, which])
    query = (
        f"SELECT o.poller, o.host_name, o.service_description, {_COLUMNS[kind]} FROM state.{kind} o WHERE {where}"
        " ORDER BY o.core_id"
    )
    word = _comment if kind == "comment" else _downtime
    several, names = len(pollers) > 1, twins(reader, visit)

    def entry(row: Sequence[Any]) -> Entry:
        number, name, description, *rest = row
        on = pollers[number].name if name in names else ""
        links = host_link(name, on), service_link(name, description or "", on)
        return Entry(name, description, *links, *word(pollers[number], description is not None, rest, several))

    return Kept((row for row in reader.connection.execute(query, values) if row[0] in pollers), entry)


def _comment(poller: Poller, of_service: bool, row: Sequence[object], several: bool) -> tuple[tuple[str, ...], str]:
    at, author, comment, core_id, persistent, kind, expires, expire = row
    until = _time(expire, poller) if expires else "N/A"
    words = _TYPES.get(int(str(kind)), "?")
    cells = (_time(at, poller), str(author), str(comment), str(core_id), "Yes" if persistent else "No", words, until)
    return cells, _deletes(4 if of_service else 2, "com_id", core_id, poller, several)


def _downtime(poller: Poller, of_service: bool, row: Sequence[object], several: bool) -> tuple[tuple[str, ...], str]:
    at, author, comment, core_id, start, end, fixed, duration, trigger = row
    length = float(str(end)) - float(str(start)) if fixed else float(str(duration))
    minutes, second = divmod(int(length), 60)
    hours, minute = divmod(minutes, 60)
    shown = f"{hours // 24}d {hours % 24}h {minute}m {second}s"
    cells = (
        _time(at, poller), str(author), str(comment), _time(start, poller), _time(end, poller),
        "Fixed" if fixed else "Flexible", shown, str(core_id), str(trigger) if trigger else "N/A",
    )  # fmt: skip
    return cells, _deletes(79 if of_service else 78, "down_id", core_id, poller, several)


def _deletes(number: int, name: str, core_id: object, poller: Poller, several: bool) -> Markup:
    on = f"&poller={quote_plus(poller.name)}" if several else ""
    return Markup(f"cmd.cgi?cmd_typ={number}&{name}={core_id}{on}")


def _time(at: object, poller: Poller) -> str:
    moment = float(str(at or 0))
    return time_text(moment, poller.date_format, poller.timezone) if moment > 0 else "N/A"
