"""What a line of the log makes of a row: old row and event in, new row out. Pure.

Rules: only what the line itself proves is changed (the core's own bookkeeping, such as notification numbers, waits for the
status file), and a row so changed has the block hash -1, which no block of a status file has.
"""

from __future__ import annotations

from engine.formats.corelog import LogKind, StateEvent
from engine.model import HostStatus, ServiceStatus

Row = HostStatus | ServiceStatus

_ALERTS = (LogKind.HOST_ALERT, LogKind.SERVICE_ALERT)
_DOWNTIMES = (LogKind.HOST_DOWNTIME, LogKind.SERVICE_DOWNTIME)
_FLAPPINGS = (LogKind.HOST_FLAPPING, LogKind.SERVICE_FLAPPING)
_STARTED = "STARTED"
_HARD = 1
_NORMAL = 1  # acknowledgement_type

_HOST_TIMES = ("last_time_up", "last_time_down", "last_time_unreachable")
_SERVICE_TIMES = ("last_time_ok", "last_time_warning", "last_time_critical", "last_time_unknown")


def after(row: Row, event: StateEvent) -> Row | None:
    """The row as it is after what the log says; None when the line says nothing about it."""
    if event.kind in _ALERTS:
        return _after_alert(row, event)
    if event.kind in _DOWNTIMES:
        depth = max(row.scheduled_downtime_depth, 1) if event.word == _STARTED else 0
        return row._replace(scheduled_downtime_depth=depth, block_hash=-1)
    if event.kind in _FLAPPINGS:
        return row._replace(is_flapping=int(event.word == _STARTED), block_hash=-1)
    return None


def _after_alert(row: Row, event: StateEvent) -> Row | None:
    times = _HOST_TIMES if isinstance(row, HostStatus) else _SERVICE_TIMES
    state, state_type = event.state, event.state_type
    if state is None or state_type is None or event.attempt is None or not 0 <= state < len(times):
        return None
    at = float(event.at)
    changes: dict[str, object] = {
        "state": state,
        "state_type": state_type,
        "has_been_checked": 1,
        "current_attempt": event.attempt,
        "plugin_output": event.output,
        "last_check": max(row.last_check, at),
        times[state]: at,
        "block_hash": -1,
    }
    if state != row.state:
        changes["last_state_change"] = at
    # Icinga 2 gives a pending object a last hard state of its own invention.
    if state_type == _HARD and (state != row.last_hard_state or not row.has_been_checked):
        changes |= {"last_hard_state": state, "last_hard_state_change": at}
    if _ends_acknowledgement(row, state):
        changes["acknowledged"] = 0
    return row._replace(**changes)  # type: ignore[arg-type]


def _ends_acknowledgement(row: Row, state: int) -> bool:
    """A normal acknowledgement ends with any change of state, a sticky one with recovery.

    Source: Nagios 4, Naemon, Icinga 1 (cores.md 4.7).
    """
    return state == 0 or (state != row.state and row.acknowledgement_type == _NORMAL)
