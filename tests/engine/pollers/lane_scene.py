"""A lane over a real journal, a real mirror and a scripted core that reads its FIFO, logs and shows what it has as Nagios 4 does.

The core is honest, no more: lines in the exact form of Nagios 4.4.6 (cores.md 3.1, 2.5), ids counted and saved as it does,
what was not saved is lost by a kill. Nothing runs by itself: tests let the core read, the lane step, time pass.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from engine.commands.catalogue import CATALOGUE
from engine.commands.lifecycle import State
from engine.config import Poller, Settings
from engine.errors import PollerError
from engine.journal.commands import COMMAND_COLUMNS, CommandRow, command_by_id, command_row, insert_command, move
from engine.journal.history import EntryRow, entries, entry_by_id, insert_entry
from engine.journal.identities import Identities, next_ids
from engine.journal.store import Journal
from engine.model import CommentStatus, CoreKind, DowntimeStatus, Generation, HostStatus, ServiceStatus
from engine.pollers import lane_log, lane_sending, lane_writing
from engine.pollers.local import Lane, Reports
from engine.state.frames import Begin, End, Rows
from engine.state.mirror import Mirror
from engine.state.views import Reader
from tests.engine.state.rows import host_row, service_row

T0 = 1_795_476_000.0
POLLER = 1


def at_crash_points(patch: pytest.MonkeyPatch, crash_point: Callable[[str], None]) -> None:
    """What is called at each point at which the lane may crash."""
    for module in (lane_log, lane_sending, lane_writing):
        patch.setattr(module, "crash_point", crash_point)


@dataclass
class HandClock:
    """Time passes when a test says so."""

    at: float = T0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@dataclass
class Object:
    """What the core knows of one host or service."""

    state: int = 1
    last_state_change: float = T0 - 1000
    acknowledged: int = 0
    acknowledgement_type: int = 0
    last_check: float = T0 - 500
    next_check: float = 0.0
    check_type: int = 0
    check_options: int = 0
    notifications_enabled: int = 1


Key = tuple[str, str | None]


@dataclass
class Memory:
    """What a core keeps over a clean stop, and loses by a kill unless it was saved."""

    objects: dict[Key, Object]
    downtimes: dict[int, DowntimeStatus] = field(default_factory=dict)
    comments: dict[int, CommentStatus] = field(default_factory=dict)
    next_downtime: int = 1
    next_comment: int = 1

    def copy(self) -> Memory:
        objects = {key: replace(one) for key, one in self.objects.items()}
        return Memory(objects, dict(self.downtimes), dict(self.comments), self.next_downtime, self.next_comment)


@dataclass
class Core:
    """A Nagios 4 as far as a lane can see it."""

    poller: Poller
    clock: HandClock
    memory: Memory
    saved: Memory
    program_start: float = 0.0
    executed: list[tuple[int, str]] = field(default_factory=list)  # (bracket time, text) of every command, marks left out
    removed: list[str] = field(default_factory=list)  # comments of downtimes taken away by DEL commands
    _reader: int | None = None
    _kept: bytes = b""  # a line without its newline, or the last line withheld
    _withholds: bool = False

    # --- its life -----------------------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        return self._reader is not None

    @property
    def reader(self) -> int:
        """Its end of the command file."""
        assert self._reader is not None
        return self._reader

    def start(self) -> None:
        self._reader = os.open(self.poller.command_file, os.O_RDONLY | os.O_NONBLOCK)
        self.memory = self.saved.copy()
        self._begin()

    def _begin(self) -> None:
        self.program_start = float(int(self.clock.at))
        self.log(f"Nagios 4.4.6 starting... (PID={os.getpid()})", "Local time is Tue Nov 24 00:00:00 UTC 2026", "LOG VERSION: 2.0")

    def stop(self) -> None:
        """SIGTERM: what stands on the FIFO is lost."""
        self.log("Caught SIGTERM, shutting down...", "Successfully shutdown... (PID=1)")
        self.save()
        self._away()

    def kill(self) -> None:
        """SIGKILL: everything since the last save is forgotten, ids included."""
        self._away()

    def _away(self) -> None:
        if self._reader is not None:
            os.close(self._reader)
        self._reader, self._kept, self._withholds = None, b"", False

    def reload(self) -> None:
        """SIGHUP: the same worker keeps the FIFO; what stands on it is executed afterwards."""
        self.log("Caught SIGHUP, restarting...")
        self._begin()

    def save(self) -> None:
        self.saved = self.memory.copy()

    def close(self) -> None:
        self._away()

    # --- reading ------------------------------------------------------------------------------------------------------------

    def read(self, most: int = 1 << 30) -> None:
        """Take everything, or so many bytes, off the FIFO and execute it."""
        assert self._reader is not None
        data = b""
        while len(data) < most:
            try:
                chunk = os.read(self._reader, min(1 << 16, most - len(data)))
            except BlockingIOError:
                break
            if not chunk:
                break
            data += chunk
        if not data:
            return
        # Nagios 4 withholds the last line behind dirt until the next write (cores.md 2.5).
        *lines, rest = (self._kept + data).split(b"\n")
        withheld, self._withholds = self._withholds, False
        self._kept = rest
        if any(line and not line.startswith(b"[") for line in lines) and not withheld and lines[-1].startswith(b"["):
            self._withholds = True
            self._kept = lines.pop() + b"\n" + rest
        for line in lines:
            self._line(line)

    def _line(self, line: bytes) -> None:
        text = line.decode()
        if not text.startswith("["):
            if text:
                self.log(f"External command {text} returned error Malformed command")
            return
        bracket, _, command = text.partition("] ")
        name, _, arguments = command.partition(";")
        if name.startswith("_"):
            self.log(f"EXTERNAL COMMAND: {name};{arguments}")
            return
        if name not in CATALOGUE:
            self.log(f"Warning: Unrecognized external command -> {command}")
            return
        if self.poller.log_passive_checks if name.startswith("PROCESS_") else self.poller.log_external_commands:
            self.log(f"EXTERNAL COMMAND: {command}")
        at = int(bracket[1:])
        self.executed.append((at, command))
        if not self._execute(name, arguments, at):
            self.log(
                f"Error: External command failed -> {command}",
                f"External command {bracket}] {command} returned error Command failed",
            )

    def log(self, *texts: str) -> None:
        with self.poller.log_file.open("a") as file:
            for text in texts:
                file.write(f"[{int(self.clock.at)}] {text}\n")

    # --- executing ----------------------------------------------------------------------------------------------------------

    def _execute(self, name: str, arguments: str, at: int) -> bool:
        memory, row = self.memory, CATALOGUE[name]
        if name.startswith("DEL_DOWNTIME_BY_"):
            return False  # nothing was to be deleted: it prints an error (cores.md 3.1)
        parts = arguments.split(";", len(row.fields) - 1)
        values = dict(zip((one.name for one in row.fields), parts, strict=True))
        if "entry" in values:
            return self._delete(name, int(values["entry"]))
        key: Key = (values["host"], values.get("service"))
        known = memory.objects.get(key)
        if known is None:
            return False
        if name == "SCHEDULE_HOST_SVC_DOWNTIME":
            for host, service in memory.objects:
                if host == key[0] and service is not None:
                    self._downtime((host, service), values, at)
        elif name.startswith("SCHEDULE_") and name.endswith("DOWNTIME"):
            self._downtime(key, values, at)
        elif name.startswith("ADD_"):
            self._comment(key, 1, values, at)
        elif name.startswith("ACKNOWLEDGE_") and known.state:
            known.acknowledged, known.acknowledgement_type = 1, int(values["sticky"])
            self._comment(key, 4, values, int(self.clock.at))
        elif name.startswith("DEL_ALL_"):
            memory.comments = {
                number: one for number, one in memory.comments.items() if (one.host_name, one.service_description) != key
            }
        elif name.startswith("REMOVE_"):
            known.acknowledged = 0
            memory.comments = {
                number: one
                for number, one in memory.comments.items()
                if (one.host_name, one.service_description) != key or one.entry_type != 4 or one.persistent
            }
        elif name.endswith("ABLE_HOST_NOTIFICATIONS"):
            known.notifications_enabled = int(name.startswith("ENABLE"))
        elif name.startswith("PROCESS_"):
            known.last_check, known.check_type = float(at), 1
        elif name.startswith("SCHEDULE_FORCED_"):
            known.next_check, known.check_options = float(values["at"]), 1
        return True

    def _downtime(self, key: Key, values: dict[str, str], at: int) -> None:
        start, end = float(values["start"]), float(values["end"])
        if end <= start or end <= self.clock.at:
            return
        number, self.memory.next_downtime = self.memory.next_downtime, self.memory.next_downtime + 1
        fixed = int(values["fixed"])
        self.memory.downtimes[number] = DowntimeStatus(
            *key,
            number,
            at,
            start,
            end,
            0.0,
            0,
            fixed,
            end - start,
            int(start <= self.clock.at),
            int(start <= self.clock.at),
            values["author"],
            values["comment"],
            number,
        )

    def _comment(self, key: Key, kind: int, values: dict[str, str], at: int) -> None:
        number, self.memory.next_comment = self.memory.next_comment, self.memory.next_comment + 1
        persistent = int(values["persistent"])
        self.memory.comments[number] = CommentStatus(
            *key, number, kind, 1, persistent, float(at), 0, 0.0, values["author"], values["comment"], number
        )

    def _delete(self, name: str, number: int) -> bool:
        store: dict[int, Any] = self.memory.downtimes if name.endswith("DOWNTIME") else self.memory.comments
        block = store.get(number)
        if block is None or (block.service_description is None) != ("HOST" in name):
            return False
        self.removed.append(store.pop(number).comment)
        return True

    def others_comment(self, host: str, comment: str) -> None:
        """Another program's line is executed now."""
        self._comment((host, None), 1, {"persistent": "1", "author": "eve", "comment": comment}, int(self.clock.at))

    # --- showing ------------------------------------------------------------------------------------------------------------

    def standing(self, comment: str) -> int:
        return sum(block.comment == comment for block in self.memory.downtimes.values())

    def frames(self) -> list[Any]:
        """Its status file, whole."""
        memory, now = self.memory, self.clock.at
        memory.downtimes = {number: one for number, one in memory.downtimes.items() if one.end_time > now}
        created = float(int(now))
        rows: list[HostStatus | ServiceStatus] = [_row(key, one) for key, one in memory.objects.items()]
        return [
            Begin(self.poller.number, Generation(created, self.program_start, "4.4.6", now), True),
            Rows(
                tuple(row for row in rows if isinstance(row, HostStatus)),
                tuple(row for row in rows if isinstance(row, ServiceStatus)),
                tuple(memory.downtimes.values()),
                tuple(memory.comments.values()),
            ),
            End(self.poller.number, 0, 0, 0.0),
        ]


def _row(key: Key, one: Object) -> HostStatus | ServiceStatus:
    values = vars(one)
    return host_row(key[0], **values) if key[1] is None else service_row(key[0], key[1], **values)


@dataclass
class LaneScene:
    """Everything around one lane. `lane` may be thrown away and built anew: that is a crash of ours."""

    data: Path
    poller: Poller
    clock: HandClock
    core: Core
    journal: Journal
    mirror: Mirror
    lane: Lane
    moved: Counter[str]
    health: list[str]
    _count: int = 0
    _journals: list[Journal] = field(default_factory=list)

    @classmethod
    def build(cls, folder: Path, **poller: Any) -> LaneScene:
        data = folder / "data"
        data.mkdir()
        clock = HandClock()
        known = Poller(
            **{
                "number": POLLER,
                "name": "north",
                "kind": CoreKind.NAGIOS,
                "command_file": folder / "nagios.cmd",
                "status_file": folder / "status.dat",
                "log_file": folder / "nagios.log",
            }
            | poller
        )
        os.mkfifo(known.command_file)
        objects: dict[Key, Object] = {(host, service): Object() for host in ("web", "db") for service in (None, "http", "disk")}
        core = Core(known, clock, Memory(objects), Memory(objects))
        journal = Journal.open(data)
        mirror = Mirror.open(data / "state.db", Identities(journal).mint)
        mirror.configure([known])
        scene = cls(data, known, clock, core, journal, mirror, None, Counter(), [])  # type: ignore[arg-type]
        core.start()
        scene.clock.at += 2
        scene.mirror.apply(core.frames())
        scene.new_lane()
        return scene

    def close(self) -> None:
        self.drop_lane()
        self.core.close()
        self.mirror.close()
        self.journal.close()

    def dirt(self, data: bytes) -> None:
        """Another program writes to the FIFO."""
        with self.poller.command_file.open("ab", buffering=0) as file:
            file.write(data)

    # --- the lane -----------------------------------------------------------------------------------------------------------

    def new_lane(self) -> None:
        """The engine starts: recovery, then whatever status file there is, read by a fresh scanner."""
        journal = Journal.open(self.data)
        self._journals.append(journal)
        reports = Reports(self.moved.update, lambda _, word, __: not self.health.append(word))
        self.lane = Lane(self.poller, Settings(), journal, lambda: Reader.open(self.data), self.clock, reports)
        self.lane.recover()

    def drop_lane(self) -> None:
        """kill -9 of ours: nothing is saved on the way out."""
        self.lane.tail.close()
        if self.lane._reader is not None:
            self.lane._reader.close()
        self._journals.pop().close()

    def crash(self) -> None:
        self.drop_lane()
        self.new_lane()

    def generation(self) -> None:
        """The core writes its status file, the mirror takes it in, the lane hears of it."""
        self.lane.generation_applied(self.mirror.apply(self.core.frames()).generation)

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self.lane.poke()
            self.lane.step()

    def turn(self, seconds: float = 0.3) -> None:
        """Lane, core, lane; then time passes."""
        self.step()
        if self.core.is_running:
            self.core.read()
        self.step()
        self.clock.at += seconds

    def settle(self, turns: int = 40) -> None:
        """Turns with status files in between, until nothing more can change."""
        for _ in range(turns):
            self.turn(3.0)
            self.generation()
            self.step()

    # --- what a desk does ---------------------------------------------------------------------------------------------------

    def accept(
        self,
        name: str,
        host: str = "web",
        service: str | None = None,
        *,
        ttl_s: float = 900.0,
        entry_id: int | None = None,
        author: str = "ann",
        seen: float | None = None,
        members: tuple[str, ...] = (),
        **arguments: object,
    ) -> str:
        """Store a command and its entries as a desk would. Returns its id."""
        row = CATALOGUE[name]
        now = self.clock.at
        self._count += 1
        command_id = f"c{self._count:04}"
        arguments = {"host": host, "service": service} | arguments
        creates = row.entry_kind is not None and not name.startswith(("DEL_", "REMOVE_"))
        if creates:
            arguments |= {"author": author, "comment": arguments.get("comment", f"work {self._count}")}
        elif any(field.name == "author" for field in row.fields):
            arguments["author"] = author
        if row.entry_kind == "downtime" and creates:
            start = float(str(arguments.setdefault("start", int(now))))
            arguments.setdefault("end", start + 7200)
            arguments = {"fixed": True, "trigger": 0, "duration": 0} | arguments
        if row.entry_kind in ("acknowledgement", "comment") and creates:
            arguments = {"sticky": True, "notify": False, "persistent": False} | arguments
        end = arguments.get("end")
        with self.journal.transaction() as connection:
            objects = [(host, service or "")] if not members else [(host, member) for member in members]
            ids = next_ids(connection, POLLER, "entry", len(objects)) if creates else []
            for number, (host_name, description) in zip(ids, objects, strict=False):
                insert_entry(connection, self._entry(number, row.entry_kind or "", host_name, description, arguments, command_id))
            deadline = float(end) if isinstance(end, int | float) else now + ttl_s
            insert_command(
                connection,
                CommandRow(
                    0, command_id, command_id, name, POLLER, host, service or "", arguments, State.ACCEPTED, "", now, now,
                    deadline, ids[0] if ids else entry_id, None, None, None, seen,
                    author, author, "", "", None, None, None, 0, None, None, (),
                ),
            )  # fmt: skip
        return command_id

    def _entry(self, number: int, kind: str, host: str, service: str, arguments: dict[str, Any], command_id: str) -> EntryRow:
        window = {"start_time": arguments["start"], "end_time": arguments["end"], "fixed": 1} if kind == "downtime" else {}
        return EntryRow(
            number, kind, POLLER, host, service, arguments["author"], arguments["comment"], "accepted", 1, self.clock.at,
            command_id=command_id, **window,
        )  # fmt: skip

    def cancel(self, command_id: str) -> bool:
        """Withdraw a command that was not written. False: it was."""
        with self.journal.transaction() as connection:
            command = command_by_id(connection, command_id)
            assert command is not None
            if command.state not in (State.ACCEPTED, State.HELD):
                return False
            move(connection, command, State.CANCELLED, self.clock.at)
            connection.execute("UPDATE entry SET present = 0 WHERE command_id = ?", (command_id,))
            return True

    # --- what one sees ------------------------------------------------------------------------------------------------------

    def command(self, command_id: str) -> CommandRow:
        found = command_by_id(self.journal.connection, command_id)
        assert found is not None
        return found

    def state(self, command_id: str) -> State:
        return self.command(command_id).state

    def commands(self) -> list[CommandRow]:
        found = self.journal.connection.execute(f"SELECT {COMMAND_COLUMNS} FROM command ORDER BY seq")
        return [command_row(row) for row in found]

    def entry(self, command_id: str) -> EntryRow:
        found = entry_by_id(self.journal.connection, self.command(command_id).entry_id or 0)
        assert found is not None
        return found

    def entries(self) -> list[EntryRow]:
        return entries(self.journal.connection, "1 ORDER BY id", ())

    def steps(self, command_id: str) -> list[str]:
        found = self.journal.connection.execute("SELECT state FROM step WHERE command_id = ? ORDER BY seq", (command_id,))
        return [state for (state,) in found]

    def reader(self) -> Reader:
        try:
            return Reader.open(self.data)
        except PollerError as error:
            raise AssertionError(error) from error


@contextmanager
def lane_scene(folder: Path, **poller: Any) -> Iterator[LaneScene]:
    """A scene that is closed afterwards."""
    scene = LaneScene.build(folder, **poller)
    try:
        yield scene
    finally:
        scene.close()
