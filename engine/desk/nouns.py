"""What people do daily to objects they name: downtimes, acknowledgements, comments, checks, notifications, results."""

from __future__ import annotations

from collections.abc import Sequence

from engine.desk.accept import ended
from engine.desk.checks import check_some, second, window
from engine.desk.entries import one_entry, unknown_entry
from engine.desk.ordering import Ordering, Plan
from engine.desk.orders import (
    Order,
    acknowledgement,
    checks,
    comment_order,
    deletion,
    downtimes,
    notification,
    passive_result,
    removal,
)
from engine.desk.pollers import pollers_away
from engine.desk.resolve import Found, Resolver
from engine.desk.storable import LARGEST_ID
from engine.desk.values import Caller, CheckResult, Receipt, Target
from engine.errors import InvalidField
from engine.model import ObjectKey
from engine.state.views import Reader


class Nouns(Ordering):
    """One kind of command each, on hosts or services by name."""

    async def schedule_downtime(
        self,
        caller: Caller,
        targets: Sequence[Target],
        *,
        start: float,
        end: float,
        fixed: bool,
        duration: float | None,
        comment: str,
        with_services: bool = False,
        author: str | None = None,
        reference: str = "",
        force: bool = False,
        hold: bool = True,
    ) -> tuple[Receipt, ...]:
        """Downtimes on hosts or services. `duration` in seconds is for flexible ones (None when fixed)."""
        who = self._asked(caller, author, reference, force)
        when = window(start, end, fixed, duration)
        if with_services and any(target.service is not None for target in targets):
            raise InvalidField("with_services is for hosts: leave it out for a service.", field="with_services")

        def orders(found: Found) -> list[Order]:
            return downtimes(who, found, when, comment, with_services)

        return await self._order(who, targets, orders, hold, "downtime", with_services=with_services)

    async def acknowledge(
        self,
        caller: Caller,
        targets: Sequence[Target],
        *,
        comment: str,
        sticky: bool,
        notify: bool,
        persistent: bool,
        expire: float | None = None,
        author: str | None = None,
        reference: str = "",
        force: bool = False,
        hold: bool = True,
    ) -> tuple[Receipt, ...]:
        """Acknowledge problems, until `expire` if given. Raises NotPossible for an object that is OK or UP."""
        who = self._asked(caller, author, reference, force)
        ends = None if expire is None else second(expire, "expire")

        def orders(found: Found) -> list[Order]:
            return [acknowledgement(who, found, comment, sticky, notify, persistent, ends)]

        return await self._order(who, targets, orders, hold, "acknowledge")

    async def remove_acknowledgement(self, caller: Caller, targets: Sequence[Target], *, hold: bool = True) -> tuple[Receipt, ...]:
        """Take acknowledgements back. Raises NotPossible for an object that is not acknowledged."""
        who = self._asked(caller)
        return await self._order(who, targets, lambda found: [removal(who, found)], hold, "remove", lambda accept: accept.removals)

    async def add_comment(
        self,
        caller: Caller,
        targets: Sequence[Target],
        *,
        comment: str,
        persistent: bool,
        author: str | None = None,
        reference: str = "",
        force: bool = False,
        hold: bool = True,
    ) -> tuple[Receipt, ...]:
        """Comments on hosts or services."""
        who = self._asked(caller, author, reference, force)
        return await self._order(who, targets, lambda found: [comment_order(who, found, comment, persistent)], hold, "comment")

    async def delete_entry(self, caller: Caller, kind: str, entry_id: int, *, hold: bool = True) -> tuple[Receipt, ...]:
        """Cancel a downtime or delete a comment by its public id; remove an acknowledgement by its public id.

        Raises UnknownObject; NotPossible when it already ended or was cancelled. An unwritten creation is withdrawn instead.
        """
        return await self.delete_entries(caller, kind, [entry_id], hold=hold)

    async def delete_entries(self, caller: Caller, kind: str, ids: Sequence[int], *, hold: bool = True) -> tuple[Receipt, ...]:
        """Several of them, all or none."""
        who = self._asked(caller)
        check_some(ids, "ids")

        def one(reader: Reader, entry_id: int) -> Order:
            found = one_entry(reader, caller.scope, kind, entry_id, self._pollers) if 0 <= entry_id <= LARGEST_ID else None
            if found is None:
                raise unknown_entry(kind, entry_id)
            row = found[1]
            if not row.present:
                raise ended(row, entry_id)
            key = ObjectKey(row.poller, row.host, row.service or None)
            return deletion(who, Resolver(reader, caller.scope, self._pollers).stored(key), row)

        def plan(reader: Reader) -> Plan:
            orders = [one(reader, entry_id) for entry_id in ids]
            return orders, pollers_away(orders, hold)

        orders, away = await self.read(plan)
        return await self._store(who, orders, away, lambda accept: accept.deletions, f"delete {kind}")

    async def schedule_check(
        self,
        caller: Caller,
        targets: Sequence[Target],
        *,
        at: float | None = None,
        forced: bool = True,
        with_services: bool = False,
        hold: bool = True,
    ) -> tuple[Receipt, ...]:
        """Checks, now unless `at` says when. Raises NotPossible for one that is not forced where active checks are off."""
        who = self._asked(caller)

        def orders(found: Found) -> list[Order]:
            return checks(who, found, at, forced, with_services)

        return await self._order(who, targets, orders, hold, "check", with_services=with_services)

    async def notify(
        self,
        caller: Caller,
        targets: Sequence[Target],
        *,
        comment: str,
        broadcast: bool = False,
        forced: bool = False,
        increment: bool = False,
        author: str | None = None,
        hold: bool = True,
    ) -> tuple[Receipt, ...]:
        """Custom notifications to the contacts of hosts or services."""
        who = self._asked(caller, author)
        options = 1 * broadcast + 2 * forced + 4 * increment
        return await self._order(who, targets, lambda found: [notification(who, found, comment, options)], hold, "notify")

    async def submit_results(self, caller: Caller, results: Sequence[CheckResult], *, hold: bool = True) -> tuple[Receipt, ...]:
        """Passive check results."""
        who = self._asked(caller)
        check_some(results, "results")

        def plan(reader: Reader) -> Plan:
            resolver = Resolver(reader, caller.scope, self._pollers)
            orders = [passive_result(who, resolver.one(result.target), result) for result in results]
            return orders, pollers_away(orders, hold)

        orders, away = await self.find(caller, plan)
        return await self._store(who, orders, away, lambda accept: accept.orders, "result")
