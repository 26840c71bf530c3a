"""Commands by name where kinds of core differ: what a core would do nothing for, or too much, is never sent as it was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.commands.catalogue import CATALOGUE
from engine.config import Poller, Settings
from engine.desk.checks import Asked
from engine.desk.generic import generic_orders
from engine.desk.orders import checks
from engine.desk.resolve import Found
from engine.desk.values import Caller
from engine.errors import Forbidden, InvalidField
from engine.model import CoreKind, ObjectKey

MEMBERS = (ObjectKey(1, "web01", "HTTP"), ObjectKey(1, "web02", "HTTP"))
DANGEROUS = ("DEL_DOWNTIME_BY_HOST_NAME", "LOG")


def asked(role: str = "admin") -> Asked:
    return Asked(Caller("ann", "ann", role), "ann", 1_795_000_000.0, Settings(dangerous_commands=DANGEROUS))


def found(kind: CoreKind, key: ObjectKey, name: str = "", members: tuple[ObjectKey, ...] = ()) -> Found:
    poller = Poller(1, "core", kind, Path("/cmd"), Path("/status"), Path("/log"))
    return Found(key, poller, None, None, ("HTTP", "SSH"), name, members)


def test_centreon_gets_a_hostgroup_s_switch_as_those_of_its_members() -> None:
    """Centreon Engine takes the group's command and does nothing."""
    group = found(CoreKind.CENTREON, ObjectKey(1, ""), "web", MEMBERS)
    orders = generic_orders(asked(), group, CATALOGUE["DISABLE_HOSTGROUP_SVC_CHECKS"], {"hostgroup": "web"})
    assert [(order.row.name, order.arguments) for order in orders] == [
        ("DISABLE_SVC_CHECK", {"host": key.host, "service": key.service}) for key in MEMBERS
    ]
    group = found(CoreKind.NAGIOS, ObjectKey(1, ""), "web", MEMBERS)
    (order,) = generic_orders(asked(), group, CATALOGUE["DISABLE_HOSTGROUP_SVC_CHECKS"], {"hostgroup": "web"})
    named = [f"{key.host};{key.service}" for key in MEMBERS]
    assert order.arguments == {"hostgroup": "web", "members": named}, "whom it is meant for stays known when others come"


def test_icinga_2_is_not_asked_to_delete_more_than_was_meant() -> None:
    """There the filter does not hold for the host's own downtimes: all of them would go."""
    row, host = CATALOGUE["DEL_DOWNTIME_BY_HOST_NAME"], ObjectKey(1, "web01")
    for given in ({"comment": "work"}, {"start": 1_795_000_000}):
        with pytest.raises(InvalidField):
            generic_orders(asked(), found(CoreKind.ICINGA2, host), row, {"host": "web01", **given})
        assert generic_orders(asked(), found(CoreKind.NAGIOS, host), row, {"host": "web01", **given})
    assert generic_orders(asked(), found(CoreKind.ICINGA2, host), row, {"host": "web01"})


def test_nobody_writes_our_marks_into_a_log() -> None:
    """Naemon's LOG writes any line: a command would be taken for executed."""
    core, row = found(CoreKind.NAEMON, ObjectKey(1, "")), CATALOGUE["LOG"]
    for text in ("EXTERNAL COMMAND: _SIGNALBOX_E0123456789abcdef;", "signalbox_b1"):
        with pytest.raises(Forbidden) as told:
            generic_orders(asked(), core, row, {"text": text})
        assert told.value.facts["right"] == "mark"
    assert generic_orders(asked(), core, row, {"text": "work begins"})


def test_no_order_for_what_is_dangerous_is_made_for_anybody_but_admins() -> None:
    """Another way to it than by its name would be open."""
    with pytest.raises(Forbidden):
        generic_orders(asked("operator"), found(CoreKind.NAEMON, ObjectKey(1, "")), CATALOGUE["LOG"], {"text": "x"})
    with pytest.raises(Forbidden):
        generic_orders(asked(), found(CoreKind.NAGIOS, ObjectKey(1, "")), CATALOGUE["DISABLE_NOTIFICATIONS"], {})


def test_a_host_s_services_are_checked_one_by_one_where_the_core_would_lose_some() -> None:
    host = ObjectKey(1, "web01")
    names = [order.row.name for order in checks(asked(), found(CoreKind.NAGIOS, host), None, True, True)]
    assert names == ["SCHEDULE_FORCED_HOST_CHECK", "SCHEDULE_FORCED_HOST_SVC_CHECKS"]
    orders = checks(asked(), found(CoreKind.ICINGA2, host), None, True, True)
    assert [(order.row.name, order.arguments.get("service")) for order in orders] == [
        ("SCHEDULE_FORCED_HOST_CHECK", None), ("SCHEDULE_FORCED_SVC_CHECK", "HTTP"), ("SCHEDULE_FORCED_SVC_CHECK", "SSH"),
    ]  # fmt: skip
