"""Users of a web server's password files: htpasswd (bcrypt, apr1, SHA …) and htdigest. Verification is slow on purpose: in threads.

A file is read again when it changes. Lines in a scheme that is not known here let nobody in. Who logs in for a token gets an
account that refers to his line: it has no password, its logins end when the line changes, and what it may do is said elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from api.auth.contacts import Stamp, stamp_of
from engine.journal.accounts import User

_LONGEST = 1024  # bytes of a password that is looked at


@cache
def _schemes() -> Any:
    """As `htpasswd` writes them; the old crypt(3) of eight characters and plain text are left out."""
    from passlib.context import CryptContext  # type: ignore[import-untyped]  # few have such a file

    return CryptContext(["bcrypt", "apr_md5_crypt", "ldap_sha1", "sha256_crypt", "sha512_crypt"], truncate_error=False)


@dataclass(slots=True)
class PasswordFile:
    """One file: user names to what stands behind them. Thread-safe. A file that is gone lets nobody in."""

    path: Path
    realm: str | None = None  # of an htdigest file
    _stamp: Stamp | None = None
    _lines: Mapping[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def line_of(self, user: str) -> str | None:
        """What stands there for the user now."""
        with self._lock:
            try:
                stamp = stamp_of(self.path)
                if stamp != self._stamp:
                    self._lines = self._read()
                    self._stamp = stamp
            except OSError:
                self._lines, self._stamp = {}, None
            return self._lines.get(user)

    def _read(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for line in self.path.read_bytes().decode("utf-8", "replace").splitlines():
            parts = line.strip().split(":")
            if len(parts) < 2 or line.startswith("#"):
                continue
            if self.realm is None:
                found.setdefault(parts[0], parts[1])
            elif len(parts) == 3 and parts[1] == self.realm:
                found.setdefault(parts[0], parts[2])
        return found

    def is_password(self, user: str, password: str, line: str) -> bool:
        """The password is the one of that line."""
        if len(password.encode("utf-8", "surrogatepass")) > _LONGEST or "\0" in password:
            return False
        if self.realm is not None:
            given = hashlib.md5(f"{user}:{self.realm}:{password}".encode("utf-8", "surrogatepass"), usedforsecurity=False)
            return hmac.compare_digest(given.hexdigest(), line.lower())
        # Apache's bcrypt takes what comes beyond 72 bytes for nothing, the library refuses it.
        secret = password.encode("utf-8", "surrogatepass")
        scheme = _schemes().identify(line)
        try:
            return scheme is not None and bool(_schemes().verify(secret[:72] if scheme == "bcrypt" else secret, line))
        except (ValueError, TypeError):  # it only looked like a hash
            return False


Line = tuple[PasswordFile, str]
"""What stands for a user in which file."""
_OF_FILE = "line:"  # begins what an account has in the place of a password's hash


def hash_of_line(line: Line) -> str:
    """By what an account refers to its line."""
    return _OF_FILE + hashlib.sha256(line[1].encode("utf-8", "surrogatepass")).hexdigest()


def is_of_file(user: User) -> bool:
    """The account refers to a line of a password file."""
    return user.password_hash.startswith(_OF_FILE)
