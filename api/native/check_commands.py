"""The core's own commands, for checks, notifications and event handlers.

/v1/commands are others: the external commands that went through us.
"""

from __future__ import annotations

import msgspec
import orjson

from api.native.named import read_one, read_page
from api.native.operation import Answer, Call, Operation
from api.native.pollers import View
from api.native.requests import PollerQuery, ViewPaging
from engine.model import CommandConfig
from engine.state.configured import CHECK_COMMANDS, Configured
from engine.state.views import Reader


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


async def list_check_commands(call: Call, query: ViewPaging) -> Answer:
    """One page of a core's commands."""

    def work(reader: Reader) -> CheckCommands:
        found, total, views = read_page(reader, call, CHECK_COMMANDS, query)
        return CheckCommands(total, query.limit, query.offset, views, [_command(one) for one in found])

    return Answer(await call.desk.read(work))


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
        query=ViewPaging, problems=(404,),
    ),
    Operation(
        "GET", "/v1/check-commands/{check_command}", "One of the core's own commands", show_check_command, {200: CheckCommand},
        query=PollerQuery, problems=(404, 409),
    ),
)  # fmt: skip
