"""What a lane holds, and what every part of it does: no step of it, see local.py."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from engine.clock import Clock
from engine.commands.catalogue import Effect, known_row
from engine.commands.effects import Listener
from engine.commands.executed import BatchWatch
from engine.commands.expected import Expected
from engine.commands.profiles import PROFILES, Profile
from engine.commands.wire import echo_text, encode_mark
from engine.config import Poller, Settings
from engine.errors import PollerError
from engine.journal.commands import CommandRow
from engine.journal.moves import note_written
from engine.journal.slices import Slices, parts_of
from engine.journal.store import Journal
from engine.model import CoreKind
from engine.pollers.bulk import ResultCalls
from engine.pollers.following import Following
from engine.pollers.health import CommandFileHealth
from engine.pollers.proving import Prover
from engine.pollers.tail import LogTail
from engine.state.views import Reader


class Reports(msgspec.Struct, frozen=True):
    """Whom the lane tells: ids of commands that went on, the command file's health in words.

    None of them may wait for anybody. `health` returns False when it could not take the word: it is told again.
    """

    moved: Callable[[list[str]], None]
    health: Callable[[int, str, str], bool]


@dataclass(slots=True)
class Flight:
    """Bytes on their way: written, not settled."""

    size: int
    written_at: float  # monotonic
    lone: bool
    of_results: bool = False


@dataclass(slots=True)
class LaneParts:
    """The state of one lane. Its thread's alone, but for what `poke` and `generation_applied` set."""

    poller: Poller
    settings: Settings
    journal: Journal
    reader: Callable[[], Reader]
    clock: Clock
    reports: Reports
    profile: Profile = field(init=False)
    prover: Prover = field(init=False)
    watch: BatchWatch = field(init=False)
    results: ResultCalls = field(init=False)
    health: CommandFileHealth = field(init=False)
    listener: Listener = field(default_factory=Listener)
    tail: LogTail = field(init=False)
    following: Following = field(init=False)
    compat_tail: LogTail | None = field(init=False)
    _poked: threading.Event = field(default_factory=threading.Event)
    _stopping: bool = False
    _generation: int = -1
    _generation_created: float = 0.0
    _generation_due: bool = False  # what state.db still shows of a former life proves nothing: wait for the first scan
    _reader: Reader | None = None
    _flights: dict[str, Flight] = field(default_factory=dict)
    _recovering: set[str] = field(default_factory=set)  # open batches of a former life or of a silent log: settled before all else
    _given_up: set[str] = field(default_factory=set)  # those of the latter: their commands are `unknown`
    _unsaved_written: list[tuple[str, float]] = field(default_factory=list)  # (command id, when its line was written)
    _unsaved_since: float = 0.0
    _unsaved_results_since: float | None = None
    _back_at: float = 0.0  # core's second since which it reads without a break; older status files tell nothing new
    _lone_marks: int = 0
    _lone_at: float = -1e9
    _look: bool = True  # commands may wait in the journal
    _looked_at: float = -1e9
    _gathering_until: float = -1e9  # monotonic
    _poked_at: float = -1e9  # monotonic
    _took_s: float = 0.0  # processor of this thread when the last round of commands was written
    _is_gathering: bool = False  # what waits was left for then
    _log_has_more: bool = False

    def __post_init__(self) -> None:
        self.profile = PROFILES[self.poller.kind]
        self.prover = Prover(
            self.poller.number,
            self.poller.kind,
            self.profile,
            self.settings,
            frozenset(self.settings.reapply_lost if self.poller.reapply_lost is None else self.poller.reapply_lost),
        )
        self.watch = BatchWatch(self.profile)
        self.health = CommandFileHealth(self.poller, self.clock, self.reports.health, self._came_back)
        echoes = self.poller.log_passive_checks or self.poller.kind is CoreKind.ICINGA2
        self.results = ResultCalls(self.poller.number, self.profile, echoes)
        icinga2 = self.poller.kind is CoreKind.ICINGA2 and self.poller.main_log is not None
        self.tail = LogTail(self.poller.main_log or self.poller.log_file if icinga2 else self.poller.log_file, None)
        self.tail.archive_path = None if icinga2 else self.poller.log_archive_path
        self.following = Following(self.poller, self.journal, self.clock, self.tail)
        self.compat_tail = LogTail(self.poller.log_file, self.poller.log_archive_path) if icinga2 else None

    def close(self) -> None:
        """Let the files go; what is in flight is the next lane's."""
        self.tail.close()
        if self.compat_tail is not None:
            self.compat_tail.close()
        if self._reader is not None:
            self._reader.close()

    def _opened_reader(self) -> Reader | None:
        if self._reader is None:
            try:
                self._reader = self.reader()
            except PollerError:
                return None
        return self._reader

    def _look_after_command_file(self) -> None:
        oldest = min((flight.written_at for flight in self._flights.values()), default=None)
        self.health.look(oldest, self.tail.path)

    def _came_back(self) -> None:
        """Somebody reads the command file again."""
        self._back_at = max(self._back_at, self.clock.now())
        self._lone_marks, self._lone_at = 0, -1e9
        self._look = True

    def _listen(self, command: CommandRow, echoed: bool = False) -> None:
        """Some effects are said by the log alone."""
        row = known_row(command.name)
        if command.line is not None and row.effect_in(self.poller.kind) is Effect.LOGGED:
            self.listener.add(row, command.arguments, self._expectation(command.id, command.name, command.line), echoed)

    def _expectation(self, command_id: str, name: str, line: bytes) -> Expected:
        is_result = name.endswith("_CHECK_RESULT") and self.poller.kind is not CoreKind.ICINGA2
        logged = self.poller.log_passive_checks if is_result else self.poller.log_external_commands
        return Expected(command_id, echo_text(line, self.profile), logged or self.poller.kind is CoreKind.ICINGA2)

    def _framed(self, token: str, body: bytes) -> bytes:
        return self._mark("B", token) + body + self._mark("E", token)

    def _mark(self, role: str, token: str) -> bytes:
        return encode_mark(role, token, int(self.clock.now()), self.poller.log_external_commands)

    def _unsaved_for(self) -> float:
        """For how many seconds the oldest thing waits that is to be stored; below 0 when there is nothing."""
        since = self._unsaved_since if self._unsaved_written else self._unsaved_results_since
        return self.clock.monotonic() - since if since is not None else -1.0

    def _save_written(self) -> None:
        with Slices(self.journal) as slices:
            written = self._store_written(slices)
        self.reports.moved(written)

    def _store_written(self, slices: Slices) -> list[str]:
        """Store that lines were written, and what happened to results."""
        unsaved, self._unsaved_written = self._unsaved_written, []
        for some in parts_of(unsaved):
            with slices.unit() as connection:
                note_written(connection, dict(some))
        with slices.unit() as connection:
            results = self._store_results(connection)
        return [*(command_id for command_id, _ in unsaved), *results]

    def _store_results(self, connection: sqlite3.Connection) -> list[str]:
        self._unsaved_results_since = None
        return self.results.save(connection, self.clock.now())

    def _note_unsaved(self) -> None:
        """Something of results may have changed that is to be stored soon."""
        if self.results.is_changed and self._unsaved_results_since is None:
            self._unsaved_results_since = self.clock.monotonic()
