"""Rate limits of the accounts' routes: for each address and each account, and never against the owner for good."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from tasktracker.accounts import limits
from tasktracker.accounts.models import User
from tasktracker.core.database import session, transactional
from tasktracker.core.limits import network_of
from tasktracker.core.models import now

from ..core.another import another
from ..core.test_limits import ON, is_refused, somewhere, told
from ..people import PASSWORD, path_of
from ..post import do_jobs
from .tokens import claims_of, me, signed

SECRETS_IN_BODIES = {"password", "current_password", "token", "refresh_token"}


@pytest.fixture(scope="module")
def limited(environment, app):
    with another(environment, **ON) as application:
        yield application


@pytest.fixture(scope="module")
def strict(environment, app):
    """Limited, and addresses must be confirmed."""
    with another(environment, **ON, REQUIRE_EMAIL_VERIFICATION="true") as application:
        yield application


def post(application, path, body, *, at=None, token=None):
    headers = {"X-Forwarded-For": at or somewhere(), **({"Authorization": f"Bearer {token}"} if token else {})}
    method = "DELETE" if path == "/users/me" else "POST"
    return application.test_client().open(path_of(path), method=method, json=body, headers=headers)


def log_in(application, name, password=PASSWORD, at=None):
    return post(application, "/auth/login", {"username": name, "password": password}, at=at)


def use_up(application, limit, *, account=None, address=None, leave=0):
    """Counts so often that no more than `leave` tries are left to an account or an address."""
    with application.app_context():
        counters = limit._of(account) if account else limit._counters(limit._of_address, network_of(address))
        limiter = application.extensions["rate_limiter"]
        for counter in counters:
            limiter.hit(*counter, cost=limiter.get_window_stats(*counter).remaining - leave)


def change(app, user_id, **values):
    @transactional
    def run():
        session().execute(update(User).where(User.id == user_id).values(**values))

    with app.app_context():
        run()


# --- each limited route -----------------------------------------------------------------------------------------------
# What it is asked, so that it refuses where it can; the status and code of that; and whose count it is.


def sid(person):
    return claims_of(person.access_token)["sid"]


def a_login(person):
    return {"username": person.username, "password": "wrong"}, (401, "invalid_credentials"), person.username


def a_refresh(person):
    assert person.post("/auth/logout").status_code == 204
    return {"refresh_token": person.refresh_token}, (401, "not_authenticated"), claims_of(person.refresh_token)["sid"]


def a_registration(person):
    return {"email": person.email, "username": "new-here", "password": PASSWORD}, (409, "email_taken"), person.email


def a_mail(person):
    return {"email": person.email.upper()}, (202, None), person.email


def a_token(person):
    return {"token": person.id}, (422, "token_invalid"), person.id


def a_token_and_a_password(person):
    return {"token": person.id, "password": PASSWORD}, (422, "token_invalid"), person.id


def a_password(person):
    return {"current_password": "wrong", "new_password": PASSWORD}, (403, "password_wrong"), sid(person)


def a_new_address(person):
    return {"email": f"new-{person.email}", "password": "wrong"}, (403, "password_wrong"), f"new-{person.email}"


def an_end(person):
    return {"password": "wrong"}, (403, "password_wrong"), sid(person)


ROUTES = {
    "/auth/login": (limits.LOGIN, a_login),
    "/auth/refresh": (limits.REFRESH, a_refresh),
    "/auth/register": (limits.REGISTER, a_registration),
    "/auth/verify-email": (limits.TOKEN, a_token),
    "/auth/resend-verification": (limits.RESEND, a_mail),
    "/auth/forgot-password": (limits.FORGOT, a_mail),
    "/auth/reset-password": (limits.TOKEN, a_token_and_a_password),
    "/auth/change-password": (limits.PASSWORD, a_password),
    "/users/me/email": (limits.NEW_ADDRESS, a_new_address),
    "/users/me": (limits.PASSWORD, an_end),
}
CLOSED = {"/auth/change-password", "/users/me/email", "/users/me"}


class Subject:
    """Someone, and what a route is asked about them."""

    def __init__(self, application, person, path):
        self.application, self.path = application, path
        self.body, self.refusal, self.account = ROUTES[path][1](person)
        self.token = person.access_token if path in CLOSED else None

    def is_judged(self, at=None):
        """Asks, and is not kept from it; returns what the answer tells of limits."""
        answer = post(self.application, self.path, self.body, at=at, token=self.token)
        status, code = self.refusal
        assert answer.status_code == status, answer.text
        assert answer.json.get("code") == code
        return told(answer)

    def is_refused(self, at=None):
        answer = post(self.application, self.path, self.body, at=at, token=self.token)
        assert is_refused(answer) > 0
        return told(answer)


@pytest.mark.parametrize("path", ROUTES)
def test_what_a_route_refuses_is_counted_for_the_account_and_for_the_address(limited, person, path):
    limit, (ada, bob, cy) = ROUTES[path][0], (Subject(limited, person(), path) for _ in range(3))
    tightest = min(limit._of_account, key=lambda item: item.amount)
    (of_address,) = limit._of_address

    # The account, wherever it is asked from.
    here = somewhere()
    assert ada.is_judged(here)[:2] == (tightest.amount, tightest.amount - 1)
    assert ada.is_judged()[:2] == (tightest.amount, tightest.amount - 2)
    use_up(limited, limit, account=ada.account, leave=1)
    assert ada.is_judged()[:2] == (tightest.amount, 0)
    for at in (here, None):
        amount, _, reset = ada.is_refused(at)
        assert amount in {item.amount for item in limit._of_account}
        assert reset <= max(item.get_expiry() for item in limit._of_account)
    assert bob.is_judged(here)[:2] == (tightest.amount, tightest.amount - 1)

    # The address, whoever is meant; what it is refused takes nothing from the account.
    there = somewhere()
    use_up(limited, limit, address=there, leave=1)
    assert bob.is_judged(there)[:2] == (of_address.amount, 0)
    for _ in range(2):
        amount, _, reset = cy.is_refused(there)
        assert (amount, reset <= of_address.get_expiry()) == (of_address.amount, True)
    assert cy.is_judged()[:2] == (tightest.amount, tightest.amount - 1)


def test_every_limited_route_stands_above_and_every_route_that_takes_a_secret_is_limited(app):
    document = app.test_client().get("/api/v1/openapi.json").json
    limited = set()
    for path, item in document["paths"].items():
        for operation in (item[method] for method in item if method != "parameters"):
            if "429" in operation["responses"]:
                limited.add(path.removeprefix("/api/v1"))
                continue
            for media in operation.get("requestBody", {"content": {}})["content"].values():
                schema = document["components"]["schemas"][media["schema"]["$ref"].rpartition("/")[2]]
                assert not SECRETS_IN_BODIES & set(schema["properties"]), path
    assert limited == set(ROUTES)


def test_a_changed_address_is_counted_for_who_asks_and_for_who_gets_the_mail(limited, ada, bob):
    def ask(person, email):
        return post(limited, "/users/me/email", {"email": email, "password": PASSWORD}, token=person.access_token)

    assert [ask(person, f"new-{ada.email}").status_code for person in (ada, bob, ada, bob, ada, bob)] == [202] * 5 + [429]
    use_up(limited, limits.PASSWORD, account=sid(ada))
    assert told(ask(ada, f"newer-{ada.email}"))[0] == 100


def test_mails_of_one_kind_leave_those_of_another_alone(limited, strict, person):
    """Nobody keeps an owner from a new password by asking for what is never sent."""
    ada, eve = person(), person()
    for route in ("/auth/resend-verification", "/users/me/email"):
        body = {"email": ada.email} | ({"password": "wrong"} if route == "/users/me/email" else {})
        answers = [post(limited, route, body, token=eve.access_token if len(body) > 1 else None) for _ in range(6)]
        assert answers[-1].status_code == 429, route
    assert [post(limited, "/auth/forgot-password", {"email": ada.email}).status_code for _ in range(6)] == [202] * 5 + [429]
    new = {"email": f"{secrets.token_hex(6)}@new.test", "password": PASSWORD}
    assert [post(strict, "/auth/resend-verification", {"email": new["email"]}).status_code for _ in range(6)][-1] == 429
    answers = [post(strict, "/auth/register", {**new, "username": f"new-{secrets.token_hex(6)}"}) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429]


def test_other_routes_tell_of_no_limit(limited, ada):
    answers = [limited.test_client().get(path) for path in ("/healthz", "/readyz", "/api/v1/tasks", "/nope", "/verify-email")]
    token = {"Authorization": f"Bearer {ada.access_token}"}
    answers += [limited.test_client().get(path_of(path), headers=token) for path in ("/users/me", "/auth/sessions", "/tasks")]
    answers += [post(limited, "/tasks", {"title": "a"}, token=ada.access_token)]
    answers += [limited.test_client().post(path_of("/auth/logout"), headers=token)]
    for answer in answers:
        assert answer.status_code != 429
        assert not [name for name, _ in answer.headers if name.startswith("RateLimit")]


# --- nobody learns who has an account ---------------------------------------------------------------------------------


def test_known_unknown_disabled_and_unconfirmed_count_alike(limited, app, person):
    def told_of(path, body_of, tries):
        """What is told about each of them, but for the seconds that differ."""
        known, disabled, unconfirmed = person(), person(), person()
        change(app, disabled.id, disabled_at=now())
        change(app, unconfirmed.id, activated_at=None, email_verified_at=None)
        name = f"nobody-{secrets.token_hex(5)}"
        for who in (known, disabled, unconfirmed, SimpleNamespace(username=name, email=f"{name}@example.com")):
            answers = [post(limited, path, body_of(who)) for _ in range(tries)]
            assert max(told(answer)[2] for answer in answers) - min(told(answer)[2] for answer in answers) < 60
            yield [(answer.status_code, answer.json.get("code"), *told(answer)[:2]) for answer in answers]

    refused = (429, "rate_limited")
    judged = [(401, "invalid_credentials", 10, left) for left in range(9, -1, -1)]
    for standings in told_of("/auth/login", lambda who: {"username": who.username, "password": "wrong"}, 12):
        assert standings == [*judged, (*refused, 10, 0), (*refused, 10, 0)]
    for path in ("/auth/forgot-password", "/auth/resend-verification"):
        for standings in told_of(path, lambda who: {"email": who.email}, 6):
            assert standings == [(202, None, 5, left) for left in range(4, -1, -1)] + [(*refused, 5, 0)]


def test_every_spelling_of_a_name_is_one_name(limited, ada):
    full_width = "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in ada.email)
    nobody = f"nobody-{secrets.token_hex(5)}"
    spellings = (
        (ada.username, ada.username.upper(), f" {ada.username.title()}\n"),
        (ada.email, ada.email.title(), full_width),
        (nobody, nobody.upper(), f"\uff4e{nobody[1:]}"),
    )
    for names in spellings:
        assert [told(log_in(limited, name, "wrong"))[1] for name in names] == [9, 8, 7]


def test_nobody_learns_which_address_belongs_to_a_name(limited, ada):
    for _ in range(11):
        answer = log_in(limited, ada.username, "wrong")
    is_refused(answer)
    assert told(log_in(limited, ada.email, "wrong"))[1] == 9


# --- the owner --------------------------------------------------------------------------------------------------------


def strangers_guess(application, person):
    """Strangers use up what is allowed for a whole month."""
    for name in (person.username, person.email):
        use_up(application, limits.LOGIN, account=name)
    assert is_refused(log_in(application, person.username)) > 29 * 24 * 3600


def test_an_owner_gets_in_where_they_logged_in_before(limited, ada):
    home = somewhere()
    assert log_in(limited, ada.username, at=home).status_code == 200
    strangers_guess(limited, ada)
    assert log_in(limited, ada.email, at=home).status_code == 200
    # Who guesses there, or has learned the password, has no more tries than elsewhere.
    answers = [log_in(limited, ada.username, "wrong", at=home) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert is_refused(log_in(limited, ada.username)) > 0


def test_an_owner_gets_in_where_they_used_a_mailed_token(limited, strict, app, person, office):
    ada, here, there = person(), somewhere(), somewhere()
    strangers_guess(limited, ada)
    assert post(limited, "/auth/forgot-password", {"email": ada.email}).status_code == 202
    do_jobs(app)
    body = {"token": office.to(ada.email)[-1].token, "password": "another horse battery staple"}
    assert post(limited, "/auth/reset-password", body, at=here).status_code == 204
    strangers_guess(limited, ada)
    is_refused(log_in(limited, ada.username, body["password"], at=there))
    assert log_in(limited, ada.username, body["password"], at=here).status_code == 200

    bob = {"email": f"{secrets.token_hex(6)}@new.test", "username": f"bob-{secrets.token_hex(6)}", "password": PASSWORD}
    assert post(strict, "/auth/register", bob).status_code == 202
    do_jobs(app)
    assert post(strict, "/auth/verify-email", {"token": office.to(bob["email"])[-1].token}, at=here).status_code == 204
    answers = [log_in(strict, bob["email"], "wrong") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert log_in(strict, bob["username"], at=here).status_code == 200


def test_whoever_proves_who_they_are_begins_anew(limited, app, ada, office):
    here = somewhere()
    for _ in range(9):
        log_in(limited, ada.username, "wrong")
    assert log_in(limited, ada.username, at=here).status_code == 200
    assert [told(log_in(limited, ada.username, "wrong"))[1] for _ in range(2)] == [9, 8]

    # A password that is reset, also where somebody in the same house has used up every try of every name.
    strangers_guess(limited, ada)
    for name in (ada.username, ada.email):
        use_up(limited, limits.LOGIN_FROM, account=f"{name} from {network_of(here)}")
    is_refused(log_in(limited, ada.username, at=here))
    assert post(limited, "/auth/forgot-password", {"email": ada.email}).status_code == 202
    do_jobs(app)
    body = {"token": office.to(ada.email)[-1].token, "password": "another horse battery staple"}
    assert post(limited, "/auth/reset-password", body, at=here).status_code == 204
    for name in (ada.username, ada.email):
        assert log_in(limited, name, body["password"], at=here).status_code == 200
        assert log_in(limited, name, body["password"]).status_code == 200


def test_a_thief_in_one_session_does_not_keep_the_owner_in_another_from_a_new_password(limited, ada):
    other = log_in(limited, ada.username).json["access_token"]
    body = {"current_password": "wrong", "new_password": PASSWORD}
    answers = [post(limited, "/auth/change-password", body, token=ada.access_token) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    body["current_password"] = PASSWORD
    assert post(limited, "/auth/change-password", body, token=other).status_code == 204


def test_all_are_counted_alike_wherever_they_are_known(limited, ada):
    """Whoever shares an address with others does not learn from numbers who of them has an account."""
    home = somewhere()
    assert log_in(limited, ada.username, at=home).status_code == 200
    nobody = f"nobody-{secrets.token_hex(5)}"
    for name in (ada.username, nobody):
        left = [told(log_in(limited, name, "wrong", at=home))[1] for _ in range(3)]
        assert (left, told(log_in(limited, name, "wrong"))[1]) == ([9, 8, 7], 6)


def test_a_network_of_ipv6_is_one_place(limited, ada):
    net = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}"
    assert log_in(limited, ada.username, at=f"{net}::1").status_code == 200
    strangers_guess(limited, ada)
    assert log_in(limited, ada.username, at=f"{net}:1:2:3:4").status_code == 200


def test_guesses_from_elsewhere_never_touch_a_session(limited, ada):
    sid = claims_of(ada.refresh_token)["sid"]
    strangers_guess(limited, ada)
    use_up(limited, limits.FORGOT, account=ada.email)
    for claims in ({**claims_of(ada.refresh_token)}, {"sid": sid}):
        for _ in range(31):
            answer = post(limited, "/auth/refresh", {"refresh_token": signed(claims, key="x" * 40)})
            assert answer.status_code in (401, 429)
        is_refused(answer)  # What is no token is counted as itself.
    assert me(ada, app=limited).status_code == 200
    answer = post(limited, "/auth/refresh", {"refresh_token": ada.refresh_token})
    assert (answer.status_code, told(answer)[:2]) == (200, (30, 29))
    assert me(ada, answer.json["access_token"], limited).status_code == 200
    assert post(limited, "/tasks", {"title": "a"}, token=ada.access_token).status_code == 201
    body = {"current_password": PASSWORD, "new_password": PASSWORD}
    assert post(limited, "/auth/change-password", body, token=ada.access_token).status_code == 204
    assert me(ada, app=limited).status_code == 200


def test_of_20_guesses_at_once_10_are_judged(limited, ada):
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: log_in(limited, ada.username, "wrong"), range(20)))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 10


def test_nobody_fills_a_mailbox_with_notices_and_none_but_the_owner_uses_them_up(limited, ada):
    body = {"current_password": PASSWORD, "new_password": PASSWORD}
    use_up(limited, limits.NOTICE, account=ada.id, leave=1)
    assert (
        post(limited, "/auth/change-password", {**body, "current_password": "wrong"}, token=ada.access_token).status_code == 403
    )
    assert post(limited, "/auth/change-password", body, token=ada.access_token).status_code == 204
    is_refused(post(limited, "/auth/change-password", body, token=ada.access_token))
    email = {"email": f"{secrets.token_hex(6)}@new.test", "password": PASSWORD}
    is_refused(post(limited, "/users/me/email", email, token=ada.access_token))
