"""What MONAI, transformers and torchvision compute, the presets and protocols compute too; all three as they are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from toolkit.models import Model, define_missing_operators
from toolkit.segmentation import Protocol, mean_probabilities, segment_image

MakeImage = Callable[..., np.ndarray]
MakeModel = Callable[..., Model]

# Smaller than the window along both sides, one or none; the window; multiples of it, and not.
SIZES = [(20, 25), (20, 70), (33, 31), (32, 32), (32, 64), (50, 75), (97, 33)]
ROI = 32


@pytest.fixture(scope="module")
def sliding_window_inference() -> Callable[..., Any]:
    """MONAI's own."""
    define_missing_operators()
    from monai.inferers.utils import sliding_window_inference

    function: Callable[..., Any] = sliding_window_inference
    return function


def network_input(pixels: np.ndarray, model: Model) -> Tensor:
    """The normalised image ``(1, 3, height, width)``."""
    mean, std = torch.tensor(model.normalization.mean), torch.tensor(model.normalization.std)
    return ((torch.tensor(pixels) - mean) / std).permute(2, 0, 1)[None]


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, corners not aligned."""
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.8])
@pytest.mark.parametrize("blend", ["constant", "gaussian"])
def test_the_preset_monai_is_monais_sliding_window_inference(
    sliding_window_inference: Callable[..., Any],
    small_model: Model,
    noise: MakeImage,
    size: tuple[int, int],
    overlap: float,
    blend: Any,
) -> None:
    pixels = noise(*size)
    protocol = Protocol.preset("monai", crop_size=ROI, overlap=overlap, blend=blend)
    found = mean_probabilities(pixels, small_model, protocol)

    with torch.inference_mode():
        logits = sliding_window_inference(
            network_input(pixels, small_model),
            roi_size=(ROI, ROI),
            sw_batch_size=3,
            predictor=lambda crops: resized(small_model.network(crops), crops.shape[-2:]),
            overlap=overlap,
            mode=blend,
        )
    torch.testing.assert_close(found, logits[0].softmax(0), rtol=0, atol=1e-5)


def test_the_preset_monai_is_monais_sliding_window_inference_on_a_photo(
    sliding_window_inference: Callable[..., Any], small_lraspp: Model, photo: MakeImage
) -> None:
    pixels = photo("leuvenA.jpg", 200)
    labels = segment_image(pixels, small_lraspp, Protocol.preset("monai", crop_size=96, blend="gaussian")).labels
    with torch.inference_mode():
        logits = sliding_window_inference(
            network_input(pixels, small_lraspp),
            roi_size=(96, 96),
            sw_batch_size=4,
            predictor=lambda crops: resized(small_lraspp.network(crops), crops.shape[-2:]),
            mode="gaussian",
        )
    assert (labels == logits[0].argmax(0).numpy()).mean() >= 0.999


@pytest.mark.parametrize("size", [(128, 128), (90, 140), (33, 60)])
def test_a_squashed_image_is_what_transformers_makes_of_it(
    small_segformer: Model, photo: MakeImage, size: tuple[int, int]
) -> None:
    """Pre-processing, network and post-processing of ``SegformerImageProcessor``, all of transformers."""
    from transformers import SegformerImageProcessorPil
    from transformers.modeling_outputs import SemanticSegmenterOutput

    side = 96
    pixels = np.ascontiguousarray(photo("horses.jpg", 200)[: size[0], : size[1]])
    processor = SegformerImageProcessorPil(size={"height": side, "width": side})
    image = processor(pixels, return_tensors="pt")["pixel_values"]
    assert image.shape == (1, 3, side, side)
    with torch.inference_mode():
        output = SemanticSegmenterOutput(logits=small_segformer.network(image))
    (expected,) = processor.post_process_semantic_segmentation(output, target_sizes=[pixels.shape[:2]])

    protocol = Protocol(
        scale_base="square",
        base_size=side,
        resize="pil",
        fit="stretch",
        mode="whole",
        merge="logits",
        upsample="image",
        output_align_corners=False,
    )
    np.testing.assert_array_equal(segment_image(pixels, small_segformer, protocol).labels, expected.numpy())


@pytest.fixture(scope="module")
def torchvision_pair() -> tuple[Model, torch.nn.Module]:
    """One network twice: by the toolkit's name for it, and torchvision's own with the same weights."""
    define_missing_operators()
    from torchvision.models import get_model

    from toolkit.models import load_model

    with pytest.warns(UserWarning, match="random weights"):
        model = load_model("torchvision:lraspp_mobilenet_v3_large?num_classes=6")
    own = get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=6)
    own.load_state_dict(model.network.wrapped.state_dict())
    return model, own.eval()


@pytest.mark.parametrize("size", [(96, 96), (70, 111), (64, 33)])
@torch.inference_mode()
def test_a_whole_image_is_what_torchvisions_own_forward_gives(
    torchvision_pair: tuple[Model, torch.nn.Module], noise: MakeImage, size: tuple[int, int]
) -> None:
    model, own = torchvision_pair
    pixels = noise(*size)
    expected = own(network_input(pixels, model))["out"][0].softmax(0)
    found = mean_probabilities(pixels, model, Protocol(mode="whole"))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert torch.equal(found.argmax(0), expected.argmax(0))


@torch.inference_mode()
def test_two_scales_are_the_mean_of_torchvisions_own_probabilities(
    torchvision_pair: tuple[Model, torch.nn.Module], noise: MakeImage
) -> None:
    model, own = torchvision_pair
    pixels = noise(80, 100)
    image = network_input(pixels, model)
    expected = torch.zeros(1, 6, 80, 100)
    for size in ((40, 50), (120, 150)):
        expected += resized(own(resized(image, size))["out"].softmax(1), (80, 100)) / 2
    found = mean_probabilities(pixels, model, Protocol(scales=(0.5, 1.5), mode="whole"))
    torch.testing.assert_close(found, expected[0], rtol=0, atol=1e-5)
