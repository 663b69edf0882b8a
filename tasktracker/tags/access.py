"""Who may do what with a tag: the roles of its project decide."""

from sqlalchemy import bindparam, select

from ..core.database import session
from ..core.errors import NotFound
from ..core.reading import Statement
from ..core.types import Id
from ..projects import access as projects
from ..projects.models import Project, Role
from .models import Tag

_PROJECT = Statement(select(Tag.project_id).where(Tag.id == bindparam("tag", type_=Id())))


def find(user_id: str, tag_id: str, *, to: str = "read") -> Role:
    """The role of a user in the project of a tag, if it is enough.

    Raises:
        NotFound: the tag does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    row = _PROJECT.first(tag=tag_id)
    if row is None:
        raise NotFound
    return projects.find(user_id, row.project_id, to=to)


def lock(user_id: str, tag_id: str, *, to: str) -> tuple[Tag, Project]:
    """The tag and its project, both locked against other changes.

    Raises:
        NotFound: the tag does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    project_id = session().scalar(select(Tag.project_id).where(Tag.id == tag_id))
    if project_id is None:
        raise NotFound
    project, _ = projects.lock(user_id, project_id, to=to)
    tag = session().get(Tag, tag_id, with_for_update=True, populate_existing=True)
    if tag is None:
        raise NotFound
    return tag, project
