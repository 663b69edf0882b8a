"""Whether the process is alive, and whether it can serve."""

from functools import cache
from pathlib import Path
from typing import Any

import redis
from alembic.script import ScriptDirectory
from flask import Blueprint, Response, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ..extensions import db
from . import store
from .database import READ
from .http import problem
from .openapi import public

MIGRATIONS = Path(__file__).parents[2] / "migrations"
health = Blueprint("health", __name__)


@health.get("/healthz")
@public
def healthz() -> Response:
    """200 as long as the process answers."""
    return jsonify(status="ok")


@health.get("/readyz")
@public
def readyz() -> Response:
    """200 if every part that is needed answers; else 503 with the names of those that do not."""
    failing = [name for name, works in (("database", _database), ("revocation", _revocation), ("migrations", _migrations))
               if not works()]  # fmt: skip
    if failing:
        return problem(503, "not_ready", f"Not ready: {', '.join(failing)}.", headers={"Retry-After": "2"})
    return jsonify(status="ok")


def _database() -> bool:
    try:
        with db.engines[READ].connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


def _revocation() -> bool:
    client = store.client()
    try:
        return client is None or bool(client.ping())
    except redis.RedisError:
        return False


def _migrations() -> bool:
    try:
        with db.engines[READ].connect() as connection:
            applied: Any = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    except SQLAlchemyError:
        return False
    return applied == newest_migration()


@cache
def newest_migration() -> str | None:
    """The migration that the code needs."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()
