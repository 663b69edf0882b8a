"""Accounts that wait for their address to be confirmed, and mailed tokens.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.Uuid(as_uuid=False).with_variant(sa.CHAR(36), "sqlite")
TIME = sa.TIMESTAMP(timezone=True).with_variant(sa.CHAR(27), "sqlite")
ACTIVATED = sa.text("activated_at IS NOT NULL")


def upgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("activated_at", TIME, nullable=True))
        users.drop_constraint("uq_users_email_key", type_="unique")
    # Whoever had an account before keeps it.
    op.execute("UPDATE users SET activated_at = created_at")
    op.create_index(
        "uq_users_email_key", "users", ["email_key"], unique=True, postgresql_where=ACTIVATED, sqlite_where=ACTIVATED
    )
    op.create_index(op.f("ix_users_email_key"), "users", ["email_key"])
    op.create_table(
        "mailed_tokens",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("purpose", sa.SmallInteger(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("session_id", ID, nullable=True),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.Column("used_from", sa.String(length=45), nullable=True),
        sa.CheckConstraint("purpose BETWEEN 0 AND 2", name=op.f("ck_mailed_tokens_purpose_known")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mailed_tokens_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailed_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_mailed_tokens_token_hash")),
    )
    op.create_index(op.f("ix_mailed_tokens_expires_at"), "mailed_tokens", ["expires_at"])
    op.create_index(op.f("ix_mailed_tokens_user_id_purpose"), "mailed_tokens", ["user_id", "purpose"])


def downgrade() -> None:
    op.drop_table("mailed_tokens")
    # Below this, an address belongs to one row; those who never confirmed theirs have nothing but an empty inbox.
    op.execute("DELETE FROM projects WHERE owner_id IN (SELECT id FROM users WHERE activated_at IS NULL)")
    op.execute("DELETE FROM users WHERE activated_at IS NULL")
    op.drop_index(op.f("ix_users_email_key"), table_name="users")
    op.drop_index("uq_users_email_key", table_name="users")
    with op.batch_alter_table("users") as users:
        users.create_unique_constraint("uq_users_email_key", ["email_key"])
        users.drop_column("activated_at")
