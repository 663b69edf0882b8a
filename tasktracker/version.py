"""The version of TaskTracker; it stands nowhere else."""

VERSION = "0.1.0"
