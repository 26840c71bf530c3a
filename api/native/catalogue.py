"""The catalogue of external commands: what there is, sending any of it by name, and the schemas made from its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from api.native.operation import Answer, Call, Operation, Verb
from api.native.outcome import FAILURES, Outcome, outcome
from api.native.requests import Body, NoQuery, WaitQuery, doc
from api.native.times import parse_duration, parse_time
from engine.commands.catalogue import ROWS, Effect, Field, FieldType, Row, row_of
from engine.commands.row import LARGEST, Version
from engine.errors import InvalidField


class Argument(msgspec.Struct, frozen=True):
    """One argument. `default` is taken when it is left out; one that is not required and has none is left out of the line."""

    name: str
    type: str
    required: bool
    default: Any
    description: str
    known_to: list[str]


class CatalogueRow(msgspec.Struct, frozen=True):
    """One external command.

    `acts_on`: whom it reaches from its subject. `dangerous`: why only an admin may send it, and only where the configuration
    names it; empty for the others. `effect`: what shows in the core's files when it worked; `unseen`: nothing does, `processed`
    is all there is to know. `member_by_member_on`: kinds of core that do nothing for a group, so that each member gets a command.
    `confirmed_within_s`: after so many seconds of the core's time absence counts.
    """

    command: str
    description: str
    subject: str
    acts_on: str
    arguments: list[Argument]
    known_to: list[str]
    since: dict[str, str]
    until: dict[str, str]
    useless_in: dict[str, str]
    member_by_member_on: list[str]
    unseen_in: dict[str, str]
    idempotent: bool
    dangerous: str
    allowed: bool
    effect: str
    signs: list[str]
    confirmed_within_s: float


class CommandCatalogue(msgspec.Struct, frozen=True):
    """Every external command. `allowed` says whether you may send it here."""

    total: int
    items: list[CatalogueRow]


class NewCommand(Body, frozen=True, kw_only=True):
    """A command by its name. Times may be written as everywhere here."""

    command: Annotated[str, doc("its name, as in /v1/commands/catalogue", min_length=1, max_length=100)]
    arguments: Annotated[dict[str, Any], doc("by name, as in /v1/commands/catalogue")] = msgspec.field(default_factory=dict)
    poller: Annotated[str | int, doc("name or number of the poller, where it does not follow from the arguments")] | None = None


async def show_catalogue(call: Call, query: NoQuery) -> Answer:
    """Every row."""
    items = [_shown(row, call) for row in ROWS]
    return Answer(CommandCatalogue(len(items), items))


async def create_command(call: Call, query: WaitQuery, body: NewCommand) -> Answer:
    """Send any command by its name and answer with what became of it."""
    row = row_of(body.command)
    arguments = body.arguments if row is None else {
        name: _argument(row, name, value, call) for name, value in body.arguments.items() if value is not None
    }  # fmt: skip
    receipts = await call.desk.command(call.caller, body.command, arguments, poller=await call.poller(body.poller))
    made = row.entry_kind if row is not None and row.effect in (Effect.ENTRY_CREATED, Effect.ACKNOWLEDGED) else None
    deletes = row is not None and row.effect in (Effect.ENTRY_GONE, Effect.NOT_ACKNOWLEDGED)
    return await outcome(call, query, receipts, creates=f"{made}s" if made else None, deletes=deletes)


def _argument(row: Row, name: str, value: object, call: Call) -> object:
    """Times and durations as people write them; everything else stays."""
    kind = next((field.type for field in row.fields if field.name == name), None)
    if kind in (FieldType.TIME, FieldType.SPAN):
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InvalidField(f"{name} must be text or a number.", field=name)
        if kind is FieldType.TIME:
            return int(parse_time(value, name, call.clock.now()))
        return int(parse_duration(value, name)) if value != 0 else 0
    return value


def _shown(row: Row, call: Call) -> CatalogueRow:
    allowed = not row.danger or (row.name in call.settings.dangerous_commands and call.caller.role == "admin")
    return CatalogueRow(
        command=row.name,
        description=row.doc,
        subject=row.subject.value,
        acts_on=row.on.value,
        arguments=[_shown_argument(row, field) for field in row.fields],
        known_to=sorted(row.kinds),
        since={kind: _words(version) for kind, version in row.since.items() if kind in row.kinds},
        until={kind: _words(version) for kind, version in row.until.items()},
        useless_in={kind: why for kind, why in row.useless_in.items() if kind in row.kinds},
        member_by_member_on=sorted(row.expanded_in),
        unseen_in={kind: why for kind, why in row.unseen_in.items() if kind in row.kinds},
        idempotent=row.idempotent,
        dangerous=row.danger,
        allowed=allowed and call.caller.role != "reader",
        effect=row.effect.value,
        signs=[sign.key for sign in row.signs] or list(row.log),
        confirmed_within_s=row.effect_deadline_s,
    )


def _shown_argument(row: Row, field: Field) -> Argument:
    return Argument(field.name, field.type.value, field.is_required, field.default, field.doc, sorted(field.kinds & row.kinds))


def _words(version: Version) -> str:
    return ".".join(map(str, version))


# --- schemas ----------------------------------------------------------------------------------------------------------------

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_TIME: dict[str, Any] = {"type": ["string", "number"]}
_FLAG: dict[str, Any] = {"type": "boolean"}


def schema_of_field(row: Row, field: Field) -> dict[str, Any]:
    """One argument as JSON Schema."""
    match field.type:
        case FieldType.TIME:
            shape = dict(_TIME)
        case FieldType.SPAN:
            shape = dict(_TIME)
        case FieldType.BOOL | FieldType.STICKY:
            shape = dict(_FLAG)
        case FieldType.CODE:
            shape = {"type": "integer", "minimum": 0, "maximum": 3 if row.is_service else 2}
        case FieldType.ENTRY | FieldType.TRIGGER:
            shape = {"type": "integer", "minimum": 0}
        case FieldType.UINT | FieldType.NUMBER:
            shape = {"type": "integer" if field.type is FieldType.UINT else "number", "minimum": field.low}
            shape |= {"maximum": field.high} if field.high != LARGEST else {}
        case _:
            shape = dict(_TEXT)
    if field.default is not None:
        shape["default"] = field.default
    return shape | {"description": field.doc}


def schema_of_row(row: Row) -> dict[str, Any]:
    """What POST /v1/commands takes for one command."""
    required = [field.name for field in row.fields if field.is_required]
    arguments: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: schema_of_field(row, field) for field in row.fields},
        "additionalProperties": False,
    }
    if required:
        arguments["required"] = required
    return {
        "type": "object",
        "title": row.name,
        "description": row.doc + (f" Dangerous: {row.danger}." if row.danger else ""),
        "properties": {"command": {"const": row.name}, "arguments": arguments, "poller": {"type": ["string", "integer"]}},
        "required": ["command", *(["arguments"] if required else [])],
        "additionalProperties": False,
    }


def schema_of_commands() -> Mapping[str, Any]:
    """One alternative per row, and custom commands."""
    custom = {
        "type": "object",
        "title": "custom command",
        "description": "`_…`: for event-broker modules. Dangerous.",
        "properties": {
            "command": {"type": "string", "pattern": "^_[A-Z0-9_]+$"},
            "arguments": {"type": "object", "properties": {"text": {"type": "string"}}, "additionalProperties": False},
            "poller": {"type": ["string", "integer"]},
        },
        "required": ["command"],
        "additionalProperties": False,
    }
    return {"oneOf": [*(schema_of_row(row) for row in ROWS), custom]}


OPERATIONS = (
    Operation(
        "GET", "/v1/commands/catalogue", "Every external command, with its arguments and what proves it", show_catalogue,
        {200: CommandCatalogue},
    ),
    Operation(
        "POST", "/v1/commands", "Send any external command by its name", create_command, {200: Outcome, 201: Outcome, 202: Outcome},
        verb=Verb.COMMAND, query=WaitQuery, body=NewCommand, problems=(404, *FAILURES),
        example={"command": "DISABLE_HOST_NOTIFICATIONS", "arguments": {"host": "web01"}}, schema=schema_of_commands,
        description="What is dangerous is refused unless the configuration names it in `dangerous_commands` and you are an admin.",
    ),
)  # fmt: skip
