"""Who saw what is no longer configured: a contact hears of an object's end as he heard of the object.

Rules: rows are made when a new configuration takes an object away, from the one it replaces, members of contactgroups by name; they
go when the object comes back, and when no event is kept that is as old. Whoever sees an object that exists is told by rights.py.
"""

from __future__ import annotations

import sqlite3

from engine.model import ObjectCache

_MEMBERS = "SELECT name, host_name FROM group_member WHERE poller = ? AND kind = 'contactgroup'"
_INSERT = "INSERT OR IGNORE INTO former_contact SELECT ?, ?, ?, ?, coalesce(max(seq), 0) FROM event"


def keep(connection: sqlite3.Connection, poller: int, cache: ObjectCache) -> None:
    """Before `cache` replaces what is configured on the poller: note whose objects it takes away."""
    configured = {(host.name, "") for host in cache.hosts} | {(one.host_name, one.description) for one in cache.services}
    known = connection.execute("SELECT host_name, description, kind, name FROM contact_of WHERE poller = ?", (poller,))
    gone = [(host, service, kind, name) for host, service, kind, name in known if (host, service) not in configured]
    members: dict[str, list[str]] = {}
    for group, contact in connection.execute(_MEMBERS, (poller,)) if gone else ():
        members.setdefault(group, []).append(contact)
    for host, service, kind, name in gone:
        contacts = [name] if kind == "contact" else members.get(name, ())
        connection.executemany(_INSERT, [(poller, host, service, contact) for contact in contacts])
    former = connection.execute("SELECT DISTINCT host_name, description FROM former_contact WHERE poller = ?", (poller,)).fetchall()
    back = [(poller, *key) for key in former if key in configured]
    connection.executemany("DELETE FROM former_contact WHERE poller = ? AND host_name = ? AND description = ?", back)


def forget(connection: sqlite3.Connection, oldest: int) -> None:
    """Drop what no event is told by any more. `oldest`: the sequence number of the oldest event there is."""
    connection.execute("DELETE FROM former_contact WHERE seq < ?", (oldest,))


def saw(poller: str, host: str, service: str) -> str:
    """Whether the contact (a parameter) saw the object these SQL expressions name while it was there; a host's saw its services."""
    same = f"f.poller = {poller} AND f.host_name = {host} AND f.description IN ('', {service}) AND f.contact = ?"
    return f"EXISTS (SELECT 1 FROM state.former_contact f WHERE {same})"
