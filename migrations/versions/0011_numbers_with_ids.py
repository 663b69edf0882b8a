"""A task's id stands beside its number, so that a page in the order of numbers is read from an index alone.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

NAME = "uq_tasks_project_id_number"


def upgrade() -> None:
    _make_anew("UNIQUE (project_id, number) INCLUDE (id)")


def downgrade() -> None:
    _make_anew("UNIQUE (project_id, number)")


def _make_anew(constraint: str) -> None:
    if op.get_bind().dialect.name == "postgresql":  # SQLite has no such indexes.
        op.execute(f"ALTER TABLE tasks DROP CONSTRAINT {NAME}, ADD CONSTRAINT {NAME} {constraint}")
