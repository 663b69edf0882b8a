"""`flask import` and `flask export`: moving in from elsewhere, and moving out with everything."""

import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import mkstemp

import click
from flask.cli import AppGroup, with_appcontext

from ..accounts.models import User
from ..core import audit
from ..core.database import transactional
from ..moving import exporting
from ..moving.exporting import one_project, one_user, snapshot
from ..moving.restoring import restore
from ..moving.sources import Reader, csv_rows, json_tasks
from ..moving.tasks import import_tasks
from ..moving.writing import BY, run
from ..projects.models import Project
from .terminal import many, told_plainly

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


@click.command("export")
@click.option("--project", metavar="KEY", help="A project, by its key; with --owner.")
@click.option("--owner", metavar="USERNAME", help="Who owns the project.")
@click.option("--user", metavar="USERNAME", help="All projects that this user owns, and their account.")
@click.option("--format", "form", type=click.Choice(["ndjson", "csv"]), default="ndjson", show_default=True)
@click.option("--for-spreadsheets", is_flag=True, help="Of CSV: put ' before what would be taken for a formula.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write.")
@with_appcontext
@told_plainly
def export(
    *, project: str | None, owner: str | None, user: str | None, form: str, for_spreadsheets: bool, output: Path
) -> None:
    """Write a project, or all that a user owns, into a file.

    NDJSON holds everything: `flask import json` makes the same of it elsewhere. CSV holds the tasks of one project.
    """
    if bool(project) != bool(owner) or bool(project) == bool(user):
        raise click.UsageError("Give --project with --owner, or --user.")
    if form == "csv" and not project:
        raise click.UsageError("CSV holds the tasks of one project; give --project with --owner.")
    if for_spreadsheets and form != "csv":
        raise click.UsageError("--for-spreadsheets is for --format csv.")
    _check_output(output)
    with snapshot() as connection:
        if project and owner:
            subject = one_project(connection, owner, project)
            which, people, about = Project.id == subject, User.id.is_(None), {"project_id": subject}
        else:
            subject = one_user(connection, user or "")
            which, people, about = Project.owner_id == subject, User.id == subject, {"user_id": subject}
        tasks = exporting.task_count(connection, which)
        if form == "csv":
            lines = exporting.rows(connection, subject, for_spreadsheets=for_spreadsheets)
        else:
            lines = exporting.lines(connection, which, people)
        try:
            _write(output, lines, tasks)
        except OSError as error:
            raise click.ClickException(f"{output} cannot be written: {error.strerror}.") from error
    _note("exported", about)
    click.echo(f"Wrote {many(tasks, 'task')} into {output}.")


def _check_output(output: Path) -> None:
    """Refuses what cannot be replaced in whole, or is what this command speaks to: `/dev/stdout` may lead to a file."""
    if output.exists() and not output.is_file():
        raise click.ClickException(f"{output} is no regular file, which alone can be replaced in whole.")
    if str(output) == "-" or (output.exists() and any(_leads_to(output, stream) for stream in (1, 2))):
        raise click.ClickException(f"{output} is what this command speaks to; name a file of its own.")


def _leads_to(path: Path, stream: int) -> bool:
    try:
        return path.samefile(f"/dev/fd/{stream}")
    except OSError:  # The stream is closed.
        return False


def _write(output: Path, lines: Iterator[bytes], tasks: int) -> None:
    """Writes the file in whole or not at all, for its owner's eyes; of a link, the file that it leads to."""
    target = output.resolve()
    handle, name = mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".unfinished")  # Mode 0600.
    try:
        with (
            os.fdopen(handle, "wb") as file,
            click.progressbar(lines, tasks, "Writing tasks", file=sys.stderr, update_min_steps=tasks // 100 + 1) as bar,
        ):
            for line in bar:
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@transactional
def _note(happened: str, about: Mapping[str, str]) -> None:
    audit.record(happened, **about, by=BY)


take_in = AppGroup("import", help="Take tasks over from elsewhere, or an export of another instance.")


@take_in.command("csv")
@click.argument("file", type=_FILE)
@click.option("--project", metavar="KEY", required=True, help="The project that takes the tasks in, by its key.")
@click.option("--owner", metavar="USERNAME", required=True, help="Who owns the project.")
@_dry_run
@told_plainly
def from_csv(file: Path, *, project: str, owner: str, dry_run: bool) -> None:
    """Take tasks over from a table, into a project.

    The first line names the columns. A row whose external_id or number is there already changes that task.
    """
    _take_tasks(file, csv_rows, project, owner, dry_run=dry_run)


@take_in.command("json")
@click.argument("file", type=_FILE)
@click.option("--project", metavar="KEY", help="The project, by its key, that takes in lines that are tasks; with --owner.")
@click.option("--owner", metavar="USERNAME", help="Who owns the project.")
@click.option("--create-people", is_flag=True, help="Make an account, disabled and without a password, for whoever has none.")
@_dry_run
@told_plainly
def from_json(file: Path, *, project: str | None, owner: str | None, create_people: bool, dry_run: bool) -> None:
    """Take in an export, or a file with a task on each line."""
    if bool(project) != bool(owner) or (project and create_people):
        raise click.UsageError("Give --project with --owner for lines that are tasks, or neither of them for an export.")
    if project and owner:
        _take_tasks(file, json_tasks, project, owner, dry_run=dry_run)
        return
    with _reading(file) as told:
        counts = run(partial(restore, create_people=create_people, told=told), file, dry_run=dry_run)
    if dry_run:
        click.echo("Nothing was written; this is what would be done.")
    made = ", ".join(many(counts[f"{one}s"], one) for one in ("project", "task", "tag", "team", "account"))
    click.echo(f"Made {made}.")
    if counts["projects here"]:
        click.echo(f"Left alone: {many(counts['projects here'], 'project')} here already, with all tasks.")
    if counts["keys"]:
        click.echo(f"Given another key: {many(counts['keys'], 'project')} whose owner uses that key for another one.")
    if counts["unassigned"]:
        click.echo(f"Assigned to nobody: {many(counts['unassigned'], 'task')} of people who cannot see the project here.")
    if counts["accounts"]:
        click.echo("Nobody can log in to these accounts until 'flask users enable' and 'flask users send-reset'.")


@contextmanager
def _reading(file: Path) -> Generator[Callable[[int], object]]:
    size = file.stat().st_size
    with click.progressbar(length=size, label="Reading", file=sys.stderr, update_min_steps=size // 100 + 1) as bar:
        yield bar.update


def _take_tasks(file: Path, read: Reader, project: str, owner: str, *, dry_run: bool) -> None:
    with _reading(file) as told:
        counts = run(
            lambda opened, faults: import_tasks(read(opened, faults, told), faults, owner=owner, key=project),
            file,
            dry_run=dry_run,
        )
    if dry_run:
        click.echo("Nothing was written; this is what would be done.")
    click.echo(
        f"Made {many(counts['made'], 'task')} and {many(counts['tags'], 'tag')}, changed {many(counts['changed'], 'task')}, "
        f"and left {counts['left']:,} as they were."
    )
    if counts["elsewhere"]:
        click.echo(f"Left alone: {many(counts['elsewhere'], 'task')} in another project by now.")
