"""TaskTracker: the task-tracking backend that a team puts on its own server."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from flask_cors import CORS
from typing_extensions import override

import commands
from config import Settings, load

from .accounts import mails, passwords, pruning, tokens
from .accounts.pages import pages
from .accounts.routes import blueprint as accounts
from .core import (
    caching,
    database,
    health,
    http,
    idempotency,
    limits,
    logs,
    mail,
    metrics,
    migrations,
    openapi,
    parsing,
    store,
    telemetry,
    worker,
)
from .core.json import StrictJSON
from .extensions import mailer
from .projects.routes import blueprint as projects
from .tags.routes import blueprint as tags
from .tasks.routes import blueprint as tasks

T = TypeVar("T", bound=Callable[..., Any])
# What the worker does; a module registers its jobs when it is imported.
JOBS = (mails, pruning, idempotency)
# What pages of other origins may read of an answer.
EXPOSED = ["X-Pagination", "Link", "ETag", "Location", "Retry-After", "X-Request-ID"]
LIMITS_EXPOSED = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]


class NoCookies(SessionInterface):
    """Tokens say who calls. Flask would make a signer for its session cookie at each request (13 microseconds)."""

    @override
    def open_session(self, app: Flask, request: Request) -> NullSession:
        """A session that nothing can be put into."""
        return NullSession()


class Application(Flask):
    """A Flask application that reads and writes JSON in one way, has no cookies, and whose functions are all plain ones."""

    json_provider_class = StrictJSON
    session_interface = NoCookies()

    @override
    def ensure_sync(self, func: T) -> T:
        """The function itself: Flask would look eight times a request whether one is a coroutine."""
        return func


def create_app(settings: Settings | None = None) -> Flask:
    """Makes the application.

    Args:
        settings: what it runs with; read from the environment and `.env` if not given.

    Raises:
        config.SettingsError: a setting is missing, malformed or weak.
    """
    settings = settings or load()
    logs.configure(settings)
    app = Application(__name__, instance_path=settings.instance_path, static_folder=None)
    app.config.from_mapping(_flask_config(settings))
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    if settings.app_env == "testing":
        passwords.weaken_for_tests()

    if settings.metrics_token:
        metrics.start()
    database.init_app(app, settings)
    migrations.init_app(app)
    store.init_app(app, settings)
    caching.init_app(app)
    mailer.init_app(app)
    mail.init_app(app)
    telemetry.init_app(app)  # Before the edge, which has then the first word and not the last.
    http.init_app(app, settings)
    limits.init_app(app, settings)
    tokens.init_app(app)
    if settings.cors_origins:
        exposed = EXPOSED + LIMITS_EXPOSED
        CORS(
            app, origins=list(settings.cors_origins), expose_headers=exposed, max_age=600, always_send=False, vary_header=False
        )

    api = openapi.init_app(app)
    for blueprint in (accounts, projects, tasks, tags):
        api.register_blueprint(blueprint, url_prefix=http.PREFIX)
    app.register_blueprint(health.health)
    if settings.metrics_token:
        from .core import scraping  # noqa: PLC0415 - see `metrics`.

        app.register_blueprint(scraping.scraping)
    app.register_blueprint(pages)
    worker.init_app(app, settings)
    commands.init_app(app)
    return app


def _flask_config(settings: Settings) -> dict[str, Any]:
    return {
        "SETTINGS": settings,
        "TESTING": settings.app_env == "testing",
        "SECRET_KEY": settings.secret_key,
        "MAX_CONTENT_LENGTH": parsing.LARGEST_BODY + 1,  # See `parsing.read_body`.
        "REQUIRE_EMAIL_VERIFICATION": settings.require_email_verification,
        **caching.config(settings),
        **mail.config(settings),
        **database.engine_config(settings),
        **tokens.config(settings),
        **openapi.config(),
    }
