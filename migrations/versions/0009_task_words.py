"""The words of tasks in a table of their own, as PostgreSQL reads much faster from short rows.

Revision ID: 0009
Revises: 0008
"""

# ruff: noqa: S608 - nothing in these statements was sent.
import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.Uuid(as_uuid=False).with_variant(sa.CHAR(36), "sqlite")
TIME = sa.TIMESTAMP(timezone=True).with_variant(sa.CHAR(27), "sqlite")
FOREIGN_KEY = {"ondelete": "CASCADE", "deferrable": True, "initially": "DEFERRED"}
FOREIGN_KEY_NAME = "fk_task_words_task_id_tasks"
# The words with the end of their project's id before each, which only the index has from now on, and without.
PLAIN_ON_POSTGRESQL = "regexp_replace(CAST(words AS TEXT), '(^| )''.{6}([^'']*)''', ' \\2', 'g')"
PLAIN_ON_SQLITE = "CASE WHEN words <> '' THEN replace(' ' || words, ' ' || substr(project_id, -6), ' ') ELSE '' END"
VECTOR = "array_to_tsvector(string_to_array(substr(replace(words, ' ', ' ' || right(project_id::text, 6)), 2), ' '))"
SCOPED = "replace({0}words, ' ', ' ' || substr({0}project_id, -6))"
GIN: dict[str, object] = {"postgresql_using": "gin", "postgresql_with": {"fastupdate": "off"}}


def triggers(table: str, key: str, words: str) -> tuple[str, ...]:
    """What keeps SQLite's table of search up with the table that the words are in; see 0003."""
    search = f"{table}_search"
    found = f"rowid = (SELECT rowid FROM {search} WHERE {search} MATCH 'key : ' || replace({{}}.{key}, '-', ''))"
    return (
        f"""CREATE TRIGGER {search}_insert AFTER INSERT ON {table} BEGIN
            INSERT INTO {search} (id, key, words) VALUES (new.{key}, replace(new.{key}, '-', ''), {words});
        END""",
        f"""CREATE TRIGGER {search}_update AFTER UPDATE OF words, project_id ON {table} BEGIN
            UPDATE {search} SET words = {words} WHERE {found.format("new")};
        END""",
        f"""CREATE TRIGGER {search}_delete AFTER DELETE ON {table} BEGIN
            DELETE FROM {search} WHERE {found.format("old")};
        END""",
    )


def move_search(old: str, *new: str) -> None:
    """Has SQLite's table of search follow another table; what stands in it stays."""
    for event in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER {old}_search_{event}")
    op.execute(f"ALTER TABLE {old}_search RENAME TO {new[0]}_search")
    for statement in triggers(*new):
        op.execute(statement)


def is_on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def upgrade() -> None:
    # PostgreSQL checks all rows at once where they are there before the constraint.
    constraints = (
        [] if is_on_postgresql() else [sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], FOREIGN_KEY_NAME, **FOREIGN_KEY)]
    )
    op.create_table(
        "task_words",
        sa.Column("task_id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task_words")),
        *constraints,
    )
    plain = PLAIN_ON_POSTGRESQL if is_on_postgresql() else PLAIN_ON_SQLITE
    op.execute(f"INSERT INTO task_words SELECT id, project_id, created_at, {plain} FROM tasks")
    if is_on_postgresql():
        op.create_foreign_key(FOREIGN_KEY_NAME, "task_words", "tasks", ["task_id"], ["id"], **FOREIGN_KEY)
        op.create_index("ix_task_words_words", "task_words", [sa.text(VECTOR)], **GIN)
        op.drop_index("ix_tasks_words", table_name="tasks")
    else:
        move_search("tasks", "task_words", "task_id", SCOPED.format("new."))
    # Both databases know this statement; with Alembic's, SQLite would make the table and all of its indexes anew.
    op.execute("ALTER TABLE tasks DROP COLUMN words")


def downgrade() -> None:
    op.execute(f"ALTER TABLE tasks ADD COLUMN words {'tsvector' if is_on_postgresql() else 'TEXT'} DEFAULT '' NOT NULL")
    stored = VECTOR if is_on_postgresql() else f"substr({SCOPED.format('')}, 2)"
    op.execute(f"UPDATE tasks SET words = (SELECT {stored} FROM task_words WHERE task_id = tasks.id)")
    if is_on_postgresql():
        op.execute("ALTER TABLE tasks ALTER COLUMN words DROP DEFAULT")
        op.create_index("ix_tasks_words", "tasks", ["words"], **GIN)
    else:
        move_search("task_words", "tasks", "id", "new.words")
    op.drop_table("task_words")
