"""What hypothesis tries, and how long."""

from hypothesis import HealthCheck, settings

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
