import pytest

from .grid import World


@pytest.fixture(scope="module")
def world(app):
    """People with every role, held in every way."""
    return World(app)
