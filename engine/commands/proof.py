"""What the core's own files prove or disprove about a command. Pure: log lines and rows in, verdicts out.

Two questions, two parts:

*Was it executed?* `BatchWatch` follows the log from before a batch to the first mark behind it. A command is `processed` when its
own echo stands before its batch's end mark with no error line; without an echo there it was never executed. An echo alone
proves nothing: Nagios logs it before it executes, also for unknown hosts.

*Did it work?* `judge_*` look for the row's effect. Presence proves in any generation. Absence counts only in generations whose
`created` lies after the second in which the command was executed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from engine.commands.profiles import Marks, Profile
from engine.commands.wire import MARK_PREFIX
from engine.formats.corelog import LogKind, LogLine
from engine.model import CommentStatus, DowntimeStatus, HostStatus, ServiceStatus

_MARK = MARK_PREFIX.encode()


# --- was it executed? ---------------------------------------------------------------------------------------------------------


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


@dataclass(slots=True)
class WatchedBatch:
    """One written batch that is not settled yet. A lone mark is a batch without commands: it has its place in the order, too."""

    token: str
    commands: list[Expected]
    begun: bool = False
    restarted: bool = False  # the core started (or the log has a hole) between the write and now


class Outcome(Enum):
    PROCESSED = "processed"
    REFUSED = "refused"
    NOT_EXECUTED = "not_executed"  # read past without it: it can be written again
    UNCLEAR = "unclear"  # a start of the core or a hole in the log lies between: only its files can tell


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the log proved about one command. `at` is the log's second (core's clock)."""

    command_id: str
    outcome: Outcome
    at: int
    evidence: str
    duplicate: bool = False


@dataclass(slots=True)
class BatchWatch:
    """Follows one poller's log over its unsettled batches, oldest first."""

    profile: Profile
    batches: deque[WatchedBatch] = field(default_factory=deque)
    _last_echo: Expected | None = None
    _settled: deque[Expected] = field(default_factory=lambda: deque(maxlen=64))

    def add(self, batch: WatchedBatch) -> None:
        """Start watching a batch that is about to be written."""
        self.batches.append(batch)

    def drop(self, token: str) -> None:
        """Forget a batch whose bytes were not written after all."""
        self.batches = deque(batch for batch in self.batches if batch.token != token)

    def hole(self) -> None:
        """Lines are missing from the log: nothing unproven can be called unexecuted any more."""
        for batch in self.batches:
            batch.restarted = True

    def feed(self, line: LogLine) -> tuple[list[str], list[Verdict]]:
        """Take one line. Return (tokens of batches it settled, verdicts on their commands)."""
        if line.kind is LogKind.EXTERNAL_COMMAND:
            return self._command(line)
        if line.kind is LogKind.COMMAND_ERROR:
            return self._error(line)
        if line.kind is LogKind.START:
            self.hole()
        return [], []

    def _command(self, line: LogLine) -> tuple[list[str], list[Verdict]]:
        mark = mark_in(line.text)
        if mark is not None:
            self._last_echo = None
            return self._mark(*mark, line.at)
        text = line.text.rstrip(b" \t\r\n\v\f")
        self._last_echo = self._echoed(text, line) if self.batches else None
        return [], []

    def _echoed(self, text: bytes, line: LogLine) -> Expected | None:
        same = [expected for expected in self.batches[0].commands if text in (expected.echo, expected.echo + b";")]
        if not same:
            return None
        for expected in same:
            if expected.echoed_at is None:
                expected.echoed_at = line.at
                expected.evidence = f"[{line.at}] {line.text.decode('utf-8', 'replace')}"
                return expected
        same[-1].extra_echoes += 1
        return same[-1]

    def _error(self, line: LogLine) -> tuple[list[str], list[Verdict]]:
        words = line.text.decode("utf-8", "replace")
        if self.profile.marks is Marks.UNKNOWN:
            if _MARK in line.text:
                return [], []
            guilty = self._last_echo
        else:
            guilty = self._named_in(line.text) or (self._last_echo if words.startswith("Warning:  Passive check result") else None)
            mark = mark_in(line.text)
            if mark is not None:
                return self._mark(*mark, line.at)
        if guilty is not None and not guilty.error:
            guilty.error = f"[{line.at}] {words}"
        return [], []

    def _named_in(self, text: bytes) -> Expected | None:
        if not self.batches:
            return None
        found = [expected for expected in self.batches[0].commands if expected.echo in text]
        pending = [expected for expected in found if not expected.error]
        return pending[0] if pending else None

    def _mark(self, role: str, token: str, at: int) -> tuple[list[str], list[Verdict]]:
        if role == "B":
            return self._begin(token, at)
        position = next((index for index, batch in enumerate(self.batches) if batch.token == token), None)
        if position is None:
            return [], []  # somebody else's mark, or one of ours from before a restart
        return self._settle(position + 1, at)

    def _begin(self, token: str, at: int) -> tuple[list[str], list[Verdict]]:
        position = next((index for index, batch in enumerate(self.batches) if batch.token == token), None)
        if position is None:
            return [], []
        result = self._settle(position, at)
        self.batches[0].begun = True
        return result

    def _settle(self, count: int, at: int) -> tuple[list[str], list[Verdict]]:
        tokens: list[str] = []
        verdicts: list[Verdict] = []
        for _ in range(count):
            batch = self.batches.popleft()
            tokens.append(batch.token)
            verdicts += [_verdict(expected, batch, at) for expected in batch.commands]
        return tokens, verdicts


def mark_in(text: bytes) -> tuple[str, str] | None:
    """(role, token) of the mark a log text shows, or None."""
    start = text.find(_MARK)
    if start < 0:
        return None
    body = text[start + len(_MARK) :]
    word = body[:1].decode("ascii", "replace")
    token = bytes(byte for byte in body[1:17]).split(b";")[0].split(b"'")[0].split(b" ")[0].decode("ascii", "replace")
    return (word, token) if word in ("B", "E", "L") and token.isalnum() else None


def _verdict(expected: Expected, batch: WatchedBatch, at: int) -> Verdict:
    if expected.error:
        return Verdict(expected.command_id, Outcome.REFUSED, expected.echoed_at or at, expected.error)
    if expected.echoed_at is not None:
        # The end mark's second: every effect that needs no scheduled event has happened by then.
        return Verdict(expected.command_id, Outcome.PROCESSED, at, expected.evidence, expected.extra_echoes > 0)
    if not expected.echoes_expected and batch.begun:
        return Verdict(expected.command_id, Outcome.PROCESSED, at, f"[{at}] {MARK_PREFIX}E{batch.token}")
    return Verdict(expected.command_id, Outcome.UNCLEAR if batch.restarted else Outcome.NOT_EXECUTED, at, "")


# --- did it work? ----------------------------------------------------------------------------------------------------------------


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
    seen: Seen, author: str, comment: str, sticky: bool, executed_at: float, since: float, deadline_s: float
) -> Judgement:
    """Flag set as asked, and an acknowledgement comment of that author and text not older than the writing (`since`)."""
    row = seen.row
    matching = [
        block
        for block in seen.comments
        if block.entry_type == 4 and block.author == author and block.comment == comment and block.entry_time >= since - 1
    ]
    if row is not None and row.acknowledged and matching and row.acknowledgement_type == (2 if sticky else 1):
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
    """Scheduled as a forced check for that time, or actively checked since then."""
    row = seen.row
    if row is not None:
        if row.last_check >= at and row.check_type == 0 and row.has_been_checked:
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


def judge_result(seen: Seen, checked_at: float, executed_at: float, deadline_s: float) -> Judgement:
    """The object's last check is the passive one with the time that was sent."""
    row = seen.row
    if row is not None and int(row.last_check) == int(checked_at) and row.check_type == 1:
        return Judgement(Effected.YES, f"last_check={row.last_check:.0f}, check_type=1 in the status file of {seen.created:.0f}")
    if row is not None and row.last_check > checked_at and seen.created > executed_at:
        return Judgement(Effected.CLEARED, reason=f"a newer check result of {row.last_check:.0f} stands in its place")
    if not is_decisive(seen, executed_at, deadline_s):
        return Judgement(Effected.NOT_YET)
    if row is None:
        return Judgement(Effected.CLEARED, reason="the object is no longer in the status file")
    return Judgement(Effected.NO, reason=f"last_check={row.last_check:.0f} in the status file of {seen.created:.0f}")


# --- which block is which entry? ----------------------------------------------------------------------------------------------------


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

    A block is (content, core id, entry_time). First those whose core id and content both agree, then by content and time; of
    equal candidates the nearest in time, then the oldest, so that no entry takes another's block.
    """
    bound: dict[int, int] = {}
    free: dict[Content, list[int]] = {}
    for index, (content, _, _) in enumerate(blocks):
        free.setdefault(content, []).append(index)
    rest: list[Known] = []
    for entry in known:
        exact = next((index for index in free.get(entry.content, ()) if blocks[index][1] == entry.core_id), None)
        if exact is not None and _time_fits(entry, blocks[exact][2]):
            bound[entry.entry_id] = exact
            free[entry.content].remove(exact)
        else:
            rest.append(entry)
    for entry in rest:
        fitting = [index for index in free.get(entry.content, ()) if _time_fits(entry, blocks[index][2])]
        if fitting:
            best = min(fitting, key=lambda index: (abs(blocks[index][2] - entry.entry_time), blocks[index][1]))
            bound[entry.entry_id] = best
            free[entry.content].remove(best)
    strangers = sorted(index for indexes in free.values() for index in indexes)
    return bound, strangers


def _time_fits(entry: Known, entry_time: float) -> bool:
    if entry.exact_time:
        return int(entry_time) == int(entry.entry_time)
    return entry_time >= entry.entry_time - 1
