"""Precision, compilation and batch size: checked where they enter; what they must not change stays as it is."""

import copy
import os
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from toolkit.models import Model
from toolkit.segmentation import Execution, Protocol, Segmenter, mean_probabilities, segment_image
from toolkit.segmentation.execution import MAX_BATCH_SIZE, PreparedNetwork, float32_arithmetic, quickest_format

MakeImage = Callable[..., np.ndarray]
MakeModel = Callable[..., Model]

needs_compiler = pytest.mark.skipif(
    shutil.which("c++") is None and not os.environ.get("CI"), reason="torch.compile needs a C++ compiler"
)

PROTOCOL = Protocol(scales=(0.5, 1.0), crop_size=32, stride=24, flip=True)


@pytest.mark.parametrize("batch_size", [0, -1, MAX_BATCH_SIZE + 1])
def test_a_batch_size_out_of_range_is_refused(batch_size: int) -> None:
    with pytest.raises(ValueError, match=rf"batch_size must be .* in \[1, {MAX_BATCH_SIZE}\], not {batch_size}"):
        Execution(batch_size=batch_size)


@pytest.mark.parametrize("batch_size", [4.0, "4", True, (4,)])
def test_a_batch_size_that_is_no_whole_number_is_refused(batch_size: Any) -> None:
    with pytest.raises(TypeError, match=r"batch_size must be a whole number in \[1, "):
        Execution(batch_size=batch_size)


@pytest.mark.parametrize("precision", ["float64", "bf16", "", None, 16])
def test_an_unknown_precision_is_refused_and_the_known_are_named(precision: Any) -> None:
    with pytest.raises(ValueError, match=r"precision must be one of 'float32', 'tf32', 'bfloat16', 'float16', not"):
        Execution(precision=precision)


@pytest.mark.parametrize("compiled", [1, "yes", None])
def test_a_switch_that_is_neither_true_nor_false_is_refused(compiled: Any) -> None:
    with pytest.raises(TypeError, match="compile must be True or False"):
        Execution(compile=compiled)


@pytest.mark.parametrize(
    ("arguments", "name"), [({"batch_size": 0}, "batch_size"), ({"precision": "half"}, "precision")]
)
def test_segment_image_takes_the_same_arguments_and_checks_them_first(
    small_model: Model, arguments: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=name):
        segment_image("nowhere.jpg", small_model, **arguments)


@pytest.mark.parametrize("precision", ["float16", "tf32"])
def test_what_a_cpu_has_not_is_refused_on_it(small_model: Model, precision: Any) -> None:
    with pytest.raises(ValueError, match=rf"precision='{precision}' needs a GPU, but .* cpu; choose 'bfloat16'"):
        Segmenter(small_model, PROTOCOL, execution=Execution(precision=precision))


def test_bfloat16_agrees_with_float32_on_a_photo(built_in: Model, photo: MakeImage) -> None:
    pixels, protocol = photo("horses.jpg", 321), Protocol(scales=(0.75, 1.0), crop_size=257, flip=True)
    exact = segment_image(pixels, built_in, protocol)
    quick = segment_image(pixels, built_in, protocol, precision="bfloat16", soft_composition=True)
    assert len(np.unique(exact.labels)) > 1
    assert (quick.labels == exact.labels).mean() >= 0.98
    assert quick.labels.dtype == exact.labels.dtype
    assert quick.composition.dtype == np.float64
    assert quick.composition.sum() == pytest.approx(1)
    assert quick.soft_composition is not None
    assert quick.soft_composition.sum() == pytest.approx(1)


def test_bfloat16_is_for_the_network_only(small_model: Model, noise: MakeImage) -> None:
    """Its logits are of that type; what is computed from them is float32 and still sums to 1."""
    quick = mean_probabilities(noise(50, 60), small_model, PROTOCOL, execution=Execution(precision="bfloat16"))
    exact = mean_probabilities(noise(50, 60), small_model, PROTOCOL)
    assert quick.dtype == torch.float32
    torch.testing.assert_close(quick.sum(0), torch.ones(50, 60), rtol=0, atol=1e-5)
    assert not torch.equal(quick, exact)
    torch.testing.assert_close(quick, exact, rtol=0, atol=0.05)


def test_the_models_weights_stay_as_they_are(random_model: MakeModel, noise: MakeImage) -> None:
    model = random_model()
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    segment_image(noise(20, 20), model, PROTOCOL, precision="bfloat16")
    for name, tensor in model.network.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])


@needs_compiler
def test_a_compiled_network_gives_the_same_and_is_compiled_once(pixel_model: Model, noise: MakeImage) -> None:
    """9 tiles and batches of 4: the last one is filled up, because each size is compiled anew."""
    from torch._dynamo.utils import counters

    pixels, protocol = noise(70, 70), Protocol(crop_size=32, stride=32)
    torch.compiler.reset()
    counters.clear()
    compiled = segment_image(pixels, pixel_model, protocol, compile=True, batch_size=4, soft_composition=True)
    assert counters["stats"]["unique_graphs"] == 1
    plain = segment_image(pixels, pixel_model, protocol, soft_composition=True)
    assert (compiled.labels == plain.labels).mean() >= 0.999
    assert compiled.confidence == pytest.approx(plain.confidence, abs=1e-5)
    np.testing.assert_allclose(compiled.soft_composition, plain.soft_composition, rtol=0, atol=1e-5)


class _Wrong(nn.Module):
    """Gives something else than logits."""

    def __init__(self, output: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self._output = output

    def forward(self, crops: Tensor) -> Any:
        return self._output(crops)


@pytest.mark.parametrize(
    ("output", "given"),
    [
        (lambda crops: {"out": crops}, "dict"),
        (lambda crops: crops[:, 0], r"\(1, 32, 32\)"),
        (lambda crops: crops, r"\(1, 3, 32, 32\)"),
        (lambda crops: torch.cat([crops, crops], dim=1)[:, :5].repeat(2, 1, 1, 1), r"\(2, 5, 32, 32\)"),
    ],
    ids=["dictionary", "three dimensions", "other classes", "another batch"],
)
def test_a_network_that_gives_no_logits_is_refused_by_name(
    small_model: Model, noise: MakeImage, output: Callable[[Tensor], Any], given: str
) -> None:
    model = Model(_Wrong(output).eval(), small_model.class_names, small_model.normalization, name="wrong")
    with pytest.raises(ValueError, match=rf"wrong gave {given} for \(1, 3, 32, 32\); .* \(1, 5, height, width\)"):
        mean_probabilities(noise(32, 32), model, Protocol(crop_size=32), execution=Execution(batch_size=1))


def test_logits_are_float32_whatever_the_precision(small_model: Model) -> None:
    for precision in ("float32", "bfloat16"):
        network = PreparedNetwork(small_model, Execution(precision=precision))
        with torch.inference_mode():
            assert network(torch.zeros(2, 3, 16, 24)).dtype == torch.float32


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [
        ("cpu", "float32", torch.channels_last),
        ("cpu", "bfloat16", torch.channels_last),
        ("cuda", "float32", torch.contiguous_format),
        ("cuda", "tf32", torch.channels_last),
        ("cuda", "float16", torch.channels_last),
    ],
)
def test_channels_come_first_where_that_is_quicker(device: str, precision: Any, expected: torch.memory_format) -> None:
    assert quickest_format(torch.device(device), precision) == expected


def test_a_network_in_training_mode_is_refused(small_model: Model) -> None:
    network = copy.deepcopy(small_model.network).train()
    model = Model(network, small_model.class_names, small_model.normalization, name="unready")
    with pytest.raises(ValueError, match=r"unready is in training mode.*network\.eval\(\)"):
        PreparedNetwork(model, Execution())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_a_network_of_other_than_float32_weights_is_refused(small_model: Model, dtype: torch.dtype) -> None:
    network = copy.deepcopy(small_model.network).to(dtype)
    model = Model(network, small_model.class_names, small_model.normalization, name="half")
    with pytest.raises(ValueError, match=rf"half has weights of {dtype}; call network\.float\(\)"):
        PreparedNetwork(model, Execution())


def test_arithmetic_is_restored_whatever_the_process_allows() -> None:
    """Torch refuses to mix its two ways of saying so."""
    settings = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    before = [one.fp32_precision for one in settings]
    for tf32, expected in ((False, "ieee"), (True, "tf32")):
        with float32_arithmetic(torch.device("cuda"), tf32=tf32):
            assert [one.fp32_precision for one in settings] == [expected] * 2
        assert [one.fp32_precision for one in settings] == before


@needs_compiler
def test_more_shapes_than_torch_compiles_by_default_are_compiled(pixel_model: Model, noise: MakeImage) -> None:
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    counters.clear()
    for side in range(16, 26):
        segment_image(noise(side, side), pixel_model, Protocol(mode="whole"), compile=True)
    assert counters["stats"]["unique_graphs"] == 10
