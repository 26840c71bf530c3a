"""The contract of Centreon's API, made from the reference as data: every operation called on real cores, every field looked at.

An operation of the data that is neither read by itself (GET) nor has a test registered by `carries_out` fails.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.support import cores, oracle
from tests.support.box import PASSWORD, command_ids
from tests.support.centreon_reference import later, operations, schema, wrong
from tests.support.cores import until
from tests.system.centreon_scene import GROUP, OUTPUT, SERVICE, SERVICEGROUP, Scene, moment, prepare, window
from tests.system.conftest import Site

pytestmark = pytest.mark.core

DOCUMENTED = ("beta", "v2", "v2.1")
PRODUCT = ("latest", "v21.10", "v22.10", "v23.04", "v24.04", "v25.10")
READS = [name for name, operation in operations().items() if operation["method"] == "GET" and name != "GET /logout"]
LISTS = [name for name in READS if operations()[name]["answer"].startswith("[")]


@pytest.fixture(scope="module", params=[("north", "n"), ("east", "e")], ids=["nagios", "icinga2"])
def scene(request: pytest.FixtureRequest, site: Site) -> Iterator[Scene]:
    core, prefix = request.param
    made = prepare(site.box, site.core(core), prefix)
    yield made
    for kind in ("host_downtime", "service_downtime"):
        site.box.api.delete(f"/v1/downtimes/{made.ids[kind]}")
    made.core.set_state(made.host, SERVICE, 0, "well")
    made.core.set_state(made.host, "", 0, "well")


# --- every field ------------------------------------------------------------------------------------------------------------


def _as_documented(value: Any, version: str) -> Any:
    """An answer of a product version with the attempts of services as the reference has them: they became texts in 20.04."""
    if isinstance(value, list):
        return [_as_documented(one, version) for one in value]
    if not isinstance(value, dict):
        return value
    shown = {key: _as_documented(one, version) for key, one in value.items()}
    if version in PRODUCT and "description" in shown and "check_attempt" in shown:
        assert isinstance(shown["check_attempt"], str), version
        shown["check_attempt"] = int(shown["check_attempt"])
    return shown


def _wrong(body: dict[str, Any], answer: str, version: str) -> list[str]:
    if not answer.startswith("["):
        return wrong(_as_documented(body, version), answer)
    rows = [row for row in body["result"] if row.get("start_time", "") is not None]  # None: only a log tells of that downtime
    return wrong(body["meta"], "Meta", "meta") + wrong(_as_documented(rows, version), answer, "result")


@pytest.mark.parametrize("name", READS)
def test_every_field_of_every_version_is_there_and_of_its_type(scene: Scene, name: str) -> None:
    operation = operations()[name]
    asked = [({}, operation["answer"]), *(({switch: "true"}, answer) for switch, answer in operation["switches"].items())]
    for version in (*DOCUMENTED, *PRODUCT):
        for query, answer in asked:
            limit = {"limit": "1000"} if answer.startswith("[") else {}
            response = scene.call("GET", operation["path"], version, params=query | limit)
            assert (response.status_code, response.headers["content-type"]) == (200, "application/json"), response.text
            body = response.json()
            assert _wrong(body, answer, version) == [], (version, query)
            if answer.startswith("["):
                assert body["result"], f"{name} shows nothing: nothing was looked at"
                assert body["meta"] == {"page": 1, "limit": 1000, "search": {}, "sort_by": {}, "total": len(body["result"])}


@pytest.mark.parametrize("path", later()["reads"])
def test_what_later_versions_added_is_there(scene: Scene, path: str) -> None:
    answer = later()["reads"][path]
    for version in (*DOCUMENTED, *PRODUCT):
        response = scene.call("GET", path, version, params={"limit": "1000"} if answer.startswith("[") else {})
        assert response.status_code == 200, (version, response.text)
        body = response.json()
        if answer.startswith("["):
            assert body["result"]
            assert wrong(body["meta"], "Meta", "meta") == []
            assert body["meta"]["total"] == len(body["result"])
            body = [row for row in body["result"] if row.get("start_time", "") is not None]
        assert wrong(body, answer) == [], version


@pytest.mark.parametrize(
    "path", ["/monitoring/hosts/categories", "/monitoring/services/categories", "/monitoring/severities/host",
             "/monitoring/severities/service"],
)  # fmt: skip
def test_what_a_plain_core_has_none_of_is_an_empty_list(scene: Scene, path: str) -> None:
    assert scene.rows(path) == []


def test_the_worst_of_both_kinds_is_what_the_status_file_says(scene: Scene) -> None:
    """All problems of the core and no others; the scene's own host and service among them, whole."""
    cores.wait_for_generation(scene.core)
    poller = json.dumps([scene.core.folder.name])

    def shown() -> set[tuple[str, str]]:
        rows = scene.rows("/monitoring/resources", monitoring_server_names=poller, states='["resources_problems"]')
        return {(row["parent"]["name"] if row["parent"] else row["name"], row["name"] if row["parent"] else "") for row in rows}

    def in_trouble() -> set[tuple[str, str]]:
        return {
            (keys["host_name"], keys.get("service_description", ""))
            for kind, keys in oracle.blocks(scene.core.status_file)
            if kind in ("hoststatus", "servicestatus") and keys["has_been_checked"] == "1" and keys["current_state"] != "0"
        }

    until(lambda: shown() == in_trouble() >= {(scene.host, ""), (scene.host, SERVICE)}, 5, "the same problems")
    assert (
        scene.rows(
            "/monitoring/resources",
            monitoring_server_names=poller,
            states='["unhandled_problems"]',
            search=f'{{"h.name":"{scene.host}"}}',
        )
        == []
    )
    first = scene.call("GET", "/monitoring/resources", params={"monitoring_server_names": poller, "limit": "2"}).json()["result"]
    assert {row["status"]["name"] for row in first} <= {"DOWN", "CRITICAL"}


NAGSTAMON_KEYS = (
    "name", "fqdn", "id", "type", "parent", "status", "last_check", "duration", "tries", "information", "severity",
    "severity_level", "has_passive_checks_enabled", "is_notification_enabled", "is_acknowledged", "is_in_downtime",
    "passive_checks", "notification_enabled", "acknowledged", "in_downtime",
)  # fmt: skip


def test_nagstamon_reads_as_it_does(scene: Scene) -> None:
    """Its requests in its order, with JSON in the URL as it is: no token at first, then problems of hosts and of services."""
    versions = scene.box.client(Accept="application/json").get("/centreon/api/latest/platform/versions").json()["web"]
    assert int(versions["major"]) >= 21
    assert int(versions["minor"]) in (4, 10)
    token = scene.client.headers["X-AUTH-TOKEN"]
    status, body = _raw(scene, "/centreon/api/v22.04/monitoring/resources?limit=1", "")
    assert (status, "message" in body) == (401, True)
    statuses = 'statuses=["WARNING","DOWN","CRITICAL","UNKNOWN"]&limit=9999'
    for query in (
        f'types=["host"]&{statuses}&search={{"h.name":{{"$rg":"{scene.host}"}}}}',
        f'types=["metaservice","service"]&{statuses}&search={{"s.description":{{"$rg":"^{SERVICE}"}}}}',
        f'types=["host"]&search={{"h.name":"{scene.host}"}}',
        f'types=["service"]&search={{"$and":[{{"h.name":{{"$eq":"{scene.host}"}}}},{{"s.description":{{"$eq":"{SERVICE}"}}}}]}}',
    ):
        status, body = _raw(scene, f"/centreon/api/v22.04/monitoring/resources?{query}", token)
        assert status == 200, (query, body)
        rows = [row for row in body["result"] if scene.host in (row["name"], (row["parent"] or {}).get("name"))]
        assert [row["id"] for row in rows] == [scene.ids["host_id" if '"host"' in query else "service_id"]], query
        assert [key for key in NAGSTAMON_KEYS if key not in rows[0]] == []
        assert "(H)" in rows[0]["tries"]


def _raw(scene: Scene, target: str, token: str) -> tuple[int, dict[str, Any]]:
    """One GET whose target goes out byte for byte as given."""
    head = f"GET {target} HTTP/1.1\r\nHost: box\r\nConnection: close\r\n" + (f"X-Auth-Token: {token}\r\n" if token else "")
    with socket.create_connection(("127.0.0.1", scene.box.port), timeout=20) as connection:
        connection.sendall(f"{head}\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    headers, _, body = answer.partition(b"\r\n\r\n")
    found: dict[str, Any] = json.loads(body)
    return int(headers.split(b" ")[1]), found


def _notifies(definition: dict[str, str], letter: str) -> bool:
    """Whether it is among the options; `a` is all of them."""
    return bool({letter, "a"} & set(definition.get("notification_options", "").split(",")))


HOST_TRUTH: dict[str, Callable[[dict[str, str], dict[str, str]], object]] = {
    "name": lambda s, _: s["host_name"],
    "alias": lambda s, o: o.get("alias", s["host_name"]),
    "display_name": lambda s, o: o.get("display_name", s["host_name"]),
    "address_ip": lambda _, o: o["address"],
    "acknowledged": lambda s, _: s["problem_has_been_acknowledged"] == "1",
    "active_checks": lambda s, _: s["active_checks_enabled"] == "1",
    "passive_checks": lambda s, _: s["passive_checks_enabled"] == "1",
    "check_attempt": lambda s, _: int(s["current_attempt"]),
    "max_check_attempts": lambda s, _: int(s["max_attempts"]),
    "check_command": lambda s, _: s["check_command"],
    "check_interval": lambda s, _: float(s["check_interval"]),
    "checked": lambda s, _: s["has_been_checked"] == "1",
    "execution_time": lambda s, _: pytest.approx(float(s["check_execution_time"]), abs=1e-6),
    "latency": lambda s, _: pytest.approx(float(s["check_latency"]), abs=1e-6),
    "state": lambda s, _: int(s["current_state"]),
    "last_hard_state": lambda s, _: int(s["last_hard_state"]),
    "next_host_notification": lambda s, _: int(float(s["next_notification"])),
    "notification_number": lambda s, _: int(s["current_notification_number"]),
    "notification_interval": lambda _, o: float(o.get("notification_interval", 0)),
    "notify": lambda s, _: s["notifications_enabled"] == "1",
    "notify_on_down": lambda _, o: _notifies(o, "d"),
    "notify_on_unreachable": lambda _, o: _notifies(o, "u"),
    "notify_on_recovery": lambda _, o: _notifies(o, "r"),
    "notify_on_flapping": lambda _, o: _notifies(o, "f"),
    "notify_on_downtime": lambda _, o: _notifies(o, "s"),
    "scheduled_downtime_depth": lambda s, _: int(s["scheduled_downtime_depth"]),
}
SERVICE_TRUTH: dict[str, Callable[[dict[str, str], dict[str, str]], object]] = {
    **{name: HOST_TRUTH[name] for name in (
        "max_check_attempts", "check_attempt", "check_command", "check_interval", "execution_time", "latency", "state",
        "scheduled_downtime_depth",
    )},
    "description": lambda s, _: s["service_description"],
    "display_name": lambda s, o: o.get("display_name", s["service_description"]),
    "is_acknowledged": HOST_TRUTH["acknowledged"],
    "is_active_check": HOST_TRUTH["active_checks"],
    "is_checked": HOST_TRUTH["checked"],
    "performance_data": lambda s, _: s["performance_data"],
}  # fmt: skip


@pytest.mark.parametrize("service", ["", SERVICE], ids=["host", "service"])
def test_values_are_those_of_the_cores_files_in_their_units(scene: Scene, service: str) -> None:
    """Seconds are seconds, intervals are the core's own units, dates are the core's seconds, and no field is another's."""
    path, truth, name = (
        ("/monitoring/hosts/{host_id}/services/{service_id}", SERVICE_TRUTH, "ServiceFull")
        if service
        else ("/monitoring/hosts/{host_id}", HOST_TRUTH, "HostFull")
    )
    cores.wait_for_generation(scene.core)
    block, defined = scene.block(service), scene.definition(service)

    def differing() -> dict[str, object]:
        shown = scene.call("GET", path).json()
        different = {
            key: (shown[key], value(block, defined)) for key, value in truth.items() if shown[key] != value(block, defined)
        }
        for key, type in schema(name).items():
            if type.startswith("date-time") and key in block and not _is_moving(key, scene):
                said = max(int(float(block[key])), 0)
                if moment(shown[key]) != said:
                    different[key] = (shown[key], said)
        return different

    until(lambda: not differing(), 5, f"the answer is the status file's: {differing()}")


def _is_moving(key: str, scene: Scene) -> bool:
    """What a later status file has another value of, and Icinga 2's `last_check`, which it always writes as -1."""
    return key in ("last_update", "next_check") or (scene.core.kind == "icinga2" and key == "last_check")


@pytest.mark.parametrize("service", ["", SERVICE], ids=["host", "service"])
def test_a_timeline_is_what_the_log_and_the_status_file_say(scene: Scene, service: str) -> None:
    """Every alert of the log in its second, the downtime and the acknowledgement with their author; nothing of another object."""
    path = "/monitoring/hosts/{host_id}" + ("/services/{service_id}" if service else "") + "/timeline"

    def alerts() -> list[int]:
        logged = oracle.events(scene.core.log_file.read_bytes().splitlines())
        return sorted(at for at, type, *place, _ in logged if (type, *place) == ("alert", scene.host, service))

    def shown(**search: object) -> list[dict[str, Any]]:
        return scene.rows(path, search=json.dumps(search))

    until(lambda: sorted(moment(row["date"]) for row in shown(type="event")) == alerts() != [], 20, "the alerts of the log")
    assert {row["status"]["name"] for row in shown(type="event")} >= {"CRITICAL" if service else "DOWN"}
    for kind in ("downtime", "acknowledgement"):
        (row,) = shown(type=kind, content="contract")
        assert row["contact"] == {"id": 1, "name": "admin"}
    (downtime,) = [
        block
        for block in oracle.downtimes(scene.core.status_file, "contract")
        if (block["host_name"], block["service_description"]) == (scene.host, service)
    ]
    assert moment(shown(type="downtime", content="contract")[0]["date"]) >= float(downtime["start_time"])
    file = scene.call("GET", f"{path}/download")
    assert (file.status_code, file.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert file.text.count("contract") == 2


# --- every search key -------------------------------------------------------------------------------------------------------


def _ids(scene: Scene) -> dict[str, int]:
    """Ids of groups, which no core knows: as the lists of groups name them."""
    found = {}
    for path, name, key in (
        ("/monitoring/hostgroups", GROUP, "host_group.id"),
        ("/monitoring/servicegroups", SERVICEGROUP, "service_group.id"),
    ):
        (found[key],) = [row["id"] for row in scene.rows(path) if row["name"] == name]
    return found


def _sought(scene: Scene, name: str) -> dict[str, tuple[object, object]]:
    """For each key a value that the scene's own objects have, and one they have not."""
    downtime = oracle.downtimes(scene.core.status_file, "contract")
    (own,) = (
        [
            block
            for block in downtime
            if block["host_name"] == scene.host and bool(block["service_description"]) == ("services" in name)
        ]
        if "downtimes" in name
        else [{}]
    )
    ids = _ids(scene)
    definition, block = scene.definition(), scene.block(SERVICE)
    entry = "service_downtime" if "services" in name else "host_downtime"
    return {
        "host.id": (scene.ids["host_id"], scene.ids["host_id"] + 10**6),
        "host.name": (scene.host, "n-central-not"),
        "host.alias": (definition.get("alias", scene.host), "another"),
        "host.display_name": (definition.get("display_name", scene.host), "another"),
        "host.address": (definition["address"], "192.0.2.99"),
        "host.state": (1, 2),
        "poller.id": (scene.poller, 99),
        "service.id": (scene.ids["service_id"], scene.ids["service_id"] + 10**6),
        "service.display_name": (scene.definition(SERVICE).get("display_name", SERVICE), "another"),
        "service.description": (SERVICE, "another"),
        "service.is_acknowledged": (True, False),
        "service.output": (block["plugin_output"], "another"),
        "service.state": (2, 0),
        "host_group.id": (ids["host_group.id"], 1),
        "service_group.id": (ids["service_group.id"], 1),
        "service_group.name": (SERVICEGROUP, "another"),
        "id": (scene.ids[entry], 1),
        "entry_time": (int(float(own.get("entry_time", 0))), 1),
        "is_cancelled": (False, True),
        "comment": ("contract", "another"),
        "deletion_time": (None, 1),
        "duration": (3600, 3601),
        "end_time": (int(float(own.get("end_time", 0))), 1),
        "start_time": (int(float(own.get("start_time", 0))), 1),
        "is_fixed": (True, False),
        "contact.id": (1, 99),
        "contact.name": ("admin", "another"),
    }  # fmt: skip


def _own_id(scene: Scene, name: str) -> int:
    """The id of the row that is the scene's own in that list."""
    if name.endswith("groups"):
        return _ids(scene)["host_group.id" if "host" in name.rpartition("/")[2] else "service_group.id"]
    if "downtimes" in name:
        return scene.ids["service_downtime" if "services" in name else "host_downtime"]
    return scene.ids["service_id" if name.endswith("services") else "host_id"]


@pytest.mark.parametrize("name", [name for name in LISTS if operations()[name]["search_keys"]])
def test_every_search_key_finds_what_it_must_and_nothing_else(scene: Scene, name: str) -> None:
    operation, own, sought = operations()[name], _own_id(scene, name), _sought(scene, name)

    def found(search: object) -> set[int]:
        return {row["id"] for row in scene.rows(operation["path"], search=json.dumps(search))}

    everything = found({})
    for key in operation["search_keys"]:
        has, has_not = sought[key]
        assert own in found({key: has}), f"{key} is {has!r}, and it was not found"
        assert own not in found({key: {"$eq": has_not}}), f"{key} is not {has_not!r}, and it was found"
        if has is None:
            assert own not in found({key: {"$neq": None}}), key
        else:
            assert own in found({"$and": [{"$or": [{key: has}, {key: has_not}]}, {key: {"$neq": has_not}}]}), key
        if isinstance(has, str):
            assert own in found({key: {"$lk": f"{has[:1].swapcase()}%"}}), key
            assert own in found({key: {"$rg": has[1:3].upper()}}), key
            assert own not in found({key: {"$nk": f"%{has[2:]}"}}) or "groups" in name, key  # another member of the group may pass
        if not isinstance(has, bool | str) and has is not None:
            assert own in found({key: {"$in": [has, has_not]}}), key
            assert own in found({key: {"$ge": has}}), key
            assert own not in found({key: {"$gt": has}}) or "group" in name or key.startswith("service."), key
        sorted_ids = [row["id"] for row in scene.rows(operation["path"], sort_by=json.dumps({key: "DESC"}))]
        assert set(sorted_ids) == everything, f"sorting by {key} loses or invents rows"
        assert len(sorted_ids) == len(everything), f"sorting by {key} repeats rows"


@pytest.mark.parametrize("name", LISTS)
def test_pages_are_exact_and_told(scene: Scene, name: str) -> None:
    """Nothing twice and nothing left out over all pages; a limit of 0 counts only; what is asked is told back, normalised."""
    path = operations()[name]["path"]
    rows = [row["id"] for row in scene.rows(path)]
    nothing = scene.call("GET", path, params={"limit": "0"}).json()
    assert (nothing["result"], nothing["meta"]["total"], nothing["meta"]["limit"]) == ([], len(rows), 0)
    size = max(len(rows) // 3, 1)
    pages = [scene.call("GET", path, params={"limit": str(size), "page": str(page)}).json()["result"] for page in range(1, 6)]
    assert [row["id"] for page in pages for row in page][: len(rows)] == rows[: 5 * size]
    key = (operations()[name]["search_keys"] or ["id"])[0]
    meta = scene.call("GET", path, params={"search": f'{{"{key}":1}}', "sort_by": f'{{"{key}":"desc"}}', "page": "7"}).json()[
        "meta"
    ]
    assert meta == {"page": 7, "limit": 10, "search": {"$and": {key: 1}}, "sort_by": {key: "DESC"}, "total": 0}


@pytest.mark.parametrize("name", LISTS)
def test_what_cannot_be_meant_is_400(scene: Scene, name: str) -> None:
    """Never everything, never an order that was not asked for, never a 500."""
    path = operations()[name]["path"]
    for query in (
        "search={", "search=[]", 'search={"x.y":1}', 'search={"id":{"$like":1}}', "sort_by={", 'sort_by={"x.y":"ASC"}',
        "limit=-1", "limit=x", "page=0", "page=-1",
    ):  # fmt: skip
        answer = scene.client.get(f"/centreon/api/latest{path.format(**scene.ids)}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, 400), (query, answer.text)
        assert answer.json()["message"]


# --- what is carried out ----------------------------------------------------------------------------------------------------

Carried = Callable[[Scene], None]
WRITES: dict[str, Carried] = {}


def carries_out(name: str) -> Callable[[Carried], Carried]:
    """Register the real-core test of an operation that is not only read."""

    def register(test: Carried) -> Carried:
        WRITES[name] = test
        return test

    return register


@carries_out("POST /login")
@carries_out("GET /logout")
def _login_and_logout(scene: Scene) -> None:
    body = {"security": {"credentials": {"login": "admin", "password": PASSWORD}}}
    assert wrong(body, "Credentials") == []
    anybody = scene.box.client(Accept="application/json")
    answer = anybody.post("/centreon/api/beta/login", json=body)
    assert (answer.status_code, wrong(answer.json(), "Login")) == (200, []), answer.text
    headers = {"X-AUTH-TOKEN": answer.json()["security"]["token"]}
    assert anybody.get("/centreon/api/beta/monitoring/hosts", headers=headers).status_code == 200
    gone = anybody.get("/centreon/api/beta/logout", headers=headers)
    assert (gone.status_code, gone.json()) == (200, {"message": "Successful logout"})
    assert anybody.get("/centreon/api/beta/monitoring/hosts", headers=headers).status_code == 403
    body["security"]["credentials"]["password"] = "wrong"
    assert anybody.post("/centreon/api/beta/login", json=body).status_code == 401


KINDS = {"hosts": "", "services": SERVICE}


def _done(scene: Scene, method: str, path: str, **more: Any) -> list[str]:
    answer = scene.call(method, path, **more)
    assert (answer.status_code, answer.content) == (204, b""), answer.text
    return command_ids(answer)


@carries_out("POST /acknowledgments/hosts")
@carries_out("DELETE /acknowledgments/hosts/{host_id}")
@carries_out("POST /acknowledgments/services")
@carries_out("DELETE /acknowledgments/hosts/{host_id}/services/{service_id}")
def _acknowledgements_taken_back_and_given(scene: Scene) -> None:
    """Take back what stands, ask for it again as the reference says, look at the core each time."""
    _done(scene, "DELETE", "/acknowledgments/hosts/{host_id}")
    _done(scene, "DELETE", "/acknowledgments/hosts/{host_id}/services/{service_id}")
    cores.wait_for_generation(scene.core)
    assert [scene.block(service)["problem_has_been_acknowledged"] for service in KINDS.values()] == ["0", "0"]
    flags = {"is_notify_contacts": False, "is_persistent_comment": True, "is_sticky": True}
    asked = {}
    for kind in KINDS:
        body = {"comment": f"contract of {kind}", "host_id": scene.ids["host_id"], **flags}
        body |= {"service_id": scene.ids["service_id"]} if kind == "services" else {}
        assert set(operations()[f"POST /acknowledgments/{kind}"]["body"]) == set(body)
        asked[kind] = _done(scene, "POST", f"/acknowledgments/{kind}", json=body)
    cores.wait_for_generation(scene.core)
    for kind, service in KINDS.items():
        lives = [scene.box.life(command) for command in asked[kind]]
        assert scene.block(service)["problem_has_been_acknowledged"] == "1", (kind, lives)
        (comment,) = oracle.comments(scene.core.status_file, f"contract of {kind}")
        assert (comment["host_name"], comment["service_description"]) == (scene.host, service)
        mine = [row for row in scene.rows(f"/acknowledgments/{kind}") if row["host_id"] == scene.ids["host_id"]]
        assert [row["comment"] for row in mine] == [f"contract of {kind}"], "the latest of each object and no other"


@carries_out("POST /monitoring/hosts/{host_id}/downtimes")
@carries_out("POST /monitoring/hosts/{host_id}/services/{service_id}/downtimes")
@carries_out("DELETE /monitoring/downtimes/{downtime_id}")
def _downtimes_and_their_end(scene: Scene) -> None:
    paths = {"": "/monitoring/hosts/{host_id}/downtimes", SERVICE: "/monitoring/hosts/{host_id}/services/{service_id}/downtimes"}
    for service, path in paths.items():
        body = window(author_id=1, **({} if service else {"with_services": False}))
        assert set(operations()[f"POST {path}"]["body"]) == set(body)
        _done(scene, "POST", path, json=body)
    cores.wait_for_generation(scene.core)
    blocks = {block["service_description"]: block for block in oracle.downtimes(scene.core.status_file, "asked by contract")}
    assert {block["host_name"] for block in blocks.values()} == {scene.host}
    assert set(blocks) == set(paths)
    for service, path in paths.items():
        (row,) = [row for row in scene.rows(path) if row["comment"] == "asked by contract" and not row["is_cancelled"]]
        block = blocks[service]
        assert (moment(row["start_time"]), moment(row["end_time"])) == (float(block["start_time"]), float(block["end_time"]))
        _done(scene, "DELETE", f"/monitoring/downtimes/{row['id']}")
    cores.wait_for_generation(scene.core)
    assert oracle.downtimes(scene.core.status_file, "asked by contract") == []


@pytest.mark.parametrize("carried", sorted(set(WRITES.values()), key=lambda one: one.__name__), ids=lambda one: one.__name__)
def test_an_operation_does_what_the_reference_says(scene: Scene, carried: Carried) -> None:
    carried(scene)


def test_every_operation_that_is_not_only_read_has_a_test() -> None:
    assert set(WRITES) == set(operations()) - set(READS)


# --- any request at all -----------------------------------------------------------------------------------------------------

EXAMPLES = 2  # of each of eighty operations; more of them over a desk without cores: tests/api/centreon/test_openapi.py
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_any_request_of_the_document_gets_an_answer_of_the_document(scene: Scene) -> None:
    """Never a 5xx, never another shape. What is read is the scene's, what is written is about a host nobody looks at."""
    document = schemathesis.openapi.from_dict(httpx.get(f"{scene.box.url}/centreon/api/openapi.json", trust_env=False).json())
    url, alone = f"{scene.box.url}/centreon/api/latest", {"host_id": scene.box.host_id(f"{scene.host[0]}079")}
    statuses = set()

    def ask(case: Any) -> None:
        known = scene.ids if case.method.upper() == "GET" else alone
        case.path_parameters.update({name: known[name] for name in case.path_parameters or {} if name in known})
        answer = case.call_and_validate(base_url=url, headers={"X-AUTH-TOKEN": scene.client.headers["X-AUTH-TOKEN"]}, checks=CHECKS)
        statuses.add(answer.status_code)

    bounded = settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    for operation in document.exclude(path_regex="log(in|out)|providers|acknowledgments").get_all_operations():
        bounded(given(operation.ok().as_strategy())(ask))()
    assert statuses >= {200, 404}, "something was read, and something was not there"


def test_the_output_is_the_plugins_first_line_and_what_follows(scene: Scene) -> None:
    shown = scene.call("GET", "/monitoring/hosts/{host_id}/services/{service_id}").json()
    assert shown["output"] == f"{OUTPUT}\n"
