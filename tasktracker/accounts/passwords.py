"""Passwords: Argon2id (RFC 9106) with the parameters that OWASP advises."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError, VerifyMismatchError

# OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
ADVISED = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_hasher = ADVISED
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
    """Whether the password is the one that was hashed. Without a stored hash, or with a broken one, it takes as long."""
    normal = _normal(password)
    with _at_once:
        try:
            return _hasher.verify(stored or "", normal)
        except VerifyMismatchError:
            return False
        except (VerificationError, ValueError):  # This is no hash, which is found out at once.
            _hasher.hash(normal)
            return False


def needs_rehash(stored: str) -> bool:
    """Whether a hash that a password was just verified against was made with other parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def _normal(password: str) -> bytes:
    return unicodedata.normalize("NFKC", password).encode()
