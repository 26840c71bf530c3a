"""Calls of many passive results: handed in, shown, waited for, withdrawn (results.py)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from engine.desk.bulk import SLICE
from engine.desk.checks import check_some
from engine.desk.once import once
from engine.desk.ordering import Ordering
from engine.desk.results import (
    CallPlan,
    ResultCall,
    call_shown,
    plan_call,
    standings,
    store_call,
    stored_parts,
    withdraw_call_of_results,
)
from engine.desk.storable import is_storable
from engine.desk.values import Caller, CheckResult
from engine.desk.waiting import Standing
from engine.errors import InvalidField, ResultsRefused, UnknownObject
from engine.state.views import Reader


class ResultCalls(Ordering):
    """A life for each call and poller, none for each result."""

    async def submit_call(self, caller: Caller, results: Sequence[CheckResult], *, leave_out: bool = False) -> ResultCall:
        """Many passive results at once, without a life each: see engine/desk/results.py.

        Raises ResultsRefused when one of them cannot be taken, unless `leave_out`; TooManyResults.
        """
        who = self._asked(caller)
        check_some(results, "results")
        most = self.config.settings.results_per_call
        if len(results) > most:
            words = f"{len(results)} results in one call, {most} are possible: send them in parts."
            raise InvalidField(words, field="results", limit=most)

        def plan(reader: Reader, strict: bool) -> CallPlan:
            made = plan_call(who, reader, self._pollers, results)
            if strict:
                made.check()
            return made

        try:
            planned = await self.find(caller, lambda reader: plan(reader, True))
        except ResultsRefused:
            if not leave_out:
                raise
            planned = await self.read(lambda reader: plan(reader, False))
        operation = self._operation(who, "results")
        parts = await self._parts.readers.call(lambda: stored_parts(who, planned, operation.id, self._ids.next))
        work = once(caller, operation.id, who.now, str, partial(store_call, operation, parts, self.config.settings))
        return await self.call_of_results(caller, await self._parts.writer.submit(work, SLICE))

    async def call_of_results(self, caller: Caller, call_id: str, *, offset: int = 0) -> ResultCall:
        """A call of results, whole or one poller's part; the failures from `offset` on. Raises UnknownObject."""
        found = None
        if is_storable(call_id):
            found = await self.read(lambda reader: call_shown(reader.connection, caller, call_id, self._pollers, offset))
        if found is None:
            raise UnknownObject(f"There is no call of results {call_id!r}.", id=call_id)
        return found

    async def settle_call(self, caller: Caller, call_id: str, *, until: str, timeout_s: float) -> ResultCall:
        """Wait until a call's results are all at least `processed` or (`until="final"`) at their last state; see `settle`."""
        before = await self.call_of_results(caller, call_id)
        if timeout_s <= 0:
            return before
        ids = [part.id for part in before.parts]

        async def where(call_ids: Sequence[str]) -> dict[str, Standing]:
            found = await self.read(lambda reader: standings(reader.connection, call_ids))
            return {name: Standing(state, final) for name, (state, final) in found.items()}

        await self._parts.waiting.until_reached(ids, until, timeout_s, where)
        return await self.call_of_results(caller, call_id)

    async def withdraw_call(self, caller: Caller, call_id: str) -> ResultCall:
        """Withdraw a call of results of which nothing was written yet, or those of its parts. Raises UnknownObject, NotPossible."""
        who = self._asked(caller)
        if not is_storable(call_id):
            raise UnknownObject(f"There is no call of results {call_id!r}.", id=call_id)
        work = partial(withdraw_call_of_results, caller=caller, call_id=call_id, now=who.now)
        await self._parts.writer.submit(once(caller, "", who.now, str, work))
        return await self.call_of_results(caller, call_id)
