"""What a core's contacts may see and command: the rights its CGI configuration gives, as SQL conditions. Pure.

A right is given by name, or to the members of contact groups, which each core has of its own: so rights hold per poller. The
conditions read the tables `state.contact_of`, `state.group_member` and `state.contact`.

Source: Nagios 4.4.6 cgi/cgiauth.c; the original's answers for every user, object and command are compared in tests/system.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

import msgspec

from engine.formats.cgicfg import EVERYBODY, CgiConfig

Condition = tuple[str, Sequence[object]]
"""A complete boolean SQL expression and its parameters."""


class Right(StrEnum):
    """What `authorized_for_…` and `authorized_contactgroup_for_…` lists give."""

    ALL_HOSTS = "all_hosts"
    ALL_SERVICES = "all_services"
    ALL_HOST_COMMANDS = "all_host_commands"
    ALL_SERVICE_COMMANDS = "all_service_commands"
    SYSTEM_COMMANDS = "system_commands"
    SYSTEM_INFORMATION = "system_information"
    CONFIGURATION_INFORMATION = "configuration_information"
    READ_ONLY = "read_only"


class ContactRights(msgspec.Struct, frozen=True):
    """One user's rights. `groups`: contact groups whose members have a right. `is_open`: all is seen and nothing commanded.

    `of_few`: conditions are written for looking at a few objects, one by one; else for finding all there are.
    """

    contact: str
    named: frozenset[Right] = frozenset()
    groups: tuple[tuple[Right, frozenset[str]], ...] = ()
    is_open: bool = False
    of_few: bool = False

    def has(self, right: Right, poller: str) -> Condition:
        """Whether this right is given on the poller whose number that SQL expression holds."""
        if self.is_open and right in _SEEING:
            return "1", ()
        if self.is_open or right in self.named:
            return ("0" if self.is_open else "1"), ()
        names = next((names for given, names in self.groups if given is right), frozenset())
        return _member_of(names, self.contact, poller) if names else ("0", ())

    def sees_host(self, poller: str, host: str) -> Condition:
        """All hosts, or a contact (or escalation contact) of this one."""
        return _either(self.has(Right.ALL_HOSTS, poller), self.of_host(poller, host))

    def sees_service(self, poller: str, host: str, service: str) -> Condition:
        """All services, or whoever may see the host, or a contact (or escalation contact) of the service."""
        of_it = self._of(poller, f"{host}, {service}", is_host=False)
        return _either(self.has(Right.ALL_SERVICES, poller), self.sees_host(poller, host), of_it)

    def sees(self, poller: str, host: str, service: str | None) -> Condition:
        """A host (no `service`), or whatever the expression `service` holds: '' or NULL for a host."""
        if service is None:
            return self.sees_host(poller, host)
        (of_host, host_values), (of_service, values) = self.sees_host(poller, host), self.sees_service(poller, host, service)
        return f"CASE WHEN coalesce({service}, '') = '' THEN {of_host} ELSE {of_service} END", [*host_values, *values]

    @property
    def sees_everything(self) -> bool:
        """Every host and every service, on every core."""
        return self.is_open or {Right.ALL_HOSTS, Right.ALL_SERVICES} <= self.named

    def commands_host(self, poller: str, host: str) -> Condition:
        """Sees it, may submit commands, and is its contact or has the right to command all hosts."""
        given = _either(self.of_host(poller, host), self.has(Right.ALL_HOST_COMMANDS, poller))
        return _both(self.commands_at_all(poller), self.sees_host(poller, host), given)

    def commands_service(self, poller: str, host: str, service: str) -> Condition:
        """The same of a service: its host's contacts count, too."""
        of_it = self._of(poller, f"{host}, {service}", is_host=False)
        given = _either(self.of_host(poller, host), of_it, self.has(Right.ALL_SERVICE_COMMANDS, poller))
        return _both(self.commands_at_all(poller), self.sees_service(poller, host, service), given)

    def commands_system(self, poller: str) -> Condition:
        """May command the core itself."""
        return _both(_not(self.has(Right.READ_ONLY, poller)), self.has(Right.SYSTEM_COMMANDS, poller))

    def commands_at_all(self, poller: str) -> Condition:
        """Not one who may only read, nor a contact who must not submit commands."""
        if self.is_open:
            return "0", ()
        barred = "SELECT x.poller FROM state.contact x WHERE x.name = ? AND x.can_submit_commands = 0"
        return _both(_not(self.has(Right.READ_ONLY, poller)), (f"{poller} NOT IN ({barred})", (self.contact,)))

    def of_host(self, poller: str, host: str) -> Condition:
        """Is a contact or an escalation contact of the host."""
        return self._of(poller, host, is_host=True)

    def _of(self, poller: str, keys: str, *, is_host: bool) -> Condition:
        columns = "y.poller, y.host_name" if is_host else "y.poller, y.host_name, y.description"
        which = "y.description = ''" if is_host else "y.description <> ''"
        groups = "SELECT gm.poller, gm.name FROM state.group_member gm WHERE gm.kind = 'contactgroup' AND gm.host_name = ?"
        if self.of_few:
            this = f"({columns}) = ({poller}, {keys}) AND {which}"
            return (
                f"(EXISTS (SELECT 1 FROM state.contact_of y WHERE y.kind = 'contact' AND y.name = ? AND {this})"
                f" OR EXISTS (SELECT 1 FROM ({groups}) g JOIN state.contact_of y"
                f" ON y.kind = 'contactgroup' AND y.name = g.name AND y.poller = g.poller WHERE {this}))",
                (self.contact, self.contact),
            )
        return (
            f"({poller}, {keys}) IN (SELECT {columns} FROM state.contact_of y WHERE {which} AND y.kind = 'contact' AND y.name = ?"
            f" UNION SELECT {columns} FROM ({groups}) g JOIN state.contact_of y"
            f" ON y.kind = 'contactgroup' AND y.name = g.name AND y.poller = g.poller WHERE {which})",
            (self.contact, self.contact),
        )


_SEEING = frozenset({Right.ALL_HOSTS, Right.ALL_SERVICES, Right.SYSTEM_INFORMATION, Right.CONFIGURATION_INFORMATION})


def _member_of(groups: Collection[str], contact: str, poller: str) -> Condition:
    named = f"gm.name IN ({','.join('?' * len(groups))})"
    member = f"SELECT gm.poller FROM state.group_member gm WHERE gm.kind = 'contactgroup' AND {named} AND gm.host_name = ?"
    return f"{poller} IN ({member})", (*sorted(groups), contact)


def _either(*conditions: Condition) -> Condition:
    if any(sql == "1" for sql, _ in conditions):
        return "1", ()
    return _joined(" OR ", [one for one in conditions if one[0] != "0"], "0")


def _both(*conditions: Condition) -> Condition:
    if any(sql == "0" for sql, _ in conditions):
        return "0", ()
    return _joined(" AND ", [one for one in conditions if one[0] != "1"], "1")


def _not(condition: Condition) -> Condition:
    sql, values = condition
    return {"0": "1", "1": "0"}.get(sql, f"NOT ({sql})"), values


def _joined(word: str, conditions: Sequence[Condition], nothing: str) -> Condition:
    if not conditions:
        return nothing, ()
    return f"({word.join(sql for sql, _ in conditions)})", [value for _, values in conditions for value in values]


def rights_of(config: CgiConfig, user: str, *, is_default: bool = False) -> ContactRights:
    """What a core's CGI configuration gives that user. `is_default`: nobody logged in, and it names this user for that."""
    named: set[Right] = set()
    groups: dict[Right, frozenset[str]] = {}
    for grant in config.grants:
        right = Right(grant.right)
        if grant.to_groups:
            groups[right] = groups.get(right, frozenset()) | grant.names
        elif EVERYBODY in grant.names or (user in grant.names and not (is_default and grant.before_default_user)):
            named.add(right)
    return ContactRights(user, frozenset(named), tuple(groups.items()), is_open=not config.use_authentication)
