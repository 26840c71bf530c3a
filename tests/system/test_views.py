"""Views of real cores: groups, contacts, periods, commands and details are what stands in the cores' own files."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support import cores, oracle
from tests.support.box import Box
from tests.support.cores import until
from tests.system.conftest import Site

pytestmark = pytest.mark.core


def _all(box: Box, path: str, **query: Any) -> list[dict[str, Any]]:
    """Every item, page by page."""
    items: list[dict[str, Any]] = []
    while True:
        page = box.api.get(path, params={"limit": 3, "offset": len(items), **query}).json()
        items += page["items"]
        if len(items) >= page["total"]:
            return items


@pytest.mark.parametrize("poller", ["north", "south", "east"])
def test_what_is_configured_is_what_the_object_cache_says(site: Site, poller: str) -> None:
    """Names, aliases, members, command lines and time ranges, of each core."""
    defined = oracle.definitions(site.core(poller).object_cache_file)

    def of(kind: str) -> dict[str, dict[str, str]]:
        return {keys[f"{kind}_name"]: keys for found, keys in defined if found == kind}

    for kind in ("hostgroup", "servicegroup", "contactgroup"):
        items = {item["name"]: item for item in _all(site.box, f"/v1/{kind}s", poller=poller)}
        assert set(items) == set(of(kind))
        for name, keys in of(kind).items():
            assert items[name]["alias"] == keys.get("alias", name)
            if kind == "hostgroup":
                members = _members(site.box, name, poller)
                assert members == set(keys["members"].split(","))
    contacts = {item["name"]: item for item in _all(site.box, "/v1/contacts", poller=poller)}
    assert set(contacts) == set(of("contact"))
    for name, keys in of("contact").items():
        assert contacts[name]["host_notification_commands"] == [keys["host_notification_commands"]]
        assert contacts[name]["host_notification_period"] == keys["host_notification_period"]
    commands = {item["name"]: item["line"] for item in _all(site.box, "/v1/check-commands", poller=poller)}
    assert commands == {name: keys["command_line"] for name, keys in of("command").items()} != {}
    for item in _all(site.box, "/v1/timeperiods", poller=poller):
        keys = of("timeperiod")[item["name"]]
        assert {part["day"]: part["hours"] for part in item["ranges"]}.items() <= keys.items()


def _members(box: Box, group: str, poller: str) -> set[str]:
    shown = box.api.get(f"/v1/hostgroups/{group}", params={"limit": 1000, "poller": poller}).json()
    return {member["host"] for member in shown["members"]}


@pytest.mark.parametrize("poller", ["north", "east"])
def test_totals_are_what_the_status_file_counts(site: Site, poller: str) -> None:
    """While checks come and go: one moment's file, counted by a plain reader, must be met."""

    def counted() -> dict[str, int]:
        rows = [keys for kind, keys in oracle.blocks(site.core(poller).status_file) if kind == "servicestatus"]
        checked = [keys["current_state"] for keys in rows if keys["has_been_checked"] == "1"]
        names = ("ok", "warning", "critical", "unknown")
        return {name: checked.count(str(state)) for state, name in enumerate(names)} | {"total": len(rows)}

    def is_met() -> bool:
        expected = counted()
        parts = site.box.api.get("/v1/tactical", params={"poller": poller}).json()["items"]
        return {name: parts[0]["services"][name] for name in expected} == expected

    until(is_met, "the totals are those of the status file")


@pytest.mark.parametrize(("poller", "host"), [("north", "n-web4"), ("east", "e-web4")])
def test_a_service_in_detail(site: Site, poller: str, host: str) -> None:
    box, core = site.box, site.core(poller)
    core.set_state(host, "Disk /var", 2, "full|'/var'=97%;80;90;0;100")
    path = f"/v1/hosts/{host}/services/Disk%20%2Fvar/detail"
    until(lambda: box.api.get(path).json()["performance_data"]["metrics"], "the view shows performance data")
    for noun, more in (("downtimes", {"start": "now", "duration": 600}), ("comments", {}), ("acknowledgements", {})):
        body = {"host": host, "service": "Disk /var", "comment": f"for {noun}"} | more
        assert box.api.post(f"/v1/{noun}", json=body, params={"wait": 20}).status_code == 201
    shown = box.api.get(path).json()
    (metric,) = shown["performance_data"]["metrics"]
    assert (metric["label"], metric["value"], metric["unit"], metric["max"]) == ("/var", 97.0, "%", 100.0)
    assert metric["warn"]["end"] == 80.0
    assert [downtime["comment"] for downtime in shown["downtimes"]] == ["for downtimes"]
    assert "for comments" in [comment["comment"] for comment in shown["comments"]]
    assert shown["acknowledgement"]["comment"] == "for acknowledgements"
    cores.wait_for_generation(core)

    def newest_alert() -> tuple[str, str]:
        history = box.api.get(path).json()["history"]
        return next(((entry["state_name"], entry["text"]) for entry in history if entry["type"] == "alert"), ("", ""))

    until(lambda: newest_alert() == ("CRITICAL", "full"), "the history shows the alert")


@pytest.mark.parametrize(("poller", "prefix"), [("north", "n"), ("east", "e")])
def test_who_stands_above_and_below_is_what_the_core_has_within_scope(site: Site, poller: str, prefix: str) -> None:
    """n-inner stands behind n-gate and n-central; who sees the group inner alone knows of neither, however he asks."""
    box, gate, inner, central = site.box, f"{prefix}-gate", f"{prefix}-inner", f"{prefix}-central"
    (defined,) = (keys for kind, keys in oracle.definitions(site.core(poller).object_cache_file)
                  if kind == "host" and keys["host_name"] == inner)  # fmt: skip
    assert set(defined["parents"].split(",")) == {gate, central}
    limited = box.client(box.add_user(f"inner-{prefix}", "reader", "--hostgroup", "inner"))

    def names(api: httpx.Client, host: str, which: str) -> list[str]:
        shown = api.get(f"/v1/hosts/{host}/detail").json()
        return sorted(relative["name"] for relative in shown[which])

    def found(api: httpx.Client, path: str, **fields: str) -> list[str]:
        return [item["name"] for item in api.get(path, params={"poller": poller, **fields}).json()["items"]]

    assert names(box.api, inner, "parents") == sorted((gate, central))
    assert (names(box.api, gate, "children"), names(box.api, central, "children")) == ([inner], [inner])
    assert (names(box.api, inner, "children"), names(box.api, gate, "parents")) == ([], [])
    assert sorted(box.api.get(f"/v1/hosts/{inner}").json()["parents"]) == sorted((gate, central))
    assert (names(limited, inner, "parents"), limited.get(f"/v1/hosts/{inner}").json()["parents"]) == ([], [])
    assert limited.get(f"/v1/hosts/{gate}/detail").status_code == 404
    for parent in (gate, central):
        assert found(box.api, "/v1/hosts", parent=parent) == [inner]
        assert found(limited, "/v1/hosts", parent=parent) == []
    assert sorted(found(box.api, "/v1/hosts", child=inner)) == sorted((gate, central))
    search = {"search": f'{{"parents": {{"$lk": "{prefix}-%"}}}}'}
    assert (found(box.api, "/v1/hosts", **search), found(limited, "/v1/hosts", **search)) == ([inner], [])
