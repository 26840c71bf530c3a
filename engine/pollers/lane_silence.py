"""When a log stays silent: lone marks are written for proof to come, and what was written becomes `unknown` at last."""

from __future__ import annotations

import logging
import secrets
import sqlite3

from engine.commands.expected import WatchedBatch
from engine.commands.lifecycle import IN_FLIGHT, State
from engine.errors import PollerError
from engine.journal.commands import command_by_id
from engine.journal.slices import Slices
from engine.pollers.absent import refused
from engine.pollers.command_file import CommandFile
from engine.pollers.lane_parts import Flight
from engine.pollers.lane_sending import LaneSending

log = logging.getLogger(__name__)

_LONE_MARKS_S = (0.25, 1.0, 5.0, 30.0)  # pauses between lone marks when none comes back


class LaneSilence(LaneSending):
    """Asks for proof that is overdue."""

    __slots__ = ()

    def _push_overdue(self) -> None:
        """A fragment on the FIFO withholds the last line, a dead writer leaves batches unsettled: a lone mark brings proof."""
        if not self._flights or not self.health.is_reading:
            return
        now = self.clock.monotonic()
        oldest = min(flight.written_at for flight in self._flights.values())
        pause = _LONE_MARKS_S[min(self._lone_marks, len(_LONE_MARKS_S) - 1)]
        overdue = bool(self._recovering and self._lone_marks == 0) or now - oldest > self.profile.mark_overdue_s
        if not overdue or now - self._lone_at < pause:
            return
        # A log that is silent for days must not make us remember a mark for every half minute of them.
        again = next((token for token, flight in reversed(self._flights.items()) if flight.lone), None) if self._given_up else None
        token = again or secrets.token_hex(8)
        mark = self._mark("L", token)
        if again is None:
            self.watch.add(WatchedBatch(token, [], is_lone=True))
        try:
            command_file = CommandFile.open(self.poller.command_file)
            try:
                command_file.write(mark)
            finally:
                command_file.close()
        except PollerError:
            if again is None:
                self.watch.drop(token)
            self.health.look_at_once()
            return
        self._flights.setdefault(token, Flight(len(mark), now, True))
        self._lone_at = now
        self._lone_marks += 1

    def _give_up_silent(self) -> None:
        """Nothing in the log for `silent_log_s`: what was written becomes `unknown`; while nobody reads, at its deadline."""
        since = self.clock.monotonic() - self.settings.silent_log_s
        late = [token for token, flight in self._flights.items() if flight.written_at < since and not flight.lone]
        if not set(late) - self._given_up:
            return
        given_up: list[str] = []
        with Slices(self.journal) as slices:
            self._store_written(slices)
            for batch in self.watch.batches:
                if batch.token in late and batch.token not in self._given_up:
                    with slices.unit() as connection:
                        given_up += self._give_up(connection, batch)
            with slices.unit() as connection:
                given_up += self._store_results(connection)
        self.reports.moved(given_up)

    def _give_up(self, connection: sqlite3.Connection, batch: WatchedBatch) -> list[str]:
        found = [command_by_id(connection, expected.command_id) for expected in batch.commands]
        waiting = [command for command in found if command is not None and command.state in IN_FLIGHT]
        now = self.clock.now()
        if not self.health.is_reading and any(command.deadline_at > now for command in waiting):
            return []  # the core may be started again: what it has not read is written anew
        if not self._given_up:
            log.error("poller %s: its log %s has been silent for too long", self.poller.name, self.tail.path)
        self._given_up.add(batch.token)
        self._recovering.add(batch.token)
        reason = (
            f"the core's log {self.tail.path} has shown nothing of it for {self.settings.silent_log_s:g} s: see whether the core"
            " hangs and whether its log is written (disk full, rights); it may still be executed when the core goes on"
        )
        for command in waiting:
            refused(connection, command, State.UNKNOWN, now, reason=reason)
        self.results.give_up(batch.token, reason)
        return [command.id for command in waiting]
