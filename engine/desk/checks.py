"""What can be judged of a request by itself: may this caller command, is the window one, how old is the view. Pure.

The call's moment comes in as `Asked.now`; whatever a core will judge is judged by that core's clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from engine.commands.catalogue import Row
from engine.config import Settings
from engine.desk.resolve import Found
from engine.desk.values import Caller
from engine.errors import Forbidden, InvalidField

_EARLIEST, _LATEST = 946_684_800, 4_102_444_800  # years 2000 and 2100: Centreon Engine clamps there, the others wrap later
_LONGEST_DURATION_S = 366 * 86400  # Centreon Engine clamps flexible durations there
_LONGEST_REFERENCE = 200  # characters


class Asked(msgspec.Struct, frozen=True):
    """By whom and when, for all orders of one call. `author` is what the core is told; `now` is by our clock.

    `reference` (a change number, say) is kept with what is made; `force`: a twin is made again instead of joined. `checked`
    remembers what was found good once, so that it is not looked at again for each of thousands of targets (see orders.py).
    """

    caller: Caller
    author: str
    now: float
    settings: Settings
    reference: str = ""
    force: bool = False
    checked: dict[tuple[object, ...], Any] = msgspec.field(default_factory=dict)


class Window(NamedTuple):
    """A downtime's window: whole seconds by the core's clock. `duration` counts for flexible ones."""

    start: int
    end: int
    fixed: bool
    duration: int
    notes: tuple[str, ...] = ()


def asked(caller: Caller, author: str | None, now: float, settings: Settings, reference: str = "", force: bool = False) -> Asked:
    """Raises Forbidden: a reader commands nothing, and only an admin speaks for somebody else."""
    if caller.role not in ("operator", "admin"):
        raise Forbidden(f"{caller.user} is a {caller.role} and may not send commands: ask an operator.", right="command")
    if author is not None and author != caller.author and caller.role != "admin":
        raise Forbidden(f"Only an admin may name another author than {caller.author}: leave author out.", right="author")
    return Asked(caller, author if author is not None else caller.author, now, settings, check_reference(reference), force)


def check_reference(reference: str) -> str:
    """Raises InvalidField for what nobody could find again."""
    if len(reference) > _LONGEST_REFERENCE or not reference.isprintable() or reference != reference.strip():
        raise InvalidField(
            f"reference must be at most {_LONGEST_REFERENCE} printable characters, none of them blank at an end.", field="reference"
        )
    return reference


def check_allowed(row: Row, caller: Caller, settings: Settings) -> None:
    """Raises Forbidden for a dangerous command unless the configuration names it *and* the caller is an admin."""
    if not row.danger:
        return
    if row.name not in settings.dangerous_commands:
        raise Forbidden(
            f"{row.name} is not allowed here: {row.danger}. Who runs this service can name it in dangerous_commands.",
            right="dangerous_commands", command=row.name,
        )  # fmt: skip
    if caller.role != "admin":
        raise Forbidden(f"{row.name} is for admins only: {row.danger}.", right="admin", command=row.name)


def window(start: float, end: float, fixed: bool, duration: float | None) -> Window:
    """Raises InvalidField for what no core would schedule, whatever the time is."""
    first, last = second(start, "start"), second(end, "end")
    if last <= first:
        raise InvalidField("end must lie after start (by a second at least).", field="end", start=first, end=last)
    if fixed:
        notes = ("duration does not count for a fixed downtime: it lasts from start to end.",)
        is_other = duration is not None and abs(duration - (last - first)) > 1
        return Window(first, last, True, last - first, notes if is_other else ())
    if duration is None:
        raise InvalidField("A flexible downtime needs a duration: say how long it lasts once it has begun.", field="duration")
    if not math.isfinite(duration) or not 1 <= duration <= _LONGEST_DURATION_S:
        raise InvalidField(f"duration must be 1 to {_LONGEST_DURATION_S} seconds.", field="duration")
    return Window(first, last, False, int(duration))


def second(value: float, field: str) -> int:
    """A time as whole epoch seconds. Raises InvalidField outside the years cores agree on."""
    if isinstance(value, bool) or not math.isfinite(value) or not _EARLIEST <= value < _LATEST:
        raise InvalidField(f"{field} must be a time from 2000 to 2099.", field=field)
    return int(value)


def core_now(who: Asked, found: Found) -> float:
    """The moment of the call by the clock of the object's core."""
    return who.now + found.clock_offset_s


def fresh_age(who: Asked, found: Found) -> float | None:
    """The view's age in seconds by the core's clock; None when it is too old (or not there) to refuse anything by it."""
    view = found.view
    if view is None or not view.generation:
        return None
    age_s = max(0.0, core_now(who, found) - view.created)
    return age_s if age_s <= who.settings.stale_after_intervals * view.status_update_interval_s else None


def check_some(values: Sequence[object], field: str) -> None:
    """Raises InvalidField where nothing is named."""
    if not values:
        raise InvalidField(f"{field} is empty: name at least one.", field=field)
