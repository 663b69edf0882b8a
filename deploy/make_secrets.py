"""Makes the secrets of `docker compose up`, once: what is there stays.

Every container that mounts a folder may read what is in it: `owner` is for PostgreSQL and the migrations, `service` for whoever
serves. The two roles are those of `deploy/postgres/roles.sql`.
"""

import secrets
import sys
from pathlib import Path


def keep(file: Path, value: str) -> str:
    """What stands in the file; this value, where there is no such file yet."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.write_text(value)
        fresh.chmod(0o444)  # PostgreSQL's container has another user.
        fresh.replace(file)  # Nobody finds half a secret, whenever this is stopped.
    return file.read_text()


def make(folder: Path) -> None:
    """All secrets, below this folder."""
    for role, name in (("owner", "tasktracker"), ("service", "tasktracker_service")):
        password = keep(folder / role / "postgres_password", secrets.token_urlsafe(32))
        keep(folder / role / "database_url", f"postgresql://{name}:{password}@postgres:5432/tasktracker")
    for name in ("secret_key", "jwt_secret_key"):
        keep(folder / "service" / name, secrets.token_urlsafe(48))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
