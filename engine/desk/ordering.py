"""The way of every call that commands: planned over one snapshot, stored whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from engine.desk.accept import Accept
from engine.desk.bulk import SLICE, whole
from engine.desk.checks import Asked, check_some
from engine.desk.once import Job
from engine.desk.orders import Order
from engine.desk.pollers import pollers_away
from engine.desk.reading import FEW, Reading
from engine.desk.resolve import Found, Named, Resolver
from engine.desk.rights import check_orders
from engine.desk.storable import storable
from engine.desk.values import Receipt, Target
from engine.desk.writer import Written
from engine.errors import PollerAway
from engine.journal.operations import OperationRow
from engine.state.views import NotBrief, Reader

T = TypeVar("T")
Plan = tuple[list[Order], Mapping[int, PollerAway]]  # what to journal, and the pollers nobody reads for
Store = Callable[[Accept], Callable[..., Written[tuple[Receipt, ...]]]]


class Ordering(Reading):
    """From what is asked to receipts. `hold=False`: raise PollerAway, journalling nothing, where a core is not reading."""

    async def _order(
        self,
        who: Asked,
        targets: Sequence[Target],
        make: Callable[[Found], list[Order]],
        hold: bool,
        action: str,
        store: Store = lambda accept: accept.orders,
        *,
        with_services: bool = False,
    ) -> tuple[Receipt, ...]:
        """The way of every command that names its objects."""
        check_some(targets, "targets")

        def plan(reader: Reader, brief: bool = False) -> Plan:
            resolver = Resolver(reader, who.caller.scope, self._pollers, brief)
            found = resolver.all(targets, with_services=with_services)
            orders = [order for each in found for order in make(each)]
            check_orders(reader, who.caller, orders)
            return orders, pollers_away(orders, hold)

        # Whether a core reads its command file is seen by opening it: that may take longer.
        if hold and len(targets) <= FEW and not with_services:
            try:
                briefly = Named(targets, who.caller.scope, lambda reader: self._whole(who, plan(reader, True), store, action))
                return await self._planned(briefly, len(targets))
            except NotBrief:
                pass
        orders, away = await self.find(who.caller, plan)
        return await self._store(who, orders, away, store, action)

    async def _planned(self, plan: Callable[[Reader], Job[T]], commands: int) -> T:
        """Store what `plan` makes, which looks up a few rows by their keys: in the writer's thread, with that of other requests."""
        parts = self._parts
        with storable():
            return await parts.readers.until_readable(lambda: parts.writer.submit_planned(plan, commands))

    def _whole(self, who: Asked, planned: Plan, store: Store, action: str) -> Job[tuple[Receipt, ...]]:
        orders, away = planned
        accept = self._accept(who, away, action, len(orders))
        return whole(accept, orders, store(accept))

    async def _store(
        self, who: Asked, orders: Sequence[Order], away: Mapping[int, PollerAway], store: Store, action: str
    ) -> tuple[Receipt, ...]:
        """All orders or none."""
        parts = self._parts
        if who.caller.rights is not None:
            await self.read(lambda reader: check_orders(reader, who.caller, orders))
        accept = self._accept(who, away, action, len(orders))
        if len(orders) > SLICE:
            accept = replace(accept, in_slices=True)
            await self.read(lambda reader: accept.check(reader.connection, orders))
        return await parts.bulk.store(accept, orders, store(accept))

    def _accept(self, who: Asked, away: Mapping[int, PollerAway], action: str, commands: int) -> Accept:
        return Accept(who, self._operation(who, action, commands), self._ids.some, away)

    def _operation(self, who: Asked, action: str, commands: int = 0) -> OperationRow:
        caller = who.caller
        return OperationRow(
            self._ids.next(),
            action,
            caller.user,
            who.author,
            caller.address,
            caller.token,
            who.reference,
            who.now,
            commands=commands,
        )
