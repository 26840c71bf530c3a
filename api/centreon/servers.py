"""The pollers, as Centreon calls its monitoring servers. What is configuration of the original's own is null."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from api.centreon.answers import encoded_page, list_answer
from api.centreon.place import Visit
from api.centreon.searching import parse_list
from api.centreon.times import iso_time
from engine.model import PollerView
from engine.state.fields import Field, Table, Type

_MISSED = 3  # status files that may be missing before a core counts as not running
_UNKNOWN = (
    "address", "is_localhost", "is_default", "ssh_port", "engine_start_command", "engine_stop_command", "engine_restart_command",
    "engine_reload_command", "nagios_bin", "nagiostats_bin", "broker_reload_command", "centreonbroker_cfg_path",
    "centreonbroker_module_path", "centreonconnector_path", "centreonbroker_logs_path", "init_script_centreontrapd",
    "snmp_trapd_path_conf", "remote_id", "remote_server_use_as_proxy",
)  # fmt: skip
KEYS = Table(
    {
        "id": Field("p.number", Type.INTEGER),
        "name": Field("p.name"),
        "version": Field("p.version"),
        "last_alive": Field("CAST(nullif(p.created, 0) AS INTEGER)", Type.TIME),
        "last_restart": Field("CAST(nullif(p.program_start, 0) AS INTEGER)", Type.TIME),
    },
    ("p.number",),
)


async def servers(visit: Visit) -> Response:
    """The pollers as they run."""
    now = visit.services.clock.now()
    return await _page(visit, lambda view: _running(view, now))


async def configured_servers(visit: Visit) -> Response:
    """The pollers as they are configured."""
    return await _page(visit, _configured)


async def _page(visit: Visit, shape: Callable[[PollerView], dict[str, object]]) -> Response:
    asked = parse_list(visit.request.query_params, KEYS, visit.services.clock.now(), visit.caller.scope)
    scope, paging = visit.caller.scope, asked.paging
    found = await visit.desk.read(lambda reader: reader.found_pollers(scope, asked.condition, asked.order))
    page = found[paging.offset : paging.offset + paging.limit]
    return await list_answer(len(page), lambda: encoded_page([shape(view) for view in page], paging, len(found), asked.echo))


def _running(view: PollerView, now: float) -> dict[str, object]:
    age_s = now + view.clock_offset_s - view.created
    fresh = view.status_file_health == "fresh" and age_s <= _MISSED * view.status_update_interval_s
    return {
        "id": view.number,
        "name": view.name,
        "address": None,
        "is_running": bool(view.generation and fresh),
        "last_alive": int(view.created) or None,
        "version": view.version or None,
        "description": None,
    }


def _configured(view: PollerView) -> dict[str, object]:
    known = {"id": view.number, "name": view.name, "last_restart": iso_time(view.program_start)}
    return known | dict.fromkeys(_UNKNOWN) | {"is_updated": False, "is_activate": True}
