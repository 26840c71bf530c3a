"""The loader of the configuration: it gathers every mistake at once.

One TOML file holds the settings (top level, named as in `Settings`) and one `[[poller]]` table per core; `--core` stands for
a table of which only `main_config` is given. What a table leaves out is taken from the core's main configuration. The data
folder is not in the file: `signalbox user add` has to find the same one without it.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from engine.config import (
    HIGHEST_POLLER_NUMBER,
    POLLER_FIELDS,
    REAPPLY_VERBS,
    ROLES,
    SETTING_FIELDS,
    Config,
    Poller,
    Settings,
    default_data_folder,
    typed,
)
from engine.errors import ConfigError, FormatError
from engine.formats.maincfg import parse_main_config
from engine.model import CoreKind

_REQUIRED = ("command_file", "status_file", "log_file")


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
        converted = _converted(SETTING_FIELDS[key], value, place, base, self.mistakes)
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
        for name, example in (("cgi_prefixes", "/nagios/cgi-bin"), ("centreon_prefixes", "/monitoring/api")):
            for prefix in getattr(settings, name):
                if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", prefix):
                    self.mistakes.append(f"{self.places[name]}: {name}: {prefix!r} is no path such as {example}")
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
        if key in SETTING_FIELDS:
            gathered.take(key, value, place, base)
        else:
            gathered.mistakes.append(f"{place}: {_unknown(key, 'setting', SETTING_FIELDS)}")
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
        if key not in POLLER_FIELDS:
            gathered.mistakes.append(f"{table.at(key)}: {_unknown(key, 'key of [[poller]]', POLLER_FIELDS)}")
            continue
        converted = _converted(POLLER_FIELDS[key], value, table.at(key), base, gathered.mistakes)
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
        converted = typed(str(declared.type).removesuffix(" | None"), value, base)
        _check_bounds(declared, converted)
    except ValueError as error:
        mistakes.append(f"{place}: {declared.name} {error}")
        return None
    return converted


def _check_bounds(declared: dataclasses.Field[Any], value: object) -> None:
    low, high = declared.metadata.get("low"), declared.metadata.get("high")
    if isinstance(value, tuple) and low is not None:
        for _, number in value:
            _check_bounds(declared, number)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    never = declared.metadata.get("never")
    if never is not None and value == never:
        return
    # `not <=` rather than `>`: NaN is refused, too.
    if (low is not None and not low <= value) or (high is not None and not value <= high):
        bounds = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"is {value}: make it {bounds}" + (f", or {never}" if never is not None else ""))


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
        main = parse_main_config(text, path, _included)
    except OSError as error:
        where = error.filename or path
        gathered.mistakes.append(f"{table.at('main_config')}: {where}: {error.strerror}: name the core's main configuration file")
        return {}
    except FormatError as error:
        gathered.mistakes.append(f"{table.at('main_config')}: {path}: {error}")
        return {}
    named = {entry.name: getattr(main, entry.name) for entry in msgspec.structs.fields(main) if entry.name in POLLER_FIELDS}
    values = {key: value for key, value in named.items() if value is not None}
    if not all(key in {**values, **table.values} for key in _REQUIRED):
        gathered.mistakes.append(
            f"{table.at('main_config')}: {path} does not name a core's files: give its main configuration file"
        )
        return {}
    kind = detected_kind(values["status_file"]) if "status_file" in values else None
    return {**values, "kind": kind or _kind_by_main_config(path, text)}


def _included(name: str, path: Path) -> list[tuple[Path, str]]:
    """What Naemon reads for such a line: of a folder every `*.cfg`, but for hidden ones. Raises OSError."""
    names = sorted(path.iterdir()) if name == "include_dir" else [path]
    files = [one for one in names if one == path or (one.suffix == ".cfg" and not one.name.startswith("."))]
    return [(file, file.read_bytes().decode("utf-8", "replace")) for file in files]


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
