"""The strict fields: what they take in is what was meant, and nothing else breaks them."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError
from uuid_utils import uuid7

from tasktracker.core import fields
from tasktracker.projects.models import Role

from .strategies import quick

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=5,
)
FIELDS = {
    "text": (fields.Text(), str),
    "lines": (fields.Text(multiline=True), str),
    "password": (fields.Password(), str),
    "id": (fields.Id(), str),
    "id or me": (fields.IdOr("me"), str),
    "day": (fields.Day(), date),
    "moment": (fields.Moment(), datetime),
    "choice": (fields.Choice(Role), str),
    "flag": (fields.Flag(), bool),
    "flag in a query": (fields.Flag(query=True), bool),
    "count": (fields.Count(1, 100), int),
    "list": (fields.ListOf(fields.Text()), list),
    "search": (fields.Search(), str),
    "sort": (fields.Sort("name", "title", default="name"), tuple),
}


@pytest.mark.parametrize("name", FIELDS)
@quick
@given(value=JSON)
def test_a_field_takes_its_kind_or_says_why_not(name, value):
    field, kind = FIELDS[name]
    try:
        found = field.deserialize(value)
    except ValidationError:
        return
    assert isinstance(found, kind)


@quick
@given(st.text("0123456789-TZ:.+", max_size=30) | st.text(max_size=15))
def test_digits_and_dashes_never_break_dates(text):
    for field in (fields.Day(), fields.Moment(), fields.Count(1, 10), fields.Id()):
        try:
            field.deserialize(text)
        except ValidationError:
            continue


@quick
@given(st.dates())
def test_every_day_of_the_calendar_is_read(day):
    assert fields.Day().deserialize(day.isoformat()) == day


@quick
@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),  # noqa: DTZ001 - the offset is drawn apart.
    st.integers(-1439, 1439),
)
def test_every_time_is_read_and_given_on_in_utc(naive, minutes):
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    found = fields.Moment().deserialize(moment.isoformat())
    assert found == moment
    assert found.tzinfo is UTC


@quick
@given(st.datetimes())
def test_a_time_without_its_offset_is_refused(naive):
    with pytest.raises(ValidationError):
        fields.Moment().deserialize(naive.isoformat())


@quick
@given(st.integers())
def test_a_count_is_within_its_range(number):
    field = fields.Count(1, 1_000_000)
    if 1 <= number <= 1_000_000:
        assert field.deserialize(str(number)) == number
    else:
        with pytest.raises(ValidationError):
            field.deserialize(str(number))


@quick
@given(st.uuids())
def test_an_id_is_a_uuid_version_7_in_lower_case(uuid):
    assert fields.is_id(str(uuid)) == (uuid.version == 7)
    good = str(uuid7())
    assert fields.is_id(good)
    assert UUID(good).version == 7
    for bad in (good.upper(), good + "\n", f" {good}", good.replace("-", ""), f"{{{good}}}"):
        assert fields.is_id(bad) == (bad == good)


@quick
@given(st.lists(st.sampled_from(["name", "-name", "title", "-title", "id", "", "-", " name"]), max_size=4))
def test_a_sort_names_each_field_once(keys):
    field = fields.Sort("name", "title", default="name")
    names = [key.removeprefix("-") for key in keys]
    if names and set(names) <= {"name", "title"} and len(set(names)) == len(names):
        assert field.deserialize(",".join(keys)) == tuple((key.removeprefix("-"), key.startswith("-")) for key in keys)
    else:
        with pytest.raises(ValidationError):
            field.deserialize(",".join(keys))


@quick
@given(st.integers(0, 300))
def test_a_list_has_a_most(length):
    field = fields.ListOf(fields.Id(), most=100)
    if length <= 100:
        good = str(uuid7())
        assert field.deserialize([good] * length) == [good] * length
    else:
        with pytest.raises(ValidationError, match="100") as caught:
            field.deserialize([0] * length)
        assert len(caught.value.messages) == 1  # Not one for each item.


def test_the_documented_patterns_say_what_is_taken():
    for field in (fields.Id(), fields.IdOr("me", "none"), fields.Sort("name", "title", default="-name")):
        example = field.metadata["example"]
        assert re.search(field.metadata["pattern"], example)
        field.deserialize(example)
