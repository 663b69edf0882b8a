"""Why a use case refuses, in the words of the domain. Only `core/http.py` knows which HTTP status each of them becomes."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with the input.

    Args:
        location: `body`, `query`, `path` or `headers`.
        pointer: where in it, as a JSON pointer (RFC 6901) such as `/due_date`.
        message: one sentence for a person.
    """

    location: str
    pointer: str
    message: str


class Refusal(Exception):
    """A request that is understood and not carried out.

    Args:
        detail: one sentence a person can act on.
        code: a stable snake_case word for programs.
        faults: what is wrong with the input, where that is the reason.
        retry_after: seconds after which the same request may succeed.
    """

    code = "refused"
    detail = "The request was refused."

    def __init__(self, detail: str = "", code: str = "", faults: Sequence[Fault] = (), retry_after: int | None = None) -> None:
        self.detail = detail or self.detail
        self.code = code or self.code
        self.faults = tuple(faults)
        self.retry_after = retry_after
        super().__init__(self.detail)


class Malformed(Refusal):
    """What was sent cannot be read at all."""

    code = "malformed_request"
    detail = "The request cannot be read."


class Unauthenticated(Refusal):
    """Who calls is not known. Why is not told, so that nobody learns from it."""

    code = "not_authenticated"
    detail = "Log in and send a valid access token as 'Authorization: Bearer TOKEN'."


class Forbidden(Refusal):
    """The caller may see it and may not do this with it."""

    code = "forbidden"
    detail = "Your role does not allow this."


class NotFound(Refusal):
    """It does not exist, or the caller may not see it; the two look alike."""

    code = "not_found"
    detail = "There is nothing here that you can see."


class Conflict(Refusal):
    """It clashes with what is there."""

    code = "conflict"
    detail = "This clashes with what is there already."


class Stale(Refusal):
    """It was changed since the caller read it."""

    code = "precondition_failed"
    detail = "The resource was changed since you read it. Read it again and repeat the change on what it is now."


class TooLarge(Refusal):
    """More than a request may carry."""

    code = "content_too_large"
    detail = "The body is larger than 1 MiB."


class UnsupportedMedia(Refusal):
    """A body of another kind than JSON."""

    code = "unsupported_media_type"
    detail = "Send the body as UTF-8 JSON with 'Content-Type: application/json'."


class Invalid(Refusal):
    """The input is readable and breaks a rule."""

    code = "validation_failed"
    detail = "The input breaks a rule; see errors."

    @classmethod
    def field(cls, pointer: str, message: str, location: str = "body") -> "Invalid":
        """One field is wrong."""
        return cls(message, faults=[Fault(location, pointer, message)])


class TooMany(Refusal):
    """More attempts than are allowed in this time."""

    code = "rate_limited"
    detail = "Too many attempts. Try again later."


class Unavailable(Refusal):
    """A part that this service needs does not answer, takes too long or is busy; the same request may succeed soon."""

    code = "unavailable"
    detail = "A part of the service does not answer, or takes too long. Nothing was changed; try again soon."

    def __init__(self, detail: str = "", code: str = "", retry_after: int = 2) -> None:
        super().__init__(detail, code, retry_after=retry_after)
