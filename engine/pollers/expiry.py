"""Acknowledgements that end at a time, on cores that know no such thing, or show it too late: their lane takes them back.

Theory of operation. The time stands in the acknowledgement's entry, so it outlives every restart. A generation that the core wrote
at that time or later decides: if it still shows this very acknowledgement (its comment is the object's newest), a removal is
stored as a command of its own, with the acknowledgement's caller as its user and a cause that says why. A command of ours for the
object that is not settled yet is waited for: it may replace the acknowledgement or take it back. The removal names its
entry: there is never a second one, unless the first was given up before it was sent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from engine.commands.catalogue import CATALOGUE
from engine.commands.lifecycle import UNFINISHED
from engine.journal.commands import CommandRow, command_by_id
from engine.journal.history import ACKNOWLEDGEMENT_COMMENT, EntryRow, entries
from engine.journal.own import insert_own
from engine.journal.slices import Slices
from engine.model import CommentStatus, CoreKind
from engine.state.views import Reader

_SAME_SECOND_S = 1.0  # the log's second of an execution and the comment's may be neighbours


def _grace_s(kind: CoreKind) -> float:
    """How long after its time that kind of core is given to end an acknowledgement by itself.

    **Source**: Icinga 2.13.6 removes the comment within a minute, and shows the object as acknowledged until its next check result,
    which may never come: nothing is gained by waiting for it. Naemon and Icinga 1 end it at its second.
    """
    ends_itself = kind is not CoreKind.ICINGA2 and kind in CATALOGUE["ACKNOWLEDGE_HOST_PROBLEM_EXPIRE"].kinds
    return 90.0 if ends_itself else 0.0


class Expiry(msgspec.Struct, frozen=True):
    """Takes back one poller's acknowledgements whose time has come. `at` is now by our clock; `ttl_s` bounds a removal's wait."""

    slices: Slices
    reader: Reader
    poller: int
    kind: CoreKind
    at: float
    ttl_s: float

    def take_back(self) -> list[str]:
        """Store the removals that the newest generation calls for. Returns their ids."""
        with self.reader.snapshot():
            _, created, _ = self.reader.poller_generation(self.poller)
            made = [self._removal(entry) for entry in _due(self.slices.connection, self.poller, created - _grace_s(self.kind))]
        return [command_id for command_id in made if command_id]

    def _removal(self, entry: EntryRow) -> str | None:
        command = command_by_id(self.slices.connection, entry.command_id or "")
        row = self.reader.object_row(self.poller, entry.host, entry.service or None)
        if command is None or row is None or not row.acknowledged or self._is_contested(command):
            return None
        comments = self.reader.comments_of(self.poller, entry.host, entry.service or None)
        if not is_its_own(entry, command.executed_at or entry.entry_time, comments):
            return None
        name = "REMOVE_SVC_ACKNOWLEDGEMENT" if entry.service else "REMOVE_HOST_ACKNOWLEDGEMENT"
        arguments = {"host": entry.host} | ({"service": entry.service} if entry.service else {})
        cause = f"the acknowledgement {entry.id} (command {command.id}) was to end at {entry.end_time:.0f}"
        with self.slices.unit():
            return insert_own(
                self.slices.connection, name, entry, arguments, self.at, self.at + self.ttl_s, cause, entry.id,
                author=command.author, user=command.user, seen_state_change=row.last_state_change,
            )  # fmt: skip

    def _is_contested(self, command: CommandRow) -> bool:
        """Is a later command of ours for the object under way that acknowledges anew, or takes back?"""
        states = sorted(map(str, UNFINISHED))
        found = self.slices.connection.execute(
            "SELECT 1 FROM command WHERE poller = ? AND host = ? AND service = ? AND seq > ?"
            f" AND (name LIKE 'ACKNOWLEDGE_%' OR name LIKE 'REMOVE_%') AND state IN ({','.join('?' * len(states))}) LIMIT 1",
            [command.poller, command.host, command.service, command.seq, *states],
        )
        return found.fetchone() is not None


def is_its_own(entry: EntryRow, executed_at: float, comments: Sequence[CommentStatus]) -> bool:
    """Is the object's newest acknowledgement this one? Whoever deleted its comment has not replaced it."""
    found = [block for block in comments if block.entry_type == ACKNOWLEDGEMENT_COMMENT]
    if not found:
        return True
    newest = max(found, key=lambda block: (block.entry_time, block.core_id))
    same = (newest.author, newest.comment) == (entry.author, entry.comment)
    return same and newest.entry_time <= executed_at + _SAME_SECOND_S


def _due(connection: sqlite3.Connection, poller: int, created: float) -> list[EntryRow]:
    """Acknowledgements of ours that stand and whose time had come when that generation was written."""
    where = (
        "poller = ? AND kind = 'acknowledgement' AND present = 1 AND end_time <= ? AND proof = 'confirmed'"
        " AND command_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM command WHERE command.entry_id = entry.id"
        " AND name LIKE 'REMOVE_%' AND cause <> '' AND state <> 'expired') ORDER BY end_time"
    )
    return entries(connection, where, (poller, created))
