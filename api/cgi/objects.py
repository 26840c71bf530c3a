"""What status.cgi and extinfo.cgi show of hosts and services: which are asked for, and each as the pages word it.

Source: Nagios 4.4.6 cgi/status.c; masks from include/cgiutils.h, include/statusdata.h.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec
from markupsafe import Markup

from api.cgi.chosen import Chosen, condition
from api.cgi.dates import time_text
from api.cgi.icons import Extras, Icon, Seen, icons
from api.cgi.kept import Kept
from api.cgi.links import host_link, service_link, status_link, twins
from api.cgi.visit import Visit
from engine.config import Poller
from engine.model import PollerView
from engine.state.patterns import FUNCTION, checked
from engine.state.scope import Condition, all_of
from engine.state.views import Reader

OF_THIS = "information for this {}"  # what somebody may not see who asks for an object that is not there
HOST_STATES = {0: "UP", 1: "DOWN", 2: "UNREACHABLE"}
SERVICE_STATES = {0: "OK", 1: "WARNING", 2: "CRITICAL", 3: "UNKNOWN"}
HOST_MASK = "CASE WHEN {o}.has_been_checked = 0 THEN 1 ELSE CASE {o}.state WHEN 0 THEN 2 WHEN 1 THEN 4 ELSE 8 END END"
SERVICE_MASK = (
    "CASE WHEN {o}.has_been_checked = 0 THEN 1 ELSE CASE {o}.state WHEN 0 THEN 2 WHEN 1 THEN 4 WHEN 2 THEN 16 ELSE 8 END END"
)
_PROPERTIES = (
    "{o}.scheduled_downtime_depth > 0", "{o}.scheduled_downtime_depth = 0", "{o}.acknowledged <> 0", "{o}.acknowledged = 0",
    "{o}.checks_enabled = 0", "{o}.checks_enabled <> 0", "{o}.event_handler_enabled = 0", "{o}.event_handler_enabled <> 0",
    "{o}.flap_detection_enabled = 0", "{o}.flap_detection_enabled <> 0", "{o}.is_flapping <> 0", "{o}.is_flapping = 0",
    "{o}.notifications_enabled = 0", "{o}.notifications_enabled <> 0", "{o}.accept_passive_checks = 0",
    "{o}.accept_passive_checks <> 0", "{o}.check_type = 1", "{o}.check_type = 0", "{o}.state_type = 1", "{o}.state_type = 0",
)  # fmt: skip
_EXTRAS = (
    "coalesce({c}.notes_url, ''), coalesce({c}.action_url, ''), coalesce({c}.icon_image, ''), coalesce({c}.icon_image_alt, '')"
)
_COMMENTS = (
    "(SELECT count(*) FROM state.comment k WHERE k.poller = {o}.poller AND k.host_name = {name}"
    " AND k.service_description IS {service})"
)
_SHOWN = (
    "{o}.state, {o}.has_been_checked, {o}.acknowledged, {o}.scheduled_downtime_depth, {o}.last_check, {o}.last_state_change,"
    " {o}.current_attempt, {o}.max_check_attempts, {o}.plugin_output, {o}.next_check, {o}.checks_enabled,"
    " {o}.accept_passive_checks, {o}.notifications_enabled, {o}.is_flapping, {o}.should_be_scheduled"
)


class Shown(NamedTuple):
    """A host or service in a list. `key`: of its host; `background`: of its row, "" for the alternating ones."""

    key: tuple[int, str]

    host: str
    service: str | None
    title: str
    link: str
    word: str
    background: str
    last_check: str
    duration: str
    attempt: str
    output: str
    icons: tuple[Icon, ...]
    host_background: str = ""
    host_icons: tuple[Icon, ...] = ()
    host_link: str = ""
    services_link: str = ""


class Asked(msgspec.Struct, frozen=True):
    """Which objects, in which order; `limit` 0: all of them."""

    kind: str
    conditions: tuple[Condition, ...]
    order: str
    start: int
    limit: int


class Filter(msgspec.Struct, frozen=True):
    """What the masks let through: conditions over h and s; `words` repeats them in links, `given` says which were."""

    hosts: tuple[Condition, ...]
    services: tuple[Condition, ...]
    words: str
    given: frozenset[str]


def filters(visit: Visit) -> Filter:
    """The masks of hosts' and services' states and properties. Raises InvalidSearch for a servicefilter that is no expression."""
    host_types = visit.number("hoststatustypes") if visit.has("hoststatustypes") else 15
    types = visit.number("servicestatustypes") if visit.has("servicestatustypes") else 31
    host_props, props = visit.number("hostprops"), visit.number("serviceprops")
    hosts: list[Condition] = [] if host_types == 15 else [(f"({HOST_MASK.format(o='h')}) & ? <> 0", [host_types])]
    services: list[Condition] = [] if types == 31 else [(f"({SERVICE_MASK.format(o='s')}) & ? <> 0", [types])]
    hosts += _properties("h", host_props)
    services += _properties("s", props)
    if visit.value("servicefilter"):
        pattern = checked(f"(?-i:{visit.value('servicefilter')})", "servicefilter")
        services.append((f"{FUNCTION}(?, CAST(s.description AS BLOB))", [pattern]))
    words = f"hoststatustypes={host_types}&serviceprops={props}&hostprops={host_props}"
    return Filter(tuple(hosts), tuple(services), words, frozenset({"props"} if host_props or props else ()))


def asked(visit: Visit, which: Chosen, kind: str) -> Asked:
    """What the parameters of status.cgi ask for."""
    conditions = [condition(which, kind)]
    poller = visit.value("poller")
    if poller:
        conditions.append(("(CAST(h.poller AS TEXT) = ? OR p.name = ?)", [poller, poller]))
    limits = filters(visit)
    conditions += [*limits.hosts, *(limits.services if kind == "service" else ())]
    limit = visit.number("limit") if visit.has("limit") else visit.config.result_limit
    return Asked(kind, tuple(conditions), _order(visit, kind), max(0, visit.number("start") - 1), max(0, limit))


def _properties(alias: str, mask: int) -> list[Condition]:
    swapped = {8: 9, 9: 8} if alias == "s" else {}  # of services the lower bit is flap detection switched on
    return [(_PROPERTIES[swapped.get(bit, bit)].format(o=alias), []) for bit in range(len(_PROPERTIES)) if mask & (1 << bit)]


def _order(visit: Visit, kind: str) -> str:
    one = "s" if kind == "service" else "h"
    mask = (SERVICE_MASK if kind == "service" else HOST_MASK).format(o=one)
    names = "h.name, s.description" if kind == "service" else "h.name"
    columns = {
        1: "h.name COLLATE NOCASE", 2: f"{names.split(', ')[-1]} COLLATE NOCASE", 3: mask, 4: f"{one}.last_check",
        5: f"{one}.current_attempt", 6: f"-{one}.last_state_change", 8: HOST_MASK.format(o="h"),
    }  # fmt: skip
    column = columns.get(visit.number("sortoption"), "")
    if not column or visit.number("sorttype") not in (1, 2):
        return f"{names}, h.poller"
    return f"{column} {'DESC' if visit.number('sorttype') == 2 else 'ASC'}, {names}, h.poller"


def found(reader: Reader, visit: Visit, which: Asked, now: float) -> tuple[Kept[Shown], int]:
    """One page of them, and how many there are."""
    pollers = {one.number: one for one in visit.desk.config.pollers}
    named = twins(reader, visit)
    tables = "JOIN state.poller p ON p.number = h.poller LEFT JOIN state.host_config c ON c.poller = h.poller AND c.name = h.name"
    if which.kind == "service":
        tables = f"state.service s JOIN state.host h ON h.poller = s.poller AND h.name = s.host_name {tables}"
        seen = visit.caller.scope.sql("s.poller", "s.host_name", "s.description")
    else:
        tables, seen = f"state.host h {tables}", visit.caller.scope.sql("h.poller", "h.name")
    where, values = all_of([seen, *which.conditions])
    (total,) = reader.connection.execute(f"SELECT count(*) FROM {tables} WHERE {where}", values).fetchone()
    host = f"{_SHOWN.format(o='h')}, {_COMMENTS.format(o='h', name='h.name', service='NULL')}, {_EXTRAS.format(c='c')}"
    own = (
        f"{_SHOWN.format(o='s')}, {_COMMENTS.format(o='s', name='s.host_name', service='s.description')}, {_EXTRAS.format(c='sc')}"
    )
    chosen = f"h.poller, h.name, coalesce(c.address, ''), p.program_start, p.clock_offset_s, {host}"
    if which.kind == "service":
        chosen += f", s.description, {own}"
        tables += (
            " LEFT JOIN state.service_config sc ON sc.poller = s.poller AND sc.host_name = s.host_name"
            " AND sc.description = s.description"
        )
    query = f"SELECT {chosen} FROM {tables} WHERE {where} ORDER BY {which.order} LIMIT ? OFFSET ?"
    rows = reader.connection.execute(query, [*values, which.limit or -1, which.start])

    def shown(row: tuple[Any, ...]) -> Shown:
        return _shown(row, pollers[row[0]], now, named)

    return Kept((row for row in rows if row[0] in pollers), shown), int(total)


def host_extras(reader: Reader, views: Sequence[PollerView]) -> dict[tuple[int, str], Extras]:
    """What the configuration puts beside the hosts of groups, by poller's number and name; only of those that have any."""
    on = (f"c.poller IN ({','.join('?' * len(views))})", [view.number for view in views])
    where, values = all_of([on, ("(c.notes_url || c.action_url || c.icon_image) <> ''", [])])
    query = f"SELECT c.poller, c.name, c.address, {_EXTRAS.format(c='c')} FROM state.host_config c WHERE {where}"
    rows = reader.connection.execute(query, values)
    return {(poller, name): Extras(*extras).named(name, address) for poller, name, address, *extras in rows}


_BACKSLASH = re.compile(r"\\(.)", re.DOTALL)
_WIDTH = len(Seen._fields) + 1 + len(Extras._fields)


def _shown(row: tuple[Any, ...], poller: Poller, now: float, named: Collection[str]) -> Shown:
    number, name, address, started, offset, *rest = row
    on = poller.name if name in named else ""
    host, comments, extras = Seen(*rest[: _WIDTH - 5]), rest[_WIDTH - 5], Extras(*rest[_WIDTH - 4 : _WIDTH])
    link = host_link(name, on)
    host_icons = icons(host, int(comments), "host", link, extras.named(name, address), beside=len(rest) > _WIDTH)
    moment = now + float(offset)
    if len(rest) == _WIDTH:
        shown = _worded((number, name), None, address, host, host_icons, link, poller, float(started), moment)
        return shown._replace(services_link=status_link(name, on))
    service, own, own_comments, own_extras = rest[_WIDTH], Seen(*rest[_WIDTH + 1 : -5]), rest[-5], Extras(*rest[-4:])
    own_link = service_link(name, service, on)
    own_icons = icons(own, int(own_comments), "service", own_link, own_extras.named(name, address, service))
    shown = _worded((number, name), service, address, own, own_icons, own_link, poller, float(started), moment)
    word = HOST_STATES.get(host.state, "UP") if host.has_been_checked else "PENDING"
    background = f"HOST{word}{_taken(host)}" if host.has_been_checked and host.state else ""
    return shown._replace(host_background=background, host_icons=host_icons, host_link=link)


def _worded(
    key: tuple[int, str],
    service: str | None,
    title: str,
    seen: Seen,
    icons: tuple[Icon, ...],
    link: str,
    poller: Poller,
    started: float,
    now: float,
) -> Shown:
    states = HOST_STATES if service is None else SERVICE_STATES
    word = states.get(seen.state, "UNKNOWN") if seen.has_been_checked else "PENDING"
    background = f"BG{word}{_taken(seen)}" if seen.has_been_checked and seen.state else ""
    kind = "Host" if service is None else "Service"

    def text(at: float) -> str:
        return time_text(at, poller.date_format, poller.timezone) if at > 0 else "N/A"

    output = shown_output(seen.plugin_output)
    if not seen.has_been_checked:
        waits = f"{kind} check scheduled for {text(seen.next_check)}"
        output = waits if seen.should_be_scheduled else f"{kind} is not scheduled to be checked..."
    since = seen.last_state_change or started
    return Shown(
        key=key,
        host=key[1],
        service=service,
        title=title,
        link=link,
        word=word,
        background=background,
        last_check=text(seen.last_check) if seen.has_been_checked else "N/A",
        duration=lasted(now - since) + ("" if seen.last_state_change else "+"),
        attempt=f"{seen.current_attempt}/{seen.max_check_attempts}",
        output=output,
        icons=icons,
    )


def shown_output(text: str) -> str:
    """A line of output as the originals show it: `\\n` begins a line, any other backslash goes and leaves what follows it."""
    if "\\" not in text:
        return text
    lines = _BACKSLASH.sub(lambda found: "\n" if found[1] == "n" else found[1], text).split("\n")
    return Markup("<BR>").join(lines)


def lasted(seconds: float) -> str:
    """A duration in the originals' fixed columns."""
    if seconds < 0:
        return "???"
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"{day:2}d {hour:2}h {minute:2}m {second:2}s"


def _taken(seen: Seen) -> str:
    return "ACK" if seen.acknowledged else "SCHED" if seen.scheduled_downtime_depth > 0 else ""
