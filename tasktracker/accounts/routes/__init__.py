"""The routes of accounts; importing the modules registers them."""

from . import credentials, login, profile, registration, teams
from .blueprint import blueprint

__all__ = ["blueprint", "credentials", "login", "profile", "registration", "teams"]
