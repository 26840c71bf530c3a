"""tac.cgi: the tactical overview, of all pollers together and then of each.

The counts are those of state.db's tallies, so that a hundred thousand services are counted as fast as ten.

Source: Nagios 4.4.6 cgi/tac.c; its page is compared with ours in tests/system.
"""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote_plus

import msgspec
import orjson
from markupsafe import Markup
from starlette.responses import Response

from api.cgi.columns import Column, Count, HostStyle, Line, ServiceStyle, count_of, host_columns, in_state, service_columns
from api.cgi.header import Header, header, pollers_asked, pollers_with
from api.cgi.json_cgis.names import Sight
from api.cgi.json_cgis.program import performance
from api.cgi.measured import active_and_passive
from api.cgi.pages import threaded_page
from api.cgi.visit import Visit
from engine.model import PollerView
from engine.state.outages import count_blocking_outages
from engine.state.rights import Right
from engine.state.tables import CHECKED, FEATURES, FLAPPING
from engine.state.tactical import alikes
from engine.state.views import Reader

TITLE = "Nagios Tactical Monitoring Overview"
LONGEST_READ_S = 10.0
HOSTS = HostStyle("status.cgi?hostgroup=all&style=hostdetail")
SERVICES = ServiceStyle("status.cgi?host=all&style=detail", "status.cgi?host=all&type=detail")
_CHECKS, _PASSIVE, _NOTIFICATIONS, _HANDLER, _FLAPS = FEATURES


class Feature(msgspec.Struct, frozen=True):
    """One of the monitoring features; `is_on` where any of the pollers has it on, `lines` then tell more."""

    name: str
    link: Markup
    is_on: bool
    css: str
    lines: tuple[Line, ...]


class Bar(msgspec.Struct, frozen=True):
    """Health in percent, as a bar of that many pixels."""

    words: str
    percent: float
    image: str
    width: int


class Found(msgspec.Struct, frozen=True):
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
    answer = await threaded_page(
        "tac.html",
        title=TITLE,
        head=found.header,
        outages=found.outages,
        measured=found.measured,
        checks=_numbers_of_checks(found, suffix),
        bars=_bars(found.hosts, found.services),
        hosts=host_columns(found.hosts, HOSTS, suffix),
        services=service_columns(found.services, SERVICES, suffix),
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


# --- health ---------------------------------------------------------------------------------------------------------------------


def _bars(hosts: Count, services: Count) -> list[Bar]:
    checked = count_of(services, lambda row, host: row & CHECKED)
    well = 2 * count_of(services, in_state(0)) + count_of(services, in_state(1)) + count_of(services, in_state(3))
    of_hosts = count_of(hosts, in_state(0)), count_of(hosts, lambda row, host: row & CHECKED)
    return [_bar("Host Health:", *of_hosts), _bar("Service Health:", well, 2 * checked)]


def _bar(words: str, well: int, possible: int) -> Bar:
    percent = 100.0 * well / possible if possible else 0.0
    image = "thermcrit.png" if percent < 75 else "thermwarn.png" if percent < 90 else "thermok.png"
    return Bar(words, percent, image, max(5, int(percent)))


def _plain(view: PollerView, hosts: Count, services: Count) -> tuple[list[Column], list[Column]]:
    suffix = f"&poller={quote_plus(view.name)}"
    return host_columns(hosts, HOSTS, suffix), service_columns(services, SERVICES, suffix)


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
        number = count_of(counts, lambda row, host: not row & bit)
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
            flapping = count_of(counts, lambda row, host: row & _FLAPS and row & FLAPPING)
            words = f"{flapping} {kind}{'' if flapping == 1 else 's'} Flapping"
            if flapping:
                lines.append(Line(f"featureItem{kind}sFlapping", words, Markup(f"{where}1024{suffix}")))
            else:
                lines.append(Line(f"featureItem{kind}sNotFlapping", f"No {kind}s Flapping"))
    if is_on and without:
        lines.append(Line("featureItemDisabledOnPoller", f"Disabled on {', '.join(without)}", Markup("extinfo.cgi?type=0")))
    return Feature(name, Markup(link), is_on, css, tuple(lines))
