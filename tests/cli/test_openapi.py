"""`flask openapi`: the same document that the service publishes."""

import json

from .apps import flask


def test_the_document_is_written_and_printed_as_it_is_published(app, tmp_path):
    published = app.test_client().get("/api/v1/openapi.json").json
    file = tmp_path / "openapi.json"
    assert flask(app, "openapi", "write", str(file)).exit_code == 0
    assert json.loads(file.read_text(encoding="utf-8")) == published
    assert json.loads(flask(app, "openapi", "print").stdout) == published
    assert len(published["paths"]) > 10
