"""Programs written for Centreon work unmodified: Nagstamon itself, and its newest version and the Go client word by word."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.support import cores, nagstamon, oracle
from tests.support.box import PASSWORD, Box, parallel
from tests.support.centreon_reference import schema, wrong
from tests.support.cores import PATIENCE_S, Core, until
from tests.system.centreon_scene import bring, iso, moment
from tests.system.conftest import Site

pytestmark = pytest.mark.core

SERVICE = "HTTP"


@dataclass
class Trouble:
    """A core whose `host` is down and its service critical."""

    box: Box
    core: Core
    host: str

    def block(self, service: str = "") -> dict[str, str]:
        return oracle.status_of(self.core.status_file, self.host, service)


@pytest.fixture(scope="module", params=[("north", "n"), ("east", "e")], ids=["nagios", "icinga2"])
def trouble(request: pytest.FixtureRequest, site: Site) -> Iterator[Trouble]:
    name, prefix = request.param
    made = Trouble(site.box, site.core(name), f"{prefix}-web2")
    bring(made.core, made.host, "", 1, "no answer")
    bring(made.core, made.host, SERVICE, 2, "refused")
    cores.wait_for_state(made.core, made.host, SERVICE, 2)
    cores.wait_for_state(made.core, made.host, "", 1)
    client = site.box.centreon()
    path = f"/monitoring/hosts/{site.box.host_id(made.host)}"

    def is_shown() -> bool:
        """By what was said of them here: other tests leave states behind."""
        host = client.get(path).json()
        (service,) = [row for row in client.get(f"{path}/services").json()["result"] if row["description"] == SERVICE]
        shown = [
            (one["state"], one["output"].strip(), one["acknowledged" if one is host else "is_acknowledged"])
            for one in (host, service)
        ]
        return shown == [(1, "no answer", False), (2, "refused", False)]

    until(is_shown, "the view shows both in trouble")
    yield made
    bring(made.core, made.host, SERVICE, 0, "well")
    bring(made.core, made.host, "", 0, "well")


# --- Nagstamon ----------------------------------------------------------------------------------------------------------------


def _nagstamon(box: Box, steps: list[dict[str, Any]]) -> dict[str, Any]:
    """What Nagstamon shows before and after its user did that."""
    url = f"{box.url}/centreon"
    return nagstamon.driven(box.folder, type="Centreon", url=url, cgi_url=url, user="admin", password=PASSWORD, steps=steps)


def test_nagstamon_lists_acknowledges_sets_downtimes_and_rechecks(trouble: Trouble) -> None:
    """Its user acknowledges host and service, sets downtimes on both, checks both again; the core's own files show each."""
    now = datetime.now()
    start, end = (datetime.fromtimestamp(now.timestamp() + more).strftime("%Y-%m-%d %H:%M") for more in (0, 7200))
    steps = []
    for service in ("", SERVICE):
        named = {"host": trouble.host, "service": service, "author": "admin"}
        flags = {"sticky": True, "notify": False, "persistent": True, "acknowledge_all_services": False, "all_services": [],
                 "expire_time": None}  # fmt: skip
        downtime = {"fixed": 1, "start_time": start, "end_time": end, "hours": 2, "minutes": 0}
        steps += [
            {"method": "set_acknowledge", "info": named | flags | {"comment": "seen by nagstamon"}},
            {"method": "set_downtime", "info": named | downtime | {"comment": "set by nagstamon"}},
            {"method": "set_recheck", "info": named},
        ]
    told = _nagstamon(trouble.box, steps)
    assert [answer for answer in told["answers"] if answer[1] >= 300] == []  # the first has Basic credentials
    assert told["class"] == "Nagstamon.Servers.Centreon.CentreonAPI", "it takes us for a Centreon of today"
    before, after = told["shown"]
    assert (before["error"], after["error"]) == ("", "")
    assert before["hosts"][trouble.host]["status"] == "DOWN"
    service = before["services"][f"{trouble.host};{SERVICE}"]
    assert (service["status"], service["status_information"], service["acknowledged"]) == ("CRITICAL", "refused", False)
    assert "/" in service["attempt"]
    until(
        lambda: [trouble.block(name)["problem_has_been_acknowledged"] for name in ("", SERVICE)] == ["1", "1"],
        "the core shows both acknowledged",
    )
    cores.wait_for_generation(trouble.core)
    for name in ("", SERVICE):
        (comment,) = _of(trouble, oracle.comments(trouble.core.status_file, "seen by nagstamon"), name)
        assert comment["author"] == "admin"
        assert _of(trouble, oracle.downtimes(trouble.core.status_file, "set by nagstamon"), name), name
    logged = oracle.command_lines([trouble.core.main_log])
    for words in (f"SCHEDULE_FORCED_HOST_CHECK;{trouble.host};", f"SCHEDULE_FORCED_SVC_CHECK;{trouble.host};{SERVICE};"):
        assert any(line.startswith(words.encode()) for line in logged), words

    def seen() -> bool:
        shown = _nagstamon(trouble.box, [])["shown"][0]
        things = (shown["hosts"][trouble.host], shown["services"][f"{trouble.host};{SERVICE}"])
        return all(thing["acknowledged"] and thing["scheduled_downtime"] for thing in things)

    until(seen, "Nagstamon shows both as acknowledged and in downtime")
    _tidy(trouble)


def _of(trouble: Trouble, blocks: list[dict[str, str]], service: str) -> list[dict[str, str]]:
    return [one for one in blocks if (one["host_name"], one["service_description"]) == (trouble.host, service)]


def _tidy(trouble: Trouble) -> None:
    client = trouble.box.centreon()
    host_id = trouble.box.host_id(trouble.host)
    rows = client.get(f"/monitoring/hosts/{host_id}/downtimes?with_services=true&limit=1000").json()["result"]
    standing = [row["id"] for row in rows if not row["is_cancelled"]]
    assert set(parallel(lambda number: client.delete(f"/monitoring/downtimes/{number}").status_code, standing)) == {204}
    body = {"disacknowledgement": {"with_services": True}, "resources": [{"type": "host", "id": host_id, "parent": None}]}
    assert client.request("DELETE", "/monitoring/resources/acknowledgements", json=body).status_code == 204
    cores.wait_for_generation(trouble.core)

    def is_as_before() -> bool:
        services = client.get(f"/monitoring/hosts/{host_id}/services").json()["result"]
        return not client.get(f"/monitoring/hosts/{host_id}").json()["acknowledged"] and not any(
            row["is_acknowledged"] for row in services
        )

    until(is_as_before, "it is shown as before")


# --- word by word -------------------------------------------------------------------------------------------------------------


@dataclass
class Wire:
    """A client that sends exactly these bytes, keeps the headers it is told to keep, and reads JSON whatever its type is called."""

    box: Box
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, body: str | None = None) -> tuple[int, Any, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.box.port, timeout=PATIENCE_S + 10)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body.encode())))
            connection.endheaders(None if body is None else body.encode())
            answer = connection.getresponse()
            raw = answer.read()
            return answer.status, json.loads(raw) if raw else None, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()


NAGSTAMON_READS = {
    "name": "string", "id": "integer", "type": "string", "status": "Status", "last_check": "string?", "duration": "string?",
    "tries": "string", "information": "string", "severity": "Severity?", "severity_level": "integer?", "fqdn": "string?",
    "has_passive_checks_enabled": "boolean", "is_notification_enabled": "boolean", "is_acknowledged": "boolean",
    "is_in_downtime": "boolean", "passive_checks": "boolean", "notification_enabled": "boolean", "acknowledged": "boolean",
    "in_downtime": "boolean",
}  # fmt: skip
# By the version it takes: what stands for a host's parent, how a check is asked for, and what is acknowledged under it: Icinga 2
# takes no second one, and the host's is its services', too.
WORDS = [
    ("latest", {"id": None}, {}, ""),
    ("v22.04", {"id": None}, {}, "host"),
    ("v23.10", {"id": None}, {"check": {"is_forced": True}}, ""),
    ("v24.04", {}, {"check": {"is_forced": True}}, ""),
]


def test_nagstamons_own_words(trouble: Trouble) -> None:
    """Of each of its dialects: raw JSON in the query, bodies without a type, a basic header beside the token, offsets without
    colon, a host's own parent since 24."""
    wire = Wire(trouble.box, {"Authorization": "Basic YWRtaW46eA=="})
    status, body, _ = wire.send("GET", "/centreon/api/latest/platform/versions")
    assert (status, int(body["web"]["major"]) >= 21, int(body["web"]["minor"]) in (4, 10)) == (200, True, True)
    root = "/centreon/api/v22.04"
    status, body, headers = wire.send("GET", f"{root}/monitoring/resources?limit=1")
    assert (status, headers["content-type"], set(body) >= {"message"}) == (401, "application/json", True)
    login = json.dumps({"security": {"credentials": {"login": "admin", "password": PASSWORD}}})
    status, body, _ = wire.send("POST", f"{root}/login", login)
    assert status == 200
    wire.headers["X-Auth-Token"] = body["security"]["token"]
    assert wire.send("GET", f"{root}/monitoring/resources?limit=1")[0] == 200
    parallel(lambda one: _speaks(wire, trouble, *one[0], type=one[1]), list(product(WORDS, ("host", "service"))))
    until(
        lambda: [trouble.block(name)["problem_has_been_acknowledged"] for name in ("", SERVICE)] == ["1", "1"],
        "the core shows both acknowledged",
    )
    cores.wait_for_generation(trouble.core)
    for name in ("", SERVICE):
        set_ = _of(trouble, oracle.downtimes(trouble.core.status_file), name)
        assert {one["comment"] for one in set_} >= {f"word by word {version}" for version, *_ in WORDS}
    logged = [line.decode() for line in oracle.command_lines([trouble.core.main_log])]
    assert any(line.startswith(f"SCHEDULE_FORCED_SVC_CHECK;{trouble.host};{SERVICE};") for line in logged)
    _tidy(trouble)


def _speaks(
    wire: Wire, trouble: Trouble, version: str, parent: dict[str, Any], check: dict[str, Any], acknowledged: str, *, type: str
) -> None:
    """What it asks in the dialect of that version: both lists, the ids by names, then what its user does to the host or service."""
    base = f"/centreon/api/{version}/monitoring/resources"
    wanted = 'statuses=["WARNING","DOWN","CRITICAL","UNKNOWN"]&limit=9999'
    (host,) = _rows(wire, f'{base}?types=["host"]&{wanted}&search={{"h.name":{{"$rg":"^{trouble.host}$"}}}}')
    (service,) = _rows(
        wire, f'{base}?types=["metaservice","service"]&{wanted}&search={{"s.description":{{"$rg":"^{SERVICE}$"}}}}', trouble
    )
    for row in (host, service):
        assert undecodable(row, NAGSTAMON_READS) == [], "a missing key loses it the whole list"
        assert "(H)" in row["tries"]
    assert (host["status"]["name"], service["status"]["name"], service["parent"]["name"]) == ("DOWN", "CRITICAL", trouble.host)
    assert host["fqdn"]
    (by_name,) = _rows(wire, f'{base}?types=["host"]&search={{"h.name":"{trouble.host}"}}')
    equal = f'{{"$and":[{{"h.name":{{"$eq":"{trouble.host}"}}}},{{"s.description":{{"$eq":"{SERVICE}"}}}}]}}'
    (by_both,) = _rows(wire, f'{base}?types=["service"]&search={equal}')
    assert (by_name["id"], by_both["id"], by_both["parent"]["id"]) == (host["id"], service["id"], host["id"])

    words = {"comment": f"word by word {version}", "with_services": True}
    flags = {"is_notify_contacts": False, "is_persistent_comment": True, "is_sticky": True}
    start, end = (datetime.fromtimestamp(time.time() + more, UTC).strftime("%Y-%m-%dT%H:%M:00+0000") for more in (0, 3600))
    downtime = words | {"is_fixed": True, "duration": 0, "start_time": start, "end_time": end}
    resource = (
        {"type": "host", "id": host["id"], "parent": parent or {"id": host["id"]}}
        if type == "host"
        else {"type": "service", "id": service["id"], "parent": {"id": host["id"]}}
    )
    for action, asked in (
        ("acknowledge", {"acknowledgement": words | flags}),
        ("check", check),
        ("downtime", {"downtime": downtime}),
    ):
        if action != "acknowledge" or type == acknowledged:
            status, body, _ = wire.send("POST", f"{base}/{action}", json.dumps(asked | {"resources": [resource]}))
            assert (status, body) == (204, None), (version, action, resource, body)


def undecodable(row: dict[str, Any], fields: dict[str, str]) -> list[str]:
    """What a program that decodes into fixed types cannot take of an answer."""
    missing = [f"{name} is missing" for name in fields if name not in row]
    return missing + [word for name, type in fields.items() if name in row for word in wrong(row[name], type, name)]


def _rows(wire: Wire, path: str, trouble: Trouble | None = None) -> list[dict[str, Any]]:
    """The rows of a list; of the scene's host only, where others have the same service."""
    status, body, _ = wire.send("GET", path)
    assert status == 200, body
    rows: list[dict[str, Any]] = body["result"]
    return [row for row in rows if trouble is None or row["parent"]["name"] == trouble.host]


GO_SERVICE = schema("ServiceMain") | schema("LaterService") | {"check_attempt": "string"}
GO_DOWNTIME = schema("Downtime") | schema("LaterDowntime") | {"service_id": "integer?"}


def _listed(wire: Wire, path: str, fields: dict[str, str]) -> list[dict[str, Any]]:
    """A whole list, page by page, as the Go client decodes it: of fixed types, a number with a point being no integer."""
    found: list[dict[str, Any]] = []
    for page in range(1, 100):
        status, body, _ = wire.send("GET", f"{path}{'&' if '?' in path else '?'}page={page}&limit=2")
        assert (status, type(body["result"]), type(body["meta"]["total"])) == (200, list, int), body
        assert [undecodable(row, fields) for row in body["result"]] == [[]] * len(body["result"])
        found += body["result"]
        if len(found) >= body["meta"]["total"]:
            return found
    raise AssertionError("the pages have no end")


def test_the_go_clients_own_words(trouble: Trouble) -> None:
    """It decodes into fixed types, pages through lists, polls until what it set is shown, and cancels what is not cancelled."""
    wire, root = Wire(trouble.box, {"Content-Type": "application/json", "Accept": "application/json"}), "/centreon/api/latest"
    host_id = trouble.box.host_id(trouble.host)
    wire.headers["X-AUTH-TOKEN"] = "long-gone"
    assert wire.send("GET", f"{root}/monitoring/hosts")[0] == 401
    login = json.dumps({"security": {"credentials": {"login": "admin", "password": PASSWORD}}})
    wire.headers["X-AUTH-TOKEN"] = wire.send("POST", f"{root}/login", login)[1]["security"]["token"]
    host = wire.send("GET", f"{root}/monitoring/hosts/{host_id}")[1]
    assert undecodable(host, schema("HostFull") | schema("LaterHostFull")) == []
    assert len(_listed(wire, f"{root}/monitoring/hosts/{host_id}/services", GO_SERVICE)) == 2
    status, body, _ = wire.send("GET", f"{root}/monitoring/metaservices/1/downtimes")
    assert (status, body["message"].startswith("No route found")) == (404, True)
    missing = wire.send("GET", f"{root}/monitoring/hosts/999999999")
    assert (missing[0], missing[1]["message"]) == (404, "Host not found")

    path = f"{root}/monitoring/hosts/{host_id}/downtimes"
    for number in range(3):
        window = {"start_time": iso(time.time()), "end_time": iso(time.time() + 3600 + number * 120)}
        asked = window | {"is_fixed": True, "duration": 3600, "comment": "of the go client", "with_services": number == 2}
        assert wire.send("POST", path, json.dumps(asked))[0] == 204
    fraction = {"start_time": "2037-01-01T00:00:00.123456Z", "end_time": "2036-01-01T00:00:00Z", "is_fixed": True, "comment": "x"}
    status, body, _ = wire.send("POST", path, json.dumps(fraction | {"duration": 60}))
    assert (status, body["code"], body["errors"][0]["field"]) == (400, 400, "end_time")

    def standing() -> list[dict[str, Any]]:
        rows = _listed(wire, path, GO_DOWNTIME)
        return [row for row in rows if not row["is_cancelled"] and row["comment"] == "of the go client"]

    until(lambda: len(standing()) == 3, "it sees what it set")
    for row in standing():
        assert (row["service_id"], row["author_id"]) == (0, 1)
        assert moment(row["end_time"]) > moment(row["start_time"])
        assert wire.send("DELETE", f"{root}/monitoring/downtimes/{row['id']}")[0] == 204
    until(
        lambda: not _of(trouble, oracle.downtimes(trouble.core.status_file, "of the go client"), ""),
        "the host's own are gone, its services' stay until they are cancelled, too",
    )
    until(lambda: not standing(), "they are listed as cancelled")
    rest = [row["id"] for row in wire.send("GET", f"{path}?with_services=true&limit=1000")[1]["result"]]
    assert set(parallel(lambda number: wire.send("DELETE", f"{root}/monitoring/downtimes/{number}")[0], rest)) == {204}


@pytest.mark.parametrize("poller", [1, 3], ids=["nagios", "icinga2"])
def test_a_query_may_hold_names_as_they_are(site: Site, poller: int) -> None:
    """Quotes, brackets and UTF-8 as `curl -g` sends them; the original's web server takes that."""
    token = site.box.centreon().headers["X-AUTH-TOKEN"]
    query = f'search={{"$and":[{{"host.name":"Größe"}},{{"poller.id":{poller}}}]}}&sort_by={{"host.name":"ASC"}}'
    head = f"GET /centreon/api/latest/monitoring/hosts?{query} HTTP/1.1\r\nHost: box\r\nConnection: close\r\n"
    with socket.create_connection(("127.0.0.1", site.box.port), timeout=PATIENCE_S) as connection:
        connection.sendall(f"{head}X-AUTH-TOKEN: {token}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert [row["name"] for row in body["result"]] == ["Größe"], body
    assert body["meta"]["search"] == {"$and": [{"host.name": "Größe"}, {"poller.id": poller}]}


def test_nagstamons_driver_tells_it_nothing_of_ours() -> None:
    """It runs under the system's Python, which has nothing of this program."""
    source = Path(nagstamon.__file__).read_text("utf-8")
    assert "import engine" not in source
    assert "from api" not in source
    assert sys.executable != nagstamon.SYSTEM_PYTHON
