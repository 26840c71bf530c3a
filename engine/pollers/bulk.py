"""Passive results by the thousand: where each result of a lane's open calls stands, in memory, and what may be written next.

Theory of operation. A call is one row of the journal; its lane holds its lines and one byte per result. Results go out in the
order of their calls, in batches of their own that hold one call's lines, through the same marks and the same watch of the log as
commands. What a batch row, a verdict or a status file changes here is stored in the same transaction, by `save`; after a crash of
ours `load` puts it together again from the row, its failures and the open batches.

Rules. Order is kept per object: a result that must wait holds back what comes behind it for its object, commands of people
included; one older than the newest that was executed for its object is overtaken. Nothing executed is sent again. The effect is
judged for a call as a whole, once nothing of it is under way, a slice per step: only what failed is listed.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import chain, islice

import orjson

from engine.commands.catalogue import CATALOGUE
from engine.commands.lifecycle import State
from engine.commands.profiles import Profile
from engine.commands.proof import WHOLE, Effected, Judgement, LastCheck, Outcome, ResultLines, Verdict, judge_last_check
from engine.commands.wire import WRITE_LIMIT, echo_text
from engine.journal.calls import (
    CallRow,
    Counts,
    Failure,
    failures_of,
    has_open_calls,
    insert_failures,
    lines_of,
    open_calls,
    update_call,
)
from engine.journal.store import BatchRow, CommandRow, close_batches
from engine.pollers.last_checks import Key, LastChecks
from engine.pollers.sending import MARKS_BYTES, OVERTAKEN, RECHECK_AFTER_S, Situation
from engine.state.views import Reader

JUDGED_AT_ONCE = 1000  # results per step: some milliseconds in which the lane does nothing else
_EFFECT_DEADLINE_S = CATALOGUE["PROCESS_SERVICE_CHECK_RESULT"].effect_deadline_s
_LOOKED_UP_AT_ONCE = 200  # of what waits, before it is known how much of it there is room for
_SEPARATOR = "#"  # between a call's id and the place of one of its results

Order = tuple[int, int, int]  # check time, call, place: by what a result is older than another of its object


class Stands(IntEnum):
    """Where one result stands: one byte of `Call.stands`."""

    WAITING = 0
    FLYING = 1  # in an open batch
    PROCESSED = 2  # executed; its effect is still to be seen
    DOUBTFUL = 3  # only the core's files can tell whether it was executed
    OVERLAID = 4  # executed, and something newer stands in its place: nothing will ever show more
    CONFIRMED = 5
    FAILED = 6


_TO_JUDGE = frozenset({Stands.PROCESSED, Stands.DOUBTFUL})


@dataclass(slots=True)
class Call:
    """One open call. `stands` says of each result where it is; a search for a byte in it costs next to nothing."""

    row: CallRow
    lines: list[bytes]
    keys: list[Key]
    epochs: list[int]
    stands: bytearray
    cursor: int  # everything from here on waits
    last: dict[Key, int]  # the place of each object's last result
    executed_at: float
    reason: str
    held: bool
    ended: dict[State, int]
    overtaken: int
    ready: int = 0  # of those that fly: not written yet
    unsaved: list[Failure] = field(default_factory=list)
    judged: int = 0  # the generation its last whole round of judging was made by
    judging: list[int] = field(default_factory=list)  # what is left of the present round
    is_changed: bool = False

    @classmethod
    def of(cls, row: CallRow, lines: list[bytes], failures: Iterable[Failure]) -> Call:
        """As the journal has it; what its open batches hold is put in by `ResultCalls.expected`."""
        count = len(lines)
        stands = bytearray([Stands.PROCESSED]) * row.cursor + bytearray(count - row.cursor)
        for index in row.again:
            stands[index] = Stands.WAITING
        for index in row.doubtful:
            stands[index] = Stands.DOUBTFUL
        ended: dict[State, int] = {}
        for failure in failures:
            size = failure.last - failure.first + 1
            stands[failure.first : failure.last + 1] = bytes([Stands.FAILED]) * size
            ended[failure.state] = ended.get(failure.state, 0) + size
        keys, epochs = _keys_and_epochs(lines)
        last = dict(zip(keys, range(count), strict=True))
        overtaken = row.counts.overtaken
        return cls(row, lines, keys, epochs, stands, row.cursor, last, row.executed_at, row.reason, row.held, ended, overtaken)

    @property
    def id(self) -> str:
        return self.row.id

    def count(self, *where: Stands) -> int:
        return sum(self.stands.count(one) for one in where)

    @property
    def is_waiting(self) -> bool:
        """Does anything wait?"""
        return self.cursor < len(self.lines) or Stands.WAITING in self.stands

    @property
    def is_under_way(self) -> bool:
        """Does anything wait, or fly?"""
        return self.is_waiting or Stands.FLYING in self.stands

    def is_waiting_for(self, key: Key) -> bool:
        """Does any result of that object wait?"""
        last = self.last.get(key, -1)
        return last >= self.cursor or (last >= 0 and any(self.keys[index] == key for index in self.again()))

    @property
    def is_over(self) -> bool:
        return not self.is_under_way and not self.count(Stands.PROCESSED, Stands.DOUBTFUL)

    def order(self, index: int) -> Order:
        return self.epochs[index], self.row.seq, index

    def put(self, index: int, where: Stands) -> None:
        """One result goes on."""
        self.stands[index] = where
        self.is_changed = True

    def fail(self, index: int, state: State, words: str, *, overtaken: bool = False) -> None:
        """One result came to a bad end."""
        self.put(index, Stands.FAILED)
        self.ended[state] = self.ended.get(state, 0) + 1
        self.overtaken += overtaken
        last = self.unsaved[-1] if self.unsaved else None
        if last is not None and (last.last, last.state, last.words) == (index - 1, state, words):
            self.unsaved[-1] = replace(last, last=index)
        else:
            self.unsaved.append(Failure(index, index, state, words))

    def waiting(self) -> Iterable[int]:
        """The places of what waits, in order."""
        return chain(tuple(self.again()), range(self.cursor, len(self.lines)))

    def again(self) -> Iterator[int]:
        """The places before `cursor` of what waits, or waits once more."""
        found = self.stands.find(Stands.WAITING, 0, self.cursor)
        while found >= 0:
            yield found
            found = self.stands.find(Stands.WAITING, found + 1, self.cursor)

    def stored(self, at: float) -> CallRow:
        """The row as it is now."""
        counts = Counts(
            accepted=self.count(Stands.WAITING) + self.ready,
            written=self.count(Stands.FLYING, Stands.DOUBTFUL) - self.ready,
            processed=self.count(Stands.PROCESSED, Stands.OVERLAID),
            confirmed=self.count(Stands.CONFIRMED),
            refused=self.ended.get(State.REFUSED, 0),
            no_effect=self.ended.get(State.NO_EFFECT, 0),
            expired=self.ended.get(State.EXPIRED, 0),
            overtaken=self.overtaken,
            unknown=self.ended.get(State.UNKNOWN, 0),
        )
        doubtful = tuple(index for index, where in enumerate(self.stands) if where == Stands.DOUBTFUL) if self._has_doubts() else ()
        return replace(
            self.row,
            updated_at=at,
            cursor=self.cursor,
            again=tuple(self.again()),
            doubtful=doubtful,
            executed_at=self.executed_at,
            reason=self.reason,
            held=self.held and self.is_waiting,
            open=not self.is_over,
            counts=counts,
        )

    def _has_doubts(self) -> bool:
        return Stands.DOUBTFUL in self.stands


@dataclass(frozen=True, slots=True)
class Part:
    """One write's worth of one call."""

    call: Call
    indexes: list[int]

    @property
    def body(self) -> bytes:
        return b"".join(self.call.lines[index] for index in self.indexes)

    @property
    def results(self) -> str:
        """As its batch row has it."""
        return orjson.dumps({"call": self.call.id, "indexes": self.indexes}).decode()


@dataclass(frozen=True, slots=True)
class Ready:
    """A batch whose row is durable and whose bytes are still to be written; `lines`: what the log will show of it."""

    row: BatchRow
    call: Call
    indexes: list[int]
    lines: ResultLines

    @property
    def keys(self) -> Iterator[Key]:
        return (self.call.keys[index] for index in self.indexes)


@dataclass(slots=True)
class ResultCalls:
    """The open calls of one lane. Belongs to its thread."""

    poller: int
    profile: Profile
    echoes_expected: bool  # False: the core does not log results (log_passive_checks=0)
    calls: dict[str, Call] = field(default_factory=dict)
    _batches: dict[str, tuple[Call, list[int]]] = field(default_factory=dict)  # by token, what each open one holds
    ready: deque[Ready] = field(default_factory=deque)
    _settled: list[str] = field(default_factory=list)  # batches the log has settled and the journal still holds open
    _loaded: int = 0  # seq of the newest call that was read
    _flying: dict[Key, Order] = field(default_factory=dict)  # the newest under way per object
    _executed: dict[Key, Order] = field(default_factory=dict)  # the newest executed per object
    _checks: LastChecks = field(init=False)

    def __post_init__(self) -> None:
        self._checks = LastChecks(self.poller)

    # --- the journal ----------------------------------------------------------------------------------------------------------

    def load(self, connection: sqlite3.Connection) -> None:
        """Take up calls that were accepted since."""
        if not has_open_calls(connection, self.poller, self._loaded):
            return
        for row in open_calls(connection, self.poller, self._loaded):
            call = Call.of(row, lines_of(connection, row.id), failures_of(connection, row.id))
            self._loaded = row.seq
            self.calls[row.id] = call

    def recovered(self) -> None:
        """The open batches of a former life are in: what else was written before was executed."""
        for call in self.calls.values():
            for index in range(call.cursor):
                if call.stands[index] == Stands.PROCESSED:
                    self._note_executed(call, index)

    def save(self, connection: sqlite3.Connection, at: float) -> list[str]:
        """Store what changed; calls that are over are let go. Returns the ids of calls in which something moved."""
        settled, self._settled = self._settled, []
        close_batches(connection, settled)
        changed = [call for call in self.calls.values() if call.is_changed]
        for call in changed:
            insert_failures(connection, call.id, call.unsaved)
            call.unsaved = []
            call.is_changed = False
            row = call.stored(at)
            update_call(connection, row)
            if not row.open:
                del self.calls[call.id]
        if not self.calls:
            self._checks.forget()
        return [call.id for call in changed]

    @property
    def is_changed(self) -> bool:
        """Is there something to store?"""
        return bool(self._settled) or any(call.is_changed for call in self.calls.values())

    @property
    def is_waiting(self) -> bool:
        """Does any result wait to be written?"""
        return bool(self.ready) or any(call.is_waiting for call in self.calls.values())

    @property
    def ready_bytes(self) -> int:
        """How much is journalled and not written yet."""
        return sum(len(one.row.bytes) for one in self.ready)

    def holds_back(self, command: CommandRow) -> bool:
        """Does an older result wait for the command's object?"""
        key = (command.host, command.service)
        if any(key in one.keys for one in self.ready):
            return True
        return any(call.row.after_command < command.seq and call.is_waiting_for(key) for call in self.calls.values())

    def see(self, generation: int) -> None:
        """Readers show this generation from now on."""
        self._checks.turn_to(generation)

    # --- writing --------------------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Give up what waited too long."""
        for call in self.calls.values():
            if call.row.deadline_at <= now and call.is_waiting:
                for index in call.waiting():
                    call.fail(index, State.EXPIRED, "its time to live ran out before it could be written")
                call.cursor = len(call.lines)

    def hold(self, reason: str) -> None:
        """The core is not reading."""
        for call in self.calls.values():
            if not call.held and call.is_waiting:
                call.held, call.reason, call.is_changed = True, reason, True

    def plan(self, situation: Situation, reader: Reader, blocked: Collection[Key], room: int) -> list[Part]:
        """The next writes, oldest call first, as many as `room` bytes allow; what is overtaken is given up.

        `blocked`: objects for which an older command waits.
        """
        parts: list[Part] = []
        behind = set(blocked)
        planned = dict(self._flying)
        for call in self.calls.values():
            if room < WRITE_LIMIT:
                break
            if not call.is_waiting:
                continue
            waited = situation.now - call.row.accepted_at > RECHECK_AFTER_S
            if waited and call.row.accepted_at <= situation.back_at and situation.created <= situation.back_at:
                break  # what became of the objects while the core was away is not known yet
            made = self._plan_call(call, situation, reader, behind, planned, room)
            room -= len(made) * WRITE_LIMIT
            parts += made
        return parts

    def _plan_call(
        self, call: Call, situation: Situation, reader: Reader, behind: set[Key], planned: dict[Key, Order], room: int
    ) -> list[Part]:
        parts: list[Part] = []
        size = WRITE_LIMIT
        lines, keys, epochs, seq = call.lines, call.keys, call.epochs, call.row.seq
        waiting = iter(call.waiting())
        while some := list(islice(waiting, _LOOKED_UP_AT_ONCE)):
            checks = self._checks.of(reader, [keys[index] for index in some])
            for index in some:
                length = len(lines[index])
                if size + length > WRITE_LIMIT and room < WRITE_LIMIT:
                    return parts
                if index >= call.cursor:
                    call.cursor = index + 1
                key, order = keys[index], (epochs[index], seq, index)
                if key in behind or planned.get(key, order) > order:
                    behind.add(key)  # not now
                    continue
                verdict = self._overtaken(call, key, order, situation, checks)
                if verdict:
                    call.fail(index, State.EXPIRED, verdict, overtaken=True)
                    continue
                if size + length > WRITE_LIMIT:
                    room -= WRITE_LIMIT
                    size = MARKS_BYTES
                    parts.append(Part(call, []))
                parts[-1].indexes.append(index)
                planned[key] = order
                size += length
        return parts

    def _overtaken(self, call: Call, key: Key, order: Order, situation: Situation, checks: Mapping[Key, LastCheck | None]) -> str:
        """Why it is not worth sending any more; "" when it is."""
        executed = self._executed.get(key)
        if executed is not None and executed > order:
            return f"{OVERTAKEN}: a newer result of {executed[0]} was executed first"
        if key not in checks and situation.created > call.row.accepted_at:
            return f"{OVERTAKEN}: the object is no longer in the core's configuration"
        check = checks.get(key)
        if check is not None and int(check.at) > order[0]:
            return f"{OVERTAKEN}: the object has a newer check result, of {check.at:.0f}"
        return ""

    def newest_epoch(self, host: str, service: str) -> int:
        """The newest check time that was written for an object, 0 when none is known: no later line may have an older one."""
        return max((known[host, service][0] for known in (self._flying, self._executed) if (host, service) in known), default=0)

    def note_written(self, host: str, service: str, epoch: int) -> None:
        """A result that is a command of its own is about to be written."""
        self._executed[host, service] = max((epoch, 0, 0), self._executed.get((host, service), (0, 0, 0)))

    def launch(self, part: Part, row: BatchRow) -> None:
        """A part's batch row is being stored: it is ready to be written."""
        call = part.call
        call.held, call.reason = False, ""
        self._fly(call, part.indexes)
        call.ready += len(part.indexes)
        self.ready.append(Ready(row, call, part.indexes, self._lines(row.token, call, part.indexes)))

    def wrote(self) -> None:
        """The oldest ready batch went into the command file."""
        written = self.ready.popleft()
        written.call.ready -= len(written.indexes)
        written.call.is_changed = True

    def _fly(self, call: Call, indexes: Iterable[int]) -> None:
        flying, stands, seq = self._flying, call.stands, call.row.seq
        for index in indexes:
            stands[index] = Stands.FLYING
            key, order = call.keys[index], (call.epochs[index], seq, index)
            if flying.get(key, order) <= order:
                flying[key] = order
        call.is_changed = True

    def _lines(self, token: str, call: Call, indexes: list[int]) -> ResultLines:
        self._batches[token] = (call, indexes)
        echoes = [echo_text(call.lines[index], self.profile) for index in indexes]
        return ResultLines(f"{call.id}{_SEPARATOR}", indexes, echoes, self.echoes_expected)

    def taken_up(self, batch: BatchRow) -> ResultLines | None:
        """What the log may show of an open batch of a former life."""
        found = orjson.loads(batch.results)
        call = self.calls.get(found["call"])
        if call is None:
            return None
        indexes = [index for index in found["indexes"] if call.stands[index] != Stands.FAILED]  # given up while its log was silent
        self._fly(call, indexes)
        return self._lines(batch.token, call, indexes)

    def take_back(self) -> list[BatchRow]:
        """What is ready is not written after all. Returns the rows."""
        rows = [one.row for one in self.ready]
        for one in self.ready:
            del self._batches[one.row.token]
            one.call.ready -= len(one.indexes)
            for index in one.indexes:
                self._landed(one.call, index)
                one.call.put(index, Stands.WAITING)
        self.ready.clear()
        return rows

    def give_up(self, token: str, reason: str) -> None:
        """A log that stays silent: what of a batch is under way becomes `unknown`. Does nothing for batches of commands."""
        if token not in self._batches:
            return
        call, indexes = self._batches[token]
        for index in indexes:
            if call.stands[index] == Stands.FLYING:
                self._landed(call, index)
                call.fail(index, State.UNKNOWN, reason)

    # --- what the log says ----------------------------------------------------------------------------------------------------

    def take_verdicts(self, verdicts: Iterable[Verdict], tokens: Iterable[str]) -> None:
        """Note what the log proved about results under way, and which batches are settled."""
        self._settled += tokens
        for verdict in verdicts:
            name, _, place = verdict.command_id.partition(_SEPARATOR)
            if place.startswith(WHOLE):
                self._take_whole(*self._batches[place.removeprefix(WHOLE)], verdict.at)
                continue
            call, index = self.calls.get(name), int(place)
            if call is None or call.stands[index] != Stands.FLYING:
                continue
            self._landed(call, index)
            self._take(call, index, verdict)
        for token in tokens:
            self._batches.pop(token, None)

    def _take_whole(self, call: Call, indexes: Iterable[int], at: int) -> None:
        """All of a batch was executed, without an error."""
        call.executed_at = max(call.executed_at, float(at))
        call.is_changed = True
        flying, executed, stands, seq = self._flying, self._executed, call.stands, call.row.seq
        for index in indexes:
            if stands[index] == Stands.FLYING:
                stands[index] = Stands.PROCESSED
            key, order = call.keys[index], (call.epochs[index], seq, index)
            if flying.get(key) == order:
                del flying[key]
            if executed.get(key, order) <= order:
                executed[key] = order

    def _take(self, call: Call, index: int, verdict: Verdict) -> None:
        call.executed_at = max(call.executed_at, float(verdict.at))
        match verdict.outcome:
            case Outcome.PROCESSED:
                call.put(index, Stands.PROCESSED)
                self._note_executed(call, index)
                if verdict.duplicate:
                    call.reason = f"executed more than once, by another program's bytes on the command file: {verdict.evidence}"
            case Outcome.REFUSED:
                call.fail(index, State.REFUSED, verdict.evidence.split("] ", 1)[-1])
            case Outcome.UNCLEAR if verdict.hole or verdict.evidence or self.profile.persists_at_once:
                call.put(index, Stands.DOUBTFUL)
            case _:
                call.put(index, Stands.WAITING)

    def _landed(self, call: Call, index: int) -> None:
        key = call.keys[index]
        if self._flying.get(key) == call.order(index):
            del self._flying[key]

    def _note_executed(self, call: Call, index: int) -> None:
        key, order = call.keys[index], call.order(index)
        self._executed[key] = max(order, self._executed.get(key, order))

    # --- what the status file says --------------------------------------------------------------------------------------------

    def has_to_judge(self, generation: int) -> bool:
        """Is there a call whose effects this generation has not been asked for yet?"""
        return any(self._is_due(call, generation) for call in self.calls.values())

    def _is_due(self, call: Call, generation: int) -> bool:
        return bool(call.judging) or (call.judged != generation and not call.is_under_way)

    def judge(self, reader: Reader, generation: int, created: float, program_start: float) -> None:
        """Look for the effects of the oldest call that is due, a slice of it."""
        call = next((call for call in self.calls.values() if self._is_due(call, generation)), None)
        if call is None:
            return
        if not call.judging:
            call.judged = generation
            call.judging = [i for i, where in enumerate(call.stands) if where in _TO_JUDGE]
        now, call.judging = call.judging[:JUDGED_AT_ONCE], call.judging[JUDGED_AT_ONCE:]
        checks = self._checks.of(reader, [call.keys[index] for index in now])
        said: dict[tuple[LastCheck | None, int], Judgement] = {}
        stands = call.stands
        for index in now:
            key, epoch = call.keys[index], call.epochs[index]
            check = checks.get(key)
            if stands[index] not in _TO_JUDGE or (check is None and key in checks):
                continue
            judgement = said.get((check, epoch))
            if judgement is None:
                judgement = said[check, epoch] = judge_last_check(
                    check, created, float(epoch), call.executed_at, _EFFECT_DEADLINE_S, self.profile.bracket_is_entry_time
                )
            if judgement.effected is Effected.YES:
                stands[index] = Stands.CONFIRMED
                call.is_changed = True
            elif judgement.effected is not Effected.NOT_YET:
                self._not_seen(call, index, judgement, program_start)

    def _not_seen(self, call: Call, index: int, judgement: Judgement, program_start: float) -> None:
        doubtful = call.stands[index] == Stands.DOUBTFUL
        match judgement.effected:
            case Effected.CLEARED if doubtful:
                call.fail(index, State.UNKNOWN, judgement.reason)
            case Effected.CLEARED:
                call.put(index, Stands.OVERLAID)
            case Effected.NO if doubtful or program_start >= call.executed_at:
                call.put(index, Stands.WAITING)  # never executed, or lost by a core that was killed
                self._executed.pop(call.keys[index], None)
            case Effected.NO:
                call.fail(index, State.NO_EFFECT, judgement.reason)


def is_of_result(verdict: Verdict) -> bool:
    """Is it about a result of a call, not about a command?"""
    return _SEPARATOR in verdict.command_id


def _keys_and_epochs(lines: Sequence[bytes]) -> tuple[list[Key], list[int]]:
    """The object of each result's line, and the time of its check. Equal objects are one and the same value."""
    keys: list[Key] = []
    epochs: list[int] = []
    shared: dict[Key, Key] = {}
    heads: dict[str, tuple[int, bool]] = {}  # few differ: `[1800000000] PROCESS_HOST_CHECK_RESULT`
    for line in lines:
        head, host, service, _ = line.decode().split(";", 3)
        if head not in heads:
            bracket, _, name = head.partition("] ")
            heads[head] = int(bracket[1:]), name == "PROCESS_SERVICE_CHECK_RESULT"
        epoch, is_service = heads[head]
        key = (host, service if is_service else "")
        keys.append(shared.setdefault(key, key))
        epochs.append(epoch)
    return keys, epochs
