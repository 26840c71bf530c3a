"""Users, tokens and the memory of failed logins: rows of journal.db and the functions over them.

Rules: a password is kept only as its argon2 hash (made and verified by `api.auth.passwords`), a token's secret only as its
SHA-256: it is 256 random bits, so nothing slower is needed. Names are what people type; ids are never given out twice.
Functions take a connection: writes that of `Journal.transaction()`, reads any. Times are epoch seconds by our clock.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import orjson
from msgspec.structs import replace

from engine.errors import InvalidField, NotPossible, UnknownObject
from engine.state.scope import EVERYTHING, Scope

LONGEST_NAME = 64  # characters; names stand in logs and in paths
_PREFIX = "sbx_"  # lets secret scanners and people recognise a leaked one
TOUCH_S = 60.0  # how often at most a use is written down: a request must not cost an fsync


class Role(StrEnum):
    """What a user may do: read; read and command; read, command and say on whose behalf."""

    READER = "reader"
    OPERATOR = "operator"
    ADMIN = "admin"


class Verb(StrEnum):
    """What an operation does. Each route of each dialect declares one; a token may be narrowed to some of them."""

    READ = "read"
    DOWNTIME = "downtime"
    ACKNOWLEDGEMENT = "acknowledgement"
    COMMENT = "comment"
    CHECK = "check"
    RESULT = "result"
    NOTIFICATION = "notification"
    SWITCH = "switch"
    COMMAND = "command"
    AUDIT = "audit"


VERBS: Mapping[Verb, str] = {
    Verb.READ: "everything that only shows: hosts, services, pollers, downtimes, commands …",
    Verb.DOWNTIME: "set and cancel downtimes",
    Verb.ACKNOWLEDGEMENT: "acknowledge problems and take that back",
    Verb.COMMENT: "add and delete comments",
    Verb.CHECK: "force checks",
    Verb.RESULT: "submit passive check results",
    Verb.NOTIFICATION: "send custom notifications",
    Verb.SWITCH: "switch features on and off",
    Verb.COMMAND: "send any external command by its name, and withdraw commands that were not written yet",
    Verb.AUDIT: "read who did what; admins only",
}
ROLES: Mapping[Role, frozenset[Verb]] = {
    Role.READER: frozenset({Verb.READ}),
    Role.OPERATOR: frozenset(Verb) - {Verb.AUDIT},
    Role.ADMIN: frozenset(Verb),
}


class User(msgspec.Struct, frozen=True):
    """A person or program. `author` is what the core is told; `zone` names the time zone, "" for none said."""

    id: int
    name: str
    role: Role
    password_hash: str
    author: str
    scope: Scope
    created_at: float
    zone: str = ""
    email: str = ""


class Token(msgspec.Struct, frozen=True):
    """What is known of a token; its secret is not. `idle_s` None = does not end by idling.

    `verbs` and `pollers` narrow what its user may do; None = they do not.
    """

    id: int
    name: str
    kind: str
    user_id: int
    created_at: float
    expires_at: float | None
    idle_s: float | None
    last_used_at: float
    verbs: frozenset[Verb] | None = None
    pollers: frozenset[int] | None = None

    def is_valid(self, now: float) -> bool:
        """Neither its date nor its idle time has passed."""
        if self.expires_at is not None and now >= self.expires_at:
            return False
        return self.idle_s is None or now < self.last_used_at + self.idle_s

    @property
    def ends_at(self) -> float | None:
        """When it ends unless it is used before, None for never."""
        return self.expires_at if self.idle_s is None else self.last_used_at + self.idle_s

    def is_touch_due(self, now: float) -> bool:
        """Its use is to be written down again: at least each minute, more often where the idle time is short."""
        return now - self.last_used_at >= min(TOUCH_S, TOUCH_S if self.idle_s is None else self.idle_s / 4)


_PERSON = "user.id, user.name, user.role, user.password_hash, user.author, user.scope, user.created_at, user.zone, user.email"
_GRANT = (
    "token.id, token.name, token.kind, token.user_id, token.created_at, token.expires_at, token.idle_s, token.last_used_at,"
    " token.verbs, token.pollers"
)
_GRANT_LENGTH = _GRANT.count(",") + 1

# --- users --------------------------------------------------------------------------------------------------------------------


def add_user(
    connection: sqlite3.Connection,
    name: str,
    role: Role,
    password_hash: str,
    at: float,
    *,
    author: str | None = None,
    scope: Scope = EVERYTHING,
    zone: str = "",
    email: str = "",
    instead_of: User | None = None,
) -> int:
    """Store a user and return the id. Raises InvalidField for a bad name, NotPossible if the name is taken.

    In the place of another account it has that one's id and bearer tokens; the other's logins end.
    """
    check_account_name(name)
    if instead_of is not None:
        connection.execute("DELETE FROM token WHERE user_id = ? AND kind = 'login'", (instead_of.id,))
        connection.execute("DELETE FROM user WHERE id = ?", (instead_of.id,))
    if user_by_name(connection, name) is not None:
        raise NotPossible(f"There is a user {name} already: choose another name, or change the password of that one.", user=name)
    cursor = connection.execute(
        "INSERT INTO user (id, name, role, password_hash, author, scope, created_at, zone, email)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            instead_of.id if instead_of else None, name, str(role), password_hash, author or name, _encode_scope(scope), at,
            check_zone(zone), check_email(email),
        ),
    )  # fmt: skip
    return int(cursor.lastrowid or 0)


def user_by_name(connection: sqlite3.Connection, name: str) -> User | None:
    """The user of that exact name, or None."""
    found = connection.execute(f"SELECT {_PERSON} FROM user WHERE name = ?", (name,)).fetchone()
    return _user(found) if found else None


def user_by_id(connection: sqlite3.Connection, user_id: int) -> User | None:
    """The user of that id, or None."""
    found = connection.execute(f"SELECT {_PERSON} FROM user WHERE id = ?", (user_id,)).fetchone()
    return _user(found) if found else None


def users(connection: sqlite3.Connection) -> list[User]:
    """Every user, by name."""
    return [_user(row) for row in connection.execute(f"SELECT {_PERSON} FROM user ORDER BY name")]


def remove_user(connection: sqlite3.Connection, name: str) -> None:
    """Remove a user with every token of it. Raises UnknownObject."""
    user = existing_user(connection, name)
    connection.execute("DELETE FROM token WHERE user_id = ?", (user.id,))
    connection.execute("DELETE FROM user WHERE id = ?", (user.id,))


def set_password(connection: sqlite3.Connection, name: str, password_hash: str) -> None:
    """Change a password; logins made with the old one end, bearer tokens stay. Raises UnknownObject."""
    user = existing_user(connection, name)
    connection.execute("UPDATE user SET password_hash = ? WHERE id = ?", (password_hash, user.id))
    connection.execute("DELETE FROM token WHERE user_id = ? AND kind = 'login'", (user.id,))


def set_person(connection: sqlite3.Connection, name: str, *, zone: str | None = None, email: str | None = None) -> None:
    """Change where a user lives or is written to; None = as it is. Raises UnknownObject, InvalidField."""
    user = existing_user(connection, name)
    told = (user.zone if zone is None else check_zone(zone), user.email if email is None else check_email(email))
    connection.execute("UPDATE user SET zone = ?, email = ? WHERE id = ?", (*told, user.id))


def check_zone(name: str) -> str:
    """Raise InvalidField unless this machine knows the time zone, or it is "" for none."""
    try:
        return name if not name or ZoneInfo(name) else ""
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidField(
            f"This machine knows no time zone {name!r}: say one such as Europe/Paris (package tzdata has them).", field="zone"
        ) from None


def check_email(email: str) -> str:
    """Raise InvalidField for what is no address, or could be another line."""
    if email and (len(email) > 254 or not email.isprintable() or " " in email or not 0 < email.find("@") < len(email) - 1):
        raise InvalidField(f"{email!r} is no mail address.", field="email")
    return email


def check_account_name(name: str) -> str:
    """Raise InvalidField unless the name can stand in a log line, a header and a command line."""
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or any(c in name for c in " :;/"):
        raise InvalidField(
            f"A name is 1 to {LONGEST_NAME} printable characters without blank, colon, semicolon or slash: {name!r} is not.",
            field="name",
        )
    return name


def existing_user(connection: sqlite3.Connection, name: str) -> User:
    """The user of that exact name. Raises UnknownObject."""
    user = user_by_name(connection, name)
    if user is None:
        raise UnknownObject(f"There is no user {name}: see `signalbox user list`.", user=name)
    return user


def _user(row: Sequence[object]) -> User:
    number, name, role, password_hash, author, scope, created_at, zone, email = row
    return User(int(str(number)), str(name), Role(str(role)), str(password_hash), str(author), _decode_scope(str(scope)),
                float(str(created_at)), str(zone), str(email))  # fmt: skip


def _encode_scope(scope: Scope) -> str:
    pollers = None if scope.pollers is None else sorted(scope.pollers)
    hostgroups = None if scope.hostgroups is None else sorted(scope.hostgroups)
    return orjson.dumps({"pollers": pollers, "hostgroups": hostgroups}).decode()


def _decode_scope(text: str) -> Scope:
    limits = orjson.loads(text)
    pollers, hostgroups = limits["pollers"], limits["hostgroups"]
    return Scope(
        pollers=None if pollers is None else frozenset(pollers),
        hostgroups=None if hostgroups is None else frozenset(hostgroups),
    )


# --- tokens -------------------------------------------------------------------------------------------------------------------


def new_secret() -> str:
    """A fresh secret: 256 random bits, url-safe."""
    return _PREFIX + secrets.token_urlsafe(32)


def fingerprint(secret: str) -> bytes:
    """By what a secret is found again."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def add_token(
    connection: sqlite3.Connection,
    name: str,
    user_id: int,
    secret: str,
    at: float,
    *,
    expires_at: float | None = None,
    verbs: Collection[Verb] | None = None,
    pollers: Collection[int] | None = None,
) -> None:
    """Store a bearer token; `verbs` and `pollers` narrow it. Raises InvalidField for a bad name, NotPossible if it is taken."""
    check_account_name(name)
    if connection.execute("SELECT 1 FROM token WHERE name = ?", (name,)).fetchone():
        raise NotPossible(f"There is a token {name} already: revoke it or choose another name.", token=name)
    _insert_token(connection, name, "bearer", user_id, secret, at, expires_at, None, verbs, pollers)


def add_login(connection: sqlite3.Connection, user_id: int, secret: str, at: float, idle_s: float) -> str:
    """Store the token of a login, which ends after `idle_s` without use, and return its public name."""
    name = f"login-{secrets.token_hex(6)}"
    _insert_token(connection, name, "login", user_id, secret, at, None, idle_s)
    return name


def token_by_secret(connection: sqlite3.Connection, secret: str) -> tuple[Token, User] | None:
    """The token and whose it is, valid or not; None when there is none."""
    row = connection.execute(
        f"SELECT {_GRANT}, {_PERSON} FROM token JOIN user ON user.id = token.user_id WHERE token.fingerprint = ?",
        (fingerprint(secret),),
    ).fetchone()
    return _granted(row) if row else None


def tokens(connection: sqlite3.Connection) -> list[tuple[Token, User]]:
    """Every token with its user, by name."""
    rows = connection.execute(f"SELECT {_GRANT}, {_PERSON} FROM token JOIN user ON user.id = token.user_id ORDER BY token.name")
    return [_granted(row) for row in rows]


def _granted(row: Sequence[Any]) -> tuple[Token, User]:
    *known, verbs, pollers = row[:_GRANT_LENGTH]
    words = None if verbs is None else frozenset(Verb(word) for word in orjson.loads(verbs))
    numbers = None if pollers is None else frozenset(map(int, orjson.loads(pollers)))
    return replace(Token(*known), verbs=words, pollers=numbers), _user(row[_GRANT_LENGTH:])


def narrowed_scope(user: User, token: Token) -> Scope:
    """What the user may see, through that token: never more than the user."""
    if token.pollers is None:
        return user.scope
    pollers = token.pollers if user.scope.pollers is None else token.pollers & user.scope.pollers
    return replace(user.scope, pollers=pollers)


def grants_of(connection: sqlite3.Connection, names: Collection[str], now: float) -> dict[str, tuple[str, Scope]]:
    """Of those of these tokens that are valid now and may read: whose each is, and what it shows."""
    marks = ",".join("?" * len(names))
    query = f"SELECT {_GRANT}, {_PERSON} FROM token JOIN user ON user.id = token.user_id WHERE token.name IN ({marks})"
    found = [_granted(row) for row in connection.execute(query, list(names))]
    return {
        token.name: (user.name, narrowed_scope(user, token))
        for token, user in found
        if token.is_valid(now) and (token.verbs is None or Verb.READ in token.verbs)
    }


def touch_token(connection: sqlite3.Connection, token: Token, at: float) -> None:
    """Write down that it was used."""
    connection.execute("UPDATE token SET last_used_at = max(last_used_at, ?) WHERE id = ?", (at, token.id))


def revoke_token(connection: sqlite3.Connection, name: str) -> None:
    """End a token by its public name. Raises UnknownObject."""
    if not connection.execute("DELETE FROM token WHERE name = ?", (name,)).rowcount:
        raise UnknownObject(f"There is no token {name}: see `signalbox token list`.", token=name)


def end_login(connection: sqlite3.Connection, secret: str) -> None:
    """End a login by its secret. A bearer token is not ended that way: it belongs to whoever made it."""
    connection.execute("DELETE FROM token WHERE fingerprint = ? AND kind = 'login'", (fingerprint(secret),))


def sweep_logins(connection: sqlite3.Connection, now: float) -> None:
    """Forget logins that have ended by idling."""
    connection.execute("DELETE FROM token WHERE kind = 'login' AND last_used_at + idle_s <= ?", (now,))


def _insert_token(
    connection: sqlite3.Connection,
    name: str,
    kind: str,
    user_id: int,
    secret: str,
    at: float,
    expires_at: float | None,
    idle_s: float | None,
    verbs: Collection[Verb] | None = None,
    pollers: Collection[int] | None = None,
) -> None:
    narrowed = [None if words is None else orjson.dumps(sorted(words)).decode() for words in (verbs, pollers)]
    connection.execute(
        "INSERT INTO token (name, kind, user_id, fingerprint, created_at, expires_at, idle_s, last_used_at, verbs, pollers)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (name, kind, user_id, fingerprint(secret), at, expires_at, idle_s, at, *narrowed),
    )


# --- failed logins ------------------------------------------------------------------------------------------------------------


def failures(connection: sqlite3.Connection, subjects: Sequence[str]) -> dict[str, tuple[int, float]]:
    """How often each subject failed and when last; subjects without failures are left out."""
    marks = ",".join("?" * len(subjects))
    rows = connection.execute(f"SELECT subject, count, last_at FROM login_failure WHERE subject IN ({marks})", list(subjects))
    return {subject: (count, last_at) for subject, count, last_at in rows}


def add_failure(connection: sqlite3.Connection, subjects: Sequence[str], at: float, forget_s: float) -> None:
    """Count one more failure of each subject; whatever has not failed for `forget_s` is forgotten."""
    connection.execute("DELETE FROM login_failure WHERE last_at <= ?", (at - forget_s,))
    for subject in subjects:
        connection.execute(
            "INSERT INTO login_failure VALUES (?, 1, ?)"
            " ON CONFLICT (subject) DO UPDATE SET count = count + 1, last_at = excluded.last_at",
            (subject, at),
        )


def clear_failures(connection: sqlite3.Connection, subject: str) -> None:
    """Forget a subject's failures."""
    connection.execute("DELETE FROM login_failure WHERE subject = ?", (subject,))
