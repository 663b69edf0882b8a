"""Grafana's dashboard asks for metrics that there are, by labels that they have."""

import json
import re

from prometheus_client import CONTENT_TYPE_LATEST

from ..cli.test_doctor import NAMES
from ..core.another import another
from ..people import PASSWORD, new_person
from ..post import do_jobs
from .reading import BEARER, TOKEN, parsed
from .test_request_lines import FIELDS

NAME = re.compile(r"tasktracker_\w+")
# What Prometheus and Grafana give each sample, and what a histogram has.
GIVEN = {"job", "le"}
SELDOM = {"tasktracker_mails_total", "tasktracker_audit_events_total"}  # Not before there is one.


def test_every_metric_and_label_that_it_names_exists(environments, applications, root):
    applications("postgresql")  # Which makes the tables.
    with another(environments("postgresql"), METRICS_TOKEN=TOKEN, RATELIMIT_ENABLED="true") as app:
        person = new_person(app)
        assert person.get("/projects").status_code == 200
        assert person.post("/auth/forgot-password", {"email": person.email}).status_code == 202
        login = {"username": person.username, "password": f"not {PASSWORD}"}
        assert app.test_client().post("/api/v1/auth/login", json=login).status_code == 401
        do_jobs(app)
        answer = app.test_client().get("/metrics", headers=BEARER)
    assert answer.content_type == CONTENT_TYPE_LATEST
    metrics = parsed(answer.text)
    labels = {}
    for name, has in metrics.samples:
        labels.setdefault(name, set()).update(label for label, _ in has)
    dashboard = json.loads((root / "deploy" / "grafana-dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked.append(dashboard["templating"]["list"][1]["query"])
    assert len(asked) > 20
    named = {name for each in asked for name in NAME.findall(each)}
    assert named <= metrics.names
    for each in asked:
        assert each.count("(") == each.count(")"), each
        has = set().union(*(labels[name] for name in NAME.findall(each))) | GIVEN
        grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", each) for label in group.split(",")}
        matched = set(re.findall(r"(\w+)=~?\"", each))
        assert grouped | matched <= has, each
    # And the other way: nothing is counted that nobody sees.
    families = {re.sub("_(total|bucket|count|sum|created)$", "", name) for name in metrics.names if NAME.fullmatch(name)}
    assert families == {re.sub("_(total|bucket|count|sum)$", "", name) for name in named}


def test_the_document_names_what_there_is(environments, applications, root):
    applications("postgresql")
    text = (root / "docs" / "observability.md").read_text()
    with another(environments("postgresql"), METRICS_TOKEN=TOKEN) as app:
        assert new_person(app).get("/projects").status_code == 200
        do_jobs(app)
        metrics = parsed(app.test_client().get("/metrics", headers=BEARER).text)
    counted = {re.sub("_(bucket|count|sum|created)$", "", name) for name in metrics.names if NAME.fullmatch(name)}
    # The bare names of counters are those of `_created`, which says since when.
    assert {name for name in counted if f"{name}_total" not in counted} <= set(NAME.findall(text)) <= counted | SELDOM
    # Of what may also fall there is no increase: a gauge that fell and rose again would be counted twice.
    growing = re.findall(r"(?:rate|increase)\((\w+)", text)
    assert growing
    assert all(re.search("_(total|bucket|count|sum)$", name) for name in growing), growing
    (line,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert json.loads(line).keys() == FIELDS
    assert re.findall(r"^\| `(\w+)` \| ", text.partition("## Is it well?")[2].partition("## Logs")[0], re.MULTILINE) == NAMES
