"""Writes of what was judged: one statement each, which gives what it has written as it is answered.

A use case locks what it changes and judges by the row that the lock gives. What that row says of other tables was read
before it waited for the lock. So a write holds only while what was judged is still so; else the use case is run again.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, bindparam, insert, select, true, update
from sqlalchemy.sql.dml import Delete, Insert, Update

from .database import Overtaken
from .models import new_id, now
from .reading import Shape
from .results import Resource
from .sql import upsert
from .statement import Row, Statement


def unchanged(judged: Mapping[str, ColumnElement[Any]]) -> ColumnElement[bool]:
    """The condition that all this is still what it was; the values that it was have the same names."""
    return and_(*(column == bindparam(name, type_=column.type) for name, column in judged.items()))


def labelled(judged: Mapping[str, ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """What is judged as columns of a select."""
    return [column.label(name) for name, column in judged.items()]


def write(statement: Statement, judged: Row | None, **values: Any) -> Row:
    """What a statement gives of the row that it has written.

    Args:
        statement: what writes one row, if what was judged is `unchanged`.
        judged: the row that was judged, if any; its fields are values for the parameters of their names.
        values: other values, which go before those.

    Raises:
        Overtaken: nothing was written.
    """
    row = statement.first(**{**(judged._asdict() if judged else {}), **values})
    if row is None:
        raise Overtaken
    return row


class Making:
    """Makes records of a table.

    Args:
        shape: what is answered.
        table: where they are made; what is not given gets its default there, or is null.
        where: what must hold.
        along: what is written with it, see `Statement`; the record's values are known there by the names of its columns.
    """

    def __init__(
        self,
        shape: Shape,
        table: Table,
        where: ColumnElement[bool] | None = None,
        along: Sequence[Insert | Update | Delete] = (),
    ) -> None:
        self.shape = shape
        columns = {column.name: bindparam(column.name, type_=column.type) for column in table.c}
        chosen = select(*columns.values()).where(true() if where is None else where)
        self.statement = Statement(
            insert(table).from_select([*columns], chosen),
            returning=select(*shape.returned).select_from(table),
            along=along,
        )
        self.defaults: dict[str, Any] = {
            column.name: getattr(column.default, "arg", None) if getattr(column.default, "is_scalar", False) else None
            for column in table.c
        }

    def make(self, judged: Row | None, fields: Mapping[str, Any], **values: Any) -> Resource:
        """The new record, see `write`."""
        moment = now()
        record = {**self.defaults, "id": new_id(), "created_at": moment, "updated_at": moment, **fields}
        return self.shape.resource(write(self.statement, judged, **record, **values))


class Changing:
    """Changes records of a table, and counts each time as one change.

    Args:
        shape: what is answered.
        table: where they are.
        where: what must hold.
    """

    def __init__(self, shape: Shape, table: Table, where: ColumnElement[bool]) -> None:
        self.shape, self.table, self.where = shape, table, where
        self.statement = lru_cache(maxsize=64)(self._statement)

    def _statement(self, names: frozenset[str]) -> Statement:
        columns = self.table.c
        new = {name: bindparam(f"new_{name}", type_=columns[name].type) for name in sorted(names)}
        new |= {"version": columns.version + 1, "updated_at": bindparam("moment", type_=columns.updated_at.type)}
        changed = update(self.table).where(columns.id == bindparam("id", type_=columns.id.type), self.where).values(new)
        return Statement(changed, returning=select(*self.shape.returned).select_from(self.table))

    def change(self, judged: Row, changes: Mapping[str, Any], **values: Any) -> Resource:
        """The record that was judged with these of its columns changed, see `write`."""
        new = {f"new_{name}": value for name, value in changes.items()}
        statement = self.statement(frozenset(changes))
        return self.shape.resource(write(statement, judged, moment=now(), **new, **values))


def differing(row: Row, values: Mapping[str, Any]) -> dict[str, Any]:
    """What of these values is not what the row has."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}


def put(table: Table, values: Mapping[str, ColumnElement[Any]], where: ColumnElement[bool]) -> Insert:
    """Makes a row where a condition holds, or gives its other values to the one that has its primary key."""
    key = [column.name for column in table.primary_key]
    made = upsert(table).from_select([*values], select(*values.values()).where(where))
    return made.on_conflict_do_update(index_elements=key, set_={name: made.excluded[name] for name in values.keys() - key})
