"""The configuration as frozen values, and (below) the loader that gathers every mistake at once.

Each field's metadata carries unit and reason; the README's settings table is made from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.model import CoreKind


def setting(default: Any, doc: str, unit: str = "") -> Any:
    """A dataclass field whose documentation is the README's row."""
    return field(default=default, metadata={"doc": doc, "unit": unit})


@dataclass(frozen=True, slots=True)
class Poller:
    """One core together with its files."""

    number: int
    name: str
    kind: CoreKind
    command_file: Path
    status_file: Path
    log_file: Path
    object_cache_file: Path | None = None
    log_archive_path: Path | None = None
    main_log: Path | None = None  # Icinga 2's own log, where it says what became of a command
    main_config: Path | None = None
    status_update_interval_s: float = 10.0
    log_external_commands: bool = True
    log_passive_checks: bool = True
    check_external_commands: bool = True
    temp_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is not a poller."""

    listen_host: str = setting("127.0.0.1", "address the HTTP service listens on")
    listen_port: int = setting(8080, "port the HTTP service listens on")
    workers: int = setting(1, "API worker processes")
    tls_cert: Path | None = setting(None, "certificate chain; needed (or behind_proxy) to listen beyond loopback")
    tls_key: Path | None = setting(None, "private key of tls_cert")
    behind_proxy: tuple[str, ...] = setting((), "addresses of reverse proxies whose forwarded headers are believed")
    wait_processed_s: float = setting(2.0, "how long a native write waits for `processed` unless the caller says otherwise", "s")
    centreon_wait_s: float = setting(10.0, "how long a write in the Centreon dialect waits for `processed`", "s")
    ttl_forced_check_s: float = setting(60.0, "how long a held forced check stays worth sending", "s")
    ttl_passive_result_s: float = setting(300.0, "how long a held passive result stays worth sending", "s")
    ttl_acknowledgement_s: float = setting(900.0, "how long a held acknowledgement (or its removal) stays worth sending", "s")
    ttl_comment_s: float = setting(86400.0, "how long a held comment or deletion stays worth sending", "s")
    twin_window_s: float = setting(600.0, "a succeeded twin younger than this is joined instead of made again", "s")
    scan_poll_s: float = setting(2.0, "slow poll behind the file watcher", "s")
    stale_after_intervals: int = setting(3, "status intervals after which a view counts as stale")
    token_idle_s: float = setting(3600.0, "a login's token ends after this long without use", "s")


@dataclass(frozen=True, slots=True)
class Config:
    """What one Signalbox runs with. `data` is the data folder: journal.db, state.db, sockets and locks live there."""

    data: Path
    pollers: tuple[Poller, ...] = ()
    settings: Settings = field(default_factory=Settings)
