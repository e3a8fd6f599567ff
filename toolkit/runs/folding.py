"""The label maps of a block that is through, brought from one array per task into one for all."""

from dataclasses import replace

from toolkit.catalog import LabelPlace
from toolkit.runs.tasks import FoldOutcome, FoldTask


def fold_labels(task: FoldTask) -> FoldOutcome:
    """Copy a block's label maps into one array; on an engine, since it reads and writes all of them.

    On one that does not see the catalog nothing is done.
    """
    if task.driver and not task.labels.is_in_reach(task.driver):
        return FoldOutcome(None)
    places = task.labels.fold(
        task.part,
        [(LabelPlace.unpacked(labels.place), labels.height * labels.width) for labels in task.label_maps],
    )
    return FoldOutcome(
        tuple(replace(labels, place=place.packed()) for labels, place in zip(task.label_maps, places, strict=True))
    )
