"""The application, whose process is killed where a request says so in `X-Die`: `before` or `after` its commit."""

import os
import signal

from flask import has_request_context, request
from sqlalchemy import event

from tasktracker.extensions import db
from wsgi import app

__all__ = ["app"]


def _die(when: str) -> None:
    if has_request_context() and request.headers.get("X-Die") == when:
        os.kill(os.getpid(), signal.SIGKILL)


with app.app_context():
    event.listen(db.engine, "commit", lambda _: _die("before"))
    # The connection goes back into the pool when it has committed, before the answer.
    event.listen(db.engine, "checkin", lambda *_: _die("after"))
