"""The status file of every Nagios-style core: blocks cut out of its bytes, and rows made of blocks.

What belongs here: grammar and names of `status.dat`, and the one table per kind of row that maps a core's names to the
model's. Pure.

The grammar: a line `word {` at column 0, lines `TAB key=value`, a line `TAB }`. Nothing is quoted: a comment may well be `}` or
`hoststatus {`. So only a line that is exactly `TAB }` ends a block, and only what stands at column 0 begins one; a value ends where
the next line begins with a TAB. Where a key comes twice, the last wins in blocks of hosts and services (Icinga 2 repeats some,
more exactly) and the first in comments and downtimes (a forged line can only follow the real one).

`created` of the info block is written as `last_update` into every block by cores that keep no such time (all but Naemon): it
makes every block differ in every generation, so it is dropped before anything is compared.

Source: Nagios 4.4.6 xdata/xsddefault.c, Icinga 2.13.6 lib/compat/statusdatawriter.cpp; tests/golden/*/status.dat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import msgspec
import orjson

from engine.errors import FormatError
from engine.formats.text import text_of
from engine.model import CommentStatus, ContactStatus, DowntimeStatus, HostStatus, ServiceStatus

BLOCK_END = b"\n\t}\n"

StatusRow = HostStatus | ServiceStatus | ContactStatus | DowntimeStatus | CommentStatus


class Block(msgspec.Struct, frozen=True):
    """One block, undone: its word and its keys as text."""

    word: str
    values: Mapping[str, str]


class Head(msgspec.Struct, frozen=True):
    """What the info and programstatus blocks say, the first two of every status file."""

    created: float
    program_start: float
    version: str
    program: dict[str, str]
    created_text: bytes  # as it stands in the file


# --- cutting --------------------------------------------------------------------------------------------------------------------


def cut(piece: bytes) -> tuple[bytes, bytes]:
    """Split bytes of a status file behind the last whole block: (whole blocks, the beginning of the next one)."""
    end = piece.rfind(BLOCK_END)
    return (b"", piece) if end < 0 else (piece[: end + len(BLOCK_END)], piece[end + len(BLOCK_END) :])


def is_closed(tail: bytes) -> bool:
    """Does a file that ends with these bytes end behind a whole block?"""
    return tail.rstrip(b"\n").endswith(BLOCK_END.rstrip(b"\n")) and tail.endswith(b"\n")


_WRITE_TIME = re.compile(rb"\n\tlast_update=\d+(?=\n)")


def blocks_of(whole: bytes, created_text: bytes) -> list[bytes]:
    """The blocks of `whole` (as `cut` gave it), each without its end and without the time at which it was written."""
    if b"." in created_text:
        # Icinga 2 takes the time anew for each block.
        timeless = _WRITE_TIME.sub(b"", whole)
    else:
        timeless = whole.replace(b"\n\tlast_update=" + created_text + b"\n", b"\n")
    blocks = timeless.split(BLOCK_END)
    blocks.pop()
    return blocks


def parse_block(block: bytes) -> Block | None:
    """The word and keys of a block without its end; None when it does not begin as one (what another's newline left behind)."""
    head, *lines = text_of(block).split("\n\t")
    word, _, brace = head.rpartition("\n")[2].partition(" ")
    if brace != "{" or not word.isidentifier():
        return None
    if word.endswith(("comment", "downtime")):
        lines.reverse()
    try:
        return Block(word, dict([line.split("=", 1) for line in lines]))
    except ValueError:
        return Block(word, {key: value for key, separator, value in map(_odd_line, lines) if separator})


def _odd_line(line: str) -> tuple[str, str, str]:
    """**Source**: Icinga 2.13.6 writes a check period's line with a tab where every other has `=`."""
    return line.partition("\t" if line.startswith("check_period\t") else "=")


def parse_head(piece: bytes) -> Head:
    """The head of a status file, from its first bytes.

    Raises:
        FormatError: They hold no whole info and programstatus block, or these lack the times.
    """
    blocks: dict[str, Mapping[str, str]] = {}
    whole, _ = cut(piece)
    for raw in whole.split(BLOCK_END, 4)[:4]:
        block = parse_block(raw)
        if block is not None:
            blocks.setdefault(block.word, block.values)
    if "info" not in blocks or "programstatus" not in blocks:
        raise FormatError("no info and programstatus block at its beginning: this is not a status file, or only a part of one.")
    info, program = blocks["info"], blocks["programstatus"]
    if "created" not in info or "program_start" not in program:
        raise FormatError("its info or programstatus block lacks created or program_start: this is not a whole status file.")
    return Head(
        created=_number(info["created"]),
        program_start=_number(program["program_start"]),
        version=info.get("version", ""),
        program=dict(program),
        created_text=info["created"].encode(),
    )


# --- rows -----------------------------------------------------------------------------------------------------------------------

_Convert = Callable[[str], object]


# Few texts come again and again, in millions of fields: reading each once makes a first scan a third shorter.
_remembered = lru_cache(maxsize=1 << 16)


@_remembered
def _whole(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = int(_number(text))
    if not -(1 << 63) <= number < 1 << 63:
        raise FormatError(f"{text[:40]!r} is too large a number for a status file.", value=text[:40])
    return number


@_remembered
def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise FormatError(f"{text[:40]!r} stands where a number belongs.", value=text[:40]) from None
    # Cores write `nan` where they divided by nothing; JSON and SQLite know no such number.
    return number if -1e18 < number < 1e18 else 0.0


@_remembered
def time_of(text: str) -> float:
    """Icinga 2 writes -1 for `never` where the others write 0."""
    return max(0.0, _number(text))


def _text(text: str) -> str:
    return text


def unescaped_output(text: str) -> str:
    """Cores write a newline as `\\n` and a backslash as two."""
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text) if "\\" in text else text


_ESCAPED = re.compile(r"\\([n\\])")


class _Field(NamedTuple):
    """A field of a row: the core's name for it, what a core that lacks it means, and how its text is read."""

    key: str
    absent: object
    convert: _Convert


def _int(key: str, absent: int = 0) -> _Field:
    return _Field(key, absent, _whole)


def _float(key: str) -> _Field:
    return _Field(key, 0.0, _number)


def _at(key: str) -> _Field:
    return _Field(key, 0.0, time_of)


def _str(key: str) -> _Field:
    return _Field(key, "", _text)


# In the order of the model's fields, without the last ones (custom variables, hash).
_COMMON_BEGIN = (
    _int("current_state"),
    _int("state_type", 1),
    _int("has_been_checked"),
    _str("plugin_output"),
    _Field("long_plugin_output", "", unescaped_output),
    _str("performance_data"),
    _str("check_command"),
    _str("check_period"),
    _str("notification_period"),
    _str("event_handler"),
    _str("event_handler_period"),
    _float("check_interval"),
    _float("retry_interval"),
    _int("current_attempt"),
    _int("max_attempts"),
    _at("last_check"),
    _at("next_check"),
    _at("last_state_change"),
    _at("last_hard_state_change"),
    _int("last_hard_state"),
)
_COMMON_END = (
    _at("last_notification"),
    _at("next_notification"),
    _int("current_notification_number"),
    _float("check_execution_time"),
    _float("check_latency"),
    _int("check_type"),
    _int("check_options"),
    _float("percent_state_change"),
    _int("problem_has_been_acknowledged"),
    _int("acknowledgement_type"),
    _at("acknowledgement_end_time"),
    _int("scheduled_downtime_depth"),
    _int("is_flapping"),
    _int("active_checks_enabled"),
    _int("passive_checks_enabled"),
    _int("notifications_enabled"),
    _int("event_handler_enabled"),
    _int("flap_detection_enabled"),
    _int("process_performance_data"),
    _int("obsess"),
    _int("should_be_scheduled"),
    _int("no_more_notifications"),
    _int("modified_attributes"),
    _at("last_update"),
)
HOST_FIELDS = (
    _str("host_name"),
    *_COMMON_BEGIN,
    _at("last_time_up"),
    _at("last_time_down"),
    _at("last_time_unreachable"),
    *_COMMON_END,
)
SERVICE_FIELDS = (
    _str("host_name"),
    _str("service_description"),
    *_COMMON_BEGIN,
    _at("last_time_ok"),
    _at("last_time_warning"),
    _at("last_time_critical"),
    _at("last_time_unknown"),
    *_COMMON_END,
)
_DOWNTIME = (
    _int("downtime_id"),
    _at("entry_time"),
    _at("start_time"),
    _at("end_time"),
    _at("flex_downtime_start"),
    _int("triggered_by"),
    _int("fixed"),
    _float("duration"),
    _int("is_in_effect", -1),
    _int("start_notification_sent"),
    _str("author"),
    _str("comment"),
)
_COMMENT = (
    _int("comment_id"),
    _int("entry_type"),
    _int("source"),
    _int("persistent"),
    _at("entry_time"),
    _int("expires"),
    _at("expire_time"),
    _str("author"),
    _str("comment_data"),
)
_CONTACT = (
    _str("contact_name"),
    _int("host_notifications_enabled"),
    _int("service_notifications_enabled"),
    _str("host_notification_period"),
    _str("service_notification_period"),
    _at("last_host_notification"),
    _at("last_service_notification"),
    _int("modified_attributes"),
    _int("modified_host_attributes"),
    _int("modified_service_attributes"),
)
# Names of other cores for the same thing: Nagios 3, Icinga 1 and Centreon (obsess_over_…), Icinga 2 (last_time_warn), Icinga 1
# and 2 (trigger_time).
OTHER_NAMES = (
    ("obsess_over_host", "obsess"),
    ("obsess_over_service", "obsess"),
    ("last_time_warn", "last_time_warning"),
    ("trigger_time", "flex_downtime_start"),
)


@dataclass(slots=True)
class ObjectIds:
    """Names by the numbers that Centreon Engine's comments give instead; its configuration puts them into custom variables.

    Source: Centreon Engine xsddefault.cc (host_id and service_id of comments; service_id 0 for a host's), cores.md 4.6.
    """

    hosts: dict[int, str] = field(default_factory=dict)
    services: dict[tuple[str, int], str] = field(default_factory=dict)  # by host name and service number

    def learn(self, row: StatusRow) -> None:
        """Take the number of a host or service that shows one."""
        if isinstance(row, HostStatus) and (number := _number_of("HOST_ID", row.custom_variables)):
            self.hosts[number] = row.name
        if isinstance(row, ServiceStatus) and (number := _number_of("SERVICE_ID", row.custom_variables)):
            self.services[row.host_name, number] = row.description

    def names(self, host_id: int, service_id: int) -> tuple[str, str | None] | None:
        """(host name, service description or None); None when a number is not known."""
        host = self.hosts.get(host_id)
        if host is None or not service_id:
            return None if host is None else (host, None)
        service = self.services.get((host, service_id))
        return None if service is None else (host, service)


def _number_of(variable: str, custom_variables: str) -> int:
    text = str(orjson.loads(custom_variables).get(variable, "")) if f'"{variable}"' in custom_variables else ""
    return int(text) if text.isascii() and text.isdigit() else 0


def is_named_by_ids(raw: bytes) -> bool:
    """Does the block name its object by numbers? It makes a row as soon as these are known."""
    return b"\n\thost_id=" in raw


def parse_row(raw: bytes, block_hash: int, created: float, ids: ObjectIds | None = None) -> StatusRow | None:
    """The row a block holds; None for blocks of other kinds and for those that name no object, or by unknown numbers.

    `created` is the file's own time, `last_update` of blocks whose write time was dropped.

    Raises:
        FormatError: A number is none.
    """
    block = parse_block(raw)
    build = _BUILDERS.get(block.word) if block is not None else None
    if block is None or build is None:
        return None
    values = dict(block.values)
    for other, name in OTHER_NAMES:
        if other in values:
            values.setdefault(name, values[other])
    try:
        if ids is not None and "host_id" in values and "host_name" not in values:
            _name_by_ids(values, ids)
        if "check_type" not in values and values.get("has_been_checked") == "1":
            _fill_check(values)
        return build(values, raw, block_hash, created)
    except FormatError as error:
        names = (values.get(key) for key in ("host_name", "service_description", "contact_name"))
        where = " / ".join(filter(None, names))
        raise FormatError(f"{block.word} of {where}: {error}", **error.facts) from None


def _name_by_ids(values: dict[str, str], ids: ObjectIds) -> None:
    names = ids.names(_whole(values["host_id"]), _whole(values.get("service_id", "0")))
    if names is not None:
        values["host_name"] = names[0]
        if names[1] is not None:
            values["service_description"] = names[1]


def _fill_check(values: dict[str, str]) -> None:
    """Icinga 2 writes -1 or an older time for the last check of many objects, and never says whether it was passive.

    Each result sets the last time of its own state, so the latest of these is the last check; only a passive result took no time.

    Source: Icinga 2.13.6 lib/compat/statusdatawriter.cpp, lib/icinga/checkable-check.cpp (SetLastStateOK … of every result);
    tests/golden/icinga2-2.13.6/status-2.dat.
    """
    times = [values.get("last_check", "-1"), *(values[key] for key in values if key.startswith("last_time_"))]
    values["last_check"] = max(times, key=_number)
    took = _number(values.get("check_execution_time", "0")) + _number(values.get("check_latency", "0"))
    values["check_type"] = "0" if took else "1"


def _fields(table: tuple[_Field, ...], values: Mapping[str, str]) -> list[object]:
    get = values.get
    return [absent if (text := get(key)) is None else convert(text) for key, absent, convert in table]


def _host_row(values: dict[str, str], raw: bytes, block_hash: int, created: float) -> HostStatus | None:
    if not values.get("host_name"):
        return None
    values.setdefault("last_update", repr(created))
    return HostStatus._make([*_fields(HOST_FIELDS, values), custom_variables_of(values, raw), block_hash])


def _service_row(values: dict[str, str], raw: bytes, block_hash: int, created: float) -> ServiceStatus | None:
    if not values.get("host_name") or not values.get("service_description"):
        return None
    values.setdefault("last_update", repr(created))
    return ServiceStatus._make([*_fields(SERVICE_FIELDS, values), custom_variables_of(values, raw), block_hash])


def _contact_row(values: dict[str, str], raw: bytes, block_hash: int, created: float) -> ContactStatus | None:
    if not values.get("contact_name"):
        return None
    return ContactStatus._make([*_fields(_CONTACT, values), custom_variables_of(values, raw), block_hash])


def _downtime_row(values: dict[str, str], raw: bytes, block_hash: int, created: float) -> DowntimeStatus | None:
    if not values.get("host_name"):
        return None
    names = values["host_name"], values.get("service_description")
    return DowntimeStatus._make([*names, *_fields(_DOWNTIME, values), block_hash])


def _comment_row(values: dict[str, str], raw: bytes, block_hash: int, created: float) -> CommentStatus | None:
    if not values.get("host_name"):
        return None
    names = values["host_name"], values.get("service_description")
    return CommentStatus._make([*names, *_fields(_COMMENT, values), block_hash])


_BUILDERS: dict[str, Callable[[dict[str, str], bytes, int, float], StatusRow | None]] = {
    "hoststatus": _host_row,
    "servicestatus": _service_row,
    "contactstatus": _contact_row,
    "hostdowntime": _downtime_row,
    "servicedowntime": _downtime_row,
    "hostcomment": _comment_row,
    "servicecomment": _comment_row,
}


def custom_variables_of(values: Mapping[str, str], raw: bytes) -> str:
    """`_NAME=1;value`, where 1 says that it was changed at run time."""
    if b"\n\t_" not in raw:
        return "{}"
    found = {key[1:]: value.partition(";")[2] for key, value in values.items() if key.startswith("_")}
    return orjson.dumps(found).decode() if found else "{}"
