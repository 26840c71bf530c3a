"""Turns verdicts of the log and generations of the status file into steps of commands' lives. One poller, one thread.

Everything here is stored in transactions of the lane, verdicts together, a generation in slices: it reads what the files show and
stores what that proves, never more. The judgements themselves are pure and live in engine/commands/proof.py.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import orjson

from engine.commands.catalogue import Effect, Members, Row, Sign, Subject, known_row
from engine.commands.effects import (
    MemberSeen,
    When,
    judge_checks,
    judge_comments_gone,
    judge_downtimes_gone,
    judge_logged,
    judge_signs,
)
from engine.commands.executed import Outcome, Verdict
from engine.commands.lifecycle import IN_FLIGHT, LATE, MOVES, State
from engine.commands.profiles import Profile
from engine.commands.proof import (
    Effected,
    Judgement,
    Seen,
    judge_acknowledged,
    judge_checked,
    judge_not_acknowledged,
    judge_result,
)
from engine.commands.reruns import Reruns
from engine.commands.row import OBJECTS
from engine.commands.wire import stored_comment
from engine.config import Settings
from engine.journal import history
from engine.journal.history import Acknowledged, EntryRow, Moment, Written, entries_by_command, entries_of, update_entry
from engine.journal.moves import Confirmed, Executed, note_confirmed, note_executed
from engine.journal.slices import Slices, parts_of
from engine.journal.store import CommandRow, command_by_id, commands_watched, move, note
from engine.model import CommentStatus, CoreKind, DowntimeStatus, HostStatus, ObjectKey, ServiceStatus
from engine.pollers.deletions import Deletions
from engine.pollers.duplicates import Duplicates
from engine.pollers.entries_judged import judge_created, judge_gone, judge_triggered, triggered_by
from engine.pollers.losses import Losses
from engine.state.members import contacts_of, hosts_of_group, objects_of, program_of, shown_of, shown_of_contact
from engine.state.views import Reader

log = logging.getLogger(__name__)

_ERROR_MAY_LIE = "the core printed an error, as it does, too, where nothing was to be deleted: its status file shows what is gone"
_FILES_DECIDE = "the core was started, or its log has a hole, before there was proof: its next status file decides"
# Effects that are judged by the one object's row and comments; the others are rows of data.
_OF_ONE_OBJECT = frozenset({Effect.ACKNOWLEDGED, Effect.NOT_ACKNOWLEDGED, Effect.CHECKED, Effect.RESULT_SEEN})
_LATE_FOR_S = 3600.0  # how long an `unknown` or `no_effect` command is still looked for
# What is seen late proves something only if it tells whose it is; that an entry went or a check ran has other causes by then.
_TELLTALE = frozenset({Effect.ENTRY_CREATED, Effect.ACKNOWLEDGED, Effect.RESULT_SEEN})


class _Reconciled(NamedTuple):
    """What entries of one kind were reconciled with last."""

    program_start: float
    written: Mapping[int, Written]
    blocks: Sequence[DowntimeStatus] | Sequence[CommentStatus]


@dataclass(frozen=True, slots=True)
class Prover:
    """What one lane proves with."""

    poller: int
    kind: CoreKind
    profile: Profile
    settings: Settings = field(default_factory=Settings)
    reapply: frozenset[str] = frozenset()
    reruns: Reruns = field(default_factory=Reruns)
    _reconciled: dict[str, _Reconciled] = field(default_factory=dict)

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
            case Outcome.NOT_EXECUTED:
                self._again(connection, command, at, "the core read past its line without executing it: it will be written again")
            case Outcome.UNCLEAR if verdict.hole or verdict.evidence or self.profile.persists_at_once:
                connection.execute(
                    "UPDATE command SET watch_from = ?, reason = ?, updated_at = ? WHERE id = ?",
                    (float(verdict.at), _FILES_DECIDE, at, command.id),
                )
            case Outcome.UNCLEAR:
                self._again(connection, command, at, "the core was started again before it executed it: it will be written again")
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

    def take_heard(self, connection: sqlite3.Connection, command_id: str, evidence: str, at: float) -> bool:
        """Store that a line of the log showed the command's effect. False: it had come to its end already."""
        command = command_by_id(connection, command_id)
        if command is None or State.CONFIRMED not in MOVES[command.state]:
            return False
        move(connection, command, State.CONFIRMED, at, evidence=evidence, reason=command.reason)
        return True

    def _again(self, connection: sqlite3.Connection, command: CommandRow, at: float, reason: str) -> None:
        move(connection, command, State.ACCEPTED, at, reason=reason, batch=None, executed_at=None, watch_from=None)
        connection.execute(
            "UPDATE entry SET proof = 'accepted' WHERE command_id = ? AND proof = 'processed' AND core_id IS NULL", (command.id,)
        )

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
                losses.take_switches()
                told += losses.moved
            made = entries_by_command(connection, (command.id for command in watched))
            confirmed: list[Confirmed] = []
            moved = [
                self._judge(slices, reader, command, made.get(command.id, ()), created, program_start, at, confirmed)
                for command in watched
            ]
            for some in parts_of(confirmed):
                with slices.unit():
                    note_confirmed(connection, some, at)
        self._forget_lost_entries(slices, at)
        slices.settle()
        self._reconciled.update(shown)
        return sorted({command_id for command_id in [*moved, *told] if command_id})

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
        def judged(command: CommandRow, row: Row) -> Judgement:
            # A core writes its first status file when it has read all it had saved: absence counts at once.
            when = When(moment.created, moment.created - row.effect_deadline_s - 2, row.effect_deadline_s)
            return self._judged_by_signs(reader, command, row, when)

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
            judged,
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
        at: float,
        confirmed: list[Confirmed],
    ) -> str | None:
        """The command's id when it moves; those that only become `confirmed` are left to the caller."""
        slices.breathe()
        connection = slices.connection
        row = known_row(command.name)
        if command.state in LATE and row.effect not in _TELLTALE:
            return None
        judgement = self._judgement(connection, reader, command, row, made, created, program_start)
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
        with slices.unit():
            is_absent = self._absent(connection, command, row, judgement, program_start, at)
        return command.id if is_absent else None

    def _judgement(
        self,
        connection: sqlite3.Connection,
        reader: Reader,
        command: CommandRow,
        row: Row,
        made: Sequence[EntryRow],
        created: float,
        program_start: float,
    ) -> Judgement:
        executed_at = command.watch_from if command.watch_from is not None else float("inf")
        if row.effect is Effect.ENTRY_CREATED:
            judgement = judge_created(made, created, executed_at, row.effect_deadline_s)
            starter, started = triggered_by(connection, command, made)
            if judgement.effected is not Effected.YES or starter is None:
                return judgement
            shown = {block.core_id: block.triggered_by for block in reader.downtime_blocks(self.poller)}
            loose = [entry for entry in started if entry.core_id is not None and shown.get(entry.core_id) != starter]
            return judge_triggered(judgement, starter, loose, created)
        if row.effect is Effect.ENTRY_GONE:
            entry = history.entry_by_id(connection, command.entry_id or 0)
            return judge_gone(entry, created, executed_at, row.effect_deadline_s)
        if row.effect not in _OF_ONE_OBJECT or (row.effect is Effect.CHECKED and not row.forced):
            return self._judged_by_signs(reader, command, row, When(created, executed_at, row.effect_deadline_s))
        if row.effect is Effect.CHECKED and row.on is not Members.ITSELF:
            return self._judged_checks(reader, command, row, When(created, executed_at, row.effect_deadline_s))
        found = reader.object_row(self.poller, command.host, command.service or None)
        acknowledges = row.effect is Effect.ACKNOWLEDGED
        comments = reader.comments_of(self.poller, command.host, command.service or None) if acknowledges else ()
        seen = Seen(created, program_start, found, comments)
        since = float(command.epoch or 0)
        match row.effect:
            case Effect.ACKNOWLEDGED:
                comment = stored_comment(str(command.arguments["comment"]), row, self.profile)
                sticky = bool(command.arguments["sticky"])
                by_core = any(part.name == "expire" for part in row.fields)
                expire = command.arguments.get("expire") if by_core else None
                return judge_acknowledged(
                    seen,
                    command.author,
                    comment,
                    sticky,
                    executed_at,
                    since,
                    row.effect_deadline_s,
                    float(expire) if isinstance(expire, int | float) else None,
                )
            case Effect.NOT_ACKNOWLEDGED:
                return judge_not_acknowledged(seen, executed_at, row.effect_deadline_s)
            case Effect.CHECKED:
                at = command.arguments.get("at")
                return judge_checked(
                    seen, max(float(at), since) if isinstance(at, int | float) else since, executed_at, row.effect_deadline_s
                )
            case _:
                return judge_result(seen, since, executed_at, row.effect_deadline_s, self.profile.bracket_is_entry_time)

    def _judged_by_signs(self, reader: Reader, command: CommandRow, row: Row, when: When) -> Judgement:
        """Effects that are rows of data: see engine/commands/effects.py."""
        names = command.arguments
        match self._effect(row):
            case Effect.SHOWN:
                return judge_signs(row, names, self._members(reader, row, names), when, self.kind)
            case Effect.PROGRAM:
                return judge_signs(row, names, [MemberSeen("the core", program_of(reader, self.poller))], when, self.kind)
            case Effect.CHECKED:
                return self._judged_checks(reader, command, row, when)
            case Effect.COMMENTS_GONE:
                comments = reader.comments_of(self.poller, command.host, command.service or None)
                return judge_comments_gone(comments, float(command.epoch or 0), when)
            case Effect.DOWNTIMES_GONE:
                group = row.subject is Subject.HOSTGROUP
                hosts = hosts_of_group(reader, self.poller, row.subject, names) if group else None
                blocks = reader.downtime_blocks(self.poller)
                return judge_downtimes_gone(row, names, hosts, blocks, float(command.epoch or 0), when)
            case Effect.LOGGED:
                return judge_logged(row, when)
            case _:
                no_trace = Judgement(Effected.NO, reason="what it does leaves no trace in the core's files")
                return no_trace if when.is_decisive else Judgement(Effected.NOT_YET)

    def _judged_checks(self, reader: Reader, command: CommandRow, row: Row, when: When) -> Judgement:
        keys = objects_of(reader, self.poller, row, command.arguments)
        members = [(_label(key), reader.object_row(key.poller, key.host, key.service)) for key in keys]
        at, since = command.arguments.get("at"), float(command.epoch or 0)
        asked = max(float(at), since) if isinstance(at, int | float) else since
        return judge_checks(members, asked, row.forced, when)

    def _members(self, reader: Reader, row: Row, names: Mapping[str, object]) -> list[MemberSeen]:
        columns = [sign.key for sign in row.signs]
        if row.subject in (Subject.CONTACT, Subject.CONTACTGROUP):
            contacts = contacts_of(reader, self.poller, row, names)
            return [MemberSeen(name, shown_of_contact(reader, self.poller, name, columns)) for name in contacts]
        return [MemberSeen(_label(key), shown_of(reader, key, columns)) for key in objects_of(reader, self.poller, row, names)]

    def _confirmed(self, connection: sqlite3.Connection, command: CommandRow, row: Row, judgement: Judgement, at: float) -> None:
        state = State.CONFIRMED if State.CONFIRMED in MOVES[command.state] else command.state
        ids = orjson.dumps(list(judgement.core_ids)).decode()
        move(connection, command, state, at, evidence=judgement.evidence, reason=command.reason, core_ids=ids)
        if row.effect is Effect.ACKNOWLEDGED:
            for entry in entries_of(connection, command.id):
                update_entry(connection, entry.id, proof="confirmed", present=1, core_id=judgement.core_ids[0])

    def _absent(
        self, connection: sqlite3.Connection, command: CommandRow, row: Row, judgement: Judgement, program_start: float, at: float
    ) -> bool:
        """The files show that the effect is not there: say why, or write it again if the core lost it."""
        unclear = command.state in IN_FLIGHT
        # Both are whole seconds: a core started in the second of the execution may have been started after it. Taken for lost
        # wrongly, what is absent is written once more, with an execution after the start.
        lost = unclear or program_start >= (command.executed_at or 0)
        again = row.idempotent or row.resend_when_absent or (unclear and self.profile.persists_at_once)
        if judgement.effected is Effected.NO and (other := _changed_by(connection, command, row)):
            if lost:  # written again, it would take away what the later one did
                reason = f"the core was started again, and {other} changed it since: ask again if it is still wanted"
                refused(connection, command, State.UNKNOWN, at, reason=reason)
                return True
            judgement = Judgement(Effected.CLEARED, reason=f"{other} changed it again before a status file could show it")
        overlaid = row.effect is Effect.RESULT_SEEN or bool(row.signs)
        if judgement.effected is Effected.CLEARED and overlaid and not unclear:
            # Executed without an error, then overlaid by something newer: no status file will ever show more.
            connection.execute("UPDATE command SET watch_from = NULL, reason = ? WHERE id = ?", (judgement.reason, command.id))
            return True
        if judgement.effected is Effected.CLEARED:
            refused(connection, command, State.UNKNOWN, at, reason=judgement.reason)
        elif judgement.core_ids or (judgement.some and not (lost and row.idempotent)):
            # A core executes a command whole: what is missing of it was not lost, a resend would double the rest.
            ids = orjson.dumps(list(judgement.core_ids)).decode()
            move(connection, command, State.PARTIAL, at, evidence=judgement.evidence, reason=judgement.reason, core_ids=ids)
            connection.execute("UPDATE entry SET present = 0 WHERE command_id = ? AND core_id IS NULL", (command.id,))
        elif undone := _undone_by(connection, command, row):
            refused(connection, command, State.UNKNOWN, at, reason=f"{undone} before a status file could show it")
        elif lost and again:
            why = "before it executed it" if unclear else "and lost it"
            self._again(connection, command, at, f"the core was started again {why}, as its files show: it will be written again")
        elif lost:
            refused(connection, command, State.UNKNOWN, at, reason=f"the core was started again, and {judgement.reason}")
        else:
            refused(connection, command, State.NO_EFFECT, at, reason=judgement.reason)
        return True


def refused(
    connection: sqlite3.Connection, command: CommandRow, state: State, at: float, *, evidence: str = "", reason: str = ""
) -> None:
    """End a command, and with it the entries it was to make; one that may stand after all is still looked for."""
    move(connection, command, state, at, evidence=evidence, reason=reason)
    may_stand = state is State.UNKNOWN and known_row(command.name).effect is Effect.ENTRY_CREATED
    connection.execute(
        "UPDATE entry SET present = 0 WHERE command_id = ? AND core_id IS NULL AND (NOT ? OR end_time <= ?)",
        (command.id, may_stand, at),
    )


def _is_plain(verdict: Verdict) -> bool:
    """Executed, once."""
    return verdict.outcome is Outcome.PROCESSED and not verdict.duplicate and not verdict.extra


def _names(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, str]:
    """The names of these commands, by id."""
    query = "SELECT id, name FROM command WHERE id IN (SELECT value FROM json_each(?))"
    return dict(connection.execute(query, (orjson.dumps(ids).decode(),)).fetchall())


def _label(key: ObjectKey) -> str:
    return key.host if key.service is None else f"{key.host}/{key.service}"


def _changed_by(connection: sqlite3.Connection, command: CommandRow, row: Row) -> str | None:
    """Which later command of ours changed what this one's signs are read from, on an object that may be a member of both."""
    if not row.signs:
        return None
    later = connection.execute(
        "SELECT name, host, service FROM command WHERE poller = ? AND seq > ? AND state IN ('written', 'processed', 'confirmed')"
        " ORDER BY seq",
        (command.poller, command.seq),
    )
    mine = _keys(row.signs)
    for name, host, service in later:
        other = known_row(name)
        if mine & _keys(other.signs) and (_is_wide(row) or _is_wide(other) or (host, service) == (command.host, command.service)):
            return str(name)
    return None


def _is_wide(row: Row) -> bool:
    """It acts on others than the one object it names."""
    return row.on is not Members.ITSELF or row.subject not in OBJECTS


def _keys(signs: Sequence[Sign]) -> set[str]:
    return {sign.key for sign in signs}


def _undone_by(connection: sqlite3.Connection, command: CommandRow, row: Row) -> str | None:
    """Which later command of ours took an acknowledgement back, or set one again, after `command` did the opposite."""
    names, words = {
        Effect.ACKNOWLEDGED: ("REMOVE_%", "removed it"),
        Effect.NOT_ACKNOWLEDGED: ("ACKNOWLEDGE_%", "acknowledged again"),
    }.get(row.effect, ("", ""))
    found = connection.execute(
        "SELECT user FROM command WHERE poller = ? AND host = ? AND service = ? AND name LIKE ? AND seq > ?"
        " AND state IN ('writing', 'written', 'processed', 'confirmed') ORDER BY seq LIMIT 1",
        (command.poller, command.host, command.service, names, command.seq),
    ).fetchone()
    return f"{found[0]} {words}" if found else None


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
