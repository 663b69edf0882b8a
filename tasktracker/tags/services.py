"""What happens with tags."""

from typing import Any

from sqlalchemy import delete

from ..core import events
from ..core.database import session, transactional
from ..core.results import Expected, Resource
from ..core.text import caseless, spaced_words
from ..projects import access as projects
from . import access, queries
from .models import Tag


def words_of(name: str) -> str:
    """The words that a tag is found by."""
    return spaced_words(name)


@transactional
def create_tag(me: str, project_id: str, fields: dict[str, Any]) -> Resource:
    """A new tag in a project.

    Raises:
        NotFound, Forbidden: see `projects.access`.
        Conflict: `project_archived` or `tag_name_taken`.
    """
    project, _ = projects.lock(me, project_id, to="create_tag")
    projects.check_open(project.archived_at)
    name = fields["name"]
    tag = Tag(project_id=project_id, name_key=caseless(name), words=words_of(name), **fields)
    session().add(tag)
    session().flush()
    return queries.TAG.get(me=me, tag=tag.id)


@transactional
def update_tag(me: str, tag_id: str, changes: dict[str, Any], expected: Expected) -> Resource:
    """Changes a tag.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
        Conflict: `project_archived` or `tag_name_taken`.
    """
    tag, project = access.lock(me, tag_id, to="update_tag")
    expected.check(tag.version)
    projects.check_open(project.archived_at)
    if tag.change(**changes):
        tag.name_key, tag.words = caseless(tag.name), words_of(tag.name)
    session().flush()
    return queries.TAG.get(me=me, tag=tag_id)


@transactional
def delete_tag(me: str, tag_id: str, expected: Expected) -> None:
    """Deletes a tag and takes it off its tasks.

    Raises:
        NotFound, Forbidden: see `access`.
        Stale: it has another version than expected.
        Conflict: `project_archived`.
    """
    tag, project = access.lock(me, tag_id, to="delete_tag")
    expected.check(tag.version)
    projects.check_open(project.archived_at)
    events.tag_deleting.send(tag_id=tag_id)
    session().execute(delete(Tag).where(Tag.id == tag_id))
