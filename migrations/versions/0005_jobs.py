"""Background jobs.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.Uuid(as_uuid=False).with_variant(sa.CHAR(36), "sqlite")
TIME = sa.TIMESTAMP(timezone=True).with_variant(sa.CHAR(27), "sqlite")
NOT_FAILED = sa.text("failed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("key", sa.String(length=300), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(length=300), nullable=True),
        sa.Column("failed_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_due_at", "jobs", ["due_at"], postgresql_where=NOT_FAILED, sqlite_where=NOT_FAILED)
    op.create_index("uq_jobs_key", "jobs", ["key"], unique=True)


def downgrade() -> None:
    op.drop_table("jobs")
