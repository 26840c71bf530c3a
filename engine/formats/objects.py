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
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec
import orjson

from engine.errors import FormatError
from engine.formats.text import text_of
from engine.model import (
    CommandConfig,
    ContactConfig,
    DependencyConfig,
    EscalationConfig,
    GroupConfig,
    HostConfig,
    ObjectCache,
    ServiceConfig,
    ServiceParentConfig,
    TimeperiodConfig,
)

_BLOCK_END = b"\n\t}\n"
_TEXTS = ("icon_image", "icon_image_alt", "notes", "notes_url", "action_url", "check_command", "check_period")
# What a field of the model's rows says, and what is left out of their directives: the values cores write where nobody asked for
# others. Whoever reads directives takes an absent one for this.
USUAL = {
    "initial_state": "o", "importance": "0", "active_checks_enabled": "1", "passive_checks_enabled": "1", "obsess": "1",
    "event_handler_enabled": "1", "low_flap_threshold": "0.000000", "high_flap_threshold": "0.000000",
    "flap_detection_enabled": "1", "flap_detection_options": "a", "freshness_threshold": "0", "check_freshness": "0",
    "notifications_enabled": "1", "first_notification_delay": "0.000000", "stalking_options": "n", "process_perf_data": "1",
    "retain_status_information": "1", "retain_nonstatus_information": "1", "retry_interval": "1.000000", "is_volatile": "0",
    "parallelize_check": "1", "event_handler": "", "minimum_importance": "0",
}  # fmt: skip
_KNOWN = frozenset((
    *_TEXTS, "notification_options", "notification_period", "host_name", "service_description", "alias", "display_name", "address",
    "parents", "check_interval", "notification_interval", "max_check_attempts", "contacts", "contact_groups", "contact_name",
    "email", "pager", "can_submit_commands", "host_notifications_enabled", "service_notifications_enabled",
    "host_notification_commands", "service_notification_commands", "host_notification_period", "service_notification_period",
    "host_notification_options", "service_notification_options",
))  # fmt: skip
# Nagios 3, Icinga 1 and Centreon name these otherwise; hourly_value is what importance was called before Nagios 4.4.
_OTHER_NAMES = {
    "obsess_over_host": "obsess", "obsess_over_service": "obsess", "hourly_value": "importance",
    "minimum_value": "minimum_importance",
}  # fmt: skip
_USUAL_ITEMS = frozenset(USUAL.items()) | {(other, USUAL[name]) for other, name in _OTHER_NAMES.items()}
_MOST_LAYOUTS = 32  # one takes some milliseconds to make
_LONGEST_NAME_IN_COMMAS = 16  # names of more parts than this are not looked for


class _Definition(msgspec.Struct, frozen=True):
    """`directives` are those of a host or service."""

    kind: str
    values: dict[str, str]
    directives: str = ""


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
    escalations: list[EscalationConfig] = []
    dependencies: list[DependencyConfig] = []
    parents: list[dict[str, str]] = []
    for definition in _definitions(raw):
        values = definition.values
        match definition.kind:
            case "host" if values.get("host_name"):
                hosts.append(_host(values, definition.directives))
            case "service" if values.get("host_name") and values.get("service_description"):
                services.append(_service(values, definition.directives))
                if "parents" in values:
                    parents.append(values)
            case "contact" if values.get("contact_name"):
                contacts.append(_contact(values))
            case "hostgroup" | "servicegroup" | "contactgroup":
                groups.append(definition)
            case "timeperiod" if values.get("timeperiod_name"):
                timeperiods.append(_timeperiod(values))
            case "command" if values.get("command_name"):
                commands.append(CommandConfig(values["command_name"], values.get("command_line", ""), _custom_variables(values)))
            case "hostescalation" | "serviceescalation" if values.get("host_name"):
                escalations.append(_escalation(values))
            case "hostdependency" | "servicedependency" if values.get("dependent_host_name"):
                dependencies += _dependencies(values)
    known = _Names(hosts, services, contacts)
    named = tuple(_group(group, known) for group in groups)
    return ObjectCache(
        hosts=tuple(hosts),
        services=tuple(services),
        groups=named,
        contacts=tuple(contacts),
        timeperiods=tuple(timeperiods),
        commands=tuple(commands),
        escalations=tuple(escalations),
        dependencies=tuple(dependencies),
        service_parents=tuple(parent for values in parents for parent in _service_parents(values, known)),
    )


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
        values = _values(lines)
        if kind not in ("host", "service"):
            yield _Definition(kind, values)
            continue
        if len(layouts) < _MOST_LAYOUTS:
            layouts += _layouts_of(kind, lines)
        yield _Definition(kind, values, _directives(values))


class _Layout(msgspec.Struct, frozen=True):
    """Definitions of hosts or services with the same keys in the same order, of which most of a core's have few.

    `match` has a group for each known key, and one for all lines between two of them.
    """

    kind: str
    keys: Sequence[str]
    match: Callable[[str], re.Match[str] | None]
    known: Callable[[Sequence[str]], Sequence[str]]
    others: Callable[[Sequence[str]], tuple[str, ...]]

    def definition(self, block: str) -> _Definition | None:
        """What its lines say; None for a block of other keys."""
        found = self.match(block)
        if found is None:
            return None
        groups = found.groups()
        values = dict(zip(self.keys, map(str.rstrip, self.known(groups)), strict=True))
        if groups[-1]:
            values |= _values(groups[-1].split("\n\t")[1:])
        return _Definition(self.kind, values, _directives_of(self.others(groups)))


def _layouts_of(kind: str, lines: Sequence[str]) -> list[_Layout]:
    """The layout of a block with these lines, if it has any."""
    keys = [line.partition("\t")[0] for line in lines]
    own = [key for key in keys if not key.startswith("_")]
    if own != keys[: len(own)] or len(set(own)) < len(own) or not all("\t" in line for line in lines):
        return []
    expression, at = "", 0
    known: list[int] = []
    others: list[int] = []
    for is_known, run in groupby(own, _KNOWN.__contains__):
        between = [rf"\n\t{re.escape(key)}\t{'(.*+)' if is_known else '.*+'}" for key in run]
        expression += "".join(between) if is_known else f"({''.join(between)})"
        count = len(between) if is_known else 1
        (known if is_known else others).extend(range(at, at + count))
        at += count
    if len(known) < 2 or len(others) < 2:  # itemgetter gives a tuple of two and more
        return []
    whole = re.compile(rf"\n*define {kind} \{{{expression}((?:\n\t_[^\n]*+)*+)")
    named = [key for key in own if key in _KNOWN]
    return [_Layout(kind, named, whole.fullmatch, itemgetter(*known), itemgetter(*others))]


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


def _host(values: dict[str, str], directives: str) -> HostConfig:
    name, get = values["host_name"], values.get
    names = (name, get("alias") or name, get("display_name") or name, get("address", ""))
    return HostConfig._make((*names, *_settings(values), _list(values, "parents"), *_people(values), directives))


def _service(values: dict[str, str], directives: str) -> ServiceConfig:
    description = values["service_description"]
    names = (values["host_name"], description, values.get("display_name") or description)
    return ServiceConfig._make((*names, *_settings(values), *_people(values), directives))


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
    """The fields of both behind these, but for the last."""
    return _list(values, "contacts"), _list(values, "contact_groups"), _custom_variables(values)


def _contact(values: Mapping[str, str]) -> ContactConfig:
    name = values["contact_name"]
    texts = ("pager", *(f"{kind}_notification_{what}" for what in ("period", "options") for kind in ("host", "service")))
    switches = ("can_submit_commands", "host_notifications_enabled", "service_notifications_enabled")
    lists = ("host_notification_commands", "service_notification_commands")
    more: dict[str, Any] = {key: values.get(key, "") for key in texts}
    more |= {key: int(_number(values, key, 1.0)) for key in switches} | {key: _list(values, key) for key in lists}
    return ContactConfig(
        name,
        values.get("alias") or name,
        values.get("email", ""),
        custom_variables=_custom_variables(values),
        directives=_directives(values),
        **more,
    )


def _escalation(values: Mapping[str, str]) -> EscalationConfig:
    return EscalationConfig(
        values["host_name"],
        values.get("service_description", ""),
        int(_number(values, "first_notification")),
        int(_number(values, "last_notification")),
        _number(values, "notification_interval"),
        values.get("escalation_period", ""),
        values.get("escalation_options", ""),
        _list(values, "contacts"),
        _list(values, "contact_groups"),
    )


def _dependencies(values: Mapping[str, str]) -> Iterator[DependencyConfig]:
    """One for each kind of failure it speaks of; Nagios 4 writes two blocks, Nagios 3 one."""
    for kind in ("notification", "execution"):
        options = values.get(f"{kind}_failure_options")
        if options is not None:
            yield DependencyConfig(
                kind,
                values.get("host_name", ""),
                values.get("service_description", ""),
                values["dependent_host_name"],
                values.get("dependent_service_description", ""),
                values.get("dependency_period", ""),
                int(_number(values, "inherits_parent")),
                options,
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


def _directives(values: Mapping[str, str]) -> str:
    """What the model has no field for and somebody asked for."""
    items = values.items() - _USUAL_ITEMS
    found = {_OTHER_NAMES.get(key, key): value for key, value in items if key not in _KNOWN and key[:1] != "_"}
    return orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode() if found else "{}"


# Most objects of a core differ from one another in nothing of this.
@lru_cache(maxsize=1 << 10)
def _directives_of(lines: tuple[str, ...]) -> str:
    return _directives(_values("".join(lines).split("\n\t")[1:]))


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


def _service_parents(values: Mapping[str, str], known: _Names) -> Iterator[ServiceParentConfig]:
    """`host,service,host,service`; a lone parent on the same host stands without it."""
    host, description = values["host_name"], values["service_description"]
    parts = [part for part in values["parents"].split(",") if part]
    if ",".join(parts) in known.services.get(host, ()):
        yield ServiceParentConfig(host, description, host, ",".join(parts))
        return
    for parent in _service_members(parts, known):
        yield ServiceParentConfig(host, description, *parent)


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
