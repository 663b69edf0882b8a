"""The application with a route and a job whose faults say what no log may: it is served as `tests.edges.broken:app`."""

from flask import request
from sqlalchemy import insert, text

from tasktracker.core import jobs
from tasktracker.core.database import session, transactional
from tasktracker.core.jobs import Job
from wsgi import app


def words(secret):
    raise RuntimeError(f"The token was {secret}\nand more")


def chain(secret):
    try:
        raise ValueError(secret)
    except ValueError:
        raise KeyError(secret) from RuntimeError(secret)


def unique(secret):
    for _ in range(2):
        session().execute(insert(Job).values(kind="broken", payload="{}", key=secret))


def value(secret):
    session().execute(text("SELECT CAST(:secret AS INTEGER)"), {"secret": secret})
    raise ZeroDivisionError(secret)  # SQLite casts anything.


def no_table(secret):
    session().execute(text("SELECT * FROM nowhere WHERE x = :secret"), {"secret": secret})


def file(secret):
    with open(f"/nowhere/{secret}"):  # noqa: PTH123
        pass


def letters(secret):
    f"é{secret}".encode("ascii")


@transactional
def job(secret):
    jobs.enqueue("broken", {"secret": secret})


WAYS = {way.__name__: way for way in (words, chain, unique, value, no_table, file, letters, job)}


@app.post("/api/v1/broken/<way>")
def fail(way):
    transactional(WAYS[way])(request.get_data(as_text=True))
    return {}


fail.is_public = True


@jobs.handler("broken")
def fail_job(taken):
    raise RuntimeError(taken.payload["secret"])
