"""What the system tests compare us with: our own small readers of a core's files and our own idea of a command line.

Imports nothing from engine or api (import-linter proves it): a mistake of theirs must not be able to repeat itself here.
Slow and plain on purpose.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path

MARK = b"_SIGNALBOX_"
Block = dict[str, str]


# --- the status file -------------------------------------------------------------------------------------------------------


def blocks(status_file: Path) -> list[tuple[str, Block]]:
    """(kind, keys) of every block. A key that comes twice keeps its first value. Empty while there is no file."""
    return list(_each_block(status_file))


def _each_block(status_file: Path) -> Iterator[tuple[str, Block]]:
    """The same one by one: who looks for one block, again and again, need not read all of them."""
    try:
        data = status_file.read_bytes()
    except FileNotFoundError:
        return
    kind = ""
    keys: Block = {}
    for raw in BytesIO(data):
        line = raw.removesuffix(b"\n").decode("utf-8", "surrogateescape")
        if line == "\t}":
            yield kind, keys
        elif line.startswith("\t"):
            key, _, value = line[1:].partition("=")
            keys.setdefault(key, value)
        elif line.endswith(" {"):
            kind, keys = line[:-2], {}


def created(status_file: Path) -> float:
    """When the core wrote it, 0 when there is none."""
    return next((float(keys["created"]) for kind, keys in _each_block(status_file) if kind == "info"), 0.0)


def program_start(status_file: Path) -> float:
    """When the core that wrote it started, 0 when there is none."""
    return next((float(keys["program_start"]) for kind, keys in _each_block(status_file) if kind == "programstatus"), 0.0)


def hosts(status_file: Path) -> set[str]:
    """Names of the hosts it shows."""
    return {keys["host_name"] for kind, keys in blocks(status_file) if kind == "hoststatus"}


def status_of(status_file: Path, host: str, service: str = "") -> Block:
    """The hoststatus or servicestatus block of an object, {} when it has none."""
    wanted = "servicestatus" if service else "hoststatus"
    for kind, keys in _each_block(status_file):
        if kind == wanted and keys["host_name"] == host and keys.get("service_description", "") == service:
            return keys
    return {}


def downtimes(status_file: Path, comment: str | None = None) -> list[Block]:
    """Every downtime block (of that comment); `service_description` is "" for hosts'."""
    return _entries(status_file, ("hostdowntime", "servicedowntime"), "comment", comment)


def comments(status_file: Path, text: str | None = None) -> list[Block]:
    """Every comment block (of that text); `service_description` is "" for hosts'."""
    return _entries(status_file, ("hostcomment", "servicecomment"), "comment_data", text)


def _entries(status_file: Path, kinds: tuple[str, str], key: str, text: str | None) -> list[Block]:
    return [
        {"service_description": ""} | keys
        for kind, keys in blocks(status_file)
        if kind in kinds and (text is None or keys[key] == text)
    ]


def definitions(object_cache_file: Path) -> list[tuple[str, Block]]:
    """(kind, keys) of every definition of an object cache."""
    found: list[tuple[str, Block]] = []
    for line in object_cache_file.read_text("utf-8", "replace").split("\n"):
        if line.startswith("define "):
            found.append((line.split(" ")[1], {}))
        elif line.startswith("\t") and line != "\t}":
            key, _, value = line[1:].partition("\t")
            found[-1][1].setdefault(key, value.rstrip())
    return found


# --- the log ---------------------------------------------------------------------------------------------------------------

_CLASSIC = re.compile(rb"\[\d+\] EXTERNAL COMMAND: (.*)", re.DOTALL)
_ICINGA2 = re.compile(rb"\[[^]]*\] information/ExternalCommandListener: Executing external command: (?:\[\d+\] )?(.*)", re.DOTALL)


def command_lines(logs: Iterable[Path]) -> Counter[bytes]:
    """How often each command was read by the core, by its text without time stamp; marks are left out."""
    seen: Counter[bytes] = Counter()
    for log in logs:
        for line in log.read_bytes().split(b"\n"):
            found = _CLASSIC.match(line) or _ICINGA2.match(line)
            if found and not found[1].startswith(MARK):
                seen[found[1]] += 1
    return seen


def logs_of(folder: Path) -> list[Path]:
    """Every log of a Nagios core, rotated ones first."""
    return [*sorted((folder / "archives").iterdir()), folder / "nagios.log"]


_EVENT = re.compile(
    rb"\[(\d+)\] (?:\[\d+\] )?(CURRENT |INITIAL )?(HOST|SERVICE) (ALERT|DOWNTIME ALERT|FLAPPING ALERT|STATE): (.*)", re.DOTALL
)
_EVENT_TYPES = {b"ALERT": "alert", b"DOWNTIME ALERT": "downtime", b"FLAPPING ALERT": "flapping"}


def events(lines: Iterable[bytes]) -> list[tuple[int, str, str, str, str]]:
    """(time, type, host, service, word) of alerts, downtimes, flapping, snapshots, in order; the word of an alert is its state."""
    found = []
    for line in lines:
        if event := _EVENT.match(line):
            at, snapshot, kind, what, rest = event.groups()
            fields = [field.decode("utf-8", "replace") for field in rest.split(b";")]
            host, service = fields.pop(0), fields.pop(0) if kind == b"SERVICE" else ""
            type = f"{snapshot.decode().strip().lower()}_state" if snapshot else _EVENT_TYPES[what]
            found.append((int(at), type, host, service, fields[0]))
    return found


def epoch(text: str) -> int:
    """The second an RFC 3339 time in UTC names."""
    return int(datetime.fromisoformat(text).timestamp())


# --- command lines ---------------------------------------------------------------------------------------------------------

_STRIPPED = b" \t\r\n\v\f"
_LONGEST = 4000  # bytes of a whole line, newline included


def downtime_line(
    host: str, service: str, start: int, end: int, author: str, comment: str, *, flexible_s: int | None = None
) -> bytes:
    """What a Nagios 4 logs of a downtime: it would cut the comment at `;`, so ours holds a comma there.

    A fixed one lasts as long as its window, a flexible one `flexible_s`.
    """
    name = "SCHEDULE_SVC_DOWNTIME" if service else "SCHEDULE_HOST_DOWNTIME"
    fixed, duration = (1, end - start) if flexible_s is None else (0, flexible_s)
    return _line(name, host, service, start, end, fixed, 0, duration, author, comment.replace(";", ","))


def comment_line(host: str, service: str, author: str, comment: str, *, persistent: bool) -> bytes:
    """What is logged of a user's comment."""
    return _line("ADD_SVC_COMMENT" if service else "ADD_HOST_COMMENT", host, service, int(persistent), author, comment)


def acknowledgement_line(
    host: str, service: str, author: str, comment: str, *, sticky: bool, notify: bool, persistent: bool
) -> bytes:
    """What is logged of an acknowledgement; only 2 is sticky to a Nagios."""
    name = "ACKNOWLEDGE_SVC_PROBLEM" if service else "ACKNOWLEDGE_HOST_PROBLEM"
    return _line(name, host, service, 2 if sticky else 1, int(notify), int(persistent), author, comment)


def result_line(host: str, service: str, code: int, output: str, perf_data: str = "") -> bytes:
    """What a Nagios 4 logs of a passive result: performance data behind the first line, newlines and backslashes escaped."""
    name = "PROCESS_SERVICE_CHECK_RESULT" if service else "PROCESS_HOST_CHECK_RESULT"
    first, *more = output.split("\n")
    text = "\n".join([f"{first}|{perf_data}" if perf_data else first, *more])
    return _line(name, host, service, code, text.replace("\\", "\\\\").replace("\n", "\\n"))


def result_must_be_refused(output: str, perf_data: str) -> bool:
    """Is it no text, or could nobody tell its performance data from its output? Tabs and newlines are text to a plugin."""
    if must_be_refused(free_text=output, allowed="\t\n") or must_be_refused(free_text="x" + perf_data, allowed="\t\n"):
        return True
    return bool(perf_data) and ("\n" in perf_data or "|" in output.split("\n")[0])


def _line(name: str, host: str, service: str, *rest: object) -> bytes:
    words = [name, host, *([service] if service else []), *map(str, rest)]
    return ";".join(words).encode("utf-8").rstrip(_STRIPPED)


def bytes_on_the_pipe(line: bytes) -> int:
    """Length of the whole line as written: ten digits of time stamp, brackets, blank, newline."""
    return len(b"[0123456789] ") + len(line) + 1


def fits(line: bytes) -> bool:
    """Is the line within what is ever sent?"""
    return bytes_on_the_pipe(line) <= _LONGEST


def must_be_refused(*, author: str = "someone", free_text: str = "something", allowed: str = "") -> bool:
    """Would it end a line, begin another field, be no text at all, or be nothing? Then no core may ever see it."""

    def is_bad(character: str) -> bool:
        number = ord(character)
        control = number < 0x20 or 0x7F <= number <= 0x9F
        return (control and character not in allowed) or 0xD800 <= number <= 0xDFFF

    return any(map(is_bad, author + free_text)) or ";" in author or not author.strip() or not free_text.strip()
