"""The small pictures beside a name: how an object is, where its notes are, what it looks like. Programs read their names and words.

Source: Nagios 4.4.6 cgi/status.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from markupsafe import Markup

from api.cgi.links import expanded


class Icon(msgspec.Struct, frozen=True):
    """`is_outside`: it leads elsewhere, in a window of its own; `cell` is written as programs look for it."""

    src: str
    alt: str
    title: str
    anchor: str = ""
    is_outside: bool = False
    cell: str = "ALIGN=center"

    @property
    def is_own_line(self) -> bool:
        """Those the configuration puts there end a line."""
        return self.is_outside or self.src.startswith("logos/")


class Seen(NamedTuple):
    """Of a host's or service's row what the lists show."""

    state: int
    has_been_checked: int
    acknowledged: int
    scheduled_downtime_depth: int
    last_check: float
    last_state_change: float
    current_attempt: int
    max_check_attempts: int
    plugin_output: str
    next_check: float
    checks_enabled: int
    accept_passive_checks: int
    notifications_enabled: int
    is_flapping: int
    should_be_scheduled: int


class Extras(NamedTuple):
    """What the configuration puts beside a name; "" for what it does not."""

    notes_url: str
    action_url: str
    icon_image: str
    icon_image_alt: str

    def named(self, host: str, address: str, service: str | None = None) -> Extras:
        """The same with the macros that name the object."""
        if "$" not in self.notes_url and "$" not in self.action_url:
            return self
        macros = {"HOSTNAME": host, "HOSTADDRESS": address, "SERVICEDESC": service or ""}
        return self._replace(notes_url=expanded(self.notes_url, macros), action_url=expanded(self.action_url, macros))


NO_EXTRAS = Extras("", "", "", "")


def icons(
    seen: Seen, comments: int, kind: str, link: Markup, extras: Extras = NO_EXTRAS, *, beside: bool = False
) -> tuple[Icon, ...]:
    """`beside`: of a host beside its services, which is worded otherwise."""
    return (*_states(seen, comments, kind, link, beside), *extra_icons(extras, kind, link))


def extra_icons(extras: Extras, kind: str, link: Markup) -> Iterator[Icon]:
    """Notes, actions, picture."""
    yield from outside(extras, kind)
    if extras.icon_image:
        yield logo(extras, kind, link)


def outside(extras: Extras, kind: str) -> Iterator[Icon]:
    """Notes and actions."""
    if extras.notes_url:
        words = f"View Extra {kind.title()} Notes"
        yield Icon("notes.gif", words, words, extras.notes_url, is_outside=True, cell="align=center")
    if extras.action_url:
        words = f"Perform Extra {kind.title()} Actions"
        yield Icon("action.gif", words, words, extras.action_url, is_outside=True, cell="align=center")


def logo(extras: Extras, kind: str, link: Markup) -> Icon:
    """The object's own picture."""
    cell = "align=center" if kind == "host" else "ALIGN=center"
    return Icon(f"logos/{extras.icon_image}", extras.icon_image_alt, extras.icon_image_alt, link, cell=cell)


def _states(seen: Seen, comments: int, kind: str, link: Markup, beside: bool) -> Iterator[Icon]:
    taken = f"This {kind} problem has been acknowledged"
    ack = [Icon("ack.gif", taken, taken, link + "#comments")] if seen.acknowledged else []
    said = f"This {kind} has {comments} comment{'' if comments == 1 else 's'} associated with it"
    comment = [Icon("comment.gif", said, said, link + "#comments")] if comments else []
    yield from ack + comment if kind == "host" else comment + ack
    told, checked = _told(seen, kind, link), _checked(seen, kind, link, beside)
    yield from told + checked if kind == "host" else checked + told  # in the originals' order
    if seen.is_flapping:
        words = f"This {kind} is flapping between states"
        yield Icon("flapping.gif", words, words, link)
    if seen.scheduled_downtime_depth > 0:
        words = f"This {kind} is currently in a period of scheduled downtime"
        yield Icon("downtime.gif", words, words, link)


def _told(seen: Seen, kind: str, link: Markup) -> list[Icon]:
    words = f"Notifications for this {kind} have been disabled"
    return [] if seen.notifications_enabled else [Icon("ndisabled.gif", words, words, link)]


def _checked(seen: Seen, kind: str, link: Markup, beside: bool) -> list[Icon]:
    if seen.checks_enabled:
        return []
    this = "this host" if kind == "host" else "the service"
    both = f"Active and passive checks have been disabled for this {kind}"
    both = "Active and passive checks of this host have been disabled" if kind == "host" and beside else both
    one = f"Active checks of {this} have been disabled - only passive checks are being accepted"
    alt = one if seen.accept_passive_checks else both
    title = "Checks of this host have been disabled" if kind == "host" and beside else alt
    return [Icon("passiveonly.gif" if seen.accept_passive_checks else "disabled.gif", alt, title, link)]
