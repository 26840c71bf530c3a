"""Features switched on and off by PATCH: of a host, a service, a group's members, a whole core.

Which there are, and by which command, the catalogue says; bodies are made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec

from api.native.operation import Answer, Call, Operation, Verb
from api.native.outcome import FAILURES, Outcome, outcome
from api.native.requests import Body, WaitQuery, doc
from engine.commands.catalogue import SWITCHES, Row, Subject
from engine.errors import InvalidField


class SwitchQuery(WaitQuery, frozen=True, kw_only=True):
    """How long to wait, and which poller."""

    poller: Annotated[str, doc("name or number of the poller, where the host stands on several", min_length=1)] = ""


class GroupSwitchQuery(WaitQuery, frozen=True, kw_only=True):
    """How long to wait, and on which poller."""

    poller: Annotated[str, doc("name or number of one poller; absent: every poller that has the group", min_length=1)] = ""


def _described(rows: Mapping[bool, Row]) -> Any:
    dangerous = [word for on, word in ((True, "on"), (False, "off")) if rows[on].danger]
    note = f"; switching it {dangerous[0]} is dangerous: {rows[dangerous[0] == 'on'].danger}" if dangerous else ""
    return Annotated[bool | None, doc(f"by {rows[True].name} and {rows[False].name}{note}")]


def _body(name: str, members: Iterable[tuple[str, Any]]) -> type[Any]:
    fields = [(member, kind, None) for member, kind in members]
    made = msgspec.defstruct(name, fields, bases=(Body,), frozen=True, kw_only=True, forbid_unknown_fields=True, module=__name__)
    made.__doc__ = "What is to be switched; what is left out stays as it is."
    return made


def _features(name: str, subject: Subject, whose: str = "") -> type[Any]:
    found = {feature.removeprefix(whose): rows for feature, rows in SWITCHES[subject].items() if feature.startswith(whose)}
    return _body(name, ((feature, _described(rows)) for feature, rows in found.items()))


def _group(name: str, subject: Subject) -> type[Any]:
    parts = {whose: _features(f"{name}Of{whose.title()}", subject, f"{whose}.") for whose in ("hosts", "services")}
    return _body(name, [(whose, Annotated[part | None, doc(f"of the {subject.value}'s {whose}")]) for whose, part in parts.items()])


HostFeatures = _features("HostFeatures", Subject.HOST)
ServiceFeatures = _features("ServiceFeatures", Subject.SERVICE)
HostgroupFeatures = _group("HostgroupFeatures", Subject.HOSTGROUP)
ServicegroupFeatures = _group("ServicegroupFeatures", Subject.SERVICEGROUP)
PollerFeatures = _features("PollerFeatures", Subject.GLOBAL)


async def switch_host(call: Call, query: SwitchQuery, body: Any) -> Answer:
    """Switch features of a host and answer with what became of it."""
    return await _switch(call, query, body, Subject.HOST, query.poller)


async def switch_service(call: Call, query: SwitchQuery, body: Any) -> Answer:
    """Switch features of a service and answer with what became of it."""
    return await _switch(call, query, body, Subject.SERVICE, query.poller)


async def switch_hostgroup(call: Call, query: GroupSwitchQuery, body: Any) -> Answer:
    """Switch features of a hostgroup's members and answer with what became of it."""
    return await _switch(call, query, body, Subject.HOSTGROUP, query.poller)


async def switch_servicegroup(call: Call, query: GroupSwitchQuery, body: Any) -> Answer:
    """Switch features of a servicegroup's members and answer with what became of it."""
    return await _switch(call, query, body, Subject.SERVICEGROUP, query.poller)


async def switch_poller(call: Call, query: WaitQuery, body: Any) -> Answer:
    """Switch features of a whole core and answer with what became of it."""
    return await _switch(call, query, body, Subject.GLOBAL, call.names["poller"])


async def _switch(call: Call, query: WaitQuery, body: Any, subject: Subject, poller: str) -> Answer:
    features = _named(body)
    if not features:
        known = list(SWITCHES[subject])
        raise InvalidField(f"Nothing is to be switched: name one of {', '.join(known)}.", field=known[0], known=known)
    names = {name: text for name, text in call.names.items() if name != "poller"}
    receipts = await call.desk.switch(call.caller, subject, names, features, poller=await call.poller(poller))
    return await outcome(call, query, receipts)


def _named(body: Any, whose: str = "") -> dict[str, bool]:
    """The features a body names, as the catalogue's switches name them."""
    found: dict[str, bool] = {}
    for name, value in msgspec.structs.asdict(body).items():
        if isinstance(value, msgspec.Struct):
            found |= _named(value, f"{name}.")
        elif value is not None:
            found[whose + name] = value
    return found


_ANSWERS = {200: Outcome, 202: Outcome}
_EXAMPLE = {"notifications_enabled": False}
_GROUP_EXAMPLE = {"hosts": {"notifications_enabled": False}, "services": {"notifications_enabled": False, "checks_enabled": True}}
_EVERYWHERE = "Without `poller` it goes to every poller where the group has members; each member is to show it afterwards."
_GATED = "What is dangerous is refused unless the configuration names its command in `dangerous_commands` and you are an admin."

OPERATIONS = (
    Operation(
        "PATCH", "/v1/hosts/{host}", "Switch features of a host on and off", switch_host, _ANSWERS,
        verb=Verb.SWITCH, query=SwitchQuery, body=HostFeatures, problems=(404, *FAILURES), example=_EXAMPLE,
    ),
    Operation(
        "PATCH", "/v1/hosts/{host}/services/{service}", "Switch features of a service on and off", switch_service, _ANSWERS,
        verb=Verb.SWITCH, query=SwitchQuery, body=ServiceFeatures, problems=(404, *FAILURES), example=_EXAMPLE,
    ),
    Operation(
        "PATCH", "/v1/hostgroups/{hostgroup}", "Switch features of a hostgroup's hosts and services", switch_hostgroup, _ANSWERS,
        verb=Verb.SWITCH, query=GroupSwitchQuery, body=HostgroupFeatures, problems=(404, *FAILURES), example=_GROUP_EXAMPLE,
        description=_EVERYWHERE,
    ),
    Operation(
        "PATCH", "/v1/servicegroups/{servicegroup}", "Switch features of a servicegroup's hosts and services", switch_servicegroup,
        _ANSWERS, verb=Verb.SWITCH, query=GroupSwitchQuery, body=ServicegroupFeatures, problems=(404, *FAILURES),
        example=_GROUP_EXAMPLE, description=_EVERYWHERE,
    ),
    Operation(
        "PATCH", "/v1/pollers/{poller}", "Switch features of a whole core on and off", switch_poller, _ANSWERS,
        verb=Verb.SWITCH, query=WaitQuery, body=PollerFeatures, problems=(404, *FAILURES),
        example={"enable_event_handlers": False}, description=_GATED,
    ),
)  # fmt: skip
