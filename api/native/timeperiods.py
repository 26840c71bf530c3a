"""Timeperiods: when a core checks and tells."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from api.native.lists import ListQuery, rows_answer
from api.native.members import nested, shown
from api.native.named import read_one
from api.native.operation import Answer, Call, Operation
from api.native.pollers import View
from api.native.requests import PollerQuery
from engine.model import TimeperiodConfig
from engine.state.configured import TIMEPERIODS, Configured
from engine.state.fields import Table
from engine.state.sources import TIMEPERIOD_ROWS


class TimeRange(msgspec.Struct, frozen=True):
    """What is said of one kind of day: `monday`, `december 25`, `2026-01-01 / 7`. Hours are by the core's own clock."""

    day: str
    hours: str


class Timeperiod(msgspec.Struct, frozen=True):
    """One timeperiod, as configured. `exclude`: timeperiods that are taken out of it."""

    name: str
    poller: str
    alias: str
    ranges: list[TimeRange]
    exclude: list[str]


class Timeperiods(msgspec.Struct, frozen=True):
    """One page of timeperiods, by name and poller."""

    total: int
    limit: int
    offset: int
    views: list[View]
    items: list[Timeperiod]


class TimeperiodsQuery(ListQuery, frozen=True, kw_only=True):
    """Which timeperiods."""

    tables: ClassVar[tuple[Table, ...]] = (TIMEPERIOD_ROWS.table,)


_RANGES = "SELECT json_group_array(json_object('day', j.value ->> 0, 'hours', j.value ->> 1)) FROM json_each(x.ranges) j"
_COLUMNS = {
    **{name: shown(TIMEPERIOD_ROWS.table.fields[name]) for name in ("name", "alias")},
    "poller": shown(TIMEPERIOD_ROWS.table.fields["poller.name"]),
    "ranges": nested(f"({_RANGES})"),
    "exclude": nested("x.exclude"),
}


async def list_timeperiods(call: Call, query: TimeperiodsQuery) -> Answer:
    """One page of timeperiods, or all."""
    return await rows_answer(call, query, TIMEPERIOD_ROWS, lambda scope: _COLUMNS, Timeperiod.__struct_fields__)


async def show_timeperiod(call: Call, query: PollerQuery) -> Answer:
    """One timeperiod."""
    name = call.names["timeperiod"]
    found = await call.desk.read(lambda reader: read_one(reader, call, TIMEPERIODS, "timeperiod", name, query))
    return Answer(_timeperiod(found))


def _timeperiod(one: Configured[TimeperiodConfig]) -> Timeperiod:
    config = one.config
    ranges = [TimeRange(day, hours) for day, hours in config.ranges]
    return Timeperiod(config.name, one.poller_name, config.alias, ranges, list(config.exclude))


OPERATIONS = (
    Operation(
        "GET", "/v1/timeperiods", "Timeperiods", list_timeperiods, {200: Timeperiods},
        query=TimeperiodsQuery, problems=(404,), lines=True, tagged=True,
    ),
    Operation(
        "GET", "/v1/timeperiods/{timeperiod}", "One timeperiod", show_timeperiod, {200: Timeperiod},
        query=PollerQuery, problems=(404, 409),
    ),
)  # fmt: skip
