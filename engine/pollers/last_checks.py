"""When objects were checked last by the newest status file: each is looked up once per generation, many of them in one query."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import gt, itemgetter

from engine.commands.proof import LastCheck
from engine.state.views import Reader

_AT_ONCE = 200  # objects per query

_NEVER = 1 << 60  # later than any check
_FIRST = itemgetter(0)

Key = str  # an object, see `key_of`: a string is hashed once, and thousands of them are looked up again and again


def key_of(host: str, service: str) -> Key:
    """The key of a host (service "") or service. No name holds a semicolon that a command could address."""
    return f"{host};{service}"


@dataclass(slots=True)
class LastChecks:
    """What is known of one poller's objects in one generation. Belongs to one thread."""

    poller: int
    _generation: int = -1
    _known: dict[Key, LastCheck | None] = field(default_factory=dict)
    _second: dict[Key, int] = field(default_factory=dict)  # the same as the second alone; _NEVER for what is absent

    def turn_to(self, generation: int) -> None:
        """Forget what another generation said."""
        if generation != self._generation:
            self._generation = generation
            self.forget()

    def forget(self) -> None:
        """Let go what is known."""
        self._known, self._second = {}, {}

    def of(self, reader: Reader, keys: Collection[Key]) -> Mapping[Key, LastCheck | None]:
        """The last check of each of these objects, perhaps of more; those the status file does not show are left out.

        None where the log is ahead of the file: an alert tells when it was written, not the time of the check. `reader` sees
        the generation that was turned to.
        """
        if all(map(self._second.__contains__, keys)):
            return self._known
        unknown = [key for key in dict.fromkeys(keys) if key not in self._second]
        for start in range(0, len(unknown), _AT_ONCE):
            some = unknown[start : start + _AT_ONCE]
            found = _look_up(reader, self.poller, some)
            self._known |= found
            self._second |= {key: _second(found[key]) if key in found else _NEVER for key in some}
        return self._known

    def any_newer(self, reader: Reader, keys: Sequence[Key], orders: Iterable[tuple[int, int, int]]) -> bool:
        """Is any of these objects absent, or was checked after the second its order begins with?"""
        self.of(reader, keys)
        return any(map(gt, map(self._second.__getitem__, keys), map(_FIRST, orders)))


def _second(check: LastCheck | None) -> int:
    return int(check.at) if check is not None else 0


def _look_up(reader: Reader, poller: int, keys: Collection[Key]) -> dict[Key, LastCheck | None]:
    names = [key.split(";", 1) for key in keys]
    hosts = [host for host, service in names if not service]
    services = [name for pair in names if pair[1] for name in pair]
    rows: list[tuple[str, str, float, int, int]] = []
    if hosts:
        rows += reader.connection.execute(_HOST_CHECKS.format(marks=",".join("?" * len(hosts))), [poller, *hosts])
    if services:
        pairs = ",".join(["(?,?)"] * (len(services) // 2))
        rows += reader.connection.execute(_SERVICE_CHECKS.format(pairs=pairs), [poller, *services])
    return {key_of(host, service): None if is_behind else LastCheck(at, kind) for host, service, at, kind, is_behind in rows}


_HOST_CHECKS = (
    "SELECT o.name, '', o.last_check, o.check_type, d.at IS NOT NULL FROM state.host o LEFT JOIN state.dirty d"
    " ON d.poller = o.poller AND d.host_name = o.name AND d.description = '' WHERE o.poller = ? AND o.name IN ({marks})"
)
_SERVICE_CHECKS = (
    "SELECT o.host_name, o.description, o.last_check, o.check_type, d.at IS NOT NULL FROM state.service o LEFT JOIN state.dirty d"
    " ON d.poller = o.poller AND d.host_name = o.host_name AND d.description = o.description"
    " WHERE o.poller = ? AND (o.host_name, o.description) IN (VALUES {pairs})"
)
