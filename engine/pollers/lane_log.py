"""A lane's ear: what the core's log says is read and stored; after a start of ours from where open batches were written."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from engine.commands.executed import Verdict
from engine.commands.expected import Expected, WatchedBatch
from engine.commands.lifecycle import IN_FLIGHT, State
from engine.commands.wire import WRITE_LIMIT
from engine.faults import AFTER_END_MARK, crash_point
from engine.formats.corelog import LogKind, LogLine, parse_icinga2_line, parse_line, without_passive
from engine.journal.batches import BatchRow, close_batches, open_batches
from engine.journal.commands import commands_in
from engine.journal.moves import commands_by_id
from engine.journal.slices import Slices, parts_of
from engine.pollers.bulk import is_of_result
from engine.pollers.lane_parts import Flight, LaneParts
from engine.pollers.switches import is_switch, overruled_by

log = logging.getLogger(__name__)


class LaneLog(LaneParts):
    """Follows the log."""

    __slots__ = ()

    def recover(self) -> None:
        """Take up the open batches of a former life at the place in the log where the oldest of them was written."""
        # The core may have been started again while nobody followed its log: older status files do not tell its ids.
        self._back_at = self.clock.now()
        self.results.load(self.journal.connection)
        unsettled = open_batches(self.journal.connection, self.poller.number)
        self.following.open(unsettled)
        if self.compat_tail is not None:
            self.compat_tail.open(None)
        for command in commands_in(self.journal.connection, self.poller.number, IN_FLIGHT | {State.PROCESSED}):
            self._listen(command, command.state is State.PROCESSED)
        for batch in unsettled:
            if batch.results:
                for token, lines in self.results.taken_up(batch):
                    # Journalled together, written by and by: what stands behind it in the journal may have been written first.
                    self._take_up(WatchedBatch(token, [], lines=lines, may_be_later=True), WRITE_LIMIT, True)
                continue
            expected = self._expected(batch)
            self._take_up(WatchedBatch(batch.token, expected), len(batch.bytes), False)
            self.prover.reruns.wrote(batch.token, [one.echo for one in expected])
        self.results.recovered()
        if unsettled:
            log.info("poller %s: %d open batches to settle", self.poller.name, len(unsettled))

    def _take_up(self, batch: WatchedBatch, size: int, of_results: bool) -> None:
        self.watch.add(batch)
        self._flights[batch.token] = Flight(size, self.clock.monotonic(), False, of_results)
        self._recovering.add(batch.token)

    def _expected(self, batch: BatchRow) -> list[Expected]:
        found = commands_by_id(self.journal.connection, batch.command_ids)
        return [
            self._expectation(command.id, command.name, command.line)
            for command in (found[command_id] for command_id in batch.command_ids if command_id in found)
            if command.line is not None and command.state in IN_FLIGHT | {State.UNKNOWN} and command.batch == batch.token
        ]

    def follow_log(self) -> None:
        """Read what is new and store what it proves."""
        parse = parse_icinga2_line if self.compat_tail is not None else parse_line
        self._log_has_more = False
        while not self._log_has_more and (lines := self.tail.read()):
            self._note_hole()
            settled: list[str] = []
            verdicts: list[Verdict] = []
            heard: list[tuple[str, str]] = []
            is_short = self.compat_tail is None and not self.listener.waiting
            foreign: list[LogLine] = []
            lines = without_passive(lines) if is_short else lines
            place = 0
            while place < len(lines):
                if is_short and (whole := self.watch.take_batch(lines, place)) is not None:
                    place += whole.lines
                    self.prover.reruns.passed(whole.token, whole.verdict.at)
                    settled.append(whole.token)
                    verdicts.append(whole.verdict)
                    continue
                if is_short and (taken := self.watch.take_echoes(lines, place)):
                    place += taken
                    continue
                raw = lines[place]
                place += 1
                line = parse(raw)
                if self.profile.bracket_is_entry_time and (line is not None or raw):
                    self.prover.reruns.feed(line)
                if line is not None and self.listener.waiting:
                    heard += self.listener.feed(line)
                if line is None or line.kind is LogKind.OTHER:
                    continue
                if line.kind in (LogKind.START, LogKind.STOP):
                    self._lived(line)
                if line.kind is LogKind.EXTERNAL_COMMAND and is_switch(line.text) and not self.watch.expects(line.text):
                    foreign.append(line)
                tokens, proven = self.watch.feed(line)
                settled += tokens
                verdicts += proven
            if settled:
                self._settle(settled, verdicts)
                self._log_has_more = self.results.is_waiting  # the core must not run dry meanwhile
            self._take_heard(heard)
            self._take_foreign(foreign)
        self._note_hole()
        self.following.save()
        self._hear_compat_log()

    def _hear_compat_log(self) -> None:
        """Icinga 2 says what became of some effects in its compat log only."""
        while self.compat_tail is not None and (lines := self.compat_tail.read()):
            parsed = [line for line in map(parse_line, lines) if line is not None]
            self._take_heard([found for line in parsed if self.listener.waiting for found in self.listener.feed(line)])

    def _take_heard(self, heard: Sequence[tuple[str, str]]) -> None:
        """Store which commands' effects the log has shown."""
        if not heard:
            return
        at = self.clock.now()
        with self.journal.transaction() as connection:
            moved = [command_id for command_id, line in heard if self.prover.take_heard(connection, command_id, line, at)]
        self.reports.moved(moved)

    def _take_foreign(self, lines: Sequence[LogLine]) -> None:
        """Switches that another program set: ours of the same features no longer hold."""
        if lines:
            at = self.clock.now()
            with self.journal.transaction() as connection:
                moved = [number for line in lines for number in overruled_by(connection, self.poller.number, line, at)]
            self.reports.moved(moved)

    def _lived(self, line: LogLine) -> None:
        """The core was started, reloaded or stopped: status files before a start no longer tell its ids."""
        self.following.lived(line)
        if line.kind is LogKind.START:
            self._back_at = max(self._back_at, float(line.at))
            self._lone_marks, self._lone_at = 0, -1e9

    def _note_hole(self) -> None:
        if self.tail.hole:
            self.tail.hole = False
            self.watch.hole()

    def _settle(self, tokens: list[str], verdicts: list[Verdict]) -> None:
        if verdicts:
            crash_point(AFTER_END_MARK)
        of_commands = [verdict for verdict in verdicts if not is_of_result(verdict)]
        self.results.take_verdicts((verdict for verdict in verdicts if is_of_result(verdict)), tokens)
        self._note_unsaved()
        # What is proven of results is stored with whatever comes next: until then their batches are open, and prove it again.
        if of_commands or not all(token in self._flights and self._flights[token].of_results for token in tokens):
            self._store_verdicts(of_commands, tokens)
        for token in tokens:
            self._flights.pop(token, None)
            self._recovering.discard(token)
        if self._given_up and not self._given_up - set(tokens):
            log.info("poller %s: its log speaks again", self.poller.name)
        self._given_up -= set(tokens)
        if self._unsaved_results_since is not None and not self._flights and not self.results.is_waiting:
            self._save_written()  # nothing follows that could share the commit
        self._lone_marks = 0
        self._look = True
        # Presence proves in any generation, and this one may be young enough to show it.
        self._generation_due |= any(verdict.at <= self._generation_created for verdict in of_commands)

    def _store_verdicts(self, verdicts: Sequence[Verdict], tokens: Sequence[str]) -> None:
        """The batches are closed last: what a crash of ours leaves unstored between slices, the log proves again."""
        at = self.clock.now()
        moved: set[str] = set()
        with Slices(self.journal) as slices:
            rest: list[Verdict] = []
            for some in parts_of(verdicts):
                with slices.unit() as connection:
                    executed, others = self.prover.take_executed(connection, some, dict(self._unsaved_written), at)
                moved |= executed
                rest += others
            moved |= set(self._store_written(slices))
            for verdict in rest:
                with slices.unit() as connection:
                    if self.prover.take_verdict(connection, verdict, at):
                        moved.add(verdict.command_id)
            with slices.unit() as connection:
                close_batches(connection, tokens)
        self.reports.moved(sorted(moved))
