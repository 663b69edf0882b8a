"""Many requests at once, decided by the database."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from werkzeug.test import TestResponse

Request = Callable[[], TestResponse]


def at_once(requests: Sequence[Request]) -> list[TestResponse]:
    """Sends all requests, eight at a time, which is as many as one process serves; the first eight at the same moment."""
    first = min(len(requests), 8)
    barrier = threading.Barrier(first)

    def send(place: int, request: Request) -> TestResponse:
        if place < first:
            barrier.wait(10)
        return request()

    with ThreadPoolExecutor(first) as threads:
        return list(threads.map(send, range(len(requests)), requests))


def statuses(answers: Sequence[TestResponse]) -> dict[int, int]:
    return dict(Counter(answer.status_code for answer in answers))
