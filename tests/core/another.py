"""More applications: with other settings, and with routes that the real one does not have."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from flask import Flask

from config import load
from tasktracker import create_app
from tasktracker.extensions import db


@contextmanager
def another(environment: Mapping[str, str], **changes: str) -> Iterator[Flask]:
    """An application with these settings, as another process would have it; an empty setting is none."""
    application = create_app(load({**environment, **changes}))
    try:
        yield application
    finally:
        with application.app_context():
            for engine in db.engines.values():
                engine.dispose()
