"""The dialect's OpenAPI document, from the rows that route it and what is told of each handler here.

A handler that is not told of fails a test. Errors are told once, as the default answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from api.auth.presented import REMOTE_USER
from api.centreon import acknowledgements as ack
from api.centreon import (
    actions,
    bodies,
    downtimes,
    groups,
    kinds,
    metrics,
    objects,
    platform,
    resources,
    servers,
    sessions,
    statuses,
    timeline,
    users,
)
from api.centreon.answers import LARGEST
from api.centreon.cookies import HEADER
from api.centreon.outcomes import COMMAND_HEADER, ENTRY_HEADER, NOTE_HEADER
from api.centreon.resource_filters import FILTERS
from api.centreon.schemas import REF, SCHEMAS, component, json_schema, page_of
from api.ledger import HEADER as IDEMPOTENCY_HEADER
from api.render import JSON
from api.waiting import WAIT_CAP_S
from engine.journal.requests import LONGEST_KEY

VERSIONS = ("latest", "beta", "v2", "v21.10", "v22.10", "v23.10", "v24.04", "v25.10")
Methods = Mapping[str, Callable[..., Any]]


class Told(msgspec.Struct, frozen=True):
    """What is told of a handler: its answer, its body, further parameters of its query.

    An answer in brackets is a page of a list, one after `=` a plain list, one with a slash a file of that type.
    """

    answer: str = ""
    body: Any = None
    query: Sequence[str] = ()

    @property
    def changes(self) -> bool:
        """Whether a core is told something."""
        return not self.answer


_DOWNTIMES, _ACKS = Told("[Downtime]"), Told("[Acknowledgement]")
# What is asked for by a body alone.
_BODIES: Mapping[Callable[..., Any], Any] = {
    downtimes.set_on_host: bodies.HostDowntimeBody,
    downtimes.set_on_service: bodies.DowntimeBody,
    ack.add_by_host_id: bodies.ListedHostAcknowledgementBody,
    ack.add_by_service_id: bodies.ListedServiceAcknowledgementBody,
    ack.add_on_host: bodies.HostAcknowledgementBody,
    ack.add_on_service: bodies.AcknowledgementBody,
    actions.set_hosts_downtimes: list[bodies.DowntimeItem],
    actions.set_services_downtimes: list[bodies.DowntimeItem],
    actions.acknowledge_hosts: list[bodies.AcknowledgementItem],
    actions.acknowledge_services: list[bodies.AcknowledgementItem],
    actions.acknowledge: bodies.ResourcesAcknowledgeBody,
    actions.disacknowledge: bodies.ResourcesDisacknowledgeBody,
    actions.set_downtime: bodies.ResourcesDowntimeBody,
    actions.check: bodies.ResourcesCheckBody,
    actions.submit: bodies.ResourcesSubmitBody,
    actions.comment: bodies.ResourcesCommentBody,
    actions.check_hosts: list[bodies.CheckItem],
    actions.check_services: list[bodies.CheckItem],
    actions.check_host: bodies.HostCheckBody,
    actions.check_service: bodies.CheckBody,
    actions.submit_host: bodies.SubmitBody,
    actions.submit_service: bodies.SubmitBody,
    actions.comment_host: bodies.CommentBody,
    actions.comment_service: bodies.CommentBody,
}
TOLD: Mapping[Callable[..., Any], Told] = {
    sessions.login: Told("Login", bodies.LoginBody),
    sessions.browser_login: Told("object", bodies.Credentials),
    sessions.logout: Told("Message"),
    platform.versions: Told("Versions"),
    platform.installation: Told("Installation"),
    users.actions: Told("Actions"),
    users.parameters: Told("User"),
    objects.hosts: Told("[Host]", query=("show_service",)),
    objects.host: Told("HostAlone"),
    objects.services: Told("[ServiceOfHost]"),
    objects.services_of_host: Told("[Service]"),
    objects.service: Told("ServiceAlone"),
    statuses.hosts_status: Told("HostsStatus"),
    statuses.services_status: Told("ServicesStatus"),
    groups.hostgroups: Told("[Group]", query=("show_host", "show_service")),
    groups.servicegroups: Told("[Group]", query=("show_host", "show_service")),
    groups.hostgroups_of_host: Told("[Group]"),
    groups.servicegroups_of_service: Told("[Group]"),
    kinds.categories: Told("[Group]"),
    kinds.severities_of_hosts: Told("[Severity]"),
    kinds.severities_of_services: Told("[Severity]"),
    timeline.of_host: Told("[Event]"),
    timeline.of_service: Told("[Event]"),
    timeline.host_file: Told("text/csv", query=("search", "sort_by")),
    timeline.service_file: Told("text/csv", query=("search", "sort_by")),
    metrics.metrics: Told("=Metric"),
    resources.resources: Told("[Resource]", query=tuple(FILTERS)),
    resources.host_resource: Told("ResourceAlone"),
    resources.service_resource: Told("ResourceAlone"),
    servers.servers: Told("[Server]"),
    servers.configured_servers: Told("[ConfiguredServer]"),
    downtimes.downtimes: _DOWNTIMES,
    downtimes.hosts_downtimes: _DOWNTIMES,
    downtimes.services_downtimes: _DOWNTIMES,
    downtimes.of_host: Told("[Downtime]", query=("show_service", "with_services")),
    downtimes.of_service: _DOWNTIMES,
    downtimes.downtime: Told("Downtime"),
    downtimes.cancel: Told(query=("with_services",)),
    ack.latest_of_hosts: _ACKS,
    ack.latest_of_services: _ACKS,
    ack.acknowledgements: _ACKS,
    ack.acknowledgement: Told("Acknowledgement"),
    ack.of_hosts: _ACKS,
    ack.of_services: _ACKS,
    ack.of_host: _ACKS,
    ack.of_service: _ACKS,
    ack.cancel_on_host: Told(),
    ack.cancel_on_service: Told(),
    **{handler: Told(body=body) for handler, body in _BODIES.items()},
}

_NUMBER = {"type": "integer", "maximum": LARGEST}
_PAGING = {
    "search": {"type": "string"},
    "sort_by": {"type": "string"},
    "limit": _NUMBER | {"minimum": 0, "default": 10},
    "page": _NUMBER | {"minimum": 1, "default": 1},
}
# What every change takes, and what its answer carries besides a body.
_OF_A_CHANGE = (
    {
        "name": "wait", "in": "query", "required": False, "schema": {"type": "number", "minimum": 0},
        "description": f"seconds to wait for the last state, at most {WAIT_CAP_S:g}; the answer then has a body",
    },
    {
        "name": "Prefer", "in": "header", "required": False, "schema": {"type": "string"}, "example": "wait=10",
        "description": "the same as a header (RFC 7240)",
    },
    {
        "name": IDEMPOTENCY_HEADER, "in": "header", "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!#-~]+$"},
        "description": "the same key, path and body are carried out once",
    },
)  # fmt: skip
_TEXT = {"type": "string"}
_HEADERS = {
    COMMAND_HEADER: {"description": "ids of the commands", "schema": _TEXT},
    ENTRY_HEADER: {"description": "ids of the downtimes, acknowledgements or comments made or ended", "schema": _TEXT},
    NOTE_HEADER: {"description": "what was not done as asked, and why", "schema": _TEXT},
}
_RETRY = {"Retry-After": {"description": "seconds, where a core is away", "schema": _TEXT}}
_SEARCHED = (statuses.hosts_status, statuses.services_status)


def document(paths: Mapping[str, Methods], open_paths: Mapping[str, Methods], root: str, version: str) -> dict[str, Any]:
    """The whole document. `paths`: the handlers of each path by method; `open_paths`: those that need no token."""
    kinds = [told.body for told in TOLD.values() if told.body is not None]
    made, components = msgspec.json.schema_components(kinds, ref_template=REF.replace("{}", "{name}"))
    by_kind = dict(zip(map(repr, kinds), made, strict=True))
    described: dict[str, dict[str, Any]] = {}
    for path, methods, is_open in [*((*row, True) for row in open_paths.items()), *((*row, False) for row in paths.items())]:
        for method, handler in methods.items():
            described.setdefault(path, {})[method.lower()] = _operation(path, handler, by_kind, is_open=is_open)
    if twice := components.keys() & SCHEMAS.keys():
        raise ValueError(f"{twice} is a body's name and an answer's: one would be described as the other")
    schemas = components | {name: component(fields) for name, fields in SCHEMAS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Signalbox, as Centreon's clients see it", "version": version},
        "servers": [{"url": f"{root}/{{version}}", "variables": {"version": {"enum": list(VERSIONS), "default": "latest"}}}],
        "security": [{"token": []}, {"session": []}, {"password": []}, {"named": []}],
        "paths": described,
        "components": {
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": HEADER},
                "session": {"type": "apiKey", "in": "cookie", "name": "PHPSESSID"},
                "password": {"type": "http", "scheme": "basic"},
                "named": {"type": "apiKey", "in": "header", "name": REMOTE_USER, "description": "from trusted web servers"},
            },
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _operation(path: str, handler: Callable[..., Any], by_kind: Mapping[str, Any], *, is_open: bool) -> dict[str, Any]:
    told = TOLD[handler]
    described: dict[str, Any] = {
        "summary": (handler.__doc__ or "").split("\n")[0],
        "parameters": [*_of_path(path), *_of_query(handler, told)],
        "responses": {**_answers(told), "default": _answer("no, and why", json_schema("Error"))},
    }
    if told.changes:
        described["parameters"] += _OF_A_CHANGE
        for status, answer in described["responses"].items():
            answer["headers"] = _HEADERS if status != "default" else _HEADERS | _RETRY
    if told.body is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": by_kind[repr(told.body)]}}}
    return described | ({"security": []} if is_open else {})


def _answers(told: Told) -> dict[str, Any]:
    if told.changes:
        done = {"204": {"description": "a core carried it out"}, "200": _answer("the same, with its proof", json_schema("Proved"))}
        return done | {"207": _answer("some of it was carried out", json_schema("Several"))}
    if told.answer.startswith("["):
        return {"200": _answer("a page", page_of(told.answer[1:-1]))}
    if "/" in told.answer:
        return {"200": {"description": "a file", "content": {told.answer: {"schema": {"type": "string"}}}}}
    schema = json_schema(f"[{told.answer[1:]}]" if told.answer.startswith("=") else told.answer)
    return {"200": _answer("what was asked for", schema)}


def _answer(words: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {JSON: {"schema": dict(schema)}}}


def _of_path(path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}}


def _of_query(handler: Callable[..., Any], told: Told) -> Iterator[dict[str, Any]]:
    known: dict[str, Any] = {name: {"type": "string"} for name in told.query}
    if told.answer.startswith("["):
        known |= _PAGING
    elif handler in _SEARCHED:
        known |= {"search": _PAGING["search"]}
    for name, schema in known.items():
        yield {"name": name, "in": "query", "required": False, "schema": schema}
