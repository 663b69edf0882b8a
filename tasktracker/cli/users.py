"""`flask users`: accounts from the command line."""

import sys
from collections.abc import Iterator
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup
from marshmallow import ValidationError
from sqlalchemy import Row, String, bindparam, func, select
from sqlalchemy.types import Integer

from config import Settings

from ..accounts.models import User
from ..accounts.password_rules import WeakPasswordError, check_password
from ..accounts.schemas import NewUser
from ..accounts.services import administration
from ..accounts.services.users import create_user
from ..core.statement import Statement
from .terminal import told_plainly

_AT_ONCE = 500
_HEADERS = ("USERNAME", "E-MAIL", "DISPLAY NAME", "ADMIN", "CONFIRMED", "DISABLED", "CREATED")
_WIDTHS = Statement(select(*(func.max(func.length(column)) for column in (User.username, User.email, User.display_name))))
_USERS = Statement(
    select(User.username, User.email, User.display_name, User.is_admin, User.activated_at, User.disabled_at, User.created_at)
    .where(User.username > bindparam("after", type_=String()))
    .order_by(User.username)
    .limit(bindparam("most", type_=Integer()))
)

users = AppGroup("users", help="Manage accounts.")


@users.command("create")
@click.option("--email", required=True, help="Their address; it counts as verified.")
@click.option("--username", required=True, help="3 to 32 of a-z, 0-9, '.', '_' and '-'.")
@click.option("--admin", is_flag=True, help="They run the site.")
@told_plainly
def create(email: str, username: str, *, admin: bool) -> None:
    """Make an account.

    Asks for the password, or reads one line of standard input where that is no terminal.
    """
    settings: Settings = current_app.config["SETTINGS"]
    who = _checked({"email": email, "username": username}, NewUser(exclude=["password"]))
    password = _checked({"password": _ask_password()}, NewUser(only=["password"]))["password"]
    try:
        check_password(password, min_length=settings.password_min_length, **who)
    except WeakPasswordError as error:
        raise click.ClickException(f"password: {error}") from error
    create_user(**who, password=password, verified=True, admin=admin)
    click.echo(f"Made the account {who['username']}.")


def _checked(given: dict[str, str], schema: NewUser) -> dict[str, Any]:
    """The input, as it is stored.

    Raises:
        ClickException: with a line for each option that breaks a rule.
    """
    try:
        return schema.load(given)
    except ValidationError as error:
        messages: dict[str, Any] = error.normalized_messages()
        raise click.ClickException("\n".join(f"{name}: {found[0]}" for name, found in messages.items())) from error


def _ask_password() -> str:
    if sys.stdin.isatty():
        return click.prompt("Password", hide_input=True, confirmation_prompt=True)
    line = sys.stdin.buffer.readline().removesuffix(b"\n").removesuffix(b"\r")
    return line.decode(errors="surrogateescape")


@users.command("disable")
@click.argument("username")
@told_plainly
def disable(username: str) -> None:
    """Keep a user out; all their sessions end at once."""
    done = administration.disable(username)
    click.echo(f"{username} is kept out, and logged out everywhere." if done else f"{username} was kept out already.")


@users.command("enable")
@click.argument("username")
@told_plainly
def enable(username: str) -> None:
    """Let a user in again."""
    done, waits = administration.enable(username)
    if done and waits:
        click.echo(f"{username} is not kept out any more, and can log in once the address is confirmed.")
    else:
        click.echo(f"{username} can log in again." if done else f"{username} was not kept out.")


@users.command("promote")
@click.argument("username")
@told_plainly
def promote(username: str) -> None:
    """Make a user one of those who run the site."""
    done = administration.promote(username)
    click.echo(f"{username} runs the site now." if done else f"{username} runs the site already.")


@users.command("send-reset")
@click.argument("username")
@told_plainly
def send_reset(username: str) -> None:
    """Send a user a link to choose a new password."""
    if not administration.send_reset(username):
        raise click.ClickException(f"{username} is disabled or has not confirmed the address; nothing was sent.")
    click.echo(f"A mail to {username} waits for the worker.")


@users.command("list")
@told_plainly
def show() -> None:
    """List all accounts, by username."""
    longest = [width or 0 for width in _WIDTHS.rows()[0]]
    widths = [max(len(header), width) for header, width in zip(_HEADERS, (*longest, 0, 0, 20, 20), strict=True)]
    for cells in (_HEADERS, *_table()):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def _table() -> Iterator[tuple[str, ...]]:
    for user in _all_users():
        disabled = f"{user.disabled_at:%Y-%m-%dT%H:%M:%SZ}" if user.disabled_at else "-"
        admin = "yes" if user.is_admin else "-"
        confirmed = "yes" if user.activated_at else "waits"
        created = f"{user.created_at:%Y-%m-%dT%H:%M:%SZ}"
        yield user.username, user.email, user.display_name, admin, confirmed, disabled, created


def _all_users() -> Iterator[Row[Any]]:
    """All users, read in portions, so that neither memory nor a transaction grows with their number."""
    after = ""
    while portion := _USERS.rows(after=after, most=_AT_ONCE):
        yield from portion
        after = portion[-1].username
