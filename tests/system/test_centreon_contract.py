"""The contract of Centreon's API, made from the reference as data: every operation called on real cores, every field looked at.

An operation of the data that is neither read by itself (GET) nor has a test registered by `carries_out` fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.support import cores, oracle
from tests.support.box import PASSWORD
from tests.support.centreon_reference import later, operations, wrong
from tests.support.cores import PATIENCE_S, until
from tests.system.centreon_keys import own_id, shown_as, sought
from tests.system.centreon_scene import OUTPUT, SERVICE, Scene, bring, moment, prepare
from tests.system.centreon_truth import differing
from tests.system.centreon_writes import WRITES, Carried, bystander, name_in
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


def test_a_hosts_downtimes_come_with_those_of_its_services_where_asked(scene: Scene) -> None:
    """By the reference's word and by the one servers know; only the literal true is on."""
    path, own = "/monitoring/hosts/{host_id}/downtimes", {scene.ids["host_downtime"], scene.ids["service_downtime"]}
    for switch in ("show_service", "with_services"):
        assert own <= {row["id"] for row in scene.rows(path, **{switch: "true"})}, switch
        for off in ("false", "1", "True", ""):
            assert {row["service_id"] for row in scene.rows(path, **{switch: off})} == {0}, (switch, off)


@pytest.mark.parametrize("path", later()["reads"])
def test_what_later_versions_added_is_there(scene: Scene, path: str) -> None:
    answer = later()["reads"][path]
    for version in (*DOCUMENTED, *PRODUCT):
        response = scene.call("GET", path, version, params={"limit": "1000"} if answer.startswith("[") else {})
        assert response.status_code == 200, (version, response.text)
        body = response.json()
        if answer.startswith("="):
            assert body
        elif answer.startswith("["):
            assert body["result"]
            assert wrong(body["meta"], "Meta", "meta") == []
            assert body["meta"]["total"] == len(body["result"])
            body = [row for row in body["result"] if row.get("start_time", "") is not None]
        assert wrong(body, answer.removeprefix("=")) == [], version


NOTHING = (
    "/monitoring/hosts/categories", "/monitoring/services/categories", "/monitoring/severities/host",
    "/monitoring/severities/service",
)  # fmt: skip


def test_every_path_that_is_read_has_a_contract(scene: Scene) -> None:
    """In one of its spellings; files and what ends a login have tests of their own."""
    said = httpx.get(f"{scene.box.url}/centreon/api/openapi.json", trust_env=False, timeout=PATIENCE_S).json()["paths"]
    read = {path.replace("acknowledgments", "acknowledgements") for path, methods in said.items() if "get" in methods}
    known = {operations()[name]["path"].replace("acknowledgments", "acknowledgements") for name in READS}
    own = {path for path in read if path.endswith(("/timeline/download", "/logout"))}
    assert read == known | set(later()["reads"]) | set(NOTHING) | own


@pytest.mark.parametrize("path", NOTHING)
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

    until(lambda: shown() == in_trouble() >= {(scene.host, ""), (scene.host, SERVICE)}, "the same problems")
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


@pytest.mark.parametrize("service", ["", SERVICE], ids=["host", "service"])
def test_values_are_those_of_the_cores_files_in_their_units(scene: Scene, service: str) -> None:
    """Seconds are seconds, intervals are the core's own units, dates are the core's seconds, and no field is another's."""
    cores.wait_for_generation(scene.core)
    until(lambda: not differing(scene, service), f"the answer is the status file's: {differing(scene, service)}")


@pytest.mark.parametrize("service", ["", SERVICE], ids=["host", "service"])
def test_a_timeline_is_what_the_log_and_the_status_file_say(scene: Scene, service: str) -> None:
    """Every alert of the log in its second, the downtime and the acknowledgement with their author; nothing of another object."""
    path = "/monitoring/hosts/{host_id}" + ("/services/{service_id}" if service else "") + "/timeline"

    def alerts() -> list[int]:
        logged = oracle.events(scene.core.log_file.read_bytes().splitlines())
        return sorted(at for at, type, *place, _ in logged if (type, *place) == ("alert", scene.host, service))

    def shown(**search: object) -> list[dict[str, Any]]:
        return scene.rows(path, search=json.dumps(search))

    until(lambda: sorted(moment(row["date"]) for row in shown(type="event")) == alerts() != [], "the alerts of the log")
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


@pytest.mark.parametrize("name", [name for name in LISTS if operations()[name]["search_keys"]])
def test_every_search_key_finds_what_it_must_and_nothing_else(scene: Scene, name: str) -> None:
    operation, own, values = operations()[name], own_id(scene, name), sought(scene, name)

    def found(search: object) -> set[int]:
        return {row["id"] for row in scene.rows(operation["path"], search=json.dumps(search))}

    everything = found({})
    for key in operation["search_keys"]:
        has, has_not = values[key]
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
        for word, is_descending in (("DESC", True), ("asc", False)):
            rows = scene.rows(operation["path"], sort_by=json.dumps({key: word}))
            assert {row["id"] for row in rows} == everything, f"sorting by {key} loses or invents rows"
            assert len(rows) == len(everything), f"sorting by {key} repeats rows"
            shown = shown_as(name, key)
            if shown is not None:
                found_in_order = [shown(row) for row in rows]
                known = sorted((one for one in found_in_order if one is not None), reverse=is_descending)  # type: ignore[type-var]
                assert found_in_order == [*known, *[None] * (len(rows) - len(known))], f"{key} {word}, what has none last"


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
    """Never everything, never a 500. What it cannot be sorted by changes no row: it is left out, and that is told."""
    path = operations()[name]["path"]
    for query in (
        "search={", "search=[]", 'search={"x.y":1}', 'search={"id":{"$like":1}}', "sort_by={", 'sort_by={"id":"ASC","id":"ASC"}',
        "limit=-1", "limit=x", "page=0", "page=-1",
    ):  # fmt: skip
        answer = scene.client.get(f"/centreon/api/latest{path.format(**scene.ids)}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, 400), (query, answer.text)
        assert answer.json()["message"]
    asked, plain = (scene.call("GET", path, params=query).json() for query in ({"sort_by": '{"x.y":"ASC"}'}, {}))
    assert [row["id"] for row in asked["result"]] == [row["id"] for row in plain["result"]]
    assert (asked["meta"]["sort_by"], asked["meta"]["signalbox"]) == ({}, {"not_sorted_by": ["x.y"]})


# --- what is carried out ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("carried", sorted(set(WRITES.values()), key=lambda one: one.__name__), ids=lambda one: one.__name__)
def test_an_operation_does_what_the_reference_says(scene: Scene, carried: Carried) -> None:
    carried(scene)


def test_every_operation_that_is_not_only_read_has_a_test() -> None:
    assert set(WRITES) == set(operations()) - set(READS)


# --- any request at all -----------------------------------------------------------------------------------------------------

EXAMPLES = 2  # of each of a hundred operations; more of them over a desk without cores: tests/api/centreon/test_openapi.py
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDS_A_LOGIN = ("/logout", "/authentication/logout")
_LOGIN = {"login": "admin", "password": PASSWORD}
A_LOGIN: dict[str, Any] = {
    "/login": {"security": {"credentials": _LOGIN}}, "/authentication/providers/configurations/local": _LOGIN,
}  # fmt: skip


def test_any_request_of_the_document_gets_an_answer_of_the_document(scene: Scene) -> None:
    """Never a 5xx, never another shape, of any operation. What is read is the scene's, what is written is about objects nobody
    looks at: the first request of each is about what is there."""
    said = httpx.get(f"{scene.box.url}/centreon/api/openapi.json", trust_env=False, timeout=PATIENCE_S).json()
    document = schemathesis.openapi.from_dict(said)
    url, anybody = f"{scene.box.url}/centreon/api/latest", bystander(scene)
    token = scene.client.headers["X-AUTH-TOKEN"]
    operations_seen: dict[str, set[int]] = {}

    def ask(case: Any) -> None:
        path, method = case.operation.path, case.method.upper()
        label = f"{method} {path}"
        if label not in operations_seen:
            known = scene.ids if method == "GET" else anybody
            case.path_parameters.update({name: known[name] for name in case.path_parameters or {}})
            case.query.clear()
            name_in(case.body, anybody, of_services="/services/" in path)
        if path in A_LOGIN:  # wrong ones would have the whole machine wait
            case.body = A_LOGIN[path]
        case.query.pop("wait", None)  # until the last state, and the answers of one key: other tests
        for name in ("Prefer", "Idempotency-Key"):
            case.headers.pop(name, None)
        own = scene.box.centreon().headers["X-AUTH-TOKEN"] if path in ENDS_A_LOGIN else token
        answer = case.call_and_validate(base_url=url, headers={"X-AUTH-TOKEN": own}, checks=CHECKS, timeout=PATIENCE_S + 10)
        operations_seen.setdefault(label, set()).add(answer.status_code)

    bounded = settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    described = list(document.get_all_operations())
    for operation in described:
        bounded(given(operation.ok().as_strategy())(ask))()
    assert len(operations_seen) == len(described) == sum(map(len, said["paths"].values()))
    assert not any(statuses <= {401, 403} for statuses in operations_seen.values()), "everything was let in"
    unread = [label for label, statuses in operations_seen.items() if label.startswith("GET") and 200 not in statuses]
    assert unread == [], "all that is there was read"
    done = [label for label, statuses in operations_seen.items() if statuses & {200, 204} and not label.startswith("GET")]
    assert len(done) >= 10, f"and some was carried out: {done}"
    bring(scene.core, f"{scene.host[0]}-web4", "HTTP", 0, "well")
    bring(scene.core, f"{scene.host[0]}-web4", "", 0, "well")


def test_the_output_is_the_plugins_first_line_and_what_follows(scene: Scene) -> None:
    shown = scene.call("GET", "/monitoring/hosts/{host_id}/services/{service_id}").json()
    assert shown["output"] == f"{OUTPUT}\n"
