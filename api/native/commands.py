"""Commands: each with its whole life and the evidence for it. Withdrawing one is possible until it is written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from api.native.operation import Answer, Call, Operation, Verb
from api.native.requests import NoQuery, OfHost, OfService, Paging, WaitQuery, doc, refuse_service_alone
from api.render import rfc3339
from api.waiting import WAIT_CAP_S
from engine.desk import EntryFilter, Life, Recorded

StateWord = Literal[
    "accepted", "held", "writing", "written", "processed", "confirmed", "partial", "refused", "no_effect", "expired", "cancelled",
    "unknown", "lost_by_core",
]  # fmt: skip


class Step(msgspec.Struct, frozen=True):
    """One step of a life. `evidence` is what the core itself wrote; `late`: it came after the life had been given up."""

    state: str
    at: str
    evidence: str
    late: bool


class Command(msgspec.Struct, frozen=True):
    """One command. `arguments` is its meaning, times in it are epoch seconds; `line` the bytes that went out, empty before.

    `effect_pending`: the core executed it, and its effect is still to be proven. `entry_id` is the public id of what it makes
    or deletes.
    """

    id: str
    command: str
    state: str
    final: bool
    effect_pending: bool
    reason: str
    advice: str
    poller: str
    host: str
    service: str | None
    entry_id: int | None
    arguments: dict[str, Any]
    user: str
    author: str
    accepted_at: str
    updated_at: str
    deadline_at: str
    line: str
    created_core_ids: list[int]
    cause: str
    duplicates: int
    steps: list[Step]


class Commands(msgspec.Struct, frozen=True):
    """One page of commands, newest first."""

    total: int
    limit: int
    offset: int
    items: list[Command]


class CommandsQuery(Paging, frozen=True, kw_only=True):
    """Which commands."""

    host: OfHost = ""
    service: OfService = ""
    state: Annotated[StateWord, doc("only those that stand there")] | None = None


async def list_commands(call: Call, query: CommandsQuery) -> Answer:
    """One page of commands."""
    refuse_service_alone(query.host, query.service)
    which = EntryFilter(
        poller=await call.poller(query.poller), host=query.host or None, service=query.service or None, state=query.state,
        limit=query.limit, offset=query.offset,
    )  # fmt: skip
    page = await call.desk.commands(call.caller, which)
    return Answer(Commands(page.total, query.limit, query.offset, [command_of(life) for life in page.rows]))


async def show_command(call: Call, query: WaitQuery) -> Answer:
    """One command, at once or when its last state is reached."""
    asked = query.wait if query.wait is not None else call.prefer_wait_s
    command_id = call.names["command"]
    if not asked:
        return Answer(command_of(await call.desk.life(call.caller, command_id)))
    (life,) = await call.desk.settle(call.caller, [command_id], until="final", timeout_s=min(asked, WAIT_CAP_S))
    return Answer(command_of(life))


async def cancel_command(call: Call, query: NoQuery) -> Answer:
    """Withdraw a command that was not yet written."""
    life = await call.desk.cancel_command(call.caller, call.names["command"])
    return Answer(command_of(life), headers={"Signalbox-Command": life.id})


async def cancelled_again(call: Call, query: NoQuery, known: Recorded) -> Answer:
    """The command that was withdrawn, as it stands now."""
    life = await call.desk.life(call.caller, call.names["command"])
    return Answer(command_of(life), headers={"Signalbox-Command": life.id})


def command_of(life: Life) -> Command:
    """The life as people see it."""
    return Command(
        id=life.id,
        command=life.command,
        state=life.state,
        final=life.final,
        effect_pending=life.effect_pending,
        reason=life.reason,
        advice=life.advice,
        poller=life.poller_name,
        host=life.host,
        service=life.service,
        entry_id=life.entry_id,
        arguments=life.arguments,
        user=life.user,
        author=life.author,
        accepted_at=rfc3339(life.accepted_at),
        updated_at=rfc3339(life.updated_at),
        deadline_at=rfc3339(life.deadline_at),
        line=life.line,
        created_core_ids=list(life.created_core_ids),
        cause=life.cause,
        duplicates=life.duplicates,
        steps=[Step(step.state, rfc3339(step.at), step.evidence, step.late) for step in life.steps],
    )


OPERATIONS = (
    Operation(
        "GET", "/v1/commands", "Commands, newest first", list_commands, {200: Commands}, query=CommandsQuery, problems=(404,),
    ),
    Operation(
        "GET", "/v1/commands/{command}", "One command with its whole life", show_command, {200: Command},
        query=WaitQuery, problems=(404,),
    ),
    Operation(
        "DELETE", "/v1/commands/{command}", "Withdraw a command that was not yet written", cancel_command, {200: Command},
        verb=Verb.COMMAND, problems=(404, 409), again=cancelled_again,
    ),
)  # fmt: skip
