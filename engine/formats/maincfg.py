"""The main configuration of a Nagios-style core (`nagios.cfg`, `naemon.cfg`, `icinga.cfg`): what a poller needs of it.

What belongs here: names of files, intervals and the settings that weaken proof. Pure: text in, values out; the caller read it.
Rules: the core's own reading is followed: `name=value` per line, blanks around both dropped, `#` begins a comment line, a line
that ends in a backslash goes on, the last of several equal names wins, relative file names start at the configuration's folder,
in included files, too (Naemon's `include_file` and `include_dir`), which are read where they are named.
Icinga 2's configuration is a program, not a list of values; it is described in Signalbox's own file instead.

Source: Nagios 4.4.6 base/config.c (read_main_config_file, mmap_fgets_multiline); defaults from include/config.h, locations.h;
Naemon src/naemon/configuration.c (read_config_file).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from engine.errors import FormatError


class MainConfig(msgspec.Struct, frozen=True):
    """What a core's main configuration says; a file it does not name is None, all else has the core's default.

    Fields that `engine.config.Poller` has too bear its names. `interval_length_s` is the unit of check intervals.
    """

    command_file: Path | None = None
    status_file: Path | None = None
    log_file: Path | None = None
    object_cache_file: Path | None = None
    log_archive_path: Path | None = None
    temp_file: Path | None = None
    query_socket: Path | None = None
    main_config: Path | None = None
    status_update_interval_s: float = 60.0
    interval_length_s: float = 60.0
    log_external_commands: bool = True
    log_passive_checks: bool = True
    check_external_commands: bool = True
    retain_state_information: bool = False
    date_format: str = "us"
    timezone: str | None = None  # None: that of the machine the core runs on


_FILES = frozenset(
    {"command_file", "status_file", "log_file", "object_cache_file", "log_archive_path", "temp_file", "query_socket"}
)
_INCLUDES = frozenset({"include_file", "include_dir"})
_SWITCHES = frozenset({"log_external_commands", "log_passive_checks", "check_external_commands", "retain_state_information"})
_SECONDS = {"status_update_interval": "status_update_interval_s", "interval_length": "interval_length_s"}
# Until Nagios 3 the status file's name could also be given as a statement of the status data module.
_OLDER_NAMES = {
    "xsddefault_status_log": "status_file",
    "xsddefault_status_file": "status_file",
    "xodtemplate_cache_file": "object_cache_file",
}
_ICINGA2 = re.compile(r"/[*/]|(?:object|apply|include|include_recursive|const|template|library|globals|import)\b[^=]*[\"<{(]")


Included = Callable[[str, Path], Iterable[tuple[Path, str]]]
"""The files (and their texts) that a line of that name, `include_file` or `include_dir`, with that path stands for."""


def parse_main_config(text: str, path: Path, included: Included = lambda name, path: ()) -> MainConfig:
    """The values of the main configuration `text`, which was read from `path`.

    Raises:
        FormatError: A line is no setting, or the value of one that we need makes no sense, or a file includes itself; names the
            line.
    """
    values: dict[str, object] = {}
    _take(values, text, path.parent, included, [path])
    return MainConfig(main_config=path, **values)  # type: ignore[arg-type]


def _take(values: dict[str, object], text: str, folder: Path, included: Included, within: list[Path]) -> None:
    """Put in what the text of the last of the files `within` one another says."""
    for number, line in logical_lines(text):
        name, separator, value = (part.strip() for part in line.partition("="))
        if not separator or not name:
            raise _no_setting(number, line)
        name = _OLDER_NAMES.get(name, name)
        if name in _INCLUDES:
            for path, more in included(name, folder / value):
                if path in within:
                    raise FormatError(f"line {number}: {path} includes itself.", line=number)
                try:
                    _take(values, more, folder, included, [*within, path])
                except FormatError as error:
                    raise FormatError(f"line {number}, {path}: {error}", **error.facts) from None
        elif name in _FILES and value:
            values[name] = folder / value
        elif name in _SWITCHES:
            values[name] = _number(name, value, number) != 0
        elif name in _SECONDS:
            values[_SECONDS[name]] = float(_number(name, value, number))
        elif name == "use_timezone":
            values["timezone"] = value.removeprefix(":")
        elif name == "date_format":
            values[name] = value


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of its first line, text) of each line that says something, continued lines joined."""
    begun, started = "", 0
    for number, raw in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        line = raw.lstrip() if begun else raw
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            begun, started = begun + line[:-1], started or number
            continue
        line, first = (begun + line).strip(), started or number
        begun, started = "", 0
        if line and not line.startswith("#"):
            yield first, line
    if begun.strip() and not begun.lstrip().startswith("#"):
        yield started, begun.strip()


def _number(name: str, value: str, line: int) -> int:
    if not re.fullmatch(r"\d{1,9}", value):
        raise FormatError(f"line {line}: {name}={value}: give a whole number, the core would take this for 0.", line=line)
    return int(value)


def _no_setting(line: int, text: str) -> FormatError:
    if _ICINGA2.match(text):  # its own files begin with a comment of this form
        return FormatError(
            f"line {line}: this is an Icinga 2 configuration, which does not name its files: describe that poller in a [[poller]]"
            " table with command_file, status_file, object_cache_file, log_file and main_log.",
            line=line,
        )
    return FormatError(
        f"line {line}: {text[:80]!r} is not of the form name=value: give the core's main configuration file.", line=line
    )
