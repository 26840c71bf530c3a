"""The object cache: configuration as a core understood it, templates resolved.

What belongs here: grammar and names of `objects.cache` (and of `objects.precache`). Pure.

The grammar: `define TYPE {`, lines `TAB key TAB value`, a line `TAB }`. Nothing is escaped, a `;` begins no comment. Nagios ≥ 4.4.7
appends a blank to most values, so right sides are stripped. Icinga 2 ends a servicegroup with `}` at column 0. Lists are joined
by commas although names may hold commas: they are told apart by the names that are known. What can be changed at run time is
only as configured here; the status file wins.

Source: Nagios 4.4.6 xdata/xodtemplate.c (xodtemplate_cache_objects, fcache_*), Icinga 2.13.6 lib/compat/statusdatawriter.cpp;
tests/golden/*/objects.cache.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from engine.errors import FormatError
from engine.formats.layout import block_expression
from engine.formats.text import text_of
from engine.model import (
    CommandConfig,
    ContactConfig,
    GroupConfig,
    HostConfig,
    ObjectCache,
    ServiceConfig,
    TimeperiodConfig,
)

_BLOCK_END = b"\n\t}\n"
_TEXTS = ("icon_image", "icon_image_alt", "notes", "notes_url", "action_url", "check_command", "check_period")
_WANTED = {
    "host_name", "service_description", "alias", "display_name", "address", *_TEXTS, "check_interval", "notification_interval",
    "notification_options", "notification_period", "max_check_attempts", "parents", "contacts", "contact_groups",
}  # fmt: skip
_MOST_LAYOUTS = 32  # one takes some milliseconds to make
_LONGEST_NAME_IN_COMMAS = 16  # names of more parts than this are not looked for


@dataclass(frozen=True, slots=True)
class _Definition:
    kind: str
    values: dict[str, str]


def is_whole(raw: bytes) -> bool:
    """Does it end behind a closed block? Nagios writes this file in place, so a reader may see a part of it, or nothing."""
    return raw.endswith(b"\n") and raw.rstrip(b"\n").endswith((b"\n\t}", b"\n}"))


def parse_object_cache(raw: bytes) -> ObjectCache:
    """Everything an object cache says of hosts, services, groups, contacts, timeperiods and commands.

    Raises:
        FormatError: It is not whole, or a block is not of the expected form.
    """
    if not is_whole(raw):
        raise FormatError("it does not end behind a closed block: it is being written, or it is no object cache.")
    hosts: list[HostConfig] = []
    services: list[ServiceConfig] = []
    contacts: list[ContactConfig] = []
    groups: list[_Definition] = []
    timeperiods: list[TimeperiodConfig] = []
    commands: list[CommandConfig] = []
    for definition in _definitions(raw):
        values = definition.values
        match definition.kind:
            case "host" if values.get("host_name"):
                hosts.append(_host(values))
            case "service" if values.get("host_name") and values.get("service_description"):
                services.append(_service(values))
            case "contact" if values.get("contact_name"):
                contacts.append(_contact(values))
            case "hostgroup" | "servicegroup" | "contactgroup":
                groups.append(definition)
            case "timeperiod" if values.get("timeperiod_name"):
                timeperiods.append(_timeperiod(values))
            case "command" if values.get("command_name"):
                commands.append(CommandConfig(values["command_name"], values.get("command_line", ""), _custom_variables(values)))
    known = _Names(hosts, services, contacts)
    named = tuple(_group(group, known) for group in groups)
    return ObjectCache(tuple(hosts), tuple(services), named, tuple(contacts), tuple(timeperiods), tuple(commands))


def _definitions(raw: bytes) -> Iterator[_Definition]:
    layouts: list[_Layout] = []
    for block in (raw.replace(b"\n}\n", _BLOCK_END) if b"\n}\n" in raw else raw).split(_BLOCK_END)[:-1]:
        text = text_of(block)
        at, known = next(((at, found) for at, layout in enumerate(layouts) if (found := layout.definition(text))), (0, None))
        if known is not None:
            layouts.insert(0, layouts.pop(at))
            yield known
            continue
        head, *lines = text.split("\n\t")
        word, _, rest = head.rpartition("\n")[2].partition(" ")
        kind, _, brace = rest.partition(" ")
        if word != "define" or brace != "{":
            raise FormatError(f"{head[-80:]!r} begins a block where `define TYPE {{` belongs.", block=head[-80:])
        if kind in ("host", "service") and len(layouts) < _MOST_LAYOUTS:
            layouts += _layouts_of(kind, lines)
        yield _Definition(kind, _values(lines))


@dataclass(frozen=True, slots=True)
class _Layout:
    """Definitions of hosts or services with the same keys in the same order, of which most of a core's have few."""

    kind: str
    keys: Sequence[str]
    match: Callable[[str], re.Match[str] | None]

    def definition(self, block: str) -> _Definition | None:
        """What `_values` makes of it, as far as it is wanted; None for a block of other keys."""
        found = self.match(block)
        if found is None:
            return None
        *texts, custom = found.groups()
        values = dict(zip(self.keys, map(str.rstrip, texts), strict=True))
        return _Definition(self.kind, values | _values(custom.split("\n\t")[1:]) if custom else values)


def _layouts_of(kind: str, lines: Sequence[str]) -> list[_Layout]:
    """The layout of a block with these lines, if it has any."""
    keys = [line.partition("\t")[0] for line in lines]
    own = [key for key in keys if not key.startswith("_")]
    if own != keys[: len(own)] or len(set(own)) < len(own) or not all("\t" in line for line in lines):
        return []
    wanted = {at: key for at, key in enumerate(own) if key in _WANTED}
    return [_Layout(kind, list(wanted.values()), block_expression(rf"\n*define {kind} \{{", own, wanted, "\t").fullmatch)]


def _values(lines: list[str]) -> dict[str, str]:
    """Keys and values; the first of two of one key counts."""
    try:
        pairs = [line.split("\t", 1) for line in lines]
        values = {key: value.rstrip() for key, value in pairs}
        if len(values) == len(lines):
            return values
    except ValueError:
        pass
    values = {}
    for line in lines:
        key, _, value = line.partition("\t")
        values.setdefault(key, value.rstrip())
    return values


# --- objects --------------------------------------------------------------------------------------------------------------------


def _host(values: dict[str, str]) -> HostConfig:
    name, get = values["host_name"], values.get
    names = (name, get("alias") or name, get("display_name") or name, get("address", ""))
    return HostConfig._make((*names, *_settings(values), _list(values, "parents"), *_people(values)))


def _service(values: dict[str, str]) -> ServiceConfig:
    description = values["service_description"]
    names = (values["host_name"], description, values.get("display_name") or description)
    return ServiceConfig._make((*names, *_settings(values), *_people(values)))


def _settings(values: Mapping[str, str]) -> tuple[object, ...]:
    """What is said of hosts and services alike, in the order of the model's fields."""
    get = values.get
    return (
        *[get(name, "") for name in _TEXTS],
        _number(values, "check_interval"),
        _number(values, "notification_interval"),
        get("notification_options", ""),
        get("notification_period", ""),
        int(_number(values, "max_check_attempts")),
    )


def _people(values: Mapping[str, str]) -> tuple[object, ...]:
    """The last fields of both."""
    return _list(values, "contacts"), _list(values, "contact_groups"), _custom_variables(values)


def _contact(values: Mapping[str, str]) -> ContactConfig:
    name = values["contact_name"]
    texts = ("pager", *(f"{kind}_notification_{what}" for what in ("period", "options") for kind in ("host", "service")))
    switches = ("can_submit_commands", "host_notifications_enabled", "service_notifications_enabled")
    lists = ("host_notification_commands", "service_notification_commands")
    more: dict[str, Any] = {key: values.get(key, "") for key in texts}
    more |= {key: int(_number(values, key, 1.0)) for key in switches} | {key: _list(values, key) for key in lists}
    return ContactConfig(
        name, values.get("alias") or name, values.get("email", ""), custom_variables=_custom_variables(values), **more
    )


def _timeperiod(values: Mapping[str, str]) -> TimeperiodConfig:
    """All but its names and exclusions is about days: `monday`, `december 25`, `2026-01-01 / 7`."""
    name = values["timeperiod_name"]
    said = ("timeperiod_name", "alias", "exclude")
    ranges = tuple((key.strip(), value.strip()) for key, value in values.items() if key not in said and key.strip())
    return TimeperiodConfig(name, values.get("alias") or name, ranges, _list(values, "exclude"))


def _number(values: Mapping[str, str], key: str, absent: float = 0.0) -> float:
    text = values.get(key)
    return _number_of(key, text) if text else absent


@lru_cache(maxsize=1 << 10)
def _number_of(key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise FormatError(f"{key} {text[:40]!r} is no number.", key=key, value=text[:40]) from None
    if not -1e15 < number < 1e15:
        raise FormatError(f"{key} {text[:40]!r} is no number a core would write.", key=key, value=text[:40])
    return number


def _list(values: Mapping[str, str], key: str) -> tuple[str, ...]:
    text = values.get(key)
    return _parts(text) if text else ()


# Few people care for many objects: each list is taken apart once, and is one object.
@lru_cache(maxsize=1 << 14)
def _parts(text: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


def _custom_variables(values: Mapping[str, str]) -> str:
    found = {key[1:]: value for key, value in values.items() if key[:1] == "_"}
    return orjson.dumps(found).decode() if found else "{}"


# --- groups ---------------------------------------------------------------------------------------------------------------------


class _Names:
    """Which names exist, to tell a comma within a name from one between two."""

    def __init__(self, hosts: list[HostConfig], services: list[ServiceConfig], contacts: list[ContactConfig]) -> None:
        self.hosts = {host.name for host in hosts}
        self.contacts = {contact.name for contact in contacts}
        self.services: dict[str, set[str]] = {}
        for service in services:
            self.services.setdefault(service.host_name, set()).add(service.description)


def _group(definition: _Definition, known: _Names) -> GroupConfig:
    kind, values = definition.kind, definition.values
    name = values.get(f"{kind}_name", "")
    parts = [part for part in values.get("members", "").split(",") if part]
    members: Iterator[tuple[str, str | None]]
    if kind == "servicegroup":
        members = _service_members(parts, known)
    else:
        names = known.hosts if kind == "hostgroup" else known.contacts
        members = ((member, None) for member in _single_members(parts, names))
    links = (values.get(key, "") for key in ("notes", "notes_url", "action_url"))
    return GroupConfig(kind, name, values.get("alias") or name, tuple(members), *links)


def _single_members(parts: list[str], names: Collection[str]) -> Iterator[str]:
    at = 0
    while at < len(parts):
        name, used = _longest(parts, at, names)
        yield name
        at += used


def _service_members(parts: list[str], known: _Names) -> Iterator[tuple[str, str]]:
    """`host,service,host,service`, with commas in either."""
    at = 0
    while at < len(parts):
        host, used = _longest(parts, at, known.services)
        at += used
        if at >= len(parts):
            return
        service, used = _longest(parts, at, known.services.get(host, ()))
        at += used
        yield host, service


def _longest(parts: list[str], at: int, names: Collection[str]) -> tuple[str, int]:
    """The longest known name that begins at part `at`, and how many parts it takes; the part itself where none is known."""
    for count in range(min(_LONGEST_NAME_IN_COMMAS, len(parts) - at), 1, -1):
        name = ",".join(parts[at : at + count])
        if name in names:
            return name, count
    return parts[at], 1
