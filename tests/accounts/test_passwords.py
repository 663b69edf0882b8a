"""Hashing: what fits, how long it takes, and how many run at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher

from tasktracker.accounts import passwords

OLDER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture(autouse=True)
def _advised(monkeypatch):
    """Hashing as it is outside of tests."""
    monkeypatch.setattr(passwords, "_hasher", passwords.ADVISED)


def test_the_whole_password_counts_in_every_spelling_of_unicode():
    stored = passwords.hash_password("Zoe\u0308 " + "x" * 123)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.verify_password(stored, "Zo\u00eb " + "x" * 123)
    for other in ("zo\u00eb " + "x" * 123, "Zo\u00eb " + "x" * 122, "Zo\u00eb " + "x" * 122 + "y", " Zo\u00eb " + "x" * 123):
        assert not passwords.verify_password(stored, other)


def test_a_hash_with_other_parameters_still_fits_and_is_to_be_made_anew():
    stored = OLDER.hash("correct horse battery staple")
    assert passwords.verify_password(stored, "correct horse battery staple")
    assert passwords.needs_rehash(stored)
    assert not passwords.needs_rehash(passwords.hash_password("correct horse battery staple"))


def test_nobody_and_a_broken_hash_fit_no_password_and_take_as_long():
    """The time that the thread computes is measured, which other work on the machine does not lengthen; see ASVS 6.3.8."""
    good = passwords.hash_password("right")
    cut, broken = good[:-9], good[:-5] + "*****"
    tries = [
        (good, "right"),
        (good, "wrong"),
        *((stored, "right") for stored in (None, "", "no hash", cut, broken, "$argon2é")),
    ]
    least = [float("inf")] * len(tries)
    for _ in range(20):  # Rounds, until each had a quiet moment. A hash more or less would make it twice the time, or none.
        for index, (stored, password) in enumerate(tries):
            before = time.thread_time()
            fits = passwords.verify_password(stored, password)
            least[index] = min(least[index], time.thread_time() - before)
            assert fits == ((stored, password) == (good, "right"))
        if max(least) < 1.5 * min(least):
            break
    assert max(least) < 1.5 * min(least), least


def test_four_hashes_at_once_are_the_most(monkeypatch):
    lock, now, most = threading.Lock(), 0, 0
    full = threading.Event()

    class Counting:
        def hash(self, password: bytes) -> str:
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
                if now == 4:
                    full.set()
            assert full.wait(10)
            with lock:
                now -= 1
            return "hash"

    monkeypatch.setattr(passwords, "_hasher", Counting())
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(passwords.hash_password, ["x"] * 12)) == ["hash"] * 12
    assert most == 4
