"""extinfo.cgi about one host (type 1) or one service (type 2), in the original's tables and letters.

Of several pollers that have it the first is shown, or the one that `poller=` names; then every link names that poller too.

Source: Nagios 4.4.6 cgi/extinfo.c, which mixes its letters; its pages are compared with ours line by line in tests/system.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote_plus

import msgspec
import orjson
from markupsafe import Markup
from starlette.responses import Response

from api.cgi.dates import time_text
from api.cgi.entries import HEADS, Entry, entries
from api.cgi.header import Header, header, pollers_asked, refused
from api.cgi.icons import Extras
from api.cgi.kept import Kept
from api.cgi.links import host_link, status_link, target, twins
from api.cgi.objects import HOST_STATES, OF_THIS, SERVICE_STATES, lasted, shown_output
from api.cgi.visit import Visit
from engine.config import Poller
from engine.model import HostView, ServiceView
from engine.state.detail import parents_of
from engine.state.scope import Scope
from engine.state.views import Reader

TITLE = "Extended Information"
View = HostView | ServiceView


class One(msgspec.Struct, frozen=True):
    """Who it is. `service` None: a host; groups and parents as (name, link)."""

    host: str
    service: str | None
    alias: str
    address: str
    parents: tuple[tuple[str, Markup], ...]
    groups: tuple[tuple[str, Markup], ...]
    notes: str
    notes_url: str
    action_url: str
    icon: str
    icon_alt: str
    host_link: Markup
    status_link: Markup


class Action(NamedTuple):
    """A link to cmd.cgi; `alt` is the picture's word."""

    src: str
    alt: str
    words: str
    link: Markup
    is_long: bool


class Row(NamedTuple):
    """A line of a table: what stands around and in its two cells; `css` "" for a value without a box."""

    begin: Markup
    label: str
    middle: Markup
    css: str
    value: str
    behind: str
    end: Markup


class Found(msgspec.Struct, frozen=True):
    """Everything the page shows. `finds_flapping`: the core as a whole does."""

    head: Header
    view: View
    one: One
    on: str
    finds_flapping: bool
    program_start: float
    comments: Kept[Entry]


async def object_page(visit: Visit, is_service: bool) -> Response:
    """The page of one object."""
    host, service = visit.value("host"), visit.value("service") if is_service else None
    found = await visit.desk.read(lambda reader: _found(reader, visit, host, service))
    if isinstance(found, Header):
        return refused(visit, OF_THIS.format("service" if is_service else "host"), TITLE, found, code=404)
    poller = next(one for one in visit.desk.config.pollers if one.number == found.view.poller)
    of = target(host, service, found.on)
    named: dict[str, object] = {
        "head": found.head,
        "word": "Service" if is_service else "Host",
        "one": found.one,
        "facts": _facts(found, poller, visit.services.clock.now()),
        "switches": _switches(found.view),
        "actions": _actions(found.view, of),
        "comments": found.comments,
        "heads": HEADS["comment"],
        "adds": Markup(f"cmd.cgi?cmd_typ={3 if is_service else 1}&{of}"),
        "deletes": Markup(f"cmd.cgi?cmd_typ={21 if is_service else 20}&{of}"),
    }
    again = {"Refresh": str(visit.config.refresh_rate)}
    return await visit.long_pages.page(visit.request.receive, "object.html", len(found.comments), again, title=TITLE, **named)


def _found(reader: Reader, visit: Visit, host: str, service: str | None) -> Found | Header:
    """The object, or the box of a page without one."""
    title = f"{'Host' if service is None else 'Service'} Information"
    scope, asked = visit.caller.scope, {view.number: view for view in pollers_asked(reader, visit)}
    views: Sequence[View] = reader.service(scope, host, service) if service is not None else reader.host(scope, host)
    view = next((one for one in views if one.poller in asked), None)
    if view is None:
        return header(visit, title, tuple(asked.values()))
    on = view.poller_name if host in twins(reader, visit) else ""
    head = header(visit, title, (asked[view.poller],))
    of = ("o.poller = ? AND o.host_name = ? AND o.service_description IS ?", [view.poller, host, service])
    (program,) = reader.connection.execute("SELECT program FROM state.poller WHERE number = ?", (view.poller,)).fetchone()
    finds_flapping = orjson.loads(program).get("enable_flap_detection", "0") == "1"
    begun = asked[view.poller].program_start
    return Found(head, view, _one(reader, scope, view, on), on, finds_flapping, begun, entries(reader, visit, "comment", of))


def _one(reader: Reader, scope: Scope, view: View, on: str) -> One:
    is_service = isinstance(view, ServiceView)
    host = view.status.host_name if isinstance(view, ServiceView) else view.status.name
    service = view.status.description if isinstance(view, ServiceView) else None
    address = view.host_address if isinstance(view, ServiceView) else view.config.address
    configured = view.config
    extras = Extras(configured.notes_url, configured.action_url, configured.icon_image, configured.icon_image_alt)
    extras = extras.named(host, address, service)
    kind = "servicegroup" if is_service else "hostgroup"
    query = (
        "SELECT m.name FROM state.group_member m WHERE m.poller = ? AND m.kind = ? AND m.host_name = ?"
        " AND coalesce(m.service_description, '') = ? ORDER BY m.name"
    )
    names = [name for (name,) in reader.connection.execute(query, (view.poller, kind, host, service or ""))]
    parents = () if is_service else parents_of(reader, scope, view.poller, host)
    return One(
        host=host,
        service=service,
        alias=view.host_alias if isinstance(view, ServiceView) else view.config.alias,
        address=address,
        parents=tuple((name, status_link(name, on)) for name in sorted(parents)),
        groups=tuple((name, Markup(f"status.cgi?{kind}={quote_plus(name)}&style=overview")) for name in names),
        notes=configured.notes,
        notes_url=extras.notes_url,
        action_url=extras.action_url,
        icon=extras.icon_image,
        icon_alt=extras.icon_image_alt,
        host_link=host_link(host, on),
        status_link=status_link(host, on),
    )


# --- the tables -------------------------------------------------------------------------------------------------------------------

_HIGH, _LOW, _MIXED, _LATE = (
    "high",
    "low",
    "mixed",
    "late",
)  # which tags of a line are in small letters: none, all, inner, last but one
_MIDDLE = {_HIGH: "</TD><TD CLASS='dataVal'>", _MIXED: "</TD><td CLASS='dataVal'>"}
_SMALL = "</td><td CLASS='dataVal'>"


def _row(letters: str, label: str, value: str, css: str = "", behind: str = "", *, more: str = "", begin: str = "TD") -> Row:
    middle = _MIDDLE.get(letters, _SMALL)
    end = "</td></tr>" if letters == _LOW else "</TD></TR>"
    return Row(Markup(f"<TR><{begin} CLASS='dataVar'{more}>"), label, Markup(middle), css, value, behind, Markup(end))


def _facts(found: Found, poller: Poller, now: float) -> list[Row]:
    view, finds_flapping = found.view, found.finds_flapping
    one, is_service = view.status, isinstance(view, ServiceView)
    if not one.has_been_checked:
        return []
    low = _HIGH if is_service else _LOW
    kind = "Service" if is_service else "Host"
    word = (SERVICE_STATES if is_service else HOST_STATES).get(one.state, "UNKNOWN")

    def text(at: float) -> str:
        return time_text(at, poller.date_format, poller.timezone) if at > 0 else "N/A"

    always = "" if one.last_state_change else "+"  # as long as the core runs, and longer
    behind = f"\u00a0(for {lasted(now - (one.last_state_change or found.program_start))}{always})"
    behind += "\u00a0\u00a0(Has been acknowledged)" if one.acknowledged else ""
    latency = "N/A" if one.check_type else f"{one.latency:.3f}"
    following = text(one.next_check) if one.should_be_scheduled else "N/A"
    label = f"Next Scheduled {'' if is_service else 'Active '}Check:\u00a0\u00a0"
    told = f"\u00a0(notification {one.current_notification_number})"
    depth = one.scheduled_downtime_depth > 0
    return [
        _row(low, "Current Status:" if is_service else "Host Status:", word, f"{kind.lower()}{word}", behind),
        _row(_HIGH if is_service else _LATE, "Status Information:", _output(one.plugin_output, one.long_plugin_output),
             more=" VALIGN='top'"),
        _row(_LOW, "Performance Data:", one.perf_data, more=" VALIGN='top'"),
        _row(_HIGH, "Current Attempt:", f"{one.current_attempt}/{one.max_check_attempts}",
             behind=f"\u00a0\u00a0({'HARD' if one.state_type else 'SOFT'} state)"),
        _row(low, "Last Check Time:", text(one.last_check)),
        _row(_HIGH, "Check Type:", "PASSIVE" if one.check_type else "ACTIVE"),
        _row(_HIGH, "Check Latency / Duration:", f"{latency}\u00a0/\u00a0{one.execution_time:.3f} seconds", more=" NOWRAP"),
        _row(_HIGH, label, following),
        _row(low, "Last State Change:", text(one.last_state_change)),
        _row(low, "Last Notification:", text(one.last_notification), behind=told),
        _flapping(low, kind, view, finds_flapping),
        _row(low, "In Scheduled Downtime?", "YES" if depth else "NO", f"downtime{'ACTIVE' if depth else 'INACTIVE'}"),
        _row(low, "Last Update:", text(one.last_update), behind=f"\u00a0\u00a0({lasted(now - one.last_update)} ago)"),
    ]  # fmt: skip


def _output(first: str, rest: str) -> str:
    return Markup("<BR>").join([shown_output(first), *rest.split("\n")]) if rest else shown_output(first)


def _flapping(letters: str, kind: str, view: View, finds_flapping: bool) -> Row:
    one, label = view.status, f"Is This {kind} Flapping?"
    if not (one.flap_detection_enabled and finds_flapping):
        return _row(letters, label, "N/A")
    css, word = ("flapping", "YES") if one.is_flapping else ("notflapping", "NO")
    return _row(letters, label, word, css, f"\u00a0({one.percent_state_change:.2f}% state change)")


def _switches(view: View) -> list[Row]:
    one, is_service = view.status, isinstance(view, ServiceView)
    rows = (
        ("Active Checks:", "checks", one.checks_enabled, _MIXED if is_service else _HIGH),
        ("Passive Checks:", "checks", one.accept_passive_checks, _MIXED),
        ("Obsessing:", "checks", one.obsess, _MIXED),
        ("Notifications:", "notifications", one.notifications_enabled, _MIXED if is_service else _LOW),
        ("Event Handler:", "eventhandlers", one.event_handler_enabled, _MIXED if is_service else _LOW),
        ("Flap Detection:", "flapdetection", one.flap_detection_enabled, _MIXED if is_service else _LOW),
    )
    words = {True: "ENABLED", False: "DISABLED"}
    return [
        _row(letters, label, words[bool(on)], css + words[bool(on)],
             begin="td" if is_service and css == "notifications" else "TD")
        for label, css, on, letters in rows
    ]  # fmt: skip


# --- commands ---------------------------------------------------------------------------------------------------------------------


def _actions(view: View, of: str) -> list[Action]:
    one, is_service = view.status, isinstance(view, ServiceView)
    kind = "service" if is_service else "host"
    fine, problem = one.has_been_checked and not one.state, bool(one.state and one.has_been_checked)
    is_bad = problem and (one.state_type or not is_service)  # what acknowledgements are offered for

    def numbered(service: int, host: int) -> int:
        return service if is_service else host

    later = (
        "delay.gif",
        f"Delay next {kind} notification",
        numbered(9, 10),
        not fine and (one.notifications_enabled or not is_service),
    )
    custom = ("notify.gif", f"Send custom {kind} notification", numbered(160, 159), True)
    rows = [
        ("disabled.gif", f"Disable active checks of this {kind}", numbered(6, 48), one.checks_enabled),
        ("enabled.gif", f"Enable active checks of this {kind}", numbered(5, 47), not one.checks_enabled),
        ("delay.gif", f"Re-schedule the next check of this {kind}", numbered(7, 96), True),
        ("passiveonly.gif", f"Submit passive check result for this {kind}", numbered(30, 87), one.accept_passive_checks),
        ("disabled.gif", f"Stop accepting passive checks for this {kind}", numbered(40, 93), one.accept_passive_checks),
        ("enabled.gif", f"Start accepting passive checks for this {kind}", numbered(39, 92), not one.accept_passive_checks),
        ("disabled.gif", f"Stop obsessing over this {kind}", numbered(100, 102), one.obsess),
        ("enabled.gif", f"Start obsessing over this {kind}", numbered(99, 101), not one.obsess),
        ("ack.gif", f"Acknowledge this {kind} problem", numbered(34, 33), is_bad and not one.acknowledged),
        ("noack.gif", "Remove problem acknowledgement", numbered(52, 51), is_bad and one.acknowledged),
        ("disabled.gif", f"Disable notifications for this {kind}", numbered(23, 25), one.notifications_enabled),
        ("enabled.gif", f"Enable notifications for this {kind}", numbered(22, 24), not one.notifications_enabled),
        *((later, custom) if is_service else (custom, later)),
        ("downtime.gif", f"Schedule downtime for this {kind}", numbered(56, 55), True),
        *(() if is_service else _OF_ALL_SERVICES),
        ("disabled.gif", f"Disable event handler for this {kind}", numbered(46, 44), one.event_handler_enabled),
        ("enabled.gif", f"Enable event handler for this {kind}", numbered(45, 43), not one.event_handler_enabled),
        ("disabled.gif", f"Disable flap detection for this {kind}", numbered(60, 58), one.flap_detection_enabled),
        ("enabled.gif", f"Enable flap detection for this {kind}", numbered(59, 57), not one.flap_detection_enabled),
        ("disabled.gif", f"Clear flapping state for this {kind}", numbered(174, 173), one.flap_detection_enabled),
    ]
    forced = "&force_check" if one.checks_enabled else ""
    return [
        Action(
            src,
            _alt(words),
            words,
            Markup(f"cmd.cgi?cmd_typ={number}&{of}{forced if number in _CHECKS else ''}"),
            number in _LONG,
        )
        for src, words, number, given in rows
        if given
    ]


_CHECKS = {7, 96}
_LONG = {40, 29}  # which do not wrap
_OF_ALL_SERVICES = (
    ("downtime.gif", "Schedule downtime for all services on this host", 86, True),
    ("disabled.gif", "Disable notifications for all services on this host", 29, True),
    ("enabled.gif", "Enable notifications for all services on this host", 28, True),
    ("delay.gif", "Schedule a check of all services on this host", 17, True),
    ("disabled.gif", "Disable checks of all services on this host", 16, True),
    ("enabled.gif", "Enable checks of all services on this host", 15, True),
)


def _alt(words: str) -> str:
    """What the original says in the picture."""
    if words.startswith("Send custom"):
        return "Send Custom Notification"
    if words.startswith("Re-schedule"):
        return f"Re-schedule Next {words.split()[-1].title()} Check"
    return words.title()
