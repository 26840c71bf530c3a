"""Features of a host or service, switched on and off by PATCH. Which there are, and by which command, the catalogue says."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from api.native.operation import Answer, Call, Operation, Verb
from api.native.outcome import FAILURES, Outcome, outcome
from api.native.requests import Body, WaitQuery, doc
from engine.commands.catalogue import SWITCHES, Row, Subject
from engine.desk import Target
from engine.errors import InvalidField


class SwitchQuery(WaitQuery, frozen=True, kw_only=True):
    """How long to wait, and which poller."""

    poller: Annotated[str, doc("name or number of the poller, where the host stands on several", min_length=1)] = ""


def _described(row: Row) -> Any:
    return Annotated[bool | None, doc(f"by {row.name} and its counterpart")]


def _body(name: str, subject: Subject) -> type[Any]:
    members = [(column, _described(rows[True]), None) for column, rows in SWITCHES[subject].items()]
    made = msgspec.defstruct(name, members, bases=(Body,), frozen=True, kw_only=True, forbid_unknown_fields=True, module=__name__)
    made.__doc__ = "What is to be switched; what is left out stays as it is."
    return made


HostFeatures = _body("HostFeatures", Subject.HOST)
ServiceFeatures = _body("ServiceFeatures", Subject.SERVICE)


async def switch_host(call: Call, query: SwitchQuery, body: Any) -> Answer:
    """Switch features of a host and answer with what became of it."""
    return await _switch(call, query, body, None)


async def switch_service(call: Call, query: SwitchQuery, body: Any) -> Answer:
    """Switch features of a service and answer with what became of it."""
    return await _switch(call, query, body, call.names["service"])


async def _switch(call: Call, query: SwitchQuery, body: Any, service: str | None) -> Answer:
    features = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}
    if not features:
        known = list(msgspec.structs.asdict(body))
        raise InvalidField(f"Nothing is to be switched: name one of {', '.join(known)}.", field=known[0], known=known)
    target = Target(call.names["host"], service, await call.poller(query.poller))
    receipts = await call.desk.switch(call.caller, target, features)
    return await outcome(call, query, receipts)


_ANSWERS = {200: Outcome, 202: Outcome}
_EXAMPLE = {"notifications_enabled": False}

OPERATIONS = (
    Operation(
        "PATCH", "/v1/hosts/{host}", "Switch features of a host on and off", switch_host, _ANSWERS,
        verb=Verb.SWITCH, query=SwitchQuery, body=HostFeatures, problems=(404, *FAILURES), example=_EXAMPLE,
    ),
    Operation(
        "PATCH", "/v1/hosts/{host}/services/{service}", "Switch features of a service on and off", switch_service, _ANSWERS,
        verb=Verb.SWITCH, query=SwitchQuery, body=ServiceFeatures, problems=(404, *FAILURES), example=_EXAMPLE,
    ),
)  # fmt: skip
