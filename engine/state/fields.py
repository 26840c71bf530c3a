"""The fields a search may name, as data: for each kind of object a table from name to how SQL reads it and what values it takes.

Rules: expressions are written over the aliases of views.py (`h` a host, `s` a service) and hold no question mark. A field of
something else (a group, a contact, a downtime, a service's host) is read through a *link*: the rows it stands in. Where a link
leads to several values, a test holds if it holds for one of them, and a negated test if the test holds for none.
Times are NULL for never, so that no comparison finds them but `null`; of an age the expression is when it began, by our clock.
Pending is state 4, as in Centreon. A limited caller reads
through `seen_by`: what he does not see is not found, nor sorted by. That is names of other hosts, and of a service's host, whom a
contact of the service alone does not see, all that is not shown beside the service (`SHOWN_OF_HOST`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import get_type_hints

import msgspec
from msgspec.structs import replace

from engine.model import HostStatus, ServiceStatus
from engine.state.scope import EVERYTHING, Condition, Scope, written_out
from engine.state.tables import PROBLEM

PENDING = 4
_STICKY = 2  # acknowledgement_type, which stays when an acknowledgement is taken back
HOST_STATES = {"UP": 0, "DOWN": 1, "UNREACHABLE": 2, "PENDING": PENDING}
SERVICE_STATES = {"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3, "PENDING": PENDING}


class Type(Enum):
    """What values a field has, in the words of an error."""

    TEXT = "text"
    INTEGER = "a whole number"
    REAL = "a number"
    AGE = "a number of seconds"
    TIME = "a time: epoch seconds, RFC 3339 with its offset, `now`, or relative to now such as `-1h`"
    FLAG = "true or false"
    WORD = "one of its words, or its number"


class Link(msgspec.Struct, frozen=True):
    """From an object to rows of something else. `own` and `other`: the columns that are equal; `where` further limits the rows.

    What a row leads to is limited to a caller's scope: `named`: poller, host and service of another object that it names; `of`: of
    the host that it is about; `seen`: whatever else has to hold.
    """

    own: str
    other: str
    source: str
    where: str = ""
    to_many: bool = True
    named: tuple[str, ...] | None = None
    of: tuple[str, str] | None = None
    seen: Callable[[Scope], Condition] | None = None

    def holding(self, test: str) -> str:
        """The condition that one of the rows passes the test."""
        limits = f"{self.where} AND " if self.where else ""
        return f"({self.own}) IN (SELECT {self.other} FROM {self.source} WHERE {limits}{test})"

    def value(self, expression: str) -> str:
        """The value an object is sorted by: the smallest of its rows."""
        limits = f" AND {self.where}" if self.where else ""
        return f"(SELECT min({expression}) FROM {self.source} WHERE ({self.other}) = ({self.own}){limits})"


class Field(msgspec.Struct, frozen=True):
    """One field. `links` lead from the object outwards to where `sql` can be read.

    `guard`: what is true of every number of a WORD field but 0 and 4. `counted`: what `sql` is for a caller of that scope.
    """

    sql: str
    type: Type = Type.TEXT
    words: Mapping[str, int] | None = None
    links: tuple[Link, ...] = ()
    guard: str = ""
    sorts: str = ""
    counted: Callable[[Scope], str] | None = None

    def sort_value(self) -> str:
        """What rows are sorted by: `sorts`, where that is simpler than `sql` through its links."""
        if self.sorts:
            return self.sorts
        value = f"-({self.sql})" if self.type is Type.AGE else self.sql
        for link in reversed(self.links):
            value = link.value(value)
        return value

    def array(self, order: str = "1") -> str:
        """All its values as a JSON array, of a field that one link leads to; sorted by a column of its rows, or by themselves."""
        (link,) = self.links
        limits = f" AND {link.where}" if link.where else ""
        rows = f"SELECT {self.sql} AS value FROM {link.source} WHERE ({link.other}) = ({link.own}){limits} ORDER BY {order}"
        return f"(SELECT json_group_array(value) FROM ({rows}))"


class Variables(msgspec.Struct, frozen=True):
    """Custom variables, by what stands before their name. `sql` has {name} for it."""

    prefixes: tuple[str, ...]
    sql: str
    links: tuple[Link, ...] = ()


class Table(msgspec.Struct, frozen=True):
    """The fields of one kind of object. `tie`: what makes an order total; `scope`: of whom it is for."""

    fields: Mapping[str, Field]
    tie: tuple[str, ...]
    variables: tuple[Variables, ...] = ()
    scope: Scope = EVERYTHING

    def field(self, name: str) -> Field | None:
        """The field of that name, or of that custom variable, as it may be read."""
        found = self.fields.get(name) or next(filter(None, (_variable(kind, name) for kind in self.variables)), None)
        return _seen_by(self.scope, found) if found is not None and self.scope is not EVERYTHING else found


# A name stands in the SQL as a literal, so it has no quote, no backslash and no blank.
_VARIABLE_NAME = re.compile(r"\w[\w.:-]{0,99}")


def _variable(kind: Variables, name: str) -> Field | None:
    for prefix in kind.prefixes:
        bare = name[len(prefix) :]
        if name.startswith(prefix) and _VARIABLE_NAME.fullmatch(bare):
            return Field(kind.sql.replace("{name}", bare), links=kind.links)
    return None


# --- columns of the status file ---------------------------------------------------------------------------------------------

_TIMES = {"next_check", "next_notification", "acknowledgement_end_time"}
_FLAGS = {
    "has_been_checked", "acknowledged", "is_flapping", "checks_enabled", "accept_passive_checks", "notifications_enabled",
    "event_handler_enabled", "flap_detection_enabled", "process_performance_data", "obsess",
}  # fmt: skip
_NOT_SEARCHED = {"custom_variables", "block_hash", "last_update", "last_hard_state"}
_STATE_TYPES = {"SOFT": 0, "HARD": 1}
_CHECK_TYPES = {"ACTIVE": 0, "PASSIVE": 1}
_TYPES = {int: Type.INTEGER, float: Type.REAL, str: Type.TEXT}


def _status_field(row: type[HostStatus] | type[ServiceStatus], alias: str, name: str, states: Mapping[str, int]) -> Field:
    column = f"{alias}.{name}"
    if name == "state":
        return Field(f"iif({alias}.has_been_checked, {column}, {PENDING})", Type.WORD, states, guard=problem(alias))
    if name == "state_type":
        return Field(column, Type.WORD, _STATE_TYPES)
    if name == "check_type":
        return Field(column, Type.WORD, _CHECK_TYPES)
    if name in _FLAGS:
        return Field(f"{column} <> 0", Type.FLAG)
    if name in _TIMES or name.startswith("last_"):
        return Field(f"nullif({column}, 0)", Type.TIME)
    return Field(column, _TYPES[get_type_hints(row)[name]])


def problem(alias: str) -> str:
    """PROBLEM, word for word, so that SQLite recognises its partial indexes."""
    return PROBLEM.replace("state", f"{alias}.state").replace("has_been_checked", f"{alias}.has_been_checked")


def _status_fields(row: type[HostStatus] | type[ServiceStatus], alias: str, states: Mapping[str, int]) -> dict[str, Field]:
    fields = {name: _status_field(row, alias, name, states) for name in row._fields if name not in _NOT_SEARCHED}
    updated = f"(SELECT iif(p.kind = 'naemon', {alias}.last_update, p.created) FROM state.poller p WHERE p.number = {alias}.poller)"
    offset = f"(SELECT p.clock_offset_s FROM state.poller p WHERE p.number = {alias}.poller)"
    return fields | {
        "id": Field(f"{alias}.id", Type.INTEGER),
        "age_s": Field(f"nullif({alias}.last_state_change, 0) - {offset}", Type.AGE),
        "state_name": fields["state"],
        "last_hard_state": Field(f"{alias}.last_hard_state", Type.WORD, states),
        "last_update": Field(updated, Type.TIME),
        "problem": Field(problem(alias), Type.FLAG),
        "in_downtime": Field(f"{alias}.scheduled_downtime_depth > 0", Type.FLAG),
    }


# --- what stands elsewhere --------------------------------------------------------------------------------------------------

_HOST_KEY, _SERVICE_HOST_KEY, _SERVICE_KEY = "h.poller, h.name", "s.poller, s.host_name", "s.poller, s.host_name, s.description"
POLLER_WORDS = "(SELECT number, name AS word FROM state.poller UNION ALL SELECT number, CAST(number AS TEXT) FROM state.poller)"


def poller_fields(alias: str) -> dict[str, Field]:
    """The poller of rows that have its number, by number or name."""
    name = Field(f"(SELECT p.name FROM state.poller p WHERE p.number = {alias}.poller)")
    return {
        "poller": Field("pw.word", links=(Link(f"{alias}.poller", "pw.number", f"{POLLER_WORDS} pw"),), sorts=name.sql),
        "poller.id": Field(f"{alias}.poller", Type.INTEGER),
        "poller.name": name,
        "poller_name": name,
    }


def _member_of(own: str, kind: str) -> Field:
    service = ", gm.service_description" if kind == "servicegroup" else ""
    link = Link(own, f"gm.poller, gm.host_name{service}", "state.group_member gm", f"gm.kind = '{kind}'")
    return Field("gm.name", links=(link,))


def _group_id_of(own: str, kind: str) -> Field:
    """The ids of an object's groups, as tables.py has them."""
    (members,) = _member_of(own, kind).links
    group = Link("gm.poller, gm.name", "g.poller, g.name", "state.object_group g", f"g.kind = '{kind}'", to_many=False)
    return Field("g.id", Type.INTEGER, links=(members, group))


def _config_field(own: str, table: str, name: str, default: str, type: Type = Type.TEXT) -> Field:
    key = "c.poller, c.name" if table == "host_config" else "c.poller, c.host_name, c.description"
    found = f"(SELECT c.{name} FROM state.{table} c WHERE ({key}) = ({own}))"
    return Field(f"coalesce({found}, {default})", type)


def _config_fields(own: str, table: str, name: str) -> dict[str, Field]:
    """What the object cache says; `name` stands for an alias or display name where there is no cache."""
    texts = ("icon_image", "icon_image_alt", "notes", "notes_url", "action_url", "notification_options")
    fields = {text: _config_field(own, table, text, "''") for text in texts}
    fields["display_name"] = _config_field(own, table, "display_name", name)
    fields["notification_interval"] = _config_field(own, table, "notification_interval", "0", Type.REAL)
    fields["contacts"] = _config_list(own, table, "contacts")
    fields["contact_groups"] = fields["contactgroup"] = _config_list(own, table, "contact_groups")
    fields["contact"] = _contact(own)
    return fields


_CONTACTS = (
    "(SELECT y.poller, y.host_name, y.description, y.name AS contact FROM state.contact_of y WHERE y.kind = 'contact'"
    " UNION ALL SELECT y.poller, y.host_name, y.description, gm.host_name FROM state.contact_of y JOIN state.group_member gm"
    " ON gm.poller = y.poller AND gm.kind = 'contactgroup' AND gm.name = y.name WHERE y.kind = 'contactgroup'{0}) ct"
)


def _contact(own: str) -> Field:
    """Whom its problems are told to, also as a member of a contactgroup or by an escalation; `contacts` are those named."""
    is_host = own == _HOST_KEY
    other = "ct.poller, ct.host_name" + ("" if is_host else ", ct.description")
    link = Link(own, other, _CONTACTS.format(""), "ct.description = ''" if is_host else "ct.description <> ''")
    # As of children: looked through once, not for each object that is to be sorted.
    sorts = replace(link, source=_CONTACTS.format(" LIMIT -1")).value("ct.contact")
    return Field("ct.contact", links=(link,), sorts=sorts)


def _config_list(own: str, table: str, name: str) -> Field:
    key = "c.poller, c.name" if table == "host_config" else "c.poller, c.host_name, c.description"
    return Field("j.value", links=(Link(own, key, f"state.{table} c, json_each(c.{name}) j"),))


def _parents() -> Field:
    link = Link(_HOST_KEY, "c.poller, c.name", "state.host_config c, json_each(c.parents) j", named=("c.poller", "j.value"))
    return Field("j.value", links=(link,))


# LIMIT keeps SQLite from looking through all of it for each host that is to be sorted.
_CHILDREN = (
    "(SELECT c.poller AS poller, j.value AS name, c.name AS child FROM state.host_config c, json_each(c.parents) j"
    " WHERE c.parents <> '[]' LIMIT -1) ch"
)


def _children() -> Field:
    return Field("ch.child", links=(Link(_HOST_KEY, "ch.poller, ch.name", _CHILDREN, named=("ch.poller", "ch.child")),))


def _downtime_fields(own: str, is_service: int) -> dict[str, Field]:
    """The downtimes as they stand in the core, begun or not."""
    key = "d.poller, d.host_name, d.service_description" if is_service else "d.poller, d.host_name"
    links = (Link(own, key, "state.downtime d", f"d.is_service = {is_service}"),)
    return {
        "downtime.author": Field("d.author", links=links),
        "downtime.comment": Field("d.comment", links=links),
        "downtime.entry_time": Field("nullif(d.entry_time, 0)", Type.TIME, links=links),
        "downtime.start_time": Field("nullif(d.start_time, 0)", Type.TIME, links=links),
        "downtime.end_time": Field("nullif(d.end_time, 0)", Type.TIME, links=links),
        "downtime.duration": Field("d.duration", Type.REAL, links=links),
        "downtime.is_fixed": Field("d.fixed <> 0", Type.FLAG, links=links),
    }


def _comment_fields(own: str, is_service: int) -> dict[str, Field]:
    """Comments people made, and the acknowledgement's while there is one."""
    key = "m.poller, m.host_name, m.service_description" if is_service else "m.poller, m.host_name"
    users = (Link(own, key, "state.comment m", f"m.is_service = {is_service} AND m.entry_type = 1"),)
    acknowledged = (Link(own, key, "state.comment m", _of_acknowledgement(key, is_service)),)
    fields = {}
    for prefix, links in (("comment", users), ("acknowledgement", acknowledged)):
        fields[f"{prefix}.author"] = Field("m.author", links=links)
        fields[f"{prefix}.comment"] = Field("m.comment", links=links)
        fields[f"{prefix}.entry_time"] = Field("nullif(m.entry_time, 0)", Type.TIME, links=links)
        fields[f"{prefix}.is_persistent"] = Field("m.persistent <> 0", Type.FLAG, links=links)
    alias = own[0]
    sticky = f"({alias}.acknowledged <> 0 AND {alias}.acknowledgement_type = {_STICKY})"
    return fields | {"acknowledgement.is_sticky": Field(sticky, Type.FLAG)}


def _of_acknowledgement(key: str, is_service: int) -> str:
    """The newest of its kind, of an object that is acknowledged: a persistent one outlives what it was made for."""
    objects = "a.poller, a.host_name, a.description FROM state.service a" if is_service else "a.poller, a.name FROM state.host a"
    newer = (
        "SELECT 1 FROM state.comment n WHERE n.poller = m.poller AND n.host_name = m.host_name AND n.entry_type = 4"
        " AND n.service_description IS m.service_description AND (n.entry_time, n.core_id) > (m.entry_time, m.core_id)"
    )
    return (
        f"m.is_service = {is_service} AND m.entry_type = 4 AND NOT EXISTS ({newer})"
        f" AND ({key}) IN (SELECT {objects} WHERE a.acknowledged <> 0)"
    )


def variable_in(variables: str) -> str:
    """One of the custom variables in a JSON object, `{name}` for its name; names have no case."""
    return f"(SELECT j.value FROM json_each({variables}) j WHERE j.key = '{{name}}' COLLATE NOCASE LIMIT 1)"


def _variable_sql(alias: str, own: str, table: str) -> str:
    """A custom variable as the core has it now, else as it was configured."""
    configured = _config_field(own, table, "custom_variables", "'{}'").sql
    return f"coalesce({variable_in(f'{alias}.custom_variables')}, {variable_in(configured)})"


# --- the tables -------------------------------------------------------------------------------------------------------------

_HANDLED = "({0}.acknowledged <> 0 OR {0}.scheduled_downtime_depth > 0)"  # word for word as the index host_handled has it
_HANDLED_BY_HOST = f"({_SERVICE_HOST_KEY}) IN (SELECT h.poller, h.name FROM state.host h WHERE {_HANDLED.format('h')})"


def _handled_fields(alias: str, handled: str) -> dict[str, Field]:
    """Somebody takes care: acknowledged or in downtime, itself or (a service) its host."""
    return {"handled": Field(handled, Type.FLAG), "unhandled": Field(f"{problem(alias)} AND NOT {handled}", Type.FLAG)}


def _own_host_fields() -> dict[str, Field]:
    fields = _status_fields(HostStatus, "h", HOST_STATES) | _config_fields(_HOST_KEY, "host_config", "h.name")
    fields |= poller_fields("h") | _downtime_fields(_HOST_KEY, 0) | _comment_fields(_HOST_KEY, 0)
    fields |= _handled_fields("h", _HANDLED.format("h"))
    fields["alias"] = _config_field(_HOST_KEY, "host_config", "alias", "h.name")
    fields["address"] = _config_field(_HOST_KEY, "host_config", "address", "''")
    fields["parents"] = fields["parent"] = _parents()
    fields["children"] = fields["child"] = _children()
    fields["hostgroup"] = fields["groups"] = _member_of(_HOST_KEY, "hostgroup")
    fields["hostgroup_id"] = _group_id_of(_HOST_KEY, "hostgroup")
    return fields


def _own_service_fields() -> dict[str, Field]:
    fields = _status_fields(ServiceStatus, "s", SERVICE_STATES) | _config_fields(_SERVICE_KEY, "service_config", "s.description")
    fields |= poller_fields("s") | _downtime_fields(_SERVICE_KEY, 1) | _comment_fields(_SERVICE_KEY, 1)
    fields |= _handled_fields("s", f"({_HANDLED.format('s')} OR {_HANDLED_BY_HOST})")
    fields["service"] = fields["description"]
    fields["servicegroup"] = _member_of(_SERVICE_KEY, "servicegroup")
    fields["servicegroup_id"] = _group_id_of(_SERVICE_KEY, "servicegroup")
    fields["hostgroup"] = _member_of(_SERVICE_HOST_KEY, "hostgroup")
    fields["hostgroup_id"] = _group_id_of(_SERVICE_HOST_KEY, "hostgroup")
    return fields


def below(link: Link, field: Field) -> Field:
    """The field as it is read from further out."""
    sorts = link.value(field.sorts) if field.sorts else ""
    return replace(field, links=(link, *field.links), sorts=sorts)


def _through(link: Link, prefix: str, fields: Mapping[str, Field]) -> dict[str, Field]:
    return {f"{prefix}.{name}": below(link, field) for name, field in fields.items()}


def of_its_host(link: Link, fields: Mapping[str, Field]) -> dict[str, Field]:
    """`host.X` of something that is a service's: what is not shown beside it is for those who see the host."""
    hidden = guarded(link)
    return {f"host.{name}": below(link if name in SHOWN_OF_HOST else hidden, field) for name, field in fields.items()}


def guarded(link: Link) -> Link:
    """A link to a host, for what only they may read who see that host."""
    return replace(link, of=("h.poller", "h.name"))


# What every dialect shows of a service's host to whoever sees the service.
SHOWN_OF_HOST = frozenset({
    "id", "name", "host_name", "alias", "display_name", "address", "state", "state_name", "has_been_checked", "problem",
    "acknowledged", "scheduled_downtime_depth", "in_downtime", "handled", "unhandled", "hostgroup", "hostgroup_id", "groups",
    "poller", "poller.id", "poller.name", "poller_name",
})  # fmt: skip
_TO_HOST = Link(_SERVICE_HOST_KEY, "h.poller, h.name", "state.host h", to_many=False)
# By name few hosts are found: their services are sought from there, not each service looked at.
_FROM_HOST = "state.host h CROSS JOIN state.service o ON o.poller = h.poller AND o.host_name = h.name"
_HOST_NAME = Field("h.name", links=(Link("s.rowid", "o.rowid", _FROM_HOST, to_many=False),), sorts="s.host_name")
_TO_SERVICES = Link(_HOST_KEY, "s.poller, s.host_name", "state.service s")
_HOST_FIELDS = _own_host_fields()
_SERVICE_FIELDS = _own_service_fields()
HOST_VARIABLE = _variable_sql("h", _HOST_KEY, "host_config")
SERVICE_VARIABLE = _variable_sql("s", _SERVICE_KEY, "service_config")

HOSTS = Table(
    {
        **_HOST_FIELDS,
        **{f"host.{name}": field for name, field in _HOST_FIELDS.items()},
        **_through(_TO_SERVICES, "service", _SERVICE_FIELDS),
        "host": _HOST_FIELDS["name"],
        "service": replace(_SERVICE_FIELDS["description"], links=(_TO_SERVICES,)),
        **{name: below(_TO_SERVICES, _SERVICE_FIELDS[name]) for name in ("servicegroup", "servicegroup_id")},
    },
    ("h.poller", "h.name"),
    (
        Variables(("host._", "host.variable.", "variable.", "_"), HOST_VARIABLE),
        Variables(("service._", "service.variable."), SERVICE_VARIABLE, (_TO_SERVICES,)),
    ),
)
"""Of a host. `service.X` is about its services: at least one of them passes."""

# Of a service's host, by the names that lists show them under.
_BESIDE_A_SERVICE = ("id", "state_name", "acknowledged", "scheduled_downtime_depth")

SERVICES = Table(
    {
        **_SERVICE_FIELDS,
        **{f"service.{name}": field for name, field in _SERVICE_FIELDS.items()},
        **of_its_host(_TO_HOST, _HOST_FIELDS),
        **{f"host_{name}": below(_TO_HOST, _HOST_FIELDS[name]) for name in _BESIDE_A_SERVICE},
        **dict.fromkeys(("host", "host_name", "host.name", "host.host_name", "service.host_name"), _HOST_NAME),
    },
    ("s.poller", "s.host_name", "s.description"),
    (
        Variables(("host._", "host.variable."), HOST_VARIABLE, (guarded(_TO_HOST),)),
        Variables(("service._", "service.variable.", "variable.", "_"), SERVICE_VARIABLE),
    ),
)
"""Of a service. `host.X` is about its host."""


def _both(fields: Mapping[str, Field], words: Mapping[str, int]) -> dict[str, Field]:
    """States by the words of the other kind as well, which none of this kind is in."""
    others = dict.fromkeys(words, -1)
    return {name: replace(field, words=others | dict(field.words)) if field.words else field for name, field in fields.items()}


def _nothing(field: Field) -> Field:
    return Field("NULL", field.type, field.words)


_SERVICE_ONLY = {name: _nothing(field) for name, field in SERVICES.fields.items() if not name.startswith("host.")}
PROBLEM_HOSTS = Table(
    _both(
        _SERVICE_ONLY
        | {name: field for name, field in _HOST_FIELDS.items() if name in _SERVICE_FIELDS}
        | {name: _nothing(field) for name, field in SERVICES.fields.items() if name.startswith("service.")}
        | {name: field for name, field in HOSTS.fields.items() if name.startswith("host.")}
        | {f"host_{name}": _HOST_FIELDS[name] for name in _BESIDE_A_SERVICE}
        | {"host": _HOST_FIELDS["name"], "behind_host": Field("0", Type.FLAG)},
        SERVICE_STATES,
    ),
    HOSTS.tie,
    HOSTS.variables,
)
PROBLEM_SERVICES = Table(
    _both({**SERVICES.fields, "behind_host": SERVICES.fields["host.problem"]}, HOST_STATES), SERVICES.tie, SERVICES.variables
)
"""Of hosts and services in one list: a host has no service's fields; `host.X` is about it itself."""


# --- what limits them -------------------------------------------------------------------------------------------------------


def names_others(field: Field) -> bool:
    """Whether its values are names of hosts that the caller may not see."""
    return any(link.named for link in field.links)


def seen_by(scope: Scope, table: Table) -> Table:
    """The table as it is for a caller of that scope."""
    return table if scope == EVERYTHING else replace(table, scope=scope)


def _seen_by(scope: Scope, field: Field) -> Field:
    if field.counted is not None:
        field = replace(field, sql=field.counted(scope))
    if not any(link.named or link.of or link.seen for link in field.links):
        return field
    return replace(field, links=tuple(_limited(scope, link) for link in field.links), sorts="")


def _limited(scope: Scope, link: Link) -> Link:
    of = link.named or (link.of if scope.rights is not None else None)  # who is limited otherwise sees the host of what he sees
    limits: list[Condition] = [scope.sql(*of)] if of is not None else []
    limits += [link.seen(scope)] if link.seen is not None else []
    where = [link.where, *(f"({written_out(limit)})" for limit in limits)]
    return replace(link, where=" AND ".join(filter(None, where)))
