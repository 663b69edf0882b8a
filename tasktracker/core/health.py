"""Whether the process is alive, and whether it can serve."""

from os import statvfs
from pathlib import Path

import redis
from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy import column, func, literal, make_url, select, table
from sqlalchemy.exc import SQLAlchemyError

from config import Settings

from . import migrations, store
from .database import is_on_postgresql
from .deadline import at_most
from .http import problem
from .openapi import public
from .statement import Statement

health = Blueprint("health", __name__)
_PATIENCE = 1.0  # A load balancer wants to know soon.
_LEAST_FREE = 2**20
# A standby, and a server that an administrator has closed for writing, answers every question and takes nothing.
_PROBE = Statement(select(func.current_setting("transaction_read_only")))
_SQLITE_PROBE = Statement(select(literal("off")))
_MIGRATION = Statement(select(column("version_num")).select_from(table("alembic_version")))


@health.get("/healthz")
@public
def healthz() -> Response:
    """200 as long as the process answers."""
    return jsonify(status="ok")


@health.get("/readyz")
@public
def readyz() -> Response:
    """200 if every part that is needed answers and takes what is written; else 503 with the names of those that do not."""
    with at_most(_PATIENCE):
        failing = [name for name, works in _PARTS.items() if not works()]
    if failing:
        return problem(503, "not_ready", f"Not ready: {', '.join(failing)}.", headers={"Retry-After": "2"})
    return jsonify(status="ok")


def _database() -> bool:
    try:
        row = (_PROBE if is_on_postgresql() else _SQLITE_PROBE).first()
    except SQLAlchemyError:
        return False
    return row is not None and row[0] == "off"


def _disk() -> bool:
    """Whether the embedded database has room to grow; of its server's disk PostgreSQL itself must tell."""
    settings: Settings = current_app.config["SETTINGS"]
    file = make_url(settings.database_url).database
    if not settings.is_sqlite or not file:
        return True
    try:
        free = statvfs(Path(current_app.instance_path, file).parent)
    except OSError:
        return False
    return free.f_bavail * free.f_frsize >= _LEAST_FREE


def _revocation() -> bool:
    client = store.client()
    try:
        # One that is full or a replica answers every question, and keeps nothing.
        return client is None or bool(client.set("tasktracker:readyz", "written", ex=60))
    except redis.RedisError:
        return False


def _migrations() -> bool:
    try:
        row = _MIGRATION.first()
    except SQLAlchemyError:
        return False
    # Processes of the version before serve on while those of the next one take their place; migrations are numbered.
    return row is not None and row[0] >= migrations.newest()


_PARTS = {"database": _database, "disk": _disk, "revocation": _revocation, "migrations": _migrations}
