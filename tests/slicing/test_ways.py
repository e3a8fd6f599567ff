"""Slices go through the network one by one, in threads or as a batch: the same labels, the calls as promised."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from toolkit.models import Model
from toolkit.segmentation import Protocol, segment_image
from toolkit.slicing import SlicedSegmenter, Way

MakeModel = Callable[..., Model]
Noise = Callable[..., np.ndarray]

WAYS: tuple[Way, ...] = ("one by one", "threads", "batch")


class _Witness(nn.Module):
    """Remembers how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 2, 1)
        self.batches: list[int] = []
        self.threads: set[str] = set()
        self.cores: set[int] = set()
        self.dtypes: set[torch.dtype] = set()
        self.requires_grad: set[bool] = set()

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(image)
        self.batches.append(len(image))
        self.threads.add(threading.current_thread().name)
        self.cores.add(torch.get_num_threads())
        self.dtypes.add(logits.dtype)
        self.requires_grad.add(logits.requires_grad)
        return logits


class _Fails(nn.Module):
    """Fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 2, 1)
        self.failing = True

    def forward(self, image: Tensor) -> Tensor:
        if self.failing:
            raise RuntimeError("no such luck")
        logits: Tensor = self.head(image)
        return logits


@pytest.fixture
def witness() -> _Witness:
    return _Witness()


def sliced(rows: int, columns: int, overlap: float = 0.0, **fields: object) -> Protocol:
    return Protocol(mode="slices", slices=(rows, columns), slice_overlap=overlap, **fields)  # type: ignore[arg-type]


def calls_of(witness: _Witness, make_model: MakeModel, protocol: Protocol, way: Way, **options: object) -> _Witness:
    """What the network saw of one image, without what was tried beforehand."""
    with SlicedSegmenter(make_model(witness, 2), protocol, way, **options) as segmenter:  # type: ignore[arg-type]
        segmenter.segment(np.zeros((24, 24, 3), np.uint8))
        witness.batches.clear()
        witness.threads.clear()
        witness.cores.clear()
        witness.dtypes.clear()
        segmenter.segment(np.zeros((24, 24, 3), np.uint8))
    return witness


@pytest.mark.parametrize("size", [(48, 64), (33, 71), (5, 90), (3, 2)])
@pytest.mark.parametrize(
    "protocol", [sliced(2, 3), sliced(2, 2, 0.25, scales=(0.5, 1.0), flip=True)], ids=["plain", "overlapping"]
)
def test_all_ways_give_the_same_label_map(
    convolutional_model: Model, noise: Noise, size: tuple[int, int], protocol: Protocol
) -> None:
    pixels = noise(*size)
    expected = segment_image(pixels, convolutional_model, protocol).labels
    for way in WAYS:
        with SlicedSegmenter(convolutional_model, protocol, way) as segmenter:
            labels = segmenter.segment(pixels).labels
        assert labels.shape == size
        assert np.mean(labels == expected) > 0.999, way


@pytest.mark.usefixtures("two_cores")
def test_one_by_one_each_slice_is_a_call_on_all_cores(witness: _Witness, make_model: MakeModel) -> None:
    calls = calls_of(witness, make_model, sliced(2, 3), "one by one")
    assert calls.batches == [1] * 6
    assert calls.cores == {2}


def test_a_batch_is_all_slices_of_an_image(witness: _Witness, make_model: MakeModel) -> None:
    assert calls_of(witness, make_model, sliced(2, 3), "batch").batches == [6]


@pytest.mark.parametrize("flip_merge", ["tile", "image"])
def test_a_batch_holds_the_mirrored_slices_too(witness: _Witness, make_model: MakeModel, flip_merge: str) -> None:
    protocol = sliced(2, 3, flip=True, flip_merge=flip_merge)
    assert calls_of(witness, make_model, protocol, "batch").batches == [12]


@pytest.mark.usefixtures("two_cores")
def test_in_threads_each_slice_is_a_call_on_one_core(witness: _Witness, make_model: MakeModel) -> None:
    calls = calls_of(witness, make_model, sliced(2, 3), "threads")
    assert calls.batches == [1] * 6
    assert calls.cores == {1}
    assert all(name.startswith("slice") for name in calls.threads)


@pytest.mark.usefixtures("two_cores")
def test_threads_work_at_the_same_time(make_model: MakeModel) -> None:
    barrier = threading.Barrier(2, timeout=20)

    class Meets(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            if image.shape[-1] == 4:  # a slice, not what is tried beforehand
                barrier.wait()  # goes on only when both threads are here
            return image[:, :2]

    with SlicedSegmenter(make_model(Meets(), 2), sliced(1, 2), "threads") as segmenter:
        segmenter.segment(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.usefixtures("two_cores")
def test_the_number_of_cores_is_restored_also_for_threads_to_come(witness: _Witness, make_model: MakeModel) -> None:
    calls_of(witness, make_model, sliced(2, 2), "threads")
    found: list[int] = []
    later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert [torch.get_num_threads(), *found] == [2, 2]


def test_threads_end_with_the_block(witness: _Witness, make_model: MakeModel) -> None:
    before = threading.active_count()
    calls_of(witness, make_model, sliced(2, 2), "threads")
    assert threading.active_count() == before


@pytest.mark.parametrize("way", WAYS)
def test_the_precision_holds_in_every_way(witness: _Witness, make_model: MakeModel, way: Way) -> None:
    assert calls_of(witness, make_model, sliced(2, 2), way).dtypes == {torch.float32}
    assert calls_of(witness, make_model, sliced(2, 2), way, precision="bfloat16").dtypes == {torch.bfloat16}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_kept_for_gradients(witness: _Witness, make_model: MakeModel, way: Way) -> None:
    model = make_model(witness, 2)
    witness.requires_grad_(True)
    with SlicedSegmenter(model, sliced(2, 2), way) as segmenter:
        segmenter.segment(np.zeros((24, 24, 3), np.uint8))
    assert witness.requires_grad == {False}


@pytest.mark.parametrize("way", WAYS)
def test_after_an_error_the_next_image_is_segmented(make_model: MakeModel, way: Way) -> None:
    network = _Fails()
    pixels = np.zeros((16, 16, 3), np.uint8)
    with SlicedSegmenter(make_model(network, 2), sliced(2, 2), way) as segmenter:
        with pytest.raises(RuntimeError, match="no such luck"):
            segmenter.segment(pixels)
        network.failing = False
        assert segmenter.segment(pixels).labels.shape == (16, 16)


def test_a_protocol_that_cuts_no_slices_is_refused(pixel_model: Model) -> None:
    with pytest.raises(ValueError, match="mode='slide' cuts no slices; choose mode='slices'"):
        SlicedSegmenter(pixel_model, Protocol(), "batch")


@pytest.mark.parametrize("way", ["streams", "Threads", None, 3])
def test_what_is_no_way_on_a_cpu_is_refused(pixel_model: Model, way: Way) -> None:
    with pytest.raises(ValueError, match=r"on cpu must be one of 'one by one', 'threads', 'batch'"):
        SlicedSegmenter(pixel_model, sliced(2, 2), way)
