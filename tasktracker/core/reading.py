"""Reads: one statement each, whose columns are the fields of the answer's schema.

A row becomes a body by putting names to values, without objects in between: a page of 20 tasks costs a seventh of what
entities with their relations and a dump through a schema cost. The schema stays the one definition of names and order;
a `Shape` refuses at import to differ from it.

A statement is built once for each shape that a question can have (which filters, which sort) and then only gets values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from marshmallow import Schema
from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    FromClause,
    Integer,
    UnaryExpression,
    and_,
    bindparam,
    func,
    literal_column,
    null,
    select,
    true,
)
from sqlalchemy.types import Text, TypeEngine

from .errors import NotFound
from .fields import Sort
from .results import Page, Resource
from .schemas import Answer
from .sql import among
from .statement import Statement
from .text import words
from .types import AnyColumn, AnySelect, Many


class Shape:
    """What an answer shows: a column for each field of its schema, in the schema's order.

    Args:
        schema: the schema of the answer.
        columns: the SQL for each of its fields.
        version: the column that counts the resource's changes, where it has one.
    """

    def __init__(self, schema: type[Answer], columns: Mapping[str, AnyColumn], version: AnyColumn | None = None) -> None:
        self.names = tuple(columns)
        if self.names != tuple(schema().fields):
            raise TypeError(f"The columns {self.names} are not the fields of {schema.__name__}.")
        self.columns = [column.label(name) for name, column in columns.items()]
        # What a statement gives that reads one resource, or changes it and returns it.
        self.returned = [*self.columns, (null() if version is None else version).label("version")]

    def body(self, values: Sequence[Any]) -> dict[str, Any]:
        """A row as it is answered."""
        return dict(zip(self.names, values, strict=False))

    def resource(self, values: Sequence[Any]) -> Resource:
        """A row of what is `returned` as a resource."""
        return Resource(self.body(values), values[-1])


class One:
    """Reads one resource.

    Args:
        shape: what is answered.
        source: the tables.
        where: the condition that finds it and holds only for who may see it.
    """

    def __init__(self, shape: Shape, source: FromClause, where: ColumnElement[bool]) -> None:
        self.shape = shape
        self.statement = Statement(select(*shape.returned).select_from(source).where(where))

    def get(self, **values: Any) -> Resource:
        """The resource.

        Raises:
            NotFound: it does not exist, or may not be seen.
        """
        row = self.statement.first(**values)
        if row is None:
            raise NotFound
        return self.shape.resource(row)


@dataclass(frozen=True)
class Param:
    """The value of a filter: one, or several of which any may match."""

    name: str
    many: bool = False

    def equals(self, column: AnyColumn) -> ColumnElement[bool]:
        """The column is the value, or one of the values."""
        # One value is not a list of one: SQLite plans `=` well and the list badly (300 against 4,350 microseconds).
        if self.many:
            return among(column, bindparam(self.name, type_=Many(column.type)))
        return column == bindparam(self.name, type_=column.type)

    def value(self, type_: TypeEngine[Any] | None = None) -> BindParameter[Any]:
        """The value itself."""
        return bindparam(self.name, type_=type_)

    def patterns(self) -> BindParameter[Any]:
        """The value as patterns for `begins_words`."""
        return bindparam(self.name, type_=Many(Text()))


Filter = Callable[[Param], ColumnElement[bool]]
SortKey = tuple[str, bool]


@dataclass(frozen=True)
class Question:
    """What a client asks of a list, apart from who asks.

    Args:
        filters: the value, or the list of values, of each filter that is used.
        sort: the fields to sort by, and whether descending.
        page: the page's number, from 1.
        size: rows on a page.
    """

    filters: Mapping[str, Any]
    sort: tuple[SortKey, ...]
    page: int
    size: int

    @classmethod
    def of(cls, query: Mapping[str, Any], default_sort: tuple[SortKey, ...]) -> "Question":
        """From a loaded query schema."""
        filters = {name: value for name, value in query.items() if name not in ("sort", "page", "page_size")}
        return cls(filters, query.get("sort", default_sort), query["page"], query["page_size"])


class Listing:
    """Reads pages of a resource with their exact total, in one statement.

    Args:
        shape: what is answered for each row.
        source: the tables that the columns come from.
        query: the schema of the query string.
        key: the id that makes every order total.
        sorts: the column behind each name to sort by.
        default_sort: what is sorted by where nothing is asked.
        visible: the condition that holds only for what the caller may see, where the source has more.
        filters: the condition behind each filter.
        parent: for a list below another resource, the condition that the caller sees that one. Nothing is read where it
            does not hold, so that the time of a 404 does not tell how much there is.
    """

    def __init__(
        self,
        shape: Shape,
        source: FromClause,
        *,
        query: Schema,
        key: AnyColumn,
        sorts: Mapping[str, AnyColumn],
        default_sort: tuple[SortKey, ...],
        visible: ColumnElement[bool] | None = None,
        filters: Mapping[str, Filter] | None = None,
        parent: ColumnElement[bool] | None = None,
    ) -> None:
        self.shape, self.source, self.key = shape, source, key
        self.visible = true() if visible is None else visible
        self.sorts, self.default_sort, self.filters = sorts, default_sort, filters or {}
        self.seen = true() if parent is None else parent
        # The forms that a question can have are too many to keep all of them.
        self.statement = lru_cache(maxsize=128)(self._built)
        self._check(query)

    def _check(self, query: Schema) -> None:
        """Everything that can be asked must have its SQL."""
        asked = set(query.fields) - {"page", "page_size", "sort"}
        sort = query.fields.get("sort")
        sorts = set(sort.allowed) if isinstance(sort, Sort) else set()
        if lacking := (asked - set(self.filters)) | (sorts - set(self.sorts)):
            raise TypeError(f"There is no SQL for {', '.join(sorted(lacking))} of {type(query).__name__}.")

    def _built(self, params: tuple[Param, ...], sort: tuple[SortKey, ...], dialect: str) -> Statement:
        return Statement(partial(self.build, params, sort, dialect))

    def page(self, query: Mapping[str, Any], **values: Any) -> Page:
        """The page that a query asks for.

        Args:
            query: the loaded query schema.
            values: what the visible and the parent's conditions need, such as `me`.

        Raises:
            NotFound: the parent does not exist, or may not be seen.
        """
        statement, parameters = self.asked(query, values)
        rows = statement.rows(**parameters)
        if not rows[0].row_seen:
            raise NotFound
        return Page([self.shape.body(row) for row in rows if row.row_key is not None], rows[0].row_total)

    def asked(self, query: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[Statement, dict[str, Any]]:
        """The statement for a query, and what it is run with."""
        question = Question.of(query, self.default_sort)
        filters, more = self.prepare(question.filters, values)
        # A list of several values is another form than one value; a tuple is one value that has parts.
        params = tuple(Param(name, many=_is_several(value)) for name, value in sorted(filters.items()))
        given = {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in filters.items()}
        offset = (question.page - 1) * question.size
        place = {"limit": question.size, "offset": offset, "reach": offset + question.size}
        return self.statement(params, question.sort, self.dialect()), {**values, **given, **more, **place}

    def prepare(self, filters: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The filters with their values as the statement takes them, and what other values it needs for them."""
        prepared = dict(filters)
        if "search" in prepared:
            prepared["search"] = tuple(f"% {word}%" for word in words(prepared["search"]))
        return prepared, {}

    def dialect(self) -> str:
        """The name of the database that the statement is for, where it is not the same for both."""
        return "any"

    def build(self, params: tuple[Param, ...], sort: tuple[SortKey, ...], dialect: str) -> AnySelect:
        """The statement for a form of question."""
        where = and_(self.visible, self.seen, *(self.filters[param.name](param) for param in params))
        chosen = select(*self.keys(sort)).where(where)
        total = select(func.count()).select_from(self.counted()).where(where).scalar_subquery()
        return self.assemble(total, first_rows(chosen, sort, "limit").offset(bindparam("offset", type_=Integer())), sort)

    def keys(self, sort: tuple[SortKey, ...]) -> list[ColumnElement[Any]]:
        """The columns that decide which rows are on the page."""
        return [self.key.label("row_key"), *(self.sorts[name].label(name) for name, _ in sort)]

    def assemble(self, total: ColumnElement[int], page: AnySelect, sort: tuple[SortKey, ...]) -> AnySelect:
        """The total beside the rows of the page; one row without a key where the page is empty."""
        counted = select(total.label("row_total"), self.seen.label("row_seen")).subquery("counted")
        # A plan that is made for all values takes LIMIT for a tenth of the rows, and would read whole tables to join so many.
        found = page.subquery("found")
        rows = select(*found.c).limit(literal_column("100")).subquery("page")
        source = counted.outerjoin(rows.join(self.source, rows.c.row_key == self.key), true())
        statement = select(*self.shape.columns, rows.c.row_key, counted.c.row_total, counted.c.row_seen).select_from(source)
        return statement.order_by(*ordering(rows.c, sort))

    def counted(self) -> FromClause:
        """The table whose rows are counted."""
        return self.key.table


def _is_several(value: Any) -> bool:
    """Whether a filter is given several values."""
    return isinstance(value, list) and len(value) > 1


def first_rows(chosen: AnySelect, sort: Sequence[SortKey], most: str, *, is_total: bool = False) -> AnySelect:
    """The first rows of a select in the order of the sort, as many as the parameter `most` says.

    Args:
        chosen: the select.
        sort: the sort.
        most: the parameter's name.
        is_total: whether no two rows are the same to the sort, so that the id decides nothing.
    """
    order = ordering(chosen.selected_columns, sort)
    return chosen.order_by(*(order[:-1] if is_total else order)).limit(bindparam(most, type_=Integer()))


def ordering(of: Any, sort: Sequence[SortKey]) -> list[UnaryExpression[Any] | ColumnElement[Any]]:
    """ORDER BY for a sort: nulls last either way, and the key at the end, in the direction of the last field."""
    keys = [*sort, ("row_key", sort[-1][1])]
    return [_directed(of[name], descending) for name, descending in keys]


def _directed(column: ColumnElement[Any], descending: bool) -> ColumnElement[Any]:
    directed = column.desc() if descending else column.asc()
    return directed.nulls_last() if _is_nullable(column) else directed


def _is_nullable(column: ColumnElement[Any]) -> bool:
    origin = next(iter(column.base_columns))
    return bool(origin.nullable) if isinstance(origin, Column) else False
