"""Statements: compiled once, planned once on each connection, and run on the driver's own cursor.

What SQLAlchemy does at each execution (a key for its cache of compiled statements, a context, a result with its rows) and
what PostgreSQL does (parsing and planning) costs more than most statements themselves. Here both are done once: a
`Statement` compiles itself when it is first used, each connection to PostgreSQL gets it by PREPARE, and from then on only
values travel: 91 microseconds for one task where SQLAlchemy takes 238, and half of PostgreSQL's time. docs/performance.md has
the other figures.

Errors are still SQLAlchemy's, dead connections still leave the pool, and whoever listens to `before_cursor_execute` hears
of these statements as of others.
"""

import re
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, TypeAlias

from sqlalchemy import BindParameter, Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.types import NullType, String

from .database import aside, is_in_transaction, reading
from .deadline import Overdue, grant_long
from .types import AnySelect, is_postgresql

AnyStatement: TypeAlias = AnySelect | Insert | Update | Delete
Row: TypeAlias = Any  # A named tuple, whose fields are the columns of its statement.
Process: TypeAlias = Callable[[Any], Any] | None

# A connection keeps so many plans; one of a page takes 330 kB of PostgreSQL's memory.
_MOST_PREPARED = 50
_PREPARED = "prepared"
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_names = count(1)


class Statement:
    """A statement that is built once and run with different values.

    Args:
        statement: what is done; or, where there are many of the kind, what builds that. Then nothing is kept of it but its
            text: 128 forms of a page took 22 MiB as SQLAlchemy's objects.
        returning: for a statement that writes, what is given of each row that it has written: a select from its table alone.
            SQLAlchemy's own RETURNING takes no columns that look into other tables, as the columns of answers do.
        along: writes that are done with it and give nothing, none of which needs to see what another has done: parts of the
            same statement for PostgreSQL, which saves the ways to it and back, and statements before it for SQLite, to which
            there is no way. They share its values.
        is_long: whether it touches as many rows as there are, and may take longer than others.
    """

    def __init__(
        self,
        statement: AnyStatement | Callable[[], AnyStatement],
        returning: AnySelect | None = None,
        along: Sequence[Insert | Update | Delete] = (),
        *,
        is_long: bool = False,
    ) -> None:
        self.statement: Any = statement
        self.returning = returning
        self.is_long = is_long
        self.along = [Statement(write, is_long=is_long) for write in along]
        self.name = f"s{next(_names)}"
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, **values: Any) -> Sequence[Row]:
        """All rows; in the open transaction if there is one, else on its own."""
        return self._rows(reading(), values)

    def first(self, **values: Any) -> Row | None:
        """The first row, if there is one."""
        return _first(self.rows(**values))

    def first_aside(self, **values: Any) -> Row | None:
        """The first row, read outside the transaction of the use case, which need not have begun.

        For what takes long to judge, such as a password: on SQLite an open transaction keeps every other writer out.
        """
        return _first(self._rows(aside(), values))

    def first_alone(self, **values: Any) -> Row | None:
        """The first row of a write that is a transaction of its own.

        It is not repeated: where its connection dies, the caller has to find out what became of it.

        Raises:
            RuntimeError: a transaction is open, which it would not be part of, and could wait for.
        """
        if is_in_transaction():
            raise RuntimeError("A write that stands alone is no part of a transaction.")
        with aside().connect() as connection:
            return _first(self._run(connection, values))

    def _rows(self, where: Engine | Connection, values: Mapping[str, Any]) -> Sequence[Row]:
        if isinstance(where, Connection):
            return self._run(where, values)
        try:
            with where.connect() as connection:
                return self._run(connection, values)
        except DBAPIError as error:
            # A read can be repeated; it is cheaper than asking each connection whether it still works. A connection that was
            # found dead is replaced; of one that has never answered the next would not be better.
            if not error.connection_invalidated or isinstance(error.orig, Overdue):
                raise
        with where.connect() as connection:
            return self._run(connection, values)

    def built(self) -> Any:
        """What is done."""
        return self.statement() if callable(self.statement) else self.statement

    def compiled(self, dialect: Dialect) -> "_Compiled":
        """The statement as the database of this dialect takes it."""
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _Compiled(self, dialect)
        return found

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Row]:
        dialect = connection.dialect
        if not is_postgresql(dialect):
            for write in self.along:
                write._run(connection, values)  # noqa: SLF001
        compiled = self.compiled(dialect)
        parameters = compiled.parameters(values)
        seconds = grant_long() if self.is_long else None
        cursor = None
        try:
            cursor = connection.connection.cursor()
            if connection._has_events or connection.engine._has_events:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
                _tell(connection, cursor, compiled, parameters)
            if is_postgresql(dialect):
                _prepare(connection, cursor, self.name, compiled.prepare)
                # On the same way there. It holds to the end of the transaction.
                limit = f"SET LOCAL statement_timeout = {seconds * 1000:.0f}; " if seconds else ""
                cursor.execute(f"{limit}EXECUTE {self.name} {compiled.execute}", parameters)
            else:
                cursor.execute(compiled.sql, parameters)
            rows = compiled.rows(cursor.fetchall() if cursor.description else ())
            cursor.close()
        except dialect.loaded_dbapi.Error as error:
            # As after a statement of its own, SQLAlchemy wraps the error and gives a dead connection up.
            connection._handle_dbapi_exception(error, compiled.sql, parameters, cursor, None)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            raise
        return rows


class _Compiled:
    """A statement for one of the two databases.

    Args:
        source: what SQLAlchemy is to compile.
        dialect: the database that it is for.
    """

    def __init__(self, source: Statement, dialect: Dialect) -> None:
        # One spelling of parameters for both databases, which is then put into the database's own.
        kind: Any = type(dialect)
        self._dialect: Any = dialect if is_postgresql(dialect) else kind(paramstyle="pyformat")
        self._binds: dict[str, BindParameter[Any]] = {}
        along = self._along(source.along) if is_postgresql(dialect) else ""
        compiler = source.built().compile(dialect=self._dialect)
        self.sql = along + self._with_numbers(compiler, compiler.string)
        if source.returning is not None:
            compiler: Any = source.returning.compile(dialect=self._dialect)
            columns, _, _ = compiler.string.removeprefix("SELECT ").rpartition("\nFROM")
            self.sql += f" RETURNING {self._with_numbers(compiler, columns)}"
        # For PostgreSQL, what stands around the statement's name in PREPARE and EXECUTE.
        types = [self._type_name(bind) for bind in self._binds.values()] if is_postgresql(dialect) else []
        self.prepare = f"{_in_brackets(types)} AS {self.sql}"
        self.execute = _in_brackets(f"%s::{name}" if name.endswith("[]") else "%s" for name in types)
        self._values: list[tuple[str, Process]] = [
            (bind.key, bind.type.dialect_impl(self._dialect).bind_processor(self._dialect)) for bind in self._binds.values()
        ]
        columns = compiler._result_columns  # noqa: SLF001
        self._row: Any = namedtuple("Row", [column.keyname for column in columns], rename=True)  # pyright: ignore[reportUntypedNamedTuple]
        processors = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._results = [(index, process) for index, process in enumerate(processors) if process]

    def _along(self, writes: Sequence[Statement]) -> str:
        parts: list[str] = []
        for write in writes:
            compiler = write.built().compile(dialect=self._dialect)
            parts.append(f"{write.name} AS ({self._with_numbers(compiler, compiler.string)})")
        return f"WITH {', '.join(parts)} " if parts else ""

    def _with_numbers(self, compiler: SQLCompiler, sql: str) -> str:
        """SQL with what does not change between executions written out, and with numbers for what does."""
        if "__[POSTCOMPILE" in sql:
            raise TypeError("A statement takes several values as one parameter, see `types.Many`.")

        def spelled(found: re.Match[str]) -> str:
            bind = compiler.binds[found[1]]
            if not bind.required:
                return compiler.render_literal_value(bind.effective_value, bind.type)
            self._binds.setdefault(bind.key, bind)
            return ("$" if is_postgresql(self._dialect) else "?") + str(list(self._binds).index(bind.key) + 1)

        return _PLACEHOLDER.sub(spelled, sql).replace("%%", "%")

    def _type_name(self, bind: BindParameter[Any]) -> str:
        if isinstance(bind.type, NullType):
            return "unknown"  # PostgreSQL finds it out from what stands around.
        if isinstance(bind.type, String):
            return "text"  # Lengths and collations belong to columns.
        return self._dialect.type_compiler_instance.process(bind.type.dialect_impl(self._dialect))

    def parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """The values in the order of the statement, as the driver takes them."""
        return tuple([process(values[name]) if process else values[name] for name, process in self._values])

    def rows(self, fetched: Sequence[tuple[Any, ...]]) -> list[Row]:
        """What the driver gave, with its values as the types of the columns want them."""
        make, results = self._row._make, self._results
        if not results:
            return [make(row) for row in fetched]
        rows: list[Row] = []
        for values in map(list, fetched):
            for index, process in results:
                values[index] = process(values[index])
            rows.append(make(values))
        return rows


def _first(rows: Sequence[Row]) -> Row | None:
    return rows[0] if rows else None


def _in_brackets(parts: Iterable[str]) -> str:
    text = ", ".join(parts)
    return f"({text})" if text else ""


def _prepare(connection: Connection, cursor: Any, name: str, text: str) -> None:
    """Has the connection plan a statement, if it has not yet."""
    prepared: OrderedDict[str, None] = connection.info.setdefault(_PREPARED, OrderedDict())
    if name in prepared:
        prepared.move_to_end(name)
        return
    if len(prepared) >= _MOST_PREPARED:
        oldest = next(iter(prepared))
        cursor.execute(f"DEALLOCATE {oldest}")
        del prepared[oldest]
    cursor.execute(f"PREPARE {name} {text}")
    prepared[name] = None


def _tell(connection: Connection, cursor: Any, compiled: _Compiled, parameters: tuple[Any, ...]) -> None:
    """Tells whoever listens to SQLAlchemy's events."""
    for listener in connection.dispatch.before_cursor_execute:
        listener(connection, cursor, compiled.sql, parameters, None, False)
