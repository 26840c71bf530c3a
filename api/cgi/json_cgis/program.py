"""statusjson.cgi about the core's process: what it is set to do, and how its checks fared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from api.cgi.json_cgis.envelope import Data
from api.cgi.json_cgis.names import Sight
from api.cgi.json_cgis.output import Output, real
from engine.state.scope import Condition, all_of

_FLAGS = (
    ("enable_notifications", "enable_notifications"),
    ("execute_service_checks", "active_service_checks_enabled"),
    ("accept_passive_service_checks", "passive_service_checks_enabled"),
    ("execute_host_checks", "active_host_checks_enabled"),
    ("accept_passive_host_checks", "passive_host_checks_enabled"),
    ("enable_event_handlers", "enable_event_handlers"),
    ("obsess_over_services", "obsess_over_services"),
    ("obsess_over_hosts", "obsess_over_hosts"),
    ("check_service_freshness", "check_service_freshness"),
    ("check_host_freshness", "check_host_freshness"),
    ("enable_flap_detection", "enable_flap_detection"),
    ("process_performance_data", "process_performance_data"),
)
_STATISTICS = (
    ("active_scheduled_host_checks", "active_scheduled_host_check_stats"),
    ("active_ondemand_host_checks", "active_ondemand_host_check_stats"),
    ("parallel_host_checks", "parallel_host_check_stats"),
    ("serial_host_checks", "serial_host_check_stats"),
    ("cached_host_checks", "cached_host_check_stats"),
    ("passive_host_checks", "passive_host_check_stats"),
    ("active_scheduled_service_checks", "active_scheduled_service_check_stats"),
    ("active_ondemand_service_checks", "active_ondemand_service_check_stats"),
    ("cached_service_checks", "cached_service_check_stats"),
    ("passive_service_checks", "passive_service_check_stats"),
    ("external_commands", "external_command_stats"),
)
_MINUTES = ("1min", "5min", "15min")


def program_status(sight: Sight, output: Output) -> Data:
    """The core's switches: of the first poller; with several, also of each by name under `pollers`."""
    each = {
        view.name: _switches(program, view.version, partial(output.time, poller=view.number)) for view, program in _programs(sight)
    }
    first = next(iter(each.values()), {})
    return Data({"programstatus": first | ({"pollers": each} if sight.is_many else {})})


def _programs(sight: Sight) -> list[tuple[Any, dict[str, str]]]:
    where, values = sight.on_pollers("number")
    found = dict(sight.rows(f"SELECT number, program FROM state.poller WHERE {where}", values))
    return [(view, orjson.loads(found[view.number])) for view in sight.pollers]


def _whole(program: Mapping[str, str], key: str) -> int:
    text = program.get(key, "")
    return int(text) if text.lstrip("-").isdigit() else 0


def _switches(program: Mapping[str, str], version: str, time: Callable[[float], object]) -> dict[str, object]:
    found: dict[str, object] = {
        "version": version,
        "nagios_pid": _whole(program, "nagios_pid"),
        "daemon_mode": bool(_whole(program, "daemon_mode")),
        "program_start": time(_whole(program, "program_start")),
        "last_log_rotation": time(_whole(program, "last_log_rotation")),
    }
    return found | {name: bool(_whole(program, key)) for name, key in _FLAGS}


# --- how checks fared ---------------------------------------------------------------------------------------------------------


def performance(sight: Sight, now: int) -> Data:
    """Counts and times of checks of all pollers asked about, and their cores' own statistics added up."""
    programs = [program for _, program in _programs(sight)]
    measured = {
        "service_checks": _checks(sight, "service", sight.services("o.poller", "o.host_name", "o.description"), now),
        "host_checks": _checks(sight, "host", sight.hosts("o.poller", "o.name"), now),
        "check_statistics": {name: _statistic(programs, key) for name, key in _STATISTICS},
        "buffer_usage": {
            "external_commands": {
                "in_use": sum(_whole(program, "used_external_command_buffer_slots") for program in programs),
                "max_used": sum(_whole(program, "high_external_command_buffer_slots") for program in programs),
                "total_available": sum(_whole(program, "total_external_command_buffer_slots") for program in programs),
            }
        },
    }
    return Data({"programstatus": measured})


def _statistic(programs: Sequence[Mapping[str, str]], key: str) -> dict[str, int]:
    triples = [[int(part) if part.isdigit() else 0 for part in program.get(key, "").split(",")] for program in programs]
    return {name: sum(triple[at] for triple in triples if len(triple) > at) for at, name in enumerate(_MINUTES)}


_AGES = {"1min": 60, "5min": 300, "15min": 900, "1hour": 3600}
_MEASURES = (
    ("check_execution_time", "execution_time"),
    ("check_latency", "latency"),
    ("percent_state_change", "percent_state_change"),
)


def _checks(sight: Sight, table: str, in_sight: Condition, now: int) -> dict[str, object]:
    where, values = all_of([in_sight])
    since = [now - age for age in _AGES.values()]
    columns = [
        *(f"total(CAST(o.last_check AS INTEGER) >= {at})" for at in since),
        "total(CAST(o.last_check AS INTEGER) >= CAST(p.program_start AS INTEGER))",
        *(f"{measure}(o.{column})" for _, column in _MEASURES for measure in ("min", "max", "avg")),
    ]
    found = sight.rows(
        f"SELECT o.check_type <> 0, {', '.join(columns)} FROM state.{table} o JOIN state.poller p ON p.number = o.poller"
        f" WHERE {where} GROUP BY 1",
        values,
    )
    rows = {bool(row[0]): row[1:] for row in found}
    active, passive = _kind(rows.get(False)), _kind(rows.get(True))
    del passive["metrics"]["check_execution_time"], passive["metrics"]["check_latency"]
    return {"active": active, "passive": passive}


def _kind(row: Sequence[float | None] | None) -> dict[str, dict[str, Any]]:
    values = [number or 0.0 for number in row or [0.0] * 14]
    checks = {name: int(values[at]) for at, name in enumerate((*_AGES, "start"))}
    parts = [iter(map(real, values[5 + 3 * at : 8 + 3 * at])) for at in range(len(_MEASURES))]
    metrics = {
        name: dict(zip(("min", "max", "average"), part, strict=True)) for (name, _), part in zip(_MEASURES, parts, strict=True)
    }
    return {"checks": checks, "metrics": metrics}
