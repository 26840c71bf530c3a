"""A lane's hand: batch rows are made durable, then their bytes go into the command file, then it is stored that they did."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from itertools import groupby

from engine.commands.catalogue import known_row
from engine.commands.expected import WatchedBatch
from engine.commands.lifecycle import State
from engine.commands.wire import WRITE_LIMIT
from engine.errors import NoReader, PipeFull
from engine.faults import AFTER_BATCH_ROW, AFTER_WRITE, crash_point
from engine.journal.batches import BatchRow, close_batch, insert_batch
from engine.journal.commands import command_by_id, move
from engine.journal.moves import Writing, begin_writing
from engine.journal.slices import Slices
from engine.pollers.call import Part, stored_runs
from engine.pollers.command_file import CommandFile, Room
from engine.pollers.lane_log import LaneLog
from engine.pollers.lane_parts import Flight
from engine.pollers.sending import Line

STREAM = 8  # commands written in one round: more are likely to come,
GATHER_S = 0.025  # and are gathered for this long at the least: a round has its price, whatever the number it carries;
GATHER_MOST_S = 0.45  # at the most, as long as more come,
GATHER_PER_S = 8.0  # for each second of processor that the last one took: who accepts commands meanwhile needs it, too
_JOURNALLED_TOGETHER = 8  # writes of commands
UNPROVEN_RESULTS = 192 * 1024  # bytes of results: what keeps a core busy while their batch rows become durable
FOR_COMMANDS = 4 * WRITE_LIMIT  # bytes that results leave free in the command file: people's commands find room at once


class LaneWriting(LaneLog):
    """Journal, write, journal."""

    __slots__ = ()

    def _write(self, parts: list[list[Line]], program_start: float) -> None:
        """Journal, write, journal: a few writes at a time, so that others wait for the journal for moments only."""
        command_file = self.health.opened()
        if command_file is None:
            self._look = True
            return
        try:
            self._gather(sum(map(len, parts)))
            for start in range(0, len(parts), _JOURNALLED_TOGETHER):
                rows = self._journal_batches(parts[start : start + _JOURNALLED_TOGETHER], command_file.identity, program_start)
                crash_point(AFTER_BATCH_ROW)
                if not self._write_rows(command_file, rows):
                    return
        finally:
            command_file.close()

    def _gather(self, lines: int) -> None:
        """After a round of so many lines: for how long more are gathered before the next."""
        took_s, self._took_s = time.thread_time() - self._took_s, time.thread_time()
        if lines >= STREAM:
            pause = min(GATHER_MOST_S, max(GATHER_S, GATHER_PER_S * took_s))
            self._gathering_until = self.clock.monotonic() + pause

    def _write_rows(self, command_file: CommandFile, rows: Sequence[BatchRow]) -> bool:
        """Write what was journalled. False: the command file took no more, the rest was taken back."""
        for position, row in enumerate(rows):
            try:
                command_file.write(row.bytes)
            except (PipeFull, NoReader) as error:
                self._take_back(rows[position:], str(error))
                if isinstance(error, NoReader):
                    self.health.report("no_reader", str(error))
                    self._look = True
                return False
            crash_point(AFTER_WRITE)
            self._flights[row.token] = Flight(len(row.bytes), self.clock.monotonic(), False)
            self._unsaved_since = self._unsaved_since if self._unsaved_written else self.clock.monotonic()
            self._unsaved_written += [(command_id, self.clock.now()) for command_id in row.command_ids]
        return True

    def _journal_batches(self, parts: list[list[Line]], identity: str, program_start: float) -> list[BatchRow]:
        """Make the batch rows durable; commands that were cancelled meanwhile are left out."""
        at = self.clock.now()
        place = self.tail.position()
        position = place.dump() if place is not None else ""
        tokens = [secrets.token_hex(8) for _ in parts]
        lines = [
            Writing(line.command.id, line.text, line.epoch, token)
            for token, part in zip(tokens, parts, strict=True)
            for line in part
        ]
        rows: list[BatchRow] = []
        with Slices(self.journal) as slices:
            self._store_written(slices)
            with slices.unit() as connection:
                taken = begin_writing(connection, lines, at)
                for token, part in zip(tokens, parts, strict=True):
                    left = [line for line in part if line.command.id in taken]
                    if left:
                        framed = self._framed(token, b"".join([line.text for line in left]))
                        ids = tuple([line.command.id for line in left])
                        row = BatchRow(token, self.poller.number, framed, ids, identity, position, program_start)
                        insert_batch(connection, row, at)
                        rows.append(row)
                        self._watch(token, left)
        return rows

    def _watch(self, token: str, lines: Sequence[Line]) -> None:
        """From now on the log may show these lines of a batch."""
        for line in lines:
            self._listen(line.command._replace(line=line.text))
            if known_row(line.command.name).bulk:
                self.results.note_written(line.command.host, line.command.service, line.epoch)
        expected = [self._expectation(line.command.id, line.command.name, line.text) for line in lines]
        self.watch.add(WatchedBatch(token, expected))
        self.prover.reruns.wrote(token, [one.echo for one in expected])

    def _take_back(self, rows: Sequence[BatchRow], reason: str) -> None:
        """These bytes were not written: nothing of them is in the command file."""
        if not rows:
            return
        at = self.clock.now()
        with self.journal.transaction() as connection:
            for row in rows:
                self.watch.drop(row.token)
                close_batch(connection, row.token)
                for command_id in row.command_ids:
                    now = command_by_id(connection, command_id)
                    if now is not None and now.state is State.WRITING:
                        move(connection, now, State.ACCEPTED, at, reason=reason, batch=None, line=None, epoch=None)
        self.reports.moved([command_id for row in rows for command_id in row.command_ids])

    def _flying(self, *, of_results: bool) -> int:
        """Bytes that were written and are not proven."""
        return sum(flight.size for flight in self._flights.values() if flight.of_results is of_results)

    def _room_for_results(self, found: Room) -> int:
        """How many bytes of results may be written now."""
        return min(found.free - _kept_for_commands(found.whole), UNPROVEN_RESULTS - self._flying(of_results=True))

    def _write_results(self, parts: list[Part], program_start: float) -> None:
        """Make these parts' batch rows durable, then write what is ready, as far as there is room: the core reads meanwhile."""
        command_file = self.health.opened()
        if command_file is None:
            self._look = True
            return
        try:
            if parts:
                self._journal_results(parts, command_file.identity, program_start)
                crash_point(AFTER_BATCH_ROW)
            room = 0
            while self.results.ready:
                if room < WRITE_LIMIT:
                    room = self._room_for_results(command_file.room())
                if room < WRITE_LIMIT:
                    return
                batch = self.results.ready[0]
                data = self._framed(batch.token, batch.lines.text)
                try:
                    command_file.write(data)
                except PipeFull:
                    return
                except NoReader as error:
                    self.health.report("no_reader", str(error))
                    self._look = True
                    return
                crash_point(AFTER_WRITE)
                self.watch.add(WatchedBatch(batch.token, [], lines=batch.lines))
                self._flights[batch.token] = Flight(len(data), self.clock.monotonic(), False, True)
                self.results.wrote()
                room -= len(data)
        finally:
            command_file.close()

    def _journal_results(self, parts: list[Part], identity: str, program_start: float) -> None:
        """The same for parts of calls of results, one row for those of a call; they are ready to be written then."""
        at = self.clock.now()
        place = self.tail.position()
        position = place.dump() if place is not None else ""
        with self.journal.transaction() as connection:
            self.results.drop_withdrawn(connection)
            parts = [part for part in parts if part.call.id in self.results.calls]
            for call, some in groupby(parts, key=lambda part: part.call.id):
                of_call = list(some)
                runs = stored_runs(call, (part.run for part in of_call))
                row = BatchRow(secrets.token_hex(8), self.poller.number, b"", (), identity, position, program_start, at, runs)
                insert_batch(connection, row, at)
                self.results.launch(of_call, row)
            moved = self._store_results(connection)
        self.reports.moved(moved)


def _kept_for_commands(whole: int) -> int:
    """Bytes that results leave free in a command file that holds so many: half of a small one, nothing of a single page."""
    return min(FOR_COMMANDS, whole // 2 // WRITE_LIMIT * WRITE_LIMIT)
