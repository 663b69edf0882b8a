"""How bodies and query strings are read: strictly, so that nothing a client wrote is silently ignored."""

from collections.abc import Mapping
from contextlib import suppress
from threading import Timer
from typing import Any, NoReturn

from flask import Request, g, request
from gunicorn.http.errors import ParseException
from marshmallow import RAISE, Schema, ValidationError, fields
from webargs.flaskparser import FlaskParser
from webargs.multidictproxy import MultiDictProxy
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from . import json
from .errors import Fault, Invalid, Malformed, TooLarge, UnsupportedMedia

LARGEST_BODY = 2**20
_MOST_DISCARDED, _PIECE = 2**24, 2**16
_DISCARDING_SECONDS = 2.0
_MOST_UNKNOWN = 100
_LOCATIONS = {"json": "body", "query": "query"}


class StrictParser(FlaskParser):
    """Reads a request for flask-smorest."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": RAISE, "query": RAISE}

    def load_json(self, req: Request, schema: Schema) -> Any:
        """The body: one JSON object."""
        body = read_body(req)
        if body is None:
            raise Invalid.field("", "A JSON object is needed.")
        return _with_few_unknown(body, schema)

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """The query string, in which only lists may be given several times."""
        refuse_repeated(req.args, schema)
        return MultiDictProxy(req.args, schema)

    def handle_error(
        self, error: ValidationError, req: Request, schema: Schema, *, error_status_code: int | None, error_headers: Any
    ) -> NoReturn:
        """Turns marshmallow's messages into faults with pointers."""
        raise Invalid(faults=faults_of(error.normalized_messages())) from error


def _with_few_unknown(body: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """The body without most of its unknown fields, if it has thousands: each costs time, and an answer tells of a few."""
    unknown = [name for name in body if name not in schema.fields]
    for name in unknown[_MOST_UNKNOWN:]:
        del body[name]
    return body


def read_body(req: Request) -> dict[str, Any] | None:
    """The JSON object in the body; none if there is no body.

    Raises:
        TooLarge: more than 1 MiB.
        UnsupportedMedia: not `application/json`, or compressed, or in another encoding than UTF-8.
        Malformed: cut, or in chunks that are none, or not JSON as `core/json` reads it.
        Invalid: JSON that is not an object.
    """
    try:
        data = req.get_data()
    except RequestEntityTooLarge as error:
        raise TooLarge from error
    except ParseException as error:
        raise Malformed("The chunks of the body cannot be read.") from error
    # A chunked body says no length: Werkzeug stops reading at its limit, which is one byte above ours.
    if len(data) > LARGEST_BODY:
        raise TooLarge
    if len(data) < (req.content_length or 0):
        raise Malformed("The body is shorter than its Content-Length.")
    g.body_is_read = True
    if not data:
        return None
    if not _is_plain_json(req):
        raise UnsupportedMedia
    body = json.read(data)
    if not isinstance(body, dict):
        raise Invalid.field("", "Not a JSON object.")
    return body


def _is_plain_json(req: Request) -> bool:
    """Whether a body is JSON in UTF-8 that is not compressed, by what its headers say."""
    environ = req.environ
    if "HTTP_CONTENT_ENCODING" in environ or "HTTP_TRANSFER_ENCODING" in environ:
        headers = req.headers
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            return False
        if headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
            return False
    # What nearly all send needs not be taken apart.
    if environ.get("CONTENT_TYPE") == "application/json":
        return True
    return req.mimetype == "application/json" and req.mimetype_params.get("charset", "utf-8").lower() == "utf-8"


def discard_body(req: Request) -> None:
    """Takes in what is left of a body that nobody asked for, within reason: a client that still sends reads no answer.

    Where it does not end in time, or cannot be read, the server closes the connection after the answer.
    """
    has_body = req.content_length or "Transfer-Encoding" in req.headers
    if not has_body or g.get("body_is_read"):
        return
    stream, connection = req.environ["wsgi.input"], req.environ.get("gunicorn.socket")
    if connection is None:
        return
    before = connection.gettimeout()
    connection.settimeout(_DISCARDING_SECONDS)
    # This time-out begins anew with each byte. When the time is over in all, the next byte is the last.
    clock = Timer(_DISCARDING_SECONDS, connection.settimeout, [0.001])
    clock.start()
    with suppress(ParseException, OSError):
        for _ in range(_MOST_DISCARDED // _PIECE):
            if not stream.read(_PIECE):
                break
    clock.cancel()
    clock.join()
    connection.settimeout(before)


def refuse_repeated(arguments: MultiDict[str, str], schema: Schema) -> None:
    """Refuses a parameter that is given twice and is not a list (OWASP ASVS 15.3.7)."""
    repeated = [
        name for name, values in arguments.lists() if len(values) > 1 and not isinstance(schema.fields.get(name), fields.List)
    ]
    if repeated:
        raise Invalid(faults=[Fault("query", pointer(name), "Given more than once.") for name in repeated])


def refuse_undeclared(*, query: bool, body: bool) -> None:
    """Refuses parameters and fields on a route that takes none."""
    faults: list[Fault] = []
    if query and request.args:
        faults += [Fault("query", pointer(name), "Unknown parameter.") for name in request.args]
    if body and (request.content_length or "Transfer-Encoding" in request.headers):
        faults += [Fault("body", pointer(name), "Unknown field.") for name in read_body(request) or {}]
    if faults:
        raise Invalid(faults=faults)


def faults_of(messages: Mapping[str, Any]) -> list[Fault]:
    """Marshmallow's nested messages as a flat list."""
    found: list[Fault] = []

    def walk(location: str, path: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                # `_schema` would be a rule of several fields; no schema has one, so it is a field that was sent.
                walk(location, path + pointer(str(key)), inner)
        else:
            said: list[Any] = value if isinstance(value, list) else [value]
            found.extend(Fault(location, path, str(message)) for message in said)

    for location, inner in messages.items():
        walk(_LOCATIONS.get(location, location), "", inner)
    return found


def pointer(name: str) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
