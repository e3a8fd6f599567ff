"""What an engine does with a batch: time to stop, and images that fail alone."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from claiming import claim_next
from PIL import Image
from zarr.storage import LocalStore

from toolkit.catalog import Catalog, LabelPlace, Owner, RunSettings
from toolkit.catalog.claims import latest_claim
from toolkit.engines.hosting import Host, hosted_model
from toolkit.engines.inside.retirement import Retirement
from toolkit.models import Model, load_model
from toolkit.runs.folding import fold_labels
from toolkit.runs.packing import place
from toolkit.runs.tasks import FoldTask, Task, Work
from toolkit.runs.worker import segment_batch, segmenter_of
from toolkit.segmentation import NUMERICS_VERSION, Execution, Protocol
from toolkit.sources import ReadLimits


@pytest.fixture
def task(catalog: Catalog, model: Model, small_protocol: Protocol, small_photos: list[Path]) -> Task:
    """The catalog's first four images."""
    settings = RunSettings(
        model.name, model.digest, model.class_names, small_protocol.to_dict(), NUMERICS_VERSION, model.palette
    )
    shape = catalog.image_tables()[0]
    owned = claim_next(catalog, catalog.start_run(settings), shape, 0, Owner())
    return Task(
        work=Work(model.source, model.digest, small_protocol, ReadLimits()),
        rows=(0, 1, 2, 3),
        uris=tuple(map(str, small_photos[:4])),
        labels=owned.labels,
        first_part=0,
        seconds=60.0,
        labels_by="engines",
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

    monkeypatch.setattr("toolkit.engines.hosting.models.load_model", load)
    hosted_model.cache_clear()
    for number in range(3):  # three protocols, which share the network
        protocol = replace(task.work.protocol, crop_size=97 + 8 * number)
        segment_batch(replace(task, work=replace(task.work, protocol=protocol), first_part=4 * number, seconds=0.0))
    assert loaded == ["deeplabv3-mobilenetv2-voc"]
    hosted_model.cache_clear()


class TestRetirement:
    def test_who_is_asked_to_end_begins_nothing(self, task: Task, model: Model) -> None:
        retirement = Retirement()
        retirement.ask()
        host = Host(retirement)
        assert segment_batch(task, segmenter_of(task.work, model, host), host).images == ()

    def test_the_image_at_hand_is_finished_and_the_others_go_back(self, task: Task, model: Model) -> None:
        retirement = Retirement()
        host = Host(retirement)
        handle = model.network.register_forward_hook(lambda *_: retirement.ask())
        try:
            outcome = segment_batch(task, segmenter_of(task.work, model, host), host)
        finally:
            handle.remove()
        assert [(image.row, image.error) for image in outcome.images] == [(0, "")]
        assert LabelPlace.unpacked(outcome.images[0].label_place).part == 0

    def test_an_image_that_takes_too_long_is_given_up(self, task: Task, model: Model) -> None:
        retirement = Retirement(grace_seconds=0.0)
        host = Host(retirement)
        calls: list[int] = []

        def count(*_: object) -> None:
            calls.append(1)
            if len(calls) == 4:
                retirement.ask()

        # One tile per call, after one for the network's stride: it is asked in the middle of the second image.
        work = replace(task.work, protocol=replace(task.work.protocol, flip=True), execution=Execution(batch_size=1))
        task = replace(task, work=work)
        segmenter = segmenter_of(work, model, host)
        handle = model.network.register_forward_hook(count)
        try:
            outcome = segment_batch(task, segmenter, host)
        finally:
            handle.remove()
        assert [(image.row, image.error) for image in outcome.images] == [(0, "")]
        assert len(calls) == 4
        again = segment_batch(replace(task, rows=task.rows[1:], uris=task.uris[1:]), segmenter, host)
        assert again.images == ()


class TestReach:
    """Label maps go to the driver where the engine does not see the catalog."""

    def test_the_drivers_catalog_is_in_reach(self, task: Task) -> None:
        claim = latest_claim(task.labels.store, task.labels.run_id, task.labels.table, task.labels.block)
        assert claim is not None
        assert task.labels.is_in_reach(claim.owner.name)

    def test_a_copy_or_another_catalog_is_not(self, task: Task) -> None:
        assert not task.labels.is_in_reach("host-1-ffffffffffff")

    def test_a_folder_that_is_not_there_is_not_made(self, task: Task, tmp_path: Path) -> None:
        folder = replace(task.labels, store=LocalStore(tmp_path / "elsewhere"))
        assert not folder.is_in_reach("host-1-ffffffffffff")
        assert not (tmp_path / "elsewhere").exists()

    def test_what_is_out_of_reach_comes_along_and_is_placed_by_the_driver(self, task: Task, model: Model) -> None:
        segmenter = segmenter_of(task.work, model)
        task = replace(task, labels_by="auto")
        outcome = segment_batch(task, segmenter)  # of no driver that the catalog knows
        assert [packed.rows for packed in outcome.packed] == [(0, 1, 2, 3)]
        assert {image.label_place for image in outcome.images} == {-1}
        assert len(outcome.packed[0].content) < 4 * 96 * 64
        placed = place((task, pickle.loads(pickle.dumps(outcome))))
        direct = segment_batch(replace(task, labels_by="engines", first_part=10), segmenter)
        for one, other in zip(placed.images, direct.images, strict=True):
            maps = [
                task.labels.read(LabelPlace.unpacked(image.label_place), image.height, image.width)
                for image in (one, other)
            ]
            np.testing.assert_array_equal(*maps)

    def test_an_engine_that_is_to_write_where_it_sees_nothing_says_so(
        self, task: Task, model: Model, tmp_path: Path
    ) -> None:
        class Engine(Host):
            number = 3

        elsewhere = replace(task, labels=replace(task.labels, store=LocalStore(tmp_path / "elsewhere")))
        with pytest.raises(OSError, match=r"does not see the catalog at .*elsewhere.* use labels_by='auto'"):
            segment_batch(elsewhere, segmenter_of(task.work, model), Engine())
        assert not (tmp_path / "elsewhere").exists()
        fold = FoldTask(elsewhere.labels, 7, (), "host-1-ffffffffffff")
        assert fold_labels(fold).label_maps is None
        assert not (tmp_path / "elsewhere").exists()

    def test_without_label_maps_nothing_comes_along(self, task: Task, model: Model) -> None:
        task = replace(task, labels_by="driver", keep_labels=False)
        outcome = segment_batch(task, segmenter_of(task.work, model))
        assert outcome.packed == ()


def test_a_model_that_cannot_be_loaded_is_asked_for(task: Task, tmp_path: Path) -> None:
    work = replace(task.work, model_source=str(tmp_path / "none"), model_digest="0" * 64)
    outcome = segment_batch(replace(task, work=work))
    assert outcome.images == ()
    assert outcome.lacks_model is not None
    assert "no such name, no such directory" in outcome.lacks_model.reason
