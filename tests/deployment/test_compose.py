"""What the compose file and the Dockerfile promise by what is written in them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from config import load, names

from .written import compose, dockerfile, image_environment, last, shipped

FILES = ["docker-compose.yml", "deploy/compose.dev.yml", "deploy/compose.tls.yml"]
OWN = {"secrets", "migrate", "web", "worker"}  # Those of our own image.
ONCE = {"secrets", "migrate"}
# Read by the packages of others.
TELEMETRY = {
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "SENTRY_DSN", "SENTRY_ENVIRONMENT",
    "SENTRY_RELEASE",
}  # fmt: skip
SECRET = re.compile("PASSWORD|SECRET|KEY|TOKEN|URL")


@pytest.fixture(scope="module")
def services():
    return compose()["services"]


def test_the_files_fit_the_schema_of_compose(root):
    program = str(Path(sys.executable).with_name("check-jsonschema"))
    words = [program, "--builtin-schema", "vendor.compose-spec", *FILES]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_image_is_of_a_version(root):
    images = {rest.removesuffix(" AS base") for word, rest in dockerfile() if word == "FROM" and rest.endswith(" AS base")}
    for file in FILES:
        images |= {service.get("image", "") for service in compose(root / file, {"TLS_FOLDER": "x"})["services"].values()}
    assert len(images - {"", "tasktracker"}) == 5
    for image in images - {"", "tasktracker"}:
        assert re.fullmatch(r"[a-z/]+:v?\d+(\.\d+)*(-[a-z]+)*", image), image
    for name in ("postgres", "redis"):
        assert compose()["services"][name]["image"] == compose(root / FILES[1])["services"][name]["image"]


def test_what_serves_can_change_nothing_on_its_machine(services):
    for name in OWN | {"proxy", "mail"}:
        service = services[name]
        assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"]), name
        assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(service), name
    for name, service in services.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        for volume in service.get("volumes", []):
            source, target, *mode = volume.split(":")
            kept = {"postgres": "postgres", "redis": "redis"}.get(name)
            assert mode == ["ro"] or name == "secrets" or source == kept, (name, volume)
            assert "docker.sock" not in volume
            assert target.startswith("/")


def test_nobody_runs_as_root(services):
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last("USER"))
    assert [word for word, _ in dockerfile()].index("USER") < len(dockerfile())
    for name in OWN:
        assert "user" not in services[name]
    for name in ("proxy", "mail"):
        assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", services[name]["user"])


def test_only_the_proxy_and_the_mails_can_be_reached_and_from_this_machine_alone(services):
    assert {name for name, service in services.items() if "ports" in service} == {"proxy", "mail"}
    for name in ("proxy", "mail"):
        for port in services[name]["ports"]:
            assert port.startswith("127.0.0.1:"), port
        assert services[name]["networks"] == ["front"]
    assert compose()["networks"]["back"] == {"internal": True}
    for name in ("postgres", "redis", "migrate"):
        assert services[name]["networks"] == ["back"]
    assert services["secrets"]["network_mode"] == "none"
    assert not any("network_mode" in service for name, service in services.items() if name != "secrets")


def test_who_goes_on_is_watched_and_started_again_and_who_ends_is_not(services):
    for name, service in services.items():
        watched = service.get("healthcheck") or (name == "web" and last("HEALTHCHECK"))
        if name in ONCE:
            assert service["healthcheck"] == {"disable": True}
            assert "restart" not in service
        else:
            assert watched, name
            assert service["restart"] == "unless-stopped"


def test_each_service_waits_for_what_it_needs(services):
    done, healthy = ({"condition": f"service_{word}"} for word in ("completed_successfully", "healthy"))
    assert {name: service.get("depends_on") for name, service in services.items()} == {
        "secrets": None,
        "postgres": {"secrets": done},
        "redis": None,
        "migrate": {"postgres": healthy},
        "web": {"migrate": done, "redis": healthy},
        "worker": {"migrate": done, "redis": healthy},
        "proxy": {"web": healthy},
        "mail": None,
    }


def test_no_secret_is_typed_in(root, services):
    for name, service in services.items():
        for key, value in service.get("environment", {}).items():
            if SECRET.search(key) and key not in ("PUBLIC_URL", "REDIS_URL"):
                assert value == "" or (key.endswith("_FILE") and value.startswith("/secrets/")), (name, key)
    # Who serves sees no password of the tables' owner.
    for name in ("web", "worker"):
        assert not any("secrets-owner" in volume for volume in services[name]["volumes"])
    for word, rest in dockerfile():
        assert not (word in ("ENV", "ARG") and SECRET.search(rest)), rest


def test_every_setting_that_is_passed_on_exists_and_a_real_server_for_mails_takes_the_catchers_place(services):
    given = {**image_environment(), **services["web"]["environment"]}
    of_the_process = {"WEB_CONCURRENCY", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", *TELEMETRY}
    assert {name.removesuffix("_FILE") for name in given} - of_the_process <= set(names())
    set_ = {
        "MAIL_SERVER": "smtp.company.test",
        "MAIL_PORT": "587",
        "MAIL_USE_TLS": "true",
        "PUBLIC_URL": "https://t.company.test",
    }
    for name in ("web", "worker", "migrate"):
        changed = compose(environ=set_)["services"][name]["environment"]
        assert {key: changed[key] for key in set_} == set_
        assert services[name]["environment"]["PUBLIC_URL"] == "http://127.0.0.1:8000"


def test_settings_are_passed_on_but_for_those_that_say_where_the_containers_are(root):
    asked = compose(environ=dict.fromkeys(names(), "asked for"))["services"]["worker"]["environment"]
    where = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "JWT_SECRET_KEY", "TRUSTED_PROXIES", "WORKER_METRICS_ADDRESS"}
    embedded = {"SQLITE_BUSY_TIMEOUT", "INLINE_WORKER", "INSTANCE_PATH"}
    fixed = {name for name in names() if asked.get(name) != "asked for"}
    assert fixed == {"APP_ENV"} | where | embedded
    _, _, told = (root / "docs" / "deployment.md").read_text().partition("are passed on too, but for these:\n\n")
    assert set(re.findall("`([A-Z_]+)`", told.partition("\n\n")[0])) & set(names()) - {"METRICS_TOKEN"} == fixed


def test_what_the_document_says_of_traces_and_faults_is_passed_on(root):
    table = (root / "docs" / "observability.md").read_text().partition("\n## Traces and faults\n")[2].partition("\n## ")[0]
    named = set(re.findall("`((?:OTEL|SENTRY)_[A-Z_]+)", table))
    assert named | {"OTEL_TRACES_SAMPLER_ARG"} == TELEMETRY
    for name in ("web", "worker"):
        asked = compose(environ=dict.fromkeys(TELEMETRY, "asked for"))["services"][name]["environment"]
        assert {asked[each] for each in TELEMETRY} == {"asked for"}


def test_the_image_gets_the_code_and_nothing_else():
    files = shipped()
    assert {file.split("/")[0] for file in files} == {
        "commands.py", "config.py", "gunicorn.conf.py", "wsgi.py", "requirements.lock", "requirements-telemetry.lock",
        "migrations", "tasktracker", "deploy",
    }  # fmt: skip
    assert [file for file in files if file.startswith("deploy/")] == ["deploy/make_secrets.py"]
    assert len(files) > 60
    copied = [rest for word, rest in dockerfile() if word in ("COPY", "ADD")]
    assert copied == ["requirements*.lock ./", ". .", "--from=build /app /app"]


def test_the_image_is_built_from_the_lock_in_two_stages():
    assert [rest for word, rest in dockerfile() if word == "FROM"] == [
        "python:3.13-slim-bookworm AS base",
        "base AS build",
        "base",
    ]
    (install,) = [rest for word, rest in dockerfile() if word == "RUN" and "pip" in rest]
    for word in ("--require-hashes", "--requirement requirements.lock", "--only-binary :all:", "--no-cache-dir"):
        assert word in install
    assert '${EXTRAS:+--requirement "$EXTRAS"}' in install
    build = compose(environ={"EXTRAS": "requirements-telemetry.lock"})["services"]["secrets"]["build"]
    assert build["args"]["EXTRAS"] in shipped()
    assert [rest for word, rest in dockerfile() if word == "RUN" and rest == "chmod -R go+rX /app"], (
        "a clone for one user alone"
    )


def test_one_service_builds_the_image_and_the_others_wait_for_it(services):
    """Several that build under one name get in each other's way."""
    assert [name for name, service in services.items() if "build" in service] == ["secrets"]
    for name in OWN:
        assert services[name]["image"] == "tasktracker"
        assert services[name].get("pull_policy") == ("build" if name == "secrets" else "never")


def test_the_catcher_listens_where_mails_are_sent_unless_told_otherwise(services, tmp_path):
    def read(given):
        known = {name: str(value) for name, value in given.items() if not name.endswith("_FILE")}
        return load({**known, "APP_ENV": "testing", "INSTANCE_PATH": str(tmp_path)})

    settings = read(services["web"]["environment"])
    assert settings.mail_server == "mail"
    assert services["mail"]["environment"]["MP_SMTP_BIND_ADDR"] == f"0.0.0.0:{settings.mail_port}"
    team = compose(environ={"MAIL_SERVER": "smtp.company.test", "MAIL_USE_TLS": "true"})
    assert read(team["services"]["web"]["environment"]).mail_port == 587


def test_the_worker_is_measured_where_the_web_is(services):
    assert services["worker"]["environment"]["WORKER_METRICS_ADDRESS"] == ""
    told = compose(environ={"METRICS_TOKEN": "x" * 32})["services"]["worker"]["environment"]
    assert (told["METRICS_TOKEN"], told["WORKER_METRICS_ADDRESS"]) == ("x" * 32, "0.0.0.0:9464")


def test_a_backup_in_containers_names_what_is_there(root, services):
    """The roles and databases of docs/operation.md are those of the compose file, so that a paste finds them."""
    section = (root / "docs" / "operation.md").read_text().partition("\n## In containers\n")[2].partition("\n## ")[0]
    code = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)).replace("\\\n", "")
    for word, rest in re.findall(r"docker compose (exec -T|run --rm|stop) (.*)", code):
        named = rest.split() if word == "stop" else rest.split()[:1]
        assert set(named) <= set(services), rest
    owner = services["postgres"]["environment"]["POSTGRES_USER"]
    assert "POSTGRES_DB" not in services["postgres"]["environment"]  # So the database has its owner's name.
    asked = re.findall(r"exec -T postgres (?!pg_restore --list)(.*)", code)
    assert len(asked) == 5
    for words in asked:
        assert f"--username={owner} " in words
        assert re.search(rf"(?:^| |=|DATABASE ){owner}\b(?!_)", words.replace(f"--username={owner}", "")), words
    # What is written after the dump must again belong to that owner, with the service's role let in.
    assert "--no-owner" not in code
    assert "--no-privileges" not in code
