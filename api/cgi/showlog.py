"""showlog.cgi: the cores' logs as they lie on the disk, now or (`archive=N`) N rotations ago; several pollers' by time.

For those who are authorized for system information, as in the original. Archives are counted by what is there: the first is the
newest one of any poller, and each poller shows the one that ended then.

Source: Nagios 4.4.6 cgi/showlog.c; its page is compared with ours in tests/system.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, repeat
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_plus

import msgspec
from markupsafe import Markup
from starlette.responses import Response

from api.cgi.dates import in_zone, long_text, time_text
from api.cgi.header import Header, configured_poller, header, pollers_asked, pollers_with, refused
from api.cgi.visit import Visit
from engine.config import Poller
from engine.formats.text import text_of
from engine.pollers.logpages import Line, archives_of, lines_of
from engine.state.rights import Right
from engine.state.views import Reader

TITLE = "Nagios Log File"
_NO_FILE = "Error: Could not open log file '{}' for reading!"

# By what a message begins with, what else is in it, its picture and its words; the first that fits.
_KINDS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("HOST ALERT", (";DOWN;",), "critical.png", "Host Down"),
    ("HOST ALERT", (";UNREACHABLE;",), "critical.png", "Host Unreachable"),
    ("HOST ALERT", (";RECOVERY;", ";UP;"), "recovery.png", "Host Up"),
    ("HOST NOTIFICATION", (), "notify.gif", "Host Notification"),
    ("SERVICE ALERT", (";CRITICAL;",), "critical.png", "Service Critical"),
    ("SERVICE ALERT", (";WARNING;",), "warning.png", "Service Warning"),
    ("SERVICE ALERT", (";UNKNOWN;",), "unknown.png", "Service Unknown"),
    ("SERVICE ALERT", (";RECOVERY;", ";OK;"), "recovery.png", "Service Ok"),
    ("SERVICE NOTIFICATION", (), "notify.gif", "Service Notification"),
    ("SERVICE EVENT HANDLER", (), "serviceevent.gif", "Service Event Handler"),
    ("HOST EVENT HANDLER", (), "hostevent.gif", "Host Event Handler"),
    ("EXTERNAL COMMAND", (), "command.png", "External Command"),
    ("PASSIVE SERVICE CHECK", (), "passiveonly.gif", "Passive Service Check"),
    ("PASSIVE HOST CHECK", (), "passiveonly.gif", "Passive Host Check"),
    ("LOG ROTATION", (), "logrotate.png", "Log Rotation"),
    *(
        (f"{kind.upper()} FLAPPING ALERT", (f";{word};",), "flapping.gif", f"{kind} {words}")
        for kind in ("Service", "Host")
        for word, words in (
            ("STARTED", "started flapping"),
            ("STOPPED", "stopped flapping"),
            ("DISABLED", "flap detection disabled"),
        )
    ),
    *(
        (f"{kind.upper()} DOWNTIME ALERT", (f";{word};",), "downtime.gif", f"{kind} {words}")
        for kind in ("Service", "Host")
        for word, words in (
            ("STARTED", "entered a period of scheduled downtime"),
            ("STOPPED", "exited a period of scheduled downtime"),
            ("CANCELLED", "scheduled downtime has been cancelled"),
        )
    ),
)
_OF_PROGRAM = (
    (" starting...", "start.gif", "Program Start"),
    (" shutting down...", "stop.gif", "Program End"),
    ("Bailing out", "stop.gif", "Program End"),
    (" restarting...", "restart.gif", "Program Restart"),
    ("active mode...", "active.gif", "Active Mode"),
    ("standby mode...", "standby.gif", "Standby Mode"),
)
_QUARTER_S = 900  # within which the hour on no clock of the world changes
_OTHER = ("info.png", "Informational Message")


class Shown(NamedTuple):
    """One line. `heading`: the hour that begins with it, "" within one; `poller` only where there are several."""

    heading: str
    at: str
    text: str
    src: str
    alt: str
    poller: str


class Logs(msgspec.Struct, frozen=True):
    """Which files are shown, and what lies before and after them; seconds, `until` None: the present."""

    header: Header
    files: tuple[tuple[Poller, Path], ...]
    since: int | None
    until: int | None
    has_older: bool


async def showlog(visit: Visit) -> Response:
    """The page of showlog.cgi, sent as it is read; only who may see it is asked of the readers."""
    archive = max(0, visit.number("archive"))
    title = "Archived Event Log" if archive else "Current Event Log"

    def work(reader: Reader) -> tuple[Header, list[Poller]] | None:
        asked = pollers_asked(reader, visit)
        views = pollers_with(reader, visit, asked, Right.SYSTEM_INFORMATION)
        if not views:
            return None
        return header(visit, title, views, refreshes=False), [configured_poller(visit, view) for view in views]

    allowed = await visit.desk.read(work)
    if allowed is None:
        return refused(visit, "the log file", TITLE)
    head, pollers = allowed

    def values() -> Mapping[str, object]:
        return _page(visit, _logs(pollers, archive, head), archive)

    return await visit.long_pages.answer(visit.request.receive, "showlog.html", values)


def _logs(pollers: Sequence[Poller], archive: int, head: Header) -> Logs:
    if archive == 0:
        newest = max((at for poller in pollers for at in archives_of(poller)), default=None)
        return Logs(head, tuple((poller, poller.log_file) for poller in pollers), newest, None, newest is not None)
    of_pollers = [(poller, archives_of(poller)) for poller in pollers]
    times = sorted({at for _, archives in of_pollers for at in archives}, reverse=True)
    if archive > len(times):
        return Logs(head, (), None, times[-1] if times else None, False)
    until, older = times[archive - 1], times[archive : archive + 1]
    files = tuple((poller, archives[until]) for poller, archives in of_pollers if until in archives)
    return Logs(head, files, older[0] if older else None, until, bool(older))


def _page(visit: Visit, logs: Logs, archive: int) -> dict[str, object]:
    oldest_first = visit.has("oldestfirst")
    zone = logs.files[0][0].timezone if logs.files else None
    unreadable = [_NO_FILE.format(path) for _, path in logs.files if not _is_readable(path)]
    on = f"poller={quote_plus(visit.value('poller'))}&" if visit.value("poller") else ""
    base = "showlog.cgi?" + ("oldestfirst&" if oldest_first else "") + on
    newer = ("Current Log", Markup(base)) if archive == 1 else ("More Recent Archive", Markup(f"{base}archive={archive - 1}"))
    older = ("Earlier Archive" if archive else "Latest Archive", Markup(f"{base}archive={archive + 1}"))
    first, limit = max(0, visit.number("start") - 1), max(0, visit.number("limit"))
    lines = islice(_merged(logs.files, newest_first=not oldest_first), first, first + limit if limit else None)
    return {
        "title": TITLE,
        "head": logs.header,
        "has_header": not visit.has("noheader"),
        "has_frills": not visit.has("nofrills"),
        "archive": archive,
        "oldest_first": oldest_first,
        "poller": visit.value("poller"),
        "since": long_text(logs.since, zone) if logs.since is not None else "",
        "until": long_text(logs.until, zone) if logs.until is not None else "Present..",
        "older": older if logs.has_older else None,
        "newer": newer if archive else None,
        "files": [path for _, path in logs.files],
        "errors": unreadable if logs.files else ["There is no archive as old as that."],
        "lines": _shown(lines, several=len(logs.files) > 1, breaks=not visit.has("notimebreaks")),
    }


def _is_readable(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False


def _shown(lines: Iterator[tuple[Poller, Line]], *, several: bool, breaks: bool) -> Iterator[Shown]:
    hour, this, quarter = "", "", (-1, "")
    for poller, (at, raw) in lines:
        if quarter != (at // _QUARTER_S, poller.name):
            quarter = at // _QUARTER_S, poller.name
            this = in_zone(at, poller.timezone).strftime("%B %d, %Y %H:00")
        heading, hour = (this if breaks and this != hour else ""), this
        text = text_of(raw)
        src, alt = kind_of(text.lstrip())
        yield Shown(heading, time_text(at, poller.date_format, poller.timezone), text, src, alt, poller.name if several else "")


def _merged(files: Sequence[tuple[Poller, Path]], *, newest_first: bool) -> Iterator[tuple[Poller, Line]]:
    each = [zip(repeat(poller), lines_of(path, newest_first=newest_first), strict=False) for poller, path in files]
    return heapq.merge(*each, key=lambda pair: pair[1][0], reverse=newest_first)


def kind_of(message: str) -> tuple[str, str]:
    """A message's picture and its words.

    Unlike the original's, they go by what the message begins with: what somebody quotes in a command does not count.
    """
    kind = message.partition(":")[0].removeprefix("GLOBAL ")
    for begins, parts, src, alt in _KINDS:
        if kind == begins and (not parts or any(part in message for part in parts)):
            return src, alt
    if ":" not in kind and any(kind == begins for begins, *_ in _KINDS):
        return _OTHER
    return next(((src, alt) for part, src, alt in _OF_PROGRAM if part in message), _OTHER)
