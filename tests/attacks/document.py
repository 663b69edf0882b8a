"""What the OpenAPI document says of each operation, so that no attack forgets one."""

from dataclasses import dataclass
from typing import Any

from flask import Flask

from ..people import PREFIX

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, repr=False)
class Operation:
    """A method of a path, with what it takes.

    Args:
        ids: the names of the ids in the path.
        query: the schema of each parameter of the query.
        headers: the names of the headers that it heeds.
        fields: the schema of each field of the body; none where it takes no body.
        example: a body that is well-formed.
        shows: the names of all fields that its answers have, at any depth.
    """

    name: str
    method: str
    path: str
    ids: tuple[str, ...]
    query: dict[str, dict[str, Any]]
    headers: tuple[str, ...]
    fields: dict[str, dict[str, Any]] | None
    example: dict[str, Any]
    shows: frozenset[str]
    statuses: frozenset[int]
    is_public: bool

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    def __repr__(self) -> str:
        return f"{self.method} {self.path}"


class Document:
    """The document of an application, with its references resolved."""

    def __init__(self, app: Flask) -> None:
        self.root = app.test_client().get(f"{PREFIX}/openapi.json").json
        self.operations = [
            self._operation(path, method, item[method], item.get("parameters", ()))
            for path, item in self.root["paths"].items()
            for method in METHODS
            if method in item
        ]

    def with_ids(self) -> list[Operation]:
        return [operation for operation in self.operations if operation.ids]

    def with_body(self) -> list[Operation]:
        return [operation for operation in self.operations if operation.fields is not None]

    def shown(self) -> set[str]:
        """The names of all fields of all answers."""
        return set().union(*(operation.shows for operation in self.operations))

    def named(self, name: str) -> Operation:
        return next(operation for operation in self.operations if operation.name == name)

    def _operation(self, path: str, method: str, said: dict[str, Any], common: Any) -> Operation:
        parameters = [self._resolved(each) for each in (*common, *said.get("parameters", ()))]
        content = self._resolved(said.get("requestBody", {})).get("content", {}).get("application/json", {})
        answers = {int(status): self._resolved(answer) for status, answer in said["responses"].items()}
        shows = set().union(
            *(self._names(kind.get("schema", {})) for answer in answers.values() for kind in answer.get("content", {}).values())
        )

        def of(place: str) -> dict[str, Any]:
            return {each["name"]: self._resolved(each.get("schema", {})) for each in parameters if each["in"] == place}

        return Operation(
            name=said["operationId"],
            method=method.upper(),
            path=path.removeprefix(PREFIX),
            ids=tuple(sorted(of("path"), key=path.index)),
            query=of("query"),
            headers=tuple(of("header")),
            fields=self._fields(content["schema"]) if content else None,
            example=content.get("example", {}),
            shows=frozenset(shows),
            statuses=frozenset(answers),
            is_public=said["security"] == [],
        )

    def _resolved(self, node: Any) -> Any:
        while isinstance(node, dict) and "$ref" in node:
            kind, name = node["$ref"].split("/")[-2:]
            node = self.root["components"][kind][name]
        return node

    def _fields(self, body: Any) -> dict[str, Any]:
        return {name: self._resolved(rule) for name, rule in self._resolved(body)["properties"].items()}

    def _names(self, schema: Any) -> set[str]:
        """The names of the fields of a schema, at any depth."""
        schema = self._resolved(schema)
        found = set(schema.get("properties", {}))
        inner = [*schema.get("properties", {}).values(), schema.get("items", {}), *schema.get("anyOf", ())]
        return found.union(*(self._names(each) for each in inner if each))


def takes_id(schema: dict[str, Any]) -> bool:
    """Whether a field or a parameter is an id, or a list of ids."""
    return "-7[0-9a-f]{3}-" in str(schema.get("pattern", schema.get("items", {}).get("pattern", "")))


def is_list(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "array"
