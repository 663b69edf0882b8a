"""Marshmallow fields that take in exactly what the contract says, where marshmallow's own are lenient."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import IntEnum
from typing import Any

from marshmallow import ValidationError, fields, validate

from .text import UnprintableError, clean, words

EXAMPLE_ID = "0197f3a2-5c1e-7a4b-8d2f-3b6c9e1f0a57"
ID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_ID = re.compile(ID_PATTERN)
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-5][0-9])")


def is_id(text: str) -> bool:
    """Whether the text is a UUID version 7 in lower case."""
    return _ID.fullmatch(text) is not None


def described(kwargs: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """The arguments of a field, with these defaults for what the API's document says of it."""
    return {**kwargs, "metadata": {**defaults, **kwargs.get("metadata", {})}}


class Text(fields.String):
    """Text, trimmed and in NFC, whose length counts characters after that.

    Args:
        multiline: whether tab and newline may stand in it.
    """

    default_error_messages = {
        "unprintable": "Control characters, lone surrogates and more than 30 accents on one letter are not allowed.",
        "invalid": "Not a text.",
    }

    def __init__(self, *, multiline: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiline = multiline

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        try:
            return clean(value, multiline=self.multiline)
        except UnprintableError as error:
            raise self.make_error("unprintable") from error


class Password(fields.String):
    """A secret, taken as it is: neither trimmed nor normalised here."""

    default_error_messages = {"unprintable": "Lone surrogates and NUL are not allowed.", "invalid": "Not a text."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if re.search("[\x00\ud800-\udfff]", value):
            raise self.make_error("unprintable")
        return value


class Id(fields.String):
    """The id of a resource: a UUID version 7 in lower case."""

    default_error_messages = {"invalid": "Not an id."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**described(kwargs, format="uuid", pattern=ID_PATTERN, example=EXAMPLE_ID))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise self.make_error("invalid")
        return value


class IdOr(Id):
    """An id, or one of a few words that stand for one."""

    def __init__(self, *allowed: str, **kwargs: Any) -> None:
        pattern = f"^({'|'.join(allowed)}|{ID_PATTERN.strip('^$')})$"
        super().__init__(**described(kwargs, format="id-or-word", pattern=pattern))
        self.allowed = allowed

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        return value if value in self.allowed else super()._deserialize(value, attr, data, **kwargs)


class Day(fields.Date):
    """A calendar date, `2026-12-24`, free of time zones."""

    default_error_messages = {"invalid": "Not a date such as 2026-12-24."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            raise self.make_error("invalid")
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise self.make_error("invalid") from error


class Moment(fields.AwareDateTime):
    """A time with its offset (RFC 3339), given on in UTC."""

    default_error_messages = {"invalid": "Not a time with its offset, such as 2026-12-24T18:00:00Z ('+' is '%2B' in a URL)."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        if not isinstance(value, str) or not _MOMENT.fullmatch(value):
            raise self.make_error("invalid")
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self.make_error("invalid") from error


class Choice(fields.String):
    """One of the names of an enumeration.

    Args:
        enumeration: what there is to choose from.
        without: the names of it that are not taken here.
    """

    def __init__(self, enumeration: type[IntEnum], *, without: tuple[str, ...] = (), **kwargs: Any) -> None:
        names = [member.name for member in enumeration if member.name not in without]
        self.enumeration, self.is_whole = enumeration, not without
        one_of = validate.OneOf(names, error="Not one of: {choices}.")
        super().__init__(validate=one_of, **described(kwargs, example=names[0]))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return value


class Flag(fields.Boolean):
    """`true` or `false` and nothing that is taken for it; as text where it stands in a query string."""

    default_error_messages = {"invalid": "Neither true nor false."}

    def __init__(self, *, query: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values: dict[Any, bool] = {"true": True, "false": False} if query else {}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in self.values:
            return self.values[value]
        raise self.make_error("invalid")


class Count(fields.Integer):
    """A whole number in a query string, in plain digits."""

    default_error_messages = {"invalid": "Not a whole number in range."}

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(low, high, error=f"Not a number from {low} to {high}."), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not isinstance(value, str) or not re.fullmatch("-?[0-9]{1,18}", value):
            raise self.make_error("invalid")
        return int(value)


class Whole(fields.Integer):
    """A whole number in a body, as a number and as large as a column of the database takes it."""

    default_error_messages = {"invalid": "Not a whole number.", "too_large": "Not within 32 bits."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid")
        if not -(2**31) <= value < 2**31:
            raise self.make_error("too_large")
        return value


class ListOf(fields.List[Any]):
    """A list, whose length is judged before its items are looked at."""

    default_error_messages = {"invalid": "Not a list.", "too_long": "More than {most} items."}

    def __init__(self, item: fields.Field[Any], *, most: int = 100, **kwargs: Any) -> None:
        super().__init__(item, validate=validate.Length(max=most), **kwargs)
        self.most = most

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        if len(value) > self.most:
            raise self.make_error("too_long", most=self.most)
        return super()._deserialize(value, attr, data, **kwargs)


class Search(Text):
    """Words to look for; each begins a word of what is found.

    Args:
        wordless: the pattern of what may be looked for that has no letter and no digit; there is none, if not given.
    """

    default_error_messages = {"wordless": "Needs a letter or a digit to look for."}

    def __init__(self, *, wordless: str | None = None, **kwargs: Any) -> None:
        super().__init__(**described(kwargs, maxLength=200, example="quarterly report"))
        self.wordless = wordless

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if len(text) > 200:
            raise ValidationError("Longer than maximum length 200.")
        if not words(text) and not (self.wordless and re.fullmatch(self.wordless, text)):
            raise self.make_error("wordless")
        return text


class Sort(fields.String):
    """A comma list of fields to sort by, `-` in front for descending; given on as `((field, descending), ...)`."""

    default_error_messages = {"invalid": "Not a comma list of: {allowed}; '-' in front sorts descending."}

    def __init__(self, *allowed: str, default: str, **kwargs: Any) -> None:
        names = "|".join(allowed)
        pattern = f"^-?({names})(,-?({names}))*$"
        described_as = described(kwargs, pattern=pattern, default=default, example=default)
        super().__init__(load_default=self.parse(default), **described_as)
        self.allowed = allowed

    @staticmethod
    def parse(text: str) -> tuple[tuple[str, bool], ...]:
        """`-due_date,title` as `((due_date, True), (title, False))`."""
        return tuple((key.removeprefix("-"), key.startswith("-")) for key in text.split(","))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        keys = self.parse(value) if isinstance(value, str) else ()
        names = [name for name, _ in keys]
        if not names or not set(names) <= set(self.allowed) or len(set(names)) < len(names):
            raise self.make_error("invalid", allowed=", ".join(self.allowed))
        return keys
