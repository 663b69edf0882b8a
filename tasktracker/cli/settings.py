"""`flask check-config`: what the settings are and what is wrong with them, also where nothing can start with them."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

import click
from dotenv import dotenv_values
from flask import current_app
from flask.cli import with_appcontext

from config import BASE, Settings

HIDDEN = "********"


@click.command("check-config")
@with_appcontext
def check_config() -> None:
    """Show every setting, and what is wrong with them.

    The exit status is 1 where something is.
    """
    rows = list(_rows(current_app.config.get("SETTINGS")))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, meaning in rows:
        click.echo(f"{name:{widths[0]}}  {value:{widths[1]}}  {meaning}")
    faults: Mapping[str, str] = current_app.config.get("SETTINGS_FAULTS", {})
    if not faults:
        click.echo("\nEvery setting is sound.")
        return
    click.echo("\nThese are the settings as they are written; one without a value has its default.\n")
    for name, fault in faults.items():
        click.echo(f"{name}: {fault}", err=True)
    raise click.exceptions.Exit(1)


def _rows(settings: Settings | None) -> Iterator[tuple[str, str, str]]:
    """Name, value and meaning of each setting; what is written, where it cannot be understood."""
    written: dict[str, str | None] = {} if settings else {**dotenv_values(BASE / ".env"), **os.environ}
    for item in fields(Settings):
        name = item.name.upper()
        value: Any = getattr(settings, item.name) if settings else written.get(name)
        yield name, _shown(name, value, secret=item.metadata["secret"]), item.metadata["meaning"]


def _shown(name: str, value: Any, *, secret: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    if value is None or not text:
        return "-"
    if not secret:
        return text
    return without_login(text) if name.endswith("_URL") else HIDDEN


def without_login(url: str) -> str:
    """An address without user, password and what follows a question mark; nothing of it if it is none."""
    scheme, separator, rest = url.partition("://")
    login, at, place = rest.rpartition("@")
    place = place.partition("?")[0]
    try:
        _ = urlsplit(f"{scheme}://{place}").port  # What is no number there may be a password.
    except ValueError:
        return HIDDEN
    return f"{scheme}://{HIDDEN if login else ''}{at}{place}" if separator else HIDDEN
