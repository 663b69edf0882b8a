"""Sessions that are ended by one process while others use and prolong them."""

from functools import partial

from tasktracker.accounts.services.administration import disable

from ..people import PASSWORD
from ..racing import statuses
from ..remote import ask, together


def refresh(services, token):
    return partial(ask, services.urls[0], "POST", "/auth/refresh", {"refresh_token": token})


def are_dead(services, pairs):
    """Neither token of any pair is accepted any more, by any process: so often does each get its turn."""
    for pair in pairs:
        token = {"Authorization": f"Bearer {pair['access_token']}"}
        for url in services.urls * 2:
            assert ask(url, "GET", "/users/me", headers=token).status_code == 401
            assert ask(url, "POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]}).status_code == 401


def test_after_a_logout_no_refresh_that_came_before_or_after_has_a_token_that_works(services, person):
    for _ in range(4):
        ada = person("ada")
        ask_me = partial(ada.get, "/users/me")
        refreshes = [refresh(services, ada.refresh_token)] * 6
        left, *answers = together([partial(ada.post, "/auth/logout"), *refreshes, ask_me, ask_me])
        assert left.status_code == 204
        assert set(statuses(answers)) <= {200, 401}
        pairs = [answer.json for answer in answers[:6] if answer.status_code == 200]
        are_dead(services, [{"access_token": ada.access_token, "refresh_token": ada.refresh_token}, *pairs])


def test_of_many_logouts_of_a_session_each_is_told_that_it_is_over(services, ada):
    answers = together([partial(ada.post, "/auth/logout")] * 8)
    assert set(statuses(answers)) <= {204, 401}
    assert statuses(answers)[204] >= 1
    are_dead(services, [{"access_token": ada.access_token, "refresh_token": ada.refresh_token}])


def log_in(services, person):
    return partial(ask, services.urls[-1], "POST", "/auth/login", {"username": person.username, "password": PASSWORD})


def test_who_logs_in_while_being_disabled_is_out_afterwards(services, person):
    """The command line is a process of its own beside those that serve; here it is that of the tests."""
    for _ in range(2):
        ada = person("ada")

        def keep_out(username=ada.username):
            with services.app.app_context():
                return disable(username)

        done, *answers = together([keep_out, *[log_in(services, ada)] * 5])
        assert done
        assert set(statuses(answers)) <= {200, 401}
        pairs = [answer.json for answer in answers if answer.status_code == 200]
        are_dead(services, [*pairs, {"access_token": ada.access_token, "refresh_token": ada.refresh_token}])


def test_who_logs_in_while_their_account_ends_is_out_afterwards(services, ada):
    ended, *answers = together([partial(ada.delete, "/users/me", json={"password": PASSWORD}), *[log_in(services, ada)] * 5])
    assert ended.status_code == 204, ended.text
    assert set(statuses(answers)) <= {200, 401}
    are_dead(services, [answer.json for answer in answers if answer.status_code == 200])
