"""`flask seed`: fills the database with sample data."""

import csv
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from io import StringIO
from time import monotonic

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import Connection, insert, or_, select, text
from sqlalchemy.exc import IntegrityError

from config import Settings

from ..accounts.models import Team, TeamMember, User
from ..accounts.passwords import hash_password
from ..core.database import analyze, is_on_postgresql, lift_limits, session, transactional, unbounded
from ..core.errors import Conflict
from ..core.statement import Statement
from ..extensions import Base
from ..projects.models import Project, ProjectMember, ProjectTeam
from ..tags.models import Tag, TaskTag
from ..tasks.models import Task, TaskWords
from ..tasks.services.making import words_row
from .sample import DEMO, DEMO_EMAIL, Row, Sample, Size
from .terminal import many, told_plainly

DEMO_PASSWORD = "demo-password-please-change"  # noqa: S105  # nosec B105
_BATCH = 2_000
_MODELS: tuple[type[Base], ...] = (User, Team, TeamMember, Project, ProjectMember, ProjectTeam, Tag, Task, TaskWords, TaskTag)
_NULL = r"\N"
# By its address too, as it may have another name by now.
_DEMO = Statement(
    select(User.username)
    .where(or_(User.username == DEMO, User.email_key == DEMO_EMAIL))
    .order_by(User.email_key != DEMO_EMAIL)
    .limit(1)
)


@click.command("seed")
@click.option("--users", type=click.IntRange(2, 100_000), default=Size.users, show_default=True, help="Users in all.")
@click.option("--projects", type=click.IntRange(1, 100_000), default=Size.projects, show_default=True, help="Projects in all.")
@click.option("--tasks", type=click.IntRange(0, 10_000_000), default=Size.tasks, show_default=True, help="Tasks in all.")
@click.option("--tags", type=click.IntRange(0, 100), default=Size.tags, show_default=True, help="Tags of each project.")
@click.option("--rng-seed", type=int, default=Size.rng_seed, show_default=True, help="Another number gives other data.")
@click.option("--force", is_flag=True, help="Also in production.")
@with_appcontext
@told_plainly
def seed(*, force: bool, **size: int) -> None:
    """Fill the database with sample data.

    The same numbers give the same rows. The user `demo` belongs to a quarter of the projects; where that user
    exists already, nothing is changed.
    """
    settings: Settings = current_app.config["SETTINGS"]
    if settings.app_env == "production" and not force:
        raise click.ClickException(
            "This is production, and the password of the sample user is known to everyone; --force does it all the same."
        )
    if there := _DEMO.first():
        click.echo(f"The user {there.username} exists already; nothing was changed. The password was {DEMO_PASSWORD}")
        return
    begun = monotonic()
    # Nobody knows the password of the others; one hash serves all, since each costs some 40 ms.
    nobody = hash_password(secrets.token_urlsafe())
    sample = Sample(Size(**size), demo_hash=hash_password(DEMO_PASSWORD), others_hash=nobody)
    with click.progressbar(length=sample.size.tasks, label="Writing tasks") as bar:
        try:
            with unbounded():
                fill(sample, bar.update)
        except (Conflict, IntegrityError) as error:
            raise click.ClickException("Users or rows of the same names are in the way; seed an empty database.") from error
    made = ", ".join(many(size[f"{one}s"], one) for one in ("user", "project", "task"))
    click.echo(f"Made {made} in {monotonic() - begun:.1f} s. Log in as {DEMO} with the password {DEMO_PASSWORD}")


@transactional
def fill(sample: Sample, progress: Callable[[int], object]) -> None:
    """Writes the sample data in one transaction.

    Args:
        sample: the rows.
        progress: is told how many more tasks have been written.

    Raises:
        Conflict: a username or an address is taken.
        IntegrityError: other rows of sample data are there already.
    """
    connection = session().connection()
    lift_limits(connection)
    if is_on_postgresql():
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # What is still to be checked is kept in memory.
    rows = (sample.users, sample.teams, sample.team_members, sample.projects, sample.project_members, sample.project_teams)
    for model, of_model in zip(_MODELS, (*rows, sample.tags), strict=False):
        _insert(connection, model, of_model)
    write = _copy if is_on_postgresql() else _insert
    for tasks, links in _batches(sample):
        write(connection, Task, tasks)
        write(connection, TaskWords, [words_row(task) for task in tasks])
        write(connection, TaskTag, links)
        progress(len(tasks))
    analyze(connection, (model.__tablename__ for model in _MODELS))


def _insert(connection: Connection, model: type[Base], rows: list[Row]) -> None:
    if rows:
        connection.execute(insert(model), rows)


def _copy(connection: Connection, model: type[Base], rows: list[Row]) -> None:
    """Writes rows by PostgreSQL's COPY, which takes half the time of INSERT."""
    if not rows:
        return
    types = {name: model.__table__.c[name].type.dialect_impl(connection.dialect) for name in rows[0]}
    processors = {name: type_.bind_processor(connection.dialect) for name, type_ in types.items()}
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for row in rows:
        stored = (process(row[name]) if process else row[name] for name, process in processors.items())
        writer.writerow([_NULL if value is None else value for value in stored])
    file.seek(0)
    copy = f"COPY {model.__tablename__} ({', '.join(types)}) FROM STDIN (FORMAT csv, NULL '{_NULL}')"
    with closing(connection.connection.cursor()) as cursor:
        cursor.copy_expert(copy, file)


def _batches(sample: Sample) -> Iterator[tuple[list[Row], list[Row]]]:
    tasks: list[Row] = []
    links: list[Row] = []
    for task, tagged in sample.tasks():
        tasks.append(task)
        links += tagged
        if len(tasks) == _BATCH:
            yield tasks, links
            tasks, links = [], []
    yield tasks, links
