"""What tasks are called in the systems that they were taken over from.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ID = sa.Uuid(as_uuid=False).with_variant(sa.CHAR(36), "sqlite")


def upgrade() -> None:
    op.create_table(
        "external_ids",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("task_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_external_ids_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_external_ids_task_id_tasks"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "external_id", name=op.f("pk_external_ids")),
        sa.UniqueConstraint("task_id", "project_id", name=op.f("uq_external_ids_task_id_project_id")),
    )


def downgrade() -> None:
    op.drop_table("external_ids")
