"""Names as people have them: through every route that takes a name, exactly that object."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.support import cores, oracle
from tests.support.box import parallel
from tests.support.cores import PATIENCE_S, Core, until
from tests.system.conftest import ODD_NAMES, Site

pytestmark = pytest.mark.core


def _spellings(name: str) -> list[str]:
    """Ways a client may write the name as one segment of a path."""
    escaped = quote(name, safe="")
    found = {escaped, "".join(f"%{byte:02x}" for byte in name.encode())}
    if name == "..":
        found.add("%2E%2E")
    if name == "a+b":
        found.add("a+b")
    return sorted(found)


def _get(site: Site, path: str) -> tuple[int, Any]:
    """GET exactly this path: no client in between that would resolve `..`."""
    connection = http.client.HTTPConnection("127.0.0.1", site.box.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {site.box.token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.fixture(params=["north", "east"])
def core(request: pytest.FixtureRequest, site: Site) -> Core:
    return site.core(request.param)


def test_the_core_accepts_every_one_of_them(core: Core) -> None:
    for name in ODD_NAMES:
        assert oracle.status_of(core.status_file, name)
        for service in ODD_NAMES:
            assert oracle.status_of(core.status_file, name, service)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_reading(site: Site, core: Core, name: str) -> None:
    poller = core.folder.name
    ids = set()
    for spelling in _spellings(name):
        status, host = _get(site, f"/v1/hosts/{spelling}?poller={poller}")
        assert (status, host.get("name"), host.get("poller")) == (200, name, poller), host
        for service in ODD_NAMES:
            for written in _spellings(service):
                status, found = _get(site, f"/v1/hosts/{spelling}/services/{written}?poller={poller}")
                assert status == 200, found
                assert (found["host"], found["description"], found["poller"]) == (name, service, poller)
                ids.add(found["id"])
    assert len(ids) == len(ODD_NAMES)

    escaped = quote(name, safe="")
    status, host = _get(site, f"/v1/host?host={escaped}&poller={poller}")
    assert (status, host["name"]) == (200, name)
    status, found = _get(site, f"/v1/service?host={escaped}&service={escaped}&poller={poller}")
    assert (status, found["host"], found["description"]) == (200, name, name)
    status, hosts = _get(site, f"/v1/hosts?host={escaped}&poller={poller}")
    assert [item["name"] for item in hosts["items"]] == [name]
    status, services = _get(site, f"/v1/services?host={escaped}&poller={poller}")
    assert sorted(item["description"] for item in services["items"]) == sorted(ODD_NAMES)


def test_commanding(site: Site, core: Core) -> None:
    parallel(lambda name: _command(site, core, name), ODD_NAMES)


def _command(site: Site, core: Core, name: str) -> None:
    """Every kind of command on one service, whose name is another odd one."""
    api, poller = site.box.api, core.folder.name
    service = ODD_NAMES[(ODD_NAMES.index(name) + 1) % len(ODD_NAMES)]
    target = {"host": name, "service": service, "poller": poller}
    text = f"{poller}: {name} and {service}"

    result = {"results": [target | {"return_code": 2, "plugin_output": f"{text} failed"}]}
    answer = api.post("/v1/results", json=result, params={"wait": 10})
    assert answer.status_code == 200, answer.text
    cores.wait_for_state(core, name, service, 2)
    assert oracle.status_of(core.status_file, name, service)["plugin_output"].strip() == f"{text} failed"
    until(lambda: api.get("/v1/service", params=target).json()["state"] == 2, "the view shows CRITICAL")

    for path, fields in (
        ("downtimes", {"start": "now", "duration": 600}),
        ("acknowledgements", {"notify": False}),
        ("comments", {}),
    ):
        created = api.post(f"/v1/{path}", json=target | fields | {"comment": text}, params={"wait": 15})
        assert created.status_code == 201, created.text
        listed = api.get(f"/v1/{path}", params=target).json()["items"]
        assert [(item["host"], item["service"], item["comment"]) for item in listed] == [(name, service, text)]
        if path == "downtimes":
            blocks = oracle.downtimes(core.status_file, text)
        else:
            blocks = [b for b in oracle.comments(core.status_file, text) if b["entry_type"] == ("4" if path != "comments" else "1")]
        assert [(block["host_name"], block["service_description"]) for block in blocks] == [(name, service)]
        deleted = api.delete(f"/v1/{path}/{created.json()['id']}", params={"wait": 15})
        assert deleted.status_code == 200, deleted.text

    core.answer(name, service, 1, f"{text} checked")
    checked = api.post("/v1/checks", json=target, params={"wait": 20})
    assert checked.status_code == 200, checked.text
    cores.wait_for_state(core, name, service, 1)
    lives = api.get("/v1/commands", params=target).json()["items"]
    assert {(life["host"], life["service"]) for life in lives} == {(name, service)}
    assert {life["state"] for life in lives} == {"confirmed"}


def test_near_but_not_it(site: Site) -> None:
    """What a careless path converter would find instead."""
    for path in ("Disk", "Disk%20", "Disk%20/var", "Disk%2520%252Fvar", "%252F", "a%20b", "Gr%C3%B6sse", "%2E", "...", "%231"):
        status, answer = _get(site, f"/v1/hosts/{path}?poller=north")
        assert status == 404, (path, answer)
        status, answer = _get(site, f"/v1/hosts/n-web1/services/{path}?poller=north")
        assert status == 404, (path, answer)
