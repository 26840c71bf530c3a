"""Inside one journal transaction: twins are joined, ids minted, commands and entries stored, or an unwritten command is withdrawn.

Every function re-reads what it decides on from the connection it is given, so that two desks that are asked the same at once come
to one command.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.commands.catalogue import known_row
from engine.commands.lifecycle import SUCCEEDED, UNFINISHED, UNWRITTEN, State
from engine.desk.checks import Asked
from engine.desk.orders import Order, same_meaning
from engine.desk.values import Caller, Receipt
from engine.desk.writer import Written
from engine.errors import NotPossible, PollerAway, UnknownObject
from engine.journal.history import EntryRow, entries, entries_of, entry_by_id, insert_entry, update_entry
from engine.journal.identities import next_ids
from engine.journal.store import COMMAND_COLUMNS, CommandRow, command_by_id, command_row, insert_command, move

_SAME_WINDOW_S = 60
_SAME_SECOND_S = 1.5  # the log lane and the status file may differ by one in the second of a state change


@dataclass(frozen=True, slots=True)
class Accept:
    """One call's orders, or a slice of them. `away`: pollers nobody reads for; only what must be sent is refused for it."""

    who: Asked
    operation: str
    new_id: Callable[[], str]
    away: Mapping[int, PollerAway]

    def orders(self, connection: sqlite3.Connection, orders: Sequence[Order]) -> Written[tuple[Receipt, ...]]:
        """Store what is new, join what has a twin; the whole or nothing. Raises what an order is refused for, PollerAway."""
        receipts = tuple(self._one(connection, order) for order in orders)
        return Written(receipts, frozenset(receipt.poller for receipt in receipts if not receipt.joined))

    def check(self, connection: sqlite3.Connection, orders: Sequence[Order]) -> Written[None]:
        """Raise what `orders` would raise, storing nothing: before the first of several slices."""
        for order in orders:
            if self._joined(connection, order) is None:
                self._raise_refusal(connection, order)
        return Written(None)

    def removals(self, connection: sqlite3.Connection, orders: Sequence[Order]) -> Written[tuple[Receipt, ...]]:
        """Take back whichever acknowledgement stands on each object; one that was not sent yet is withdrawn."""
        results = [self._removal(connection, order) for order in orders]
        moved = tuple(command_id for result in results for command_id in result.moved)
        return Written(tuple(result.value for result in results), frozenset().union(*(r.pollers for r in results)), moved)

    def _removal(self, connection: sqlite3.Connection, order: Order) -> Written[Receipt]:
        standing = _standing_acknowledgement(connection, order)
        row = order.found.row
        if standing is not None and not (row is not None and row.acknowledged):
            withdrawn = self._withdrawn(connection, standing)
            if withdrawn is not None:
                return withdrawn
        receipt = self._one(connection, replace(order, deletes=standing.id if standing else None))
        return Written(receipt, frozenset({receipt.poller}))

    def deletion(self, connection: sqlite3.Connection, order: Order, entry_id: int) -> Written[tuple[Receipt, ...]]:
        """Delete an entry: withdraw its unwritten command, join a deletion under way, or store a new one.

        Raises NotPossible when it stands no more.
        """
        entry = entry_by_id(connection, entry_id)
        if entry is None or not entry.present:
            raise ended(entry, entry_id)
        withdrawn = self._withdrawn(connection, entry)
        if withdrawn is not None:
            return Written((withdrawn.value,), withdrawn.pollers, withdrawn.moved)
        return self.orders(connection, [order])

    def _withdrawn(self, connection: sqlite3.Connection, entry: EntryRow) -> Written[Receipt] | None:
        """Withdraw the command that makes just this entry, if it was not written yet."""
        command = command_by_id(connection, entry.command_id) if entry.command_id else None
        if command is None or command.state not in UNWRITTEN or len(entries_of(connection, command.id)) != 1:
            return None
        withdraw(connection, command, self.who.caller, self.who.now)
        receipt = replace(
            _receipt(command, entry.id, notes=("It had not been sent yet: its command was withdrawn.",)), withdrawn=True
        )
        return Written(receipt, frozenset({entry.poller}), (command.id,))

    def _one(self, connection: sqlite3.Connection, order: Order) -> Receipt:
        twin = self._joined(connection, order)
        if twin is not None:
            return _receipt(twin, twin.entry_id, joined=True)
        self._raise_refusal(connection, order)
        return self._insert(connection, order)

    def _joined(self, connection: sqlite3.Connection, order: Order) -> CommandRow | None:
        return _twin(connection, order, self.who.settings.twin_window_s) or _same_deletion(connection, order)

    def _raise_refusal(self, connection: sqlite3.Connection, order: Order) -> None:
        if order.refusal is not None and not _is_excused(connection, order):
            raise order.refusal
        away = self.away.get(order.found.key.poller)
        if away is not None:
            raise away

    def _insert(self, connection: sqlite3.Connection, order: Order) -> Receipt:
        key = order.found.key
        command_id = self.new_id()
        ids = next_ids(connection, key.poller, "entry", len(order.entries)) if order.entries else []
        for draft, entry_id in zip(order.entries, ids, strict=True):
            insert_entry(connection, replace(draft, id=entry_id, command_id=command_id))
        command = _command(order, self.who.caller, command_id, self.operation, ids[0] if ids else order.deletes)
        insert_command(connection, command)
        return _receipt(command, command.entry_id, notes=order.notes)


def withdraw(connection: sqlite3.Connection, command: CommandRow, caller: Caller, now: float) -> None:
    """End a command before it is written; what it would have made is gone. Raises NotPossible when it was written."""
    if command.state not in UNWRITTEN:
        raise NotPossible(
            f"The command is {command.state}: only one that was not written yet can be withdrawn."
            + (" Delete what it made instead." if known_row(command.name).entry_kind and command.state in UNFINISHED else ""),
            command=command.id,
            state=str(command.state),
        )
    move(connection, command, State.CANCELLED, now, reason=f"withdrawn by {caller.user}")
    for entry in entries_of(connection, command.id):
        update_entry(connection, entry.id, present=0, cancelled=1, deleted_at=now, deleted_by=caller.user)


def withdraw_by_id(connection: sqlite3.Connection, command_id: str, caller: Caller, now: float) -> Written[None]:
    """The same by id. Raises UnknownObject."""
    command = command_by_id(connection, command_id)
    if command is None:
        raise UnknownObject(f"There is no command {command_id}.", id=command_id)
    withdraw(connection, command, caller, now)
    return Written(None, frozenset({command.poller}), (command.id,))


def withdraw_all(connection: sqlite3.Connection, command_ids: Sequence[str], caller: Caller, now: float) -> Written[None]:
    """Take back the first slices of an operation whose later slice could not be stored."""
    commands = [command_by_id(connection, command_id) for command_id in command_ids]
    unwritten = [command for command in commands if command is not None and command.state in UNWRITTEN]
    for command in unwritten:
        withdraw(connection, command, caller, now)
    return Written(None, frozenset(command.poller for command in unwritten), tuple(command.id for command in unwritten))


def ended(entry: EntryRow | None, entry_id: int) -> NotPossible:
    """Why an entry that stands no more cannot be deleted."""
    kind = entry.kind if entry is not None else "entry"
    how = "was cancelled already" if entry is not None and entry.cancelled else "has ended already"
    return NotPossible(f"The {kind} {entry_id} {how}: there is nothing to delete.", id=entry_id)


def _twin(connection: sqlite3.Connection, order: Order, window_s: float) -> CommandRow | None:
    """The newest command that asked for the same and is under way, or succeeded lately and what it made still stands."""
    if order.twin is None:
        return None
    states = [str(state) for state in UNFINISHED | SUCCEEDED]
    found = connection.execute(
        f"SELECT {COMMAND_COLUMNS} FROM command WHERE twin_key = ? AND state IN ({','.join('?' * len(states))})"
        " AND (? IS NULL OR (abs(twin_start - ?) <= ? AND abs(twin_end - ?) <= ?)) ORDER BY seq DESC",
        [
            order.twin.key,
            *states,
            order.twin.start,
            order.twin.start,
            _SAME_WINDOW_S,
            order.twin.end,
            _SAME_WINDOW_S,
        ],
    ).fetchall()
    return next((twin for twin in map(command_row, found) if _is_twin(connection, order, twin, window_s)), None)


def _is_twin(connection: sqlite3.Connection, order: Order, twin: CommandRow, window_s: float) -> bool:
    if not same_meaning(order.row, order.arguments, twin.arguments) or not _is_same_problem(order, twin):
        return False
    if twin.state not in UNFINISHED and order.accepted_at - twin.updated_at > window_s:
        return False
    made = entries_of(connection, twin.id)
    if twin.state in SUCCEEDED and not all(entry.present for entry in made):
        return False
    return not any(_deletion_under_way(connection, entry.id) for entry in made)


def _is_same_problem(order: Order, twin: CommandRow) -> bool:
    """An acknowledgement belongs to one problem: after a recovery the next one needs its own. Sticky ones outlive other changes."""
    if order.seen_state_change is None or twin.seen_state_change is None:
        return True
    if abs(order.seen_state_change - twin.seen_state_change) <= _SAME_SECOND_S:
        return True
    row = order.found.row
    still_stands = row is not None and bool(row.acknowledged) and twin.state in SUCCEEDED
    return still_stands and bool(order.arguments.get("sticky"))


def _same_deletion(connection: sqlite3.Connection, order: Order) -> CommandRow | None:
    return _deletion_under_way(connection, order.deletes) if order.deletes is not None else None


def _deletion_under_way(connection: sqlite3.Connection, entry_id: int) -> CommandRow | None:
    """The unfinished command that removes an entry. (The one that makes it has the same entry_id, but made the entry.)"""
    states = [str(state) for state in UNFINISHED]
    found = connection.execute(
        f"SELECT {COMMAND_COLUMNS} FROM command WHERE entry_id = ? AND state IN ({','.join('?' * len(states))})"
        " AND id IS NOT (SELECT command_id FROM entry WHERE id = ?) ORDER BY seq DESC LIMIT 1",
        [entry_id, *states, entry_id],
    ).fetchone()
    return command_row(found) if found else None


def _standing_acknowledgement(connection: sqlite3.Connection, order: Order) -> EntryRow | None:
    key = order.found.key
    where = "poller = ? AND host = ? AND service = ? AND kind = 'acknowledgement' AND present = 1 ORDER BY id DESC LIMIT 1"
    found = entries(connection, where, (key.poller, key.host, key.service or ""))
    return found[0] if found else None


def _is_excused(connection: sqlite3.Connection, order: Order) -> bool:
    """Is a command of ours under way for the object that makes what is asked possible?"""
    if not order.excused_by:
        return False
    key = order.found.key
    names, states = sorted(order.excused_by), [str(state) for state in UNFINISHED]
    query = (
        "SELECT 1 FROM command WHERE poller = ? AND host = ? AND service = ?"
        f" AND name IN ({','.join('?' * len(names))}) AND state IN ({','.join('?' * len(states))}) LIMIT 1"
    )
    return connection.execute(query, [key.poller, key.host, key.service or "", *names, *states]).fetchone() is not None


def _command(order: Order, caller: Caller, command_id: str, operation: str, entry_id: int | None) -> CommandRow:
    key = order.found.key
    return CommandRow(
        seq=0,
        id=command_id,
        operation=operation,
        name=order.row.name,
        poller=key.poller,
        host=key.host,
        service=key.service or "",
        arguments=order.arguments,
        state=State.ACCEPTED,
        reason="",
        accepted_at=order.accepted_at,
        updated_at=order.accepted_at,
        deadline_at=order.deadline_at,
        entry_id=entry_id,
        twin_key=order.twin.key if order.twin else None,
        twin_start=order.twin.start if order.twin else None,
        twin_end=order.twin.end if order.twin else None,
        seen_state_change=order.seen_state_change,
        author=order.author,
        user=caller.user,
        address=caller.address,
        token=caller.token,
        epoch=None,
        line=None,
        batch=None,
        attempts=0,
        executed_at=None,
        watch_from=None,
        core_ids=(),
    )


def _receipt(command: CommandRow, entry_id: int | None, joined: bool = False, notes: tuple[str, ...] = ()) -> Receipt:
    service = command.service or None
    return Receipt(command.id, command.name, command.poller, command.host, service, entry_id, joined, notes)
