"""The commands of `flask`."""

from flask import Flask

from .seed import seed
from .settings import check_config
from .users import users
from .worker import work


def init_app(app: Flask) -> None:
    """Adds them to the application."""
    for command in (seed, users, work, check_config):
        app.cli.add_command(command)
