"""What goes over the desk: who asks, for what, and what comes back. Plain values, no behaviour.

Times are epoch seconds: by our clock in commands (`Step`, `Life`), by the core's clock in entries.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from engine.journal.accounts import Verb
from engine.state.rights import ContactRights
from engine.state.scope import EVERYTHING, Condition, Scope

T = TypeVar("T")


class Request(msgspec.Struct, frozen=True):
    """A write as it came: for the audit, and for giving a repeat with the same `key` what the first one got.

    `fingerprint` tells requests apart: method, path, query and body; `body` as received. `conflicts`: what such a repeat is told
    of targets besides, see plans.py.
    """

    verb: str
    method: str
    path: str
    body: bytes = b""
    key: str = ""
    fingerprint: bytes = b""
    conflicts: bytes = b""


class Recorded(msgspec.Struct, frozen=True):
    """What the first request with a key got: the operation, as JSON what the desk gave back, and packed its conflicts."""

    operation: str
    answer: bytes
    conflicts: bytes = b""


class Caller(msgspec.Struct, frozen=True):
    """Who asks. `author` is what the core is told; `role` is reader, operator or admin; `verbs` None = all of the role.

    `zone` names the time zone the caller reads times in, "" for UTC. `until`: when the caller is to be verified anew, None for one
    whose token says so itself.
    """

    user: str
    author: str
    role: str
    scope: Scope = EVERYTHING
    address: str = ""
    token: str = ""  # the token's public name, never its secret
    verbs: frozenset[Verb] | None = None
    request: Request | None = None  # the write being asked for
    rights: ContactRights | None = None  # what its core's own configuration lets this contact do; None = it says nothing
    zone: str = ""
    until: float | None = None


class Target(msgspec.Struct, frozen=True):
    """A host, or one of its services, by name. `poller` None = find it; on several pollers: Ambiguous."""

    host: str
    service: str | None = None
    poller: int | None = None


class Step(msgspec.Struct, frozen=True):
    """One step of a command's life: the state reached, when (our clock), and what the core wrote that proves it."""

    state: str
    at: float
    evidence: str = ""
    late: bool = False


class Life(msgspec.Struct, frozen=True):
    """One command and all that is known of it. Times are epoch seconds by our clock."""

    id: str
    command: str
    poller: int
    poller_name: str
    host: str
    service: str | None
    arguments: dict[str, object]
    state: str
    final: bool
    reason: str
    advice: str  # what a person should do next; empty when nothing
    accepted_at: float
    updated_at: float
    deadline_at: float  # a held command is given up then
    user: str
    author: str
    entry_id: int | None  # public id of the downtime, acknowledgement or comment it makes or deletes
    effect_pending: bool  # `processed`, and an effect is still to be proven
    steps: tuple[Step, ...]
    line: str  # the line as written, empty before
    created_core_ids: tuple[int, ...] = ()
    cause: str = ""  # why Signalbox asked for it by itself; empty: somebody asked
    duplicates: int = 0  # how often its line was executed beyond the first time
    operation: str = ""  # the call that made it


class Receipt(msgspec.Struct, frozen=True):
    """What accepting gave: the command, the public id of what it makes, and whether a twin was joined instead.

    As JSON it is kept with an Idempotency-Key.
    """

    command_id: str
    command: str
    poller: int
    host: str
    service: str | None
    entry_id: int | None
    joined: bool = False
    notes: tuple[str, ...] = ()  # what was changed on the way, e.g. a replaced semicolon
    operation: str = ""  # the call that gave it
    withdrawn: bool = False  # nothing was sent yet: the command that would have made it was withdrawn
    repeatable: bool = False  # asking again joins it, or changes nothing
    more_ids: tuple[int, ...] = ()  # of what it makes besides, on other objects


class OperationView(msgspec.Struct, frozen=True):
    """One call that commanded. `storing`: complete, incomplete (nothing of it is sent yet), withdrawing or withdrawn.

    `commands` counts what the caller may see, those joined included; `final` those of them that came to their end; `counts` is by
    life state. Before it is complete, and of what is to be withdrawn, only those joined are counted.
    """

    id: str
    action: str
    user: str
    author: str
    reference: str
    at: float
    storing: str
    commands: int
    joined: int
    final: int
    counts: dict[str, int]


class Entry(msgspec.Struct, frozen=True):
    """A downtime, acknowledgement or comment: ours or anybody's, present or past. `None` = not known or not yet.

    kind: "downtime" | "acknowledgement" | "comment". proof: "accepted" | "processed" | "confirmed" | "seen" (made by
    somebody else). present: it stands in the core now, as far as known. Times by the core's clock.
    """

    id: int
    kind: str
    poller: int
    poller_name: str
    host: str
    service: str | None
    host_id: int | None
    service_id: int | None
    author: str
    comment: str
    proof: str
    present: bool
    entry_time: float
    start_time: float | None = None
    end_time: float | None = None
    fixed: bool | None = None
    duration: float | None = None
    is_in_effect: bool | None = None
    actual_start: float | None = None
    actual_end: float | None = None
    cancelled: bool = False
    deleted_at: float | None = None
    deleted_by: str | None = None
    sticky: bool | None = None
    notify: bool | None = None
    persistent: bool | None = None
    state: int | None = None  # acknowledgements: the object's state when acknowledged
    core_id: int | None = None
    command_id: str | None = None
    reference: str = ""


class CheckResult(msgspec.Struct, frozen=True):
    """A passive result. `checked_at` None = now."""

    target: Target
    return_code: int
    plugin_output: str
    perf_data: str = ""
    checked_at: float | None = None


class EntryFilter(msgspec.Struct, frozen=True):
    """Which entries or commands to list; None = any."""

    kind: str | None = None
    poller: int | None = None
    host: str | None = None
    service: str | None = None
    services: bool | None = None  # True: services' only, False: hosts' only
    present: bool | None = None
    latest_per_object: bool = False
    state: str | None = None  # commands: life state
    reference: str | None = None  # entries: exactly this one
    operation: str | None = None  # commands: of this one
    condition: Condition | None = None  # entries: a search over entry_fields.ENTRIES
    order: str = ""  # entries: a list of search.order over the same; else newest id first
    limit: int = 100
    offset: int = 0


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page and how many rows there are in all."""

    rows: tuple[T, ...] = ()
    total: int = 0
    facts: dict[str, object] = msgspec.field(default_factory=dict)
