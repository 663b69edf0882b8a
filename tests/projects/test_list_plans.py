"""The lists of projects, tags and teams read what the caller sees, also where PostgreSQL knows nothing of its tables yet."""

import pytest
from flask_migrate import upgrade

from tasktracker.accounts.team_queries import TEAMS
from tasktracker.core.models import new_id
from tasktracker.extensions import db
from tasktracker.projects.queries import PROJECTS
from tasktracker.tags.queries import TAGS

from .. import servers
from ..conftest import SECRETS
from ..core.another import another
from .test_member_plans import rows_read

ME, OTHER = new_id(), new_id()
OF_OTHERS, MINE = 5_000, 5
FILL = (
    f"""INSERT INTO users (id, username, email, email_key, display_name, password_hash, timezone, is_admin, version,
        created_at, updated_at)
        SELECT id, name, name || '@example.com', name || '@example.com', name, '-', 'UTC', false, 1, now(), now()
        FROM (VALUES (uuid '{ME}', 'caller'), ('{OTHER}', 'other')) people (id, name)""",
    f"""INSERT INTO projects (id, owner_id, key, name, description, color, is_inbox, last_number, task_count, words,
        created_at, updated_at, version)
        SELECT gen_random_uuid(), CASE WHEN n > {MINE} THEN uuid '{OTHER}' ELSE '{ME}' END, 'P' || n, 'P' || n, '', '#000000',
            false, 0, 0, ' p' || n, now(), now(), 1
        FROM generate_series(1, {OF_OTHERS}) n""",
    """INSERT INTO tags (id, project_id, name, name_key, color, words, created_at, updated_at, version)
        SELECT gen_random_uuid(), id, 'tag', 'tag', '#000000', ' tag', now(), now(), 1 FROM projects""",
    f"""INSERT INTO teams (id, name, description, created_at, updated_at, version)
        SELECT gen_random_uuid(), 't' || n, '', now(), now(), 1 FROM generate_series(1, {OF_OTHERS}) n""",
    f"""INSERT INTO team_members (team_id, user_id, role)
        SELECT id, CASE WHEN name::text LIKE 't_' THEN uuid '{ME}' ELSE '{OTHER}' END, 1 FROM teams""",
)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    common = {"APP_ENV": "testing", "INSTANCE_PATH": str(tmp_path_factory.mktemp("lists")), "LOG_LEVEL": "WARNING", **SECRETS}
    with servers.new_database() as url, another({**common, "DATABASE_URL": url}) as app:
        with app.app_context():
            upgrade()
            with db.engine.begin() as connection:
                for table in ("users", "projects", "tags", "teams", "team_members"):
                    connection.exec_driver_sql(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
                for statement in FILL:
                    connection.exec_driver_sql(statement.replace("%", "%%"))
        yield app


@pytest.mark.parametrize("statistics", [False, True])
@pytest.mark.parametrize("search", [None, "t"])
def test_what_others_have_is_not_read(app, search, statistics):
    query = {"page": 1, "page_size": 20}
    with app.app_context(), db.engine.begin() as connection:
        if statistics:
            connection.exec_driver_sql("ANALYZE")
        for listing in (PROJECTS, TAGS, TEAMS):
            can_search = search and "search" in listing.filters
            read = rows_read(connection, listing, {"me": ME}, query | ({"search": search} if can_search else {}))
            assert sum(read.values()) < 40 * MINE, (listing.key, read)
