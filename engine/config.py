"""The configuration as frozen values, and the loader that gathers every mistake at once.

One TOML file holds the settings (top level, named as in `Settings`) and one `[[poller]]` table per core; `--core` stands for
a table of which only `main_config` is given. What a table leaves out is taken from the core's main configuration. The data
folder is not in the file: `signalbox user add` has to find the same one without it.
Each field's metadata carries unit, reason and bounds; the README's settings table is made from it.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from engine.errors import ConfigError, FormatError
from engine.formats.maincfg import parse_main_config
from engine.model import CoreKind

# Public ids are number * 2^32 + n and must stay exact in JSON readers that know only doubles (2^53).
HIGHEST_POLLER_NUMBER = 2**20
# What a core may lose in a crash, by what was asked: a `switch` turns a feature of an object or of the core on or off.
REAPPLY_VERBS = ("downtime", "acknowledgement", "comment", "deletion", "switch")


ROLES = ("reader", "operator", "admin")


def setting(default: Any, doc: str, unit: str = "", low: float | None = None, high: float | None = None) -> Any:
    """A dataclass field whose documentation is the README's row; numbers lie between `low` and `high`."""
    return field(default=default, metadata={"doc": doc, "unit": unit, "low": low, "high": high})


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


# --- the data folder ----------------------------------------------------------------------------------------------------------


def default_data_folder() -> Path:
    """Where the data folder is unless `--data` says otherwise; it need not exist."""
    if named := os.environ.get("SIGNALBOX_DATA"):
        return Path(named).absolute()
    system = Path("/var/lib/signalbox")
    return system if system.is_dir() else Path("~/.local/state/signalbox").expanduser()


# --- loading ------------------------------------------------------------------------------------------------------------------

_REQUIRED = ("command_file", "status_file", "log_file")
_SETTING_FIELDS = {entry.name: entry for entry in dataclasses.fields(Settings)}
_POLLER_FIELDS = {entry.name: entry for entry in dataclasses.fields(Poller)}


def load_config(
    config_file: Path | None,
    cores: Sequence[str],
    *,
    data: Path | None = None,
    mistake_in_dangerous: Callable[[str], str] = lambda name: "",
    **overrides: object,
) -> Config:
    """What a TOML file, `--core` arguments and the command line's overrides add up to.

    Args:
        config_file: settings and `[[poller]]` tables, None for none.
        cores: `[NAME=]MAINCFG`, one per core; they come after the file's pollers.
        data: the data folder, None for the default one.
        mistake_in_dangerous: why a name cannot stand in `dangerous_commands`, "" when it can.
        overrides: values of `Settings` fields, and `listen` as HOST:PORT; None leaves a setting as it is.

    Raises:
        ConfigError: every mistake, each with its place and remedy.
    """
    gathered = _Gathered()
    tables = _read_file(config_file, gathered) if config_file else []
    tables += [_core_table(core) for core in cores]
    gathered.override(overrides)
    settings = gathered.settings()
    gathered.dangerous(settings, mistake_in_dangerous)
    pollers = _numbered([poller for table in tables if (poller := _poller(table, gathered)) is not None], gathered)
    if not tables and not gathered.mistakes:
        gathered.mistakes.append("no core is named: give --core MAINCFG (for instance /etc/nagios4/nagios.cfg), or --config FILE")
    if gathered.mistakes:
        raise ConfigError(gathered.mistakes)
    return Config(data=(data or default_data_folder()).absolute(), pollers=pollers, settings=settings)


@dataclass(slots=True)
class _Table:
    """One poller as written: converted values, and how mistakes name each of its keys."""

    values: dict[str, Any]
    place: str
    lines: Mapping[str, str] = field(default_factory=dict)

    def at(self, key: str) -> str:
        return self.lines.get(key, self.place)


@dataclass(slots=True)
class _Gathered:
    """Settings and mistakes found so far."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def take(self, key: str, value: object, place: str, base: Path) -> None:
        """A setting from the file or the command line."""
        converted = _converted(_SETTING_FIELDS[key], value, place, base, self.mistakes)
        if converted is not None:
            self.values[key] = converted
            self.places[key] = place

    def override(self, overrides: Mapping[str, object]) -> None:
        for key, value in overrides.items():
            if value is None:
                continue
            if key == "listen":
                self._listen(str(value))
            else:
                self.take(key, value, "--" + key.replace("_", "-"), Path.cwd())

    def _listen(self, text: str) -> None:
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isascii() or not port.isdigit():
            self.mistakes.append(f"--listen: {text!r} is not HOST:PORT, for instance 127.0.0.1:8080 or [::1]:8080")
            return
        self.take("listen_host", host, "--listen", Path.cwd())
        self.take("listen_port", int(port), "--listen", Path.cwd())

    def dangerous(self, settings: Settings, mistake_in: Callable[[str], str]) -> None:
        found = [mistake for name in settings.dangerous_commands if (mistake := mistake_in(name))]
        self.mistakes += [f"{self.places['dangerous_commands']}: dangerous_commands: {mistake}" for mistake in found]

    def settings(self) -> Settings:
        settings = Settings(**self.values)
        if settings.keep_keys_s > settings.keep_lives_s:
            self.mistakes.append("keep_keys_s is above keep_lives_s: a repeat could not be told what the first request made")
        if (settings.tls_cert is None) != (settings.tls_key is None):
            given, missing = ("tls_cert", "tls_key") if settings.tls_cert else ("tls_key", "tls_cert")
            self.mistakes.append(f"{self.places[given]}: {given} without {missing}: give both")
        for role, _ in settings.bulk_limit_by_role:
            if role not in ROLES:
                words = f"bulk_limit_by_role: there is no role {role!r}: there are {', '.join(ROLES)}"
                self.mistakes.append(f"{self.places['bulk_limit_by_role']}: {words}")
        for name in ("htpasswd", "htdigest", "remote_user_from"):
            if getattr(settings, name) and settings.cgi_cfg is None:
                self.mistakes.append(f"{self.places[name]}: {name} without cgi_cfg: nothing would say what those users may do")
        for address in settings.remote_user_from:
            if not _is_network(address):
                words = f"remote_user_from: {address!r} is no address: give the web server's, without port"
                self.mistakes.append(f"{self.places['remote_user_from']}: {words}")
        for prefix in settings.cgi_prefixes:
            if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", prefix):
                self.mistakes.append(f"{self.places['cgi_prefixes']}: cgi_prefixes: {prefix!r} is no path such as /nagios/cgi-bin")
        for address in settings.behind_proxy:
            if not _is_network(address):
                self.mistakes.append(
                    f"{self.places['behind_proxy']}: behind_proxy: {address!r} is no address: give the proxy's, without port"
                )
        for verb in set(settings.reapply_lost) - set(REAPPLY_VERBS):
            self.mistakes.append(f"{self.places['reapply_lost']}: reapply_lost: {verb!r} is none of {', '.join(REAPPLY_VERBS)}")
        if not is_loopback(settings.listen_host) and settings.tls_cert is None and not settings.behind_proxy:
            self.mistakes.append(
                f"{self.places['listen_host']}: {settings.listen_host} is reachable from other machines, passwords would cross the"
                " network in clear: give --tls-cert and --tls-key, or behind_proxy = [addresses of your TLS proxy] in the file"
            )
        return settings


def is_loopback(host: str) -> bool:
    """Only this machine can reach that listening address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_network(address: str) -> bool:
    try:
        return bool(ipaddress.ip_network(address).prefixlen)
    except ValueError:
        return False


# --- the file -----------------------------------------------------------------------------------------------------------------


def _read_file(path: Path, gathered: _Gathered) -> list[_Table]:
    try:
        text = path.read_text("utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        gathered.mistakes.append(f"{path}: {error.strerror}: name a file this user may read")
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        gathered.mistakes.append(f"{path}: not TOML: {error}")
        return []
    lines = _key_lines(text)
    base = path.absolute().parent
    tables = content.pop("poller", [])
    for key, value in content.items():
        place = f"{path}:{lines.get(('', key), 1)}"
        if key in _SETTING_FIELDS:
            gathered.take(key, value, place, base)
        else:
            gathered.mistakes.append(f"{place}: {_unknown(key, 'setting', _SETTING_FIELDS)}")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        gathered.mistakes.append(f"{path}: poller is not a list of tables: begin each with [[poller]]")
        return []
    return [_file_table(path, number, table, lines, base, gathered) for number, table in enumerate(tables)]


def _file_table(
    path: Path, number: int, content: dict[str, Any], lines: Mapping[tuple[str, str], int], base: Path, gathered: _Gathered
) -> _Table:
    section = f"poller.{number}"
    head = lines.get((section, ""), 1)
    table = _Table({}, f"{path}:{head}", {key: f"{path}:{lines.get((section, key), head)}" for key in content})
    for key, value in content.items():
        if key not in _POLLER_FIELDS:
            gathered.mistakes.append(f"{table.at(key)}: {_unknown(key, 'key of [[poller]]', _POLLER_FIELDS)}")
            continue
        converted = _converted(_POLLER_FIELDS[key], value, table.at(key), base, gathered.mistakes)
        # A value that was refused must not be reported as missing, too.
        table.values[key] = converted
    return table


def _core_table(core: str) -> _Table:
    name, equals, path = core.partition("=")
    if not equals or "/" in name:
        name, path = "", core
    values: dict[str, Any] = {"main_config": Path(path).expanduser().absolute()}
    return _Table(values | ({"name": name} if name else {}), f"--core {core}")


def _unknown(key: str, what: str, known: Mapping[str, object]) -> str:
    if key in ("data", "data_folder"):
        return "the data folder is not set in the file: use --data or the environment variable SIGNALBOX_DATA"
    near = difflib.get_close_matches(key, known, 1)
    return f"{key} is no {what}: " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}")


def _key_lines(text: str) -> dict[tuple[str, str], int]:
    """Where keys stand: (section, key) → line, ("poller.0", "") for the head of the first [[poller]].

    tomllib tells no lines; a key inside a multi-line string may lead this astray, which costs a wrong number in a message.
    """
    lines: dict[tuple[str, str], int] = {}
    section, count = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[\[?\s*([\w.-]+)\s*\]", line):
            section = head[1]
            if section == "poller":
                section, count = f"poller.{count}", count + 1
            lines.setdefault((section, ""), number)
            lines.setdefault(("", head[1]), number)
        elif key := re.match(r"""\s*["']?([\w-]+)["']?\s*[.=]""", line):
            lines.setdefault((section, key[1]), number)
    return lines


def _converted(declared: dataclasses.Field[Any], value: object, place: str, base: Path, mistakes: list[str]) -> Any:
    """The value as the field's type, or None after noting why not."""
    try:
        converted = _typed(str(declared.type).removesuffix(" | None"), value, base)
        _check_bounds(declared, converted)
    except ValueError as error:
        mistakes.append(f"{place}: {declared.name} {error}")
        return None
    return converted


def _typed(declared: str, value: object, base: Path) -> Any:
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


def _check_bounds(declared: dataclasses.Field[Any], value: object) -> None:
    low, high = declared.metadata.get("low"), declared.metadata.get("high")
    if isinstance(value, tuple) and low is not None:
        for _, number in value:
            _check_bounds(declared, number)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    # `not <=` rather than `>`: NaN is refused, too.
    if (low is not None and not low <= value) or (high is not None and not value <= high):
        raise ValueError(f"is {value}: make it " + (f"at least {low}" if high is None else f"from {low} to {high}"))


# --- pollers ------------------------------------------------------------------------------------------------------------------


def _poller(table: _Table, gathered: _Gathered) -> Poller | None:
    """The poller a table describes, number 0 where none is given; None after noting what is missing."""
    before = len(gathered.mistakes)
    values = {**_from_main_config(table, gathered), **table.values}
    if len(gathered.mistakes) == before:
        for key in _REQUIRED:
            if key not in values:
                gathered.mistakes.append(f"{table.place}: {key} is missing: add it, or main_config to take it from")
    if "kind" not in values and "status_file" in values and values["status_file"]:
        values["kind"] = CoreKind.ICINGA2 if values.get("main_log") else detected_kind(values["status_file"])
        if values["kind"] is None:
            gathered.mistakes.append(
                f"{table.place}: what kind of core this is cannot be seen from {values['status_file']}:"
                f" add kind = one of {', '.join(CoreKind)}"
            )
    if values.get("kind") is CoreKind.ICINGA2 and "main_log" not in values:
        gathered.mistakes.append(
            f"{table.place}: main_log is missing, and nothing else shows what Icinga 2 did with a command:"
            ' add main_log = "/var/log/icinga2/icinga2.log"'
        )
    if "name" not in values and values.get("main_config"):
        values["name"] = values["main_config"].stem
    for verb in set(table.values.get("reapply_lost") or ()) - set(REAPPLY_VERBS):
        gathered.mistakes.append(f"{table.at('reapply_lost')}: reapply_lost: {verb!r} is none of {', '.join(REAPPLY_VERBS)}")
    if len(gathered.mistakes) > before or not all(values.get(key) for key in _REQUIRED):
        return None
    return Poller(**{"number": 0, "name": "", **values})


def _from_main_config(table: _Table, gathered: _Gathered) -> dict[str, Any]:
    """What the core's own main configuration says of its files and intervals; {} when none is named."""
    path: Path | None = table.values.get("main_config")
    if path is None:
        return {}
    try:
        text = path.read_bytes().decode("utf-8", "replace")
        main = parse_main_config(text, path)
    except OSError as error:
        gathered.mistakes.append(f"{table.at('main_config')}: {path}: {error.strerror}: name the core's main configuration file")
        return {}
    except FormatError as error:
        gathered.mistakes.append(f"{table.at('main_config')}: {path}: {error}")
        return {}
    named = {entry.name: getattr(main, entry.name) for entry in dataclasses.fields(main) if entry.name in _POLLER_FIELDS}
    values = {key: value for key, value in named.items() if value is not None}
    if not all(key in {**values, **table.values} for key in _REQUIRED):
        gathered.mistakes.append(
            f"{table.at('main_config')}: {path} does not name a core's files: give its main configuration file"
        )
        return {}
    kind = detected_kind(values["status_file"]) if "status_file" in values else None
    return {**values, "kind": kind or _kind_by_main_config(path, text)}


def _numbered(pollers: list[Poller], gathered: _Gathered) -> tuple[Poller, ...]:
    """Numbers count from 1 in order where none is given; nothing may be there twice."""
    taken = {poller.number for poller in pollers}
    free = (number for number in range(1, HIGHEST_POLLER_NUMBER) if number not in taken)
    numbered = []
    for poller in pollers:
        number = poller.number or next(free)
        numbered.append(dataclasses.replace(poller, number=number, name=poller.name or f"poller{number}"))
    for what, values in (
        ("number", [str(poller.number) for poller in numbered]),
        ("name", [poller.name for poller in numbered]),
        ("command_file", [str(poller.command_file) for poller in numbered]),
    ):
        for value in sorted({value for value in values if values.count(value) > 1}):
            remedy = "name them with --core NAME=MAINCFG, or name = in the file" if what == "name" else "make them differ"
            gathered.mistakes.append(f"two pollers have the {what} {value}: {remedy}")
    for poller in numbered:
        if poller.name.isdigit():
            gathered.mistakes.append(f"poller {poller.name}: a name of digits only looks like a number: add a letter")
    return tuple(numbered)


def detected_kind(status_file: Path) -> CoreKind | None:
    """The kind of core that wrote a status file, by its head; None when that cannot be told.

    Source: the first comment lines (`NAGIOS STATE FILE …`) and the info block's version of each core's writer.
    """
    try:
        with status_file.open("rb") as opened:
            head = opened.read(1024).upper()
    except OSError:
        return None
    comments = b"".join(line for line in head.splitlines() if line.startswith(b"#"))
    for word, kind in ((b"CENTREON", CoreKind.CENTREON), (b"NAEMON", CoreKind.NAEMON), (b"NAGIOS", CoreKind.NAGIOS)):
        if word in comments:
            return kind
    if b"ICINGA" in comments:
        return CoreKind.ICINGA2 if re.search(rb"VERSION=[RV]?2\.", head) else CoreKind.ICINGA1
    return None


def _kind_by_main_config(path: Path, text: str) -> CoreKind:
    """The kind of a core that has no status file yet, by names only its own main configuration has.

    Source: the configurations that Naemon 1.5, Icinga 1.14 and Centreon Engine ship.
    """
    if path.stem == "naemon" or re.search(r"^\s*naemon_(user|group)\s*=", text, re.MULTILINE):
        return CoreKind.NAEMON
    if path.stem == "icinga" or re.search(r"^\s*icinga_(user|group)\s*=", text, re.MULTILINE):
        return CoreKind.ICINGA1
    if path.stem == "centengine" or re.search(r"^\s*broker_module\s*=\S*(cbmod|externalcmd)\.so", text, re.MULTILINE):
        return CoreKind.CENTREON
    return CoreKind.NAGIOS


# --- between processes --------------------------------------------------------------------------------------------------------


def encode_config(config: Config) -> str:
    """One line of JSON, which `decode_config` turns back."""
    return orjson.dumps(config, default=str).decode()


def decode_config(text: str) -> Config:
    """What `encode_config` was given."""
    content = orjson.loads(text)
    return Config(
        data=Path(content["data"]),
        pollers=tuple(Poller(**_revived(_POLLER_FIELDS, poller)) for poller in content["pollers"]),
        settings=Settings(**_revived(_SETTING_FIELDS, content["settings"])),
    )


def _revived(fields: Mapping[str, dataclasses.Field[Any]], values: Mapping[str, object]) -> dict[str, Any]:
    root = Path("/")
    return {
        name: None if value is None else _typed(str(fields[name].type).removesuffix(" | None"), value, root)
        for name, value in values.items()
    }
