"""/openapi.json says what is served: no route more, none less, and every answer is of the shape it promises."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import orjson
import pytest

from api.app import application
from api.native import OPERATIONS
from api.native.operation import Operation, Verb
from api.native.routing import NativeRoute
from engine.commands.catalogue import CATALOGUE
from tests.api.support_desk import Fate, Front

LISTS = (
    "/v1/hosts", "/v1/services", "/v1/problems", "/v1/hosts/{host}/services", "/v1/hostgroups", "/v1/servicegroups",
    "/v1/contactgroups", "/v1/contacts", "/v1/timeperiods", "/v1/check-commands", "/v1/downtimes", "/v1/acknowledgements",
    "/v1/comments", "/v1/pollers",
)  # fmt: skip
LINE_BY_LINE = (*LISTS, "/v1/audit")
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture
def document(front: Front) -> dict[str, Any]:
    found: dict[str, Any] = front.get("/openapi.json").json
    return found


def test_every_route_is_described_and_every_description_is_served(front: Front, document: dict[str, Any]) -> None:
    described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    served = {(route.path, method) for route in front.app.routes if isinstance(route, NativeRoute) for method in route.methods}
    served.remove(("/metrics", "GET"))  # no JSON, and not our own API: Prometheus' text
    assert described == served == {(operation.path, operation.method) for operation in OPERATIONS}
    assert len(served) == len(OPERATIONS), "a path and method stand twice"
    assert application.__name__ == "application"


def test_every_operation_declares_its_verb() -> None:
    """One that changes something and says nothing would be open to every token."""
    for operation in OPERATIONS:
        assert (operation.method == "GET") == (operation.verb in (Verb.READ, Verb.AUDIT)), operation


def test_it_is_structurally_an_openapi_document(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert set(document) <= {"openapi", "info", "servers", "security", "paths", "components", "tags", "externalDocs"}
    assert document["info"]["title"] and document["info"]["version"]
    schemes = document["components"]["securitySchemes"]
    assert all(name in schemes for requirement in document["security"] for name in requirement)
    ids = []
    for path, item in document["paths"].items():
        assert path.startswith("/v1/") and set(item) <= METHODS
        for method, operation in item.items():
            ids.append(operation["operationId"])
            _check_operation(path, method, operation)
    assert len(ids) == len(set(ids))


def _check_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["summary"] and operation["tags"]
    parameters = operation["parameters"]
    names = [(parameter["in"], parameter["name"]) for parameter in parameters]
    assert len(names) == len(set(names))
    in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", path))
    for parameter in parameters:
        assert parameter["in"] in ("path", "query", "header") and parameter["description"], (path, parameter)
        assert parameter["required"] is True or parameter["in"] != "path"
        assert parameter["schema"]
    assert (("header", "Idempotency-Key") in names) == (method != "get")
    assert ("requestBody" in operation) == (method in ("post", "patch"))
    if method in ("post", "patch"):
        ((media_type, content),) = operation["requestBody"]["content"].items()
        assert media_type == "application/json" and content["schema"] and content["example"]
    assert any(status.startswith("2") for status in operation["responses"])
    assert {"401", "422"} <= set(operation["responses"])
    for status, response in operation["responses"].items():
        assert re.fullmatch(r"[2-5]\d\d", status) and response["description"]
        if status == "304":
            assert "content" not in response and "ETag" in response["headers"]
            continue
        expected = {"application/problem+json"}
        if status.startswith("2"):
            expected = {"text/event-stream"} if path == "/v1/events" else {"application/json"}
            expected |= {"application/x-ndjson"} if path in LINE_BY_LINE and method == "get" else set()
        assert set(response["content"]) == expected


def test_what_is_tagged_and_what_comes_in_lines_says_so(front: Front, document: dict[str, Any]) -> None:
    """By asking each list: what is described is what is answered, and what is answered is described."""
    for path in (*LINE_BY_LINE, "/v1/history"):
        described, asked = document["paths"][path]["get"]["responses"], path.replace("{host}", "web01")
        tag = front.get(asked).headers.get("etag")
        assert (tag is not None) == ("304" in described) == ("headers" in described["200"]), path
        if tag is not None:
            assert front.ask("GET", asked, **{"if-none-match": tag}).status == 304
        lines = front.get(asked, accept="application/x-ndjson").headers["content-type"] == "application/x-ndjson"
        assert lines == ("application/x-ndjson" in described["200"]["content"]) == (path in LINE_BY_LINE), path


def test_every_reference_leads_somewhere_and_every_schema_is_referred_to(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', orjson.dumps(document).decode()))
    assert references == set(document["components"]["schemas"])
    assert not re.search(r'"\$ref":"(?!#/components/schemas/)', orjson.dumps(document).decode())


def test_parameters_and_fields_are_those_of_the_models(document: dict[str, Any]) -> None:
    for operation in OPERATIONS:
        described = document["paths"][operation.path][operation.method.lower()]
        in_query = {parameter["name"] for parameter in described["parameters"] if parameter["in"] == "query"}
        assert in_query == {field.encode_name for field in msgspec.structs.fields(operation.query)}
        if operation.body is not None and operation.schema is None:
            name = described["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            schema = document["components"]["schemas"][name]
            assert schema["additionalProperties"] is False, f"{name} would let unknown fields pass"
            assert set(schema["properties"]) == {field.encode_name for field in msgspec.structs.fields(operation.body)}


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.body],
    ids=lambda operation: f"{operation.method} {operation.path}",
)
def test_the_examples_work(front: Front, operation: Operation) -> None:
    example = orjson.dumps(dict(operation.example or {})).replace(b"Backup", b"HTTP")
    path = operation.path.replace("{host}", "web01").replace("{service}", "HTTP")
    path = path.replace("{hostgroup}", "web").replace("{servicegroup}", "sites").replace("{poller}", "north")
    assert front.ask(operation.method, path, example).status == 202


def test_every_command_has_a_schema_of_its_own(document: dict[str, Any]) -> None:
    body = document["paths"]["/v1/commands"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    *rows, custom = body["oneOf"]
    assert {row["properties"]["command"]["const"] for row in rows} == set(CATALOGUE)
    for row in rows:
        known = CATALOGUE[row["title"]]
        arguments = row["properties"]["arguments"]
        assert list(arguments["properties"]) == [field.name for field in known.fields]
        assert arguments.get("required", []) == [field.name for field in known.fields if field.is_required]
        assert arguments["additionalProperties"] is False
    assert "pattern" in custom["properties"]["command"]


def test_answers_are_of_the_promised_shape(front: Front, document: dict[str, Any]) -> None:
    seen = set()
    front.post("/v1/downtimes", {"host": "web01", "duration": 60, "comment": "c"})
    ack = front.post("/v1/acknowledgements", {"host": "db01", "comment": "c"}).json
    comment = front.post("/v1/comments", {"host": "db01", "comment": "c"}).json
    downtime = front.get("/v1/downtimes").json["items"][0]
    ids = {"downtimes": downtime["id"], "acknowledgements": ack["id"], "comments": comment["id"]}
    result = {"host": "web01", "return_code": 0, "plugin_output": "up"}
    call = front.post("/v1/results?wait=0", {"results": [result, result | {"host": "gone"}], "partial": True}).json["id"]
    names = {"host": "web01", "service": "HTTP", "poller": "north", "command": comment["commands"][0]["command_id"], "call": call}
    names["operation"] = comment["operation"]
    names |= {"hostgroup": "web", "servicegroup": "sites", "contact": "ann", "contactgroup": "staff"}
    names |= {"timeperiod": "24x7", "check_command": "ping"}
    queries = {"/v1/host": "?host=web01", "/v1/service": "?host=web01&service=HTTP"}
    queries |= {f"{path}/detail": query for path, query in queries.items()}
    for operation in OPERATIONS:
        if operation.method == "GET" and operation.media_type == "application/json":
            path = operation.path.replace("{id}", str(ids.get(operation.path.split("/")[2], "")))
            for name, value in names.items():
                path = path.replace(f"{{{name}}}", value)
            reply = front.get(path + queries.get(operation.path, ""))
            _check_shape(operation, reply.status, reply.body)
            seen.add(operation.path)
    assert seen == {operation.path for operation in OPERATIONS if operation.method == "GET"} - {"/v1/events"}
    front.desk.fates = (Fate("confirmed"),)
    created = front.post("/v1/comments", {"host": "web01", "comment": "new"})
    _check_shape(next(o for o in OPERATIONS if (o.method, o.path) == ("POST", "/v1/comments")), created.status, created.body)


def _check_shape(operation: Operation, status: int, body: bytes) -> None:
    """Decoding into the promised type and encoding again must give the very same document: no member more, none less."""
    assert status in operation.answers, (operation.path, status, body)
    decoded = msgspec.json.decode(body, type=operation.answers[status], strict=True)
    assert msgspec.to_builtins(decoded) == orjson.loads(body), operation.path


def test_problems_that_come_are_announced(front: Front, document: dict[str, Any]) -> None:
    """Whatever went wrong in these requests, the document says that it may."""
    body = orjson.dumps({"host": "nope", "comment": "c", "duration": 60})
    for operation in OPERATIONS:
        path = re.sub(r"{\w+}", "nope", operation.path)
        for target, sent in ((path, b""), (path, body), (path + "?x=1", b""), (path + "?poller=nope", b"")):
            reply = front.ask(operation.method, target, sent)
            responses = document["paths"][operation.path][operation.method.lower()]["responses"]
            assert str(reply.status) in responses, (operation.method, target, reply.status)
