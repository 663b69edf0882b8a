"""Redis fails, in every way it can: what the table knows is answered from the table, what only Redis can keep is refused."""

import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from flask_migrate import upgrade

from tasktracker.accounts import sessions

from ..accounts.tokens import claims_of
from ..core.another import another
from ..people import PASSWORD, new_person, problem
from ..proxy import Proxy, proxy_to
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


@pytest.fixture
def direct(server):
    """Redis, past the proxy."""
    with redis.Redis.from_url(server.url, socket_timeout=5) as client:
        yield client


@contextmanager
def refused(server: Redis, proxy: Proxy, direct: redis.Redis) -> Iterator[None]:
    proxy.refuse()
    yield
    proxy.heal()


@contextmanager
def hung(server: Redis, proxy: Proxy, direct: redis.Redis) -> Iterator[None]:
    proxy.hang()
    yield
    proxy.heal()


@contextmanager
def frozen(server: Redis, proxy: Proxy, direct: redis.Redis) -> Iterator[None]:
    server.freeze()
    yield
    server.thaw()


@contextmanager
def stopped(server: Redis, proxy: Proxy, direct: redis.Redis) -> Iterator[None]:
    server.stop()
    yield
    server.start()


@contextmanager
def configured(direct: redis.Redis, name: str, value: str, otherwise: str) -> Iterator[None]:
    direct.config_set(name, value)
    yield
    direct.config_set(name, otherwise)


def without_replicas(server: Redis, proxy: Proxy, direct: redis.Redis):
    """It takes nothing that it cannot copy."""
    return configured(direct, "min-replicas-to-write", "1", "0")


def full(server: Redis, proxy: Proxy, direct: redis.Redis):
    """It has no room, and evicts nothing."""
    return configured(direct, "maxmemory", "1", "0")


@contextmanager
def read_only(server: Redis, proxy: Proxy, direct: redis.Redis) -> Iterator[None]:
    """A failover has made it a replica."""
    direct.execute_command("REPLICAOF", "127.0.0.1", "1")
    yield
    direct.execute_command("REPLICAOF", "NO", "ONE")


FAULTS = [refused, hung, frozen, stopped, without_replicas, full, read_only]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_without_redis_the_table_answers_and_what_needs_redis_is_503(site, server, proxy, direct, fault):
    site.is_well()
    other = new_person(site.app)
    login = {"username": other.username, "password": PASSWORD}
    with fault(server, proxy, direct):
        begun = time.monotonic()
        for _ in range(10):  # Of which at most three wait for Redis.
            assert site.read().status_code == 200
            problem(site.ask(site.gone.get, "/users/me"), 401)
        assert time.monotonic() - begun < 3
        assert site.write().status_code == 201
        site.is_away(site.ask(site.app.test_client().post, "/api/v1/auth/login", json=login))
        answer = site.ask(other.post, "/auth/logout")
        site.is_away(answer)
        assert "nothing was changed" in answer.json["detail"].lower()
        assert site.ask(other.get, "/users/me").status_code == 200
        site.lacks("revocation")
    wait_for(lambda: site.probe("/readyz").status_code == 200, "Redis", 3)
    site.is_well()
    assert site.ask(site.app.test_client().post, "/api/v1/auth/login", json=login).status_code == 200
    last = new_person(site.app)
    assert site.ask(last.post, "/auth/logout").status_code == 204
    problem(site.ask(last.get, "/users/me"), 401)


def test_a_redis_that_comes_back_empty_has_forgotten_nothing_that_matters(site, server, direct):
    other = new_person(site.app)
    assert site.ask(other.get, "/users/me").status_code == 200
    assert site.ask(other.post, "/auth/logout").status_code == 204
    direct.flushall()
    server.kill()
    server.start()
    problem(site.ask(other.get, "/users/me"), 401)
    site.is_well()


def test_a_redis_that_hangs_is_asked_once_a_second_and_has_all_again_when_it_answers(site, server):
    site.is_well()
    server.freeze()
    begun, answers = time.monotonic(), 0
    while time.monotonic() - begun < 2:
        assert site.read().status_code == 200
        answers += 1
    server.thaw()
    assert answers > 20  # Each would wait for 0.25 s.
    wait_for(lambda: site.probe("/readyz").status_code == 200, "Redis", 2)


@pytest.mark.parametrize("state", [b"", b"1", b"LIVE", b"live ", b"\x80\xff\x00", pickle.dumps({"live": True}), b"a" * 100_000])
def test_what_is_not_ours_in_redis_is_a_miss(site, direct, state):
    for person, status in ((site.ada, 200), (site.gone, 401)):
        direct.set(key := sessions._key(claims_of(person.access_token)["sid"]), state)
        assert site.ask(person.get, "/users/me").status_code == status
        direct.delete(key)
        direct.rpush(key, b"live")
        assert site.ask(person.get, "/users/me").status_code == status
        direct.delete(key)
    site.is_well()
