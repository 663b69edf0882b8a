"""The commands of `flask`, each imported when it is used: a server needs none of them, and `flask --help` their names alone."""

import sys
from importlib import import_module
from typing import Any

import click
from flask import Flask
from typing_extensions import override

CHECK_CONFIG = "check-config"
# Where each is, and what it says of itself.
COMMANDS = {
    CHECK_CONFIG: ("tasktracker.cli.settings:check_config", "Show every setting, and what is wrong with them."),
    "db": ("flask_migrate.cli:db", "Perform database migrations."),
    "doctor": (
        "tasktracker.cli.doctor:doctor",
        "Try the database, Redis, mail, files and the worker, and say how to mend them.",
    ),
    "export": ("tasktracker.cli.moving:export", "Write a project, or all that a user owns, into a file."),
    "import": ("tasktracker.cli.moving:take_in", "Take tasks over from elsewhere, or an export of another instance."),
    "openapi": ("flask_smorest.spec:openapi_cli", "OpenAPI commands."),
    "seed": ("tasktracker.cli.seed:seed", "Fill the database with sample data."),
    "sessions": ("tasktracker.cli.sessions:sessions", "End logins."),
    "users": ("tasktracker.cli.users:users", "Manage accounts."),
    "worker": ("tasktracker.cli.worker:work", "Do the background jobs: mails, and what recurs."),
}


class Later(click.Command):
    """A command that is imported when it is used.

    Args:
        name: what it is called.
        place: its module and its name there.
        about: what `flask --help` says of it.
    """

    def __init__(self, name: str, place: str, about: str) -> None:
        super().__init__(name, help=about)
        self._module, _, self._name = place.partition(":")

    def command(self) -> click.Command:
        """The command itself."""
        return getattr(import_module(self._module), self._name)

    @override
    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        return self.command().make_context(info_name, args, parent, **extra)


def init_app(app: Flask) -> None:
    """Adds them to the application."""
    for name, (place, about) in COMMANDS.items():
        app.cli.add_command(Later(name, place, about))


def outline() -> Flask:
    """An application that can do nothing but name its commands and say how they are used."""
    app = Flask(__name__, static_folder=None)
    init_app(app)
    return app


def are_asked(word: str) -> bool:
    """Whether this word stands on the command line of the process."""
    return word in sys.argv[1:]
