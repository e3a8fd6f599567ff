"""What an engine does with a batch: time to stop, and images that fail alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from claiming import claim_next
from PIL import Image

from toolkit.catalog import Catalog, LabelPlace, Owner, RunSettings
from toolkit.models import Model, load_model
from toolkit.runs.tasks import Task, Work
from toolkit.runs.worker import _load_once, segment_batch, segmenter_of
from toolkit.segmentation import NUMERICS_VERSION, Protocol
from toolkit.sources import ReadLimits


@pytest.fixture
def task(catalog: Catalog, model: Model, small_protocol: Protocol, small_photos: list[Path]) -> Task:
    """The catalog's first four images."""
    settings = RunSettings(
        model.name, model.digest, model.class_names, small_protocol.to_dict(), NUMERICS_VERSION, model.palette
    )
    shape = catalog.segments()[0]
    owned = claim_next(catalog, catalog.start_run(settings), shape, 0, Owner())
    return Task(
        work=Work(model.source, model.digest, small_protocol, ReadLimits()),
        rows=(0, 1, 2, 3),
        uris=tuple(map(str, small_photos[:4])),
        labels=owned.labels,
        first_part=0,
        seconds=60.0,
    )


def test_every_image_has_an_outcome_in_order(task: Task, model: Model) -> None:
    outcome = segment_batch(task, segmenter_of(task.work, model))
    assert [image.row for image in outcome.images] == [0, 1, 2, 3]
    assert all(image.error == "" and LabelPlace.unpacked(image.label_place).part == 0 for image in outcome.images)
    assert outcome.seconds > 0


def test_after_its_time_it_comes_back_with_what_it_has(task: Task, model: Model) -> None:
    outcome = segment_batch(replace(task, seconds=0.0), segmenter_of(task.work, model))
    assert [image.row for image in outcome.images] == [0]
    assert LabelPlace.unpacked(outcome.images[0].label_place).part == 0


def test_an_image_that_memory_cannot_hold_fails_alone(
    task: Task, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (333, 20)).save(tmp_path / "wide.png")
    task = replace(task, uris=(task.uris[0], str(tmp_path / "wide.png"), *task.uris[2:]))
    monkeypatch.setattr(
        "toolkit.segmentation.segmenter.bytes_needed", lambda height, width, *_, **__: 2**60 if width == 333 else 10
    )
    outcome = segment_batch(task, segmenter_of(task.work, model))
    assert [image.error for image in outcome.images] == ["", "out_of_memory", "", ""]
    assert "fewer engines" in outcome.images[1].message


def test_a_network_that_gives_no_numbers_fails_its_images(task: Task, model: Model) -> None:
    class Broken(type(model.network)):  # type: ignore[misc]
        def forward(self, image):  # type: ignore[no-untyped-def]
            return super().forward(image) * np.nan

    network = Broken()
    network.load_state_dict(model.network.state_dict())
    outcome = segment_batch(task, segmenter_of(task.work, replace(model, network=network.eval())))
    assert {image.error for image in outcome.images} == {"internal"}
    assert "not finite" in outcome.images[0].message


def test_a_model_is_loaded_once_per_digest_and_kept(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(source: str) -> Model:
        loaded.append(source)
        return load_model(source)

    monkeypatch.setattr("toolkit.runs.worker.load_model", load)
    _load_once.cache_clear()
    for first_part in (0, 4, 8):
        segment_batch(replace(task, first_part=first_part, seconds=0.0))
    assert loaded == ["deeplabv3-mobilenetv2-voc"]
    _load_once.cache_clear()
