"""How a lane's command file is: looked at every second, told when it changes, and again until somebody took the word."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.clock import Clock
from engine.config import Poller
from engine.errors import NoReader, PollerError
from engine.pollers.command_file import CommandFile, Room, probe, room

log = logging.getLogger(__name__)

PROBE_EVERY_S = 1.0
STALLED_AFTER_S = 5.0
_READ = ("reading", "stalled")


@dataclass(slots=True)
class CommandFileHealth:
    """Belongs to the lane's thread. `tell` gets (poller, word, detail), False when it could not take them; `came_back` is called
    when somebody reads the command file again.
    """

    poller: Poller
    clock: Clock
    tell: Callable[[int, str, str], bool]
    came_back: Callable[[], None]
    word: str = ""
    detail: str = ""
    _told: bool = True
    _looked_at: float = -1e9
    _full_since: float | None = None  # the command file takes nothing more

    @property
    def is_reading(self) -> bool:
        """Does somebody have it open?"""
        return self.word in _READ

    @property
    def is_stalled(self) -> bool:
        """Does it have it open, and has read nothing for long?"""
        return self.word == "stalled"

    @property
    def reason(self) -> str:
        """Why nothing can be written."""
        return self.detail or self.word

    def look_at_once(self) -> None:
        """The next look is due."""
        self._looked_at = -1e9

    def look(self, oldest: float | None, log_path: Path) -> None:
        """Probe it, if a look is due. `oldest`: since when (monotonic) something awaits a line of the log, None: nothing."""
        now = self.clock.monotonic()
        if now - self._looked_at < PROBE_EVERY_S:
            return
        self._looked_at = now
        word, detail = probe(self.poller.command_file)
        full_since = self._full_since if self._full_since is not None and not self.room().free else None
        if word == "reading" and full_since is not None and now - full_since > STALLED_AFTER_S:
            word = "stalled"
            detail = f"{self.poller.command_file} has been full for {now - full_since:.0f} s: see whether the core hangs."
        elif word == "reading" and oldest is not None and now - oldest > STALLED_AFTER_S:
            word = "stalled"
            detail = (
                f"The core's log has shown nothing of what was written for {now - oldest:.0f} s: see whether the core hangs"
                f" and whether {log_path} is written (disk full, rights, rotated without the core's knowing)."
            )
        self.report(word, detail)

    def report(self, word: str, detail: str) -> None:
        """It is so now."""
        if word in _READ and self.word not in (*_READ, ""):
            self.came_back()
        if word != self.word:
            level = logging.INFO if word == "reading" else logging.WARNING
            log.log(level, "poller %s: command file %s %s", self.poller.name, word, detail)
            self._told = False
        self.word, self.detail = word, detail
        if not self._told:
            self._told = self.tell(self.poller.number, word, detail)

    def room(self) -> Room:
        """What the command file takes: asked before anything is journalled, for others may have filled it."""
        found = room(self.poller.command_file)
        self._full_since = None if found.free else self._full_since or self.clock.monotonic()
        return found

    def opened(self) -> CommandFile | None:
        """The command file, open for writing; None when it cannot be, which is told."""
        try:
            return CommandFile.open(self.poller.command_file)
        except PollerError as error:
            self.report("no_reader" if isinstance(error, NoReader) else probe(self.poller.command_file)[0], str(error))
            return None
