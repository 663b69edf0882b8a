"""What tests of projects ask again and again."""

import re

KEY = re.compile("[A-Z][A-Z0-9]{1,9}")


def path(project, *more):
    """The path of a project or of something below it."""
    return "/".join(["/projects", project["id"], *more])


def member(project, person):
    return path(project, "members", person.id)


def names(answer):
    """The names of the rows of a list."""
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json]


def members(person, project):
    """Who belongs to a project, and with which role."""
    answer = person.get(path(project, "members"), query={"page_size": 100})
    assert answer.status_code == 200, answer.text
    return {row["user"]["id"]: row["role"] for row in answer.json}
