"""What a desk shows: lives, operations, entries, the audit, events, its own health; and waiting for commands to go on."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from functools import partial

from engine.desk.audience import Which, Wording
from engine.desk.audit import Audited, AuditFilter, more_of, page_of_audit
from engine.desk.entries import one_entry, page_of_entries, unknown_entry
from engine.desk.lives import lives_of, page_of_lives, standings_of
from engine.desk.once import recorded, refusal, refusal_row
from engine.desk.opened import Opened
from engine.desk.operations import one_operation, page_of_operations
from engine.desk.pollers import is_engine_alive
from engine.desk.storable import LARGEST_ID, is_answerable, is_storable
from engine.desk.values import Caller, Entry, EntryFilter, Life, OperationView, Page, Recorded
from engine.desk.waiting import Standing
from engine.errors import JournalError, PollerError, UnknownObject
from engine.journal.schema import NEWEST
from engine.state.scope import EVERYTHING
from engine.state.views import Reader

log = logging.getLogger(__name__)

FEW = 10  # commands: reading them is short


class Reading(Opened):
    """Reads what was commanded and what stands. What cannot be in a database is not found."""

    async def life(self, caller: Caller, command_id: str) -> Life:
        """One command. Raises UnknownObject."""
        return (await self._lives(caller, [command_id]))[0]

    async def commands(self, caller: Caller, which: EntryFilter) -> Page[Life]:
        """Commands, newest first."""
        if not is_answerable(which):
            return Page()
        return await self.read(lambda reader: page_of_lives(reader.connection, caller.scope, which, self._pollers, caller.user))

    async def operation(self, caller: Caller, operation: str) -> OperationView:
        """One call that commanded. Raises UnknownObject."""
        found = None
        if is_storable(operation):
            found = await self.read(lambda reader: one_operation(reader.connection, caller, operation))
        if found is None:
            raise UnknownObject(f"There is no operation {operation!r}.", id=operation)
        return found

    async def operation_page(self, caller: Caller, which: EntryFilter) -> tuple[OperationView, Page[Life]]:
        """The call that `which` names, and a page of its commands, newest first, both of one moment. Raises UnknownObject."""
        operation = which.operation or ""
        if not is_answerable(which):
            return await self.operation(caller, operation), Page()

        def work(reader: Reader) -> tuple[OperationView | None, Page[Life]]:
            connection = reader.connection
            found = one_operation(connection, caller, operation)
            return found, page_of_lives(connection, caller.scope, which, self._pollers, caller.user) if found else Page()

        view, page = await self.read(work)
        if view is None:
            raise UnknownObject(f"There is no operation {operation!r}.", id=operation)
        return view, page

    async def operations(self, caller: Caller, which: EntryFilter) -> Page[OperationView]:
        """Calls that commanded, newest first."""
        if not is_answerable(which):
            return Page()
        return await self.read(lambda reader: page_of_operations(reader.connection, caller, which))

    async def entries(self, caller: Caller, which: EntryFilter) -> Page[Entry]:
        """Downtimes, acknowledgements or comments, newest id first."""
        if not is_answerable(which):
            return Page()
        return await self.read(lambda reader: page_of_entries(reader, caller.scope, which, self._pollers))

    async def entry(self, caller: Caller, kind: str, entry_id: int) -> Entry:
        """One of them. Raises UnknownObject."""
        found = None
        if 0 <= entry_id <= LARGEST_ID:
            found = await self.read(lambda reader: one_entry(reader, caller.scope, kind, entry_id, self._pollers))
        if found is None:
            raise unknown_entry(kind, entry_id)
        return found[0]

    async def audit(self, caller: Caller, which: AuditFilter) -> tuple[Audited, ...]:
        """Rows of the audit, newest first."""
        texts = (which.user, which.token, which.host, which.service, which.command, which.operation)
        if not all(map(is_storable, texts)):
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

    async def _lives(self, caller: Caller, command_ids: Sequence[str]) -> tuple[Life, ...]:
        wanted = [command_id for command_id in command_ids if is_storable(command_id)]
        is_short = len(wanted) <= FEW
        lives = await self._read(
            lambda reader: lives_of(reader.connection, caller.scope, wanted, self._pollers, caller.user), short=is_short
        )
        unknown = [command_id for command_id in command_ids if command_id not in lives]
        if unknown:
            raise UnknownObject(f"There is no command {unknown[0]!r}.", id=unknown[0])
        return tuple(lives[command_id] for command_id in command_ids)

    async def _standings(self, command_ids: Sequence[str]) -> dict[str, Standing]:
        is_short = len(command_ids) <= FEW
        return await self._read(lambda reader: standings_of(reader.connection, command_ids), short=is_short)
