"""What the log will show of lines that were written: texts by which a command is known again, and batches of them. Pure.

A batch of passive results has a short way: what its thousands of lines look like in the log is compared in one go, and they are
looked at one by one only where something is not as expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.commands.profiles import Profile
from engine.commands.wire import MARK_PREFIX, echo_text

_ECHO = b"] EXTERNAL COMMAND: "  # behind a second of ten digits
AT_END = 11
_ECHO_AT = AT_END + len(_ECHO)
WHOLE = "*"


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
            if count > 0 and [raw[_ECHO_AT:] for raw in some] == wanted and {raw[AT_END:_ECHO_AT] for raw in some} == {_ECHO}:
                self.seen += some
                return count
        return 0

    def are_all(self, raws: Sequence[bytes], token: str) -> bool:
        """Are these lines of the log its marks and all its echoes, of one second, as nearly always? Compared in one go."""
        head = raws[0][:_ECHO_AT]
        if not self.stamp or not head.endswith(_ECHO) or not head[1:AT_END].isdigit():
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
            one.echoed_at = int(raw[1:AT_END])
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
