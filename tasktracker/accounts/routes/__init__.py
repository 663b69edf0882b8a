"""The routes of accounts; importing the modules registers them."""

from . import login, profile, teams
from .blueprint import blueprint

__all__ = ["blueprint", "login", "profile", "teams"]
