"""Hosts, services, problems and pollers: every value in its place, pages that add up, and how old it all is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from api.native.hosts import Host
from api.native.services import Service
from engine.model import Generation, HostStatus, ObjectCache, ServiceStatus
from engine.state.frames import Begin, End, Failed, Objects, Rows
from engine.state.mirror import Mirror
from tests.api.support_desk import AGE_S, AWKWARD, HOSTS, NOW, Front, host_config

HOST_COUNT = sum(len(hosts) for hosts in HOSTS.values())
SERVICE_COUNT = sum(len(services) for hosts in HOSTS.values() for services in hosts.values())

# Rows in which every value differs from every other, so that two that were changed over cannot go unseen.
H = HostStatus(*(["odd01"] + [0] * (len(HostStatus._fields) - 1)))._replace(
    state=1, state_type=0, has_been_checked=1, plugin_output="p1", long_plugin_output="p2", perf_data="p3", check_command="p4",
    check_period="p5", notification_period="p6", check_interval=11.0, retry_interval=12.0, current_attempt=13,
    max_check_attempts=14, last_check=NOW - 15, next_check=NOW + 16, last_state_change=NOW - 17,
    last_hard_state_change=NOW - 18, last_notification=NOW - 19, execution_time=20.5,
    latency=21.5, acknowledged=1, scheduled_downtime_depth=22, is_flapping=0, checks_enabled=1,
    accept_passive_checks=0, notifications_enabled=1, custom_variables='{"A":"now","NEW":"3"}', block_hash=9,
)  # fmt: skip
S = ServiceStatus(*(["odd01", "odd service"] + [0] * (len(ServiceStatus._fields) - 2)))._replace(
    state=2, state_type=1, has_been_checked=1, plugin_output="q1", long_plugin_output="q2", perf_data="q3", check_command="q4",
    check_period="q5", notification_period="q6", check_interval=31.0, retry_interval=32.0, current_attempt=33,
    max_check_attempts=34, last_check=NOW - 35, next_check=NOW + 36, last_state_change=NOW - 37,
    last_hard_state_change=NOW - 38, last_notification=0.0,
    execution_time=40.5, latency=41.5, acknowledged=0, scheduled_downtime_depth=0, is_flapping=1, checks_enabled=0,
    accept_passive_checks=1, notifications_enabled=0, custom_variables='{"B":"2"}', block_hash=10,
)  # fmt: skip


def _rescan(data: Path, *frames: object) -> None:
    numbers = iter(range((2 << 32) + 900, (2 << 32) + 999))
    mirror = Mirror.open(data / "state.db", lambda poller, wanted: {key: next(numbers) for key in wanted})
    mirror.apply(frames)  # type: ignore[arg-type]
    mirror.close()


def _odd_world(front: Front) -> None:
    config = host_config("odd01")._replace(
        alias="c1", display_name="c2", address="c3", notes="c4", notes_url="c5", action_url="c6", parents=("a", "b"),
        custom_variables='{"A":"as configured","OLD":"0"}',
    )  # fmt: skip
    _rescan(
        front.desk.config.data,
        Begin(2, Generation(NOW - 2, NOW - 900, "4.4.6", NOW - 1), True),
        Objects(ObjectCache(hosts=(config,))),
        Rows((H,), (S,)),
        End(2, 1, 1, 0.01),
    )


def test_every_value_of_a_host_is_in_its_place(front: Front) -> None:
    _odd_world(front)
    shown = front.get("/v1/hosts/odd01").json
    view = shown.pop("view")
    assert view == {
        "poller": "south", "generation": 2, "created_at": "2027-01-15T07:59:58Z",
        "age_s": pytest.approx(2, abs=1.01), "stale": False, "health": "unknown",
    }  # fmt: skip
    assert shown.pop("id") >> 32 == 2
    assert shown == {
        "name": "odd01", "poller": "south", "alias": "c1", "display_name": "c2", "address": "c3", "state": 1, "state_name": "DOWN",
        "state_type": "SOFT", "has_been_checked": True, "acknowledged": True, "scheduled_downtime_depth": 22, "is_flapping": False,
        "plugin_output": "p1", "long_plugin_output": "p2", "perf_data": "p3", "check_command": "p4", "check_period": "p5",
        "check_interval": 11.0, "retry_interval": 12.0, "current_attempt": 13, "max_check_attempts": 14,
        "last_check": "2027-01-15T07:59:45Z", "next_check": "2027-01-15T08:00:16Z", "last_state_change": "2027-01-15T07:59:43Z",
        "last_hard_state_change": "2027-01-15T07:59:42Z", "last_notification": "2027-01-15T07:59:41Z", "execution_time": 20.5,
        "latency": 21.5, "checks_enabled": True, "accept_passive_checks": False, "notifications_enabled": True,
        "parents": ["a", "b"], "groups": [], "notes": "c4", "notes_url": "c5", "action_url": "c6",
        "custom_variables": {"A": "now", "OLD": "0", "NEW": "3"},
    }  # fmt: skip


def test_custom_variables_are_the_same_in_the_list_alone_and_in_a_search(front: Front) -> None:
    """The core's own word counts, which an external command may have changed since the configuration was read."""
    _odd_world(front)
    alone = front.get("/v1/hosts/odd01").json
    for search in ("name=odd01", "_A=now", "_OLD=0&_NEW=3"):
        (item,) = front.get(f"/v1/hosts?{search}").json["items"]
        assert item["custom_variables"] == alone["custom_variables"]
    assert front.get("/v1/hosts?_A=as%20configured").json["items"] == []


def test_every_value_of_a_service_is_in_its_place(front: Front) -> None:
    _odd_world(front)
    shown = front.get("/v1/hosts/odd01/services/odd%20service").json
    assert shown.pop("view")["poller"] == "south"
    ids = (shown.pop("id"), shown.pop("host_id"))
    assert ids[0] != ids[1] == front.get("/v1/hosts/odd01").json["id"]
    assert shown == {
        "host": "odd01", "description": "odd service", "poller": "south", "host_state_name": "DOWN", "display_name": "odd service",
        "state": 2, "state_name": "CRITICAL", "state_type": "HARD", "has_been_checked": True, "acknowledged": False,
        "scheduled_downtime_depth": 0, "host_acknowledged": True, "host_scheduled_downtime_depth": 22, "is_flapping": True,
        "plugin_output": "q1", "long_plugin_output": "q2", "perf_data": "q3", "check_command": "q4", "check_period": "q5",
        "check_interval": 31.0, "retry_interval": 32.0, "current_attempt": 33, "max_check_attempts": 34,
        "last_check": "2027-01-15T07:59:25Z", "next_check": "2027-01-15T08:00:36Z", "last_state_change": "2027-01-15T07:59:23Z",
        "last_hard_state_change": "2027-01-15T07:59:22Z", "last_notification": None, "execution_time": 40.5, "latency": 41.5,
        "checks_enabled": False, "accept_passive_checks": True, "notifications_enabled": False, "notes": "", "notes_url": "",
        "action_url": "", "custom_variables": {"B": "2"},
    }  # fmt: skip


def test_pending_is_not_up_and_no_problem(front: Front) -> None:
    _rescan(
        front.desk.config.data,
        Begin(2, Generation(NOW - 2, NOW - 900, "4.4.6", NOW - 1), True),
        Rows((H._replace(state=0, has_been_checked=0),), (S._replace(state=0, has_been_checked=0),)),
        End(2, 1, 1, 0.01),
    )
    assert front.get("/v1/hosts/odd01").json["state_name"] == "PENDING"
    assert front.get("/v1/hosts/odd01/services/odd%20service").json["state_name"] == "PENDING"
    assert front.get("/v1/problems?poller=south").json["items"] == []


def test_both_ways_to_one_object_say_the_same(front: Front) -> None:
    assert front.get("/v1/hosts/web01").body == front.get("/v1/host?host=web01").body
    assert front.get("/v1/hosts/web01/services/HTTP").body == front.get("/v1/service?host=web01&service=HTTP").body
    assert msgspec.json.decode(front.get("/v1/hosts/web01").body, type=Host).groups == ["web"]
    assert msgspec.json.decode(front.get("/v1/service?host=web01&service=HTTP").body, type=Service).state_name == "CRITICAL"


@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
@pytest.mark.parametrize(
    ("target", "total"),
    [("/v1/hosts?", HOST_COUNT), ("/v1/services?", SERVICE_COUNT), ("/v1/problems?", 4), ("/v1/hosts/web01/services?", 17),
     ("/v1/services?host=shared&", 2)],
)  # fmt: skip
def test_pages_add_up(front: Front, target: str, total: int, limit: int) -> None:
    seen = []
    for offset in range(0, total + limit, limit):
        page = front.get(f"{target}limit={limit}&offset={offset}").json
        assert (page["total"], page["limit"], page["offset"]) == (total, limit, offset)
        assert len(page["items"]) == max(0, min(limit, total - offset))
        seen += [(item["poller"], item["id"]) for item in page["items"]]
    assert len(seen) == len(set(seen)) == total


def test_filters(front: Front) -> None:
    def names(target: str) -> list[str]:
        return [item["name"] for item in front.get(target).json["items"]]

    assert names("/v1/hosts?hostgroup=web") == ["shared", "web01", "shared"]
    assert names("/v1/hosts?hostgroup=web&poller=north") == ["shared", "web01"]
    assert names("/v1/hosts?hostgroup=nobody") == []
    assert names("/v1/hosts?hostgroup=nobody&hostgroup=web&poller=north") == ["shared", "web01"], "a field twice: either value"
    assert names("/v1/hosts?problems=true") == ["db01"]
    assert names("/v1/hosts?host=web01&problems=true") == []
    assert names("/v1/hosts?host=db01&problems=true") == ["db01"]
    assert names("/v1/hosts?host=db01&hostgroup=web") == []
    assert names("/v1/hosts?host=shared&hostgroup=web&limit=1&offset=1") == ["shared"]
    assert [item["description"] for item in front.get("/v1/hosts/web01/services?problems=true").json["items"]] == ["HTTP"]
    assert front.get("/v1/services?host=shared&service=HTTP&problems=true").json["total"] == 1
    assert front.get("/v1/services?poller=south").json["total"] == 1
    assert len(front.get("/v1/hosts/web01/services").json["items"]) == 1 + len(AWKWARD)


def test_problems_are_both_kinds_in_one_list(front: Front) -> None:
    items = front.get("/v1/problems").json["items"]
    found = [(item["poller"], item["host"], item["service"], item["state_name"]) for item in items]
    assert found == [
        ("north", "db01", None, "DOWN"),
        ("north", "db01", "SQL", "WARNING"),
        ("north", "web01", "HTTP", "CRITICAL"),
        ("south", "shared", "HTTP", "UNKNOWN"),
    ]
    assert not any(item["handled"] for item in items)


@pytest.mark.parametrize(
    ("host", "service", "handled"),
    [
        ({"acknowledged": 1, "scheduled_downtime_depth": 0}, {}, (True, True)),
        ({"acknowledged": 0, "scheduled_downtime_depth": 2}, {}, (True, True)),
        ({"acknowledged": 0, "scheduled_downtime_depth": 0}, {}, (False, False)),
        ({"acknowledged": 0, "scheduled_downtime_depth": 0}, {"acknowledged": 1}, (False, True)),
        ({"acknowledged": 0, "scheduled_downtime_depth": 0}, {"scheduled_downtime_depth": 1}, (False, True)),
    ],
)
def test_handled(front: Front, host: dict[str, int], service: dict[str, int], handled: tuple[bool, bool]) -> None:
    _rescan(
        front.desk.config.data,
        Begin(2, Generation(NOW - 2, NOW - 900, "4.4.6", NOW - 1), True),
        Rows((H._replace(**host),), (S._replace(**service),)),
        End(2, 1, 1, 0.01),
    )
    assert tuple(item["handled"] for item in front.get("/v1/problems?poller=south").json["items"]) == handled


# --- how old it is ---------------------------------------------------------------------------------------------------------------


def test_every_answer_on_state_says_how_old_it_is(front: Front) -> None:
    for target in ("/v1/hosts/web01", "/v1/hosts/web01/services/HTTP", "/v1/host?host=web01"):
        view = front.get(target).json["view"]
        assert (view["poller"], view["generation"], view["age_s"], view["stale"]) == ("north", 1, AGE_S, False)
    for target in ("/v1/hosts", "/v1/services", "/v1/problems", "/v1/downtimes", "/v1/acknowledgements", "/v1/comments"):
        answer = front.get(target).json
        assert [view["poller"] for view in answer["views"]] == ["north", "south"], target
        assert [view["poller"] for view in front.get(f"{target}?poller=south").json["views"]] == ["south"], target


def test_an_old_view_is_called_stale_everywhere(front: Front) -> None:
    front.clock.at = NOW - AGE_S + 30.0  # three intervals of ten seconds
    assert front.get("/v1/hosts/web01").json["view"]["stale"] is False
    front.clock.at += 0.5
    view = front.get("/v1/hosts/web01").json["view"]
    assert (view["stale"], view["age_s"], view["health"]) == (True, 30.5, "stale")
    poller = front.get("/v1/pollers/north").json
    assert (poller["stale"], poller["age_s"], poller["health"]) == (True, 30.5, "stale")
    assert all(view["stale"] for view in front.get("/v1/problems").json["views"])


def test_a_status_file_that_cannot_be_read_is_stale_at_once(front: Front) -> None:
    _rescan(front.desk.config.data, Failed(2, "missing", "there is no /n/status.dat"))
    poller = front.get("/v1/pollers/south").json
    assert (poller["health"], poller["stale"], poller["status_file"]) == ("missing", True, "missing")
    assert "/n/status.dat" in poller["detail"]
    assert front.get("/v1/pollers/north").json["stale"] is False


@pytest.mark.parametrize("word", ["no_reader", "missing", "not_a_fifo", "not_writable", "stalled"])
def test_a_command_file_nobody_reads_is_the_first_thing_said(front: Front, word: str) -> None:
    mirror = Mirror.open(front.desk.config.data / "state.db", lambda poller, wanted: {})
    mirror.command_file_health(1, word, f"{word}, so start it")
    mirror.command_file_health(2, "reading", "")
    mirror.close()
    north, south = front.get("/v1/pollers").json["items"]
    assert (north["health"], north["command_file"]) == (word, word)
    assert f"{word}, so start it" in north["detail"]
    assert (south["health"], south["command_file"], south["stale"]) == ("ok", "reading", False)


def test_a_core_that_reads_but_does_not_write_and_one_that_writes_but_does_not_read_are_told_apart(front: Front) -> None:
    mirror = Mirror.open(front.desk.config.data / "state.db", lambda poller, wanted: {})
    mirror.command_file_health(1, "no_reader", "Nobody reads it.")
    mirror.command_file_health(2, "reading", "")
    mirror.close()
    north = front.get("/v1/pollers/north").json
    assert (north["health"], north["stale"]) == ("no_reader", False) and "Restart the core" in north["detail"]
    front.clock.at += 100
    north, south = front.get("/v1/pollers").json["items"]
    assert (north["health"], north["stale"], north["detail"]) == ("no_reader", True, "Nobody reads it.")
    assert (south["health"], south["stale"]) == ("not_writing", True) and "105 s old" in south["detail"]
    assert front.get("/v1/hosts?poller=south").json["views"][0]["health"] == "not_writing"


def test_ages_are_by_the_cores_own_clock(front: Front) -> None:
    """A core whose clock is behind is not old for that, and what it says to have just happened has just happened."""
    shown = {item["id"]: item["age_s"] for item in front.get("/v1/problems?poller=north").json["items"]}
    mirror = Mirror.open(front.desk.config.data / "state.db", lambda poller, wanted: {})
    counts = len(HOSTS[1]), sum(map(len, HOSTS[1].values()))
    behind = Generation(NOW - 102, NOW - 5000, "4.4.6", NOW - 2)
    mirror.apply([Begin(1, behind, False), End(1, *counts, 0.01)])
    mirror.close()
    north = front.get("/v1/pollers/north").json
    assert (north["clock_offset_s"], north["age_s"], north["stale"]) == (-100.0, 2.0, False)
    problems = front.get("/v1/problems?poller=north").json
    assert problems["views"][0]["age_s"] == 2.0
    assert {item["id"]: item["age_s"] for item in problems["items"]} == {id: age - 100 for id, age in shown.items()}


def test_pollers_by_name_and_number(front: Front) -> None:
    answer = front.get("/v1/pollers").json
    assert (answer["total"], [poller["name"] for poller in answer["items"]]) == (2, ["north", "south"])
    south = front.get("/v1/pollers/south").json
    assert south == front.get("/v1/pollers/2").json == answer["items"][1]
    assert south["number"] == 2 and south["kind"] == "nagios" and south["version"] == "4.4.6"
    assert south["created_at"] == "2027-01-15T07:59:55Z" and south["program_start"] == "2027-01-15T06:36:40Z"
    assert south["clock_offset_s"] == 0.0 and south["status_update_interval_s"] == 10.0
    assert [poller["name"] for poller in front.by("wim").get("/v1/pollers").json["items"]] == ["north", "south"]


def test_ids_tell_the_pollers_apart(front: Front) -> None:
    first, second = (item["id"] for item in front.get("/v1/hosts?host=shared").json["items"])
    assert (first >> 32, second >> 32) == (1, 2)


def test_nobody_is_called_unknown_while_a_poller_was_never_read(front: Front) -> None:
    mirror = Mirror.open(front.desk.config.data / "state.db", lambda poller, wanted: {})
    mirror.configure([*front.desk.config.pollers, replace(front.desk.config.pollers[0], number=3, name="west")])
    mirror.close()
    for target in ("/v1/hosts/nope", "/v1/hosts/nope/services/HTTP", "/v1/services?host=nope", "/v1/hosts?host=nope"):
        assert front.get(target).problem(503, "status_file_stale")["pollers"] == ["west"]
    assert front.get("/v1/hosts/web01").status == 200
    west = front.get("/v1/pollers/west").json
    assert (west["stale"], west["age_s"], west["created_at"], west["generation"]) == (True, None, None, 0)


def test_a_name_in_files_that_were_not_read_yet_gets_a_moment(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that was just reloaded has written files; the mirror reads them while the request waits."""
    looked: list[bool] = []

    def behind(*_: object) -> bool:
        if not looked:
            _odd_world(front)
        looked.append(True)
        return True

    monkeypatch.setattr("engine.desk.opened.is_behind", behind)
    assert front.get("/v1/hosts/odd01").json["poller"] == "south"
    assert len(looked) == 1
