"""Groups, contacts, timeperiods, a core's commands and totals: what stands there, counted by hand, within each caller's scope."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.support_desk import DOWN, HOSTS, Front

SERVICES = [(poller, host, service) for poller, hosts in HOSTS.items() for host, all_ in hosts.items() for service in all_]
HOST_KEYS = [(poller, host) for poller, hosts in HOSTS.items() for host in hosts]
WEB = [(1, "web01"), (1, "shared"), (2, "shared")]


def counted(hosts: list[tuple[int, str]], services: list[tuple[int, str, str]]) -> tuple[dict[str, int], dict[str, int]]:
    """Totals of these objects, by hand. Nothing is handled, flapping or switched off in the made-up world."""
    of_hosts = [DOWN.get((*key, None), 0) for key in hosts]
    of_services = [DOWN.get(key, 0) for key in services]
    hidden = [key for key in services if DOWN.get(key) and DOWN.get((key[0], key[1], None))]
    none = dict.fromkeys(
        ("pending", "handled", "acknowledged", "in_downtime", "flapping", "checks_disabled", "passive_checks_disabled",
         "notifications_disabled", "event_handler_disabled", "flap_detection_disabled"), 0
    )  # fmt: skip
    problems = {"unhandled": sum(map(bool, of_hosts))}, {"unhandled": sum(map(bool, of_services)), "hidden": len(hidden)}
    host_states = {name: of_hosts.count(state) for state, name in enumerate(("up", "down", "unreachable"))}
    service_states = {name: of_services.count(state) for state, name in enumerate(("ok", "warning", "critical", "unknown"))}
    return (
        none | problems[0] | host_states | {"total": len(hosts)},
        none | problems[1] | service_states | {"total": len(services)},
    )


def services_of(hosts: list[tuple[int, str]]) -> list[tuple[int, str, str]]:
    return [key for key in SERVICES if key[:2] in hosts]


def part(shown: dict[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    return shown["hosts"], shown["services"]


def test_totals_in_all_and_per_poller(front: Front) -> None:
    shown = front.get("/v1/tactical").json
    assert part(shown) == counted(HOST_KEYS, SERVICES)
    for number, item in zip((1, 2), shown["items"], strict=True):
        assert item["name"] == {1: "north", 2: "south"}[number]
        assert part(item) == counted([key for key in HOST_KEYS if key[0] == number], [key for key in SERVICES if key[0] == number])


def test_totals_of_groups(front: Front) -> None:
    """One name is one group over both pollers; a servicegroup counts its services and their hosts, each host once."""
    by_host = {item["name"]: part(item) for item in front.get("/v1/tactical?by=hostgroup").json["items"]}
    assert by_host == {"web": counted(WEB, services_of(WEB)), "data": counted([(1, "db01")], services_of([(1, "db01")]))}
    sites = [(1, "web01", "HTTP"), (1, "shared", "HTTP"), (2, "shared", "HTTP")]
    by_service = {item["name"]: part(item) for item in front.get("/v1/tactical?by=servicegroup").json["items"]}
    assert by_service == {"sites": counted(WEB, sites)}
    only = front.get("/v1/tactical?by=hostgroup&poller=south").json
    assert part(only["items"][1]) == counted([(2, "shared")], services_of([(2, "shared")]))
    assert only["items"][1]["name"] == "web" and only["total"] == 2


def test_a_limited_caller_counts_and_sees_what_is_within_scope(front: Front) -> None:
    wim = front.by("wim")
    assert part(wim.get("/v1/tactical").json) == counted(WEB, services_of(WEB))
    assert [item["name"] for item in wim.get("/v1/hostgroups").json["items"]] == ["web"]
    wim.get("/v1/hostgroups/data").problem(404, "unknown_object")
    assert front.get("/v1/hostgroups/data").status == 200
    assert [item["name"] for item in wim.get("/v1/tactical?by=hostgroup").json["items"]] == ["web"]


def test_a_hostgroup_and_its_members_in_pages(front: Front) -> None:
    shown = front.get("/v1/hostgroups/web").json
    assert shown["group"]["alias"] == "Web" and shown["group"]["pollers"] == ["north", "south"] and shown["total"] == 3
    assert [(member["poller"], member["host"]) for member in shown["members"]] == [
        ("north", "shared"), ("north", "web01"), ("south", "shared"),
    ]  # fmt: skip
    assert part(shown["group"]) == counted(WEB, services_of(WEB))
    second = front.get("/v1/hostgroups/web?limit=1&offset=1").json
    assert [member["host"] for member in second["members"]] == ["web01"] and second["total"] == 3
    assert front.get("/v1/hostgroups/web?poller=south").json["total"] == 1
    assert front.get("/v1/hostgroups").json["total"] == 2


def test_a_servicegroup_and_a_contactgroup(front: Front) -> None:
    shown = front.get("/v1/servicegroups/sites").json
    assert {(m["poller"], m["host"], m["service"]) for m in shown["members"]} == {
        ("north", "web01", "HTTP"), ("north", "shared", "HTTP"), ("south", "shared", "HTTP"),
    }  # fmt: skip
    staff = front.get("/v1/contactgroups/staff").json
    assert [(member["poller"], member["contact"]) for member in staff["members"]] == [("north", "ann"), ("north", "bob")]
    assert front.get("/v1/contactgroups").json["items"][0]["pollers"] == ["north"]


def test_contacts_timeperiods_and_commands(front: Front) -> None:
    ann = front.get("/v1/contacts/ann").json["contact"]
    assert (ann["email"], ann["can_submit_commands"], ann["contactgroups"]) == ("ann@example.org", True, ["staff"])
    assert [item["name"] for item in front.get("/v1/contacts").json["items"]] == ["ann", "bob"]
    period = front.get("/v1/timeperiods/24x7").json
    assert period["ranges"] == [{"day": "monday", "hours": "00:00-24:00"}] and period["exclude"] == ["holidays"]
    assert front.get("/v1/check-commands/ping").json["line"] == "$USER1$/check_ping -H $HOSTADDRESS$"


@pytest.mark.parametrize(
    ("noun", "seen"), [("timeperiods", ["24x7"]), ("check-commands", ["ping"]), ("contacts", []), ("contactgroups", [])]
)
def test_a_limited_caller_sees_what_hosts_within_scope_use(front: Front, noun: str, seen: list[str]) -> None:
    """Nobody within the group `web` has contacts; its hosts use one timeperiod and one command that is configured."""
    shown = front.by("wim").get(f"/v1/{noun}").json
    assert [item["name"] for item in shown["items"]] == seen and shown["total"] == len(seen)


@pytest.mark.parametrize("noun", ["hostgroups", "servicegroups", "contacts", "contactgroups", "timeperiods", "check-commands"])
def test_unknown_names_are_unknown(front: Front, noun: str) -> None:
    members = front.get(f"/v1/{noun}/nope").problem(404, "unknown_object")
    assert "nope" in members["detail"] and f"/v1/{noun}" in members["detail"]
