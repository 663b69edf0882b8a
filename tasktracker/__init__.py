"""TaskTracker: the task-tracking backend that a team puts on its own server."""

from typing import Any

from flask import Flask
from flask_cors import CORS

from config import Settings, load

from .accounts import mails, passwords, pruning, tokens
from .accounts.pages import pages
from .accounts.routes import blueprint as accounts
from .cli import commands
from .core import database, health, http, idempotency, limits, logs, mail, openapi, parsing, store, worker
from .core.json import StrictJSON
from .extensions import cache, db, mailer, migrate
from .projects.routes import blueprint as projects
from .tags.routes import blueprint as tags
from .tasks.routes import blueprint as tasks

# What the worker does; a module registers its jobs when it is imported.
JOBS = (mails, pruning, idempotency)
# What pages of other origins may read of an answer.
EXPOSED = ["X-Pagination", "Link", "ETag", "Location", "Retry-After", "X-Request-ID"]
LIMITS_EXPOSED = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]


class Application(Flask):
    """A Flask application that reads and writes JSON in one way."""

    json_provider_class = StrictJSON


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

    database.init_app(app)
    migrate.init_app(app, db, directory=str(health.MIGRATIONS), render_as_batch=True)
    store.init_app(app, settings)
    cache.init_app(app)
    mailer.init_app(app)
    mail.init_app(app)
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
    app.register_blueprint(pages)
    worker.init_app(app, settings)
    commands.init_app(app)
    return app


def _flask_config(settings: Settings) -> dict[str, Any]:
    redis = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": settings.redis_url}
    return {
        "SETTINGS": settings,
        "TESTING": settings.app_env == "testing",
        "SECRET_KEY": settings.secret_key,
        "MAX_CONTENT_LENGTH": parsing.LARGEST_BODY + 1,  # See `parsing.read_body`.
        "REQUIRE_EMAIL_VERIFICATION": settings.require_email_verification,
        **(redis if settings.redis_url else {"CACHE_TYPE": "SimpleCache"}),
        **mail.config(settings),
        **database.engine_config(settings),
        **tokens.config(settings),
        **openapi.config(),
    }
