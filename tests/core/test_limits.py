"""Rate limits: what is counted, for whom, and where; on routes of their own, so that each test counts apart."""

import hashlib
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import redis
from flask import current_app, request
from limits import WindowStats
from limits.storage import memory

from tasktracker.core.database import session, transactional
from tasktracker.core.errors import Forbidden
from tasktracker.core.http import no_content
from tasktracker.core.limits import Limit
from tasktracker.core.openapi import public

from ..people import problem
from ..servers import free_port, start_redis
from .another import another

ON = {"RATELIMIT_ENABLED": "true", "TRUSTED_PROXIES": "1"}


@contextmanager
def tried(environment, **changes):
    """An application with a route for each limit that a test has, beside its own."""
    with another(environment, **{**ON, **changes}) as application:
        application.extensions["tests"] = {}
        rule = "/try/<name>/<account>"
        application.add_url_rule(rule, "try", public(lambda name, account: current_app.extensions["tests"][name](account)))
        yield application


class Tries:
    """What may be tried so often, the applications where it may be tried, and what is kept of that."""

    def __init__(self, *applications, **limits):
        self.app, self.store = applications[0], applications[0].extensions["redis"]
        self.limit = Limit(f"tests-{secrets.token_hex(6)}", **{"per_address": "100 per hour", **limits})
        self.judged = []
        for application in applications:
            application.extensions["tests"][self.limit.name] = self.view

    def view(self, account):
        self.limit.count(account)
        self.judged.append(account)
        if "forgive" in request.args:
            self.limit.forgive(account)
        return no_content()

    def __call__(self, account="ada", *, at=None, application=None, **kwargs):
        """A try from an address, by default from one of its own."""
        client = (application or self.app).test_client()
        headers = {"X-Forwarded-For": at or somewhere(), **kwargs.pop("headers", {})}
        return client.get(f"/try/{self.limit.name}/{account}", headers=headers, **kwargs)

    def times(self, number, *args, **kwargs):
        """The status of so many tries."""
        return [self(*args, **kwargs).status_code for _ in range(number)]

    def kept(self):
        """What the store holds: seconds until it is forgotten, under each key."""
        if self.store is None:
            counters = self.app.extensions["rate_limiter"].storage.expirations
            return {key: ends - time.time() for key, ends in counters.items() if self.limit.name in key}
        keys = [key.decode() for key in self.store.scan_iter(match=f"*{self.limit.name}*", count=10_000)]
        return {key: self.store.pttl(key) / 1000 for key in keys}

    def wait(self, seconds):
        """Lets the store believe that so much time has passed."""
        for key, left in self.kept().items():
            if self.store is None:
                self.app.extensions["rate_limiter"].storage.expirations[key] -= seconds
            elif left > seconds:
                self.store.pexpire(key, round((left - seconds) * 1000))
            else:
                self.store.delete(key)


def somewhere():
    """An address that nobody else has."""
    return ":".join(["fd00", *(secrets.token_hex(2) for _ in range(3)), "", "1"])


@pytest.fixture(scope="module")
def limited(environment):
    """Nothing here asks the database."""
    with tried(environment) as application:
        yield application


def told(answer):
    """Limit, remaining and reset, as an answer has them."""
    return tuple(int(answer.headers[f"RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset"))


def is_refused(answer):
    """A refusal; returns the seconds after which to try again."""
    problem(answer, 429, "rate_limited")
    limit, remaining, reset = told(answer)
    assert (limit > 0, remaining) == (True, 0)
    assert int(answer.headers["Retry-After"]) == reset > 0
    assert f"{reset} seconds" in answer.json["detail"]
    assert answer.headers["Cache-Control"] in ("no-store", "private, no-cache")
    return reset


def test_each_answer_says_how_many_tries_are_left(limited):
    tries = Tries(limited, per_account="3 per minute")
    for left in (2, 1, 0):
        answer = tries()
        assert answer.status_code == 204
        assert told(answer)[:2] == (3, left)
        assert 30 < told(answer)[2] <= 60
    assert 30 < is_refused(tries()) <= 60
    assert told(tries())[0] == 3
    assert tries("bob").status_code == 204
    assert tries.judged == ["ada"] * 3 + ["bob"]


def test_the_nearest_end_is_told(limited):
    tries, here = Tries(limited, per_address="4 per minute", per_account="3 per minute; 4 per hour"), somewhere()
    assert [told(tries(name, at=here))[:2] for name in ("ada", "ada", "bob", "cy")] == [(3, 2), (3, 1), (4, 1), (4, 0)]
    tries.wait(61)
    assert [told(tries(at=here))[:2] for _ in range(2)] == [(4, 1), (4, 0)]


def test_after_the_time_that_is_told_it_goes_through_and_not_before(limited):
    for account, address in (("2 per minute", "9 per minute"), ("9 per minute", "2 per minute")):
        tries, here = Tries(limited, per_account=account, per_address=address), somewhere()
        tries.times(2, at=here)
        for fraction in (0.2, 0.4, 0.4, 0.6, 0.4):  # A store that tells whole seconds rounds some of them down.
            tries.wait(fraction)
            before = max(tries.kept().values())
            seconds = is_refused(tries(at=here))
            assert max(tries.kept().values()) <= seconds < before + 2
        tries.wait(seconds - 5)
        is_refused(tries(at=here))
        tries.wait(5)
        assert tries(at=here).status_code == 204


def test_what_is_told_holds_where_several_limits_are_reached(limited):
    tries, here = Tries(limited, per_account="2 per minute; 3 per hour"), somewhere()
    assert tries.times(3) == [204, 204, 429]
    tries.wait(61)
    assert tries.times(1) == [204]
    for _ in range(4):  # The hour's three are used up, whatever the minute says.
        assert 60 < is_refused(tries()) <= 3600
    tries = Tries(limited, per_account="2 per hour", per_address="2 per minute")
    tries.times(2, at=here)
    assert is_refused(tries(at=here)) > 60


def test_a_time_that_ends_while_the_refusal_is_written_is_a_second(limited, monkeypatch):
    tries = Tries(limited, per_account="1 per minute")
    tries()
    anew = WindowStats(time.time(), 1)
    monkeypatch.setattr(limited.extensions["rate_limiter"], "get_window_stats", lambda *_: anew)
    assert is_refused(tries()) == 1


def test_what_is_refused_for_the_short_time_does_not_use_up_the_long_one(limited):
    tries = Tries(limited, per_account="2 per minute; 5 per hour")
    assert tries.times(9).count(204) == 2
    tries.wait(61)
    assert tries.times(2) == [204, 204]


def test_it_is_counted_for_all_processes_where_they_share_a_redis(environment, limited):
    with tried(environment) as second:
        tries = Tries(limited, second, per_account="2 per minute")
        together = [tries(application=one).status_code for one in (limited, second, limited, second)]
    assert together == ([204, 204, 429, 429] if "REDIS_URL" in environment else [204] * 4)


def test_an_address_and_an_account_are_counted_apart(limited):
    tries, here, there = Tries(limited, per_address="3 per minute", per_account="4 per hour"), somewhere(), somewhere()
    assert tries.times(2, at=here) + tries.times(1, "bob", at=here) == [204] * 3
    # Who is refused for their address, however often, takes nothing from the account.
    assert tries.times(9, at=here) == [429] * 9
    assert told(tries(at=here))[0] == 3
    assert tries.times(2, at=there) == [204, 204]
    assert told(tries(at=there))[0] == 4
    assert tries("bob", at=there).status_code == 429  # Whom the account refused was counted for the address.
    assert tries("bob").status_code == 204


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:DB8:1:2:0::1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.7", "192.0.2.8", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("unknown", "_hidden", True),
    ],
)
def test_an_address_is_that_of_a_household_or_a_server(limited, one, other, same):
    tries = Tries(limited, per_address="1 per minute", per_account="9 per minute")
    assert tries.times(1, at=one) == [204]
    assert tries.times(2, at=other) == ([429, 429] if same else [204, 429])


def test_what_a_client_says_about_its_address_is_believed_from_a_proxy_only(environments, limited):
    with tried(environments("sqlite"), TRUSTED_PROXIES="0") as direct:
        tries = Tries(direct, per_address="1 per minute", per_account="9 per minute")
        assert tries.times(2) == [204, 429]
    tries, here = Tries(limited, per_address="1 per minute", per_account="9 per minute"), somewhere()
    assert [tries(at=f"{said}, {here}").status_code for said in (somewhere(), somewhere())] == [204, 429]


def test_the_store_holds_nothing_in_clear_and_forgets_it(limited):
    tries = Tries(limited, per_address="9 per minute", per_account="2 per minute; 5 per hour")
    tries.times(3, "ada@example.com", at="198.51.100.77")
    kept = tries.kept()
    assert len(kept) == 3
    assert all(0 < left <= (3600 if "/1/hour" in key else 60) for key, left in kept.items())
    for clear in ("ada@example.com", "198.51.100.77"):
        # A hash that everyone can compute is as good as the word, for whoever has a list of words.
        plain = {hashlib.new(name, clear.encode()).hexdigest()[:16] for name in ("sha256", "sha1", "md5", "blake2b")}
        assert not [key for key in kept for word in (clear, *plain) if word in key]


def test_of_20_at_once_exactly_as_many_as_allowed_are_judged(limited, monkeypatch):
    # A thread that looks at the clock lets others run, so that they meet in the store in memory.
    monkeypatch.setattr(memory, "time", SimpleNamespace(time=lambda: time.sleep(0.0005) or time.time()))
    tries = Tries(limited, per_account="10 per minute")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: tries(), range(20)))
    assert sorted(answer.status_code for answer in answers) == [204] * 10 + [429] * 10
    assert len(tries.judged) == 10


def test_what_is_forgiven_is_forgiven_to_the_account_alone(limited):
    tries, here = Tries(limited, per_address="5 per minute", per_account="2 per minute; 3 per hour"), somewhere()
    assert tries.times(2, at=here, query_string="forgive") + tries.times(2, at=here) == [204] * 4
    assert tries.times(1) == [429]
    assert tries.times(2, "bob", at=here) == [204, 429]


def test_what_was_done_is_told_also_if_it_cannot_be_forgiven(limited, monkeypatch):
    def fail(*_):
        raise redis.ConnectionError

    monkeypatch.setattr(limited.extensions["rate_limiter"], "clear", fail)
    assert Tries(limited, per_account="2 per minute")(query_string="forgive").status_code == 204


def test_counting_is_no_part_of_the_transaction(limited):
    tries = Tries(limited, per_account="2 per minute")

    @transactional
    def refuse(account):
        session().connection()
        tries.view(account)
        raise Forbidden

    limited.extensions["tests"][tries.limit.name] = refuse
    assert tries.times(3) == [403, 403, 429]


def test_limits_can_be_switched_off(environments):
    with tried(environments("sqlite"), RATELIMIT_ENABLED="false") as unlimited:
        tries = Tries(unlimited, per_address="1 per hour", per_account="1 per hour")
        answers = [tries(at="192.0.2.7", query_string="forgive") for _ in range(3)]
    for answer in answers:
        assert answer.status_code == 204
        assert not [name for name, _ in answer.headers if name.startswith("RateLimit")]


def test_pages_of_other_origins_may_read_how_they_stand(environments):
    with tried(environments("sqlite"), CORS_ORIGINS="https://app.company.test") as application:
        tries = Tries(application, per_account="1 per minute")
        for status in (204, 429):
            answer = tries(headers={"Origin": "https://app.company.test"})
            assert answer.status_code == status
            exposed = {name.strip().lower() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
            sent = {name.lower() for name, _ in answer.headers if name.startswith("RateLimit") or name == "Retry-After"}
            assert sent <= exposed
            assert len(sent) == (3 if status == 204 else 4)


# --- when Redis fails -------------------------------------------------------------------------------------------------


def is_unavailable(answer):
    problem(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_without_redis_nothing_is_judged(environments):
    with tried(environments("sqlite"), REDIS_URL=f"redis://127.0.0.1:{free_port()}/0") as application:
        tries = Tries(application, per_account="2 per minute")
        is_unavailable(tries())
        assert tries.judged == []


def test_a_redis_that_takes_no_writes_judges_nothing_and_one_that_was_emptied_counts_anew(environments):
    url = start_redis()
    own = redis.Redis.from_url(url)
    with tried(environments("sqlite"), REDIS_URL=url) as application:
        tries = Tries(application, per_account="2 per minute")
        for broken, mended in ((("maxmemory", "1"), ("maxmemory", "0")),
                               (("min-replicas-to-write", "1"), ("min-replicas-to-write", "0"))):  # fmt: skip
            own.config_set(*broken)
            is_unavailable(tries())
            assert tries.judged == []
            own.config_set(*mended)
        assert tries.times(3) == [204, 204, 429]
        own.flushall()
        own.script_flush()
        own.client_kill_filter(_type="normal", skipme=True)
        assert tries.times(3) == [204, 204, 429]
