"""The pages that links in mails open: confirm an address, choose a new password.

Opening one does nothing, because programs that check mails open their links too: the script takes the token out of the
address, and what a person presses sends it (OWASP ASVS 14.2.1). What the pages say stands in their templates.
"""

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, render_template, send_from_directory

from ..core.errors import NotFound
from ..core.http import PREFIX
from ..core.openapi import public

_FOLDER = Path(__file__).with_name("pages")
_ASSETS = {
    "icon.svg": "image/svg+xml",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "show-password.js": "text/javascript",
}
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# Templates of all blueprints share their names, so the folder is part of them.
pages = Blueprint("pages", __name__, template_folder=".")


@pages.get("/verify-email")
@public
def verify_email() -> Response:
    """A button that confirms the address."""
    return _page("verify-email")


@pages.get("/reset-password")
@public
def reset_password() -> Response:
    """A form for a new password."""
    return _page("reset-password", shortest=current_app.config["SETTINGS"].password_min_length)


def _page(name: str, **values: Any) -> Response:
    text = render_template(f"pages/{name}.html", api=PREFIX, **values)
    return Response(text, mimetype="text/html", headers={"Content-Security-Policy": _CSP, "Cache-Control": "no-store"})


@pages.get("/pages/<name>")
@public
def asset(name: str) -> Response:
    """One of the files that the pages load.

    Raises:
        NotFound: it is none of them.
    """
    if name not in _ASSETS:
        raise NotFound
    return send_from_directory(_FOLDER, name, mimetype=_ASSETS[name])
