"""POST /auth/register, /auth/verify-email and /auth/resend-verification, with verification on and off, open and closed."""

import pytest

from ..core.another import another
from ..people import PASSWORD, problem
from ..post import do_jobs


@pytest.fixture(scope="module")
def strict(environment, app):
    """The same service where addresses must be confirmed."""
    with another(environment, REQUIRE_EMAIL_VERIFICATION="true") as application:
        yield application


def post(app, path, **body):
    return app.test_client().post(f"/api/v1{path}", json=body)


def test_smoke(strict, office, person):
    name = person().username[5:]
    answer = post(strict, "/auth/register", email=f"{name}@x.test", username=f"n{name}", password=PASSWORD)
    assert answer.status_code == 202
    do_jobs(strict)
    (letter,) = office.to(f"{name}@x.test")
    problem(post(strict, "/auth/login", username=f"n{name}", password=PASSWORD), 401)
    assert post(strict, "/auth/verify-email", token=letter.token).status_code == 204
    assert post(strict, "/auth/login", username=f"n{name}", password=PASSWORD).status_code == 200
    assert "<a href=" in letter.html
