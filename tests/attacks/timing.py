"""How long a request takes."""

from collections.abc import Callable
from time import thread_time

from werkzeug.test import TestResponse

from .stage import harmless

# Seconds, for a request that is as large as any may be; what grows with the square of its length takes minutes then.
SOON = 2.0


def taken(request: Callable[[], TestResponse], clock: Callable[[], float] = thread_time) -> tuple[float, TestResponse]:
    """How long a request takes, the best of three where it takes long, and its answer; in time of the processor by default."""
    best = float("inf")
    for _ in range(3):
        begin = clock()
        answer = request()
        best = min(best, clock() - begin)
        if best < SOON:
            break
    harmless(answer)
    return best, answer
