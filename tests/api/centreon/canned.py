"""What the dialect's unit tests talk to: a real mirror of two small cores, a real doorkeeper, and a desk that only remembers.

The desk here stands in for `engine.desk.Desk` towards the dialect; `test_canned.py` holds its methods against the real ones.
Every value of `db01` and its service differs from every other, so that two fields changed over cannot go unseen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from starlette.applications import Starlette

from api.auth.contacts import ContactPolicy
from api.auth.doorkeeper import Doorkeeper
from api.auth.passwords import hash_password
from api.centreon import routes
from api.connection import PEER
from engine.config import Poller, Settings
from engine.desk import Caller, Entry, EntryFilter, Item, ItemDone, Life, Page, Receipt, Recorded, Step, Target
from engine.errors import UnknownObject
from engine.journal import accounts
from engine.journal.store import Journal
from engine.model import (
    CoreKind,
    Generation,
    GroupConfig,
    HostConfig,
    HostStatus,
    ObjectCache,
    ObjectKey,
    ServiceConfig,
    ServiceStatus,
)
from engine.state.frames import Begin, End, Objects, Rows
from engine.state.mirror import Mirror
from engine.state.scope import Scope
from engine.state.version import StateVersion
from engine.state.views import Reader
from tests.api.support_desk import NOW, SetClock

T = TypeVar("T")
PASSWORD = "correct horse"
SETTINGS = Settings(centreon_wait_s=7.5)
IDS = {
    ObjectKey(1, "db01"): 12,
    ObjectKey(1, "web01"): 13,
    ObjectKey(1, "db01", "Disk /var"): 51,
    ObjectKey(1, "db01", "Ping"): 52,
    ObjectKey(1, "web01", "HTTP"): 53,
    ObjectKey(2, "web01"): 8_589_934_593,
}

DB01 = HostStatus(
    name="db01", state=1, state_type=1, has_been_checked=1, plugin_output="CRITICAL - down",
    long_plugin_output="line two\nline three", perf_data="rta=1ms", check_command="check-host-alive!5", check_period="always",
    notification_period="workhours", event_handler="", event_handler_period="",
    check_interval=5.0, retry_interval=1.5, current_attempt=2, max_check_attempts=7, last_check=1_700_000_001.0,
    next_check=1_700_000_002.0, last_state_change=1_700_000_003.0, last_hard_state_change=1_700_000_004.0, last_hard_state=2,
    last_time_up=1_700_000_005.0, last_time_down=1_700_000_006.0, last_time_unreachable=0.0, last_notification=1_700_000_008.0,
    next_notification=1_700_000_009.0, current_notification_number=11, execution_time=0.25, latency=0.0, check_type=0,
    check_options=0, percent_state_change=13.5, acknowledged=1, acknowledgement_type=2, acknowledgement_end_time=0.0,
    scheduled_downtime_depth=3, is_flapping=0, checks_enabled=0, accept_passive_checks=1, notifications_enabled=1,
    event_handler_enabled=1, flap_detection_enabled=1, process_performance_data=1, obsess=1,
    should_be_scheduled=1, no_more_notifications=0, modified_attributes=0,
    last_update=1_700_000_010.0, custom_variables='{"TIMEZONE":":Europe/Paris","CRITICALITY_LEVEL":"4"}', block_hash=1,
)  # fmt: skip
DB01_CONFIG = HostConfig(
    name="db01", alias="Database one", display_name="DB 1", address="192.0.2.1", icon_image="db.png", icon_image_alt="a database",
    notes="", notes_url="", action_url="", check_command="check-host-alive!5", check_period="always", check_interval=5.0,
    notification_interval=30.0, notification_options="d,r,s", notification_period="workhours", max_check_attempts=7, parents=(),
    contacts=(), contact_groups=(), custom_variables="{}",
)  # fmt: skip
DISK = ServiceStatus(
    host_name="db01", description="Disk /var", state=2, state_type=1, has_been_checked=1, plugin_output="DISK CRITICAL",
    long_plugin_output="", perf_data="/var=97%;80;90", check_command="check_disk!/var", check_period="24x7",
    notification_period="24x7",
    event_handler="", event_handler_period="", check_interval=10.0, retry_interval=2.0, current_attempt=3, max_check_attempts=4,
    last_check=1_700_000_021.0, next_check=1_700_000_022.0, last_state_change=NOW - 7500, last_hard_state_change=1_700_000_024.0,
    last_hard_state=2, last_time_ok=1_700_000_025.0, last_time_warning=1_700_000_026.0, last_time_critical=1_700_000_027.0,
    last_time_unknown=0.0, last_notification=1_700_000_029.0, next_notification=1_700_000_030.0, current_notification_number=5,
    execution_time=0.75, latency=0.125, check_type=1, check_options=0, percent_state_change=6.25, acknowledged=0,
    acknowledgement_type=0, acknowledgement_end_time=0.0, scheduled_downtime_depth=2, is_flapping=1, checks_enabled=1,
    accept_passive_checks=1, notifications_enabled=1, event_handler_enabled=1, flap_detection_enabled=1,
    process_performance_data=1, obsess=1,
    should_be_scheduled=1, no_more_notifications=0, modified_attributes=0,
    last_update=1_700_000_031.0, custom_variables="{}", block_hash=2,
)  # fmt: skip
DISK_CONFIG = ServiceConfig(
    host_name="db01", description="Disk /var", display_name="Disk of logs", icon_image="disk.png", icon_image_alt="a disk",
    notes="", notes_url="", action_url="", check_command="check_disk!/var", check_period="24x7", check_interval=10.0,
    notification_interval=60.0, notification_options="w,u,c,r", notification_period="24x7", max_check_attempts=4, contacts=(),
    contact_groups=(),
    custom_variables='{"CRITICALITY_LEVEL":"2"}',
)  # fmt: skip

POLLERS = tuple(
    Poller(number, name, CoreKind.NAGIOS, Path("/n/cmd"), Path("/n/status.dat"), Path("/n/log"))
    for number, name in ((1, "central"), (2, "branch"))
)


def _frames(poller: int) -> list[Any]:
    web = DB01._replace(name="web01", state=0, has_been_checked=0, acknowledged=0, custom_variables="{}", block_hash=3)
    ping = DISK._replace(description="Ping", state=0, block_hash=4)
    http = DISK._replace(host_name="web01", description="HTTP", state=3, block_hash=5)
    first = poller == 1
    hosts = (DB01, web) if first else (web,)
    services = (DISK, ping, http) if first else ()
    groups = (GroupConfig("hostgroup", "every", "Everything", (("web01", None),)),)
    if first:
        groups = (
            GroupConfig("hostgroup", "databases", "Databases", (("db01", None),)),
            GroupConfig("hostgroup", "every", "Everything", (("db01", None), ("web01", None))),
            GroupConfig("hostgroup", "nobody", "Nobody", (("gone", None),)),
            GroupConfig("servicegroup", "disks", "Disks", (("db01", "Disk /var"),)),
        )
    cache = ObjectCache((DB01_CONFIG,) if first else (), (DISK_CONFIG,) if first else (), groups)
    generation = Generation(NOW - 5, NOW - 500, "4.4.6", NOW - 4)
    return [Begin(poller, generation, True), Objects(cache), Rows(hosts, services), End(poller, len(hosts), len(services), 0.01)]


def make_state(data: Path) -> None:
    """state.db as the engine would have made it from the rows above."""
    mirror = Mirror.open(data / "state.db", lambda _poller, wanted: {key: IDS[key] for key in wanted})
    mirror.configure(POLLERS)
    for poller in (1, 2):
        assert mirror.apply(_frames(poller)).health == "fresh"
    mirror.close()


def make_users(journal: Journal) -> None:
    """anna (1) may all, olga (2) commands, rita (3) reads, dora (4) commands databases only."""
    password = hash_password(PASSWORD)
    databases = Scope(hostgroups=frozenset({"databases"}))
    with journal.transaction() as connection:
        accounts.add_user(connection, "anna", accounts.Role.ADMIN, password, NOW)
        accounts.add_user(connection, "olga", accounts.Role.OPERATOR, password, NOW, author="Olga Ops")
        accounts.add_user(connection, "rita", accounts.Role.READER, password, NOW)
        accounts.add_user(connection, "dora", accounts.Role.OPERATOR, password, NOW, scope=databases)


def entry(id: int, kind: str = "downtime", host: str = "db01", service: str | None = None, **more: Any) -> Entry:
    """An entry on poller 1 with the object's ids filled in."""
    known: dict[str, Any] = {"author": "anna", "comment": "why", "proof": "confirmed", "present": True, "entry_time": NOW - 60}
    ids = {"host_id": IDS.get(ObjectKey(1, host)), "service_id": IDS.get(ObjectKey(1, host, service)) if service else None}
    return Entry(id=id, kind=kind, poller=1, poller_name="central", host=host, service=service, **(ids | known | more))


def life(command_id: str, state: str, **more: Any) -> Life:
    """A command's life that came to `state`."""
    values: dict[str, Any] = {
        "command": "SCHEDULE_HOST_DOWNTIME", "poller": 1, "poller_name": "central", "host": "db01", "service": None,
        "arguments": {}, "final": False, "reason": "", "advice": "", "accepted_at": NOW, "updated_at": NOW,
        "deadline_at": NOW + 60, "user": "anna",
        "author": "anna", "entry_id": 77, "effect_pending": False, "steps": (Step(state, NOW),), "line": "",
    }  # fmt: skip
    return Life(id=command_id, state=state, **(values | more))


def said(answer: Any) -> tuple[int, dict[str, Any]]:
    """Status, code and message of an answer; what its `errors` say for programs is looked at where it matters."""
    body = answer.json()
    assert isinstance(body["errors"], list)
    return answer.status_code, {name: body[name] for name in ("code", "message")}


@dataclass
class CannedDesk:
    """Remembers what it is asked; every command comes to the states in `states`, one command for each."""

    data: Path
    stored: list[Entry] = field(default_factory=list)
    states: Sequence[str | Life] = ("processed",)
    notes: tuple[str, ...] = ()
    refuses: Exception | None = None
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    waits: list[tuple[list[str], str, float]] = field(default_factory=list)
    known: Recorded | None = None
    refusals: list[tuple[str, int, str]] = field(default_factory=list)
    done: Sequence[ItemDone] = ()  # what becomes of items
    items: list[Item] = field(default_factory=list)

    async def recorded(self, caller: Caller) -> Recorded | None:
        return self.known if caller.request is not None and caller.request.key else None

    async def refused(self, caller: Caller, status: int, code: str, detail: str, host: str = "", service: str = "") -> None:
        self.refusals.append((caller.user, status, code))

    def state_version(self) -> int | None:
        version = StateVersion(self.data)
        try:
            return version.number()
        finally:
            version.close()

    async def read(self, work: Callable[[Reader], T], *, short: bool = False) -> T:
        reader = Reader.open(self.data)
        try:
            return work(reader)
        finally:
            reader.close()

    async def entries(self, caller: Caller, which: EntryFilter) -> Page[Entry]:
        wanted = [item for item in sorted(self.stored, key=lambda item: -item.id) if self._is_wanted(item, which)]
        if which.latest_per_object:
            latest: dict[object, Entry] = {}
            for item in wanted:
                latest.setdefault((item.poller, item.host, item.service), item)
            wanted = list(latest.values())
        return Page(tuple(wanted[which.offset : which.offset + which.limit]), len(wanted))

    @staticmethod
    def _is_wanted(item: Entry, which: EntryFilter) -> bool:
        fields = ("kind", "poller", "host", "service", "present")
        same = all(getattr(which, name) in (None, getattr(item, name)) for name in fields)
        return same and which.services in (None, item.service is not None)

    async def entry(self, caller: Caller, kind: str, entry_id: int) -> Entry:
        for item in self.stored:
            if (item.kind, item.id) == (kind, entry_id):
                return item
        raise UnknownObject(f"There is no {kind} {entry_id}.", id=entry_id)

    async def schedule_downtime(
        self,
        caller: Caller,
        targets: Sequence[Target],
        *,
        start: float,
        end: float,
        fixed: bool,
        duration: float | None,
        comment: str,
        with_services: bool = False,
        author: str | None = None,
        reference: str = "",
        force: bool = False,
        hold: bool = True,
    ) -> tuple[Receipt, ...]:
        asked = {"start": start, "end": end, "fixed": fixed, "duration": duration, "comment": comment}
        more = {"with_services": with_services, "author": author, "hold": hold, "user": caller.user}
        assert (reference, force) == ("", False)  # this dialect has no words for them
        return self._receipts("schedule_downtime", targets=list(targets), **asked, **more)

    async def acknowledge(
        self,
        caller: Caller,
        targets: Sequence[Target],
        *,
        comment: str,
        sticky: bool,
        notify: bool,
        persistent: bool,
        expire: float | None = None,
        author: str | None = None,
        reference: str = "",
        force: bool = False,
        hold: bool = True,
    ) -> tuple[Receipt, ...]:
        assert (expire, reference, force) == (None, "", False)  # this dialect has no words for them
        asked = {"comment": comment, "sticky": sticky, "notify": notify, "persistent": persistent}
        return self._receipts("acknowledge", targets=list(targets), **asked, author=author, hold=hold, user=caller.user)

    async def remove_acknowledgement(self, caller: Caller, targets: Sequence[Target], *, hold: bool = True) -> tuple[Receipt, ...]:
        return self._receipts("remove_acknowledgement", targets=list(targets), hold=hold, user=caller.user)

    async def delete_entry(self, caller: Caller, kind: str, entry_id: int, *, hold: bool = True) -> tuple[Receipt, ...]:
        return self._receipts("delete_entry", kind=kind, entry_id=entry_id, hold=hold, user=caller.user)

    async def carry_out_items(
        self, caller: Caller, items: Sequence[Item], action: str, *, removes: bool = False, hold: bool = True
    ) -> tuple[ItemDone, ...]:
        self.calls.append((action, {"removes": removes, "hold": hold, "user": caller.user}))
        self.items = list(items)
        return tuple(self.done)

    async def settle(self, caller: Caller, command_ids: Sequence[str], *, until: str, timeout_s: float) -> tuple[Life, ...]:
        self.waits.append((list(command_ids), until, timeout_s))
        return tuple(
            state if isinstance(state, Life) else life(command_id, state)
            for command_id, state in zip(command_ids, self.states, strict=True)
        )

    def _receipts(self, name: str, **asked: Any) -> tuple[Receipt, ...]:
        self.calls.append((name, asked))
        if self.refuses is not None:
            raise self.refuses
        return tuple(
            Receipt(f"cmd-{number}", "SCHEDULE_HOST_DOWNTIME", 1, "db01", None, 70 + number, notes=self.notes)
            for number, _ in enumerate(self.states, 1)
        )


@dataclass
class Front:
    """The dialect in front of the canned desk, and a client of it."""

    desk: CannedDesk
    clock: SetClock
    http: httpx.AsyncClient
    loop: asyncio.Runner
    version: str = "latest"
    token: str = ""

    def login(self, user: str) -> Front:
        """The same front as seen by a client that has just logged in."""
        answer = self.post("/login", {"security": {"credentials": {"login": user, "password": PASSWORD}}})
        assert answer.status_code == 200, answer.text
        return Front(self.desk, self.clock, self.http, self.loop, self.version, answer.json()["security"]["token"])

    def get(self, path: str, **params: Any) -> Any:
        return self.send("GET", path, params=params or None)

    def post(self, path: str, body: object) -> Any:
        return self.send("POST", path, json=body)

    def delete(self, path: str) -> Any:
        return self.send("DELETE", path)

    def send(self, method: str, path: str, headers_too: Mapping[str, str] | None = None, **more: Any) -> Any:
        headers = ({"X-AUTH-TOKEN": self.token} if self.token else {}) | dict(headers_too or {})
        return self.loop.run(self.http.request(method, f"/centreon/api/{self.version}{path}", headers=headers, **more))

    def under(self, version: str) -> Front:
        """The same client under another version's path."""
        return Front(self.desk, self.clock, self.http, self.loop, version, self.token)


@contextmanager
def open_front(data: Path, settings: Settings = SETTINGS, peer: str = "127.0.0.1") -> Iterator[Front]:
    """A front over `data`, where state.db and the users already are. `peer`: who is at the other end of its connections."""
    journal = Journal.open(data)
    clock, desk = SetClock(), CannedDesk(data)
    doorkeeper = Doorkeeper(journal, settings, clock, ContactPolicy(settings.cgi_cfg) if settings.cgi_cfg else None)
    routed = Starlette(routes=routes(desk, doorkeeper, settings, clock))  # type: ignore[arg-type]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await routed(scope | {PEER: peer}, receive, send)

    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://box")
    with asyncio.Runner() as loop:
        yield Front(desk, clock, http, loop)
        loop.run(http.aclose())
    doorkeeper.close()
    journal.close()
