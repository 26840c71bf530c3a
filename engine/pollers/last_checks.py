"""When objects were checked last by the newest status file: each is looked up once per generation, many of them in one query."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from engine.commands.proof import LastCheck
from engine.state.views import Reader

_AT_ONCE = 200  # objects per query

Key = tuple[str, str]  # host, service ("" for the host itself)


@dataclass(slots=True)
class LastChecks:
    """What is known of one poller's objects in one generation. Belongs to one thread."""

    poller: int
    _generation: int = -1
    _known: dict[Key, LastCheck | None] = field(default_factory=dict)
    _absent: set[Key] = field(default_factory=set)

    def turn_to(self, generation: int) -> None:
        """Forget what another generation said."""
        if generation != self._generation:
            self._generation = generation
            self.forget()

    def forget(self) -> None:
        """Let go what is known."""
        self._known, self._absent = {}, set()

    def of(self, reader: Reader, keys: Collection[Key]) -> Mapping[Key, LastCheck | None]:
        """The last check of each of these objects, perhaps of more; those the status file does not show are left out.

        None where the log is ahead of the file: an alert tells when it was written, not the time of the check. `reader` sees
        the generation that was turned to.
        """
        unknown = list(set(keys) - self._known.keys() - self._absent)
        for start in range(0, len(unknown), _AT_ONCE):
            some = unknown[start : start + _AT_ONCE]
            found = _look_up(reader, self.poller, some)
            self._known |= found
            self._absent.update(key for key in some if key not in found)
        return self._known


def _look_up(reader: Reader, poller: int, keys: Collection[Key]) -> dict[Key, LastCheck | None]:
    hosts = [host for host, service in keys if not service]
    services = [name for key in keys if key[1] for name in key]
    rows: list[tuple[str, str, float, int, int]] = []
    if hosts:
        rows += reader.connection.execute(_HOST_CHECKS.format(marks=",".join("?" * len(hosts))), [poller, *hosts])
    if services:
        pairs = ",".join(["(?,?)"] * (len(services) // 2))
        rows += reader.connection.execute(_SERVICE_CHECKS.format(pairs=pairs), [poller, *services])
    return {(host, service): None if is_behind else LastCheck(at, kind) for host, service, at, kind, is_behind in rows}


_HOST_CHECKS = (
    "SELECT o.name, '', o.last_check, o.check_type, d.at IS NOT NULL FROM state.host o LEFT JOIN state.dirty d"
    " ON d.poller = o.poller AND d.host_name = o.name AND d.description = '' WHERE o.poller = ? AND o.name IN ({marks})"
)
_SERVICE_CHECKS = (
    "SELECT o.host_name, o.description, o.last_check, o.check_type, d.at IS NOT NULL FROM state.service o LEFT JOIN state.dirty d"
    " ON d.poller = o.poller AND d.host_name = o.host_name AND d.description = o.description"
    " WHERE o.poller = ? AND (o.host_name, o.description) IN (VALUES {pairs})"
)
