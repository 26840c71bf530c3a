"""objectjson.cgi: what is configured. Hosts and services here, the rest in `configured.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson

from api.cgi.json_cgis import configured
from api.cgi.json_cgis.envelope import Data, member
from api.cgi.json_cgis.names import Found, Keys, Sight
from api.cgi.json_cgis.options import Asked
from api.cgi.json_cgis.output import Output, option_letters, real
from api.cgi.json_cgis.selection import host_conditions, repeated, service_conditions
from api.cgi.json_cgis.status import limits
from api.cgi.json_cgis.words import HOST_LETTERS, HOST_STATE, OPTION_TYPES, SERVICE_LETTERS, SERVICE_STATE
from engine.formats.objects import USUAL
from engine.state.scope import Condition, all_of

_HOST_TABLES = (
    "state.host h JOIN state.poller p ON p.number = h.poller"
    " LEFT JOIN state.host_config c ON c.poller = h.poller AND c.name = h.name"
)
_SERVICE_TABLES = (
    "state.service s JOIN state.poller p ON p.number = s.poller"
    " LEFT JOIN state.service_config c ON c.poller = s.poller AND c.host_name = s.host_name AND c.description = s.description"
)
# What configuration says, else what the status file does.
_EITHER = "coalesce(c.{0}, {1}.{0})"
_TEXTS = ("notes", "notes_url", "action_url", "icon_image", "icon_image_alt")
_COMMON = (*("check_command", "check_period", "notification_period", "check_interval", "max_check_attempts"),)  # those both have
_HOST_SELECTORS = (
    "start", "count", "parenthost", "childhost", "hostgroup", "contactname", "contactgroup", "checktimeperiod",
    "hostnotificationtimeperiod", "checkcommand", "eventhandler",
)  # fmt: skip
_SERVICE_SELECTORS = (
    "start", "count", "hostname", "parenthost", "childhost", "hostgroup", "servicegroup", "contactname", "contactgroup",
    "servicedescription", "parentservice", "childservice", "checktimeperiod", "servicenotificationtimeperiod", "checkcommand",
    "eventhandler",
)  # fmt: skip
_KEYS = {"contactname": "contact", "hostname": "host"}
Row = Mapping[str, Any]


def _columns(alias: str, keys: Sequence[str]) -> tuple[str, ...]:
    """(name, expression) of what both kinds of object are read by."""
    own = [f"{_EITHER.format(name, alias)} AS {name}" for name in _COMMON]
    texts = [f"coalesce(c.{name}, '') AS {name}" for name in _TEXTS]
    lists = [f"coalesce(c.{name}, '[]') AS {name}" for name in ("contacts", "contact_groups")]
    rest = [
        "coalesce(c.notification_interval, 0.0) AS notification_interval",
        "coalesce(c.notification_options, 'a') AS notification_options",
        f"coalesce(c.custom_variables, {alias}.custom_variables) AS custom_variables",
        "coalesce(c.directives, '{}') AS directives",
        f"coalesce(c.display_name, {alias}.{keys[-1]}) AS display_name",
    ]
    return (f"{alias}.poller AS poller", *(f"{alias}.{key} AS {key}" for key in keys), *own, *texts, *lists, *rest)


_HOST_COLUMNS = ", ".join((
    *_columns("h", ["name"]), "coalesce(c.alias, h.name) AS alias", "coalesce(c.address, '') AS address",
    "coalesce(c.parents, '[]') AS parents",
))  # fmt: skip
_SERVICE_COLUMNS = ", ".join(_columns("s", ["host_name", "description"]))


@dataclass(slots=True)
class Around:
    """What stands around objects, looked up once per answer, or object by object when few are asked for."""

    sight: Sight
    output: Output
    few: Row | None = None
    _members: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    _children: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    _services: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    _parents_of: dict[tuple[int, str, str], list[dict[str, str]]] = field(default_factory=dict)
    _children_of: dict[tuple[int, str, str], list[dict[str, str]]] = field(default_factory=dict)

    def of_hosts(self) -> Around:
        """With what hosts need."""
        self._contact_members()
        where, values = self.sight.hosts("r.poller", "r.name")
        one, more = ("", ()) if self.few is None else (" AND r.poller = ? AND j.value = ?", (self.few["poller"], self.few["name"]))
        query = (
            f"SELECT r.poller, j.value, r.name FROM state.host_config r, json_each(r.parents) j WHERE r.parents <> '[]' AND {where}"
        )
        for poller, parent, name in self.sight.rows(f"{query}{one} ORDER BY 1, 3", [*values, *more]):
            self._children.setdefault((poller, parent), []).append(name)
        where, values = self.sight.services("s.poller", "s.host_name", "s.description")
        one = "" if self.few is None else " AND s.poller = ? AND s.host_name = ?"
        query = f"SELECT s.poller, s.host_name, s.description FROM state.service s WHERE {where}{one} ORDER BY 1, 2, 3"
        for poller, name, description in self.sight.rows(query, [*values, *more]):
            self._services.setdefault((poller, name), []).append(description)
        return self

    def of_services(self) -> Around:
        """With what services need."""
        self._contact_members()
        below = self.sight.services("r.poller", "r.host_name", "r.service_description")
        above = self.sight.services("r.poller", "r.parent_host_name", "r.parent_service_description")
        where, values = all_of([below, above])
        parent = ("r.parent_host_name", "r.parent_service_description")
        child = ("r.host_name", "r.service_description")
        query = f"SELECT r.poller, {', '.join((*child, *parent))} FROM state.service_parent r WHERE {where} ORDER BY r.rowid"
        for poller, *names in self.sight.rows(query, values):
            mine, other = tuple(names[:2]), tuple(names[2:])
            self._parents_of.setdefault((poller, *mine), []).append(_member(*other))
            self._children_of.setdefault((poller, *other), []).append(_member(*mine))
        return self

    def _contact_members(self) -> None:
        where, values = self.sight.on_pollers("m.poller")
        query = f"SELECT m.poller, m.name, m.host_name FROM state.group_member m WHERE m.kind = 'contactgroup' AND {where}"
        for poller, group, contact in self.sight.rows(query, values):
            self._members.setdefault((poller, group), []).append(contact)

    def told(self, row: Row) -> list[str]:
        """Every contact a problem is told to."""
        named = list(orjson.loads(row["contacts"]))
        for group in orjson.loads(row["contact_groups"]):
            named += self._members.get((row["poller"], group), [])
        return sorted(set(named))

    def parents(self, row: Row) -> list[str]:
        """Those in sight."""
        named = list(orjson.loads(row["parents"]))
        if not named or not self.sight.is_limited:
            return named
        where, values = self.sight.hosts("h.poller", "h.name")
        query = f"SELECT h.name FROM state.host h WHERE h.poller = ? AND h.name IN ({','.join('?' * len(named))}) AND {where}"
        seen = {name for (name,) in self.sight.rows(query, [row["poller"], *named, *values])}
        return [name for name in named if name in seen]

    def children(self, row: Row) -> list[str]:
        return self._children.get((row["poller"], row["name"]), [])

    def services(self, row: Row) -> list[str]:
        return self._services.get((row["poller"], row["name"]), [])

    def parents_of(self, row: Row) -> list[dict[str, str]]:
        return self._parents_of.get((row["poller"], row["host_name"], row["description"]), [])

    def children_of(self, row: Row) -> list[dict[str, str]]:
        return self._children_of.get((row["poller"], row["host_name"], row["description"]), [])


def _member(host: str, description: str) -> dict[str, str]:
    return {"host_name": host, "service_description": description}


# --- one object ---------------------------------------------------------------------------------------------------------------


class Directives:
    """What somebody asked for of an object, else what is usual."""

    def __init__(self, raw: str) -> None:
        self._said: dict[str, str] = orjson.loads(raw)

    def text(self, name: str) -> str:
        return self._said.get(name, USUAL.get(name, ""))

    def flag(self, name: str) -> bool:
        return self.text(name) not in ("", "0")

    def number(self, name: str) -> float:
        try:
            return float(self.text(name) or 0)
        except ValueError:
            return 0.0

    def numbers(self, name: str, absent: Sequence[float]) -> list[float]:
        """Several with commas between them."""
        try:
            found = [float(part) for part in self._said.get(name, "").split(",")]
        except ValueError:
            return list(absent)
        return found if len(found) == len(absent) else list(absent)

    def has(self, name: str) -> bool:
        return name in self._said


def host_details(row: Row, around: Around) -> dict[str, object]:
    """Everything about a host."""
    said, output = Directives(row["directives"]), around.output
    mask = output.mask(OPTION_TYPES)
    x, y = said.numbers("2d_coords", (-1, -1))
    x_3d, y_3d, z_3d = said.numbers("3d_coords", (0, 0, 0))
    return {
        "name": row["name"],
        "display_name": row["display_name"],
        "alias": row["alias"],
        "address": row["address"],
        "parent_hosts": around.parents(row),
        "child_hosts": around.children(row),
        "services": around.services(row),
        "check_command": row["check_command"],
        "initial_state": output.word(HOST_STATE)(_state(said, "odu")),
        "check_interval": real(row["check_interval"]),
        "retry_interval": real(said.number("retry_interval")),
        "max_attempts": row["max_check_attempts"],
        "event_handler": said.text("event_handler"),
        "contact_groups": orjson.loads(row["contact_groups"]),
        "contacts": around.told(row),
        "notification_interval": real(row["notification_interval"]),
        "first_notification_delay": real(said.number("first_notification_delay")),
        "notifications_options": mask(option_letters(row["notification_options"], HOST_LETTERS)),
        "notification_period": row["notification_period"],
        "check_period": row["check_period"],
        "flap_detection_enabled": said.flag("flap_detection_enabled"),
        "low_flap_threshold": real(said.number("low_flap_threshold")),
        "high_flap_threshold": real(said.number("high_flap_threshold")),
        "flap_detection_options": mask(option_letters(said.text("flap_detection_options"), HOST_LETTERS)),
        "stalking_options": mask(option_letters(said.text("stalking_options"), HOST_LETTERS)),
        **_switches(said),
        "obsess": said.flag("obsess"),
        "hourly_value": int(said.number("importance")),
        **{name: row[name] for name in _TEXTS},
        "vrml_image": said.text("vrml_image"),
        "statusmap_image": said.text("statusmap_image"),
        "have_2d_coords": said.has("2d_coords"),
        "x_2d": int(x),
        "y_2d": int(y),
        "have_3d_coords": said.has("3d_coords"),
        "x_3d": real(x_3d),
        "y_3d": real(y_3d),
        "z_3d": real(z_3d),
        "should_be_drawn": True,
        "custom_variables": orjson.loads(row["custom_variables"]),
        **_where(around.sight, row),
    }


def service_details(row: Row, around: Around) -> dict[str, object]:
    """Everything about a service."""
    said, output = Directives(row["directives"]), around.output
    mask = output.mask(OPTION_TYPES)
    return {
        "host_name": row["host_name"],
        "description": row["description"],
        "display_name": row["display_name"],
        "check_command": row["check_command"],
        "event_handler": said.text("event_handler"),
        "initial_state": output.word(SERVICE_STATE)(_state(said, "owcu")),
        "check_interval": real(row["check_interval"]),
        "retry_interval": real(said.number("retry_interval")),
        "max_attempts": row["max_check_attempts"],
        "parallelize": said.flag("parallelize_check"),
        "contact_groups": orjson.loads(row["contact_groups"]),
        "contacts": around.told(row),
        "notification_interval": real(row["notification_interval"]),
        "first_notification_delay": real(said.number("first_notification_delay")),
        "notifications_options": mask(option_letters(row["notification_options"], SERVICE_LETTERS)),
        "stalking_options": mask(option_letters(said.text("stalking_options"), SERVICE_LETTERS)),
        "is_volatile": said.flag("is_volatile"),
        "notification_period": row["notification_period"],
        "check_period": row["check_period"],
        "flap_detection_enabled": said.flag("flap_detection_enabled"),
        "low_flap_threshold": real(said.number("low_flap_threshold")),
        "high_flap_threshold": real(said.number("high_flap_threshold")),
        "flap_detection_options": mask(option_letters(said.text("flap_detection_options"), SERVICE_LETTERS)),
        **_switches(said),
        "notifications_enabled": said.flag("notifications_enabled"),
        "obsess": said.flag("obsess"),
        "hourly_value": int(said.number("importance")),
        "parents": around.parents_of(row),
        "children": around.children_of(row),
        **{name: row[name] for name in _TEXTS},
        "custom_variables": orjson.loads(row["custom_variables"]),
        **_where(around.sight, row),
    }


def _state(said: Directives, letters: str) -> int:
    return max(0, letters.find(said.text("initial_state")[:1] or "o"))


def _switches(said: Directives) -> dict[str, object]:
    return {
        "check_freshness": said.flag("check_freshness"),
        "freshness_threshold": int(said.number("freshness_threshold")),
        "process_performance_data": said.flag("process_perf_data"),
        "checks_enabled": said.flag("active_checks_enabled"),
        "accept_passive_checks": said.flag("passive_checks_enabled"),
        "event_handler_enabled": said.flag("event_handler_enabled"),
        "retain_status_information": said.flag("retain_status_information"),
        "retain_nonstatus_information": said.flag("retain_nonstatus_information"),
    }


def _where(sight: Sight, row: Row) -> dict[str, object]:
    return {"poller": sight.poller_name(row["poller"])} if sight.is_many else {}


# --- hosts and services -------------------------------------------------------------------------------------------------------


def _rows(
    sight: Sight, columns: str, tables: str, conditions: Iterable[Condition], order: str, page: Sequence[int]
) -> Iterator[Row]:
    where, values = all_of(list(conditions))
    found = sight.reader.connection.execute(
        f"SELECT {columns} FROM {tables} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?", [*values, *page]
    )
    names = [described[0] for described in found.description]
    for row in found:
        yield dict(zip(names, row, strict=True))


def _count(sight: Sight, tables: str, conditions: Sequence[Condition]) -> int:
    where, values = all_of(conditions)
    return int(sight.rows(f"SELECT count(*) FROM {tables} WHERE {where}", values)[0][0])


def host_count(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """How many hosts there are."""
    total = _count(sight, _HOST_TABLES, host_conditions(sight, asked, found))
    return Data({"selectors": repeated(asked, output, _HOST_SELECTORS[2:], _KEYS), "count": total})


def host_list(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """Hosts: their names, or everything by name."""
    keys, conditions, details = Keys(sight), host_conditions(sight, asked, found), asked.flag("details")
    columns = _HOST_COLUMNS if details else "h.poller, h.name"
    rows = _rows(sight, columns, _HOST_TABLES, conditions, "h.poller, h.name", limits(asked))
    data = {"selectors": repeated(asked, output, _HOST_SELECTORS, _KEYS)}
    if not details:
        return Data(data, "hostlist", (output.encode(keys.of(row["poller"], row["name"])) for row in rows), False)
    around = Around(sight, output).of_hosts()
    entries = (member(output, keys.of(row["poller"], row["name"]), host_details(row, around)) for row in rows)
    return Data(data, "hostlist", entries)


def one_host(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """Everything about one host."""
    host = found.hosts["hostname"]
    assert host is not None
    row = next(_rows(sight, _HOST_COLUMNS, _HOST_TABLES, [("h.poller = ? AND h.name = ?", host)], "1", (1, 0)))
    return Data({"host": host_details(row, Around(sight, output, row).of_hosts())})


def service_count(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """How many services there are."""
    total = _count(sight, _SERVICE_TABLES, service_conditions(sight, asked, found))
    return Data({"selectors": repeated(asked, output, _SERVICE_SELECTORS[2:], _KEYS), "count": total})


def service_list(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """Services by host: their descriptions, or everything by description."""
    keys, conditions, details = Keys(sight), service_conditions(sight, asked, found), asked.flag("details")
    columns = _SERVICE_COLUMNS if details else "s.poller, s.host_name, s.description"
    rows = _rows(sight, columns, _SERVICE_TABLES, conditions, "s.poller, s.host_name, s.description", limits(asked))
    around = Around(sight, output).of_services() if details else None
    by_host = groupby(rows, key=itemgetter("poller", "host_name"))
    entries = (member(output, keys.of(*host), _of_host(services, around)) for host, services in by_host)
    return Data({"selectors": repeated(asked, output, _SERVICE_SELECTORS, _KEYS)}, "servicelist", entries)


def _of_host(services: Iterable[Row], around: Around | None) -> object:
    if around is None:
        return [row["description"] for row in services]
    return {row["description"]: service_details(row, around) for row in services}


def one_service(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """Everything about one service."""
    host = found.hosts["hostname"]
    assert host is not None
    condition = ("s.poller = ? AND s.host_name = ? AND s.description = ?", [*host, asked.text("servicedescription")])
    row = next(_rows(sight, _SERVICE_COLUMNS, _SERVICE_TABLES, [condition], "1", (1, 0)))
    return Data({"service": service_details(row, Around(sight, output).of_services())})


ANSWERS: Mapping[str, Callable[[Sight, Asked, Found, Output], Data]] = {
    "hostcount": host_count,
    "hostlist": host_list,
    "host": one_host,
    "servicecount": service_count,
    "servicelist": service_list,
    "service": one_service,
    **configured.ANSWERS,
}
