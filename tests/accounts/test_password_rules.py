"""Which passwords are taken."""

import gzip
import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasktracker.accounts import password_rules
from tasktracker.accounts.password_rules import WeakPasswordError, check_password
from tasktracker.core.text import fold

from ..core.strategies import quick

LENGTH = "Not 12 to 128 characters."
COMMON = "One of the most commonly used passwords, which are guessed first: choose another."
KNOWN = "Little more than the username, the address or this product's name: choose another."
LISTED = gzip.decompress(password_rules._LIST.read_bytes()).decode().splitlines()
AS_A_SET = frozenset(LISTED)


def judged(password, *, min_length=12, username="ada.lovelace", email="ada@analytical-engine.example.org"):
    """The sentence with which a password is refused, or None."""
    try:
        check_password(password, min_length=min_length, username=username, email=email)
    except WeakPasswordError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "  leading and trailing  ",
        "\tcontrol\x01 characters ",
        "x7#Kq9!vLm2$",
        "483920175566",
        "!(%/&=§)$?§%",
        "é" * 12,
        "e\u0301" * 128,  # 128 characters as it is hashed.
        "中文密码不是常用的真的不是",
        "🐎🔋📎✅🐎🔋📎✅🐎🔋📎✅",
        "q" * 128,
    ],
)
def test_there_are_no_rules_of_composition(password):
    assert judged(password) is None


@pytest.mark.parametrize(
    ("password", "min_length", "told"),
    [
        ("", 12, LENGTH),
        ("q7" * 5 + "!", 12, LENGTH),
        ("e\u0301" * 11, 12, LENGTH),  # Twenty-two code points, eleven characters.
        ("q" * 129, 12, LENGTH),
        ("\ufdfa" * 8, 12, LENGTH),  # One sign that NFKC writes with eighteen characters.
        ("x7#Kq9!", 8, "Not 8 to 128 characters."),
        ("x7#Kq9!v", 8, None),
        ("q7" * 31 + "!", 64, "Not 64 to 128 characters."),
    ],
)
def test_characters_are_counted_as_they_are_hashed(password, min_length, told):
    assert judged(password, min_length=min_length) == told


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "PASSWORD1234",
        "Password123!",
        " password1234\n",
        "\uff50assword1234",
        "passwordpassword",
        "123456789012",
        "qwertyuiop[]",
        "1q2w3e4r5t6y",
        "!!!!!!!!!!!!",
        "administrator",
        "manchesterunited",
        "p@ssw0rd1234",
    ],
)
def test_what_is_commonly_used_is_refused_in_any_case_of_letters_and_with_signs_around_it(password):
    assert judged(password) == COMMON


@quick
@given(st.sampled_from(LISTED), st.text(" !?.*#_-\t", max_size=3), st.sampled_from([str.upper, str.title, str.swapcase, str]))
def test_all_of_the_list_is_found(word, signs, spelled):
    assume(fold(spelled(word)) == word)
    assert judged(spelled(word), min_length=8) == COMMON
    assume(word[0].isalnum() and word[-1].isalnum())
    assert judged(f"{signs}{spelled(word)}{signs}", min_length=8) == COMMON


@quick
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=20))
def test_nothing_else_is_found(word):
    assert password_rules._is_listed(word) == (word in AS_A_SET)


def test_the_list_is_as_the_search_needs_it_and_small():
    assert sorted(AS_A_SET, key=str.encode) == LISTED
    assert min(map(len, LISTED)) == 8
    assert sum(len(word) >= 12 for word in LISTED) > 90_000
    assert all(fold(word) == word for word in LISTED)
    assert not [word for word in LISTED if re.search(r"@.+\.", word)]
    assert password_rules._LIST.stat().st_size < 500_000
    kept = password_rules._common_passwords()
    assert type(kept) is bytes
    assert len(kept) < 2_000_000
    before = time.thread_time()
    for number in range(100):
        password_rules._is_listed(f"nobody uses {number}")
    assert time.thread_time() - before < 0.05  # Seconds for a hundred of them.


@pytest.mark.parametrize(
    ("password", "username", "email"),
    [
        ("Ada.Lovelace1234", "ada.lovelace", "x@example.org"),
        ("lovelace-1815-ada", "ada.lovelace", "x@example.org"),
        ("LOVELACELOVELACE", "ada_lovelace", "x@example.org"),
        ("my ada 18151815!", "ada", "x@example.org"),
        ("adaadaadaadaada!", "ada", "x@example.org"),
        ("1234567 ADA 7654", "countess", "ada@example.org"),
        ("Countess+of+1815", "x.y", "countess+1815@example.org"),
        ("countess@lovelace.org", "x.y", "countess@lovelace.org"),
        ("COUNTESS@LOVELACE.ORG!", "x.y", "Countess@Lovelace.Org"),
        ("lovelace.org 1852", "x.y", "x@lovelace.org"),
        ("Lovelace 1852!!!", "x.y", "x@mail.lovelace.org"),
        ("Byron-1852-1852", "x.y", "x@lovelace-byron.org"),
        ("\uff2c\uff2f\uff36\uff25lace 1852", "lovelace", "x@example.org"),
        ("STRASSE 18151815", "x.y", "x@straße.org"),
        ("TaskTracker2026!", "x.y", "x@example.org"),
        ("task-tracker 2026", "x.y", "x@example.org"),
        ("Ada tasktracker 1", "ada", "x@example.org"),
    ],
)
def test_what_is_made_of_known_names_is_refused(password, username, email):
    assert judged(password, username=username, email=email) == KNOWN


@pytest.mark.parametrize(
    ("password", "username", "email"),
    [
        ("correct ada battery staple", "ada", "ada@example.org"),
        ("ada likes tea!!!", "ada", "ada@example.org"),
        ("ada 1815 abcdef", "ada", "ada@example.org"),  # Six letters are left.
        ("my task is never done", "ada", "ada@example.org"),
        ("x7#Kq9!vLm2$", "ada", "ada@example.org"),
        ("1815 1852 1833 1!", "ada", "ada@example.org"),
        ("jo 18151815 jo 1", "jo-li", "jo@ex.am"),  # Two letters are no name.
        ("orgorg 18151815", "ada", "ada@example.org"),
        ("a1.*1815+[1852]", "a.*", "x@example.org"),  # No pattern, whatever stands in a name.
    ],
)
def test_a_name_among_other_things_is_fine(password, username, email):
    assert judged(password, username=username, email=email) is None


NAMES = st.text("abcdef", min_size=3, max_size=12)
OTHERS = st.text("uvwxyz", min_size=3, max_size=12)
NO_LETTERS = st.text("0123456789 !.-_", max_size=10)


@quick
@given(NAMES, OTHERS, st.lists(st.tuples(st.booleans(), st.booleans(), NO_LETTERS), min_size=1, max_size=8))
def test_no_number_or_sign_makes_a_name_a_password(name, other, pieces):
    spelled = [(name if mine else other, shouted, rest) for mine, shouted, rest in pieces]
    password = "".join((word.upper() if shouted else word) + rest for word, shouted, rest in spelled)
    assume(12 <= len(password) <= 128)
    assert judged(password, username=f"{name}-1", email=f"{other}@example.org") in {KNOWN, COMMON}


@quick
@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=12, max_size=30), NAMES)
def test_only_what_is_common_or_has_a_name_in_it_is_refused(password, name):
    folded = fold(password)
    assume(not any(known in folded for known in (name, "example", "task", "tracker")))
    told = judged(password, username=name, email=f"{name}@example.org")
    assert told in ({LENGTH, COMMON} if password_rules._is_common(folded) else {LENGTH, None})
