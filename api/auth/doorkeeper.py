"""Who is at the door: logins, tokens and the throttle on failed logins. Every dialect asks here and nowhere else.

Theory of operation. The loop only waits: password hashing runs in two threads (which also bounds how many guesses can be in
flight past the throttle), in turns of the names that come in, so that nobody waits for another's many logins; database work in one
more with a read connection of its own, shared by what arrives together. A token that was found good is remembered for a second,
unless the journal says that accounts changed.
Failures are counted in the journal, so that all workers know them and a restart forgives nothing. A subject (an address, an
IPv6 one by its /64, or a user name) may fail FREE times; then it waits 1, 2, 4 … seconds after each further failure, up to a
cap that is lower for a user, whom strangers could otherwise lock out. While it waits nothing is verified and nothing is
counted.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import math
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing

import msgspec
from msgspec import structs

from api.auth.contacts import ContactPolicy
from api.auth.files import Line, PasswordFile, hash_of_line, is_of_file
from api.auth.passwords import is_password
from api.auth.strangers import Strangers
from engine.carrier import Carrier, Outcome, attempt
from engine.clock import Clock, SystemClock
from engine.config import Settings
from engine.desk import Caller
from engine.errors import Forbidden, InvalidField, JournalError, NotAuthenticated, TooManyLogins
from engine.journal import accounts
from engine.journal.accounts import Verb
from engine.journal.audit import LOGIN, LOGOUT, AuditRow, add_audit
from engine.journal.store import Journal
from engine.turns import ASKER, Turns

FREE = 5
ADDRESS_CAP_S = 300.0
USER_CAP_S = 30.0
FORGET_S = 900.0
_REMEMBERED_S = 1.0  # see accounts_version.py
_TOUCHED_AGAIN_S = 10.0  # after the journal could not be written: each attempt has everybody wait
_MOST_REMEMBERED = 1000  # tokens
_LEAST_STREAM_S = 60.0  # a stream of events by password gives something before it ends

log = logging.getLogger(__name__)


class Login(msgspec.Struct, frozen=True):
    """A login that was let in. `secret` is told to the caller once and is stored nowhere."""

    secret: str
    caller: Caller
    user_id: int


class _Remembered(msgspec.Struct, frozen=True):
    """What a token was found to be, at a moment and at a version of the accounts."""

    token: accounts.Token
    seen: Caller
    version: int
    at: float

    def is_good(self, now: float, version: int) -> bool:
        """Nothing was taken from anybody since, it has not ended, and its use need not be written down."""
        is_new = self.version == version and 0 <= now - self.at < _REMEMBERED_S
        return is_new and self.token.is_valid(now) and not self.token.is_touch_due(now)

    def caller(self, address: str) -> Caller:
        """The caller, from that address."""
        return self.seen if address == self.seen.address else structs.replace(self.seen, address=address)


class _LetIn(msgspec.Struct, frozen=True):
    """That a password was right: when, at which version of the accounts, by which line of which file."""

    at: float
    version: int
    line: Line | None
    user: accounts.User | None


class Doorkeeper:
    """See the module. Belongs to one event loop; `close` ends its threads."""

    def __init__(
        self, journal: Journal, settings: Settings, clock: Clock | None = None, policy: ContactPolicy | None = None
    ) -> None:
        self._journal = journal
        self._settings = settings
        self._clock = clock or SystemClock()
        self._policy = policy
        self._files = password_files(settings)
        self._salt = secrets.token_bytes(32)
        self._let_in: dict[bytes, _LetIn] = {}  # by name and password, hashed
        self._reader = _open_reader(journal)  # the accounts thread's own
        # What this batch of the accounts thread looked up, and the version of the accounts before it did.
        self._known: dict[str, tuple[int, tuple[accounts.Token, accounts.User] | None]] = {}
        self._remembered: dict[str, _Remembered] = {}  # by secret
        self._untouched_at = -math.inf  # when that a token was used could not be stored
        self._books = Carrier("accounts", self._together)
        self._strangers = Strangers(journal)
        self._guards = Turns("passwords", 2)

    @property
    def policy(self) -> ContactPolicy | None:
        """What a core's CGI configuration says of users, where one is given."""
        return self._policy

    def close(self) -> None:
        """End the threads and close the connection. Blocks for as long as a verification takes."""
        self._guards.close()
        self._books.close()
        self._strangers.store(self._clock.now())
        self._reader.close()

    async def login(self, user: str, password: str, address: str) -> Login:
        """Let a user in by password. Raises NotAuthenticated, TooManyLogins."""
        return await self._guards.run(lambda: self._login(user, password, address), user)

    async def caller_of(self, secret: str, address: str) -> Caller:
        """Whose token that is; using it keeps a login alive. Raises NotAuthenticated."""
        now, remembered = self._clock.now(), self._remembered.get(secret)
        if remembered is not None and remembered.is_good(now, self._journal.accounts_version()):
            return _asking(remembered.caller(address))
        return _asking(await self._books.run(lambda: self._caller_of(secret, address)))

    async def basic(self, user: str, password: str, address: str) -> Caller:
        """Whose name and password came with a request; verified anew after a while. Raises NotAuthenticated, TooManyLogins."""
        known = await self._books.run(lambda: self._known_basic(user, password, address))
        if known is not None:
            return _asking(known)
        return _asking(await self._guards.run(lambda: self._basic(user, password, address), user))

    async def vouched(self, user: str, address: str, *, is_default: bool = False) -> Caller:
        """Whom a web server we trust has logged in; `is_default`: nobody is, and the CGI configuration names somebody for that."""
        return _asking(await self._books.run(lambda: self._vouched(user, address, is_default)))

    async def note_stranger(self, address: str) -> None:
        """Count a request that brought no token at all."""
        await self._books.run(lambda: self._strangers.count(address, self._clock.now()))

    async def logout(self, secret: str) -> None:
        """End a login. Unknown secrets and bearer tokens are left as they are."""
        await self._books.run(lambda: self._logout(secret))

    async def user_id(self, name: str) -> int | None:
        """The id of a user by name, None when there is no such user."""
        if not _is_account_name(name):
            return None
        user = await self._books.run(lambda: accounts.user_by_name(self._reader, name))
        return user.id if user else None

    async def user(self, user_id: int) -> accounts.User | None:
        """The user of that id, None when there is none."""
        return await self._books.run(lambda: accounts.user_by_id(self._reader, user_id))

    async def user_named(self, name: str) -> accounts.User | None:
        """The user of that name, None when there is none."""
        return await self._books.run(lambda: accounts.user_by_name(self._reader, name))

    # --- in threads ------------------------------------------------------------------------------------------------------

    def _together(self, works: Sequence[Callable[[], object]]) -> list[Outcome]:
        """What came together. A token is looked up once for all requests that bring it: all were there before that look."""
        self._known.clear()
        return [attempt(work) for work in works]

    def _login(self, name: str, password: str, address: str) -> Login:
        by_user = f"user {name}"
        line = self._line(name)
        user = self._verified(name, password, address, line)
        is_ours = user is not None and not is_of_file(user)
        if not is_ours and (line is None or self._policy is None or not _is_account_name(name)):
            raise _wrong()
        secret = accounts.new_secret()
        now = self._clock.now()
        with self._journal.transaction() as connection:
            if accounts.user_by_name(connection, name) != user:  # removed, or changed, while this password was being verified
                raise _wrong()
            if line is not None and not is_ours:
                user = self._account_of_line(connection, name, user, line, now)
            assert user is not None
            accounts.clear_failures(connection, by_user)
            accounts.sweep_logins(connection, now)
            token_name = accounts.add_login(connection, user.id, secret, now, self._settings.token_idle_s)
            add_audit(connection, AuditRow(now, LOGIN, user.name, token_name, address))
        return Login(secret, self._limited(self._caller(user, token_name, address)), user.id)

    def _account_of_line(
        self, connection: sqlite3.Connection, name: str, known: accounts.User | None, line: Line, now: float
    ) -> accounts.User:
        """The account by which the logins of a password file's user are kept. Another line ends those of the former."""
        stands = hash_of_line(line)
        if known is None:
            accounts.add_user(connection, name, accounts.Role.READER, stands, now)
        elif known.password_hash != stands:
            accounts.set_password(connection, name, stands)
        return accounts.existing_user(connection, name)

    def _verified(self, name: str, password: str, address: str, line: Line | None) -> accounts.User | None:
        """The account of that name, if any; the password was that of its line, else of the account.

        Raises NotAuthenticated, TooManyLogins.
        """
        is_name = _is_account_name(name)
        subjects = [f"address {_network(address)}", *([f"user {name}"] if is_name else [])]
        with closing(_open_reader(self._journal)) as reader:
            self._check_throttle(accounts.failures(reader, subjects))
            user = accounts.user_by_name(reader, name) if is_name else None
        if not _is_right(name, password, user, line):
            with self._journal.transaction() as connection:
                now = self._clock.now()
                accounts.add_failure(connection, subjects, now, FORGET_S)
                words = "user name or password is wrong"
                row = AuditRow(now, LOGIN, _printed(name), address=address, status=401, code=NotAuthenticated.code, detail=words)
                add_audit(connection, row)
            log.warning("login failed: user %r from %s", name[: accounts.LONGEST_NAME], address)
            raise _wrong()
        return user

    def _basic(self, name: str, password: str, address: str) -> Caller:
        """Verify what came with a request, and remember it."""
        version, now = self._journal.accounts_version(), self._clock.now()
        line = self._line(name)
        user = self._verified(name, password, address, line)
        if user is not None:
            self._forgive(f"user {name}")
        if len(self._let_in) >= _MOST_REMEMBERED:
            self._let_in.clear()
        self._let_in[self._digest(name, password)] = _LetIn(now, version, line, user)
        return self._named(name, user, address)

    def _forgive(self, subject: str) -> None:
        """Forget failures, if there are any."""
        with closing(_open_reader(self._journal)) as reader:
            if not accounts.failures(reader, [subject]):
                return
        try:
            with self._journal.transaction() as connection:
                accounts.clear_failures(connection, subject)
        except JournalError as error:
            # As with `_touch`: who comes by the right password may read; what he failed before is forgotten later.
            log.warning("failed logins of %s are not forgotten yet: %s", subject, error)

    def _known_basic(self, name: str, password: str, address: str) -> Caller | None:
        """Who was let in with the same name and password a while ago, when nothing has changed since."""
        known = self._let_in.get(self._digest(name, password))
        if known is None or known.version != self._journal.accounts_version() or known.line != self._line(name):
            return None
        if not 0 <= self._clock.now() - known.at < self._settings.basic_remembered_s:
            return None
        # Read anew: another password, other rights or no account any more are to count at once, whatever the number says.
        user = accounts.user_by_name(self._reader, name) if _is_account_name(name) else None
        return self._named(name, user, address) if user == known.user else None

    def _vouched(self, name: str, address: str, is_default: bool) -> Caller:
        user = accounts.user_by_name(self._reader, name) if _is_account_name(name) else None
        return self._named(name, user, address, is_default=is_default)

    def _named(self, name: str, user: accounts.User | None, address: str, *, is_default: bool = False) -> Caller:
        """A user of the web server, or of ours: without an account here, contact rights alone say what he may do."""
        if user is not None and (self._policy is not None or not is_of_file(user)):
            caller = self._caller(user, "", address)
        elif self._policy is not None:
            caller = Caller(name, name, self._policy.role_of(name), address=address)
        else:
            raise _wrong()
        return self._for_now(self._limited(caller, is_default=is_default))

    def _for_now(self, caller: Caller) -> Caller:
        """With an end to his event streams: what makes him who he is stands in a file, or with the web server, and may change."""
        return structs.replace(caller, until=self._clock.now() + max(_LEAST_STREAM_S, self._settings.basic_remembered_s))

    def _limited(self, caller: Caller, *, is_default: bool = False) -> Caller:
        return caller if self._policy is None else self._policy.limited(caller, is_default=is_default)

    def _caller(self, user: accounts.User, token_name: str, address: str) -> Caller:
        """A user as a caller. Of a password file's the role is what the CGI configuration says now."""
        role = self._policy.role_of(user.name) if is_of_file(user) and self._policy is not None else str(user.role)
        who = (user.name, user.author, role)
        return Caller(*who, scope=user.scope, address=address, token=token_name, zone=user.zone)

    def _stands(self, user: accounts.User) -> bool:
        """An account of ours, or one of a password file whose line is still what it was when he logged in."""
        if not is_of_file(user):
            return True
        line = self._line(user.name)
        return self._policy is not None and line is not None and hash_of_line(line) == user.password_hash

    def _line(self, name: str) -> Line | None:
        for file in self._files:
            line = file.line_of(name)
            if line is not None:
                return file, line
        return None

    def _digest(self, name: str, password: str) -> bytes:
        return hmac.digest(self._salt, f"{len(name)} {name} {password}".encode("utf-8", "surrogatepass"), "sha256")

    def _check_throttle(self, failures: dict[str, tuple[int, float]]) -> None:
        now = self._clock.now()
        wait = max((_wait(subject, count, last_at, now) for subject, (count, last_at) in failures.items()), default=0.0)
        if wait > 0:
            seconds = math.ceil(wait)
            raise TooManyLogins(f"Too many failed logins: try again in {seconds} s.", retry_after_s=seconds)

    def _caller_of(self, secret: str, address: str) -> Caller:
        if secret not in self._known:
            number = self._journal.accounts_version()  # before it is read: a change from now on is another
            self._known[secret] = number, accounts.token_by_secret(self._reader, secret)
        version, found = self._known[secret]
        now = self._clock.now()
        if found is None or not found[0].is_valid(now) or not self._stands(found[1]):
            self._remembered.pop(secret, None)
            self._strangers.count(address, now)
            why = {"expired": True} if found is not None and not found[0].is_valid(now) else {}
            raise NotAuthenticated("The token is unknown or has ended: log in again, or ask for a new one.", **why)
        token, user = found
        if token.is_touch_due(now) and not 0 <= now - self._untouched_at < _TOUCHED_AGAIN_S:
            self._touch(token, now)
            del self._known[secret]
        whole = self._caller(user, token.name, address)
        caller = structs.replace(whole, scope=accounts.narrowed_scope(user, token), verbs=token.verbs)
        caller = self._limited(caller)
        if is_of_file(user):
            caller = self._for_now(caller)
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[secret] = _Remembered(token, caller, version, now)
        return caller

    def _touch(self, token: accounts.Token, now: float) -> None:
        try:
            with self._journal.transaction() as connection:
                accounts.touch_token(connection, token, now)
        except JournalError as error:
            # Reading must stay possible when nothing can be stored; the token just does not slide.
            self._untouched_at = now
            log.warning("use of token %s was not written down: %s", token.name, error)

    def _logout(self, secret: str) -> None:
        self._known.pop(secret, None)
        known = accounts.token_by_secret(self._reader, secret)
        with self._journal.transaction() as connection:
            accounts.end_login(connection, secret)
            if known is not None and known[0].kind == "login":
                add_audit(connection, AuditRow(self._clock.now(), LOGOUT, known[1].name, known[0].name))


_VERBS = {str(role): verbs for role, verbs in accounts.ROLES.items()}


def _asking(caller: Caller) -> Caller:
    """Whatever the request goes on to do is done in his turn."""
    ASKER.set(caller.user)
    return caller


def may(caller: Caller, verb: Verb) -> bool:
    """Do the caller's role and token allow it?"""
    return verb in _VERBS[caller.role] and (caller.verbs is None or verb in caller.verbs)


def check_may(caller: Caller, verb: Verb) -> None:
    """Raise Forbidden if the caller's role, or what narrows the token, lacks the verb."""
    if verb not in _VERBS[caller.role]:
        needed = next(role for role in accounts.Role if verb in accounts.ROLES[role])
        raise Forbidden(
            f"{caller.user} has the role {caller.role}, which lacks {verb}: ask for the role {needed}.",
            right=str(needed),
            verb=str(verb),
        )
    if caller.verbs is not None and verb not in caller.verbs:
        words = ", ".join(sorted(caller.verbs)) or "nothing"
        raise Forbidden(
            f"The token {caller.token} is narrowed to {words}: this takes one made with `--verb {verb}`.",
            right=str(verb),
        )


REALM = "Nagios Access"  # what programs written for the CGIs look for


def password_files(settings: Settings) -> tuple[PasswordFile, ...]:
    """The web server's files whose users may come in."""
    plain = (PasswordFile(settings.htpasswd),) if settings.htpasswd else ()
    return (*plain, PasswordFile(settings.htdigest, settings.htdigest_realm)) if settings.htdigest else plain


def _open_reader(journal: Journal) -> sqlite3.Connection:
    connection = sqlite3.connect(journal.path, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA query_only=ON")
    return connection


def _wrong() -> NotAuthenticated:
    return NotAuthenticated("User name or password is wrong.")


def _is_right(name: str, password: str, user: accounts.User | None, line: Line | None) -> bool:
    if line is not None:
        return line[0].is_password(name, password, line[1])
    return is_password(password, user.password_hash if user is not None and not is_of_file(user) else None)


def _wait(subject: str, count: int, last_at: float, now: float) -> float:
    """Seconds that subject has still to wait."""
    if count < FREE or now >= last_at + FORGET_S:
        return 0.0
    cap = ADDRESS_CAP_S if subject.startswith("address ") else USER_CAP_S
    pause = min(2.0 ** min(count - FREE, 20), cap)
    # A clock that was set back must not make anybody wait longer than one pause.
    return min(last_at + pause - now, pause)


def _network(address: str) -> str:
    """By what an address is throttled: an IPv6 customer owns a whole /64."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _printed(name: str) -> str:
    """A name somebody tried, as it can be stored."""
    return name[: accounts.LONGEST_NAME].encode("utf-8", "backslashreplace").decode()


def _is_account_name(name: str) -> bool:
    try:
        accounts.check_account_name(name)
    except InvalidField:
        return False
    return True
