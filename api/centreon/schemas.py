"""The dialect's answers as JSON schemas, in words: field → type. Pure data.

A type is `integer`, `number`, `string`, `boolean`, `date-time`, `object`, a schema's name, or one of these in brackets, a list;
with `?` it may be null. The fields of hosts and services are those of shapes.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.centreon.shapes import HOST_FIELDS, SERVICE_FIELDS, Level

REF = "#/components/schemas/{}"
Schema = Mapping[str, str]


def _typed(**names: str) -> dict[str, str]:
    """The words of every type taken apart: field → type."""
    return {name: type.replace("_", "-") for type, words in names.items() for name in words.split()}


_TYPES = _typed(
    integer="id poller_id check_type last_hard_state max_check_attempts next_host_notification notification_number"
    " scheduled_downtime_depth state state_type",
    string="name poller_name address_ip alias check_command check_period display_name icon_image icon_image_alt notification_period"
    " output description performance_data",
    number="check_interval execution_time latency notification_interval percent_state_change",
    boolean="acknowledged active_checks checked flapping notify notify_on_down notify_on_downtime notify_on_flapping"
    " notify_on_recovery notify_on_unreachable passive_checks is_acknowledged is_active_check is_checked",
) | {
    "timezone": "string?", "duration": "string?", "command_line": "string?", "criticality": "integer?", "status": "Status",
}  # fmt: skip
_DATES = "last_check last_hard_state_change last_notification last_state_change last_time_down last_time_unreachable last_time_up" \
    " last_update next_check last_time_critical last_time_ok last_time_unknown last_time_warning"  # fmt: skip
_TYPES |= dict.fromkeys(_DATES.split(), "date-time?")
_STANDING = {"downtimes": "[Downtime]", "acknowledgement": "Acknowledgement?"}


def _host(level: Level) -> dict[str, str]:
    return {field.key: _TYPES.get(field.key, "integer") for field in HOST_FIELDS if field.level <= level}


def _service(level: Level) -> dict[str, str]:
    return {field.key: _TYPES.get(field.key, "attempt") for field in SERVICE_FIELDS if field.level <= level}


_RESOURCE = _typed(
    integer="id host_id",
    string="uuid short_type type name monitoring_server_name tries information",
    boolean="is_in_downtime in_downtime is_acknowledged acknowledged has_active_checks_enabled active_checks"
    " has_passive_checks_enabled passive_checks is_notification_enabled notification_enabled is_in_flapping flapping",
    number="percent_state_change",
) | {
    "alias": "string?", "fqdn": "string?", "service_id": "integer?", "icon": "Icon?", "parent": "Parent?", "status": "Status",
    "last_status_change": "date-time?", "performance_data": "string?", "severity": "Severity?", "severity_level": "integer?",
    "links": "object", "duration": "string?", "last_check": "string?",
}  # fmt: skip
_STATES_OF = {"HostsStatus": "up down unreachable pending", "ServicesStatus": "ok warning critical unknown pending"}
_ENTRY = {
    "id": "integer", "author_id": "integer?", "author_name": "string", "comment": "string", "deletion_time": "date-time?",
    "entry_time": "date-time?", "host_id": "integer?", "service_id": "integer?", "poller_id": "integer",
}  # fmt: skip

SCHEMAS: Mapping[str, Schema] = {
    "Error": {"code": "integer", "message": "string", "errors": "[Mistake]"},
    "Mistake": {"type": "string", "message": "string"},
    "Several": {"code": "integer", "message": "string", "errors": "[Mistake]", "results": "[Result]"},
    "Result": {"code": "integer", "message": "string?"},
    "Proved": {"commands": "[Command]"},
    "Command": {
        "id": "string", "command": "string", "poller_id": "integer", "poller_name": "string", "host": "string?",
        "service": "string?", "entry_id": "integer?", "state": "string", "final": "boolean", "evidence": "string?",
        "reason": "string?", "advice": "string?",
    },
    "Meta": {"page": "integer", "limit": "integer", "search": "object", "sort_by": "object", "total": "integer"},
    "Status": {"code": "integer", "name": "string", "severity_code": "integer"},
    "Icon": {"id": "integer?", "name": "string", "url": "string?"},
    "Severity": {"id": "integer?", "name": "string?", "level": "integer?", "type": "string", "icon": "Icon?"},
    "Parent": _typed(
        integer="id", string="uuid name type short_type alias fqdn monitoring_server_name"
    ) | {"status": "Status"},
    "HostMin": _host(Level.MIN),
    "Host": _host(Level.MAIN),
    "HostAlone": _host(Level.FULL) | _STANDING | {"services": "[ServiceMin]"},
    "ServiceMin": _service(Level.MIN),
    "Service": _service(Level.MAIN),
    "ServiceOfHost": _service(Level.MAIN) | {"host": "HostMin"},
    "ServiceAlone": _service(Level.FULL) | _STANDING,
    "Group": {"id": "integer", "name": "string"},
    "Downtime": _ENTRY | {
        "author_name": "string?", "comment": "string?",
        "start_time": "date-time?", "end_time": "date-time?", "actual_start_time": "date-time?", "actual_end_time": "date-time?",
        "is_cancelled": "boolean", "duration": "integer?", "is_fixed": "boolean?", "is_started": "boolean",
    },
    "Acknowledgement": _ENTRY | {
        "is_notify_contacts": "boolean", "is_persistent_comment": "boolean?", "is_sticky": "boolean?", "state": "integer?",
        "type": "integer",
    },
    "Resource": _RESOURCE,
    "ResourceAlone": _RESOURCE | _STANDING | {"groups": "[Group]", "categories": "[Group]", "command_line": "string?"},
    "Count": {"total": "integer"},
    **{name: {**dict.fromkeys(words.split(), "Count"), "total": "integer"} for name, words in _STATES_OF.items()},
    "Server": {
        "id": "integer", "name": "string", "address": "string?", "is_running": "boolean", "last_alive": "integer?",
        "version": "string?", "description": "string?",
    },
    "ConfiguredServer": {"id": "integer", "name": "string", "last_restart": "date-time?", "is_updated": "boolean",
                         "is_activate": "boolean"},
    "Event": {
        "id": "integer", "type": "string", "date": "date-time?", "start_date": "date-time?", "end_date": "date-time?",
        "content": "string", "contact": "Notified?", "status": "Status?", "tries": "integer?",
    },
    "Notified": {"id": "integer?", "name": "string"},
    "Metric": {
        "id": "integer", "name": "string", "unit": "string", "current_value": "number?", "warning_high_threshold": "number?",
        "warning_low_threshold": "number?", "critical_high_threshold": "number?", "critical_low_threshold": "number?",
    },
    "Contact": {"id": "integer", "name": "string", "alias": "string", "email": "string", "is_admin": "boolean"},
    "Token": {"token": "string"},
    "Login": {"contact": "Contact", "security": "Token"},
    "Message": {"message": "string"},
    "Web": {"version": "string", "major": "string", "minor": "string", "fix": "string"},
    "Versions": {"web": "Web", "modules": "object", "widgets": "object"},
    "Installation": {"is_installed": "boolean", "has_upgrade_available": "boolean"},
    "Actions": {"host": "object", "service": "object", "metaservice": "object"},
    "User": {"id": "integer?", "name": "string", "alias": "string", "email": "string", "timezone": "string", "locale": "string",
             "is_admin": "boolean"},
}  # fmt: skip
_PLAIN = ("integer", "number", "string", "boolean", "object")


def json_schema(type: str) -> dict[str, Any]:
    """A type as a JSON schema."""
    if type.endswith("?"):
        return {"anyOf": [json_schema(type[:-1]), {"type": "null"}]}
    if type.startswith("["):
        return {"type": "array", "items": json_schema(type[1:-1])}
    if type == "attempt":  # a text since the product versions
        return {"type": ["integer", "string"]}
    if type == "date-time":
        return {"type": "string", "format": "date-time"}
    return {"type": type} if type in _PLAIN else {"$ref": REF.format(type)}


def page_of(name: str) -> dict[str, Any]:
    """A list's body."""
    members = {"result": json_schema(f"[{name}]"), "meta": json_schema("Meta")}
    return {"type": "object", "required": list(members), "properties": members}


def component(fields: Schema) -> dict[str, Any]:
    """A schema of this table: every field is always there, and others may be."""
    return {"type": "object", "required": list(fields), "properties": {name: json_schema(type) for name, type in fields.items()}}
