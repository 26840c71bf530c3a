"""Passwords: made into argon2id hashes and verified. Slow on purpose: never call this on the event loop.

19 MiB and two passes are OWASP's first choice for argon2id: about 25 ms of one core, so that programs which log in for every
call (common with the Centreon API) stay usable while guessing stays expensive. The parameters stand in each hash.
"""

from __future__ import annotations

import secrets
from functools import cache
from typing import TYPE_CHECKING

from engine.errors import InvalidField

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 8  # characters; shorter ones are guessed even through the throttle
LONGEST = 1024  # characters; hashing time must not be the caller's to choose


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher  # not with the module: most starts see no password, and need not wait

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@cache
def _nobody() -> str:
    """What the password of an unknown user is compared with, so that both answers take the same time."""
    return _hasher().hash(secrets.token_bytes(32))


def hash_password(password: str) -> str:
    """The argon2id hash with its salt and parameters. Raises InvalidField for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidField(f"A password has {SHORTEST} to {LONGEST} characters: choose another.", field="password")
    return _hasher().hash(_bytes(password))


def is_password(password: str, password_hash: str | None) -> bool:
    """The password is the one of that hash. None (no such user) takes as long and is never right."""
    from argon2.exceptions import InvalidHashError, VerificationError

    nobody = _nobody()  # also when it is not needed: the first time it takes longer
    try:
        _hasher().verify(password_hash or nobody, _bytes(password[: LONGEST + 1]))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
