"""What one operation of the native API is: a row of a table, a function from a call to an answer, and the answer itself.

Every noun's module ends with its rows. The rows serve the requests (`routing.py`) and make /openapi.json (`api/openapi.py`),
so that the document cannot say anything else than what is served.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from api.native.requests import NoQuery
from api.render import JSON
from engine.clock import Clock
from engine.config import Settings
from engine.desk import Caller, Desk
from engine.errors import UnknownPoller
from engine.journal.accounts import Verb as Verb  # every noun's rows say it
from engine.state.views import Reader

if TYPE_CHECKING:
    from api.native.forms import Form


class Call(msgspec.Struct, frozen=True):
    """One authenticated request, its path's names decoded. `prefer_wait_s` is what `Prefer: wait=S` asked for.

    `is_kept`: its answer may be kept, if it is given as a form.
    """

    desk: Desk
    caller: Caller
    settings: Settings
    clock: Clock
    names: Mapping[str, str]
    prefer_wait_s: float | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    is_kept: bool = False

    @property
    def accept(self) -> str:
        """The media types the caller takes."""
        return self.headers.get("accept", "")

    @property
    def last_event_id(self) -> str | None:
        """The header of that name."""
        return self.headers.get("last-event-id")

    async def poller(self, word: str | int | None) -> int | None:
        """See `poller_number`; costs nothing when none is named."""
        if word is None or word == "":
            return None
        return await self.desk.read(lambda reader: poller_number(reader, self.caller, word))


def poller_number(reader: Reader, caller: Caller, word: str | int | None) -> int | None:
    """The number of the poller of that name or number; None when none is named. Raises UnknownPoller."""
    if word is None or word == "":
        return None
    view = reader.poller(caller.scope, word)
    if view is None:
        known = [poller.name for poller in reader.pollers(caller.scope)]
        raise UnknownPoller(f"There is no poller {word!r}: known are {', '.join(known) or 'none'}.", poller=word, known=known)
    return view.number


class Answer(msgspec.Struct, frozen=True):
    """What an operation gives back. `problem` = the content is an RFC 9457 document; `response`: it is encoded already.

    `form`: it is, but for what moves with time.
    """

    content: object
    status: int = 200
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    problem: bool = False
    lines: AsyncIterator[bytes] | None = None  # sent one after the other instead of the content
    response: Response | None = None
    form: Form | None = None


class Stream(msgspec.Struct, frozen=True):
    """An answer without an end: server-sent events. `first` are the bytes already there, `rest` gives what comes; it is closed.

    `end(why)` are the last words when it breaks off.
    """

    first: bytes
    rest: AsyncGenerator[bytes]
    end: Callable[[str], bytes]


class Operation(msgspec.Struct, frozen=True):
    """One method of one path. `act(call, query)` or, with a body model, `act(call, query, body)`.

    `verb` is what role and token must allow. `answers` maps each status that is no problem to the type of its content (or several);
    `problems` lists the others that may come.
    """

    method: str
    path: str
    summary: str
    act: Callable[..., Awaitable[Answer | Stream]]
    answers: Mapping[int, Any]
    verb: Verb = Verb.READ
    query: type[Any] = NoQuery
    body: type[Any] | None = None
    problems: tuple[int, ...] = ()
    example: Mapping[str, object] | None = None  # of the body
    description: str = ""
    schema: Callable[[], Mapping[str, Any]] | None = None  # of the body, where its type says too little
    media_type: str = JSON  # of the answers
    lines: bool = False  # also item by item, one per line, where NDJSON is accepted
    tagged: bool = False  # with an ETag; 304 to who has the answer already
    kept: bool = False  # nothing but state.db and the time makes the answer another
    again: Callable[..., Awaitable[Answer]] | None = None  # (call, query, recorded): the answer to a repeat with the same key
    body_limit: str = ""  # the setting that bounds the body, where it may be larger than others
