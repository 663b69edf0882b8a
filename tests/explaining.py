"""How the database means to find what a statement asks for."""

import re
from typing import Any

from sqlalchemy import Connection


def explain(connection: Connection, statement: str, parameters: Any, *options: str) -> list[str]:
    """The plan of a statement as SQLAlchemy's `before_cursor_execute` tells of it, with `$1` or `?1` for its parameters.

    Args:
        options: of PostgreSQL's EXPLAIN, such as ANALYZE.
    """
    if connection.dialect.name == "sqlite":
        return [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    cursor = connection.connection.cursor()
    values = [cursor.mogrify("%s", (value,)).decode() for value in parameters]
    filled = re.sub(r"\$([0-9]+)", lambda found: values[int(found[1]) - 1], statement)
    cursor.execute(f"EXPLAIN ({', '.join(options)}) {filled}" if options else f"EXPLAIN {filled}")
    return [row[0] for row in cursor.fetchall()]
