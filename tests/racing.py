"""Many requests at once, decided by the database."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, text
from werkzeug.test import TestResponse

Request = Callable[[], TestResponse]
R = TypeVar("R")


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


def hold(connection: Connection, table: str, row_id: str) -> None:
    """Locks a row; on SQLite the transaction itself keeps every other writer out."""
    lock = " FOR NO KEY UPDATE" if connection.dialect.name == "postgresql" else ""
    connection.execute(text(f"SELECT 1 FROM {table} WHERE id = '{row_id}'{lock}"))


def waiting(connection: Connection, ask: Callable[[], R], *changes: str, meanwhile: Callable[[], None] = lambda: None) -> R:
    """What is answered to a request, or said by a command, that has to wait for what a connection holds.

    Args:
        connection: what it holds, it commits once the request waits.
        ask: sends the request.
        changes: what the connection does before.
        meanwhile: what is done by others once the request waits.
    """
    for change in changes:
        connection.execute(text(change))
    answers: list[R] = []
    asking = threading.Thread(target=lambda: answers.append(ask()))
    asking.start()
    time.sleep(0.3)  # By now it waits for the lock.
    assert not answers
    meanwhile()
    connection.commit()
    asking.join()
    return answers[0]
