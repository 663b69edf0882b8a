"""What a team does all day, for Locust: four reads for each write. `make load` runs it; it has .venv-load for itself.

The people are one user of the sample data, as often as there are to be users at once, with the token in ACCESS_TOKEN: logins
are rare in a team's day, and each costs as much as dozens of other requests.
"""

import os
import random
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from locust import FastHttpUser, between, task

API = "/api/v1"
STATUSES = ("todo", "in_progress", "in_review", "done", "cancelled")
WORDS = ("release", "login", "page", "report", "mail", "search", "test", "customer")
AUTHORIZATION = {"Authorization": f"Bearer {os.environ['ACCESS_TOKEN']}"}


def any_of(options: Sequence[str]) -> str:
    """One of them."""
    return random.choice(options)  # noqa: S311 # nosec B311


class Person(FastHttpUser):
    """Someone at work. The weights of all that they do make 100."""

    wait_time = between(0.05, 0.25)

    def on_start(self) -> None:
        """Looks around."""
        everything = self._do("GET", "/projects?page_size=100", "look around")
        self._projects = [project["id"] for project in everything if not project["is_inbox"]]
        self._tasks = [each["id"] for each in self._do("GET", "/tasks?page_size=100", "look around")]
        self._made: list[str] = []

    def _do(self, method: str, path: str, name: str, **kwargs: Any) -> Any:
        """A request that is counted under a name; anything but a success is a failure."""
        headers = {**AUTHORIZATION, **kwargs.pop("headers", {})}
        with self.client.request(method, API + path, name=name, headers=headers, catch_response=True, **kwargs) as answer:
            if not 200 <= answer.status_code < 300:
                answer.failure(f"answered {answer.status_code}")
                return {}
            return answer.json() if answer.text else {}

    @task(25)
    def list(self) -> None:
        """The board of a project, one column of it."""
        project, status = any_of(self._projects), any_of(STATUSES)
        self._do("GET", f"/tasks?project_id={project}&status={status}", "list")

    @task(20)
    def get(self) -> None:
        """One task."""
        self._do("GET", f"/tasks/{any_of(self._tasks)}", "get")

    @task(10)
    def mine(self) -> None:
        """What there is for me to do."""
        self._do("GET", "/tasks?assigned_to=me&status=todo&status=in_progress&sort=due_date", "mine")

    @task(10)
    def filter(self) -> None:
        """What is urgent, everywhere."""
        self._do("GET", "/tasks?priority=urgent&priority=high&sort=-priority,due_date", "filter")

    @task(8)
    def search(self) -> None:
        """Words."""
        self._do("GET", f"/tasks?search={any_of(WORDS)}", "search")

    @task(5)
    def projects(self) -> None:
        """My projects."""
        self._do("GET", "/projects", "projects")

    @task(2)
    def tags(self) -> None:
        """The tags of a project."""
        self._do("GET", f"/projects/{any_of(self._projects)}/tags", "tags")

    @task(11)
    def patch(self) -> None:
        """A task moves on."""
        self._do("PATCH", f"/tasks/{any_of(self._tasks)}", "patch", json={"status": any_of(STATUSES)})

    @task(7)
    def create(self) -> None:
        """A new task."""
        body = {"title": "Made under load", "project_id": any_of(self._projects), "due_date": "2027-03-14"}
        made = self._do("POST", "/tasks", "create", json=body, headers={"Idempotency-Key": str(uuid4())})
        if made:
            self._made.append(made["id"])

    @task(2)
    def delete(self) -> None:
        """A task of one's own goes; where there is none yet, it is made first."""
        if not self._made:
            self.create()
        if self._made:
            self._do("DELETE", f"/tasks/{self._made.pop()}", "delete")
