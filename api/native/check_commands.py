"""The core's own commands, for checks, notifications and event handlers.

/v1/commands are others: the external commands that went through us.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
import orjson

from api.native.lists import ListQuery, rows_answer
from api.native.members import nested, shown
from api.native.named import read_one
from api.native.operation import Answer, Call, Operation
from api.native.pollers import View
from api.native.requests import PollerQuery
from engine.model import CommandConfig
from engine.state.configured import CHECK_COMMANDS, Configured
from engine.state.fields import Table
from engine.state.sources import CHECK_COMMAND_ROWS


class CheckCommand(msgspec.Struct, frozen=True):
    """One of a core's commands. Macros in `line` are as configured: `$USER1$` and the like stay what they are."""

    name: str
    poller: str
    line: str
    custom_variables: dict[str, str]


class CheckCommands(msgspec.Struct, frozen=True):
    """One page of a core's commands, by name and poller."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[CheckCommand]


class CheckCommandsQuery(ListQuery, frozen=True, kw_only=True):
    """Which of the cores' commands."""

    tables: ClassVar[tuple[Table, ...]] = (CHECK_COMMAND_ROWS.table,)


_COLUMNS = {
    **{name: shown(CHECK_COMMAND_ROWS.table.fields[name]) for name in ("name", "line")},
    "poller": shown(CHECK_COMMAND_ROWS.table.fields["poller.name"]),
    "custom_variables": nested("x.custom_variables"),
}


async def list_check_commands(call: Call, query: CheckCommandsQuery) -> Answer:
    """One page of a core's commands, or all."""
    return await rows_answer(call, query, CHECK_COMMAND_ROWS, lambda scope: _COLUMNS, CheckCommand.__struct_fields__)


async def show_check_command(call: Call, query: PollerQuery) -> Answer:
    """One of a core's commands."""
    name = call.names["check_command"]
    found = await call.desk.read(lambda reader: read_one(reader, call, CHECK_COMMANDS, "check-command", name, query))
    return Answer(_command(found))


def _command(one: Configured[CommandConfig]) -> CheckCommand:
    return CheckCommand(one.config.name, one.poller_name, one.config.line, orjson.loads(one.config.custom_variables))


OPERATIONS = (
    Operation(
        "GET", "/v1/check-commands", "The core's own commands", list_check_commands, {200: CheckCommands},
        query=CheckCommandsQuery, problems=(404,), lines=True, tagged=True,
    ),
    Operation(
        "GET", "/v1/check-commands/{check_command}", "One of the core's own commands", show_check_command, {200: CheckCommand},
        query=PollerQuery, problems=(404, 409),
    ),
)  # fmt: skip
