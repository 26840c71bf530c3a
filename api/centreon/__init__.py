"""The Centreon dialect: the paths, names and shapes of Centreon Web's REST API, in front of the same desk as every dialect.

Where the original answers 204 and nothing happened, this one keeps the shape and tells the truth: 204 means the core carried it
out. Search, sorting and the `/monitoring/resources` family are not served yet and say so. Reading order: this table, `place`
(one request), `objects`, `downtimes`, `acknowledgements`, `outcomes`.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.routing import BaseRoute, Route

from api.auth.doorkeeper import Doorkeeper
from api.centreon import acknowledgements as ack
from api.centreon import downtimes, objects, sessions
from api.centreon.place import Handler, Nowhere, Place, Services
from engine.clock import Clock, SystemClock
from engine.config import Settings
from engine.desk import Desk

ROOT = "/centreon/api"
PREFIX = ROOT + "/{version}"
_HOST = "/monitoring/hosts/{host_id}"
_SERVICE = "/monitoring/hosts/{host_id}/services/{service_id}"

# A path that is fixed stands before one whose variable would take it. "{acks}" is each of the two spellings.
PATHS: Mapping[str, Mapping[str, Handler]] = {
    "/logout": {"GET": sessions.logout},
    "/monitoring/downtimes": {"GET": downtimes.downtimes},
    "/monitoring/downtimes/{downtime_id}": {"GET": downtimes.downtime, "DELETE": downtimes.cancel},
    "/monitoring/hosts/downtimes": {"GET": downtimes.hosts_downtimes},
    "/monitoring/services/downtimes": {"GET": downtimes.services_downtimes},
    "/{acks}/hosts": {"GET": ack.latest_of_hosts, "POST": ack.add_by_host_id},
    "/{acks}/services": {"GET": ack.latest_of_services, "POST": ack.add_by_service_id},
    "/{acks}/hosts/{host_id}": {"DELETE": ack.cancel_on_host},
    "/{acks}/hosts/{host_id}/services/{service_id}": {"DELETE": ack.cancel_on_service},
    "/monitoring/{acks}": {"GET": ack.acknowledgements},
    "/monitoring/{acks}/{acknowledgement_id}": {"GET": ack.acknowledgement},
    "/monitoring/hosts/{acks}": {"GET": ack.of_hosts},
    "/monitoring/services/{acks}": {"GET": ack.of_services},
    "/monitoring/hosts": {"GET": objects.hosts},
    "/monitoring/services": {"GET": objects.services},
    _HOST: {"GET": objects.host},
    f"{_HOST}/services": {"GET": objects.services_of_host},
    f"{_HOST}/downtimes": {"GET": downtimes.of_host, "POST": downtimes.set_on_host},
    _HOST + "/{acks}": {"GET": ack.of_host, "POST": ack.add_on_host, "DELETE": ack.cancel_on_host},
    _SERVICE: {"GET": objects.service},
    f"{_SERVICE}/downtimes": {"GET": downtimes.of_service, "POST": downtimes.set_on_service},
    _SERVICE + "/{acks}": {"GET": ack.of_service, "POST": ack.add_on_service, "DELETE": ack.cancel_on_service},
}
SPELLINGS = ("acknowledgements", "acknowledgments")


def routes(desk: Desk, doorkeeper: Doorkeeper, settings: Settings, clock: Clock | None = None) -> list[BaseRoute]:
    """Every path of the dialect; the last ones say that there is nothing else."""
    services = Services(desk, doorkeeper, settings, clock or SystemClock())
    login = Place(services, {}, open_to_all={"POST": sessions.login})
    served = [Route(f"{PREFIX}/login", login)]
    for pattern, handlers in PATHS.items():
        place = Place(services, handlers)
        spelt = [pattern.replace("{acks}", spelling) for spelling in SPELLINGS] if "{acks}" in pattern else [pattern]
        served += [Route(PREFIX + path, place) for path in spelt]
    return [*served, Route(ROOT, Nowhere()), Route(ROOT + "/{rest:path}", Nowhere())]
