"""Passwords: Argon2id (RFC 9106) with the parameters that OWASP advises."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_nobody: dict[PasswordHasher, str] = {}
# Each hash takes 19 MiB: more than a few at once would let a burst of logins empty the memory.
_at_once = threading.BoundedSemaphore(4)


def weaken_for_tests() -> None:
    """Makes hashing fast and worthless, for tests that log in thousands of times."""
    global _hasher  # noqa: PLW0603
    _hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


def hash_password(password: str) -> str:
    """The hash to store; the password is normalised to NFKC, so that every keyboard's spelling fits."""
    with _at_once:
        return _hasher.hash(_normal(password))


def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password is the one that was hashed. Without a stored hash it takes as long, and is false."""
    with _at_once:
        try:
            return _hasher.verify(stored or _hash_of_nobody(), _normal(password)) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def _hash_of_nobody() -> str:
    if _hasher not in _nobody:
        _nobody[_hasher] = _hasher.hash(b"nobody has this password")
    return _nobody[_hasher]


def _normal(password: str) -> bytes:
    return unicodedata.normalize("NFKC", password).encode()


def needs_rehash(stored: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(stored)
