"""Headers of single answers; what every answer carries is in `attacks/test_every_status.py`."""

import pytest


@pytest.mark.parametrize("sent", [None, "", "x" * 129, "a b", "a,b", "a/b", "é", '"a"', "<a>", "a\tb", "${jndi:x}"])
def test_another_request_id_is_replaced(app, sent):
    made = [
        app.test_client().get(path, headers={} if sent is None else {"X-Request-ID": sent}).headers["X-Request-ID"]
        for path in ("/healthz", "/nope")
    ]
    assert sent not in made
    assert len({*made}) == 2
    for text in made:
        assert 1 <= len(text) <= 128
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def test_the_docs_page_may_load_its_own_files_and_nothing_else(app):
    for path in ("/api/v1/docs", "/api/v1/docs/"):
        policy = app.test_client().get(path).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe-eval" not in policy
        assert "http" not in policy
        assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
