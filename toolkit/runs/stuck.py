"""Notes that engines leave in the catalog before they give themselves up: which image they got no further with."""

from toolkit.catalog.format.layout import stuck_path
from toolkit.catalog.store.objects import get, put, remove
from toolkit.runs.tasks import Task


def leave_note(task: Task) -> None:
    """Say that this engine got no further with the task's image; of several nobody knows which it was."""
    if len(task.rows) == 1:
        put(task.labels.store, _path(task), b"")


def take_note(task: Task) -> bool:
    """Whether an engine that died left that note; removes it."""
    store = task.labels.store
    found = get(store, _path(task)) is not None
    if found:
        remove(store, _path(task))
    return found


def _path(task: Task) -> str:
    return stuck_path(task.labels.run_id, task.labels.table, task.rows[0])
