"""How often what concerns accounts may be tried (OWASP ASVS 6.3.1); docs/authentication.md has them as a table.

An account's limit must not lock its owner out: whoever calls from an address where the account was used before is counted
apart from strangers, and a mailed token makes an address known.
"""

from ..core.limits import Limit

# An account has two names, the username and the address: within 30 days 100 failures at most, without another proof of who
# it is (NIST SP 800-63B-4, 3.2.2).
LOGIN = Limit("login", per_address="100 per 5 minutes", per_account="10 per 15 minutes; 50 per 30 days")
REFRESH = Limit("refresh", per_address="600 per minute", per_account="30 per minute")
REGISTER = Limit("register", per_address="200 per hour", per_account="50 per hour")
# All that makes us send a mail to an address that somebody names: one person gets so many, one sender causes so many.
MAIL = Limit("mail", per_address="100 per hour", per_account="5 per hour; 20 per day")
# Using a mailed token; the account is the token.
TOKEN = Limit("token", per_address="100 per hour", per_account="20 per hour")
# Whatever asks for the current password.
PASSWORD = Limit("password", per_address="100 per 5 minutes", per_account="10 per 15 minutes")
