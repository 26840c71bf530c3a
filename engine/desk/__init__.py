"""The front door: what every dialect asks of the engine, and nothing else.

A dialect translates its paths and words into these calls and the values that come back into its own shapes. A desk lives in an
API worker; it reads state.db and journal.db, writes accepted commands into journal.db and pokes the engine process.
Every call takes the caller, whose scope bounds what can be seen or touched.

A command's way over the desk: `asked` (may this caller?) → `Resolver` (which object on which poller?) → an `Order` per external
command (what is known to fail is refused) → `Accept` inside a shared transaction (twins, ids, rows) → receipts. The other
modules hold one of these steps each.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import NoneType
from typing import TypeVar

from engine.clock import Clock, SystemClock
from engine.commands.catalogue import SWITCHES, Effect, Row, Subject, known_row
from engine.config import Config
from engine.desk.accept import Accept, ended, withdraw_by_id
from engine.desk.audience import Which, Wording
from engine.desk.audit import Audited, AuditedCommand, AuditFilter, more_of, page_of_audit
from engine.desk.bulk import SLICE, Bulk, whole
from engine.desk.checks import Asked, asked, check_allowed, second, window
from engine.desk.entries import one_entry, page_of_entries
from engine.desk.generic import check_names, command_named, generic_orders
from engine.desk.items import Item, ItemDone, plan_items, without_refused
from engine.desk.items import Plan as ItemPlan
from engine.desk.lives import lives_of, page_of_lives, standings_of
from engine.desk.once import Job, once, plan_row, recorded, refusal, refusal_row
from engine.desk.operations import one_operation, page_of_operations
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
from engine.desk.pages import RightsOf
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
from engine.desk.pollers import is_engine_alive, poller_away
from engine.desk.readers import Readers
from engine.desk.resolve import Found, Resolver, is_behind
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
from engine.desk.rights import check_orders, check_withdrawal
from engine.desk.subjects import check_variable, subjects_of
from engine.desk.subscribe import Feed
from engine.desk.together import store_together
from engine.desk.values import (
    Caller,
    CheckResult,
    Entry,
    EntryFilter,
    Life,
    OperationView,
    Page,
    Receipt,
    Recorded,
    Request,
    Step,
    Target,
)
from engine.desk.waiting import Standing, Waiting
from engine.desk.writer import GroupCommit, Written
from engine.errors import (
    InvalidField,
    JournalError,
    PollerAway,
    PollerError,
    ResultsRefused,
    SignalboxError,
    StatusFileStale,
    UnknownHost,
    UnknownObject,
    UnknownService,
)
from engine.journal.ids import CommandIds
from engine.journal.operations import OperationRow, unsent_operations
from engine.journal.schema import NEWEST
from engine.journal.store import Journal
from engine.model import ObjectKey
from engine.state.scope import EVERYTHING
from engine.state.views import NotBrief, Reader

__all__ = [
    "AuditFilter",
    "Audited",
    "AuditedCommand",
    "Caller",
    "CheckResult",
    "Desk",
    "Entry",
    "EntryFilter",
    "Item",
    "ItemDone",
    "Life",
    "OperationView",
    "Page",
    "Receipt",
    "Recorded",
    "Request",
    "ResultCall",
    "Step",
    "Target",
    "Which",
    "Wording",
]

log = logging.getLogger(__name__)

T = TypeVar("T")
Plan = tuple[list[Order], Mapping[int, PollerAway]]  # what to journal, and the pollers nobody reads for
Store = Callable[[Accept], Callable[..., Written[tuple[Receipt, ...]]]]

_CATCH_UP_S = 2.0  # a scan of the largest status files takes less
_CATCH_UP_STEP_S = 0.05
_LARGEST_ID = 2**63 - 1
_FEW = 10  # objects or commands: reading them is short


class _Behind(Exception):
    """A name is unknown, but not all that the cores wrote has been read."""

    def __init__(self, unknown: SignalboxError) -> None:
        super().__init__(str(unknown))
        self.unknown = unknown


@dataclass(frozen=True, slots=True)
class _Open:
    """What is there between `open` and `close`."""

    journal: Journal
    writer: GroupCommit
    readers: Readers
    waiting: Waiting
    bulk: Bulk
    feed: Feed


class Desk:
    """See the module. All methods but `open` raise CallerError subclasses for what the caller got wrong.

    `rights_of`: what a core's own configuration gives a user now; it may read files, and is called in threads.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        journal: Callable[[Path], Journal] = Journal.open,
        rights_of: RightsOf = lambda user: None,
    ) -> None:
        self.config = config
        self._rights_of = rights_of
        self._open_journal = journal
        self._clock: Clock = clock or SystemClock()
        self._pollers = self.pollers = {poller.number: poller for poller in config.pollers}
        self._ids = CommandIds(self._clock.now)
        self._opened: _Open | None = None

    async def open(self) -> None:
        """Open the databases and start listening for the engine's hints."""
        data = self.config.data
        journal = await asyncio.to_thread(self._open_journal, data)
        unsent = unsent_operations(journal.connection)
        feed = Feed(data, self._clock.now, self.config.settings.event_readers, self._rights_of)
        readers, waiting = Readers(data), Waiting(data, feed.hint)
        writer = GroupCommit(journal, data, readers.read_all, store_together)
        opened = _Open(journal, writer, readers, waiting, Bulk(writer, readers.run, data, waiting.name, self._clock.now), feed)
        opened.writer.start()
        opened.waiting.open()
        self._opened = opened
        opened.bulk.withdraw_orphans(unsent)

    async def close(self) -> None:
        """Close everything `open` opened; what was handed in is stored first."""
        if self._opened is None:
            return
        opened, self._opened = self._opened, None
        await opened.bulk.finish()
        opened.waiting.close()
        await opened.feed.close()
        await asyncio.to_thread(opened.writer.close)
        await asyncio.to_thread(opened.readers.close)
        await asyncio.to_thread(opened.journal.close)

    # --- reading ---------------------------------------------------------------------------------------------------------
    async def read(self, work: Callable[[Reader], T], *, short: bool = False) -> T:
        """Run `work` on a reader of state.db in a thread and return what it returns. All it reads is of one moment.

        Raises PollerError while the engine has not made state.db, InvalidField for a value no database can hold.
        """
        return await self._read(work, short=short)

    async def _read(self, work: Callable[[Reader], T], *, short: bool) -> T:
        """The same. `short`: it looks up a few rows by their keys, see `Readers.run`."""
        with _storable():
            return await self._parts.readers.run(work, short=short)

    async def find(self, caller: Caller, work: Callable[[Reader], T], *, short: bool = False) -> T:
        """Read by `work` that looks names up; a name unknown so far gets a moment. `short`: see `Readers.run`.

        A core may just have written files that the mirror has not read yet. What is shown and what can be commanded are the same,
        so both are found here.
        """
        deadline = self._clock.monotonic() + _CATCH_UP_S

        def look(reader: Reader) -> T:
            try:
                return work(reader)
            except (UnknownHost, UnknownService, StatusFileStale, ResultsRefused) as unknown:
                # In the same snapshot: a moment later the mirror may have caught up, which says nothing of this look.
                if is_behind(reader, caller.scope, self._pollers):
                    raise _Behind(unknown) from unknown
                raise

        while True:
            try:
                return await self._read(look, short=short)
            except _Behind as behind:
                if self._clock.monotonic() >= deadline:
                    raise behind.unknown from None
            await asyncio.sleep(_CATCH_UP_STEP_S)

    async def life(self, caller: Caller, command_id: str) -> Life:
        """One command. Raises UnknownObject."""
        return (await self._lives(caller, [command_id]))[0]

    async def commands(self, caller: Caller, which: EntryFilter) -> Page[Life]:
        """Commands, newest first."""
        if not _is_answerable(which):
            return Page()
        return await self.read(lambda reader: page_of_lives(reader.connection, caller.scope, which, self._pollers, caller.user))

    async def operation(self, caller: Caller, operation: str) -> OperationView:
        """One call that commanded. Raises UnknownObject."""
        found = None
        if _is_storable(operation):
            found = await self.read(lambda reader: one_operation(reader.connection, caller, operation))
        if found is None:
            raise UnknownObject(f"There is no operation {operation!r}.", id=operation)
        return found

    async def operations(self, caller: Caller, which: EntryFilter) -> Page[OperationView]:
        """Calls that commanded, newest first."""
        if not _is_answerable(which):
            return Page()
        return await self.read(lambda reader: page_of_operations(reader.connection, caller, which))

    async def entries(self, caller: Caller, which: EntryFilter) -> Page[Entry]:
        """Downtimes, acknowledgements or comments, newest id first."""
        if not _is_answerable(which):
            return Page()
        return await self.read(lambda reader: page_of_entries(reader, caller.scope, which, self._pollers))

    async def entry(self, caller: Caller, kind: str, entry_id: int) -> Entry:
        """One of them. Raises UnknownObject."""
        found = None
        if 0 <= entry_id <= _LARGEST_ID:
            found = await self.read(lambda reader: one_entry(reader, caller.scope, kind, entry_id, self._pollers))
        if found is None:
            raise _unknown_entry(kind, entry_id)
        return found[0]

    async def audit(self, caller: Caller, which: AuditFilter) -> tuple[Audited, ...]:
        """Rows of the audit, newest first."""
        texts = (which.user, which.token, which.host, which.service, which.command, which.operation)
        if not all(map(_is_storable, texts)):
            return ()
        return await self.read(lambda reader: page_of_audit(reader.connection, caller, which, self._pollers))

    async def more_of_audit(self, caller: Caller, piece: Audited) -> Audited:
        """The next commands of a row that has more than one piece holds."""
        return await self.read(lambda reader: more_of(reader.connection, caller, piece, self._pollers))

    def subscribe(
        self, caller: Caller, which: Which, wording: Wording, *, after: str | None = None, snapshot: bool = False
    ) -> AsyncGenerator[bytes]:
        """Events as they happen, see `Feed.stream`. `after`: the place to go on from; `snapshot`: what stands comes first."""
        return self._parts.feed.stream(caller, which, wording, after=after, snapshot=snapshot)

    def end_streams(self) -> None:
        """Let everybody go who reads events: this worker stops."""
        if self._opened is not None:
            self._opened.feed.end_all()

    async def health(self) -> dict[str, object]:
        """This worker's truth: how durable its writes are, whether the engine lives, how old each poller's view is."""
        parts = self._parts
        synchronous = await parts.readers.call(parts.journal.synchronous)
        alive = await parts.readers.call(partial(is_engine_alive, self.config.data))
        try:
            views = await self.read(lambda reader: reader.pollers(EVERYTHING))
        except PollerError:
            views = ()
        now = self._clock.now()
        ages = {view.name: round(now + view.clock_offset_s - view.created, 1) if view.generation else None for view in views}
        return {"synchronous": synchronous, "journal_schema": str(NEWEST), "engine_alive": alive, "view_age_s": ages}

    async def recorded(self, caller: Caller) -> Recorded | None:
        """What the first request with the caller's Idempotency-Key got; None when this is the first. Raises KeyReused."""
        if caller.request is None or not caller.request.key:
            return None
        return await self._read(lambda reader: recorded(reader.connection, caller, "journal"), short=True)

    async def refused(self, caller: Caller, status: int, code: str, detail: str, host: str = "", service: str = "") -> None:
        """Put a refused request into the audit; what cannot be stored is left out of it, and the log says so."""
        row = refusal_row(caller, self._clock.now(), status, code, detail, host, service)
        try:
            await self._parts.writer.submit(partial(refusal, row))
        except JournalError as error:
            log.warning("a refused request of %s is not in the audit: %s", caller.user, error)

    # --- commanding ------------------------------------------------------------------------------------------------------
    # `hold=False`: raise PollerAway, journalling nothing, when a poller's core is not reading.
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
        who = self._asked(caller)
        if not 0 <= entry_id <= _LARGEST_ID:
            raise _unknown_entry(kind, entry_id)

        def plan(reader: Reader) -> Plan:
            found = one_entry(reader, caller.scope, kind, entry_id, self._pollers)
            if found is None:
                raise _unknown_entry(kind, entry_id)
            row = found[1]
            if not row.present:
                raise ended(row, entry_id)
            key = ObjectKey(row.poller, row.host, row.service or None)
            order = deletion(who, Resolver(reader, caller.scope, self._pollers).stored(key), row)
            return [order], _away([order], hold)

        orders, away = await self.read(plan)
        return await self._store(who, orders, away, lambda accept: accept.deletions, f"delete {kind}")

    async def carry_out_items(
        self, caller: Caller, items: Sequence[Item], action: str, *, removes: bool = False, hold: bool = True
    ) -> tuple[ItemDone, ...]:
        """Each item by itself, see engine/desk/items.py: nothing raised for one keeps the others from being carried out.

        `removes`: all of them take acknowledgements back. Raises Forbidden, TooManyTargets, JournalError.
        """
        who = self._asked(caller)

        def planned(reader: Reader) -> tuple[ItemPlan, Mapping[int, PollerAway]]:
            made = plan_items(reader, self._pollers, who, items)
            away = _away(made.all_orders(), hold)
            return without_refused(reader, who, made, away), away

        made, away = await self.read(planned)
        orders = made.all_orders()
        if not orders:
            return made.done(())
        if caller.request is not None and caller.request.key:
            who = replace(who, caller=replace(caller, request=replace(caller.request, conflicts=made.told())))
        work: Store = lambda accept: accept.removals if removes else accept.orders  # noqa: E731 - one of two
        return made.done(await self._store(who, orders, away, work, action))

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
            return made, _away(made.orders, hold)

        made, away = await self.find(caller, planned)
        if how.dry_run:
            targets = await self._parts.readers.call(lambda: packed(made))
            row = plan_row(caller, who.now, made.hash, len(made.targets()))
            await self._parts.writer.submit(lambda connection: keep(connection, made, targets, caller.user, who.now, row))
            return made
        if caller.request is not None and caller.request.key:
            request = replace(caller.request, conflicts=packed_conflicts(made.conflicts))
            who = replace(who, caller=replace(caller, request=request))
        deletes = isinstance(ask, DeletionAsked)
        work: Store = lambda accept: accept.deletions if deletes else accept.orders  # noqa: E731 - one of two
        return Done(await self._store(who, made.orders, away, work, ask.action), made.conflicts)

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
        _some(results, "results")

        def plan(reader: Reader) -> Plan:
            resolver = Resolver(reader, caller.scope, self._pollers)
            orders = [passive_result(who, resolver.one(result.target), result) for result in results]
            return orders, _away(orders, hold)

        orders, away = await self.find(caller, plan)
        return await self._store(who, orders, away, lambda accept: accept.orders, "result")

    async def submit_call(self, caller: Caller, results: Sequence[CheckResult], *, leave_out: bool = False) -> ResultCall:
        """Many passive results at once, without a life each: see engine/desk/results.py.

        Raises ResultsRefused when one of them cannot be taken, unless `leave_out`; TooManyResults.
        """
        who = self._asked(caller)
        _some(results, "results")
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
        if _is_storable(call_id):
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
        if not _is_storable(call_id):
            raise UnknownObject(f"There is no call of results {call_id!r}.", id=call_id)
        work = partial(withdraw_call_of_results, caller=caller, call_id=call_id, now=who.now)
        await self._parts.writer.submit(once(caller, "", who.now, str, work))
        return await self.call_of_results(caller, call_id)

    async def command(
        self, caller: Caller, name: str, arguments: Mapping[str, object], *, poller: int | None = None, hold: bool = True
    ) -> tuple[Receipt, ...]:
        """Any command of the catalogue; arguments by the row's field names, times in epoch seconds.

        Raises UnknownCommand, UnsupportedCommand, and Forbidden for what is dangerous.
        """
        row = command_named(name)
        author = arguments.get("author") if row.effect is not Effect.DOWNTIMES_GONE else None
        who = self._asked(caller, author if isinstance(author, str) else None)
        check_allowed(row, caller, self.config.settings)
        check_names(row, arguments)
        if row.effect is Effect.ENTRY_GONE:
            return await self._delete_by_row(caller, row, arguments, hold)

        def plan(reader: Reader) -> Plan:
            found = subjects_of(Resolver(reader, caller.scope, self._pollers), row, arguments, poller)
            trigger = arguments.get("trigger")
            if isinstance(trigger, int) and trigger:
                self._check_trigger(reader, caller, trigger, found)
            for each in found:
                check_variable(reader, who, each, row, arguments)
            orders = [order for each in found for order in generic_orders(who, each, row, arguments)]
            return orders, _away(orders, hold)

        orders, away = await self.find(caller, plan)
        removes = row.effect is Effect.NOT_ACKNOWLEDGED
        return await self._store(who, orders, away, lambda accept: accept.removals if removes else accept.orders, row.name)

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
        _some(list(features), "features")
        rows = [SWITCHES[subject][feature][wanted] for feature, wanted in features.items()]

        def plan(reader: Reader) -> Plan:
            resolver = Resolver(reader, caller.scope, self._pollers)
            found = [(row, each) for row in rows for each in subjects_of(resolver, row, names, poller)]
            orders = [order for row, each in found for order in generic_orders(who, each, row, names)]
            return orders, _away(orders, hold)

        orders, away = await self.find(caller, plan)
        return await self._store(who, orders, away, lambda accept: accept.orders, "switch")

    async def _delete_by_row(self, caller: Caller, row: Row, arguments: Mapping[str, object], hold: bool) -> tuple[Receipt, ...]:
        entry_id, kind = arguments.get("entry"), str(row.entry_kind)
        if not isinstance(entry_id, int) or isinstance(entry_id, bool):
            raise InvalidField(f"entry must be the public id of a {kind}.", field="entry")
        entry = await self.entry(caller, kind, entry_id)
        if (entry.service is not None) is not (row.subject is Subject.SERVICE):
            raise _unknown_entry(f"{row.subject.value}'s {kind}", entry_id)
        return await self.delete_entry(caller, kind, entry_id, hold=hold)

    def _check_trigger(self, reader: Reader, caller: Caller, trigger: int, found: Sequence[Found]) -> None:
        entry = one_entry(reader, caller.scope, "downtime", trigger, self._pollers) if 0 < trigger <= _LARGEST_ID else None
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

    async def settle(self, caller: Caller, command_ids: Sequence[str], *, until: str, timeout_s: float) -> tuple[Life, ...]:
        """Wait until each command is at least `processed` or (`until="final"`) at its last state; give back all lives.

        Returns when the time is up, too: the lives say how far each came.
        """
        before = await self._lives(caller, command_ids)
        if timeout_s <= 0:
            return before
        await self._parts.waiting.until_reached(command_ids, until, timeout_s, self._standings)
        try:
            return await self._lives(caller, command_ids)
        except UnknownObject:
            return before  # its object left the caller's scope meanwhile

    async def standings(self, command_ids: Sequence[str], *, until: str, timeout_s: float) -> dict[str, Standing]:
        """Wait as `settle` does, for commands the caller was just given; where each stands then."""
        if timeout_s > 0:
            await self._parts.waiting.until_reached(command_ids, until, timeout_s, self._standings)
        return await self._standings(command_ids)

    # --- below the desk --------------------------------------------------------------------------------------------------
    @property
    def _parts(self) -> _Open:
        if self._opened is None:
            raise JournalError("This worker is not open: nothing can be read or accepted.")
        return self._opened

    def _asked(self, caller: Caller, author: str | None = None, reference: str = "", force: bool = False) -> Asked:
        return asked(caller, author, self._clock.now(), self.config.settings, reference, force)

    async def _lives(self, caller: Caller, command_ids: Sequence[str]) -> tuple[Life, ...]:
        wanted = [command_id for command_id in command_ids if _is_storable(command_id)]
        is_short = len(wanted) <= _FEW
        lives = await self._read(
            lambda reader: lives_of(reader.connection, caller.scope, wanted, self._pollers, caller.user), short=is_short
        )
        unknown = [command_id for command_id in command_ids if command_id not in lives]
        if unknown:
            raise UnknownObject(f"There is no command {unknown[0]!r}.", id=unknown[0])
        return tuple(lives[command_id] for command_id in command_ids)

    async def _standings(self, command_ids: Sequence[str]) -> dict[str, Standing]:
        is_short = len(command_ids) <= _FEW
        return await self._read(lambda reader: standings_of(reader.connection, command_ids), short=is_short)

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
        _some(targets, "targets")

        def plan(reader: Reader, brief: bool = False) -> Plan:
            resolver = Resolver(reader, who.caller.scope, self._pollers, brief)
            found = resolver.all(targets, with_services=with_services)
            orders = [order for each in found for order in make(each)]
            check_orders(reader, who.caller, orders)
            return orders, _away(orders, hold)

        # Whether a core reads its command file is seen by opening it: that may take longer.
        if hold and len(targets) <= _FEW and not with_services:
            try:
                return await self._planned(lambda reader: self._whole(who, plan(reader, True), store, action), len(targets))
            except NotBrief:
                pass
        orders, away = await self.find(who.caller, plan)
        return await self._store(who, orders, away, store, action)

    async def _planned(self, plan: Callable[[Reader], Job[T]], commands: int) -> T:
        """Store what `plan` makes, which looks up a few rows by their keys: in the writer's thread, with that of other requests."""
        parts = self._parts
        with _storable():
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


def _away(orders: Iterable[Order], hold: bool) -> dict[int, PollerAway]:
    """Pollers nobody reads for; nothing is looked at when the caller can wait."""
    if hold:
        return {}
    pollers = {order.found.poller.number: order.found for order in orders}
    looked = {number: poller_away(found.poller, found.view) for number, found in pollers.items()}
    return {number: away for number, away in looked.items() if away is not None}


@contextmanager
def _storable() -> Iterator[None]:
    """Whatever is asked inside with a value no database can hold raises InvalidField."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise InvalidField("A value holds half a character (a lone surrogate): no object has such a name.") from error
    except OverflowError as error:
        raise InvalidField("A number is larger than any that is given out here.") from error


def _some(values: Sequence[object], field: str) -> None:
    if not values:
        raise InvalidField(f"{field} is empty: name at least one.", field=field)


def _is_answerable(which: EntryFilter) -> bool:
    """False when no row can have such a value: text no database can hold, numbers beyond its integers."""
    numbers = (which.poller or 0, which.limit, which.offset)
    texts = (which.kind, which.host, which.service, which.state, which.reference, which.operation)
    return all(-_LARGEST_ID <= number <= _LARGEST_ID for number in numbers) and all(map(_is_storable, texts))


def _is_storable(text: str | None) -> bool:
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return False
    return True


def _unknown_entry(kind: str, entry_id: int) -> UnknownObject:
    return UnknownObject(f"There is no {kind} {entry_id}.", kind=kind, id=entry_id)
