"""The application for a WSGI server, and for the `flask` command line."""

import sys

from config import SettingsError
from tasktracker import create_app

try:
    app = create_app()
except SettingsError as error:
    sys.exit(f"TaskTracker cannot start:\n{error}")
