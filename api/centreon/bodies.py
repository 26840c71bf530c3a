"""Request bodies as the dialect takes them.

Each class lists the fields that are acted on; any other field is refused by name, so that nothing a client asked for is dropped
unseen. Accepted without effect, and this is the whole list:

- `duration` of a fixed downtime: the original demands it, the core ignores it, the window decides.
- `author_id` that names the caller: the author is the caller anyway.

Bodies are JSON whatever their Content-Type says: known clients send none.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, TypeVar

import msgspec
from starlette.requests import Request

from api.errors import BodyTooLarge
from engine.errors import InvalidField

Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]

LIMIT_BYTES = 1 << 16  # every body here is one small object

_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(?P<name>.*?)`(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_MISSING_FIELD = re.compile(r"Object missing required field `(?P<name>.*?)`(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_AT = re.compile(r"(?P<what>.*) - at `\$\.?(?P<path>.*)`", re.DOTALL)


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A body that refuses what it does not know."""


class NoFields(Body, frozen=True):
    """For requests that take no body."""


class Credentials(Body, frozen=True):
    """Missing ones count as empty, hence as wrong."""

    login: str = ""
    password: str = ""


class LoginSecurity(Body, frozen=True):
    credentials: Credentials = Credentials()


class LoginBody(Body, frozen=True):
    security: LoginSecurity = LoginSecurity()


class DowntimeBody(Body, frozen=True):
    """A downtime on a service. Times are parsed by the handler."""

    start_time: str
    end_time: str
    comment: str
    is_fixed: bool = True
    duration: Seconds | None = None
    author_id: Id | None = None


class HostDowntimeBody(DowntimeBody, frozen=True):
    with_services: bool = False


class AcknowledgementBody(Body, frozen=True):
    """The original demands all four; a guess of ours could be the opposite of what the caller means."""

    comment: str
    is_notify_contacts: bool
    is_persistent_comment: bool
    is_sticky: bool


class HostAcknowledgementBody(AcknowledgementBody, frozen=True):
    """Under a host's own path."""

    with_services: bool = False


class ListedHostAcknowledgementBody(AcknowledgementBody, frozen=True):
    """Under the list of the first generations, where the body names the host."""

    host_id: Id


class ListedServiceAcknowledgementBody(AcknowledgementBody, frozen=True):
    host_id: Id
    service_id: Id


B = TypeVar("B", bound=Body)


async def read_body(request: Request, kind: type[B]) -> B:
    """The request's body as values. Raises InvalidField, BodyTooLarge."""
    return parse_body(await raw_body(request), kind)


async def raw_body(request: Request) -> bytes:
    """The request's body as it came. Raises BodyTooLarge."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LIMIT_BYTES:
            raise BodyTooLarge(f"The body is longer than {LIMIT_BYTES} bytes.", limit=LIMIT_BYTES)
    return bytes(raw)


def parse_body(raw: bytes, kind: type[B]) -> B:
    """The body as values; none at all is an empty object. Raises InvalidField, in the form of the original's schema messages."""
    text = raw if raw.strip() else b"{}"
    try:
        body = msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidField(f"Error when decoding your sent data: {error}", field="") from None
    json.loads(text, object_pairs_hook=_refuse_repeated)
    return body


def _refuse_repeated(pairs: list[tuple[str, object]]) -> None:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise InvalidField(f"[{name}] The property {name} is given twice: say it once.", field=name)


def _invalid(text: str) -> InvalidField:
    if found := _UNKNOWN_FIELD.fullmatch(text):
        where = _joined(found["path"], found["name"])
        return InvalidField(
            f"[{where}] The property {found['name']} is not defined and the definition does not allow additional properties: "
            "it would have no effect here.",
            field=where,
        )
    if found := _MISSING_FIELD.fullmatch(text):
        where = _joined(found["path"], found["name"])
        return InvalidField(f"[{where}] The property {found['name']} is required", field=where)
    if found := _AT.fullmatch(text):
        return InvalidField(f"[{found['path']}] {found['what']}", field=found["path"])
    return InvalidField(text, field="")


def _joined(path: str | None, name: str) -> str:
    return f"{path}.{name}" if path else name
