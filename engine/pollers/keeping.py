"""A lane's successor: when the journal cannot be written, what the lane has seen cannot be stored, and nothing may be sent.

Theory of operation. The lane is then dropped in the middle of its step, exactly as if the process had been killed there, and the
journal is tried every TRY_AGAIN_S. When it can be written again a new lane recovers from what is stored: it reads the log from the
place up to which the journal knows it, so that no proof is lost, and sends nothing before every open batch is settled, so that
nothing is sent twice. Waiting costs the rest of the engine nothing: scans, logs and events go on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.errors import JournalError
from engine.journal.store import Journal
from engine.pollers.local import Lane

log = logging.getLogger(__name__)

TRY_AGAIN_S = 1.0


@dataclass(slots=True)
class LaneKeeper:
    """Keeps one poller's lane running. `run` is the thread's body; the others may be called from any thread."""

    name: str
    make: Callable[[], Lane]
    lane: Lane = field(init=False)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.lane = self.make()

    def poke(self) -> None:
        """See `Lane.poke`."""
        self.lane.poke()

    def generation_applied(self, generation: int) -> None:
        """See `Lane.generation_applied`."""
        self.lane.generation_applied(generation)

    def stop(self) -> None:
        """Let `run` end after the present step."""
        self._stopping.set()
        self.lane.stop()

    def run(self) -> None:
        """Run lanes, one after the other, until stopped."""
        while not self._stopping.is_set():
            try:
                self.lane.run()
                return
            except JournalError as error:
                log.error("poller %s: nothing is sent, and proof waits in the core's log: %s", self.name, error)
            self.lane.close()
            if self._wait_until_writable(self.lane.journal):
                log.info("poller %s: the journal can be written again", self.name)
                self._succeed()

    def _succeed(self) -> None:
        former, self.lane = self.lane, self.make()
        former.journal.close()
        if self._stopping.is_set():  # `stop` may have come while the former lane was the one to tell
            self.lane.stop()

    def _wait_until_writable(self, journal: Journal) -> bool:
        """False when stopped before."""
        while not self._stopping.wait(TRY_AGAIN_S):
            try:
                with journal.transaction() as connection:
                    connection.execute("INSERT OR REPLACE INTO meta VALUES ('tried_after_a_failure', datetime('now'))")
                return True
            except JournalError:
                continue
        return False
