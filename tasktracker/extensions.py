"""The Flask extensions, bare; `create_app()` binds them to an application."""

from flask_caching import Cache
from flask_mail import Mail
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

# Constraints have names of their own, so that a migration can drop them and an error can be told by its name.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The registry of all tables."""

    metadata = MetaData(naming_convention=NAMING)


# What was read stays readable after the commit, so that nothing begins another transaction by being looked at.
db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})
cache = Cache()
mailer = Mail()
