"""How often what concerns accounts may be tried (OWASP ASVS 6.3.1); docs/authentication.md has them as a table.

No limit may lock an owner out. Whoever logs in where the account was used before is not refused for what strangers try, a
mailed token makes a place known, and a new password begins the count anew. Each mail has a count of its own: who may not ask
for another link to choose a password has five that were sent within the hour.
"""

from ..core.limits import Limit, network_of

# An account has two names, the username and the address: within 30 days 100 failures at most, without another proof of who
# it is (NIST SP 800-63B-4, 3.2.2).
LOGIN = Limit("login", per_address="100 per 5 minutes", per_account="10 per 15 minutes; 50 per 30 days")
# From one network, also from where the account was used before.
LOGIN_FROM = Limit("login_from", per_address="100 per 5 minutes", per_account="10 per 15 minutes")
REFRESH = Limit("refresh", per_address="600 per minute", per_account="30 per minute")
REGISTER = Limit("register", per_address="200 per hour", per_account="50 per hour")
# What makes us send a mail to an address that somebody names: one person gets so many, one sender causes so many.
WELCOME = Limit("welcome", per_address="100 per hour", per_account="10 per hour")
RESEND = Limit("resend", per_address="100 per hour", per_account="5 per hour")
FORGOT = Limit("forgot", per_address="100 per hour", per_account="5 per hour")
NEW_ADDRESS = Limit("new_address", per_address="100 per hour", per_account="5 per hour")
# Using a mailed token; the account is the token.
TOKEN = Limit("token", per_address="100 per hour", per_account="20 per hour")
# Whatever asks for the current password; the account is the session, so that a thief in one does not keep the owner in another
# from throwing the thief out.
PASSWORD = Limit("password", per_address="100 per 5 minutes", per_account="10 per 15 minutes; 100 per 30 days")
# What their owner is told of by mail; only who knows the password is counted, so nobody else can use it up.
NOTICE = Limit("notice", per_address="100 per hour", per_account="20 per hour")


def count_login(name: str, address: str | None, *, known: bool) -> None:
    """Counts a login, for all and everywhere alike, so that the numbers tell nothing.

    Args:
        name: the username or the e-mail address that is given, folded.
        address: where the request comes from.
        known: whether the account was used from there before; then it is not refused for guesses from elsewhere.

    Raises:
        TooMany: the limit is reached.
    """
    LOGIN_FROM.count(_from(name, address))
    LOGIN.count(name, refuses=not known)


def forgive_login(name: str, address: str | None) -> None:
    """Forgets the failures of a name, because its owner has proved who they are."""
    LOGIN.forgive(name)
    LOGIN_FROM.forgive(_from(name, address))


def _from(name: str, address: str | None) -> str:
    return f"{name} from {network_of(address)}"
