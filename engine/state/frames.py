"""What a scanner process sends to the mirror: one scan is Begin, any number of Rows and Gone, at most one Objects, End.

A scan that found nothing to say is a lone Unchanged; one that failed a lone Failed. Frames travel between two
processes of the same program, ≤ 500 rows each, so that neither side ever holds the GIL for long.
"""

from __future__ import annotations

import msgspec

from engine.model import CommentStatus, ContactStatus, DowntimeStatus, Generation, HostStatus, ObjectCache, ObjectKey, ServiceStatus

ROWS_PER_FRAME = 500


class Begin(msgspec.Struct, frozen=True):
    """A scan starts. `first` = the scanner knew nothing before: rows not named until End are gone."""

    poller: int
    generation: Generation
    first: bool


class Objects(msgspec.Struct, frozen=True):
    """The object cache was read again (first scan, program_start or the file changed): it replaces all configuration rows."""

    cache: ObjectCache


class Rows(msgspec.Struct, frozen=True):
    """New or changed rows."""

    hosts: tuple[HostStatus, ...] = ()
    services: tuple[ServiceStatus, ...] = ()
    downtimes: tuple[DowntimeStatus, ...] = ()
    comments: tuple[CommentStatus, ...] = ()
    contacts: tuple[ContactStatus, ...] = ()

    @property
    def kinds(self) -> tuple[tuple[object, ...], ...]:
        """Its fields, in order."""
        return self.hosts, self.services, self.downtimes, self.comments, self.contacts


class Gone(msgspec.Struct, frozen=True):
    """Rows whose blocks are no longer in the file. Downtimes and comments as (is_service, core_id)."""

    objects: tuple[ObjectKey, ...] = ()
    downtimes: tuple[tuple[bool, int], ...] = ()
    comments: tuple[tuple[bool, int], ...] = ()
    contacts: tuple[str, ...] = ()


class End(msgspec.Struct, frozen=True):
    """The scan is whole: `hosts` and `services` count the blocks of the file."""

    poller: int
    hosts: int
    services: int
    took_s: float


class Unchanged(msgspec.Struct, frozen=True):
    """The file is the one already scanned."""

    poller: int


class Failed(msgspec.Struct, frozen=True):
    """No generation could be had. `health` is a word of PollerView.status_file_health, `detail` says what to do."""

    poller: int
    health: str
    detail: str


Frame = Begin | Objects | Rows | Gone | End | Unchanged | Failed


class ScanRequest(msgspec.Struct, frozen=True):
    """Asks for one scan. Of a file not scanned yet the blocks of `forget` are sent even if their bytes are as before (dirty rows
    of the log lane: the file they were in before is older than what the log says).

    `steps_back`: others come first where the processor is short.
    """

    forget: tuple[ObjectKey, ...] = ()
    reread_objects: bool = False
    steps_back: bool = False
