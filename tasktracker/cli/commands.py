"""The commands of `flask`."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Adds them to the application."""
