"""Calls of many requests stored together: most need nothing but rows of their own, and few statements hold the rows of all.

Theory of operation. Inside the journal's write transaction it is looked up, for all calls at once, which orders may have a twin
and which Idempotency-Keys are known. A call that has neither, whose orders are all taken for granted, and that shares nothing
with another of these calls, is *plain*: its rows are made here, those of all plain calls go in table by table. Any other is left
to `Accept.orders`, which looks closer and sees what was stored here. So both ways come to the same, and what is stored of a call
is said once (`Accept.rows`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from engine.commands.lifecycle import SUCCEEDED, UNFINISHED
from engine.desk.accept import Accept, Rows, minted
from engine.desk.once import Receipts, key_and_audit, once, packed_answer
from engine.desk.orders import Order
from engine.desk.writer import Work, Written
from engine.journal.audit import AuditRow, insert_audit
from engine.journal.commands import insert_new
from engine.journal.history import insert_entries
from engine.journal.operations import insert_operation, insert_operations
from engine.journal.requests import KeyRow, insert_keys, known_keys


class Call(msgspec.Struct, frozen=True):
    """The work that stores one call's orders, the whole or nothing. `accept.operation` says how many they are."""

    accept: Accept
    orders: Sequence[Order]

    def __call__(self, connection: sqlite3.Connection) -> Written[Receipts]:
        """Store it alone."""
        operation = self.accept.operation

        def whole(connection: sqlite3.Connection) -> Written[Receipts]:
            insert_operation(connection, operation)
            return self.accept.orders(connection, self.orders)

        return once(self.accept.who.caller, operation.id, self.accept.who.now, Receipts, whole)(connection)

    @property
    def key(self) -> tuple[str, str] | None:
        """Whose Idempotency-Key it brings, and which."""
        caller = self.accept.who.caller
        return (caller.user, caller.request.key) if caller.request is not None and caller.request.key else None

    def is_plain(self) -> bool:
        """Seen by itself, is everything taken for granted?"""
        return all(is_plain(self.accept, order) for order in self.orders)


def is_plain(accept: Accept, order: Order) -> bool:
    """Nothing has to be looked up for it but whether it has a twin."""
    return order.refusal is None and order.deletes is None and order.found.key.poller not in accept.away


def store_together(connection: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[Written[Any] | None]:
    """Store the plain calls among these works; None for each other work."""
    calls = {place: work for place, work in enumerate(works) if isinstance(work, Call) and work.is_plain()}
    plain = _apart(connection, calls)
    done: list[Written[Any] | None] = [None] * len(works)
    if not plain:
        return done
    ids = minted(connection, [order for call in plain.values() for order in call.orders])
    rows = Rows()
    keys: list[KeyRow] = []
    audits: list[AuditRow] = []
    for place, call in plain.items():
        receipts = call.accept.rows(call.orders, ids, rows)
        done[place] = Written(receipts, frozenset(order.found.key.poller for order in call.orders))
        answer = packed_answer(call.accept.who.caller, receipts)
        key, audit = key_and_audit(call.accept.who.caller, call.accept.operation.id, call.accept.who.now, answer)
        keys += [key] if key is not None else ()
        audits += [audit] if audit is not None else ()
    insert_operations(connection, [call.accept.operation for call in plain.values()])
    insert_entries(connection, rows.entries)
    insert_new(connection, rows.commands)
    insert_keys(connection, keys)
    insert_audit(connection, audits)
    return done


def _apart(connection: sqlite3.Connection, calls: dict[int, Call]) -> dict[int, Call]:
    """Those that share neither a twin nor a key with what is stored, nor with a call before them."""
    asked = {order.twin.key for call in calls.values() if not call.accept.who.force for order in call.orders if order.twin}
    stored = twins_among(connection, list(asked))
    keys = known_keys(connection, [call.key for call in calls.values() if call.key is not None])
    apart: dict[int, Call] = {}
    said: set[str] = set()
    for place, call in calls.items():
        own = [order.twin.key for order in call.orders if order.twin is not None]
        is_new = call.accept.who.force or (said.isdisjoint(own) and stored.isdisjoint(own))
        if is_new and len(set(own)) == len(own) and call.key not in keys:
            apart[place] = call
        said.update(own)
        if call.key is not None:
            keys.add(call.key)
    return apart


def twins_among(connection: sqlite3.Connection, keys: Sequence[str]) -> set[str]:
    """Those of these keys that commands have which an order may join."""
    states = [str(state) for state in UNFINISHED | SUCCEEDED]
    query = (
        "SELECT twin_key FROM command WHERE twin_key IN (SELECT value FROM json_each(?))"
        f" AND state IN ({','.join('?' * len(states))})"
    )
    return {key for (key,) in connection.execute(query, [orjson.dumps(keys).decode(), *states])} if keys else set()
