"""Features that were switched: what a crash of a core undid of them, and whose affair they are once another program sets them.

Rules.

- Of each object and feature the last word counts, be it executed yet or not: what a later command of ours says, or what another
  program has set since, was not lost by the crash.
- A command for many is verified on those for whom it was meant (MEMBERS), as far as no later one is about them. What is asked again
  for some of them only, or for a group that has got others by now, is asked for each by itself. Where these were too many to be
  stored and are others by now, nothing is known of the feature: neither of this command nor of what was said before it.
- Of what was seen on some only, nobody knows on which: it is lost where nobody shows it any more. It is not asked again.
- What a core itself changes by and by proves no loss.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from engine.commands.catalogue import CATALOGUE, SWITCHES, FieldType, Row, Subject, known_row
from engine.commands.effects import When
from engine.commands.lifecycle import State
from engine.commands.proof import Effected, Judgement
from engine.commands.row import OBJECTS
from engine.formats.corelog import LogLine
from engine.journal.commands import COMMAND_COLUMNS, CommandRow, command_row, note
from engine.journal.slices import parts_of
from engine.model import ObjectKey
from engine.pollers.effects_judged import EffectJudge
from engine.pollers.losses import Losses
from engine.state.members import meant_contacts, meant_objects, shown_of, shown_of_contact
from engine.state.views import Reader

_SINCE_S = 86_400.0  # no core keeps its features unsaved for longer than a day
_AT_ONCE = 20  # each may name a thousand members
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
        """Verify again what was switched and seen before the crash, the newest first."""
        said: defaultdict[str, set[Whom]] = defaultdict(set)
        blurred: set[str] = set()  # features of which something was said nobody knows about whom
        for some in parts_of(self._numbers(), _AT_ONCE):
            for command, overruled in self._commands(some):
                self.losses.slices.breathe()
                row = known_row(command.name)
                features, meant = _features(row, command), self._meant(command, row)
                if meant is None or not blurred.isdisjoint(features):
                    blurred.update(features)
                    continue
                last = [one for one in meant if not any(one in said[feature] for feature in features)]
                if last and not overruled and command.state in (State.CONFIRMED, State.PARTIAL):
                    self._verify(command, row, last, meant)
                for feature in features:
                    said[feature].update(meant)

    def _numbers(self) -> list[int]:
        query = (
            "SELECT seq FROM command INDEXED BY command_open WHERE poller = ? AND updated_at > ?"
            f" AND state IN ({','.join('?' * len(_SAID))}) AND name IN ({','.join('?' * len(_LASTING))}) ORDER BY seq DESC"
        )
        values = (self.losses.poller, self.losses.at - _SINCE_S, *_SAID, *_LASTING)
        return [number for (number,) in self.losses.slices.connection.execute(query, values)]

    def _commands(self, numbers: Sequence[int]) -> Iterator[tuple[CommandRow, bool]]:
        query = f"SELECT {COMMAND_COLUMNS}, overruled FROM command WHERE seq IN ({','.join('?' * len(numbers))}) ORDER BY seq DESC"
        for *columns, overruled in self.losses.slices.connection.execute(query, numbers).fetchall():
            yield command_row(columns), bool(overruled)

    def _meant(self, command: CommandRow, row: Row) -> Sequence[Whom] | None:
        if row.subject in (Subject.CONTACT, Subject.CONTACTGROUP):
            return meant_contacts(self.reader, command.poller, row, command.arguments)
        found = meant_objects(self.reader, command.poller, row, command.arguments)
        return found if found or found is None else ("",)

    def _judged(self, command: CommandRow, row: Row, whom: Sequence[Whom]) -> Judgement:
        return self.judge.by_signs(self.reader, command, row, self.when, whom)

    def _verify(self, command: CommandRow, row: Row, last: Sequence[Whom], meant: Sequence[Whom]) -> None:
        judgement = self._judged(command, row, last)
        if judgement.effected is not Effected.NO:
            return
        is_partial = command.state is State.PARTIAL
        if is_partial and (judgement.some or len(last) < len(meant) or not all(map(self._stands, meant))):
            return
        is_wanted = "switch" in self.losses.verbs and not is_partial
        again = list(parts_of(self._to_ask_again(command, row, last))) if is_wanted else []
        # Ended half-way by a crash of ours, it is begun anew: those that were asked for again are later words by then.
        for some in again[:-1]:
            with self.losses.slices.unit():
                self._ask_again(some)
        with self.losses.slices.unit():
            self.losses.lose(command, judgement.reason)
            self._ask_again(again[-1] if again else ())

    def _stands(self, one: Whom) -> bool:
        if isinstance(one, str):
            return shown_of_contact(self.reader, self.losses.poller, one, ("name",)) is not None
        return shown_of(self.reader, one, ("state",)) is not None

    def _ask_again(self, commands: Sequence[CommandRow]) -> None:
        for one in commands:
            self.losses.ask_again(one, known_row(one.name), None)

    def _to_ask_again(self, command: CommandRow, row: Row, last: Sequence[Whom]) -> Sequence[CommandRow]:
        reached = self.judge.members(self.reader, row, command.arguments)
        if set(reached) <= set(last):
            return [command]
        return [_alone(command, row, one) for one in last if self._judged(command, row, [one]).effected is Effected.NO]


def _alone(command: CommandRow, row: Row, one: Whom) -> CommandRow:
    """The same for one object or contact."""
    if isinstance(one, str):
        return command._replace(name=row.name.replace("CONTACTGROUP", "CONTACT"), arguments={"contact": one})
    (sign,) = row.signs
    name = SWITCHES[Subject.HOST if one.service is None else Subject.SERVICE][sign.key][bool(sign.value)].name
    arguments = {"host": one.host} if one.service is None else {"host": one.host, "service": one.service}
    return command._replace(name=name, host=one.host, service=one.service or "", arguments=arguments)


def _features(row: Row, command: CommandRow) -> list[str]:
    return [f"{sign.key} {str(command.arguments[sign.variable]).upper()}" if sign.variable else sign.key for sign in row.signs]


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
        f"SELECT {COMMAND_COLUMNS} FROM command WHERE poller = ? AND state IN ('confirmed', 'partial') AND overruled = 0"
        f" AND executed_at < ? AND name IN ({','.join('?' * len(names))}){where}"
    )
    found = [command_row(row) for row in connection.execute(query, [poller, line.at, *names, *values]).fetchall()]
    for command in found:
        connection.execute("UPDATE command SET overruled = 1 WHERE id = ?", (command.id,))
        note(connection, command, at, f"another program has set it since: [{line.at}] {line.text.decode('utf-8', 'replace')}")
    return [command.id for command in found]
