"""Pollers: the truth about each core, and how old a view is. Every answer on state carries the latter."""

from __future__ import annotations

import msgspec

from api.native.operation import Answer, Call, Operation
from api.native.requests import FreshQuery, NoQuery
from api.render import rfc3339_or_none
from engine.config import Settings
from engine.errors import StatusFileStale, UnknownPoller
from engine.model import PollerView
from engine.state.views import Reader


class View(msgspec.Struct, frozen=True):
    """How fresh what is said of one poller's objects is. `created_at` is by the core's clock, `age_s` allows for its offset."""

    poller: str
    generation: int
    created_at: str | None
    age_s: float | None
    stale: bool
    health: str


class Poller(msgspec.Struct, frozen=True):
    """One poller. `health` is one word: `ok`, `unknown`, or what is wrong with its command file or status file.

    `not_writing`: the core reads commands, but its status file grows old. `no_reader` or `stalled` with `stale` false: it writes
    its status file, but does not read commands; with `stale` true: neither. `stale`: old, and the command file was not looked at.
    That a reader hangs while nobody commands anything shows with the next command: nothing is written just to look.
    """

    number: int
    name: str
    kind: str
    version: str
    health: str
    detail: str
    command_file: str
    status_file: str
    stale: bool
    age_s: float | None
    generation: int
    created_at: str | None
    read_at: str | None
    program_start: str | None
    clock_offset_s: float
    status_update_interval_s: float


def age_s(poller: PollerView, now: float) -> float | None:
    """Seconds since the core wrote the newest generation, None before the first."""
    return max(0.0, round(now + poller.clock_offset_s - poller.created, 3)) if poller.created else None


def is_stale(poller: PollerView, now: float, settings: Settings) -> bool:
    """True when the newest generation is older than it should be, or none can be read."""
    age = age_s(poller, now)
    limit = settings.stale_after_intervals * poller.status_update_interval_s
    return age is None or age > limit or poller.status_file_health != "fresh"


def health(poller: PollerView, now: float, settings: Settings) -> str:
    """One word for both of a core's files; the command file comes first: without it nothing can be done."""
    if poller.command_file_health not in ("reading", "unknown"):
        return poller.command_file_health
    if poller.status_file_health != "fresh":
        return poller.status_file_health
    is_reading = poller.command_file_health == "reading"
    if is_stale(poller, now, settings):
        return "not_writing" if is_reading else "stale"
    return "ok" if is_reading else "unknown"


def detail(poller: PollerView, now: float, settings: Settings) -> str:
    """What is wrong with either file and what to do, and what the one says of the other.

    **Source**: Nagios 4.4.6, whose command worker can die alone; the status file stays fresh then.
    """
    word, stale = health(poller, now, settings), is_stale(poller, now, settings)
    if word == "not_writing":
        age = age_s(poller, now) or 0.0
        told = f"The command file has a reader, but the status file is {age:.0f} s old: the core is blocked or cannot write."
        return f"{poller.detail} {told}".strip()
    if word in ("no_reader", "stalled") and not stale:
        told = "The status file is fresh: the core runs, but what reads its commands is gone or hangs. Restart the core."
        return f"{poller.detail} {told}".strip()
    return poller.detail


def view_of(poller: PollerView, now: float, settings: Settings, max_age: float | None = None) -> View:
    """How fresh that poller's objects are; older than `max_age` seconds is stale, too."""
    age = age_s(poller, now)
    is_too_old = max_age is not None and (age is None or age > max_age)
    return View(
        poller=poller.name,
        generation=poller.generation,
        created_at=rfc3339_or_none(poller.created),
        age_s=age,
        stale=is_too_old or is_stale(poller, now, settings),
        health=health(poller, now, settings),
    )


def views_of(reader: Reader, call: Call, poller: int | None = None, max_age: float | None = None) -> dict[int, View]:
    """How fresh the objects of each poller within scope, or of one of them, are.

    Lists carry it beside their rows: that there are none may be because nothing was read for an hour.
    """
    now = call.clock.now()
    views = reader.pollers(call.caller.scope)
    return {view.number: view_of(view, now, call.settings, max_age) for view in views if poller in (None, view.number)}


def fresh_views(reader: Reader, call: Call, query: FreshQuery, poller: int | None) -> dict[int, View]:
    """The same, for who may have said how old they may be. Raises StatusFileStale when one is older."""
    fresh = views_of(reader, call, poller, query.max_age)
    if query.max_age is None or query.older == "mark":
        return fresh
    old = [view.poller for view in fresh.values() if view.age_s is None or view.age_s > query.max_age]
    if old:
        message = f"The view of {', '.join(old)} is older than {query.max_age:g} s; `older=mark` answers all the same."
        raise StatusFileStale(message, pollers=old, max_age=query.max_age)
    return fresh


async def show_poller(call: Call, query: NoQuery) -> Answer:
    """One poller by name or number."""
    word = call.names["poller"]
    view = await call.desk.read(lambda reader: reader.poller(call.caller.scope, word))
    if view is None:
        raise UnknownPoller(f"There is no poller {word!r}: /v1/pollers lists them.", poller=word)
    return Answer(poller_of(view, call))


def poller_of(view: PollerView, call: Call) -> Poller:
    """One poller as people see it."""
    now = call.clock.now()
    return Poller(
        number=view.number,
        name=view.name,
        kind=view.kind,
        version=view.version,
        health=health(view, now, call.settings),
        detail=detail(view, now, call.settings),
        command_file=view.command_file_health,
        status_file=view.status_file_health,
        stale=is_stale(view, now, call.settings),
        age_s=age_s(view, now),
        generation=view.generation,
        created_at=rfc3339_or_none(view.created),
        read_at=rfc3339_or_none(view.read_at),
        program_start=rfc3339_or_none(view.program_start),
        clock_offset_s=round(view.clock_offset_s, 3),
        status_update_interval_s=view.status_update_interval_s,
    )


OPERATIONS = (
    Operation("GET", "/v1/pollers/{poller}", "One poller, by name or number", show_poller, {200: Poller}, problems=(404,)),
)
