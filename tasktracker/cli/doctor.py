"""`flask doctor`: tries each part that TaskTracker stands on, for real, and says how to mend what does not work."""

import smtplib
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import redis
from flask import current_app
from flask.cli import with_appcontext
from flask_mail import Mail
from sqlalchemy import DateTime, bindparam, delete, func, insert, select, text
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.types import String

from config import Settings

from ..core import jobs, migrations, store
from ..core.database import is_on_postgresql, session, transactional
from ..core.deadline import at_most
from ..core.errors import Refusal
from ..core.jobs import Job
from ..core.logs import reason_of
from ..core.mail import BoundedConnection
from ..core.models import new_id, now
from ..core.statement import Statement
from ..extensions import Base, db

_PATIENCE = 5.0  # Seconds for what the database is asked in one check, and for a worker to do a job.
_MOST_APART = 5.0  # Seconds between the clocks; whether a token is good, and a job is due, is told by them.
_MISSING = text(
    "SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE NOT ("
    "has_table_privilege(quote_ident(name), 'SELECT') AND has_table_privilege(quote_ident(name), 'INSERT') AND "
    "has_table_privilege(quote_ident(name), 'UPDATE') AND has_table_privilege(quote_ident(name), 'DELETE'))"
)
_OWNER_OF_UNREADABLE = text(
    "SELECT tableowner FROM pg_tables WHERE tablename = 'alembic_version' AND schemaname = current_schema() "
    "AND NOT has_table_privilege('alembic_version', 'SELECT')"
)
_IS_THERE = Statement(select(func.count()).where(Job.key == bindparam("key", type_=String())))
_OLDEST = Statement(select(func.min(Job.due_at)).where(Job.failed_at.is_(None)))


class Fault(Exception):
    """What is wrong, and the way to mend it."""

    def __init__(self, wrong: str, mend: str) -> None:
        super().__init__(f"{wrong} {mend}")


@dataclass(frozen=True)
class Check:
    """What is tried.

    Args:
        name: the part.
        run: tries it, and says what was found, or raises `Fault`.
        mend: what to do where the part does not answer as it should.
        needs: the part without which there is no sense in it.
    """

    name: str
    run: Callable[[Settings], str]
    mend: str
    needs: str | None = None

    def says(self, settings: Settings) -> str:
        """What was found.

        Raises:
            Fault: what is wrong.
        """
        try:
            with at_most(_PATIENCE):
                return self.run(settings)
        except (SQLAlchemyError, Refusal, redis.RedisError, smtplib.SMTPException, OSError) as error:
            raise Fault(f"{reason_of(error).removesuffix('.')}.", self.mend) from error


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Try the database, Redis, mail, files and the worker, and say how to mend them.

    Nothing is changed, and no mail is sent. The exit status is 1 where something is wrong.
    """
    settings: Settings = current_app.config["SETTINGS"]
    faulty: list[str] = []
    click.echo(f"ok     settings    They are sound; `flask check-config` shows them. APP_ENV is {settings.app_env}.")
    for check in CHECKS:
        if check.needs in faulty:
            faulty.append(check.name)
            click.echo(f"-      {check.name:10}  Not tried: see {check.needs}.")
            continue
        try:
            click.echo(f"ok     {check.name:10}  {check.says(settings)}")
        except Fault as fault:
            faulty.append(check.name)
            click.echo(f"FAULT  {check.name:10}  {fault}")
    if faulty:
        raise click.exceptions.Exit(1)


# --- the database -----------------------------------------------------------------------------------------------------


def _database(_: Settings) -> str:
    begun = time.perf_counter()
    version = _of_server() if is_on_postgresql() else _of_file(Path(db.engine.url.database or ""))
    return f"{' '.join(version.split()[:2])} answers in {(time.perf_counter() - begun) * 1000:.0f} ms."


def _of_server() -> str:
    with db.engine.connect() as connection:
        return str(connection.exec_driver_sql("SELECT version()").scalar())


def _of_file(file: Path) -> str:
    sql = "SELECT 'SQLite ' || sqlite_version(), count(*) FROM sqlite_schema"
    try:
        if not file.exists():  # To connect would make it.
            raise Fault(f"There is no file {file}.", "Check that DATABASE_URL is right, and run `flask --app wsgi db upgrade`.")
        with db.engine.connect() as connection:
            return str(connection.exec_driver_sql(sql).scalar())
    except (DatabaseError, OSError) as error:
        if getattr(getattr(error, "orig", None), "sqlite_errorname", "") in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            raise Fault(
                "The file is no SQLite database, or is damaged.", "Move it away and restore the last backup."
            ) from error
        mend = "Check that DATABASE_URL is right, and that the user of this process may write to the file and its folder."
        raise Fault(f"{reason_of(error).removesuffix('.')}.", mend) from error


def _migrations(_: Settings) -> str:
    upgrade = "Run `flask --app wsgi db upgrade`."
    with db.engine.connect() as connection:
        if not db.inspect(connection).has_table("alembic_version"):
            raise Fault("There are no tables yet.", upgrade)
        if is_on_postgresql() and (owner := connection.scalar(_OWNER_OF_UNREADABLE)):
            raise Fault(
                f"The tables belong to {owner}, and the user of DATABASE_URL may not read them.",
                "Let the role that serves own them, or grant it SELECT, INSERT, UPDATE and DELETE on all of them.",
            )
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    newest = migrations.newest()
    if found is None or found < newest:
        raise Fault(f"The database is at {found}, the code needs {newest}.", upgrade)
    if found > newest:
        raise Fault(f"The database is at {found}, the code knows {newest}.", "Install the release that made these tables.")
    return f"The tables are those that the code needs, {newest}."


def _writing(_: Settings) -> str:
    """Writes a row and takes it back; on PostgreSQL, rights are each table's own."""
    names = [table.name for table in Base.metadata.sorted_tables]
    with db.engine.connect() as connection:
        there = db.inspect(connection).get_table_names()
    if lost := sorted(set(names) - set(there)):
        raise Fault(f"Tables are missing: {', '.join(lost)}.", "Somebody has removed them: restore the last backup.")
    if is_on_postgresql():
        with db.engine.connect() as connection:
            missing = connection.execute(_MISSING, {"names": names}).scalars().all()
        if missing:
            grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(missing)} TO the user of DATABASE_URL."
            raise Fault(f"Rights are missing on {', '.join(missing)}.", grant)
    with db.engine.connect() as connection, connection.begin() as transaction:
        connection.execute(insert(Job).values(kind=jobs.PING, payload="{}"))
        transaction.rollback()
    return "A row was written, and taken back."


def _clock(_: Settings) -> str:
    if not is_on_postgresql():
        return "The embedded database has the clock of this machine."
    before = now()
    with db.engine.connect() as connection:
        theirs = connection.execute(select(func.clock_timestamp(type_=DateTime(timezone=True)))).scalar_one()
    apart = (theirs - before).total_seconds()
    if abs(apart) > _MOST_APART:
        way = "ahead of" if apart > 0 else "behind"
        raise Fault(
            f"PostgreSQL's clock is {abs(apart):.0f} s {way} this machine's.",
            "Have both machines take their time from the network (NTP).",
        )
    return f"It is that of PostgreSQL, within {_MOST_APART:.0f} s."


# --- the others -------------------------------------------------------------------------------------------------------


def _redis(_: Settings) -> str:
    client: Any = store.client()
    if client is None:
        return "It is not used: REDIS_URL is not set, so this process counts for itself."
    key = f"tasktracker:doctor:{new_id()}"
    client.set(key, "written", ex=60)
    if client.getdel(key) != b"written":
        raise Fault("It has forgotten what was written a moment ago.", "See that REDIS_URL names one server, and not several.")
    try:
        about: dict[str, Any] = client.info()
    except redis.ResponseError:
        return "It takes what is written. Whether it keeps that, its user may not ask: INFO is not allowed."
    policy = about.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise Fault(
            f"It may forget who has logged out: maxmemory-policy is {policy}.",
            "Set it to noeviction, or give us a Redis of our own.",
        )
    if "err" in (about.get("aof_last_write_status"), about.get("rdb_last_bgsave_status")):
        raise Fault("It could not write to its disk.", "See its log, and whether its disk is full.")
    try:
        is_kept = about.get("aof_enabled") or any(client.config_get("save").values())
    except redis.ResponseError:  # Where others run it, its configuration is theirs.
        return "It evicts nothing. Whether it keeps what is written, its user may not ask: CONFIG GET is not allowed."
    if not is_kept:
        raise Fault("It keeps nothing on its disk: a restart forgets what limits have counted.", "Set appendonly to yes.")
    return f"Redis {about.get('redis_version')} keeps what is written, and evicts nothing."


def _mail(settings: Settings) -> str:
    if settings.mail_server is None:
        folder = Path(settings.instance_path) / "mail"
        _write_into(folder)
        return f"Without MAIL_SERVER, mails become files in {folder}."
    mailer: Mail = current_app.extensions["mail"]
    with closing(BoundedConnection(mailer).configure_host()) as host:
        host.ehlo_or_helo_if_needed()
        code, _ = host.noop()
        if code != 250:
            raise smtplib.SMTPResponseException(code, b"")
        host.quit()
    login = f", with the login {settings.mail_username}" if settings.mail_username else ""
    return f"{settings.mail_server}:{settings.mail_port} takes mails{login}. None was sent."


def _files(settings: Settings) -> str:
    if settings.app_env in ("staging", "production") and not settings.is_sqlite:
        return "None are kept."
    _write_into(Path(settings.instance_path))
    return f"{settings.instance_path} can be written to."


def _write_into(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"doctor")


def _worker(settings: Settings) -> str:
    """Gives the worker something to do, and looks whether it is done."""
    key, begun = f"{jobs.PING} {new_id()}", time.monotonic()
    _ask(key)
    try:
        while time.monotonic() - begun < _PATIENCE:
            if not _is_waiting(key):
                return f"A worker has done a job within {time.monotonic() - begun:.1f} s."
            time.sleep(0.1)
    finally:
        _take_back(key)
    oldest = _OLDEST.first()
    waits = f" Others have been due since {oldest[0]:%Y-%m-%dT%H:%M:%SZ}." if oldest and oldest[0] and oldest[0] < now() else ""
    inline = (
        " With INLINE_WORKER, the web server does them; it begins with its first request." if settings.inline_worker else ""
    )
    start = f"Start `flask --app wsgi worker`.{inline} `flask --app wsgi worker --status` shows what waits."
    raise Fault(f"No worker has done a job within {_PATIENCE:.0f} s.{waits}", start)


@transactional
def _ask(key: str) -> None:
    jobs.enqueue(jobs.PING, {}, key=key)


def _is_waiting(key: str) -> bool:
    found = _IS_THERE.first(key=key)
    return bool(found and found[0])


@transactional
def _take_back(key: str) -> None:
    session().execute(delete(Job).where(Job.key == key))


CHECKS = (
    Check(
        "database", _database, "Check that DATABASE_URL is right, that the server runs, and that it can be reached from here."
    ),
    Check("migrations", _migrations, "See what the user of DATABASE_URL may read.", needs="database"),
    Check(
        "writing",
        _writing,
        "The user of DATABASE_URL must be able to write, and the server must be no standby.",
        needs="migrations",
    ),
    Check("clock", _clock, "See the log of the database.", needs="database"),
    Check("redis", _redis, "Check that REDIS_URL is right, that the server runs, and that it takes what is written."),
    Check("mail", _mail, "Check MAIL_SERVER, MAIL_PORT, MAIL_USE_TLS, MAIL_USE_SSL, MAIL_USERNAME and MAIL_PASSWORD."),
    Check("files", _files, "Give the user of this process the right to write to INSTANCE_PATH."),
    Check("worker", _worker, "See the log of the database.", needs="writing"),
)
