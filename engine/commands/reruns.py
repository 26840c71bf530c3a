"""Which lines were executed beyond the first time, as far as the log proves it. Pure.

Nagios 4 ends a command line only if it begins with `[`: another program's dirt on the command file makes it execute the line behind
it twice, or an old one again (cores.md 2.5). Its log shows such a line like any other. What is one of ours executed again, and what
is another program's own command of equal text? The rule, by what a program that stamps its lines with the present second can do:

1. Between the marks of one of our batches stands nobody else's line, for a batch is one write. An echo too many there is ours.
2. An echo later than two seconds behind our own stamp and our own execution is not of a line written in our second. It matters only
   for what carries our stamp (a downtime's or comment's entry_time), and then it is ours.
3. An echo within those two seconds may be either: it is taken for ours only if the log shows dirt at that time.
4. What carries no stamp of ours (an acknowledgement: its comment has the core's own time) may be said again by anybody at any
   time: beyond rule 1 it is taken for ours only if the log shows dirt at that time.

Whatever else looks alike is somebody else's.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from engine.commands.executed import mark_in
from engine.formats.corelog import LogKind, LogLine

K = TypeVar("K")
V = TypeVar("V")

_TEXTS = 20_000  # echoes remembered by their text: more than a core's input buffer holds lines
_MARKS = 1000
PROMPT_S = 2  # an honest line is read within this time of its stamp, as ours was
_DIRT_NEAR_S = 5
_CARRY_A_STAMP = (b"SCHEDULE_", b"ADD_")  # what they make shows the stamp of the line
_FOLLOWED = (*_CARRY_A_STAMP, b"ACKNOWLEDGE_")
_DIRTY = (b"returned error Malformed command", b"returned error Unknown or unsupported command")


class _Echo(msgspec.Struct, frozen=True):
    at: int
    batch: str  # token of the batch between whose marks it stood, "" outside


@dataclass(slots=True)
class Reruns:
    """Follows one poller's log. See the module."""

    _echoes: OrderedDict[bytes, list[_Echo]] = field(default_factory=OrderedDict)
    _written: OrderedDict[str, Counter[bytes]] = field(default_factory=OrderedDict)  # our batches by token
    _marks: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)
    _dirt: deque[int] = field(default_factory=lambda: deque(maxlen=_MARKS))
    _batch: str = ""
    _last_at: int = 0

    def wrote(self, token: str, echoes: Iterable[bytes]) -> None:
        """One of our batches and the texts by which the log shows its lines."""
        self._written[token] = Counter(echoes)
        _bounded(self._written, _MARKS)

    def feed(self, line: LogLine | None) -> None:
        """Take one line of the log; None for what is no line of a log."""
        if line is None:
            self._dirt.append(self._last_at)  # the rest of a line that Nagios did not end
            return
        self._last_at = line.at
        text = line.text.rstrip()
        if line.kind is LogKind.EXTERNAL_COMMAND:
            mark = mark_in(text)
            if mark is not None:
                self._mark(*mark, line.at)
            elif text.startswith(_FOLLOWED):
                self._echoes.setdefault(text, []).append(_Echo(line.at, self._batch))
                self._echoes.move_to_end(text)
                _bounded(self._echoes, _TEXTS)
        elif line.kind is LogKind.COMMAND_ERROR and text.endswith(_DIRTY):
            self._dirt.append(line.at)
        elif line.kind is LogKind.START:
            self._batch = ""

    def passed(self, token: str, at: int) -> None:
        """Both marks of one of our batches were read, and between them nothing that is followed."""
        self._last_at = at
        self._mark("B", token, at)
        self._mark("E", token, at)

    def _mark(self, role: str, token: str, at: int) -> None:
        if (role, token) in self._marks:
            self._dirt.append(at)
        self._marks[role, token] = None
        _bounded(self._marks, _MARKS)
        self._batch = token if role == "B" else ""

    def count(self, text: bytes, batch: str, epoch: int, executed_at: float) -> int:
        """How often a line of ours was executed beyond the first time, as far as that is proven.

        `batch`: the token of the batch it was written in, `epoch` its stamp, `executed_at` the log's second of its execution.
        """
        echoes = self._echoes.get(text, [])
        inside = Counter(echo.batch for echo in echoes if echo.batch)
        again = sum(max(0, count - self._expected(token, text)) for token, count in inside.items())
        outside = [echo for echo in echoes if not echo.batch and echo.at >= epoch]
        if not inside[batch]:
            outside = outside[1:]  # dirt ate its begin mark
        late = max(float(epoch), executed_at) + PROMPT_S
        is_stamped = text.startswith(_CARRY_A_STAMP)
        return again + sum((is_stamped and echo.at >= late) or self._is_dirty(echo.at) for echo in outside)

    def last(self, text: bytes) -> int:
        """The log's second of the newest execution of that line, by whomever; 0 when none is remembered."""
        return max((echo.at for echo in self._echoes.get(text, [])), default=0)

    def _expected(self, token: str, text: bytes) -> int:
        """How often a batch holds the text; one of a former life of ours holds it once."""
        return self._written[token][text] if token in self._written else 1

    def _is_dirty(self, at: int) -> bool:
        return any(at - _DIRT_NEAR_S <= dirt <= at + 1 for dirt in self._dirt)


def _bounded(kept: OrderedDict[K, V], limit: int) -> None:
    while len(kept) > limit:
        kept.popitem(last=False)
