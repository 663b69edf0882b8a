"""Words of scripts whose letters carry marks, and how many forms of questions are kept."""

from itertools import permutations

from tasktracker.tasks import queries

SORTS = ("created_at", "updated_at", "due_date", "priority", "status", "title")


def found(person, word):
    return [task["title"] for task in person.get("/tasks", query={"search": word}).json]


def test_a_mark_does_not_end_a_word(ada):
    ada.task(title="हिन्दी पाठ")
    ada.task(title="हम नहीं देते")
    assert found(ada, "हिन्दी") == ["हिन्दी पाठ"]
    assert found(ada, "न") == ["हम नहीं देते"]


def test_statements_are_kept_for_some_forms_and_not_for_all(ada):
    for keys in list(permutations(SORTS, 4))[:140]:
        assert ada.get("/tasks", query={"sort": ",".join(keys), "page_size": 1}).status_code == 200
    kept = queries.TASKS.statement.cache_info()
    assert kept.currsize <= kept.maxsize == 128
