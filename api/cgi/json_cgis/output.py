"""Values as the caller wants them written: times, enumerations, bit masks, durations. Pure but for the time zone of the process.

Text of a time is in the zone of the poller that owns what it is about; of the answer itself in that of the first one asked about.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import orjson

from api.cgi.dates import Wall
from api.cgi.json_cgis.options import Asked
from api.cgi.json_cgis.words import DOUBLED, Words

Convert = Callable[[Any], object]
_LONGEST_DATE = 1000  # characters; the originals' buffer is as large
_LONGEST_FORMAT = 100  # characters; strftime of a longer one, or of one with widths, may keep a whole process for minutes
_EPOCH = re.compile("%%|%s")
_HERE = Wall()
_WIDTH = re.compile(r"%[^A-Za-z%]*[0-9]")


class Output(msgspec.Struct, frozen=True):
    """What `formatoptions` and `dateformat` ask for."""

    whitespace: bool = False
    enumerate: bool = False
    bitmask: bool = False
    duration: bool = False
    dateformat: str | None = None
    walls: Mapping[int, Wall] = msgspec.field(default_factory=dict)  # by poller
    first: int = 0  # the poller that times of the answer itself are told by

    @classmethod
    def of(cls, asked: Asked, walls: Mapping[int, Wall], first: int) -> Output:
        """As asked."""
        words = asked.words("formatoptions") or frozenset()
        flags = ("whitespace" in words, "enumerate" in words, "bitmask" in words, "duration" in words)
        return cls(*flags, asked.text("dateformat"), walls, first)

    def wall(self, poller: int) -> Wall:
        """That poller's clock on the wall."""
        return self.walls.get(poller, _HERE)

    def time(self, seconds: float, poller: int | None = None) -> object:
        """Milliseconds since 1970 (0: never), or as `dateformat` says, in that poller's zone."""
        whole = int(seconds)
        if self.dateformat is None:
            return whole * 1000 if whole > 0 else 0
        if len(self.dateformat) > _LONGEST_FORMAT or _WIDTH.search(self.dateformat):
            return ""
        try:
            zone = self.wall(self.first if poller is None else poller).info
            if zone is None:
                return time.strftime(self.dateformat, time.localtime(whole))[:_LONGEST_DATE]
            # The library takes `%s` for a moment of this machine's wall.
            shape = _EPOCH.sub(lambda found: found[0] if found[0] == "%%" else str(whole), self.dateformat)
            return datetime.fromtimestamp(whole, zone).strftime(shape)[:_LONGEST_DATE]
        except (ValueError, OverflowError, OSError):
            return ""

    def span(self, seconds: int) -> object:
        """A duration."""
        if not self.duration:
            return seconds
        minutes, second = divmod(seconds, 60)
        hours, minute = divmod(minutes, 60)
        day, hour = divmod(hours, 24)
        return f"{day}d {hour}h {minute}m {second}s"

    def word(self, words: Words) -> Convert:
        """Writes an enumeration."""
        if not self.enumerate:
            return int
        names = DOUBLED | {number: word for word, number in reversed(list(words.items()))}
        return lambda number: names.get(int(number), f"Unknown value {int(number)}")

    def mask(self, words: Words) -> Convert:
        """Writes a bit mask."""
        if not self.bitmask:
            return int
        return lambda number: [word for word, bit in words.items() if int(number) & bit]

    def encode(self, content: object, depth: int = 0) -> bytes:
        """JSON, padded if asked for; `depth`: how deep it will stand."""
        if not self.whitespace:
            return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
        padded = orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_INDENT_2)
        return padded.replace(b"\n", b"\n" + b"  " * depth) if depth else padded


def real(number: float) -> float:
    """A number with two decimals."""
    return round(float(number), 2)


def option_letters(letters: str, names: Mapping[str, int]) -> int:
    """The bits of an object cache's option letters, `d,u,r`; `a` is all of them, `n` none."""
    if letters == "a":
        return -1
    return sum({names[letter] for letter in letters.replace(" ", "").split(",") if letter in names})
