"""The settings: read once from the environment and `.env`, checked whole, then never changed.

`load()` gives a `Settings` or raises `SettingsError`, whose text has one line for each fault: the name of the setting,
what is wrong with it and how to mend it. Nothing of TaskTracker is imported here, so that a server's configuration
file can check the settings before it starts a worker.
"""

import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

BASE = Path(__file__).resolve().parent
ENVIRONMENTS = ("development", "testing", "staging", "production")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
MAKE_A_KEY = """make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"""
# What stands in documents and examples as a secret, here or elsewhere, is known to everyone.
EXAMPLE_SECRET = re.compile(r"change.?me|your.?secret|example|placeholder|insecure|secret.?key|^(.{1,8})\1+$", re.IGNORECASE)


class SettingsError(Exception):
    """One or more settings are missing, malformed or weak; `str()` has a line for each."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        self.faults = dict(faults)
        super().__init__("\n".join(f"{name}: {fault}" for name, fault in self.faults.items()))


def described(meaning: str, *, secret: bool = False) -> dict[str, object]:
    """What `flask check-config` says of a setting, and whether its value may be shown."""
    return {"meaning": meaning, "secret": secret}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting under its name in the environment, in lower case; see `.env.example` for the defaults."""

    app_env: str = field(metadata=described("development, testing, staging or production"))
    instance_path: str = field(metadata=described("folder of the embedded defaults' files"))
    database_url: str = field(metadata=described("sqlite:///... or postgresql://...", secret=True))
    database_connect_timeout: float = field(metadata=described("seconds for a new connection to PostgreSQL"))
    database_statement_timeout: float = field(metadata=described("seconds that PostgreSQL may take for a statement"))
    database_lock_timeout: float = field(metadata=described("seconds that a statement waits for a lock of PostgreSQL"))
    database_idle_timeout: float = field(metadata=described("seconds until PostgreSQL ends a transaction left alone"))
    database_pool_timeout: float = field(metadata=described("seconds until one of the process's connections is free"))
    database_request_timeout: float = field(metadata=described("seconds that a request waits for PostgreSQL in all"))
    sqlite_busy_timeout: float = field(metadata=described("seconds that SQLite waits for another writer"))
    redis_url: str | None = field(metadata=described("token blocklist, cache and rate limits", secret=True))
    redis_timeout: float = field(metadata=described("seconds for each answer of Redis"))
    secret_key: str = field(metadata=described("signs what is not a login token", secret=True))
    jwt_secret_key: str = field(metadata=described("signs login tokens", secret=True))
    jwt_secret_key_previous: str | None = field(metadata=described("still accepted while rotating", secret=True))
    public_url: str = field(metadata=described("where links in mails point"))
    mail_server: str | None = field(metadata=described("SMTP host; without it mails become files"))
    mail_port: int = field(metadata=described("SMTP port"))
    mail_use_tls: bool = field(metadata=described("STARTTLS"))
    mail_use_ssl: bool = field(metadata=described("TLS from the first byte"))
    mail_username: str | None = field(metadata=described("SMTP login"))
    mail_password: str | None = field(metadata=described("SMTP password", secret=True))
    mail_default_sender: str | None = field(metadata=described("From: of every mail"))
    mail_timeout: float = field(metadata=described("seconds for each answer of the mail server"))
    require_email_verification: bool = field(metadata=described("whether an address must be confirmed"))
    registration: str = field(metadata=described("open, or closed: accounts come from the command line"))
    password_min_length: int = field(metadata=described("characters a password needs"))
    ratelimit_enabled: bool = field(metadata=described("whether rate limits count"))
    cors_origins: tuple[str, ...] = field(metadata=described("exact origins whose pages may call the API"))
    trusted_proxies: int = field(metadata=described("proxies in front whose X-Forwarded-* count"))
    trusted_hosts: tuple[str, ...] = field(metadata=described("hosts that the service answers for; none: any"))
    inline_worker: bool = field(metadata=described("a thread of the web process does the background jobs"))
    log_level: str = field(metadata=described("DEBUG, INFO, WARNING or ERROR"))
    log_format: str = field(metadata=described("console or json"))
    metrics_token: str | None = field(metadata=described("what Prometheus sends to read /metrics", secret=True))
    worker_metrics_address: str | None = field(metadata=described("where `flask worker` serves its /metrics"))

    @property
    def is_sqlite(self) -> bool:
        """Whether the embedded database is used."""
        return self.database_url.startswith("sqlite")


class _Reader:
    """Reads one setting after the other and keeps what is wrong instead of stopping at the first fault."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        # An empty value means the same as none: `REDIS_URL=` in a file switches nothing on.
        self.environ = {name: value.strip() for name, value in environ.items() if value.strip()}
        self.faults: dict[str, str] = {}

    def secrets_from_files(self, names: Iterable[str]) -> None:
        """Takes a secret from the file that `NAME_FILE` names, which is how containers and systemd hand them over."""
        for name in names:
            path = self.environ.get(f"{name}_FILE")
            if path is None:
                continue
            if name in self.environ:
                self.faults[f"{name}_FILE"] = f"and {name} exclude each other; set one of them"
                continue
            try:
                self.environ[name] = Path(path).read_text().strip()
            except (OSError, ValueError):
                self.faults[f"{name}_FILE"] = "names a file that cannot be read; set the path of one"
            else:
                if not self.environ[name]:
                    self.faults[f"{name}_FILE"] = "names an empty file; set the path of one that holds the secret"

    def text(self, name: str) -> str | None:
        return self.environ.get(name)

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.environ.get(name, default)
        if value in allowed:
            return value
        self.faults[name] = f"{value!r} is not known; set one of {', '.join(allowed)}"
        return default

    def boolean(self, name: str, default: bool) -> bool:
        value = self.environ.get(name, str(default)).lower()
        if value in ("true", "1", "yes", "on"):
            return True
        if value not in ("false", "0", "no", "off"):
            self.faults[name] = f"{value!r} is neither true nor false; set true or false"
        return False

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        value = self.environ.get(name, str(default))
        if re.fullmatch(r"[0-9]{1,9}", value) and low <= int(value) <= high:
            return int(value)
        self.faults[name] = f"{value!r} is not a whole number from {low} to {high}; set one"
        return default

    def seconds(self, name: str, default: float, most: float) -> float:
        """A time-out: none at all would let whoever hangs hang for ever."""
        value = self.environ.get(name, str(default))
        if re.fullmatch(r"[0-9]{1,4}([.][0-9]{1,3})?", value) and 0.05 <= float(value) <= most:
            return float(value)
        self.faults[name] = f"{value!r} is not a number of seconds from 0.05 to {most:g}; set one"
        return default

    def address(self, name: str) -> str | None:
        """A host and a port to listen on."""
        value = self.environ.get(name)
        if value is not None and not re.fullmatch(r"[A-Za-z0-9.-]+:[0-9]{1,5}", value):
            self.faults[name] = f"{value!r} is not a host and a port; set 127.0.0.1:9464"
            return None
        return value

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word.strip().lower() for word in self.environ.get(name, "").split(",") if word.strip())

    def url(self, name: str, schemes: tuple[str, ...], default: str) -> str:
        """An address with one of these schemes and a host, without what follows the path."""
        value = self.environ.get(name, default)
        try:
            parts = urlsplit(value)
            _ = parts.port  # Raises on a port that is not a number.
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
            self.faults[name] = f"not an address that starts with {' or '.join(f'{s}://' for s in schemes)} and a host; set one"
        return value.rstrip("/")

    def redis(self, name: str) -> str | None:
        """The address of a Redis server; the path, if there is one, is the number of a database."""
        if self.text(name) is None:
            return None
        value = self.url(name, ("redis", "rediss"), "")
        if name not in self.faults and not re.fullmatch("(/[0-9]{1,4})?", urlsplit(value).path):
            self.faults[name] = "ends in something else than the number of a database; set redis://HOST:6379/0"
        return value

    def host(self, name: str) -> str | None:
        """A host without scheme and port."""
        value = self.text(name)
        if value is not None and not re.fullmatch(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+", value):
            self.faults[name] = f"{value!r} is not a host; set its name without scheme and port"
        return value

    def sender(self, name: str) -> str | None:
        """An address, alone or as `Name <address>`."""
        value = self.text(name)
        if value is not None and not re.fullmatch(r"([^<>\x00-\x1f]* <)?[^\s<>@]+@[^\s<>@]+(?(1)>)", value):
            self.faults[name] = "is not an address; set tracker@company.test or 'TaskTracker <tracker@company.test>'"
        return value

    def folder(self, name: str, default: Path, *, used: bool) -> Path:
        """A folder that can be written to, if anything will be; made if there is none."""
        folder = Path(self.text(name) or default).absolute()
        if not used:
            return folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            writable = os.access(folder, os.W_OK | os.X_OK)
        except OSError:
            writable = False
        if not writable:
            self.faults[name] = "is not a folder that can be made and written to; set one"
        return folder

    def check_place(self, name: str, url: str) -> None:
        """Host and port must be readable, and a database must be named."""
        try:
            parts = urlsplit(url)
            _ = parts.port, parts.hostname
        except ValueError:
            parts = urlsplit("")
        if len(parts.path) < 2:
            self.faults[name] = "has no readable host, port or name; set postgresql://USER@HOST:5432/NAME"

    def secret(self, name: str, keep_in: Path | None) -> str:
        """A signing key of 32 bytes at least; in development it is made once and kept in a file."""
        value = self.environ.get(name)
        if value is None and keep_in is not None:
            if "INSTANCE_PATH" in self.faults:
                return ""
            value = _kept_secret(keep_in / name.lower())
        if value is None:
            self.faults[name] = f"is required; {MAKE_A_KEY}"
        else:
            self.check_secret(name, value)
        return value or ""

    def check_secret(self, name: str, value: str) -> None:
        if len(value.encode()) < 32:
            self.faults[name] = f"is shorter than 32 bytes; {MAKE_A_KEY}"
        elif EXAMPLE_SECRET.search(value) or len(set(value)) < 8:
            self.faults[name] = f"can be guessed or stands in a document; {MAKE_A_KEY}"

    def origins(self, name: str) -> tuple[str, ...]:
        origins = self.words(name)
        wrong = [origin for origin in origins if not re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", origin)]
        if wrong:
            self.faults[name] = f"{wrong[0]!r} is not an origin; set scheme and host, such as https://app.company.test"
        return origins

    def hosts(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        hosts = self.words(name) or default
        wrong = [host for host in hosts if not re.fullmatch(r"\.?[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]", host)]
        if wrong:
            self.faults[name] = f"{wrong[0]!r} is not a host; set names without scheme and port"
        return hosts

    def database(self, name: str, instance: Path) -> str:
        url = self.environ.get(name, f"sqlite:///{instance / 'tasktracker.db'}")
        scheme, separator, rest = url.partition("://")
        if separator and (scheme in ("postgres", "postgresql") or scheme.startswith("postgresql+")):
            self.check_place(name, url)
            return f"postgresql+psycopg2://{rest}"
        if not url.startswith("sqlite:///") or rest in ("/", "/:memory:"):
            self.faults[name] = "is not a database that is known; set sqlite:///FILE or postgresql://USER@HOST/NAME"
        return url


def _kept_secret(file: Path) -> str:
    """The secret in this file; made, readable for its owner alone, where there is none yet."""
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    if not file.exists():
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(48))
        try:
            os.link(fresh, file)  # Of several processes that start at once, one wins and all use its secret.
        except FileExistsError:
            pass
        except OSError:  # A file system without hard links.
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)
    return file.read_text().strip()


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads all settings.

    Args:
        environ: where they stand; the process's environment over the file `.env` beside the code, if none is given.

    Returns:
        The settings, complete and sound.

    Raises:
        SettingsError: with a line for each setting that is missing, malformed or weak.
    """
    if environ is None:
        stored = {name: value or "" for name, value in dotenv_values(BASE / ".env").items()}
        environ = {**stored, **os.environ}
    read = _Reader(environ)
    read.secrets_from_files(item.name.upper() for item in fields(Settings) if item.metadata["secret"])
    if read.faults:
        raise SettingsError(read.faults)  # Whatever else is wrong may follow from that.
    app_env = read.choice("APP_ENV", ENVIRONMENTS, "development")
    local = app_env in ("development", "testing")  # Where convenience goes before what a server needs.
    # On servers nothing is kept there, so that their file system may be read-only.
    instance = read.folder("INSTANCE_PATH", BASE / "instance", used=local or not read.text("DATABASE_URL"))
    public_url = read.url("PUBLIC_URL", ("http", "https"), "http://127.0.0.1:8000")
    starttls, implicit_tls = read.boolean("MAIL_USE_TLS", False), read.boolean("MAIL_USE_SSL", False)
    settings = Settings(
        app_env=app_env,
        instance_path=str(instance),
        database_url=read.database("DATABASE_URL", instance),
        # What a request waits for in all must end within 2 seconds, and who waits for a lock must outlast PostgreSQL's
        # own search for deadlocks, which begins after 1.
        database_connect_timeout=read.seconds("DATABASE_CONNECT_TIMEOUT", 1, 60),
        database_statement_timeout=read.seconds("DATABASE_STATEMENT_TIMEOUT", 1.3, 600),
        database_lock_timeout=read.seconds("DATABASE_LOCK_TIMEOUT", 1.2, 600),
        database_idle_timeout=read.seconds("DATABASE_IDLE_TIMEOUT", 5, 600),
        database_pool_timeout=read.seconds("DATABASE_POOL_TIMEOUT", 1, 60),
        database_request_timeout=read.seconds("DATABASE_REQUEST_TIMEOUT", 1.5, 600),
        sqlite_busy_timeout=read.seconds("SQLITE_BUSY_TIMEOUT", 5, 60),
        redis_url=read.redis("REDIS_URL"),
        redis_timeout=read.seconds("REDIS_TIMEOUT", 0.25, 10),
        secret_key=read.secret("SECRET_KEY", instance if local else None),
        jwt_secret_key=read.secret("JWT_SECRET_KEY", instance if local else None),
        jwt_secret_key_previous=read.text("JWT_SECRET_KEY_PREVIOUS"),
        public_url=public_url,
        mail_server=read.host("MAIL_SERVER"),
        mail_port=read.integer("MAIL_PORT", 465 if implicit_tls else 587 if starttls else 25, 1, 65535),
        mail_use_tls=starttls,
        mail_use_ssl=implicit_tls,
        mail_username=read.text("MAIL_USERNAME"),
        mail_password=read.text("MAIL_PASSWORD"),
        mail_default_sender=read.sender("MAIL_DEFAULT_SENDER"),
        mail_timeout=read.seconds("MAIL_TIMEOUT", 10, 50),
        require_email_verification=read.boolean("REQUIRE_EMAIL_VERIFICATION", not local),
        registration=read.choice("REGISTRATION", ("open", "closed"), "open"),
        password_min_length=read.integer("PASSWORD_MIN_LENGTH", 12, 8, 64),
        ratelimit_enabled=read.boolean("RATELIMIT_ENABLED", True),
        cors_origins=read.origins("CORS_ORIGINS"),
        trusted_proxies=read.integer("TRUSTED_PROXIES", 0, 0, 10),
        trusted_hosts=read.hosts("TRUSTED_HOSTS", () if local else (_host(public_url),)),
        inline_worker=read.boolean("INLINE_WORKER", app_env == "development"),
        log_level=read.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO"),
        log_format=read.choice("LOG_FORMAT", ("console", "json"), "console" if app_env == "development" else "json"),
        metrics_token=read.text("METRICS_TOKEN"),
        worker_metrics_address=read.address("WORKER_METRICS_ADDRESS"),
    )
    _check_together(read, settings)
    if read.faults:
        raise SettingsError(read.faults)
    return settings


def _host(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return f"[{host}]" if ":" in host else host


def _check_together(read: _Reader, settings: Settings) -> None:
    """What one setting asks of another."""
    if "PUBLIC_URL" not in read.faults and urlsplit(settings.public_url).path:
        read.faults["PUBLIC_URL"] = "has a path; set scheme and host alone, such as https://tracker.company.test"
    if settings.jwt_secret_key_previous:
        read.check_secret("JWT_SECRET_KEY_PREVIOUS", settings.jwt_secret_key_previous)
    if settings.jwt_secret_key and settings.jwt_secret_key == settings.secret_key:
        read.faults["JWT_SECRET_KEY"] = f"is the same as SECRET_KEY; {MAKE_A_KEY}"
    if settings.app_env in ("staging", "production") and not settings.redis_url:
        read.faults.setdefault("REDIS_URL", f"is required in {settings.app_env}; set redis://HOST:6379/0")
    if settings.app_env == "production" and not settings.mail_server:
        read.faults.setdefault("MAIL_SERVER", "is required in production; set the host of a mail server")
    _check_mail(read, settings)
    if settings.metrics_token:
        read.check_secret("METRICS_TOKEN", settings.metrics_token)
    elif settings.worker_metrics_address:
        read.faults["METRICS_TOKEN"] = f"is required with WORKER_METRICS_ADDRESS; {MAKE_A_KEY}"
    shorter = max(settings.database_statement_timeout, settings.database_lock_timeout)
    if settings.database_request_timeout < shorter:
        fault = "is shorter than DATABASE_STATEMENT_TIMEOUT or DATABASE_LOCK_TIMEOUT; set it above both"
        read.faults.setdefault("DATABASE_REQUEST_TIMEOUT", fault)


def _check_mail(read: _Reader, settings: Settings) -> None:
    if settings.mail_server and not settings.mail_default_sender:
        read.faults.setdefault("MAIL_DEFAULT_SENDER", "is required with MAIL_SERVER; set the address that mails come from")
    if settings.mail_use_tls and settings.mail_use_ssl:
        read.faults.setdefault("MAIL_USE_SSL", "and MAIL_USE_TLS exclude each other; set one of them, for ports 465 and 587")
    in_clear = settings.mail_username and not (settings.mail_use_tls or settings.mail_use_ssl)
    if settings.app_env in ("staging", "production") and in_clear and settings.mail_server not in LOOPBACK:
        read.faults.setdefault("MAIL_USERNAME", "would send the password in clear; set MAIL_USE_TLS or MAIL_USE_SSL to true")


def names() -> list[str]:
    """The settings' names in the environment, in the order in which they are documented."""
    return [item.name.upper() for item in fields(Settings)]
