"""Time that passes without being waited for."""

from datetime import UTC, datetime, timedelta

import time_machine


def later(**delta: float) -> time_machine.travel:
    """The time is so much later, and runs on."""
    return time_machine.travel(datetime.now(UTC) + timedelta(**delta), tick=True)
