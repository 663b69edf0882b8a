"""The application for a WSGI server, and for the `flask` command line."""

import gc
import sys

from flask import Flask

import commands
from config import SettingsError


def _application() -> Flask:
    if commands.are_asked("--help"):
        return commands.outline()
    # Whoever asks for help does not wait for all that the application imports, and needs no database driver.
    from tasktracker import create_app  # noqa: PLC0415

    try:
        return create_app()
    except SettingsError as error:
        if not commands.are_asked(commands.CHECK_CONFIG):
            sys.exit(f"TaskTracker cannot start:\n{error}")
        app = commands.outline()
        app.config["SETTINGS_FAULTS"] = error.faults
        return app


# What is made here stays, so nobody looks for garbage in it: not meanwhile, which saves a seventh of the start, and not with
# each full collection later, in the middle of a request.
gc.disable()
app = _application()
gc.freeze()
gc.enable()
