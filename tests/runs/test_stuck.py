"""Notes of engines that got no further with an image."""

from dataclasses import replace

import pytest
from zarr.storage import MemoryStore

from toolkit.catalog import LabelFolder
from toolkit.runs.stuck import leave_note, take_note
from toolkit.runs.tasks import Task


@pytest.fixture
def task() -> Task:
    folder = LabelFolder(MemoryStore(), "run", table=0, block=0, generation=0)
    return Task(None, (3,), ("/3.jpg",), folder, 0, 1.0)  # type: ignore[arg-type]


def test_a_note_names_the_image_and_is_taken_once(task: Task) -> None:
    leave_note(task)
    assert not take_note(replace(task, rows=(4,)))
    assert take_note(task)
    assert not take_note(task)


def test_no_image_is_named_where_it_may_have_been_another(task: Task) -> None:
    several = replace(task, rows=(3, 4), uris=("/3.jpg", "/4.jpg"))
    leave_note(several)
    assert not take_note(task)
