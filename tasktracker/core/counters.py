"""What is counted, as Prometheus's library keeps it; `metrics` loads this where somebody reads it."""

from prometheus_client import Counter, Gauge, Histogram

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_JOB_BUCKETS = (0.01, 0.05, 0.25, 1, 5, 15, 60)
_OF_REQUEST = ("method", "route")

REQUESTS = Histogram(
    "tasktracker_http_request_duration_seconds",
    "Requests, and how long they took in the application, by the class of their status.",
    (*_OF_REQUEST, "status"),
    buckets=_BUCKETS,
)
DATABASE_SECONDS = Counter("tasktracker_http_database_seconds", "Time that requests waited for the database.", _OF_REQUEST)
REDIS_SECONDS = Counter("tasktracker_http_redis_seconds", "Time that requests waited for Redis.", _OF_REQUEST)
CONNECTIONS = Gauge(
    "tasktracker_database_connections_in_use",
    "Connections to the database that are in use now, for single statements and for transactions.",
    ("pool",),
    multiprocess_mode="livesum",
)
POOL_WAITS = Counter("tasktracker_database_pool_waits", "How often all connections of a process were in use.")
POOL_WAIT_SECONDS = Counter("tasktracker_database_pool_wait_seconds", "Time that was waited for a connection to be free.")
JOBS = Histogram(
    "tasktracker_job_duration_seconds",
    "Jobs that were taken, and how long they took; done, tried again later, or failed for good.",
    ("kind", "outcome"),
    buckets=_JOB_BUCKETS,
)
JOBS_RUNNING = Gauge("tasktracker_jobs_running", "Jobs that are being done now.", multiprocess_mode="livesum")
MAILS = Counter("tasktracker_mails", "Mails that were sent, that failed and are tried again, or were refused.", ("outcome",))
AUDIT_EVENTS = Counter(
    "tasktracker_audit_events",
    "What matters for security, under the names of the log: login_failed, limit_reached and others.",
    ("event",),
)
