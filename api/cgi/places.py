"""Where a cmd.cgi request leads: the pollers that have its target, and public ids for the ids that pages show.

Ids: a number from 2^32 on is a public id. A smaller one is the core's own, as the originals show them; of several cores that have
it, `poller` says which.
"""

from __future__ import annotations

import msgspec

from api.cgi.commands import CgiCommand
from engine.commands.catalogue import CATALOGUE
from engine.commands.row import GROUPS, Subject
from engine.config import Poller
from engine.desk import Caller, Desk, Target
from engine.desk.resolve import Resolver
from engine.desk.rights import may_command
from engine.errors import Ambiguous, Forbidden, UnknownObject, UnknownPoller
from engine.model import ObjectKey
from engine.state.members import pollers_with
from engine.state.views import Reader

PUBLIC = 1 << 32


class Place(msgspec.Struct, frozen=True):
    """One poller a command goes to: its core's clock minus ours, and the caller's alias as a contact there ("" for none)."""

    poller: Poller
    clock_offset_s: float = 0.0
    alias: str = ""


async def places_of(desk: Desk, caller: Caller, command: CgiCommand, names: dict[str, str], poller: str) -> list[Place]:
    """The pollers that have the target and where the caller may command it.

    Raises Forbidden, UnknownHost, UnknownService, UnknownObject, UnknownPoller, Ambiguous, InvalidField.
    """
    pollers = {one.number: one for one in desk.config.pollers}

    def find(reader: Reader) -> list[Place]:
        resolver = Resolver(reader, caller.scope, pollers)
        number = poller_number(resolver, poller)
        if command.subject in (Subject.HOST, Subject.SERVICE):
            service = names["service"] if command.subject is Subject.SERVICE else None
            keys = [resolver.one(Target(names["host"], service, number)).key]
        elif command.subject in GROUPS:
            group = names[command.subject.value]
            having = [one for one in pollers_with(reader, command.subject, group) if one in resolver.visible()]
            sees = not caller.scope.is_limited or any(resolver.sees_of_group(one, command.subject, group) for one in having)
            if not sees or not having or number not in (None, *having):
                raise UnknownObject(f"There is no {command.subject.value} {group!r}.")
            keys = [ObjectKey(one, "") for one in having if number in (None, one)]
        else:
            visible = sorted(resolver.visible())
            if number is None and len(visible) != 1:
                raise Ambiguous("The command is for a whole core: say which with poller=.", pollers=visible)
            keys = [ObjectKey(visible[0] if number is None else number, "")]
        for key in keys:
            name = names.get(command.subject.value, "") if command.subject in GROUPS else ""
            if caller.rights is not None and not may_command(reader, caller.rights, CATALOGUE[command.name], key, name):
                raise Forbidden(f"Not for the contact {caller.rights.contact}, says the core's CGI configuration.", right="contact")
        return [place(reader, caller, pollers[key.poller]) for key in keys]

    return await desk.find(caller, find)


def poller_number(resolver: Resolver, poller: str) -> int | None:
    """The poller of that number or name, None where none is named. Raises UnknownPoller."""
    if not poller:
        return None
    for number, view in resolver.visible().items():
        if poller in (str(number), view.name):
            return number
    raise UnknownPoller(f"There is no poller {poller!r}.", poller=poller)


def place(reader: Reader, caller: Caller, poller: Poller) -> Place:
    """That poller, as the caller finds it."""
    view = reader.poller(caller.scope, poller.number)
    query = "SELECT alias FROM state.contact WHERE poller = ? AND name = ?"
    row = reader.connection.execute(query, (poller.number, caller.user)).fetchone() if caller.rights is not None else None
    return Place(poller, view.clock_offset_s if view is not None else 0.0, row[0] if row is not None else "")


async def entry_id(desk: Desk, caller: Caller, kind: str, number: int, poller: str, subject: Subject | None) -> int:
    """The public id of a downtime or comment that stands. Raises UnknownObject, UnknownPoller, Ambiguous."""
    pollers = {one.number: one for one in desk.config.pollers}

    def find(reader: Reader) -> int:
        on = poller_number(Resolver(reader, caller.scope, pollers), poller)
        seen, values = caller.scope.sql("e.poller", "e.host", "e.service")
        what = {Subject.HOST: "e.service = ''", Subject.SERVICE: "e.service <> ''", None: "1"}[subject]
        which = "e.id = ?" if number >= PUBLIC else "e.core_id = ?"
        query = f"SELECT e.id, e.poller FROM journal.entry e WHERE e.kind = ? AND {which} AND e.present = 1 AND {what} AND ({seen})"
        found = [(id, number) for id, number in reader.connection.execute(query, [kind, number, *values]) if on in (None, number)]
        if len(found) > 1:
            raise Ambiguous(f"Several cores have a {kind} {number}: say which with poller=.", pollers=[one for _, one in found])
        if not found:
            raise UnknownObject(f"There is no such {kind}.", kind=kind, id=number)
        return int(found[0][0])

    return await desk.find(caller, find)
