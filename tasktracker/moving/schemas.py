"""What the lines of files hold: the fields of the API's own schemas, people by username and tags by name."""

from typing import Any, ClassVar

from marshmallow import Schema, validate
from marshmallow import fields as ma

from ..accounts.models import TeamRole
from ..accounts.schemas import Address, Username, check_time_zone
from ..core import fields
from ..core.schemas import Input, InputMeta
from ..projects.models import Project, Role
from ..projects.schemas import KEY, ProjectCreate
from ..tags.models import Tag
from ..tags.schemas import ProjectTagCreate
from ..tasks.models import Task
from ..tasks.schemas import ProjectTaskCreate

_MOST_MEMBERS = 100_000
_HIGHEST = 2_000_000_000  # Of what goes on counting here, within 32 bits.


class Moment(fields.Moment):
    """A time in a file, of which no message talks as if it stood in a URL."""

    default_error_messages = {"invalid": "Not a time with its offset, such as 2026-12-24T18:00:00Z."}


class TaskRow(ProjectTaskCreate):
    """A task of a project, as it comes from elsewhere."""

    class Meta(InputMeta):
        model = Task
        exclude = ("project_id", "assigned_to_id", "tag_ids")

    number = fields.Whole(validate=validate.Range(1))
    assigned_to = Username(allow_none=True)
    created_by = Username(allow_none=True)
    completed_at = Moment(allow_none=True)
    tags = fields.ListOf(fields.Text(validate=validate.Length(1, 50)))
    external_id = fields.Text(allow_none=True, validate=validate.Length(1, 255))
    created_at = Moment()


class Line(Schema):
    """A line of an export, in which nothing is left out but what was not known yet when it was written."""

    later: ClassVar[frozenset[str]] = frozenset()  # Fields that files from before do not have; each needs a `load_default`.
    kind = ma.String()

    def on_bind_field(self, field_name: str, field_obj: Any) -> None:
        """Says so."""
        field_obj.required = field_name not in self.later


class RecordLine(Line):
    """A resource with a life of its own."""

    id = fields.Id()
    version = fields.Whole(validate=validate.Range(1, _HIGHEST))
    created_at = Moment()
    updated_at = Moment()


class HeadLine(Line, Input):
    """The first line of an export."""

    kind = ma.String(validate=validate.Equal("export"))
    format = fields.Whole(validate=validate.Equal(1, error="This version of TaskTracker reads format {other}."))


class PersonLine(Line, Input):
    """Somebody whom later lines refer to. Neither their password nor their rights are in it."""

    id = fields.Id()
    username = Username()
    email = Address()
    display_name = fields.Text(validate=validate.Length(1, 100))
    timezone = fields.Text(validate=check_time_zone)
    created_at = Moment()


class TeamMemberPart(Line, Input):
    """Somebody in a team."""

    class Meta(InputMeta):
        exclude = ("kind",)

    user = Username()
    role = fields.Choice(TeamRole)


class TeamLine(RecordLine, Input):
    """A team that a later project refers to."""

    name = fields.Text(validate=validate.Length(1, 100))
    description = fields.Text(multiline=True, validate=validate.Length(max=5000))
    members = fields.ListOf(ma.Nested(TeamMemberPart), most=_MOST_MEMBERS)


class MemberPart(TeamMemberPart):
    """Somebody in a project."""

    role = fields.Choice(Role, without=("owner",))


class ProjectTeamPart(Line, Input):
    """A team in a project."""

    class Meta(InputMeta):
        exclude = ("kind",)

    team = fields.Id()
    role = fields.Choice(Role, without=("owner",))


class ProjectLine(RecordLine, ProjectCreate):
    """A project."""

    class Meta(InputMeta):
        model = Project

    key = fields.Text(validate=KEY)
    owner = Username()
    is_inbox = fields.Flag()
    archived_at = Moment(allow_none=True)
    last_number = fields.Whole(validate=validate.Range(0, _HIGHEST))
    members = fields.ListOf(ma.Nested(MemberPart), most=_MOST_MEMBERS)
    teams = fields.ListOf(ma.Nested(ProjectTeamPart), most=_MOST_MEMBERS)


class TagLine(RecordLine, ProjectTagCreate):
    """A tag of the project of this key."""

    class Meta(InputMeta):
        model = Tag

    project = fields.Text(validate=KEY)


class TaskLine(RecordLine, TaskRow):
    """A task of the project of this key."""

    class Meta(InputMeta):
        model = Task
        exclude = ("project_id", "assigned_to_id", "tag_ids")

    project = fields.Text(validate=KEY)


class ExternalIdLine(Line, Input):
    """What a task is called in the project of this key, from which it has moved to another one."""

    project = fields.Text(validate=KEY)
    task = fields.Id()
    external_id = fields.Text(validate=validate.Length(1, 255))


class EndLine(Line, Input):
    """The last line of an export, without which it was cut."""

    lines = fields.Whole(validate=validate.Range(1))
