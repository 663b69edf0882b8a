"""Who may do what with a tag: the roles of its project decide."""

from sqlalchemy import bindparam, select

from ..core.errors import NotFound
from ..core.statement import Row, Statement
from ..core.types import Id, table_of
from ..projects import access as projects
from ..projects.access import NO_ROLE, role_in
from ..projects.models import Project, Role
from .models import Tag

_role = role_in(Project.id, Project.owner_id)
_seen = (
    select(table_of(Tag), Project.archived_at, _role.label("role"))
    .join(Project, Project.id == Tag.project_id)
    .where(Tag.id == bindparam("tag", type_=Id()), _role > NO_ROLE)
)
_FIND = Statement(_seen)
# The project is locked first: projects are always locked before what is in them.
_LOCK = Statement(_seen.with_for_update(key_share=True, of=[Project, Tag]))


def find(user_id: str, tag_id: str, *, to: str = "read") -> Role:
    """The role of a user in the project of a tag, if it is enough.

    Raises:
        NotFound: the tag does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    row = _FIND.first(me=user_id, tag=tag_id)
    if row is None:
        raise NotFound
    return projects.check(Role(row.role), to)


def lock(user_id: str, tag_id: str, *, to: str) -> Row:
    """The tag with its project's `archived_at`, both locked against other changes.

    Raises:
        NotFound: the tag does not exist, or the user may not see it.
        Forbidden: the role is too low.
    """
    tag, _ = projects.locked(_LOCK, to, me=user_id, tag=tag_id)
    return tag
