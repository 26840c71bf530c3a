"""Lists over real cores and a real server: searched by what the cores hold, streamed whole, tagged until something changes."""

from __future__ import annotations

import json

import pytest

from tests.support.cores import PATIENCE_S, until, until_same
from tests.system.conftest import MANY, ODD_NAMES, Site

pytestmark = pytest.mark.core


def test_everything_is_streamed_line_by_line(site: Site) -> None:
    """Two Nagios and one Icinga 2 in one stream: no object lost, none twice."""
    with site.box.client(site.box.token) as api:
        total = api.get("/v1/hosts?limit=1").json()["total"]
        with api.stream("GET", "/v1/hosts?limit=0&fields=poller,name", headers={"Accept": "application/x-ndjson"}) as lines:
            found = [(row["poller"], row["name"]) for row in map(json.loads, lines.iter_lines())]
            assert int(lines.headers["signalbox-total"]) == total
    assert len(found) == len(set(found)) == total
    assert {poller for poller, _ in found} == {"north", "south", "east"}


def test_search_finds_what_the_cores_hold(site: Site) -> None:
    def names(search: object, **more: str) -> set[str]:
        with site.box.client(site.box.token) as api:
            answer = api.get("/v1/hosts", params={"search": json.dumps(search), "limit": "0", **more})
            assert answer.status_code == 200, answer.text
            return {host["name"] for host in answer.json()["items"]}

    assert names({"hostgroup": "web", "poller": "north"}) == {f"n-web{number}" for number in range(1, 5)}
    assert names({"$or": [{"name": name} for name in ODD_NAMES]}, poller="east") == set(ODD_NAMES)
    assert names({"service": {"$lk": "disk /v_r"}, "hostgroup": "web", "poller": "east"}) == {f"e-web{n}" for n in range(1, 5)}
    assert len(names({"name": {"$rg": r"^s\d{3}$"}})) == MANY


def test_a_tag_lasts_until_something_changes(site: Site) -> None:
    target = "/v1/services?host=n-web4&service=HTTP"
    with site.box.client(site.box.token) as api:
        before = api.get(target)
        site.north.set_state("n-web4", "HTTP", 1, "not as before")
        until(
            lambda: (
                api.get(target, headers={"If-None-Match": before.headers["etag"]}).status_code == 200
                and api.get(target).json()["items"][0]["plugin_output"] == "not as before"
            ),
            "the change in an answer with another tag",
        )
        site.north.set_state("n-web4", "HTTP", 0, "as before")


def test_every_list_is_searched_sorted_and_tagged(site: Site) -> None:
    """What three cores hold, and what was asked of them: one language in every list, and 304 until something changes."""
    comment = 'Größe 100% "_" of the lists'

    def found(noun: str, search: object = None, **more: str) -> list[dict[str, object]]:
        with site.box.client(site.box.token) as api:
            asked = {"search": json.dumps(search)} if search else {}
            answer = api.get(f"/v1/{noun}", params={"limit": "0", **asked, **more})
            assert answer.status_code == 200, answer.text
            items: list[dict[str, object]] = answer.json()["items"]
            return items

    with site.box.client(site.box.token) as api:
        made = [
            api.post(f"/v1/comments?wait={PATIENCE_S}", json={"host": host, "poller": poller, "comment": comment}).json()["id"]
            for host, poller in (("n-web1", "north"), ("e-web1", "east"))
        ]
        try:
            of_ours = {"comment": {"$lk": 'größe 100\\% "_" of the l%'}, "host.hostgroup": "web"}
            assert [item["id"] for item in found("comments", of_ours, sort="poller")] == [made[1], made[0]], "east, north"
            assert [item["host"] for item in found("comments", of_ours, poller="north", fields="host")] == ["n-web1"]
            target = "/v1/comments?limit=0&host=n-web1&sort=-entry_time"
            before = api.get(target)
        finally:
            for number in made:
                api.delete(f"/v1/comments/{number}?wait={PATIENCE_S}")
        assert api.get(target, headers={"If-None-Match": before.headers["etag"]}).status_code == 200
        with api.stream("GET", "/v1/hostgroups?limit=0&sort=-hosts.total", headers={"Accept": "application/x-ndjson"}) as lines:
            groups = [json.loads(line) for line in lines.iter_lines()]
    sizes = [group["hosts"]["total"] for group in groups]
    assert sizes == sorted(sizes, reverse=True) and len(groups) == int(lines.headers["signalbox-total"])

    def look() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
        """By two ways: a state may change between them."""
        web = next(group for group in found("hostgroups", {"host": "n-web1"}))
        assert web["name"] == "web"
        return [web], found("hostgroups", {"hosts.total": web["hosts"]["total"], "name": "web"})

    until_same(look, "the group by its host and by its size")
    periods = {item["name"] for item in found("timeperiods", {"ranges.hours": {"$lk": "00:00%24:00%"}}, poller="north")}
    assert "always" in periods
    told = found("contacts", {"can_submit_commands": True}, sort="-name")
    assert told and told == sorted(told, key=lambda one: str(one["name"]).lower(), reverse=True)
    assert len(found("check-commands", {"line": {"$rg": "."}})) == len(found("check-commands"))
