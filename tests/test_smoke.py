def test_a_day(ada):
    project = ada.project(name="Web Site")
    tag = ada.tag(project, "Bug")
    task = ada.task(project, title="Hello world", tag_ids=[tag["id"]])
    for query in ("", "status=todo&status=done", "search=hel", "search=WS-1", "tag=BUG", "tag=BUG&tag=x", "assigned_to=none&assigned_to=me",
                  f"project_id={project['id']}", "sort=-due_date,title", "overdue=false"):
        answer = ada.get(f"/tasks?{query}")
        assert [row["id"] for row in answer.json] == [task["id"]], query
