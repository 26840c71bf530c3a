"""What only the process at work knows of its work, for /metrics: counted and timed where it happens.

Rules: labels have few values (pollers by number, states, routes), never a host's or a caller's name. Where FOLDER_VARIABLE names a
folder when this module is imported, every process keeps its figures in files there, and any of them can read the sum; without,
they are this process's own. They begin anew with each start of `signalbox serve`. A step whose transaction failed was counted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Bytes of each kind's file. A route's answers of one status take 3 kB, and there are some hundreds.
_RESERVED = {"histogram": 1 << 21, "counter": 1 << 18, "gauge_livesum": 1 << 16}
_OWN = CollectorRegistry()


def reserve(folder: Path) -> None:
    """Take the room of this process's figures, as far as there is any, before they are made."""
    with suppress(OSError):
        for kind, size in _RESERVED.items():
            with (folder / f"{kind}_{os.getpid()}.db").open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, size)


if os.environ.get(FOLDER_VARIABLE):
    reserve(Path(os.environ[FOLDER_VARIABLE]))

_COMMAND_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_SCAN_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

COMMAND_STEPS = Counter(
    "signalbox_command_steps", "Steps of commands' lives, by the state reached.", ["poller", "state"], registry=_OWN
)
COMMAND_SECONDS = Histogram(
    "signalbox_command_seconds",
    "From a command's acceptance to the state reached.",
    ["poller", "state"],
    buckets=_COMMAND_S,
    registry=_OWN,
)
RESULTS = Counter(
    "signalbox_results", "Passive results sent in calls of several, by what they reached.", ["poller", "state"], registry=_OWN
)
RESULT_CALL_SECONDS = Histogram(
    "signalbox_result_call_seconds",
    "From the acceptance of a call of passive results to its end.",
    ["poller"],
    buckets=_COMMAND_S,
    registry=_OWN,
)
SCAN_SECONDS = Histogram(
    "signalbox_scan_seconds", "Reading one status file that had changed.", ["poller"], buckets=_SCAN_S, registry=_OWN
)
COMMIT_SECONDS = Histogram(
    "signalbox_commit_seconds",
    "From a scan's last row to its generation being visible.",
    ["poller"],
    buckets=_SCAN_S,
    registry=_OWN,
)
SCANS_FAILED = Counter("signalbox_scans_failed", "Scans that gave no generation.", ["poller"], registry=_OWN)
REQUEST_SECONDS = Histogram(
    "signalbox_http_request_seconds",
    "From a request's head to the head of its answer.",
    ["method", "route", "status"],
    buckets=_REQUEST_S,
    registry=_OWN,
)
EVENT_READERS = Gauge("signalbox_event_readers", "Open streams of /v1/events.", registry=_OWN, multiprocess_mode="livesum")

_TIMED = frozenset({"processed", "confirmed"})
_REACHED = ("accepted", "processed", "confirmed", "refused", "no_effect", "expired", "unknown")  # of results


def command_moved(poller: int, state: str, seconds: float) -> None:
    """A command reached a state, that long after it was accepted."""
    commands_moved(poller, state, [seconds])


def commands_moved(poller: int, state: str, seconds: Sequence[float]) -> None:
    """Commands did, each that long after it was accepted."""
    _steps(poller, state).inc(len(seconds))
    if state in _TIMED:
        observe = _seconds(poller, state).observe
        for each in seconds:
            observe(max(0.0, each))


def results_moved(poller: int, counts: Mapping[str, int], before: Mapping[str, int]) -> None:
    """How many results of one call stand where, and stood where before: each state a result reaches is counted once."""
    for state in _REACHED:
        grown = _reached(state, counts) - _reached(state, before)
        if grown > 0:  # what waits once more will reach it again
            RESULTS.labels(poller, state).inc(grown)


def _reached(state: str, counts: Mapping[str, int]) -> int:
    if state == "processed":  # these were, too, as it is with commands
        return counts["processed"] + counts["confirmed"] + counts["no_effect"]
    return counts[state]


def result_call_ended(poller: int, seconds: float) -> None:
    """A call of passive results came to its end, that long after it was accepted."""
    RESULT_CALL_SECONDS.labels(poller).observe(max(0.0, seconds))


@cache  # looking a series up takes longer than counting in it
def _steps(poller: int, state: str) -> Counter:
    return COMMAND_STEPS.labels(poller, state)


@cache
def _seconds(poller: int, state: str) -> Histogram:
    return COMMAND_SECONDS.labels(poller, state)


def registry() -> CollectorRegistry:
    """Every process's figures."""
    if not os.environ.get(FOLDER_VARIABLE):
        return _OWN
    every = CollectorRegistry()
    MultiProcessCollector(every)  # type: ignore[no-untyped-call]
    return every
