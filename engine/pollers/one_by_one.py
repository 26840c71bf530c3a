"""Deletions by meaning that a core lost, or never executed: what they were to delete is deleted one by one, by its id.

Rules. "Every comment of this host" means those that stood when the line was written. Written again after a crash, the same words
would take what others wrote meanwhile, so such a line goes out once. Where a status file shows that it is still to be done, each
entry that is older than the line gets a deletion of its own, whose `cause` names the command; the command ends by what the files
show then.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.commands.catalogue import Effect, Row
from engine.commands.lifecycle import IN_FLIGHT, UNFINISHED, State
from engine.commands.proof import Judgement
from engine.journal.commands import CommandRow, note
from engine.journal.history import EntryRow, entries
from engine.journal.own import insert_deletion
from engine.journal.slices import Slices
from engine.pollers.absent import refused
from engine.pollers.deletions import Deletions

_BY_MEANING = {Effect.COMMENTS_GONE: "comment", Effect.DOWNTIMES_GONE: "downtime"}


def deletes_by_meaning(row: Row) -> bool:
    """Does it delete whatever agrees with its words when it is executed?"""
    return row.effect in _BY_MEANING


class OneByOne(msgspec.Struct, frozen=True):
    """Of one generation, whose entries are reconciled. `at`: by our clock."""

    slices: Slices
    deletions: Deletions
    at: float
    ttl_s: float

    def take(self, command: CommandRow, row: Row, judgement: Judgement) -> str | None:
        """Ask for what is left of it; end the command when nothing more can be asked. Its id when something happened."""
        cause = f"one of those that command {command.id} was to delete; sent again whole it would take later ones, too"
        asked = self._asked(command, cause)
        if any(state in UNFINISHED for state in asked.values()):
            return None
        left = [entry for entry in self._meant(command, row) if entry.id not in asked]
        for entry in left:
            with self.slices.unit() as connection:
                insert_deletion(connection, entry, self.at, self.ttl_s, cause)
        with self.slices.unit() as connection:
            if left:
                words = f"the core lost it: {len(left)} older ones are deleted one by one, what came later is spared"
                note(connection, command, self.at, words)
            else:
                state = State.UNKNOWN if command.state in IN_FLIGHT else State.NO_EFFECT
                reason = f"the core lost it, and it is not sent again because it would take later ones, too; {judgement.reason}"
                refused(connection, command, state, self.at, reason=reason)
        return command.id

    def _asked(self, command: CommandRow, cause: str) -> dict[int, State]:
        """The entries whose deletion was asked for, and how far each came."""
        query = "SELECT entry_id, state FROM command WHERE poller = ? AND seq > ? AND cause = ?"
        found = self.slices.connection.execute(query, (command.poller, command.seq, cause))
        return {entry_id: State(state) for entry_id, state in found}

    def _meant(self, command: CommandRow, row: Row) -> Sequence[EntryRow]:
        """What stood when the line was written, and stands."""
        connection, before = self.slices.connection, command.epoch or 0
        where = "poller = ? AND kind = ? AND present = 1 AND core_id IS NOT NULL AND entry_time < ?"
        given = (command.poller, _BY_MEANING[row.effect], before)
        if row.effect is Effect.COMMENTS_GONE:
            return entries(connection, f"{where} AND host = ? AND service = ? ORDER BY id", (*given, command.host, command.service))
        return [entry for entry in entries(connection, f"{where} ORDER BY id", given) if self.deletions.chooses(command, entry)]
