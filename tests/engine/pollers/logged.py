"""One poller whose log says what it is told to, a journal, and what looks for what only the log knows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from engine.config import Poller, Settings
from engine.formats.logentry import LogEntry, parse_entry
from engine.journal.history import EntryRow, entries, insert_entry
from engine.journal.store import Journal
from engine.model import CoreKind, Generation
from engine.pollers.indexing import _with_object
from engine.pollers.replay import Replay
from engine.state.frames import Begin, End, Rows
from engine.state.logindex import HISTORY_FILE, LogIndex
from engine.state.mirror import Mirror
from engine.state.tables import STATE_FILE
from engine.state.views import Reader
from tests.engine.state.rows import host_row

NOW = 1_700_000_000
POLLER = Poller(1, "north", CoreKind.NAGIOS, Path("/n/cmd"), Path("/n/status.dat"), Path("/n/log"))


class Clock:
    """Ticks a minute at each look, so that the lane has had its time."""

    def __init__(self) -> None:
        self.minutes = 0

    def now(self) -> float:
        return float(NOW)

    def monotonic(self) -> float:
        self.minutes += 1
        return 60.0 * self.minutes


@dataclass
class Scene:
    data: Path
    journal: Journal
    index: LogIndex
    place: int = 0

    def logged(self, *lines: str) -> None:
        """The log has these lines, and was read to its end."""
        parsed = [parse_entry(line.encode()) for line in lines]
        found: list[tuple[int, LogEntry]] = [(self.place + at, _with_object(entry)) for at, entry in enumerate(parsed) if entry]
        assert len(found) == len(lines)
        file = (self.index.files(1) or [self.index.new_file(1, b"[1")])[0]
        self.place += len(lines)
        self.index.add(file, found, self.place)
        self.index.progress(1, self.place, self.place, NOW)

    def replay(self, kind: CoreKind = CoreKind.NAGIOS) -> Replay:
        """One that begins, as after a start of the engine."""
        return Replay(self.journal, lambda: Reader.open(self.data), [replace(POLLER, kind=kind)], Settings(), Clock())

    def replayed(self, times: int = 3, kind: CoreKind = CoreKind.NAGIOS) -> list[EntryRow]:
        """What the journal holds after so many looks of one that begins."""
        one = self.replay(kind)
        for _ in range(times):
            one.look()
        return self.rows()

    def rows(self) -> list[EntryRow]:
        return entries(self.journal.connection, "1 ORDER BY id", ())

    def member(self, kind: str, group: str, host: str, service: str = "") -> None:
        """The core has that object in that group."""
        with closing(sqlite3.connect(self.data / STATE_FILE)) as connection, connection:
            connection.execute("INSERT INTO group_member VALUES (1, ?, ?, ?, ?)", (kind, group, host, service))

    def known(self, entry: EntryRow) -> None:
        """The journal has this entry."""
        with self.journal.transaction() as connection:
            insert_entry(connection, entry)


@contextmanager
def opened(folder: Path) -> Iterator[Scene]:
    """A scene whose files lie in that folder."""
    mirror = Mirror.open(folder / STATE_FILE, lambda _poller, wanted: {key: n for n, key in enumerate(wanted, 10)})
    mirror.configure([POLLER])
    generation = Generation(NOW, NOW - 5000, "4.4.6", NOW)
    assert mirror.apply([Begin(1, generation, True), Rows((host_row("web"),), ()), End(1, 1, 0, 0.01)]).health == "fresh"
    mirror.close()
    journal, index = Journal.open(folder), LogIndex.open(folder / HISTORY_FILE)
    index.configure([(1, "/n/log")])
    yield Scene(folder, journal, index)
    index.close()
    journal.close()
