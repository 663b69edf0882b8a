"""`flask db` where there is no database."""

from ..servers import free_port
from .apps import flask_process


def test_a_database_that_is_away_is_told_plainly(environments):
    settings = {**environments("sqlite"), "DATABASE_URL": f"postgresql://nobody:secret@127.0.0.1:{free_port()}/x"}
    for words in (("upgrade",), ("downgrade", "0001"), ("current",), ("check",)):
        result = flask_process(settings, "--app", "wsgi", "db", *words)
        assert result.returncode == 1
        refused, advice = result.stderr.splitlines()
        assert refused.startswith("Error: The database refused: ")
        assert advice == "Check that DATABASE_URL is right and answers, and run 'flask db upgrade'."
        assert "secret" not in result.stderr + result.stdout
