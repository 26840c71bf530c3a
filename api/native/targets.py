"""What a body or a query names → the targets of one call, by name or many at once; and the answer to a call for many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
import orjson

from api.native.operation import Answer, Call
from api.native.outcome import ConflictShown, conflict_shown, outcome
from api.native.requests import MOST_TARGETS, Body, Name, TargetBody, WaitQuery, doc
from engine.desk import Target
from engine.desk.plans import Ask, How, Planned, limit_of
from engine.desk.selection import On, Selection, check_limit
from engine.errors import InvalidField

OnWord = Literal["hosts", "services", "both"]
Filter = Annotated[str | dict[str, Any], doc("a search: the objects it finds, within your scope")]
Match = Annotated[
    dict[str, str | list[str]],
    doc('plain fields and their values, e.g. `{"poller": "north", "state": "CRITICAL", "_SITE": "Rome"}`; a list: any of them'),
]
_WAYS = ("host", "hostgroup", "servicegroup", "filter", "match")


class ManyBody(Body, frozen=True, kw_only=True):
    """Exactly one way of naming: a host (itself, its `service`, its `services`), a group, or a search.

    Several targets are planned whole: one that cannot be commanded refuses the call unless `skip_conflicts` leaves it out.
    """

    host: Annotated[str, doc("name of the host", min_length=1)] | None = None
    service: Annotated[str, doc("description of one service; absent: the host itself", min_length=1)] | None = None
    services: Annotated[list[Name], doc("descriptions of several services", min_length=1, max_length=MOST_TARGETS)] | None = None
    hostgroup: Annotated[str, doc("every member of that hostgroup, on each poller that has it", min_length=1)] | None = None
    servicegroup: Annotated[str, doc("every member of that servicegroup", min_length=1)] | None = None
    filter: Filter | None = None
    match: Match | None = None
    on: Annotated[OnWord, doc("with a group or a search: its hosts, its services, or both; a search needs it")] | None = None
    poller: Annotated[str | int, doc("name or number of the poller: where a name stands on several, or just that one")] | None = (
        None
    )
    dry_run: Annotated[bool, doc("only say what would be done, and give its `plan`")] = False
    plan: Annotated[str, doc("the plan of a dry run: do just that, or answer 409 with what changed", min_length=1)] | None = None
    skip_conflicts: Annotated[bool, doc("leave out, and list, targets that cannot be commanded; else they refuse the call")] = False

    def is_named(self) -> bool:
        """By name, and nothing asked for that only a plan can give."""
        return self.host is not None and not (self.dry_run or self.plan or self.skip_conflicts)


class PollerTargets(msgspec.Struct, frozen=True):
    """How many targets one poller has."""

    poller: str
    targets: int


class PlannedTarget(msgspec.Struct, frozen=True):
    """One object and the line that is to be written for it; what is known only then stands in angle brackets.

    `id`: of what is to be deleted.
    """

    poller: str
    host: str
    service: str | None
    command: str
    line: str
    id: int | None


class Plan(msgspec.Struct, frozen=True):
    """What a call would do. Send `plan` back with the same request, without `dry_run`, to have just that done.

    `conflicts` that `refuse` are targets that cannot be commanded: with any of them the call is refused, unless it says
    `skip_conflicts`. `limit`: the most targets of one call for you.
    """

    plan: str
    targets: int
    limit: int
    pollers: list[PollerTargets]
    items: list[PlannedTarget]
    conflicts: list[ConflictShown]


async def targets_of(call: Call, body: TargetBody | ManyBody) -> tuple[Target, ...]:
    """The host itself, its one service, or its several. Raises InvalidField, UnknownPoller, TooManyTargets."""
    if body.service is not None and body.services is not None:
        raise InvalidField("service and services are both given: say one of them.", field="services")
    poller = await call.poller(body.poller)
    host = body.host or ""
    if body.services is None:
        return (Target(host, body.service, poller),)
    twice = next((name for name in body.services if body.services.count(name) > 1), None)
    if twice is not None:
        raise InvalidField(f"services names {twice!r} twice: say it once.", field="services")
    check_limit(len(body.services), limit_of(call.settings, call.caller.role))
    return tuple(Target(host, service, poller) for service in body.services)


def check_ways(body: ManyBody) -> None:
    """Raises InvalidField unless there is exactly one way of naming, with what belongs to it."""
    given = [name for name in _WAYS if getattr(body, name) is not None]
    if not given:
        raise InvalidField("Say which objects: host, hostgroup, servicegroup, or filter (or match).", field="host")
    if len(given) > 1 and given != ["filter", "match"]:
        raise InvalidField(f"{' and '.join(given)} are given: there is one way of naming in a call.", field=given[1])
    if body.host is None:
        for name in ("service", "services"):
            if getattr(body, name) is not None:
                raise InvalidField(f"{name} needs host: a description alone names no service.", field=name)
    elif body.on is not None:
        raise InvalidField("on goes with a group or a search: leave it out for a host.", field="on")
    if body.host is None and body.hostgroup is None and body.servicegroup is None and body.on is None:
        raise InvalidField("on is missing: say whether the search is for hosts, services or both.", field="on")


async def selection_of(call: Call, body: ManyBody) -> Selection:
    """The selection a body makes; of a hostgroup its hosts, of a servicegroup its services, unless `on` says otherwise."""
    if body.host is not None:
        targets = await targets_of(call, body)
        return Selection(targets=targets, poller=targets[0].poller)
    on = On(body.on) if body.on is not None else On.SERVICES if body.servicegroup is not None else On.HOSTS
    return Selection(
        hostgroup=body.hostgroup or "",
        servicegroup=body.servicegroup or "",
        filter=filter_text(body.filter),
        plain=plain_pairs(body.match or {}),
        on=on,
        poller=await call.poller(body.poller),
    )


def filter_text(given: str | dict[str, Any] | None) -> str:
    """A search as text. Raises InvalidField for one that finds everything by saying nothing."""
    if given is None:
        return ""
    text = given if isinstance(given, str) else orjson.dumps(given).decode()
    if text.strip() in ("", "{}"):
        raise InvalidField("filter is empty: it would find everything; say what it is to find.", field="filter")
    return text


def plain_pairs(match: dict[str, str | list[str]]) -> tuple[tuple[str, str], ...]:
    """Plain fields as pairs, a list as several."""
    return tuple((name, value) for name, given in match.items() for value in ([given] if isinstance(given, str) else given))


def how_of(body: ManyBody, *, reference: str | None = None, force: bool = False) -> How:
    """How the call is to be carried out; its words are the body's, but for those that make it a dry run or not."""
    words = {name: value for name, value in msgspec.to_builtins(body).items() if name not in ("dry_run", "plan")}
    return How(words, body.dry_run, body.plan or "", body.skip_conflicts, reference or "", force)


async def carried_out(
    call: Call,
    query: WaitQuery,
    ask: Ask,
    how: How,
    *,
    author: str | None = None,
    creates: str | None = None,
    deletes: bool = False,
) -> Answer:
    """Plan the call, and carry it out unless it is a dry run."""
    done = await call.desk.carry_out(call.caller, ask, how, author=author)
    names = {poller.number: poller.name for poller in call.desk.config.pollers}
    if isinstance(done, Planned):
        return Answer(await asyncio.to_thread(_plan, done, names))
    shown = [conflict_shown(conflict, names) for conflict in done.conflicts]
    return await outcome(call, query, done.receipts, creates=creates, deletes=deletes, conflicts=shown)


def _plan(planned: Planned, names: dict[int, str]) -> Plan:
    items = [
        PlannedTarget(names[one.poller], one.host, one.service, one.command, one.line, one.entry_id) for one in planned.targets()
    ]
    return Plan(
        plan=planned.hash,
        targets=len(items),
        limit=planned.limit,
        pollers=[PollerTargets(name, count) for name, count in _counted([item.poller for item in items])],
        items=items,
        conflicts=[conflict_shown(conflict, names) for conflict in planned.conflicts],
    )


def _counted(names: Sequence[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return list(counts.items())
