"""Where `signalbox commands` finds commands: over the API of a running Signalbox, or in the data folder.

Both give the JSON objects of `GET /v1/commands`, so that what is printed does not depend on the way.
"""

from __future__ import annotations

import asyncio
import builtins
import getpass
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import msgspec
import orjson
from msgspec import structs
from msgspec.structs import replace

from api.native.commands import command_of
from api.render import rfc3339
from engine.config import Config
from engine.desk import Audited, AuditFilter, Caller, Desk, EntryFilter, Life, Request
from engine.desk.audit import page_of_audit
from engine.errors import ConfigError, NotAuthenticated, SignalboxError, UnknownObject
from engine.journal.accounts import Verb
from engine.journal.store import JOURNAL_FILE

Command = dict[str, Any]
T = TypeVar("T")
_PATIENCE_S = 30.0


class Commands(Protocol):
    """A place that knows commands."""

    def list(self, state: str | None, poller: str | None, host: str | None, limit: int) -> tuple[list[Command], int]:
        """Commands, newest first, and how many there are in all."""

    def show(self, command_id: str) -> Command:
        """One with its whole life. Raises UnknownObject."""

    def cancel(self, command_id: str) -> Command:
        """Withdraw one that was not yet written. Raises UnknownObject, NotPossible."""


class OverApi(msgspec.Struct, frozen=True):
    """A running Signalbox, asked with a token."""

    url: str
    token: str

    def list(self, state: str | None, poller: str | None, host: str | None, limit: int) -> tuple[list[Command], int]:
        asked = {"state": state, "poller": poller, "host": host, "limit": limit}
        page = self._ask("GET", "/v1/commands?" + urlencode({key: value for key, value in asked.items() if value is not None}))
        return page["items"], page["total"]

    def show(self, command_id: str) -> Command:
        return self._ask("GET", f"/v1/commands/{quote(command_id, safe='')}")

    def cancel(self, command_id: str) -> Command:
        return self._ask("DELETE", f"/v1/commands/{quote(command_id, safe='')}")

    def _ask(self, method: str, path: str) -> Command:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ConfigError([f"{self.url} is no address of a Signalbox: give --url http://HOST:PORT"])
        request = HttpRequest(self.url.rstrip("/") + path, method=method, headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urlopen(request, timeout=_PATIENCE_S) as answer:
                content: Command = orjson.loads(answer.read())
        except HTTPError as error:
            raise _told(error) from error
        except (URLError, TimeoutError, ConnectionError) as error:
            raise ConfigError([f"{self.url} does not answer: {error}. See whether `signalbox serve` runs there."]) from error
        except orjson.JSONDecodeError as error:
            raise ConfigError(
                [f"{self.url} does not answer as a Signalbox does: give the address `signalbox serve` printed."]
            ) from error
        return content


class InFolder(msgspec.Struct, frozen=True):
    """The journal in the data folder; whoever may read it may see and cancel everything."""

    folder: Path

    def list(self, state: str | None, poller: str | None, host: str | None, limit: int) -> tuple[list[Command], int]:
        async def work(desk: Desk) -> tuple[list[Command], int]:
            number = await desk.read(lambda reader: _poller_number(reader.pollers(_caller().scope), poller))
            page = await desk.commands(_caller(), EntryFilter(state=state, poller=number, host=host, limit=limit))
            names = await _poller_names(desk)
            return [_as_json(life, names) for life in page.rows], page.total

        return self._at_desk(work)

    def show(self, command_id: str) -> Command:
        async def work(desk: Desk) -> Command:
            return _as_json(await desk.life(_caller(), command_id), await _poller_names(desk))

        return self._at_desk(work)

    def cancel(self, command_id: str) -> Command:
        async def work(desk: Desk) -> Command:
            asked = Request(Verb.COMMAND, "CLI", f"commands cancel {command_id}")
            life = await desk.cancel_command(structs.replace(_caller(), request=asked), command_id)
            return _as_json(life, await _poller_names(desk))

        return self._at_desk(work)

    def audit(self, user: str | None, host: str | None, since: float | None, limit: int) -> builtins.list[tuple[str, ...]]:
        """Rows of the audit, newest first: id, when, who, from where, what came of it, what was asked."""
        with closing(sqlite3.connect("file::memory:", uri=True)) as connection:
            connection.execute("ATTACH ? AS journal", (f"{(self.folder / JOURNAL_FILE).absolute().as_uri()}?mode=rw",))
            which = AuditFilter(user=user, host=host, since=since, limit=limit)
            return [_audit_line(row) for row in page_of_audit(connection, _caller(), which, {}, 3)]

    def _at_desk(self, work: Callable[[Desk], Awaitable[T]]) -> T:
        async def visit() -> T:
            desk = Desk(Config(self.folder))
            await desk.open()
            try:
                return await work(desk)
            finally:
                await desk.close()

        return asyncio.run(visit())


def _caller() -> Caller:
    user = f"{getpass.getuser()}@console"
    return Caller(user=user, author=user, role="admin")


def _audit_line(audited: Audited) -> tuple[str, ...]:
    row = audited.row
    states = ", ".join(f"{command.name} {command.state}" for command in audited.commands)
    more = f" and {audited.total - len(audited.commands)} more" if audited.total > len(audited.commands) else ""
    outcome = f"{row.status} {row.code}".strip() if row.status else "accepted" if row.kind == "request" else "done"
    what = f"{row.method} {row.path}" if row.path else row.kind if row.kind != "request" else row.detail
    asked = f"{what} ({states}{more})" if states else what
    who = row.user + (f" ({row.token})" if row.token else "") if row.user else f"{row.count} without a token"
    return str(audited.id), rfc3339(row.at), who, row.address or "-", outcome, asked


def _as_json(life: Life, names: Mapping[int, str]) -> Command:
    shown: Command = msgspec.to_builtins(command_of(replace(life, poller_name=names.get(life.poller, life.poller_name))))
    return shown


async def _poller_names(desk: Desk) -> dict[int, str]:
    """As the last `serve` had them: no configuration is read here."""
    return {view.number: view.name for view in await desk.read(lambda reader: reader.pollers(_caller().scope))}


def _poller_number(views: Any, wanted: str | None) -> int | None:
    if wanted is None:
        return None
    for view in views:
        if wanted in (view.name, str(view.number)):
            return int(view.number)
    raise UnknownObject(f"There is no poller {wanted}: there are {', '.join(view.name for view in views) or 'none'}.")


def _told(error: HTTPError) -> SignalboxError:
    """What the API said, as our own error."""
    try:
        problem = orjson.loads(error.read())
        words = str(problem.get("detail") or problem.get("title"))
    except (orjson.JSONDecodeError, AttributeError):
        words = error.reason
    if error.code == 401:
        return NotAuthenticated(f"{words} Give --token, or set SIGNALBOX_TOKEN.")
    return UnknownObject(words) if error.code == 404 else SignalboxError(words)
