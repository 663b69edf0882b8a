"""How tags are read."""

from sqlalchemy import bindparam, func, select

from ..core.reading import Filter, Listing, One, Shape
from ..core.sql import among, begins_words
from ..core.types import AnyColumn, Id, table_of
from ..projects.access import NO_ROLE, PROJECT_ID, projects_of, role_in_id
from .models import Tag, TaskTag
from .schemas import ProjectTagQuery, TagQuery, TagSchema

_columns: dict[str, AnyColumn] = {
    "id": Tag.id,
    "project_id": Tag.project_id,
    "name": Tag.name,
    "color": Tag.color,
    "task_count": select(func.count()).where(TaskTag.tag_id == Tag.id).scalar_subquery(),
    "created_at": Tag.created_at,
    "updated_at": Tag.updated_at,
}
SHAPE = Shape(TagSchema, _columns, Tag.version)
_filters: dict[str, Filter] = {
    "search": lambda value: begins_words(Tag.words, value.patterns()),
    "project_id": lambda value: value.equals(Tag.project_id),
}

TAG = One(SHAPE, table_of(Tag), (Tag.id == bindparam("tag", type_=Id())) & (role_in_id(Tag.project_id) > NO_ROLE))
TAGS = Listing(
    SHAPE,
    table_of(Tag),
    query=TagQuery(),
    key=Tag.id,
    visible=among(Tag.project_id, projects_of()),
    sorts={"name": Tag.name},
    default_sort=(("name", False),),
    filters=_filters,
)
TAGS_OF_PROJECT = Listing(
    SHAPE,
    table_of(Tag),
    query=ProjectTagQuery(),
    key=Tag.id,
    visible=Tag.project_id == PROJECT_ID,
    sorts={"name": Tag.name},
    default_sort=(("name", False),),
    filters=_filters,
    parent=role_in_id(PROJECT_ID) > NO_ROLE,
)
