"""E-mail addresses: what mail can be sent to."""

import smtplib
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from tasktracker.accounts.schemas import Address

from ..core.strategies import quick

NONE = "Not an e-mail address."
TOO_LONG = "Longer than maximum length 254."
UNPRINTABLE = "Control characters, lone surrogates and more than 30 accents on one letter are not allowed."


def loaded(text):
    """The address as it is stored; or, as a list, why it is refused."""
    try:
        return Address().deserialize(text)
    except ValidationError as error:
        return error.messages


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("ada@example.com", "ada@example.com"),
        (" Ada@Example.COM\n", "Ada@Example.COM"),
        ("o'hara+tasks@sub.example.co.uk", "o'hara+tasks@sub.example.co.uk"),
        ("!#$%&'*+-/=?^_`{|}~.a@b.de", "!#$%&'*+-/=?^_`{|}~.a@b.de"),
        ("root@localhost", "root@localhost"),
        ("ada@exa\u0308mple.com", "ada@ex\u00e4mple.com"),
        ("ada@例え.jp", "ada@例え.jp"),
        ("ada@हिन्दी.भारत", "ada@हिन्दी.भारत"),
        ("ada@ΣΊΣΥΦΟΣ.gr", "ada@ΣΊΣΥΦΟΣ.gr"),
        ("ada@\uff45xample.com", "ada@\uff45xample.com"),
        ("ada@xn--exmple-cua.com", "ada@xn--exmple-cua.com"),
        ("a" * 64 + "@b.de", "a" * 64 + "@b.de"),
        ("a" * 64 + "@" + ".".join(["b" * 61] * 3) + ".dev", "a" * 64 + "@" + ".".join(["b" * 61] * 3) + ".dev"),
    ],
)
def test_an_address_is_trimmed_and_kept_in_nfc(given, stored):
    assert loaded(given) == stored


@pytest.mark.parametrize(
    "address",
    [
        *("", "@", "ada", "ada@", "@b.de", "ada@b", "ada@b.c", "a@b@c.de", "ada@b..de", "ada@b.de.", "ada@127.0.0.1"),
        *(".ada@b.de", "ada.@b.de", "a..b@c.de", "a da@b.de", "ada@b d.de", "ada@-b.de", "ada@b_c.de", "ada@[127.0.0.1]"),
        *('"ada"@b.de', '"a b"@c.de', 'a"b@c.de', "<ada@b.de>", "Ada <ada@b.de>", "ada@b.de,bob@b.de", "a,b@c.de", "a;b@c.de"),
        *("zoë@b.de", "\u0430da@b.de", "a\u200bda@b.de", "\uff41da@b.de"),  # These need SMTPUTF8.
        "ada@b.de\uff20c.de",  # IDNA makes an @ of it,
        "ada@b\u3002c.de",  # a dot,
        "ada@\uff0fb.de",  # a slash,
        *(f"ada@exam{invisible}ple.com" for invisible in "\u00ad\u200b\u200d\u2060\ufe0f\u034f"),  # and nothing.
        "ada@\u202eb.de",
        "ada@" + "b" * 64 + ".de",
        "ada@" + "ä" * 59 + ".de",
        "a" * 65 + "@b.de",
        "a" * 64 + "@" + ".".join(["ä" + "b" * 54] * 3) + ".example.de",  # Shorter than 254, but not as it is sent.
    ],
)
def test_what_mail_cannot_be_sent_to_is_refused(address):
    assert loaded(address) == [NONE]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("a" * 64 + "@" + ".".join(["b" * 61] * 3) + ".example", TOO_LONG),
        ("a" * 10**6 + "@" + "ä" * 10**6, TOO_LONG),
        ("ada@b.de\r\nBcc: bob@b.de", UNPRINTABLE),
        ("ada\0@b.de", UNPRINTABLE),
        ("ada@b.de\ud800", UNPRINTABLE),
    ],
)
def test_what_is_too_long_or_unprintable_is_told(address, told):
    assert loaded(address) == [told]


@quick
@given(
    st.text("ab1.-_+'{}|~\"", min_size=1, max_size=8),
    st.text("ab1-ß\u00c4例\uff11", min_size=1, max_size=8),
)
def test_what_is_taken_can_be_written_into_a_mail_as_it_is(local_part, domain):
    stored = loaded(f"{local_part}@{domain}.de")
    if isinstance(stored, list):
        assert stored == [NONE]
        return
    local_part, domain = stored.rsplit("@", 1)
    sent_to = f"{local_part}@{domain.encode('idna').decode()}"
    assert smtplib.quoteaddr(sent_to) == f"<{sent_to}>"
    message = EmailMessage(SMTP)
    message["To"] = sent_to
    assert [each.addr_spec for each in message["To"].addresses] == [sent_to]
    assert loaded(stored) == stored
