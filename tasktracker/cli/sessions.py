"""`flask sessions`: logins as a whole, from the command line."""

import click
from flask.cli import AppGroup

from ..accounts.services import administration
from .terminal import told_plainly

sessions = AppGroup("sessions", help="End logins.")


@sessions.command("end-all")
@told_plainly
def end_all() -> None:
    """Log everyone out, and end every mailed link that was not used; needed after a restore."""
    click.echo(
        f"Sessions that were ended: {administration.end_all_sessions()}. Mailed links that were not used have ended too."
    )
