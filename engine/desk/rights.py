"""Whether a contact may command what a call is for: what a core's own CGI configuration says of it, whichever dialect asks.

The rights come with the caller (state/rights.py); a caller without any is bound by role and scope alone. Both must allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.commands.catalogue import Row, Subject, known_row
from engine.commands.row import GROUPS
from engine.config import Poller
from engine.desk.orders import Order
from engine.desk.resolve import Resolver
from engine.desk.subjects import subjects_of
from engine.desk.values import Caller, Life
from engine.errors import Forbidden
from engine.model import ObjectKey
from engine.state.rights import ContactRights
from engine.state.views import Reader

_MEMBERS = "SELECT DISTINCT poller, host_name, {0} FROM state.group_member WHERE poller = ? AND kind = ? AND name = ?"


def check_orders(reader: Reader, caller: Caller, orders: Iterable[Order]) -> None:
    """Raises Forbidden for the first order the caller's rights as a contact do not allow."""
    rights = caller.rights
    if rights is None:
        return
    for command, key, name in dict.fromkeys((order.row.name, order.found.key, order.found.name) for order in orders):
        if not may_command(reader, rights, known_row(command), key, name):
            raise _forbidden(rights, f"{command} on {_label(key, name)}")


def check_withdrawal(reader: Reader, caller: Caller, pollers: Mapping[int, Poller], life: Life) -> None:
    """Raises what keeps the caller from sending that command himself: who may not send it does not withdraw somebody else's."""
    rights = caller.rights
    if not caller.scope.is_limited and rights is None:
        return
    row = known_row(life.command)
    found = subjects_of(Resolver(reader, caller.scope, pollers), row, life.arguments, life.poller)
    for each in found:
        if rights is not None and not may_command(reader, rights, row, each.key, each.name):
            raise _forbidden(rights, f"{row.name} on {_label(each.key, each.name)}")


def check_objects(reader: Reader, caller: Caller, keys: Iterable[ObjectKey]) -> None:
    """The same of commands on these objects themselves."""
    if caller.rights is None:
        return
    for key in dict.fromkeys(keys):
        if not _may_command_object(reader, caller.rights, key):
            raise _forbidden(caller.rights, _label(key, ""))


def may_command(reader: Reader, rights: ContactRights, row: Row, key: ObjectKey, name: str = "") -> bool:
    """Whether such a command on an object, or (`name`) on a group, is allowed; of a group: on every member."""
    if row.subject in GROUPS:
        is_hostgroup = row.subject is Subject.HOSTGROUP
        query = _MEMBERS.format("NULL" if is_hostgroup else "service_description")
        found = reader.connection.execute(query, (key.poller, row.subject.value, name)).fetchall()
        return all(_may_command_object(reader, rights, ObjectKey(*member)) for member in found)
    if key.host:
        return _may_command_object(reader, rights, key)
    return _is_true(reader, rights.commands_system("k.poller"), key)


def _may_command_object(reader: Reader, rights: ContactRights, key: ObjectKey) -> bool:
    if key.service is None:
        return _is_true(reader, rights.commands_host("k.poller", "k.host"), key)
    return _is_true(reader, rights.commands_service("k.poller", "k.host", "k.service"), key)


def _is_true(reader: Reader, condition: tuple[str, Sequence[object]], key: ObjectKey) -> bool:
    sql, values = condition
    query = f"WITH k(poller, host, service) AS (SELECT ?, ?, ?) SELECT {sql} FROM k"
    return bool(reader.connection.execute(query, [*key, *values]).fetchone()[0])


def _label(key: ObjectKey, name: str) -> str:
    if not key.host:
        return name or "the core itself"
    return key.host if key.service is None else f"{key.host} / {key.service}"


def _forbidden(rights: ContactRights, what: str) -> Forbidden:
    why = (
        "commands are off while use_authentication is 0" if rights.is_open else f"the contact {rights.contact} may not command that"
    )
    return Forbidden(f"{what}: {why}, says the core's CGI configuration.", right="contact")
