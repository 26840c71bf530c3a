"""GET /metrics for Prometheus: what the cores' objects are like, how old that is, and how our own work goes.

What stands in the databases is counted when it is asked for; what only a process at work knows comes from `engine.figures`, from
all processes. A token of any role reads it, but of a user without limits: the figures are about everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from api.native.operation import Answer, Call, Operation
from api.native.pollers import age_s, health, is_stale
from engine import figures
from engine.commands.lifecycle import State
from engine.errors import Forbidden
from engine.model import PollerView
from engine.state.history import indexes
from engine.state.scope import EVERYTHING
from engine.state.tactical import Totals, totals
from engine.state.views import Reader

_HOST_STATES = ("up", "down", "unreachable", "pending")
_SERVICE_STATES = ("ok", "warning", "critical", "unknown", "pending")
_FLAGS = ("unhandled", "handled", "acknowledged", "in_downtime", "flapping")
_OPEN = (State.ACCEPTED, State.HELD, State.WRITING, State.WRITTEN)


async def show_metrics(call: Call, query: object) -> Answer:
    """Everything, in the text format. Raises Forbidden for a caller with limits."""
    scope = call.caller.scope
    if scope.pollers is not None or scope.is_limited:
        raise Forbidden("The metrics are about everything: read them with a user who is not limited.", right="everything")
    alive = bool((await call.desk.health())["engine_alive"])
    text = await call.desk.read(lambda reader: generate_latest(_registry(reader, call, alive)))
    return Answer(None, response=Response(text, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_LATEST))


def _registry(reader: Reader, call: Call, alive: bool) -> CollectorRegistry:
    views = reader.pollers(EVERYTHING)
    found = CollectorRegistry()
    up = _gauge("signalbox_engine_up", "1 while the engine process runs.", (), {(): float(alive)})
    stored = [*_of_pollers(views, call), *_of_objects(reader, views), *_of_commands(reader, views), *_of_logs(reader)]
    found.register(_Stored([up, *stored]))
    found.register(_Named(figures.registry(), {str(view.number): view.name for view in views}))
    return found


@dataclass(frozen=True, eq=False)
class _Stored(Collector):
    """Figures already counted."""

    metrics: list[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.metrics


@dataclass(frozen=True, eq=False)
class _Named(Collector):
    """The processes' figures, with pollers' names in place of their numbers."""

    figures: CollectorRegistry
    names: Mapping[str, str]

    def collect(self) -> Iterator[Metric]:
        for metric in self.figures.collect():
            named = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            for sample in metric.samples:
                labels = dict(sample.labels)
                if "poller" in labels:
                    labels["poller"] = self.names.get(labels["poller"], labels["poller"])
                named.samples.append(sample._replace(labels=labels))
            yield named


Values = Mapping[tuple[()], float] | Mapping[tuple[str], float] | Mapping[tuple[str, str], float]


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Values) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for words, value in values.items():
        family.add_metric(words, value)
    return family


def _of_pollers(views: tuple[PollerView, ...], call: Call) -> Iterator[Metric]:
    now, label = call.clock.now(), ("poller",)
    ages = {(view.name,): age for view in views if (age := age_s(view, now)) is not None}
    yield _gauge("signalbox_view_age_seconds", "Age of the newest status file that was read.", label, ages)
    stale = {(view.name,): float(is_stale(view, now, call.settings)) for view in views}
    yield _gauge("signalbox_view_stale", "1 when the view is older than it should be, or cannot be read.", label, stale)
    generations = {(view.name,): float(view.generation) for view in views}
    yield _gauge("signalbox_view_generation", "Status files read since the mirror was made.", label, generations)
    offsets = {(view.name,): view.clock_offset_s for view in views}
    yield _gauge("signalbox_clock_offset_seconds", "The core's clock minus ours.", label, offsets)
    words = {(view.name, view.command_file_health): 1.0 for view in views}
    yield _gauge("signalbox_command_file_health", "1 for the word the command file's health has now.", ("poller", "health"), words)
    words = {(view.name, health(view, now, call.settings)): 1.0 for view in views}
    yield _gauge("signalbox_poller_health", "1 for the word /v1/pollers has for the poller now.", ("poller", "health"), words)


def _of_objects(reader: Reader, views: tuple[PollerView, ...]) -> Iterator[Metric]:
    counted = totals(reader, EVERYTHING, "poller")
    named = {view.name: counted[str(view.number)] for view in views if str(view.number) in counted}
    for kind, name, states in ((0, "host", _HOST_STATES), (1, "service", _SERVICE_STATES)):
        yield _gauge(f"signalbox_{name}s", f"{name.title()}s by state.", ("poller", "state"), _counts(named, kind, states))
        flags = _counts(named, kind, _FLAGS)
        yield _gauge(f"signalbox_{name}s_flagged", f"{name.title()}s by what else is so of them.", ("poller", "flag"), flags)


def _counts(named: Mapping[str, Totals], kind: int, words: Iterable[str]) -> dict[tuple[str, str], float]:
    return {(poller, word): float(getattr(pair[kind], word)) for poller, pair in named.items() for word in words}


def _of_commands(reader: Reader, views: tuple[PollerView, ...]) -> Iterator[Metric]:
    """How many commands wait to be written, or for proof, from an index: however many there were."""
    query = "SELECT count(*) FROM journal.command INDEXED BY command_open WHERE poller = ? AND state = ?"
    count = {
        (view.name, str(state)): float(reader.connection.execute(query, (view.number, str(state))).fetchone()[0])
        for view in views
        for state in _OPEN
    }
    yield _gauge("signalbox_commands_open", "Commands that wait to be written, or for proof.", ("poller", "state"), count)
    query = "SELECT coalesce(sum(total), 0) FROM journal.result_call WHERE poller = ? AND open = 1"
    results = {(view.name,): float(reader.connection.execute(query, (view.number,)).fetchone()[0]) for view in views}
    yield _gauge("signalbox_results_open", "Passive results of calls that are not through.", ("poller",), results)


def _of_logs(reader: Reader) -> Iterator[Metric]:
    found = indexes(reader, EVERYTHING)
    known = {(index.poller_name,): float(index.known_bytes) for index in found}
    yield _gauge("signalbox_history_known_bytes", "Logs there are, as they lie on the disk.", ("poller",), known)
    read = {(index.poller_name,): float(index.read_bytes) for index in found}
    yield _gauge("signalbox_history_read_bytes", "Of these, what the history has read.", ("poller",), read)


OPERATION = Operation("GET", "/metrics", "Figures for Prometheus", show_metrics, {200: str}, problems=(403,))
