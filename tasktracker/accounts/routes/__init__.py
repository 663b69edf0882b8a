"""The routes of accounts; importing the modules registers them, in the order in which the document shows them."""

# ruff: noqa: I001
from . import registration, login, credentials, profile, teams
from .blueprint import blueprint

__all__ = ["blueprint", "credentials", "login", "profile", "registration", "teams"]
