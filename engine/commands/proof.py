"""What the core's own files prove or disprove about a command. Pure: log lines and rows in, verdicts out.

Two questions, two parts:

*Was it executed?* `BatchWatch` follows the log from before a batch to the first mark behind it. A command is `processed` when its
own echo stands before its batch's end mark with no error line; without an echo there it was never executed. An echo alone
proves nothing: Nagios logs it before it executes, also for unknown hosts.

*Did it work?* `judge_*` look for the row's effect. Presence proves in any generation. Absence counts only in generations whose
`created` lies after the second in which the command was executed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import NamedTuple

from engine.commands.profiles import Profile
from engine.commands.wire import MARK_PREFIX, echo_text
from engine.formats.corelog import LogKind, LogLine
from engine.model import CommentStatus, DowntimeStatus, HostStatus, ServiceStatus

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
_ECHO = b"] EXTERNAL COMMAND: "  # behind a second of ten digits
_AT_END = 11
_ECHO_AT = _AT_END + len(_ECHO)
WHOLE = "*"
_PASSIVE = b"Warning:  Passive check result was received for "
# How those begin that name none and stand right behind the echo (Icinga 1, Centreon Engine).
_NAMELESS = (b"Error: Could not find ", b"unknown host: ", b"unknown service: ")


# --- was it executed? ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Expected:
    """One written command: the text by which the log will show it."""

    command_id: str
    echo: bytes
    echoes_expected: bool = True  # False: this core does not log that command (log_passive_checks=0)
    echoed_at: int | None = None
    evidence: str = ""
    error: str = ""
    extra_echoes: int = 0
    doubtful: bool = False  # echoed, but what followed (an error line, its execution) may be lost, or the echo is another's
    astray: str = ""  # evidence of an equal text while an earlier batch's marks were still awaited

    def is_echoed_by(self, text: bytes) -> bool:
        """Is it this command that the text shows? Commands without arguments are shown with a trailing semicolon."""
        return text == self.echo or (b";" not in self.echo and text == self.echo + b";")


@dataclass(slots=True)
class ResultLines:
    """What the log will show of a batch of passive results: the short way for thousands of lines that are as expected.

    `name` and a place make the id of one result, `name` and WHOLE that of all together. `text` is the lines as they are written,
    `stamp` what each of them begins with, b"" where they differ.
    """

    name: str
    places: Sequence[int]
    text: bytes
    profile: Profile
    echoes_expected: bool
    stamp: bytes = b""
    seen: list[bytes] = field(default_factory=list)  # raw lines of the log, one per echo from the first on
    _echoes: list[bytes] | None = None

    @property
    def echoes(self) -> list[bytes]:
        """The text by which the log shows each."""
        if self._echoes is None:
            self._echoes = [echo_text(line, self.profile) for line in self.text.split(b"\n")[:-1]]
        return self._echoes

    def take(self, raws: Sequence[bytes]) -> int:
        """How many of these lines are the echoes that come next: all that can be, or else one or none."""
        begin, total = len(self.seen), len(self.places)
        for count in (min(len(raws), total - begin), 1):
            some, wanted = raws[:count], self.echoes[begin : begin + count]
            if count > 0 and [raw[_ECHO_AT:] for raw in some] == wanted and {raw[_AT_END:_ECHO_AT] for raw in some} == {_ECHO}:
                self.seen += some
                return count
        return 0

    def are_all(self, raws: Sequence[bytes], token: str) -> bool:
        """Are these lines of the log its marks and all its echoes, of one second, as nearly always? Compared in one go."""
        head = raws[0][:_ECHO_AT]
        if not self.stamp or not head.endswith(_ECHO) or not head[1:_AT_END].isdigit():
            return False
        begin, end = (head + f"{MARK_PREFIX}{role}{token};".encode() for role in "BE")
        # A newline stands before a line's stamp, and nowhere else.
        echoes = (b"\n" + self.text).replace(b"\n" + self.stamp, b"\n" + head)
        return begin + echoes + end == b"\n".join(raws)

    @property
    def is_whole(self) -> bool:
        return len(self.seen) == len(self.places) or not self.echoes_expected

    def expected(self) -> list[Expected]:
        """The same result by result."""
        pairs = zip(self.places, self.echoes, strict=True)
        made = [Expected(f"{self.name}{place}", echo, self.echoes_expected) for place, echo in pairs]
        for one, raw in zip(made, self.seen, strict=False):
            one.echoed_at = int(raw[1:_AT_END])
            one.evidence = raw.replace(b"EXTERNAL COMMAND: ", b"", 1).decode("utf-8", "replace")
        return made


@dataclass(slots=True)
class WatchedBatch:
    """One written batch that is not settled yet. A lone mark is a batch without commands: it has its place in the order, too."""

    token: str
    commands: list[Expected]
    begun: bool = False
    restarted: bool = False  # the core started (or the log has a hole) between the write and now
    holed: bool = False  # of the two, it was a hole
    lines: ResultLines | None = None  # a batch of results of which all is as it should be so far; `commands` is empty then
    is_lone: bool = False
    may_be_later: bool = False  # of a former life of ours: it may have been written behind those that stand behind it
    _by_echo: dict[bytes, list[Expected]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for expected in self.commands:
            self._by_echo.setdefault(expected.echo, []).append(expected)

    def expand(self) -> None:
        """From now on each of its results is looked at by itself."""
        if self.lines is not None:
            self.commands, self.lines = self.lines.expected(), None
            self.__post_init__()

    def echoed_by(self, text: bytes) -> Sequence[Expected]:
        """Its commands that the text shows."""
        found = self._by_echo.get(text)
        if found is None and text.endswith(b";"):
            return [one for one in self._by_echo.get(text[:-1], ()) if one.is_echoed_by(text)]
        return found or ()


class Outcome(Enum):
    PROCESSED = "processed"
    REFUSED = "refused"
    NOT_EXECUTED = "not_executed"  # read past without it: it can be written again
    UNCLEAR = "unclear"  # only the core's files can tell, see `Verdict`


@dataclass(frozen=True, slots=True)
class Verdict:
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
        at = int(raws[-1][1:_AT_END])
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


# --- did it work? -------------------------------------------------------------------------------------------------------


class Effected(Enum):
    YES = "yes"
    NOT_YET = "not_yet"
    NO = "no"
    CLEARED = "cleared"  # something since explains why it is not to be seen


@dataclass(frozen=True, slots=True)
class Judgement:
    """`evidence` names the block and generation that show it; `reason` says why it cannot be told."""

    effected: Effected
    evidence: str = ""
    reason: str = ""
    core_ids: tuple[int, ...] = ()
    some: bool = False  # of NO: it shows on some members


@dataclass(frozen=True, slots=True)
class Seen:
    """What the files say at one moment: the newest generation, and the object's row in it (log lane included)."""

    created: float
    program_start: float
    row: HostStatus | ServiceStatus | None
    comments: Sequence[CommentStatus] = ()


def is_decisive(seen: Seen, executed_at: float, deadline_s: float) -> bool:
    """May absence in this generation be believed? Only if the core wrote it after the second of execution."""
    return seen.created > executed_at + 1 and seen.created >= executed_at + deadline_s


def judge_acknowledged(
    seen: Seen,
    author: str,
    comment: str,
    sticky: bool,
    executed_at: float,
    since: float,
    deadline_s: float,
    expire: float | None = None,
) -> Judgement:
    """Flag (and end, if it has one) set as asked, and a comment of that author and text no older than its writing (`since`).

    Nor younger than the execution: somebody who asks the same again makes one of his own.
    """
    row = seen.row
    matching = [
        block
        for block in seen.comments
        if block.entry_type == 4
        and (block.author, block.comment) == (author, comment)
        and since - 1 <= block.entry_time <= executed_at + 1
    ]
    # Icinga 2.13 writes 0 for the acknowledgement's end and the true one into its comment.
    shown = {int(block.expire_time) for block in matching} | ({int(row.acknowledgement_end_time)} if row is not None else set())
    ends = expire is None or int(expire) in shown
    if row is not None and row.acknowledged and matching and row.acknowledgement_type == (2 if sticky else 1) and ends:
        newest = max(matching, key=lambda block: (block.entry_time, block.core_id))
        words = f"problem_has_been_acknowledged=1, acknowledgement_type={row.acknowledgement_type}, comment_id={newest.core_id}"
        return Judgement(Effected.YES, f"{words} in the status file of {seen.created:.0f}", core_ids=(newest.core_id,))
    if not is_decisive(seen, executed_at, deadline_s):
        return Judgement(Effected.NOT_YET)
    if row is None:
        return Judgement(Effected.CLEARED, reason="the object is no longer in the status file")
    if row.last_state_change >= since - 1:
        return Judgement(
            Effected.CLEARED, reason=f"the object changed state at {row.last_state_change:.0f}, which may have cleared it"
        )
    return Judgement(Effected.NO, reason=f"no acknowledgement in the status file of {seen.created:.0f}")


def judge_not_acknowledged(seen: Seen, executed_at: float, deadline_s: float) -> Judgement:
    """The flag is off in a generation written after the execution."""
    if not is_decisive(seen, executed_at, 0):
        return Judgement(Effected.NOT_YET)
    if seen.row is None:
        return Judgement(Effected.CLEARED, reason="the object is no longer in the status file")
    if not seen.row.acknowledged:
        return Judgement(Effected.YES, f"problem_has_been_acknowledged=0 in the status file of {seen.created:.0f}")
    if not is_decisive(seen, executed_at, deadline_s):
        return Judgement(Effected.NOT_YET)
    return Judgement(Effected.NO, reason=f"still acknowledged in the status file of {seen.created:.0f} (or again)")


def judge_checked(seen: Seen, at: float, executed_at: float, deadline_s: float) -> Judgement:
    """Scheduled as a forced check for that time, or actively checked since then. `at` is not before the line was written."""
    row = seen.row
    if row is not None:
        if row.last_check >= at and row.check_type == 0 and row.has_been_checked and seen.created >= executed_at:
            return Judgement(
                Effected.YES, f"last_check={row.last_check:.0f}, check_type=0 in the status file of {seen.created:.0f}"
            )
        if row.check_options & 1 and row.next_check <= at + 1 and seen.created >= executed_at:
            return Judgement(Effected.YES, f"next_check={row.next_check:.0f}, forced, in the status file of {seen.created:.0f}")
    # A check planned for later needs until then to show.
    if not is_decisive(seen, max(executed_at, at), deadline_s):
        return Judgement(Effected.NOT_YET)
    if row is None:
        return Judgement(Effected.CLEARED, reason="the object is no longer in the status file")
    return Judgement(Effected.NO, reason=f"last_check={row.last_check:.0f} in the status file of {seen.created:.0f}")


def judge_result(seen: Seen, checked_at: float, executed_at: float, deadline_s: float, exact: bool = True) -> Judgement:
    """The object's last check is the passive one with the time that was sent; an earlier one may have had the same second."""
    check = LastCheck(seen.row.last_check, seen.row.check_type) if seen.row is not None else None
    return judge_last_check(check, seen.created, checked_at, executed_at, deadline_s, exact)


class LastCheck(NamedTuple):
    """What a status file says of an object's last check: when, and 0 active or 1 passive."""

    at: float
    check_type: int


def judge_last_check(
    check: LastCheck | None, created: float, checked_at: float, executed_at: float, deadline_s: float, exact: bool = True
) -> Judgement:
    """The same by the last check alone; None: the object is not in the file.

    Not `exact`: the core also writes when it received the result, so that any second until the execution is that of ours.
    """
    latest = int(checked_at) if exact else executed_at + 1
    if check is not None and created > executed_at and int(checked_at) <= int(check.at) <= latest and check.check_type == 1:
        return Judgement(Effected.YES, f"last_check={check.at:.0f}, check_type=1 in the status file of {created:.0f}")
    if check is not None and check.at > checked_at and created > executed_at:
        return Judgement(Effected.CLEARED, reason=f"a newer check result of {check.at:.0f} stands in its place")
    if not (created > executed_at + 1 and created >= executed_at + deadline_s):
        return Judgement(Effected.NOT_YET)
    if check is None:
        return Judgement(Effected.CLEARED, reason="the object is no longer in the status file")
    return Judgement(Effected.NO, reason=f"last_check={check.at:.0f} in the status file of {created:.0f}")


# --- which block is which entry? ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Content:
    """What tells a downtime or comment apart in any core: ids alone do not (they are re-used and renumbered)."""

    host: str
    service: str
    author: str
    comment: str
    start: int | None = None
    end: int | None = None
    fixed: int | None = None
    duration: int | None = None  # flexible downtimes only


def downtime_content(block: DowntimeStatus) -> Content:
    """The content of a block. A fixed downtime's duration is the core's own arithmetic (0 in Icinga 2) and does not count."""
    return Content(
        block.host_name,
        block.service_description or "",
        block.author,
        block.comment,
        int(block.start_time),
        int(block.end_time),
        int(bool(block.fixed)),
        None if block.fixed else int(block.duration),
    )


def comment_content(block: CommentStatus) -> Content:
    """The content of a comment block."""
    return Content(block.host_name, block.service_description or "", block.author, block.comment)


@dataclass(frozen=True, slots=True)
class Known:
    """An entry the journal holds, as far as binding needs it.

    `entry_time` is exact when `exact_time`, else the earliest possible (cores that stamp with their own clock).
    """

    entry_id: int
    content: Content
    core_id: int | None
    entry_time: float
    exact_time: bool


def bind(known: Iterable[Known], blocks: Sequence[tuple[Content, int, float]]) -> tuple[dict[int, int], list[int]]:
    """Say which block is which entry: ({entry_id: index of its block}, indexes of blocks nobody knows).

    A block is (content, core id, entry_time). First those whose core id and content both agree, then by content and time: exact
    times before lower bounds, the nearest first, so that no entry takes another's block, whatever order they come in.
    """
    by_id = {(content, core_id): index for index, (content, core_id, _) in enumerate(blocks)}
    by_content: dict[Content, list[int]] = {}
    for index, (content, _, _) in enumerate(blocks):
        by_content.setdefault(content, []).append(index)
    bound: dict[int, int] = {}
    taken: set[int] = set()
    pairs: list[tuple[bool, float, float, int, int, int]] = []
    for entry in sorted(known, key=lambda one: one.entry_id):
        same_id = by_id.get((entry.content, entry.core_id)) if entry.core_id is not None else None
        if same_id is not None and same_id not in taken and _time_fits(entry, blocks[same_id][2]):
            bound[entry.entry_id] = same_id
            taken.add(same_id)
            continue
        for index in by_content.get(entry.content, ()):
            _, core_id, entry_time = blocks[index]
            if _time_fits(entry, entry_time):
                distance = abs(entry_time - entry.entry_time)
                pairs.append((not entry.exact_time, distance, entry.entry_time, entry.entry_id, core_id, index))
    for *_, entry_id, _, index in sorted(pairs):
        if entry_id not in bound and index not in taken:
            bound[entry_id] = index
            taken.add(index)
    return bound, [index for index in range(len(blocks)) if index not in taken]


def _time_fits(entry: Known, entry_time: float) -> bool:
    if entry.exact_time:
        return int(entry_time) == int(entry.entry_time)
    return entry_time >= entry.entry_time - 1
