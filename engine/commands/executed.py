"""Was it executed? What the log proves of written batches. Pure: log lines in, verdicts out.

`BatchWatch` follows the log from before a batch to the first mark behind it. A command is `processed` when its own echo stands
before its batch's end mark with no error line; without an echo there it was never executed. An echo alone proves nothing: Nagios
logs it before it executes, also for unknown hosts.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import NamedTuple

import msgspec

from engine.commands.expected import AT_END, WHOLE, Expected, WatchedBatch
from engine.commands.profiles import Profile
from engine.commands.wire import MARK_PREFIX
from engine.formats.corelog import LogKind, LogLine

_BLANKS = b" \t\r\n\v\f"
_MARK_WORD = MARK_PREFIX[1:].encode()
_MARK_TEXT = re.compile(rb"(?:\[\d+\] )?" + b"_?" + MARK_PREFIX[1:].encode() + rb"([BEL])([0-9A-Za-z]+);?")
_BRACKET = re.compile(rb"^\[\d+\] ")

# How error lines that name a command begin.
_UNKNOWN_NAME = b"Warning: Unrecognized external command -> "
_ARROWS = (
    b"Error: External command failed -> ",
    _UNKNOWN_NAME,
    b"Info: External command blocked by broker module -> ",
)
_RETURNED = b"External command "
_PARSE_ERROR = b"Warning: External command parse error "
_PASSIVE = b"Warning:  Passive check result was received for "
# How those begin that name none and stand right behind the echo (Icinga 1, Centreon Engine).
_NAMELESS = (b"Error: Could not find ", b"unknown host: ", b"unknown service: ")


class Outcome(Enum):
    PROCESSED = "processed"
    REFUSED = "refused"
    NOT_EXECUTED = "not_executed"  # read past without it: it can be written again
    UNCLEAR = "unclear"  # only the core's files can tell, see `Verdict`


class Verdict(msgspec.Struct, frozen=True):
    """What the log proved about one command. `at` is the log's second (core's clock).

    UNCLEAR with evidence: echoed, but then the core started, lines are missing, or the echo stood out of its place. UNCLEAR
    without: no echo, and the core started meanwhile (or `hole`: lines are missing).
    """

    command_id: str
    outcome: Outcome
    at: int
    evidence: str
    duplicate: bool = False
    hole: bool = False
    extra: int = 0  # how often it was executed beyond the first time, nobody else's line being possible there


class WholeBatch(NamedTuple):
    """A batch of results of which all stands in the log, in so many lines."""

    token: str
    lines: int
    verdict: Verdict


@dataclass(slots=True)
class BatchWatch:
    """Follows one poller's log over its unsettled batches, oldest first."""

    profile: Profile
    batches: deque[WatchedBatch] = field(default_factory=deque)
    _last_echo: Expected | None = None
    _taken: bool = False  # the last line was one of `take_echoes`

    def add(self, batch: WatchedBatch) -> None:
        """Start watching a batch that is about to be written."""
        self.batches.append(batch)

    def drop(self, token: str) -> None:
        """Forget a batch whose bytes were not written after all."""
        self.batches = deque(batch for batch in self.batches if batch.token != token)

    def take_batch(self, raws: Sequence[bytes], place: int) -> WholeBatch | None:
        """The oldest batch, if it is one of results and the classic log's lines from `place` on are all of it: it is settled."""
        batch = self.batches[0] if self.batches else None
        lines = batch.lines if batch is not None else None
        if batch is None or lines is None or batch.begun or lines.seen:
            return None
        count = len(lines.places) + 2
        raws = raws[place : place + count]
        if len(raws) < count or not lines.are_all(raws, batch.token):
            return None
        self._last_echo, self._taken = None, False
        self.batches.popleft()
        self._begin_anew()
        at = int(raws[-1][1:AT_END])
        return WholeBatch(batch.token, count, Verdict(f"{lines.name}{WHOLE}{batch.token}", Outcome.PROCESSED, at, ""))

    def _begin_anew(self) -> None:
        """The place in the log of what is not settled yet begins here."""
        for batch in self.batches:
            for expected in batch.commands:
                expected.astray = ""

    def take_echoes(self, raws: Sequence[bytes], place: int) -> int:
        """Take the classic log's lines from `place` on that are just what comes next of a batch of results, begin mark seen.

        Returns how many; more may follow. `feed` knows what everything else means.
        """
        batch = self.batches[0] if self.batches else None
        if batch is None or batch.lines is None or not batch.begun:
            return 0
        count = batch.lines.take(raws[place : place + len(batch.lines.places)])
        self._taken |= count > 0
        return count

    def _expand(self) -> None:
        """Something is not as it should be, or not told by the short way: every result is looked at by itself."""
        taken = self._taken and self.batches and self.batches[0].lines is not None
        last = len(self.batches[0].lines.seen) - 1 if taken and self.batches[0].lines is not None else 0
        for batch in self.batches:
            batch.expand()
        if taken:
            self._last_echo = self.batches[0].commands[last]
        self._taken = False

    def hole(self) -> None:
        """Lines are missing from the log: nothing unproven can be called unexecuted, nor unrefused, any more."""
        self._expand()
        for batch in self.batches:
            batch.holed = True
        self._interrupted()

    def expects(self, text: bytes) -> bool:
        """Is it the text of a command that is not settled yet, or a mark?"""
        self._expand()
        text = text.rstrip(_BLANKS)
        return mark_in(text) is not None or any(one.is_echoed_by(text) for batch in self.batches for one in batch.commands)

    def feed(self, line: LogLine) -> tuple[list[str], list[Verdict]]:
        """Take one line. Return (tokens of batches it settled, verdicts on their commands)."""
        if line.kind is LogKind.EXTERNAL_COMMAND:
            return self._command(line)
        if line.kind is LogKind.COMMAND_ERROR:
            mark = mark_in(line.text.removeprefix(_UNKNOWN_NAME)) if line.text.startswith(_UNKNOWN_NAME) else None
            if mark is not None:
                return self._mark(*mark, line.at)
            self._expand()
            self._error(line)
        if line.kind is LogKind.START:
            self._expand()
            self._interrupted()
        return [], []

    def _interrupted(self) -> None:
        """A core killed right after an echo had not executed it yet, or lost what it did: an echo before this proves little."""
        self._last_echo = None
        for batch in self.batches:
            batch.restarted = True
            for expected in batch.commands:
                expected.doubtful = expected.doubtful or expected.echoed_at is not None

    def _command(self, line: LogLine) -> tuple[list[str], list[Verdict]]:
        self._last_echo = None
        mark = mark_in(line.text)
        if mark is not None:
            self._taken = False
            return self._mark(*mark, line.at)
        self._expand()
        self._last_echo = self._echoed(line.text.rstrip(_BLANKS), line)
        return [], []

    def _echoed(self, text: bytes, line: LogLine) -> Expected | None:
        """Note an echo of the oldest batch; one of a later batch counts for little as long as the marks before it are awaited."""
        for batch in islice(self.batches, 1, None):
            for expected in batch.echoed_by(text):
                expected.astray = _words(line)
        same = self.batches[0].echoed_by(text) if self.batches else ()
        if not same:
            return None
        for expected in same:
            if expected.echoed_at is None:
                expected.echoed_at = line.at
                expected.evidence = _words(line)
                return expected
        same[-1].extra_echoes += 1
        return same[-1]

    def _error(self, line: LogLine) -> None:
        """Blame the command an error line names; some name none and are about the command echoed last."""
        names = _naming(line.text)
        if self.profile.echo_has_bracket or line.text.startswith(_NAMELESS):
            guilty = self._last_echo
        elif names is not None:
            guilty = self._last_echo = self._named(names)
        else:
            return
        if guilty is not None and not guilty.error:
            guilty.error = _words(line)

    def _named(self, names: Callable[[Expected], bool]) -> Expected | None:
        """The command echoed last, if it is meant: its error lines follow at once. Else one refused without an echo."""
        if self._last_echo is not None and names(self._last_echo):
            return self._last_echo
        waiting = self.batches[0].commands if self.batches else []
        return next((one for one in waiting if one.echoed_at is None and not one.error and names(one)), None)

    def _mark(self, role: str, token: str, at: int) -> tuple[list[str], list[Verdict]]:
        position = next((index for index, batch in enumerate(self.batches) if batch.token == token), None)
        if position is None:
            # One of ours that was settled before a restart of ours: what was echoed before its end is not the oldest batch's.
            if role == "E":
                self._forget_echoes()
            return [], []
        position = self._let_pass(position)
        if role != "B":
            return self._settle(position + 1, token, at)
        result = self._settle(position, token, at)
        self._forget_echoes()
        self.batches[0].begun = True
        return result

    def _let_pass(self, position: int) -> int:
        """Put a batch before those that may have been written behind it. Returns its new place."""
        batch = self.batches[position]
        if batch.is_lone or batch.may_be_later:
            return position
        before = list(islice(self.batches, position))
        later = [one for one in before if one.may_be_later and not one.begun]
        if later:
            first = [one for one in before if one not in later]
            self.batches = deque([*first, batch, *later, *islice(self.batches, position + 1, None)])
        return position - len(later)

    def _forget_echoes(self) -> None:
        """What the oldest batch's commands seem to have left in the log so far was another's: their own lines come later."""
        for expected in self.batches[0].commands if self.batches and not self.batches[0].begun else ():
            expected.echoed_at, expected.evidence, expected.extra_echoes = None, "", 0
            expected.error, expected.doubtful = "", False

    def _settle(self, count: int, token: str, at: int) -> tuple[list[str], list[Verdict]]:
        tokens: list[str] = []
        verdicts: list[Verdict] = []
        if count > 1:
            self._expand()
            self._note_astray(count)
        # Marks between these batches are lost: whose echo it was cannot be told where two of them hold the same text.
        later = {expected.echo for batch in islice(self.batches, 1, count) for expected in batch.commands}
        for expected in self.batches[0].commands if count > 1 else ():
            expected.doubtful = expected.doubtful or (expected.echoed_at is not None and expected.echo in later)
        for _ in range(count):
            batch = self.batches.popleft()
            tokens.append(batch.token)
            if batch.lines is not None and batch.begun and batch.lines.is_whole and batch.token == token:
                verdicts.append(Verdict(f"{batch.lines.name}{WHOLE}{token}", Outcome.PROCESSED, at, ""))
                continue
            batch.expand()
            verdicts += [_verdict(expected, batch, batch.token == token, at) for expected in batch.commands]
        self._begin_anew()
        return tokens, verdicts

    def _note_astray(self, count: int) -> None:
        """What was taken for the oldest batch's may have been the echo of another whose marks are lost."""
        for first in self.batches[0].commands:
            if first.echoed_at is not None:
                for batch in islice(self.batches, 1, count):
                    for expected in batch.echoed_by(first.echo):
                        expected.astray = expected.astray or first.evidence


def _words(line: LogLine) -> str:
    return f"[{line.at}] {line.text.decode('utf-8', 'replace')}"


def mark_in(text: bytes) -> tuple[str, str] | None:
    """(role, token) when the text of an EXTERNAL COMMAND line is a mark, else None. A comment may quote one: that is none."""
    if _MARK_WORD not in text:
        return None
    found = _MARK_TEXT.fullmatch(text.rstrip(_BLANKS))
    return (found[1].decode(), found[2].decode()) if found else None


def _naming(text: bytes) -> Callable[[Expected], bool] | None:
    """How to tell whether an error line of a Nagios-like core is about a command; None when it names none.

    **Source**: Nagios 4.4.6 base/commands.c and the lines it wrote (cores.md 3.1); Naemon per cores.md 3.2.
    """
    if text.startswith(_PASSIVE):
        return lambda expected: (
            _passive_object(expected.echo) is not None and text.startswith(_PASSIVE + (_passive_object(expected.echo) or b""))
        )
    for prefix in _ARROWS:
        if text.startswith(prefix):
            return lambda expected: expected.is_echoed_by(text[len(prefix) :].rstrip(_BLANKS))
    if text.startswith(_PARSE_ERROR):
        raw = _BRACKET.sub(b"", text[len(_PARSE_ERROR) :])
        return lambda expected: raw.startswith(expected.echo + b" (") and raw.endswith(b")")
    if text.startswith(_RETURNED) and not text.startswith(b"External command error: "):
        raw = _BRACKET.sub(b"", text[len(_RETURNED) :]).rpartition(b" returned error ")[0]
        return lambda expected: expected.is_echoed_by(raw)
    return None


def _passive_object(echo: bytes) -> bytes | None:
    """How the warning about a passive result for an unknown object names the object of this command."""
    name, *parts = echo.split(b";", 3)
    if name == b"PROCESS_SERVICE_CHECK_RESULT" and len(parts) == 3:
        return b"service '%s' on host '%s', but " % (parts[1], parts[0])
    if name == b"PROCESS_HOST_CHECK_RESULT" and len(parts) >= 2:
        return b"host '%s', but " % parts[0]
    return None


def _verdict(expected: Expected, batch: WatchedBatch, own_mark: bool, at: int) -> Verdict:
    if expected.error:
        return Verdict(expected.command_id, Outcome.REFUSED, expected.echoed_at or at, expected.error)
    if expected.echoed_at is not None and not expected.doubtful:
        # The end mark's second: every effect that needs no scheduled event has happened by then.
        # Between the marks of a batch stands nobody else's line.
        extra = expected.extra_echoes if batch.begun else 0
        return Verdict(expected.command_id, Outcome.PROCESSED, at, expected.evidence, extra > 0, extra=extra)
    evidence = expected.evidence or expected.astray
    if not expected.echoes_expected and not evidence:
        if batch.begun and own_mark and not batch.restarted:
            return Verdict(expected.command_id, Outcome.PROCESSED, at, f"[{at}] {MARK_PREFIX}E{batch.token}")
        return Verdict(expected.command_id, Outcome.UNCLEAR, at, f"[{at}] no line of the log can show it", hole=batch.holed)
    unclear = batch.restarted or bool(evidence)
    return Verdict(expected.command_id, Outcome.UNCLEAR if unclear else Outcome.NOT_EXECUTED, at, evidence, hole=batch.holed)
