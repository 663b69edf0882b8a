"""What happens with tags.

A change locks the project and the tag, judges with what it then reads, and writes: two statements and a commit.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, delete

from ..core import events
from ..core.database import transactional
from ..core.results import Expected, Resource
from ..core.statement import Statement
from ..core.text import caseless, spaced_words
from ..core.types import Id, table_of
from ..core.writing import Changing, Making, differing, unchanged, write
from ..projects import access as projects
from . import access, queries
from .models import Tag

_tags = table_of(Tag)
_unchanged = unchanged(projects.MY_ROLE)
_TAGS = Making(queries.SHAPE, _tags, _unchanged)
_CHANGES = Changing(queries.SHAPE, _tags, _unchanged)
_delete = delete(_tags).where(_tags.c.id == bindparam("id", type_=Id()), _unchanged).returning(_tags.c.id)
_DELETE = Statement(_delete, is_long=True)


def words_of(name: str) -> str:
    """The words that a tag is found by."""
    return spaced_words(name)


def _named(name: str) -> dict[str, str]:
    """A name with what follows from it."""
    return {"name": name, "name_key": caseless(name), "words": words_of(name)}


@transactional
def create_tag(me: str, project_id: str, fields: Mapping[str, Any]) -> Resource:
    """A new tag in a project.

    Raises:
        NotFound, Forbidden: see `projects.access`.
        Conflict: `project_archived` or `tag_name_taken`.
    """
    project, _ = projects.lock(me, project_id, to="create_tag")
    projects.check_open(project.archived_at)
    tag = {**fields, **_named(fields["name"]), "project_id": project_id}
    return _TAGS.make(project, tag, me=me, project=project_id)


@transactional
def update_tag(me: str, tag_id: str, changes: Mapping[str, Any], expected: Expected) -> Resource:
    """Changes a tag.

    A change that changes nothing gives the tag as it is.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
        Conflict: `project_archived` or `tag_name_taken`.
    """
    tag = access.lock(me, tag_id, to="update_tag")
    expected.check(tag.version)
    projects.check_open(tag.archived_at)
    values = differing(tag, changes)
    if not values:
        return queries.TAG.get(me=me, tag=tag_id)
    if "name" in values:
        values |= _named(values["name"])
    return _CHANGES.change(tag, values, me=me, project=tag.project_id)


@transactional
def delete_tag(me: str, tag_id: str, expected: Expected) -> None:
    """Deletes a tag and takes it off its tasks.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
        Conflict: `project_archived`.
    """
    tag = access.lock(me, tag_id, to="delete_tag")
    expected.check(tag.version)
    projects.check_open(tag.archived_at)
    events.tag_deleting.send(tag_id=tag_id)
    write(_DELETE, tag, me=me, project=tag.project_id)
