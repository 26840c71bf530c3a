"""What a log line says about a row at once, seconds before the next status file. Statements only; the mirror runs them.

Rules: only what the line itself proves is touched (the core's own bookkeeping, such as notification numbers, waits for the
status file), and every row touched gets the block hash -1, which no block has.
"""

from __future__ import annotations

from engine.formats.corelog import LogKind, StateEvent

_HOST_TIMES = ("last_time_up", "last_time_down", "last_time_unreachable")
_SERVICE_TIMES = ("last_time_ok", "last_time_warning", "last_time_critical", "last_time_unknown")

# A normal acknowledgement ends with any change of state, a sticky one with recovery (cores.md 4.7).
_ALERT = """
  state = :state, state_type = :state_type, has_been_checked = 1, current_attempt = :attempt, plugin_output = :output,
  last_check = max(last_check, :at), {time} = :at, block_hash = -1,
  last_state_change = iif(state <> :state, :at, last_state_change),
  last_hard_state_change = iif(:state_type = 1 AND last_hard_state <> :state, :at, last_hard_state_change),
  last_hard_state = iif(:state_type = 1, :state, last_hard_state),
  acknowledged = iif(:state = 0 OR (state <> :state AND acknowledgement_type = 1), 0, acknowledged)"""
_DOWNTIME = "block_hash = -1, scheduled_downtime_depth = iif(:word = 'STARTED', max(scheduled_downtime_depth, 1), 0)"
_FLAPPING = "block_hash = -1, is_flapping = (:word = 'STARTED')"

_KINDS = {
    LogKind.HOST_ALERT: _ALERT,
    LogKind.SERVICE_ALERT: _ALERT,
    LogKind.HOST_DOWNTIME: _DOWNTIME,
    LogKind.SERVICE_DOWNTIME: _DOWNTIME,
    LogKind.HOST_FLAPPING: _FLAPPING,
    LogKind.SERVICE_FLAPPING: _FLAPPING,
}


def row_update(poller: int, event: StateEvent) -> tuple[str, dict[str, object]] | None:
    """The UPDATE of the one row a log line is about, with its parameters; None when the line says nothing about a row."""
    sets = _KINDS.get(event.kind)
    if sets is None:
        return None
    values: dict[str, object] = {"poller": poller, "host": event.host, "service": event.service, "at": event.at, "word": event.word}
    if sets is _ALERT:
        times = _HOST_TIMES if event.service is None else _SERVICE_TIMES
        if event.state is None or event.state_type is None or event.attempt is None or not 0 <= event.state < len(times):
            return None
        sets = sets.format(time=times[event.state])
        values |= {"state": event.state, "state_type": event.state_type, "attempt": event.attempt, "output": event.output}
    if event.service is None:
        return f"UPDATE host SET {sets} WHERE poller = :poller AND name = :host", values
    return f"UPDATE service SET {sets} WHERE poller = :poller AND host_name = :host AND description = :service", values
