"""Hosts and services counted by state, with what is said of each state: tac.cgi's columns and the summaries of groups. Pure.

What is counted are pairs: the number state.db has for how an object is (see engine/state/tables.py), and that of a service's host.

Source: Nagios 4.4.6 cgi/tac.c, cgi/status.c.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
from markupsafe import Markup

from engine.state.tables import ACKNOWLEDGED, CHECKED, FEATURES, IN_DOWNTIME, STATE

Count = Counter[tuple[int, int]]
Test = Callable[[int, int], object]
_Kind = tuple[str, str, str, Test]  # importance, words, what is added to the link, which

_CHECKS = FEATURES[0]
_UP_OR_PENDING, _IN_TROUBLE, _UNHANDLED = 3, 12, 42  # masks of status.cgi


class Line(msgspec.Struct, frozen=True):
    """One line below a count: a link with its number, or (no link) a sentence."""

    css: str
    words: str
    link: Markup = Markup("")


class Column(msgspec.Struct, frozen=True):
    """One state: the count at its head, and what is said of it."""

    link: Markup
    words: str
    lines: tuple[Line, ...]


class HostStyle(msgspec.Struct, frozen=True):
    """How links begin, what a head's link ends with, what unhandled problems are called, the order of states."""

    link: str
    head_end: str = ""
    unhandled: str = "Unhandled Problems"
    order: tuple[str, ...] = ("Down", "Unreachable", "Up", "Pending")


class ServiceStyle(msgspec.Struct, frozen=True):
    """The same of services, whose heads' links begin otherwise than the lines'."""

    head: str
    link: str
    head_end: str = ""
    unhandled: str = "Unhandled Problems"
    order: tuple[str, ...] = ("Critical", "Warning", "Unknown", "Ok", "Pending")


def count_of(counts: Count, test: Test) -> int:
    """How many it is true of."""
    return sum(count for (row, host), count in counts.items() if test(row, host))


def in_state(state: int) -> Test:
    """Checked, and in that state."""
    return lambda row, host: row & CHECKED and row & STATE == state


def _pending(row: int, host: int) -> object:
    return not row & CHECKED


_HOSTS: dict[str, tuple[int, Test]] = {
    "Down": (4, in_state(1)), "Unreachable": (8, in_state(2)), "Up": (2, in_state(0)), "Pending": (1, _pending),
}  # fmt: skip
_SERVICES: dict[str, tuple[int, Test]] = {
    "Critical": (16, in_state(2)), "Warning": (4, in_state(1)), "Unknown": (8, in_state(3)), "Ok": (2, in_state(0)),
    "Pending": (1, _pending),
}  # fmt: skip


def _problem_host(host: int) -> object:
    return host & CHECKED and host & STATE


def _unhandled(row: int, host: int) -> object:
    return row & _CHECKS and not row & (ACKNOWLEDGED | IN_DOWNTIME)


_DISABLED: list[_Kind] = [("Unimportant", "Disabled", "props=16", lambda row, host: not row & _CHECKS)]
_HANDLED: list[_Kind] = [
    ("Unimportant", "Scheduled", "props=1", lambda row, host: row & IN_DOWNTIME),
    ("Unimportant", "Acknowledged", "props=4", lambda row, host: row & ACKNOWLEDGED),
    *_DISABLED,
]


def host_columns(counts: Count, style: HostStyle, suffix: str = "") -> list[Column]:
    """Hosts by state; `suffix` ends every link."""
    found = []
    for word in style.order:
        mask, test = _HOSTS[word]
        kinds = [("Important", style.unhandled, f"props={_UNHANDLED}", _unhandled), *_HANDLED] if mask & _IN_TROUBLE else _DISABLED
        kinds = [(importance, words, f"&host{more}", which) for importance, words, more, which in kinds]
        own = Counter({key: count for key, count in counts.items() if test(*key)})
        link = f"{style.link}&hoststatustypes={mask}"
        head = Markup(f"{link}{style.head_end}{suffix}")
        found.append(Column(head, f"{own.total()} {word}", _lines(own, "host", link, kinds, suffix)))
    return found


def service_columns(counts: Count, style: ServiceStyle, suffix: str = "") -> list[Column]:
    """Services by state."""
    found = []
    for word in style.order:
        mask, test = _SERVICES[word]
        kinds: list[_Kind] = [(importance, words, f"&service{more}", which) for importance, words, more, which in _DISABLED]
        if mask & 28:
            handled = [(importance, words, f"&service{more}", which) for importance, words, more, which in _HANDLED]
            kinds = [_service_unhandled(style.unhandled), _ON_PROBLEM_HOSTS, *handled]
        own = Counter({key: count for key, count in counts.items() if test(*key)})
        head = Markup(f"{style.head}&servicestatustypes={mask}{style.head_end}{suffix}")
        link = f"{style.link}&servicestatustypes={mask}"
        found.append(Column(head, f"{own.total()} {word}", _lines(own, "service", link, kinds, suffix)))
    return found


def _service_unhandled(words: str) -> _Kind:
    more = f"&hoststatustypes={_UP_OR_PENDING}&serviceprops={_UNHANDLED}"
    return "Important", words, more, lambda row, host: _unhandled(row, host) and not _problem_host(host)


_ON_PROBLEM_HOSTS: _Kind = (
    "Unimportant",
    "on Problem Hosts",
    f"&hoststatustypes={_IN_TROUBLE}",
    lambda row, host: _problem_host(host),
)


def _lines(counts: Count, kind: str, link: str, kinds: Sequence[_Kind], suffix: str) -> tuple[Line, ...]:
    found = []
    for importance, words, more, test in kinds:
        number = count_of(counts, test)
        if number:
            found.append(Line(f"{kind}{importance}Problem", f"{number} {words}", Markup(link + more + suffix)))
    return tuple(found)
