"""Tags, which belong to a project and are put on its tasks."""
