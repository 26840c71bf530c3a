"""Selectors as SQL conditions over hosts (`h`) and services (`s`) with their configuration (`c`), and as answers repeat them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from api.cgi.json_cgis.names import Found, Named, Sight
from api.cgi.json_cgis.options import Asked
from api.cgi.json_cgis.output import Output
from api.cgi.json_cgis.words import TIME_COLUMNS
from engine.state.scope import Condition

HOST_STATUS_SQL = "CASE WHEN h.has_been_checked = 0 THEN 1 WHEN h.state = 0 THEN 2 WHEN h.state = 1 THEN 4 ELSE 8 END"
SERVICE_STATUS_SQL = (
    "CASE WHEN s.has_been_checked = 0 THEN 1 WHEN s.state = 0 THEN 2 WHEN s.state = 1 THEN 4 WHEN s.state = 2 THEN 16 ELSE 8 END"
)
SERVICES_OF_GROUP = (
    "SELECT m.poller, m.host_name, m.service_description FROM state.group_member m WHERE m.kind = 'servicegroup' AND m.name = ?"
)
_COMMAND = "substr({0}, 1, instr({0} || '!', '!') - 1) = ?"
_HAS = "EXISTS (SELECT 1 FROM json_each({0}) j WHERE j.value = ?)"
_THROUGH_GROUP = (
    "EXISTS (SELECT 1 FROM json_each(c.contact_groups) j JOIN state.group_member m ON m.kind = 'contactgroup'"
    " AND m.name = j.value AND m.poller = c.poller AND m.host_name = ?)"
)


def last_update(alias: str) -> str:
    """When a row was last written, see state/views.py; `p` is the poller."""
    return f"iif(p.kind = 'naemon', {alias}.last_update, p.created)"


def host_conditions(sight: Sight, asked: Asked, found: Found) -> list[Condition]:
    """Which hosts: all selectors but the state."""
    conditions = [
        sight.hosts("h.poller", "h.name"),
        *related(found, "h.poller", "h.name"),
        *in_hostgroup(asked, "h.poller", "h.name"),
    ]
    conditions += told(asked)
    conditions += _configured(asked, "h", "hostnotificationtimeperiod")
    return conditions + _timed(asked, "h", "hosttimefield")


def service_conditions(sight: Sight, asked: Asked, found: Found) -> list[Condition]:
    """Which services: all selectors but the state.

    As in the originals, lists show the services of hosts in sight: a contact of a service alone sees it when asking for it.
    """
    conditions = [sight.services("s.poller", "s.host_name", "s.description")]
    conditions += [sight.hosts("s.poller", "s.host_name")] if sight.is_limited else []
    conditions += related(found, "s.poller", "s.host_name")
    conditions += in_hostgroup(asked, "s.poller", "s.host_name")
    conditions += in_servicegroup(asked, "s.poller", "s.host_name", "s.description")
    host = found.hosts.get("hostname")
    if host is not None:
        conditions.append(("s.poller = ? AND s.host_name = ?", list(host)))
    description = asked.text("servicedescription")
    if description is not None:
        conditions.append(("s.description = ?", [description]))
    conditions += told(asked)
    conditions += _configured(asked, "s", "servicenotificationtimeperiod")
    conditions += _of_family(asked)
    hosts = asked.mask("hoststatus")
    if hosts is not None:
        query = f"(s.poller, s.host_name) IN (SELECT h.poller, h.name FROM state.host h WHERE ({HOST_STATUS_SQL}) & ?)"
        conditions.append((query, [hosts]))
    return conditions + _timed(asked, "s", "servicetimefield")


def related(found: Found, poller: str, host: str) -> list[Condition]:
    """Hosts right below or right above another one, or no other one."""
    conditions: list[Condition] = []
    if "parenthost" in found.hosts:
        conditions.append(_below(found.hosts["parenthost"], poller, host))
    if "childhost" in found.hosts:
        conditions.append(_above(found.hosts["childhost"], poller, host))
    return conditions


def _below(parent: Named | None, poller: str, host: str) -> Condition:
    if parent is None:
        return f"({poller}, {host}) NOT IN (SELECT r.poller, r.name FROM state.host_config r WHERE r.parents <> '[]')", []
    query = "SELECT r.name FROM state.host_config r, json_each(r.parents) j WHERE r.poller = ? AND j.value = ?"
    return f"({poller} = ? AND {host} IN ({query}))", [parent.poller, *parent]


def _above(child: Named | None, poller: str, host: str) -> Condition:
    if child is None:
        parents = "SELECT r.poller, j.value FROM state.host_config r, json_each(r.parents) j WHERE r.parents <> '[]'"
        return f"({poller}, {host}) NOT IN ({parents})", []
    query = "SELECT j.value FROM state.host_config r, json_each(r.parents) j WHERE r.poller = ? AND r.name = ?"
    return f"({poller} = ? AND {host} IN ({query}))", [child.poller, *child]


def in_hostgroup(asked: Asked, poller: str, host: str, option: str = "hostgroup") -> list[Condition]:
    """Members of the hostgroup."""
    name = asked.text(option)
    members = "SELECT m.poller, m.host_name FROM state.group_member m WHERE m.kind = 'hostgroup' AND m.name = ?"
    return [] if name is None else [(f"({poller}, {host}) IN ({members})", [name])]


def in_servicegroup(asked: Asked, poller: str, host: str, description: str, option: str = "servicegroup") -> list[Condition]:
    """Members of the servicegroup."""
    name = asked.text(option)
    return [] if name is None else [(f"({poller}, {host}, {description}) IN ({SERVICES_OF_GROUP})", [name])]


def told(asked: Asked) -> list[Condition]:
    """Whose problems the contact or the contactgroup is told of."""
    conditions: list[Condition] = []
    contact, group = asked.text("contactname"), asked.text("contactgroup")
    if contact is not None:
        conditions.append((f"({_HAS.format('c.contacts')} OR {_THROUGH_GROUP})", [contact, contact]))
    if group is not None:
        conditions.append((_HAS.format("c.contact_groups"), [group]))
    return conditions


def _configured(asked: Asked, alias: str, period: str) -> list[Condition]:
    columns = {
        "checktimeperiod": f"coalesce(c.check_period, {alias}.check_period) = ?",
        period: f"coalesce(c.notification_period, {alias}.notification_period) = ?",
        "checkcommand": _COMMAND.format(f"coalesce(c.check_command, {alias}.check_command)"),
        "eventhandler": _COMMAND.format(f"{alias}.event_handler"),
    }
    given = {option: asked.text(option) for option in columns}
    return [(columns[option], [name]) for option, name in given.items() if name is not None]


def _of_family(asked: Asked) -> list[Condition]:
    """Services by what they hang on. Only the description counts, on whichever host."""
    conditions: list[Condition] = []
    own = "r.poller = s.poller AND r.{0}host_name = s.host_name AND r.{0}service_description = s.description"
    for option, mine, other in (
        ("parentservice", "", "parent_service_description"),
        ("childservice", "parent_", "service_description"),
    ):
        name = asked.text(option)
        query = f"SELECT 1 FROM state.service_parent r WHERE {own.format(mine)}"
        if name == "none":
            conditions.append((f"NOT EXISTS ({query})", []))
        elif name is not None:
            conditions.append((f"EXISTS ({query} AND r.{other} = ?)", [name]))
    return conditions


def _timed(asked: Asked, alias: str, option: str) -> list[Condition]:
    name = asked.text(option)
    if name is None:
        return []
    column = TIME_COLUMNS[option].get(name)
    expression = last_update(alias) if column is None else f"{alias}.{column}"
    return between(asked, f"CAST({expression} AS INTEGER)")


def between(asked: Asked, expression: str) -> list[Condition]:
    """From `starttime` to `endtime`, both included."""
    start, end = asked.number("starttime"), asked.number("endtime")
    conditions: list[Condition] = [(f"{expression} >= ?", [start])] if start > 0 else []
    return conditions + ([(f"{expression} <= ?", [end])] if end > 0 else [])


# --- as the answers repeat them -------------------------------------------------------------------------------------------------


def repeated(asked: Asked, output: Output, names: Iterable[str], keys: Mapping[str, str] | None = None) -> dict[str, object]:
    """The selectors of these options that narrow the answer, written as asked for; `keys`: what an answer calls them otherwise."""
    written: dict[str, object] = {}
    for name in names:
        value = _written(asked, output, name)
        if value is not None:
            written[(keys or {}).get(name, name)] = value
    return written


def _written(asked: Asked, output: Output, name: str) -> object:
    option = asked.surface.options[name]
    value = asked.values.get(name)
    if value is None:
        return None
    if isinstance(value, frozenset):
        mask = asked.mask(name)
        return None if mask == sum(option.values.values()) else output.mask(option.values)(mask)
    if isinstance(value, str):
        return output.word(option.values)(option.values[value]) if option.type == "enumeration" else value
    if isinstance(value, bool):
        return value
    if option.type == "time":
        return output.time(value) if value > 0 else None
    return value if value > 0 or name == "triggeredby" else None
