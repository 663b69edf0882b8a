"""Rate limits: so many requests in so much time, for a client's address and for an account.

Flask-Limiter counts, in Redis for all workers together and in the process with the embedded defaults. Counting is no part
of a transaction, so what is refused is counted too. Without Redis, what must be counted is not done (OWASP ASVS 16.5.3).
"""

import hashlib
import math
import time
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network

from flask import Flask, current_app, g, request
from flask_limiter import Limiter
from limits import RateLimitItem, parse_many
from limits.strategies import RateLimiter

from config import Settings

from . import store
from .errors import TooMany

_EXTENSION = "rate_limiter"


@dataclass(frozen=True)
class Standing:
    """How a client stands with a limit: how many requests it allows, how many are left, and seconds until it begins anew."""

    limit: int
    remaining: int
    reset: int


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

    def count(self, account: str) -> None:
        """Counts this request.

        Args:
            account: what the request names: a user, an address, a session or a token.

        Raises:
            TooMany: the limit is reached.
        """
        limiter = _limiter()
        if limiter is None:
            return
        # Whoever is refused for their address does not use up what others may try on the account.
        for items, key in ((self._of_address, network_of(request.remote_addr)), (self._of_account, account)):
            for item in items:
                _count(limiter, item, self.name, _hidden(key))

    def forgive(self, account: str) -> None:
        """Forgets what was counted for an account, because its owner has proved who they are."""
        limiter = _limiter()
        for item in self._of_account if limiter else ():
            limiter.clear(item, self.name, _hidden(account))  # pyright: ignore[reportOptionalMemberAccess]


def _count(limiter: RateLimiter, item: RateLimitItem, *key: str) -> None:
    allowed = limiter.hit(item, *key)
    ends, remaining = limiter.get_window_stats(item, *key)
    standing = Standing(item.amount, int(remaining), max(1, math.ceil(ends - time.time())))
    tightest: Standing | None = g.get("rate_limit")
    if tightest is None or standing.remaining < tightest.remaining or not allowed:
        g.rate_limit = standing
    if not allowed:
        raise TooMany(f"Too many attempts. Try again in {standing.reset} seconds.", retry_after=standing.reset)


def network_of(address: str | None) -> str:
    """Whom an address belongs to: itself, or with IPv6 the network of 64 bits that one household or server is given."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    return str(parsed) if parsed.version == 4 else str(ip_network((parsed, 64), strict=False))


def _hidden(key: str) -> str:
    """A key as it is kept: nobody reads from the store who tried to log in."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _limiter() -> RateLimiter | None:
    return current_app.extensions[_EXTENSION]


def init_app(app: Flask, settings: Settings) -> None:
    """Makes the limiter, on the same connections to Redis that the blocklist has."""
    app.extensions[_EXTENSION] = None
    if not settings.ratelimit_enabled:
        return
    redis = app.extensions[store.NAME]
    limiter = Limiter(
        lambda: network_of(request.remote_addr),
        storage_uri=settings.redis_url or "memory://",
        storage_options={"connection_pool": redis.connection_pool, "key_prefix": "tasktracker:limit"} if redis else {},
        strategy="fixed-window",
    )
    # Its own hooks look for limits at every request; ours are counted where it is known whose account is meant.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    app.extensions[_EXTENSION] = limiter.limiter
