"""Passive results by the thousand: the open calls of a lane in memory, from the journal to the core and their proof back.

Theory of operation. A call is one row of the journal; its lane holds its lines and one byte per result (call.py). Results go out
in the order of their calls, in batches of their own that hold one call's lines (bulk_plan.py), through the same marks and the same
watch of the log as commands. What a batch row, a verdict or a status file (bulk_judge.py) changes here is stored in the same
transaction, by `save`; after a crash of ours `load` puts it together again from the row, its failures and the open batches.

Rules. Order is kept per object (newest.py): a result that must wait holds back what comes behind it for its object, commands of
people included. Nothing executed is sent again. Only what failed is listed.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from engine.commands.executed import Outcome, Verdict
from engine.commands.expected import WHOLE, ResultLines
from engine.commands.lifecycle import State
from engine.commands.profiles import Profile
from engine.journal.batches import BatchRow, close_batches, update_results
from engine.journal.calls import (
    failures_of,
    has_open_calls,
    insert_failures,
    open_calls,
    text_of,
    update_call,
    withdrawn_among,
)
from engine.journal.commands import CommandRow
from engine.pollers.bulk_judge import Judge, is_due, next_slice
from engine.pollers.bulk_plan import Planner
from engine.pollers.call import Call, Part, Run, Stands, runs_of, stored_runs, token_of
from engine.pollers.last_checks import LastChecks, key_of
from engine.pollers.newest import Newest
from engine.pollers.sending import Situation
from engine.state.views import Reader

_SEPARATOR = "#"  # between a call's id and the place of one of its results


class Ready(msgspec.Struct, frozen=True):
    """One write of a durable batch row, still to be done. `lines`: what the log will show of it."""

    token: str
    group: BatchRow
    number: int  # its place in the row
    call: Call
    run: Run
    lines: ResultLines


@dataclass(slots=True)
class ResultCalls:
    """The open calls of one lane. Belongs to its thread."""

    poller: int
    profile: Profile
    echoes_expected: bool  # False: the core does not log results (log_passive_checks=0)
    calls: dict[str, Call] = field(default_factory=dict)
    ready: deque[Ready] = field(default_factory=deque)
    _batches: dict[str, tuple[Call | None, Run, str]] = field(default_factory=dict)  # by token: what one write holds, its row
    _groups: dict[str, int] = field(default_factory=dict)  # batch rows, and how many writes of each are not settled
    _settled: list[str] = field(default_factory=list)  # batch rows the log has settled and the journal still holds open
    _loaded: int = 0  # seq of the newest call that was read
    _newest: Newest = field(default_factory=Newest)
    _checks: LastChecks = field(init=False)

    def __post_init__(self) -> None:
        self._checks = LastChecks(self.poller)

    # --- the journal ----------------------------------------------------------------------------------------------------------

    def load(self, connection: sqlite3.Connection) -> None:
        """Take up calls that were accepted since; let go those that were withdrawn."""
        self.drop_withdrawn(connection)
        if not has_open_calls(connection, self.poller, self._loaded):
            return
        for row in open_calls(connection, self.poller, self._loaded):
            call = Call.of(row, text_of(connection, row.id), failures_of(connection, row.id))
            self._loaded = row.seq
            self.calls[row.id] = self._newest.calls[row.seq] = call

    def drop_withdrawn(self, connection: sqlite3.Connection) -> None:
        """Forget calls that somebody withdrew: nothing of them is in a batch, nor will be."""
        for name in withdrawn_among(connection, self.poller, self.calls.keys()):
            call = self.calls.pop(name)
            del self._newest.calls[call.row.seq]

    def recovered(self) -> None:
        """The open batches of a former life are in: what else was written before was executed."""
        for call in self.calls.values():
            executed = [index for index in range(call.cursor) if call.stands[index] == Stands.PROCESSED]
            self._newest.executed_all(call.keys(executed), call.orders(executed))

    def save(self, connection: sqlite3.Connection, at: float) -> list[str]:
        """Store what changed; calls that are over are let go. Returns the ids of calls in which something moved."""
        settled, self._settled = self._settled, []
        close_batches(connection, settled)
        self.drop_withdrawn(connection)
        changed = [call for call in self.calls.values() if call.is_changed]
        for call in changed:
            insert_failures(connection, call.id, call.unsaved)
            call.unsaved = []
            call.is_changed = False
            row = call.stored(at)
            update_call(connection, row, call.row)
            call.row = row
            if not row.open:
                del self.calls[call.id], self._newest.calls[row.seq]
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

    def holds_back(self, command: CommandRow) -> bool:
        """Does an older result wait for the command's object?"""
        key = key_of(command.host, command.service)
        unwritten = {one.call.id: one.run[0] for one in reversed(self.ready)}
        return any(
            call.row.after_command < command.seq and call.is_waiting_for(key, unwritten.get(call.id, call.cursor))
            for call in self.calls.values()
        )

    def see(self, generation: int) -> None:
        """Readers show this generation from now on."""
        self._checks.turn_to(generation)

    # --- writing --------------------------------------------------------------------------------------------------------------

    def is_ready_late(self, now: float) -> bool:
        """Is something ready to be written that waited too long? It can be given up when it was taken back."""
        return any(one.call.row.deadline_at <= now for one in self.ready)

    def expire(self, now: float) -> None:
        """Give up what waited too long."""
        for call in self.calls.values():
            if call.row.deadline_at <= now and call.is_waiting:
                for index in call.waiting():
                    call.fail(index, State.EXPIRED, "its time to live ran out before it could be written")
                call.cursor = len(call)

    def hold(self, reason: str) -> None:
        """The core is not reading."""
        for call in self.calls.values():
            if not call.held and call.is_waiting:
                call.held, call.reason, call.is_changed = True, reason, True

    def plan(self, situation: Situation, reader: Reader, blocked: Collection[tuple[str, str]], room: int) -> list[Part]:
        """The next writes, as many as `room` bytes allow; what is overtaken is given up.

        `blocked`: objects for which an older command waits.
        """
        behind = {key_of(*one) for one in blocked}
        return Planner(self._newest, self._checks, situation, reader, room, behind).plan(self.calls.values())

    def newest_epoch(self, host: str, service: str) -> int:
        """The newest check time that was written for an object, 0 when none is known: no later line may have an older one."""
        return self._newest.epoch(key_of(host, service))

    def note_written(self, host: str, service: str, epoch: int) -> None:
        """A result that is a command of its own is about to be written."""
        self._newest.executed_all([key_of(host, service)], [(epoch, 0, 0)])

    def launch(self, parts: Sequence[Part], row: BatchRow) -> None:
        """A batch row with these parts of one call is being stored: they are ready to be written."""
        call = parts[0].call
        call.held, call.reason = False, ""
        self._groups[row.token] = len(parts)
        for number, part in enumerate(parts):
            token = token_of(row.token, number)
            call.ready += len(part.run)
            self.ready.append(Ready(token, row, number, call, part.run, self._fly(token, row.token, call, part.run)))

    def wrote(self) -> None:
        """The oldest that was ready went into the command file."""
        written = self.ready.popleft()
        written.call.ready -= len(written.run)
        written.call.is_changed = True

    def _fly(self, token: str, group: str, call: Call, run: Run) -> ResultLines:
        self._batches[token] = (call, run, group)
        call.put_all(run, Stands.FLYING)
        self._newest.wrote(call.keys(run), call.orders(run))
        name = f"{call.id}{_SEPARATOR}"
        return ResultLines(name, run, call.text(run), self.profile, self.echoes_expected, call.stamp(run) if run else b"")

    def taken_up(self, row: BatchRow) -> Iterator[tuple[str, ResultLines | None]]:
        """The writes of an open batch row of a former life: the token of each, and what the log may show of it."""
        name, runs = runs_of(row.results)
        call = self.calls.get(name)
        self._groups[row.token] = len(runs)
        for number, run in enumerate(runs):
            token = token_of(row.token, number)
            if call is None:
                self._batches[token] = (None, run, row.token)
                yield token, None
                continue
            left = [index for index in run if call.stands[index] != Stands.FAILED]  # given up while its log was silent
            yield token, self._fly(token, row.token, call, run if len(left) == len(run) else left)

    def take_back(self, connection: sqlite3.Connection) -> None:
        """What is ready is not written after all: its batch rows hold only what was written before."""
        taken = list(self.ready)
        self.ready.clear()
        for one in taken:
            del self._batches[one.token]
            one.call.ready -= len(one.run)
            one.call.put_all(one.run, Stands.WAITING)
            for index in one.run:
                self._did_not_fly(one.call, index)
        for one in {one.group.token: one for one in reversed(taken)}.values():
            name, runs = runs_of(one.group.results)
            update_results(connection, one.group.token, stored_runs(name, runs[: one.number]))
            self._settle(one.group.token, len(runs) - one.number)

    def _settle(self, group: str, count: int) -> None:
        """So many writes of a batch row are no longer open."""
        self._groups[group] -= count
        if not self._groups[group]:
            del self._groups[group]
            self._settled.append(group)

    def give_up(self, token: str, reason: str) -> None:
        """A log that stays silent: what of a batch is under way becomes `unknown`. Does nothing for batches of commands."""
        call, run, _ = self._batches.get(token, (None, (), ""))
        if call is None:
            return
        for index in run:
            if call.stands[index] == Stands.FLYING:
                call.fail(index, State.UNKNOWN, reason)
                self._did_not_fly(call, index)

    # --- what the log says ----------------------------------------------------------------------------------------------------

    def take_verdicts(self, verdicts: Iterable[Verdict], tokens: Iterable[str]) -> None:
        """Note what the log proved about results under way, and which batches are settled."""
        for verdict in verdicts:
            name, _, place = verdict.command_id.partition(_SEPARATOR)
            if place.startswith(WHOLE):
                self._take_whole(place.removeprefix(WHOLE), verdict.at)
                continue
            call, index = self.calls.get(name), int(place)
            if call is not None and call.stands[index] == Stands.FLYING:
                self._take(call, index, verdict)
        for token in tokens:
            if token in self._batches:
                self._settle(self._batches.pop(token)[2], 1)

    def _take_whole(self, token: str, at: int) -> None:
        """All of a batch was executed, without an error."""
        call, run, _ = self._batches[token]
        if call is None:
            return
        call.executed_at = max(call.executed_at, float(at))
        if not isinstance(run, range) or not call.all_stand(run, Stands.FLYING):
            run = [index for index in run if call.stands[index] == Stands.FLYING]
        call.put_all(run, Stands.PROCESSED)
        self._newest.executed_all(call.keys(run), call.orders(run))

    def _take(self, call: Call, index: int, verdict: Verdict) -> None:
        call.executed_at = max(call.executed_at, float(verdict.at))
        match verdict.outcome:
            case Outcome.PROCESSED:
                call.put(index, Stands.PROCESSED)
                self._newest.executed_all([call.lines.keys[index]], [call.lines.orders[index]])
                if verdict.duplicate:
                    call.reason = f"executed more than once, by another program's bytes on the command file: {verdict.evidence}"
                return
            case Outcome.REFUSED:
                call.fail(index, State.REFUSED, verdict.evidence.split("] ", 1)[-1])
            case Outcome.UNCLEAR if verdict.hole or verdict.evidence or self.profile.persists_at_once:
                call.put(index, Stands.DOUBTFUL)
            case _:
                call.put(index, Stands.WAITING)
        self._did_not_fly(call, index)

    def _did_not_fly(self, call: Call, index: int) -> None:
        self._newest.did_not_fly(call.lines.keys[index], call.lines.orders[index])

    # --- what the status file says --------------------------------------------------------------------------------------------

    def has_to_judge(self, generation: int) -> bool:
        """Is there a call whose effects this generation has not been asked for yet?"""
        return any(is_due(call, generation) for call in self.calls.values())

    def judge(self, reader: Reader, generation: int, created: float, program_start: float) -> None:
        """Look for the effects of the oldest call that is due, a slice of it."""
        call = next((call for call in self.calls.values() if is_due(call, generation)), None)
        if call is None:
            return
        run = next_slice(call, generation)
        checks = self._checks.of(reader, call.keys(run))
        Judge(call, self._newest, checks, created, program_start, self.profile.bracket_is_entry_time).judge(run)


def is_of_result(verdict: Verdict) -> bool:
    """Is it about a result of a call, not about a command?"""
    return _SEPARATOR in verdict.command_id
