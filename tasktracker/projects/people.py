"""Whom a user gets to know: the people they share a team or a project with."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import String, bindparam, literal_column, or_, select, union

from ..accounts.access import CAN_LOG_IN
from ..accounts.models import TeamMember, User
from ..accounts.schemas import UserBrief
from ..core.reading import Filter, Listing, One, Shape
from ..core.sql import among, begins_words
from ..core.text import caseless
from ..core.types import AnyColumn, AnySelect, Id, table_of
from .access import ME, projects_of
from .models import Project, ProjectMember, ProjectTeam
from .schemas import PeopleQuery


def people_of(user: AnyColumn = ME) -> AnySelect:
    """The ids of all whom a user shares a team or a project with, in whatever way; their own may be among them.

    It begins at the user's own teams and projects, however many users there are.
    """
    visible = select(projects_of(user).cte("visible").c.id)
    own_teams = select(TeamMember.team_id.label("id")).where(TeamMember.user_id == user)
    in_projects = select(ProjectTeam.team_id).where(among(ProjectTeam.project_id, visible))
    teams = select(union(own_teams, in_projects).cte("teams").c.id)
    owners = select(Project.owner_id.label("id")).where(among(Project.id, visible))
    direct = select(ProjectMember.user_id).where(among(ProjectMember.project_id, visible))
    by_team = select(TeamMember.user_id).where(among(TeamMember.team_id, teams))
    return select(union(owners, direct, by_team).subquery("people").c.id)


_columns: dict[str, AnyColumn] = {"id": User.id, "username": User.username, "display_name": User.display_name}
# No one changes a person here, and the version of their account would tell when they change what is theirs alone.
_shape = Shape(UserBrief, _columns, literal_column("0"))
_person_id = bindparam("user", type_=Id())
_known = people_of().subquery("known")
_is_known = or_(_person_id == ME, select(_known.c.id).where(_known.c.id == _person_id).exists())

PERSON = One(_shape, table_of(User), (User.id == _person_id) & _is_known)


def find(user_id: str, person_id: str, *, to: str = "read") -> None:  # noqa: ARG001 - everyone who is found may be read.
    """Looks a person up.

    Raises:
        NotFound: there is no such person, or the user does not know them.
    """
    PERSON.get(me=user_id, user=person_id)


class PeopleListing(Listing):
    """Pages of people; whose username is sought in full is found by everyone."""

    def prepare(self, filters: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Adds the username that the search may be."""
        prepared, _ = super().prepare(filters, values)
        # Without a word in it, it begins no word of anybody's.
        prepared |= {"search": prepared["search"] or ("% -%",)} if "search" in prepared else {}
        return prepared, {"username": caseless(filters["search"]) if "search" in filters else None}


_others = people_of().subquery("others")
_is_named = User.username == bindparam("username", type_=String())
_named = select(User.id).where(_is_named, CAN_LOG_IN)
_listed = union(select(_others.c.id).where(_others.c.id != ME), _named).cte("listed")
_filters: dict[str, Filter] = {"search": lambda value: or_(begins_words(User.words, value.patterns()), _is_named)}

PEOPLE = PeopleListing(
    _shape,
    table_of(User),
    query=PeopleQuery(),
    key=User.id,
    visible=among(User.id, select(_listed.c.id)),
    sorts={"username": User.username},
    default_sort=(("username", False),),
    filters=_filters,
)
