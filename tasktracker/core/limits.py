"""Rate limits: so many requests in so much time, for a client's address and for an account.

Flask-Limiter counts, in Redis for all workers together and in the process with the embedded defaults. Counting is no part
of a transaction, so what is refused is counted too. Without Redis, what must be counted is not done (OWASP ASVS 16.5.3).
"""

import hmac
import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, ip_address, ip_network
from typing import NamedTuple

import redis
from flask import Flask, current_app, g, request
from flask_limiter import Limiter
from limits import RateLimitItem, WindowStats, parse_many
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter, RateLimiter
from typing_extensions import override

from config import Settings

from . import store
from .errors import TooMany

_EXTENSION = "rate_limiter"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """How a client stands with a limit: how many requests it allows, how many are left, and seconds until it begins anew."""

    limit: int
    remaining: int
    reset: int


class _Counter(NamedTuple):
    """A limit for one address or one account, as the library counts it."""

    item: RateLimitItem
    name: str
    key: str


@dataclass(frozen=True)
class Limit:
    """How often something may be tried.

    Args:
        name: what is counted under one name is counted together.
        per_address: for each client's address, such as `100 per 5 minutes`.
        per_account: for each account, whether it exists or not; several are separated by `;`.
    """

    name: str
    per_address: str
    per_account: str

    @cached_property
    def _of_address(self) -> list[RateLimitItem]:
        return parse_many(self.per_address)

    @cached_property
    def _of_account(self) -> list[RateLimitItem]:
        return parse_many(self.per_account)

    def count(self, account: str, *, refuses: bool = True) -> None:
        """Counts this request.

        Args:
            account: what the request names: a user, an address, a session or a token.
            refuses: whether the account's limit keeps this request from being judged, or only counts it.

        Raises:
            TooMany: the limit is reached.
        """
        limiter = _limiter()
        if limiter is None:
            return
        # Whoever is refused for their address does not use up what others may try on the account.
        of_address = self._counters(self._of_address, network_of(request.remote_addr))
        of_account = self._of(account)
        refusing = of_address + (of_account if refuses else [])
        for counter in of_address + of_account:
            if not limiter.hit(*counter) and counter in refusing:
                raise _refusal(counter.item.amount, [_standing(limiter, each) for each in refusing])
            _tell(_standing(limiter, counter))

    def forgive(self, account: str) -> None:
        """Forgets what was counted for an account, because its owner has proved who they are.

        They are told so whatever happens here: without Redis, the count stays until its time is over.
        """
        limiter = _limiter()
        if limiter is None:
            return
        try:
            for counter in self._of(account):
                limiter.clear(*counter)
        except redis.RedisError as error:
            log.warning("The limiter does not answer, so nothing was forgiven: %s", type(error).__name__)

    def _of(self, account: str) -> list[_Counter]:
        return self._counters(self._of_account, account)

    def _counters(self, items: Sequence[RateLimitItem], key: str) -> list[_Counter]:
        return [_Counter(item, self.name, _hidden(key)) for item in items]


def _standing(limiter: RateLimiter, counter: _Counter) -> Standing:
    ends, remaining = limiter.get_window_stats(*counter)
    # Redis rounds to the nearest second, up or down. Nobody is told to come back too early.
    seconds = min(math.ceil(ends - time.time() + 0.5), counter.item.get_expiry())
    return Standing(counter.item.amount, int(remaining), max(1, seconds))


def _tell(standing: Standing) -> None:
    """Has the answer tell of this limit, if it is nearer to its end than those before."""
    tightest: Standing | None = g.get("rate_limit")
    if tightest is None or standing.remaining < tightest.remaining:
        g.rate_limit = standing


def _refusal(limit: int, standings: Sequence[Standing]) -> TooMany:
    """Of the limits that are reached, the one that lasts longest says when the request goes through."""
    reached = [standing for standing in standings if not standing.remaining]
    # Its time may have ended since it refused.
    last = max(reached, key=lambda standing: standing.reset, default=Standing(limit, 0, 1))
    g.rate_limit = last
    return TooMany(f"Too many attempts. Try again in {last.reset} seconds.", retry_after=last.reset)


def network_of(address: str | None) -> str:
    """Whom an address belongs to: itself, or with IPv6 the network of 64 bits that one household or server is given."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    # A server that listens on IPv6 sees clients of IPv4 like this: they are not one network.
    parsed = parsed if isinstance(parsed, IPv4Address) else parsed.ipv4_mapped or parsed
    return str(parsed) if isinstance(parsed, IPv4Address) else str(ip_network((parsed, 64), strict=False))


def _hidden(key: str) -> str:
    """A key as it is kept: whoever reads the store and has a list of names does not find out who tried to log in."""
    return hmac.digest(current_app.config["SECRET_KEY"].encode(), f"rate limit {key}".encode(), "sha256").hex()[:32]


class _InTurn(FixedWindowRateLimiter):
    """Counts in the memory of the process, one thread after the other; the library's store loses counts where they meet."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage)
        self._lock = threading.Lock()

    @override
    def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        with self._lock:
            return super().hit(item, *identifiers, cost=cost)

    @override
    def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        with self._lock:
            return super().get_window_stats(item, *identifiers)

    @override
    def clear(self, item: RateLimitItem, *identifiers: str) -> None:
        with self._lock:
            super().clear(item, *identifiers)


def _limiter() -> RateLimiter | None:
    return current_app.extensions[_EXTENSION]


def init_app(app: Flask, settings: Settings) -> None:
    """Makes the limiter, on the same connections to Redis that the blocklist has."""
    app.extensions[_EXTENSION] = None
    if not settings.ratelimit_enabled:
        return
    client = app.extensions[store.NAME]
    limiter = Limiter(
        lambda: network_of(request.remote_addr),
        storage_uri=settings.redis_url or "memory://",
        storage_options={"connection_pool": client.connection_pool, "key_prefix": "tasktracker:limit"} if client else {},
        strategy="fixed-window",
    )
    # Its own hooks look for limits at every request; ours are counted where it is known whose account is meant.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    app.cli.commands.pop("limiter", None)  # Its commands know nothing of limits that are counted here.
    app.extensions[_EXTENSION] = limiter.limiter if client else _InTurn(limiter.storage)
