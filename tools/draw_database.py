"""docs/database.svg: the tables, drawn from the models. `python -m tools.draw_database` draws it anew."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Date, SmallInteger, String, Table

import tasktracker
from tasktracker.core import types
from tasktracker.extensions import Base

FILE = Path(tasktracker.__file__).parents[1] / "docs" / "database.svg"
# Which tables stand below each other, and the colour of each feature's.
COLUMNS = (
    ("sessions", "refresh_tokens", "mailed_tokens"),
    ("users", "teams", "team_members"),
    ("projects", "project_members", "project_teams"),
    ("tasks", "task_words", "external_ids"),
    ("tags", "task_tags"),
    ("jobs", "kept_answers"),
)
COLOURS = {"accounts": "#dbe8f7", "projects": "#dcf0dc", "tags": "#f7e3d4", "tasks": "#f5efc9", "core": "#e6e6ea"}
WIDTH, ROW, GAP, BETWEEN, MARGIN = 210, 19, 28, 80, 48
NAMES = ((types.Id, "id"), (types.UtcDateTime, "time"), (types.Choice, "choice"), (Date, "date"))
STYLE = "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1f2933}.t{font-weight:700}.k{fill:#69737f}"
HEAD = '<path d="M0 0L6 3L0 6" class="l"/>'
ARROW = f'<marker id="a" markerWidth="7" markerHeight="7" refX="6" refY="3" orient="auto">{HEAD}</marker>'


def draw() -> str:
    """The drawing, the same for the same models."""
    places = dict(_places())
    if unplaced := Base.metadata.tables.keys() ^ places.keys():
        raise ValueError(f"COLUMNS does not say where to draw: {', '.join(sorted(unplaced))}")
    height = max(top + _height(Base.metadata.tables[name]) for name, (_, top) in places.items()) + MARGIN
    width = 2 * MARGIN + len(COLUMNS) * WIDTH + (len(COLUMNS) - 1) * BETWEEN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>The tables of TaskTracker</title><style>{STYLE}.l{{fill:none;stroke:#7b8794;stroke-width:1.2}}</style>",
        f'<defs>{ARROW}</defs><rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    tables = [Base.metadata.tables[name] for name in places]
    for table in tables:
        lines += _references(table, places)
    for table in tables:
        lines += _box(table, *places[table.name])
    return "\n".join([*lines, "</svg>", ""])


def _places() -> Iterator[tuple[str, tuple[int, int]]]:
    for number, names in enumerate(COLUMNS):
        top = MARGIN
        for name in names:
            yield name, (MARGIN + number * (WIDTH + BETWEEN), top)
            top += _height(Base.metadata.tables[name]) + GAP


def _columns(table: Table) -> list[Column[Any]]:
    """Its columns, those that name a row first."""
    return sorted(table.columns, key=lambda column: not column.primary_key)


def _height(table: Table) -> int:
    return ROW * (len(table.columns) + 1) + 8


def _box(table: Table, left: int, top: int) -> Iterator[str]:
    frame = f'x="{left}" y="{top}" width="{WIDTH}"'
    yield f'<rect {frame} height="{_height(table)}" rx="4" fill="#ffffff" stroke="#7b8794"/>'
    yield f'<rect {frame} height="{ROW + 3}" rx="4" fill="{COLOURS[_feature(table)]}" stroke="#7b8794"/>'
    yield f'<text x="{left + 8}" y="{top + 15}" class="t">{table.name}</text>'
    for number, column in enumerate(_columns(table), 1):
        y = top + 16 + number * ROW
        weight = ' class="t"' if column.primary_key else ""
        yield f'<text x="{left + 8}" y="{y}"{weight}>{column.name}{"?" if column.nullable else ""}</text>'
        yield f'<text x="{left + WIDTH - 8}" y="{y}" text-anchor="end" class="k">{escape(_kind(column.type))}</text>'


def _references(table: Table, places: dict[str, tuple[int, int]]) -> Iterator[str]:
    """A line from each column that refers to another table to the id of that one."""
    left, top = places[table.name]
    for number, column in enumerate(_columns(table), 1):
        for key in column.foreign_keys:
            target_left, target_top = places[key.column.table.name]
            y, target_y = top + 12 + number * ROW, target_top + 12 + ROW  # The id is the first.
            # From the side that is nearer; within one column of tables around their left.
            x = left + WIDTH if target_left > left else left
            target_x = target_left + WIDTH if target_left < left else target_left
            bend = BETWEEN * 0.6 if target_left > left else -BETWEEN * 0.6
            end_bend = -bend if target_left != left else bend
            yield (
                f'<path d="M{x} {y}C{x + bend:g} {y} {target_x + end_bend:g} {target_y} {target_x} {target_y}"'
                ' class="l" marker-end="url(#a)"/>'
            )


def _feature(table: Table) -> str:
    """The feature whose model makes a table."""
    (module,) = (mapper.class_.__module__ for mapper in Base.registry.mappers if mapper.local_table is table)
    return module.split(".")[1]


def _kind(kind: Any) -> str:
    """What a column holds, under the name that it has on this page."""
    for known, name in NAMES:
        if isinstance(kind, known):
            return name
    if isinstance(kind, String):
        return f"text {kind.length}" if kind.length else "text"
    return "number" if isinstance(kind, SmallInteger) else {"Integer": "number"}.get(type(kind).__name__, "yes or no")


if __name__ == "__main__":
    FILE.write_text(draw())
