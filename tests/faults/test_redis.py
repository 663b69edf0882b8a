"""Redis fails, in every way it can: what the table knows is answered from the table, what only Redis can keep is refused."""

import pickle
import time

import pytest
from flask_migrate import upgrade

from tasktracker.accounts import sessions

from ..accounts.tokens import claims_of
from ..breaking import direct, frozen, full, hung, read_only, refused, stopped, without_replicas
from ..core.another import another
from ..people import PASSWORD, new_person, problem
from ..proxy import proxy_to
from ..servers import Redis, own, wait_for
from .site import Site


@pytest.fixture(scope="module")
def server():
    with own(Redis) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(server):
    with proxy_to(server.port) as running:
        yield running


@pytest.fixture(scope="module")
def site(proxy, environments, tmp_path_factory):
    instance = tmp_path_factory.mktemp("redis")
    url, database = f"redis://127.0.0.1:{proxy.port}/0", f"sqlite:///{instance / 'test.db'}"
    with another(environments("sqlite"), REDIS_URL=url, DATABASE_URL=database, RATELIMIT_ENABLED="true") as app:
        with app.app_context():
            upgrade()
        yield Site.of(app)


@pytest.mark.parametrize(
    "fault", [refused, hung, frozen, stopped, without_replicas, full, read_only], ids=lambda fault: fault.__name__
)
def test_without_redis_the_table_answers_and_what_needs_redis_is_503(site, server, proxy, fault):
    site.is_well()
    other = new_person(site.app)
    login = {"username": other.username, "password": PASSWORD}
    with fault(server, proxy):
        for _ in range(10):
            assert site.read().status_code == 200
            problem(site.ask(site.gone.get, "/users/me"), 401)
        assert site.write().status_code == 201
        site.is_away(site.ask(site.app.test_client().post, "/api/v1/auth/login", json=login))
        answer = site.ask(other.post, "/auth/logout")
        site.is_away(answer)
        assert "nothing was changed" in answer.json["detail"].lower()
        assert site.ask(other.get, "/users/me").status_code == 200
        site.lacks("revocation")
    wait_for(lambda: site.probe("/readyz").status_code == 200, "Redis", 5)
    site.is_well()
    assert site.ask(site.app.test_client().post, "/api/v1/auth/login", json=login).status_code == 200
    last = new_person(site.app)
    assert site.ask(last.post, "/auth/logout").status_code == 204
    problem(site.ask(last.get, "/users/me"), 401)


@pytest.mark.parametrize("first", ["/auth/login", "/auth/logout", "/auth/refresh", "/readyz"])
def test_who_meets_a_redis_that_hangs_first_is_refused_in_time(site, server, proxy, first):
    """Whoever comes later finds that nobody asks Redis any more."""
    other = new_person(site.app)
    bodies = {
        "/auth/login": {"username": other.username, "password": PASSWORD},
        "/auth/refresh": {"refresh_token": other.refresh_token},
    }
    site.is_well()
    with hung(server, proxy):
        if first == "/readyz":
            site.lacks("revocation")
        else:
            site.is_away(site.ask(other.post, first, bodies.get(first)))
    wait_for(lambda: site.probe("/readyz").status_code == 200, "Redis", 5)
    site.is_well()


def test_a_redis_that_comes_back_empty_has_forgotten_nothing_that_matters(site, server):
    other = new_person(site.app)
    assert site.ask(other.get, "/users/me").status_code == 200
    assert site.ask(other.post, "/auth/logout").status_code == 204
    with direct(server) as client:
        client.flushall()
    server.kill()
    server.start()
    problem(site.ask(other.get, "/users/me"), 401)
    site.is_well()


def test_a_redis_that_hangs_is_asked_once_a_second_and_has_all_again_when_it_answers(site, server, proxy):
    site.is_well()
    with hung(server, proxy):
        begun, before = time.monotonic(), proxy.came
        for _ in range(60):  # Each of which would ask, and wait for 0.25 s.
            assert site.read().status_code == 200
        # Two time-outs, and then one for each second that is over.
        assert proxy.came - before <= 2 + (time.monotonic() - begun)
    wait_for(lambda: site.probe("/readyz").status_code == 200, "Redis", 5)
    site.is_well()


@pytest.mark.parametrize("state", [b"", b"1", b"LIVE", b"live ", b"\x80\xff\x00", pickle.dumps({"live": True}), b"a" * 100_000])
def test_what_is_not_ours_in_redis_is_a_miss(site, server, state):
    with direct(server) as client:
        for person, status in ((site.ada, 200), (site.gone, 401)):
            client.set(key := sessions._key(claims_of(person.access_token)["sid"]), state)
            assert site.ask(person.get, "/users/me").status_code == status
            client.delete(key)
            client.rpush(key, b"live")
            assert site.ask(person.get, "/users/me").status_code == status
            client.delete(key)
    site.is_well()
