"""The Centreon dialect: the paths, names and shapes of Centreon Web's REST API, in front of the same desk as every dialect.

Where the original answers 204 and nothing happened, this one keeps the shape and tells the truth: 204 means the core carried it
out.
Reading order: this table, `place` (one request) with `cookies` and `waits`, `objects`, `searching`, `downtimes`,
`acknowledgements`, `actions` with `named`, `outcomes`, `users`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from api.auth.doorkeeper import Doorkeeper
from api.centreon import acknowledgements as ack
from api.centreon import (
    actions,
    downtimes,
    groups,
    kinds,
    metrics,
    objects,
    openapi,
    platform,
    resources,
    servers,
    sessions,
    statuses,
    timeline,
    users,
)
from api.centreon.outcomes import again
from api.centreon.place import Nowhere, OpenHandler, Place, Served
from api.kept import KeptAnswers
from api.render import json_response
from api.services import Services
from engine.clock import Clock, SystemClock
from engine.config import Settings
from engine.desk import Desk
from engine.journal.accounts import Verb

ROOT = "/centreon/api"
_HOST = "/monitoring/hosts/{host_id}"
_SERVICE = "/monitoring/hosts/{host_id}/services/{service_id}"

_SEE, _DOWNTIME, _ACK = Verb.READ, Verb.DOWNTIME, Verb.ACKNOWLEDGEMENT
_CHECK, _RESULT, _COMMENT = Verb.CHECK, Verb.RESULT, Verb.COMMENT

# A path that is fixed stands before one whose variable would take it. "{acks}" is each of the two spellings.
PATHS: Mapping[str, Mapping[str, Served]] = {
    "/logout": {"GET": (sessions.logout, _SEE)},
    "/monitoring/downtimes": {"GET": (downtimes.downtimes, _SEE)},
    "/monitoring/downtimes/{downtime_id}": {"GET": (downtimes.downtime, _SEE), "DELETE": (downtimes.cancel, _DOWNTIME)},
    "/authentication/logout": {"GET": (sessions.logout, _SEE), "POST": (sessions.logout, _SEE)},
    "/users/acl/actions": {"GET": (users.actions, _SEE)},
    "/configuration/users/current/parameters": {"GET": (users.parameters, _SEE)},
    "/monitoring/hosts/downtimes": {
        "GET": (downtimes.hosts_downtimes, _SEE),
        "POST": (actions.set_hosts_downtimes, _DOWNTIME),
    },
    "/monitoring/services/downtimes": {
        "GET": (downtimes.services_downtimes, _SEE),
        "POST": (actions.set_services_downtimes, _DOWNTIME),
    },
    "/monitoring/resources/acknowledge": {"POST": (actions.acknowledge, _ACK)},
    "/monitoring/resources/disacknowledge": {"POST": (actions.disacknowledge, _ACK)},
    "/monitoring/resources/{acks}": {"DELETE": (actions.disacknowledge, _ACK)},
    "/monitoring/resources/downtime": {"POST": (actions.set_downtime, _DOWNTIME)},
    "/monitoring/resources/check": {"POST": (actions.check, _CHECK)},
    "/monitoring/resources/submit": {"POST": (actions.submit, _RESULT)},
    "/monitoring/resources/comments": {"POST": (actions.comment, _COMMENT)},
    "/monitoring/hosts/check": {"POST": (actions.check_hosts, _CHECK)},
    "/monitoring/services/check": {"POST": (actions.check_services, _CHECK)},
    "/{acks}/hosts": {"GET": (ack.latest_of_hosts, _SEE), "POST": (ack.add_by_host_id, _ACK)},
    "/{acks}/services": {"GET": (ack.latest_of_services, _SEE), "POST": (ack.add_by_service_id, _ACK)},
    "/{acks}/hosts/{host_id}": {"DELETE": (ack.cancel_on_host, _ACK)},
    "/{acks}/hosts/{host_id}/services/{service_id}": {"DELETE": (ack.cancel_on_service, _ACK)},
    "/monitoring/{acks}": {"GET": (ack.acknowledgements, _SEE)},
    "/monitoring/{acks}/{acknowledgement_id}": {"GET": (ack.acknowledgement, _SEE)},
    "/monitoring/hosts/{acks}": {"GET": (ack.of_hosts, _SEE), "POST": (actions.acknowledge_hosts, _ACK)},
    "/monitoring/services/{acks}": {"GET": (ack.of_services, _SEE), "POST": (actions.acknowledge_services, _ACK)},
    "/monitoring/hostgroups": {"GET": (groups.hostgroups, _SEE)},
    "/monitoring/servicegroups": {"GET": (groups.servicegroups, _SEE)},
    "/monitoring/resources": {"GET": (resources.resources, _SEE)},
    "/monitoring/resources/hosts/{host_id}": {"GET": (resources.host_resource, _SEE)},
    "/monitoring/resources/hosts/{host_id}/services/{service_id}": {"GET": (resources.service_resource, _SEE)},
    "/monitoring/servers": {"GET": (servers.servers, _SEE)},
    "/configuration/monitoring-servers": {"GET": (servers.configured_servers, _SEE)},
    "/monitoring/hosts/status": {"GET": (statuses.hosts_status, _SEE)},
    "/monitoring/services/status": {"GET": (statuses.services_status, _SEE)},
    "/monitoring/hosts/categories": {"GET": (kinds.categories, _SEE)},
    "/monitoring/services/categories": {"GET": (kinds.categories, _SEE)},
    "/monitoring/severities/host": {"GET": (kinds.severities_of_hosts, _SEE)},
    "/monitoring/severities/service": {"GET": (kinds.severities_of_services, _SEE)},
    "/monitoring/hosts": {"GET": (objects.hosts, _SEE)},
    "/monitoring/services": {"GET": (objects.services, _SEE)},
    _HOST: {"GET": (objects.host, _SEE)},
    f"{_HOST}/services": {"GET": (objects.services_of_host, _SEE)},
    f"{_HOST}/check": {"POST": (actions.check_host, _CHECK)},
    f"{_HOST}/submit": {"POST": (actions.submit_host, _RESULT)},
    f"{_HOST}/comments": {"POST": (actions.comment_host, _COMMENT)},
    f"{_SERVICE}/check": {"POST": (actions.check_service, _CHECK)},
    f"{_SERVICE}/submit": {"POST": (actions.submit_service, _RESULT)},
    f"{_SERVICE}/comments": {"POST": (actions.comment_service, _COMMENT)},
    f"{_HOST}/timeline": {"GET": (timeline.of_host, _SEE)},
    f"{_HOST}/timeline/download": {"GET": (timeline.host_file, _SEE)},
    f"{_HOST}/hostgroups": {"GET": (groups.hostgroups_of_host, _SEE)},
    f"{_HOST}/downtimes": {"GET": (downtimes.of_host, _SEE), "POST": (downtimes.set_on_host, _DOWNTIME)},
    _HOST + "/{acks}": {
        "GET": (ack.of_host, _SEE),
        "POST": (ack.add_on_host, _ACK),
        "DELETE": (ack.cancel_on_host, _ACK),
    },
    _SERVICE: {"GET": (objects.service, _SEE)},
    f"{_SERVICE}/timeline": {"GET": (timeline.of_service, _SEE)},
    f"{_SERVICE}/timeline/download": {"GET": (timeline.service_file, _SEE)},
    f"{_SERVICE}/metrics": {"GET": (metrics.metrics, _SEE)},
    f"{_SERVICE}/servicegroups": {"GET": (groups.servicegroups_of_service, _SEE)},
    f"{_SERVICE}/downtimes": {"GET": (downtimes.of_service, _SEE), "POST": (downtimes.set_on_service, _DOWNTIME)},
    _SERVICE + "/{acks}": {
        "GET": (ack.of_service, _SEE),
        "POST": (ack.add_on_service, _ACK),
        "DELETE": (ack.cancel_on_service, _ACK),
    },
}
# Without a token: what clients ask before they log in.
OPEN_PATHS: Mapping[str, Mapping[str, OpenHandler]] = {
    "/login": {"POST": sessions.login},
    "/platform/versions": {"GET": platform.versions},
    "/platform/installation/status": {"GET": platform.installation},
    "/authentication/providers/configurations/local": {"POST": sessions.browser_login},
}
SPELLINGS = ("acknowledgements", "acknowledgments")


def routes(desk: Desk, doorkeeper: Doorkeeper, settings: Settings, clock: Clock | None = None) -> list[BaseRoute]:
    """Every path of the dialect, below each prefix; the last ones say that there is nothing else."""
    clock = clock or SystemClock()
    services = Services(desk, doorkeeper, settings, clock, KeptAnswers(desk.state_version, clock))
    served = [(path, Place(services, {}, again, open_to_all=handlers)) for path, handlers in OPEN_PATHS.items()]
    for pattern, handlers in PATHS.items():
        place = Place(services, handlers, again)
        served += [(path, place) for path in _spelt(pattern)]
    return [route for prefix in dict.fromkeys((ROOT, *settings.centreon_prefixes)) for route in _routes(prefix, served)]


def _routes(root: str, served: Sequence[tuple[str, Place]]) -> list[BaseRoute]:
    described = Route(f"{root}/openapi.json", _openapi, methods=["GET"])
    nowhere = [Route(root, Nowhere()), Route(root + "/{rest:path}", Nowhere())]
    return [described, *(Route(f"{root}/{{version}}{path}", place) for path, place in served), *nowhere]


def _spelt(pattern: str) -> list[str]:
    return [pattern.replace("{acks}", spelling) for spelling in SPELLINGS] if "{acks}" in pattern else [pattern]


@cache
def described_api() -> dict[str, Any]:
    """The dialect's OpenAPI document, from the very rows above."""
    paths = {
        path: {method: handler for method, (handler, _) in handlers.items()}
        for pattern, handlers in PATHS.items()
        for path in _spelt(pattern)
    }
    return openapi.document(paths, OPEN_PATHS, ROOT, platform.own_version())


async def _openapi(request: Request) -> Response:
    return json_response(200, described_api())
