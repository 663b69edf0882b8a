"""The service runs with no more rights than reading and writing rows."""

import secrets

import psycopg2
import pytest
from flask_migrate import upgrade
from sqlalchemy import make_url

from .. import servers
from ..cli.apps import application
from ..people import new_person


@pytest.fixture
def limited(environments, tmp_path):
    """The settings with a role that may change no table, on a migrated database of its own."""
    role = f"tasktracker_rows_{secrets.token_hex(6)}"
    with servers.new_database() as url:
        with application({**environments("postgresql"), "DATABASE_URL": url}) as owner, owner.app_context():
            upgrade()
        connection = psycopg2.connect(url)
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"CREATE ROLE {role} LOGIN")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
        yield {**environments("postgresql"), "DATABASE_URL": str(make_url(url).set(username=role))}
        cursor.execute(f"DROP OWNED BY {role}")
        cursor.execute(f"DROP ROLE {role}")
        connection.close()


def test_a_role_that_may_only_read_and_write_rows_is_enough(limited):
    with application(limited) as app:
        assert app.test_client().get("/readyz").status_code == 200
        ada = new_person(app, "ada")
        project = ada.project()
        task = ada.task(project, tag_ids=[ada.tag(project)["id"]])
        assert ada.patch(f"/tasks/{task['id']}", {"status": "done"}).status_code == 200
        assert ada.get("/tasks", query={"search": "do"}).json[0]["id"] == task["id"]
        assert ada.delete(f"/projects/{project['id']}").status_code == 204
        assert ada.post("/auth/logout").status_code == 204
    with psycopg2.connect(limited["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        for statement in ("CREATE TABLE public.x ()", "DROP TABLE tasks", "ALTER TABLE users ADD x int", "TRUNCATE tasks"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
            connection.rollback()
