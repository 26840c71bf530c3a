"""A scene for desks: a data folder whose state.db the real mirror filled, whose journal is real, and FIFOs for command files.

Poller 1 `north` (Nagios) and 2 `south` (Nagios) both have the host `both`; poller 3 `ice` is an Icinga 2. Tests play the engine:
they scan again, move commands on, and tell desks about it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from engine.clock import Clock
from engine.commands.lifecycle import State
from engine.config import Config, Poller, Settings
from engine.desk import Caller, Desk, Target
from engine.journal.commands import COMMAND_COLUMNS, CommandRow, command_by_id, command_row, move
from engine.journal.history import EntryRow, entries, update_entry
from engine.journal.identities import Identities
from engine.journal.store import Journal
from engine.model import CoreKind, Generation, GroupConfig, HostStatus, ObjectCache, ServiceStatus
from engine.state.frames import Begin, End, Objects, Rows
from engine.state.mirror import Mirror
from engine.state.scope import Scope
from tests.support.cores import PATIENCE_S

T = TypeVar("T")

NORTH, SOUTH, ICE = 1, 2, 3
INTERVAL_S = 10.0
OPERATOR = Caller("olga", "olga", "operator", address="127.0.0.1", token="olga-laptop")
ADMIN = Caller("ada", "ada", "admin")
READER = Caller("rene", "rene", "reader")
LINUX_ONLY = Caller("lin", "lin", "operator", Scope(hostgroups=frozenset({"linux"})))
SOUTH_ONLY = Caller("sue", "sue", "operator", Scope(pollers=frozenset({SOUTH})))
NOTHING = Caller("nil", "nil", "operator", Scope(pollers=frozenset()))


def host(name: str, state: int = 0, **more: Any) -> HostStatus:
    """A hoststatus block; checked unless said otherwise."""
    return _status(HostStatus, {"name": name, "state": state} | more)


def service(host_name: str, description: str, state: int = 0, **more: Any) -> ServiceStatus:
    """A servicestatus block."""
    return _status(ServiceStatus, {"host_name": host_name, "description": description, "state": state} | more)


def _status(row: Any, values: dict[str, Any]) -> Any:
    defaults: dict[str, Any] = {
        name: "" if kind == "str" else 0.0 if kind == "float" else 0 for name, kind in row.__annotations__.items()
    }
    defaults |= {"has_been_checked": 1, "last_state_change": 1_700_000_000.0, "custom_variables": "{}"}
    return row(**defaults | values | {"block_hash": hash(tuple(sorted(values.items())))})


SCENE: dict[int, tuple[list[HostStatus], list[ServiceStatus], dict[str, list[str]]]] = {
    NORTH: (
        [host("web01"), host("db01", 1), host("both", 1), host("Größe"), host("bare")],
        [
            service("web01", "HTTP", 2),
            service("web01", "Disk /var"),
            service("web01", "Fresh", has_been_checked=0),
            service("db01", "SQL", 1),
        ],
        {"linux": ["web01", "db01"], "all": ["web01", "db01", "both", "Größe", "bare"]},
    ),
    SOUTH: (
        [host("mail01", 1), host("both", 1)],
        [service("mail01", "SMTP", 2), service("both", "Only here", 2)],
        {"mailers": ["mail01"]},
    ),
    ICE: (
        [host("ice01", 1), host("taken", 1, acknowledged=1, acknowledgement_type=1)],
        [service("ice01", "ping", 2), service("ice01", "load")],
        {"icy": ["ice01", "taken"]},
    ),
}


@dataclass
class Scene:
    """One data folder with everything around it."""

    data: Path
    config: Config
    journal: Journal
    mirror: Mirror
    started: float = field(default_factory=lambda: time.time() - 100)
    _generations: int = 0
    _readers: dict[int, int] = field(default_factory=dict)

    @classmethod
    def build(cls, folder: Path, settings: Settings | None = None, state: bool = True) -> Scene:
        """The scene, scanned once. Every command file has a reader."""
        data = folder / "data"
        data.mkdir()
        kinds = {NORTH: ("north", CoreKind.NAGIOS), SOUTH: ("south", CoreKind.NAGIOS), ICE: ("ice", CoreKind.ICINGA2)}
        pollers = tuple(_poller(folder, number, name, kind) for number, (name, kind) in kinds.items())
        config = Config(data, pollers, settings or Settings())
        journal = Journal.open(data)
        scene = cls(data, config, journal, _mirror(data, journal, pollers) if state else None)  # type: ignore[arg-type]
        for poller in pollers:
            os.mkfifo(poller.command_file)
            scene.start_core(poller.number)
            if state:
                scene.scan(poller.number)
        return scene

    def lose_state(self) -> None:
        """state.db is gone, as after a restart of the machine with a data folder on tmpfs."""
        self.mirror.close()
        for name in ("state.db", "state.db-wal", "state.db-shm"):
            (self.data / name).unlink(missing_ok=True)

    def make_mirror(self) -> None:
        """What the engine does first: a state.db that knows its pollers and nothing of their objects."""
        self.mirror = _mirror(self.data, self.journal, self.config.pollers)

    def make_state(self) -> None:
        """What the engine does in its first second."""
        self.make_mirror()
        for poller in self.config.pollers:
            self.scan(poller.number)

    def close(self) -> None:
        for descriptor in self._readers.values():
            os.close(descriptor)
        if self.mirror is not None:
            self.mirror.close()
        self.journal.close()

    # --- playing the cores ------------------------------------------------------------------------------------------------
    def start_core(self, number: int) -> None:
        """Somebody reads the command file."""
        self._readers[number] = os.open(self.poller(number).command_file, os.O_RDONLY | os.O_NONBLOCK)

    def stop_core(self, number: int) -> None:
        os.close(self._readers.pop(number))

    def poller(self, number: int) -> Poller:
        return next(poller for poller in self.config.pollers if poller.number == number)

    def scan(
        self,
        number: int,
        *changed: HostStatus | ServiceStatus,
        gone: tuple[str, ...] = (),
        age_s: float = 0.0,
        offset_s: float = 0.0,
    ) -> None:
        """A new generation: the scene's rows with some changed, some hosts gone; its file is `age_s` old by our clock."""
        hosts, services, groups = SCENE[number]
        rows: dict[Any, Any] = {_key(row): row for row in [*hosts, *services] if _key(row)[0] not in gone}
        rows |= {_key(row): row for row in changed}
        self._generations += 1
        created = time.time() - age_s + offset_s
        cache = ObjectCache(groups=tuple(_group(name, members) for name, members in groups.items()))
        generation = Generation(created, self.started, "4.4.6", created - offset_s)
        self.mirror.apply(
            [
                Begin(number, generation, True),
                Objects(cache),
                Rows(
                    hosts=tuple(row for row in rows.values() if isinstance(row, HostStatus)),
                    services=tuple(row for row in rows.values() if isinstance(row, ServiceStatus)),
                ),
                End(number, 0, 0, 0.0),
            ]
        )

    def generation(self) -> Generation:
        """Another status file, written now."""
        now = time.time()
        return Generation(now, self.started, "4.4.6", now)

    def set_poller(self, number: int, **columns: object) -> None:
        """What the mirror says of a poller, where a test needs it exactly."""
        with sqlite3.connect(self.data / "state.db") as connection:
            for name, value in columns.items():
                connection.execute(f"UPDATE poller SET {name} = ? WHERE number = ?", (value, number))
        connection.close()

    # --- playing the lane -------------------------------------------------------------------------------------------------
    def commands(self) -> list[CommandRow]:
        """All commands, oldest first."""
        return [command_row(row) for row in self.journal.connection.execute(f"SELECT {COMMAND_COLUMNS} FROM command ORDER BY seq")]

    def entries(self) -> list[EntryRow]:
        """All entries by id."""
        return entries(self.journal.connection, "1 ORDER BY id", ())

    def move(self, command_id: str, *states: State, at: float | None = None, evidence: str = "", reason: str = "") -> None:
        """Take steps of a command's life as the lane does: from `processed` on a status file is waited for."""
        for state in states:
            watch_from = {"watch_from": time.time()} if state is State.PROCESSED else {}
            with self.journal.transaction() as connection:
                command = command_by_id(connection, command_id)
                assert command is not None
                move(connection, command, state, at or time.time(), evidence=evidence, reason=reason, **watch_from)

    def processed(self, command_id: str) -> None:
        self.move(command_id, State.WRITING, State.WRITTEN, State.PROCESSED)

    def confirmed(self, command_id: str, at: float | None = None) -> None:
        """Its effect was seen: the entries it made have a core's id."""
        self.move(command_id, State.WRITING, State.WRITTEN, State.PROCESSED, State.CONFIRMED, at=at)
        for entry in self.entries():
            if entry.command_id == command_id:
                self.set_entry(entry.id, proof="confirmed", core_id=entry.id % 1000 + 1, core_start=self.started)

    def set_entry(self, entry_id: int, **columns: object) -> None:
        with self.journal.transaction() as connection:
            update_entry(connection, entry_id, **columns)


def _poller(folder: Path, number: int, name: str, kind: CoreKind) -> Poller:
    return Poller(
        number=number,
        name=name,
        kind=kind,
        command_file=folder / f"{name}.cmd",
        status_file=folder / f"{name}.status",
        log_file=folder / f"{name}.log",
        status_update_interval_s=INTERVAL_S,
    )


def _mirror(data: Path, journal: Journal, pollers: tuple[Poller, ...]) -> Mirror:
    mirror = Mirror.open(data / "state.db", Identities(journal).mint)
    mirror.configure(pollers)
    return mirror


def _group(name: str, members: list[str]) -> GroupConfig:
    return GroupConfig("hostgroup", name, name, tuple((member, None) for member in members))


def _key(row: HostStatus | ServiceStatus) -> tuple[str, str | None]:
    return (row.name, None) if isinstance(row, HostStatus) else (row.host_name, row.description)


@contextmanager
def scene_in(folder: Path, settings: Settings | None = None, state: bool = True) -> Iterator[Scene]:
    """A scene that is closed afterwards."""
    scene = Scene.build(folder, settings, state)
    try:
        yield scene
    finally:
        scene.close()


@dataclass
class SetClock:
    """Our clock where a test sets it; it stands still."""

    at: float

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()


def at_desk(scene: Scene, work: Callable[[Desk], Awaitable[T]], clock: Clock | None = None) -> T:
    """Run `work` at a desk that is opened before and closed after."""

    async def run() -> T:
        desk = Desk(scene.config, clock)
        await desk.open()
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await work(desk)
        finally:
            await desk.close()

    return asyncio.run(run())


def window(hours: float = 2.0, start: float | None = None) -> dict[str, Any]:
    """Keyword arguments of a fixed downtime from now on."""
    begin = time.time() if start is None else start
    return {"start": begin, "end": begin + hours * 3600, "fixed": True, "duration": None}


def target(name: str, service_name: str | None = None, poller: int | None = None) -> Target:
    return Target(name, service_name, poller)
