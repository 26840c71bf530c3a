"""Calls for many targets: planned whole (plans.py), or item by item (items.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import structs

from engine.desk.items import Item, ItemDone, plan_items, without_refused
from engine.desk.items import Plan as ItemPlan
from engine.desk.once import plan_row
from engine.desk.ordering import Ordering, Store
from engine.desk.plans import (
    Ask,
    DeletionAsked,
    Done,
    How,
    Planned,
    check_conflicts,
    check_plan,
    keep,
    packed,
    packed_conflicts,
    plan,
)
from engine.desk.pollers import pollers_away
from engine.desk.values import Caller
from engine.errors import PollerAway
from engine.state.views import Reader


class ForMany(Ordering):
    """What a filter, a group or a list of items is asked for."""

    async def carry_out(
        self, caller: Caller, ask: Ask, how: How, *, author: str | None = None, hold: bool = True
    ) -> Planned | Done:
        """A call for many targets, planned whole: see engine/desk/plans.py. A dry run gives the plan back, its hash is kept.

        Raises TooManyTargets, Conflicting, PlanChanged, UnknownObject and what the single calls raise.
        """
        who = self._asked(caller, author, how.reference, how.force)

        def planned(reader: Reader) -> tuple[Planned, Mapping[int, PollerAway]]:
            made = plan(reader, self._pollers, who, ask, how)
            if not how.dry_run:
                check_plan(reader.connection, made, how, caller.user)
                check_conflicts(made, how, self._pollers)
            return made, pollers_away(made.orders, hold)

        made, away = await self.find(caller, planned)
        if how.dry_run:
            targets = await self._parts.readers.call(lambda: packed(made))
            row = plan_row(caller, who.now, made.hash, len(made.targets()))
            await self._parts.writer.submit(lambda connection: keep(connection, made, targets, caller.user, who.now, row))
            return made
        if caller.request is not None and caller.request.key:
            request = structs.replace(caller.request, conflicts=packed_conflicts(made.conflicts))
            who = structs.replace(who, caller=structs.replace(caller, request=request))
        deletes = isinstance(ask, DeletionAsked)
        work: Store = lambda accept: accept.deletions if deletes else accept.orders  # noqa: E731 - one of two
        return Done(await self._store(who, made.orders, away, work, ask.action), made.conflicts)

    async def carry_out_items(
        self, caller: Caller, items: Sequence[Item], action: str, *, removes: bool = False, hold: bool = True
    ) -> tuple[ItemDone, ...]:
        """Each item by itself, see engine/desk/items.py: nothing raised for one keeps the others from being carried out.

        `removes`: all of them take acknowledgements back. Raises Forbidden, TooManyTargets, JournalError.
        """
        who = self._asked(caller)

        def planned(reader: Reader) -> tuple[ItemPlan, Mapping[int, PollerAway]]:
            made = plan_items(reader, self._pollers, who, items)
            away = pollers_away(made.all_orders(), hold)
            return without_refused(reader, who, made, away), away

        made, away = await self.read(planned)
        orders = made.all_orders()
        if not orders:
            return made.done(())
        if caller.request is not None and caller.request.key:
            told = structs.replace(caller.request, conflicts=made.told())
            who = structs.replace(who, caller=structs.replace(caller, request=told))
        work: Store = lambda accept: accept.removals if removes else accept.orders  # noqa: E731 - one of two
        return made.done(await self._store(who, orders, away, work, action))
