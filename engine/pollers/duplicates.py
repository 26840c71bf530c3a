"""Downtimes and comments that a core made more than once of one line of ours: found, told, and taken away.

A copy stands beside what our line made, equal in object, author, text, window and stamp. Only as many are taken away as the line
was provably executed again (commands/reruns.py), or as came into being after a status file had shown ours for longer than a line
needs to be read. Any other is left alone and told of: it may be another program's own. Deleting one is a command of Signalbox
itself, with the copy's own entry, so it is written by the core's id as matched at that moment, proven and listed like anybody's.

An acknowledgement executed again leaves a second comment beside its own. Its time is the core's, so the two are told apart by
nothing: the newest, by which the acknowledgement is known, stays. What is not proven is said to be nobody's: people do repeat one.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

import msgspec

from engine.commands.lifecycle import State
from engine.commands.profiles import Profile
from engine.commands.reruns import PROMPT_S, Reruns
from engine.commands.wire import echo_text
from engine.journal.commands import CommandRow, command_by_id, note
from engine.journal.history import ACKNOWLEDGEMENT_COMMENT, EntryRow, entries, entry_by_id, insert_entry
from engine.journal.identities import next_ids
from engine.journal.own import insert_deletion
from engine.journal.slices import Slices
from engine.model import CommentStatus

log = logging.getLogger(__name__)

_CARRY_A_STAMP = ("downtime", "comment")  # an acknowledgement's comment has the core's own time


class Duplicates(msgspec.Struct, frozen=True):
    """Looks at one poller's new entries. `previous`: when the generation before this one was created."""

    connection: sqlite3.Connection
    profile: Profile
    reruns: Reruns
    previous: float
    at: float
    ttl_s: float

    def take(self, strangers: Sequence[int]) -> list[str]:
        """Judge entries that this generation showed first. Returns the commands whose lives tell something new."""
        if not self.profile.bracket_is_entry_time:
            return []
        found = [entry_by_id(self.connection, number) for number in strangers]
        moved = [self._stranger(entry) for entry in found if entry is not None and entry.kind in _CARRY_A_STAMP]
        return [command_id for command_id in moved if command_id]

    def _stranger(self, copy: EntryRow) -> str | None:
        own = self._own(copy)
        command = command_by_id(self.connection, own.command_id or "") if own is not None else None
        if command is None or command.epoch != int(copy.entry_time) or command.line is None:
            return None
        cause = f"a copy of what command {command.id} made: its line was executed more than once"
        if not self._is_proven(command, copy, cause):
            words = "equals what this command made, in its second too: it may be another program's own and is left alone"
            note(self.connection, command, self.at, f"{copy.kind}_id={copy.core_id} {words}")
            log.warning("command %s: %s %s of the core %s", command.id, copy.kind, copy.core_id, words)
            return command.id
        deletion = insert_deletion(self.connection, copy, self.at, self.ttl_s, cause)
        evidence = f"{copy.kind}_id={copy.core_id} stands beside it: its line was executed more than once; {deletion} deletes that"
        note(self.connection, command, self.at, evidence)
        count = max(command.duplicates, self._deleted(command, None, cause))
        self.connection.execute("UPDATE command SET duplicates = ? WHERE id = ?", (count, command.id))
        log.warning("command %s: duplicate %s %s of the core, deleted by %s", command.id, copy.kind, copy.core_id, deletion)
        return command.id

    def take_comments(self, slices: Slices, poller: int, program_start: float, comments: Sequence[CommentStatus]) -> list[str]:
        """Judge comments of acknowledgements of which there are several alike. Returns as `take` does."""
        alike: dict[tuple[str, str, str, str], list[CommentStatus]] = {}
        for one in comments if self.profile.bracket_is_entry_time else ():
            if one.entry_type == ACKNOWLEDGEMENT_COMMENT:
                alike.setdefault((one.host_name, one.service_description or "", one.author, one.comment), []).append(one)
        moved = [self._alike(slices, poller, program_start, found) for found in alike.values() if len(found) > 1]
        return [command_id for command_id in moved if command_id]

    def _alike(self, slices: Slices, poller: int, program_start: float, found: Sequence[CommentStatus]) -> str | None:
        one = found[0]
        mine = entries(
            self.connection,
            "poller = ? AND host = ? AND service = ? AND kind = 'acknowledgement' AND command_id IS NOT NULL AND author = ?"
            " AND comment = ? ORDER BY id DESC LIMIT 1",
            (poller, one.host_name, one.service_description or "", one.author, one.comment),
        )
        command = command_by_id(self.connection, mine[0].command_id or "") if mine else None
        if command is None or command.line is None or command.epoch is None or command.executed_at is None:
            return None
        cause = f"a second comment of the acknowledgement by command {command.id}: its line was executed more than once"
        text = echo_text(command.line, self.profile)
        proven = self.reruns.count(text, command.batch or "", command.epoch, command.executed_at)
        newest = self.reruns.last(text) + 1  # what came later was said by another line, however alike
        is_ours = mine[0].persistent
        own = [block for block in found if command.executed_at <= block.entry_time <= newest and block.persistent == is_ours]
        surplus = sorted(own, key=lambda block: (block.entry_time, block.core_id))[:-1]
        more = surplus[: max(0, proven - self._deleted(command, None, cause))]
        if not more:
            return None
        with slices.unit():
            for block in more:
                copy = self._entry_of(poller, program_start, block)
                deletion = insert_deletion(self.connection, copy, self.at, self.ttl_s, cause)
                evidence = (
                    f"comment_id={block.core_id} is of it, too: its line was executed more than once; {deletion} deletes that"
                )
                note(self.connection, command, self.at, evidence)
                log.warning("command %s: second comment %s of the core, deleted by %s", command.id, block.core_id, deletion)
            count = max(command.duplicates, proven)
            self.connection.execute("UPDATE command SET duplicates = ? WHERE id = ?", (count, command.id))
        return command.id

    def _entry_of(self, poller: int, program_start: float, block: CommentStatus) -> EntryRow:
        """The comment as an entry of its own, to be deleted as such."""
        (entry_id,) = next_ids(self.connection, poller, "entry", 1)
        copy = EntryRow(
            entry_id, "comment", poller, block.host_name, block.service_description or "", block.author, block.comment, "seen", 1,
            block.entry_time, persistent=block.persistent, core_id=block.core_id, core_start=program_start,
        )  # fmt: skip
        insert_entry(self.connection, copy)
        return copy

    def _own(self, copy: EntryRow) -> EntryRow | None:
        """The entry of ours that this one equals in everything."""
        found = entries(
            self.connection,
            "poller = ? AND host = ? AND service = ? AND kind = ? AND command_id IS NOT NULL AND author = ? AND comment = ?"
            " AND entry_time = ? AND start_time IS ? AND end_time IS ? AND fixed IS ? AND (fixed IS NOT 0 OR duration IS ?)"
            " ORDER BY present DESC, id LIMIT 1",
            (
                copy.poller, copy.host, copy.service, copy.kind, copy.author, copy.comment, copy.entry_time, copy.start_time,
                copy.end_time, copy.fixed, copy.duration,
            ),
        )  # fmt: skip
        return found[0] if found else None

    def _is_proven(self, command: CommandRow, copy: EntryRow, cause: str) -> bool:
        assert command.line is not None and command.epoch is not None
        executed_at = command.executed_at or float(command.epoch)
        # Ours was seen by an earlier generation: this one came later.
        if command.state is State.CONFIRMED and self.previous >= max(float(command.epoch), executed_at) + PROMPT_S:
            return True
        text = echo_text(command.line, self.profile)
        return self.reruns.count(text, command.batch or "", command.epoch, executed_at) > self._deleted(command, copy, cause)

    def _deleted(self, command: CommandRow, copy: EntryRow | None, cause: str) -> int:
        """How many copies (of one object's entry) are taken away already."""
        where, values = ("", ()) if copy is None else (" AND host = ? AND service = ?", (copy.host, copy.service))
        query = f"SELECT count(*) FROM command WHERE poller = ? AND seq > ? AND cause = ?{where} GROUP BY host, service"
        counts = self.connection.execute(query, (command.poller, command.seq, cause, *values)).fetchall()
        return max((int(count) for (count,) in counts), default=0)
