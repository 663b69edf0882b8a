"""The words that users are found by.

Revision ID: 0004
Revises: 0003
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.Uuid(as_uuid=False).with_variant(sa.CHAR(36), "sqlite")
USERS = sa.table("users", sa.column("id", ID), sa.column("username"), sa.column("display_name"), sa.column("words"))


def fold(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def spaced_words(*texts: str) -> str:
    """As the application cut text into words when this was written."""
    folded = fold(" ".join(texts))
    kept = (char if char.isalnum() or unicodedata.category(char).startswith("M") else " " for char in folded)
    return "".join(f" {word}" for word in sorted({word[:255] for word in "".join(kept).split(" ") if word}))


def upgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("words", sa.Text(), server_default="", nullable=False))
    connection = op.get_bind()
    people = connection.execute(sa.select(USERS.c.id, USERS.c.username, USERS.c.display_name)).all()
    if people:
        found_by = [{"user": person.id, "found_by": spaced_words(person.username, person.display_name)} for person in people]
        update = sa.update(USERS).where(USERS.c.id == sa.bindparam("user", type_=ID))
        connection.execute(update.values(words=sa.bindparam("found_by")), found_by)


def downgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.drop_column("words")
