"""Names to objects: which poller owns a target, within the caller's scope. Out of scope equals unknown, also in near matches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

import msgspec
import orjson
from msgspec import structs
from msgspec.structs import replace

from engine.commands.row import Subject
from engine.commands.wire import check_name
from engine.config import Poller
from engine.desk.values import Target
from engine.errors import Ambiguous, StatusFileStale, UnknownHost, UnknownPoller, UnknownService
from engine.model import HostStatus, ObjectKey, PollerView, ServiceStatus
from engine.state.scope import EVERYTHING, Scope
from engine.state.views import NotBrief, Reader

T = TypeVar("T")


class Glance(NamedTuple):
    """Of an object's row what a command may depend on: of thousands of objects nobody reads more. See ServiceStatus."""

    state: int
    has_been_checked: int
    acknowledged: int
    scheduled_downtime_depth: int
    last_state_change: float
    last_check: float
    checks_enabled: int


_GLANCE = ", ".join(f"o.{column}" for column in Glance._fields)
_AHEAD = (
    "FROM json_each(?) n CROSS JOIN state.poller p CROSS JOIN state.{table} o ON o.poller = p.number AND {same} ORDER BY o.poller"
)
_HOSTS = f"SELECT o.name, NULL, o.poller, {_GLANCE} {_AHEAD.format(table='host', same='o.name = n.value')}"
_SERVICES = f"SELECT o.host_name, o.description, o.poller, {_GLANCE} " + _AHEAD.format(
    table="service", same="o.host_name = n.value ->> 0 AND o.description = n.value ->> 1"
)
_HOST = f"SELECT o.poller, {_GLANCE} FROM state.host o WHERE o.name = ?"
_SERVICE = f"SELECT o.poller, {_GLANCE} FROM state.service o WHERE o.host_name = ? AND o.description = ?"


class Named(msgspec.Struct, Generic[T], frozen=True):
    """A work for a reader that says which objects it looks up by name: those of many works are looked up together."""

    targets: Sequence[Target]
    scope: Scope
    work: Callable[[Reader], T]

    def __call__(self, reader: Reader) -> T:
        """Do it."""
        return self.work(reader)


def look_ahead(reader: Reader, works: Iterable[object]) -> None:
    """Look up what the works name, for those who may see everything: each question lets go of the interpreter."""
    asked = [target for work in works if isinstance(work, Named) and work.scope == EVERYTHING for target in work.targets]
    names = {(target.host, target.service) for target in asked if target.poller is None and _is_plain(target)}
    if len(names) < 2:
        return
    reader.ahead = {name: [] for name in names}
    hosts = [host for host, service in names if service is None]
    services = [name for name in names if name[1] is not None]
    for query, of in ((_HOSTS, hosts), (_SERVICES, services)):
        if of:
            for host, service, number, *seen in reader.connection.execute(query, [orjson.dumps(of).decode()]).fetchall():
                reader.ahead[host, service].append((number, Glance._make(seen)))


def _is_plain(target: Target) -> bool:
    """JSON holds its names as they are."""
    name = f"{target.host}{target.service or ''}"
    return name.isascii() and name.isprintable()


class Found(NamedTuple):
    """A target's object as the mirror has it, with its poller. `row` is None when only the journal still knows the object."""

    key: ObjectKey
    poller: Poller
    view: PollerView | None
    row: HostStatus | ServiceStatus | Glance | None
    services: tuple[str, ...] = ()  # a host's, when asked for
    name: str = ""  # of a group or contact; then the key's host is ""
    members: tuple[ObjectKey, ...] = ()  # on whom a command acts, when asked for
    contacts: tuple[str, ...] = ()  # likewise, of a contactgroup

    @property
    def label(self) -> str:
        """The object in a sentence."""
        if not self.key.host:
            return self.name or self.poller.name
        return f"{self.key.host} / {self.key.service}" if self.key.service is not None else self.key.host

    @property
    def clock_offset_s(self) -> float:
        """The core's clock minus ours."""
        return self.view.clock_offset_s if self.view is not None else 0.0


@dataclass(slots=True)
class Resolver:
    """Resolves the targets of one call over one reader. `brief`: raises NotBrief instead of looking for what is to be said."""

    reader: Reader
    scope: Scope
    pollers: Mapping[int, Poller]
    brief: bool = False
    _views: dict[int, PollerView | None] = field(default_factory=dict)

    def all(self, targets: Iterable[Target], *, with_services: bool = False) -> list[Found]:
        """Every target's object, in order. Raises UnknownPoller, UnknownHost, UnknownService, Ambiguous, InvalidField."""
        return [self.one(target, with_services=with_services) for target in targets]

    def one(self, target: Target, *, with_services: bool = False) -> Found:
        """One target's object."""
        check_name(target.host, "host")
        if target.service is not None:
            check_name(target.service, "service")
        if target.poller is not None and self._view(target.poller) is None:
            if self.brief:
                raise NotBrief
            raise self._unknown_poller(target.poller)
        seen = self._seen(target)
        if len(seen) != 1:
            raise self._unfound(target, [number for number, _ in seen])
        ((number, glance),) = seen
        key = ObjectKey(number, target.host, target.service)
        services = self.reader.service_names(number, target.host) if with_services and target.service is None else ()
        return Found(key, self.pollers[number], self._view(number), glance, services)

    def stored(self, key: ObjectKey) -> Found:
        """The object of an entry the caller may see. Raises UnknownPoller when its poller is no longer configured."""
        if key.poller not in self.pollers:
            raise UnknownPoller(f"Poller {key.poller} is no longer configured.", poller=key.poller)
        row = self.reader.object_row(key.poller, key.host, key.service)
        return Found(key, self.pollers[key.poller], self._view(key.poller), row)

    def visible(self) -> dict[int, PollerView]:
        """The configured pollers within scope, by number."""
        return {view.number: view for view in self.reader.pollers(self.scope) if view.number in self.pollers}

    def core(self, number: int) -> PollerView | None:
        """One of them."""
        return self._view(number)

    def hosts_in_scope(self, poller: int, *, as_contact: bool) -> set[str]:
        """A poller's hosts, by name, that the caller may see; not `as_contact`: of his hostgroups, whatever he is a contact of."""
        scope = self.scope if as_contact else replace(self.scope, rights=None)
        where, values = scope.sql("h.poller", "h.name")
        query = f"SELECT h.name FROM state.host h WHERE h.poller = ? AND ({where})"
        return {name for (name,) in self.reader.connection.execute(query, [poller, *values])}

    def sees_of_group(self, poller: int, kind: Subject, name: str) -> bool:
        """The caller may see a member of that hostgroup or servicegroup."""
        service = "m.service_description" if kind is Subject.SERVICEGROUP else None
        where, values = self.scope.sql("m.poller", "m.host_name", service)
        query = f"SELECT 1 FROM state.group_member m WHERE m.poller = ? AND m.kind = ? AND m.name = ? AND ({where}) LIMIT 1"
        return self.reader.connection.execute(query, [poller, kind.value, name, *values]).fetchone() is not None

    def _view(self, number: int) -> PollerView | None:
        if number not in self.pollers:
            return None
        if number not in self._views:
            self._views[number] = self.reader.poller(self.scope, number)
        return self._views[number]

    def _seen(self, target: Target) -> list[tuple[int, Glance]]:
        """The object on each poller that has it, by number."""
        if target.poller is None and self.reader.ahead and self.scope == EVERYTHING:
            known = self.reader.ahead.get((target.host, target.service))
            if known is not None:
                return [one for one in known if one[0] in self.pollers]
        where, values = self.scope.sql("o.poller", *(("o.name",) if target.service is None else ("o.host_name", "o.description")))
        on = "o.poller IN (SELECT number FROM state.poller)" if target.poller is None else "o.poller = ?"
        given = [] if target.poller is None else [target.poller]
        names = [target.host] if target.service is None else [target.host, target.service]
        query = _HOST if target.service is None else _SERVICE
        found = self.reader.connection.execute(f"{query} AND {on} AND {where} ORDER BY o.poller", [*names, *given, *values])
        return [(number, Glance(*seen)) for number, *seen in found if number in self.pollers]

    def _unfound(self, target: Target, numbers: Sequence[int]) -> UnknownHost | UnknownService | StatusFileStale | Ambiguous:
        """Why a target is not one object; `numbers`: of the pollers that have it."""
        if self.brief:
            raise NotBrief
        if numbers:
            return self._ambiguous(target, numbers)
        if target.service is None or not self._seen(structs.replace(target, service=None)):
            return self._unknown_host(target)
        near = self.reader.near_services(self.scope, target.host, target.service)
        message = f"{target.host} has no service {target.service!r}.{_perhaps(near)}"
        return UnknownService(message, host=target.host, service=target.service, near=list(near))

    def _unknown_host(self, target: Target) -> UnknownHost | StatusFileStale:
        by_number = Scope(pollers=self.scope.pollers)  # group members are not known before the first status file either
        views = [view for view in self.reader.pollers(by_number) if target.poller in (None, view.number)]
        if any(not view.generation for view in views):
            unseen = [view.name for view in self.reader.pollers(self.scope) if not view.generation]
            return StatusFileStale(
                f"Not every status file has been read yet, so {target.host} may stand in one of them: ask again in a moment,"
                " and see the pollers' health if it stays so.",
                host=target.host,
                pollers=unseen,
            )
        near = self.reader.near_hosts(self.scope, target.host)
        return UnknownHost(f"There is no host {target.host!r}.{_perhaps(near)}", host=target.host, near=list(near))

    def _unknown_poller(self, number: int) -> UnknownPoller:
        known = [{"number": view.number, "name": view.name} for view in self.reader.pollers(self.scope)]
        names = ", ".join(f"{poller['number']} ({poller['name']})" for poller in known)
        return UnknownPoller(f"There is no poller {number}. There are: {names or 'none'}.", poller=number, pollers=known)

    def _ambiguous(self, target: Target, numbers: Sequence[int]) -> Ambiguous:
        names = [self.pollers[number].name for number in numbers]
        return Ambiguous(
            f"{target.host} stands on {', '.join(names)}: say which with poller=.",
            host=target.host,
            pollers=[{"number": number, "name": name} for number, name in zip(numbers, names, strict=True)],
        )


def is_behind(reader: Reader, scope: Scope, pollers: Mapping[int, Poller]) -> bool:
    """True when a core has written a status file or object cache that the mirror has not read yet.

    A name unknown now may stand in it: a core that has just been reloaded writes both at once. A mirror that was made a moment ago
    does not even know its pollers.
    """
    read_at = {view.number: view.read_at for view in reader.pollers(scope)}
    seen = (number for number in pollers if scope.pollers is None or number in scope.pollers)
    return any(_written_at(pollers[number]) > read_at.get(number, 0.0) for number in seen)


def _written_at(poller: Poller) -> float:
    newest = 0.0
    for path in (poller.status_file, poller.object_cache_file):
        try:
            newest = max(newest, path.stat().st_mtime if path is not None else 0.0)
        except OSError:
            continue
    return newest


def _perhaps(near: Sequence[str]) -> str:
    return f" Perhaps: {', '.join(near)}?" if near else " See the list of objects for the right name."
