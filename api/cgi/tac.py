"""tac.cgi: the tactical overview, of all pollers together and then of each.

The counts are those of state.db's tallies, so that a hundred thousand services are counted as fast as ten.

Source: Nagios 4.4.6 cgi/tac.c; its page is compared with ours in tests/system.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

import orjson
from markupsafe import Markup
from starlette.responses import Response

from api.cgi.header import Header, header, pollers_asked, pollers_with
from api.cgi.json_cgis.names import Sight
from api.cgi.json_cgis.program import performance
from api.cgi.measured import active_and_passive
from api.cgi.pages import page
from api.cgi.visit import Visit
from engine.model import PollerView
from engine.state.outages import count_blocking_outages
from engine.state.rights import Right
from engine.state.tables import ACKNOWLEDGED, CHECKED, FEATURES, FLAPPING, IN_DOWNTIME, STATE
from engine.state.tactical import alikes
from engine.state.views import Reader

TITLE = "Nagios Tactical Monitoring Overview"
LONGEST_READ_S = 10.0
_CHECKS, _PASSIVE, _NOTIFICATIONS, _HANDLER, _FLAPS = FEATURES
_UP_OR_PENDING, _IN_TROUBLE, _UNHANDLED = 3, 12, 42  # masks of status.cgi

Count = Counter[tuple[int, int]]
Test = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Line:
    """One line below a count: a link with its number, or (no link) a sentence."""

    css: str
    words: str
    link: Markup = Markup("")


@dataclass(frozen=True, slots=True)
class Column:
    """One state: the count at its head, and what is said of it."""

    link: Markup
    words: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """One of the monitoring features; `is_on` where any of the pollers has it on, `lines` then tell more."""

    name: str
    link: Markup
    is_on: bool
    css: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """Health in percent, as a bar of that many pixels."""

    words: str
    percent: float
    image: str
    width: int


@dataclass(frozen=True, slots=True)
class Found:
    """Everything the page shows."""

    header: Header
    hosts: Count
    services: Count
    each: tuple[tuple[PollerView, Count, Count], ...]
    programs: tuple[tuple[str, dict[str, str]], ...]
    measured: tuple[tuple[str, str], ...]
    outages: int | None


async def tac(visit: Visit) -> Response:
    """The page of tac.cgi."""

    def work(reader: Reader) -> Found:
        with reader.limited(LONGEST_READ_S):
            return _found(reader, visit)

    found = await visit.desk.read(work)
    suffix = f"&poller={quote_plus(visit.value('poller'))}" if visit.value("poller") else ""
    answer = page(
        "tac.html",
        title=TITLE,
        head=found.header,
        outages=found.outages,
        measured=found.measured,
        checks=_numbers_of_checks(found, suffix),
        bars=_bars(found.hosts, found.services),
        hosts=host_columns(found.hosts, suffix),
        services=service_columns(found.services, suffix),
        features=_features(found, suffix),
        each=[(view, *_plain(view, hosts, services)) for view, hosts, services in found.each] if len(found.each) > 1 else [],
    )
    answer.headers["Refresh"] = str(visit.config.refresh_rate)
    return answer


def _found(reader: Reader, visit: Visit) -> Found:
    scope, views = visit.caller.scope, pollers_asked(reader, visit)
    of_hosts, of_services = alikes(reader, scope)
    each = [(view, of_hosts.get(str(view.number), Counter()), of_services.get(str(view.number), Counter())) for view in views]
    numbers = tuple(view.number for view in views)
    every = pollers_with(reader, visit, views, Right.ALL_HOSTS)
    query = f"SELECT name, program FROM state.poller WHERE number IN ({','.join('?' * len(numbers))}) ORDER BY number"
    return Found(
        header=header(visit, "Tactical Status Overview", views),
        hosts=sum((hosts for _, hosts, _ in each), Counter()),
        services=sum((services for _, _, services in each), Counter()),
        each=tuple(each),
        programs=tuple((name, orjson.loads(program)) for name, program in reader.connection.execute(query, numbers)),
        measured=reader.remembered(("tac", scope, numbers), lambda: _measured(Sight(reader, scope, views, True, False))),
        outages=count_blocking_outages(reader, numbers) if len(every) == len(views) else None,
    )


def _measured(sight: Sight) -> tuple[tuple[str, str], ...]:
    """Times of active checks, then how many objects are checked actively and passively."""
    found = performance(sight, 0).members["programstatus"]
    assert isinstance(found, dict)
    rows = []
    for kind in ("Service", "Host"):
        metrics = found[f"{kind.lower()}_checks"]["active"]["metrics"]
        for label, key in (("Execution Time", "check_execution_time"), ("Latency", "check_latency")):
            one = {name: float(value) for name, value in metrics[key].items()}
            rows.append((f"{kind} Check {label}:", f"{one['min']:.2f} / {one['max']:.2f} / {one['average']:.3f} sec"))
    for table, (active, passive) in active_and_passive(sight).items():
        rows += [(f"{table} active", str(active)), (f"{table} passive", str(passive))]
    return tuple(rows)


def _numbers_of_checks(found: Found, suffix: str) -> list[tuple[str, Markup, str, Markup, str]]:
    given = dict(found.measured)
    return [
        (
            f"# {word} Host / Service Checks:",
            Markup(f"status.cgi?hostgroup=all&hostprops={mask}&style=hostdetail{suffix}"),
            given[f"host {word.lower()}"],
            Markup(f"status.cgi?host=all&serviceprops={mask}{suffix}"),
            given[f"service {word.lower()}"],
        )
        for word, mask in (("Active", 131072), ("Passive", 65536))
    ]


# --- states -----------------------------------------------------------------------------------------------------------------------


def _sum(counts: Count, test: Test) -> int:
    return sum(count for (row, host), count in counts.items() if test(row, host))


def _is(state: int) -> Test:
    return lambda row, host: row & CHECKED and row & STATE == state


def _pending(row: int, host: int) -> object:
    return not row & CHECKED


def _problem_host(host: int) -> object:
    return host & CHECKED and host & STATE


def _lines(counts: Count, kind: str, link: str, kinds: Sequence[tuple[str, str, str, Test]]) -> tuple[Line, ...]:
    """`kinds`: importance, words, what is added to the link, which."""
    found = []
    for importance, words, more, test in kinds:
        number = _sum(counts, test)
        if number:
            found.append(Line(f"{kind}{importance}Problem", f"{number} {words}", Markup(link + more)))
    return tuple(found)


def host_columns(counts: Count, suffix: str = "") -> list[Column]:
    """Hosts by state."""
    found = []
    for word, mask, test in (("Down", 4, _is(1)), ("Unreachable", 8, _is(2)), ("Up", 2, _is(0)), ("Pending", 1, _pending)):
        link = f"status.cgi?hostgroup=all&style=hostdetail&hoststatustypes={mask}{suffix}"
        own = Counter({key: count for key, count in counts.items() if test(*key)})
        kinds = _PROBLEM_KINDS if mask & _IN_TROUBLE else _DISABLED
        kinds = [(importance, words, more.replace("props", "hostprops"), which) for importance, words, more, which in kinds]
        found.append(Column(Markup(link), f"{own.total()} {word}", _lines(own, "host", link, kinds)))
    return found


def service_columns(counts: Count, suffix: str = "") -> list[Column]:
    """Services by state."""
    found = []
    states = (("Critical", 16, _is(2)), ("Warning", 4, _is(1)), ("Unknown", 8, _is(3)), ("Ok", 2, _is(0)), ("Pending", 1, _pending))
    for word, mask, test in states:
        own = Counter({key: count for key, count in counts.items() if test(*key)})
        kinds = [_SERVICE_UNHANDLED, _ON_PROBLEM_HOSTS, *_PROBLEM_KINDS[1:]] if mask & 28 else _DISABLED
        kinds = [(importance, words, more.replace("&props", "&serviceprops"), which) for importance, words, more, which in kinds]
        link = f"status.cgi?host=all&type=detail&servicestatustypes={mask}{suffix}"
        head = Markup(f"status.cgi?host=all&style=detail&servicestatustypes={mask}{suffix}")
        found.append(Column(head, f"{own.total()} {word}", _lines(own, "service", link, kinds)))
    return found


def _unhandled(row: int, host: int) -> object:
    return row & _CHECKS and not row & (ACKNOWLEDGED | IN_DOWNTIME)


_DISABLED: list[tuple[str, str, str, Test]] = [("Unimportant", "Disabled", "&props=16", lambda row, host: not row & _CHECKS)]
_PROBLEM_KINDS: list[tuple[str, str, str, Test]] = [
    ("Important", "Unhandled Problems", f"&props={_UNHANDLED}", _unhandled),
    ("Unimportant", "Scheduled", "&props=1", lambda row, host: row & IN_DOWNTIME),
    ("Unimportant", "Acknowledged", "&props=4", lambda row, host: row & ACKNOWLEDGED),
    *_DISABLED,
]
_SERVICE_UNHANDLED: tuple[str, str, str, Test] = (
    "Important",
    "Unhandled Problems",
    f"&hoststatustypes={_UP_OR_PENDING}&props={_UNHANDLED}",
    lambda row, host: _unhandled(row, host) and not _problem_host(host),
)
_ON_PROBLEM_HOSTS: tuple[str, str, str, Test] = (
    "Unimportant",
    "on Problem Hosts",
    f"&hoststatustypes={_IN_TROUBLE}",
    lambda row, host: _problem_host(host),
)


def _bars(hosts: Count, services: Count) -> list[Bar]:
    checked = _sum(services, lambda row, host: row & CHECKED)
    well = 2 * _sum(services, _is(0)) + _sum(services, _is(1)) + _sum(services, _is(3))
    of_hosts = _sum(hosts, _is(0)), _sum(hosts, lambda row, host: row & CHECKED)
    return [_bar("Host Health:", *of_hosts), _bar("Service Health:", well, 2 * checked)]


def _bar(words: str, well: int, possible: int) -> Bar:
    percent = 100.0 * well / possible if possible else 0.0
    image = "thermcrit.png" if percent < 75 else "thermwarn.png" if percent < 90 else "thermok.png"
    return Bar(words, percent, image, max(5, int(percent)))


def _plain(view: PollerView, hosts: Count, services: Count) -> tuple[list[Column], list[Column]]:
    suffix = f"&poller={quote_plus(view.name)}"
    return host_columns(hosts, suffix), service_columns(services, suffix)


# --- features ---------------------------------------------------------------------------------------------------------------------

# Name, the program's switch, the commands that switch it off and on (0: extinfo.cgi has them), how the classes end, the objects'
# bit, the masks of status.cgi for services and for hosts.
_FEATURES = (
    ("Flap Detection", "enable_flap_detection", 62, 61, "FlapDetection", "FlapDetection", _FLAPS, 512, 256),
    ("Notifications", "enable_notifications", 11, 12, "Notifications", "Notifications", _NOTIFICATIONS, 4096, 4096),
    ("Event Handlers", "enable_event_handlers", 42, 41, "Handlers", "Handlers", _HANDLER, 64, 64),
    ("Active Checks", "active_service_checks_enabled", 0, 0, "ActiveChecks", "Checks", _CHECKS, 16, 16),
    ("Passive Checks", "passive_service_checks_enabled", 0, 0, "PassiveChecks", "Checks", _PASSIVE, 16384, 16384),
)


def _features(found: Found, suffix: str) -> list[Feature]:
    return [_feature(found, suffix, *row) for row in _FEATURES]


def _feature(
    found: Found, suffix: str, name: str, key: str, off: int, on: int, css: str, ending: str, bit: int, *masks: int
) -> Feature:
    without = [poller for poller, program in found.programs if program.get(key, "0") != "1"]
    is_on = len(without) < len(found.programs)
    link = f"cmd.cgi?cmd_typ={off if is_on else on}{suffix}" if off and len(found.programs) == 1 else f"extinfo.cgi?type=0{suffix}"
    prefix = {"Active Checks": "Active", "Passive Checks": "Passive"}.get(name, "")
    lines: list[Line] = []
    for kind, counts, mask in zip(("Service", "Host"), (found.services, found.hosts), masks, strict=True):
        where = (
            "status.cgi?host=all&type=detail&serviceprops="
            if kind == "Service"
            else "status.cgi?hostgroup=all&style=hostdetail&hostprops="
        )
        number = _sum(counts, lambda row, host: not row & bit)
        this = f"{prefix}{kind}{ending}"
        if number:
            lines.append(
                Line(
                    f"featureItemDisabled{this}",
                    f"{number} {kind}{'' if number == 1 else 's'} Disabled",
                    Markup(f"{where}{mask}{suffix}"),
                )
            )
        else:
            lines.append(Line(f"featureItemEnabled{this}", f"All {kind}s Enabled"))
        if bit == _FLAPS:
            flapping = _sum(counts, lambda row, host: row & _FLAPS and row & FLAPPING)
            words = f"{flapping} {kind}{'' if flapping == 1 else 's'} Flapping"
            if flapping:
                lines.append(Line(f"featureItem{kind}sFlapping", words, Markup(f"{where}1024{suffix}")))
            else:
                lines.append(Line(f"featureItem{kind}sNotFlapping", f"No {kind}s Flapping"))
    if is_on and without:
        lines.append(Line("featureItemDisabledOnPoller", f"Disabled on {', '.join(without)}", Markup("extinfo.cgi?type=0")))
    return Feature(name, Markup(link), is_on, css, tuple(lines))
