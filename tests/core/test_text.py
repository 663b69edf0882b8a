"""Text: cleaned, folded and cut into words."""

import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasktracker.core.text import _MARKS, _SEPARATORS, LONGEST_WORD, MOST_REMEMBERED, UnprintableError, clean, fold, words

from .strategies import quick

ANYTHING = st.text(st.characters(), max_size=50)  # Lone surrogates and control characters too.
PRINTABLE = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=50)


def is_forbidden(character, *, multiline):
    return unicodedata.category(character) == "Cs" or (
        unicodedata.category(character) == "Cc" and not (multiline and character in "\t\n")
    )


@quick
@given(ANYTHING, st.booleans())
def test_text_is_cleaned_or_refused(text, multiline):
    try:
        cleaned = clean(text, multiline=multiline)
    except UnprintableError:
        assert any(is_forbidden(character, multiline=multiline) for character in text)
    else:
        assert not any(is_forbidden(character, multiline=multiline) for character in cleaned)
        assert cleaned == cleaned.strip()
        assert unicodedata.is_normalized("NFC", cleaned)
        assert clean(cleaned, multiline=multiline) == cleaned


@quick
@given(PRINTABLE)
def test_printable_text_is_only_trimmed_and_normalised(text):
    assert clean(text) == unicodedata.normalize("NFC", text.strip())


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x7f", "\x80", "\x9f", "\ud800", "\x0b", "\x1f"])
def test_control_characters_and_surrogates_are_refused_at_the_ends_too(character):
    for text in (f"a{character}b", f"{character}a", f"a{character}", character):
        for multiline in (False, True):
            with pytest.raises(UnprintableError):
                clean(text, multiline=multiline)


# Characters that are taken apart into a letter and marks, or into several marks, and letters that the marks join.
@pytest.mark.parametrize("letter", ["a", "é", "ǘ", "\u0958", "\ufb2a"])
@pytest.mark.parametrize("mark", ["\u0301", "\u0323", "\u0344", "\u0f73", "\u0f81"])
def test_what_is_taken_once_is_taken_again(letter, mark):
    taken = []
    for number in range(40):
        with suppress(UnprintableError):
            taken.append(clean(letter + number * mark))
    assert [clean(text) for text in taken] == taken
    assert 10 < len(taken) < 40  # There is an end, for each of them.


def test_several_lines():
    assert clean("a\r\nb\n\tc", multiline=True) == "a\nb\n\tc"
    for text in ("a\nb", "a\tb", "a\rb"):
        with pytest.raises(UnprintableError):
            clean(text)


@quick
@given(PRINTABLE)
def test_folding_is_stable_and_blind_to_letter_case_and_form(text):
    folded = fold(text)
    assert fold(folded) == folded
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert fold(unicodedata.normalize(form, text)) == folded


@pytest.mark.parametrize(
    ("one", "other"), [("Straße", "STRASSE"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("ﬁ", "FI"), ("\uff21", "a"), ("K", "k")]
)
def test_what_people_take_for_the_same_is_folded_to_the_same(one, other):
    assert fold(one) == fold(other)


@quick
@given(PRINTABLE, PRINTABLE)
def test_words_are_letters_and_digits_once_each_in_order(one, other):
    found = words(one, other)
    assert found == sorted(set(found))
    assert set(found) == set(words(one)) | set(words(other))
    for word in found:
        assert 1 <= len(word) <= LONGEST_WORD
        assert not any(character.isspace() or character in "_'\":&|()*!<>\\%" for character in word)
        assert words(word) == [word] or not word.isascii()


def test_what_is_remembered_of_characters_has_an_end():
    for start in range(0x100, 0x20000, 200):
        flood = "".join(chr(code) for code in range(start, start + 200) if not 0xD800 <= code < 0xE000)
        with suppress(UnprintableError):  # Among them are rows of more than 30 marks.
            clean(flood)
        words(flood)
    for table in (_SEPARATORS, _MARKS):
        assert len(table) <= MOST_REMEMBERED
    assert words("Zoë 漢字 \U0001d518") == ["u", "zoë", "漢字"]  # All the same, remembered or not.


def test_a_word_that_is_too_long_is_known_by_its_beginning():
    assert words("a" * 1000) == ["a" * LONGEST_WORD]
    assert words("Don't stop_me, 2\u00d73!") == ["2", "3", "don", "me", "stop", "t"]
