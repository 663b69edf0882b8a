"""Users, teams and sessions."""

from datetime import datetime
from enum import IntEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.database import taken
from ..core.models import Base, Record, new_id, now
from ..core.types import Choice, Id, UtcDateTime, sortable


class TeamRole(IntEnum):
    """What a member of a team may do; an admin changes the team."""

    member = 0
    admin = 1


class User(Record):
    """A person with an account."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("username", name=taken("uq_users_username", "username_taken", "This username is taken.")),
        # An account whose address was never confirmed keeps nobody from using that address.
        Index(
            taken("uq_users_email_key", "email_taken", "This address has an account."),
            "email_key",
            unique=True,
            postgresql_where=text("activated_at IS NOT NULL"),
            sqlite_where=text("activated_at IS NOT NULL"),
        ),
        Index(None, "email_key"),
        CheckConstraint("length(username) BETWEEN 3 AND 32", name="username_length"),
        CheckConstraint("length(display_name) BETWEEN 1 AND 100", name="display_name_length"),
        CheckConstraint("length(email) BETWEEN 3 AND 254", name="email_length"),
    )

    username: Mapped[str] = mapped_column(sortable(32))
    email: Mapped[str] = mapped_column(String(254))
    # The address as it is compared (NFKC, without letter case), so that one person cannot have it twice.
    email_key: Mapped[str] = mapped_column(String(254))
    email_verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When the account began to be one: at once, or where addresses must be confirmed, with the confirmation.
    activated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    display_name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(255))
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_admin: Mapped[bool] = mapped_column(default=False)
    # The words of both names, each with a space before it, for searching by their beginnings. The database has the default
    # too, so that a server of the version before can make accounts while this one starts.
    words: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))


class Team(Record):
    """People who share projects as one."""

    __tablename__ = "teams"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("length(description) <= 5000", name="description_length"),
    )

    name: Mapped[str] = mapped_column(sortable(100))
    description: Mapped[str] = mapped_column(String(5000), default="")


class TeamMember(Base):
    """That a user belongs to a team."""

    __tablename__ = "team_members"
    __table_args__ = (
        CheckConstraint("role BETWEEN 0 AND 1", name="role_known"),
        Index(None, "user_id", "team_id"),
    )

    team_id: Mapped[str] = mapped_column(Id, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(Choice(TeamRole), default="member")


class Session(Base):
    """A login and every token that came from it; the truth about whether they are still good."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ip_address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(400))


class RefreshToken(Base):
    """A refresh token that was given out; it works once."""

    __tablename__ = "refresh_tokens"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    session_id: Mapped[str] = mapped_column(Id, ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Purpose(IntEnum):
    """What a mailed token is for."""

    verify_address = 0
    change_address = 1
    reset_password = 2


class MailedToken(Base):
    """A secret that was sent by mail, and what it is good for."""

    __tablename__ = "mailed_tokens"
    __table_args__ = (
        CheckConstraint("purpose BETWEEN 0 AND 2", name="purpose_known"),
        Index(None, "user_id", "purpose"),
    )

    # That of the job that sends it, so that sending it again gives no other token.
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(Choice(Purpose))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    # The address that it was sent to: it proves that one, and no other that the user has since.
    email: Mapped[str] = mapped_column(String(254))
    # The session that asked for it, if one did.
    session_id: Mapped[str | None] = mapped_column(Id)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Where it was used: its user is known there.
    used_from: Mapped[str | None] = mapped_column(String(45))
