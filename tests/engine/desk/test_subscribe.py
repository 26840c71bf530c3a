"""Giving events out: within scope and filter, without gap or repetition, and a reset where that cannot be had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.config import Settings
from engine.desk import subscribe
from engine.desk.audience import Which, audience_of
from engine.desk.lives import lives_of, page_of_lives
from engine.desk.pages import WAITED_FOR_S, Cursor, Page
from engine.desk.subscribe import Feed
from engine.desk.values import Caller, EntryFilter
from engine.errors import InvalidField, TooManyReaders
from engine.formats.corelog import LogKind, StateEvent
from engine.journal import accounts
from engine.journal.calls import CallRow, Counts, Payload, insert_call, update_call
from engine.journal.commands import NewCommand, insert_new
from engine.journal.operations import STORED_WITHIN_S, OperationRow, Storing, go_on, insert_operation
from engine.journal.retention import Retention
from engine.journal.store import Journal
from engine.model import GroupConfig, ObjectCache
from engine.state.events import Event
from engine.state.mirror import Mirror
from engine.state.rights import ContactRights, Right
from engine.state.scope import EVERYTHING, Scope
from engine.state.views import Reader
from tests.engine.state.rows import (
    CountingMint,
    StatusFile,
    comment,
    downtime,
    host_config,
    host_row,
    poller,
    scan,
    service_config,
    service_row,
)
from tests.support.cores import PATIENCE_S

AT = 1005
HOSTS = ("web01", "db01")
GROUPS = (GroupConfig("hostgroup", "web", "Web", (("web01", None),)), GroupConfig("hostgroup", "db", "Db", (("db01", None),)))
CACHE = ObjectCache(
    hosts=(host_config("web01", contacts=("cora",)), host_config("db01")),
    services=(service_config("web01", "HTTP"), service_config("db01", "HTTP", contact_groups=("ops",))),
    groups=(*GROUPS, GroupConfig("contactgroup", "ops", "Ops", (("cora", None), ("otto", None)))),
)
FILE = StatusFile(
    1000.0, 500.0, tuple(map(host_row, HOSTS)), tuple(service_row(host, "HTTP") for host in HOSTS),
    (downtime("web01", None, 1),), (comment("db01", None, 2),),
)  # fmt: skip
WEB = Scope(hostgroups=frozenset({"web"}))

NOW = 2000.0  # by the feeds' clock


@dataclass(frozen=True)
class Plain:
    """One line per thing: place, kind, what."""

    padding: int = 0

    def event(self, event: Event, pollers: Mapping[int, str], at: str) -> bytes:
        what = event.said.get("output") or event.said.get("health") or event.said.get("comment") or event.said.get("command") or ""
        line = f"{at}|{event.kind}|{event.action}|{event.host}|{what}|{'x' * self.padding}\n"
        return line.encode()

    def beat(self, at: str) -> bytes:
        return f"{at}|beat|||\n".encode()

    def sign(self, name: str, why: str, at: str) -> bytes:
        return f"{at}|sign|{name}||{why}\n".encode()


@dataclass
class Listener:
    """One reader's lines so far."""

    stream: AsyncGenerator[bytes]
    lines: list[list[str]] = field(default_factory=list)
    ended: bool = False

    async def until(self, is_so: Callable[[list[list[str]]], object]) -> None:
        """Read on until a condition holds, or the stream ends."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.ended and not is_so(self.lines):
                await self.step()

    async def step(self) -> None:
        try:
            blob = await anext(self.stream)
        except StopAsyncIteration:
            self.ended = True
            return
        self.lines += [line.split("|") for line in blob.decode().splitlines()]

    async def to_end(self) -> None:
        await self.until(lambda _: False)

    async def to_output(self, output: str) -> None:
        await self.until(lambda lines: any(line[4] == output for line in lines))

    def outputs(self) -> list[str]:
        return [line[4] for line in self.lines if line[1] == "state"]

    def signs(self) -> list[str]:
        return [line[2] for line in self.lines if line[1] == "sign"]

    @property
    def last(self) -> str:
        return next(line[0] for line in reversed(self.lines) if line[0])


@dataclass
class World:
    """A mirror, a journal and feeds over them. `say` is what an engine does when the log has a line."""

    data: Path
    mirror: Mirror
    journal: Journal
    callers: dict[str, Caller]
    count: int = 0
    rights: dict[str, ContactRights] = field(default_factory=dict)  # by user: what the core's own configuration gives

    def say(self, output: str, host: str = "web01") -> None:
        self.count += 1
        self.mirror.log_events(1, [StateEvent(AT, LogKind.HOST_ALERT, host, None, 1, 0, self.count, output, "")])

    def say_of_service(self, output: str, host: str) -> None:
        self.count += 1
        self.mirror.log_events(1, [StateEvent(AT, LogKind.SERVICE_ALERT, host, "HTTP", 2, 0, self.count, output, "")])

    def feed(self, most: int = 100) -> Feed:
        return Feed(self.data, lambda: NOW, most, lambda user: self.rights.get(user))

    def contact(self, name: str, *named: Right) -> None:
        """A user who is limited to what the contact of that name sees."""
        rights = self.rights[name] = ContactRights(name, frozenset(named))
        with self.journal.transaction() as connection:
            user = accounts.add_user(connection, name, accounts.Role.READER, "-", 0.0)
            accounts.add_token(connection, f"{name}-token", user, f"secret-{name}", 0.0)
        self.callers[name] = Caller(name, name, "reader", Scope(rights=rights), "", f"{name}-token", rights=rights)

    def listen(
        self, feed: Feed, user: str = "anna", wording: Plain | None = None, which: Which | None = None, **how: Any
    ) -> Listener:
        return Listener(feed.stream(self.callers[user], which or Which(), wording or Plain(), **how))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    journal = Journal.open(tmp_path)
    callers = {}
    with journal.transaction() as connection:
        for name, scope in (("anna", EVERYTHING), ("wim", WEB), ("pia", Scope(pollers=frozenset({2})))):
            user = accounts.add_user(connection, name, accounts.Role.READER, "-", 0.0, scope=scope)
            accounts.add_token(connection, f"{name}-token", user, f"secret-{name}", 0.0)
            callers[name] = Caller(name, name, "reader", scope, "", f"{name}-token")
    mirror = Mirror.open(tmp_path / "state.db", CountingMint())
    mirror.configure([poller(1), poller(2)])
    mirror.apply(scan(FILE, cache=CACHE))
    yield World(tmp_path, mirror, journal, callers)
    mirror.close()
    journal.close()


def with_feeds(world: World, work: Callable[..., Coroutine[Any, Any, None]], feeds: int = 1) -> None:
    async def run() -> None:
        opened = [world.feed() for _ in range(feeds)]
        try:
            await work(*opened)
        finally:
            for feed in opened:
                await feed.close()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"left running: {left}"

    asyncio.run(run())


def test_what_comes_is_given_out_in_order_and_once(world: World) -> None:
    async def work(feed: Feed) -> None:
        one, two = world.listen(feed), world.listen(feed)
        await one.step()
        await two.step()
        for number in range(20):
            world.say(f"out {number}")
            feed.hint()
        for reader in (one, two):
            await reader.to_output("out 19")
            assert reader.outputs() == [f"out {number}" for number in range(20)]
            assert reader.signs() == ["begins"]
            await reader.stream.aclose()

    with_feeds(world, work)


def test_a_lost_hint_costs_a_moment_and_no_event(world: World) -> None:
    async def work(feed: Feed) -> None:
        async with aclosing(world.listen(feed).stream) as stream:
            reader = Listener(stream)
            await reader.step()
            world.say("unannounced")
            await reader.to_output("unannounced")

    with_feeds(world, work)


def test_going_on_from_every_place_gives_exactly_the_rest_on_any_worker(world: World) -> None:
    async def work(first: Feed, second: Feed) -> None:
        reader = world.listen(first)
        await reader.step()
        for number in range(8):
            world.say(f"out {number}")
        await reader.to_output("out 7")
        places = [line[0] for line in reader.lines if line[1] == "state"]
        for index, place in enumerate(places):
            for feed in (first, second):
                again = world.listen(feed, after=place)
                if index < 7:
                    await again.to_output("out 7")
                world.say(f"new {index} {id(feed)}")
                await again.to_output(f"new {index} {id(feed)}")
                assert again.outputs()[: 7 - index] == [f"out {number}" for number in range(index + 1, 8)]
                assert len(again.outputs()) == len(set(again.outputs()))
                await again.stream.aclose()
        await reader.stream.aclose()

    with_feeds(world, work, feeds=2)


def test_a_reader_whose_former_worker_was_quicker_gets_nothing_twice(world: World) -> None:
    async def work(slow: Feed, quick: Feed) -> None:
        keeps_it_alive = world.listen(slow)
        await keeps_it_alive.step()
        reader = world.listen(quick)
        await reader.step()
        world.say("seen elsewhere")
        await reader.to_output("seen elsewhere")
        again = world.listen(slow, after=reader.last)
        task = asyncio.create_task(again.to_output("next"))
        await asyncio.sleep(0)
        world.say("next")
        await task
        assert again.outputs() == ["next"]
        for one in (keeps_it_alive, reader, again):
            await one.stream.aclose()

    with_feeds(world, work, feeds=2)


# --- scope and filter -------------------------------------------------------------------------------------------------------------


def test_each_hears_what_his_scope_showed_when_it_happened(world: World) -> None:
    async def work(feed: Feed) -> None:
        readers = {user: world.listen(feed, user) for user in world.callers}
        starts = {}
        for user, reader in readers.items():
            await reader.step()
            starts[user] = reader.last
        world.say("on web", "web01")
        world.say("on db", "db01")
        # web01 leaves the group: what was told while it was in it stays visible, what comes does not become so.
        world.mirror.apply(scan(FILE_AFTER, FILE, cache=ObjectCache(hosts=CACHE.hosts, groups=GROUPS[1:])))
        world.say("on web without group", "web01")
        world.mirror.command_file_health(2, "missing", "")
        world.mirror.command_file_health(1, "reading", "")
        await readers["anna"].until(lambda lines: any(line[4] == "reading" for line in lines))
        heard = {"anna": ["on web", "on db", "on web without group"], "wim": ["on web"], "pia": []}
        for user, reader in readers.items():
            again = world.listen(feed, user, after=starts[user])
            world.mirror.command_file_health(2, f"word for {user}", "")
            await asyncio.wait_for(_until_quiet(feed), PATIENCE_S)
            task = asyncio.create_task(again.to_end())
            await _until_quiet(feed)
            feed_end = again.outputs()
            task.cancel()
            await asyncio.wait([task])
            assert feed_end == heard[user], user
            await reader.stream.aclose()
            await again.stream.aclose()

    with_feeds(world, work)


FILE_AFTER = StatusFile(float(AT), 500.0, FILE.hosts, FILE.services, FILE.downtimes, FILE.comments)


async def _until_quiet(feed: Feed) -> None:
    """Until the feed has looked twice since now: whatever was there before has been given out."""
    for _ in range(2):
        await feed._advance()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (Which(kinds=frozenset({"poller"})), ["reading"]),
        (Which(host="db01"), ["db"]),
        (Which(hostgroup="web"), ["web"]),
        (Which(states=frozenset({(False, 1)})), ["web", "db"]),
        (Which(states=frozenset({(False, 0), (True, 1)})), []),
        (Which(poller=2), []),
        (Which(service="HTTP"), []),
        (Which(), ["web", "db", "reading"]),
    ],
)
def test_filters(world: World, which: Which, expected: list[str]) -> None:
    async def work(feed: Feed) -> None:
        reader = world.listen(feed, which=which)
        await reader.step()
        start = reader.last
        await reader.stream.aclose()
        world.say("web")
        world.say("db", "db01")
        world.mirror.command_file_health(1, "reading", "")
        again = world.listen(feed, which=which, after=start)
        task = asyncio.create_task(again.to_end())
        await _until_quiet(feed)
        feed.end_all()
        await task
        assert [line[4] for line in again.lines if line[1] not in ("sign", "beat")] == expected

    with_feeds(world, work)


def test_before_its_first_check_an_object_is_in_no_state() -> None:
    """Cores write 0 then, which would be told as UP or OK to who asked for these."""
    up = Which(states=frozenset({(False, 0)}))
    assert up.takes(Event(1, "state", "is", 1, "web01", None, (), 0, 1.0, {"checked": True}))
    assert not up.takes(Event(1, "state", "is", 1, "web01", None, (), 0, 1.0, {"checked": False}))
    assert not up.takes(Event(1, "comment", "is", 1, "web01", None, (), None, 1.0, {}))


def test_a_token_that_is_revoked_or_shows_less_ends_the_stream_before_anything_more_is_said(world: World) -> None:
    async def work(feed: Feed) -> None:
        anna, wim = world.listen(feed), world.listen(feed, "wim")
        await anna.step()
        await wim.step()
        with world.journal.transaction() as connection:
            accounts.revoke_token(connection, "anna-token")
            connection.execute("UPDATE user SET scope = ? WHERE name = 'wim'", ('{"pollers": [2], "hostgroups": null}',))
        world.say("secret")
        for reader in (anna, wim):
            await reader.to_end()
            assert reader.signs() == ["begins", "end"]
            assert reader.outputs() == []
        late = world.listen(feed, after=anna.lines[0][0])
        await late.to_end()
        assert (late.signs(), late.outputs()) == (["end"], [])

    with_feeds(world, work)


# --- contacts of a core ---------------------------------------------------------------------------------------------------------


def test_a_contact_hears_of_what_the_lists_show_him_object_by_object(world: World) -> None:
    """cora is a contact of web01 and, by her group, of the service on db01, whose host she does not see."""
    world.contact("cora")
    world.contact("nora")
    world.contact("sven", Right.ALL_SERVICES)

    async def work(feed: Feed) -> None:
        readers = {name: world.listen(feed, name) for name in ("anna", "cora", "nora", "sven")}
        begun = {}
        for name, reader in readers.items():
            await reader.step()
            begun[name] = reader.last
        world.say("web host", "web01")
        world.say("db host", "db01")
        world.say_of_service("web service", "web01")
        world.say_of_service("db service", "db01")
        world.mirror.command_file_health(1, "reading", "")
        seen = {
            "anna": ["web host", "db host", "web service", "db service"],
            "cora": ["web host", "web service", "db service"],
            "nora": [],
            "sven": ["web service", "db service"],
        }
        for name, reader in readers.items():
            await reader.until(lambda lines: any(line[4] == "reading" for line in lines))
            again = world.listen(feed, name, after=begun[name])
            await again.until(lambda lines: any(line[4] == "reading" for line in lines))
            assert (reader.outputs(), again.outputs()) == (seen[name], seen[name]), name
            await reader.stream.aclose()
            await again.stream.aclose()

    with_feeds(world, work)


def test_a_contact_hears_of_the_end_of_his_objects_and_of_nobody_elses(world: World) -> None:
    """cora's, by her group otto's, leave the configuration, and one comes back as nora's."""
    for name in ("cora", "otto", "nora"):
        world.contact(name)
    nobody = StatusFile(1003.0, 1002.0, (FILE.hosts[0],), ())
    gone = replace(CACHE, hosts=CACHE.hosts[:1], services=())
    again = StatusFile(1004.0, 1003.0, FILE.hosts, FILE.services)
    services = (CACHE.services[0], service_config("db01", "HTTP"))
    back = replace(CACHE, hosts=(CACHE.hosts[0], host_config("db01", contacts=("nora",))), services=services)

    async def work(feed: Feed) -> None:
        readers = {name: world.listen(feed, name) for name in ("anna", "cora", "otto", "nora")}
        for reader in readers.values():
            await reader.step()
        begun = {name: reader.last for name, reader in readers.items()}
        world.say_of_service("before", "db01")
        world.mirror.apply(scan(nobody, FILE, cache=gone))
        removed = {
            "anna": ["web01", "db01", "db01"], "cora": ["web01", "db01"], "otto": ["db01"], "nora": [],
        }  # fmt: skip
        for name, hosts in removed.items():
            resumed = world.listen(feed, name, after=begun[name])  # who was away for a moment hears of it, too
            for reader in (readers[name], resumed):
                await reader.until(lambda lines: any(line[2] == "restarted" for line in lines))
                told = [line[3] for line in reader.lines if line[1] == "object"]
                assert sorted(told) == sorted(hosts), name
                assert reader.outputs() == ([] if name == "nora" else ["before"]), name
            await resumed.stream.aclose()
        world.mirror.apply(scan(again, nobody, cache=back))
        world.say_of_service("after", "db01")
        for name, reader in readers.items():
            world.mirror.command_file_health(1, f"end {name}", "")
            await reader.until(lambda lines, end=f"end {name}": any(line[4] == end for line in lines))  # type: ignore[misc]
        heard = {name: "after" in reader.outputs() for name, reader in readers.items()}
        assert heard == {"anna": True, "cora": False, "otto": False, "nora": True}
        late = world.listen(feed, "cora", after=begun["cora"])
        await late.until(lambda lines: any(line[4] == "end nora" for line in lines))
        assert [line[3] for line in late.lines if line[1:3] == ["object", "removed"]] == ["web01"], "what came back is nora's alone"
        for reader in (*readers.values(), late):
            await reader.stream.aclose()

    with_feeds(world, work)


def test_a_snapshot_for_a_contact_holds_his_objects_only(world: World) -> None:
    world.contact("cora")

    async def work(feed: Feed) -> None:
        reader = world.listen(feed, "cora", Named(), snapshot=True)
        await reader.until(lambda lines: any(line[2] == "snapshot_ends" for line in lines))
        found = {tuple(line[1:4]) for line in reader.lines if line[1] != "sign"}
        objects = {("state", "web01", ""), ("state", "web01", "HTTP"), ("state", "db01", "HTTP"), ("downtime", "web01", "")}
        assert found == objects | {("poller", "", "")}
        await reader.stream.aclose()

    with_feeds(world, work)


@dataclass(frozen=True)
class Named(Plain):
    """One line per thing: place, kind, host, service."""

    def event(self, event: Event, pollers: Mapping[int, str], at: str) -> bytes:
        return f"{at}|{event.kind}|{event.host}|{event.service or ''}|\n".encode()


def test_rights_that_change_end_the_stream_before_anything_more_is_said(world: World) -> None:
    """Rights that were wider when he came would go on to count for as long as he reads."""
    world.contact("cora")
    world.contact("wide", Right.ALL_HOSTS)

    async def work(feed: Feed) -> None:
        cora, wide = world.listen(feed, "cora"), world.listen(feed, "wide")
        await cora.step()
        await wide.step()
        world.rights["wide"] = ContactRights("wide")
        world.say("for cora", "web01")
        await wide.to_end()
        assert (wide.signs(), wide.outputs()) == (["begins", "end"], [])
        await cora.to_output("for cora")
        late = world.listen(feed, "wide", after=wide.lines[0][0])
        await late.to_end()
        assert (late.signs(), late.outputs()) == (["end"], [])
        await cora.stream.aclose()

    with_feeds(world, work)


def test_who_joins_while_a_page_is_read_gets_it_by_his_own_sight(world: World) -> None:
    """Who joins then is not among those it was read for: what he sees must be looked up before it is given out."""
    world.contact("cora")
    world.contact("nora")

    async def work(feed: Feed) -> None:
        first = world.listen(feed)
        hearing = asyncio.create_task(first.to_output("on web"))
        async with asyncio.timeout(PATIENCE_S):
            while not feed._queues:
                await asyncio.sleep(0.01)
        reading = feed._reading
        callers = [world.callers[name] for name in ("cora", "nora")]
        joined = [subscribe._Queue(audience_of(caller, Which(), Plain()), caller) for caller in callers]

        def read_while_they_join(*of_what: Any) -> Callable[[Reader], Page]:
            read = reading(*of_what)

            def look(reader: Reader) -> Page:
                page = read(reader)
                feed._queues.update(joined)
                return page

            return look

        async with feed._turn:  # a reading under way would take what is said now
            feed._reading = read_while_they_join  # type: ignore[method-assign]
        world.say("on web", "web01")
        await hearing
        assert [b"on web" in queue.take() for queue in joined] == [True, False]
        feed._queues.difference_update(joined)
        await first.stream.aclose()

    with_feeds(world, work)


# --- calls of passive results ---------------------------------------------------------------------------------------------------


def test_a_call_of_results_is_told_to_its_sender_and_to_who_sees_everything(world: World) -> None:
    """One event per change of its counts, never one per result."""
    row = CallRow(0, "call", "operation", 1, "wim", "", "", 1.0, 1.0, 9.0, 0, 3, counts=Counts(accepted=3))
    moved = replace(row, updated_at=2.0, cursor=3, counts=Counts(processed=3))
    over = replace(moved, updated_at=3.0, open=False, counts=Counts(confirmed=2, refused=1))

    async def work(feed: Feed) -> None:
        readers = {name: world.listen(feed, name, Counted()) for name in ("anna", "wim", "pia")}
        for reader in readers.values():
            await reader.step()
        with world.journal.transaction() as connection:
            insert_call(connection, row, Payload.of([b"[1] PROCESS_HOST_CHECK_RESULT;web01;0;x\n"] * 3, range(3)))
        with world.journal.transaction() as connection:
            update_call(connection, moved, row)
            update_call(connection, replace(moved, cursor=2), moved)
            update_call(connection, over, moved)
        told = [["accepted", "1", "3", "0"], ["processed", "1", "0", "0"], ["partial", "1", "0", "2"]]
        for name in ("anna", "wim"):
            await readers[name].until(lambda lines: lines and lines[-1][1] == "partial")
            assert [line[1:] for line in readers[name].lines[1:]] == told
            again = world.listen(feed, name, Counted(), after=readers[name].lines[1][0])
            await again.until(lambda lines: lines and lines[-1][1] == "partial")
            assert [line[1:] for line in again.lines if line[1] != "beat"] == told[1:]
            await again.stream.aclose()
        await _until_quiet(feed)
        feed.end_all()
        for reader in readers.values():
            await reader.to_end()
        assert not [line for line in readers["pia"].lines if line[1] != "sign"]

    with_feeds(world, work)


@dataclass(frozen=True)
class Counted(Plain):
    """One line per thing: place, action, poller, how many of a call's results wait and are confirmed."""

    def event(self, event: Event, pollers: Mapping[int, str], at: str) -> bytes:
        counts: Any = event.said["counts"]
        return f"{at}|{event.action}|{event.poller}|{counts['accepted']}|{counts['confirmed']}\n".encode()


# --- reset ------------------------------------------------------------------------------------------------------------------------


def test_who_comes_too_late_is_told_and_may_go_on_from_now(world: World) -> None:
    async def work(feed: Feed) -> None:
        reader = world.listen(feed)
        await reader.step()
        await reader.stream.aclose()
        for number in range(10):
            world.say(f"out {number}")
        while world.mirror.prune_events(3):
            pass
        late = world.listen(feed, after=reader.last)
        await late.to_end()
        assert (late.signs(), late.outputs()) == (["reset"], [])
        again = world.listen(feed, after=late.last)
        task = asyncio.create_task(again.to_output("new"))
        await _until_quiet(feed)
        world.say("new")
        await task
        assert again.outputs() == ["new"]
        await again.stream.aclose()

    with_feeds(world, work)


@pytest.mark.parametrize("place", ["{0}-{1:x}-0", "{0}-0-5", "abcdef012345-1-0"])
def test_places_this_stream_never_had_are_a_reset(world: World, place: str) -> None:
    async def work(feed: Feed) -> None:
        reader = world.listen(feed)
        await reader.step()
        here = Cursor.load(reader.last)
        late = world.listen(feed, after=place.format(here.incarnation, here.state + 1))
        await late.to_end()
        assert late.signs() == ["reset"]
        await reader.stream.aclose()

    with_feeds(world, work)


@pytest.mark.parametrize("place", ["", "x", "1-2", "abcdef-1-2-3", "abcdef-1-٣", "abcdef--1-2", "a" * 400])
def test_what_is_no_place_is_refused(world: World, place: str) -> None:
    async def work(feed: Feed) -> None:
        with pytest.raises(InvalidField):
            await world.listen(feed, after=place).step()

    with_feeds(world, work)


def test_a_mirror_made_anew_under_readers_is_a_reset_for_each(world: World) -> None:
    async def work(feed: Feed) -> None:
        reader = world.listen(feed)
        await reader.step()
        world.mirror.close()
        for path in world.data.glob("state.db*"):
            path.unlink()
        world.mirror = Mirror.open(world.data / "state.db", CountingMint())
        world.mirror.configure([poller(1)])
        await reader.to_end()
        assert reader.signs() == ["begins", "reset"]

    with_feeds(world, work)


def test_a_sleeping_reader_is_reset_and_keeps_nobody_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribe, "_PACE_S", 0.02)

    async def work(feed: Feed) -> None:
        sleeper, awake = world.listen(feed, wording=Plain(4000)), world.listen(feed, wording=Plain(4000))
        for reader in (sleeper, awake):
            await reader.step()
            task = asyncio.create_task(reader.to_output("first"))
            await _until_quiet(feed)
            world.say("first")
            await task
        for number in range(1200):
            world.say(f"out {number}")
        await awake.to_output("out 1199")
        assert awake.outputs()[-1200:] == [f"out {number}" for number in range(1200)]
        await sleeper.to_end()
        assert sleeper.signs() == ["begins", "reset"]
        assert "out 1199" not in sleeper.outputs(), "what had waited was dropped, not given out in part"
        await awake.stream.aclose()

    with_feeds(world, work)


# --- snapshot, bounds -------------------------------------------------------------------------------------------------------------


def test_a_snapshot_and_what_follows_have_no_gap(world: World) -> None:
    async def work(feed: Feed) -> None:
        world.say("before")
        reader = world.listen(feed, snapshot=True)
        await reader.step()
        for number in range(5):  # while the snapshot is being read by the client
            world.say(f"during {number}")
        await reader.to_output("during 4")
        stands = [line for line in reader.lines if line[2] == "is"]
        assert sorted((line[1], line[3]) for line in stands) == [
            ("comment", "db01"), ("downtime", "web01"), ("poller", ""), ("poller", ""), ("state", "db01"), ("state", "db01"),
            ("state", "web01"), ("state", "web01"),
        ]  # fmt: skip
        assert not any(line[0] for line in stands), "a row of a snapshot is no place to go on from"
        assert reader.signs() == ["snapshot_begins", "snapshot_ends"]
        told = [line[4] for line in reader.lines if line[1] == "state" and line[2] != "is"]
        assert told == [f"during {number}" for number in range(5)]
        assert [line[4] for line in stands if line[1] == "state" and line[4]] == ["before"]
        limited = world.listen(feed, "wim", snapshot=True)
        await limited.until(lambda lines: any(line[2] == "snapshot_ends" for line in lines))
        assert {line[3] for line in limited.lines if line[2] == "is"} == {"", "web01"}
        for one in (reader, limited):
            await one.stream.aclose()

    with_feeds(world, work)


def test_a_snapshot_says_what_is_acknowledged_and_what_is_flapping(world: World) -> None:
    """Who follows only these would take everything for unacknowledged, until something happens to it."""
    acknowledged = service_row("web01", "HTTP", state=2, acknowledged=1, acknowledgement_type=2, block_hash=5)
    words = [comment("web01", "HTTP", core_id, text)._replace(entry_type=4, entry_time=at)
             for core_id, text, at in ((3, "long ago", 50.0), (9, "we know", 90.0), (12, "older", 70.0))]  # fmt: skip
    no_words = host_row("web01", state=1, acknowledged=1, acknowledgement_type=1, block_hash=5)
    flapping = service_row("db01", "HTTP", is_flapping=1, block_hash=5)
    new = StatusFile(AT, 500.0, (no_words, host_row("db01")), (acknowledged, flapping), FILE.downtimes, (*FILE.comments, *words))
    world.mirror.apply(scan(new, FILE))

    async def standing(feed: Feed, user: str, *kinds: str) -> list[tuple[str, str, str]]:
        reader = world.listen(feed, user, which=Which(kinds=frozenset(kinds) or None), snapshot=True)
        await reader.until(lambda lines: any(line[2] == "snapshot_ends" for line in lines))
        await reader.stream.aclose()
        return [(line[1], line[3], line[4]) for line in reader.lines if line[2] == "is" and line[1] not in ("state", "poller")]

    async def work(feed: Feed) -> None:
        acknowledgements = [("acknowledgement", "web01", ""), ("acknowledgement", "web01", "we know")]
        assert await standing(feed, "anna", "acknowledgement") == acknowledgements
        assert await standing(feed, "anna", "flapping") == [("flapping", "db01", "")]
        others = [("downtime", "web01", "work"), ("comment", "db01", "seen")]
        assert await standing(feed, "anna") == [*acknowledgements, ("flapping", "db01", ""), *others]
        assert await standing(feed, "wim") == [*acknowledgements, others[0]]

    with_feeds(world, work)


def test_a_feed_that_fails_lets_its_readers_go_and_the_next_begins_anew(world: World) -> None:
    """Heartbeats without events would be the worst of all answers."""

    async def work(feed: Feed) -> None:
        reader = world.listen(feed)
        await reader.step()
        world.say("read")
        await reader.to_output("read")
        advance = feed._advance

        async def fails() -> bool:
            raise RuntimeError("a bug")

        feed._advance = fails  # type: ignore[method-assign]
        await reader.to_end()
        assert reader.signs() == ["begins", "end"]
        feed._advance = advance  # type: ignore[method-assign]
        world.say("missed meanwhile")
        again = world.listen(feed, after=reader.lines[1][0])
        await again.to_output("missed meanwhile")
        await again.stream.aclose()

    with_feeds(world, work)


def test_no_more_readers_than_said(world: World) -> None:
    async def work(_: Feed) -> None:
        feed = world.feed(most=1)
        one = world.listen(feed)
        await one.step()
        with pytest.raises(TooManyReaders):
            await world.listen(feed).step()
        await one.stream.aclose()
        again = world.listen(feed)
        await again.step()
        await again.stream.aclose()
        await feed.close()

    with_feeds(world, work)


def test_heartbeats_carry_the_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribe, "BEAT_EVERY_S", 0.05)

    async def work(feed: Feed) -> None:
        reader = world.listen(feed, which=Which(host="nobody"))
        await reader.step()
        world.say("not for him")
        begins = reader.last
        await reader.until(lambda lines: lines[-1][1] == "beat" and lines[-1][0] != begins)
        await reader.stream.aclose()

    with_feeds(world, work)


def test_steps_forgotten_with_their_commands_are_a_reset_for_who_had_not_read_them(world: World) -> None:
    """An old command that is not through stays, so the oldest step that is left says nothing of those between."""

    async def work(feed: Feed) -> None:
        reader = world.listen(feed)
        await reader.step()
        await reader.stream.aclose()
        here = Cursor.load(reader.last)
        with world.journal.transaction() as connection:
            for number, state in enumerate(("accepted", "processed", "processed")):
                connection.execute(
                    "INSERT INTO command (id, operation, name, poller, host, service, arguments, state, accepted_at, updated_at,"
                    " deadline_at, author, user, address, token)"
                    " VALUES (?, 'o', 'n', 1, 'web01', '', '{}', ?, 1, 1, 1, '', 'anna', '', '')",
                    (f"c{number}", state),
                )
                connection.execute("INSERT INTO step (command_id, state, at) VALUES (?, 'accepted', 1)", (f"c{number}",))
        gone = Retention(world.journal, Settings(), HandClock(10**9)).prune()
        assert gone["commands"] == 2
        for journal, signs in ((here.journal, ["reset"]), (here.journal + 2, ["reset"]), (here.journal + 3, ["end"])):
            again = world.listen(feed, after=replace(here, journal=journal).dump())
            task = asyncio.create_task(again.to_end())
            await _until_quiet(feed)
            if signs == ["end"]:
                feed.end_all()
            await task
            assert again.signs() == signs, journal

    with_feeds(world, work)


@dataclass
class HandClock:
    """A clock that stands."""

    at: float

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return 0.0


def test_a_step_of_a_command_is_told_from_the_journal(world: World) -> None:
    async def work(feed: Feed) -> None:
        everybody, limited = world.listen(feed), world.listen(feed, "wim")
        await everybody.step()
        await limited.step()
        with world.journal.transaction() as connection:
            for number, (host, user) in enumerate((("web01", "anna"), ("db01", "anna"), ("", "anna"), ("", "wim"))):
                connection.execute(
                    "INSERT INTO command (id, operation, name, poller, host, service, arguments, state, accepted_at, updated_at,"
                    " deadline_at, author, user, address, token)"
                    " VALUES (?, 'o', ?, 1, ?, '', '{}', 'accepted', 1, 1, 1, '', ?, '', '')",
                    (f"c{number}", f"{host or 'group'} by {user}", host, user),
                )
                connection.execute("INSERT INTO step (command_id, state, at) VALUES (?, 'accepted', 1)", (f"c{number}",))
        await everybody.until(lambda lines: len(lines) == 5)
        assert [line[4] for line in everybody.lines[1:]] == ["web01 by anna", "db01 by anna", "group by anna", "group by wim"]
        await limited.until(lambda lines: len(lines) == 3)
        assert [line[4] for line in limited.lines[1:]] == ["web01 by anna", "group by wim"]
        for one in (everybody, limited):
            await one.stream.aclose()

    with_feeds(world, work)


# --- calls that are stored in slices --------------------------------------------------------------------------------------------


def ask(world: World, operation: str, name: str, state: Storing, age_s: float = 0.0) -> None:
    """A call of one command, which is stored so far."""
    with world.journal.transaction() as connection:
        insert_operation(connection, OperationRow(operation, "a", "anna", "anna", "", "", "", NOW - age_s, state))
        nothing = (None, None, None, None, None)
        said = (f"c-{operation}", operation, name, 1, "web01", "", "{}", 1.0, 1.0, 9.0)
        command = NewCommand(*said, *nothing, "anna", "anna", "", "")
        insert_new(connection, [command])


def told(reader: Listener) -> list[tuple[str, str]]:
    return [(line[4], line[2]) for line in reader.lines if line[1] == "command"]


def listed(world: World) -> set[str]:
    """In the list of commands, and by their ids."""
    ids = ["c-before", "c-large", "c-small"]
    with closing(Reader.open(world.data)) as reader:
        page = page_of_lives(reader.connection, EVERYTHING, EntryFilter(), {})
        lives = {life.command for life in page.rows}
        assert page.total == len(lives)
        assert {life.command for life in lives_of(reader.connection, EVERYTHING, ids, {}).values()} == lives
        return lives


@pytest.mark.parametrize("age_s", [0.0, STORED_WITHIN_S], ids=["new", "long under way"])
@pytest.mark.parametrize("end", [Storing.COMPLETE, Storing.WITHDRAWING])
def test_commands_of_a_call_are_told_of_once_it_cannot_be_refused_any_more(world: World, end: Storing, age_s: float) -> None:
    """Its first slices are in: what comes after them waits, states do not, and whoever comes again misses nothing."""

    async def work(feed: Feed, other: Feed) -> None:
        reader = world.listen(feed)
        await reader.step()
        ask(world, "before", "BEFORE", Storing.COMPLETE)
        ask(world, "large", "LARGE", Storing.INCOMPLETE, age_s)
        ask(world, "small", "SMALL", Storing.COMPLETE)
        world.say("meanwhile")
        await reader.until(lambda lines: told(reader) and "meanwhile" in reader.outputs())
        await _until_quiet(feed)
        assert told(reader) == [("BEFORE", "accepted")]
        assert listed(world) == {"BEFORE", "SMALL"}
        again = world.listen(other, after=reader.last)
        with world.journal.transaction() as connection:
            go_on(connection, "large", end)
        expected = [("LARGE", "accepted"), ("SMALL", "accepted")][end is not Storing.COMPLETE :]
        await reader.until(lambda _: len(told(reader)) > len(expected))
        await again.until(lambda _: len(told(again)) >= len(expected))
        assert told(reader)[1:] == told(again) == expected
        assert listed(world) == {"BEFORE", "SMALL"} | {name for name, _ in expected}
        for one in (reader, again):
            await one.stream.aclose()

    with_feeds(world, work, feeds=2)


def test_a_call_that_nobody_goes_on_storing_does_not_keep_others_from_being_told_of(world: World) -> None:
    async def work(feed: Feed) -> None:
        reader = world.listen(feed)
        await reader.step()
        ask(world, "large", "LARGE", Storing.INCOMPLETE, WAITED_FOR_S + 1)
        ask(world, "small", "SMALL", Storing.COMPLETE)
        await reader.until(lambda _: told(reader))
        assert told(reader) == [("SMALL", "accepted")]
        await reader.stream.aclose()

    with_feeds(world, work)
