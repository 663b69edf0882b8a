"""Reading files line by line, so that memory does not grow with them: CSV, and one JSON object on each line."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO, TypeAlias

from ..core import json
from ..core.errors import Malformed
from .faults import BrokenFile, Faults

Numbered: TypeAlias = tuple[int, dict[str, Any]]
Told: TypeAlias = Callable[[int], object]
Reader: TypeAlias = Callable[[BinaryIO, Faults, Told], Iterator[Numbered]]

COLUMNS = (
    "number", "title", "description", "status", "priority", "assigned_to", "created_by", "due_date", "start_date",
    "completed_at", "tags", "external_id", "created_at",
)  # fmt: skip
_MIB = 1024 * 1024
_LONGEST_OF_EXPORTS = 32 * _MIB  # A project's line names all members.
# What an empty cell or null means, where that is neither nothing nor an empty list.
_EMPTY = {"title": "", "description": "", "status": "todo", "priority": "none", "tags": []}
_NOT_GIVEN = {"number", "created_at"}  # As if there were no such column.
_TAG = re.compile(r"((?:\\[\\;]|[^;])*)(?:;|$)")


def json_tasks(file: BinaryIO, faults: Faults, told: Told) -> Iterator[Numbered]:
    """The objects of a file that has a task on each line; null is what an empty cell is.

    Raises:
        BrokenFile: the file cannot be read any further.
    """
    for number, value in json_lines(file, faults, told, longest=_MIB):
        yield number, _given(value.items())


def json_lines(file: BinaryIO, faults: Faults, told: Told, *, longest: int = _LONGEST_OF_EXPORTS) -> Iterator[Numbered]:
    """The objects of a file that has one on each line, with the numbers of the lines.

    Raises:
        BrokenFile: the file cannot be read any further.
    """
    for number, text in _lines(file, told, longest):
        if not text.strip():
            continue
        if number == 1 and text.lstrip().startswith("["):
            raise BrokenFile(1, "A JSON array. Put each object on a line of its own, as `jq -c '.[]'` does.")
        try:
            value = json.read(text.encode())
        except Malformed:
            faults.add(number, "Not a JSON object; no key may stand in it twice, and no number have more than 64 bits.")
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            faults.add(number, "Not a JSON object.")


def csv_rows(file: BinaryIO, faults: Faults, told: Told) -> Iterator[Numbered]:
    """The rows of a table as objects, with the numbers of the lines at which they begin.

    The first line names the columns, and shows whether commas, semicolons or tabs are between them.

    Raises:
        BrokenFile: the file cannot be read any further, or there are columns that nobody knows.
    """
    csv.field_size_limit(_MIB)  # What fits into a line; how long a text may be is its schema's rule.
    lines = (text for _, text in _lines(file, told, _MIB))
    head = next(lines, "")
    reader = csv.reader(chain([head], lines), delimiter=_delimiter(head), strict=True)
    columns, begin = _columns(_next(reader) or []), reader.line_num + 1
    while (cells := _next(reader)) is not None:
        if len(cells) == len(columns):
            yield begin, _given((name, _value(name, cell)) for name, cell in zip(columns, cells, strict=True))
        elif cells:  # An empty line is none.
            faults.add(begin, f"{len(cells)} cells where there are {len(columns)} columns.")
        begin = reader.line_num + 1


def joined_tags(names: Sequence[str]) -> str:
    """The names of tags as one cell."""
    return ";".join(name.replace("\\", r"\\").replace(";", r"\;") for name in names)


def _lines(file: BinaryIO, told: Told, longest: int) -> Iterator[tuple[int, str]]:
    number = 0
    while line := file.readline(longest + 1):
        number += 1
        told(len(line))
        if len(line) > longest:
            raise BrokenFile(number, f"Longer than {longest // _MIB} MiB.")
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            place = f"byte {error.start + 1} of the line is 0x{line[error.start]:02x}"
            raise BrokenFile(number, f"Not UTF-8: {place}. Save the file as UTF-8 and try again.") from error


def _next(reader: Any) -> list[str] | None:
    begin = reader.line_num + 1
    try:
        return next(reader, None)
    except csv.Error as error:
        wrong = "a line ends in CR alone, and not in LF or CRLF" if "new-line" in str(error) else error
        raise BrokenFile(begin, f"Not CSV: {wrong}.") from error


def _delimiter(head: str) -> str:
    return max(",;\t", key=head.count)  # Of equals the first.


def _columns(names: list[str]) -> list[str]:
    columns = [name.strip().lower() for name in names]
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise BrokenFile(
            1,
            f"Unknown columns: {', '.join(name or 'one without a name' for name in unknown)}. There are: {', '.join(COLUMNS)}.",
        )
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise BrokenFile(1, f"These columns stand there twice: {', '.join(twice)}.")
    if not columns:
        raise BrokenFile(1, "The first line has to name the columns.")
    return columns


def _given(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in pairs:
        if value is not None:
            given[name] = value
        elif name not in _NOT_GIVEN:
            given[name] = _EMPTY.get(name)
    return given


def _value(name: str, cell: str) -> Any:
    if not cell.strip():
        return None
    if name in ("title", "description"):
        return cell  # The schema trims them.
    cell = cell.strip()
    if name == "number":
        return int(cell) if re.fullmatch("-?[0-9]{1,10}", cell) else cell
    if name == "tags":
        found = (re.sub(r"\\([\\;])", r"\1", tag).strip() for tag in _TAG.findall(cell))
        return [tag for tag in found if tag]
    return cell
