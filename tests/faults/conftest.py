"""An answer that is late may be the machine's fault and not the service's: then the whole test comes once more."""

from functools import wraps

import pytest

from .site import Late


def pytest_itemcollected(item: pytest.Item) -> None:
    """Has each test begin anew, with its fault, where an answer was late; one that is always late is so twice."""
    if not isinstance(item, pytest.Function):
        return
    test = item.obj

    @wraps(test)
    def run(*words, **named) -> None:
        try:
            test(*words, **named)
        except Late:
            test(*words, **named)

    item.obj = run
