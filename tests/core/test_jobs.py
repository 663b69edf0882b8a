"""Background jobs: none is lost, none is done twice without need, and none keeps the others from being done."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import insert, text, update

from tasktracker.accounts.models import User
from tasktracker.core import jobs, worker
from tasktracker.core.database import session, transactional
from tasktracker.core.jobs import BACK_OFF, LEASE, HopelessError, Job
from tasktracker.core.models import now

from ..clock import later
from ..people import PASSWORD, problem
from ..post import do_jobs
from ..queue import empty, execute, make_due, waiting
from ..servers import free_port, wait_for
from .another import another


@pytest.fixture(autouse=True)
def handlers(app, monkeypatch):
    """The queue is empty, and what the tests register is forgotten again; gives the handlers by their kinds."""
    empty(app)
    monkeypatch.setattr(jobs, "_handlers", dict(jobs._handlers))
    monkeypatch.setattr(jobs, "_recurring", {})
    yield jobs._handlers
    empty(app)


def enqueue(app, kind, *, key=None, **payload):
    with app.app_context():
        transactional(jobs.enqueue)(kind, payload, key=key)


def work_once(app):
    with app.app_context():
        return jobs.run_one()


class WorkerDied(BaseException):
    """What no handler's failure looks like: the process is gone."""


def die(_):
    raise WorkerDied


def test_a_job_is_written_with_what_it_follows_from_or_not_at_all(app, environment, ada):
    renamed = update(User).where(User.id == ada.id)

    @transactional
    def use_case(name, *, fails):
        session().execute(renamed.values(display_name=name))
        jobs.enqueue("x", {}, key=name)
        assert not fails

    with app.app_context():
        use_case("kept", fails=False)
        with suppress(AssertionError):
            use_case("lost", fails=True)
    assert ada.get("/users/me").json["display_name"] == "kept"
    assert [job.key for job in waiting(app)] == ["kept"]


def test_a_request_that_fails_at_last_has_queued_no_mail(app, environment, ada):
    empty(app)
    log_in = {"username": ada.username, "password": PASSWORD}
    assert app.test_client().post("/api/v1/auth/login", json=log_in).status_code == 200
    with another(environment, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0") as without_redis:
        body = {"current_password": PASSWORD, "new_password": "some other long words"}
        headers = {"Authorization": f"Bearer {ada.access_token}"}
        problem(without_redis.test_client().post("/api/v1/auth/change-password", json=body, headers=headers), 503)
    assert waiting(app) == []
    assert app.test_client().post("/api/v1/auth/login", json=log_in).status_code == 200


def test_a_job_takes_the_place_of_what_waits_under_its_key(app, handlers):
    seen = []
    handlers["x"] = lambda job: seen.append(job.payload["n"])
    for n, key in enumerate(("a", "b", None, "a", None, "a")):
        enqueue(app, "x", key=key, n=n)
    assert do_jobs(app) == 4
    assert sorted(seen) == [1, 2, 4, 5]
    assert waiting(app) == []


@pytest.mark.parametrize("fails", [None, OSError("no"), HopelessError("no")])
def test_a_job_in_hand_is_replaced_too_and_its_end_changes_nothing_for_the_newer_one(app, handlers, fails):
    seen, ids = [], set()

    def handle(job):
        seen.append((job.payload["n"], job.attempts))
        ids.add(job.id)
        if job.payload["n"] == 1:
            with ThreadPoolExecutor(1) as other:
                other.submit(enqueue, app, "x", key="k", n=2).result()
            if fails:
                raise fails

    handlers["x"] = handle
    enqueue(app, "x", key="k", n=1)
    assert work_once(app)
    (newer,) = waiting(app)
    assert (newer.attempts, newer.last_error, newer.failed_at) == (0, None, None)
    assert do_jobs(app) == 1
    assert seen == [(1, 1), (2, 1)]
    assert len(ids) == 2  # So that it stays another's job also when both have been taken equally often.


def test_a_worker_that_dies_gives_its_job_back_after_the_lease_and_not_before(app, handlers):
    seen = []
    handlers["x"] = die
    enqueue(app, "x", n=1)
    with pytest.raises(WorkerDied):
        work_once(app)
    handlers["x"] = seen.append
    assert do_jobs(app) == 0
    with later(seconds=LEASE.total_seconds() - 2):
        assert do_jobs(app) == 0
    (job,) = waiting(app)
    with later(seconds=LEASE.total_seconds() + 1):
        assert do_jobs(app) == 1
    assert [(again.id, again.payload, again.attempts) for again in seen] == [(job.id, {"n": 1}, 2)]
    assert waiting(app) == []


@pytest.mark.parametrize("fails", [None, OSError("late"), HopelessError("late")])
def test_a_worker_that_comes_too_late_changes_nothing_about_a_job_that_another_has_taken(app, handlers, fails):
    started, finish = [threading.Event() for _ in range(3)], [threading.Event() for _ in range(3)]

    def handle(job):
        started[job.attempts].set()
        assert finish[job.attempts].wait(10)
        if job.attempts == 1 and fails:
            raise fails

    handlers["x"] = handle
    enqueue(app, "x", key="k")
    with ThreadPoolExecutor(2) as workers:
        late = workers.submit(work_once, app)
        assert started[1].wait(10)
        make_due(app)
        other = workers.submit(work_once, app)
        assert started[2].wait(10)
        before = waiting(app)
        finish[1].set()
        assert late.result(10)
        assert waiting(app) == before
        assert (before[0].attempts, before[0].last_error, before[0].key) == (2, None, "k")
        finish[2].set()
        assert other.result(10)
    assert waiting(app) == []


def test_what_fails_is_tried_again_after_seconds_then_minutes_then_hours_and_then_stays(app, handlers):
    def fail(job):
        raise OSError(f"attempt {job.attempts}")

    handlers["x"] = fail
    enqueue(app, "x", key="k")
    waits = []
    for attempt in range(1, len(BACK_OFF) + 1):
        assert do_jobs(app) == 1
        (job,) = waiting(app)
        assert (job.attempts, job.last_error, job.failed_at) == (attempt, f"OSError: attempt {attempt}", None)
        waits.append((job.due_at - now()).total_seconds())
        make_due(app)
    assert waits == sorted(waits)
    assert waits[0] < 10
    assert 60 < waits[2] < 600
    assert waits[-1] > 3600
    assert 8 * 3600 < sum(waits) < 72 * 3600
    assert do_jobs(app) == 1
    (dead,) = waiting(app)
    assert dead.failed_at is not None
    with later(days=30):
        assert do_jobs(app) == 0
    # It keeps no newer one of its key from being done, and is not replaced by it.
    done = []
    handlers["x"] = lambda job: done.append((job.id, job.attempts))
    enqueue(app, "x", key="k")
    assert do_jobs(app) == 1
    with app.app_context():
        assert jobs.retry_dead_letters() == 1
        assert jobs.retry_dead_letters() == 0
    assert do_jobs(app) == 1
    assert done[1] == (dead.id, 1)
    assert waiting(app) == []


def leave_the_transaction_broken(_):
    session().execute(text("SELECT * FROM nowhere"))


def dive(job):
    dive(job)


def failing(error):
    def handle(_):
        raise error

    return handle


POISONS = {
    "hopeless": failing(HopelessError("no")),
    "nul": failing(RuntimeError("a\0b")),
    "surrogate": failing(RuntimeError("a\udcffb")),
    "terminal": failing(RuntimeError("\x1b[31mred\x1b[0m\r\nsecond line")),
    "long": failing(RuntimeError("x" * 100_000)),
    "empty": failing(RuntimeError()),
    "deep": dive,
    "database": leave_the_transaction_broken,
}


def test_no_job_keeps_the_others_from_being_done(app, handlers, caplog):
    """Among them one that no handler knows, and one whose row is damaged; the loop of the worker itself does them."""
    stop, done = threading.Event(), []
    handlers |= POISONS
    handlers["good"] = lambda job: done.append(job.payload["n"])
    handlers["last"] = lambda _: stop.set()
    for n, kind in enumerate([*POISONS, "unknown"]):
        enqueue(app, kind)
        enqueue(app, "good", n=n)
    execute(app, insert(Job).values(kind="good", payload="{"))
    enqueue(app, "last")
    caplog.set_level("CRITICAL")
    worker.work(app, stop)
    assert done == list(range(len(POISONS) + 1))
    left = {job.kind: job for job in waiting(app)}
    assert set(left) == {*POISONS, "unknown", "good"}
    for kind, job in left.items():
        assert job.attempts == 1
        assert (job.failed_at is not None) == (kind == "hopeless")
        assert job.last_error.isprintable(), kind
        assert len(job.last_error) <= 300
    # The words of what nobody has thought of may quote anything.
    assert (left["terminal"].last_error, left["hopeless"].last_error) == ("RuntimeError", "HopelessError: no")
    for _ in range(len(BACK_OFF)):
        make_due(app)
        do_jobs(app)
    assert all(job.failed_at is not None for job in waiting(app))


def test_what_a_handler_had_not_committed_is_not_committed_with_its_failure(app, handlers, ada):
    def handle(_):
        session().execute(update(User).where(User.id == ada.id).values(display_name="half done"))
        raise OSError

    handlers["x"] = handle
    enqueue(app, "x")
    assert work_once(app)
    assert ada.get("/users/me").json["display_name"] == ada.username
    assert waiting(app)[0].last_error == "OSError"


def test_a_job_that_kills_every_worker_becomes_a_dead_letter(app, handlers):
    handlers["x"] = die
    enqueue(app, "x")
    deaths = 0
    for _ in range(2 * len(BACK_OFF)):
        make_due(app)
        try:
            do_jobs(app)
        except WorkerDied:
            deaths += 1
    (dead,) = waiting(app)
    assert dead.failed_at is not None
    assert deaths == len(BACK_OFF) + 1


def test_the_worker_goes_on_when_the_database_is_back(app, handlers, monkeypatch, caplog):
    stop, asked = threading.Event(), []
    take = jobs._take
    handlers["x"] = lambda _: stop.set()
    enqueue(app, "x")

    def take_at_the_third_time():
        asked.append(1)
        if len(asked) == 1:
            session().execute(text("SELECT * FROM nowhere"))
        if len(asked) == 2:
            raise RuntimeError("nobody has thought of this")
        return take()

    monkeypatch.setattr(jobs, "_take", take_at_the_third_time)
    monkeypatch.setattr(worker, "_FAULT_SECONDS", 0.01)
    caplog.set_level("CRITICAL")
    worker.work(app, stop)
    assert len(asked) == 3


def test_what_recurs_is_scheduled_once_however_many_workers_start(app, monkeypatch):
    done = []
    jobs.handler("tick", every=timedelta(hours=1))(done.append)
    barrier = threading.Barrier(4)

    def start(_):
        with app.app_context():
            barrier.wait(10)
            jobs.schedule()
            while jobs.run_one():
                pass
            jobs.schedule()

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(start, range(4)))
    assert [job.payload for job in done] == [{}]
    for hours, times in ((0.99, 1), (1.01, 2), (1.5, 2), (100, 3)):
        with later(hours=hours):
            do_jobs(app)
            assert len(done) == times
    assert len(waiting(app)) == 1


def test_what_recurs_never_ends(app, caplog):
    errors = [HopelessError("no"), OSError("no"), WorkerDied()] * 10
    done = []

    def tick(_):
        if errors:
            raise errors.pop()
        done.append(1)

    jobs.handler("tick", every=timedelta(hours=1))(tick)
    with app.app_context():
        jobs.schedule()
    caplog.set_level("CRITICAL")
    for _ in range(30):
        with suppress(WorkerDied):
            do_jobs(app)
        (job,) = waiting(app)
        assert job.failed_at is None
        assert job.due_at - now() <= BACK_OFF[-1]
        make_due(app)
    assert do_jobs(app) == 1
    (job,) = waiting(app)
    assert (done, job.attempts, job.last_error) == ([1], 0, None)
    assert timedelta(minutes=59) < job.due_at - now() <= timedelta(hours=1)


def test_of_60_jobs_and_4_workers_each_is_done_once(app, handlers):
    done, lock = Counter(), threading.Lock()

    def handle(job):
        with lock:
            done[job.payload["n"]] += 1

    handlers["x"] = handle

    @transactional
    def enqueue_all():
        for n in range(60):
            jobs.enqueue("x", {"n": n})

    with app.app_context():
        enqueue_all()
    barrier = threading.Barrier(4)

    def work(_):
        barrier.wait(10)
        mine = 0
        while sum(done.values()) < 60:
            mine += work_once(app)
        return mine

    with ThreadPoolExecutor(4) as workers:
        shares = list(workers.map(work, range(4)))
    assert done == dict.fromkeys(range(60), 1)
    assert sum(shares) == 60
    assert waiting(app) == []


def test_the_inline_worker_starts_with_the_first_request_and_only_once(environment, app, handlers, monkeypatch):
    done, threads = threading.Event(), []
    handlers["x"] = lambda _: (threads.append(threading.current_thread()), done.set())
    stop = threading.Event()
    started = []
    work = worker.work
    monkeypatch.setattr(worker, "work", lambda app, _: (started.append(1), work(app, stop)))
    with another(environment, INLINE_WORKER="true") as inline:
        enqueue(inline, "x")
        assert not started
        for _ in range(3):
            assert inline.test_client().get("/healthz").status_code == 200
        assert done.wait(10)
        stop.set()
        wait_for(lambda: not threads[0].is_alive(), "the end of the thread")
    assert started == [1]
    assert threads[0].daemon


def test_a_job_that_has_used_up_its_time_is_noted_as_failed(app, handlers, monkeypatch):
    """What waits for PostgreSQL too long is over; SQLite, which nobody waits for, is noted all the same."""
    monkeypatch.setattr(jobs, "PATIENCE", 0.3)

    def wait_too_long(_):
        if app.config["SETTINGS"].is_sqlite:
            raise OSError("too late")
        session().execute(text("SELECT pg_sleep(0.6)"))

    handlers["slow"] = wait_too_long
    enqueue(app, "slow")
    before = now()
    assert work_once(app)
    (job,) = waiting(app)
    assert (job.attempts, job.failed_at) == (1, None)
    assert job.last_error
    assert BACK_OFF[0] <= job.due_at - before < BACK_OFF[1]


def test_jobs_are_done_in_the_order_in_which_they_became_due(app, handlers):
    seen = []
    handlers["x"] = lambda job: seen.append(job.payload["n"])
    for n in range(5):
        enqueue(app, "x", n=n)
    execute(app, update(Job).where(Job.payload == '{"n": 3}').values(due_at=now() - timedelta(hours=1)))
    execute(app, update(Job).where(Job.payload == '{"n": 1}').values(due_at=now() + timedelta(hours=1)))
    do_jobs(app)
    assert seen == [3, 0, 2, 4]
