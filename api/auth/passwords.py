"""Passwords: made into argon2id hashes and verified. Slow on purpose: never call this on the event loop.

19 MiB and two passes are OWASP's first choice for argon2id: about 25 ms of one core, so that programs which log in for every
call (common with the Centreon API) stay usable while guessing stays expensive. The parameters stand in each hash.
"""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from engine.errors import InvalidField

SHORTEST = 8  # characters; shorter ones are guessed even through the throttle
LONGEST = 1024  # characters; hashing time must not be the caller's to choose

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# What the password of an unknown user is compared with, so that both answers take the same time.
_NOBODY = _hasher.hash(secrets.token_bytes(32))


def hash_password(password: str) -> str:
    """The argon2id hash with its salt and parameters. Raises InvalidField for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidField(f"A password has {SHORTEST} to {LONGEST} characters: choose another.", field="password")
    return _hasher.hash(_bytes(password))


def is_password(password: str, password_hash: str | None) -> bool:
    """The password is the one of that hash. None (no such user) takes as long and is never right."""
    try:
        _hasher.verify(password_hash or _NOBODY, _bytes(password[: LONGEST + 1]))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
