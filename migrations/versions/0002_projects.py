"""Projects and their members.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.Uuid(as_uuid=False).with_variant(sa.CHAR(36), "sqlite")
TIME = sa.TIMESTAMP(timezone=True).with_variant(sa.CHAR(27), "sqlite")


def sortable(length: int) -> sa.String:
    """Text that is sorted by code point on both databases."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("key", sa.String(length=10), nullable=False),
        sa.Column("name", sortable(100), nullable=False),
        sa.Column("description", sa.String(length=5000), nullable=False),
        sa.Column("color", sa.String(length=7), nullable=False),
        sa.Column("is_inbox", sa.Boolean(), nullable=False),
        sa.Column("archived_at", TIME, nullable=True),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("NOT is_inbox OR archived_at IS NULL", name=op.f("ck_projects_inbox_is_open")),
        sa.CheckConstraint("length(color) = 7", name=op.f("ck_projects_color_length")),
        sa.CheckConstraint("length(description) <= 5000", name=op.f("ck_projects_description_length")),
        sa.CheckConstraint("length(key) BETWEEN 2 AND 10", name=op.f("ck_projects_key_length")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 100", name=op.f("ck_projects_name_length")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_projects_owner_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("owner_id", "key", name="uq_projects_owner_id_key"),
    )
    op.create_index(
        "uq_projects_inbox",
        "projects",
        ["owner_id"],
        unique=True,
        postgresql_where=sa.text("is_inbox"),
        sqlite_where=sa.text("is_inbox"),
    )
    op.create_table(
        "project_members",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("role BETWEEN 0 AND 2", name=op.f("ck_project_members_role_known")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_members_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_project_members_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_project_members")),
    )
    op.create_index(
        op.f("ix_project_members_user_id_project_id_role"), "project_members", ["user_id", "project_id", "role"], unique=False
    )
    op.create_table(
        "project_teams",
        sa.Column("project_id", ID, nullable=False),
        sa.Column("team_id", ID, nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("role BETWEEN 0 AND 2", name=op.f("ck_project_teams_role_known")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_teams_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_project_teams_team_id_teams"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "team_id", name=op.f("pk_project_teams")),
    )
    op.create_index(
        op.f("ix_project_teams_team_id_project_id_role"), "project_teams", ["team_id", "project_id", "role"], unique=False
    )


def downgrade() -> None:
    op.drop_table("project_teams")
    op.drop_table("project_members")
    op.drop_table("projects")
