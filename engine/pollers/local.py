"""The lane: one thread that carries one local poller's commands from the journal to the core and their proof back.

Theory of operation. Everything is one synchronous step, so that the order "journal, write, journal" can be read off the page:
follow the log and store what it proves; take a new generation if there is one and store what that proves; write what waits.
A step begins when somebody pokes the lane (a command was accepted, a generation was applied) or after a pause that is short
while something is unproven. The batch row with the exact bytes is durable before they are written; after a crash of ours the
lane reads the log from where it was followed to (or the oldest open batch was written), writes a lone mark, and sends nothing
else until that mark settled every open batch. The same goes for a log that stays silent for `silent_log_s`: what was written
becomes `unknown`, nothing is added to it, and a mark that comes back at last lets the lane go on.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from engine.clock import Clock
from engine.commands.catalogue import Effect, known_row
from engine.commands.effects import Listener
from engine.commands.executed import BatchWatch, Verdict
from engine.commands.expected import Expected, WatchedBatch
from engine.commands.lifecycle import IN_FLIGHT, UNWRITTEN, State
from engine.commands.profiles import PROFILES, Profile
from engine.commands.wire import WRITE_LIMIT, echo_text, encode_mark
from engine.config import Poller, Settings
from engine.errors import NoReader, PipeFull, PollerError
from engine.faults import AFTER_ACCEPT, AFTER_BATCH_ROW, AFTER_END_MARK, AFTER_WRITE, crash_point
from engine.formats.corelog import LogKind, LogLine, parse_icinga2_line, parse_line, without_passive
from engine.journal.moves import Writing, begin_writing, commands_by_id, note_written
from engine.journal.slices import Slices, parts_of
from engine.journal.store import (
    BatchRow,
    CommandRow,
    Journal,
    close_batch,
    close_batches,
    command_by_id,
    commands_in,
    insert_batch,
    is_waiting,
    move,
    open_batches,
    overdue,
)
from engine.model import CoreKind
from engine.pollers.absent import refused
from engine.pollers.bulk import ResultCalls, is_of_result
from engine.pollers.call import Part, stored_runs
from engine.pollers.command_file import CommandFile
from engine.pollers.expiry import Expiry
from engine.pollers.following import Following
from engine.pollers.health import CommandFileHealth
from engine.pollers.losses import is_switch, overruled_by
from engine.pollers.proving import Prover
from engine.pollers.sending import Line, Situation, batches, in_sending_order, plan, ran_out
from engine.pollers.tail import LogTail
from engine.state.views import Reader

log = logging.getLogger(__name__)

UNPROVEN_LIMIT = 64 * 1024  # bytes: what a FIFO holds; more would be waiting in a core that does not read
LOGGED_WITHIN_S = 20.0  # Icinga 2 flushes its log every second; on a machine with much to do it takes longer
RESULTS_LIMIT = UNPROVEN_LIMIT - 4 * WRITE_LIMIT  # of calls of results: people's commands find room at once
RESULTS_AHEAD = 32 * WRITE_LIMIT  # journalled in one commit, before it is their turn to be written
AT_ONCE = 5000  # commands held or given up in one step
_JOURNALLED_TOGETHER = 8  # writes of commands
_ENOUGH_FLIGHTS = 8  # writes that keep a core busy for a millisecond or two
LOOK_EVERY_S = 0.5  # pokes are hints and may be lost
STREAM = 8  # commands written in one round: more are likely to come,
GATHER_S = 0.025  # and are gathered for this long at the least: a round has its price, whatever the number it carries;
GATHER_MOST_S = 0.45  # at the most, as long as more come,
GATHER_PER_S = 8.0  # for each second of processor that the last one took: who accepts commands meanwhile needs it, too
WRITTEN_WITHIN_S = 0.05  # the step `written` is stored by then, with whatever else is to be stored
_LONE_MARKS_S = (0.25, 1.0, 5.0, 30.0)  # pauses between lone marks when none comes back


@dataclass(frozen=True, slots=True)
class Reports:
    """Whom the lane tells: ids of commands that went on, the command file's health in words.

    None of them may wait for anybody. `health` returns False when it could not take the word: it is told again.
    """

    moved: Callable[[list[str]], None]
    health: Callable[[int, str, str], bool]


@dataclass(slots=True)
class _Flight:
    """Bytes on their way: written, not settled."""

    size: int
    written_at: float  # monotonic
    lone: bool
    of_results: bool = False


@dataclass(slots=True)
class Lane:
    """See the module. `run` is the thread's body; `poke` and `generation_applied` may be called from any thread."""

    poller: Poller
    settings: Settings
    journal: Journal
    reader: Callable[[], Reader]
    clock: Clock
    reports: Reports
    profile: Profile = field(init=False)
    prover: Prover = field(init=False)
    watch: BatchWatch = field(init=False)
    results: ResultCalls = field(init=False)
    health: CommandFileHealth = field(init=False)
    listener: Listener = field(default_factory=Listener)
    tail: LogTail = field(init=False)
    following: Following = field(init=False)
    compat_tail: LogTail | None = field(init=False)
    _poked: threading.Event = field(default_factory=threading.Event)
    _stopping: bool = False
    _generation: int = -1
    _generation_created: float = 0.0
    _generation_due: bool = False  # what state.db still shows of a former life proves nothing: wait for the first scan
    _reader: Reader | None = None
    _flights: dict[str, _Flight] = field(default_factory=dict)
    _recovering: set[str] = field(default_factory=set)  # open batches of a former life or of a silent log: settled before all else
    _given_up: set[str] = field(default_factory=set)  # those of the latter: their commands are `unknown`
    _unsaved_written: list[tuple[str, float]] = field(default_factory=list)  # (command id, when its line was written)
    _unsaved_since: float = 0.0
    _unsaved_results_since: float | None = None
    _back_at: float = 0.0  # core's second since which it reads without a break; older status files tell nothing new
    _lone_marks: int = 0
    _lone_at: float = -1e9
    _look: bool = True  # commands may wait in the journal
    _looked_at: float = -1e9
    _gathering_until: float = -1e9  # monotonic
    _poked_at: float = -1e9  # monotonic
    _took_s: float = 0.0  # processor of this thread when the last round of commands was written
    _is_gathering: bool = False  # what waits was left for then
    _log_has_more: bool = False

    def __post_init__(self) -> None:
        self.profile = PROFILES[self.poller.kind]
        self.prover = Prover(
            self.poller.number,
            self.poller.kind,
            self.profile,
            self.settings,
            frozenset(self.settings.reapply_lost if self.poller.reapply_lost is None else self.poller.reapply_lost),
        )
        self.watch = BatchWatch(self.profile)
        self.health = CommandFileHealth(self.poller, self.clock, self.reports.health, self._came_back)
        echoes = self.poller.log_passive_checks or self.poller.kind is CoreKind.ICINGA2
        self.results = ResultCalls(self.poller.number, self.profile, echoes)
        icinga2 = self.poller.kind is CoreKind.ICINGA2 and self.poller.main_log is not None
        self.tail = LogTail(self.poller.main_log or self.poller.log_file if icinga2 else self.poller.log_file, None)
        self.tail.archive_path = None if icinga2 else self.poller.log_archive_path
        self.following = Following(self.poller, self.journal, self.clock, self.tail)
        self.compat_tail = LogTail(self.poller.log_file, self.poller.log_archive_path) if icinga2 else None

    # --- from other threads ----------------------------------------------------------------------------------------------

    def poke(self) -> None:
        """Somebody accepted a command for this poller."""
        self._poked_at = self.clock.monotonic()
        self._look = True
        if not self._is_gathering:
            self._poked.set()

    def generation_applied(self, generation: int) -> None:
        """The mirror shows this generation of the poller."""
        if generation == self._generation:
            return
        self._generation = generation
        self._generation_due = True
        self._look = True
        self._poked.set()

    def stop(self) -> None:
        """Let `run` end after the present step."""
        self._stopping = True
        self._poked.set()

    # --- the thread ------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Recover, then step until stopped."""
        self.recover()
        while not self._stopping:
            self.step()
            self.rest()
        self._save_written()
        self.following.save(0.0)
        self.close()

    def close(self) -> None:
        """Let the files go; what is in flight is the next lane's."""
        self.tail.close()
        if self.compat_tail is not None:
            self.compat_tail.close()
        if self._reader is not None:
            self._reader.close()

    def rest(self) -> None:
        """Until somebody pokes, or it is time to look again."""
        self._poked.wait(self._pause())
        self._poked.clear()

    def step(self) -> None:
        """One round: what the log says, what the status file says, what waits."""
        self.follow_log()
        if self._generation_due:
            self._generation_due = False
            self.take_generation()
        self._judge_results()
        self._give_up_silent()
        self._look_after_command_file()
        self.send()
        self._push_overdue()
        if self._unsaved_for() > WRITTEN_WITHIN_S:
            self._save_written()

    def _unsaved_for(self) -> float:
        """For how many seconds the oldest thing waits that is to be stored; below 0 when there is nothing."""
        since = self._unsaved_since if self._unsaved_written else self._unsaved_results_since
        return self.clock.monotonic() - since if since is not None else -1.0

    def _pause(self) -> float:
        """Seconds until the next look at the log, poked or not: no longer than something waits to be stored."""
        unsaved = self._unsaved_for()
        return self._until_proof() if unsaved < 0 else min(self._until_proof(), max(0.0, WRITTEN_WITHIN_S - unsaved))

    def _until_proof(self) -> float:
        """Short while something is unproven, longer the longer it takes."""
        if self._log_has_more:
            return 0.0 if len(self._flights) < _ENOUGH_FLIGHTS else 0.001
        if self._is_gathering:
            ends = min(self._gathering_until, self._poked_at + GATHER_S)
            return min(GATHER_S if self._flights else 1.0, max(0.0, ends - self.clock.monotonic()))
        if self.results.has_to_judge(self._generation):
            return 0.001
        if not self._flights:
            return 0.1
        newest = max(flight.written_at for flight in self._flights.values())
        waited = self.clock.monotonic() - newest
        return 0.001 if waited < 0.05 else 0.005 if waited < 0.5 else 0.02 if waited < 5 else 0.1

    # --- recovery --------------------------------------------------------------------------------------------------------

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
        self._flights[batch.token] = _Flight(size, self.clock.monotonic(), False, of_results)
        self._recovering.add(batch.token)

    def _expected(self, batch: BatchRow) -> list[Expected]:
        found = commands_by_id(self.journal.connection, batch.command_ids)
        return [
            self._expectation(command.id, command.name, command.line)
            for command in (found[command_id] for command_id in batch.command_ids if command_id in found)
            if command.line is not None and command.state in IN_FLIGHT | {State.UNKNOWN} and command.batch == batch.token
        ]

    def _listen(self, command: CommandRow, echoed: bool = False) -> None:
        """Some effects are said by the log alone."""
        row = known_row(command.name)
        if command.line is not None and row.effect_in(self.poller.kind) is Effect.LOGGED:
            self.listener.add(row, command.arguments, self._expectation(command.id, command.name, command.line), echoed)

    def _expectation(self, command_id: str, name: str, line: bytes) -> Expected:
        is_result = name.endswith("_CHECK_RESULT") and self.poller.kind is not CoreKind.ICINGA2
        logged = self.poller.log_passive_checks if is_result else self.poller.log_external_commands
        return Expected(command_id, echo_text(line, self.profile), logged or self.poller.kind is CoreKind.ICINGA2)

    # --- the log ---------------------------------------------------------------------------------------------------------

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

    # --- the status file -------------------------------------------------------------------------------------------------

    def take_generation(self) -> None:
        """Judge effects by the newest generation."""
        reader = self._opened_reader()
        if reader is None:
            return
        _, created, program_start = reader.poller_generation(self.poller.number)
        if created and not program_start:
            return  # an Icinga 2 that is just starting writes a file that does not know yet when it began, nor what it had kept
        if program_start != self.following.state.program_start:
            # A new run: its log, which says how the former one ended, is written before its first status file, or soon after.
            self.follow_log()
            if self.profile.logs_late and not self._is_start_told(program_start):
                self._generation_due = True
                return
        crashed = self.following.is_crash(program_start)
        with Slices(self.journal) as slices:
            moved = self.prover.take_generation(slices, reader, self.clock.now(), self._generation_created, crashed)
            _, self._generation_created, _ = reader.poller_generation(self.poller.number)
            if self.health.is_reading and self._generation_created > self._back_at:
                at, ttl_s = self.clock.now(), self.settings.ttl_acknowledgement_s
                moved += Expiry(slices, reader, self.poller.number, self.poller.kind, at, ttl_s).take_back()
        if created:
            self.following.saw(program_start)
        self._look |= crashed
        self.reports.moved(moved)

    def _is_start_told(self, program_start: float) -> bool:
        return self.following.knows_start(program_start) or self.clock.now() >= program_start + LOGGED_WITHIN_S

    def _judge_results(self) -> None:
        """Look for what calls of results did, a slice of them at a time."""
        reader = self._opened_reader() if self.results.has_to_judge(self._generation) else None
        if reader is None:
            return
        with reader.snapshot():
            generation, created, program_start = reader.poller_generation(self.poller.number)
            self.results.see(generation)
            self.results.judge(reader, self._generation, created, program_start)
        self._note_unsaved()

    def _opened_reader(self) -> Reader | None:
        if self._reader is None:
            try:
                self._reader = self.reader()
            except PollerError:
                return None
        return self._reader

    # --- the command file ------------------------------------------------------------------------------------------------

    def _look_after_command_file(self) -> None:
        oldest = min((flight.written_at for flight in self._flights.values()), default=None)
        self.health.look(oldest, self.tail.path)

    def _came_back(self) -> None:
        """Somebody reads the command file again."""
        self._back_at = max(self._back_at, self.clock.now())
        self._lone_marks, self._lone_at = 0, -1e9
        self._look = True

    # --- writing ---------------------------------------------------------------------------------------------------------

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
        room = UNPROVEN_LIMIT - sum(flight.size for flight in self._flights.values())
        if room < WRITE_LIMIT or self.health.is_full():
            return
        if len(self.results.ready) > RESULTS_LIMIT // WRITE_LIMIT and not is_waiting(self.journal.connection, self.poller.number):
            self._write_results([], 0.0, room - (UNPROVEN_LIMIT - RESULTS_LIMIT))
        else:
            self._send(reader, room)

    def _is_anything_waiting(self) -> bool:
        self.results.load(self.journal.connection)
        return self.results.is_waiting or is_waiting(self.journal.connection, self.poller.number)

    def _keep_waiting(self) -> None:
        """What was written before is not settled: nothing goes out, but times to live run on."""
        if self._is_anything_waiting():
            self._expire_overdue()
            if self._given_up or not self.health.is_reading:
                self._hold_accepted()

    def _expire_overdue(self) -> None:
        late = overdue(self.journal.connection, self.poller.number, self.clock.now(), AT_ONCE)
        self._expire([(command, ran_out(command, self.health.is_reading)) for command in late])
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

    def _send(self, reader: Reader, room: int) -> None:
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
            left = room - len(parts) * WRITE_LIMIT - (UNPROVEN_LIMIT - RESULTS_LIMIT)
            more = left >= WRITE_LIMIT and len(self.results.ready) < RESULTS_AHEAD // WRITE_LIMIT // 2
            results = self.results.plan(situation, reader, decided.blocked, RESULTS_AHEAD) if more else []
            self._note_unsaved()
        self._expire(decided.expired)
        if parts:
            self._write(parts, program_start)
        if self.results.ready or results:
            self._write_results(results, program_start, left)

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

    def _write_results(self, parts: list[Part], program_start: float, room: int) -> None:
        """Make these parts' batch rows durable, then write what is ready, as far as `room` allows."""
        command_file = self.health.opened()
        if command_file is None:
            self._look = True
            return
        try:
            if parts:
                self._journal_results(parts, command_file.identity, program_start)
                crash_point(AFTER_BATCH_ROW)
            while self.results.ready and room >= WRITE_LIMIT:
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
                self._flights[batch.token] = _Flight(len(data), self.clock.monotonic(), False, True)
                self.results.wrote()
                room -= len(data)
        finally:
            command_file.close()

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
            self._flights[row.token] = _Flight(len(row.bytes), self.clock.monotonic(), False)
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

    def _framed(self, token: str, body: bytes) -> bytes:
        return self._mark("B", token) + body + self._mark("E", token)

    def _mark(self, role: str, token: str) -> bytes:
        return encode_mark(role, token, int(self.clock.now()), self.poller.log_external_commands)

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

    def _save_written(self) -> None:
        with Slices(self.journal) as slices:
            written = self._store_written(slices)
        self.reports.moved(written)

    def _store_written(self, slices: Slices) -> list[str]:
        """Store that lines were written, and what happened to results."""
        unsaved, self._unsaved_written = self._unsaved_written, []
        for some in parts_of(unsaved):
            with slices.unit() as connection:
                note_written(connection, dict(some))
        with slices.unit() as connection:
            results = self._store_results(connection)
        return [*(command_id for command_id, _ in unsaved), *results]

    def _store_results(self, connection: sqlite3.Connection) -> list[str]:
        self._unsaved_results_since = None
        return self.results.save(connection, self.clock.now())

    def _note_unsaved(self) -> None:
        """Something of results may have changed that is to be stored soon."""
        if self.results.is_changed and self._unsaved_results_since is None:
            self._unsaved_results_since = self.clock.monotonic()

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
        self._flights.setdefault(token, _Flight(len(mark), now, True))
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
