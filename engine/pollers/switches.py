"""Features that were switched: what a crash of a core undid of them, and whose affair they are once another program sets them.

Rules.

- Of each object and feature the last word counts, be it executed yet or not: what a later command of ours says, or what another
  program has set since, was not lost by the crash.
- A command for many is verified on those for whom it was meant (MEMBERS), as far as no later one is about them. What is asked again
  for some of them only, or for a group that has got others by now, is asked for each by itself.
- What a core itself changes by and by proves no loss.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from engine.commands.catalogue import CATALOGUE, SWITCHES, FieldType, Members, Row, Subject, known_row
from engine.commands.effects import When
from engine.commands.lifecycle import State
from engine.commands.proof import Effected, Judgement
from engine.commands.row import OBJECTS
from engine.formats.corelog import LogLine
from engine.journal.commands import COMMAND_COLUMNS, CommandRow, command_row, note
from engine.model import ObjectKey
from engine.pollers.effects_judged import EffectJudge
from engine.pollers.losses import Losses
from engine.state.members import contacts_of, meant_objects, objects_of
from engine.state.views import Reader

_SINCE_S = 86_400.0  # no core keeps its features unsaved for longer than a day
_SIGNED = tuple(name for name, row in CATALOGUE.items() if row.signs)
_SIGNED_BYTES = frozenset(name.encode() for name in _SIGNED)
_SAID = sorted(str(state) for state in set(State) - {State.REFUSED, State.EXPIRED, State.CANCELLED})
# A notification that is due, a problem, a state of flapping come and go; the mask of changes tells of every other command.
_PASSING = frozenset(
    {
        "acknowledged", "current_notification_number", "is_flapping", "next_notification", "modified_attributes",
        "modified_host_attributes", "modified_service_attributes",
    }
)  # fmt: skip
_LASTING = tuple(name for name in _SIGNED if not any(sign.key in _PASSING for sign in CATALOGUE[name].signs))

Whom = ObjectKey | str
"""An object, a contact by name, or the core as a whole: ""."""


class LostSwitches(msgspec.Struct, frozen=True):
    """One crash of one core. `when`: absence counts at once in the first status file of its new run."""

    losses: Losses
    reader: Reader
    judge: EffectJudge
    when: When

    def take(self) -> None:
        """Verify again what was switched and confirmed before the crash."""
        query = (
            f"SELECT {COMMAND_COLUMNS}, overruled FROM command INDEXED BY command_open WHERE poller = ? AND updated_at > ?"
            f" AND state IN ({','.join('?' * len(_SAID))}) AND name IN ({','.join('?' * len(_LASTING))}) ORDER BY seq DESC"
        )
        slices = self.losses.slices
        values = (self.losses.poller, self.losses.at - _SINCE_S, *_SAID, *_LASTING)
        said: set[tuple[str, Whom]] = set()
        for *columns, overruled in slices.connection.execute(query, values).fetchall():
            slices.breathe()
            command = command_row(columns)
            row = known_row(command.name)
            features = {whom: set(_features(row, command, whom)) for whom in self._meant(command, row)}
            last = [whom for whom, own in features.items() if not own & said]
            # Contacts are verified and asked again all together only.
            is_whole = row.on is not Members.CONTACTS or len(last) == len(features)
            if command.state is State.CONFIRMED and not overruled and last and is_whole:
                self._verify(command, row, last)
            said.update(*features.values())

    def _meant(self, command: CommandRow, row: Row) -> Sequence[Whom]:
        if row.subject in (Subject.CONTACT, Subject.CONTACTGROUP):
            return contacts_of(self.reader, command.poller, row, command.arguments)
        return meant_objects(self.reader, command.poller, row, command.arguments) or ("",)

    def _judged(self, command: CommandRow, row: Row, whom: Sequence[Whom]) -> Judgement:
        objects = [one for one in whom if isinstance(one, ObjectKey)]
        return self.judge.by_signs(self.reader, command, row, self.when, objects or None)

    def _verify(self, command: CommandRow, row: Row, last: Sequence[Whom]) -> None:
        judgement = self._judged(command, row, last)
        if judgement.effected is not Effected.NO:
            return
        with self.losses.slices.unit():
            self.losses.lose(command, judgement.reason)
            if "switch" in self.losses.verbs:
                self._ask_again(command, row, last)

    def _ask_again(self, command: CommandRow, row: Row, last: Sequence[Whom]) -> None:
        reached = objects_of(self.reader, command.poller, row, command.arguments)
        if set(reached) <= set(last) or row.on in (Members.CONTACTS, Members.NOBODY):
            self.losses.ask_again(command, row, None)
            return
        for one in last:
            if isinstance(one, ObjectKey) and self._judged(command, row, [one]).effected is Effected.NO:
                self.losses.ask_again(_alone(command, row, one), row, None)


def _alone(command: CommandRow, row: Row, one: ObjectKey) -> CommandRow:
    """The same for one object."""
    (sign,) = row.signs
    name = SWITCHES[Subject.HOST if one.service is None else Subject.SERVICE][sign.key][bool(sign.value)].name
    arguments = {"host": one.host} if one.service is None else {"host": one.host, "service": one.service}
    return command._replace(name=name, host=one.host, service=one.service or "", arguments=arguments)


def _features(row: Row, command: CommandRow, whom: Whom) -> Iterator[tuple[str, Whom]]:
    for sign in row.signs:
        yield (f"{sign.key} {str(command.arguments[sign.variable]).upper()}" if sign.variable else sign.key), whom


# --- what another program sets ----------------------------------------------------------------------------------------------------


def is_switch(text: bytes) -> bool:
    """Does a command, as the log shows it, switch a feature?"""
    return _without_stamp(text).partition(b";")[0] in _SIGNED_BYTES


def _without_stamp(text: bytes) -> bytes:
    """Icinga 2 logs the raw line."""
    return text.partition(b"] ")[2] if text.startswith(b"[") else text


def overruled_by(connection: sqlite3.Connection, poller: int, line: LogLine, at: float) -> list[str]:
    """Another program's command was read: switches of ours that were executed before are its affair from now on. Their ids.

    A line that a former life of ours read already, and an echo of ours, are no younger than what they could overrule.
    """
    name, _, rest = _without_stamp(line.text).decode("utf-8", "replace").partition(";")
    row = known_row(name)
    keys = {sign.key for sign in row.signs}
    names = [known for known in _SIGNED if keys & {sign.key for sign in CATALOGUE[known].signs}]
    where, values = "", []
    if row.subject in OBJECTS:
        parts = rest.split(";")
        where, values = " AND host IN (?, '')", [parts[0]]
        if row.fields[1:2] and row.fields[1].type is FieldType.SERVICE and len(parts) > 1:
            where += " AND service IN (?, '')"
            values.append(parts[1])
    query = (
        f"SELECT {COMMAND_COLUMNS} FROM command WHERE poller = ? AND state = 'confirmed' AND overruled = 0 AND executed_at < ?"
        f" AND name IN ({','.join('?' * len(names))}){where}"
    )
    found = [command_row(row) for row in connection.execute(query, [poller, line.at, *names, *values]).fetchall()]
    for command in found:
        connection.execute("UPDATE command SET overruled = 1 WHERE id = ?", (command.id,))
        note(connection, command, at, f"another program has set it since: [{line.at}] {line.text.decode('utf-8', 'replace')}")
    return [command.id for command in found]
