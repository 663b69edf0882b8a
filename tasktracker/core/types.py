"""Column types that give the same Python values on PostgreSQL and SQLite."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, TypeAlias, cast

import orjson
from sqlalchemy import CHAR, ColumnElement, Dialect, Select, SmallInteger, String, Table, Text, TypeDecorator
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute
from sqlalchemy.types import TypeEngine
from typing_extensions import override

AnyColumn: TypeAlias = ColumnElement[Any] | InstrumentedAttribute[Any]
AnySelect: TypeAlias = Select[*tuple[Any, ...]]
SCOPE = 6  # Characters at the end of an id, which are random; of 16 million projects two have the same.


def is_postgresql(dialect: Dialect) -> bool:
    """Whether statements are for PostgreSQL and not for SQLite."""
    return dialect.name == "postgresql"


class Id(TypeDecorator[str]):
    """A UUID as its lower-case text of 36 characters: `uuid` in PostgreSQL, text in SQLite."""

    impl = String
    cache_ok = True

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if is_postgresql(dialect):
            return dialect.type_descriptor(postgresql.UUID(as_uuid=False))
        return dialect.type_descriptor(CHAR(36))

    @override
    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Nothing: both drivers give text, see `postgresql`."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond. SQLite has no time zones: there it is text of a fixed width, which sorts."""

    impl = String
    cache_ok = True

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if is_postgresql(dialect):
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(CHAR(27))

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        if is_postgresql(dialect):
            return moment
        return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return datetime.fromisoformat(value) if isinstance(value, str) else value

    @override
    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Nothing for PostgreSQL, whose driver gives moments."""
        return None if is_postgresql(dialect) else super().result_processor(dialect, coltype)


class Choice(TypeDecorator[str]):
    """One of a few names, stored as a small number so that it sorts in the order of the enumeration."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, enumeration: type[IntEnum]) -> None:
        super().__init__()
        self.enumeration = enumeration
        self._names = {member.value: member.name for member in enumeration}

    @override
    def process_bind_param(self, value: str | int | None, dialect: Dialect) -> int | None:
        return self.enumeration[value].value if isinstance(value, str) else value

    @override
    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """The look-up of the name; null has none."""
        return self._names.get


class Many(TypeDecorator[Sequence[Any]]):
    """Several values as one parameter: an array in PostgreSQL, a JSON list in SQLite.

    One parameter keeps one statement for any number of values, so that it is compiled and planned once.
    """

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if is_postgresql(dialect):
            return dialect.type_descriptor(postgresql.ARRAY(self.item))
        return dialect.type_descriptor(Text())

    @override
    def process_bind_param(self, value: Iterable[Any] | None, dialect: Dialect) -> Any:
        if value is None or is_postgresql(dialect):
            return value if value is None else list(value)
        process: Callable[[Any], Any] | None = self.item.dialect_impl(dialect).bind_processor(dialect)
        return json.dumps([process(item) if process else item for item in value])


class JsonText(TypeDecorator[Any]):
    """JSON that the database built, put into the answer as it is, without being read and written again."""

    impl = Text
    cache_ok = True

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> orjson.Fragment | None:
        return None if value is None else orjson.Fragment(value)


class PrefixSearch(TypeDecorator[list[str]]):
    """Words, each of which begins a word of what is sought: the query of a search.

    It holds an `@`, which no word does, wherever `core/sql.matches` puts the scope in: the end of the id of a project.
    """

    impl = Text
    cache_ok = True

    @override
    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        # Words hold letters and digits alone, so nothing in them can end the quotation.
        if is_postgresql(dialect):
            return " & ".join(f"'@{word}':*" for word in value)
        return "words : (" + " AND ".join(f'"@{word}"*' for word in value) + ")"


def table_of(model: type[DeclarativeBase]) -> Table:
    """A model's table, for statements that need no entities."""
    return cast("Table", model.__table__)


def sortable(length: int) -> String:
    """Text that is sorted by code point on both databases, whatever the locale of the server."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")
