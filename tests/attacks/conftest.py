import pytest

from .stage import Stage


@pytest.fixture(scope="module")
def stage(app):
    """Someone, another who is unknown to them, and their things."""
    return Stage(app)
