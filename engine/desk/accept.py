"""Inside one journal transaction: twins are joined, ids minted, commands and entries stored, or an unwritten command is withdrawn.

Every function re-reads what it decides on from the connection it is given, so that two desks that are asked the same at once come
to one command.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import orjson
from msgspec.structs import replace

from engine.commands.catalogue import Members, known_row
from engine.commands.lifecycle import SUCCEEDED, UNFINISHED, UNWRITTEN, State
from engine.desk.checks import Asked
from engine.desk.lives import NEVER_SENT, is_repeatable
from engine.desk.orders import Order, Twin, same_meaning
from engine.desk.values import Caller, Receipt
from engine.desk.writer import Written
from engine.errors import CallerError, NotPossible, PollerAway, UnknownObject
from engine.journal.audit import link_operation
from engine.journal.commands import COMMAND_COLUMNS, CommandRow, NewCommand, command_by_id, command_row, insert_new, move
from engine.journal.history import (
    EntryRow,
    EntryValues,
    entries,
    entries_of,
    entry_by_id,
    entry_values,
    insert_entries,
    update_entry,
)
from engine.journal.identities import next_ids
from engine.journal.operations import OperationRow, note_joined, unsent_operations

_SAME_WINDOW_S = 60
_SAME_SECOND_S = 1.5  # the log lane and the status file may differ by one in the second of a state change


class Accept(msgspec.Struct, frozen=True):
    """One call's orders, or a slice of them. `away`: pollers nobody reads for; only what must be sent is refused for it.

    `in_slices`: what is stored now may still be withdrawn, so nothing else is withdrawn for it before all of it stands (`spare`).
    """

    who: Asked
    operation: OperationRow
    new_ids: Callable[[int], list[str]]
    away: Mapping[int, PollerAway]
    in_slices: bool = False

    def orders(self, connection: sqlite3.Connection, orders: Sequence[Order]) -> Written[tuple[Receipt, ...]]:
        """Store what is new, join what has a twin; the whole or nothing. Raises what an order is refused for, PollerAway."""
        twins = _Twins.of(connection, orders, self.who, self.operation.id)
        joined: dict[int, CommandRow] = {}
        same: dict[int, int] = {}  # said twice in one call: made once
        fresh: dict[int, Order] = {}
        said: dict[Twin | None, int] = {}
        for place, order in enumerate(orders):
            twin, before = twins.joined(order), said.get(order.twin)
            if twin is not None:
                joined[place] = twin
            elif before is not None and fresh[before].arguments == order.arguments:
                same[place] = before
            else:
                self._raise_refusal(connection, order)
                fresh[place] = order
                if order.twin is not None:
                    said[order.twin] = place
        made = dict(zip(fresh, self._insert(connection, list(fresh.values())), strict=True))
        note_joined(connection, self.operation.id, (twin.id for twin in joined.values() if twin.operation != self.operation.id))
        receipts = {place: _joined(connection, twin, self.operation.id) for place, twin in joined.items()}
        receipts |= made | {place: replace(made[before], joined=True) for place, before in same.items()}
        return Written(tuple(receipts[place] for place in range(len(orders))), frozenset(one.poller for one in made.values()))

    def check(self, connection: sqlite3.Connection, orders: Sequence[Order]) -> None:
        """Raise what `orders` would raise, storing nothing: before the first of several slices. Any reading connection will do."""
        for _, error in refused(connection, orders, self.who, self.away):
            raise error

    def removals(self, connection: sqlite3.Connection, orders: Sequence[Order]) -> Written[tuple[Receipt, ...]]:
        """Take back whichever acknowledgement stands on each object; one that was not sent yet is withdrawn."""

        def withdrawn(order: Order) -> Order | Written[Receipt]:
            standing = _standing_acknowledgement(connection, order)
            row = order.found.row
            if standing is not None and not (row is not None and row.acknowledged):
                done = self._withdrawn(connection, standing)
                if done is not None:
                    return done
            return order._replace(deletes=standing.id if standing else None)

        return self._ordered(connection, [withdrawn(order) for order in orders])

    def deletions(self, connection: sqlite3.Connection, orders: Sequence[Order]) -> Written[tuple[Receipt, ...]]:
        """Delete each order's entry: withdraw its unwritten command, join a deletion under way, or store a new one.

        Raises NotPossible when it stands no more.
        """

        def withdrawn(order: Order) -> Order | Written[Receipt]:
            entry_id = order.deletes or 0
            entry = entry_by_id(connection, entry_id)
            if entry is None or not entry.present:
                raise ended(entry, entry_id)
            return self._withdrawn(connection, entry) or order

        return self._ordered(connection, [withdrawn(order) for order in orders])

    def _ordered(self, connection: sqlite3.Connection, parts: Sequence[Order | Written[Receipt]]) -> Written[tuple[Receipt, ...]]:
        """Store the orders among the parts; what was withdrawn is done."""
        stored = self.orders(connection, [part for part in parts if isinstance(part, Order)])
        receipts = iter(stored.value)
        done = [part for part in parts if isinstance(part, Written)]
        note_joined(connection, self.operation.id, (part.value.command_id for part in done))
        return Written(
            tuple(next(receipts) if isinstance(part, Order) else part.value for part in parts),
            stored.pollers.union(*(part.pollers for part in done)),
            tuple(command_id for part in done for command_id in part.moved),
        )

    def spare(self, connection: sqlite3.Connection, receipts: Sequence[Receipt]) -> Written[None]:
        """Deletions of a call that stands whole: where nothing was sent yet, what would have been deleted is withdrawn instead."""
        moved: list[str] = []
        pollers: set[int] = set()
        for receipt in receipts:
            deletion = command_by_id(connection, receipt.command_id)
            entry = entry_by_id(connection, receipt.entry_id) if receipt.entry_id is not None else None
            if deletion is None or deletion.state not in UNWRITTEN or entry is None or not entry.present:
                continue
            creation = _unwritten_creation(connection, entry)
            if creation is not None:
                withdraw(connection, creation, self.who.caller, self.who.now)
                move(connection, deletion, State.CANCELLED, self.who.now, reason=NEVER_SENT)
                link_operation(connection, self.operation.id, creation.id)
                moved += [creation.id, deletion.id]
                pollers.add(receipt.poller)
        return Written(None, frozenset(pollers), tuple(moved))

    def _withdrawn(self, connection: sqlite3.Connection, entry: EntryRow) -> Written[Receipt] | None:
        """Withdraw the command that makes just this entry, if it was not written yet."""
        command = None if self.in_slices else _unwritten_creation(connection, entry)
        if command is None:
            return None
        withdraw(connection, command, self.who.caller, self.who.now)
        notes = ("It had not been sent yet: its command was withdrawn.",)
        receipt = replace(_receipt(command, entry.id, self.operation.id, notes=notes), withdrawn=True)
        return Written(receipt, frozenset({entry.poller}), (command.id,))

    def _raise_refusal(self, connection: sqlite3.Connection, order: Order) -> None:
        error = _refusal(connection, order, self.away)
        if error is not None:
            raise error

    def _insert(self, connection: sqlite3.Connection, orders: Sequence[Order]) -> tuple[Receipt, ...]:
        rows = Rows()
        receipts = self.rows(orders, minted(connection, orders), rows)
        insert_entries(connection, rows.entries)
        insert_new(connection, rows.commands)
        return receipts

    def rows(self, orders: Sequence[Order], ids: Mapping[int, Iterator[int]], rows: Rows) -> tuple[Receipt, ...]:
        """What is to be stored of orders that are new is added to `rows`. `ids`: minted for their entries, by poller."""
        caller, operation = self.who.caller, self.operation.id
        receipts: list[Receipt] = []
        for order, command_id in zip(orders, self.new_ids(len(orders)), strict=True):
            made = [entry_values(draft, next(ids[draft.poller]), command_id) for draft in order.entries]
            entry_id = made[0][0] if made else order.deletes
            command = _command(order, caller, command_id, operation, entry_id)
            rows.entries += made
            rows.commands.append(command)
            more = tuple([entry[0] for entry in made[1:]]) if len(made) > 1 else ()
            receipts.append(_receipt(command, entry_id, operation, notes=order.notes, more_ids=more))
        return tuple(receipts)


@dataclass(slots=True)
class Rows:
    """What new commands bring into the journal."""

    commands: list[NewCommand] = field(default_factory=list)
    entries: list[EntryValues] = field(default_factory=list)


def refused(
    connection: sqlite3.Connection, orders: Sequence[Order], who: Asked, away: Mapping[int, PollerAway] | None = None
) -> Iterator[tuple[Order, CallerError | PollerAway]]:
    """Which of the orders would be refused now, and why."""
    gone = away or {}
    doubtful = [order for order in orders if order.refusal is not None or order.found.key.poller in gone]
    twins = _Twins.of(connection, doubtful, who)
    for order in doubtful:
        if twins.joined(order) is None and (error := _refusal(connection, order, gone)) is not None:
            yield order, error


def _refusal(connection: sqlite3.Connection, order: Order, away: Mapping[int, PollerAway]) -> CallerError | PollerAway | None:
    if order.refusal is not None and not is_excused(connection, order):
        return order.refusal
    return away.get(order.found.key.poller)


def minted(connection: sqlite3.Connection, orders: Sequence[Order]) -> dict[int, Iterator[int]]:
    """Fresh public ids for the entries of all these orders, by poller."""
    wanted = Counter(draft.poller for order in orders for draft in order.entries)
    return {poller: iter(next_ids(connection, poller, "entry", count)) for poller, count in wanted.items()}


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


def _unwritten_creation(connection: sqlite3.Connection, entry: EntryRow) -> CommandRow | None:
    """The command that makes just this entry, if it was not written yet."""
    command = command_by_id(connection, entry.command_id) if entry.command_id else None
    if command is None or command.state not in UNWRITTEN or len(entries_of(connection, command.id)) != 1:
        return None
    return command


def withdraw_by_id(connection: sqlite3.Connection, command_id: str, caller: Caller, now: float) -> Written[None]:
    """The same by id. Raises UnknownObject."""
    command = command_by_id(connection, command_id)
    if command is None:
        raise UnknownObject(f"There is no command {command_id}.", id=command_id)
    withdraw(connection, command, caller, now)
    return Written(None, frozenset({command.poller}), (command.id,))


def ended(entry: EntryRow | None, entry_id: int) -> NotPossible:
    """Why an entry that stands no more cannot be deleted."""
    kind = entry.kind if entry is not None else "entry"
    how = "was cancelled already" if entry is not None and entry.cancelled else "has ended already"
    return NotPossible(f"The {kind} {entry_id} {how}: there is nothing to delete.", id=entry_id)


class _Twins(msgspec.Struct, frozen=True):
    """What some orders may join: commands that asked for the same, newest first, looked up for all of them at once."""

    connection: sqlite3.Connection
    who: Asked
    by_key: Mapping[str, Sequence[CommandRow]]
    unsent: Collection[str]  # operations of others that may still be withdrawn

    @classmethod
    def of(cls, connection: sqlite3.Connection, orders: Sequence[Order], who: Asked, own: str = "") -> _Twins:
        keys = list({order.twin.key for order in orders if order.twin is not None and not who.force})
        states = [str(state) for state in UNFINISHED | SUCCEEDED]
        query = (
            f"SELECT {COMMAND_COLUMNS} FROM command WHERE twin_key IN (SELECT value FROM json_each(?))"
            f" AND state IN ({','.join('?' * len(states))}) ORDER BY seq DESC"
        )
        by_key: dict[str, list[CommandRow]] = {}
        for row in connection.execute(query, [orjson.dumps(keys).decode(), *states]).fetchall() if keys else ():
            twin = command_row(row)
            by_key.setdefault(str(twin.twin_key), []).append(twin)
        return cls(connection, who, by_key, {one for one in unsent_operations(connection) if one != own})

    def joined(self, order: Order) -> CommandRow | None:
        """The command to join instead of storing the order. Raises NotPossible while it may still be withdrawn."""
        twin = self._twin(order)
        if twin is None and order.deletes is not None:
            twin = _deletion_under_way(self.connection, order.deletes)
        if twin is not None and twin.operation in self.unsent:
            raise NotPossible(
                f"The same is just being stored by operation {twin.operation}: ask again in a moment.", operation=twin.operation
            )
        return twin

    def _twin(self, order: Order) -> CommandRow | None:
        """The newest that is under way, or succeeded lately and what it made still stands."""
        if order.twin is None:
            return None
        window_s = self.who.settings.twin_window_s
        found = self.by_key.get(order.twin.key, ())
        return next((twin for twin in found if _is_twin(self.connection, order, twin, window_s)), None)


def _is_twin(connection: sqlite3.Connection, order: Order, twin: CommandRow, window_s: float) -> bool:
    if not _is_same_window(order, twin):
        return False
    if not same_meaning(order.row, order.arguments, twin.arguments) or not _is_same_problem(order, twin):
        return False
    if twin.state not in UNFINISHED and order.accepted_at - twin.updated_at > window_s:
        return False
    made = entries_of(connection, twin.id)
    if twin.state in SUCCEEDED and not all(entry.present for entry in made):
        return False
    return not any(_deletion_under_way(connection, entry.id) for entry in made)


def _is_same_window(order: Order, twin: CommandRow) -> bool:
    if order.twin is None or order.twin.start is None or order.twin.end is None:
        return True
    if twin.twin_start is None or twin.twin_end is None:
        return False
    return abs(twin.twin_start - order.twin.start) <= _SAME_WINDOW_S and abs(twin.twin_end - order.twin.end) <= _SAME_WINDOW_S


def _is_same_problem(order: Order, twin: CommandRow) -> bool:
    """An acknowledgement belongs to one problem: after a recovery the next one needs its own. Sticky ones outlive other changes."""
    if order.seen_state_change is None or twin.seen_state_change is None:
        return True
    if abs(order.seen_state_change - twin.seen_state_change) <= _SAME_SECOND_S:
        return True
    row = order.found.row
    still_stands = row is not None and bool(row.acknowledged) and twin.state in SUCCEEDED
    return still_stands and bool(order.arguments.get("sticky"))


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


def is_excused(connection: sqlite3.Connection, order: Order) -> bool:
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


def _command(order: Order, caller: Caller, command_id: str, operation: str, entry_id: int | None) -> NewCommand:
    key, twin = order.found.key, order.twin
    return NewCommand(
        command_id,
        operation,
        order.row.name,
        key.poller,
        key.host,
        key.service or "",
        orjson.dumps(order.arguments).decode(),
        order.accepted_at,
        order.accepted_at,
        order.deadline_at,
        entry_id,
        twin.key if twin else None,
        twin.start if twin else None,
        twin.end if twin else None,
        order.seen_state_change,
        order.author,
        caller.user,
        caller.address,
        caller.token,
    )


def _joined(connection: sqlite3.Connection, twin: CommandRow, operation: str) -> Receipt:
    """What is told of a command that was joined."""
    is_single = known_row(twin.name).on is Members.ITSELF
    more = () if is_single else tuple(entry.id for entry in entries_of(connection, twin.id) if entry.id != twin.entry_id)
    return _receipt(twin, twin.entry_id, operation, joined=True, more_ids=more)


def _receipt(
    command: CommandRow | NewCommand,
    entry_id: int | None,
    operation: str,
    *,
    joined: bool = False,
    notes: tuple[str, ...] = (),
    more_ids: tuple[int, ...] = (),
) -> Receipt:
    service = command.service or None
    return Receipt(
        command.id, command.name, command.poller, command.host, service, entry_id, joined, notes, operation,
        repeatable=is_repeatable(command.name, command.twin_key), more_ids=more_ids,
    )  # fmt: skip
