"""Turns verdicts of the log and generations of the status file into steps of commands' lives. One poller, one thread.

Everything here is stored in transactions of the lane, verdicts together, a generation in slices: it reads what the files show and
stores what that proves, never more. The judgements themselves are pure and live in engine/commands/proof.py.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import orjson
from msgspec.structs import replace

from engine.commands.catalogue import Effect, Row, known_row
from engine.commands.effects import When
from engine.commands.executed import Outcome, Verdict
from engine.commands.lifecycle import IN_FLIGHT, LATE, MOVES, State
from engine.commands.profiles import Profile
from engine.commands.proof import Effected, Judgement
from engine.commands.reruns import Reruns
from engine.commands.wire import stored_comment
from engine.config import Settings
from engine.journal import history
from engine.journal.commands import CommandRow, command_by_id, commands_watched, move, note
from engine.journal.history import Acknowledged, EntryRow, Moment, Written, entries_by_command, entries_of, update_entry
from engine.journal.moves import Confirmed, Executed, note_confirmed, note_executed
from engine.journal.slices import Slices, parts_of
from engine.model import CommentStatus, CoreKind, DowntimeStatus, HostStatus, ServiceStatus
from engine.pollers.absent import end_absent, is_lost, refused, write_again
from engine.pollers.deletions import Deletions
from engine.pollers.duplicates import Duplicates
from engine.pollers.effects_judged import EffectJudge
from engine.pollers.losses import Losses
from engine.pollers.one_by_one import OneByOne, deletes_by_meaning
from engine.pollers.switches import LostSwitches
from engine.state.members import objects_of
from engine.state.views import Reader

log = logging.getLogger(__name__)

_ERROR_MAY_LIE = "the core printed an error, as it does, too, where nothing was to be deleted: its status file shows what is gone"
_FILES_DECIDE = "the core was started, or its log has a hole, before there was proof: its next status file decides"
_NOT_AGAIN = "the core read past its line without executing it; again it could take what came later: its next status file decides"
_LATE_FOR_S = 3600.0  # how long an `unknown` or `no_effect` command is still looked for
# What is seen late proves something only if it tells whose it is; that an entry went or a check ran has other causes by then.
_TELLTALE = frozenset({Effect.ENTRY_CREATED, Effect.ACKNOWLEDGED, Effect.RESULT_SEEN})


class _Reconciled(NamedTuple):
    """What entries of one kind were reconciled with last."""

    program_start: float
    written: Mapping[int, Written]
    blocks: Sequence[DowntimeStatus] | Sequence[CommentStatus]


class Prover(msgspec.Struct, frozen=True):
    """What one lane proves with."""

    poller: int
    kind: CoreKind
    profile: Profile
    settings: Settings = msgspec.field(default_factory=Settings)
    reapply: frozenset[str] = frozenset()
    reruns: Reruns = msgspec.field(default_factory=Reruns)
    _reconciled: dict[str, _Reconciled] = msgspec.field(default_factory=dict)

    # --- what the log says ----------------------------------------------------------------------------------------------------

    def take_verdict(self, connection: sqlite3.Connection, verdict: Verdict, at: float) -> bool:
        """Store what the log proved about one command. False: it had gone on already."""
        command = command_by_id(connection, verdict.command_id)
        if command is None or command.state not in IN_FLIGHT | {State.UNKNOWN}:
            return False
        if command.state is State.UNKNOWN and verdict.outcome in (Outcome.NOT_EXECUTED, Outcome.UNCLEAR):
            return self._still_unknown(connection, command, verdict, at)
        match verdict.outcome:
            case Outcome.PROCESSED:
                self._processed(connection, command, verdict, at)
            case Outcome.REFUSED if known_row(command.name).error_may_lie:
                self._processed(connection, command, verdict, at, _ERROR_MAY_LIE)
            case Outcome.REFUSED:
                refused(connection, command, State.REFUSED, at, evidence=verdict.evidence, reason=_core_words(verdict.evidence))
            case Outcome.NOT_EXECUTED if deletes_by_meaning(known_row(command.name)):
                self._left_to_files(connection, command, verdict, at, _NOT_AGAIN)
            case Outcome.NOT_EXECUTED:
                write_again(connection, command, at, "the core read past its line without executing it: it will be written again")
            case Outcome.UNCLEAR if verdict.hole or verdict.evidence or self.profile.persists_at_once:
                self._left_to_files(connection, command, verdict, at, _FILES_DECIDE)
            case Outcome.UNCLEAR if deletes_by_meaning(known_row(command.name)):
                self._left_to_files(connection, command, verdict, at, _FILES_DECIDE)
            case Outcome.UNCLEAR:
                write_again(connection, command, at, "the core was started again before it executed it: it will be written again")
        return True

    def take_executed(
        self, connection: sqlite3.Connection, verdicts: Sequence[Verdict], written: Mapping[str, float], at: float
    ) -> tuple[set[str], list[Verdict]]:
        """Store at once what was executed as it should be. Returns the ids that moved, and the verdicts left to `take_verdict`.

        `written`: when lines went out of which that is not stored yet.
        """
        plain = {verdict.command_id: verdict for verdict in verdicts if _is_plain(verdict)}
        executed = [
            Executed(one, float(plain[one].at), plain[one].evidence, self._effect(known_row(name)) is not Effect.UNSEEN)
            for one, name in _names(connection, list(plain)).items()
        ]
        moved = note_executed(connection, executed, written, at)
        return moved, [verdict for verdict in verdicts if verdict.command_id not in moved]

    def _left_to_files(self, connection: sqlite3.Connection, command: CommandRow, verdict: Verdict, at: float, reason: str) -> None:
        query = "UPDATE command SET watch_from = ?, reason = ?, updated_at = ? WHERE id = ?"
        connection.execute(query, (float(verdict.at), reason, at, command.id))

    def _still_unknown(self, connection: sqlite3.Connection, command: CommandRow, verdict: Verdict, at: float) -> bool:
        """Given up while the log was silent: it is not written again, whoever asked has been told and may have asked anew."""
        if verdict.outcome is Outcome.UNCLEAR:
            return False
        reason = "the core read past its line without executing it, after it had been given up: ask again if it is still wanted"
        connection.execute("UPDATE command SET reason = ?, updated_at = ? WHERE id = ?", (reason, at, command.id))
        note(connection, command, at, reason)
        connection.execute("UPDATE entry SET present = 0 WHERE command_id = ? AND core_id IS NULL", (command.id,))
        return True

    def _processed(
        self, connection: sqlite3.Connection, command: CommandRow, verdict: Verdict, at: float, reason: str = ""
    ) -> None:
        if verdict.duplicate:
            reason = "its line was executed more than once: another program's bytes were on the command file"
        executed = float(verdict.at)
        if verdict.duplicate:
            log.warning("command %s: its line was executed %d times more", command.id, verdict.extra)
        move(
            connection,
            command,
            State.PROCESSED,
            at,
            evidence=verdict.evidence,
            reason=reason,
            executed_at=executed,
            duplicates=verdict.extra,
            watch_from=None if self._effect(known_row(command.name)) is Effect.UNSEEN else executed,
        )
        # One that was given up an hour ago is no longer listed: it stands after all.
        connection.execute(
            "UPDATE entry SET proof = 'processed', present = 1 WHERE command_id = ? AND proof = 'accepted' AND core_id IS NULL",
            (command.id,),
        )

    def _effect(self, row: Row) -> Effect:
        return row.effect_in(self.kind)

    @property
    def _judge_of_effects(self) -> EffectJudge:
        return EffectJudge(self.poller, self.kind, self.profile)

    def take_heard(self, connection: sqlite3.Connection, command_id: str, evidence: str, at: float) -> bool:
        """Store that a line of the log showed the command's effect. False: it had come to its end already."""
        command = command_by_id(connection, command_id)
        if command is None or State.CONFIRMED not in MOVES[command.state]:
            return False
        move(connection, command, State.CONFIRMED, at, evidence=evidence, reason=command.reason)
        return True

    # --- what the status file says ------------------------------------------------------------------------------------------------

    def take_generation(self, slices: Slices, reader: Reader, at: float, previous: float = 0.0, crashed: bool = False) -> list[str]:
        """Reconcile entries with the newest generation and judge what waits for an effect. Returns the ids that moved.

        `previous`: when the generation before it was created. `crashed`: it is the first one after a crash of the core. Ended
        half-way, it is begun anew with the next generation.
        """
        connection = slices.connection
        with reader.snapshot():
            _, created, program_start = reader.poller_generation(self.poller)
            if not created:
                return []
            watched = commands_watched(connection, self.poller, at - _LATE_FOR_S)
            if crashed:
                self._forget_seen(slices, watched, program_start)
            deletions = Deletions(connection, reader)
            moment = Moment(self.poller, created, program_start, self._written(connection, watched), deletions.asked_by)
            told: list[str] = []
            duplicates = Duplicates(connection, self.profile, self.reruns, previous, at, self.settings.ttl_comment_s)
            losses = self._losses(slices, reader, moment, deletions, at) if crashed else None

            def appeared(entry_id: int) -> None:
                if losses is None and not self.profile.bracket_is_entry_time and history.is_same_again(connection, entry_id):
                    return  # an ending Icinga 2 may write a file while it lets go of its objects
                if losses is None or not losses.is_back(entry_id):
                    told.extend(duplicates.take([entry_id]))

            moment = replace(moment, unit=slices.unit, appeared=appeared)
            shown = self._reconcile(connection, reader, moment if losses is None else replace(moment, ended=losses.take_ended))
            told += duplicates.take_comments(slices, self.poller, program_start, reader.comment_blocks(self.poller))
            if losses is not None:
                at_once = When(created, created - 2, 0.0)  # a core writes its first status file when it has read all it had saved
                LostSwitches(losses, reader, self._judge_of_effects, at_once).take()
                told += losses.moved
            made = entries_by_command(connection, (command.id for command in watched))
            confirmed: list[Confirmed] = []
            one_by_one = OneByOne(slices, deletions, at, self.settings.ttl_comment_s)
            moved = [
                self._judge(slices, reader, command, made.get(command.id, ()), created, program_start, one_by_one, confirmed)
                for command in watched
            ]
            for some in parts_of(confirmed):
                with slices.unit():
                    note_confirmed(connection, some, at)
        self._forget_lost_entries(slices, at)
        slices.settle()
        self._reconciled.update(shown)
        return sorted({command_id for command_id in [*moved, *told] if command_id})

    def _forget_seen(self, slices: Slices, watched: Sequence[CommandRow], program_start: float) -> None:
        """Entries that the run before the crash showed, while we died before their command was judged by that: seen by nobody.

        The command is judged by what this run shows, as if the core had been killed a moment earlier.
        """
        unjudged = {command.id: command.state for command in watched if command.state not in LATE}
        for command_id, made in entries_by_command(slices.connection, unjudged).items():
            seen = [entry for entry in made if entry.core_id is not None and entry.core_start != program_start]
            if seen and seen[0].kind != "acknowledgement":  # of these, both are stored at once
                proof = "processed" if unjudged[command_id] is State.PROCESSED else "accepted"
                with slices.unit():
                    for entry in seen:
                        history.forget_seen(slices.connection, entry, proof)

    def _reconcile(self, connection: sqlite3.Connection, reader: Reader, moment: Moment) -> dict[str, _Reconciled]:
        """A generation that shows no other downtimes (comments) than the one before has nothing to say of them.

        Returns by what that is known of the next one, to be remembered once all of this is stored.
        """
        downtimes, comments = reader.downtime_blocks(self.poller), reader.comment_blocks(self.poller)
        shown = {
            "downtime": _Reconciled(moment.program_start, moment.written, downtimes),
            "comment": _Reconciled(moment.program_start, moment.written, comments),
        }
        if self._reconciled.get("downtime") != shown["downtime"]:
            history.reconcile_downtimes(connection, moment, downtimes)
        if self._reconciled.get("comment") != shown["comment"]:
            history.reconcile_comments(connection, moment, comments)
        history.reconcile_acknowledgements(connection, moment, _standing(reader.acknowledged(self.poller), comments))
        return shown

    def _losses(self, slices: Slices, reader: Reader, moment: Moment, deletions: Deletions, at: float) -> Losses:
        return Losses(
            slices,
            self.poller,
            self.settings,
            self.reapply,
            moment.created,
            moment.program_start,
            at,
            lambda host, service: reader.object_row(self.poller, host, service or None),
            moment.deleted_by,
            lambda entry: deletions.of(entry, moment.program_start),
            deletions.is_waiting,
            lambda command, row: objects_of(reader, self.poller, row, command.arguments),
        )

    def _forget_lost_entries(self, slices: Slices, at: float) -> None:
        found = slices.connection.execute(
            "SELECT id FROM entry WHERE poller = ? AND present = 1 AND core_id IS NULL AND command_id IN"
            " (SELECT id FROM command WHERE poller = ? AND state = 'unknown' AND updated_at < ?)",
            (self.poller, self.poller, at - _LATE_FOR_S),
        ).fetchall()
        for (entry_id,) in found:
            with slices.unit():
                update_entry(slices.connection, entry_id, present=0)

    def _written(self, connection: sqlite3.Connection, watched: Sequence[CommandRow]) -> dict[int, Written]:
        written: dict[int, Written] = {}
        made = entries_by_command(connection, (command.id for command in watched))
        for command in watched:
            row = known_row(command.name)
            if row.effect is not Effect.ENTRY_CREATED or command.epoch is None:
                continue
            comment = stored_comment(str(command.arguments["comment"]), row, self.profile)
            for entry in made.get(command.id, ()):
                if entry.core_id is None and entry.present:
                    written[entry.id] = Written(float(command.epoch), self.profile.bracket_is_entry_time, comment)
        return written

    def _judge(
        self,
        slices: Slices,
        reader: Reader,
        command: CommandRow,
        made: Sequence[EntryRow],
        created: float,
        program_start: float,
        one_by_one: OneByOne,
        confirmed: list[Confirmed],
    ) -> str | None:
        """The command's id when it moves; those that only become `confirmed` are left to the caller."""
        slices.breathe()
        connection, at = slices.connection, one_by_one.at
        row = known_row(command.name)
        if command.state in LATE and row.effect not in _TELLTALE:
            return None
        judgement = self._judge_of_effects.judge(connection, reader, command, row, made, created, program_start)
        match judgement.effected:
            case Effected.YES if command.state is State.PROCESSED and row.effect is not Effect.ACKNOWLEDGED:
                confirmed.append(Confirmed(command.id, judgement.evidence, judgement.core_ids))
                return command.id
            case Effected.YES:
                with slices.unit():
                    self._confirmed(connection, command, row, judgement, at)
                return command.id
            case Effected.NOT_YET:
                return None
        if command.state in LATE or command.watch_from is None:
            return None
        if judgement.effected is Effected.NO and deletes_by_meaning(row) and is_lost(command, program_start):
            return one_by_one.take(command, row, judgement)
        with slices.unit():
            is_absent = end_absent(
                connection, command, row, judgement, program_start, at, persists_at_once=self.profile.persists_at_once
            )
        return command.id if is_absent else None

    def _confirmed(self, connection: sqlite3.Connection, command: CommandRow, row: Row, judgement: Judgement, at: float) -> None:
        state = State.CONFIRMED if State.CONFIRMED in MOVES[command.state] else command.state
        ids = orjson.dumps(list(judgement.core_ids)).decode()
        move(connection, command, state, at, evidence=judgement.evidence, reason=command.reason, core_ids=ids)
        if row.effect is Effect.ACKNOWLEDGED:
            for entry in entries_of(connection, command.id):
                update_entry(connection, entry.id, proof="confirmed", present=1, core_id=judgement.core_ids[0])


def _is_plain(verdict: Verdict) -> bool:
    """Executed, once."""
    return verdict.outcome is Outcome.PROCESSED and not verdict.duplicate and not verdict.extra


def _names(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, str]:
    """The names of these commands, by id."""
    query = "SELECT id, name FROM command WHERE id IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(query, (orjson.dumps(ids).decode(),)).fetchall())


def _standing(rows: Sequence[HostStatus | ServiceStatus], comments: Sequence[CommentStatus]) -> list[Acknowledged]:
    newest: dict[tuple[str, str], CommentStatus] = {}
    for comment in comments:
        if comment.entry_type == history.ACKNOWLEDGEMENT_COMMENT:
            key = (comment.host_name, comment.service_description or "")
            if key not in newest or (comment.entry_time, comment.core_id) > (newest[key].entry_time, newest[key].core_id):
                newest[key] = comment
    standing = []
    for row in rows:
        host, service = (row.name, "") if isinstance(row, HostStatus) else (row.host_name, row.description)
        standing.append(Acknowledged(host, service, row.acknowledgement_type == 2, row.state, newest.get((host, service))))
    return standing


def _core_words(evidence: str) -> str:
    return evidence.split("] ", 1)[-1]
