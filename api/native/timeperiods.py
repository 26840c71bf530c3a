"""Timeperiods: when a core checks and tells."""

from __future__ import annotations

import msgspec

from api.native.named import read_one, read_page
from api.native.operation import Answer, Call, Operation
from api.native.pollers import View
from api.native.requests import PollerQuery, ViewPaging
from engine.model import TimeperiodConfig
from engine.state.configured import TIMEPERIODS, Configured
from engine.state.views import Reader


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


async def list_timeperiods(call: Call, query: ViewPaging) -> Answer:
    """One page of timeperiods."""

    def work(reader: Reader) -> Timeperiods:
        found, total, views = read_page(reader, call, TIMEPERIODS, query)
        return Timeperiods(total, query.limit, query.offset, views, [_timeperiod(one) for one in found])

    return Answer(await call.desk.read(work))


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
    Operation("GET", "/v1/timeperiods", "Timeperiods", list_timeperiods, {200: Timeperiods}, query=ViewPaging, problems=(404,)),
    Operation(
        "GET", "/v1/timeperiods/{timeperiod}", "One timeperiod", show_timeperiod, {200: Timeperiod},
        query=PollerQuery, problems=(404, 409),
    ),
)  # fmt: skip
