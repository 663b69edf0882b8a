"""SQL that PostgreSQL and SQLite spell differently, under one name each."""

from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    SmallInteger,
    case,
    func,
    literal_column,
    null,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement, GenericFunction

from .types import SCOPE, AnyColumn, AnySelect, Choice, JsonText

# INSERT that knows what to do with a row that is there already: both databases spell it alike, and SQLAlchemy compiles
# PostgreSQL's for SQLite too.
upsert = postgresql.insert


def is_known(column: AnyColumn) -> ColumnElement[bool]:
    """Whether a column is not null, as an answer shows it.

    In RETURNING, SQLite (3.40 at least) believes of every column of the written row that it is not null, and answers
    `IS NOT NULL` without a look at it.
    """
    return func.coalesce(column, null()).is_not(None)


class _JsonObject(GenericFunction[Any]):
    name = "json_object_of"
    inherit_cache = True
    type = JsonText()


@compiles(_JsonObject, "postgresql")
def _(element: _JsonObject, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(json_build_object({compiler.process(element.clauses, **kw)}) AS TEXT)"


@compiles(_JsonObject)
def _(element: _JsonObject, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_object({compiler.process(element.clauses, **kw)})"


class _JsonList(GenericFunction[Any]):
    name = "json_list_of"
    inherit_cache = True
    type = JsonText()


@compiles(_JsonList, "postgresql")
def _(element: _JsonList, compiler: SQLCompiler, **kw: Any) -> str:
    # json_agg() would read each object again, and put a space between them that `to_bytes` does not.
    return f"'[' || coalesce(string_agg({compiler.process(element.clauses, **kw)}, ','), '') || ']'"


@compiles(_JsonList)
def _(element: _JsonList, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_group_array(json({compiler.process(element.clauses, **kw)}))"


class _Nested(GenericFunction[Any]):
    name = "json_nested"
    inherit_cache = True


@compiles(_Nested, "postgresql")
def _(element: _Nested, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kw)} AS JSON)"


@compiles(_Nested)
def _(element: _Nested, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json({compiler.process(element.clauses, **kw)})"


def name_of(column: AnyColumn) -> ColumnElement[str]:
    """The name of a `Choice`, for JSON that the database builds."""
    if not isinstance(column.type, Choice):
        raise TypeError(f"{column} is no Choice")
    number: ColumnElement[Any] = type_coerce(column, SmallInteger())
    names = {member.value: literal_column(f"'{member.name}'") for member in column.type.enumeration}
    return case(*((number == literal_column(str(value)), name) for value, name in names.items()))


def json_object(**members: AnyColumn) -> ColumnElement[Any]:
    """A JSON object, built by the database; a member that is JSON already is put in as such."""
    arguments = (part for name, value in members.items() for part in (literal_column(f"'{name}'"), _member(value)))
    return func.json_object_of(*arguments)


def _member(value: AnyColumn) -> AnyColumn:
    if isinstance(value.type, JsonText):
        return func.json_nested(value)
    return name_of(value) if isinstance(value.type, Choice) else value


def json_list(objects: AnySelect) -> ColumnElement[Any]:
    """A JSON list of the objects in the only column of a select, in its order; `[]` where there is none."""
    rows = objects.subquery()
    return type_coerce(select(func.json_list_of(rows.c[0])).scalar_subquery(), JsonText())


class _Condition(FunctionElement[bool]):
    """A function of SQL that is a condition by itself: SQLite could use no index if it were compared with 1."""

    type = Boolean()
    inherit_cache = True
    _is_implicitly_boolean = True


class among(_Condition):  # noqa: N801 - used like a function of SQL.
    """Whether a column equals one of the values of a parameter of type `Many`, or of the rows of a select.

    `= ANY (ARRAY (...))` and not `IN`: PostgreSQL runs the select once and uses an index for what it gives, also in a
    generic plan, where `IN` tipped over into scans once the statistics had moved.
    """

    inherit_cache = True

    def __init__(self, column: AnyColumn, values: BindParameter[Any] | AnySelect) -> None:
        super().__init__(column, values.scalar_subquery() if isinstance(values, Select) else values)


@compiles(among, "postgresql")
def _(element: among, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = element.clauses
    left, right = compiler.process(column, **kw), compiler.process(values, **kw)
    if isinstance(values, ScalarSelect):
        return f"{left} = ANY (ARRAY{right})"
    item = compiler.dialect.type_compiler_instance.process(column.type.dialect_impl(compiler.dialect))
    return f"{left} = ANY (CAST({right} AS {item}[]))"


@compiles(among)
def _(element: among, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = element.clauses
    left, right = compiler.process(column, **kw), compiler.process(values, **kw)
    values_of = right if isinstance(values, ScalarSelect) else f"(SELECT value FROM json_each({right}))"  # nosec B608
    return f"{left} IN {values_of}"


class begins_words(_Condition):  # noqa: N801 - used like a function of SQL.
    """Whether every pattern of a `Many` (` word%`) is found in a short text that is stored as ` word word`."""

    inherit_cache = True


@compiles(begins_words, "postgresql")
def _(element: begins_words, compiler: SQLCompiler, **kw: Any) -> str:
    column, patterns = element.clauses
    return f"{compiler.process(column, **kw)} LIKE ALL (CAST({compiler.process(patterns, **kw)} AS TEXT[]))"


@compiles(begins_words)
def _(element: begins_words, compiler: SQLCompiler, **kw: Any) -> str:
    column, patterns = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"NOT EXISTS (SELECT 1 FROM json_each({patterns}) WHERE {column} NOT LIKE value)"  # nosec B608


class word_vector(FunctionElement[Any]):  # noqa: N801 - used like a function of SQL.
    """What PostgreSQL's index of words holds: each word behind the end of the id of the scope that it is sought in.

    Arguments are the column of words, as `text.spaced_words` writes them, and the scope's id. An index of words alone finds
    those of all scopes, before it can be asked whose they are: the search of someone who sees little would take a time that
    tells how often others use a word.
    """

    inherit_cache = True


@compiles(word_vector, "postgresql")
def _(element: word_vector, compiler: SQLCompiler, **kw: Any) -> str:
    words, scope = (compiler.process(clause, **kw) for clause in element.clauses)
    # As PostgreSQL itself prints it, so that the index of the database is the same as that of the model.
    scoped = f"replace({words}, ' '::text, ' '::text || right({scope}::text, {SCOPE}))"
    return f"array_to_tsvector(string_to_array(substr({scoped}, 2), ' '::text))"


class matches(_Condition):  # noqa: N801 - used like a function of SQL.
    """Whether the words of a row match a `PrefixSearch` within a scope.

    Arguments are the column of words, the row's key, the id of its scope, the search, and the id of the scope that is sought.
    PostgreSQL looks into the GIN index of the `word_vector`, SQLite into the FTS5 table `<table>_search`. Rows of another
    scope are found where the ends of the ids are the same, so the row's own scope has to be compared as well.
    """

    inherit_cache = True


@compiles(matches, "postgresql")
def _(element: matches, compiler: SQLCompiler, **kw: Any) -> str:
    words, _, own, *others = element.clauses
    search, scope = (compiler.process(clause, **kw) for clause in others)
    vector = compiler.process(word_vector(words, own), **kw)
    return f"{vector} @@ CAST(replace({search}, '@', right(CAST({scope} AS TEXT), {SCOPE})) AS tsquery)"


@compiles(matches)
def _(element: matches, compiler: SQLCompiler, **kw: Any) -> str:
    index = f"{cast('Column[str]', list(element.clauses)[1]).table.name}_search"
    _, key, _, search, scope = (compiler.process(clause, **kw) for clause in element.clauses)
    scoped = f"replace({search}, '@', substr({scope}, -{SCOPE}))"
    return f"{key} IN (SELECT id FROM {index} WHERE {index} MATCH {scoped})"  # nosec B608


class greatest(FunctionElement[int]):  # noqa: N801 - used like a function of SQL.
    """The greatest of several numbers, none of them null."""

    type = Integer()
    inherit_cache = True


@compiles(greatest, "postgresql")
def _(element: greatest, compiler: SQLCompiler, **kw: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **kw)})"


@compiles(greatest)
def _(element: greatest, compiler: SQLCompiler, **kw: Any) -> str:
    return f"max({compiler.process(element.clauses, **kw)})"
