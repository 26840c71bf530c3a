"""Operations as people see them: what one call asked for, and how far each of its commands came. Reads journal.db through a reader.

An operation is seen by who asked for it and by whoever may see one of its objects; counts and targets are of what the caller sees.
With a token that is limited to pollers, what its user asked for with others is seen as far as something of it went to these.
Of a call that is not stored whole only what it joined is counted, as only that is listed: nothing else of it is accepted yet.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from engine.commands.lifecycle import State, is_final
from engine.desk.lives import OF_OPERATION, STORED_WHOLE, scoped_commands
from engine.desk.results import may_see
from engine.desk.values import Caller, EntryFilter, OperationView, Page
from engine.journal.calls import CallRow, calls_of
from engine.journal.operations import OPERATION_COLUMNS, OperationRow
from engine.state.scope import EVERYTHING, Scope


def page_of_operations(connection: sqlite3.Connection, caller: Caller, which: EntryFilter) -> Page[OperationView]:
    """Operations the caller may see, newest first."""
    visible, values = _visible(caller)
    if which.reference is not None:
        visible, values = f"{visible} AND o.reference = ?", [*values, which.reference]
    (total,) = connection.execute(f"SELECT count(*) FROM journal.operation o WHERE {visible}", values).fetchone()
    query = f"SELECT {OPERATION_COLUMNS} FROM journal.operation o WHERE {visible} ORDER BY o.id DESC LIMIT ? OFFSET ?"
    rows = [OperationRow(*row) for row in connection.execute(query, [*values, max(0, which.limit), max(0, which.offset)])]
    return Page(tuple(_view(connection, caller, row) for row in rows), int(total))


def one_operation(connection: sqlite3.Connection, caller: Caller, operation: str) -> OperationView | None:
    """One of them, or None when it is unknown or out of scope."""
    visible, values = _visible(caller)
    query = f"SELECT {OPERATION_COLUMNS} FROM journal.operation o WHERE o.id = ? AND {visible}"
    found = connection.execute(query, [operation, *values]).fetchone()
    return _view(connection, caller, OperationRow(*found)) if found is not None else None


def _visible(caller: Caller) -> tuple[str, list[object]]:
    if caller.scope == EVERYTHING:
        return "1", []
    scoped, values = scoped_commands(caller.scope, caller.user)
    of_it = OF_OPERATION.replace("?", "o.id")
    own, told = _own(caller)
    return f"({own} OR EXISTS (SELECT 1 FROM journal.command c WHERE {of_it} AND ({scoped})))", [*told, *values]


def _own(caller: Caller) -> tuple[str, list[object]]:
    """What the caller asked for, within the pollers of the token in hand."""
    if caller.scope.pollers is None:
        return "o.user = ?", [caller.user]
    reached, numbers = Scope(pollers=caller.scope.pollers).sql("r.poller", "''")
    went = [
        f"EXISTS (SELECT 1 FROM journal.command r WHERE r.operation = o.id AND {reached})",
        f"EXISTS (SELECT 1 FROM journal.operation_joined j JOIN journal.command r ON r.id = j.command_id"
        f" WHERE j.operation = o.id AND {reached})",
        f"EXISTS (SELECT 1 FROM journal.result_call r WHERE r.operation = o.id AND {reached})",
    ]
    return f"(o.user = ? AND ({' OR '.join(went)}))", [caller.user, *numbers, *numbers, *numbers]


def _view(connection: sqlite3.Connection, caller: Caller, row: OperationRow) -> OperationView:
    scoped, values = scoped_commands(caller.scope, caller.user)
    query = (
        "SELECT c.state, c.watch_from IS NOT NULL, c.operation <> ?, count(*) FROM journal.command c"
        f" WHERE {OF_OPERATION} AND {STORED_WHOLE} AND ({scoped}) GROUP BY 1, 2, 3"
    )
    found = connection.execute(query, [row.id, row.id, row.id, *values]).fetchall()
    counts: dict[str, int] = {}
    for state, _, _, count in found:
        counts[state] = counts.get(state, 0) + count
    results = _results(connection, caller, row)
    for call in results:
        for state in State:
            counts[state] = counts.get(state, 0) + getattr(call.counts, state, 0)
    counts = {state: count for state, count in counts.items() if count}
    return OperationView(
        id=row.id,
        action=row.action,
        user=row.user,
        author=row.author,
        reference=row.reference,
        at=row.at,
        storing=str(row.state),
        commands=sum(counts.values()),
        joined=sum(count for _, _, joined, count in found if joined),
        final=_final(found) + sum(call.ended for call in results),
        counts=_ordered(counts),
    )


def _results(connection: sqlite3.Connection, caller: Caller, row: OperationRow) -> list[CallRow]:
    """The rows of a call of results, for who sees them: see engine/desk/results.py."""
    return [call for call in calls_of(connection, row.id, "journal") if may_see(caller, call)]


def _final(found: Sequence[tuple[str, int, int, int]]) -> int:
    return sum(count for state, watched, _, count in found if is_final(State(state), bool(watched)))


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return {str(state): counts[state] for state in State if state in counts}
