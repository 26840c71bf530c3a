"""What each kind of core does with a command, where kinds differ in ways that matter to us.

**Source** for every row: facts measured on Nagios 4.4.6, Naemon 1.5.2 and Icinga 2.13.6, read in source for the others.
"""

from __future__ import annotations

import msgspec

from engine.model import CoreKind


class Profile(msgspec.Struct, frozen=True):
    """Differences between kinds of core."""

    echo_has_bracket: bool  # the log shows the raw line, timestamp included
    cuts_downtime_comment: bool  # a downtime's comment ends at its first `;`
    bracket_is_entry_time: bool  # downtimes, user comments and passive results carry our timestamp, else the moment of receipt
    host_services_downtime_includes_host: bool
    persists_at_once: bool  # what was executed survives kill -9 of the core, so absence proves "never executed"
    unescapes_output: bool  # `\n` and `\\` in passive output are turned back
    whole_numbers_only: bool  # what stands behind the point of an interval is refused or cut off
    logs_late: bool  # its log is flushed every second, not line by line
    mark_overdue_s: float  # end mark later than this: push it out with a lone mark


_NAGIOS = Profile(
    echo_has_bracket=False,
    cuts_downtime_comment=True,
    bracket_is_entry_time=True,
    host_services_downtime_includes_host=False,
    persists_at_once=False,
    unescapes_output=True,
    whole_numbers_only=True,
    logs_late=False,
    mark_overdue_s=0.25,
)

_NAEMON = Profile(
    echo_has_bracket=False,
    cuts_downtime_comment=False,
    bracket_is_entry_time=True,
    host_services_downtime_includes_host=False,
    persists_at_once=False,
    unescapes_output=True,
    whole_numbers_only=True,
    logs_late=False,
    mark_overdue_s=0.25,
)

_ICINGA2 = Profile(
    echo_has_bracket=True,
    cuts_downtime_comment=False,
    bracket_is_entry_time=False,
    host_services_downtime_includes_host=True,
    persists_at_once=True,
    unescapes_output=False,
    whole_numbers_only=False,
    logs_late=True,
    mark_overdue_s=2.5,
)

PROFILES: dict[CoreKind, Profile] = {
    CoreKind.NAGIOS: _NAGIOS,
    CoreKind.NAEMON: _NAEMON,
    CoreKind.ICINGA1: _NAGIOS,
    CoreKind.ICINGA2: _ICINGA2,
    CoreKind.CENTREON: _NAGIOS,
}
