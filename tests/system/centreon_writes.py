"""What the operations of Centreon's reference that are not only read do to a real core, each looked up in the core's own files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support import cores, oracle
from tests.support.box import PASSWORD, command_ids
from tests.support.centreon_reference import operations, wrong
from tests.support.cores import PATIENCE_S, until
from tests.system.centreon_scene import SERVICE, Scene, moment, window

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
    until(lambda: _acknowledged(scene) == (["0", "0"], [False, False]), "the core shows neither, nor does the view")
    flags = {"is_notify_contacts": False, "is_persistent_comment": True, "is_sticky": True}
    asked = {}
    for kind in KINDS:
        body = {"comment": f"contract of {kind}", "host_id": scene.ids["host_id"], **flags}
        body |= {"service_id": scene.ids["service_id"]} if kind == "services" else {}
        assert set(operations()[f"POST /acknowledgments/{kind}"]["body"]) == set(body)
        asked[kind] = _done(scene, "POST", f"/acknowledgments/{kind}", json=body)
    try:
        until(lambda: _acknowledged(scene)[0] == ["1", "1"], "the core shows both")
    except TimeoutError as error:
        raise AssertionError((str(error), [scene.box.life(command) for kind in KINDS for command in asked[kind]])) from None
    cores.wait_for_generation(scene.core)
    for kind, service in KINDS.items():
        (comment,) = oracle.comments(scene.core.status_file, f"contract of {kind}")
        assert (comment["host_name"], comment["service_description"]) == (scene.host, service)
        mine = [row for row in scene.rows(f"/acknowledgments/{kind}") if row["host_id"] == scene.ids["host_id"]]
        assert [row["comment"] for row in mine] == [f"contract of {kind}"], "the latest of each object and no other"


def _acknowledged(scene: Scene) -> tuple[list[str], list[bool]]:
    """Of the host and its service: what the status file says, and what is shown."""
    host = scene.call("GET", "/monitoring/hosts/{host_id}").json()["acknowledged"]
    service = scene.call("GET", "/monitoring/hosts/{host_id}/services/{service_id}").json()["is_acknowledged"]
    return [scene.block(service)["problem_has_been_acknowledged"] for service in KINDS.values()], [host, service]


@carries_out("POST /monitoring/hosts/{host_id}/downtimes")
@carries_out("POST /monitoring/hosts/{host_id}/services/{service_id}/downtimes")
@carries_out("DELETE /monitoring/downtimes/{downtime_id}")
def _downtimes_and_their_end(scene: Scene) -> None:
    paths = {"": "/monitoring/hosts/{host_id}/downtimes", SERVICE: "/monitoring/hosts/{host_id}/services/{service_id}/downtimes"}
    for service, path in paths.items():
        body = window(author_id=1, **({} if service else {"with_services": False}))
        assert set(operations()[f"POST {path}"]["body"]) == set(body)
        _done(scene, "POST", path, json=body)

    def standing() -> dict[str, dict[str, str]]:
        return {one["service_description"]: one for one in oracle.downtimes(scene.core.status_file, "asked by contract")}

    until(lambda: set(standing()) == set(paths), "the core shows both")
    blocks = standing()
    assert {block["host_name"] for block in blocks.values()} == {scene.host}
    for service, path in paths.items():
        (row,) = [row for row in scene.rows(path) if row["comment"] == "asked by contract" and not row["is_cancelled"]]
        block = blocks[service]
        assert (moment(row["start_time"]), moment(row["end_time"])) == (float(block["start_time"]), float(block["end_time"]))
        _done(scene, "DELETE", f"/monitoring/downtimes/{row['id']}")
    until(lambda: not standing(), "the core shows neither")


# --- requests made of a document ---------------------------------------------------------------------------------------------


def name_in(body: Any, known: dict[str, int], *, of_services: bool) -> None:
    """Have a body about several objects name those that are there."""
    if isinstance(body, list):
        own = known["service_id" if of_services else "host_id"]
        for item in body:
            item.update(resource_id=own, parent_resource_id=known["host_id"])
    elif isinstance(body, dict):
        for resource in body.get("resources", ()):
            resource.update(type="host", id=known["host_id"], parent=None)


def bystander(scene: Scene) -> dict[str, int]:
    """A host, a service of it and a downtime on it, all of which nobody looks at."""
    host = f"{scene.host[0]}-web4"
    host_id = scene.box.host_id(host)
    services = scene.client.get(f"/centreon/api/latest/monitoring/hosts/{host_id}/services").json()["result"]
    asked = {"host": host, "start": "now", "duration": 3600, "comment": "to be cancelled"}
    downtime = scene.box.api.post("/v1/downtimes", json=asked, params={"wait": PATIENCE_S}).json()["id"]
    (service_id,) = [row["id"] for row in services if row["description"] == "HTTP"]
    return {"host_id": host_id, "service_id": service_id, "downtime_id": downtime}
