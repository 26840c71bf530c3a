"""Hosts and services as `/monitoring/resources` shows them. Pure.

Keys were renamed in 22.04, 22.10 and 23.10 under the same path: old and new names are both there. `last_check` and `duration`
are ages in words, as the original has them. What no file of a core tells (severity names, icons' ids and places) is null.
"""

from __future__ import annotations

import msgspec
import orjson

from api.centreon.shapes import PENDING, status_shape
from api.centreon.times import age_words, iso_time
from engine.state.resources import ResourceRow

Shape = dict[str, object]


class Frame(msgspec.Struct, frozen=True):
    """What all items of an answer share. `now` is for ages, `prefix` the path their links start with."""

    now: float
    prefix: str


def resource_shape(row: ResourceRow, frame: Frame) -> Shape:
    """One item of the list."""
    is_host = row.description is None
    state = row.state if row.has_been_checked else PENDING
    variables = _variables(row)
    severity, level = _severity(variables, is_host), _number(variables.get("CRITICALITY_LEVEL"))
    acknowledged, in_downtime = bool(row.acknowledged), row.scheduled_downtime_depth > 0
    active, passive = bool(row.checks_enabled), bool(row.accept_passive_checks)
    notified, flapping = bool(row.notifications_enabled), bool(row.is_flapping)
    return {
        "uuid": f"h{row.id}" if is_host else f"h{row.host_id}-s{row.id}",
        "duration": age_words(row.last_state_change, frame.now),
        "last_check": age_words(row.last_check, frame.now),
        "short_type": "h" if is_host else "s",
        "id": row.id,
        "type": "host" if is_host else "service",
        "name": row.host_name if is_host else row.description,
        "alias": row.host_alias if is_host else row.display_name,
        "fqdn": row.host_address if is_host else None,
        "host_id": row.host_id,
        "service_id": None if is_host else row.id,
        "icon": {"id": None, "name": row.icon_image, "url": None} if row.icon_image else None,
        "monitoring_server_name": row.poller_name,
        "parent": None if is_host else _parent(row),
        "status": status_shape(state, is_host=is_host),
        "is_in_downtime": in_downtime,
        "in_downtime": in_downtime,
        "is_acknowledged": acknowledged,
        "acknowledged": acknowledged,
        "has_active_checks_enabled": active,
        "active_checks": active,
        "has_passive_checks_enabled": passive,
        "passive_checks": passive,
        "last_status_change": iso_time(row.last_state_change),
        "tries": f"{row.current_attempt}/{row.max_check_attempts} ({'H' if row.state_type else 'S'})",
        "information": row.plugin_output,
        "performance_data": None,
        "is_notification_enabled": notified,
        "notification_enabled": notified,
        "is_in_flapping": flapping,
        "flapping": flapping,
        "percent_state_change": float(row.percent_state_change),
        "severity": severity,
        "severity_level": level,
        "chart_url": None,
        "links": _links(row, frame.prefix),
    }


def _parent(row: ResourceRow) -> Shape:
    return {
        "uuid": f"h{row.host_id}",
        "id": row.host_id,
        "name": row.host_name,
        "type": "host",
        "short_type": "h",
        "status": status_shape(row.host_state if row.host_has_been_checked else PENDING, is_host=True),
        "alias": row.host_alias,
        "fqdn": row.host_address,
        "monitoring_server_name": row.poller_name,
    }


def _links(row: ResourceRow, prefix: str) -> Shape:
    """Where more of it is found. Paths start at the server's root; null for what is not served."""
    is_host = row.description is None
    place = f"/hosts/{row.host_id}" if is_host else f"/hosts/{row.host_id}/services/{row.id}"
    own = f"{prefix}/monitoring{place}"
    endpoints = {
        "details": f"{prefix}/monitoring/resources{place}",
        "timeline": f"{own}/timeline",
        "acknowledgement": f"{own}/acknowledgements?limit=1",
        "downtime": f"{own}/downtimes",
        "check": f"{own}/check",
        "forced_check": f"{own}/check",
        "performance_graph": None,
        "status_graph": None,
        "metrics": None if is_host else f"{own}/metrics",
    }
    return {
        "endpoints": endpoints,
        "uris": {"configuration": None, "logs": None, "reporting": None},
        "externals": {
            "action_url": _expanded(row.action_url, row) or None,
            "notes": {"label": row.notes or None, "url": _expanded(row.notes_url, row) or None},
        },
    }


def _expanded(url: str, row: ResourceRow) -> str:
    """A URL with the macros that name the object; others stay as they are."""
    if "$" not in url:
        return url
    macros = {"$HOSTNAME$": row.host_name, "$HOSTADDRESS$": row.host_address, "$SERVICEDESC$": row.description or ""}
    for macro, value in macros.items():
        url = url.replace(macro, value)
    return url


def _variables(row: ResourceRow) -> dict[str, object]:
    """Custom variables, if one of them is Centreon's severity: as they are now, else as configured."""
    found: dict[str, object] = {}
    for text in (row.configured_variables, row.custom_variables):
        if "CRITICALITY" in text:
            found |= orjson.loads(text)
    return found


def _severity(variables: dict[str, object], is_host: bool) -> Shape | None:
    level, id = _number(variables.get("CRITICALITY_LEVEL")), _number(variables.get("CRITICALITY_ID"))
    if level is None and id is None:
        return None
    return severity_shape(level, id, "host" if is_host else "service")


def severity_shape(level: int | None, id: int | None, kind: str) -> Shape:
    """A severity; its name and icon are Centreon's alone."""
    return {"id": id, "name": None, "level": level, "type": kind, "icon": None}


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
