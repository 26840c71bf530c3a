"""The two boxes of totals above every page of status.cgi: of what is chosen, whatever is filtered out below."""

from __future__ import annotations

from collections import Counter

import msgspec
from markupsafe import Markup

from api.cgi.chosen import Chosen, condition
from api.cgi.objects import HOST_MASK, SERVICE_MASK
from api.cgi.visit import Visit
from engine.model import PollerView
from engine.state.scope import all_of
from engine.state.tables import CHECKED, STATE
from engine.state.tactical import alikes
from engine.state.views import Reader

_HOSTS = ((2, "Up"), (4, "Down"), (8, "Unreachable"), (1, "Pending"))
_SERVICES = ((2, "Ok"), (4, "Warning"), (8, "Unknown"), (16, "Critical"), (1, "Pending"))
_ALL_SERVICES, _ALL_HOSTS = 31, 15


class Total(msgspec.Struct, frozen=True):
    """One number: its words, its link, the ending of its class."""

    words: str
    link: Markup
    css: str
    count: int


class Totals(msgspec.Struct, frozen=True):
    """Of hosts or of services (`kind`): by state, then problems and all."""

    kind: str
    states: tuple[Total, ...]
    sums: tuple[Total, ...]


def totals(reader: Reader, visit: Visit, which: Chosen, views: tuple[PollerView, ...]) -> tuple[Totals, Totals]:
    """Both boxes."""
    hosts, services = (_counted(reader, visit, which, kind, views) for kind in ("host", "service"))
    host_types = visit.number("hoststatustypes") if visit.has("hoststatustypes") else _ALL_HOSTS
    service_types = visit.number("servicestatustypes") if visit.has("servicestatustypes") else _ALL_SERVICES
    start = "status.cgi?" + (f"limit={visit.number('limit')}&" if visit.number("limit") else "") + which.target
    of_hosts = start
    if which.by == "hostgroup" and (service_types != _ALL_SERVICES or which.style == "detail"):
        of_hosts += "&style=detail"
    elif which.by == "hostgroup" and which.style == "hostdetail":
        of_hosts += "&style=hostdetail"
    of_hosts += f"&servicestatustypes={service_types}" if service_types != _ALL_SERVICES else ""
    of_services = start + ("&style=detail" if which.by != "host" else "")
    return (
        _box("host", _HOSTS, hosts, f"{of_hosts}&hoststatustypes={{}}", of_hosts, 12),
        _box(
            "service", _SERVICES, services, f"{of_services}&servicestatustypes={{}}&hoststatustypes={host_types}",
            f"{of_services}&hoststatustypes={host_types}", 28,
        ),
    )  # fmt: skip


def sees_nothing(reader: Reader, visit: Visit, kind: str) -> bool:
    """There is no host (or service) anywhere that the caller may see."""
    return not any(counts.total() for counts in alikes(reader, visit.caller.scope)[kind == "service"].values())


def _box(kind: str, states: tuple[tuple[int, str], ...], counts: Counter[int], link: str, of_all: str, problems: int) -> Totals:
    each = tuple(Total(word, Markup(link.format(bit)), word.upper() if counts[bit] else "", counts[bit]) for bit, word in states)
    bad = sum(count for bit, count in counts.items() if bit & problems)
    sums = (
        Total("All Problems", Markup(link.format(problems)), "PROBLEMS" if bad else "", bad),
        Total("All Types", Markup(of_all), "", counts.total()),
    )
    return Totals(kind, each, sums)


def _counted(reader: Reader, visit: Visit, which: Chosen, kind: str, views: tuple[PollerView, ...]) -> Counter[int]:
    """How many have each bit of status.cgi's masks."""
    numbers = [view.number for view in views]
    if which.is_all:
        return _of_all(reader, visit, kind, numbers)
    tables = "state.host h LEFT JOIN state.host_config c ON c.poller = h.poller AND c.name = h.name"
    seen = visit.caller.scope.sql("h.poller", "h.name")
    mask = HOST_MASK.format(o="h")
    if kind == "service":
        tables += " JOIN state.service s ON s.poller = h.poller AND s.host_name = h.name"
        seen, mask = visit.caller.scope.sql("s.poller", "s.host_name", "s.description"), SERVICE_MASK.format(o="s")
    on = (f"h.poller IN ({','.join('?' * len(numbers))})", numbers)
    where, values = all_of([on, condition(which, kind), seen])
    return Counter(
        dict(reader.connection.execute(f"SELECT {mask}, count(*) FROM {tables} WHERE {where} GROUP BY 1", values).fetchall())
    )


def _of_all(reader: Reader, visit: Visit, kind: str, numbers: list[int]) -> Counter[int]:
    of_pollers = alikes(reader, visit.caller.scope)[kind == "service"]
    bits = (2, 4, 16, 8) if kind == "service" else (2, 4, 8)
    found: Counter[int] = Counter()
    for number in numbers:
        for (row, _), count in of_pollers.get(str(number), Counter()).items():
            found[bits[row & STATE] if row & CHECKED and row & STATE < len(bits) else 1 if not row & CHECKED else bits[-1]] += count
    return +found
