"""Commands as people see them: their life with its steps, and what to do next. Reads journal.db through a reader."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from engine.commands.catalogue import ROWS, row_of
from engine.commands.lifecycle import State, is_final
from engine.commands.row import MEMBERS
from engine.config import Poller
from engine.desk.values import EntryFilter, Life, Page, Step
from engine.desk.waiting import Standing
from engine.errors import InvalidField
from engine.journal.commands import COMMAND_COLUMNS, CommandRow, command_row
from engine.journal.operations import UNSENT
from engine.state.scope import Scope

# The commands an operation made or joined; twice its id.
OF_OPERATION = "(c.operation = ? OR c.id IN (SELECT j.command_id FROM journal.operation_joined j WHERE j.operation = ?))"
# The call of another one may still be answered with a refusal.
STORED_WHOLE = f"c.operation NOT IN ({UNSENT})"
_CHUNK = 500  # host parameters per query


def standings_of(connection: sqlite3.Connection, command_ids: Sequence[str]) -> dict[str, Standing]:
    """Where each command stands; ids nobody knows are left out."""
    found: dict[str, Standing] = {}
    for part in _chunks(command_ids):
        query = f"SELECT id, state, watch_from IS NOT NULL FROM journal.command WHERE id IN ({','.join('?' * len(part))})"
        for command_id, state, watched in connection.execute(query, part):
            found[command_id] = Standing(State(state), is_final(State(state), bool(watched)))
    return found


def lives_of(
    connection: sqlite3.Connection, scope: Scope, command_ids: Sequence[str], pollers: Mapping[int, Poller], user: str = ""
) -> dict[str, Life]:
    """The lives of these commands; those unknown or out of scope are left out."""
    where, values = scoped_commands(scope, user)
    where = f"({where}) AND {STORED_WHOLE}"
    rows: list[CommandRow] = []
    for part in _chunks(command_ids):
        query = f"SELECT {COMMAND_COLUMNS} FROM journal.command c WHERE id IN ({','.join('?' * len(part))}) AND {where}"
        rows += map(command_row, connection.execute(query, [*part, *values]))
    return {life.id: life for life in _lives(connection, rows, pollers)}


def scoped_commands(scope: Scope, user: str) -> tuple[str, list[object]]:
    """Commands on objects within scope, and those on groups and cores that the user sent (no objects) to pollers within it."""
    where, values = scope.sql("c.poller", "c.host", "c.service")
    on_pollers, numbers = Scope(pollers=scope.pollers).sql("c.poller", "c.host")
    return f"({where}) OR (c.host = '' AND c.user = ? AND {on_pollers})", [*values, user, *numbers]


def page_of_lives(
    connection: sqlite3.Connection, scope: Scope, which: EntryFilter, pollers: Mapping[int, Poller], user: str = ""
) -> Page[Life]:
    """Commands within scope, newest first. Raises InvalidField for a state there is not."""
    conditions, values = _conditions(scope, which, user)
    where = " AND ".join(conditions)
    (total,) = connection.execute(f"SELECT count(*) FROM journal.command c WHERE {where}", values).fetchone()
    query = f"SELECT {COMMAND_COLUMNS} FROM journal.command c WHERE {where} ORDER BY c.seq DESC LIMIT ? OFFSET ?"
    found = connection.execute(query, [*values, max(0, which.limit), max(0, which.offset)])
    return Page(tuple(_lives(connection, [command_row(row) for row in found], pollers)), int(total))


def _conditions(scope: Scope, which: EntryFilter, user: str) -> tuple[list[str], list[object]]:
    scoped, values = scoped_commands(scope, user)
    conditions = [f"({scoped})", STORED_WHOLE]
    if which.state is not None:
        if which.state not in set(State):
            raise InvalidField(f"There is no state {which.state!r}: {', '.join(State)}.", field="state")
        conditions.append("c.state = ?")
        values.append(which.state)
    if which.kind is not None:
        names = [row.name for row in ROWS if row.entry_kind == which.kind]
        conditions.append(f"c.name IN ({','.join('?' * len(names))})")
        values += names
    for column in ("poller", "host", "service"):
        wanted = getattr(which, column)
        if wanted is not None:
            conditions.append(f"c.{column} = ?")
            values.append(wanted)
    if which.operation is not None:
        conditions.append(OF_OPERATION)
        values += [which.operation, which.operation]
    if which.services is not None:
        conditions.append("c.service <> ''" if which.services else "c.service = ''")
    return conditions, values


def _lives(connection: sqlite3.Connection, rows: Sequence[CommandRow], pollers: Mapping[int, Poller]) -> list[Life]:
    steps: dict[str, list[Step]] = {row.id: [] for row in rows}
    for part in _chunks(list(steps)):
        marks = ",".join("?" * len(part))
        query = f"SELECT command_id, state, at, evidence, late FROM journal.step WHERE command_id IN ({marks}) ORDER BY seq"
        for command_id, state, at, evidence, late in connection.execute(query, part):
            steps[command_id].append(Step(state, at, evidence, bool(late)))
    return [_life(row, tuple(steps[row.id]), pollers.get(row.poller)) for row in rows]


def _life(row: CommandRow, steps: tuple[Step, ...], poller: Poller | None) -> Life:
    return Life(
        id=row.id,
        command=row.name,
        poller=row.poller,
        poller_name=poller.name if poller else str(row.poller),
        host=row.host,
        service=row.service or None,
        arguments={name: value for name, value in row.arguments.items() if name != MEMBERS},
        state=str(row.state),
        final=is_final(row.state, row.watch_from is not None),
        reason=row.reason,
        advice=advice(row, poller),
        accepted_at=row.accepted_at,
        updated_at=row.updated_at,
        deadline_at=row.deadline_at,
        user=row.user,
        author=row.author,
        entry_id=row.entry_id,
        effect_pending=row.state is State.PROCESSED and row.watch_from is not None,
        steps=steps,
        line=(row.line or b"").decode("utf-8", "replace").rstrip("\n"),
        created_core_ids=row.core_ids,
        cause=row.cause,
        duplicates=row.duplicates,
        operation=row.operation,
    )


def _chunks(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]


# --- what to do next ----------------------------------------------------------------------------------------------------------


def advice(row: CommandRow, poller: Poller | None) -> str:
    """One sentence for a tired operator: what to do next; empty where nothing is to be done."""
    core = poller.name if poller else f"poller {row.poller}"
    pipe = str(poller.command_file) if poller else "its command file"
    again = _repeating(row)
    match row.state:
        case State.CONFIRMED | State.CANCELLED:
            return ""
        case State.ACCEPTED | State.WRITING:
            return _on_its_way(pipe, again)
        case State.HELD:
            until = datetime.fromtimestamp(row.deadline_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            return (
                f"Start the core of {core}: it is not reading {pipe}; the command goes out by itself when it does, and is given"
                f" up at {until} (cancel it if it is no longer wanted); {again}."
            )
        case State.WRITTEN:
            return (
                f"Wait: it stands in {pipe} and the core of {core} has not shown yet that it read it; if it stays so, see whether"
                f" that core hangs and its log is written; {again}."
            )
        case State.PROCESSED if row.watch_from is None:
            return ""
        case State.PROCESSED:
            every = f" (every {poller.status_update_interval_s:g} s)" if poller else ""
            return f"Nothing to do: {core} executed it, and the next status file{every} will show the effect; {again}."
        case State.PARTIAL:
            return "See in the evidence which objects show the effect and which do not, and ask again for those."
        case State.REFUSED:
            return f"Read in the evidence why {core} refused it, mend that, and ask again; nothing was changed."
        case State.NO_EFFECT:
            return (
                f"Look at the object on {core}: the command was executed and its effect is not there; the reason and the core's log"
                " say what is known; if it is still wanted, ask again."
            )
        case State.EXPIRED if row.reason.startswith("overtaken"):
            return "Look at the object as it is now: it changed before the command could be sent, so nothing was sent; ask anew."
        case State.EXPIRED:
            return f"Nothing was sent: see why the core of {core} did not read {pipe}, then ask again if it is still wanted."
        case State.LOST_BY_CORE:
            return (
                f"Ask again if it is still wanted: {core} crashed and had not saved it; what reapply_lost names is asked again by"
                " itself, see the commands whose cause names this one."
            )
        case State.UNKNOWN:
            return (
                f"Look on {core} whether the effect is there, for neither proof nor disproof of what was written into {pipe} can be"
                " had; the reason says why; only if it is not there, ask again."
            )


def advice_when_accepted(poller: Poller, repeatable: bool) -> str:
    """The same of a command that was just stored."""
    return _on_its_way(str(poller.command_file), _SAFE if repeatable else _COUNTS)


def _on_its_way(pipe: str, again: str) -> str:
    look = "see whether the core reads its command file (`/v1/pollers`) and whether the engine process runs"
    return f"Wait a moment, it is on its way into {pipe}; if it stays so, {look}; {again}."


# Of a deletion: the command that would have made it was withdrawn, so that there is nothing left to send.
NEVER_SENT = "what it was to delete had not been sent yet and was withdrawn"


def is_never_sent(life: Life) -> bool:
    """A deletion that has reached all it was asked for: the core never saw what it was to delete."""
    return life.state == State.CANCELLED and life.reason == NEVER_SENT


_SAFE = "repeating the request is safe"
_COUNTS = "do not repeat the request meanwhile, each result counts"


def _repeating(row: CommandRow) -> str:
    return _SAFE if is_repeatable(row.name, row.twin_key) else _COUNTS


def is_repeatable(name: str, twin_key: str | None) -> bool:
    """Repeats of what makes an entry join this command; repeats of what is idempotent change nothing."""
    if twin_key is not None:
        return True
    known = row_of(name)
    return known is not None and known.idempotent
