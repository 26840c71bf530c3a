"""What a core lost in a crash: found in the first status file of its new run, told, asked again where the configuration says so.

A core keeps downtimes, acknowledgements, comments and switches in memory and saves them now and then (Nagios: hourly, and at an
orderly end). Killed in between, it comes back with what it had saved: what was confirmed since is gone, what was deleted since is
back. Rules:

- Only after a crash that the log showed (following.py). After an orderly end what is gone was taken away by somebody.
- What explains itself is no loss: a window that ended, a deletion of ours, a problem that changed, a comment not to be kept.
- `confirmed` becomes `lost_by_core` once. Whatever is asked again is a new command whose `cause` names the lost one: never for a
  window that ended, an acknowledgement only for the very same problem.
- Nothing is asked again against what was said since: what waits to be written may delete it, or take its place.
- What was for many is asked again for each by itself where it would reach others by now.
- Switches have rules of their own: switches.py.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from engine.commands.catalogue import CATALOGUE, Effect, Members, known_row
from engine.commands.lifecycle import MOVES, State
from engine.commands.row import Row
from engine.config import Settings
from engine.journal.commands import COMMAND_COLUMNS, CommandRow, command_by_id, command_row, move
from engine.journal.history import EntryRow, ended_like, ends_by_itself, entries_of, entry_by_id, insert_entry, revive
from engine.journal.identities import next_ids
from engine.journal.own import insert_deletion, insert_own
from engine.journal.slices import Slices
from engine.model import HostStatus, ObjectKey, ServiceStatus

log = logging.getLogger(__name__)

_SAME_SECOND_S = 1.5
LOST = "the core crashed and had not saved it"


@dataclass(slots=True)
class Losses:
    """One crash of one core. Everything is stored in units of the lane; `moved` gathers the commands it is about."""

    slices: Slices
    poller: int
    settings: Settings
    verbs: frozenset[str]
    created: float
    program_start: float
    at: float
    row_of_object: Callable[[str, str], HostStatus | ServiceStatus | None]
    asked_by: Callable[[EntryRow], str | None]
    deletion_of: Callable[[EntryRow], CommandRow | None]  # also one that this crash is known to have undone
    is_waiting: Callable[[EntryRow], bool]  # for a command that deletes the entry or takes its place
    reached: Callable[[CommandRow, Row], Collection[ObjectKey]]  # whom a command would act on now
    moved: list[str] = field(default_factory=list)

    @property
    def _connection(self) -> sqlite3.Connection:
        return self.slices.connection

    @property
    def _where(self) -> str:
        return f"the status file of {self.created:.0f}, of the run that began at {self.program_start:.0f} after a crash"

    # --- what was made and is gone --------------------------------------------------------------------------------------------

    def take_ended(self, ended: Sequence[EntryRow]) -> None:
        """Entries of one command that stood before the crash and stand no more."""
        gone = [entry for entry in ended if entry.command_id is not None and self._is_lost(entry)]
        command = command_by_id(self._connection, gone[0].command_id or "") if gone else None
        if command is None or State.LOST_BY_CORE not in MOVES[command.state]:
            return
        words = ", ".join(f"{entry.kind}_id={entry.core_id}" for entry in gone[:20])
        self.lose(command, f"{words} not in {self._where}")
        self._make_again(command, gone)

    def _is_lost(self, entry: EntryRow) -> bool:
        ends = ends_by_itself(entry)
        if (ends is not None and ends <= self.created) or self.asked_by(entry) is not None:
            return False
        if entry.kind == "comment":
            return bool(entry.persistent)
        if entry.kind == "acknowledgement":
            row = self.row_of_object(entry.host, entry.service)
            return row is not None and row.last_state_change <= entry.entry_time + _SAME_SECOND_S
        return True

    def lose(self, command: CommandRow, evidence: str) -> None:
        """What it did is gone."""
        move(self._connection, command, State.LOST_BY_CORE, self.at, evidence=evidence, reason=LOST)
        log.warning("command %s: lost by the core: %s", command.id, evidence)
        self.moved.append(command.id)

    def _make_again(self, command: CommandRow, gone: Sequence[EntryRow]) -> None:
        row = known_row(command.name)
        wanted = [entry for entry in gone if not self.is_waiting(entry)]
        if row.entry_kind not in self.verbs or not wanted:
            return
        if row.effect is Effect.ACKNOWLEDGED and not self._is_same_problem(command):
            return
        expire = command.arguments.get("expire")
        if isinstance(expire, int | float) and expire <= self.created:
            return
        if self._reaches_just(command, row, wanted):
            self._make(command, row, wanted)
            return
        for entry in wanted:
            single = CATALOGUE["SCHEDULE_SVC_DOWNTIME" if entry.service else "SCHEDULE_HOST_DOWNTIME"]
            self._make(_alone(command, single, entry), single, [entry])

    def _reaches_just(self, command: CommandRow, row: Row, entries: Sequence[EntryRow]) -> bool:
        """Would the command make these, and no others?"""
        if row.on is Members.ITSELF:
            return True
        if len(entries_of(self._connection, command.id)) != len(entries):
            return False
        objects = {ObjectKey(entry.poller, entry.host, entry.service or None) for entry in entries}
        return set(self.reached(command, row)) <= objects

    def _make(self, command: CommandRow, row: Row, entries: Sequence[EntryRow]) -> None:
        ids = next_ids(self._connection, self.poller, "entry", len(entries))
        again = self.ask_again(command, row, ids[0])
        for number, entry in zip(ids, entries, strict=True):
            draft = entry._replace(
                id=number, command_id=again, proof="accepted", present=1, core_id=None, core_start=None, cancelled=0,
                deleted_at=None, deleted_by=None, is_in_effect=None, actual_start=None, actual_end=None,
                entry_time=float(int(self.at)),
            )  # fmt: skip
            insert_entry(self._connection, draft)

    def _is_same_problem(self, command: CommandRow) -> bool:
        row = self.row_of_object(command.host, command.service)
        if row is None or not row.state or not row.has_been_checked or command.seen_state_change is None:
            return False
        return abs(row.last_state_change - command.seen_state_change) <= _SAME_SECOND_S

    def ask_again(self, command: CommandRow, row: Row, entry_id: int | None) -> str:
        """The same command anew, joined to the old one by its cause."""
        deadline = self.at + float(getattr(self.settings, row.ttl)) if row.ttl is not None else float(str(command.arguments["end"]))
        cause = f"asked again: {LOST} what command {command.id} did"
        again = insert_own(
            self._connection,
            command.name,
            command,
            command.arguments,
            self.at,
            deadline,
            cause,
            entry_id,
            command.author,
            command,
        )
        self.moved.append(again)
        return again

    # --- what was taken away and is back ------------------------------------------------------------------------------------

    def is_back(self, number: int) -> bool:
        """Is an entry that nobody knew one that the crash brought back? Whoever deleted it is told then."""
        block = entry_by_id(self._connection, number)
        if block is None:
            return False
        if block.kind == "acknowledgement":
            self._acknowledged_again(block)
            return False
        gone = ended_like(self._connection, block)
        if gone is None:
            return False
        revive(self._connection, gone, block)
        self._deletion_is_undone(gone, block)
        return True

    def _deletion_is_undone(self, gone: EntryRow, block: EntryRow) -> None:
        """Of a command that deleted several, each that is back is deleted by itself: it might choose others, too, by now."""
        command = self.deletion_of(gone)
        if command is None or command.state not in (State.CONFIRMED, State.LOST_BY_CORE):
            return
        now = command_by_id(self._connection, command.id)
        if now is not None and now.state is State.CONFIRMED:
            self.lose(now, f"{gone.kind}_id={block.core_id} stands again in {self._where}")
        standing = entry_by_id(self._connection, gone.id)
        if "deletion" in self.verbs and standing is not None:
            cause = f"asked again: {LOST} what command {command.id} did"
            self.moved.append(insert_deletion(self._connection, standing, self.at, self.settings.ttl_comment_s, cause))

    def _acknowledged_again(self, block: EntryRow) -> None:
        query = (
            f"SELECT {COMMAND_COLUMNS} FROM command WHERE poller = ? AND host = ? AND service = ? AND name LIKE 'REMOVE_%'"
            " AND state = 'confirmed' AND executed_at >= ? ORDER BY seq DESC LIMIT 1"
        )
        values = (block.poller, block.host, block.service, block.entry_time)
        for found in self._connection.execute(query, values).fetchall():
            command = command_row(found)
            self.lose(command, f"acknowledged again in {self._where}")
            if "deletion" in self.verbs and not self.is_waiting(block):
                self.ask_again(command, known_row(command.name), block.id)


def _alone(command: CommandRow, single: Row, entry: EntryRow) -> CommandRow:
    """A downtime of many, as the command for its object."""
    names = {field.name for field in single.fields} - {"host", "service"}
    arguments = {name: value for name, value in command.arguments.items() if name in names} | {"host": entry.host}
    if entry.service:
        arguments["service"] = entry.service
    return command._replace(name=single.name, host=entry.host, service=entry.service, arguments=arguments, twin_key=None)
