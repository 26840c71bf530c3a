"""extinfo.cgi about the cores: their processes (type 0), how checks fared (4), what is checked next (7).

Processes and the queue are for those who are authorized for system information, as in the original.

Source: Nagios 4.4.6 cgi/extinfo.c; its pages are compared with ours in tests/system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import msgspec
import orjson
from markupsafe import Markup
from starlette.responses import Response

from api.cgi.dates import time_text
from api.cgi.header import Header, configured_poller, header, pollers_asked, pollers_with, refused
from api.cgi.json_cgis.names import Sight
from api.cgi.json_cgis.program import performance
from api.cgi.kept import Kept
from api.cgi.links import host_link, service_link, target, twins
from api.cgi.measured import active_and_passive
from api.cgi.pages import page
from api.cgi.visit import Visit
from engine.model import PollerView
from engine.state.rights import Right
from engine.state.scope import all_of
from engine.state.views import Reader

TITLE = "Extended Information"
LONGEST_READ_S = 10.0

# The question, the key in the program's block, the class of the answer ("": plain words).
_SWITCHES = (
    ("Notifications Enabled?", "enable_notifications", "notifications"),
    ("Service Checks Being Executed?", "active_service_checks_enabled", "checks"),
    ("Passive Service Checks Being Accepted?", "passive_service_checks_enabled", "checks"),
    ("Host Checks Being Executed?", "active_host_checks_enabled", "checks"),
    ("Passive Host Checks Being Accepted?", "passive_host_checks_enabled", "checks"),
    ("Event Handlers Enabled?", "enable_event_handlers", ""),
    ("Obsessing Over Services?", "obsess_over_services", ""),
    ("Obsessing Over Hosts?", "obsess_over_hosts", ""),
    ("Flap Detection Enabled?", "enable_flap_detection", ""),
    ("Performance Data Being Processed?", "process_performance_data", ""),
)
# The key, what switches it off (a number of cmd.cgi and words), what switches it on.
_COMMANDS = (
    ("enable_notifications", 11, "Disable notifications", 12, "Enable notifications"),
    ("active_service_checks_enabled", 36, "Stop executing service checks", 35, "Start executing service checks"),
    ("passive_service_checks_enabled", 38, "Stop accepting passive service checks", 37, "Start accepting passive service checks"),
    ("active_host_checks_enabled", 89, "Stop executing host checks", 88, "Start executing host checks"),
    ("passive_host_checks_enabled", 91, "Stop accepting passive host checks", 90, "Start accepting passive host checks"),
    ("enable_event_handlers", 42, "Disable event handlers", 41, "Enable event handlers"),
    ("obsess_over_services", 50, "Stop obsessing over services", 49, "Start obsessing over services"),
    ("obsess_over_hosts", 95, "Stop obsessing over hosts", 94, "Start obsessing over hosts"),
    ("enable_flap_detection", 62, "Disable flap detection", 61, "Enable flap detection"),
    ("process_performance_data", 83, "Disable performance data", 82, "Enable performance data"),
)


class Process(msgspec.Struct, frozen=True):
    """One core's process: facts as (label, class of their box or "", value), and links to cmd.cgi as (image, words, link)."""

    name: str
    facts: tuple[tuple[str, str, str], ...]
    commands: tuple[tuple[str, str, Markup], ...]


async def process(visit: Visit) -> Response:
    """Type 0."""
    now = visit.services.clock.now()

    def work(reader: Reader) -> tuple[Header, list[Process]]:
        asked = pollers_asked(reader, visit)
        views = pollers_with(reader, visit, asked, Right.SYSTEM_INFORMATION)
        programs = dict(reader.connection.execute("SELECT number, program FROM state.poller").fetchall())
        several = len(reader.pollers(visit.caller.scope)) > 1
        return header(visit, "Nagios Process Information", views or asked), [
            _process(visit, view, orjson.loads(programs[view.number]), now, several) for view in views
        ]

    head, processes = await visit.desk.read(work)
    if not processes:
        return refused(visit, "process information", TITLE, head)
    return page("process.html", title=TITLE, head=head, processes=processes)


def _process(visit: Visit, view: PollerView, program: Mapping[str, str], now: float, several: bool) -> Process:
    poller = configured_poller(visit, view)

    def text(at: str | float) -> str:
        moment = float(at or 0)
        return time_text(moment, poller.date_format, poller.timezone) if moment > 0 else "N/A"

    minutes, second = divmod(max(0, int(now + view.clock_offset_s - view.program_start)), 60)
    hours, minute = divmod(minutes, 60)
    facts = [
        ("Program Version:", "", view.version),
        ("Program Start Time:", "", text(view.program_start)),
        ("Total Running Time:", "", f"{hours // 24}d {hours % 24}h {minute}m {second}s"),
        ("Last Log File Rotation:", "", text(program.get("last_log_rotation", "0"))),
        ("Nagios PID", "", program.get("nagios_pid", "?")),
    ]
    for label, key, css in _SWITCHES:
        is_on = program.get(key, "0") == "1"
        word = ("YES" if is_on else "NO") if css else ("Yes" if is_on else "No")
        facts.append((label, f"{css}{'ENABLED' if is_on else 'DISABLED'}" if css else "", word))
    on = f"&poller={quote_plus(view.name)}" if several else ""
    commands = [("stop.gif", "Shutdown the Nagios process", 14), ("restart.gif", "Restart the Nagios process", 13)]
    for key, off, stop, start, begin in _COMMANDS:
        commands.append(("disabled.gif", stop, off) if program.get(key, "0") == "1" else ("enabled.gif", begin, start))
    links = tuple((src, words, Markup(f"cmd.cgi?cmd_typ={number}{on}")) for src, words, number in commands)
    return Process(view.name, tuple(facts), links)


# --- how checks fared -------------------------------------------------------------------------------------------------------------

_FRAMES = (("<= 1 minute:", "1min"), ("<= 5 minutes:", "5min"), ("<= 15 minutes:", "15min"), ("<= 1 hour:", "1hour"),
           ("Since program start:", "start"))  # fmt: skip
_METRICS = (("Check Execution Time:", "check_execution_time", " sec", 3), ("Check Latency:", "check_latency", " sec", 3),
            ("Percent State Change:", "percent_state_change", "%", 2))  # fmt: skip
_STATISTICS = {
    "Active Scheduled Host Checks": "active_scheduled_host_checks", "Active On-Demand Host Checks": "active_ondemand_host_checks",
    "Parallel Host Checks": "parallel_host_checks", "Serial Host Checks": "serial_host_checks",
    "Cached Host Checks": "cached_host_checks", "Passive Host Checks": "passive_host_checks",
    "Active Scheduled Service Checks": "active_scheduled_service_checks",
    "Active On-Demand Service Checks": "active_ondemand_service_checks",
    "Cached Service Checks": "cached_service_checks", "Passive Service Checks": "passive_service_checks",
    "External Commands": "external_commands",
}  # fmt: skip


class Fared(NamedTuple):
    """Of one kind of checks: how many ran in which time, and (min, max, average) of what is measured."""

    title: str
    objects: str
    frames: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, tuple[str, ...]], ...]


async def performance_page(visit: Visit) -> Response:
    """Type 4: of what the caller sees; several pollers are added up."""
    now = int(visit.services.clock.now())

    def work(reader: Reader) -> tuple[Header, dict[str, Any], dict[str, tuple[int, int]]]:
        with reader.limited(LONGEST_READ_S):
            views = pollers_asked(reader, visit)
            sight = Sight(reader, visit.caller.scope, views, True, False)
            found: Any = performance(sight, now).members["programstatus"]
            return header(visit, "Performance Information", views), found, active_and_passive(sight)

    head, found, counts = await visit.desk.read(work)
    fared = [_fared(kind, how, found, counts) for kind in ("service", "host") for how in ("active", "passive")]
    statistics = [
        (label, [found["check_statistics"][key][frame] for frame in ("1min", "5min", "15min")])
        for label, key in _STATISTICS.items()
    ]
    usage = found["buffer_usage"]["external_commands"]
    return page("performance.html", title=TITLE, head=head, fared=fared, statistics=statistics, usage=list(usage.values()))


def _fared(kind: str, how: str, found: Mapping[str, Any], counts: Mapping[str, tuple[int, int]]) -> Fared:
    one, total = found[f"{kind}_checks"][how], counts[kind][how == "passive"]
    frames = tuple(
        (label, f"{one['checks'][key]} ({100.0 * one['checks'][key] / total if total else 0.0:.1f}%)") for label, key in _FRAMES
    )
    metrics = []
    for label, key, unit, places in _METRICS:
        if key in one["metrics"]:
            low, high, average = (float(one["metrics"][key][name]) for name in ("min", "max", "average"))
            metrics.append((label, (f"{low:.2f}{unit}", f"{high:.2f}{unit}", f"{average:.{places}f}{unit}")))
    return Fared(f"{kind.title()}s {how.title()}ly Checked:", f"{kind.title()}s Checked", frames, tuple(metrics))


# --- what is checked next ---------------------------------------------------------------------------------------------------------

_QUEUE_COLUMNS = "poller, {0}, last_check, next_check, check_options, checks_enabled"
_SORTS = {
    1: ("host name", "host"),
    2: ("service name", "service"),
    4: ("last check time", "last_check"),
    7: ("next check time", "next_check"),
}
_OPTIONS = ((1, "Forced "), (2, "Freshness "), (4, "Orphan "))


class Queued(NamedTuple):
    """One object that will be checked; its actions as (image, words, link)."""

    host: str
    host_href: Markup
    service: str
    service_href: Markup
    last_check: str
    next_check: str
    kind: str
    is_active: bool
    actions: tuple[tuple[str, str, Markup], ...]


async def queue(visit: Visit) -> Response:
    """Type 7."""
    option = visit.number("sortoption") if visit.number("sortoption") in _SORTS else 7
    descending = visit.number("sorttype") == 2
    limit = max(0, visit.number("limit") if visit.has("limit") else visit.config.result_limit)
    start = max(0, visit.number("start") - 1)

    def work(reader: Reader) -> tuple[Header, Sequence[Queued] | Kept[Queued], bool]:
        with reader.limited(LONGEST_READ_S):
            asked = pollers_asked(reader, visit)
            views = pollers_with(reader, visit, asked, Right.SYSTEM_INFORMATION)
            order = f"{_SORTS[option][1]} {'DESC' if descending else 'ASC'}, host, service"
            return (
                header(visit, "Check Scheduling Queue", views or asked),
                _queued(reader, visit, views, order, limit, start),
                bool(views),
            )

    head, rows, is_allowed = await visit.desk.read(work)
    if not is_allowed:
        return refused(visit, "process information", TITLE, head)
    sorts = [
        (label, number, _SORTS[number][0]) for label, number in (("Host", 1), ("Service", 2), ("Last Check", 4), ("Next Check", 7))
    ]
    words = f"{_SORTS[option][0]}</b> ({'descending' if descending else 'ascending'})"
    following = start + limit + 1 if limit and len(rows) == limit else 0
    named: dict[str, Any] = {"rows": rows, "sorts": sorts, "sorted_by": Markup(words), "next": following}
    named |= {"head": head, "option": option, "descending": descending}
    return await visit.long_pages.page(visit.request.receive, "queue.html", len(rows), title=TITLE, **named)


def _queued(
    reader: Reader, visit: Visit, views: Sequence[PollerView], order: str, limit: int, start: int
) -> Sequence[Queued] | Kept[Queued]:
    if not views:
        return ()
    pollers = {view.number: configured_poller(visit, view) for view in views}
    on = f"o.poller IN ({','.join('?' * len(pollers))}) AND o.should_be_scheduled <> 0"
    parts, values = [], []
    for table, names in (("host", ("o.name", None)), ("service", ("o.host_name", "o.description"))):
        seen = visit.caller.scope.sql("o.poller", names[0], names[1])
        where, given = all_of([(on, list(pollers)), seen])
        parts.append(
            f"SELECT o.poller, {names[0]} AS host, {names[1] or 'NULL'} AS service, o.last_check, o.next_check,"
            f" o.check_options, o.checks_enabled FROM state.{table} o WHERE {where}"
        )
        values += given
    query = f"{' UNION ALL '.join(parts)} ORDER BY {order} LIMIT ? OFFSET ?"
    of_several = twins(reader, visit)

    def queued(row: Sequence[Any]) -> Queued:
        poller = pollers[row[0]]
        return _one_queued(poller.name if row[1] in of_several else "", *row[1:], zone=(poller.date_format, poller.timezone))

    return Kept(reader.connection.execute(query, [*values, limit or -1, start]), queued)


def _one_queued(
    poller: str,
    host: str,
    service: str | None,
    last: float,
    following: float,
    options: int,
    enabled: int,
    *,
    zone: tuple[str, str | None],
) -> Queued:
    of = target(host, service, poller)
    kind = "Host" if service is None else "Service"
    off, on, check = (48, 47, 96) if service is None else (6, 5, 7)
    switch = ("disabled.gif", f"Disable Active Checks Of This {kind}", Markup(f"cmd.cgi?cmd_typ={off}&{of}"))
    if not enabled:
        switch = ("enabled.gif", f"Enable Active Checks Of This {kind}", Markup(f"cmd.cgi?cmd_typ={on}&{of}"))
    again = ("delay.gif", f"Re-schedule This {kind} Check", Markup(f"cmd.cgi?cmd_typ={check}&{of}&force_check"))
    return Queued(
        host, host_link(host, poller), service or "", service_link(host, service or "", poller),
        time_text(last, *zone) if last > 0 else "N/A", time_text(following, *zone) if following > 0 else "N/A",
        "".join(word for bit, word in _OPTIONS if options & bit) or "Normal ", bool(enabled), (switch, again),
    )  # fmt: skip
