"""The configuration as frozen values. `config_file.py` loads them; the engine hands them to its processes as one line of JSON.

Each field's metadata carries unit, reason and bounds; the README's settings table is made from it.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from engine.model import CoreKind

# Public ids are number * 2^32 + n and must stay exact in JSON readers that know only doubles (2^53).
HIGHEST_POLLER_NUMBER = 2**20
# What a core may lose in a crash, by what was asked: a `switch` turns a feature of an object or of the core on or off.
REAPPLY_VERBS = ("downtime", "acknowledgement", "comment", "deletion", "switch")


ROLES = ("reader", "operator", "admin")


def setting(
    default: Any, doc: str, unit: str = "", low: float | None = None, high: float | None = None, never: float | None = None
) -> Any:
    """A dataclass field whose documentation is the README's row; numbers lie between `low` and `high`, or are `never`."""
    return field(default=default, metadata={"doc": doc, "unit": unit, "low": low, "high": high, "never": never})


@dataclass(frozen=True, slots=True)
class Poller:
    """One core together with its files."""

    number: int = field(metadata={"low": 1, "high": HIGHEST_POLLER_NUMBER})
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
    date_format: str = "us"  # us, euro, iso8601 or strict-iso8601: how its CGIs read and write times
    timezone: str | None = None  # of those times; None: that of this machine
    reapply_lost: tuple[str, ...] | None = None  # None: as the setting of that name says


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is not a poller."""

    listen_host: str = setting("127.0.0.1", "address the HTTP service listens on")
    listen_port: int = setting(8080, "port the HTTP service listens on", low=0, high=65535)
    workers: int = setting(1, "API worker processes", low=1, high=64)
    worker_silent_s: int = setting(
        60,
        "an API worker whose loop does not turn for so long hangs: it is killed and started again; 0: never",
        "s",
        low=5,  # a disk or a busy machine keeps one waiting for seconds
        high=3600,
        never=0,
    )
    tls_cert: Path | None = setting(None, "certificate chain; needed (or behind_proxy) to listen beyond loopback")
    tls_key: Path | None = setting(None, "private key of tls_cert")
    behind_proxy: tuple[str, ...] = setting((), "addresses of reverse proxies whose forwarded headers are believed")
    wait_processed_s: float = setting(
        2.0, "how long a native write waits for `processed` unless the caller says otherwise", "s", low=0, high=300
    )
    centreon_wait_s: float = setting(10.0, "how long a write in the Centreon dialect waits for `processed`", "s", low=0, high=300)
    ttl_forced_check_s: float = setting(60.0, "how long a held forced check stays worth sending", "s", low=0)
    ttl_passive_result_s: float = setting(300.0, "how long a held passive result stays worth sending", "s", low=0)
    ttl_acknowledgement_s: float = setting(
        900.0, "how long a held acknowledgement (or its removal) stays worth sending", "s", low=0
    )
    ttl_comment_s: float = setting(86400.0, "how long a held comment or deletion stays worth sending", "s", low=0)
    ttl_notification_s: float = setting(300.0, "how long a held custom notification stays worth sending", "s", low=0)
    ttl_process_s: float = setting(30.0, "how long a held command to the core's process stays worth sending", "s", low=0)
    ttl_command_s: float = setting(900.0, "how long any other held command stays worth sending", "s", low=0)
    dangerous_commands: tuple[str, ...] = setting((), "dangerous external commands that admins may send, by name")
    results_per_call: int = setting(50_000, "passive results in one call", low=1)
    results_body_bytes: int = setting(32 << 20, "longest body of a call of passive results", "bytes", low=1 << 16)
    results_under_way: int = setting(250_000, "passive results of one poller that are not through; more are turned away", low=1)
    silent_log_s: float = setting(
        600.0, "how long a written command waits for a word in the core's log before it becomes `unknown`", "s", low=5
    )
    reapply_lost: tuple[str, ...] = setting(
        (),
        f"what is asked again when a core crashed and lost it: any of {', '.join(f'`{verb}`' for verb in REAPPLY_VERBS)};"
        " also per poller",
    )
    twin_window_s: float = setting(600.0, "a succeeded twin younger than this is joined instead of made again", "s", low=0)
    bulk_limit: int = setting(500, "the most targets of one call", low=1, high=100_000)
    bulk_limit_by_role: tuple[tuple[str, int], ...] = setting(
        (), "the same for a role: `[bulk_limit_by_role]` with lines such as `admin = 5000`", low=1, high=100_000
    )
    keep_lives_s: float = setting(90 * 86400.0, "how long the lives of finished commands and ended entries are kept", "s", low=3600)
    keep_calls_s: float = setting(86400.0, "how long calls of several passive results are kept", "s", low=3600)
    keep_audit_s: float = setting(400 * 86400.0, "how long the audit is kept", "s", low=86400)
    keep_keys_s: float = setting(7 * 86400.0, "how long a repeat with an Idempotency-Key is recognised", "s", low=3600)
    scan_poll_s: float = setting(2.0, "slow poll behind the file watcher", "s", low=0.1, high=3600)
    stale_after_intervals: int = setting(3, "status intervals after which a view counts as stale", low=1)
    event_journal_rows: int = setting(
        200_000, "events of states kept for readers of /v1/events who come back; older ones are told to begin anew", low=100
    )
    event_readers: int = setting(1000, "streams of /v1/events that one API worker serves at once", low=1)
    history_days: int = setting(
        400, "how long /v1/history goes back, as far as the cores' logs do; 0: no history is kept", "days", low=0, high=36500
    )
    cgi_cfg: Path | None = setting(
        None, "a core's cgi.cfg: what it says of users and contacts holds in every dialect, besides roles and limits"
    )
    htpasswd: Path | None = setting(
        None, "a web server's password file whose users may come in, by Basic or Centreon's login (needs cgi_cfg)"
    )
    htdigest: Path | None = setting(None, "the same for digests (needs cgi_cfg)")
    htdigest_realm: str = setting("Nagios Access", "whose lines of htdigest count: the web server's AuthName (`Nagios4` in Debian)")
    remote_user_from: tuple[str, ...] = setting(
        (), "addresses of web servers that log users in and name them in X-Remote-User (needs cgi_cfg)"
    )
    cgi_prefixes: tuple[str, ...] = setting(
        (
            "/nagios/cgi-bin", "/nagios4/cgi-bin", "/cgi-bin/nagios4", "/cgi-bin/nagios3", "/cgi-bin/icinga", "/icinga/cgi-bin",
            "/naemon/cgi-bin",
        ),
        "paths below which the CGIs are served",
    )  # fmt: skip
    centreon_prefixes: tuple[str, ...] = setting(
        ("/api",), "paths below which Centreon's API is served, besides /centreon/api"
    )  # fmt: skip
    cgi_wait_s: float = setting(10.0, "how long a cmd.cgi request waits for `processed`", "s", low=0, high=300)
    cgi_status_codes: bool = setting(False, "CGIs answer errors with real status codes; the originals always say 200")
    basic_remembered_s: float = setting(
        300.0, "how long a password that came with a request is not verified anew", "s", low=0, high=3600
    )
    token_idle_s: float = setting(3600.0, "a login's token ends after this long without use", "s", low=1)


@dataclass(frozen=True, slots=True)
class Config:
    """What one Signalbox runs with. `data` is the data folder: journal.db, state.db, sockets and locks live there."""

    data: Path
    pollers: tuple[Poller, ...] = ()
    settings: Settings = field(default_factory=Settings)


SETTING_FIELDS = {entry.name: entry for entry in dataclasses.fields(Settings)}
POLLER_FIELDS = {entry.name: entry for entry in dataclasses.fields(Poller)}


# --- the data folder ----------------------------------------------------------------------------------------------------------


def default_data_folder() -> Path:
    """Where the data folder is unless `--data` says otherwise; it need not exist."""
    if named := os.environ.get("SIGNALBOX_DATA"):
        return Path(named).absolute()
    system = Path("/var/lib/signalbox")
    return system if system.is_dir() else Path("~/.local/state/signalbox").expanduser()


# --- between processes --------------------------------------------------------------------------------------------------------


def encode_config(config: Config) -> str:
    """One line of JSON, which `decode_config` turns back."""
    return orjson.dumps(config, default=str).decode()


def decode_config(text: str) -> Config:
    """What `encode_config` was given."""
    content = orjson.loads(text)
    return Config(
        data=Path(content["data"]),
        pollers=tuple(Poller(**_revived(POLLER_FIELDS, poller)) for poller in content["pollers"]),
        settings=Settings(**_revived(SETTING_FIELDS, content["settings"])),
    )


def typed(declared: str, value: object, base: Path) -> Any:
    """The value as that type, a path as one below `base`. Raises ValueError that ends a sentence `FIELD …`."""
    match declared, value:
        case "bool", bool():
            return value
        case "int", int() if not isinstance(value, bool):
            return value
        case "float", int() | float() if not isinstance(value, bool):
            return float(value)
        case ("str", str()) if value and value.isprintable():
            return value
        case ("Path", str() | Path()) if str(value):
            return base / Path(value).expanduser()
        case "tuple[str, ...]", [*items] if all(isinstance(item, str) for item in items):
            return tuple(items)
        case "tuple[tuple[str, int], ...]", dict():
            if all(isinstance(number, int) and not isinstance(number, bool) for number in value.values()):
                return tuple(value.items())
        case "tuple[tuple[str, int], ...]", list():  # between processes
            return tuple(map(tuple, value))
        case "CoreKind", str() if value in list(CoreKind):
            return CoreKind(value)
    words = {
        "bool": "true or false",
        "int": "a whole number",
        "float": "a number",
        "str": "a printable text",
        "Path": "the path of a file, as text",
        "tuple[str, ...]": "a list of texts",
        "tuple[tuple[str, int], ...]": "a table of whole numbers",
        "CoreKind": "one of " + ", ".join(CoreKind),
    }
    raise ValueError(f"is {value!r}: make it {words[declared]}")


def _revived(fields: Mapping[str, dataclasses.Field[Any]], values: Mapping[str, object]) -> dict[str, Any]:
    root = Path("/")
    return {
        name: None if value is None else typed(str(fields[name].type).removesuffix(" | None"), value, root)
        for name, value in values.items()
    }
