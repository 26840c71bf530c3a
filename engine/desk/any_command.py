"""Any row of the catalogue by its name, features switched by theirs, and commands withdrawn before they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import NoneType

import msgspec

from engine.commands.catalogue import SWITCHES, Effect, Row, Subject, known_row
from engine.desk.accept import withdraw_by_id
from engine.desk.checks import Asked, check_allowed, check_some, second
from engine.desk.entries import one_entry, unknown_entry
from engine.desk.generic import check_names, command_named, generic_orders
from engine.desk.nouns import Nouns
from engine.desk.once import once
from engine.desk.ordering import Plan
from engine.desk.orders import Order, acknowledgement
from engine.desk.pollers import pollers_away
from engine.desk.resolve import Found, Resolver
from engine.desk.rights import check_withdrawal
from engine.desk.storable import LARGEST_ID
from engine.desk.subjects import check_variable, subjects_of
from engine.desk.values import Caller, Life, Receipt
from engine.errors import InvalidField
from engine.state.views import Reader


class Wanted(msgspec.Struct, frozen=True):
    """One of several commands that stand or fall together, see `AnyCommand.command`. `caller`: its author is what the core is told.

    `expire`: when an acknowledgement is to end, also on a core that has no such command.
    """

    caller: Caller
    name: str
    arguments: Mapping[str, object]
    poller: int | None = None
    expire: float | None = None


class AnyCommand(Nouns):
    """What has no noun of its own goes by the catalogue."""

    async def command(
        self, caller: Caller, name: str, arguments: Mapping[str, object], *, poller: int | None = None, hold: bool = True
    ) -> tuple[Receipt, ...]:
        """Any command of the catalogue; arguments by the row's field names, times in epoch seconds.

        Raises UnknownCommand, UnsupportedCommand, and Forbidden for what is dangerous.
        """
        row = command_named(name)
        if row.effect is Effect.ENTRY_GONE:
            self._asked(caller)
            check_allowed(row, caller, self.config.settings)
            check_names(row, arguments)
            return await self._delete_by_row(caller, row, arguments, hold)
        return await self.command_all([Wanted(caller, name, arguments, poller)], hold=hold)

    async def command_all(self, wanted: Sequence[Wanted], *, hold: bool = True) -> tuple[Receipt, ...]:
        """Several commands of one request and of one kind, all or none; entries are deleted by `delete_entries`."""
        check_some(wanted, "commands")
        rows = [command_named(one.name) for one in wanted]
        asked = [self._asked_by_row(row, one) for row, one in zip(rows, wanted, strict=True)]

        def plan(reader: Reader) -> Plan:
            each = zip(wanted, rows, asked, strict=True)
            orders = [order for one, row, who in each for order in self._orders_by_row(reader, who, row, one)]
            return orders, pollers_away(orders, hold)

        orders, away = await self.find(wanted[0].caller, plan)
        removes = rows[0].effect is Effect.NOT_ACKNOWLEDGED
        return await self._store(asked[0], orders, away, lambda accept: accept.removals if removes else accept.orders, rows[0].name)

    def _asked_by_row(self, row: Row, one: Wanted) -> Asked:
        author = one.arguments.get("author") if row.effect is not Effect.DOWNTIMES_GONE else None
        who = self._asked(one.caller, author if isinstance(author, str) else None)
        check_allowed(row, one.caller, self.config.settings)
        check_names(row, one.arguments)
        return who

    def _orders_by_row(self, reader: Reader, who: Asked, row: Row, one: Wanted) -> list[Order]:
        given = one.arguments
        found = subjects_of(Resolver(reader, who.caller.scope, self._pollers), row, given, one.poller)
        trigger = given.get("trigger")
        if isinstance(trigger, int) and trigger:
            self._check_trigger(reader, who.caller, trigger, found)
        for each in found:
            check_variable(reader, who, each, row, given)
        if row.effect is Effect.ACKNOWLEDGED and one.expire is not None:
            sticky, notify, persistent = (bool(given.get(name)) for name in ("sticky", "notify", "persistent"))
            comment, ends = str(given.get("comment", "")), second(one.expire, "expire")
            return [acknowledgement(who, each, comment, sticky, notify, persistent, ends) for each in found]
        return [order for each in found for order in generic_orders(who, each, row, given)]

    async def switch(
        self,
        caller: Caller,
        subject: Subject,
        names: Mapping[str, str],
        features: Mapping[str, bool],
        *,
        poller: int | None = None,
        hold: bool = True,
    ) -> tuple[Receipt, ...]:
        """Switch features on or off, one command each. `names` say of whom, as in the arguments of those commands.

        Raises Forbidden for what is dangerous.
        """
        who = self._asked(caller)
        check_some(list(features), "features")
        rows = [SWITCHES[subject][feature][wanted] for feature, wanted in features.items()]

        def plan(reader: Reader) -> Plan:
            resolver = Resolver(reader, caller.scope, self._pollers)
            found = [(row, each) for row in rows for each in subjects_of(resolver, row, names, poller)]
            orders = [order for row, each in found for order in generic_orders(who, each, row, names)]
            return orders, pollers_away(orders, hold)

        orders, away = await self.find(caller, plan)
        return await self._store(who, orders, away, lambda accept: accept.orders, "switch")

    async def _delete_by_row(self, caller: Caller, row: Row, arguments: Mapping[str, object], hold: bool) -> tuple[Receipt, ...]:
        entry_id, kind = arguments.get("entry"), str(row.entry_kind)
        if not isinstance(entry_id, int) or isinstance(entry_id, bool):
            raise InvalidField(f"entry must be the public id of a {kind}.", field="entry")
        entry = await self.entry(caller, kind, entry_id)
        if (entry.service is not None) is not (row.subject is Subject.SERVICE):
            raise unknown_entry(f"{row.subject.value}'s {kind}", entry_id)
        return await self.delete_entry(caller, kind, entry_id, hold=hold)

    def _check_trigger(self, reader: Reader, caller: Caller, trigger: int, found: Sequence[Found]) -> None:
        entry = one_entry(reader, caller.scope, "downtime", trigger, self._pollers) if 0 < trigger <= LARGEST_ID else None
        away = [each.poller.name for each in found if entry is None or not entry[1].present or entry[1].poller != each.key.poller]
        if away:
            raise InvalidField(f"trigger must be the public id of a downtime that stands on {', '.join(away)}.", field="trigger")

    async def cancel_command(self, caller: Caller, command_id: str) -> Life:
        """Withdraw a command that was not yet written; somebody else's only who may send it. Raises UnknownObject, NotPossible."""
        who = self._asked(caller)
        (life,) = await self._lives(caller, [command_id])
        if life.user != caller.user:
            check_allowed(known_row(life.command), caller, self.config.settings)
            await self.read(lambda reader: check_withdrawal(reader, caller, self._pollers, life))
        work = partial(withdraw_by_id, command_id=command_id, caller=caller, now=who.now)
        await self._parts.writer.submit(once(caller, "", who.now, NoneType, work))
        return await self.life(caller, command_id)
