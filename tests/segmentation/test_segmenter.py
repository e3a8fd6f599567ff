"""Many images at once give what each gives alone, and what one of them does wrong stays with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from toolkit.models import Model
from toolkit.segmentation import Execution, Protocol, SegmentedImage, Segmenter, segment_image

MakeImage = Callable[..., np.ndarray]
MakeModel = Callable[..., Model]

PROTOCOL = Protocol(scales=(0.5, 1.0), crop_size=32, stride=24, flip=True)
SIZES = [(30, 40), (64, 33), (1, 1), (32, 32), (90, 20), (30, 40), (17, 80)]
PLANT = (255, 0, 255)
"""The colour of the images that networks below do not bear."""


@contextmanager
def batch_sizes(network: nn.Module) -> Iterator[list[int]]:
    """Crops per call of a network, as they come."""
    sizes: list[int] = []
    handle = network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    try:
        yield sizes
    finally:
        handle.remove()


def planted(height: int = 20, width: int = 20) -> np.ndarray:
    """An image in that colour."""
    return np.full((height, width, 3), PLANT, np.uint8)


def assert_alike(found: SegmentedImage, expected: SegmentedImage) -> None:
    """The same result, but for the last digits of what depends on the batch."""
    assert (found.labels == expected.labels).mean() > 0.995
    np.testing.assert_allclose(found.composition, expected.composition, atol=0.005)
    assert found.confidence == pytest.approx(expected.confidence, abs=1e-5)
    if expected.soft_composition is None:
        assert found.soft_composition is None
    else:
        assert found.soft_composition is not None
        np.testing.assert_allclose(found.soft_composition, expected.soft_composition, atol=1e-5)


@pytest.mark.parametrize("batch_size", [None, 1, 3, 64])
@pytest.mark.parametrize(
    "protocol",
    [PROTOCOL, Protocol.preset("segformer", base_size=32, flip=True), Protocol(mode="slices", slices=(2, 2))],
    ids=["slide", "whole", "slices"],
)
def test_images_of_any_size_give_what_each_gives_alone(
    random_model: MakeModel, noise: MakeImage, protocol: Protocol, batch_size: int | None
) -> None:
    model = random_model(5, 8, 0)
    images = [noise(*size, seed) for seed, size in enumerate(SIZES)]
    segmenter = Segmenter(model, protocol, execution=Execution(batch_size=batch_size), soft_composition=True)
    results = [segmenter.add(image) for image in images]
    segmenter.finish()
    for image, result in zip(images, results, strict=True):
        assert_alike(result.result(timeout=0), segment_image(image, model, protocol, soft_composition=True))


def test_on_a_cpu_an_image_gives_the_same_bits_whatever_came_before_it(small_model: Model, noise: MakeImage) -> None:
    segmenter, pixels = Segmenter(small_model, PROTOCOL, soft_composition=True), noise(50, 70)
    for seed, size in enumerate(SIZES):
        segmenter.add(noise(*size, seed))
    among_others = segmenter.add(pixels)
    segmenter.finish()
    alone = segment_image(pixels, small_model, PROTOCOL, soft_composition=True)
    np.testing.assert_array_equal(among_others.result(timeout=0).labels, alone.labels)
    np.testing.assert_array_equal(among_others.result(timeout=0).soft_composition, alone.soft_composition)
    assert among_others.result(timeout=0).confidence == alone.confidence


def test_batches_span_images(small_model: Model, noise: MakeImage) -> None:
    one_tile = Protocol(crop_size=32)
    segmenter = Segmenter(small_model, one_tile, execution=Execution(batch_size=4))
    segmenter.add(noise(30, 30))
    with batch_sizes(small_model.network) as sizes:
        for seed in range(8):
            segmenter.add(noise(20 + seed, 30, seed))
        segmenter.finish()
    assert sizes == [4, 4, 1]


def test_results_are_there_after_finish_at_the_latest(small_model: Model, noise: MakeImage) -> None:
    segmenter = Segmenter(small_model, Protocol(crop_size=32), execution=Execution(batch_size=64))
    result = segmenter.add(noise(30, 30))
    assert not result.done()
    segmenter.finish()
    assert result.done()


def test_images_do_not_wait_for_ever_for_a_batch_to_fill_up(small_model: Model, noise: MakeImage) -> None:
    segmenter = Segmenter(small_model, Protocol(crop_size=32), execution=Execution(batch_size=1000))
    results = [segmenter.add(noise(30, 30, seed)) for seed in range(9)]
    assert results[0].done()
    assert sum(not result.done() for result in results) <= 8


def test_a_segmenter_goes_on_after_finish(small_model: Model, noise: MakeImage) -> None:
    segmenter = Segmenter(small_model, PROTOCOL)
    for seed in range(2):
        result = segmenter.add(noise(30, 30, seed))
        segmenter.finish()
        assert_alike(result.result(timeout=0), segment_image(noise(30, 30, seed), small_model, PROTOCOL))


def test_results_keep_their_own_memory(small_model: Model, noise: MakeImage) -> None:
    segmenter = Segmenter(small_model, PROTOCOL)
    first = segmenter.add(noise(30, 30, 1))
    segmenter.finish()
    before = first.result().labels.copy()
    segmenter.add(noise(30, 30, 2))
    segmenter.finish()
    np.testing.assert_array_equal(first.result().labels, before)


def test_the_callers_pixels_may_be_changed_after_add(small_model: Model, noise: MakeImage) -> None:
    pixels = noise(30, 40)
    expected = segment_image(pixels, small_model, PROTOCOL)
    segmenter = Segmenter(small_model, PROTOCOL, execution=Execution(batch_size=64))
    result = segmenter.add(pixels)
    pixels[:] = 0
    segmenter.finish()
    assert_alike(result.result(timeout=0), expected)


class _Touchy(nn.Module):
    """A network that something happens to at the sight of one colour."""

    def __init__(self, inside: nn.Module, model: Model, react: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.inside = inside
        self._react = react
        mean, std = (torch.tensor(values) for values in vars(model.normalization).values())
        self._plant = ((torch.tensor(PLANT) - mean) / std).view(1, 3, 1, 1)

    def forward(self, crops: Tensor) -> Tensor:
        seen = ((crops - self._plant).abs() < 1e-3).all(dim=1).flatten(1).any(dim=1)
        return self._react(seen, self.inside(crops))


def touchy(model: Model, react: Callable[[Tensor, Tensor], Tensor]) -> Model:
    """The model with such a network; ``react`` gets which crops show the colour, and the logits."""
    return Model(_Touchy(model.network, model, react).eval(), model.class_names, model.normalization, name="touchy")


def _raise(seen: Tensor, logits: Tensor) -> Tensor:
    if seen.any():
        raise RuntimeError("a colour that I do not bear")
    return logits


def test_after_an_error_the_images_that_are_not_done_are_tried_alone(small_model: Model, noise: MakeImage) -> None:
    """As a worker does it: the images that shared a batch with the one at fault get their results after all."""
    model, protocol = touchy(small_model, _raise), Protocol(crop_size=32)
    images = [noise(30, 30), planted(), noise(25, 31), noise(28, 28)]
    segmenter = Segmenter(model, protocol, execution=Execution(batch_size=4))
    together = [segmenter.add(image) for image in images[:3]]
    with pytest.raises(RuntimeError, match="a colour"):
        segmenter.add(images[3])
    segmenter.reset()
    assert all(result.cancelled() for result in together)

    for number, image in enumerate(images):
        result = segmenter.add(image)
        if number == 1:
            with pytest.raises(RuntimeError, match="a colour"):
                segmenter.finish()
            segmenter.reset()
        else:
            segmenter.finish()
            assert_alike(result.result(timeout=0), segment_image(image, small_model, protocol))


def test_results_that_were_there_before_an_error_stay(small_model: Model, noise: MakeImage) -> None:
    segmenter = Segmenter(touchy(small_model, _raise), Protocol(crop_size=32), execution=Execution(batch_size=1))
    first = segmenter.add(noise(30, 30))
    with pytest.raises(RuntimeError, match="a colour"):
        segmenter.add(planted())
    segmenter.reset()
    assert first.result(timeout=0).labels.shape == (30, 30)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_values_that_are_not_finite_concern_their_own_image_only(
    small_model: Model, noise: MakeImage, value: float, batch_size: int
) -> None:
    def spoil(seen: Tensor, logits: Tensor) -> Tensor:
        return torch.where(seen.view(-1, 1, 1, 1), value, logits)

    segmenter = Segmenter(
        touchy(small_model, spoil), Protocol(crop_size=32), execution=Execution(batch_size=batch_size)
    )
    images = [noise(30, 30), planted(), noise(25, 31)]
    results = [segmenter.add(image) for image in images]
    segmenter.finish()
    with pytest.raises(ArithmeticError, match="touchy gave values that are not finite"):
        results[1].result(timeout=0)
    for number in (0, 2):
        alone = segment_image(images[number], small_model, Protocol(crop_size=32))
        assert_alike(results[number].result(timeout=0), alone)


def test_an_image_that_needs_too_much_memory_leaves_the_others_alone(
    small_model: Model, noise: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = Segmenter(small_model, PROTOCOL, execution=Execution(batch_size=64))
    result = segmenter.add(noise(30, 30))
    with monkeypatch.context() as patch:
        patch.setattr("toolkit.segmentation.segmenter.bytes_needed", lambda *_, **__: 2**60)
        with pytest.raises(MemoryError, match="GiB"):
            segmenter.add(noise(31, 31))
    segmenter.finish()
    assert result.result(timeout=0).labels.shape == (30, 30)


def test_a_batch_that_does_not_fit_in_memory_is_halved_and_the_results_are_the_same(
    small_model: Model, noise: MakeImage
) -> None:
    def refuse(_: Tensor, logits: Tensor) -> Tensor:
        if len(logits) > 2:
            raise torch.OutOfMemoryError("no memory")
        return logits

    images = [noise(40, 50, seed) for seed in range(3)]
    segmenter = Segmenter(touchy(small_model, refuse), PROTOCOL, execution=Execution(batch_size=16))
    results = [segmenter.add(image) for image in images]
    segmenter.finish()
    for image, result in zip(images, results, strict=True):
        assert_alike(result.result(timeout=0), segment_image(image, small_model, PROTOCOL))


def test_pixels_are_checked_before_anything_is_begun(small_model: Model, noise: MakeImage) -> None:
    segmenter = Segmenter(small_model, Protocol(crop_size=32))
    with pytest.raises(TypeError, match="uint8, not float32"):
        segmenter.add((noise(30, 30) / 255).astype(np.float32))
    with pytest.raises(ValueError, match=r"\(height, width, 3\).*\(30, 30, 4\)"):
        segmenter.add(np.zeros((30, 30, 4), np.uint8))
    result = segmenter.add(noise(30, 30))
    segmenter.finish()
    assert result.result(timeout=0).labels.shape == (30, 30)


@pytest.mark.parametrize("shape", [(1, 33, 3), (33, 1, 3), (20, 30, 3)])
def test_an_image_that_runs_backwards_is_as_any_other(small_model: Model, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)[::-1, :, ::-1]
    protocol = Protocol(crop_size=32)
    assert_alike(segment_image(pixels, small_model, protocol), segment_image(pixels.copy(), small_model, protocol))


def test_on_a_gpu_as_many_images_wait_as_a_batch_has_crops(
    small_model: Model, noise: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one crop each; elsewhere, a few."""
    for patient, expected in ((("cpu",), [12, 2]), ((), [5, 5, 4])):
        monkeypatch.setattr("toolkit.segmentation.segmenter._WAITING_FOR_FULL_BATCHES", patient)
        segmenter = Segmenter(small_model, Protocol(mode="whole"), execution=Execution(batch_size=12))
        with batch_sizes(small_model.network) as sizes:
            results = [segmenter.add(noise(24, 32, seed)) for seed in range(14)]
            segmenter.finish()
        assert [size for size in sizes if size > 1] == expected
        assert all(result.done() for result in results)
