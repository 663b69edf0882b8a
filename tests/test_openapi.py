"""The OpenAPI document: it is valid, complete, and says what the contract says."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

from .people import PREFIX

METHODS = ("get", "post", "put", "patch", "delete")
PROBLEM = {"$ref": "#/components/schemas/Problem"}
ID = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
PUBLIC = {
    "log_in",
    "refresh",
    "register",
    "verify_email",
    "resend_verification",
    "forgot_password",
    "reset_password",
}
JUDGES_A_SECRET = {"log_in", "refresh"}
LIMITED = PUBLIC | {"change_password", "change_address", "delete_me"}
# What writes and makes nothing that could be shown.
EMPTY = {"log_out", "verify_email", "reset_password", "change_password"}
ACCEPTED = {"resend_verification", "forgot_password", "change_address"}
BOUND_BY_PATTERN = {"key", "color", "username", "owner", "assigned_to", "created_by", "sort"}


@pytest.fixture
def document(app) -> dict[str, Any]:
    return app.test_client().get(f"{PREFIX}/openapi.json").json


@pytest.fixture
def operations(document) -> list[dict[str, Any]]:
    """All operations, with references of one step resolved, and their path, method and parameters added."""

    def resolve(node: Any) -> Any:
        if isinstance(node, dict) and "$ref" in node and "/schemas/" not in node["$ref"]:
            kind, name = node["$ref"].split("/")[-2:]
            return resolve(document["components"][kind][name])
        if isinstance(node, dict):
            return {name: resolve(inner) for name, inner in node.items()}
        return [resolve(inner) for inner in node] if isinstance(node, list) else node

    found = []
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = resolve(item[method])
                parameters = {each["name"]: each for each in [*resolve(item.get("parameters", [])), *operation["parameters"]]}
                found.append({**operation, "path": path, "method": method, "parameters": parameters})
    return found


def success(operation: dict[str, Any]) -> dict[str, Any]:
    return next(answer for status, answer in operation["responses"].items() if status.startswith("2"))


def is_list(operation: dict[str, Any]) -> bool:
    content = success(operation).get("content", {})
    return content.get("application/json", {}).get("schema", {}).get("type") == "array"


def faults_of(document: dict[str, Any], schema: dict[str, Any], example: Any) -> list[str]:
    rooted = {**schema, "components": document["components"]}
    return [fault.message for fault in Draft202012Validator(rooted, format_checker=FormatChecker()).iter_errors(example)]


def test_the_document_is_valid_openapi_3_1(document):
    validate(document)
    assert document["openapi"].startswith("3.1.")


def test_it_is_open_to_everyone_and_made_once(app):
    first, second = (app.test_client().get(f"{PREFIX}/openapi.json") for _ in range(2))
    assert first.data == second.data
    assert first.headers["Content-Type"] == "application/json"
    assert first.headers["Cache-Control"] == "public, max-age=300"


def test_every_route_of_the_api_is_documented(app, operations):
    routes = {
        (re.sub("<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(PREFIX) and not rule.rule.startswith((f"{PREFIX}/docs", f"{PREFIX}/openapi.json"))
    }
    assert {(operation["path"], operation["method"]) for operation in operations} == routes


def test_every_operation_says_what_it_is(document, operations):
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    lacking = [
        (operation["operationId"], word)
        for operation in operations
        for word in ("summary", "description")
        if not operation.get(word)
    ]
    assert lacking == []
    assert all(len(operation["tags"]) == 1 and set(operation["tags"]) <= tags for operation in operations)
    names = [operation["operationId"] for operation in operations]
    assert sorted(set(names)) == sorted(names)


def test_people_stand_with_the_accounts(operations):
    tags = {operation["operationId"]: operation["tags"] for operation in operations}
    assert {name: tags[name] for name in ("get_me", "get_user", "list_users", "list_teams", "list_project_teams")} == {
        "get_me": ["accounts"], "get_user": ["accounts"], "list_users": ["accounts"], "list_teams": ["accounts"],
        "list_project_teams": ["projects"],
    }  # fmt: skip


def test_every_operation_needs_a_bearer_token_but_those_that_give_one(document, operations):
    scheme = document["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert {each["operationId"] for each in operations if each["security"] == []} == PUBLIC
    assert all(each["security"] == [{"bearer": []}] for each in operations if each["operationId"] not in PUBLIC)


def test_every_operation_documents_every_status_that_it_can_give(operations):
    for operation in operations:
        name, method, path = operation["operationId"], operation["method"], operation["path"]
        writes, closed = method != "get", name not in PUBLIC
        given = set(operation["responses"])
        assert {"400", "413", "415", "422", "500", "503"} <= given, name
        assert ("401" in given) == (closed or name in JUDGES_A_SECRET), name
        assert ("429" in given) == (name in LIMITED), name
        assert ("304" in given) == (method == "get" and closed), name
        assert ("404" in given) == ("{" in path), name
        assert ("412" in given) == ("If-Match" in operation["parameters"]), name
        if "{" in path:
            assert ("403" in given) == writes, name
        assert ("412" in given) == (method in ("patch", "put", "delete")), name
        created = method == "post" and (closed or name == "register") and name not in EMPTY | ACCEPTED
        empty = method == "delete" or name in EMPTY
        wanted = {"201" if created else "204" if empty else "202" if name in ACCEPTED else "200"}
        wanted |= {"202"} if name == "register" else set()
        assert {status for status in given if status.startswith("2")} == wanted, name


def test_every_problem_is_documented_as_such(document, operations):
    for operation in operations:
        for status, answer in operation["responses"].items():
            where = (operation["operationId"], status)
            assert answer["description"], where
            if int(status) >= 400:
                assert set(answer["content"]) == {"application/problem+json"}, where
                content = answer["content"]["application/problem+json"]
                assert content["schema"] == PROBLEM, where
                assert content["example"]["status"] == int(status), where
                assert faults_of(document, PROBLEM, content["example"]) == [], where
                assert ("errors" in content["example"]) == (status == "422"), where


def test_the_codes_of_a_conflict_are_named(operations):
    named = {each["operationId"]: each["responses"]["409"]["description"] for each in operations if "409" in each["responses"]}
    assert "`key_taken`" in named["create_project"]
    assert "`tag_name_taken`" in named["create_tag"]
    assert "`username_taken`" in named["update_me"]
    assert "`inbox_fixed`" in named["delete_project"]
    assert "`email_taken`" in named["register"]
    assert "`last_admin`" in named.pop("put_team_member")
    assert "`last_admin`" in named.pop("delete_team_member")
    assert "`owner_required`" in named["delete_me"]
    with_a_key = {each["operationId"] for each in operations if "Idempotent-Replayed" in str(each["responses"])}
    assert with_a_key == {name for name, text in named.items() if "`idempotency_key_in_use`" in text}
    others = ("update_me", "delete_me", "create_project", "register", "create_team", "change_address")
    of_projects = {name: text for name, text in named.items() if name not in others}
    assert all("`project_archived`" in text for text in of_projects.values())


def test_the_headers_of_every_answer_are_documented(operations):
    for operation in operations:
        for status, answer in operation["responses"].items():
            wanted = {"X-Request-ID"}
            content = status in ("200", "201", "304") and operation["operationId"] not in PUBLIC
            # A membership has no version, so PUT gives no validator.
            wanted |= {"ETag"} if content and not operation["operationId"].startswith("put_") else set()
            wanted |= {"Location"} if status == "201" else set()
            wanted |= {"X-Pagination", "Link"} if status == "200" and is_list(operation) else set()
            wanted |= {"WWW-Authenticate"} if status == "401" else set()
            wanted |= {"Retry-After"} if status in ("429", "503") else set()
            counted = status == "429" or (status.startswith("2") and operation["operationId"] in LIMITED)
            may_be = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} if counted else set()
            if "Idempotency-Key" in str(operation["parameters"]):
                may_be |= {"409": {"Retry-After"}, "201": {"Idempotent-Replayed"}, "202": {"Idempotent-Replayed"}}.get(
                    status, set()
                )
            assert set(answer["headers"]) == wanted | may_be, (operation["operationId"], status)
            assert all(answer["headers"][name]["required"] for name in wanted)


def test_what_x_pagination_says_is_documented(ada, document):
    for name in ("One", "Two"):
        ada.project(name=name)
    content = document["components"]["headers"]["PAGINATION"]["content"]["application/json"]
    assert faults_of(document, content["schema"], content["example"]) == []
    middle = ada.get("/projects", query={"page": 2, "page_size": 1})
    numbers = ada.app.json.loads(middle.headers["X-Pagination"])
    assert list(numbers) == list(named(document, content["schema"])["properties"])
    assert faults_of(document, content["schema"], numbers) == []


def test_schemas_have_names_of_their_own(document):
    assert [name for name in document["components"]["schemas"] if re.search(r"[0-9]$|Schema", name)] == []


def named(document: dict[str, Any], rule: dict[str, Any]) -> dict[str, Any]:
    """The rule that this one refers to, or itself."""
    return document["components"]["schemas"][rule["$ref"].rsplit("/", 1)[1]] if "$ref" in rule else rule


def bodies(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The schemas of requests, by name."""
    found = {}
    for item in document["paths"].values():
        for method in METHODS:
            if "requestBody" in item.get(method, {}):
                body = item[method]["requestBody"]
                assert body["required"]
                assert set(body["content"]) == {"application/json"}
                name = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
                found[name] = document["components"]["schemas"][name]
    return found


def test_requests_take_nothing_that_is_not_named(document):
    assert all(schema["additionalProperties"] is False for schema in bodies(document).values())


def test_every_text_of_a_request_has_its_bounds(document, operations):
    rules = [(field, rule) for schema in bodies(document).values() for field, rule in schema["properties"].items()]
    rules += [
        (name, parameter["schema"])
        for operation in operations
        for name, parameter in operation["parameters"].items()
        if parameter["in"] != "header"
    ]
    rules = [(field, named(document, rule)) for field, rule in rules]
    assert all(rule["maxItems"] == 100 for _, rule in rules if "array" in rule["type"])
    texts = [(field, named(document, rule.get("items", rule))) for field, rule in rules]
    for field, rule in texts:
        if "string" in rule["type"] and not rule.keys() & {"enum", "format"}:
            assert "pattern" in rule, field
            assert "maxLength" in rule or field in BOUND_BY_PATTERN, field


def test_patterns_are_such_that_javascript_reads_them_too(document):
    found: list[str] = []

    def walk(node: Any) -> None:
        for name, inner in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            if name == "pattern" and isinstance(inner, str):
                found.append(inner)
            walk(inner)

    walk(document)
    assert found
    assert [pattern for pattern in found if re.search(r"\\[AZzpP]|\(\?", pattern)] == []


LENGTHS = [
    ("Login", "username", 1, 254),
    ("Login", "password", 1, 1024),
    ("MeChange", "display_name", 1, 100),
    ("TeamCreate", "name", 1, 100),
    ("TeamCreate", "description", None, 5000),
    ("TeamChange", "name", 1, 100),
    ("ProjectCreate", "name", 1, 100),
    ("ProjectCreate", "description", None, 5000),
    ("ProjectChange", "name", 1, 100),
    ("TaskCreate", "title", 1, 200),
    ("TaskCreate", "description", None, 20_000),
    ("TaskChange", "title", 1, 200),
    ("TagCreate", "name", 1, 50),
    ("TagChange", "name", 1, 50),
]


@pytest.mark.parametrize(("schema", "field", "least", "most"), LENGTHS)
def test_lengths(document, schema, field, least, most):
    rule = document["components"]["schemas"][schema]["properties"][field]
    assert (rule.get("minLength"), rule["maxLength"]) == (least, most)


REQUIRED = {
    "Login": ["password", "username"],
    "Refresh": ["refresh_token"],
    "Registration": ["email", "password", "username"],
    "Address": ["email"],
    "Token": ["token"],
    "PasswordReset": ["password", "token"],
    "PasswordChange": ["current_password", "new_password"],
    "AddressChange": ["email", "password"],
    "AccountDeletion": ["password"],
    "MeChange": [],
    "ProjectCreate": ["name"],
    "ProjectChange": [],
    "MembershipChange": ["role"],
    "TeamCreate": ["name"],
    "TeamChange": [],
    "TeamMembershipChange": ["role"],
    "TaskCreate": ["title"],
    "ProjectTaskCreate": ["title"],
    "TaskChange": [],
    "TagCreate": ["name", "project_id"],
    "ProjectTagCreate": ["name"],
    "TagChange": [],
}
NULLABLE = {"assigned_to_id", "due_date", "start_date"}


def test_what_a_request_must_hold_and_what_may_be_null(document):
    assert {name: sorted(schema.get("required", [])) for name, schema in bodies(document).items()} == REQUIRED
    for name, schema in bodies(document).items():
        nullable = {field for field, rule in schema["properties"].items() if "null" in named(document, rule)["type"]}
        assert nullable == (NULLABLE if "Task" in name else set()), name


@pytest.mark.parametrize(
    ("schema", "field", "names"),
    [
        ("Task", "status", ["todo", "in_progress", "in_review", "done", "cancelled"]),
        ("TaskCreate", "status", ["todo", "in_progress", "in_review", "done", "cancelled"]),
        ("TaskChange", "priority", ["none", "low", "medium", "high", "urgent"]),
        ("MembershipChange", "role", ["viewer", "member", "admin"]),
        ("TeamMembershipChange", "role", ["member", "admin"]),
        ("Team", "role", ["member", "admin"]),
        ("Project", "role", ["viewer", "member", "admin", "owner"]),
    ],
)
def test_enums(document, schema, field, names):
    assert named(document, document["components"]["schemas"][schema]["properties"][field])["enum"] == names


def test_an_enumeration_has_one_name_wherever_it_stands(document, operations):
    """Else a generated client has a type of its own for each use, and the status of a task is none to filter by."""

    def query(operation: str, parameter: str) -> dict[str, Any]:
        schema = next(each for each in operations if each["operationId"] == operation)["parameters"][parameter]["schema"]
        return schema.get("items", schema)

    def rule(schema: str, field: str) -> dict[str, Any]:
        return document["components"]["schemas"][schema]["properties"][field]

    uses = {
        "Status": [
            rule("Task", "status"),
            rule("TaskCreate", "status"),
            rule("TaskChange", "status"),
            query("list_tasks", "status"),
        ],
        "Priority": [rule("Task", "priority"), rule("ProjectTaskCreate", "priority"), query("list_project_tasks", "priority")],
        "Role": [rule("Project", "role"), rule("Member", "role"), rule("Via", "role"), query("list_projects", "role")],
        "TeamRole": [rule("Team", "role"), rule("TeamMembershipChange", "role"), rule("MyTeam", "role")],
    }
    for name, found in uses.items():
        assert {each["$ref"] for each in found} == {f"#/components/schemas/{name}"}


ANSWERS = {
    "Me": "id email username display_name timezone email_verified is_admin created_at teams",
    "Project": "id key name description color owner role is_inbox archived_at task_count open_task_count created_at updated_at",
    "Member": "user role via",
    "ProjectTeam": "team role",
    "Team": "id name description role member_count created_at updated_at",
    "TeamMember": "user role",
    "UserBrief": "id username display_name",
    "Task": "id project_id number ref title description status priority assigned_to created_by due_date start_date "
    "completed_at tags created_at updated_at",
    "Tag": "id project_id name color task_count created_at updated_at",
    "Tokens": "access_token refresh_token token_type expires_in refresh_expires_in user",
}


def test_answers_have_all_their_fields_always(document):
    for name, fields in ANSWERS.items():
        schema = document["components"]["schemas"][name]
        assert list(schema["properties"]) == fields.split(), name
        assert set(schema["required"]) == set(fields.split()), name


def test_ids_in_a_path_are_uuids(operations):
    ids = [each for operation in operations for each in operation["parameters"].values() if each["in"] == "path"]
    assert ids
    assert all(each["schema"] == {"type": "string", "format": "uuid", "pattern": ID} for each in ids)


def test_every_list_is_paged(operations):
    lists = [operation for operation in operations if is_list(operation)]
    assert len(lists) >= 7
    for operation in lists:
        page, size = (operation["parameters"][name]["schema"] for name in ("page", "page_size"))
        assert page == {"type": "integer", "default": 1, "minimum": 1, "maximum": 1_000_000}
        assert size == {"type": "integer", "default": 20, "minimum": 1, "maximum": 100}


FILTERS = {
    "list_projects": ({"search", "archived", "role", "owner", "sort"}, set()),
    "list_users": ({"search"}, set()),
    "list_teams": (set(), set()),
    "list_tags": ({"project_id", "search"}, set()),
    "list_project_tags": ({"search"}, set()),
    "list_tasks": (
        {"due_before", "due_after", "overdue", "updated_since", "search", "sort"},
        {"status", "priority", "assigned_to", "created_by", "project_id", "tag", "tag_id"},
    ),
    "list_project_tasks": (
        {"due_before", "due_after", "overdue", "updated_since", "search", "sort"},
        {"status", "priority", "assigned_to", "created_by", "tag", "tag_id"},
    ),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters(document, operations, name):
    single, several = FILTERS[name]
    operation = next(each for each in operations if each["operationId"] == name)
    query = {field: each for field, each in operation["parameters"].items() if each["in"] == "query"}
    assert set(query) == single | several | {"page", "page_size"}
    assert not any(each["required"] for each in query.values())
    for field, each in query.items():
        assert ("array" in named(document, each["schema"])["type"]) == (field in several), field
        if field in several:
            assert (each["explode"], each["style"]) == (True, "form"), field


def test_examples_are_valid(document, operations):
    faults, seen = [], 0
    for operation in operations:
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [answer.get("content", {}) for answer in operation["responses"].values()]
        for content in contents:
            for kind in content.values():
                seen += 1
                faults += [(operation["operationId"], fault) for fault in faults_of(document, kind["schema"], kind["example"])]
        for parameter in operation["parameters"].values():
            rule = parameter["schema"]
            for part in (rule, rule.get("items", {})):
                if "example" in part:
                    faults += [(parameter["name"], fault) for fault in faults_of(document, part, part["example"])]
    assert seen > 200
    assert faults == []


def test_examples_of_requests_can_be_sent_as_they_stand(ada, bob, operations):
    """What "Try it out" offers works for whoever has not changed it: it names no one's ids."""
    examples = {
        operation["operationId"]: operation["requestBody"]["content"]["application/json"]["example"]
        for operation in operations
        if "requestBody" in operation
    }
    project = ada.post("/projects", examples["create_project"]).json
    here = f"/projects/{project['id']}"
    task = ada.post(f"{here}/tasks", examples["create_project_task"]).json
    tag = ada.post(f"{here}/tags", examples["create_project_tag"]).json
    assert ada.post("/tasks", examples["create_task"]).status_code == 201
    assert ada.put(f"{here}/members/{bob.id}", examples["put_member"]).status_code == 200
    assert ada.patch(f"/tasks/{task['id']}", examples["update_task"]).status_code == 200
    assert ada.patch(f"/tags/{tag['id']}", examples["update_tag"]).status_code == 200
    assert ada.patch(here, examples["update_project"]).status_code == 200
    team = ada.post("/teams", examples["create_team"]).json
    assert ada.put(f"/teams/{team['id']}/members/{bob.id}", examples["put_team_member"]).status_code == 200
    assert ada.patch(f"/teams/{team['id']}", examples["update_team"]).status_code == 200
    assert ada.patch("/users/me", examples["update_me"]).json["username"] == ada.username
