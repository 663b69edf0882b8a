"""The base of every schema, and what all lists have in common."""

from typing import Any, Self

from marshmallow import RAISE, Schema
from marshmallow import fields as ma
from marshmallow_sqlalchemy import ModelConverter, SQLAlchemySchema
from sqlalchemy import Date, Integer, String
from typing_extensions import override

from . import fields, types


class Converter(ModelConverter):
    """Finds the field for a column: the strict ones of `core/fields`."""

    SQLA_TYPE_MAPPING = {
        **ModelConverter.SQLA_TYPE_MAPPING,
        String: fields.Text,
        types.Id: fields.Id,
        types.UtcDateTime: fields.Moment,
        Date: fields.Day,
        Integer: fields.Whole,
    }


class InputMeta:
    """How every body is read: what its schema does not name is refused (OWASP ASVS 15.3.3)."""

    unknown = RAISE
    model_converter = Converter


class Shared:
    """A schema that is made once and changed by nobody, so that a copy would be the same.

    Flask-Smorest copies what is said of each route four times: with the schemas in it, that took 25 ms of a start, and takes 9.
    """

    def __deepcopy__(self, memo: object) -> Self:
        """Itself."""
        return self


class Input(Shared, SQLAlchemySchema[Any]):
    """A body."""

    class Meta(InputMeta): ...

    @override
    def load(self, data: Any, **kwargs: Any) -> Any:
        """What marshmallow makes of a body.

        Marshmallow-SQLAlchemy would look for its own version in files each time, for making entities, which no schema here
        does: 0.7 ms of each write.
        """
        return Schema.load(self, data, **kwargs)


class Answer(Shared, Schema):
    """What is answered: every field is always there."""

    def on_bind_field(self, field_name: str, field_obj: Any) -> None:
        """Says so in the document."""
        field_obj.required = True


class Query(Shared, Schema):
    """A query string."""

    class Meta:
        unknown = RAISE


class PageQuery(Query):
    """Which page of a list."""

    page = fields.Count(1, 1_000_000, load_default=1, metadata={"description": "Which page.", "default": 1})
    page_size = fields.Count(1, 100, load_default=20, metadata={"description": "How many on a page.", "default": 20})


class AcceptedSchema(Answer):
    """That a request was taken; what comes of it stands in a mail, if there is one."""

    message = ma.String(metadata={"example": "If this address has an account, a mail with a link is on its way to it."})


class FaultSchema(Shared, Schema):
    """One thing that is wrong with the input."""

    location = ma.String(required=True, metadata={"enum": ["body", "query", "path", "headers"]})
    pointer = ma.String(required=True, metadata={"description": "JSON pointer to it (RFC 6901).", "example": "/due_date"})
    message = ma.String(required=True, metadata={"example": "Not a date such as 2026-12-24."})


class ProblemSchema(Shared, Schema):
    """Why a request was not carried out (RFC 9457)."""

    type = ma.String(required=True, metadata={"example": "about:blank"})
    title = ma.String(required=True, metadata={"example": "Unprocessable Content"})
    status = ma.Integer(required=True, metadata={"example": 422})
    code = ma.String(required=True, metadata={"description": "A stable word for programs.", "example": "validation_failed"})
    detail = ma.String(required=True, metadata={"description": "One sentence a person can act on."})
    request_id = ma.String(required=True, metadata={"description": "Stands in the server's log too."})
    errors = ma.List(ma.Nested(FaultSchema), metadata={"description": "What is wrong with the input; 50 at most."})


def example_of(schema: Schema) -> Any:
    """An example of what the schema describes, put together from the examples of its fields."""
    return {name: _example(field) for name, field in schema.fields.items()}


_EXAMPLES: dict[type[ma.Field[Any]], Any] = {
    ma.AwareDateTime: "2026-11-22T09:30:00Z",
    ma.Date: "2026-12-24",
    ma.Boolean: False,
    ma.Integer: 1,
    ma.String: "text",
}


def _example(field: Any) -> Any:
    if "example" in field.metadata:
        return field.metadata["example"]
    if isinstance(field, ma.Nested):
        return example_of(field.schema)
    if isinstance(field, ma.List):
        return [_example(field.inner)]
    return next(example for kind, example in _EXAMPLES.items() if isinstance(field, kind))
