"""What the unit tests of the API talk to: real parts over a small made-up world, and a client that sends exact bytes.

The desk is the real one over a real mirror and a real journal, so that it checks what it is asked as it does in life; there is
no engine behind it. Only the end of waiting is canned: `fates` says, command by command, how far each came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from msgspec import structs
from starlette.applications import Starlette

from api.app import application
from api.auth.doorkeeper import Doorkeeper
from engine.config import Config, Poller, Settings
from engine.desk import Caller, Desk, Life, Step
from engine.journal import accounts
from engine.journal.store import Journal
from engine.model import (
    CommandConfig,
    ContactConfig,
    CoreKind,
    Generation,
    GroupConfig,
    HostConfig,
    HostStatus,
    ObjectCache,
    ObjectKey,
    ServiceStatus,
    TimeperiodConfig,
)
from engine.state.frames import Begin, End, Objects, Rows
from engine.state.mirror import Mirror
from engine.state.scope import Scope

NOW = 1_800_000_000.0
AGE_S = 5.0
NOWHERE = Path("/nonexistent")

# Names the cores accept and a careless router breaks. "Disk" and "var" are decoys: what a wrong split would find.
AWKWARD = (
    *("Disk /var", "/", "..", ".", "a+b", "a b", "C:\\ 90%", "Größe", "#1?", "%2F", "%41", "a&b=c", "null", "日本 €"),
    *("Disk", "var"),
)
HOSTS: dict[int, dict[str, tuple[str, ...]]] = {
    1: {"web01": ("HTTP", *AWKWARD), "db01": ("SQL",), "shared": ("HTTP",), **{name: (name,) for name in AWKWARD}},
    2: {"shared": ("HTTP",), "branch01": ()},
}
WEB_GROUP = ("web01", "shared")
DOWN = {(1, "db01", None): 1, (1, "web01", "HTTP"): 2, (1, "db01", "SQL"): 1, (2, "shared", "HTTP"): 3}

HOST = HostStatus(
    name="", state=0, state_type=1, has_been_checked=1, plugin_output="PING OK", long_plugin_output="", perf_data="rta=1ms",
    check_command="ping", check_period="24x7", notification_period="24x7",
    event_handler="", event_handler_period="", check_interval=5.0, retry_interval=1.0,
    current_attempt=1, max_check_attempts=3, last_check=NOW - 60, next_check=NOW + 60, last_state_change=NOW - 600,
    last_hard_state_change=NOW - 600, last_hard_state=0, last_time_up=NOW - 60, last_time_down=0.0, last_time_unreachable=0.0,
    last_notification=0.0, next_notification=0.0, current_notification_number=0, execution_time=0.25, latency=0.0, check_type=0,
    check_options=0, percent_state_change=0.0, acknowledged=0, acknowledgement_type=0, acknowledgement_end_time=0.0,
    scheduled_downtime_depth=0, is_flapping=0, checks_enabled=1, accept_passive_checks=1, notifications_enabled=1,
    event_handler_enabled=1, flap_detection_enabled=1, process_performance_data=1, obsess=1,
    should_be_scheduled=1, no_more_notifications=0, modified_attributes=0,
    last_update=NOW - AGE_S, custom_variables='{"SITE":"Köln"}', block_hash=1,
)  # fmt: skip
SERVICE = ServiceStatus(
    host_name="", description="", state=0, state_type=1, has_been_checked=1, plugin_output="fine", long_plugin_output="",
    perf_data="", check_command="check_it", check_period="24x7", notification_period="24x7",
    event_handler="", event_handler_period="", check_interval=5.0, retry_interval=1.0,
    current_attempt=1, max_check_attempts=3, last_check=NOW - 60, next_check=NOW + 60, last_state_change=NOW - 600,
    last_hard_state_change=NOW - 600, last_hard_state=0, last_time_ok=NOW - 60, last_time_warning=0.0, last_time_critical=0.0,
    last_time_unknown=0.0, last_notification=0.0, next_notification=0.0, current_notification_number=0, execution_time=0.5,
    latency=0.0, check_type=0, check_options=0, percent_state_change=0.0, acknowledged=0, acknowledgement_type=0,
    acknowledgement_end_time=0.0, scheduled_downtime_depth=0, is_flapping=0, checks_enabled=1, accept_passive_checks=1,
    notifications_enabled=1, event_handler_enabled=1, flap_detection_enabled=1, process_performance_data=1, obsess=1,
    should_be_scheduled=1, no_more_notifications=0,
    modified_attributes=0, last_update=NOW - AGE_S, custom_variables="{}", block_hash=2,
)  # fmt: skip


class SetClock:
    """A clock the test sets."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@dataclass(frozen=True)
class Fate:
    """How far a command came when the waiting ended."""

    state: str
    evidence: str = ""
    effect_pending: bool = False
    reason: str = ""
    advice: str = "look at it"


class SettledDesk(Desk):
    """The real desk, whose commands come as far as the test says; without a fate they stay where the journal has them."""

    fates: Sequence[Fate] = ()
    waits: list[tuple[tuple[str, ...], str, float]]

    async def settle(self, caller: Caller, command_ids: Sequence[str], *, until: str, timeout_s: float) -> tuple[Life, ...]:
        assert until in ("processed", "final") and timeout_s >= 0 and len(set(command_ids)) == len(command_ids) > 0
        self.waits.append((tuple(command_ids), until, timeout_s))
        lives = [await self.life(caller, command_id) for command_id in command_ids]
        if not self.fates:
            return tuple(lives)
        return tuple(_fated(life, fate) for life, fate in zip(lives, self.fates, strict=True))


def _fated(life: Life, fate: Fate) -> Life:
    step = Step(fate.state, NOW, fate.evidence)
    told = {"state": fate.state, "effect_pending": fate.effect_pending, "reason": fate.reason, "advice": fate.advice}
    return structs.replace(life, steps=(*life.steps, step), **told)  # type: ignore[arg-type]


def host(name: str, **more: Any) -> HostStatus:
    """One host's row."""
    return HOST._replace(name=name, **more)


def host_config(name: str) -> HostConfig:
    """One host's configuration."""
    return HostConfig(
        name=name, alias=f"{name}'s alias", display_name=name, address="192.0.2.1", icon_image="", icon_image_alt="", notes="",
        notes_url="", action_url="", check_command="ping", check_period="24x7", check_interval=5.0, notification_interval=60.0,
        notification_options="d", notification_period="24x7", max_check_attempts=3, parents=("router",), contacts=(),
        contact_groups=(), custom_variables='{"SITE":"Köln"}',
    )  # fmt: skip


def configuration(data: Path) -> Config:
    """Two Nagios cores; their files do not exist, so their command files have no reader."""
    pollers = tuple(
        Poller(number, name, CoreKind.NAGIOS, NOWHERE / f"{name}.cmd", NOWHERE / f"{name}.dat", NOWHERE / f"{name}.log")
        for number, name in ((1, "north"), (2, "south"))
    )
    return Config(data, pollers, Settings(wait_processed_s=1.5))


def make_world(data: Path) -> Config:
    """state.db as the engine would have made it, and users: anna (admin), olga (operator), rita (reader), wim (web only)."""
    config = configuration(data)
    numbers: dict[ObjectKey, int] = {}

    def mint(poller: int, wanted: Any) -> dict[ObjectKey, int]:
        return {key: numbers.setdefault(key, (poller << 32) + 100 + len(numbers)) for key in wanted}

    mirror = Mirror.open(data / "state.db", mint)
    mirror.configure(config.pollers)
    for poller in config.pollers:
        assert mirror.apply(_frames(poller.number)).health == "fresh"
    mirror.close()
    journal = Journal.open(data)
    with journal.transaction() as connection:
        for name, role, scope in (
            ("anna", accounts.Role.ADMIN, Scope()),
            ("olga", accounts.Role.OPERATOR, Scope()),
            ("rita", accounts.Role.READER, Scope()),
            ("wim", accounts.Role.OPERATOR, Scope(hostgroups=frozenset({"web"}))),
        ):
            user = accounts.add_user(connection, name, role, "no password", NOW, scope=scope)
            accounts.add_token(connection, f"{name}-token", user, f"secret-of-{name}", NOW)
    journal.close()
    return config


def _frames(poller: int) -> list[Any]:
    hosts, services = [], []
    for name, descriptions in HOSTS[poller].items():
        hosts.append(host(name, state=DOWN.get((poller, name, None), 0)))
        for description in descriptions:
            state = DOWN.get((poller, name, description), 0)
            services.append(SERVICE._replace(host_name=name, description=description, state=state))
    members = tuple((name, None) for name in WEB_GROUP if name in HOSTS[poller])
    groups = (
        GroupConfig("hostgroup", "web", "Web", members),
        GroupConfig("hostgroup", "data", "Databases", (("db01", None),) if poller == 1 else ()),
        GroupConfig("servicegroup", "sites", "Sites", (("shared", "HTTP"), *((("web01", "HTTP"),) if poller == 1 else ()))),
    )
    cache = ObjectCache(tuple(map(host_config, HOSTS[poller])), groups=groups)
    if poller == 1:
        cache = structs.replace(
            cache,
            groups=(*groups, GroupConfig("contactgroup", "staff", "Staff", (("ann", None), ("bob", None)))),
            contacts=(ContactConfig("ann", "Ann", "ann@example.org", 1), ContactConfig("bob", "Bob", "", 0)),
            timeperiods=(
                TimeperiodConfig("24x7", "always", (("monday", "00:00-24:00"),), ("holidays",)),
                TimeperiodConfig("holidays", "Holidays", (("december 25", "00:00-24:00"),), ()),
            ),
            commands=(CommandConfig("ping", "$USER1$/check_ping -H $HOSTADDRESS$"), CommandConfig("mail", "/bin/mail")),
        )
    generation = Generation(NOW - AGE_S, NOW - 5000, "4.4.6", NOW - AGE_S)
    return [
        Begin(poller, generation, True),
        Objects(cache),
        Rows(tuple(hosts), tuple(services)),
        End(poller, len(hosts), len(services), 0.01),
    ]


# --- a client that sends exact bytes --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    def problem(self, status: int, code: str) -> dict[str, Any]:
        """The problem document; fails unless it is one of that status and code, whole and without a stack."""
        assert (self.status, self.headers["content-type"]) == (status, "application/problem+json"), self.body
        members: dict[str, Any] = self.json
        assert members["status"] == status and members["code"] == code, members
        assert members["type"] == f"urn:signalbox:problem:{code}" and members["title"] and members["detail"], members
        assert "Traceback" not in members["detail"] and ".py" not in members["detail"], members
        return members


@dataclass
class Front:
    """The whole application over one world, asked one request at a time."""

    app: Starlette
    desk: SettledDesk
    clock: SetClock
    loop: asyncio.Runner
    secret: str = "secret-of-anna"
    sent: list[str] = field(default_factory=list)

    def by(self, user: str) -> Front:
        """The same front as that user."""
        return replace(self, secret=f"secret-of-{user}")

    def get(self, target: str, **headers: str) -> Reply:
        return self.ask("GET", target, **headers)

    def post(self, target: str, body: object, **headers: str) -> Reply:
        return self.ask("POST", target, body if isinstance(body, bytes) else orjson.dumps(body), **headers)

    def delete(self, target: str, **headers: str) -> Reply:
        return self.ask("DELETE", target, **headers)

    def ask(self, method: str, target: str | bytes, body: bytes = b"", **headers: str) -> Reply:
        """One request, its target exactly as given. `authorization=""` leaves the token out."""
        sent = {"authorization": f"Bearer {self.secret}"} | headers
        fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items() if value]
        return self.loop.run(self._ask(method, target.encode() if isinstance(target, str) else target, body, fields))

    async def _ask(self, method: str, target: bytes, body: bytes, headers: list[tuple[bytes, bytes]]) -> Reply:
        raw_path, _, query = target.partition(b"?")
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": "/decoded/by/the/server/and/not/to/be/trusted", "raw_path": raw_path, "query_string": query, "root_path": "",
            "headers": headers, "client": ("192.0.2.7", 4711), "server": ("box", 80),
        }  # fmt: skip
        if not raw_path.startswith(b"/v1"):
            scope["path"] = raw_path.decode()
        messages: list[dict[str, Any]] = []
        pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]

        async def receive() -> dict[str, Any]:
            if not pieces:
                awaited = dict(headers).get(b"x-until", b"")  # the caller stays until that came, or until all of a list came
                if not awaited and raw_path.split(b"/")[-1] != b"events":
                    await asyncio.Event().wait()
                while awaited not in b"".join(message.get("body", b"") for message in messages):
                    await asyncio.sleep(0.001)
                return {"type": "http.disconnect"}
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message: Any) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        start, *rest = messages
        told = {name.decode(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], told, b"".join(part.get("body", b"") for part in rest))


@contextmanager
def open_front(config: Config) -> Iterator[Front]:
    """The application over a world that `make_world` made."""
    clock = SetClock()
    journal = Journal.open(config.data)
    doorkeeper = Doorkeeper(journal, config.settings, clock)
    desk = SettledDesk(config, clock)
    desk.waits = []
    app = application(desk, doorkeeper, config.settings, clock=clock)
    with asyncio.Runner() as loop:
        loop.run(desk.open())
        try:
            yield Front(app, desk, clock, loop)
        finally:
            loop.run(desk.close())
            doorkeeper.close()
            journal.close()
