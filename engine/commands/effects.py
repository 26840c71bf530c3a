"""Did a command of the catalogue work? Its row's effect is data; these functions read it off the core's files. All pure.

A state that is as asked for proves only in a generation written after the execution: it may have been so before. On several
members: all → yes; some, once absence may be believed → partial; none → no.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import orjson

from engine.commands.expected import Expected
from engine.commands.proof import Effected, Judgement, Seen, is_decisive
from engine.commands.row import FieldType, FromField, Row, Sign
from engine.formats.corelog import LogKind, LogLine
from engine.model import CommentStatus, CoreKind, DowntimeStatus, HostStatus, ServiceStatus

_MOST_NAMED = 20  # members named in a sentence
_SAME = 1e-3  # between two numbers that were written with different numbers of decimals


class MemberSeen(msgspec.Struct, frozen=True):
    """One object, contact or core on which the effect must show. `shown`: what its block says by key; None: it has no block."""

    label: str
    shown: Mapping[str, object] | None


class When(msgspec.Struct, frozen=True):
    """The newest generation, and since when absence in it counts: `executed_at` and `deadline_s` later."""

    created: float
    executed_at: float
    deadline_s: float

    @property
    def is_after(self) -> bool:
        """Was it written after the second of the execution?"""
        return self.created > self.executed_at

    @property
    def is_decisive(self) -> bool:
        """May absence in it be believed?"""
        return is_decisive(Seen(self.created, 0.0, None), self.executed_at, self.deadline_s)

    @property
    def words(self) -> str:
        return f"in the status file of {self.created:.0f}"


# --- signs ------------------------------------------------------------------------------------------------------------------


def judge_signs(row: Row, arguments: Mapping[str, object], members: Sequence[MemberSeen], when: When, kind: CoreKind) -> Judgement:
    """Every sign of the row is to be read on every member."""
    wanted = [(sign, _wanted(sign, arguments, kind)) for sign in row.signs]
    words = ", ".join(f"{_key(sign, arguments)}={_plain(value)}" for sign, value in wanted)
    states = {
        member.label: None
        if member.shown is None
        else all(_agrees(_shown(sign, member.shown, arguments), value) for sign, value in wanted)
        for member in members
    }
    return _judge_all(states, words, when)


def _wanted(sign: Sign, arguments: Mapping[str, object], kind: CoreKind) -> object:
    value = arguments.get(sign.value.name) if isinstance(sign.value, FromField) else sign.value
    return sign.shown_as[kind].replace("{}", str(value)) if kind in sign.shown_as else value


def _key(sign: Sign, arguments: Mapping[str, object]) -> str:
    return f"_{str(arguments[sign.variable]).upper()}" if sign.variable else sign.key


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shown(sign: Sign, shown: Mapping[str, object], arguments: Mapping[str, object]) -> object:
    value = shown.get(sign.key)
    if not sign.variable:
        return value
    variables = {name.upper(): text for name, text in orjson.loads(str(value or "{}")).items()}
    return variables.get(str(arguments[sign.variable]).upper())


def _agrees(shown: object, wanted: object) -> bool:
    if isinstance(wanted, str) and wanted.endswith("!*"):
        return str(shown).startswith(wanted[:-1])
    if isinstance(wanted, str) or shown is None:
        return shown == wanted
    try:
        return abs(float(str(shown)) - float(str(wanted))) < _SAME
    except ValueError:
        return False


def _judge_all(states: Mapping[str, bool | None], words: str, when: When) -> Judgement:
    """Fold what the members show: True as asked, False not, None it is not there."""
    if not when.is_after:
        return Judgement(Effected.NOT_YET)
    yes = [label for label, state in states.items() if state]
    missing = [label for label, state in states.items() if not state]
    if states and not missing:
        where = "" if len(states) == 1 else f" on {_named(yes)}"
        return Judgement(Effected.YES, f"{words}{where} {when.words}")
    if not when.is_decisive:
        return Judgement(Effected.NOT_YET)
    if not states:
        return Judgement(Effected.CLEARED, reason=f"nothing that it is for stands {when.words}: there is nothing it could show on")
    if len(states) == 1 and None in states.values():
        return Judgement(Effected.CLEARED, reason=f"{missing[0]} is no longer in the status file")
    evidence = f"{words} on {_named(yes)} {when.words}" if yes else ""
    return Judgement(Effected.NO, evidence, f"not {words} on {_named(missing)} {when.words}", some=bool(yes))


def _named(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _MOST_NAMED} more" if len(labels) > _MOST_NAMED else ""
    return f"{len(labels)}: {', '.join(labels[:_MOST_NAMED])}{more}"


# --- checks -----------------------------------------------------------------------------------------------------------------


def judge_checks(
    members: Sequence[tuple[str, HostStatus | ServiceStatus | None]], at: float, forced: bool, when: When
) -> Judgement:
    """Every member is scheduled for that time (or earlier, where its settings let checks run), or was actively checked since."""
    states = {label: None if row is None else _is_checked(row, at, forced) for label, row in members}
    # A check planned for later needs until then to show.
    patient = When(when.created, when.executed_at, max(when.deadline_s, at - when.executed_at + when.deadline_s))
    judgement = _judge_all(states, "checked or scheduled", patient)
    off = [label for label, row in members if row is not None and not row.checks_enabled]
    if judgement.effected is Effected.NO and off and not forced:
        return Judgement(Effected.NO, judgement.evidence, f"active checks are off on {_named(off)}", some=judgement.some)
    return judgement


def _is_checked(row: HostStatus | ServiceStatus, at: float, forced: bool) -> bool:
    if row.last_check >= at and row.check_type == 0 and row.has_been_checked:
        return True
    if forced:
        return bool(row.check_options & 1) and row.next_check <= at + 1
    return bool(row.checks_enabled) and 0 < row.next_check <= at + 1


# --- what is to be gone -----------------------------------------------------------------------------------------------------


def judge_comments_gone(comments: Sequence[CommentStatus], since: float, when: When) -> Judgement:
    """No comment of the object is older than the command."""
    left = [str(block.core_id) for block in comments if block.entry_time < since]
    return _judge_gone("comment", left, when)


def judge_downtimes_gone(
    row: Row,
    arguments: Mapping[str, object],
    hosts: Sequence[str] | None,
    blocks: Sequence[DowntimeStatus],
    since: float,
    when: When,
) -> Judgement:
    """No downtime older than the command is what its arguments choose. `hosts`: the group's, None for all."""
    names = None if hosts is None else set(hosts)
    left = [
        str(block.core_id)
        for block in blocks
        if block.entry_time < since and (names is None or block.host_name in names) and is_chosen(row, arguments, _values_of(block))
    ]
    return _judge_gone("downtime", left, when)


def _judge_gone(kind: str, left: Sequence[str], when: When) -> Judgement:
    if not when.is_after:
        return Judgement(Effected.NOT_YET)
    if not left:
        return Judgement(Effected.YES, f"no such {kind} {when.words}")
    if not when.is_decisive:
        return Judgement(Effected.NOT_YET)
    return Judgement(Effected.NO, reason=f"{kind} ids still {when.words}: {_named(left)}")


def _values_of(block: DowntimeStatus) -> dict[str, object]:
    """A downtime's values by the names of the fields that choose it."""
    return {
        "host": block.host_name, "service": block.service_description, "start": block.start_time, "end": block.end_time,
        "fixed": block.fixed, "duration": block.duration, "author": block.author, "comment": block.comment,
    }  # fmt: skip


def is_chosen(row: Row, arguments: Mapping[str, object], values: Mapping[str, object]) -> bool:
    """Do the command's words choose the downtime of these values?"""
    for part in row.fields:
        wanted = arguments.get(part.name)
        if wanted is None or part.name not in values:
            continue
        found = values[part.name]
        if isinstance(wanted, str) and found != wanted:
            return False
        if isinstance(wanted, int | float) and (not isinstance(found, int | float) or int(found) != int(wanted)):
            return False
    return True


# --- lines of the log -------------------------------------------------------------------------------------------------------


def judge_logged(row: Row, when: When) -> Judgement:
    """What a line proves comes from `Listener`; here only its absence is judged."""
    if not when.is_decisive:
        return Judgement(Effected.NOT_YET)
    return Judgement(Effected.NO, reason=f"the log holds no line like {' or '.join(map(repr, row.log))}")


@dataclass(slots=True)
class Listening:
    """A command whose effect the log will say. `armed`: lines count from now on."""

    command_id: str
    expected: Expected
    patterns: tuple[re.Pattern[bytes], ...]
    armed: bool


@dataclass(slots=True)
class Listener:
    """Hears in the log what proves a command. A line that anything could cause counts only behind the command's own echo."""

    waiting: dict[str, Listening] = field(default_factory=dict)

    def add(self, row: Row, arguments: Mapping[str, object], expected: Expected, echoed: bool = False) -> None:
        """Listen for this command's lines."""
        patterns = tuple(_pattern(text, row, arguments) for text in row.log)
        own = all("{" in text for text in row.log)
        self.waiting[expected.command_id] = Listening(expected.command_id, expected, patterns, own or echoed)

    def feed(self, line: LogLine) -> list[tuple[str, str]]:
        """(command, the line that proves it) for each command this line proves; those are no longer waited for."""
        heard: list[tuple[str, str]] = []
        text = line.text.rstrip()
        for waiting in list(self.waiting.values()):
            if line.kind is LogKind.EXTERNAL_COMMAND:
                waiting.armed = waiting.armed or waiting.expected.is_echoed_by(text)
            elif waiting.armed and any(pattern.fullmatch(text) for pattern in waiting.patterns):
                heard.append((waiting.command_id, f"[{line.at}] {text.decode('utf-8', 'replace')}"))
                del self.waiting[waiting.command_id]
        return heard


def _pattern(text: str, row: Row, arguments: Mapping[str, object]) -> re.Pattern[bytes]:
    names = {part.name: part.type for part in row.fields}
    made = b""
    for piece in re.split(r"(\*|\{\w+\})", text):
        if piece == "*":
            made += b".*"
        elif piece.startswith("{") and names[piece[1:-1]] is not FieldType.ENTRY:
            made += re.escape(str(arguments[piece[1:-1]]).strip().encode())
        else:
            made += re.escape(piece.encode())
    return re.compile(made, re.DOTALL)
