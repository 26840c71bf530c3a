"""Request bodies as the dialect takes them.

Each class lists the fields that are acted on; any other field is refused by name, so that nothing a client asked for is dropped
unseen. Accepted without effect, and this is the whole list:

- `duration` of a fixed downtime: the original demands it, the core ignores it, the window decides.
- `author_id` that names the caller, or comes from one who is no admin: the author is the caller anyway.
- `parent` of a host among resources: a host has none, and some clients send its own id.
- whatever a login says besides name and password.
- `date` of a comment, if it is now (within COMMENT_SLACK_S): a comment is dated when its core is told.

Bodies are JSON whatever their Content-Type says: known clients send none.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from starlette.requests import Request

from api.errors import BodyTooLarge
from engine.errors import InvalidField

Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
ReturnCode = Annotated[int, msgspec.Meta(ge=0, le=3)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]

LIMIT_BYTES = 1 << 16  # of a body that is read before anybody is known
BULK_LIMIT_BYTES = 1 << 22  # thousands of objects
COMMENT_SLACK_S = 300.0  # clients' clocks differ

_NO_FIELDS = (b"", b"[]")
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(?P<name>.*?)`(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_MISSING_FIELD = re.compile(r"Object missing required field `(?P<name>.*?)`(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_AT = re.compile(r"(?P<what>.*) - at `\$\.?(?P<path>.*)`", re.DOTALL)


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A body that refuses what it does not know."""


class NoFields(Body, frozen=True, kw_only=True):
    """For requests that take no body."""


class Credentials(msgspec.Struct, kw_only=True, frozen=True):
    """Missing ones count as empty, hence as wrong. Whatever else a login says has no effect in the original, either."""

    login: str = ""
    password: str = ""


class LoginSecurity(msgspec.Struct, kw_only=True, frozen=True):
    credentials: Credentials = Credentials()


class LoginBody(msgspec.Struct, kw_only=True, frozen=True):
    security: LoginSecurity = LoginSecurity()


class DowntimeBody(Body, frozen=True, kw_only=True):
    """A downtime on a service. Times are parsed by the handler."""

    start_time: str
    end_time: str
    comment: str
    is_fixed: bool = True
    duration: Seconds | None = None
    author_id: Id | None = None


class HostDowntimeBody(DowntimeBody, frozen=True, kw_only=True):
    with_services: bool = False


class AcknowledgementBody(Body, frozen=True, kw_only=True):
    """The original demands all four; a guess of ours could be the opposite of what the caller means."""

    comment: str
    is_notify_contacts: bool
    is_persistent_comment: bool
    is_sticky: bool


class HostAcknowledgementBody(AcknowledgementBody, frozen=True, kw_only=True):
    """Under a host's own path."""

    with_services: bool = False


class ListedHostAcknowledgementBody(AcknowledgementBody, frozen=True, kw_only=True):
    """Under the list of the first generations, where the body names the host."""

    host_id: Id


class ListedServiceAcknowledgementBody(AcknowledgementBody, frozen=True, kw_only=True):
    host_id: Id
    service_id: Id


class DowntimeItem(HostDowntimeBody, frozen=True, kw_only=True):
    """One item of an array: of a host, or of a service with its host."""

    resource_id: Id
    parent_resource_id: Id | None = None


class AcknowledgementItem(HostAcknowledgementBody, frozen=True, kw_only=True):
    """One item of an array: of a host, or of a service with its host."""

    resource_id: Id
    parent_resource_id: Id | None = None


class CheckBody(Body, frozen=True, kw_only=True):
    """The first generations had no word for it: a check was forced."""

    is_forced: bool = True


class HostCheckBody(CheckBody, frozen=True, kw_only=True):
    with_services: bool = False


class CheckItem(HostCheckBody, frozen=True, kw_only=True):
    """One item of an array: of a host, or of a service with its host."""

    resource_id: Id
    parent_resource_id: Id | None = None


class SubmitBody(Body, frozen=True, kw_only=True):
    """A passive result."""

    status: ReturnCode
    output: str | None = None
    performance_data: str | None = None


class CommentBody(Body, frozen=True, kw_only=True):
    """A comment."""

    comment: str
    date: str | None = None


class NamedParent(Body, frozen=True, kw_only=True):
    id: Id | None = None


class NamedResource(Body, frozen=True, kw_only=True):
    """A host, or a service with its host. The further types are of the original only: there are no such objects here."""

    type: Literal["host", "service", "metaservice", "anomaly-detection", "business-activity"]
    id: Id
    parent: NamedParent | None = None


class SubmittedResource(NamedResource, frozen=True, kw_only=True):
    """With its result."""

    status: ReturnCode
    output: str | None = None
    performance_data: str | None = None


class CommentedResource(NamedResource, frozen=True, kw_only=True):
    """With its comment."""

    comment: str
    date: str | None = None


class ResourceAcknowledgement(Body, frozen=True, kw_only=True):
    """What is not said is as the original's own pages send it: the comment stays, and the acknowledgement until OK or UP."""

    comment: str
    is_notify_contacts: bool
    is_persistent_comment: bool = True
    is_sticky: bool = True
    with_services: bool = False
    force_active_checks: bool = False


class Disacknowledgement(Body, frozen=True, kw_only=True):
    with_services: bool = False


class ResourcesAcknowledgeBody(Body, frozen=True, kw_only=True):
    acknowledgement: ResourceAcknowledgement
    resources: list[NamedResource]


class ResourcesDisacknowledgeBody(Body, frozen=True, kw_only=True):
    disacknowledgement: Disacknowledgement = Disacknowledgement()
    resources: list[NamedResource]


class ResourcesDowntimeBody(Body, frozen=True, kw_only=True):
    downtime: HostDowntimeBody
    resources: list[NamedResource]


class ResourcesCheckBody(Body, frozen=True, kw_only=True):
    check: CheckBody = CheckBody()
    resources: list[NamedResource]


class ResourcesSubmitBody(Body, frozen=True, kw_only=True):
    resources: list[SubmittedResource]


class ResourcesCommentBody(Body, frozen=True, kw_only=True):
    resources: list[CommentedResource]


B = TypeVar("B", bound=msgspec.Struct)


async def read_body(request: Request, kind: type[B]) -> B:
    """The request's body as values. Raises InvalidField, BodyTooLarge."""
    return parse_body(await raw_body(request), kind)


async def raw_body(request: Request, limit: int = LIMIT_BYTES) -> bytes:
    """The request's body as it came. Raises BodyTooLarge."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > limit:
            raise BodyTooLarge(f"The body is longer than {limit} bytes.", limit=limit)
    return bytes(raw)


def parse_body(raw: bytes, kind: type[B]) -> B:
    """The body as values; none at all is an empty object, and so is an empty array, which PHP makes no difference to.

    Raises InvalidField, in the form of the original's schema messages.
    """
    body: B = _parsed(raw if raw.strip() not in _NO_FIELDS else b"{}", kind)
    return body


def parse_array(raw: bytes, kind: type[B]) -> list[B]:
    """The same of an array of such bodies, which must be there."""
    items: list[B] = _parsed(raw if raw.strip() else b"null", list[kind])  # type: ignore[valid-type]
    return items


def _parsed(text: bytes, kind: Any) -> Any:
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
        where = _joined(_path(found["path"]), found["name"])
        return InvalidField(
            f"[{where}] The property {found['name']} is not defined and the definition does not allow additional properties: "
            "it would have no effect here.",
            field=where,
        )
    if found := _MISSING_FIELD.fullmatch(text):
        where = _joined(_path(found["path"]), found["name"])
        return InvalidField(f"[{where}] The property {found['name']} is required", field=where)
    if found := _AT.fullmatch(text):
        where = _path(found["path"])
        return InvalidField(f"[{where}] {found['what']}", field=where)
    return InvalidField(text, field="")


def _path(path: str | None) -> str:
    """`resources[2].id` as `resources.2.id`."""
    return (path or "").replace("[", ".").replace("]", "").lstrip(".")


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
