"""Lists of tasks whose cost does not grow: the number of tasks, words by project, and other indexes.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The characters of a project's id that stand before each word of its tasks.
SCOPE = 6
OLD_INDEXES = (
    ("project_id", "updated_at", "id"),
    ("project_id", "due_date", "id"),
    ("status", "priority", "project_id", "due_date", "id"),
    ("assigned_to_id", "status"),
    ("created_by_id",),
)
NEW_INDEXES = (
    ("project_id", "updated_at", "id", "created_at"),
    ("project_id", "due_date", "id", "created_at"),
    ("project_id", "status", "id"),
    ("project_id", "status", "priority", "due_date", "id", "created_at"),
    ("assigned_to_id", "project_id", "created_at", "id"),
    ("created_by_id", "project_id", "created_at", "id"),
)


def rewrite_words(sqlite: str, postgresql: str) -> None:
    """Writes each task's words anew; PostgreSQL writes the table once and leaves no dead rows in it."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE tasks ALTER COLUMN words TYPE tsvector USING CAST({postgresql} AS tsvector)")
    else:
        op.execute(f"UPDATE tasks SET words = {sqlite} WHERE words <> ''")  # noqa: S608 - nothing in it was sent.


def drop(indexes: tuple[tuple[str, ...], ...]) -> None:
    for columns in indexes:
        op.drop_index(op.f(f"ix_tasks_{'_'.join(columns)}"), table_name="tasks")


def create(indexes: tuple[tuple[str, ...], ...]) -> None:
    for columns in indexes:
        op.create_index(op.f(f"ix_tasks_{'_'.join(columns)}"), "tasks", columns)


def upgrade() -> None:
    with op.batch_alter_table("projects") as projects:
        projects.add_column(sa.Column("task_count", sa.Integer(), server_default="0", nullable=False))
    op.execute("UPDATE projects SET task_count = (SELECT count(*) FROM tasks WHERE tasks.project_id = projects.id)")
    drop(OLD_INDEXES)
    rewrite_words(
        f"substr(project_id, -{SCOPE}) || replace(words, ' ', ' ' || substr(project_id, -{SCOPE}))",
        # Words hold neither quotes nor backslashes.
        f"regexp_replace(CAST(words AS TEXT), '''([^'']+)''', '''' || right(CAST(project_id AS TEXT), {SCOPE}) || '\\1''', 'g')",
    )
    create(NEW_INDEXES)
    if op.get_bind().dialect.name == "postgresql":
        backwards = ["project_id", sa.text("due_date DESC NULLS LAST"), sa.text("id DESC")]
        op.create_index("ix_tasks_project_id_due_date_desc", "tasks", backwards)
        op.execute("ALTER INDEX ix_tasks_words SET (fastupdate = off)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX ix_tasks_words RESET (fastupdate)")
        op.drop_index("ix_tasks_project_id_due_date_desc", table_name="tasks")
    drop(NEW_INDEXES)
    rewrite_words(
        f"substr(replace(words, ' ' || substr(project_id, -{SCOPE}), ' '), {SCOPE + 1})",
        f"regexp_replace(CAST(words AS TEXT), '''.{{{SCOPE}}}([^'']*)''', '''\\1''', 'g')",
    )
    create(OLD_INDEXES)
    with op.batch_alter_table("projects") as projects:
        projects.drop_column("task_count")
