"""Who reads the stream of events and what of it: filter, scope, and how things are said. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from engine.desk.values import Caller
from engine.state.events import Event
from engine.state.scope import EVERYTHING, Scope


class Which(msgspec.Struct, frozen=True):
    """What a reader asked for; None = anything. `states` are (of a service?, the core's number), and then only events with one."""

    kinds: frozenset[str] | None = None
    poller: int | None = None
    hostgroup: str | None = None
    host: str | None = None
    service: str | None = None
    states: frozenset[tuple[bool, int]] | None = None

    def takes(self, event: Event) -> bool:
        """Whether the event was asked for."""
        return (
            (self.kinds is None or event.kind in self.kinds)
            and (self.poller is None or event.poller == self.poller)
            and (self.host is None or event.host == self.host)
            and (self.service is None or event.service == self.service)
            and (self.hostgroup is None or (bool(event.host) and self.hostgroup in event.hostgroups))
            and (self.states is None or self._takes_state(event))
        )

    def _takes_state(self, event: Event) -> bool:
        """Before its first check an object is in none, whatever number stands there."""
        is_known = event.state is not None and event.said.get("checked", True)
        return bool(is_known) and (event.service is not None, event.state) in (self.states or ())


class Wording(Protocol):
    """How a dialect says things. Hashable: readers of one wording share bytes. `at` is the place in the stream, "" for none."""

    def event(self, event: Event, pollers: Mapping[int, str], at: str) -> bytes:
        """One event."""

    def beat(self, at: str) -> bytes:
        """That nothing happened."""

    def sign(self, name: str, why: str, at: str) -> bytes:
        """Something about the stream itself: begins, snapshot_begins, snapshot_ends, reset, end."""


Sight = frozenset[tuple[int, str, str]]
"""Objects a contact sees: poller, host, service or ""."""


class Audience(msgspec.Struct, frozen=True):
    """Readers who get the same bytes. `user` is "" where the scope is everything, else who sees commands on groups that he sent."""

    scope: Scope
    user: str
    which: Which
    wording: Wording

    def sees(self, event: Event, sight: Sight | None = None) -> bool:
        """Within scope, by what was true when it happened, and asked for. `sight`: what of the page's a contact sees now."""
        if not self.which.takes(event):
            return False
        if event.kind == "command" and not event.host:
            is_near = not event.poller or Scope(pollers=self.scope.pollers).allows(event.poller, ())
            return not self.user or (event.user == self.user and is_near)
        is_seen = sight is None or not event.host or (event.poller, event.host, event.service or "") in sight
        return is_seen and self.scope.allows(event.poller, event.hostgroups)


def audience_of(caller: Caller, which: Which, wording: Wording) -> Audience:
    """The audience a caller belongs to."""
    return Audience(caller.scope, "" if caller.scope == EVERYTHING else caller.user, which, wording)
