"""What goes with an account that ends, and with someone who leaves a team: parts of the statements that do it.

A feature says them here when it is imported, so that an end is one statement that locks and one that writes, however many
features there are, and knows none of those above it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import orjson
from sqlalchemy import CTE, Column, ColumnElement, Text, bindparam, not_, select, true, type_coerce
from sqlalchemy.sql.dml import Delete, Insert, Update

from .sql import among, json_list, json_object
from .statement import Row
from .types import AnySelect, Id, Many

Write: TypeAlias = Insert | Update | Delete


@dataclass(frozen=True)
class Held:
    """Rows that one statement locks, and of which the next makes sure that there are no more.

    What a statement locks is what there was when it began. While it waits, more may come.

    Args:
        name: of their ids: a column of the first statement, a parameter of the second.
        key: the column of their ids.
        where: which rows these are.
        key_share: whether others may refer to them meanwhile.
    """

    name: str
    key: Column[str]
    where: ColumnElement[bool]
    key_share: bool = False

    def ids(self, after: ColumnElement[bool]) -> ColumnElement[str]:
        """Locks the rows, in the order of their ids, where a condition holds; their ids as JSON.

        Args:
            after: what must be known before the first of them is locked: a condition on what is `before` this.
        """
        rows = select(json_object(id=self.key)).where(self.where, after).order_by(self.key)
        locked = rows.with_for_update(of=self.key.table, key_share=self.key_share)
        return type_coerce(json_list(locked), Text()).label(self.name)

    @property
    def listed(self) -> ColumnElement[str]:
        """Their ids as JSON, without a lock: no more of them are made once what they belong to is locked."""
        rows = select(json_object(id=self.key)).where(self.where)
        return type_coerce(json_list(rows), Text()).label(self.name)

    @property
    def are_all(self) -> ColumnElement[bool]:
        """Whether there is none of these rows but those that were locked."""
        others = not_(among(self.key, bindparam(self.name, type_=Many(Id()))))
        return not_(select(self.key).where(self.where, others).exists())


@dataclass(frozen=True)
class Obstacle:
    """What stands against the end of an account.

    Args:
        code: of the refusal.
        detail: one sentence a person can act on.
        condition: when it is so.
    """

    code: str
    detail: str
    condition: ColumnElement[bool]


@dataclass(frozen=True)
class Ending:
    """What a feature has to do with the end of an account, whose user is the parameter `me`.

    Args:
        writes: what is deleted and changed, at the time `moment`; none of them needs to see what another has done.
        held: what is locked before the user.
        obstacle: what stands against it.
    """

    writes: Sequence[Write]
    held: Held | None = None
    obstacle: Obstacle | None = None


# What features above accounts and beside them have to do with the end of an account.
of_account: list[Ending] = []
# What may be lost sight of by whoever leaves a team, whose id is the parameter `team`: projects.
of_team: list[Held] = []


def before(first: AnySelect, name: str) -> CTE:
    """A select that is done, with its locks, before anything is that has a condition on its columns."""
    return first.cte(name).prefix_with("MATERIALIZED", dialect="postgresql")


def one_by_one(helds: Iterable[Held]) -> tuple[list[ColumnElement[str]], ColumnElement[bool]]:
    """Locks some rows after others.

    Returns:
        The columns with the ids of each, and the condition that holds once all are locked.
    """
    columns: list[ColumnElement[str]] = []
    after = true()
    for held in helds:
        (column,) = before(select(held.ids(after)), f"held_{held.name}").c
        columns.append(column)
        after = column.is_not(None)
    return columns, after


def ids(row: Row, helds: Iterable[Held]) -> dict[str, list[str]]:
    """The ids that were locked, under their names."""
    return {held.name: [each["id"] for each in orjson.loads(getattr(row, held.name))] for held in helds}
