"""The fields a search of downtimes, acknowledgements and comments may name, over the alias `e` of the journal's entries. Pure data.

Rules as in engine/state/fields.py. `host.X` and `service.X` are about the object as it is now; its names are the entry's own, so
that an entry is found when its object is gone. An author is text to a core: a user of ours is one whose author, or else whose name,
it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.state.fields import (
    HOST_VARIABLE,
    HOSTS,
    POLLER_WORDS,
    SERVICE_VARIABLE,
    SERVICES,
    Field,
    Link,
    Table,
    Type,
    Variables,
    below,
    guarded,
    names_others,
    of_its_host,
)

# Of several users who use one author's name the first stands for it.
AUTHOR_ID = (
    "coalesce((SELECT min(u.id) FROM journal.user u WHERE u.author = {0}), (SELECT u.id FROM journal.user u WHERE u.name = {0}))"
)
_AUTHOR_ID = AUTHOR_ID.format("e.author")
_TO_HOST = Link("e.poller, e.host", "h.poller, h.name", "state.host h", to_many=False)
_TO_SERVICE = Link("e.poller, e.host, e.service", "s.poller, s.host_name, s.description", "state.service s", to_many=False)


def _known(prefix: str, fields: Mapping[str, Field]) -> dict[str, Field]:
    """Those of the object itself, by their names without the prefix."""
    own = {name.removeprefix(prefix): field for name, field in fields.items() if name.startswith(prefix)}
    return {name: field for name, field in own.items() if not names_others(field)}


ENTRIES = Table(
    {
        **of_its_host(_TO_HOST, _known("host.", HOSTS.fields)),
        **{f"service.{name}": below(_TO_SERVICE, field) for name, field in _known("service.", SERVICES.fields).items()},
        "id": Field("e.id", Type.INTEGER),
        "host.name": Field("e.host"),
        "service.description": Field("nullif(e.service, '')"),
        "poller.id": Field("e.poller", Type.INTEGER),
        "poller.name": Field("(SELECT p.name FROM state.poller p WHERE p.number = e.poller)"),
        "author": Field("e.author"),
        "author_id": Field(_AUTHOR_ID, Type.INTEGER),
        "author_name": Field(f"coalesce((SELECT u.name FROM journal.user u WHERE u.id = {_AUTHOR_ID}), e.author)"),
        "comment": Field("e.comment"),
        "reference": Field("e.reference"),
        "proof": Field("e.proof"),
        "is_present": Field("e.present <> 0", Type.FLAG),
        "is_service": Field("e.service <> ''", Type.FLAG),
        "entry_time": Field("nullif(e.entry_time, 0)", Type.TIME),
        "start_time": Field("e.start_time", Type.TIME),
        "end_time": Field("e.end_time", Type.TIME),
        "actual_start_time": Field("e.actual_start", Type.TIME),
        "actual_end_time": Field("e.actual_end", Type.TIME),
        "deletion_time": Field("e.deleted_at", Type.TIME),
        "duration": Field("iif(e.fixed <> 0, e.end_time - e.start_time, e.duration)", Type.REAL),
        "is_fixed": Field("e.fixed <> 0", Type.FLAG),
        "is_cancelled": Field("e.cancelled <> 0", Type.FLAG),
        "is_sticky": Field("e.sticky <> 0", Type.FLAG),
        "is_notified": Field("e.notify <> 0", Type.FLAG),
        "is_persistent": Field("e.persistent <> 0", Type.FLAG),
        "state": Field("e.object_state", Type.INTEGER),
    },
    ("e.id DESC",),
)


_NAMES = {
    "host": "host.name",
    "service": "service.description",
    "hostgroup": "host.hostgroup",
    "servicegroup": "service.servicegroup",
    "present": "is_present",
    "start": "start_time",
    "end": "end_time",
    "expire": "end_time",
    "fixed": "is_fixed",
    "actual_start": "actual_start_time",
    "actual_end": "actual_end_time",
    "deleted_at": "deletion_time",
    "cancelled": "is_cancelled",
    "sticky": "is_sticky",
    "notify": "is_notified",
    "persistent": "is_persistent",
}
_OF_USERS = {"author_id", "author_name"}
_POLLER_NAME = Field(f"coalesce({ENTRIES.fields['poller.name'].sql}, CAST(e.poller AS TEXT))")
LISTED = Table(
    {
        **{name: field for name, field in ENTRIES.fields.items() if name not in _OF_USERS},
        **{name: ENTRIES.fields[of] for name, of in _NAMES.items()},
        "poller": Field("pw.word", links=(Link("e.poller", "pw.number", f"{POLLER_WORDS} pw"),), sorts=_POLLER_NAME.sql),
        **dict.fromkeys(("poller.name", "poller_name"), _POLLER_NAME),
        "duration": Field("e.duration", Type.REAL),
        "is_in_effect": Field("e.is_in_effect <> 0", Type.FLAG),
        "deleted_by": Field("e.deleted_by"),
        "core_id": Field("e.core_id", Type.INTEGER),
        "command_id": Field("e.command_id"),
    },
    ENTRIES.tie,
    (
        Variables(("host._", "host.variable."), HOST_VARIABLE, (guarded(_TO_HOST),)),
        Variables(("service._", "service.variable."), SERVICE_VARIABLE, (_TO_SERVICE,)),
    ),
)
"""The same by the names of the native lists' items. Who of our users an author is, is not shown there, and not found."""
