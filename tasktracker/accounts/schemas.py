"""What goes into and comes out of the accounts' routes."""

import re
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from marshmallow import ValidationError, validate
from marshmallow import fields as ma

from ..core import fields
from ..core.schemas import Answer, Input, InputMeta
from ..core.text import fold
from .models import TeamRole, User

LONGEST_ADDRESS = 254  # RFC 5321 4.5.3.1.3: 256 with the brackets around it.
LONGEST_TYPED = 1024  # Of a password, before NFKC makes one character of several.
_NO_ADDRESS = "Not an e-mail address."
_is_address = validate.Email(error=_NO_ADDRESS)
# Plain: neither quoted nor outside ASCII, and no number in place of a domain.
_PLAIN_ADDRESS = re.compile("[!#-?A-~]{1,64}@[A-Za-z0-9.-]+")
_USERNAME = validate.Regexp(r"^[a-z0-9._-]{3,32}\Z", error="Not 3 to 32 of a-z, 0-9, '.', '_' and '-'.")


@cache
def time_zones() -> frozenset[str]:
    """The names of the IANA time zone database that an account can have."""
    # These two are no places: what they mean depends on the machine.
    return frozenset(available_timezones() - {"localtime", "Factory"})


def check_time_zone(name: str) -> None:
    """Refuses what is not a name of the IANA time zone database."""
    if name not in time_zones():
        raise ValidationError("Not a time zone such as Europe/Berlin.")


def check_address(text: str) -> None:
    """Refuses what is not an address to which plain SMTP takes mail (RFC 5321; the domain as IDNA spells it).

    Raises:
        ValidationError: it is none, or too long.
    """
    if len(text) > LONGEST_ADDRESS:
        raise ValidationError(f"Longer than maximum length {LONGEST_ADDRESS}.")
    local_part, _, domain = text.rpartition("@")
    try:
        spelled = domain.encode("idna").decode()
        # IDNA drops what is invisible: two addresses that look alike would lead to one place.
        is_what_it_seems = domain.isascii() or fold(spelled.encode().decode("idna")) == fold(domain)
    except UnicodeError as error:
        raise ValidationError(_NO_ADDRESS) from error
    address = _is_address(f"{local_part}@{spelled}")
    if not is_what_it_seems or len(address) > LONGEST_ADDRESS or not _PLAIN_ADDRESS.fullmatch(address):
        raise ValidationError(_NO_ADDRESS)


class Address(fields.Text):
    """An e-mail address."""

    def __init__(self, **kwargs: Any) -> None:
        about = fields.described(kwargs, format="email", maxLength=LONGEST_ADDRESS, example="ada@example.com")
        super().__init__(validate=check_address, **about)


class Username(fields.Text):
    """A username, kept in lower case."""

    def __init__(self, **kwargs: Any) -> None:
        about = fields.described(kwargs, pattern="^[A-Za-z0-9._-]{3,32}$", example="ada")
        super().__init__(validate=_USERNAME, **about)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        return text.lower() if text.isascii() else text


class CurrentPassword(fields.Password):
    """A password that is compared, whatever its length."""

    def __init__(self, **kwargs: Any) -> None:
        described = fields.described(kwargs, example="demo-password-please-change", format="password")
        super().__init__(validate=validate.Length(1, LONGEST_TYPED), **described)


class MailedToken(fields.Text):
    """A token as it stands in a mail."""

    def __init__(self, **kwargs: Any) -> None:
        described = fields.described(kwargs, example="5d41402abc4b2a76b9719d911017c592...")
        super().__init__(validate=validate.Length(1, 200), **described)


class UserBrief(Answer):
    """As much of a user as others see."""

    id = fields.Id()
    username = fields.Text(metadata={"example": "ada"})
    display_name = fields.Text(metadata={"example": "Ada Lovelace"})


class MyTeam(Answer):
    """A team that I belong to."""

    id = fields.Id()
    name = fields.Text(metadata={"example": "Platform"})
    role = fields.Choice(TeamRole)


class MeSchema(Answer):
    """My own profile."""

    id = fields.Id()
    email = ma.Email(metadata={"example": "ada@example.com"})
    username = fields.Text(metadata={"example": "ada"})
    display_name = fields.Text(metadata={"example": "Ada Lovelace"})
    timezone = fields.Text(metadata={"example": "Europe/London"})
    email_verified = fields.Flag()
    is_admin = fields.Flag()
    created_at = fields.Moment()
    teams = ma.List(ma.Nested(MyTeam))


class MeChange(Input):
    """What I may change of my profile."""

    class Meta(InputMeta):
        model = User

    display_name = fields.Text(validate=validate.Length(1, 100), metadata={"example": "Ada King"})
    timezone = fields.Text(validate=check_time_zone, metadata={"example": "Europe/London", "maxLength": 64})
    username = Username(metadata={"example": "ada.king"})


class NewPassword(fields.Password):
    """A password that someone wants to have from now on; `password_rules` judges it."""

    def __init__(self, **kwargs: Any) -> None:
        rules = "12 characters (a server may ask for more) to 128; not a common one, nor one built from username or address."
        about = fields.described(kwargs, format="password", description=rules, example="correct horse battery staple")
        super().__init__(validate=validate.Length(max=LONGEST_TYPED), **about)


class NewUser(Input):
    """A new account. Its password has still to be judged by `password_rules`."""

    email = Address(required=True)
    username = Username(required=True)
    password = NewPassword(required=True)


class LoginSchema(Input):
    """A username or an address, and the password."""

    username = fields.Text(required=True, validate=validate.Length(1, 254), metadata={"example": "demo"})
    password = CurrentPassword(required=True)


class RefreshSchema(Input):
    """A refresh token."""

    refresh_token = fields.Text(required=True, validate=validate.Length(1, 4096), metadata={"example": "eyJhbGciOi..."})


class TokensSchema(Answer):
    """A pair of tokens. The access token goes into the header `Authorization: Bearer ...`."""

    access_token = ma.String(metadata={"example": "eyJhbGciOi..."})
    refresh_token = ma.String(metadata={"example": "eyJhbGciOi..."})
    token_type = ma.String(metadata={"enum": ["Bearer"], "example": "Bearer"})
    expires_in = ma.Integer(metadata={"description": "Seconds that the access token lives.", "example": 900})
    refresh_expires_in = ma.Integer(metadata={"description": "Seconds that the refresh token lives.", "example": 1209600})
    user = ma.Nested(MeSchema)


class Registration(NewUser):
    """A new account."""

    class Meta(InputMeta):
        model = User

    display_name = fields.Text(validate=validate.Length(1, 100), metadata={"example": "Ada Lovelace"})
    timezone = fields.Text(validate=check_time_zone, metadata={"example": "Europe/London", "maxLength": 64})


class AddressSchema(Input):
    """An e-mail address."""

    email = Address(required=True)


class TokenSchema(Input):
    """A token from a mail."""

    token = MailedToken(required=True)


class PasswordReset(Input):
    """A token from a mail, and the new password."""

    token = MailedToken(required=True)
    password = NewPassword(required=True)


class PasswordChange(Input):
    """The current password and the new one."""

    current_password = CurrentPassword(required=True)
    new_password = NewPassword(required=True)


class AddressChange(Input):
    """The new address, and the current password."""

    email = Address(required=True)
    password = CurrentPassword(required=True)


class AccountDeletion(Input):
    """The current password."""

    password = CurrentPassword(required=True)


class SessionSchema(Answer):
    """A login that is still good."""

    id = fields.Id()
    created_at = fields.Moment()
    last_used_at = fields.Moment(metadata={"description": "When its tokens were last refreshed."})
    ip_address = ma.String(allow_none=True, metadata={"description": "Where it began.", "example": "192.0.2.7"})
    user_agent = ma.String(allow_none=True, metadata={"example": "Mozilla/5.0 (X11; Linux x86_64)"})
    current = fields.Flag(metadata={"description": "Whether this request belongs to it."})
