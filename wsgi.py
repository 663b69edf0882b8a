"""The application for a WSGI server, and for the `flask` command line."""

import sys

from config import SettingsError
from tasktracker import create_app
from tasktracker.cli import settings

try:
    app = create_app()
except SettingsError as error:
    if not settings.is_asked_for():
        sys.exit(f"TaskTracker cannot start:\n{error}")
    app = settings.without_settings(error)
