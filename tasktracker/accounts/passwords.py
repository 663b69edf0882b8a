"""Passwords: Argon2id (RFC 9106) with the parameters that OWASP advises."""

import ctypes
import threading
import unicodedata
from contextlib import suppress

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError, VerifyMismatchError

# OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
ADVISED = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_hasher = ADVISED
# Each hash takes 19 MiB: more than a few at once would let a burst of logins empty the memory.
_at_once = threading.BoundedSemaphore(4)
_M_MMAP_THRESHOLD = -3  # As `malloc.h` of glibc has it.

# glibc would keep the 19 MiB of the second hash for a third, in each thread of each worker, and a worker has 45 MiB in all.
# Told a limit, it gives back at once whatever is larger. A hash then takes up to half as long again, for its pages are new.
with suppress(AttributeError):  # Other C libraries have no such call, nor need it.
    ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 2**20)


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
