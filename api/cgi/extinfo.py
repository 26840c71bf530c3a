"""extinfo.cgi: one host (type 1), one service (2), all comments (3), all downtimes (6), in the originals' tables.

The other types are in `process` and `group`; without one it is about the cores' processes, as in the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from markupsafe import Markup
from starlette.responses import Response

from api.cgi.dates import time_text
from api.cgi.group import group
from api.cgi.kept import Kept
from api.cgi.objects import HOST_STATES, NOT_THERE, SERVICE_STATES, host_link, lasted, service_link
from api.cgi.pages import error_page
from api.cgi.process import performance_page, process, queue
from api.cgi.visit import Visit
from engine.config import Poller
from engine.model import HostView, ServiceView
from engine.state.scope import Condition, all_of
from engine.state.views import Reader

TITLE = "Extended Information"
SERVICE = 2
_TYPES = {1: "User", 2: "Scheduled Downtime", 3: "Flap Detection", 4: "Acknowledgement"}
LONGEST_READ_S = 10.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A comment or downtime as a row of cells; `names`: whose it is, `action` deletes it."""

    host: str
    service: str | None
    cells: tuple[str, ...]
    action: str


@dataclass(frozen=True, slots=True)
class Action:
    """A link to cmd.cgi beside an object."""

    src: str
    words: str
    link: str


async def extinfo(visit: Visit) -> Response:
    """The page of extinfo.cgi."""
    match visit.number("type"):
        case 1 | 2:
            return await _object(visit, visit.number("type") == SERVICE)
        case 3:
            return await _entries(visit, "comment")
        case 4:
            return await performance_page(visit)
        case 5:
            return await group(visit, "hostgroup")
        case 6:
            return await _entries(visit, "downtime")
        case 7:
            return await queue(visit)
        case 8:
            return await group(visit, "servicegroup")
    return await process(visit)


# --- comments and downtimes -------------------------------------------------------------------------------------------------------


async def _entries(visit: Visit, kind: str) -> Response:
    def work(reader: Reader) -> tuple[Kept[Entry], ...]:
        with reader.limited(LONGEST_READ_S):
            return tuple(entries(reader, visit, kind, (f"o.service_description IS {null}", ())) for null in ("NULL", "NOT NULL"))

    hosts, services = await visit.desk.read(work)
    named: dict[str, Any] = {
        "kind": kind,
        "hosts": hosts,
        "services": services,
        "heads": _HEADS[kind],
        "links": (host_link, service_link),
    }
    length = len(hosts) + len(services)
    return await visit.long_pages.page(visit.request.receive, "entries.html", length, title=TITLE, **named)


_HEADS = {
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
    several = len(pollers) > 1

    def entry(row: Sequence[Any]) -> Entry:
        number, name, description, *rest = row
        return Entry(name, description, *word(pollers[number], description is not None, rest, several))

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


# --- one object -------------------------------------------------------------------------------------------------------------------


async def _object(visit: Visit, is_service: bool) -> Response:
    host, service = visit.value("host"), visit.value("service") if is_service else None
    pollers = {one.number: one for one in visit.desk.config.pollers}
    asked = visit.value("poller")

    def work(reader: Reader) -> tuple[HostView | ServiceView | None, Sequence[Entry] | Kept[Entry]]:
        scope = visit.caller.scope
        views: Sequence[HostView | ServiceView]
        views = reader.service(scope, host, service) if service is not None else reader.host(scope, host)
        views = [one for one in views if one.poller in pollers and asked in ("", str(one.poller), pollers[one.poller].name)]
        of = "o.poller = ? AND o.host_name = ? AND o.service_description IS ?"
        return (views[0], entries(reader, visit, "comment", (of, [views[0].poller, host, service]))) if views else (None, ())

    view, comments = await visit.desk.read(work)
    if view is None:
        return error_page(NOT_THERE.format("service" if is_service else "host"), (), title=TITLE)
    poller, now = pollers[view.poller], visit.services.clock.now()
    facts = _facts(view, poller, now)
    return await visit.long_pages.page(
        visit.request.receive, "object.html", len(comments), title=TITLE,
        word="Service" if is_service else "Host", host=host, service=service, facts=facts[0],
        switches=facts[1], actions=_actions(view), comments=comments, heads=_HEADS["comment"], host_href=host_link(host),
        adds=Markup(f"cmd.cgi?cmd_typ={3 if is_service else 1}&{_target(view)}"),
        deletes=Markup(f"cmd.cgi?cmd_typ={21 if is_service else 20}&{_target(view)}"),
    )  # fmt: skip


Fact = tuple[str, str, str, str]  # label, class of its box ("" for none), what stands in it, what stands behind it


def _facts(view: HostView | ServiceView, poller: Poller, now: float) -> tuple[list[Fact], list[tuple[str, str, bool]]]:
    one, is_service = view.status, isinstance(view, ServiceView)
    if not one.has_been_checked:
        return [], []
    kind = "Service" if is_service else "Host"
    states = SERVICE_STATES if is_service else HOST_STATES
    word = states.get(one.state, "UNKNOWN")

    def text(at: float) -> str:
        return _time(at, poller)

    css = f"{'service' if is_service else 'host'}{word}"
    behind = f"\u00a0(for {lasted(now - one.last_state_change)})" if one.last_state_change else ""
    behind += "\u00a0\u00a0(Has been acknowledged)" if one.acknowledged else ""
    flapping = "YES" if one.is_flapping else "NO"
    depth = one.scheduled_downtime_depth > 0
    next_label = "Next Scheduled Check:" if is_service else "Next Scheduled Active Check:"
    hardness, latency = "HARD" if one.state_type else "SOFT", "N/A" if one.check_type else f"{one.latency:.3f}"
    told = f"\u00a0(notification {one.current_notification_number})"
    facts: list[Fact] = [
        ("Current Status:" if is_service else "Host Status:", css, word, behind),
        ("Status Information:", "", one.plugin_output, ""),
        ("Performance Data:", "", one.perf_data, ""),
        ("Current Attempt:", "", f"{one.current_attempt}/{one.max_check_attempts}", f"\u00a0\u00a0({hardness} state)"),
        ("Last Check Time:", "", text(one.last_check), ""),
        ("Check Type:", "", "PASSIVE" if one.check_type else "ACTIVE", ""),
        ("Check Latency / Duration:", "", f"{latency}\u00a0/\u00a0{one.execution_time:.3f} seconds", ""),
        (next_label, "", text(one.next_check) if one.checks_enabled and one.should_be_scheduled else "N/A", ""),
        ("Last State Change:", "", text(one.last_state_change), ""),
        ("Last Notification:", "", text(one.last_notification), told),
        (f"Is This {kind} Flapping?", f"{'' if one.is_flapping else 'not'}flapping" if one.flap_detection_enabled else "",
         flapping if one.flap_detection_enabled else "N/A",
         f"\u00a0({one.percent_state_change:.2f}% state change)" if one.flap_detection_enabled else ""),
        ("In Scheduled Downtime?", f"downtime{'ACTIVE' if depth else 'INACTIVE'}", "YES" if depth else "NO", ""),
        ("Last Update:", "", text(one.last_update), f"\u00a0\u00a0({lasted(now - one.last_update)} ago)"),
    ]  # fmt: skip
    switches = [
        ("Active Checks:", "checks", bool(one.checks_enabled)),
        ("Passive Checks:", "checks", bool(one.accept_passive_checks)),
        ("Obsessing:", "checks", bool(one.obsess)),
        ("Notifications:", "notifications", bool(one.notifications_enabled)),
        ("Event Handler:", "eventhandlers", bool(one.event_handler_enabled)),
        ("Flap Detection:", "flapdetection", bool(one.flap_detection_enabled)),
    ]
    return facts, switches


def _target(view: HostView | ServiceView) -> str:
    if isinstance(view, ServiceView):
        return f"host={quote_plus(view.status.host_name)}&service={quote_plus(view.status.description)}"
    return f"host={quote_plus(view.status.name)}"


def _actions(view: HostView | ServiceView) -> list[Action]:
    one, is_service = view.status, isinstance(view, ServiceView)
    kind = "service" if is_service else "host"
    target = _target(view)
    fine, problem = one.has_been_checked and not one.state, bool(one.state and one.has_been_checked)
    numbers = [
        ("disabled.gif", f"Disable active checks of this {kind}", 6 if is_service else 48, one.checks_enabled),
        ("enabled.gif", f"Enable active checks of this {kind}", 5 if is_service else 47, not one.checks_enabled),
        ("delay.gif", f"Re-schedule the next check of this {kind}", 7 if is_service else 96, True),
        ("passiveonly.gif", f"Submit passive check result for this {kind}", 30 if is_service else 87, one.accept_passive_checks),
        ("disabled.gif", f"Stop accepting passive checks for this {kind}", 40 if is_service else 93, one.accept_passive_checks),
        ("enabled.gif", f"Start accepting passive checks for this {kind}", 39 if is_service else 92, not one.accept_passive_checks),
        ("disabled.gif", f"Stop obsessing over this {kind}", 100 if is_service else 102, one.obsess),
        ("enabled.gif", f"Start obsessing over this {kind}", 99 if is_service else 101, not one.obsess),
        ("ack.gif", f"Acknowledge this {kind} problem", 34 if is_service else 33, problem and not one.acknowledged),
        ("noack.gif", "Remove problem acknowledgement", 52 if is_service else 51, problem and one.acknowledged),
        ("disabled.gif", f"Disable notifications for this {kind}", 23 if is_service else 25, one.notifications_enabled),
        ("enabled.gif", f"Enable notifications for this {kind}", 22 if is_service else 24, not one.notifications_enabled),
        ("notify.gif", f"Send custom {kind} notification", 160 if is_service else 159, True),
        ("delay.gif", f"Delay next {kind} notification", 9 if is_service else 10, not fine),
        ("downtime.gif", f"Schedule downtime for this {kind}", 56 if is_service else 55, True),
        ("disabled.gif", f"Clear flapping state for this {kind}", 174 if is_service else 173, True),
        ("downtime.gif", "Schedule downtime for all services on this host", 86, not is_service),
        ("disabled.gif", "Disable notifications for all services on this host", 29, not is_service),
        ("enabled.gif", "Enable notifications for all services on this host", 28, not is_service),
        ("delay.gif", "Schedule a check of all services on this host", 17, not is_service),
        ("disabled.gif", "Disable checks of all services on this host", 16, not is_service),
        ("enabled.gif", "Enable checks of all services on this host", 15, not is_service),
        ("disabled.gif", f"Disable event handler for this {kind}", 46 if is_service else 44, one.event_handler_enabled),
        ("enabled.gif", f"Enable event handler for this {kind}", 45 if is_service else 43, not one.event_handler_enabled),
        ("disabled.gif", f"Disable flap detection for this {kind}", 60 if is_service else 58, one.flap_detection_enabled),
        ("enabled.gif", f"Enable flap detection for this {kind}", 59 if is_service else 57, not one.flap_detection_enabled),
    ]
    return [Action(src, words, Markup(f"cmd.cgi?cmd_typ={number}&{target}")) for src, words, number, given in numbers if given]
