"""Status files as values, and what a scanner would send of them: what the tests of the mirror are driven with.

`StatusFile` is the truth a test compares the mirror with. `scan` is the contract of a scanner said as plainly as possible.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from engine.config import Poller
from engine.model import (
    CommentStatus,
    CoreKind,
    DowntimeStatus,
    Generation,
    HostConfig,
    HostStatus,
    ObjectCache,
    ObjectKey,
    ServiceConfig,
    ServiceStatus,
)
from engine.state.frames import Begin, End, Frame, Gone, Objects, Rows

_TEXTS = (
    "plugin_output", "long_plugin_output", "perf_data", "check_command", "check_period", "notification_period", "event_handler",
    "event_handler_period",
)  # fmt: skip
_NOTHING: dict[str, object] = {"custom_variables": "{}", "directives": "{}"}
Row = TypeVar("Row", HostStatus, ServiceStatus)


def host_row(name: str, **values: object) -> HostStatus:
    """A host that is UP, was checked and has a block hash that follows from its values."""
    plain: dict[str, object] = dict.fromkeys(HostStatus._fields, 0)
    plain |= dict.fromkeys(_TEXTS, "") | {"name": name, "has_been_checked": 1, "state_type": 1, "custom_variables": "{}"} | values
    return _hashed(HostStatus(**plain))  # type: ignore[arg-type]


def service_row(host: str, description: str, **values: object) -> ServiceStatus:
    """A service that is OK, was checked and has a block hash that follows from its values."""
    plain: dict[str, object] = dict.fromkeys(ServiceStatus._fields, 0)
    plain |= dict.fromkeys(_TEXTS, "") | {"host_name": host, "description": description, "custom_variables": "{}"}
    plain |= {"has_been_checked": 1, "state_type": 1} | values
    return _hashed(ServiceStatus(**plain))  # type: ignore[arg-type]


def _hashed(row: Row) -> Row:
    return row._replace(block_hash=zlib.crc32(repr(row._replace(block_hash=0, last_update=0.0)).encode()))


def downtime(host: str, service: str | None, core_id: int, comment: str = "work") -> DowntimeStatus:
    return DowntimeStatus(
        host, service, core_id, 100.0, 100.0, 200.0, 0.0, 0, 1, 100.0, 1, 1, "ann", comment, zlib.crc32(comment.encode())
    )


def comment(host: str, service: str | None, core_id: int, text: str = "seen") -> CommentStatus:
    return CommentStatus(host, service, core_id, 1, 1, 1, 100.0, 0, 0.0, "ann", text, zlib.crc32(text.encode()))


def host_config(name: str, **values: object) -> HostConfig:
    plain: dict[str, object] = dict.fromkeys(HostConfig._fields, "")
    plain |= {"name": name, "alias": f"alias of {name}", "display_name": name, "address": "127.0.0.1"} | _NOTHING
    plain |= {"check_interval": 5.0, "notification_interval": 0.0, "max_check_attempts": 3}
    plain |= {"parents": (), "contacts": (), "contact_groups": ()} | values
    return HostConfig(**plain)  # type: ignore[arg-type]


def service_config(host: str, description: str, **values: object) -> ServiceConfig:
    plain: dict[str, object] = dict.fromkeys(ServiceConfig._fields, "")
    plain |= {"host_name": host, "description": description, "display_name": description} | _NOTHING
    plain |= {"check_interval": 5.0, "notification_interval": 0.0, "max_check_attempts": 3, "contacts": (), "contact_groups": ()}
    return ServiceConfig(**(plain | values))  # type: ignore[arg-type]


@dataclass(frozen=True)
class StatusFile:
    """One status file. The host of every service is among the hosts."""

    created: float = 1000.0
    program_start: float = 500.0
    hosts: tuple[HostStatus, ...] = ()
    services: tuple[ServiceStatus, ...] = ()
    downtimes: tuple[DowntimeStatus, ...] = ()
    comments: tuple[CommentStatus, ...] = ()

    def objects(self, poller: int) -> dict[ObjectKey, HostStatus | ServiceStatus]:
        hosts = {ObjectKey(poller, row.name): row for row in self.hosts}
        return {**hosts, **{ObjectKey(poller, row.host_name, row.description): row for row in self.services}}


def _blocks(rows: Iterable[DowntimeStatus | CommentStatus]) -> dict[tuple[bool, int], DowntimeStatus | CommentStatus]:
    return {(row.service_description is not None, row.core_id): row for row in rows}


def scan(
    new: StatusFile,
    old: StatusFile | None = None,
    *,
    poller: int = 1,
    forget: Iterable[ObjectKey] = (),
    cache: ObjectCache | None = None,
    per_frame: int = 2,
) -> Iterator[Frame]:
    """What a scanner that last sent `old` (None: it has just started) sends of `new`."""
    yield Begin(poller, Generation(new.created, new.program_start, "4.4.6", new.created + 0.5), first=old is None)
    if cache is not None:
        yield Objects(cache)
    known = {key: row.block_hash for key, row in old.objects(poller).items()} if old else {}
    named = set(forget)
    rows = [row for key, row in new.objects(poller).items() if key in named or known.get(key) != row.block_hash]
    hosts = [row for row in rows if isinstance(row, HostStatus)]
    services = [row for row in rows if isinstance(row, ServiceStatus)]
    downtimes = _changed(_blocks(new.downtimes), _blocks(old.downtimes) if old else {})
    comments = _changed(_blocks(new.comments), _blocks(old.comments) if old else {})
    for start in range(0, max(map(len, (hosts, services, downtimes, comments))), per_frame):
        part = slice(start, start + per_frame)
        yield Rows(tuple(hosts[part]), tuple(services[part]), tuple(downtimes[part]), tuple(comments[part]))  # type: ignore[arg-type]
    if old is not None:
        yield Gone(
            tuple(old.objects(poller).keys() - new.objects(poller).keys()),
            tuple(_blocks(old.downtimes).keys() - _blocks(new.downtimes).keys()),
            tuple(_blocks(old.comments).keys() - _blocks(new.comments).keys()),
        )
    yield End(poller, len(new.hosts), len(new.services), 0.01)


def _changed(new: Mapping[tuple[bool, int], object], old: Mapping[tuple[bool, int], object]) -> list[object]:
    return [row for key, row in new.items() if old.get(key) != row]


def poller(number: int = 1, name: str = "", kind: CoreKind = CoreKind.NAGIOS) -> Poller:
    folder = Path(f"/nowhere/{number}")
    return Poller(
        number, name or f"core{number}", kind, folder / "nagios.cmd", folder / "status.dat", folder / "nagios.log",
        status_update_interval_s=15.0,
    )  # fmt: skip


@dataclass
class CountingMint:
    """Ids like the journal's: counted per poller, a name keeps its own, a free wanted id is honoured."""

    ids: dict[ObjectKey, int] = field(default_factory=dict)
    asked: list[ObjectKey] = field(default_factory=list)
    count: int = 0

    def __call__(self, number: int, preferred: Mapping[ObjectKey, int | None]) -> dict[ObjectKey, int]:
        self.asked += preferred
        for key, wanted in preferred.items():
            assert key.poller == number
            if wanted is not None and wanted not in self.ids.values():
                self.ids[key] = wanted
            elif key not in self.ids:
                self.count += 1
                self.ids[key] = number * 2**32 + self.count
        return {key: self.ids[key] for key in preferred}
