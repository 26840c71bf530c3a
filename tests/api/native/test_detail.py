"""One host or service with all that stands around it, within the caller's scope."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from engine.model import ContactConfig, Generation, GroupConfig, ObjectCache
from engine.state.frames import Begin, End, Objects, Rows
from engine.state.mirror import Mirror
from tests.api.native.test_history import store
from tests.api.support_desk import HOST, NOW, SERVICE, Front, host, host_config
from tests.engine.state.rows import service_config

PERF = "rta=0.5ms;3000;@1:2;0 'free space'=1,5GB nonsense"


def _rescan(data: Path) -> None:
    """Poller south anew: gate above edge above three leaves; only edge and leaf1 are in hostgroup web."""
    hosts = [host_config(name)._replace(parents=parents) for name, parents in (
        ("gate", ()), ("edge", ("gate",)), ("leaf1", ("edge",)), ("leaf2", ("edge", "gate")), ("other", ()),
    )]  # fmt: skip
    hosts[1] = hosts[1]._replace(contacts=("ann",), contact_groups=("staff",))
    services = (service_config("edge", "link", contacts=("carl",), contact_groups=()),)
    groups = (
        GroupConfig("hostgroup", "web", "Web", (("edge", None), ("leaf1", None))),
        GroupConfig("servicegroup", "links", "Links", (("edge", "link"),)),
        GroupConfig("contactgroup", "staff", "Staff", (("bob", None), ("ann", None))),
    )
    contacts = tuple(ContactConfig(name, name, "", 1) for name in ("ann", "bob", "carl"))
    numbers = iter(range((2 << 32) + 900, (2 << 32) + 999))
    mirror = Mirror.open(data / "state.db", lambda poller, wanted: {key: next(numbers) for key in wanted})
    rows = [host(one.name, state=int(one.name == "gate")) for one in hosts]
    rows[1] = rows[1]._replace(perf_data=PERF, state=1)
    applied = mirror.apply(
        [
            Begin(2, Generation(NOW - 2, NOW - 900, "4.4.6", NOW - 1), True),
            Objects(ObjectCache(tuple(hosts), services, groups, contacts)),
            Rows(tuple(rows), (SERVICE._replace(host_name="edge", description="link", state=2, perf_data="x=U"),)),
            End(2, len(rows), 1, 0.01),
        ]
    )
    assert applied.health == "fresh"
    mirror.close()


def test_a_host_and_all_around_it(front: Front) -> None:
    _rescan(front.desk.config.data)
    store(front, ["HOST ALERT: edge;DOWN;HARD;1;gone", "SERVICE ALERT: edge;link;CRITICAL;HARD;1;x"], 2)
    front.post("/v1/downtimes", {"host": "edge", "duration": 60, "comment": "work"})
    front.post("/v1/comments", {"host": "edge", "comment": "looked"})
    front.post("/v1/comments", {"host": "edge", "service": "link", "comment": "of the service"})
    front.post("/v1/acknowledgements", {"host": "edge", "comment": "known"})
    shown = front.get("/v1/hosts/edge/detail").json
    assert shown == front.get("/v1/host/detail?host=edge").json
    assert shown["host"] == front.get("/v1/hosts/edge").json
    assert [downtime["comment"] for downtime in shown["downtimes"]] == ["work"]
    assert "looked" in [comment["comment"] for comment in shown["comments"]]
    assert "of the service" not in [comment["comment"] for comment in shown["comments"]]
    assert shown["acknowledgement"]["comment"] == "known"
    assert (shown["contacts"], shown["contact_groups"], shown["told"]) == (["ann"], ["staff"], ["ann", "bob"])
    assert shown["parents"] == [{"name": "gate", "state_name": "DOWN"}]
    assert shown["children"] == [{"name": "leaf1", "state_name": "UP"}, {"name": "leaf2", "state_name": "UP"}]
    assert [(entry["type"], entry["service"]) for entry in shown["history"]] == [("alert", None)]
    first, second = shown["performance_data"]["metrics"]
    assert (first["label"], first["value"], first["unit"], first["min"], first["max"]) == ("rta", 0.5, "ms", 0.0, None)
    assert first["warn"] == {"text": "3000", "start": 0.0, "end": 3000.0, "inside": False}
    assert first["crit"] == {"text": "@1:2", "start": 1.0, "end": 2.0, "inside": True}
    assert (second["label"], second["value"], second["unit"]) == ("free space", 1.5, "GB")
    assert shown["performance_data"]["rest"] == ["nonsense"]


def test_a_service_and_all_around_it(front: Front) -> None:
    _rescan(front.desk.config.data)
    front.post("/v1/comments", {"host": "edge", "comment": "of the host"})
    front.post("/v1/comments", {"host": "edge", "service": "link", "comment": "of the service"})
    shown = front.get("/v1/hosts/edge/services/link/detail").json
    assert shown == front.get("/v1/service/detail?host=edge&service=link").json
    assert shown["service"] == front.get("/v1/hosts/edge/services/link").json
    assert [comment["comment"] for comment in shown["comments"]] == ["of the service"]
    assert (shown["acknowledgement"], shown["downtimes"], shown["told"]) == (None, [], ["carl"])
    assert shown["servicegroups"] == ["links"]
    (metric,) = shown["performance_data"]["metrics"]
    assert (metric["value"], metric["raw"]) == (None, "x=U")


def test_relatives_beyond_the_scope_do_not_exist(front: Front) -> None:
    _rescan(front.desk.config.data)
    shown = front.by("wim").get("/v1/hosts/edge/detail").json
    assert (shown["parents"], [child["name"] for child in shown["children"]]) == ([], ["leaf1"])
    front.by("wim").get("/v1/hosts/gate/detail").problem(404, "unknown_host")


@pytest.mark.parametrize(
    "target",
    [
        "/v1/hosts?parent=gate",
        "/v1/hosts?parents=gate&host=edge",
        '/v1/hosts?search={"parents":{"$lk":"ga%"}}',
        '/v1/hosts?search={"host.parent":{"$neq":null}}&host=edge',
        "/v1/services?host.parent=gate",
        "/v1/problems?host.parents=gate",
        "/v1/hosts?child=leaf2&host=edge",
        '/v1/hosts?search={"children":{"$lk":"%2"}}&host=edge',
    ],
)
def test_no_search_tells_of_a_parent_beyond_the_scope(front: Front, target: str) -> None:
    """Whether one's host stands behind a host one may not see must not be found out by asking for its name."""
    _rescan(front.desk.config.data)
    escaped = quote(target, safe="/?=&")
    assert front.get(escaped).json["total"] > 0, "somebody who sees it finds by it"
    assert front.by("wim").get(escaped).json["total"] == 0


def test_no_item_shows_and_no_order_follows_a_parent_beyond_the_scope(front: Front) -> None:
    _rescan(front.desk.config.data)
    assert front.get("/v1/hosts/edge").json["parents"] == ["gate"]
    assert front.by("wim").get("/v1/hosts/edge").json["parents"] == []
    assert front.by("wim").get("/v1/hosts/leaf1").json["parents"] == ["edge"]
    assert front.by("wim").get("/v1/hosts/edge/detail").json["host"]["parents"] == []
    shown = {item["name"]: item["parents"] for item in front.by("wim").get("/v1/hosts?limit=0").json["items"]}
    assert (shown["edge"], shown["leaf1"]) == ([], ["edge"])
    assert [item["name"] for item in front.by("wim").get("/v1/hosts?child=leaf1").json["items"]] == ["edge"]
    assert [item["name"] for item in front.get("/v1/hosts?sort=parent&hostgroup=web&poller=south").json["items"]] == [
        "leaf1",
        "edge",
    ]
    mine = [item["name"] for item in front.by("wim").get("/v1/hosts?sort=-parent&poller=south").json["items"]]
    assert mine.index("leaf1") < mine.index("edge"), "edge has no parent that he knows of, and what has no value comes last"
    answer = front.by("wim").post("/v1/comments", {"match": {"parent": "gate"}, "on": "hosts", "comment": "x", "dry_run": True})
    assert answer.json["targets"] == 0, "nor is anything commanded by it"


def test_a_host_without_anything(front: Front) -> None:
    assert HOST.perf_data == "rta=1ms"
    shown = front.get("/v1/hosts/branch01/detail").json
    assert (shown["downtimes"], shown["comments"], shown["acknowledgement"], shown["history"]) == ([], [], None, [])
    front.get("/v1/hosts/nope/detail").problem(404, "unknown_host")
    front.get("/v1/hosts/web01/services/nope/detail").problem(404, "unknown_service")
