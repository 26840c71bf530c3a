"""Is the effect of one command there? Asked of the newest generation, once for each command that waits for its own.

Reads only: what a judgement leads to is stored by proving.py. The judgements themselves are pure (engine/commands/proof.py and
effects.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec

from engine.commands.catalogue import Effect, Members, Row, Subject
from engine.commands.effects import (
    MemberSeen,
    When,
    judge_checks,
    judge_comments_gone,
    judge_downtimes_gone,
    judge_logged,
    judge_signs,
)
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
from engine.commands.wire import stored_comment
from engine.journal.commands import CommandRow
from engine.journal.history import EntryRow, entry_by_id
from engine.model import CoreKind, ObjectKey
from engine.pollers.entries_judged import judge_created, judge_gone, judge_triggered, triggered_by
from engine.state.members import contacts_of, meant_hosts, objects_of, program_of, shown_of, shown_of_contact
from engine.state.views import Reader

# Effects that are judged by the one object's row and comments; the others are rows of data.
_OF_ONE_OBJECT = frozenset({Effect.ACKNOWLEDGED, Effect.NOT_ACKNOWLEDGED, Effect.CHECKED, Effect.RESULT_SEEN})


class EffectJudge(msgspec.Struct, frozen=True):
    """Of one poller."""

    poller: int
    kind: CoreKind
    profile: Profile

    def judge(
        self,
        connection: sqlite3.Connection,
        reader: Reader,
        command: CommandRow,
        row: Row,
        made: Sequence[EntryRow],
        created: float,
        program_start: float,
    ) -> Judgement:
        """What the newest generation says of one command. `made`: the entries it makes."""
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
            entry = entry_by_id(connection, command.entry_id or 0)
            return judge_gone(entry, created, executed_at, row.effect_deadline_s)
        if row.effect not in _OF_ONE_OBJECT or (row.effect is Effect.CHECKED and not row.forced):
            return self.by_signs(reader, command, row, When(created, executed_at, row.effect_deadline_s))
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

    def by_signs(
        self, reader: Reader, command: CommandRow, row: Row, when: When, whom: Sequence[ObjectKey | str] | None = None
    ) -> Judgement:
        """Effects that are rows of data: see engine/commands/effects.py. `whom`: what still stands of these is looked at."""
        names = command.arguments
        match row.effect_in(self.kind):
            case Effect.SHOWN:
                if whom is None:
                    members = self._seen(reader, row, self.members(reader, row, names))
                else:
                    members = [one for one in self._seen(reader, row, whom) if one.shown is not None]
                return judge_signs(row, names, members, when, self.kind)
            case Effect.PROGRAM:
                return judge_signs(row, names, [MemberSeen("the core", program_of(reader, self.poller))], when, self.kind)
            case Effect.CHECKED:
                return self._judged_checks(reader, command, row, when)
            case Effect.COMMENTS_GONE:
                comments = reader.comments_of(self.poller, command.host, command.service or None)
                return judge_comments_gone(comments, float(command.epoch or 0), when)
            case Effect.DOWNTIMES_GONE:
                group = row.subject is Subject.HOSTGROUP
                hosts = meant_hosts(reader, self.poller, row.subject, names) if group else None
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

    def members(self, reader: Reader, row: Row, names: Mapping[str, object]) -> Sequence[ObjectKey | str]:
        """Whom a command acts on now."""
        if row.subject in (Subject.CONTACT, Subject.CONTACTGROUP):
            return contacts_of(reader, self.poller, row, names)
        return objects_of(reader, self.poller, row, names)

    def _seen(self, reader: Reader, row: Row, whom: Sequence[ObjectKey | str]) -> list[MemberSeen]:
        columns = [sign.key for sign in row.signs]
        return [
            MemberSeen(one, shown_of_contact(reader, self.poller, one, columns))
            if isinstance(one, str)
            else MemberSeen(_label(one), shown_of(reader, one, columns))
            for one in whom
        ]


def _label(key: ObjectKey) -> str:
    return key.host if key.service is None else f"{key.host}/{key.service}"
