"""Calls of many passive results: placed, checked and encoded in one go, stored as one row per poller, shown with their counts.

One result per request stays a command with a life of its own: somebody looks at that one. From two on they are a call: nobody
follows each of thousands, and a life of several rows each would be most of the journal. A result that cannot be taken (an unknown
object, a value no core accepts) refuses the whole call, and all of them are named; with `partial` they are the call's failures.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import fields

from engine.commands.lifecycle import State
from engine.config import Poller, Settings
from engine.desk.checks import Asked
from engine.desk.orders import result_line
from engine.desk.resolve import Found, Resolver
from engine.desk.rights import check_objects
from engine.desk.values import Caller, CheckResult, Target
from engine.desk.writer import Written
from engine.errors import CallerError, Forbidden, NotPossible, ResultsRefused, TooManyResults, UnknownObject
from engine.journal.calls import (
    CallRow,
    Counts,
    Failure,
    Payload,
    calls_of,
    failures_of,
    insert_call,
    insert_failures,
    lines_of,
    places_of,
    results_in_progress,
    state_of,
    withdraw_call,
)
from engine.journal.operations import OperationRow, insert_operation
from engine.model import ObjectKey
from engine.state.scope import EVERYTHING, Scope
from engine.state.views import Reader

NOBODY = 0  # the poller of results no poller has the object of
MOST_NAMED = 1000  # failures in one answer
_EXPLAINED = 20  # of what is refused: told with similar names, which takes milliseconds each
_RETRY_AFTER_S = 5


class Refused(msgspec.Struct, frozen=True):
    """One result that cannot be taken, by its place in the caller's list."""

    index: int
    host: str
    service: str | None
    error: CallerError


@dataclass(slots=True)
class CallPlan:
    """What to store of a call: per poller the lines and their places in the caller's list."""

    lines: dict[int, list[bytes]] = field(default_factory=dict)
    places: dict[int, list[int]] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)

    def check(self) -> None:
        """Raise ResultsRefused, naming every result that cannot be taken."""
        if not self.refused:
            return
        named = [
            {"index": one.index, "host": one.host, "service": one.service, "code": one.error.code, "detail": str(one.error)}
            for one in self.refused[:MOST_NAMED]
        ]
        raise ResultsRefused(
            f"{len(self.refused)} of the results cannot be taken, so none was: mend or leave out those in `refused`,"
            ' or say "partial": true to have the others taken.',
            count=len(self.refused),
            refused=named,
        )


class FailedResult(msgspec.Struct, frozen=True):
    """One result of a call that failed. `index` is its place in the caller's list; without a poller nobody has the object."""

    index: int
    host: str | None
    service: str | None
    poller: str | None
    state: str
    detail: str


class CallPart(msgspec.Struct, frozen=True):
    """What became of the results for one poller; `id` stands where a command's does."""

    id: str
    poller: str | None
    state: State
    final: bool
    total: int
    counts: Counts
    reason: str
    accepted_at: float
    deadline_at: float


class ResultCall(msgspec.Struct, frozen=True):
    """A whole call. `failures` are the first of them; `failed` says how many there are."""

    id: str
    state: State
    final: bool
    accepted_at: float
    total: int
    counts: Counts
    failed: int
    parts: tuple[CallPart, ...]
    failures: tuple[FailedResult, ...]


# --- accepting ----------------------------------------------------------------------------------------------------------------


def plan_call(who: Asked, reader: Reader, pollers: Mapping[int, Poller], results: Sequence[CheckResult]) -> CallPlan:
    """Place, check and encode every result. Raises StatusFileStale while not every core's file was read."""
    plan = CallPlan()
    places = _Places(reader, who, pollers)
    for index, result in enumerate(results):
        try:
            found = places.found(result.target, explain=len(plan.refused) < _EXPLAINED)
            check_objects(reader, who.caller, [found.key])
            line = result_line(who, found, result)
        except CallerError as error:
            plan.refused.append(Refused(index, result.target.host, result.target.service, error))
            continue
        plan.lines.setdefault(found.key.poller, []).append(line)
        plan.places.setdefault(found.key.poller, []).append(index)
    return plan


class _Places:
    """Objects to pollers, for thousands: each host is looked up once, and nothing but the poller's number is read."""

    def __init__(self, reader: Reader, who: Asked, pollers: Mapping[int, Poller]) -> None:
        self._connection = reader.connection
        self._pollers = pollers
        self._resolver = Resolver(reader, who.caller.scope, pollers)
        self._views = self._resolver.visible()
        where, self._scope_values = who.caller.scope.sql("h.poller", "h.name")
        self._host_query = f"SELECT h.poller FROM state.host h WHERE h.name = ? AND h.poller = ? AND ({where})"
        seen, self._service_values = who.caller.scope.sql("s.poller", "s.host_name", "s.description")
        named = "s.poller = ? AND s.host_name = ? AND s.description = ?"
        self._service_query = f"SELECT 1 FROM state.service s WHERE {named} AND ({seen})"
        self._single = who.caller.scope.rights is not None  # services may be seen whose hosts are not
        self._hosts: dict[str, list[int]] = {}

    def found(self, target: Target, *, explain: bool) -> Found:
        numbers = list(self._views) if self._single and target.service is not None else self._host(target.host)
        if target.poller is not None:
            numbers = [number for number in numbers if number == target.poller]
        if target.service is not None:
            numbers = [number for number in numbers if self._has_service(number, target.host, target.service)]
        if len(numbers) != 1:
            return self._explained(target, explain)
        (number,) = numbers
        return Found(ObjectKey(number, target.host, target.service), self._pollers[number], self._views[number], None)

    def _explained(self, target: Target, explain: bool) -> Found:
        if explain:
            return self._resolver.one(target)
        label = target.host if target.service is None else f"{target.host} / {target.service}"
        raise UnknownObject(f"{label} is unknown, or stands on several pollers.", host=target.host, service=target.service)

    def _host(self, host: str) -> list[int]:
        known = self._hosts.get(host)
        if known is None:
            query = self._connection.execute
            known = self._hosts[host] = [
                number for number in self._views if query(self._host_query, (host, number, *self._scope_values)).fetchone()
            ]
        return known

    def _has_service(self, number: int, host: str, service: str) -> bool:
        given = (number, host, service, *self._service_values)
        return self._connection.execute(self._service_query, given).fetchone() is not None


class StoredPart(msgspec.Struct, frozen=True):
    """One poller's part of an accepted call, ready to be stored."""

    row: CallRow
    payload: Payload
    failures: tuple[Failure, ...] = ()


def stored_parts(who: Asked, plan: CallPlan, operation: str, new_id: Callable[[], str]) -> list[StoredPart]:
    """The rows of a call, compressed before any lock is held."""
    parts = [
        StoredPart(_row(who, operation, new_id(), number, len(lines)), Payload.of(lines, plan.places[number]))
        for number, lines in sorted(plan.lines.items())
    ]
    if plan.refused:
        failures = tuple(Failure(n, n, State.REFUSED, str(one.error)) for n, one in enumerate(plan.refused))
        row = _row(who, operation, new_id(), NOBODY, len(failures))
        parts.append(StoredPart(row, Payload.of([], [one.index for one in plan.refused]), failures))
    return parts


def _row(who: Asked, operation: str, call_id: str, poller: int, total: int) -> CallRow:
    caller = who.caller
    nobody = poller == NOBODY
    return CallRow(
        seq=0,
        id=call_id,
        operation=operation,
        poller=poller,
        user=caller.user,
        address=caller.address,
        token=caller.token,
        accepted_at=who.now,
        updated_at=who.now,
        deadline_at=who.now + who.settings.ttl_passive_result_s,
        after_command=0,
        total=total,
        open=not nobody,
        counts=Counts(refused=total) if nobody else Counts(accepted=total),
    )


def store_call(
    operation: OperationRow, parts: Sequence[StoredPart], settings: Settings, connection: sqlite3.Connection
) -> Written[str]:
    """Store an accepted call, the whole or nothing; returns its id.

    Raises TooManyResults when a poller has too many under way already.
    """
    most = settings.results_under_way
    insert_operation(connection, operation)
    for part in parts:
        if part.row.open and results_in_progress(connection, part.row.poller) + part.row.total > most:
            raise TooManyResults(
                f"The core has not caught up: with these, more than {most} results would be under way for one poller."
                " Nothing was accepted: ask again in a moment.",
                limit=most,
                retry_after_s=_RETRY_AFTER_S,
            )
        insert_call(connection, part.row, part.payload)
        insert_failures(connection, part.row.id, part.failures)
    return Written(operation.id, frozenset(part.row.poller for part in parts if part.row.open))


def withdraw_call_of_results(connection: sqlite3.Connection, caller: Caller, call_id: str, now: float) -> Written[str]:
    """Withdraw what of a call no core was sent anything of, part by part. Raises UnknownObject, NotPossible where there is none.

    Somebody else's is not withdrawn by who has rights for single objects: what of these a call is about would have to be asked.
    """
    rows = [row for row in calls_of(connection, call_id) if may_see(caller, row)]
    if not rows:
        raise UnknownObject(f"There is no call of results {call_id!r}.", id=call_id)
    if caller.rights is not None and any(row.user != caller.user for row in rows):
        raise Forbidden("Results of somebody else are withdrawn by those only whom no cgi.cfg limits.")
    pollers = {row.poller for row in rows if withdraw_call(connection, row, caller.user, now)}
    if not pollers:
        raise NotPossible(
            "Some of these results were written, or are being written: only a call of which nothing was can be withdrawn.",
            id=call_id,
        )
    return Written(call_id, frozenset(pollers), tuple(row.id for row in rows if row.poller in pollers))


# --- showing ------------------------------------------------------------------------------------------------------------------


def call_shown(
    connection: sqlite3.Connection, caller: Caller, call_id: str, pollers: Mapping[int, Poller], offset: int = 0
) -> ResultCall | None:
    """A call as its sender sees it (or whoever sees everything); None when there is none. Failures from `offset` on."""
    rows = [row for row in calls_of(connection, call_id, "journal") if may_see(caller, row)]
    if not rows:
        return None
    counts = Counts(*(sum(getattr(row.counts, one.name) for row in rows) for one in fields(Counts)))
    failures: list[FailedResult] = []
    for row in rows:
        failures += _failures(connection, row, pollers, offset + MOST_NAMED)
    failures.sort(key=lambda one: one.index)
    total = sum(row.total for row in rows)
    final = not any(row.open for row in rows)
    return ResultCall(
        id=call_id,
        state=state_of(counts, total, final, any(row.held for row in rows)),
        final=final,
        accepted_at=min(row.accepted_at for row in rows),
        total=total,
        counts=counts,
        failed=counts.failed,
        parts=tuple(_part(row, pollers) for row in rows),
        failures=tuple(failures[offset : offset + MOST_NAMED]),
    )


def standings(connection: sqlite3.Connection, call_ids: Sequence[str]) -> dict[str, tuple[State, bool]]:
    """Where each row of a call stands, and whether that is final."""
    found = [row for call_id in call_ids for row in calls_of(connection, call_id, "journal")]
    return {row.id: (state_of(row.counts, row.total, not row.open, row.held), not row.open) for row in found}


def may_see(caller: Caller, row: CallRow) -> bool:
    """Their sender sees them, as far as the pollers reach to which the token in hand is limited; who sees everything sees all."""
    reached = row.poller == NOBODY or Scope(pollers=caller.scope.pollers).allows(row.poller, ())
    return caller.scope == EVERYTHING or (row.user == caller.user and reached)


def _part(row: CallRow, pollers: Mapping[int, Poller]) -> CallPart:
    state = state_of(row.counts, row.total, not row.open, row.held)
    poller = _poller_name(row, pollers)
    return CallPart(row.id, poller, state, not row.open, row.total, row.counts, row.reason, row.accepted_at, row.deadline_at)


def _poller_name(row: CallRow, pollers: Mapping[int, Poller]) -> str | None:
    if row.poller == NOBODY:
        return None
    return pollers[row.poller].name if row.poller in pollers else str(row.poller)


def _failures(connection: sqlite3.Connection, row: CallRow, pollers: Mapping[int, Poller], most: int) -> list[FailedResult]:
    if not row.counts.failed:
        return []
    lines = lines_of(connection, row.id, "journal")
    places = places_of(connection, row.id, "journal")
    found: list[FailedResult] = []
    for failure in failures_of(connection, row.id, "journal", most):
        for n in range(failure.first, min(failure.last + 1, failure.first + most - len(found))):
            host, service = _object_of(lines[n]) if lines else (None, None)
            place = places[n] if places is not None else n
            found.append(FailedResult(place, host, service, _poller_name(row, pollers), str(failure.state), failure.words))
    return found


def _object_of(line: bytes) -> tuple[str, str | None]:
    name, host, service, _ = line.partition(b"] ")[2].decode().split(";", 3)
    return host, service if name == "PROCESS_SERVICE_CHECK_RESULT" else None
