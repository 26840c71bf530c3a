"""What status.cgi and extinfo.cgi show of hosts and services: which are asked for, and each as the pages word it.

Source: Nagios 4.4.6 cgi/status.c; masks from include/cgiutils.h, include/statusdata.h.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import quote_plus

from markupsafe import Markup

from api.cgi.chosen import Chosen, condition
from api.cgi.dates import time_text
from api.cgi.kept import Kept
from api.cgi.visit import Visit
from engine.config import Poller
from engine.state.patterns import FUNCTION, checked
from engine.state.scope import Condition, all_of
from engine.state.views import Reader

NOT_THERE = "It appears as though you do not have permission to view information for this {}..."
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
_COMMENTS = (
    "(SELECT count(*) FROM state.comment k WHERE k.poller = {o}.poller AND k.host_name = {name}"
    " AND k.service_description IS {service})"
)
_SHOWN = (
    "{o}.state, {o}.has_been_checked, {o}.acknowledged, {o}.scheduled_downtime_depth, {o}.last_check, {o}.last_state_change,"
    " {o}.current_attempt, {o}.max_check_attempts, {o}.plugin_output, {o}.next_check, {o}.checks_enabled,"
    " {o}.accept_passive_checks, {o}.notifications_enabled, {o}.is_flapping, {o}.should_be_scheduled"
)


class Seen(NamedTuple):
    """Of a host's or service's row what the lists show."""

    state: int
    has_been_checked: int
    acknowledged: int
    scheduled_downtime_depth: int
    last_check: float
    last_state_change: float
    current_attempt: int
    max_check_attempts: int
    plugin_output: str
    next_check: float
    checks_enabled: int
    accept_passive_checks: int
    notifications_enabled: int
    is_flapping: int
    should_be_scheduled: int


@dataclass(frozen=True, slots=True)
class Icon:
    """One of the small pictures beside a name: programs read its name and its words."""

    src: str
    alt: str
    title: str
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A host or service in a list. `background`: of its row, "" for the alternating ones."""

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
    host_word: str = ""
    host_background: str = ""
    host_icons: tuple[Icon, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """Which objects, in which order; `limit` 0: all of them."""

    kind: str
    conditions: tuple[Condition, ...]
    order: str
    start: int
    limit: int


# Links stand in pages with bare `&`, as programs look for them: names in them are percent-encoded, so that nothing can break out.


def host_link(host: str) -> Markup:
    return Markup(f"extinfo.cgi?type=1&host={quote_plus(host)}")


def service_link(host: str, service: str) -> Markup:
    return Markup(f"extinfo.cgi?type=2&host={quote_plus(host)}&service={quote_plus(service)}")


@dataclass(frozen=True, slots=True)
class Filter:
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
    columns = {
        1: "h.name", 2: "s.description" if kind == "service" else "h.name", 3: mask, 4: f"{one}.last_check",
        5: f"{one}.current_attempt", 6: f"-{one}.last_state_change", 8: HOST_MASK.format(o="h"),
    }  # fmt: skip
    names = "h.name, s.description" if kind == "service" else "h.name"
    column = columns.get(visit.number("sortoption"), "")
    if not column or visit.number("sorttype") not in (1, 2):
        return f"{names}, h.poller"
    return f"{column} {'DESC' if visit.number('sorttype') == 2 else 'ASC'}, {names}, h.poller"


def found(reader: Reader, visit: Visit, which: Asked, now: float) -> tuple[Kept[Shown], int]:
    """One page of them, and how many there are."""
    pollers = {one.number: one for one in visit.desk.config.pollers}
    tables = "JOIN state.poller p ON p.number = h.poller LEFT JOIN state.host_config c ON c.poller = h.poller AND c.name = h.name"
    if which.kind == "service":
        tables = f"state.service s JOIN state.host h ON h.poller = s.poller AND h.name = s.host_name {tables}"
        seen = visit.caller.scope.sql("s.poller", "s.host_name", "s.description")
    else:
        tables, seen = f"state.host h {tables}", visit.caller.scope.sql("h.poller", "h.name")
    where, values = all_of([seen, *which.conditions])
    (total,) = reader.connection.execute(f"SELECT count(*) FROM {tables} WHERE {where}", values).fetchone()
    host = f"{_SHOWN.format(o='h')}, {_COMMENTS.format(o='h', name='h.name', service='NULL')}"
    own = f"{_SHOWN.format(o='s')}, {_COMMENTS.format(o='s', name='s.host_name', service='s.description')}"
    chosen = f"h.poller, h.name, coalesce(c.address, ''), p.program_start, p.clock_offset_s, {host}"
    chosen += f", s.description, {own}" if which.kind == "service" else ""
    query = f"SELECT {chosen} FROM {tables} WHERE {where} ORDER BY {which.order} LIMIT ? OFFSET ?"
    rows = reader.connection.execute(query, [*values, which.limit or -1, which.start])
    return Kept((row for row in rows if row[0] in pollers), lambda row: _shown(row, pollers[row[0]], now)), int(total)


def host_icons(reader: Reader, keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], tuple[Icon, ...]]:
    """The pictures beside hosts, by poller and name, of those that have any."""
    comments = _COMMENTS.format(o="h", name="h.name", service="NULL")
    query = f"SELECT h.poller, h.name, {_SHOWN.format(o='h')}, {comments} FROM state.host h WHERE h.poller = ? AND h.name = ?"
    found = {}
    for key in keys:
        row = reader.connection.execute(query, key).fetchone()
        if row is not None:
            found[key] = tuple(_icons(Seen(*row[2:-1]), int(row[-1]), "host", host_link(key[1]), beside=True))
    return found


_WIDTH = len(Seen._fields) + 1


def _shown(row: Sequence[object], poller: Poller, now: float) -> Shown:
    _, name, address, started, offset, *rest = row
    assert isinstance(name, str) and isinstance(started, float | int) and isinstance(offset, float | int)
    host, comments = Seen(*rest[: _WIDTH - 1]), rest[_WIDTH - 1]  # type: ignore[arg-type]
    host_icons = tuple(_icons(host, int(str(comments)), "host", host_link(name), beside=len(rest) > _WIDTH))
    moment = now + float(offset)
    if len(rest) == _WIDTH:
        return _worded(name, None, str(address), host, host_icons, poller, float(started), moment)
    service, own, own_comments = rest[_WIDTH], Seen(*rest[_WIDTH + 1 : -1]), rest[-1]  # type: ignore[arg-type]
    assert isinstance(service, str)
    icons = tuple(_icons(own, int(str(own_comments)), "service", service_link(name, service)))
    shown = _worded(name, service, str(address), own, icons, poller, float(started), moment)
    word = HOST_STATES.get(host.state, "UP") if host.has_been_checked else "PENDING"
    background = f"HOST{word}{_taken(host)}" if host.has_been_checked and host.state else ""
    return replace(shown, host_word=word, host_background=background, host_icons=host_icons)


def _worded(
    host: str, service: str | None, title: str, seen: Seen, icons: tuple[Icon, ...], poller: Poller, started: float, now: float
) -> Shown:
    states = HOST_STATES if service is None else SERVICE_STATES
    word = states.get(seen.state, "UNKNOWN") if seen.has_been_checked else "PENDING"
    background = f"BG{word}{_taken(seen)}" if seen.has_been_checked and seen.state else ""
    kind = "Host" if service is None else "Service"

    def text(at: float) -> str:
        return time_text(at, poller.date_format, poller.timezone) if at > 0 else "N/A"

    output = seen.plugin_output
    if not seen.has_been_checked:
        waits = f"{kind} check scheduled for {text(seen.next_check)}"
        output = waits if seen.should_be_scheduled else f"{kind} is not scheduled to be checked..."
    since = seen.last_state_change or started
    return Shown(
        host=host,
        service=service,
        title=title,
        link=host_link(host) if service is None else service_link(host, service),
        word=word,
        background=background,
        last_check=text(seen.last_check) if seen.has_been_checked else "N/A",
        duration=lasted(now - since) + ("" if seen.last_state_change else "+"),
        attempt=f"{seen.current_attempt}/{seen.max_check_attempts}",
        output=output,
        icons=icons,
    )


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


def _icons(seen: Seen, comments: int, kind: str, link: Markup, *, beside: bool = False) -> Iterator[Icon]:
    """`beside`: of a host beside its services, which is worded otherwise."""
    if seen.acknowledged:
        words = f"This {kind} problem has been acknowledged"
        yield Icon("ack.gif", words, words, link + "#comments")
    if comments:
        words = f"This {kind} has {comments} comment{'' if comments == 1 else 's'} associated with it"
        yield Icon("comment.gif", words, words, link + "#comments")
    told, checked = _told(seen, kind, link), _checked(seen, kind, link, beside)
    yield from told + checked if kind == "host" else checked + told  # in the originals' order
    if seen.is_flapping:
        words = f"This {kind} is flapping between states"
        yield Icon("flapping.gif", words, words, link)
    if seen.scheduled_downtime_depth > 0:
        words = f"This {kind} is currently in a period of scheduled downtime"
        yield Icon("downtime.gif", words, words, link)


def _told(seen: Seen, kind: str, link: Markup) -> list[Icon]:
    words = f"Notifications for this {kind} have been disabled"
    return [] if seen.notifications_enabled else [Icon("ndisabled.gif", words, words, link)]


def _checked(seen: Seen, kind: str, link: Markup, beside: bool) -> list[Icon]:
    if seen.checks_enabled:
        return []
    this = "this host" if kind == "host" else "the service"
    both = f"Active and passive checks have been disabled for this {kind}"
    both = "Active and passive checks of this host have been disabled" if kind == "host" and beside else both
    one = f"Active checks of {this} have been disabled - only passive checks are being accepted"
    alt = one if seen.accept_passive_checks else both
    title = "Checks of this host have been disabled" if kind == "host" and beside else alt
    return [Icon("passiveonly.gif" if seen.accept_passive_checks else "disabled.gif", alt, title, link)]
