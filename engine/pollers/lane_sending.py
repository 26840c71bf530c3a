"""What a lane does with what waits: it is written as far as proof keeps up, held while nobody reads, given up at its deadline.

A core that hangs reads nothing either: once it is called stalled, what there is no more room for is held, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.commands.lifecycle import UNWRITTEN, State
from engine.commands.wire import WRITE_LIMIT
from engine.faults import AFTER_ACCEPT, crash_point
from engine.journal.commands import CommandRow, command_by_id, commands_in, is_waiting, move, overdue
from engine.journal.slices import Slices
from engine.pollers.absent import refused
from engine.pollers.lane_writing import GATHER_S, LaneWriting
from engine.pollers.sending import Situation, batches, in_sending_order, plan, ran_out
from engine.state.views import Reader

UNPROVEN_LIMIT = 64 * 1024  # bytes of commands
RESULTS_AHEAD = 64 * WRITE_LIMIT  # journalled in one commit, before it is their turn to be written
AT_ONCE = 5000  # commands held or given up in one step
LOOK_EVERY_S = 0.5  # pokes are hints and may be lost


class LaneSending(LaneWriting):
    """Decides by `sending.py` what goes out."""

    __slots__ = ()

    def send(self) -> None:
        """Write what waits, as far as the core's proof keeps up."""
        now = self.clock.monotonic()
        regular = now - self._looked_at > LOOK_EVERY_S
        is_late = now >= min(self._gathering_until, self._poked_at + GATHER_S)
        self._is_gathering = self._look and not (is_late or regular or self.results.is_waiting)
        if self._is_gathering or not (self._look or regular):
            return
        if self._recovering:
            if regular:
                self._looked_at = now
                self._keep_waiting()
            return
        # A poke from now on is news: whatever is found below must not undo it.
        self._look = False
        self._looked_at = now
        reader = self._opened_reader()
        if reader is None or not self._is_anything_waiting():
            return
        crash_point(AFTER_ACCEPT)
        self.health.look_at_once()
        self._look_after_command_file()
        if regular:
            self._expire_overdue()
        if not self.health.is_reading:
            self._hold_accepted()
            return
        found = self.health.room()
        room = min(found.free, UNPROVEN_LIMIT - self._flying(of_results=False))
        if room < WRITE_LIMIT:
            if self.health.is_stalled:
                self._hold_accepted()
            return
        if self._has_enough_ready() and not is_waiting(self.journal.connection, self.poller.number):
            self._write_results([], 0.0)
        else:
            self._send(reader, room, self._room_for_results(found))

    def _has_enough_ready(self) -> bool:
        """Writes of results wait to be done: no more are planned."""
        return len(self.results.ready) >= RESULTS_AHEAD // WRITE_LIMIT // 2

    def _is_anything_waiting(self) -> bool:
        self.results.load(self.journal.connection)
        return self.results.is_waiting or is_waiting(self.journal.connection, self.poller.number)

    def _keep_waiting(self) -> None:
        """What was written before is not settled: nothing goes out, but times to live run on."""
        if self._is_anything_waiting():
            self._expire_overdue()
            if self._given_up or self.health.is_stalled or not self.health.is_reading:
                self._hold_accepted()

    def _expire_overdue(self) -> None:
        late = overdue(self.journal.connection, self.poller.number, self.clock.now(), AT_ONCE)
        self._expire([(command, ran_out(command, self.health.is_reading)) for command in late])
        if self.results.is_ready_late(self.clock.now()):
            with self.journal.transaction() as connection:
                self.results.take_back(connection)
                moved = self._store_results(connection)
            self.reports.moved(moved)
        self.results.expire(self.clock.now())
        self._note_unsaved()

    def _hold_accepted(self) -> None:
        self._hold(commands_in(self.journal.connection, self.poller.number, frozenset({State.ACCEPTED}), AT_ONCE))
        with Slices(self.journal) as slices:
            with slices.unit() as connection:
                self.results.take_back(connection)
                self.results.hold(self.health.reason)
                results = self._store_results(connection)
            written = self._store_written(slices)
        self.reports.moved([*results, *written])

    def _send(self, reader: Reader, room: int, for_results: int) -> None:
        with reader.snapshot():
            generation, created, program_start = reader.poller_generation(self.poller.number)
            self.results.see(generation)
            situation = Situation(
                self.poller.number,
                self.clock.now(),
                self.profile,
                created,
                program_start,
                self._back_at,
                self.results.newest_epoch,
            )
            waiting = in_sending_order(self.journal.connection, self.poller.number)
            free = (command for command in waiting if not self.results.holds_back(command))
            decided = plan(free, situation, self.journal.connection, reader, room)
            parts = batches(decided.lines, room)
            left = for_results - len(parts) * WRITE_LIMIT
            more = left >= WRITE_LIMIT and not self._has_enough_ready()
            results = self.results.plan(situation, reader, decided.blocked, RESULTS_AHEAD) if more else []
            self._note_unsaved()
        self._expire(decided.expired)
        if parts:
            self._write(parts, program_start)
        if self.results.ready or results:
            self._write_results(results, program_start)

    def _expire(self, expired: Sequence[tuple[CommandRow, str]]) -> None:
        with Slices(self.journal) as slices:
            for command, reason in expired:
                with slices.unit() as connection:
                    now = command_by_id(connection, command.id)
                    if now is not None and now.state in UNWRITTEN:
                        refused(connection, now, State.EXPIRED, self.clock.now(), reason=reason)
        self.reports.moved([command.id for command, _ in expired])

    def _hold(self, commands: Sequence[CommandRow]) -> None:
        held: list[str] = []
        with Slices(self.journal) as slices:
            for command in commands:
                with slices.unit() as connection:
                    now = command_by_id(connection, command.id)
                    if now is not None and now.state is State.ACCEPTED:
                        move(connection, now, State.HELD, self.clock.now(), reason=self.health.reason)
                        held.append(now.id)
        self.reports.moved(held)
