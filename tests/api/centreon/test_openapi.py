"""The dialect's OpenAPI document is whole, and schemathesis finds no answer that is not in it and no 5xx."""

from __future__ import annotations

import copy
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from starlette.applications import Starlette

from api.auth.doorkeeper import Doorkeeper
from api.centreon import OPEN_PATHS, PATHS, described_api, routes
from api.centreon.openapi import TOLD
from engine.config import Settings
from engine.journal.accounts import Verb
from engine.journal.store import Journal
from tests.api.centreon.canned import PASSWORD, CannedDesk
from tests.api.support_desk import SetClock
from tests.support.cores import PATIENCE_S, until

EXAMPLES = 3  # of each of eighty operations
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(described_api())


def test_every_handler_is_told_of_and_no_other() -> None:
    routed = {handler for handlers in PATHS.values() for handler, _ in handlers.values()}
    routed |= {handler for handlers in OPEN_PATHS.values() for handler in handlers.values()}
    assert routed == set(TOLD)


@pytest.fixture(scope="module")
def served(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The dialect over a real mirror, on a port: (its URL, a token of an admin)."""
    data = tmp_path_factory.mktemp("openapi")
    shutil.copytree(prepared, data, dirs_exist_ok=True)
    journal = Journal.open(data)
    doorkeeper = Doorkeeper(journal, Settings(), SetClock())
    app = Starlette(routes=routes(CannedDesk(data), doorkeeper, Settings(), SetClock()))  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started, "the server is up")
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/centreon/api/latest"
    body = {"security": {"credentials": {"login": "anna", "password": PASSWORD}}}
    yield url, httpx.post(f"{url}/login", json=body, trust_env=False, timeout=PATIENCE_S).json()["security"]["token"]
    server.should_exit = True
    thread.join()
    doorkeeper.close()
    journal.close()


@SCHEMA.exclude(path_regex="logout|acknowledgments").parametrize()  # all of them: tests/system/test_centreon_contract.py
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_no_answer_is_beside_the_document(case: Any, served: tuple[str, str]) -> None:
    url, token = served
    known = {"host_id": 12, "service_id": 51}
    case.path_parameters.update({  # so that what is asked for is there
        name: known[name] for name, value in (case.path_parameters or {}).items() if name in known and isinstance(value, int)
    })  # fmt: skip
    (case.headers or {}).pop("Idempotency-Key", None)  # the same for two calls would be refused, rightly
    case.call_and_validate(base_url=url, headers={"X-AUTH-TOKEN": token}, checks=CHECKS, timeout=PATIENCE_S)


@pytest.mark.parametrize(("path", "method"), [(path, method) for path, methods in PATHS.items() for method in methods])
def test_how_long_to_wait_is_told_of_each_change(path: str, method: str) -> None:
    """Of what tells a core something, and of nothing else; so is what its answer's headers carry."""
    told = described_api()["paths"][path.replace("{acks}", "acknowledgements")][method.lower()]
    named = {parameter["name"] for parameter in told["parameters"]} & {"wait", "Prefer", "Idempotency-Key"}
    headers = {name for answer in told["responses"].values() for name in answer.get("headers", {})}
    if PATHS[path][method][1] is Verb.READ:
        assert (named, headers) == (set(), set())
    else:
        assert named == {"wait", "Prefer", "Idempotency-Key"}
        assert headers == {"Signalbox-Command", "Signalbox-Entry", "Signalbox-Note", "Retry-After"}


def test_an_answer_beside_the_document_would_be_seen(served: tuple[str, str]) -> None:
    url, token = served
    wrong = copy.deepcopy(described_api())
    wrong["components"]["schemas"]["Group"]["properties"]["id"] = {"type": "string"}
    case = schemathesis.openapi.from_dict(wrong)["/monitoring/hostgroups"]["GET"].Case()
    with pytest.raises(FailureGroup):
        case.call_and_validate(base_url=url, headers={"X-AUTH-TOKEN": token}, checks=CHECKS, timeout=PATIENCE_S)
