"""Redis: what each thread keeps of it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from uuid import uuid4

import redis

from tasktracker.core.store import Breaker, Client

from ..servers import redis_url, wait_for


def client() -> Client:
    return Client.from_url(redis_url(), socket_timeout=5, retry=Breaker(), client_name=f"test-{uuid4()}")


def open_connections(one: Client) -> int:
    name = one.connection_pool.connection_kwargs["client_name"]
    return sum(listed["name"] == name for listed in redis.Redis.from_url(redis_url()).client_list())


def test_threads_that_end_leave_no_connection_behind():
    one, key = client(), f"test:{uuid4()}"
    one.set(key, "there", ex=60)
    found = []
    for _ in range(300):
        thread = Thread(target=lambda: found.append(one.look_up(key)))
        thread.start()
        thread.join()
    assert found == [b"there"] * 300
    wait_for(lambda: open_connections(one) == 1, "only that of `set`, in the pool")


def test_each_thread_gets_its_own_answers():
    one, keys = client(), [f"test:{uuid4()}" for _ in range(8)]
    for key in keys:
        one.set(key, key, ex=60)
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda key: one.look_up(key) == key.encode(), keys * 500))


def test_a_connection_that_redis_has_closed_is_replaced():
    one, key = client(), f"test:{uuid4()}"
    one.set(key, "there", ex=60)
    assert one.look_up(key) == b"there"
    name = one.connection_pool.connection_kwargs["client_name"]
    with redis.Redis.from_url(redis_url()) as other:
        for listed in other.client_list():
            if listed["name"] == name:
                other.client_kill_filter(_id=listed["id"])
    answers = []
    for _ in range(2):
        try:
            answers.append(one.look_up(key))
        except redis.ConnectionError:
            answers.append(None)
    assert answers[-1] == b"there"
