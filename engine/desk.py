"""The front door: what every dialect asks of the engine, and nothing else.

A dialect translates its paths and words into these calls and the values that come back into its own shapes. A desk lives in an
API worker; it reads state.db and journal.db, writes accepted commands into journal.db and pokes the engine process.
Every call takes the caller, whose scope bounds what can be seen or touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from engine.config import Config
from engine.state.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from engine.state.views import Reader

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `author` is what the core is told; `role` is reader, operator or admin."""

    user: str
    author: str
    role: str
    scope: Scope = EVERYTHING
    address: str = ""
    token: str = ""  # the token's public name, never its secret


@dataclass(frozen=True, slots=True)
class Target:
    """A host, or one of its services, by name. `poller` None = find it; on several pollers: Ambiguous."""

    host: str
    service: str | None = None
    poller: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a command's life: the state reached, when (our clock), and what the core wrote that proves it."""

    state: str
    at: float
    evidence: str = ""
    late: bool = False


@dataclass(frozen=True, slots=True)
class Life:
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


@dataclass(frozen=True, slots=True)
class Receipt:
    """What accepting gave: the command, the public id of what it makes, and whether a twin was joined instead."""

    command_id: str
    command: str
    poller: int
    host: str
    service: str | None
    entry_id: int | None
    joined: bool = False
    notes: tuple[str, ...] = ()  # what was changed on the way, e.g. a replaced semicolon


@dataclass(frozen=True, slots=True)
class Entry:
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


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A passive result. `checked_at` None = now."""

    target: Target
    return_code: int
    plugin_output: str
    perf_data: str = ""
    checked_at: float | None = None


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries or commands to list; None = any."""

    kind: str | None = None
    poller: int | None = None
    host: str | None = None
    service: str | None = None
    services: bool | None = None  # True: services' only, False: hosts' only
    present: bool | None = None
    latest_per_object: bool = False
    state: str | None = None  # commands: life state
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page and how many rows there are in all."""

    rows: tuple[T, ...] = ()
    total: int = 0
    facts: dict[str, object] = field(default_factory=dict)


class Desk:
    """See the module. All methods but `open` raise CallerError subclasses for what the caller got wrong."""

    def __init__(self, config: Config) -> None:
        self.config = config

    async def open(self) -> None:
        """Open the databases and start listening for the engine's hints."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close everything `open` opened."""
        raise NotImplementedError

    # --- reading ---------------------------------------------------------------------------------------------------------
    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` on a reader of state.db in a thread and return what it returns."""
        raise NotImplementedError

    async def life(self, caller: Caller, command_id: str) -> Life:
        """One command. Raises UnknownObject."""
        raise NotImplementedError

    async def commands(self, caller: Caller, which: EntryFilter) -> Page[Life]:
        """Commands, newest first."""
        raise NotImplementedError

    async def entries(self, caller: Caller, which: EntryFilter) -> Page[Entry]:
        """Downtimes, acknowledgements or comments, newest id first."""
        raise NotImplementedError

    async def entry(self, caller: Caller, kind: str, entry_id: int) -> Entry:
        """One of them. Raises UnknownObject."""
        raise NotImplementedError

    # --- commanding ------------------------------------------------------------------------------------------------------
    # `hold=False`: raise PollerAway, journalling nothing, when a poller's core is not reading.
    async def schedule_downtime(
        self,
        caller: Caller,
        targets: Sequence[Target],
        *,
        start: float,
        end: float,
        fixed: bool,
        duration: float | None,
        comment: str,
        with_services: bool = False,
        author: str | None = None,
        hold: bool = True,
    ) -> tuple[Receipt, ...]:
        """Downtimes on hosts or services. `duration` in seconds is for flexible ones (None when fixed)."""
        raise NotImplementedError

    async def acknowledge(
        self,
        caller: Caller,
        targets: Sequence[Target],
        *,
        comment: str,
        sticky: bool,
        notify: bool,
        persistent: bool,
        author: str | None = None,
        hold: bool = True,
    ) -> tuple[Receipt, ...]:
        """Acknowledge problems. Raises NotPossible for an object that is OK or UP."""
        raise NotImplementedError

    async def remove_acknowledgement(self, caller: Caller, targets: Sequence[Target], *, hold: bool = True) -> tuple[Receipt, ...]:
        """Take acknowledgements back. Raises NotPossible for an object that is not acknowledged."""
        raise NotImplementedError

    async def add_comment(
        self, caller: Caller, targets: Sequence[Target], *, comment: str, persistent: bool, author: str | None = None, hold: bool = True
    ) -> tuple[Receipt, ...]:
        """Comments on hosts or services."""
        raise NotImplementedError

    async def delete_entry(self, caller: Caller, kind: str, entry_id: int, *, hold: bool = True) -> tuple[Receipt, ...]:
        """Cancel a downtime or delete a comment by its public id; remove an acknowledgement by its public id.

        Raises UnknownObject; NotPossible when it already ended or was cancelled. An unwritten creation is withdrawn instead.
        """
        raise NotImplementedError

    async def schedule_check(
        self, caller: Caller, targets: Sequence[Target], *, at: float | None = None, hold: bool = True
    ) -> tuple[Receipt, ...]:
        """Forced checks, now unless `at` says when."""
        raise NotImplementedError

    async def submit_results(self, caller: Caller, results: Sequence[CheckResult], *, hold: bool = True) -> tuple[Receipt, ...]:
        """Passive check results."""
        raise NotImplementedError

    async def cancel_command(self, caller: Caller, command_id: str) -> Life:
        """Withdraw a command that was not yet written. Raises UnknownObject, NotPossible."""
        raise NotImplementedError

    async def settle(self, caller: Caller, command_ids: Sequence[str], *, until: str, timeout_s: float) -> tuple[Life, ...]:
        """Wait until each command is at least `processed` or (`until="final"`) at its last state; give back all lives.

        Returns when the time is up, too: the lives say how far each came.
        """
        raise NotImplementedError
