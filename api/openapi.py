"""/openapi.json (OpenAPI 3.1), made from the very rows that serve the native API and the very types its answers are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import reduce
from http import HTTPStatus
from operator import or_
from typing import Any

import msgspec

from api.errors import MEDIA_TYPE, TYPE_PREFIX
from api.ledger import HEADER
from api.native.operation import Operation
from api.native.requests import BODY_LIMIT_BYTES, PLAIN
from api.render import JSON, NDJSON
from engine.journal.requests import LONGEST_KEY

REF = "#/components/schemas/{name}"
PROBLEM = "ProblemDocument"
KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "a repeat with the same key, path and body is answered as the first one and not carried out again",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
}
PATH_NAMES = {
    "host": "name of the host, percent-encoded: `/` is %2F",
    "service": "description of the service, percent-encoded: `Disk /var` is Disk%20%2Fvar",
    "poller": "name or number of the poller, percent-encoded",
    "command": "id of the command",
    "call": "id of the call, or of one poller's part of it",
    "operation": "id of the operation",
    "id": "public id",
    "hostgroup": "name of the hostgroup, percent-encoded",
    "servicegroup": "name of the servicegroup, percent-encoded",
    "contact": "name of the contact, percent-encoded",
    "contactgroup": "name of the contactgroup, percent-encoded",
    "timeperiod": "name of the timeperiod, percent-encoded",
    "check_command": "name of the core's command, percent-encoded",
}
DESCRIPTION = f"""\
REST in front of Nagios-family cores. Every command is routed to the poller that owns the object and proven from the core's
own files.

Names are those of the cores; in paths they are percent-encoded once. Times are RFC 3339 with their offset, epoch seconds, or
relative to now (`now`, `+2h`), never to each other; a time without offset is refused. Unknown fields and parameters are refused,
never dropped. Bodies hold at most {BODY_LIMIT_BYTES} bytes.

A command answers 201 or 200 when its effect was seen in the core's own files, 202 with `Location: /v1/commands/…` while something
is still to be proven, 422 when the core refused it and 409 when it had no effect, both with the core's own words. Of several
commands the worst decides. `Prefer: wait=S` (or `?wait=S`) waits up to S seconds, at most 60, for the last state; without it an
answer waits shortly for `processed`. Repeating is safe: a twin is joined. With an `Idempotency-Key` it is safe
for every write, after a crash and days later, too: the same key, path and body give the same ids and commands, as they stand then,
and `Idempotent-Replayed: true`; the same key with another body is a 422. A request that was refused leaves its key free.
`Signalbox-Command` carries the ids of up to 100 of the
commands; the body lists all."""


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The whole document."""
    types = _types(operations)
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, by_type, components)
    _drop_queries(operations, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Signalbox", "version": version, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": dict(sorted((components | {PROBLEM: _problem_schema()}).items())),
        },
    }


def _types(operations: Iterable[Operation]) -> list[Any]:
    found: dict[Any, None] = {}
    for operation in operations:
        for answer in operation.answers.values():
            found.update(dict.fromkeys(answer if isinstance(answer, tuple) else (answer,)))
        found[operation.query] = None
        if operation.body is not None and operation.schema is None:
            found[operation.body] = None
    return list(found)


def _operation(operation: Operation, by_type: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.act.__name__,
        "summary": operation.summary,
        **({"description": operation.description} if operation.description else {}),
        "tags": [operation.act.__module__.rpartition(".")[2]],
        "parameters": [
            *_path_parameters(operation),
            *_query_parameters(operation, by_type, components),
            *([KEY] if operation.method != "GET" else []),
            *([_KNOWN_TAG] if operation.tagged else []),
        ],
        "responses": _responses(operation, by_type),
    }
    if operation.body is not None:
        content: dict[str, Any] = {"schema": dict(operation.schema()) if operation.schema is not None else by_type[operation.body]}
        if operation.example is not None:
            content["example"] = dict(operation.example)
        described["requestBody"] = {"required": True, "content": {JSON: content}}
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_NAMES[name],
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"{(\w+)}", operation.path)
    ]


def _query_parameters(operation: Operation, by_type: dict[Any, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    name = by_type[operation.query]["$ref"].rpartition("/")[2]
    schema = components[name]
    parameters = []
    for parameter, own in schema["properties"].items():
        if parameter == PLAIN:
            parameters.append(_any_field(own))
            continue
        shape = {key: value for key, value in own.items() if key not in ("description", "default")}
        if own.get("default") not in (None, ""):
            shape["default"] = own["default"]
        parameters.append(
            {
                "name": parameter, "in": "query", "required": parameter in schema.get("required", ()),
                "description": _description(own), "schema": shape,
            }
        )  # fmt: skip
    return parameters


def _any_field(own: dict[str, Any]) -> dict[str, Any]:
    """Parameters of many names: in this style an object's members are parameters of their own."""
    shape = {"type": "object", "additionalProperties": {"type": "string"}}
    return {
        "name": PLAIN, "in": "query", "required": False, "style": "form", "explode": True,
        "description": _description(own), "schema": shape,
    }  # fmt: skip


def _description(schema: dict[str, Any]) -> str:
    found = [schema.get("description"), *(part.get("description") for part in schema.get("anyOf", ()))]
    return next((text for text in found if text), "")


_LINES = {"schema": {"type": "string", "description": "the items as JSON, one per line"}}
_TAG = {"ETag": {"description": "the same as long as the answer, ages aside, is", "schema": {"type": "string"}}}
_KNOWN_TAG = {
    "name": "If-None-Match", "in": "header", "required": False,
    "description": "the ETag of an answer that is there already: 304 while it is still right", "schema": {"type": "string"},
}  # fmt: skip


def _responses(operation: Operation, by_type: dict[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in operation.answers.items():
        schema = {"anyOf": [by_type[one] for one in answer]} if isinstance(answer, tuple) else by_type[answer]
        content = {operation.media_type: {"schema": schema}} | ({NDJSON: _LINES} if operation.lines else {})
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
        if operation.tagged:
            responses[str(status)]["headers"] = _TAG
            responses["304"] = {"description": HTTPStatus.NOT_MODIFIED.phrase, "headers": _TAG}
        if operation.method != "GET":
            responses[str(status)]["headers"] = _command_headers(status)
    for status in sorted(_problem_statuses(operation)):
        content = {MEDIA_TYPE: {"schema": {"$ref": REF.format(name=PROBLEM)}}}
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    return responses


def _problem_statuses(operation: Operation) -> set[int]:
    common = {400, 401, 422, 500, 503}
    of_right = {403}
    of_body = {413} if operation.body is not None else set()
    return reduce(or_, (of_right, of_body, set(operation.problems)), common)


def _command_headers(status: int) -> dict[str, Any]:
    headers = {"Signalbox-Command": {"description": "ids of the commands", "schema": {"type": "string"}}}
    if status in (201, 202):
        what = "the created object" if status == 201 else "the command that is furthest from proof"
        headers["Location"] = {"description": what, "schema": {"type": "string"}}
    return headers


def _drop_queries(operations: Iterable[Operation], components: dict[str, Any]) -> None:
    """The structs behind queries are written out as parameters; as schemas nothing refers to them."""
    for operation in operations:
        components.pop(operation.query.__name__, None)


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "RFC 9457. Further members name what the sentence is about: `field`, `near`, `pollers`, `commands` …",
        "properties": {
            "type": {"type": "string", "description": f"{TYPE_PREFIX} and the code"},
            "title": text,
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "a sentence that ends with what to do next"},
            "code": text,
        },
        "required": ["type", "title", "status", "detail", "code"],
        "additionalProperties": True,
    }
