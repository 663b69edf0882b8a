"""The blueprint of the accounts' routes."""

from ...core.blueprint import Blueprint

blueprint = Blueprint("accounts", __name__, description="Accounts, login, and teams.")
