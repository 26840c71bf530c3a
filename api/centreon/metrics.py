"""The metrics of a service, out of the performance data of its last check. An id follows from the service and the label."""

from __future__ import annotations

from hashlib import blake2b

from starlette.responses import Response

from api.centreon.objects import service_of
from api.centreon.place import Visit
from api.render import json_response
from engine.errors import UnknownObject
from engine.formats.perfdata import Metric, Range, parse_perf_data


async def metrics(visit: Visit) -> Response:
    """A plain list, without `meta`. Raises UnknownObject where the check printed none."""
    found = await service_of(visit)
    known = parse_perf_data(found.status.perf_data).metrics
    if not known:
        raise UnknownObject("metrics not found")
    return json_response(200, [_shape(found.id, metric) for metric in known])


def _shape(service_id: int, metric: Metric) -> dict[str, object]:
    id = blake2b(f"{service_id}\0{metric.label}".encode("utf-8", "surrogateescape"), digest_size=6).digest()
    return {
        "id": int.from_bytes(id),
        "name": metric.label,
        "unit": metric.unit,
        "current_value": metric.value,
        "warning_high_threshold": _end(metric.warn),
        "warning_low_threshold": _start(metric.warn),
        "critical_high_threshold": _end(metric.crit),
        "critical_low_threshold": _start(metric.crit),
    }


def _end(limit: Range | None) -> float | None:
    return limit.end if limit is not None else None


def _start(limit: Range | None) -> float | None:
    return limit.start if limit is not None else None
