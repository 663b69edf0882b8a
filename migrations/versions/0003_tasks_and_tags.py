"""Tasks, tags and the search for tasks.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.Uuid(as_uuid=False).with_variant(sa.CHAR(36), "sqlite")
TIME = sa.TIMESTAMP(timezone=True).with_variant(sa.CHAR(27), "sqlite")

# SQLite searches in an FTS5 table that triggers keep up with the tasks. Words come folded and separated by spaces, so the
# tokenizer has nothing to do but split. A row is found again by the task's id, written without hyphens as one more word:
# the row numbers of tasks are not stable (VACUUM may change them).
SQLITE_SEARCH = (
    "CREATE VIRTUAL TABLE tasks_search USING fts5(id UNINDEXED, key, words, tokenize = 'ascii')",
    """CREATE TRIGGER tasks_search_insert AFTER INSERT ON tasks BEGIN
        INSERT INTO tasks_search (id, key, words) VALUES (new.id, replace(new.id, '-', ''), new.words);
    END""",
    """CREATE TRIGGER tasks_search_update AFTER UPDATE OF words ON tasks BEGIN
        UPDATE tasks_search SET words = new.words
        WHERE rowid = (SELECT rowid FROM tasks_search WHERE tasks_search MATCH 'key : ' || replace(new.id, '-', ''));
    END""",
    """CREATE TRIGGER tasks_search_delete AFTER DELETE ON tasks BEGIN
        DELETE FROM tasks_search
        WHERE rowid = (SELECT rowid FROM tasks_search WHERE tasks_search MATCH 'key : ' || replace(old.id, '-', ''));
    END""",
)


def sortable(length: int) -> sa.String:
    """Text that is sorted by code point on both databases."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "tags",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("name", sortable(50), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("color", sa.String(length=7), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("length(color) = 7", name=op.f("ck_tags_color_length")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 50", name=op.f("ck_tags_name_length")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_tags_project_id_projects"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
        sa.UniqueConstraint("project_id", "name_key", name="uq_tags_project_id_name_key"),
    )
    op.create_index(op.f("ix_tags_project_id_name_id"), "tags", ["project_id", "name", "id"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sortable(200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("assigned_to_id", ID, nullable=True),
        sa.Column("created_by_id", ID, nullable=True),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("start_date", sa.Date(), nullable=True),
        sa.Column("completed_at", TIME, nullable=True),
        sa.Column("words", postgresql.TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("(completed_at IS NOT NULL) = (status >= 3)", name=op.f("ck_tasks_completed_when_done")),
        sa.CheckConstraint("length(description) <= 20000", name=op.f("ck_tasks_description_length")),
        sa.CheckConstraint("length(title) BETWEEN 1 AND 200", name=op.f("ck_tasks_title_length")),
        sa.CheckConstraint("priority BETWEEN 0 AND 4", name=op.f("ck_tasks_priority_known")),
        sa.CheckConstraint("start_date <= due_date", name=op.f("ck_tasks_dates_in_order")),
        sa.CheckConstraint("status BETWEEN 0 AND 4", name=op.f("ck_tasks_status_known")),
        sa.ForeignKeyConstraint(
            ["assigned_to_id"], ["users.id"], name=op.f("fk_tasks_assigned_to_id_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_tasks_created_by_id_users"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_tasks_project_id_projects"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_tasks_project_id_number")),
    )
    op.create_index(op.f("ix_tasks_assigned_to_id_status"), "tasks", ["assigned_to_id", "status"], unique=False)
    op.create_index(op.f("ix_tasks_created_by_id"), "tasks", ["created_by_id"], unique=False)
    op.create_index(op.f("ix_tasks_project_id_created_at_id"), "tasks", ["project_id", "created_at", "id"], unique=False)
    op.create_index(op.f("ix_tasks_project_id_due_date_id"), "tasks", ["project_id", "due_date", "id"], unique=False)
    op.create_index(op.f("ix_tasks_project_id_priority_id"), "tasks", ["project_id", "priority", "id"], unique=False)
    op.create_index(
        op.f("ix_tasks_project_id_status_created_at_id"), "tasks", ["project_id", "status", "created_at", "id"], unique=False
    )
    op.create_index(op.f("ix_tasks_project_id_title_id"), "tasks", ["project_id", "title", "id"], unique=False)
    op.create_index(op.f("ix_tasks_project_id_updated_at_id"), "tasks", ["project_id", "updated_at", "id"], unique=False)
    op.create_index(
        op.f("ix_tasks_status_priority_project_id_due_date_id"),
        "tasks",
        ["status", "priority", "project_id", "due_date", "id"],
        unique=False,
    )
    op.create_table(
        "task_tags",
        sa.Column("task_id", ID, nullable=False),
        sa.Column("tag_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name=op.f("fk_task_tags_tag_id_tags"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_tags_task_id_tasks"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "tag_id", name=op.f("pk_task_tags")),
    )
    op.create_index(op.f("ix_task_tags_tag_id_task_id"), "task_tags", ["tag_id", "task_id"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("ix_tasks_words", "tasks", ["words"], postgresql_using="gin")
    else:
        for statement in SQLITE_SEARCH:
            op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        op.execute("DROP TABLE tasks_search")
    op.drop_table("task_tags")
    op.drop_table("tasks")
    op.drop_table("tags")
