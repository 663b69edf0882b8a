"""How PostgreSQL finds what belongs to a project and to a team: by ids, for those who may see it, and nothing for others."""

from types import MappingProxyType

import pytest
from flask_migrate import upgrade
from sqlalchemy import text

from tasktracker.accounts import team_queries
from tasktracker.core.models import new_id
from tasktracker.extensions import db
from tasktracker.projects import queries
from tasktracker.tags.queries import TAGS_OF_PROJECT

from .. import servers
from ..conftest import SECRETS
from ..core.another import another
from ..people import new_person, new_team
from ..tasks.test_plans import nodes

USERS, TEAMS, OF_PROJECT = 20_000, 10, 500
# Everybody else is in a large team, so that a team of which nothing is known is expected to be one.
FILL = (
    f"""INSERT INTO users (id, username, email, email_key, display_name, password_hash, timezone, is_admin, version, words,
        created_at, updated_at)
        SELECT gen_random_uuid(), 'u' || 100000 + n, 'u@' || n, 'u@' || n, 'u', '-', 'UTC', false, 1, '', now(), now()
        FROM generate_series(1, {USERS}) n""",
    f"""INSERT INTO teams (id, name, description, created_at, updated_at, version)
        SELECT gen_random_uuid(), 't' || n, '', now(), now(), 1 FROM generate_series(1, {TEAMS}) n""",
    f"""INSERT INTO team_members (team_id, user_id, role)
        SELECT teams.id, users.id, 0 FROM teams, users
        WHERE email LIKE 'u@%' AND name ~ '^t[0-9]' AND mod(substr(username, 2)::int, {TEAMS}) = substr(name, 2)::int - 1""",
    "ANALYZE",
)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    common = {"APP_ENV": "testing", "INSTANCE_PATH": str(tmp_path_factory.mktemp("members")), "LOG_LEVEL": "WARNING", **SECRETS}
    with servers.new_database() as url, another({**common, "DATABASE_URL": url}) as app:
        with app.app_context():
            upgrade()
            with db.engine.begin() as connection:
                for statement in FILL:
                    connection.exec_driver_sql(statement.replace("%", "%%"))
        yield app


def rows_read(connection, listing, values, query=MappingProxyType({"page": 1, "page_size": 20})):
    """How many rows of each table are looked at for a page, in a plan that is made for all values."""
    statement, parameters = listing.asked(query, values)
    compiled = statement.compiled(connection.dialect)
    cursor = connection.connection.cursor()
    cursor.execute("DEALLOCATE ALL")
    cursor.execute(f"PREPARE asked {compiled.prepare}")
    explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE asked {compiled.execute}"
    cursor.execute(explain, compiled.parameters(parameters))
    found = {}
    for node in nodes(cursor.fetchone()[0][0]["Plan"]):
        if table := node.get("Relation Name"):
            rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            found[table] = found.get(table, 0) + rows
    return found


def test_what_is_read_is_what_there_is(app):
    ada, bob = new_person(app, "ada"), new_person(app, "bob")
    team, project = new_team(app, ada, bob), ada.project()
    ada.add_team(project, team)
    values = {"me": ada.id, "project": project["id"], "team": team}
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        for listing in (queries.MEMBERS, team_queries.MEMBERS):
            read = rows_read(connection, listing, values)
            assert 2 <= read["users"] <= 8, read
            assert 2 <= read["team_members"] <= 20, read


def test_a_stranger_s_404_costs_the_same_whatever_there_is(app):
    ada, eve = new_person(app, "lin"), new_person(app, "eve")
    project, unknown = ada.project()["id"], new_id()
    team = new_team(app, ada)
    ada.add_team({"id": project}, team)
    some = f"users WHERE email LIKE 'u@%' LIMIT {OF_PROJECT}"
    much = (
        f"INSERT INTO project_members (project_id, user_id, role) SELECT '{project}', id, 1 FROM {some}",
        f"INSERT INTO team_members (team_id, user_id, role) SELECT '{team}', id, 0 FROM {some}",
        f"INSERT INTO project_teams (project_id, team_id, role) SELECT '{project}', id, 1 FROM teams WHERE name ~ '^t[0-9]'",
        f"""INSERT INTO tags (id, project_id, name, name_key, color, words, created_at, updated_at, version)
            SELECT gen_random_uuid(), '{project}', n, n, '#000000', '', now(), now(), 1
            FROM generate_series(1, {OF_PROJECT}) n""",
    )
    lists = {
        "members": queries.MEMBERS,
        "teams": queries.PROJECT_TEAMS,
        "tags": TAGS_OF_PROJECT,
        "of team": team_queries.MEMBERS,
    }
    with app.app_context(), db.engine.begin() as connection:
        for statement in much:
            connection.exec_driver_sql(statement.replace("%", "%%"))
        for name, listing in lists.items():
            there, nowhere = (
                sum(rows_read(connection, listing, {"me": eve.id, "project": one, "team": other}).values())
                for one, other in ((project, team), (unknown, unknown))
            )
            # The right is looked up up to four times, each time among the few teams that the project was given to.
            assert there <= nowhere + 4 * (TEAMS + 1), name
